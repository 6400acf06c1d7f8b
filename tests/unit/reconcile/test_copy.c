/* SPDX-License-Identifier: Apache-2.0
 * The copier over a port in memory: interleavings, caps, what is tried again and when. Against registries:
 * contract/test_copy.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>

#include "base/map.h"
#include "base/mem.h"
#include "reconcile/copy.h"

/* ---- two registries over one graph ---- */

#define DIGEST 24

/* The copier's 100 jobs that wait for blobs, and what each of its 16 threads has in its hands. */
#define LIVE_MAX 150

struct thing { /* a manifest of the graph */
    char digest[DIGEST];
    enum fl_manifest_kind kind;
    size_t n_manifests, n_blobs;
    char (*refs)[DIGEST]; /* n_manifests, then n_blobs */
};

struct world {
    struct fl_lock lock;
    struct fl_map *things; /* digest -> struct thing */
    struct fl_map *there;  /* "repo@digest", "repo:tag" -> the digest */
    struct fl_map *sent;   /* blob digest -> anything: was uploaded */
    bool no_mount;
    unsigned yields;   /* up to so many within each call */
    unsigned fail_per; /* one call of so many fails with UNAVAILABLE; 0: none */
    atomic_uint random;
    int problems;
    int uploaded, mounted, existed;
    int live, live_max;       /* manifests fetched and not yet put */
    int pushing, pushing_max; /* blobs in flight */
    const char *slow_blob;    /* its upload lasts until many wait for it; NULL */
    /* Asked before each head of a tag at the destination. */
    int (*on_item)(struct world *w, const char *tag, struct fl_err *err);
    void *on_item_arg;
};

struct fl_remote {
    struct world *w;
};

struct fl_blob_source {
    int unused;
};

static unsigned draw(struct world *w, unsigned n)
{
    unsigned seen = atomic_fetch_add(&w->random, 2654435761U);
    seen ^= seen >> 15;
    seen *= 2246822519U;
    seen ^= seen >> 13;
    return n ? seen % n : 0;
}

/* Lets others in, and fails now and then. */
static int chance(struct world *w, struct fl_err *err)
{
    for (unsigned i = draw(w, w->yields + 1); i > 0; i--) {
        sched_yield();
    }
    if (w->fail_per && draw(w, w->fail_per) == 0) {
        return fl_fail(err, FL_E_UNAVAILABLE, "Test", "as the test wants it");
    }
    return 0;
}

static void *at(struct world *w, const char *repo, char sep, const char *ref)
{
    fl_lock_assert_held(&w->lock);
    char key[200];
    (void)snprintf(key, sizeof(key), "%s%c%s", repo, sep, ref);
    return fl_map_get(w->there, fl_str_of(key));
}

static void put_at(struct world *w, const char *repo, char sep, const char *ref, void *value)
{
    char key[200];
    (void)snprintf(key, sizeof(key), "%s%c%s", repo, sep, ref);
    fl_map_set(w->there, fl_str_of(key), value);
}

static int mem_head(struct fl_remote *r, const struct fl_ctx *ctx, const char *repo,
                    const char *ref, bool writing, struct fl_manifest_head *ret, struct fl_err *err)
{
    struct world *w = r->w;
    (void)writing;
    bool tag = !strchr(ref, ':');
    int x = fl_ctx_check(ctx, "head", err);
    x = x ? x : chance(w, err);
    if (x == 0 && tag && w->on_item) {
        x = w->on_item(w, ref, err);
    }
    if (x < 0) {
        return x;
    }
    fl_lock_scope(&w->lock);
    const struct thing *t = at(w, repo, tag ? ':' : '@', ref);
    if (!t) {
        return fl_fail(err, FL_E_NOT_FOUND, "ManifestUnknown", "no %s:%s", repo, ref);
    }
    (void)snprintf(ret->digest, sizeof(ret->digest), "%s", t->digest);
    return 0;
}

