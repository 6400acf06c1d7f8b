/* SPDX-License-Identifier: Apache-2.0
 * Authentication of the distribution protocol: Basic, and Bearer with a token service. registry.md 4. */
#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "base/url.h"
#include "oci/oci_priv.h"
#include "wire/httphead.h"
#include "wire/json.h"

#define TOKEN_BODY_MAX ((size_t)64 << 10)
#define TOKEN_LIFE_MIN_S 60
#define TOKEN_LIFE_MAX_S 86400
#define TOKEN_MARGIN_MS 10000

struct oci_token {
    struct fl_secret value; /* "Bearer ..."; empty: none yet */
    int64_t until_ms;       /* monotonic */
    bool fetching;          /* one thread asks, the others wait for it */
    char *demanded;         /* scope of the challenge, when it was not ours: asked for first */
};

static void oci_token_free(void *any)
{
    struct oci_token *t = any;
    fl_secret_release(&t->value);
    fl_free(t->demanded);
    fl_free(t);
}

void oci_tokens_free(struct fl_oci *o)
{
    fl_map_free(o->tokens);
    fl_free(o->realm);
    fl_free(o->service);
}

static struct oci_token *oci_token_of(struct fl_oci *o, const char *scope)
{
    fl_lock_assert_held(&o->lock);
    if (!o->tokens) {
        o->tokens = fl_map_new(oci_token_free);
    }
    struct oci_token *t = fl_map_get(o->tokens, fl_str_of(scope));
    if (!t) {
        t = FL_NEW(struct oci_token);
        fl_map_set(o->tokens, fl_str_of(scope), t);
    }
    return t;
}

/* ---- asking the token service ----------------------------------------------------------------------------------- */

static void oci_add_scopes(struct fl_buf *b, const char *scopes, char lead)
{
    struct fl_str rest = fl_str_of(scopes);
    struct fl_str one;
    while (rest.n) {
        fl_str_cut(&rest, ' ', &one);
        if (one.n) {
            fl_buf_char(b, lead);
            fl_buf_text(b, "scope=");
            fl_buf_url(b, one, ":/,*");
        }
    }
}

static int oci_read_token(const struct fl_http_resp *r, struct fl_secret *ret, int64_t *ret_life_s,
                          struct fl_err *err)
{
    fl_auto(fl_json) j = NULL;
    int x = fl_json_parse(fl_buf_slice(&r->body), TOKEN_BODY_MAX, &j, err);
    if (x < 0) {
        return fl_fail(err, FL_E_BAD_DATA, "TokenInvalid",
                       "the token service's answer is not JSON");
    }
    struct fl_str token;
    if (!fl_json_as_str(fl_json_get(j, "token"), &token) || token.n == 0) {
        if (!fl_json_as_str(fl_json_get(j, "access_token"), &token) || token.n == 0) {
            return fl_fail(err, FL_E_BAD_DATA, "TokenInvalid",
                           "the token service's answer has no token");
        }
    }
    if (!fl_str_printable(token)) {
        return fl_fail(err, FL_E_BAD_DATA, "TokenInvalid",
                       "the token has control characters in it");
    }
    int64_t life = TOKEN_LIFE_MIN_S;
    fl_json_as_i64(fl_json_get(j, "expires_in"), &life);
    *ret_life_s = life < TOKEN_LIFE_MIN_S   ? TOKEN_LIFE_MIN_S
                  : life > TOKEN_LIFE_MAX_S ? TOKEN_LIFE_MAX_S
                                            : life;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&b, "Bearer ");
    fl_buf_str(&b, token);
    fl_secret_set(ret, fl_buf_slice(&b));
    fl_buf_wipe(&b);
    return 0;
}

/* The realm and the service as they were learned, copied out of the lock. */
struct oci_ask {
    char *realm, *service, *demanded;
};

