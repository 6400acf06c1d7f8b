/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/scheme.h"
#include "base/mem.h"
#include "base/secret.h"
#include "hook/web.h"

#define TABLE                                                                                      \
    "{\"kind\":\"Table\",\"columnDefinitions\":[],\"rows\":[{\"cells\":[],\"object\":{}}]}"

struct house {
    struct fl_clock *clock;
    struct fl_buf woken; /* by webhooks: "name;" each */
    struct fl_metrics *metrics;
    struct fl_hooks *hooks;
    struct fl_live *live;
    struct fl_web *web;
    struct fl_buf asked; /* "METHOD path authorization;" each */
    int answer;          /* of the API; 0: it does not answer */
    const char *body;
    bool handle; /* a PATCH is followed at once by the object that has handled it */
    const char *ready;
    const char *host;    /* the Host header; NULL: none */
    char request_id[64]; /* of the last answer: it lies in the request's arena */
};

static void object(struct house *h, struct fl_str patch)
{
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_str asked = patch;
    const char *at = strstr(asked.p, "requested-at\":\"");
    assert_non_null(at);
    fl_buf_fmt(&text,
               "{\"metadata\":{\"namespace\":\"team\",\"name\":\"one\",\"uid\":\"u\","
               "\"resourceVersion\":\"2\"},\"status\":{\"lastHandledRequest\":\"%.36s\","
               "\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\",\"reason\":\"R\","
               "\"message\":\"M\"}]}}",
               at + strlen("requested-at\":\""), h->ready);
    fl_auto(fl_obj) o = NULL;
    struct fl_err err = FL_ERR_INIT;
    if (fl_obj_new(&fl_kind_registry, fl_buf_slice(&text), false, &o, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    fl_web_changed(h->web, NULL, o);
}

static int ask(void *arg, const char *method, const char *path, const char *accept,
               const char *content_type, const char *authorization, struct fl_str body,
               struct fl_response *ret, struct fl_err *err)
{
    struct house *h = arg;
    assert_non_null(accept);
    assert_true((strcmp(method, "PATCH") == 0) == (content_type != NULL));
    fl_buf_fmt(&h->asked, "%s %s %s;", method, path, authorization ? authorization : "-");
    if (h->answer == 0) {
        return fl_fail(err, FL_E_UNAVAILABLE, "Down", "nobody is there");
    }
    ret->status = h->answer;
    fl_buf_text(&ret->body, h->body);
    if (h->handle && strcmp(method, "PATCH") == 0) {
        object(h, body);
    }
    return 0;
}

static void note(void *arg, const struct fl_kind *kind, struct fl_str ns, struct fl_str name,
                 const char *delivery)
{
    struct house *h = arg;
    (void)kind;
    (void)ns;
    (void)delivery;
    fl_buf_fmt(&h->woken, "%.*s;", FL_STR_ARG(name));
}

static void house_open(struct house *h, bool read_only, bool anonymous)
{
    static const struct fl_kind *const kinds[] = {&fl_kind_registry, NULL};
    static const char *const proxies[] = {"10.0.0.0/8", NULL};
    *h = (struct house){.clock = fl_clock_fake_new(1700000000000),
                        .metrics = fl_metrics_new(),
                        .answer = 200,
                        .body = TABLE,
                        .ready = "True",
                        .host = "127.0.0.1:8080"};
    fl_buf_init(&h->asked, FL_BUF_ANY);
    fl_buf_init(&h->woken, FL_BUF_ANY);
    const struct fl_hooks_conf hooks = {
        .clock = h->clock, .metrics = h->metrics, .wake = note, .wake_arg = h};
    const struct fl_live_conf live = {.clock = h->clock, .metrics = h->metrics};
    h->hooks = fl_hooks_new(&hooks);
    h->live = fl_live_new(&live);
    const struct fl_web_conf conf = {.clock = h->clock,
                                     .kinds = kinds,
                                     .hooks = h->hooks,
                                     .live = h->live,
                                     .ask = ask,
                                     .ask_arg = h,
                                     .read_only = read_only,
                                     .anonymous_read = anonymous,
                                     .trusted_proxies = proxies};
    h->web = fl_web_new(&conf);
}

static void house_close(struct house *h)
{
    fl_web_stop(h->web);
    fl_web_free(h->web);
    fl_live_free(h->live);
    fl_hooks_free(h->hooks);
    fl_metrics_free(h->metrics);
    fl_buf_release(&h->asked);
    fl_buf_release(&h->woken);
    fl_clock_free(h->clock);
}

static const char *header_of(const struct fl_response *res, const char *name)
{
    for (size_t i = 0; i < res->n_headers; i++) {
        if (strcmp(res->headers[i].name, name) == 0) {
            return res->headers[i].value;
        }
    }
    return NULL;
}

/* The response is the caller's; its feed is closed here. */
static void request_with(struct house *h, const char *method, const char *target,
                         const struct fl_header *headers, size_t n, const char *peer,
                         struct fl_response *res)
{
    struct fl_str query = fl_str_of(target);
    struct fl_str path;
    (void)fl_str_cut(&query, '?', &path);
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_header all[4] = {{"Host", h->host}};
    size_t n_all = h->host ? 1 : 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(n_all < FL_LEN(all));
        all[n_all++] = headers[i];
    }
    struct fl_request req = {.method = method,
                             .path = path,
                             .query = query,
                             .headers = all,
                             .n_headers = n_all,
                             .peer = peer,
                             .arena = a};
    fl_response_init(res, FL_BUF_ANY);
    fl_web_serve(h->web, &req, res);
    if (res->feed) {
        res->feed->ops->close(res->feed);
        res->feed = NULL;
    }
    const char *id = header_of(res, "X-Request-ID");
    (void)snprintf(h->request_id, sizeof(h->request_id), "%s", id ? id : "");
}

static void request(struct house *h, const char *method, const char *target, const char *token,
                    const char *peer, const char *forwarded, struct fl_response *res)
{
    struct fl_header headers[2] = {{0}};
    size_t n = 0;
    if (token) {
        headers[n++] = (struct fl_header){"Authorization", token};
    }
    if (forwarded) {
        headers[n++] = (struct fl_header){"X-Forwarded-For", forwarded};
    }
    request_with(h, method, target, headers, n, peer, res);
}

struct row {
    const char *name;
    const char *method, *target, *token;
    bool read_only, anonymous;
    int answer; /* of the API */
    const char *body;
    int status;
    const char *words, *asked;
};

#define LIST "GET /apis/fairlead.dev/v1alpha1/registries?limit=500 "
#define ONE "PATCH /apis/fairlead.dev/v1alpha1/namespaces/team/registries/one Bearer t;"
#define FORBIDDEN "{\"kind\":\"Status\",\"message\":\"registries is forbidden\"}"

static const struct row rows[] = {
    {"state", "GET", "/state", "Bearer t", false, false, 200, TABLE, 200,
     "{\"readOnly\":false,\"kinds\":[{\"kind\":\"Registry\",\"plural\":\"registries\","
     "\"status\":200,\"table\":" TABLE "}]}",
     LIST "Bearer t;"},
    {"state of a namespace", "GET", "/state?namespace=team", "Bearer t", false, false, 200, TABLE,
     200, "readOnly",
     "GET /apis/fairlead.dev/v1alpha1/namespaces/team/registries?limit=500 Bearer t;"},
    {"state of what is no namespace", "GET", "/state?namespace=a%2Fb", "Bearer t", false, false,
     200, TABLE, 400, "namespace", ""},
    {"state, no token", "GET", "/state", NULL, false, false, 200, TABLE, 401, "bearer token", ""},
    {"state, an empty token", "GET", "/state", "Bearer ", false, false, 200, TABLE, 401,
     "bearer token", ""},
    {"state, basic", "GET", "/state", "Basic eDp5", false, false, 200, TABLE, 401, "bearer token",
     ""},
    {"r27 state, anonymous", "GET", "/state", NULL, false, true, 200, TABLE, 200, "readOnly",
     LIST "-;"},
    {"state, token unknown", "GET", "/state", "Bearer t", false, false, 401, "{}", 401,
     "does not know", LIST "Bearer t;"},
    {"state, not allowed", "GET", "/state", "Bearer t", false, false, 403, FORBIDDEN, 200,
     "\"status\":403,\"table\":null", LIST "Bearer t;"},
    {"state, API away", "GET", "/state", "Bearer t", false, false, 0, "", 200,
     "\"status\":503,\"table\":null", LIST "Bearer t;"},
    {"events", "GET", "/events", "Bearer t", false, false, 200, TABLE, 200, "",
     "GET /apis/fairlead.dev/v1alpha1/registries?limit=1 Bearer t;"},
    {"events, not allowed", "GET", "/events", "Bearer t", false, false, 403, FORBIDDEN, 403,
     "registries is forbidden", "GET /apis/fairlead.dev/v1alpha1/registries?limit=1 Bearer t;"},
    {"events of what is not shown", "GET", "/events?kind=Secret", "Bearer t", false, false, 200,
     TABLE, 404, "kind", ""},
    {"r25 sync", "POST", "/sync/registries/team/one", "Bearer t", false, false, 200, "{}", 202,
     "{\"requested\":\"", ONE},
    {"r25 sync by GET", "GET", "/sync/registries/team/one", "Bearer t", false, false, 200, "{}",
     405, "only POST", ""},
    {"r28 sync, read-only", "POST", "/sync/registries/team/one", "Bearer t", true, false, 200, "{}",
     405, "read-only", ""},
    {"r25 sync, no token, though all may read", "POST", "/sync/registries/team/one", NULL, false,
     true, 200, "{}", 401, "bearer token", ""},
    {"sync, not allowed", "POST", "/sync/registries/team/one", "Bearer t", false, false, 403,
     FORBIDDEN, 403, "registries is forbidden", ONE},
    {"sync, not there", "POST", "/sync/registries/team/one", "Bearer t", false, false, 404,
     "{\"message\":\"no such \\\"one\\\"\"}", 404, "no such \"one\"", ONE},
    {"sync, API away", "POST", "/sync/registries/team/one", "Bearer t", false, false, 0, "", 503,
     "does not answer", ONE},
    {"sync, another kind", "POST", "/sync/secrets/team/one", "Bearer t", false, false, 200, "{}",
     404, "/sync/<plural>", ""},
    {"sync, a path in the name", "POST", "/sync/registries/team/one/status", "Bearer t", false,
     false, 200, "{}", 404, "/sync/<plural>", ""},
    {"page", "GET", "/", NULL, false, false, 200, "", 200, "<title>Fairlead</title>", ""},
    {"script", "GET", "/app.js", NULL, false, false, 200, "", 200, "fetch(", ""},
    {"nothing", "GET", "/app.js.map", NULL, false, false, 200, "", 404, "not found", ""},
    {"page by POST", "POST", "/", NULL, false, false, 200, "", 405, "only GET", ""},
    {"hook", "POST", "/hook/0123", NULL, false, false, 200, "", 404, "not found", ""},
};

/* As reference R29 says, the policy stricter: nothing but what is named. */
static void check_r29(const char *name, const struct house *h, const struct fl_response *res)
{
    static const struct {
        const char *header, *part;
    } want[] = {{"X-Content-Type-Options", "nosniff"},
                {"X-Frame-Options", "DENY"},
                {"Referrer-Policy", "no-referrer"},
                {"Content-Security-Policy", "default-src 'none'; script-src 'self'; "}};
    for (size_t i = 0; i < FL_LEN(want); i++) {
        const char *said = header_of(res, want[i].header);
        if (!said || !strstr(said, want[i].part)) {
            fail_msg("%s: %s is %s", name, want[i].header, said ? said : "missing");
        }
    }
    if (strlen(h->request_id) != 32 || strspn(h->request_id, "0123456789abcdef") != 32) {
        fail_msg("%s: X-Request-ID is '%s', wanted 16 bytes in hex", name, h->request_id);
    }
}

static void test_web__r29_each_answer_has_an_id_of_its_own_and_a_small_body_is_taken(void **state)
{
    (void)state;
    struct house h;
    char first[64];
    struct fl_response res;
    house_open(&h, false, false);
    request(&h, "GET", "/", NULL, "192.0.2.1", NULL, &res);
    fl_response_release(&res);
    memcpy(first, h.request_id, sizeof(first));
    request(&h, "GET", "/", NULL, "192.0.2.1", NULL, &res);
    fl_response_release(&res);
    assert_string_not_equal(first, h.request_id);
    static const char *const paths[] = {"/", "/state", "/sync/registries/team/one"};
    for (size_t i = 0; i < FL_LEN(paths); i++) {
        struct fl_request head = {.method = "POST", .path = fl_str_of(paths[i])};
        assert_int_equal(fl_web_body_cap(h.web, &head), 1 << 20);
    }
    house_close(&h);
}

/* Stricter than stackit: reading without a token never lets anybody sync. */
static void test_web__r27_anonymous_reading_is_reading(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target;
        int status;
    } cases[] = {{"GET", "/state", 200},
                 {"GET", "/events", 200},
                 {"POST", "/sync/registries/team/one", 401},
                 {"POST", "/sync/registries/team/one?wait=true", 401}};
    for (size_t i = 0; i < FL_LEN(cases); i++) {
        struct house h;
        struct fl_response res;
        house_open(&h, false, true);
        request(&h, cases[i].method, cases[i].target, NULL, "192.0.2.1", NULL, &res);
        if (res.status != cases[i].status || strstr(h.asked.data, "PATCH")) {
            fail_msg("%s: %d; asked %s", cases[i].target, res.status, h.asked.data);
        }
        fl_response_release(&res);
        house_close(&h);
    }
}

