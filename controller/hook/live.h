/* SPDX-License-Identifier: Apache-2.0
 * Live events over SSE: GET /events[?namespace=&kind=&name=]. Events: connected, refresh, condition; ids grow; with Last-Event-ID
 * one catch-up refresh is sent, since nothing is kept. A comment every 25 s, the end after 30 min, caps in all and per address,
 * a bounded buffer per client: a slow one loses messages (and is told the count), it never blocks. R26. */
#ifndef FL_HOOK_LIVE_H
#define FL_HOOK_LIVE_H

#include "base/clock.h"
#include "engine/metrics.h"
#include "port/live.h"
#include "wire/serve.h"

#define FL_LIVE_CLIENTS 512
#define FL_LIVE_PER_ADDRESS 32
#define FL_LIVE_BUFFER 64 /* messages per client */

struct fl_live_conf {
    struct fl_clock *clock;
    struct fl_metrics *metrics;
};
struct fl_live *fl_live_new(const struct fl_live_conf *conf);
/* Ends all streams; later ones get 503. Then fl_live_free after the listener was stopped. */
void fl_live_stop(struct fl_live *l);
void fl_live_free(struct fl_live *l);
void fl_live_tick(struct fl_live *l); /* once a second: keep-alive and ends */
extern const struct fl_live_ops fl_live_ops;
/* A condition changed (from the cache): Ready's status, reason, message. */
void fl_live_condition(struct fl_live *l, const struct fl_kind *kind, struct fl_str ns,
                       struct fl_str name, const char *status, const char *reason,
                       const char *message);
/* Answers GET /events for a caller who may see namespace `ns` (empty: all). client: his address, or
 * what else his streams are counted by. */
void fl_live_serve(struct fl_live *l, const struct fl_request *req, struct fl_str ns,
                   const char *client, struct fl_response *res);

#endif
