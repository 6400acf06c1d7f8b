/* SPDX-License-Identifier: Apache-2.0
 * Grammar: apimachinery pkg/labels/selector.go and pkg/fields/selector.go. */
#include "apiserver/selector.h"

#include <stdatomic.h>

#include "api/scheme.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/num.h"
#include "wire/scan.h"

#define SELECTOR_MAX 65536 /* bytes of text; a URL is far shorter */

enum op {
    OP_IN,     /* =, ==, in */
    OP_NOT_IN, /* !=, notin: also true where the key is absent */
    OP_EXISTS,
    OP_ABSENT,
    OP_GREATER,
    OP_LESS,
};

struct requirement {
    enum op op;
    const char *key; /* label key, or path of a field */
    struct fl_str *values;
    size_t n;
};

struct fl_selector {
    atomic_size_t refs;
    struct fl_arena *arena;
    struct requirement *reqs;
    size_t n;
    bool fields;
};

static struct fl_selector *selector_new(bool fields)
{
    struct fl_selector *s = FL_NEW(struct fl_selector);
    atomic_init(&s->refs, 1);
    s->arena = fl_arena_new();
    s->fields = fields;
    return s;
}

struct fl_selector *fl_selector_ref(struct fl_selector *s)
{
    if (s) {
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    }
    return s;
}

void fl_selector_free(struct fl_selector *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    fl_arena_free(s->arena);
    fl_free(s);
}

static struct requirement *add(struct fl_selector *s, enum op op, struct fl_str key)
{
    s->reqs = fl_arena_grow(s->arena, s->reqs, s->n, sizeof(*s->reqs));
    struct requirement *r = &s->reqs[s->n++];
    *r = (struct requirement){.op = op, .key = fl_arena_str(s->arena, key)};
    return r;
}

static void add_value(struct fl_selector *s, struct requirement *r, struct fl_str value)
{
    r->values = fl_arena_grow(s->arena, r->values, r->n, sizeof(*r->values));
    r->values[r->n++] = (struct fl_str){fl_arena_str(s->arena, value), value.n};
}

/* Label selectors: tokens. */

enum token { T_END, T_WORD, T_COMMA, T_OPEN, T_CLOSE, T_NOT, T_EQ, T_NE, T_GT, T_LT };

struct lexer {
    struct fl_str rest;
    enum token kind;
    struct fl_str text;
};

static bool special(char c)
{
    return strchr("=!(),<>", c) && c != '\0';
}

static bool space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void advance(struct lexer *l, enum token kind, size_t n)
{
    l->kind = kind;
    l->text = (struct fl_str){l->rest.p, n};
    l->rest.p += n;
    l->rest.n -= n;
}

static void next_token(struct lexer *l)
{
    while (l->rest.n > 0 && space(l->rest.p[0])) {
        l->rest.p++;
        l->rest.n--;
    }
    if (l->rest.n == 0) {
        l->kind = T_END;
        l->text = FL_STR("");
        return;
    }
    bool eq = l->rest.n > 1 && l->rest.p[1] == '=';
    switch (l->rest.p[0]) {
    case ',':
        advance(l, T_COMMA, 1);
        return;
    case '(':
        advance(l, T_OPEN, 1);
        return;
    case ')':
        advance(l, T_CLOSE, 1);
        return;
    case '>':
        advance(l, T_GT, 1);
        return;
    case '<':
        advance(l, T_LT, 1);
        return;
    case '=':
        advance(l, T_EQ, eq ? 2 : 1);
        return;
    case '!':
        advance(l, eq ? T_NE : T_NOT, eq ? 2 : 1);
        return;
    default:
        break;
    }
    size_t n = 0;
    while (n < l->rest.n && !special(l->rest.p[n]) && !space(l->rest.p[n])) {
        n++;
    }
    advance(l, T_WORD, n > 0 ? n : 1);
}

static int unexpected(const struct lexer *l, const char *expected, struct fl_err *err)
{
    return fl_fail(err, FL_E_INVALID, "BadRequest",
                   "unable to parse requirement: found '%.*s', expected: %s", FL_STR_ARG(l->text),
                   expected);
}