/* A page of a stranger, in a browser of this machine, reaches a loopback address by a name of its own. */
static void test_web__r27_anonymous_reading_is_for_who_means_this_machine(void **state)
{
    (void)state;
    static const struct {
        const char *name, *host, *token;
        bool read_only;
        int status;
    } cases[] = {
        {"localhost", "localhost", NULL, false, 200},
        {"localhost, any case", "LocalHost:8080", NULL, false, 200},
        {"127.0.0.1", "127.0.0.1:8080", NULL, false, 200},
        {"127.0.0.1, no port", "127.0.0.1", NULL, false, 200},
        {"127.x.x.x", "127.8.9.10:80", NULL, false, 200},
        {"IPv6", "[::1]:8080", NULL, false, 200},
        {"IPv6, no port", "[::1]", NULL, false, 200},
        {"a name that resolves to it", "rebind.example:8080", NULL, false, 421},
        {"a name that begins so", "127.0.0.1.rebind.example:8080", NULL, false, 421},
        {"a name that ends so", "rebind.localhost", NULL, false, 421},
        {"localhost as a label", "localhost.rebind.example", NULL, false, 421},
        {"a name behind the address", "[::1]rebind.example", NULL, false, 421},
        {"IPv6, a port without its colon", "[::1]80", NULL, false, 421},
        {"a port that is none", "localhost:80.rebind.example", NULL, false, 421},
        {"another address", "192.0.2.1:8080", NULL, false, 421},
        {"another IPv6 address", "[2001:db8::1]:8080", NULL, false, 421},
        {"short for 127.0.0.1", "127.1", NULL, false, 421},
        {"empty", "", NULL, false, 421},
        {"a port alone", ":8080", NULL, false, 421},
        {"none", NULL, NULL, false, 421},
        {"another name, with a token", "rebind.example:8080", "Bearer t", false, 200},
        {"another name, open to all", "screen.example", NULL, true, 200},
    };
    static const char *const targets[] = {"/state", "/events"};
    for (size_t i = 0; i < FL_LEN(cases) * FL_LEN(targets); i++) {
        size_t at = i / FL_LEN(targets);
        const char *target = targets[i % FL_LEN(targets)];
        struct house h;
        struct fl_response res;
        house_open(&h, cases[at].read_only, true);
        h.host = cases[at].host;
        request(&h, "GET", target, cases[at].token, "127.0.0.1", NULL, &res);
        bool told = res.status != 421 || strstr(res.body.data, "localhost, 127.0.0.1 or [::1]");
        bool asked = h.asked.len > 0;
        if (res.status != cases[at].status || !told || (res.status == 421 && asked)) {
            fail_msg("%s %s: %d %s", target, cases[at].name, res.status, res.body.data);
        }
        fl_response_release(&res);
        house_close(&h);
    }
}

