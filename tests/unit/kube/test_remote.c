/* SPDX-License-Identifier: Apache-2.0
 * The remote door against a scripted peer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "api/scheme.h"
#include "base/mem.h"
#include "fake/peer.h"
#include "kube/kube.h"
#include "unit/kube/record.h"
#include "wire/http.h"

#define REGS "/apis/fairlead.dev/v1alpha1/registries"
#define OBJ(name, rv)                                                                              \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"n\",\"uid\":\"u-" name                   \
    "\",\"resourceVersion\":\"" rv "\"}}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define STATUS(code, reason)                                                                       \
    "{\"kind\":\"Status\",\"code\":" code ",\"reason\":\"" reason "\",\"message\":\"said so\"}"

struct rig {
    struct fl_clock *clock;
    struct fl_peer *peer;
    struct fl_kube *kube;
    struct fl_ctx ctx;
    struct fl_err err;
    struct record record;
};

static void rig_up(struct rig *g, const struct fl_peer_step *steps, size_t n,
                   struct fl_kubeconfig conf)
{
    g->clock = fl_clock_fake_new(1767225600000);
    g->peer = fl_peer_play(steps, n);
    conf.server = fl_peer_url(g->peer);
    fl_err_clear(&g->err);
    assert_int_equal(fl_kube_new_remote(&conf, g->clock, &g->kube, &g->err), 0);
    g->ctx = fl_ctx_root(g->clock, NULL);
    record_init(&g->record);
}

static void rig_down(struct rig *g)
{
    fl_kube_free(g->kube);
    assert_int_equal(fl_peer_verify(g->peer), 0);
    fl_peer_free(g->peer);
    fl_clock_free(g->clock);
    record_release(&g->record);
}

static int get(struct rig *g, struct fl_shared **ret)
{
    return fl_kube_get(g->kube, &g->ctx, &fl_kind_registry, FL_STR("n"), FL_STR("a"), ret, &g->err);
}

static void test_remote__calls_carry_what_the_api_wants(void **state)
{
    (void)state;
    static const struct fl_peer_step steps[] = {
        {.method = "GET",
         .target = "/apis/fairlead.dev/v1alpha1/namespaces/n/registries/a",
         .want = {"Authorization: Bearer tok", "Accept: application/json"},
         .answer = {.body = {OBJ("a", "7"), sizeof(OBJ("a", "7")) - 1}}},
        {.method = "PATCH",
         .target = "/apis/fairlead.dev/v1alpha1/namespaces/n/registries/a/status",
         .want = {"Content-Type: application/merge-patch+json"},
         .body = {"{\"status\":{}}", 13},
         .answer = {.status = 409,
                    .body = {STATUS("409", "Conflict"), sizeof(STATUS("409", "Conflict")) - 1}}},
        {.method = "POST",
         .target = "/apis/fairlead.dev/v1alpha1/namespaces/n/registries",
         .want = {"Content-Type: application/json"},
         .answer = {.status = 201, .body = {"{}", 2}}},
        {.method = "DELETE",
         .target = "/apis/fairlead.dev/v1alpha1/namespaces/n/registries/a",
         .body = {"{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"preconditions\":{\"uid\":"
                  "\"u\"}}",
                  sizeof("{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"preconditions\":{"
                         "\"uid\":\"u\"}}") -
                      1},
         .answer = {.body = {"{}", 2}}},
        {.method = "GET", .target = "/readyz", .answer = {.status = 404}},
        {.method = "GET", .target = "/version", .answer = {.body = {"{}", 2}}},
    };
    struct rig g;
    rig_up(&g, steps, FL_LEN(steps), (struct fl_kubeconfig){.token = "tok"});
    fl_auto(fl_shared) text = NULL;
    assert_int_equal(get(&g, &text), 0);
    assert_string_equal(text->data, OBJ("a", "7"));
    assert_int_equal(fl_kube_patch(g.kube, &g.ctx, &fl_kind_registry, FL_STR("n"), FL_STR("a"),
                                   "status", FL_STR("{\"status\":{}}"), NULL, &g.err),
                     FL_E_CONFLICT);
    assert_string_equal(g.err.msg, "said so");
    assert_int_equal(
        fl_kube_create(g.kube, &g.ctx, &fl_kind_registry, FL_STR("n"), FL_STR("{}"), NULL, &g.err),
        0);
    assert_int_equal(fl_kube_delete(g.kube, &g.ctx, &fl_kind_registry, FL_STR("n"), FL_STR("a"),
                                    FL_STR("u"), &g.err),
                     0);
    assert_int_equal(fl_kube_ping(g.kube, &g.ctx, &g.err), 0);
    rig_down(&g);
}

static void test_remote__answers_that_are_no_json_are_bad_data(void **state)
{
    (void)state;
    static const struct fl_peer_step steps[] = {
        {.method = "GET", .target = "*", .answer = {.body = {"<html>", 6}}},
        {.method = "GET", .target = "*", .answer = {.body = {"{\"a\":1,\"a\":2}", 13}}},
    };
    struct rig g;
    rig_up(&g, steps, FL_LEN(steps), (struct fl_kubeconfig){0});
    fl_auto(fl_shared) text = NULL;
    assert_int_equal(get(&g, &text), FL_E_BAD_DATA);
    assert_int_equal(get(&g, &text), FL_E_BAD_DATA);
    rig_down(&g);
}

static void test_remote__basic_credentials(void **state)
{
    (void)state;
    static const struct fl_peer_step steps[] = {
        {.method = "GET",
         .target = "*",
         .want = {"Authorization: Basic dTpw"},
         .answer = {.body = {"{}", 2}}},
    };
    struct rig g;
    rig_up(&g, steps, FL_LEN(steps), (struct fl_kubeconfig){.username = "u", .password = "p"});
    fl_auto(fl_shared) text = NULL;
    assert_int_equal(get(&g, &text), 0);
    rig_down(&g);
}

static void put_token(const char *path, const char *token)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(token, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void test_remote__token_file_is_read_again(void **state)
{
    (void)state;
    static const struct fl_peer_step steps[] = {
        {.method = "GET",
         .target = "*",
         .want = {"Authorization: Bearer one"},
         .answer = {.status = 401}},
        {.method = "GET",
         .target = "*",
         .want = {"Authorization: Bearer two"},
         .answer = {.body = {"{}", 2}}},
        {.method = "GET",
         .target = "*",
         .want = {"Authorization: Bearer two"},
         .answer = {.body = {"{}", 2}}},
        {.method = "GET",
         .target = "*",
         .want = {"Authorization: Bearer three"},
         .answer = {.body = {"{}", 2}}},
    };
    char path[] = "/tmp/fairlead-token-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    put_token(path, "one\n");
    struct rig g;
    rig_up(&g, steps, FL_LEN(steps), (struct fl_kubeconfig){.token_file = path, .token = "beaten"});
    put_token(path, "two\n");
    fl_auto(fl_shared) a = NULL;
    fl_auto(fl_shared) b = NULL;
    fl_auto(fl_shared) c = NULL;
    assert_int_equal(get(&g, &a), 0); /* 401: read at once */
    put_token(path, "three");
    fl_clock_advance(g.clock, 59999);
    assert_int_equal(get(&g, &b), 0);
    fl_clock_advance(g.clock, 1);
    assert_int_equal(get(&g, &c), 0); /* a minute later */
    assert_int_equal(unlink(path), 0);
    rig_down(&g);
}

