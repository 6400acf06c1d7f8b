/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "fake/peer.h"
#include "remote/git/command.h"
#include "wire/file.h"

/* ---- git's words ---- */

/* As git 2.39, libcurl 7.88 and OpenSSH 9.2 write them. */
static const struct {
    const char *name, *said;
    int exit_code, want;
    const char *reason;
    const char *has; /* stands in the message */
} rows[] = {
    {"password refused",
     "remote: Invalid username or password.\nfatal: Authentication failed for "
     "'https://h.example/a.git/'\n",
     128, FL_E_AUTH, "AuthenticationFailed", "refused the credentials"},
    {"no credentials",
     "fatal: could not read Username for 'https://h.example': terminal prompts disabled\n", 128,
     FL_E_AUTH, "AuthenticationFailed", "asks for credentials"},
    {"forbidden",
     "fatal: unable to access 'https://h.example/a.git/': The requested URL returned error: 403\n",
     128, FL_E_AUTH, "AuthenticationFailed", "denied"},
    {"not there", "fatal: repository 'https://h.example/a.git/' not found\n", 128, FL_E_NOT_FOUND,
     "RepositoryNotFound", "no such repository"},
    {"not there, ssh",
     "fatal: '/a.git' does not appear to be a git repository\nfatal: Could not read from remote "
     "repository.\n",
     128, FL_E_NOT_FOUND, "RepositoryNotFound", "'/a.git'"},
    {"limited",
     "fatal: unable to access 'https://h.example/a.git/': The requested URL returned error: 429\n",
     128, FL_E_LIMITED, "RateLimited", "later"},
    {"fault",
     "fatal: unable to access 'https://h.example/a.git/': The requested URL returned error: 503\n",
     128, FL_E_UNAVAILABLE, "RemoteUnavailable", "503"},
    {"redirect",
     "fatal: unable to access 'https://h.example/a.git/': The requested URL returned error: 302\n",
     128, FL_E_INVALID, "Redirected", "not followed"},
    {"host key",
     "No ED25519 host key is known for h.example and you have requested strict checking.\nHost key "
     "verification failed.\nfatal: Could not read from remote repository.\n",
     128, FL_E_AUTH, "HostKeyUnknown", "known_hosts"},
    {"host key changed",
     "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.\n", 128,
     FL_E_AUTH, "HostKeyUnknown", "another one"},
    {"key refused",
     "git@h.example: Permission denied (publickey).\nfatal: Could not read from remote "
     "repository.\n",
     128, FL_E_AUTH, "AuthenticationFailed", "refused the key"},
    {"moved", "fatal: couldn't find remote ref refs/heads/x\n", 128, FL_E_CONFLICT, "RemoteMoved",
     "refs/heads/x"},
    {"moved, v2", "fatal: remote error: upload-pack: not our ref 1234\n", 128, FL_E_CONFLICT,
     "RemoteMoved", "meanwhile"},
    {"moved, v0", "error: Server does not allow request for unadvertised object 1234\n", 1,
     FL_E_CONFLICT, "RemoteMoved", "meanwhile"},
    {"disk",
     "fatal: write error: No space left on device\nfatal: fetch-pack: invalid index-pack output\n",
     128, FL_E_UNAVAILABLE, "DiskFull", "full"},
    {"read-only", "error: unable to create 'x': Read-only file system\n", 1, FL_E_UNAVAILABLE,
     "DiskReadOnly", "read-only"},
    {"limit", "fatal: write error: File too large\nfatal: fetch-pack: invalid index-pack output\n",
     128, FL_E_TOO_BIG, "PackTooBig", "larger than allowed"},
    {"fsck",
     "error: object 12: gitmodulesUrl: disallowed submodule url: -x\nfatal: fsck error in pack "
     "objects\nfatal: fetch-pack: invalid index-pack output\n",
     128, FL_E_BAD_DATA, "FsckFailed", "malformed"},
    {"ref moved", "fatal: prepare: cannot lock ref 'refs/heads/m': is at 12 but expected 34\n", 128,
     FL_E_CONFLICT, "RefMoved", "refs/heads/m"},
    {"lock",
     "fatal: prepare: cannot lock ref 'refs/heads/m': Unable to create '/m/refs/heads/m.lock': "
     "File exists.\n",
     128, FL_E_CONFLICT, "RefLocked", "m.lock"},
    {"name", "fatal: unable to access 'https://h.example/': Could not resolve host: h.example\n",
     128, FL_E_UNAVAILABLE, "HostNotFound", "h.example"},
    {"certificate",
     "fatal: unable to access 'https://h.example/': server certificate verification failed. "
     "CAfile: none CRLfile: none\n",
     128, FL_E_UNAVAILABLE, "TLSFailed", "certificate"},
    {"broken off",
     "error: RPC failed; curl 18 transfer closed\nfatal: the remote end hung up unexpectedly\n",
     128, FL_E_UNAVAILABLE, "RemoteUnavailable", "broke off"},
    {"unknown", "hint: x\nfatal: something new\nhint: y\n", 128, FL_E_UNAVAILABLE, "GitFailed",
     "something new"},
    {"progress is no word", "Receiving: 10%\rReceiving: 20%\rfatal words\n", 1, FL_E_UNAVAILABLE,
     "GitFailed", "git says: fatal words"},
    {"silent", "", 7, FL_E_UNAVAILABLE, "GitFailed", "code 7"},
};

