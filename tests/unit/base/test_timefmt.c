/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include "base/num.h"

/* Seconds as `date -u -d ... +%s` gives them. */
#define T_2006 INT64_C(1136214245) /* 2006-01-02T15:04:05Z */
#define T_1994 INT64_C(784111777)  /* 1994-11-06T08:49:37Z */

static void test_time__fmt_by_rows(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *want;
    } rows[] = {
        {0, "1970-01-01T00:00:00Z"},
        {T_2006 * 1000, "2006-01-02T15:04:05Z"},
        {T_2006 * 1000 + 999, "2006-01-02T15:04:05Z"},
        {-1, "1969-12-31T23:59:59Z"},
        {INT64_C(951782400000), "2000-02-29T00:00:00Z"},
        {INT64_C(951868799000), "2000-02-29T23:59:59Z"},
        {INT64_C(4107542400000), "2100-03-01T00:00:00Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59Z"},
        {INT64_MAX, "9999-12-31T23:59:59Z"},
        {INT64_C(-62167219200000), "0000-01-01T00:00:00Z"},
        {INT64_MIN, "0000-01-01T00:00:00Z"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_time_fmt(&b, rows[i].ms);
        row_str(rows[i].want, fl_buf_slice(&b), rows[i].want);
    }
}

static void test_time__fmt_micro_has_six_digits(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_time_fmt_micro(&b, T_2006 * 1000000);
    fl_buf_char(&b, ' ');
    fl_time_fmt_micro(&b, T_2006 * 1000000 + 1203);
    fl_buf_char(&b, ' ');
    fl_time_fmt_micro(&b, -1);
    assert_string_equal(b.data, "2006-01-02T15:04:05.000000Z 2006-01-02T15:04:05.001203Z "
                                "1969-12-31T23:59:59.999999Z");
}

static void test_time__parse_by_rows(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        bool ok;
        int64_t want;
    } rows[] = {
        {"2006-01-02T15:04:05Z", true, T_2006 * 1000},
        {"2006-01-02T15:04:05.000000Z", true, T_2006 * 1000},
        {"2006-01-02T15:04:05.5Z", true, T_2006 * 1000 + 500},
        {"2006-01-02T15:04:05.0129Z", true, T_2006 * 1000 + 12},
        {"2006-01-02T15:04:05.123456789Z", true, T_2006 * 1000 + 123},
        {"2006-01-02T16:04:05+01:00", true, T_2006 * 1000},
        {"2006-01-02T05:34:05-09:30", true, T_2006 * 1000},
        {"2006-01-02T15:04:05-00:00", true, T_2006 * 1000},
        {"1969-12-31T23:59:59.25Z", true, -750},
        {"2000-02-29T00:00:00Z", true, INT64_C(951782400000)},
        {"0000-01-01T00:00:00Z", true, INT64_C(-62167219200000)},
        {"1900-02-29T00:00:00Z", false, 0},
        {"2023-02-29T00:00:00Z", false, 0},
        {"2006-04-31T00:00:00Z", false, 0},
        {"2006-00-02T15:04:05Z", false, 0},
        {"2006-13-02T15:04:05Z", false, 0},
        {"2006-01-00T15:04:05Z", false, 0},
        {"2006-01-32T15:04:05Z", false, 0},
        {"2006-01-02T24:00:00Z", false, 0},
        {"2006-01-02T15:60:05Z", false, 0},
        {"2006-01-02T15:04:60Z", false, 0},
        {"2006-01-02T15:04:05", false, 0},
        {"2006-01-02T15:04:05z", false, 0},
        {"2006-01-02t15:04:05Z", false, 0},
        {"2006-01-02 15:04:05Z", false, 0},
        {"2006-01-02T15:04:05.Z", false, 0},
        {"2006-01-02T15:04:05,5Z", false, 0},
        {"2006-01-02T15:04:05+0100", false, 0},
        {"2006-01-02T15:04:05+24:00", false, 0},
        {"2006-01-02T15:04:05+01:60", false, 0},
        {"2006-01-02T15:04Z", false, 0},
        {"2006-1-02T15:04:05Z", false, 0},
        {"2006-01-02T15:04:05Zx", false, 0},
        {" 2006-01-02T15:04:05Z", false, 0},
        {"+006-01-02T15:04:05Z", false, 0},
        {"2006-01-02", false, 0},
        {"", false, 0},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        int64_t got = 77;
        ROW_TRUE(rows[i].input, fl_time_parse(fl_str_of(rows[i].input), &got) == rows[i].ok);
        row_i64(rows[i].input, got, rows[i].ok ? rows[i].want : 77);
    }
}

static void test_time__every_day_comes_back(void **state)
{
    (void)state;
    /* 1600 to 2400 holds each kind of century. */
    int64_t day_ms = INT64_C(86400000);
    for (int64_t ms = INT64_C(-11676096000000); ms < INT64_C(13569465600000); ms += day_ms) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        int64_t got = 0;
        fl_time_fmt(&b, ms + day_ms - 1000);
        ROW_TRUE(b.data, fl_time_parse(fl_buf_slice(&b), &got));
        row_i64(b.data, got, ms + day_ms - 1000);
    }
}

static void test_time__http_date_by_rows(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        bool ok;
        int64_t want_s;
    } rows[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", true, T_1994},
        {"Sunday, 06-Nov-94 08:49:37 GMT", true, T_1994},
        {"Sun Nov  6 08:49:37 1994", true, T_1994},
        {"Wed Nov 16 08:49:37 1994", true, T_1994 + 10 * 86400},
        {"Thursday, 01-Jan-70 00:00:00 GMT", true, 0},
        {"Monday, 02-Jan-06 15:04:05 GMT", true, T_2006},
        {"Sat, 31 Dec 2016 23:59:60 GMT", true, 1483228800},
        {"Sun, 6 Nov 1994 08:49:37 GMT", false, 0},
        {"Sun, 06 Nov 1994 08:49:37", false, 0},
        {"Sun, 06 Nov 1994 08:49:37 UTC", false, 0},
        {"Sun, 06 Nov 1994 08:49:37 +0000", false, 0},
        {"Sun, 06 nov 1994 08:49:37 GMT", false, 0},
        {"06 Nov 1994 08:49:37 GMT", false, 0},
        {"Xxx, 06 Nov 1994 08:49:37 GMT", false, 0},
        {"Sun, 31 Nov 1994 08:49:37 GMT", false, 0},
        {"Sun, 06 Nov 1994 24:49:37 GMT", false, 0},
        {"Sun, 06 Nov 1994 08:49:61 GMT", false, 0},
        {"Sun, 06 Nov 94 08:49:37 GMT", false, 0},
        {"Sun Nov 6 08:49:37 1994", false, 0},
        {"Sun, 06 Nov 1994 08:49:37 GMT ", false, 0},
        {"120", false, 0},
        {"", false, 0},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        int64_t got = 77;
        ROW_TRUE(rows[i].input, fl_time_parse_http(fl_str_of(rows[i].input), &got) == rows[i].ok);
        row_i64(rows[i].input, got, rows[i].ok ? rows[i].want_s * 1000 : 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time__fmt_by_rows),
        cmocka_unit_test(test_time__fmt_micro_has_six_digits),
        cmocka_unit_test(test_time__parse_by_rows),
        cmocka_unit_test(test_time__every_day_comes_back),
        cmocka_unit_test(test_time__http_date_by_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
