/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include <sched.h>
#include <stdatomic.h>

#include "base/clock.h"

static void test_clock__fake_moves_only_when_told(void **state)
{
    (void)state;
    fl_auto(fl_clock) c = fl_clock_fake_new(1700000000123);
    assert_int_equal(fl_clock_mono_ms(c), 0);
    assert_int_equal(fl_clock_wall_ms(c), 1700000000123);
    assert_int_equal(fl_clock_wall_us(c), 1700000000123000);
    fl_clock_advance(c, 0);
    fl_clock_advance(c, 1500);
    assert_int_equal(fl_clock_mono_ms(c), 1500);
    assert_int_equal(fl_clock_wall_ms(c), 1700000001623);
    assert_int_equal(fl_clock_wall_us(c), 1700000001623000);
}

static void test_clock__real_is_shared_and_does_not_go_back(void **state)
{
    (void)state;
    struct fl_clock *c = fl_clock_real();
    assert_ptr_equal(c, fl_clock_real());
    int64_t before = fl_clock_mono_ms(c);
    assert_true(before > 0);
    assert_true(fl_clock_mono_ms(c) >= before);
    assert_true(fl_clock_wall_ms(c) > 1577836800000); /* 2020 */
    assert_true(fl_clock_wall_us(c) / 1000 >= 1577836800000);
    fl_clock_free(c); /* ignored */
    fl_clock_free(NULL);
    assert_true(fl_clock_mono_ms(c) >= before);
}

static void test_clock__passed_deadline_returns_at_once(void **state)
{
    (void)state;
    fl_auto(fl_clock) fake = fl_clock_fake_new(0);
    struct fl_lock l;
    struct fl_cond cond;
    fl_lock_init(&l, "l", FL_RANK_QUEUE);
    fl_cond_init(&cond);
    fl_clock_advance(fake, 100);
    fl_lock_take(&l);
    fl_clock_wait(fake, &cond, &l, 100);
    fl_clock_wait(fake, &cond, &l, -5);
    fl_clock_wait(fl_clock_real(), &cond, &l, 0);
    fl_clock_wait(fl_clock_real(), &cond, &l, -5);
    fl_lock_assert_held(&l);
    fl_lock_drop(&l);
    fl_cond_destroy(&cond);
    fl_lock_destroy(&l);
}

/* Sleepers whose lock and condition live only as long as their wait: what an advance must not
 * outlive. */
struct sleeper {
    struct fl_clock *clock;
    int64_t deadline_ms;
    int64_t woke_ms;
    atomic_int *ended;
};

static void *sleep_until(void *p)
{
    struct sleeper *s = p;
    struct fl_lock l;
    struct fl_cond cond;
    fl_lock_init(&l, "sleeper", FL_RANK_QUEUE);
    fl_cond_init(&cond);
    fl_lock_take(&l);
    while (fl_clock_mono_ms(s->clock) < s->deadline_ms) {
        fl_clock_wait(s->clock, &cond, &l, s->deadline_ms);
    }
    s->woke_ms = fl_clock_mono_ms(s->clock);
    fl_lock_drop(&l);
    fl_cond_destroy(&cond);
    fl_lock_destroy(&l);
    atomic_fetch_add(s->ended, 1);
    return NULL;
}

/* Each step is a chance to lose a wake-up: then a join never ends, and the test's time limit says
 * so. */
static void test_clock__advance_loses_no_waiter(void **state)
{
    (void)state;
    enum { THREADS = 8, ROUNDS = 60 };
    for (int round = 0; round < ROUNDS; round++) {
        fl_auto(fl_clock) c = fl_clock_fake_new(0);
        struct sleeper sleepers[THREADS];
        pthread_t threads[THREADS];
        atomic_int ended = 0;
        for (int i = 0; i < THREADS; i++) {
            sleepers[i] = (struct sleeper){c, 10 + i, -1, &ended};
            fl_thread_start(&threads[i], "sleeper", sleep_until, &sleepers[i]);
        }
        for (int step = 0; step < 10 + THREADS; step++) {
            fl_clock_advance(c, 1);
        }
        for (int i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_true(sleepers[i].woke_ms >= sleepers[i].deadline_ms);
        }
        assert_int_equal(atomic_load(&ended), THREADS);
    }
}

struct race {
    struct fl_clock *clock;
    atomic_int ready; /* the round in which the sleeper is about to wait */
    int rounds;
};

