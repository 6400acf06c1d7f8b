/* SPDX-License-Identifier: Apache-2.0
 * What wakes what: changes in the cache become keys in queues. Starting, stopping, health. */
#include "engine/engine.h"

#include "api/scheme.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "engine/engine_priv.h"
#include "wire/scan.h"

#define WORKERS 4
#define JITTER_PERCENT 5
#define WAKE_DETAIL_MAX 100
#define SPREAD_PART 10   /* of the interval: first passes after a start */
#define TROUBLE_MS 60000 /* an API that is away for longer is not "ready" */

/* ---- making ---- */

static void count_answer(void *arg, const char *method, int code)
{
    struct fl_engine *e = arg;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(256);
    if (code >= 100 && code <= 599) {
        fl_buf_fmt(&b, "code=\"%d\",method=\"%s\",host=\"%s\"", code, method,
                   fl_kube_host(e->conf.kube));
    } else {
        fl_buf_fmt(&b, "code=\"<error>\",method=\"%s\",host=\"%s\"", method,
                   fl_kube_host(e->conf.kube));
    }
    fl_metric_add(fl_metric_counter(e->conf.metrics, "rest_client_requests_total", b.data,
                                    "Answers of the Kubernetes API by code, method and host."),
                  1);
}

struct fl_engine *fl_engine_new(const struct fl_engine_conf *conf)
{
    struct fl_engine *e = FL_NEW(struct fl_engine);
    e->conf = *conf;
    e->ns = fl_strdup(conf->ns ? conf->ns : "");
    e->instance = fl_strdup(conf->instance ? conf->instance : "");
    if (e->conf.jitter_percent == 0) {
        e->conf.jitter_percent = JITTER_PERCENT;
    }
    e->cache = fl_cache_new(conf->kube, fl_str_of(e->ns));
    e->events = engine_events_new(e);
    fl_lock_init(&e->lock, "engine", FL_RANK_CONTROLLER);
    fl_cond_init(&e->changed);
    fl_kube_observe(conf->kube, count_answer, e);
    return e;
}

static struct fl_metric *pass_total(struct fl_engine *e, const char *controller, const char *result)
{
    fl_auto_text labels = fl_asprintf("controller=\"%s\",result=\"%s\"", controller, result);
    return fl_metric_counter(e->conf.metrics, "controller_runtime_reconcile_total", labels,
                             "Passes by controller and result.");
}

static void loop_metrics(struct engine_loop *l, struct fl_queue_series *q)
{
    static const char *const results[OUTCOME_COUNT] = {"success", "error", "requeue",
                                                       "requeue_after"};
    struct fl_engine *e = l->engine;
    struct fl_metrics *m = e->conf.metrics;
    fl_auto_text one = fl_asprintf("controller=\"%s\"", l->ctl.name);
    fl_auto_text two = fl_asprintf("name=\"%s\",controller=\"%s\"", l->ctl.name, l->ctl.name);
    for (size_t i = 0; i < OUTCOME_COUNT; i++) {
        l->total[i] = pass_total(e, l->ctl.name, results[i]);
    }
    l->errors = fl_metric_counter(m, "controller_runtime_reconcile_errors_total", one,
                                  "Passes that failed.");
    l->terminal = fl_metric_counter(m, "controller_runtime_terminal_reconcile_errors_total", one,
                                    "Passes that failed until something is changed.");
    l->seconds = fl_metric_histogram(m, "controller_runtime_reconcile_time_seconds", one,
                                     "Length of a pass.");
    l->active = fl_metric_gauge(m, "controller_runtime_active_workers", one, "Passes under way.");
    fl_metric_set(fl_metric_gauge(m, "controller_runtime_max_concurrent_reconciles", one,
                                  "Passes that may be under way at once."),
                  l->n_threads);
    *q = (struct fl_queue_series){
        .adds = fl_metric_counter(m, "workqueue_adds_total", two, "Keys added."),
        .retries =
            fl_metric_counter(m, "workqueue_retries_total", two, "Keys added with back-off."),
        .depth = fl_metric_gauge(m, "workqueue_depth", two, "Keys that wait."),
        .waited = fl_metric_histogram(m, "workqueue_queue_duration_seconds", two,
                                      "How long a key waits."),
        .worked = fl_metric_histogram(m, "workqueue_work_duration_seconds", two,
                                      "How long a key is worked on."),
    };
}

