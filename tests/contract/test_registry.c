/* SPDX-License-Identifier: Apache-2.0
 * The contract of port/registry.h, asked of every adapter that offers it: probe, credentials, listings, manifests. Blobs and
 * tokens: test_registry_blob.c. */
#include "contract/env.h"

static const struct fl_adapter *const adapters[] = {&fl_adapter_oci};

#define NO_DIGEST "sha256:1111111111111111111111111111111111111111111111111111111111111111"

struct row {
    const char *name;
    struct fl_fake_registry_conf conf;
    struct fl_fake_fault faults[3];
    void (*arrange)(struct env *e);
    int (*call)(struct env *e);
    const char *password; /* instead of the right one; "" = none */
    enum fl_code want;
    const char *reason;
    const char *msg; /* a part of it */
    int64_t retry_after_ms;
    void (*check)(struct env *e, const char *row);
};

static void run_row(const struct fl_adapter *adapter, const struct row *t,
                    int (*call)(struct env *e))
{
    struct env e;
    env_init(&e, adapter);
    e.fake = env_fake(&e, &t->conf);
    const char *password = t->password                         ? t->password
                           : t->conf.auth == FL_FAKE_ANONYMOUS ? ""
                                                               : PASSWORD;
    e.r = env_open_with(&e, e.fake, NULL, password[0] ? password : NULL);
    row_check(t->name, e.r != NULL, &e);
    if (t->arrange) {
        t->arrange(&e);
    }
    for (size_t i = 0; i < FL_LEN(t->faults) && t->faults[i].path; i++) {
        struct fl_fake_fault f = t->faults[i];
        f.tick_arg = f.tick_arg ? f.tick_arg : &e;
        fl_fake_registry_fault(e.fake, &f);
    }
    int x = (t->call ? t->call : call)(&e);
    row_check(t->name, x == (int)t->want, &e);
    row_check(t->name, t->want == FL_OK || e.err.code == t->want, &e);
    row_check(t->name, !t->reason || fl_text_eq(e.err.reason, t->reason), &e);
    row_check(t->name, !t->msg || strstr(e.err.msg, t->msg), &e);
    row_check(t->name, !t->retry_after_ms || e.err.retry_after_ms == t->retry_after_ms, &e);
    if (t->check && x == (int)t->want) {
        t->check(&e, t->name);
    }
    check_message(t->name, &e.err);
    check_fake(t->name, e.fake);
    env_release(&e);
}

static void run_rows(const struct row *rows, size_t n, int (*call)(struct env *e))
{
    for (size_t k = 0; k < FL_LEN(adapters); k++) {
        for (size_t i = 0; i < n; i++) {
            run_row(adapters[k], &rows[i], call);
        }
    }
    rows_verify();
}

static void tick_cancel(void *arg)
{
    struct env *e = arg;
    fl_cancel_set(&e->cancel);
}

static void tick_second(void *arg)
{
    struct env *e = arg;
    fl_clock_advance(e->clock, 1000);
}

/* Authentication is learned before the call. */
static void arrange_probed(struct env *e)
{
    struct fl_registry_probe ret = {0};
    if (e->ops->probe(e->r, &e->ctx, &ret, &e->err) < 0) {
        fail_msg("probe: %s", e->err.msg);
    }
}

/* What every call does with an answer that is none. */
#define EVERY(METHOD, PATH)                                                                        \
    {.name = "403",                                                                                \
     .faults = {{METHOD, PATH, .kind = FL_FAULT_STATUS, .status = 403, .times = -1}},              \
     .want = FL_E_AUTH},                                                                           \
        {.name = "429",                                                                            \
         .faults = {{METHOD, PATH, .kind = FL_FAULT_STATUS, .status = 429,                         \
                     .header = "Retry-After: 7", .times = -1}},                                    \
         .want = FL_E_LIMITED,                                                                     \
         .retry_after_ms = 7000},                                                                  \
        {.name = "500",                                                                            \
         .faults = {{METHOD, PATH, .kind = FL_FAULT_STATUS, .status = 500, .times = -1}},          \
         .want = FL_E_UNAVAILABLE,                                                                 \
         .msg = "HTTP 500"},                                                                       \
        {.name = "503",                                                                            \
         .faults = {{METHOD, PATH, .kind = FL_FAULT_STATUS, .status = 503,                         \
                     .header = "Retry-After: 9", .times = -1}},                                    \
         .want = FL_E_UNAVAILABLE,                                                                 \
         .retry_after_ms = 9000},                                                                  \
        {.name = "422",                                                                            \
         .faults = {{METHOD, PATH, .kind = FL_FAULT_STATUS, .status = 422, .code = "NAME_INVALID", \
                     .times = -1}},                                                                \
         .want = FL_E_INVALID},                                                                    \
        {.name = "reset before the answer",                                                        \
         .faults = {{METHOD, PATH, .kind = FL_FAULT_RESET, .times = -1}},                          \
         .want = FL_E_UNAVAILABLE,                                                                 \
         .reason = "ConnectionLost"},                                                              \
        {.name = "no answer, canceled",                                                            \
         .faults = {{METHOD, PATH, .kind = FL_FAULT_STALL, .at = -1, .tick = tick_cancel}},        \
         .want = FL_E_CANCELED},                                                                   \
        {.name = "no answer, for longer than a call may take",                                     \
         .faults = {{METHOD, PATH, .kind = FL_FAULT_STALL, .at = -1, .tick = tick_second}},        \
         .want = FL_E_TIMEOUT},                                                                    \
    {                                                                                              \
        .name = "a token refused in mid-run", .conf = {.auth = FL_FAKE_BEARER},                    \
        .arrange = arrange_probed,                                                                 \
        .faults = {{METHOD, PATH, .kind = FL_FAULT_STATUS, .status = 401}}, .want = FL_OK          \
    }

/* ---- probe ---- */

static struct fl_registry_probe probed;

static int call_probe(struct env *e)
{
    probed = (struct fl_registry_probe){0};
    return e->ops->probe(e->r, &e->ctx, &probed, &e->err);
}

static int probe_twice(struct env *e)
{
    (void)call_probe(e);
    return call_probe(e);
}

static void check_anonymous(struct env *e, const char *row)
{
    row_check(row, probed.auth == FL_AUTH_ANONYMOUS && probed.catalog, e);
}

static void check_basic(struct env *e, const char *row)
{
    row_check(row, probed.auth == FL_AUTH_BASIC && probed.catalog, e);
}

static void check_bearer(struct env *e, const char *row)
{
    row_check(row, probed.auth == FL_AUTH_BEARER && probed.catalog, e);
}

static void check_no_catalog(struct env *e, const char *row)
{
    row_check(row, !probed.catalog, e);
}

static void arrange_down(struct env *e)
{
    fl_peer_down(fl_fake_registry_peer(e->fake));
}

