/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/wire/http_help.h"

#include <openssl/evp.h>

#include "base/text.h"

/* Sizes on both sides of what goes by way of memory, and beyond the ring. */
enum { SMALL = 1000, LARGE = 3000003 };

struct pipe_env {
    struct http_env e; /* the source's client, clock, context */
    struct fl_http *to;
    struct fl_http_resp to_resp;
    EVP_MD_CTX *md;
    int64_t tapped;
    int verified;
    bool refuse;
};

static void pipe_init(struct pipe_env *pe)
{
    *pe = (struct pipe_env){0};
    env_init(&pe->e, NULL);
    struct fl_http_conf conf = {0};
    assert_int_equal(fl_http_new(&conf, &pe->to, &pe->e.err), 0);
    fl_http_resp_init(&pe->to_resp);
    pe->md = EVP_MD_CTX_new();
    assert_true(pe->md && EVP_DigestInit_ex(pe->md, EVP_sha256(), NULL));
}

static void pipe_release(struct pipe_env *pe)
{
    EVP_MD_CTX_free(pe->md);
    fl_http_resp_release(&pe->to_resp);
    fl_http_free(pe->to);
    env_release(&pe->e);
}

static void tap(void *arg, struct fl_str piece)
{
    struct pipe_env *pe = arg;
    pe->tapped += (int64_t)piece.n;
    assert_true(EVP_DigestUpdate(pe->md, piece.p, piece.n));
}

static int verify(void *arg, struct fl_err *err)
{
    struct pipe_env *pe = arg;
    pe->verified++;
    return pe->refuse ? fl_fail(err, FL_E_BAD_DATA, "DigestMismatch", "not the digest asked for")
                      : 0;
}

static const char *tapped_digest(struct pipe_env *pe)
{
    static char text[80];
    unsigned char sum[32];
    assert_true(EVP_DigestFinal_ex(pe->md, sum, NULL));
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&b, "sha256:");
    fl_hex_add(&b, sum, sizeof(sum));
    (void)snprintf(text, sizeof(text), "%s", b.data);
    return text;
}

static int pipe_run(struct pipe_env *pe, const struct fl_peer *from, const struct fl_peer *to,
                    int64_t size)
{
    struct fl_http_req get = {
        .method = "GET", .url = url_of(from, "/blob?s3cret"), .max_redirects = 3};
    struct fl_http_req put = {.method = "PUT", .url = url_of(to, "/up?s3cret")};
    struct fl_http_pipe pipe = {.from = pe->e.h,
                                .get = &get,
                                .to = pe->to,
                                .put = &put,
                                .size = size,
                                .tap = tap,
                                .tap_arg = pe,
                                .verify = verify};
    return fl_http_pipe(&pipe, &pe->e.ctx, &pe->e.resp, &pe->to_resp, &pe->e.err);
}

static void test_pipe__bytes_arrive_as_they_are(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0,      1,      2,      65535,   65536, 65537,
                                    196607, 196608, 196609, 1000000, LARGE, 50000000};
    for (size_t i = 0; i < FL_LEN(sizes); i++) {
        for (int chunked = 0; chunked < 2; chunked++) {
            struct pipe_env pe;
            pipe_init(&pe);
            const struct fl_peer_step gets[] = {
                {.method = "GET",
                 .target = "/blob?s3cret",
                 .answer = {.fill = sizes[i],
                            .chunk = 7777,
                            .frame = chunked ? FL_PEER_CHUNKED : FL_PEER_LENGTH}},
            };
            const struct fl_peer_step puts[] = {
                {.method = "PUT",
                 .target = "/up?s3cret",
                 .want = {"!Expect", "!Transfer-Encoding", "Content-Length: *"},
                 .answer = {.status = 201, .body = {"done", 4}}}};
            fl_auto(fl_peer) from = fl_peer_play(gets, 1);
            fl_auto(fl_peer) to = fl_peer_play(puts, 1);
            char name[64];
            (void)snprintf(name, sizeof(name), "%lld bytes, chunked %d", (long long)sizes[i],
                           chunked);
            row_check(name, pipe_run(&pe, from, to, sizes[i]) == 0, &pe.e);
            row_check(name, pe.e.resp.status == 200 && pe.to_resp.status == 201, &pe.e);
            row_check(name, fl_text_eq(pe.to_resp.body.data, "done"), &pe.e);
            row_check(name, pe.tapped == sizes[i] && pe.verified == 1, &pe.e);
            row_check(name, fl_peer_verify(from) + fl_peer_verify(to) == 0, &pe.e);
            row_check(name, fl_peer_count(to) == 1, &pe.e);
            const struct fl_peer_record *r = fl_peer_at(to, 0);
            row_check(name, r->body_bytes == sizes[i] && r->whole, &pe.e);
            row_check(name, fl_text_eq(r->body_digest, tapped_digest(&pe)), &pe.e);
            pipe_release(&pe);
        }
    }
}

