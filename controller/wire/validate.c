/* SPDX-License-Identifier: Apache-2.0
 * Validation by rows, in the words of kube-apiserver (kube-openapi validation/errors, apimachinery field/errors.go).
 * Values are shown redacted and cut: a refused URL may hold a password, and the answer is printed and logged. */
#include "base/log.h"
#include "base/map.h"
#include "base/num.h"
#include "base/secret.h"
#include "base/text.h"
#include "wire/codec.h"
#include "wire/codec_priv.h"

#define SHOWN_MAX 256

struct check {
    struct fl_buf *path;
    struct fl_violations *vs;
};

static const char *type_name(const struct fl_json *j)
{
    static const char *const names[] = {
        [FL_JSON_NULL] = "null",     [FL_JSON_BOOL] = "boolean",  [FL_JSON_INT] = "integer",
        [FL_JSON_DOUBLE] = "number", [FL_JSON_STRING] = "string", [FL_JSON_ARRAY] = "array",
        [FL_JSON_OBJECT] = "object",
    };
    return names[fl_json_type(j)];
}

static void wrong_type(struct check *c, const struct fl_json *v, const char *want, const char *hint)
{
    fl_auto_val(fl_buf) got = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&got, "\"%s\"", type_name(v));
    fl_violate(c->vs, FL_CAUSE_TYPE, c->path->data, got.data, "%s in body must be of type %s: %s%s",
               c->path->data, want, got.data, hint);
}

/* The value as it may be shown. */
static void shown(struct fl_buf *b, struct fl_str s)
{
    fl_auto_val(fl_buf) redacted = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_str head = s;
    while (head.n > SHOWN_MAX || (head.n < s.n && !fl_utf8_valid(head))) {
        head.n = head.n > SHOWN_MAX ? SHOWN_MAX : head.n - 1;
    }
    fl_redact(&redacted, head);
    if (head.n < s.n) {
        fl_buf_text(&redacted, "...");
    }
    fl_buf_json_str(b, fl_buf_slice(&redacted));
}

static void invalid_text(struct check *c, struct fl_str s, const char *why)
{
    fl_auto_val(fl_buf) value = FL_BUF_INIT(FL_BUF_ANY);
    shown(&value, s);
    fl_violate(c->vs, FL_CAUSE_INVALID, c->path->data, value.data, "%s", why);
}

static void run_check(struct check *c, fl_check_fn fn, struct fl_str s)
{
    struct fl_err why = FL_ERR_INIT;
    if (fn && !fn(s, &why)) {
        invalid_text(c, s, why.msg);
    }
}

/* bounded: the row's min and max speak of this string, and not of the list that it is in. */
static void check_string(struct check *c, const struct fl_field *f, bool bounded, struct fl_str s)
{
    int64_t max = bounded && f->max > 0 ? f->max : FL_CAP_STRING;
    if (s.n > (size_t)max) {
        fl_violate(c->vs, FL_CAUSE_TOO_LONG, c->path->data, NULL, "may not be more than %lld bytes",
                   (long long)max);
    } else if (bounded && (int64_t)s.n < f->min) {
        fl_auto_val(fl_buf) why = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_fmt(&why, "%s in body should be at least %lld chars long", c->path->data,
                   (long long)f->min);
        invalid_text(c, s, why.data);
    } else if (s.n > 0 && memchr(s.p, 0, s.n)) {
        invalid_text(c, s, "must not contain a NUL character");
    } else {
        run_check(c, f->check, s);
    }
}

static void check_int(struct check *c, const struct fl_field *f, const struct fl_json *v)
{
    int64_t i = 0;
    if (!fl_json_as_i64(v, &i)) {
        wrong_type(c, v, "integer", "");
        return;
    }
    fl_auto_val(fl_buf) value = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_i64(&value, i);
    if ((f->min != 0 || f->max != 0) && i < f->min) {
        fl_violate(c->vs, FL_CAUSE_INVALID, c->path->data, value.data,
                   "%s in body should be greater than or equal to %lld", c->path->data,
                   (long long)f->min);
    } else if (f->max != 0 && i > f->max) {
        fl_violate(c->vs, FL_CAUSE_INVALID, c->path->data, value.data,
                   "%s in body should be less than or equal to %lld", c->path->data,
                   (long long)f->max);
    }
}

static void check_enum(struct check *c, const struct fl_field *f, struct fl_str s)
{
    fl_auto_val(fl_buf) names = FL_BUF_INIT(FL_BUF_ANY);
    for (int i = 0; f->names[i]; i++) {
        if (fl_str_is(s, f->names[i])) {
            return;
        }
        fl_buf_fmt(&names, "%s\"%s\"", i ? ", " : "", f->names[i]);
    }
    fl_auto_val(fl_buf) value = FL_BUF_INIT(FL_BUF_ANY);
    shown(&value, s);
    fl_violate(c->vs, FL_CAUSE_NOT_SUPPORTED, c->path->data, value.data, "%s", names.data);
}

static bool has_digit_above_zero(struct fl_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] >= '1' && s.p[i] <= '9') {
            return true;
        }
    }
    return false;
}