/* Who opens it to all says so beside it (anonymous_read): read-only alone asks for a token still.
 * That a reader costs no request at a remote: e2e/e2e_mirror.sh. */
static void test_web__r28_read_only_has_no_way_to_write(void **state)
{
    (void)state;
    static const struct {
        const char *name, *method, *target, *token;
        int status;
    } cases[] = {{"state", "GET", "/state", NULL, 200},
                 {"events", "GET", "/events", NULL, 200},
                 {"sync", "POST", "/sync/registries/team/one", NULL, 405},
                 {"sync with a token", "POST", "/sync/registries/team/one", "Bearer t", 405},
                 {"sync and wait", "POST", "/sync/registries/team/one?wait=true", "Bearer t", 405},
                 {"post state", "POST", "/state", "Bearer t", 405},
                 {"delete", "DELETE", "/state", "Bearer t", 405},
                 {"put the page", "PUT", "/", "Bearer t", 405}};
    for (size_t i = 0; i < FL_LEN(cases); i++) {
        struct house h;
        struct fl_response res;
        house_open(&h, true, true);
        request(&h, cases[i].method, cases[i].target, cases[i].token, "192.0.2.1", NULL, &res);
        bool wrote = strstr(h.asked.data, "PATCH") != NULL;
        bool says =
            strcmp(cases[i].name, "state") != 0 || strstr(res.body.data, "\"readOnly\":true");
        if (res.status != cases[i].status || wrote || !says) {
            fail_msg("%s: %d %s; asked %s", cases[i].name, res.status, res.body.data, h.asked.data);
        }
        fl_response_release(&res);
        house_close(&h);
    }
}

