/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/scheme.h"
#include "apiserver/discovery.h"
#include "apiserver/openapi.h"
#include "base/mem.h"
#include "wire/json.h"
#include "wire/scan.h"

#define V2 "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
#define V2BETA1 "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
#define PROTO "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"

struct got {
    struct fl_arena *a;
    struct fl_response res;
    bool served;
    struct fl_str text;
};

static struct got ask(struct fl_discovery *d, const char *method, const char *path,
                      const char *accept, const char *match)
{
    struct got g = {.a = fl_arena_new()};
    struct fl_str query = fl_str_of(path), head;
    struct fl_header h[2];
    size_t n = 0;
    (void)fl_str_cut(&query, '?', &head);
    if (accept) {
        h[n++] = (struct fl_header){"Accept", accept};
    }
    if (match) {
        h[n++] = (struct fl_header){"If-None-Match", match};
    }
    struct fl_request req = {
        .method = method, .path = head, .query = query, .headers = h, .n_headers = n, .arena = g.a};
    fl_response_init(&g.res, FL_BUF_ANY);
    g.served = fl_discovery_serve(d, &req, &g.res);
    g.text = g.res.shared ? fl_shared_str(g.res.shared) : fl_buf_slice(&g.res.body);
    return g;
}

static void release(struct got *g)
{
    fl_response_release(&g->res);
    fl_arena_free(g->a);
}

static const char *header(const struct got *g, const char *name)
{
    for (size_t i = 0; i < g->res.n_headers; i++) {
        if (strcmp(g->res.headers[i].name, name) == 0) {
            return g->res.headers[i].value;
        }
    }
    return "";
}

static const struct {
    const char *name, *method, *path, *accept;
    int status; /* 0: not served here */
    const char *type, *want;
} rows[] = {
    {"version", "GET", "/version", NULL, 200, "application/json",
     "\"gitVersion\":\"v1.33.0+fairlead"},
    {"root", "GET", "/", NULL, 200, "application/json",
     "{\"paths\":[\"/api\",\"/api/v1\",\"/apis\""},
    {"legacy core", "GET", "/api", "application/json", 200, "application/json",
     "\"versions\":[\"v1\"]"},
    {"legacy groups", "GET", "/apis", NULL, 200, "application/json", "{\"kind\":\"APIGroupList\""},
    {"kubectl 1.20", "GET", "/apis?timeout=32s", "application/json, */*", 200, "application/json",
     "APIGroupList"},
    {"aggregated", "GET", "/apis", V2 "," V2BETA1 ",application/json", 200, V2,
     "\"apiVersion\":\"apidiscovery.k8s.io/v2\""},
    {"aggregated core", "GET", "/api", V2 "," V2BETA1 ",application/json", 200, V2,
     "\"items\":[{\"metadata\":{\"creationTimestamp\":null},\"versions\":[{\"version\":\"v1\""},
    {"kubectl 1.28", "GET", "/apis", V2BETA1 ",application/json", 200, V2BETA1,
     "\"apiVersion\":\"apidiscovery.k8s.io/v2beta1\""},
    {"an unknown form, then plain", "GET", "/apis",
     "application/json;as=Foo;g=x;v=v1,application/json", 200, "application/json", "APIGroupList"},
    {"nothing that is served", "GET", "/apis", "text/html", 406, "application/json",
     "NotAcceptable"},
    {"one group", "GET", "/apis/fairlead.dev", NULL, 200, "application/json",
     "{\"kind\":\"APIGroup\",\"apiVersion\":\"v1\",\"name\":\"fairlead.dev\""},
    {"its resources", "GET", "/apis/fairlead.dev/v1alpha1", NULL, 200, "application/json",
     "{\"name\":\"registries/"
     "status\",\"singularName\":\"\",\"namespaced\":true,\"kind\":\"Registry\",\"verbs\":[\"get\","
     "\"patch\",\"update\"]}"},
    {"with short names and categories", "GET", "/apis/fairlead.dev/v1alpha1/", NULL, 200,
     "application/json", "\"shortNames\":[\"reg\"],\"categories\":[\"fairlead\"]"},
    {"core resources", "GET", "/api/v1", NULL, 200, "application/json",
     "\"name\":\"namespaces/finalize\""},
    {"reviews are only made", "GET", "/apis/authentication.k8s.io/v1", NULL, 200,
     "application/json", "\"verbs\":[\"create\"]"},
    {"unknown group", "GET", "/apis/zz.io", NULL, 0, NULL, NULL},
    {"unknown version", "GET", "/apis/fairlead.dev/v9", NULL, 0, NULL, NULL},
    {"a resource", "GET", "/api/v1/secrets", NULL, 0, NULL, NULL},
    {"apix", "GET", "/apix", NULL, 0, NULL, NULL},
    {"writing to the version", "POST", "/version", NULL, 405, "application/json",
     "MethodNotAllowed"},
    {"writing to a resource", "POST", "/api/v1/namespaces", NULL, 0, NULL, NULL},
    {"v2 as json", "GET", "/openapi/v2", NULL, 200, "application/json", "\"swagger\":\"2.0\""},
    {"v2 in protobuf", "GET", "/openapi/v2?timeout=32s", PROTO, 200,
     "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
     "dev.fairlead.v1alpha1.Registry"},
    {"v2 in another way", "GET", "/openapi/v2", "text/html", 406, "application/json",
     "NotAcceptable"},
    {"v3 index", "GET", "/openapi/v3", NULL, 200, "application/json",
     "\"apis/fairlead.dev/v1alpha1\":{\"serverRelativeURL\":\"/openapi/v3/apis/fairlead.dev/"
     "v1alpha1?hash="},
    {"v3 index has core", "GET", "/openapi/v3", NULL, 200, "application/json", "\"api/v1\":{"},
    {"v3 of a group", "GET", "/openapi/v3/apis/fairlead.dev/v1alpha1", NULL, 200,
     "application/json", "\"dev.fairlead.v1alpha1.Registry\""},
    {"v3 of core", "GET", "/openapi/v3/api/v1", NULL, 200, "application/json",
     "\"io.k8s.api.core.v1.Secret\""},
    {"v3 of nothing", "GET", "/openapi/v3/apis/zz.io/v1", NULL, 0, NULL, NULL},
};

