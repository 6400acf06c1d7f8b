/* SPDX-License-Identifier: Apache-2.0
 * Prune, default, decode, encode. Walkers recurse along the rows, whose depth is that of the tables. */
#include "wire/codec.h"

#include "base/num.h"
#include "wire/codec_priv.h"

const struct fl_field *fl_codec_row(const struct fl_field *rows, struct fl_str name)
{
    for (const struct fl_field *f = rows; f->type != FL_END; f++) {
        if (fl_str_is(name, f->name)) {
            return f;
        }
    }
    return NULL;
}

bool fl_codec_present(const struct fl_json *v)
{
    return v && !fl_json_is(v, FL_JSON_NULL);
}

size_t fl_path_name(struct fl_buf *path, const char *name)
{
    size_t len = path->len;
    if (len > 0) {
        fl_buf_char(path, '.');
    }
    fl_buf_text(path, name);
    return len;
}

size_t fl_path_index(struct fl_buf *path, size_t i)
{
    size_t len = path->len;
    fl_buf_fmt(path, "[%zu]", i);
    return len;
}

size_t fl_path_key(struct fl_buf *path, struct fl_str key)
{
    size_t len = path->len;
    fl_buf_char(path, '[');
    fl_buf_str(path, key);
    fl_buf_char(path, ']');
    return len;
}

/* ---- prune ---- */

struct prune {
    struct fl_buf *path;
    struct fl_arena *arena; /* names of members to drop */
    void (*unknown)(void *arg, const char *path);
    void *arg;
};

static bool of_every_object(struct fl_str name)
{
    return fl_str_is(name, "apiVersion") || fl_str_is(name, "kind") || fl_str_is(name, "metadata");
}

