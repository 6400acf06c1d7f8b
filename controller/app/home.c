/* SPDX-License-Identifier: Apache-2.0 */
#include "app/home.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/names.h"
#include "base/text.h"
#include "wire/crypt.h"
#include "wire/file.h"

#define HOME_FILE_MAX ((size_t)1 << 20)
#define RENEW_BEFORE_MS ((int64_t)30 * 86400 * 1000)

void fl_home_release(struct fl_home *h)
{
    fl_secret_release(&h->token);
    fl_buf_release(&h->cert_pem);
    fl_buf_wipe(&h->key_pem);
    fl_buf_release(&h->ca_pem);
}

/* With those above it, which may be read by all. */
int fl_home_folder(const char *dir, struct fl_err *err)
{
    fl_auto_text above = fl_strdup(dir);
    for (char *c = above + 1; (c = strchr(c, '/')) != NULL; c++) {
        *c = '\0';
        (void)mkdir(above, 0755); /* whether it is there is seen at the last one */
        *c = '/';
    }
    if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
        fl_file_fail(errno, "make the data folder", dir, err);
        return fl_wrap(err, "--data-dir");
    }
    struct stat st;
    if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode)) {
        return fl_fail(err, FL_E_INVALID, "DataDir", "--data-dir: %s is not a folder", dir);
    }
    return 0;
}

static const char *home_path(struct fl_arena *a, const struct fl_options *o, const char *name)
{
    return fl_arena_fmt(a, "%s/%s", o->data_dir, name);
}

static int home_token(struct fl_arena *a, const struct fl_options *o, struct fl_home *h,
                      struct fl_err *err)
{
    const char *path = home_path(a, o, "admin.token");
    fl_auto_val(fl_buf) text = FL_BUF_INIT(HOME_FILE_MAX);
    int x = fl_file_read(path, 4096, &text, err);
    if (x == FL_E_NOT_FOUND) {
        unsigned char random[32];
        fl_random(random, sizeof(random));
        fl_hex_add(&text, random, sizeof(random));
        fl_wipe(random, sizeof(random));
        x = fl_file_create(path, fl_buf_slice(&text), err);
    }
    if (x < 0) {
        return x;
    }
    struct fl_str token = fl_buf_slice(&text);
    while (token.n && token.p[token.n - 1] == '\n') {
        token.n--;
    }
    if (token.n < 16 || !fl_str_printable(token)) {
        fl_buf_wipe(&text);
        return fl_fail(err, FL_E_INVALID, "TokenInvalid",
                       "%s holds no token of at least 16 printable characters: remove it and a new "
                       "one is made",
                       path);
    }
    fl_secret_set(&h->token, token);
    fl_buf_wipe(&text);
    return 0;
}

static int home_given_cert(const struct fl_options *o, struct fl_home *h, struct fl_err *err)
{
    fl_assert(o->tls_cert && o->tls_key); /* fl_options_parse */
    if (fl_file_read(o->tls_cert, HOME_FILE_MAX, &h->cert_pem, err) < 0) {
        return fl_wrap(err, "--tls-cert");
    }
    if (fl_file_read(o->tls_key, HOME_FILE_MAX, &h->key_pem, err) < 0) {
        return fl_wrap(err, "--tls-key");
    }
    if (fl_cert_check(h->cert_pem.data, h->key_pem.data, err) < 0) {
        return fl_wrap(err, "--tls-cert %s, --tls-key %s", o->tls_cert, o->tls_key);
    }
    /* A certificate that stands for itself is what clients trust; one under a public CA is trusted all the same. */
    fl_buf_str(&h->ca_pem, fl_buf_slice(&h->cert_pem));
    return 0;
}

