/* SPDX-License-Identifier: Apache-2.0
 * Input: a URL, a newline, a pattern, a newline, a ref's name. What is accepted keeps what the
 * header promises: nothing in it could be taken for an option; a place is the place of its own URL;
 * a pattern's prefix is one of what it matches; the filter agrees with the globs. */
#include "base/giturl.h"
#include "base/glob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has(struct fl_str s, char c)
{
    return s.n > 0 && memchr(s.p, c, s.n) != NULL;
}

static bool drops_suffix(struct fl_str path)
{
    while (path.n > 0 && path.p[path.n - 1] == '/') {
        path.n--;
    }
    return fl_str_ends(path, ".git");
}

static void check_place(const struct fl_git_url *u)
{
    fl_auto_val(fl_buf) place = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) url = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) again = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_git_url v;
    fl_git_url_place(&place, u);
    fl_buf_text(&url, u->scheme == FL_GIT_SSH     ? "ssh://"
                      : u->scheme == FL_GIT_HTTPS ? "https://"
                                                  : "http://");
    fl_buf_str(&url, fl_buf_slice(&place));
    if (fl_git_url_parse(fl_buf_slice(&url), &v, NULL) != 0) {
        fl_assert(drops_suffix(u->path)); /* "...git" becomes ".." */
        return;
    }
    fl_assert(v.port == u->port && v.host.n == u->host.n && v.user.n == 0);
    /* What ends in ".git.git" loses one each time. */
    fl_git_url_place(&again, &v);
    fl_assert(again.len == place.len || fl_str_ends(fl_buf_slice(&place), ".git"));
}

static void check_url(struct fl_str text)
{
    struct fl_git_url u;
    struct fl_err err = FL_ERR_INIT;
    int rc = fl_git_url_parse(text, &u, &err);
    if (rc != 0) {
        fl_assert(rc == FL_E_INVALID && err.msg[0] &&
                  fl_str_is(fl_str_of(err.reason), "InvalidURL"));
        return;
    }
    fl_assert(text.n <= FL_GIT_URL_MAX && fl_str_printable(text) && !has(text, ' '));
    fl_assert(u.host.n > 0 && u.host.p[0] != '-' && u.port > 0);
    fl_assert(u.path.n > 1 && u.path.p[0] == '/' && u.path.p[1] != '-');
    fl_assert(!has(u.path, '?') && !has(u.path, '#') && !has(u.user, ':'));
    fl_assert(u.user.n == 0 || (u.scheme == FL_GIT_SSH && u.user.p[0] != '-'));
    check_place(&u);
}

static void check_pattern(struct fl_str pattern, struct fl_str name)
{
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    if (has(pattern, '\0') || fl_git_pattern_check(pattern, NULL) != 0) {
        return;
    }
    fl_buf_str(&text, pattern);
    const char *one[] = {text.data};
    struct fl_ref_filter f = {.include = one, .n_include = 1};
    struct fl_str prefix = fl_git_pattern_prefix(pattern);
    bool matched = fl_glob_match(pattern, name);
    bool ours = fl_str_starts(name, "refs/fairlead/") || fl_str_is(name, "refs/fairlead");
    fl_assert(!matched || (name.n >= prefix.n && memcmp(name.p, prefix.p, prefix.n) == 0));
    fl_assert(fl_ref_filter_admits(&f, name) == (matched && !ours));
    if (fl_glob_literal(pattern)) {
        fl_assert(fl_git_ref_check(pattern) == NULL && fl_str_eq(prefix, pattern));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fl_str name = {(const char *)data, size};
    struct fl_str url;
    struct fl_str pattern;
    check_url(name);
    (void)fl_str_cut(&name, '\n', &url);
    (void)fl_str_cut(&name, '\n', &pattern);
    check_url(url);
    if (fl_git_ref_check(name) == NULL) {
        fl_assert(fl_str_printable(name) && !has(name, ' ') && !has(name, ':'));
        check_pattern(pattern, name);
    }
    (void)fl_git_pattern_prefix(pattern);
    (void)fl_git_pattern_check(pattern, NULL);
    (void)fl_git_oid_valid(name);
    (void)fl_git_oid_zero(name);
    return 0;
}
