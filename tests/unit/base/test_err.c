/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

static void test_err__fail_fills_all_fields(void **state)
{
    (void)state;
    struct fl_err err = {.http_status = 500, .retry_after_ms = 7};
    int rc = fl_fail(&err, FL_E_NOT_FOUND, "NoSuchRepo", "repo %s is not there", "a/b");
    assert_int_equal(rc, FL_E_NOT_FOUND);
    assert_int_equal(err.code, FL_E_NOT_FOUND);
    assert_int_equal(err.http_status, 0);
    assert_int_equal(err.retry_after_ms, -1);
    assert_string_equal(err.reason, "NoSuchRepo");
    assert_string_equal(err.msg, "repo a/b is not there");
}

static void test_err__fail_http_keeps_status_and_retry(void **state)
{
    (void)state;
    struct fl_err err = FL_ERR_INIT;
    assert_int_equal(fl_fail_http(&err, FL_E_LIMITED, 429, 1500, "RateLimited", "slow down"),
                     FL_E_LIMITED);
    assert_int_equal(err.http_status, 429);
    assert_int_equal(err.retry_after_ms, 1500);
    assert_string_equal(err.msg, "slow down");
}

static void test_err__null_err_returns_code(void **state)
{
    (void)state;
    assert_int_equal(fl_fail(NULL, FL_E_BUG, "Bug", "x"), FL_E_BUG);
    assert_int_equal(fl_fail_http(NULL, FL_E_AUTH, 401, -1, "Auth", "x"), FL_E_AUTH);
}

static void test_err__wrap_puts_prefix_before(void **state)
{
    (void)state;
    struct fl_err err = FL_ERR_INIT;
    (void)fl_fail_http(&err, FL_E_TIMEOUT, 504, 20, "Slow", "no answer");
    assert_int_equal(fl_wrap(&err, "registry '%s'", "src"), FL_E_TIMEOUT);
    assert_string_equal(err.msg, "registry 'src': no answer");
    assert_string_equal(err.reason, "Slow");
    assert_int_equal(err.http_status, 504);
    assert_int_equal(err.retry_after_ms, 20);
}

static void test_err__own_message_as_argument_is_kept(void **state)
{
    (void)state;
    struct fl_err err = FL_ERR_INIT;
    (void)fl_fail(&err, FL_E_INVALID, "A", "inner");
    (void)fl_fail(&err, FL_E_BAD_DATA, "B", "outer: %s", err.msg);
    assert_string_equal(err.msg, "outer: inner");
    (void)fl_wrap(&err, "%s", err.msg);
    assert_string_equal(err.msg, "outer: inner: outer: inner");
}

static void test_err__control_characters_become_spaces(void **state)
{
    (void)state;
    struct fl_err err = FL_ERR_INIT;
    (void)fl_fail(&err, FL_E_INVALID, "A\nB", "name '%s'", "x\ny\t\x7f\x1b[1mz");
    assert_string_equal(err.msg, "name 'x y   [1mz'");
    assert_string_equal(err.reason, "A B");
}

static void test_err__overlong_text_is_cut_at_character(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *unit;
        size_t size;
    } rows[] = {{"ascii", "a", 1},
                {"two bytes", "\xc3\xa9", 2},
                {"three bytes", "\xe2\x82\xac", 3},
                {"four bytes", "\xf0\x9f\x9a\xa2", 4}};
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        for (size_t shift = 0; shift < 4; shift++) {
            fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
            fl_buf_add(&text, "....", shift);
            while (text.len < 3000) {
                fl_buf_text(&text, rows[i].unit);
            }
            struct fl_err err = FL_ERR_INIT;
            (void)fl_fail(&err, FL_E_INVALID, "A", "%s", text.data);
            struct fl_str got = fl_str_of(err.msg);
            ROW_TRUE(rows[i].name, got.n < sizeof(err.msg));
            ROW_TRUE(rows[i].name, got.n > sizeof(err.msg) - 1 - rows[i].size);
            ROW_TRUE(rows[i].name, fl_utf8_valid(got));
            ROW_TRUE(rows[i].name, fl_str_ends(got, "..."));
            (void)fl_wrap(&err, "%s", text.data);
            ROW_TRUE(rows[i].name, fl_utf8_valid(fl_str_of(err.msg)));
            ROW_TRUE(rows[i].name, fl_str_ends(fl_str_of(err.msg), "..."));
        }
    }
}

