/* SPDX-License-Identifier: Apache-2.0 */
#include "api/v1alpha1/checks.h"

#include "base/buf.h"
#include "base/num.h"

void fl_violate_text(struct fl_violations *vs, const char *field, const char *value,
                     const char *why)
{
    fl_auto_val(fl_buf) json = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_json_str(&json, fl_str_of(value));
    fl_violate(vs, FL_CAUSE_INVALID, field, json.data, "%s", why);
}

void fl_check_common(const struct fl_common *c, struct fl_violations *vs)
{
    if (c->interval_ms > 0 && c->interval_ms < FL_INTERVAL_MIN_MS) {
        fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
        fl_duration_fmt(&text, c->interval_ms);
        fl_violate_text(vs, "spec.interval", text.data,
                        "must be 0 (never by the clock) or at least 1s");
    }
}
