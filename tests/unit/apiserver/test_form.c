/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/scheme.h"
#include "apiserver/form.h"
#include "apiserver/table.h"
#include "wire/json.h"
#include "wire/scan.h"

#define TABLE "application/json;as=Table;v=v1;g=meta.k8s.io"
#define PARTIAL "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"

static const struct {
    const char *name, *accept, *agent, *query;
    bool watch;
    int type; /* -1: not acceptable */
    bool v1beta1, pretty;
    enum fl_form_include include;
} picks[] = {
    {"nothing said", NULL, NULL, "", false, FL_FORM_JSON, false, false, FL_INCLUDE_METADATA},
    {"json", "application/json", NULL, "", false, FL_FORM_JSON, false, false, FL_INCLUDE_METADATA},
    {"anything", "*/*", NULL, "", false, FL_FORM_JSON, false, false, FL_INCLUDE_METADATA},
    {"yaml", "application/yaml", NULL, "", false, FL_FORM_YAML, false, false, FL_INCLUDE_METADATA},
    {"yaml of a watch", "application/yaml", NULL, "", true, -1, false, false, FL_INCLUDE_METADATA},
    {"protobuf before json", "application/vnd.kubernetes.protobuf,application/json", NULL, "",
     false, FL_FORM_JSON, false, false, FL_INCLUDE_METADATA},
    {"protobuf alone", "application/vnd.kubernetes.protobuf", NULL, "", false, -1, false, false,
     FL_INCLUDE_METADATA},
    {"kubectl get", TABLE ",application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
     NULL, "", false, FL_FORM_TABLE, false, false, FL_INCLUDE_METADATA},
    {"an old kubectl", "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", NULL,
     "includeObject=Object", false, FL_FORM_TABLE, true, false, FL_INCLUDE_OBJECT},
    {"table without objects", TABLE, NULL, "includeObject=None", false, FL_FORM_TABLE, false, false,
     FL_INCLUDE_NONE},
    {"table of another group, then json", "application/json;as=Table;v=v1;g=x.io,application/json",
     NULL, "", false, FL_FORM_JSON, false, false, FL_INCLUDE_METADATA},
    {"table of another version", "application/json;as=Table;v=v2;g=meta.k8s.io", NULL, "", false,
     -1, false, false, FL_INCLUDE_METADATA},
    {"metadata client",
     "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"
     "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
     NULL, "", false, FL_FORM_PARTIAL, false, false, FL_INCLUDE_METADATA},
    {"curl", "*/*", "curl/8.1", "", false, FL_FORM_JSON, false, true, FL_INCLUDE_METADATA},
    {"curl that wants it compact", "*/*", "curl/8.1", "pretty=false", false, FL_FORM_JSON, false,
     false, FL_INCLUDE_METADATA},
    {"pretty", NULL, "kubectl/v1", "pretty=true", false, FL_FORM_JSON, false, true,
     FL_INCLUDE_METADATA},
    {"html alone", "text/html", NULL, "", false, -1, false, false, FL_INCLUDE_METADATA},
};

static void test_form__first_clause_that_is_served_is_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(picks); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_header h[2] = {{"accept", picks[i].accept}, {"user-agent", picks[i].agent}};
        struct fl_request req = {
            .headers = h, .n_headers = 2, .query = fl_str_of(picks[i].query), .arena = a};
        struct fl_form f = {.type = FL_FORM_JSON};
        struct fl_err err = FL_ERR_INIT;
        int rc = fl_form_pick(&req, picks[i].watch, 0, &f, &err);
        bool refused = rc == FL_E_INVALID && strcmp(err.reason, "NotAcceptable") == 0;
        if (refused != (picks[i].type < 0)) {
            fail_msg("%s: %d %s", picks[i].name, rc, err.msg);
        }
        if (!refused && ((int)f.type != picks[i].type || f.v1beta1 != picks[i].v1beta1 ||
                         f.pretty != picks[i].pretty || f.include != picks[i].include)) {
            fail_msg("%s: type %d v1beta1 %d pretty %d include %d", picks[i].name, (int)f.type,
                     f.v1beta1, f.pretty, (int)f.include);
        }
    }
}

