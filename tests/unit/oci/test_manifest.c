/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "oci/oci.h"

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define D512                                                                                       \
    "sha512:33333333333333333333333333333333333333333333333333333333333333333333333333333333"      \
    "333333333333333333333333333333333333333333333333"
#define DESC(type, digest, size)                                                                   \
    "{\"mediaType\":\"" type "\",\"digest\":\"" digest "\",\"size\":" size "}"
#define OCI_IMAGE "application/vnd.oci.image.manifest.v1+json"
#define OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define DOCKER_IMAGE "application/vnd.docker.distribution.manifest.v2+json"
#define DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define SCHEMA1 "application/vnd.docker.distribution.manifest.v1+prettyjws"
#define IMAGE_BODY                                                                                 \
    "\"config\":" DESC("c", D1, "2") ",\"layers\":[" DESC("l", D2, "10") "," DESC("l", D1, "0") "]"

struct row {
    const char *name;
    const char *type; /* Content-Type */
    const char *text;
    enum fl_code want;
    const char *reason;
    const char *msg;
    enum fl_manifest_kind kind;
    const char *media_type;
    size_t n_manifests, n_blobs;
};

static const struct row rows[] = {
    {.name = "OCI image",
     .type = OCI_IMAGE,
     .text = "{\"mediaType\":\"" OCI_IMAGE "\"," IMAGE_BODY "}",
     .media_type = OCI_IMAGE,
     .n_blobs = 3},
    {.name = "OCI image without its own type",
     .type = OCI_IMAGE,
     .text = "{" IMAGE_BODY "}",
     .media_type = OCI_IMAGE,
     .n_blobs = 3},
    {.name = "parameters of the type do not count",
     .type = OCI_IMAGE "; charset=utf-8",
     .text = "{\"mediaType\":\"" OCI_IMAGE "\"," IMAGE_BODY "}",
     .media_type = OCI_IMAGE,
     .n_blobs = 3},
    {.name = "Docker image",
     .type = DOCKER_IMAGE,
     .text = "{\"schemaVersion\":2,\"mediaType\":\"" DOCKER_IMAGE "\"," IMAGE_BODY "}",
     .media_type = DOCKER_IMAGE,
     .n_blobs = 3},
    {.name = "image without layers",
     .type = OCI_IMAGE,
     .text = "{\"config\":" DESC("c", D1, "2") ",\"layers\":[]}",
     .media_type = OCI_IMAGE,
     .n_blobs = 1},
    {.name = "any artifact, sha512, large numbers",
     .type = OCI_IMAGE,
     .text = "{\"artifactType\":\"x/y\",\"config\":" DESC(
         "application/vnd.oci.empty.v1+json", D1,
         "2") ",\"layers\":[" DESC("application/vnd.cncf.helm.chart.content.v1.tar+gzip", D512,
                                   "9223372036854775807") "]}",
     .media_type = OCI_IMAGE,
     .n_blobs = 2},
    {.name = "OCI index",
     .type = OCI_INDEX,
     .text = "{\"mediaType\":\"" OCI_INDEX
             "\",\"manifests\":[" DESC(OCI_IMAGE, D1, "7") "," DESC(OCI_INDEX, D2, "8") "]}",
     .kind = FL_MANIFEST_INDEX,
     .media_type = OCI_INDEX,
     .n_manifests = 2},
    {.name = "Docker list",
     .type = DOCKER_LIST,
     .text = "{\"mediaType\":\"" DOCKER_LIST "\",\"manifests\":[" DESC(DOCKER_IMAGE, D1, "7") "]}",
     .kind = FL_MANIFEST_INDEX,
     .media_type = DOCKER_LIST,
     .n_manifests = 1},
    {.name = "empty index",
     .type = OCI_INDEX,
     .text = "{\"manifests\":[]}",
     .kind = FL_MANIFEST_INDEX,
     .media_type = OCI_INDEX},
    {.name = "index whose list is null, as Go writes an empty one",
     .type = OCI_INDEX,
     .text = "{\"manifests\":null}",
     .kind = FL_MANIFEST_INDEX,
     .media_type = OCI_INDEX},
    {.name = "schema 1",
     .type = SCHEMA1,
     .text = "{\"schemaVersion\":1,\"fsLayers\":[{\"blobSum\":\"" D1 "\"}]}",
     .kind = FL_MANIFEST_SCHEMA1,
     .media_type = SCHEMA1},
    {.name = "vague type: its own counts",
     .type = "application/octet-stream",
     .text = "{\"mediaType\":\"" DOCKER_IMAGE "\"," IMAGE_BODY "}",
     .media_type = DOCKER_IMAGE,
     .n_blobs = 3},
    {.name = "no type at all: looks like an image",
     .type = "",
     .text = "{" IMAGE_BODY "}",
     .media_type = OCI_IMAGE,
     .n_blobs = 3},
    {.name = "text/plain: looks like an index",
     .type = "text/plain",
     .text = "{\"manifests\":[]}",
     .kind = FL_MANIFEST_INDEX,
     .media_type = OCI_INDEX},
    {.name = "no type at all: looks like schema 1",
     .type = "application/json",
     .text = "{\"fsLayers\":[]}",
     .kind = FL_MANIFEST_SCHEMA1},
    {.name = "no type at all: looks like nothing",
     .type = "",
     .text = "{}",
     .want = FL_E_UNSUPPORTED,
     .reason = "ManifestType"},
    {.name = "unknown type",
     .type = "application/vnd.example+json",
     .text = "{}",
     .want = FL_E_UNSUPPORTED,
     .reason = "ManifestType",
     .msg = "application/vnd.example+json"},
    {.name = "two types",
     .type = OCI_INDEX,
     .text = "{\"mediaType\":\"" OCI_IMAGE "\"," IMAGE_BODY "}",
     .want = FL_E_BAD_DATA,
     .reason = "MediaTypeMismatch",
     .msg = OCI_IMAGE},
    {.name = "not JSON", .type = OCI_IMAGE, .text = "<html>", .want = FL_E_BAD_DATA},
    {.name = "empty", .type = OCI_IMAGE, .text = "", .want = FL_E_BAD_DATA},
    {.name = "text after it",
     .type = OCI_IMAGE,
     .text = "{" IMAGE_BODY "} x",
     .want = FL_E_BAD_DATA},
    {.name = "a list", .type = OCI_IMAGE, .text = "[]", .want = FL_E_BAD_DATA},
    {.name = "no config", .type = OCI_IMAGE, .text = "{\"layers\":[]}", .want = FL_E_BAD_DATA},
    {.name = "config is null",
     .type = OCI_IMAGE,
     .text = "{\"config\":null,\"layers\":[]}",
     .want = FL_E_BAD_DATA,
     .msg = "config"},
    {.name = "no layers",
     .type = OCI_IMAGE,
     .text = "{\"config\":" DESC("c", D1, "2") "}",
     .want = FL_E_BAD_DATA,
     .msg = "layers"},
    {.name = "layers is an object",
     .type = OCI_IMAGE,
     .text = "{\"config\":" DESC("c", D1, "2") ",\"layers\":{}}",
     .want = FL_E_BAD_DATA},
    {.name = "a layer is null",
     .type = OCI_IMAGE,
     .text = "{\"config\":" DESC("c", D1, "2") ",\"layers\":[null]}",
     .want = FL_E_BAD_DATA},
    {.name = "digest too short",
     .type = OCI_INDEX,
     .text = "{\"manifests\":[" DESC("m", "sha256:12", "1") "]}",
     .want = FL_E_BAD_DATA},
    {.name = "digest in capitals",
     .type = OCI_INDEX,
     .text = "{\"manifests\":[" DESC(
         "m", "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "1") "]}",
     .want = FL_E_BAD_DATA},
    {.name = "digest that leads elsewhere",
     .type = OCI_INDEX,
     .text = "{\"manifests\":[" DESC("m", "../../../etc/passwd", "1") "]}",
     .want = FL_E_BAD_DATA},
    {.name = "digest of an unknown algorithm",
     .type = OCI_INDEX,
     .text = "{\"manifests\":[" DESC("m", "md5:d41d8cd98f00b204e9800998ecf8427e", "1") "]}",
     .want = FL_E_BAD_DATA},
    {.name = "digest with a NUL",
     .type = OCI_INDEX,
     .text = "{\"manifests\":[" DESC("m", D1 "\\u0000", "1") "]}",
     .want = FL_E_BAD_DATA},
    {.name = "size below nothing",
     .type = OCI_INDEX,
     .text = "{\"manifests\":[" DESC("m", D1, "-1") "]}",
     .want = FL_E_BAD_DATA,
     .msg = D1},
    {.name = "size with a point",
     .type = OCI_INDEX,
     .text = "{\"manifests\":[" DESC("m", D1, "1.5") "]}",
     .want = FL_E_BAD_DATA},
    {.name = "size as text",
     .type = OCI_INDEX,
     .text = "{\"manifests\":[" DESC("m", D1, "\"1\"") "]}",
     .want = FL_E_BAD_DATA},
    {.name = "size beyond all",
     .type = OCI_INDEX,
     .text = "{\"manifests\":[" DESC("m", D1, "9223372036854775808") "]}",
     .want = FL_E_BAD_DATA},
    {.name = "no size",
     .type = OCI_INDEX,
     .text = "{\"manifests\":[{\"digest\":\"" D1 "\"}]}",
     .want = FL_E_BAD_DATA},
};

