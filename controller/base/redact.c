/* SPDX-License-Identifier: Apache-2.0
 * fl_redact of log.h. One walk from left to right: only at ' ', '=' and ':' is looked back to see
 * what stands before. */
#include "base/log.h"

static bool is_space(char c)
{
    return (unsigned char)c <= ' ';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

/* True when s[..at) ends with `word` in any case; `whole`: and not with a longer word. */
static bool ends_with_word(struct fl_str s, size_t at, const char *word, bool whole)
{
    size_t n = strlen(word);
    if (at < n || !fl_str_case_is((struct fl_str){s.p + at - n, n}, word)) {
        return false;
    }
    return !whole || at == n || !is_word(s.p[at - n - 1]);
}

/* Where a credential that starts at `at` ends. */
static size_t credential_end(struct fl_str s, size_t at)
{
    if (at < s.n && (s.p[at] == '"' || s.p[at] == '\'')) {
        char quote = s.p[at];
        size_t end = at + 1;
        while (end < s.n && s.p[end] != quote) {
            end++;
        }
        return end < s.n ? end + 1 : end;
    }
    while (at < s.n && !is_space(s.p[at]) && !strchr("\"',;&", s.p[at])) {
        at++;
    }
    return at;
}

static bool url_ends(char c)
{
    return is_space(c) || c == '"' || c == '<' || c == '>';
}

/* A quote, bracket or sentence mark that closes what stands around the URL, and is no part of it.
 */
static bool url_is_closed(struct fl_str s, size_t at)
{
    static const char marks[] = ",;:.";
    if (s.p[at] == '\'' || s.p[at] == ')' || s.p[at] == ']') {
        return at + 1 == s.n || is_space(s.p[at + 1]) || strchr(marks, s.p[at + 1]) != NULL;
    }
    return strchr(marks, s.p[at]) != NULL && (at + 1 == s.n || is_space(s.p[at + 1]));
}

/* Over ssh nobody logs in by a name alone; as the user of other URLs tokens are written. */
static bool user_may_be_seen(struct fl_str s, size_t at, size_t end)
{
    if (!ends_with_word(s, at - strlen("://"), "ssh", true)) {
        return false;
    }
    for (; at < end; at++) {
        if (!is_word(s.p[at]) && s.p[at] != '.' && s.p[at] != '+') {
            return false;
        }
    }
    return true;
}

/* s[at..) stands behind "://". Adds what may be seen and returns where the URL, or its query, ends.
 */
static size_t url_add(struct fl_buf *b, struct fl_str s, size_t at)
{
    size_t end = at;
    size_t userinfo = at;
    for (; end < s.n && !url_ends(s.p[end]) && !strchr("/?#", s.p[end]); end++) {
        if (s.p[end] == '@') {
            userinfo = end;
        }
    }
    if (userinfo > at && !user_may_be_seen(s, at, userinfo)) {
        fl_buf_text(b, "***");
        at = userinfo;
    }
    while (end < s.n && !url_ends(s.p[end]) && s.p[end] != '?') {
        end++;
    }
    fl_buf_add(b, s.p + at, end - at);
    if (end == s.n || s.p[end] != '?') {
        return end;
    }
    fl_buf_text(b, "?***");
    for (end++; end < s.n && !url_ends(s.p[end]) && !url_is_closed(s, end); end++) {
    }
    return end;
}

/* "the bearer token was refused" is a sentence: in lower case, a word of small letters alone may be
 * seen. */
static bool is_plain_word(struct fl_str s, size_t at)
{
    size_t end = credential_end(s, at);
    for (; at < end; at++) {
        if (s.p[at] < 'a' || s.p[at] > 'z') {
            return false;
        }
    }
    return true;
}

static bool scheme_introduces(struct fl_str s, size_t at, const char *scheme)
{
    size_t n = strlen(scheme);
    return ends_with_word(s, at, scheme, true) &&
           (s.p[at - n] == scheme[0] || !is_plain_word(s, at + 1));
}

/* True when a credential stands behind s[at], which is ' ' or '='. */
static bool introduces_credential(struct fl_str s, size_t at)
{
    if (s.p[at] == '=') {
        return ends_with_word(s, at, "token", false) || ends_with_word(s, at, "password", false);
    }
    return scheme_introduces(s, at, "Bearer") || scheme_introduces(s, at, "Basic");
}

static bool login_ends(char c)
{
    return is_space(c) || strchr("\"'<>/", c) != NULL;
}

/* An image has a digest behind its '@', and no host: "alpine:3.20@sha256:...". */
static bool is_digest(struct fl_str s, size_t at)
{
    struct fl_str rest = {s.p + at, s.n - at};
    return fl_str_starts(rest, "sha256:") || fl_str_starts(rest, "sha512:");
}

/* Where "user:password" ends that has a ':' at s[at], which is at its last '@'; 0: none. ret_word:
 * where the word ends, with no password between. */
static size_t login_end(struct fl_str s, size_t at, size_t *ret_word)
{
    size_t end = 0;
    for (at++; at < s.n && !login_ends(s.p[at]); at++) {
        end = s.p[at] == '@' && !is_digest(s, at + 1) ? at : end;
    }
    *ret_word = at;
    return end;
}

/* Where the user begins whose ':' stands at s[at]; nothing before `from`. */
static size_t login_start(struct fl_str s, size_t from, size_t at)
{
    while (at > from && !login_ends(s.p[at - 1]) && !strchr("([{=,;|", s.p[at - 1])) {
        at--;
    }
    return at;
}

/* s[at] is a ':'. Where a login that it is within ends, which has been added with what stands from
 * `from` on; 0: there is none. */
static size_t login_add(struct fl_buf *b, struct fl_str s, size_t from, size_t at, size_t *ret_word)
{
    size_t start = login_start(s, from, at);
    size_t end = start < at ? login_end(s, at, ret_word) : 0;
    if (end > 0) {
        fl_buf_add(b, s.p + from, start - from);
        fl_buf_text(b, "***");
    }
    return end;
}

void fl_redact(struct fl_buf *b, struct fl_str s)
{
    size_t from = 0;  /* what lies before has been added */
    size_t plain = 0; /* no password lies before */
    size_t at = 0;
    while (at < s.n) {
        char c = s.p[at++];
        if (c != ' ' && c != '=' && c != ':') {
            continue;
        }
        if (c == ':' && at + 2 <= s.n && s.p[at] == '/' && s.p[at + 1] == '/') {
            fl_buf_add(b, s.p + from, at + 2 - from);
            from = at = url_add(b, s, at + 2);
        } else if (c == ':' && at > plain) {
            size_t end = login_add(b, s, from, at - 1, &plain);
            from = end > 0 ? end : from;
            at = end > 0 ? end : at;
        } else if (c != ':' && introduces_credential(s, at - 1)) {
            size_t end = credential_end(s, at);
            fl_buf_add(b, s.p + from, at - from);
            if (end > at) {
                fl_buf_text(b, "***");
            }
            from = at = end;
        }
    }
    if (from < s.n) { /* s.p may be NULL */
        fl_buf_add(b, s.p + from, s.n - from);
    }
}
