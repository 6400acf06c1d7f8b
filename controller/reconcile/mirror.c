/* SPDX-License-Identifier: Apache-2.0
 * GitMirror: lists the remote, and where that is news, brings the objects, lets the guards look,
 * moves refs and pushes on. The order is that of reference 2.4: nothing moves before its objects
 * are here. */
#include "reconcile/mirror.h"

#include "api/scheme.h"
#include "base/mem.h"
#include "reconcile/mirror_priv.h"

/* Fetches may take long: some workers are left for those who only ask. */
#define MIRROR_WORKERS 12
#define MIRROR_FETCHES 8
#define MIRROR_SLOT_MS 1000 /* until a fetch that found no place looks again; doubled each time */
#define MIRROR_SLOT_MAX_MS 30000
#define MIRROR_MOVED_MS 2000 /* RemoteMoved: list again */
#define MIRROR_MOVED_MAX 5
#define MIRROR_BUSY_MS 5000
#define MIRROR_BUSY_MAX 60
#define MIRROR_PLAN_MAX 200
#define MIRROR_NO_SLOT "FetchesUnderWay"
#define MIRROR_SPEC_CHANGED "SpecChanged"

static const char *const mirror_protocols[] = {"v2", "v0", "dumb", "ssh"};

/* ---- small things ---------------------------------------------------------------------------- */

struct fl_ref_filter mirror_filter(const struct fl_mirror_refs *refs, int64_t max_refs)
{
    return (struct fl_ref_filter){.include = refs->include.v,
                                  .n_include = refs->include.n,
                                  .exclude = refs->exclude.v,
                                  .n_exclude = refs->exclude.n,
                                  .max_refs = max_refs};
}

const char *mirror_digest(struct mirror_pass *x, const struct fl_git_refs *refs)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    char digest[FL_PASS_DIGEST];
    mirror_digest_text(&b, refs);
    fl_pass_digest(fl_buf_slice(&b), digest);
    return fl_arena_text(x->p->arena, digest);
}

bool mirror_transient(const struct fl_err *err)
{
    return err->code != FL_E_AUTH && err->code != FL_E_INVALID && err->code != FL_E_UNSUPPORTED;
}

const char *mirror_trigger(const struct fl_pass *p)
{
    static const char *const names[] = {[FL_WAKE_CLOCK] = "Interval",
                                        [FL_WAKE_START] = "Spec",
                                        [FL_WAKE_CHANGE] = "Spec",
                                        [FL_WAKE_HOOK] = "Webhook",
                                        [FL_WAKE_REQUEST] = "Manual"};
    return names[p->wake.cause];
}

static bool mirror_applies(const struct mirror_pass *x)
{
    return x->spec->common.mode == FL_MODE_APPLY;
}

static const char *mirror_path(const struct fl_mirrors *ms, const struct fl_pass *p)
{
    return fl_arena_fmt(p->arena, "%s/%.*s/%.*s.git", ms->mirrors_dir, FL_STR_ARG(p->obj->ns),
                        FL_STR_ARG(p->obj->name));
}

struct fl_ctx mirror_long(const struct mirror_pass *x)
{
    return fl_ctx_timeout(&x->p->ctx, x->spec->common.timeout_ms);
}

int64_t mirror_now_s(const struct mirror_pass *x)
{
    return fl_clock_wall_ms(x->p->ctx.clock) / 1000;
}

void mirror_plan_row(struct mirror_pass *x, const char *action, const struct fl_ref_move *m)
{
    x->would++;
    if (x->n_plan < MIRROR_PLAN_MAX) {
        x->plan = fl_arena_grow(x->p->arena, x->plan, x->n_plan, sizeof(*x->plan));
        x->plan[x->n_plan++] = (struct fl_mirror_move){action, m->name, m->old, m->new};
    }
}