static const char registry[] =
    "{\"apiVersion\":\"fairlead.dev/"
    "v1alpha1\",\"kind\":\"Registry\",\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"7\","
    "\"creationTimestamp\":\"2023-11-14T22:13:20Z\"},\"spec\":{\"url\":\"https://"
    "r\"},\"status\":{\"conditions\":[{\"type\":"
    "\"Stalled\",\"status\":\"False\"},{\"type\":\"Ready\",\"status\":\"True\",\"reason\":\"Ok\"}]}"
    "}";
static const char secret[] =
    "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\",\"creationTimestamp\":"
    "\"2023-11-14T22:13:20Z\"},\"type\":\"Opaque\",\"data\":{\"a\":\"eA==\",\"b\":\"\"}}";
static const char empty_secret[] = "{\"metadata\":{\"name\":\"s\"},\"type\":\"Opaque\"}";
static const char config_map[] =
    "{\"metadata\":{\"name\":\"c\",\"creationTimestamp\":\"2023-11-14T22:13:20Z\"},\"data\":{"
    "\"a\":\"\"},\"binaryData\":{\"b\":\"\"}}";
static const char space[] =
    "{\"metadata\":{\"name\":\"n\",\"creationTimestamp\":\"2023-11-14T22:13:20Z\"},\"status\":{"
    "\"phase\":\"Active\"}}";
static const char event[] =
    "{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"e\",\"resourceVersion\":"
    "\"9\"},"
    "\"involvedObject\":{\"kind\":\"Registry\",\"name\":\"a\"},\"reason\":\"Probed\",\"message\":"
    "\"m\","
    "\"type\":\"Normal\",\"count\":3,\"firstTimestamp\":\"2023-11-14T22:03:20Z\",\"lastTimestamp\":"
    "\"2023-11-14T22:13:10Z\",\"reportingComponent\":\"c\"}";
static const char series[] =
    "{\"metadata\":{\"name\":\"e\"},\"involvedObject\":{\"kind\":\"X\",\"name\":\"a\"},"
    "\"eventTime\":"
    "\"2023-11-14T22:13:10.000000Z\",\"series\":{\"count\":8,\"lastObservedTime\":"
    "\"2023-11-14T22:13:15.000000Z\"}}";

#define NOW_MS INT64_C(1700000010000) /* 10 s after the objects were made */

static const struct {
    const char *name;
    const struct fl_kind *kind;
    const char *text, *cells;
} cells[] = {
    {"registry", &fl_kind_registry, registry,
     "[\"a\",\"https://r\",\"True\",\"Ok\",\"10s\",null,null,null,null]"},
    {"secret", &fl_kind_secret, secret, "[\"s\",\"Opaque\",2,\"10s\"]"},
    {"secret without data or time", &fl_kind_secret, empty_secret, "[\"s\",\"Opaque\",0,null]"},
    {"config map counts both", &fl_kind_config_map, config_map, "[\"c\",2,\"10s\"]"},
    {"namespace", &fl_kind_namespace, space, "[\"n\",\"Active\",\"10s\"]"},
    {"event", &fl_kind_event, event,
     "[\"20s\",\"Normal\",\"Probed\",\"registry/a\",\"\",\"c\",\"m\",\"10m\",3,\"e\"]"},
    {"event, the other view", &fl_kind_event_v1, event,
     "[\"20s\",\"Normal\",\"Probed\",\"registry/a\",\"\",\"c\",\"m\",\"10m\",3,\"e\"]"},
    {"event of a series", &fl_kind_event, series,
     "[\"15s\",\"\",\"\",\"x/a\",\"\",\"\",\"\",\"20s\",8,\"e\"]"},
};

static void test_form__cells_are_what_kubectl_shows(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(cells); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_table_cells(cells[i].kind, fl_str_of(cells[i].text), NOW_MS, &b);
        if (strcmp(b.data, cells[i].cells) != 0) {
            fail_msg("%s: %s", cells[i].name, b.data);
        }
    }
}

static void test_form__every_kind_has_as_many_cells_as_columns(void **state)
{
    (void)state;
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        fl_auto_val(fl_buf) columns = FL_BUF_INIT(FL_BUF_ANY);
        fl_auto_val(fl_buf) row = FL_BUF_INIT(FL_BUF_ANY);
        fl_table_columns(*k, &columns);
        fl_table_cells(*k, FL_STR("{\"metadata\":{\"name\":\"x\"}}"), 0, &row);
        fl_auto(fl_json) c = NULL;
        fl_auto(fl_json) r = NULL;
        if (fl_json_parse(fl_buf_slice(&columns), FL_BUF_ANY, &c, NULL) < 0 ||
            fl_json_parse(fl_buf_slice(&row), FL_BUF_ANY, &r, NULL) < 0 ||
            fl_json_len(c) != fl_json_len(r)) {
            fail_msg("%s: %s %s", (*k)->plural, columns.data, row.data);
        }
    }
}

