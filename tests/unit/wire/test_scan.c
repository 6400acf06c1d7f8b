/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "wire/scan.h"

struct row {
    const char *name;
    struct fl_str in;
    const char *want; /* NULL: passes; otherwise part of the message */
};

#define ROW(name, in, want)                                                                        \
    {                                                                                              \
        name, {in, sizeof(in) - 1}, want                                                           \
    }

static const struct row check_rows[] = {
    ROW("object", "{\"a\":1,\"b\":[true,false,null,\"x\"]}", NULL),
    ROW("all white space", " \t\r\n{ \"a\" : [ 1 , 2 ] } \n", NULL),
    ROW("empty containers", "[{},[],{\"a\":{}}]", NULL),
    ROW("bare string", "\"x\"", NULL),
    ROW("bare number", "12", NULL),
    ROW("numbers", "[0,-0,10,-1,1.5,1e9,1E+9,1.25e-300,123456789012345678901234567890]", NULL),
    ROW("escapes", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"", NULL),
    ROW("surrogate pair", "\"\\ud83d\\ude00\"", NULL),
    ROW("utf-8", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", NULL),
    ROW("delete is no control character", "\"\x7f\"", NULL),
    ROW("escaped NUL in a value", "\"a\\u0000b\"", NULL),
    ROW("same key in two objects", "[{\"a\":1},{\"a\":1}]", NULL),
    ROW("same key in parent and child", "{\"a\":{\"a\":1}}", NULL),
    ROW("empty key", "{\"\":1}", NULL),
    ROW("long plain string", "\"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\"", NULL),

    ROW("nothing", "", "offset 0 (line 1, column 1): unexpected end of the text"),
    ROW("only space", "  ", "offset 2 (line 1, column 3): unexpected end of the text"),
    ROW("two values", "1 2", "offset 2 (line 1, column 3): more text"),
    ROW("two objects", "{}{}", "offset 2 (line 1, column 3): more text"),
    ROW("position counts lines", "{\n \"a\": x}", "offset 8 (line 2, column 7): expected a value"),
    ROW("trailing comma in array", "[1,]", "offset 3 (line 1, column 4): expected a value"),
    ROW("trailing comma in object", "{\"a\":1,}", "expected a key"),
    ROW("leading comma", "[,1]", "expected a value"),
    ROW("lone comma in object", "{,}", "expected a key"),
    ROW("missing comma", "[1 2]", "expected ',' or ']'"),
    ROW("missing comma in object", "{\"a\":1 \"b\":2}", "expected ',' or '}'"),
    ROW("wrong bracket", "[1}", "expected ',' or ']'"),
    ROW("wrong brace", "{\"a\":1]", "expected ',' or '}'"),
    ROW("closing first", "]", "expected a value"),
    ROW("brace for value", "[}", "expected a value"),
    ROW("no colon", "{\"a\" 1}", "expected ':'"),
    ROW("no value", "{\"a\":}", "expected a value"),
    ROW("key without quotes", "{a:1}", "expected a key"),
    ROW("key in single quotes", "{'a':1}", "expected a key"),
    ROW("number as key", "{1:1}", "expected a key"),
    ROW("string in single quotes", "'a'", "expected a value"),
    ROW("open object", "{\"a\":1", "unexpected end of the text"),
    ROW("open array", "[1,", "unexpected end of the text"),
    ROW("open string", "\"abc", "unexpected end in a string"),
    ROW("open escape", "\"abc\\", "unexpected end in a string"),
    ROW("newline in string", "\"a\nb\"", "control character in a string"),
    ROW("tab in string", "\"a\tb\"", "control character in a string"),
    ROW("control late in string", "\"abcdefghijklmno\x01pqrstuvwx\"", "offset 16"),
    ROW("NUL in string", "\"a\0b\"", "control character in a string"),
    ROW("NUL after value", "1\0", "more text"),
    ROW("unknown escape", "\"\\x41\"", "unknown escape"),
    ROW("escape of NUL byte", "\"\\\0\"", "unknown escape"),
    ROW("short unicode escape", "\"\\u12\"", "\\u without four"),
    ROW("bad unicode escape", "\"\\u12g4\"", "\\u without four"),
    ROW("lone high surrogate", "\"\\ud83d\"", "lone surrogate"),
    ROW("lone low surrogate", "\"\\ude00\"", "lone surrogate"),
    ROW("two high surrogates", "\"\\ud83d\\ud83d\"", "lone surrogate"),
    ROW("high surrogate then text", "\"\\ud83dabcdef\"", "lone surrogate"),
    ROW("high surrogate then other escape", "\"\\ud83d\\n12345\"", "lone surrogate"),
    ROW("NUL in key", "{\"a\\u0000\":1}", "\\u0000 in a key"),
    ROW("overlong utf-8", "\"\xc0\xaf\"", "invalid UTF-8"),
    ROW("surrogate as utf-8", "\"\xed\xa0\x80\"", "invalid UTF-8"),
    ROW("utf-8 beyond unicode", "\"\xf4\x90\x80\x80\"", "invalid UTF-8"),
    ROW("cut utf-8", "\"\xe2\x82", "invalid UTF-8"),
    ROW("continuation byte alone", "\"\x80\"", "invalid UTF-8"),
    ROW("byte order mark", "\xef\xbb\xbf{}", "expected a value"),
    ROW("leading zero", "01", "more text"),
    ROW("plus", "+1", "expected a value"),
    ROW("lone minus", "-", "malformed number"),
    ROW("minus word", "-a", "malformed number"),
    ROW("no digit before point", ".5", "expected a value"),
    ROW("no digit after point", "1.", "malformed number"),
    ROW("no digit in exponent", "1e", "malformed number"),
    ROW("only sign in exponent", "1e+", "malformed number"),
    ROW("hexadecimal", "0x10", "more text"),
    ROW("NaN", "NaN", "expected a value"),
    ROW("Infinity", "-Infinity", "malformed number"),
    ROW("upper case word", "True", "expected a value"),
    ROW("cut word", "[tru]", "expected a value"),
    ROW("longer word", "[nulls]", "expected ',' or ']'"),
    ROW("comment", "/* x */ 1", "expected a value"),

    ROW("duplicate", "{\"a\":1,\"b\":2,\"a\":3}",
        "offset 13 (line 1, column 14): duplicate key \"a\""),
    ROW("duplicate empty key", "{\"\":1,\"\":2}", "duplicate key \"\""),
    ROW("duplicate by escape", "{\"a\":1,\"\\u0061\":2}", "duplicate key"),
    ROW("duplicate by different escapes", "{\"\\n\":1,\"\\u000a\":2}", "duplicate key"),
    ROW("duplicate by long escape", "{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2}",
        "duplicate key"),
    ROW("no duplicate by backslash", "{\"\\\\n\":1,\"\\n\":2}", NULL),
    ROW("no duplicate by prefix", "{\"ab\":1,\"a\":2,\"\":3,\"abc\":4}", NULL),
    ROW("duplicate in nested object", "{\"x\":[{\"a\":1,\"a\":2}]}", "duplicate key \"a\""),
    ROW("duplicate after nested object", "{\"a\":{\"b\":1,\"c\":2},\"a\":2}",
        "duplicate key \"a\""),
    ROW("duplicate among many",
        "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,\"c\":1}",
        "offset 61 (line 1, column 62): duplicate key \"c\""),
};

static void test_check__table_of_texts_is_judged_by_rfc_8259(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(check_rows); i++) {
        const struct row *row = &check_rows[i];
        struct fl_err err = FL_ERR_INIT;
        /* An exact copy on the heap lets the address sanitizer see a read past the end. */
        char *copy = fl_malloc(row->in.n);
        memcpy(copy, row->in.p, row->in.n);
        int rc = fl_json_check((struct fl_str){copy, row->in.n}, &err);
        fl_free(copy);
        if (!row->want != !rc) {
            fail_msg("%s: got %d \"%s\"", row->name, rc, err.msg);
        }
        if (row->want && (rc != FL_E_BAD_DATA || !strstr(err.msg, row->want))) {
            fail_msg("%s: got %d \"%s\"", row->name, rc, err.msg);
        }
    }
}

