/* SPDX-License-Identifier: Apache-2.0
 * Conditions (metav1.Condition), the four common spec fields and the common status fields, each once for every kind. */
#ifndef FL_API_META_CONDITION_H
#define FL_API_META_CONDITION_H

#include "api/meta/field.h"

struct fl_condition {
    const char *type;   /* Ready, Reconciling, Stalled, then kind-specific ones */
    const char *status; /* True, False, Unknown */
    int64_t observed_generation;
    const char *last_transition_time;
    const char *reason;
    const char *message;
};
extern const struct fl_field fl_condition_rows[];

/* Common to every spec that talks to a remote; the first member of each such spec struct is `struct fl_common common`. */
enum fl_mode { FL_MODE_OBSERVE, FL_MODE_PLAN, FL_MODE_APPLY };
extern const char *const fl_mode_names[]; /* "Observe", "Plan", "Apply" */
struct fl_common {
    int64_t interval_ms; /* 0 = never by the clock; -1 = absent, where a kind gives no default */
    int64_t timeout_ms;
    bool suspend;
    int mode; /* enum fl_mode */
};
/* Rows `interval`, `timeout`, `suspend`, `mode` at offsetof(T, common); the defaults are JSON texts ("\"5m\""). NULL: absent is
 * -1, and interval_doc or timeout_doc says what that means. */
#define FL_COMMON_ROWS(T, interval_default, timeout_default)                                       \
    FL_COMMON_ROWS_SAID(T, interval_default, FL_INTERVAL_DOC, timeout_default,                     \
                        "How long one call to the remote may take before it is given up (1s to "   \
                        "24h).")
#define FL_INTERVAL_DOC                                                                            \
    "How often it is brought up to date by the clock, as a Go duration (5m, 1h30m). \"0\", in "    \
    "quotes, = never by the clock: only by change, event or request."
#define FL_COMMON_ROWS_SAID(T, interval_default, interval_doc, timeout_default, timeout_doc)       \
    {.name = "interval",                                                                           \
     .type = FL_DURATION,                                                                          \
     .at = offsetof(T, common.interval_ms),                                                        \
     .def = (interval_default),                                                                    \
     .doc = interval_doc},                                                                         \
        {.name = "timeout",                                                                        \
         .type = FL_DURATION,                                                                      \
         .at = offsetof(T, common.timeout_ms),                                                     \
         .def = (timeout_default),                                                                 \
         .min = 1000,                                                                              \
         .max = 86400000,                                                                          \
         .doc = timeout_doc},                                                                      \
        {.name = "suspend",                                                                        \
         .type = FL_BOOL,                                                                          \
         .at = offsetof(T, common.suspend),                                                        \
         .def = "false",                                                                           \
         .doc = "true = leave the remote alone: no observing, no acting. Deletion is still "       \
                "handled."},                                                                       \
    {                                                                                              \
        .name = "mode", .type = FL_ENUM, .at = offsetof(T, common.mode), .names = fl_mode_names,   \
        .def = "\"Apply\"",                                                                        \
        .doc =                                                                                     \
            "Observe: read only. Plan: put what would be done into status.plan and do nothing. "   \
            "Apply: do it."                                                                        \
    }

/* Common to every status; the first member of each status struct is `struct fl_status_common common`. */
struct fl_status_common {
    int64_t observed_generation;
    struct fl_list conditions; /* struct fl_condition */
    const char *last_handled_request;
    const char *last_run_time;
};
#define FL_STATUS_COMMON_ROWS(T)                                                                   \
    {.name = "observedGeneration",                                                                 \
     .type = FL_INT,                                                                               \
     .at = offsetof(T, common.observed_generation),                                                \
     .doc = "The metadata.generation that this status speaks of."},                                \
        {.name = "conditions",                                                                     \
         .type = FL_LIST,                                                                          \
         .at = offsetof(T, common.conditions),                                                     \
         .item = FL_OBJECT,                                                                        \
         .rows = fl_condition_rows,                                                                \
         .size = sizeof(struct fl_condition),                                                      \
         .flags = FL_LIST_MAP,                                                                     \
         .key = "type",                                                                            \
         .max = 32,                                                                                \
         .doc = "Ready always; Reconciling and Stalled only while true; then what is special to "  \
                "the kind."},                                                                      \
        {.name = "lastHandledRequest",                                                             \
         .type = FL_STRING,                                                                        \
         .at = offsetof(T, common.last_handled_request),                                           \
         .doc = "The value of the annotation fairlead.dev/requested-at that was last acted on."},  \
    {                                                                                              \
        .name = "lastRunTime", .type = FL_TIME, .at = offsetof(T, common.last_run_time),           \
        .doc =                                                                                     \
            "When the last pass that had something to do ended. A pass over an unchanged world "   \
            "does not move it."                                                                    \
    }

#define FL_ANNOTATION_REQUESTED "fairlead.dev/requested-at"
#define FL_ANNOTATION_APPROVE "fairlead.dev/approve"
#define FL_FINALIZER "fairlead.dev/finalizer"

/* LocalObjectReference: {name}. */
struct fl_local_ref {
    const char *name;
};
extern const struct fl_field fl_local_ref_rows[];

#endif
