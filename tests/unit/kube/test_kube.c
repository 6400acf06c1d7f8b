/* SPDX-License-Identifier: Apache-2.0
 * The verbs, by the in-process door. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/scheme.h"
#include "kube/kube.h"
#include "unit/kube/fake_api.h"
#include "wire/scan.h"

#define NS FL_STR("n")
#define REGS "/apis/fairlead.dev/v1alpha1/namespaces/n/registries"

struct rig {
    struct fl_clock *clock;
    struct fake_api *api;
    struct fl_kube *kube;
    struct fl_ctx ctx;
    struct fl_err err;
};

static void rig_up(struct rig *g)
{
    g->clock = fl_clock_fake_new(1767225600000);
    g->api = fake_api_new();
    g->kube = fl_kube_new_local(fake_api_serve, g->api, "tester", g->clock);
    g->ctx = fl_ctx_root(g->clock, NULL);
    fl_err_clear(&g->err);
}

static void rig_down(struct rig *g)
{
    fl_kube_free(g->kube);
    fake_api_free(g->api);
    fl_clock_free(g->clock);
}

static int create(struct rig *g, const char *name, struct fl_shared **ret)
{
    fl_auto_text body =
        fl_asprintf("{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"url\":\"x\"}}", name);
    return fl_kube_create(g->kube, &g->ctx, &fl_kind_registry, NS, fl_str_of(body), ret, &g->err);
}

static void test_kube__object_is_created_read_patched_and_deleted(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    fl_auto(fl_shared) made = NULL;
    assert_int_equal(create(&g, "a", &made), 0);
    assert_non_null(strstr(made->data, "\"uid\""));
    assert_int_equal(create(&g, "a", NULL), FL_E_EXISTS);
    fl_auto(fl_shared) read = NULL;
    assert_int_equal(fl_kube_get(g.kube, &g.ctx, &fl_kind_registry, NS, FL_STR("a"), &read, &g.err),
                     0);
    assert_string_equal(read->data, made->data);
    fl_auto(fl_shared) patched = NULL;
    assert_int_equal(fl_kube_patch(g.kube, &g.ctx, &fl_kind_registry, NS, FL_STR("a"), "status",
                                   FL_STR("{\"status\":{\"x\":1},\"spec\":{\"url\":\"y\"}}"),
                                   &patched, &g.err),
                     0);
    assert_non_null(strstr(patched->data, "\"status\":{\"x\":1}"));
    assert_non_null(strstr(patched->data, "\"url\":\"x\""));
    assert_int_equal(fl_kube_patch(g.kube, &g.ctx, &fl_kind_registry, NS, FL_STR("a"), "",
                                   FL_STR("{\"metadata\":{\"resourceVersion\":\"1\"}}"), NULL,
                                   &g.err),
                     FL_E_CONFLICT);
    assert_string_equal(g.err.msg, "the object has been modified");
    for (int i = 0; i < 2; i++) { /* already gone is done */
        assert_int_equal(
            fl_kube_delete(g.kube, &g.ctx, &fl_kind_registry, NS, FL_STR("a"), FL_STR("u"), &g.err),
            0);
    }
    assert_int_equal(fl_kube_get(g.kube, &g.ctx, &fl_kind_registry, NS, FL_STR("a"), &read, &g.err),
                     FL_E_NOT_FOUND);
    rig_down(&g);
}

static void test_kube__paths_by_group_scope_and_name(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const struct fl_kind *kind;
        struct fl_str ns, object;
        const char *want;
    } rows[] = {
        {"group", &fl_kind_registry, {"n", 1}, {"a", 1}, "GET " REGS "/a?"},
        {"core",
         &fl_kind_secret,
         {"n", 1},
         {"a.b-c", 5},
         "GET /api/v1/namespaces/n/secrets/a.b-c?"},
        {"cluster scope", &fl_kind_namespace, {"n", 1}, {"a", 1}, "GET /api/v1/namespaces/a?"},
        {"odd name", &fl_kind_registry, {"n", 1}, {"a/../b?c", 8}, "GET " REGS "/a%2F..%2Fb%3Fc?"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct rig g;
        rig_up(&g);
        fl_auto(fl_shared) text = NULL;
        (void)!fl_kube_get(g.kube, &g.ctx, rows[i].kind, rows[i].ns, rows[i].object, &text, &g.err);
        if (strcmp(g.api->log[0], rows[i].want) != 0) {
            print_error("%s: %s\n", rows[i].name, g.api->log[0]);
            fail();
        }
        rig_down(&g);
    }
}

