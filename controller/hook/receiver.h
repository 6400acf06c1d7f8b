/* SPDX-License-Identifier: Apache-2.0
 * The receiver: one HTTP listener for all webhooks, the live events and the page. It answers at once and puts a key in the
 * queue; nothing is done on its threads. Order of work on a delivery: cap (413), path (404), signature over the raw bytes in
 * constant time (401), replay by delivery id (202, nothing done), event (204 for those that change no ref), then 202. Source:
 * reference scm.md 3.2, git-and-pipelines.md 4.3 (R16 to R29). */
#ifndef FL_HOOK_RECEIVER_H
#define FL_HOOK_RECEIVER_H

#include "engine/metrics.h"
#include "port/hook.h"
#include "port/live.h"
#include "wire/serve.h"

struct fl_hooks_conf {
    struct fl_clock *clock;
    struct fl_metrics *metrics;
    /* A verified delivery wants this object brought up to date; must be quick. */
    void (*wake)(void *arg, const struct fl_kind *kind, struct fl_str ns, struct fl_str name,
                 const char *delivery);
    void *wake_arg;
    const struct fl_secret *
        github_secret; /* of the App that delivers for all mirrors at /hook/github; NULL: 404 there */
    size_t body_cap;   /* 0: 25 MiB */
};
struct fl_hooks *fl_hooks_new(const struct fl_hooks_conf *conf);
void fl_hooks_free(struct fl_hooks *h);
extern const struct fl_hooks_ops fl_hooks_ops;
/* Answers one request whose path begins with /hook/. */
void fl_hooks_serve(struct fl_hooks *h, const struct fl_request *req, struct fl_response *res);
/* The largest body that is taken for this head: only who knows a path may send much. */
size_t fl_hooks_body_cap(struct fl_hooks *h, const struct fl_request *head);

#endif
