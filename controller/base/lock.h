/* SPDX-License-Identifier: Apache-2.0
 * Mutex that knows its holder and its rank. Locks are taken in rising rank (checked in every build that is not
 * NDEBUG): a thread that holds rank 20 may take only ranks above 20. Destroying a held lock asserts. */
#ifndef FL_BASE_LOCK_H
#define FL_BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>

#include "base/cc.h"

struct fl_lock {
    pthread_mutex_t mu;
    pthread_t holder; /* private */
    bool held;        /* private */
    int rank;
    const char *name;
};

struct fl_cond {
    pthread_cond_t c; /* on CLOCK_MONOTONIC */
};

/* Ranks, lowest taken first. */
enum {
    FL_RANK_APP = 10,
    FL_RANK_CONTROLLER = 20,
    FL_RANK_CACHE = 30,
    FL_RANK_QUEUE = 40,
    FL_RANK_KUBE = 50,
    FL_RANK_REMOTE = 55,
    FL_RANK_ROUTE = 60,
    FL_RANK_HUB = 70,
    FL_RANK_FEED = 80,
    FL_RANK_STORE = 90,
    FL_RANK_WIRE = 100,
    FL_RANK_CLOCK = 110,
    FL_RANK_LOG = 120,
};

void fl_lock_init(struct fl_lock *l, const char *name, int rank);
void fl_lock_destroy(struct fl_lock *l);
void fl_lock_take(struct fl_lock *l);
void fl_lock_drop(struct fl_lock *l);
void fl_lock_assert_held(const struct fl_lock *l);
void fl_cond_init(struct fl_cond *c);
void fl_cond_destroy(struct fl_cond *c);
void fl_cond_wait(struct fl_cond *c, struct fl_lock *l);
/* Also ends when the monotonic clock reaches mono_ms (>= 0), with false. Use fl_clock_wait: only base/clock.c knows
 * which clock is meant. */
bool fl_cond_wait_until(struct fl_cond *c, struct fl_lock *l, int64_t mono_ms);
void fl_cond_signal(struct fl_cond *c);
void fl_cond_broadcast(struct fl_cond *c);

/* fl_lock_scope(&l): held to the end of the block. */
static inline void fl_lock_scope_(struct fl_lock **l)
{
    fl_lock_drop(*l);
}
#define fl_lock_scope(l)                                                                           \
    __attribute__((cleanup(fl_lock_scope_))) struct fl_lock *fl_lock_scope_held_ = (l);            \
    fl_lock_take(fl_lock_scope_held_)

/* Starts a joinable thread with all signals blocked and a name (15 characters are kept). */
void fl_thread_start(pthread_t *t, const char *name, void *(*fn)(void *), void *arg);

#endif
