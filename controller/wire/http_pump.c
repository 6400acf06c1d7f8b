/* SPDX-License-Identifier: Apache-2.0
 * Long answers, all on one thread: a multi, a list of streams that only the thread touches, and an inbox. */
#include "wire/http.h"

#include <curl/curl.h>

#include "base/arena.h"
#include "base/mem.h"
#include "wire/http_priv.h"

enum {
    POLL_MAX_MS = 60 * 1000,
    POLL_FAKE_MS = 20, /* a clock that tests move does not wake the poll */
};

struct fl_http_stream {
    struct fl_http_stream *next;
    struct fl_http_pump *pump;
    struct fl_arena *arena; /* of the request's texts */
    struct fl_secret authorization;
    struct fl_http_req req;
    struct http_xfer x;
    int64_t silence_ms;
    const struct fl_http_stream_ops *ops;
    void *arg;
    atomic_bool cancel;
};

struct call {
    struct call *next;
    int64_t due_ms;
    void (*fn)(void *arg);
    void *arg;
};

struct fl_http_pump {
    struct fl_clock *clock;
    CURLM *multi;
    pthread_t thread;
    uint64_t trust;                 /* of the first stream; the thread's */
    struct fl_http_stream *streams; /* the thread's */
    struct fl_lock lock;
    struct fl_http_stream *added; /* from here on: under the lock */
    struct call *calls;           /* by due_ms, in order of arrival where equal */
    bool closing;
};

static enum http_take stream_take(struct http_xfer *x, struct fl_str piece)
{
    struct fl_http_stream *s = x->owner;
    s->ops->data(s->arg, piece);
    return HTTP_TAKEN;
}

static void stream_head(struct http_xfer *x)
{
    struct fl_http_stream *s = x->owner;
    if (s->ops->status) {
        s->ops->status(s->arg, &x->resp);
    }
}

static const char *copy(struct fl_arena *a, const char *s)
{
    return fl_arena_text(a, s);
}

static void req_copy(struct fl_http_stream *s, const struct fl_http_req *req)
{
    s->req = (struct fl_http_req){
        .method = copy(s->arena, req->method),
        .url = copy(s->arena, req->url),
        .n_headers = req->n_headers,
        .body = {fl_arena_str(s->arena, req->body), req->body.n},
        .body_cap = HTTP_OTHER_CAP,
    };
    struct fl_header *h = fl_arena_array(s->arena, req->n_headers + 1, sizeof(*h));
    for (size_t i = 0; i < req->n_headers; i++) {
        h[i].name = copy(s->arena, req->headers[i].name);
        h[i].value = copy(s->arena, req->headers[i].value);
    }
    s->req.headers = h;
    if (req->authorization && req->authorization->p) {
        fl_secret_set(&s->authorization,
                      (struct fl_str){req->authorization->p, req->authorization->n});
        s->req.authorization = &s->authorization;
    }
}

struct fl_http_stream *fl_http_pump_add(struct fl_http_pump *p, struct fl_http *h,
                                        const struct fl_http_req *req, int64_t silence_ms,
                                        const struct fl_http_stream_ops *ops, void *arg)
{
    struct fl_http_stream *s = FL_NEW(struct fl_http_stream);
    s->pump = p;
    s->arena = fl_arena_new();
    s->silence_ms = silence_ms > 0 ? silence_ms : FL_NEVER;
    s->ops = ops;
    s->arg = arg;
    req_copy(s, req);
    http_xfer_init(&s->x, h, &s->req, p->clock);
    s->x.multi = p->multi;
    s->x.owner = s;
    s->x.take = stream_take;
    s->x.head = stream_head;
    fl_lock_take(&p->lock);
    struct fl_http_stream **at = &p->added;
    while (*at) {
        at = &(*at)->next;
    }
    *at = s;
    fl_lock_drop(&p->lock);
    (void)curl_multi_wakeup(p->multi);
    return s;
}

void fl_http_stream_cancel(struct fl_http_stream *s)
{
    CURLM *multi = s->pump->multi;
    atomic_store(&s->cancel, true); /* s may be gone from here on */
    (void)curl_multi_wakeup(multi);
}

void fl_http_pump_call(struct fl_http_pump *p, int64_t delay_ms, void (*fn)(void *arg), void *arg)
{
    struct call *c = FL_NEW(struct call);
    c->due_ms = fl_clock_mono_ms(p->clock) + (delay_ms > 0 ? delay_ms : 0);
    c->fn = fn;
    c->arg = arg;
    fl_lock_take(&p->lock);
    struct call **at = &p->calls;
    while (*at && (*at)->due_ms <= c->due_ms) {
        at = &(*at)->next;
    }
    c->next = *at;
    *at = c;
    fl_lock_drop(&p->lock);
    (void)curl_multi_wakeup(p->multi);
}

/* ---- the thread ---- */

static void stream_free(struct fl_http_stream *s)
{
    CURL *easy = s->x.easy;
    http_xfer_release(&s->x);
    curl_easy_cleanup(easy);
    fl_secret_release(&s->authorization);
    fl_arena_free(s->arena);
    fl_free(s);
}

