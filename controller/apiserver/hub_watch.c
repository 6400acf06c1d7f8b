/* SPDX-License-Identifier: Apache-2.0
 * One watcher: where it begins, what comes next, its waker, its end. */
#include "apiserver/hub_priv.h"
#include "base/mem.h"

/* ---- the feed ---- */

/* 1: *ret is a line. 0: none is in the queue. */
static int feed_pop(struct hub_feed *f, struct fl_shared **ret)
{
    if (f->q_head == f->q_len) {
        return 0;
    }
    *ret = f->queue[f->q_head++];
    if (f->q_head == f->q_len) {
        f->q_head = 0;
        f->q_len = 0;
        if (f->phase == HUB_LIVE) {
            fl_free(f->queue);
            f->queue = NULL;
            f->q_cap = 0;
        }
    }
    return 1;
}

static bool feed_ended(struct hub_feed *f)
{
    fl_lock_scope(&f->h->lock);
    return f->ended;
}

static void feed_end(struct hub_feed *f)
{
    fl_lock_scope(&f->h->lock);
    f->ended = true;
}

/* The next event that may concern this watcher, with a reference; NULL and *bookmark_rv > 0: a bookmark is due; NULL
 * and 0: nothing now, or the end. */
static struct hub_event *live_take(struct hub_feed *f, int64_t *bookmark_rv)
{
    struct fl_hub *h = f->h;
    struct hub_group *g = f->group;

    fl_lock_scope(&h->lock);
    *bookmark_rv = 0;
    f->ended = f->ended || f->pos < g->first;
    if (f->ended) {
        return NULL;
    }
    while (f->pos < g->end) {
        struct hub_event *e = fl_hub_event_at(g, f->pos++);

        if (e->ev.rv > f->after_rv && (!*f->ns || fl_str_is(e->ns, f->ns))) {
            e->refs++;
            return e;
        }
    }
    /* All up to the newest was seen. A watcher of the future is told nothing that would take it back. */
    if (f->bookmark_due && h->newest_rv >= f->after_rv) {
        f->bookmark_due = false;
        *bookmark_rv = h->newest_rv;
        return NULL;
    }
    f->idle = true;
    f->missed = false;
    return NULL;
}

static enum fl_feed_state live_next(struct hub_feed *f, struct fl_shared **ret)
{
    struct hub_event *e;
    int64_t bookmark_rv;

    while ((e = live_take(f, &bookmark_rv)) != NULL) {
        struct fl_shared *line = fl_hub_line_shared(f, e);

        fl_lock_take(&f->h->lock);
        fl_hub_event_drop(e);
        fl_lock_drop(&f->h->lock);
        if (line) {
            *ret = line;
            return FL_FEED_DATA;
        }
    }
    if (bookmark_rv > 0) {
        *ret = fl_hub_line_bookmark(f, bookmark_rv, false);
        return FL_FEED_DATA;
    }
    return feed_ended(f) ? FL_FEED_END : FL_FEED_EMPTY;
}

static enum fl_feed_state feed_next(struct fl_feed *feed, struct fl_shared **ret)
{
    struct hub_feed *f = fl_container_of(feed, struct hub_feed, feed);

    while (!feed_ended(f)) {
        struct fl_err err = FL_ERR_INIT;
        int rc;

        if (feed_pop(f, ret)) {
            return FL_FEED_DATA;
        }
        if (f->phase == HUB_LIVE) {
            return live_next(f, ret);
        }
        rc = f->phase == HUB_INITIAL ? fl_hub_initial_page(f, &err) : fl_hub_replay_page(f, &err);
        if (rc) {
            /* The log was trimmed under it, or the disk fails: the client comes again and is told which. */
            feed_end(f);
        }
    }
    return FL_FEED_END;
}

static void feed_set_waker(struct fl_feed *feed, void (*wake)(void *arg), void *arg)
{
    struct hub_feed *f = fl_container_of(feed, struct hub_feed, feed);
    struct fl_hub *h = f->h;
    struct hub_feed *wakes = NULL;

    fl_lock_take(&h->lock);
    f->wake = wake;
    f->wake_arg = arg;
    while (f->running && !pthread_equal(f->runner, pthread_self())) {
        fl_cond_wait(&h->woken, &h->lock);
    }
    if (wake && f->missed) {
        /* News between an EMPTY and this call: nobody was told. */
        f->missed = false;
        fl_hub_news(f, &wakes);
    }
    fl_lock_drop(&h->lock);
    fl_hub_wake(h, wakes);
}

static void feed_unlink(struct hub_feed *f)
{
    if (f->prev) {
        f->prev->next = f->next;
    } else {
        f->group->feeds = f->next;
    }
    if (f->next) {
        f->next->prev = f->prev;
    }
    f->h->watchers--;
}