static void check_duration(struct check *c, const struct fl_field *f, struct fl_str s)
{
    int64_t ms = 0;
    if (!fl_duration_parse(s, &ms)) {
        invalid_text(c, s, "must be a duration such as 30s, 5m or 1h30m, or 0");
    } else if (ms < 0 || fl_str_starts(s, "-")) {
        invalid_text(c, s, "must not be negative");
    } else if (ms == 0 && has_digit_above_zero(s)) {
        /* 1us would be rounded down to 0, which has a meaning of its own. */
        invalid_text(c, s, "must be 0 or at least 1ms");
    } else if (ms < f->min || (f->max > 0 && ms > f->max)) {
        fl_auto_val(fl_buf) why = FL_BUF_INIT(FL_BUF_ANY);
        bool low = ms < f->min;
        fl_buf_text(&why, low ? "must be at least " : "must be no more than ");
        fl_duration_fmt(&why, low ? f->min : f->max);
        invalid_text(c, s, why.data);
    }
}

/* Six digits and Z or an offset, as Go's RFC3339Micro layout wants them. */
static bool is_micro(struct fl_str s)
{
    static const char tail[] = ".dddddd";
    if (s.n < 27 || s.p[19] != '.') {
        return false;
    }
    for (size_t i = 1; tail[i]; i++) {
        if (s.p[19 + i] < '0' || s.p[19 + i] > '9') {
            return false;
        }
    }
    return s.p[26] == 'Z' || s.p[26] == '+' || s.p[26] == '-';
}

static void check_time(struct check *c, const struct fl_field *f, struct fl_str s)
{
    int64_t ms = 0;
    if (!fl_time_parse(s, &ms)) {
        invalid_text(c, s, "must be a time of RFC 3339, such as 2006-01-02T15:04:05Z");
    } else if ((f->flags & FL_MICRO) && !is_micro(s)) {
        invalid_text(c, s, "must be a time with microseconds, such as 2006-01-02T15:04:05.000000Z");
    }
}

static void check_base64(struct check *c, struct fl_str s)
{
    fl_auto_val(fl_buf) bytes = FL_BUF_INIT(FL_BUF_ANY);
    if (!fl_base64_decode(&bytes, s)) {
        /* What stands there was meant as a secret. */
        fl_violate(c->vs, FL_CAUSE_INVALID, c->path->data, "\"***\"", "%s",
                   "must be base64 (standard alphabet, padded)");
    }
    fl_buf_wipe(&bytes);
}

static void check_object(struct check *c, const struct fl_field *rows, const struct fl_json *obj,
                         int depth);

/* A value of type `type` that is neither list nor map. NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static void check_value(struct check *c, const struct fl_field *f, enum fl_type type, bool bounded,
                        const struct fl_json *v, int depth)
{
    struct fl_str s = {0};
    switch (type) {
    case FL_INT:
        check_int(c, f, v);
        return;
    case FL_OBJECT:
        check_object(c, f->rows, v, depth);
        return;
    case FL_BOOL:
        if (!fl_json_is(v, FL_JSON_BOOL)) {
            wrong_type(c, v, "boolean", "");
        }
        return;
    case FL_ANY:
        return;
    default:
        break;
    }
    if (!fl_json_as_str(v, &s)) {
        wrong_type(c, v, "string",
                   type == FL_DURATION ? " (a duration is text: \"5m\", or \"0\" in quotes)" : "");
    } else if (type == FL_ENUM) {
        check_enum(c, f, s);
    } else if (type == FL_DURATION) {
        check_duration(c, f, s);
    } else if (type == FL_TIME) {
        check_time(c, f, s);
    } else if (type == FL_BYTES) {
        check_base64(c, s);
    } else {
        check_string(c, f, bounded, s);
    }
}

/* Returns false when there are too many to look at each. */
static bool check_count(struct check *c, const struct fl_field *f, size_t n, const char *what)
{
    int64_t max = f->max > 0 ? f->max : FL_CAP_ITEMS;
    fl_auto_val(fl_buf) count = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&count, "%zu", n);
    if ((int64_t)n > max) {
        fl_violate(c->vs, FL_CAUSE_TOO_MANY, c->path->data, count.data, "must have at most %lld %s",
                   (long long)max, what);
        return false;
    }
    if ((int64_t)n < f->min) {
        fl_violate(c->vs, FL_CAUSE_INVALID, c->path->data, count.data,
                   "%s in body should have at least %lld %s", c->path->data, (long long)f->min,
                   what);
    }
    return true;
}

/* What makes an item one of a kind within its list, as text; false: nothing, or none. */
static bool item_identity(const struct fl_field *f, const struct fl_json *item, struct fl_buf *b)
{
    if (f->flags & FL_LIST_SET) {
        fl_json_write(item, b);
        return true;
    }
    const struct fl_json *key = (f->flags & FL_LIST_MAP) ? fl_json_get(item, f->key) : NULL;
    if (!fl_codec_present(key)) {
        return false;
    }
    fl_buf_fmt(b, "{\"%s\":", f->key);
    fl_json_write(key, b);
    fl_buf_char(b, '}');
    return true;
}

