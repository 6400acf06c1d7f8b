/* SPDX-License-Identifier: Apache-2.0
 * What makes a pass due and what the pass is told of it: wakes from outside, intervals left out,
 * the first passes after a start, deletion. One controller of the test's own, over a small API
 * in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/scheme.h"
#include "api/v1alpha1/git_mirror.h"
#include "base/log.h"
#include "engine/engine_priv.h"
#include "unit/kube/fake_api.h"

#define NS "/apis/fairlead.dev/v1alpha1/namespaces/n/gitmirrors"
#define MIRROR NS "/a"
#define MINUTE_MS INT64_C(60000)
#define HOOK FL_WAKE_HOOK

struct rig {
    struct fl_clock *clock;
    struct fake_api *api;
    struct fl_kube *kube;
    struct fl_metrics *metrics;
    struct fl_engine *engine;
    struct fl_lock lock; /* guards what follows */
    struct fl_cond changed;
    int passes, finalized, inside, canceled;
    struct fl_wake last;
    bool hold;            /* a pass waits until it is let go or cancelled */
    bool stall;           /* a pass fails with INVALID */
    bool fail;            /* with UNAVAILABLE */
    int64_t first_ms[64]; /* when each pass began, mono */
};

static struct fl_result rig_pass(void *self, struct fl_pass *p)
{
    struct rig *g = self;
    bool stall;
    bool fail;
    {
        fl_lock_scope(&g->lock);
        g->last = p->wake;
        g->first_ms[g->passes % 64] = fl_clock_mono_ms(p->ctx.clock);
        g->passes++;
        g->inside++;
        fl_cond_broadcast(&g->changed);
        while (g->hold && !fl_ctx_canceled(&p->ctx)) {
            /* A cancel is an atomic flag that wakes nobody: look now and then. */
            (void)fl_cond_wait_until(&g->changed, &g->lock, fl_clock_mono_ms(fl_clock_real()) + 5);
        }
        g->inside--;
        g->canceled += fl_ctx_canceled(&p->ctx) ? 1 : 0;
        stall = g->stall;
        fail = g->fail;
    }
    struct fl_err err = FL_ERR_INIT;
    if (fl_ctx_check(&p->ctx, "pass", &err) < 0) {
        return fl_failed(&err);
    }
    if (fail) {
        fl_fail(&err, FL_E_UNAVAILABLE, "Down", "down");
        return fl_failed(&err);
    }
    if (stall) {
        fl_fail(&err, FL_E_INVALID, "Wrong", "wrong");
        return fl_failed(&err);
    }
    fl_pass_ready(p, "Succeeded", "all is well");
    return fl_done();
}

static struct fl_result rig_finalize(void *self, struct fl_pass *p)
{
    struct rig *g = self;
    struct fl_err err = FL_ERR_INIT;
    assert_int_equal(fl_ctx_check(&p->ctx, "finalize", &err), 0);
    fl_lock_scope(&g->lock);
    g->finalized++;
    fl_cond_broadcast(&g->changed);
    return fl_done();
}

static void rig_start(struct rig *g, struct fl_controller c)
{
    c.name = "gitmirror";
    c.kind = &fl_kind_git_mirror;
    c.self = g;
    c.common = true;
    c.reconcile = rig_pass;
    c.workers = 2;
    g->metrics = fl_metrics_new();
    g->engine = fl_engine_new(&(struct fl_engine_conf){.kube = g->kube,
                                                       .clock = g->clock,
                                                       .metrics = g->metrics,
                                                       .instance = "host",
                                                       .jitter_percent = -1});
    fl_engine_add(g->engine, &c);
    fl_engine_start(g->engine);
}

static void rig_stop(struct rig *g)
{
    fl_engine_stop(g->engine, 0);
    fl_engine_free(g->engine);
    fl_metrics_free(g->metrics);
}

static int rig_up(void **state)
{
    struct rig *g = FL_NEW(struct rig);
    fl_log_setup(FL_LOG_ERROR, FL_LOG_TEXT);
    g->clock = fl_clock_fake_new(1767225600000);
    g->api = fake_api_new();
    g->kube = fl_kube_new_local(fake_api_serve, g->api, "tester", g->clock);
    fl_lock_init(&g->lock, "rig", FL_RANK_APP);
    fl_cond_init(&g->changed);
    *state = g;
    return 0;
}

static int rig_down(void **state)
{
    struct rig *g = *state;
    rig_stop(g);
    fl_kube_free(g->kube);
    fake_api_free(g->api);
    fl_clock_free(g->clock);
    fl_cond_destroy(&g->changed);
    fl_lock_destroy(&g->lock);
    fl_free(g);
    return 0;
}