static int mem_get(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
                   const char *repo, const char *digest, struct fl_manifest *ret,
                   struct fl_err *err)
{
    struct world *w = r->w;
    (void)repo;
    int x = fl_ctx_check(ctx, "get", err);
    x = x ? x : chance(w, err);
    if (x < 0) {
        return x;
    }
    fl_lock_scope(&w->lock);
    const struct thing *t = fl_map_get(w->things, fl_str_of(digest));
    if (!t) {
        return fl_fail(err, FL_E_NOT_FOUND, "ManifestUnknown", "no %s", digest);
    }
    *ret = (struct fl_manifest){.kind = t->kind, .digest = fl_arena_text(a, digest)};
    ret->n_manifests = t->n_manifests;
    ret->n_blobs = t->n_blobs;
    ret->manifests = fl_arena_array(a, t->n_manifests + 1, sizeof(*ret->manifests));
    ret->blobs = fl_arena_array(a, t->n_blobs + 1, sizeof(*ret->blobs));
    for (size_t i = 0; i < t->n_manifests + t->n_blobs; i++) {
        struct fl_descriptor *d =
            i < t->n_manifests ? &ret->manifests[i] : &ret->blobs[i - t->n_manifests];
        d->digest = fl_arena_text(a, t->refs[i]);
        d->size = 1;
    }
    w->live++;
    w->live_max = w->live > w->live_max ? w->live : w->live_max;
    return 0;
}

static int mem_put(struct fl_remote *r, const struct fl_ctx *ctx, const char *repo, const char *ref,
                   const struct fl_manifest *m, struct fl_err *err)
{
    struct world *w = r->w;
    int x = fl_ctx_check(ctx, "put", err);
    x = x ? x : chance(w, err);
    if (x < 0) {
        return x;
    }
    fl_lock_scope(&w->lock);
    struct thing *t = fl_map_get(w->things, fl_str_of(m->digest));
    for (size_t i = 0; i < t->n_manifests + t->n_blobs; i++) {
        if (!at(w, repo, '@', t->refs[i])) {
            w->problems++;
            print_error("%s:%s was put before %s\n", repo, ref, t->refs[i]);
        }
    }
    put_at(w, repo, '@', m->digest, t);
    if (!strchr(ref, ':')) {
        put_at(w, repo, ':', ref, t);
    }
    w->live--;
    return 0;
}

static int mem_open_blob(struct fl_remote *r, const struct fl_ctx *ctx, const char *repo,
                         const struct fl_descriptor *d, struct fl_blob_source **ret,
                         struct fl_err *err)
{
    (void)r;
    (void)ctx;
    (void)repo;
    (void)d;
    (void)err;
    *ret = FL_NEW(struct fl_blob_source);
    return 0;
}

static void mem_close_blob(struct fl_blob_source *src)
{
    fl_free(src);
}

static bool mem_begin_upload(struct world *w, const char *repo, const struct fl_descriptor *d,
                             const char *mount_from, enum fl_blob_outcome *ret)
{
    fl_lock_scope(&w->lock);
    if (at(w, repo, '@', d->digest)) {
        *ret = FL_BLOB_EXISTED;
        w->existed++;
        return false;
    }
    if (mount_from && !w->no_mount) {
        if (!at(w, mount_from, '@', d->digest)) {
            w->problems++;
            print_error("mount of %s from %s, which has it not\n", d->digest, mount_from);
        }
        put_at(w, repo, '@', d->digest, w);
        w->mounted++;
        *ret = FL_BLOB_MOUNTED;
        return false;
    }
    w->pushing++;
    w->pushing_max = w->pushing > w->pushing_max ? w->pushing : w->pushing_max;
    return true;
}

/* And then some, in which more would come if nothing held them back. */
static void await_waiters(struct world *w)
{
    for (int after = 0; after < 3000; sched_yield()) {
        fl_lock_scope(&w->lock);
        after += w->live >= LIVE_MAX / 2;
    }
}