int mirror_open(struct mirror_pass *x, struct fl_err *err)
{
    if (x->repo) {
        return 0;
    }
    const struct fl_repo_conf conf = {.path = x->st->path,
                                      .sha256 = x->list.sha256,
                                      .existing = x->away || !mirror_applies(x),
                                      .clock = x->ms->conf.clock};
    struct fl_ctx ctx = mirror_long(x);
    return x->ms->adapter->repo->open(&conf, &ctx, &x->repo, err);
}

int mirror_read(struct mirror_pass *x, struct fl_err *err)
{
    if (x->read) {
        return 0;
    }
    int r = mirror_open(x, err);
    if (r == 0) {
        r = x->ms->adapter->repo->refs(x->repo, x->p->arena, &x->mine, err);
    }
    x->read = r == 0;
    if (r == 0) {
        mirror_note_loss(x);
    }
    return r;
}

/* ---- poll ------------------------------------------------------------------------------------ */

static int mirror_connect(struct mirror_pass *x, struct fl_err *err)
{
    struct mirror_link *link = NULL;
    if (!x->ms->adapter) {
        return fl_fail(err, FL_E_UNSUPPORTED, "UnsupportedType", "no adapter offers git mirrors");
    }
    mirror_link_prune(x);
    int r = mirror_link(x, NULL, &link, err);
    if (r == 0) {
        x->remote = link->remote;
    }
    return r;
}

/* What the status says of the last comparison: a write that failed leaves it with another. */
static const char *mirror_told(const struct mirror_pass *x)
{
    const struct fl_git_mirror_status *st = x->st;
    return fl_arena_fmt(x->p->arena, "%s %s", st->refs_digest ? st->refs_digest : "",
                        st->held && st->held->nonce ? st->held->nonce : "");
}

/* All that remote and disk were last compared for still holds, if the remote says the same. A
 * person who asks has the disk looked at too. */
static bool mirror_holds(const struct mirror_pass *x)
{
    const struct mirror_memo *m = x->memo;
    return mirror_applies(x) && m->digest && m->generation == x->p->obj->generation &&
           fl_text_eq(m->approved, x->p->approved) && mirror_now_s(x) < m->expires_s &&
           x->p->wake.cause != FL_WAKE_REQUEST && !mirror_lfs_owed(x) &&
           fl_text_eq(m->told, mirror_told(x)) && x->ms->adapter->repo->is_there(x->st->path);
}

static int mirror_poll(struct mirror_pass *x, struct fl_err *err)
{
    struct fl_ctx ctx = mirror_long(x);
    ctx = fl_ctx_timeout(&ctx, MIRROR_LIST_MS);
    bool holds = mirror_holds(x);
    /* Push targets are compared with the list itself. */
    x->filter.known = holds && x->spec->push.n == 0 ? x->memo->version : NULL;
    int r = x->ms->adapter->mirror->list(x->remote, &ctx, x->p->arena, &x->filter, &x->list, err);
    if (r < 0) {
        return r;
    }
    const char *digest = x->list.same ? x->memo->digest : mirror_digest(x, &x->list.refs);
    memcpy(x->digest, digest, sizeof(x->digest));
    x->known = holds && strcmp(digest, x->memo->digest) == 0;
    x->st->protocol = mirror_protocols[x->list.protocol];
    if (fl_pass_find_condition(x->p, "PollFailed") || !x->st->last_poll_time) {
        x->st->last_poll_time = fl_pass_now(x->p);
        fl_pass_condition_drop(x->p, "PollFailed");
    }
    return 0;
}

/* A conflict with somebody at the remote is none over the object: the engine would repeat it at
 * once. */
static struct fl_result mirror_failed(struct fl_err err)
{
    if (err.code == FL_E_CONFLICT) {
        err.code = FL_E_UNAVAILABLE;
    }
    return fl_failed(&err);
}

static struct fl_result mirror_poll_failed(struct mirror_pass *x, const struct fl_err *err)
{
    if (err->code == FL_E_CANCELED) {
        return fl_failed(err);
    }
    const char *reason = err->reason[0] ? err->reason : fl_code_name(err->code);
    const struct fl_condition *was = fl_pass_find_condition(x->p, "PollFailed");
    if (!was || !fl_text_eq(was->reason, reason)) {
        x->st->last_poll_time = fl_pass_now(x->p);
    }
    fl_pass_condition(x->p, "PollFailed", true, reason, "%s", err->msg);
    fl_metric_add(x->ms->polls[MIRROR_FAILED], 1);
    return mirror_failed(*err);
}

