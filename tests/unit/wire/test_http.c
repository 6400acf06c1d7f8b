/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/wire/http_help.h"

#define HELLO                                                                                      \
    {                                                                                              \
        "hello world", 11                                                                          \
    }
#define SECRET_PATH "/v2/x?token=s3cret"

/* ---- one exchange, answered badly ---- */

enum tick { TICK_NONE, TICK_CLOCK, TICK_CANCEL };

struct fault {
    const char *name;
    struct fl_peer_answer answer;
    enum tick tick;
    size_t cap;
    int64_t timeout_ms;
    enum fl_code want;
    const char *reason;
    const char *msg; /* a part of it */
    int status;
    const char *body;
};

static const struct fault faults[] = {
    {.name = "fine", .answer = {.body = HELLO}, .status = 200, .body = "hello world"},
    {.name = "chunked",
     .answer = {.body = HELLO, .frame = FL_PEER_CHUNKED, .chunk = 3},
     .status = 200,
     .body = "hello world"},
    {.name = "until close",
     .answer = {.body = HELLO, .frame = FL_PEER_UNTIL_CLOSE},
     .status = 200,
     .body = "hello world"},
    {.name = "byte by byte",
     .answer = {.body = HELLO, .fault = FL_PEER_DRIP},
     .status = 200,
     .body = "hello world"},
    {.name = "empty", .status = 200, .body = ""},
    {.name = "204", .answer = {.status = 204}, .status = 204, .body = ""},
    {.name = "1xx before the answer",
     .answer = {.body = HELLO,
                .before = "HTTP/1.1 100 Continue\r\nX-Old: 1\r\n\r\n"
                          "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nX-Old: 2\r\n\r\n"},
     .status = 200,
     .body = "hello world"},
    {.name = "HTML instead, with a status",
     .answer = {.status = 502, .body = {"<html>", 6}},
     .status = 502,
     .body = "<html>"},
    {.name = "length shorter than the body: the rest is not the answer's",
     .answer = {.body = HELLO, .claim = 5},
     .status = 200,
     .body = "hello"},
    {.name = "reset before the answer",
     .answer = {.fault = FL_PEER_RESET, .at = -1},
     .want = FL_E_UNAVAILABLE,
     .reason = "ConnectionLost",
     .msg = "/v2/x: the connection was lost before an answer came"},
    {.name = "closed before the answer",
     .answer = {.fault = FL_PEER_CLOSE, .at = -1},
     .want = FL_E_UNAVAILABLE,
     .reason = "NoAnswer",
     .msg = "the connection was closed without an answer"},
    {.name = "reset in the body",
     .answer = {.body = HELLO, .fault = FL_PEER_RESET, .at = 5},
     .want = FL_E_UNAVAILABLE,
     .reason = "ConnectionLost",
     .msg = "in the middle of the answer"},
    {.name = "closed in the body",
     .answer = {.body = HELLO, .fault = FL_PEER_CLOSE, .at = 5},
     .want = FL_E_UNAVAILABLE,
     .reason = "AnswerCut",
     .msg = "the answer was cut short"},
    {.name = "closed between chunks",
     .answer = {.body = HELLO, .frame = FL_PEER_CHUNKED, .fault = FL_PEER_CLOSE, .at = 5},
     .want = FL_E_UNAVAILABLE,
     .reason = "AnswerCut"},
    {.name = "length longer than the body",
     .answer = {.body = HELLO, .claim = 50},
     .want = FL_E_UNAVAILABLE,
     .reason = "AnswerCut"},
    {.name = "not HTTP",
     .answer = {.raw = "<html><body>It works</body></html>\n"},
     .want = FL_E_BAD_DATA,
     .reason = "NotHTTP",
     .msg = "the answer is not HTTP"},
    {.name = "SSH",
     .answer = {.raw = "SSH-2.0-OpenSSH_9.2\r\n"},
     .want = FL_E_BAD_DATA,
     .reason = "NotHTTP"},
    {.name = "stalled before the answer",
     .answer = {.fault = FL_PEER_STALL, .at = -1},
     .tick = TICK_CLOCK,
     .want = FL_E_TIMEOUT,
     .reason = "Stalled",
     .msg = "nothing moved for 30 s"},
    {.name = "stalled in the body",
     .answer = {.body = HELLO, .fault = FL_PEER_STALL, .at = 5},
     .tick = TICK_CLOCK,
     .want = FL_E_TIMEOUT,
     .reason = "Stalled"},
    {.name = "deadline in the body",
     .answer = {.body = HELLO, .fault = FL_PEER_STALL, .at = 5},
     .tick = TICK_CLOCK,
     .timeout_ms = 5000,
     .want = FL_E_TIMEOUT,
     .msg = "deadline passed"},
    {.name = "canceled in the body",
     .answer = {.body = HELLO, .fault = FL_PEER_STALL, .at = 5},
     .tick = TICK_CANCEL,
     .want = FL_E_CANCELED},
    {.name = "canceled before the answer",
     .answer = {.fault = FL_PEER_STALL, .at = -1},
     .tick = TICK_CANCEL,
     .want = FL_E_CANCELED},
    {.name = "at the cap",
     .answer = {.body = HELLO},
     .cap = 11,
     .status = 200,
     .body = "hello world"},
    {.name = "one above the cap",
     .answer = {.body = HELLO},
     .cap = 10,
     .want = FL_E_TOO_BIG,
     .reason = "AnswerTooBig",
     .msg = "answer of more than 10 bytes"},
    {.name = "at the cap, chunked",
     .answer = {.body = HELLO, .frame = FL_PEER_CHUNKED, .chunk = 1},
     .cap = 11,
     .status = 200,
     .body = "hello world"},
    {.name = "one above the cap, chunked",
     .answer = {.body = HELLO, .frame = FL_PEER_CHUNKED, .chunk = 1},
     .cap = 10,
     .want = FL_E_TOO_BIG,
     .reason = "AnswerTooBig"},
    {.name = "without end, above the cap",
     .answer = {.fill = INT64_C(1) << 40},
     .cap = 4096,
     .want = FL_E_TOO_BIG,
     .reason = "AnswerTooBig"},
    {.name = "words of a failure are cut at the cap",
     .answer = {.status = 503, .body = HELLO},
     .cap = 5,
     .status = 503,
     .body = "hello"},
    {.name = "3xx is the answer",
     .answer = {.status = 302, .headers = {"Location: /y"}},
     .status = 302,
     .body = ""},
};

