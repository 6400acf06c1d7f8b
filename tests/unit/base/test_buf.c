/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

static void test_buf__empty_is_terminated(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(10);
    assert_string_equal(b.data, "");
    assert_int_equal(b.len, 0);
    fl_buf_clear(&b);
    fl_buf_truncate(&b, 0);
    assert_string_equal(b.data, "");
    assert_ptr_equal(b.data, fl_buf_empty_);
}

static void test_buf__appends_add_up(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&b, "a");
    fl_buf_text(&b, NULL);
    fl_buf_str(&b, FL_STR("bc"));
    fl_buf_str(&b, (struct fl_str){NULL, 0});
    fl_buf_char(&b, 'd');
    fl_buf_add(&b, "ef!", 2);
    fl_buf_fmt(&b, "-%d-%s", 5, "x");
    struct fl_err err = FL_ERR_INIT;
    assert_string_equal(b.data, "abcdef-5-x");
    assert_int_equal(b.len, 10);
    assert_int_equal(fl_buf_finish(&b, "text", &err), 0);
}

static void test_buf__cap_is_exact(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(100);
    struct fl_err err = FL_ERR_INIT;
    for (int i = 0; i < 100; i++) {
        fl_buf_char(&b, 'x');
    }
    assert_int_equal(b.len, 100);
    assert_int_equal(fl_buf_finish(&b, "text", &err), 0);
    fl_buf_char(&b, 'y');
    assert_int_equal(b.len, 100);
    assert_int_equal(fl_buf_finish(&b, "text", &err), FL_E_TOO_BIG);
    assert_string_equal(err.msg, "text: more than 100 bytes");
}

static void test_buf__overflow_sticks_until_clear(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(4);
    fl_buf_text(&b, "abc");
    fl_buf_text(&b, "de"); /* does nothing */
    fl_buf_text(&b, "f");  /* would fit, and does nothing either */
    assert_string_equal(b.data, "abc");
    fl_buf_truncate(&b, 0);
    fl_buf_text(&b, "f");
    assert_string_equal(b.data, "");
    assert_int_equal(fl_buf_finish(&b, "x", NULL), FL_E_TOO_BIG);
    fl_buf_clear(&b);
    fl_buf_text(&b, "defg");
    assert_string_equal(b.data, "defg");
    assert_int_equal(fl_buf_finish(&b, "x", NULL), 0);
}

static void test_buf__cap_zero_takes_nothing(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(0);
    fl_buf_text(&b, "");
    assert_int_equal(fl_buf_finish(&b, "x", NULL), 0);
    fl_buf_char(&b, 'a');
    assert_int_equal(fl_buf_finish(&b, "x", NULL), FL_E_TOO_BIG);
    assert_string_equal(b.data, "");
}

static void test_buf__fmt_at_bounds_of_its_scratch(void **state)
{
    (void)state;
    for (int n = 250; n < 262; n++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_fmt(&b, "<%*s>", n, "x");
        assert_int_equal(b.len, n + 2);
        assert_int_equal(b.data[0], '<');
        assert_int_equal(b.data[b.len - 1], '>');
        assert_int_equal(strlen(b.data), b.len);
    }
    fl_auto_val(fl_buf) small = FL_BUF_INIT(300);
    fl_buf_fmt(&small, "%301s", "x");
    assert_int_equal(small.len, 0);
    assert_int_equal(fl_buf_finish(&small, "x", NULL), FL_E_TOO_BIG);
}

static void test_buf__i64_prints_bounds(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    const int64_t values[] = {0, -1, 42, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < FL_LEN(values); i++) {
        fl_buf_i64(&b, values[i]);
        fl_buf_char(&b, ' ');
    }
    assert_string_equal(b.data, "0 -1 42 9223372036854775807 -9223372036854775808 ");
}

static void test_buf__json_string_by_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct fl_str input;
        const char *want;
    } rows[] = {
        {"empty", {"", 0}, "\"\""},
        {"null pointer", {NULL, 0}, "\"\""},
        {"plain", {"abc/~", 5}, "\"abc/~\""},
        {"quotes", {"a\"b\\c", 5}, "\"a\\\"b\\\\c\""},
        {"named controls", {"\b\f\n\r\t", 5}, "\"\\b\\f\\n\\r\\t\""},
        {"other controls", {"\x01\x1f\x00z", 4}, "\"\\u0001\\u001f\\u0000z\""},
        {"delete is plain", {"\x7f", 1}, "\"\x7f\""},
        {"utf-8", {"\xc3\xa9\xf0\x9f\x9a\xa2", 6}, "\"\xc3\xa9\xf0\x9f\x9a\xa2\""},
        {"invalid byte", {"a\xff!", 3}, "\"a\xef\xbf\xbd!\""},
        {"cut character", {"\xe2\x82", 2}, "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"surrogate", {"\xed\xa0\x80", 3}, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_json_str(&b, rows[i].input);
        row_str(rows[i].name, fl_buf_slice(&b), rows[i].want);
    }
}

