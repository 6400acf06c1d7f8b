/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/receiver.h"

#include <stdatomic.h>

#include "api/meta/kind.h"
#include "base/clock.h"
#include "base/giturl.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "hook/seen.h"
#include "hook/sender.h"
#include "wire/digest.h"

#define HOOKS_BODY_CAP ((size_t)25 << 20)  /* GitHub's own limit */
#define HOOKS_STRANGER_CAP ((size_t)16384) /* for whoever knows no path */
#define HOOKS_ID_MAX 200
#define HOOKS_GITHUB "/hook/github"
#define HOOKS_QUIET_MS 10000 /* between two log lines of refused deliveries */

enum result { TAKEN, REPEATED, PING, IGNORED, UNKNOWN_REPO, REFUSED, BAD_BODY, NO_PATH, RESULTS };
static const char *const result_names[RESULTS] = {"accepted", "duplicate",          "ping",
                                                  "ignored",  "unknown_repository", "refused",
                                                  "bad_body", "not_found"};

struct route {
    atomic_size_t refs;
    const struct fl_kind *kind;
    char *ns, *name;
    enum fl_hook_type type;
    struct fl_secret secret;
    char *place;
    char path[FL_HOOK_PATH]; /* "" = only by place */
};

struct route_set { /* of one place */
    struct route **v;
    size_t n;
};

struct fl_hooks {
    struct fl_hooks_conf conf;
    struct fl_secret github_secret;
    struct fl_lock lock;      /* guards what follows; no callback under it */
    struct fl_map *by_object; /* "Kind/ns/name" -> struct route, one reference */
    struct fl_map *by_path;   /* borrowed from by_object */
    struct fl_map *by_place;  /* struct route_set, likewise */
    struct hook_seen seen;
    int64_t quiet_until_ms; /* monotonic */
    struct fl_metric *results[RESULTS];
};

/* ---- routes ---- */

static void route_free(void *p)
{
    struct route *r = p;
    if (!r || atomic_fetch_sub(&r->refs, 1) != 1) {
        return;
    }
    fl_secret_release(&r->secret);
    fl_free(r->ns);
    fl_free(r->name);
    fl_free(r->place);
    fl_free(r);
}

static void route_set_free(void *p)
{
    struct route_set *s = p;
    fl_free(s->v);
    fl_free(s);
}

static void hooks_key(struct fl_buf *b, const struct fl_kind *kind, struct fl_str ns,
                      struct fl_str name)
{
    fl_buf_fmt(b, "%s/%.*s/%.*s", kind->kind, FL_STR_ARG(ns), FL_STR_ARG(name));
}

static void route_path(const struct fl_hook_route *conf, struct fl_str key, char ret[FL_HOOK_PATH])
{
    ret[0] = '\0';
    if (!conf->secret || conf->secret->n == 0) {
        return;
    }
    unsigned char mac[32];
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_HOOK_PATH - 1);
    fl_hmac_sha256((struct fl_str){conf->secret->p, conf->secret->n}, key, mac);
    fl_buf_text(&b, "/hook/");
    fl_hex_add(&b, mac, sizeof(mac));
    memcpy(ret, b.data, b.len + 1);
}

/* Hosts do not care how a path is capitalised and deliver it as it was created: a mirror that is
 * woken for nothing asks its remote once, one that is not woken is late. */
static char *place_folded(struct fl_str place)
{
    char *ret = fl_strndup(place.p ? place.p : "", place.n);
    for (char *c = ret; *c; c++) {
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    }
    return ret;
}

static void place_join(struct fl_hooks *h, struct route *r)
{
    if (!r->place[0]) {
        return;
    }
    struct route_set *s = fl_map_get(h->by_place, fl_str_of(r->place));
    if (!s) {
        s = FL_NEW(struct route_set);
        fl_map_set(h->by_place, fl_str_of(r->place), s);
    }
    s->v = fl_reallocarray(s->v, s->n + 1, sizeof(*s->v));
    s->v[s->n++] = r;
}

static void place_leave(struct fl_hooks *h, const struct route *r)
{
    struct route_set *s = fl_map_get(h->by_place, fl_str_of(r->place));
    for (size_t i = 0; s && i < s->n; i++) {
        if (s->v[i] == r) {
            s->v[i] = s->v[--s->n];
            break;
        }
    }
    if (s && s->n == 0) {
        (void)fl_map_del(h->by_place, fl_str_of(r->place));
    }
}

/* The caller frees what comes back, without the lock. */
static struct route *hooks_take(struct fl_hooks *h, struct fl_str key)
{
    struct route *r = fl_map_take(h->by_object, key);
    if (r) {
        place_leave(h, r);
        if (r->path[0]) {
            (void)fl_map_del(h->by_path, fl_str_of(r->path));
        }
    }
    return r;
}