static int mem_push(struct fl_remote *r, const struct fl_ctx *ctx, const char *repo,
                    const struct fl_descriptor *d, const char *mount_from, bool skip_head,
                    struct fl_blob_source *src, atomic_llong *moved, enum fl_blob_outcome *ret,
                    struct fl_err *err)
{
    struct world *w = r->w;
    (void)skip_head;
    (void)src;
    int x = fl_ctx_check(ctx, "push", err);
    x = x ? x : chance(w, err);
    if (x < 0 || !mem_begin_upload(w, repo, d, mount_from, ret)) {
        return x;
    }
    x = chance(w, err);
    if (w->slow_blob && strcmp(w->slow_blob, d->digest) == 0) {
        await_waiters(w);
    }
    fl_lock_scope(&w->lock);
    w->pushing--;
    if (x == 0) {
        if (fl_map_get(w->sent, fl_str_of(d->digest)) && !w->no_mount) {
            w->problems++;
            print_error("%s was uploaded twice\n", d->digest);
        }
        fl_map_set(w->sent, fl_str_of(d->digest), w);
        put_at(w, repo, '@', d->digest, w);
        w->uploaded++;
        atomic_fetch_add(moved, d->size);
        *ret = FL_BLOB_COPIED;
    }
    return x;
}

static const struct fl_registry_ops mem_ops = {
    .head_manifest = mem_head,
    .get_manifest = mem_get,
    .put_manifest = mem_put,
    .open_blob = mem_open_blob,
    .push_blob = mem_push,
    .close_blob = mem_close_blob,
};

/* ---- a run ---- */

struct run {
    struct world w;
    struct fl_remote remote;
    struct fl_registry_link from, to;
    struct fl_arena *a;
    struct fl_clock *clock;
    struct fl_execution_item *wants;
    struct fl_copy_item *items;
    size_t n;
    struct fl_copy_totals totals;
    struct fl_cancel stop;
    int concurrency;
    int x;
    struct fl_err err;
};

static void thing_drop(void *any)
{
    struct thing *t = any;
    fl_free(t->refs);
    fl_free(t);
}

static void run_init(struct run *r, unsigned seed)
{
    memset(r, 0, sizeof(*r));
    fl_lock_init(&r->w.lock, "world", FL_RANK_REMOTE);
    r->w.things = fl_map_new(thing_drop);
    r->w.there = fl_map_new(NULL);
    r->w.sent = fl_map_new(NULL);
    atomic_init(&r->w.random, seed);
    r->remote.w = &r->w;
    r->from = (struct fl_registry_link){.remote = &r->remote, .ops = &mem_ops};
    r->from.timeout_ms = 30000;
    r->from.max_concurrent = 8;
    r->to = r->from;
    r->a = fl_arena_new();
    r->clock = fl_clock_fake_new(0);
    r->concurrency = 4;
}

static void run_release(struct run *r)
{
    fl_map_free(r->w.things);
    fl_map_free(r->w.there);
    fl_map_free(r->w.sent);
    fl_lock_destroy(&r->w.lock);
    fl_arena_free(r->a);
    fl_clock_free(r->clock);
}

static struct thing *add_thing(struct run *r, int id, enum fl_manifest_kind kind, size_t n)
{
    struct thing *t = FL_NEW(struct thing);
    t->kind = kind;
    t->n_manifests = kind == FL_MANIFEST_INDEX ? n : 0;
    t->n_blobs = kind == FL_MANIFEST_IMAGE ? n : 0;
    t->refs = fl_calloc(n + 1, sizeof(*t->refs));
    (void)snprintf(t->digest, DIGEST, "m:%d", id);
    fl_map_set(r->w.things, fl_str_of(t->digest), t);
    return t;
}

static void add_ref(struct thing *t, size_t i, char kind, int id)
{
    (void)snprintf(t->refs[i], DIGEST, "%c:%d", kind, id);
}

static void add_item(struct run *r, const char *repo, int manifest)
{
    r->wants = fl_arena_grow(r->a, r->wants, r->n, sizeof(*r->wants));
    r->wants[r->n] = (struct fl_execution_item){
        .source = repo,
        .destination = fl_arena_fmt(r->a, "to/%s", repo),
        .tag = fl_arena_fmt(r->a, "v%zu", r->n),
        .digest = fl_arena_fmt(r->a, "m:%d", manifest),
    };
    r->n++;
}

