/* SPDX-License-Identifier: Apache-2.0
 * One queue of small jobs, worked off by a few threads. An item (image) becomes a tree of manifests; each manifest waits for
 * its blobs and children, then is put; the root is put by tag, last. No job waits for another while holding a thread: what has to
 * wait is parked on the blob it waits for.
 *
 * The lock guards the queue, the blobs' places and every `pending`; it is never held over a call to a port. */
#include "reconcile/copy.h"

#include "base/map.h"
#include "base/mem.h"

#define COPY_DEPTH_MAX 8     /* levels of manifests, the images included; registry.md 3 */
#define COPY_NODES_MAX 10000 /* manifests of one item */
#define COPY_THREADS_MAX 16
#define COPY_AWAY_AFTER 3 /* items that found a remote away, and no answer of it between: it is */
#define COPY_ATTEMPTS_MAX 3
#define COPY_PARKED_MAX 100 /* jobs that wait for blobs before no more manifests are fetched */
#define COPY_TICK_MS 500

/* In the order they are taken: what ends work stands before what makes more, so that a large index is walked with few of its
 * manifests in memory. */
enum copy_job_kind { JOB_PUT, JOB_BLOB, JOB_MANIFEST, JOB_ITEM, JOB_KINDS };

enum copy_side { SIDE_FROM = 1, SIDE_TO = 2 };

/* An item in work. Freed when its last job is done. */
struct copy_task {
    struct fl_copy_item *item;
    struct copy_node *nodes; /* all of it, for the end */
    size_t n_nodes;
    size_t jobs;     /* queued, parked or running */
    bool superseded; /* the source has something else by now; the next plan takes it */
    bool failed;
    struct fl_err err;
};

/* One manifest of a task. The arena is written by the one job that fetches it, then only read, until the manifest was put. */
struct copy_node {
    struct copy_node *next_of_task;
    struct copy_task *task;
    struct copy_node *parent; /* NULL: the root, put by tag */
    struct fl_arena *arena;
    const char *digest;
    int depth;
    struct fl_manifest m;
    size_t pending; /* children and blobs that are not at the destination yet */
    bool rechecked; /* the destination missed a blob that it was thought to have; once */
};

struct copy_job {
    struct copy_job *next;
    enum copy_job_kind kind;
    struct copy_task *task;
    struct copy_node *node;           /* all but ITEM */
    const struct fl_descriptor *blob; /* BLOB */
    unsigned sides;                   /* whose silence a failure would tell of; enum copy_side */
};

/* A digest at the destination registry: sent once, mounted into other repositories. */
struct copy_blob {
    char *home;     /* a repository of the destination that has it */
    bool uploading; /* somebody sends it now, for whatever repository */
    struct copy_job *parked;
};

/* A digest in one repository of the destination. */
enum copy_place_state { PLACE_UNKNOWN, PLACE_BUSY, PLACE_THERE };
struct copy_place {
    enum copy_place_state state;
    struct copy_job *parked;
};

struct copy_run {
    struct fl_copy *c;
    struct fl_lock lock;
    struct fl_cond work; /* a job was queued, or all is over */
    struct fl_cond idle; /* the run is over */
    struct copy_queue {
        struct copy_job *head, **tail;
    } queues[JOB_KINDS];
    size_t next_item; /* first that was not begun */
    size_t *again;    /* items to be tried again, in a ring of c->n */
    size_t again_at, n_again;
    size_t active_items;
    size_t running; /* jobs on threads */
    size_t parked;
    bool over;
    bool away;               /* stop beginning items; `away_err` settles the rest */
    int silent[SIDE_TO + 1]; /* by side: failures to reach it since it last answered */
    struct fl_err away_err;
    struct fl_map *blobs;  /* digest -> struct copy_blob */
    struct fl_map *places; /* repo@digest -> struct copy_place */
};

/* ---- queue ------------------------------------------------------------------------------------------------------ */

