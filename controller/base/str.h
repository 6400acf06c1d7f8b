/* SPDX-License-Identifier: Apache-2.0
 * Borrowed slices of text. Not terminated; p may be NULL only when n is 0. */
#ifndef FL_BASE_STR_H
#define FL_BASE_STR_H

#include <stdbool.h>

#include "base/cc.h"

struct fl_str {
    const char *p;
    size_t n;
};

#define FL_STR(lit)                                                                                \
    (struct fl_str)                                                                                \
    {                                                                                              \
        "" lit, sizeof(lit) - 1                                                                    \
    }
#define FL_STR_ARG(s) (int)(s).n, (s).p ? (s).p : "" /* for "%.*s" */

struct fl_str fl_str_of(const char *s); /* NULL gives an empty slice */
bool fl_str_eq(struct fl_str a, struct fl_str b);
bool fl_str_is(struct fl_str a, const char *b);
bool fl_str_case_is(struct fl_str a, const char *b); /* ASCII */
bool fl_str_starts(struct fl_str s, const char *prefix);
bool fl_str_ends(struct fl_str s, const char *suffix);
int fl_str_cmp(struct fl_str a, struct fl_str b); /* bytes, then length */
struct fl_str fl_str_trim(struct fl_str s);       /* spaces and tabs at both ends */
/* Cuts s at the first `sep`: *head gets what stands before, s what stands after. Returns false, with *head = all
 * and s empty, when sep is not there. */
bool fl_str_cut(struct fl_str *s, char sep, struct fl_str *head);
bool fl_text_eq(const char *a, const char *b); /* NULL equals only NULL */
bool fl_text_starts(const char *s, const char *prefix);
bool fl_utf8_valid(struct fl_str s);
/* Bytes of the UTF-8 character at the start of s; 0 when s is empty or starts with something else. */
size_t fl_utf8_step(struct fl_str s);
/* No control characters (< 0x20, 0x7f); what may stand in a header value or a log line. */
bool fl_str_printable(struct fl_str s);

#endif