/* The kept certificate is used while it lasts and names the address that is listened on. */
static bool home_cert_good(const struct fl_home *h, struct fl_str names, struct fl_str kept_names,
                           int64_t wall_ms)
{
    int64_t until = 0;
    struct fl_err ignored = FL_ERR_INIT;
    return h->ca_pem.len && h->cert_pem.len && h->key_pem.len && fl_str_eq(names, kept_names) &&
           fl_cert_check(h->cert_pem.data, h->key_pem.data, &ignored) == 0 &&
           fl_cert_expiry(h->cert_pem.data, &until, &ignored) == 0 &&
           until - wall_ms > RENEW_BEFORE_MS;
}

static int home_read_if(const char *path, struct fl_buf *b, struct fl_err *err)
{
    int x = fl_file_read(path, HOME_FILE_MAX, b, err);
    return x == FL_E_NOT_FOUND ? 0 : x;
}

static int home_new_ca(struct fl_arena *a, const struct fl_options *o, const char *const *sans,
                       int64_t wall_ms, struct fl_home *h, struct fl_err *err)
{
    fl_auto_val(fl_buf) ca_key = FL_BUF_INIT(HOME_FILE_MAX);
    fl_buf_clear(&h->ca_pem);
    int x = fl_cert_make(sans, wall_ms, &h->ca_pem, &ca_key, &h->cert_pem, &h->key_pem, err);
    const struct fl_file_item files[] = {
        {home_path(a, o, "ca.key"), fl_buf_slice(&ca_key)},
        {home_path(a, o, "ca.crt"), fl_buf_slice(&h->ca_pem)},
    };
    x = x < 0 ? x : fl_file_replace_all(files, FL_LEN(files), err);
    fl_buf_wipe(&ca_key);
    return x;
}

/* From the kept CA while it serves, so that kubeconfigs that were handed out stay good. */
static int home_issue(struct fl_arena *a, const struct fl_options *o, const char *const *sans,
                      int64_t wall_ms, struct fl_home *h, struct fl_err *err)
{
    fl_auto_val(fl_buf) ca_key = FL_BUF_INIT(HOME_FILE_MAX);
    int x = home_read_if(home_path(a, o, "ca.key"), &ca_key, err);
    fl_buf_clear(&h->cert_pem);
    fl_buf_clear(&h->key_pem);
    if (x < 0 || !h->ca_pem.len || !ca_key.len) {
        return x < 0 ? x : home_new_ca(a, o, sans, wall_ms, h, err);
    }
    struct fl_err why = FL_ERR_INIT;
    x = fl_cert_renew(h->ca_pem.data, ca_key.data, sans, wall_ms, &h->cert_pem, &h->key_pem, &why);
    fl_buf_wipe(&ca_key);
    if (x < 0) {
        fl_log(FL_LOG_WARN, "the kept CA cannot be used: a new one is made", FL_ERR(&why));
        fl_buf_clear(&h->cert_pem);
        fl_buf_clear(&h->key_pem);
        x = home_new_ca(a, o, sans, wall_ms, h, err);
    }
    return x;
}

/* While the files do not belong together, because of an end in between, tls.names is empty: all is made again. */
static int home_make_cert(struct fl_arena *a, const struct fl_options *o, const char *const *sans,
                          struct fl_str names, bool named, int64_t wall_ms, struct fl_home *h,
                          struct fl_err *err)
{
    const char *names_path = home_path(a, o, "tls.names");
    int x = named ? fl_file_replace(names_path, FL_STR(""), err) : 0;
    x = x < 0 ? x : home_issue(a, o, sans, wall_ms, h, err);
    const struct fl_file_item files[] = {
        {home_path(a, o, "tls.crt"), fl_buf_slice(&h->cert_pem)},
        {home_path(a, o, "tls.key"), fl_buf_slice(&h->key_pem)},
    };
    x = x < 0 ? x : fl_file_replace_all(files, FL_LEN(files), err);
    return x < 0 ? x : fl_file_replace(names_path, names, err);
}