static void test_web__r29_routes_and_headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        const struct row *r = &rows[i];
        struct house h;
        house_open(&h, r->read_only, r->anonymous);
        h.answer = r->answer;
        h.body = r->body;
        struct fl_response res;
        request(&h, r->method, r->target, r->token, "192.0.2.1", NULL, &res);
        if (res.status != r->status || !strstr(res.body.data, r->words) ||
            strcmp(h.asked.data, r->asked) != 0) {
            fail_msg("%s: %d %s; asked %s", r->name, res.status, res.body.data, h.asked.data);
        }
        check_r29(r->name, &h, &res);
        fl_response_release(&res);
        house_close(&h);
    }
}

/* No session, no CSRF check: who signs needs neither. A look reads, so read-only lets it through. */
static void test_web__r23_webhooks_need_no_token_and_stay_when_read_only(void **state)
{
    (void)state;
    for (int read_only = 0; read_only < 2; read_only++) {
        struct house h;
        char path[FL_HOOK_PATH];
        house_open(&h, read_only != 0, false);
        fl_auto_val(fl_secret) secret = {NULL, 0};
        fl_secret_set(&secret, FL_STR("token"));
        const struct fl_hook_route route = {.kind = &fl_kind_registry,
                                            .ns = FL_STR("team"),
                                            .name = FL_STR("one"),
                                            .type = FL_HOOK_GITLAB,
                                            .secret = &secret};
        fl_hooks_ops.put(h.hooks, &route, path);
        static const struct fl_header headers[] = {{"X-Gitlab-Token", "token"},
                                                   {"X-Gitlab-Event", "Push Hook"},
                                                   {"Origin", "https://elsewhere.example"}};
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_request req = {.method = "POST",
                                 .path = fl_str_of(path),
                                 .headers = headers,
                                 .n_headers = FL_LEN(headers),
                                 .body = FL_STR("{}"),
                                 .peer = "192.0.2.1",
                                 .arena = a};
        struct fl_response res;
        fl_response_init(&res, FL_BUF_ANY);
        fl_web_serve(h.web, &req, &res);
        assert_int_equal(res.status, 202);
        assert_string_equal(h.woken.data, "one;");
        fl_response_release(&res);
        house_close(&h);
    }
}

