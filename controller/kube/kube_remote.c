/* SPDX-License-Identifier: Apache-2.0
 * The remote door: HTTPS by kubeconfig or in-cluster files; streams on the thread of one pump. kubernetes.md 1.8. */
#include "base/mem.h"
#include "base/num.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/url.h"
#include "kube/kube_priv.h"
#include "wire/file.h"
#include "wire/http.h"

#define CALL_TIMEOUT_MS 30000
#define LIST_TIMEOUT_MS 120000
#define BODY_MAX ((size_t)128 << 20) /* a page of a list */
#define TOKEN_MAX ((size_t)64 << 10)
#define CA_MAX ((size_t)1 << 20)
#define TOKEN_REREAD_MS 60000

struct remote_kube {
    struct fl_kube base;
    struct fl_http *http;
    struct fl_http
        *bare; /* without our certificate, for requests in another's name; NULL: http has none */
    struct fl_http_pump *pump;
    char *server; /* no '/' at the end */
    char *token_file;
    struct remote_timer *timers; /* on the pump's thread */
    struct fl_lock lock;         /* guards what follows */
    struct fl_secret authorization;
    int64_t token_read_ms;
};

struct remote_timer {
    struct remote_timer *next;
    struct remote_kube *k;
    struct remote_stream *s; /* NULL: called off */
};

/* The door's part of a reflector; on the pump's thread, but for what `lock` guards. */
struct remote_stream {
    struct fl_reflector *r;
    struct remote_kube *k;
    struct fl_http_stream *http;
    struct remote_timer *timer;
    int64_t retry_after_ms;
    bool stopping;
    struct fl_lock lock;
    struct fl_cond changed;
    bool stopped;
};

static struct remote_kube *remote_of(struct fl_kube *k)
{
    return fl_container_of(k, struct remote_kube, base);
}

/* ---- credentials ---- */

static void set_bearer(struct fl_secret *ret, struct fl_str token)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&b, "Bearer ");
    fl_buf_str(&b, token);
    fl_secret_set(ret, fl_buf_slice(&b));
    fl_buf_wipe(&b);
}

static void set_basic(struct fl_secret *ret, const char *user, const char *password)
{
    fl_auto_val(fl_buf) plain = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&plain, "%s:%s", user, password ? password : "");
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&b, "Basic ");
    fl_base64_add(&b, plain.data, plain.len);
    fl_secret_set(ret, fl_buf_slice(&b));
    fl_buf_wipe(&plain);
    fl_buf_wipe(&b);
}

/* A file that cannot be read now leaves the token that was read before: it may still be good. */
static int token_read(struct remote_kube *k, struct fl_err *err)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(TOKEN_MAX);
    int r = fl_file_read(k->token_file, TOKEN_MAX, &b, err);
    if (r < 0) {
        return r;
    }
    struct fl_str token = fl_buf_slice(&b);
    while (token.n > 0 && (unsigned char)token.p[token.n - 1] <= ' ') {
        token.n--;
    }
    if (token.n == 0 || !fl_str_printable(token)) {
        r = fl_fail(err, FL_E_INVALID, "TokenInvalid", "%s holds no token", k->token_file);
    } else {
        set_bearer(&k->authorization, token);
    }
    fl_buf_wipe(&b);
    return r;
}

static void authorization_copy(struct remote_kube *k, bool refresh, struct fl_secret *ret)
{
    int64_t now = fl_clock_mono_ms(k->base.clock);
    fl_lock_scope(&k->lock);
    if (k->token_file && (refresh || now - k->token_read_ms >= TOKEN_REREAD_MS)) {
        k->token_read_ms = now;
        (void)token_read(k, NULL);
    }
    if (k->authorization.p) {
        fl_secret_set(ret, (struct fl_str){k->authorization.p, k->authorization.n});
    }
}

/* ---- calls ---- */