static void test_discovery__each_path_is_answered(void **state)
{
    (void)state;
    struct fl_discovery *d = fl_discovery_new();
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct got g = ask(d, rows[i].method, rows[i].path, rows[i].accept, NULL);
        const char *text = fl_arena_str(g.a, g.text);
        if (g.served != (rows[i].status != 0) || (g.served && g.res.status != rows[i].status)) {
            fail_msg("%s: served %d, status %d", rows[i].name, g.served, g.res.status);
        }
        if (g.served && strcmp(g.res.content_type, rows[i].type) != 0) {
            fail_msg("%s: type %s", rows[i].name, g.res.content_type);
        }
        bool there = !g.served;
        size_t n = g.served ? strlen(rows[i].want) : 0;
        for (size_t at = 0; !there && at + n <= g.text.n; at++) {
            there = memcmp(g.text.p + at, rows[i].want, n) == 0;
        }
        if (!there) {
            fail_msg("%s: no '%s' in: %s", rows[i].name, rows[i].want, text);
        }
        release(&g);
    }
    fl_discovery_free(d);
}

static void test_discovery__documents_are_json(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/",           "/version",    "/api",
        "/apis",       "/api/v1",     "/apis/fairlead.dev/v1alpha1",
        "/openapi/v2", "/openapi/v3", "/openapi/v3/apis/fairlead.dev/v1alpha1"};
    struct fl_discovery *d = fl_discovery_new();
    for (size_t i = 0; i < FL_LEN(paths); i++) {
        for (int aggregated = 0; aggregated < 2; aggregated++) {
            struct got g =
                ask(d, "GET", paths[i], aggregated && i >= 2 && i <= 3 ? V2 : NULL, NULL);
            struct fl_err err = FL_ERR_INIT;
            if (fl_json_check(g.text, &err) < 0) {
                fail_msg("%s: %s", paths[i], err.msg);
            }
            release(&g);
        }
    }
    fl_discovery_free(d);
}

static void test_discovery__same_etag_is_not_sent_again(void **state)
{
    (void)state;
    struct fl_discovery *d = fl_discovery_new();
    struct got first = ask(d, "GET", "/apis", V2, NULL);
    const char *etag = header(&first, "ETag");
    assert_string_equal(header(&first, "Vary"), "Accept");
    assert_int_equal(strlen(etag), 130);
    struct got again = ask(d, "GET", "/apis", V2, etag);
    assert_int_equal(again.res.status, 304);
    assert_int_equal(again.text.n, 0);
    struct got other = ask(d, "GET", "/apis", V2BETA1, etag);
    assert_int_equal(other.res.status, 200);
    release(&first);
    release(&again);
    release(&other);
    fl_discovery_free(d);
}

