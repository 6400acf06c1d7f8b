/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "wire/json.h"
#include "wire/scan.h"

static void assert_writes(const char *name, const struct fl_json *j, const char *want)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_json_write(j, &b);
    if (strcmp(b.data, want) != 0) {
        fail_msg("%s: got %s", name, b.data);
    }
}

static void test_parse__what_is_written_is_what_was_read(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *in;
        const char *want; /* NULL: the same */
    } rows[] = {
        {"null", "null", NULL},
        {"true", "true", NULL},
        {"false", "false", NULL},
        {"int", "-12", NULL},
        {"largest int64", "9223372036854775807", NULL},
        {"smallest int64", "-9223372036854775808", NULL},
        {"beyond int64", "9223372036854775808", NULL},
        {"far beyond", "123456789012345678901234567890", NULL},
        {"double keeps its text", "1.50", NULL},
        {"exponent keeps its text", "1E+2", NULL},
        {"beyond double", "[1e400,-1e400,1e-400]", NULL},
        {"minus zero", "-0.0", NULL},
        {"string", "\"a/b\"", NULL},
        {"escaped slash", "\"a\\/b\"", "\"a/b\""},
        {"escapes", "\"\\u0041\\n\\\"\\\\\"", "\"A\\n\\\"\\\\\""},
        {"NUL in a string", "\"a\\u0000b\"", NULL},
        {"unicode", "\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\""},
        {"order of keys", "{\"b\":1,\"a\":2,\"c\":{\"z\":null}}", NULL},
        {"space", " { \"a\" : [ 1 , 2 ] , \"b\" : { } } ", "{\"a\":[1,2],\"b\":{}}"},
        {"empty", "[{},[],\"\"]", NULL},
        {"nulls", "[null,{\"a\":null}]", NULL},
        {"empty key", "{\"\":1}", NULL},
        {"escaped key", "{\"a\\nb\":1}", NULL},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_json) j = NULL;
        struct fl_err err = FL_ERR_INIT;
        /* An exact copy on the heap lets the address sanitizer see a read past the end. */
        size_t n = strlen(rows[i].in);
        char *copy = fl_malloc(n);
        memcpy(copy, rows[i].in, n);
        int rc = fl_json_parse((struct fl_str){copy, n}, 1000, &j, &err);
        fl_free(copy);
        if (rc) {
            fail_msg("%s: %s", rows[i].name, err.msg);
        }
        const char *want = rows[i].want ? rows[i].want : rows[i].in;
        assert_writes(rows[i].name, j, want);
        fl_auto(fl_json) again = fl_json_copy(j);
        assert_writes(rows[i].name, again, want);
        if (!fl_json_equal(j, again)) {
            fail_msg("%s: the copy differs", rows[i].name);
        }
    }
}

static void test_parse__refuses_what_the_check_refuses_and_what_is_too_long(void **state)
{
    (void)state;
    struct fl_json *j = NULL;
    struct fl_err err = FL_ERR_INIT;
    assert_int_equal(fl_json_parse(FL_STR("{\"a\":1,\"a\":2}"), 100, &j, &err), FL_E_BAD_DATA);
    assert_int_equal(fl_json_parse(FL_STR(""), 100, &j, &err), FL_E_BAD_DATA);
    assert_int_equal(fl_json_parse(FL_STR("[1,2]"), 4, &j, &err), FL_E_TOO_BIG);
    assert_null(j);
    assert_int_equal(fl_json_parse(FL_STR("[1,2]"), 5, &j, &err), 0);
    fl_json_free(j);
}

static void test_parse__deepest_text_is_read_written_and_freed(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    for (int i = 0; i < FL_JSON_DEPTH_MAX; i++) {
        fl_buf_text(&b, "[");
    }
    for (int i = 0; i < FL_JSON_DEPTH_MAX; i++) {
        fl_buf_text(&b, "]");
    }
    fl_auto(fl_json) j = fl_json_literal(b.data);
    assert_writes("deep", j, b.data);
}