static void check_duplicate(struct check *c, const struct fl_field *f, const struct fl_json *item,
                            struct fl_map *seen)
{
    static char mark;
    fl_auto_val(fl_buf) identity = FL_BUF_INIT(FL_BUF_ANY);
    if (!item_identity(f, item, &identity)) {
        return;
    }
    if (fl_map_get(seen, fl_buf_slice(&identity))) {
        fl_violate(c->vs, FL_CAUSE_DUPLICATE, c->path->data, identity.data, "%s", "");
    } else {
        fl_map_set(seen, fl_buf_slice(&identity), &mark);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static void check_list(struct check *c, const struct fl_field *f, const struct fl_json *v,
                       int depth)
{
    if (!fl_json_is(v, FL_JSON_ARRAY)) {
        wrong_type(c, v, "array", "");
        return;
    }
    size_t n = fl_json_len(v);
    if (!check_count(c, f, n, "items")) {
        return;
    }
    fl_auto(fl_map) seen = fl_map_new(NULL);
    for (size_t i = 0; i < n; i++) {
        size_t len = fl_path_index(c->path, i);
        const struct fl_json *item = fl_json_at(v, i);
        check_value(c, f, f->item, false, item, depth);
        check_duplicate(c, f, item, seen);
        fl_buf_truncate(c->path, len);
    }
}

static void check_map_value(struct check *c, const struct fl_field *f, const struct fl_json *v)
{
    struct fl_str s = {0};
    if (!fl_json_as_str(v, &s)) {
        wrong_type(c, v, "string", "");
    } else if (f->item == FL_BYTES) {
        check_base64(c, s);
    } else {
        run_check(c, f->value_check, s);
    }
}

static void check_map(struct check *c, const struct fl_field *f, const struct fl_json *v)
{
    if (!fl_json_is(v, FL_JSON_OBJECT)) {
        wrong_type(c, v, "object", "");
        return;
    }
    if (!check_count(c, f, fl_json_len(v), "entries")) {
        return;
    }
    struct fl_json_iter it = fl_json_iter(v);
    while (fl_json_next(&it)) {
        size_t len = fl_path_key(c->path, it.key);
        run_check(c, f->check, it.key);
        if (fl_codec_present(it.value)) {
            check_map_value(c, f, it.value);
        }
        fl_buf_truncate(c->path, len);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static void check_object(struct check *c, const struct fl_field *rows, const struct fl_json *obj,
                         int depth)
{
    fl_assert(depth < FL_CODEC_DEPTH_MAX);
    if (!fl_json_is(obj, FL_JSON_OBJECT)) {
        wrong_type(c, obj, "object", "");
        return;
    }
    for (const struct fl_field *f = rows; f->type != FL_END; f++) {
        size_t len = fl_path_name(c->path, f->name);
        const struct fl_json *v = fl_json_get(obj, f->name);
        if (!fl_codec_present(v)) {
            if (f->flags & FL_REQUIRED) {
                fl_violate(c->vs, FL_CAUSE_REQUIRED, c->path->data, NULL, "%s", "");
            }
        } else if (f->type == FL_LIST) {
            check_list(c, f, v, depth + 1);
        } else if (f->type == FL_MAP) {
            check_map(c, f, v);
        } else {
            check_value(c, f, f->type, true, v, depth + 1);
        }
        fl_buf_truncate(c->path, len);
    }
}

void fl_codec_validate(const struct fl_field *rows, const struct fl_json *obj, const char *path,
                       struct fl_violations *vs)
{
    fl_auto_val(fl_buf) at = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&at, path);
    struct check c = {.path = &at, .vs = vs};
    check_object(&c, rows, obj, 0);
}

/* ---- update ---- */

static bool same(const struct fl_json *a, const struct fl_json *b)
{
    if (!fl_codec_present(a) || !fl_codec_present(b)) {
        return fl_codec_present(a) == fl_codec_present(b);
    }
    return fl_json_equal(a, b);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static void check_update(struct check *c, const struct fl_field *rows, const struct fl_json *obj,
                         const struct fl_json *old, int depth)
{
    fl_assert(depth < FL_CODEC_DEPTH_MAX);
    for (const struct fl_field *f = rows; f->type != FL_END; f++) {
        const struct fl_json *now = fl_json_get(obj, f->name);
        const struct fl_json *was = fl_json_get(old, f->name);
        size_t len = fl_path_name(c->path, f->name);
        if ((f->flags & FL_IMMUTABLE) && !same(now, was)) {
            fl_violate(c->vs, FL_CAUSE_FORBIDDEN, c->path->data, NULL, "%s",
                       "field is immutable: it may not be changed after creation");
        } else if (f->type == FL_OBJECT && (now || was)) {
            check_update(c, f->rows, now, was, depth + 1);
        }
        fl_buf_truncate(c->path, len);
    }
}

void fl_codec_validate_update(const struct fl_field *rows, const struct fl_json *obj,
                              const struct fl_json *old, const char *path, struct fl_violations *vs)
{
    fl_auto_val(fl_buf) at = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&at, path);
    struct check c = {.path = &at, .vs = vs};
    check_update(&c, rows, obj, old, 0);
}
