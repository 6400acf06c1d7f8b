/* SPDX-License-Identifier: Apache-2.0
 * What people and scripts ask of the receiver's listener beside webhooks: the page, the state it shows, live events, sync at
 * once. Whoever asks is known by a bearer token of the Kubernetes API, and may see and do here what that API lets him: each
 * question is put to it with his token. anonymous_read lets everybody read (R27: the program allows it on a loopback address
 * only, unless the server is read-only).
 *
 *   GET  /                       the page (no token: it asks for one); /app.js, /app.css
 *   GET  /state[?namespace=]     kinds and their objects as kubectl shows them, one Table a kind
 *   GET  /events[?namespace=&kind=&name=]                      SSE (live.h)
 *   POST /sync/<plural>/<namespace>/<name>[?wait=true|false]   202; with wait 200 or 502 and Ready
 *   /hook/...                    receiver.h
 */
#ifndef FL_HOOK_WEB_H
#define FL_HOOK_WEB_H

#include "engine/cache.h"
#include "hook/live.h"
#include "hook/receiver.h"

struct fl_web;

/* One request to the Kubernetes API: *ret (initialised) as it answered. authorization: the caller's, the whole header value;
 * NULL: as the program itself. A failure is that of reaching the API. */
typedef int (*fl_web_ask_fn)(void *arg, const char *method, const char *path, const char *accept,
                             const char *content_type, const char *authorization,
                             struct fl_str body, struct fl_response *ret, struct fl_err *err);

struct fl_web_conf {
    struct fl_clock *clock;
    const struct fl_kind *const *kinds; /* that are shown, NULL-ended */
    struct fl_hooks *hooks;
    struct fl_live *live;
    fl_web_ask_fn ask;
    void *ask_arg;
    bool read_only;      /* no /sync (405); hooks stay: they only ask for a look (R23) */
    bool anonymous_read; /* /state and /events without a token; unless read_only, only as localhost,
                            127.x.x.x or [::1] by the Host header (421), against DNS rebinding */
    const char *const
        *trusted_proxies; /* addresses, CIDR blocks, NULL-ended: whose X-Forwarded-For counts */
};
struct fl_web *
fl_web_new(const struct fl_web_conf *conf); /* texts are the caller's and outlive it */
void fl_web_free(struct fl_web *w);
/* fl_serve_fn and body cap of the listener; self is the struct fl_web. */
void fl_web_serve(void *self, const struct fl_request *req, struct fl_response *res);
size_t fl_web_body_cap(void *self, const struct fl_request *head);
/* An object changed in the cache (fl_cache_kind.changed): tells its Ready, wakes those who wait for it. Any thread. */
void fl_web_changed(struct fl_web *w, const struct fl_obj *old, const struct fl_obj *now);
/* Ends waits and streams; then the listener is stopped, then fl_web_free. */
void fl_web_stop(struct fl_web *w);

#endif
