/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "oci/oci.h"

#define KEY(k, v)                                                                                  \
    {                                                                                              \
        k,                                                                                         \
        {                                                                                          \
            "" v, sizeof(v) - 1                                                                    \
        }                                                                                          \
    }
#define CONFIG(json) KEY(".dockerconfigjson", json)
#define AUTH "\"auth\":\"dTpw\""       /* u:p */
#define COLONS "\"auth\":\"dTpwOnE=\"" /* u:p:q */
#define NO_COLON "\"auth\":\"dXA=\""   /* up */

struct row {
    const char *name;
    const char *url;
    struct fl_remote_key keys[4];
    const char *user, *password, *token, *identity;
    const char *msg; /* a part of the failure; NULL: none */
};

static const struct row rows[] = {
    {.name = "username and password",
     .keys = {KEY("username", "u"), KEY("password", "p")},
     .user = "u",
     .password = "p"},
    {.name = "as an editor saves them",
     .keys = {KEY("username", "u\n"), KEY("password", "p\r\n")},
     .user = "u",
     .password = "p"},
    {.name = "spaces belong to a password",
     .keys = {KEY("username", "u"), KEY("password", " p ")},
     .user = "u",
     .password = " p "},
    {.name = "other keys beside them do not matter",
     .keys = {KEY("username", "u"), KEY("password", "p"), KEY("note", "x")},
     .user = "u",
     .password = "p"},
    {.name = "token", .keys = {KEY("token", "abc\n")}, .token = "abc"},
    {.name = "nothing in it", .msg = "it is empty; allowed are: username and password; or token"},
    {.name = "other keys",
     .keys = {KEY("user", "u"), KEY("pass", "p")},
     .msg = "it has the keys user, pass; allowed are"},
    {.name = "username alone",
     .keys = {KEY("username", "u")},
     .msg = "it has the key username but not password"},
    {.name = "password alone",
     .keys = {KEY("password", "p")},
     .msg = "it has the key password but not username"},
    {.name = "two forms",
     .keys = {KEY("username", "u"), KEY("password", "p"), KEY("token", "t")},
     .msg = "it has more than one form of credentials: username, password, token"},
    {.name = "token and half of the other form",
     .keys = {KEY("username", "u"), KEY("token", "t")},
     .msg = "more than one form"},
    {.name = "both docker forms",
     .keys = {CONFIG("{}"), KEY(".dockercfg", "{}")},
     .msg = "more than one form"},
    {.name = "empty token", .keys = {KEY("token", "")}, .msg = "key token is empty"},
    {.name = "empty but for the newline",
     .keys = {KEY("token", "\n")},
     .msg = "key token is empty"},
    {.name = "two lines",
     .keys = {KEY("token", "a\nb")},
     .msg = "key token is not one line of printable text"},
    {.name = "NUL",
     .keys = {KEY("username", "u\0x"), KEY("password", "p")},
     .msg = "key username is not one line of printable text"},
    {.name = "colon in the username",
     .keys = {KEY("username", "a:b"), KEY("password", "p")},
     .msg = "key username has a ':' in it"},
    /* docker configurations: whose entry */
    {.name = "host",
     .url = "https://r.example",
     .keys = {CONFIG("{\"auths\":{\"r.example\":{" AUTH "}}}")},
     .user = "u",
     .password = "p"},
    {.name = "host and port",
     .url = "http://r.example:5000",
     .keys = {CONFIG("{\"auths\":{\"r.example\":{},\"r.example:5000\":{" AUTH "}}}")},
     .user = "u",
     .password = "p"},
    {.name = "the usual port written in the configuration",
     .url = "https://r.example",
     .keys = {CONFIG("{\"auths\":{\"r.example:443\":{" AUTH "}}}")},
     .user = "u",
     .password = "p"},
    {.name = "the usual port written in the URL",
     .url = "https://r.example:443",
     .keys = {CONFIG("{\"auths\":{\"r.example\":{" AUTH "}}}")},
     .user = "u",
     .password = "p"},
    {.name = "another port",
     .url = "https://r.example:8443",
     .keys = {CONFIG("{\"auths\":{\"r.example\":{" AUTH "}}}")},
     .msg = "no credentials for https://r.example:8443, only for: r.example"},
    {.name = "URL as the key",
     .url = "https://r.example",
     .keys = {CONFIG("{\"auths\":{\"https://r.example/v2/\":{" AUTH "}}}")},
     .user = "u",
     .password = "p"},
    {.name = "a path below",
     .url = "https://r.example/prefix",
     .keys = {CONFIG("{\"auths\":{\"r.example\":{" AUTH "}}}")},
     .user = "u",
     .password = "p"},
    {.name = "Docker Hub by its old name",
     .url = "https://docker.io",
     .keys = {CONFIG("{\"auths\":{\"https://index.docker.io/v1/\":{" AUTH "}}}")},
     .user = "u",
     .password = "p"},
    {.name = "Docker Hub by the host that serves it",
     .url = "https://registry-1.docker.io",
     .keys = {CONFIG("{\"auths\":{\"docker.io\":{" AUTH "}}}")},
     .user = "u",
     .password = "p"},
    {.name = "a name that begins alike",
     .url = "https://r.example",
     .keys = {CONFIG("{\"auths\":{\"r.example.com\":{" AUTH "}}}")},
     .msg = "only for: r.example.com"},
    {.name = "other hosts",
     .url = "https://r.example",
     .keys = {CONFIG("{\"auths\":{\"ghcr.io\":{" AUTH "},\"quay.io\":{" AUTH "}}}")},
     .msg = "only for: ghcr.io, quay.io"},
    {.name = "no host", .keys = {CONFIG("{\"auths\":{}}")}, .msg = "only for: no host"},
    /* docker configurations: what stands in it */
    {.name = "colons in the password",
     .keys = {CONFIG("{\"auths\":{\"r.example\":{" COLONS "}}}")},
     .user = "u",
     .password = "p:q"},
    {.name = "username and password win over auth",
     .keys = {CONFIG("{\"auths\":{\"r.example\":{\"username\":\"x\",\"password\":\"y\"," AUTH
                     "}}}")},
     .user = "x",
     .password = "y"},
    {.name = "identity token wins",
     .keys = {CONFIG("{\"auths\":{\"r.example\":{\"identitytoken\":\"i\"," AUTH "}}}")},
     .identity = "i"},
    {.name = "old form",
     .keys = {KEY(".dockercfg", "{\"r.example\":{" AUTH "}}")},
     .user = "u",
     .password = "p"},
    {.name = "an entry with nothing in it",
     .keys = {CONFIG("{\"auths\":{\"r.example\":{}}}")},
     .msg = "neither auth, nor username and password, nor identitytoken"},
    {.name = "an entry that is null",
     .keys = {CONFIG("{\"auths\":{\"r.example\":null}}")},
     .msg = "neither auth"},
    {.name = "not base64",
     .keys = {CONFIG("{\"auths\":{\"r.example\":{\"auth\":\"dT pw\"}}}")},
     .msg = "auth is not base64"},
    {.name = "no colon in it",
     .keys = {CONFIG("{\"auths\":{\"r.example\":{" NO_COLON "}}}")},
     .msg = "auth is not user:password in base64"},
    {.name = "a newline in it",
     .keys = {CONFIG("{\"auths\":{\"r.example\":{\"auth\":\"dQo6cA==\"}}}")},
     .msg = "not one line of printable text"},
    {.name = "a newline in the password",
     .keys = {CONFIG("{\"auths\":{\"r.example\":{\"username\":\"u\",\"password\":\"a\\nb\"}}}")},
     .msg = "not one line of printable text"},
    {.name = "not JSON", .keys = {CONFIG("auths: {}")}, .msg = "key .dockerconfigjson is not JSON"},
    {.name = "still in base64",
     .keys = {CONFIG("eyJhdXRocyI6e319")},
     .msg = "key .dockerconfigjson is not JSON"},
    {.name = "no auths", .keys = {CONFIG("{\"credsStore\":\"x\"}")}, .msg = "no object 'auths'"},
    {.name = "auths is a list", .keys = {CONFIG("{\"auths\":[]}")}, .msg = "no object 'auths'"},
};

