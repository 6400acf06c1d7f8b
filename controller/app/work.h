/* SPDX-License-Identifier: Apache-2.0
 * The working half of the program, the same in both homes: engine, controllers, remotes, and the listener for metrics and
 * health. */
#ifndef FL_APP_WORK_H
#define FL_APP_WORK_H

#include "app/options.h"
#include "engine/engine.h"
#include "wire/serve.h"

struct fl_work;

struct fl_work_conf {
    const struct fl_options *options;
    struct fl_kube *kube;
    struct fl_clock *clock;
    bool controllers; /* false: fl_work_begin does nothing */
    /* Asked for /readyz beside the engine (the embedded API's); may be NULL. False: appends why. */
    bool (*ready)(void *arg, struct fl_buf *why);
    /* More lines for /metrics (the embedded API's); may be NULL. */
    void (*metrics)(void *arg, struct fl_buf *b);
    void *arg; /* of both */
};

/* Metrics and health alone: alive, and not ready before fl_work_begin. UNAVAILABLE: the metrics address is taken. */
int fl_work_open(const struct fl_work_conf *conf, struct fl_work **ret, struct fl_err *err);
/* Once: the controllers, and with --web-listen their listener. */
int fl_work_begin(struct fl_work *w, struct fl_err *err);
void fl_work_stop(struct fl_work *w, int64_t grace_ms);

#endif