/* ---- fetch ----------------------------------------------------------------------------------- */

static int mirror_fits(struct mirror_pass *x, struct fl_err *err)
{
    int64_t max = x->limits->max_repo_mib;
    int64_t bytes = 0;
    if (max <= 0) {
        return 0;
    }
    int r = x->ms->adapter->repo->size(x->repo, &bytes, err);
    if (r == 0 && bytes / ((int64_t)1024 * 1024) >= max) {
        r = fl_fail(err, FL_E_TOO_BIG, "RepositoryTooBig",
                    "the repository has reached spec.limits.maxRepoMiB (%lld MiB): nothing more is "
                    "fetched; raise the limit or narrow spec.refs",
                    (long long)max);
    }
    return r;
}

/* Who waits for the first clone sees that it is under way; later ones leave Ready alone. */
static void mirror_say_fetching(struct mirror_pass *x)
{
    const struct fl_condition *ready = fl_pass_find_condition(x->p, "Ready");
    struct fl_err ignored = FL_ERR_INIT; /* the end of the pass tells it again */
    if (x->st->refs_digest || (ready && !fl_text_eq(ready->status, "Unknown"))) {
        return;
    }
    if (x->mine.n == 0) { /* said before any is there: a crash may come between */
        x->st->source = mirror_place(x);
    }
    fl_pass_progress(x->p, "Fetching", "%s is fetched for the first time", x->spec->url);
    (void)fl_pass_publish(x->p, &ignored);
}

static bool mirror_slot_take(struct fl_mirrors *ms)
{
    fl_lock_scope(&ms->lock);
    bool free = ms->fetching < MIRROR_FETCHES;
    ms->fetching += free ? 1 : 0;
    return free;
}

/* For who knows that he needs one: the remote is not asked for nothing. */
static bool mirror_slot_is_free(struct fl_mirrors *ms)
{
    fl_lock_scope(&ms->lock);
    return ms->fetching < MIRROR_FETCHES;
}

static void mirror_slot_give(struct fl_mirrors *ms)
{
    fl_lock_scope(&ms->lock);
    ms->fetching--;
}

static int mirror_fetch(struct mirror_pass *x, const struct mirror_plan *plan, struct fl_err *err)
{
    if (plan->n_bring == 0) {
        return 0;
    }
    int r = mirror_fits(x, err);
    if (r < 0) {
        return r;
    }
    if (!mirror_slot_take(x->ms)) {
        return fl_fail(err, FL_E_CONFLICT, MIRROR_NO_SLOT, "%d fetches are under way",
                       MIRROR_FETCHES);
    }
    x->memo->waits = 0;
    mirror_say_fetching(x);
    const struct fl_fetch_want want = {
        .v = plan->bring,
        .n = plan->n_bring,
        .filter = &x->filter,
        .url = x->list.url,
        .max_pack_bytes = x->limits->max_pack_mib * 1024 * 1024,
        .fsck = x->spec->fsck,
    };
    struct fl_fetch_stats stats = {0};
    struct fl_ctx ctx = mirror_long(x);
    int64_t from = fl_clock_mono_ms(ctx.clock);
    r = x->ms->adapter->mirror->fetch(x->remote, &ctx, x->repo, &want, &stats, err);
    mirror_slot_give(x->ms);
    fl_metric_observe_ms(x->ms->fetch_seconds, fl_clock_mono_ms(ctx.clock) - from);
    fl_metric_add(x->ms->fetches[r == 0 ? MIRROR_CHANGED : MIRROR_FAILED], 1);
    x->fetched = r == 0;
    return r;
}

