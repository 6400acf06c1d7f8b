/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/web.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "api/meta/condition.h"
#include "base/ctx.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/text.h"
#include "base/url.h"
#include "hook/page.h"
#include "wire/scan.h"

#define WEB_BODY_CAP ((size_t)1 << 20) /* R29 */
#define WEB_STATE_CAP ((size_t)64 << 20)
#define WEB_WAITERS 4 /* workers of the listener that may wait at a time */
#define WEB_WAIT_MS INT64_C(120000)
#define WEB_TABLE "application/json;as=Table;v=v1;g=meta.k8s.io"

struct waiter { /* on the stack of who waits */
    struct waiter *next;
    const struct fl_kind *kind;
    const char *ns, *name, *token;
    struct fl_shared *found; /* the object when it had handled the token */
    bool gone;
};

struct fl_web {
    struct fl_web_conf conf;
    struct fl_lock lock; /* guards what follows */
    struct fl_cond changed;
    struct waiter *waiters;
    int n_waiters;
    bool stopping;
};

/* ---- answers ---- */

static void web_headers(const struct fl_request *req, struct fl_response *res)
{
    unsigned char id[16];
    fl_auto_val(fl_buf) hex = FL_BUF_INIT(2 * sizeof(id));
    fl_random(id, sizeof(id));
    fl_hex_add(&hex, id, sizeof(id));
    fl_response_header(res, "X-Request-ID", fl_arena_text(req->arena, hex.data));
    fl_response_header(res, "Content-Security-Policy",
                       "default-src 'none'; script-src 'self'; style-src 'self'; "
                       "connect-src 'self'; img-src 'self' data:; base-uri 'none'; "
                       "form-action 'none'; frame-ancestors 'none'");
    fl_response_header(res, "X-Content-Type-Options", "nosniff");
    fl_response_header(res, "X-Frame-Options", "DENY");
    fl_response_header(res, "Referrer-Policy", "no-referrer");
}

static void web_text(struct fl_response *res, int status, const char *words)
{
    res->status = status;
    res->content_type = "text/plain; charset=utf-8";
    fl_buf_text(&res->body, words);
    fl_buf_char(&res->body, '\n');
}

static void web_json(struct fl_response *res, int status)
{
    res->status = status;
    res->content_type = "application/json";
    fl_response_header(res, "Cache-Control", "no-store");
}

/* ---- who asks ---- */

/* Without the port that some proxies write behind it, and the brackets of IPv6 (RFC 7239 6). */
static struct fl_str bare_address(struct fl_str s)
{
    const char *end = NULL;
    if (fl_str_starts(s, "[")) {
        s.p++;
        s.n--;
        end = memchr(s.p, ']', s.n);
    } else if (s.n > 0) {
        end = memchr(s.p, ':', s.n);
        end = end && memchr(s.p, '.', (size_t)(end - s.p)) ? end : NULL; /* else it is IPv6 */
    }
    return end ? (struct fl_str){s.p, (size_t)(end - s.p)} : s;
}

/* Takes the last address off the list. */
static struct fl_str last_address(struct fl_str *list)
{
    size_t at = list->n;
    while (at > 0 && list->p[at - 1] != ',') {
        at--;
    }
    struct fl_str last = fl_str_trim((struct fl_str){list->p + at, list->n - at});
    list->n = at > 0 ? at - 1 : 0;
    return bare_address(last);
}

/* The client as far as it can be known: the peer, or what a trusted proxy says came to it (the last that is no proxy). Some
 * proxies add to the header that came, some add one of their own: the lines are one list. */
static const char *web_client(const struct fl_web *w, const struct fl_request *req)
{
    const char *client = req->peer ? req->peer : "";
    for (size_t i = req->n_headers; i-- > 0;) {
        if (!fl_str_case_is(fl_str_of(req->headers[i].name), "x-forwarded-for")) {
            continue;
        }
        struct fl_str list = fl_str_of(req->headers[i].value);
        while (list.n > 0) {
            if (!fl_address_in(w->conf.trusted_proxies, client)) {
                return client;
            }
            struct fl_str last = last_address(&list);
            if (last.n == 0) {
                return client;
            }
            client = fl_arena_str(req->arena, last);
        }
    }
    return client;
}

