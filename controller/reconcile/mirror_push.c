/* SPDX-License-Identifier: Apache-2.0
 * Push targets of a GitMirror: each is listed and compared, and gets what it lacks. */
#include "api/scheme.h"
#include "base/mem.h"
#include "reconcile/mirror_priv.h"

#define DELETION_BLOCKED "DeletionBlocked"
#define PUSH_REJECTIONS_MAX 20
#define PUSH_HELD_MAX 20
#define PUSH_REJECTED_AGAIN_MS (INT64_C(60) * 60 * 1000)
#define PUSH_AGAIN_MIN_MS 5000 /* after a failure that may pass; doubled with each */
#define PUSH_AGAIN_MAX_MS (INT64_C(15) * 60 * 1000)
#define PUSH_AWAY_AGAIN_MS (INT64_C(5) * 60 * 1000) /* while the source is away */

struct push { /* one target */
    struct mirror_pass *x;
    const struct fl_mirror_push *target;
    struct fl_mirror_pushed *st;
    struct mirror_link *link;
    struct fl_git_refs want; /* of the mirror's refs */
    struct fl_ref_list have;
    struct fl_ref_move *v; /* what may be done */
    size_t n;
    struct fl_ref_move
        *held; /* what may not: removals, and creations that they are in the way of */
    size_t n_held;
    const char *why_held;
    const char *nonce; /* NULL: nobody is asked */
    bool agreed;       /* somebody has approved of what would be held */
    const char *since;
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
    struct fl_ctx ctx = fl_ctx_timeout(&x->p->ctx, x->spec->common.timeout_ms);
    ctx = fl_ctx_timeout(&ctx, MIRROR_LIST_MS);
    int r =
        x->ms->adapter->mirror->list_target(u->link->remote, &ctx, x->p->arena, &f, &u->have, err);
    if (r == 0) {
        r = mirror_read(x, err);
    }
    if (r == 0) {
        u->want = push_want(x, &f);
    }
    return r;
}

/* ---- guard ---- */

/* Removals, and what they stand in the way of, wait; the rest may be done. */
static void push_split(struct push *u, const struct mirror_plan *plan)
{
    struct fl_ref_move *v =
        fl_arena_array(u->x->p->arena, plan->n_bring + plan->n_remove + 1, sizeof(*v));
    u->v = v;
    u->n = 0;
    for (size_t i = 0; i < plan->n_bring; i++) {
        if (!mirror_plan_is_held(plan, plan->bring[i].name)) {
            v[u->n++] = plan->bring[i];
        }
    }
    for (size_t i = 0; i < plan->n_remove; i++) {
        v[u->n++] = plan->remove[i];
    }
    u->held = plan->held;
    u->n_held = plan->n_held;
}

static size_t push_removals(const struct push *u)
{
    size_t n = 0;
    for (size_t i = 0; i < u->n_held; i++) {
        n += u->held[i].new ? 0 : 1;
    }
    return n;
}

/* Refs that the target will have, if it takes what may be done. */
static size_t push_will_have(const struct push *u)
{
    size_t n = u->have.refs.n;
    for (size_t i = 0; i < u->n; i++) {
        n += u->v[i].old ? 0 : 1;
    }
    return n;
}

/* As a mirror's plan is made, with the target as what would lose refs. all: whatever the numbers
 * say, removals wait. */
static void push_guarded(struct push *u, bool all, const char *approved, bool sticky,
                         struct mirror_plan *ret)
{
    struct mirror_pass *x = u->x;
    struct fl_mirror_guard guard = *x->guard;
    const struct mirror_consent consent = {
        .approved = approved,
        .since = fl_arena_fmt(x->p->arena, "%s %s", u->since, u->target->url), /* for it alone */
        .sticky = sticky};
    if (all) {
        guard.max_deletes = 0;
    }
    struct fl_git_refs want = u->want;
    want.head = x->mine.head;
    mirror_plan_make(x->p->arena, &u->have.refs, &want, true, &guard, &consent, ret);
    push_split(u, ret);
    u->why_held = ret->why_held;
    u->nonce = ret->n_held > 0 ? fl_arena_text(x->p->arena, ret->nonce) : NULL;
}

/* What a target has when it is first pushed to is nobody's to remove unasked: the wrong URL may
 * stand there. Nor is what it has and a mirror that was lost has not. */
