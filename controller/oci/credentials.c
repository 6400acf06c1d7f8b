/* SPDX-License-Identifier: Apache-2.0
 * Credentials out of a Secret: username and password, a token, or a docker configuration. */
#include "base/text.h"
#include "base/url.h"
#include "oci/oci.h"
#include "wire/json.h"

#define DOCKER_CONFIG_MAX ((size_t)1 << 20)

static const struct fl_remote_key *creds_key(const struct fl_remote_conf *rc, const char *key)
{
    for (size_t i = 0; i < rc->n_secret; i++) {
        if (strcmp(rc->secret[i].key, key) == 0) {
            return &rc->secret[i];
        }
    }
    return NULL;
}

/* A file made by an editor ends in a newline; no password does. */
static struct fl_str creds_trim(struct fl_str s)
{
    while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r')) {
        s.n--;
    }
    return s;
}

/* Control characters could change the header the value goes into. */
static int creds_check(const char *key, struct fl_str v, struct fl_err *err)
{
    if (v.n == 0 || !fl_str_printable(v)) {
        return fl_fail(err, FL_E_INVALID, "SecretInvalid", "key %s is %s", key,
                       v.n ? "not one line of printable text" : "empty");
    }
    return 0;
}

/* "https://index.docker.io/v1/" and "index.docker.io" name the same registry; so do host and host:port of the scheme. */
static struct fl_str creds_host(struct fl_str s)
{
    if (fl_str_starts(s, "https://")) {
        s = (struct fl_str){s.p + 8, s.n - 8};
    } else if (fl_str_starts(s, "http://")) {
        s = (struct fl_str){s.p + 7, s.n - 7};
    }
    struct fl_str host;
    fl_str_cut(&s, '/', &host);
    return fl_str_is(host, "index.docker.io") || fl_str_is(host, "registry-1.docker.io")
               ? FL_STR("docker.io")
               : host;
}

static const struct fl_json *creds_find_host(struct fl_arena *a, const struct fl_json *auths,
                                             const char *url)
{
    struct fl_url u;
    struct fl_err ignored = FL_ERR_INIT;
    if (fl_url_parse(fl_str_of(url), &u, &ignored) < 0) {
        return NULL;
    }
    struct fl_str bare = creds_host(fl_str_of(url));
    const char *full = fl_arena_fmt(a, "%s%.*s%s:%u", u.ipv6 ? "[" : "", FL_STR_ARG(u.host),
                                    u.ipv6 ? "]" : "", u.port);
    bool usual_port = u.port == (fl_str_is(u.scheme, "https") ? 443 : 80);
    struct fl_json_iter it = fl_json_iter(auths);
    while (fl_json_next(&it)) {
        struct fl_str host = creds_host(it.key);
        if (fl_str_eq(host, bare) || fl_str_is(host, full) ||
            (usual_port && fl_str_eq(host, u.host))) {
            return it.value;
        }
    }
    return NULL;
}

static int creds_no_host(struct fl_arena *a, const char *key, const struct fl_json *auths,
                         const char *url, struct fl_err *err)
{
    const char *hosts = "";
    struct fl_json_iter it = fl_json_iter(auths);
    while (fl_json_next(&it) && strlen(hosts) < 200) {
        hosts = fl_arena_fmt(a, "%s%s%.*s", hosts, hosts[0] ? ", " : "", FL_STR_ARG(it.key));
    }
    return fl_fail(err, FL_E_INVALID, "SecretInvalid",
                   "key %s has no credentials for %s, only for: %s", key, url,
                   hosts[0] ? hosts : "no host");
}

static int creds_docker_check(const char *key, const struct fl_oci_conf *conf, struct fl_err *err)
{
    if (!fl_str_printable(conf->username) || !fl_str_printable(conf->password) ||
        !fl_str_printable(conf->identity)) {
        return fl_fail(err, FL_E_INVALID, "SecretInvalid",
                       "key %s: the entry's credentials are not one line of printable text", key);
    }
    return 0;
}

static int creds_decode_auth(struct fl_arena *a, const char *key, struct fl_str auth,
                             struct fl_oci_conf *conf, struct fl_err *err)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(DOCKER_CONFIG_MAX);
    if (!fl_base64_decode(&b, auth)) {
        return fl_fail(err, FL_E_INVALID, "SecretInvalid", "key %s: auth is not base64", key);
    }
    struct fl_str rest = fl_buf_slice(&b);
    struct fl_str user;
    if (!fl_str_cut(&rest, ':', &user)) {
        fl_buf_wipe(&b);
        return fl_fail(err, FL_E_INVALID, "SecretInvalid",
                       "key %s: auth is not user:password in base64", key);
    }
    conf->username = (struct fl_str){fl_arena_str(a, user), user.n};
    conf->password = (struct fl_str){fl_arena_str(a, rest), rest.n};
    fl_buf_wipe(&b);
    return creds_docker_check(key, conf, err);
}

