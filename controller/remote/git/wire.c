/* SPDX-License-Identifier: Apache-2.0
 * Packets, and the gathering of refs that all answers share. */
#include "remote/git/wire.h"

#include <stdlib.h>

#include "base/glob.h"
#include "remote/git/wire_priv.h"

enum {
    SAID_MAX = 200,     /* bytes of the remote's own words in a message */
    REF_BYTES_MIN = 41, /* of an answer for one ref: 40 digits and what parts them from a name */
};

/* ---- packets --------------------------------------------------------------------------------------------------- */

int git_protocol_error(struct fl_err *err, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return fl_fail(err, FL_E_BAD_DATA, "ProtocolError", "git protocol: %s", text);
}

int git_protocol_empty(struct fl_err *err)
{
    return fl_fail(err, FL_E_BAD_DATA, "ProtocolEmpty", "git protocol: the answer is empty");
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool said_has(struct fl_str s, const char *const *words, size_t n)
{
    char text[SAID_MAX + 1];
    size_t len = s.n < SAID_MAX ? s.n : SAID_MAX;
    for (size_t i = 0; i < len; i++) {
        text[i] = lower(s.p[i]);
        if (text[i] == '\0') {
            text[i] = ' ';
        }
    }
    text[len] = '\0';
    for (size_t i = 0; i < n; i++) {
        if (strstr(text, words[i])) {
            return true;
        }
    }
    return false;
}

/* An ERR packet has words and no code. */
static int remote_error(struct fl_str said, struct fl_err *err)
{
    static const char *const missing[] = {"not found", "not be found", "not exist", "doesn't exist",
                                          "no such"};
    static const char *const denied[] = {"denied",        "not allowed",  "unauthorized",
                                         "permission",    "authenticat",  "forbidden",
                                         "not permitted", "not exported", "credentials"};
    enum fl_code code = said_has(said, missing, FL_LEN(missing)) ? FL_E_NOT_FOUND
                        : said_has(said, denied, FL_LEN(denied)) ? FL_E_AUTH
                                                                 : FL_E_UNAVAILABLE;
    if (said.n > SAID_MAX) {
        said.n = SAID_MAX;
    }
    return fl_fail(err, code, "RemoteError", "the remote says: %.*s", FL_STR_ARG(said));
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* -1: no four hexadecimal digits */
static int pkt_length(struct fl_str s)
{
    int n = 0;
    for (size_t i = 0; i < 4; i++) {
        int v = i < s.n ? hex_value(s.p[i]) : -1;
        if (v < 0) {
            return -1;
        }
        n = n * 16 + v;
    }
    return n;
}

int git_pkt_next(struct fl_str *rest, enum git_pkt *ret, struct fl_str *line, struct fl_err *err)
{
    int len = pkt_length(*rest);
    if (len < 0 && rest->n == 0) {
        return git_protocol_error(err, "the answer ends before its end was said");
    }
    if (len < 0) {
        return git_protocol_error(err, "a packet's length is no number");
    }
    if (len == 3 || len > GIT_PKT_MAX) {
        return git_protocol_error(err, "a packet of length %d", len);
    }
    if (len < 3) {
        *ret = len == 0 ? GIT_PKT_FLUSH : len == 1 ? GIT_PKT_DELIM : GIT_PKT_RESPONSE_END;
        *line = (struct fl_str){NULL, 0};
        rest->p += 4;
        rest->n -= 4;
        return 0;
    }
    if ((size_t)len > rest->n) {
        return git_protocol_error(err, "the answer ends within a packet");
    }
    *ret = GIT_PKT_DATA;
    *line = (struct fl_str){rest->p + 4, (size_t)len - 4};
    rest->p += len;
    rest->n -= (size_t)len;
    if (line->n > 0 && line->p[line->n - 1] == '\n') {
        line->n--;
    }
    if (line->n > 0 && line->p[0] == 'E' && fl_str_starts(*line, "ERR ")) {
        return remote_error((struct fl_str){line->p + 4, line->n - 4}, err);
    }
    return 0;
}

void git_pkt_add(struct fl_buf *b, const char *fmt, ...)
{
    size_t at = b->len;
    va_list ap;
    va_start(ap, fmt);
    fl_buf_text(b, "0000");
    fl_buf_vfmt(b, fmt, ap);
    va_end(ap);
    if (b->overflowed) {
        return;
    }
    size_t n = b->len - at;
    fl_assert(n <= GIT_PKT_MAX);
    char head[5];
    (void)snprintf(head, sizeof(head), "%04zx", n);
    memcpy(b->data + at, head, 4);
}

void git_pkt_special(struct fl_buf *b, enum git_pkt kind)
{
    fl_assert(kind != GIT_PKT_DATA);
    fl_buf_text(b, kind == GIT_PKT_FLUSH ? "0000" : kind == GIT_PKT_DELIM ? "0001" : "0002");
}

/* ---- gathering ------------------------------------------------------------------------------------------------- */

static char *text_keep(struct git_gather *g, struct fl_str s)
{
    fl_assert(s.n < g->text_left);
    char *p = g->text;
    memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    g->text += s.n + 1;
    g->text_left -= s.n + 1;
    return p;
}

static bool plain_char(unsigned char c)
{
    /* by code, 64 to a word: '-' and digits; letters and '_' */
    static const uint64_t low = (uint64_t)0x3ff << 48 | (uint64_t)1 << 45;
    static const uint64_t high =
        (uint64_t)0x3ffffff << 1 | (uint64_t)1 << 31 | (uint64_t)0x3ffffff << 33;
    uint64_t word = c & 0x80 ? 0 : c & 0x40 ? high : low;
    return word >> (c & 63) & 1;
}

/* Plain characters with single '/' and '.' between them: such a name keeps git's rules, and nearly all are such. Of others, and
 * where ".lock" could come, fl_git_ref_check knows. What stands before the tail is checked and ends with '/'. */
static bool plain_tail(struct fl_str tail)
{
    bool plain = false;
    for (size_t i = 0; i < tail.n; i++) {
        char c = tail.p[i];
        bool before = plain;
        plain = plain_char((unsigned char)c);
        bool part = before && (c == '/' || (c == '.' && i + 1 < tail.n && tail.p[i + 1] != 'l'));
        if (!plain && !part) {
            return false;
        }
    }
    return plain;
}

/* Valid and asked for. The usual patterns, a folder and all beneath it, go without the matcher: looking at names is most of what an
 * unchanged list costs. */
static bool wanted(const struct git_gather *g, struct fl_str name)
{
    for (size_t i = 0; i < g->n_simple; i++) {
        struct fl_str p = g->simple[i];
        if (name.n > p.n && memcmp(name.p, p.p, p.n) == 0) {
            struct fl_str tail = {name.p + p.n, name.n - p.n};
            bool plain = name.n <= FL_GIT_REF_MAX && plain_tail(tail);
            return (plain || !fl_git_ref_check(name)) && !fl_str_starts(name, "refs/fairlead/");
        }
    }
    return fl_ref_filter_admits(g->filter, name) && !fl_git_ref_check(name);
}

static void simple_find(struct git_gather *g)
{
    const struct fl_ref_filter *f = g->filter;
    for (size_t i = 0; f->n_exclude == 0 && i < f->n_include; i++) {
        struct fl_str p = fl_str_of(f->include[i]);
        bool deep = fl_str_ends(p, "/**");
        p.n -= deep ? 2 : 0;
        if (deep && fl_glob_literal(p) && !fl_git_ref_check((struct fl_str){p.p, p.n - 1}) &&
            g->n_simple < FL_LEN(g->simple)) {
            g->simple[g->n_simple++] = p;
        }
    }
}

void git_gather_init(struct git_gather *g, const struct fl_ref_filter *f, struct fl_arena *a,
                     size_t bytes, size_t oid_len)
{
    *g = (struct git_gather){.filter = f, .arena = a, .oid_len = oid_len};
    g->room = bytes / REF_BYTES_MIN + 1;
    if (f->max_refs > 0 && g->room > (size_t)f->max_refs) {
        g->room = (size_t)f->max_refs;
    }
    g->v = fl_arena_array(a, g->room, sizeof(*g->v));
    g->text_left = bytes + 2;
    g->text = fl_arena_alloc(a, g->text_left);
    simple_find(g);
}

/* Eight digits of lower-case hexadecimal at a time; *ret_set gets bits of digits other than '0'. */
static bool hex_eight(const char *p, uint64_t *ret_set)
{
    static const uint64_t each = 0x0101010101010101U;
    static const uint64_t top = 0x8080808080808080U;
    uint64_t x;
    memcpy(&x, p, sizeof(x));
    if (x & top) {
        return false;
    }
    /* The top bit of a byte tells whether it reached what was added up to: none runs over into the next. */
    uint64_t digit = (x + each * (0x80 - '0')) & ~(x + each * (0x80 - '9' - 1));
    uint64_t letter = (x + each * (0x80 - 'a')) & ~(x + each * (0x80 - 'f' - 1));
    *ret_set |= x ^ each * '0';
    return ((digit | letter) & top) == top;
}

static int oid_check(struct git_gather *g, struct fl_str oid, struct fl_str name,
                     struct fl_err *err)
{
    if (g->oid_len == 0) {
        g->oid_len = oid.n;
    }
    bool valid = oid.n == g->oid_len && (oid.n == 40 || oid.n == 64);
    uint64_t set = 0;
    for (size_t i = 0; valid && i < oid.n; i += 8) {
        valid = hex_eight(oid.p + i, &set);
    }
    if (!valid) {
        return git_protocol_error(err, "%.*s has no object id of %zu digits", FL_STR_ARG(name),
                                  g->oid_len);
    }
    if (!set) {
        return git_protocol_error(err, "%.*s has the object id 0", FL_STR_ARG(name));
    }
    return 0;
}

int git_gather_add(struct git_gather *g, struct fl_str oid, struct fl_str name, struct fl_err *err)
{
    int x = oid_check(g, oid, name, err);
    if (x < 0) {
        return x;
    }
    if (name.n == 4 && memcmp(name.p, "HEAD", 4) == 0) {
        x = g->head_seen ? git_protocol_error(err, "HEAD stands there twice") : 0;
        g->head_seen = true;
        return x;
    }
    if (!wanted(g, name)) {
        return 0;
    }
    if (g->n == g->room) {
        return fl_fail(err, FL_E_TOO_BIG, "TooManyRefs",
                       "the remote has more than %lld of the refs that are asked for: choose fewer "
                       "in spec.refs or raise spec.limits.maxRefs",
                       (long long)g->filter->max_refs);
    }
    struct fl_git_ref *r = &g->v[g->n];
    r->oid = text_keep(g, oid);
    r->name = text_keep(g, name);
    g->unsorted = g->unsorted || (g->n > 0 && strcmp(g->v[g->n - 1].name, r->name) >= 0);
    g->n++;
    return 0;
}

void git_gather_head(struct git_gather *g, struct fl_str target)
{
    if (!g->head && fl_str_starts(target, "refs/") && !fl_git_ref_check(target)) {
        g->head = fl_arena_str(g->arena, target);
    }
}

static int by_name(const void *a, const void *b)
{
    const struct fl_git_ref *x = a;
    const struct fl_git_ref *y = b;
    return strcmp(x->name, y->name);
}

int git_gather_end(struct git_gather *g, struct fl_git_refs *ret, struct fl_err *err)
{
    if (g->unsorted) {
        qsort(g->v, g->n, sizeof(*g->v), by_name);
    }
    for (size_t i = 1; g->unsorted && i < g->n; i++) {
        if (strcmp(g->v[i - 1].name, g->v[i].name) == 0) {
            return git_protocol_error(err, "%s stands there twice", g->v[i].name);
        }
    }
    *ret = (struct fl_git_refs){g->v, g->n, g->head};
    return 0;
}