static void run_fault(const struct fault *f)
{
    struct http_env e;
    env_init(&e, NULL);
    struct fl_peer_step step = {.method = "GET", .target = SECRET_PATH, .answer = f->answer};
    step.answer.tick = f->tick == TICK_CLOCK ? tick_second : tick_cancel;
    step.answer.tick_arg = f->tick == TICK_CLOCK ? (void *)e.clock : (void *)&e.cancel;
    fl_auto(fl_peer) p = fl_peer_play(&step, 1);
    struct fl_ctx ctx = fl_ctx_timeout(&e.ctx, f->timeout_ms);
    struct fl_http_req req = {.method = "GET", .url = url_of(p, SECRET_PATH), .body_cap = f->cap};
    int rc = fl_http_do(e.h, &ctx, &req, &e.resp, &e.err);
    row_check(f->name, rc == (int)f->want, &e);
    if (rc == 0) {
        row_check(f->name, e.resp.status == f->status, &e);
        row_check(f->name, fl_text_eq(e.resp.body.data, f->body), &e);
        row_check(f->name, fl_text_eq(e.resp.url, req.url), &e);
        row_check(f->name, fl_http_header(&e.resp, "x-old", 0).n == 0, &e);
    } else {
        row_check(f->name, !f->reason || fl_text_eq(e.err.reason, f->reason), &e);
        row_check(f->name, !f->msg || strstr(e.err.msg, f->msg), &e);
        row_check(f->name, fl_text_starts(e.err.msg, "GET http://127.0.0.1:"), &e);
        row_check(f->name, strstr(e.err.msg, "s3cret") == NULL, &e);
        row_check(f->name, e.resp.status == 0 && e.resp.body.len == 0, &e);
    }
    row_check(f->name, fl_peer_verify(p) == 0, &e);
    fl_peer_settle(p); /* its ticks use the clock */
    env_release(&e);
}

static void test_do__fault_has_its_outcome(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(faults); i++) {
        run_fault(&faults[i]);
    }
}

static void test_do__nobody_listens_is_unavailable_and_names_the_address(void **state)
{
    (void)state;
    struct http_env e;
    env_init(&e, NULL);
    fl_auto(fl_peer) p = fl_peer_play(NULL, 0);
    fl_peer_down(p);
    assert_int_equal(env_get(&e, p, SECRET_PATH), FL_E_UNAVAILABLE);
    char want[128];
    (void)snprintf(want, sizeof(want), "GET %s/v2/x: connection refused (127.0.0.1:%d)",
                   fl_peer_url(p), fl_peer_port(p));
    assert_string_equal(e.err.msg, want);
    assert_string_equal(e.err.reason, "ConnectFailed");
    env_release(&e);
}

static void test_do__name_that_does_not_resolve_is_named(void **state)
{
    (void)state;
    struct http_env e;
    env_init(&e, NULL);
    /* A label of more than 63 characters is refused by the resolver without asking anybody (RFC 1035 2.3.4). */
    struct fl_http_req req = {
        .method = "GET",
        .url = "http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.test/"
               "v2/",
    };
    assert_int_equal(fl_http_do(e.h, &e.ctx, &req, &e.resp, &e.err), FL_E_UNAVAILABLE);
    assert_string_equal(e.err.reason, "HostNotFound");
    assert_non_null(strstr(e.err.msg, "aaa.test could not be resolved"));
    env_release(&e);
}

static void slow_drip(void *arg)
{
    void **both = arg;
    fl_clock_advance(both[0], 20000);
    fl_peer_release(both[1], 1);
}

static int drip_sink(void *arg, struct fl_str piece, struct fl_err *err)
{
    (void)piece;
    (void)err;
    slow_drip(arg);
    return 0;
}

/* Each byte comes 20 s after the one before, which the client has seen by then: 220 s in all, never 30 s of silence. */
static void test_do__drip_under_the_stall_limit_ends_well(void **state)
{
    (void)state;
    struct http_env e;
    env_init(&e, NULL);
    const struct fl_peer_step step = {
        .method = "GET",
        .target = "/",
        .answer = {.body = HELLO, .fault = FL_PEER_GATED, .at = 1},
    };
    fl_auto(fl_peer) p = fl_peer_play(&step, 1);
    void *both[2] = {e.clock, p};
    struct fl_http_req req = {
        .method = "GET", .url = url_of(p, "/"), .sink = drip_sink, .sink_arg = both};
    assert_int_equal(fl_http_do(e.h, &e.ctx, &req, &e.resp, &e.err), 0);
    assert_true(fl_clock_mono_ms(e.clock) >= 200000);
    env_release(&e);
}

