/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include <spawn.h>

#include "base/giturl.h"

extern char **environ;

static void test_giturl__good_ones_by_rows(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        enum fl_git_scheme scheme;
        const char *user;
        const char *host;
        int port;
        bool ipv6;
        const char *path;
        const char *place;
    } rows[] = {
        {"https://h/r", FL_GIT_HTTPS, "", "h", 443, false, "/r", "h/r"},
        {"http://h/r", FL_GIT_HTTP, "", "h", 80, false, "/r", "h/r"},
        {"ssh://h/r", FL_GIT_SSH, "", "h", 22, false, "/r", "h/r"},
        {"ssh://git@Git.Example.com/team/App.git", FL_GIT_SSH, "git", "Git.Example.com", 22, false,
         "/team/App.git", "git.example.com/team/App"},
        {"https://git.example.com:443/team/App.git/", FL_GIT_HTTPS, "", "git.example.com", 443,
         false, "/team/App.git/", "git.example.com/team/App"},
        {"https://h:8443/a/b", FL_GIT_HTTPS, "", "h", 8443, false, "/a/b", "h:8443/a/b"},
        {"http://h:443/r", FL_GIT_HTTP, "", "h", 443, false, "/r", "h:443/r"},
        {"ssh://h:22/r", FL_GIT_SSH, "", "h", 22, false, "/r", "h/r"},
        {"https://h:/r", FL_GIT_HTTPS, "", "h", 443, false, "/r", "h/r"},
        {"https://h//a///b//", FL_GIT_HTTPS, "", "h", 443, false, "//a///b//", "h/a/b"},
        {"https://[::1]:8443/r", FL_GIT_HTTPS, "", "::1", 8443, true, "/r", "[::1]:8443/r"},
        {"ssh://git@[2001:DB8::1]/r", FL_GIT_SSH, "git", "2001:DB8::1", 22, true, "/r",
         "[2001:db8::1]/r"},
        {"ssh://h/~me/r", FL_GIT_SSH, "", "h", 22, false, "/~me/r", "h/~me/r"},
        {"ssh://h/srv/r/.git", FL_GIT_SSH, "", "h", 22, false, "/srv/r/.git", "h/srv/r/.git"},
        {"https://h/a%20b/c+d@e:f", FL_GIT_HTTPS, "", "h", 443, false, "/a%20b/c+d@e:f",
         "h/a%20b/c+d@e:f"},
        {"https://h/group/-/r", FL_GIT_HTTPS, "", "h", 443, false, "/group/-/r", "h/group/-/r"},
        {"https://h/a..b/...", FL_GIT_HTTPS, "", "h", 443, false, "/a..b/...", "h/a..b/..."},
        {"https://h/\xc3\xa9", FL_GIT_HTTPS, "", "h", 443, false, "/\xc3\xa9", "h/\xc3\xa9"},
        {"https://127.0.0.1/x.git.git", FL_GIT_HTTPS, "", "127.0.0.1", 443, false, "/x.git.git",
         "127.0.0.1/x.git"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_git_url u;
        struct fl_err err = FL_ERR_INIT;
        const char *row = rows[i].input;
        if (fl_git_url_parse(fl_str_of(row), &u, &err) != 0) {
            fail_msg("row '%s': %s", row, err.msg);
        }
        row_i64(row, u.scheme, rows[i].scheme);
        row_str(row, u.user, rows[i].user);
        row_str(row, u.host, rows[i].host);
        row_i64(row, u.port, rows[i].port);
        ROW_TRUE(row, u.ipv6 == rows[i].ipv6);
        row_str(row, u.path, rows[i].path);
        fl_auto_val(fl_buf) place = FL_BUF_INIT(FL_BUF_ANY);
        fl_git_url_place(&place, &u);
        row_str(row, fl_buf_slice(&place), rows[i].place);
    }
}

