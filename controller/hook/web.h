/* SPDX-License-Identifier: Apache-2.0
 * What people and scripts ask of the receiver's listener beside webhooks: the page, the state it shows, live events, sync at
 * once. Whoever asks is known by a bearer token of the Kubernetes API, and may see and do here what that API lets him: each
 * question is put to it with his token. --web-anonymous-read lets everybody read (R27: on a loopback address only, unless the
 * server is read-only).
 *
 *   GET  /                       the page (no token: it asks for one); /app.js, /app.css
 *   GET  /state[?namespace=]     kinds, objects, conditions, as JSON
 *   GET  /events[?namespace=...] SSE (live.h)
 *   POST /sync/<plural>/<namespace>/<name>[?wait=true|false]   202, or with wait 200/502 and the Ready condition
 *   /hook/...                    receiver.h
 */
#ifndef FL_HOOK_WEB_H
#define FL_HOOK_WEB_H

#include "engine/engine.h"
#include "hook/live.h"
#include "hook/receiver.h"

struct fl_web;

struct fl_web_conf {
    struct fl_clock *clock;
    struct fl_metrics *metrics;
    struct fl_cache *cache; /* of the engine: what is shown */
    struct fl_hooks *hooks;
    struct fl_live *live;
    /* One request to the Kubernetes API with the caller's token: status and body as it answered. */
    int (*ask)(void *arg, const struct fl_ctx *ctx, const char *method, const char *path,
               const struct fl_secret *authorization, struct fl_str body, struct fl_response *ret,
               struct fl_err *err);
    void *ask_arg;
    bool read_only;      /* no /sync (405); hooks stay: they only ask for a look (R23) */
    bool anonymous_read; /* /state and /events without a token */
    const char *const *trusted_proxies; /* CIDR blocks, NULL-ended: whose X-Forwarded-For counts */
};
struct fl_web *fl_web_new(const struct fl_web_conf *conf);
void fl_web_free(struct fl_web *w);
/* fl_serve_fn of the listener; self is the struct fl_web. */
void fl_web_serve(void *self, const struct fl_request *req, struct fl_response *res);
size_t fl_web_body_cap(void *self, const struct fl_request *head);

#endif