enum tick { TICK_NONE, TICK_CLOCK, TICK_CANCEL };

/* Small steps: what was woken by the one gets its turn before the next. */
static void tick_slowly(void *arg)
{
    fl_clock_advance(arg, 200);
}

struct fault {
    const char *name;
    int64_t size;
    struct fl_peer_answer get;
    struct fl_peer_answer put;
    enum tick tick;
    bool refuse;
    enum fl_code want;
    const char *reason;
    const char *msg;
    int from_status;
    int to_status;
    bool no_put; /* nothing may have been asked of the target */
};

#define SIDE_SOURCE "source: GET http://127.0.0.1:"
#define SIDE_TARGET "target: PUT http://127.0.0.1:"

static const struct fault faults[] = {
    /* the source */
    {"source 404", LARGE, .get = {.status = 404, .body = {"gone", 4}}, .from_status = 404,
     .no_put = true},
    {"source 404, small", SMALL, .get = {.status = 404}, .from_status = 404, .no_put = true},
    {"source 503", LARGE, .get = {.status = 503, .fill = 500000}, .from_status = 503,
     .no_put = true},
    {"source says another length", LARGE, .get = {.fill = LARGE - 1}, .want = FL_E_BAD_DATA,
     .reason = "BadLength", .msg = SIDE_SOURCE, .no_put = true},
    {"source says another length, small", SMALL, .get = {.fill = SMALL + 1}, .want = FL_E_BAD_DATA,
     .reason = "BadLength", .msg = SIDE_SOURCE, .no_put = true},
    {"source gives less", LARGE, .get = {.fill = LARGE - 1, .frame = FL_PEER_CHUNKED},
     .want = FL_E_BAD_DATA, .reason = "BadLength", .msg = "3000002 bytes came, 3000003 expected"},
    {"source gives more", LARGE, .get = {.fill = LARGE + 1, .frame = FL_PEER_CHUNKED},
     .want = FL_E_BAD_DATA, .reason = "BadLength", .msg = "more than the 3000003 bytes expected"},
    {"source gives less, small", SMALL, .get = {.fill = SMALL - 1, .frame = FL_PEER_CHUNKED},
     .want = FL_E_BAD_DATA, .reason = "BadLength", .no_put = true},
    {"source gives more, small", SMALL, .get = {.fill = SMALL + 1, .frame = FL_PEER_CHUNKED},
     .want = FL_E_BAD_DATA, .reason = "BadLength", .no_put = true},
    {"source gives nothing", LARGE, .get = {.status = 204}, .want = FL_E_BAD_DATA, .no_put = true},
    {"source answers a part", LARGE, .get = {.status = 206, .fill = LARGE}, .want = FL_E_BAD_DATA,
     .reason = "UnexpectedStatus", .no_put = true},
    {"source cut", LARGE, .get = {.fill = LARGE, .fault = FL_PEER_CLOSE, .at = 2000000},
     .want = FL_E_UNAVAILABLE, .reason = "AnswerCut", .msg = SIDE_SOURCE},
    {"source reset", LARGE, .get = {.fill = LARGE, .fault = FL_PEER_RESET, .at = 2000000},
     .want = FL_E_UNAVAILABLE, .reason = "ConnectionLost", .msg = SIDE_SOURCE},
    {"source cut at the last byte", LARGE,
     .get = {.fill = LARGE, .fault = FL_PEER_CLOSE, .at = LARGE - 1}, .want = FL_E_UNAVAILABLE,
     .reason = "AnswerCut", .msg = SIDE_SOURCE},
    {"source cut, small", SMALL, .get = {.fill = SMALL, .fault = FL_PEER_CLOSE, .at = 500},
     .want = FL_E_UNAVAILABLE, .reason = "AnswerCut", .msg = SIDE_SOURCE, .no_put = true},
    {"source is no HTTP", LARGE, .get = {.raw = "<html>"}, .want = FL_E_BAD_DATA,
     .reason = "NotHTTP", .no_put = true},
    {"source stalls", LARGE, .get = {.fill = LARGE, .fault = FL_PEER_STALL, .at = 1000000},
     .tick = TICK_CLOCK, .want = FL_E_TIMEOUT, .reason = "Stalled", .msg = SIDE_SOURCE},
    {"source stalls before its end", LARGE,
     .get = {.fill = LARGE, .frame = FL_PEER_CHUNKED, .fault = FL_PEER_STALL, .at = LARGE},
     .tick = TICK_CLOCK, .want = FL_E_TIMEOUT, .reason = "Stalled", .msg = SIDE_SOURCE},
    {"canceled", LARGE, .get = {.fill = LARGE, .fault = FL_PEER_STALL, .at = 1000000},
     .tick = TICK_CANCEL, .want = FL_E_CANCELED},
    {"canceled, small", SMALL, .get = {.fill = SMALL, .fault = FL_PEER_STALL, .at = 10},
     .tick = TICK_CANCEL, .want = FL_E_CANCELED, .no_put = true},
    {"source is not what was asked for", LARGE, .get = {.fill = LARGE}, .refuse = true,
     .want = FL_E_BAD_DATA, .reason = "DigestMismatch", .msg = "not the digest asked for"},
    {"source is not what was asked for, small", SMALL, .get = {.fill = SMALL}, .refuse = true,
     .want = FL_E_BAD_DATA, .reason = "DigestMismatch", .no_put = true},
    {"empty source is not what was asked for", 0, .refuse = true, .want = FL_E_BAD_DATA,
     .reason = "DigestMismatch", .no_put = true},
    /* the target */
    {"target 401 at once", LARGE, .get = {.fill = LARGE}, .put = {.status = 401, .early = true},
     .from_status = 200, .to_status = 401},
    {"target 400 after the body", LARGE, .get = {.fill = LARGE}, .put = {.status = 400},
     .from_status = 200, .to_status = 400},
    {"target 413, small", SMALL, .get = {.fill = SMALL}, .put = {.status = 413}, .from_status = 200,
     .to_status = 413},
    {"target 201 at once", LARGE, .get = {.fill = LARGE}, .put = {.status = 201, .early = true},
     .want = FL_E_BAD_DATA, .reason = "EarlyAnswer", .msg = SIDE_TARGET},
    {"target resets", LARGE, .get = {.fill = LARGE},
     .put = {.read_fault = FL_PEER_RESET, .read_at = 1000000}, .want = FL_E_UNAVAILABLE,
     .reason = "ConnectionLost", .msg = SIDE_TARGET},
    {"target closes", LARGE, .get = {.fill = LARGE},
     .put = {.read_fault = FL_PEER_CLOSE, .read_at = 1000000}, .want = FL_E_UNAVAILABLE,
     .msg = SIDE_TARGET},
    {"target resets, small", SMALL, .get = {.fill = SMALL},
     .put = {.read_fault = FL_PEER_RESET, .read_at = 500}, .want = FL_E_UNAVAILABLE,
     .msg = SIDE_TARGET},
    {"target stalls in the body", 50000000, .get = {.fill = 50000000},
     .put = {.read_fault = FL_PEER_STALL, .read_at = 1000000}, .tick = TICK_CLOCK,
     .want = FL_E_TIMEOUT, .reason = "Stalled", .msg = SIDE_TARGET},
    {"target stalls before its answer", LARGE, .get = {.fill = LARGE},
     .put = {.fault = FL_PEER_STALL, .at = -1}, .tick = TICK_CLOCK, .want = FL_E_TIMEOUT,
     .reason = "Stalled", .msg = SIDE_TARGET},
    {"target is no HTTP", LARGE, .get = {.fill = LARGE}, .put = {.raw = "<html>"},
     .want = FL_E_BAD_DATA, .reason = "NotHTTP", .msg = SIDE_TARGET},
};