static const struct row probe_rows[] = {
    {.name = "anonymous", .check = check_anonymous},
    {.name = "basic", .conf = {.auth = FL_FAKE_BASIC}, .check = check_basic},
    {.name = "bearer", .conf = {.auth = FL_FAKE_BEARER}, .check = check_bearer},
    {.name = "bearer, access_token alone",
     .conf = {.auth = FL_FAKE_BEARER, .access_token = true},
     .check = check_bearer},
    {.name = "no catalog", .conf = {.no_catalog = true}, .check = check_no_catalog},
    {.name = "a catalog that is not for us",
     .conf = {.auth = FL_FAKE_BASIC},
     .faults = {{"GET", "/v2/_catalog", .kind = FL_FAULT_STATUS, .status = 401, .times = -1}},
     .check = check_no_catalog},
    {.name = "a catalog that fails",
     .faults = {{"GET", "/v2/_catalog", .kind = FL_FAULT_STATUS, .status = 500}},
     .check = check_no_catalog},
    {.name = "canceled at the catalog",
     .faults = {{"GET", "/v2/_catalog", .kind = FL_FAULT_STALL, .at = -1, .tick = tick_cancel}},
     .want = FL_E_CANCELED},
    {.name = "basic, wrong password",
     .conf = {.auth = FL_FAKE_BASIC},
     .password = "wrong",
     .want = FL_E_AUTH,
     .reason = "Unauthorized",
     .msg = "refused for the credentials of user robot"},
    {.name = "basic, wrong password, the second time",
     .conf = {.auth = FL_FAKE_BASIC},
     .password = "wrong",
     .call = probe_twice,
     .want = FL_E_AUTH,
     .reason = "Unauthorized",
     .msg = "refused the credentials of user robot"},
    {.name = "bearer, wrong password",
     .conf = {.auth = FL_FAKE_BEARER},
     .password = "wrong",
     .want = FL_E_AUTH,
     .reason = "Unauthorized",
     .msg = "refused the credentials of user robot"},
    {.name = "basic, no credentials",
     .conf = {.auth = FL_FAKE_BASIC},
     .password = "",
     .want = FL_E_AUTH,
     .msg = "there are none: set spec.secretRef"},
    {.name = "bearer, no credentials",
     .conf = {.auth = FL_FAKE_BEARER},
     .password = "",
     .want = FL_E_AUTH,
     .msg = "refused to give a token to anonymous users: set spec.secretRef"},
    {.name = "not a registry",
     .conf = {.ping_path = "/"},
     .want = FL_E_INVALID,
     .reason = "NotARegistry",
     .msg = "answers 404 to /v2/"},
    {.name = "a web page",
     .faults = {{"GET", "/v2/", .kind = FL_FAULT_HTML}},
     .want = FL_E_BAD_DATA,
     .reason = "NotARegistry",
     .msg = "login page"},
    {.name = "nobody there",
     .arrange = arrange_down,
     .want = FL_E_UNAVAILABLE,
     .reason = "ConnectFailed"},
    {.name = "token service: HTML",
     .conf = {.auth = FL_FAKE_BEARER},
     .faults = {{"GET", "/token", .kind = FL_FAULT_HTML}},
     .want = FL_E_BAD_DATA,
     .reason = "TokenInvalid"},
    {.name = "token service: JSON that is none",
     .conf = {.auth = FL_FAKE_BEARER},
     .faults = {{"GET", "/token", .kind = FL_FAULT_JSON}},
     .want = FL_E_BAD_DATA,
     .reason = "TokenInvalid"},
    {.name = "token service: too much",
     .conf = {.auth = FL_FAKE_BEARER},
     .faults = {{"GET", "/token", .kind = FL_FAULT_OVERSIZE, .at = 70000}},
     .want = FL_E_TOO_BIG},
    {.name = "token service: nothing but spaces",
     .conf = {.auth = FL_FAKE_BEARER},
     .faults = {{"GET", "/token", .kind = FL_FAULT_OVERSIZE, .at = 10}},
     .want = FL_E_BAD_DATA,
     .reason = "TokenInvalid"},
    {.name = "token service: 500",
     .conf = {.auth = FL_FAKE_BEARER},
     .faults = {{"GET", "/token", .kind = FL_FAULT_STATUS, .status = 500}},
     .want = FL_E_UNAVAILABLE,
     .msg = "token service"},
    {.name = "token service: 429",
     .conf = {.auth = FL_FAKE_BEARER},
     .faults = {{"GET", "/token", .kind = FL_FAULT_STATUS, .status = 429,
                 .header = "Retry-After: 3"}},
     .want = FL_E_LIMITED,
     .retry_after_ms = 3000},
    {.name = "token service: reset",
     .conf = {.auth = FL_FAKE_BEARER},
     .faults = {{"GET", "/token", .kind = FL_FAULT_RESET, .times = -1}},
     .want = FL_E_UNAVAILABLE,
     .msg = "token service"},
    {.name = "token service: no URL",
     .conf = {.auth = FL_FAKE_BEARER, .realm = "ftp://127.0.0.1/token"},
     .want = FL_E_BAD_DATA,
     .reason = "ChallengeInvalid",
     .msg = "no http(s) URL"},
    {.name = "token service: at a link-local address",
     .conf = {.auth = FL_FAKE_BEARER, .realm = "http://169.254.169.254/token"},
     .want = FL_E_INVALID,
     .reason = "AddressNotAllowed"},
    EVERY("GET", "/v2/"),
};

static void test_registry__probe_tells_state(void **state)
{
    (void)state;
    run_rows(probe_rows, FL_LEN(probe_rows), call_probe);
}

/* ---- TLS ---- */