static int label_key(const struct lexer *l, struct fl_err *err)
{
    if (l->kind != T_WORD) {
        return unexpected(l, "identifier", err);
    }
    const char *wrong = fl_name_qualified(l->text);
    if (wrong) {
        return fl_fail(err, FL_E_INVALID, "BadRequest",
                       "unable to parse requirement: key: Invalid value: \"%.*s\": %s",
                       FL_STR_ARG(l->text), wrong);
    }
    return 0;
}

static int label_value(struct fl_selector *s, struct requirement *r, struct fl_str value,
                       struct fl_err *err)
{
    const char *wrong = fl_name_label_value(value);
    if (wrong) {
        return fl_fail(err, FL_E_INVALID, "BadRequest",
                       "unable to parse requirement: values[%zu][%s]: Invalid value: \"%.*s\": %s",
                       r->n, r->key, FL_STR_ARG(value), wrong);
    }
    int64_t number;
    if ((r->op == OP_GREATER || r->op == OP_LESS) && !fl_num_i64(value, &number)) {
        return fl_fail(err, FL_E_INVALID, "BadRequest",
                       "unable to parse requirement: values[0][%s]: Invalid value: \"%.*s\": for "
                       "'Gt', 'Lt' operators, the value must be an integer",
                       r->key, FL_STR_ARG(value));
    }
    add_value(s, r, value);
    return 0;
}

/* After "in" or "notin": ( a, b, ). An empty place between commas is an empty value. */
static int value_list(struct fl_selector *s, struct lexer *l, struct requirement *r,
                      struct fl_err *err)
{
    if (l->kind != T_OPEN) {
        return unexpected(l, "'('", err);
    }
    next_token(l);
    for (;;) {
        struct fl_str value = FL_STR("");
        if (l->kind == T_WORD) {
            value = l->text;
            next_token(l);
        }
        int rc = label_value(s, r, value, err);
        if (rc < 0) {
            return rc;
        }
        if (l->kind == T_CLOSE) {
            next_token(l);
            return 0;
        }
        if (l->kind != T_COMMA) {
            return unexpected(l, "',' or ')'", err);
        }
        next_token(l);
    }
}

/* After an operator that takes one value; it may be empty. */
static int one_value(struct fl_selector *s, struct lexer *l, struct requirement *r,
                     struct fl_err *err)
{
    struct fl_str value = FL_STR("");
    if (l->kind == T_WORD) {
        value = l->text;
        next_token(l);
    } else if (l->kind != T_COMMA && l->kind != T_END) {
        return unexpected(l, "identifier", err);
    }
    return label_value(s, r, value, err);
}

static int requirement(struct fl_selector *s, struct lexer *l, struct fl_err *err)
{
    bool absent = l->kind == T_NOT;
    if (absent) {
        next_token(l);
    }
    int rc = label_key(l, err);
    if (rc < 0) {
        return rc;
    }
    struct fl_str key = l->text;
    next_token(l);
    if (absent || l->kind == T_END || l->kind == T_COMMA) {
        (void)add(s, absent ? OP_ABSENT : OP_EXISTS, key);
        return 0;
    }
    static const enum op by_token[] = {
        [T_EQ] = OP_IN, [T_NE] = OP_NOT_IN, [T_GT] = OP_GREATER, [T_LT] = OP_LESS};
    if (l->kind >= T_EQ) {
        struct requirement *r = add(s, by_token[l->kind], key);
        next_token(l);
        return one_value(s, l, r, err);
    }
    bool in = l->kind == T_WORD && fl_str_is(l->text, "in");
    if (!in && !(l->kind == T_WORD && fl_str_is(l->text, "notin"))) {
        return unexpected(l, "in, notin, =, ==, !=, gt, lt", err);
    }
    struct requirement *r = add(s, in ? OP_IN : OP_NOT_IN, key);
    next_token(l);
    return value_list(s, l, r, err);
}

