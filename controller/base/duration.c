/* SPDX-License-Identifier: Apache-2.0
 * The durations of num.h. */
#include <inttypes.h>

#include "base/num.h"

/* Go counts in nanoseconds, in an int64; its magnitude may reach 2^63, for the most negative
 * duration. */
#define NS_LIMIT ((uint64_t)1 << 63)

struct duration_unit {
    const char *name;
    uint64_t ns;
};

/* Both micro signs: U+00B5 and the Greek letter U+03BC. */
static const struct duration_unit units[] = {
    {"ns", 1},
    {"us", 1000},
    {"\xc2\xb5s", 1000},
    {"\xce\xbcs", 1000},
    {"ms", 1000000},
    {"s", 1000000000},
    {"m", UINT64_C(60000000000)},
    {"h", UINT64_C(3600000000000)},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static uint64_t unit_take(struct fl_str *s)
{
    size_t n = 0;
    while (n < s->n && s->p[n] != '.' && !is_digit(s->p[n])) {
        n++;
    }
    struct fl_str name = {s->p, n};
    s->p += n;
    s->n -= n;
    for (size_t i = 0; i < FL_LEN(units); i++) {
        if (fl_str_is(name, units[i].name)) {
            return units[i].ns;
        }
    }
    return 0;
}

/* A whole number; false when it passes the limit. */
static bool whole_take(struct fl_str *s, uint64_t *ret)
{
    uint64_t v = 0;
    while (s->n > 0 && is_digit(s->p[0])) {
        uint64_t digit = (uint64_t)(s->p[0] - '0');
        if (v > (NS_LIMIT - digit) / 10) {
            return false;
        }
        v = v * 10 + digit;
        s->p++;
        s->n--;
    }
    *ret = v;
    return true;
}

/* The digits after a point as v / scale; those beyond 18 are below a nanosecond of any unit and are
 * left out. */
static void fraction_take(struct fl_str *s, uint64_t *ret, uint64_t *ret_scale)
{
    uint64_t v = 0;
    uint64_t scale = 1;
    while (s->n > 0 && is_digit(s->p[0])) {
        if (scale < UINT64_C(1000000000000000000)) {
            v = v * 10 + (uint64_t)(s->p[0] - '0');
            scale *= 10;
        }
        s->p++;
        s->n--;
    }
    *ret = v;
    *ret_scale = scale;
}

/* One "1.5h"; adds to *total_ns. */
static bool term_take(struct fl_str *s, uint64_t *total_ns)
{
    size_t before = s->n;
    uint64_t whole;
    uint64_t fraction = 0;
    uint64_t scale = 1;
    if (!whole_take(s, &whole)) {
        return false;
    }
    bool digits = s->n < before;
    if (s->n > 0 && s->p[0] == '.') {
        s->p++;
        s->n--;
        before = s->n;
        fraction_take(s, &fraction, &scale);
        digits = digits || s->n < before;
    }
    uint64_t unit = digits ? unit_take(s) : 0;
    if (unit == 0 || whole > NS_LIMIT / unit) {
        return false;
    }
    /* In floating point, as Go does, so that both give the same nanosecond. */
    uint64_t ns = whole * unit + (uint64_t)((double)fraction * ((double)unit / (double)scale));
    if (ns > NS_LIMIT || *total_ns > NS_LIMIT - ns) {
        return false;
    }
    *total_ns += ns;
    return true;
}

bool fl_duration_parse(struct fl_str s, int64_t *ret_ms)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    if (s.n > 0 && (s.p[0] == '-' || s.p[0] == '+')) {
        s.p++;
        s.n--;
    }
    if (fl_str_is(s, "0")) {
        *ret_ms = 0;
        return true;
    }
    uint64_t ns = 0;
    if (s.n == 0) {
        return false;
    }
    while (s.n > 0) {
        if (!term_take(&s, &ns)) {
            return false;
        }
    }
    if (!negative && ns == NS_LIMIT) {
        return false;
    }
    int64_t ms = (int64_t)(ns / 1000000);
    *ret_ms = negative ? -ms : ms;
    return true;
}

static void seconds_fmt(struct fl_buf *b, uint64_t ms)
{
    unsigned rest = (unsigned)(ms % 1000);
    fl_buf_fmt(b, "%" PRIu64, ms / 1000);
    if (rest > 0) {
        int width = 3;
        for (; rest % 10 == 0; rest /= 10) {
            width--;
        }
        fl_buf_fmt(b, ".%0*u", width, rest);
    }
    fl_buf_char(b, 's');
}

void fl_duration_fmt(struct fl_buf *b, int64_t ms)
{
    uint64_t rest = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    if (ms < 0) {
        fl_buf_char(b, '-');
    }
    if (rest > 0 && rest < 1000) {
        fl_buf_fmt(b, "%" PRIu64 "ms", rest);
        return;
    }
    if (rest >= 3600000) {
        fl_buf_fmt(b, "%" PRIu64 "h", rest / 3600000);
    }
    if (rest >= 60000) {
        fl_buf_fmt(b, "%" PRIu64 "m", rest / 60000 % 60);
    }
    seconds_fmt(b, rest % 60000);
}

/* "3m12s", or "3m" when the smaller part is 0. */
static void pair_fmt(struct fl_buf *b, int64_t big, char big_unit, int64_t small, char small_unit)
{
    fl_buf_fmt(b, "%" PRId64 "%c", big, big_unit);
    if (small > 0) {
        fl_buf_fmt(b, "%" PRId64 "%c", small, small_unit);
    }
}

void fl_duration_human(struct fl_buf *b, int64_t ms)
{
    int64_t seconds = ms / 1000;
    int64_t minutes = seconds / 60;
    int64_t hours = minutes / 60;
    int64_t days = hours / 24;
    if (seconds < -1) {
        fl_buf_text(b, "<invalid>");
    } else if (seconds < 0) {
        fl_buf_text(b, "0s"); /* clocks that differ by less than two seconds */
    } else if (seconds < 120) {
        pair_fmt(b, seconds, 's', 0, 0);
    } else if (minutes < 10) {
        pair_fmt(b, minutes, 'm', seconds % 60, 's');
    } else if (minutes < 180) {
        pair_fmt(b, minutes, 'm', 0, 0);
    } else if (hours < 8) {
        pair_fmt(b, hours, 'h', minutes % 60, 'm');
    } else if (hours < 48) {
        pair_fmt(b, hours, 'h', 0, 0);
    } else if (days < 8) {
        pair_fmt(b, days, 'd', hours % 24, 'h');
    } else if (days < INT64_C(2) * 365) {
        pair_fmt(b, days, 'd', 0, 0);
    } else if (days < INT64_C(8) * 365) {
        pair_fmt(b, days / 365, 'y', days % 365, 'd');
    } else {
        pair_fmt(b, days / 365, 'y', 0, 0);
    }
}
