/* SPDX-License-Identifier: Apache-2.0 */
#include "app/work.h"

#include <stdatomic.h>
#include <unistd.h>

#include "app/adapters.h"
#include "app/controllers.h"
#include "app/web.h"
#include "base/mem.h"
#include "hook/receiver.h"
#include "remote/git/mirror.h"
#include "wire/httpd.h"

struct fl_work {
    struct fl_work_conf conf;
    struct fl_metrics *metrics;
    struct fl_remotes *remotes;
    struct fl_mirrors *mirrors;
    char *mirrors_dir, *run_dir;
    struct fl_engine *engine; /* NULL without controllers */
    struct fl_httpd *httpd;   /* NULL without --metrics-listen */
    struct fl_webapp *web;    /* NULL without --web-listen */
    atomic_bool begun;        /* engine is as it stays */
};

static void work_answer(struct fl_response *res, int status, const char *type)
{
    res->status = status;
    res->content_type = type;
}

static void work_serve_metrics(struct fl_work *w, struct fl_response *res)
{
    fl_metrics_write(w->metrics, &res->body);
    if (w->conf.metrics) {
        w->conf.metrics(w->conf.arg, &res->body);
    }
    work_answer(res, 200, "text/plain; version=0.0.4; charset=utf-8");
}

static bool work_ready(struct fl_work *w, struct fl_buf *why)
{
    if (w->conf.ready && !w->conf.ready(w->conf.arg, why)) {
        return false;
    }
    if (!atomic_load(&w->begun)) {
        fl_buf_text(why,
                    "the controllers do not run here: they have not started, or another process "
                    "holds the Lease");
        return false;
    }
    return !w->engine || fl_engine_ready(w->engine, why);
}

static void work_serve(void *self, const struct fl_request *req, struct fl_response *res)
{
    struct fl_work *w = self;
    if (strcmp(req->method, "GET") != 0 && strcmp(req->method, "HEAD") != 0) {
        work_answer(res, 405, "text/plain");
        fl_buf_text(&res->body, "only GET\n");
    } else if (fl_str_is(req->path, "/metrics")) {
        work_serve_metrics(w, res);
    } else if (fl_str_is(req->path, "/healthz") || fl_str_is(req->path, "/livez")) {
        work_answer(res, 200, "text/plain");
        fl_buf_text(&res->body, "ok");
    } else if (fl_str_is(req->path, "/readyz")) {
        bool ready = work_ready(w, &res->body);
        work_answer(res, ready ? 200 : 503, "text/plain");
        fl_buf_text(&res->body, ready ? "ok" : "\n");
    } else {
        work_answer(res, 404, "text/plain");
        fl_buf_text(&res->body, "/metrics, /healthz and /readyz are served here\n");
    }
}

static int work_listen(struct fl_work *w, struct fl_err *err)
{
    const char *text = w->conf.options->metrics_listen;
    if (!text) {
        return 0;
    }
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_httpd_conf conf = {
        .serve = work_serve, .self = w, .workers = 2, .max_conns = 64, .server_name = "metrics"};
    int x = fl_options_address("metrics-listen", text, a, &conf.host, &conf.port, err);
    if (x == 0) {
        x = fl_httpd_start(&conf, &w->httpd, err);
    }
    if (x == 0) {
        fl_log(FL_LOG_INFO, "metrics are served", FL_S("host", conf.host),
               FL_I("port", fl_httpd_port(w->httpd)));
    }
    return x;
}

/* Absolute: git runs elsewhere. */
static char *work_mirrors_dir(const struct fl_options *o)
{
    char here[4096] = "";
    const char *dir = o->mirrors_dir;
    fl_auto_text in_data = fl_asprintf("%s/mirrors", o->data_dir ? o->data_dir : FL_DATA_DIR);
    dir = dir ? dir : in_data;
    if (dir[0] == '/' || !getcwd(here, sizeof(here))) {
        return fl_strdup(dir);
    }
    return fl_asprintf("%s/%s", here, dir);
}

static void work_new_mirrors(struct fl_work *w)
{
    w->mirrors_dir = work_mirrors_dir(w->conf.options);
    w->run_dir = fl_asprintf("%s/.run", w->mirrors_dir); /* no namespace has this name */
    const struct fl_mirrors_conf conf = {
        .adapters = fl_adapters,
        .clock = w->conf.clock,
        .metrics = w->metrics,
        .mirrors_dir = w->mirrors_dir,
        .run_dir = w->run_dir,
        .hooks = fl_webapp_hooks(w->web),
        .hooks_ops = w->web ? &fl_hooks_ops : NULL,
        .live = fl_webapp_live(w->web),
        .live_ops = w->web ? &fl_live_ops : NULL,
        .interval_ms = w->conf.options->mirror_interval_ms,
    };
    fl_adapter_git_start(w->run_dir);
    w->mirrors = fl_mirrors_new(&conf);
}

static int work_start_engine(struct fl_work *w, struct fl_err *err)
{
    int x = fl_webapp_open(w->conf.options, w->conf.kube, w->conf.clock, w->metrics, &w->web, err);
    if (x < 0) {
        return x;
    }
    char host[256] = "unknown";
    if (gethostname(host, sizeof(host) - 1) < 0) {
        host[0] = '\0';
    }
    const struct fl_engine_conf conf = {
        .kube = w->conf.kube,
        .clock = w->conf.clock,
        .metrics = w->metrics,
        .ns = w->conf.options->ns,
        .instance = host,
        .backoff_max_ms = w->conf.options->backoff_max_ms,
        .changed = w->web ? fl_webapp_changed : NULL,
        .changed_arg = w->web,
    };
    w->remotes = fl_remotes_new(fl_adapters, w->conf.clock);
    work_new_mirrors(w);
    w->engine = fl_engine_new(&conf);
    fl_controllers_add(w->engine, &(struct fl_selves){w->remotes, w->mirrors});
    fl_engine_start(w->engine);
    return fl_webapp_serve(w->web, w->engine, err);
}

int fl_work_open(const struct fl_work_conf *conf, struct fl_work **ret, struct fl_err *err)
{
    struct fl_work *w = FL_NEW(struct fl_work);
    w->conf = *conf;
    w->metrics = fl_metrics_new();
    int x = work_listen(w, err);
    if (x < 0) {
        fl_work_stop(w, 0);
        return x;
    }
    *ret = w;
    return 0;
}

int fl_work_begin(struct fl_work *w, struct fl_err *err)
{
    int x = 0;
    if (w->conf.controllers) {
        x = work_start_engine(w, err);
    } else if (w->conf.options->web_listen) {
        x = fl_fail(err, FL_E_INVALID, "Usage",
                    "--web-listen shows what controllers do: it cannot go with --no-controllers");
    }
    if (x == 0) {
        atomic_store(&w->begun, true);
    }
    return x;
}

void fl_work_stop(struct fl_work *w, int64_t grace_ms)
{
    if (!w) {
        return;
    }
    fl_webapp_stop(w->web, 0);
    if (w->engine) {
        fl_engine_stop(w->engine, grace_ms);
    }
    if (w->httpd) {
        fl_httpd_stop(w->httpd, 0);
    }
    if (w->engine) {
        fl_engine_free(w->engine);
        fl_remotes_free(w->remotes);
        fl_mirrors_free(w->mirrors);
        fl_free(w->mirrors_dir);
        fl_free(w->run_dir);
    }
    fl_webapp_free(w->web);
    fl_metrics_free(w->metrics);
    fl_free(w);
}