static void test_kube__failures_by_status(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum fl_code code;
        const char *reason, *msg;
    } rows[] = {
        {400, NULL, FL_E_INVALID, "Broken", "as the test asked"},
        {401, NULL, FL_E_AUTH, "Broken", "as the test asked"},
        {403, "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"no\"}", FL_E_AUTH,
         "Forbidden", "no"},
        {404, "404 page not found", FL_E_NOT_FOUND, "NotFound",
         "the Kubernetes API answered with status 404"},
        {409, "{\"kind\":\"Status\",\"reason\":\"AlreadyExists\"}", FL_E_EXISTS, "AlreadyExists",
         NULL},
        {409, "{\"kind\":\"Status\",\"reason\":\"Conflict\"}", FL_E_CONFLICT, "Conflict", NULL},
        {410, "{\"kind\":\"Status\",\"reason\":\"Gone\"}", FL_E_NOT_FOUND, "Expired", NULL},
        {422, NULL, FL_E_INVALID, "Broken", NULL},
        {429, "slow down", FL_E_LIMITED, "TooManyRequests", NULL},
        {500, NULL, FL_E_UNAVAILABLE, "Broken", NULL},
        {503, "<html>", FL_E_UNAVAILABLE, "ServerError", NULL},
        {504, "{}", FL_E_TIMEOUT, "Timeout", NULL},
        {302, "", FL_E_BAD_DATA, "BadAnswer", NULL},
        {418, "{\"kind\":\"Status\",\"reason\":\"not a word\",\"message\":\"a\\nb\"}", FL_E_INVALID,
         "BadAnswer", "a b"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct rig g;
        rig_up(&g);
        fake_api_fail(
            g.api, 0,
            (struct fake_fail){.status = rows[i].status, .times = -1, .body = rows[i].body});
        fl_auto(fl_shared) text = NULL;
        int r = fl_kube_get(g.kube, &g.ctx, &fl_kind_registry, NS, FL_STR("a"), &text, &g.err);
        if (r != (int)rows[i].code || strcmp(g.err.reason, rows[i].reason) != 0 ||
            g.err.http_status != rows[i].status ||
            (rows[i].msg && strcmp(g.err.msg, rows[i].msg) != 0)) {
            print_error("%d %s: %d %s '%s'\n", rows[i].status, rows[i].body ? rows[i].body : "", r,
                        g.err.reason, g.err.msg);
            fail();
        }
        assert_int_equal(g.api->n_log, 1);
        rig_down(&g);
    }
}

static void test_kube__repeats_only_what_names_a_time(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int status, times;
        const char *retry_after;
        size_t calls;
        int code;
    } rows[] = {
        {"503 with a time, then well", 503, 3, "0", 4, FL_E_NOT_FOUND},
        {"429 with a time, for ever", 429, -1, "0", 6, FL_E_LIMITED},
        {"503 without", 503, -1, NULL, 1, FL_E_UNAVAILABLE},
        {"403 with a time", 403, -1, "0", 1, FL_E_AUTH},
        {"a time beyond the deadline", 503, -1, "3000", 1, FL_E_UNAVAILABLE},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct rig g;
        rig_up(&g);
        fake_api_fail(g.api, 0,
                      (struct fake_fail){.status = rows[i].status,
                                         .times = rows[i].times,
                                         .retry_after = rows[i].retry_after});
        struct fl_ctx ctx = fl_ctx_timeout(&g.ctx, 60000);
        fl_auto(fl_shared) text = NULL;
        int r = fl_kube_get(g.kube, &ctx, &fl_kind_registry, NS, FL_STR("a"), &text, &g.err);
        if (r != rows[i].code || g.api->n_log != rows[i].calls) {
            print_error("%s: %d after %zu calls\n", rows[i].name, r, g.api->n_log);
            fail();
        }
        rig_down(&g);
    }
}

static int count_item(void *arg, struct fl_str text, struct fl_err *err)
{
    size_t *n = arg;
    (void)err;
    assert_int_equal(fl_scan_kind(text), FL_SCAN_OBJECT);
    (*n)++;
    return 0;
}

static int refuse_item(void *arg, struct fl_str text, struct fl_err *err)
{
    (void)arg;
    (void)text;
    return fl_fail(err, FL_E_BAD_DATA, "Refused", "not this one");
}

