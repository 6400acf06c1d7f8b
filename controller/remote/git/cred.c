/* SPDX-License-Identifier: Apache-2.0
 * What a Secret says about a remote. Keys are those of Flux's GitRepository; reference 4.5. */
#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "base/url.h"
#include "remote/git/client.h"
#include "wire/sign.h"

#define ALLOWED                                                                                    \
    "allowed are: username and password; or bearerToken; or identity and known_hosts (ssh; "       \
    "password when the key has a passphrase); or githubAppID, githubAppPrivateKey and "            \
    "githubAppInstallationID or githubAppInstallationOwner (provider github); beside them "        \
    "ca.crt, tls.crt and tls.key"

enum { FILE_MAX = 256 * 1024, WORD_MAX = 16 * 1024 };

void git_cred_release(struct git_cred *c)
{
    struct fl_secret *const secrets[] = {&c->username,    &c->password, &c->token,   &c->identity,
                                         &c->known_hosts, &c->app_key,  &c->cert_key};
    for (size_t i = 0; i < FL_LEN(secrets); i++) {
        fl_secret_release(secrets[i]);
    }
    fl_free(c->app_id);
    fl_free(c->app_installation);
    fl_free(c->app_owner);
    fl_free(c->app_base);
    fl_free(c->ca_pem);
    fl_free(c->cert_pem);
    *c = (struct git_cred){0};
}

static const struct fl_remote_key *find(const struct fl_remote_conf *conf, const char *key)
{
    for (size_t i = 0; i < conf->n_secret; i++) {
        if (fl_text_eq(conf->secret[i].key, key)) {
            return &conf->secret[i];
        }
    }
    return NULL;
}

static int wrong(struct fl_err *err, const char *fmt, ...) fl_printf_like(2, 3);
static int wrong(struct fl_err *err, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return fl_fail(err, FL_E_INVALID, "SecretInvalid", "%s", text);
}

/* A newline at the end comes from an editor. */
static struct fl_str trimmed(struct fl_str s)
{
    while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r')) {
        s.n--;
    }
    return fl_str_trim(s);
}

/* One word of one line; *ret is a slice of the Secret. */
static int word(const struct fl_remote_key *k, struct fl_str *ret, struct fl_err *err)
{
    struct fl_str s = trimmed(k->value);
    if (s.n == 0) {
        return wrong(err, "key %s is empty", k->key);
    }
    if (s.n > WORD_MAX || !fl_str_printable(s)) {
        return wrong(err, "key %s is not one line of text", k->key);
    }
    *ret = s;
    return 0;
}

static int word_secret(const struct fl_remote_key *k, struct fl_secret *ret, struct fl_err *err)
{
    struct fl_str s = {NULL, 0};
    int x = word(k, &s, err);
    if (x == 0) {
        fl_secret_set(ret, s);
    }
    return x;
}

/* A file's worth of text. */
static int file(const struct fl_remote_key *k, struct fl_err *err)
{
    if (trimmed(k->value).n == 0) {
        return wrong(err, "key %s is empty", k->key);
    }
    if (k->value.n > FILE_MAX || memchr(k->value.p, '\0', k->value.n)) {
        return wrong(err, "key %s is no text, or a very long one", k->key);
    }
    return 0;
}

/* ---- basic and bearer ------------------------------------------------------------------------------------------ */

static int take_basic(const struct fl_remote_conf *conf, struct git_cred *c, struct fl_err *err)
{
    const struct fl_remote_key *user = find(conf, "username");
    const struct fl_remote_key *password = find(conf, "password");
    if (!user || !password) {
        return wrong(err, "it has the key %s but not %s", user ? "username" : "password",
                     user ? "password" : "username");
    }
    c->auth = GIT_AUTH_BASIC;
    int x = word_secret(user, &c->username, err);
    if (x == 0 && strchr(c->username.p, ':')) {
        x = wrong(err, "key username has a ':' in it");
    }
    return x < 0 ? x : word_secret(password, &c->password, err);
}

static int take_bearer(const struct fl_remote_conf *conf, struct git_cred *c, struct fl_err *err)
{
    c->auth = GIT_AUTH_BEARER;
    return word_secret(find(conf, "bearerToken"), &c->token, err);
}

/* ---- ssh ------------------------------------------------------------------------------------------------------- */

