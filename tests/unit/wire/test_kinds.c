/* SPDX-License-Identifier: Apache-2.0
 * The tables of our kinds as the API server walks them: an object as text in, the whole refusal out. */
#include "codec_help.h"

#include "api/scheme.h"
#include "api/v1alpha1/registry.h"
#include "api/v1alpha1/replication_execution.h"
#include "api/v1alpha1/replication_policy.h"

/* ---- every default, against its own row ---- */

static void assert_defaults(const struct fl_field *rows, const char *path)
{
    for (const struct fl_field *f = rows; f->type != FL_END; f++) {
        if (f->rows) {
            assert_defaults(f->rows, f->name);
        }
        if (!f->def) {
            continue;
        }
        const struct fl_field one[] = {*f, {.type = FL_END}};
        fl_auto(fl_arena) a = fl_arena_new();
        fl_auto(fl_json) j = fl_json_object();
        struct fl_violations vs = {.arena = a};
        fl_codec_default(one, j);
        fl_codec_validate(one, j, path, &vs);
        row_violations(f->name, &vs, "");
        row_tree(f->name, fl_json_get(j, f->name), f->def);
    }
}

static void test_kinds__defaults_are_valid(void **state)
{
    (void)state;
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        assert_defaults((*k)->rows, (*k)->kind);
    }
    assert_defaults(fl_meta_rows, "metadata");
}

/* ---- what is refused when it is applied ---- */

static void apply(const char *row, const struct fl_kind *k, const char *in, const char *want)
{
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto(fl_json) j = tree(in);
    struct fl_violations vs = {.arena = a};
    fl_codec_default(k->rows, j);
    fl_codec_validate(k->rows, j, "", &vs);
    if (vs.n == 0 && k->check) {
        void *spec = fl_arena_alloc(a, k->spec_size);
        fl_codec_decode(k->spec_rows, fl_json_get(j, "spec"), a, spec);
        k->check(spec, NULL, &vs);
    }
    row_violations(row, &vs, want);
}

static void test_registry__bad_input_and_its_words(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *in;
        const char *want;
    } rows[] = {
        {"least", "{\"spec\":{\"url\":\"https://r.example.com\"}}", ""},
        {"all",
         "{\"spec\":{\"type\":\"oci\",\"url\":\"https://r.example.com:5000/"
         "x\",\"secretRef\":{\"name\":\"s\"},\"caRef\":{\"name\":\"ca\"},\"insecure\":false,"
         "\"maxConcurrent\":64,\"interval\":\"0\",\"timeout\":\"1s\",\"suspend\":true,\"mode\":"
         "\"Observe\"}}",
         ""},
        {"no spec", "{}", "spec: Required value\n"},
        {"no url", "{\"spec\":{}}", "spec.url: Required value\n"},
        {"unknown type", "{\"spec\":{\"type\":\"ftp\",\"url\":\"https://r.example.com\"}}",
         "spec.type: Unsupported value: \"ftp\": supported values: \"oci\"\n"},
        {"unknown mode", "{\"spec\":{\"mode\":\"apply\",\"url\":\"https://r.example.com\"}}",
         "spec.mode: Unsupported value: \"apply\": supported values: \"Observe\", \"Plan\", "
         "\"Apply\"\n"},
        {"bad interval", "{\"spec\":{\"interval\":\"soon\",\"url\":\"https://r.example.com\"}}",
         "spec.interval: Invalid value: \"soon\": must be a duration such as 30s, 5m or 1h30m, or "
         "0\n"},
        {"short interval", "{\"spec\":{\"interval\":\"10ms\",\"url\":\"https://r.example.com\"}}",
         "spec.interval: Invalid value: \"10ms\": must be 0 (never by the clock) or at least 1s\n"},
        {"short timeout", "{\"spec\":{\"timeout\":\"0\",\"url\":\"https://r.example.com\"}}",
         "spec.timeout: Invalid value: \"0\": must be at least 1s\n"},
        {"too many requests", "{\"spec\":{\"maxConcurrent\":65,\"url\":\"https://r.example.com\"}}",
         "spec.maxConcurrent: Invalid value: 65: spec.maxConcurrent in body should be less than or "
         "equal to 64\n"},
        {"nameless secret", "{\"spec\":{\"secretRef\":{},\"url\":\"https://r.example.com\"}}",
         "spec.secretRef.name: Required value\n"},
        {"secret as text", "{\"spec\":{\"secretRef\":\"s\",\"url\":\"https://r.example.com\"}}",
         "spec.secretRef: Invalid value: \"string\": spec.secretRef in body must be of type "
         "object: \"string\"\n"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        apply(rows[i].name, &fl_kind_registry, rows[i].in, rows[i].want);
    }
}

