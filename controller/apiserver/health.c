/* SPDX-License-Identifier: Apache-2.0
 * /healthz, /livez, /readyz, each also with a check's name behind it; texts and codes of k8s.io/apiserver pkg/server/healthz,
 * with the reason of a failure, which the real server keeps for its log. */
#include "apiserver/server.h"

#include "apiserver/status.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/url.h"

static int check_ping(struct fl_apiserver *s, struct fl_err *err)
{
    (void)s;
    (void)err;
    return 0;
}

static int check_store(struct fl_apiserver *s, struct fl_err *err)
{
    return fl_store_fault(s->store, err);
}

/* A disk that is full is no reason to start the process anew, so liveness does not ask for it. */
static const struct check {
    const char *name;
    int (*run)(struct fl_apiserver *s, struct fl_err *err);
    bool readiness_only;
} checks[] = {{"ping", check_ping, false}, {"store", check_store, true}};

static const struct page {
    const char *path;
    bool readiness;
} pages[] = {{"/healthz", false}, {"/livez", false}, {"/readyz", true}};

static bool asks(const struct page *p, const struct check *c)
{
    return p->readiness || !c->readiness_only;
}

static void answer(struct fl_response *res, bool ok)
{
    res->status = ok ? 200 : 500;
    res->content_type = "text/plain; charset=utf-8";
    fl_response_header(res, "Cache-Control", "no-cache, private");
    fl_response_header(res, "X-Content-Type-Options", "nosniff");
}

static void answer_page(struct fl_apiserver *s, const struct page *p, bool verbose,
                        struct fl_response *res)
{
    bool ok = true;
    for (size_t i = 0; i < FL_LEN(checks); i++) {
        struct fl_err err = FL_ERR_INIT;
        if (!asks(p, &checks[i])) {
            continue;
        }
        if (checks[i].run(s, &err) == 0) {
            fl_buf_fmt(&res->body, "[+]%s ok\n", checks[i].name);
        } else {
            fl_buf_fmt(&res->body, "[-]%s failed: %s\n", checks[i].name, err.msg);
            ok = false;
        }
    }
    fl_buf_fmt(&res->body, "%s check %s\n", p->path + 1, ok ? "passed" : "failed");
    answer(res, ok);
    if (ok && !verbose) {
        fl_buf_clear(&res->body);
        fl_buf_text(&res->body, "ok");
    }
}

static void answer_check(struct fl_apiserver *s, const struct check *c, struct fl_response *res)
{
    struct fl_err err = FL_ERR_INIT;
    bool ok = c->run(s, &err) == 0;
    answer(res, ok);
    if (ok) {
        fl_buf_text(&res->body, "ok");
    } else {
        fl_buf_fmt(&res->body, "internal server error: %s\n", err.msg);
    }
}

/* What stands behind the path of a page; false: this is not it. */
static bool behind(struct fl_str path, const char *page, struct fl_str *ret)
{
    size_t n = strlen(page);
    *ret = FL_STR("");
    if (!fl_str_starts(path, page) || (path.n > n && path.p[n] != '/')) {
        return false;
    }
    if (path.n > n) {
        *ret = (struct fl_str){path.p + n + 1, path.n - n - 1};
    }
    return true;
}

static const struct check *check_named(const struct page *p, struct fl_str name)
{
    for (size_t i = 0; i < FL_LEN(checks); i++) {
        if (asks(p, &checks[i]) && fl_str_is(name, checks[i].name)) {
            return &checks[i];
        }
    }
    return NULL;
}

static bool answer_named(struct fl_apiserver *s, const struct page *p, struct fl_str name,
                         const struct fl_request *req, struct fl_response *res)
{
    fl_auto_val(fl_buf) verbose = FL_BUF_INIT(64);
    const struct check *c = check_named(p, name);
    if (name.n > 0 && !c) {
        return false;
    }
    if (strcmp(req->method, "GET") != 0 && strcmp(req->method, "HEAD") != 0) {
        fl_status_simple(res, 405, "MethodNotAllowed", "%s is not supported on %.*s", req->method,
                         FL_STR_ARG(req->path));
    } else if (c) {
        answer_check(s, c, res);
    } else {
        answer_page(s, p, fl_query_get(req->query, "verbose", &verbose), res);
    }
    return true;
}

bool fl_health_serve(struct fl_apiserver *s, const struct fl_request *req, struct fl_response *res)
{
    struct fl_str name;
    for (size_t i = 0; i < FL_LEN(pages); i++) {
        if (behind(req->path, pages[i].path, &name)) {
            return answer_named(s, &pages[i], name, req, res);
        }
    }
    return false;
}

bool fl_apiserver_ready(struct fl_apiserver *s, struct fl_buf *why)
{
    struct fl_err err = FL_ERR_INIT;
    if (check_store(s, &err) == 0) {
        return true;
    }
    fl_buf_text(why, err.msg);
    return false;
}

/* The disk, from the tick. */

static const char *advice(const struct fl_err *err)
{
    if (strcmp(err->reason, "StoreFull") == 0) {
        return "make room on the disk that holds it";
    }
    return err->code == FL_E_BAD_DATA ? "the file is damaged: end fairlead and put a backup back"
                                      : "look at the disk that holds it and at the kernel's log";
}

void fl_apiserver_watch_disk(struct fl_apiserver *s)
{
    struct fl_err err = FL_ERR_INIT;
    if (fl_store_fault(s->store, &err) == 0) {
        return;
    }
    if (!s->disk_told) {
        s->disk_told = true;
        fl_log(FL_LOG_ERROR,
               "the database takes no writes: changes are refused, and tried again each second",
               FL_S("path", fl_store_path(s->store)), FL_ERR(&err), FL_S("do", advice(&err)));
    }
    if (fl_store_probe(s->store, &err) == 0 && fl_store_fault(s->store, &err) == 0) {
        s->disk_told = false;
        fl_log(FL_LOG_INFO, "the database takes writes again",
               FL_S("path", fl_store_path(s->store)));
    }
}