static bool has(struct fl_str s, const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i + n <= s.n; i++) {
        if (memcmp(s.p + i, text, n) == 0) {
            return true;
        }
    }
    return false;
}

/* OpenSSH's own format names its cipher within the base64. Source: openssh PROTOCOL.key. */
static bool openssh_encrypted(struct fl_str pem)
{
    static const char begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
    static const char magic[] = "openssh-key-v1"; /* with its NUL */
    static const char none[] = "\0\0\0\4none";
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FILE_MAX);
    fl_auto_val(fl_buf) raw = FL_BUF_INIT(FILE_MAX);
    for (size_t i = strlen(begin); i < pem.n && pem.p[i] != '-' && text.len < 64; i++) {
        if (pem.p[i] > ' ') {
            fl_buf_char(&text, pem.p[i]);
        }
    }
    bool read = fl_base64_decode(&raw, (struct fl_str){text.data, text.len / 4 * 4});
    bool plain =
        read && raw.len >= sizeof(magic) + 8 && memcmp(raw.data + sizeof(magic), none, 8) == 0;
    bool known =
        read && raw.len >= sizeof(magic) + 8 && memcmp(raw.data, magic, sizeof(magic)) == 0;
    fl_buf_wipe(&text);
    fl_buf_wipe(&raw);
    return known && !plain;
}

static bool key_encrypted(struct fl_str pem)
{
    return fl_str_starts(pem, "-----BEGIN OPENSSH PRIVATE KEY-----")
               ? openssh_encrypted(pem)
               : has(pem, "-----BEGIN ENCRYPTED PRIVATE KEY-----") ||
                     has(pem, "Proc-Type: 4,ENCRYPTED");
}

/* As known_hosts names a host: "[host]:port" when the port is not 22. Source: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". */
static void known_host(const struct fl_git_url *url, char *ret, size_t size)
{
    if (url->port == 22) {
        (void)snprintf(ret, size, "%.*s", FL_STR_ARG(url->host));
    } else {
        (void)snprintf(ret, size, "[%.*s]:%u", FL_STR_ARG(url->host), (unsigned)url->port);
    }
}

static int no_known_hosts(const struct fl_git_url *url, struct fl_err *err)
{
    char name[300];
    known_host(url, name, sizeof(name));
    return wrong(err,
                 "key known_hosts is missing: without it any host could answer as %.*s. Add the "
                 "line '%s ssh-ed25519 AAAA...' that 'ssh-keyscan -t ed25519 -p %u %.*s' prints, "
                 "compared with the fingerprint that the host's owner publishes",
                 FL_STR_ARG(url->host), name, (unsigned)url->port, FL_STR_ARG(url->host));
}

static int take_ssh(const struct fl_remote_conf *conf, const struct fl_git_url *url,
                    struct git_cred *c, struct fl_err *err)
{
    const struct fl_remote_key *identity = find(conf, "identity");
    const struct fl_remote_key *hosts = find(conf, "known_hosts");
    const struct fl_remote_key *password = find(conf, "password");
    if (!identity) {
        return wrong(err, "key identity is missing: the private key to log in with over ssh");
    }
    if (!hosts || trimmed(hosts->value).n == 0) {
        return no_known_hosts(url, err);
    }
    int x = file(identity, err);
    x = x < 0 ? x : file(hosts, err);
    if (x < 0) {
        return x;
    }
    struct fl_str key = trimmed(identity->value);
    if (!fl_str_starts(key, "-----BEGIN ") || !has(key, "PRIVATE KEY-----")) {
        return wrong(err, "key identity is no private key in PEM or OpenSSH form");
    }
    if (key_encrypted(key) && !password) {
        return wrong(err,
                     "key identity is protected by a passphrase: add it as key password, or use a "
                     "key without one");
    }
    c->auth = GIT_AUTH_SSH;
    /* ssh takes no key file without a newline at its end. */
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_reserve(&text, key.n + 2);
    fl_buf_str(&text, key);
    fl_buf_char(&text, '\n');
    fl_secret_set(&c->identity, fl_buf_slice(&text));
    fl_buf_wipe(&text);
    fl_secret_set(&c->known_hosts, hosts->value);
    return password ? word_secret(password, &c->password, err) : 0;
}

/* ---- GitHub App ------------------------------------------------------------------------------------------------ */