static void copy_push(struct copy_run *r, struct copy_job *j)
{
    fl_lock_assert_held(&r->lock);
    struct copy_queue *q = &r->queues[j->kind];
    j->next = NULL;
    *q->tail = j;
    q->tail = &j->next;
    fl_cond_signal(&r->work);
}

/* While one blob is slow, all that need it would be fetched to wait for it. What is parked waits for a job that is running, and
 * its thread looks here again. */
static bool copy_holds_back(const struct copy_run *r, int kind)
{
    return kind == JOB_MANIFEST && r->parked >= COPY_PARKED_MAX && r->running > 0;
}

static struct copy_job *copy_pop(struct copy_run *r)
{
    for (int kind = 0; kind < JOB_KINDS; kind++) {
        struct copy_queue *q = &r->queues[kind];
        struct copy_job *j = copy_holds_back(r, kind) ? NULL : q->head;
        if (j) {
            q->head = j->next;
            q->tail = q->head ? q->tail : &q->head;
            return j;
        }
    }
    return NULL;
}

static void copy_add_job(struct copy_run *r, enum copy_job_kind kind, struct copy_task *t,
                         struct copy_node *n, const struct fl_descriptor *blob)
{
    struct copy_job *j = FL_NEW(struct copy_job);
    j->kind = kind;
    j->task = t;
    j->node = n;
    j->blob = blob;
    t->jobs++;
    copy_push(r, j);
}

static void copy_unpark(struct copy_run *r, struct copy_job **parked)
{
    while (*parked) {
        struct copy_job *j = *parked;
        *parked = j->next;
        r->parked--;
        copy_push(r, j);
    }
}

static void copy_park(struct copy_run *r, struct copy_job **parked, struct copy_job *j)
{
    r->parked++;
    j->next = *parked;
    *parked = j;
}

/* ---- tasks and nodes ------------------------------------------------------------------------------------------ */

static struct copy_node *copy_add_node(struct copy_task *t, struct copy_node *parent,
                                       const char *digest)
{
    struct copy_node *n = FL_NEW(struct copy_node);
    n->task = t;
    n->parent = parent;
    n->digest = digest;
    n->depth = parent ? parent->depth + 1 : 0;
    n->next_of_task = t->nodes;
    t->nodes = n;
    t->n_nodes++;
    return n;
}

static void copy_free_task(struct copy_task *t)
{
    while (t->nodes) {
        struct copy_node *n = t->nodes;
        t->nodes = n->next_of_task;
        fl_arena_free(n->arena);
        fl_free(n);
    }
    fl_free(t);
}

static bool copy_transient(int code)
{
    return code == FL_E_UNAVAILABLE || code == FL_E_TIMEOUT;
}

static void copy_fail_task(struct copy_run *r, const struct copy_job *j, const struct fl_err *err)
{
    struct copy_task *t = j->task;
    if (t->failed) {
        return;
    }
    t->failed = true;
    t->err = *err;
    /* A remote that is away fails everything that is begun after it: better to stop and come back later. Counted once for an
     * item, because all the blobs of one may fail for a reason of its own. */
    bool away = err->code == FL_E_LIMITED;
    for (unsigned side = SIDE_FROM; side <= SIDE_TO && copy_transient(err->code); side++) {
        if (j->sides & side) {
            away = ++r->silent[side] >= COPY_AWAY_AFTER || away;
        }
    }
    if (away && !r->away) {
        r->away = true;
        r->away_err = *err;
    }
}

/* An answer of a side, whatever it said. */
static void copy_heard(struct copy_run *r, enum copy_side side, int x)
{
    if (x != FL_E_CANCELED && !copy_transient(x)) {
        fl_lock_scope(&r->lock);
        r->silent[side] = 0;
    }
}

/* A failure that may pass: once more when everything else was begun. */
static bool copy_try_again(struct copy_run *r, struct fl_copy_item *it, const struct fl_err *err)
{
    if (!copy_transient(err->code) || r->away || it->attempts >= COPY_ATTEMPTS_MAX) {
        return false;
    }
    size_t index = (size_t)(it - r->c->items);
    r->again[(r->again_at + r->n_again++) % r->c->n] = index;
    return true;
}