static void test_check__every_prefix_of_a_text_fails(void **state)
{
    (void)state;
    const char *text = "{\"a\":[1.5e+3,\"\\ud83d\\ude00\xc3\xa9\",true,null],\"b\":{}}";
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++) {
        char *copy = fl_strndup(text, i);
        int rc = fl_json_check((struct fl_str){copy, i}, NULL);
        fl_free(copy);
        if (rc != FL_E_BAD_DATA) {
            fail_msg("the first %zu bytes passed", i);
        }
    }
    assert_int_equal(fl_json_check((struct fl_str){text, n}, NULL), 0);
}

static void nest(struct fl_buf *b, size_t depth, bool objects)
{
    fl_buf_clear(b);
    for (size_t i = 0; i < depth; i++) {
        fl_buf_text(b, objects ? "{\"a\":" : "[");
    }
    fl_buf_text(b, "1");
    for (size_t i = 0; i < depth; i++) {
        fl_buf_text(b, objects ? "}" : "]");
    }
}

static void test_check__depth_stops_at_the_cap(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    for (int objects = 0; objects < 2; objects++) {
        struct fl_err err = FL_ERR_INIT;
        nest(&b, FL_JSON_DEPTH_MAX, objects);
        assert_int_equal(fl_json_check(fl_buf_slice(&b), &err), 0);
        nest(&b, FL_JSON_DEPTH_MAX + 1, objects);
        assert_int_equal(fl_json_check(fl_buf_slice(&b), &err), FL_E_BAD_DATA);
        assert_non_null(strstr(err.msg, "nested too deeply"));
    }
}

