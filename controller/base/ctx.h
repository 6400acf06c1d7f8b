/* SPDX-License-Identifier: Apache-2.0
 * What a blocking call gets from its caller: clock, deadline, cancel. A child (by value) may only shorten the
 * deadline. Shared between threads only through `cancel`, which is atomic. Under a fake clock fl_ctx_sleep sees a
 * cancel when the clock is advanced. */
#ifndef FL_BASE_CTX_H
#define FL_BASE_CTX_H

#include <stdatomic.h>

#include "base/clock.h"
#include "base/err.h"

struct fl_cancel {
    atomic_bool set;
};

struct fl_ctx {
    struct fl_clock *clock;
    int64_t deadline_ms;             /* monotonic; FL_NEVER = none */
    const struct fl_cancel *cancel;  /* of the process or the worker; may be NULL */
    const struct fl_cancel *cancel2; /* of this one piece of work (stop of a run); may be NULL */
};

struct fl_ctx fl_ctx_root(struct fl_clock *clock, const struct fl_cancel *cancel);
struct fl_ctx fl_ctx_timeout(const struct fl_ctx *parent,
                             int64_t timeout_ms); /* <= 0: parent's deadline */
void fl_cancel_set(struct fl_cancel *c);
bool fl_ctx_canceled(const struct fl_ctx *ctx);
/* Milliseconds left, at least 0; FL_NEVER without a deadline. */
int64_t fl_ctx_left_ms(const struct fl_ctx *ctx);
/* 0, or CANCELED, or TIMEOUT "what: deadline passed". */
int fl_ctx_check(const struct fl_ctx *ctx, const char *what, struct fl_err *err);
/* Sleeps on the clock in slices so that a cancel is seen within 50 ms. 0, or CANCELED, TIMEOUT. */
int fl_ctx_sleep(const struct fl_ctx *ctx, int64_t ms, struct fl_err *err);

#endif
