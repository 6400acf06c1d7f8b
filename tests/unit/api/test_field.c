/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include "api/meta/condition.h"

static void test_violate__builds_the_sentences_of_the_real_server(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_violations vs = {.arena = a};
    fl_violate(&vs, FL_CAUSE_REQUIRED, "spec.url", NULL, "%s", "");
    fl_violate(&vs, FL_CAUSE_INVALID, "spec.url", "\"x\"", "must be %s", "a URL");
    fl_violate(&vs, FL_CAUSE_NOT_SUPPORTED, "spec.type", "\"z\"", "%s", "\"public\", \"private\"");
    fl_violate(&vs, FL_CAUSE_DUPLICATE, "a[1]", "{\"k\":1}", "%s", "");
    fl_violate(&vs, FL_CAUSE_FORBIDDEN, "spec.x", NULL, "field is immutable");
    fl_violate(&vs, FL_CAUSE_TOO_LONG, "spec.x", NULL, "may not be more than %d bytes", 5);
    fl_violate(&vs, FL_CAUSE_TOO_MANY, "spec.x", "7", "must have at most %d items", 5);
    fl_violate(&vs, FL_CAUSE_TYPE, "spec.x", "\"string\"",
               "spec.x in body must be of type integer: %s", "\"string\"");
    row_violations(
        "all", &vs,
        "spec.url: Required value\n"
        "spec.url: Invalid value: \"x\": must be a URL\n"
        "spec.type: Unsupported value: \"z\": supported values: \"public\", \"private\"\n"
        "a[1]: Duplicate value: {\"k\":1}\n"
        "spec.x: Forbidden: field is immutable\n"
        "spec.x: Too long: may not be more than 5 bytes\n"
        "spec.x: Too many: 7: must have at most 5 items\n"
        "spec.x: Invalid value: \"string\": spec.x in body must be of type integer: "
        "\"string\"\n");
    assert_string_equal(fl_cause_name(vs.v[0].cause), "FieldValueRequired");
    assert_string_equal(fl_cause_name(vs.v[1].cause), "FieldValueInvalid");
    assert_string_equal(fl_cause_name(vs.v[2].cause), "FieldValueNotSupported");
    assert_string_equal(fl_cause_name(vs.v[3].cause), "FieldValueDuplicate");
    assert_string_equal(fl_cause_name(vs.v[4].cause), "FieldValueForbidden");
    assert_string_equal(fl_cause_name(vs.v[5].cause), "FieldValueTooLong");
    assert_string_equal(fl_cause_name(vs.v[6].cause), "FieldValueTooMany");
    assert_string_equal(fl_cause_name(vs.v[7].cause), "FieldValueTypeInvalid");
}

static void test_violate__keeps_a_hundred(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_violations vs = {.arena = a};
    for (int i = 0; i < 250; i++) {
        fl_violate(&vs, FL_CAUSE_INVALID, "a", "1", "number %d", i);
    }
    assert_int_equal(vs.n, 100);
    assert_string_equal(vs.v[99].text, "Invalid value: 1: number 99");
}

static void test_condition__status_is_one_of_three(void **state)
{
    (void)state;
    const struct fl_field *f = row_at(fl_condition_rows, "status");
    row_check("True", f, FL_STR("True"), NULL);
    row_check("Unknown", f, FL_STR("Unknown"), NULL);
    row_check("lower case", f, FL_STR("true"), "must be True, False or Unknown");
    row_check("empty", f, FL_STR(""), "must be True, False or Unknown");
}

static void test_local_ref__name_is_that_of_an_object(void **state)
{
    (void)state;
    const struct fl_field *f = row_at(fl_local_ref_rows, "name");
    row_check("plain", f, FL_STR("hub-login"), NULL);
    row_check("dots", f, FL_STR("hub.login"), NULL);
    row_check("upper case", f, FL_STR("Hub"), "a lowercase RFC 1123 subdomain");
    row_check("newline", f, FL_STR("hub\n"), "a lowercase RFC 1123 subdomain");
    row_check("slash", f, FL_STR("a/b"), "a lowercase RFC 1123 subdomain");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_violate__builds_the_sentences_of_the_real_server),
        cmocka_unit_test(test_violate__keeps_a_hundred),
        cmocka_unit_test(test_condition__status_is_one_of_three),
        cmocka_unit_test(test_local_ref__name_is_that_of_an_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