static int mirror_ask_forced(struct mirror_pass *x, struct mirror_plan *plan, struct fl_err *err)
{
    bool updates = false;
    for (size_t i = 0; i < plan->n_bring && !updates; i++) {
        updates = plan->bring[i].old != NULL;
    }
    struct fl_ctx ctx = mirror_long(x);
    return updates ? x->ms->adapter->repo->forced(x->repo, &ctx, plan->bring, plan->n_bring, err)
                   : 0;
}

/* ---- compare and act ---- */

/* Whose refs the mirror has, where that is not the url's repository. */
static const char *mirror_other(struct mirror_pass *x)
{
    const char *source = x->st->source;
    if (source) {
        return fl_text_eq(source, mirror_place(x))
                   ? NULL
                   : fl_arena_fmt(x->p->arena, "spec.url names another repository than %s", source);
    }
    return x->mine.n > 0 ? "the repository was here before the object, and may be another one's"
                         : NULL;
}

/* What would be done, for the other modes. Nothing is made on disk for it. */
static int mirror_show(struct mirror_pass *x, struct mirror_consent *consent, struct fl_err *err)
{
    struct mirror_plan plan;
    int r = mirror_read(x, err);
    if (r == FL_E_NOT_FOUND) { /* there is none yet, and none is made */
        fl_err_clear(err);
        x->read = true;
        r = 0;
    }
    if (r < 0) {
        return r;
    }
    consent->other = mirror_other(x);
    mirror_plan_make(x->p->arena, &x->mine, &x->list.refs, x->spec->prune, x->guard, consent,
                     &plan);
    /* What waits stands in the plan; it is nothing that is wrong, while nothing would be done. */
    fl_pass_condition_drop(x->p, "DeletionBlocked");
    fl_pass_condition_drop(x->p, "ForcePushBlocked");
    x->st->held = plan.n_held > 0 ? x->st->held : NULL;
    for (size_t i = 0; i < plan.n_held; i++) {
        mirror_plan_row(x, "Hold", &plan.held[i]);
    }
    for (size_t i = 0; i < plan.n_remove; i++) {
        mirror_plan_row(x, "Delete", &plan.remove[i]);
    }
    for (size_t i = 0; i < plan.n_bring; i++) {
        if (!mirror_plan_is_held(&plan, plan.bring[i].name)) {
            mirror_plan_row(x, plan.bring[i].old ? "Update" : "Create", &plan.bring[i]);
        }
    }
    return 0;
}

/* What the disk says, whatever git said. */
static int mirror_verify(struct mirror_pass *x, const struct mirror_plan *plan, struct fl_err *err)
{
    x->read = false;
    int r = mirror_read(x, err);
    for (size_t i = 0; i < x->list.refs.n && r == 0; i++) {
        const struct fl_git_ref *want = &x->list.refs.v[i];
        const struct fl_git_ref *have = mirror_ref_find(&x->mine, want->name);
        if (!mirror_plan_is_held(plan, want->name) &&
            (!have || strcmp(have->oid, want->oid) != 0)) {
            r = fl_fail(err, FL_E_CONFLICT, "RefMoved", "%s is not what it was just set to",
                        want->name);
        }
    }
    return r;
}

/* Where HEAD is to point from now on; NULL: where it does. It does not leave a branch that is held
 * for one that is not there. */
static const char *mirror_new_head(const struct mirror_pass *x, const struct mirror_plan *plan)
{
    const char *head = x->list.refs.head;
    bool there = head && mirror_ref_find(&x->list.refs, head) && !mirror_plan_is_held(plan, head);
    return !head || fl_text_eq(head, x->mine.head) || (plan->n_held > 0 && !there) ? NULL : head;
}

static int mirror_move(struct mirror_pass *x, struct mirror_plan *plan,
                       const struct mirror_consent *consent, int64_t began_ms, struct fl_err *err)
{
    struct fl_ref_move *v = NULL;
    size_t n = 0;
    mirror_plan_moves(x->p->arena, plan, x->guard, mirror_now_s(x), consent, &v, &n);
    const char *head = mirror_new_head(x, plan);
    if (n == 0 && !head) {
        return 0;
    }
    struct fl_ctx ctx = mirror_long(x);
    int r = x->ms->adapter->repo->move(x->repo, &ctx, v, n, head, err);
    if (r == 0) {
        r = mirror_verify(x, plan, err);
    }
    if (r == 0 && n > 0) {
        mirror_tell_moves(x, v, n, began_ms);
    }
    return r;
}

