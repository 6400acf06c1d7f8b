/* SPDX-License-Identifier: Apache-2.0
 * ReplicationExecution: works off the list that a policy made. A pass can be cut at any moment and begun again: what the
 * destination has already is found by its digest and not sent again. */
#include "api/scheme.h"
#include "api/v1alpha1/replication_policy.h"
#include "reconcile/controllers.h"
#include "reconcile/copy.h"

#define EXECUTION_ATTEMPTS_MAX 20 /* that failed; about an hour of an unreachable remote */
#define EXECUTION_PUBLISH_MS 2000

struct execution_run {
    struct fl_pass *p;
    const struct fl_replication_execution_spec *spec;
    struct fl_replication_execution_status before; /* counters as they were when this pass began */
    struct fl_copy copy;
    struct fl_copy_totals totals;
    struct fl_cancel cancel;
    bool stop;      /* somebody set spec.stop, or the object is going */
    bool suspended; /* the policy was suspended meanwhile */
    bool orphaned;  /* the policy was deleted meanwhile */
    int64_t published_ms;
};

static bool execution_transient(enum fl_code code)
{
    return code == FL_E_UNAVAILABLE || code == FL_E_TIMEOUT || code == FL_E_LIMITED ||
           code == FL_E_CONFLICT;
}

/* ---- counters -------------------------------------------------------------------------------------------------- */

static int64_t execution_larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t execution_smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* What an earlier pass of this run copied or found stays counted so: this one finds it at the destination, or fails to look
 * (then it is no failure to copy). whole: the pass has settled every item. */
static void execution_count(struct execution_run *x, bool whole)
{
    struct fl_replication_execution_status *st = x->p->status;
    const struct fl_replication_execution_status *was = &x->before;
    int64_t total = (int64_t)x->spec->items.n;
    int64_t there = atomic_load(&x->totals.skipped);
    int64_t failed = atomic_load(&x->totals.failed);
    st->total = total;
    st->succeeded = execution_smaller(was->succeeded + atomic_load(&x->totals.done), total);
    st->skipped = execution_smaller(execution_larger(there - was->succeeded, was->skipped),
                                    total - st->succeeded);
    int64_t rest = total - st->succeeded - st->skipped;
    st->failed = whole ? rest : execution_smaller(failed, rest);
    st->bytes_copied = was->bytes_copied + atomic_load(&x->totals.bytes);
    st->blobs_copied = was->blobs_copied + atomic_load(&x->totals.blobs_copied);
    st->blobs_mounted = was->blobs_mounted + atomic_load(&x->totals.blobs_mounted);
    st->blobs_skipped = execution_larger(was->blobs_skipped, atomic_load(&x->totals.blobs_skipped));
}

/* Attempts of the passes before this one. */
static int64_t execution_attempts_before(const struct execution_run *x, const char *source,
                                         const char *destination)
{
    const struct fl_execution_failure *v = x->before.failures.v;
    for (size_t i = 0; i < x->before.failures.n; i++) {
        if (fl_text_eq(v[i].source, source) && fl_text_eq(v[i].destination, destination)) {
            return v[i].attempts;
        }
    }
    return 0;
}

static void execution_list_failures(struct execution_run *x)
{
    struct fl_arena *a = x->p->arena;
    struct fl_replication_execution_status *st = x->p->status;
    struct fl_execution_failure *v = fl_arena_array(a, FL_EXECUTION_FAILURES_MAX, sizeof(*v));
    size_t n = 0;
    for (size_t i = 0; i < x->copy.n && n < FL_EXECUTION_FAILURES_MAX; i++) {
        const struct fl_copy_item *it = &x->copy.items[i];
        if (it->state != FL_COPY_FAILED) {
            continue;
        }
        const char *source = fl_arena_fmt(a, "%s:%s", it->want->source, it->want->tag);
        const char *destination = fl_arena_fmt(a, "%s:%s", it->want->destination, it->want->tag);
        v[n++] = (struct fl_execution_failure){
            .source = source,
            .destination = destination,
            .reason = fl_arena_text(a, it->err.reason),
            .message = fl_arena_text(a, it->err.msg),
            .attempts = it->attempts + execution_attempts_before(x, source, destination),
        };
    }
    st->failures = (struct fl_list){v, n};
}

/* ---- while it runs ------------------------------------------------------------------------------------------- */

