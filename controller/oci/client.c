/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/url.h"
#include "oci/oci_priv.h"
#include "wire/json.h"

#define OCI_BODY_MAX ((size_t)64 << 10)
#define OCI_SAID_MAX 200 /* bytes of a registry's own words in a message */

/* ---- opening --------------------------------------------------------------------------------------------------- */

static void oci_set_basic(struct fl_oci *o)
{
    if (o->password.n == 0 && o->username.n == 0) {
        return;
    }
    fl_auto_val(fl_buf) plain = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) value = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_add(&plain, o->username.p, o->username.n);
    fl_buf_char(&plain, ':');
    fl_buf_add(&plain, o->password.p, o->password.n);
    fl_buf_text(&value, "Basic ");
    fl_base64_add(&value, plain.data, plain.len);
    fl_secret_set(&o->basic, fl_buf_slice(&value));
    fl_buf_wipe(&plain);
    fl_buf_wipe(&value);
}

/* Docker Hub goes by other names than the host that serves it. registry.md 1. */
static bool oci_is_docker_hub(struct fl_str host)
{
    return fl_str_case_is(host, "docker.io") || fl_str_case_is(host, "index.docker.io") ||
           fl_str_case_is(host, "registry-1.docker.io") ||
           fl_str_case_is(host, "registry.hub.docker.com");
}

static int oci_set_base(struct fl_oci *o, const char *text, struct fl_err *err)
{
    struct fl_url u;
    int x = fl_url_parse(fl_str_of(text), &u, err);
    if (x < 0) {
        (void)snprintf(err->reason, sizeof(err->reason), "InvalidURL");
        return x;
    }
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_URL_MAX);
    o->docker_hub = oci_is_docker_hub(u.host);
    if (o->docker_hub) {
        fl_buf_text(&b, "https://registry-1.docker.io");
    } else {
        fl_url_origin(&b, &u);
    }
    o->origin = fl_strdup(b.data);
    struct fl_str path = u.path;
    while (path.n && path.p[path.n - 1] == '/') {
        path.n--;
    }
    /* People write .../v2 as often as not. */
    if (fl_str_ends(path, "/v2")) {
        path.n -= 3;
    }
    fl_buf_str(&b, path);
    fl_buf_text(&b, "/v2/");
    o->base = fl_buf_take(&b);
    return 0;
}

int fl_oci_open(const struct fl_oci_conf *conf, struct fl_oci **ret, struct fl_err *err)
{
    struct fl_oci *o = FL_NEW(struct fl_oci);
    fl_lock_init(&o->lock, "oci", FL_RANK_REMOTE);
    fl_cond_init(&o->token_ready);
    o->timeout_ms = conf->timeout_ms;
    o->clock = conf->clock;
    fl_secret_set(&o->username, conf->username);
    fl_secret_set(&o->password, conf->password);
    fl_secret_set(&o->identity, conf->identity);
    oci_set_basic(o);
    if (conf->token.n) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_text(&b, "Bearer ");
        fl_buf_str(&b, conf->token);
        fl_secret_set(&o->token, fl_buf_slice(&b));
        fl_buf_wipe(&b);
    }
    const struct fl_http_conf http = {
        .ca_pem = conf->ca_pem,
        .insecure = conf->insecure,
        .max_conns = conf->max_concurrent,
        .stall_ms = conf->timeout_ms,
        .use_proxy_env = true,
    };
    int x = oci_set_base(o, conf->url, err);
    if (x == 0) {
        x = fl_http_new(&http, &o->http, err);
        if (x < 0 && fl_text_eq(err->reason, "InvalidCA")) {
            (void)snprintf(err->reason, sizeof(err->reason), "CAInvalid");
        }
    }
    if (x < 0) {
        fl_oci_close(o);
        return x;
    }
    *ret = o;
    return 0;
}