static void said(struct fl_proc_resp *r, const char *text, int exit_code)
{
    fl_proc_resp_init(r);
    fl_buf_text(&r->err, text);
    r->exit_code = exit_code;
}

static void test_git_fail__words_have_their_meaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_proc_resp) r;
        struct fl_err err = FL_ERR_INIT;

        said(&r, rows[i].said, rows[i].exit_code);
        int rc = git_fail(&r, "git fetch", &err);
        if (rc != rows[i].want || !fl_text_eq(err.reason, rows[i].reason) ||
            !strstr(err.msg, rows[i].has) || !fl_text_starts(err.msg, "git fetch: ")) {
            fail_msg("%s: %d %s: %s", rows[i].name, rc, err.reason, err.msg);
        }
    }
}

static void test_git_fail__credentials_are_never_told(void **state)
{
    static const char *const texts[] = {
        "fatal: unable to access 'https://user:sesame@h.example/a.git/': x\n",
        "fatal: URL 'https://user:sesame@h.example/a.git/' uses plaintext credentials\n",
        "fatal: Authentication failed for 'https://user:sesame@h.example/a.git/'\n",
        "error: bad header Authorization: Basic sesame\n",
        "remote: https://x-access-token:sesame@github.com/ is not valid\n",
    };
    (void)state;
    for (size_t i = 0; i < FL_LEN(texts); i++) {
        fl_auto_val(fl_proc_resp) r;
        struct fl_err err = FL_ERR_INIT;

        said(&r, texts[i], 128);
        (void)git_fail(&r, "git fetch", &err);
        if (strstr(err.msg, "sesame")) {
            fail_msg("row %zu: %s", i, err.msg);
        }
    }
}

/* ---- environment ---- */

static const char *var_of(const struct git_env *e, const char *name)
{
    fl_auto_text start = fl_asprintf("%s=", name);

    for (size_t i = 0; i < e->n; i++) {
        if (fl_text_starts(e->vars[i], start)) {
            return e->vars[i] + strlen(start);
        }
    }
    return NULL;
}

/* The value of a configuration key; NULL: it is not set. The last one counts. */
static const char *config_of(const struct git_env *e, const char *key)
{
    const char *ret = NULL;

    for (int i = 0; i < e->n_config; i++) {
        fl_auto_text k = fl_asprintf("GIT_CONFIG_KEY_%d", i);
        fl_auto_text v = fl_asprintf("GIT_CONFIG_VALUE_%d", i);

        if (fl_text_eq(var_of(e, k), key)) {
            ret = var_of(e, v);
        }
    }
    return ret;
}

struct box {
    char *dir;
    struct fl_remote *remote;
    struct fl_arena *arena;
};

static struct box box_open(const char *url, struct fl_remote_key *secret, size_t n)
{
    static const char *const reach[] = {"127.0.0.1", NULL};
    struct box b = {.dir = fl_strdup("/tmp/fl-cmd-XXXXXX"), .arena = fl_arena_new()};
    struct fl_err err = FL_ERR_INIT;

    assert_non_null(mkdtemp(b.dir));
    struct fl_remote_conf conf = {.url = url,
                                  .timeout_ms = 1000,
                                  .max_concurrent = 1,
                                  .private_hosts = reach,
                                  .insecure = true,
                                  .run_dir = b.dir,
                                  .secret = secret,
                                  .n_secret = n,
                                  .clock = fl_clock_real()};
    if (git_remote_open(&conf, &b.remote, &err)) {
        fail_msg("%s", err.msg);
    }
    return b;
}

static void box_close(struct box *b)
{
    git_remote_close(b->remote);
    fl_arena_free(b->arena);
    assert_int_equal(rmdir(b->dir), 0); /* nothing is left in it */
    fl_free(b->dir);
}