static void test_do__drip_ends_at_the_deadline(void **state)
{
    (void)state;
    struct http_env e;
    env_init(&e, NULL);
    const struct fl_peer_step step = {
        .method = "GET",
        .target = "/",
        .answer = {.body = HELLO, .fault = FL_PEER_GATED, .at = 1},
    };
    fl_auto(fl_peer) p = fl_peer_play(&step, 1);
    void *both[2] = {e.clock, p};
    struct fl_http_req req = {
        .method = "GET", .url = url_of(p, "/"), .sink = drip_sink, .sink_arg = both};
    struct fl_ctx ctx = fl_ctx_timeout(&e.ctx, 100000);
    assert_int_equal(fl_http_do(e.h, &ctx, &req, &e.resp, &e.err), FL_E_TIMEOUT);
    env_release(&e);
}

/* ---- what is asked ---- */

struct asked {
    const char *name;
    const char *method;
    struct fl_str body;
    struct fl_header header;
    const char *want[FL_PEER_HEADERS];
};

static const struct asked asked_rows[] = {
    {.name = "GET", .method = "GET", .want = {"!Content-Length", "!Expect", "User-Agent: *"}},
    {.name = "HEAD", .method = "HEAD", .want = {"!Content-Length"}},
    {.name = "DELETE", .method = "DELETE", .want = {"!Content-Length", "!Transfer-Encoding"}},
    {.name = "empty POST",
     .method = "POST",
     .want = {"Content-Length: 0", "!Content-Type", "!Expect"}},
    {.name = "empty PUT", .method = "PUT", .want = {"Content-Length: 0"}},
    {.name = "empty PATCH", .method = "PATCH", .want = {"Content-Length: 0"}},
    {.name = "PUT",
     .method = "PUT",
     .body = HELLO,
     .header = {"Content-Type", "text/plain"},
     .want = {"Content-Length: 11", "Content-Type: text/plain"}},
    {.name = "DELETE with a body",
     .method = "DELETE",
     .body = HELLO,
     .want = {"Content-Length: 11", "!Content-Type"}},
    {.name = "empty value", .method = "GET", .header = {"X-Empty", ""}, .want = {"X-Empty: *"}},
    {.name = "UTF-8 in a value",
     .method = "GET",
     .header = {"X-Name", "caf\xc3\xa9"},
     .want = {"X-Name: caf\xc3\xa9"}},
};

static void test_do__request_is_laid_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(asked_rows); i++) {
        const struct asked *r = &asked_rows[i];
        struct http_env e;
        env_init(&e, NULL);
        struct fl_peer_step step = {.method = r->method, .target = "/a?b", .body = r->body};
        memcpy(step.want, r->want, sizeof(step.want));
        fl_auto(fl_peer) p = fl_peer_play(&step, 1);
        struct fl_http_req req = {.method = r->method,
                                  .url = url_of(p, "/a?b"),
                                  .headers = &r->header,
                                  .n_headers = r->header.name != NULL,
                                  .body = r->body};
        row_check(r->name, fl_http_do(e.h, &e.ctx, &req, &e.resp, &e.err) == 0, &e);
        row_check(r->name, fl_peer_verify(p) == 0, &e);
        env_release(&e);
    }
}

static void test_do__large_body_goes_at_once(void **state)
{
    (void)state;
    struct http_env e;
    env_init(&e, NULL);
    const struct fl_peer_step step = {
        .method = "PUT", .target = "/", .want = {"!Expect"}, .answer = {.status = 201}};
    fl_auto(fl_peer) p = fl_peer_play(&step, 1);
    size_t n = 3 << 20;
    fl_auto_text body = fl_malloc(n);
    fl_peer_fill(0, body, n);
    struct fl_http_req req = {.method = "PUT", .url = url_of(p, "/"), .body = {body, n}};
    assert_int_equal(fl_http_do(e.h, &e.ctx, &req, &e.resp, &e.err), 0);
    assert_int_equal(fl_peer_verify(p), 0);
    assert_int_equal(fl_peer_at(p, 0)->body_bytes, n);
    assert_memory_equal(fl_peer_at(p, 0)->body.p, body, n);
    env_release(&e);
}

struct refused {
    const char *name;
    const char *method;
    const char *url;
    struct fl_header header;
    const char *authorization;
};

static const struct refused refused_rows[] = {
    {.name = "line feed in a value", .header = {"X-A", "b\nX-Evil: 1"}},
    {.name = "carriage return in a value", .header = {"X-A", "b\rc"}},
    {.name = "control character in a value", .header = {"X-A", "b\x01"}},
    {.name = "colon in a name", .header = {"X-A: b", "c"}},
    {.name = "line feed in a name", .header = {"X-A\n", "c"}},
    {.name = "empty name", .header = {"", "c"}},
    {.name = "own length", .header = {"Content-Length", "5"}},
    {.name = "own framing", .header = {"Transfer-Encoding", "chunked"}},
    {.name = "line feed in the authorization", .authorization = "Bearer s3cret\nX: y"},
    {.name = "space in the method", .method = "GET /"},
    {.name = "empty method", .method = ""},
    {.name = "credentials in the URL", .url = "http://user:s3cret@127.0.0.1/"},
    {.name = "no scheme", .url = "127.0.0.1/v2/?s3cret"},
    {.name = "file", .url = "file:///etc/passwd"},
    {.name = "line feed in the URL", .url = "http://127.0.0.1/a\nb"},
};