static void test_get__absent_null_and_empty_are_three_things(void **state)
{
    (void)state;
    fl_auto(fl_json) j = fl_json_literal("{\"n\":null,\"e\":{},\"s\":\"\",\"l\":[null]}");
    assert_null(fl_json_get(j, "absent"));
    assert_true(fl_json_is(fl_json_get(j, "n"), FL_JSON_NULL));
    assert_true(fl_json_is(fl_json_get(j, "e"), FL_JSON_OBJECT));
    assert_int_equal(fl_json_len(fl_json_get(j, "e")), 0);
    assert_string_equal(fl_json_get_text(j, "s"), "");
    assert_null(fl_json_get_text(j, "n"));
    assert_true(fl_json_is(fl_json_at(fl_json_get(j, "l"), 0), FL_JSON_NULL));
    assert_null(fl_json_at(fl_json_get(j, "l"), 1));
    assert_false(fl_json_is(NULL, FL_JSON_NULL));
    /* Everything that takes a node bears a null node and an absent one. */
    const struct fl_json *none[] = {NULL, fl_json_get(j, "n")};
    for (size_t i = 0; i < FL_LEN(none); i++) {
        int64_t v;
        assert_null(fl_json_get(none[i], "x"));
        assert_null(fl_json_path(none[i], "x.y"));
        assert_null(fl_json_at(none[i], 0));
        assert_int_equal(fl_json_len(none[i]), 0);
        assert_null(fl_json_as_text(none[i]));
        assert_false(fl_json_as_i64(none[i], &v));
        struct fl_json_iter it = fl_json_iter(none[i]);
        assert_false(fl_json_next(&it));
    }
    fl_json_free(fl_json_null());
    fl_json_free(NULL);
    assert_true(fl_json_ref(fl_json_null()) == fl_json_null());
    assert_true(fl_json_equal(fl_json_null(), fl_json_null()));
    assert_false(fl_json_equal(fl_json_null(), NULL));
    assert_true(fl_json_equal(NULL, NULL));
}

static void test_path__walks_objects_only(void **state)
{
    (void)state;
    fl_auto(fl_json) j = fl_json_literal("{\"a\":{\"b\":{\"c\":1}},\"l\":[{\"x\":1}],\"n\":null}");
    int64_t v = 0;
    assert_true(fl_json_as_i64(fl_json_path(j, "a.b.c"), &v));
    assert_int_equal(v, 1);
    assert_true(fl_json_path(j, "a") == fl_json_get(j, "a"));
    assert_null(fl_json_path(j, "a.x.c"));
    assert_null(fl_json_path(j, "a.b.c.d"));
    assert_null(fl_json_path(j, "l.x"));
    assert_null(fl_json_path(j, "n.x"));
    assert_true(fl_json_is(fl_json_path(j, "n"), FL_JSON_NULL));
}

static void test_set__replaces_in_place_and_adds_at_the_end(void **state)
{
    (void)state;
    fl_auto(fl_json) j = fl_json_literal("{\"a\":1,\"b\":{\"x\":1},\"c\":3}");
    fl_json_set(j, "b", fl_json_text("new"));
    fl_json_set(j, "d", fl_json_null());
    fl_json_set_str(j, FL_STR("e"), fl_json_bool(true));
    assert_writes("set", j, "{\"a\":1,\"b\":\"new\",\"c\":3,\"d\":null,\"e\":true}");
    fl_json_del(j, "a");
    fl_json_del(j, "absent");
    fl_json_set(j, "d", fl_json_int(4));
    fl_json_set(j, "e", fl_json_text(NULL));
    assert_writes("del", j, "{\"b\":\"new\",\"c\":3,\"d\":4,\"e\":null}");
    assert_int_equal(fl_json_len(j), 4);
}

static void test_set_str__long_and_odd_keys_keep_their_text(void **state)
{
    (void)state;
    fl_auto(fl_json) j = fl_json_object();
    char key[300];
    memset(key, 'k', sizeof(key));
    fl_json_set_str(j, (struct fl_str){key, sizeof(key)}, fl_json_int(1));
    fl_json_set_str(j, (struct fl_str){key, sizeof(key) - 1}, fl_json_int(2));
    fl_json_set_str(j, (struct fl_str){NULL, 0}, fl_json_int(3));
    fl_json_set_str(j, FL_STR("a\0b"), fl_json_int(4));
    int64_t v = 0;
    assert_true(fl_json_as_i64(fl_json_get_str(j, (struct fl_str){key, sizeof(key)}), &v));
    assert_int_equal(v, 1);
    assert_true(fl_json_as_i64(fl_json_get_str(j, (struct fl_str){key, sizeof(key) - 1}), &v));
    assert_int_equal(v, 2);
    assert_true(fl_json_as_i64(fl_json_get(j, ""), &v));
    assert_int_equal(v, 3);
    assert_null(fl_json_get(j, "a"));
    assert_true(fl_json_as_i64(fl_json_get(j, "a\xef\xbf\xbd"
                                              "b"),
                               &v));
    assert_int_equal(v, 4);
}