/* What the streams of a client are counted by: of IPv6 everybody has a /64 at least. */
static const char *web_counted(const struct fl_web *w, const struct fl_request *req)
{
    const char *client = web_client(w, req);
    char text[INET6_ADDRSTRLEN];
    struct in6_addr a;
    if (inet_pton(AF_INET6, client, &a) != 1) {
        return client;
    }
    if (IN6_IS_ADDR_V4MAPPED(&a)) {
        (void)inet_ntop(AF_INET, &a.s6_addr[12], text, sizeof(text));
    } else {
        memset(&a.s6_addr[8], 0, 8);
        (void)inet_ntop(AF_INET6, &a, text, sizeof(text));
    }
    return fl_arena_text(req->arena, text);
}

/* Whether the caller means this machine: localhost, 127.0.0.0/8 or [::1], with a port or without. */
static bool web_host_is_local(const struct fl_request *req)
{
    const char *said = fl_request_header(req, "host");
    struct fl_str rest = fl_str_of(said ? said : "");
    struct fl_str host;
    size_t v6 = fl_str_starts(rest, "[::1]") ? strlen("[::1]") : 0;
    rest = (struct fl_str){rest.p + v6, rest.n - v6};
    (void)fl_str_cut(&rest, ':', &host);
    for (size_t i = 0; i < rest.n; i++) {
        if (rest.p[i] < '0' || rest.p[i] > '9') {
            return false;
        }
    }
    if (v6 > 0 || host.n == 0) {
        return v6 > 0 && host.n == 0;
    }
    struct in_addr a;
    return fl_str_case_is(host, "localhost") ||
           (inet_pton(AF_INET, fl_arena_str(req->arena, host), &a) == 1 &&
            ntohl(a.s_addr) >> 24 == 127);
}

/* Reading without a token where not everybody may: who reaches a loopback address is on this machine, but so is the browser
 * that shows a stranger's page, whose name may resolve to it (DNS rebinding). The name it asks for tells; 421 when false. */
static bool web_anonymous(const struct fl_web *w, const struct fl_request *req,
                          struct fl_response *res)
{
    if (w->conf.read_only || web_host_is_local(req)) {
        return true;
    }
    web_text(res, 421,
             "without a token this server answers only as localhost, 127.0.0.1 or [::1]: ask for "
             "it by one of these names, send a token, or start it with --web-read-only");
    return false;
}

/* The caller's token, or NULL where none is needed; it was answered when false. */
static bool web_token(const struct fl_web *w, const struct fl_request *req, bool reading,
                      const char **ret, struct fl_response *res)
{
    *ret = fl_request_header(req, "authorization");
    if (*ret && fl_str_starts(fl_str_of(*ret), "Bearer ") && (*ret)[strlen("Bearer ")]) {
        return true;
    }
    *ret = NULL;
    if (reading && w->conf.anonymous_read) {
        return web_anonymous(w, req, res);
    }
    fl_response_header(res, "WWW-Authenticate", "Bearer realm=\"fairlead\"");
    web_text(res, 401, "a bearer token of the Kubernetes API is needed");
    return false;
}

/* One question to the Kubernetes API with the caller's rights: its status, 503 when it does not answer. */
static int web_ask(const struct fl_web *w, const char *method, const char *path, const char *accept,
                   const char *content_type, const char *token, struct fl_str body,
                   struct fl_response *ret)
{
    struct fl_err err = FL_ERR_INIT;
    if (w->conf.ask(w->conf.ask_arg, method, path, accept, content_type, token, body, ret, &err) <
        0) {
        fl_log(FL_LOG_WARN, "the Kubernetes API does not answer", FL_ERR(&err));
        fl_buf_clear(&ret->body);
        return 503;
    }
    return ret->status;
}

static struct fl_str web_body(const struct fl_response *r)
{
    return r->shared ? fl_shared_str(r->shared) : fl_buf_slice(&r->body);
}