static void test_giturl__bad_ones_are_refused_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        const char *want; /* somewhere in the message */
    } rows[] = {
        {"", "is empty"},
        {"https://user:hunter2@h/r", "has credentials in it: they belong into a Secret"},
        {"https://hunter2@h/r", "has credentials in it"},
        {"http://hunter2@h/r", "has credentials in it"},
        {"https://@h/r", "has credentials in it"},
        {"https://:hunter2@h/r", "has credentials in it"},
        {"ssh://git:hunter2@h/r", "has credentials in it"},
        {"ssh://git:@h/r", "has credentials in it"},
        {"user:hunter2@h/r", "is in the short form of ssh"},
        {"git://h/r", "has the scheme git, which neither encrypts"},
        {"file:///srv/r", "is a path of this machine (file)"},
        {"ftp://h/r", "has a scheme that is none of https, http and ssh"},
        {"httpss://h/r", "has a scheme that is none of"},
        {"git+ssh://h/r", "write ssh://"},
        {"ssh+git://h/r", "write ssh://"},
        {"HTTPS://h/r", "in capital letters"},
        {"SSH://h/r", "in capital letters"},
        {"ext::sh -c id", "names a remote helper (such as ext::)"},
        {"ext::ssh -oProxyCommand=id h %S r", "names a remote helper"},
        {"ext::https://h/r", "names a remote helper"},
        {"fd::17", "names a remote helper"},
        {"https::https://h/r", "names a remote helper"},
        {"-oProxyCommand=id", "begins with '-'"},
        {"--upload-pack=id", "begins with '-'"},
        {"ssh://-oProxyCommand=id/r", "has a host that begins with '-'"},
        {"ssh://-h/r", "has a host that begins with '-'"},
        {"ssh://git@-oProxyCommand=id/r", "has a host that begins with '-'"},
        {"ssh://-l@h/r", "begins with '-'"},
        {"ssh://h/-oProxyCommand=id", "has a path that begins with '-'"},
        {"ssh://h//-x", "has a path that begins with '-'"},
        {"ssh://h/%2dx", "has a path that begins with '-'"},
        {"https://h/r\n", "has a space or a control character"},
        {"https://h/r\nHost: other", "has a space or a control character"},
        {"https://h/r\r", "has a space or a control character"},
        {"https://h/r x", "has a space or a control character"},
        {" https://h/r", "has a space or a control character"},
        {"https://h\t/r", "has a space or a control character"},
        {"https://h/r\x7f", "has a space or a control character"},
        {"https://h/r%0a", "has a control character in its path"},
        {"https://h/r%00", "has a control character in its path"},
        {"https://h/r%ff", "has a control character in its path"},
        {"https://h/r%2", "is no escape of two hex digits"},
        {"https://h/r%zz", "is no escape of two hex digits"},
        {"https://h\\@other/r", "has a backslash"},
        {"https://h/\xff", "is not UTF-8"},
        {"git@git.example.com:team/app.git", "write it as ssh://git@git.example.com/team/app.git"},
        {"git.example.com:team/app.git", "write it as ssh://git.example.com/team/app.git"},
        {"git@h:/srv/app", "write it as ssh://git@h/srv/app"},
        {"@h:r", "write it as ssh://user@host/path"},
        {"git@h:", "write it as ssh://user@host/path"},
        {"git@h:a b", "has a space"},
        {"git@h:r;id", "write it as ssh://user@host/path"},
        {"/srv/git/r", "is a path of this machine"},
        {"./r", "is a path of this machine"},
        {"../r", "is a path of this machine"},
        {"~/r", "is a path of this machine"},
        {"h/r", "has no scheme"},
        {"://h/r", "has no scheme"},
        {"//h/r", "is a path of this machine"},
        {"https:/h/r", "short form of ssh"},
        {"https://", "has no host"},
        {"https:///r", "has no host"},
        {"https://:443/r", "has no host"},
        {"https://h", "has no path"},
        {"https://h/", "has no path"},
        {"https://h///", "has no path"},
        {"https://h?x", "has a query"},
        {"https://h/r?x=y", "has a query"},
        {"https://h/?x", "has a query"},
        {"https://h/r#x", "has a fragment"},
        {"https://h/r?x#y", "has a fragment"},
        {"https://h/../r", "has '..' or '.' in its path"},
        {"https://h/a/..", "has '..' or '.' in its path"},
        {"https://h/a/./b", "has '..' or '.' in its path"},
        {"https://h/%2e%2E/r", "has '..' or '.' in its path"},
        {"https://h/a%2f..%2fb", "has '..' or '.' in its path"},
        {"https://h:0/r", "a number from 1 to 65535"},
        {"https://h:65536/r", "a number from 1 to 65535"},
        {"https://h:x/r", "a number from 1 to 65535"},
        {"https://h:-1/r", "a number from 1 to 65535"},
        {"https://[::1]x/r", "a number from 1 to 65535"},
        {"https://[::1/r", "has brackets"},
        {"https://[h]/r", "has brackets"},
        {"https://[fe80::1%25eth0]/r", "has brackets"},
        {"https://h$x/r", "has a host with other characters"},
        {"https://h\xc3\xa9/r", "has a host with other characters"},
        {"ssh://a b@h/r", "has a space"},
        {"ssh://a%20@h/r", "has a user with other characters"},
        {"ssh://@h/r", "has a user with other characters"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_git_url u = {.port = 7};
        struct fl_err err = FL_ERR_INIT;
        const char *row = rows[i].input;
        row_i64(row, fl_git_url_parse(fl_str_of(row), &u, &err), FL_E_INVALID);
        row_str(row, fl_str_of(err.reason), "InvalidURL");
        row_i64(row, u.port, 7);
        if (!strstr(err.msg, rows[i].want)) {
            fail_msg("row '%s': got '%s', want '%s'", row, err.msg, rows[i].want);
        }
        if (strstr(err.msg, "hunter2")) {
            fail_msg("row '%s': '%s' repeats a password", row, err.msg);
        }
    }
}

