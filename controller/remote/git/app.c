/* SPDX-License-Identifier: Apache-2.0
 * Tokens of GitHub App installations. Sources: docs.github.com "Generating a JSON Web Token (JWT) for a GitHub App", "Generating an
 * installation access token"; reference scm.md 4, 5. */
#include <pthread.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "remote/git/client.h"
#include "wire/digest.h"
#include "wire/json.h"
#include "wire/sign.h"

enum {
    APP_BODY_MAX = 256 * 1024,
    APP_MARGIN_MS = 5 * 60 * 1000,
    APP_LIFE_MS = 60 * 60 * 1000, /* of a token whose end was not told */
    APP_LIFE_MIN_MS = 60 * 1000,  /* a clock that is wrong must not make each call ask anew */
    APP_SLICE_MS = 100,
    JWT_BACK_S = 60, /* clocks differ */
    JWT_AHEAD_S = 540,
};

struct git_app {
    size_t refs; /* by the lock of the table */
    char *name;  /* in the table */
    char *id;
    char *base;
    char *owner; /* NULL: the installation is told */
    struct fl_secret key;
    struct fl_http *http;
    struct fl_clock *clock;
    struct fl_lock lock; /* below; held over no call that blocks */
    struct fl_cond ready;
    bool fetching;
    char *installation; /* of the owner, once found */
    struct fl_secret token;
    int64_t until_ms; /* monotonic; with the margin taken off */
};

static struct {
    struct fl_lock lock;
    struct fl_map *map;
} apps;

static pthread_once_t apps_once = PTHREAD_ONCE_INIT;

static void apps_setup(void)
{
    fl_lock_init(&apps.lock, "git-apps", FL_RANK_REMOTE);
}

static struct fl_lock *apps_lock(void)
{
    fl_assert(pthread_once(&apps_once, apps_setup) == 0);
    return &apps.lock;
}

/* ---- one for each installation --------------------------------------------------------------------------------- */

static char *app_name(const struct git_cred *c, const struct fl_http *http,
                      const struct fl_clock *clock)
{
    char key[FL_DIGEST_TEXT];
    fl_digest_of(FL_SHA256, (struct fl_str){c->app_key.p, c->app_key.n}, key);
    return fl_asprintf("%s %s %s %s %s %p %p", c->app_base, c->app_id,
                       c->app_installation ? c->app_installation : "-",
                       c->app_owner ? c->app_owner : "-", key, (const void *)http,
                       (const void *)clock);
}

struct git_app *git_app_new(const struct git_cred *cred, struct fl_http *http,
                            struct fl_clock *clock)
{
    fl_auto_text name = app_name(cred, http, clock);
    fl_lock_scope(apps_lock());
    apps.map = apps.map ? apps.map : fl_map_new(NULL);
    struct git_app *a = fl_map_get(apps.map, fl_str_of(name));
    if (!a) {
        a = FL_NEW(struct git_app);
        fl_lock_init(&a->lock, "git-app", FL_RANK_REMOTE);
        fl_cond_init(&a->ready);
        a->id = fl_strdup(cred->app_id);
        a->base = fl_strdup(cred->app_base);
        a->owner = fl_strdup(cred->app_owner);
        a->installation = fl_strdup(cred->app_installation);
        fl_secret_set(&a->key, (struct fl_str){cred->app_key.p, cred->app_key.n});
        a->http = http;
        a->clock = clock;
        fl_map_set(apps.map, fl_str_of(name), a);
        a->name = fl_take(name);
    }
    a->refs++;
    return a;
}

static bool app_last(struct git_app *a)
{
    fl_lock_scope(apps_lock());
    if (--a->refs > 0) {
        return false;
    }
    (void)fl_map_del(apps.map, fl_str_of(a->name));
    if (fl_map_len(apps.map) == 0) {
        fl_map_free(apps.map);
        apps.map = NULL;
    }
    return true;
}

void git_app_free(struct git_app *a)
{
    if (!a || !app_last(a)) {
        return;
    }
    fl_secret_release(&a->key);
    fl_secret_release(&a->token);
    fl_cond_destroy(&a->ready);
    fl_lock_destroy(&a->lock);
    fl_free(a->name);
    fl_free(a->id);
    fl_free(a->base);
    fl_free(a->owner);
    fl_free(a->installation);
    fl_free(a);
}

/* ---- asking GitHub --------------------------------------------------------------------------------------------- */

