/* SPDX-License-Identifier: Apache-2.0
 * Life of the server, the way of a request to its verb, the tick thread. */
#include "apiserver/server.h"

#include "api/scheme.h"
#include "apiserver/options.h"
#include "apiserver/status.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "wire/scan.h"

#define TICK_MS 1000
#define SWEEP_MS 60000
#define SWEEPS_AT_ONCE 100

/* Who asks. */

/* "Bearer <token>", the scheme in any case. */
static struct fl_str bearer(const struct fl_request *req)
{
    struct fl_str value = fl_str_trim(fl_str_of(fl_request_header(req, "Authorization")));
    struct fl_str scheme;
    if (!fl_str_cut(&value, ' ', &scheme) || !fl_str_case_is(scheme, "bearer")) {
        return FL_STR("");
    }
    return fl_str_trim(value);
}

static const char *authenticate(const struct fl_apiserver *s, const struct fl_request *req)
{
    if (req->user) {
        return req->user;
    }
    struct fl_str token = bearer(req);
    return token.n > 0 && s->token.n > 0 && fl_secret_is(&s->token, token) ? FL_ADMIN_USER : NULL;
}

static bool is_health(struct fl_str path)
{
    return fl_str_starts(path, "/healthz") || fl_str_starts(path, "/livez") ||
           fl_str_starts(path, "/readyz");
}

/* From path and method to the verb. */

static bool is_watch(const struct fl_call *c)
{
    const char *v = fl_call_query(c, "watch");
    return c->route.watch ||
           (v && v[0] && strcmp(v, "0") != 0 && !fl_str_case_is(fl_str_of(v), "false"));
}

/* FL_VERB_OTHER: a method that no resource knows. */
static enum fl_verb verb_of(const struct fl_call *c)
{
    const char *m = c->req->method;
    bool one = c->route.name.n > 0;
    if (strcmp(m, "GET") == 0 || strcmp(m, "HEAD") == 0) {
        /* A watch of a single item's path is a get, as in the real server. */
        return one ? FL_VERB_GET : is_watch(c) ? FL_VERB_WATCH : FL_VERB_LIST;
    }
    if (strcmp(m, "POST") == 0) {
        return FL_VERB_CREATE;
    }
    if (strcmp(m, "PUT") == 0) {
        return FL_VERB_UPDATE;
    }
    if (strcmp(m, "PATCH") == 0) {
        return FL_VERB_PATCH;
    }
    if (strcmp(m, "DELETE") == 0) {
        return one ? FL_VERB_DELETE : FL_VERB_DELETECOLLECTION;
    }
    return FL_VERB_OTHER;
}

static const char *const verb_words[FL_VERBS] = {
    [FL_VERB_GET] = "get",           [FL_VERB_LIST] = "list",
    [FL_VERB_WATCH] = "watch",       [FL_VERB_CREATE] = "create",
    [FL_VERB_UPDATE] = "update",     [FL_VERB_PATCH] = "patch",
    [FL_VERB_DELETE] = "delete",     [FL_VERB_DELETECOLLECTION] = "deletecollection",
    [FL_VERB_OTHER] = "this method",
};

/* What a path offers. */
static bool allowed(const struct fl_call *c)
{
    const struct fl_route *r = &c->route;
    bool one = r->name.n > 0;
    if (c->kind->flags & FL_KIND_VIRTUAL) {
        return c->verb == FL_VERB_CREATE && !one;
    }
    switch (c->verb) {
    case FL_VERB_GET:
        return r->sub != FL_SUB_FINALIZE;
    case FL_VERB_LIST:
    case FL_VERB_WATCH:
        return true;
    case FL_VERB_CREATE:
        return !one && (!c->kind->namespaced || r->ns.n > 0);
    case FL_VERB_UPDATE:
        return one;
    case FL_VERB_PATCH:
        return one && r->sub != FL_SUB_FINALIZE;
    case FL_VERB_DELETE:
        return r->sub == FL_SUB_NONE;
    case FL_VERB_DELETECOLLECTION:
        return c->kind != &fl_kind_namespace && (!c->kind->namespaced || r->ns.n > 0);
    default:
        return false;
    }
}

static void run(struct fl_call *c)
{
    static void (*const verbs[FL_VERBS])(struct fl_call *) = {
        [FL_VERB_GET] = fl_verb_get,       [FL_VERB_LIST] = fl_verb_list,
        [FL_VERB_WATCH] = fl_verb_watch,   [FL_VERB_CREATE] = fl_verb_create,
        [FL_VERB_UPDATE] = fl_verb_update, [FL_VERB_PATCH] = fl_verb_patch,
        [FL_VERB_DELETE] = fl_verb_delete, [FL_VERB_DELETECOLLECTION] = fl_verb_delete_collection,
    };
    struct fl_err err = FL_ERR_INIT;
    int rc = fl_form_pick(c->req, c->verb == FL_VERB_WATCH, fl_clock_wall_ms(c->s->clock), &c->form,
                          &err);
    if (rc < 0) {
        fl_status_from_err(c->res, &err);
    } else if (c->kind->flags & FL_KIND_VIRTUAL) {
        fl_verb_review(c);
    } else {
        verbs[c->verb](c);
    }
    fl_call_send_warnings(c);
}

