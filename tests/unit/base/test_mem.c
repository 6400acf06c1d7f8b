/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

static void test_mem__zero_bytes_gives_pointer(void **state)
{
    (void)state;
    void *p = fl_malloc(0);
    assert_non_null(p);
    p = fl_realloc(p, 0);
    assert_non_null(p);
    fl_free(p);
    p = fl_calloc(0, 8);
    assert_non_null(p);
    fl_free(p);
    fl_free(NULL);
}

static void test_mem__calloc_is_zeroed(void **state)
{
    (void)state;
    unsigned char *p = fl_calloc(100, 3);
    for (size_t i = 0; i < 300; i++) {
        assert_int_equal(p[i], 0);
    }
    fl_free(p);
}

static void test_mem__reallocarray_keeps_contents(void **state)
{
    (void)state;
    int *p = fl_reallocarray(NULL, 2, sizeof(*p));
    p[0] = 7;
    p[1] = 9;
    p = fl_reallocarray(p, 1000, sizeof(*p));
    assert_int_equal(p[0], 7);
    assert_int_equal(p[1], 9);
    fl_free(p);
}

static void test_mem__copies_of_text_end_with_nul(void **state)
{
    (void)state;
    fl_auto_text whole = fl_strdup("fairlead");
    fl_auto_text cut = fl_strndup("fairlead", 4);
    fl_auto_text shorter = fl_strndup("fair", 100);
    fl_auto_text printed = fl_asprintf("%s-%d", "x", 12);
    assert_string_equal(whole, "fairlead");
    assert_string_equal(cut, "fair");
    assert_string_equal(shorter, "fair");
    assert_string_equal(printed, "x-12");
    assert_null(fl_strdup(NULL));
    assert_null(fl_strndup(NULL, 3));
}

static void test_mem__take_leaves_null(void **state)
{
    (void)state;
    char *kept = NULL;
    {
        fl_auto_text owned = fl_strdup("mine");
        kept = fl_take(owned);
        assert_null(owned);
    }
    assert_string_equal(kept, "mine");
    fl_free(kept);
}

static volatile size_t huge = SIZE_MAX;

static void calloc_overflow(void)
{
    fl_free(fl_calloc(huge / 2, 3));
}

static void malloc_huge(void)
{
    fl_free(fl_malloc(huge));
}

static void reallocarray_overflow(void)
{
    fl_free(fl_reallocarray(NULL, huge / 4, 8));
}

static void test_mem__impossible_size_ends_process(void **state)
{
    (void)state;
    assert_true(aborts(calloc_overflow));
    assert_true(aborts(malloc_huge));
    assert_true(aborts(reallocarray_overflow));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mem__zero_bytes_gives_pointer),
        cmocka_unit_test(test_mem__calloc_is_zeroed),
        cmocka_unit_test(test_mem__reallocarray_keeps_contents),
        cmocka_unit_test(test_mem__copies_of_text_end_with_nul),
        cmocka_unit_test(test_mem__take_leaves_null),
        cmocka_unit_test(test_mem__impossible_size_ends_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
