/* SPDX-License-Identifier: Apache-2.0
 * A whole server in a folder of its own under a fake clock, asked in-process, and rows of requests with the answers they
 * must get. In paths, bodies and wanted texts ' stands for ", and @rv@, @uid@, @cont@ for what the last row with `keep`
 * answered. */
#ifndef FL_TESTS_UNIT_APISERVER_HARNESS_H
#define FL_TESTS_UNIT_APISERVER_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <unistd.h>

#include "apiserver/apiserver.h"
#include "apiserver/server.h"
#include "base/mem.h"
#include "wire/scan.h"

#define API_WALL_MS INT64_C(1700000000000) /* 2023-11-14T22:13:20Z */
#define API_TOKEN "sesame"

struct api {
    char *dir;
    struct fl_clock *clock;
    struct fl_apiserver *s;
    char rv[32], uid[64], cont[512];
};

struct reply {
    struct fl_arena *arena;
    struct fl_response res;
    struct fl_str text;
};

static inline void api_open(struct api *a)
{
    struct fl_secret token = {0};
    struct fl_err err = FL_ERR_INIT;
    fl_secret_set(&token, fl_str_of(API_TOKEN));
    struct fl_apiserver_conf conf = {
        .data_dir = a->dir, .clock = a->clock, .token = &token, .sync_normal = true};
    int rc = fl_apiserver_open(&conf, &a->s, &err);
    fl_secret_release(&token);
    if (rc < 0) {
        fail_msg("open: %s", err.msg);
    }
}

static inline int api_setup(void **state)
{
    const char *tmp = getenv("TMPDIR");
    struct api *a = FL_NEW(struct api);
    a->dir = fl_asprintf("%s/fl-api-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(a->dir)) {
        return -1;
    }
    a->clock = fl_clock_fake_new(API_WALL_MS);
    api_open(a);
    *state = a;
    return 0;
}

static inline void api_remove_dir(const char *path)
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

static inline int api_teardown(void **state)
{
    struct api *a = *state;
    fl_apiserver_close(a->s);
    fl_clock_free(a->clock);
    api_remove_dir(a->dir);
    fl_free(a->dir);
    fl_free(a);
    return 0;
}

/* Text with the placeholders filled in; in the arena. */
static inline const char *api_fill(const struct api *a, struct fl_arena *arena, const char *s)
{
    const struct {
        const char *mark, *value;
    } marks[] = {{"@rv@", a->rv}, {"@uid@", a->uid}, {"@cont@", a->cont}};
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    for (const char *p = s ? s : ""; *p;) {
        size_t i = 0;
        while (i < FL_LEN(marks) && !fl_text_starts(p, marks[i].mark)) {
            i++;
        }
        if (i < FL_LEN(marks)) {
            fl_buf_text(&b, marks[i].value);
            p += strlen(marks[i].mark);
        } else {
            fl_buf_char(&b, *p == '\'' ? '"' : *p);
            p++;
        }
    }
    return fl_arena_str(arena, fl_buf_slice(&b));
}

struct ask {
    const char *method, *path; /* with its query */
    const char *type;          /* Content-Type; NULL: none */
    const char *accept;        /* NULL: none */
    const char *auth;          /* NULL: asked in-process as the admin; "": no header */
    const char *match;         /* If-None-Match */
    struct fl_str body;
};

/* The answer; a feed stays open until reply_release. */
static inline struct reply api_ask(struct api *a, const struct ask *q)
{
    struct reply r = {.arena = fl_arena_new()};
    struct fl_header headers[4];
    size_t n = 0;
    struct fl_str path = fl_str_of(api_fill(a, r.arena, q->path)), query = path, head;
    if (q->type) {
        headers[n++] = (struct fl_header){"Content-Type", q->type};
    }
    if (q->accept) {
        headers[n++] = (struct fl_header){"Accept", q->accept};
    }
    if (q->auth && q->auth[0]) {
        headers[n++] = (struct fl_header){"Authorization", q->auth};
    }
    if (q->match) {
        headers[n++] = (struct fl_header){"If-None-Match", q->match};
    }
    (void)fl_str_cut(&query, '?', &head);
    struct fl_request req = {
        .method = q->method,
        .path = head,
        .query = query,
        .headers = headers,
        .n_headers = n,
        .body = q->body,
        .user = q->auth ? NULL : FL_ADMIN_USER,
        .arena = r.arena,
    };
    fl_response_init(&r.res, FL_BUF_ANY);
    fl_apiserver_serve(a->s, &req, &r.res);
    r.text = r.res.shared ? fl_shared_str(r.res.shared) : fl_buf_slice(&r.res.body);
    return r;
}

