/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/hub.h"

#include "apiserver/hub_priv.h"
#include "apiserver/store_priv.h"
#include "base/mem.h"
#include "wire/scan.h"

/* ---- events ---- */

static struct hub_event *event_new(const struct fl_event *ev)
{
    struct hub_event *e = FL_NEW(struct hub_event);

    e->ev = *ev;
    e->refs = 1;
    e->kept = true;
    e->bytes = sizeof(*e) + ev->text->n + (ev->old ? ev->old->n : 0);
    (void)fl_scan_plain(fl_scan_path(fl_shared_str(ev->text), "metadata.namespace"), &e->ns);
    return e;
}

void fl_hub_event_drop(struct hub_event *e)
{
    if (--e->refs > 0) {
        return;
    }
    while (e->lines) {
        struct hub_line *l = e->lines;

        e->lines = l->next;
        fl_shared_free(l->line);
        fl_free(l);
    }
    fl_shared_free(e->ev.text);
    fl_shared_free(e->ev.old);
    fl_free(e);
}

struct hub_event *fl_hub_event_at(const struct hub_group *g, uint64_t pos)
{
    fl_assert(pos >= g->first && pos < g->end);
    return g->slots[pos & (g->cap - 1)];
}

/* ---- groups ---- */

static void group_free(struct hub_group *g)
{
    fl_assert(!g->feeds);
    for (uint64_t p = g->first; p < g->end; p++) {
        fl_hub_event_drop(fl_hub_event_at(g, p));
    }
    fl_free(g->slots);
    fl_free(g->res);
    fl_free(g);
}

struct hub_group *fl_hub_group(struct fl_hub *h, const struct fl_kind *k)
{
    struct store_place place;
    struct hub_group *g;

    fl_store_place(k, &place);
    for (size_t i = 0; i < h->n_groups; i++) {
        if (strcmp(h->groups[i]->res, place.res) == 0) {
            return h->groups[i];
        }
    }
    g = FL_NEW(struct hub_group);
    g->res = fl_strdup(place.res);
    g->floor_rv = h->newest_rv;
    h->groups = fl_reallocarray(h->groups, h->n_groups + 1, sizeof(struct hub_group *));
    h->groups[h->n_groups++] = g;
    return g;
}

static void group_grow(struct hub_group *g)
{
    uint64_t cap = g->cap ? 2 * g->cap : 16;
    struct hub_event **slots = fl_calloc((size_t)cap, sizeof(struct hub_event *));

    for (uint64_t p = g->first; p < g->end; p++) {
        slots[p & (cap - 1)] = g->slots[p & (g->cap - 1)];
    }
    fl_free(g->slots);
    g->slots = slots;
    g->cap = cap;
}

static void group_push(struct fl_hub *h, struct hub_group *g, struct hub_event *e)
{
    if (g->end - g->first == g->cap) {
        group_grow(g);
    }
    e->text_before = g->text;
    g->text += e->ev.text->n;
    g->slots[g->end & (g->cap - 1)] = e;
    g->end++;
    h->events++;
    h->text += e->ev.text->n;
    h->bytes += e->bytes;
    h->newest_rv = e->ev.rv;
}

static void group_evict(struct fl_hub *h, struct hub_group *g)
{
    struct hub_event *e = fl_hub_event_at(g, g->first);

    g->first++;
    g->floor_rv = e->ev.rv;
    h->events--;
    h->text -= e->ev.text->n;
    h->bytes -= e->bytes;
    e->kept = false;
    fl_hub_event_drop(e);
}

/* ---- trimming ---- */

/* One event may be as large as it likes: what counts is what waits behind it. */
static bool feed_lags(const struct hub_group *g, const struct hub_feed *f)
{
    const struct hub_event *e;

    if (f->pos < g->first) {
        return true;
    }
    if (f->pos >= g->end) {
        return false;
    }
    e = fl_hub_event_at(g, f->pos);
    return g->end - f->pos > HUB_LAG_EVENTS ||
           g->text - e->text_before - e->ev.text->n > HUB_LAG_TEXT;
}

/* Those who lag are ended without a call: they have lines to fetch, and find the end instead. */
static void trim_prepare(struct fl_hub *h)
{
    for (size_t i = 0; i < h->n_groups; i++) {
        struct hub_group *g = h->groups[i];

        g->need = g->end;
        for (struct hub_feed *f = g->feeds; f; f = f->next) {
            f->ended = f->ended || feed_lags(g, f);
            if (!f->ended && f->pos < g->need) {
                g->need = f->pos;
            }
        }
    }
}

/* The group with the oldest event: of all, or of those that all have seen. */
static struct hub_group *trim_pick(const struct fl_hub *h, bool seen_only)
{
    struct hub_group *best = NULL;

    for (size_t i = 0; i < h->n_groups; i++) {
        struct hub_group *g = h->groups[i];

        if (g->first == g->end || (seen_only && g->first >= g->need)) {
            continue;
        }
        if (!best ||
            fl_hub_event_at(g, g->first)->ev.rv < fl_hub_event_at(best, best->first)->ev.rv) {
            best = g;
        }
    }
    return best;
}

