/* SPDX-License-Identifier: Apache-2.0
 * GitMirror's controller and what it needs of the program. */
#ifndef FL_RECONCILE_MIRROR_H
#define FL_RECONCILE_MIRROR_H

#include "engine/engine.h"
#include "port/adapter.h"
#include "port/hook.h"
#include "port/live.h"

struct fl_mirrors; /* what is kept of each mirror between its passes; any thread */

struct fl_mirrors_conf {
    const struct fl_adapter *const *adapters; /* NULL-ended, lives as long; the one named "git" */
    struct fl_clock *clock;
    struct fl_metrics *metrics;
    const char *mirrors_dir; /* absolute; a repository is <mirrors_dir>/<namespace>/<name>.git */
    const char *run_dir;     /* private, for key files of running commands */
    struct fl_hooks *hooks;
    const struct fl_hooks_ops *hooks_ops; /* NULL: no receiver */
    struct fl_live *live;
    const struct fl_live_ops *live_ops; /* NULL: no hub */
    int64_t interval_ms;                /* of specs that leave it out; 0: never by the clock */
};

struct fl_mirrors *fl_mirrors_new(const struct fl_mirrors_conf *conf);
void fl_mirrors_free(struct fl_mirrors *ms); /* no pass is running */
FL_AUTO(fl_mirrors);
struct fl_controller fl_mirror_controller(struct fl_mirrors *ms);

#endif
