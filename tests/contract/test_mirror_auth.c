/* SPDX-License-Identifier: Apache-2.0
 * Credentials of git remotes over https: sent at once and only where they belong; tokens of GitHub App installations. */
#include "contract/mirror_env.h"

#include "base/num.h"
#include "fake/keys.h"

#define USER "robot"
#define PASSWORD "s3cr3t-pass-w0rd"

/* One server that is the git host and GitHub's API. */
struct server {
    struct menv e;
    struct fl_peer_certs certs;
    atomic_int issued;      /* tokens so far */
    atomic_int refuse_git;  /* so many requests with a token are answered 401 */
    atomic_int api_status;  /* of the token's answer; 0: 201 */
    const char *api_body;   /* with api_status */
    const char *api_header; /* with api_status */
    int life_s;             /* of a token; 0: one hour */
    bool user_install;      /* the owner is a user */
    atomic_int no_auth;     /* requests to git without Authorization */
    const char *want;       /* Authorization of git requests; NULL: the newest token's */
    struct fl_arena *a;     /* of the open calls */
};

static const char *basic_of(struct fl_arena *a, const char *user, const char *password)
{
    fl_auto_val(fl_buf) plain = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&plain, "%s:%s", user, password);
    fl_buf_text(&b, "Basic ");
    fl_base64_add(&b, plain.data, plain.len);
    return fl_arena_text(a, b.data);
}

static void serve_git(struct server *s, const struct fl_peer_request *req,
                      struct fl_peer_answer *ret)
{
    const char *got = fl_peer_header(req, "Authorization");
    char token[32];
    (void)snprintf(token, sizeof(token), "ghs_token%d", atomic_load(&s->issued));
    const char *want = s->want ? s->want : basic_of(req->arena, "x-access-token", token);
    if (!got) {
        atomic_fetch_add(&s->no_auth, 1);
    }
    bool refuse = atomic_load(&s->refuse_git) > 0;
    if (refuse) {
        atomic_fetch_sub(&s->refuse_git, 1);
    }
    if (refuse || !fl_text_eq(got, want)) {
        ret->status = 401;
        ret->headers[0] = "WWW-Authenticate: Basic realm=\"git\"";
        return;
    }
    static const char *const caps[] = {"version 2", "ls-refs", "=0000", NULL};
    static const char *const refs[] = {OID_A " refs/heads/main", "=0000", NULL};
    bool post = fl_text_eq(req->method, "POST");
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    body_make(&b, post ? refs : caps);
    ret->headers[0] = post ? "Content-Type: application/x-git-upload-pack-result"
                           : "Content-Type: application/x-git-upload-pack-advertisement";
    ret->body = (struct fl_str){fl_arena_text(req->arena, b.data), b.len};
}

static void serve_api(struct server *s, const struct fl_peer_request *req,
                      struct fl_peer_answer *ret)
{
    const char *auth = fl_peer_header(req, "Authorization");
    if (!auth || !fl_text_starts(auth, "Bearer eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.")) {
        ret->status = 401;
        ret->body = FL_STR("{\"message\":\"A JSON web token could not be decoded\"}");
    } else if (fl_str_is(req->path, "/api/orgs/acme/installation")) {
        ret->status = s->user_install ? 404 : 200;
        ret->body = FL_STR("{\"id\":77}");
    } else if (fl_str_is(req->path, "/api/users/acme/installation")) {
        ret->body = FL_STR("{\"id\":77}");
    } else if (!fl_str_is(req->path, "/api/app/installations/77/access_tokens")) {
        ret->status = 404;
        ret->body = FL_STR("{\"message\":\"Not Found\"}");
    } else if (atomic_load(&s->api_status)) {
        ret->status = atomic_load(&s->api_status);
        ret->headers[0] = s->api_header;
        ret->body = fl_str_of(s->api_body);
    } else {
        int n = atomic_fetch_add(&s->issued, 1) + 1;
        fl_auto_val(fl_buf) end = FL_BUF_INIT(FL_BUF_ANY);
        fl_time_fmt(&end, fl_clock_wall_ms(s->e.clock) + (s->life_s ? s->life_s : 3600) * 1000LL);
        ret->status = 201;
        ret->body = fl_str_of(fl_arena_fmt(
            req->arena, "{\"token\":\"ghs_token%d\",\"expires_at\":\"%s\"}", n, end.data));
    }
}