static int labels_parse(struct fl_selector *s, struct fl_str text, struct fl_err *err)
{
    struct lexer l = {.rest = text};
    next_token(&l);
    while (l.kind != T_END) {
        int rc = requirement(s, &l, err);
        if (rc < 0) {
            return rc;
        }
        if (l.kind == T_END) {
            break;
        }
        if (l.kind != T_COMMA) {
            return unexpected(&l, "',' or 'end of string'", err);
        }
        next_token(&l);
        if (l.kind == T_END) {
            return unexpected(&l, "identifier after ','", err);
        }
    }
    return 0;
}

static int too_long(struct fl_str text, struct fl_err *err)
{
    if (text.n > SELECTOR_MAX) {
        return fl_fail(err, FL_E_INVALID, "BadRequest", "selector is longer than %d bytes",
                       SELECTOR_MAX);
    }
    return 0;
}

int fl_selector_labels(struct fl_str text, struct fl_selector **ret, struct fl_err *err)
{
    fl_auto(fl_selector) s = selector_new(false);
    int rc = too_long(text, err);
    if (rc == 0) {
        rc = labels_parse(s, text, err);
    }
    if (rc < 0) {
        return rc;
    }
    *ret = fl_take(s);
    return 0;
}

/* Field selectors. */

/* The words of events.k8s.io for fields that are stored under core names (apiserver: pkg/apis/events/v1/conversion.go),
 * and the short forms of both. */
static const char *stored_path(struct fl_arena *a, const struct fl_kind *k, struct fl_str path)
{
    if (k != &fl_kind_event && k != &fl_kind_event_v1) {
        return fl_arena_str(a, path);
    }
    if (fl_str_is(path, "source")) {
        return "source.component";
    }
    if (fl_str_is(path, "reportingController")) {
        return "reportingComponent";
    }
    if (fl_str_starts(path, "regarding.")) {
        size_t skip = sizeof("regarding.") - 1;
        return fl_arena_fmt(a, "involvedObject.%.*s", (int)(path.n - skip), path.p + skip);
    }
    return fl_arena_str(a, path);
}

static bool selectable(const struct fl_kind *k, struct fl_str path, const char *stored)
{
    if (fl_str_is(path, "metadata.name") ||
        (k->namespaced && fl_str_is(path, "metadata.namespace"))) {
        return true;
    }
    for (size_t i = 0; k->selectable && k->selectable[i]; i++) {
        if (fl_str_is(path, k->selectable[i]) || fl_text_eq(stored, k->selectable[i])) {
            return true;
        }
    }
    return false;
}

/* Undoes \\ \, \= ; another escape or a bare comma or equals sign in a value is wrong. */
static bool field_value(struct fl_buf *b, struct fl_str v)
{
    for (size_t i = 0; i < v.n; i++) {
        char c = v.p[i];
        if (c == '\\') {
            if (i + 1 >= v.n || !strchr("\\,=", v.p[i + 1]) || v.p[i + 1] == '\0') {
                return false;
            }
            c = v.p[++i];
        } else if (c == '=' || c == ',') {
            return false;
        }
        fl_buf_char(b, c);
    }
    return true;
}

/* One term: the first of != == = that is not escaped splits it. */
static int field_term(struct fl_selector *s, const struct fl_kind *k, struct fl_str whole,
                      struct fl_str term, struct fl_err *err)
{
    size_t at = 0, width = 0;
    enum op op = OP_IN;
    for (; at < term.n && width == 0; at++) {
        char c = term.p[at];
        bool eq_next = at + 1 < term.n && term.p[at + 1] == '=';
        if (c == '\\') {
            at++;
        } else if (c == '!' && eq_next) {
            op = OP_NOT_IN;
            width = 2;
        } else if (c == '=') {
            width = eq_next ? 2 : 1;
        }
    }
    fl_auto_val(fl_buf) value = FL_BUF_INIT(SELECTOR_MAX);
    bool ok = width > 0;
    if (ok) {
        at--;
        ok = field_value(&value, (struct fl_str){term.p + at + width, term.n - at - width});
    }
    if (!ok) {
        return fl_fail(err, FL_E_INVALID, "BadRequest",
                       "invalid selector: '%.*s'; can't understand '%.*s'", FL_STR_ARG(whole),
                       FL_STR_ARG(term));
    }
    struct fl_str path = {term.p, at};
    const char *stored = stored_path(s->arena, k, path);
    if (!selectable(k, path, stored)) {
        return fl_fail(err, FL_E_INVALID, "BadRequest", "field label not supported: %.*s",
                       FL_STR_ARG(path));
    }
    add_value(s, add(s, op, fl_str_of(stored)), fl_buf_slice(&value));
    return 0;
}

