/* SPDX-License-Identifier: Apache-2.0
 * Input: a pattern, a newline, a name. */
#include "base/glob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fl_str text = {(const char *)data, size};
    struct fl_str pattern;
    struct fl_err err = FL_ERR_INIT;
    (void)fl_str_cut(&text, '\n', &pattern);
    if (fl_glob_check(pattern, &err) != 0) {
        fl_assert(err.code == FL_E_INVALID && err.msg[0] != '\0');
        return 0;
    }
    bool matches = fl_glob_match(pattern, text);
    if (fl_glob_literal(pattern) && pattern.n > 0) {
        fl_assert(matches == fl_str_eq(pattern, text));
    }
    return 0;
}