static void push_plan(struct push *u)
{
    struct mirror_pass *x = u->x;
    const struct fl_mirror_held *was = u->st->held;
    const char *approved = x->away ? NULL : x->p->approved;
    bool anew = !u->st->follows_since;
    struct mirror_plan plan;
    u->since = was && was->since ? was->since : fl_pass_now(x->p);
    if (!u->target->prune) {
        mirror_plan_push(x->p->arena, &u->want, &u->have.refs, false, &u->v, &u->n);
        return;
    }
    push_guarded(u, anew || x->away, approved, was && was->nonce, &plan);
    if (u->n_held > 0 && anew) {
        u->why_held =
            fl_arena_fmt(x->p->arena, "%zu of %zu refs there would go, and it %s", push_removals(u),
                         push_will_have(u),
                         x->lost ? "has more than the mirror, which has lost refs"
                                 : "did not follow this mirror before, or not by this spec");
    }
    u->agreed = plan.released;
    if (u->n_held == 0 && plan.n_remove > 0 && x->st->held && !u->agreed) {
        push_guarded(u, true, NULL, false, &plan);
        u->why_held = "the mirror itself holds moves (status.held)";
        u->nonce = NULL;
    }
}

static void push_write_held(struct push *u)
{
    struct fl_arena *a = u->x->p->arena;
    u->st->held = NULL;
    if (u->n_held == 0) {
        return;
    }
    struct fl_mirror_held *h = FL_ARENA_NEW(a, struct fl_mirror_held);
    const char **names = fl_arena_array(a, PUSH_HELD_MAX, sizeof(*names));
    for (size_t i = 0; i < u->n_held && i < PUSH_HELD_MAX; i++) {
        names[h->refs.n++] = u->held[i].name;
    }
    h->refs.v = names;
    h->deletions = (int64_t)push_removals(u);
    h->nonce = u->nonce;
    h->since = u->since;
    u->st->held = h;
}