static void many_keys(struct fl_buf *b, size_t n, size_t repeated)
{
    fl_buf_clear(b);
    fl_buf_char(b, '{');
    for (size_t i = 0; i < n; i++) {
        fl_buf_fmt(b, "%s\"k%zu\":{\"x\":1}", i ? "," : "", i);
    }
    if (repeated < n) {
        fl_buf_fmt(b, ",\"k%zu\":0", repeated);
    }
    fl_buf_char(b, '}');
}

static void test_check__duplicates_in_objects_of_any_size_are_found(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    static const size_t sizes[] = {1, 2, 7, 8, 9, 127, 128, 129, 255, 256, 257, 5000, 200000};
    for (size_t i = 0; i < FL_LEN(sizes); i++) {
        size_t n = sizes[i];
        size_t repeats[] = {0, n / 2, n - 1};
        many_keys(&b, n, n);
        if (fl_json_check(fl_buf_slice(&b), NULL) != 0) {
            fail_msg("%zu keys: refused", n);
        }
        for (size_t r = 0; r < FL_LEN(repeats); r++) {
            many_keys(&b, n, repeats[r]);
            if (fl_json_check(fl_buf_slice(&b), NULL) != FL_E_BAD_DATA) {
                fail_msg("%zu keys: repeated key %zu passed", n, repeats[r]);
            }
        }
    }
}

static void add_dup(void *arg, struct fl_str path)
{
    fl_buf_str(arg, path);
    fl_buf_char(arg, ';');
}