static void test_do__bad_request_is_invalid_and_not_sent(void **state)
{
    (void)state;
    fl_auto(fl_peer) p = fl_peer_play(NULL, 0);
    for (size_t i = 0; i < FL_LEN(refused_rows); i++) {
        const struct refused *r = &refused_rows[i];
        struct http_env e;
        env_init(&e, NULL);
        struct fl_secret auth = {0};
        if (r->authorization) {
            fl_secret_set(&auth, fl_str_of(r->authorization));
        }
        struct fl_http_req req = {.method = r->method ? r->method : "GET",
                                  .url = r->url ? r->url : fl_peer_url(p),
                                  .headers = &r->header,
                                  .n_headers = r->header.name != NULL,
                                  .authorization = &auth};
        row_check(r->name, fl_http_do(e.h, &e.ctx, &req, &e.resp, &e.err) == FL_E_INVALID, &e);
        row_check(r->name, strstr(e.err.msg, "s3cret") == NULL, &e);
        fl_secret_release(&auth);
        env_release(&e);
    }
    assert_int_equal(fl_peer_connections(p), 0);
}

/* ---- what is taken in ---- */

static void test_do__headers_are_lower_case_lines(void **state)
{
    (void)state;
    struct http_env e;
    env_init(&e, NULL);
    const struct fl_peer_step step = {
        .method = "GET",
        .target = "/",
        .answer = {.raw = "HTTP/1.1 200 OK\r\nX-A:  one  \r\nx-a: two\r\nX-Fold: a\r\n b\r\n"
                          "X-Tab: a\tb\r\nX-Empty:\r\nX-Control: a\x01\x7f"
                          "b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"
                          "X-Trailer: late\r\n\r\n"},
    };
    fl_auto(fl_peer) p = fl_peer_play(&step, 1);
    if (env_get(&e, p, "/")) {
        fail_msg("%s", e.err.msg);
    }
    static const struct {
        const char *name;
        int nth;
        const char *want;
    } rows[] = {
        {"x-a", 0, "one"},    {"x-a", 1, "two"},   {"x-a", 2, ""},
        {"x-fold", 0, "a b"}, {"x-tab", 0, "a b"}, {"x-empty", 0, ""},
        {"x-trailer", 0, ""}, {"absent", 0, ""},   {"x-control", 0, "a  b"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_str v = fl_http_header(&e.resp, rows[i].name, rows[i].nth);
        if (!fl_str_is(v, rows[i].want)) {
            fail_msg("%s %d: [%.*s]", rows[i].name, rows[i].nth, FL_STR_ARG(v));
        }
    }
    assert_string_equal(e.resp.body.data, "hi");
    assert_int_equal(fl_http_content_length(&e.resp), -1);
    env_release(&e);
}

static void huge_headers(void *arg, const struct fl_peer_request *req, struct fl_peer_answer *ret)
{
    (void)arg;
    struct fl_buf b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&b, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 10; i++) {
        fl_buf_fmt(&b, "X-%d: ", i);
        for (int k = 0; k < 50000; k++) {
            fl_buf_char(&b, 'x');
        }
        fl_buf_text(&b, "\r\n");
    }
    ret->raw = fl_arena_str(req->arena, fl_buf_slice(&b));
    fl_buf_release(&b);
}

static void test_do__headers_above_the_cap_are_too_big(void **state)
{
    (void)state;
    struct http_env e;
    env_init(&e, NULL);
    fl_auto(fl_peer) p = fl_peer_new(&(struct fl_peer_conf){.handle = huge_headers});
    assert_int_equal(env_get(&e, p, "/"), FL_E_TOO_BIG);
    assert_string_equal(e.err.reason, "HeadersTooBig");
    env_release(&e);
}

static void test_do__head_has_a_length_and_no_body(void **state)
{
    (void)state;
    struct http_env e;
    env_init(&e, NULL);
    const struct fl_peer_step step = {
        .method = "HEAD", .target = "/", .times = 2, .answer = {.fill = 123456789}};
    fl_auto(fl_peer) p = fl_peer_play(&step, 1);
    for (int i = 0; i < 2; i++) {
        struct fl_http_req req = {.method = "HEAD", .url = url_of(p, "/")};
        assert_int_equal(fl_http_do(e.h, &e.ctx, &req, &e.resp, &e.err), 0);
        assert_int_equal(fl_http_content_length(&e.resp), 123456789);
        assert_int_equal(e.resp.body.len, 0);
    }
    assert_int_equal(fl_peer_connections(p), 1);
    env_release(&e);
}

struct sunk {
    int64_t n;
    int64_t fail_at;
    bool bad;
};

static int sink(void *arg, struct fl_str piece, struct fl_err *err)
{
    struct sunk *s = arg;
    fl_auto_text want = fl_malloc(piece.n);
    fl_peer_fill(s->n, want, piece.n);
    s->bad = s->bad || memcmp(want, piece.p, piece.n) != 0;
    s->n += (int64_t)piece.n;
    return s->n > s->fail_at ? fl_fail(err, FL_E_CONFLICT, "Enough", "enough") : 0;
}

static void test_do__sink_gets_all_pieces_in_order(void **state)
{
    (void)state;
    struct http_env e;
    env_init(&e, NULL);
    const struct fl_peer_step step = {
        .method = "GET", .target = "/", .answer = {.fill = 5000001, .frame = FL_PEER_CHUNKED}};
    fl_auto(fl_peer) p = fl_peer_play(&step, 1);
    struct sunk s = {.fail_at = INT64_MAX};
    struct fl_http_req req = {.method = "GET", .url = url_of(p, "/"), .sink = sink, .sink_arg = &s};
    assert_int_equal(fl_http_do(e.h, &e.ctx, &req, &e.resp, &e.err), 0);
    assert_int_equal(s.n, 5000001);
    assert_false(s.bad);
    assert_int_equal(e.resp.body.len, 0);
    env_release(&e);
}

