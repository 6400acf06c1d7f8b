/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/pass.h"
#include "engine/queue.h"

#define LEN_KEY FL_QUEUE_KEY

#define WAKE_MAX_MS 30

/* A script of one-word steps over one queue, whose result is the keys handed out, in order:
 *   "+k" add to the fast lane, "-k" to the slow one, "g" get (only when something waits), "d k" done,
 *   "@k:ms" add after, "w k:ms" wake when it was quiet for ms (at most WAKE_MAX_MS after the first),
 *   "t:ms" move the clock, "x k" remove */
struct step {
    char what; /* + - g d @ w t x */
    const char *key;
    int64_t ms;
};

struct script {
    const char *name;
    struct step steps[16];
    const char *want;
    size_t want_left;
    int64_t want_next; /* 0: FL_NEVER */
};

static const struct script scripts[] = {
    {"added twice is handed out once", {{'+', "a", 0}, {'+', "a", 0}, {'g', 0, 0}}, "a", 0, 0},
    {"in order", {{'+', "a", 0}, {'+', "b", 0}, {'g', 0, 0}, {'g', 0, 0}}, "ab", 0, 0},
    {"added while worked on waits for done",
     {{'+', "a", 0}, {'g', 0, 0}, {'+', "a", 0}, {'g', 0, 0}, {'d', "a", 0}, {'g', 0, 0}},
     "a.a",
     0,
     0},
    {"done without an add forgets",
     {{'+', "a", 0}, {'g', 0, 0}, {'d', "a", 0}, {'g', 0, 0}},
     "a.",
     0,
     0},
    {"a delay comes due",
     {{'@', "a", 50}, {'t', 0, 49}, {'g', 0, 0}, {'t', 0, 1}, {'g', 0, 0}},
     ".a",
     0,
     0},
    {"the earlier delay wins, set first",
     {{'@', "a", 50}, {'@', "a", 90}, {'t', 0, 50}, {'g', 0, 0}},
     "a",
     0,
     0},
    {"the earlier delay wins, set last",
     {{'@', "a", 90}, {'@', "a", 50}, {'t', 0, 50}, {'g', 0, 0}},
     "a",
     0,
     0},
    {"delays of several keys come in order of time",
     {{'@', "c", 30},
      {'@', "a", 10},
      {'@', "b", 20},
      {'t', 0, 10},
      {'g', 0, 0},
      {'t', 0, 10},
      {'g', 0, 0},
      {'t', 0, 10},
      {'g', 0, 0}},
     "abc",
     0,
     0},
    {"a plain add leaves the delay", {{'@', "a", 50}, {'+', "a", 0}}, "", 1, 50},
    {"handing out drops the delay", {{'@', "a", 50}, {'+', "a", 0}, {'g', 0, 0}}, "a", 0, 0},
    {"a delay set while worked on stays",
     {{'+', "a", 0}, {'g', 0, 0}, {'@', "a", 50}, {'d', "a", 0}, {'t', 0, 50}, {'g', 0, 0}},
     "aa",
     0,
     0},
    {"no delay is now", {{'@', "a", 0}, {'g', 0, 0}}, "a", 0, 0},
    {"removed: the delay goes",
     {{'@', "a", 50}, {'x', "a", 0}, {'t', 0, 50}, {'g', 0, 0}},
     ".",
     0,
     0},
    {"the fast lane first", {{'-', "s", 0}, {'+', "a", 0}, {'g', 0, 0}, {'g', 0, 0}}, "as", 0, 0},
    {"one in four is slow",
     {{'-', "s", 0},
      {'-', "t", 0},
      {'+', "a", 0},
      {'+', "b", 0},
      {'+', "c", 0},
      {'+', "d", 0},
      {'+', "e", 0},
      {'g', 0, 0},
      {'g', 0, 0},
      {'g', 0, 0},
      {'g', 0, 0},
      {'g', 0, 0},
      {'g', 0, 0},
      {'g', 0, 0}},
     "abcsdet",
     0,
     0},
    {"a slow key moves to the fast lane",
     {{'-', "s", 0}, {'-', "t", 0}, {'+', "t", 0}, {'g', 0, 0}, {'g', 0, 0}},
     "ts",
     0,
     0},
    {"a wake without a window is now", {{'w', "a", 0}, {'g', 0, 0}}, "a", 0, 0},
    {"a wake waits for silence",
     {{'w', "a", 10}, {'t', 0, 9}, {'g', 0, 0}, {'t', 0, 1}, {'g', 0, 0}},
     ".a",
     0,
     0},
    {"each wake begins the silence anew",
     {{'w', "a", 10},
      {'t', 0, 9},
      {'w', "a", 10},
      {'t', 0, 9},
      {'g', 0, 0},
      {'t', 0, 1},
      {'g', 0, 0},
      {'d', "a", 0},
      {'t', 0, 100},
      {'g', 0, 0}},
     ".a.",
     0,
     0},
    {"but not for ever",
     {{'w', "a", 10},
      {'t', 0, 9},
      {'w', "a", 10},
      {'t', 0, 9},
      {'w', "a", 10},
      {'t', 0, 9},
      {'w', "a", 10},
      {'t', 0, 2},
      {'g', 0, 0},
      {'t', 0, 1},
      {'g', 0, 0}},
     ".a",
     0,
     0},
    {"the longest wait begins with the first of each batch",
     {{'w', "a", 10},
      {'t', 0, 10},
      {'g', 0, 0},
      {'d', "a", 0},
      {'t', 0, 40},
      {'w', "a", 10},
      {'t', 0, 5},
      {'w', "a", 10},
      {'t', 0, 9},
      {'g', 0, 0},
      {'t', 0, 1},
      {'g', 0, 0}},
     "a.a",
     0,
     0},
    {"wakes while worked on are one more",
     {{'+', "a", 0},
      {'g', 0, 0},
      {'w', "a", 10},
      {'w', "a", 10},
      {'w', "a", 0},
      {'w', "a", 10},
      {'d', "a", 0},
      {'g', 0, 0},
      {'d', "a", 0},
      {'t', 0, 100},
      {'g', 0, 0}},
     "aa.",
     0,
     0},
    {"a window that ends while worked on is one more",
     {{'+', "a", 0},
      {'g', 0, 0},
      {'w', "a", 10},
      {'t', 0, 10},
      {'g', 0, 0},
      {'d', "a", 0},
      {'g', 0, 0},
      {'d', "a", 0},
      {'t', 0, 100},
      {'g', 0, 0}},
     "a.a.",
     0,
     0},
    {"handed out for another reason, the window is over",
     {{'w', "a", 10}, {'+', "a", 0}, {'g', 0, 0}, {'d', "a", 0}, {'t', 0, 10}, {'g', 0, 0}},
     "a.",
     0,
     0},
    {"a wake does not put off a delay",
     {{'@', "a", 5}, {'w', "a", 10}, {'t', 0, 5}, {'g', 0, 0}},
     "a",
     0,
     0},
    {"a delay does not bring the window forward",
     {{'w', "a", 10}, {'@', "a", 50}, {'t', 0, 9}, {'g', 0, 0}, {'t', 0, 1}, {'g', 0, 0}},
     ".a",
     0,
     0},
    {"a delay set by the pass leaves the window alone",
     {{'+', "a", 0},
      {'g', 0, 0},
      {'w', "a", 10},
      {'@', "a", 50},
      {'d', "a", 0},
      {'t', 0, 10},
      {'g', 0, 0}},
     "aa",
     0,
     0},
    {"what was woken is fast",
     {{'-', "s", 0}, {'w', "a", 10}, {'t', 0, 10}, {'g', 0, 0}, {'g', 0, 0}},
     "as",
     0,
     0},
    {"removed: the window goes",
     {{'w', "a", 10}, {'x', "a", 0}, {'t', 0, 10}, {'g', 0, 0}},
     ".",
     0,
     0},
    {"what is due is slow",
     {{'@', "s", 10}, {'t', 0, 10}, {'+', "a", 0}, {'g', 0, 0}, {'g', 0, 0}},
     "as",
     0,
     0},
};