static void test_check_dup__paths_of_duplicates_are_listed_once(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *in;
        const char *want;
    } rows[] = {
        {"none", "{\"a\":{\"b\":1}}", ""},
        {"at the root", "{\"a\":1,\"a\":2}", "a;"},
        {"thrice is told once", "{\"a\":1,\"a\":2,\"a\":3}", "a;"},
        {"two keys", "{\"a\":1,\"b\":2,\"b\":3,\"a\":4}", "b;a;"},
        {"nested", "{\"spec\":{\"x\":1,\"y\":{},\"x\":2}}", "spec.x;"},
        {"in a list", "{\"spec\":{\"l\":[{},{\"n\":[0,{\"x\":1,\"x\":2}]}]}}", "spec.l[1].n[1].x;"},
        {"list at the root", "[[{\"x\":1,\"x\":2}]]", "[0][0].x;"},
        {"escaped key", "{\"a\\nb\":{\"\\u0063\":1,\"c\":2}}", "a\nb.c;"},
        {"under a repeated key", "{\"a\":{\"x\":1,\"x\":1},\"a\":{\"y\":1,\"y\":1}}", "a.x;a.y;a;"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) got = FL_BUF_INIT(FL_BUF_ANY);
        struct fl_err err = FL_ERR_INIT;
        int rc = fl_json_check_dup(fl_str_of(rows[i].in), add_dup, &got, &err);
        if (rc || strcmp(got.data, rows[i].want) != 0) {
            fail_msg("%s: got %d \"%s\" %s", rows[i].name, rc, got.data, err.msg);
        }
    }
}

static void test_check_dup__other_faults_still_fail(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) got = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_err err = FL_ERR_INIT;
    assert_int_equal(fl_json_check_dup(FL_STR("{\"a\":1,\"a\":}"), add_dup, &got, &err),
                     FL_E_BAD_DATA);
}

static const char object_text[] =
    " { \"kind\" : \"Secret\" , \"metadata\":{\"name\":\"a\\\"b\",\"labels\":{\"x\":\"}\"},"
    "\"generation\": 7},\"list\":[1, \"]\" ,{\"a\":[]},null], \"e\\u0073c\":\"\\u00e9\\n\","
    "\"yes\":true,\"no\":false,\"nil\":null,\"big\":99999999999999999999,\"half\":0.5} ";

static void test_path__members_are_found_as_raw_text(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        const char *want;
    } rows[] = {
        {"kind", "\"Secret\""},
        {"metadata.name", "\"a\\\"b\""},
        {"metadata.labels", "{\"x\":\"}\"}"},
        {"metadata.labels.x", "\"}\""},
        {"metadata.generation", "7"},
        {"list", "[1, \"]\" ,{\"a\":[]},null]"},
        {"esc", "\"\\u00e9\\n\""},
        {"half", "0.5"},
        {"absent", ""},
        {"metadata.absent.x", ""},
        {"kind.x", ""},
        {"list.a", ""},
        {"", ""},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_str got = fl_scan_path(fl_str_of(object_text), rows[i].path);
        if (!fl_str_is(got, rows[i].want)) {
            fail_msg("%s: got %.*s", rows[i].path, FL_STR_ARG(got));
        }
    }
}

static void test_get__key_is_plain_text(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a.b/c\":1,\"x\\\\ny\":2,\"x\\ny\":3,\"\\ud83d\\ude00\":4,\"\":5,\"\\u0061\\u0062\":6}";
    static const struct {
        const char *key;
        const char *want;
    } rows[] = {{"a.b/c", "1"},       {"x\\ny", "2"}, {"x\ny", "3"}, {"\xf0\x9f\x98\x80", "4"},
                {"\xf0\x9f\x98", ""}, {"", "5"},      {"ab", "6"},   {"a", ""},
                {"abc", ""},          {"a.b", ""}};
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_str got = fl_scan_get(fl_str_of(text), fl_str_of(rows[i].key));
        if (!fl_str_is(got, rows[i].want)) {
            fail_msg("%s: got %.*s", rows[i].key, FL_STR_ARG(got));
        }
    }
}