static int oci_ask_get(struct fl_oci *o, const struct fl_ctx *ctx, const struct oci_ask *ask,
                       const char *scope, struct fl_http_resp *ret, struct fl_err *err)
{
    fl_auto_val(fl_buf) url = FL_BUF_INIT(FL_URL_MAX);
    fl_buf_text(&url, ask->realm);
    char lead = strchr(ask->realm, '?') ? '&' : '?';
    if (ask->service) {
        fl_buf_char(&url, lead);
        fl_buf_text(&url, "service=");
        fl_buf_url(&url, fl_str_of(ask->service), ":/");
        lead = '&';
    }
    if (ask->demanded) {
        oci_add_scopes(&url, ask->demanded, lead);
        lead = '&';
    }
    if (scope[0]) {
        oci_add_scopes(&url, scope, lead);
        lead = '&';
    }
    fl_buf_char(&url, lead);
    fl_buf_text(&url, "client_id=fairlead");
    if (o->basic.n) {
        fl_buf_text(&url, "&account=");
        fl_buf_url(&url, (struct fl_str){o->username.p, o->username.n}, "");
    }
    int x = fl_buf_finish(&url, "token URL", err);
    if (x < 0) {
        return x;
    }
    const struct fl_http_req req = {
        .method = "GET",
        .url = url.data,
        .authorization = o->basic.n ? &o->basic : NULL,
        .body_cap = TOKEN_BODY_MAX,
        .max_redirects = 3,
    };
    return fl_http_do(o->http, ctx, &req, ret, err);
}

static int oci_ask_post(struct fl_oci *o, const struct fl_ctx *ctx, const struct oci_ask *ask,
                        const char *scope, struct fl_http_resp *ret, struct fl_err *err)
{
    fl_auto_val(fl_buf) body = FL_BUF_INIT(TOKEN_BODY_MAX);
    fl_buf_text(&body, "grant_type=refresh_token&client_id=fairlead&service=");
    fl_buf_url(&body, fl_str_of(ask->service), "");
    fl_buf_text(&body, "&scope=");
    fl_buf_url(&body, fl_str_of(scope), "");
    fl_buf_text(&body, "&refresh_token=");
    fl_buf_url(&body, (struct fl_str){o->identity.p, o->identity.n}, "");
    int x = fl_buf_finish(&body, "token request", err);
    if (x == 0) {
        const struct fl_header type = {"Content-Type", "application/x-www-form-urlencoded"};
        const struct fl_http_req req = {
            .method = "POST",
            .url = ask->realm,
            .headers = &type,
            .n_headers = 1,
            .body = fl_buf_slice(&body),
            .body_cap = TOKEN_BODY_MAX,
        };
        x = fl_http_do(o->http, ctx, &req, ret, err);
    }
    fl_buf_wipe(&body);
    return x;
}

static int oci_fetch_token(struct fl_oci *o, const struct fl_ctx *ctx, const struct oci_ask *ask,
                           const char *scope, struct fl_secret *ret, int64_t *ret_life_s,
                           struct fl_err *err)
{
    fl_auto_val(fl_http_resp) r;
    fl_http_resp_init(&r);
    struct fl_ctx call = fl_ctx_timeout(ctx, o->timeout_ms);
    int x = o->identity.n ? oci_ask_post(o, &call, ask, scope, &r, err)
                          : oci_ask_get(o, &call, ask, scope, &r, err);
    if (x < 0) {
        return fl_wrap(err, "token service of %s", o->origin);
    }
    bool refused = r.status == 401 || r.status == 403;
    if (refused && !o->identity.n && !o->basic.n) {
        return fl_fail_http(err, FL_E_AUTH, r.status, -1, "Unauthorized",
                            "the token service of %s refused to give a token to anonymous users: "
                            "set spec.secretRef on the Registry",
                            o->origin);
    }
    if (refused || (r.status == 400 && o->identity.n)) {
        return fl_fail_http(
            err, FL_E_AUTH, r.status, -1, "Unauthorized",
            "the token service of %s refused the credentials%s%s (HTTP %d): check the Secret",
            o->origin, o->username.n ? " of user " : "", o->username.n ? o->username.p : "",
            r.status);
    }
    if (r.status != 200) {
        return fl_http_fail(&r, ctx, "token service", (struct fl_str){0}, err);
    }
    x = oci_read_token(&r, ret, ret_life_s, err);
    fl_wipe(r.body.data, r.body.len);
    return x;
}