static void copy_settle_task(struct copy_run *r, struct copy_task *t)
{
    struct fl_copy_item *it = t->item;
    if (t->superseded || (!t->failed && it->state == FL_COPY_SKIPPED)) {
        it->state = FL_COPY_SKIPPED;
        atomic_fetch_add(&r->c->totals->skipped, 1);
    } else if (!t->failed) {
        it->state = FL_COPY_DONE;
        atomic_fetch_add(&r->c->totals->done, 1);
    } else if (t->err.code == FL_E_CANCELED) {
        it->state = FL_COPY_WAITING;
    } else {
        it->err = t->err;
        it->state = copy_try_again(r, it, &t->err) ? FL_COPY_WAITING : FL_COPY_FAILED;
        if (it->state == FL_COPY_FAILED) {
            atomic_fetch_add(&r->c->totals->failed, 1);
        }
    }
    r->active_items--;
    copy_free_task(t);
}

static void copy_node_ready(struct copy_run *r, struct copy_node *n)
{
    if (--n->pending == 0 && !n->task->failed && !n->task->superseded) {
        copy_add_job(r, JOB_PUT, n->task, n, NULL);
    }
}

/* ---- jobs: each runs without the lock and returns 0 or a failure ----------------------------------------------- */

static struct fl_ctx copy_call_ctx(const struct copy_run *r)
{
    return fl_ctx_timeout(r->c->ctx, r->c->timeout_ms);
}

/* The source no longer has what was planned: the tag was moved or removed meanwhile, and the next run takes what it is now. */
static bool copy_superseded(struct copy_run *r, const struct fl_execution_item *want)
{
    struct fl_manifest_head head = {0};
    struct fl_err ignored = FL_ERR_INIT;
    struct fl_ctx ctx = copy_call_ctx(r);
    struct fl_registry_link *from = r->c->from;
    int x = from->ops->head_manifest(from->remote, &ctx, want->source, want->tag, false, &head,
                                     &ignored);
    return x == FL_E_NOT_FOUND || (x == 0 && strcmp(head.digest, want->digest) != 0);
}

static int copy_item(struct copy_run *r, struct copy_task *t, struct fl_err *err)
{
    const struct fl_execution_item *want = t->item->want;
    struct fl_registry_link *to = r->c->to;
    struct fl_manifest_head head = {0};
    struct fl_ctx ctx = copy_call_ctx(r);
    int x =
        to->ops->head_manifest(to->remote, &ctx, want->destination, want->tag, true, &head, err);
    copy_heard(r, SIDE_TO, x);
    if (x < 0 && x != FL_E_NOT_FOUND) {
        return x;
    }
    if (x == 0 && (strcmp(head.digest, want->digest) == 0 || !r->c->override)) {
        t->item->state = FL_COPY_SKIPPED;
        return 0;
    }
    fl_lock_scope(&r->lock);
    copy_add_job(r, JOB_MANIFEST, t, copy_add_node(t, NULL, want->digest), NULL);
    return 0;
}

static int copy_expand(struct copy_run *r, struct copy_node *n, struct fl_err *err)
{
    const struct fl_manifest *m = &n->m;
    if (m->kind == FL_MANIFEST_SCHEMA1) {
        return fl_fail(err, FL_E_UNSUPPORTED, "ManifestSchema1",
                       "%s is a Docker schema 1 manifest, which current registries refuse: push "
                       "the image again with a "
                       "current client",
                       n->digest);
    }
    fl_lock_scope(&r->lock);
    if (n->depth >= COPY_DEPTH_MAX || n->task->n_nodes + m->n_manifests > COPY_NODES_MAX) {
        return fl_fail(err, FL_E_TOO_BIG, "IndexTooLarge",
                       "%s has more than %d levels or %d manifests", n->digest, COPY_DEPTH_MAX,
                       COPY_NODES_MAX);
    }
    n->pending = 1; /* this job: nothing is put before all was queued */
    for (size_t i = 0; i < m->n_manifests; i++) {
        n->pending++;
        copy_add_job(r, JOB_MANIFEST, n->task, copy_add_node(n->task, n, m->manifests[i].digest),
                     NULL);
    }
    for (size_t i = 0; i < m->n_blobs; i++) {
        if (!m->blobs[i].foreign) {
            n->pending++;
            copy_add_job(r, JOB_BLOB, n->task, n, &m->blobs[i]);
        }
    }
    copy_node_ready(r, n);
    return 0;
}