static void step_do(struct fl_queue *q, struct fl_clock *clock, const struct step *s,
                    struct fl_buf *out)
{
    char key[LEN_KEY];
    struct fl_str k = fl_str_of(s->key);
    switch (s->what) {
    case '+':
        fl_queue_add(q, k, FL_LANE_FAST);
        break;
    case '-':
        fl_queue_add(q, k, FL_LANE_SLOW);
        break;
    case '@':
        fl_queue_add_after(q, k, s->ms);
        break;
    case 'w':
        fl_queue_wake(q, k, &(struct fl_wake){.cause = FL_WAKE_HOOK}, s->ms, WAKE_MAX_MS);
        break;
    case 't':
        fl_clock_advance(clock, s->ms);
        break;
    case 'd':
        fl_queue_done(q, k);
        break;
    case 'x':
        fl_queue_remove(q, k);
        break;
    case 'g':
        if (fl_queue_len(q) == 0) {
            fl_buf_char(out, '.');
        } else if (fl_queue_get(q, key)) {
            fl_buf_text(out, key);
        }
        break;
    default:
        break;
    }
}

static void test_queue__script_hands_out_as_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(scripts); i++) {
        const struct script *s = &scripts[i];
        fl_auto(fl_clock) clock = fl_clock_fake_new(0);
        struct fl_queue *q = fl_queue_new(&(struct fl_queue_conf){.clock = clock});
        fl_auto_val(fl_buf) out = FL_BUF_INIT(256);
        for (size_t k = 0; k < FL_LEN(s->steps) && s->steps[k].what; k++) {
            step_do(q, clock, &s->steps[k], &out);
        }
        if (strcmp(out.data, s->want) != 0 || fl_queue_len(q) != s->want_left ||
            fl_queue_next_ms(q) != (s->want_next ? s->want_next : FL_NEVER)) {
            print_error("%s: got '%s', %zu left, next %lld\n", s->name, out.data, fl_queue_len(q),
                        (long long)fl_queue_next_ms(q));
            fail();
        }
        fl_queue_free(q);
    }
}

