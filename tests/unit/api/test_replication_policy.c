/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include "api/v1alpha1/replication_policy.h"

static void test_policy__patterns(void **state)
{
    (void)state;
    /* want "": refused, in the words of base/glob */
    const struct {
        const char *name;
        const char *path;
        struct fl_str in;
        const char *want;
    } rows[] = {
        {"name", "repositories.include", FL_STR("library/nginx"), NULL},
        {"glob", "repositories.include", FL_STR("library/**"), NULL},
        {"alternatives", "repositories.include", FL_STR("{a,b}/x"), NULL},
        {"empty", "repositories.include", FL_STR(""), "must not be empty"},
        {"no OCI name", "repositories.include", FL_STR("Library/nginx"),
         "must be a repository name"},
        {"tag in the name", "repositories.include", FL_STR("nginx:1"), "must be a repository name"},
        {"newline", "repositories.include", FL_STR("a\nb"), "must be a repository name"},
        {"class not closed", "repositories.include", FL_STR("a[b"), ""},
        {"group not closed", "repositories.exclude", FL_STR("a{b"), ""},
        {"escape of nothing", "repositories.exclude", FL_STR("a\\"), ""},
        {"excluded name", "repositories.exclude", FL_STR("a//b"), "must be a repository name"},
        {"tag", "tags.include", FL_STR("latest"), NULL},
        {"tags", "tags.include", FL_STR("v1.*"), NULL},
        {"no tag", "tags.include", FL_STR("a/b"), "must be a tag"},
        {"tag class not closed", "tags.exclude", FL_STR("[0-9"), ""},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        row_check(rows[i].name, row_at(fl_kind_replication_policy.spec_rows, rows[i].path),
                  rows[i].in, rows[i].want);
    }
}

static void test_policy__destination_namespace(void **state)
{
    (void)state;
    const struct fl_field *f =
        row_at(fl_kind_replication_policy.spec_rows, "destination.namespace");
    row_check("one component", f, FL_STR("mirror"), NULL);
    row_check("path", f, FL_STR("mirror/hub"), NULL);
    row_check("trailing slash", f, FL_STR("mirror/"), "must be a repository name");
    row_check("upper case", f, FL_STR("Mirror"), "must be a repository name");
    row_check("glob", f, FL_STR("*"), "must be a repository name");
}

struct policy_row {
    const char *name;
    const char *destination; /* the source is "a" */
    const char *ns;
    int64_t replace;
    const char *include[4];
    const char *exclude[4];
    const char *want;
};

static size_t count(const char *const *list)
{
    size_t n = 0;
    while (n < 4 && list[n]) {
        n++;
    }
    return n;
}

static void assert_policy(const struct policy_row *row)
{
    struct fl_policy_source source = {.registry = "a"};
    struct fl_policy_destination destination = {.registry = row->destination,
                                                .namespace_ = row->ns,
                                                .namespace_replace_count = row->replace};
    struct fl_filter repositories = {
        .include = {(void *)(uintptr_t)row->include, count(row->include)},
        .exclude = {(void *)(uintptr_t)row->exclude, count(row->exclude)},
    };
    struct fl_replication_policy_spec spec = {
        .source = &source, .destination = &destination, .repositories = &repositories};
    row_kind_check(row->name, &fl_kind_replication_policy, &spec, row->want);
}

#define SAME_PLACE                                                                                 \
    "spec.destination.registry: Invalid value: \"a\": must differ from spec.source.registry, or "  \
    "spec.destination.namespace must put the images elsewhere: this is the same place as the "     \
    "source\n"
#define ONTO_ITSELF                                                                                \
    "would be copied onto itself: source and destination are the same registry and "               \
    "spec.destination.namespace leaves the name as it is\n"