/* The refs that both have. */
static const char *mirror_common_digest(struct mirror_pass *x)
{
    struct fl_git_refs both = {.head = x->list.refs.head};
    both.v = fl_arena_array(x->p->arena, x->list.refs.n + 1, sizeof(*both.v));
    for (size_t i = 0; i < x->list.refs.n; i++) {
        const struct fl_git_ref *have = mirror_ref_find(&x->mine, x->list.refs.v[i].name);
        if (have && strcmp(have->oid, x->list.refs.v[i].oid) == 0) {
            both.v[both.n++] = *have;
        }
    }
    x->memo->same = both.n == x->list.refs.n && both.n == x->mine.n;
    return x->memo->same ? fl_arena_text(x->p->arena, x->digest) : mirror_digest(x, &both);
}

static void mirror_write_refs(struct mirror_pass *x)
{
    struct fl_git_mirror_status *st = x->st;
    st->refs_digest = mirror_common_digest(x);
    st->ref_count = (int64_t)x->mine.n;
    st->head = NULL;
    if (x->mine.head) {
        const struct fl_git_ref *tip = mirror_ref_find(&x->mine, x->mine.head);
        st->head = FL_ARENA_NEW(x->p->arena, struct fl_mirror_head);
        *st->head = (struct fl_mirror_head){x->mine.head, tip ? tip->oid : NULL};
    }
}

static void mirror_remember(struct mirror_pass *x)
{
    struct mirror_memo *m = x->memo;
    mirror_memo_doubt(m);
    fl_free(m->approved);
    m->digest = fl_strdup(x->digest);
    m->version = fl_strdup(x->list.version);
    m->told = fl_strdup(mirror_told(x));
    m->approved = fl_strdup(x->p->approved);
    m->generation = x->p->obj->generation;
    m->moved = m->busy = 0;
    fl_free(m->refused);
    m->refused = NULL;
}

/* Whoever suspends, or asks for something else, is heard before anything moves. */
static int mirror_still_wanted(struct mirror_pass *x, struct fl_err *err)
{
    return fl_pass_spec_now(x->p) == x->p->spec
               ? 0
               : fl_fail(err, FL_E_CONFLICT, MIRROR_SPEC_CHANGED, "the spec was changed meanwhile");
}

static int mirror_act(struct mirror_pass *x, struct mirror_consent *consent, struct fl_err *err)
{
    struct mirror_plan plan;
    int64_t began_ms = fl_clock_mono_ms(x->p->ctx.clock);
    mirror_memo_doubt(x->memo);
    int r = mirror_read(x, err);
    if (r < 0) {
        return r;
    }
    size_t before = x->mine.n;
    consent->other = mirror_other(x);
    mirror_plan_make(x->p->arena, &x->mine, &x->list.refs, x->spec->prune, x->guard, consent,
                     &plan);
    r = mirror_fetch(x, &plan, err);
    if (r == 0) {
        r = mirror_ask_forced(x, &plan, err);
    }
    if (r == 0) {
        r = mirror_still_wanted(x, err);
    }
    if (r == 0) {
        r = mirror_move(x, &plan, consent, began_ms, err);
    }
    if (r < 0) {
        return r;
    }
    mirror_write_held(x, &plan, consent->since);
    mirror_write_refs(x);
    mirror_write_peak(x, before, plan.released);
    x->st->source = plan.n_held > 0 ? x->st->source : mirror_place(x);
    r = mirror_tend_kept(x, err);
    if (r == 0) {
        mirror_lfs(x);
        mirror_remember(x);
    }
    return r;
}

