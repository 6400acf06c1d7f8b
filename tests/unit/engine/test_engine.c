/* SPDX-License-Identifier: Apache-2.0
 * The loop over a small API in memory: two controllers of the test's own, on the kinds Registry and ReplicationPolicy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/scheme.h"
#include "api/v1alpha1/registry.h"
#include "api/v1alpha1/replication_execution.h"
#include "api/v1alpha1/replication_policy.h"
#include "base/log.h"
#include "engine/engine_priv.h"
#include "unit/kube/fake_api.h"

#define NS "/apis/fairlead.dev/v1alpha1/namespaces/n/"
#define REG NS "registries/a"
#define POL NS "replicationpolicies/p"
#define SECRET "/api/v1/namespaces/n/secrets/s"

/* What the test's controllers do next; one lock for all. */
struct script {
    struct fl_lock lock;
    struct fl_cond changed;
    int passes, policy_passes, finalized, forgotten;
    struct fl_err fail; /* code != 0: the pass fails so */
    bool wait;          /* the pass ends in fl_wait_event */
    bool defer;         /* the pass leaves request and generation for a later one */
    bool quiet;         /* the pass sets no condition */
    bool block;         /* the pass waits until it is cancelled */
    bool blocked;
    bool hold;   /* the finalizer fails */
    bool create; /* a policy pass makes an execution p-1 */
    bool secret; /* a registry pass reads Secret s */
    char requested[64], version[96], secret_value[64];
    bool changed_spec;
};

struct rig {
    struct fl_clock *clock;
    struct fake_api *api;
    struct fl_kube *kube;
    struct fl_metrics *metrics;
    struct fl_engine *engine;
    struct script s;
};

/* ---- the controllers ---- */

static void remember(struct script *s, struct fl_pass *p)
{
    const char *r = p->requested ? p->requested : "";
    memcpy(s->requested, r, strlen(r) + 1);
    s->changed_spec = p->changed;
    s->passes++;
    fl_cond_broadcast(&s->changed);
}

static struct fl_result block_until_canceled(struct script *s, struct fl_pass *p)
{
    struct fl_err err = FL_ERR_INIT;
    {
        fl_lock_scope(&s->lock);
        s->blocked = true;
        fl_cond_broadcast(&s->changed);
    }
    int rc = fl_ctx_sleep(&p->ctx, FL_NEVER, &err);
    assert_int_equal(rc, FL_E_CANCELED);
    return fl_failed(&err);
}

static void read_secret(struct script *s, struct fl_pass *p)
{
    fl_auto(fl_secret_data) d = NULL;
    struct fl_err err = FL_ERR_INIT;
    if (fl_pass_secret(p, "s", &d, &err) == 0 && d->n == 1) {
        memcpy(s->secret_value, d->v[0].value.p, d->v[0].value.n + 1);
        memcpy(s->version, d->version, sizeof(s->version));
    } else {
        memcpy(s->secret_value, err.reason, sizeof(err.reason));
    }
}

static struct fl_result registry_pass(void *self, struct fl_pass *p)
{
    struct script *s = self;
    bool secret;
    {
        fl_lock_scope(&s->lock);
        secret = s->secret;
    }
    if (secret) {
        read_secret(s, p);
    }
    bool block;
    struct fl_err fail;
    bool wait;
    bool quiet;
    {
        fl_lock_scope(&s->lock);
        remember(s, p);
        block = s->block;
        fail = s->fail;
        wait = s->wait;
        quiet = s->quiet;
        p->deferred = s->defer;
    }
    if (block) {
        return block_until_canceled(s, p);
    }
    if (fail.code != FL_OK) {
        return fl_failed(&fail);
    }
    if (wait) {
        fl_pass_not_ready(p, "DependencyNotReady", "waits for something");
        return fl_wait_event();
    }
    if (!quiet) {
        struct fl_registry_status *st = p->status;
        st->reachable = true;
        st->host = "h";
        fl_pass_ready(p, "Succeeded", "all is well");
    }
    return fl_done();
}

static void registry_refs(const void *any, void (*add)(void *arg, struct fl_ref r), void *arg)
{
    const struct fl_registry_spec *spec = any;
    if (spec->secret_ref) {
        add(arg, (struct fl_ref){&fl_kind_secret, fl_str_of(spec->secret_ref->name)});
    }
}

static struct fl_result registry_finalize(void *self, struct fl_pass *p)
{
    struct script *s = self;
    assert_true(p->deleting);
    fl_lock_scope(&s->lock);
    s->finalized++;
    fl_cond_broadcast(&s->changed);
    if (s->hold) {
        struct fl_err err = FL_ERR_INIT;
        fl_fail(&err, FL_E_UNAVAILABLE, "Held", "not yet");
        return fl_failed(&err);
    }
    return fl_done();
}

static void registry_forget(void *self, struct fl_str ns, struct fl_str name, struct fl_str uid)
{
    struct script *s = self;
    (void)ns;
    (void)name;
    assert_true(uid.n > 0);
    fl_lock_scope(&s->lock);
    s->forgotten++;
    fl_cond_broadcast(&s->changed);
}

static int make_execution(struct fl_pass *p, struct fl_err *err)
{
    struct fl_execution_item item = {"a/b", "c/d", "v1", "sha256:00"};
    const struct fl_replication_execution_spec spec = {.policy = "p",
                                                       .source = "a",
                                                       .destination = "b",
                                                       .concurrency = 4,
                                                       .timeout_ms = 1000,
                                                       .items = {&item, 1}};
    static const char *const labels[] = {"x", "y", NULL};
    return fl_pass_create(p, &fl_kind_replication_execution, "p-1", &spec, labels, err);
}

