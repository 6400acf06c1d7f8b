/* SPDX-License-Identifier: Apache-2.0
 * Kubernetes' name rules (apimachinery util/validation) and label selectors. */
#ifndef FL_BASE_NAMES_H
#define FL_BASE_NAMES_H

#include "base/buf.h"
#include "base/str.h"

/* Each: NULL if valid, else the sentence kubectl users know. */
const char *fl_name_dns_subdomain(struct fl_str s); /* RFC 1123, <= 253 */
const char *fl_name_dns_label(struct fl_str s);     /* RFC 1123, <= 63 */
const char *
fl_name_qualified(struct fl_str s); /* [prefix/]name, label and annotation keys, finalizers */
const char *fl_name_label_value(struct fl_str s);
const char *fl_name_config_key(struct fl_str s); /* [-._a-zA-Z0-9]+, <= 253 */

#endif