static void test_do__sink_failure_ends_the_call_with_its_words(void **state)
{
    (void)state;
    struct http_env e;
    env_init(&e, NULL);
    const struct fl_peer_step step = {
        .method = "GET", .target = "/", .answer = {.fill = INT64_C(1) << 40}};
    fl_auto(fl_peer) p = fl_peer_play(&step, 1);
    struct sunk s = {.fail_at = 100000};
    struct fl_http_req req = {.method = "GET", .url = url_of(p, "/"), .sink = sink, .sink_arg = &s};
    assert_int_equal(fl_http_do(e.h, &e.ctx, &req, &e.resp, &e.err), FL_E_CONFLICT);
    assert_string_equal(e.err.msg, "enough");
    env_release(&e);
}

static void test_do__sink_does_not_see_the_words_of_a_failure(void **state)
{
    (void)state;
    struct http_env e;
    env_init(&e, NULL);
    const struct fl_peer_step step = {
        .method = "GET", .target = "/", .answer = {.status = 404, .fill = 200000}};
    fl_auto(fl_peer) p = fl_peer_play(&step, 1);
    struct sunk s = {.fail_at = 0};
    struct fl_http_req req = {.method = "GET", .url = url_of(p, "/"), .sink = sink, .sink_arg = &s};
    assert_int_equal(fl_http_do(e.h, &e.ctx, &req, &e.resp, &e.err), 0);
    assert_int_equal(e.resp.status, 404);
    assert_int_equal(e.resp.body.len, 65536);
    assert_int_equal(s.n, 0);
    env_release(&e);
}

/* ---- connections ---- */

static void test_do__connection_is_kept(void **state)
{
    (void)state;
    struct http_env e;
    env_init(&e, NULL);
    const struct fl_peer_step step = {
        .method = "GET", .target = "/", .times = 50, .answer = {.body = HELLO}};
    fl_auto(fl_peer) p = fl_peer_play(&step, 1);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(env_get(&e, p, "/"), 0);
    }
    assert_int_equal(fl_peer_connections(p), 1);
    assert_int_equal(fl_peer_verify(p), 0);
    env_release(&e);
}

static void test_do__connection_closed_while_idle_is_made_anew(void **state)
{
    (void)state;
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT"};
    struct fl_peer_step steps[FL_LEN(methods)];
    for (size_t i = 0; i < FL_LEN(methods); i++) {
        /* drop: closed right after the answer, so that the client finds out sooner or later than its next request */
        steps[i] = (struct fl_peer_step){.method = methods[i],
                                         .target = "/",
                                         .times = 25,
                                         .answer = {.body = HELLO, .drop = true}};
    }
    struct http_env e;
    env_init(&e, NULL);
    fl_auto(fl_peer) p = fl_peer_new(
        &(struct fl_peer_conf){.steps = steps, .n_steps = FL_LEN(steps), .unordered = true});
    for (int i = 0; i < 100; i++) {
        struct fl_http_req req = {.method = methods[i % 4], .url = url_of(p, "/")};
        if (i % 4 >= 2) {
            req.body = FL_STR("some body");
        }
        row_check(req.method, fl_http_do(e.h, &e.ctx, &req, &e.resp, &e.err) == 0, &e);
    }
    assert_int_equal(fl_peer_verify(p), 0);
    env_release(&e);
}

static void test_do__peer_that_went_and_came_back_is_reached(void **state)
{
    (void)state;
    struct http_env e;
    env_init(&e, NULL);
    const struct fl_peer_step step = {
        .method = "GET", .target = "/", .times = 2, .answer = {.body = HELLO}};
    fl_auto(fl_peer) p = fl_peer_play(&step, 1);
    assert_int_equal(env_get(&e, p, "/"), 0);
    fl_peer_down(p);
    assert_int_equal(env_get(&e, p, "/"), FL_E_UNAVAILABLE);
    fl_peer_up(p);
    assert_int_equal(env_get(&e, p, "/"), 0);
    env_release(&e);
}

struct crowd {
    struct fl_lock lock;
    int now;
    int most;
    struct http_env e;
    const char *url;
};

static void crowd_answer(void *arg, const struct fl_peer_request *req, struct fl_peer_answer *ret)
{
    (void)req;
    struct crowd *c = arg;
    fl_lock_take(&c->lock);
    c->now++;
    c->most = c->now > c->most ? c->now : c->most;
    fl_lock_drop(&c->lock);
    ret->body = FL_STR("x");
    fl_lock_take(&c->lock);
    c->now--;
    fl_lock_drop(&c->lock);
}

static void *crowd_client(void *arg)
{
    struct crowd *c = arg;
    intptr_t failed = 0;
    for (int i = 0; i < 30; i++) {
        struct fl_http_resp resp;
        fl_http_resp_init(&resp);
        struct fl_http_req req = {.method = "GET", .url = c->url};
        failed += fl_http_do(c->e.h, &c->e.ctx, &req, &resp, NULL) != 0;
        fl_http_resp_release(&resp);
    }
    return (void *)failed;
}