static void url_of(const struct remote_kube *k, struct fl_str path, struct fl_str query,
                   struct fl_buf *ret)
{
    fl_buf_text(ret, k->server);
    fl_buf_str(ret, path);
    if (query.n > 0) {
        fl_buf_char(ret, '?');
        fl_buf_str(ret, query);
    }
}

static int remote_try(struct remote_kube *k, const struct fl_ctx *ctx, const struct kube_call *call,
                      bool refresh, struct fl_http_resp *resp, struct fl_err *err)
{
    fl_auto_val(fl_buf) url = FL_BUF_INIT(FL_BUF_ANY);
    url_of(k, call->path, call->query, &url);
    fl_auto_val(fl_secret) auth = {0};
    if (call->authorization) {
        fl_secret_set(&auth, fl_str_of(call->authorization));
    } else {
        authorization_copy(k, refresh, &auth);
    }
    struct fl_header headers[2] = {
        {"Accept", call->accept ? call->accept : "application/json"},
        {"Content-Type", call->content_type},
    };
    struct fl_http_req req = {
        .method = call->method,
        .url = url.data,
        .headers = headers,
        .n_headers = call->content_type ? 2 : 1,
        .authorization = auth.p ? &auth : NULL,
        .body = call->body,
        .body_cap = BODY_MAX,
    };
    return fl_http_do(call->authorization && k->bare ? k->bare : k->http, ctx, &req, resp, err);
}

static int remote_exchange(struct fl_kube *base, const struct fl_ctx *ctx,
                           const struct kube_call *call, struct kube_answer *ret,
                           struct fl_err *err)
{
    struct remote_kube *k = remote_of(base);
    bool list = call->query.n > 0;
    struct fl_ctx mine = fl_ctx_timeout(ctx, list ? LIST_TIMEOUT_MS : CALL_TIMEOUT_MS);
    for (int i = 0;; i++) {
        fl_auto_val(fl_http_resp) resp;
        fl_http_resp_init(&resp);
        int r = remote_try(k, &mine, call, i > 0, &resp, err);
        if (r < 0) {
            return err ? fl_wrap(err, "the Kubernetes API") : r;
        }
        /* The token may have been renewed since it was read. */
        if (resp.status == 401 && k->token_file && i == 0 && !call->authorization) {
            continue;
        }
        ret->status = resp.status;
        ret->retry_after_ms = fl_http_retry_after_ms(&resp, &mine);
        fl_buf_release(&ret->body);
        ret->body = resp.body;
        fl_buf_init(&resp.body, 0);
        return 0;
    }
}

/* ---- streams ---- */

static void remote_timer_off(struct remote_stream *s)
{
    if (s->timer) {
        s->timer->s = NULL;
        s->timer = NULL;
    }
}

static void remote_gone(struct remote_stream *s)
{
    remote_timer_off(s);
    fl_lock_scope(&s->lock);
    s->stopped = true;
    fl_cond_broadcast(&s->changed);
}

static void on_status(void *arg, const struct fl_http_resp *head)
{
    struct remote_stream *s = arg;
    struct fl_ctx ctx = fl_ctx_root(s->k->base.clock, NULL);
    s->retry_after_ms = fl_http_retry_after_ms(head, &ctx);
    if (!s->stopping) {
        kube_reflector_head(s->r, head->status);
    }
}

static void on_data(void *arg, struct fl_str piece)
{
    struct remote_stream *s = arg;
    if (!s->stopping) {
        kube_reflector_data(s->r, piece);
    }
}

static void on_end(void *arg, int status, struct fl_str body, const struct fl_err *err)
{
    struct remote_stream *s = arg;
    s->http = NULL;
    if (s->stopping) {
        remote_gone(s);
        return;
    }
    if (status == 401 && s->k->token_file) {
        fl_auto_val(fl_secret) unused = {0};
        authorization_copy(s->k, true, &unused);
    }
    kube_reflector_end(s->r, status, s->retry_after_ms, body, err);
}

