/* SPDX-License-Identifier: Apache-2.0 */
#include "base/lock.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>

#include "base/mem.h"

/* Each call fails only on misuse, which must not go on. */
static void must(int rc)
{
    fl_assert(rc == 0);
}

#ifndef NDEBUG
enum { HELD_MAX = 16 };
/* What this thread holds, in the order taken, which is that of the ranks. */
static _Thread_local struct {
    const struct fl_lock *locks[HELD_MAX];
    int n;
} held;

static void held_check(const struct fl_lock *l)
{
    fl_assert(held.n < HELD_MAX);
    fl_assert(held.n == 0 || held.locks[held.n - 1]->rank < l->rank);
}

static void held_push(const struct fl_lock *l)
{
    held.locks[held.n++] = l;
}

static int held_find(const struct fl_lock *l)
{
    int i = held.n - 1;
    while (i >= 0 && held.locks[i] != l) {
        i--;
    }
    return i;
}

static void held_pop(const struct fl_lock *l)
{
    int i = held_find(l);
    fl_assert(i >= 0);
    held.n--;
    for (; i < held.n; i++) {
        held.locks[i] = held.locks[i + 1];
    }
}

/* Waiting takes the lock again, which is in order only when it is the last one taken. */
static void held_check_last(const struct fl_lock *l)
{
    fl_assert(held.n > 0 && held.locks[held.n - 1] == l);
}
#else
static void held_check(const struct fl_lock *l)
{
    (void)l;
}
static void held_push(const struct fl_lock *l)
{
    (void)l;
}
static void held_pop(const struct fl_lock *l)
{
    (void)l;
}
static void held_check_last(const struct fl_lock *l)
{
    (void)l;
}
#endif

static void owner_set(struct fl_lock *l)
{
    l->holder = pthread_self();
    l->held = true;
    held_push(l);
}

static void owner_clear(struct fl_lock *l)
{
    fl_lock_assert_held(l);
    held_pop(l);
    l->held = false;
}

void fl_lock_init(struct fl_lock *l, const char *name, int rank)
{
    *l = (struct fl_lock){.rank = rank, .name = name};
    must(pthread_mutex_init(&l->mu, NULL));
}

void fl_lock_destroy(struct fl_lock *l)
{
    fl_assert(!l->held);
    must(pthread_mutex_destroy(&l->mu));
}

void fl_lock_take(struct fl_lock *l)
{
    held_check(l);
    must(pthread_mutex_lock(&l->mu));
    owner_set(l);
}

void fl_lock_drop(struct fl_lock *l)
{
    owner_clear(l);
    must(pthread_mutex_unlock(&l->mu));
}

void fl_lock_assert_held(const struct fl_lock *l)
{
#ifndef NDEBUG
    fl_assert(held_find(l) >= 0);
#else
    fl_assert(l->held && pthread_equal(l->holder, pthread_self()));
#endif
}

void fl_cond_init(struct fl_cond *c)
{
    pthread_condattr_t attr;
    must(pthread_condattr_init(&attr));
    must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
    must(pthread_cond_init(&c->c, &attr));
    must(pthread_condattr_destroy(&attr));
}

void fl_cond_destroy(struct fl_cond *c)
{
    must(pthread_cond_destroy(&c->c));
}

void fl_cond_wait(struct fl_cond *c, struct fl_lock *l)
{
    held_check_last(l);
    owner_clear(l);
    must(pthread_cond_wait(&c->c, &l->mu));
    owner_set(l);
}

bool fl_cond_wait_until(struct fl_cond *c, struct fl_lock *l, int64_t mono_ms)
{
    struct timespec until = {.tv_sec = (time_t)(mono_ms / 1000),
                             .tv_nsec = (long)(mono_ms % 1000) * 1000000L};
    held_check_last(l);
    owner_clear(l);
    int rc = pthread_cond_timedwait(&c->c, &l->mu, &until);
    owner_set(l);
    fl_assert(rc == 0 || rc == ETIMEDOUT);
    return rc == 0;
}

void fl_cond_signal(struct fl_cond *c)
{
    must(pthread_cond_signal(&c->c));
}

void fl_cond_broadcast(struct fl_cond *c)
{
    must(pthread_cond_broadcast(&c->c));
}

struct thread_start {
    void *(*fn)(void *);
    void *arg;
    char name[16];
};

static void *thread_main(void *p)
{
    struct thread_start start = *(struct thread_start *)p;
    fl_free(p);
    (void)prctl(PR_SET_NAME, start.name, 0, 0, 0);
    return start.fn(start.arg);
}

/* Signals go to the thread that asked for them with sigwait or signalfd: others are born with all
 * blocked. */
void fl_thread_start(pthread_t *t, const char *name, void *(*fn)(void *), void *arg)
{
    struct thread_start *start = FL_NEW(struct thread_start);
    start->fn = fn;
    start->arg = arg;
    (void)snprintf(start->name, sizeof(start->name), "%s", name);
    sigset_t all;
    sigset_t before;
    must(sigfillset(&all));
    must(pthread_sigmask(SIG_SETMASK, &all, &before));
    must(pthread_create(t, NULL, thread_main, start));
    must(pthread_sigmask(SIG_SETMASK, &before, NULL));
}