static void test_registry__tls_asks_for_trust(void **state)
{
    (void)state;
    fl_auto_val(fl_peer_certs) certs = {0};
    fl_peer_certs_make((const char *const[]){"127.0.0.1", NULL}, -3600, 3600, &certs);
    const struct {
        const char *name;
        struct fl_remote_conf conf;
        const char *realm;
        enum fl_code want;
        const char *reason;
    } rows[] = {
        {"not trusted", {0}, NULL, FL_E_UNAVAILABLE, "CertificateNotTrusted"},
        {"own CA", {.ca_pem = certs.ca_pem}, NULL, FL_OK, NULL},
        {"insecure by choice", {.insecure = true}, NULL, FL_OK, NULL},
        {"a token service without TLS",
         {.ca_pem = certs.ca_pem},
         "http://127.0.0.1:1/token",
         FL_E_BAD_DATA,
         "ChallengeInvalid"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct env e;
        env_init(&e, adapters[0]);
        e.fake = env_fake(&e, &(struct fl_fake_registry_conf){.auth = FL_FAKE_BEARER,
                                                              .cert_pem = certs.cert_pem,
                                                              .key_pem = certs.key_pem,
                                                              .realm = rows[i].realm});
        e.r = env_open_with(&e, e.fake, &rows[i].conf, PASSWORD);
        row_check(rows[i].name, e.r != NULL, &e);
        int x = call_probe(&e);
        row_check(rows[i].name, x == (int)rows[i].want, &e);
        row_check(rows[i].name, !rows[i].reason || fl_text_eq(e.err.reason, rows[i].reason), &e);
        check_message(rows[i].name, &e.err);
        check_fake(rows[i].name, e.fake);
        env_release(&e);
    }
    rows_verify();
}

/* Seen through a proxy, the only way for a test to be a registry with a public name. */
static void test_registry__token_service_on_this_machine_refused(void **state)
{
    (void)state;
    static const struct fl_peer_step steps[] = {
        {.method = "GET",
         .target = "http://registry.example/v2/",
         .answer = {.status = 401,
                    .headers = {"WWW-Authenticate: Bearer realm=\"http://127.0.0.1:9/token\""}}},
    };
    fl_auto(fl_peer) proxy = fl_peer_play(steps, FL_LEN(steps));
    setenv("http_proxy", fl_peer_url(proxy), 1);
    struct env e;
    env_init(&e, adapters[0]);
    e.r = env_open_with(&e, NULL, &(struct fl_remote_conf){.url = "http://registry.example"},
                        PASSWORD);
    assert_non_null(e.r);
    int x = call_probe(&e);
    unsetenv("http_proxy");
    row_check("loopback", x == FL_E_BAD_DATA && strstr(e.err.msg, "on this machine"), &e);
    assert_int_equal(fl_peer_verify(proxy), 0);
    env_release(&e);
    rows_verify();
}

/* ---- opening ---- */

#define KEY(k, v)                                                                                  \
    {                                                                                              \
        k,                                                                                         \
        {                                                                                          \
            v, sizeof(v) - 1                                                                       \
        }                                                                                          \
    }

static void test_registry__open_names_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *url;
        struct fl_remote_key keys[4];
        size_t n;
        const char *ca;
        const char *reason;
        const char *msg;
    } rows[] = {
        {"no key", NULL, {{0}}, 0, NULL, "SecretInvalid", "it is empty; allowed are"},
        {"other keys",
         NULL,
         {KEY("user", "x"), KEY("pass", "y")},
         2,
         NULL,
         "SecretInvalid",
         "it has the keys user, pass; allowed are"},
        {"username alone",
         NULL,
         {KEY("username", "x")},
         1,
         NULL,
         "SecretInvalid",
         "it has the key username but not password"},
        {"password alone",
         NULL,
         {KEY("password", "x")},
         1,
         NULL,
         "SecretInvalid",
         "it has the key password but not username"},
        {"two forms",
         NULL,
         {KEY("username", "x"), KEY("password", "y"), KEY("token", "z")},
         3,
         NULL,
         "SecretInvalid",
         "more than one form"},
        {"newline in the middle",
         NULL,
         {KEY("username", "x\ny"), KEY("password", "z")},
         2,
         NULL,
         "SecretInvalid",
         "key username is not one line"},
        {"control character",
         NULL,
         {KEY("token", "a\x01z")},
         1,
         NULL,
         "SecretInvalid",
         "key token is not one line"},
        {"empty",
         NULL,
         {KEY("username", "x"), KEY("password", "")},
         2,
         NULL,
         "SecretInvalid",
         "key password is empty"},
        {"docker config of other hosts",
         "https://registry.example",
         {KEY(".dockerconfigjson", "{\"auths\":{\"ghcr.io\":{},\"quay.io\":{}}}")},
         1,
         NULL,
         "SecretInvalid",
         "no credentials for https://registry.example, only for: ghcr.io, quay.io"},
        {"docker config without hosts",
         NULL,
         {KEY(".dockerconfigjson", "{\"auths\":{}}")},
         1,
         NULL,
         "SecretInvalid",
         "only for: no host"},
        {"docker config, not JSON",
         NULL,
         {KEY(".dockerconfigjson", "auths:")},
         1,
         NULL,
         "SecretInvalid",
         "key .dockerconfigjson is not JSON"},
        {"docker config, no auths",
         NULL,
         {KEY(".dockerconfigjson", "{}")},
         1,
         NULL,
         "SecretInvalid",
         "no object 'auths'"},
        {"docker config, not base64",
         "https://a.example",
         {KEY(".dockerconfigjson", "{\"auths\":{\"a.example\":{\"auth\":\"%%%\"}}}")},
         1,
         NULL,
         "SecretInvalid",
         "auth is not base64"},
        {"CA is garbage", NULL, {KEY("token", "t")}, 1, "garbage", "CAInvalid", "CA"},
        {"URL without scheme", "registry.example", {KEY("token", "t")}, 1, NULL, "InvalidURL", ""},
        {"URL with credentials",
         "https://u:p@registry.example",
         {KEY("token", "t")},
         1,
         NULL,
         "InvalidURL",
         "credentials"},
    };
    for (size_t k = 0; k < FL_LEN(adapters); k++) {
        for (size_t i = 0; i < FL_LEN(rows); i++) {
            struct env e;
            env_init(&e, adapters[k]);
            const struct fl_remote_conf rc = {
                .url = rows[i].url ? rows[i].url : "https://registry.example",
                .secret = rows[i].keys,
                .n_secret = rows[i].n,
                .ca_pem = rows[i].ca,
                .clock = e.clock,
            };
            int x = e.adapter->open(&rc, &e.r, &e.err);
            row_check(rows[i].name, x == FL_E_INVALID && !e.r, &e);
            row_check(rows[i].name, fl_text_eq(e.err.reason, rows[i].reason), &e);
            row_check(rows[i].name, strstr(e.err.msg, rows[i].msg) != NULL, &e);
            env_release(&e);
        }
    }
    rows_verify();
}