/* By digest; what came wrong is asked for once more, from the beginning. */
static int copy_fetch(struct copy_run *r, struct copy_node *n, struct fl_err *err)
{
    const struct fl_execution_item *want = n->task->item->want;
    struct fl_registry_link *from = r->c->from;
    int x = 0;
    n->arena = fl_arena_new();
    for (int attempt = 0; attempt < 2; attempt++) {
        struct fl_ctx ctx = copy_call_ctx(r);
        x = from->ops->get_manifest(from->remote, &ctx, n->arena, want->source, n->digest, &n->m,
                                    err);
        if (x != FL_E_BAD_DATA || !fl_text_eq(err->reason, "DigestMismatch")) {
            break;
        }
    }
    copy_heard(r, SIDE_FROM, x);
    return x;
}

static int copy_manifest(struct copy_run *r, struct copy_job *j, struct fl_err *err)
{
    struct copy_node *n = j->node;
    const struct fl_execution_item *want = n->task->item->want;
    struct fl_registry_link *to = r->c->to;
    if (n->parent) {
        struct fl_manifest_head head = {0};
        struct fl_ctx ctx = copy_call_ctx(r);
        j->sides = SIDE_TO;
        int x = to->ops->head_manifest(to->remote, &ctx, want->destination, n->digest, true, &head,
                                       err);
        copy_heard(r, SIDE_TO, x);
        if (x == 0) { /* a registry holds a manifest only with all it refers to */
            fl_lock_scope(&r->lock);
            copy_node_ready(r, n->parent);
            return 0;
        }
        if (x != FL_E_NOT_FOUND) {
            return x;
        }
    }
    j->sides = SIDE_FROM;
    int x = copy_fetch(r, n, err);
    if (x == FL_E_NOT_FOUND && copy_superseded(r, want)) {
        fl_lock_scope(&r->lock);
        n->task->superseded = true;
        return 0;
    }
    return x < 0 ? x : copy_expand(r, n, err);
}

static int copy_put(struct copy_run *r, struct copy_node *n, struct fl_err *err)
{
    const struct fl_execution_item *want = n->task->item->want;
    struct fl_registry_link *to = r->c->to;
    struct fl_ctx ctx = copy_call_ctx(r);
    const char *ref = n->parent ? n->digest : want->tag;
    int x = to->ops->put_manifest(to->remote, &ctx, want->destination, ref, &n->m, err);
    copy_heard(r, SIDE_TO, x);
    if (x == 0) {
        /* All below it is done, and its own digest lies in its parent. */
        fl_arena_free(fl_take(n->arena));
    }
    if (x == 0 && n->parent) {
        fl_lock_scope(&r->lock);
        copy_node_ready(r, n->parent);
    }
    return x;
}

/* ---- blobs ------------------------------------------------------------------------------------------------------ */

static struct copy_blob *copy_blob_of(struct copy_run *r, const char *digest)
{
    struct copy_blob *b = fl_map_get(r->blobs, fl_str_of(digest));
    if (!b) {
        b = FL_NEW(struct copy_blob);
        fl_map_set(r->blobs, fl_str_of(digest), b);
    }
    return b;
}

static struct copy_place *copy_place_of(struct copy_run *r, const char *repo, const char *digest)
{
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&key, "%s@%s", repo, digest);
    struct copy_place *p = fl_map_get(r->places, fl_buf_slice(&key));
    if (!p) {
        p = FL_NEW(struct copy_place);
        fl_map_set(r->places, fl_buf_slice(&key), p);
    }
    return p;
}

static void copy_free_blob(void *any)
{
    struct copy_blob *b = any;
    fl_free(b->home);
    fl_free(b);
}

