/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

struct fl_str fl_str_of(const char *s)
{
    return (struct fl_str){s, s ? strlen(s) : 0};
}

bool fl_str_eq(struct fl_str a, struct fl_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool fl_str_is(struct fl_str a, const char *b)
{
    return fl_str_eq(a, fl_str_of(b));
}

static char ascii_lower(char c)
{
    static const char lower[] = "abcdefghijklmnopqrstuvwxyz";
    if (c >= 'A' && c <= 'Z') {
        return lower[c - 'A'];
    }
    return c;
}

bool fl_str_case_is(struct fl_str a, const char *b)
{
    if (a.n != strlen(b)) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        if (ascii_lower(a.p[i]) != ascii_lower(b[i])) {
            return false;
        }
    }
    return true;
}

bool fl_str_starts(struct fl_str s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && (n == 0 || memcmp(s.p, prefix, n) == 0);
}

bool fl_str_ends(struct fl_str s, const char *suffix)
{
    size_t n = strlen(suffix);
    return s.n >= n && (n == 0 || memcmp(s.p + (s.n - n), suffix, n) == 0);
}

int fl_str_cmp(struct fl_str a, struct fl_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    if (order != 0) {
        return order;
    }
    return a.n < b.n ? -1 : a.n > b.n;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct fl_str fl_str_trim(struct fl_str s)
{
    while (s.n > 0 && is_blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && is_blank(s.p[s.n - 1])) {
        s.n--;
    }
    return s;
}

bool fl_str_cut(struct fl_str *s, char sep, struct fl_str *head)
{
    const char *at = s->n ? memchr(s->p, sep, s->n) : NULL;
    struct fl_str all = *s;
    if (!at) {
        *s = (struct fl_str){all.p ? all.p + all.n : NULL, 0};
        *head = all;
        return false;
    }
    size_t n = (size_t)(at - all.p);
    *s = (struct fl_str){at + 1, all.n - n - 1};
    *head = (struct fl_str){all.p, n};
    return true;
}

bool fl_text_eq(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool fl_text_starts(const char *s, const char *prefix)
{
    return s && strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Table 3-7 of the Unicode Standard: the second byte decides about overlong forms, surrogates and
 * what lies above U+10FFFF. */
size_t fl_utf8_step(struct fl_str s)
{
    if (s.n == 0) {
        return 0;
    }
    const unsigned char *p = (const unsigned char *)s.p;
    if (p[0] < 0x80) {
        return 1;
    }
    size_t n = p[0] >= 0xc2 && p[0] <= 0xdf   ? 2
               : p[0] >= 0xe0 && p[0] <= 0xef ? 3
               : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
                                              : 0;
    if (n == 0 || s.n < n) {
        return 0;
    }
    unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return n;
}

bool fl_utf8_valid(struct fl_str s)
{
    while (s.n > 0) {
        size_t n = fl_utf8_step(s);
        if (n == 0) {
            return false;
        }
        s.p += n;
        s.n -= n;
    }
    return true;
}

bool fl_str_printable(struct fl_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == 0x7f) {
            return false;
        }
    }
    return true;
}