static void test_iter__goes_in_insertion_order(void **state)
{
    (void)state;
    fl_auto(fl_json) j = fl_json_literal("{\"z\":1,\"a\":null,\"m\":[]}");
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_json_iter it = fl_json_iter(j);
    while (fl_json_next(&it)) {
        fl_buf_fmt(&b, "%.*s:%d ", FL_STR_ARG(it.key), (int)fl_json_type(it.value));
    }
    assert_string_equal(b.data, "z:2 a:0 m:5 ");
}

static void test_array__push_insert_put_remove(void **state)
{
    (void)state;
    fl_auto(fl_json) j = fl_json_array();
    fl_json_insert(j, 0, fl_json_int(2));
    fl_json_insert(j, 0, fl_json_int(0));
    fl_json_insert(j, 1, fl_json_null());
    fl_json_push(j, fl_json_text("end"));
    fl_json_insert(j, 4, fl_json_int(9));
    for (int i = 0; i < 40; i++) {
        fl_json_insert(j, 5, fl_json_int(i));
    }
    for (int i = 0; i < 40; i++) {
        fl_json_remove(j, 5);
    }
    assert_writes("insert", j, "[0,null,2,\"end\",9]");
    fl_json_put(j, 0, fl_json_null());
    fl_json_put(j, 1, fl_json_object());
    fl_json_remove(j, 4);
    fl_json_remove(j, 2);
    assert_writes("remove", j, "[null,{},\"end\"]");
    assert_int_equal(fl_json_len(j), 3);
}

static void test_equal__types_first_and_order_of_keys_does_not_matter(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        bool want;
    } rows[] = {
        {"1", "1", true},
        {"1", "1.0", false},
        {"1.0", "1.00", true},
        {"1.5", "15e-1", true},
        {"1.5", "1.6", false},
        {"9223372036854775808", "9223372036854775809", false},
        {"9223372036854775808", "9223372036854775808", true},
        {"1e400", "1e400", true},
        {"1e400", "1e500", false},
        {"1e400", "1.0", false},
        {"null", "null", true},
        {"null", "false", false},
        {"true", "false", false},
        {"\"a\"", "\"a\"", true},
        {"\"a\"", "\"b\"", false},
        {"\"a\"", "\"a\\u0000\"", false},
        {"\"1\"", "1", false},
        {"[]", "{}", false},
        {"[1,2]", "[1,2]", true},
        {"[1,2]", "[2,1]", false},
        {"[1]", "[1,null]", false},
        {"{\"a\":1,\"b\":{\"c\":null}}", "{\"b\":{\"c\":null},\"a\":1}", true},
        {"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
        {"{\"a\":null}", "{\"b\":null}", false},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_json) a = fl_json_literal(rows[i].a);
        fl_auto(fl_json) b = fl_json_literal(rows[i].b);
        if (fl_json_equal(a, b) != rows[i].want || fl_json_equal(b, a) != rows[i].want) {
            fail_msg("%s and %s", rows[i].a, rows[i].b);
        }
    }
}

static void test_copy__shares_nothing(void **state)
{
    (void)state;
    fl_auto(fl_json) j = fl_json_literal("{\"a\":{\"b\":[1]},\"d\":0.1}");
    fl_auto(fl_json) copy = fl_json_copy(j);
    fl_json_push(fl_json_path(copy, "a.b"), fl_json_int(2));
    fl_json_set(fl_json_get(copy, "a"), "c", fl_json_int(3));
    assert_writes("original", j, "{\"a\":{\"b\":[1]},\"d\":0.1}");
    assert_writes("copy", copy, "{\"a\":{\"b\":[1,2],\"c\":3},\"d\":0.1}");
    assert_null(fl_json_copy(NULL));
}

static void test_ref__one_node_in_two_places(void **state)
{
    (void)state;
    fl_auto(fl_json) j = fl_json_literal("{\"a\":{\"x\":1}}");
    fl_json_set(j, "b", fl_json_ref(fl_json_get(j, "a")));
    fl_json_del(j, "a");
    assert_writes("ref", j, "{\"b\":{\"x\":1}}");
}