enum copy_claim { CLAIM_SEND, CLAIM_PARKED, CLAIM_THERE };

/* What this job does about its blob; *mount_from is a copy for the caller. */
static enum copy_claim copy_claim_blob(struct copy_run *r, struct copy_job *j, char **mount_from)
{
    fl_lock_scope(&r->lock);
    struct copy_blob *b = copy_blob_of(r, j->blob->digest);
    struct copy_place *p = copy_place_of(r, j->task->item->want->destination, j->blob->digest);
    if (p->state == PLACE_THERE) {
        return CLAIM_THERE;
    }
    if (p->state == PLACE_BUSY) {
        copy_park(r, &p->parked, j);
        return CLAIM_PARKED;
    }
    if (b->uploading) {
        copy_park(r, &b->parked, j);
        return CLAIM_PARKED;
    }
    p->state = PLACE_BUSY;
    b->uploading = !b->home;
    *mount_from = j->node->rechecked ? NULL : fl_strdup(b->home);
    return CLAIM_SEND;
}

static void copy_blob_done(struct copy_run *r, const struct copy_job *j, int x)
{
    fl_lock_scope(&r->lock);
    const char *repo = j->task->item->want->destination;
    struct copy_blob *b = copy_blob_of(r, j->blob->digest);
    struct copy_place *p = copy_place_of(r, repo, j->blob->digest);
    p->state = x == 0 ? PLACE_THERE : PLACE_UNKNOWN;
    b->uploading = false;
    if (x == 0 && !b->home) {
        b->home = fl_strdup(repo);
    }
    copy_unpark(r, &p->parked);
    copy_unpark(r, &b->parked);
    if (x == 0) {
        copy_node_ready(r, j->node);
    }
}

static void copy_blob_count(struct copy_run *r, enum fl_blob_outcome outcome)
{
    struct fl_copy_totals *t = r->c->totals;
    atomic_fetch_add(outcome == FL_BLOB_COPIED    ? &t->blobs_copied
                     : outcome == FL_BLOB_MOUNTED ? &t->blobs_mounted
                                                  : &t->blobs_skipped,
                     1);
}

static int copy_send_blob(struct copy_run *r, const struct copy_job *j, const char *mount_from,
                          struct fl_err *err)
{
    struct fl_registry_link *from = r->c->from;
    struct fl_registry_link *to = r->c->to;
    const struct fl_execution_item *want = j->task->item->want;
    struct fl_blob_source *src = NULL;
    /* No deadline over a transfer: a large layer takes what it takes, a stalled one ends by itself. */
    const struct fl_ctx *ctx = r->c->ctx;
    int x = from->ops->open_blob(from->remote, ctx, want->source, j->blob, &src, err);
    if (x < 0) {
        return x;
    }
    enum fl_blob_outcome outcome = FL_BLOB_EXISTED;
    x = to->ops->push_blob(to->remote, ctx, want->destination, j->blob, mount_from,
                           mount_from != NULL, src, &r->c->totals->bytes, &outcome, err);
    from->ops->close_blob(src);
    if (x == 0) {
        copy_heard(r, SIDE_TO, x);
        copy_blob_count(r, outcome);
    }
    if (x == 0 && outcome == FL_BLOB_COPIED) {
        copy_heard(r, SIDE_FROM, x);
    }
    return x;
}

/* True: the job is parked and no longer the caller's. */
static bool copy_blob_job(struct copy_run *r, struct copy_job *j, int *ret, struct fl_err *err)
{
    fl_auto_text mount_from = NULL;
    switch (copy_claim_blob(r, j, &mount_from)) {
    case CLAIM_PARKED:
        return true;
    case CLAIM_THERE: {
        fl_lock_scope(&r->lock);
        copy_node_ready(r, j->node);
        *ret = 0;
        return false;
    }
    default:
        break;
    }
    *ret = copy_send_blob(r, j, mount_from, err);
    if (*ret == FL_E_BAD_DATA && fl_text_eq(err->reason, "DigestMismatch")) {
        *ret = copy_send_blob(
            r, j, NULL, err); /* once from the beginning, then it is a failure of the source */
    }
    copy_blob_done(r, j, *ret);
    return false;
}