static void test_discovery__v3_document_is_found_by_its_hash(void **state)
{
    (void)state;
    struct fl_discovery *d = fl_discovery_new();
    struct got index = ask(d, "GET", "/openapi/v3", NULL, NULL);
    fl_auto(fl_json) tree = NULL;
    assert_int_equal(fl_json_parse(index.text, FL_BUF_ANY, &tree, NULL), 0);
    const char *url = fl_json_get_text(
        fl_json_get(fl_json_get(tree, "paths"), "apis/fairlead.dev/v1alpha1"), "serverRelativeURL");
    assert_non_null(url);
    struct got right = ask(d, "GET", url, NULL, NULL);
    assert_int_equal(right.res.status, 200);
    assert_string_equal(header(&right, "Cache-Control"), "public, immutable");
    struct got wrong = ask(d, "GET", "/openapi/v3/apis/fairlead.dev/v1alpha1?hash=00", NULL, NULL);
    assert_int_equal(wrong.res.status, 301);
    assert_string_equal(header(&wrong, "Location"), url);
    struct got none = ask(d, "GET", "/openapi/v3/apis/fairlead.dev/v1alpha1", NULL, NULL);
    assert_string_equal(header(&none, "Cache-Control"), "no-cache, private");
    release(&index);
    release(&right);
    release(&wrong);
    release(&none);
    fl_discovery_free(d);
}

/* What kubectl looks for: kubernetes.md 3.4. */
static void test_discovery__v3_tells_each_kind_and_its_field_validation(void **state)
{
    (void)state;
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
        fl_auto(fl_json) doc = NULL;
        fl_openapi_v3((*k)->group, (*k)->version, &text);
        assert_int_equal(fl_json_parse(fl_buf_slice(&text), FL_BUF_ANY, &doc, NULL), 0);
        bool schema = false;
        struct fl_json_iter it = fl_json_iter(fl_json_path(doc, "components.schemas"));
        while (fl_json_next(&it)) {
            const struct fl_json *gvk = fl_json_at(fl_json_get(it.value, FL_OPENAPI_GVK), 0);
            schema = schema || fl_text_eq(fl_json_get_text(gvk, "kind"), (*k)->kind);
        }
        bool validated = ((*k)->flags & FL_KIND_VIRTUAL) != 0;
        struct fl_json_iter paths = fl_json_iter(fl_json_get(doc, "paths"));
        while (fl_json_next(&paths)) {
            const struct fl_json *patch = fl_json_get(paths.value, "patch");
            const struct fl_json *params = fl_json_get(patch, "parameters");
            bool mine = fl_text_eq(fl_json_get_text(fl_json_get(patch, FL_OPENAPI_GVK), "kind"),
                                   (*k)->kind);
            for (size_t i = 0; mine && i < fl_json_len(params); i++) {
                validated = validated || fl_text_eq(fl_json_get_text(fl_json_at(params, i), "name"),
                                                    "fieldValidation");
            }
        }
        if (!schema || !validated) {
            fail_msg("%s: schema %d, fieldValidation %d", (*k)->kind, schema, validated);
        }
    }
}

/* Reads a varint; 0 bytes left is an error the caller sees by *at. */
static uint64_t varint(struct fl_str s, size_t *at)
{
    uint64_t v = 0;
    for (unsigned shift = 0; *at < s.n; shift += 7) {
        unsigned char c = (unsigned char)s.p[(*at)++];
        v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) {
            break;
        }
    }
    return v;
}

/* The number of fields `want` of a message; every field must be length-delimited and inside. */
static size_t fields(struct fl_str msg, uint64_t want, struct fl_str *last)
{
    size_t at = 0, n = 0;
    while (at < msg.n) {
        uint64_t tag = varint(msg, &at), len = varint(msg, &at);
        assert_int_equal(tag & 7, 2);
        assert_true(at + len <= msg.n);
        if (tag >> 3 == want) {
            n++;
            *last = (struct fl_str){msg.p + at, (size_t)len};
        }
        at += (size_t)len;
    }
    return n;
}

static void test_discovery__v2_protobuf_is_well_formed_and_has_every_kind(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_str part = {0}, ignored = {0};
    size_t kinds = 0;
    fl_openapi_v2_proto(&text);
    while (fl_scheme[kinds]) {
        kinds++;
    }
    assert_int_equal(fields(fl_buf_slice(&text), 1, &part), 1);
    assert_true(fl_str_is(part, "2.0"));
    assert_int_equal(fields(fl_buf_slice(&text), 8, &part), 1);
    assert_true(fields(part, 2, &ignored) > kinds);
    assert_int_equal(fields(fl_buf_slice(&text), 9, &part), 1);
    assert_int_equal(fields(part, 1, &ignored), kinds + 1); /* and ObjectMeta */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_discovery__each_path_is_answered),
        cmocka_unit_test(test_discovery__documents_are_json),
        cmocka_unit_test(test_discovery__same_etag_is_not_sent_again),
        cmocka_unit_test(test_discovery__v3_document_is_found_by_its_hash),
        cmocka_unit_test(test_discovery__v3_tells_each_kind_and_its_field_validation),
        cmocka_unit_test(test_discovery__v2_protobuf_is_well_formed_and_has_every_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