static void test_policy__same_place_is_refused(void **state)
{
    (void)state;
    static const struct policy_row rows[] = {
        {"other registry", "b", NULL, -1, {"**"}, {NULL}, ""},
        {"same registry, no namespace", "a", NULL, -1, {"**"}, {NULL}, SAME_PLACE},
        {"same registry, empty namespace", "a", "", -1, {"**"}, {NULL}, SAME_PLACE},
        {"same registry, below a namespace", "a", "mirror", 0, {"**"}, {NULL}, ""},
        {"same registry, other namespace", "a", "mirror", -1, {"library/nginx"}, {NULL}, ""},
        {"same name",
         "a",
         "library",
         -1,
         {"x/y", "library/nginx"},
         {NULL},
         "spec.repositories.include[1]: Invalid value: \"library/nginx\": " ONTO_ITSELF},
        {"same names by a glob",
         "a",
         "library",
         -1,
         {"library/*"},
         {NULL},
         "spec.repositories.include[0]: Invalid value: \"library/*\": " ONTO_ITSELF},
        {"same names by a deep glob",
         "a",
         "library",
         1,
         {"library/**"},
         {NULL},
         "spec.repositories.include[0]: Invalid value: \"library/**\": " ONTO_ITSELF},
        {"deep glob that is flattened", "a", "library", -1, {"library/**"}, {NULL}, ""},
        {"same name but excluded", "a", "library", -1, {"library/nginx"}, {"library/*"}, ""},
        {"same name at another registry", "b", "library", -1, {"library/nginx"}, {NULL}, ""},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        assert_policy(&rows[i]);
    }
}

static void test_policy__replace_count_too_large_is_refused_with_the_name(void **state)
{
    (void)state;
    static const struct policy_row rows[] = {
        {"fits", "b", "ns", 1, {"a/img", "a/b/img"}, {NULL}, ""},
        {"too large for the second",
         "b",
         "ns",
         2,
         {"a/b/img", "a/img"},
         {NULL},
         "spec.destination.namespaceReplaceCount: Invalid value: 2: cannot replace 2 leading "
         "components of 'a/img', which has only 1 before the last\n"},
        {"one component",
         "b",
         "ns",
         1,
         {"img"},
         {NULL},
         "spec.destination.namespaceReplaceCount: Invalid value: 1: cannot replace 1 leading "
         "components of 'img', which has only 0 before the last\n"},
        {"too large for a glob: decided by what it matches", "b", "ns", 2, {"a/*"}, {NULL}, ""},
        {"excluded", "b", "ns", 1, {"img", "a/img"}, {"img"}, ""},
        {"no namespace, no meaning", "b", NULL, 9, {"img"}, {NULL}, ""},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        assert_policy(&rows[i]);
    }
}

static void test_policy__mapped_name_too_long_is_refused(void **state)
{
    (void)state;
    static char name[251], want[512];
    memset(name, 'a', sizeof(name) - 1);
    const struct policy_row fits = {"fits", "b", "ns", -1, {name + 2}, {NULL}, ""};
    assert_policy(&fits); /* 2 + 1 + 248 */
    const struct policy_row row = {"too long", "b", "longer", -1, {name}, {NULL}, want};
    (void)snprintf(
        want, sizeof(want),
        "spec.repositories.include[0]: Invalid value: \"%s\": its name at the destination "
        "would be longer than 255 bytes\n",
        name);
    assert_policy(&row);
}

static void test_policy__half_a_spec_is_left_to_the_rows(void **state)
{
    (void)state;
    struct fl_policy_destination nameless = {.registry = NULL};
    struct fl_policy_source source = {.registry = NULL};
    struct fl_filter none = {0};
    struct fl_replication_policy_spec rows[] = {
        {.source = NULL},
        {.source = &source},
        {.source = &source, .destination = &nameless},
        {.source = &source, .destination = &nameless, .repositories = &none},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        row_kind_check("half", &fl_kind_replication_policy, &rows[i], "");
    }
}

static void test_policy__interval_too_short_is_refused(void **state)
{
    (void)state;
    struct fl_replication_policy_spec spec = {.common = {.interval_ms = 1}};
    row_kind_check(
        "1ms", &fl_kind_replication_policy, &spec,
        "spec.interval: Invalid value: \"1ms\": must be 0 (never by the clock) or at least "
        "1s\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy__patterns),
        cmocka_unit_test(test_policy__destination_namespace),
        cmocka_unit_test(test_policy__same_place_is_refused),
        cmocka_unit_test(test_policy__replace_count_too_large_is_refused_with_the_name),
        cmocka_unit_test(test_policy__mapped_name_too_long_is_refused),
        cmocka_unit_test(test_policy__half_a_spec_is_left_to_the_rows),
        cmocka_unit_test(test_policy__interval_too_short_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
