/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <inttypes.h>

#include "base/mem.h"

/* What empty buffers point at: shared by all threads, so it is read and never written. */
char fl_buf_empty_[1];

enum { BUF_FIRST = 64 };

void fl_buf_init(struct fl_buf *b, size_t cap_max)
{
    *b = (struct fl_buf)FL_BUF_INIT(cap_max);
}

void fl_buf_release(struct fl_buf *b)
{
    if (b->alloc > 0) {
        fl_free(b->data);
    }
    fl_buf_init(b, b->cap_max);
}

void fl_buf_clear(struct fl_buf *b)
{
    fl_buf_truncate(b, 0);
    b->overflowed = false;
}

static size_t buf_room(const struct fl_buf *b)
{
    return b->cap_max - b->len;
}

/* Makes place for `more` bytes and the terminator; the caller has checked buf_room. */
static void buf_grow(struct fl_buf *b, size_t more)
{
    size_t need = b->len + more + 1;
    if (need <= b->alloc) {
        return;
    }
    size_t alloc = b->alloc > 0 ? b->alloc : BUF_FIRST;
    while (alloc < need) {
        alloc = alloc > SIZE_MAX / 2 ? need : alloc * 2;
    }
    if (alloc - 1 > b->cap_max) {
        alloc = b->cap_max + 1;
    }
    char *data = fl_realloc(b->alloc > 0 ? b->data : NULL, alloc);
    data[b->len] = '\0';
    b->data = data;
    b->alloc = alloc;
}

/* True when n bytes may be appended; otherwise the failure sticks. */
static bool buf_admit(struct fl_buf *b, size_t n)
{
    if (b->overflowed) {
        return false;
    }
    if (n > buf_room(b)) {
        b->overflowed = true;
        return false;
    }
    buf_grow(b, n);
    return true;
}

/* An append made of pieces either stands whole or not at all. */
static void buf_undo_partial(struct fl_buf *b, size_t len)
{
    if (b->overflowed) {
        fl_buf_truncate(b, len);
    }
}

void fl_buf_add(struct fl_buf *b, const void *p, size_t n)
{
    if (n == 0 || !buf_admit(b, n)) {
        return;
    }
    memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void fl_buf_str(struct fl_buf *b, struct fl_str s)
{
    fl_buf_add(b, s.p, s.n);
}

void fl_buf_text(struct fl_buf *b, const char *s)
{
    if (s) {
        fl_buf_add(b, s, strlen(s));
    }
}

void fl_buf_char(struct fl_buf *b, char c)
{
    fl_buf_add(b, &c, 1);
}

void fl_buf_fmt(struct fl_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fl_buf_vfmt(b, fmt, ap);
    va_end(ap);
}

void fl_buf_vfmt(struct fl_buf *b, const char *fmt, va_list ap)
{
    char small[256];
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof(small), fmt, ap);
    fl_assert(n >= 0);
    if ((size_t)n < sizeof(small)) {
        fl_buf_add(b, small, (size_t)n);
    } else if (buf_admit(b, (size_t)n)) {
        (void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void fl_buf_i64(struct fl_buf *b, int64_t v)
{
    char digits[24];
    size_t at = sizeof(digits);
    uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (v < 0) {
        digits[--at] = '-';
    }
    fl_buf_add(b, digits + at, sizeof(digits) - at);
}

/* Bytes at the start of s that JSON takes as they are. */
static size_t json_plain_run(struct fl_str s)
{
    size_t i = 0;
    while (i < s.n) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == '"' || c == '\\') {
            break;
        }
        size_t n = c < 0x80 ? 1 : fl_utf8_step((struct fl_str){s.p + i, s.n - i});
        if (n == 0) {
            break;
        }
        i += n;
    }
    return i;
}

static void json_escape(struct fl_buf *b, unsigned char c)
{
    static const char names[] = "\b\f\n\r\t\"\\";
    static const char letters[] = "bfnrt\"\\";
    const char *at = c ? strchr(names, c) : NULL;
    if (c >= 0x80) {
        fl_buf_text(b, "\xef\xbf\xbd");
    } else if (at) {
        fl_buf_add(b, (const char[]){'\\', letters[at - names]}, 2);
    } else {
        fl_buf_fmt(b, "\\u%04x", c);
    }
}

void fl_buf_json_str(struct fl_buf *b, struct fl_str s)
{
    size_t start = b->len;
    fl_buf_char(b, '"');
    while (s.n > 0 && !b->overflowed) {
        size_t n = json_plain_run(s);
        fl_buf_add(b, s.p, n);
        if (n < s.n) {
            json_escape(b, (unsigned char)s.p[n]);
            n++;
        }
        s.p += n;
        s.n -= n;
    }
    fl_buf_char(b, '"');
    buf_undo_partial(b, start);
}

static bool url_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void fl_buf_url(struct fl_buf *b, struct fl_str s, const char *keep)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t start = b->len;
    for (size_t i = 0; i < s.n && !b->overflowed; i++) {
        char c = s.p[i];
        if (url_unreserved(c) || (c != '\0' && keep && strchr(keep, c))) {
            fl_buf_char(b, c);
        } else {
            unsigned char u = (unsigned char)c;
            fl_buf_add(b, (const char[]){'%', hex[u >> 4], hex[u & 15]}, 3);
        }
    }
    buf_undo_partial(b, start);
}

void fl_buf_reserve(struct fl_buf *b, size_t more)
{
    size_t room = buf_room(b);
    buf_grow(b, more < room ? more : room);
}

void fl_buf_truncate(struct fl_buf *b, size_t len)
{
    fl_assert(len <= b->len);
    if (len < b->len) {
        b->len = len;
        b->data[len] = '\0';
    }
}

struct fl_str fl_buf_slice(const struct fl_buf *b)
{
    return (struct fl_str){b->data, b->len};
}

int fl_buf_finish(const struct fl_buf *b, const char *what, struct fl_err *err)
{
    if (b->overflowed) {
        return fl_fail(err, FL_E_TOO_BIG, "TooBig", "%s: more than %zu bytes", what, b->cap_max);
    }
    return 0;
}

char *fl_buf_take(struct fl_buf *b)
{
    char *text = b->alloc > 0 ? b->data : fl_strdup("");
    /* The text may live long, in a cache: what doubling left unused goes back. */
    if (b->alloc > 0 && b->len + 1 < b->alloc / 2) {
        text = fl_realloc(text, b->len + 1);
    }
    fl_buf_init(b, b->cap_max);
    return text;
}
