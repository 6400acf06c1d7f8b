/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>

#include "base/lock.h"
#include "unit/wire/http_help.h"

#define N 40

struct many_env {
    struct http_env e;
    struct fl_peer *p;
    struct fl_lock lock;
    int now, most; /* requests in flight at the peer */
    int answers[N];
    int status[N];
    int n_answers;
    int stop_at; /* after so many answers; 0: never */
    char url[256];
};

/* Even ones are there, odd ones are not. */
static void parity(void *arg, const struct fl_peer_request *req, struct fl_peer_answer *ret)
{
    struct many_env *m = arg;
    fl_lock_take(&m->lock);
    m->now++;
    m->most = m->now > m->most ? m->now : m->most;
    fl_lock_drop(&m->lock);
    ret->status = (req->target[strlen(req->target) - 1] - '0') % 2 ? 404 : 200;
    ret->no_length = true;
    fl_lock_take(&m->lock);
    m->now--;
    fl_lock_drop(&m->lock);
}

static const char *numbered(void *arg, size_t i)
{
    struct many_env *m = arg;
    (void)snprintf(m->url, sizeof(m->url), "%s/%zu", fl_peer_url(m->p), i);
    return m->url;
}

static bool noted(void *arg, size_t i, const struct fl_http_resp *r)
{
    struct many_env *m = arg;
    m->answers[i]++;
    m->status[i] = r->status;
    m->n_answers++;
    return m->n_answers != m->stop_at;
}

static void many_init(struct many_env *m, const struct fl_http_conf *conf)
{
    *m = (struct many_env){0};
    fl_lock_init(&m->lock, "many", FL_RANK_APP);
    env_init(&m->e, conf);
}

static void many_release(struct many_env *m)
{
    fl_peer_free(m->p);
    env_release(&m->e);
    fl_lock_destroy(&m->lock);
}

static int many_ask(struct many_env *m, size_t n, int64_t timeout_ms)
{
    const struct fl_http_req req = {.method = "HEAD"};
    const struct fl_http_many many = {
        .req = &req,
        .n = n,
        .timeout_ms = timeout_ms,
        .url = numbered,
        .answer = noted,
        .arg = m,
    };
    return fl_http_do_many(m->e.h, &m->e.ctx, &many, &m->e.err);
}

static void test_many__each_is_answered_once_within_the_limit(void **state)
{
    (void)state;
    const int limits[] = {1, 3, 64};
    for (size_t k = 0; k < FL_LEN(limits); k++) {
        struct many_env m;
        many_init(&m, &(struct fl_http_conf){.max_conns = limits[k]});
        m.p = fl_peer_new(&(struct fl_peer_conf){.handle = parity, .arg = &m});
        for (int round = 1; round <= 2; round++) {
            assert_int_equal(many_ask(&m, N, 0), 0);
            for (size_t i = 0; i < N; i++) {
                assert_int_equal(m.answers[i], round);
                assert_int_equal(m.status[i], i % 2 ? 404 : 200);
            }
        }
        assert_int_equal(fl_peer_count(m.p), 2 * N);
        assert_true(m.most <= limits[k]);
        /* Kept, and at most 8 even where more would be allowed. */
        assert_true(fl_peer_connections(m.p) <= (size_t)(limits[k] < 8 ? limits[k] : 8));
        many_release(&m);
    }
}

static void test_many__none_is_fine(void **state)
{
    (void)state;
    struct many_env m;
    many_init(&m, NULL);
    assert_int_equal(many_ask(&m, 0, 0), 0);
    many_release(&m);
}

static void test_many__stopped_begins_no_more(void **state)
{
    (void)state;
    struct many_env m;
    many_init(&m, &(struct fl_http_conf){.max_conns = 1});
    m.p = fl_peer_new(&(struct fl_peer_conf){.handle = parity, .arg = &m});
    m.stop_at = 3;
    assert_int_equal(many_ask(&m, N, 0), 0);
    assert_int_equal(m.n_answers, 3);
    assert_int_equal(fl_peer_count(m.p), 3);
    many_release(&m);
}

/* ---- one of them goes wrong ---- */

struct fault {
    const char *name;
    struct fl_peer_answer answer;
    bool cancel;
    int64_t timeout_ms;
    enum fl_code want;
    const char *reason;
};

static const struct fault faults[] = {
    {.name = "reset",
     .answer = {.fault = FL_PEER_RESET, .at = -1},
     .want = FL_E_UNAVAILABLE,
     .reason = "ConnectionLost"},
    {.name = "not HTTP",
     .answer = {.raw = "SSH-2.0-OpenSSH_9.2\r\n"},
     .want = FL_E_BAD_DATA,
     .reason = "NotHTTP"},
    {.name = "stalled",
     .answer = {.fault = FL_PEER_STALL, .at = -1},
     .want = FL_E_TIMEOUT,
     .reason = "Stalled"},
    {.name = "too long for a call",
     .answer = {.fault = FL_PEER_STALL, .at = -1},
     .timeout_ms = 5000,
     .want = FL_E_TIMEOUT},
    {.name = "canceled",
     .answer = {.fault = FL_PEER_STALL, .at = -1},
     .cancel = true,
     .want = FL_E_CANCELED},
};

