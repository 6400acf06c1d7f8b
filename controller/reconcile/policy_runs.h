/* SPDX-License-Identifier: Apache-2.0
 * The executions of a policy: which there are, which stays in the history, starting the next one, and how long a failed one
 * holds it up. For policy.c. One thread. */
#ifndef FL_RECONCILE_POLICY_RUNS_H
#define FL_RECONCILE_POLICY_RUNS_H

#include "api/v1alpha1/replication_execution.h"
#include "api/v1alpha1/replication_policy.h"
#include "engine/pass.h"

struct fl_policy_run { /* lives as long as the pass */
    struct fl_obj *obj;
    const struct fl_replication_execution_status *status;
    int64_t number; /* ends its name; 0: somebody else named it */
};

struct fl_policy_runs {
    struct fl_policy_run *v; /* by number, oldest first */
    size_t n;
    const struct fl_policy_run
        *newest; /* one that is not final before all others; NULL: there is none */
};

struct fl_policy_runs fl_policy_runs_list(struct fl_pass *p);
bool fl_policy_run_final(const struct fl_policy_run *r);
/* Deletes final ones beyond spec.historyLimit, oldest first; the newest stays while it tells of a failure. */
void fl_policy_runs_prune(struct fl_pass *p, const struct fl_policy_runs *runs);
/* After a run that did not succeed the next one waits for the clock, a request, a change, or a Registry that has recovered: a
 * failure is not repeated in a tight loop. Milliseconds to wait, FL_NEVER; 0 = go on. */
int64_t fl_policy_runs_wait(struct fl_pass *p, const struct fl_policy_run *newest);
/* Creates the next execution and notes it in the status. Its name carries the number of the run, so that a crash between the
 * create and the status finds it again instead of making a second one. EXISTS: there is one that is not in the cache yet. */
int fl_policy_runs_start(struct fl_pass *p, struct fl_replication_execution_spec *run,
                         struct fl_err *err);

#endif
