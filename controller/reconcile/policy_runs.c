/* SPDX-License-Identifier: Apache-2.0 */
#include "reconcile/policy_runs.h"

#include "api/scheme.h"
#include "api/v1alpha1/registry.h"
#include "base/num.h"
#include "reconcile/mapping.h"

#define RUNS_NAMES_MAX 100 /* numbers that may be taken by what is not ours */

bool fl_policy_run_final(const struct fl_policy_run *r)
{
    int phase = r->status->phase;
    return phase == FL_PHASE_SUCCEEDED || phase == FL_PHASE_FAILED || phase == FL_PHASE_STOPPED;
}

static int64_t runs_number(const struct fl_pass *p, struct fl_str name)
{
    struct fl_str prefix = fl_str_of(fl_map_run_stem(p->obj->name, p->arena));
    int64_t n = 0;
    if (name.n <= prefix.n + 1 || memcmp(name.p, prefix.p, prefix.n) != 0 ||
        name.p[prefix.n] != '-') {
        return 0;
    }
    return fl_num_i64((struct fl_str){name.p + prefix.n + 1, name.n - prefix.n - 1}, &n) ? n : 0;
}

/* Not by age: several may be of one second. */
static int runs_by_number(const void *a, const void *b)
{
    const struct fl_policy_run *x = a;
    const struct fl_policy_run *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

struct fl_policy_runs fl_policy_runs_list(struct fl_pass *p)
{
    struct fl_obj **owned = NULL;
    struct fl_policy_runs runs = {.n = fl_pass_owned(p, &fl_kind_replication_execution, &owned)};
    runs.v = fl_arena_array(p->arena, runs.n ? runs.n : 1, sizeof(*runs.v));
    for (size_t i = 0; i < runs.n; i++) {
        const void *status = NULL;
        fl_pass_decode(p, owned[i], NULL, &status);
        runs.v[i] = (struct fl_policy_run){owned[i], status, runs_number(p, owned[i]->name)};
    }
    if (runs.n > 1) {
        qsort(runs.v, runs.n, sizeof(*runs.v), runs_by_number);
    }
    for (size_t i = 0; i < runs.n; i++) {
        if (!runs.newest || fl_policy_run_final(runs.newest) || !fl_policy_run_final(&runs.v[i])) {
            runs.newest = &runs.v[i];
        }
    }
    return runs;
}

void fl_policy_runs_prune(struct fl_pass *p, const struct fl_policy_runs *runs)
{
    const struct fl_replication_policy_spec *spec = p->spec;
    size_t finished = 0;
    for (size_t i = 0; i < runs->n; i++) {
        finished += fl_policy_run_final(&runs->v[i]) ? 1 : 0;
    }
    for (size_t i = 0; i < runs->n && finished > (size_t)spec->history_limit; i++) {
        const struct fl_policy_run *r = &runs->v[i];
        bool tells = r == runs->newest && r->status->phase != FL_PHASE_SUCCEEDED;
        struct fl_err err = FL_ERR_INIT;
        if (fl_policy_run_final(r) && !tells && fl_pass_delete(p, r->obj, &err) == 0) {
            finished--;
        }
    }
}

/* ---- after a failure --------------------------------------------------------------------------------------- */

static bool runs_recovered(struct fl_pass *p, const char *registry, int64_t since_ms)
{
    const void *any = NULL;
    struct fl_err err = FL_ERR_INIT;
    int64_t probed = 0;
    if (fl_pass_get(p, &fl_kind_registry, registry, NULL, &any, NULL, &err) < 0) {
        return false;
    }
    const struct fl_registry_status *st = any;
    return fl_pass_is_ready(&st->common.conditions) && st->last_probe_time &&
           fl_time_parse(fl_str_of(st->last_probe_time), &probed) && probed > since_ms;
}

/* A comparison was begun after the run, and did not come to its end: whoever asked for it waits still. */
static bool runs_comparing(const struct fl_pass *p)
{
    const struct fl_condition *c = fl_pass_find_condition(p, "Reconciling");
    return fl_pass_find_condition(p, "Stalled") ||
           (c && fl_text_eq(c->reason, "ProgressingWithRetry"));
}

static bool runs_done(const struct fl_policy_run *r, int64_t *ret_ms)
{
    return r->status->completion_time &&
           fl_time_parse(fl_str_of(r->status->completion_time), ret_ms);
}

static int64_t runs_clock_wait(const struct fl_pass *p, int64_t done_ms)
{
    if (p->common->interval_ms == 0) {
        return FL_NEVER;
    }
    int64_t left = done_ms + p->common->interval_ms - fl_clock_wall_ms(p->ctx.clock);
    /* A clock that was set back does not stretch the wait beyond one interval. */
    return left > p->common->interval_ms ? p->common->interval_ms : left > 0 ? left : 0;
}

int64_t fl_policy_runs_wait(struct fl_pass *p, const struct fl_policy_run *newest)
{
    const struct fl_replication_policy_spec *spec = p->spec;
    int64_t done = 0;
    if (!newest || newest->status->phase == FL_PHASE_SUCCEEDED || p->requested || p->changed ||
        !runs_done(newest, &done)) {
        return 0;
    }
    if (runs_comparing(p) || runs_recovered(p, spec->source->registry, done) ||
        runs_recovered(p, spec->destination->registry, done)) {
        return 0;
    }
    return runs_clock_wait(p, done);
}

/* ---- the next one -------------------------------------------------------------------------------------------- */

/* EXISTS: nothing of that name is in the cache. */
static int runs_is_mine(struct fl_pass *p, const char *name, bool *ret, struct fl_err *err)
{
    struct fl_obj *o = NULL;
    struct fl_str kind = {0};
    struct fl_str owner = {0};
    if (fl_pass_get(p, &fl_kind_replication_execution, name, NULL, NULL, &o, err) < 0) {
        return fl_fail(err, FL_E_EXISTS, "ExecutionNotSeen", "%s was made a moment ago", name);
    }
    *ret = fl_str_eq(fl_obj_owner_uid(o, &kind, &owner), p->obj->uid);
    return 0;
}

/* A name may be taken by a run of an earlier policy of this name, or by somebody's own: it is left alone. */
static int runs_create(struct fl_pass *p, const struct fl_replication_execution_spec *run,
                       int64_t *number, const char **ret_name, bool *ret_new, struct fl_err *err)
{
    /* 63: what a label's value may have */
    const char *const labels[] = {"fairlead.dev/policy", run->policy, NULL};
    const char *stem = fl_map_run_stem(p->obj->name, p->arena);
    const char *const *l = strlen(run->policy) <= 63 ? labels : NULL;
    for (int i = 0; i < RUNS_NAMES_MAX; i++) {
        const char *name = fl_arena_fmt(p->arena, "%s-%lld", stem, (long long)*number + 1);
        int r = fl_pass_create(p, &fl_kind_replication_execution, name, run, l, err);
        bool mine = false;
        *ret_new = r == 0;
        *ret_name = name;
        *number += 1;
        if (r == FL_E_EXISTS) {
            r = runs_is_mine(p, name, &mine, err);
        }
        if (r < 0 || *ret_new || mine) {
            return r;
        }
    }
    return fl_fail(err, FL_E_INVALID, "NameTaken",
                   "ReplicationExecutions %s-%lld and %d before it are not of this policy: delete "
                   "them, or give the policy another name",
                   stem, (long long)*number, RUNS_NAMES_MAX - 1);
}

/* The pass goes on because a registry does: it was waited for, the comparison before did not come to its end, or a run that did not
 * succeed is followed by the next one before the clock would start it. */
static bool runs_by_recovery(struct fl_pass *p)
{
    const struct fl_condition *ready = fl_pass_find_condition(p, "Ready");
    const struct fl_condition *retry = fl_pass_find_condition(p, "Reconciling");
    if (retry && fl_text_eq(retry->reason, "ProgressingWithRetry")) {
        return true;
    }
    if (!ready || fl_text_eq(ready->reason, "RegistryNotFound") ||
        fl_text_eq(ready->reason, "DependencyNotReady")) {
        return ready != NULL;
    }
    if (!fl_text_eq(ready->reason, "ReplicationFailed") &&
        !fl_text_eq(ready->reason, "ReplicationStopped")) {
        return false;
    }
    const struct fl_policy_runs runs = fl_policy_runs_list(p);
    int64_t done = 0;
    return runs.newest && runs_done(runs.newest, &done) && runs_clock_wait(p, done) > 0;
}

static int runs_trigger(struct fl_pass *p)
{
    if (p->requested) {
        return FL_TRIGGER_REQUEST;
    }
    return p->changed || runs_by_recovery(p) ? FL_TRIGGER_CHANGE : FL_TRIGGER_INTERVAL;
}

int fl_policy_runs_start(struct fl_pass *p, struct fl_replication_execution_spec *run,
                         struct fl_err *err)
{
    struct fl_replication_policy_status *st = p->status;
    int64_t number = st->run_number;
    const char *name = NULL;
    bool made = false;
    run->trigger = runs_trigger(p);
    int r = runs_create(p, run, &number, &name, &made, err);
    if (r < 0) {
        return r;
    }
    st->run_number = number;
    st->last_execution = name;
    st->last_execution_phase = fl_phase_names[FL_PHASE_PENDING];
    if (made) {
        fl_pass_event(p, "Normal", "ReplicationStarted", "%s copies %zu tags from %s to %s", name,
                      run->items.n, run->source, run->destination);
    }
    return 0;
}