static void test_do__calls_at_once_are_bounded(void **state)
{
    (void)state;
    struct crowd c = {.now = 0};
    fl_lock_init(&c.lock, "crowd", FL_RANK_APP);
    env_init(&c.e, &(struct fl_http_conf){.max_conns = 2});
    struct fl_peer *p = fl_peer_new(&(struct fl_peer_conf){.handle = crowd_answer, .arg = &c});
    c.url = fl_peer_url(p);
    pthread_t t[6];
    for (size_t i = 0; i < FL_LEN(t); i++) {
        fl_thread_start(&t[i], "client", crowd_client, &c);
    }
    for (size_t i = 0; i < FL_LEN(t); i++) {
        void *failed;
        assert_int_equal(pthread_join(t[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(fl_peer_count(p), 180);
    assert_true(c.most <= 2);
    assert_true(fl_peer_connections(p) <= 2);
    fl_peer_free(p);
    env_release(&c.e);
    fl_lock_destroy(&c.lock);
}

/* ---- redirects ---- */

struct hop_env {
    struct http_env e;
    struct fl_peer *a;
    struct fl_peer *b;
    struct fl_secret auth;
    struct fl_header headers[3];
    char location[256];
};

static void hop_init(struct hop_env *h)
{
    *h = (struct hop_env){0};
    env_init(&h->e, NULL);
    fl_secret_set(&h->auth, FL_STR("Bearer s3cret"));
    h->headers[0] = (struct fl_header){"Accept", "a/b"};
    h->headers[1] = (struct fl_header){"Cookie", "c=s3cret"};
    h->headers[2] = (struct fl_header){"Range", "bytes=5-"};
}

static void hop_release(struct hop_env *h)
{
    fl_peer_free(h->a);
    fl_peer_free(h->b);
    fl_secret_release(&h->auth);
    env_release(&h->e);
}

static int hop_do(struct hop_env *h, const char *method, int max)
{
    struct fl_http_req req = {.method = method,
                              .url = url_of(h->a, "/from"),
                              .headers = h->headers,
                              .n_headers = 3,
                              .authorization = &h->auth,
                              .max_redirects = max};
    return fl_http_do(h->e.h, &h->e.ctx, &req, &h->e.resp, &h->e.err);
}

static void test_redirect__same_origin_keeps_all(void **state)
{
    (void)state;
    static const int codes[] = {301, 302, 303, 307, 308};
    for (size_t i = 0; i < FL_LEN(codes); i++) {
        struct hop_env h;
        hop_init(&h);
        const struct fl_peer_step steps[] = {
            {.method = "GET",
             .target = "/from",
             .want = {"Authorization: Bearer s3cret"},
             .answer = {.status = codes[i], .headers = {"Location: to?x=1#part"}, .fill = 100000}},
            {.method = "GET",
             .target = "/to?x=1",
             .want = {"Authorization: Bearer s3cret", "Cookie: c=s3cret", "Accept: a/b",
                      "Range: bytes=5-"},
             .answer = {.body = HELLO}},
        };
        h.a = fl_peer_play(steps, 2);
        row_check("same origin", hop_do(&h, "GET", 3) == 0, &h.e);
        assert_string_equal(h.e.resp.body.data, "hello world");
        assert_string_equal(h.e.resp.url, url_of(h.a, "/to?x=1"));
        assert_int_equal(h.e.resp.redirects, 1);
        assert_int_equal(fl_peer_verify(h.a), 0);
        hop_release(&h);
    }
}

static void test_redirect__other_origin_gets_no_credentials(void **state)
{
    (void)state;
    struct hop_env h;
    hop_init(&h);
    static const struct fl_peer_step other[] = {{
        .method = "HEAD",
        .target = "/blob",
        .want = {"!Authorization", "!Cookie", "Accept: a/b", "Range: bytes=5-"},
        .answer = {.body = HELLO},
    }};
    h.b = fl_peer_play(other, 1);
    (void)snprintf(h.location, sizeof(h.location), "Location: %s/blob", fl_peer_url(h.b));
    const struct fl_peer_step first[] = {{.method = "HEAD",
                                          .target = "/from",
                                          .want = {"Authorization: Bearer s3cret"},
                                          .answer = {.status = 307, .headers = {h.location}}}};
    h.a = fl_peer_play(first, 1);
    row_check("other origin", hop_do(&h, "HEAD", 3) == 0, &h.e);
    assert_int_equal(fl_peer_verify(h.a) + fl_peer_verify(h.b), 0);
    hop_release(&h);
}

struct bad_hop {
    const char *name;
    const char *method;
    const char *location; /* NULL: none */
    int status;           /* of the redirect */
    int max;
    enum fl_code want;
    const char *reason;
    int times;
};

static const struct bad_hop bad_hops[] = {
    {"loop", "GET", "/from", 302, 3, FL_E_BAD_DATA, "TooManyRedirects", 4},
    {"not followed without leave", "GET", "/to", 302, 0, 0, NULL, 1},
    {"POST is not followed", "POST", "/to", 307, 3, 0, NULL, 1},
    {"no location", "GET", NULL, 302, 3, 0, NULL, 1},
    {"not a redirect", "GET", "/to", 304, 3, 0, NULL, 1},
    {"credentials", "GET", "http://u:p@127.0.0.1/", 302, 3, FL_E_BAD_DATA, "BadRedirect", 1},
    {"other scheme", "GET", "ftp://127.0.0.1/", 302, 3, FL_E_BAD_DATA, "BadRedirect", 1},
    {"file", "GET", "file:///etc/passwd", 302, 3, FL_E_BAD_DATA, "BadRedirect", 1},
    {"link-local", "GET", "http://169.254.169.254/latest/meta-data/", 302, 3, FL_E_INVALID,
     "AddressNotAllowed", 1},
    {"link-local in IPv6", "GET", "http://[::ffff:169.254.169.254]/", 302, 3, FL_E_INVALID,
     "AddressNotAllowed", 1},
};

static void test_redirect__bad_target_has_its_outcome(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(bad_hops); i++) {
        const struct bad_hop *r = &bad_hops[i];
        struct hop_env h;
        hop_init(&h);
        struct fl_peer_step step = {.method = r->method,
                                    .target = "/from",
                                    .times = r->times,
                                    .answer = {.status = r->status}};
        if (r->location) {
            (void)snprintf(h.location, sizeof(h.location), "Location: %s", r->location);
            step.answer.headers[0] = h.location;
        }
        h.a = fl_peer_play(&step, 1);
        row_check(r->name, hop_do(&h, r->method, r->max) == (int)r->want, &h.e);
        row_check(r->name, !r->reason || fl_text_eq(h.e.err.reason, r->reason), &h.e);
        row_check(r->name, r->want || h.e.resp.status == r->status, &h.e);
        row_check(r->name, fl_peer_verify(h.a) == 0, &h.e);
        hop_release(&h);
    }
}

/* ---- addresses ---- */

static const struct {
    const char *host;
    enum fl_http_reach reach;
    const char *shown, *why, *advice;
} forbidden[] = {
    {"169.254.169.254", FL_REACH_ANY, "address 169.254.169.254:1 is not allowed",
     "it is link-local", "no option allows"},
    {"[fe80::1]", FL_REACH_ANY, "address [fe80::1]:1 is not allowed", "it is link-local",
     "no option allows"},
    {"[::ffff:169.254.169.254]", FL_REACH_ANY, "169.254.169.254]:1 is not allowed",
     "it is link-local", "no option allows"},
    {"[::169.254.169.254]", FL_REACH_ANY, "is not allowed", "it is link-local", "no option allows"},
    {"[64:ff9b::a9fe:a9fe]", FL_REACH_ANY, "is not allowed", "it is link-local",
     "no option allows"},
    {"[2002:a9fe:a9fe::1]", FL_REACH_ANY, "is not allowed", "it is link-local", "no option allows"},
    {"0.0.0.0", FL_REACH_ANY, "address 0.0.0.0:1 is not allowed", "it is unspecified",
     "no option allows"},
    {"[::]", FL_REACH_ANY, "address [::]:1 is not allowed", "it is unspecified",
     "no option allows"},
    {"224.0.0.1", FL_REACH_ANY, "is not allowed", "it is multicast", "no option allows"},
    {"[ff02::1]", FL_REACH_ANY, "is not allowed", "it is multicast", "no option allows"},
    {"255.255.255.255", FL_REACH_ANY, "is not allowed", "it is broadcast", "no option allows"},
    {"2852039166", FL_REACH_ANY, "address 169.254.169.254:1 is not allowed", "it is link-local",
     "no option allows"},
    {"0xa9fea9fe", FL_REACH_ANY, "address 169.254.169.254:1 is not allowed", "it is link-local",
     "no option allows"},
    {"127.0.0.1", FL_REACH_PUBLIC, "address 127.0.0.1:1 is not allowed", "it is loopback",
     "spec.allowedHosts"},
    {"localhost", FL_REACH_PUBLIC, "is not allowed", "it is loopback", "spec.allowedHosts"},
    {"10.0.0.1", FL_REACH_PUBLIC, "is not allowed", "it is not public", "spec.allowedHosts"},
    {"172.31.255.255", FL_REACH_PUBLIC, "is not allowed", "it is not public", "spec.allowedHosts"},
    {"192.168.1.1", FL_REACH_PUBLIC, "is not allowed", "it is not public", "spec.allowedHosts"},
    {"100.100.100.200", FL_REACH_PUBLIC, "is not allowed", "it is not public", "spec.allowedHosts"},
    {"[::1]", FL_REACH_PUBLIC, "is not allowed", "it is loopback", "spec.allowedHosts"},
    {"[fd00:ec2::254]", FL_REACH_PUBLIC, "is not allowed", "it is not public", "spec.allowedHosts"},
    {"169.254.1.1", FL_REACH_PUBLIC, "is not allowed", "it is link-local", "no option allows"},
    {"[::ffff:10.0.0.1]", FL_REACH_PUBLIC, "is not allowed", "it is not public",
     "spec.allowedHosts"},
};

static void test_reach__forbidden_address_is_named_and_not_connected(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(forbidden); i++) {
        struct http_env e;
        env_init(&e, &(struct fl_http_conf){.reach = forbidden[i].reach});
        char url[128];
        (void)snprintf(url, sizeof(url), "http://%s:1/", forbidden[i].host);
        struct fl_http_req req = {.method = "GET", .url = url};
        const char *name = forbidden[i].host;
        row_check(name, fl_http_do(e.h, &e.ctx, &req, &e.resp, &e.err) == FL_E_INVALID, &e);
        row_check(name, fl_text_eq(e.err.reason, "AddressNotAllowed"), &e);
        row_check(name, strstr(e.err.msg, forbidden[i].shown), &e);
        row_check(name, strstr(e.err.msg, forbidden[i].why), &e);
        row_check(name, strstr(e.err.msg, forbidden[i].advice), &e);
        env_release(&e);
    }
}

/* ---- statuses ---- */

static void resp_make(struct fl_http_resp *r, int status, const char *retry_after)
{
    fl_http_resp_init(r);
    r->status = status;
    if (retry_after) {
        fl_buf_fmt(&r->headers, "retry-after: %s\n", retry_after);
    }
}

static void test_retry_after__is_bounded_milliseconds(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        int64_t want;
    } rows[] = {
        {NULL, -1},
        {"0", 0},
        {"120", 120000},
        {" 7 ", 7000},
        {"3600", 3600000},
        {"86400", 3600000},
        {"99999999999999999999999999", 3600000},
        {"-5", -1},
        {"1.5", -1},
        {"soon", -1},
        {"", -1},
        {"Tue, 14 Nov 2023 22:13:50 GMT", 30000}, /* the clock stands at 22:13:20 */
        {"Tue, 14 Nov 2023 22:13:10 GMT", 0},
        {"Wed, 14 Nov 2029 22:13:10 GMT", 3600000},
        {"Tue, 99 Nov 2023 22:13:50 GMT", -1},
    };
    fl_auto(fl_clock) clock = fl_clock_fake_new(1700000000000);
    struct fl_ctx ctx = fl_ctx_root(clock, NULL);
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_http_resp) r;
        resp_make(&r, 429, rows[i].value);
        int64_t got = fl_http_retry_after_ms(&r, &ctx);
        if (got != rows[i].want) {
            fail_msg("[%s]: %lld", rows[i].value ? rows[i].value : "absent", (long long)got);
        }
    }
}

