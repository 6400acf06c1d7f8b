/* SPDX-License-Identifier: Apache-2.0 */
#define FL_ALLOW_STRTOL
#include "base/num.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool fl_num_u64(struct fl_str s, uint64_t *ret)
{
    uint64_t v = 0;
    if (s.n == 0) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (!is_digit(s.p[i])) {
            return false;
        }
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        if (v > (UINT64_MAX - digit) / 10) {
            return false;
        }
        v = v * 10 + digit;
    }
    *ret = v;
    return true;
}

bool fl_num_i64(struct fl_str s, int64_t *ret)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    uint64_t v;
    if (negative) {
        s.p++;
        s.n--;
    }
    if (!fl_num_u64(s, &v) || v > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *ret = !negative ? (int64_t)v : v == 0 ? 0 : -(int64_t)(v - 1) - 1;
    return true;
}

static size_t digits_run(struct fl_str s, size_t at)
{
    size_t n = 0;
    while (at + n < s.n && is_digit(s.p[at + n])) {
        n++;
    }
    return n;
}

/* [+-] digits [. digits] [e [+-] digits], with a digit before or after the point. */
static bool double_is_wellformed(struct fl_str s)
{
    size_t at = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+') ? 1 : 0;
    size_t digits = digits_run(s, at);
    at += digits;
    if (at < s.n && s.p[at] == '.') {
        size_t fraction = digits_run(s, at + 1);
        digits += fraction;
        at += 1 + fraction;
    }
    if (digits == 0) {
        return false;
    }
    if (at < s.n && (s.p[at] == 'e' || s.p[at] == 'E')) {
        at++;
        at += at < s.n && (s.p[at] == '-' || s.p[at] == '+');
        size_t exponent = digits_run(s, at);
        if (exponent == 0) {
            return false;
        }
        at += exponent;
    }
    return at == s.n;
}

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void c_locale_make(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    fl_assert(c_locale != (locale_t)0);
}

bool fl_num_double(struct fl_str s, double *ret)
{
    char text[512];
    if (s.n >= sizeof(text) || !double_is_wellformed(s)) {
        return false;
    }
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    /* strtod reads the decimal point of the thread's locale. */
    (void)pthread_once(&c_locale_once, c_locale_make);
    locale_t before = uselocale(c_locale);
    double v = strtod(text, NULL);
    (void)uselocale(before);
    if (!isfinite(v)) {
        return false;
    }
    *ret = v;
    return true;
}

void fl_bytes_human(struct fl_buf *b, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        fl_buf_fmt(b, "%" PRIu64 " B", bytes);
        return;
    }
    size_t unit = 0;
    uint64_t size = 1;
    while (unit + 1 < FL_LEN(units) && bytes / size >= 1024) {
        size *= 1024;
        unit++;
    }
    uint64_t whole = bytes / size;
    uint64_t tenth = (bytes % size * 10 + size / 2) / size;
    whole += tenth / 10;
    tenth %= 10;
    if (whole == 1024 && unit + 1 < FL_LEN(units)) { /* 1023.95 and more were rounded up */
        whole = 1;
        unit++;
    }
    fl_buf_fmt(b, "%" PRIu64 ".%" PRIu64 " %s", whole, tenth, units[unit]);
}
