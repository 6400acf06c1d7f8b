/* SPDX-License-Identifier: Apache-2.0
 * Many small exchanges in one multi. What an answer costs is less the work on it than to begin that work: a thread is woken that
 * finds its code and data gone from the processor's caches. So there is one thread, and it takes in what came together. */
#include "wire/http.h"

#include <curl/curl.h>

#include "base/mem.h"
#include "wire/http_priv.h"

enum {
    MANY_LANES = HTTP_CONNS_KEPT,
    MANY_GATHER_MS = 3, /* an answer waits for others at most so long */
    MANY_GATHER_OF = 8, /* and at most this part of the time that the oldest call has taken */
    MANY_GATHER_MIN = 4 /* fewer in flight: nothing to wait for */
};

struct lane {
    struct http_xfer x;
    struct fl_http_req req;
    struct fl_ctx ctx;
    CURL *easy;
    char *url;
    size_t i;
    int64_t begun_ms;
    bool permit;
    bool busy;
};

struct many {
    struct fl_http *h;
    const struct fl_ctx *ctx;
    const struct fl_http_many *m;
    struct http_slot *slot;
    size_t next;
    size_t n_busy;
    bool stopped;
    bool checked;
    struct lane lanes[MANY_LANES];
};

static void lane_clear(struct many *m, struct lane *l)
{
    if (l->busy) {
        http_xfer_stop(&l->x);
        http_xfer_release(&l->x);
        fl_free(l->url);
        l->busy = false;
        m->n_busy--;
    }
}

static int lane_begin(struct many *m, struct lane *l, struct fl_err *err)
{
    if (!l->easy) {
        l->easy = curl_easy_init();
        fl_assert(l->easy != NULL);
    }
    l->i = m->next++;
    l->url = fl_strdup(m->m->url(m->m->arg, l->i));
    l->req = *m->m->req;
    l->req.url = l->url;
    l->req.max_redirects = 0;
    l->ctx = fl_ctx_timeout(m->ctx, m->m->timeout_ms);
    l->begun_ms = fl_clock_mono_ms(m->ctx->clock);
    http_xfer_init(&l->x, m->h, &l->req, m->ctx->clock);
    l->x.multi = m->slot->multi;
    l->x.easy = l->easy;
    l->busy = true;
    m->n_busy++;
    /* They differ in the URL alone, which the start looks at. */
    int rc = m->checked ? 0 : http_req_check(&l->req, err);
    m->checked = true;
    return rc ? rc : http_xfer_start(&l->x, err);
}

static bool lane_allowed(struct many *m, struct lane *l)
{
    if (l != m->lanes && l->permit && http_permit_wanted(m->h)) {
        l->permit = false;
        http_permit_give(m->h);
    } else if (!l->permit) {
        l->permit = http_permit_more(m->h);
    }
    return l->permit;
}

static int many_fill(struct many *m, struct fl_err *err)
{
    for (size_t k = 0; k < MANY_LANES && m->next < m->m->n && !m->stopped; k++) {
        struct lane *l = &m->lanes[k];
        if (l->busy || !lane_allowed(m, l)) {
            continue;
        }
        int rc = lane_begin(m, l, err);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

/* Returns how many were answered, or a failure. */
static int many_collect(struct many *m, struct fl_err *err)
{
    int n = 0;
    for (size_t k = 0; k < MANY_LANES; k++) {
        struct lane *l = &m->lanes[k];
        if (!l->busy || (!l->x.done && !l->x.err.code)) {
            continue;
        }
        int rc = http_xfer_verdict(&l->x, err);
        if (rc) {
            return rc;
        }
        http_xfer_stop(&l->x);
        m->stopped = !m->m->answer(m->m->arg, l->i, &l->x.resp) || m->stopped;
        lane_clear(m, l);
        n++;
    }
    return n;
}

static int many_check(struct many *m, struct fl_err *err)
{
    for (size_t k = 0; k < MANY_LANES; k++) {
        struct lane *l = &m->lanes[k];
        int rc = l->busy ? http_xfer_check(&l->x, &l->ctx, err) : 0;
        if (rc) {
            return rc;
        }
    }
    return 0;
}

/* Waits for an answer, and then a little for others. Where answers are quick it does not: the wait would be most of their time. */
static void many_wait(struct many *m)
{
    if (!http_wait(m->slot->multi, m->ctx) || m->n_busy < MANY_GATHER_MIN) {
        return;
    }
    int64_t now = fl_clock_mono_ms(m->ctx->clock);
    int64_t oldest = now;
    for (size_t k = 0; k < MANY_LANES; k++) {
        const struct lane *l = &m->lanes[k];
        oldest = l->busy && l->begun_ms < oldest ? l->begun_ms : oldest;
    }
    int64_t ms = (now - oldest) / MANY_GATHER_OF;
    http_pause(ms < MANY_GATHER_MS ? (int)ms : MANY_GATHER_MS);
}

static int many_run(struct many *m, struct fl_err *err)
{
    for (;;) {
        int rc = many_fill(m, err);
        if (rc || m->n_busy == 0) {
            return rc;
        }
        http_turn(m->slot->multi);
        rc = many_collect(m, err);
        if (rc == 0) {
            rc = many_check(m, err);
            if (rc == 0) {
                many_wait(m);
            }
        }
        if (rc < 0) {
            return rc;
        }
    }
}

int fl_http_do_many(struct fl_http *h, const struct fl_ctx *ctx, const struct fl_http_many *m,
                    struct fl_err *err)
{
    struct many *all = FL_NEW(struct many);
    all->h = h;
    all->ctx = ctx;
    all->m = m;
    int rc = http_slot_take(h, NULL, ctx, &all->slot, err);
    if (rc) {
        fl_free(all);
        return rc;
    }
    all->lanes[0].permit = true;
    all->lanes[0].easy = all->slot->easy[0];
    rc = many_run(all, err);
    for (size_t k = 0; k < MANY_LANES; k++) {
        struct lane *l = &all->lanes[k];
        lane_clear(all, l);
        if (k > 0) {
            curl_easy_cleanup(l->easy);
            if (l->permit) {
                http_permit_give(h);
            }
        }
    }
    http_slot_give(h, all->slot);
    fl_free(all);
    return rc;
}
