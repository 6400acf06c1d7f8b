/* SPDX-License-Identifier: Apache-2.0
 * Filters and destination names. The tables are those of Harbor (registry.md 14.3, 14.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/names.h"
#include "reconcile/mapping.h"

#define GLOBS 4

struct globs {
    const char *v[2][GLOBS];
    struct fl_filter f;
};

static void filter_set(struct globs *g, const char *const include[GLOBS],
                       const char *const exclude[GLOBS])
{
    struct fl_list *const lists[2] = {&g->f.include, &g->f.exclude};
    for (size_t k = 0; k < 2; k++) {
        const char *const *from = k ? exclude : include;
        lists[k]->v = g->v[k];
        lists[k]->n = 0;
        while (lists[k]->n < GLOBS && from[lists[k]->n]) {
            g->v[k][lists[k]->n] = from[lists[k]->n];
            lists[k]->n++;
        }
    }
}

static void test_mapping__filter_admits_as_harbor_does(void **state)
{
    (void)state;
    static const struct {
        const char *include[GLOBS];
        const char *exclude[GLOBS];
        const char *name;
        bool want;
    } rows[] = {
        /* One pattern. */
        {{"library/*"}, {0}, "library/a", true},
        {{"library/*"}, {0}, "library/a/b", false},
        {{"library/**"}, {0}, "library/a", true},
        {{"library/**"}, {0}, "library/a/b", true},
        {{"library/**"}, {0}, "library", false},
        {{"**"}, {0}, "a/b/c", true},
        {{"**"}, {0}, "a", true},
        {{"*"}, {0}, "a", true},
        {{"*"}, {0}, "a/b", false},
        {{"**/hello"}, {0}, "hello", true},
        {{"**/hello"}, {0}, "a/b/hello", true},
        {{"**/hello"}, {0}, "a/b/hello2", false},
        {{"a/**/c"}, {0}, "a/c", true},
        {{"a/**/c"}, {0}, "a/b/d/c", true},
        {{"a**"}, {0}, "ab", true},
        {{"a**"}, {0}, "a/b", false},
        {{"a**/c"}, {0}, "ab/c", true},
        {{"har*/**"}, {0}, "harbor/test", true},
        {{"har*/**"}, {0}, "harbor", false},
        {{"{a,b}/c"}, {0}, "b/c", true},
        {{"{a,b/c}"}, {0}, "b/c", true},
        {{"{,a}b"}, {0}, "b", true},
        {{"a?c"}, {0}, "abc", true},
        {{"a?c"}, {0}, "a/c", false},
        {{"v[0-9]"}, {0}, "v1", true},
        {{"v[^0-9]"}, {0}, "v1", false},
        {{"v[^0-9]"}, {0}, "va", true},
        {{"v[!0-9]"}, {0}, "va", false},
        {{"a\\*"}, {0}, "a*", true},
        {{"a\\*"}, {0}, "ab", false},
        {{"A"}, {0}, "a", false},
        {{"a,b"}, {0}, "a", false},
        {{"v1.0"}, {0}, "v1x0", false},
        /* Several, and exclusions. */
        {{0}, {0}, "anything/at/all", true},
        {{"a", "b"}, {0}, "b", true},
        {{"a", "b"}, {0}, "c", false},
        {{"v*"}, {"*-rc*"}, "v1", true},
        {{"v*"}, {"*-rc*"}, "v1-rc2", false},
        {{0}, {"v*"}, "latest", true},
        {{0}, {"v*"}, "v1", false},
        {{"v1"}, {"v1"}, "v1", false},
        {{0}, {"**"}, "a/b", false},
        {{0}, {"*", "b/**"}, "b/c", false},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct globs g;
        filter_set(&g, rows[i].include, rows[i].exclude);
        if (fl_filter_admits(&g.f, fl_str_of(rows[i].name)) != rows[i].want) {
            fail_msg("row %zu: '%s' by include '%s' exclude '%s' should be %s", i, rows[i].name,
                     rows[i].include[0] ? rows[i].include[0] : "",
                     rows[i].exclude[0] ? rows[i].exclude[0] : "",
                     rows[i].want ? "admitted" : "left out");
        }
    }
    assert_true(fl_filter_admits(NULL, FL_STR("anything")));
}

static void test_mapping__literal_filter_needs_no_listing(void **state)
{
    (void)state;
    static const struct {
        const char *include[GLOBS];
        bool want;
    } rows[] = {
        {{"library/nginx"}, true},
        {{"a", "b/c"}, true},
        {{"a", "b/*"}, false},
        {{"**"}, false},
        {{"{a,b}"}, false},
        {{"a?"}, false},
        {{"[ab]"}, false},
        {{"a\\*"}, false},
        {{0}, false},
        {{""}, false},
    };
    static const char *const none[GLOBS] = {0};
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct globs g;
        filter_set(&g, rows[i].include, none);
        if (fl_filter_literal(&g.f) != rows[i].want) {
            fail_msg("row %zu: '%s'", i, rows[i].include[0] ? rows[i].include[0] : "");
        }
    }
    assert_false(fl_filter_literal(NULL));
}