static void run_fault(const struct fault *f)
{
    struct pipe_env pe;
    pipe_init(&pe);
    pe.refuse = f->refuse;
    struct fl_peer_step get = {.method = "GET", .target = "/blob?s3cret", .answer = f->get};
    struct fl_peer_step put = {
        .method = "PUT", .target = "/up?s3cret", .times = -1, .answer = f->put};
    get.answer.tick = put.answer.tick = f->tick == TICK_CLOCK ? tick_slowly : tick_cancel;
    get.answer.tick_arg = put.answer.tick_arg =
        f->tick == TICK_CLOCK ? (void *)pe.e.clock : (void *)&pe.e.cancel;
    fl_auto(fl_peer) from = fl_peer_play(&get, 1);
    fl_auto(fl_peer) to = fl_peer_play(&put, 1);
    int rc = pipe_run(&pe, from, to, f->size);
    row_check(f->name, rc == (int)f->want, &pe.e);
    if (rc == 0) {
        row_check(f->name, pe.e.resp.status == f->from_status, &pe.e);
        row_check(f->name, pe.to_resp.status == f->to_status, &pe.e);
    } else {
        row_check(f->name, !f->reason || fl_text_eq(pe.e.err.reason, f->reason), &pe.e);
        row_check(f->name, !f->msg || strstr(pe.e.err.msg, f->msg), &pe.e);
        row_check(f->name, strstr(pe.e.err.msg, "s3cret") == NULL, &pe.e);
    }
    row_check(f->name, fl_peer_verify(from) + fl_peer_verify(to) == 0, &pe.e);
    fl_peer_settle(from);
    fl_peer_settle(to);
    row_check(f->name, !f->no_put || fl_peer_count(to) == 0, &pe.e);
    /* Whatever the source did wrong, the target never got a whole body. */
    for (size_t i = 0;
         f->want && f->msg != NULL && fl_text_starts(f->msg, "source") && i < fl_peer_count(to);
         i++) {
        row_check(f->name, !fl_peer_at(to, i)->whole, &pe.e);
    }
    pipe_release(&pe);
}