static int app_number(const struct fl_remote_key *k, char **ret, struct fl_err *err)
{
    struct fl_str s = {NULL, 0};
    uint64_t n = 0;
    int x = word(k, &s, err);
    if (x == 0 && (!fl_num_u64(s, &n) || n == 0)) {
        x = wrong(err, "key %s is not a number", k->key);
    }
    if (x == 0) {
        *ret = fl_strndup(s.p, s.n);
    }
    return x;
}

/* A login: letters, digits and '-'; it becomes part of a path. */
static int app_owner(const struct fl_remote_key *k, char **ret, struct fl_err *err)
{
    struct fl_str s = {NULL, 0};
    int x = word(k, &s, err);
    for (size_t i = 0; x == 0 && i < s.n; i++) {
        char c = s.p[i];
        bool fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    c == '-' || c == '_';
        if (!fine) {
            x = wrong(err, "key %s is no name of a user or organisation", k->key);
        }
    }
    if (x == 0) {
        *ret = fl_strndup(s.p, s.n);
    }
    return x;
}

/* Where the API is. Source: GitHub's REST API, "getting started": api.github.com, HOST/api/v3 of an Enterprise Server. */
static int app_base(const struct fl_remote_key *k, const struct fl_git_url *url, char **ret,
                    struct fl_err *err)
{
    if (!k) {
        bool dotcom = fl_str_case_is(url->host, "github.com");
        *ret = dotcom             ? fl_strdup("https://api.github.com")
               : url->port == 443 ? fl_asprintf("https://%.*s/api/v3", FL_STR_ARG(url->host))
                                  : fl_asprintf("https://%.*s:%u/api/v3", FL_STR_ARG(url->host),
                                                (unsigned)url->port);
        return 0;
    }
    struct fl_str s = {NULL, 0};
    int x = word(k, &s, err);
    if (x < 0) {
        return x;
    }
    while (s.n && s.p[s.n - 1] == '/') {
        s.n--;
    }
    struct fl_url u;
    struct fl_err why = FL_ERR_INIT;
    if (fl_url_parse(s, &u, &why) < 0) {
        return wrong(err, "key %s: %s", k->key, why.msg);
    }
    if (!fl_str_is(u.scheme, "https") || u.query.n) {
        return wrong(err, "key %s is no https URL of an API, like https://api.github.com", k->key);
    }
    *ret = fl_strndup(s.p, s.n);
    return 0;
}

