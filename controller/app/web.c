/* SPDX-License-Identifier: Apache-2.0 */
#include "app/web.h"

#include "api/scheme.h"
#include "base/mem.h"
#include "base/secret.h"
#include "hook/web.h"
#include "wire/file.h"
#include "wire/httpd.h"

#define WEB_MAX_MS 30000 /* R13: a burst of deliveries is one look, but not later than this */
#define WEB_TICK_MS 1000
#define WEB_ASK_MS 30000
#define WEB_SECRET_CAP 4096
#define WEB_PEM_CAP ((size_t)1 << 20)
#define WEB_KINDS 32

struct fl_webapp {
    const struct fl_options *o;
    struct fl_kube *kube;
    struct fl_clock *clock;
    struct fl_arena *arena;
    struct fl_secret github_secret;
    struct fl_buf cert_pem, key_pem;
    const struct fl_kind *kinds[WEB_KINDS + 1];
    struct fl_hooks *hooks;
    struct fl_live *live;
    struct fl_web *web;
    struct fl_httpd *httpd;
    struct fl_engine *engine;
    pthread_t ticker;
    struct fl_lock lock;
    struct fl_cond ended;
    bool ending; /* under lock */
    bool ticking;
};

/* ---- what the parts ask of the program ---- */

static void webapp_wake(void *arg, const struct fl_kind *kind, struct fl_str ns, struct fl_str name,
                        const char *delivery)
{
    struct fl_webapp *w = arg;
    (void)fl_engine_wake(w->engine, kind, ns, name, FL_WAKE_HOOK, delivery, w->o->webhook_quiet_ms,
                         WEB_MAX_MS);
}

static int webapp_ask(void *arg, const char *method, const char *path, const char *accept,
                      const char *content_type, const char *authorization, struct fl_str body,
                      struct fl_response *ret, struct fl_err *err)
{
    struct fl_webapp *w = arg;
    struct fl_ctx root = fl_ctx_root(w->clock, NULL);
    struct fl_ctx ctx = fl_ctx_timeout(&root, WEB_ASK_MS);
    return fl_kube_forward(w->kube, &ctx, method, path, accept, content_type, authorization, body,
                           ret, err);
}

void fl_webapp_changed(void *arg, const struct fl_obj *old, const struct fl_obj *now)
{
    struct fl_webapp *w = arg;
    fl_web_changed(w->web, old, now);
}

struct fl_hooks *fl_webapp_hooks(struct fl_webapp *w)
{
    return w ? w->hooks : NULL;
}

struct fl_live *fl_webapp_live(struct fl_webapp *w)
{
    return w ? w->live : NULL;
}

static void *webapp_ticks(void *arg)
{
    struct fl_webapp *w = arg;
    int64_t next = fl_clock_mono_ms(w->clock) + WEB_TICK_MS;
    for (;;) {
        {
            fl_lock_scope(&w->lock);
            while (!w->ending && fl_clock_mono_ms(w->clock) < next) {
                fl_clock_wait(w->clock, &w->ended, &w->lock, next);
            }
            if (w->ending) {
                return NULL;
            }
        }
        next = fl_clock_mono_ms(w->clock) + WEB_TICK_MS;
        fl_live_tick(w->live);
    }
}

/* ---- opening ---- */

static int webapp_check(const struct fl_options *o, const char *host, struct fl_err *err)
{
    if (!o->web_tls_cert != !o->web_tls_key) {
        return fl_fail(err, FL_E_INVALID, "Usage",
                       "--web-tls-cert and --web-tls-key belong together: only one was given");
    }
    if (o->web_anonymous_read && !o->web_read_only && !fl_options_is_loopback(host)) {
        return fl_fail(err, FL_E_INVALID, "Usage",
                       "--web-anonymous-read on %s lets everybody who reaches it look: add "
                       "--web-read-only, or listen on 127.0.0.1",
                       o->web_listen);
    }
    return 0;
}

static int webapp_secret(struct fl_webapp *w, struct fl_err *err)
{
    if (!w->o->github_webhook_secret_file) {
        return 0;
    }
    fl_auto_val(fl_buf) b = FL_BUF_INIT(WEB_SECRET_CAP);
    int x = fl_file_read(w->o->github_webhook_secret_file, WEB_SECRET_CAP, &b, err);
    struct fl_str s = fl_buf_slice(&b);
    while (s.n > 0 && (unsigned char)s.p[s.n - 1] <= ' ') {
        s.n--;
    }
    if (x == 0 && s.n == 0) {
        x = fl_fail(err, FL_E_INVALID, "Usage",
                    "%s is empty: it must hold the App's webhook secret",
                    w->o->github_webhook_secret_file);
    }
    if (x == 0) {
        fl_secret_set(&w->github_secret, s);
    }
    fl_buf_wipe(&b);
    return x < 0 ? fl_wrap(err, "--github-webhook-secret-file") : 0;
}

static int webapp_tls(struct fl_webapp *w, struct fl_err *err)
{
    if (!w->o->web_tls_cert) {
        return 0;
    }
    int x = fl_file_read(w->o->web_tls_cert, WEB_PEM_CAP, &w->cert_pem, err);
    if (x < 0) {
        return fl_wrap(err, "--web-tls-cert");
    }
    x = fl_file_read(w->o->web_tls_key, WEB_PEM_CAP, &w->key_pem, err);
    return x < 0 ? fl_wrap(err, "--web-tls-key") : 0;
}

