/* SPDX-License-Identifier: Apache-2.0
 * Private to scan*.c, json.c and yaml.c: the inside of JSON strings, and where values end. */
#ifndef FL_WIRE_SCAN_TEXT_H
#define FL_WIRE_SCAN_TEXT_H

#include "base/buf.h"
#include "base/str.h"

/* Offset of the closing quote of the string whose content starts at `at`; text.n when there is none. */
size_t fl_scan_string_end_(struct fl_str text, size_t at);
/* Offset behind the value that starts at `at`; `at` itself when none does. */
size_t fl_scan_value_end_(struct fl_str text, size_t at);
/* Decodes the character or escape at the start of *raw (n > 0) and moves past it; returns the bytes written, 1 to 4.
 * A lone surrogate or a broken escape, which fl_json_check would have refused, becomes U+FFFD. */
size_t fl_scan_unescape_(struct fl_str *raw, char ret[4]);
/* Whether two raw contents mean the same text. */
bool fl_scan_same_(struct fl_str raw_a, struct fl_str raw_b);
/* Appends the decoded content. */
void fl_scan_decode_(struct fl_str raw, struct fl_buf *b);

static inline bool fl_scan_has_escape_(struct fl_str raw)
{
    return raw.n > 0 && memchr(raw.p, '\\', raw.n) != NULL;
}

static inline bool fl_scan_is_space_(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

#endif
