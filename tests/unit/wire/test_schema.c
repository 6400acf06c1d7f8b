/* SPDX-License-Identifier: Apache-2.0 */
#include "codec_help.h"

#include "api/scheme.h"

static const char *const sizes[] = {"small", "large", NULL};
static const struct fl_field inner[] = {
    {.name = "name",
     .type = FL_STRING,
     .flags = FL_REQUIRED,
     .min = 1,
     .max = 9,
     .pattern = "^a$",
     .doc = "The name."},
    {.name = "n", .type = FL_INT, .doc = "Any number."},
    {.type = FL_END},
};
static const struct fl_field rows_of[] = {
    {.name = "flag", .type = FL_BOOL, .def = "true", .doc = "A flag."},
    {.name = "count", .type = FL_INT, .min = 0, .max = 9, .def = "3", .doc = "A count."},
    {.name = "least", .type = FL_INT, .min = -1, .doc = "From -1."},
    {.name = "size", .type = FL_ENUM, .names = sizes, .flags = FL_IMMUTABLE, .doc = "A size."},
    {.name = "wait", .type = FL_DURATION, .def = "\"5m\"", .min = 1000, .doc = "A time to wait."},
    {.name = "when", .type = FL_TIME, .doc = "A time."},
    {.name = "bytes", .type = FL_BYTES, .doc = "Bytes."},
    {.name = "object", .type = FL_OBJECT, .rows = inner, .flags = FL_REQUIRED, .doc = "An object."},
    {.name = "set",
     .type = FL_LIST,
     .item = FL_STRING,
     .flags = FL_LIST_SET,
     .min = 1,
     .max = 5,
     .pattern = "^b$",
     .doc = "A set."},
    {.name = "map",
     .type = FL_LIST,
     .item = FL_OBJECT,
     .rows = inner,
     .flags = FL_LIST_MAP,
     .key = "name",
     .doc = "A list-map."},
    {.name = "atoms", .type = FL_LIST, .item = FL_INT, .doc = "A list."},
    {.name = "texts", .type = FL_MAP, .item = FL_STRING, .max = 4, .doc = "Texts."},
    {.name = "blobs", .type = FL_MAP, .item = FL_BYTES, .doc = "Blobs."},
    {.name = "any", .type = FL_ANY, .doc = "Anything."},
    {.type = FL_END},
};

