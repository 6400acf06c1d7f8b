/* SPDX-License-Identifier: Apache-2.0
 * One lock for the hub and all its streams: it is taken for copying a pointer into rings, never for longer. Source of the
 * format: HTML Living Standard, server-sent events. */
#include "hook/live.h"

#include "api/meta/kind.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "base/url.h"

#define LIVE_KEEP_ALIVE_MS INT64_C(25000)
#define LIVE_END_MS (INT64_C(30) * 60 * 1000)
#define LIVE_CHANGES 100 /* told of one refresh */
#define LIVE_MESSAGE_CAP ((size_t)256 << 10)

struct client {
    struct fl_feed feed; /* first: a feed is a client */
    struct fl_live *live;
    struct client *prev, *next;
    char *ns, *kind, *name; /* "" = all; what is asked to see */
    char *address;
    struct fl_shared *ring[FL_LIVE_BUFFER];
    size_t head, n;
    int64_t missed; /* since the last message that was taken */
    int64_t born_ms, sent_ms;
    bool ended;
    void (*wake)(void *arg);
    void *wake_arg;
};

struct fl_live {
    struct fl_clock *clock;
    struct fl_lock lock; /* guards all that follows, and the clients */
    struct client *first;
    size_t n;
    uint64_t
        id; /* of the last message; begins with the time of the start, so it grows over restarts */
    bool stopping;
    struct fl_metric *clients, *messages, *dropped;
};

/* ---- messages ---- */

static void push(struct client *c, struct fl_shared *m)
{
    if (c->ended) {
        return;
    }
    if (c->n == FL_LIVE_BUFFER) {
        c->missed++;
        fl_metric_add(c->live->dropped, 1);
        return;
    }
    c->ring[(c->head + c->n) % FL_LIVE_BUFFER] = fl_shared_ref(m);
    c->n++;
    c->sent_ms = fl_clock_mono_ms(c->live->clock);
    fl_metric_add(c->live->messages, 1);
    if (c->wake) {
        c->wake(c->wake_arg);
    }
}

static bool wants(const struct client *c, const struct fl_kind *kind, struct fl_str ns,
                  struct fl_str name)
{
    bool kind_ok = !c->kind[0] || fl_str_case_is(fl_str_of(c->kind), kind->kind) ||
                   fl_str_is(fl_str_of(c->kind), kind->plural);
    return kind_ok && (!c->ns[0] || fl_str_is(ns, c->ns)) &&
           (!c->name[0] || fl_str_is(name, c->name));
}

static void json_member(struct fl_buf *b, const char *key, const char *value)
{
    fl_buf_fmt(b, ",\"%s\":", key);
    if (value) {
        fl_buf_json_str(b, fl_str_of(value));
    } else {
        fl_buf_text(b, "null");
    }
}

static void object_text(struct fl_buf *b, const struct fl_kind *kind, struct fl_str ns,
                        struct fl_str name)
{
    fl_buf_fmt(b, "{\"kind\":\"%s\",\"namespace\":", kind->kind);
    fl_buf_json_str(b, ns);
    fl_buf_text(b, ",\"name\":");
    fl_buf_json_str(b, name);
}

/* Tells it to all who want it; the id goes before the text under the lock, so ids grow on every stream. */
static void tell(struct fl_live *l, const struct fl_kind *kind, struct fl_str ns,
                 struct fl_str name, const char *event, struct fl_str data)
{
    fl_lock_scope(&l->lock);
    l->id++;
    struct fl_shared *m = NULL;
    for (struct client *c = l->first; c; c = c->next) {
        if (!wants(c, kind, ns, name)) {
            continue;
        }
        if (!m) {
            fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
            fl_buf_fmt(&b, "id: %llu\nevent: %s\ndata: ", (unsigned long long)l->id, event);
            fl_buf_str(&b, data);
            fl_buf_text(&b, "\n\n");
            m = fl_shared_new(fl_buf_slice(&b));
        }
        push(c, m);
    }
    fl_shared_free(m);
}