static void test_queue__failures_double_up_to_the_cap(void **state)
{
    (void)state;
    fl_auto(fl_clock) clock = fl_clock_fake_new(0);
    struct fl_queue *q = fl_queue_new(
        &(struct fl_queue_conf){.clock = clock, .backoff_min_ms = 100, .backoff_max_ms = 1000});
    static const int64_t full[] = {100, 200, 400, 800, 1000, 1000, 1000};
    for (size_t i = 0; i < FL_LEN(full); i++) {
        int64_t d = fl_queue_add_failed(q, FL_STR("a"));
        if (d < full[i] / 2 || d > full[i]) {
            print_error("failure %zu: %lld\n", i + 1, (long long)d);
            fail();
        }
        assert_int_equal(fl_queue_failures(q, FL_STR("a")), i + 1);
    }
    fl_queue_forget(q, FL_STR("a"));
    assert_int_equal(fl_queue_failures(q, FL_STR("a")), 0);
    assert_in_range(fl_queue_add_failed(q, FL_STR("a")), 50, 100);
    fl_queue_remove(q, FL_STR("a"));
    assert_int_equal(fl_queue_failures(q, FL_STR("a")), 0);
    fl_queue_free(q);
}

static void expect_why(struct fl_queue *q, const char *row, enum fl_wake_cause cause,
                       const char *detail)
{
    struct fl_wake w;
    fl_queue_why(q, FL_STR("a"), &w);
    if (w.cause != cause || strcmp(w.detail, detail) != 0) {
        fail_msg("%s: cause %d '%s', wanted %d '%s'", row, w.cause, w.detail, cause, detail);
    }
}

static void next_pass(struct fl_queue *q)
{
    char key[LEN_KEY];
    fl_queue_done(q, FL_STR("a"));
    assert_true(fl_queue_len(q) > 0);
    assert_true(fl_queue_get(q, key));
}

