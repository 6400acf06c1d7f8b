/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/httphead.h"

enum {
    CHALLENGES_MAX = 16,
    ACCEPTS_MAX = 32,
    PARAMS_MAX = 32, /* of one challenge or clause; more are dropped */
};

/* ---- the common grammar: RFC 9110 5.6 ---- */

static bool is_token_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static void skip_space(struct fl_str *s)
{
    while (s->n > 0 && is_space(s->p[0])) {
        s->p++;
        s->n--;
    }
}

static void skip_list(struct fl_str *s)
{
    while (s->n > 0 && (is_space(s->p[0]) || s->p[0] == ',')) {
        s->p++;
        s->n--;
    }
}

static void step(struct fl_str *s, size_t n)
{
    s->p += n;
    s->n -= n;
}

static struct fl_str take_token(struct fl_str *s)
{
    struct fl_str t = {s->p, 0};
    while (t.n < s->n && is_token_char(s->p[t.n])) {
        t.n++;
    }
    step(s, t.n);
    return t;
}

static char *lower(struct fl_arena *a, struct fl_str s)
{
    char *t = fl_arena_str(a, s);
    for (char *c = t; *c; c++) {
        if (*c >= 'A' && *c <= 'Z') {
            *c = (char)(*c - 'A' + 'a');
        }
    }
    return t;
}

/* A quoted string, *s at its first quote. NULL: it has no end. */
static char *take_quoted(struct fl_arena *a, struct fl_str *s)
{
    size_t end = 1;
    while (end < s->n && s->p[end] != '"') {
        end += s->p[end] == '\\' ? 2 : 1;
    }
    if (end >= s->n) {
        return NULL;
    }
    char *t = fl_arena_alloc(a, end);
    size_t n = 0;
    for (size_t i = 1; i < end; i++) {
        if (s->p[i] == '\\') {
            i++;
        }
        t[n++] = s->p[i];
    }
    step(s, end + 1);
    return t;
}

/* A value without quotes: a token by the letter, but servers write URLs too. */
static char *take_bare(struct fl_arena *a, struct fl_str *s)
{
    struct fl_str v = {s->p, 0};
    while (v.n < s->n && !is_space(s->p[v.n]) && s->p[v.n] != ',' && s->p[v.n] != ';' &&
           s->p[v.n] != '"') {
        v.n++;
    }
    if (v.n == 0 || v.p[0] == '=') {
        return NULL;
    }
    step(s, v.n);
    return fl_arena_str(a, v);
}

/* name BWS "=" BWS value. False, with *s as it was: something else stands there. */
static bool take_param(struct fl_arena *a, struct fl_str *s, struct fl_auth_param *ret)
{
    struct fl_str at = *s;
    struct fl_str name = take_token(&at);
    skip_space(&at);
    if (name.n == 0 || at.n == 0 || at.p[0] != '=') {
        return false;
    }
    step(&at, 1);
    skip_space(&at);
    if (at.n == 0) {
        return false;
    }
    char *value = at.p[0] == '"' ? take_quoted(a, &at) : take_bare(a, &at);
    if (!value) {
        return false;
    }
    *ret = (struct fl_auth_param){lower(a, name), value};
    *s = at;
    return true;
}

struct params {
    struct fl_auth_param *p;
    size_t n;
};

static void params_add(struct fl_arena *a, struct params *ps, struct fl_auth_param p)
{
    if (ps->n < PARAMS_MAX) {
        ps->p = fl_arena_grow(a, ps->p, ps->n, sizeof(*ps->p));
        ps->p[ps->n++] = p;
    }
}

static const char *params_find(const struct fl_auth_param *p, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (fl_text_eq(p[i].name, name)) {
            return p[i].value;
        }
    }
    return NULL;
}

/* ---- challenges ---- */