static int home_own_cert(struct fl_arena *a, const struct fl_options *o, const char *host,
                         int64_t wall_ms, struct fl_home *h, struct fl_err *err)
{
    char name[256] = "localhost";
    if (gethostname(name, sizeof(name) - 1) < 0 || fl_name_dns_subdomain(fl_str_of(name))) {
        (void)snprintf(name, sizeof(name), "localhost");
    }
    const char *const sans[] = {"localhost", "127.0.0.1", "::1", host, name, NULL};
    fl_auto_val(fl_buf) names = FL_BUF_INIT(HOME_FILE_MAX);
    for (size_t i = 0; sans[i]; i++) {
        fl_buf_fmt(&names, "%s\n", sans[i]);
    }
    fl_auto_val(fl_buf) kept = FL_BUF_INIT(HOME_FILE_MAX);
    int x = home_read_if(home_path(a, o, "ca.crt"), &h->ca_pem, err);
    x = x < 0 ? x : home_read_if(home_path(a, o, "tls.crt"), &h->cert_pem, err);
    x = x < 0 ? x : home_read_if(home_path(a, o, "tls.key"), &h->key_pem, err);
    x = x < 0 ? x : home_read_if(home_path(a, o, "tls.names"), &kept, err);
    if (x < 0) {
        return x;
    }
    if (home_cert_good(h, fl_buf_slice(&names), fl_buf_slice(&kept), wall_ms)) {
        return 0;
    }
    return home_make_cert(a, o, sans, fl_buf_slice(&names), kept.len > 0, wall_ms, h, err);
}

int fl_home_open(const struct fl_options *o, const char *host, int64_t wall_ms, struct fl_home *ret,
                 struct fl_err *err)
{
    fl_auto(fl_arena) a = fl_arena_new();
    *ret = (struct fl_home){0};
    fl_buf_init(&ret->cert_pem, HOME_FILE_MAX);
    fl_buf_init(&ret->key_pem, HOME_FILE_MAX);
    fl_buf_init(&ret->ca_pem, HOME_FILE_MAX);
    int x = fl_home_folder(o->data_dir, err);
    x = x < 0 ? x : home_token(a, o, ret, err);
    if (x == 0) {
        x = o->tls_cert || o->tls_key ? home_given_cert(o, ret, err)
                                      : home_own_cert(a, o, host, wall_ms, ret, err);
    }
    if (x < 0) {
        fl_home_release(ret);
    }
    return x;
}

int fl_home_write_kubeconfig(const struct fl_home *h, const char *path, const char *host,
                             uint16_t port, struct fl_err *err)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(HOME_FILE_MAX);
    /* An address that stands for all is not one to connect to. */
    const char *to = strcmp(host, "0.0.0.0") == 0 ? "127.0.0.1"
                     : strcmp(host, "::") == 0    ? "::1"
                                                  : host;
    fl_buf_fmt(
        &b,
        "apiVersion: v1\nkind: Config\ncurrent-context: fairlead\n"
        "contexts:\n- name: fairlead\n  context:\n    cluster: fairlead\n    user: fairlead\n"
        "clusters:\n- name: fairlead\n  cluster:\n    server: https://%s%s%s:%u\n",
        strchr(to, ':') ? "[" : "", to, strchr(to, ':') ? "]" : "", port);
    if (h->ca_pem.len) {
        fl_buf_text(&b, "    certificate-authority-data: ");
        fl_base64_add(&b, h->ca_pem.data, h->ca_pem.len);
        fl_buf_char(&b, '\n');
    }
    fl_buf_text(&b, "users:\n- name: fairlead\n  user:\n    token: ");
    fl_buf_add(&b, h->token.p, h->token.n);
    fl_buf_char(&b, '\n');
    int x = fl_buf_finish(&b, "kubeconfig", err);
    x = x < 0 ? x : fl_file_replace(path, fl_buf_slice(&b), err);
    fl_buf_wipe(&b);
    return x;
}
