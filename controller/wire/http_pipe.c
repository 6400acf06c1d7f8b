/* SPDX-License-Identifier: Apache-2.0
 * A blob from one server to another: GET and PUT in one multi of the calling thread, a ring between them. Small blobs go by
 * way of memory, one request after the other, so that a bad source costs no upload and a dead connection can be tried again. */
#include "wire/http.h"

#include <curl/curl.h>

#include "base/mem.h"
#include "wire/http_priv.h"

enum {
    RING_LARGE = 192 * 1024, /* with it ten pipes at once stay under 8 MiB */
    SEND_BATCH = 64 * 1024,  /* a paused upload goes on when so much is there */
    SEND_TURNS = 64,         /* or after so many turns, or when nothing moves */
};

struct pipe {
    const struct fl_http_pipe *p;
    const struct fl_ctx *ctx;
    struct http_slot *slot;
    struct http_ring *ring;
    struct http_xfer from;
    struct http_xfer to;
    bool verified;
    bool retried;
    int paused_turns;
};

/* ---- the ring ---- */

static void ring_reset(struct http_ring *r, size_t cap)
{
    if (r->cap < cap) {
        fl_free(r->data);
        r->data = fl_malloc(cap); /* pages are touched as they fill */
        r->cap = cap;
    }
    r->at_in = r->at_out = 0;
    r->in = r->out = 0;
}

static size_t ring_room(const struct http_ring *r)
{
    return r->cap - (size_t)(r->in - r->out);
}

static void ring_put(struct http_ring *r, struct fl_str s)
{
    size_t first = s.n < r->cap - r->at_in ? s.n : r->cap - r->at_in;
    memcpy(r->data + r->at_in, s.p, first);
    memcpy(r->data, s.p + first, s.n - first);
    r->at_in = (r->at_in + s.n) % r->cap;
    r->in += (int64_t)s.n;
}

static void ring_get(struct http_ring *r, char *ret, size_t n)
{
    size_t first = n < r->cap - r->at_out ? n : r->cap - r->at_out;
    memcpy(ret, r->data + r->at_out, first);
    memcpy(ret + first, r->data, n - first);
    r->at_out = (r->at_out + n) % r->cap;
    r->out += (int64_t)n;
    if (r->out == r->in && r->in > (int64_t)r->cap) {
        /* From the front again: those bytes are in the processor's cache. Not while a rewind is still possible. */
        r->at_in = 0;
        r->at_out = 0;
    }
}

/* ---- callbacks ---- */

static enum http_take source_take(struct http_xfer *x, struct fl_str piece)
{
    struct pipe *pp = x->owner;
    if ((int64_t)piece.n > pp->p->size - x->came) {
        char label[HTTP_LABEL];
        http_label(x, label);
        (void)fl_fail(&x->err, FL_E_BAD_DATA, "BadLength", "%s: more than the %lld bytes expected",
                      label, (long long)pp->p->size);
        return HTTP_STOP;
    }
    if (ring_room(pp->ring) < piece.n) {
        return HTTP_PAUSE;
    }
    if (pp->p->tap) {
        pp->p->tap(pp->p->tap_arg, piece);
    }
    ring_put(pp->ring, piece);
    return HTTP_TAKEN;
}

static bool asked_range(const struct fl_http_req *req)
{
    for (size_t i = 0; i < req->n_headers; i++) {
        if (fl_str_case_is(fl_str_of(req->headers[i].name), "range")) {
            return true;
        }
    }
    return false;
}

/* What the head alone tells is looked at before anything is sent. */
static void source_head(struct http_xfer *x)
{
    struct pipe *pp = x->owner;
    int status = x->resp.status;
    if (status < 200 || status >= 300) {
        return;
    }
    char label[HTTP_LABEL];
    http_label(x, label);
    if (status != 200 && !(status == 206 && asked_range(x->req))) {
        (void)fl_fail_http(&x->err, FL_E_BAD_DATA, status, -1, "UnexpectedStatus",
                           "%s: answered %d instead of 200", label, status);
        return;
    }
    int64_t n = fl_http_content_length(&x->resp);
    if (n >= 0 && n != pp->p->size) {
        (void)fl_fail(&x->err, FL_E_BAD_DATA, "BadLength",
                      "%s: Content-Length is %lld, expected %lld bytes", label, (long long)n,
                      (long long)pp->p->size);
    }
}

/* The last byte stays here until the source is verified: a target never gets a whole body that is wrong. */
static int64_t sendable(const struct pipe *pp)
{
    int64_t limit = pp->verified ? pp->p->size : pp->p->size - 1;
    int64_t in = pp->ring->in;
    return (in < limit ? in : limit) - pp->ring->out;
}

