/* SPDX-License-Identifier: Apache-2.0
 * The in-process door: a call is a function call; streams are feeds that a waker announces, drained by one thread. */
#include <stdatomic.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/secret.h"
#include "kube/kube_priv.h"

#define LOCAL_BODY_MAX ((size_t)1 << 30) /* the API's own lists */
#define LOCAL_DRAIN 256                  /* chunks of one feed before the others have their turn */

/* The door's part of a reflector. Only the watch thread touches it, but for the fields that say so. */
struct local_stream {
    struct local_stream *next;
    struct fl_reflector *r;
    struct local_kube *k;
    struct fl_feed *feed;
    char *query; /* to be opened; NULL = nothing */
    const char *accept;
    bool aborted;
    int64_t due_ms;    /* under `lock`; FL_NEVER = no timer */
    atomic_bool poked; /* by the waker */
    bool fresh;        /* under `lock`: not begun yet */
    bool stopping;     /* under `lock` */
    bool stopped;      /* under `lock` */
};

struct local_kube {
    struct fl_kube base;
    fl_serve_fn serve;
    void *self;
    char *user;
    pthread_t thread;
    bool running;         /* the watch thread was started; under `start` */
    struct fl_lock start; /* serialises starting and stopping of reflectors */
    /* Wakers come with locks of feeds held, so this one ranks above them. */
    struct fl_lock lock;
    struct fl_cond changed; /* also tells those who stop a reflector */
    bool poked;
    bool ending;
    struct local_stream *streams; /* under `lock` */
};

static struct local_kube *local_of(struct fl_kube *k)
{
    return fl_container_of(k, struct local_kube, base);
}

/* ---- calls ---- */

static size_t local_headers(const char *accept, const char *content_type, struct fl_header ret[3])
{
    size_t n = 0;
    ret[n++] = (struct fl_header){"Accept", accept ? accept : "application/json"};
    ret[n++] = (struct fl_header){"User-Agent", "fairlead/" FL_VERSION};
    if (content_type) {
        ret[n++] = (struct fl_header){"Content-Type", content_type};
    }
    return n;
}

static int64_t local_retry_after(const struct fl_response *res)
{
    for (size_t i = 0; i < res->n_headers; i++) {
        int64_t seconds = 0;
        if (fl_str_case_is(fl_str_of(res->headers[i].name), "Retry-After") &&
            fl_num_i64(fl_str_of(res->headers[i].value), &seconds) && seconds >= 0 &&
            seconds <= 3600) {
            return seconds * 1000;
        }
    }
    return -1;
}

static int local_exchange(struct fl_kube *base, const struct fl_ctx *ctx,
                          const struct kube_call *call, struct kube_answer *ret, struct fl_err *err)
{
    struct local_kube *k = local_of(base);
    (void)ctx; /* never on the network */
    (void)err;
    fl_auto(fl_arena) arena = fl_arena_new();
    struct fl_header headers[4];
    struct fl_request req = {.method = call->method,
                             .path = call->path,
                             .query = call->query,
                             .headers = headers,
                             .body = call->body,
                             .user = call->authorization ? NULL : k->user,
                             .arena = arena};
    req.n_headers = local_headers(call->accept, call->content_type, headers);
    if (call->authorization) {
        headers[req.n_headers++] = (struct fl_header){"Authorization", call->authorization};
    }
    struct fl_response res;
    fl_response_init(&res, LOCAL_BODY_MAX);
    k->serve(k->self, &req, &res);
    ret->status = res.status;
    ret->retry_after_ms = local_retry_after(&res);
    if (res.shared) {
        ret->shared = fl_take(res.shared);
    } else if (!res.feed) {
        struct fl_buf body = res.body;
        fl_buf_init(&res.body, 0);
        fl_buf_release(&ret->body);
        ret->body = body;
    }
    fl_response_release(&res);
    return 0;
}

/* ---- streams, on the watch thread ---- */

static void local_wake(void *arg)
{
    struct local_stream *s = arg;
    atomic_store(&s->poked, true);
    fl_lock_scope(&s->k->lock);
    s->k->poked = true;
    fl_cond_broadcast(&s->k->changed);
}

static void local_close(struct local_stream *s)
{
    if (s->feed) {
        struct fl_feed *f = fl_take(s->feed);
        f->ops->set_waker(f, NULL, NULL);
        f->ops->close(f);
    }
}

