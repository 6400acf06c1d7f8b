/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include "api/v1alpha1/registry.h"

static void test_registry__url(void **state)
{
    (void)state;
    const struct fl_field *f = row_at(fl_kind_registry.spec_rows, "url");
    /* want "": refused, in the words of base/url */
    const struct {
        const char *name;
        struct fl_str in;
        const char *want;
    } rows[] = {
        {"https", FL_STR("https://registry.example.com"), NULL},
        {"http with port", FL_STR("http://127.0.0.1:5000"), NULL},
        {"IPv6", FL_STR("http://[::1]:5000"), NULL},
        {"trailing slash", FL_STR("https://registry.example.com/"), NULL},
        {"path prefix", FL_STR("https://example.com/artifactory/docker"), NULL},
        {"v2 within a name", FL_STR("https://example.com/env2"), NULL},
        {"API path", FL_STR("https://example.com/v2/"),
         "must be the registry's address without /v2"},
        {"API path below a prefix", FL_STR("https://example.com/x/v2"),
         "must be the registry's address without /v2"},
        {"query", FL_STR("https://example.com/?a=b"), "must not have a query"},
        {"no scheme", FL_STR("registry.example.com:5000"), ""},
        {"other scheme", FL_STR("ftp://registry.example.com"), ""},
        {"credentials", FL_STR("https://user:pw@registry.example.com"), ""},
        {"fragment", FL_STR("https://registry.example.com/#x"), ""},
        {"newline", FL_STR("https://registry.example.com/\nx"), ""},
        {"no host", FL_STR("https:///x"), ""},
        {"empty", FL_STR(""), ""},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        row_check(rows[i].name, f, rows[i].in, rows[i].want);
    }
}

static void test_registry__refusal_does_not_repeat_a_password(void **state)
{
    (void)state;
    const struct fl_field *f = row_at(fl_kind_registry.spec_rows, "url");
    struct fl_err why = FL_ERR_INIT;
    assert_false(f->check(FL_STR("https://user:hunter2@registry.example.com"), &why));
    assert_null(strstr(why.msg, "hunter2"));
}

static void test_registry__check_across_fields(void **state)
{
    (void)state;
    struct fl_local_ref ca = {.name = "ca"};
    const struct {
        const char *name;
        struct fl_registry_spec spec;
        const char *want;
    } rows[] = {
        {"plain", {.common = {.interval_ms = 300000}}, ""},
        {"never by the clock", {.common = {.interval_ms = 0}}, ""},
        {"each second", {.common = {.interval_ms = 1000}}, ""},
        {"interval too short",
         {.common = {.interval_ms = 999}},
         "spec.interval: Invalid value: \"999ms\": must be 0 (never by the clock) or at least "
         "1s\n"},
        {"CA", {.ca_ref = &ca}, ""},
        {"insecure", {.insecure = true}, ""},
        {"insecure and CA",
         {.insecure = true, .ca_ref = &ca},
         "spec.caRef: Forbidden: may not be set when spec.insecure is true: nothing would be "
         "verified\n"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        row_kind_check(rows[i].name, &fl_kind_registry, &rows[i].spec, rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registry__url),
        cmocka_unit_test(test_registry__refusal_does_not_repeat_a_password),
        cmocka_unit_test(test_registry__check_across_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
