/* SPDX-License-Identifier: Apache-2.0
 * The times of num.h. Own calendar arithmetic: strptime depends on the locale, timegm is no POSIX.
 */
#include "base/num.h"

struct civil {
    int year; /* 0000 to 9999 */
    int month;
    int day;
    int hour;
    int minute;
    int second;
};

/* 0000-01-01 and the last second of 9999: what four digits can say. */
#define FIRST_SECOND (-INT64_C(62167219200))
#define LAST_SECOND INT64_C(253402300799)

/* Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March, so that the
 * leap day is the last one; eras of 400 years repeat. */
static int64_t days_from_civil(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t days, struct civil *ret)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    ret->day = (int)(doy - (153 * mp + 2) / 5 + 1);
    ret->month = (int)(mp < 10 ? mp + 3 : mp - 9);
    ret->year = (int)(yoe + era * 400 + (ret->month <= 2));
}

static int64_t floor_div(int64_t a, int64_t by)
{
    return a / by - (a % by < 0);
}

static struct civil civil_of(int64_t seconds)
{
    struct civil t;
    int64_t days = floor_div(seconds, 86400);
    int rest = (int)(seconds - days * 86400);
    civil_from_days(days, &t);
    t.hour = rest / 3600;
    t.minute = rest / 60 % 60;
    t.second = rest % 60;
    return t;
}

static int64_t clamp_seconds(int64_t seconds)
{
    return seconds < FIRST_SECOND ? FIRST_SECOND : seconds > LAST_SECOND ? LAST_SECOND : seconds;
}

static void second_fmt(struct fl_buf *b, int64_t seconds)
{
    struct civil t = civil_of(clamp_seconds(seconds));
    fl_buf_fmt(b, "%04d-%02d-%02dT%02d:%02d:%02d", t.year, t.month, t.day, t.hour, t.minute,
               t.second);
}

void fl_time_fmt(struct fl_buf *b, int64_t wall_ms)
{
    second_fmt(b, floor_div(wall_ms, 1000));
    fl_buf_char(b, 'Z');
}

void fl_time_fmt_micro(struct fl_buf *b, int64_t wall_us)
{
    int64_t seconds = floor_div(wall_us, 1000000);
    second_fmt(b, seconds);
    fl_buf_fmt(b, ".%06dZ", (int)(wall_us - seconds * 1000000));
}

static bool civil_is_valid(const struct civil *t, int max_second)
{
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (t->month < 1 || t->month > 12) {
        return false;
    }
    bool leap = t->year % 4 == 0 && (t->year % 100 != 0 || t->year % 400 == 0);
    int last = month_days[t->month - 1] + (leap && t->month == 2);
    return t->day >= 1 && t->day <= last && t->hour <= 23 && t->minute <= 59 &&
           t->second <= max_second;
}

static int64_t civil_seconds(const struct civil *t)
{
    return days_from_civil(t->year, t->month, t->day) * 86400 + t->hour * INT64_C(3600) +
           t->minute * INT64_C(60) + t->second;
}

static bool take_char(struct fl_str *s, char c)
{
    if (s->n == 0 || s->p[0] != c) {
        return false;
    }
    s->p++;
    s->n--;
    return true;
}

static bool take_text(struct fl_str *s, const char *text)
{
    if (!fl_str_starts(*s, text)) {
        return false;
    }
    s->p += strlen(text);
    s->n -= strlen(text);
    return true;
}

static bool take_digits(struct fl_str *s, size_t n, int *ret)
{
    int v = 0;
    if (s->n < n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (s->p[i] < '0' || s->p[i] > '9') {
            return false;
        }
        v = v * 10 + (s->p[i] - '0');
    }
    s->p += n;
    s->n -= n;
    *ret = v;
    return true;
}

static bool take_hms(struct fl_str *s, struct civil *t)
{
    return take_digits(s, 2, &t->hour) && take_char(s, ':') && take_digits(s, 2, &t->minute) &&
           take_char(s, ':') && take_digits(s, 2, &t->second);
}

/* ".123456" to 123; absent is 0. */
static bool take_fraction_ms(struct fl_str *s, int *ret)
{
    int ms = 0;
    size_t n = 0;
    if (!take_char(s, '.')) {
        *ret = 0;
        return true;
    }
    for (; n < s->n && s->p[n] >= '0' && s->p[n] <= '9'; n++) {
        ms = n < 3 ? ms * 10 + (s->p[n] - '0') : ms;
    }
    for (size_t i = n; i < 3; i++) {
        ms *= 10;
    }
    s->p += n;
    s->n -= n;
    *ret = ms;
    return n > 0;
}