void fl_engine_add(struct fl_engine *e, const struct fl_controller *c)
{
    struct engine_loop *l = FL_NEW(struct engine_loop);
    l->engine = e;
    l->ctl = *c;
    l->n_threads = c->workers > 0 ? c->workers : WORKERS;
    struct fl_queue_conf q = {.clock = e->conf.clock,
                              .backoff_min_ms = e->conf.backoff_min_ms,
                              .backoff_max_ms = e->conf.backoff_max_ms};
    loop_metrics(l, &q.series);
    l->queue = fl_queue_new(&q);
    l->told = engine_told_new();
    fl_lock_init(&l->lock, "loop", FL_RANK_CONTROLLER);
    e->loops = fl_reallocarray(e->loops, e->n_loops + 1, sizeof(*e->loops));
    e->loops[e->n_loops++] = l;
}

void fl_engine_free(struct fl_engine *e)
{
    if (!e) {
        return;
    }
    fl_kube_observe(e->conf.kube, NULL, NULL);
    fl_cache_free(e->cache);
    engine_events_free(e->events);
    for (size_t i = 0; i < e->n_loops; i++) {
        fl_queue_free(e->loops[i]->queue);
        engine_told_free(e->loops[i]->told);
        fl_lock_destroy(&e->loops[i]->lock);
        fl_free(e->loops[i]->threads);
        fl_free(e->loops[i]);
    }
    for (size_t i = 0; i < e->n_kinds; i++) {
        fl_free(e->kinds[i]);
    }
    fl_free(e->loops);
    fl_free(e->kinds);
    fl_free(e->ns);
    fl_free(e->instance);
    fl_cond_destroy(&e->changed);
    fl_lock_destroy(&e->lock);
    fl_free(e);
}

/* ---- waking ---- */

static const struct fl_wake changed = {.cause = FL_WAKE_CHANGE};
static const struct fl_wake start = {.cause = FL_WAKE_START};

static void key_of(struct fl_buf *key, struct fl_str ns, struct fl_str name)
{
    fl_buf_fmt(key, "%.*s/%.*s", FL_STR_ARG(ns), FL_STR_ARG(name));
}

static void add_key(struct engine_loop *l, struct fl_str ns, struct fl_str name, enum fl_lane lane,
                    bool anew)
{
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_QUEUE_KEY - 1);
    key_of(&key, ns, name);
    if (anew) {
        fl_queue_forget(l->queue, fl_buf_slice(&key));
    }
    fl_queue_because(l->queue, fl_buf_slice(&key), &changed);
    fl_queue_add(l->queue, fl_buf_slice(&key), lane);
}

static void cut_off(struct engine_loop *l, struct fl_str key)
{
    fl_lock_scope(&l->lock);
    for (struct engine_cut *c = l->cuts; c; c = c->next) {
        if (fl_str_eq(c->key, key)) {
            fl_cancel_set(&c->cancel);
        }
    }
}

/* A request that came while nobody looked; compared as both are written. */
static bool is_asked(const struct fl_obj *o)
{
    struct fl_str asked =
        fl_scan_get(fl_scan_path(o->text, "metadata.annotations"), FL_STR(FL_ANNOTATION_REQUESTED));
    return asked.n > 0 && !fl_str_eq(asked, fl_scan_path(o->text, "status.lastHandledRequest"));
}

/* What may have changed meanwhile does not wait. */
int64_t engine_spread(const struct engine_loop *l, const struct fl_obj *o)
{
    int64_t observed = -1;
    int64_t interval = -1;
    struct fl_str text = {0};
    (void)fl_scan_i64(fl_scan_path(o->text, "status.observedGeneration"), &observed);
    if (!l->ctl.spread || o->ready != 1 || o->deleting || observed != o->generation ||
        is_asked(o)) {
        return 0;
    }
    if (fl_scan_plain(fl_scan_path(o->text, "spec.interval"), &text)) {
        (void)fl_duration_parse(text, &interval);
    }
    int64_t span = engine_interval(l, interval) / SPREAD_PART;
    return span > 0 ? (int64_t)(fl_random_u64() % (uint64_t)span) : 0;
}

static void first_pass(struct engine_loop *l, const struct fl_obj *o, struct fl_str key)
{
    int64_t wait = engine_spread(l, o);
    bool meet = wait > 0 && l->ctl.meet;
    fl_queue_because(l->queue, key, meet ? &start : &changed);
    fl_queue_add_after(l->queue, key, meet ? 0 : wait);
}

