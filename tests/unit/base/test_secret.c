/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include "base/secret.h"

static void test_secret__holds_a_copy(void **state)
{
    (void)state;
    fl_auto_val(fl_secret) s = {0};
    char source[] = "tok\0en";
    fl_secret_set(&s, (struct fl_str){source, 6});
    source[0] = 'X';
    assert_int_equal(s.n, 6);
    assert_memory_equal(s.p, "tok\0en", 7); /* with the terminator */
}

static void test_secret__absent_equals_nothing(void **state)
{
    (void)state;
    fl_auto_val(fl_secret) s = {0};
    assert_false(fl_secret_is(&s, FL_STR("")));
    assert_false(fl_secret_is(&s, (struct fl_str){NULL, 0}));
    fl_secret_set(&s, FL_STR(""));
    assert_non_null(s.p);
    assert_true(fl_secret_is(&s, FL_STR("")));
    fl_secret_set(&s, (struct fl_str){NULL, 0});
    assert_null(s.p);
}

static void test_secret__is_compares_whole(void **state)
{
    (void)state;
    fl_auto_val(fl_secret) s = {0};
    fl_secret_set(&s, FL_STR("abc"));
    assert_true(fl_secret_is(&s, FL_STR("abc")));
    assert_false(fl_secret_is(&s, FL_STR("abd")));
    assert_false(fl_secret_is(&s, FL_STR("ab")));
    assert_false(fl_secret_is(&s, FL_STR("abcd")));
}

static void test_secret__set_from_itself(void **state)
{
    (void)state;
    fl_auto_val(fl_secret) s = {0};
    fl_secret_set(&s, FL_STR("user:pass"));
    fl_secret_set(&s, (struct fl_str){s.p + 5, 4});
    assert_true(fl_secret_is(&s, FL_STR("pass")));
}

static void test_secret__wipe_zeroes_exactly(void **state)
{
    (void)state;
    char text[8] = "abcdefg";
    fl_wipe(text + 2, 3);
    assert_memory_equal(text, "ab\0\0\0fg", 8);
    fl_wipe(NULL, 0);
}

static void test_secret__buffer_wipe_leaves_usable(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(100);
    fl_buf_wipe(&b); /* nothing there */
    fl_buf_text(&b, "token");
    fl_buf_wipe(&b);
    assert_int_equal(b.len, 0);
    assert_string_equal(b.data, "");
    fl_buf_text(&b, "again");
    assert_string_equal(b.data, "again");
}

static void test_secret__release_leaves_absent(void **state)
{
    (void)state;
    struct fl_secret s = {0};
    fl_secret_set(&s, FL_STR("abc"));
    fl_secret_release(&s);
    assert_null(s.p);
    assert_int_equal(s.n, 0);
    fl_secret_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secret__holds_a_copy),
        cmocka_unit_test(test_secret__absent_equals_nothing),
        cmocka_unit_test(test_secret__is_compares_whole),
        cmocka_unit_test(test_secret__set_from_itself),
        cmocka_unit_test(test_secret__wipe_zeroes_exactly),
        cmocka_unit_test(test_secret__buffer_wipe_leaves_usable),
        cmocka_unit_test(test_secret__release_leaves_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