static void make(struct rig *g, const char *name, const char *more)
{
    fl_auto_text body = fl_asprintf(
        "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"url\":\"https://h.example/r.git\"%s}}", name,
        more);
    assert_int_equal(fake_api_call(g->api, "POST", NS, body), 201);
}

static void wait_for(struct rig *g, const int *counter, int n)
{
    fl_lock_scope(&g->lock);
    while (*counter < n) {
        fl_cond_wait(&g->changed, &g->lock);
    }
}

static int read_int(struct rig *g, const int *counter)
{
    fl_lock_scope(&g->lock);
    return *counter;
}

static struct fl_queue *queue_of(struct rig *g)
{
    return g->engine->loops[0]->queue;
}

static void settle(struct rig *g)
{
    struct fl_engine *e = g->engine;
    size_t waiting = 1;
    size_t busy = 1;
    fl_lock_scope(&e->lock);
    for (;;) {
        fl_queue_count(queue_of(g), &waiting, &busy);
        if (waiting + busy == 0) {
            return;
        }
        fl_cond_wait(&e->changed, &e->lock);
    }
}

static void passes(struct rig *g, int n)
{
    wait_for(g, &g->passes, n);
    settle(g);
    assert_int_equal(read_int(g, &g->passes), n);
}

static void wake(struct rig *g, enum fl_wake_cause cause, const char *detail, int64_t quiet_ms,
                 int64_t max_ms)
{
    assert_true(fl_engine_wake(g->engine, &fl_kind_git_mirror, FL_STR("n"), FL_STR("a"), cause,
                               detail, quiet_ms, max_ms));
}

static void expect_wake(struct rig *g, enum fl_wake_cause cause, const char *detail)
{
    fl_lock_scope(&g->lock);
    if (g->last.cause != cause || strcmp(g->last.detail, detail) != 0) {
        fail_msg("pass %d: cause %d '%s', wanted %d '%s'", g->passes, g->last.cause, g->last.detail,
                 cause, detail);
    }
}

static void set(struct rig *g, bool *flag, bool value)
{
    fl_lock_scope(&g->lock);
    *flag = value;
    fl_cond_broadcast(&g->changed);
}

static void patch(struct rig *g, const char *body)
{
    assert_int_equal(fake_api_call(g->api, "PATCH", MIRROR, body), 200);
}

/* ---- waking ---- */

static void test_wake__pass_is_told_why_it_comes(void **state)
{
    struct rig *g = *state;
    make(g, "a", ",\"interval\":\"1m\"");
    rig_start(g, (struct fl_controller){0});
    passes(g, 1);
    expect_wake(g, FL_WAKE_CHANGE, "");
    fl_clock_advance(g->clock, MINUTE_MS);
    passes(g, 2);
    expect_wake(g, FL_WAKE_CLOCK, "");
    wake(g, HOOK, "delivery-1", 0, 0);
    passes(g, 3);
    expect_wake(g, HOOK, "delivery-1");
    patch(g, "{\"spec\":{\"timeout\":\"3m\"}}");
    passes(g, 4);
    expect_wake(g, FL_WAKE_CHANGE, "");
    patch(g, "{\"metadata\":{\"annotations\":{\"fairlead.dev/requested-at\":\"now\"}}}");
    passes(g, 5);
    expect_wake(g, FL_WAKE_REQUEST, "");
    fl_clock_advance(g->clock, MINUTE_MS);
    passes(g, 6);
    expect_wake(g, FL_WAKE_CLOCK, "");
    wake(g, FL_WAKE_REQUEST, NULL, 0, 0);
    passes(g, 7);
    expect_wake(g, FL_WAKE_REQUEST, "");
}

static void test_wake__who_is_not_there_is_nothing(void **state)
{
    struct rig *g = *state;
    make(g, "a", "");
    rig_start(g, (struct fl_controller){0});
    passes(g, 1);
    assert_false(
        fl_engine_wake(g->engine, &fl_kind_registry, FL_STR("n"), FL_STR("a"), HOOK, NULL, 0, 0));
    assert_true(
        fl_engine_wake(g->engine, &fl_kind_git_mirror, FL_STR("n"), FL_STR("b"), HOOK, NULL, 0, 0));
    assert_true(
        fl_engine_wake(g->engine, &fl_kind_git_mirror, FL_STR("m"), FL_STR("a"), HOOK, NULL, 0, 0));
    passes(g, 1);
}