static size_t target_more(struct http_xfer *x, char *ret, size_t n)
{
    struct pipe *pp = x->owner;
    if (pp->ring->out == pp->p->size) {
        return 0;
    }
    int64_t have = sendable(pp);
    if (have <= 0) {
        pp->paused_turns = 0;
        return CURL_READFUNC_PAUSE;
    }
    if ((int64_t)n > have) {
        n = (size_t)have;
    }
    ring_get(pp->ring, ret, n);
    return n;
}

/* Possible as long as nothing was written over the beginning. */
static bool target_rewind(struct http_xfer *x)
{
    struct pipe *pp = x->owner;
    if (pp->ring->in > (int64_t)pp->ring->cap) {
        return false;
    }
    pp->ring->out = 0;
    pp->ring->at_out = 0;
    return true;
}

/* ---- verdicts ---- */

static int side(int rc, const char *name, struct fl_err *e, struct fl_err *err)
{
    if (rc) {
        (void)fl_wrap(e, "%s", name);
        if (err) {
            *err = *e;
        }
    }
    return rc;
}

/* The source has ended well: is it what was wanted? */
static int source_verify(struct pipe *pp, struct fl_err *err)
{
    struct fl_err e = FL_ERR_INIT;
    if (pp->from.came != pp->p->size) {
        char label[HTTP_LABEL];
        http_label(&pp->from, label);
        int rc = fl_fail(&e, FL_E_BAD_DATA, "BadLength", "%s: %lld bytes came, %lld expected",
                         label, (long long)pp->from.came, (long long)pp->p->size);
        return side(rc, "source", &e, err);
    }
    int rc = pp->p->verify ? pp->p->verify(pp->p->tap_arg, &e) : 0;
    if (rc && err) {
        *err = e;
    }
    pp->verified = rc == 0;
    return rc;
}

static bool good(const struct http_xfer *x)
{
    return x->resp.status >= 200 && x->resp.status < 300;
}

static int target_verdict(struct pipe *pp, struct fl_err *err)
{
    struct fl_err e = FL_ERR_INIT;
    int rc = http_xfer_verdict(&pp->to, &e);
    if (rc == 0 && good(&pp->to) && !(pp->verified && pp->ring->out == pp->p->size)) {
        char label[HTTP_LABEL];
        http_label(&pp->to, label);
        rc = fl_fail_http(&e, FL_E_BAD_DATA, pp->to.resp.status, -1, "EarlyAnswer",
                          "%s: answered %d before the whole body was sent", label,
                          pp->to.resp.status);
    }
    return side(rc, "target", &e, err);
}

/* ---- small: one after the other ---- */

static int pipe_small(struct pipe *pp, struct fl_err *err)
{
    struct fl_err e = FL_ERR_INIT;
    pp->from.easy = pp->slot->easy[0];
    ring_reset(pp->ring, HTTP_SMALL);
    int rc = http_walk(&pp->from, pp->ctx, false, &e);
    http_xfer_stop(&pp->from);
    if (rc || !good(&pp->from)) {
        return side(rc, "source", &e, err);
    }
    rc = source_verify(pp, err);
    if (rc) {
        return rc;
    }
    pp->to.easy = pp->slot->easy[0];
    pp->to.body = (struct fl_str){pp->ring->data, (size_t)pp->p->size};
    rc = http_walk(&pp->to, pp->ctx, false, &e);
    return side(rc, "target", &e, err);
}

/* ---- large: both at once ---- */

static void unpause(struct http_xfer *x, bool *flag)
{
    *flag = false;
    x->last_ms = fl_clock_mono_ms(x->clock);
    (void)curl_easy_pause(x->easy, CURLPAUSE_CONT);
}

/* Lets go on who may; `idle`: nothing moved in the last slice. */
static void balance(struct pipe *pp, bool idle)
{
    struct http_xfer *from = &pp->from;
    struct http_xfer *to = &pp->to;
    if (to->paused_out && !to->done) {
        int64_t have = sendable(pp);
        pp->paused_turns++;
        bool refused =
            to->head_done && !good(to); /* the rest will not be sent, but the answer has to end */
        bool due = pp->verified || have >= SEND_BATCH || idle || pp->paused_turns >= SEND_TURNS;
        if (refused || (have > 0 && due)) {
            unpause(to, &to->paused_out);
        }
    }
    if (from->paused_in && !from->done && ring_room(pp->ring) >= pp->ring->cap / 2) {
        unpause(from, &from->paused_in);
    }
}

static int target_start(struct pipe *pp, struct fl_err *err)
{
    struct fl_err e = FL_ERR_INIT;
    int rc = http_xfer_start(&pp->to, &e);
    return side(rc, "target", &e, err);
}

