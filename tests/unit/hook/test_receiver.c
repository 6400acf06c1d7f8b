/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/scheme.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "hook/receiver.h"
#include "hook/seen.h"
#include "wire/digest.h"

#define SECRET "fairlead-demo"
#define APP_SECRET "of the app"
#define REPO "{\"repository\":{\"clone_url\":\"https://git.example/o/n.git\"}}"

struct house {
    struct fl_clock *clock;
    struct fl_metrics *metrics;
    struct fl_hooks *hooks;
    struct fl_buf woken; /* "ns/name delivery;" each */
    char path[FL_HOOK_PATH];
};

static void note(void *arg, const struct fl_kind *kind, struct fl_str ns, struct fl_str name,
                 const char *delivery)
{
    struct house *h = arg;
    assert_ptr_equal(kind, &fl_kind_registry);
    fl_buf_fmt(&h->woken, "%.*s/%.*s %s;", FL_STR_ARG(ns), FL_STR_ARG(name), delivery);
}

static void put(struct house *h, const char *name, enum fl_hook_type type, const char *secret,
                const char *place, char ret[FL_HOOK_PATH])
{
    fl_auto_val(fl_secret) s = {NULL, 0};
    fl_secret_set(&s, fl_str_of(secret));
    const struct fl_hook_route route = {.kind = &fl_kind_registry,
                                        .ns = FL_STR("team"),
                                        .name = fl_str_of(name),
                                        .type = type,
                                        .secret = &s,
                                        .place = fl_str_of(place)};
    fl_hooks_ops.put(h->hooks, &route, ret);
}

static void house_open(struct house *h, const char *app_secret)
{
    *h = (struct house){.clock = fl_clock_fake_new(1700000000000), .metrics = fl_metrics_new()};
    fl_buf_init(&h->woken, FL_BUF_ANY);
    fl_auto_val(fl_secret) app = {NULL, 0};
    fl_secret_set(&app, fl_str_of(app_secret));
    const struct fl_hooks_conf conf = {.clock = h->clock,
                                       .metrics = h->metrics,
                                       .wake = note,
                                       .wake_arg = h,
                                       .github_secret = &app};
    h->hooks = fl_hooks_new(&conf);
    put(h, "one", FL_HOOK_GITHUB, SECRET, "git.example/o/n", h->path);
}

static void house_close(struct house *h)
{
    fl_hooks_free(h->hooks);
    fl_metrics_free(h->metrics);
    fl_buf_release(&h->woken);
    fl_clock_free(h->clock);
}

static char *signature(const char *secret, const char *body)
{
    unsigned char mac[32];
    fl_auto_val(fl_buf) b = FL_BUF_INIT(128);
    fl_hmac_sha256(fl_str_of(secret), fl_str_of(body), mac);
    fl_buf_text(&b, "sha256=");
    fl_hex_add(&b, mac, sizeof(mac));
    return fl_buf_take(&b);
}

/* The status; secret NULL: unsigned; all of the answer is appended to said, if there is one. */
static int post_as(struct house *h, const char *path, const char *method, const char *event,
                   const char *id, const char *secret, const char *body, const char *type,
                   struct fl_buf *said)
{
    fl_auto_text sig = signature(secret ? secret : "", body);
    struct fl_header headers[] = {{"Content-Type", type},
                                  {"X-GitHub-Event", event},
                                  {"X-GitHub-Delivery", id},
                                  {"X-Hub-Signature-256", sig}};
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_request req = {.method = method,
                             .path = fl_str_of(path),
                             .headers = headers,
                             .n_headers = secret ? 4 : 3,
                             .body = fl_str_of(body),
                             .peer = "192.0.2.1",
                             .arena = a};
    struct fl_response res;
    fl_response_init(&res, FL_BUF_ANY);
    fl_hooks_serve(h->hooks, &req, &res);
    int status = res.status;
    if (said) {
        fl_buf_fmt(said, "%d %s %s", status, res.content_type, res.body.data);
        for (size_t i = 0; i < res.n_headers; i++) {
            fl_buf_fmt(said, "%s: %s\n", res.headers[i].name, res.headers[i].value);
        }
    }
    fl_response_release(&res);
    return status;
}

static int post(struct house *h, const char *path, const char *method, const char *event,
                const char *id, const char *secret, const char *body)
{
    return post_as(h, path, method, event, id, secret, body, "application/json", NULL);
}

struct row {
    const char *name;
    const char *path; /* NULL: that of the object */
    const char *method, *event, *secret, *body;
    int status;
    const char *woken;
};

