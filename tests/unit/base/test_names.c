/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include "base/names.h"

#define SUBDOMAIN                                                                                  \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "   \
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "  \
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define LABEL                                                                                      \
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "   \
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "     \
    "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
#define QUALIFIED                                                                                  \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "    \
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "         \
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
#define VALUE                                                                                      \
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "    \
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "             \
    "'my_value',  or '12345', regex used for validation is "                                       \
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
#define KEY                                                                                        \
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "           \
    "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "                    \
    "'[-._a-zA-Z0-9]+')"

#define A10 "aaaaaaaaaa"
#define A63 A10 A10 A10 A10 A10 A10 "aaa"
#define A253 A63 A63 A63 A63 "a"

struct name_row {
    const char *input;
    const char *want; /* NULL = valid */
};

static void check_rows(const char *(*check)(struct fl_str), const struct name_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *got = check(fl_str_of(rows[i].input));
        if (!fl_text_eq(got, rows[i].want)) {
            fail_msg("row '%s': got '%s', want '%s'", rows[i].input, got ? got : "(valid)",
                     rows[i].want ? rows[i].want : "(valid)");
        }
    }
}

static void test_names__dns_subdomain_by_rows(void **state)
{
    (void)state;
    static const struct name_row rows[] = {
        {"a", NULL},         {"my-app.example.com", NULL},
        {"0.1", NULL},       {"a--b", NULL},
        {A63 A63, NULL}, /* a label in a subdomain has no bound of its own */
        {A253, NULL},        {A253 "a", "must be no more than 253 bytes"},
        {"", SUBDOMAIN},     {"A", SUBDOMAIN},
        {"a_b", SUBDOMAIN},  {"-a", SUBDOMAIN},
        {"a-", SUBDOMAIN},   {".a", SUBDOMAIN},
        {"a.", SUBDOMAIN},   {"a..b", SUBDOMAIN},
        {"a.-b", SUBDOMAIN}, {"a b", SUBDOMAIN},
        {"a\n", SUBDOMAIN},  {"\xc3\xa9", SUBDOMAIN},
        {"a/b", SUBDOMAIN},
    };
    check_rows(fl_name_dns_subdomain, rows, FL_LEN(rows));
    assert_non_null(fl_name_dns_subdomain((struct fl_str){"a\0b", 3}));
    assert_non_null(fl_name_dns_subdomain((struct fl_str){NULL, 0}));
}

static void test_names__dns_label_by_rows(void **state)
{
    (void)state;
    static const struct name_row rows[] = {
        {"a", NULL},
        {"1-a", NULL},
        {A63, NULL},
        {A63 "a", "must be no more than 63 bytes"},
        {"a.b", "must not contain dots"},
        {"", LABEL},
        {"a.b.", LABEL},
        {"A", LABEL},
        {"-a", LABEL},
        {"a-", LABEL},
    };
    check_rows(fl_name_dns_label, rows, FL_LEN(rows));
}

static void test_names__qualified_by_rows(void **state)
{
    (void)state;
    static const struct name_row rows[] = {
        {"a", NULL},
        {"My.Name_1-x", NULL},
        {"fairlead.dev/requested-at", NULL},
        {A253 "/" A63, NULL},
        {"", "name part must be non-empty"},
        {"a/", "name part must be non-empty"},
        {"/a", "prefix part must be non-empty"},
        {"A/a", "prefix part " SUBDOMAIN},
        {A253 "a/a", "prefix part must be no more than 253 bytes"},
        {A63 "a", "name part must be no more than 63 bytes"},
        {"a b", "name part " QUALIFIED},
        {"-a", "name part " QUALIFIED},
        {"a/b.", "name part " QUALIFIED},
        {"a/b/c", "a valid label key " QUALIFIED
                  " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"},
        {"//", "a valid label key " QUALIFIED
               " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"},
    };
    check_rows(fl_name_qualified, rows, FL_LEN(rows));
}

static void test_names__label_value_by_rows(void **state)
{
    (void)state;
    static const struct name_row rows[] = {
        {"", NULL},
        {"a", NULL},
        {"My_Value.1-x", NULL},
        {A63, NULL},
        {A63 "a", "must be no more than 63 bytes"},
        {"-", VALUE},
        {"a-", VALUE},
        {"a/b", VALUE},
        {"a b", VALUE},
    };
    check_rows(fl_name_label_value, rows, FL_LEN(rows));
}

static void test_names__config_key_by_rows(void **state)
{
    (void)state;
    static const struct name_row rows[] = {
        {"ca.crt", NULL},
        {".dockerconfigjson", NULL},
        {"_-.", NULL},
        {"a..b", NULL},
        {A253, NULL},
        {A253 "a", "must be no more than 253 bytes"},
        {"", KEY},
        {"a/b", KEY},
        {"a b", KEY},
        {".", "must not be '.'"},
        {"..", "must not be '..'"},
        {"..a", "must not start with '..'"},
    };
    check_rows(fl_name_config_key, rows, FL_LEN(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names__dns_subdomain_by_rows),
        cmocka_unit_test(test_names__dns_label_by_rows),
        cmocka_unit_test(test_names__qualified_by_rows),
        cmocka_unit_test(test_names__label_value_by_rows),
        cmocka_unit_test(test_names__config_key_by_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
