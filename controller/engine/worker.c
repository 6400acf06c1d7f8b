/* SPDX-License-Identifier: Apache-2.0
 * One key: from the cache through the reconciler to the status and back to the queue. */
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "engine/engine_priv.h"
#include "wire/scan.h"

#define STALLED_RECHECK_MS (INT64_C(10) * 60 * 1000)

struct run {
    struct engine_loop *l;
    struct fl_str key;
    struct fl_pass p;
    struct pass_state st;
    struct fl_violations wrong; /* with the spec */
    enum engine_outcome outcome;
};

/* ---- beginning and end ---- */

static const char *words_of(const struct fl_condition *c, const char *what)
{
    return c ? what : NULL;
}

static int run_open(struct run *r, struct fl_obj *o, struct fl_arena *a, struct fl_err *err)
{
    struct engine_loop *l = r->l;
    struct fl_engine *e = l->engine;
    r->st = (struct pass_state){.loop = l, .base = fl_obj_ref(o)};
    r->p = (struct fl_pass){
        .engine = e,
        .ctl = &l->ctl,
        .ctx = fl_ctx_root(e->conf.clock, &e->cancel),
        .arena = a,
        .obj = o,
        .deleting = o->deleting,
        .priv = &r->st,
    };
    struct fl_pass *p = &r->p;
    r->wrong = (struct fl_violations){.arena = a};
    int rc = engine_decode(o->kind, o->text, a, &p->spec, &p->status, &r->wrong, err);
    if (rc < 0) {
        return rc;
    }
    struct fl_status_common *st = pass_common(p);
    const char *asked = fl_obj_annotation(o, FL_ANNOTATION_REQUESTED, a);
    p->common = l->ctl.common ? p->spec : NULL;
    p->requested = asked && !fl_text_eq(asked, st->last_handled_request) ? asked : NULL;
    p->approved = fl_obj_annotation(o, FL_ANNOTATION_APPROVE, a);
    p->changed = o->generation != st->observed_generation;
    fl_queue_why(l->queue, r->key, &p->wake);
    if (p->requested) {
        p->wake = (struct fl_wake){.cause = FL_WAKE_REQUEST};
    }
    const struct fl_condition *ready = pass_find(p, "Ready");
    r->st.ready_was = words_of(ready, ready ? ready->status : NULL);
    r->st.reason_was = words_of(ready, ready ? ready->reason : NULL);
    r->st.message_was = words_of(ready, ready ? ready->message : NULL);
    return 0;
}

static void run_close(struct run *r)
{
    for (size_t i = 0; i < r->st.n_borrowed; i++) {
        fl_obj_free(r->st.borrowed[i]);
    }
    fl_obj_free(r->st.base);
}

/* A failure that is the same with each try is logged once. */
static void log_failure(const struct run *r, enum fl_log_level level, const char *msg,
                        const struct fl_err *err)
{
    bool anew = engine_told_anew(r->l->told, r->key, msg, err);
    fl_log(anew ? level : FL_LOG_DEBUG, msg, FL_S("controller", r->l->ctl.name),
           FL_S("object", r->key.p), FL_ERR(err));
}

/* ---- when is the next one ---- */

static int64_t jittered(const struct run *r, int64_t ms)
{
    int percent = r->l->engine->conf.jitter_percent;
    int64_t span = percent > 0 ? ms / 100 * percent : 0;
    if (span <= 0) {
        return ms;
    }
    return ms - span + (int64_t)(fl_random_u64() % (uint64_t)(2 * span + 1));
}

int64_t engine_interval(const struct engine_loop *l, int64_t spec_ms)
{
    int64_t ms = spec_ms < 0 ? l->ctl.interval_ms : spec_ms;
    return ms > 0 ? ms : 0;
}

static int64_t interval_ms(const struct run *r)
{
    return r->p.common ? engine_interval(r->l, r->p.common->interval_ms) : 0;
}

static void next_by_clock(struct run *r)
{
    int64_t interval = interval_ms(r);
    fl_queue_forget(r->l->queue, r->key);
    r->outcome = OUTCOME_SUCCESS;
    if (interval > 0) {
        r->outcome = OUTCOME_REQUEUE_AFTER;
        fl_queue_add_after(r->l->queue, r->key, jittered(r, interval));
    }
}

static void next_backed_off(struct run *r)
{
    r->outcome = OUTCOME_ERROR;
    fl_queue_add_failed(r->l->queue, r->key);
}

static void next_at_once(struct run *r)
{
    r->outcome = OUTCOME_REQUEUE;
    fl_queue_because(r->l->queue, r->key, &r->p.wake); /* it was not answered */
    fl_queue_add(r->l->queue, r->key, FL_LANE_FAST);
}