static void test_pipe__fault_has_its_outcome(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(faults); i++) {
        run_fault(&faults[i]);
    }
}

static void test_pipe__bad_source_never_completes_the_upload(void **state)
{
    (void)state;
    struct pipe_env pe;
    pipe_init(&pe);
    pe.refuse = true;
    const struct fl_peer_step get = {
        .method = "GET", .target = "/blob?s3cret", .answer = {.fill = LARGE}};
    const struct fl_peer_step put = {.method = "PUT", .target = "/up?s3cret"};
    fl_auto(fl_peer) from = fl_peer_play(&get, 1);
    fl_auto(fl_peer) to = fl_peer_play(&put, 1);
    assert_int_equal(pipe_run(&pe, from, to, LARGE), FL_E_BAD_DATA);
    fl_peer_settle(to);
    assert_int_equal(fl_peer_count(to), 1);
    assert_false(fl_peer_at(to, 0)->whole);
    assert_true(fl_peer_at(to, 0)->body_bytes < LARGE);
    pipe_release(&pe);
}

static void test_pipe__source_is_followed_without_credentials(void **state)
{
    (void)state;
    struct pipe_env pe;
    pipe_init(&pe);
    struct fl_secret auth = {0};
    fl_secret_set(&auth, FL_STR("Bearer s3cret"));
    const struct fl_peer_step blob = {.method = "GET",
                                      .target = "/signed?x=y",
                                      .want = {"!Authorization"},
                                      .answer = {.fill = LARGE}};
    fl_auto(fl_peer) store = fl_peer_play(&blob, 1);
    char location[256];
    (void)snprintf(location, sizeof(location), "Location: %s/signed?x=y", fl_peer_url(store));
    const struct fl_peer_step first = {
        .method = "GET",
        .target = "/blob",
        .want = {"Authorization: Bearer s3cret"},
        .answer = {.status = 307, .headers = {location}, .body = {"moved", 5}}};
    const struct fl_peer_step put = {.method = "PUT",
                                     .target = "/up",
                                     .want = {"Authorization: Bearer s3cret"},
                                     .answer = {.status = 201}};
    fl_auto(fl_peer) from = fl_peer_play(&first, 1);
    fl_auto(fl_peer) to = fl_peer_play(&put, 1);
    struct fl_http_req g = {
        .method = "GET", .url = url_of(from, "/blob"), .authorization = &auth, .max_redirects = 3};
    struct fl_http_req u = {.method = "PUT", .url = url_of(to, "/up"), .authorization = &auth};
    struct fl_http_pipe pipe = {.from = pe.e.h, .get = &g, .to = pe.to, .put = &u, .size = LARGE};
    row_check("pipe", fl_http_pipe(&pipe, &pe.e.ctx, &pe.e.resp, &pe.to_resp, &pe.e.err) == 0,
              &pe.e);
    assert_string_equal(pe.e.resp.url, url_of(store, "/signed?x=y"));
    assert_int_equal(fl_peer_verify(store) + fl_peer_verify(from) + fl_peer_verify(to), 0);
    assert_true(fl_peer_at(to, 0)->whole);
    fl_secret_release(&auth);
    pipe_release(&pe);
}

