/* SPDX-License-Identifier: Apache-2.0
 * The verbs, above both doors. */
#include "base/mem.h"
#include "base/num.h"
#include "base/secret.h"
#include "kube/kube_priv.h"
#include "wire/scan.h"

#define TRIES 6 /* one and five more, as long as the server names a time to wait */
#define RETRY_MAX_MS 60000
#define PAGE 500
#define SAID_MAX 400

struct fl_str kube_answer_text(const struct kube_answer *a)
{
    return a->shared ? fl_shared_str(a->shared) : fl_buf_slice(&a->body);
}

/* Shared bytes may be read by others; whoever drops the last reference to a secret wipes it. */
void kube_answer_release(struct kube_answer *a)
{
    if (a->secret) {
        fl_buf_wipe(&a->body);
        if (a->shared && atomic_load(&a->shared->refs) == 1) {
            fl_wipe(a->shared->data, a->shared->n);
        }
    }
    fl_buf_release(&a->body);
    fl_shared_free(a->shared);
    a->shared = NULL;
}

void fl_kube_free(struct fl_kube *k)
{
    if (k) {
        k->door->free(k);
    }
}

struct fl_clock *fl_kube_clock(const struct fl_kube *k)
{
    return k->clock;
}

const char *fl_kube_host(const struct fl_kube *k)
{
    return k->host;
}

void fl_kube_observe(struct fl_kube *k, void (*answered)(void *arg, const char *method, int code),
                     void *arg)
{
    k->answered = answered;
    k->answered_arg = arg;
}

void kube_path(struct fl_buf *b, const struct fl_kind *kind, struct fl_str ns, struct fl_str name,
               const char *sub)
{
    if (kind->group[0]) {
        fl_buf_fmt(b, "/apis/%s/%s", kind->group, kind->version);
    } else {
        fl_buf_fmt(b, "/api/%s", kind->version);
    }
    if (kind->namespaced && ns.n > 0) {
        fl_buf_text(b, "/namespaces/");
        fl_buf_url(b, ns, "");
    }
    fl_buf_fmt(b, "/%s", kind->plural);
    if (name.n > 0) {
        fl_buf_char(b, '/');
        fl_buf_url(b, name, "");
    }
    if (sub[0]) {
        fl_buf_fmt(b, "/%s", sub);
    }
}

/* ---- failures: kubernetes.md 3.11 ---- */

struct said { /* what a Status tells */
    char reason[48];
    char message[SAID_MAX];
    int64_t retry_after_ms;
};

static void said_text(struct fl_str value, char *ret, size_t room)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    if (!fl_scan_text(value, &b)) {
        return;
    }
    size_t n = 0;
    while (n < b.len) {
        size_t step = fl_utf8_step((struct fl_str){b.data + n, b.len - n});
        if (step == 0 || n + step >= room) {
            break;
        }
        n += step;
    }
    memcpy(ret, b.data, n);
    ret[n] = '\0';
}

static bool said_is_word(const char *s)
{
    for (; *s; s++) {
        if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9'))) {
            return false;
        }
    }
    return true;
}

static void said_read(struct fl_str body, struct said *ret)
{
    struct fl_str kind = {0};
    int64_t seconds = 0;
    if (fl_json_check(body, NULL) < 0 || !fl_scan_plain(fl_scan_path(body, "kind"), &kind) ||
        !fl_str_is(kind, "Status")) {
        return;
    }
    said_text(fl_scan_path(body, "reason"), ret->reason, sizeof(ret->reason));
    said_text(fl_scan_path(body, "message"), ret->message, sizeof(ret->message));
    if (!said_is_word(ret->reason)) {
        ret->reason[0] = '\0';
    }
    if (fl_scan_i64(fl_scan_path(body, "details.retryAfterSeconds"), &seconds) && seconds > 0 &&
        seconds <= 3600) {
        ret->retry_after_ms = seconds * 1000;
    }
}