static void serve(void *arg, const struct fl_peer_request *req, struct fl_peer_answer *ret)
{
    struct server *s = arg;
    if (fl_str_starts(req->path, "/api/")) {
        serve_api(s, req, ret);
    } else {
        serve_git(s, req, ret);
    }
}

static void server_init(struct server *s)
{
    static const char *const sans[] = {"127.0.0.1", NULL};
    memset(s, 0, sizeof(*s));
    menv_init(&s->e);
    s->a = fl_arena_new();
    fl_peer_certs_make(sans, -60, 3600, &s->certs);
    s->e.peer = fl_peer_new(&(struct fl_peer_conf){
        .handle = serve, .arg = s, .cert_pem = s->certs.cert_pem, .key_pem = s->certs.key_pem});
}

static void server_release(struct server *s)
{
    menv_release(&s->e);
    fl_peer_certs_release(&s->certs);
    fl_arena_free(s->a);
}

/* keys: pairs, NULL-ended; ca.crt is added. */
static int server_open(struct server *s, const char *path, const char *provider,
                       const char *const *keys, struct fl_remote **ret)
{
    struct fl_remote_key entries[8];
    size_t n = 0;
    entries[n++] = (struct fl_remote_key){"ca.crt", fl_str_of(s->certs.ca_pem)};
    for (; keys[0]; keys += 2) {
        entries[n++] = (struct fl_remote_key){keys[0], fl_str_of(keys[1])};
    }
    struct fl_remote_conf conf = {.secret = entries, .n_secret = n, .provider = provider};
    return menv_open_at(&s->e, fl_arena_fmt(s->a, "%s%s", fl_peer_url(s->e.peer), path), &conf,
                        ret);
}

static void open_app(struct server *s, const char *path, const char *which, const char *value,
                     struct fl_remote **ret)
{
    const char *base = fl_arena_fmt(s->a, "%s/api", fl_peer_url(s->e.peer));
    const char *keys[] = {"githubAppID",      "12",  "githubAppPrivateKey",
                          KEY_RSA_PKCS1,      which, value,
                          "githubAppBaseURL", base,  NULL};
    if (server_open(s, path, "github", keys, ret) < 0) {
        fail_msg("open: %s", s->e.err.msg);
    }
}

/* ---- what a Secret says ---------------------------------------------------------------------------------------- */

static void test_credentials__are_sent_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *keys[5];
        const char *want; /* NULL: basic of the first two values */
        const char *said; /* when refused */
    } rows[] = {
        {"basic",
         {"username", USER, "password", PASSWORD, NULL},
         NULL,
         "refused the username and password (HTTP 401): check the Secret"},
        {"bearer",
         {"bearerToken", PASSWORD, NULL},
         "Bearer " PASSWORD,
         "refused the bearer token (HTTP 401): check the Secret"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct server s;
        server_init(&s);
        s.want = rows[i].want ? rows[i].want : basic_of(s.a, USER, PASSWORD);
        row_check(rows[i].name, server_open(&s, "/x", NULL, rows[i].keys, &s.e.r) == 0, &s.e);
        row_check(rows[i].name, menv_list_of(&s.e, s.e.r) == 0, &s.e);
        row_check(rows[i].name, atomic_load(&s.no_auth) == 0, &s.e);
        row_check(rows[i].name, fl_peer_count(s.e.peer) == 2, &s.e);
        atomic_store(&s.refuse_git, 100);
        row_check(rows[i].name, menv_list_of(&s.e, s.e.r) == FL_E_AUTH, &s.e);
        row_check(rows[i].name, fl_text_eq(s.e.err.reason, "AuthenticationFailed"), &s.e);
        row_check(rows[i].name, strstr(s.e.err.msg, rows[i].said), &s.e);
        row_check(rows[i].name, !strstr(s.e.err.msg, PASSWORD), &s.e);
        row_check(rows[i].name, fl_peer_count(s.e.peer) == 3, &s.e);
        server_release(&s);
    }
    rows_verify();
}

static void test_trust__another_ca_is_another_client(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    struct server s;
    server_init(&s);
    struct fl_remote *plain = NULL;
    const char *url = fl_arena_fmt(s.a, "%s/x", fl_peer_url(s.e.peer));
    row_check("without CA", menv_open_at(&s.e, url, NULL, &plain) == 0, &s.e);
    row_check("with CA", server_open(&s, "/x", NULL, none, &s.e.r) == 0, &s.e);
    row_check("with CA", menv_list_of(&s.e, s.e.r) == FL_E_AUTH, &s.e);
    row_check("without CA", menv_list_of(&s.e, plain) < 0, &s.e);
    row_check("without CA", strstr(s.e.err.msg, "certificate") != NULL, &s.e);
    fl_adapter_git.close(plain);
    server_release(&s);
    rows_verify();
}