static void test_next__walks_objects_and_arrays(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *in;
        const char *want;
    } rows[] = {
        {"object", "{\"a\":1, \"b\" : [2,3] ,\"c\":{\"d\":4}}", "a=1;b=[2,3];c={\"d\":4};"},
        {"array", "[1, \"x,y\" ,[2],{}]", "=1;=\"x,y\";=[2];={};"},
        {"empty object", " { } ", ""},
        {"empty array", "[ ]", ""},
        {"space before", " \n [ 1 ]", "=1;"},
        {"scalar", "12", ""},
        {"nothing", "", ""},
        {"broken object", "{\"a\"}", ""},
        {"broken array", "[1,,2]", "=1;"},
        {"open string", "[\"abc", "=\"abc;"},
        {"open object", "[{\"a\":1", "={\"a\":1;"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) got = FL_BUF_INIT(FL_BUF_ANY);
        struct fl_str key;
        struct fl_str value;
        size_t n = strlen(rows[i].in);
        char *copy = fl_malloc(n);
        memcpy(copy, rows[i].in, n);
        for (size_t at = 0; fl_scan_next((struct fl_str){copy, n}, &at, &key, &value);) {
            fl_buf_fmt(&got, "%.*s=%.*s;", FL_STR_ARG(key), FL_STR_ARG(value));
        }
        fl_free(copy);
        if (strcmp(got.data, rows[i].want) != 0) {
            fail_msg("%s: got %s", rows[i].name, got.data);
        }
    }
}

static void test_kind__first_byte_decides(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        enum fl_scan_kind want;
    } rows[] = {{" {}", FL_SCAN_OBJECT}, {"[]", FL_SCAN_ARRAY},  {"\"\"", FL_SCAN_STRING},
                {"-1", FL_SCAN_NUMBER},  {"0", FL_SCAN_NUMBER},  {"true", FL_SCAN_BOOL},
                {"false", FL_SCAN_BOOL}, {"null", FL_SCAN_NULL}, {"", FL_SCAN_NONE},
                {"  ", FL_SCAN_NONE},    {"x", FL_SCAN_NONE}};
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        if (fl_scan_kind(fl_str_of(rows[i].in)) != rows[i].want) {
            fail_msg("\"%s\": got %d", rows[i].in, (int)fl_scan_kind(fl_str_of(rows[i].in)));
        }
    }
}

static void test_text__escapes_are_undone(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW("plain", "\"abc\"", "abc"),
        ROW("empty", "\"\"", ""),
        ROW("space around", " \"a\" ", "a"),
        ROW("short escapes", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"),
        ROW("unicode", "\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00!\"",
            "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80!"),
        ROW("unchecked lone surrogate", "\"\\ud83dx\"", "\xef\xbf\xbdx"),
        ROW("unchecked low surrogate", "\"\\ude00x\"", "\xef\xbf\xbdx"),
        ROW("unchecked escape", "\"\\q\"", "\xef\xbf\xbd"),
        ROW("not a string", "12", NULL),
        ROW("array", "[\"a\"]", NULL),
        ROW("open", "\"a", NULL),
        ROW("one quote", "\"", NULL),
        ROW("nothing", "", NULL),
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) got = FL_BUF_INIT(FL_BUF_ANY);
        bool ok = fl_scan_text(rows[i].in, &got);
        if (ok != !!rows[i].want || (ok && strcmp(got.data, rows[i].want) != 0)) {
            fail_msg("%s: got %d \"%s\"", rows[i].name, ok, got.data);
        }
    }
    fl_auto_val(fl_buf) nul = FL_BUF_INIT(FL_BUF_ANY);
    assert_true(fl_scan_text(FL_STR("\"a\\u0000b\""), &nul));
    assert_int_equal(nul.len, 3);
    assert_memory_equal(nul.data, "a\0b", 3);
}

static void test_plain__only_strings_without_escapes(void **state)
{
    (void)state;
    struct fl_str got = {NULL, 0};
    assert_true(fl_scan_plain(FL_STR("\"abc\""), &got));
    assert_true(fl_str_is(got, "abc"));
    assert_true(fl_scan_plain(FL_STR("\"\""), &got));
    assert_int_equal(got.n, 0);
    assert_false(fl_scan_plain(FL_STR("\"a\\n\""), &got));
    assert_false(fl_scan_plain(FL_STR("1"), &got));
}