static const struct {
    int status;
    enum fl_code code;
    const char *reason;
} meanings[] = {
    {400, FL_E_INVALID, "BadRequest"},      {401, FL_E_AUTH, "Unauthorized"},
    {403, FL_E_AUTH, "Forbidden"},          {404, FL_E_NOT_FOUND, "NotFound"},
    {408, FL_E_TIMEOUT, "Timeout"},         {409, FL_E_CONFLICT, "Conflict"},
    {410, FL_E_NOT_FOUND, "Expired"},       {422, FL_E_INVALID, "Invalid"},
    {429, FL_E_LIMITED, "TooManyRequests"}, {504, FL_E_TIMEOUT, "Timeout"},
};

static enum fl_code meaning(int status, const char **ret_reason)
{
    for (size_t i = 0; i < FL_LEN(meanings); i++) {
        if (meanings[i].status == status) {
            *ret_reason = meanings[i].reason;
            return meanings[i].code;
        }
    }
    *ret_reason = status >= 500 ? "ServerError" : "BadAnswer";
    return status >= 500 ? FL_E_UNAVAILABLE : status >= 400 ? FL_E_INVALID : FL_E_BAD_DATA;
}

int kube_fail(int status, int64_t retry_after_ms, struct fl_str body, struct fl_err *err)
{
    struct said said = {.retry_after_ms = -1};
    said_read(body, &said);
    const char *reason = NULL;
    enum fl_code code = meaning(status, &reason);
    if (status == 409 && strcmp(said.reason, "AlreadyExists") == 0) {
        code = FL_E_EXISTS;
    }
    /* "Gone" is what old servers say instead of "Expired"; callers ask for one word. */
    if (status != 410 && said.reason[0]) {
        reason = said.reason;
    }
    int64_t after = retry_after_ms >= 0 ? retry_after_ms : said.retry_after_ms;
    if (said.message[0]) {
        return fl_fail_http(err, code, status, after, reason, "%s", said.message);
    }
    return fl_fail_http(err, code, status, after, reason,
                        "the Kubernetes API answered with status %d", status);
}

/* ---- one call ---- */

static bool call_may_repeat(const struct kube_answer *a)
{
    return a->retry_after_ms >= 0 && (a->status == 429 || a->status >= 500);
}

static int call_once(struct fl_kube *k, const struct fl_ctx *ctx, const struct kube_call *call,
                     struct kube_answer *ret, struct fl_err *err)
{
    *ret = (struct kube_answer){.retry_after_ms = -1, .secret = call->secret};
    fl_buf_init(&ret->body, FL_BUF_ANY);
    int r = fl_ctx_check(ctx, "the Kubernetes API", err);
    if (r == 0) {
        r = k->door->exchange(k, ctx, call, ret, err);
        if (k->answered) {
            k->answered(k->answered_arg, call->method, r == 0 ? ret->status : 0);
        }
    }
    return r;
}

/* 0: answered in the 200s; *ret is the caller's in any case. */
static int call_do(struct fl_kube *k, const struct fl_ctx *ctx, const struct kube_call *call,
                   struct kube_answer *ret, struct fl_err *err)
{
    for (int i = 1;; i++) {
        int r = call_once(k, ctx, call, ret, err);
        if (r < 0) {
            return r;
        }
        if (ret->status >= 200 && ret->status < 300) {
            struct fl_str text = kube_answer_text(ret);
            r = k->door->trusted || text.n == 0 ? 0 : fl_json_check(text, err);
            return r < 0 && err ? fl_wrap(err, "the Kubernetes API's answer") : r;
        }
        int64_t left = fl_ctx_left_ms(ctx);
        if (i == TRIES || !call_may_repeat(ret) || ret->retry_after_ms >= left) {
            return kube_fail(ret->status, ret->retry_after_ms, kube_answer_text(ret), err);
        }
        int64_t wait = ret->retry_after_ms < RETRY_MAX_MS ? ret->retry_after_ms : RETRY_MAX_MS;
        kube_answer_release(ret);
        r = fl_ctx_sleep(ctx, wait, err);
        if (r < 0) {
            return r;
        }
    }
}