static void test_fail__status_has_its_code(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum fl_code want;
        const char *reason;
    } rows[] = {
        {401, FL_E_AUTH, "Unauthorized"},
        {403, FL_E_AUTH, "Forbidden"},
        {404, FL_E_NOT_FOUND, "NotFound"},
        {409, FL_E_CONFLICT, "Conflict"},
        {408, FL_E_UNAVAILABLE, NULL},
        {425, FL_E_UNAVAILABLE, NULL},
        {429, FL_E_LIMITED, "TooManyRequests"},
        {500, FL_E_UNAVAILABLE, "ServerError"},
        {502, FL_E_UNAVAILABLE, NULL},
        {503, FL_E_UNAVAILABLE, NULL},
        {504, FL_E_UNAVAILABLE, NULL},
        {599, FL_E_UNAVAILABLE, NULL},
        {301, FL_E_BAD_DATA, NULL},
        {307, FL_E_BAD_DATA, "UnexpectedRedirect"},
        {200, FL_E_BAD_DATA, NULL},
        {400, FL_E_INVALID, "RequestRejected"},
        {405, FL_E_INVALID, NULL},
        {422, FL_E_INVALID, NULL},
    };
    fl_auto(fl_clock) clock = fl_clock_fake_new(1700000000000);
    struct fl_ctx ctx = fl_ctx_root(clock, NULL);
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_http_resp) r;
        struct fl_err err = FL_ERR_INIT;
        resp_make(&r, rows[i].status, "5");
        int rc =
            fl_http_fail(&r, &ctx, "listing tags", FL_STR("NAME_UNKNOWN: no such\nthing"), &err);
        char want[128];
        (void)snprintf(want, sizeof(want), "listing tags: NAME_UNKNOWN: no such thing (HTTP %d)",
                       rows[i].status);
        if (rc != (int)rows[i].want || err.code != rows[i].want ||
            err.http_status != rows[i].status || err.retry_after_ms != 5000 ||
            !fl_text_eq(err.msg, want) ||
            (rows[i].reason && !fl_text_eq(err.reason, rows[i].reason))) {
            fail_msg("%d: %d %s %s", rows[i].status, rc, err.reason, err.msg);
        }
    }
}