static void test_numbers_and_bools__only_whole_values_are_read(void **state)
{
    (void)state;
    int64_t i = 0;
    bool b = false;
    assert_true(fl_scan_i64(FL_STR("-9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    assert_true(fl_scan_i64(FL_STR(" 42 "), &i));
    assert_int_equal(i, 42);
    assert_false(fl_scan_i64(FL_STR("9223372036854775808"), &i));
    assert_false(fl_scan_i64(FL_STR("1.0"), &i));
    assert_false(fl_scan_i64(FL_STR("\"1\""), &i));
    assert_false(fl_scan_i64(FL_STR(""), &i));
    assert_int_equal(i, 42);
    assert_true(fl_scan_bool(FL_STR("true"), &b));
    assert_true(b);
    assert_true(fl_scan_bool(FL_STR(" false"), &b));
    assert_false(b);
    assert_false(fl_scan_bool(FL_STR("null"), &b));
    assert_false(fl_scan_bool(FL_STR("\"true\""), &b));
}

static int add_item(void *arg, struct fl_str raw, struct fl_err *err)
{
    if (fl_str_is(raw, "\"stop\"")) {
        return fl_fail(err, FL_E_CANCELED, "Stopped", "stopped");
    }
    fl_buf_str(arg, raw);
    fl_buf_char(arg, ';');
    return 0;
}

static void test_list__items_are_split_and_metadata_is_given(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *in;
        const char *items;
        const char *meta;
        int rc;
    } rows[] = {
        {"metadata first", "{\"metadata\":{\"r\":\"1\"},\"items\":[{\"a\":1}, {\"b\":[2]}]}",
         "{\"a\":1};{\"b\":[2]};", "{\"r\":\"1\"}", 0},
        {"metadata last", "{\"items\":[1],\"metadata\":{}}", "1;", "{}", 0},
        {"empty", "{\"metadata\":{},\"items\":[]}", "", "{}", 0},
        {"null items", "{\"metadata\":{},\"items\":null}", "", "{}", 0},
        {"no metadata", "{\"items\":[]}", "", "", 0},
        {"no items", "{\"kind\":\"Status\",\"metadata\":{}}", "", "untouched", FL_E_BAD_DATA},
        {"items is an object", "{\"items\":{}}", "", "untouched", FL_E_BAD_DATA},
        {"not an object", "[]", "", "untouched", FL_E_BAD_DATA},
        {"items deeper down", "{\"x\":{\"items\":[1]}}", "", "untouched", FL_E_BAD_DATA},
        {"callback stops", "{\"metadata\":{},\"items\":[1,\"stop\",2]}", "1;", "untouched",
         FL_E_CANCELED},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) got = FL_BUF_INIT(FL_BUF_ANY);
        struct fl_err err = FL_ERR_INIT;
        struct fl_str meta = FL_STR("untouched");
        int rc = fl_scan_list(fl_str_of(rows[i].in), &meta, add_item, &got, &err);
        if (rc != rows[i].rc || strcmp(got.data, rows[i].items) != 0 ||
            !fl_str_is(meta, rows[i].meta)) {
            fail_msg("%s: got %d \"%s\" meta %.*s", rows[i].name, rc, got.data, FL_STR_ARG(meta));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check__table_of_texts_is_judged_by_rfc_8259),
        cmocka_unit_test(test_check__every_prefix_of_a_text_fails),
        cmocka_unit_test(test_check__depth_stops_at_the_cap),
        cmocka_unit_test(test_check__duplicates_in_objects_of_any_size_are_found),
        cmocka_unit_test(test_check_dup__paths_of_duplicates_are_listed_once),
        cmocka_unit_test(test_check_dup__other_faults_still_fail),
        cmocka_unit_test(test_path__members_are_found_as_raw_text),
        cmocka_unit_test(test_get__key_is_plain_text),
        cmocka_unit_test(test_next__walks_objects_and_arrays),
        cmocka_unit_test(test_kind__first_byte_decides),
        cmocka_unit_test(test_text__escapes_are_undone),
        cmocka_unit_test(test_plain__only_strings_without_escapes),
        cmocka_unit_test(test_numbers_and_bools__only_whole_values_are_read),
        cmocka_unit_test(test_list__items_are_split_and_metadata_is_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