static void run_go(struct run *r)
{
    memset(&r->totals, 0, sizeof(r->totals));
    fl_map_clear(r->w.sent); /* once a run is what is promised */
    r->items = fl_arena_array(r->a, r->n + 1, sizeof(*r->items));
    for (size_t i = 0; i < r->n; i++) {
        r->items[i].want = &r->wants[i];
    }
    struct fl_ctx ctx = fl_ctx_root(r->clock, NULL);
    ctx.cancel2 = &r->stop;
    struct fl_copy c = {
        .ctx = &ctx,
        .from = &r->from,
        .to = &r->to,
        .items = r->items,
        .n = r->n,
        .override = true,
        .concurrency = r->concurrency,
        .timeout_ms = 30000,
        .totals = &r->totals,
    };
    r->err = (struct fl_err)FL_ERR_INIT;
    r->x = fl_copy_run(&c, &r->err);
}

static size_t count_state(const struct run *r, enum fl_copy_state s)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        n += r->items[i].state == s;
    }
    return n;
}

/* ---- interleavings ---- */

#define GRAPH_BLOBS 40
#define GRAPH_IMAGES 60
#define GRAPH_INDEXES 30
#define GRAPH_ITEMS 200

/* Images share blobs, indexes share images and indexes made before them, items share repositories. */
static void add_graph(struct run *r)
{
    struct world *w = &r->w;
    for (int i = 0; i < GRAPH_IMAGES; i++) {
        size_t n = 1 + draw(w, 6);
        struct thing *t = add_thing(r, i, FL_MANIFEST_IMAGE, n);
        for (size_t k = 0; k < n; k++) {
            add_ref(t, k, 'b', (int)draw(w, GRAPH_BLOBS));
        }
    }
    for (int i = GRAPH_IMAGES; i < GRAPH_IMAGES + GRAPH_INDEXES; i++) {
        size_t n = draw(w, 5);
        struct thing *t = add_thing(r, i, FL_MANIFEST_INDEX, n);
        for (size_t k = 0; k < n; k++) {
            /* A third of the indexes goes deeper; the rest is flat, so that no chain grows over the cap. */
            int below = i % 3 == 0 ? i - 1 : GRAPH_IMAGES;
            add_ref(t, k, 'm', (int)draw(w, (unsigned)below));
        }
    }
    for (int i = 0; i < GRAPH_ITEMS; i++) {
        add_item(r, fl_arena_fmt(r->a, "repo%u", draw(w, 12)),
                 (int)draw(w, GRAPH_IMAGES + GRAPH_INDEXES));
    }
}

static void verify_graph(struct run *r, unsigned seed)
{
    if (r->w.problems || r->x) {
        fail_msg("seed %u: %d problems, %s", seed, r->w.problems, r->err.msg);
    }
    fl_lock_scope(&r->w.lock);
    for (size_t i = 0; i < r->n; i++) {
        const struct thing *t = at(&r->w, r->wants[i].destination, ':', r->wants[i].tag);
        bool there = t && fl_text_eq(t->digest, r->wants[i].digest);
        enum fl_copy_state s = r->items[i].state;
        if (there != (s == FL_COPY_DONE) && !(there && s == FL_COPY_SKIPPED)) {
            fail_msg("seed %u: item %zu is in state %d, and the tag is %s", seed, i, (int)s,
                     there ? "there" : "not there");
        }
    }
}

static void test_copy__any_interleaving_ends_with_all_there(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 50; seed++) {
        struct run r;
        run_init(&r, seed);
        r.w.yields = seed % 5;
        r.w.no_mount = seed % 7 == 0;
        add_graph(&r);
        r.concurrency = 1 + (int)(seed % 8);
        run_go(&r);
        verify_graph(&r, seed);
        assert_int_equal(r.totals.done, GRAPH_ITEMS);
        assert_true(r.w.pushing_max <= 2 * r.concurrency);
        assert_int_equal(r.totals.blobs_copied, r.w.uploaded);
        assert_int_equal(r.totals.blobs_mounted, r.w.mounted);
        run_release(&r);
    }
}