static bool is(struct fl_str got, const char *want)
{
    return want ? fl_str_is(got, want) : got.n == 0;
}

static void test_credentials__read_or_told_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        const struct row *t = &rows[i];
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_remote_conf rc = {.url = t->url ? t->url : "https://r.example",
                                    .secret = t->keys};
        while (rc.n_secret < FL_LEN(t->keys) && t->keys[rc.n_secret].key) {
            rc.n_secret++;
        }
        struct fl_oci_conf conf = {0};
        struct fl_err err = FL_ERR_INIT;
        int x = fl_oci_credentials(a, &rc, &conf, &err);
        if (t->msg) {
            bool told = x == FL_E_INVALID && fl_text_eq(err.reason, "SecretInvalid") &&
                        strstr(err.msg, t->msg);
            if (!told) {
                fail_msg("%s: got %d %s: %s", t->name, x, err.reason, err.msg);
            }
        } else if (x || !is(conf.username, t->user) || !is(conf.password, t->password) ||
                   !is(conf.token, t->token) || !is(conf.identity, t->identity)) {
            fail_msg("%s: got %d %s, user '%.*s'", t->name, x, err.msg, FL_STR_ARG(conf.username));
        }
    }
}

static void test_credentials__no_secret_is_anonymous(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    const struct fl_remote_conf rc = {.url = "https://r.example"};
    struct fl_oci_conf conf = {0};
    struct fl_err err = FL_ERR_INIT;
    assert_int_equal(fl_oci_credentials(a, &rc, &conf, &err), 0);
    assert_int_equal(conf.username.n + conf.password.n + conf.token.n + conf.identity.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_credentials__read_or_told_what_is_wrong),
        cmocka_unit_test(test_credentials__no_secret_is_anonymous),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