/* The API's own words on a refusal. */
static void web_pass_on(struct fl_response *res, int status, struct fl_str said)
{
    fl_auto_val(fl_buf) words = FL_BUF_INIT(4096);
    struct fl_str message = {NULL, 0};
    if (fl_json_check(said, NULL) == 0) {
        message = fl_scan_path(said, "message");
    }
    if (message.n == 0 || !fl_scan_text(message, &words) || words.overflowed) {
        fl_buf_clear(&words);
        fl_buf_text(&words, status == 503 ? "the Kubernetes API does not answer"
                                          : "the Kubernetes API refused");
    }
    web_text(res, status, words.data);
}

static void web_path(struct fl_buf *b, const struct fl_kind *kind, struct fl_str ns,
                     struct fl_str name)
{
    fl_buf_fmt(b, "/apis/%s/%s", kind->group, kind->version);
    if (ns.n > 0) {
        fl_buf_fmt(b, "/namespaces/%.*s", FL_STR_ARG(ns));
    }
    fl_buf_fmt(b, "/%s", kind->plural);
    if (name.n > 0) {
        fl_buf_fmt(b, "/%.*s", FL_STR_ARG(name));
    }
}

/* The namespace that a query asks for, "" = all; false: it is none. */
static bool web_namespace(const struct fl_request *req, struct fl_str *ret, struct fl_response *res)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(128);
    *ret = (struct fl_str){NULL, 0};
    if (!fl_query_get(req->query, "namespace", &b) || b.len == 0) {
        return true;
    }
    const char *wrong = fl_name_dns_label(fl_buf_slice(&b));
    if (wrong) {
        web_text(res, 400, "namespace: not the name of a namespace");
        return false;
    }
    *ret = fl_str_of(fl_arena_str(req->arena, fl_buf_slice(&b)));
    return true;
}

/* ---- /state ---- */

static void state_kind(const struct fl_web *w, const struct fl_kind *kind, struct fl_str ns,
                       const char *token, struct fl_buf *out, int *worst)
{
    fl_auto_val(fl_buf) path = FL_BUF_INIT(512);
    struct fl_response got;
    fl_response_init(&got, WEB_STATE_CAP);
    web_path(&path, kind, ns, (struct fl_str){NULL, 0});
    fl_buf_text(&path, "?limit=500");
    int status =
        web_ask(w, "GET", path.data, WEB_TABLE, NULL, token, (struct fl_str){NULL, 0}, &got);
    struct fl_str said = web_body(&got);
    fl_buf_fmt(out, "{\"kind\":\"%s\",\"plural\":\"%s\",\"status\":%d,\"table\":", kind->kind,
               kind->plural, status);
    if (status == 200 && fl_json_check(said, NULL) == 0) {
        fl_buf_str(out, said);
    } else {
        fl_buf_text(out, "null");
    }
    fl_buf_char(out, '}');
    if (status > *worst) {
        *worst = status;
    }
    fl_response_release(&got);
}

static void web_state(struct fl_web *w, const struct fl_request *req, struct fl_response *res)
{
    const char *token = NULL;
    struct fl_str ns;
    if (!web_token(w, req, true, &token, res) || !web_namespace(req, &ns, res)) {
        return;
    }
    int worst = 0;
    size_t n = 0;
    fl_auto_val(fl_buf) out = FL_BUF_INIT(WEB_STATE_CAP);
    fl_buf_fmt(&out, "{\"readOnly\":%s,\"kinds\":[", w->conf.read_only ? "true" : "false");
    for (const struct fl_kind *const *k = w->conf.kinds; *k && worst != 401; k++, n++) {
        fl_buf_text(&out, n ? "," : "");
        state_kind(w, *k, ns, token, &out, &worst);
    }
    fl_buf_text(&out, "]}");
    if (worst == 401) {
        web_text(res, 401, "the Kubernetes API does not know this token");
    } else if (fl_buf_finish(&out, "state", NULL) < 0) {
        web_text(res, 413, "too much to show: ask for one namespace");
    } else {
        web_json(res, 200);
        fl_buf_str(&res->body, fl_buf_slice(&out));
    }
}

/* ---- /events ---- */