static void stream_start(struct fl_http_pump *p, struct fl_http_stream *s)
{
    struct http_xfer *x = &s->x;
    if (p->trust == 0) {
        p->trust = x->h->trust;
    }
    x->alone = x->h->trust != p->trust;
    int rc = http_req_check(&s->req, &x->err);
    if (rc == 0) {
        x->easy = curl_easy_init();
        fl_assert(x->easy != NULL);
        (void)http_xfer_start(x, &x->err);
    }
}

/* Whether it is over; err.code tells why if it did not end in order. */
static bool stream_over(struct fl_http_stream *s, bool closing, int64_t now, struct fl_err *err)
{
    struct http_xfer *x = &s->x;
    if (x->err.code && !x->started) {
        *err = x->err; /* it never began */
        return true;
    }
    if (x->done) {
        (void)http_xfer_verdict(x, err);
        return true;
    }
    char label[HTTP_LABEL];
    if (closing || atomic_load(&s->cancel)) {
        http_label(x, label);
        (void)fl_fail(err, FL_E_CANCELED, "Canceled", "%s: canceled", label);
        return true;
    }
    if (now - x->last_ms >= s->silence_ms) {
        http_label(x, label);
        (void)fl_fail(err, FL_E_TIMEOUT, "Silent", "%s: nothing came for %lld s", label,
                      (long long)(s->silence_ms / 1000));
        return true;
    }
    return false;
}

/* Ends what is over. Returns when the next silence would be due. */
static int64_t streams_check(struct fl_http_pump *p, bool closing)
{
    int64_t now = fl_clock_mono_ms(p->clock);
    int64_t next = FL_NEVER;
    for (struct fl_http_stream **at = &p->streams; *at;) {
        struct fl_http_stream *s = *at;
        struct fl_err err = FL_ERR_INIT;
        if (stream_over(s, closing, now, &err)) {
            *at = s->next;
            bool ok = s->x.head_done && s->x.resp.status >= 200 && s->x.resp.status < 300;
            struct fl_str none = {NULL, 0};
            http_xfer_stop(&s->x);
            s->ops->end(s->arg, s->x.head_done ? s->x.resp.status : 0,
                        ok ? none : fl_buf_slice(&s->x.resp.body), err.code ? &err : NULL);
            stream_free(s);
            continue;
        }
        if (s->silence_ms != FL_NEVER && s->x.last_ms + s->silence_ms < next) {
            next = s->x.last_ms + s->silence_ms;
        }
        at = &s->next;
    }
    return next;
}

static struct call *call_due(struct fl_http_pump *p)
{
    fl_lock_scope(&p->lock);
    struct call *c = p->calls;
    if (!c || p->closing || c->due_ms > fl_clock_mono_ms(p->clock)) {
        return NULL;
    }
    p->calls = c->next;
    return c;
}

static int wait_ms(struct fl_http_pump *p, int64_t next)
{
    fl_lock_take(&p->lock);
    if (p->calls && p->calls->due_ms < next) {
        next = p->calls->due_ms;
    }
    fl_lock_drop(&p->lock);
    if (p->clock != fl_clock_real()) {
        return POLL_FAKE_MS;
    }
    int64_t left = next == FL_NEVER ? POLL_MAX_MS : next - fl_clock_mono_ms(p->clock);
    left = left < 0 ? 0 : left;
    return left < POLL_MAX_MS ? (int)left : POLL_MAX_MS;
}

static void *pump_run(void *arg)
{
    struct fl_http_pump *p = arg;
    for (;;) {
        fl_lock_take(&p->lock);
        struct fl_http_stream *added = fl_take(p->added);
        bool closing = p->closing;
        fl_lock_drop(&p->lock);
        if (closing && !added && !p->streams) {
            return NULL;
        }
        while (added) {
            struct fl_http_stream *s = added;
            added = s->next;
            s->next = p->streams;
            p->streams = s;
            stream_start(p, s);
        }
        for (struct call *c; (c = call_due(p));) {
            c->fn(c->arg);
            fl_free(c);
        }
        http_turn(p->multi);
        int64_t next = streams_check(p, closing);
        if (!closing) {
            (void)curl_multi_poll(p->multi, NULL, 0, wait_ms(p, next), NULL);
        }
    }
}

struct fl_http_pump *fl_http_pump_new(struct fl_clock *clock)
{
    struct fl_http_pump *p = FL_NEW(struct fl_http_pump);
    p->clock = clock;
    p->multi = curl_multi_init();
    fl_assert(p->multi != NULL);
    fl_lock_init(&p->lock, "http-pump", FL_RANK_WIRE);
    fl_thread_start(&p->thread, "http-pump", pump_run, p);
    return p;
}

void fl_http_pump_free(struct fl_http_pump *p)
{
    if (!p) {
        return;
    }
    fl_lock_take(&p->lock);
    p->closing = true;
    fl_lock_drop(&p->lock);
    (void)curl_multi_wakeup(p->multi);
    (void)pthread_join(p->thread, NULL);
    while (p->calls) {
        struct call *c = p->calls;
        p->calls = c->next;
        fl_free(c);
    }
    (void)curl_multi_cleanup(p->multi);
    fl_lock_destroy(&p->lock);
    fl_free(p);
}