static int take_app(const struct fl_remote_conf *conf, const struct fl_git_url *url,
                    struct git_cred *c, struct fl_err *err)
{
    const struct fl_remote_key *id = find(conf, "githubAppID");
    const struct fl_remote_key *installation = find(conf, "githubAppInstallationID");
    const struct fl_remote_key *owner = find(conf, "githubAppInstallationOwner");
    const struct fl_remote_key *key = find(conf, "githubAppPrivateKey");
    if (!fl_text_eq(conf->provider, "github")) {
        return wrong(err,
                     "it has the keys of a GitHub App, but provider is not github: set provider "
                     "beside url and secretRef");
    }
    if (!id || !key) {
        return wrong(err, "key %s is missing", id ? "githubAppPrivateKey" : "githubAppID");
    }
    if (!installation == !owner) {
        return wrong(err,
                     "it needs %s of the keys githubAppInstallationID and "
                     "githubAppInstallationOwner",
                     owner ? "only one" : "one");
    }
    c->auth = GIT_AUTH_APP;
    int x = app_number(id, &c->app_id, err);
    if (x == 0) {
        x = installation ? app_number(installation, &c->app_installation, err)
                         : app_owner(owner, &c->app_owner, err);
    }
    x = x < 0 ? x : app_base(find(conf, "githubAppBaseURL"), url, &c->app_base, err);
    x = x < 0 ? x : file(key, err);
    if (x == 0) {
        const char *why = fl_rsa_key_check(key->value);
        x = why ? wrong(err, "key githubAppPrivateKey cannot sign: %s", why) : 0;
    }
    if (x == 0) {
        fl_secret_set(&c->app_key, key->value);
    }
    return x;
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

static int take_tls(const struct fl_remote_conf *conf, struct git_cred *c, struct fl_err *err)
{
    const struct fl_remote_key *ca = find(conf, "ca.crt");
    const struct fl_remote_key *cert = find(conf, "tls.crt");
    const struct fl_remote_key *key = find(conf, "tls.key");
    if (!cert != !key) {
        return wrong(err, "it has the key %s but not %s", cert ? "tls.crt" : "tls.key",
                     cert ? "tls.key" : "tls.crt");
    }
    int x = ca ? file(ca, err) : 0;
    if (x == 0 && cert) {
        x = file(cert, err);
        x = x < 0 ? x : file(key, err);
    }
    if (x < 0) {
        return x;
    }
    if (ca) {
        c->ca_pem = fl_strndup(ca->value.p, ca->value.n);
    }
    if (cert) {
        c->cert_pem = fl_strndup(cert->value.p, cert->value.n);
        fl_secret_set(&c->cert_key, key->value);
    }
    return 0;
}

struct forms {
    bool basic, bearer, ssh, app;
    int n;
};

static struct forms forms_of(const struct fl_remote_conf *conf)
{
    struct forms f = {
        .bearer = find(conf, "bearerToken"),
        .ssh = find(conf, "identity") || find(conf, "known_hosts"),
    };
    for (size_t i = 0; i < conf->n_secret; i++) {
        f.app = f.app || fl_text_starts(conf->secret[i].key, "githubApp");
    }
    f.basic = find(conf, "username") || (find(conf, "password") && !f.ssh);
    f.n = f.basic + f.bearer + f.ssh + f.app;
    return f;
}

/* Names of keys are no secrets. */
static int forms_wrong(const struct fl_remote_conf *conf, struct forms f, struct fl_err *err)
{
    fl_auto_val(fl_buf) keys = FL_BUF_INIT(FL_BUF_ANY);
    for (size_t i = 0; i < conf->n_secret && keys.len < 100; i++) {
        fl_buf_fmt(&keys, "%s%.60s", keys.len ? ", " : "", conf->secret[i].key);
    }
    return wrong(err, "it %s%s; " ALLOWED,
                 f.n        ? "has more than one form of credentials: "
                 : keys.len ? "has only the keys "
                            : "is empty",
                 keys.data);
}

static int forms_check(const struct fl_remote_conf *conf, const struct fl_git_url *url,
                       struct forms f, struct fl_err *err)
{
    bool ssh = url->scheme == FL_GIT_SSH;
    bool tls = find(conf, "ca.crt") || find(conf, "tls.crt") || find(conf, "tls.key");
    if (f.n > 1 || (f.n == 0 && !tls && conf->secret)) {
        return forms_wrong(conf, f, err);
    }
    if (fl_text_eq(conf->provider, "github") && !f.app) {
        return wrong(err, "provider is github: the Secret must have githubAppID, "
                          "githubAppPrivateKey and githubAppInstallationID or "
                          "githubAppInstallationOwner; use provider generic for other credentials");
    }
    if (ssh && !f.ssh) {
        return wrong(err, "the URL is ssh: set secretRef to a Secret with the keys identity and "
                          "known_hosts");
    }
    if (f.ssh && !ssh) {
        return wrong(err,
                     "it has the keys of ssh (identity, known_hosts), but the URL is not ssh://");
    }
    if (url->scheme == FL_GIT_HTTP && !conf->insecure && (f.n > 0 || find(conf, "tls.key"))) {
        return wrong(err,
                     "the URL is plain http: credentials are not sent where everybody on the way "
                     "can read them; use https or ssh");
    }
    return 0;
}

int git_cred_parse(const struct fl_remote_conf *conf, const struct fl_git_url *url,
                   struct git_cred *ret, struct fl_err *err)
{
    struct forms f = forms_of(conf);
    fl_auto_val(git_cred) c = {0};
    int x = forms_check(conf, url, f, err);
    if (x == 0 && f.app) {
        x = take_app(conf, url, &c, err);
    } else if (x == 0 && f.ssh) {
        x = take_ssh(conf, url, &c, err);
    } else if (x == 0 && f.bearer) {
        x = take_bearer(conf, &c, err);
    } else if (x == 0 && f.basic) {
        x = take_basic(conf, &c, err);
    }
    x = x < 0 ? x : take_tls(conf, &c, err);
    if (x == 0) {
        *ret = c;
        c = (struct git_cred){0};
    }
    return x;
}
