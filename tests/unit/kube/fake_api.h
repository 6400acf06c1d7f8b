/* SPDX-License-Identifier: Apache-2.0
 * A small Kubernetes API in memory, for tests of kube/ and engine/: objects by path, list and watch with history, merge patch,
 * status subresource, finalizers, generation, optimistic locking. Header only. Any thread. */
#ifndef FL_TEST_FAKE_API_H
#define FL_TEST_FAKE_API_H

#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/url.h"
#include "wire/json.h"
#include "wire/patch.h"
#include "wire/serve.h"

struct fake_event {
    uint64_t rv;
    char *collection; /* "/api/v1/secrets" */
    char *ns;
    char *type;
    char *text;
};

struct fake_feed {
    struct fl_feed base;
    struct fake_feed *next;
    struct fake_api *api;
    char *collection, *ns;
    struct fl_lock lock; /* guards what follows */
    struct fl_shared *lines[4096];
    size_t head, tail;
    bool ended, closed;
    void (*wake)(void *arg);
    void *wake_arg;
};

struct fake_fail {
    const char *method;  /* NULL: any */
    const char *contain; /* in "path?query" */
    int status;
    int times;               /* how often yet; -1 = always */
    const char *retry_after; /* header; NULL = none */
    const char *body;        /* NULL: a Status */
};

struct fake_api {
    struct fl_lock lock; /* guards what follows */
    struct fl_cond changed;
    struct fl_map *objects; /* "collection|ns/name" -> char * */
    struct fake_event *history;
    size_t n_history;
    uint64_t rv, compacted;
    struct fake_feed *feeds;
    size_t opened_feeds;
    char *log[20000]; /* "METHOD path?query" */
    size_t n_log;
    size_t writes;      /* that changed something, without Events */
    size_t write_calls; /* POST, PATCH, DELETE, without Events */
    size_t events, event_repeats;
    bool ignore_initial; /* sends what there is, and never the bookmark at the end */
    size_t page;         /* objects a page; 0: as asked */
    struct fake_fail fail[8];
    /* Before a write is done: under no lock. */
    void (*before_write)(void *arg, const char *method, const char *path);
    void *before_arg;
};

static fl_unused void fake_text_free(void *p)
{
    fl_free(p);
}

static fl_unused struct fake_api *fake_api_new(void)
{
    struct fake_api *a = FL_NEW(struct fake_api);
    fl_lock_init(&a->lock, "fake api", FL_RANK_ROUTE);
    fl_cond_init(&a->changed);
    a->objects = fl_map_new(fake_text_free);
    a->rv = 100;
    return a;
}

static fl_unused void fake_feed_unref(struct fake_feed *f)
{
    while (f->head < f->tail) {
        fl_shared_free(f->lines[f->head++ % FL_LEN(f->lines)]);
    }
    fl_lock_destroy(&f->lock);
    fl_free(f->collection);
    fl_free(f->ns);
    fl_free(f);
}

static fl_unused void fake_api_free(struct fake_api *a)
{
    if (!a) {
        return;
    }
    fl_assert(a->feeds == NULL);
    for (size_t i = 0; i < a->n_history; i++) {
        fl_free(a->history[i].collection);
        fl_free(a->history[i].ns);
        fl_free(a->history[i].type);
        fl_free(a->history[i].text);
    }
    for (size_t i = 0; i < a->n_log; i++) {
        fl_free(a->log[i]);
    }
    fl_free(a->history);
    fl_map_free(a->objects);
    fl_cond_destroy(&a->changed);
    fl_lock_destroy(&a->lock);
    fl_free(a);
}
FL_AUTO(fake_api);

/* ---- feeds ---- */

static fl_unused void fake_feed_push(struct fake_feed *f, const char *text)
{
    fl_lock_scope(&f->lock);
    fl_assert(f->tail - f->head < FL_LEN(f->lines));
    f->lines[f->tail++ % FL_LEN(f->lines)] = fl_shared_new(fl_str_of(text));
    if (f->wake) {
        f->wake(f->wake_arg);
    }
}

static fl_unused enum fl_feed_state fake_feed_next(struct fl_feed *base, struct fl_shared **ret)
{
    struct fake_feed *f = fl_container_of(base, struct fake_feed, base);
    fl_lock_scope(&f->lock);
    if (f->head < f->tail) {
        *ret = f->lines[f->head++ % FL_LEN(f->lines)];
        return FL_FEED_DATA;
    }
    return f->ended ? FL_FEED_END : FL_FEED_EMPTY;
}