static void test_scalars__types_are_not_mixed(void **state)
{
    (void)state;
    fl_auto(fl_json) j =
        fl_json_literal("{\"i\":5,\"d\":5.5,\"whole\":5.0,\"big\":1e19,\"huge\":1e400,"
                        "\"u\":18446744073709551615,\"s\":\"5\",\"z\":\"a\\u0000\","
                        "\"b\":true}");
    int64_t i = 0;
    double d = 0;
    bool b = false;
    struct fl_str s = {NULL, 0};
    assert_true(fl_json_as_i64(fl_json_get(j, "i"), &i));
    assert_int_equal(i, 5);
    assert_false(fl_json_as_i64(fl_json_get(j, "d"), &i));
    assert_false(fl_json_as_i64(fl_json_get(j, "whole"), &i));
    assert_false(fl_json_as_i64(fl_json_get(j, "u"), &i));
    assert_false(fl_json_as_i64(fl_json_get(j, "s"), &i));
    assert_false(fl_json_as_i64(fl_json_get(j, "b"), &i));
    assert_true(fl_json_as_double(fl_json_get(j, "d"), &d));
    assert_true(d > 5.49 && d < 5.51);
    assert_true(fl_json_as_double(fl_json_get(j, "i"), &d));
    assert_true(d > 4.99 && d < 5.01);
    assert_true(fl_json_as_double(fl_json_get(j, "big"), &d));
    assert_true(d > 0.99e19 && d < 1.01e19);
    assert_false(fl_json_as_double(fl_json_get(j, "huge"), &d));
    assert_false(fl_json_as_double(fl_json_get(j, "s"), &d));
    assert_true(fl_json_as_bool(fl_json_get(j, "b"), &b));
    assert_true(b);
    assert_false(fl_json_as_bool(fl_json_get(j, "i"), &b));
    assert_true(fl_json_as_str(fl_json_get(j, "z"), &s));
    assert_int_equal(s.n, 2);
    assert_null(fl_json_as_text(fl_json_get(j, "z")));
    assert_false(fl_json_as_str(fl_json_get(j, "i"), &s));
}

static void test_double__shortest_text_that_reads_back(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *want;
    } rows[] = {{0.1, "0.1"},
                {1.0, "1.0"},
                {-2.5, "-2.5"},
                {1e21, "1e+21"},
                {1.0 / 3, "0.3333333333333333"},
                {0.1 + 0.2, "0.30000000000000004"},
                {5e-324, "4.94065645841247e-324"},
                {1e15, "1e+15"},
                {123456789.0, "123456789.0"}};
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_json) j = fl_json_double(rows[i].v);
        assert_writes(rows[i].want, j, rows[i].want);
        fl_auto(fl_json) back = fl_json_literal(rows[i].want);
        if (!fl_json_equal(j, back)) {
            fail_msg("%s does not read back", rows[i].want);
        }
    }
}

static void test_write__stops_at_the_cap_of_the_buffer(void **state)
{
    (void)state;
    fl_auto(fl_json) j = fl_json_literal("[\"aaaa\",\"bbbb\",\"cccc\"]");
    fl_auto_val(fl_buf) b = FL_BUF_INIT(10);
    struct fl_err err = FL_ERR_INIT;
    fl_json_write(j, &b);
    assert_int_equal(fl_buf_finish(&b, "answer", &err), FL_E_TOO_BIG);
}

static void test_write_pretty__as_kube_apiserver(void **state)
{
    (void)state;
    fl_auto(fl_json) j = fl_json_literal("{\"a\":1,\"b\":[1,{\"c\":null}],\"d\":{},\"e\":[]}");
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_json_write_pretty(j, &b);
    assert_string_equal(b.data, "{\n"
                                "  \"a\": 1,\n"
                                "  \"b\": [\n"
                                "    1,\n"
                                "    {\n"
                                "      \"c\": null\n"
                                "    }\n"
                                "  ],\n"
                                "  \"d\": {},\n"
                                "  \"e\": []\n"
                                "}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse__what_is_written_is_what_was_read),
        cmocka_unit_test(test_parse__refuses_what_the_check_refuses_and_what_is_too_long),
        cmocka_unit_test(test_parse__deepest_text_is_read_written_and_freed),
        cmocka_unit_test(test_get__absent_null_and_empty_are_three_things),
        cmocka_unit_test(test_path__walks_objects_only),
        cmocka_unit_test(test_set__replaces_in_place_and_adds_at_the_end),
        cmocka_unit_test(test_set_str__long_and_odd_keys_keep_their_text),
        cmocka_unit_test(test_iter__goes_in_insertion_order),
        cmocka_unit_test(test_array__push_insert_put_remove),
        cmocka_unit_test(test_equal__types_first_and_order_of_keys_does_not_matter),
        cmocka_unit_test(test_copy__shares_nothing),
        cmocka_unit_test(test_ref__one_node_in_two_places),
        cmocka_unit_test(test_scalars__types_are_not_mixed),
        cmocka_unit_test(test_double__shortest_text_that_reads_back),
        cmocka_unit_test(test_write__stops_at_the_cap_of_the_buffer),
        cmocka_unit_test(test_write_pretty__as_kube_apiserver),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