static const struct row rows[] = {
    {"r18 push", NULL, "POST", "push", SECRET, REPO, 202, "team/one d;"},
    {"r18 ping", NULL, "POST", "ping", SECRET, "{}", 204, ""},
    {"r18 other event", NULL, "POST", "issues", SECRET, REPO, 204, ""},
    {"push that names no repository, at the object's own path", NULL, "POST", "push", SECRET, "{}",
     202, "team/one d;"},
    {"r17 unsigned", NULL, "POST", "push", NULL, REPO, 401, ""},
    {"r17 signed by another", NULL, "POST", "push", "other", REPO, 401, ""},
    {"r17 the signature before the body", NULL, "POST", "push", "other", "x", 401, ""},
    {"body is no JSON", NULL, "POST", "push", SECRET, "x", 400, ""},
    {"r16 path unknown", "/hook/0123", "POST", "push", SECRET, REPO, 404, ""},
    {"path of a folder", "/hook/", "POST", "push", SECRET, REPO, 404, ""},
    {"wrong method", NULL, "GET", "push", SECRET, REPO, 405, ""},
    {"app delivers for all", "/hook/github", "POST", "push", APP_SECRET, REPO, 202, "team/one d;"},
    {"app: r18 not managed here", "/hook/github", "POST", "push", APP_SECRET,
     "{\"repository\":{\"clone_url\":\"https://git.example/o/other\"}}", 202, ""},
    {"app: r20 owner and name alone", "/hook/github", "POST", "push", APP_SECRET,
     "{\"repository\":{\"name\":\"two\",\"owner\":{\"login\":\"o\"}}}", 202, "team/two d;"},
    {"app: r18 no repository", "/hook/github", "POST", "push", APP_SECRET, "{}", 204, ""},
    {"app: an object's secret is not the app's", "/hook/github", "POST", "push", SECRET, REPO, 401,
     ""},
};

static void test_receiver__r17_r18_answers_and_wakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct house h;
        char path[FL_HOOK_PATH];
        house_open(&h, APP_SECRET);
        put(&h, "two", FL_HOOK_GITHUB, "", "github.com/o/two", path);
        const struct row *r = &rows[i];
        int status =
            post(&h, r->path ? r->path : h.path, r->method, r->event, "d", r->secret, r->body);
        if (status != r->status || strcmp(h.woken.data, r->woken) != 0) {
            fail_msg("%s: %d, woken: %s", r->name, status, h.woken.data);
        }
        house_close(&h);
    }
}

static void test_receiver__r16_without_a_secret_nothing_is_there(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, "");
    char path[FL_HOOK_PATH];
    put(&h, "two", FL_HOOK_GITHUB, "", "git.example/o/two", path);
    assert_string_equal(path, "");
    assert_int_equal(post(&h, "/hook/github", "POST", "push", "d", APP_SECRET, REPO), 404);
    assert_int_equal(post(&h, "/hook/github", "POST", "push", "d", "", REPO), 404);
    assert_int_equal(post(&h, "", "POST", "push", "d", "", REPO), 404);
    static const char *const methods[] = {"POST", "GET"};
    for (size_t i = 0; i < FL_LEN(methods); i++) { /* nor can it be told from what never was */
        fl_auto_val(fl_buf) here = FL_BUF_INIT(FL_BUF_ANY);
        fl_auto_val(fl_buf) nowhere = FL_BUF_INIT(FL_BUF_ANY);
        (void)post_as(&h, "/hook/github", methods[i], "push", "d", APP_SECRET, REPO, NULL, &here);
        (void)post_as(&h, "/hook/gone", methods[i], "push", "d", NULL, "x", NULL, &nowhere);
        assert_string_equal(here.data, nowhere.data);
    }
    assert_string_equal(h.woken.data, "");
    house_close(&h);
}

static void keep_lines(void *arg, struct fl_str line)
{
    fl_buf_str(arg, line);
}

/* An App delivers the pushes of each repository that it is installed in. */
static void test_receiver__r18_a_repository_that_is_not_here_is_logged(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) told = FL_BUF_INIT(FL_BUF_ANY);
    struct house h;
    house_open(&h, APP_SECRET);
    fl_log_setup(FL_LOG_INFO, FL_LOG_TEXT);
    fl_log_sink(keep_lines, &told);
    assert_int_equal(post(&h, "/hook/github", "POST", "push", "d7", APP_SECRET,
                          "{\"repository\":{\"clone_url\":\"https://git.example/o/other\"}}"),
                     202);
    fl_log_sink(NULL, NULL);
    assert_non_null(strstr(told.data, "level=info"));
    assert_non_null(strstr(told.data, "git.example/o/other"));
    assert_non_null(strstr(told.data, "d7"));
    assert_string_equal(h.woken.data, "");
    house_close(&h);
}