struct slow {
    struct fl_clock *clock;
    struct fl_peer *to;
    atomic_llong tapped;
    long long seen;
    int quiet;
    int seconds;
};

static void slow_tap(void *arg, struct fl_str piece)
{
    struct slow *s = arg;
    (void)atomic_fetch_add(&s->tapped, (long long)piece.n);
}

/* Once nothing comes in any more (the ring is full, the source waits), the target takes 40 s before it goes on. */
static void slow_tick(void *arg)
{
    struct slow *s = arg;
    long long now = atomic_load(&s->tapped);
    s->quiet = now == s->seen ? s->quiet + 1 : 0;
    s->seen = now;
    if (s->quiet >= 20) {
        fl_clock_advance(s->clock, 1000);
        if (++s->seconds == 40) {
            fl_peer_release(s->to, 1);
        }
    }
}

static void test_pipe__source_that_waits_for_a_slow_target_is_not_stalled(void **state)
{
    (void)state;
    struct http_env from;
    struct http_env to;
    env_init(&from, &(struct fl_http_conf){.stall_ms = 10000});
    env_init(&to, &(struct fl_http_conf){.stall_ms = 60000});
    struct slow slow = {.clock = from.clock};
    const int64_t size = 30000000;
    const struct fl_peer_step get = {.method = "GET", .target = "/b", .answer = {.fill = size}};
    const struct fl_peer_step put = {.method = "PUT",
                                     .target = "/up",
                                     .answer = {.status = 201,
                                                .read_fault = FL_PEER_STALL,
                                                .read_at = 1000000,
                                                .tick = slow_tick,
                                                .tick_arg = &slow}};
    fl_auto(fl_peer) source = fl_peer_play(&get, 1);
    slow.to = fl_peer_play(&put, 1);
    struct fl_http_req g = {.method = "GET", .url = url_of(source, "/b")};
    struct fl_http_req u = {.method = "PUT", .url = url_of(slow.to, "/up")};
    struct fl_http_pipe pipe = {.from = from.h,
                                .get = &g,
                                .to = to.h,
                                .put = &u,
                                .size = size,
                                .tap = slow_tap,
                                .tap_arg = &slow};
    int rc = fl_http_pipe(&pipe, &from.ctx, &from.resp, &to.resp, &from.err);
    row_check("pipe", rc == 0 && to.resp.status == 201, &from);
    assert_int_equal(slow.seconds, 40);
    assert_true(fl_peer_at(slow.to, 0)->whole);
    fl_peer_free(slow.to);
    env_release(&from);
    env_release(&to);
}