static int mirror_compare(struct mirror_pass *x, struct fl_err *err)
{
    const struct fl_mirror_held *held = x->st->held;
    struct mirror_consent consent = {
        .approved = x->p->approved,
        .since = held && held->since ? held->since : fl_pass_now(x->p),
        .sticky = held && held->deletions > 0,
        .peak = mirror_peak(x),
    };
    return mirror_applies(x) ? mirror_act(x, &consent, err) : mirror_show(x, &consent, err);
}

/* ---- outcomes ---- */

static struct fl_result mirror_soon(struct mirror_pass *x, int64_t ms)
{
    x->p->deferred = true; /* what was asked for is answered by the pass that gets through */
    return fl_again_after(ms);
}

static struct fl_result mirror_wait_for_slot(struct mirror_pass *x)
{
    int64_t ms = MIRROR_SLOT_MS;
    for (int i = 0; i < x->memo->waits && ms < MIRROR_SLOT_MAX_MS; i++) {
        ms *= 2;
    }
    x->memo->waits++;
    return mirror_soon(x, ms < MIRROR_SLOT_MAX_MS ? ms : MIRROR_SLOT_MAX_MS);
}

/* The same refs would come to the same again, however long that takes to fetch. */
static bool mirror_is_refusal(const struct fl_err *err)
{
    static const char *const reasons[] = {"FsckFailed", "PackTooBig", "RepositoryTooBig"};
    for (size_t i = 0; i < FL_LEN(reasons); i++) {
        if (fl_text_eq(err->reason, reasons[i])) {
            return true;
        }
    }
    return false;
}

static bool mirror_was_refused(const struct mirror_pass *x)
{
    const struct mirror_memo *m = x->memo;
    return m->refused && strcmp(m->refused, x->digest) == 0 &&
           m->refused_generation == x->p->obj->generation && x->p->wake.cause != FL_WAKE_REQUEST;
}

static struct fl_result mirror_refused(struct mirror_pass *x, const struct fl_err *err)
{
    struct mirror_memo *m = x->memo;
    if (!mirror_was_refused(x)) {
        fl_pass_event(x->p, "Warning", err->reason, "%s", err->msg);
    }
    fl_free(m->refused);
    m->refused = fl_strdup(x->digest);
    m->refusal = *err;
    m->refused_generation = x->p->obj->generation;
    fl_pass_not_ready(x->p, err->reason,
                      "%s; it is fetched again when the remote or the spec changes, or on request",
                      err->msg);
    return fl_done();
}

static struct fl_result mirror_fetch_failed(struct mirror_pass *x, struct fl_err *err)
{
    struct mirror_memo *m = x->memo;
    bool moved = err->code == FL_E_CONFLICT;
    if (err->code == FL_E_CANCELED) {
        return fl_failed(err);
    }
    if (fl_text_eq(err->reason, MIRROR_NO_SLOT)) {
        return mirror_wait_for_slot(x);
    }
    if (fl_text_eq(err->reason, MIRROR_SPEC_CHANGED)) {
        return mirror_soon(x, MIRROR_MOVED_MS);
    }
    if (moved && m->moved++ < MIRROR_MOVED_MAX) {
        return mirror_soon(x, MIRROR_MOVED_MS);
    }
    if (err->code == FL_E_EXISTS && m->busy++ < MIRROR_BUSY_MAX) {
        return mirror_soon(x, MIRROR_BUSY_MS);
    }
    mirror_push_away(x);
    const char *reason = err->reason[0] ? err->reason : fl_code_name(err->code);
    fl_pass_condition(x->p, "FetchFailed", true, reason, "%s", err->msg);
    return mirror_is_refusal(err) ? mirror_refused(x, err) : mirror_failed(*err);
}

/* A target's pauses are its own: the source is asked no later than by its interval. */
static struct fl_result mirror_push_again(struct mirror_pass *x, const char *reason,
                                          const char *text)
{
    int64_t wait = mirror_push_wait_ms(x);
    int64_t interval = x->spec->common.interval_ms;
    interval = interval < 0 ? x->ms->conf.interval_ms : interval;
    fl_pass_condition(x->p, "Ready", false, reason, "%s", text);
    fl_pass_progress(x->p, "ProgressingWithRetry", "%s", text);
    return interval > 0 && interval <= wait ? fl_done() : fl_again_after(wait);
}