static const struct fault *fault;

static void third_goes_wrong(void *arg, const struct fl_peer_request *req,
                             struct fl_peer_answer *ret)
{
    struct many_env *m = arg;
    if (fl_text_eq(req->target, "/3")) {
        *ret = fault->answer;
        ret->tick = fault->cancel ? tick_cancel : tick_second;
        ret->tick_arg = fault->cancel ? (void *)&m->e.cancel : (void *)m->e.clock;
    }
}

static void test_many__the_first_failure_ends_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(faults); i++) {
        struct many_env m;
        fault = &faults[i];
        many_init(&m, &(struct fl_http_conf){.max_conns = 2});
        m.p = fl_peer_new(&(struct fl_peer_conf){.handle = third_goes_wrong, .arg = &m});
        int rc = many_ask(&m, N, fault->timeout_ms);
        row_check(fault->name, rc == (int)fault->want, &m.e);
        row_check(fault->name, !fault->reason || fl_text_eq(m.e.err.reason, fault->reason), &m.e);
        row_check(fault->name, m.answers[3] == 0, &m.e);
        row_check(fault->name, m.answers[0] == 1, &m.e);
        fl_peer_settle(m.p); /* its ticks use the clock */
        /* The client is as good as before. */
        atomic_store(&m.e.cancel.set, false);
        m.answers[0] = 0;
        row_check(fault->name, many_ask(&m, 1, 0) == 0 && m.answers[0] == 1, &m.e);
        many_release(&m);
    }
}

static void test_many__bad_requests_are_not_sent(void **state)
{
    (void)state;
    struct many_env m;
    many_init(&m, NULL);
    m.p = fl_peer_new(&(struct fl_peer_conf){.handle = parity, .arg = &m});
    const struct fl_header bad = {"X-Y", "a\r\nb"};
    const struct fl_http_req req = {.method = "HEAD", .headers = &bad, .n_headers = 1};
    const struct fl_http_many many = {
        .req = &req, .n = N, .url = numbered, .answer = noted, .arg = &m};
    assert_int_equal(fl_http_do_many(m.e.h, &m.e.ctx, &many, &m.e.err), FL_E_INVALID);
    assert_int_equal(fl_peer_count(m.p), 0);
    many_release(&m);
}

/* ---- beside others ---- */

struct crowd {
    struct many_env *m;
    atomic_int answers;
};

static bool counted(void *arg, size_t i, const struct fl_http_resp *r)
{
    struct crowd *c = arg;
    (void)i;
    atomic_fetch_add(&c->answers, r->status == 200 ? 1 : 0);
    return true;
}

static const char *same(void *arg, size_t i)
{
    const struct crowd *c = arg;
    (void)i;
    return c->m->url;
}

static void *crowd_many(void *arg)
{
    struct crowd *c = arg;
    const struct fl_http_req req = {.method = "HEAD"};
    const struct fl_http_many many = {
        .req = &req, .n = 60, .url = same, .answer = counted, .arg = c};
    struct fl_err err = FL_ERR_INIT;
    return fl_http_do_many(c->m->e.h, &c->m->e.ctx, &many, &err) ? c : NULL;
}

static void *crowd_one(void *arg)
{
    struct crowd *c = arg;
    int rc = 0;
    for (int i = 0; i < 20 && rc == 0; i++) {
        const struct fl_http_req req = {.method = "HEAD", .url = c->m->url};
        struct fl_err err = FL_ERR_INIT;
        fl_auto_val(fl_http_resp) r;
        fl_http_resp_init(&r);
        rc = fl_http_do(c->m->e.h, &c->m->e.ctx, &req, &r, &err);
    }
    return rc ? c : NULL;
}

static void test_many__shares_the_limit_with_others(void **state)
{
    (void)state;
    struct many_env m;
    many_init(&m, &(struct fl_http_conf){.max_conns = 2});
    m.p = fl_peer_new(&(struct fl_peer_conf){.handle = parity, .arg = &m});
    struct crowd c = {.m = &m};
    (void)numbered(&m, 0);
    pthread_t t[4];
    for (size_t i = 0; i < FL_LEN(t); i++) {
        fl_thread_start(&t[i], "client", i % 2 ? crowd_one : crowd_many, &c);
    }
    for (size_t i = 0; i < FL_LEN(t); i++) {
        void *failed;
        assert_int_equal(pthread_join(t[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(atomic_load(&c.answers), 120);
    assert_int_equal(fl_peer_count(m.p), 160);
    assert_true(m.most <= 2);
    many_release(&m);
}

int main(void)
{
    fl_http_global_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many__each_is_answered_once_within_the_limit),
        cmocka_unit_test(test_many__none_is_fine),
        cmocka_unit_test(test_many__stopped_begins_no_more),
        cmocka_unit_test(test_many__the_first_failure_ends_it),
        cmocka_unit_test(test_many__bad_requests_are_not_sent),
        cmocka_unit_test(test_many__shares_the_limit_with_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