static void test_wake__long_detail_is_cut(void **state)
{
    struct rig *g = *state;
    char detail[200];
    memset(detail, 'x', sizeof(detail));
    detail[sizeof(detail) - 1] = '\0';
    make(g, "a", "");
    rig_start(g, (struct fl_controller){0});
    passes(g, 1);
    wake(g, HOOK, detail, 0, 0);
    passes(g, 2);
    detail[100] = '\0';
    expect_wake(g, HOOK, detail);
}

static void test_wake__r13_many_wakes_are_one_pass_after_silence_or_the_longest_wait(void **state)
{
    struct rig *g = *state;
    make(g, "a", ",\"interval\":\"0\"");
    rig_start(g, (struct fl_controller){0});
    passes(g, 1);
    for (int i = 0; i < 100; i++) { /* ten times a second for ten seconds */
        wake(g, HOOK, "push", 2000, 30000);
        fl_clock_advance(g->clock, 100);
    }
    passes(g, 1);
    fl_clock_advance(g->clock, 1899);
    passes(g, 1);
    fl_clock_advance(g->clock, 1);
    passes(g, 2);
    int64_t from = fl_clock_mono_ms(g->clock);
    for (int i = 0; i < 59; i++) { /* never silent */
        wake(g, HOOK, "push", 2000, 30000);
        fl_clock_advance(g->clock, 500);
    }
    passes(g, 2);
    fl_clock_advance(g->clock, 500);
    passes(g, 3);
    assert_int_equal(g->first_ms[2] - from, 30000);
}

static void test_wake__r12_wakes_during_a_pass_leave_exactly_one_more(void **state)
{
    struct rig *g = *state;
    make(g, "a", ",\"interval\":\"0\"");
    rig_start(g, (struct fl_controller){0});
    passes(g, 1);
    for (int round = 0; round < 2; round++) {
        int64_t quiet = round == 0 ? 0 : 2000;
        int before = read_int(g, &g->passes);
        set(g, &g->hold, true);
        wake(g, HOOK, "first", 0, 0);
        wait_for(g, &g->passes, before + 1);
        for (int i = 0; i < 10; i++) {
            wake(g, HOOK, "meanwhile", quiet, 30000);
        }
        wake(g, FL_WAKE_CHANGE, NULL, 0, 0);
        assert_int_equal(read_int(g, &g->inside), 1);
        set(g, &g->hold, false);
        passes(g, before + 2);
        expect_wake(g, HOOK, "meanwhile");
        fl_clock_advance(g->clock, 60000);
        passes(g, before + 2);
    }
}

/* A host that is down and whose hooks keep coming is not asked each second. */
static void test_wake__many_wakes_do_not_undo_the_back_off(void **state)
{
    struct rig *g = *state;
    make(g, "a", ",\"interval\":\"0\"");
    set(g, &g->fail, true);
    rig_start(g, (struct fl_controller){0});
    wait_for(g, &g->passes, 1);
    for (int i = 0; i < 150; i++) {
        wake(g, HOOK, "push", 2000, 30000);
        fl_clock_advance(g->clock, 100);
        settle(g);
    }
    /* 1 s, 2 s, 4 s, 8 s, of which up to half is left out */
    assert_in_range(read_int(g, &g->passes), 4, 6);
    set(g, &g->fail, false);
    int n = read_int(g, &g->passes);
    fl_clock_advance(g->clock, 2000); /* the silence after the last wakes it all the same */
    wait_for(g, &g->passes, n + 1);
}

static void test_wake__stalled_object_is_woken(void **state)
{
    struct rig *g = *state;
    make(g, "a", "");
    set(g, &g->stall, true);
    rig_start(g, (struct fl_controller){0});
    passes(g, 1);
    set(g, &g->stall, false);
    wake(g, HOOK, "x", 0, 0);
    passes(g, 2);
    fl_auto_text text = fake_api_text(g->api, MIRROR);
    assert_non_null(strstr(text, "all is well"));
}

/* ---- the clock ---- */

static void test_wake__interval_left_out_is_the_controllers(void **state)
{
    static const struct {
        const char *name, *more;
        int64_t interval_ms;
        bool stall;
        int64_t want_ms; /* 0: never */
    } rows[] = {
        {"left out", "", 7 * MINUTE_MS, false, 7 * MINUTE_MS},
        {"left out, the server's is never", "", 0, false, 0},
        {"its own", ",\"interval\":\"3m\"", 7 * MINUTE_MS, false, 3 * MINUTE_MS},
        {"r2 0 is never", ",\"interval\":\"0\"", 7 * MINUTE_MS, false, 0},
        {"stalled, left out", "", 7 * MINUTE_MS, true, 7 * MINUTE_MS},
        {"stalled, never", ",\"interval\":\"0\"", 7 * MINUTE_MS, true, 10 * MINUTE_MS},
    };
    struct rig *g = *state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        make(g, "a", rows[i].more);
        set(g, &g->stall, rows[i].stall);
        rig_start(g, (struct fl_controller){.interval_ms = rows[i].interval_ms});
        wait_for(g, &g->passes, (int)i + 1);
        settle(g);
        int64_t next = fl_queue_next_ms(queue_of(g));
        int64_t left = next == FL_NEVER ? 0 : next - fl_clock_mono_ms(g->clock);
        if (left != rows[i].want_ms) {
            fail_msg("%s: next in %lld ms", rows[i].name, (long long)left);
        }
        assert_int_equal(fake_api_call(g->api, "DELETE", MIRROR, ""), 200);
        if (i + 1 < FL_LEN(rows)) {
            rig_stop(g);
        }
    }
}

