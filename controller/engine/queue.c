/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/queue.h"

#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/pass.h"

#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS (INT64_C(5) * 60 * 1000)
#define FAST_IN_A_ROW 3 /* then one of the slow lane, when both wait */
#define NOT_IN_HEAP SIZE_MAX

/* Why a key is due; the text is there only where it has one. */
struct why {
    enum fl_wake_cause cause;
    char *detail;
};

/* One key, from its first add until nothing is known of it any more. */
struct item {
    struct item *prev, *next; /* in its lane, while `queued` */
    char *key;
    struct why gathered, taken; /* for the next pass; of the one under way */
    int64_t due_ms;             /* while in the heap: the earlier of the two that follow */
    int64_t after_ms;           /* by a delay; FL_NEVER = none */
    int64_t quiet_ms;           /* by a wake that waits for silence; FL_NEVER = none */
    int64_t woken_ms;           /* when the first of those came */
    int64_t queued_ms;          /* since when it waits, for the metrics */
    int64_t taken_ms;           /* since when it is worked on */
    size_t heap_at;
    int failures;
    bool queued;
    bool processing;
    bool dirty; /* added while it was worked on */
    bool slow;  /* lane, while queued or dirty */
};

struct lane {
    struct item *first, *last;
};

/* One thread inside fl_queue_get that has nothing to do, on its stack. */
struct waiter {
    struct waiter *next;
    struct fl_cond woken;
    bool listed; /* nobody has woken it */
};

struct fl_queue {
    struct fl_queue_conf conf;
    struct fl_lock lock; /* guards what follows */
    /* The one that came last is woken first: its memory is still warm. Only `timer` waits for the
     * next delay, so that it wakes one thread and not all. */
    struct waiter *waiters;
    struct waiter *timer;
    size_t waking;        /* threads that were woken and have not run since */
    struct fl_map *items; /* owns them */
    struct lane lanes[2];
    size_t queued, busy;
    struct item **heap; /* by due_ms, smallest first */
    size_t heap_n, heap_room;
    int fast_run; /* handed out from the fast lane since the last slow one */
    bool stopped;
};

static void item_free(void *p)
{
    struct item *it = p;
    fl_free(it->gathered.detail);
    fl_free(it->taken.detail);
    fl_free(it->key);
    fl_free(it);
}

struct fl_queue *fl_queue_new(const struct fl_queue_conf *conf)
{
    struct fl_queue *q = FL_NEW(struct fl_queue);
    q->conf = *conf;
    if (q->conf.backoff_min_ms <= 0) {
        q->conf.backoff_min_ms = BACKOFF_MIN_MS;
    }
    if (q->conf.backoff_max_ms <= 0) {
        q->conf.backoff_max_ms = BACKOFF_MAX_MS;
    }
    fl_lock_init(&q->lock, "queue", FL_RANK_QUEUE);
    q->items = fl_map_new(item_free);
    return q;
}

void fl_queue_free(struct fl_queue *q)
{
    if (!q) {
        return;
    }
    fl_map_free(q->items);
    fl_free(q->heap);
    fl_assert(q->waiters == NULL);
    fl_lock_destroy(&q->lock);
    fl_free(q);
}

/* ---- who waits ---- */

static void waiter_unlist(struct fl_queue *q, struct waiter *w)
{
    struct waiter **at = &q->waiters;
    while (w->listed && *at != w) {
        at = &(*at)->next;
    }
    if (w->listed) {
        *at = w->next;
        w->listed = false;
    }
}

static void wake(struct fl_queue *q, struct waiter *w)
{
    if (w && w->listed) {
        waiter_unlist(q, w);
        q->waking++;
        fl_cond_signal(&w->woken);
    }
}

/* Rather one that does not mind the clock. */
static void wake_one(struct fl_queue *q)
{
    struct waiter *w = q->waiters;
    wake(q, w && w == q->timer && w->next ? w->next : w);
}

/* After anything that may have made work: somebody is on his way to each key that waits, and
 * somebody minds the clock. */
static void hand_on(struct fl_queue *q)
{
    if (q->queued > q->waking || (q->heap_n > 0 && !q->timer && q->waking == 0)) {
        wake_one(q);
    }
}

static void waiter_list(struct fl_queue *q, struct waiter *w)
{
    w->next = q->waiters;
    w->listed = true;
    q->waiters = w;
}

/* Until when: FL_NEVER if another one minds the clock. */
static int64_t timer_take(struct fl_queue *q, struct waiter *w)
{
    if (q->timer || q->heap_n == 0) {
        return FL_NEVER;
    }
    q->timer = w;
    return q->heap[0]->due_ms;
}

