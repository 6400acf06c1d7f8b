/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include "base/num.h"

enum { S = 1000, M = 60 * S, H = 60 * M };
#define D (24 * (int64_t)H)
#define Y (365 * D)

static void test_duration__parse_by_rows(void **state)
{
    (void)state;
    /* What Go's time.ParseDuration says of each, in milliseconds rounded towards zero. */
    static const struct {
        const char *input;
        bool ok;
        int64_t want;
    } rows[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"+0", true, 0},
        {"0s", true, 0},
        {"5m", true, 5 * M},
        {"1h30m", true, 90 * M},
        {"1.5s", true, 1500},
        {"300ms", true, 300},
        {"-1.5h", true, -90 * M},
        {"+5s", true, 5 * S},
        {".5s", true, 500},
        {"5.s", true, 5 * S},
        {"1h0m0.25s", true, H + 250},
        {"30s5m", true, 5 * M + 30 * S},
        {"1s1s", true, 2 * S},
        {"999us", true, 0},
        {"1999us", true, 1},
        {"-1999us", true, -1},
        {"2000000ns", true, 2},
        {"3000\xc2\xb5s", true, 3},
        {"3000\xce\xbcs", true, 3},
        {"0.3333333333333333333h", true, 20 * M - 1},
        {"0.100000000000000000000h", true, 6 * M},
        {"0.830103483285477580700h", true, 2988372},
        {"2562047h47m16.854775807s", true, INT64_C(9223372036854)},
        {"2562047h47m16.854775808s", false, 0},
        {"-2562047h47m16.854775808s", true, INT64_C(-9223372036854)},
        {"-9223372036854775808ns", true, INT64_C(-9223372036854)},
        {"-9223372036854775809ns", false, 0},
        {"9223372036854775808ns", false, 0},
        {"3000000h", false, 0},
        {"99999999999999999999s", false, 0},
        {"", false, 0},
        {"3", false, 0},
        {"-", false, 0},
        {"s", false, 0},
        {".", false, 0},
        {".s", false, 0},
        {"-.s", false, 0},
        {"1d", false, 0},
        {"1 s", false, 0},
        {" 1s", false, 0},
        {"1s ", false, 0},
        {"1S", false, 0},
        {"1h30", false, 0},
        {"--1s", false, 0},
        {"1s-1s", false, 0},
        {"1.2.3s", false, 0},
        {"1e3s", false, 0},
        {"five minutes", false, 0},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        int64_t got = 77;
        ROW_TRUE(rows[i].input, fl_duration_parse(fl_str_of(rows[i].input), &got) == rows[i].ok);
        row_i64(rows[i].input, got, rows[i].ok ? rows[i].want : 77);
    }
}

static void test_duration__fmt_by_rows(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *want;
    } rows[] = {
        {0, "0s"},
        {1, "1ms"},
        {999, "999ms"},
        {1000, "1s"},
        {1500, "1.5s"},
        {1050, "1.05s"},
        {1001, "1.001s"},
        {5 * M, "5m0s"},
        {90 * M, "1h30m0s"},
        {H, "1h0m0s"},
        {100 * H + 2 * S + 20, "100h0m2.02s"},
        {-1500, "-1.5s"},
        {-1, "-1ms"},
        {INT64_MIN, "-2562047788015h12m55.808s"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_duration_fmt(&b, rows[i].ms);
        row_str(rows[i].want, fl_buf_slice(&b), rows[i].want);
    }
}

static void test_duration__what_is_printed_is_read_back(void **state)
{
    (void)state;
    int64_t ms = 1;
    for (int i = 0; i < 40; i++, ms = ms * 2 + i) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        int64_t got = 0;
        fl_duration_fmt(&b, i % 2 ? -ms : ms);
        ROW_TRUE(b.data, fl_duration_parse(fl_buf_slice(&b), &got));
        row_i64(b.data, got, i % 2 ? -ms : ms);
    }
}

static void test_duration__human_by_rows(void **state)
{
    (void)state;
    /* apimachinery's duration.HumanDuration, at each of its bounds. */
    static const struct {
        int64_t ms;
        const char *want;
    } rows[] = {
        {-2 * S, "<invalid>"},
        {-1999, "0s"},
        {-1, "0s"},
        {0, "0s"},
        {999, "0s"},
        {5 * S, "5s"},
        {119 * S + 999, "119s"},
        {120 * S, "2m"},
        {3 * M + 12 * S, "3m12s"},
        {9 * M + 59 * S, "9m59s"},
        {10 * M, "10m"},
        {75 * M + 30 * S, "75m"},
        {179 * M, "179m"},
        {180 * M, "3h"},
        {5 * H + 3 * M, "5h3m"},
        {7 * H + 59 * M, "7h59m"},
        {8 * H, "8h"},
        {47 * H + 59 * M, "47h"},
        {48 * (int64_t)H, "2d"},
        {3 * D + 5 * H, "3d5h"},
        {7 * D + 23 * H, "7d23h"},
        {8 * D, "8d"},
        {2 * Y - 1, "729d"},
        {2 * Y, "2y"},
        {2 * Y + 45 * D, "2y45d"},
        {8 * Y - 1, "7y364d"},
        {8 * Y, "8y"},
        {100 * Y + 20 * D, "100y"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_duration_human(&b, rows[i].ms);
        row_str(rows[i].want, fl_buf_slice(&b), rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duration__parse_by_rows),
        cmocka_unit_test(test_duration__fmt_by_rows),
        cmocka_unit_test(test_duration__what_is_printed_is_read_back),
        cmocka_unit_test(test_duration__human_by_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