/* Forms of credentials that work: proven by a probe. */
static void test_registry__open_takes_every_form(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) auth = FL_BUF_INIT(FL_BUF_ANY);
    fl_base64_add(&auth, USER ":" PASSWORD, strlen(USER ":" PASSWORD));
    const struct {
        const char *name;
        enum fl_fake_auth auth;
        const char *key;
        const char *format; /* %1: host and port; %2: the auth text */
    } rows[] = {
        {"docker config, auth", FL_FAKE_BASIC, ".dockerconfigjson",
         "{\"auths\":{\"%s\":{\"auth\":\"%s\"}}}"},
        {"docker config, URL as key", FL_FAKE_BASIC, ".dockerconfigjson",
         "{\"auths\":{\"http://%s/v1/\":{\"auth\":\"%s\"}}}"},
        {"docker config, username and password", FL_FAKE_BEARER, ".dockerconfigjson",
         "{\"auths\":{\"%s\":{\"username\":\"" USER "\",\"password\":\"" PASSWORD
         "\",\"auth\":\"%s\"}}}"},
        {"docker config, identity token", FL_FAKE_BEARER, ".dockerconfigjson",
         "{\"auths\":{\"%s\":{\"identitytoken\":\"identity-1\",\"auth\":\"%s\"}}}"},
        {"dockercfg", FL_FAKE_BASIC, ".dockercfg", "{\"%s\":{\"auth\":\"%s\"}}"},
        {"token", FL_FAKE_BEARER, "token", "fixed-token%.0s%.0s\n"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct env e;
        env_init(&e, adapters[0]);
        e.fake = env_fake(&e, &(struct fl_fake_registry_conf){.auth = rows[i].auth,
                                                              .identity = "identity-1",
                                                              .bearer = "fixed-token"});
        fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
        const char *host = fl_fake_registry_url(e.fake) + strlen("http://");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        fl_buf_fmt(&text, rows[i].format, host, auth.data);
#pragma GCC diagnostic pop
        const struct fl_remote_key key = {rows[i].key, fl_buf_slice(&text)};
        e.r = env_open_with(&e, e.fake, &(struct fl_remote_conf){.secret = &key, .n_secret = 1},
                            NULL);
        row_check(rows[i].name, e.r != NULL, &e);
        int x = call_probe(&e);
        row_check(rows[i].name, x == 0 && probed.catalog, &e);
        check_fake(rows[i].name, e.fake);
        env_release(&e);
    }
    rows_verify();
}

/* ---- listings ---- */

static const char *const *repos;
static size_t n_repos;
static struct fl_tag *tags;
static size_t n_tags;

static int call_list_repositories(struct env *e)
{
    repos = NULL;
    n_repos = 999;
    return e->ops->list_repositories(e->r, &e->ctx, e->a, &repos, &n_repos, &e->err);
}

static int call_list_tags(struct env *e)
{
    tags = NULL;
    n_tags = 999;
    return e->ops->list_tags(e->r, &e->ctx, e->a, "app/web", &tags, &n_tags, &e->err);
}

static void arrange_tags(struct env *e)
{
    static const char *const names[] = {"v1", "v2", "v10", "latest", "A", "b_1", "0"};
    for (size_t i = 0; i < FL_LEN(names); i++) {
        fl_fake_registry_tag(e->fake, "app/web", names[i], NO_DIGEST);
    }
}

static void check_tags(struct env *e, const char *row)
{
    static const char *const want[] = {"0", "A", "b_1", "latest", "v1", "v10", "v2"};
    row_check(row, n_tags == FL_LEN(want), e);
    for (size_t i = 0; i < FL_LEN(want); i++) {
        row_check(row, fl_text_eq(tags[i].name, want[i]), e);
    }
}

static void check_untouched_tags(struct env *e, const char *row)
{
    row_check(row, !tags && n_tags == 999, e);
}

static void arrange_odd_tags(struct env *e)
{
    arrange_tags(e);
    fl_fake_registry_tag(e->fake, "app/web", "../../etc", NO_DIGEST);
    fl_fake_registry_tag(e->fake, "app/web", "-x", NO_DIGEST);
}

static void arrange_no_tags(struct env *e)
{
    fl_fake_registry_tag(e->fake, "app/web", "v1", NO_DIGEST);
    fl_fake_registry_untag(e->fake, "app/web", "v1");
}

static void check_none(struct env *e, const char *row)
{
    row_check(row, n_tags == 0, e);
}

/* As many as are asked for at once, and some. */
static void arrange_many_tags(struct env *e)
{
    for (int i = 0; i < 2345; i++) {
        fl_fake_registry_tag(e->fake, "app/web", fl_arena_fmt(e->a, "t%d", i), NO_DIGEST);
    }
}

static void check_many(struct env *e, const char *row)
{
    row_check(row, n_tags == 2345, e);
}

static void arrange_thousand_tags(struct env *e)
{
    for (int i = 0; i < 1000; i++) {
        fl_fake_registry_tag(e->fake, "app/web", fl_arena_fmt(e->a, "t%d", i), NO_DIGEST);
    }
}

static void check_thousand(struct env *e, const char *row)
{
    row_check(row, n_tags == 1000, e);
}

#define TAGS "/v2/app/web/tags/list"
static const struct row tag_rows[] = {
    {.name = "all at once", .arrange = arrange_tags, .check = check_tags},
    {.name = "unsorted", .conf = {.unsorted = true}, .arrange = arrange_tags, .check = check_tags},
    {.name = "pages, relative Link",
     .conf = {.page = 2},
     .arrange = arrange_tags,
     .check = check_tags},
    {.name = "pages, unsorted, bearer",
     .conf = {.page = 3, .unsorted = true, .auth = FL_FAKE_BEARER},
     .arrange = arrange_tags,
     .check = check_tags},
    {.name = "pages, absolute Link",
     .conf = {.page = 2, .links = FL_FAKE_LINK_ABSOLUTE},
     .arrange = arrange_tags,
     .check = check_tags},
    {.name = "an empty page after each",
     .conf = {.page = 2, .links = FL_FAKE_LINK_EMPTY},
     .arrange = arrange_tags,
     .check = check_tags},
    {.name = "pages without Link",
     .conf = {.page = 1, .links = FL_FAKE_LINK_NONE},
     .arrange = arrange_many_tags,
     .check = check_many},
    {.name = "as many as a page holds, and the registry knows no pages",
     .arrange = arrange_thousand_tags,
     .check = check_thousand},
    {.name = "none, empty list", .arrange = arrange_no_tags, .check = check_none},
    {.name = "none, null",
     .conf = {.null_tags = true},
     .arrange = arrange_no_tags,
     .check = check_none},
    {.name = "names outside the grammar are left out",
     .arrange = arrange_odd_tags,
     .check = check_tags},
    {.name = "no such repository",
     .want = FL_E_NOT_FOUND,
     .reason = "RepositoryNotFound",
     .msg = "app/web",
     .check = check_untouched_tags},
    {.name = "pages in circles",
     .conf = {.page = 2, .links = FL_FAKE_LINK_CIRCLE},
     .arrange = arrange_tags,
     .want = FL_E_BAD_DATA,
     .reason = "ListInvalid",
     .msg = "circles",
     .check = check_untouched_tags},
    {.name = "the next page on another host",
     .conf = {.page = 2, .links = FL_FAKE_LINK_ELSEWHERE},
     .arrange = arrange_tags,
     .want = FL_E_BAD_DATA,
     .reason = "ListInvalid",
     .msg = "another host",
     .check = check_untouched_tags},
    {.name = "the second page is cut",
     .conf = {.page = 2},
     .arrange = arrange_tags,
     .faults = {{"GET", TAGS, .nth = 2, .kind = FL_FAULT_CUT, .at = 5}},
     .want = FL_E_UNAVAILABLE,
     .reason = "AnswerCut",
     .check = check_untouched_tags},
    {.name = "the third page is an error",
     .conf = {.page = 2},
     .arrange = arrange_tags,
     .faults = {{"GET", TAGS, .nth = 3, .kind = FL_FAULT_STATUS, .status = 500}},
     .want = FL_E_UNAVAILABLE,
     .check = check_untouched_tags},
    {.name = "the second page is a login page",
     .conf = {.page = 2},
     .arrange = arrange_tags,
     .faults = {{"GET", TAGS, .nth = 2, .kind = FL_FAULT_HTML}},
     .want = FL_E_BAD_DATA,
     .reason = "ListInvalid",
     .check = check_untouched_tags},
    {.name = "JSON that is none",
     .arrange = arrange_tags,
     .faults = {{"GET", TAGS, .kind = FL_FAULT_JSON}},
     .want = FL_E_BAD_DATA,
     .reason = "ListInvalid"},
    {.name = "oversize",
     .arrange = arrange_tags,
     .faults = {{"GET", TAGS, .kind = FL_FAULT_OVERSIZE, .at = (16 << 20) + 1}},
     .want = FL_E_TOO_BIG},
    {.name = "byte by byte",
     .arrange = arrange_tags,
     .faults = {{"GET", TAGS, .kind = FL_FAULT_DRIP}},
     .check = check_tags},
    {.name = "404 without words",
     .arrange = arrange_tags,
     .faults = {{"GET", TAGS, .kind = FL_FAULT_STATUS, .status = 404}},
     .want = FL_E_NOT_FOUND},
};