static inline void reply_release(struct reply *r)
{
    fl_response_release(&r->res);
    fl_arena_free(r->arena);
}

static inline const char *reply_header(const struct reply *r, const char *name)
{
    for (size_t i = 0; i < r->res.n_headers; i++) {
        if (fl_str_case_is(fl_str_of(r->res.headers[i].name), name)) {
            return r->res.headers[i].value;
        }
    }
    return NULL;
}

struct row {
    const char *name;
    const char *method, *path;
    const char *body;
    const char *type; /* Content-Type; NULL: application/json when there is a body */
    const char *accept;
    int status;
    const char *want[5]; /* each must be in the answer, or in its Warning header */
    const char * not ;   /* must not be in it */
    bool keep;           /* remember resourceVersion, uid, continue */
};

static inline void api_keep_text(struct fl_str text, const char *path, char *to, size_t size)
{
    struct fl_str s;
    if (fl_scan_plain(fl_scan_path(text, path), &s)) {
        (void)snprintf(to, size, "%.*s", FL_STR_ARG(s));
    } else {
        to[0] = '\0';
    }
}

static inline void api_keep(struct api *a, struct fl_str text)
{
    api_keep_text(text, "metadata.resourceVersion", a->rv, sizeof(a->rv));
    api_keep_text(text, "metadata.uid", a->uid, sizeof(a->uid));
    api_keep_text(text, "metadata.continue", a->cont, sizeof(a->cont));
}

static inline struct fl_str api_terminated(struct reply *r)
{
    return fl_str_of(fl_arena_str(r->arena, r->text));
}

static inline void api_row(struct api *a, const struct row *w)
{
    fl_auto(fl_arena) arena = fl_arena_new();
    struct ask q = {.method = w->method, .path = w->path, .type = w->type, .accept = w->accept};
    q.body = fl_str_of(api_fill(a, arena, w->body));
    q.type = w->type || !w->body ? w->type : "application/json";
    struct reply r = api_ask(a, &q);
    struct fl_str text = api_terminated(&r);
    const char *warning = reply_header(&r, "Warning");
    if (r.res.status != w->status) {
        fail_msg("%s: status %d, wanted %d: %s", w->name, r.res.status, w->status, text.p);
    }
    for (size_t i = 0; i < FL_LEN(w->want) && w->want[i]; i++) {
        const char *want = api_fill(a, arena, w->want[i]);
        if (!strstr(text.p, want) && !(warning && strstr(warning, want))) {
            fail_msg("%s: no '%s' in: %s (warning: %s)", w->name, want, text.p,
                     warning ? warning : "none");
        }
    }
    if (w->not ) {
        const char *not = api_fill(a, arena, w->not );
        if (strstr(text.p, not ) || (warning && strstr(warning, not ))) {
            fail_msg("%s: '%s' in: %s (warning: %s)", w->name, not, text.p,
                     warning ? warning : "none");
        }
    }
    if (w->keep) {
        api_keep(a, text);
    }
    reply_release(&r);
}

static inline void api_rows(struct api *a, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        api_row(a, &rows[i]);
    }
}

/* All that a watch has to say now. */
static inline void api_drain(struct reply *r, struct fl_buf *out)
{
    struct fl_shared *chunk = NULL;
    while (r->res.feed && r->res.feed->ops->next(r->res.feed, &chunk) == FL_FEED_DATA) {
        fl_buf_str(out, fl_shared_str(chunk));
        fl_shared_free(chunk);
    }
}

#define API_ROWS(a, rows) api_rows((a), (rows), FL_LEN(rows))
#define API_TEST(f) cmocka_unit_test_setup_teardown(f, api_setup, api_teardown)

/* Paths that most rows use. */
#define P_CM "/api/v1/namespaces/default/configmaps"
#define P_SECRET "/api/v1/namespaces/default/secrets"
#define P_NS "/api/v1/namespaces"
#define P_EVENT "/api/v1/namespaces/default/events"
#define P_LEASE "/apis/coordination.k8s.io/v1/namespaces/default/leases"
#define P_REG "/apis/fairlead.dev/v1alpha1/namespaces/default/registries"
#define P_POL "/apis/fairlead.dev/v1alpha1/namespaces/default/replicationpolicies"
#define REG_HEAD "{'apiVersion':'fairlead.dev/v1alpha1','kind':'Registry',"
#define REG(name, spec)                                                                            \
    REG_HEAD "'metadata':{'name':'" name "'},'spec':{'url':'https://r.example'" spec "}}"
#define MERGE "application/merge-patch+json"
#define JSON_PATCH "application/json-patch+json"
#define STRATEGIC "application/strategic-merge-patch+json"

#endif