/* Until there may be work. */
static void wait_for_work(struct fl_queue *q)
{
    struct waiter me = {0};
    fl_cond_init(&me.woken);
    waiter_list(q, &me);
    fl_clock_wait(q->conf.clock, &me.woken, &q->lock, timer_take(q, &me));
    if (q->timer == &me) {
        q->timer = NULL;
    }
    q->waking -= me.listed ? 0 : 1;
    waiter_unlist(q, &me);
    fl_cond_destroy(&me.woken);
}

/* ---- delays: a binary heap whose items know their place ---- */

static void heap_put(struct fl_queue *q, size_t at, struct item *it)
{
    q->heap[at] = it;
    it->heap_at = at;
}

static void heap_up(struct fl_queue *q, size_t at)
{
    struct item *it = q->heap[at];
    while (at > 0 && q->heap[(at - 1) / 2]->due_ms > it->due_ms) {
        heap_put(q, at, q->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_put(q, at, it);
}

static void heap_down(struct fl_queue *q, size_t at)
{
    struct item *it = q->heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= q->heap_n) {
            break;
        }
        if (child + 1 < q->heap_n && q->heap[child + 1]->due_ms < q->heap[child]->due_ms) {
            child++;
        }
        if (q->heap[child]->due_ms >= it->due_ms) {
            break;
        }
        heap_put(q, at, q->heap[child]);
        at = child;
    }
    heap_put(q, at, it);
}

static void heap_remove(struct fl_queue *q, struct item *it)
{
    if (it->heap_at == NOT_IN_HEAP) {
        return;
    }
    size_t at = it->heap_at;
    it->heap_at = NOT_IN_HEAP;
    struct item *last = q->heap[--q->heap_n];
    if (last != it) {
        heap_put(q, at, last);
        heap_up(q, at);
        heap_down(q, last->heap_at);
    }
}

static void heap_add(struct fl_queue *q, struct item *it, int64_t due_ms)
{
    it->due_ms = due_ms;
    if (q->heap_n == q->heap_room) {
        q->heap_room = q->heap_room ? 2 * q->heap_room : 64;
        q->heap = fl_reallocarray(q->heap, q->heap_room, sizeof(*q->heap));
    }
    heap_put(q, q->heap_n++, it);
    heap_up(q, it->heap_at);
}

/* Both delays of a key go. */
static void delays_drop(struct fl_queue *q, struct item *it)
{
    heap_remove(q, it);
    it->after_ms = it->quiet_ms = FL_NEVER;
}

/* After one of the delays was set. */
static void delays_set(struct fl_queue *q, struct item *it)
{
    heap_remove(q, it);
    heap_add(q, it, it->after_ms < it->quiet_ms ? it->after_ms : it->quiet_ms);
    if (q->heap[0] == it) {
        wake(q, q->timer); /* its delay is no longer the next */
    }
}

/* ---- lanes ---- */

static void count(struct fl_metric *s)
{
    if (s) {
        fl_metric_add(s, 1);
    }
}

static void queued_changed(struct fl_queue *q, int by)
{
    q->queued = by > 0 ? q->queued + 1 : q->queued - 1;
    if (q->conf.series.depth) {
        fl_metric_set(q->conf.series.depth, (int64_t)q->queued);
    }
}

static void lane_push(struct fl_queue *q, struct item *it)
{
    struct lane *l = &q->lanes[it->slow];
    it->queued = true;
    it->next = NULL;
    it->prev = l->last;
    *(l->last ? &l->last->next : &l->first) = it;
    l->last = it;
    queued_changed(q, 1);
}

static void lane_remove(struct fl_queue *q, struct item *it)
{
    struct lane *l = &q->lanes[it->slow];
    *(it->prev ? &it->prev->next : &l->first) = it->next;
    *(it->next ? &it->next->prev : &l->last) = it->prev;
    it->prev = it->next = NULL;
    it->queued = false;
    queued_changed(q, -1);
}

static struct item *item_of(struct fl_queue *q, struct fl_str key)
{
    struct item *it = fl_map_get(q->items, key);
    if (!it) {
        fl_assert(key.n < FL_QUEUE_KEY);
        it = FL_NEW(struct item);
        it->key = fl_strndup(key.p, key.n);
        it->heap_at = NOT_IN_HEAP;
        it->after_ms = it->quiet_ms = FL_NEVER;
        fl_map_set(q->items, key, it);
    }
    return it;
}

static void item_drop_idle(struct fl_queue *q, struct item *it)
{
    if (!it->queued && !it->processing && it->failures == 0 && it->heap_at == NOT_IN_HEAP) {
        fl_map_del(q->items, fl_str_of(it->key));
    }
}

