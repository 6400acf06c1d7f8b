/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/patch.h"
#include "wire/scan.h"

static void assert_tree(const char *name, const struct fl_json *got, const char *want)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_json_write(got, &b);
    if (strcmp(b.data, want) != 0) {
        fail_msg("%s: got %s", name, b.data);
    }
}

/* The table of RFC 7386, appendix A, and more. */
static void test_merge__table_of_the_rfc(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        const char *patch;
        const char *want;
    } rows[] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
        {"{\"a\":1}", "{\"a\":{\"b\":null,\"c\":2}}", "{\"a\":{\"c\":2}}"},
        {"null", "{\"a\":1}", "{\"a\":1}"},
        {"{}", "{\"a\":[null,{\"b\":null}]}", "{\"a\":[null,{\"b\":null}]}"},
        {"{\"a\":1}", "{}", "{\"a\":1}"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_json) target = fl_json_literal(rows[i].target);
        fl_auto(fl_json) patch = fl_json_literal(rows[i].patch);
        fl_patch_merge(&target, patch);
        assert_tree(rows[i].patch, target, rows[i].want);
        assert_tree("patch is left alone", patch, rows[i].patch);
    }
}

static void test_diff__turns_one_into_the_other(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        const char *to;
        const char *want; /* NULL: no patch */
    } rows[] = {
        {"{\"a\":1}", "{\"a\":1}", NULL},
        {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", NULL},
        {"{\"a\":1}", "{\"a\":2}", "{\"a\":2}"},
        {"{\"a\":1}", "{\"a\":1.0}", "{\"a\":1.0}"},
        {"{\"a\":1,\"b\":2}", "{\"b\":2}", "{\"a\":null}"},
        {"{}", "{\"a\":{\"b\":[1]}}", "{\"a\":{\"b\":[1]}}"},
        {"{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"b\":1,\"c\":3}}", "{\"a\":{\"c\":3}}"},
        {"{\"a\":{\"b\":1}}", "{\"a\":{}}", "{\"a\":{\"b\":null}}"},
        {"{\"a\":[1,2]}", "{\"a\":[1,2,3]}", "{\"a\":[1,2,3]}"},
        {"{\"a\":[1,2]}", "{\"a\":[2,1]}", "{\"a\":[2,1]}"},
        {"{\"a\":1}", "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}"},
        {"{\"a\":{\"b\":1}}", "{\"a\":1}", "{\"a\":1}"},
        {"[1]", "[2]", "[2]"},
        {"[1]", "[1]", NULL},
        {"1", "{\"a\":1}", "{\"a\":1}"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_json) from = fl_json_literal(rows[i].from);
        fl_auto(fl_json) to = fl_json_literal(rows[i].to);
        fl_auto(fl_json) diff = fl_patch_diff(from, to);
        if (!rows[i].want != !diff) {
            fail_msg("%s to %s", rows[i].from, rows[i].to);
        }
        if (diff) {
            assert_tree(rows[i].to, diff, rows[i].want);
            fl_patch_merge(&from, diff);
        }
        if (!fl_json_equal(from, to)) {
            fail_msg("%s to %s: not reached", rows[i].from, rows[i].to);
        }
    }
}

static void test_diff__new_nulls_make_no_patch(void **state)
{
    (void)state;
    fl_auto(fl_json) from = fl_json_literal("{\"a\":1}");
    fl_auto(fl_json) to = fl_json_literal("{\"a\":1,\"b\":null}");
    assert_null(fl_patch_diff(from, to));
}

struct json_patch_row {
    const char *name;
    const char *target;
    const char *patch;
    const char *want; /* NULL: see code */
    int code;
};