static struct fl_result policy_pass(void *self, struct fl_pass *p)
{
    struct script *s = self;
    bool create;
    {
        fl_lock_scope(&s->lock);
        s->policy_passes++;
        fl_cond_broadcast(&s->changed);
        create = s->create;
    }
    struct fl_obj **owned = NULL;
    if (create && fl_pass_owned(p, &fl_kind_replication_execution, &owned) == 0) {
        struct fl_err err = FL_ERR_INIT;
        assert_int_equal(make_execution(p, &err), 0);
        assert_int_equal(fl_pass_owned(p, &fl_kind_replication_execution, &owned), 1);
        assert_int_equal(make_execution(p, &err), FL_E_EXISTS);
    }
    const struct fl_replication_policy_spec *spec = p->spec;
    const void *status = NULL;
    struct fl_err err = FL_ERR_INIT;
    if (fl_pass_get(p, &fl_kind_registry, spec->source->registry, NULL, &status, NULL, &err) < 0) {
        fl_pass_not_ready(p, err.reason, "%s", err.msg);
        return fl_wait_event();
    }
    const struct fl_registry_status *st = status;
    if (!fl_pass_is_ready(&st->common.conditions)) {
        fl_pass_not_ready(p, "DependencyNotReady", "a is not ready");
        return fl_wait_event();
    }
    fl_pass_ready(p, "Succeeded", "a is ready");
    return fl_wait_event();
}

static void policy_refs(const void *any, void (*add)(void *arg, struct fl_ref r), void *arg)
{
    const struct fl_replication_policy_spec *spec = any;
    if (spec->source && spec->source->registry) {
        add(arg, (struct fl_ref){&fl_kind_registry, fl_str_of(spec->source->registry)});
    }
}

/* ---- the rig ---- */

static void rig_up(struct rig *g, bool finalizer)
{
    static const struct fl_kind *const owns[] = {&fl_kind_replication_execution, NULL};
    *g = (struct rig){.s = {.fail = FL_ERR_INIT}};
    g->clock = fl_clock_fake_new(1767225600000);
    g->api = fake_api_new();
    g->kube = fl_kube_new_local(fake_api_serve, g->api, "tester", g->clock);
    g->metrics = fl_metrics_new();
    fl_lock_init(&g->s.lock, "script", FL_RANK_APP);
    fl_cond_init(&g->s.changed);
    g->engine = fl_engine_new(&(struct fl_engine_conf){
        .kube = g->kube, .clock = g->clock, .metrics = g->metrics, .instance = "host"});
    struct fl_controller registry = {.name = "registry",
                                     .kind = &fl_kind_registry,
                                     .workers = 2,
                                     .self = &g->s,
                                     .common = true,
                                     .reconcile = registry_pass,
                                     .refs = registry_refs,
                                     .forget = registry_forget};
    struct fl_controller policy = {.name = "replicationpolicy",
                                   .kind = &fl_kind_replication_policy,
                                   .workers = 1,
                                   .self = &g->s,
                                   .common = true,
                                   .reconcile = policy_pass,
                                   .refs = policy_refs,
                                   .owns = owns};
    if (finalizer) {
        registry.finalize = registry_finalize;
    }
    fl_engine_add(g->engine, &registry);
    fl_engine_add(g->engine, &policy);
}

static void rig_down(struct rig *g)
{
    fl_engine_stop(g->engine, 0);
    fl_engine_free(g->engine);
    fl_kube_free(g->kube);
    fake_api_free(g->api);
    fl_metrics_free(g->metrics);
    fl_clock_free(g->clock);
    fl_cond_destroy(&g->s.changed);
    fl_lock_destroy(&g->s.lock);
}

static void wait_for(struct script *s, const int *counter, int n)
{
    fl_lock_scope(&s->lock);
    while (*counter < n) {
        fl_cond_wait(&s->changed, &s->lock);
    }
}

static int read_int(struct script *s, const int *counter)
{
    fl_lock_scope(&s->lock);
    return *counter;
}

static bool is_idle(struct fl_engine *e)
{
    for (size_t i = 0; i < e->n_loops; i++) {
        size_t waiting = 0;
        size_t busy = 0;
        fl_queue_count(e->loops[i]->queue, &waiting, &busy);
        if (waiting + busy > 0) {
            return false;
        }
    }
    return true;
}

/* Nothing waits and no pass is under way. */
static void settle(struct rig *g)
{
    struct fl_engine *e = g->engine;
    fl_lock_scope(&e->lock);
    while (!is_idle(e)) {
        fl_cond_wait(&e->changed, &e->lock);
    }
}

static void passes(struct rig *g, int n)
{
    wait_for(&g->s, &g->s.passes, n);
    settle(g);
}

static void policy_passes(struct rig *g, int n)
{
    wait_for(&g->s, &g->s.policy_passes, n);
    settle(g);
}

static void script_fail(struct rig *g, enum fl_code code, const char *reason, const char *msg,
                        int64_t retry_after_ms)
{
    fl_lock_scope(&g->s.lock);
    fl_err_clear(&g->s.fail);
    if (code != FL_OK) {
        fl_fail_http(&g->s.fail, code, 0, retry_after_ms, reason, "%s", msg);
    }
}

static void script_defer(struct rig *g, bool defer)
{
    fl_lock_scope(&g->s.lock);
    g->s.defer = defer;
}

static void post(struct rig *g, const char *plural, const char *name, const char *spec)
{
    fl_auto_text path = fl_asprintf(NS "%s", plural);
    fl_auto_text body = fl_asprintf("{\"metadata\":{\"name\":\"%s\"},\"spec\":%s}", name, spec);
    assert_int_equal(fake_api_call(g->api, "POST", path, body), 201);
}

static void registry_make(struct rig *g)
{
    post(g, "registries", "a", "{\"url\":\"https://r.example\",\"secretRef\":{\"name\":\"s\"}}");
}

static void policy_make(struct rig *g)
{
    post(g, "replicationpolicies", "p",
         "{\"source\":{\"registry\":\"a\"},\"destination\":{\"registry\":\"b\"},"
         "\"repositories\":{\"include\":[\"x\"]}}");
}

static void secret_make(struct rig *g, const char *value)
{
    fl_auto_text body =
        fl_asprintf("{\"metadata\":{\"name\":\"s\"},\"data\":{\"k\":\"%s\"}}", value);
    assert_int_equal(fake_api_call(g->api, "POST", "/api/v1/namespaces/n/secrets", body), 201);
}