static void live_refresh(struct fl_live *l, const struct fl_live_event *e)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(LIVE_MESSAGE_CAP);
    object_text(&b, e->kind, e->ns, e->name);
    json_member(&b, "trigger", e->trigger);
    fl_buf_fmt(&b, ",\"total\":%zu,\"changes\":[", e->n);
    for (size_t i = 0; i < e->n && i < LIVE_CHANGES; i++) {
        fl_buf_text(&b, i ? ",{\"name\":" : "{\"name\":");
        fl_buf_json_str(&b, fl_str_of(e->v[i].name));
        json_member(&b, "old", e->v[i].old);
        json_member(&b, "new", e->v[i].new);
        fl_buf_char(&b, '}');
    }
    fl_buf_text(&b, "]}");
    if (fl_buf_finish(&b, "live event", NULL) == 0) {
        tell(l, e->kind, e->ns, e->name, "refresh", fl_buf_slice(&b));
    }
}

const struct fl_live_ops fl_live_ops = {.refresh = live_refresh};

void fl_live_condition(struct fl_live *l, const struct fl_kind *kind, struct fl_str ns,
                       struct fl_str name, const char *status, const char *reason,
                       const char *message)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(LIVE_MESSAGE_CAP);
    object_text(&b, kind, ns, name);
    json_member(&b, "ready", status);
    json_member(&b, "reason", reason);
    json_member(&b, "message", message);
    fl_buf_char(&b, '}');
    if (fl_buf_finish(&b, "live event", NULL) == 0) {
        tell(l, kind, ns, name, "condition", fl_buf_slice(&b));
    }
}

/* ---- one stream ---- */

static struct fl_shared *missed_text(struct client *c)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(128);
    fl_buf_fmt(&b, "event: missed\ndata: {\"count\":%lld}\n\n", (long long)c->missed);
    c->missed = 0;
    return fl_shared_new(fl_buf_slice(&b));
}

static enum fl_feed_state client_next(struct fl_feed *f, struct fl_shared **ret)
{
    struct client *c = (struct client *)f;
    fl_lock_scope(&c->live->lock);
    if (c->n > 0) {
        *ret = c->ring[c->head];
        c->head = (c->head + 1) % FL_LIVE_BUFFER;
        c->n--;
        return FL_FEED_DATA;
    }
    if (c->missed > 0) {
        *ret = missed_text(c);
        return FL_FEED_DATA;
    }
    return c->ended ? FL_FEED_END : FL_FEED_EMPTY;
}

static void client_set_waker(struct fl_feed *f, void (*wake)(void *arg), void *arg)
{
    struct client *c = (struct client *)f;
    fl_lock_scope(&c->live->lock);
    c->wake = wake;
    c->wake_arg = arg;
}

static void client_close(struct fl_feed *f)
{
    struct client *c = (struct client *)f;
    struct fl_live *l = c->live;
    {
        fl_lock_scope(&l->lock);
        *(c->prev ? &c->prev->next : &l->first) = c->next;
        if (c->next) {
            c->next->prev = c->prev;
        }
        l->n--;
        fl_metric_set(l->clients, (int64_t)l->n);
    }
    for (; c->n > 0; c->n--, c->head = (c->head + 1) % FL_LIVE_BUFFER) {
        fl_shared_free(c->ring[c->head]);
    }
    fl_free(c->ns);
    fl_free(c->kind);
    fl_free(c->name);
    fl_free(c->address);
    fl_free(c);
}

static const struct fl_feed_ops client_ops = {
    .next = client_next, .set_waker = client_set_waker, .close = client_close};

/* ---- opening ---- */

static char *asked(const struct fl_request *req, const char *name)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(512);
    return fl_strdup(fl_query_get(req->query, name, &b) ? b.data : "");
}

static size_t streams_of(const struct fl_live *l, const char *address)
{
    size_t n = 0;
    for (const struct client *c = l->first; c; c = c->next) {
        n += strcmp(c->address, address) == 0 ? 1 : 0;
    }
    return n;
}

/* What is told at once: that it is connected and, to one who was here before, that he may have missed something. */
static void greet(struct fl_live *l, struct client *c, const char *last_id)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(512);
    fl_buf_fmt(&b, "retry: 3000\nid: %llu\nevent: connected\ndata: {\"time\":\"",
               (unsigned long long)l->id);
    fl_time_fmt(&b, fl_clock_wall_ms(l->clock));
    fl_buf_text(&b, "\"}\n\n");
    uint64_t last = 0;
    if (last_id && (!fl_num_u64(fl_str_of(last_id), &last) || last != l->id)) {
        fl_buf_fmt(&b, "id: %llu\nevent: refresh\ndata: {\"catchUp\":true}\n\n",
                   (unsigned long long)l->id);
    }
    struct fl_shared *m = fl_shared_new(fl_buf_slice(&b));
    push(c, m);
    fl_shared_free(m);
}