static int fields_parse(struct fl_selector *s, const struct fl_kind *k, struct fl_str text,
                        struct fl_err *err)
{
    size_t start = 0;
    for (size_t i = 0; i <= text.n; i++) {
        if (i + 1 < text.n && text.p[i] == '\\') {
            i++;
            continue;
        }
        if (i < text.n && text.p[i] != ',') {
            continue;
        }
        struct fl_str term = {text.p + start, i - start};
        start = i + 1;
        if (term.n == 0) {
            continue;
        }
        int rc = field_term(s, k, text, term, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

int fl_selector_fields(struct fl_str text, const struct fl_kind *kind, struct fl_selector **ret,
                       struct fl_err *err)
{
    fl_auto(fl_selector) s = selector_new(true);
    int rc = too_long(text, err);
    if (rc == 0) {
        rc = fields_parse(s, kind, text, err);
    }
    if (rc < 0) {
        return rc;
    }
    *ret = fl_take(s);
    return 0;
}

bool fl_selector_empty(const struct fl_selector *s)
{
    return !s || s->n == 0;
}

struct fl_str fl_selector_name(const struct fl_selector *s)
{
    for (size_t i = 0; s && s->fields && i < s->n; i++) {
        const struct requirement *r = &s->reqs[i];
        if (r->op == OP_IN && fl_text_eq(r->key, "metadata.name")) {
            return r->values[0];
        }
    }
    return FL_STR("");
}

/* Matching. */

static bool among(const struct requirement *r, struct fl_str value)
{
    for (size_t i = 0; i < r->n; i++) {
        if (fl_str_eq(r->values[i], value)) {
            return true;
        }
    }
    return false;
}

static bool compare(const struct requirement *r, struct fl_str value)
{
    int64_t have, want;
    if (!fl_num_i64(value, &have) || !fl_num_i64(r->values[0], &want)) {
        return false;
    }
    return r->op == OP_GREATER ? have > want : have < want;
}

static bool holds(const struct requirement *r, bool there, struct fl_str value)
{
    switch (r->op) {
    case OP_IN:
        return there && among(r, value);
    case OP_NOT_IN:
        return !there || !among(r, value);
    case OP_EXISTS:
        return there;
    case OP_ABSENT:
        return !there;
    case OP_GREATER:
    case OP_LESS:
        return there && compare(r, value);
    }
    return false;
}

static bool matches(const struct requirement *r, struct fl_str raw, bool absent_is_empty)
{
    if (raw.n == 0 || fl_scan_kind(raw) == FL_SCAN_NULL) {
        return holds(r, absent_is_empty, FL_STR(""));
    }
    struct fl_str plain;
    if (fl_scan_kind(raw) != FL_SCAN_STRING) {
        return holds(r, true, raw);
    }
    if (fl_scan_plain(raw, &plain)) {
        return holds(r, true, plain);
    }
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    (void)fl_scan_text(raw, &text);
    return holds(r, true, fl_buf_slice(&text));
}

bool fl_selector_match(const struct fl_selector *s, struct fl_str object)
{
    if (fl_selector_empty(s)) {
        return true;
    }
    struct fl_str labels = s->fields ? FL_STR("") : fl_scan_path(object, "metadata.labels");
    for (size_t i = 0; i < s->n; i++) {
        const struct requirement *r = &s->reqs[i];
        struct fl_str raw = FL_STR("");
        if (s->fields) {
            raw = fl_scan_path(object, r->key);
        } else if (labels.n > 0 && fl_scan_kind(labels) == FL_SCAN_OBJECT) {
            raw = fl_scan_get(labels, fl_str_of(r->key));
        }
        if (!matches(r, raw, s->fields)) {
            return false;
        }
    }
    return true;
}