static int push_say_held(const struct push *u, struct fl_err *err)
{
    const struct fl_obj *o = u->x->p->obj;
    if (!u->nonce) {
        return fl_fail(err, FL_E_INVALID, DELETION_BLOCKED,
                       "push target '%s': %s: %zu removals wait until those are released",
                       u->target->name, u->why_held, push_removals(u));
    }
    return fl_fail(err, FL_E_INVALID, DELETION_BLOCKED,
                   "push target '%s': %s: %zu removals wait. To let just this happen: kubectl "
                   "annotate gitmirror -n %.*s %.*s %s=%s --overwrite",
                   u->target->name, u->why_held, push_removals(u), FL_STR_ARG(o->ns),
                   FL_STR_ARG(o->name), FL_ANNOTATION_APPROVE, u->nonce);
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

/* The disk may have come back from a backup: while the source is away, commits that the mirror does
 * not have are perhaps the newest there are. */
static enum fl_push_divergence push_divergence(const struct push *u)
{
    enum fl_push_divergence d = (enum fl_push_divergence)u->target->divergence;
    return u->x->away && d == FL_PUSH_OVERWRITE ? FL_PUSH_KEEP_DIVERGENT : d;
}

static int push_do(struct push *u, struct fl_err *err)
{
    struct mirror_pass *x = u->x;
    const struct fl_push_want want = {
        .have = &u->have.refs,
        .url = u->have.url,
        .v = u->v,
        .n = u->n,
        .divergence = push_divergence(u),
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
    for (size_t i = 0; i < u->n_held; i++) {
        mirror_plan_row(u->x, "Hold", &u->held[i]);
    }
}

static void push_took_all(struct push *u)
{
    u->st->rejected = 0;
    u->st->rejections = (struct fl_list){0};
    push_remember(u, NULL);
}

/* Nothing of its own is left there: from now on the guard's numbers hold. After a push u->v is what
 * the target did not take. */
static void push_follows(struct push *u)
{
    bool left = u->n_held > 0;
    for (size_t i = 0; i < u->n && u->st->rejected > 0; i++) {
        left = left || !u->v[i].new;
    }
    if (!u->st->follows_since && !left && !u->x->away) {
        u->st->follows_since = fl_pass_now(u->x->p);
    }
}

static int push_nothing(const struct push *u, struct fl_err *err)
{
    /* An empty mirror is a new one, or one whose emptying was approved for here, not there. */
    return u->x->away ? 0
                      : fl_fail(err, FL_E_INVALID, "NothingToPush",
                                "the mirror has none of the refs that are meant, and all %zu at "
                                "the target would go: remove them there, or set prune to false",
                                u->n + u->n_held);
}

/* What was approved and not taken is not asked for again: its nonce is that of the same moves. */
static void push_stay_agreed(struct push *u, struct fl_mirror_held *was)
{
    if (u->agreed && u->st->rejected > 0) {
        u->st->held = was;
    }
}

/* 1: the target has all that it should have. 0: not all. */
static int push_act(struct push *u, struct fl_err *err)
{
    if (u->want.n == 0) {
        return push_nothing(u, err);
    }
    struct fl_mirror_held *was = u->st->held;
    if (!u->x->away) {
        push_write_held(u);
    }
    if (u->n > 0 && push_is_hopeless(u, push_digest(u))) {
        push_stay_agreed(u, was);
        return 0;
    }
    int r = u->n > 0 ? push_do(u, err) : 0;
    if (r < 0) {
        u->st->held = was; /* who has approved need not do so again */
        return r;
    }
    if (u->n > 0) {
        push_stay_agreed(u, was);
        fl_metric_add(u->x->ms->pushes[MIRROR_CHANGED], 1);
    } else {
        push_took_all(u);
    }
    push_follows(u);
    return u->st->rejected == 0 && u->n_held == 0;
}

static int push_one(struct push *u, struct fl_err *err)
{
    int r = push_compare(u, err);
    if (r < 0) {
        return r;
    }
    push_plan(u);
    bool applies = u->x->spec->common.mode == FL_MODE_APPLY;
    if (u->n + u->n_held > 0) {
        if (applies) {
            return push_act(u, err);
        }
        push_show(u);
        return 0;
    }
    push_took_all(u);
    u->st->held = NULL;
    if (applies) {
        push_follows(u);
    }
    fl_metric_add(u->x->ms->pushes[MIRROR_SAME], 1);
    return 1;
}

/* ---- a target's own time ---- */

/* A target that is down is asked with pauses of its own, and not before it said: neither keeps the
 * source from being asked. */
static bool push_is_waiting(const struct push *u)
{
    const struct fl_pass *p = u->x->p;
    return u->link->failures > 0 && !p->changed && p->wake.cause != FL_WAKE_REQUEST &&
           fl_clock_mono_ms(p->ctx.clock) < u->link->not_before_ms;
}

static int64_t push_pause_ms(const struct mirror_link *l, const struct fl_err *err)
{
    int64_t ms = PUSH_AGAIN_MIN_MS;
    for (int i = 1; i < l->failures && ms < PUSH_AGAIN_MAX_MS; i++) {
        ms *= 2;
    }
    ms = ms < PUSH_AGAIN_MAX_MS ? ms : PUSH_AGAIN_MAX_MS;
    return err->retry_after_ms > ms ? err->retry_after_ms : ms;
}

static void push_pause(struct push *u, const struct fl_err *err)
{
    struct mirror_link *l = u->link;
    if (!mirror_transient(err)) {
        l->failures = 0; /* asked with each pass */
        return;
    }
    l->failures += l->failures < 100 ? 1 : 0;
    l->not_before_ms = fl_clock_mono_ms(u->x->p->ctx.clock) + push_pause_ms(l, err);
}

int64_t mirror_push_wait_ms(const struct mirror_pass *x)
{
    int64_t now = fl_clock_mono_ms(x->p->ctx.clock);
    int64_t least = PUSH_AGAIN_MAX_MS;
    for (size_t i = 0; i < x->memo->n_links; i++) {
        const struct mirror_link *l = &x->memo->links[i];
        int64_t left = l->not_before_ms > now ? l->not_before_ms - now : 1;
        least = l->failures > 0 && left < least ? left : least;
    }
    return least;
}

/* ---- all of them ---- */

/* Another URL is another target: what is known of the one does not hold for the other. */
static const struct fl_mirror_pushed *push_before(const struct mirror_pass *x,
                                                  const struct fl_mirror_push *t)
{
    const struct fl_mirror_pushed *v = x->st->push.v;
    for (size_t i = 0; i < x->st->push.n; i++) {
        if (fl_text_eq(v[i].name, t->name) && fl_text_eq(v[i].url, t->url)) {
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

static void push_tell(struct push *u, const struct fl_err *err)
{
    u->link->wrong = *err;
    if (err->code != FL_OK) {
        push_wrong(u->x, err);
    }
}

static void push_failed(struct push *u, struct fl_err *err)
{
    u->st->message = fl_arena_text(u->x->p->arena, err->msg);
    fl_wrap(err, "push target '%s'", u->target->name);
    fl_metric_add(u->x->ms->pushes[MIRROR_FAILED], 1);
    push_pause(u, err);
    push_tell(u, err);
}

static void push_done(struct push *u)
{
    const struct fl_mirror_rejected *first = u->st->rejections.v;
    struct fl_err err = FL_ERR_INIT;
    u->st->message = NULL;
    u->link->failures = 0;
    u->link->looked = true;
    u->link->looked_ms = fl_clock_mono_ms(u->x->p->ctx.clock);
    if (u->x->spec->common.mode != FL_MODE_APPLY) {
        return;
    }
    if (u->n_held > 0 && !u->x->away) {
        push_say_held(u, &err);
    } else if (u->st->rejected > 0) {
        fl_fail(&err, FL_E_INVALID, "PushRejected",
                "push target '%s' did not take %lld refs, the first %s: %s", u->target->name,
                (long long)u->st->rejected, first ? first->ref : "", first ? first->message : "");
    } else if (u->st->held && fl_text_eq(u->link->wrong.reason, DELETION_BLOCKED)) {
        err = u->link->wrong; /* the source is away: what waited does so still */
    }
    push_tell(u, &err);
}

/* While the source is away it is asked again and again: not so a target that answered. */
static bool push_is_enough(const struct push *u)
{
    const struct fl_pass *p = u->x->p;
    return u->x->away && u->link->looked && !p->changed && p->wake.cause != FL_WAKE_REQUEST &&
           fl_clock_mono_ms(p->ctx.clock) - u->link->looked_ms < PUSH_AWAY_AGAIN_MS;
}

static void push_target(struct mirror_pass *x, const struct fl_mirror_push *t,
                        struct fl_mirror_pushed *st)
{
    struct push u = {.x = x, .target = t, .st = st};
    struct fl_err err = FL_ERR_INIT;
    int r = mirror_link(x, t, &u.link, &err);
    if (r == 0 && (push_is_waiting(&u) || push_is_enough(&u))) {
        const struct fl_err before = u.link->wrong;
        push_tell(&u, &before);
        return;
    }
    r = r == 0 ? push_one(&u, &err) : r;
    if (r < 0 && err.code == FL_E_CANCELED) {
        return;
    }
    st->digest = r == 1 ? mirror_digest(x, &u.want) : NULL;
    if (r < 0) {
        push_failed(&u, &err);
    } else {
        push_done(&u);
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

/* Ready does not depend on it: pushing them on is nothing that was promised. */
static void push_say_lfs(struct mirror_pass *x)
{
    const struct fl_condition *c = fl_pass_find_condition(x->p, "LFSIncomplete");
    bool ours = c && fl_text_eq(c->reason, MIRROR_LFS_NOT_PUSHED);
    bool due = x->st->lfs && x->spec->lfs == FL_LFS_FETCH && x->spec->push.n > 0;
    if (due && (!c || ours)) {
        fl_pass_condition(x->p, "LFSIncomplete", true, MIRROR_LFS_NOT_PUSHED,
                          "the large files (Git LFS) are here, and not at the push targets: only "
                          "refs and what they reach are pushed");
    } else if (!due && ours) {
        fl_pass_condition_drop(x->p, "LFSIncomplete");
    }
}

static void push_each(struct mirror_pass *x)
{
    size_t n = x->spec->push.n;
    const struct fl_mirror_push *targets = x->spec->push.v;
    struct fl_mirror_pushed *v = fl_arena_array(x->p->arena, n + 1, sizeof(*v));
    for (size_t i = 0; i < n; i++) {
        const struct fl_mirror_pushed *before = push_before(x, &targets[i]);
        v[i] = before ? *before : (struct fl_mirror_pushed){0};
        v[i].name = targets[i].name;
        v[i].url = targets[i].url;
        if (x->lost || x->p->changed) { /* another spec may mean more of what is there */
            v[i].follows_since = NULL;
        }
        bool wanted = fl_pass_spec_now(x->p) == x->p->spec; /* each push may take long */
        if (wanted && !fl_ctx_canceled(&x->p->ctx)) {
            push_target(x, &targets[i], &v[i]);
        }
    }
    x->st->push = (struct fl_list){v, n};
    push_say(x);
}

void mirror_push_all(struct mirror_pass *x)
{
    struct fl_err ignored = FL_ERR_INIT; /* each target meets it again */
    if (x->spec->push.n > 0) {
        (void)mirror_read(x, &ignored);
    }
    push_each(x);
    push_say_lfs(x);
}

void mirror_push_away(struct mirror_pass *x)
{
    struct fl_err ignored = FL_ERR_INIT; /* the source's trouble is what is told */
    if (x->spec->push.n == 0 || x->spec->common.mode != FL_MODE_APPLY ||
        fl_ctx_canceled(&x->p->ctx)) {
        return;
    }
    x->away = true;
    x->read = false;
    if (mirror_read(x, &ignored) == 0 && x->mine.n > 0) {
        push_each(x);
    }
}

/* ---- what was there, and large files ---- */

void mirror_note_loss(struct mirror_pass *x)
{
    /* Fewer than before is what a crash leaves too, between moving refs and saying so. */
    x->lost = x->lost || (x->mine.n == 0 && x->had > 0);
    x->had = 0; /* what this pass removes is no loss */
    if (x->lost) {
        mirror_memo_doubt(x->memo);
    }
}