static struct fl_shared *answer_take(struct kube_answer *a)
{
    return a->shared ? fl_take(a->shared) : fl_shared_new(fl_buf_slice(&a->body));
}

static int call_object(struct fl_kube *k, const struct fl_ctx *ctx, const struct fl_kind *kind,
                       struct kube_call *call, struct fl_shared **ret, struct fl_err *err)
{
    call->secret = (kind->flags & FL_KIND_ENCRYPTED) != 0;
    fl_auto_val(kube_answer) a = {0};
    int r = call_do(k, ctx, call, &a, err);
    if (r < 0) {
        return r;
    }
    if (ret) {
        *ret = answer_take(&a);
    }
    return 0;
}

int fl_kube_get(struct fl_kube *k, const struct fl_ctx *ctx, const struct fl_kind *kind,
                struct fl_str ns, struct fl_str name, struct fl_shared **ret, struct fl_err *err)
{
    fl_auto_val(fl_buf) path = FL_BUF_INIT(FL_BUF_ANY);
    kube_path(&path, kind, ns, name, "");
    struct kube_call call = {.method = "GET", .path = fl_buf_slice(&path)};
    return call_object(k, ctx, kind, &call, ret, err);
}

int fl_kube_create(struct fl_kube *k, const struct fl_ctx *ctx, const struct fl_kind *kind,
                   struct fl_str ns, struct fl_str body, struct fl_shared **ret, struct fl_err *err)
{
    fl_auto_val(fl_buf) path = FL_BUF_INIT(FL_BUF_ANY);
    kube_path(&path, kind, ns, (struct fl_str){0}, "");
    struct kube_call call = {.method = "POST",
                             .path = fl_buf_slice(&path),
                             .content_type = "application/json",
                             .body = body};
    return call_object(k, ctx, kind, &call, ret, err);
}

int fl_kube_patch(struct fl_kube *k, const struct fl_ctx *ctx, const struct fl_kind *kind,
                  struct fl_str ns, struct fl_str name, const char *sub, struct fl_str body,
                  struct fl_shared **ret, struct fl_err *err)
{
    fl_auto_val(fl_buf) path = FL_BUF_INIT(FL_BUF_ANY);
    kube_path(&path, kind, ns, name, sub);
    struct kube_call call = {.method = "PATCH",
                             .path = fl_buf_slice(&path),
                             .content_type = "application/merge-patch+json",
                             .body = body};
    return call_object(k, ctx, kind, &call, ret, err);
}

int fl_kube_delete(struct fl_kube *k, const struct fl_ctx *ctx, const struct fl_kind *kind,
                   struct fl_str ns, struct fl_str name, struct fl_str uid, struct fl_err *err)
{
    fl_auto_val(fl_buf) path = FL_BUF_INIT(FL_BUF_ANY);
    kube_path(&path, kind, ns, name, "");
    fl_auto_val(fl_buf) body = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&body, "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\"");
    if (uid.n > 0) {
        fl_buf_text(&body, ",\"preconditions\":{\"uid\":");
        fl_buf_json_str(&body, uid);
        fl_buf_char(&body, '}');
    }
    fl_buf_char(&body, '}');
    struct kube_call call = {.method = "DELETE",
                             .path = fl_buf_slice(&path),
                             .content_type = "application/json",
                             .body = fl_buf_slice(&body)};
    struct fl_err mine = FL_ERR_INIT;
    int r = call_object(k, ctx, kind, &call, NULL, &mine);
    if (r == FL_E_NOT_FOUND) {
        return 0;
    }
    if (r < 0 && err) {
        *err = mine;
    }
    return r;
}

/* ---- lists ---- */