/* The destination refused a manifest because it misses a blob: what was thought to be there was not. Each of its blobs is
 * looked at again, once. */
static bool copy_recheck(struct copy_run *r, struct copy_node *n, int x, const struct fl_err *err)
{
    if (x != FL_E_NOT_FOUND || !fl_text_eq(err->reason, "BlobUnknown") || n->rechecked ||
        n->m.n_blobs == 0) {
        return false;
    }
    fl_lock_scope(&r->lock);
    n->rechecked = true;
    n->pending = 1;
    for (size_t i = 0; i < n->m.n_blobs; i++) {
        if (n->m.blobs[i].foreign) {
            continue;
        }
        struct copy_place *p =
            copy_place_of(r, n->task->item->want->destination, n->m.blobs[i].digest);
        if (p->state == PLACE_THERE) {
            p->state = PLACE_UNKNOWN;
        }
        n->pending++;
        copy_add_job(r, JOB_BLOB, n->task, n, &n->m.blobs[i]);
    }
    copy_node_ready(r, n);
    return true;
}

/* ---- workers ---------------------------------------------------------------------------------------------------- */

/* Runs a job without the lock. True: it was parked. */
static bool copy_do(struct copy_run *r, struct copy_job *j, int *ret, struct fl_err *err)
{
    switch (j->kind) {
    case JOB_ITEM:
        *ret = copy_item(r, j->task, err);
        return false;
    case JOB_MANIFEST:
        *ret = copy_manifest(r, j, err);
        return false;
    case JOB_PUT:
        *ret = copy_put(r, j->node, err);
        if (*ret < 0 && copy_recheck(r, j->node, *ret, err)) {
            *ret = 0;
        }
        return false;
    case JOB_BLOB:
        return copy_blob_job(r, j, ret, err);
    case JOB_KINDS:
        break;
    }
    return false;
}

/* Who might be away if a job fails; MANIFEST says it as it goes. */
static unsigned copy_sides(const struct copy_job *j)
{
    return j->kind == JOB_BLOB ? SIDE_FROM | SIDE_TO : SIDE_TO;
}

/* The next item: those not yet begun, then those that failed for a reason that may have passed. */
static struct fl_copy_item *copy_next_item(struct copy_run *r)
{
    struct fl_copy *c = r->c;
    while (r->next_item < c->n && c->items[r->next_item].state != FL_COPY_WAITING) {
        r->next_item++;
    }
    if (r->next_item < c->n) {
        return &c->items[r->next_item++];
    }
    if (r->n_again == 0) {
        return NULL;
    }
    struct fl_copy_item *it = &c->items[r->again[r->again_at]];
    r->again_at = (r->again_at + 1) % c->n;
    r->n_again--;
    return it;
}

/* Begins the next item when there is room: the queue holds the work of at most `concurrency` images. */
static void copy_begin_item(struct copy_run *r)
{
    struct fl_copy *c = r->c;
    if (r->away || fl_ctx_canceled(c->ctx) || r->active_items >= (size_t)c->concurrency) {
        return;
    }
    struct fl_copy_item *it = copy_next_item(r);
    if (!it) {
        return;
    }
    struct copy_task *t = FL_NEW(struct copy_task);
    t->item = it;
    it->state = FL_COPY_RUNNING;
    it->attempts++;
    r->active_items++;
    copy_add_job(r, JOB_ITEM, t, NULL, NULL);
}

static struct copy_job *copy_next_job(struct copy_run *r)
{
    while (!r->over) {
        /* Begun work first, so that images finish one after the other. */
        struct copy_job *j = copy_pop(r);
        if (!j) {
            copy_begin_item(r);
            j = copy_pop(r);
        }
        if (j) {
            r->running++;
            return j;
        }
        if (r->running == 0 && r->active_items == 0) {
            r->over = true;
            fl_cond_broadcast(&r->work);
            fl_cond_broadcast(&r->idle);
            break;
        }
        fl_cond_wait(&r->work, &r->lock);
    }
    return NULL;
}