static void test_err__text_that_just_fits_is_whole(void **state)
{
    (void)state;
    struct fl_err err = FL_ERR_INIT;
    char text[sizeof(err.msg) + 1];
    memset(text, 'x', sizeof(text));
    text[sizeof(err.msg) - 1] = '\0';
    (void)fl_fail(&err, FL_E_INVALID, "A", "%s", text);
    assert_string_equal(err.msg, text);
    text[sizeof(err.msg) - 1] = 'x';
    text[sizeof(err.msg)] = '\0';
    (void)fl_fail(&err, FL_E_INVALID, "A", "%s", text);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    assert_true(fl_str_ends(fl_str_of(err.msg), "x..."));
}

static void test_err__overlong_reason_is_cut(void **state)
{
    (void)state;
    struct fl_err err = FL_ERR_INIT;
    (void)fl_fail(&err, FL_E_INVALID,
                  "AVeryLongReasonThatNobodyShouldEverHaveWrittenDownInThisPlace", "x");
    assert_int_equal(strlen(err.reason), sizeof(err.reason) - 1);
    assert_true(fl_text_starts(err.reason, "AVeryLongReason"));
}

static void test_err__clear_gives_initial_value(void **state)
{
    (void)state;
    struct fl_err err = FL_ERR_INIT;
    (void)fl_fail_http(&err, FL_E_TIMEOUT, 504, 20, "Slow", "no answer");
    fl_err_clear(&err);
    assert_int_equal(err.code, FL_OK);
    assert_int_equal(err.http_status, 0);
    assert_int_equal(err.retry_after_ms, -1);
    assert_string_equal(err.msg, "");
    assert_string_equal(err.reason, "");
}

static void test_err__code_has_name(void **state)
{
    (void)state;
    static const struct {
        enum fl_code code;
        const char *want;
    } rows[] = {
        {FL_OK, "OK"},
        {FL_E_NOT_FOUND, "NotFound"},
        {FL_E_EXISTS, "Exists"},
        {FL_E_CONFLICT, "Conflict"},
        {FL_E_AUTH, "Auth"},
        {FL_E_INVALID, "Invalid"},
        {FL_E_UNSUPPORTED, "Unsupported"},
        {FL_E_LIMITED, "Limited"},
        {FL_E_UNAVAILABLE, "Unavailable"},
        {FL_E_TIMEOUT, "Timeout"},
        {FL_E_TOO_BIG, "TooBig"},
        {FL_E_BAD_DATA, "BadData"},
        {FL_E_CANCELED, "Canceled"},
        {FL_E_BUG, "Bug"},
        {(enum fl_code) - 99, "Unknown"},
        {(enum fl_code)5, "Unknown"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        row_str(rows[i].want, fl_str_of(fl_code_name(rows[i].code)), rows[i].want);
    }
}

static void broken_invariant(void)
{
    fl_assert(1 + 1 == 3);
}

static void test_err__broken_assertion_aborts(void **state)
{
    (void)state;
    fl_assert(1 + 1 == 2);
    assert_true(aborts(broken_invariant));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err__fail_fills_all_fields),
        cmocka_unit_test(test_err__fail_http_keeps_status_and_retry),
        cmocka_unit_test(test_err__null_err_returns_code),
        cmocka_unit_test(test_err__wrap_puts_prefix_before),
        cmocka_unit_test(test_err__own_message_as_argument_is_kept),
        cmocka_unit_test(test_err__control_characters_become_spaces),
        cmocka_unit_test(test_err__overlong_text_is_cut_at_character),
        cmocka_unit_test(test_err__text_that_just_fits_is_whole),
        cmocka_unit_test(test_err__overlong_reason_is_cut),
        cmocka_unit_test(test_err__clear_gives_initial_value),
        cmocka_unit_test(test_err__code_has_name),
        cmocka_unit_test(test_err__broken_assertion_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