static void test_buf__appends_of_pieces_are_whole_or_nothing(void **state)
{
    (void)state;
    for (size_t cap = 1; cap < 12; cap++) {
        fl_auto_val(fl_buf) json = FL_BUF_INIT(cap);
        fl_auto_val(fl_buf) url = FL_BUF_INIT(cap);
        fl_buf_char(&json, 'x');
        fl_buf_char(&url, 'x');
        fl_buf_json_str(&json, FL_STR("ab\ncd\n")); /* 10 bytes */
        fl_buf_url(&url, FL_STR("a b/cd"), NULL);   /* 10 bytes */
        assert_string_equal(json.data, cap < 11 ? "x" : "x\"ab\\ncd\\n\"");
        assert_string_equal(url.data, cap < 11 ? "x" : "xa%20b%2Fcd");
        assert_int_equal(fl_buf_finish(&json, "x", NULL), cap < 11 ? FL_E_TOO_BIG : 0);
        assert_int_equal(fl_buf_finish(&url, "x", NULL), cap < 11 ? FL_E_TOO_BIG : 0);
    }
}

static void test_buf__url_by_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct fl_str input;
        const char *keep;
        const char *want;
    } rows[] = {
        {"unreserved", {"aZ09-._~", 8}, NULL, "aZ09-._~"},
        {"reserved", {"a/b?c=d&e", 9}, "", "a%2Fb%3Fc%3Dd%26e"},
        {"slash kept", {"a/b c", 5}, "/", "a/b%20c"},
        {"bytes", {"\xc3\xa9\x00+", 4}, "/", "%C3%A9%00%2B"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_url(&b, rows[i].input, rows[i].keep);
        row_str(rows[i].name, fl_buf_slice(&b), rows[i].want);
    }
}

static void test_buf__take_gives_text_and_leaves_empty(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(5000);
    fl_auto_text nothing = fl_buf_take(&b);
    assert_string_equal(nothing, "");
    fl_buf_reserve(&b, 4000); /* given back by take */
    fl_buf_text(&b, "hello");
    fl_auto_text text = fl_buf_take(&b);
    assert_string_equal(text, "hello");
    assert_int_equal(b.len, 0);
    assert_string_equal(b.data, "");
    fl_buf_text(&b, "again");
    assert_string_equal(b.data, "again");
    assert_string_equal(text, "hello");
}

static void test_buf__release_leaves_usable_with_its_cap(void **state)
{
    (void)state;
    struct fl_buf b;
    fl_buf_init(&b, 3);
    fl_buf_text(&b, "abcd");
    fl_buf_release(&b);
    fl_buf_text(&b, "abc");
    assert_string_equal(b.data, "abc");
    fl_buf_char(&b, 'd');
    assert_int_equal(fl_buf_finish(&b, "x", NULL), FL_E_TOO_BIG);
    fl_buf_release(&b);
}

static void test_buf__reserve_stops_at_cap(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(10);
    fl_buf_reserve(&b, SIZE_MAX);
    assert_int_equal(fl_buf_finish(&b, "x", NULL), 0);
    const char *data = b.data;
    fl_buf_text(&b, "0123456789");
    assert_ptr_equal(b.data, data);
    assert_string_equal(b.data, "0123456789");
}

static void truncate_beyond_end(void)
{
    struct fl_buf b = FL_BUF_INIT(10);
    fl_buf_truncate(&b, 1);
}

static void test_buf__truncate_shortens_only(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(10);
    fl_buf_text(&b, "abcdef");
    fl_buf_truncate(&b, 3);
    fl_buf_text(&b, "x");
    assert_string_equal(b.data, "abcx");
    assert_true(aborts(truncate_beyond_end));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf__empty_is_terminated),
        cmocka_unit_test(test_buf__appends_add_up),
        cmocka_unit_test(test_buf__cap_is_exact),
        cmocka_unit_test(test_buf__overflow_sticks_until_clear),
        cmocka_unit_test(test_buf__cap_zero_takes_nothing),
        cmocka_unit_test(test_buf__fmt_at_bounds_of_its_scratch),
        cmocka_unit_test(test_buf__i64_prints_bounds),
        cmocka_unit_test(test_buf__json_string_by_rows),
        cmocka_unit_test(test_buf__appends_of_pieces_are_whole_or_nothing),
        cmocka_unit_test(test_buf__url_by_rows),
        cmocka_unit_test(test_buf__take_gives_text_and_leaves_empty),
        cmocka_unit_test(test_buf__release_leaves_usable_with_its_cap),
        cmocka_unit_test(test_buf__reserve_stops_at_cap),
        cmocka_unit_test(test_buf__truncate_shortens_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