static void local_answered(struct local_stream *s, struct fl_response *res)
{
    struct fl_reflector *r = s->r;
    kube_reflector_head(r, res->status);
    if (res->feed) {
        s->feed = fl_take(res->feed);
        atomic_store(&s->poked, true);
        s->feed->ops->set_waker(s->feed, local_wake, s);
        return;
    }
    struct fl_str body = res->shared ? fl_shared_str(res->shared) : fl_buf_slice(&res->body);
    if (res->status >= 200 && res->status < 300) {
        kube_reflector_data(r, body);
        body.n = 0;
    }
    s->aborted = false;
    kube_reflector_end(r, res->status, local_retry_after(res), body, NULL);
}

static void local_open_now(struct local_stream *s)
{
    fl_auto_text query = fl_take(s->query);
    fl_auto(fl_arena) arena = fl_arena_new();
    struct fl_header headers[3];
    struct fl_request req = {.method = "GET",
                             .path = fl_str_of(s->r->path),
                             .query = fl_str_of(query),
                             .headers = headers,
                             .user = s->k->user,
                             .arena = arena};
    req.n_headers = local_headers(s->accept, NULL, headers);
    struct fl_response res;
    fl_response_init(&res, LOCAL_BODY_MAX);
    s->aborted = false;
    s->k->serve(s->k->self, &req, &res);
    local_answered(s, &res);
    fl_response_release(&res);
}

static void local_drain(struct local_stream *s)
{
    for (int i = 0; s->feed && !s->aborted && i < LOCAL_DRAIN; i++) {
        fl_auto(fl_shared) piece = NULL;
        enum fl_feed_state state = s->feed->ops->next(s->feed, &piece);
        if (state == FL_FEED_EMPTY) {
            return;
        }
        if (state == FL_FEED_END) {
            local_close(s);
            kube_reflector_end(s->r, 200, -1, (struct fl_str){0}, NULL);
            return;
        }
        kube_reflector_data(s->r, fl_shared_str(piece));
    }
    if (s->feed && !s->aborted) {
        local_wake(s);
    }
}

static void local_turn(struct local_stream *s, bool due)
{
    if (due) {
        kube_reflector_due(s->r);
    }
    if (s->query) {
        local_open_now(s);
    }
    if (s->feed && atomic_exchange(&s->poked, false)) {
        local_drain(s);
    }
    if (s->feed && s->aborted) {
        local_close(s);
        s->aborted = false;
        kube_reflector_end(s->r, 200, -1, (struct fl_str){0}, NULL);
    }
    if (s->query) {
        local_wake(s);
    }
}

/* What one round has to do for a stream, decided under the lock. */
enum local_todo { LOCAL_TURN, LOCAL_DUE, LOCAL_BEGIN, LOCAL_STOP };

static enum local_todo local_todo(struct local_stream *s, int64_t now)
{
    if (s->stopping) {
        return LOCAL_STOP;
    }
    if (s->fresh) {
        s->fresh = false;
        return LOCAL_BEGIN;
    }
    if (s->due_ms <= now) {
        s->due_ms = FL_NEVER;
        return LOCAL_DUE;
    }
    return LOCAL_TURN;
}

/* Streams join at the head and leave here only, so that a round may walk the list while the lock is dropped in between. */
static void local_leave(struct local_stream *s)
{
    local_close(s);
    fl_free(fl_take(s->query));
    fl_lock_scope(&s->k->lock);
    struct local_stream **at = &s->k->streams;
    while (*at != s) {
        at = &(*at)->next;
    }
    *at = s->next;
    s->stopped = true;
    fl_cond_broadcast(&s->k->changed);
}

static void local_do(struct local_stream *s, enum local_todo todo)
{
    if (todo == LOCAL_STOP) {
        local_leave(s);
        return;
    }
    if (todo == LOCAL_BEGIN) {
        kube_reflector_begin(s->r);
    }
    local_turn(s, todo == LOCAL_DUE);
}

static void local_round(struct local_kube *k)
{
    int64_t now = fl_clock_mono_ms(k->base.clock);
    fl_lock_take(&k->lock);
    struct local_stream *s = k->streams;
    while (s) {
        struct local_stream *next = s->next;
        enum local_todo todo = local_todo(s, now);
        fl_lock_drop(&k->lock);
        local_do(s, todo);
        fl_lock_take(&k->lock);
        s = next;
    }
    fl_lock_drop(&k->lock);
}

