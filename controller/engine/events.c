/* SPDX-License-Identifier: Apache-2.0
 * Events on objects (kubernetes.md 1.7): exact repeats count up, an object that floods is cut off. */
#include "api/scheme.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "engine/engine_priv.h"

#define EVENTS_KEPT 1000
#define MESSAGE_MAX 1024
#define NAME_MAX_ 253
#define SPAM_BURST 25
#define SPAM_REFILL_MS 300000 /* one more after so long */
#define POST_TIMEOUT_MS 10000

/* One thing that is remembered, in the order of use. Two lists of them: events by their text, buckets by object. */
struct kept {
    struct kept *prev, *next;
    char *key;
    char *name;     /* event: of the Event object */
    int64_t count;  /* event: how often */
    int64_t tokens; /* bucket */
    int64_t ms;     /* bucket: since when they are refilled */
};

struct lru {
    struct fl_map *map;        /* owns */
    struct kept *first, *last; /* first: used last */
};

struct engine_events {
    struct fl_engine *engine;
    struct fl_lock lock; /* guards both */
    struct lru events, buckets;
};

static void kept_free(void *p)
{
    struct kept *k = p;
    fl_free(k->key);
    fl_free(k->name);
    fl_free(k);
}

static void lru_unlink(struct lru *l, struct kept *k)
{
    *(k->prev ? &k->prev->next : &l->first) = k->next;
    *(k->next ? &k->next->prev : &l->last) = k->prev;
}

static void lru_front(struct lru *l, struct kept *k)
{
    k->prev = NULL;
    k->next = l->first;
    *(l->first ? &l->first->prev : &l->last) = k;
    l->first = k;
}

/* The entry, new ones zeroed; the one that was not used for longest goes. */
static struct kept *lru_use(struct lru *l, struct fl_str key, bool *ret_new)
{
    struct kept *k = fl_map_get(l->map, key);
    *ret_new = !k;
    if (k) {
        lru_unlink(l, k);
        lru_front(l, k);
        return k;
    }
    if (fl_map_len(l->map) >= EVENTS_KEPT) {
        struct kept *old = l->last;
        lru_unlink(l, old);
        fl_map_del(l->map, fl_str_of(old->key));
    }
    k = FL_NEW(struct kept);
    k->key = fl_strndup(key.p, key.n);
    lru_front(l, k);
    fl_map_set(l->map, key, k);
    return k;
}

struct engine_events *engine_events_new(struct fl_engine *e)
{
    struct engine_events *ev = FL_NEW(struct engine_events);
    ev->engine = e;
    fl_lock_init(&ev->lock, "events", FL_RANK_CONTROLLER);
    ev->events.map = fl_map_new(kept_free);
    ev->buckets.map = fl_map_new(kept_free);
    return ev;
}

void engine_events_free(struct engine_events *ev)
{
    if (ev) {
        fl_map_free(ev->events.map);
        fl_map_free(ev->buckets.map);
        fl_lock_destroy(&ev->lock);
        fl_free(ev);
    }
}

static bool bucket_take(struct engine_events *ev, struct fl_str uid)
{
    bool fresh = false;
    int64_t now = fl_clock_mono_ms(ev->engine->conf.clock);
    struct kept *k = lru_use(&ev->buckets, uid, &fresh);
    if (fresh) {
        k->tokens = SPAM_BURST;
        k->ms = now;
    }
    int64_t more = (now - k->ms) / SPAM_REFILL_MS;
    k->ms += more * SPAM_REFILL_MS;
    k->tokens = k->tokens + more < SPAM_BURST ? k->tokens + more : SPAM_BURST;
    if (k->tokens == 0) {
        return false;
    }
    k->tokens--;
    return true;
}

struct report {
    const struct fl_obj *o;
    const char *type;
    const char *reason;
    struct fl_str text;
    struct fl_str key;
    char name[NAME_MAX_ + 1];
    int64_t count; /* 1: a new one */
};

static void report_name(struct report *r)
{
    char hex[17];
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&b, "%016llx", (unsigned long long)fl_random_u64());
    memcpy(hex, b.data, sizeof(hex));
    size_t n = r->o->name.n < NAME_MAX_ - sizeof(hex) ? r->o->name.n : NAME_MAX_ - sizeof(hex);
    memcpy(r->name, r->o->name.p, n);
    r->name[n] = '.';
    memcpy(r->name + n + 1, hex, sizeof(hex));
}

/* False: the object has had its share. */
static bool report_admit(struct engine_events *ev, struct report *r)
{
    fl_lock_scope(&ev->lock);
    if (!bucket_take(ev, r->o->uid)) {
        return false;
    }
    bool fresh = false;
    struct kept *k = lru_use(&ev->events, r->key, &fresh);
    k->count++;
    r->count = k->count;
    if (fresh) {
        report_name(r);
        k->name = fl_strdup(r->name);
    } else {
        memcpy(r->name, k->name, strlen(k->name) + 1);
    }
    return true;
}