static void test_copy__failures_between_end_settled(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 12; seed++) {
        struct run r;
        run_init(&r, seed * 77);
        r.w.yields = 3;
        add_graph(&r);
        r.concurrency = 1 + (int)(seed % 8);
        r.w.fail_per = 10 + seed * 16;
        run_go(&r);
        verify_graph(&r, seed);
        assert_int_equal(r.totals.done + r.totals.failed + r.totals.skipped, GRAPH_ITEMS);
        for (size_t i = 0; i < r.n; i++) {
            assert_true(r.items[i].attempts <= 3);
        }
        r.w.fail_per = 0;
        run_go(&r);
        verify_graph(&r, seed);
        assert_int_equal(r.totals.failed, 0);
        run_release(&r);
    }
}

static int stop_somewhere(struct world *w, const char *tag, struct fl_err *err)
{
    (void)tag;
    (void)err;
    if (draw(w, 60) == 0) {
        fl_cancel_set(w->on_item_arg);
    }
    return 0;
}

static void test_copy__stop_at_any_moment_leaves_the_rest_waiting(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 12; seed++) {
        struct run r;
        run_init(&r, seed * 13);
        r.w.yields = 3;
        add_graph(&r);
        r.w.on_item = stop_somewhere;
        r.w.on_item_arg = &r.stop;
        run_go(&r);
        assert_int_equal(r.w.problems, 0);
        if (atomic_load(&r.stop.set)) {
            assert_int_equal(r.x, FL_E_CANCELED);
            assert_int_equal(count_state(&r, FL_COPY_WAITING) + count_state(&r, FL_COPY_DONE) +
                                 count_state(&r, FL_COPY_SKIPPED),
                             GRAPH_ITEMS);
        }
        assert_int_equal(r.totals.failed, 0);
        r.w.on_item = NULL;
        atomic_store(&r.stop.set, false);
        run_go(&r);
        verify_graph(&r, seed);
        run_release(&r);
    }
}

/* ---- caps ---- */

static void test_copy__count_of_manifests_is_capped(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int children;
        enum fl_copy_state want;
    } rows[] = {
        {"at the cap, the index included", 9999, FL_COPY_DONE},
        {"one above", 10000, FL_COPY_FAILED},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct run r;
        run_init(&r, 1);
        struct thing *t = add_thing(&r, 0, FL_MANIFEST_INDEX, (size_t)rows[i].children);
        for (int k = 0; k < rows[i].children; k++) {
            add_ref(t, (size_t)k, 'm', k + 1);
            add_ref(add_thing(&r, k + 1, FL_MANIFEST_IMAGE, 1), 0, 'b', k % 50);
        }
        add_item(&r, "big", 0);
        run_go(&r);
        if (r.items[0].state != rows[i].want) {
            fail_msg("%s: state %d, %s", rows[i].name, (int)r.items[0].state, r.items[0].err.msg);
        }
        assert_int_equal(r.w.problems, 0);
        if (rows[i].want == FL_COPY_FAILED) {
            assert_int_equal(r.items[0].err.code, FL_E_TOO_BIG);
            assert_string_equal(r.items[0].err.reason, "IndexTooLarge");
            assert_int_equal(r.w.uploaded, 0);
        } else {
            assert_true(r.w.live_max <= LIVE_MAX);
        }
        run_release(&r);
    }
}

/* All children of an index wait for one layer while it is being sent, and are not all fetched meanwhile. */
static void test_copy__few_manifests_lie_in_memory_at_a_time(void **state)
{
    (void)state;
    enum { CHILDREN = 2000 };
    struct run r;
    run_init(&r, 1);
    r.w.slow_blob = "b:0";
    struct thing *t = add_thing(&r, 0, FL_MANIFEST_INDEX, CHILDREN);
    for (int k = 0; k < CHILDREN; k++) {
        add_ref(t, (size_t)k, 'm', k + 1);
        add_ref(add_thing(&r, k + 1, FL_MANIFEST_IMAGE, 1), 0, 'b', 0);
    }
    add_item(&r, "big", 0);
    run_go(&r);
    assert_int_equal(r.items[0].state, FL_COPY_DONE);
    assert_int_equal(r.w.problems, 0);
    assert_int_equal(r.w.uploaded, 1);
    if (r.w.live_max > LIVE_MAX) {
        fail_msg("%d manifests lay in memory, more than %d", r.w.live_max, LIVE_MAX);
    }
    run_release(&r);
}

