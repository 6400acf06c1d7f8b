/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include "api/v1alpha1/git_mirror.h"
#include "port/hook.h"
#include "port/mirror.h"

static void test_git_mirror__urls(void **state)
{
    (void)state;
    /* The grammar's own table is base/test_giturl. */
    static const char *const fields[] = {"url", "push.url"};
    static const struct {
        const char *name;
        const char *in;
        const char *want;
    } rows[] = {
        {"https", "https://git.example.com/team/app.git", NULL},
        {"http", "http://git.example.com/app", NULL},
        {"ssh", "ssh://git@git.example.com:2222/team/app", NULL},
        {"credentials", "https://u:p@git.example.com/app", "has credentials in it"},
        {"unknown scheme", "git://git.example.com/app", "has the scheme git"},
        {"helper", "ext::sh -c id", "names a remote helper"},
        {"option", "-oProxyCommand=id", "begins with '-'"},
        {"newline", "https://git.example.com/app\nx", "has a space or a control character"},
        {"short form of ssh", "git@git.example.com:team/app.git",
         "is in the short form of ssh (user@host:path): write it as "
         "ssh://git@git.example.com/team/app.git"},
        {"empty", "", "is empty"},
    };
    for (size_t f = 0; f < FL_LEN(fields); f++) {
        for (size_t i = 0; i < FL_LEN(rows); i++) {
            row_check(rows[i].name, row_at(fl_kind_git_mirror.spec_rows, fields[f]),
                      fl_str_of(rows[i].in), rows[i].want);
        }
    }
}

static void test_git_mirror__patterns(void **state)
{
    (void)state;
    static const char *const fields[] = {"refs.include", "refs.exclude", "push.refs.include"};
    static const struct {
        const char *name;
        const char *in;
        const char *want;
    } rows[] = {
        {"branch", "refs/heads/main", NULL},
        {"all branches", "refs/heads/**", NULL},
        {"tags", "refs/tags/v[0-9]*", NULL},
        {"everything", "refs/**", NULL},
        {"like ours", "refs/fairleads/**", NULL},
        {"ours", "refs/fairlead/kept/**", "refs/fairlead/ holds the server's own refs"},
        {"ours in the way", "refs/fairlead", "refs/fairlead/ holds the server's own refs"},
        {"short", "main", "must be a pattern over full names"},
        {"refspec", "+refs/heads/*:refs/heads/*", "must be a pattern over full names"},
        {"no refname", "refs/heads/a..b", "can match no ref: it has two dots in a row"},
        {"newline", "refs/heads/a\nb", "can match no ref: it has a space or a control"},
        {"empty", "", "must not be empty"},
    };
    for (size_t f = 0; f < FL_LEN(fields); f++) {
        for (size_t i = 0; i < FL_LEN(rows); i++) {
            row_check(rows[i].name, row_at(fl_kind_git_mirror.spec_rows, fields[f]),
                      fl_str_of(rows[i].in), rows[i].want);
        }
    }
}