static int app_jwt(struct git_app *a, struct fl_secret *ret, struct fl_err *err)
{
    fl_auto_val(fl_buf) claims = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) value = FL_BUF_INIT(FL_BUF_ANY);
    int64_t now_s = fl_clock_wall_ms(a->clock) / 1000;
    fl_buf_fmt(&claims, "{\"iat\":%lld,\"exp\":%lld,\"iss\":\"%s\"}",
               (long long)(now_s - JWT_BACK_S), (long long)(now_s + JWT_AHEAD_S), a->id);
    fl_buf_text(&value, "Bearer ");
    int x = fl_jwt_rs256((struct fl_str){a->key.p, a->key.n}, fl_buf_slice(&claims), &value, err);
    if (x < 0) {
        return fl_fail(err, FL_E_INVALID, "AppKeyInvalid",
                       "key githubAppPrivateKey cannot sign: check the Secret");
    }
    fl_secret_set(ret, fl_buf_slice(&value));
    fl_buf_wipe(&value);
    return 0;
}

static int app_ask(struct git_app *a, const struct fl_ctx *ctx, const char *method, const char *url,
                   struct fl_http_resp *ret, struct fl_err *err)
{
    struct fl_url at;
    int x = fl_url_parse(fl_str_of(url), &at, err);
    x = x < 0 ? x : git_host_check(a->clock, &at, err);
    fl_auto_val(fl_secret) jwt = {0};
    x = x < 0 ? x : app_jwt(a, &jwt, err);
    if (x < 0) {
        return x;
    }
    static const struct fl_header headers[] = {
        {"Accept", "application/vnd.github+json"},
        {"X-GitHub-Api-Version", "2022-11-28"},
    };
    const struct fl_http_req req = {
        .method = method,
        .url = url,
        .headers = headers,
        .n_headers = FL_LEN(headers),
        .authorization = &jwt,
        .body_cap = APP_BODY_MAX,
    };
    x = fl_http_do(a->http, ctx, &req, ret, err);
    int64_t wait_ms = x < 0 ? -1 : fl_http_retry_after_ms(ret, ctx);
    if (x == 0 && ret->status >= 400 && wait_ms > 0) {
        git_host_hold(a->clock, &at, wait_ms);
    }
    return x;
}

/* How long to wait, when the answer says that there were too many; -1: it says something else. */
static int64_t app_limited_ms(const struct fl_http_resp *r, const struct fl_ctx *ctx)
{
    int64_t wait_ms = git_limit_ms(r, ctx);
    return r->status == 429 && wait_ms < 0        ? 60000
           : r->status == 429 || r->status == 403 ? wait_ms
                                                  : -1;
}

static struct fl_str app_said(const struct fl_json *j, const char *otherwise)
{
    struct fl_str said;
    if (!fl_json_as_str(fl_json_get(j, "message"), &said) || said.n == 0) {
        return fl_str_of(otherwise);
    }
    said.n = said.n > 200 ? 200 : said.n;
    return said;
}

static bool app_refused(int status)
{
    return status == 401 || status == 403 || status == 404 || status == 422;
}

static int app_fail(struct git_app *a, const struct fl_http_resp *r, const struct fl_ctx *ctx,
                    struct fl_err *err)
{
    fl_auto(fl_json) j = NULL;
    (void)fl_json_parse(fl_buf_slice(&r->body), APP_BODY_MAX, &j, NULL);
    int64_t limited_ms = app_limited_ms(r, ctx);
    if (limited_ms >= 0) {
        return fl_fail_http(err, FL_E_LIMITED, r->status, limited_ms, "TooManyRequests",
                            "GitHub App %s: %.*s (HTTP %d)", a->id,
                            FL_STR_ARG(app_said(j, "too many requests")), r->status);
    }
    if (app_refused(r->status)) {
        return fl_fail_http(
            err, FL_E_AUTH, r->status, -1, "AppRejected",
            "GitHub App %s, installation of %s: %.*s (HTTP %d): check the App's id, its key and "
            "where it is installed",
            a->id, a->owner ? a->owner : a->installation, FL_STR_ARG(app_said(j, "refused")),
            r->status);
    }
    return fl_http_fail(r, ctx, "GitHub App's token", app_said(j, ""), err);
}

/* The installation of an owner: an organisation, else a user. */
static int app_find(struct git_app *a, const struct fl_ctx *ctx, char **ret, struct fl_err *err)
{
    static const char *const kinds[] = {"orgs", "users"};
    fl_auto_val(fl_http_resp) r;
    fl_http_resp_init(&r);
    for (size_t i = 0; i < FL_LEN(kinds); i++) {
        fl_auto_text url = fl_asprintf("%s/%s/%s/installation", a->base, kinds[i], a->owner);
        int x = app_ask(a, ctx, "GET", url, &r, err);
        if (x < 0) {
            return x;
        }
        if (r.status != 404) {
            break;
        }
    }
    if (r.status != 200) {
        return app_fail(a, &r, ctx, err);
    }
    fl_auto(fl_json) j = NULL;
    int64_t id = 0;
    if (fl_json_parse(fl_buf_slice(&r.body), APP_BODY_MAX, &j, NULL) < 0 ||
        !fl_json_as_i64(fl_json_get(j, "id"), &id) || id <= 0) {
        return fl_fail(err, FL_E_BAD_DATA, "AppAnswerInvalid",
                       "GitHub App %s: the installation of %s has no id", a->id, a->owner);
    }
    *ret = fl_asprintf("%lld", (long long)id);
    return 0;
}