static void refuse(struct fl_response *res, int status, const char *retry_s, const char *words)
{
    res->status = status;
    res->content_type = "text/plain; charset=utf-8";
    fl_response_header(res, "Retry-After", retry_s);
    fl_buf_text(&res->body, words);
}

/* NULL: refused, and *res says so. */
static struct client *join(struct fl_live *l, struct client *c, const char *last_id,
                           struct fl_response *res)
{
    fl_lock_scope(&l->lock);
    if (l->stopping) {
        refuse(res, 503, "5", "the server is stopping\n");
        return NULL;
    }
    if (l->n >= FL_LIVE_CLIENTS || streams_of(l, c->address) >= FL_LIVE_PER_ADDRESS) {
        refuse(res, 429, "30", "too many event streams are open\n");
        return NULL;
    }
    c->next = l->first;
    if (c->next) {
        c->next->prev = c;
    }
    l->first = c;
    l->n++;
    fl_metric_set(l->clients, (int64_t)l->n);
    greet(l, c, last_id);
    return c;
}

void fl_live_serve(struct fl_live *l, const struct fl_request *req, struct fl_str ns,
                   const char *client, struct fl_response *res)
{
    struct client *c = FL_NEW(struct client);
    c->feed.ops = &client_ops;
    c->live = l;
    c->ns = fl_strndup(ns.p ? ns.p : "", ns.n);
    c->kind = asked(req, "kind");
    c->name = asked(req, "name");
    c->address = fl_strdup(client);
    c->born_ms = c->sent_ms = fl_clock_mono_ms(l->clock);
    if (!join(l, c, fl_request_header(req, "last-event-id"), res)) {
        fl_free(c->ns);
        fl_free(c->kind);
        fl_free(c->name);
        fl_free(c->address);
        fl_free(c);
        return;
    }
    res->status = 200;
    res->content_type = "text/event-stream";
    fl_response_header(res, "Cache-Control", "no-store");
    fl_response_header(res, "X-Accel-Buffering", "no"); /* nginx holds streams back otherwise */
    res->feed = &c->feed;
}

/* ---- life ---- */

struct fl_live *fl_live_new(const struct fl_live_conf *conf)
{
    struct fl_live *l = FL_NEW(struct fl_live);
    l->clock = conf->clock;
    l->id = (uint64_t)fl_clock_wall_ms(conf->clock);
    fl_lock_init(&l->lock, "live", FL_RANK_FEED);
    l->clients =
        fl_metric_gauge(conf->metrics, "fairlead_live_clients", "", "Event streams that are open.");
    l->messages = fl_metric_counter(conf->metrics, "fairlead_live_messages_total", "",
                                    "Live events handed to streams.");
    l->dropped = fl_metric_counter(conf->metrics, "fairlead_live_dropped_total", "",
                                   "Live events that a slow reader missed.");
    return l;
}

static void client_end(struct client *c)
{
    c->ended = true;
    if (c->wake) {
        c->wake(c->wake_arg);
    }
}

void fl_live_stop(struct fl_live *l)
{
    fl_lock_scope(&l->lock);
    l->stopping = true;
    for (struct client *c = l->first; c; c = c->next) {
        client_end(c);
    }
}

void fl_live_tick(struct fl_live *l)
{
    struct fl_shared *m = fl_shared_new(FL_STR(": keep-alive\n\n"));
    {
        fl_lock_scope(&l->lock);
        int64_t now = fl_clock_mono_ms(l->clock);
        for (struct client *c = l->first; c; c = c->next) {
            if (now - c->born_ms >= LIVE_END_MS) {
                client_end(c);
            } else if (now - c->sent_ms >= LIVE_KEEP_ALIVE_MS && c->n == 0) {
                /* what waits keeps it alive as well, and a comment that is dropped was no event */
                push(c, m);
            }
        }
    }
    fl_shared_free(m);
}

void fl_live_free(struct fl_live *l)
{
    if (!l) {
        return;
    }
    fl_assert(!l->first);
    fl_lock_destroy(&l->lock);
    fl_free(l);
}