static void test_pipe__small_ones_share_connections(void **state)
{
    (void)state;
    struct pipe_env pe;
    pipe_init(&pe);
    const struct fl_peer_step get = {
        .method = "GET", .target = "/blob?s3cret", .times = 200, .answer = {.fill = SMALL}};
    const struct fl_peer_step put = {
        .method = "PUT", .target = "/up?s3cret", .times = 200, .answer = {.status = 201}};
    fl_auto(fl_peer) from = fl_peer_play(&get, 1);
    fl_auto(fl_peer) to = fl_peer_play(&put, 1);
    for (int i = 0; i < 200; i++) {
        row_check("pipe", pipe_run(&pe, from, to, SMALL) == 0, &pe.e);
    }
    assert_int_equal(fl_peer_verify(from) + fl_peer_verify(to), 0);
    assert_int_equal(fl_peer_connections(from), 1);
    assert_int_equal(fl_peer_connections(to), 1);
    pipe_release(&pe);
}

static void test_pipe__large_ones_share_connections(void **state)
{
    (void)state;
    struct pipe_env pe;
    pipe_init(&pe);
    const struct fl_peer_step get = {
        .method = "GET", .target = "/blob?s3cret", .times = 20, .answer = {.fill = 300000}};
    const struct fl_peer_step put = {
        .method = "PUT", .target = "/up?s3cret", .times = 20, .answer = {.status = 201}};
    fl_auto(fl_peer) from = fl_peer_play(&get, 1);
    fl_auto(fl_peer) to = fl_peer_play(&put, 1);
    for (int i = 0; i < 20; i++) {
        row_check("pipe", pipe_run(&pe, from, to, 300000) == 0, &pe.e);
    }
    assert_int_equal(fl_peer_verify(from) + fl_peer_verify(to), 0);
    assert_int_equal(fl_peer_connections(from), 1);
    assert_int_equal(fl_peer_connections(to), 1);
    pipe_release(&pe);
}

static void test_pipe__target_closed_while_idle_is_reached_again(void **state)
{
    (void)state;
    static const int64_t sizes[] = {SMALL, 100000}; /* what fits the ring can be sent again */
    for (size_t k = 0; k < FL_LEN(sizes); k++) {
        struct pipe_env pe;
        pipe_init(&pe);
        const struct fl_peer_step get = {.method = "GET",
                                         .target = "/blob?s3cret",
                                         .times = 50,
                                         .answer = {.fill = sizes[k], .drop = true}};
        const struct fl_peer_step put = {.method = "PUT",
                                         .target = "/up?s3cret",
                                         .times = -1,
                                         .answer = {.status = 201, .drop = true}};
        fl_auto(fl_peer) from = fl_peer_play(&get, 1);
        fl_auto(fl_peer) to = fl_peer_play(&put, 1);
        for (int i = 0; i < 50; i++) {
            row_check("pipe", pipe_run(&pe, from, to, sizes[k]) == 0, &pe.e);
        }
        assert_int_equal(fl_peer_verify(from) + fl_peer_verify(to), 0);
        pipe_release(&pe);
    }
}

