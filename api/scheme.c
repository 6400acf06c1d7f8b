/* SPDX-License-Identifier: Apache-2.0 */
#include "api/scheme.h"

const struct fl_kind *const fl_scheme[] = {
    &fl_kind_config_map,
    &fl_kind_event,
    &fl_kind_namespace,
    &fl_kind_secret,
    &fl_kind_service_account,
    &fl_kind_self_subject_review,
    &fl_kind_self_subject_access_review,
    &fl_kind_self_subject_rules_review,
    &fl_kind_lease,
    &fl_kind_event_v1,
    &fl_kind_git_mirror,
    &fl_kind_registry,
    &fl_kind_replication_execution,
    &fl_kind_replication_policy,
    NULL,
};

const struct fl_kind *fl_scheme_by_kind(struct fl_str group, struct fl_str version,
                                        struct fl_str kind)
{
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        if (fl_str_is(group, (*k)->group) && fl_str_is(version, (*k)->version) &&
            fl_str_is(kind, (*k)->kind)) {
            return *k;
        }
    }
    return NULL;
}

const struct fl_kind *fl_scheme_by_plural(struct fl_str group, struct fl_str version,
                                          struct fl_str plural)
{
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        if (fl_str_is(group, (*k)->group) && fl_str_is(version, (*k)->version) &&
            fl_str_is(plural, (*k)->plural)) {
            return *k;
        }
    }
    return NULL;
}