static const struct json_patch_row json_patch_rows[] = {
    /* RFC 6902, appendix A */
    {"A.1", "{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\"}]",
     "{\"foo\":\"bar\",\"baz\":\"qux\"}", 0},
    {"A.2", "{\"foo\":[\"bar\",\"baz\"]}",
     "[{\"op\":\"add\",\"path\":\"/foo/1\",\"value\":\"qux\"}]",
     "{\"foo\":[\"bar\",\"qux\",\"baz\"]}", 0},
    {"A.3", "{\"baz\":\"qux\",\"foo\":\"bar\"}", "[{\"op\":\"remove\",\"path\":\"/baz\"}]",
     "{\"foo\":\"bar\"}", 0},
    {"A.4", "{\"foo\":[\"bar\",\"qux\",\"baz\"]}", "[{\"op\":\"remove\",\"path\":\"/foo/1\"}]",
     "{\"foo\":[\"bar\",\"baz\"]}", 0},
    {"A.5", "{\"baz\":\"qux\",\"foo\":\"bar\"}",
     "[{\"op\":\"replace\",\"path\":\"/baz\",\"value\":\"boo\"}]",
     "{\"baz\":\"boo\",\"foo\":\"bar\"}", 0},
    {"A.6", "{\"foo\":{\"bar\":\"baz\",\"waldo\":\"fred\"},\"qux\":{\"corge\":\"grault\"}}",
     "[{\"op\":\"move\",\"from\":\"/foo/waldo\",\"path\":\"/qux/thud\"}]",
     "{\"foo\":{\"bar\":\"baz\"},\"qux\":{\"corge\":\"grault\",\"thud\":\"fred\"}}", 0},
    {"A.7", "{\"foo\":[\"all\",\"grass\",\"cows\",\"eat\"]}",
     "[{\"op\":\"move\",\"from\":\"/foo/1\",\"path\":\"/foo/3\"}]",
     "{\"foo\":[\"all\",\"cows\",\"eat\",\"grass\"]}", 0},
    {"A.8", "{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}",
     "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"qux\"},"
     "{\"op\":\"test\",\"path\":\"/foo/1\",\"value\":2}]",
     "{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}", 0},
    {"A.9", "{\"baz\":\"qux\"}", "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"bar\"}]", NULL,
     FL_E_INVALID},
    {"A.10", "{\"foo\":\"bar\"}",
     "[{\"op\":\"add\",\"path\":\"/child\",\"value\":{\"grandchild\":{}}}]",
     "{\"foo\":\"bar\",\"child\":{\"grandchild\":{}}}", 0},
    {"A.11", "{\"foo\":\"bar\"}",
     "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\",\"xyz\":123}]",
     "{\"foo\":\"bar\",\"baz\":\"qux\"}", 0},
    {"A.12", "{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz/bat\",\"value\":\"qux\"}]",
     NULL, FL_E_INVALID},
    {"A.14", "{\"/\":9,\"~1\":10}", "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":10}]",
     "{\"/\":9,\"~1\":10}", 0},
    {"A.15", "{\"/\":9,\"~1\":10}", "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":\"10\"}]", NULL,
     FL_E_INVALID},
    {"A.16", "{\"foo\":[\"bar\"]}",
     "[{\"op\":\"add\",\"path\":\"/foo/-\",\"value\":[\"abc\",\"def\"]}]",
     "{\"foo\":[\"bar\",[\"abc\",\"def\"]]}", 0},

    {"nothing to do", "{}", "[]", "{}", 0},
    {"add replaces", "{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/a\",\"value\":2}]", "{\"a\":2}", 0},
    {"add null", "{}", "[{\"op\":\"add\",\"path\":\"/a\",\"value\":null}]", "{\"a\":null}", 0},
    {"add at the end by index", "{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/1\",\"value\":2}]",
     "{\"a\":[1,2]}", 0},
    {"add beyond the end", "{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/2\",\"value\":2}]", NULL,
     FL_E_INVALID},
    {"add at no index", "{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/x\",\"value\":2}]", NULL,
     FL_E_INVALID},
    {"index with a leading zero", "{\"a\":[1]}",
     "[{\"op\":\"replace\",\"path\":\"/a/00\",\"value\":2}]", NULL, FL_E_INVALID},
    {"negative index", "{\"a\":[1]}", "[{\"op\":\"remove\",\"path\":\"/a/-1\"}]", NULL,
     FL_E_INVALID},
    {"huge index", "{\"a\":[1]}", "[{\"op\":\"remove\",\"path\":\"/a/99999999999999999999\"}]",
     NULL, FL_E_INVALID},
    {"remove at dash", "{\"a\":[1]}", "[{\"op\":\"remove\",\"path\":\"/a/-\"}]", NULL,
     FL_E_INVALID},
    {"replace at dash", "{\"a\":[1]}", "[{\"op\":\"replace\",\"path\":\"/a/-\",\"value\":1}]", NULL,
     FL_E_INVALID},
    {"replace what is absent", "{}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":1}]", NULL,
     FL_E_INVALID},
    {"remove what is absent", "{}", "[{\"op\":\"remove\",\"path\":\"/a\"}]", NULL, FL_E_INVALID},
    {"test what is absent", "{}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":null}]", NULL,
     FL_E_INVALID},
    {"below a scalar", "{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/a/b\",\"value\":1}]", NULL,
     FL_E_INVALID},
    {"below a null", "{\"a\":null}", "[{\"op\":\"add\",\"path\":\"/a/b\",\"value\":1}]", NULL,
     FL_E_INVALID},
    {"replace the whole", "{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":[1]}]", "[1]",
     0},
    {"add the whole", "{\"a\":1}", "[{\"op\":\"add\",\"path\":\"\",\"value\":{\"b\":1}}]",
     "{\"b\":1}", 0},
    {"remove the whole", "{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"\"}]", NULL, FL_E_INVALID},
    {"test the whole", "{\"a\":1}", "[{\"op\":\"test\",\"path\":\"\",\"value\":{\"a\":1}}]",
     "{\"a\":1}", 0},
    {"empty key", "{\"\":{\"\":1}}", "[{\"op\":\"replace\",\"path\":\"//\",\"value\":2}]",
     "{\"\":{\"\":2}}", 0},
    {"escaped key", "{\"a/b\":{\"c~d\":1}}",
     "[{\"op\":\"replace\",\"path\":\"/a~1b/c~0d\",\"value\":2}]", "{\"a/b\":{\"c~d\":2}}", 0},
    {"copy", "{\"a\":{\"b\":1}}",
     "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/c\"},"
     "{\"op\":\"replace\",\"path\":\"/c/b\",\"value\":2}]",
     "{\"a\":{\"b\":1},\"c\":{\"b\":2}}", 0},
    {"copy the whole into itself", "{\"a\":1}", "[{\"op\":\"copy\",\"from\":\"\",\"path\":\"/b\"}]",
     "{\"a\":1,\"b\":{\"a\":1}}", 0},
    {"copy from nowhere", "{}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"}]", NULL,
     FL_E_INVALID},
    {"move to the same place", "{\"a\":1}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a\"}]",
     "{\"a\":1}", 0},
    {"move nothing to the same place", "{}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a\"}]",
     NULL, FL_E_INVALID},
    {"move into itself", "{\"a\":{\"b\":{}}}",
     "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b/c\"}]", NULL, FL_E_INVALID},
    {"move beside itself", "{\"a\":{},\"ab\":{}}",
     "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/ab/c\"}]", "{\"ab\":{\"c\":{}}}", 0},
    {"move a null", "{\"a\":null}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b\"}]",
     "{\"b\":null}", 0},
    {"test numbers by value", "{\"a\":1,\"b\":[{\"c\":2.0}]}",
     "[{\"op\":\"test\",\"path\":\"/a\",\"value\":1.0},"
     "{\"op\":\"test\",\"path\":\"/b\",\"value\":[{\"c\":2}]}]",
     "{\"a\":1,\"b\":[{\"c\":2.0}]}", 0},
    {"test unequal objects", "{\"a\":{\"b\":1}}",
     "[{\"op\":\"test\",\"path\":\"/a\",\"value\":{\"c\":1}}]", NULL, FL_E_INVALID},

    {"not an array", "{}", "{}", NULL, FL_E_BAD_DATA},
    {"not an object in it", "{}", "[1]", NULL, FL_E_BAD_DATA},
    {"no op", "{}", "[{\"path\":\"/a\"}]", NULL, FL_E_BAD_DATA},
    {"unknown op", "{}", "[{\"op\":\"spam\",\"path\":\"/a\"}]", NULL, FL_E_BAD_DATA},
    {"no path", "{}", "[{\"op\":\"remove\"}]", NULL, FL_E_BAD_DATA},
    {"path is a number", "{}", "[{\"op\":\"remove\",\"path\":1}]", NULL, FL_E_BAD_DATA},
    {"path without slash", "{}", "[{\"op\":\"add\",\"path\":\"a\",\"value\":1}]", NULL,
     FL_E_BAD_DATA},
    {"bad escape", "{}", "[{\"op\":\"add\",\"path\":\"/a~2\",\"value\":1}]", NULL, FL_E_BAD_DATA},
    {"cut escape", "{}", "[{\"op\":\"add\",\"path\":\"/a~\",\"value\":1}]", NULL, FL_E_BAD_DATA},
    {"no value", "{}", "[{\"op\":\"add\",\"path\":\"/a\"}]", NULL, FL_E_BAD_DATA},
    {"no from", "{}", "[{\"op\":\"move\",\"path\":\"/a\"}]", NULL, FL_E_BAD_DATA},
};

