/* SPDX-License-Identifier: Apache-2.0
 * Informer and cache: reflectors feed immutable, refcounted objects, kept as compact text plus an extracted header; found by
 * key and by index. Any thread. Objects are parsed only when a pass needs them. */
#ifndef FL_ENGINE_CACHE_H
#define FL_ENGINE_CACHE_H

#include "api/meta/kind.h"
#include "base/str.h"
#include "kube/kube.h"

/* Immutable once published. Slices point into text. */
struct fl_obj {
    atomic_size_t refs;
    const struct fl_kind *kind;
    struct fl_str ns, name, uid, rv;
    int64_t generation;
    bool deleting;
    signed char ready; /* status of the condition Ready: 1 True, 0 False or Unknown, -1 none */
    uint64_t
        trigger; /* hash of what makes a pass due: generation, annotations, labels, finalizers, deletion; not status */
    struct fl_str text;
};

/* From a checked text (one allocation), without metadata.managedFields, which no controller of ours reads; BAD_DATA when
 * name, uid or resourceVersion are missing. metadata_only keeps of metadata what identifies the object and tells its age,
 * owners, labels and deletion, and nothing else: annotations may hold a whole Secret (kubectl apply puts it there). */
int fl_obj_new(const struct fl_kind *kind, struct fl_str text, bool metadata_only,
               struct fl_obj **ret, struct fl_err *err);
struct fl_obj *fl_obj_ref(struct fl_obj *o);
void fl_obj_free(struct fl_obj *o); /* drops one reference; NULL is fine */
FL_AUTO(fl_obj);
/* Value of an annotation, decoded into the arena; NULL = absent. */
const char *fl_obj_annotation(const struct fl_obj *o, const char *key, struct fl_arena *a);
/* The uid of the owner with controller=true, and its kind and name; n == 0 = none. */
struct fl_str fl_obj_owner_uid(const struct fl_obj *o, struct fl_str *kind, struct fl_str *name);

struct fl_cache;

/* A reference from one object to another of the same namespace: kept as index entries. */
struct fl_ref {
    const struct fl_kind *kind;
    struct fl_str name;
};

struct fl_cache_kind {
    const struct fl_kind *kind;
    bool metadata_only;
    /* Collects what `o` refers to; called once per generation of an object, outside locks. NULL: no index. */
    void (*refs)(void *self, const struct fl_obj *o, void (*add)(void *arg, struct fl_ref r),
                 void *arg);
    /* After the cache changed; old NULL: new object, now NULL: gone. initial: part of a first listing. On the watch thread, or
     * on the one that notes (fl_cache_note); no lock held; must be quick. Two calls for one object may come in either order
     * when one of them is noted. */
    void (*changed)(void *self, struct fl_obj *old, struct fl_obj *now, bool initial);
    void (*synced)(
        void *self); /* after each whole listing, when its changes were told; may be NULL */
    void *self;
};

struct fl_cache *fl_cache_new(struct fl_kube *kube, struct fl_str ns /* empty: all */);
void fl_cache_free(struct fl_cache *c);                               /* after fl_cache_stop */
void fl_cache_add(struct fl_cache *c, const struct fl_cache_kind *k); /* before start; copied */
void fl_cache_start(struct fl_cache *c);
void fl_cache_stop(struct fl_cache *c);   /* no callback after it returns */
bool fl_cache_synced(struct fl_cache *c); /* all kinds have had one whole listing */
/* One reference; NULL = not there. */
struct fl_obj *fl_cache_get(struct fl_cache *c, const struct fl_kind *kind, struct fl_str ns,
                            struct fl_str name);
/* Puts the answer of our own write, if newer than what is kept, so that the next pass sees it, and tells `changed`; the
 * watch then brings nothing new. What the watch has already seen deleted is not brought back. Takes nothing. */
void fl_cache_note(struct fl_cache *c, struct fl_obj *o);
/* Objects of `kind` in ns that refer to (ref_kind, name), or that are owned (controller) by uid. The callback gets borrowed
 * objects, no lock is held. */
void fl_cache_referrers(struct fl_cache *c, const struct fl_kind *kind, struct fl_str ns,
                        struct fl_ref to, void (*each)(void *arg, struct fl_obj *o), void *arg);
void fl_cache_owned(struct fl_cache *c, const struct fl_kind *kind, struct fl_str owner_uid,
                    void (*each)(void *arg, struct fl_obj *o), void *arg);
void fl_cache_each(struct fl_cache *c, const struct fl_kind *kind,
                   void (*each)(void *arg, struct fl_obj *o), void *arg);
size_t fl_cache_len(struct fl_cache *c, const struct fl_kind *kind);
size_t fl_cache_bytes(struct fl_cache *c);
/* Last trouble of any reflector that has not recovered, for health and messages; false = none. ret_since_ms (may be NULL):
 * monotonic time when the oldest such trouble began. */
bool fl_cache_trouble(struct fl_cache *c, struct fl_err *ret, int64_t *ret_since_ms);

#endif