static void check_parsed(const struct row *t, const struct fl_manifest *m)
{
    bool same = m->kind == t->kind && m->n_manifests == t->n_manifests && m->n_blobs == t->n_blobs;
    if (!same || (t->media_type && !fl_text_eq(m->media_type, t->media_type))) {
        fail_msg("%s: kind %d, type %s, %zu manifests, %zu blobs", t->name, (int)m->kind,
                 m->media_type, m->n_manifests, m->n_blobs);
    }
    /* The bytes are the document's own, and a copy. */
    if (!fl_str_is(m->bytes, t->text) || m->bytes.p == t->text || !fl_text_eq(m->digest, D2)) {
        fail_msg("%s: other bytes or digest", t->name);
    }
}

static void test_manifest__parse_reads_or_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        const struct row *t = &rows[i];
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_manifest m = {.n_blobs = 999};
        struct fl_err err = FL_ERR_INIT;
        int x = fl_oci_manifest_parse(a, fl_str_of(t->text), fl_str_of(t->type), D2, &m, &err);
        if (x != (int)t->want || (t->reason && !fl_text_eq(err.reason, t->reason)) ||
            (t->msg && !strstr(err.msg, t->msg))) {
            fail_msg("%s: got %s %s: %s", t->name, fl_code_name((enum fl_code)x), err.reason,
                     err.msg);
        }
        if (x == 0) {
            check_parsed(t, &m);
        } else if (m.n_blobs != 999) {
            fail_msg("%s: the output was touched", t->name);
        }
    }
}

