/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdatomic.h>

#include "base/mem.h"

/* One thread inside fl_clock_wait, on its stack. */
struct waiter {
    struct waiter *next;
    struct fl_cond *cond;
    struct fl_lock *lock;
    uint64_t woken; /* the last advance that has woken it */
    int pins;       /* advances about to wake it: it must not go away */
};

/* The times are atomic so that reading the clock takes no lock. They change under `mu`. */
struct fl_clock {
    bool fake;
    _Atomic int64_t mono_ms;
    _Atomic int64_t wall_ms;
    struct fl_lock mu;
    struct fl_cond unpinned;
    struct waiter *waiters;
    uint64_t advances;
};

struct fl_clock *fl_clock_real(void)
{
    static struct fl_clock real;
    return &real;
}

struct fl_clock *fl_clock_fake_new(int64_t wall_ms)
{
    struct fl_clock *c = FL_NEW(struct fl_clock);
    c->fake = true;
    atomic_init(&c->mono_ms, 0);
    atomic_init(&c->wall_ms, wall_ms);
    fl_lock_init(&c->mu, "clock", FL_RANK_CLOCK);
    fl_cond_init(&c->unpinned);
    return c;
}

void fl_clock_free(struct fl_clock *c)
{
    if (!c || !c->fake) {
        return;
    }
    fl_assert(c->waiters == NULL);
    fl_cond_destroy(&c->unpinned);
    fl_lock_destroy(&c->mu);
    fl_free(c);
}

static int64_t real_us(clockid_t id)
{
    struct timespec t;
    int rc = clock_gettime(id, &t);
    fl_assert(rc == 0);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t fl_clock_mono_ms(struct fl_clock *c)
{
    return c->fake ? atomic_load(&c->mono_ms) : real_us(CLOCK_MONOTONIC) / 1000;
}

int64_t fl_clock_wall_ms(struct fl_clock *c)
{
    return c->fake ? atomic_load(&c->wall_ms) : real_us(CLOCK_REALTIME) / 1000;
}

int64_t fl_clock_wall_us(struct fl_clock *c)
{
    return c->fake ? atomic_load(&c->wall_ms) * 1000 : real_us(CLOCK_REALTIME);
}

/* A waiter that this advance has not woken yet. */
static struct waiter *waiter_pick(const struct fl_clock *c, uint64_t advance)
{
    struct waiter *w = c->waiters;
    while (w && w->woken >= advance) {
        w = w->next;
    }
    return w;
}

/* A waiter that has looked at the time and not yet begun to wait holds its own lock. Broadcasting
 * with that lock held therefore cannot fall between the two. But its rank is below that of `mu`,
 * which must be dropped to take it; the pin keeps the waiter, and so its lock and condition, alive
 * meanwhile. */
void fl_clock_advance(struct fl_clock *c, int64_t ms)
{
    fl_assert(c->fake && ms >= 0);
    fl_lock_take(&c->mu);
    atomic_fetch_add(&c->mono_ms, ms);
    atomic_fetch_add(&c->wall_ms, ms);
    uint64_t advance = ++c->advances;
    struct waiter *w;
    while ((w = waiter_pick(c, advance)) != NULL) {
        w->pins++;
        fl_lock_drop(&c->mu);
        fl_lock_take(w->lock);
        fl_cond_broadcast(w->cond);
        fl_lock_drop(w->lock);
        fl_lock_take(&c->mu);
        if (w->woken < advance) {
            w->woken = advance;
        }
        if (--w->pins == 0) {
            fl_cond_broadcast(&c->unpinned);
        }
    }
    fl_lock_drop(&c->mu);
}

static void waiter_link(struct fl_clock *c, struct waiter *w)
{
    w->next = c->waiters;
    w->woken = c->advances;
    c->waiters = w;
}

static void waiter_unlink(struct fl_clock *c, const struct waiter *w)
{
    struct waiter **at = &c->waiters;
    while (*at != w) {
        at = &(*at)->next;
    }
    *at = w->next;
}

/* Leaves the list. An advance that has pinned `w` needs its lock to finish, so that is lent to it,
 * as a wait would. */
static void waiter_leave(struct fl_clock *c, struct waiter *w)
{
    fl_lock_take(&c->mu);
    if (w->pins == 0) {
        waiter_unlink(c, w);
        fl_lock_drop(&c->mu);
        return;
    }
    fl_lock_drop(&c->mu);
    fl_lock_drop(w->lock);
    fl_lock_take(&c->mu);
    while (w->pins > 0) {
        fl_cond_wait(&c->unpinned, &c->mu);
    }
    waiter_unlink(c, w);
    fl_lock_drop(&c->mu);
    fl_lock_take(w->lock);
}

static void fake_wait(struct fl_clock *c, struct fl_cond *cond, struct fl_lock *l,
                      int64_t deadline_ms)
{
    fl_lock_take(&c->mu);
    if (atomic_load(&c->mono_ms) >= deadline_ms) {
        fl_lock_drop(&c->mu);
        return;
    }
    struct waiter w = {.cond = cond, .lock = l};
    waiter_link(c, &w);
    fl_lock_drop(&c->mu);
    fl_cond_wait(cond, l);
    waiter_leave(c, &w);
}

void fl_clock_wait(struct fl_clock *c, struct fl_cond *cond, struct fl_lock *l, int64_t deadline_ms)
{
    fl_lock_assert_held(l);
    if (c->fake) {
        fake_wait(c, cond, l, deadline_ms);
    } else if (deadline_ms == FL_NEVER) {
        fl_cond_wait(cond, l);
    } else {
        (void)fl_cond_wait_until(cond, l, deadline_ms > 0 ? deadline_ms : 0);
    }
}