static bool is_stalled(enum fl_code code)
{
    return code == FL_E_AUTH || code == FL_E_INVALID || code == FL_E_UNSUPPORTED ||
           code == FL_E_BUG;
}

static void next_after_failure(struct run *r, const struct fl_err *err)
{
    struct fl_queue *q = r->l->queue;
    if (is_stalled(err->code)) {
        int64_t interval = interval_ms(r);
        fl_queue_forget(q, r->key);
        fl_queue_add_after(q, r->key, jittered(r, interval > 0 ? interval : STALLED_RECHECK_MS));
        fl_metric_add(r->l->terminal, 1);
        r->outcome = OUTCOME_ERROR;
    } else if (err->code == FL_E_LIMITED && err->retry_after_ms >= 0) {
        /* Not before the remote said, and spread a little after it. */
        fl_queue_add_after(q, r->key, err->retry_after_ms + err->retry_after_ms / 20 + 1);
        r->outcome = OUTCOME_ERROR;
    } else {
        next_backed_off(r);
    }
}

static void next_after_result(struct run *r, const struct fl_result *res)
{
    switch (res->then) {
    case FL_THEN_DONE:
        next_by_clock(r);
        return;
    case FL_THEN_AFTER:
        fl_queue_forget(r->l->queue, r->key);
        r->outcome = OUTCOME_REQUEUE_AFTER;
        fl_queue_add_after(r->l->queue, r->key, res->after_ms);
        return;
    case FL_THEN_WAIT:
        fl_queue_forget(r->l->queue, r->key);
        r->outcome = OUTCOME_SUCCESS;
        return;
    case FL_THEN_FAILED:
        next_after_failure(r, &res->err);
        return;
    }
}

/* ---- reporting ---- */

/* Conditions that the pass left as they are hold for what it saw. */
static void observed(struct run *r)
{
    struct fl_status_common *st = pass_common(&r->p);
    struct fl_condition *c = st->conditions.v;
    for (size_t i = 0; i < st->conditions.n; i++) {
        c[i].observed_generation = r->p.obj->generation;
    }
}

static void report_failure(struct run *r, const struct fl_err *err)
{
    struct fl_pass *p = &r->p;
    const char *reason = err->reason[0] ? err->reason : fl_code_name(err->code);
    struct fl_str text = fl_str_of(err->msg);
    pass_set(p, "Ready", "False", reason, text);
    if (is_stalled(err->code)) {
        pass_set(p, "Stalled", "True", reason, text);
        fl_pass_condition_drop(p, "Reconciling");
    } else {
        pass_set(p, "Reconciling", "True", "ProgressingWithRetry", text);
        fl_pass_condition_drop(p, "Stalled");
    }
}

/* One line in the log, whatever has changed. */
static void log_success(struct run *r, const struct fl_condition *now)
{
    bool failed = engine_told_forget(r->l->told, r->key);
    bool changed =
        !fl_text_eq(now->status, r->st.ready_was) || !fl_text_eq(now->reason, r->st.reason_was);
    if (failed || changed) {
        fl_log(FL_LOG_INFO, changed ? "readiness changed" : "pass succeeded again",
               FL_S("controller", r->l->ctl.name), FL_S("object", r->key.p),
               FL_S("ready", now->status), FL_S("reason", now->reason),
               FL_S("message", now->message ? now->message : ""));
    }
}

/* What people are told of, once it is stored: a failure when its text is new, Ready when it flips. */
static void announce(struct run *r, const struct fl_result *res)
{
    const struct fl_condition *now = pass_find(&r->p, "Ready");
    if (!now) {
        return;
    }
    bool flipped = !fl_text_eq(now->status, r->st.ready_was);
    bool reworded = flipped || !fl_text_eq(now->reason, r->st.reason_was) ||
                    !fl_text_eq(now->message, r->st.message_was);
    const char *message = now->message ? now->message : "";
    if (res->then == FL_THEN_FAILED) {
        bool bug = res->err.code == FL_E_BUG;
        log_failure(r, bug ? FL_LOG_ERROR : FL_LOG_WARN, "pass failed", &res->err);
        if (reworded) {
            fl_pass_event(&r->p, "Warning", now->reason, "%s", message);
        }
        return;
    }
    log_success(r, now);
    if (flipped && fl_text_eq(now->status, "True")) {
        fl_pass_event(&r->p, "Normal", now->reason, "%s", message);
    }
}