static void test_copy__depth_is_capped(void **state)
{
    (void)state;
    for (int levels = 1; levels <= 10; levels++) {
        struct run r;
        run_init(&r, 1);
        for (int i = 0; i < levels; i++) {
            bool last = i == levels - 1;
            add_ref(add_thing(&r, i, last ? FL_MANIFEST_IMAGE : FL_MANIFEST_INDEX, 1), 0,
                    last ? 'b' : 'm', i + 1);
        }
        add_item(&r, "deep", 0);
        run_go(&r);
        if ((r.items[0].state == FL_COPY_DONE) != (levels <= 8)) {
            fail_msg("%d levels: state %d, %s", levels, (int)r.items[0].state, r.items[0].err.msg);
        }
        assert_true(levels <= 8 || r.items[0].err.code == FL_E_TOO_BIG);
        run_release(&r);
    }
}

/* An index that holds itself cannot be made with true digests; it must not be walked for ever all the same. */
static void test_copy__circle_of_indexes_ends(void **state)
{
    (void)state;
    struct run r;
    run_init(&r, 1);
    struct thing *t = add_thing(&r, 0, FL_MANIFEST_INDEX, 3);
    for (size_t i = 0; i < 3; i++) {
        add_ref(t, i, 'm', 0);
    }
    add_item(&r, "circle", 0);
    run_go(&r);
    assert_int_equal(r.items[0].state, FL_COPY_FAILED);
    assert_int_equal(r.items[0].err.code, FL_E_TOO_BIG);
    run_release(&r);
}

/* ---- tried again ---- */

struct script {
    struct run *r;
    const char *failing; /* tags that fail, one letter each: "v0" fails when it holds '0' */
    int times;           /* so often each */
    int failed[10];
    char order[64]; /* the last character of each tag, as it was asked for */
    size_t n_order;
    bool seen_waiting; /* item 0 waited while others were worked on */
    enum fl_code code;
};

static int scripted(struct world *w, const char *tag, struct fl_err *err)
{
    struct script *s = w->on_item_arg;
    fl_lock_take(&w->lock);
    int i = tag[1] - '0';
    s->order[s->n_order++] = tag[1];
    if (i != 0 && s->failed[0] == 1) {
        s->seen_waiting = s->seen_waiting || s->r->items[0].state == FL_COPY_WAITING;
    }
    bool fails = strchr(s->failing, tag[1]) && s->failed[i] < s->times;
    s->failed[i] += fails;
    fl_lock_drop(&w->lock);
    return fails ? fl_fail(err, s->code, "Test", "as the test wants it") : 0;
}