static int creds_docker_entry(struct fl_arena *a, const char *key, const struct fl_json *entry,
                              struct fl_oci_conf *conf, struct fl_err *err)
{
    struct fl_str s;
    if (fl_json_as_str(fl_json_get(entry, "identitytoken"), &s) && s.n) {
        conf->identity = (struct fl_str){fl_arena_str(a, s), s.n};
        return creds_docker_check(key, conf, err);
    }
    if (fl_json_as_str(fl_json_get(entry, "username"), &s) && s.n) {
        struct fl_str p = {0};
        fl_json_as_str(fl_json_get(entry, "password"), &p);
        conf->username = (struct fl_str){fl_arena_str(a, s), s.n};
        conf->password = (struct fl_str){fl_arena_str(a, p), p.n};
        return creds_docker_check(key, conf, err);
    }
    if (fl_json_as_str(fl_json_get(entry, "auth"), &s) && s.n) {
        return creds_decode_auth(a, key, s, conf, err);
    }
    return fl_fail(
        err, FL_E_INVALID, "SecretInvalid",
        "key %s: the entry has neither auth, nor username and password, nor identitytoken", key);
}

static int creds_docker(struct fl_arena *a, const struct fl_remote_key *k, bool with_auths,
                        const char *url, struct fl_oci_conf *conf, struct fl_err *err)
{
    fl_auto(fl_json) j = NULL;
    if (fl_json_parse(k->value, DOCKER_CONFIG_MAX, &j, err) < 0) {
        return fl_fail(err, FL_E_INVALID, "SecretInvalid", "key %s is not JSON", k->key);
    }
    const struct fl_json *auths = with_auths ? fl_json_get(j, "auths") : j;
    if (!fl_json_is(auths, FL_JSON_OBJECT)) {
        return fl_fail(err, FL_E_INVALID, "SecretInvalid", "key %s has no object 'auths'", k->key);
    }
    const struct fl_json *entry = creds_find_host(a, auths, url);
    return entry ? creds_docker_entry(a, k->key, entry, conf, err)
                 : creds_no_host(a, k->key, auths, url, err);
}

static int creds_basic(const struct fl_remote_key *user, const struct fl_remote_key *password,
                       struct fl_oci_conf *conf, struct fl_err *err)
{
    if (!user || !password) {
        return fl_fail(err, FL_E_INVALID, "SecretInvalid", "it has the key %s but not %s",
                       user ? "username" : "password", user ? "password" : "username");
    }
    conf->username = creds_trim(user->value);
    conf->password = creds_trim(password->value);
    int x = creds_check("username", conf->username, err);
    if (x == 0 && memchr(conf->username.p, ':', conf->username.n)) {
        return fl_fail(err, FL_E_INVALID, "SecretInvalid", "key username has a ':' in it");
    }
    return x < 0 ? x : creds_check("password", conf->password, err);
}

/* What is there and what is allowed; names of keys are no secrets. */
static int creds_forms_wrong(struct fl_arena *a, const struct fl_remote_conf *rc, int forms,
                             struct fl_err *err)
{
    const char *keys = "";
    for (size_t i = 0; i < rc->n_secret && strlen(keys) < 200; i++) {
        keys = fl_arena_fmt(a, "%s%s%s", keys, keys[0] ? ", " : "", rc->secret[i].key);
    }
    return fl_fail(err, FL_E_INVALID, "SecretInvalid",
                   "it %s%s; allowed are: username and password; or token; or "
                   ".dockerconfigjson; or .dockercfg",
                   forms     ? "has more than one form of credentials: "
                   : keys[0] ? "has the keys "
                             : "is empty",
                   keys);
}

int fl_oci_credentials(struct fl_arena *a, const struct fl_remote_conf *rc,
                       struct fl_oci_conf *conf, struct fl_err *err)
{
    if (rc->n_secret == 0 && !rc->secret) {
        return 0;
    }
    const struct fl_remote_key *user = creds_key(rc, "username");
    const struct fl_remote_key *password = creds_key(rc, "password");
    const struct fl_remote_key *token = creds_key(rc, "token");
    const struct fl_remote_key *docker = creds_key(rc, ".dockerconfigjson");
    const struct fl_remote_key *legacy = creds_key(rc, ".dockercfg");
    int forms = (user || password) + (token != NULL) + (docker != NULL) + (legacy != NULL);
    if (forms != 1) {
        return creds_forms_wrong(a, rc, forms, err);
    }
    if (token) {
        conf->token = creds_trim(token->value);
        return creds_check("token", conf->token, err);
    }
    if (docker || legacy) {
        return creds_docker(a, docker ? docker : legacy, docker != NULL, rc->url, conf, err);
    }
    return creds_basic(user, password, conf, err);
}