/* False: it could not be written, and the next pass is seen to. */
static bool publish(struct run *r, bool last)
{
    struct fl_err err = FL_ERR_INIT;
    int rc = last ? pass_publish_last(&r->p, &err) : fl_pass_publish(&r->p, &err);
    if (rc == 0) {
        return true;
    }
    if (rc == FL_E_CONFLICT) {
        next_at_once(r);
    } else if (rc == FL_E_NOT_FOUND) {
        r->outcome = OUTCOME_SUCCESS; /* it is gone; the watch says so too */
        fl_queue_forget(r->l->queue, r->key);
    } else if (rc == FL_E_CANCELED) {
        r->outcome = OUTCOME_REQUEUE;
    } else {
        log_failure(r, FL_LOG_WARN, "status not written", &err);
        next_backed_off(r);
    }
    return false;
}

static void conclude(struct run *r, const struct fl_result *res)
{
    struct fl_pass *p = &r->p;
    enum fl_code code = res->then == FL_THEN_FAILED ? res->err.code : FL_OK;
    if (code == FL_E_CANCELED) {
        r->outcome = OUTCOME_REQUEUE;
        if (!fl_ctx_canceled(&p->ctx)) {
            next_backed_off(r); /* the pass was not, something in it was */
        }
        return;
    }
    if (code == FL_E_CONFLICT) {
        struct fl_err ignore = FL_ERR_INIT;
        (void)pass_refresh(p, &ignore); /* the next pass starts from what is there */
        next_at_once(r);
        return;
    }
    observed(r);
    if (res->then == FL_THEN_FAILED) {
        report_failure(r, &res->err);
    }
    if (!p->deferred) {
        pass_common(p)->observed_generation = p->obj->generation;
        if (p->requested) {
            pass_common(p)->last_handled_request = p->requested;
        }
    }
    if (publish(r, true)) {
        announce(r, res);
        next_after_result(r, res);
    }
}

/* ---- the kinds of passes ---- */

static void run_suspended(struct run *r)
{
    struct fl_pass *p = &r->p;
    pass_set(p, "Suspended", "True", "Suspended",
             FL_STR("spec.suspend is true: nothing is observed or done until it is false"));
    pass_common(p)->observed_generation = p->obj->generation;
    if (r->l->ctl.meet && r->wrong.n == 0) {
        r->l->ctl.meet(r->l->ctl.self, p);
    }
    fl_queue_forget(r->l->queue, r->key);
    r->outcome = OUTCOME_SUCCESS;
    (void)publish(r, true);
}

/* Whether it was met alone: its pass comes later. */
static bool run_meeting(struct run *r)
{
    struct fl_pass *p = &r->p;
    int64_t wait = p->wake.cause == FL_WAKE_START ? engine_spread(r->l, p->obj) : 0;
    if (p->wake.cause == FL_WAKE_START) {
        p->wake.cause = FL_WAKE_CHANGE;
    }
    if (wait <= 0) {
        return false;
    }
    r->l->ctl.meet(r->l->ctl.self, p);
    r->outcome = OUTCOME_REQUEUE_AFTER;
    if (publish(r, true)) {
        fl_queue_because(r->l->queue, r->key, &p->wake);
        fl_queue_add_after(r->l->queue, r->key, wait);
    }
    return true;
}

/* Nothing is tried before the spec was changed; its interval may be what is wrong with it. */
static void run_invalid(struct run *r)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    for (size_t i = 0; i < r->wrong.n; i++) {
        fl_buf_fmt(&b, "%s%s: %s", i > 0 ? "; " : "", r->wrong.v[i].field, r->wrong.v[i].text);
    }
    struct fl_err err = FL_ERR_INIT;
    fl_fail(&err, FL_E_INVALID, "InvalidSpec", "%s", b.data);
    struct fl_result res = fl_failed(&err);
    r->p.common = NULL;
    conclude(r, &res);
}

static void run_deletion(struct run *r)
{
    struct fl_pass *p = &r->p;
    r->outcome = OUTCOME_SUCCESS;
    if (!r->l->ctl.finalize || !pass_has_finalizer(p->obj)) {
        fl_queue_forget(r->l->queue, r->key); /* others hold it */
        return;
    }
    struct fl_result res = r->l->ctl.finalize(r->l->ctl.self, p);
    if (res.then != FL_THEN_DONE) {
        conclude(r, &res);
        return;
    }
    struct fl_err err = FL_ERR_INIT;
    int rc = pass_finalizer(p, false, &err);
    if (rc == FL_E_CONFLICT) {
        (void)pass_refresh(p, &err);
        next_at_once(r);
    } else if (rc < 0 && rc != FL_E_NOT_FOUND) {
        log_failure(r, FL_LOG_WARN, "finalizer not removed", &err);
        next_backed_off(r);
    }
}

