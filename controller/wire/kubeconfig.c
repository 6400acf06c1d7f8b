/* SPDX-License-Identifier: Apache-2.0
 * From the parts of a kubeconfig to what the client uses; the contract stands in conf.h. Source of the rules: kubernetes.md
 * 1.8, client-go tools/clientcmd. */
#include <stdarg.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/url.h"
#include "wire/conf_priv.h"
#include "wire/file.h"

/* What a load is put together from. */
struct kube_load {
    const char *path;
    struct fl_arena *a;
    struct fl_kubeconfig k;
};

static int kube_fail(const struct kube_load *l, struct fl_err *err, const char *fmt, ...)
    fl_printf_like(3, 4);
static int kube_fail(const struct kube_load *l, struct fl_err *err, const char *fmt, ...)
{
    fl_auto_val(fl_buf) words = FL_BUF_INIT(1024);
    va_list ap;

    va_start(ap, fmt);
    fl_buf_vfmt(&words, fmt, ap);
    va_end(ap);
    return fl_fail(err, FL_E_INVALID, "KubeconfigInvalid", "%s: %s", l->path, words.data);
}

/* Relative paths start at the folder of the file that names them. */
static const char *kube_resolve(const struct kube_load *l, const char *path)
{
    const char *slash = strrchr(l->path, '/');

    if (!path || !path[0]) {
        return NULL;
    }
    if (path[0] == '/' || !slash) {
        return fl_arena_text(l->a, path);
    }
    return fl_arena_fmt(l->a, "%.*s%s", (int)(slash - l->path + 1), l->path, path);
}

static int kube_decode(const struct kube_load *l, const char *what, const char *data,
                       const char **ret, struct fl_err *err)
{
    fl_auto_val(fl_buf) raw = FL_BUF_INIT(CONF_FILE_MAX);
    int rc = 0;

    fl_buf_reserve(&raw, strlen(data));
    if (!fl_base64_decode(&raw, fl_str_trim(fl_str_of(data)))) {
        rc = kube_fail(l, err, "'%s-data' is not base64", what);
    } else {
        *ret = fl_arena_str(l->a, fl_buf_slice(&raw));
    }
    fl_buf_wipe(&raw);
    return rc;
}

/* PEM from <what>-data, else from the file of <what>. */
static int kube_pem(const struct kube_load *l, const char *what, const char *data, const char *file,
                    const char **ret, struct fl_err *err)
{
    fl_auto_val(fl_buf) text = FL_BUF_INIT(2 * (size_t)CONF_FILE_MAX);
    const char *path = kube_resolve(l, file);
    int rc;

    if (data && data[0]) {
        return kube_decode(l, what, data, ret, err);
    }
    if (!path) {
        return 0;
    }
    rc = fl_file_read(path, CONF_FILE_MAX, &text, err);
    if (rc == 0) {
        *ret = fl_arena_str(l->a, fl_buf_slice(&text));
    } else {
        (void)kube_fail(l, err, "%s: %s", what, fl_arena_text(l->a, err ? err->msg : ""));
        rc = FL_E_INVALID;
    }
    fl_buf_wipe(&text);
    return rc;
}

static int kube_take_cluster(struct kube_load *l, const char *name, const struct kube_cluster *c,
                             struct fl_err *err)
{
    struct fl_url url;
    int rc;

    if (!c->server || !c->server[0]) {
        return kube_fail(l, err, "cluster '%s' has no server", name);
    }
    rc = fl_url_parse(fl_str_of(c->server), &url, err);
    if (rc) {
        return fl_wrap(err, "%s: cluster '%s': server", l->path, name);
    }
    l->k.server = fl_arena_text(l->a, c->server);
    l->k.insecure = c->insecure && *c->insecure;
    if (c->tls_server_name && c->tls_server_name[0]) {
        l->k.tls_server_name = fl_arena_text(l->a, c->tls_server_name);
    }
    if (c->proxy_url && c->proxy_url[0]) {
        l->k.proxy_url = fl_arena_text(l->a, c->proxy_url);
    }
    rc = kube_pem(l, "certificate-authority", c->ca_data, c->ca, &l->k.ca_pem, err);
    if (rc == 0 && l->k.insecure && l->k.ca_pem) {
        rc = kube_fail(l, err,
                       "cluster '%s': a certificate-authority together with "
                       "insecure-skip-tls-verify is not allowed",
                       name);
    }
    return rc;
}