static void patch(struct rig *g, const char *path, const char *body)
{
    assert_int_equal(fake_api_call(g->api, "PATCH", path, body), 200);
}

static void expect(struct rig *g, const char *path, const char *want)
{
    fl_auto_text text = fake_api_text(g->api, path);
    if (!text || !strstr(text, want)) {
        print_error("%s: no %s in\n%s\n", path, want, text ? text : "(absent)");
        fail();
    }
}

static void expect_not(struct rig *g, const char *path, const char *text)
{
    fl_auto_text all = fake_api_text(g->api, path);
    assert_non_null(all);
    if (strstr(all, text)) {
        print_error("%s: %s in\n%s\n", path, text, all);
        fail();
    }
}

/* A started engine with Registry a after its first pass. */
static void rig_ready(struct rig *g)
{
    rig_up(g, false);
    registry_make(g);
    fl_engine_start(g->engine);
    passes(g, 1);
}

/* ---- passes ---- */

static void test_engine__first_pass_reports_ready(void **state)
{
    (void)state;
    struct rig g;
    rig_ready(&g);
    expect(&g, REG, "\"type\":\"Ready\",\"status\":\"True\"");
    expect(&g, REG, "\"reason\":\"Succeeded\",\"message\":\"all is well\"");
    expect(&g, REG, "\"observedGeneration\":1");
    expect(&g, REG, "\"lastTransitionTime\":\"2026-01-01T00:00:00Z\"");
    expect(&g, REG, "\"reachable\":true,\"authenticated\":false");
    assert_true(g.s.changed_spec);
    /* Progressing before the pass, the outcome after it */
    assert_int_equal(fake_api_count(g.api, "PATCH", "registries/a/status"), 2);
    rig_down(&g);
}

static void test_engine__second_pass_writes_nothing(void **state)
{
    (void)state;
    struct rig g;
    rig_ready(&g);
    size_t writes = fake_api_get(g.api, &g.api->writes);
    size_t calls = fake_api_get(g.api, &g.api->write_calls);
    size_t log = fake_api_get(g.api, &g.api->n_log);
    fl_clock_advance(g.clock, 315000); /* the interval of 5 m and 5 % */
    passes(&g, 2);
    assert_int_equal(fake_api_get(g.api, &g.api->writes), writes);
    assert_int_equal(fake_api_get(g.api, &g.api->write_calls), calls);
    assert_int_equal(fake_api_get(g.api, &g.api->n_log), log); /* nor does it read */
    rig_down(&g);
}

static void test_engine__interval_has_jitter_and_zero_is_never(void **state)
{
    (void)state;
    struct rig g;
    rig_ready(&g);
    int64_t due = fl_queue_next_ms(g.engine->loops[0]->queue);
    assert_in_range(due, 285000, 315000);
    patch(&g, REG, "{\"spec\":{\"interval\":\"0\"}}");
    passes(&g, 2);
    assert_true(fl_queue_next_ms(g.engine->loops[0]->queue) == FL_NEVER);
    rig_down(&g);
}

static void test_engine__changes_that_ask_for_a_pass(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *sub;
        const char *patch;
        bool pass;
    } rows[] = {
        {"spec", "", "{\"spec\":{\"insecure\":true}}", true},
        {"label", "", "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}", true},
        {"annotation", "", "{\"metadata\":{\"annotations\":{\"a\":\"b\"}}}", true},
        {"status by another", "/status", "{\"status\":{\"lastProbeTime\":\"x\"}}", false},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct rig g;
        rig_ready(&g);
        fl_auto_text path = fl_asprintf(REG "%s", rows[i].sub);
        patch(&g, path, rows[i].patch);
        if (!rows[i].pass) { /* what comes after it has a pass; it had none */
            post(&g, "registries", "b", "{\"url\":\"https://r.example\"}");
        }
        passes(&g, 2);
        if (read_int(&g.s, &g.s.passes) != 2) {
            print_error("%s: %d passes\n", rows[i].name, g.s.passes);
            fail();
        }
        rig_down(&g);
    }
}

static void test_engine__request_is_seen_once_and_echoed(void **state)
{
    (void)state;
    struct rig g;
    rig_ready(&g);
    assert_string_equal(g.s.requested, "");
    patch(&g, REG, "{\"metadata\":{\"annotations\":{\"fairlead.dev/requested-at\":\"t1\"}}}");
    passes(&g, 2);
    assert_string_equal(g.s.requested, "t1");
    expect(&g, REG, "\"lastHandledRequest\":\"t1\"");
    patch(&g, REG, "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}");
    passes(&g, 3);
    assert_string_equal(g.s.requested, "");
    rig_down(&g);
}

/* The API in memory stores anything, as a cluster does with what the schema cannot say. */
static void test_engine__invalid_spec_is_told_and_not_tried(void **state)
{
    (void)state;
    static const struct {
        const char *name, *spec;
        const char *want[2]; /* in the message */
    } rows[] = {
        {"between fields",
         "{\"url\":\"https://r.example\",\"insecure\":true,\"caRef\":{\"name\":\"c\"}}",
         {"spec.caRef: Forbidden: may not be set when spec.insecure is true"}},
        {"an interval that would be a storm",
         "{\"url\":\"https://r.example\",\"interval\":\"1ms\"}",
         {"spec.interval: Invalid value"}},
        {"rows", "{\"url\":7,\"timeout\":\"soon\"}", {"spec.url: ", "spec.timeout: "}},
        {"nothing at all", "{}", {"spec.url: Required value"}},
        {"an unknown type",
         "{\"url\":\"https://r.example\",\"type\":\"floppy\"}",
         {"spec.type: Unsupported value: \\\"floppy\\\""}},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct rig g;
        rig_up(&g, true);
        post(&g, "registries", "a", rows[i].spec);
        fl_engine_start(g.engine);
        print_message("%s\n", rows[i].name);
        fake_api_wait(g.api, REG, "\"reason\":\"InvalidSpec\"");
        settle(&g);
        for (size_t w = 0; w < FL_LEN(rows[i].want) && rows[i].want[w]; w++) {
            expect(&g, REG, rows[i].want[w]);
        }
        expect(&g, REG, "\"type\":\"Stalled\"");
        expect(&g, REG, "\"observedGeneration\":1");
        expect_not(&g, REG, FL_FINALIZER);
        assert_int_equal(read_int(&g.s, &g.s.passes), 0);
        assert_true(fl_queue_next_ms(g.engine->loops[0]->queue) >= 60000);
        rig_down(&g);
    }
}