static void test_kube__list_walks_all_pages(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    g.api->page = 2;
    for (int i = 0; i < 5; i++) {
        char name[] = {(char)('a' + i), '\0'};
        assert_int_equal(create(&g, name, NULL), 0);
    }
    size_t n = 0;
    char rv[24];
    assert_int_equal(fl_kube_list(g.kube, &g.ctx, &fl_kind_registry, (struct fl_str){0}, "a=b,c!=d",
                                  count_item, &n, rv, &g.err),
                     0);
    assert_int_equal(n, 5);
    assert_string_equal(rv, "105");
    assert_int_equal(fake_api_count(g.api, "GET", "labelSelector=a%3Db%2Cc%21%3Dd"), 3);
    assert_int_equal(
        fl_kube_list(g.kube, &g.ctx, &fl_kind_registry, NS, NULL, refuse_item, NULL, rv, &g.err),
        FL_E_BAD_DATA);
    assert_string_equal(g.err.reason, "Refused");
    rig_down(&g);
}

struct answers {
    int n, last;
};

static void answered(void *arg, const char *method, int code)
{
    struct answers *a = arg;
    assert_string_equal(method, "POST");
    a->n++;
    a->last = code;
}

static void test_kube__answers_are_told_and_ping_answers(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    assert_int_equal(fl_kube_ping(g.kube, &g.ctx, &g.err), 0);
    assert_string_equal(fl_kube_host(g.kube), "local");
    struct answers a = {0, 0};
    fl_kube_observe(g.kube, answered, &a);
    assert_int_equal(create(&g, "a", NULL), 0);
    assert_int_equal(a.n, 1);
    assert_int_equal(a.last, 201);
    rig_down(&g);
}

struct heard {
    char line[256];
};

static void hear(void *self, const struct fl_request *req, struct fl_response *res)
{
    struct heard *h = self;
    const char *authorization = fl_request_header(req, "authorization");
    const char *type = fl_request_header(req, "content-type");
    (void)snprintf(h->line, sizeof(h->line), "%s %.*s?%.*s user=%s auth=%s type=%s body=%.*s",
                   req->method, FL_STR_ARG(req->path), FL_STR_ARG(req->query),
                   req->user ? req->user : "-", authorization ? authorization : "-",
                   type ? type : "-", FL_STR_ARG(req->body));
    res->status = 418;
    fl_buf_text(&res->body, "as it is");
}

static void test_kube__forwarded_requests_are_in_the_callers_name(void **state)
{
    (void)state;
    static const struct {
        const char *name, *authorization, *want;
    } rows[] = {
        {"another", "Bearer his", "PATCH /apis/x?a=b user=- auth=Bearer his type=t body={}"},
        {"the program", NULL, "PATCH /apis/x?a=b user=me auth=- type=t body={}"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_clock) clock = fl_clock_fake_new(1767225600000);
        struct heard h = {""};
        fl_auto(fl_kube) k = fl_kube_new_local(hear, &h, "me", clock);
        struct fl_ctx ctx = fl_ctx_root(clock, NULL);
        struct fl_err err = FL_ERR_INIT;
        struct fl_response res;
        fl_response_init(&res, FL_BUF_ANY);
        assert_int_equal(fl_kube_forward(k, &ctx, "PATCH", "/apis/x?a=b", NULL, "t",
                                         rows[i].authorization, FL_STR("{}"), &res, &err),
                         0);
        if (strcmp(h.line, rows[i].want) != 0 || res.status != 418 ||
            strcmp(res.body.data, "as it is") != 0) {
            fail_msg("%s: %s; %d %s", rows[i].name, h.line, res.status, res.body.data);
        }
        fl_response_release(&res);
    }
}

static void test_kube__canceled_call_is_not_made(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    struct fl_cancel cancel = {0};
    fl_cancel_set(&cancel);
    g.ctx = fl_ctx_root(g.clock, &cancel);
    assert_int_equal(create(&g, "a", NULL), FL_E_CANCELED);
    assert_int_equal(g.api->n_log, 0);
    rig_down(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kube__object_is_created_read_patched_and_deleted),
        cmocka_unit_test(test_kube__paths_by_group_scope_and_name),
        cmocka_unit_test(test_kube__failures_by_status),
        cmocka_unit_test(test_kube__repeats_only_what_names_a_time),
        cmocka_unit_test(test_kube__list_walks_all_pages),
        cmocka_unit_test(test_kube__answers_are_told_and_ping_answers),
        cmocka_unit_test(test_kube__forwarded_requests_are_in_the_callers_name),
        cmocka_unit_test(test_kube__canceled_call_is_not_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
