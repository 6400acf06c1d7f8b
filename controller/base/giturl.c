/* SPDX-License-Identifier: Apache-2.0 */
#include "base/giturl.h"

#include <arpa/inet.h>

#include "base/glob.h"
#include "base/num.h"
#include "base/url.h"

#define OURS "refs/fairlead" /* what stands beneath it is ours, and so is the name itself */

static int refuse(struct fl_err *err, const char *why)
{
    return fl_fail(err, FL_E_INVALID, "InvalidURL", "%s", why);
}

static struct fl_str skip(struct fl_str s, size_t n)
{
    return (struct fl_str){s.p + n, s.n - n};
}

static struct fl_str first(struct fl_str s, size_t n)
{
    return (struct fl_str){s.p, n};
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* Bytes before the first of `stop`, or all. */
static size_t run_until(struct fl_str s, const char *stop)
{
    size_t n = 0;
    while (n < s.n && !is_one_of(s.p[n], stop)) {
        n++;
    }
    return n;
}

/* Bytes at the start of s that are letters, digits or one of `more`. */
static size_t run_of(struct fl_str s, const char *more)
{
    size_t n = 0;
    while (n < s.n && (is_alpha(s.p[n]) || is_digit(s.p[n]) || is_one_of(s.p[n], more))) {
        n++;
    }
    return n;
}

/* ---- what is no URL of ours ---- */

static int check_bytes(struct fl_str s, struct fl_err *err)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= 0x20 || c == 0x7f) {
            return refuse(err, "has a space or a control character");
        }
        if (c == '\\') {
            return refuse(err, "has a backslash");
        }
    }
    return fl_utf8_valid(s) ? 0 : refuse(err, "is not UTF-8");
}

/* "[user@]host:path", as ssh and scp write it: git takes it for ssh. */
static int refuse_scp(struct fl_str s, struct fl_err *err)
{
    struct fl_str user = first(s, run_of(s, "._-+"));
    struct fl_str rest = skip(s, user.n);
    bool has_user = fl_str_starts(rest, "@");
    struct fl_str host = user;
    if (has_user) {
        rest = skip(rest, 1);
        host = first(rest, run_of(rest, "._-"));
        rest = skip(rest, host.n);
    }
    struct fl_str path = rest.n > 0 ? skip(rest, 1) : rest;
    if (fl_str_starts(path, "/")) {
        path = skip(path, 1);
    }
    /* Only a text of this very form is repeated: nothing in it can be a password. */
    if (user.n == 0 || host.n == 0 || path.n == 0 || run_of(path, "._-+~/") < path.n) {
        return refuse(err, "is in the short form of ssh (user@host:path): write it as "
                           "ssh://user@host/path");
    }
    return fl_fail(
        err, FL_E_INVALID, "InvalidURL",
        "is in the short form of ssh (user@host:path): write it as ssh://%.*s%s%.*s/%.*s",
        has_user ? (int)user.n : 0, user.p, has_user ? "@" : "", FL_STR_ARG(host),
        FL_STR_ARG(path));
}

static int refuse_without_scheme(struct fl_str s, struct fl_err *err)
{
    size_t colon = run_until(s, ":");
    if (fl_str_starts(s, "/") || fl_str_starts(s, ".") || fl_str_starts(s, "~")) {
        return refuse(err, "is a path of this machine: it must be https://, http:// or ssh://");
    }
    /* gitremote-helpers: "<transport>::<address>" runs git-remote-<transport>; ext runs any
     * command. */
    if (colon > 0 && fl_str_starts(skip(s, colon), "::")) {
        return refuse(err, "names a remote helper (such as ext::), which would run a program: it "
                           "must be https://, http:// or ssh://");
    }
    int rc = check_bytes(s, err);
    if (rc != 0) {
        return rc;
    }
    bool slashes = fl_str_starts(skip(s, colon), "://");
    if (colon > 0 && colon < s.n && !slashes && run_until(s, "/") > colon) {
        return refuse_scp(s, err);
    }
    return refuse(err, "has no scheme: it must start with https://, http:// or ssh://");
}

static int refuse_scheme(struct fl_str scheme, struct fl_err *err)
{
    static const char *const ours[] = {"https", "http", "ssh"};
    for (size_t i = 0; i < FL_LEN(ours); i++) {
        if (fl_str_case_is(scheme, ours[i])) {
            return refuse(err, "has a scheme in capital letters, which git does not know");
        }
    }
    if (fl_str_is(scheme, "git")) {
        return refuse(err, "has the scheme git, which neither encrypts nor knows who answers: it "
                           "must be https://, http:// or ssh://");
    }
    if (fl_str_is(scheme, "file")) {
        return refuse(err, "is a path of this machine (file): it must be https://, http:// or "
                           "ssh://");
    }
    if (fl_str_is(scheme, "git+ssh") || fl_str_is(scheme, "ssh+git")) {
        return refuse(err, "has an old name of the scheme ssh: write ssh://");
    }
    return refuse(err, "has a scheme that is none of https, http and ssh");
}

