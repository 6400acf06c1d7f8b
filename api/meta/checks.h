/* SPDX-License-Identifier: Apache-2.0
 * Checks of rows that several kinds share: Kubernetes' name rules as fl_check_fn. */
#ifndef FL_API_META_CHECKS_H
#define FL_API_META_CHECKS_H

#include "api/meta/field.h"

bool fl_check_dns_subdomain(struct fl_str s, struct fl_err *why); /* names of most objects */
bool fl_check_dns_label(struct fl_str s, struct fl_err *why);
bool fl_check_qualified(struct fl_str s,
                        struct fl_err *why); /* keys of labels and annotations, finalizers */
bool fl_check_label_value(struct fl_str s, struct fl_err *why);
bool fl_check_config_key(struct fl_str s,
                         struct fl_err *why); /* keys of Secret and ConfigMap data */

#define FL_DNS_SUBDOMAIN_PATTERN                                                                   \
    "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"

#endif
