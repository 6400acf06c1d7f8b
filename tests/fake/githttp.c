/* SPDX-License-Identifier: Apache-2.0 */
#include "fake/githttp.h"

#include "base/lock.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "wire/httpd.h"
#include "wire/proc.h"

enum { BODY_MAX = 256 << 20, PATIENCE_MS = 60000 };

struct fl_fake_githttp {
    struct fl_fake_githttp_conf conf;
    char *root;
    char *authorization; /* NULL: everybody */
    char *url;
    struct fl_httpd *httpd;
    struct fl_lock lock; /* below */
    struct fl_cond changed;
    char *hold;
    int held;
    char *fail;
    int fail_status;
    char *moved_from, *moved_to;
    int requests;
};

/* A request ends what it is asked to and waits while it is held; the status to fail with, or 0. */
static int on_way(struct fl_fake_githttp *s, struct fl_str path)
{
    fl_lock_scope(&s->lock);
    s->requests++;
    if (s->hold && fl_str_ends(path, s->hold)) {
        s->held++;
        fl_cond_broadcast(&s->changed);
        while (s->hold) {
            fl_cond_wait(&s->changed, &s->lock);
        }
        s->held--;
    }
    return s->fail && fl_str_ends(path, s->fail) ? s->fail_status : 0;
}

/* Where the request is sent on to, in the arena; NULL: nowhere. */
static const char *sent_on(struct fl_fake_githttp *s, const struct fl_request *req)
{
    fl_lock_scope(&s->lock);
    size_t n = s->moved_from ? strlen(s->moved_from) : 0;
    if (n == 0 || !fl_str_starts(req->path, s->moved_from)) {
        return NULL;
    }
    return fl_arena_fmt(req->arena, "%s%s%.*s%s%.*s", s->url, s->moved_to, (int)(req->path.n - n),
                        req->path.p + n, req->query.n > 0 ? "?" : "", FL_STR_ARG(req->query));
}

static bool allowed(const struct fl_fake_githttp *s, const struct fl_request *req)
{
    return !s->authorization ||
           fl_text_eq(fl_request_header(req, "Authorization"), s->authorization);
}

static void add_var(struct fl_arena *a, const char ***v, size_t *n, const char *name,
                    const char *value)
{
    if (value) {
        *v = fl_arena_grow(a, *v, *n, sizeof(**v));
        (*v)[(*n)++] = fl_arena_fmt(a, "%s=%s", name, value);
    }
}

/* RFC 3875; Documentation/git-http-backend. */
static const char **cgi_env(const struct fl_fake_githttp *s, const struct fl_request *req)
{
    struct fl_arena *a = req->arena;
    const char **v = NULL;
    size_t n = 0;

    add_var(a, &v, &n, "PATH", "/usr/bin:/bin");
    add_var(a, &v, &n, "GIT_CONFIG_GLOBAL", "/dev/null");
    add_var(a, &v, &n, "GIT_CONFIG_NOSYSTEM", "1");
    add_var(a, &v, &n, "GIT_CONFIG_COUNT", "2");
    add_var(a, &v, &n, "GIT_CONFIG_KEY_0", "http.receivepack");
    add_var(a, &v, &n, "GIT_CONFIG_VALUE_0", s->conf.push ? "true" : "false");
    add_var(a, &v, &n, "GIT_CONFIG_KEY_1", "receive.autogc");
    add_var(a, &v, &n, "GIT_CONFIG_VALUE_1", "false");
    add_var(a, &v, &n, "GIT_PROJECT_ROOT", s->root);
    add_var(a, &v, &n, "GIT_HTTP_EXPORT_ALL", "1");
    add_var(a, &v, &n, "REQUEST_METHOD", req->method);
    add_var(a, &v, &n, "PATH_INFO", fl_arena_str(a, req->path));
    add_var(a, &v, &n, "QUERY_STRING", fl_arena_str(a, req->query));
    add_var(a, &v, &n, "CONTENT_TYPE", fl_request_header(req, "Content-Type"));
    add_var(a, &v, &n, "CONTENT_LENGTH", fl_arena_fmt(a, "%zu", req->body.n));
    add_var(a, &v, &n, "HTTP_CONTENT_ENCODING", fl_request_header(req, "Content-Encoding"));
    add_var(a, &v, &n, "REMOTE_ADDR", "127.0.0.1");
    if (!s->conf.drop_git_protocol) {
        add_var(a, &v, &n, "GIT_PROTOCOL", fl_request_header(req, "Git-Protocol"));
    }
    v = fl_arena_grow(a, v, n, sizeof(*v));
    v[n] = NULL;
    return v;
}

/* Headers up to the empty line, then the body. */
static void answer(const struct fl_request *req, struct fl_str out, struct fl_response *res)
{
    struct fl_str line;
    int64_t status = 200;

    while (fl_str_cut(&out, '\n', &line) && line.n > 1) {
        struct fl_str value = line;
        struct fl_str name;

        if (value.p[value.n - 1] == '\r') {
            value.n--;
        }
        (void)fl_str_cut(&value, ':', &name);
        value = fl_str_trim(value);
        if (fl_str_case_is(name, "Status")) {
            value.n = value.n > 3 ? 3 : value.n;
            (void)fl_num_i64(value, &status);
        } else if (fl_str_case_is(name, "Content-Type")) {
            res->content_type = fl_arena_str(req->arena, value);
        }
    }
    res->status = (int)status;
    fl_buf_release(&res->body);
    fl_buf_init(&res->body, FL_BUF_ANY);
    fl_buf_str(&res->body, out);
}