/* ---- the parts ---- */

static int take_scheme(struct fl_str *s, struct fl_git_url *ret, struct fl_err *err)
{
    size_t n = run_of(*s, "+-.");
    struct fl_str scheme = first(*s, n);
    if (n == 0 || !fl_str_starts(skip(*s, n), "://")) {
        return refuse_without_scheme(*s, err);
    }
    if (fl_str_is(scheme, "https")) {
        ret->scheme = FL_GIT_HTTPS;
        ret->port = 443;
    } else if (fl_str_is(scheme, "http")) {
        ret->scheme = FL_GIT_HTTP;
        ret->port = 80;
    } else if (fl_str_is(scheme, "ssh")) {
        ret->scheme = FL_GIT_SSH;
        ret->port = 22;
    } else {
        return refuse_scheme(scheme, err);
    }
    *s = skip(*s, n + 3);
    return 0;
}

/* "user@" before a host; s: the authority. */
static int take_user(struct fl_str *s, struct fl_git_url *ret, struct fl_err *err)
{
    size_t at = run_until(*s, "@");
    if (at == s->n) {
        return 0;
    }
    struct fl_str user = first(*s, at);
    if (run_until(user, ":") < user.n || ret->scheme != FL_GIT_SSH) {
        return refuse(err, "has credentials in it: they belong into a Secret");
    }
    if (user.n == 0 || run_of(user, "._-+") < user.n || user.p[0] == '-') {
        return refuse(err, "has a user with other characters than letters, digits, '.', '_', '+' "
                           "and '-', or one that begins with '-'");
    }
    ret->user = user;
    *s = skip(*s, at + 1);
    return 0;
}

static bool ipv6_is_valid(struct fl_str s)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr parsed;
    if (s.n >= sizeof(text)) {
        return false;
    }
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    return inet_pton(AF_INET6, text, &parsed) == 1;
}

static int take_host(struct fl_str *s, struct fl_git_url *ret, struct fl_err *err)
{
    if (fl_str_starts(*s, "[")) {
        size_t end = run_until(*s, "]");
        if (end == s->n || !ipv6_is_valid((struct fl_str){s->p + 1, end - 1})) {
            return refuse(err, "has brackets without an IPv6 address in them");
        }
        ret->host = (struct fl_str){s->p + 1, end - 1};
        ret->ipv6 = true;
        *s = skip(*s, end + 1);
        return 0;
    }
    struct fl_str host = first(*s, run_until(*s, ":"));
    if (host.n == 0) {
        return refuse(err, "has no host");
    }
    if (host.p[0] == '-') { /* ssh would take it for an option: CVE-2017-1000117 */
        return refuse(err, "has a host that begins with '-'");
    }
    if (run_of(host, "-._") < host.n) {
        return refuse(err, "has a host with other characters than letters, digits, '-', '.' and "
                           "'_' (write international names in their xn-- form)");
    }
    if (host.n > 253) { /* RFC 1035 */
        return refuse(err, "has a host longer than 253 characters");
    }
    ret->host = host;
    *s = skip(*s, host.n);
    return 0;
}

static int take_port(struct fl_str s, struct fl_git_url *ret, struct fl_err *err)
{
    uint64_t port = 0;
    if (s.n == 0 || fl_str_is(s, ":")) { /* RFC 3986: an empty port is the default one */
        return 0;
    }
    if (s.p[0] != ':' || s.n > 6 || !fl_num_u64(skip(s, 1), &port) || port == 0 || port > 65535) {
        return refuse(err, "has a port that is not a number from 1 to 65535");
    }
    ret->port = (uint16_t)port;
    return 0;
}

/* On the path as the server will read it. */
static const char *path_problem(struct fl_str plain)
{
    if (!fl_str_printable(plain) || !fl_utf8_valid(plain)) {
        return "has a control character in its path";
    }
    struct fl_str rest = skip(plain, 1);
    struct fl_str part;
    bool any = false;
    bool more = true;
    while (more) {
        more = fl_str_cut(&rest, '/', &part);
        if (fl_str_is(part, "..") || fl_str_is(part, ".")) {
            return "has '..' or '.' in its path";
        }
        if (!any && fl_str_starts(part, "-")) {
            return "has a path that begins with '-'";
        }
        any = any || part.n > 0;
    }
    return any ? NULL : "has no path: a repository stands beneath its host";
}

