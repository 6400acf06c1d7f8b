/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cache.h"

#include "base/mem.h"
#include "base/num.h"
#include "engine/cache_priv.h"

struct fl_cache {
    struct fl_kube *kube;
    char *ns;
    struct fl_lock lock;
    struct fl_cache_shelf **shelves; /* fixed once started */
    size_t n;
};

static void entry_free(void *p)
{
    struct fl_cache_entry *e = p;
    fl_obj_free(e->obj);
    fl_free(e->refs);
    fl_free(e);
}

struct fl_cache *fl_cache_new(struct fl_kube *kube, struct fl_str ns)
{
    struct fl_cache *c = FL_NEW(struct fl_cache);
    c->kube = kube;
    c->ns = fl_strndup(ns.n ? ns.p : "", ns.n);
    fl_lock_init(&c->lock, "cache", FL_RANK_CACHE);
    return c;
}

void fl_cache_free(struct fl_cache *c)
{
    if (!c) {
        return;
    }
    for (size_t i = 0; i < c->n; i++) {
        fl_map_free(c->shelves[i]->objects);
        fl_map_free(c->shelves[i]->index);
        fl_free(c->shelves[i]);
    }
    fl_free(c->shelves);
    fl_free(c->ns);
    fl_lock_destroy(&c->lock);
    fl_free(c);
}

void fl_cache_add(struct fl_cache *c, const struct fl_cache_kind *k)
{
    struct fl_cache_shelf *s = FL_NEW(struct fl_cache_shelf);
    s->cache = c;
    s->conf = *k;
    s->objects = fl_map_new(entry_free);
    s->index = fl_map_new(fl_posting_free);
    c->shelves = fl_reallocarray(c->shelves, c->n + 1, sizeof(*c->shelves));
    c->shelves[c->n++] = s;
}

static struct fl_cache_shelf *shelf_of(struct fl_cache *c, const struct fl_kind *kind)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->shelves[i]->conf.kind == kind) {
            return c->shelves[i];
        }
    }
    return NULL;
}

static void key_of(struct fl_buf *b, struct fl_str ns, struct fl_str name)
{
    fl_buf_str(b, ns);
    fl_buf_char(b, '/');
    fl_buf_str(b, name);
}

static uint64_t rv_of(struct fl_str rv)
{
    uint64_t n = 0;
    return fl_num_u64(rv, &n) ? n : 0;
}

static size_t obj_bytes(const struct fl_obj *o)
{
    return o ? sizeof(*o) + o->text.n + 1 : 0;
}

/* ---- what an object is found by ---- */

struct keys {
    const struct fl_obj *obj;
    char **v;
    size_t n;
};

static void keys_add(struct keys *k, struct fl_buf *b)
{
    for (size_t i = 0; i < k->n; i++) {
        if (strcmp(k->v[i], b->data) == 0) {
            return;
        }
    }
    k->v = fl_reallocarray(k->v, k->n + 1, sizeof(*k->v));
    k->v[k->n++] = fl_buf_take(b);
}

static void keys_add_ref(void *arg, struct fl_ref r)
{
    struct keys *k = arg;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_index_ref_key(&b, r.kind, k->obj->ns, r.name);
    keys_add(k, &b);
}

static void keys_collect(const struct fl_cache_shelf *s, struct keys *k)
{
    struct fl_str kind = {0};
    struct fl_str name = {0};
    struct fl_str owner = fl_obj_owner_uid(k->obj, &kind, &name);
    if (owner.n > 0) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_index_owner_key(&b, owner);
        keys_add(k, &b);
    }
    if (s->conf.refs) {
        s->conf.refs(s->conf.self, k->obj, keys_add_ref, k);
    }
}

static void keys_release(struct keys *k)
{
    for (size_t i = 0; i < k->n; i++) {
        fl_free(k->v[i]);
    }
    fl_free(k->v);
}

/* References stand in the spec, and owners hardly ever change: objects of the same generation and trigger are found by the
 * same keys. */
static bool same_keys(const struct fl_obj *old, const struct fl_obj *now)
{
    struct fl_str ignore = {0};
    return old && fl_str_eq(old->uid, now->uid) && now->generation > 0 &&
           old->generation == now->generation &&
           fl_str_eq(fl_obj_owner_uid(old, &ignore, &ignore),
                     fl_obj_owner_uid(now, &ignore, &ignore));
}