static void test_fail__words_are_cut_and_redacted(void **state)
{
    (void)state;
    fl_auto(fl_clock) clock = fl_clock_fake_new(1700000000000);
    struct fl_ctx ctx = fl_ctx_root(clock, NULL);
    fl_auto_val(fl_http_resp) r;
    resp_make(&r, 403, NULL);
    struct fl_err err = FL_ERR_INIT;
    char said[1000];
    memset(said, 'x', sizeof(said));
    memcpy(said + 198, "\xe2\x82\xac", 3); /* the cut would go through it */
    assert_int_equal(fl_http_fail(&r, &ctx, "w", (struct fl_str){said, sizeof(said)}, &err),
                     FL_E_AUTH);
    assert_int_equal(strlen(err.msg), strlen("w: ") + 198 + strlen("... (HTTP 403)"));
    (void)fl_http_fail(&r, &ctx, "w", FL_STR("bad Bearer s3cret"), &err);
    assert_null(strstr(err.msg, "s3cret"));
    (void)fl_http_fail(&r, &ctx, "w", FL_STR(""), &err);
    assert_string_equal(err.msg, "w: not allowed (HTTP 403)");
    assert_int_equal(err.retry_after_ms, -1);
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
        cmocka_unit_test(test_do__fault_has_its_outcome),
        cmocka_unit_test(test_do__nobody_listens_is_unavailable_and_names_the_address),
        cmocka_unit_test(test_do__name_that_does_not_resolve_is_named),
        cmocka_unit_test(test_do__drip_under_the_stall_limit_ends_well),
        cmocka_unit_test(test_do__drip_ends_at_the_deadline),
        cmocka_unit_test(test_do__request_is_laid_out),
        cmocka_unit_test(test_do__large_body_goes_at_once),
        cmocka_unit_test(test_do__bad_request_is_invalid_and_not_sent),
        cmocka_unit_test(test_do__headers_are_lower_case_lines),
        cmocka_unit_test(test_do__headers_above_the_cap_are_too_big),
        cmocka_unit_test(test_do__head_has_a_length_and_no_body),
        cmocka_unit_test(test_do__sink_gets_all_pieces_in_order),
        cmocka_unit_test(test_do__sink_failure_ends_the_call_with_its_words),
        cmocka_unit_test(test_do__sink_does_not_see_the_words_of_a_failure),
        cmocka_unit_test(test_do__connection_is_kept),
        cmocka_unit_test(test_do__connection_closed_while_idle_is_made_anew),
        cmocka_unit_test(test_do__peer_that_went_and_came_back_is_reached),
        cmocka_unit_test(test_do__calls_at_once_are_bounded),
        cmocka_unit_test(test_redirect__same_origin_keeps_all),
        cmocka_unit_test(test_redirect__other_origin_gets_no_credentials),
        cmocka_unit_test(test_redirect__bad_target_has_its_outcome),
        cmocka_unit_test(test_reach__forbidden_address_is_named_and_not_connected),
        cmocka_unit_test(test_retry_after__is_bounded_milliseconds),
        cmocka_unit_test(test_fail__status_has_its_code),
        cmocka_unit_test(test_fail__words_are_cut_and_redacted),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