/* ---- GitHub App ------------------------------------------------------------------------------------------------ */

static size_t asked(struct server *s, const char *prefix)
{
    return fl_peer_count_of(s->e.peer, NULL, prefix);
}

static void test_app__token_is_shared_and_renewed_five_minutes_early(void **state)
{
    (void)state;
    struct server s;
    server_init(&s);
    struct fl_remote *second = NULL;
    open_app(&s, "/x", "githubAppInstallationID", "77", &s.e.r);
    open_app(&s, "/y", "githubAppInstallationID", "77", &second);
    row_check("first", menv_list_of(&s.e, s.e.r) == 0, &s.e);
    row_check("second", menv_list_of(&s.e, second) == 0, &s.e);
    row_check("one token", asked(&s, "/api/") == 1, &s.e);
    fl_clock_advance(s.e.clock, 54 * 60000);
    row_check("kept", menv_list_of(&s.e, s.e.r) == 0, &s.e);
    row_check("kept", asked(&s, "/api/") == 1, &s.e);
    fl_clock_advance(s.e.clock, 2 * 60000);
    row_check("renewed", menv_list_of(&s.e, s.e.r) == 0, &s.e);
    row_check("renewed", asked(&s, "/api/") == 2, &s.e);
    row_check("never without", atomic_load(&s.no_auth) == 0, &s.e);
    fl_adapter_git.close(s.e.r);
    s.e.r = NULL;
    row_check("outlives the other remote", menv_list_of(&s.e, second) == 0, &s.e);
    row_check("outlives the other remote", asked(&s, "/api/") == 2, &s.e);
    fl_adapter_git.close(second);
    server_release(&s);
    rows_verify();
}

static void test_app__refused_token_is_dropped_once(void **state)
{
    (void)state;
    struct server s;
    server_init(&s);
    open_app(&s, "/x", "githubAppInstallationID", "77", &s.e.r);
    atomic_store(&s.refuse_git, 1);
    row_check("once", menv_list_of(&s.e, s.e.r) == 0, &s.e);
    row_check("once", asked(&s, "/api/") == 2, &s.e);
    atomic_store(&s.refuse_git, 100);
    row_check("twice", menv_list_of(&s.e, s.e.r) == FL_E_AUTH, &s.e);
    row_check("twice", fl_text_eq(s.e.err.reason, "AuthenticationFailed"), &s.e);
    row_check("twice", strstr(s.e.err.msg, "GitHub App 12"), &s.e);
    row_check("twice", !strstr(s.e.err.msg, "ghs_"), &s.e);
    row_check("twice", asked(&s, "/api/") == 3, &s.e);
    row_check("never without", atomic_load(&s.no_auth) == 0, &s.e);
    server_release(&s);
    rows_verify();
}

static void test_app__without_a_token_git_is_not_asked(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *installation;
        int status;
        const char *body, *header;
        enum fl_code code;
        const char *reason, *said;
        int64_t retry_after_ms;
    } rows[] = {
        {"401", "77", 401, "{\"message\":\"'Issuer' claim must be an Integer\"}", NULL, FL_E_AUTH,
         "AppRejected", "'Issuer' claim must be an Integer", -1},
        {"suspended", "77", 403, "{\"message\":\"This installation has been suspended\"}", NULL,
         FL_E_AUTH, "AppRejected", "suspended", -1},
        {"unknown installation", "78", 0, NULL, NULL, FL_E_AUTH, "AppRejected",
         "installation of 78: Not Found", -1},
        {"500", "77", 500, "oops", NULL, FL_E_UNAVAILABLE, NULL, NULL, -1},
        {"429", "77", 429, "{}", "Retry-After: 30", FL_E_LIMITED, NULL, NULL, 30000},
        {"secondary limit", "77", 403, "{}", "Retry-After: 40", FL_E_LIMITED, NULL, NULL, 40000},
        {"no JSON", "77", 201, "<html>", NULL, FL_E_BAD_DATA, "AppAnswerInvalid", NULL, -1},
        {"no token", "77", 201, "{}", NULL, FL_E_BAD_DATA, "AppAnswerInvalid", NULL, -1},
        {"token of two lines", "77", 201, "{\"token\":\"a\\r\\nX: y\"}", NULL, FL_E_BAD_DATA,
         "AppAnswerInvalid", NULL, -1},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct server s;
        server_init(&s);
        atomic_store(&s.api_status, rows[i].status);
        s.api_body = rows[i].body;
        s.api_header = rows[i].header;
        open_app(&s, "/x", "githubAppInstallationID", rows[i].installation, &s.e.r);
        row_check(rows[i].name, menv_list_of(&s.e, s.e.r) == (int)rows[i].code, &s.e);
        row_check(rows[i].name, !rows[i].reason || fl_text_eq(s.e.err.reason, rows[i].reason),
                  &s.e);
        row_check(rows[i].name, !rows[i].said || strstr(s.e.err.msg, rows[i].said), &s.e);
        row_check(rows[i].name, s.e.err.retry_after_ms == rows[i].retry_after_ms, &s.e);
        row_check(rows[i].name, asked(&s, "/x") == 0, &s.e);
        server_release(&s);
    }
    rows_verify();
}

