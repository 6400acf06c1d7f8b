/* SPDX-License-Identifier: Apache-2.0
 * Push targets of a GitMirror: each is listed and compared, and gets what it lacks. */
#include "base/mem.h"
#include "reconcile/mirror_priv.h"

#define PUSH_REJECTIONS_MAX 20
#define PUSH_REJECTED_AGAIN_MS (INT64_C(60) * 60 * 1000)

struct push { /* one target */
    struct mirror_pass *x;
    const struct fl_mirror_push *target;
    struct fl_mirror_pushed *st;
    struct mirror_link *link;
    struct fl_git_refs want; /* of the mirror's refs */
    struct fl_ref_list have;
    struct fl_ref_move *v;
    size_t n;
};

/* ---- compare ---- */

static struct fl_git_refs push_want(struct mirror_pass *x, const struct fl_ref_filter *f)
{
    struct fl_git_refs r = {.v = fl_arena_array(x->p->arena, x->mine.n + 1, sizeof(*r.v))};
    for (size_t i = 0; i < x->mine.n; i++) {
        if (fl_ref_filter_admits(f, fl_str_of(x->mine.v[i].name))) {
            r.v[r.n++] = x->mine.v[i];
        }
    }
    return r;
}

static int push_compare(struct push *u, struct fl_err *err)
{
    struct mirror_pass *x = u->x;
    const struct fl_mirror_push *t = u->target;
    struct fl_ref_filter f = t->refs ? mirror_filter(t->refs, x->limits->max_refs) : x->filter;
    f.known = NULL;
    int r = mirror_link(x, t, &u->link, err);
    if (r < 0) {
        return r;
    }
    struct fl_ctx ctx = fl_ctx_timeout(&x->p->ctx, x->spec->common.timeout_ms);
    ctx = fl_ctx_timeout(&ctx, MIRROR_LIST_MS);
    r = x->ms->adapter->mirror->list_target(u->link->remote, &ctx, x->p->arena, &f, &u->have, err);
    if (r == 0) {
        r = mirror_read(x, err);
    }
    if (r < 0) {
        return r;
    }
    u->want = push_want(x, &f);
    mirror_plan_push(x->p->arena, &u->want, &u->have.refs, t->prune, &u->v, &u->n);
    return 0;
}

/* ---- push ---- */

static const char *push_digest(struct push *u)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    char digest[FL_PASS_DIGEST];
    for (size_t i = 0; i < u->n; i++) {
        const struct fl_ref_move *m = &u->v[i];
        fl_buf_fmt(&b, "%s %s %s\n", m->old ? m->old : "-", m->new ? m->new : "-", m->name);
    }
    fl_pass_digest(fl_buf_slice(&b), digest);
    return fl_arena_text(u->x->p->arena, digest);
}

/* What is left is just what the target did not take the last time: not again with every poll. */
static bool push_is_hopeless(const struct push *u, const char *digest)
{
    const struct fl_pass *p = u->x->p;
    return u->link->rejected && strcmp(u->link->rejected, digest) == 0 && !p->changed &&
           p->wake.cause != FL_WAKE_REQUEST &&
           fl_clock_mono_ms(p->ctx.clock) - u->link->rejected_ms < PUSH_REJECTED_AGAIN_MS;
}

static void push_rejections(struct push *u, const struct fl_push_ref *v)
{
    struct fl_mirror_rejected *list =
        fl_arena_array(u->x->p->arena, PUSH_REJECTIONS_MAX, sizeof(*list));
    u->st->rejected = 0;
    u->st->rejections = (struct fl_list){list, 0};
    for (size_t i = 0; i < u->n; i++) {
        if (v[i].outcome != FL_PUSH_REJECTED) {
            continue;
        }
        u->st->rejected++;
        if (u->st->rejections.n < PUSH_REJECTIONS_MAX) {
            list[u->st->rejections.n++] = (struct fl_mirror_rejected){v[i].name, v[i].why};
        }
    }
}

static void push_changes(struct push *u, const struct fl_push_ref *v)
{
    struct fl_pass *p = u->x->p;
    int64_t updated = 0;
    int64_t deleted = 0;
    for (size_t i = 0; i < u->n; i++) {
        enum fl_push_outcome o = v[i].outcome;
        updated += o == FL_PUSH_CREATED || o == FL_PUSH_UPDATED || o == FL_PUSH_FORCED ? 1 : 0;
        deleted += o == FL_PUSH_DELETED ? 1 : 0;
    }
    if (updated + deleted == 0) {
        return;
    }
    u->st->updated = updated;
    u->st->deleted = deleted;
    u->st->time = fl_pass_now(p);
    u->x->st->common.last_run_time = u->st->time;
    fl_pass_event(p, "Normal", "Pushed", "target %s: %lld refs updated, %lld deleted",
                  u->target->name, (long long)updated, (long long)deleted);
}

static void push_remember(struct push *u, const char *digest)
{
    fl_free(u->link->rejected);
    u->link->rejected = digest ? fl_strdup(digest) : NULL;
    u->link->rejected_ms = fl_clock_mono_ms(u->x->p->ctx.clock);
}

/* What is left to be done at the target after this one: only that which it did not take. */
static void push_keep_rejected(struct push *u, const struct fl_push_ref *v)
{
    size_t n = 0;
    for (size_t i = 0; i < u->n; i++) {
        if (v[i].outcome == FL_PUSH_REJECTED) {
            u->v[n++] = u->v[i];
        }
    }
    u->n = n;
    push_remember(u, push_digest(u));
}