static void report_forget(struct engine_events *ev, const struct report *r)
{
    fl_lock_scope(&ev->lock);
    struct kept *k = fl_map_get(ev->events.map, r->key);
    if (k) {
        lru_unlink(&ev->events, k);
        fl_map_del(ev->events.map, r->key);
    }
}

static void member(struct fl_buf *b, const char *key, struct fl_str value)
{
    fl_buf_fmt(b, ",\"%s\":", key);
    fl_buf_json_str(b, value);
}

static void report_write(const struct engine_events *ev, const struct report *r, struct fl_str ns,
                         struct fl_buf *b)
{
    const struct fl_kind *k = r->o->kind;
    fl_auto_val(fl_buf) time = FL_BUF_INIT(FL_BUF_ANY);
    fl_time_fmt(&time, fl_clock_wall_ms(ev->engine->conf.clock));
    fl_buf_text(b, "{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{\"name\":");
    fl_buf_json_str(b, fl_str_of(r->name));
    member(b, "namespace", ns);
    fl_buf_fmt(b, "},\"involvedObject\":{\"apiVersion\":\"%s%s%s\",\"kind\":\"%s\"", k->group,
               k->group[0] ? "/" : "", k->version, k->kind);
    member(b, "namespace", r->o->ns);
    member(b, "name", r->o->name);
    member(b, "uid", r->o->uid);
    member(b, "resourceVersion", r->o->rv);
    fl_buf_char(b, '}');
    member(b, "type", fl_str_of(r->type));
    member(b, "reason", fl_str_of(r->reason));
    member(b, "message", r->text);
    member(b, "firstTimestamp", fl_buf_slice(&time));
    member(b, "lastTimestamp", fl_buf_slice(&time));
    fl_buf_text(b, ",\"count\":1,\"source\":{\"component\":\"fairlead\"");
    member(b, "host", fl_str_of(ev->engine->instance));
    fl_buf_text(b, "},\"reportingComponent\":\"fairlead\"");
    member(b, "reportingInstance", fl_str_of(ev->engine->instance));
    fl_buf_char(b, '}');
}

static int report_repeat(const struct engine_events *ev, const struct fl_ctx *ctx,
                         const struct report *r, struct fl_str ns, struct fl_err *err)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) time = FL_BUF_INIT(FL_BUF_ANY);
    fl_time_fmt(&time, fl_clock_wall_ms(ev->engine->conf.clock));
    fl_buf_fmt(&b, "{\"count\":%lld", (long long)r->count);
    member(&b, "lastTimestamp", fl_buf_slice(&time));
    fl_buf_char(&b, '}');
    return fl_kube_patch(ev->engine->conf.kube, ctx, &fl_kind_event, ns, fl_str_of(r->name), "",
                         fl_buf_slice(&b), NULL, err);
}

static int report_send(struct engine_events *ev, const struct fl_ctx *ctx, struct report *r,
                       struct fl_err *err)
{
    struct fl_str ns = r->o->ns.n > 0 ? r->o->ns : FL_STR("default");
    if (r->count > 1) {
        int rc = report_repeat(ev, ctx, r, ns, err);
        if (rc != FL_E_NOT_FOUND) {
            return rc;
        }
        /* It was kept for its hour; the same name begins anew. */
    }
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    report_write(ev, r, ns, &b);
    return fl_kube_create(ev->engine->conf.kube, ctx, &fl_kind_event, ns, fl_buf_slice(&b), NULL,
                          err);
}

void engine_event(struct engine_events *ev, const struct fl_ctx *ctx, const struct fl_obj *o,
                  const char *type, const char *reason, struct fl_str text)
{
    fl_auto_val(fl_buf) clean = FL_BUF_INIT(FL_BUF_ANY);
    fl_redact(&clean, text);
    struct fl_str s = fl_buf_slice(&clean);
    while (s.n > MESSAGE_MAX || !fl_utf8_valid(s)) {
        s.n = s.n > MESSAGE_MAX ? MESSAGE_MAX : s.n - 1;
    }
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&key, "%.*s %s %s ", FL_STR_ARG(o->uid), type, reason);
    fl_buf_str(&key, s);
    struct report r = {
        .o = o, .type = type, .reason = reason, .text = s, .key = fl_buf_slice(&key)};
    if (!report_admit(ev, &r)) {
        return;
    }
    struct fl_ctx mine = fl_ctx_timeout(ctx, POST_TIMEOUT_MS);
    struct fl_err err = FL_ERR_INIT;
    if (report_send(ev, &mine, &r, &err) < 0) {
        report_forget(ev, &r);
        fl_log(FL_LOG_DEBUG, "event not recorded", FL_S("reason", reason), FL_ERR(&err));
    }
}
