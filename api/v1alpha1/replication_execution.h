/* SPDX-License-Identifier: Apache-2.0
 * ReplicationExecution (rx): one run of a ReplicationPolicy, the durable list of its work. Made by Fairlead; people read
 * it, and may set spec.stop. Reference page: replication_execution.md beside this file. */
#ifndef FL_API_V1ALPHA1_REPLICATION_EXECUTION_H
#define FL_API_V1ALPHA1_REPLICATION_EXECUTION_H

#include "api/meta/condition.h"

#define FL_EXECUTION_ITEMS_MAX 5000   /* a larger backlog is worked off by several executions */
#define FL_EXECUTION_FAILURES_MAX 200 /* kept in the status */

struct fl_execution_item {
    const char *source;      /* repository at the source */
    const char *destination; /* repository at the destination */
    const char *tag;
    const char *digest; /* what the tag pointed at when the run was planned */
};

enum fl_trigger { FL_TRIGGER_INTERVAL, FL_TRIGGER_REQUEST, FL_TRIGGER_CHANGE };
extern const char *const fl_trigger_names[]; /* "Interval", "Request", "Change" */

struct fl_replication_execution_spec {
    const char *policy; /* immutable, like all but stop */
    const char *source; /* names of Registries */
    const char *destination;
    int trigger;
    bool override;
    int64_t concurrency;
    int64_t timeout_ms;
    struct fl_list items; /* struct fl_execution_item, 1..FL_EXECUTION_ITEMS_MAX */
    bool
        stop; /* true ends the run as Stopped: transfers in flight are cut, nothing is tagged by halves */
};

enum fl_phase {
    FL_PHASE_PENDING,
    FL_PHASE_RUNNING,
    FL_PHASE_SUCCEEDED,
    FL_PHASE_FAILED,
    FL_PHASE_STOPPED
};
extern const char
    *const fl_phase_names[]; /* "Pending", "Running", "Succeeded", "Failed", "Stopped" */

struct fl_execution_failure {
    const char *source; /* repo:tag */
    const char *destination;
    const char *reason;
    const char *message;
    int64_t attempts;
};

struct fl_replication_execution_status {
    struct fl_status_common common;
    int phase; /* enum fl_phase */
    const char *start_time;
    const char *completion_time;
    int64_t total;
    int64_t succeeded;
    int64_t failed;
    int64_t skipped;      /* were already there, or kept because override is false */
    int64_t bytes_copied; /* blob bytes sent to the destination */
    int64_t blobs_copied;
    int64_t blobs_mounted;
    int64_t blobs_skipped; /* the destination had them */
    int64_t attempts;
    int64_t failed_attempts; /* of these; a restart is none */
    struct fl_list failures; /* struct fl_execution_failure, newest state of each failed item */
};

#endif