static void *wait_each_round(void *p)
{
    struct race *r = p;
    struct fl_lock l;
    struct fl_cond cond;
    fl_lock_init(&l, "race", FL_RANK_QUEUE);
    fl_cond_init(&cond);
    fl_lock_take(&l);
    for (int round = 1; round <= r->rounds; round++) {
        atomic_store(&r->ready, round);
        while (fl_clock_mono_ms(r->clock) < round) {
            fl_clock_wait(r->clock, &cond, &l, round);
        }
    }
    fl_lock_drop(&l);
    fl_cond_destroy(&cond);
    fl_lock_destroy(&l);
    return NULL;
}

/* One advance a round, at the moment when the sleeper has looked at the time and is not yet asleep:
 * no second one would make up for a wake-up that fell in between. */
static void test_clock__advance_between_look_and_sleep_is_seen(void **state)
{
    (void)state;
    fl_auto(fl_clock) c = fl_clock_fake_new(0);
    struct race r = {.clock = c, .ready = 0, .rounds = 15000};
    pthread_t thread;
    fl_thread_start(&thread, "race", wait_each_round, &r);
    for (int round = 1; round <= r.rounds; round++) {
        while (atomic_load(&r.ready) < round) {
            (void)sched_yield();
        }
        for (volatile int spin = 0; spin < round % 400; spin++) {
        }
        fl_clock_advance(c, 1);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(fl_clock_mono_ms(c), r.rounds);
}

struct pusher {
    struct fl_clock *clock;
    atomic_int *ended;
};

static void *push_until_all_ended(void *p)
{
    struct pusher *pusher = p;
    while (atomic_load(pusher->ended) < 6) {
        fl_clock_advance(pusher->clock, 1);
        (void)sched_yield();
    }
    return NULL;
}

static void test_clock__advances_from_several_threads(void **state)
{
    (void)state;
    fl_auto(fl_clock) c = fl_clock_fake_new(0);
    atomic_int ended = 0;
    struct sleeper sleepers[6];
    struct pusher pusher = {c, &ended};
    pthread_t threads[6];
    pthread_t pushers[3];
    for (int i = 0; i < 6; i++) {
        sleepers[i] = (struct sleeper){c, 1 + 50 * i, -1, &ended};
        fl_thread_start(&threads[i], "sleeper", sleep_until, &sleepers[i]);
    }
    for (int i = 0; i < 3; i++) {
        fl_thread_start(&pushers[i], "pusher", push_until_all_ended, &pusher);
    }
    for (int i = 0; i < 6; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(pushers[i], NULL), 0);
    }
    assert_int_equal(atomic_load(&ended), 6);
}

struct mailbox {
    struct fl_clock *clock;
    struct fl_lock l;
    struct fl_cond cond;
    bool full;
    bool taken;
};

static void *take_mail(void *p)
{
    struct mailbox *m = p;
    fl_lock_scope(&m->l);
    while (!m->full) {
        fl_clock_wait(m->clock, &m->cond, &m->l, FL_NEVER);
    }
    m->taken = true;
    return NULL;
}

static void wait_for_mail_under(struct fl_clock *clock)
{
    struct mailbox m = {.clock = clock};
    pthread_t thread;
    fl_lock_init(&m.l, "mailbox", FL_RANK_QUEUE);
    fl_cond_init(&m.cond);
    fl_thread_start(&thread, "mail", take_mail, &m);
    fl_lock_take(&m.l);
    m.full = true;
    fl_cond_signal(&m.cond);
    fl_lock_drop(&m.l);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(m.taken);
    fl_cond_destroy(&m.cond);
    fl_lock_destroy(&m.l);
}

static void test_clock__signal_ends_wait_without_deadline(void **state)
{
    (void)state;
    fl_auto(fl_clock) fake = fl_clock_fake_new(0);
    wait_for_mail_under(fake);
    wait_for_mail_under(fl_clock_real());
    assert_int_equal(fl_clock_mono_ms(fake), 0);
}

static void go_back(void)
{
    fl_clock_advance(fl_clock_fake_new(0), -1);
}

static void move_real(void)
{
    fl_clock_advance(fl_clock_real(), 1);
}

static void test_clock__impossible_moves_abort(void **state)
{
    (void)state;
    assert_true(aborts(go_back));
    assert_true(aborts(move_real));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock__fake_moves_only_when_told),
        cmocka_unit_test(test_clock__real_is_shared_and_does_not_go_back),
        cmocka_unit_test(test_clock__passed_deadline_returns_at_once),
        cmocka_unit_test(test_clock__advance_loses_no_waiter),
        cmocka_unit_test(test_clock__advance_between_look_and_sleep_is_seen),
        cmocka_unit_test(test_clock__advances_from_several_threads),
        cmocka_unit_test(test_clock__signal_ends_wait_without_deadline),
        cmocka_unit_test(test_clock__impossible_moves_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
