/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include "base/arena.h"

static bool is_zero(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != 0) {
            return false;
        }
    }
    return true;
}

static void test_arena__memory_is_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    static const size_t sizes[] = {0, 1, 7, 16, 100, 1000, 1500, 3000, 5000, 70000, 3, 300000};
    unsigned char *got[FL_LEN(sizes) * 3];
    for (size_t i = 0; i < FL_LEN(got); i++) {
        size_t n = sizes[i % FL_LEN(sizes)];
        got[i] = fl_arena_alloc(a, n);
        assert_int_equal((uintptr_t)got[i] % _Alignof(max_align_t), 0);
        assert_true(is_zero(got[i], n));
        memset(got[i], (int)i + 1, n);
    }
    for (size_t i = 0; i < FL_LEN(got); i++) {
        size_t n = sizes[i % FL_LEN(sizes)];
        for (size_t j = 0; j < n; j++) {
            assert_int_equal(got[i][j], i + 1);
        }
    }
    assert_true(fl_arena_used(a) >= 3 * (70000 + 300000));
}

static void test_arena__clear_zeroes_again_and_keeps_first_block(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    void *first = NULL;
    for (int pass = 0; pass < 3; pass++) {
        unsigned char *p = fl_arena_alloc(a, 200);
        assert_true(is_zero(p, 200));
        memset(p, 0xee, 200);
        (void)fl_arena_alloc(a, 100000);
        if (pass == 0) {
            first = p;
        }
        assert_ptr_equal(p, first);
        fl_arena_clear(a);
        assert_int_equal(fl_arena_used(a), 0);
    }
}

static void test_arena__unused_is_freed(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    fl_arena_clear(a);
    fl_arena_free(NULL);
    assert_int_equal(fl_arena_used(a), 0);
}

static void test_arena__large_ask_wastes_nothing(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    char *before = fl_arena_alloc(a, 16);
    (void)fl_arena_alloc(a, 1000000);
    char *after = fl_arena_alloc(a, 16);
    assert_true(after - before >= 16 && after - before <= 48); /* the same block goes on */
}

static void test_arena__texts_are_copies(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    char source[] = "source";
    char *copy = fl_arena_text(a, source);
    char *part = fl_arena_str(a, (struct fl_str){source + 1, 3});
    source[1] = 'X';
    assert_string_equal(copy, "source");
    assert_string_equal(part, "our");
    assert_null(fl_arena_text(a, NULL));
    assert_string_equal(fl_arena_str(a, (struct fl_str){NULL, 0}), "");
    assert_string_equal(fl_arena_fmt(a, "%s/%05d", "x", 42), "x/00042");
}

static void test_arena__grow_keeps_elements(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    uint64_t *list = NULL;
    for (size_t n = 0; n < 1000; n++) {
        list = fl_arena_grow(a, list, n, sizeof(*list));
        assert_int_equal(list[n], 0);
        list[n] = n * 3 + 1;
    }
    for (size_t n = 0; n < 1000; n++) {
        assert_int_equal(list[n], n * 3 + 1);
    }
    assert_true(fl_arena_used(a) < 1000 * sizeof(*list) * 5);
}

static void array_overflow(void)
{
    struct fl_arena *a = fl_arena_new();
    (void)fl_arena_array(a, SIZE_MAX / 4, 8);
}

static void alloc_impossible(void)
{
    struct fl_arena *a = fl_arena_new();
    (void)fl_arena_alloc(a, SIZE_MAX - 8);
}

static void test_arena__overflow_ends_process(void **state)
{
    (void)state;
    assert_true(aborts(array_overflow));
    assert_true(aborts(alloc_impossible));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena__memory_is_zeroed_aligned_and_apart),
        cmocka_unit_test(test_arena__clear_zeroes_again_and_keeps_first_block),
        cmocka_unit_test(test_arena__unused_is_freed),
        cmocka_unit_test(test_arena__large_ask_wastes_nothing),
        cmocka_unit_test(test_arena__texts_are_copies),
        cmocka_unit_test(test_arena__grow_keeps_elements),
        cmocka_unit_test(test_arena__overflow_ends_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