static int64_t local_next_due(const struct local_kube *k)
{
    int64_t due = FL_NEVER;
    for (const struct local_stream *s = k->streams; s; s = s->next) {
        due = s->due_ms < due ? s->due_ms : due;
    }
    return due;
}

static void *local_thread(void *arg)
{
    struct local_kube *k = arg;
    for (;;) {
        fl_lock_take(&k->lock);
        while (!k->ending && !k->poked && local_next_due(k) > fl_clock_mono_ms(k->base.clock)) {
            fl_clock_wait(k->base.clock, &k->changed, &k->lock, local_next_due(k));
        }
        bool ending = k->ending;
        k->poked = false;
        fl_lock_drop(&k->lock);
        if (ending) {
            return NULL;
        }
        local_round(k);
    }
}

/* ---- the door ---- */

static void local_open(struct fl_reflector *r, struct fl_str query, const char *accept,
                       int64_t silence_ms)
{
    struct local_stream *s = r->door;
    (void)silence_ms; /* there is no network to go silent */
    fl_free(s->query);
    s->query = fl_strndup(query.p, query.n);
    s->accept = accept;
}

static void local_abort(struct fl_reflector *r)
{
    struct local_stream *s = r->door;
    s->aborted = true;
}

static void local_later(struct fl_reflector *r, int64_t delay_ms)
{
    struct local_stream *s = r->door;
    int64_t now = fl_clock_mono_ms(r->kube->clock);
    fl_lock_scope(&s->k->lock);
    s->due_ms = now + delay_ms;
}

static void local_start(struct fl_reflector *r)
{
    struct local_kube *k = local_of(r->kube);
    struct local_stream *s = FL_NEW(struct local_stream);
    s->r = r;
    s->k = k;
    s->fresh = true;
    s->due_ms = FL_NEVER;
    atomic_init(&s->poked, false);
    r->door = s;
    fl_lock_scope(&k->start);
    if (!k->running) {
        k->running = true;
        fl_thread_start(&k->thread, "fl-watch", local_thread, k);
    }
    fl_lock_take(&k->lock);
    s->next = k->streams;
    k->streams = s;
    k->poked = true;
    fl_cond_broadcast(&k->changed);
    fl_lock_drop(&k->lock);
}

static void local_stop(struct fl_reflector *r)
{
    struct local_stream *s = r->door;
    struct local_kube *k = s->k;
    fl_lock_take(&k->lock);
    s->stopping = true;
    k->poked = true;
    fl_cond_broadcast(&k->changed);
    while (!s->stopped) {
        fl_cond_wait(&k->changed, &k->lock);
    }
    fl_lock_drop(&k->lock);
    fl_free(s);
}

static void local_free(struct fl_kube *base)
{
    struct local_kube *k = local_of(base);
    fl_lock_take(&k->lock);
    fl_assert(k->streams == NULL);
    k->ending = true;
    fl_cond_broadcast(&k->changed);
    fl_lock_drop(&k->lock);
    if (k->running) {
        pthread_join(k->thread, NULL);
    }
    fl_cond_destroy(&k->changed);
    fl_lock_destroy(&k->lock);
    fl_lock_destroy(&k->start);
    fl_free(k->base.host);
    fl_free(k->user);
    fl_free(k);
}

static const struct kube_door local_door = {
    .trusted = true,
    .exchange = local_exchange,
    .free = local_free,
    .start = local_start,
    .stop = local_stop,
    .open = local_open,
    .abort = local_abort,
    .later = local_later,
};

struct fl_kube *fl_kube_new_local(fl_serve_fn serve, void *self, const char *user,
                                  struct fl_clock *clock)
{
    struct local_kube *k = FL_NEW(struct local_kube);
    k->base.door = &local_door;
    k->base.clock = clock;
    k->base.host = fl_strdup("local");
    k->serve = serve;
    k->self = self;
    k->user = fl_strdup(user);
    fl_lock_init(&k->start, "kube start", FL_RANK_KUBE);
    fl_lock_init(&k->lock, "kube watch", FL_RANK_WIRE);
    fl_cond_init(&k->changed);
    return &k->base;
}