static void test_giturl__length_is_bounded(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&b, "https://h/");
    while (b.len < FL_GIT_URL_MAX) {
        fl_buf_char(&b, 'a');
    }
    struct fl_git_url u;
    struct fl_err err = FL_ERR_INIT;
    assert_int_equal(fl_git_url_parse(fl_buf_slice(&b), &u, &err), 0);
    fl_buf_char(&b, 'a');
    assert_int_equal(fl_git_url_parse(fl_buf_slice(&b), &u, &err), FL_E_INVALID);
    assert_string_equal(err.msg, "is longer than 2048 bytes");
}

/* git's own rules, for names beneath refs/. */
static const struct {
    const char *name;
    bool valid;
} ref_rows[] = {
    {"refs/heads/main", true},
    {"refs/heads/feature/a", true},
    {"refs/heads/-x", true},
    {"refs/heads/a.", false},
    {"refs/heads/a./b", true},
    {"refs/heads/.a", false},
    {"refs/.a/b", false},
    {"refs/heads/a.b", true},
    {"refs/heads/a..b", false},
    {"refs/heads/a.lock", false},
    {"refs/heads/a.lock/b", false},
    {"refs/heads/a.lockb", true},
    {"refs/heads/.lock", false},
    {"refs/heads/lock", true},
    {"refs/heads/a b", false},
    {"refs/heads/a~1", false},
    {"refs/heads/a^", false},
    {"refs/heads/a:b", false},
    {"refs/heads/a?", false},
    {"refs/heads/a*", false},
    {"refs/heads/a[b", false},
    {"refs/heads/a]b", true},
    {"refs/heads/a\\b", false},
    {"refs/heads/a\nb", false},
    {"refs/heads/a\tb", false},
    {"refs/heads/a\x7f", false},
    {"refs/heads/a\x01", false},
    {"refs/heads/a@b", true},
    {"refs/heads/@", true},
    {"refs/heads/a@{b", false},
    {"refs/heads/@{", false},
    {"refs/heads/a{b}", true},
    {"refs/heads/a,b", true},
    {"refs/heads//a", false},
    {"refs/heads/", false},
    {"refs/", false},
    {"refs/x", true},
    {"refs//x", false},
    {"refs/heads/\xc3\xa9", true},
    {"refs/heads/\xff", true},
    {"refs/heads/a'b\"c$d;e|f`g", true},
    {"refs/heads/$(id)", true},
    {"refs/heads/HEAD", true},
    {"refs/heads/...", false},
    {"refs/heads/a/.", false},
    {"refs/heads/a/..", false},
    {"refs/heads/../a", false},
};

static void test_giturl__ref_names_by_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(ref_rows); i++) {
        const char *row = ref_rows[i].name;
        const char *wrong = fl_git_ref_check(fl_str_of(row));
        if ((wrong == NULL) != ref_rows[i].valid) {
            fail_msg("row '%s': %s", row, wrong ? wrong : "accepted");
        }
    }
    assert_null(fl_git_ref_check(FL_STR("HEAD")));
    assert_non_null(fl_git_ref_check(FL_STR("")));
    assert_non_null(fl_git_ref_check(FL_STR("main")));
    assert_non_null(fl_git_ref_check(FL_STR("heads/main")));
    assert_non_null(fl_git_ref_check(FL_STR("FETCH_HEAD")));
    assert_non_null(fl_git_ref_check(FL_STR("refs")));
    assert_non_null(fl_git_ref_check(FL_STR("/refs/heads/a")));
    assert_non_null(fl_git_ref_check(FL_STR("refs/heads/a\0b")));
}