static const struct fl_http_stream_ops stream_ops = {on_status, on_data, on_end};

static void remote_open(struct fl_reflector *r, struct fl_str query, const char *accept,
                        int64_t silence_ms)
{
    struct remote_stream *s = r->door;
    fl_auto_val(fl_buf) url = FL_BUF_INIT(FL_BUF_ANY);
    url_of(s->k, fl_str_of(r->path), query, &url);
    fl_auto_val(fl_secret) auth = {0};
    authorization_copy(s->k, false, &auth);
    struct fl_header headers[1] = {{"Accept", accept ? accept : "application/json"}};
    struct fl_http_req req = {
        .method = "GET",
        .url = url.data,
        .headers = headers,
        .n_headers = 1,
        .authorization = auth.p ? &auth : NULL,
    };
    s->retry_after_ms = -1;
    s->http = fl_http_pump_add(s->k->pump, s->k->http, &req, silence_ms, &stream_ops, s);
}

static void remote_abort(struct fl_reflector *r)
{
    struct remote_stream *s = r->door;
    if (s->http) {
        fl_http_stream_cancel(s->http);
    }
}

static void remote_due(void *arg)
{
    struct remote_timer *t = arg;
    struct remote_timer **at = &t->k->timers;
    while (*at != t) {
        at = &(*at)->next;
    }
    *at = t->next;
    struct remote_stream *s = t->s;
    fl_free(t);
    if (s) {
        s->timer = NULL;
        kube_reflector_due(s->r);
    }
}

static void remote_later(struct fl_reflector *r, int64_t delay_ms)
{
    struct remote_stream *s = r->door;
    remote_timer_off(s);
    struct remote_timer *t = FL_NEW(struct remote_timer);
    t->k = s->k;
    t->s = s;
    t->next = s->k->timers;
    s->k->timers = t;
    s->timer = t;
    fl_http_pump_call(s->k->pump, delay_ms, remote_due, t);
}

static void remote_begin(void *arg)
{
    struct remote_stream *s = arg;
    kube_reflector_begin(s->r);
}

static void remote_start(struct fl_reflector *r)
{
    struct remote_stream *s = FL_NEW(struct remote_stream);
    s->r = r;
    s->k = remote_of(r->kube);
    fl_lock_init(&s->lock, "kube stream", FL_RANK_WIRE);
    fl_cond_init(&s->changed);
    r->door = s;
    fl_http_pump_call(s->k->pump, 0, remote_begin, s);
}

static void remote_end(void *arg)
{
    struct remote_stream *s = arg;
    s->stopping = true;
    if (s->http) {
        fl_http_stream_cancel(s->http);
    } else {
        remote_gone(s);
    }
}

static void remote_stop(struct fl_reflector *r)
{
    struct remote_stream *s = r->door;
    fl_http_pump_call(s->k->pump, 0, remote_end, s);
    fl_lock_take(&s->lock);
    while (!s->stopped) {
        fl_cond_wait(&s->changed, &s->lock);
    }
    fl_lock_drop(&s->lock);
    fl_cond_destroy(&s->changed);
    fl_lock_destroy(&s->lock);
    fl_free(s);
}

/* ---- the door ---- */

static void remote_free(struct fl_kube *base)
{
    struct remote_kube *k = remote_of(base);
    fl_http_pump_free(k->pump);
    fl_http_free(k->bare);
    fl_http_free(k->http);
    while (k->timers) {
        struct remote_timer *t = k->timers;
        k->timers = t->next;
        fl_free(t);
    }
    fl_secret_release(&k->authorization);
    fl_lock_destroy(&k->lock);
    fl_free(k->server);
    fl_free(k->token_file);
    fl_free(k->base.host);
    fl_free(k);
}

static const struct kube_door remote_door = {
    .trusted = false,
    .exchange = remote_exchange,
    .free = remote_free,
    .start = remote_start,
    .stop = remote_stop,
    .open = remote_open,
    .abort = remote_abort,
    .later = remote_later,
};