#define LONG60 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_mapping__destination_as_harbor_maps_it(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        const char *ns;
        int64_t count;
        const char *want; /* NULL: INVALID */
        const char *reason;
    } rows[] = {
        {"a/b/c/img", "ns", -1, "ns/img", NULL},
        {"a/b/c/img", "ns", 0, "ns/a/b/c/img", NULL},
        {"a/b/c/img", "ns", 1, "ns/b/c/img", NULL},
        {"a/b/c/img", "ns", 2, "ns/c/img", NULL},
        {"a/b/c/img", "ns", 3, "ns/img", NULL},
        {"a/b/c/img", "ns", 4, NULL, "NamespaceReplaceCount"},
        {"b/img", "ns", -1, "ns/img", NULL},
        {"b/img", "ns", 0, "ns/b/img", NULL},
        {"b/img", "ns", 1, "ns/img", NULL},
        {"b/img", "ns", 2, NULL, "NamespaceReplaceCount"},
        {"b/img", "ns", 3, NULL, "NamespaceReplaceCount"},
        {"img", "ns", -1, "ns/img", NULL},
        {"img", "ns", 0, "ns/img", NULL},
        {"img", "ns", 1, NULL, "NamespaceReplaceCount"},
        {"img", "ns", 2, NULL, "NamespaceReplaceCount"},
        {"a/b/img", "team/sub", 1, "team/sub/b/img", NULL},
        {"a/b/img", "team/sub", -1, "team/sub/img", NULL},
        {"a/b/img", NULL, -1, "a/b/img", NULL},
        {"a/b/img", "", 2, "a/b/img", NULL},
        {"img", NULL, 1, "img", NULL},
        {LONG60 "/" LONG60 "/" LONG60 "/" LONG60, LONG60, 0, NULL, "MappingImpossible"},
        {"img", "Upper", 0, NULL, "MappingImpossible"},
    };
    fl_auto(fl_arena) a = fl_arena_new();
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        const struct fl_policy_destination d = {
            .registry = "r",
            .namespace_ = rows[i].ns,
            .namespace_replace_count = rows[i].count,
        };
        const char *got = NULL;
        struct fl_err err = FL_ERR_INIT;
        int x = fl_map_repository(&d, rows[i].source, a, &got, &err);
        bool fine = rows[i].want ? x == 0 && fl_text_eq(got, rows[i].want)
                                 : x == FL_E_INVALID && !got && strstr(err.msg, rows[i].source) &&
                                       fl_text_eq(err.reason, rows[i].reason);
        if (!fine) {
            fail_msg("%s to '%s' %d: got %s (%s: %s)", rows[i].source, rows[i].ns ? rows[i].ns : "",
                     (int)rows[i].count, got ? got : "-", err.reason, err.msg);
        }
    }
}

/* ---- names of runs ---- */

static void run_stem_check(size_t length, char last, bool whole)
{
    char policy[256];
    memset(policy, 'a', sizeof(policy));
    for (size_t i = 200; i < 225; i++) {
        policy[i] = last; /* where a long one is cut */
    }
    policy[length - 1] = 'z';
    policy[length] = '\0';
    fl_auto(fl_arena) a = fl_arena_new();
    const char *stem = fl_map_run_stem(fl_str_of(policy), a);
    const char *again = fl_map_run_stem(fl_str_of(policy), a);
    const char *name = fl_arena_fmt(a, "%s-%lld", stem, (long long)INT64_MAX);
    const char *wrong = fl_name_dns_subdomain(fl_str_of(name));
    if (wrong || strcmp(stem, again) != 0 || (strcmp(stem, policy) == 0) != whole) {
        fail_msg("%zu bytes with '%c': %s (%s)", length, last, name, wrong ? wrong : "well formed");
    }
    policy[length - 1] = 'y';
    if (strcmp(stem, fl_map_run_stem(fl_str_of(policy), a)) == 0) {
        fail_msg("%zu bytes with '%c': two policies, one stem", length, last);
    }
}

static void test_mapping__names_of_runs_are_names(void **state)
{
    (void)state;
    static const struct {
        size_t length;
        bool whole;
    } rows[] = {{1, true}, {63, true}, {233, true}, {234, false}, {252, false}, {253, false}};
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        run_stem_check(rows[i].length, 'a', rows[i].whole);
        run_stem_check(rows[i].length, '-', rows[i].whole);
    }
    fl_auto(fl_arena) a = fl_arena_new();
    char policy[254];
    memset(policy, 'a', sizeof(policy) - 1);
    policy[253] = '\0';
    for (size_t i = 151; i < 252; i += 2) { /* cut behind a dot */
        policy[i] = '.';
    }
    assert_null(fl_name_dns_subdomain(fl_str_of(policy)));
    const char *stem = fl_map_run_stem(fl_str_of(policy), a);
    assert_null(fl_name_dns_subdomain(fl_str_of(stem)));
    assert_int_equal(strlen(stem), 253 - 20 - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mapping__filter_admits_as_harbor_does),
        cmocka_unit_test(test_mapping__literal_filter_needs_no_listing),
        cmocka_unit_test(test_mapping__destination_as_harbor_maps_it),
        cmocka_unit_test(test_mapping__names_of_runs_are_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