static void hooks_put(struct fl_hooks *h, const struct fl_hook_route *conf,
                      char ret_path[FL_HOOK_PATH])
{
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    hooks_key(&key, conf->kind, conf->ns, conf->name);
    struct route *r = FL_NEW(struct route);
    atomic_init(&r->refs, 1);
    r->kind = conf->kind;
    r->ns = fl_strndup(conf->ns.p, conf->ns.n);
    r->name = fl_strndup(conf->name.p, conf->name.n);
    r->type = conf->type;
    if (conf->secret && conf->secret->n > 0) {
        fl_secret_set(&r->secret, (struct fl_str){conf->secret->p, conf->secret->n});
    }
    r->place = place_folded(conf->place);
    route_path(conf, fl_buf_slice(&key), r->path);
    memcpy(ret_path, r->path, sizeof(r->path));
    struct route *old;
    {
        fl_lock_scope(&h->lock);
        old = hooks_take(h, fl_buf_slice(&key));
        fl_map_set(h->by_object, fl_buf_slice(&key), r);
        place_join(h, r);
        if (r->path[0]) {
            fl_map_set(h->by_path, fl_str_of(r->path), r);
        }
    }
    route_free(old);
}

static void hooks_drop(struct fl_hooks *h, const struct fl_kind *kind, struct fl_str ns,
                       struct fl_str name)
{
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    hooks_key(&key, kind, ns, name);
    struct route *old;
    {
        fl_lock_scope(&h->lock);
        old = hooks_take(h, fl_buf_slice(&key));
    }
    route_free(old);
}

const struct fl_hooks_ops fl_hooks_ops = {.put = hooks_put, .drop = hooks_drop};

/* ---- life ---- */

struct fl_hooks *fl_hooks_new(const struct fl_hooks_conf *conf)
{
    struct fl_hooks *h = FL_NEW(struct fl_hooks);
    h->conf = *conf;
    h->conf.body_cap = conf->body_cap ? conf->body_cap : HOOKS_BODY_CAP;
    if (conf->github_secret && conf->github_secret->n > 0) {
        fl_secret_set(&h->github_secret,
                      (struct fl_str){conf->github_secret->p, conf->github_secret->n});
    }
    fl_lock_init(&h->lock, "hooks", FL_RANK_ROUTE);
    h->by_object = fl_map_new(route_free);
    h->by_path = fl_map_new(NULL);
    h->by_place = fl_map_new(route_set_free);
    hook_seen_init(&h->seen);
    for (size_t i = 0; i < RESULTS; i++) {
        fl_auto_text labels = fl_asprintf("result=\"%s\"", result_names[i]);
        h->results[i] = fl_metric_counter(conf->metrics, "fairlead_webhook_deliveries_total",
                                          labels, "Webhook deliveries by what became of them.");
    }
    return h;
}

void fl_hooks_free(struct fl_hooks *h)
{
    if (!h) {
        return;
    }
    fl_map_free(h->by_place);
    fl_map_free(h->by_path);
    fl_map_free(h->by_object);
    hook_seen_release(&h->seen);
    fl_secret_release(&h->github_secret);
    fl_lock_destroy(&h->lock);
    fl_free(h);
}

/* ---- deliveries ---- */

static void answer(struct fl_hooks *h, struct fl_response *res, enum result what, int status,
                   const char *words)
{
    fl_metric_add(h->results[what], 1);
    res->status = status;
    if (words) {
        res->content_type = "text/plain; charset=utf-8";
        fl_buf_text(&res->body, words);
    }
}

static struct route *hooks_find(struct fl_hooks *h, struct fl_str path)
{
    fl_lock_scope(&h->lock);
    struct route *r = fl_map_get(h->by_path, path);
    if (r) {
        atomic_fetch_add(&r->refs, 1);
    }
    return r;
}

/* Whether this delivery is new on this path. It counts as seen from here on: nothing that follows can fail. */
static bool hooks_first(struct fl_hooks *h, struct fl_str path, const char *id)
{
    struct fl_str s = fl_str_of(id);
    if (s.n == 0) {
        return true;
    }
    if (s.n > HOOKS_ID_MAX) {
        s.n = HOOKS_ID_MAX;
    }
    fl_lock_scope(&h->lock);
    if (hook_seen_has(&h->seen, path, s)) {
        return false;
    }
    hook_seen_add(&h->seen, path, s);
    return true;
}

static void hooks_wake(struct fl_hooks *h, const struct route *r, const char *id)
{
    h->conf.wake(h->conf.wake_arg, r->kind, fl_str_of(r->ns), fl_str_of(r->name), id);
}