static void test_queue__pass_is_told_the_strongest_cause_since_the_last(void **state)
{
    (void)state;
    fl_auto(fl_clock) clock = fl_clock_fake_new(0);
    struct fl_queue *q = fl_queue_new(&(struct fl_queue_conf){.clock = clock});
    const struct fl_wake change = {.cause = FL_WAKE_CHANGE};
    const struct fl_wake one = {.cause = FL_WAKE_HOOK, .detail = "delivery 1"};
    const struct fl_wake two = {.cause = FL_WAKE_HOOK, .detail = "delivery 2"};
    expect_why(q, "unknown key", FL_WAKE_CLOCK, "");
    fl_queue_because(q, FL_STR("a"), &change);
    fl_queue_add(q, FL_STR("a"), FL_LANE_SLOW);
    next_pass(q);
    expect_why(q, "change", FL_WAKE_CHANGE, "");
    fl_queue_wake(q, FL_STR("a"), &one, 10, 0);
    fl_queue_wake(q, FL_STR("a"), &two, 10, 0);
    fl_queue_because(q, FL_STR("a"), &change);
    expect_why(q, "what comes meanwhile is for the next", FL_WAKE_CHANGE, "");
    fl_queue_done(q, FL_STR("a"));
    fl_clock_advance(clock, 10);
    next_pass(q);
    expect_why(q, "hook beats change, the newest counts", FL_WAKE_HOOK, "delivery 2");
    fl_queue_add_after(q, FL_STR("a"), 5);
    fl_queue_done(q, FL_STR("a"));
    fl_clock_advance(clock, 5);
    next_pass(q);
    expect_why(q, "clock", FL_WAKE_CLOCK, "");
    fl_queue_wake(q, FL_STR("a"), &one, 10, 0);
    fl_queue_done(q, FL_STR("a"));
    fl_queue_remove(q, FL_STR("a"));
    fl_queue_add(q, FL_STR("a"), FL_LANE_FAST);
    next_pass(q);
    expect_why(q, "removed: forgotten", FL_WAKE_CLOCK, "");
    fl_queue_free(q);
}

static void test_queue__defaults_are_one_second_to_five_minutes(void **state)
{
    (void)state;
    fl_auto(fl_clock) clock = fl_clock_fake_new(0);
    struct fl_queue *q = fl_queue_new(&(struct fl_queue_conf){.clock = clock});
    assert_in_range(fl_queue_add_failed(q, FL_STR("a")), 500, 1000);
    for (int i = 0; i < 40; i++) {
        fl_queue_add_failed(q, FL_STR("a"));
    }
    assert_in_range(fl_queue_add_failed(q, FL_STR("a")), 150000, 300000);
    fl_queue_free(q);
}

struct getter {
    struct fl_queue *q;
    pthread_t thread;
    char key[LEN_KEY];
    bool got;
};

static void *getter_run(void *arg)
{
    struct getter *g = arg;
    g->got = fl_queue_get(g->q, g->key);
    return NULL;
}

static void test_queue__getter_waits_for_the_clock(void **state)
{
    (void)state;
    fl_auto(fl_clock) clock = fl_clock_fake_new(0);
    struct getter g = {.q = fl_queue_new(&(struct fl_queue_conf){.clock = clock})};
    fl_queue_add_after(g.q, FL_STR("ns/a"), 1000);
    fl_thread_start(&g.thread, "getter", getter_run, &g);
    fl_clock_advance(clock, 1000);
    pthread_join(g.thread, NULL);
    assert_true(g.got);
    assert_string_equal(g.key, "ns/a");
    fl_queue_free(g.q);
}

static void test_queue__stop_ends_getters_and_drops_what_waits(void **state)
{
    (void)state;
    fl_auto(fl_clock) clock = fl_clock_fake_new(0);
    struct getter g = {.q = fl_queue_new(&(struct fl_queue_conf){.clock = clock})};
    fl_thread_start(&g.thread, "getter", getter_run, &g);
    fl_queue_add_after(g.q, FL_STR("b"), 1000);
    fl_queue_stop(g.q);
    pthread_join(g.thread, NULL);
    assert_false(g.got);
    fl_queue_add(g.q, FL_STR("a"), FL_LANE_FAST);
    fl_queue_add_after(g.q, FL_STR("a"), 1);
    assert_int_equal(fl_queue_add_failed(g.q, FL_STR("a")), 0);
    assert_int_equal(fl_queue_len(g.q), 0);
    assert_true(fl_queue_next_ms(g.q) == FL_NEVER);
    fl_queue_free(g.q);
}