/* There are no sessions: a cookie is nobody, so there is nothing to forge and no CSRF header. Without
 * wait it is as with wait=false; with wait=true success is 200, since the answer tells Ready. */
static void test_web__r25_sync_is_for_who_has_a_token(void **state)
{
    (void)state;
    static const struct {
        const char *name, *method, *target;
        struct fl_header header;
        int status;
    } cases[] = {
        {"token", "POST", "/sync/registries/team/one", {"Authorization", "Bearer t"}, 202},
        {"wait=false",
         "POST",
         "/sync/registries/team/one?wait=false",
         {"Authorization", "Bearer t"},
         202},
        {"nobody", "POST", "/sync/registries/team/one", {"Accept", "*/*"}, 401},
        {"cookie", "POST", "/sync/registries/team/one", {"Cookie", "session=t; token=t"}, 401},
        {"token in the URL",
         "POST",
         "/sync/registries/team/one?token=t&access_token=t",
         {"Accept", "*/*"},
         401},
        {"GET", "GET", "/sync/registries/team/one", {"Authorization", "Bearer t"}, 405},
        {"PUT", "PUT", "/sync/registries/team/one", {"Authorization", "Bearer t"}, 405},
    };
    for (size_t i = 0; i < FL_LEN(cases); i++) {
        struct house h;
        struct fl_response res;
        house_open(&h, false, true);
        h.body = "{}";
        request_with(&h, cases[i].method, cases[i].target, &cases[i].header, 1, "192.0.2.1", &res);
        bool asked = strstr(h.asked.data, "PATCH") != NULL;
        if (res.status != cases[i].status || asked != (res.status == 202)) {
            fail_msg("%s: %d; asked %s", cases[i].name, res.status, h.asked.data);
        }
        fl_response_release(&res);
        house_close(&h);
    }
}