static void test_git_env__is_made_from_nothing(void **state)
{
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto_val(git_env) e;
    (void)state;

    assert_int_equal(setenv("GIT_SSL_CAINFO", "/x", 1), 0);
    git_env_init(&e, a, "/mirrors/m.git");
    assert_null(var_of(&e, "GIT_SSL_CAINFO"));
    assert_string_equal(var_of(&e, "GIT_DIR"), "/mirrors/m.git");
    assert_string_equal(var_of(&e, "GIT_CONFIG_NOSYSTEM"), "1");
    assert_string_equal(var_of(&e, "GIT_TERMINAL_PROMPT"), "0");
    assert_string_equal(config_of(&e, "credential.helper"), "");
    assert_string_equal(config_of(&e, "core.hooksPath"), "/dev/null");
    assert_string_equal(config_of(&e, "http.followRedirects"), "false");
    assert_string_equal(config_of(&e, "gc.auto"), "0");
    (void)unsetenv("GIT_SSL_CAINFO");
}

static void test_git_env__the_header_is_for_the_repository_alone(void **state)
{
    struct fl_remote_key secret[] = {{"username", FL_STR("u")}, {"password", FL_STR("sesame")}};
    struct box b = box_open("https://127.0.0.1:1/a.git", secret, 2);
    struct fl_ctx ctx = fl_ctx_root(fl_clock_real(), NULL);
    struct git_env e;
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    git_env_init(&e, b.arena, NULL);
    assert_int_equal(git_env_remote(&e, b.remote, "https://127.0.0.1:1/a.git", &ctx, &err), 0);
    assert_string_equal(config_of(&e, "http.https://127.0.0.1:1/a.git.extraHeader"),
                        "Authorization: Basic dTpzZXNhbWU=");
    assert_string_equal(var_of(&e, "GIT_ALLOW_PROTOCOL"), "https");
    assert_string_equal(config_of(&e, "http.curloptResolve"), "127.0.0.1:1:127.0.0.1");
    git_env_release(&e);
    box_close(&b);
}

static void test_git_env__g4_an_address_that_is_not_allowed_is_not_asked(void **state)
{
    static const char *const urls[] = {"https://169.254.169.254/a.git", "https://10.0.0.1/a.git",
                                       "https://[::1]/a.git"};
    (void)state;
    for (size_t i = 0; i < FL_LEN(urls); i++) {
        struct box b = box_open(urls[i], NULL, 0);
        struct fl_ctx ctx = fl_ctx_root(fl_clock_real(), NULL);
        struct git_env e;
        struct fl_err err = FL_ERR_INIT;

        git_env_init(&e, b.arena, NULL);
        int rc = git_env_remote(&e, b.remote, urls[i], &ctx, &err);
        if (rc != FL_E_INVALID || !fl_text_eq(err.reason, "AddressNotAllowed")) {
            fail_msg("%s: %d %s", urls[i], rc, err.msg);
        }
        git_env_release(&e);
        box_close(&b);
    }
}

/* What a name resolves to is checked once: git has no second look at it. */
static void test_git_env__g4_the_program_is_pinned_to_the_address_that_was_checked(void **state)
{
    struct box b = box_open("https://localhost:1/a.git", NULL, 0);
    struct fl_ctx ctx = fl_ctx_root(fl_clock_real(), NULL);
    struct git_env e;
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    git_env_init(&e, b.arena, NULL);
    if (git_env_remote(&e, b.remote, "https://localhost:1/a.git", &ctx, &err)) {
        fail_msg("%s", err.msg);
    }
    assert_string_equal(config_of(&e, "http.curloptResolve"), "localhost:1:127.0.0.1");
    git_env_release(&e);
    box_close(&b);
}