static int check_path(struct fl_str path, struct fl_err *err)
{
    fl_auto_val(fl_buf) plain = FL_BUF_INIT(FL_GIT_URL_MAX);
    if (path.n == 0) {
        return refuse(err, "has no path: a repository stands beneath its host");
    }
    if (run_until(path, "?") < path.n) {
        return refuse(err, "has a query ('?...')");
    }
    if (!fl_percent_decode(&plain, path, false)) {
        return refuse(err, "has a '%' in its path that is no escape of two hex digits");
    }
    const char *wrong = path_problem(fl_buf_slice(&plain));
    return wrong ? refuse(err, wrong) : 0;
}

static int take_rest(struct fl_str rest, struct fl_git_url *ret, struct fl_err *err)
{
    struct fl_str authority = first(rest, run_until(rest, "/?#"));
    int rc = take_user(&authority, ret, err);
    rc = rc != 0 ? rc : take_host(&authority, ret, err);
    rc = rc != 0 ? rc : take_port(authority, ret, err);
    if (rc != 0) {
        return rc;
    }
    ret->path = skip(rest, run_until(rest, "/?#"));
    if (run_until(ret->path, "#") < ret->path.n) {
        return refuse(err, "has a fragment ('#...')");
    }
    return check_path(ret->path, err);
}

int fl_git_url_parse(struct fl_str text, struct fl_git_url *ret, struct fl_err *err)
{
    struct fl_git_url u = {0};
    struct fl_str rest = text;
    if (text.n == 0) {
        return refuse(err, "is empty");
    }
    if (text.n > FL_GIT_URL_MAX) {
        return fl_fail(err, FL_E_INVALID, "InvalidURL", "is longer than %d bytes", FL_GIT_URL_MAX);
    }
    if (text.p[0] == '-') {
        return refuse(err, "begins with '-', as an option does");
    }
    int rc = take_scheme(&rest, &u, err);
    rc = rc != 0 ? rc : check_bytes(rest, err);
    rc = rc != 0 ? rc : take_rest(rest, &u, err);
    if (rc == 0) {
        *ret = u;
    }
    return rc;
}

static void add_folded(struct fl_buf *b, struct fl_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        fl_buf_char(b, (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c));
    }
}

void fl_git_url_place(struct fl_buf *b, const struct fl_git_url *u)
{
    static const uint16_t usual[] = {[FL_GIT_HTTPS] = 443, [FL_GIT_HTTP] = 80, [FL_GIT_SSH] = 22};
    struct fl_str rest = u->path;
    while (rest.n > 0 && rest.p[rest.n - 1] == '/') {
        rest.n--;
    }
    if (fl_str_ends(rest, ".git") && rest.n > 4 && rest.p[rest.n - 5] != '/') {
        rest.n -= 4;
    }
    fl_buf_text(b, u->ipv6 ? "[" : "");
    add_folded(b, u->host);
    fl_buf_text(b, u->ipv6 ? "]" : "");
    if (u->port != usual[u->scheme]) {
        fl_buf_fmt(b, ":%u", u->port);
    }
    struct fl_str part;
    bool more = true;
    while (more) { /* servers read "a//b" as "a/b" */
        more = fl_str_cut(&rest, '/', &part);
        if (part.n > 0) {
            fl_buf_char(b, '/');
            fl_buf_str(b, part);
        }
    }
}

/* ---- refs ---- */

static const char *component_problem(struct fl_str part)
{
    if (part.n == 0) {
        return "has an empty component: two '/' in a row, or one at its end";
    }
    if (part.p[0] == '.') {
        return "has a component that begins with '.'";
    }
    if (fl_str_ends(part, ".lock")) {
        return "has a component that ends in .lock";
    }
    return NULL;
}

/* The rules of git-check-ref-format(1), but for those on '/' and on components. */
static const char *characters_problem(struct fl_str name)
{
    /* Each poll comes here with each ref: a table, and no search for each byte. */
    static const bool forbidden[UINT8_MAX + 1] = {
        ['~'] = true, ['^'] = true, [':'] = true, ['?'] = true,
        ['*'] = true, ['['] = true, ['\\'] = true};
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        char next = (char)(i + 1 < name.n ? name.p[i + 1] : '\0');
        if (c <= 0x20 || c == 0x7f) {
            return "has a space or a control character";
        }
        if (forbidden[c]) {
            return "has one of the characters ~ ^ : ? * [ \\";
        }
        if (c == '.' && next == '.') {
            return "has two dots in a row";
        }
        if (c == '@' && next == '{') {
            return "has '@{' in it";
        }
    }
    return NULL;
}