static void prune_object(struct prune *p, const struct fl_field *rows, struct fl_json *obj,
                         int depth);

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static void prune_value(struct prune *p, const struct fl_field *f, struct fl_json *v, int depth)
{
    if (f->type == FL_OBJECT) {
        prune_object(p, f->rows, v, depth);
    } else if (f->type == FL_LIST && f->item == FL_OBJECT && fl_json_is(v, FL_JSON_ARRAY)) {
        for (size_t i = 0; i < fl_json_len(v); i++) {
            size_t len = fl_path_index(p->path, i);
            prune_object(p, f->rows, fl_json_at(v, i), depth);
            fl_buf_truncate(p->path, len);
        }
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static void prune_object(struct prune *p, const struct fl_field *rows, struct fl_json *obj,
                         int depth)
{
    fl_assert(depth < FL_CODEC_DEPTH_MAX);
    if (!fl_json_is(obj, FL_JSON_OBJECT)) {
        return;
    }
    bool root = p->path->len == 0;
    const char **drop = NULL;
    size_t n_drop = 0;
    struct fl_json_iter it = fl_json_iter(obj);
    while (fl_json_next(&it)) {
        const char *name = fl_arena_str(p->arena, it.key);
        size_t len = fl_path_name(p->path, name);
        const struct fl_field *f = fl_codec_row(rows, it.key);
        if (f) {
            prune_value(p, f, it.value, depth + 1);
        } else if (!root || !of_every_object(it.key)) {
            if (p->unknown) {
                p->unknown(p->arg, p->path->data);
            }
            drop = fl_arena_grow(p->arena, drop, n_drop, sizeof(*drop));
            drop[n_drop++] = name;
        }
        fl_buf_truncate(p->path, len);
    }
    for (size_t i = 0; i < n_drop; i++) {
        fl_json_del(obj, drop[i]);
    }
}

void fl_codec_prune(const struct fl_field *rows, struct fl_json *obj, const char *path,
                    void (*unknown)(void *arg, const char *path), void *arg)
{
    fl_auto(fl_arena) arena = fl_arena_new();
    fl_auto_val(fl_buf) at = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&at, path);
    struct prune p = {.path = &at, .arena = arena, .unknown = unknown, .arg = arg};
    prune_object(&p, rows, obj, 0);
}

/* ---- default ---- */

static void default_object(const struct fl_field *rows, struct fl_json *obj, int depth);

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static void default_inside(const struct fl_field *f, struct fl_json *v, int depth)
{
    if (f->type == FL_OBJECT) {
        default_object(f->rows, v, depth);
    } else if (f->type == FL_LIST && f->item == FL_OBJECT && fl_json_is(v, FL_JSON_ARRAY)) {
        for (size_t i = 0; i < fl_json_len(v); i++) {
            default_object(f->rows, fl_json_at(v, i), depth);
        }
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static void default_object(const struct fl_field *rows, struct fl_json *obj, int depth)
{
    fl_assert(depth < FL_CODEC_DEPTH_MAX);
    if (!fl_json_is(obj, FL_JSON_OBJECT)) {
        return;
    }
    for (const struct fl_field *f = rows; f->type != FL_END; f++) {
        struct fl_json *v = fl_json_get(obj, f->name);
        if (fl_codec_present(v)) {
            default_inside(f, v, depth + 1);
        } else if (f->def) {
            fl_json_set(obj, f->name, fl_json_literal(f->def));
        } else if (v) {
            fl_json_del(obj, f->name);
        }
    }
}

void fl_codec_default(const struct fl_field *rows, struct fl_json *obj)
{
    default_object(rows, obj, 0);
}

/* ---- decode ---- */

static void decode_object(const struct fl_field *rows, const struct fl_json *obj,
                          struct fl_arena *a, void *st, int depth);

static void *member(void *st, const struct fl_field *f)
{
    return (char *)st + f->at;
}

static const void *member_const(const void *st, const struct fl_field *f)
{
    return (const char *)st + f->at;
}

static const char *decode_text(const struct fl_json *v, struct fl_arena *a)
{
    return fl_arena_text(a, fl_json_as_text(v));
}

static int enum_index(const struct fl_field *f, const char *text)
{
    for (int i = 0; text && f->names[i]; i++) {
        if (strcmp(f->names[i], text) == 0) {
            return i;
        }
    }
    return -1;
}

static int64_t decode_duration(const struct fl_json *v)
{
    struct fl_str s = {0};
    int64_t ms = -1;
    return fl_json_as_str(v, &s) && fl_duration_parse(s, &ms) ? ms : -1;
}

static size_t item_size(const struct fl_field *f)
{
    switch (f->item) {
    case FL_OBJECT:
        return f->size;
    case FL_INT:
    case FL_DURATION:
        return sizeof(int64_t);
    case FL_BOOL:
        return sizeof(bool);
    default:
        return sizeof(const char *);
    }
}

/* One scalar of type `type` into *to. NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static void decode_into(const struct fl_field *f, enum fl_type type, const struct fl_json *v,
                        struct fl_arena *a, void *to, int depth)
{
    switch (type) {
    case FL_STRING:
    case FL_TIME:
    case FL_BYTES:
        *(const char **)to = decode_text(v, a);
        break;
    case FL_BOOL:
        (void)fl_json_as_bool(v, to);
        break;
    case FL_INT:
        (void)fl_json_as_i64(v, to);
        break;
    case FL_ENUM:
        *(int *)to = enum_index(f, fl_json_as_text(v));
        break;
    case FL_DURATION:
        *(int64_t *)to = decode_duration(v);
        break;
    case FL_OBJECT:
        decode_object(f->rows, v, a, to, depth);
        break;
    default: /* lists of lists, maps or anything are not decoded */
        break;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static void decode_list(const struct fl_field *f, const struct fl_json *v, struct fl_arena *a,
                        struct fl_list *ret, int depth)
{
    size_t size = item_size(f);
    if (!fl_json_is(v, FL_JSON_ARRAY) || size == 0) {
        return;
    }
    size_t n = fl_json_len(v);
    ret->v = n ? fl_arena_array(a, n, size) : NULL;
    ret->n = n;
    for (size_t i = 0; i < n; i++) {
        decode_into(f, f->item, fl_json_at(v, i), a, (char *)ret->v + i * size, depth);
    }
}

static void decode_map(const struct fl_json *v, struct fl_arena *a, struct fl_pairs *ret)
{
    if (!fl_json_is(v, FL_JSON_OBJECT) || fl_json_len(v) == 0) {
        return;
    }
    ret->v = fl_arena_array(a, fl_json_len(v), sizeof(*ret->v));
    struct fl_json_iter it = fl_json_iter(v);
    while (fl_json_next(&it)) {
        const char *value = decode_text(it.value, a);
        if (value) {
            ret->v[ret->n++] = (struct fl_pair){fl_arena_str(a, it.key), value};
        }
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static void decode_object(const struct fl_field *rows, const struct fl_json *obj,
                          struct fl_arena *a, void *st, int depth)
{
    fl_assert(depth < FL_CODEC_DEPTH_MAX);
    for (const struct fl_field *f = rows; f->type != FL_END; f++) {
        const struct fl_json *v = obj ? fl_json_get(obj, f->name) : NULL;
        void *to = member(st, f);
        if (f->type == FL_LIST) {
            decode_list(f, v, a, to, depth + 1);
        } else if (f->type == FL_MAP) {
            decode_map(v, a, to);
        } else if (f->type != FL_OBJECT) {
            decode_into(f, f->type, v, a, to, depth);
        } else if (fl_json_is(v, FL_JSON_OBJECT) && f->size > 0) {
            void *inner = fl_arena_alloc(a, f->size);
            decode_object(f->rows, v, a, inner, depth + 1);
            *(void **)to = inner;
        }
    }
}

void fl_codec_decode(const struct fl_field *rows, const struct fl_json *obj, struct fl_arena *a,
                     void *st)
{
    decode_object(rows, obj, a, st, 0);
}

/* ---- encode ---- */

static struct fl_json *encode_object(const struct fl_field *rows, const void *st, int depth);

static struct fl_json *encode_duration(int64_t ms)
{
    if (ms < 0) {
        return NULL;
    }
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_duration_fmt(&b, ms);
    return fl_json_str(fl_buf_slice(&b));
}

static struct fl_json *encode_enum(const struct fl_field *f, int i)
{
    for (int k = 0; i >= 0 && f->names[k]; k++) {
        if (k == i) {
            return fl_json_text(f->names[k]);
        }
    }
    return NULL;
}

/* The value at `from`, NULL when it is absent. NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static struct fl_json *encode_from(const struct fl_field *f, enum fl_type type, const void *from,
                                   int depth)
{
    const char *text = NULL;
    switch (type) {
    case FL_STRING:
    case FL_TIME:
    case FL_BYTES:
        text = *(const char *const *)from;
        return text ? fl_json_text(text) : NULL;
    case FL_BOOL:
        return fl_json_bool(*(const bool *)from);
    case FL_INT:
        return fl_json_int(*(const int64_t *)from);
    case FL_ENUM:
        return encode_enum(f, *(const int *)from);
    case FL_DURATION:
        return encode_duration(*(const int64_t *)from);
    case FL_OBJECT:
        return encode_object(f->rows, from, depth);
    default:
        return NULL;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static struct fl_json *encode_list(const struct fl_field *f, const struct fl_list *l, int depth)
{
    size_t size = item_size(f);
    if (l->n == 0 || size == 0) {
        return NULL;
    }
    struct fl_json *list = fl_json_array();
    for (size_t i = 0; i < l->n; i++) {
        struct fl_json *item = encode_from(f, f->item, (const char *)l->v + i * size, depth);
        if (item) {
            fl_json_push(list, item);
        }
    }
    return list;
}

static struct fl_json *encode_map(const struct fl_pairs *p)
{
    if (p->n == 0) {
        return NULL;
    }
    struct fl_json *map = fl_json_object();
    for (size_t i = 0; i < p->n; i++) {
        fl_json_set(map, p->v[i].key, fl_json_text(p->v[i].value));
    }
    return map;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static struct fl_json *encode_object(const struct fl_field *rows, const void *st, int depth)
{
    fl_assert(depth < FL_CODEC_DEPTH_MAX);
    struct fl_json *obj = fl_json_object();
    for (const struct fl_field *f = rows; f->type != FL_END; f++) {
        const void *from = member_const(st, f);
        struct fl_json *v = NULL;
        if (f->type == FL_LIST) {
            v = encode_list(f, from, depth + 1);
        } else if (f->type == FL_MAP) {
            v = encode_map(from);
        } else if (f->type != FL_OBJECT) {
            v = encode_from(f, f->type, from, depth + 1);
        } else if (f->size > 0 && *(const void *const *)from) {
            v = encode_object(f->rows, *(const void *const *)from, depth + 1);
        }
        if (v) {
            fl_json_set(obj, f->name, v);
        }
    }
    return obj;
}

struct fl_json *fl_codec_encode(const struct fl_field *rows, const void *st)
{
    return encode_object(rows, st, 0);
}

/* ---- equal ---- */

static bool equal_object(const struct fl_field *rows, const void *a, const void *b, int depth);

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static bool equal_at(const struct fl_field *f, enum fl_type type, const void *a, const void *b,
                     int depth)
{
    switch (type) {
    case FL_STRING:
    case FL_TIME:
    case FL_BYTES:
        return fl_text_eq(*(const char *const *)a, *(const char *const *)b);
    case FL_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case FL_INT:
    case FL_DURATION:
        return *(const int64_t *)a == *(const int64_t *)b;
    case FL_ENUM:
        return *(const int *)a == *(const int *)b;
    case FL_OBJECT:
        return equal_object(f->rows, a, b, depth);
    default:
        return true; /* is not encoded either */
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static bool equal_list(const struct fl_field *f, const struct fl_list *a, const struct fl_list *b,
                       int depth)
{
    size_t size = item_size(f);
    bool equal = a->n == b->n;
    for (size_t i = 0; equal && i < a->n && size > 0; i++) {
        equal = equal_at(f, f->item, (const char *)a->v + i * size, (const char *)b->v + i * size,
                         depth);
    }
    return equal;
}

static bool equal_map(const struct fl_pairs *a, const struct fl_pairs *b)
{
    bool equal = a->n == b->n;
    for (size_t i = 0; equal && i < a->n; i++) {
        equal = fl_text_eq(a->v[i].key, b->v[i].key) && fl_text_eq(a->v[i].value, b->v[i].value);
    }
    return equal;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static bool equal_inner(const struct fl_field *f, const void *a, const void *b, int depth)
{
    return a == b || (a && b && equal_object(f->rows, a, b, depth));
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static bool equal_object(const struct fl_field *rows, const void *a, const void *b, int depth)
{
    fl_assert(depth < FL_CODEC_DEPTH_MAX);
    bool equal = true;
    for (const struct fl_field *f = rows; equal && f->type != FL_END; f++) {
        const void *x = member_const(a, f);
        const void *y = member_const(b, f);
        if (f->type == FL_LIST) {
            equal = equal_list(f, x, y, depth + 1);
        } else if (f->type == FL_MAP) {
            equal = equal_map(x, y);
        } else if (f->type != FL_OBJECT) {
            equal = equal_at(f, f->type, x, y, depth + 1);
        } else if (f->size > 0) {
            equal = equal_inner(f, *(const void *const *)x, *(const void *const *)y, depth + 1);
        }
    }
    return equal;
}

bool fl_codec_equal(const struct fl_field *rows, const void *a, const void *b)
{
    return equal_object(rows, a, b, 0);
}
