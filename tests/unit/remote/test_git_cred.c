/* SPDX-License-Identifier: Apache-2.0
 * Shapes of Secrets, and the words for those that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fake/keys.h"
#include "remote/git/client.h"

#define HTTPS "https://git.example/a/b"
#define SSH "ssh://git@git.example:2222/a/b"
#define APP                                                                                        \
    {"githubAppID", "12"},                                                                         \
    {                                                                                              \
        "githubAppPrivateKey", KEY_RSA_PKCS1                                                       \
    }

struct row {
    const char *name;
    const char *url;
    const char *provider;
    struct {
        const char *key, *value;
    } secret[8];
    enum git_auth auth;
    const char *said; /* part of the message; NULL: valid */
    bool insecure;
    bool empty; /* a Secret without keys; else none at all */
};

static const struct row rows[] = {
    {.name = "none", .url = HTTPS},
    {.name = "none over http", .url = "http://git.example/a"},
    {.name = "basic",
     .url = HTTPS,
     .provider = NULL,
     .secret = {{"username", "u"}, {"password", "p"}},
     .auth = GIT_AUTH_BASIC},
    {.name = "basic beside other keys",
     .url = HTTPS,
     .provider = "generic",
     .secret = {{"username", "u"}, {"password", "p"}, {"note", "x"}},
     .auth = GIT_AUTH_BASIC},
    {.name = "newline at the end",
     .url = HTTPS,
     .provider = NULL,
     .secret = {{"username", "u\n"}, {"password", "p\r\n"}},
     .auth = GIT_AUTH_BASIC},
    {.name = "bearer",
     .url = HTTPS,
     .provider = NULL,
     .secret = {{"bearerToken", "t"}},
     .auth = GIT_AUTH_BEARER},
    {.name = "CA alone",
     .url = HTTPS,
     .provider = NULL,
     .secret = {{"ca.crt", "x"}},
     .auth = GIT_AUTH_NONE},
    {.name = "client certificate alone",
     .url = HTTPS,
     .provider = NULL,
     .secret = {{"tls.crt", "x"}, {"tls.key", "y"}},
     .auth = GIT_AUTH_NONE},
    {.name = "ssh",
     .url = SSH,
     .provider = NULL,
     .secret = {{"identity", KEY_SSH}, {"known_hosts", "h ssh-ed25519 AAAA"}},
     .auth = GIT_AUTH_SSH},
    {.name = "ssh with passphrase",
     .url = SSH,
     .provider = NULL,
     .secret = {{"identity", KEY_SSH_PASSPHRASE}, {"known_hosts", "h"}, {"password", "pw"}},
     .auth = GIT_AUTH_SSH},
    {.name = "ssh, PEM",
     .url = SSH,
     .provider = NULL,
     .secret = {{"identity", KEY_RSA_PKCS1}, {"known_hosts", "h"}},
     .auth = GIT_AUTH_SSH},
    {.name = "app by id",
     .url = HTTPS,
     .provider = "github",
     .secret = {APP, {"githubAppInstallationID", "34"}},
     .auth = GIT_AUTH_APP},
    {.name = "app by owner",
     .url = HTTPS,
     .provider = "github",
     .secret = {APP, {"githubAppInstallationOwner", "a-b"}},
     .auth = GIT_AUTH_APP},
    {.name = "app with base",
     .url = HTTPS,
     .provider = "github",
     .secret = {APP,
                {"githubAppInstallationID", "34"},
                {"githubAppBaseURL", "https://api.example/"}},
     .auth = GIT_AUTH_APP},

    {.name = "empty Secret",
     .url = HTTPS,
     .provider = NULL,
     .secret = {{NULL, NULL}},
     .said = "it is empty; allowed are",
     .empty = true},
    {.name = "unknown keys",
     .url = HTTPS,
     .provider = NULL,
     .secret = {{"token", "t"}, {"user", "u"}},
     .said =
         "it has only the keys token, user; allowed are: username and password; or bearerToken"},
    {.name = "no password",
     .url = HTTPS,
     .provider = NULL,
     .secret = {{"username", "u"}},
     .said = "has the key username but not password"},
    {.name = "no username",
     .url = HTTPS,
     .provider = NULL,
     .secret = {{"password", "p"}},
     .said = "has the key password but not username"},
    {.name = "empty password",
     .url = HTTPS,
     .provider = NULL,
     .secret = {{"username", "u"}, {"password", "\n"}},
     .said = "key password is empty"},
    {.name = "colon in username",
     .url = HTTPS,
     .provider = NULL,
     .secret = {{"username", "u:v"}, {"password", "p"}},
     .said = "key username has a ':'"},
    {.name = "two lines",
     .url = HTTPS,
     .provider = NULL,
     .secret = {{"bearerToken", "a\nb"}},
     .said = "key bearerToken is not one line"},
    {.name = "two forms",
     .url = HTTPS,
     .provider = NULL,
     .secret = {{"username", "u"}, {"password", "p"}, {"bearerToken", "t"}},
     .said = "more than one form of credentials: username, password, bearerToken"},
    {.name = "App and password",
     .url = HTTPS,
     .provider = "github",
     .secret = {APP, {"githubAppInstallationID", "34"}, {"username", "u"}, {"password", "p"}},
     .said = "more than one form of credentials"},
    {.name = "basic over http",
     .url = "http://git.example/a",
     .provider = NULL,
     .secret = {{"username", "u"}, {"password", "p"}},
     .said = "the URL is plain http"},
    {.name = "bearer over http",
     .url = "http://git.example/a",
     .provider = NULL,
     .secret = {{"bearerToken", "t"}},
     .said = "the URL is plain http"},
    {.name = "basic over http, insecure",
     .url = "http://git.example/a",
     .secret = {{"username", "u"}, {"password", "p"}},
     .auth = GIT_AUTH_BASIC,
     .insecure = true},
    {.name = "client key over http",
     .url = "http://git.example/a",
     .provider = NULL,
     .secret = {{"tls.crt", "x"}, {"tls.key", "y"}},
     .said = "the URL is plain http"},
    {.name = "half a client certificate",
     .url = HTTPS,
     .provider = NULL,
     .secret = {{"tls.crt", "x"}},
     .said = "tls.crt but not tls.key"},
    {.name = "ssh without Secret",
     .url = SSH,
     .said = "set secretRef to a Secret with the keys identity"},
    {.name = "ssh with a password",
     .url = SSH,
     .provider = NULL,
     .secret = {{"username", "u"}, {"password", "p"}},
     .said = "the URL is ssh"},
    {.name = "ssh keys for https",
     .url = HTTPS,
     .provider = NULL,
     .secret = {{"identity", KEY_SSH}, {"known_hosts", "h"}},
     .said = "but the URL is not ssh"},
    {.name = "no known_hosts",
     .url = SSH,
     .provider = NULL,
     .secret = {{"identity", KEY_SSH}},
     .said = "Add the line '[git.example]:2222 ssh-ed25519 AAAA...' that 'ssh-keyscan -t ed25519 "
             "-p 2222 "
             "git.example' prints"},
    {.name = "no known_hosts, usual port",
     .url = "ssh://git@h/a",
     .provider = NULL,
     .secret = {{"identity", KEY_SSH}, {"known_hosts", " \n"}},
     .said = "'h ssh-ed25519 AAAA...'"},
    {.name = "no identity",
     .url = SSH,
     .provider = NULL,
     .secret = {{"known_hosts", "h"}},
     .said = "key identity is missing"},
    {.name = "identity that is public",
     .url = SSH,
     .provider = NULL,
     .secret = {{"identity", KEY_RSA_PUBLIC}, {"known_hosts", "h"}},
     .said = "key identity is no private key"},
    {.name = "passphrase, no password",
     .url = SSH,
     .provider = NULL,
     .secret = {{"identity", KEY_SSH_PASSPHRASE}, {"known_hosts", "h"}},
     .said = "protected by a passphrase"},
    {.name = "PEM passphrase, no password",
     .url = SSH,
     .provider = NULL,
     .secret = {{"identity", KEY_RSA_ENCRYPTED}, {"known_hosts", "h"}},
     .said = "protected by a passphrase"},
    {.name = "App without provider",
     .url = HTTPS,
     .provider = NULL,
     .secret = {APP, {"githubAppInstallationID", "34"}},
     .said = "but provider is not github"},
    {.name = "App with provider generic",
     .url = HTTPS,
     .provider = "generic",
     .secret = {APP, {"githubAppInstallationID", "34"}},
     .said = "but provider is not github"},
    {.name = "provider github without App",
     .url = HTTPS,
     .provider = "github",
     .secret = {{"username", "u"}, {"password", "p"}},
     .said = "must have githubAppID"},
    {.name = "provider github without Secret",
     .url = HTTPS,
     .provider = "github",
     .said = "must have githubAppID"},
    {.name = "App id not a number",
     .url = HTTPS,
     .provider = "github",
     .secret = {{"githubAppID", "abc"},
                {"githubAppPrivateKey", KEY_RSA_PKCS1},
                {"githubAppInstallationID", "1"}},
     .said = "key githubAppID is not a number"},
    {.name = "installation not a number",
     .url = HTTPS,
     .provider = "github",
     .secret = {APP, {"githubAppInstallationID", "1/2"}},
     .said = "key githubAppInstallationID is not a number"},
    {.name = "owner with a slash",
     .url = HTTPS,
     .provider = "github",
     .secret = {APP, {"githubAppInstallationOwner", "a/b"}},
     .said = "no name of a user"},
    {.name = "neither id nor owner",
     .url = HTTPS,
     .provider = "github",
     .secret = {APP},
     .said = "needs one of the keys"},
    {.name = "id and owner",
     .url = HTTPS,
     .provider = "github",
     .secret = {APP, {"githubAppInstallationID", "1"}, {"githubAppInstallationOwner", "a"}},
     .said = "needs only one of the keys"},
    {.name = "App without key",
     .url = HTTPS,
     .provider = "github",
     .secret = {{"githubAppID", "1"}, {"githubAppInstallationID", "1"}},
     .said = "githubAppPrivateKey is missing"},
    {.name = "App key that cannot sign",
     .url = HTTPS,
     .provider = "github",
     .secret = {{"githubAppID", "1"},
                {"githubAppPrivateKey", KEY_EC},
                {"githubAppInstallationID", "1"}},
     .said = "it is no RSA key"},
    {.name = "App base over http",
     .url = HTTPS,
     .provider = "github",
     .secret = {APP, {"githubAppInstallationID", "1"}, {"githubAppBaseURL", "http://api.example"}},
     .said = "no https URL"},
};

