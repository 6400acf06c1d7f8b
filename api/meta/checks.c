/* SPDX-License-Identifier: Apache-2.0 */
#include "api/meta/checks.h"

#include "base/names.h"

static bool tell(const char *wrong, struct fl_err *why)
{
    if (wrong) {
        (void)fl_fail(why, FL_E_INVALID, "Invalid", "%s", wrong);
    }
    return !wrong;
}

bool fl_check_dns_subdomain(struct fl_str s, struct fl_err *why)
{
    return tell(fl_name_dns_subdomain(s), why);
}

bool fl_check_dns_label(struct fl_str s, struct fl_err *why)
{
    return tell(fl_name_dns_label(s), why);
}

bool fl_check_qualified(struct fl_str s, struct fl_err *why)
{
    return tell(fl_name_qualified(s), why);
}

bool fl_check_label_value(struct fl_str s, struct fl_err *why)
{
    return tell(fl_name_label_value(s), why);
}

bool fl_check_config_key(struct fl_str s, struct fl_err *why)
{
    return tell(fl_name_config_key(s), why);
}
