/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include "base/map.h"

static int freed;

static void count_free(void *p)
{
    freed++;
    fl_free(p);
}

static int *boxed(int v)
{
    int *p = FL_NEW(int);
    *p = v;
    return p;
}

static struct fl_str key_of(char text[24], int i)
{
    int n = snprintf(text, 24, "key-%d", i);
    return (struct fl_str){text, (size_t)n};
}

static int value_of(const struct fl_map *m, int i)
{
    char text[24];
    const int *p = fl_map_get(m, key_of(text, i));
    return p ? *p : -1;
}

static void test_map__set_get_replace_delete(void **state)
{
    (void)state;
    fl_auto(fl_map) m = fl_map_new(count_free);
    freed = 0;
    assert_null(fl_map_get(m, FL_STR("a")));
    assert_false(fl_map_del(m, FL_STR("a")));
    fl_map_set(m, FL_STR("a"), boxed(1));
    fl_map_set(m, FL_STR("b"), boxed(2));
    fl_map_set(m, FL_STR("a"), boxed(3));
    assert_int_equal(freed, 1);
    assert_int_equal(*(int *)fl_map_get(m, FL_STR("a")), 3);
    assert_int_equal(fl_map_len(m), 2);
    assert_true(fl_map_del(m, FL_STR("a")));
    assert_int_equal(freed, 2);
    assert_null(fl_map_get(m, FL_STR("a")));
    assert_int_equal(fl_map_len(m), 1);
}

static void test_map__same_value_again_is_not_freed(void **state)
{
    (void)state;
    fl_auto(fl_map) m = fl_map_new(count_free);
    freed = 0;
    int *p = boxed(1);
    fl_map_set(m, FL_STR("a"), p);
    fl_map_set(m, FL_STR("a"), p);
    assert_int_equal(freed, 0);
    assert_int_equal(*(int *)fl_map_get(m, FL_STR("a")), 1);
}

static void test_map__take_gives_value_away(void **state)
{
    (void)state;
    fl_auto(fl_map) m = fl_map_new(count_free);
    freed = 0;
    fl_map_set(m, FL_STR("a"), boxed(1));
    int *p = fl_map_take(m, FL_STR("a"));
    assert_int_equal(*p, 1);
    assert_null(fl_map_take(m, FL_STR("a")));
    assert_int_equal(freed, 0);
    fl_free(p);
}

static void test_map__keys_are_copies_of_any_bytes(void **state)
{
    (void)state;
    fl_auto(fl_map) m = fl_map_new(NULL);
    int one;
    int two;
    int three;
    char key[] = "k";
    fl_map_set(m, (struct fl_str){NULL, 0}, &one);
    fl_map_set(m, (struct fl_str){"a\0b", 3}, &two);
    fl_map_set(m, (struct fl_str){key, 1}, &three);
    key[0] = 'x';
    assert_ptr_equal(fl_map_get(m, FL_STR("")), &one);
    assert_ptr_equal(fl_map_get(m, (struct fl_str){"a\0b", 3}), &two);
    assert_null(fl_map_get(m, (struct fl_str){"a\0c", 3}));
    assert_null(fl_map_get(m, FL_STR("a")));
    assert_ptr_equal(fl_map_get(m, FL_STR("k")), &three);
}

/* Against a plain array of what must be there: thousands of changes, through several rebuilds. */
static void test_map__many_changes_agree_with_model(void **state)
{
    (void)state;
    enum { KEYS = 700, STEPS = 60000 };
    static int model[KEYS];
    fl_auto(fl_map) m = fl_map_new(count_free);
    uint64_t random = 88172645463325252u;
    size_t live = 0;
    freed = 0;
    int made = 0;
    for (int step = 0; step < STEPS; step++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        int i = (int)(random % KEYS);
        char text[24];
        /* Phases of mostly growing and mostly shrinking. */
        bool set = random / KEYS % 100 < (step / 10000 % 2 ? 20 : 80);
        if (set) {
            live += model[i] == 0;
            model[i] = step + 1;
            fl_map_set(m, key_of(text, i), boxed(step + 1));
            made++;
        } else {
            assert_int_equal(fl_map_del(m, key_of(text, i)), model[i] != 0);
            live -= model[i] != 0;
            model[i] = 0;
        }
        assert_int_equal(fl_map_len(m), live);
    }
    for (int i = 0; i < KEYS; i++) {
        assert_int_equal(value_of(m, i), model[i] ? model[i] : -1);
    }
    assert_int_equal(made - freed, live);
    fl_map_clear(m);
    assert_int_equal(made, freed);
}

static void test_map__iteration_sees_each_once(void **state)
{
    (void)state;
    enum { KEYS = 100 };
    fl_auto(fl_map) m = fl_map_new(NULL);
    static int values[KEYS];
    for (int i = 0; i < KEYS; i++) {
        char text[24];
        fl_map_set(m, key_of(text, i), &values[i]);
    }
    size_t it = 0;
    struct fl_str key;
    void *value;
    int seen = 0;
    while (fl_map_next(m, &it, &key, &value)) {
        int i = (int)((int *)value - values);
        char text[24];
        assert_true(fl_str_eq(key, key_of(text, i)));
        values[i]++;
        seen++;
    }
    assert_int_equal(seen, KEYS);
    for (int i = 0; i < KEYS; i++) {
        assert_int_equal(values[i], 1);
    }
}

static void test_map__deleting_during_iteration_loses_nothing(void **state)
{
    (void)state;
    enum { KEYS = 200 };
    fl_auto(fl_map) m = fl_map_new(count_free);
    freed = 0;
    for (int i = 0; i < KEYS; i++) {
        char text[24];
        fl_map_set(m, key_of(text, i), boxed(i));
    }
    size_t it = 0;
    struct fl_str key;
    void *value;
    int seen = 0;
    while (fl_map_next(m, &it, &key, &value)) {
        seen++;
        if (*(int *)value % 2 == 0) {
            assert_true(fl_map_del(m, key)); /* the key is the map's own */
        }
    }
    assert_int_equal(seen, KEYS);
    assert_int_equal(freed, KEYS / 2);
    assert_int_equal(fl_map_len(m), KEYS / 2);
    assert_int_equal(value_of(m, 3), 3);
    assert_int_equal(value_of(m, 4), -1);
}

static void test_map__clear_leaves_usable(void **state)
{
    (void)state;
    fl_auto(fl_map) m = fl_map_new(count_free);
    freed = 0;
    fl_map_clear(m);
    fl_map_set(m, FL_STR("a"), boxed(1));
    fl_map_clear(m);
    assert_int_equal(freed, 1);
    assert_int_equal(fl_map_len(m), 0);
    assert_null(fl_map_get(m, FL_STR("a")));
    fl_map_set(m, FL_STR("a"), boxed(2));
    assert_int_equal(*(int *)fl_map_get(m, FL_STR("a")), 2);
    size_t it = 0;
    struct fl_str key;
    void *value;
    assert_true(fl_map_next(m, &it, &key, &value));
    assert_false(fl_map_next(m, &it, &key, &value));
    fl_map_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map__set_get_replace_delete),
        cmocka_unit_test(test_map__same_value_again_is_not_freed),
        cmocka_unit_test(test_map__take_gives_value_away),
        cmocka_unit_test(test_map__keys_are_copies_of_any_bytes),
        cmocka_unit_test(test_map__many_changes_agree_with_model),
        cmocka_unit_test(test_map__iteration_sees_each_once),
        cmocka_unit_test(test_map__deleting_during_iteration_loses_nothing),
        cmocka_unit_test(test_map__clear_leaves_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
