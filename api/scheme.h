/* SPDX-License-Identifier: Apache-2.0
 * The one list of kinds: ours (fairlead.dev) and the core kinds that the embedded API serves. */
#ifndef FL_API_SCHEME_H
#define FL_API_SCHEME_H

#include "api/meta/kind.h"

#define FL_GROUP "fairlead.dev"
#define FL_VERSION_V1ALPHA1 "v1alpha1"

extern const struct fl_kind *const fl_scheme[]; /* NULL-ended, sorted by group, then plural */

const struct fl_kind *fl_scheme_by_kind(struct fl_str group, struct fl_str version,
                                        struct fl_str kind);
const struct fl_kind *fl_scheme_by_plural(struct fl_str group, struct fl_str version,
                                          struct fl_str plural);

/* The kinds by name. */
extern const struct fl_kind fl_kind_git_mirror, fl_kind_registry, fl_kind_replication_policy,
    fl_kind_replication_execution;
extern const struct fl_kind fl_kind_secret, fl_kind_config_map, fl_kind_namespace,
    fl_kind_service_account, fl_kind_event,
    fl_kind_event_v1 /* events.k8s.io view of the same objects */, fl_kind_lease;
extern const struct fl_kind fl_kind_self_subject_review, fl_kind_self_subject_access_review,
    fl_kind_self_subject_rules_review;
/* DeleteOptions has rows for protobuf bodies, but is no resource. */
extern const struct fl_field fl_delete_options_rows[];

#endif