static char *take_token68(struct fl_arena *a, struct fl_str *s)
{
    struct fl_str t = {s->p, 0};
    while (t.n < s->n && (is_token_char(s->p[t.n]) || s->p[t.n] == '/')) {
        t.n++;
    }
    if (t.n == 0) {
        return NULL;
    }
    while (t.n < s->n && s->p[t.n] == '=') {
        t.n++;
    }
    struct fl_str rest = {s->p + t.n, s->n - t.n};
    skip_space(&rest);
    if (rest.n > 0 && rest.p[0] != ',') {
        return NULL;
    }
    *s = rest;
    return fl_arena_str(a, t);
}

/* Where a challenge's parameters end another challenge begins: after a comma, a word that no "=" follows. Returns false
 * when what stands there is neither. */
static bool take_params(struct fl_arena *a, struct fl_str *s, struct params *ps)
{
    struct fl_auth_param p;
    while (take_param(a, s, &p)) {
        params_add(a, ps, p);
        skip_space(s);
        if (s->n > 0 && s->p[0] != ',') {
            return false;
        }
        skip_list(s);
    }
    struct fl_str at = *s;
    struct fl_str word = take_token(&at);
    skip_space(&at);
    return s->n == 0 || (word.n > 0 && !(at.n > 0 && at.p[0] == '='));
}

size_t fl_challenges_parse(struct fl_arena *a, struct fl_str value, struct fl_challenge **ret)
{
    struct fl_challenge *list = NULL;
    size_t n = 0;
    struct fl_str s = value;
    bool good = true;
    while (good && n < CHALLENGES_MAX) {
        skip_list(&s);
        struct fl_str scheme = take_token(&s);
        if (scheme.n == 0 || (s.n > 0 && !is_space(s.p[0]) && s.p[0] != ',')) {
            break;
        }
        list = fl_arena_grow(a, list, n, sizeof(*list));
        struct fl_challenge *c = &list[n++];
        *c = (struct fl_challenge){.scheme = lower(a, scheme)};
        skip_space(&s);
        if (s.n == 0 || s.p[0] == ',') {
            continue;
        }
        struct params ps = {NULL, 0};
        struct fl_str before = s;
        good = take_params(a, &s, &ps);
        if (ps.n == 0) {
            s = before;
            c->token68 = take_token68(a, &s);
            good = c->token68 != NULL;
        }
        c->params = ps.p;
        c->n_params = ps.n;
    }
    *ret = list;
    return n;
}

const char *fl_challenge_param(const struct fl_challenge *c, const char *name)
{
    return params_find(c->params, c->n_params, name);
}

/* ---- links ---- */

static bool rel_has_next(struct fl_str rel)
{
    while (rel.n > 0) {
        struct fl_str word;
        (void)fl_str_cut(&rel, ' ', &word);
        if (fl_str_case_is(fl_str_trim(word), "next")) {
            return true;
        }
    }
    return false;
}

/* Up to the next quote, ';' or ',': what stands in a parameter's value, without quotes. False: a quote has no end. */
static bool take_link_value(struct fl_str *s, struct fl_str *ret)
{
    if (s->n > 0 && s->p[0] == '"') {
        for (size_t i = 1; i < s->n; i++) {
            if (s->p[i] == '\\') {
                i++;
            } else if (s->p[i] == '"') {
                *ret = (struct fl_str){s->p + 1, i - 1};
                step(s, i + 1);
                return true;
            }
        }
        return false;
    }
    *ret = (struct fl_str){s->p, 0};
    while (ret->n < s->n && s->p[ret->n] != ';' && s->p[ret->n] != ',') {
        ret->n++;
    }
    step(s, ret->n);
    *ret = fl_str_trim(*ret);
    return true;
}