static void no_such_page(struct fl_response *res)
{
    res->status = 404;
    res->content_type = "text/plain; charset=utf-8";
    fl_buf_text(&res->body, "404 page not found\n");
    fl_response_header(res, "X-Content-Type-Options", "nosniff");
}

static void too_big(struct fl_response *res)
{
    fl_status_simple(res, 413, "RequestEntityTooLarge", "Request entity too large: limit is %zu",
                     FL_BODY_MAX);
}

static void resource(struct fl_call *c)
{
    if (!fl_route_parse(c->arena, c->req->path, &c->route)) {
        no_such_page(c->res);
        return;
    }
    c->kind = c->route.kind;
    c->verb = verb_of(c);
    if (!allowed(c)) {
        fl_status_method(c->res, c->kind, verb_words[c->verb]);
        return;
    }
    run(c);
}

static void serve(struct fl_call *c)
{
    struct fl_apiserver *s = c->s;
    if (atomic_load(&s->stopping)) {
        struct fl_err err = FL_ERR_INIT;
        (void)fl_fail(&err, FL_E_UNAVAILABLE, "ServiceUnavailable", "the server is shutting down");
        fl_status_from_err(c->res, &err);
    } else if (is_health(c->req->path)) {
        if (!fl_health_serve(s, c->req, c->res)) {
            no_such_page(c->res);
        }
    } else if (!(c->user = authenticate(s, c->req))) {
        fl_status_unauthorized(c->res);
    } else if (c->req->body.n > FL_BODY_MAX) {
        too_big(c->res);
    } else if (fl_options_timeout(c) && !fl_discovery_serve(s->discovery, c->req, c->res)) {
        resource(c);
    }
}

void fl_apiserver_serve(void *self, const struct fl_request *req, struct fl_response *res)
{
    struct fl_call c = {
        .s = self, .req = req, .res = res, .arena = req->arena, .verb = FL_VERB_OTHER};
    serve(&c);
    fl_apiserver_count(c.s, c.verb, res->status);
}

size_t fl_apiserver_body_cap(void *self, const struct fl_request *head)
{
    (void)self;
    (void)head;
    return FL_BODY_MAX;
}

void fl_apiserver_too_big(void *self, const struct fl_request *head, struct fl_response *res)
{
    struct fl_apiserver *s = self;
    if (authenticate(s, head)) {
        too_big(res);
    } else {
        fl_status_unauthorized(res);
    }
    fl_apiserver_count(s, FL_VERB_OTHER, res->status);
}

/* What is there from the first start on. */

/* POSTs through the server's own door; what is there already stays. */
static int post(struct fl_apiserver *s, const char *path, const char *body, struct fl_err *err)
{
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_response res;
    struct fl_request req = {
        .method = "POST",
        .path = fl_str_of(path),
        .body = fl_str_of(body),
        .user = FL_ADMIN_USER,
        .arena = a,
    };
    fl_response_init(&res, FL_BUF_ANY);
    fl_apiserver_serve(s, &req, &res);
    int rc = res.status == 201 || res.status == 409
                 ? 0
                 : fl_fail(err, FL_E_UNAVAILABLE, "StoreUnavailable", "POST %s: %.200s", path,
                           res.body.data);
    fl_response_release(&res);
    return rc;
}

void fl_apiserver_furnish(struct fl_apiserver *s, struct fl_str ns)
{
    struct fl_err err = FL_ERR_INIT;
    fl_auto_text path = fl_asprintf("/api/v1/namespaces/%.*s/serviceaccounts", FL_STR_ARG(ns));
    if (post(s, path, "{\"metadata\":{\"name\":\"default\"}}", &err) < 0) {
        fl_log(FL_LOG_WARN, "the ServiceAccount default was not made", FL_ERR(&err));
    }
}

static bool note_namespace(void *arg, const struct fl_store_key *key, int64_t rv,
                           struct fl_str text)
{
    struct fl_apiserver *s = arg;
    bool deleting = fl_scan_path(text, "metadata.deletionTimestamp").n > 0;
    (void)rv;
    fl_namespaces_set(s->namespaces, key->name,
                      deleting ? FL_NAMESPACE_TERMINATING : FL_NAMESPACE_ACTIVE);
    return true;
}

static int load_namespaces(struct fl_apiserver *s, struct fl_err *err)
{
    static const char *const names[] = {"default", "kube-system", "kube-public"};
    struct fl_store_list l = {.kind = &fl_kind_namespace, .item = note_namespace, .arg = s};
    int64_t rv, remaining;
    bool more;
    int rc = fl_store_list(s->store, &l, &rv, &more, &remaining, err);
    for (size_t i = 0; rc == 0 && i < FL_LEN(names); i++) {
        fl_auto_text body = fl_asprintf("{\"metadata\":{\"name\":\"%s\"}}", names[i]);
        rc = post(s, "/api/v1/namespaces", body, err);
    }
    return rc;
}

