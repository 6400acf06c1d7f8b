/* SPDX-License-Identifier: Apache-2.0 */
#include "base/url.h"

#include <arpa/inet.h>

#include "base/num.h"

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

/* Bytes before the first of `stop`. Every request parses URLs several times: memchr is many times faster than a look at each
 * byte. */
static size_t run_until(struct fl_str s, const char *stop)
{
    size_t n = s.n;
    for (; n > 0 && *stop; stop++) {
        const char *hit = memchr(s.p, *stop, n);
        n = hit ? (size_t)(hit - s.p) : n;
    }
    return n;
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The length of "scheme" when s starts with "scheme:", else 0. */
static size_t scheme_length(struct fl_str s)
{
    size_t n = 0;
    while (n < s.n &&
           (is_alpha(s.p[n]) || (n > 0 && (is_digit(s.p[n]) || strchr("+-.", s.p[n]))))) {
        n++;
    }
    return n < s.n && s.p[n] == ':' ? n : 0;
}

static int check_bytes(struct fl_str text, struct fl_err *err)
{
    if (text.n > FL_URL_MAX) {
        return fl_fail(err, FL_E_INVALID, "InvalidURL", "longer than %d bytes", FL_URL_MAX);
    }
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c <= 0x20 || c == 0x7f) {
            return refuse(err, "has a space or a control character (write it as %XX)");
        }
        /* RFC 3986 has no place for it, and readers disagree: some take it for a '/'. */
        if (c == '\\') {
            return refuse(err, "has a backslash (write it as %5C)");
        }
    }
    return 0;
}

static int take_scheme(struct fl_str *s, struct fl_url *ret, struct fl_err *err)
{
    size_t n = scheme_length(*s);
    struct fl_str scheme = first(*s, n);
    struct fl_str rest = n > 0 ? skip(*s, n) : *s;
    if (n == 0 || !fl_str_starts(rest, "://")) {
        return refuse(err, "has no scheme: it must start with https:// or http://");
    }
    if (fl_str_case_is(scheme, "https")) {
        ret->scheme = FL_STR("https");
        ret->port = 443;
    } else if (fl_str_case_is(scheme, "http")) {
        ret->scheme = FL_STR("http");
        ret->port = 80;
    } else {
        return refuse(err, "has another scheme than https or http");
    }
    *s = skip(rest, 3);
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
    return strlen(text) == s.n && inet_pton(AF_INET6, text, &parsed) == 1;
}

/* "[::1]" at the start of *s; leaves what follows the bracket. */
static int take_ipv6(struct fl_str *s, struct fl_url *ret, struct fl_err *err)
{
    size_t n = run_until(*s, "]");
    if (n == s->n || !ipv6_is_valid((struct fl_str){s->p + 1, n - 1})) {
        return refuse(err, "has brackets without an IPv6 address in them");
    }
    ret->host = (struct fl_str){s->p + 1, n - 1};
    ret->ipv6 = true;
    *s = skip(*s, n + 1);
    return 0;
}

static int take_host(struct fl_str *s, struct fl_url *ret, struct fl_err *err)
{
    size_t n = run_until(*s, ":");
    for (size_t i = 0; i < n; i++) {
        char c = s->p[i];
        if (!is_alpha(c) && !is_digit(c) && c != '-' && c != '.' && c != '_') {
            return refuse(err, "has a host with other characters than letters, digits, '-', '.' "
                               "and '_' (write international names in their xn-- form)");
        }
    }
    if (n == 0) {
        return refuse(err, "has no host");
    }
    if (n > 253) { /* RFC 1035 */
        return refuse(err, "has a host longer than 253 characters");
    }
    ret->host = first(*s, n);
    *s = skip(*s, n);
    return 0;
}