static fl_unused void fake_feed_waker(struct fl_feed *base, void (*wake)(void *arg), void *arg)
{
    struct fake_feed *f = fl_container_of(base, struct fake_feed, base);
    fl_lock_scope(&f->lock);
    f->wake = wake;
    f->wake_arg = arg;
}

static fl_unused void fake_feed_close(struct fl_feed *base)
{
    struct fake_feed *f = fl_container_of(base, struct fake_feed, base);
    struct fake_api *a = f->api;
    {
        fl_lock_scope(&a->lock);
        struct fake_feed **at = &a->feeds;
        while (*at != f) {
            at = &(*at)->next;
        }
        *at = f->next;
        fl_cond_broadcast(&a->changed);
    }
    fake_feed_unref(f);
}

static const struct fl_feed_ops fake_feed_ops = {fake_feed_next, fake_feed_waker, fake_feed_close};

static fl_unused void fake_feed_end(struct fake_feed *f)
{
    fl_lock_scope(&f->lock);
    f->ended = true;
    if (f->wake) {
        f->wake(f->wake_arg);
    }
}

/* Ends all watches in order, after `last` (a line; NULL: nothing). */
static fl_unused void fake_api_end_watches(struct fake_api *a, const char *last)
{
    fl_lock_scope(&a->lock);
    for (struct fake_feed *f = a->feeds; f; f = f->next) {
        if (last) {
            fake_feed_push(f, last);
        }
        fake_feed_end(f);
    }
}

/* ---- paths ---- */

struct fake_path {
    char collection[128];
    char ns[128];
    char name[300];
    char sub[32];
};

static fl_unused void fake_copy(char *to, size_t room, struct fl_str s)
{
    fl_assert(s.n < room);
    if (s.n) {
        memcpy(to, s.p, s.n);
    }
    to[s.n] = '\0';
}

static fl_unused void fake_path_parse(struct fl_str path, struct fake_path *ret)
{
    struct fl_str part = {0};
    struct fl_str head = path;
    *ret = (struct fake_path){.ns = ""};
    (void)fl_str_cut(&path, '/', &part); /* before the first '/' */
    (void)fl_str_cut(&path, '/', &part);
    int version_parts = fl_str_is(part, "api") ? 1 : 2;
    for (int i = 0; i < version_parts; i++) {
        (void)fl_str_cut(&path, '/', &part);
    }
    size_t gv = (size_t)(part.p + part.n - head.p);
    (void)fl_str_cut(&path, '/', &part);
    if (fl_str_is(part, "namespaces") && path.n > 0) {
        (void)fl_str_cut(&path, '/', &part);
        fake_copy(ret->ns, sizeof(ret->ns), part);
        (void)fl_str_cut(&path, '/', &part);
    }
    fake_copy(ret->collection, sizeof(ret->collection), (struct fl_str){head.p, gv});
    size_t n = strlen(ret->collection);
    ret->collection[n] = '/';
    fake_copy(ret->collection + n + 1, sizeof(ret->collection) - n - 1, part);
    (void)fl_str_cut(&path, '/', &part);
    fake_copy(ret->name, sizeof(ret->name), part);
    fake_copy(ret->sub, sizeof(ret->sub), path);
}

static fl_unused char *fake_key(const struct fake_path *p)
{
    return fl_asprintf("%s|%s/%s", p->collection, p->ns, p->name);
}

/* ---- storing; all under the lock ---- */

static fl_unused char *fake_write(const struct fl_json *j)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_json_write(j, &b);
    return fl_buf_take(&b);
}

static fl_unused bool fake_is_event(const struct fake_path *p)
{
    return strcmp(p->collection, "/api/v1/events") == 0;
}