/* Ready is what is wrong first; when it may recover by itself, the engine tries again. */
static struct fl_result mirror_wrong(struct mirror_pass *x, const char *reason, const char *text)
{
    bool also = x->also.code != FL_OK && mirror_transient(&x->also);
    if (!also && x->push_again) {
        return mirror_push_again(x, reason, text);
    }
    if (!also) {
        fl_pass_not_ready(x->p, reason, "%s", text);
        return fl_done();
    }
    struct fl_err err = x->also;
    int64_t retry_after_ms = err.retry_after_ms;
    fl_fail(&err, err.code, reason, "%s", text);
    err.retry_after_ms = retry_after_ms;
    return mirror_failed(err);
}

static void mirror_say_ready(struct mirror_pass *x)
{
    size_t targets = x->spec->push.n;
    const char *pushed =
        targets > 0 ? fl_arena_fmt(x->p->arena, ", and pushed to %zu targets", targets) : "";
    if (mirror_applies(x)) {
        fl_pass_ready(x->p, "Succeeded", "%lld refs of %s are mirrored%s",
                      (long long)x->st->ref_count, x->spec->url, pushed);
    } else if (x->would > 0) {
        fl_pass_ready(x->p, "Planned", "mode %s: %zu moves would be made; status.plan lists them",
                      fl_mode_names[x->spec->common.mode], x->would);
    } else {
        fl_pass_ready(x->p, "Succeeded", "mode %s: nothing would be moved",
                      fl_mode_names[x->spec->common.mode]);
    }
}

static struct fl_result mirror_conclude(struct mirror_pass *x)
{
    static const char *const blocks[] = {"DeletionBlocked", "ForcePushBlocked"};
    for (size_t i = 0; i < FL_LEN(blocks); i++) {
        const struct fl_condition *c = fl_pass_find_condition(x->p, blocks[i]);
        if (c) {
            return mirror_wrong(x, c->type, c->message);
        }
    }
    if (x->also.code != FL_OK) {
        return mirror_failed(x->also);
    }
    if (x->push_wrong > 0) {
        return mirror_wrong(x, "PushFailed", fl_pass_find_condition(x->p, "PushFailed")->message);
    }
    mirror_say_ready(x);
    return fl_done();
}

static struct fl_result mirror_run(struct mirror_pass *x)
{
    struct fl_err err = FL_ERR_INIT;
    mirror_webhook(x);
    if (mirror_connect(x, &err) < 0) {
        mirror_push_away(x);
        return fl_failed(&err);
    }
    if (x->memo->waits > 0 && !mirror_slot_is_free(x->ms)) {
        return mirror_wait_for_slot(x);
    }
    if (mirror_poll(x, &err) < 0) {
        mirror_push_away(x);
        return mirror_poll_failed(x, &err);
    }
    if (x->known && x->memo->same && !x->list.same) {
        x->mine = x->list.refs;
        x->read = true;
    }
    fl_metric_add(x->ms->polls[x->known ? MIRROR_SAME : MIRROR_CHANGED], 1);
    if (mirror_was_refused(x)) {
        mirror_push_away(x);
        return mirror_refused(x, &x->memo->refusal);
    }
    if (!x->known && mirror_compare(x, &err) < 0) {
        return mirror_fetch_failed(x, &err);
    }
    fl_pass_condition_drop(x->p, "FetchFailed");
    mirror_push_all(x);
    mirror_upkeep(x);
    if (fl_ctx_check(&x->p->ctx, "mirror", &err) < 0) {
        return fl_failed(&err);
    }
    if (!x->known) {
        x->st->plan = (struct fl_list){x->plan, x->n_plan};
    }
    return mirror_conclude(x);
}