static const struct {
    const char *path, *want; /* NULL: absent */
} paths[] = {
    {".a.b", "1"},
    {".l[1]", "{\"t\":\"y\",\"v\":2}"},
    {".l[?(@.t==\"y\")].v", "2"},
    {".l[?(@.t==\"z\")].v", NULL},
    {".l[7]", NULL},
    {".l[x]", NULL},
    {".l[?(@.t=\"y\")]", NULL},
    {".l[", NULL},
    {".a[0]", NULL},
    {".a.b.c", NULL},
    {".n", NULL},
    {"a", NULL},
    {".", NULL},
};

static void test_form__paths_find_members_and_elements(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\":{\"b\":1},\"l\":[{\"t\":\"x\"},{\"t\":\"y\",\"v\":2}],\"n\":null}";
    for (size_t i = 0; i < FL_LEN(paths); i++) {
        struct fl_str v = fl_table_path(fl_str_of(text), paths[i].path);
        if (paths[i].want ? !fl_str_is(v, paths[i].want) : v.n > 0) {
            fail_msg("%s: '%.*s'", paths[i].path, FL_STR_ARG(v));
        }
    }
}

static const struct {
    const char *name;
    struct fl_form form;
    const struct fl_kind *kind;
    const char *text, *want;
} objects[] = {
    {"json is what is stored", {.type = FL_FORM_JSON}, &fl_kind_registry, registry, registry},
    {"partial",
     {.type = FL_FORM_PARTIAL},
     &fl_kind_event,
     event,
     "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/"
     "v1\",\"metadata\":{\"name\":\"e\","
     "\"resourceVersion\":\"9\"}}"},
    {"the other view of an event",
     {.type = FL_FORM_JSON},
     &fl_kind_event_v1,
     event,
     "{\"apiVersion\":\"events.k8s.io/"
     "v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"e\",\"resourceVersion\":\"9\"},"
     "\"regarding\":{\"kind\":\"Registry\",\"name\":\"a\"},\"reason\":\"Probed\",\"note\":\"m\","
     "\"type\":\"Normal\","
     "\"deprecatedCount\":3,\"deprecatedFirstTimestamp\":\"2023-11-14T22:03:20Z\","
     "\"deprecatedLastTimestamp\":"
     "\"2023-11-14T22:13:10Z\",\"reportingController\":\"c\"}"},
    {"pretty",
     {.type = FL_FORM_JSON, .pretty = true},
     &fl_kind_secret,
     "{\"a\":1}",
     "{\n  \"a\": 1\n}\n"},
    {"yaml", {.type = FL_FORM_YAML}, &fl_kind_secret, "{\"a\":{\"b\":\"1\"}}", "a:\n  b: \"1\"\n"},
};

static void test_form__objects_are_written_in_each_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(objects); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_form_object(&objects[i].form, objects[i].kind, fl_str_of(objects[i].text), &b);
        if (strcmp(b.data, objects[i].want) != 0) {
            fail_msg("%s: %s", objects[i].name, b.data);
        }
    }
}

static void test_form__table_has_rows_with_their_metadata(void **state)
{
    (void)state;
    struct fl_form f = {.type = FL_FORM_TABLE, .now_ms = NOW_MS};
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_form_list l;
    fl_form_list_begin(&l, &f, &fl_kind_secret, &b);
    fl_form_list_item(&l, fl_str_of(secret));
    fl_form_list_item(&l, fl_str_of(empty_secret));
    fl_form_list_end(&l, 12, FL_STR("tok"), 3);
    assert_non_null(strstr(
        b.data,
        "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"columnDefinitions\":[{\"name\":"
        "\"Name\",\"type\":\"string\",\"format\":\"name\""));
    assert_non_null(strstr(b.data,
                           "\"rows\":[{\"cells\":[\"s\",\"Opaque\",2,\"10s\"],\"object\":{\"kind\":"
                           "\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/"
                           "v1\",\"metadata\":{\"name\":\"s\","));
    assert_non_null(strstr(b.data, "],\"metadata\":{\"resourceVersion\":\"12\",\"continue\":"
                                   "\"tok\",\"remainingItemCount\":3}}"));
    struct fl_err err = FL_ERR_INIT;
    assert_int_equal(fl_json_check(fl_buf_slice(&b), &err), 0);
}