static fl_unused void fake_tell(struct fake_api *a, const struct fake_path *p, const char *type,
                                const char *text)
{
    a->history = fl_reallocarray(a->history, a->n_history + 1, sizeof(*a->history));
    a->history[a->n_history++] = (struct fake_event){.rv = a->rv,
                                                     .collection = fl_strdup(p->collection),
                                                     .ns = fl_strdup(p->ns),
                                                     .type = fl_strdup(type),
                                                     .text = fl_strdup(text)};
    fl_auto_text line = fl_asprintf("{\"type\":\"%s\",\"object\":%s}\n", type, text);
    for (struct fake_feed *f = a->feeds; f; f = f->next) {
        if (strcmp(f->collection, p->collection) == 0 &&
            (f->ns[0] == '\0' || strcmp(f->ns, p->ns) == 0)) {
            fake_feed_push(f, line);
        }
    }
    if (!fake_is_event(p)) {
        a->writes++;
    }
    fl_cond_broadcast(&a->changed);
}

static fl_unused void fake_set_rv(struct fake_api *a, struct fl_json *j)
{
    char rv[24];
    fl_auto_text t = fl_asprintf("%llu", (unsigned long long)++a->rv);
    fake_copy(rv, sizeof(rv), fl_str_of(t));
    fl_json_set(fl_json_get(j, "metadata"), "resourceVersion", fl_json_text(rv));
}

static fl_unused void fake_remove(struct fake_api *a, const struct fake_path *p, struct fl_json *j)
{
    fl_auto_text key = fake_key(p);
    fake_set_rv(a, j);
    fl_auto_text text = fake_write(j);
    fl_map_del(a->objects, fl_str_of(key));
    fake_tell(a, p, "DELETED", text);
}

static fl_unused void fake_store(struct fake_api *a, const struct fake_path *p, struct fl_json *j,
                                 const char *type)
{
    const struct fl_json *meta = fl_json_get(j, "metadata");
    if (fl_json_get(meta, "deletionTimestamp") &&
        fl_json_len(fl_json_get(meta, "finalizers")) == 0) {
        fake_remove(a, p, j);
        return;
    }
    fl_auto_text key = fake_key(p);
    fake_set_rv(a, j);
    char *text = fake_write(j);
    fl_map_set(a->objects, fl_str_of(key), text);
    fake_tell(a, p, type, text);
}

static fl_unused void fake_status(struct fl_response *res, int status, const char *reason,
                                  const char *message)
{
    res->status = status;
    res->content_type = "application/json";
    fl_buf_clear(&res->body);
    fl_buf_fmt(
        &res->body,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"reason\":\"%s\","
        "\"message\":\"%s\",\"code\":%d}",
        reason, message, status);
}

static fl_unused void fake_answer(struct fl_response *res, int status, const char *text)
{
    res->status = status;
    res->content_type = "application/json";
    fl_buf_text(&res->body, text);
}

static fl_unused void fake_create(struct fake_api *a, struct fake_path *p, struct fl_str body,
                                  struct fl_response *res)
{
    fl_auto(fl_json) j = NULL;
    fl_assert(fl_json_parse(body, 1 << 24, &j, NULL) == 0);
    struct fl_json *meta = fl_json_get(j, "metadata");
    fake_copy(p->name, sizeof(p->name), fl_str_of(fl_json_get_text(meta, "name")));
    fl_auto_text key = fake_key(p);
    if (fl_map_get(a->objects, fl_str_of(key))) {
        fake_status(res, 409, "AlreadyExists", "already exists");
        return;
    }
    fl_auto_text uid = fl_asprintf("uid-%llu", (unsigned long long)a->rv + 1);
    fl_json_set(meta, "uid", fl_json_text(uid));
    fl_json_set(meta, "namespace", fl_json_text(p->ns));
    fl_json_set(meta, "creationTimestamp", fl_json_text("2026-01-01T00:00:00Z"));
    if (fl_json_get(j, "spec")) {
        fl_json_set(meta, "generation", fl_json_int(1));
    }
    fake_store(a, p, j, "ADDED");
    if (fake_is_event(p)) {
        a->events++;
    }
    fl_auto_text text = fake_write(j);
    fake_answer(res, 201, text);
}

static fl_unused void fake_apply(struct fl_json **to, const struct fl_json *patch, bool status)
{
    if (status) {
        fl_auto(fl_json) only = fl_json_object();
        const struct fl_json *st = fl_json_get(patch, "status");
        if (st) {
            fl_json_set(only, "status", fl_json_copy(st));
        }
        fl_patch_merge(to, only);
        return;
    }
    fl_auto(fl_json) rest = fl_json_copy(patch);
    fl_json_del(rest, "status");
    fl_patch_merge(to, rest);
}