static int list_page(struct fl_kube *k, const struct fl_ctx *ctx, struct fl_str path,
                     struct fl_buf *query, bool secret,
                     int (*item)(void *arg, struct fl_str text, struct fl_err *err), void *arg,
                     char ret_rv[24], struct fl_buf *ret_cont, struct fl_err *err)
{
    struct kube_call call = {
        .method = "GET", .path = path, .query = fl_buf_slice(query), .secret = secret};
    fl_auto_val(kube_answer) a = {0};
    int r = call_do(k, ctx, &call, &a, err);
    if (r < 0) {
        return r;
    }
    struct fl_str meta = {0};
    r = fl_scan_list(kube_answer_text(&a), &meta, item, arg, err);
    if (r < 0) {
        return r;
    }
    struct fl_str rv = {0};
    if (!fl_scan_plain(fl_scan_get(meta, FL_STR("resourceVersion")), &rv) || rv.n >= 24) {
        return fl_fail(err, FL_E_BAD_DATA, "BadList", "a list without resourceVersion");
    }
    memcpy(ret_rv, rv.p, rv.n);
    ret_rv[rv.n] = '\0';
    fl_buf_clear(ret_cont);
    (void)fl_scan_text(fl_scan_get(meta, FL_STR("continue")), ret_cont);
    return 0;
}

int fl_kube_list(struct fl_kube *k, const struct fl_ctx *ctx, const struct fl_kind *kind,
                 struct fl_str ns, const char *labels,
                 int (*item)(void *arg, struct fl_str text, struct fl_err *err), void *arg,
                 char ret_rv[24], struct fl_err *err)
{
    fl_auto_val(fl_buf) path = FL_BUF_INIT(FL_BUF_ANY);
    kube_path(&path, kind, ns, (struct fl_str){0}, "");
    fl_auto_val(fl_buf) cont = FL_BUF_INIT(FL_BUF_ANY);
    char rv[24] = "";
    do {
        fl_auto_val(fl_buf) query = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_fmt(&query, "limit=%d", PAGE);
        if (labels && labels[0]) {
            fl_buf_text(&query, "&labelSelector=");
            fl_buf_url(&query, fl_str_of(labels), "");
        }
        if (cont.len > 0) {
            fl_buf_text(&query, "&continue=");
            fl_buf_url(&query, fl_buf_slice(&cont), "");
        }
        int r = list_page(k, ctx, fl_buf_slice(&path), &query,
                          (kind->flags & FL_KIND_ENCRYPTED) != 0, item, arg, rv, &cont, err);
        if (r < 0) {
            return r;
        }
    } while (cont.len > 0);
    memcpy(ret_rv, rv, sizeof(rv));
    return 0;
}

int fl_kube_forward(struct fl_kube *k, const struct fl_ctx *ctx, const char *method,
                    const char *path, const char *accept, const char *content_type,
                    const char *authorization, struct fl_str body, struct fl_response *ret,
                    struct fl_err *err)
{
    struct fl_str query = fl_str_of(path);
    struct kube_call call = {.method = method,
                             .accept = accept,
                             .content_type = content_type,
                             .body = body,
                             .authorization = authorization};
    (void)fl_str_cut(&query, '?', &call.path);
    call.query = query;
    fl_auto_val(kube_answer) answer = {0};
    int r = call_once(k, ctx, &call, &answer, err);
    if (r < 0) {
        return r;
    }
    ret->status = answer.status;
    ret->shared = fl_take(answer.shared);
    if (!ret->shared) {
        fl_buf_release(&ret->body);
        ret->body = answer.body;
        fl_buf_init(&answer.body, 0);
    }
    return 0;
}

int fl_kube_ping(struct fl_kube *k, const struct fl_ctx *ctx, struct fl_err *err)
{
    static const char *const paths[] = {"/readyz", "/version"};
    int r = 0;
    for (size_t i = 0; i < FL_LEN(paths); i++) {
        struct kube_call call = {.method = "GET", .path = fl_str_of(paths[i]), .accept = "*/*"};
        fl_auto_val(kube_answer) a = {0};
        r = call_once(k, ctx, &call, &a, err);
        if (r < 0) {
            return r;
        }
        if (a.status == 200) {
            return 0;
        }
        r = kube_fail(a.status, a.retry_after_ms, kube_answer_text(&a), err);
        /* Servers that do not offer the first path, or not to everybody, offer the second. */
        if (a.status != 404 && a.status != 403) {
            return r;
        }
    }
    return r;
}