static void test_registry__a_password_in_the_url_is_not_repeated(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto(fl_json) j = tree("{\"spec\":{\"url\":\"https://user:hunter2@r.example.com\"}}");
    struct fl_violations vs = {.arena = a};
    fl_codec_validate(fl_kind_registry.rows, j, "", &vs);
    assert_int_equal(vs.n, 1);
    assert_string_equal(vs.v[0].field, "spec.url");
    assert_null(strstr(vs.v[0].text, "hunter2"));
}

#define POLICY(rest)                                                                               \
    "{\"spec\":{\"source\":{\"registry\":\"a\"},\"destination\":{\"registry\":\"b\"},"             \
    "\"repositories\":" rest "}}"

static void test_policy__bad_input_and_its_words(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *in;
        const char *want;
    } rows[] = {
        {"least", POLICY("{\"include\":[\"library/**\"]}"), ""},
        {"nothing", "{\"spec\":{}}",
         "spec.source: Required value\nspec.destination: Required value\nspec.repositories: "
         "Required value\n"},
        {"no pattern", POLICY("{\"include\":[]}"),
         "spec.repositories.include: Invalid value: 0: spec.repositories.include in body should "
         "have at least 1 items\n"},
        {"include absent", POLICY("{}"), "spec.repositories.include: Required value\n"},
        {"empty pattern", POLICY("{\"include\":[\"\"]}"),
         "spec.repositories.include[0]: Invalid value: \"\": must not be empty; ** matches "
         "everything\n"},
        {"no such name", POLICY("{\"include\":[\"ok\",\"Nginx\"]}"),
         "spec.repositories.include[1]: Invalid value: \"Nginx\": must be a repository name such "
         "as library/nginx: lower-case letters and digits, separated by one '.', '_', '__', any "
         "number of '-', or '/'\n"},
        {"namespace",
         "{\"spec\":{\"source\":{\"registry\":\"a\"},\"destination\":{\"registry\":\"b\","
         "\"namespace\":\"x/\"},\"repositories\":{\"include\":[\"a\"]}}}",
         "spec.destination.namespace: Invalid value: \"x/\": must be a repository name such as "
         "library/nginx: lower-case letters and digits, separated by one '.', '_', '__', any "
         "number of '-', or '/'\n"},
        {"replace count below",
         "{\"spec\":{\"source\":{\"registry\":\"a\"},\"destination\":{\"registry\":\"b\","
         "\"namespace\":\"x\",\"namespaceReplaceCount\":-2},\"repositories\":{\"include\":[\"a\"]}}"
         "}",
         "spec.destination.namespaceReplaceCount: Invalid value: -2: "
         "spec.destination.namespaceReplaceCount in body should be greater than or equal to -1\n"},
        {"replace count above the name",
         "{\"spec\":{\"source\":{\"registry\":\"a\"},\"destination\":{\"registry\":\"b\","
         "\"namespace\":\"x\",\"namespaceReplaceCount\":1},\"repositories\":{\"include\":[\"img\"]}"
         "}}",
         "spec.destination.namespaceReplaceCount: Invalid value: 1: cannot replace 1 leading "
         "components of 'img', which has only 0 before the last\n"},
        {"same place",
         "{\"spec\":{\"source\":{\"registry\":\"a\"},\"destination\":{\"registry\":\"a\"},"
         "\"repositories\":{\"include\":[\"img\"]}}}",
         "spec.destination.registry: Invalid value: \"a\": must differ from spec.source.registry, "
         "or spec.destination.namespace must put the images elsewhere: this is the same place as "
         "the source\n"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        apply(rows[i].name, &fl_kind_replication_policy, rows[i].in, rows[i].want);
    }
}