static int take_authority(struct fl_str s, struct fl_url *ret, struct fl_err *err)
{
    if (run_until(s, "@") < s.n) {
        return refuse(err, "has credentials in it: they belong into a Secret");
    }
    int rc = s.n > 0 && s.p[0] == '[' ? take_ipv6(&s, ret, err) : take_host(&s, ret, err);
    if (rc != 0) {
        return rc;
    }
    if (s.n == 0 || fl_str_is(s, ":")) { /* RFC 3986: an empty port is the default one */
        return 0;
    }
    uint64_t port = 0;
    if (s.p[0] != ':' || s.n > 6 || !fl_num_u64(skip(s, 1), &port) || port == 0 || port > 65535) {
        return refuse(err, "has a port that is not a number from 1 to 65535");
    }
    ret->port = (uint16_t)port;
    return 0;
}

int fl_url_parse(struct fl_str text, struct fl_url *ret, struct fl_err *err)
{
    struct fl_url u = {0};
    struct fl_str rest = text;
    if (text.n == 0) {
        return refuse(err, "is empty");
    }
    int rc = check_bytes(text, err);
    rc = rc != 0 ? rc : take_scheme(&rest, &u, err);
    if (rc != 0) {
        return rc;
    }
    size_t n = run_until(rest, "/?#");
    rc = take_authority(first(rest, n), &u, err);
    if (rc != 0) {
        return rc;
    }
    rest = skip(rest, n);
    if (run_until(rest, "#") < rest.n) {
        return refuse(err, "has a fragment ('#...'), which is never sent");
    }
    n = run_until(rest, "?");
    u.path = first(rest, n);
    u.query = n < rest.n ? skip(rest, n + 1) : skip(rest, n);
    *ret = u;
    return 0;
}

static bool case_eq(struct fl_str a, struct fl_str b)
{
    if (a.n != b.n) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        char x = a.p[i];
        char y = b.p[i];
        if (x != y && (!is_alpha(x) || !is_alpha(y) || (x | 0x20) != (y | 0x20))) {
            return false;
        }
    }
    return true;
}

bool fl_url_same_origin(const struct fl_url *a, const struct fl_url *b)
{
    return fl_str_eq(a->scheme, b->scheme) && a->port == b->port && a->ipv6 == b->ipv6 &&
           case_eq(a->host, b->host);
}

void fl_url_origin(struct fl_buf *b, const struct fl_url *u)
{
    fl_buf_str(b, u->scheme);
    fl_buf_fmt(b, u->ipv6 ? "://[%.*s]" : "://%.*s", FL_STR_ARG(u->host));
    if (u->port != (fl_str_is(u->scheme, "https") ? 443 : 80)) {
        fl_buf_fmt(b, ":%u", u->port);
    }
}

/* Drops the last segment of what stands behind `start`, with its '/'. */
static void drop_segment(struct fl_buf *b, size_t start)
{
    size_t len = b->len;
    while (len > start && b->data[len - 1] != '/') {
        len--;
    }
    fl_buf_truncate(b, len > start ? len - 1 : start);
}

/* RFC 3986 5.2.4 for a path that starts with '/'. */
static void add_without_dots(struct fl_buf *b, struct fl_str path)
{
    size_t start = b->len;
    while (path.n > 0) {
        path = skip(path, 1); /* the '/' */
        size_t n = run_until(path, "/");
        struct fl_str segment = first(path, n);
        bool last = n == path.n;
        bool dot = fl_str_is(segment, ".");
        if (fl_str_is(segment, "..")) {
            drop_segment(b, start);
            dot = true;
        }
        if (!dot || last) {
            fl_buf_char(b, '/');
        }
        if (!dot) {
            fl_buf_str(b, segment);
        }
        path = skip(path, n);
    }
}