/* 1: the pipe has ended well or with a status; 0: goes on; < 0: failed. */
static int step(struct pipe *pp, struct fl_err *err)
{
    struct fl_err e = FL_ERR_INIT;
    struct http_xfer *from = &pp->from;
    struct http_xfer *to = &pp->to;
    if (from->started && from->done) {
        int rc = side(http_xfer_verdict(from, &e), "source", &e, err);
        http_xfer_stop(from);
        rc = rc ? rc : source_verify(pp, err);
        if (rc) {
            return rc;
        }
    }
    if (to->done) {
        if (http_stale(to) && !pp->retried && target_rewind(to)) {
            pp->retried = true;
            http_xfer_stop(to);
            return target_start(pp, err);
        }
        int rc = target_verdict(pp, err);
        return rc ? rc : 1;
    }
    int rc = from->started ? http_xfer_check(from, pp->ctx, &e) : 0;
    if (rc) {
        return side(rc, "source", &e, err);
    }
    return side(http_xfer_check(to, pp->ctx, &e), "target", &e, err);
}

static int pipe_large(struct pipe *pp, struct fl_err *err)
{
    struct fl_err e = FL_ERR_INIT;
    for (size_t i = 1; i < FL_LEN(pp->slot->easy); i++) {
        if (!pp->slot->easy[i]) {
            pp->slot->easy[i] = curl_easy_init();
            fl_assert(pp->slot->easy[i] != NULL);
        }
    }
    pp->from.easy = pp->slot->easy[1];
    pp->from.blob = true;
    pp->to.easy = pp->slot->easy[2];
    pp->to.blob = true;
    pp->to.upload = pp->p->size;
    pp->to.more = target_more;
    pp->to.rewind = target_rewind;
    ring_reset(pp->ring, RING_LARGE);
    int rc = http_walk(&pp->from, pp->ctx, true, &e);
    if (rc || !good(&pp->from)) {
        return side(rc, "source", &e, err);
    }
    if (pp->from.done) { /* it all came with the head */
        rc = source_verify(pp, err);
    }
    rc = rc ? rc : target_start(pp, err);
    while (rc == 0) {
        http_turn(pp->slot->multi);
        rc = step(pp, err);
        if (rc == 0) {
            balance(pp, false);
            if (!http_wait(pp->slot->multi, pp->ctx)) {
                balance(pp, true);
            }
        }
    }
    return rc < 0 ? rc : 0;
}

/* ---- both clients ---- */

/* A pipe counts in both. The order of addresses keeps two pipes in opposite directions from waiting for each other. */
static int permits_take(struct fl_http *from, struct fl_http *to, const struct fl_ctx *ctx,
                        struct http_slot **slot, struct fl_err *err)
{
    if (from == to) {
        return http_slot_take(to, from, ctx, slot, err);
    }
    int rc;
    if ((uintptr_t)from < (uintptr_t)to) {
        rc = http_permit_take(from, ctx, err);
        if (rc == 0 && (rc = http_slot_take(to, from, ctx, slot, err))) {
            http_permit_give(from);
        }
        return rc;
    }
    rc = http_slot_take(to, from, ctx, slot, err);
    if (rc == 0 && (rc = http_permit_take(from, ctx, err))) {
        http_slot_give(to, *slot);
    }
    return rc;
}

static void resp_move(struct fl_http_resp *ret, struct http_xfer *x)
{
    fl_http_resp_release(ret);
    *ret = x->resp;
    fl_http_resp_init(&x->resp);
}

int fl_http_pipe(const struct fl_http_pipe *p, const struct fl_ctx *ctx, struct fl_http_resp *from,
                 struct fl_http_resp *to, struct fl_err *err)
{
    fl_assert(p->size >= 0);
    int rc = http_req_check(p->get, err);
    rc = rc ? rc : http_req_check(p->put, err);
    struct pipe pp = {.p = p, .ctx = ctx};
    rc = rc ? rc : permits_take(p->from, p->to, ctx, &pp.slot, err);
    if (rc) {
        return rc;
    }
    bool guest = p->from->trust != p->to->trust;
    pp.ring = &pp.slot->ring;
    http_xfer_init(&pp.from, p->from, p->get, ctx->clock);
    http_xfer_init(&pp.to, p->to, p->put, ctx->clock);
    pp.from.multi = pp.to.multi = pp.slot->multi;
    pp.from.owner = pp.to.owner = &pp;
    pp.from.guest = guest;
    pp.from.apart = p->from->reach != p->to->reach;
    pp.to.body = (struct fl_str){NULL, 0};
    pp.from.take = source_take;
    pp.from.head = source_head;
    rc = p->size <= HTTP_SMALL ? pipe_small(&pp, err) : pipe_large(&pp, err);
    http_xfer_stop(&pp.from);
    http_xfer_stop(&pp.to);
    http_slot_give(p->to, pp.slot);
    if (p->from != p->to) {
        http_permit_give(p->from);
    }
    if (rc == 0) {
        resp_move(from, &pp.from);
        resp_move(to, &pp.to);
    }
    http_xfer_release(&pp.from);
    http_xfer_release(&pp.to);
    return rc;
}