static int remote_address(struct remote_kube *k, const char *server, struct fl_err *err)
{
    struct fl_url url;
    int r = fl_url_parse(fl_str_of(server), &url, err);
    if (r < 0) {
        return err ? fl_wrap(err, "server of the kubeconfig") : r;
    }
    if (url.query.n > 0) {
        return fl_fail(err, FL_E_INVALID, "InvalidURL", "server of the kubeconfig: it has a query");
    }
    size_t n = strlen(server);
    while (n > 0 && server[n - 1] == '/') {
        n--;
    }
    k->server = fl_strndup(server, n);
    k->base.host = fl_asprintf(url.ipv6 ? "[%.*s]:%u" : "%.*s:%u", FL_STR_ARG(url.host), url.port);
    return 0;
}

static int remote_credentials(struct remote_kube *k, const struct fl_kubeconfig *conf,
                              struct fl_err *err)
{
    if (conf->token_file) { /* beats token */
        k->token_file = fl_strdup(conf->token_file);
        k->token_read_ms = fl_clock_mono_ms(k->base.clock);
        return token_read(k, err);
    }
    if (conf->token) {
        set_bearer(&k->authorization, fl_str_of(conf->token));
    } else if (conf->username) {
        set_basic(&k->authorization, conf->username, conf->password);
    }
    return 0;
}

int fl_kube_new_remote(const struct fl_kubeconfig *conf, struct fl_clock *clock,
                       struct fl_kube **ret, struct fl_err *err)
{
    if (conf->proxy_url && conf->proxy_url[0]) {
        return fl_fail(err, FL_E_INVALID, "ProxyNotSupported",
                       "proxy-url of the kubeconfig is not supported: set HTTPS_PROXY instead");
    }
    struct remote_kube *k = FL_NEW(struct remote_kube);
    k->base.door = &remote_door;
    k->base.clock = clock;
    fl_lock_init(&k->lock, "kube token", FL_RANK_KUBE);
    fl_auto(fl_kube) owned = &k->base;
    int r = remote_address(k, conf->server, err);
    if (r == 0) {
        r = remote_credentials(k, conf, err);
    }
    struct fl_http_conf http = {
        .ca_pem = conf->ca_pem,
        .insecure = conf->insecure,
        .cert_pem = conf->cert_pem,
        .key_pem = conf->key_pem,
        .tls_server_name = conf->tls_server_name,
        .reach = FL_REACH_ANY,
        .use_proxy_env = true,
    };
    if (r == 0) {
        r = fl_http_new(&http, &k->http, err);
    }
    if (r == 0 && http.cert_pem) {
        http.cert_pem = http.key_pem = NULL;
        r = fl_http_new(&http, &k->bare, err);
    }
    if (r < 0) {
        return r;
    }
    k->pump = fl_http_pump_new(clock);
    *ret = fl_take(owned);
    return 0;
}

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"

int fl_kube_new_in_cluster(struct fl_clock *clock, struct fl_kube **ret, struct fl_err *err)
{
    /* NOLINTBEGIN(concurrency-mt-unsafe): nothing here changes the environment */
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");
    /* NOLINTEND(concurrency-mt-unsafe) */
    if (!host || !host[0] || !port || !port[0]) {
        return fl_fail(
            err, FL_E_NOT_FOUND, "NotInCluster",
            "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no "
            "pod of a cluster");
    }
    fl_auto_val(fl_buf) ca = FL_BUF_INIT(CA_MAX);
    int r = fl_file_read(ACCOUNT "ca.crt", CA_MAX, &ca, err);
    if (r < 0) {
        return r;
    }
    fl_auto_text server =
        fl_asprintf(strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host, port);
    const struct fl_kubeconfig conf = {
        .server = server, .ca_pem = ca.data, .token_file = ACCOUNT "token"};
    return fl_kube_new_remote(&conf, clock, ret, err);
}