static void test_web__r25_sync_waits_for_the_outcome(void **state)
{
    (void)state;
    static const struct {
        const char *name, *ready;
        int status;
    } cases[] = {{"good", "True", 200}, {"failed", "False", 502}, {"unknown", "Unknown", 502}};
    for (size_t i = 0; i < FL_LEN(cases); i++) {
        struct house h;
        house_open(&h, false, false);
        h.body = "{}";
        h.handle = true;
        h.ready = cases[i].ready;
        struct fl_response res;
        request(&h, "POST", "/sync/registries/team/one?wait=true", "Bearer t", "192.0.2.1", NULL,
                &res);
        if (res.status != cases[i].status || !strstr(res.body.data, "\"message\":\"M\"")) {
            fail_msg("%s: %d %s", cases[i].name, res.status, res.body.data);
        }
        fl_response_release(&res);
        house_close(&h);
    }
}

static void test_web__stopping_ends_waits_and_refuses_streams(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, false, false);
    fl_web_stop(h.web);
    struct fl_response res;
    request(&h, "POST", "/sync/registries/team/one?wait=true", "Bearer t", "192.0.2.1", NULL, &res);
    assert_int_equal(res.status, 503);
    fl_response_release(&res);
    request(&h, "GET", "/events", "Bearer t", "192.0.2.1", NULL, &res);
    assert_int_equal(res.status, 503);
    fl_response_release(&res);
    house_close(&h);
}