static void test_rows__make_a_structural_schema(void **state)
{
    (void)state;
    fl_auto(fl_json) s = fl_schema_rows(rows_of, "The whole.");
#define INNER                                                                                      \
    "\"type\":\"object\",\"required\":[\"name\"],\"properties\":{\"name\":{\"description\":\"The " \
    "name.\","                                                                                     \
    "\"type\":\"string\",\"pattern\":\"^a$\",\"minLength\":1,\"maxLength\":9},"                    \
    "\"n\":{\"description\":\"Any number.\",\"type\":\"integer\",\"format\":\"int64\"}}"
    static const struct {
        const char *path;
        const char *want;
    } rows[] = {
        {"description", "\"The whole.\""},
        {"type", "\"object\""},
        {"required", "[\"object\"]"},
        {"properties.flag", "{\"description\":\"A flag.\",\"type\":\"boolean\",\"default\":true}"},
        {"properties.count", "{\"description\":\"A "
                             "count.\",\"type\":\"integer\",\"format\":\"int64\",\"minimum\":0,"
                             "\"maximum\":9,\"default\":3}"},
        {"properties.least",
         "{\"description\":\"From -1.\",\"type\":\"integer\",\"format\":\"int64\",\"minimum\":-1}"},
        {"properties.size",
         "{\"description\":\"A size.\",\"type\":\"string\",\"enum\":[\"small\",\"large\"],"
         "\"x-kubernetes-validations\":[{\"rule\":\"self == oldSelf\",\"message\":\"field is "
         "immutable: it may not be changed after creation\"}]}"},
        {"properties.wait", "{\"description\":\"A time to "
                            "wait.\",\"type\":\"string\",\"pattern\":\"^(0|(([0-9]+(\\\\.[0-9]*)?|"
                            "\\\\.[0-9]+)(ns|us|ms|s|m|h))+)$\",\"default\":\"5m\"}"},
        {"properties.when",
         "{\"description\":\"A time.\",\"type\":\"string\",\"format\":\"date-time\"}"},
        {"properties.bytes",
         "{\"description\":\"Bytes.\",\"type\":\"string\",\"format\":\"byte\"}"},
        {"properties.object", "{\"description\":\"An object.\"," INNER "}"},
        {"properties.set",
         "{\"description\":\"A "
         "set.\",\"type\":\"array\",\"items\":{\"type\":\"string\",\"pattern\":\"^b$\"},\"x-"
         "kubernetes-list-type\":\"set\",\"minItems\":1,\"maxItems\":5}"},
        {"properties.map",
         "{\"description\":\"A list-map.\",\"type\":\"array\",\"items\":{" INNER
         "},\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-list-map-keys\":[\"name\"]}"},
        {"properties.atoms", "{\"description\":\"A "
                             "list.\",\"type\":\"array\",\"items\":{\"type\":\"integer\","
                             "\"format\":\"int64\"},\"x-kubernetes-list-type\":\"atomic\"}"},
        {"properties.texts", "{\"description\":\"Texts.\",\"type\":\"object\","
                             "\"additionalProperties\":{\"type\":\"string\"},\"maxProperties\":4}"},
        {"properties.blobs", "{\"description\":\"Blobs.\",\"type\":\"object\","
                             "\"additionalProperties\":{\"type\":\"string\",\"format\":\"byte\"}}"},
        {"properties.any",
         "{\"description\":\"Anything.\",\"x-kubernetes-preserve-unknown-fields\":true}"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        row_tree(rows[i].path, fl_json_path(s, rows[i].path), rows[i].want);
    }
    assert_int_equal(fl_json_len(fl_json_get(s, "properties")), FL_LEN(rows_of) - 1);
}

static void test_kind__schema_has_what_every_object_has(void **state)
{
    (void)state;
    fl_auto(fl_json) plain = fl_schema_kind(&fl_kind_registry, NULL);
    row_tree("metadata", fl_json_path(plain, "properties.metadata"), "{\"type\":\"object\"}");
    row_tree("required", fl_json_get(plain, "required"), "[\"spec\"]");
    row_tree("type", fl_json_path(plain, "properties.apiVersion.type"), "\"string\"");
    assert_non_null(fl_json_path(plain, "properties.spec.properties.secretRef.properties.name"));
    assert_non_null(
        fl_json_path(plain, "properties.status.properties.conditions.items.properties.reason"));
    fl_auto(fl_json) ref = fl_schema_kind(&fl_kind_secret, "#/components/schemas/Meta");
    row_tree("reference", fl_json_path(ref, "properties.metadata.allOf"),
             "[{\"$ref\":\"#/components/schemas/Meta\"}]");
    row_tree("data", fl_json_path(ref, "properties.data.additionalProperties"),
             "{\"type\":\"string\",\"format\":\"byte\"}");
}

static void test_crd__is_whole(void **state)
{
    (void)state;
    fl_auto(fl_json) crd = fl_schema_crd(&fl_kind_replication_execution);
    static const struct {
        const char *path;
        const char *want;
    } rows[] = {
        {"apiVersion", "\"apiextensions.k8s.io/v1\""},
        {"kind", "\"CustomResourceDefinition\""},
        {"metadata", "{\"name\":\"replicationexecutions.fairlead.dev\"}"},
        {"spec.group", "\"fairlead.dev\""},
        {"spec.scope", "\"Namespaced\""},
        {"spec.names", "{\"kind\":\"ReplicationExecution\",\"listKind\":"
                       "\"ReplicationExecutionList\",\"plural\":\"replicationexecutions\","
                       "\"singular\":\"replicationexecution\",\"shortNames\":[\"rx\"],"
                       "\"categories\":[\"fairlead\"]}"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        row_tree(rows[i].path, fl_json_path(crd, rows[i].path), rows[i].want);
    }
    const struct fl_json *v = fl_json_at(fl_json_path(crd, "spec.versions"), 0);
    row_tree("name", fl_json_get(v, "name"), "\"v1alpha1\"");
    row_tree("served", fl_json_get(v, "served"), "true");
    row_tree("storage", fl_json_get(v, "storage"), "true");
    row_tree("subresources", fl_json_get(v, "subresources"), "{\"status\":{}}");
    row_tree("selectable", fl_json_get(v, "selectableFields"), "[{\"jsonPath\":\".spec.policy\"}]");
    row_tree("column", fl_json_at(fl_json_get(v, "additionalPrinterColumns"), 1),
             "{\"name\":\"Phase\",\"type\":\"string\",\"jsonPath\":\".status.phase\","
             "\"description\":\"Pending, Running, Succeeded, "
             "Failed or Stopped.\"}");
    row_tree("items",
             fl_json_path(v, "schema.openAPIV3Schema.properties.spec.properties.items.maxItems"),
             "5000");
}

/* Every place of a schema below `s` has a type, or says that anything may stand there: what "structural" asks first. */
static void assert_structural(const struct fl_json *s, const char *at, int depth)
{
    assert_true(depth < 32);
    if (!fl_json_get(s, "type") && !fl_json_get(s, "x-kubernetes-preserve-unknown-fields")) {
        fail_msg("%s has no type", at);
    }
    if (fl_json_get(s, "properties") && fl_json_get(s, "additionalProperties")) {
        fail_msg("%s has properties and additionalProperties", at);
    }
    struct fl_json_iter it = fl_json_iter(fl_json_get(s, "properties"));
    while (fl_json_next(&it)) {
        fl_auto_text path = fl_asprintf("%s.%.*s", at, FL_STR_ARG(it.key));
        assert_structural(it.value, path, depth + 1);
    }
    const struct fl_json *below[] = {fl_json_get(s, "items"),
                                     fl_json_get(s, "additionalProperties")};
    for (size_t i = 0; i < FL_LEN(below); i++) {
        if (below[i]) {
            assert_structural(below[i], at, depth + 1);
        }
    }
}

static void test_kind__schemas_are_structural(void **state)
{
    (void)state;
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        fl_auto(fl_json) s = fl_schema_kind(*k, NULL);
        assert_structural(s, (*k)->kind, 0);
    }
}

static void test_page__tells_each_field_once(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_schema_page(&fl_kind_registry, &b);
    static const char *const lines[] = {
        "### Spec\n\n| Field | Type | Default | Meaning |\n|---|---|---|---|\n",
        "| `spec.url` | string | **required** | Address of the registry: ",
        "| `spec.type` | `oci` | `\"oci\"` | ",
        "| `spec.secretRef.name` | string | **required** | ",
        "| `spec.maxConcurrent` | integer, 1 to 64 | `8` | ",
        "| `spec.timeout` | duration, 1s to 24h0m0s | `\"30s\"` | ",
        "| `status.conditions[].reason` | string | **required** | ",
        "| `status.capabilities` | list of strings, 0 to 32 |  | ",
        "### Columns of `kubectl get`\n",
        "| Message | `-o wide` | `.status.conditions[?(@.type==\"Ready\")].message` | ",
    };
    for (size_t i = 0; i < FL_LEN(lines); i++) {
        const char *at = strstr(b.data, lines[i]);
        if (!at || strstr(at + 1, lines[i])) {
            fail_msg("not once: %s in\n%s", lines[i], b.data);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows__make_a_structural_schema),
        cmocka_unit_test(test_kind__schema_has_what_every_object_has),
        cmocka_unit_test(test_crd__is_whole),
        cmocka_unit_test(test_kind__schemas_are_structural),
        cmocka_unit_test(test_page__tells_each_field_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