/* The policy that this run is of; NULL: it is gone, or another one has taken its name. */
static const struct fl_replication_policy_spec *
execution_policy(struct fl_pass *p, const struct fl_replication_execution_spec *run,
                 bool *ret_replaced)
{
    const void *spec = NULL;
    struct fl_obj *policy = NULL;
    struct fl_err err = FL_ERR_INIT;
    struct fl_str kind = {0};
    struct fl_str name = {0};
    *ret_replaced = false;
    if (fl_pass_get(p, &fl_kind_replication_policy, run->policy, &spec, NULL, &policy, &err) < 0) {
        return NULL;
    }
    struct fl_str owner = fl_obj_owner_uid(p->obj, &kind, &name);
    *ret_replaced = owner.n > 0 && fl_str_is(kind, fl_kind_replication_policy.kind) &&
                    !fl_str_eq(owner, policy->uid);
    return *ret_replaced ? NULL : spec;
}

static void execution_tick(void *arg)
{
    struct execution_run *x = arg;
    bool replaced = false;
    const struct fl_replication_execution_spec *now = fl_pass_spec_now(x->p);
    const struct fl_replication_policy_spec *policy = execution_policy(x->p, x->spec, &replaced);
    x->stop = x->stop || !now || now->stop;
    x->orphaned = x->orphaned || !policy;
    x->suspended = x->suspended || (policy && policy->common.suspend);
    if (x->stop || x->orphaned || x->suspended) {
        fl_cancel_set(&x->cancel);
    }
    int64_t mono = fl_clock_mono_ms(x->p->ctx.clock);
    if (mono - x->published_ms < EXECUTION_PUBLISH_MS) {
        return;
    }
    x->published_ms = mono;
    struct fl_err ignored =
        FL_ERR_INIT; /* progress is told again by the next tick and by the end of the pass */
    execution_count(x, false);
    (void)fl_pass_publish(x->p, &ignored);
}

/* ---- the verdict --------------------------------------------------------------------------------------------- */

static struct fl_result execution_finish(struct fl_pass *p, enum fl_phase phase)
{
    struct fl_replication_execution_status *st = p->status;
    st->phase = (int)phase;
    st->completion_time = fl_pass_now(p);
    fl_pass_condition_drop(p, "Reconciling");
    fl_pass_condition_drop(p, "Stalled");
    switch (phase) {
    case FL_PHASE_SUCCEEDED:
        fl_pass_ready(p, "Succeeded", "%lld tags copied, %lld were there already",
                      (long long)st->succeeded, (long long)st->skipped);
        break;
    case FL_PHASE_STOPPED:
        fl_pass_not_ready(p, "Stopped",
                          "stopped on request with %lld of %lld tags at the destination",
                          (long long)st->succeeded + st->skipped, (long long)st->total);
        break;
    default:
        fl_pass_not_ready(p, "Failed",
                          "%lld of %lld tags were not copied; status.failures says why",
                          (long long)st->failed, (long long)st->total);
        fl_pass_condition(p, "Stalled", true, "Failed",
                          "a run that failed stays as it is; its policy starts the next one");
        fl_pass_event(p, "Warning", "Failed", "%lld of %lld tags were not copied",
                      (long long)st->failed, (long long)st->total);
        break;
    }
    return fl_wait_event();
}

static const struct fl_err *execution_first_failure(const struct fl_copy *c, bool transient)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->items[i].state == FL_COPY_FAILED &&
            execution_transient(c->items[i].err.code) == transient) {
            return &c->items[i].err;
        }
    }
    return NULL;
}

/* Nobody else collects a run on an API without a garbage collector. */
static struct fl_result execution_remove(struct fl_pass *p)
{
    struct fl_err err = FL_ERR_INIT;
    return fl_pass_delete(p, p->obj, &err) < 0 ? fl_failed(&err) : fl_wait_event();
}

static struct fl_result execution_paused(struct fl_pass *p,
                                         const struct fl_replication_execution_spec *spec)
{
    fl_pass_not_ready(p, "Suspended", "policy '%s' is suspended; the run goes on when it is not",
                      spec->policy);
    return fl_wait_event();
}

static struct fl_result execution_settle(struct execution_run *x, int r, const struct fl_err *err)
{
    struct fl_pass *p = x->p;
    struct fl_replication_execution_status *st = p->status;
    execution_count(x, r == 0);
    execution_list_failures(x);
    if (r < 0 && fl_ctx_canceled(&p->ctx)) { /* shutdown, whatever else was asked for */
        return fl_failed(err);
    }
    if (x->orphaned) {
        return execution_remove(p);
    }
    if (x->stop) {
        return execution_finish(p, FL_PHASE_STOPPED);
    }
    if (x->suspended) {
        return execution_paused(p, x->spec);
    }
    if (r < 0) {
        return fl_failed(err);
    }
    const struct fl_err *again = execution_first_failure(&x->copy, true);
    if (again && ++st->failed_attempts < EXECUTION_ATTEMPTS_MAX) {
        struct fl_err told = *again;
        if (told.code ==
            FL_E_CONFLICT) { /* of a registry: to the engine it would mean our object */
            told.code = FL_E_UNAVAILABLE;
        }
        return fl_failed(&told);
    }
    bool failed = again || execution_first_failure(&x->copy, false);
    return execution_finish(p, failed ? FL_PHASE_FAILED : FL_PHASE_SUCCEEDED);
}