/* With the lock held on entry and on return; the request is made without it. */
static int oci_refresh(struct fl_oci *o, const struct fl_ctx *ctx, struct oci_token *t,
                       const char *scope, struct fl_err *err)
{
    struct oci_ask ask = {fl_strdup(o->realm), fl_strdup(o->service), fl_strdup(t->demanded)};
    t->fetching = true;
    fl_lock_drop(&o->lock);
    fl_auto_val(fl_secret) value = {0};
    int64_t life_s = 0;
    int x = oci_fetch_token(o, ctx, &ask, scope, &value, &life_s, err);
    fl_free(ask.realm);
    fl_free(ask.service);
    fl_free(ask.demanded);
    fl_lock_take(&o->lock);
    t->fetching = false;
    if (x == 0) {
        fl_secret_set(&t->value, (struct fl_str){value.p, value.n});
        t->until_ms = fl_clock_mono_ms(o->clock) + life_s * 1000 - TOKEN_MARGIN_MS;
    }
    fl_cond_broadcast(&o->token_ready);
    return x;
}

static int oci_bearer(struct fl_oci *o, const struct fl_ctx *ctx, const char *scope,
                      struct fl_secret *ret, struct fl_err *err)
{
    struct oci_token *t = oci_token_of(o, scope);
    for (;;) {
        if (t->value.n && fl_clock_mono_ms(o->clock) < t->until_ms) {
            fl_secret_set(ret, (struct fl_str){t->value.p, t->value.n});
            return 0;
        }
        int x = fl_ctx_check(ctx, "token", err);
        if (x < 0) {
            return x;
        }
        if (!t->fetching) {
            x = oci_refresh(o, ctx, t, scope, err);
            if (x < 0) {
                return x;
            }
            continue;
        }
        /* In slices, so that a cancel is seen. */
        fl_clock_wait(o->clock, &o->token_ready, &o->lock, fl_clock_mono_ms(o->clock) + 100);
    }
}

int oci_authorize(struct fl_oci *o, const struct fl_ctx *ctx, const char *scope,
                  struct fl_secret *ret, struct fl_err *err)
{
    if (o->token.n) {
        fl_secret_set(ret, (struct fl_str){o->token.p, o->token.n});
        return 0;
    }
    fl_lock_scope(&o->lock);
    switch (o->auth) {
    case FL_AUTH_BASIC:
        fl_secret_set(ret, (struct fl_str){o->basic.p, o->basic.n});
        return 0;
    case FL_AUTH_BEARER:
        return oci_bearer(o, ctx, scope ? scope : "", ret, err);
    case FL_AUTH_ANONYMOUS:
        break;
    }
    fl_secret_release(ret);
    return 0;
}

/* ---- learning from a challenge ------------------------------------------------------------------------------------ */

static bool oci_host_is_local(struct fl_str host)
{
    return fl_str_case_is(host, "localhost") || fl_str_starts(host, "127.") ||
           fl_str_is(host, "::1");
}

/* Where the password would go: refused where it would travel in the clear, or inward from a remote registry. */
static int oci_check_realm(const struct fl_oci *o, const char *realm, struct fl_err *err)
{
    struct fl_url r;
    struct fl_url base;
    if (fl_url_parse(fl_str_of(realm), &r, err) < 0) {
        return fl_fail(err, FL_E_BAD_DATA, "ChallengeInvalid",
                       "%s names a token service that is no http(s) URL", o->origin);
    }
    struct fl_err ignored = FL_ERR_INIT;
    if (fl_url_parse(fl_str_of(o->base), &base, &ignored) < 0) {
        return fl_fail(err, FL_E_BUG, "Bug", "base URL does not parse");
    }
    if (fl_str_is(base.scheme, "https") && !fl_str_is(r.scheme, "https")) {
        return fl_fail(err, FL_E_BAD_DATA, "ChallengeInvalid",
                       "%s names a token service without TLS; the credentials were not sent",
                       o->origin);
    }
    if (oci_host_is_local(r.host) && !oci_host_is_local(base.host)) {
        return fl_fail(err, FL_E_BAD_DATA, "ChallengeInvalid",
                       "%s names a token service on this machine; the credentials were not sent",
                       o->origin);
    }
    return 0;
}