static void test_engine__spec_that_was_corrected_is_tried_at_once(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g, false);
    post(&g, "registries", "a",
         "{\"url\":\"https://r.example\",\"insecure\":true,\"caRef\":{\"name\":\"c\"}}");
    fl_engine_start(g.engine);
    fake_api_wait(g.api, REG, "\"reason\":\"InvalidSpec\"");
    settle(&g);
    size_t writes = fake_api_get(g.api, &g.api->writes);
    patch(&g, REG, "{\"metadata\":{\"annotations\":{\"fairlead.dev/requested-at\":\"t1\"}}}");
    fake_api_wait(g.api, REG, "\"lastHandledRequest\":\"t1\"");
    settle(&g);
    assert_int_equal(fake_api_get(g.api, &g.api->writes), writes + 2); /* the patch and the echo */
    patch(&g, REG, "{\"spec\":{\"insecure\":false}}");
    passes(&g, 1);
    expect(&g, REG, "\"reason\":\"Succeeded\"");
    expect_not(&g, REG, "Stalled");
    rig_down(&g);
}

static void test_engine__invalid_spec_does_not_hold_suspension_or_deletion(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g, true);
    registry_make(&g);
    fl_engine_start(g.engine);
    passes(&g, 1);
    patch(&g, REG, "{\"spec\":{\"url\":null}}");
    fake_api_wait(g.api, REG, "\"reason\":\"InvalidSpec\"");
    patch(&g, REG, "{\"spec\":{\"suspend\":true}}");
    fake_api_wait(g.api, REG, "\"type\":\"Suspended\"");
    assert_int_equal(fake_api_call(g.api, "DELETE", REG, ""), 200);
    fake_api_wait(g.api, REG, NULL);
    assert_int_equal(read_int(&g.s, &g.s.finalized), 1);
    rig_down(&g);
}

static void test_engine__deferred_pass_leaves_request_and_generation(void **state)
{
    (void)state;
    struct rig g;
    rig_ready(&g);
    script_defer(&g, true);
    patch(&g, REG,
          "{\"metadata\":{\"annotations\":{\"fairlead.dev/requested-at\":\"t1\"}},"
          "\"spec\":{\"maxConcurrent\":2}}");
    passes(&g, 2);
    expect_not(&g, REG, "lastHandledRequest");
    script_defer(&g, false);
    patch(&g, REG, "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}");
    passes(&g, 3);
    assert_string_equal(g.s.requested, "t1");
    assert_true(g.s.changed_spec);
    expect(&g, REG, "\"lastHandledRequest\":\"t1\"");
    patch(&g, REG, "{\"metadata\":{\"labels\":{\"x\":\"z\"}}}");
    passes(&g, 4);
    assert_string_equal(g.s.requested, "");
    assert_false(g.s.changed_spec);
    rig_down(&g);
}

static void test_engine__suspended_object_is_left_alone(void **state)
{
    (void)state;
    struct rig g;
    rig_ready(&g);
    patch(&g, REG, "{\"spec\":{\"suspend\":true}}");
    fake_api_wait(g.api, REG, "\"type\":\"Suspended\",\"status\":\"True\"");
    settle(&g);
    expect(&g, REG, "\"observedGeneration\":2");
    expect(&g, REG, "\"type\":\"Ready\",\"status\":\"True\"");
    assert_int_equal(read_int(&g.s, &g.s.passes), 1);
    assert_true(fl_queue_next_ms(g.engine->loops[0]->queue) == FL_NEVER);
    patch(&g, REG, "{\"spec\":{\"suspend\":false}}");
    passes(&g, 2);
    expect_not(&g, REG, "Suspended");
    rig_down(&g);
}

/* ---- failures ---- */

static void test_engine__failures_by_code(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum fl_code code;
        const char *want[3];
        int64_t next_min, next_max; /* 0, 0: no next */
    } rows[] = {
        {"AUTH",
         FL_E_AUTH,
         {"Stalled\",\"status\":\"True", "\"reason\":\"Why\"", 0},
         285000,
         315000},
        {"INVALID", FL_E_INVALID, {"Stalled\",\"status\":\"True", 0, 0}, 285000, 315000},
        {"UNSUPPORTED", FL_E_UNSUPPORTED, {"Stalled\",\"status\":\"True", 0, 0}, 285000, 315000},
        {"UNAVAILABLE",
         FL_E_UNAVAILABLE,
         {"Reconciling\",\"status\":\"True", "\"reason\":\"ProgressingWithRetry\"",
          "\"reason\":\"Why\""},
         500,
         1000},
        {"TIMEOUT", FL_E_TIMEOUT, {"Reconciling\",\"status\":\"True", 0, 0}, 500, 1000},
        {"TOO_BIG", FL_E_TOO_BIG, {"Reconciling\",\"status\":\"True", 0, 0}, 500, 1000},
        {"BAD_DATA", FL_E_BAD_DATA, {"Reconciling\",\"status\":\"True", 0, 0}, 500, 1000},
        {"NOT_FOUND", FL_E_NOT_FOUND, {"Reconciling\",\"status\":\"True", 0, 0}, 500, 1000},
        {"LIMITED", FL_E_LIMITED, {"Reconciling\",\"status\":\"True", 0, 0}, 40000, 45000},
        {"BUG", FL_E_BUG, {"Stalled\",\"status\":\"True", 0, 0}, 285000, 315000},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct rig g;
        rig_up(&g, false);
        script_fail(&g, rows[i].code, "Why", "the password is token=hunter2",
                    rows[i].code == FL_E_LIMITED ? 40000 : -1);
        registry_make(&g);
        fl_engine_start(g.engine);
        passes(&g, 1);
        expect(&g, REG, "\"type\":\"Ready\",\"status\":\"False\"");
        expect_not(&g, REG, "hunter2");
        for (size_t k = 0; k < 3 && rows[i].want[k]; k++) {
            expect(&g, REG, rows[i].want[k]);
        }
        int64_t next = fl_queue_next_ms(g.engine->loops[0]->queue);
        if (next < rows[i].next_min || next > rows[i].next_max) {
            print_error("%s: next %lld\n", rows[i].name, (long long)next);
            fail();
        }
        assert_int_equal(fake_api_get(g.api, &g.api->events), 1);
        rig_down(&g);
    }
}

