/* SPDX-License-Identifier: Apache-2.0
 * ReplicationPolicy (rp): which images must be where. Reference page: replication_policy.md beside this file. */
#ifndef FL_API_V1ALPHA1_REPLICATION_POLICY_H
#define FL_API_V1ALPHA1_REPLICATION_POLICY_H

#include "api/meta/condition.h"

struct fl_filter { /* of spec.repositories and spec.tags: {include: [glob], exclude: [glob]} */
    struct fl_list include; /* const char *, doublestar globs; empty = all */
    struct fl_list exclude; /* const char *; wins over include */
};

struct fl_policy_destination {       /* spec.destination */
    const char *registry;            /* required: name of a Registry in the same namespace */
    const char *namespace_;          /* YAML `namespace`; NULL = same names */
    int64_t namespace_replace_count; /* -1 (default) flatten all; see registry.md 14.4 */
};

struct fl_policy_source { /* spec.source */
    const char *registry; /* required */
};

struct fl_replication_policy_spec {
    struct fl_common common; /* interval default 5m, timeout default 30s */
    struct fl_policy_source *source;
    struct fl_policy_destination *destination;
    struct fl_filter *repositories; /* required, include required: literal names need no catalog */
    struct fl_filter *tags;         /* NULL = all tags */
    bool override; /* default true: a tag at the destination with another digest is replaced */
    int64_t concurrency;   /* images copied at a time, default 4, 1..32 */
    int64_t history_limit; /* finished executions kept, default 5, 0..100 */
};

struct fl_plan_item {
    const char *action; /* Copy, Overwrite, Keep (exists, no override), Unsupported */
    const char *source; /* repo:tag */
    const char *destination;
    const char *digest;
};

struct fl_replication_policy_status {
    struct fl_status_common common;
    const char *in_sync_since; /* absent while something is missing at the destination */
    int64_t repositories;      /* seen at the source and admitted */
    int64_t tags;
    int64_t up_to_date;
    int64_t backlog;    /* tags still to copy */
    int64_t kept;       /* differ, and override is false */
    int64_t run_number; /* of the newest execution; names it */
    const char *last_execution;
    const char *last_execution_phase;
    /* struct fl_plan_item, at most 200; mode Plan (and what is pending under Observe) */
    struct fl_list plan;
};

#endif