/* Getters that work until the queue is stopped; `done` counts what they were handed. */
struct crew {
    struct fl_queue *q;
    struct fl_lock lock;
    struct fl_cond changed;
    size_t done;
};

static void *crew_run(void *arg)
{
    struct crew *c = arg;
    char key[LEN_KEY];
    while (fl_queue_get(c->q, key)) {
        fl_queue_done(c->q, fl_str_of(key));
        fl_lock_scope(&c->lock);
        c->done++;
        fl_cond_broadcast(&c->changed);
    }
    return NULL;
}

static void crew_wait(struct crew *c, size_t done)
{
    fl_lock_scope(&c->lock);
    while (c->done < done) {
        fl_cond_wait(&c->changed, &c->lock); /* a wake that is lost ends the test by its timeout */
    }
}

static void test_queue__no_key_is_left_waiting_while_a_getter_is(void **state)
{
    (void)state;
    enum { THREADS = 4, ROUNDS = 300, KEYS = 7 };
    static const char *const keys[KEYS] = {"a", "b", "c", "d", "e", "f", "g"};
    fl_auto(fl_clock) clock = fl_clock_fake_new(0);
    struct crew c = {.q = fl_queue_new(&(struct fl_queue_conf){.clock = clock})};
    pthread_t threads[THREADS];
    size_t want = 0;
    fl_lock_init(&c.lock, "crew", FL_RANK_APP);
    fl_cond_init(&c.changed);
    for (size_t i = 0; i < THREADS; i++) {
        fl_thread_start(&threads[i], "getter", crew_run, &c);
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        size_t n = 1 + round % KEYS;
        for (size_t i = 0; i < n; i++) {
            int64_t delay = (int64_t)((round + i) % 3); /* now, and two moments later */
            fl_queue_add_after(c.q, fl_str_of(keys[i]), delay);
        }
        fl_clock_advance(clock, 1);
        fl_clock_advance(clock, 1);
        want += n;
        crew_wait(&c, want);
    }
    assert_int_equal(c.done, want);
    fl_queue_stop(c.q);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    fl_queue_free(c.q);
    fl_cond_destroy(&c.changed);
    fl_lock_destroy(&c.lock);
}

static void test_queue__series_count(void **state)
{
    (void)state;
    fl_auto(fl_clock) clock = fl_clock_fake_new(0);
    struct fl_metrics *m = fl_metrics_new();
    struct fl_queue_conf conf = {.clock = clock};
    conf.series.adds = fl_metric_counter(m, "adds", "", "h");
    conf.series.retries = fl_metric_counter(m, "retries", "", "h");
    conf.series.depth = fl_metric_gauge(m, "depth", "", "h");
    struct fl_queue *q = fl_queue_new(&conf);
    char key[LEN_KEY];
    fl_queue_add(q, FL_STR("a"), FL_LANE_FAST);
    fl_queue_add(q, FL_STR("a"), FL_LANE_FAST);
    fl_queue_add(q, FL_STR("b"), FL_LANE_FAST);
    assert_int_equal(fl_metric_value(conf.series.depth), 2);
    assert_true(fl_queue_get(q, key));
    assert_int_equal(fl_metric_value(conf.series.depth), 1);
    assert_int_equal(fl_metric_value(conf.series.adds), 2);
    fl_queue_add_failed(q, FL_STR("a"));
    assert_int_equal(fl_metric_value(conf.series.retries), 1);
    fl_queue_free(q);
    fl_metrics_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue__script_hands_out_as_written),
        cmocka_unit_test(test_queue__failures_double_up_to_the_cap),
        cmocka_unit_test(test_queue__pass_is_told_the_strongest_cause_since_the_last),
        cmocka_unit_test(test_queue__defaults_are_one_second_to_five_minutes),
        cmocka_unit_test(test_queue__getter_waits_for_the_clock),
        cmocka_unit_test(test_queue__stop_ends_getters_and_drops_what_waits),
        cmocka_unit_test(test_queue__no_key_is_left_waiting_while_a_getter_is),
        cmocka_unit_test(test_queue__series_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
