/* SPDX-License-Identifier: Apache-2.0
 * The work queue of one controller: dedup, one worker per key, delays, per-key back-off; two
 * lanes, so that what a person just changed does not wait behind the first listing or the clock
 * (one in four goes to the slow lane when both wait). kubernetes.md 1.5. Any thread. */
#ifndef FL_ENGINE_QUEUE_H
#define FL_ENGINE_QUEUE_H

#include "base/clock.h"
#include "base/str.h"
#include "engine/metrics.h"

#define FL_QUEUE_KEY 512 /* bytes of a key, terminated */

struct fl_queue;
struct fl_wake; /* engine/pass.h */
enum fl_lane { FL_LANE_FAST, FL_LANE_SLOW };

struct fl_queue_series { /* each may be NULL; live as long as the queue */
    struct fl_metric *adds, *retries, *depth, *waited, *worked;
};

struct fl_queue_conf {
    struct fl_clock *clock;
    int64_t backoff_min_ms; /* 0: 1 s; doubles per failure, full jitter in the upper half */
    int64_t backoff_max_ms; /* 0: 5 min */
    struct fl_queue_series series;
};

struct fl_queue *fl_queue_new(const struct fl_queue_conf *conf);
void fl_queue_free(struct fl_queue *q);
/* A key that waits in the slow lane moves to the fast one when it is added there. Keys longer
 * than FL_QUEUE_KEY - 1 are a bug. */
void fl_queue_add(struct fl_queue *q, struct fl_str key, enum fl_lane lane);
/* The earlier of two delays for a key wins; a plain add does not cancel it unless the key is
 * handed out. When it is due the key waits in the slow lane. <= 0: now. */
void fl_queue_add_after(struct fl_queue *q, struct fl_str key, int64_t delay_ms);
/* Adds to the fast lane once nobody has woken the key for quiet_ms, but at most max_ms (<= 0: no
 * limit) after the first who did; quiet_ms <= 0: now. Whoever hands the key out earlier ends the
 * wait: the pass that comes sees what it was about. While it is worked on: afterwards. */
void fl_queue_wake(struct fl_queue *q, struct fl_str key, const struct fl_wake *why,
                   int64_t quiet_ms, int64_t max_ms);
/* Adds to what the next pass is told of why it comes; makes nothing due: the caller does so
 * next. */
void fl_queue_because(struct fl_queue *q, struct fl_str key, const struct fl_wake *why);
/* Why the key was handed out: the strongest of what had gathered, the newest of equals. */
void fl_queue_why(struct fl_queue *q, struct fl_str key, struct fl_wake *ret);
/* Counts a failure and adds with its back-off; returns the delay. */
int64_t fl_queue_add_failed(struct fl_queue *q, struct fl_str key);
void fl_queue_forget(struct fl_queue *q, struct fl_str key); /* resets the failure count */
int fl_queue_failures(struct fl_queue *q, struct fl_str key);
void fl_queue_remove(struct fl_queue *q,
                     struct fl_str key); /* the object is gone: pending delays and counts go */
/* Waits for a key; copied into *ret (NUL-terminated). False: the queue was stopped. */
bool fl_queue_get(struct fl_queue *q, char ret[FL_QUEUE_KEY]);
void fl_queue_done(struct fl_queue *q,
                   struct fl_str key);  /* if it was added meanwhile it is handed out again */
void fl_queue_stop(struct fl_queue *q); /* getters return false; what waits is dropped */
size_t fl_queue_len(struct fl_queue *q);
/* Keys that wait, and keys that are handed out and not done, at one moment. */
void fl_queue_count(struct fl_queue *q, size_t *ret_waiting, size_t *ret_busy);
int64_t fl_queue_next_ms(struct fl_queue *q); /* mono time of the next delayed key; FL_NEVER */

#endif
