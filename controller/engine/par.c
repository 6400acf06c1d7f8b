/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/par.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/mem.h"

/* Sanitizers put red zones on the stack. */
#define PAR_STACK ((size_t)(FL_REDZONE > 0 ? 1024 : 256) * 1024)

struct par {
    atomic_size_t next;
    size_t n;
    void (*fn)(void *arg, size_t i);
    void *arg;
};

static void *par_run(void *arg)
{
    struct par *p = arg;
    size_t i;
    while ((i = atomic_fetch_add(&p->next, 1)) < p->n) {
        p->fn(p->arg, i);
    }
    return NULL;
}

/* A thread that cannot be had is done without: the caller's own goes through everything that is left. */
static bool par_start(pthread_t *t, struct par *p)
{
    pthread_attr_t attr;
    sigset_t all;
    sigset_t old;
    if (pthread_attr_init(&attr) != 0) {
        return false;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    bool ok = pthread_attr_setstacksize(&attr, PAR_STACK) == 0 &&
              pthread_create(t, &attr, par_run, p) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return ok;
}

void fl_par_for(size_t n, int threads, void (*fn)(void *arg, size_t i), void *arg)
{
    struct par p = {.n = n, .fn = fn, .arg = arg};
    atomic_init(&p.next, 0);
    size_t more = threads > 1 ? (size_t)threads - 1 : 0;
    if (more >= n) {
        more = n > 0 ? n - 1 : 0;
    }
    pthread_t *t = more > 0 ? fl_calloc(more, sizeof(*t)) : NULL;
    size_t started = 0;
    while (started < more && par_start(&t[started], &p)) {
        started++;
    }
    par_run(&p);
    for (size_t i = 0; i < started; i++) {
        pthread_join(t[i], NULL);
    }
    fl_free(t);
}
