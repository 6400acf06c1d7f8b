/* SPDX-License-Identifier: Apache-2.0
 * Fan-out of committed events to watchers. A bounded number of recent events in memory, by kind; older ones are replayed from
 * the store's log. One watcher is one fl_feed (wire/serve.h); the encoded line of an event is made once per form and shared by
 * all watchers of that form. A watcher that falls behind by more than 4 MiB or 10,000 events of its kind is ended: it lists
 * again. The feed's next may read a page from the store, and never waits for anything else; call it without locks of rank
 * FL_RANK_HUB or above. A waker may close its own feed. */
#ifndef FL_APISERVER_HUB_H
#define FL_APISERVER_HUB_H

#include "apiserver/form.h"
#include "apiserver/selector.h"
#include "apiserver/store.h"
#include "wire/serve.h"

struct fl_hub;

struct fl_hub *fl_hub_new(struct fl_clock *clock);
void fl_hub_free(struct fl_hub *h); /* after fl_hub_stop and when all feeds are closed */
void fl_hub_bind(struct fl_hub *h, struct fl_store *store); /* once, before the first watch */
/* The store's `published`: arg is the hub. */
void fl_hub_publish(void *arg, const struct fl_event *ev);
/* Ends all feeds (END) and refuses new ones: at shutdown. */
void fl_hub_stop(struct fl_hub *h);
/* Emits due bookmarks and ends feeds whose time is over. Called once a second or so by the API server's tick. */
void fl_hub_tick(struct fl_hub *h);

struct fl_watch_opts {
    const struct fl_kind *kind;
    struct fl_str ns;                 /* empty: all; copied */
    const struct fl_selector *labels; /* copied (text inside); NULL = all */
    const struct fl_selector *fields;
    int64_t rv; /* events after this one; 0: synthetic ADDED of what is, then live */
    /* WatchList: ADDED of what is at RV S, BOOKMARK with initial-events-end, then events after S */
    bool send_initial;
    bool bookmarks;      /* every 60 s, and 2 s before the end */
    int64_t timeout_ms;  /* ends in order after so long */
    struct fl_form form; /* as negotiated */
};
/* 0 and a feed; or EXPIRED as NOT_FOUND with reason "Expired": the caller answers 200 with one ERROR line; UNAVAILABLE while
 * stopping; TIMEOUT "ResourceVersionTooLarge": send_initial at an RV that is to come (without it, such an RV waits
 * silently). Lines: {"type":...,"object":...}\n. */
int fl_hub_watch(struct fl_hub *h, const struct fl_watch_opts *o, struct fl_feed **ret,
                 struct fl_err *err);
int fl_hub_watchers(struct fl_hub *h);

#endif
