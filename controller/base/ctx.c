/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ctx.h"

struct fl_ctx fl_ctx_root(struct fl_clock *clock, const struct fl_cancel *cancel)
{
    return (struct fl_ctx){.clock = clock, .deadline_ms = FL_NEVER, .cancel = cancel};
}

static int64_t later(int64_t now, int64_t ms)
{
    return ms > FL_NEVER - now ? FL_NEVER : now + ms;
}

struct fl_ctx fl_ctx_timeout(const struct fl_ctx *parent, int64_t timeout_ms)
{
    struct fl_ctx child = *parent;
    if (timeout_ms > 0) {
        int64_t deadline = later(fl_clock_mono_ms(parent->clock), timeout_ms);
        if (deadline < child.deadline_ms) {
            child.deadline_ms = deadline;
        }
    }
    return child;
}

void fl_cancel_set(struct fl_cancel *c)
{
    atomic_store(&c->set, true);
}

static bool cancel_is_set(const struct fl_cancel *c)
{
    return c && atomic_load(&c->set);
}

bool fl_ctx_canceled(const struct fl_ctx *ctx)
{
    return cancel_is_set(ctx->cancel) || cancel_is_set(ctx->cancel2);
}

int64_t fl_ctx_left_ms(const struct fl_ctx *ctx)
{
    if (ctx->deadline_ms == FL_NEVER) {
        return FL_NEVER;
    }
    int64_t now = fl_clock_mono_ms(ctx->clock);
    return ctx->deadline_ms > now ? ctx->deadline_ms - now : 0;
}

int fl_ctx_check(const struct fl_ctx *ctx, const char *what, struct fl_err *err)
{
    if (fl_ctx_canceled(ctx)) {
        return fl_fail(err, FL_E_CANCELED, "Canceled", "%s: canceled", what);
    }
    if (fl_ctx_left_ms(ctx) == 0) {
        return fl_fail(err, FL_E_TIMEOUT, "Timeout", "%s: deadline passed", what);
    }
    return 0;
}

/* Until ms have passed (0), or the context ends. A cancel has no condition variable of its own to
 * signal, so it is looked at between slices. */
static int sleep_slices(const struct fl_ctx *ctx, struct fl_cond *cond, struct fl_lock *l,
                        int64_t ms, struct fl_err *err)
{
    enum { SLICE_MS = 50 };
    int64_t end = later(fl_clock_mono_ms(ctx->clock), ms > 0 ? ms : 0);
    for (;;) {
        int64_t now = fl_clock_mono_ms(ctx->clock);
        if (now >= end && !fl_ctx_canceled(ctx)) {
            return 0;
        }
        int rc = fl_ctx_check(ctx, "sleep", err);
        if (rc != 0) {
            return rc;
        }
        int64_t until = end < ctx->deadline_ms ? end : ctx->deadline_ms;
        int64_t slice = later(now, SLICE_MS);
        fl_clock_wait(ctx->clock, cond, l, slice < until ? slice : until);
    }
}

int fl_ctx_sleep(const struct fl_ctx *ctx, int64_t ms, struct fl_err *err)
{
    struct fl_lock l;
    struct fl_cond cond;
    fl_lock_init(&l, "sleep", FL_RANK_CLOCK - 1);
    fl_cond_init(&cond);
    fl_lock_take(&l);
    int rc = sleep_slices(ctx, &cond, &l, ms, err);
    fl_lock_drop(&l);
    fl_cond_destroy(&cond);
    fl_lock_destroy(&l);
    return rc;
}