static int parse(const struct row *t, struct git_cred *ret, struct fl_err *err)
{
    struct fl_remote_key keys[8];
    size_t n = 0;
    for (; n < FL_LEN(t->secret) && t->secret[n].key; n++) {
        keys[n] = (struct fl_remote_key){t->secret[n].key, fl_str_of(t->secret[n].value)};
    }
    struct fl_remote_conf conf = {.url = t->url,
                                  .provider = t->provider,
                                  .insecure = t->insecure,
                                  .secret = n || t->empty ? keys : NULL,
                                  .n_secret = n};
    struct fl_git_url url;
    if (fl_git_url_parse(fl_str_of(t->url), &url, err) < 0) {
        fail_msg("%s: %s", t->name, err->msg);
    }
    return git_cred_parse(&conf, &url, ret, err);
}

static void test_cred__shapes_and_words(void **state)
{
    (void)state;
    int failures = 0;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        const struct row *t = &rows[i];
        fl_auto_val(git_cred) c = {0};
        struct fl_err err = FL_ERR_INIT;
        int x = parse(t, &c, &err);
        bool good = t->said ? x == FL_E_INVALID && fl_text_eq(err.reason, "SecretInvalid") &&
                                  strstr(err.msg, t->said) && c.auth == GIT_AUTH_NONE
                            : x == 0 && c.auth == t->auth;
        if (!good) {
            failures++;
            print_error("%s: %d %s %s\n", t->name, x, err.reason, err.msg);
        }
        for (size_t k = 0; k < FL_LEN(t->secret) && t->secret[k].key; k++) {
            if (strstr(err.msg, "BEGIN RSA") || strstr(err.msg, "\"p\"")) {
                fail_msg("%s: a secret in '%s'", t->name, err.msg);
            }
        }
    }
    assert_int_equal(failures, 0);
}