/* False: not yet, and the next pass is seen to. */
static bool keep_finalizer(struct run *r)
{
    struct fl_err err = FL_ERR_INIT;
    if (!r->l->ctl.finalize || pass_has_finalizer(r->p.obj)) {
        return true;
    }
    int rc = pass_finalizer(&r->p, true, &err);
    if (rc == 0) {
        return true;
    }
    if (rc == FL_E_CONFLICT) {
        (void)pass_refresh(&r->p, &err);
        next_at_once(r);
    } else if (rc != FL_E_NOT_FOUND) {
        log_failure(r, FL_LOG_WARN, "finalizer not added", &err);
        next_backed_off(r);
    }
    return false;
}

/* kstatus takes an object without Ready for current: waiters must see at once that it is not (kubernetes.md 2.1). */
static bool say_hello(struct run *r)
{
    struct fl_pass *p = &r->p;
    if (pass_find(p, "Ready")) {
        return true;
    }
    pass_set(p, "Ready", "Unknown", "Progressing", FL_STR("the first pass is under way"));
    pass_common(p)->observed_generation = p->obj->generation;
    return publish(r, false);
}

static void run_pass(struct run *r)
{
    struct fl_pass *p = &r->p;
    if (p->deleting) {
        run_deletion(r);
        return;
    }
    if (p->common && p->common->suspend) {
        run_suspended(r);
        return;
    }
    if (run_meeting(r)) {
        return;
    }
    fl_pass_condition_drop(p, "Suspended");
    if (r->wrong.n > 0) {
        run_invalid(r);
        return;
    }
    if (keep_finalizer(r) && say_hello(r)) {
        struct fl_result res = r->l->ctl.reconcile(r->l->ctl.self, p);
        conclude(r, &res);
    }
}

/* ---- the thread ---- */

static void tell_ended(struct fl_engine *e)
{
    fl_lock_scope(&e->lock);
    fl_cond_broadcast(&e->changed);
}

static void cut_add(struct engine_loop *l, struct engine_cut *c)
{
    fl_lock_scope(&l->lock);
    c->next = l->cuts;
    l->cuts = c;
}

static void cut_remove(struct engine_loop *l, struct engine_cut *c)
{
    fl_lock_scope(&l->lock);
    struct engine_cut **at = &l->cuts;
    while (*at != c) {
        at = &(*at)->next;
    }
    *at = c->next;
}

static void work_on(struct engine_loop *l, struct fl_str key, struct fl_arena *a,
                    const struct fl_cancel *cut)
{
    struct fl_str ns = {0};
    struct fl_str name = key;
    (void)fl_str_cut(&name, '/', &ns);
    fl_auto(fl_obj) o = fl_cache_get(l->engine->cache, l->ctl.kind, ns, name);
    if (!o) {
        fl_queue_forget(l->queue, key);
        return;
    }
    struct run r = {.l = l, .key = key, .outcome = OUTCOME_SUCCESS};
    struct fl_err err = FL_ERR_INIT;
    int64_t from = fl_clock_mono_ms(l->engine->conf.clock);
    fl_metric_add(l->active, 1);
    if (run_open(&r, o, a, &err) == 0) {
        r.p.ctx.cancel2 = r.p.deleting || !l->ctl.finalize ? NULL : cut;
        run_pass(&r);
    } else {
        log_failure(&r, FL_LOG_ERROR, "object not readable", &err);
        next_backed_off(&r);
    }
    run_close(&r);
    fl_metric_add(l->active, -1);
    fl_metric_add(l->total[r.outcome], 1);
    if (r.outcome == OUTCOME_ERROR) {
        fl_metric_add(l->errors, 1);
    }
    int64_t ms = fl_clock_mono_ms(l->engine->conf.clock) - from;
    fl_metric_observe_ms(l->seconds, ms);
    fl_log(FL_LOG_DEBUG, "pass ended", FL_S("controller", l->ctl.name), FL_S("object", key.p),
           FL_I("ms", ms), FL_I("outcome", r.outcome));
}

static bool wait_synced(struct fl_engine *e)
{
    fl_lock_scope(&e->lock);
    while (!e->synced && !e->stopping) {
        fl_cond_wait(&e->changed, &e->lock);
    }
    return !e->stopping;
}

void engine_worker(struct engine_loop *l)
{
    char key[FL_QUEUE_KEY];
    if (!wait_synced(l->engine)) {
        return;
    }
    fl_auto(fl_arena) a = fl_arena_new();
    for (;;) {
        if (!fl_queue_get(l->queue, key)) {
            return;
        }
        struct engine_cut cut = {.key = fl_str_of(key)};
        cut_add(l, &cut); /* before the object is looked up: a deletion is seen there or here */
        work_on(l, cut.key, a, &cut.cancel);
        cut_remove(l, &cut);
        fl_arena_clear(a);
        fl_queue_done(l->queue, fl_str_of(key));
        tell_ended(l->engine);
    }
}