void fl_hub_feed_free(struct hub_feed *f)
{
    for (size_t i = f->q_head; i < f->q_len; i++) {
        fl_shared_free(f->queue[i]);
    }
    fl_free(f->queue);
    fl_free(f->after_ns);
    fl_free(f->after_name);
    fl_free(f->ns);
    fl_selector_free(f->labels);
    fl_selector_free(f->fields);
    fl_free(f);
}

static void feed_close(struct fl_feed *feed)
{
    struct hub_feed *f = fl_container_of(feed, struct hub_feed, feed);
    struct fl_hub *h = f->h;
    bool later;

    fl_lock_take(&h->lock);
    f->wake = NULL;
    later = f->running && pthread_equal(f->runner, pthread_self());
    while (f->waking && !later) {
        fl_cond_wait(&h->woken, &h->lock);
    }
    feed_unlink(f);
    f->dead = true;
    fl_lock_drop(&h->lock);
    if (!later) {
        fl_hub_feed_free(f);
    }
}

const struct fl_feed_ops fl_hub_feed_ops = {
    .next = feed_next, .set_waker = feed_set_waker, .close = feed_close};

/* ---- where it begins ---- */

/* The first position behind rv. */
static uint64_t group_find(const struct hub_group *g, int64_t rv)
{
    uint64_t lo = g->first;
    uint64_t hi = g->end;

    while (lo < hi) {
        uint64_t mid = lo + (hi - lo) / 2;

        if (fl_hub_event_at(g, mid)->ev.rv <= rv) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static struct hub_feed *feed_new(struct fl_hub *h, const struct fl_watch_opts *o)
{
    struct hub_feed *f = FL_NEW(struct hub_feed);
    int64_t now = fl_clock_mono_ms(h->clock);

    f->feed.ops = &fl_hub_feed_ops;
    f->h = h;
    f->kind = o->kind;
    f->ns = fl_strndup(o->ns.n > 0 ? o->ns.p : "", o->ns.n);
    f->labels = o->labels ? fl_selector_ref((struct fl_selector *)o->labels) : NULL;
    f->fields = o->fields ? fl_selector_ref((struct fl_selector *)o->fields) : NULL;
    f->form = o->form;
    f->bookmarks = o->bookmarks;
    f->end_mark = o->bookmarks && o->send_initial;
    f->bookmark_ms = now + HUB_BOOKMARK_MS;
    f->deadline_ms = o->timeout_ms > 0 ? now + o->timeout_ms : FL_NEVER;
    f->from_rv = o->rv;
    f->after_rv = o->rv;
    f->phase = o->rv == 0 || o->send_initial ? HUB_INITIAL : HUB_LIVE;
    return f;
}

/* From here on it misses nothing: what is published later stands behind its position. */
static int feed_link(struct hub_feed *f, struct fl_err *err)
{
    struct fl_hub *h = f->h;
    struct hub_group *g;

    fl_lock_scope(&h->lock);
    if (h->stopping) {
        return fl_fail(err, FL_E_UNAVAILABLE, "ShuttingDown", "the server is shutting down");
    }
    g = fl_hub_group(h, f->kind);
    f->group = g;
    f->pos = g->end;
    if (f->phase == HUB_LIVE && f->from_rv >= g->floor_rv) {
        f->pos = group_find(g, f->from_rv);
    } else if (f->phase == HUB_LIVE) {
        f->phase = HUB_REPLAY;
        f->after_rv = h->newest_rv;
    }
    f->next = g->feeds;
    if (f->next) {
        f->next->prev = f;
    }
    g->feeds = f;
    h->watchers++;
    return 0;
}

static int feed_begin(struct hub_feed *f, const struct fl_watch_opts *o, struct fl_err *err)
{
    struct fl_store *s = f->h->store;

    if (f->phase == HUB_REPLAY && o->rv < fl_store_floor(s, o->kind)) {
        return fl_fail(err, FL_E_NOT_FOUND, "Expired", "too old resource version: %lld (%lld)",
                       (long long)o->rv, (long long)fl_store_floor(s, o->kind));
    }
    if (f->phase != HUB_INITIAL) {
        return 0;
    }
    if (o->rv > fl_store_rv(s)) {
        return fl_fail(err, FL_E_TIMEOUT, "ResourceVersionTooLarge",
                       "Too large resource version: %lld, current: %lld", (long long)o->rv,
                       (long long)fl_store_rv(s));
    }
    return fl_hub_initial_page(f, err);
}

int fl_hub_watch(struct fl_hub *h, const struct fl_watch_opts *o, struct fl_feed **ret,
                 struct fl_err *err)
{
    struct hub_feed *f = feed_new(h, o);
    int rc = feed_link(f, err);

    fl_assert(h->store);
    if (rc) {
        fl_hub_feed_free(f);
        return rc;
    }
    rc = feed_begin(f, o, err);
    if (rc) {
        feed_close(&f->feed);
        return rc;
    }
    *ret = &f->feed;
    return 0;
}