static void test_receiver__r19_json_and_form_wake_alike(void **state)
{
    (void)state;
    static const struct {
        const char *name, *type, *body;
        int status;
    } cases[] = {
        {"json", "application/json", REPO, 202},
        {"json with a charset", "application/json; charset=utf-8", REPO, 202},
        {"form", "application/x-www-form-urlencoded",
         "payload=%7B%22repository%22%3A%7B%22clone_url%22%3A%22https%3A%2F%2Fgit.example%2Fo%2Fn%"
         "22%7D%7D",
         202},
        {"a form that says it is json", "application/json", "payload=%7B%7D", 400},
    };
    static const char *const doors[] = {"/hook/github", NULL};
    for (size_t i = 0; i < FL_LEN(cases) * FL_LEN(doors); i++) {
        const char *door = doors[i % FL_LEN(doors)];
        struct house h;
        house_open(&h, APP_SECRET);
        int status =
            post_as(&h, door ? door : h.path, "POST", "push", "d", door ? APP_SECRET : SECRET,
                    cases[i / FL_LEN(doors)].body, cases[i / FL_LEN(doors)].type, NULL);
        bool woken = strcmp(h.woken.data, "team/one d;") == 0;
        if (status != cases[i / FL_LEN(doors)].status || woken != (status == 202)) {
            fail_msg("%s at %s: %d, woken: %s", cases[i / FL_LEN(doors)].name,
                     door ? door : "its path", status, h.woken.data);
        }
        house_close(&h);
    }
}

/* Debug, not info: an App of a large host delivers hundreds a second. */
static void test_receiver__r22_a_delivery_is_logged_by_its_id(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) told = FL_BUF_INIT(FL_BUF_ANY);
    struct house h;
    house_open(&h, "");
    fl_log_setup(FL_LOG_DEBUG, FL_LOG_TEXT);
    fl_log_sink(keep_lines, &told);
    assert_int_equal(post(&h, h.path, "POST", "push", "72d3162e", SECRET, REPO), 202);
    fl_log_sink(NULL, NULL);
    fl_log_setup(FL_LOG_INFO, FL_LOG_TEXT);
    assert_non_null(strstr(told.data, "delivery=72d3162e"));
    house_close(&h);
}

static void test_receiver__r22_a_delivery_is_taken_once(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, "");
    assert_int_equal(post(&h, h.path, "POST", "push", "d1", SECRET, REPO), 202);
    assert_int_equal(post(&h, h.path, "POST", "push", "d1", SECRET, REPO), 202);
    assert_string_equal(h.woken.data, "team/one d1;");
    assert_int_equal(post(&h, h.path, "POST", "push", "d2", SECRET, REPO), 202);
    assert_string_equal(h.woken.data, "team/one d1;team/one d2;");
    house_close(&h);
}

static void test_receiver__r22_a_refused_delivery_may_come_again(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, "");
    assert_int_equal(post(&h, h.path, "POST", "push", "d1", "other", REPO), 401);
    assert_int_equal(post(&h, h.path, "POST", "push", "d1", SECRET, "x"), 400);
    assert_int_equal(post(&h, h.path, "POST", "push", "d1", SECRET, REPO), 202);
    assert_string_equal(h.woken.data, "team/one d1;");
    house_close(&h);
}

static void test_receiver__path_changes_with_the_secret_and_goes_with_the_object(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, "");
    char path[FL_HOOK_PATH];
    put(&h, "one", FL_HOOK_GITHUB, SECRET, "", path);
    assert_string_equal(path, h.path);
    put(&h, "one", FL_HOOK_GITHUB, "rotated", "", path);
    assert_string_not_equal(path, h.path);
    assert_int_equal(strlen(path), strlen("/hook/") + 64);
    assert_int_equal(post(&h, h.path, "POST", "push", "d", SECRET, REPO), 404);
    assert_int_equal(post(&h, path, "POST", "push", "d", "rotated", REPO), 202);
    fl_hooks_ops.drop(h.hooks, &fl_kind_registry, FL_STR("team"), FL_STR("one"));
    fl_hooks_ops.drop(h.hooks, &fl_kind_registry, FL_STR("team"), FL_STR("one"));
    assert_int_equal(post(&h, path, "POST", "push", "e", "rotated", REPO), 404);
    house_close(&h);
}

static void test_receiver__all_mirrors_of_a_place_are_woken(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, APP_SECRET);
    char path[FL_HOOK_PATH];
    put(&h, "two", FL_HOOK_GITHUB, "", "git.example/o/n", path);
    put(&h, "three", FL_HOOK_GITHUB, "", "git.example/O/N", path); /* as a person wrote it */
    fl_hooks_ops.drop(h.hooks, &fl_kind_registry, FL_STR("team"), FL_STR("one"));
    assert_int_equal(post(&h, "/hook/github", "POST", "push", "d", APP_SECRET, REPO), 202);
    assert_true(strstr(h.woken.data, "team/two d;") != NULL);
    assert_true(strstr(h.woken.data, "team/three d;") != NULL);
    assert_null(strstr(h.woken.data, "team/one"));
    house_close(&h);
}