/* RFC 3986 5.3: the relative path stands in for the base's last segment. */
static void add_merged(struct fl_buf *b, const struct fl_url *base, struct fl_str ref_path)
{
    fl_auto_val(fl_buf) merged = FL_BUF_INIT(2 * FL_URL_MAX + 2);
    size_t keep = base->path.n;
    while (keep > 0 && base->path.p[keep - 1] != '/') {
        keep--;
    }
    fl_buf_str(&merged, first(base->path, keep));
    if (keep == 0) {
        fl_buf_char(&merged, '/');
    }
    fl_buf_str(&merged, ref_path);
    add_without_dots(b, fl_buf_slice(&merged));
}

static void add_resolved(struct fl_buf *b, const struct fl_url *base, struct fl_str ref)
{
    if (scheme_length(ref) > 0) {
        fl_buf_str(b, ref);
        return;
    }
    if (fl_str_starts(ref, "//")) {
        fl_buf_str(b, base->scheme);
        fl_buf_char(b, ':');
        fl_buf_str(b, ref);
        return;
    }
    fl_url_origin(b, base);
    size_t path = run_until(ref, "?");
    if (fl_str_starts(ref, "/")) {
        fl_buf_str(b, ref);
    } else if (path > 0) {
        add_merged(b, base, first(ref, path));
        fl_buf_str(b, skip(ref, path));
    } else {
        fl_buf_str(b, base->path);
        if (ref.n == 0 && base->query.n > 0) {
            fl_buf_char(b, '?');
            fl_buf_str(b, base->query);
        }
        fl_buf_str(b, ref);
    }
}

int fl_url_resolve(struct fl_buf *ret, struct fl_str base, struct fl_str ref, struct fl_err *err)
{
    struct fl_url from = {0};
    struct fl_url to = {0};
    int rc = fl_url_parse(base, &from, err);
    if (rc != 0) {
        return rc;
    }
    /* A server may send a fragment along; a client keeps it to itself (RFC 9110 10.2.2). */
    ref = first(ref, run_until(ref, "#"));
    if (ref.n > FL_URL_MAX) {
        return fl_fail(err, FL_E_INVALID, "InvalidURL", "longer than %d bytes", FL_URL_MAX);
    }
    fl_auto_val(fl_buf) target = FL_BUF_INIT(FL_BUF_ANY);
    add_resolved(&target, &from, ref);
    rc = fl_url_parse(fl_buf_slice(&target), &to, err);
    if (rc != 0) {
        return rc;
    }
    fl_buf_str(ret, fl_buf_slice(&target));
    return 0;
}

static int hex_value(char c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    return is_alpha(c) && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

bool fl_percent_decode(struct fl_buf *b, struct fl_str s, bool plus_is_space)
{
    size_t start = b->len;
    while (s.n > 0) {
        size_t plain = run_until(s, plus_is_space ? "%+" : "%");
        fl_buf_str(b, first(s, plain));
        s = skip(s, plain);
        if (s.n == 0) {
            break;
        }
        if (s.p[0] == '+') {
            fl_buf_char(b, ' ');
            s = skip(s, 1);
            continue;
        }
        int high = s.n >= 3 ? hex_value(s.p[1]) : -1;
        int low = s.n >= 3 ? hex_value(s.p[2]) : -1;
        if (high < 0 || low < 0) {
            fl_buf_truncate(b, start);
            return false;
        }
        fl_buf_char(b, (char)(high << 4 | low));
        s = skip(s, 3);
    }
    return true;
}

static bool name_is(struct fl_str raw, const char *name)
{
    fl_auto_val(fl_buf) decoded = FL_BUF_INIT(FL_BUF_ANY);
    return fl_percent_decode(&decoded, raw, true) && fl_str_is(fl_buf_slice(&decoded), name);
}

bool fl_query_get(struct fl_str query, const char *name, struct fl_buf *b)
{
    while (query.n > 0) {
        struct fl_str value = {0};
        struct fl_str key = {0};
        (void)fl_str_cut(&query, '&', &value);
        (void)fl_str_cut(&value, '=', &key);
        if (name_is(key, name) && fl_percent_decode(b, value, true)) {
            return true;
        }
    }
    return false;
}