static void make_ready(struct fl_queue *q, struct item *it, bool slow)
{
    if (it->queued || it->dirty) {
        if (it->slow && !slow) {
            bool queued = it->queued;
            if (queued) {
                lane_remove(q, it);
            }
            it->slow = false;
            if (queued) {
                lane_push(q, it);
            }
        }
        return;
    }
    count(q->conf.series.adds);
    it->slow = slow;
    it->queued_ms = fl_clock_mono_ms(q->conf.clock);
    if (it->processing) {
        it->dirty = true;
        return;
    }
    lane_push(q, it);
}

void fl_queue_add(struct fl_queue *q, struct fl_str key, enum fl_lane lane)
{
    fl_lock_scope(&q->lock);
    if (!q->stopped) {
        make_ready(q, item_of(q, key), lane == FL_LANE_SLOW);
        hand_on(q);
    }
}

static int64_t later(int64_t now, int64_t ms)
{
    return ms > FL_NEVER - 1 - now ? FL_NEVER - 1 : now + ms;
}

static void add_after(struct fl_queue *q, struct fl_str key, int64_t delay_ms)
{
    struct item *it = item_of(q, key);
    if (delay_ms <= 0) {
        make_ready(q, it, true);
        return;
    }
    int64_t due = later(fl_clock_mono_ms(q->conf.clock), delay_ms);
    if (due < it->after_ms) {
        it->after_ms = due;
        delays_set(q, it);
    }
}

void fl_queue_add_after(struct fl_queue *q, struct fl_str key, int64_t delay_ms)
{
    fl_lock_scope(&q->lock);
    if (!q->stopped) {
        add_after(q, key, delay_ms);
        hand_on(q);
    }
}

/* ---- waking ---- */

static void why_clear(struct why *w)
{
    fl_free(w->detail);
    *w = (struct why){.cause = FL_WAKE_CLOCK};
}

static void why_add(struct why *w, const struct fl_wake *more)
{
    if (more->cause < w->cause) {
        return;
    }
    why_clear(w);
    w->cause = more->cause;
    w->detail = more->detail[0] ? fl_strdup(more->detail) : NULL;
}

void fl_queue_because(struct fl_queue *q, struct fl_str key, const struct fl_wake *why)
{
    fl_lock_scope(&q->lock);
    if (!q->stopped) {
        why_add(&item_of(q, key)->gathered, why);
    }
}

static void wake_when_quiet(struct fl_queue *q, struct item *it, int64_t quiet_ms, int64_t max_ms)
{
    int64_t now = fl_clock_mono_ms(q->conf.clock);
    if (it->quiet_ms == FL_NEVER) {
        it->woken_ms = now;
    }
    int64_t due = later(now, quiet_ms);
    int64_t last = max_ms > 0 ? later(it->woken_ms, max_ms) : FL_NEVER;
    it->quiet_ms = due < last ? due : last;
    delays_set(q, it);
}

void fl_queue_wake(struct fl_queue *q, struct fl_str key, const struct fl_wake *why,
                   int64_t quiet_ms, int64_t max_ms)
{
    fl_lock_scope(&q->lock);
    if (q->stopped) {
        return;
    }
    struct item *it = item_of(q, key);
    why_add(&it->gathered, why);
    if (quiet_ms <= 0) {
        make_ready(q, it, false);
    } else if (!it->queued && !it->dirty) { /* else it comes sooner */
        wake_when_quiet(q, it, quiet_ms, max_ms);
    }
    hand_on(q);
}

void fl_queue_why(struct fl_queue *q, struct fl_str key, struct fl_wake *ret)
{
    fl_lock_scope(&q->lock);
    const struct item *it = fl_map_get(q->items, key);
    *ret = (struct fl_wake){.cause = it ? it->taken.cause : FL_WAKE_CLOCK};
    if (it && it->taken.detail) {
        memcpy(ret->detail, it->taken.detail, strlen(it->taken.detail) + 1);
    }
}

/* The upper half of the doubled delay is random, so that what failed together does not come back together. */
static int64_t backoff_ms(const struct fl_queue *q, int failures)
{
    int64_t d = q->conf.backoff_min_ms;
    for (int i = 1; i < failures && d < q->conf.backoff_max_ms; i++) {
        d *= 2;
    }
    d = d < q->conf.backoff_max_ms ? d : q->conf.backoff_max_ms;
    return d - (int64_t)(fl_random_u64() % (uint64_t)(d / 2 + 1));
}

int64_t fl_queue_add_failed(struct fl_queue *q, struct fl_str key)
{
    fl_lock_scope(&q->lock);
    if (q->stopped) {
        return 0;
    }
    struct item *it = item_of(q, key);
    if (it->failures < INT32_MAX) {
        it->failures++;
    }
    count(q->conf.series.retries);
    int64_t delay = backoff_ms(q, it->failures);
    add_after(q, key, delay);
    hand_on(q);
    return delay;
}