static void test_engine__same_failure_again_writes_nothing(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g, false);
    script_fail(&g, FL_E_UNAVAILABLE, "Why", "it is away", -1);
    registry_make(&g);
    fl_engine_start(g.engine);
    passes(&g, 1);
    size_t log = fake_api_get(g.api, &g.api->n_log);
    for (int i = 2; i < 6; i++) {
        fl_clock_advance(g.clock, 60000);
        passes(&g, i);
    }
    assert_int_equal(fake_api_get(g.api, &g.api->n_log), log);
    script_fail(&g, FL_E_UNAVAILABLE, "Why", "it is away for another reason", -1);
    fl_clock_advance(g.clock, 60000);
    passes(&g, 6);
    expect(&g, REG, "another reason");
    assert_int_equal(fake_api_get(g.api, &g.api->events), 2);
    rig_down(&g);
}

/* ---- what is logged ---- */

struct lines {
    struct fl_lock lock; /* guards the others */
    char v[16][512];
    size_t n;
};

static void lines_add(void *arg, struct fl_str line)
{
    struct lines *l = arg;
    fl_lock_scope(&l->lock);
    assert_true(l->n < FL_LEN(l->v));
    (void)snprintf(l->v[l->n++], sizeof(l->v[0]), "%.*s", FL_STR_ARG(line));
}

static void lines_begin(struct lines *l)
{
    l->n = 0;
    fl_lock_init(&l->lock, "lines", FL_RANK_LOG + 1);
    fl_log_sink(lines_add, l);
    fl_log_setup(FL_LOG_INFO, FL_LOG_TEXT);
}

static void lines_end(struct lines *l)
{
    fl_log_setup(FL_LOG_ERROR, FL_LOG_TEXT);
    fl_log_sink(NULL, NULL);
    fl_lock_destroy(&l->lock);
}

/* Since the last look exactly this many, and each contains the same. */
static void lines_expect(struct lines *l, const char *step, size_t n, const char *level,
                         const char *text)
{
    size_t wrong = 0;
    size_t there;
    {
        fl_lock_scope(&l->lock);
        there = l->n;
        l->n = 0;
        for (size_t i = 0; i < there; i++) {
            if (!level || !strstr(l->v[i], level) || !strstr(l->v[i], text)) {
                wrong++;
                print_error("%s: %s\n", step, l->v[i]);
            }
        }
    }
    if (wrong > 0 || there != n) {
        fail_msg("%s: %zu lines, %zu of them wrong; wanted %zu", step, there, wrong, n);
    }
}

static void test_engine__failure_is_one_line_until_it_changes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum fl_code code;
        const char *msg;
        size_t lines;
        const char *level, *text;
    } steps[] = {
        {"first", FL_E_UNAVAILABLE, "it is away", 1, "level=warn", "it is away"},
        {"again", FL_E_UNAVAILABLE, "it is away", 0, NULL, NULL},
        {"and again", FL_E_UNAVAILABLE, "it is away", 0, NULL, NULL},
        {"other words", FL_E_UNAVAILABLE, "it is far away", 1, "level=warn", "it is far away"},
        {"other words again", FL_E_UNAVAILABLE, "it is far away", 0, NULL, NULL},
        {"stalled", FL_E_AUTH, "it is locked", 1, "level=warn", "it is locked"},
        {"recovered", FL_OK, "", 1, "level=info", "ready=True"},
        {"still well", FL_OK, "", 0, NULL, NULL},
        {"the same as before", FL_E_AUTH, "it is locked", 1, "level=warn", "it is locked"},
        {"a bug", FL_E_BUG, "it is broken", 1, "level=error", "it is broken"},
    };
    struct lines l;
    struct rig g;
    rig_up(&g, false);
    lines_begin(&l);
    registry_make(&g);
    for (size_t i = 0; i < FL_LEN(steps); i++) {
        script_fail(&g, steps[i].code, "Why", steps[i].msg, -1);
        if (i == 0) {
            fl_engine_start(g.engine);
        } else {
            fl_clock_advance(g.clock, 600000);
        }
        passes(&g, (int)i + 1);
        lines_expect(&l, steps[i].name, steps[i].lines, steps[i].level, steps[i].text);
    }
    rig_down(&g);
    lines_end(&l);
}

static void test_engine__failure_of_an_object_made_anew_is_logged_anew(void **state)
{
    (void)state;
    struct lines l;
    struct rig g;
    rig_up(&g, false);
    lines_begin(&l);
    script_fail(&g, FL_E_UNAVAILABLE, "Why", "it is away", -1);
    registry_make(&g);
    fl_engine_start(g.engine);
    passes(&g, 1);
    lines_expect(&l, "first", 1, "level=warn", "it is away");
    assert_int_equal(fake_api_call(g.api, "DELETE", REG, ""), 200);
    wait_for(&g.s, &g.s.forgotten, 1);
    registry_make(&g);
    passes(&g, 2);
    lines_expect(&l, "made anew", 1, "level=warn", "it is away");
    rig_down(&g);
    lines_end(&l);
}