const char *fl_git_ref_check(struct fl_str name)
{
    if (fl_str_is(name, "HEAD")) {
        return NULL;
    }
    if (name.n == 0) {
        return "is empty";
    }
    if (name.n > FL_GIT_REF_MAX) {
        return "is longer than 1024 bytes";
    }
    if (!fl_str_starts(name, "refs/")) {
        return "is no full name: it must be HEAD or begin with refs/";
    }
    const char *wrong = characters_problem(name);
    if (wrong) {
        return wrong;
    }
    struct fl_str rest = name;
    struct fl_str part;
    bool more = true;
    while (more && !wrong) {
        more = fl_str_cut(&rest, '/', &part);
        wrong = component_problem(part);
    }
    if (!wrong && name.p[name.n - 1] == '.') {
        wrong = "ends in '.'";
    }
    return wrong;
}

/* Behind the class that opens at `at`; s.n when it is not closed. */
static size_t class_end(struct fl_str s, size_t at)
{
    for (at++; at < s.n && s.p[at] != ']'; at++) {
        at += s.p[at] == '\\';
    }
    return at < s.n ? at + 1 : s.n;
}

/* The pattern with a letter in the place of each meta character and the escapes taken off: a name
 * by git's rules, if what is plain in the pattern keeps them. */
static void stand_in(struct fl_buf *b, struct fl_str pattern)
{
    for (size_t at = 0; at < pattern.n;) {
        char c = pattern.p[at];
        if (c == '[') {
            fl_buf_char(b, 'x');
            at = class_end(pattern, at);
        } else if (c == '\\' && at + 1 < pattern.n) {
            fl_buf_char(b, pattern.p[at + 1]);
            at += 2;
        } else {
            fl_buf_char(b, (char)(is_one_of(c, "*?{},") ? 'x' : c));
            at++;
        }
    }
}

int fl_git_pattern_check(struct fl_str pattern, struct fl_err *err)
{
    if (pattern.n == 0) {
        return fl_fail(err, FL_E_INVALID, "InvalidPattern",
                       "must not be empty; refs/** matches every ref");
    }
    if (!fl_str_starts(pattern, "refs/")) {
        return fl_fail(err, FL_E_INVALID, "InvalidPattern",
                       "must be a pattern over full names that begins with refs/: such as "
                       "refs/heads/main for a branch, refs/tags/v* for tags");
    }
    int rc = fl_glob_check(pattern, err);
    if (rc != 0) {
        return rc;
    }
    fl_auto_val(fl_buf) name = FL_BUF_INIT(FL_GIT_REF_MAX);
    stand_in(&name, pattern);
    const char *wrong = fl_git_ref_check(fl_buf_slice(&name));
    return wrong ? fl_fail(err, FL_E_INVALID, "InvalidPattern", "can match no ref: it %s", wrong)
                 : 0;
}

struct fl_str fl_git_pattern_prefix(struct fl_str pattern)
{
    static const bool meta[UINT8_MAX + 1] = {
        ['*'] = true, ['?'] = true, ['['] = true, ['{'] = true, ['\\'] = true};
    size_t n = 0;
    while (n < pattern.n && !meta[(unsigned char)pattern.p[n]]) {
        n++;
    }
    if (n == pattern.n) {
        return pattern;
    }
    while (n > 0 && pattern.p[n - 1] != '/') {
        n--;
    }
    return first(pattern, n);
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f');
}

bool fl_git_oid_valid(struct fl_str s)
{
    size_t n = 0;
    while (n < s.n && is_hex(s.p[n])) {
        n++;
    }
    return n == s.n && (n == 40 || n == 64);
}

bool fl_git_oid_zero(struct fl_str s)
{
    size_t n = 0;
    while (n < s.n && s.p[n] == '0') {
        n++;
    }
    return n == s.n && (n == 40 || n == 64);
}

static bool begins_with(struct fl_str s, struct fl_str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

/* As fl_glob_match; nearly all patterns are "refs/heads/" and two stars, or plain, and a poll asks
 * for each ref. */
static bool matches(struct fl_str pattern, struct fl_str name)
{
    struct fl_str prefix = fl_git_pattern_prefix(pattern);
    if (!begins_with(name, prefix)) {
        return false;
    }
    if (prefix.n == pattern.n) {
        return name.n == pattern.n;
    }
    if (fl_str_is(skip(pattern, prefix.n), "**")) {
        return name.n > prefix.n;
    }
    return fl_glob_match(pattern, name);
}

static bool any_matches(const char *const *patterns, size_t n, struct fl_str name)
{
    for (size_t i = 0; i < n; i++) {
        if (matches(fl_str_of(patterns[i]), name)) {
            return true;
        }
    }
    return false;
}

bool fl_ref_filter_admits(const struct fl_ref_filter *f, struct fl_str name)
{
    /* A ref of that very name would stand in the way of ours. */
    if (fl_str_starts(name, OURS "/") || fl_str_is(name, OURS)) {
        return false;
    }
    return any_matches(f->include, f->n_include, name) &&
           !any_matches(f->exclude, f->n_exclude, name);
}
