/* SPDX-License-Identifier: Apache-2.0
 * What the tests of the codec share: trees from text, trees and violations compared as text. */
#ifndef FL_TESTS_UNIT_WIRE_CODEC_HELP_H
#define FL_TESTS_UNIT_WIRE_CODEC_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "wire/codec.h"
#include "wire/json.h"

static inline struct fl_json *tree(const char *text)
{
    struct fl_json *j = NULL;
    struct fl_err err = FL_ERR_INIT;
    if (fl_json_parse(fl_str_of(text), 1 << 24, &j, &err) != 0) {
        fail_msg("%s: %s", err.msg, text);
    }
    return j;
}

static inline void row_tree(const char *row, const struct fl_json *got, const char *want)
{
    fl_auto(fl_json) j = tree(want);
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    if (!got || !fl_json_equal(got, j)) {
        if (got) {
            fl_json_write(got, &b);
        }
        fail_msg("row '%s': got %s, want %s", row, b.data, want);
    }
}

/* One line each: "field: text\n". */
static inline void row_violations(const char *row, const struct fl_violations *vs, const char *want)
{
    fl_auto_val(fl_buf) got = FL_BUF_INIT(FL_BUF_ANY);
    for (size_t i = 0; i < vs->n; i++) {
        fl_buf_fmt(&got, "%s: %s\n", vs->v[i].field, vs->v[i].text);
    }
    if (strcmp(got.data, want) != 0) {
        fail_msg("row '%s': got\n%swant\n%s", row, got.data, want);
    }
}

#endif