static void test_engine__status_that_cannot_be_written_is_one_line(void **state)
{
    (void)state;
    struct lines l;
    struct rig g;
    rig_ready(&g);
    lines_begin(&l);
    fake_api_fail(
        g.api, 0,
        (struct fake_fail){.method = "PATCH", .contain = "/status", .status = 500, .times = 3});
    patch(&g, REG, "{\"metadata\":{\"annotations\":{\"fairlead.dev/requested-at\":\"1\"}}}");
    for (int i = 2; i < 5; i++) {
        passes(&g, i);
        lines_expect(&l, "not written", i == 2 ? 1 : 0, "level=warn", "status not written");
        fl_clock_advance(g.clock, 60000);
    }
    passes(&g, 5);
    expect(&g, REG, "\"lastHandledRequest\":\"1\"");
    lines_expect(&l, "written", 1, "level=info", "pass succeeded again");
    rig_down(&g);
    lines_end(&l);
}

static void test_engine__ready_flips_with_its_time_and_only_then(void **state)
{
    (void)state;
    struct rig g;
    rig_ready(&g);
    script_fail(&g, FL_E_UNAVAILABLE, "Why", "one", -1);
    fl_clock_advance(g.clock, 600000);
    passes(&g, 2);
    expect(&g, REG,
           "\"status\":\"False\",\"observedGeneration\":1,"
           "\"lastTransitionTime\":\"2026-01-01T00:10:00Z\"");
    script_fail(&g, FL_E_UNAVAILABLE, "Why", "two", -1);
    fl_clock_advance(g.clock, 60000);
    passes(&g, 3);
    expect(&g, REG,
           "\"lastTransitionTime\":\"2026-01-01T00:10:00Z\",\"reason\":\"Why\","
           "\"message\":\"two\"");
    script_fail(&g, FL_OK, "", "", -1);
    fl_clock_advance(g.clock, 60000);
    passes(&g, 4);
    expect(&g, REG,
           "\"status\":\"True\",\"observedGeneration\":1,"
           "\"lastTransitionTime\":\"2026-01-01T00:12:00Z\"");
    expect_not(&g, REG, "Reconciling");
    rig_down(&g);
}

static void test_engine__change_resets_the_back_off(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g, false);
    script_fail(&g, FL_E_UNAVAILABLE, "Why", "it is away", -1);
    registry_make(&g);
    fl_engine_start(g.engine);
    passes(&g, 1);
    for (int i = 2; i < 8; i++) {
        fl_clock_advance(g.clock, 100000);
        passes(&g, i);
    }
    assert_int_equal(fl_queue_failures(g.engine->loops[0]->queue, FL_STR("n/a")), 7);
    patch(&g, REG, "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}");
    passes(&g, 8);
    assert_int_equal(fl_queue_failures(g.engine->loops[0]->queue, FL_STR("n/a")), 1);
    rig_down(&g);
}

static void test_engine__conflict_of_a_pass_is_tried_at_once_and_not_told(void **state)
{
    (void)state;
    struct rig g;
    rig_ready(&g);
    script_fail(&g, FL_E_CONFLICT, "Conflict", "modified", -1);
    {
        fl_lock_scope(&g.s.lock);
        g.s.passes = 0;
    }
    patch(&g, REG, "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}");
    wait_for(&g.s, &g.s.passes, 3);
    script_fail(&g, FL_OK, "", "", -1);
    settle(&g);
    expect(&g, REG, "\"type\":\"Ready\",\"status\":\"True\"");
    expect_not(&g, REG, "modified");
    rig_down(&g);
}

/* Changes the object's labels before the status is written, once: the write must not be lost. */
struct meddler {
    struct rig *g;
    int left;
};

static void meddle(void *arg, const char *method, const char *path)
{
    struct meddler *m = arg;
    if (m->left > 0 && strcmp(method, "PATCH") == 0 && strstr(path, "/status")) {
        m->left--;
        patch(m->g, REG, "{\"metadata\":{\"labels\":{\"meddled\":\"yes\"}}}");
    }
}

static void test_engine__status_survives_a_change_of_labels_meanwhile(void **state)
{
    (void)state;
    struct rig g;
    rig_ready(&g);
    struct meddler m = {&g, 1};
    g.api->before_arg = &m;
    g.api->before_write = meddle;
    patch(&g, REG, "{\"metadata\":{\"annotations\":{\"fairlead.dev/requested-at\":\"t1\"}}}");
    passes(&g, 2);
    fake_api_wait(g.api, REG, "\"lastHandledRequest\":\"t1\"");
    passes(&g, 3); /* the label asks for one */
    expect(&g, REG, "meddled");
    rig_down(&g);
}

static void test_engine__status_that_cannot_be_written_is_tried_again(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g, false);
    fake_api_fail(
        g.api, 0,
        (struct fake_fail){.method = "PATCH", .contain = "/status", .status = 500, .times = 1});
    registry_make(&g);
    fl_engine_start(g.engine);
    fake_api_wait_count(g.api, "PATCH", "/status", 1);
    settle(&g);
    /* Whether the pass had begun to wait or not: its second try comes within a second. */
    while (read_int(&g.s, &g.s.passes) == 0) {
        fl_clock_advance(g.clock, 1000);
    }
    passes(&g, 1);
    expect(&g, REG, "\"type\":\"Ready\",\"status\":\"True\"");
    rig_down(&g);
}

/* ---- deletion ---- */

static void test_engine__finalizer_is_kept_and_removed(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g, true);
    post(&g, "registries", "a", "{\"url\":\"https://r.example\"}");
    fl_engine_start(g.engine);
    passes(&g, 1);
    expect(&g, REG, "\"finalizers\":[\"fairlead.dev/finalizer\"]");
    assert_int_equal(fake_api_call(g.api, "DELETE", REG, ""), 200);
    fake_api_wait(g.api, REG, NULL);
    wait_for(&g.s, &g.s.forgotten, 1);
    assert_int_equal(read_int(&g.s, &g.s.finalized), 1);
    rig_down(&g);
}

static void test_engine__finalizers_of_others_stay(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g, true);
    assert_int_equal(fake_api_call(g.api, "POST", NS "registries",
                                   "{\"metadata\":{\"name\":\"a\",\"finalizers\":[\"x.y/z\"]},"
                                   "\"spec\":{\"url\":\"https://r.example\"}}"),
                     201);
    fl_engine_start(g.engine);
    passes(&g, 1);
    expect(&g, REG, "\"finalizers\":[\"x.y/z\",\"fairlead.dev/finalizer\"]");
    assert_int_equal(fake_api_call(g.api, "DELETE", REG, ""), 200);
    fake_api_wait(g.api, REG, "\"finalizers\":[\"x.y/z\"]");
    settle(&g);
    assert_int_equal(read_int(&g.s, &g.s.finalized), 1);
    rig_down(&g);
}