static void wake_self(struct engine_loop *l, const struct fl_obj *old, const struct fl_obj *now,
                      bool initial)
{
    bool other = old && now && !fl_str_eq(old->uid, now->uid);
    const struct fl_obj *o = now ? now : old;
    fl_assert(o != NULL);
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_QUEUE_KEY - 1);
    key_of(&key, o->ns, o->name);
    if (!now || now->deleting || other) {
        cut_off(l, fl_buf_slice(&key));
    }
    if (old && (!now || other)) {
        fl_queue_remove(l->queue, fl_buf_slice(&key));
        (void)engine_told_forget(l->told, fl_buf_slice(&key));
        if (l->ctl.forget) {
            l->ctl.forget(l->ctl.self, old->ns, old->name, old->uid);
        }
    }
    if (now && initial && !old) {
        first_pass(l, now, fl_buf_slice(&key));
    } else if (now && (!old || other || old->trigger != now->trigger)) {
        add_key(l, now->ns, now->name, initial ? FL_LANE_SLOW : FL_LANE_FAST, !initial);
    }
}

bool fl_engine_wake(struct fl_engine *e, const struct fl_kind *kind, struct fl_str ns,
                    struct fl_str name, enum fl_wake_cause cause, const char *detail,
                    int64_t quiet_ms, int64_t max_ms)
{
    struct engine_loop *l = NULL;
    for (size_t i = 0; i < e->n_loops; i++) {
        l = e->loops[i]->ctl.kind == kind ? e->loops[i] : l;
    }
    if (!l) {
        return false;
    }
    fl_auto(fl_obj) o = fl_cache_get(e->cache, kind, ns, name);
    if (!o) {
        return true;
    }
    struct fl_wake why = {.cause = cause};
    size_t n = detail ? strlen(detail) : 0;
    memcpy(why.detail, n > 0 ? detail : "", n < WAKE_DETAIL_MAX ? n : WAKE_DETAIL_MAX);
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_QUEUE_KEY - 1);
    key_of(&key, ns, name);
    if (quiet_ms <= 0) { /* else each of many would have what fails tried again a second later */
        fl_queue_forget(l->queue, fl_buf_slice(&key));
    }
    fl_queue_wake(l->queue, fl_buf_slice(&key), &why, quiet_ms, max_ms);
    return true;
}

static void wake_referrer(void *arg, struct fl_obj *o)
{
    add_key(arg, o->ns, o->name, FL_LANE_FAST, true);
}

static void wake_referrers(struct engine_kind *k, const struct fl_obj *old,
                           const struct fl_obj *now)
{
    const struct fl_obj *o = now ? now : old;
    struct fl_engine *e = k->engine;
    fl_assert(o != NULL);
    if (old && now && old->trigger == now->trigger && old->ready == now->ready &&
        fl_str_eq(old->uid, now->uid)) {
        return;
    }
    for (size_t i = 0; i < e->n_loops; i++) {
        struct engine_loop *l = e->loops[i];
        if (l->ctl.refs) {
            fl_cache_referrers(e->cache, l->ctl.kind, o->ns, (struct fl_ref){k->kind, o->name},
                               wake_referrer, l);
        }
    }
}

static bool owns(const struct engine_loop *l, const struct fl_kind *kind)
{
    for (const struct fl_kind *const *k = l->ctl.owns; k && *k; k++) {
        if (*k == kind) {
            return true;
        }
    }
    return false;
}

static void wake_owner(struct engine_kind *k, const struct fl_obj *o, bool initial)
{
    struct fl_str kind = {0};
    struct fl_str name = {0};
    if (fl_obj_owner_uid(o, &kind, &name).n == 0) {
        return;
    }
    for (size_t i = 0; i < k->engine->n_loops; i++) {
        struct engine_loop *l = k->engine->loops[i];
        if (owns(l, k->kind) && fl_str_is(kind, l->ctl.kind->kind)) {
            add_key(l, o->ns, name, initial ? FL_LANE_SLOW : FL_LANE_FAST, false);
        }
    }
}

static void on_changed(void *self, struct fl_obj *old, struct fl_obj *now, bool initial)
{
    struct engine_kind *k = self;
    const struct fl_engine_conf *conf = &k->engine->conf;
    if (k->loop) {
        wake_self(k->loop, old, now, initial);
    }
    if (k->loop && conf->changed && !initial) {
        conf->changed(conf->changed_arg, old, now);
    }
    if (!initial) { /* all are woken by their own first listing */
        wake_referrers(k, old, now);
    }
    wake_owner(k, now ? now : old, initial);
}

static void on_synced(void *self)
{
    struct engine_kind *k = self;
    struct fl_engine *e = k->engine;
    if (!fl_cache_synced(e->cache)) {
        return;
    }
    fl_lock_scope(&e->lock);
    e->synced = true;
    fl_cond_broadcast(&e->changed);
}

/* What an object refers to, by its controller. */
static void collect_refs(void *self, const struct fl_obj *o,
                         void (*add)(void *arg, struct fl_ref r), void *arg)
{
    struct engine_kind *k = self;
    fl_auto(fl_arena) a = fl_arena_new();
    const void *spec = NULL;
    if (engine_decode(o->kind, o->text, a, &spec, NULL, NULL, NULL) == 0 && spec) {
        k->loop->ctl.refs(spec, add, arg);
    }
}