static bool take_offset_seconds(struct fl_str *s, int *ret)
{
    int hours;
    int minutes;
    if (take_char(s, 'Z')) {
        *ret = 0;
        return true;
    }
    bool west = s->n > 0 && s->p[0] == '-';
    if (!take_char(s, '+') && !take_char(s, '-')) {
        return false;
    }
    if (!take_digits(s, 2, &hours) || !take_char(s, ':') || !take_digits(s, 2, &minutes) ||
        hours > 23 || minutes > 59) {
        return false;
    }
    *ret = (hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return true;
}

bool fl_time_parse(struct fl_str s, int64_t *ret_wall_ms)
{
    struct civil t;
    int ms;
    int offset;
    bool read = take_digits(&s, 4, &t.year) && take_char(&s, '-') && take_digits(&s, 2, &t.month) &&
                take_char(&s, '-') && take_digits(&s, 2, &t.day) && take_char(&s, 'T') &&
                take_hms(&s, &t) && take_fraction_ms(&s, &ms) && take_offset_seconds(&s, &offset);
    if (!read || s.n > 0 || !civil_is_valid(&t, 59)) {
        return false;
    }
    *ret_wall_ms = (civil_seconds(&t) - offset) * 1000 + ms;
    return true;
}

/* One of the n names at the start of s: 1 to n, 0 = none. */
static int take_name(struct fl_str *s, const char *const names[], int n)
{
    for (int i = 0; i < n; i++) {
        if (take_text(s, names[i])) {
            return i + 1;
        }
    }
    return 0;
}

static const char *const day_names[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
static const char *const long_day_names[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                             "Friday", "Saturday", "Sunday"};

static bool take_month(struct fl_str *s, int *ret)
{
    static const char *const names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    *ret = take_name(s, names, (int)FL_LEN(names));
    return *ret > 0;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool imf_fixdate(struct fl_str s, struct civil *t)
{
    return take_name(&s, day_names, 7) && take_text(&s, ", ") && take_digits(&s, 2, &t->day) &&
           take_char(&s, ' ') && take_month(&s, &t->month) && take_char(&s, ' ') &&
           take_digits(&s, 4, &t->year) && take_char(&s, ' ') && take_hms(&s, t) &&
           take_text(&s, " GMT") && s.n == 0;
}

/* "Sunday, 06-Nov-94 08:49:37 GMT" */
static bool rfc850_date(struct fl_str s, struct civil *t)
{
    bool read = take_name(&s, long_day_names, 7) && take_text(&s, ", ") &&
                take_digits(&s, 2, &t->day) && take_char(&s, '-') && take_month(&s, &t->month) &&
                take_char(&s, '-') && take_digits(&s, 2, &t->year) && take_char(&s, ' ') &&
                take_hms(&s, t) && take_text(&s, " GMT") && s.n == 0;
    if (read) {
        /* Without a clock at hand: the split of POSIX strptime and of Go. */
        t->year += t->year < 69 ? 2000 : 1900;
    }
    return read;
}

/* "Sun Nov  6 08:49:37 1994" */
static bool asctime_date(struct fl_str s, struct civil *t)
{
    return take_name(&s, day_names, 7) && take_char(&s, ' ') && take_month(&s, &t->month) &&
           take_char(&s, ' ') &&
           (take_char(&s, ' ') ? take_digits(&s, 1, &t->day) : take_digits(&s, 2, &t->day)) &&
           take_char(&s, ' ') && take_hms(&s, t) && take_char(&s, ' ') &&
           take_digits(&s, 4, &t->year) && s.n == 0;
}

bool fl_time_parse_http(struct fl_str s, int64_t *ret_wall_ms)
{
    struct civil t;
    if (!imf_fixdate(s, &t) && !rfc850_date(s, &t) && !asctime_date(s, &t)) {
        return false;
    }
    if (!civil_is_valid(&t, 60)) { /* RFC 9110 allows the leap second */
        return false;
    }
    *ret_wall_ms = civil_seconds(&t) * 1000;
    return true;
}
