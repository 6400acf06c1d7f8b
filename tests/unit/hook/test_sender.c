/* SPDX-License-Identifier: Apache-2.0
 * Vectors: reference scm.md 3.3 (secret `fairlead-demo`, body {"ok":true}). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hook/sender.h"

#define DEMO_SHA256 "3efbcc8189c57297e3cd9a149167937a744235964d121f288c1c0d2e6b846451"
#define DEMO_FORM_SHA256 "e0df7d5501052ac3b9f6932658664ecbe0fd18eab3c0637693242eccf1eadf85"
#define DEMO_FORM "payload=%7B%22ok%22%3Atrue%7D"
#define DEMO_JSON "{\"ok\":true}"
#define WHSEC "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define WHSIG "v1,xuM1nww8Za1xumpGO5kmtgovQGCDdqbumPI3qgks9U8="
#define FORM_TYPE                                                                                  \
    {                                                                                              \
        "Content-Type", "application/x-www-form-urlencoded"                                        \
    }

struct verify_row {
    const char *name;
    enum fl_hook_type type;
    const char *secret;
    const char *body;
    struct fl_header headers[5];
    bool good;
};

static const struct verify_row verify_rows[] = {
    {"r17 github",
     FL_HOOK_GITHUB,
     "fairlead-demo",
     DEMO_JSON,
     {{"X-Hub-Signature-256", "sha256=" DEMO_SHA256}},
     true},
    {"r17 github, hex in capitals",
     FL_HOOK_GITHUB,
     "fairlead-demo",
     DEMO_JSON,
     {{"x-hub-signature-256",
       "sha256=3EFBCC8189C57297E3CD9A149167937A744235964D121F288C1C0D2E6B846451"}},
     true},
    {"r17 no header", FL_HOOK_GITHUB, "fairlead-demo", DEMO_JSON, {{NULL, NULL}}, false},
    {"r17 empty header",
     FL_HOOK_GITHUB,
     "fairlead-demo",
     DEMO_JSON,
     {{"X-Hub-Signature-256", ""}},
     false},
    {"r17 prefix alone",
     FL_HOOK_GITHUB,
     "fairlead-demo",
     DEMO_JSON,
     {{"X-Hub-Signature-256", "sha256="}},
     false},
    {"r17 other prefix",
     FL_HOOK_GITHUB,
     "fairlead-demo",
     DEMO_JSON,
     {{"X-Hub-Signature-256", "sha1=" DEMO_SHA256}},
     false},
    {"r17 no prefix",
     FL_HOOK_GITHUB,
     "fairlead-demo",
     DEMO_JSON,
     {{"X-Hub-Signature-256", DEMO_SHA256}},
     false},
    {"r17 too short",
     FL_HOOK_GITHUB,
     "fairlead-demo",
     DEMO_JSON,
     {{"X-Hub-Signature-256", "sha256=3efbcc8189c57297e3cd9a14"}},
     false},
    {"r17 too long",
     FL_HOOK_GITHUB,
     "fairlead-demo",
     DEMO_JSON,
     {{"X-Hub-Signature-256", "sha256=" DEMO_SHA256 "00"}},
     false},
    {"r17 bad hex",
     FL_HOOK_GITHUB,
     "fairlead-demo",
     DEMO_JSON,
     {{"X-Hub-Signature-256",
       "sha256=zzfbcc8189c57297e3cd9a149167937a744235964d121f288c1c0d2e6b846451"}},
     false},
    {"r17 header twice",
     FL_HOOK_GITHUB,
     "fairlead-demo",
     DEMO_JSON,
     {{"X-Hub-Signature-256", "sha256=" DEMO_SHA256},
      {"X-Hub-Signature-256", "sha256=" DEMO_SHA256}},
     false},
    {"another body",
     FL_HOOK_GITHUB,
     "fairlead-demo",
     "{\"ok\":false}",
     {{"X-Hub-Signature-256", "sha256=" DEMO_SHA256}},
     false},
    {"another secret",
     FL_HOOK_GITHUB,
     "fairlead-dema",
     DEMO_JSON,
     {{"X-Hub-Signature-256", "sha256=" DEMO_SHA256}},
     false},
    {"r16 no secret",
     FL_HOOK_GITHUB,
     "",
     DEMO_JSON,
     {{"X-Hub-Signature-256", "sha256=" DEMO_SHA256}},
     false},
    {"r19 github signs the form",
     FL_HOOK_GITHUB,
     "fairlead-demo",
     DEMO_FORM,
     {{"X-Hub-Signature-256", "sha256=" DEMO_FORM_SHA256}, FORM_TYPE},
     true},
    {"r19 github does not sign the text in the form",
     FL_HOOK_GITHUB,
     "fairlead-demo",
     DEMO_FORM,
     {{"X-Hub-Signature-256", "sha256=" DEMO_SHA256}, FORM_TYPE},
     false},
    {"gitea",
     FL_HOOK_GITEA,
     "fairlead-demo",
     DEMO_JSON,
     {{"X-Gitea-Signature", DEMO_SHA256}},
     true},
    {"gitea signs the text in the form",
     FL_HOOK_GITEA,
     "fairlead-demo",
     DEMO_FORM,
     {{"X-Gitea-Signature", DEMO_SHA256}, FORM_TYPE},
     true},
    {"gitea does not sign the form",
     FL_HOOK_GITEA,
     "fairlead-demo",
     DEMO_FORM,
     {{"X-Gitea-Signature", DEMO_FORM_SHA256}, FORM_TYPE},
     false},
    {"gitea, the header empty as without a secret",
     FL_HOOK_GITEA,
     "fairlead-demo",
     DEMO_JSON,
     {{"X-Gitea-Signature", ""}},
     false},
    {"gitea does not take github's header",
     FL_HOOK_GITEA,
     "fairlead-demo",
     DEMO_JSON,
     {{"X-Hub-Signature-256", "sha256=" DEMO_SHA256}},
     false},
    {"forgejo",
     FL_HOOK_GITEA,
     "fairlead-demo",
     DEMO_JSON,
     {{"X-Forgejo-Signature", DEMO_SHA256}},
     true},
    {"forgejo wrong, gitea right: wrong",
     FL_HOOK_GITEA,
     "fairlead-demo",
     DEMO_JSON,
     {{"X-Forgejo-Signature", DEMO_FORM_SHA256}, {"X-Gitea-Signature", DEMO_SHA256}},
     false},
    {"gogs", FL_HOOK_GOGS, "fairlead-demo", DEMO_JSON, {{"X-Gogs-Signature", DEMO_SHA256}}, true},
    {"bitbucket",
     FL_HOOK_BITBUCKET,
     "fairlead-demo",
     DEMO_JSON,
     {{"X-Hub-Signature", "sha256=" DEMO_SHA256}},
     true},
    {"bitbucket server",
     FL_HOOK_BITBUCKET_SERVER,
     "fairlead-demo",
     DEMO_JSON,
     {{"X-Hub-Signature", "sha256=" DEMO_SHA256}},
     true},
    {"generic",
     FL_HOOK_GENERIC_HMAC,
     "fairlead-demo",
     DEMO_JSON,
     {{"X-Signature", "sha256=" DEMO_SHA256}},
     true},
    {"generic without its prefix",
     FL_HOOK_GENERIC_HMAC,
     "fairlead-demo",
     DEMO_JSON,
     {{"X-Signature", DEMO_SHA256}},
     false},
    {"gitlab token",
     FL_HOOK_GITLAB,
     "fairlead-demo",
     DEMO_JSON,
     {{"X-Gitlab-Token", "fairlead-demo"}},
     true},
    {"gitlab token, longer",
     FL_HOOK_GITLAB,
     "fairlead-demo",
     DEMO_JSON,
     {{"X-Gitlab-Token", "fairlead-demo2"}},
     false},
    {"gitlab token, empty",
     FL_HOOK_GITLAB,
     "fairlead-demo",
     DEMO_JSON,
     {{"X-Gitlab-Token", ""}},
     false},
    {"gitlab signing token",
     FL_HOOK_GITLAB,
     WHSEC,
     DEMO_JSON,
     {{"webhook-id", "msg_01"}, {"webhook-timestamp", "1700000000"}, {"webhook-signature", WHSIG}},
     true},
    {"gitlab signing token, one of two",
     FL_HOOK_GITLAB,
     WHSEC,
     DEMO_JSON,
     {{"webhook-id", "msg_01"},
      {"webhook-timestamp", "1700000000"},
      {"webhook-signature", "v1,AAAA " WHSIG}},
     true},
    {"gitlab signing token is not sent itself",
     FL_HOOK_GITLAB,
     WHSEC,
     DEMO_JSON,
     {{"X-Gitlab-Token", WHSEC}},
     false},
    {"gitlab signing token, another id",
     FL_HOOK_GITLAB,
     WHSEC,
     DEMO_JSON,
     {{"webhook-id", "msg_02"}, {"webhook-timestamp", "1700000000"}, {"webhook-signature", WHSIG}},
     false},
    {"gitlab signing token, old",
     FL_HOOK_GITLAB,
     WHSEC,
     DEMO_JSON,
     {{"webhook-id", "msg_01"}, {"webhook-timestamp", "1699999000"}, {"webhook-signature", WHSIG}},
     false},
};

static size_t n_headers(const struct fl_header *h, size_t max)
{
    size_t n = 0;
    while (n < max && h[n].name) {
        n++;
    }
    return n;
}

static void test_sender__r17_signatures_of_each_sender(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(verify_rows); i++) {
        const struct verify_row *r = &verify_rows[i];
        fl_auto_val(fl_secret) secret = {NULL, 0};
        fl_secret_set(&secret, fl_str_of(r->secret));
        struct fl_request req = {.method = "POST",
                                 .headers = r->headers,
                                 .n_headers = n_headers(r->headers, FL_LEN(r->headers)),
                                 .body = fl_str_of(r->body)};
        struct fl_err err = FL_ERR_INIT;
        int rc = hook_verify(r->type, &secret, &req, 1700000100, &err);
        if ((rc == 0) != r->good || (rc != 0 && (rc != FL_E_AUTH || !err.msg[0]))) {
            fail_msg("%s: %d %s", r->name, rc, err.msg);
        }
    }
}

struct parse_row {
    const char *name;
    enum fl_hook_type type;
    const char *body;
    struct fl_header headers[3];
    enum hook_verdict verdict;
    const char *place, *full_name, *id;
};

#define GITHUB_REPO                                                                                \
    "{\"repository\":{\"full_name\":\"o/n\",\"name\":\"n\",\"owner\":{\"login\":\"o\"},"           \
    "\"clone_url\":\"https://github.com/o/n.git\"}}"

static const struct parse_row parse_rows[] = {
    {"r18 github push",
     FL_HOOK_GITHUB,
     GITHUB_REPO,
     {{"X-GitHub-Event", "push"}, {"X-GitHub-Delivery", "d1"}},
     HOOK_PUSH,
     "github.com/o/n",
     "o/n",
     "d1"},
    {"r18 ping",
     FL_HOOK_GITHUB,
     "{\"zen\":\"x\"}",
     {{"X-GitHub-Event", "ping"}},
     HOOK_PING,
     NULL,
     NULL,
     ""},
    {"r18 other event",
     FL_HOOK_GITHUB,
     GITHUB_REPO,
     {{"X-GitHub-Event", "issues"}},
     HOOK_OTHER,
     "github.com/o/n",
     "o/n",
     ""},
    {"no event",
     FL_HOOK_GITHUB,
     GITHUB_REPO,
     {{NULL, NULL}},
     HOOK_OTHER,
     "github.com/o/n",
     "o/n",
     ""},
    {"r20 owner.name",
     FL_HOOK_GITHUB,
     "{\"repository\":{\"name\":\"n\",\"owner\":{\"name\":\"o\"}}}",
     {{"X-GitHub-Event", "push"}},
     HOOK_PUSH,
     "github.com/o/n",
     "o/n",
     ""},
    {"r20 owner.login before owner.name and full_name",
     FL_HOOK_GITHUB,
     "{\"repository\":{\"full_name\":\"x/"
     "y\",\"name\":\"n\",\"owner\":{\"name\":\"z\",\"login\":\"o\"}}}",
     {{"X-GitHub-Event", "push"}},
     HOOK_PUSH,
     "github.com/o/n",
     "o/n",
     ""},
    {"r20 full_name alone",
     FL_HOOK_GITHUB,
     "{\"repository\":{\"full_name\":\"o/n\"}}",
     {{"X-GitHub-Event", "push"}},
     HOOK_PUSH,
     "github.com/o/n",
     "o/n",
     ""},
    {"r20 names at an Enterprise Server",
     FL_HOOK_GITHUB,
     "{\"repository\":{\"full_name\":\"o/n\"}}",
     {{"X-GitHub-Event", "push"}, {"X-GitHub-Enterprise-Host", "GHE.example"}},
     HOOK_PUSH,
     "ghe.example/o/n",
     "o/n",
     ""},
    {"r20 a name that is no owner and name",
     FL_HOOK_GITHUB,
     "{\"repository\":{\"full_name\":\"o\"}}",
     {{"X-GitHub-Event", "push"}},
     HOOK_PUSH,
     NULL,
     "o",
     ""},
    {"r20 a name that leads elsewhere",
     FL_HOOK_GITHUB,
     "{\"repository\":{\"full_name\":\"../n\"}}",
     {{"X-GitHub-Event", "push"}},
     HOOK_PUSH,
     NULL,
     "../n",
     ""},
    {"r18 push without a repository",
     FL_HOOK_GITHUB,
     "{\"ref\":\"refs/heads/main\"}",
     {{"X-GitHub-Event", "push"}},
     HOOK_PUSH,
     NULL,
     NULL,
     ""},
    {"a repository of the wrong shape",
     FL_HOOK_GITHUB,
     "{\"repository\":[1,{\"name\":2}]}",
     {{"X-GitHub-Event", "push"}},
     HOOK_PUSH,
     NULL,
     NULL,
     ""},
    {"r19 form",
     FL_HOOK_GITHUB,
     "payload=%7B%22repository%22%3A%7B%22clone_url%22%3A%22https%3A%2F%2FGitHub.com%2Fo%2Fn%22%7D%"
     "7D",
     {{"X-GitHub-Event", "push"}, FORM_TYPE},
     HOOK_PUSH,
     "github.com/o/n",
     NULL,
     ""},
    {"gitlab",
     FL_HOOK_GITLAB,
     "{\"project\":{\"path_with_namespace\":\"g/s/n\",\"git_http_url\":\"https://gl.example:8443/"
     "g/s/n.git\"}}",
     {{"X-Gitlab-Event", "Tag Push Hook"}, {"webhook-id", "w"}},
     HOOK_PUSH,
     "gl.example:8443/g/s/n",
     "g/s/n",
     "w"},
    {"gitlab without a signing token has its id elsewhere",
     FL_HOOK_GITLAB,
     "{\"project\":{\"path_with_namespace\":\"g/n\",\"web_url\":\"https://gl.example/g/n\"}}",
     {{"X-Gitlab-Event", "Push Hook"}, {"Idempotency-Key", "k"}, {"X-Gitlab-Event-UUID", "u"}},
     HOOK_PUSH,
     "gl.example/g/n",
     "g/n",
     "k"},
    {"gitea",
     FL_HOOK_GITEA,
     GITHUB_REPO,
     {{"X-Gitea-Event", "delete"}},
     HOOK_PUSH,
     "github.com/o/n",
     "o/n",
     ""},
    {"gogs",
     FL_HOOK_GOGS,
     GITHUB_REPO,
     {{"X-Gogs-Event", "push"}},
     HOOK_PUSH,
     "github.com/o/n",
     "o/n",
     ""},
    {"bitbucket",
     FL_HOOK_BITBUCKET,
     "{\"repository\":{\"full_name\":\"o/n\",\"links\":{\"html\":{\"href\":\"https://"
     "bitbucket.org/o/n\"}}}}",
     {{"X-Event-Key", "repo:push"}},
     HOOK_PUSH,
     "bitbucket.org/o/n",
     "o/n",
     ""},
    {"bitbucket server",
     FL_HOOK_BITBUCKET_SERVER,
     "{\"repository\":{\"links\":{\"clone\":[{\"href\":\"ext::x\"},{\"href\":\"ssh://"
     "git@bb.example:7999/p/n.git\"}]}}}",
     {{"X-Event-Key", "repo:refs_changed"}},
     HOOK_PUSH,
     "bb.example:7999/p/n",
     NULL,
     ""},
    {"bitbucket server's test",
     FL_HOOK_BITBUCKET_SERVER,
     "{\"test\":true}",
     {{"X-Event-Key", "diagnostics:ping"}},
     HOOK_PING,
     NULL,
     NULL,
     ""},
    {"generic without a body",
     FL_HOOK_GENERIC_HMAC,
     "",
     {{"X-Delivery-Id", "7"}},
     HOOK_PUSH,
     NULL,
     NULL,
     "7"},
};

static bool same(const char *a, const char *b)
{
    return fl_text_eq(a, b);
}

static void test_sender__r20_events_and_repositories_of_each_sender(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(parse_rows); i++) {
        const struct parse_row *r = &parse_rows[i];
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_request req = {.method = "POST",
                                 .headers = r->headers,
                                 .n_headers = n_headers(r->headers, FL_LEN(r->headers)),
                                 .body = fl_str_of(r->body)};
        struct fl_err err = FL_ERR_INIT;
        struct hook_delivery d = {.verdict = HOOK_OTHER};
        if (hook_parse(r->type, &req, a, &d, &err) < 0) {
            fail_msg("%s: %s", r->name, err.msg);
        }
        if (d.verdict != r->verdict || !same(d.place, r->place) ||
            !same(d.full_name, r->full_name) || !same(d.id, r->id)) {
            fail_msg("%s: verdict %d place %s name %s id %s", r->name, (int)d.verdict,
                     d.place ? d.place : "-", d.full_name ? d.full_name : "-", d.id);
        }
    }
}

static void test_sender__bodies_that_are_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *body;
        struct fl_header type;
    } rows[] = {
        {"no JSON", "hello", {"Content-Type", "application/json"}},
        {"empty", "", {"Content-Type", "application/json"}},
        {"cut", "{\"repository\":{", {"Content-Type", "application/json"}},
        {"two keys alike", "{\"a\":1,\"a\":2}", {"Content-Type", "application/json"}},
        {"form without payload", "a=b", FORM_TYPE},
        {"form with a bad escape", "payload=%7", FORM_TYPE},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_header headers[] = {{"X-GitHub-Event", "push"}, rows[i].type};
        struct fl_request req = {
            .method = "POST", .headers = headers, .n_headers = 2, .body = fl_str_of(rows[i].body)};
        struct fl_err err = FL_ERR_INIT;
        struct hook_delivery d = {.verdict = HOOK_OTHER};
        if (hook_parse(FL_HOOK_GITHUB, &req, a, &d, &err) != FL_E_BAD_DATA) {
            fail_msg("%s was taken", rows[i].name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sender__r17_signatures_of_each_sender),
        cmocka_unit_test(test_sender__r20_events_and_repositories_of_each_sender),
        cmocka_unit_test(test_sender__bodies_that_are_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