static void serve(void *self, const struct fl_request *req, struct fl_response *res)
{
    struct fl_fake_githttp *s = self;
    static const char *const argv[] = {"git", "http-backend", NULL};
    struct fl_ctx ctx = fl_ctx_root(fl_clock_real(), NULL);
    fl_auto_val(fl_proc_resp) r;
    struct fl_err err = FL_ERR_INIT;
    int status = on_way(s, req->path);

    fl_proc_resp_init(&r);
    if (status == 0 && !allowed(s, req)) {
        status = 401;
        fl_response_header(res, "WWW-Authenticate", "Basic realm=\"git\"");
    }
    const char *to = status ? NULL : sent_on(s, req);
    if (to) {
        status = 301;
        fl_response_header(res, "Location", to);
    }
    if (status) {
        res->status = status;
        return;
    }
    struct fl_proc_req p = {.argv = argv,
                            .env = cgi_env(s, req),
                            .input = req->body,
                            .out_cap = BODY_MAX,
                            .keep_fd = -1};
    if (fl_proc_run(&p, &ctx, &r, &err)) {
        res->status = 500;
        return;
    }
    answer(req, fl_buf_slice(&r.out), res);
}

static size_t body_cap(void *self, const struct fl_request *head)
{
    (void)self;
    (void)head;
    return BODY_MAX;
}

struct fl_fake_githttp *fl_fake_githttp_new(const struct fl_fake_githttp_conf *conf)
{
    struct fl_fake_githttp *s = FL_NEW(struct fl_fake_githttp);
    struct fl_err err = FL_ERR_INIT;

    s->conf = *conf;
    s->root = fl_strdup(conf->root);
    fl_lock_init(&s->lock, "githttp", FL_RANK_APP);
    fl_cond_init(&s->changed);
    if (conf->user) {
        fl_auto_text pair = fl_asprintf("%s:%s", conf->user, conf->password);
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);

        fl_buf_text(&b, "Basic ");
        fl_base64_add(&b, pair, strlen(pair));
        s->authorization = fl_buf_take(&b);
    }
    int rc = fl_httpd_start(&(struct fl_httpd_conf){.host = "127.0.0.1",
                                                    .serve = serve,
                                                    .self = s,
                                                    .body_cap = body_cap,
                                                    .server_name = "git"},
                            &s->httpd, &err);
    fl_assert(rc == 0);
    s->url = fl_asprintf("http://127.0.0.1:%u", (unsigned)fl_httpd_port(s->httpd));
    return s;
}

void fl_fake_githttp_free(struct fl_fake_githttp *s)
{
    if (!s) {
        return;
    }
    fl_fake_githttp_release(s);
    fl_httpd_stop(s->httpd, 10000);
    fl_cond_destroy(&s->changed);
    fl_lock_destroy(&s->lock);
    fl_free(s->hold);
    fl_free(s->fail);
    fl_free(s->moved_from);
    fl_free(s->moved_to);
    fl_free(s->authorization);
    fl_free(s->root);
    fl_free(s->url);
    fl_free(s);
}

const char *fl_fake_githttp_url(const struct fl_fake_githttp *s)
{
    return s->url;
}

int fl_fake_githttp_requests(struct fl_fake_githttp *s)
{
    fl_lock_scope(&s->lock);
    int n = s->requests;
    s->requests = 0;
    return n;
}

void fl_fake_githttp_hold(struct fl_fake_githttp *s, const char *suffix)
{
    fl_lock_scope(&s->lock);
    fl_free(s->hold);
    s->hold = fl_strdup(suffix);
}

bool fl_fake_githttp_wait_held(struct fl_fake_githttp *s)
{
    int64_t end = fl_clock_mono_ms(fl_clock_real()) + PATIENCE_MS;
    fl_lock_scope(&s->lock);
    while (s->held == 0 && fl_clock_mono_ms(fl_clock_real()) < end) {
        (void)fl_cond_wait_until(&s->changed, &s->lock, end);
    }
    return s->held > 0;
}

void fl_fake_githttp_release(struct fl_fake_githttp *s)
{
    fl_lock_scope(&s->lock);
    fl_free(s->hold);
    s->hold = NULL;
    fl_cond_broadcast(&s->changed);
}

void fl_fake_githttp_fail(struct fl_fake_githttp *s, const char *suffix, int status)
{
    fl_lock_scope(&s->lock);
    fl_free(s->fail);
    s->fail = fl_strdup(suffix);
    s->fail_status = status;
}

void fl_fake_githttp_moved(struct fl_fake_githttp *s, const char *from, const char *to)
{
    fl_lock_scope(&s->lock);
    fl_free(s->moved_from);
    fl_free(s->moved_to);
    s->moved_from = fl_strdup(from);
    s->moved_to = fl_strdup(to);
}