static void test_git_mirror__allowed_hosts(void **state)
{
    (void)state;
    const struct fl_field *f = row_at(fl_kind_git_mirror.spec_rows, "allowedHosts");
    static const char shape[] = "must be a host name, which may hold * and {a,b}, an IP address";
    static const char local[] = "must not be link-local";
    static const struct {
        const char *in;
        const char *want;
    } rows[] = {
        {"git.corp.example.com", NULL},
        {"*.corp.example.com", NULL},
        {"git-{a,b}.corp", NULL},
        {"localhost", NULL},
        {"127.0.0.1", NULL},
        {"10.0.0.0/8", NULL},
        {"0.0.0.0/0", NULL},
        {"::1", NULL},
        {"fd00::/8", NULL},
        {"fe00::/8", NULL},
        {"169.0.0.0/8", NULL},
        {"169.254.169.254", local},
        {"169.254.0.0/16", local},
        {"169.254.169.0/24", local},
        {"fe80::1", local},
        {"fe80::/10", local},
        {"::ffff:169.254.169.254", local},
        {"::ffff:169.254.0.0/112", local},
        {"::ffff:10.0.0.1", NULL},
        {"", shape},
        {"10.0.0.0/33", shape},
        {"10.0.0.0/-1", shape},
        {"10.0.0.0/", shape},
        {"::/129", shape},
        {"10.0.0", shape},
        {"256.0.0.1", shape},
        {"https://git.corp", shape},
        {"git.corp:443", shape},
        {"git.corp/x", shape},
        {"[::1]", shape},
        {"git corp", shape},
        {"git\ncorp", shape},
        {"git.{corp", "'{' is not closed"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        row_check(rows[i].in, f, fl_str_of(rows[i].in), rows[i].want);
    }
}

static struct fl_local_ref secret = {.name = "s"};

/* A spec with one push target or two, beside what the row sets. */
static void mirror_check(const char *row, struct fl_git_mirror_spec spec, const char *push_a,
                         struct fl_local_ref *push_secret, const char *push_b, const char *want)
{
    struct fl_mirror_push push[] = {{.name = "a", .url = push_a, .secret_ref = push_secret},
                                    {.name = "b", .url = push_b}};
    spec.push = (struct fl_list){push, (push_a ? 1U : 0U) + (push_b ? 1U : 0U)};
    row_kind_check(row, &fl_kind_git_mirror, &spec, want);
}

#define HTTPS "https://git.example.com/team/app.git"
#define HTTP "http://git.example.com/team/app.git"
#define SSH "ssh://git@git.example.com/team/app.git"
#define OTHER "https://other.example.com/app.git"
#define SECRET_FOR_SSH                                                                             \
    ".secretRef: Required value: ssh:// needs a Secret with the keys identity (the private key) "  \
    "and known_hosts (what ssh-keyscan git.example.com prints, compared with what the host's "     \
    "owner says)\n"

static void test_git_mirror__credentials(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct fl_git_mirror_spec spec;
        const char *want;
    } rows[] = {
        {"public", {.url = HTTPS}, ""},
        {"private", {.url = HTTPS, .secret_ref = &secret}, ""},
        {"plain http", {.url = HTTP}, ""},
        {"password over plain http",
         {.url = HTTP, .secret_ref = &secret},
         "spec.secretRef: Forbidden: may not be set when spec.url is http://: credentials are "
         "never sent unencrypted; use https:// or ssh://\n"},
        {"ssh", {.url = SSH, .secret_ref = &secret}, ""},
        {"ssh without key", {.url = SSH}, "spec" SECRET_FOR_SSH},
        {"App", {.url = HTTPS, .secret_ref = &secret, .provider = FL_GIT_GITHUB}, ""},
        {"App without Secret",
         {.url = HTTPS, .provider = FL_GIT_GITHUB},
         "spec.secretRef: Required value: provider github needs a Secret with githubAppID, "
         "githubAppPrivateKey and githubAppInstallationID or githubAppInstallationOwner\n"},
        {"App over ssh",
         {.url = SSH, .secret_ref = &secret, .provider = FL_GIT_GITHUB},
         "spec.provider: Invalid value: \"github\": signs in with tokens, which go over https:// "
         "only\n"},
        {"App over http",
         {.url = HTTP, .provider = FL_GIT_GITHUB},
         "spec.provider: Invalid value: \"github\": signs in with tokens, which go over https:// "
         "only\n"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        row_kind_check(rows[i].name, &fl_kind_git_mirror, &rows[i].spec, rows[i].want);
    }
}

static void test_git_mirror__provider_of_a_push_target(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct fl_mirror_push push;
        const char *want;
    } rows[] = {
        {"App", {.url = OTHER, .secret_ref = &secret, .provider = FL_GIT_GITHUB}, ""},
        {"App without Secret",
         {.url = OTHER, .provider = FL_GIT_GITHUB},
         "spec.push[0].secretRef: Required value: provider github needs a Secret with githubAppID, "
         "githubAppPrivateKey and githubAppInstallationID or githubAppInstallationOwner\n"},
        {"App over ssh",
         {.url = "ssh://git@other.example.com/app.git",
          .secret_ref = &secret,
          .provider = FL_GIT_GITHUB},
         "spec.push[0].provider: Invalid value: \"github\": signs in with tokens, which go over "
         "https:// only\n"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_mirror_push push = rows[i].push;
        push.name = "to";
        struct fl_git_mirror_spec spec = {.url = HTTPS, .push = {&push, 1}};
        row_kind_check(rows[i].name, &fl_kind_git_mirror, &spec, rows[i].want);
    }
}

static void test_git_mirror__push_targets(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *url;
        const char *push_a;
        struct fl_local_ref *secret;
        const char *push_b;
        const char *want;
    } rows[] = {
        {"none", HTTPS, NULL, NULL, NULL, ""},
        {"elsewhere", HTTPS, OTHER, NULL, NULL, ""},
        {"beside it", HTTPS, "https://git.example.com/team/app2.git", NULL, NULL, ""},
        {"other port", HTTPS, "https://git.example.com:8443/team/app.git", NULL, NULL, ""},
        {"the source", HTTPS, HTTPS, NULL, NULL,
         "spec.push[0].url: Invalid value: \"" HTTPS
         "\": must be another repository than spec.url\n"},
        {"the source in other words", HTTPS, "https://Git.Example.com:443/team//app/", NULL, NULL,
         "spec.push[0].url: Invalid value: \"https://Git.Example.com:443/team//app/\": must be "
         "another repository than spec.url\n"},
        {"the source by ssh", HTTPS, SSH, &secret, NULL,
         "spec.push[0].url: Invalid value: \"" SSH
         "\": must be another repository than spec.url\n"},
        {"twice the same", HTTPS, OTHER, NULL, "https://OTHER.example.com/app",
         "spec.push[1].url: Invalid value: \"https://OTHER.example.com/app\": must be another "
         "repository than spec.push[0].url\n"},
        {"two", HTTPS, OTHER, NULL, "https://third.example.com/app", ""},
        {"password over plain http", HTTPS, "http://other.example.com/app", &secret, NULL,
         "spec.push[0].secretRef: Forbidden: may not be set when spec.push[0].url is http://: "
         "credentials are never sent unencrypted; use https:// or ssh://\n"},
        {"ssh without key", OTHER, SSH, NULL, NULL, "spec.push[0]" SECRET_FOR_SSH},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        mirror_check(rows[i].name, (struct fl_git_mirror_spec){.url = rows[i].url}, rows[i].push_a,
                     rows[i].secret, rows[i].push_b, rows[i].want);
    }
}