/* ---- the pass ------------------------------------------------------------------------------------------------ */

static void execution_begin(struct execution_run *x)
{
    struct fl_pass *p = x->p;
    struct fl_replication_execution_status *st = p->status;
    st->phase = FL_PHASE_RUNNING;
    st->attempts++;
    st->total = (int64_t)x->spec->items.n;
    if (!st->start_time) {
        st->start_time = fl_pass_now(p);
    }
    const struct fl_condition *ready = fl_pass_find_condition(p, "Ready");
    if (!ready || strcmp(ready->status, "False") != 0) {
        fl_pass_progress(p, "Copying", "%zu tags from %s to %s", x->spec->items.n, x->spec->source,
                         x->spec->destination);
    }
    struct fl_err ignored = FL_ERR_INIT;
    (void)fl_pass_publish(p, &ignored);
    x->published_ms = fl_clock_mono_ms(p->ctx.clock);
}

static void execution_items(struct execution_run *x)
{
    const struct fl_execution_item *want = x->spec->items.v;
    x->copy.n = x->spec->items.n;
    x->copy.items = fl_arena_array(x->p->arena, x->copy.n ? x->copy.n : 1, sizeof(*x->copy.items));
    for (size_t i = 0; i < x->copy.n; i++) {
        x->copy.items[i].want = &want[i];
    }
}

static struct fl_result execution_copy(struct fl_remotes *rs, struct execution_run *x)
{
    struct fl_pass *p = x->p;
    struct fl_err err = FL_ERR_INIT;
    fl_auto(fl_registry_link) from = NULL;
    fl_auto(fl_registry_link) to = NULL;
    if (fl_remotes_get(rs, p, x->spec->source, &from, &err) < 0 ||
        fl_remotes_get(rs, p, x->spec->destination, &to, &err) < 0) {
        return fl_failed(&err);
    }
    execution_begin(x);
    struct fl_ctx ctx = p->ctx;
    ctx.cancel2 = &x->cancel;
    x->copy.ctx = &ctx;
    x->copy.from = from;
    x->copy.to = to;
    x->copy.override = x->spec->override;
    x->copy.concurrency = (int)x->spec->concurrency;
    x->copy.timeout_ms = x->spec->timeout_ms;
    x->copy.totals = &x->totals;
    x->copy.tick = execution_tick;
    x->copy.tick_arg = x;
    execution_items(x);
    int r = fl_copy_run(&x->copy, &err);
    return execution_settle(x, r, &err);
}

/* What the cache does not have yet may be there all the same. */
static bool execution_orphaned(struct fl_pass *p, const struct fl_replication_execution_spec *spec)
{
    struct fl_err err = FL_ERR_INIT;
    return fl_pass_get_live(p, &fl_kind_replication_policy, spec->policy, NULL, NULL, &err) ==
           FL_E_NOT_FOUND;
}

static struct fl_result execution_reconcile(void *self, struct fl_pass *p)
{
    const struct fl_replication_execution_spec *spec = p->spec;
    struct fl_replication_execution_status *st = p->status;
    bool replaced = false;
    const struct fl_replication_policy_spec *policy = execution_policy(p, spec, &replaced);
    if (replaced || (!policy && execution_orphaned(p, spec))) {
        return execution_remove(p);
    }
    if (st->phase == FL_PHASE_SUCCEEDED || st->phase == FL_PHASE_FAILED ||
        st->phase == FL_PHASE_STOPPED) {
        return fl_wait_event();
    }
    if (spec->stop) {
        st->total = (int64_t)spec->items.n;
        return execution_finish(p, FL_PHASE_STOPPED);
    }
    if (policy && policy->common.suspend) {
        return execution_paused(p, spec);
    }
    struct execution_run x = {.p = p, .spec = spec, .before = *st};
    return execution_copy(self, &x);
}

static void execution_refs(const void *any, void (*add)(void *arg, struct fl_ref r), void *arg)
{
    const struct fl_replication_execution_spec *spec = any;
    add(arg, (struct fl_ref){&fl_kind_replication_policy, fl_str_of(spec->policy)});
    add(arg, (struct fl_ref){&fl_kind_registry, fl_str_of(spec->source)});
    add(arg, (struct fl_ref){&fl_kind_registry, fl_str_of(spec->destination)});
}

struct fl_controller fl_execution_controller(struct fl_remotes *rs)
{
    return (struct fl_controller){
        .name = "replicationexecution",
        .kind = &fl_kind_replication_execution,
        .workers = 4,
        .self = rs,
        .reconcile = execution_reconcile,
        .refs = execution_refs,
    };
}
