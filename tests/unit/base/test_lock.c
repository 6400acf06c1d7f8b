/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include <sys/prctl.h>

#include "base/lock.h"

static void test_lock__rising_ranks_are_taken(void **state)
{
    (void)state;
    struct fl_lock low;
    struct fl_lock high;
    fl_lock_init(&low, "low", FL_RANK_APP);
    fl_lock_init(&high, "high", FL_RANK_STORE);
    for (int i = 0; i < 2; i++) {
        fl_lock_take(&low);
        fl_lock_take(&high);
        fl_lock_assert_held(&low);
        fl_lock_assert_held(&high);
        fl_lock_drop(i ? &low : &high); /* dropped in either order */
        fl_lock_drop(i ? &high : &low);
    }
    fl_lock_take(&high); /* alone, and after the low one was dropped */
    fl_lock_drop(&high);
    fl_lock_destroy(&high);
    fl_lock_destroy(&low);
}

static void test_lock__scope_drops_at_end_of_block(void **state)
{
    (void)state;
    struct fl_lock l;
    fl_lock_init(&l, "l", FL_RANK_APP);
    {
        fl_lock_scope(&l);
        fl_lock_assert_held(&l);
    }
    fl_lock_take(&l); /* would not return if it were still held */
    fl_lock_drop(&l);
    fl_lock_destroy(&l);
}

#ifndef NDEBUG
static void take_falling(void)
{
    struct fl_lock low;
    struct fl_lock high;
    fl_lock_init(&low, "low", FL_RANK_APP);
    fl_lock_init(&high, "high", FL_RANK_STORE);
    fl_lock_take(&high);
    fl_lock_take(&low);
}

static void take_equal(void)
{
    struct fl_lock one;
    struct fl_lock two;
    fl_lock_init(&one, "one", FL_RANK_APP);
    fl_lock_init(&two, "two", FL_RANK_APP);
    fl_lock_take(&one);
    fl_lock_take(&two);
}

static void take_twice(void)
{
    struct fl_lock l;
    fl_lock_init(&l, "l", FL_RANK_APP);
    fl_lock_take(&l);
    fl_lock_take(&l);
}

static void wait_on_lower(void)
{
    struct fl_lock low;
    struct fl_lock high;
    struct fl_cond c;
    fl_lock_init(&low, "low", FL_RANK_APP);
    fl_lock_init(&high, "high", FL_RANK_STORE);
    fl_cond_init(&c);
    fl_lock_take(&low);
    fl_lock_take(&high);
    fl_cond_wait(&c, &low);
}
#endif

static void test_lock__wrong_order_aborts(void **state)
{
    (void)state;
#ifdef NDEBUG
    skip(); /* ranks are not checked in this build */
#else
    assert_true(aborts(take_falling));
    assert_true(aborts(take_equal));
    assert_true(aborts(take_twice));
    assert_true(aborts(wait_on_lower));
#endif
}

static void assert_not_held(void)
{
    struct fl_lock l;
    fl_lock_init(&l, "l", FL_RANK_APP);
    fl_lock_assert_held(&l);
}

static void drop_not_held(void)
{
    struct fl_lock l;
    fl_lock_init(&l, "l", FL_RANK_APP);
    fl_lock_drop(&l);
}

static void destroy_held(void)
{
    struct fl_lock l;
    fl_lock_init(&l, "l", FL_RANK_APP);
    fl_lock_take(&l);
    fl_lock_destroy(&l);
}

static void test_lock__misuse_aborts(void **state)
{
    (void)state;
    assert_true(aborts(assert_not_held));
    assert_true(aborts(drop_not_held));
    assert_true(aborts(destroy_held));
}

struct shared {
    struct fl_lock l;
    struct fl_cond c;
    int turn;
    int64_t count;
};

static void *count_up(void *p)
{
    struct shared *s = p;
    for (int i = 0; i < 20000; i++) {
        fl_lock_scope(&s->l);
        s->count++;
    }
    return NULL;
}