static void test_engine__finalizer_that_fails_is_tried_again(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g, true);
    g.s.hold = true;
    registry_make(&g);
    fl_engine_start(g.engine);
    passes(&g, 1);
    assert_int_equal(fake_api_call(g.api, "DELETE", REG, ""), 200);
    wait_for(&g.s, &g.s.finalized, 1);
    fake_api_wait(g.api, REG, "\"reason\":\"Held\"");
    settle(&g);
    {
        fl_lock_scope(&g.s.lock);
        g.s.hold = false;
    }
    fl_clock_advance(g.clock, 1000);
    fake_api_wait(g.api, REG, NULL);
    rig_down(&g);
}

static void test_engine__deleted_object_is_forgotten(void **state)
{
    (void)state;
    struct rig g;
    rig_ready(&g);
    assert_int_equal(fake_api_call(g.api, "DELETE", REG, ""), 200);
    wait_for(&g.s, &g.s.forgotten, 1);
    settle(&g);
    assert_int_equal(fl_cache_len(fl_engine_cache(g.engine), &fl_kind_registry), 0);
    assert_true(fl_queue_next_ms(g.engine->loops[0]->queue) == FL_NEVER);
    rig_down(&g);
}

/* ---- waking ---- */

static void test_engine__changed_secret_wakes_its_registry(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g, false);
    g.s.secret = true;
    secret_make(&g, "b25l");
    registry_make(&g);
    fl_engine_start(g.engine);
    passes(&g, 1);
    assert_string_equal(g.s.secret_value, "one");
    char before[96];
    memcpy(before, g.s.version, sizeof(before));
    patch(&g, SECRET, "{\"data\":{\"k\":\"dHdv\"}}");
    passes(&g, 2);
    assert_string_equal(g.s.secret_value, "two");
    assert_string_not_equal(g.s.version, before);
    assert_int_equal(fake_api_call(g.api, "DELETE", SECRET, ""), 200);
    passes(&g, 3);
    assert_string_equal(g.s.secret_value, "SecretNotFound");
    rig_down(&g);
}

static void test_engine__secret_data_is_not_kept_in_the_cache(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g, false);
    secret_make(&g, "b25l");
    registry_make(&g);
    fl_engine_start(g.engine);
    passes(&g, 1);
    fl_auto(fl_obj) o =
        fl_cache_get(fl_engine_cache(g.engine), &fl_kind_secret, FL_STR("n"), FL_STR("s"));
    assert_non_null(o);
    assert_null(strstr(o->text.p, "b25l"));
    rig_down(&g);
}

static void test_engine__readiness_of_a_registry_wakes_its_policies(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g, false);
    policy_make(&g);
    fl_engine_start(g.engine);
    policy_passes(&g, 1);
    expect(&g, POL, "\"reason\":\"RegistryNotFound\"");
    script_fail(&g, FL_E_UNAVAILABLE, "Why", "it is away", -1);
    registry_make(&g);
    passes(&g, 1);
    fake_api_wait(g.api, POL, "\"reason\":\"DependencyNotReady\"");
    script_fail(&g, FL_OK, "", "", -1);
    fl_clock_advance(g.clock, 1000);
    fake_api_wait(g.api, POL, "\"type\":\"Ready\",\"status\":\"True\"");
    assert_int_equal(fake_api_call(g.api, "DELETE", REG, ""), 200);
    fake_api_wait(g.api, POL, "\"reason\":\"RegistryNotFound\"");
    rig_down(&g);
}

static void test_engine__owned_object_wakes_its_owner(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g, false);
    g.s.create = true;
    policy_make(&g);
    fl_engine_start(g.engine);
    wait_for(&g.s, &g.s.policy_passes, 2); /* its creation is a change of its own */
    settle(&g);
    expect(&g, NS "replicationexecutions/p-1", "\"controller\":true");
    expect(&g, NS "replicationexecutions/p-1", "\"labels\":{\"x\":\"y\"}");
    expect(&g, NS "replicationexecutions/p-1", "\"source\":\"a/b\"");
    int before = read_int(&g.s, &g.s.policy_passes);
    patch(&g, NS "replicationexecutions/p-1/status", "{\"status\":{\"phase\":\"Running\"}}");
    policy_passes(&g, before + 1);
    rig_down(&g);
}

static void test_engine__waiting_pass_has_no_clock(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g, false);
    g.s.wait = true;
    registry_make(&g);
    fl_engine_start(g.engine);
    passes(&g, 1);
    expect(&g, REG, "\"reason\":\"DependencyNotReady\"");
    expect_not(&g, REG, "Reconciling");
    assert_true(fl_queue_next_ms(g.engine->loops[0]->queue) == FL_NEVER);
    rig_down(&g);
}

/* ---- life ---- */

static void *stop_engine(void *arg)
{
    struct rig *g = arg;
    fl_engine_stop(g->engine, 5000);
    return NULL;
}

static void test_engine__pass_under_way_is_cut_off_after_the_grace(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g, false);
    g.s.block = true;
    registry_make(&g);
    fl_engine_start(g.engine);
    {
        fl_lock_scope(&g.s.lock);
        while (!g.s.blocked) {
            fl_cond_wait(&g.s.changed, &g.s.lock);
        }
    }
    size_t writes = fake_api_get(g.api, &g.api->writes);
    pthread_t t;
    fl_thread_start(&t, "stop", stop_engine, &g);
    {
        fl_lock_scope(&g.engine->lock);
        while (!g.engine->stopping) {
            fl_cond_wait(&g.engine->changed, &g.engine->lock);
        }
    }
    fl_clock_advance(g.clock, 4999);
    assert_false(atomic_load(&g.engine->cancel.set));
    fl_clock_advance(g.clock, 1);
    /* The sleeper looks at its cancel every 50 ms of the clock. */
    while (!atomic_load(&g.engine->cancel.set)) {
        fl_clock_advance(g.clock, 0);
    }
    fl_clock_advance(g.clock, 50);
    pthread_join(t, NULL);
    assert_int_equal(fake_api_get(g.api, &g.api->writes), writes); /* nothing is told of it */
    rig_down(&g);
}