static void test_cred__texts_are_kept_as_they_are_needed(void **state)
{
    (void)state;
    struct fl_err err = FL_ERR_INIT;
    fl_auto_val(git_cred) c = {0};
    static const struct row basic = {
        .name = "basic",
        .url = HTTPS,
        .secret = {{"username", " u \n"}, {"password", "p w\n"}, {"ca.crt", "CA"}}};
    assert_int_equal(parse(&basic, &c, &err), 0);
    assert_string_equal(c.username.p, "u");
    assert_string_equal(c.password.p, "p w");
    assert_string_equal(c.ca_pem, "CA");
    git_cred_release(&c);
    static const struct row ssh = {
        .name = "ssh",
        .url = SSH,
        .secret = {{"identity", "-----BEGIN PRIVATE KEY-----\nx\n-----END"}, {"known_hosts", "h"}}};
    assert_int_equal(parse(&ssh, &c, &err), 0);
    assert_string_equal(c.identity.p, "-----BEGIN PRIVATE KEY-----\nx\n-----END\n");
    git_cred_release(&c);
}

static void test_cred__api_of_an_app_follows_the_url(void **state)
{
    (void)state;
    static const struct {
        const char *url, *base, *want;
    } table[] = {
        {"https://github.com/a/b", NULL, "https://api.github.com"},
        {"https://GitHub.com/a/b", NULL, "https://api.github.com"},
        {"https://ghe.example/a/b", NULL, "https://ghe.example/api/v3"},
        {"https://ghe.example:8443/a/b", NULL, "https://ghe.example:8443/api/v3"},
        {"https://ghe.example/a/b", "https://x.example/v3//", "https://x.example/v3"},
    };
    for (size_t i = 0; i < FL_LEN(table); i++) {
        struct row t = {.name = "app",
                        .url = table[i].url,
                        .provider = "github",
                        .secret = {APP,
                                   {"githubAppInstallationID", "1"},
                                   {table[i].base ? "githubAppBaseURL" : NULL, table[i].base}}};
        fl_auto_val(git_cred) c = {0};
        struct fl_err err = FL_ERR_INIT;
        assert_int_equal(parse(&t, &c, &err), 0);
        assert_string_equal(c.app_base, table[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cred__shapes_and_words),
        cmocka_unit_test(test_cred__texts_are_kept_as_they_are_needed),
        cmocka_unit_test(test_cred__api_of_an_app_follows_the_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
