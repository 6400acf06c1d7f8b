/* SPDX-License-Identifier: Apache-2.0
 * All controllers as the program runs them: engine, reconcilers and embedded API in a folder of
 * its own, on a fake clock, with registries and git remotes in memory behind the ports. Time
 * moves only when a test says so. In bodies ' stands for ". */
#ifndef FL_TESTS_CONTRACT_LOOP_H
#define FL_TESTS_CONTRACT_LOOP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "apiserver/apiserver.h"
#include "app/controllers.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/engine_priv.h"
#include "fake/mirror_port.h"
#include "fake/port.h"
#include "reconcile/remotes.h"
#include "wire/json.h"

#define LOOP_WALL_MS INT64_C(1700000000000)
#define LOOP_DEADLINE_MS 120000 /* real time: a busy machine, under a sanitizer */
#define LOOP_NS "/apis/fairlead.dev/v1alpha1/namespaces/default/"
#define REG LOOP_NS "registries"
#define POL LOOP_NS "replicationpolicies"
#define RUN LOOP_NS "replicationexecutions"
#define SECRETS "/api/v1/namespaces/default/secrets"
#define SRC "http://src.example"
#define DST "http://dst.example"
#define HOUR_MS INT64_C(3600000)

struct loop {
    char *dir;
    struct fl_clock *clock;
    struct fl_fake_port *port;
    struct fl_apiserver *api;
    struct fl_kube *kube;
    struct fl_metrics *metrics;
    struct fl_remotes *remotes;
    struct fl_fake_git *git;
    struct fl_mirrors *mirrors;
    struct fl_engine *engine;
    bool skip; /* while a wait goes on and nothing is due, the clock jumps to what is next */
    int64_t
        tick_ms; /* while a wait goes on the clock moves by so much a look, whatever is under way */
    /* The engine is cut off once a write that contains both was stored; NULL: never. Set before
     * loop_start. */
    const char *die_after[2];
    atomic_bool dead;    /* the API answers the engine no more: the process is as good as killed */
    struct fl_lock lock; /* guards what follows */
    size_t writes, events;
    char *log[64]; /* the newest writes of the engine */
};

/* ---- doors ---- */

static fl_unused void loop_note(struct loop *l, const struct fl_request *req)
{
    fl_auto_text path = fl_asprintf("%.*s", FL_STR_ARG(req->path));
    fl_lock_scope(&l->lock);
    if (strstr(path, "/events")) {
        l->events++;
        return;
    }
    char **at = &l->log[l->writes++ % FL_LEN(l->log)];
    fl_free(*at);
    *at = fl_asprintf("%s %s %.*s", req->method, path, (int)(req->body.n < 400 ? req->body.n : 400),
                      req->body.p ? req->body.p : "");
}

static fl_unused void loop_door(void *self, const struct fl_request *req, struct fl_response *res)
{
    struct loop *l = self;
    if (atomic_load(&l->dead)) {
        res->status = 503;
        fl_buf_text(&res->body, "{\"kind\":\"Status\",\"code\":503,\"message\":\"dead\"}");
        return;
    }
    if (strcmp(req->method, "GET") != 0) {
        loop_note(l, req);
    }
    fl_apiserver_serve(l->api, req, res);
    if (l->die_after[0] && strcmp(req->method, l->die_after[0]) == 0) {
        fl_auto_text path = fl_asprintf("%.*s", FL_STR_ARG(req->path));
        if (strstr(path, l->die_after[1])) {
            atomic_store(&l->dead, true);
            res->status = 503; /* nor did the answer arrive */
        }
    }
}

static fl_unused size_t loop_writes(struct loop *l)
{
    fl_lock_scope(&l->lock);
    return l->writes;
}

static fl_unused size_t loop_events(struct loop *l)
{
    fl_lock_scope(&l->lock);
    return l->events;
}

static fl_unused void loop_print_writes(struct loop *l, size_t from)
{
    fl_lock_scope(&l->lock);
    for (size_t i = from; i < l->writes; i++) {
        print_error("  write: %s\n", l->log[i % FL_LEN(l->log)]);
    }
}