/* ---- changes ---- */

static void tell(struct fl_cache_shelf *s, struct fl_obj *old, struct fl_obj *now, bool initial)
{
    if (s->conf.changed) {
        s->conf.changed(s->conf.self, old, now, initial);
    }
}

enum origin { FROM_WATCH, FROM_NOTE };

/* Whether `o` is newer than what is kept. An object that is not kept, noted at a version that the watch has passed, was
 * deleted meanwhile. */
static bool is_news(const struct fl_cache_shelf *s, const struct fl_cache_entry *e,
                    const struct fl_obj *o, enum origin origin)
{
    if (e) {
        return rv_of(o->rv) > rv_of(e->obj->rv);
    }
    return origin == FROM_WATCH || rv_of(o->rv) > s->seen_rv;
}

/* Puts o (one reference of the caller's stays his). *ret_old: one reference of what was there. False: it was not newer. */
static bool shelf_put(struct fl_cache_shelf *s, struct fl_obj *o, const struct keys *keys,
                      enum origin origin, struct fl_obj **ret_old, bool *ret_initial)
{
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    key_of(&key, o->ns, o->name);
    fl_lock_scope(&s->cache->lock);
    struct fl_cache_entry *e = fl_map_get(s->objects, fl_buf_slice(&key));
    bool news = is_news(s, e, o, origin);
    if (origin == FROM_WATCH) {
        uint64_t rv = rv_of(o->rv);
        s->seen_rv = rv > s->seen_rv ? rv : s->seen_rv;
        if (e) {
            e->listing = s->listing;
        }
    }
    if (!news) {
        return false;
    }
    if (!e) {
        e = FL_NEW(struct fl_cache_entry);
        e->listing = s->listing;
        fl_map_set(s->objects, fl_buf_slice(&key), e);
    }
    s->bytes += obj_bytes(o) - obj_bytes(e->obj);
    *ret_old = e->obj;
    e->obj = fl_obj_ref(o);
    if (keys) {
        fl_index_drop(s, e);
        fl_index_put(s, e, keys->v, keys->n);
    }
    *ret_initial = !s->synced;
    return true;
}

static struct fl_obj *shelf_get(struct fl_cache_shelf *s, struct fl_str ns, struct fl_str name)
{
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    key_of(&key, ns, name);
    fl_lock_scope(&s->cache->lock);
    const struct fl_cache_entry *e = fl_map_get(s->objects, fl_buf_slice(&key));
    return e ? fl_obj_ref(e->obj) : NULL;
}

/* The keys are made before the lock is taken, from what is there then; a version that comes between the two has made its
 * own, and is newer (then this one is no news) or of the same object (then the keys are made again by the next). */
static void shelf_set(struct fl_cache_shelf *s, struct fl_obj *o, enum origin origin)
{
    fl_auto(fl_obj) before = shelf_get(s, o->ns, o->name);
    struct keys keys = {.obj = o};
    bool rekey = !same_keys(before, o);
    if (rekey) {
        keys_collect(s, &keys);
    }
    fl_auto(fl_obj) old = NULL;
    bool initial = false;
    bool news = shelf_put(s, o, rekey ? &keys : NULL, origin, &old, &initial);
    keys_release(&keys);
    if (news) {
        tell(s, old, o, initial);
    }
}

/* ---- the reflector's callbacks ---- */

static void on_begin(void *arg)
{
    struct fl_cache_shelf *s = arg;
    fl_lock_scope(&s->cache->lock);
    s->listing++;
    s->listing_open = true;
}

static void shelf_trouble(struct fl_cache_shelf *s, const struct fl_err *err)
{
    int64_t now = fl_clock_mono_ms(fl_kube_clock(s->cache->kube));
    fl_lock_scope(&s->cache->lock);
    if (err && !s->troubled) {
        s->trouble_ms = now;
    }
    s->troubled = err != NULL;
    if (err) {
        s->trouble = *err;
    }
}

static void on_trouble(void *arg, const struct fl_err *err)
{
    struct fl_cache_shelf *s = arg;
    struct fl_err named;
    if (err) {
        named = *err;
        (void)fl_wrap(&named, "watch %s", s->conf.kind->plural);
        err = &named;
    }
    shelf_trouble(s, err);
}