static fl_unused void fake_patch(struct fake_api *a, struct fake_path *p, struct fl_str body,
                                 struct fl_response *res)
{
    fl_auto_text key = fake_key(p);
    const char *old = fl_map_get(a->objects, fl_str_of(key));
    if (!old) {
        fake_status(res, 404, "NotFound", "not found");
        return;
    }
    fl_auto(fl_json) was = NULL;
    fl_auto(fl_json) now = NULL;
    fl_auto(fl_json) patch = NULL;
    fl_assert(fl_json_parse(fl_str_of(old), 1 << 24, &was, NULL) == 0);
    fl_assert(fl_json_parse(body, 1 << 24, &patch, NULL) == 0);
    now = fl_json_copy(was);
    struct fl_json *pm = fl_json_get(patch, "metadata");
    const char *rv = pm ? fl_json_get_text(pm, "resourceVersion") : NULL;
    if (rv && strcmp(rv, fl_json_get_text(fl_json_get(was, "metadata"), "resourceVersion")) != 0) {
        fake_status(res, 409, "Conflict", "the object has been modified");
        return;
    }
    if (fake_is_event(p)) {
        a->event_repeats++;
    }
    fake_apply(&now, patch, strcmp(p->sub, "status") == 0);
    if (!fl_json_equal(was, now)) {
        int64_t generation = 0;
        const struct fl_json *meta = fl_json_get(now, "metadata");
        if (!fl_json_equal(fl_json_get(was, "spec"), fl_json_get(now, "spec")) &&
            fl_json_as_i64(fl_json_get(meta, "generation"), &generation)) {
            fl_json_set(fl_json_get(now, "metadata"), "generation", fl_json_int(generation + 1));
        }
        fake_store(a, p, now, "MODIFIED");
    }
    fl_auto_text text = fake_write(now);
    fake_answer(res, 200, text);
}

static fl_unused void fake_delete(struct fake_api *a, struct fake_path *p, struct fl_response *res)
{
    fl_auto_text key = fake_key(p);
    const char *old = fl_map_get(a->objects, fl_str_of(key));
    if (!old) {
        fake_status(res, 404, "NotFound", "not found");
        return;
    }
    fl_auto(fl_json) j = NULL;
    fl_assert(fl_json_parse(fl_str_of(old), 1 << 24, &j, NULL) == 0);
    struct fl_json *meta = fl_json_get(j, "metadata");
    fl_json_set(meta, "deletionTimestamp", fl_json_text("2026-01-01T01:00:00Z"));
    fake_store(a, p, j, "MODIFIED");
    fake_answer(res, 200, "{\"kind\":\"Status\",\"status\":\"Success\"}");
}

static fl_unused bool fake_in(const struct fake_path *p, struct fl_str key)
{
    fl_auto_text prefix =
        p->ns[0] ? fl_asprintf("%s|%s/", p->collection, p->ns) : fl_asprintf("%s|", p->collection);
    return fl_str_starts(key, prefix);
}

static fl_unused int fake_key_cmp(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static fl_unused uint64_t fake_number(const struct fl_request *req, const char *name, uint64_t none)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(4096);
    uint64_t n = none;
    if (fl_query_get(req->query, name, &b) && b.len > 0) {
        fl_assert(fl_num_u64(fl_buf_slice(&b), &n));
    }
    return n;
}

static fl_unused bool fake_flag(const struct fl_request *req, const char *name)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(4096);
    return fl_query_get(req->query, name, &b) && strcmp(b.data, "true") == 0;
}

/* continue is the number of objects already given. */
static fl_unused void fake_list(struct fake_api *a, const struct fake_path *p,
                                const struct fl_request *req, struct fl_response *res)
{
    size_t it = 0;
    size_t n = 0;
    struct fl_str key = {0};
    void *value = NULL;
    const char **all = fl_calloc(fl_map_len(a->objects) + 1, sizeof(*all));
    while (fl_map_next(a->objects, &it, &key, &value)) {
        if (fake_in(p, key)) {
            all[n++] = value;
        }
    }
    if (n > 1) {
        qsort(all, n, sizeof(*all), fake_key_cmp);
    }
    size_t limit = a->page ? a->page : fake_number(req, "limit", 0);
    size_t from = fake_number(req, "continue", 0);
    size_t to = limit == 0 || from + limit > n ? n : from + limit;
    res->status = 200;
    fl_buf_fmt(&res->body, "{\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"%llu\"",
               (unsigned long long)a->rv);
    if (to < n) {
        fl_buf_fmt(&res->body, ",\"continue\":\"%zu\"", to);
    }
    fl_buf_text(&res->body, "},\"items\":[");
    for (size_t i = from; i < to; i++) {
        fl_buf_fmt(&res->body, "%s%s", i > from ? "," : "", all[i]);
    }
    fl_buf_text(&res->body, "]}");
    fl_free(all);
}