static const struct row tag_faults[] = {EVERY("GET", TAGS)};

static void arrange_repos(struct env *e)
{
    static const char *const names[] = {"b/two", "a", "c", "b/one"};
    for (size_t i = 0; i < FL_LEN(names); i++) {
        fl_fake_registry_tag(e->fake, names[i], "v1", NO_DIGEST);
    }
}

static void check_repos(struct env *e, const char *row)
{
    static const char *const want[] = {"a", "b/one", "b/two", "c"};
    row_check(row, n_repos == FL_LEN(want), e);
    for (size_t i = 0; i < FL_LEN(want); i++) {
        row_check(row, fl_text_eq(repos[i], want[i]), e);
    }
}

static void check_untouched_repos(struct env *e, const char *row)
{
    row_check(row, !repos && n_repos == 999, e);
}

#define CATALOG "/v2/_catalog"
static const struct row repo_rows[] = {
    {.name = "all at once", .arrange = arrange_repos, .check = check_repos},
    {.name = "pages", .conf = {.page = 3}, .arrange = arrange_repos, .check = check_repos},
    {.name = "pages, bearer",
     .conf = {.page = 1, .auth = FL_FAKE_BEARER},
     .arrange = arrange_repos,
     .check = check_repos},
    {.name = "no catalog",
     .conf = {.no_catalog = true},
     .arrange = arrange_repos,
     .want = FL_E_UNSUPPORTED,
     .reason = "NoCatalog",
     .msg = "name them without wildcards in spec.repositories",
     .check = check_untouched_repos},
    {.name = "catalog not allowed",
     .faults = {{"GET", CATALOG, .kind = FL_FAULT_STATUS, .status = 405}},
     .want = FL_E_UNSUPPORTED,
     .reason = "NoCatalog"},
    {.name = "catalog for others only",
     .conf = {.auth = FL_FAKE_BEARER},
     .faults = {{"GET", CATALOG, .kind = FL_FAULT_STATUS, .status = 401, .times = -1}},
     .want = FL_E_UNSUPPORTED,
     .reason = "NoCatalog",
     .msg = "name them without wildcards"},
    {.name = "wrong password",
     .conf = {.auth = FL_FAKE_BEARER},
     .password = "wrong",
     .want = FL_E_AUTH,
     .msg = "check the Secret"},
    {.name = "circles",
     .conf = {.page = 2, .links = FL_FAKE_LINK_CIRCLE},
     .arrange = arrange_repos,
     .want = FL_E_BAD_DATA,
     .check = check_untouched_repos},
    {.name = "cut",
     .conf = {.page = 2},
     .arrange = arrange_repos,
     .faults = {{"GET", CATALOG, .nth = 2, .kind = FL_FAULT_CUT, .at = 1}},
     .want = FL_E_UNAVAILABLE,
     .check = check_untouched_repos},
    {.name = "500",
     .arrange = arrange_repos,
     .faults = {{"GET", CATALOG, .kind = FL_FAULT_STATUS, .status = 500}},
     .want = FL_E_UNAVAILABLE},
    {.name = "429",
     .arrange = arrange_repos,
     .faults = {{"GET", CATALOG, .kind = FL_FAULT_STATUS, .status = 429,
                 .header = "Retry-After: 5"}},
     .want = FL_E_LIMITED,
     .retry_after_ms = 5000},
    {.name = "a token refused in mid-run",
     .conf = {.auth = FL_FAKE_BEARER, .page = 1},
     .arrange = arrange_repos,
     .faults = {{"GET", CATALOG, .nth = 3, .kind = FL_FAULT_STATUS, .status = 401}},
     .check = check_repos},
};

static void test_registry__list_tags_whole_or_not(void **state)
{
    (void)state;
    run_rows(tag_rows, FL_LEN(tag_rows), call_list_tags);
}

static int call_list_some_tags(struct env *e)
{
    arrange_tags(e);
    return call_list_tags(e);
}

static void test_registry__list_tags_faults(void **state)
{
    (void)state;
    run_rows(tag_faults, FL_LEN(tag_faults), call_list_some_tags);
}

static void test_registry__list_repositories_whole_or_not(void **state)
{
    (void)state;
    run_rows(repo_rows, FL_LEN(repo_rows), call_list_repositories);
}

/* ---- manifests: head ---- */

static struct fl_manifest_head head;

static int call_head(struct env *e)
{
    head = (struct fl_manifest_head){0};
    fl_fake_registry_image(e->fake, "app", "v1", (const char *const[]){"layer", NULL});
    return e->ops->head_manifest(e->r, &e->ctx, "app", "v1", false, &head, &e->err);
}

static int call_head_writing(struct env *e)
{
    int x = call_head(e);
    x = x < 0 ? x : e->ops->head_manifest(e->r, &e->ctx, "app", "v1", true, &head, &e->err);
    return x < 0 ? x : e->ops->head_manifest(e->r, &e->ctx, "app", "v1", true, &head, &e->err);
}

static int call_head_absent(struct env *e)
{
    return e->ops->head_manifest(e->r, &e->ctx, "app", "v9", false, &head, &e->err);
}

static int call_head_by_digest(struct env *e)
{
    (void)call_head(e);
    const char *digest = fl_fake_registry_digest(e->fake, "app", "v1");
    return e->ops->head_manifest(e->r, &e->ctx, "app", digest, false, &head, &e->err);
}

static void check_head(struct env *e, const char *row)
{
    row_check(row, fl_text_eq(head.digest, fl_fake_registry_digest(e->fake, "app", "v1")), e);
    row_check(row, fl_text_eq(head.media_type, FL_FAKE_OCI_IMAGE), e);
    row_check(row, head.size > 100, e);
}