static void test_json__table_of_patches(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(json_patch_rows); i++) {
        const struct json_patch_row *row = &json_patch_rows[i];
        fl_auto(fl_json) target = fl_json_literal(row->target);
        fl_auto(fl_json) patch = fl_json_literal(row->patch);
        struct fl_err err = FL_ERR_INIT;
        int rc = fl_patch_json(&target, patch, &err);
        if (rc != row->code) {
            fail_msg("%s: got %d %s", row->name, rc, err.msg);
        }
        if (row->want) {
            assert_tree(row->name, target, row->want);
        }
    }
}

static void test_json__failure_names_operation_and_path(void **state)
{
    (void)state;
    fl_auto(fl_json) target = fl_json_literal("{\"a\":1}");
    fl_auto(fl_json) patch = fl_json_literal("[{\"op\":\"test\",\"path\":\"/a\",\"value\":1},"
                                             "{\"op\":\"remove\",\"path\":\"/spec/x\"}]");
    struct fl_err err = FL_ERR_INIT;
    assert_int_equal(fl_patch_json(&target, patch, &err), FL_E_INVALID);
    assert_string_equal(err.msg, "JSON patch: operation 1 (remove \"/spec/x\"): "
                                 "the path does not exist");
}

static void test_json__too_many_operations_are_refused(void **state)
{
    (void)state;
    fl_auto(fl_json) target = fl_json_literal("{\"a\":1}");
    fl_auto(fl_json) patch = fl_json_array();
    for (int i = 0; i < 10000; i++) {
        fl_json_push(patch, fl_json_literal("{\"op\":\"test\",\"path\":\"/a\",\"value\":1}"));
    }
    assert_int_equal(fl_patch_json(&target, patch, NULL), 0);
    fl_json_push(patch, fl_json_literal("{\"op\":\"test\",\"path\":\"/a\",\"value\":1}"));
    assert_int_equal(fl_patch_json(&target, patch, NULL), FL_E_TOO_BIG);
}