static void test_git_mirror__times(void **state)
{
    (void)state;
    static struct fl_mirror_guard for_ever = {.kept_for_ms = 0}, second = {.kept_for_ms = 1000},
                                  less = {.kept_for_ms = 999};
    static const struct {
        const char *name;
        int64_t interval_ms;
        struct fl_mirror_guard *guard;
        const char *want;
    } rows[] = {
        {"absent", -1, NULL, ""},
        {"never by the clock", 0, &for_ever, ""},
        {"each second", 1000, &second, ""},
        {"too short", 999, &less,
         "spec.interval: Invalid value: \"999ms\": must be 0 (never by the clock) or at least "
         "1s\nspec.guard.keptFor: Invalid value: \"999ms\": must be 0 (for ever) or at least "
         "1s\n"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_git_mirror_spec spec = {
            .common = {.interval_ms = rows[i].interval_ms}, .url = HTTPS, .guard = rows[i].guard};
        row_kind_check(rows[i].name, &fl_kind_git_mirror, &spec, rows[i].want);
    }
}

static void test_git_mirror__refs_that_leave_nothing(void **state)
{
    (void)state;
    static const char nothing[] =
        "spec.refs.exclude: Forbidden: may not leave out all that include takes: nothing would be "
        "mirrored\n";
    static const struct {
        const char *name;
        const char *include[2];
        const char *exclude[2];
        const char *want;
    } rows[] = {
        {"plain", {"refs/heads/**"}, {"refs/heads/wip/**"}, ""},
        {"the same", {"refs/heads/**"}, {"refs/heads/**"}, nothing},
        {"one of two", {"refs/heads/**", "refs/tags/**"}, {"refs/heads/**"}, ""},
        {"both", {"refs/heads/a", "refs/heads/b"}, {"refs/heads/b", "refs/heads/a"}, nothing},
        {"everything", {"refs/heads/**"}, {"refs/**"}, nothing},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        const char *include[2], *exclude[2];
        memcpy(include, rows[i].include, sizeof(include));
        memcpy(exclude, rows[i].exclude, sizeof(exclude));
        struct fl_mirror_refs refs = {
            .include = {include, include[1] ? 2 : 1},
            .exclude = {exclude, exclude[1] ? 2 : 1},
        };
        struct fl_git_mirror_spec spec = {.url = HTTPS, .refs = &refs};
        row_kind_check(rows[i].name, &fl_kind_git_mirror, &spec, rows[i].want);
    }
}

/* Values of these enums go to the ports as they are. */
static void test_git_mirror__names_stand_in_the_order_of_the_ports(void **state)
{
    (void)state;
    assert_string_equal(fl_webhook_type_names[FL_HOOK_GENERIC_HMAC], "generic-hmac");
    assert_string_equal(fl_webhook_type_names[FL_HOOK_GITHUB], "github");
    assert_string_equal(fl_webhook_type_names[FL_HOOK_GITLAB], "gitlab");
    assert_string_equal(fl_webhook_type_names[FL_HOOK_GITEA], "gitea");
    assert_string_equal(fl_webhook_type_names[FL_HOOK_GOGS], "gogs");
    assert_string_equal(fl_webhook_type_names[FL_HOOK_BITBUCKET], "bitbucket");
    assert_string_equal(fl_webhook_type_names[FL_HOOK_BITBUCKET_SERVER], "bitbucket-server");
    assert_null(fl_webhook_type_names[FL_HOOK_BITBUCKET_SERVER + 1]);
    assert_string_equal(fl_divergence_names[FL_PUSH_OVERWRITE], "Overwrite");
    assert_string_equal(fl_divergence_names[FL_PUSH_KEEP_DIVERGENT], "KeepDivergent");
    assert_string_equal(fl_divergence_names[FL_PUSH_FAST_FORWARD_ONLY], "FastForwardOnly");
    assert_null(fl_divergence_names[FL_PUSH_FAST_FORWARD_ONLY + 1]);
    assert_string_equal(fl_force_push_names[FL_FORCE_BLOCK], "Block");
    assert_string_equal(fl_lfs_mode_names[FL_LFS_IGNORE], "Ignore");
    assert_string_equal(fl_mirror_deletion_names[FL_MIRROR_DELETE], "Delete");
    assert_string_equal(fl_git_provider_names[FL_GIT_GITHUB], "github");
}

static void test_git_mirror__incomplete_spec_is_no_trap(void **state)
{
    (void)state;
    struct fl_mirror_push push[2] = {{.name = NULL}};
    struct fl_git_mirror_spec spec = {.push = {push, 2}};
    row_kind_check("nothing", &fl_kind_git_mirror, &spec, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_git_mirror__urls),
        cmocka_unit_test(test_git_mirror__patterns),
        cmocka_unit_test(test_git_mirror__allowed_hosts),
        cmocka_unit_test(test_git_mirror__credentials),
        cmocka_unit_test(test_git_mirror__provider_of_a_push_target),
        cmocka_unit_test(test_git_mirror__push_targets),
        cmocka_unit_test(test_git_mirror__times),
        cmocka_unit_test(test_git_mirror__refs_that_leave_nothing),
        cmocka_unit_test(test_git_mirror__names_stand_in_the_order_of_the_ports),
        cmocka_unit_test(test_git_mirror__incomplete_spec_is_no_trap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
