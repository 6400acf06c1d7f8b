/* SPDX-License-Identifier: Apache-2.0 */
#include "api/meta/condition.h"

#include "api/meta/checks.h"

#define AT(m) .at = offsetof(struct fl_condition, m)

const char *const fl_mode_names[] = {"Observe", "Plan", "Apply", NULL};

static bool status_check(struct fl_str s, struct fl_err *why)
{
    if (fl_str_is(s, "True") || fl_str_is(s, "False") || fl_str_is(s, "Unknown")) {
        return true;
    }
    (void)fl_fail(why, FL_E_INVALID, "Invalid", "must be True, False or Unknown");
    return false;
}

const struct fl_field fl_condition_rows[] = {
    {.name = "type",
     .type = FL_STRING,
     AT(type),
     .flags = FL_REQUIRED,
     .min = 1,
     .max = 316,
     .doc = "What it speaks of, in CamelCase: Ready, Reconciling, Stalled, or one special to the "
            "kind."},
    {.name = "status",
     .type = FL_STRING,
     AT(status),
     .flags = FL_REQUIRED,
     .check = status_check,
     .pattern = "^(True|False|Unknown)$",
     .doc = "Whether it holds: True, False or Unknown."},
    {.name = "observedGeneration",
     .type = FL_INT,
     AT(observed_generation),
     .doc = "The metadata.generation that was looked at. Older than metadata.generation: not about "
            "the newest spec yet."},
    {.name = "lastTransitionTime",
     .type = FL_TIME,
     AT(last_transition_time),
     .flags = FL_REQUIRED,
     .doc = "When the status last changed (RFC 3339, UTC); a new message alone does not move it."},
    {.name = "reason",
     .type = FL_STRING,
     AT(reason),
     .flags = FL_REQUIRED,
     .min = 1,
     .max = 1024,
     .doc = "Why, in one CamelCase word; a closed list per kind, fit for scripts."},
    {.name = "message",
     .type = FL_STRING,
     AT(message),
     .max = 32768,
     .doc = "What is the case and what to do next, for people."},
    {.type = FL_END},
};

const struct fl_field fl_local_ref_rows[] = {
    {.name = "name",
     .type = FL_STRING,
     .at = offsetof(struct fl_local_ref, name),
     .flags = FL_REQUIRED,
     .min = 1,
     .max = 253,
     .check = fl_check_dns_subdomain,
     .pattern = FL_DNS_SUBDOMAIN_PATTERN,
     .doc = "Name of the object, in the same namespace."},
    {.type = FL_END},
};