static void test_receiver__r21_only_who_knows_a_path_may_send_much(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, "");
    struct fl_request head = {.method = "POST", .path = fl_str_of(h.path)};
    assert_int_equal(fl_hooks_body_cap(h.hooks, &head), 25 << 20);
    head.path = FL_STR("/hook/ffff");
    assert_int_equal(fl_hooks_body_cap(h.hooks, &head), 16384);
    head.path = FL_STR("/hook/github");
    assert_int_equal(fl_hooks_body_cap(h.hooks, &head), 16384);
    house_close(&h);
}

/* Its path is no secret: only a signature's form tells the App from a stranger before the body is there. */
static void test_receiver__r21_the_app_says_that_it_signs_before_it_may_send_much(void **state)
{
    (void)state;
#define HEX32 "0123456789abcdefABCDEF0123456789"
    static const struct {
        const char *name, *header, *value, *another; /* a second header */
        size_t cap;
    } cases[] = {
        {"signed", "X-Hub-Signature-256", "sha256=" HEX32 HEX32, NULL, 25 << 20},
        {"unsigned", "X-Other", "sha256=" HEX32 HEX32, NULL, 16384},
        {"the older signature", "X-Hub-Signature", "sha1=" HEX32 "01234567", NULL, 16384},
        {"empty", "X-Hub-Signature-256", "", NULL, 16384},
        {"without the prefix", "X-Hub-Signature-256", HEX32 HEX32, NULL, 16384},
        {"too short", "X-Hub-Signature-256", "sha256=" HEX32, NULL, 16384},
        {"too long", "X-Hub-Signature-256", "sha256=" HEX32 HEX32 "00", NULL, 16384},
        {"no hex", "X-Hub-Signature-256", "sha256=" HEX32 "0123456789abcdefg123456789abcdef", NULL,
         16384},
        {"twice", "X-Hub-Signature-256", "sha256=" HEX32 HEX32, "sha256=" HEX32 HEX32, 16384},
    };
    for (size_t i = 0; i < FL_LEN(cases); i++) {
        struct house h;
        house_open(&h, APP_SECRET);
        const struct fl_header headers[] = {{cases[i].header, cases[i].value},
                                            {"x-hub-signature-256", cases[i].another}};
        struct fl_request head = {.method = "POST",
                                  .path = FL_STR("/hook/github"),
                                  .headers = headers,
                                  .n_headers = cases[i].another ? 2 : 1};
        size_t cap = fl_hooks_body_cap(h.hooks, &head);
        if (cap != cases[i].cap) {
            fail_msg("%s: %zu bytes", cases[i].name, cap);
        }
        house_close(&h);
    }
}

static void test_seen__r22_keeps_the_last_half_at_least(void **state)
{
    (void)state;
    struct hook_seen s;
    hook_seen_init(&s);
    char id[32];
    assert_false(hook_seen_has(&s, FL_STR("p"), FL_STR("0")));
    for (int i = 0; i < 3 * HOOK_SEEN_HALF; i++) {
        (void)snprintf(id, sizeof(id), "%d", i);
        assert_false(hook_seen_has(&s, FL_STR("p"), fl_str_of(id)));
        hook_seen_add(&s, FL_STR("p"), fl_str_of(id));
        assert_true(hook_seen_has(&s, FL_STR("p"), fl_str_of(id)));
    }
    (void)snprintf(id, sizeof(id), "%d", 2 * HOOK_SEEN_HALF);
    assert_true(hook_seen_has(&s, FL_STR("p"), fl_str_of(id)));
    assert_false(hook_seen_has(&s, FL_STR("q"), fl_str_of(id)));
    assert_false(hook_seen_has(&s, FL_STR("p"), FL_STR("0")));
    hook_seen_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_receiver__r17_r18_answers_and_wakes),
        cmocka_unit_test(test_receiver__r16_without_a_secret_nothing_is_there),
        cmocka_unit_test(test_receiver__r18_a_repository_that_is_not_here_is_logged),
        cmocka_unit_test(test_receiver__r19_json_and_form_wake_alike),
        cmocka_unit_test(test_receiver__r22_a_delivery_is_taken_once),
        cmocka_unit_test(test_receiver__r22_a_delivery_is_logged_by_its_id),
        cmocka_unit_test(test_receiver__r22_a_refused_delivery_may_come_again),
        cmocka_unit_test(test_receiver__path_changes_with_the_secret_and_goes_with_the_object),
        cmocka_unit_test(test_receiver__all_mirrors_of_a_place_are_woken),
        cmocka_unit_test(test_receiver__r21_only_who_knows_a_path_may_send_much),
        cmocka_unit_test(test_receiver__r21_the_app_says_that_it_signs_before_it_may_send_much),
        cmocka_unit_test(test_seen__r22_keeps_the_last_half_at_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