static int push_do(struct push *u, struct fl_err *err)
{
    struct mirror_pass *x = u->x;
    const struct fl_push_want want = {
        .have = &u->have.refs,
        .url = u->have.url,
        .v = u->v,
        .n = u->n,
        .divergence = (enum fl_push_divergence)u->target->divergence,
    };
    struct fl_push_ref *results = NULL;
    int r = mirror_open(x, err);
    if (r < 0) {
        return r;
    }
    struct fl_ctx ctx = fl_ctx_timeout(&x->p->ctx, x->spec->common.timeout_ms);
    r = x->ms->adapter->mirror->push(u->link->remote, &ctx, x->p->arena, x->repo, &want, &results,
                                     err);
    if (r < 0) {
        return r;
    }
    push_changes(u, results);
    push_rejections(u, results);
    if (u->st->rejected > 0) {
        push_keep_rejected(u, results);
    } else {
        push_remember(u, NULL);
    }
    return 0;
}

static void push_show(struct push *u)
{
    for (size_t i = 0; i < u->n; i++) {
        mirror_plan_row(u->x, u->want.n > 0 ? "Push" : "Hold", &u->v[i]);
    }
}

/* 1: the target has all that it should have. 0: not all. */
static int push_one(struct push *u, struct fl_err *err)
{
    int r = push_compare(u, err);
    if (r < 0) {
        return r;
    }
    if (u->n == 0) {
        u->st->rejected = 0;
        u->st->rejections = (struct fl_list){0};
        push_remember(u, NULL);
        fl_metric_add(u->x->ms->pushes[MIRROR_SAME], 1);
        return 1;
    }
    if (u->x->spec->common.mode != FL_MODE_APPLY) {
        push_show(u);
        return 0;
    }
    if (u->want.n == 0) {
        /* An empty mirror is a new one, or one whose emptying was approved for here, not there. */
        return fl_fail(err, FL_E_INVALID, "NothingToPush",
                       "the mirror has none of the refs that are meant, and all %zu at the target "
                       "would go: remove them there, or set prune to false",
                       u->n);
    }
    if (push_is_hopeless(u, push_digest(u))) {
        return 0;
    }
    r = push_do(u, err);
    if (r == 0) {
        fl_metric_add(u->x->ms->pushes[MIRROR_CHANGED], 1);
    }
    return r < 0 ? r : u->st->rejected == 0;
}

/* ---- all of them ---- */

static const struct fl_mirror_pushed *push_before(const struct mirror_pass *x, const char *name)
{
    const struct fl_mirror_pushed *v = x->st->push.v;
    for (size_t i = 0; i < x->st->push.n; i++) {
        if (fl_text_eq(v[i].name, name)) {
            return &v[i];
        }
    }
    return NULL;
}

/* The first that is wrong speaks for all, but one that may recover by itself before one that
 * does not. */
static void push_wrong(struct mirror_pass *x, const struct fl_err *err)
{
    bool again = mirror_transient(err);
    x->push_wrong++;
    if (x->push_wrong == 1 || (again && !x->push_again)) {
        x->pushed = *err;
    }
    x->push_again = x->push_again || again;
}

static void push_target(struct mirror_pass *x, const struct fl_mirror_push *t,
                        struct fl_mirror_pushed *st)
{
    struct push u = {.x = x, .target = t, .st = st};
    struct fl_err err = FL_ERR_INIT;
    int r = push_one(&u, &err);
    if (r < 0 && err.code == FL_E_CANCELED) {
        return;
    }
    st->digest = r == 1 ? mirror_digest(x, &u.want) : NULL;
    st->message = r < 0 ? fl_arena_text(x->p->arena, err.msg) : NULL;
    if (r < 0) {
        fl_wrap(&err, "push target '%s'", t->name);
        fl_metric_add(x->ms->pushes[MIRROR_FAILED], 1);
        push_wrong(x, &err);
    } else if (st->rejected > 0) {
        const struct fl_mirror_rejected *first = st->rejections.v;
        fl_fail(&err, FL_E_INVALID, "PushRejected",
                "push target '%s' did not take %lld refs, the first %s: %s", t->name,
                (long long)st->rejected, first ? first->ref : "", first ? first->message : "");
        push_wrong(x, &err);
    }
}

static void push_say(struct mirror_pass *x)
{
    const struct fl_condition *was = fl_pass_find_condition(x->p, "PushFailed");
    if (x->push_wrong == 0) {
        fl_pass_condition_drop(x->p, "PushFailed");
        return;
    }
    const char *text =
        x->push_wrong == 1
            ? x->pushed.msg
            : fl_arena_fmt(x->p->arena, "%zu push targets are not as they should be, the first: %s",
                           x->push_wrong, x->pushed.msg);
    const char *before = was ? was->message : NULL;
    fl_pass_condition(x->p, "PushFailed", true, x->pushed.reason, "%s", text);
    const struct fl_condition *now = fl_pass_find_condition(x->p, "PushFailed");
    if (!fl_text_eq(before, now->message)) {
        fl_pass_event(x->p, "Warning", "PushFailed", "%s", text);
    }
}

void mirror_push_all(struct mirror_pass *x)
{
    size_t n = x->spec->push.n;
    const struct fl_mirror_push *targets = x->spec->push.v;
    struct fl_mirror_pushed *v = fl_arena_array(x->p->arena, n + 1, sizeof(*v));
    for (size_t i = 0; i < n; i++) {
        const struct fl_mirror_pushed *before = push_before(x, targets[i].name);
        v[i] = before ? *before : (struct fl_mirror_pushed){0};
        v[i].name = targets[i].name;
        if (!fl_ctx_canceled(&x->p->ctx)) {
            push_target(x, &targets[i], &v[i]);
        }
    }
    x->st->push = (struct fl_list){v, n};
    push_say(x);
}