static void check_head_only(struct env *e, const char *row)
{
    check_head(e, row);
    row_check(row, fl_fake_registry_count(e->fake, FL_FAKE_KINDS) == 1, e);
}

static void check_head_and_get(struct env *e, const char *row)
{
    check_head(e, row);
    row_check(row, fl_fake_registry_count(e->fake, FL_FAKE_MANIFEST_GET) == 1, e);
}

/* A token for reading, one for writing, and each asked for once. */
static void check_two_tokens(struct env *e, const char *row)
{
    check_head(e, row);
    row_check(row, fl_fake_registry_count(e->fake, FL_FAKE_TOKEN) == 2, e);
}

#define V1 "/v2/app/manifests/v1"
static const struct row head_rows[] = {
    {.name = "by tag", .check = check_head_only},
    {.name = "by digest", .call = call_head_by_digest, .check = check_head},
    {.name = "digest only told by GET",
     .conf = {.no_head_digest = true},
     .check = check_head_and_get},
    {.name = "a token for each purpose",
     .conf = {.auth = FL_FAKE_BEARER},
     .call = call_head_writing,
     .check = check_two_tokens},
    {.name = "absent", .call = call_head_absent, .want = FL_E_NOT_FOUND, .msg = "manifest app:v9"},
    {.name = "a login page",
     .faults = {{NULL, V1, .kind = FL_FAULT_HTML, .times = -1}},
     .want = FL_E_BAD_DATA,
     .reason = "ManifestInvalid",
     .msg = "app:v1"},
    {.name = "JSON that is none",
     .faults = {{NULL, V1, .kind = FL_FAULT_JSON, .times = -1}},
     .want = FL_E_BAD_DATA,
     .reason = "ManifestInvalid"},
    {.name = "digest only told by GET, which is cut",
     .conf = {.no_head_digest = true},
     .faults = {{"GET", V1, .kind = FL_FAULT_CUT, .at = 20}},
     .want = FL_E_UNAVAILABLE},
    {.name = "digest only told by GET, which fails",
     .conf = {.no_head_digest = true},
     .faults = {{"GET", V1, .kind = FL_FAULT_STATUS, .status = 500}},
     .want = FL_E_UNAVAILABLE},
    {.name = "HEAD not allowed: GET tells",
     .faults = {{"HEAD", V1, .kind = FL_FAULT_STATUS, .status = 405}},
     .check = check_head_and_get},
    {.name = "401 twice",
     .conf = {.auth = FL_FAKE_BEARER},
     .faults = {{"HEAD", V1, .kind = FL_FAULT_STATUS, .status = 401, .times = -1}},
     .want = FL_E_AUTH,
     .reason = "Unauthorized"},
    EVERY("HEAD", V1),
};

static void test_registry__head_manifest(void **state)
{
    (void)state;
    run_rows(head_rows, FL_LEN(head_rows), call_head);
}

/* ---- manifests: head of many tags ---- */

#define HEADS 30

static struct fl_tag_head heads[HEADS];
static bool heads_all;

/* Each third tag is absent. */
static int call_head_tags(struct env *e)
{
    for (size_t i = 0; i < HEADS; i++) {
        heads[i] = (struct fl_tag_head){.name = fl_arena_fmt(e->a, "v%zu", i)};
        if (i % 3) {
            const char *const layers[] = {heads[i].name, NULL};
            fl_fake_registry_image(e->fake, "app", heads[i].name, layers);
        }
    }
    heads_all = e->ops->head_tags(e->r, &e->ctx, "app", false, heads, HEADS);
    return 0;
}

/* What is told is right, whether all is told or not. */
static void check_told(struct env *e, const char *row)
{
    for (size_t i = 0; i < HEADS; i++) {
        const char *digest = i % 3 ? fl_fake_registry_digest(e->fake, "app", heads[i].name) : "";
        row_check(row, heads[i].told != (i % 3 ? FL_TAG_ABSENT : FL_TAG_THERE), e);
        row_check(row, heads[i].told != FL_TAG_THERE || fl_text_eq(heads[i].digest, digest), e);
    }
}

static void check_all_told(struct env *e, const char *row)
{
    check_told(e, row);
    row_check(row, heads_all, e);
    for (size_t i = 0; i < HEADS; i++) {
        row_check(row, heads[i].told != FL_TAG_UNTOLD, e);
    }
    row_check(row, fl_fake_registry_count(e->fake, FL_FAKE_MANIFEST_HEAD) == HEADS, e);
}

/* What the others have is left to head_manifest: v4 and what was not begun. */
static void check_gave_up(struct env *e, const char *row)
{
    check_told(e, row);
    row_check(row, !heads_all, e);
    row_check(row, heads[4].told == FL_TAG_UNTOLD, e);
}

#define V4 "/v2/app/manifests/v4"
static const struct row head_tags_rows[] = {
    {.name = "anonymous", .check = check_all_told},
    {.name = "basic",
     .conf = {.auth = FL_FAKE_BASIC},
     .arrange = arrange_probed,
     .check = check_all_told},
    {.name = "bearer",
     .conf = {.auth = FL_FAKE_BEARER},
     .arrange = arrange_probed,
     .check = check_all_told},
    {.name = "authentication not learned yet",
     .conf = {.auth = FL_FAKE_BEARER},
     .check = check_gave_up},
    {.name = "digest only told by GET", .conf = {.no_head_digest = true}, .check = check_gave_up},
    {.name = "a login page",
     .faults = {{NULL, V4, .kind = FL_FAULT_HTML, .times = -1}},
     .check = check_gave_up},
    {.name = "429",
     .faults = {{"HEAD", V4, .kind = FL_FAULT_STATUS, .status = 429, .times = -1}},
     .check = check_gave_up},
    {.name = "500",
     .faults = {{"HEAD", V4, .kind = FL_FAULT_STATUS, .status = 500, .times = -1}},
     .check = check_gave_up},
    {.name = "reset",
     .faults = {{"HEAD", V4, .kind = FL_FAULT_RESET, .times = -1}},
     .check = check_gave_up},
    {.name = "no answer, canceled",
     .faults = {{"HEAD", V4, .kind = FL_FAULT_STALL, .at = -1, .tick = tick_cancel}},
     .check = check_gave_up},
};

static void test_registry__head_tags(void **state)
{
    (void)state;
    run_rows(head_tags_rows, FL_LEN(head_tags_rows), call_head_tags);
}

/* ---- manifests: get ---- */

static struct fl_manifest got;
static const char *wanted; /* digest */

static int get_wanted(struct env *e)
{
    got = (struct fl_manifest){0};
    return e->ops->get_manifest(e->r, &e->ctx, e->a, "app", wanted, &got, &e->err);
}

static int call_get_image(struct env *e)
{
    wanted = fl_fake_registry_image(e->fake, "app", "v1",
                                    (const char *const[]){"layer", "another", NULL});
    return get_wanted(e);
}