/* ---- starting and stopping ---- */

static struct engine_kind *kind_add(struct fl_engine *e, const struct fl_kind *kind)
{
    for (size_t i = 0; i < e->n_kinds; i++) {
        if (e->kinds[i]->kind == kind) {
            return e->kinds[i];
        }
    }
    struct engine_kind *k = FL_NEW(struct engine_kind);
    k->engine = e;
    k->kind = kind;
    e->kinds = fl_reallocarray(e->kinds, e->n_kinds + 1, sizeof(*e->kinds));
    e->kinds[e->n_kinds++] = k;
    return k;
}

static void kinds_collect(struct fl_engine *e)
{
    for (size_t i = 0; i < e->n_loops; i++) {
        struct engine_loop *l = e->loops[i];
        kind_add(e, l->ctl.kind)->loop = l;
        for (const struct fl_kind *const *k = l->ctl.owns; k && *k; k++) {
            kind_add(e, *k);
        }
    }
    kind_add(e, &fl_kind_secret);
    for (size_t i = 0; i < e->n_kinds; i++) {
        struct engine_kind *k = e->kinds[i];
        const struct fl_cache_kind ck = {
            .kind = k->kind,
            .metadata_only = (k->kind->flags & FL_KIND_ENCRYPTED) != 0,
            .refs = k->loop && k->loop->ctl.refs ? collect_refs : NULL,
            .changed = on_changed,
            .synced = on_synced,
            .self = k,
        };
        fl_cache_add(e->cache, &ck);
    }
}

static void *loop_thread(void *arg)
{
    engine_worker(arg);
    return NULL;
}

void fl_engine_start(struct fl_engine *e)
{
    kinds_collect(e);
    e->started = true;
    for (size_t i = 0; i < e->n_loops; i++) {
        struct engine_loop *l = e->loops[i];
        l->threads = fl_calloc((size_t)l->n_threads, sizeof(*l->threads));
        for (int t = 0; t < l->n_threads; t++) {
            fl_thread_start(&l->threads[t], l->ctl.name, loop_thread, l);
        }
    }
    fl_cache_start(e->cache);
}

static size_t passes_running(struct fl_engine *e)
{
    size_t n = 0;
    for (size_t i = 0; i < e->n_loops; i++) {
        size_t waiting = 0;
        size_t busy = 0;
        fl_queue_count(e->loops[i]->queue, &waiting, &busy);
        n += busy;
    }
    return n;
}

static void wait_for_passes(struct fl_engine *e, int64_t grace_ms)
{
    int64_t end = fl_clock_mono_ms(e->conf.clock) + grace_ms;
    fl_lock_scope(&e->lock);
    e->stopping = true;
    fl_cond_broadcast(&e->changed);
    while (passes_running(e) > 0 && fl_clock_mono_ms(e->conf.clock) < end) {
        fl_clock_wait(e->conf.clock, &e->changed, &e->lock, end);
    }
    if (passes_running(e) > 0) {
        fl_log(FL_LOG_WARN, "passes are cut off", FL_I("running", passes_running(e)),
               FL_I("grace_ms", grace_ms));
    }
}

void fl_engine_stop(struct fl_engine *e, int64_t grace_ms)
{
    if (!e->started) {
        return;
    }
    e->started = false;
    for (size_t i = 0; i < e->n_loops; i++) {
        fl_queue_stop(e->loops[i]->queue);
    }
    wait_for_passes(e, grace_ms);
    fl_cancel_set(&e->cancel);
    for (size_t i = 0; i < e->n_loops; i++) {
        for (int t = 0; t < e->loops[i]->n_threads; t++) {
            pthread_join(e->loops[i]->threads[t], NULL);
        }
    }
    fl_cache_stop(e->cache);
}

bool fl_engine_ready(struct fl_engine *e, struct fl_buf *why)
{
    struct fl_err err = FL_ERR_INIT;
    int64_t since = 0;
    bool trouble = fl_cache_trouble(e->cache, &err, &since);
    if (!fl_cache_synced(e->cache)) {
        fl_buf_text(why, "the first listing of the Kubernetes API is not whole yet");
        if (trouble) {
            fl_buf_fmt(why, ": %s", err.msg);
        }
        return false;
    }
    if (trouble && fl_clock_mono_ms(e->conf.clock) - since >= TROUBLE_MS) {
        fl_buf_text(why, err.msg);
        return false;
    }
    return true;
}

struct fl_cache *fl_engine_cache(struct fl_engine *e)
{
    return e->cache;
}
