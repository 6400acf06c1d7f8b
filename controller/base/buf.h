/* SPDX-License-Identifier: Apache-2.0
 * Capped buffer. data is never NULL and always terminated; len excludes the terminator; len <= cap_max.
 * An append that would pass cap_max does nothing, and sticks: later appends do nothing too, until
 * fl_buf_finish reports TOO_BIG. One thread at a time. */
#ifndef FL_BASE_BUF_H
#define FL_BASE_BUF_H

#include <stdarg.h>

#include "base/err.h"
#include "base/str.h"

struct fl_buf {
    char *data; /* read freely, write only through functions */
    size_t len;
    size_t alloc; /* private */
    size_t cap_max;
    bool overflowed; /* private: ask fl_buf_finish */
};

extern char fl_buf_empty_[1];
#define FL_BUF_INIT(max)                                                                           \
    {                                                                                              \
        .data = fl_buf_empty_, .cap_max = (max)                                                    \
    }
#define FL_BUF_ANY ((size_t)1 << 40) /* for text whose size is ours, not the outside's */

void fl_buf_init(struct fl_buf *b, size_t cap_max);
void fl_buf_release(struct fl_buf *b); /* frees; the buffer is empty and usable again */
void fl_buf_clear(struct fl_buf *b);   /* len = 0, keeps memory, forgets overflow */
void fl_buf_add(struct fl_buf *b, const void *p, size_t n);
void fl_buf_str(struct fl_buf *b, struct fl_str s);
void fl_buf_text(struct fl_buf *b, const char *s); /* NULL adds nothing */
void fl_buf_char(struct fl_buf *b, char c);
void fl_buf_fmt(struct fl_buf *b, const char *fmt, ...) fl_printf_like(2, 3);
void fl_buf_vfmt(struct fl_buf *b, const char *fmt, va_list ap) fl_printf_like(2, 0);
void fl_buf_i64(struct fl_buf *b, int64_t v);
/* Appends s as a JSON string, quotes included; '/' is not escaped. Invalid UTF-8 becomes U+FFFD. */
void fl_buf_json_str(struct fl_buf *b, struct fl_str s);
/* Appends percent-encoded; unreserved characters of RFC 3986 and those in `keep` stay. */
void fl_buf_url(struct fl_buf *b, struct fl_str s, const char *keep);
void fl_buf_reserve(struct fl_buf *b, size_t more);
void fl_buf_truncate(struct fl_buf *b, size_t len);
struct fl_str fl_buf_slice(const struct fl_buf *b);
/* 0, or TOO_BIG "what: more than N bytes" when an append did not fit. */
int fl_buf_finish(const struct fl_buf *b, const char *what, struct fl_err *err) fl_must_check;
char *
fl_buf_take(struct fl_buf *b); /* the text becomes the caller's (fl_free); the buffer is empty */
FL_AUTO_VAL(fl_buf);

#endif
