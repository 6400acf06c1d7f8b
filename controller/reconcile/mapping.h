/* SPDX-License-Identifier: Apache-2.0
 * Names of a policy: filters by glob, destination by namespace and replace count (registry.md 14.3, 14.4), its runs. Pure. */
#ifndef FL_RECONCILE_MAPPING_H
#define FL_RECONCILE_MAPPING_H

#include "api/v1alpha1/replication_policy.h"

bool fl_filter_admits(const struct fl_filter *f, struct fl_str name); /* NULL admits all */
/* True when all includes are literal: no listing is needed. */
bool fl_filter_literal(const struct fl_filter *f);
/* The destination repository. INVALID: "NamespaceReplaceCount" when there is not so much to replace; "MappingImpossible" when what
 * comes out is no name of a repository. */
int fl_map_repository(const struct fl_policy_destination *d, const char *source, struct fl_arena *a,
                      const char **ret, struct fl_err *err);
/* What the names of a policy's runs begin with; "-<number>" follows. The policy's own name, or where that leaves no room its beginning
 * and a hash of the whole: always the same, a name with any number (int64), another for another policy. */
const char *fl_map_run_stem(struct fl_str policy, struct fl_arena *a);

#endif