/* All objects of a place, woken without the lock. */
static size_t hooks_wake_place(struct fl_hooks *h, struct fl_arena *a, const char *place,
                               const char *id)
{
    struct route **v = NULL;
    size_t n = 0;
    fl_auto_text folded = place_folded(fl_str_of(place));
    {
        fl_lock_scope(&h->lock);
        const struct route_set *s = fl_map_get(h->by_place, fl_str_of(folded));
        n = s ? s->n : 0;
        v = fl_arena_array(a, n + 1, sizeof(struct route *));
        for (size_t i = 0; i < n; i++) {
            v[i] = s->v[i];
            atomic_fetch_add(&v[i]->refs, 1);
        }
    }
    for (size_t i = 0; i < n; i++) {
        hooks_wake(h, v[i], id);
        route_free(v[i]);
    }
    return n;
}

static void deliver(struct fl_hooks *h, const struct route *r, enum fl_hook_type type,
                    const struct fl_request *req, struct fl_response *res)
{
    struct hook_delivery d = {.verdict = HOOK_OTHER};
    struct fl_err err = FL_ERR_INIT;
    if (hook_parse(type, req, req->arena, &d, &err) < 0) {
        fl_log(FL_LOG_WARN, "webhook body refused", FL_S("peer", req->peer), FL_ERR(&err));
        answer(h, res, BAD_BODY, 400, err.msg);
        return;
    }
    if (d.verdict != HOOK_PUSH) {
        answer(h, res, d.verdict == HOOK_PING ? PING : IGNORED, 204, NULL);
        return;
    }
    if (!r && !d.place) {
        answer(h, res, UNKNOWN_REPO, 204, NULL);
        return;
    }
    if (!hooks_first(h, req->path, d.id)) {
        answer(h, res, REPEATED, 202, "seen before\n");
        return;
    }
    size_t n = 1;
    if (r) {
        hooks_wake(h, r, d.id);
    } else {
        n = hooks_wake_place(h, req->arena, d.place, d.id);
    }
    if (n == 0) {
        fl_log(FL_LOG_INFO, "webhook for a repository that is not mirrored here",
               FL_S("repository", d.place), FL_S("delivery", d.id));
        answer(h, res, UNKNOWN_REPO, 202, "no mirror of this repository here\n");
        return;
    }
    fl_log(FL_LOG_DEBUG, "webhook taken", FL_S("delivery", d.id), FL_S("event", d.event));
    answer(h, res, TAKEN, 202, "taken\n");
}

/* Strangers reach /hook/github: they may not fill the log. */
static enum fl_log_level refused_level(struct fl_hooks *h)
{
    int64_t now = fl_clock_mono_ms(h->conf.clock);
    fl_lock_scope(&h->lock);
    if (now < h->quiet_until_ms) {
        return FL_LOG_DEBUG;
    }
    h->quiet_until_ms = now + HOOKS_QUIET_MS;
    return FL_LOG_WARN;
}

static void hooks_checked(struct fl_hooks *h, const struct route *r, enum fl_hook_type type,
                          const struct fl_secret *secret, const struct fl_request *req,
                          struct fl_response *res)
{
    struct fl_err err = FL_ERR_INIT;
    if (strcmp(req->method, "POST") != 0) {
        fl_response_header(res, "Allow", "POST");
        answer(h, res, REFUSED, 405, "only POST\n");
    } else if (hook_verify(type, secret, req, fl_clock_wall_ms(h->conf.clock) / 1000, &err) < 0) {
        fl_log(refused_level(h), "webhook refused", FL_S("peer", req->peer),
               FL_S("object", r ? r->name : HOOKS_GITHUB), FL_ERR(&err));
        answer(h, res, REFUSED, 401, "the signature is missing or wrong\n");
    } else {
        deliver(h, r, type, req, res);
    }
}

void fl_hooks_serve(struct fl_hooks *h, const struct fl_request *req, struct fl_response *res)
{
    if (fl_str_is(req->path, HOOKS_GITHUB) && h->github_secret.n > 0) {
        hooks_checked(h, NULL, FL_HOOK_GITHUB, &h->github_secret, req, res);
        return;
    }
    struct route *r = hooks_find(h, req->path);
    if (!r) {
        answer(h, res, NO_PATH, 404, "not found\n"); /* R16: also without a secret */
        return;
    }
    hooks_checked(h, r, r->type, &r->secret, req, res);
    route_free(r);
}

size_t fl_hooks_body_cap(struct fl_hooks *h, const struct fl_request *head)
{
    /* A path that everybody knows: who does not even seem to have signed is a stranger. */
    if (fl_str_is(head->path, HOOKS_GITHUB)) {
        return h->github_secret.n > 0 && hook_seems_signed(FL_HOOK_GITHUB, head)
                   ? h->conf.body_cap
                   : HOOKS_STRANGER_CAP;
    }
    fl_lock_scope(&h->lock);
    return fl_map_get(h->by_path, head->path) ? h->conf.body_cap : HOOKS_STRANGER_CAP;
}