static void test_pipe__idle_connections_that_were_closed_are_not_used(void **state)
{
    (void)state;
    struct pipe_env pe;
    pipe_init(&pe);
    const struct fl_peer_step get = {
        .method = "GET", .target = "/blob?s3cret", .times = 5, .answer = {.fill = LARGE}};
    const struct fl_peer_step put = {
        .method = "PUT", .target = "/up?s3cret", .times = 5, .answer = {.status = 201}};
    fl_auto(fl_peer) from = fl_peer_play(&get, 1);
    fl_auto(fl_peer) to = fl_peer_play(&put, 1);
    for (int i = 0; i < 5; i++) {
        row_check("pipe", pipe_run(&pe, from, to, LARGE) == 0, &pe.e);
        fl_peer_settle(from);
        fl_peer_settle(to);
        fl_peer_drop_idle(from);
        fl_peer_drop_idle(to);
    }
    assert_int_equal(fl_peer_verify(from) + fl_peer_verify(to), 0);
    assert_int_equal(fl_peer_connections(to), 5);
    pipe_release(&pe);
}

struct both_ways {
    struct fl_http *a;
    struct fl_http *b;
    const struct fl_ctx *ctx;
    const char *from;
    const char *to;
};

static void *pipes_run(void *arg)
{
    struct both_ways *w = arg;
    intptr_t failed = 0;
    for (int i = 0; i < 20; i++) {
        struct fl_http_resp from;
        struct fl_http_resp to;
        fl_http_resp_init(&from);
        fl_http_resp_init(&to);
        struct fl_http_req get = {.method = "GET", .url = w->from};
        struct fl_http_req put = {.method = "PUT", .url = w->to};
        struct fl_http_pipe pipe = {
            .from = w->a, .get = &get, .to = w->b, .put = &put, .size = 200000};
        failed += fl_http_pipe(&pipe, w->ctx, &from, &to, NULL) != 0;
        fl_http_resp_release(&from);
        fl_http_resp_release(&to);
    }
    return (void *)failed;
}

/* One call at a time in each client and pipes in both directions: who waits for a permit must not hold the one that
 * frees it. */
static void test_pipe__opposite_directions_do_not_block_each_other(void **state)
{
    (void)state;
    struct fl_http_conf conf = {.max_conns = 1};
    struct http_env a;
    struct http_env b;
    env_init(&a, &conf);
    env_init(&b, &conf);
    const struct fl_peer_step steps[] = {
        {.method = "GET", .target = "/blob", .times = -1, .answer = {.fill = 200000}},
        {.method = "PUT", .target = "/up", .times = -1, .answer = {.status = 201}},
    };
    fl_auto(fl_peer) p = fl_peer_new(
        &(struct fl_peer_conf){.steps = steps, .n_steps = FL_LEN(steps), .unordered = true});
    const char *from = url_of(p, "/blob");
    const char *to = url_of(p, "/up");
    struct both_ways ways[] = {
        {a.h, b.h, &a.ctx, from, to}, {b.h, a.h, &a.ctx, from, to}, {a.h, a.h, &a.ctx, from, to}};
    pthread_t t[FL_LEN(ways)];
    for (size_t i = 0; i < FL_LEN(ways); i++) {
        fl_thread_start(&t[i], "pipes", pipes_run, &ways[i]);
    }
    for (size_t i = 0; i < FL_LEN(ways); i++) {
        void *failed;
        assert_int_equal(pthread_join(t[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(fl_peer_count_of(p, "PUT", NULL), 60);
    env_release(&a);
    env_release(&b);
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
        cmocka_unit_test(test_pipe__bytes_arrive_as_they_are),
        cmocka_unit_test(test_pipe__fault_has_its_outcome),
        cmocka_unit_test(test_pipe__bad_source_never_completes_the_upload),
        cmocka_unit_test(test_pipe__source_is_followed_without_credentials),
        cmocka_unit_test(test_pipe__source_that_waits_for_a_slow_target_is_not_stalled),
        cmocka_unit_test(test_pipe__small_ones_share_connections),
        cmocka_unit_test(test_pipe__large_ones_share_connections),
        cmocka_unit_test(test_pipe__target_closed_while_idle_is_reached_again),
        cmocka_unit_test(test_pipe__idle_connections_that_were_closed_are_not_used),
        cmocka_unit_test(test_pipe__opposite_directions_do_not_block_each_other),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
