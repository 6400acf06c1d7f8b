/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/wire/http_help.h"

/* What a stream was told, and a way to wait for it. */
struct ear {
    struct fl_lock lock;
    struct fl_cond changed;
    int heads;
    int status; /* of the head */
    struct fl_buf data;
    int ends;
    int end_status;
    struct fl_buf body;
    struct fl_err err;
    int calls;
};

static void ear_init(struct ear *ear)
{
    *ear = (struct ear){.err = FL_ERR_INIT};
    fl_lock_init(&ear->lock, "ear", FL_RANK_APP);
    fl_cond_init(&ear->changed);
    fl_buf_init(&ear->data, FL_BUF_ANY);
    fl_buf_init(&ear->body, FL_BUF_ANY);
}

static void ear_release(struct ear *ear)
{
    fl_buf_release(&ear->data);
    fl_buf_release(&ear->body);
    fl_cond_destroy(&ear->changed);
    fl_lock_destroy(&ear->lock);
}

static void on_status(void *arg, const struct fl_http_resp *head)
{
    struct ear *ear = arg;
    fl_lock_scope(&ear->lock);
    ear->heads++;
    ear->status = head->status;
    fl_cond_broadcast(&ear->changed);
}

static void on_data(void *arg, struct fl_str piece)
{
    struct ear *ear = arg;
    fl_lock_scope(&ear->lock);
    fl_buf_str(&ear->data, piece);
    fl_cond_broadcast(&ear->changed);
}

static void on_end(void *arg, int status, struct fl_str body, const struct fl_err *err)
{
    struct ear *ear = arg;
    fl_lock_scope(&ear->lock);
    ear->ends++;
    ear->end_status = status;
    fl_buf_str(&ear->body, body);
    if (err) {
        ear->err = *err;
    }
    fl_cond_broadcast(&ear->changed);
}

static const struct fl_http_stream_ops ops = {on_status, on_data, on_end};

static void wait_for(struct ear *ear, const int *count, int want)
{
    fl_lock_scope(&ear->lock);
    while (*count < want) {
        fl_cond_wait(&ear->changed, &ear->lock);
    }
}

static void wait_data(struct ear *ear, size_t n)
{
    fl_lock_scope(&ear->lock);
    while (ear->data.len < n) {
        fl_cond_wait(&ear->changed, &ear->lock);
    }
}

struct row {
    const char *name;
    struct fl_peer_answer answer;
    bool silent; /* the clock moves while it stalls */
    int status;
    const char *data;
    const char *body;
    enum fl_code want;
    const char *reason;
};

static const struct row rows[] = {
    {.name = "ended in order",
     .answer = {.body = {"one\ntwo\n", 8}, .frame = FL_PEER_CHUNKED, .chunk = 4},
     .status = 200,
     .data = "one\ntwo\n",
     .body = ""},
    {.name = "1xx before",
     .answer = {.body = {"x", 1}, .before = "HTTP/1.1 103 Early Hints\r\n\r\n"},
     .status = 200,
     .data = "x",
     .body = ""},
    {.name = "410",
     .answer = {.status = 410, .body = {"too old", 7}},
     .status = 410,
     .data = "",
     .body = "too old"},
    {.name = "redirect is the answer",
     .answer = {.status = 302, .headers = {"Location: /x"}},
     .status = 302,
     .data = "",
     .body = ""},
    {.name = "cut",
     .answer =
         {.body = {"one\ntwo\n", 8}, .frame = FL_PEER_CHUNKED, .fault = FL_PEER_CLOSE, .at = 4},
     .status = 200,
     .data = "one\n",
     .body = "",
     .want = FL_E_UNAVAILABLE,
     .reason = "AnswerCut"},
    {.name = "reset before the answer",
     .answer = {.fault = FL_PEER_RESET, .at = -1},
     .data = "",
     .body = "",
     .want = FL_E_UNAVAILABLE,
     .reason = "ConnectionLost"},
    {.name = "not HTTP",
     .answer = {.raw = "<html>"},
     .data = "",
     .body = "",
     .want = FL_E_BAD_DATA,
     .reason = "NotHTTP"},
    {.name = "silent in the middle",
     .answer =
         {.body = {"one\ntwo\n", 8}, .frame = FL_PEER_CHUNKED, .fault = FL_PEER_STALL, .at = 4},
     .silent = true,
     .status = 200,
     .data = "one\n",
     .body = "",
     .want = FL_E_TIMEOUT,
     .reason = "Silent"},
    {.name = "silent before the answer",
     .answer = {.fault = FL_PEER_STALL, .at = -1},
     .silent = true,
     .data = "",
     .body = "",
     .want = FL_E_TIMEOUT,
     .reason = "Silent"},
};