static fl_unused void fake_initial(struct fake_api *a, const struct fake_path *p,
                                   struct fake_feed *f, bool bookmark)
{
    size_t it = 0;
    struct fl_str key = {0};
    void *value = NULL;
    while (fl_map_next(a->objects, &it, &key, &value)) {
        if (fake_in(p, key)) {
            fl_auto_text line =
                fl_asprintf("{\"type\":\"ADDED\",\"object\":%s}\n", (const char *)value);
            fake_feed_push(f, line);
        }
    }
    if (bookmark) {
        fl_auto_text line = fl_asprintf(
            "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"%llu\","
            "\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n",
            (unsigned long long)a->rv);
        fake_feed_push(f, line);
    }
}

static fl_unused void fake_watch(struct fake_api *a, const struct fake_path *p,
                                 const struct fl_request *req, struct fl_response *res)
{
    bool initial = fake_flag(req, "sendInitialEvents");
    struct fake_feed *f = FL_NEW(struct fake_feed);
    f->base.ops = &fake_feed_ops;
    f->api = a;
    f->collection = fl_strdup(p->collection);
    f->ns = fl_strdup(p->ns);
    fl_lock_init(&f->lock, "fake feed", FL_RANK_FEED);
    uint64_t rv = fake_number(req, "resourceVersion", 0);
    if (initial) {
        fake_initial(a, p, f, !a->ignore_initial);
    } else if (rv < a->compacted) {
        fake_feed_push(f, "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,"
                          "\"reason\":\"Expired\",\"message\":\"too old resource version\"}}\n");
        f->ended = true;
    } else {
        for (size_t i = 0; i < a->n_history; i++) {
            const struct fake_event *e = &a->history[i];
            if (e->rv > rv && strcmp(e->collection, p->collection) == 0 &&
                (p->ns[0] == '\0' || strcmp(p->ns, e->ns) == 0)) {
                fl_auto_text line =
                    fl_asprintf("{\"type\":\"%s\",\"object\":%s}\n", e->type, e->text);
                fake_feed_push(f, line);
            }
        }
    }
    f->next = a->feeds;
    a->feeds = f;
    a->opened_feeds++;
    res->status = 200;
    res->feed = &f->base;
    fl_cond_broadcast(&a->changed);
}

static fl_unused bool fake_fails(struct fake_api *a, const struct fl_request *req,
                                 const char *target, struct fl_response *res)
{
    for (size_t i = 0; i < FL_LEN(a->fail); i++) {
        struct fake_fail *f = &a->fail[i];
        if (f->times == 0 || (f->method && strcmp(f->method, req->method) != 0) ||
            !strstr(target, f->contain ? f->contain : "")) {
            continue;
        }
        f->times -= f->times > 0 ? 1 : 0;
        if (f->body) {
            fake_answer(res, f->status, f->body);
        } else {
            fake_status(res, f->status, f->status == 410 ? "Expired" : "Broken",
                        "as the test asked");
        }
        if (f->retry_after) {
            fl_response_header(res, "Retry-After", f->retry_after);
        }
        return true;
    }
    return false;
}