static int app_read(struct git_app *a, struct fl_http_resp *r, struct fl_secret *ret,
                    int64_t *ret_life_ms, struct fl_err *err)
{
    fl_auto(fl_json) j = NULL;
    struct fl_str token = {NULL, 0};
    struct fl_str end;
    int64_t end_ms;
    bool read = fl_json_parse(fl_buf_slice(&r->body), APP_BODY_MAX, &j, NULL) == 0 &&
                fl_json_as_str(fl_json_get(j, "token"), &token) && token.n > 0 &&
                fl_str_printable(token);
    if (!read) {
        return fl_fail(err, FL_E_BAD_DATA, "AppAnswerInvalid",
                       "GitHub App %s: the answer has no token", a->id);
    }
    bool told = fl_json_as_str(fl_json_get(j, "expires_at"), &end) && fl_time_parse(end, &end_ms);
    int64_t life = told ? end_ms - fl_clock_wall_ms(a->clock) : APP_LIFE_MS;
    life = life > APP_LIFE_MS ? APP_LIFE_MS : life;
    life -= APP_MARGIN_MS;
    *ret_life_ms = life < APP_LIFE_MIN_MS ? APP_LIFE_MIN_MS : life;
    fl_secret_set(ret, token);
    return 0;
}

static int app_fetch(struct git_app *a, const struct fl_ctx *ctx, const char *installation,
                     struct fl_secret *ret, int64_t *ret_life_ms, struct fl_err *err)
{
    fl_auto_val(fl_http_resp) r;
    fl_http_resp_init(&r);
    fl_auto_text url = fl_asprintf("%s/app/installations/%s/access_tokens", a->base, installation);
    int x = app_ask(a, ctx, "POST", url, &r, err);
    if (x < 0) {
        return fl_wrap(err, "GitHub App's token");
    }
    x = r.status == 201 || r.status == 200 ? app_read(a, &r, ret, ret_life_ms, err)
                                           : app_fail(a, &r, ctx, err);
    fl_wipe(r.body.data, r.body.len);
    return x;
}

/* With the lock held on entry and on return; GitHub is asked without it. */
static int app_refresh(struct git_app *a, const struct fl_ctx *ctx, struct fl_err *err)
{
    fl_auto_text installation = fl_strdup(a->installation);
    a->fetching = true;
    fl_lock_drop(&a->lock);
    fl_auto_val(fl_secret) token = {0};
    int64_t life_ms = 0;
    int x = installation ? 0 : app_find(a, ctx, &installation, err);
    x = x < 0 ? x : app_fetch(a, ctx, installation, &token, &life_ms, err);
    fl_lock_take(&a->lock);
    a->fetching = false;
    if (x == 0) {
        fl_secret_set(&a->token, (struct fl_str){token.p, token.n});
        a->until_ms = fl_clock_mono_ms(a->clock) + life_ms;
        fl_free(a->installation);
        a->installation = fl_take(installation);
    } else if (a->owner && err && err->code == FL_E_AUTH) {
        /* It may have been installed anew, with another number. */
        fl_free(a->installation);
        a->installation = NULL;
    }
    fl_cond_broadcast(&a->ready);
    return x;
}

int git_app_token(struct git_app *a, const struct fl_ctx *ctx, struct fl_secret *ret,
                  struct fl_err *err)
{
    fl_lock_scope(&a->lock);
    for (;;) {
        if (a->token.n && fl_clock_mono_ms(a->clock) < a->until_ms) {
            fl_secret_set(ret, (struct fl_str){a->token.p, a->token.n});
            return 0;
        }
        int x = fl_ctx_check(ctx, "GitHub App's token", err);
        if (x == 0 && !a->fetching) {
            x = app_refresh(a, ctx, err);
        } else if (x == 0) {
            /* In slices, so that a cancel is seen. */
            fl_clock_wait(a->clock, &a->ready, &a->lock, fl_clock_mono_ms(a->clock) + APP_SLICE_MS);
        }
        if (x < 0) {
            return x;
        }
    }
}

void git_app_drop(struct git_app *a, const struct fl_secret *token)
{
    fl_lock_scope(&a->lock);
    if (token->n && fl_secret_is(&a->token, (struct fl_str){token->p, token->n})) {
        fl_secret_release(&a->token);
    }
}