static void test_form__empty_list_is_whole(void **state)
{
    (void)state;
    struct fl_form f = {.type = FL_FORM_JSON};
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_form_list l;
    fl_form_list_begin(&l, &f, &fl_kind_registry, &b);
    fl_form_list_end(&l, 1, FL_STR(""), -1);
    assert_string_equal(
        b.data, "{\"kind\":\"RegistryList\",\"apiVersion\":\"fairlead.dev/v1alpha1\",\"items\":[],"
                "\"metadata\":{\"resourceVersion\":\"1\"}}");
}

static const struct {
    const char *name;
    struct fl_form form;
    bool columns;
    const char *want; /* begins so */
} events[] = {
    {"json",
     {.type = FL_FORM_JSON},
     true,
     "{\"type\":\"ADDED\",\"object\":{\"apiVersion\":\"v1\",\"kind\":\"Secret\""},
    {"first of a table",
     {.type = FL_FORM_TABLE},
     true,
     "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/"
     "v1\",\"metadata\":{\"resourceVersion\":"
     "\"\"},\"columnDefinitions\":[{"},
    {"later ones",
     {.type = FL_FORM_TABLE, .v1beta1 = true},
     false,
     "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/"
     "v1beta1\",\"metadata\":{"
     "\"resourceVersion\":\"\"},\"columnDefinitions\":null,\"rows\":[{"},
};

static void test_form__event_is_one_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(events); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_form_event(&events[i].form, &fl_kind_secret, "ADDED", fl_str_of(secret),
                      events[i].columns, &b);
        if (!fl_text_starts(b.data, events[i].want) || b.data[b.len - 1] != '\n' ||
            fl_json_check((struct fl_str){b.data, b.len - 1}, NULL) != 0) {
            fail_msg("%s: %s", events[i].name, b.data);
        }
    }
}

static const struct {
    const char *name;
    struct fl_form form;
    bool end;
    const char *want;
} bookmarks[] = {
    {"json",
     {.type = FL_FORM_JSON},
     false,
     "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Registry\",\"apiVersion\":\"fairlead.dev/"
     "v1alpha1\",\"metadata\":{"
     "\"resourceVersion\":\"5\",\"creationTimestamp\":null}}}\n"},
    {"the end of the initial events",
     {.type = FL_FORM_PARTIAL},
     true,
     "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta."
     "k8s.io/v1\",\"metadata\":{"
     "\"resourceVersion\":\"5\",\"creationTimestamp\":null,\"annotations\":{\"k8s.io/"
     "initial-events-end\":\"true\"}}}}\n"},
};

static void test_form__bookmark_carries_the_version_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(bookmarks); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_form_bookmark(&bookmarks[i].form, &fl_kind_registry, 5, bookmarks[i].end, &b);
        if (strcmp(b.data, bookmarks[i].want) != 0) {
            fail_msg("%s: %s", bookmarks[i].name, b.data);
        }
    }
}

static void test_form__lines_with_ages_are_not_shared(void **state)
{
    (void)state;
    struct fl_form json = {.type = FL_FORM_JSON}, pretty = {.type = FL_FORM_JSON, .now_ms = 4};
    struct fl_form table = {.type = FL_FORM_TABLE}, partial = {.type = FL_FORM_PARTIAL};
    assert_true(fl_form_same(&json, &pretty));
    assert_false(fl_form_same(&table, &table));
    assert_false(fl_form_same(&json, &partial));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form__first_clause_that_is_served_is_taken),
        cmocka_unit_test(test_form__cells_are_what_kubectl_shows),
        cmocka_unit_test(test_form__every_kind_has_as_many_cells_as_columns),
        cmocka_unit_test(test_form__paths_find_members_and_elements),
        cmocka_unit_test(test_form__objects_are_written_in_each_form),
        cmocka_unit_test(test_form__table_has_rows_with_their_metadata),
        cmocka_unit_test(test_form__empty_list_is_whole),
        cmocka_unit_test(test_form__event_is_one_line),
        cmocka_unit_test(test_form__bookmark_carries_the_version_alone),
        cmocka_unit_test(test_form__lines_with_ages_are_not_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
