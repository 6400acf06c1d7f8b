/* SPDX-License-Identifier: Apache-2.0
 * Opening and closing of a remote, and what it shows of itself to servers. */
#include "remote/git/client.h"

#include "base/mem.h"
#include "base/text.h"

/* Some hosts and their firewalls treat agents that are not git differently. */
#define GIT_USER_AGENT "git/2.39 (fairlead/" FL_VERSION ")"

static const char *const *hosts_copy(const char *const *hosts)
{
    size_t n = 0;
    while (hosts && hosts[n]) {
        n++;
    }
    char **ret = hosts ? fl_calloc(n + 1, sizeof(*ret)) : NULL;
    for (size_t i = 0; i < n; i++) {
        ret[i] = fl_strdup(hosts[i]);
    }
    return (const char *const *)ret;
}

static void hosts_free(const char *const *hosts)
{
    for (size_t i = 0; hosts && hosts[i]; i++) {
        fl_free((void *)hosts[i]);
    }
    fl_free((void *)hosts);
}

static int open_url(struct fl_remote *r, const char *text, struct fl_err *err)
{
    int x = fl_git_url_parse(fl_str_of(text), &r->url, err);
    if (x < 0) {
        return x;
    }
    size_t n = strlen(text);
    while (n > 0 && text[n - 1] == '/') {
        n--;
    }
    r->url_text = fl_strndup(text, n);
    return fl_git_url_parse(fl_str_of(r->url_text), &r->url, err);
}

static int open_http(struct fl_remote *r, const struct fl_remote_conf *conf, struct fl_err *err)
{
    if (r->url.scheme == FL_GIT_SSH) {
        return 0;
    }
    const struct fl_http_conf http = {
        .ca_pem = r->cred.ca_pem ? r->cred.ca_pem : conf->ca_pem,
        .insecure = conf->insecure,
        .cert_pem = r->cred.cert_pem,
        .key_pem = r->cred.cert_key.p,
        .user_agent = GIT_USER_AGENT,
        .reach = conf->private_hosts ? FL_REACH_PUBLIC : FL_REACH_ANY,
        .private_hosts = conf->private_hosts,
    };
    int x = git_http_take(&http, &r->http, err);
    if (x < 0 && err && fl_text_eq(err->reason, "InvalidCA")) {
        return fl_fail(err, x, "CAInvalid", "key ca.crt: no PEM certificate in it");
    }
    if (x < 0 && err && fl_text_eq(err->reason, "InvalidClientCertificate")) {
        struct fl_err why = *err;
        return fl_fail(err, x, "SecretInvalid", "keys tls.crt, tls.key: %s", why.msg);
    }
    return x;
}

int git_remote_open(const struct fl_remote_conf *conf, struct fl_remote **ret, struct fl_err *err)
{
    struct fl_remote *r = FL_NEW(struct fl_remote);
    fl_lock_init(&r->lock, "git-remote", FL_RANK_REMOTE);
    r->clock = conf->clock;
    r->timeout_ms = conf->timeout_ms;
    r->insecure = conf->insecure;
    r->run_dir = fl_strdup(conf->run_dir);
    r->private_hosts = hosts_copy(conf->private_hosts);
    int x = open_url(r, conf->url, err);
    x = x < 0 ? x : git_cred_parse(conf, &r->url, &r->cred, err);
    if (x == 0 && !r->cred.ca_pem) {
        r->cred.ca_pem = fl_strdup(conf->ca_pem);
    }
    x = x < 0 ? x : open_http(r, conf, err);
    if (x < 0) {
        git_remote_close(r);
        return x;
    }
    if (r->cred.auth == GIT_AUTH_APP) {
        r->app = git_app_new(&r->cred, r->http, r->clock);
    }
    *ret = r;
    return 0;
}

void git_remote_close(struct fl_remote *r)
{
    if (!r) {
        return;
    }
    git_app_free(r->app);
    git_http_give(r->http);
    git_known_release(&r->known);
    git_cred_release(&r->cred);
    hosts_free(r->private_hosts);
    fl_lock_destroy(&r->lock);
    fl_free(r->run_dir);
    fl_free(r->url_text);
    fl_free(r);
}

const char *git_remote_place(struct fl_remote *r, struct fl_arena *a)
{
    fl_lock_scope(&r->lock);
    return fl_arena_text(a, r->known.at_url ? r->known.at_url : r->url_text);
}

static void basic(struct fl_str user, struct fl_str password, struct fl_secret *ret)
{
    fl_auto_val(fl_buf) plain = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) value = FL_BUF_INIT(FL_BUF_ANY);
    size_t n = user.n + password.n + 2;
    fl_buf_reserve(&plain, n); /* growing would leave copies behind */
    fl_buf_reserve(&value, 16 + n * 2);
    fl_buf_str(&plain, user);
    fl_buf_char(&plain, ':');
    fl_buf_str(&plain, password);
    fl_buf_text(&value, "Basic ");
    fl_base64_add(&value, plain.data, plain.len);
    fl_secret_set(ret, fl_buf_slice(&value));
    fl_buf_wipe(&plain);
    fl_buf_wipe(&value);
}

static void bearer(struct fl_str token, struct fl_secret *ret)
{
    fl_auto_val(fl_buf) value = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_reserve(&value, token.n + 16);
    fl_buf_text(&value, "Bearer ");
    fl_buf_str(&value, token);
    fl_secret_set(ret, fl_buf_slice(&value));
    fl_buf_wipe(&value);
}

static struct fl_str secret_str(const struct fl_secret *s)
{
    return (struct fl_str){s->p, s->n};
}

int git_authorize(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_secret *ret,
                  struct fl_secret *ret_token, struct fl_err *err)
{
    switch (r->cred.auth) {
    case GIT_AUTH_BASIC:
        basic(secret_str(&r->cred.username), secret_str(&r->cred.password), ret);
        return 0;
    case GIT_AUTH_BEARER:
        bearer(secret_str(&r->cred.token), ret);
        return 0;
    case GIT_AUTH_APP: {
        int x = git_app_token(r->app, ctx, ret_token, err);
        if (x == 0) {
            basic(FL_STR("x-access-token"), secret_str(ret_token), ret);
        }
        return x;
    }
    case GIT_AUTH_SSH:
    case GIT_AUTH_NONE:
        break;
    }
    fl_secret_release(ret);
    return 0;
}

int git_authorization(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_secret *ret,
                      struct fl_err *err)
{
    fl_auto_val(fl_secret) token = {0};
    return git_authorize(r, ctx, ret, &token, err);
}