static void test_engine__stops_before_the_first_listing(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g, false);
    fake_api_fail(g.api, 0, (struct fake_fail){.method = "GET", .status = 500, .times = -1});
    registry_make(&g);
    fl_engine_start(g.engine);
    fake_api_wait_count(g.api, "GET", "registries", 1);
    fl_auto_val(fl_buf) why = FL_BUF_INIT(FL_BUF_ANY);
    assert_false(fl_engine_ready(g.engine, &why));
    assert_non_null(strstr(why.data, "first listing"));
    fl_engine_stop(g.engine, 1000);
    assert_int_equal(read_int(&g.s, &g.s.passes), 0);
    rig_down(&g);
}

static void test_engine__ready_when_all_is_listed(void **state)
{
    (void)state;
    struct rig g;
    rig_ready(&g);
    fl_auto_val(fl_buf) why = FL_BUF_INIT(FL_BUF_ANY);
    assert_true(fl_engine_ready(g.engine, &why));
    assert_int_equal(why.len, 0);
    rig_down(&g);
}

static void test_engine__many_objects_have_one_pass_each(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g, false);
    for (int i = 0; i < 200; i++) {
        fl_auto_text name = fl_asprintf("r%d", i);
        post(&g, "registries", name, "{\"url\":\"https://r.example\"}");
    }
    fl_engine_start(g.engine);
    passes(&g, 200);
    assert_int_equal(read_int(&g.s, &g.s.passes), 200);
    assert_int_equal(fake_api_count(g.api, "PATCH", "/status"), 400);
    rig_down(&g);
}

static void test_engine__metrics_are_those_of_controller_runtime(void **state)
{
    (void)state;
    struct rig g;
    rig_ready(&g);
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_metrics_write(g.metrics, &b);
    static const char *const want[] = {
        "controller_runtime_reconcile_total{controller=\"registry\",result=\"requeue_after\"} 1\n",
        "controller_runtime_reconcile_total{controller=\"registry\",result=\"error\"} 0\n",
        "controller_runtime_reconcile_errors_total{controller=\"replicationpolicy\"} 0\n",
        "controller_runtime_reconcile_time_seconds_count{controller=\"registry\"} 1\n",
        "controller_runtime_max_concurrent_reconciles{controller=\"registry\"} 2\n",
        "workqueue_adds_total{name=\"registry\",controller=\"registry\"} 1\n",
        "workqueue_depth{name=\"registry\",controller=\"registry\"} 0\n",
        "rest_client_requests_total{code=\"200\",method=\"PATCH\",host=\"local\"} 2\n",
    };
    for (size_t i = 0; i < FL_LEN(want); i++) {
        if (!strstr(b.data, want[i])) {
            print_error("no %sin\n%s", want[i], b.data);
            fail();
        }
    }
    rig_down(&g);
}

int main(void)
{
    fl_log_setup(FL_LOG_ERROR, FL_LOG_TEXT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engine__first_pass_reports_ready),
        cmocka_unit_test(test_engine__second_pass_writes_nothing),
        cmocka_unit_test(test_engine__interval_has_jitter_and_zero_is_never),
        cmocka_unit_test(test_engine__changes_that_ask_for_a_pass),
        cmocka_unit_test(test_engine__request_is_seen_once_and_echoed),
        cmocka_unit_test(test_engine__invalid_spec_is_told_and_not_tried),
        cmocka_unit_test(test_engine__spec_that_was_corrected_is_tried_at_once),
        cmocka_unit_test(test_engine__invalid_spec_does_not_hold_suspension_or_deletion),
        cmocka_unit_test(test_engine__deferred_pass_leaves_request_and_generation),
        cmocka_unit_test(test_engine__suspended_object_is_left_alone),
        cmocka_unit_test(test_engine__failures_by_code),
        cmocka_unit_test(test_engine__same_failure_again_writes_nothing),
        cmocka_unit_test(test_engine__failure_is_one_line_until_it_changes),
        cmocka_unit_test(test_engine__failure_of_an_object_made_anew_is_logged_anew),
        cmocka_unit_test(test_engine__status_that_cannot_be_written_is_one_line),
        cmocka_unit_test(test_engine__ready_flips_with_its_time_and_only_then),
        cmocka_unit_test(test_engine__change_resets_the_back_off),
        cmocka_unit_test(test_engine__conflict_of_a_pass_is_tried_at_once_and_not_told),
        cmocka_unit_test(test_engine__status_survives_a_change_of_labels_meanwhile),
        cmocka_unit_test(test_engine__status_that_cannot_be_written_is_tried_again),
        cmocka_unit_test(test_engine__finalizer_is_kept_and_removed),
        cmocka_unit_test(test_engine__finalizers_of_others_stay),
        cmocka_unit_test(test_engine__finalizer_that_fails_is_tried_again),
        cmocka_unit_test(test_engine__deleted_object_is_forgotten),
        cmocka_unit_test(test_engine__changed_secret_wakes_its_registry),
        cmocka_unit_test(test_engine__secret_data_is_not_kept_in_the_cache),
        cmocka_unit_test(test_engine__readiness_of_a_registry_wakes_its_policies),
        cmocka_unit_test(test_engine__owned_object_wakes_its_owner),
        cmocka_unit_test(test_engine__waiting_pass_has_no_clock),
        cmocka_unit_test(test_engine__pass_under_way_is_cut_off_after_the_grace),
        cmocka_unit_test(test_engine__stops_before_the_first_listing),
        cmocka_unit_test(test_engine__ready_when_all_is_listed),
        cmocka_unit_test(test_engine__many_objects_have_one_pass_each),
        cmocka_unit_test(test_engine__metrics_are_those_of_controller_runtime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