#define DIGEST "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ITEM "{\"source\":\"a/b\",\"destination\":\"c/b\",\"tag\":\"1\",\"digest\":\"" DIGEST "\"}"
#define EXECUTION(items, rest)                                                                     \
    "{\"spec\":{\"policy\":\"p\",\"source\":\"a\",\"destination\":\"b\",\"items\":[" items         \
    "]" rest "}}"

static void test_execution__bad_input_and_its_words(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *in;
        const char *want;
    } rows[] = {
        {"least", EXECUTION(ITEM, ""), ""},
        {"no item", EXECUTION("", ""),
         "spec.items: Invalid value: 0: spec.items in body should have at least 1 items\n"},
        {"empty item", EXECUTION("{}", ""),
         "spec.items[0].source: Required value\nspec.items[0].destination: Required "
         "value\nspec.items[0].tag: Required value\nspec.items[0].digest: Required value\n"},
        {"unknown trigger", EXECUTION(ITEM, ",\"trigger\":\"Cron\""),
         "spec.trigger: Unsupported value: \"Cron\": supported values: \"Interval\", \"Request\", "
         "\"Change\"\n"},
        {"bad digest",
         EXECUTION("{\"source\":\"a\",\"destination\":\"a\",\"tag\":\"1\",\"digest\":\"sha256:0\"}",
                   ""),
         "spec.items[0].digest: Invalid value: \"sha256:0\": must be a digest: sha256: and 64, or "
         "sha512: and 128 digits 0-9a-f\n"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        apply(rows[i].name, &fl_kind_replication_execution, rows[i].in, rows[i].want);
    }
}

static void test_execution__too_many_items(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) in = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(
        &in, "{\"spec\":{\"policy\":\"p\",\"source\":\"a\",\"destination\":\"b\",\"items\":[" ITEM);
    for (int i = 0; i < 5000; i++) {
        fl_buf_text(&in, "," ITEM);
    }
    fl_buf_text(&in, "]}}");
    apply("5001 items", &fl_kind_replication_execution, in.data,
          "spec.items: Too many: 5001: must have at most 5000 items\n");
}

static void test_execution__only_stop_may_change(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *now;
        const char *want;
    } rows[] = {
        {"same", EXECUTION(ITEM, ",\"stop\":false"), ""},
        {"stop", EXECUTION(ITEM, ",\"stop\":true"), ""},
        {"other work", EXECUTION(ITEM "," ITEM, ",\"stop\":false"),
         "spec.items: Forbidden: field is immutable: it may not be changed after creation\n"},
        {"other trigger", EXECUTION(ITEM, ",\"trigger\":\"Change\""),
         "spec.trigger: Forbidden: field is immutable: it may not be changed after creation\n"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        fl_auto(fl_json) old = tree(EXECUTION(ITEM, ",\"stop\":false"));
        fl_auto(fl_json) now = tree(rows[i].now);
        struct fl_violations vs = {.arena = a};
        fl_codec_default(fl_kind_replication_execution.rows, old);
        fl_codec_default(fl_kind_replication_execution.rows, now);
        fl_codec_validate_update(fl_kind_replication_execution.rows, now, old, "", &vs);
        row_violations(rows[i].name, &vs, rows[i].want);
    }
}

/* ---- decoded, as the reconcilers see them ---- */

static void test_policy__decodes_with_its_defaults(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto(fl_json) j = tree(POLICY("{\"include\":[\"library/**\",\"x\"],\"exclude\":[\"y\"]}"));
    struct fl_replication_policy_spec s = {0};
    fl_codec_default(fl_kind_replication_policy.rows, j);
    fl_codec_decode(fl_kind_replication_policy.spec_rows, fl_json_get(j, "spec"), a, &s);
    assert_int_equal(s.common.interval_ms, 300000);
    assert_int_equal(s.common.timeout_ms, 30000);
    assert_int_equal(s.common.mode, FL_MODE_APPLY);
    assert_false(s.common.suspend);
    assert_string_equal(s.source->registry, "a");
    assert_string_equal(s.destination->registry, "b");
    assert_null(s.destination->namespace_);
    assert_int_equal(s.destination->namespace_replace_count, -1);
    assert_int_equal(s.repositories->include.n, 2);
    assert_string_equal(((const char *const *)s.repositories->exclude.v)[0], "y");
    assert_null(s.tags);
    assert_true(s.override);
    assert_int_equal(s.concurrency, 4);
    assert_int_equal(s.history_limit, 5);
}