void fl_oci_close(struct fl_oci *o)
{
    if (!o) {
        return;
    }
    fl_http_free(o->http);
    oci_tokens_free(o);
    fl_cond_destroy(&o->token_ready);
    fl_lock_destroy(&o->lock);
    fl_secret_release(&o->username);
    fl_secret_release(&o->password);
    fl_secret_release(&o->token);
    fl_secret_release(&o->identity);
    fl_secret_release(&o->basic);
    fl_free(o->base);
    fl_free(o->origin);
    fl_free(o);
}

enum fl_registry_auth fl_oci_auth(struct fl_oci *o)
{
    if (o->token.n) {
        return FL_AUTH_BEARER;
    }
    fl_lock_scope(&o->lock);
    return o->auth;
}

const char *oci_repo(const struct fl_oci *o, struct fl_arena *a, const char *repo)
{
    return o->docker_hub && !strchr(repo, '/') ? fl_arena_fmt(a, "library/%s", repo) : repo;
}

const char *oci_scope(const struct fl_oci *o, struct fl_arena *a, const char *repo, bool push)
{
    return fl_arena_fmt(a, "repository:%s:%s", oci_repo(o, a, repo), push ? "pull,push" : "pull");
}

/* ---- one request ------------------------------------------------------------------------------------------------- */

bool oci_own_url(const struct fl_oci *o, const char *url)
{
    struct fl_url a;
    struct fl_url b;
    struct fl_err ignored = FL_ERR_INIT;
    return fl_url_parse(fl_str_of(url), &a, &ignored) == 0 &&
           fl_url_parse(fl_str_of(o->base), &b, &ignored) == 0 && fl_url_same_origin(&a, &b);
}

int fl_oci_do(struct fl_oci *o, const struct fl_ctx *ctx, const struct fl_oci_req *req,
              struct fl_http_resp *ret, struct fl_err *err)
{
    fl_auto_val(fl_buf) url = FL_BUF_INIT(FL_URL_MAX);
    fl_buf_text(&url, req->url ? req->url : o->base);
    fl_buf_text(&url, req->url ? "" : req->path);
    int x = fl_buf_finish(&url, "URL", err);
    if (x < 0) {
        return x;
    }
    bool own = oci_own_url(o, url.data);
    struct fl_ctx call = fl_ctx_timeout(ctx, o->timeout_ms);
    for (int attempt = 0;; attempt++) {
        fl_auto_val(fl_secret) authorization = {0};
        if (own) {
            x = oci_authorize(o, &call, req->scope, &authorization, err);
            if (x < 0) {
                return x;
            }
        }
        const struct fl_http_req h = {
            .method = req->method,
            .url = url.data,
            .headers = req->headers,
            .n_headers = req->n_headers,
            .authorization = authorization.n ? &authorization : NULL,
            .body = req->body,
            .body_cap = req->body_cap ? req->body_cap : OCI_BODY_MAX,
            .max_redirects = req->max_redirects,
        };
        fl_http_resp_release(ret);
        fl_http_resp_init(ret);
        x = fl_http_do(o->http, &call, &h, ret, err);
        /* A 401 of a host that we were redirected to is not the registry's: its challenge would choose where the password
         * goes. */
        if (x < 0 || ret->status != 401 || attempt > 0 || !oci_own_url(o, ret->url)) {
            return x;
        }
        x = oci_challenged(o, ret, req->scope, &authorization, err);
        if (x < 0) {
            return x;
        }
    }
}

/* ---- failures ------------------------------------------------------------------------------------------------------ */

struct oci_code {
    const char *code;
    enum fl_code means;
    const char *reason;
};