static void test_json__copies_that_double_are_stopped(void **state)
{
    (void)state;
    fl_auto(fl_json) target = fl_json_literal("{\"a\":{\"x\":\"0123456789\"}}");
    fl_auto(fl_json) patch = fl_json_array();
    for (int i = 0; i < 60; i++) {
        fl_auto(fl_json) op =
            fl_json_literal("{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/-\"}");
        char path[32];
        (void)snprintf(path, sizeof(path), "/a/k%d", i);
        fl_json_set(op, "path", fl_json_text(path));
        fl_json_push(patch, fl_take(op));
    }
    assert_int_equal(fl_patch_json(&target, patch, NULL), FL_E_TOO_BIG);
}

static void test_json__nesting_by_moves_is_stopped(void **state)
{
    (void)state;
    /* Each pair wraps the value once more. */
    fl_auto(fl_json) target = fl_json_literal("{\"a\":1}");
    fl_auto(fl_json) pair = fl_json_literal("[{\"op\":\"add\",\"path\":\"/b\",\"value\":{}},"
                                            "{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b/a\"},"
                                            "{\"op\":\"move\",\"from\":\"/b\",\"path\":\"/a\"}]");
    struct fl_err err = FL_ERR_INIT;
    int rc = 0;
    int rounds = 0;
    while (!rc && rounds < 1000) {
        rc = fl_patch_json(&target, pair, &err);
        rounds++;
    }
    assert_int_equal(rc, FL_E_INVALID);
    assert_non_null(strstr(err.msg, "nested too deeply"));
    assert_true(rounds >= FL_JSON_DEPTH_MAX - 2 && rounds <= FL_JSON_DEPTH_MAX);
}

static void test_json__moving_a_large_value_about_is_stopped(void **state)
{
    (void)state;
    fl_auto(fl_json) target = fl_json_literal("{\"a\":[]}");
    fl_auto(fl_json) patch = fl_json_array();
    for (int i = 0; i < 10000; i++) {
        fl_json_push(fl_json_get(target, "a"), fl_json_int(i));
    }
    for (int i = 0; i < 10000; i++) {
        fl_json_push(patch,
                     fl_json_literal(i % 2 ? "{\"op\":\"move\",\"from\":\"/b\",\"path\":\"/a\"}"
                                           : "{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b\"}"));
    }
    assert_int_equal(fl_patch_json(&target, patch, NULL), FL_E_TOO_BIG);
}