static void test_remote__refused_configurations(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct fl_kubeconfig conf;
        enum fl_code code;
    } rows[] = {
        {"no URL", {.server = "nonsense"}, FL_E_INVALID},
        {"proxy", {.server = "https://h", .proxy_url = "http://p"}, FL_E_INVALID},
        {"CA", {.server = "https://h", .ca_pem = "no PEM"}, FL_E_INVALID},
        {"token file", {.server = "https://h", .token_file = "/nowhere/token"}, FL_E_NOT_FOUND},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_kube *k = NULL;
        struct fl_err err = FL_ERR_INIT;
        int r = fl_kube_new_remote(&rows[i].conf, fl_clock_real(), &k, &err);
        if (r != (int)rows[i].code || k) {
            print_error("%s: %d %s\n", rows[i].name, r, err.msg);
            fail();
        }
    }
}

static void start(struct rig *g, struct fl_reflector **ret)
{
    *ret = fl_reflector_start(g->kube, &fl_kind_registry, (struct fl_str){0}, false, &record_ops,
                              &g->record);
}

#define PAGE1                                                                                      \
    "{\"metadata\":{\"resourceVersion\":\"20\",\"continue\":\"tok en\"},\"items\":[" OBJ(          \
        "a", "5") "," OBJ("b", "6") "]}"
#define PAGE2 "{\"metadata\":{\"resourceVersion\":\"20\"},\"items\":[" OBJ("c", "7") "]}"
#define EVENTS EVENT("ADDED", OBJ("d", "21")) EVENT("DELETED", OBJ("a", "22"))
#define LAST EVENT("MODIFIED", OBJ("b", "23"))
#define WATCHING REGS "?watch=true&allowWatchBookmarks=true&timeoutSeconds=*"
#define BODY(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static void test_remote__reflector_lists_pages_and_watches_in_pieces(void **state)
{
    (void)state;
    static const struct fl_peer_step steps[] = {
        {.method = "GET",
         .target = WATCHING,
         .answer = {.status = 422, .body = BODY(STATUS("422", "Invalid"))}},
        {.method = "GET", .target = REGS "?limit=500", .answer = {.body = BODY(PAGE1)}},
        {.method = "GET",
         .target = REGS "?limit=500&continue=tok%20en",
         .answer = {.body = BODY(PAGE2)}},
        {.method = "GET",
         .target = WATCHING,
         .answer = {.body = BODY(EVENTS), .frame = FL_PEER_CHUNKED, .chunk = 7}},
        {.method = "GET",
         .target = WATCHING,
         .answer = {.body = BODY(LAST),
                    .frame = FL_PEER_CHUNKED,
                    .fault = FL_PEER_STALL,
                    .at = sizeof(LAST) - 1}},
    };
    struct rig g;
    struct fl_reflector *r = NULL;
    rig_up(&g, steps, FL_LEN(steps), (struct fl_kubeconfig){0});
    start(&g, &r);
    record_wait(&g.record, "set b", 2);
    fl_reflector_stop(r);
    if (!record_is(&g.record, "begin\nset a\nset b\nset c\nsynced\nset d\ndel a\nset b\n")) {
        print_error("got %s", g.record.log.data);
        fail();
    }
    assert_non_null(strstr(fl_peer_at(g.peer, 0)->target, "sendInitialEvents=true"));
    assert_non_null(strstr(fl_peer_at(g.peer, 3)->target, "&resourceVersion=20"));
    assert_non_null(strstr(fl_peer_at(g.peer, 4)->target, "&resourceVersion=22"));
    rig_down(&g);
}