static bool events_kind(const struct fl_request *req, const struct fl_kind *kind)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(128);
    return !fl_query_get(req->query, "kind", &b) || b.len == 0 ||
           fl_str_case_is(fl_buf_slice(&b), kind->kind) ||
           fl_str_is(fl_buf_slice(&b), kind->plural);
}

/* Who watches must be able to list what he watches. */
static int events_allowed(const struct fl_web *w, const struct fl_kind *kind, struct fl_str ns,
                          const char *token, struct fl_response *res)
{
    fl_auto_val(fl_buf) path = FL_BUF_INIT(512);
    struct fl_response got;
    fl_response_init(&got, WEB_STATE_CAP);
    web_path(&path, kind, ns, (struct fl_str){NULL, 0});
    fl_buf_text(&path, "?limit=1");
    int status =
        web_ask(w, "GET", path.data, WEB_TABLE, NULL, token, (struct fl_str){NULL, 0}, &got);
    if (status != 200) {
        web_pass_on(res, status, web_body(&got));
    }
    fl_response_release(&got);
    return status;
}

static void web_events(struct fl_web *w, const struct fl_request *req, struct fl_response *res)
{
    const char *token = NULL;
    struct fl_str ns;
    size_t kinds = 0;
    if (!web_token(w, req, true, &token, res) || !web_namespace(req, &ns, res)) {
        return;
    }
    for (const struct fl_kind *const *k = w->conf.kinds; *k; k++) {
        if (!events_kind(req, *k)) {
            continue;
        }
        kinds++;
        if (token && events_allowed(w, *k, ns, token, res) != 200) {
            return;
        }
    }
    if (kinds == 0) {
        web_text(res, 404, "kind: not a kind that is shown here");
        return;
    }
    fl_live_serve(w->conf.live, req, ns, web_counted(w, req), res);
}

/* ---- /sync ---- */

struct sync_target {
    const struct fl_kind *kind;
    const char *ns, *name;
};

/* "/sync/<plural>/<namespace>/<name>" */
static bool sync_target(const struct fl_web *w, const struct fl_request *req,
                        struct sync_target *ret)
{
    struct fl_str rest = req->path;
    struct fl_str plural;
    struct fl_str ns;
    rest.p += strlen("/sync/");
    rest.n -= strlen("/sync/");
    if (!fl_str_cut(&rest, '/', &plural) || !fl_str_cut(&rest, '/', &ns) || fl_name_dns_label(ns) ||
        fl_name_dns_subdomain(rest)) {
        return false;
    }
    for (const struct fl_kind *const *k = w->conf.kinds; *k; k++) {
        if (fl_str_is(plural, (*k)->plural)) {
            *ret = (struct sync_target){*k, fl_arena_str(req->arena, ns),
                                        fl_arena_str(req->arena, rest)};
            return true;
        }
    }
    return false;
}

static bool handled(struct fl_str object, const char *token)
{
    struct fl_str said;
    return fl_scan_plain(fl_scan_path(object, "status.lastHandledRequest"), &said) &&
           fl_str_is(said, token);
}

static struct fl_str ready_of(struct fl_str object)
{
    struct fl_str list = fl_scan_path(object, "status.conditions");
    struct fl_str key;
    struct fl_str c;
    struct fl_str type;
    for (size_t at = 0; fl_scan_next(list, &at, &key, &c);) {
        if (fl_scan_plain(fl_scan_path(c, "type"), &type) && fl_str_is(type, "Ready")) {
            return c;
        }
    }
    return (struct fl_str){NULL, 0};
}

static bool ready_is(struct fl_str condition, const char *status)
{
    struct fl_str said;
    return fl_scan_plain(fl_scan_path(condition, "status"), &said) && fl_str_is(said, status);
}

static bool wait_begin(struct fl_web *w, struct waiter *me)
{
    fl_lock_scope(&w->lock);
    if (w->stopping || w->n_waiters >= WEB_WAITERS) {
        return false;
    }
    me->next = w->waiters;
    w->waiters = me;
    w->n_waiters++;
    return true;
}

