/* SPDX-License-Identifier: Apache-2.0
 * ReplicationExecution: works off the list that a policy made. A pass can be cut at any moment and begun again: what the
 * destination has already is found by its digest and not sent again. */
#include "api/scheme.h"
#include "api/v1alpha1/replication_policy.h"
#include "reconcile/controllers.h"
#include "reconcile/copy.h"

#define EXECUTION_ATTEMPTS_MAX 20 /* passes; about an hour of an unreachable remote */
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
    int64_t published_ms;
};

static bool execution_transient(enum fl_code code)
{
    return code == FL_E_UNAVAILABLE || code == FL_E_TIMEOUT || code == FL_E_LIMITED ||
           code == FL_E_CONFLICT;
}

/* ---- counters -------------------------------------------------------------------------------------------------- */

static void execution_count(struct execution_run *x)
{
    struct fl_replication_execution_status *st = x->p->status;
    const struct fl_replication_execution_status *was = &x->before;
    int64_t copied = atomic_load(&x->totals.done);
    int64_t there = atomic_load(&x->totals.skipped);
    st->total = (int64_t)x->spec->items.n;
    st->succeeded = was->succeeded + copied;
    /* What an earlier pass of this run copied is found at the destination by this one. */
    st->skipped = there > was->succeeded ? there - was->succeeded : 0;
    st->failed = atomic_load(&x->totals.failed);
    st->bytes_copied = was->bytes_copied + atomic_load(&x->totals.bytes);
    st->blobs_copied = was->blobs_copied + atomic_load(&x->totals.blobs_copied);
    st->blobs_mounted = was->blobs_mounted + atomic_load(&x->totals.blobs_mounted);
    st->blobs_skipped = atomic_load(&x->totals.blobs_skipped);
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
        v[n++] = (struct fl_execution_failure){
            .source = fl_arena_fmt(a, "%s:%s", it->want->source, it->want->tag),
            .destination = fl_arena_fmt(a, "%s:%s", it->want->destination, it->want->tag),
            .reason = fl_arena_text(a, it->err.reason),
            .message = fl_arena_text(a, it->err.msg),
            .attempts = it->attempts,
        };
    }
    st->failures = (struct fl_list){v, n};
}

/* ---- while it runs ------------------------------------------------------------------------------------------- */

static bool execution_policy_suspended(struct fl_pass *p, const char *policy)
{
    const void *spec = NULL;
    struct fl_err err = FL_ERR_INIT;
    if (fl_pass_get(p, &fl_kind_replication_policy, policy, &spec, NULL, NULL, &err) < 0) {
        return false;
    }
    const struct fl_replication_policy_spec *ps = spec;
    return ps->common.suspend;
}

static void execution_tick(void *arg)
{
    struct execution_run *x = arg;
    const struct fl_replication_execution_spec *now = fl_pass_spec_now(x->p);
    if (!now || now->stop) {
        x->stop = true;
        fl_cancel_set(&x->cancel);
    } else if (execution_policy_suspended(x->p, x->spec->policy)) {
        x->suspended = true;
        fl_cancel_set(&x->cancel);
    }
    int64_t mono = fl_clock_mono_ms(x->p->ctx.clock);
    if (mono - x->published_ms < EXECUTION_PUBLISH_MS) {
        return;
    }
    x->published_ms = mono;
    struct fl_err ignored =
        FL_ERR_INIT; /* progress is told again by the next tick and by the end of the pass */
    execution_count(x);
    (void)fl_pass_publish(x->p, &ignored);
}

/* ---- the verdict --------------------------------------------------------------------------------------------- */

static struct fl_result execution_finish(struct fl_pass *p, enum fl_phase phase)
{
    struct fl_replication_execution_status *st = p->status;
    st->phase = phase;
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
                          (long long)(st->succeeded + st->skipped), (long long)st->total);
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

static struct fl_result execution_settle(struct execution_run *x, int r, const struct fl_err *err)
{
    struct fl_pass *p = x->p;
    struct fl_replication_execution_status *st = p->status;
    execution_count(x);
    execution_list_failures(x);
    if (x->stop) {
        return execution_finish(p, FL_PHASE_STOPPED);
    }
    if (x->suspended) {
        fl_pass_not_ready(p, "Suspended",
                          "policy '%s' is suspended; the run goes on when it is not",
                          x->spec->policy);
        return fl_wait_event();
    }
    if (r < 0) {
        return fl_failed(err);
    }
    const struct fl_err *again = execution_first_failure(&x->copy, true);
    if (again && st->attempts < EXECUTION_ATTEMPTS_MAX) {
        return fl_failed(again);
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

/* True: the policy that wanted this run is gone, and so is the run: nobody else collects it on the embedded API. */
static bool execution_orphaned(struct fl_pass *p, const struct fl_replication_execution_spec *spec,
                               struct fl_result *res)
{
    struct fl_err err = FL_ERR_INIT;
    if (fl_pass_get(p, &fl_kind_replication_policy, spec->policy, NULL, NULL, NULL, &err) == 0) {
        return false;
    }
    if (fl_pass_get_live(p, &fl_kind_replication_policy, spec->policy, NULL, NULL, &err) !=
        FL_E_NOT_FOUND) {
        return false;
    }
    *res = fl_pass_delete(p, p->obj, &err) < 0 ? fl_failed(&err) : fl_wait_event();
    return true;
}

static struct fl_result execution_reconcile(void *self, struct fl_pass *p)
{
    const struct fl_replication_execution_spec *spec = p->spec;
    struct fl_replication_execution_status *st = p->status;
    struct fl_result res;
    if (execution_orphaned(p, spec, &res)) {
        return res;
    }
    if (st->phase == FL_PHASE_SUCCEEDED || st->phase == FL_PHASE_FAILED ||
        st->phase == FL_PHASE_STOPPED) {
        return fl_wait_event();
    }
    if (spec->stop) {
        st->total = (int64_t)spec->items.n;
        return execution_finish(p, FL_PHASE_STOPPED);
    }
    if (execution_policy_suspended(p, spec->policy)) {
        fl_pass_not_ready(p, "Suspended",
                          "policy '%s' is suspended; the run goes on when it is not", spec->policy);
        return fl_wait_event();
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
