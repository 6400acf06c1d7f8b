/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/scheme.h"
#include "engine/cache.h"

#define META                                                                                       \
    "\"name\":\"a\",\"namespace\":\"n\",\"uid\":\"u\",\"resourceVersion\":\"7\",\"generation\":3"

static struct fl_obj *make(const char *text, bool metadata_only)
{
    struct fl_obj *o = NULL;
    assert_int_equal(fl_obj_new(&fl_kind_registry, fl_str_of(text), metadata_only, &o, NULL), 0);
    return o;
}

static void test_object__header_is_extracted(void **state)
{
    (void)state;
    fl_auto(fl_obj) o = make("{\"metadata\":{" META "},\"spec\":{}}", false);
    assert_true(fl_str_is(o->name, "a"));
    assert_true(fl_str_is(o->ns, "n"));
    assert_true(fl_str_is(o->uid, "u"));
    assert_true(fl_str_is(o->rv, "7"));
    assert_int_equal(o->generation, 3);
    assert_false(o->deleting);
    assert_int_equal(o->ready, -1);
}

static void test_object__without_identity_is_bad_data(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *text;
    } rows[] = {
        {"no metadata", "{}"},
        {"metadata is no object", "{\"metadata\":1}"},
        {"no uid", "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"1\"}}"},
        {"no version", "{\"metadata\":{\"name\":\"a\",\"uid\":\"u\"}}"},
        {"name is a number", "{\"metadata\":{\"name\":1,\"uid\":\"u\",\"resourceVersion\":\"1\"}}"},
        {"an array", "[]"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_obj *o = NULL;
        if (fl_obj_new(&fl_kind_registry, fl_str_of(rows[i].text), false, &o, NULL) !=
            FL_E_BAD_DATA) {
            print_error("%s was taken\n", rows[i].name);
            fail();
        }
    }
}

static void test_object__ready_is_read_from_the_conditions(void **state)
{
    (void)state;
    static const struct {
        const char *conditions;
        int want;
    } rows[] = {
        {"[]", -1},
        {"null", -1},
        {"[{\"type\":\"Stalled\",\"status\":\"True\"}]", -1},
        {"[{\"type\":\"Stalled\",\"status\":\"True\"},{\"type\":\"Ready\",\"status\":\"False\"}]",
         0},
        {"[{\"type\":\"Ready\",\"status\":\"Unknown\"}]", 0},
        {"[{\"type\":\"Ready\",\"status\":\"True\"}]", 1},
        {"[7,{\"type\":\"Ready\",\"status\":\"True\"}]", 1},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_fmt(&b, "{\"metadata\":{" META "},\"status\":{\"conditions\":%s}}",
                   rows[i].conditions);
        fl_auto(fl_obj) o = make(b.data, false);
        if (o->ready != rows[i].want) {
            print_error("%s: %d\n", rows[i].conditions, o->ready);
            fail();
        }
    }
}

static void test_object__trigger_changes_with_what_asks_for_a_pass(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *rest; /* of metadata, after the identity */
        const char *status;
        bool same;
    } rows[] = {
        {"status", ",\"generation\":1", "{\"x\":1}", true},
        {"spec", ",\"generation\":2", "{}", false},
        {"label", ",\"generation\":1,\"labels\":{\"a\":\"b\"}", "{}", false},
        {"annotation", ",\"generation\":1,\"annotations\":{\"a\":\"b\"}", "{}", false},
        {"finalizer", ",\"generation\":1,\"finalizers\":[\"x/y\"]", "{}", false},
        {"finalizer of ours", ",\"generation\":1,\"finalizers\":[\"fairlead.dev/finalizer\"]", "{}",
         true},
        {"ours and another",
         ",\"generation\":1,\"finalizers\":[\"fairlead.dev/finalizer\",\"x/y\"]", "{}", false},
        {"deletion", ",\"generation\":1,\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"", "{}",
         false},
        {"the same words as label and annotation",
         ",\"generation\":1,\"annotations\":{\"a\":\"b\"},\"labels\":{\"a\":\"b\"}", "{}", false},
    };
    fl_auto(fl_obj) base =
        make("{\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"resourceVersion\":\"1\","
             "\"generation\":1},\"status\":{}}",
             false);
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_fmt(&b,
                   "{\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"resourceVersion\":\"2\"%s},"
                   "\"status\":%s}",
                   rows[i].rest, rows[i].status);
        fl_auto(fl_obj) o = make(b.data, false);
        if ((o->trigger == base->trigger) != rows[i].same) {
            print_error("%s\n", rows[i].name);
            fail();
        }
    }
}

