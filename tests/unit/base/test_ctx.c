/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include <sched.h>

#include "base/ctx.h"

static void test_ctx__root_has_no_deadline(void **state)
{
    (void)state;
    fl_auto(fl_clock) c = fl_clock_fake_new(0);
    struct fl_ctx root = fl_ctx_root(c, NULL);
    struct fl_err err = FL_ERR_INIT;
    fl_clock_advance(c, INT64_C(1) << 50);
    assert_int_equal(fl_ctx_left_ms(&root), FL_NEVER);
    assert_int_equal(fl_ctx_check(&root, "x", &err), 0);
    assert_false(fl_ctx_canceled(&root));
}

static void test_ctx__child_only_shortens(void **state)
{
    (void)state;
    fl_auto(fl_clock) c = fl_clock_fake_new(0);
    fl_clock_advance(c, 1000);
    struct fl_ctx root = fl_ctx_root(c, NULL);
    struct fl_ctx ten = fl_ctx_timeout(&root, 10);
    struct fl_ctx longer = fl_ctx_timeout(&ten, 50);
    struct fl_ctx shorter = fl_ctx_timeout(&ten, 4);
    struct fl_ctx same = fl_ctx_timeout(&ten, 0);
    struct fl_ctx negative = fl_ctx_timeout(&ten, -3);
    struct fl_ctx endless = fl_ctx_timeout(&root, INT64_MAX);
    assert_int_equal(fl_ctx_left_ms(&ten), 10);
    assert_int_equal(fl_ctx_left_ms(&longer), 10);
    assert_int_equal(fl_ctx_left_ms(&shorter), 4);
    assert_int_equal(fl_ctx_left_ms(&same), 10);
    assert_int_equal(fl_ctx_left_ms(&negative), 10);
    assert_int_equal(fl_ctx_left_ms(&endless), FL_NEVER);
    fl_clock_advance(c, 7);
    assert_int_equal(fl_ctx_left_ms(&ten), 3);
    assert_int_equal(fl_ctx_left_ms(&shorter), 0);
}

static void test_ctx__passed_deadline_is_timeout(void **state)
{
    (void)state;
    fl_auto(fl_clock) c = fl_clock_fake_new(0);
    struct fl_ctx root = fl_ctx_root(c, NULL);
    struct fl_ctx ctx = fl_ctx_timeout(&root, 5);
    struct fl_err err = FL_ERR_INIT;
    fl_clock_advance(c, 4);
    assert_int_equal(fl_ctx_check(&ctx, "list tags", &err), 0);
    fl_clock_advance(c, 1);
    assert_int_equal(fl_ctx_check(&ctx, "list tags", &err), FL_E_TIMEOUT);
    assert_string_equal(err.msg, "list tags: deadline passed");
}

static void test_ctx__either_cancel_counts_and_goes_first(void **state)
{
    (void)state;
    fl_auto(fl_clock) c = fl_clock_fake_new(0);
    struct fl_cancel process = {false};
    struct fl_cancel run = {false};
    struct fl_ctx root = fl_ctx_root(c, &process);
    struct fl_ctx ctx = fl_ctx_timeout(&root, 5);
    ctx.cancel2 = &run;
    struct fl_err err = FL_ERR_INIT;
    assert_false(fl_ctx_canceled(&ctx));
    fl_clock_advance(c, 5);
    fl_cancel_set(&run);
    assert_true(fl_ctx_canceled(&ctx));
    assert_false(fl_ctx_canceled(&root));
    assert_int_equal(fl_ctx_check(&ctx, "copy", &err), FL_E_CANCELED);
    fl_cancel_set(&process);
    assert_true(fl_ctx_canceled(&root));
}

struct sleep_call {
    const struct fl_ctx *ctx;
    int64_t ms;
    int rc;
    atomic_bool ended;
};

static void *sleep_in_thread(void *p)
{
    struct sleep_call *s = p;
    struct fl_err err = FL_ERR_INIT;
    s->rc = fl_ctx_sleep(s->ctx, s->ms, &err);
    atomic_store(&s->ended, true);
    return NULL;
}

/* Pushes the clock until the sleep ends; gives the time at which it was first seen to have ended.
 */
static int64_t push_until_end(struct fl_clock *c, struct sleep_call *s, int64_t step_ms)
{
    pthread_t thread;
    fl_thread_start(&thread, "sleep", sleep_in_thread, s);
    while (!atomic_load(&s->ended)) {
        fl_clock_advance(c, step_ms);
        (void)sched_yield();
    }
    (void)pthread_join(thread, NULL);
    return fl_clock_mono_ms(c);
}

static void test_ctx__sleep_lasts_its_time(void **state)
{
    (void)state;
    fl_auto(fl_clock) c = fl_clock_fake_new(0);
    struct fl_ctx root = fl_ctx_root(c, NULL);
    struct sleep_call s = {.ctx = &root, .ms = 500, .rc = -1};
    assert_true(push_until_end(c, &s, 7) >= 500);
    assert_int_equal(s.rc, 0);
    struct fl_err err = FL_ERR_INIT;
    assert_int_equal(fl_ctx_sleep(&root, 0, &err), 0);
    assert_int_equal(fl_ctx_sleep(&root, -1, &err), 0);
}

static void test_ctx__sleep_beyond_deadline_is_timeout(void **state)
{
    (void)state;
    fl_auto(fl_clock) c = fl_clock_fake_new(0);
    struct fl_ctx root = fl_ctx_root(c, NULL);
    struct fl_ctx ctx = fl_ctx_timeout(&root, 120);
    struct sleep_call s = {.ctx = &ctx, .ms = INT64_MAX, .rc = -1};
    assert_true(push_until_end(c, &s, 7) >= 120);
    assert_int_equal(s.rc, FL_E_TIMEOUT);
}

static void test_ctx__cancel_ends_sleep_within_a_slice(void **state)
{
    (void)state;
    fl_auto(fl_clock) c = fl_clock_fake_new(0);
    struct fl_cancel cancel = {false};
    struct fl_ctx root = fl_ctx_root(c, &cancel);
    struct sleep_call s = {.ctx = &root, .ms = 1000000, .rc = 0};
    pthread_t thread;
    fl_thread_start(&thread, "sleep", sleep_in_thread, &s);
    fl_cancel_set(&cancel);
    fl_clock_advance(c, 50); /* one slice, and no more */
    (void)pthread_join(thread, NULL);
    assert_int_equal(s.rc, FL_E_CANCELED);
    struct fl_err err = FL_ERR_INIT;
    assert_int_equal(fl_ctx_sleep(&root, 0, &err), FL_E_CANCELED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ctx__root_has_no_deadline),
        cmocka_unit_test(test_ctx__child_only_shortens),
        cmocka_unit_test(test_ctx__passed_deadline_is_timeout),
        cmocka_unit_test(test_ctx__either_cancel_counts_and_goes_first),
        cmocka_unit_test(test_ctx__sleep_lasts_its_time),
        cmocka_unit_test(test_ctx__sleep_beyond_deadline_is_timeout),
        cmocka_unit_test(test_ctx__cancel_ends_sleep_within_a_slice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
