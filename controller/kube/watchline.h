/* SPDX-License-Identifier: Apache-2.0
 * The frames of a watch: one JSON object a line, cut anywhere by chunks (kubernetes.md 1.1). Private to kube/. */
#ifndef FL_KUBE_WATCHLINE_H
#define FL_KUBE_WATCHLINE_H

#include "base/buf.h"

#define FL_WATCH_LINE_MAX ((size_t)4 << 20)

/* Puts lines together again. `pending` is made with the largest line as its cap. */
struct fl_watch_lines {
    struct fl_buf pending;
};

void fl_watch_lines_init(struct fl_watch_lines *w, size_t line_max);
void fl_watch_lines_release(struct fl_watch_lines *w);
void fl_watch_lines_clear(struct fl_watch_lines *w); /* forgets a line that was begun */
FL_AUTO_VAL(fl_watch_lines);

/* Calls back with each whole line in `piece` and what was pending, without its end (\n or \r\n); empty ones are left out.
 * TOO_BIG, or the first failure of `line`; the rest of the piece is dropped then. */
int fl_watch_lines_feed(struct fl_watch_lines *w, struct fl_str piece,
                        int (*line)(void *arg, struct fl_str line, struct fl_err *err), void *arg,
                        struct fl_err *err);

enum fl_watch_type { FL_WATCH_SET, FL_WATCH_DELETED, FL_WATCH_BOOKMARK, FL_WATCH_ERROR };

struct fl_watch_event {
    enum fl_watch_type type;
    struct fl_str object;
    struct fl_str rv; /* metadata.resourceVersion; empty for ERROR */
    bool initial_end; /* BOOKMARK that ends the initial events of a WatchList */
};

/* check: the line comes from outside and is checked first. BAD_DATA: not an event. */
int fl_watch_event_parse(struct fl_str line, bool check, struct fl_watch_event *ret,
                         struct fl_err *err);

#endif