/* The parameters after a target; *next: the first `rel` (RFC 8288 3.3: others are ignored) has "next". */
static bool take_link_params(struct fl_str *s, bool *next)
{
    bool seen = false;
    *next = false;
    for (;;) {
        skip_space(s);
        if (s->n == 0 || s->p[0] == ',') {
            return true;
        }
        if (s->p[0] != ';') {
            return false;
        }
        step(s, 1);
        skip_space(s);
        struct fl_str name = take_token(s);
        skip_space(s);
        struct fl_str v = {NULL, 0};
        if (s->n > 0 && s->p[0] == '=') {
            step(s, 1);
            skip_space(s);
            if (!take_link_value(s, &v)) {
                return false;
            }
        }
        if (!seen && fl_str_case_is(name, "rel")) {
            seen = true;
            *next = rel_has_next(v);
        }
    }
}

struct fl_str fl_link_next(struct fl_str value)
{
    const struct fl_str none = {NULL, 0};
    struct fl_str s = value;
    for (;;) {
        skip_list(&s);
        if (s.n == 0 || s.p[0] != '<') {
            return none;
        }
        const char *end = memchr(s.p, '>', s.n);
        if (!end) {
            return none;
        }
        struct fl_str target = {s.p + 1, (size_t)(end - s.p) - 1};
        step(&s, target.n + 2);
        bool next;
        if (!take_link_params(&s, &next)) {
            return none;
        }
        if (next) {
            return fl_str_trim(target);
        }
    }
}

/* ---- media types ---- */

struct fl_str fl_media_type(struct fl_str value)
{
    struct fl_str type;
    (void)fl_str_cut(&value, ';', &type);
    return fl_str_trim(type);
}

/* Thousandths; what is no qvalue (RFC 9110 12.4.2) counts as 1. */
static int quality(const char *v)
{
    if (v[0] != '0' && v[0] != '1') {
        return 1000;
    }
    int q = (v[0] - '0') * 1000;
    if (v[1] == '\0') {
        return q;
    }
    if (v[1] != '.') {
        return 1000;
    }
    int unit = 100;
    for (v += 2; *v; v++, unit /= 10) {
        if (*v < '0' || *v > '9' || unit == 0) {
            return 1000;
        }
        q += (*v - '0') * unit;
    }
    return q <= 1000 ? q : 1000;
}

/* One clause; *q its weight. The rest of a clause that is malformed is dropped. */
static struct fl_accept take_accept(struct fl_arena *a, struct fl_str *s, int *q)
{
    struct fl_accept c = {.type = {s->p, 0}};
    while (c.type.n < s->n && s->p[c.type.n] != ',' && s->p[c.type.n] != ';') {
        c.type.n++;
    }
    step(s, c.type.n);
    c.type = fl_str_trim(c.type);
    struct params ps = {NULL, 0};
    struct fl_auth_param p;
    *q = 1000;
    for (;;) {
        skip_space(s);
        if (s->n == 0 || s->p[0] != ';') {
            break;
        }
        step(s, 1);
        skip_space(s);
        if (!take_param(a, s, &p)) {
            continue;
        }
        if (fl_text_eq(p.name, "q")) {
            *q = quality(p.value);
        } else {
            params_add(a, &ps, p);
        }
    }
    while (s->n > 0 && s->p[0] != ',') {
        step(s, 1);
    }
    c.params = ps.p;
    c.n_params = ps.n;
    return c;
}

size_t fl_accept_parse(struct fl_arena *a, struct fl_str value, struct fl_accept **ret)
{
    struct fl_accept *list = fl_arena_array(a, ACCEPTS_MAX, sizeof(*list));
    int weights[ACCEPTS_MAX];
    size_t n = 0;
    for (struct fl_str s = value; skip_list(&s), s.n > 0 && n < ACCEPTS_MAX;) {
        int q;
        struct fl_accept c = take_accept(a, &s, &q);
        if (c.type.n == 0 || q == 0) {
            continue;
        }
        size_t at = n++;
        for (; at > 0 && weights[at - 1] < q; at--) {
            weights[at] = weights[at - 1];
            list[at] = list[at - 1];
        }
        weights[at] = q;
        list[at] = c;
    }
    *ret = list;
    return n;
}

const char *fl_accept_param(const struct fl_accept *c, const char *name)
{
    return params_find(c->params, c->n_params, name);
}