static void test_app__installation_is_found_by_its_owner(void **state)
{
    (void)state;
    for (int user = 0; user < 2; user++) {
        struct server s;
        server_init(&s);
        s.user_install = user;
        s.life_s = 1; /* a clock that is wrong: each call would ask anew */
        open_app(&s, "/x", "githubAppInstallationOwner", "acme", &s.e.r);
        row_check("found", menv_list_of(&s.e, s.e.r) == 0, &s.e);
        row_check("found", menv_list_of(&s.e, s.e.r) == 0, &s.e);
        row_check("found", asked(&s, "/api/") == (user ? 3U : 2U), &s.e);
        fl_clock_advance(s.e.clock, 61000);
        row_check("remembered", menv_list_of(&s.e, s.e.r) == 0, &s.e);
        row_check("remembered", asked(&s, "/api/") == (user ? 4U : 3U), &s.e);
        server_release(&s);
    }
    struct server s;
    server_init(&s);
    open_app(&s, "/x", "githubAppInstallationOwner", "nobody", &s.e.r);
    row_check("unknown", menv_list_of(&s.e, s.e.r) == FL_E_AUTH, &s.e);
    row_check("unknown", strstr(s.e.err.msg, "installation of nobody"), &s.e);
    server_release(&s);
    rows_verify();
}

struct crowd {
    struct server *s;
    struct fl_remote *r;
    int failed;
};

static void *crowd_main(void *arg)
{
    struct crowd *c = arg;
    struct menv own = c->s->e; /* an arena and an error of its own */
    own.a = fl_arena_new();
    for (int i = 0; i < 5; i++) {
        c->failed += menv_list_of(&own, c->r) != 0;
    }
    fl_arena_free(own.a);
    return NULL;
}

static void test_app__many_threads_ask_for_one_token(void **state)
{
    (void)state;
    struct server s;
    server_init(&s);
    struct fl_remote *second = NULL;
    open_app(&s, "/x", "githubAppInstallationID", "77", &s.e.r);
    open_app(&s, "/y", "githubAppInstallationID", "77", &second);
    struct crowd crowd[6];
    pthread_t threads[FL_LEN(crowd)];
    for (size_t i = 0; i < FL_LEN(crowd); i++) {
        crowd[i] = (struct crowd){&s, i % 2 ? second : s.e.r, 0};
        fl_thread_start(&threads[i], "crowd", crowd_main, &crowd[i]);
    }
    for (size_t i = 0; i < FL_LEN(crowd); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(crowd[i].failed, 0);
    }
    assert_int_equal(asked(&s, "/api/"), 1);
    assert_int_equal(atomic_load(&s.no_auth), 0);
    assert_true(fl_peer_connections(s.e.peer) <= FL_LEN(crowd) + 1);
    fl_adapter_git.close(second);
    server_release(&s);
}

int main(void)
{
    fl_http_global_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_credentials__are_sent_at_once),
        cmocka_unit_test(test_trust__another_ca_is_another_client),
        cmocka_unit_test(test_app__token_is_shared_and_renewed_five_minutes_early),
        cmocka_unit_test(test_app__many_threads_ask_for_one_token),
        cmocka_unit_test(test_app__refused_token_is_dropped_once),
        cmocka_unit_test(test_app__without_a_token_git_is_not_asked),
        cmocka_unit_test(test_app__installation_is_found_by_its_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
