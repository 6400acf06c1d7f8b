/* SPDX-License-Identifier: Apache-2.0
 * How long a host is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "remote/git/client.h"

/* One thing after the other, at one host. */
enum what { END, LOOK, ASK, REFUSED, ANSWERED, HOLD };

struct event {
    int64_t after_ms;
    enum what what;
    int64_t ms;   /* REFUSED, HOLD: that the host told; -1: nothing */
    int64_t want; /* LOOK, ASK: left, 0: it may be asked; REFUSED: for how long it is left alone */
};

static const struct {
    const char *name;
    struct event events[16];
} rows[] = {
    {"nothing was said", {{0, ASK, 0, 0}, {0, ANSWERED, 0, 0}, {0, ASK, 0, 0}}},
    {"refusals grow to five minutes",
     {{0, REFUSED, -1, 5000},
      {1000, ASK, 0, 4000},
      {4000, ASK, 0, 0},
      {0, REFUSED, -1, 10000},
      {10000, ASK, 0, 0},
      {0, REFUSED, -1, 20000},
      {20000, REFUSED, -1, 40000},
      {40000, REFUSED, -1, 80000},
      {80000, REFUSED, -1, 160000},
      {160000, REFUSED, -1, 300000},
      {300000, REFUSED, -1, 300000}}},
    {"an answer begins anew",
     {{0, REFUSED, -1, 5000},
      {5000, REFUSED, -1, 10000},
      {10000, ASK, 0, 0},
      {0, ANSWERED, 0, 0},
      {0, ASK, 0, 0},
      {0, REFUSED, -1, 5000}}},
    {"requests under way do not make it grow",
     {{0, REFUSED, -1, 5000},
      {10, REFUSED, -1, 4990},
      {10, ASK, 0, 4980},
      {0, ANSWERED, 0, 0},
      {0, ASK, 0, 4980}}},
    {"what the host says counts",
     {{0, REFUSED, 60000, 60000}, {59999, ASK, 0, 1}, {1, ASK, 0, 0}, {0, REFUSED, -1, 10000}}},
    {"a longer time counts that is told meanwhile",
     {{0, REFUSED, -1, 5000}, {0, REFUSED, 30000, 30000}, {29000, ASK, 0, 1000}}},
    {"one asks first",
     {{0, REFUSED, -1, 5000},
      {5000, LOOK, 0, 0},
      {0, ASK, 0, 0},
      {0, LOOK, 0, 10000},
      {0, ASK, 0, 10000},
      {9000, ASK, 0, 1000},
      {0, ANSWERED, 0, 0},
      {0, ASK, 0, 0},
      {0, ASK, 0, 0}}},
    {"the one that asked has no answer",
     {{0, REFUSED, -1, 5000}, {5000, ASK, 0, 0}, {10000, ASK, 0, 0}, {0, ASK, 0, 10000}}},
    {"a hold is no refusal",
     {{0, HOLD, 7000, 0},
      {1000, ASK, 0, 6000},
      {6000, ASK, 0, 0},
      {0, ASK, 0, 0},
      {0, HOLD, -1, 0},
      {0, ASK, 0, 0}}},
    {"a refusal of long ago is forgotten",
     {{0, REFUSED, -1, 5000}, {5000 + 3600000, ASK, 0, 0}, {0, ASK, 0, 0}, {0, REFUSED, -1, 5000}}},
};

static int64_t happen(struct fl_clock *clock, const struct fl_url *at, const struct event *ev)
{
    struct fl_err err = FL_ERR_INIT;

    fl_clock_advance(clock, ev->after_ms);
    switch (ev->what) {
    case REFUSED:
        return git_host_refused(clock, at, ev->ms);
    case ANSWERED:
        git_host_answered(clock, at);
        return 0;
    case HOLD:
        git_host_hold(clock, at, ev->ms);
        return 0;
    case LOOK:
        (void)git_host_check(clock, at, &err);
        break;
    case ASK:
    case END:
        (void)git_host_enter(clock, at, &err);
        break;
    }
    if (err.code == FL_OK) {
        return 0;
    }
    assert_int_equal(err.code, FL_E_LIMITED);
    return err.retry_after_ms;
}

static void test_git_host__is_left_alone_as_long_as_it_needs(void **state)
{
    struct fl_url at;
    struct fl_url other;
    (void)state;

    assert_int_equal(fl_url_parse(FL_STR("https://git.example.com/a"), &at, NULL), 0);
    assert_int_equal(fl_url_parse(FL_STR("https://git.example.com:8443/a"), &other, NULL), 0);
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_clock *clock = fl_clock_fake_new(1700000000000);

        for (size_t k = 0; rows[i].events[k].what != END; k++) {
            const struct event *ev = &rows[i].events[k];
            int64_t got = happen(clock, &at, ev);

            if (got != ev->want) {
                fail_msg("%s: event %zu: %lld, not %lld", rows[i].name, k, (long long)got,
                         (long long)ev->want);
            }
            assert_int_equal(git_host_check(clock, &other, NULL), 0);
        }
        fl_clock_free(clock);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_git_host__is_left_alone_as_long_as_it_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