/* Codes of the distribution-spec that say more than the status does. registry.md 10. */
static const struct oci_code oci_codes[] = {
    {"BLOB_UNKNOWN", FL_E_NOT_FOUND, "BlobUnknown"},
    {"BLOB_UPLOAD_UNKNOWN", FL_E_UNAVAILABLE, "UploadLost"},
    {"BLOB_UPLOAD_INVALID", FL_E_UNAVAILABLE, "UploadLost"},
    {"DENIED", FL_E_AUTH, "Denied"},
    {"DIGEST_INVALID", FL_E_BAD_DATA, "DigestMismatch"},
    {"MANIFEST_BLOB_UNKNOWN", FL_E_NOT_FOUND, "BlobUnknown"},
    {"MANIFEST_INVALID", FL_E_INVALID, "ManifestInvalid"},
    {"MANIFEST_UNKNOWN", FL_E_NOT_FOUND, "ManifestUnknown"},
    {"NAME_INVALID", FL_E_INVALID, "NameInvalid"},
    {"NAME_UNKNOWN", FL_E_NOT_FOUND, "RepositoryNotFound"},
    {"PROJECTPOLICYVIOLATION", FL_E_INVALID, "PolicyViolation"},
    {"TOOMANYREQUESTS", FL_E_LIMITED, "TooManyRequests"},
    {"UNAUTHORIZED", FL_E_AUTH, "Unauthorized"},
};

static const struct oci_code *oci_read_errors(const struct fl_http_resp *r, struct fl_buf *said)
{
    fl_auto(fl_json) j = NULL;
    struct fl_err ignored = FL_ERR_INIT;
    if (fl_json_parse(fl_buf_slice(&r->body), OCI_BODY_MAX, &j, &ignored) < 0) {
        return NULL;
    }
    const struct fl_json *first = fl_json_at(fl_json_get(j, "errors"), 0);
    const char *code = fl_json_get_text(first, "code");
    const char *message = fl_json_get_text(first, "message");
    if (code) {
        fl_buf_fmt(said, "%s%s%s", code, message ? ": " : "", message ? message : "");
    }
    for (size_t i = 0; code && i < FL_LEN(oci_codes); i++) {
        if (strcmp(oci_codes[i].code, code) == 0) {
            return &oci_codes[i];
        }
    }
    return NULL;
}

/* Refused: whose credentials, and what to do. */
static void oci_say_whose(const struct fl_oci *o, int status, const char *what, struct fl_str said,
                          struct fl_err *err)
{
    const char *who = o->token.n || o->identity.n ? "the token"
                      : o->basic.n                ? "the credentials of user "
                                                  : "access without "
                                                    "credentials";
    const char *todo = o->token.n || o->identity.n || o->basic.n
                           ? "check the Secret, and what the account may do there"
                           : "set spec.secretRef on the Registry";
    fl_auto_val(fl_buf) words = FL_BUF_INIT(FL_BUF_ANY);
    fl_redact(&words, (struct fl_str){said.p, said.n < OCI_SAID_MAX ? said.n : OCI_SAID_MAX});
    fl_fail_http(err, FL_E_AUTH, status, -1, status == 401 ? "Unauthorized" : "Denied",
                 "%s: %s: refused for %s%s (HTTP %d%s%s): %s", o->origin, what, who,
                 o->basic.n && !o->token.n && !o->identity.n ? o->username.p : "", status,
                 words.len ? ", " : "", words.data, todo);
}

int fl_oci_fail(struct fl_oci *o, const struct fl_ctx *ctx, const struct fl_http_resp *r,
                const char *what, struct fl_err *err)
{
    fl_auto_val(fl_buf) said = FL_BUF_INIT(OCI_BODY_MAX);
    const struct oci_code *known = oci_read_errors(r, &said);
    fl_http_fail(r, ctx, what, fl_buf_slice(&said), err);
    fl_wrap(err, "%s", o->origin);
    if (r->status == 401 || r->status == 403) {
        oci_say_whose(o, r->status, what, fl_buf_slice(&said), err);
    }
    if (r->status == 409) { /* an immutable tag: asking again changes nothing. registry.md 10 */
        err->code = FL_E_INVALID;
    }
    /* A status that says "later" or "who are you" is believed more than the body. */
    if (known && r->status != 429 && r->status < 500) {
        err->code = known->means;
        (void)snprintf(err->reason, sizeof(err->reason), "%s", known->reason);
    }
    return err->code;
}