static void test_giturl__ref_names_are_bounded(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&b, "refs/heads/");
    while (b.len < FL_GIT_REF_MAX) {
        fl_buf_char(&b, 'a');
    }
    assert_null(fl_git_ref_check(fl_buf_slice(&b)));
    fl_buf_char(&b, 'a');
    assert_non_null(fl_git_ref_check(fl_buf_slice(&b)));
}

/* The exit code of git with these arguments; -1: there is no git. */
static int git(char *const argv[])
{
    pid_t child = -1;
    int status = 0;
    if (posix_spawnp(&child, "git", NULL, NULL, argv, environ) != 0) {
        return -1;
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_giturl__ref_names_are_judged_as_git_does(void **state)
{
    (void)state;
    char program[] = "git", command[] = "check-ref-format", good[] = "refs/heads/main";
    if (git((char *[]){program, command, good, NULL}) != 0) {
        skip();
    }
    for (size_t i = 0; i < FL_LEN(ref_rows); i++) {
        char name[64];
        fl_assert(strlen(ref_rows[i].name) < sizeof(name));
        memcpy(name, ref_rows[i].name, strlen(ref_rows[i].name) + 1);
        row_i64(name, git((char *[]){program, command, name, NULL}), ref_rows[i].valid ? 0 : 1);
    }
}

static void test_giturl__patterns_by_rows(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        const char *want; /* NULL: good; else somewhere in the message */
        const char *prefix;
    } rows[] = {
        {"refs/heads/main", NULL, "refs/heads/main"},
        {"refs/heads/**", NULL, "refs/heads/"},
        {"refs/heads/*", NULL, "refs/heads/"},
        {"refs/heads/rel*", NULL, "refs/heads/"},
        {"refs/heads/rel/v?", NULL, "refs/heads/rel/"},
        {"refs/tags/v[0-9]*", NULL, "refs/tags/"},
        {"refs/tags/[^a-z]", NULL, "refs/tags/"},
        {"refs/{heads,tags}/**", NULL, "refs/"},
        {"refs/heads/@{a,b}", NULL, "refs/heads/"},
        {"refs/heads/a\\{b", NULL, "refs/heads/"},
        {"refs/**", NULL, "refs/"},
        {"refs/**/x", NULL, "refs/"},
        {"", "must not be empty", ""},
        {"main", "begins with refs/", "main"},
        {"**", "begins with refs/", ""},
        {"heads/*", "begins with refs/", "heads/"},
        {"HEAD", "begins with refs/", "HEAD"},
        {"+refs/heads/*:refs/heads/*", "begins with refs/", "+refs/heads/"},
        {"refs/heads/*:refs/heads/*", "can match no ref: it has one of the characters",
         "refs/heads/"},
        {"^refs/heads/x", "begins with refs/", "^refs/heads/x"},
        {"refs/heads/ma in", "can match no ref: it has a space", "refs/heads/ma in"},
        {"refs/heads/a\nb", "can match no ref: it has a space", "refs/heads/a\nb"},
        {"refs/heads/a..*", "can match no ref: it has two dots", "refs/heads/"},
        {"refs/heads//*", "can match no ref: it has an empty component", "refs/heads//"},
        {"refs/heads/*/", "can match no ref: it has an empty component", "refs/heads/"},
        {"refs/heads/", "can match no ref: it has an empty component", "refs/heads/"},
        {"refs/", "can match no ref: it has an empty component", "refs/"},
        {"refs/heads/.*", "can match no ref: it has a component that begins with '.'",
         "refs/heads/"},
        {"refs/heads/*.lock", "can match no ref: it has a component that ends in .lock",
         "refs/heads/"},
        {"refs/heads/*.", "can match no ref: it ends in '.'", "refs/heads/"},
        {"refs/heads/a\\*b", "can match no ref: it has one of the characters", "refs/heads/"},
        {"refs/heads/@\\{a", "can match no ref: it has '@{'", "refs/heads/"},
        {"refs/heads/[a", "'[' is not closed", "refs/heads/"},
        {"refs/heads/{a", "'{' is not closed", "refs/heads/"},
        {"refs/heads/a\\", "has nothing behind it", "refs/heads/"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        const char *row = rows[i].input;
        struct fl_err err = FL_ERR_INIT;
        int rc = fl_git_pattern_check(fl_str_of(row), &err);
        row_i64(row, rc, rows[i].want ? FL_E_INVALID : 0);
        if (rows[i].want && !strstr(err.msg, rows[i].want)) {
            fail_msg("row '%s': got '%s', want '%s'", row, err.msg, rows[i].want);
        }
        row_str(row, fl_git_pattern_prefix(fl_str_of(row)), rows[i].prefix);
    }
}

static void test_giturl__oids_by_rows(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        bool valid;
        bool zero;
    } rows[] = {
        {"0123456789abcdef0123456789abcdef01234567", true, false},
        {"0000000000000000000000000000000000000000", true, true},
        {"0000000000000000000000000000000000000001", true, false},
        {"0000000000000000000000000000000000000000000000000000000000000000", true, true},
        {"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", true, false},
        {"0123456789ABCDEF0123456789abcdef01234567", false, false},
        {"0123456789abcdeg0123456789abcdef01234567", false, false},
        {"000000000000000000000000000000000000000", false, false},
        {"00000000000000000000000000000000000000000", false, false},
        {" 000000000000000000000000000000000000000", false, false},
        {"", false, false},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        const char *row = rows[i].input;
        ROW_TRUE(row, fl_git_oid_valid(fl_str_of(row)) == rows[i].valid);
        ROW_TRUE(row, fl_git_oid_zero(fl_str_of(row)) == rows[i].zero);
    }
}

static void test_giturl__filter_by_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *include[3];
        const char *exclude[3];
        bool want;
    } rows[] = {
        {"refs/heads/main", {"refs/heads/**"}, {NULL}, true},
        {"refs/heads/a/b", {"refs/heads/**"}, {NULL}, true},
        {"refs/heads/a/b", {"refs/heads/*"}, {NULL}, false},
        {"refs/tags/v1", {"refs/heads/**"}, {NULL}, false},
        {"refs/tags/v1", {"refs/heads/**", "refs/tags/**"}, {NULL}, true},
        {"refs/headsx/a", {"refs/heads/**"}, {NULL}, false},
        {"refs/heads", {"refs/heads/**"}, {NULL}, false},
        {"refs/heads/main", {"refs/heads/main"}, {NULL}, true},
        {"refs/heads/main2", {"refs/heads/main"}, {NULL}, false},
        {"refs/heads/mai", {"refs/heads/main"}, {NULL}, false},
        {"refs/heads/rel-1", {"refs/heads/rel-*"}, {NULL}, true},
        {"refs/heads/wip/a", {"refs/heads/**"}, {"refs/heads/wip/**"}, false},
        {"refs/heads/wip", {"refs/heads/**"}, {"refs/heads/wip/**"}, true},
        {"refs/heads/main", {"refs/heads/main"}, {"refs/heads/main"}, false},
        {"refs/pull/1/head", {"refs/**"}, {"refs/pull/**"}, false},
        {"refs/notes/x", {"refs/**"}, {"refs/pull/**", "refs/changes/**"}, true},
        {"refs/fairlead/kept/1/heads/a", {"refs/**"}, {NULL}, false},
        {"refs/fairlead/kept/1/heads/a", {"refs/fairlead/**"}, {NULL}, false},
        {"refs/fairlead", {"refs/**"}, {NULL}, false},
        {"refs/fairleads/a", {"refs/**"}, {NULL}, true},
        {"HEAD", {"refs/**"}, {NULL}, false},
        {"", {"refs/**"}, {NULL}, false},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_ref_filter f = {.include = rows[i].include, .exclude = rows[i].exclude};
        while (rows[i].include[f.n_include]) {
            f.n_include++;
        }
        while (rows[i].exclude[f.n_exclude]) {
            f.n_exclude++;
        }
        if (fl_ref_filter_admits(&f, fl_str_of(rows[i].name)) != rows[i].want) {
            fail_msg("row %zu '%s' with '%s'", i, rows[i].name, rows[i].include[0]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_giturl__good_ones_by_rows),
        cmocka_unit_test(test_giturl__bad_ones_are_refused_in_words),
        cmocka_unit_test(test_giturl__length_is_bounded),
        cmocka_unit_test(test_giturl__ref_names_by_rows),
        cmocka_unit_test(test_giturl__ref_names_are_bounded),
        cmocka_unit_test(test_giturl__ref_names_are_judged_as_git_does),
        cmocka_unit_test(test_giturl__patterns_by_rows),
        cmocka_unit_test(test_giturl__oids_by_rows),
        cmocka_unit_test(test_giturl__filter_by_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