void fl_queue_forget(struct fl_queue *q, struct fl_str key)
{
    fl_lock_scope(&q->lock);
    struct item *it = fl_map_get(q->items, key);
    if (it) {
        it->failures = 0;
        item_drop_idle(q, it);
    }
}

int fl_queue_failures(struct fl_queue *q, struct fl_str key)
{
    fl_lock_scope(&q->lock);
    const struct item *it = fl_map_get(q->items, key);
    return it ? it->failures : 0;
}

void fl_queue_remove(struct fl_queue *q, struct fl_str key)
{
    fl_lock_scope(&q->lock);
    struct item *it = fl_map_get(q->items, key);
    if (it) {
        it->failures = 0;
        why_clear(&it->gathered);
        delays_drop(q, it);
        item_drop_idle(q, it);
    }
}

static void take_due(struct fl_queue *q)
{
    int64_t now = fl_clock_mono_ms(q->conf.clock);
    while (q->heap_n > 0 && q->heap[0]->due_ms <= now) {
        struct item *it = q->heap[0];
        bool slow = it->quiet_ms > now;
        delays_drop(q, it);
        make_ready(q, it, slow);
    }
}

static struct item *pick(struct fl_queue *q)
{
    struct item *fast = q->lanes[FL_LANE_FAST].first;
    struct item *slow = q->lanes[FL_LANE_SLOW].first;
    if (fast && (!slow || q->fast_run < FAST_IN_A_ROW)) {
        q->fast_run++;
        return fast;
    }
    if (slow) {
        q->fast_run = 0;
    }
    return slow;
}

static void hand_out(struct fl_queue *q, struct item *it, char ret[FL_QUEUE_KEY])
{
    lane_remove(q, it);
    /* The pass that comes now decides anew when the next one is, and sees what it was woken for. */
    delays_drop(q, it);
    why_clear(&it->taken);
    it->taken = it->gathered;
    it->gathered = (struct why){.cause = FL_WAKE_CLOCK};
    it->processing = true;
    q->busy++;
    it->taken_ms = fl_clock_mono_ms(q->conf.clock);
    if (q->conf.series.waited) {
        fl_metric_observe_ms(q->conf.series.waited, it->taken_ms - it->queued_ms);
    }
    memcpy(ret, it->key, strlen(it->key) + 1);
}

bool fl_queue_get(struct fl_queue *q, char ret[FL_QUEUE_KEY])
{
    fl_lock_scope(&q->lock);
    while (!q->stopped) {
        take_due(q);
        struct item *it = pick(q);
        if (it) {
            hand_out(q, it, ret);
            hand_on(q);
            return true;
        }
        wait_for_work(q);
    }
    return false;
}

void fl_queue_done(struct fl_queue *q, struct fl_str key)
{
    fl_lock_scope(&q->lock);
    struct item *it = fl_map_get(q->items, key);
    if (!it || !it->processing) {
        return;
    }
    it->processing = false;
    why_clear(&it->taken);
    q->busy--;
    if (q->conf.series.worked) {
        fl_metric_observe_ms(q->conf.series.worked, fl_clock_mono_ms(q->conf.clock) - it->taken_ms);
    }
    if (it->dirty && !q->stopped) {
        it->dirty = false;
        lane_push(q, it);
        hand_on(q);
        return;
    }
    it->dirty = false;
    item_drop_idle(q, it);
}

void fl_queue_stop(struct fl_queue *q)
{
    fl_lock_scope(&q->lock);
    q->stopped = true;
    for (size_t i = 0; i < FL_LEN(q->lanes); i++) {
        while (q->lanes[i].first) {
            lane_remove(q, q->lanes[i].first);
        }
    }
    while (q->heap_n > 0) {
        delays_drop(q, q->heap[0]);
    }
    while (q->waiters) {
        wake(q, q->waiters);
    }
}

size_t fl_queue_len(struct fl_queue *q)
{
    fl_lock_scope(&q->lock);
    take_due(q);
    hand_on(q);
    return q->queued;
}

void fl_queue_count(struct fl_queue *q, size_t *ret_waiting, size_t *ret_busy)
{
    fl_lock_scope(&q->lock);
    take_due(q);
    hand_on(q);
    *ret_waiting = q->queued;
    *ret_busy = q->busy;
}

int64_t fl_queue_next_ms(struct fl_queue *q)
{
    fl_lock_scope(&q->lock);
    return q->heap_n > 0 ? q->heap[0]->due_ms : FL_NEVER;
}