#define INITIAL                                                                                    \
    EVENT("ADDED", OBJ("a", "5"))                                                                  \
    EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"20\",\"annotations\":{"                \
                      "\"k8s.io/initial-events-end\":\"true\"}}}")

static void test_remote__reset_stream_goes_on_after_a_back_off(void **state)
{
    (void)state;
    static const struct fl_peer_step steps[] = {
        {.method = "GET",
         .target = WATCHING,
         .answer = {.body = BODY(INITIAL EVENT("ADDED", OBJ("b", "21"))),
                    .frame = FL_PEER_CHUNKED,
                    .fault = FL_PEER_RESET,
                    .at = sizeof(INITIAL) + 10}},
        {.method = "GET",
         .target = WATCHING,
         .answer = {.body = BODY(EVENT("ADDED", OBJ("b", "21"))),
                    .frame = FL_PEER_CHUNKED,
                    .fault = FL_PEER_STALL,
                    .at = sizeof(EVENT("ADDED", OBJ("b", "21"))) - 1}},
    };
    struct rig g;
    struct fl_reflector *r = NULL;
    rig_up(&g, steps, FL_LEN(steps), (struct fl_kubeconfig){0});
    start(&g, &r);
    record_wait(&g.record, "trouble Unavailable", 1);
    fl_clock_advance(g.clock, 1600);
    record_wait(&g.record, "set b", 1);
    fl_reflector_stop(r);
    if (!record_is(&g.record, "begin\nset a\nsynced\ntrouble Unavailable\nwell\nset b\n")) {
        print_error("got %s", g.record.log.data);
        fail();
    }
    assert_non_null(strstr(fl_peer_at(g.peer, 1)->target, "&resourceVersion=20"));
    rig_down(&g);
}

static void test_remote__expired_watch_lists_again(void **state)
{
    (void)state;
    static const struct fl_peer_step steps[] = {
        {.method = "GET",
         .target = WATCHING,
         .answer = {.body = BODY(INITIAL
                                 "{\"type\":\"ERROR\",\"object\":" STATUS("410", "Expired") "}\n"),
                    .frame = FL_PEER_CHUNKED,
                    .fault = FL_PEER_STALL,
                    .at = sizeof(INITIAL
                                 "{\"type\":\"ERROR\",\"object\":" STATUS("410", "Expired") "}\n") -
                          1}},
        {.method = "GET",
         .target = WATCHING,
         .answer = {.body = BODY(INITIAL),
                    .frame = FL_PEER_CHUNKED,
                    .fault = FL_PEER_STALL,
                    .at = sizeof(INITIAL) - 1}},
    };
    struct rig g;
    struct fl_reflector *r = NULL;
    rig_up(&g, steps, FL_LEN(steps), (struct fl_kubeconfig){0});
    start(&g, &r);
    record_wait(&g.record, "synced", 2);
    fl_reflector_stop(r);
    assert_true(record_is(&g.record, "begin\nset a\nsynced\nbegin\nset a\nsynced\n"));
    rig_down(&g);
}

static void test_remote__stopped_while_nobody_answers(void **state)
{
    (void)state;
    struct rig g;
    struct fl_reflector *r = NULL;
    rig_up(&g, NULL, 0, (struct fl_kubeconfig){0});
    fl_peer_down(g.peer);
    start(&g, &r);
    record_wait(&g.record, "trouble Unavailable", 1);
    fl_reflector_stop(r); /* its timer is pending */
    rig_down(&g);
}

int main(void)
{
    fl_http_global_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_remote__calls_carry_what_the_api_wants),
        cmocka_unit_test(test_remote__answers_that_are_no_json_are_bad_data),
        cmocka_unit_test(test_remote__basic_credentials),
        cmocka_unit_test(test_remote__token_file_is_read_again),
        cmocka_unit_test(test_remote__refused_configurations),
        cmocka_unit_test(test_remote__reflector_lists_pages_and_watches_in_pieces),
        cmocka_unit_test(test_remote__reset_stream_goes_on_after_a_back_off),
        cmocka_unit_test(test_remote__expired_watch_lists_again),
        cmocka_unit_test(test_remote__stopped_while_nobody_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
