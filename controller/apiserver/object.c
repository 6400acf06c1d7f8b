/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/object.h"

struct fl_json *fl_object_get(const struct fl_json *obj, const char *name)
{
    struct fl_json *v = fl_json_get(obj, name);
    return v && !fl_json_is(v, FL_JSON_NULL) ? v : NULL;
}

struct fl_json *fl_object_meta(const struct fl_json *obj)
{
    return fl_object_get(obj, "metadata");
}

const char *fl_object_meta_text(const struct fl_json *obj, const char *name)
{
    return fl_json_get_text(fl_object_meta(obj), name);
}

bool fl_object_has_finalizers(const struct fl_json *obj)
{
    return fl_json_len(fl_json_get(fl_object_meta(obj), "finalizers")) > 0;
}

static void put_member(struct fl_buf *out, const char *name, const struct fl_json *value)
{
    if (out->data[out->len - 1] != '{') {
        fl_buf_char(out, ',');
    }
    fl_buf_json_str(out, fl_str_of(name));
    fl_buf_char(out, ':');
    fl_json_write(value, out);
}

static bool is(const struct fl_field *f, const char *name)
{
    return strcmp(f->name, name) == 0;
}

static void put_meta(const struct fl_json *meta, const char *rv, size_t start, struct fl_buf *out,
                     size_t *ret_split)
{
    fl_buf_char(out, '{');
    for (const struct fl_field *f = fl_meta_rows; f->type != FL_END; f++) {
        const struct fl_json *value = fl_object_get(meta, f->name);
        if (is(f, "resourceVersion")) {
            if (rv) {
                fl_buf_text(out, out->data[out->len - 1] == '{' ? "" : ",");
                fl_buf_text(out, "\"resourceVersion\":\"");
                if (ret_split) {
                    *ret_split = out->len - start;
                }
                fl_buf_text(out, rv);
                fl_buf_char(out, '"');
            }
        } else if (value && !is(f, "selfLink") && !is(f, "managedFields")) {
            put_member(out, f->name, value);
        }
    }
    fl_buf_char(out, '}');
}

void fl_object_text(const struct fl_kind *k, const struct fl_json *obj, const char *rv,
                    struct fl_buf *out, size_t *ret_split)
{
    size_t start = out->len;
    fl_buf_fmt(out, "{\"apiVersion\":\"%s%s%s\",\"kind\":\"%s\",\"metadata\":", k->group,
               k->group[0] ? "/" : "", k->version, k->kind);
    put_meta(fl_object_meta(obj), rv, start, out, ret_split);
    for (const struct fl_field *f = k->rows; f->type != FL_END; f++) {
        const struct fl_json *value = fl_object_get(obj, f->name);
        if (value) {
            put_member(out, f->name, value);
        }
    }
    fl_buf_char(out, '}');
}

static bool is_empty(const struct fl_json *v)
{
    struct fl_str s;
    switch (fl_json_type(v)) {
    case FL_JSON_NULL:
        return true;
    case FL_JSON_STRING:
        return fl_json_as_str(v, &s) && s.n == 0;
    case FL_JSON_ARRAY:
    case FL_JSON_OBJECT:
        return fl_json_len(v) == 0;
    default:
        return false;
    }
}

static void trim(struct fl_json *obj, const struct fl_field *rows)
{
    for (const struct fl_field *f = rows; obj && f->type != FL_END; f++) {
        const struct fl_json *value = fl_json_get(obj, f->name);
        if (value && is_empty(value)) {
            fl_json_del(obj, f->name);
        }
    }
}

void fl_object_trim(const struct fl_kind *k, struct fl_json *obj)
{
    trim(fl_object_meta(obj), fl_meta_rows);
    if (!(k->flags & FL_KIND_CUSTOM)) {
        trim(obj, k->rows);
    }
}

static bool same(const struct fl_json *a, const struct fl_json *b)
{
    return a == b || (a && b && fl_json_equal(a, b));
}

static bool same_member(const struct fl_json *a, const struct fl_json *b, const char *name)
{
    return same(fl_object_get(a, name), fl_object_get(b, name));
}

bool fl_object_same_spec(const struct fl_kind *k, const struct fl_json *a, const struct fl_json *b)
{
    for (const struct fl_field *f = k->rows; f->type != FL_END; f++) {
        bool status = (k->flags & FL_KIND_STATUS) && is(f, "status");
        if (!status && !same_member(a, b, f->name)) {
            return false;
        }
    }
    return true;
}

bool fl_object_same(const struct fl_kind *k, const struct fl_json *a, const struct fl_json *b)
{
    const struct fl_json *meta_a = fl_object_meta(a), *meta_b = fl_object_meta(b);
    for (const struct fl_field *f = fl_meta_rows; f->type != FL_END; f++) {
        bool counts = !is(f, "resourceVersion") && !is(f, "selfLink") && !is(f, "managedFields");
        if (counts && !same_member(meta_a, meta_b, f->name)) {
            return false;
        }
    }
    return fl_object_same_spec(k, a, b) &&
           (!(k->flags & FL_KIND_STATUS) || same_member(a, b, "status"));
}

const struct fl_field *fl_object_rows(struct fl_arena *a, const struct fl_kind *k)
{
    static const struct fl_field head[] = {
        {.name = "apiVersion", .type = FL_STRING},
        {.name = "kind", .type = FL_STRING},
        {.name = "metadata", .type = FL_OBJECT, .rows = fl_meta_rows, .pb = 1},
    };
    size_t n = 0;
    while (k->rows[n].type != FL_END) {
        n++;
    }
    struct fl_field *rows = fl_arena_array(a, FL_LEN(head) + n + 1, sizeof(*rows));
    memcpy(rows, head, sizeof(head));
    memcpy(rows + FL_LEN(head), k->rows, (n + 1) * sizeof(*rows));
    return rows;
}