static void test_object__without_generation_the_version_is_the_trigger(void **state)
{
    (void)state;
    fl_auto(fl_obj) a =
        make("{\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"resourceVersion\":\"1\"}}", false);
    fl_auto(fl_obj) b =
        make("{\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"resourceVersion\":\"2\"}}", false);
    assert_true(a->trigger != b->trigger);
}

static void test_object__managed_fields_are_cut_out(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *text;
        const char *want;
    } rows[] = {
        {"last", "{\"metadata\":{" META ",\"managedFields\":[{\"a\":[1]}]},\"spec\":{\"x\":1}}",
         "{\"metadata\":{" META "},\"spec\":{\"x\":1}}"},
        {"first", "{\"metadata\":{\"managedFields\":[]," META "}}", "{\"metadata\":{" META "}}"},
        {"in the middle", "{\"metadata\":{\"labels\":{},\"managedFields\":[{}]," META "}}",
         "{\"metadata\":{\"labels\":{}," META "}}"},
        {"none", "{\"metadata\":{" META "}}", "{\"metadata\":{" META "}}"},
        {"of the spec", "{\"metadata\":{" META "},\"spec\":{\"managedFields\":[]}}",
         "{\"metadata\":{" META "},\"spec\":{\"managedFields\":[]}}"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_obj) o = make(rows[i].text, false);
        if (!fl_str_is(o->text, rows[i].want) || !fl_str_is(o->name, "a")) {
            print_error("%s: %.*s\n", rows[i].name, FL_STR_ARG(o->text));
            fail();
        }
    }
}

static void test_object__metadata_only_keeps_no_data_and_no_annotations(void **state)
{
    (void)state;
    fl_auto(fl_obj) o =
        make("{\"metadata\":{" META ",\"annotations\":{\"last-applied\":\"c2VjcmV0\"},"
             "\"labels\":{\"l\":\"v\"}},\"data\":{\"password\":\"c2VjcmV0\"}}",
             true);
    assert_null(strstr(o->text.p, "c2VjcmV0"));
    assert_non_null(strstr(o->text.p, "\"labels\":{\"l\":\"v\"}"));
    assert_true(fl_str_is(o->rv, "7"));
}

static void test_object__owner_is_the_controller(void **state)
{
    (void)state;
    fl_auto(fl_obj) o = make("{\"metadata\":{" META ",\"ownerReferences\":["
                             "{\"kind\":\"A\",\"name\":\"x\",\"uid\":\"1\"},"
                             "{\"kind\":\"B\",\"name\":\"y\",\"uid\":\"2\",\"controller\":true}]}}",
                             false);
    struct fl_str kind = {0};
    struct fl_str name = {0};
    assert_true(fl_str_is(fl_obj_owner_uid(o, &kind, &name), "2"));
    assert_true(fl_str_is(kind, "B"));
    assert_true(fl_str_is(name, "y"));
    fl_auto(fl_obj) none = make("{\"metadata\":{" META "}}", false);
    assert_int_equal(fl_obj_owner_uid(none, &kind, &name).n, 0);
}

static void test_object__annotation_is_decoded(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto(fl_obj) o = make(
        "{\"metadata\":{" META ",\"annotations\":{\"x.y/z\":\"a\\n\\u00e9\",\"n\":1}}}", false);
    assert_string_equal(fl_obj_annotation(o, "x.y/z", a), "a\n\xc3\xa9");
    assert_null(fl_obj_annotation(o, "n", a));
    assert_null(fl_obj_annotation(o, "absent", a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_object__header_is_extracted),
        cmocka_unit_test(test_object__without_identity_is_bad_data),
        cmocka_unit_test(test_object__ready_is_read_from_the_conditions),
        cmocka_unit_test(test_object__trigger_changes_with_what_asks_for_a_pass),
        cmocka_unit_test(test_object__without_generation_the_version_is_the_trigger),
        cmocka_unit_test(test_object__managed_fields_are_cut_out),
        cmocka_unit_test(test_object__metadata_only_keeps_no_data_and_no_annotations),
        cmocka_unit_test(test_object__owner_is_the_controller),
        cmocka_unit_test(test_object__annotation_is_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