static void on_set(void *arg, struct fl_str text)
{
    struct fl_cache_shelf *s = arg;
    fl_auto(fl_obj) o = NULL;
    struct fl_err err = FL_ERR_INIT;
    if (fl_obj_new(s->conf.kind, text, s->conf.metadata_only, &o, &err) == 0) {
        shelf_set(s, o, FROM_WATCH);
    }
}

/* Takes the entry away and gives its object. */
static struct fl_obj *shelf_remove(struct fl_cache_shelf *s, struct fl_str key,
                                   struct fl_cache_entry *e)
{
    fl_index_drop(s, e);
    s->bytes -= obj_bytes(e->obj);
    struct fl_obj *o = fl_take(e->obj);
    fl_map_del(s->objects, key);
    return o;
}

static struct fl_obj *shelf_delete(struct fl_cache_shelf *s, const struct fl_obj *last)
{
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    key_of(&key, last->ns, last->name);
    uint64_t rv = rv_of(last->rv);
    fl_lock_scope(&s->cache->lock);
    s->seen_rv = rv > s->seen_rv ? rv : s->seen_rv;
    struct fl_cache_entry *e = fl_map_get(s->objects, fl_buf_slice(&key));
    /* A newer one was made under the same name and noted by its maker. */
    if (!e || rv_of(e->obj->rv) > rv) {
        return NULL;
    }
    return shelf_remove(s, fl_buf_slice(&key), e);
}

static void on_del(void *arg, struct fl_str text)
{
    struct fl_cache_shelf *s = arg;
    fl_auto(fl_obj) last = NULL;
    struct fl_err err = FL_ERR_INIT;
    if (fl_obj_new(s->conf.kind, text, s->conf.metadata_only, &last, &err) < 0) {
        return;
    }
    fl_auto(fl_obj) old = shelf_delete(s, last);
    if (old) {
        tell(s, old, NULL, false);
    }
}

/* What the listing did not name is gone, unless it is newer than the listing (noted by who made it). */
static struct fl_obj **shelf_sweep(struct fl_cache_shelf *s, uint64_t rv, size_t *ret_n)
{
    struct fl_obj **gone = NULL;
    size_t n = 0;
    size_t it = 0;
    struct fl_str key = {0};
    void *value = NULL;
    fl_lock_scope(&s->cache->lock);
    s->seen_rv = rv > s->seen_rv ? rv : s->seen_rv;
    while (s->listing_open && fl_map_next(s->objects, &it, &key, &value)) {
        struct fl_cache_entry *e = value;
        if (e->listing == s->listing || rv_of(e->obj->rv) > rv) {
            continue;
        }
        gone = fl_reallocarray(gone, n + 1, sizeof(*gone));
        gone[n++] = shelf_remove(s, key, e);
    }
    s->listing_open = false;
    s->synced = true;
    *ret_n = n;
    return gone;
}

static void on_synced(void *arg, struct fl_str rv)
{
    struct fl_cache_shelf *s = arg;
    size_t n = 0;
    struct fl_obj **gone = shelf_sweep(s, rv_of(rv), &n);
    for (size_t i = 0; i < n; i++) {
        tell(s, gone[i], NULL, false);
        fl_obj_free(gone[i]);
    }
    fl_free(gone);
    if (s->conf.synced) {
        s->conf.synced(s->conf.self);
    }
}

static const struct fl_reflector_ops shelf_ops = {
    .begin = on_begin,
    .set = on_set,
    .del = on_del,
    .synced = on_synced,
    .trouble = on_trouble,
};

void fl_cache_start(struct fl_cache *c)
{
    for (size_t i = 0; i < c->n; i++) {
        struct fl_cache_shelf *s = c->shelves[i];
        s->reflector = fl_reflector_start(c->kube, s->conf.kind,
                                          fl_str_of(s->conf.kind->namespaced ? c->ns : ""),
                                          s->conf.metadata_only, &shelf_ops, s);
    }
}

void fl_cache_stop(struct fl_cache *c)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->shelves[i]->reflector) {
            fl_reflector_stop(fl_take(c->shelves[i]->reflector));
        }
    }
}

/* ---- reading ---- */

bool fl_cache_synced(struct fl_cache *c)
{
    fl_lock_scope(&c->lock);
    for (size_t i = 0; i < c->n; i++) {
        if (!c->shelves[i]->synced) {
            return false;
        }
    }
    return true;
}