static void check_image(struct env *e, const char *row)
{
    row_check(row, got.kind == FL_MANIFEST_IMAGE && got.n_blobs == 3, e);
    row_check(row, fl_text_eq(got.digest, wanted), e);
    row_check(row, fl_text_eq(got.media_type, FL_FAKE_OCI_IMAGE), e);
    row_check(row, got.blobs[1].size == 5 && got.blobs[2].size == 7, e);
    char digest[FL_DIGEST_TEXT];
    fl_digest_of(FL_SHA256, got.bytes, digest);
    row_check(row, fl_text_eq(digest, wanted), e);
}

static int call_get_index(struct env *e)
{
    const char *a = fl_fake_registry_image(e->fake, "app", NULL, (const char *const[]){"1", NULL});
    const char *b = fl_fake_registry_index(e->fake, "app", NULL, (const char *const[]){a, NULL});
    wanted = fl_fake_registry_index(e->fake, "app", "v1", (const char *const[]){a, b, NULL});
    return get_wanted(e);
}

static void check_index(struct env *e, const char *row)
{
    row_check(row, got.kind == FL_MANIFEST_INDEX && got.n_manifests == 2, e);
    row_check(row, fl_text_eq(got.manifests[1].media_type, FL_FAKE_OCI_INDEX), e);
}

static int get_text(struct env *e, const char *type, const char *text)
{
    wanted = fl_fake_registry_manifest(e->fake, "app", "v1", type, text);
    return get_wanted(e);
}

static int call_get_schema1(struct env *e)
{
    return get_text(e, "application/vnd.docker.distribution.manifest.v1+prettyjws",
                    "{\"schemaVersion\":1,\"fsLayers\":[]}");
}

static void check_schema1(struct env *e, const char *row)
{
    row_check(row, got.kind == FL_MANIFEST_SCHEMA1, e);
}

static int call_get_unknown(struct env *e)
{
    return get_text(e, "x/y", "{\"mediaType\":\"application/vnd.example.new+json\"}");
}

static int call_get_mismatch(struct env *e)
{
    return get_text(e, FL_FAKE_OCI_INDEX,
                    "{\"mediaType\":\"" FL_FAKE_OCI_IMAGE "\",\"config\":{},\"layers\":[]}");
}

static int call_get_garbage(struct env *e)
{
    return get_text(e, FL_FAKE_OCI_IMAGE, "{\"layers\":[");
}

static int get_padded(struct env *e, size_t n)
{
    char *text = fl_arena_alloc(e->a, n + 1);
    memset(text, ' ', n);
    const char *core = "{\"manifests\":[]}";
    memcpy(text, core, strlen(core));
    return get_text(e, FL_FAKE_OCI_INDEX, text);
}

static int call_get_at_cap(struct env *e)
{
    return get_padded(e, (size_t)8 << 20);
}

static int call_get_above_cap(struct env *e)
{
    return get_padded(e, ((size_t)8 << 20) + 1);
}

static int call_get_absent(struct env *e)
{
    wanted = NO_DIGEST;
    return get_wanted(e);
}

#define BY_DIGEST "/v2/app/manifests/sha256:*"
static const struct row get_rows[] = {
    {.name = "image", .check = check_image},
    {.name = "image, bearer", .conf = {.auth = FL_FAKE_BEARER}, .check = check_image},
    {.name = "image, type told by itself alone",
     .conf = {.vague_type = true},
     .check = check_image},
    {.name = "index", .call = call_get_index, .check = check_index},
    {.name = "schema 1", .call = call_get_schema1, .check = check_schema1},
    {.name = "at the cap", .call = call_get_at_cap},
    {.name = "one above the cap", .call = call_get_above_cap, .want = FL_E_TOO_BIG},
    {.name = "unknown type",
     .conf = {.vague_type = true},
     .call = call_get_unknown,
     .want = FL_E_UNSUPPORTED,
     .reason = "ManifestType",
     .msg = "application/vnd.example.new+json"},
    {.name = "two types",
     .call = call_get_mismatch,
     .want = FL_E_BAD_DATA,
     .reason = "MediaTypeMismatch"},
    {.name = "no manifest",
     .call = call_get_garbage,
     .want = FL_E_BAD_DATA,
     .reason = "ManifestInvalid",
     .msg = "app@sha256:"},
    {.name = "absent",
     .call = call_get_absent,
     .want = FL_E_NOT_FOUND,
     .reason = "ManifestUnknown",
     .msg = "app@" NO_DIGEST},
    {.name = "a byte flipped",
     .faults = {{"GET", BY_DIGEST, .kind = FL_FAULT_FLIP, .at = 3}},
     .want = FL_E_BAD_DATA,
     .reason = "DigestMismatch",
     .msg = "the content that came is sha256:"},
    {.name = "a byte short",
     .faults = {{"GET", BY_DIGEST, .kind = FL_FAULT_SHORT}},
     .want = FL_E_BAD_DATA,
     .reason = "DigestMismatch"},
    {.name = "a byte long",
     .faults = {{"GET", BY_DIGEST, .kind = FL_FAULT_LONG}},
     .want = FL_E_BAD_DATA,
     .reason = "DigestMismatch"},
    {.name = "cut",
     .faults = {{"GET", BY_DIGEST, .kind = FL_FAULT_CUT, .at = 9}},
     .want = FL_E_UNAVAILABLE,
     .reason = "AnswerCut"},
    {.name = "a login page",
     .faults = {{"GET", BY_DIGEST, .kind = FL_FAULT_HTML}},
     .want = FL_E_BAD_DATA,
     .reason = "DigestMismatch"},
    {.name = "digest of something else in the header",
     .faults = {{"GET", BY_DIGEST, .kind = FL_FAULT_DIGEST}},
     .check = check_image},
    {.name = "byte by byte",
     .faults = {{"GET", BY_DIGEST, .kind = FL_FAULT_DRIP}},
     .check = check_image},
    EVERY("GET", BY_DIGEST),
};

static void test_registry__get_manifest(void **state)
{
    (void)state;
    run_rows(get_rows, FL_LEN(get_rows), call_get_image);
}

/* ---- manifests: put ---- */

static int put_as(struct env *e, const char *ref)
{
    static const char text[] =
        "{\"schemaVersion\":2,\"mediaType\":\"" FL_FAKE_OCI_INDEX "\",\"manifests\":[]}";
    char digest[FL_DIGEST_TEXT];
    fl_digest_of(FL_SHA256, fl_str_of(text), digest);
    const struct fl_manifest m = {
        .kind = FL_MANIFEST_INDEX,
        .media_type = FL_FAKE_OCI_INDEX,
        .digest = fl_arena_text(e->a, digest),
        .bytes = fl_str_of(text),
    };
    return e->ops->put_manifest(e->r, &e->ctx, "app", ref ? ref : m.digest, &m, &e->err);
}