static void test_stream__end_tells_how(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        const struct row *r = &rows[i];
        struct http_env e;
        struct ear ear;
        env_init(&e, NULL);
        ear_init(&ear);
        struct fl_peer_step step = {.method = "GET",
                                    .target = "/w?s3cret",
                                    .want = {"Authorization: Bearer s3cret", "X-A: b"},
                                    .answer = r->answer};
        step.answer.tick = r->silent ? tick_second : NULL;
        step.answer.tick_arg = e.clock;
        fl_auto(fl_peer) p = fl_peer_play(&step, 1);
        struct fl_http_pump *pump = fl_http_pump_new(e.clock);
        struct fl_secret auth = {0};
        fl_secret_set(&auth, FL_STR("Bearer s3cret"));
        struct fl_header header = {"X-A", "b"};
        struct fl_http_req req = {.method = "GET",
                                  .url = url_of(p, "/w?s3cret"),
                                  .headers = &header,
                                  .n_headers = 1,
                                  .authorization = &auth};
        (void)fl_http_pump_add(pump, e.h, &req, 60000, &ops, &ear);
        fl_secret_release(&auth); /* the stream has its own */
        wait_for(&ear, &ear.ends, 1);
        fl_http_pump_free(pump);
        e.err = ear.err;
        e.resp.status = ear.end_status;
        row_check(r->name, ear.ends == 1 && ear.end_status == r->status, &e);
        row_check(r->name, ear.heads == (r->status != 0) && ear.status == r->status, &e);
        row_check(r->name, fl_text_eq(ear.data.data, r->data), &e);
        row_check(r->name, fl_text_eq(ear.body.data, r->body), &e);
        row_check(r->name, ear.err.code == r->want, &e);
        row_check(r->name, !r->reason || fl_text_eq(ear.err.reason, r->reason), &e);
        row_check(r->name, strstr(ear.err.msg, "s3cret") == NULL, &e);
        row_check(r->name, fl_peer_verify(p) == 0, &e);
        fl_peer_settle(p); /* its ticks use the clock */
        ear_release(&ear);
        env_release(&e);
    }
}

static void test_stream__bad_request_ends_invalid(void **state)
{
    (void)state;
    struct http_env e;
    struct ear ear;
    env_init(&e, NULL);
    ear_init(&ear);
    struct fl_http_pump *pump = fl_http_pump_new(e.clock);
    struct fl_http_req req = {.method = "GET", .url = "file:///etc/passwd"};
    (void)fl_http_pump_add(pump, e.h, &req, 0, &ops, &ear);
    wait_for(&ear, &ear.ends, 1);
    assert_int_equal(ear.err.code, FL_E_INVALID);
    assert_int_equal(ear.heads, 0);
    fl_http_pump_free(pump);
    ear_release(&ear);
    env_release(&e);
}

static const struct fl_peer_step endless = {
    .method = "GET",
    .target = "/w",
    .times = -1,
    .answer = {.body = {"one\ntwo\n", 8},
               .frame = FL_PEER_CHUNKED,
               .fault = FL_PEER_STALL,
               .at = 4},
};

static void test_stream__cancel_ends_it(void **state)
{
    (void)state;
    struct http_env e;
    struct ear ear;
    env_init(&e, NULL);
    ear_init(&ear);
    fl_auto(fl_peer) p = fl_peer_play(&endless, 1);
    struct fl_http_pump *pump = fl_http_pump_new(e.clock);
    struct fl_http_req req = {.method = "GET", .url = url_of(p, "/w")};
    struct fl_http_stream *s = fl_http_pump_add(pump, e.h, &req, 0, &ops, &ear);
    wait_data(&ear, 4);
    fl_http_stream_cancel(s);
    wait_for(&ear, &ear.ends, 1);
    assert_int_equal(ear.err.code, FL_E_CANCELED);
    assert_int_equal(ear.end_status, 200);
    fl_http_pump_free(pump);
    assert_int_equal(ear.ends, 1);
    ear_release(&ear);
    env_release(&e);
}

static void test_pump__free_ends_all_streams(void **state)
{
    (void)state;
    struct http_env e;
    struct ear ear;
    env_init(&e, NULL);
    ear_init(&ear);
    fl_auto(fl_peer) p = fl_peer_play(&endless, 1);
    struct fl_http_pump *pump = fl_http_pump_new(e.clock);
    struct fl_http_req req = {.method = "GET", .url = url_of(p, "/w")};
    for (int i = 0; i < 30; i++) {
        (void)fl_http_pump_add(pump, e.h, &req, 0, &ops, &ear);
    }
    wait_data(&ear, 30 * 4);
    (void)fl_http_pump_add(pump, e.h, &req, 0, &ops, &ear);
    fl_http_pump_free(pump);
    assert_int_equal(ear.ends, 31);
    assert_int_equal(ear.err.code, FL_E_CANCELED);
    ear_release(&ear);
    env_release(&e);
}

