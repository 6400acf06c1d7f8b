/* SPDX-License-Identifier: Apache-2.0
 * When memory is given back: once, after a burst of requests. */
#include "harness.h"

static int tidied;

static void count_tidy(void)
{
    tidied++;
}

static void test_tidy__once_when_a_burst_is_over(void **state)
{
    static const struct {
        const char *name;
        int requests; /* before the tick */
        int want;     /* so far */
    } rows[] = {
        {"the start's own requests", 0, 0},
        {"quiet after them", 0, 1},
        {"still quiet", 0, 1},
        {"a burst", 3, 1},
        {"it goes on", 1, 1},
        {"it is over", 0, 2},
        {"quiet again", 0, 2},
    };
    struct api *a = *state;
    a->s->tidy = count_tidy;
    tidied = 0;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        for (int n = 0; n < rows[i].requests; n++) {
            struct reply r = api_ask(a, &(struct ask){.method = "GET", .path = P_CM});
            reply_release(&r);
        }
        fl_apiserver_tidy(a->s);
        if (tidied != rows[i].want) {
            fail_msg("%s: tidied %d times, wanted %d", rows[i].name, tidied, rows[i].want);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {API_TEST(test_tidy__once_when_a_burst_is_over)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