static int call_put_tag(struct env *e)
{
    return put_as(e, "v1");
}

static int call_put_digest(struct env *e)
{
    return put_as(e, NULL);
}

static void check_put(struct env *e, const char *row)
{
    row_check(row, fl_fake_registry_digest(e->fake, "app", "v1") != NULL, e);
}

#define PUT_STATUS(STATUS, CODE)                                                                   \
    {                                                                                              \
        {                                                                                          \
            "PUT", V1, .kind = FL_FAULT_STATUS, .status = STATUS, .code = CODE, .times = -1        \
        }                                                                                          \
    }
static const struct row put_rows[] = {
    {.name = "by tag", .check = check_put},
    {.name = "by tag, bearer", .conf = {.auth = FL_FAKE_BEARER}, .check = check_put},
    {.name = "by digest", .call = call_put_digest},
    {.name = "202, as Quay says", .faults = PUT_STATUS(202, NULL)},
    {.name = "stored as something else",
     .faults = {{"PUT", V1, .kind = FL_FAULT_DIGEST}},
     .want = FL_E_BAD_DATA,
     .reason = "DigestMismatch",
     .msg = "it was stored as"},
    {.name = "a blob is missing",
     .faults = PUT_STATUS(404, "MANIFEST_BLOB_UNKNOWN"),
     .want = FL_E_NOT_FOUND,
     .reason = "BlobUnknown"},
    {.name = "a blob is missing, as 2.8.2 says it",
     .faults = PUT_STATUS(400, "MANIFEST_BLOB_UNKNOWN"),
     .want = FL_E_NOT_FOUND,
     .reason = "BlobUnknown"},
    {.name = "a child is missing",
     .faults = PUT_STATUS(400, "MANIFEST_UNKNOWN"),
     .want = FL_E_NOT_FOUND,
     .reason = "BlobUnknown"},
    {.name = "no such repository",
     .faults = PUT_STATUS(404, "NAME_UNKNOWN"),
     .want = FL_E_NOT_FOUND,
     .reason = "RepositoryNotFound"},
    {.name = "refused, with words",
     .faults = PUT_STATUS(400, "MANIFEST_INVALID"),
     .want = FL_E_INVALID,
     .reason = "ManifestInvalid",
     .msg = "as the test wants it"},
    {.name = "an immutable tag: 409",
     .faults = PUT_STATUS(409, "TAG_IMMUTABLE"),
     .want = FL_E_INVALID,
     .msg = "TAG_IMMUTABLE: as the test wants it"},
    {.name = "an immutable tag: 412",
     .faults = PUT_STATUS(412, "PROJECTPOLICYVIOLATION"),
     .want = FL_E_INVALID,
     .reason = "PolicyViolation"},
    {.name = "too large", .faults = PUT_STATUS(413, NULL), .want = FL_E_INVALID},
    {.name = "not allowed", .faults = PUT_STATUS(405, "UNSUPPORTED"), .want = FL_E_INVALID},
    {.name = "a quota",
     .faults = PUT_STATUS(403, "DENIED"),
     .want = FL_E_AUTH,
     .reason = "Denied",
     .msg = "as the test wants it"},
    {.name = "a token that only reads",
     .conf = {.auth = FL_FAKE_BEARER, .read_only = true},
     .want = FL_E_AUTH,
     .reason = "Unauthorized"},
    {.name = "done, but no answer",
     .faults = {{"PUT", V1, .kind = FL_FAULT_LOST, .times = -1}},
     .want = FL_E_UNAVAILABLE},
    {.name = "a login page", .faults = {{"PUT", V1, .kind = FL_FAULT_HTML}}, .want = FL_E_BAD_DATA},
    EVERY("PUT", V1),
};

static void test_registry__put_manifest(void **state)
{
    (void)state;
    run_rows(put_rows, FL_LEN(put_rows), call_put_tag);
}

/* ---- redirects ---- */

/* Another host answers 401 and names a token service of its own: nobody goes there, least of all with the password. */
static void test_registry__401_of_another_host_teaches_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *path;
        int (*call)(struct env *e);
    } rows[] = {
        {"ping", "/v2/", call_probe},
        {"tags", TAGS, call_list_some_tags},
        {"head", V1, call_head},
        {"get", BY_DIGEST, call_get_image},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        for (int auth = FL_FAKE_BASIC; auth <= FL_FAKE_BEARER; auth++) {
            struct env e;
            env_init(&e, adapters[0]);
            const struct fl_fake_registry_conf conf = {.auth = (enum fl_fake_auth)auth,
                                                       .storage_asks = true};
            e.fake = env_fake(&e, &conf);
            e.r = env_open(&e, e.fake, &conf);
            arrange_probed(&e);
            const char *to = fl_arena_fmt(e.a, "Location: %s/storage/app/x?signature=abc%%3D",
                                          fl_peer_url(fl_fake_registry_side(e.fake)));
            fl_fake_registry_fault(e.fake, &(struct fl_fake_fault){.path = rows[i].path,
                                                                   .kind = FL_FAULT_STATUS,
                                                                   .status = 307,
                                                                   .header = to,
                                                                   .times = -1});
            int x = rows[i].call(&e);
            row_check(rows[i].name, x == FL_E_AUTH, &e);
            row_check(rows[i].name, fl_fake_registry_count(e.fake, FL_FAKE_STORAGE_GET) == 1, &e);
            check_message(rows[i].name, &e.err);
            check_fake(rows[i].name, e.fake);
            env_release(&e);
        }
    }
    rows_verify();
}

/* ---- the port itself ---- */

static void test_registry__every_slot_is_filled(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(adapters); i++) {
        const struct fl_registry_ops *ops = adapters[i]->registry;
        assert_non_null(ops);
        assert_true(ops->probe && ops->list_repositories && ops->list_tags && ops->head_manifest &&
                    ops->head_tags && ops->get_manifest && ops->put_manifest && ops->open_blob &&
                    ops->push_blob && ops->close_blob);
    }
}

int main(void)
{
    fl_http_global_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registry__every_slot_is_filled),
        cmocka_unit_test(test_registry__open_names_what_is_wrong),
        cmocka_unit_test(test_registry__open_takes_every_form),
        cmocka_unit_test(test_registry__probe_tells_state),
        cmocka_unit_test(test_registry__tls_asks_for_trust),
        cmocka_unit_test(test_registry__token_service_on_this_machine_refused),
        cmocka_unit_test(test_registry__list_tags_whole_or_not),
        cmocka_unit_test(test_registry__list_tags_faults),
        cmocka_unit_test(test_registry__list_repositories_whole_or_not),
        cmocka_unit_test(test_registry__head_manifest),
        cmocka_unit_test(test_registry__head_tags),
        cmocka_unit_test(test_registry__get_manifest),
        cmocka_unit_test(test_registry__put_manifest),
        cmocka_unit_test(test_registry__401_of_another_host_teaches_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
