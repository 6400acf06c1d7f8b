/* SPDX-License-Identifier: Apache-2.0
 * Live events: what just happened to an object, for those who watch now. Nothing is kept, nothing is owed: what matters stands
 * in the status. Any thread; never blocks. */
#ifndef FL_PORT_LIVE_H
#define FL_PORT_LIVE_H

#include "base/str.h"

struct fl_kind;

struct fl_live_change { /* one changed ref, tag, ... */
    const char *name;
    const char *old; /* NULL: new */
    const char *new; /* NULL: gone */
};
struct fl_live_event {
    const struct fl_kind *kind;
    struct fl_str ns, name;
    const char *trigger; /* "Interval", "Webhook", "Manual", "Spec" */
    const struct fl_live_change *v;
    size_t n; /* all; a sender tells the first 100 and the count */
};

struct fl_live; /* the hub */
struct fl_live_ops {
    void (*refresh)(struct fl_live *l, const struct fl_live_event *e);
};

#endif