static void test_git_env__keys_are_in_a_private_folder_and_go(void **state)
{
    struct fl_remote_key secret[] = {
        {"identity",
         FL_STR("-----BEGIN OPENSSH PRIVATE KEY-----\n"
                "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
                "QyNTUxOQAAACBBeWVxTGuPnUGdRcDCFEFcG1K2lqMvlIuT9Q9VrnVcAgAAAJAAAAAAAAAA\n"
                "-----END OPENSSH PRIVATE KEY-----\n")},
        {"known_hosts",
         FL_STR("[127.0.0.1]:2222 ssh-ed25519 "
                "AAAAC3NzaC1lZDI1NTE5AAAAIEF5ZXFMa4+dQZ1FwMIUQVwbUraWoy+Ui5P1D1WudVwC\n")}};
    struct box b = box_open("ssh://git@127.0.0.1:2222/a.git", secret, 2);
    struct fl_ctx ctx = fl_ctx_root(fl_clock_real(), NULL);
    struct git_env e;
    struct fl_err err = FL_ERR_INIT;
    struct stat st;
    (void)state;

    git_env_init(&e, b.arena, NULL);
    if (git_env_remote(&e, b.remote, "ssh://git@127.0.0.1:2222/a.git", &ctx, &err)) {
        fail_msg("%s", err.msg);
    }
    const char *cmd = var_of(&e, "GIT_SSH_COMMAND");
    assert_non_null(strstr(cmd, "-o 'HostName=127.0.0.1'"));
    assert_non_null(strstr(cmd, "-o 'HostKeyAlias=[127.0.0.1]:2222'"));
    assert_non_null(strstr(cmd, "-o 'StrictHostKeyChecking=yes'"));
    assert_non_null(strstr(cmd, "-o 'BatchMode=yes'"));
    assert_string_equal(var_of(&e, "GIT_ALLOW_PROTOCOL"), "ssh");
    fl_auto_text identity = fl_asprintf("%s/identity", e.key_dir);
    assert_int_equal(stat(e.key_dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(identity, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    git_env_release(&e);
    assert_int_not_equal(stat(identity, &st), 0);
    box_close(&b);
}

static void test_git_fail__limit_holds_for_the_host(void **state)
{
    const char *said = "fatal: unable to access 'https://127.0.0.1:1/a.git/': The requested URL "
                       "returned error: 429\n";
    struct box b = box_open("https://127.0.0.1:1/a.git", NULL, 0);
    struct git_env e = {.remote = b.remote};
    struct fl_err err = FL_ERR_INIT;
    struct fl_url at;
    fl_auto_val(fl_proc_resp) r;
    (void)state;

    fl_proc_resp_init(&r);
    r.exit_code = 128;
    fl_buf_text(&r.err, said);
    assert_int_equal(fl_url_parse(FL_STR("https://127.0.0.1:1/other.git"), &at, &err), 0);
    assert_int_equal(git_host_check(b.remote->clock, &at, &err), 0);
    assert_int_equal(git_fail_remote(&e, &r, "git fetch", &err), FL_E_LIMITED);
    assert_int_equal(err.retry_after_ms, 5000);
    assert_int_equal(git_host_check(b.remote->clock, &at, &err), FL_E_LIMITED);
    box_close(&b);
}

/* libcurl looks into the system's folder of authorities too, unless it is told another one: the
 * Secret's are to be trusted instead of those. */
static void test_git_env__a_secrets_authorities_stand_alone(void **state)
{
    static const char *const sans[] = {"127.0.0.1", NULL};
    fl_auto_val(fl_peer_certs) certs = {0};
    struct fl_ctx ctx = fl_ctx_root(fl_clock_real(), NULL);
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    fl_peer_certs_make(sans, -60, 3600, &certs);
    for (size_t own = 0; own < 2; own++) {
        struct fl_remote_key secret[] = {{"ca.crt", fl_str_of(certs.ca_pem)}};
        struct box b = box_open("https://127.0.0.1:1/a.git", own ? secret : NULL, own);
        struct git_env e;

        git_env_init(&e, b.arena, NULL);
        assert_int_equal(git_env_remote(&e, b.remote, "https://127.0.0.1:1/a.git", &ctx, &err), 0);
        assert_int_equal(config_of(&e, "http.sslCAInfo") != NULL, own);
        assert_true(fl_text_eq(config_of(&e, "http.sslCAPath"), own ? "/nonexistent" : NULL));
        git_env_release(&e);
        box_close(&b);
    }
}

static void test_git_env__what_a_crash_left_is_swept(void **state)
{
    struct box b = box_open("https://127.0.0.1:1/a.git", NULL, 0);
    fl_auto_text left = fl_asprintf("%s/git-abcdef", b.dir);
    fl_auto_text key = fl_asprintf("%s/identity", left);
    fl_auto_text other = fl_asprintf("%s/other", b.dir);
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    assert_int_equal(mkdir(left, 0700), 0);
    assert_int_equal(fl_file_create(key, FL_STR("x"), &err), 0);
    assert_int_equal(mkdir(other, 0700), 0);
    git_key_dirs_sweep(b.dir);
    assert_int_not_equal(access(left, F_OK), 0);
    assert_int_equal(rmdir(other), 0);
    box_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_git_fail__words_have_their_meaning),
        cmocka_unit_test(test_git_fail__credentials_are_never_told),
        cmocka_unit_test(test_git_fail__limit_holds_for_the_host),
        cmocka_unit_test(test_git_env__is_made_from_nothing),
        cmocka_unit_test(test_git_env__the_header_is_for_the_repository_alone),
        cmocka_unit_test(test_git_env__g4_an_address_that_is_not_allowed_is_not_asked),
        cmocka_unit_test(test_git_env__g4_the_program_is_pinned_to_the_address_that_was_checked),
        cmocka_unit_test(test_git_env__keys_are_in_a_private_folder_and_go),
        cmocka_unit_test(test_git_env__a_secrets_authorities_stand_alone),
        cmocka_unit_test(test_git_env__what_a_crash_left_is_swept),
    };
    fl_proc_global_init();
    fl_http_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