/* The streams of one address are capped: whose address counts tells who is believed. */
static void test_web__r26_forwarded_for_counts_from_trusted_proxies_only(void **state)
{
    (void)state;
    static const struct {
        const char *name, *peer, *forwarded, *another; /* a second header */
        bool capped;                                   /* with the streams of 192.0.2.1 */
        const char *others;                            /* or with those of this one */
    } cases[] = {
        {"no proxy", "192.0.2.1", NULL, NULL, true, NULL},
        {"a stranger who says so", "198.51.100.9", "192.0.2.1", NULL, false, NULL},
        {"a proxy", "10.1.2.3", "192.0.2.1", NULL, true, NULL},
        {"two proxies", "10.1.2.3", "192.0.2.1, 10.9.9.9", NULL, true, NULL},
        {"what the client wrote before the proxy", "10.1.2.3", "192.0.2.1, 198.51.100.7", NULL,
         false, NULL},
        {"a proxy that says nothing", "10.1.2.3", "", NULL, false, NULL},
        {"a proxy with a header of its own", "10.1.2.3", "198.51.100.7", "192.0.2.1", true, NULL},
        {"what the client wrote in another header", "10.1.2.3", "192.0.2.1", "198.51.100.7", false,
         NULL},
        {"two proxies with a header each", "10.1.2.3", "192.0.2.1", "10.9.9.9", true, NULL},
        {"with a port", "10.1.2.3", "192.0.2.1:4711", NULL, true, NULL},
        {"a proxy with a port", "10.1.2.3", "192.0.2.1, 10.9.9.9:80", NULL, true, NULL},
        {"IPv6", "2001:db8::1", NULL, NULL, true, "2001:db8::1"},
        {"IPv6, the same network", "2001:db8::ffff:1:2:3", NULL, NULL, true, "2001:db8::1"},
        {"IPv6, another network", "2001:db8:0:1::1", NULL, NULL, false, "2001:db8::1"},
        {"IPv6 from a proxy", "10.1.2.3", "2001:db8::2", NULL, true, "2001:db8::1"},
        {"IPv6 in brackets", "10.1.2.3", "[2001:db8::2]", NULL, true, "2001:db8::1"},
        {"IPv6 with a port", "10.1.2.3", "[2001:DB8:0::2]:4711", NULL, true, "2001:db8::1"},
        {"IPv4 within IPv6", "10.1.2.3", "::ffff:192.0.2.1", NULL, true, "192.0.2.1"},
    };
    for (size_t i = 0; i < FL_LEN(cases); i++) {
        struct house h;
        house_open(&h, false, true);
        struct fl_feed *feeds[FL_LIVE_PER_ADDRESS];
        struct fl_response res;
        for (int n = 0; n < FL_LIVE_PER_ADDRESS; n++) {
            fl_auto(fl_arena) a = fl_arena_new();
            const struct fl_header host = {"Host", h.host};
            struct fl_request req = {.method = "GET",
                                     .path = FL_STR("/events"),
                                     .headers = &host,
                                     .n_headers = 1,
                                     .peer = cases[i].others ? cases[i].others : "192.0.2.1",
                                     .arena = a};
            fl_response_init(&res, FL_BUF_ANY);
            fl_web_serve(h.web, &req, &res);
            assert_int_equal(res.status, 200);
            feeds[n] = res.feed;
            res.feed = NULL;
            fl_response_release(&res);
        }
        const struct fl_header said[] = {{"X-Forwarded-For", cases[i].forwarded},
                                         {"x-forwarded-for", cases[i].another}};
        size_t n_said = cases[i].another ? 2 : cases[i].forwarded ? 1 : 0;
        request_with(&h, "GET", "/events", said, n_said, cases[i].peer, &res);
        if ((res.status == 429) != cases[i].capped) {
            fail_msg("%s: %d", cases[i].name, res.status);
        }
        fl_response_release(&res);
        for (int n = 0; n < FL_LIVE_PER_ADDRESS; n++) {
            feeds[n]->ops->close(feeds[n]);
        }
        house_close(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_web__r29_routes_and_headers),
        cmocka_unit_test(test_web__r29_each_answer_has_an_id_of_its_own_and_a_small_body_is_taken),
        cmocka_unit_test(test_web__r27_anonymous_reading_is_reading),
        cmocka_unit_test(test_web__r27_anonymous_reading_is_for_who_means_this_machine),
        cmocka_unit_test(test_web__r28_read_only_has_no_way_to_write),
        cmocka_unit_test(test_web__r23_webhooks_need_no_token_and_stay_when_read_only),
        cmocka_unit_test(test_web__r25_sync_is_for_who_has_a_token),
        cmocka_unit_test(test_web__r25_sync_waits_for_the_outcome),
        cmocka_unit_test(test_web__stopping_ends_waits_and_refuses_streams),
        cmocka_unit_test(test_web__r26_forwarded_for_counts_from_trusted_proxies_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