static fl_unused void fake_api_do(struct fake_api *a, const struct fl_request *req,
                                  struct fl_response *res)
{
    struct fake_path p;
    fl_auto_text target = fl_asprintf("%.*s?%.*s", FL_STR_ARG(req->path), FL_STR_ARG(req->query));
    fl_lock_scope(&a->lock);
    fl_assert(a->n_log < FL_LEN(a->log));
    a->log[a->n_log++] = fl_asprintf("%s %s", req->method, target);
    fl_cond_broadcast(&a->changed);
    if (fl_str_is(req->path, "/readyz")) {
        fake_answer(res, 200, "ok");
        return;
    }
    fake_path_parse(req->path, &p);
    if (strcmp(req->method, "GET") != 0 && !fake_is_event(&p)) {
        a->write_calls++;
    }
    if (fake_fails(a, req, target, res)) {
        return;
    }
    if (strcmp(req->method, "POST") == 0) {
        fake_create(a, &p, req->body, res);
    } else if (strcmp(req->method, "PATCH") == 0) {
        fake_patch(a, &p, req->body, res);
    } else if (strcmp(req->method, "DELETE") == 0) {
        fake_delete(a, &p, res);
    } else if (p.name[0]) {
        fl_auto_text key = fake_key(&p);
        const char *text = fl_map_get(a->objects, fl_str_of(key));
        if (text) {
            fake_answer(res, 200, text);
        } else {
            fake_status(res, 404, "NotFound", "not found");
        }
    } else if (fake_flag(req, "watch")) {
        fake_watch(a, &p, req, res);
    } else {
        fake_list(a, &p, req, res);
    }
}

static fl_unused void fake_api_serve(void *self, const struct fl_request *req,
                                     struct fl_response *res)
{
    struct fake_api *a = self;
    if (a->before_write && strcmp(req->method, "GET") != 0) {
        fl_auto_text path = fl_asprintf("%.*s", FL_STR_ARG(req->path));
        a->before_write(a->before_arg, req->method, path);
    }
    fake_api_do(a, req, res);
}

/* ---- for tests ---- */

/* One request as a user would make it; returns the status. */
static fl_unused int fake_api_call(struct fake_api *a, const char *method, const char *path,
                                   const char *body)
{
    fl_auto(fl_arena) arena = fl_arena_new();
    struct fl_request req = {
        .method = method, .path = fl_str_of(path), .body = fl_str_of(body), .arena = arena};
    struct fl_response res;
    fl_response_init(&res, FL_BUF_ANY);
    fake_api_do(a, &req, &res);
    int status = res.status;
    fl_response_release(&res);
    return status;
}

/* The text of an object by its path; the caller's; NULL = absent. Under no lock. */
static fl_unused char *fake_api_text(struct fake_api *a, const char *path)
{
    struct fake_path p;
    fake_path_parse(fl_str_of(path), &p);
    fl_auto_text key = fake_key(&p);
    fl_lock_scope(&a->lock);
    return fl_strdup(fl_map_get(a->objects, fl_str_of(key)));
}

/* Waits until the object's text contains `want` (NULL: until it is gone). */
static fl_unused void fake_api_wait(struct fake_api *a, const char *path, const char *want)
{
    struct fake_path p;
    fake_path_parse(fl_str_of(path), &p);
    fl_auto_text key = fake_key(&p);
    fl_lock_scope(&a->lock);
    for (;;) {
        const char *text = fl_map_get(a->objects, fl_str_of(key));
        if (want ? text && strstr(text, want) : !text) {
            return;
        }
        fl_cond_wait(&a->changed, &a->lock);
    }
}

/* Requests so far whose "METHOD path?query" contains both. */
static fl_unused size_t fake_count_locked(const struct fake_api *a, const char *one,
                                          const char *two)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n_log; i++) {
        n += strstr(a->log[i], one) && strstr(a->log[i], two);
    }
    return n;
}

static fl_unused size_t fake_api_count(struct fake_api *a, const char *one, const char *two)
{
    fl_lock_scope(&a->lock);
    return fake_count_locked(a, one, two);
}

static fl_unused void fake_api_wait_count(struct fake_api *a, const char *one, const char *two,
                                          size_t n)
{
    fl_lock_scope(&a->lock);
    while (fake_count_locked(a, one, two) < n) {
        fl_cond_wait(&a->changed, &a->lock);
    }
}

static fl_unused size_t fake_api_get(struct fake_api *a, const size_t *counter)
{
    fl_lock_scope(&a->lock);
    return *counter;
}

/* Watches from before rv are told 410. */
static fl_unused void fake_api_compact(struct fake_api *a, uint64_t rv)
{
    fl_lock_scope(&a->lock);
    a->compacted = rv;
}

static fl_unused void fake_api_fail(struct fake_api *a, size_t slot, struct fake_fail f)
{
    fl_lock_scope(&a->lock);
    a->fail[slot] = f;
}

#endif