static void hub_trim(struct fl_hub *h, bool now)
{
    bool hard = h->events > HUB_EVENTS_MAX || h->text > HUB_TEXT_MAX;
    struct hub_group *g;

    if (h->events <= HUB_SEEN_EVENTS && h->bytes <= HUB_SEEN_BYTES) {
        return;
    }
    if (!hard && !now && ++h->since_trim < HUB_TRIM_EVERY) {
        return;
    }
    h->since_trim = 0;
    trim_prepare(h);
    while (h->events > 1 && (h->events > HUB_SEEN_EVENTS || h->bytes > HUB_SEEN_BYTES) &&
           (g = trim_pick(h, true)) != NULL) {
        group_evict(h, g);
    }
    while (h->events > 1 && (h->events > HUB_EVENTS_MAX || h->text > HUB_TEXT_MAX) &&
           (g = trim_pick(h, false)) != NULL) {
        group_evict(h, g);
    }
}

/* ---- waking ---- */

void fl_hub_news(struct hub_feed *f, struct hub_feed **wakes)
{
    f->idle = false;
    if (!f->wake) {
        f->missed = true;
    } else if (f->waking) {
        f->wake_again = true;
    } else {
        f->waking = true;
        f->wake_again = false;
        f->wake_next = *wakes;
        *wakes = f;
    }
}

/* Returns true when the feed was closed meanwhile, by its own waker. */
static bool wake_one(struct fl_hub *h, struct hub_feed *f)
{
    fl_lock_scope(&h->lock);
    do {
        void (*wake)(void *arg) = f->wake;
        void *arg = f->wake_arg;

        f->wake_again = false;
        if (!wake) {
            break;
        }
        f->running = true;
        f->runner = pthread_self();
        fl_lock_drop(&h->lock);
        wake(arg);
        fl_lock_take(&h->lock);
        f->running = false;
    } while (f->wake_again);
    f->waking = false;
    fl_cond_broadcast(&h->woken);
    return f->dead;
}

void fl_hub_wake(struct fl_hub *h, struct hub_feed *wakes)
{
    while (wakes) {
        struct hub_feed *f = wakes;

        /* After its turn it may be gone. */
        wakes = f->wake_next;
        if (wake_one(h, f)) {
            fl_hub_feed_free(f);
        }
    }
}

/* ---- the interface ---- */

struct fl_hub *fl_hub_new(struct fl_clock *clock)
{
    struct fl_hub *h = FL_NEW(struct fl_hub);

    fl_lock_init(&h->lock, "hub", FL_RANK_HUB);
    fl_cond_init(&h->woken);
    h->clock = clock;
    return h;
}

void fl_hub_free(struct fl_hub *h)
{
    if (!h) {
        return;
    }
    fl_assert(h->watchers == 0);
    for (size_t i = 0; i < h->n_groups; i++) {
        group_free(h->groups[i]);
    }
    fl_free(h->groups);
    fl_cond_destroy(&h->woken);
    fl_lock_destroy(&h->lock);
    fl_free(h);
}

void fl_hub_bind(struct fl_hub *h, struct fl_store *store)
{
    fl_lock_scope(&h->lock);
    h->store = store;
    h->newest_rv = fl_store_rv(store);
}

void fl_hub_publish(void *arg, const struct fl_event *ev)
{
    struct fl_hub *h = arg;
    struct hub_event *e = event_new(ev);
    struct hub_feed *wakes = NULL;
    struct hub_group *g;

    fl_lock_take(&h->lock);
    g = fl_hub_group(h, ev->kind);
    group_push(h, g, e);
    for (struct hub_feed *f = g->feeds; f; f = f->next) {
        if (!f->idle) {
            continue;
        }
        if (*f->ns && !fl_str_is(e->ns, f->ns)) {
            f->pos = g->end;
        } else {
            fl_hub_news(f, &wakes);
        }
    }
    hub_trim(h, false);
    fl_lock_drop(&h->lock);
    fl_hub_wake(h, wakes);
}

void fl_hub_stop(struct fl_hub *h)
{
    struct hub_feed *wakes = NULL;

    fl_lock_take(&h->lock);
    h->stopping = true;
    for (size_t i = 0; i < h->n_groups; i++) {
        for (struct hub_feed *f = h->groups[i]->feeds; f; f = f->next) {
            f->ended = true;
            fl_hub_news(f, &wakes);
        }
    }
    fl_lock_drop(&h->lock);
    fl_hub_wake(h, wakes);
}

static void tick_feed(struct hub_feed *f, int64_t now, struct hub_feed **wakes)
{
    bool was_idle = f->idle;

    if (f->ended) {
        return;
    }
    if (now >= f->deadline_ms) {
        f->ended = true;
        fl_hub_news(f, wakes);
        return;
    }
    if (!f->bookmarks) {
        return;
    }
    if (now >= f->bookmark_ms) {
        f->bookmark_due = true;
        f->bookmark_ms = now + HUB_BOOKMARK_MS;
    }
    if (!f->last_bookmark_sent && f->deadline_ms - now <= HUB_LAST_BOOKMARK_MS) {
        f->bookmark_due = true;
        f->last_bookmark_sent = true;
    }
    if (f->bookmark_due && was_idle) {
        fl_hub_news(f, wakes);
    }
}

void fl_hub_tick(struct fl_hub *h)
{
    int64_t now = fl_clock_mono_ms(h->clock);
    struct hub_feed *wakes = NULL;

    fl_lock_take(&h->lock);
    for (size_t i = 0; i < h->n_groups; i++) {
        for (struct hub_feed *f = h->groups[i]->feeds; f; f = f->next) {
            tick_feed(f, now, &wakes);
        }
    }
    hub_trim(h, true);
    fl_lock_drop(&h->lock);
    fl_hub_wake(h, wakes);
}

int fl_hub_watchers(struct fl_hub *h)
{
    fl_lock_scope(&h->lock);
    return h->watchers;
}