static const struct fl_challenge *oci_find_challenge(const struct fl_challenge *cs, size_t n,
                                                     const char *scheme)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(cs[i].scheme, scheme) == 0) {
            return &cs[i];
        }
    }
    return NULL;
}

static int oci_learn_bearer(struct fl_oci *o, const struct fl_challenge *c, const char *scope,
                            const struct fl_secret *used, struct fl_err *err)
{
    const char *realm = fl_challenge_param(c, "realm");
    if (!realm) {
        return fl_fail(err, FL_E_BAD_DATA, "ChallengeInvalid",
                       "%s asks for a token but names no token service", o->origin);
    }
    fl_auto_val(fl_buf) url = FL_BUF_INIT(FL_URL_MAX);
    struct fl_err ignored = FL_ERR_INIT;
    if (fl_url_resolve(&url, fl_str_of(o->base), fl_str_of(realm), &ignored) < 0) {
        fl_buf_clear(&url); /* refused below, with words about whose URL it is */
    }
    int x = oci_check_realm(o, url.data, err);
    if (x < 0) {
        return x;
    }
    fl_lock_scope(&o->lock);
    bool again = o->auth == FL_AUTH_BEARER && used->n > 0;
    o->auth = FL_AUTH_BEARER;
    fl_free(o->realm);
    o->realm = fl_strdup(url.data);
    fl_free(o->service);
    o->service = fl_strdup(fl_challenge_param(c, "service"));
    struct oci_token *t = oci_token_of(o, scope ? scope : "");
    const char *demanded = fl_challenge_param(c, "scope");
    if (demanded && (!scope || strcmp(demanded, scope) != 0)) {
        fl_free(t->demanded);
        t->demanded = fl_strdup(demanded);
    }
    /* Only the token that was refused: another thread may have got a new one meanwhile. */
    if (again && t->value.n && fl_secret_is(&t->value, (struct fl_str){used->p, used->n})) {
        fl_secret_release(&t->value);
    }
    return 0;
}

int oci_challenged(struct fl_oci *o, const struct fl_http_resp *r, const char *scope,
                   const struct fl_secret *used, struct fl_err *err)
{
    if (o->token.n) {
        return fl_fail_http(err, FL_E_AUTH, r->status, -1, "Unauthorized",
                            "%s refused the token of the Secret (HTTP %d)", o->origin, r->status);
    }
    fl_auto(fl_arena) a = fl_arena_new();
    const struct fl_challenge *bearer = NULL;
    const struct fl_challenge *basic = NULL;
    for (int nth = 0; nth < 8; nth++) {
        struct fl_challenge *cs = NULL;
        struct fl_str value = fl_http_header(r, "www-authenticate", nth);
        if (value.n == 0) {
            break;
        }
        size_t n = fl_challenges_parse(a, value, &cs);
        bearer = bearer ? bearer : oci_find_challenge(cs, n, "bearer");
        basic = basic ? basic : oci_find_challenge(cs, n, "basic");
    }
    if (bearer) {
        return oci_learn_bearer(o, bearer, scope, used, err);
    }
    if (basic && o->basic.n && used->n == 0) {
        fl_lock_scope(&o->lock);
        o->auth = FL_AUTH_BASIC;
        return 0;
    }
    if (o->basic.n) {
        return fl_fail_http(err, FL_E_AUTH, r->status, -1, "Unauthorized",
                            "%s refused the credentials of user %s (HTTP %d): check the Secret",
                            o->origin, o->username.p, r->status);
    }
    return fl_fail_http(
        err, FL_E_AUTH, r->status, -1, "Unauthorized",
        "%s asks for credentials and there are none: set spec.secretRef on the Registry",
        o->origin);
}