static int kube_check_user(const struct kube_load *l, const char *name, const struct kube_user *u,
                           struct fl_err *err)
{
    if (u->exec) {
        return kube_fail(l, err,
                         "user '%s': credentials by exec (%s) are not supported; use a token, a "
                         "tokenFile or a client certificate",
                         name, u->exec->command ? u->exec->command : "no command");
    }
    if (u->auth_provider) {
        return kube_fail(l, err,
                         "user '%s': auth-provider (%s) is not supported; use a token, a tokenFile "
                         "or a client certificate",
                         name, u->auth_provider->name ? u->auth_provider->name : "no name");
    }
    if (u->as && u->as[0]) {
        return kube_fail(l, err, "user '%s': impersonation (as) is not supported", name);
    }
    return 0;
}

static const char *kube_text(const struct kube_load *l, const char *s)
{
    return s && s[0] ? fl_arena_text(l->a, s) : NULL;
}

static int kube_take_user(struct kube_load *l, const char *name, const struct kube_user *u,
                          struct fl_err *err)
{
    int rc = kube_check_user(l, name, u, err);

    if (rc) {
        return rc;
    }
    l->k.token_file = kube_resolve(l, u->token_file);
    l->k.token = l->k.token_file ? NULL : kube_text(l, u->token);
    l->k.username = kube_text(l, u->username);
    l->k.password = kube_text(l, u->password);
    rc = kube_pem(l, "client-certificate", u->cert_data, u->cert, &l->k.cert_pem, err);
    if (rc == 0) {
        rc = kube_pem(l, "client-key", u->key_data, u->key, &l->k.key_pem, err);
    }
    if (rc == 0 && !l->k.cert_pem != !l->k.key_pem) {
        rc = kube_fail(l, err, "user '%s': a client-certificate and a client-key belong together",
                       name);
    }
    return rc;
}

static int kube_find_context(const struct kube_load *l, const struct kube_file *f,
                             const char *wanted, const struct kube_context **ret,
                             struct fl_err *err)
{
    const char *name = wanted ? wanted : f->current_context;

    if (!name || !name[0]) {
        return kube_fail(l, err, "there is no current-context; name one");
    }
    for (unsigned i = 0; i < f->contexts_count; i++) {
        if (fl_text_eq(f->contexts[i].name, name)) {
            if (!f->contexts[i].context || !f->contexts[i].context->cluster) {
                return kube_fail(l, err, "context '%s' names no cluster", name);
            }
            *ret = f->contexts[i].context;
            return 0;
        }
    }
    return kube_fail(l, err, "there is no context '%s'", name);
}

static int kube_pick_cluster(struct kube_load *l, const struct kube_file *f, const char *name,
                             struct fl_err *err)
{
    for (unsigned i = 0; i < f->clusters_count; i++) {
        if (fl_text_eq(f->clusters[i].name, name) && f->clusters[i].cluster) {
            return kube_take_cluster(l, name, f->clusters[i].cluster, err);
        }
    }
    return kube_fail(l, err, "there is no cluster '%s'", name);
}

static int kube_pick_user(struct kube_load *l, const struct kube_file *f, const char *name,
                          struct fl_err *err)
{
    if (!name || !name[0]) {
        return 0;
    }
    for (unsigned i = 0; i < f->users_count; i++) {
        if (fl_text_eq(f->users[i].name, name)) {
            /* "user: {}" is an anonymous one, and comes as NULL. */
            return f->users[i].user ? kube_take_user(l, name, f->users[i].user, err) : 0;
        }
    }
    return kube_fail(l, err, "there is no user '%s'", name);
}

static int kube_take(struct kube_load *l, const struct kube_file *f, const char *context,
                     struct fl_err *err)
{
    const struct kube_context *c = NULL;
    int rc = kube_find_context(l, f, context, &c, err);

    if (!c) {
        return rc;
    }
    rc = kube_pick_cluster(l, f, c->cluster, err);
    if (rc == 0) {
        rc = kube_pick_user(l, f, c->user, err);
        l->k.namespace_ = kube_text(l, c->namespace_);
    }
    return rc;
}

static int kube_parse(struct kube_load *l, struct fl_str text, const char *context,
                      struct fl_err *err)
{
    struct kube_file *f = NULL;
    int rc = conf_kube_read(l->path, text, l->a, &f, err);

    if (rc == 0) {
        rc = kube_take(l, f, context, err);
    }
    conf_kube_free(f);
    return rc;
}

int fl_kubeconfig_load(const char *path, const char *context, struct fl_arena *a,
                       struct fl_kubeconfig *ret, struct fl_err *err)
{
    fl_auto_val(fl_buf) text = FL_BUF_INIT(2 * (size_t)CONF_FILE_MAX);
    struct kube_load l = {.path = path, .a = a};
    int rc = fl_file_read(path, CONF_FILE_MAX, &text, err);

    if (rc == 0) {
        rc = kube_parse(&l, fl_buf_slice(&text), context, err);
    }
    fl_buf_wipe(&text);
    if (rc == 0) {
        *ret = l.k;
    }
    return rc;
}