/* Strategic merge: rows like those of the kinds that are served. */

static const struct fl_field owner_rows[] = {
    {.name = "uid", .type = FL_STRING},
    {.name = "tags", .type = FL_LIST, .item = FL_STRING, .flags = FL_LIST_SET},
    {.type = FL_END},
};

static const struct fl_field meta_rows[] = {
    {.name = "labels", .type = FL_MAP, .item = FL_STRING},
    {.name = "finalizers", .type = FL_LIST, .item = FL_STRING, .flags = FL_LIST_SET},
    {.name = "owners",
     .type = FL_LIST,
     .item = FL_OBJECT,
     .flags = FL_LIST_MAP,
     .key = "uid",
     .rows = owner_rows},
    {.name = "atomic", .type = FL_LIST, .item = FL_STRING},
    {.type = FL_END},
};

static const struct fl_field root_rows[] = {
    {.name = "metadata", .type = FL_OBJECT, .rows = meta_rows},
    {.name = "secrets", .type = FL_LIST, .item = FL_OBJECT, .flags = FL_LIST_MAP, .key = "name"},
    {.name = "data", .type = FL_MAP, .item = FL_BYTES},
    {.name = "free", .type = FL_ANY},
    {.type = FL_END},
};

struct strategic_row {
    const char *name;
    const char *target;
    const char *patch;
    const char *want; /* NULL: BAD_DATA */
};