/* A byte every 40 s, 160 s in all, with a limit of 60 s. */
static void test_stream__bytes_in_time_keep_it_alive(void **state)
{
    (void)state;
    struct http_env e;
    struct ear ear;
    env_init(&e, NULL);
    ear_init(&ear);
    const struct fl_peer_step step = {
        .method = "GET",
        .target = "/w",
        .answer = {
            .body = {"12345", 5}, .frame = FL_PEER_CHUNKED, .fault = FL_PEER_GATED, .at = 1}};
    fl_auto(fl_peer) p = fl_peer_play(&step, 1);
    struct fl_http_pump *pump = fl_http_pump_new(e.clock);
    struct fl_http_req req = {.method = "GET", .url = url_of(p, "/w")};
    (void)fl_http_pump_add(pump, e.h, &req, 60000, &ops, &ear);
    for (size_t i = 1; i < 5; i++) {
        wait_data(&ear, i);
        fl_clock_advance(e.clock, 40000);
        fl_peer_release(p, 1);
    }
    wait_for(&ear, &ear.ends, 1);
    assert_int_equal(ear.err.code, FL_OK);
    assert_string_equal(ear.data.data, "12345");
    fl_http_pump_free(pump);
    ear_release(&ear);
    env_release(&e);
}

static void test_stream__another_trust_gets_its_own_connection(void **state)
{
    (void)state;
    struct http_env a;
    struct http_env b;
    struct ear ear;
    env_init(&a, NULL);
    env_init(&b, &(struct fl_http_conf){.insecure = true});
    ear_init(&ear);
    const struct fl_peer_step step = {
        .method = "GET", .target = "/w", .times = -1, .answer = {.body = {"x", 1}}};
    fl_auto(fl_peer) p = fl_peer_play(&step, 1);
    struct fl_http_pump *pump = fl_http_pump_new(a.clock);
    struct fl_http_req req = {.method = "GET", .url = url_of(p, "/w")};
    static const struct {
        bool other;
        size_t connections;
    } turns[] = {{false, 1}, {false, 1}, {true, 2}, {true, 3}, {false, 3}};
    for (size_t i = 0; i < FL_LEN(turns); i++) {
        (void)fl_http_pump_add(pump, turns[i].other ? b.h : a.h, &req, 0, &ops, &ear);
        wait_for(&ear, &ear.ends, (int)i + 1);
        assert_int_equal(ear.err.code, FL_OK);
        assert_int_equal(fl_peer_connections(p), turns[i].connections);
    }
    fl_http_pump_free(pump);
    ear_release(&ear);
    env_release(&a);
    env_release(&b);
}

struct called {
    struct ear *ear;
    int no;
};

static void call_note(void *arg)
{
    struct called *c = arg;
    fl_lock_scope(&c->ear->lock);
    fl_buf_fmt(&c->ear->data, "%d", c->no);
    c->ear->calls++;
    fl_cond_broadcast(&c->ear->changed);
}

static void test_pump_call__runs_when_due_and_in_order(void **state)
{
    (void)state;
    struct ear ear;
    ear_init(&ear);
    fl_auto(fl_clock) clock = fl_clock_fake_new(1700000000000);
    struct fl_http_pump *pump = fl_http_pump_new(clock);
    struct called calls[] = {{&ear, 0}, {&ear, 1}, {&ear, 2}, {&ear, 3}, {&ear, 4}};
    fl_http_pump_call(pump, 5000, call_note, &calls[3]);
    fl_http_pump_call(pump, 1000, call_note, &calls[1]);
    fl_http_pump_call(pump, 1000, call_note, &calls[2]);
    fl_http_pump_call(pump, 0, call_note, &calls[0]);
    fl_http_pump_call(pump, 3600000, call_note, &calls[4]);
    wait_for(&ear, &ear.calls, 1);
    assert_string_equal(ear.data.data, "0");
    fl_clock_advance(clock, 1000);
    wait_for(&ear, &ear.calls, 3);
    fl_clock_advance(clock, 4000);
    wait_for(&ear, &ear.calls, 4);
    fl_http_pump_free(pump);
    assert_string_equal(ear.data.data, "0123");
    ear_release(&ear);
}

static int setup(void **state)
{
    (void)state;
    fl_http_global_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream__end_tells_how),
        cmocka_unit_test(test_stream__bad_request_ends_invalid),
        cmocka_unit_test(test_stream__cancel_ends_it),
        cmocka_unit_test(test_pump__free_ends_all_streams),
        cmocka_unit_test(test_stream__bytes_in_time_keep_it_alive),
        cmocka_unit_test(test_stream__another_trust_gets_its_own_connection),
        cmocka_unit_test(test_pump_call__runs_when_due_and_in_order),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