/* "10.0.0.0/8, 192.0.2.1" -> NULL-ended. */
static const char *const *webapp_proxies(struct fl_webapp *w)
{
    struct fl_str rest = fl_str_of(w->o->trusted_proxies);
    const char **v = NULL;
    size_t n = 0;
    for (struct fl_str one; rest.n > 0;) {
        (void)fl_str_cut(&rest, ',', &one);
        one = fl_str_trim(one);
        if (one.n > 0) {
            v = fl_arena_grow(w->arena, v, n, sizeof(*v));
            v[n++] = fl_arena_str(w->arena, one);
        }
    }
    v = fl_arena_grow(w->arena, v, n, sizeof(*v));
    v[n] = NULL;
    return v;
}

static void webapp_kinds(struct fl_webapp *w)
{
    size_t n = 0;
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        if ((*k)->flags & FL_KIND_CUSTOM) {
            fl_assert(n < WEB_KINDS);
            w->kinds[n++] = *k;
        }
    }
}

static void webapp_make(struct fl_webapp *w, struct fl_metrics *metrics)
{
    const struct fl_hooks_conf hooks = {.clock = w->clock,
                                        .metrics = metrics,
                                        .wake = webapp_wake,
                                        .wake_arg = w,
                                        .github_secret = &w->github_secret};
    const struct fl_live_conf live = {.clock = w->clock, .metrics = metrics};
    w->hooks = fl_hooks_new(&hooks);
    w->live = fl_live_new(&live);
    webapp_kinds(w);
    const struct fl_web_conf web = {.clock = w->clock,
                                    .kinds = w->kinds,
                                    .hooks = w->hooks,
                                    .live = w->live,
                                    .ask = webapp_ask,
                                    .ask_arg = w,
                                    .read_only = w->o->web_read_only,
                                    .anonymous_read = w->o->web_anonymous_read,
                                    .trusted_proxies = webapp_proxies(w)};
    w->web = fl_web_new(&web);
}

int fl_webapp_open(const struct fl_options *o, struct fl_kube *kube, struct fl_clock *clock,
                   struct fl_metrics *metrics, struct fl_webapp **ret, struct fl_err *err)
{
    *ret = NULL;
    if (!o->web_listen) {
        return 0;
    }
    struct fl_webapp *w = FL_NEW(struct fl_webapp);
    *w = (struct fl_webapp){.o = o, .kube = kube, .clock = clock, .arena = fl_arena_new()};
    fl_buf_init(&w->cert_pem, WEB_PEM_CAP);
    fl_buf_init(&w->key_pem, WEB_PEM_CAP);
    fl_lock_init(&w->lock, "web ticker", FL_RANK_APP);
    fl_cond_init(&w->ended);
    const char *host = NULL;
    uint16_t port = 0;
    int x = fl_options_address("web-listen", o->web_listen, w->arena, &host, &port, err);
    x = x < 0 ? x : webapp_check(o, host, err);
    x = x < 0 ? x : webapp_secret(w, err);
    x = x < 0 ? x : webapp_tls(w, err);
    if (x < 0) {
        fl_webapp_free(w);
        return x;
    }
    webapp_make(w, metrics);
    *ret = w;
    return 0;
}

int fl_webapp_serve(struct fl_webapp *w, struct fl_engine *e, struct fl_err *err)
{
    if (!w) {
        return 0;
    }
    struct fl_httpd_conf conf = {
        .cert_pem = w->cert_pem.len ? w->cert_pem.data : NULL,
        .key_pem = w->key_pem.len ? w->key_pem.data : NULL,
        .serve = fl_web_serve,
        .self = w->web,
        .body_cap = fl_web_body_cap,
        .server_name = "web",
    };
    w->engine = e;
    int x =
        fl_options_address("web-listen", w->o->web_listen, w->arena, &conf.host, &conf.port, err);
    x = x < 0 ? x : fl_httpd_start(&conf, &w->httpd, err);
    if (x < 0) {
        return x;
    }
    fl_thread_start(&w->ticker, "web ticker", webapp_ticks, w);
    w->ticking = true;
    fl_log(FL_LOG_INFO, "page and webhooks are served",
           FL_S("scheme", conf.cert_pem ? "https" : "http"), FL_S("host", conf.host),
           FL_I("port", fl_httpd_port(w->httpd)));
    return 0;
}

void fl_webapp_stop(struct fl_webapp *w, int64_t grace_ms)
{
    if (!w || !w->httpd) {
        return;
    }
    fl_web_stop(w->web);
    fl_httpd_stop(w->httpd, grace_ms);
    w->httpd = NULL;
    {
        fl_lock_scope(&w->lock);
        w->ending = true;
        fl_cond_broadcast(&w->ended);
    }
    if (w->ticking) {
        (void)pthread_join(w->ticker, NULL);
    }
}

void fl_webapp_free(struct fl_webapp *w)
{
    if (!w) {
        return;
    }
    fl_web_free(w->web);
    fl_live_free(w->live);
    fl_hooks_free(w->hooks);
    fl_secret_release(&w->github_secret);
    fl_buf_release(&w->cert_pem);
    fl_buf_wipe(&w->key_pem);
    fl_cond_destroy(&w->ended);
    fl_lock_destroy(&w->lock);
    fl_arena_free(w->arena);
    fl_free(w);
}