/* Wanted results of the rows with lists were compared with apimachinery's strategicpatch by reading its code. */
static const struct strategic_row strategic_rows[] = {
    {"maps merge", "{\"data\":{\"a\":\"1\",\"b\":\"2\"}}", "{\"data\":{\"b\":\"3\",\"c\":\"4\"}}",
     "{\"data\":{\"a\":\"1\",\"b\":\"3\",\"c\":\"4\"}}"},
    {"null deletes", "{\"data\":{\"a\":\"1\",\"b\":\"2\"}}", "{\"data\":{\"a\":null}}",
     "{\"data\":{\"b\":\"2\"}}"},
    {"null deletes all", "{\"data\":{\"a\":\"1\"},\"x\":1}", "{\"data\":null}", "{\"x\":1}"},
    {"null of what is absent", "{}", "{\"data\":{\"a\":null,\"b\":{\"c\":null,\"d\":1}}}",
     "{\"data\":{\"b\":{\"d\":1}}}"},
    {"unknown maps merge", "{\"bogus\":{\"a\":1}}", "{\"bogus\":{\"b\":2}}",
     "{\"bogus\":{\"a\":1,\"b\":2}}"},
    {"unknown lists are replaced", "{\"bogus\":[1,2]}", "{\"bogus\":[3]}", "{\"bogus\":[3]}"},
    {"free maps merge", "{\"free\":{\"a\":{\"b\":1},\"l\":[1]}}",
     "{\"free\":{\"a\":{\"c\":2},\"l\":[2]}}", "{\"free\":{\"a\":{\"b\":1,\"c\":2},\"l\":[2]}}"},
    {"types differ", "{\"data\":{\"a\":\"1\"}}", "{\"data\":\"x\"}", "{\"data\":\"x\"}"},
    {"object over scalar", "{\"data\":\"x\"}", "{\"data\":{\"a\":null,\"b\":1}}",
     "{\"data\":{\"b\":1}}"},

    {"atomic list is replaced", "{\"metadata\":{\"atomic\":[\"a\",\"b\"]}}",
     "{\"metadata\":{\"atomic\":[\"c\"]}}", "{\"metadata\":{\"atomic\":[\"c\"]}}"},
    {"set unites", "{\"metadata\":{\"finalizers\":[\"a\",\"b\"]}}",
     "{\"metadata\":{\"finalizers\":[\"b\",\"c\"]}}",
     "{\"metadata\":{\"finalizers\":[\"a\",\"b\",\"c\"]}}"},
    {"set into nothing", "{}", "{\"metadata\":{\"finalizers\":[\"b\",\"c\"]}}",
     "{\"metadata\":{\"finalizers\":[\"b\",\"c\"]}}"},
    {"set delete", "{\"metadata\":{\"finalizers\":[\"a\",\"b\",\"c\"]}}",
     "{\"metadata\":{\"$deleteFromPrimitiveList/finalizers\":[\"b\",\"x\"]}}",
     "{\"metadata\":{\"finalizers\":[\"a\",\"c\"]}}"},
    {"set delete, add and order, as kubectl sends it",
     "{\"metadata\":{\"finalizers\":[\"a\",\"b\",\"c\"]}}",
     "{\"metadata\":{\"$deleteFromPrimitiveList/finalizers\":[\"b\"],"
     "\"$setElementOrder/finalizers\":[\"d\",\"c\",\"a\"],\"finalizers\":[\"d\"]}}",
     "{\"metadata\":{\"finalizers\":[\"d\",\"c\",\"a\"]}}"},
    {"set order only", "{\"metadata\":{\"finalizers\":[\"a\",\"b\",\"c\"]}}",
     "{\"metadata\":{\"$setElementOrder/finalizers\":[\"c\",\"a\"]}}",
     "{\"metadata\":{\"finalizers\":[\"b\",\"c\",\"a\"]}}"},
    {"set delete of nothing", "{\"metadata\":{}}",
     "{\"metadata\":{\"$deleteFromPrimitiveList/finalizers\":[\"b\"]}}", "{\"metadata\":{}}"},
    {"set emptied", "{\"metadata\":{\"finalizers\":[\"a\"]}}",
     "{\"metadata\":{\"$deleteFromPrimitiveList/finalizers\":[\"a\"]}}",
     "{\"metadata\":{\"finalizers\":[]}}"},

    {"list map merges by key", "{\"secrets\":[{\"name\":\"a\",\"x\":1},{\"name\":\"b\",\"x\":2}]}",
     "{\"secrets\":[{\"name\":\"b\",\"x\":3,\"y\":4}]}",
     "{\"secrets\":[{\"name\":\"a\",\"x\":1},{\"name\":\"b\",\"x\":3,\"y\":4}]}"},
    {"list map adds", "{\"secrets\":[{\"name\":\"a\"}]}", "{\"secrets\":[{\"name\":\"b\"}]}",
     "{\"secrets\":[{\"name\":\"b\"},{\"name\":\"a\"}]}"},
    {"list map into nothing", "{}", "{\"secrets\":[{\"name\":\"b\",\"x\":null}]}",
     "{\"secrets\":[{\"name\":\"b\"}]}"},
    {"list map deletes", "{\"secrets\":[{\"name\":\"a\"},{\"name\":\"b\"}]}",
     "{\"secrets\":[{\"$patch\":\"delete\",\"name\":\"a\"}]}", "{\"secrets\":[{\"name\":\"b\"}]}"},
    {"list map deletes duplicates too",
     "{\"secrets\":[{\"name\":\"a\",\"x\":1},{\"name\":\"b\"},{\"name\":\"a\",\"x\":2}]}",
     "{\"secrets\":[{\"$patch\":\"delete\",\"name\":\"a\"}]}", "{\"secrets\":[{\"name\":\"b\"}]}"},
    {"list map deletes nothing", "{\"secrets\":[{\"name\":\"a\"}]}",
     "{\"secrets\":[{\"$patch\":\"delete\",\"name\":\"z\"}]}", "{\"secrets\":[{\"name\":\"a\"}]}"},
    {"list map deletes from nothing", "{}",
     "{\"secrets\":[{\"$patch\":\"delete\",\"name\":\"z\"}]}", "{\"secrets\":[]}"},
    {"list map replaces", "{\"secrets\":[{\"name\":\"a\"},{\"name\":\"b\"}]}",
     "{\"secrets\":[{\"$patch\":\"replace\"},{\"name\":\"c\"}]}",
     "{\"secrets\":[{\"name\":\"c\"}]}"},
    {"list map in the wanted order",
     "{\"secrets\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]}",
     "{\"$setElementOrder/secrets\":[{\"name\":\"c\"},{\"name\":\"d\"},{\"name\":\"a\"}],"
     "\"secrets\":[{\"name\":\"d\",\"x\":1}]}",
     "{\"secrets\":[{\"name\":\"b\"},{\"name\":\"c\"},{\"name\":\"d\",\"x\":1},{\"name\":\"a\"}]}"},
    {"list map order only", "{\"secrets\":[{\"name\":\"a\"},{\"name\":\"b\"}]}",
     "{\"$setElementOrder/secrets\":[{\"name\":\"b\"},{\"name\":\"a\"}]}",
     "{\"secrets\":[{\"name\":\"b\"},{\"name\":\"a\"}]}"},
    {"order of what is absent", "{}", "{\"$setElementOrder/secrets\":[{\"name\":\"b\"}]}", "{}"},
    {"order with a delete", "{\"secrets\":[{\"name\":\"a\"},{\"name\":\"b\"}]}",
     "{\"$setElementOrder/secrets\":[{\"name\":\"b\"}],"
     "\"secrets\":[{\"$patch\":\"delete\",\"name\":\"a\"}]}",
     "{\"secrets\":[{\"name\":\"b\"}]}"},
    {"rows inside list items",
     "{\"metadata\":{\"owners\":[{\"uid\":\"1\",\"tags\":[\"x\"],\"z\":[1]}]}}",
     "{\"metadata\":{\"owners\":[{\"uid\":\"1\",\"tags\":[\"y\"],\"z\":[2]}]}}",
     "{\"metadata\":{\"owners\":[{\"uid\":\"1\",\"tags\":[\"y\",\"x\"],\"z\":[2]}]}}"},
    {"keys that are numbers", "{\"secrets\":[{\"name\":1,\"x\":1}]}",
     "{\"secrets\":[{\"name\":1,\"y\":2}]}", "{\"secrets\":[{\"name\":1,\"x\":1,\"y\":2}]}"},
    {"target items without key stay", "{\"secrets\":[{\"x\":1},7]}",
     "{\"secrets\":[{\"name\":\"a\"}]}", "{\"secrets\":[{\"name\":\"a\"},{\"x\":1},7]}"},

    {"$patch replace", "{\"data\":{\"a\":1,\"b\":2}}",
     "{\"data\":{\"$patch\":\"replace\",\"c\":3,\"d\":null}}", "{\"data\":{\"c\":3}}"},
    {"$patch delete", "{\"data\":{\"a\":1},\"x\":1}", "{\"data\":{\"$patch\":\"delete\"}}",
     "{\"data\":{},\"x\":1}"},
    {"$patch merge", "{\"data\":{\"a\":1}}", "{\"data\":{\"$patch\":\"merge\",\"b\":2}}",
     "{\"data\":{\"a\":1,\"b\":2}}"},
    {"$patch replace at the root", "{\"data\":{\"a\":1}}", "{\"$patch\":\"replace\",\"x\":1}",
     "{\"x\":1}"},
    {"$patch replace into nothing", "{}", "{\"data\":{\"$patch\":\"replace\",\"c\":3}}",
     "{\"data\":{\"c\":3}}"},
    {"$patch delete of nothing", "{}", "{\"data\":{\"$patch\":\"delete\"}}", "{}"},
    {"$retainKeys", "{\"free\":{\"a\":1,\"b\":2,\"c\":3}}",
     "{\"free\":{\"$retainKeys\":[\"a\",\"d\"],\"d\":4}}", "{\"free\":{\"a\":1,\"d\":4}}"},
    {"$retainKeys into nothing", "{}", "{\"free\":{\"$retainKeys\":[\"d\"],\"d\":4}}",
     "{\"free\":{\"d\":4}}"},

    {"no merge key", "{\"secrets\":[{\"name\":\"a\"}]}", "{\"secrets\":[{\"x\":1}]}", NULL},
    {"no merge key to delete", "{\"secrets\":[{\"name\":\"a\"}]}",
     "{\"secrets\":[{\"$patch\":\"delete\"}]}", NULL},
    {"scalar in a list map", "{\"secrets\":[{\"name\":\"a\"}]}", "{\"secrets\":[1]}", NULL},
    {"unknown $patch", "{\"data\":{}}", "{\"data\":{\"$patch\":\"mix\"}}", NULL},
    {"$patch is no string", "{\"data\":{}}", "{\"data\":{\"$patch\":1}}", NULL},
    {"unknown $patch in a list", "{\"secrets\":[{\"name\":\"a\"}]}",
     "{\"secrets\":[{\"$patch\":\"mix\",\"name\":\"a\"}]}", NULL},
    {"$retainKeys lacks a member", "{\"free\":{}}", "{\"free\":{\"$retainKeys\":[\"a\"],\"d\":4}}",
     NULL},
    {"$retainKeys is no list", "{\"free\":{}}", "{\"free\":{\"$retainKeys\":\"a\"}}", NULL},
    {"$retainKeys holds numbers", "{\"free\":{}}", "{\"free\":{\"$retainKeys\":[1]}}", NULL},
    {"order is no list", "{\"secrets\":[{\"name\":\"a\"}]}", "{\"$setElementOrder/secrets\":1}",
     NULL},
    {"order without keys", "{\"secrets\":[{\"name\":\"a\"}]}",
     "{\"$setElementOrder/secrets\":[{}]}", NULL},
    {"order does not name an element", "{\"secrets\":[{\"name\":\"a\"}]}",
     "{\"$setElementOrder/secrets\":[{\"name\":\"a\"}],\"secrets\":[{\"name\":\"b\"}]}", NULL},
    {"deletes are objects", "{\"secrets\":[{\"name\":\"a\"}]}",
     "{\"$deleteFromPrimitiveList/secrets\":[\"a\"]}", NULL},
    {"not an object", "{}", "[]", NULL},
};