static void wait_end(struct fl_web *w, struct waiter *me, bool until_found)
{
    int64_t deadline = fl_clock_mono_ms(w->conf.clock) + WEB_WAIT_MS;
    fl_lock_scope(&w->lock);
    while (until_found && !me->found && !me->gone && !w->stopping &&
           fl_clock_mono_ms(w->conf.clock) < deadline) {
        fl_clock_wait(w->conf.clock, &w->changed, &w->lock, deadline);
    }
    struct waiter **at = &w->waiters;
    while (*at != me) {
        at = &(*at)->next;
    }
    *at = me->next;
    w->n_waiters--;
}

static void sync_outcome(const struct waiter *me, struct fl_response *res)
{
    if (!me->found) {
        web_text(res, me->gone ? 410 : 504,
                 me->gone ? "the object was deleted meanwhile"
                          : "asked for, but not done within two minutes: look at its conditions");
        return;
    }
    struct fl_str ready = ready_of(fl_shared_str(me->found));
    web_json(res, ready_is(ready, "True") ? 200 : 502);
    fl_buf_text(&res->body, "{\"requested\":");
    fl_buf_json_str(&res->body, fl_str_of(me->token));
    fl_buf_text(&res->body, ",\"ready\":");
    fl_buf_str(&res->body, ready.n ? ready : FL_STR("null"));
    fl_buf_char(&res->body, '}');
}

/* The request as kubectl annotate would make it, with the caller's rights. */
static int sync_ask(struct fl_web *w, const struct sync_target *t, const char *token,
                    const char *request, struct fl_response *res)
{
    fl_auto_val(fl_buf) path = FL_BUF_INIT(1024);
    fl_auto_val(fl_buf) patch = FL_BUF_INIT(512);
    struct fl_response got;
    fl_response_init(&got, WEB_STATE_CAP);
    web_path(&path, t->kind, fl_str_of(t->ns), fl_str_of(t->name));
    fl_buf_fmt(&patch, "{\"metadata\":{\"annotations\":{\"%s\":\"%s\"}}}", FL_ANNOTATION_REQUESTED,
               request);
    int status = web_ask(w, "PATCH", path.data, "application/json", "application/merge-patch+json",
                         token, fl_buf_slice(&patch), &got);
    if (status != 200) {
        web_pass_on(res, status, web_body(&got));
    }
    fl_response_release(&got);
    return status;
}

static void sync_now(struct fl_web *w, const struct fl_request *req, const struct sync_target *t,
                     const char *token, struct fl_response *res)
{
    char request[37];
    fl_auto_val(fl_buf) wait = FL_BUF_INIT(16);
    fl_uuid4(request);
    bool waits = fl_query_get(req->query, "wait", &wait) && strcmp(wait.data, "true") == 0;
    struct waiter me = {.kind = t->kind, .ns = t->ns, .name = t->name, .token = request};
    if (waits && !wait_begin(w, &me)) {
        fl_response_header(res, "Retry-After", "5");
        web_text(res, 503, "too many wait already: ask with wait=false");
        return;
    }
    int status = sync_ask(w, t, token, request, res);
    if (waits) {
        wait_end(w, &me, status == 200);
    }
    if (status == 200 && waits) {
        sync_outcome(&me, res);
    } else if (status == 200) {
        web_json(res, 202);
        fl_buf_fmt(&res->body, "{\"requested\":\"%s\"}", request);
    }
    fl_shared_free(me.found);
}

static void web_sync(struct fl_web *w, const struct fl_request *req, struct fl_response *res)
{
    const char *token = NULL;
    struct sync_target t;
    if (strcmp(req->method, "POST") != 0) {
        fl_response_header(res, "Allow", "POST");
        web_text(res, 405, "only POST");
    } else if (w->conf.read_only) {
        web_text(res, 405, "this server is read-only");
    } else if (web_token(w, req, false, &token, res)) {
        if (sync_target(w, req, &t)) {
            sync_now(w, req, &t, token, res);
        } else {
            web_text(res, 404,
                     "the path is /sync/<plural>/<namespace>/<name>, e.g. "
                     "/sync/gitmirrors/default/app");
        }
    }
}

