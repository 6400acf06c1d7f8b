/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include "api/meta/oci_names.h"

#define HEX16 "0123456789abcdef"
#define HEX64 HEX16 HEX16 HEX16 HEX16

struct name_row {
    const char *name;
    struct fl_str in;
    bool want;
};

static void assert_names(const struct name_row *rows, size_t n, const char *(*wrong)(struct fl_str))
{
    for (size_t i = 0; i < n; i++) {
        const char *got = wrong(rows[i].in);
        if ((got == NULL) != rows[i].want) {
            fail_msg("row '%s': got '%s'", rows[i].name, got ? got : "(valid)");
        }
    }
}

static void test_repository__grammar(void **state)
{
    (void)state;
    static char longest[FL_OCI_REPOSITORY_MAX + 1];
    memset(longest, 'a', sizeof(longest));
    const struct name_row rows[] = {
        {"plain", FL_STR("nginx"), true},
        {"path", FL_STR("library/nginx/alpine"), true},
        {"one dot", FL_STR("a.b"), true},
        {"underscores", FL_STR("a_b__c"), true},
        {"dashes", FL_STR("a-b---c"), true},
        {"digits", FL_STR("0/1"), true},
        {"longest", {longest, FL_OCI_REPOSITORY_MAX}, true},
        {"too long", {longest, FL_OCI_REPOSITORY_MAX + 1}, false},
        {"empty", FL_STR(""), false},
        {"slash only", FL_STR("/"), false},
        {"leading slash", FL_STR("/a"), false},
        {"trailing slash", FL_STR("a/"), false},
        {"double slash", FL_STR("a//b"), false},
        {"upper case", FL_STR("Nginx"), false},
        {"two dots", FL_STR("a..b"), false},
        {"three underscores", FL_STR("a___b"), false},
        {"mixed separators", FL_STR("a.-b"), false},
        {"leading dash", FL_STR("-a"), false},
        {"trailing dot", FL_STR("a."), false},
        {"dot component", FL_STR("a/./b"), false},
        {"dot-dot component", FL_STR("a/../b"), false},
        {"tag", FL_STR("a:latest"), false},
        {"digest", FL_STR("a@sha256:00"), false},
        {"space", FL_STR("a b"), false},
        {"newline", FL_STR("a\n"), false},
        {"NUL", FL_STR("a\0b"), false},
        {"not ASCII", FL_STR("caf\xc3\xa9"), false},
    };
    assert_names(rows, FL_LEN(rows), fl_oci_repository_wrong);
}

static void test_tag__grammar(void **state)
{
    (void)state;
    static char longest[FL_OCI_TAG_MAX + 1];
    memset(longest, 'T', sizeof(longest));
    const struct name_row rows[] = {
        {"plain", FL_STR("latest"), true},
        {"version", FL_STR("v1.2.3-rc_1"), true},
        {"underscore first", FL_STR("_a"), true},
        {"upper case", FL_STR("RC"), true},
        {"longest", {longest, FL_OCI_TAG_MAX}, true},
        {"too long", {longest, FL_OCI_TAG_MAX + 1}, false},
        {"empty", FL_STR(""), false},
        {"dot first", FL_STR(".a"), false},
        {"dash first", FL_STR("-a"), false},
        {"slash", FL_STR("a/b"), false},
        {"colon", FL_STR("sha256:00"), false},
        {"plus", FL_STR("1.0+x"), false},
        {"newline", FL_STR("a\nb"), false},
    };
    assert_names(rows, FL_LEN(rows), fl_oci_tag_wrong);
}

static void test_digest__grammar(void **state)
{
    (void)state;
    const struct name_row rows[] = {
        {"sha256", FL_STR("sha256:" HEX64), true},
        {"sha512", FL_STR("sha512:" HEX64 HEX64), true},
        {"short", FL_STR("sha256:" HEX16), false},
        {"long", FL_STR("sha256:" HEX64 "0"), false},
        {"upper case", FL_STR("sha256:" HEX16 HEX16 HEX16 "0123456789ABCDEF"), false},
        {"not hex", FL_STR("sha256:" HEX16 HEX16 HEX16 "0123456789abcdeg"), false},
        {"other algorithm", FL_STR("sha384:" HEX64), false},
        {"no algorithm", FL_STR(HEX64), false},
        {"empty", FL_STR(""), false},
    };
    assert_names(rows, FL_LEN(rows), fl_oci_digest_wrong);
}

/* The table of Harbor's results: registry.md 14.4. */
static void test_map__gives_harbors_results(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        const char *ns;
        int64_t replace;
        const char *want; /* NULL: refused */
    } rows[] = {
        {"a/b/c/img", "ns", -1, "ns/img"},
        {"a/b/c/img", "ns", 0, "ns/a/b/c/img"},
        {"a/b/c/img", "ns", 1, "ns/b/c/img"},
        {"a/b/c/img", "ns", 2, "ns/c/img"},
        {"a/b/c/img", "ns", 3, "ns/img"},
        {"a/b/c/img", "ns", 4, NULL},
        {"b/img", "ns", -1, "ns/img"},
        {"b/img", "ns", 0, "ns/b/img"},
        {"b/img", "ns", 1, "ns/img"},
        {"b/img", "ns", 2, NULL},
        {"b/img", "ns", 3, NULL},
        {"img", "ns", -1, "ns/img"},
        {"img", "ns", 0, "ns/img"},
        {"img", "ns", 1, NULL},
        {"a/b/img", "x/y", 1, "x/y/b/img"},
        {"a/b/img", "", 7, "a/b/img"},
        {"a/b/img", "ns", INT64_MAX, NULL},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) got = FL_BUF_INIT(FL_BUF_ANY);
        struct fl_err err = FL_ERR_INIT;
        int rc = fl_oci_map_repository(fl_str_of(rows[i].source), fl_str_of(rows[i].ns),
                                       rows[i].replace, &got, &err);
        bool ok = rows[i].want
                      ? rc == 0 && strcmp(got.data, rows[i].want) == 0
                      : rc == FL_E_INVALID && got.len == 0 && strstr(err.msg, rows[i].source);
        if (!ok) {
            fail_msg("row %zu (%s by %d): got %d '%s' %s", i, rows[i].source, (int)rows[i].replace,
                     rc, got.data, err.msg);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repository__grammar),
        cmocka_unit_test(test_tag__grammar),
        cmocka_unit_test(test_digest__grammar),
        cmocka_unit_test(test_map__gives_harbors_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