static void test_copy__passing_failure_tried_again_last(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int items;
        const char *failing;
        int times;
        enum fl_code code;
        const char *order;
        enum fl_copy_state state; /* of item 0 */
        int attempts;
    } rows[] = {
        {"once", 4, "0", 1, FL_E_UNAVAILABLE, "01230", FL_COPY_DONE, 2},
        {"twice", 4, "0", 2, FL_E_TIMEOUT, "012300", FL_COPY_DONE, 3},
        {"three times", 4, "0", 3, FL_E_UNAVAILABLE, "012300", FL_COPY_FAILED, 3},
        {"two of them", 5, "02", 1, FL_E_UNAVAILABLE, "0123402", FL_COPY_DONE, 2},
        {"alone", 1, "0", 2, FL_E_UNAVAILABLE, "000", FL_COPY_DONE, 3},
        {"bad data", 3, "0", 1, FL_E_BAD_DATA, "012", FL_COPY_FAILED, 1},
        {"not allowed", 3, "0", 1, FL_E_AUTH, "012", FL_COPY_FAILED, 1},
        {"invalid", 3, "0", 1, FL_E_INVALID, "012", FL_COPY_FAILED, 1},
        {"too big", 3, "0", 1, FL_E_TOO_BIG, "012", FL_COPY_FAILED, 1},
        {"too many requests", 3, "0", 1, FL_E_LIMITED, "0", FL_COPY_FAILED, 1},
        {"all away", 6, "012345", 9, FL_E_UNAVAILABLE, "012", FL_COPY_FAILED, 1},
        {"every other", 6, "024", 1, FL_E_UNAVAILABLE, "012345024", FL_COPY_DONE, 2},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct run r;
        run_init(&r, 1);
        struct script s = {
            .r = &r, .failing = rows[i].failing, .times = rows[i].times, .code = rows[i].code};
        add_ref(add_thing(&r, 0, FL_MANIFEST_IMAGE, 1), 0, 'b', 1);
        for (int k = 0; k < rows[i].items; k++) {
            add_item(&r, "app", 0);
        }
        r.concurrency = 1;
        r.w.on_item = scripted;
        r.w.on_item_arg = &s;
        run_go(&r);
        if (r.x || !fl_text_eq(s.order, rows[i].order) || r.items[0].state != rows[i].state ||
            r.items[0].attempts != rows[i].attempts) {
            fail_msg("%s: order %s, state %d, attempts %d, %s", rows[i].name, s.order,
                     (int)r.items[0].state, r.items[0].attempts, r.items[0].err.msg);
        }
        if (rows[i].items > 1 && rows[i].attempts > 1 && !s.seen_waiting) {
            fail_msg("%s: it did not wait", rows[i].name);
        }
        assert_int_equal(count_state(&r, FL_COPY_WAITING) + count_state(&r, FL_COPY_RUNNING), 0);
        run_release(&r);
    }
}

static void test_copy__nothing_to_do(void **state)
{
    (void)state;
    struct run r;
    run_init(&r, 1);
    run_go(&r);
    assert_int_equal(r.x, 0);
    run_release(&r);
}

/* Items that were settled before are left alone. */
static void test_copy__settled_items_are_left_alone(void **state)
{
    (void)state;
    struct run r;
    run_init(&r, 1);
    add_ref(add_thing(&r, 0, FL_MANIFEST_IMAGE, 1), 0, 'b', 1);
    for (int i = 0; i < 3; i++) {
        add_item(&r, "app", 0);
    }
    struct fl_copy_item items[3] = {{.want = &r.wants[0], .state = FL_COPY_DONE},
                                    {.want = &r.wants[1]},
                                    {.want = &r.wants[2], .state = FL_COPY_STOPPED}};
    struct fl_ctx ctx = fl_ctx_root(r.clock, NULL);
    struct fl_copy c = {.ctx = &ctx,
                        .from = &r.from,
                        .to = &r.to,
                        .items = items,
                        .n = 3,
                        .override = true,
                        .concurrency = 4,
                        .timeout_ms = 1000,
                        .totals = &r.totals};
    assert_int_equal(fl_copy_run(&c, &r.err), 0);
    assert_int_equal(items[0].state, FL_COPY_DONE);
    assert_int_equal(items[0].attempts, 0);
    assert_int_equal(items[1].state, FL_COPY_DONE);
    assert_int_equal(items[2].state, FL_COPY_STOPPED);
    assert_int_equal(r.totals.done, 1);
    run_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy__nothing_to_do),
        cmocka_unit_test(test_copy__settled_items_are_left_alone),
        cmocka_unit_test(test_copy__any_interleaving_ends_with_all_there),
        cmocka_unit_test(test_copy__failures_between_end_settled),
        cmocka_unit_test(test_copy__stop_at_any_moment_leaves_the_rest_waiting),
        cmocka_unit_test(test_copy__count_of_manifests_is_capped),
        cmocka_unit_test(test_copy__few_manifests_lie_in_memory_at_a_time),
        cmocka_unit_test(test_copy__depth_is_capped),
        cmocka_unit_test(test_copy__circle_of_indexes_ends),
        cmocka_unit_test(test_copy__passing_failure_tried_again_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