static fl_unused char *loop_quote(const char *s)
{
    char *t = fl_strdup(s ? s : "");
    for (char *p = t; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    return t;
}

/* One request as a user would make it; the answer's text is the caller's. */
static fl_unused char *loop_ask(struct loop *l, const char *method, const char *path,
                                const char *type, const char *body, int *ret_status)
{
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto_text text = loop_quote(body);
    const struct fl_header headers[] = {{"Content-Type", type}};
    struct fl_str query = fl_str_of(path);
    struct fl_str head = {0};
    (void)fl_str_cut(&query, '?', &head);
    struct fl_request req = {.method = method,
                             .path = head,
                             .query = query,
                             .headers = headers,
                             .n_headers = type ? 1 : 0,
                             .body = fl_str_of(text),
                             .user = "tester",
                             .arena = a};
    struct fl_response res;
    fl_response_init(&res, FL_BUF_ANY);
    fl_apiserver_serve(l->api, &req, &res);
    struct fl_str answer = res.shared ? fl_shared_str(res.shared) : fl_buf_slice(&res.body);
    char *ret = fl_strndup(answer.p ? answer.p : "", answer.n);
    *ret_status = res.status;
    fl_response_release(&res);
    return ret;
}

static fl_unused void loop_do(struct loop *l, const char *method, const char *path,
                              const char *type, const char *body, int want)
{
    int status = 0;
    fl_auto_text text = loop_ask(l, method, path, type, body, &status);
    if (status != want) {
        fail_msg("%s %s: status %d, wanted %d: %s", method, path, status, want, text);
    }
}

/* NULL: not there. */
static fl_unused char *loop_get(struct loop *l, const char *path)
{
    int status = 0;
    fl_auto_text text = loop_ask(l, "GET", path, NULL, NULL, &status);
    return status == 200 ? fl_take(text) : NULL;
}

static fl_unused void loop_patch(struct loop *l, const char *path, const char *body)
{
    loop_do(l, "PATCH", path, "application/merge-patch+json", body, 200);
}

static fl_unused void loop_delete(struct loop *l, const char *path)
{
    loop_do(l, "DELETE", path, NULL, NULL, 200);
}

static fl_unused void loop_make(struct loop *l, const char *collection, const char *kind,
                                const char *name, const char *spec)
{
    fl_auto_text body = fl_asprintf("{'apiVersion':'fairlead.dev/v1alpha1','kind':'%s',"
                                    "'metadata':{'name':'%s'},'spec':%s}",
                                    kind, name, spec);
    loop_do(l, "POST", collection, "application/json", body, 201);
}

static fl_unused void loop_secret(struct loop *l, const char *name, const char *data)
{
    fl_auto_text body = fl_asprintf("{'apiVersion':'v1','kind':'Secret','metadata':{'name':'%s'},"
                                    "'stringData':%s}",
                                    name, data);
    loop_do(l, "POST", SECRETS, "application/json", body, 201);
}

static fl_unused void loop_request(struct loop *l, const char *path, const char *token)
{
    fl_auto_text body =
        fl_asprintf("{'metadata':{'annotations':{'fairlead.dev/requested-at':'%s'}}}", token);
    loop_patch(l, path, body);
}

/* ---- waiting ---- */

static fl_unused int64_t loop_passes(struct loop *l, const char *controller)
{
    int64_t n = 0;
    for (size_t i = 0; i < l->engine->n_loops; i++) {
        const struct engine_loop *e = l->engine->loops[i];
        bool counts = !controller || strcmp(e->ctl.name, controller) == 0;
        for (int o = 0; counts && o < OUTCOME_COUNT; o++) {
            n += fl_metric_value(e->total[o]);
        }
    }
    return n;
}

/* What is due is asked before what waits, since a key goes from the one to the other; and a pass
 * that ended meanwhile may have woken what was looked at already. */
static fl_unused bool loop_idle(struct loop *l)
{
    int64_t now = fl_clock_mono_ms(l->clock);
    int64_t passes = loop_passes(l, NULL);
    for (size_t i = 0; i < l->engine->n_loops; i++) {
        size_t waiting = 0;
        size_t busy = 0;
        bool due = fl_queue_next_ms(l->engine->loops[i]->queue) <= now;
        fl_queue_count(l->engine->loops[i]->queue, &waiting, &busy);
        if (due || waiting + busy > 0) {
            return false;
        }
    }
    return loop_passes(l, NULL) == passes;
}

static fl_unused void loop_skip_ahead(struct loop *l)
{
    if (!loop_idle(l)) {
        return;
    }
    int64_t next = FL_NEVER;
    for (size_t i = 0; i < l->engine->n_loops; i++) {
        int64_t t = fl_queue_next_ms(l->engine->loops[i]->queue);
        next = t < next ? t : next;
    }
    int64_t now = fl_clock_mono_ms(l->clock);
    if (next != FL_NEVER && next > now) {
        fl_clock_advance(l->clock, next - now);
    }
}

/* True when what is waited for is the case; else the reason, for the failure. */
typedef bool (*loop_pred)(struct loop *l, const void *arg, struct fl_buf *why);

static fl_unused void loop_wait(struct loop *l, const char *what, loop_pred pred, const void *arg)
{
    int64_t end = fl_clock_mono_ms(fl_clock_real()) + LOOP_DEADLINE_MS;
    for (;;) {
        fl_auto_val(fl_buf) why = FL_BUF_INIT(FL_BUF_ANY);
        if (pred(l, arg, &why)) {
            return;
        }
        if (fl_clock_mono_ms(fl_clock_real()) >= end) {
            loop_print_writes(l, 0);
            fail_msg("waited in vain for: %s: %s", what, why.data);
        }
        if (l->skip) {
            loop_skip_ahead(l);
        }
        if (l->tick_ms > 0) {
            fl_clock_advance(l->clock, l->tick_ms);
        }
        const struct timespec nap = {.tv_nsec = 2000000};
        (void)nanosleep(&nap, NULL);
    }
}

static fl_unused bool loop_is_idle(struct loop *l, const void *arg, struct fl_buf *why)
{
    (void)arg;
    fl_buf_text(why, "a pass is under way or due");
    return loop_idle(l);
}

/* Nothing is under way or due. What the test itself has just written may not have arrived: wait
 * for its effect first. */
static fl_unused void loop_settle(struct loop *l)
{
    loop_wait(l, "all passes ended", loop_is_idle, NULL);
}

static fl_unused void loop_advance(struct loop *l, int64_t ms)
{
    fl_clock_advance(l->clock, ms);
}

/* ---- looking ---- */

static fl_unused struct fl_json *loop_object(struct loop *l, const char *path)
{
    fl_auto_text text = loop_get(l, path);
    struct fl_json *j = NULL;
    struct fl_err err = FL_ERR_INIT;
    if (text && fl_json_parse(fl_str_of(text), (size_t)1 << 26, &j, &err) < 0) {
        fail_msg("%s: %s", path, err.msg);
    }
    return j;
}

/* The value of a field as text (strings without quotes); the caller's; NULL = absent. */
static fl_unused char *loop_field(struct loop *l, const char *path, const char *field)
{
    fl_auto(fl_json) j = loop_object(l, path);
    const struct fl_json *v = j ? fl_json_path(j, field) : NULL;
    if (!v) {
        return NULL;
    }
    if (fl_json_is(v, FL_JSON_STRING)) {
        return fl_strdup(fl_json_as_text(v));
    }
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_json_write(v, &b);
    return fl_strdup(b.data);
}

static fl_unused int64_t loop_number(struct loop *l, const char *path, const char *field)
{
    fl_auto(fl_json) j = loop_object(l, path);
    int64_t n = 0;
    if (j) {
        (void)fl_json_as_i64(fl_json_path(j, field), &n);
    }
    return n;
}

static fl_unused void loop_field_is(struct loop *l, const char *path, const char *field,
                                    const char *want)
{
    fl_auto_text v = loop_field(l, path, field);
    if (!fl_text_eq(v, want)) {
        fl_auto_text all = loop_get(l, path);
        fail_msg("%s: %s is %s, wanted %s in %s", path, field, v ? v : "absent",
                 want ? want : "absent", all ? all : "(nothing)");
    }
}

struct loop_field_want {
    const char *path, *field, *want;
};

static fl_unused bool loop_has_field(struct loop *l, const void *arg, struct fl_buf *why)
{
    const struct loop_field_want *w = arg;
    fl_auto_text v = loop_field(l, w->path, w->field);
    fl_auto_text all = loop_get(l, w->path);
    fl_buf_fmt(why, "it is %s in %s", v ? v : "absent", all ? all : "(nothing)");
    return fl_text_eq(v, w->want);
}

static fl_unused void loop_wait_field(struct loop *l, const char *path, const char *field,
                                      const char *want)
{
    const struct loop_field_want w = {path, field, want};
    fl_auto_text what = fl_asprintf("%s %s = %s", path, field, want ? want : "absent");
    loop_wait(l, what, loop_has_field, &w);
}

static fl_unused bool loop_is_gone(struct loop *l, const void *arg, struct fl_buf *why)
{
    fl_auto_text text = loop_get(l, arg);
    fl_buf_text(why, text ? text : "");
    return !text;
}

static fl_unused void loop_wait_gone(struct loop *l, const char *path)
{
    fl_auto_text what = fl_asprintf("%s is gone", path);
    loop_wait(l, what, loop_is_gone, path);
}

static fl_unused size_t loop_len(struct loop *l, const char *collection)
{
    fl_auto(fl_json) j = loop_object(l, collection);
    return fl_json_len(fl_json_get(j, "items"));
}

static fl_unused bool loop_is_there(struct loop *l, const char *path)
{
    fl_auto_text text = loop_get(l, path);
    return text != NULL;
}

/* What the conditions say. */
struct loop_want {
    const char *path;
    const char *ready;                 /* True, False, Unknown */
    const char *reason;                /* of Ready */
    const char *words[3];              /* in its message */
    const char *stalled, *reconciling; /* reason of each; NULL: the condition must be absent */
};

static fl_unused const struct fl_json *loop_condition(const struct fl_json *obj, const char *type)
{
    const struct fl_json *all = fl_json_path(obj, "status.conditions");
    for (size_t i = 0; i < fl_json_len(all); i++) {
        const struct fl_json *c = fl_json_at(all, i);
        if (fl_text_eq(fl_json_get_text(c, "type"), type)) {
            return c;
        }
    }
    return NULL;
}

static fl_unused bool loop_condition_is(const struct fl_json *obj, const char *type,
                                        const char *reason)
{
    const struct fl_json *c = loop_condition(obj, type);
    if (!reason || !c) {
        return !reason && !c;
    }
    return fl_text_eq(fl_json_get_text(c, "status"), "True") &&
           fl_text_eq(fl_json_get_text(c, "reason"), reason);
}

static fl_unused bool loop_says(struct loop *l, const void *arg, struct fl_buf *why)
{
    const struct loop_want *w = arg;
    fl_auto(fl_json) j = loop_object(l, w->path);
    if (!j) {
        fl_buf_text(why, "there is no such object");
        return false;
    }
    fl_json_write(j, why);
    const struct fl_json *ready = loop_condition(j, "Ready");
    const char *message = ready ? fl_json_get_text(ready, "message") : NULL;
    bool ok = ready && fl_text_eq(fl_json_get_text(ready, "status"), w->ready) &&
              fl_text_eq(fl_json_get_text(ready, "reason"), w->reason) &&
              loop_condition_is(j, "Stalled", w->stalled) &&
              loop_condition_is(j, "Reconciling", w->reconciling);
    for (size_t i = 0; ok && i < FL_LEN(w->words) && w->words[i]; i++) {
        ok = message && strstr(message, w->words[i]);
    }
    int64_t generation = -1;
    int64_t observed = -2;
    (void)fl_json_as_i64(fl_json_path(j, "metadata.generation"), &generation);
    (void)fl_json_as_i64(fl_json_path(j, "status.observedGeneration"), &observed);
    return ok && generation == observed;
}

static fl_unused void loop_wait_says(struct loop *l, const struct loop_want *w)
{
    fl_auto_text what =
        fl_asprintf("%s: Ready=%s %s '%s' '%s', Stalled %s, Reconciling %s", w->path, w->ready,
                    w->reason, w->words[0] ? w->words[0] : "", w->words[1] ? w->words[1] : "",
                    w->stalled ? w->stalled : "-", w->reconciling ? w->reconciling : "-");
    loop_wait(l, what, loop_says, w);
}

static fl_unused void loop_wait_ready(struct loop *l, const char *path, const char *words)
{
    loop_wait_says(l, &(struct loop_want){
                          .path = path, .ready = "True", .reason = "Succeeded", .words = {words}});
}

/* Asks for a run and waits until it was acted on and nothing is under way. */
static fl_unused void loop_run(struct loop *l, const char *path, const char *token)
{
    loop_request(l, path, token);
    loop_wait_field(l, path, "status.lastHandledRequest", token);
    loop_settle(l);
}

struct loop_count_want {
    size_t (*count)(struct fl_fake_port *w);
    size_t want;
};

static fl_unused bool loop_counts(struct loop *l, const void *arg, struct fl_buf *why)
{
    const struct loop_count_want *w = arg;
    size_t n = w->count(l->port);
    fl_buf_fmt(why, "it is %zu", n);
    return n >= w->want;
}

/* Until so many calls are held by the port. */
static fl_unused void loop_wait_held(struct loop *l, size_t n)
{
    const struct loop_count_want w = {fl_fake_port_held, n};
    fl_auto_text what = fl_asprintf("%zu calls are held", n);
    loop_wait(l, what, loop_counts, &w);
}

struct loop_passes_want {
    const char *controller;
    int64_t more_than;
};

static fl_unused bool loop_passed(struct loop *l, const void *arg, struct fl_buf *why)
{
    const struct loop_passes_want *w = arg;
    int64_t n = loop_passes(l, w->controller);
    fl_buf_fmt(why, "%lld so far", (long long)n);
    return n > w->more_than;
}

/* Until there were more passes than so many. */
static fl_unused void loop_wait_passes(struct loop *l, const char *controller, int64_t more_than)
{
    const struct loop_passes_want w = {controller, more_than};
    fl_auto_text what =
        fl_asprintf("more than %lld passes of %s", (long long)more_than, controller);
    loop_wait(l, what, loop_passed, &w);
}

static fl_unused bool loop_is_dead(struct loop *l, const void *arg, struct fl_buf *why)
{
    (void)arg;
    fl_buf_text(why, "the write that ends it was not made");
    return atomic_load(&l->dead);
}

static fl_unused int64_t loop_next_ms(struct loop *l, const char *controller)
{
    for (size_t i = 0; i < l->engine->n_loops; i++) {
        if (strcmp(l->engine->loops[i]->ctl.name, controller) == 0) {
            return fl_queue_next_ms(l->engine->loops[i]->queue);
        }
    }
    fail_msg("no controller %s", controller);
    return 0;
}

/* ---- up and down ---- */

static const struct fl_adapter *const loop_adapters[] = {&fl_fake_git_adapter, &fl_fake_adapter,
                                                         NULL};

static fl_unused struct fl_mirrors *loop_mirrors(struct loop *l)
{
    return fl_mirrors_new(&(struct fl_mirrors_conf){
        .adapters = loop_adapters,
        .clock = l->clock,
        .metrics = l->metrics,
        .mirrors_dir = "/mirrors",
        .run_dir = "/run",
        .hooks = fl_fake_git_hooks(l->git),
        .hooks_ops = &fl_fake_hooks_ops,
        .live = fl_fake_git_live(l->git),
        .live_ops = &fl_fake_live_ops,
        .interval_ms = 300000,
    });
}

static fl_unused void loop_start(struct loop *l)
{
    atomic_store(&l->dead, false);
    l->kube = fl_kube_new_local(loop_door, l, "system:fairlead", l->clock);
    l->metrics = fl_metrics_new();
    l->remotes = fl_remotes_new(loop_adapters, l->clock);
    l->mirrors = loop_mirrors(l);
    l->engine = fl_engine_new(&(struct fl_engine_conf){
        .kube = l->kube, .clock = l->clock, .metrics = l->metrics, .instance = "host"});
    fl_controllers_add(l->engine, &(struct fl_selves){l->remotes, l->mirrors});
    fl_engine_start(l->engine);
}

static fl_unused void loop_stop(struct loop *l)
{
    if (!l->engine) {
        return;
    }
    fl_engine_stop(l->engine, 0);
    fl_engine_free(l->engine);
    fl_kube_free(l->kube);
    fl_remotes_free(l->remotes);
    fl_mirrors_free(l->mirrors);
    fl_metrics_free(l->metrics);
    l->engine = NULL;
}

static fl_unused void loop_open_api(struct loop *l)
{
    struct fl_secret token = {0};
    struct fl_err err = FL_ERR_INIT;
    fl_secret_set(&token, FL_STR("sesame"));
    const struct fl_apiserver_conf conf = {
        .data_dir = l->dir, .clock = l->clock, .token = &token, .sync_normal = true};
    int x = fl_apiserver_open(&conf, &l->api, &err);
    fl_secret_release(&token);
    if (x < 0) {
        fail_msg("open: %s", err.msg);
    }
}

/* From here on nothing of the engine is stored; then it is gone, and another process takes its
 * place. */
static fl_unused void loop_crash(struct loop *l)
{
    atomic_store(&l->dead, true);
    loop_stop(l);
    fl_apiserver_close(l->api);
    loop_open_api(l);
}

static fl_unused int loop_setup(void **state)
{
    const char *tmp = getenv("TMPDIR");
    struct loop *l = FL_NEW(struct loop);
    fl_lock_init(&l->lock, "loop", FL_RANK_ROUTE);
    l->dir = fl_asprintf("%s/fl-loop-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(l->dir)) {
        return -1;
    }
    fl_log_setup(FL_LOG_ERROR, FL_LOG_TEXT);
    l->clock = fl_clock_fake_new(LOOP_WALL_MS);
    l->port = fl_fake_port_new();
    l->git = fl_fake_git_new();
    loop_open_api(l);
    loop_start(l);
    *state = l;
    return 0;
}

static fl_unused void loop_remove_dir(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    while (d && (e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.') {
            fl_auto_text file = fl_asprintf("%s/%s", path, e->d_name);
            (void)unlink(file);
        }
    }
    if (d) {
        (void)closedir(d);
    }
    (void)rmdir(path);
}

static fl_unused int loop_teardown(void **state)
{
    struct loop *l = *state;
    loop_stop(l);
    fl_apiserver_close(l->api);
    fl_fake_port_free(l->port);
    fl_fake_git_free(l->git);
    fl_clock_free(l->clock);
    loop_remove_dir(l->dir);
    for (size_t i = 0; i < FL_LEN(l->log); i++) {
        fl_free(l->log[i]);
    }
    fl_lock_destroy(&l->lock);
    fl_free(l->dir);
    fl_free(l);
    return 0;
}

#define loop_test(f) cmocka_unit_test_setup_teardown(f, loop_setup, loop_teardown)

/* ---- what most tests begin with ---- */

static fl_unused void loop_registry(struct loop *l, const char *name, const char *url,
                                    const char *more)
{
    fl_auto_text spec = fl_asprintf("{'url':'%s','interval':'0'%s}", url, more);
    loop_make(l, REG, "Registry", name, spec);
}

/* Registries src and dst, ready. Nothing of theirs comes by the clock. */
static fl_unused void loop_registries(struct loop *l)
{
    loop_registry(l, "src", SRC, "");
    loop_registry(l, "dst", DST, "");
    loop_wait_ready(l, REG "/src", NULL);
    loop_wait_ready(l, REG "/dst", NULL);
    loop_settle(l);
}

static fl_unused void loop_policy(struct loop *l, const char *name, const char *repositories,
                                  const char *more)
{
    fl_auto_text spec = fl_asprintf("{'source':{'registry':'src'},'destination':{'registry':'dst'},"
                                    "'repositories':{'include':[%s]},'interval':'0'%s}",
                                    repositories, more);
    loop_make(l, POL, "ReplicationPolicy", name, spec);
}

static fl_unused bool loop_same_digest(struct loop *l, const char *repo, const char *to,
                                       const char *tag)
{
    char a[FL_DIGEST_MAX] = "";
    char b[FL_DIGEST_MAX] = "";
    return fl_fake_port_digest(l->port, SRC, repo, tag, a) &&
           fl_fake_port_digest(l->port, DST, to, tag, b) && strcmp(a, b) == 0;
}

#endif
