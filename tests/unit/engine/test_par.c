/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdbool.h>

#include "base/lock.h"
#include "engine/par.h"

#define N_MAX 1000

struct sums {
    atomic_int seen[N_MAX];
};

static void mark(void *arg, size_t i)
{
    struct sums *s = arg;
    atomic_fetch_add(&s->seen[i], 1);
}

static void test_par__each_index_is_worked_off_once(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n;
        int threads;
    } rows[] = {
        {"nothing", 0, 4},      {"one", 1, 4},         {"no more threads than work", 3, 64},
        {"one thread", 100, 1}, {"no thread", 100, 0}, {"many", N_MAX, 8},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        static struct sums s;
        for (size_t k = 0; k < N_MAX; k++) {
            atomic_store(&s.seen[k], 0);
        }
        fl_par_for(rows[i].n, rows[i].threads, mark, &s);
        for (size_t k = 0; k < N_MAX; k++) {
            int want = k < rows[i].n ? 1 : 0;
            if (atomic_load(&s.seen[k]) != want) {
                print_error("%s: index %zu was seen %d times\n", rows[i].name, k,
                            atomic_load(&s.seen[k]));
                fail();
            }
        }
    }
}

struct meet {
    struct fl_lock lock;
    struct fl_cond all;
    int here;
};

static void meet_others(void *arg, size_t i)
{
    struct meet *m = arg;
    (void)i;
    fl_lock_scope(&m->lock);
    m->here++;
    fl_cond_broadcast(&m->all);
    while (m->here < 3) {
        fl_cond_wait(&m->all, &m->lock);
    }
}

static void test_par__three_threads_run_at_once(void **state)
{
    (void)state;
    struct meet m = {.here = 0};
    fl_lock_init(&m.lock, "meet", FL_RANK_APP);
    fl_cond_init(&m.all);
    fl_par_for(3, 3, meet_others, &m);
    assert_int_equal(m.here, 3);
    fl_cond_destroy(&m.all);
    fl_lock_destroy(&m.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_par__each_index_is_worked_off_once),
        cmocka_unit_test(test_par__three_threads_run_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
