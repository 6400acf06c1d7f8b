/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include <locale.h>

#include "base/num.h"

static void test_num__i64_by_rows(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        bool ok;
        int64_t want;
    } rows[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"42", true, 42},
        {"007", true, 7},
        {"-1", true, -1},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"-9223372036854775808", true, INT64_MIN},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"--1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1x", false, 0},
        {"0x10", false, 0},
        {"1.0", false, 0},
        {"1e3", false, 0},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        int64_t got = 77;
        ROW_TRUE(rows[i].input, fl_num_i64(fl_str_of(rows[i].input), &got) == rows[i].ok);
        row_i64(rows[i].input, got, rows[i].ok ? rows[i].want : 77);
    }
    int64_t got = 77;
    assert_true(fl_num_i64((struct fl_str){"123", 2}, &got)); /* ends with the slice */
    assert_int_equal(got, 12);
    assert_false(fl_num_i64((struct fl_str){"1\0", 2}, &got));
}

static void test_num__u64_by_rows(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        bool ok;
        uint64_t want;
    } rows[] = {
        {"0", true, 0},          {"18446744073709551615", true, UINT64_MAX},
        {"-1", false, 0},        {"18446744073709551616", false, 0},
        {"", false, 0},          {"18446744073709551620", false, 0},
        {"12345", true, 12345u}, {"184467440737095516150", false, 0},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        uint64_t got = 77;
        ROW_TRUE(rows[i].input, fl_num_u64(fl_str_of(rows[i].input), &got) == rows[i].ok);
        ROW_TRUE(rows[i].input, got == (rows[i].ok ? rows[i].want : 77));
    }
}

static void test_num__double_by_rows(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        bool ok;
        double want;
    } rows[] = {
        {"0", true, 0},       {"-1.5", true, -1.5}, {"+2.25e2", true, 225}, {".5", true, 0.5},
        {"5.", true, 5},      {"1E-2", true, 0.01}, {"1e308", true, 1e308}, {"1e309", false, 0},
        {"-1e309", false, 0}, {"1e-400", true, 0},  {"", false, 0},         {".", false, 0},
        {"-", false, 0},      {"e5", false, 0},     {"1e", false, 0},       {"1e+", false, 0},
        {"1,5", false, 0},    {"inf", false, 0},    {"nan", false, 0},      {"0x1p3", false, 0},
        {" 1", false, 0},     {"1 ", false, 0},     {"1.2.3", false, 0},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        double got = 77;
        ROW_TRUE(rows[i].input, fl_num_double(fl_str_of(rows[i].input), &got) == rows[i].ok);
        double want = rows[i].ok ? rows[i].want : 77;
        ROW_TRUE(rows[i].input, got >= want && got <= want);
    }
    char digits[600];
    memset(digits, '1', sizeof(digits));
    double got = 77;
    assert_false(fl_num_double((struct fl_str){digits, sizeof(digits)}, &got));
}

static void test_num__double_ignores_locale(void **state)
{
    (void)state;
    static const char *const with_comma[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    bool set = false;
    for (size_t i = 0; i < FL_LEN(with_comma) && !set; i++) {
        set = setlocale(LC_NUMERIC, with_comma[i]) != NULL;
    }
    double got = 0;
    assert_true(fl_num_double(FL_STR("1.5"), &got));
    assert_true(got > 1.4 && got < 1.6);
    assert_non_null(setlocale(LC_NUMERIC, "C"));
    if (!set) {
        print_message("no locale with a decimal comma here: tried under C alone\n");
    }
}

static void test_num__bytes_for_people_by_rows(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *want;
    } rows[] = {
        {0, "0 B"},
        {512, "512 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {1536, "1.5 KiB"},
        {52323942, "49.9 MiB"},
        {52428800, "50.0 MiB"},
        {1048575, "1.0 MiB"}, /* not 1024.0 KiB */
        {1073741823, "1.0 GiB"},
        {1023 * 1024, "1023.0 KiB"},
        {UINT64_C(1) << 40, "1.0 TiB"},
        {UINT64_C(3) << 50, "3.0 PiB"},
        {UINT64_MAX, "16.0 EiB"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_bytes_human(&b, rows[i].bytes);
        row_str(rows[i].want, fl_buf_slice(&b), rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_num__i64_by_rows),
        cmocka_unit_test(test_num__u64_by_rows),
        cmocka_unit_test(test_num__double_by_rows),
        cmocka_unit_test(test_num__double_ignores_locale),
        cmocka_unit_test(test_num__bytes_for_people_by_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