static void test_strategic__table_of_patches(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(strategic_rows); i++) {
        const struct strategic_row *row = &strategic_rows[i];
        fl_auto(fl_json) target = fl_json_literal(row->target);
        fl_auto(fl_json) patch = fl_json_literal(row->patch);
        struct fl_err err = FL_ERR_INIT;
        int rc = fl_patch_strategic(&target, patch, root_rows, &err);
        if (rc != (row->want ? 0 : FL_E_BAD_DATA)) {
            fail_msg("%s: got %d %s", row->name, rc, err.msg);
        }
        if (row->want) {
            assert_tree(row->name, target, row->want);
        }
        assert_tree("patch is left alone", patch, row->patch);
    }
}

static void test_strategic__without_rows_maps_merge_and_lists_are_replaced(void **state)
{
    (void)state;
    fl_auto(fl_json) target = fl_json_literal("{\"a\":{\"b\":1,\"l\":[1,{\"x\":1}]}}");
    fl_auto(fl_json) patch = fl_json_literal("{\"a\":{\"c\":2,\"l\":[{\"y\":null}]}}");
    assert_int_equal(fl_patch_strategic(&target, patch, NULL, NULL), 0);
    assert_tree("merged", target, "{\"a\":{\"b\":1,\"l\":[{}],\"c\":2}}");
}