static void test_wake__r8_first_passes_after_a_start_are_spread(void **state)
{
    struct rig *g = *state;
    enum { N = 40 };
    for (int i = 0; i < N; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "m%d", i);
        make(g, name, i < N / 2 ? "" : ",\"interval\":\"20m\"");
    }
    const struct fl_controller c = {.interval_ms = 10 * MINUTE_MS, .spread = true};
    rig_start(g, c);
    passes(g, N); /* new ones come at once */
    assert_int_equal(g->first_ms[N - 1], 0);
    rig_stop(g);
    make(g, "fresh", "");
    assert_int_equal(fake_api_call(g->api, "PATCH", NS "/m0", "{\"spec\":{\"timeout\":\"3m\"}}"),
                     200);
    assert_int_equal(fake_api_call(g->api, "PATCH", NS "/m1",
                                   "{\"metadata\":{\"annotations\":"
                                   "{\"fairlead.dev/requested-at\":\"x\"}}}"),
                     200);
    rig_start(g, c);
    passes(g, N + 3); /* what changed while nobody looked */
    int64_t next = fl_queue_next_ms(queue_of(g));
    assert_true(next > 0 && next < MINUTE_MS);
    fl_clock_advance(g->clock, MINUTE_MS);
    wait_for(g, &g->passes, N + 3 + N / 2 - 2);
    settle(g);
    int after_one = read_int(g, &g->passes);
    assert_true(after_one < N + 3 + N - 2); /* not all: some have a longer interval */
    fl_clock_advance(g->clock, MINUTE_MS);
    wait_for(g, &g->passes, N + 3 + N - 2);
    expect_wake(g, FL_WAKE_CHANGE, "");
}

/* ---- deletion ---- */

static void test_wake__r9_deletion_cuts_off_the_pass_and_finalizes(void **state)
{
    struct rig *g = *state;
    make(g, "a", "");
    set(g, &g->hold, true);
    rig_start(g, (struct fl_controller){.finalize = rig_finalize});
    wait_for(g, &g->inside, 1);
    assert_int_equal(fake_api_call(g->api, "DELETE", MIRROR, ""), 200);
    wait_for(g, &g->finalized, 1);
    settle(g);
    assert_int_equal(read_int(g, &g->canceled), 1);
    assert_int_equal(read_int(g, &g->passes), 1);
    fl_auto_text text = fake_api_text(g->api, MIRROR);
    assert_null(text);
}

static void test_wake__change_does_not_cut_off_the_pass(void **state)
{
    struct rig *g = *state;
    make(g, "a", "");
    set(g, &g->hold, true);
    rig_start(g, (struct fl_controller){.finalize = rig_finalize});
    wait_for(g, &g->inside, 1);
    patch(g, "{\"spec\":{\"timeout\":\"3m\"}}");
    set(g, &g->hold, false);
    wait_for(g, &g->passes, 2);
    settle(g);
    assert_int_equal(read_int(g, &g->canceled), 0);
}

#define wake_test(f) cmocka_unit_test_setup_teardown(f, rig_up, rig_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        wake_test(test_wake__pass_is_told_why_it_comes),
        wake_test(test_wake__who_is_not_there_is_nothing),
        wake_test(test_wake__long_detail_is_cut),
        wake_test(test_wake__r13_many_wakes_are_one_pass_after_silence_or_the_longest_wait),
        wake_test(test_wake__r12_wakes_during_a_pass_leave_exactly_one_more),
        wake_test(test_wake__many_wakes_do_not_undo_the_back_off),
        wake_test(test_wake__stalled_object_is_woken),
        wake_test(test_wake__interval_left_out_is_the_controllers),
        wake_test(test_wake__r8_first_passes_after_a_start_are_spread),
        wake_test(test_wake__r9_deletion_cuts_off_the_pass_and_finalizes),
        wake_test(test_wake__change_does_not_cut_off_the_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
