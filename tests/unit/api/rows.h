/* SPDX-License-Identifier: Apache-2.0
 * What the tests of api share: violations compared as text, strings against a row's check. */
#ifndef FL_TESTS_UNIT_API_ROWS_H
#define FL_TESTS_UNIT_API_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/scheme.h"
#include "base/arena.h"
#include "base/buf.h"

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

/* Runs the check of a kind on a decoded spec. */
static inline void row_kind_check(const char *row, const struct fl_kind *k, const void *spec,
                                  const char *want)
{
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_violations vs = {.arena = a};
    k->check(spec, NULL, &vs);
    row_violations(row, &vs, want);
}

/* The row at a path such as "destination.namespace" below rows. */
static inline const struct fl_field *row_at(const struct fl_field *rows, const char *path)
{
    struct fl_str rest = fl_str_of(path), name;
    const struct fl_field *found = NULL;
    bool more = true;
    while (more) {
        more = fl_str_cut(&rest, '.', &name);
        found = NULL;
        for (const struct fl_field *f = rows; f && f->type != FL_END; f++) {
            if (fl_str_is(name, f->name)) {
                found = f;
            }
        }
        rows = found ? found->rows : NULL;
    }
    if (!found) {
        fail_msg("no row at '%s'", path);
    }
    return found;
}

/* want: NULL = accepted, else the start of what is said. */
static inline void row_check(const char *row, const struct fl_field *f, struct fl_str value,
                             const char *want)
{
    struct fl_err why = FL_ERR_INIT;
    bool ok = f->check(value, &why);
    if (ok != (want == NULL) || (want && !fl_text_starts(why.msg, want))) {
        fail_msg("row '%s': got '%s', want '%s'", row, ok ? "(accepted)" : why.msg,
                 want ? want : "(accepted)");
    }
}

#endif
