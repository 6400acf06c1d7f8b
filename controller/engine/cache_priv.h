/* SPDX-License-Identifier: Apache-2.0
 * The cache's inner side: what is kept of one kind, and its index. All under the cache's lock. */
#ifndef FL_ENGINE_CACHE_PRIV_H
#define FL_ENGINE_CACHE_PRIV_H

#include "base/lock.h"
#include "base/map.h"
#include "engine/cache.h"

struct fl_posting;

/* One place of an entry in a posting; each knows the other, so that both go in constant time. */
struct fl_posting_ref {
    struct fl_posting *posting;
    uint32_t at;
};

/* One object. Stays the same while versions of the object come and go. */
struct fl_cache_entry {
    struct fl_obj *obj;
    struct fl_posting_ref *refs;
    uint32_t n_refs;
    uint32_t listing; /* number of the listing that last named it */
};

/* All entries that refer to one thing. */
struct fl_posting {
    char *key;
    struct {
        struct fl_cache_entry *entry;
        uint32_t slot; /* in entry->refs */
    } * v;
    uint32_t n, room;
};

struct fl_cache_shelf { /* one kind */
    struct fl_cache *cache;
    struct fl_cache_kind conf;
    struct fl_map *objects; /* "ns/name" -> struct fl_cache_entry, owned */
    struct fl_map *index;   /* what is referred to -> struct fl_posting, owned */
    size_t bytes;
    uint64_t seen_rv; /* newest resourceVersion that the reflector has brought */
    uint32_t listing; /* number of the newest listing */
    bool listing_open;
    bool synced;
    struct fl_reflector *reflector;
    bool troubled;
    struct fl_err trouble;
    int64_t trouble_ms; /* since when */
};

void fl_posting_free(void *posting);
/* Keys of the index, into b. */
void fl_index_ref_key(struct fl_buf *b, const struct fl_kind *kind, struct fl_str ns,
                      struct fl_str name);
void fl_index_owner_key(struct fl_buf *b, struct fl_str uid);
/* Takes the entry out of all postings. */
void fl_index_drop(struct fl_cache_shelf *s, struct fl_cache_entry *e);
/* Puts it under these keys; it is under none. */
void fl_index_put(struct fl_cache_shelf *s, struct fl_cache_entry *e, char *const *keys, size_t n);

#endif
