/* SPDX-License-Identifier: Apache-2.0
 * Checks across fields that our kinds share. */
#ifndef FL_API_V1ALPHA1_CHECKS_H
#define FL_API_V1ALPHA1_CHECKS_H

#include "api/meta/condition.h"

#define FL_INTERVAL_MIN_MS 1000

/* spec.interval: 0, or not shorter than FL_INTERVAL_MIN_MS. */
void fl_check_common(const struct fl_common *c, struct fl_violations *vs);
/* As fl_violate with FL_CAUSE_INVALID, for a text value. */
void fl_violate_text(struct fl_violations *vs, const char *field, const char *value,
                     const char *why);

#endif