static void test_lock__threads_exclude_each_other(void **state)
{
    (void)state;
    struct shared s = {.count = 0};
    pthread_t threads[4];
    fl_lock_init(&s.l, "shared", FL_RANK_APP);
    for (size_t i = 0; i < FL_LEN(threads); i++) {
        fl_thread_start(&threads[i], "count", count_up, &s);
    }
    for (size_t i = 0; i < FL_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(s.count, 80000);
    fl_lock_destroy(&s.l);
}

static void *pong(void *p)
{
    struct shared *s = p;
    fl_lock_scope(&s->l);
    for (int i = 0; i < 1000; i++) {
        while (s->turn != 1) {
            fl_cond_wait(&s->c, &s->l);
        }
        fl_lock_assert_held(&s->l);
        s->count++;
        s->turn = 0;
        fl_cond_signal(&s->c);
    }
    return NULL;
}

static void test_cond__wait_gives_lock_back_and_takes_it_again(void **state)
{
    (void)state;
    struct shared s = {.count = 0};
    pthread_t thread;
    fl_lock_init(&s.l, "shared", FL_RANK_APP);
    fl_cond_init(&s.c);
    fl_thread_start(&thread, "pong", pong, &s);
    fl_lock_take(&s.l);
    for (int i = 0; i < 1000; i++) {
        s.turn = 1;
        fl_cond_signal(&s.c);
        while (s.turn != 0) {
            fl_cond_wait(&s.c, &s.l);
        }
    }
    fl_lock_drop(&s.l);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(s.count, 1000);
    fl_cond_destroy(&s.c);
    fl_lock_destroy(&s.l);
}

static void test_cond__time_in_the_past_ends_wait_at_once(void **state)
{
    (void)state;
    struct fl_lock l;
    struct fl_cond c;
    fl_lock_init(&l, "l", FL_RANK_APP);
    fl_cond_init(&c);
    fl_lock_take(&l);
    assert_false(fl_cond_wait_until(&c, &l, 0));
    fl_lock_assert_held(&l);
    fl_lock_drop(&l);
    fl_cond_destroy(&c);
    fl_lock_destroy(&l);
}

struct seen {
    char name[16];
    bool all_blocked;
};

static void *look_around(void *p)
{
    struct seen *seen = p;
    sigset_t now;
    (void)prctl(PR_GET_NAME, seen->name, 0, 0, 0);
    seen->all_blocked = pthread_sigmask(SIG_BLOCK, NULL, &now) == 0 &&
                        sigismember(&now, SIGTERM) == 1 && sigismember(&now, SIGINT) == 1 &&
                        sigismember(&now, SIGHUP) == 1 && sigismember(&now, SIGUSR1) == 1;
    return seen;
}

static void test_thread__has_name_and_no_signals(void **state)
{
    (void)state;
    struct seen seen = {.all_blocked = false};
    pthread_t thread;
    void *result = NULL;
    fl_thread_start(&thread, "a-name-that-is-too-long", look_around, &seen);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, &seen);
    assert_string_equal(seen.name, "a-name-that-is-");
    assert_true(seen.all_blocked);
    sigset_t mine;
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &mine), 0);
    assert_int_equal(sigismember(&mine, SIGTERM), 0); /* the starter's mask is as before */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lock__rising_ranks_are_taken),
        cmocka_unit_test(test_lock__scope_drops_at_end_of_block),
        cmocka_unit_test(test_lock__wrong_order_aborts),
        cmocka_unit_test(test_lock__misuse_aborts),
        cmocka_unit_test(test_lock__threads_exclude_each_other),
        cmocka_unit_test(test_cond__wait_gives_lock_back_and_takes_it_again),
        cmocka_unit_test(test_cond__time_in_the_past_ends_wait_at_once),
        cmocka_unit_test(test_thread__has_name_and_no_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