static void mirror_begin(struct fl_mirrors *ms, struct fl_pass *p, struct mirror_pass *x)
{
    const struct fl_git_mirror_spec *spec = p->spec;
    *x = (struct mirror_pass){
        .ms = ms,
        .p = p,
        .spec = spec,
        .st = p->status,
        .had = ((const struct fl_git_mirror_status *)p->status)->ref_count,
        .guard = spec->guard ? spec->guard : &fl_mirror_guard_default,
        .limits = spec->limits ? spec->limits : &fl_mirror_limits_default,
        .also = FL_ERR_INIT,
        .pushed = FL_ERR_INIT,
    };
    mirror_memo_take(x);
}

static struct fl_result mirror_reconcile(void *self, struct fl_pass *p)
{
    struct mirror_pass x;
    mirror_begin(self, p, &x);
    x.filter =
        mirror_filter(x.spec->refs ? x.spec->refs : &fl_mirror_refs_default, x.limits->max_refs);
    x.st->path = mirror_path(self, p);
    struct fl_result res = mirror_run(&x);
    if (x.repo) {
        x.ms->adapter->repo->close(x.repo);
    }
    mirror_memo_give(&x);
    return res;
}

/* Who sends must not be told that there is no such path because the remote need not be asked yet: hosts do not send again, and
 * some switch a webhook off that fails. */
static void mirror_meet(void *self, struct fl_pass *p)
{
    struct mirror_pass x;
    mirror_begin(self, p, &x);
    mirror_webhook(&x);
    mirror_memo_give(&x);
}

/* ---- the end ---- */

static void mirror_leave(struct fl_mirrors *ms, struct fl_str ns, struct fl_str name)
{
    if (ms->conf.hooks_ops) {
        ms->conf.hooks_ops->drop(ms->conf.hooks, &fl_kind_git_mirror, ns, name);
    }
    mirror_memo_drop(ms, ns, name);
}

static struct fl_result mirror_finalize(void *self, struct fl_pass *p)
{
    struct fl_mirrors *ms = self;
    const struct fl_git_mirror_spec *spec = p->spec;
    struct fl_err err = FL_ERR_INIT;
    mirror_leave(ms, p->obj->ns, p->obj->name);
    if (spec->deletion_policy != FL_MIRROR_DELETE || !ms->adapter) {
        return fl_done();
    }
    if (ms->adapter->repo->remove(mirror_path(ms, p), &err) < 0) {
        fl_wrap(&err, "the repository could not be removed (deletionPolicy: Orphan leaves it)");
        return fl_failed(&err);
    }
    return fl_done();
}

static void mirror_forget(void *self, struct fl_str ns, struct fl_str name, struct fl_str uid)
{
    (void)uid;
    mirror_leave(self, ns, name);
}

static void mirror_refs(const void *any, void (*add)(void *arg, struct fl_ref r), void *arg)
{
    const struct fl_git_mirror_spec *spec = any;
    const struct fl_mirror_push *push = spec->push.v;
    if (spec->secret_ref) {
        add(arg, (struct fl_ref){&fl_kind_secret, fl_str_of(spec->secret_ref->name)});
    }
    if (spec->webhook && spec->webhook->secret_ref) {
        add(arg, (struct fl_ref){&fl_kind_secret, fl_str_of(spec->webhook->secret_ref->name)});
    }
    for (size_t i = 0; i < spec->push.n; i++) {
        if (push[i].secret_ref) {
            add(arg, (struct fl_ref){&fl_kind_secret, fl_str_of(push[i].secret_ref->name)});
        }
    }
}

struct fl_controller fl_mirror_controller(struct fl_mirrors *ms)
{
    return (struct fl_controller){
        .name = "gitmirror",
        .kind = &fl_kind_git_mirror,
        .workers = MIRROR_WORKERS,
        .self = ms,
        .common = true,
        .interval_ms = ms->conf.interval_ms,
        .spread = true,
        .reconcile = mirror_reconcile,
        .meet = mirror_meet,
        .finalize = mirror_finalize,
        .refs = mirror_refs,
        .forget = mirror_forget,
    };
}