static void copy_job_gone(struct copy_run *r, struct copy_job *j)
{
    if (--j->task->jobs == 0) {
        copy_settle_task(r, j->task);
    }
    fl_free(j);
    r->running--; /* who waits is not woken: this thread looks for what can be done now */
}

static void *copy_worker(void *arg)
{
    struct copy_run *r = arg;
    fl_lock_take(&r->lock);
    for (struct copy_job *j = copy_next_job(r); j; j = copy_next_job(r)) {
        if (j->task->failed ||
            j->task->superseded) { /* the rest of an image that is not finished */
            copy_job_gone(r, j);
            continue;
        }
        fl_lock_drop(&r->lock);
        struct fl_err err = FL_ERR_INIT;
        int x = 0;
        j->sides = copy_sides(j);
        bool parked = copy_do(r, j, &x, &err);
        fl_lock_take(&r->lock);
        if (parked) { /* j is somebody else's now */
            r->running--;
            continue;
        }
        if (x < 0) {
            copy_fail_task(r, j, &err);
        }
        copy_job_gone(r, j);
    }
    fl_lock_drop(&r->lock);
    return NULL;
}

static void copy_wait(struct copy_run *r)
{
    struct fl_clock *clock = r->c->ctx->clock;
    fl_lock_take(&r->lock);
    while (!r->over) {
        fl_clock_wait(clock, &r->idle, &r->lock, fl_clock_mono_ms(clock) + COPY_TICK_MS);
        if (!r->over && r->c->tick) {
            fl_lock_drop(&r->lock);
            r->c->tick(r->c->tick_arg);
            fl_lock_take(&r->lock);
        }
    }
    fl_lock_drop(&r->lock);
}

static void copy_settle_rest(struct copy_run *r)
{
    struct fl_copy *c = r->c;
    for (size_t i = 0; i < c->n && r->away; i++) {
        if (c->items[i].state == FL_COPY_WAITING) {
            c->items[i].state = FL_COPY_FAILED;
            if (c->items[i].attempts == 0) { /* else it has its own */
                c->items[i].err = r->away_err;
            }
            atomic_fetch_add(&c->totals->failed, 1);
        }
    }
}

static int copy_thread_count(const struct fl_copy *c)
{
    int n = c->concurrency * 2;
    if (n > c->from->max_concurrent + c->to->max_concurrent) {
        n = c->from->max_concurrent + c->to->max_concurrent;
    }
    return n < 1 ? 1 : n > COPY_THREADS_MAX ? COPY_THREADS_MAX : n;
}

int fl_copy_run(struct fl_copy *c, struct fl_err *err)
{
    struct copy_run r = {.c = c, .away_err = FL_ERR_INIT};
    for (int i = 0; i < JOB_KINDS; i++) {
        r.queues[i].tail = &r.queues[i].head;
    }
    r.again = fl_calloc(c->n ? c->n : 1, sizeof(*r.again));
    fl_lock_init(&r.lock, "copy", FL_RANK_CONTROLLER);
    fl_cond_init(&r.work);
    fl_cond_init(&r.idle);
    r.blobs = fl_map_new(copy_free_blob);
    r.places = fl_map_new(fl_free);
    pthread_t threads[COPY_THREADS_MAX];
    int n = copy_thread_count(c);
    for (int i = 0; i < n; i++) {
        fl_thread_start(&threads[i], "copy", copy_worker, &r);
    }
    copy_wait(&r);
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
    }
    fl_map_free(r.places);
    fl_map_free(r.blobs);
    fl_free(r.again);
    fl_cond_destroy(&r.idle);
    fl_cond_destroy(&r.work);
    fl_lock_destroy(&r.lock);
    if (fl_ctx_canceled(c->ctx)) {
        return fl_fail(err, FL_E_CANCELED, "Canceled", "the run was interrupted");
    }
    copy_settle_rest(&r);
    return 0;
}