void fl_web_changed(struct fl_web *w, const struct fl_obj *old, const struct fl_obj *now)
{
    const struct fl_obj *o = now ? now : old;
    fl_assert(o);
    struct fl_str ready = now ? ready_of(now->text) : (struct fl_str){NULL, 0};
    struct fl_str before = old ? ready_of(old->text) : (struct fl_str){NULL, 0};
    if (now && !fl_str_eq(ready, before)) {
        fl_auto_val(fl_buf) status = FL_BUF_INIT(64);
        fl_auto_val(fl_buf) reason = FL_BUF_INIT(2048);
        fl_auto_val(fl_buf) message = FL_BUF_INIT(65536);
        (void)fl_scan_text(fl_scan_path(ready, "status"), &status);
        (void)fl_scan_text(fl_scan_path(ready, "reason"), &reason);
        (void)fl_scan_text(fl_scan_path(ready, "message"), &message);
        fl_live_condition(w->conf.live, o->kind, o->ns, o->name, status.data, reason.data,
                          message.data);
    }
    fl_lock_scope(&w->lock);
    bool news = false;
    for (struct waiter *me = w->waiters; me; me = me->next) {
        if (me->kind != o->kind || !fl_str_is(o->ns, me->ns) || !fl_str_is(o->name, me->name) ||
            me->found) {
            continue;
        }
        if (!now) {
            me->gone = true;
        } else if (handled(now->text, me->token)) {
            me->found = fl_shared_new(now->text);
        }
        news |= me->gone || me->found;
    }
    if (news) {
        fl_cond_broadcast(&w->changed);
    }
}

/* ---- routes ---- */

static const struct web_file *web_file(struct fl_str path)
{
    for (const struct web_file *f = web_files; f->path; f++) {
        if (fl_str_is(path, f->path)) {
            return f;
        }
    }
    return NULL;
}

static void web_read(struct fl_web *w, const struct fl_request *req, struct fl_response *res)
{
    const struct web_file *f = web_file(req->path);
    if (strcmp(req->method, "GET") != 0) {
        fl_response_header(res, "Allow", "GET");
        web_text(res, 405, "only GET");
    } else if (fl_str_is(req->path, "/state")) {
        web_state(w, req, res);
    } else if (fl_str_is(req->path, "/events")) {
        web_events(w, req, res);
    } else if (f) {
        res->status = 200;
        res->content_type = f->type;
        fl_response_header(res, "Cache-Control", "no-cache");
        fl_buf_add(&res->body, f->data, *f->size);
    } else {
        web_text(res, 404, "not found");
    }
}

void fl_web_serve(void *self, const struct fl_request *req, struct fl_response *res)
{
    struct fl_web *w = self;
    web_headers(req, res);
    if (fl_str_starts(req->path, "/hook/")) {
        fl_hooks_serve(w->conf.hooks, req, res);
    } else if (fl_str_starts(req->path, "/sync/")) {
        web_sync(w, req, res);
    } else {
        web_read(w, req, res);
    }
}

size_t fl_web_body_cap(void *self, const struct fl_request *head)
{
    struct fl_web *w = self;
    return fl_str_starts(head->path, "/hook/") ? fl_hooks_body_cap(w->conf.hooks, head)
                                               : WEB_BODY_CAP;
}

/* ---- life ---- */

struct fl_web *fl_web_new(const struct fl_web_conf *conf)
{
    struct fl_web *w = FL_NEW(struct fl_web);
    w->conf = *conf;
    fl_lock_init(&w->lock, "web", FL_RANK_ROUTE);
    fl_cond_init(&w->changed);
    return w;
}

void fl_web_stop(struct fl_web *w)
{
    fl_live_stop(w->conf.live);
    fl_lock_scope(&w->lock);
    w->stopping = true;
    fl_cond_broadcast(&w->changed);
}

void fl_web_free(struct fl_web *w)
{
    if (!w) {
        return;
    }
    fl_assert(!w->waiters);
    fl_cond_destroy(&w->changed);
    fl_lock_destroy(&w->lock);
    fl_free(w);
}