struct fl_obj *fl_cache_get(struct fl_cache *c, const struct fl_kind *kind, struct fl_str ns,
                            struct fl_str name)
{
    struct fl_cache_shelf *s = shelf_of(c, kind);
    return s ? shelf_get(s, ns, name) : NULL;
}

void fl_cache_note(struct fl_cache *c, struct fl_obj *o)
{
    struct fl_cache_shelf *s = shelf_of(c, o->kind);
    if (s && !s->conf.metadata_only) {
        shelf_set(s, o, FROM_NOTE);
    }
}

struct picked {
    struct fl_obj **v;
    size_t n;
};

static void picked_add(struct picked *p, struct fl_obj *o, size_t max)
{
    if (!p->v) {
        p->v = fl_calloc(max, sizeof(*p->v));
    }
    p->v[p->n++] = fl_obj_ref(o);
}

static void picked_give(struct picked *p, void (*each)(void *arg, struct fl_obj *o), void *arg)
{
    for (size_t i = 0; i < p->n; i++) {
        each(arg, p->v[i]);
        fl_obj_free(p->v[i]);
    }
    fl_free(p->v);
}

static void by_index(struct fl_cache *c, const struct fl_kind *kind, const struct fl_buf *key,
                     void (*each)(void *arg, struct fl_obj *o), void *arg)
{
    struct fl_cache_shelf *s = shelf_of(c, kind);
    struct picked p = {0};
    if (s) {
        fl_lock_scope(&c->lock);
        const struct fl_posting *post = fl_map_get(s->index, fl_buf_slice(key));
        for (uint32_t i = 0; post && i < post->n; i++) {
            picked_add(&p, post->v[i].entry->obj, post->n);
        }
    }
    picked_give(&p, each, arg);
}

void fl_cache_referrers(struct fl_cache *c, const struct fl_kind *kind, struct fl_str ns,
                        struct fl_ref to, void (*each)(void *arg, struct fl_obj *o), void *arg)
{
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    fl_index_ref_key(&key, to.kind, ns, to.name);
    by_index(c, kind, &key, each, arg);
}

void fl_cache_owned(struct fl_cache *c, const struct fl_kind *kind, struct fl_str owner_uid,
                    void (*each)(void *arg, struct fl_obj *o), void *arg)
{
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    fl_index_owner_key(&key, owner_uid);
    by_index(c, kind, &key, each, arg);
}

void fl_cache_each(struct fl_cache *c, const struct fl_kind *kind,
                   void (*each)(void *arg, struct fl_obj *o), void *arg)
{
    struct fl_cache_shelf *s = shelf_of(c, kind);
    struct picked p = {0};
    if (s) {
        size_t it = 0;
        struct fl_str key = {0};
        void *value = NULL;
        fl_lock_scope(&c->lock);
        while (fl_map_next(s->objects, &it, &key, &value)) {
            picked_add(&p, ((struct fl_cache_entry *)value)->obj, fl_map_len(s->objects));
        }
    }
    picked_give(&p, each, arg);
}

size_t fl_cache_len(struct fl_cache *c, const struct fl_kind *kind)
{
    struct fl_cache_shelf *s = shelf_of(c, kind);
    if (!s) {
        return 0;
    }
    fl_lock_scope(&c->lock);
    return fl_map_len(s->objects);
}

size_t fl_cache_bytes(struct fl_cache *c)
{
    size_t n = 0;
    fl_lock_scope(&c->lock);
    for (size_t i = 0; i < c->n; i++) {
        n += c->shelves[i]->bytes;
    }
    return n;
}

bool fl_cache_trouble(struct fl_cache *c, struct fl_err *ret, int64_t *ret_since_ms)
{
    const struct fl_cache_shelf *oldest = NULL;
    fl_lock_scope(&c->lock);
    for (size_t i = 0; i < c->n; i++) {
        const struct fl_cache_shelf *s = c->shelves[i];
        if (s->troubled && (!oldest || s->trouble_ms < oldest->trouble_ms)) {
            oldest = s;
        }
    }
    if (!oldest) {
        return false;
    }
    *ret = oldest->trouble;
    if (ret_since_ms) {
        *ret_since_ms = oldest->trouble_ms;
    }
    return true;
}