static void test_status__encoded_is_valid(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_condition ready = {.type = "Ready",
                                 .status = "True",
                                 .observed_generation = 2,
                                 .last_transition_time = "2024-02-29T23:59:59Z",
                                 .reason = "Succeeded"};
    struct fl_execution_failure failure = {
        .source = "a:1", .destination = "b:1", .reason = "R", .message = "m", .attempts = 3};
    struct fl_replication_execution_status st = {
        .common = {.observed_generation = 2, .conditions = {&ready, 1}},
        .phase = FL_PHASE_FAILED,
        .total = 2,
        .failed = 1,
        .failures = {&failure, 1},
    };
    fl_auto(fl_json) j = fl_codec_encode(fl_kind_replication_execution.status_rows, &st);
    struct fl_violations vs = {.arena = a};
    fl_codec_validate(fl_kind_replication_execution.status_rows, j, "status", &vs);
    row_violations("status", &vs, "");
    row_tree("phase", fl_json_get(j, "phase"), "\"Failed\"");
    row_tree("conditions", fl_json_get(j, "conditions"),
             "[{\"type\":\"Ready\",\"status\":\"True\",\"observedGeneration\":2,"
             "\"lastTransitionTime\":\"2024-02-29T23:59:59Z\",\"reason\":\"Succeeded\"}]");
    row_tree("failures", fl_json_get(j, "failures"),
             "[{\"source\":\"a:1\",\"destination\":\"b:1\",\"reason\":\"R\",\"message\":\"m\","
             "\"attempts\":3}]");
}

/* ---- core kinds ---- */

static void test_core__secret_and_metadata(void **state)
{
    (void)state;
    apply("secret", &fl_kind_secret,
          "{\"data\":{\"tls.crt\":\"aGk=\"},\"stringData\":{\"a\":\"b\"},\"type\":\"Opaque\"}", "");
    apply("as kubectl before 1.32 sends it", &fl_kind_secret, "{\"data\":null,\"type\":\"\"}", "");
    apply("value not base64", &fl_kind_secret, "{\"data\":{\"a\":\"hunter2\"}}",
          "data[a]: Invalid value: \"***\": must be base64 (standard alphabet, padded)\n");
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto(fl_json) meta = tree("{\"name\":\"a\",\"labels\":{\"app\":\"x\",\"bad "
                                 "key!\":\"\"},\"finalizers\":[\"a.dev/x\",\"a.dev/x\"],"
                                 "\"ownerReferences\":[{\"kind\":\"K\"}],\"managedFields\":[{}],"
                                 "\"creationTimestamp\":null}");
    struct fl_violations vs = {.arena = a};
    fl_codec_default(fl_meta_rows, meta);
    fl_codec_validate(fl_meta_rows, meta, "metadata", &vs);
    assert_int_equal(vs.n, 5);
    assert_string_equal(vs.v[0].field, "metadata.labels[bad key!]");
    assert_string_equal(vs.v[1].field, "metadata.ownerReferences[0].apiVersion");
    assert_string_equal(vs.v[2].field, "metadata.ownerReferences[0].name");
    assert_string_equal(vs.v[3].field, "metadata.ownerReferences[0].uid");
    assert_string_equal(vs.v[4].field, "metadata.finalizers[1]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds__defaults_are_valid),
        cmocka_unit_test(test_registry__bad_input_and_its_words),
        cmocka_unit_test(test_registry__a_password_in_the_url_is_not_repeated),
        cmocka_unit_test(test_policy__bad_input_and_its_words),
        cmocka_unit_test(test_execution__bad_input_and_its_words),
        cmocka_unit_test(test_execution__too_many_items),
        cmocka_unit_test(test_execution__only_stop_may_change),
        cmocka_unit_test(test_policy__decodes_with_its_defaults),
        cmocka_unit_test(test_status__encoded_is_valid),
        cmocka_unit_test(test_core__secret_and_metadata),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