/* The tick. */

void fl_apiserver_kick(struct fl_apiserver *s)
{
    fl_lock_scope(&s->tick_lock);
    s->tick_now = true;
    fl_cond_broadcast(&s->tick_cond);
}

static bool tick_wait(struct fl_apiserver *s)
{
    int64_t until = fl_clock_mono_ms(s->clock) + TICK_MS;
    fl_lock_scope(&s->tick_lock);
    while (!s->tick_stop && !s->tick_now && fl_clock_mono_ms(s->clock) < until) {
        fl_clock_wait(s->clock, &s->tick_cond, &s->tick_lock, until);
    }
    s->tick_now = false;
    return !s->tick_stop;
}

static void sweep(struct fl_apiserver *s)
{
    struct fl_err err = FL_ERR_INIT;
    int left = 1;
    for (int i = 0; left > 0 && i < SWEEPS_AT_ONCE; i++) {
        left = fl_store_sweep(s->store, &err);
    }
    if (left < 0) {
        fl_log(FL_LOG_WARN, "sweeping the store failed", FL_ERR(&err));
    }
}

void fl_apiserver_tidy(struct fl_apiserver *s)
{
    uint64_t served = fl_apiserver_served(s);
    if (served != s->served) {
        s->served = served;
        s->untidy = true;
    } else if (s->untidy) {
        s->untidy = false;
        fl_store_relax(s->store);
        if (s->tidy) {
            s->tidy();
        }
    }
}

static void *tick(void *arg)
{
    struct fl_apiserver *s = arg;
    int64_t swept = fl_clock_mono_ms(s->clock);
    while (tick_wait(s)) {
        fl_hub_tick(s->hub);
        fl_apiserver_tidy(s);
        fl_apiserver_watch_disk(s);
        if (s->disk_told) {
            continue; /* what follows would write */
        }
        (void)fl_apiserver_reap(s);
        if (fl_clock_mono_ms(s->clock) - swept >= SWEEP_MS) {
            swept = fl_clock_mono_ms(s->clock);
            sweep(s);
        }
    }
    return NULL;
}

/* Life. */

void fl_apiserver_set_token(struct fl_apiserver *s, const struct fl_secret *token)
{
    fl_secret_set(&s->token, (struct fl_str){token->p, token->n});
}

static struct fl_apiserver *server_new(const struct fl_apiserver_conf *conf)
{
    struct fl_apiserver *s = FL_NEW(struct fl_apiserver);
    s->clock = conf->clock;
    if (conf->token) {
        fl_apiserver_set_token(s, conf->token);
    }
    s->tidy = conf->tidy;
    s->hub = fl_hub_new(conf->clock);
    s->discovery = fl_discovery_new();
    s->namespaces = fl_namespaces_new();
    fl_lock_init(&s->namespace_write, "namespace write", FL_RANK_ROUTE);
    fl_lock_init(&s->tick_lock, "api tick", FL_RANK_ROUTE);
    fl_cond_init(&s->tick_cond);
    atomic_init(&s->stopping, false);
    return s;
}

int fl_apiserver_open(const struct fl_apiserver_conf *conf, struct fl_apiserver **ret,
                      struct fl_err *err)
{
    struct fl_apiserver *s = server_new(conf);
    struct fl_store_conf store = {
        .data_dir = conf->data_dir,
        .key_file = conf->key_file,
        .clock = conf->clock,
        .sync_normal = conf->sync_normal,
        .hold = true, /* nobody is answered before all below is on disk, in one commit */
        .published = fl_hub_publish,
        .published_arg = s->hub,
    };
    int rc = fl_store_open(&store, &s->store, err);
    if (rc == 0) {
        fl_hub_bind(s->hub, s->store);
        rc = load_namespaces(s, err);
    }
    if (rc == 0) {
        rc = fl_store_settle(s->store, err);
    }
    if (rc < 0) {
        fl_apiserver_close(s);
        return rc;
    }
    fl_thread_start(&s->tick, "api-tick", tick, s);
    s->ticking = true;
    *ret = s;
    return 0;
}

void fl_apiserver_stop(struct fl_apiserver *s)
{
    atomic_store(&s->stopping, true);
    fl_hub_stop(s->hub);
}

static void end_tick(struct fl_apiserver *s)
{
    if (!s->ticking) {
        return;
    }
    fl_lock_take(&s->tick_lock);
    s->tick_stop = true;
    fl_cond_broadcast(&s->tick_cond);
    fl_lock_drop(&s->tick_lock);
    (void)pthread_join(s->tick, NULL);
}

void fl_apiserver_close(struct fl_apiserver *s)
{
    if (!s) {
        return;
    }
    fl_apiserver_stop(s);
    end_tick(s);
    fl_store_close(s->store);
    fl_hub_free(s->hub);
    fl_discovery_free(s->discovery);
    fl_namespaces_free(s->namespaces);
    fl_lock_destroy(&s->namespace_write);
    fl_lock_destroy(&s->tick_lock);
    fl_cond_destroy(&s->tick_cond);
    fl_secret_release(&s->token);
    fl_free(s);
}
