/* SPDX-License-Identifier: Apache-2.0
 * A Kubernetes API that holds COUNT ReplicationPolicies of about BYTES bytes each, made as they are asked for, and
 * nothing else: bench_list COUNT BYTES. Lists by pages, watches with and without initial events. All policies are
 * suspended and say so in their status, so that a controller has nothing to write; what it writes all the same is counted
 * at /bench. Prints its port. Source of the answers: Kubernetes API concepts, "Efficient detection of changes". */
#include <pthread.h>
#include <stdatomic.h>

#include "base/mem.h"
#include "base/num.h"
#include "tiny.h"

#define VERSION "1000000"
#define HEAD_STREAM "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"

static int64_t count, bytes;
static char *filler;
static atomic_llong writes, lists, watches;

static void add_policy(struct fl_buf *b, int64_t i)
{
    size_t began = b->len;
    fl_buf_fmt(
        b,
        "{\"apiVersion\":\"fairlead.dev/v1alpha1\",\"kind\":\"ReplicationPolicy\",\"metadata\":{"
        "\"name\":\"policy-%lld\",\"namespace\":\"default\","
        "\"uid\":\"00000000-0000-4000-8000-%012lld\",\"resourceVersion\":\"%lld\",\"generation\":1,"
        "\"creationTimestamp\":\"2024-01-01T00:00:00Z\",\"labels\":{\"team\":\"team-%lld\"}},"
        "\"spec\":{\"source\":{\"registry\":\"source-%lld\"},\"destination\":{\"registry\":"
        "\"target-%lld\","
        "\"namespaceReplaceCount\":-1},\"repositories\":{\"include\":[\"team-%lld/**\"]},"
        "\"override\":true,\"concurrency\":4,\"historyLimit\":5,\"interval\":\"5m0s\",\"timeout\":"
        "\"30s\","
        "\"suspend\":true,\"mode\":\"Apply\"},\"status\":{\"observedGeneration\":1,\"conditions\":["
        "{"
        "\"type\":\"Suspended\",\"status\":\"True\",\"observedGeneration\":1,"
        "\"lastTransitionTime\":\"2024-01-01T00:00:00Z\",\"reason\":\"Suspended\",\"message\":"
        "\"spec.suspend is true: nothing is observed or done until it is false\"}]}}",
        (long long)i, (long long)i, (long long)(i + 1), (long long)(i % 100), (long long)(i % 50),
        (long long)(i % 50), (long long)(i % 100));
    int64_t missing = bytes - (int64_t)(b->len - began) - 32;
    if (missing > 0) { /* as a note that somebody keeps with the object */
        struct fl_buf whole = FL_BUF_INIT(FL_BUF_ANY);
        static const char at[] = "\"labels\":";
        const char *cut = strstr(b->data + began, at);
        fl_buf_add(&whole, b->data + began, (size_t)(cut - (b->data + began)));
        fl_buf_fmt(&whole, "\"annotations\":{\"note\":\"%.*s\"},", (int)missing, filler);
        fl_buf_add(&whole, cut, b->len - (size_t)(cut - b->data));
        fl_buf_truncate(b, began);
        fl_buf_str(b, fl_buf_slice(&whole));
        fl_buf_release(&whole);
    }
}

static void add_bookmark(struct fl_buf *b, const char *version, const char *kind)
{
    fl_buf_fmt(
        b,
        "{\"type\":\"BOOKMARK\",\"object\":{\"apiVersion\":\"%s\",\"kind\":\"%s\",\"metadata\":{"
        "\"resourceVersion\":\"" VERSION
        "\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n",
        version, kind);
}

/* PartialObjectMetadata where it was asked for is not looked at: those kinds have no objects here. */
static void serve_watch(struct tiny_req *r, bool policies)
{
    struct fl_str initial;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    atomic_fetch_add(&watches, 1);
    fl_buf_text(&b, HEAD_STREAM);
    if (tiny_param(r, "sendInitialEvents", &initial)) {
        for (int64_t i = 0; policies && i < count; i++) {
            fl_buf_text(&b, "{\"type\":\"ADDED\",\"object\":");
            add_policy(&b, i);
            fl_buf_text(&b, "}\n");
            if (b.len > 65536) {
                if (!tiny_write(r, b.data, b.len)) {
                    return;
                }
                fl_buf_clear(&b);
            }
        }
        if (policies) {
            add_bookmark(&b, "fairlead.dev/v1alpha1", "ReplicationPolicy");
        } else {
            add_bookmark(&b, "meta.k8s.io/v1", "PartialObjectMetadata");
        }
    }
    if (tiny_write(r, b.data, b.len)) {
        tiny_wait_gone(r);
    }
}

static void serve_list(struct tiny_req *r, bool policies)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_str text;
    int64_t limit = count;
    int64_t at = 0;
    atomic_fetch_add(&lists, 1);
    if (tiny_param(r, "limit", &text) && (!fl_num_i64(text, &limit) || limit <= 0)) {
        limit = count;
    }
    if (tiny_param(r, "continue", &text)) {
        (void)fl_num_i64(text, &at);
    }
    int64_t end = !policies ? 0 : at + limit < count ? at + limit : count;
    fl_buf_text(&b, "{\"apiVersion\":\"fairlead.dev/v1alpha1\",\"kind\":\"ReplicationPolicyList\","
                    "\"metadata\":{\"resourceVersion\":\"" VERSION "\"");
    if (policies && end < count) {
        fl_buf_fmt(&b, ",\"continue\":\"%lld\"", (long long)end);
    }
    fl_buf_text(&b, "},\"items\":[");
    for (int64_t i = at; i < end; i++) {
        if (i > at) {
            fl_buf_char(&b, ',');
        }
        add_policy(&b, i);
    }
    fl_buf_text(&b, "]}");
    tiny_answer(r, 200, "Content-Type: application/json\r\n", fl_buf_slice(&b));
}

static void serve_counts(struct tiny_req *r)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&b, "{\"writes\": %lld, \"lists\": %lld, \"watches\": %lld}",
               (long long)atomic_load(&writes), (long long)atomic_load(&lists),
               (long long)atomic_load(&watches));
    tiny_answer(r, 200, "Content-Type: application/json\r\n", fl_buf_slice(&b));
}

static void handle(struct tiny_req *r)
{
    struct fl_str watch;
    bool policies = fl_str_ends(r->path, "/replicationpolicies");
    if (fl_str_is(r->path, "/bench")) {
        serve_counts(r);
    } else if (!fl_str_is(r->method, "GET")) {
        atomic_fetch_add(&writes, 1);
        (void)tiny_body(r, NULL);
        tiny_answer(
            r, 409, "Content-Type: application/json\r\n",
            FL_STR("{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"reason\":"
                   "\"Conflict\",\"message\":\"nothing is written here\",\"code\":409}"));
    } else if (fl_str_is(r->path, "/readyz") || fl_str_is(r->path, "/version")) {
        tiny_answer(r, 200, "", FL_STR("{}"));
    } else if (tiny_param(r, "watch", &watch)) {
        serve_watch(r, policies);
    } else {
        serve_list(r, policies);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3 || !fl_num_i64(fl_str_of(argv[1]), &count) || count < 0 ||
        !fl_num_i64(fl_str_of(argv[2]), &bytes) || bytes < 0 || bytes > 1 << 20) {
        tiny_die("usage: bench_list COUNT BYTES");
    }
    filler = fl_malloc((size_t)bytes + 1);
    for (int64_t i = 0; i < bytes; i++) {
        filler[i] = (char)('a' + i * 7 % 26);
    }
    filler[bytes] = '\0';
    tiny_serve(handle);
}
