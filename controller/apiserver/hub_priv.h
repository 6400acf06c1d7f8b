/* SPDX-License-Identifier: Apache-2.0
 * Inside of the hub, shared by hub.c (events, trimming, ends) and hub_watch.c, hub_initial.c (one watcher).
 *
 * Events are kept per place (store_place.res) in commit order; a position is an index that only grows. A watcher of a
 * quiet kind therefore never falls behind because another kind is busy. All that is shared is under the hub's lock, which
 * is held neither while a line is made, nor while the store is read, nor while a waker is called. */
#ifndef FL_APISERVER_HUB_PRIV_H
#define FL_APISERVER_HUB_PRIV_H

#include "apiserver/hub.h"
#include "base/lock.h"

enum {
    HUB_EVENTS_MAX = 20000,   /* in memory, hard: who needs an older one is ended */
    HUB_TEXT_MAX = 8 << 20,   /* bytes of their texts, likewise */
    HUB_SEEN_EVENTS = 1000,   /* kept for those who come again, once all watchers have seen them */
    HUB_SEEN_BYTES = 1 << 20, /* of memory, with old texts and lines */
    HUB_LAG_EVENTS = 10000,   /* of its kind; a watcher further behind is ended */
    HUB_LAG_TEXT = 4 << 20,
    HUB_TRIM_EVERY = 16,         /* events */
    HUB_BOOKMARK_MS = 60000,     /* kubernetes.md 1.1 */
    HUB_LAST_BOOKMARK_MS = 2000, /* before the end, likewise */
    HUB_PAGE_OBJECTS = 100,      /* of the initial state, at once in memory */
    HUB_PAGE_BYTES = 256 << 10,
    HUB_REPLAY_RVS = 128,
};

/* A line as it is sent, for all watchers of one form. */
struct hub_line {
    struct hub_line *next;
    struct fl_form form;
    const struct fl_kind *kind;
    enum fl_event_type type;
    struct fl_shared *line;
};

struct hub_event {
    struct fl_event ev;   /* immutable, with all it points at */
    struct fl_str ns;     /* within ev.text */
    uint64_t text_before; /* bytes of text published in its group before it */
    size_t bytes;         /* of memory, grows with lines */
    size_t refs;
    bool kept; /* in its group */
    struct hub_line *lines;
};

struct hub_group {
    char *res;
    struct hub_event **slots; /* position & (cap - 1) */
    uint64_t cap;
    uint64_t first, end; /* positions kept: first <= p < end */
    uint64_t text;       /* bytes published in all */
    uint64_t need;       /* scratch of trimming: the first position that a watcher has not seen */
    int64_t floor_rv;    /* events up to this one are not here */
    struct hub_feed *feeds;
};

struct fl_hub {
    struct fl_lock lock;
    struct fl_cond woken;
    struct fl_clock *clock;
    struct fl_store *store;
    int64_t newest_rv; /* published */
    struct hub_group **groups;
    size_t n_groups;
    size_t events;
    size_t text;  /* bytes of the texts kept */
    size_t bytes; /* of memory */
    unsigned since_trim;
    int watchers;
    bool stopping;
};

enum hub_phase { HUB_INITIAL, HUB_REPLAY, HUB_LIVE };

struct hub_feed {
    struct fl_feed feed;
    struct fl_hub *h;
    struct hub_group *group;

    /* Set once. */
    const struct fl_kind *kind;
    char *ns; /* "" = all */
    struct fl_selector *labels, *fields;
    struct fl_form form;
    bool bookmarks;
    bool end_mark; /* WatchList: the initial state ends with a bookmark */

    /* The reader's alone. */
    enum hub_phase phase;
    int64_t after_rv;            /* live events up to it are not for this watcher */
    int64_t from_rv;             /* INITIAL: the snapshot; REPLAY: delivered up to here */
    bool started;                /* INITIAL: from_rv is known */
    char *after_ns, *after_name; /* INITIAL: delivered up to here */
    bool columns_sent;
    struct fl_shared **queue; /* lines that are ready */
    size_t q_head, q_len, q_cap;

    /* Under the hub's lock. */
    struct hub_feed *prev, *next;
    uint64_t pos;
    bool ended;
    bool idle;   /* next said EMPTY, and there was no news since */
    bool missed; /* there was, but no waker */
    bool bookmark_due, last_bookmark_sent;
    int64_t deadline_ms, bookmark_ms; /* monotonic */
    void (*wake)(void *arg);
    void *wake_arg;
    bool waking;  /* some thread has it on its list */
    bool running; /* and is in the waker now: */
    pthread_t runner;
    bool wake_again;
    bool dead; /* closed by the waker itself: freed by its runner */
    struct hub_feed *wake_next;
};

/* hub.c, under the lock */
struct hub_group *fl_hub_group(struct fl_hub *h, const struct fl_kind *k);
struct hub_event *fl_hub_event_at(const struct hub_group *g, uint64_t pos);
void fl_hub_event_drop(struct hub_event *e); /* one reference */
/* Puts the feed on the list of those to wake. */
void fl_hub_news(struct hub_feed *f, struct hub_feed **wakes);
/* Without the lock. */
void fl_hub_wake(struct fl_hub *h, struct hub_feed *wakes);
void fl_hub_feed_free(struct hub_feed *f);

/* hub_line.c, without the lock */
/* What the watcher sees of an event; NULL: nothing. A reference for the caller. */
struct fl_shared *fl_hub_line_event(struct hub_feed *f, const struct fl_event *ev);
/* The same, made once for all watchers of the form. */
struct fl_shared *fl_hub_line_shared(struct hub_feed *f, struct hub_event *e);
struct fl_shared *fl_hub_line_object(struct hub_feed *f, const char *type, struct fl_str text);
struct fl_shared *fl_hub_line_bookmark(struct hub_feed *f, int64_t rv, bool initial_end);
bool fl_hub_selects(const struct hub_feed *f, struct fl_str text);
void fl_hub_queue(struct hub_feed *f,
                  struct fl_shared *line); /* takes the reference; NULL is fine */

/* hub_initial.c: fill the queue, by the reader. Outside the lock. A failure ends the feed. */
int fl_hub_initial_page(struct hub_feed *f, struct fl_err *err);
int fl_hub_replay_page(struct hub_feed *f, struct fl_err *err);

extern const struct fl_feed_ops fl_hub_feed_ops;

#endif