static void test_strategic__long_lists_take_linear_time(void **state)
{
    (void)state;
    /* 40,000 elements, all deleted one by one: with a scan for each this takes minutes under the sanitizers. */
    fl_auto(fl_json) target = fl_json_literal("{\"secrets\":[]}");
    fl_auto(fl_json) patch = fl_json_literal("{\"secrets\":[]}");
    for (int i = 0; i < 40000; i++) {
        fl_json_push(fl_json_get(target, "secrets"), fl_json_literal("{\"name\":0}"));
        fl_json_set(fl_json_at(fl_json_get(target, "secrets"), (size_t)i), "name", fl_json_int(i));
        fl_json_push(fl_json_get(patch, "secrets"), fl_json_literal("{\"$patch\":\"delete\"}"));
        fl_json_set(fl_json_at(fl_json_get(patch, "secrets"), (size_t)i), "name", fl_json_int(i));
    }
    assert_int_equal(fl_patch_strategic(&target, patch, root_rows, NULL), 0);
    assert_tree("emptied", target, "{\"secrets\":[]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge__table_of_the_rfc),
        cmocka_unit_test(test_diff__turns_one_into_the_other),
        cmocka_unit_test(test_diff__new_nulls_make_no_patch),
        cmocka_unit_test(test_json__table_of_patches),
        cmocka_unit_test(test_json__failure_names_operation_and_path),
        cmocka_unit_test(test_json__too_many_operations_are_refused),
        cmocka_unit_test(test_json__copies_that_double_are_stopped),
        cmocka_unit_test(test_json__nesting_by_moves_is_stopped),
        cmocka_unit_test(test_json__moving_a_large_value_about_is_stopped),
        cmocka_unit_test(test_strategic__table_of_patches),
        cmocka_unit_test(test_strategic__without_rows_maps_merge_and_lists_are_replaced),
        cmocka_unit_test(test_strategic__long_lists_take_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