static void test_manifest__descriptors_in_order(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_manifest m = {0};
    struct fl_err err = FL_ERR_INIT;
    static const char text[] = "{" IMAGE_BODY "}";
    assert_int_equal(fl_oci_manifest_parse(a, fl_str_of(text), FL_STR(OCI_IMAGE), D1, &m, &err), 0);
    assert_string_equal(m.blobs[0].digest, D1);
    assert_string_equal(m.blobs[0].media_type, "c");
    assert_int_equal(m.blobs[0].size, 2);
    assert_string_equal(m.blobs[1].digest, D2);
    assert_int_equal(m.blobs[1].size, 10);
    assert_int_equal(m.blobs[2].size, 0);
}

static void test_manifest__foreign_layers_are_marked(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        bool foreign;
    } types[] = {
        {"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", true},
        {"application/vnd.docker.image.rootfs.foreign.diff.tar", true},
        {"application/vnd.oci.image.layer.nondistributable.v1.tar", true},
        {"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", true},
        {"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", true},
        {"application/vnd.oci.image.layer.v1.tar+gzip", false},
        {"application/vnd.docker.image.rootfs.diff.tar.gzip", false},
        {"", false},
    };
    for (size_t i = 0; i < FL_LEN(types); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        const char *text =
            fl_arena_fmt(a,
                         "{\"config\":" DESC("c", D1, "2") ",\"layers\":[{\"mediaType\":\"%s\","
                                                           "\"digest\":\"" D2 "\",\"size\":1}]}",
                         types[i].type);
        struct fl_manifest m = {0};
        struct fl_err err = FL_ERR_INIT;
        assert_int_equal(fl_oci_manifest_parse(a, fl_str_of(text), FL_STR(OCI_IMAGE), D1, &m, &err),
                         0);
        if (m.blobs[1].foreign != types[i].foreign || m.blobs[0].foreign) {
            fail_msg("'%s'", types[i].type);
        }
    }
}

static void test_manifest__entries_are_capped(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *type, *head;
        size_t n;
        enum fl_code want;
    } caps[] = {
        {"index at the cap", OCI_INDEX, "{\"manifests\":[", 10000, FL_OK},
        {"index one above", OCI_INDEX, "{\"manifests\":[", 10001, FL_E_TOO_BIG},
        {"image at the cap", OCI_IMAGE, "{\"config\":" DESC("c", D1, "2") ",\"layers\":[", 10000,
         FL_OK},
        {"image one above", OCI_IMAGE, "{\"config\":" DESC("c", D1, "2") ",\"layers\":[", 10001,
         FL_E_TOO_BIG},
    };
    for (size_t i = 0; i < FL_LEN(caps); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_text(&b, caps[i].head);
        for (size_t k = 0; k < caps[i].n; k++) {
            fl_buf_text(&b, k ? "," : "");
            fl_buf_text(&b, DESC("m", D1, "1"));
        }
        fl_buf_text(&b, "]}");
        struct fl_manifest m = {0};
        struct fl_err err = FL_ERR_INIT;
        int x = fl_oci_manifest_parse(a, fl_buf_slice(&b), fl_str_of(caps[i].type), D1, &m, &err);
        if (x != (int)caps[i].want) {
            fail_msg("%s: %s: %s", caps[i].name, err.reason, err.msg);
        }
    }
}

static void test_manifest__bytes_are_capped(void **state)
{
    (void)state;
    for (size_t above = 0; above < 2; above++) {
        fl_auto(fl_arena) a = fl_arena_new();
        size_t n = FL_OCI_MANIFEST_MAX + above;
        char *text = fl_arena_alloc(a, n + 1);
        memset(text, ' ', n);
        memcpy(text, "{\"manifests\":[]}", 16);
        struct fl_manifest m = {0};
        struct fl_err err = FL_ERR_INIT;
        int x = fl_oci_manifest_parse(a, (struct fl_str){text, n}, FL_STR(OCI_INDEX), D1, &m, &err);
        assert_int_equal(x, above ? FL_E_TOO_BIG : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manifest__parse_reads_or_refuses),
        cmocka_unit_test(test_manifest__descriptors_in_order),
        cmocka_unit_test(test_manifest__foreign_layers_are_marked),
        cmocka_unit_test(test_manifest__entries_are_capped),
        cmocka_unit_test(test_manifest__bytes_are_capped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
