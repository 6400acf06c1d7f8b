/* SPDX-License-Identifier: Apache-2.0
 * Structural schemas and CustomResourceDefinitions from rows. Source: kubernetes.md 2.2, 3.4; apiextensions-apiserver
 * pkg/apiserver/schema (what is structural). */
#include "wire/codec.h"
#include "wire/codec_priv.h"

#define DURATION_PATTERN "^(0|(([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(ns|us|ms|s|m|h))+)$"

static struct fl_json *rows_schema(const struct fl_field *rows, const char *doc, int depth);

static void set_text(struct fl_json *j, const char *key, const char *value)
{
    if (value) {
        fl_json_set(j, key, fl_json_text(value));
    }
}

static void set_bound(struct fl_json *j, const char *key, int64_t value)
{
    if (value != 0) {
        fl_json_set(j, key, fl_json_int(value));
    }
}

static struct fl_json *texts(const char *const *list)
{
    struct fl_json *a = fl_json_array();
    for (; list && *list; list++) {
        fl_json_push(a, fl_json_text(*list));
    }
    return a;
}

/* Type and what belongs to it of a value that is neither object, list nor map. */
static void scalar(struct fl_json *s, const struct fl_field *f, enum fl_type type)
{
    switch (type) {
    case FL_BOOL:
        set_text(s, "type", "boolean");
        break;
    case FL_INT:
        set_text(s, "type", "integer");
        set_text(s, "format", "int64");
        break;
    case FL_TIME:
        set_text(s, "type", "string");
        set_text(s, "format", "date-time");
        break;
    case FL_BYTES:
        set_text(s, "type", "string");
        set_text(s, "format", "byte");
        break;
    case FL_DURATION:
        set_text(s, "type", "string");
        set_text(s, "pattern", DURATION_PATTERN);
        break;
    case FL_ENUM:
        set_text(s, "type", "string");
        fl_json_set(s, "enum", texts(f->names));
        break;
    case FL_ANY:
        fl_json_set(s, "x-kubernetes-preserve-unknown-fields", fl_json_bool(true));
        break;
    default:
        set_text(s, "type", "string");
        set_text(s, "pattern", f->pattern);
        break;
    }
}

static void bounds(struct fl_json *s, const struct fl_field *f)
{
    switch (f->type) {
    case FL_STRING:
        set_bound(s, "minLength", f->min);
        set_bound(s, "maxLength", f->max);
        break;
    case FL_INT:
        if (f->min != 0 || f->max != 0) {
            fl_json_set(s, "minimum", fl_json_int(f->min));
        }
        set_bound(s, "maximum", f->max);
        break;
    case FL_LIST:
        set_bound(s, "minItems", f->min);
        set_bound(s, "maxItems", f->max);
        break;
    case FL_MAP:
        set_bound(s, "minProperties", f->min);
        set_bound(s, "maxProperties", f->max);
        break;
    default:
        break;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static struct fl_json *item_schema(const struct fl_field *f, int depth)
{
    if (f->item == FL_OBJECT) {
        return rows_schema(f->rows, NULL, depth);
    }
    struct fl_json *s = fl_json_object();
    scalar(s, f, f->item);
    return s;
}

static void list_type(struct fl_json *s, const struct fl_field *f)
{
    if (f->flags & FL_LIST_MAP) {
        set_text(s, "x-kubernetes-list-type", "map");
        fl_json_set(s, "x-kubernetes-list-map-keys", texts((const char *const[]){f->key, NULL}));
    } else {
        set_text(s, "x-kubernetes-list-type", (f->flags & FL_LIST_SET) ? "set" : "atomic");
    }
}

/* A transition rule: real clusters enforce by it what fl_codec_validate_update does here, but for a field that is set or
 * removed later, on which such rules do not run. */
static void immutable(struct fl_json *s)
{
    struct fl_json *rule = fl_json_object();
    set_text(rule, "rule", "self == oldSelf");
    set_text(rule, "message", "field is immutable: it may not be changed after creation");
    struct fl_json *rules = fl_json_array();
    fl_json_push(rules, rule);
    fl_json_set(s, "x-kubernetes-validations", rules);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static struct fl_json *field_schema(const struct fl_field *f, int depth)
{
    struct fl_json *s = NULL;
    if (f->type == FL_OBJECT) {
        s = rows_schema(f->rows, f->doc, depth);
    } else {
        s = fl_json_object();
        set_text(s, "description", f->doc);
    }
    if (f->type == FL_LIST) {
        set_text(s, "type", "array");
        fl_json_set(s, "items", item_schema(f, depth));
        list_type(s, f);
    } else if (f->type == FL_MAP) {
        set_text(s, "type", "object");
        struct fl_json *values = fl_json_object();
        scalar(values, &(struct fl_field){0}, f->item);
        fl_json_set(s, "additionalProperties", values);
    } else if (f->type != FL_OBJECT) {
        scalar(s, f, f->type);
    }
    bounds(s, f);
    if (f->def) {
        fl_json_set(s, "default", fl_json_literal(f->def));
    }
    if (f->flags & FL_IMMUTABLE) {
        immutable(s);
    }
    return s;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static void add_rows(struct fl_json *properties, struct fl_json *required,
                     const struct fl_field *rows, int depth)
{
    for (const struct fl_field *f = rows; f->type != FL_END; f++) {
        fl_json_set(properties, f->name, field_schema(f, depth + 1));
        if (f->flags & FL_REQUIRED) {
            fl_json_push(required, fl_json_text(f->name));
        }
    }
}

static struct fl_json *object_schema(const char *doc, struct fl_json *properties,
                                     struct fl_json *required)
{
    struct fl_json *s = fl_json_object();
    set_text(s, "description", doc);
    set_text(s, "type", "object");
    if (fl_json_len(required) > 0) {
        fl_json_set(s, "required", required);
    } else {
        fl_json_free(required);
    }
    fl_json_set(s, "properties", properties);
    return s;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static struct fl_json *rows_schema(const struct fl_field *rows, const char *doc, int depth)
{
    fl_assert(depth < FL_CODEC_DEPTH_MAX);
    struct fl_json *properties = fl_json_object();
    struct fl_json *required = fl_json_array();
    add_rows(properties, required, rows, depth);
    return object_schema(doc, properties, required);
}

struct fl_json *fl_schema_rows(const struct fl_field *rows, const char *doc)
{
    return rows_schema(rows, doc, 0);
}

static struct fl_json *described(const char *type, const char *doc)
{
    struct fl_json *s = fl_json_object();
    set_text(s, "description", doc);
    set_text(s, "type", type);
    return s;
}

static struct fl_json *meta_schema(const char *meta_ref)
{
    static const char doc[] =
        "Name, namespace, labels, annotations and the like; the same for all kinds.";
    if (!meta_ref) {
        return described("object", NULL);
    }
    /* What stands beside a $ref is ignored, so the real server wraps it. */
    struct fl_json *s = fl_json_object();
    set_text(s, "description", doc);
    struct fl_json *ref = fl_json_object();
    set_text(ref, "$ref", meta_ref);
    struct fl_json *all = fl_json_array();
    fl_json_push(all, ref);
    fl_json_set(s, "allOf", all);
    return s;
}

struct fl_json *fl_schema_kind(const struct fl_kind *k, const char *meta_ref)
{
    struct fl_json *properties = fl_json_object();
    struct fl_json *required = fl_json_array();
    fl_json_set(
        properties, "apiVersion",
        described("string", "Group and version of the kind, such as fairlead.dev/v1alpha1."));
    fl_json_set(properties, "kind", described("string", "Kind of the object, in CamelCase."));
    fl_json_set(properties, "metadata", meta_schema(meta_ref));
    add_rows(properties, required, k->rows, 0);
    return object_schema(k->doc, properties, required);
}

/* ---- CustomResourceDefinition ---- */

static struct fl_json *crd_columns(const struct fl_kind *k)
{
    struct fl_json *list = fl_json_array();
    for (const struct fl_column *c = k->columns; c && c->path; c++) {
        struct fl_json *j = fl_json_object();
        set_text(j, "name", c->name);
        set_text(j, "type", c->type);
        set_text(j, "jsonPath", c->path);
        set_text(j, "description", c->doc);
        set_bound(j, "priority", c->priority);
        fl_json_push(list, j);
    }
    return list;
}

static struct fl_json *crd_names(const struct fl_kind *k)
{
    struct fl_json *names = fl_json_object();
    set_text(names, "kind", k->kind);
    fl_auto_val(fl_buf) list = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&list, "%sList", k->kind);
    set_text(names, "listKind", list.data);
    set_text(names, "plural", k->plural);
    set_text(names, "singular", k->singular);
    if (k->short_names) {
        fl_json_set(names, "shortNames", texts(k->short_names));
    }
    if (k->categories) {
        fl_json_set(names, "categories", texts(k->categories));
    }
    return names;
}

static struct fl_json *crd_selectable(const struct fl_kind *k)
{
    struct fl_json *list = fl_json_array();
    for (const char *const *path = k->selectable; *path; path++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_fmt(&b, ".%s", *path);
        struct fl_json *j = fl_json_object();
        set_text(j, "jsonPath", b.data);
        fl_json_push(list, j);
    }
    return list;
}

static struct fl_json *crd_version(const struct fl_kind *k)
{
    struct fl_json *v = fl_json_object();
    set_text(v, "name", k->version);
    fl_json_set(v, "served", fl_json_bool(true));
    fl_json_set(v, "storage", fl_json_bool(true));
    if (k->flags & FL_KIND_STATUS) {
        fl_json_set(v, "subresources", fl_json_literal("{\"status\":{}}"));
    }
    if (k->columns) {
        fl_json_set(v, "additionalPrinterColumns", crd_columns(k));
    }
    if (k->selectable) {
        fl_json_set(v, "selectableFields", crd_selectable(k));
    }
    struct fl_json *schema = fl_json_object();
    fl_json_set(schema, "openAPIV3Schema", fl_schema_kind(k, NULL));
    fl_json_set(v, "schema", schema);
    return v;
}

struct fl_json *fl_schema_crd(const struct fl_kind *k)
{
    struct fl_json *crd = fl_json_object();
    set_text(crd, "apiVersion", "apiextensions.k8s.io/v1");
    set_text(crd, "kind", "CustomResourceDefinition");
    fl_auto_val(fl_buf) name = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&name, "%s.%s", k->plural, k->group);
    struct fl_json *meta = fl_json_object();
    set_text(meta, "name", name.data);
    fl_json_set(crd, "metadata", meta);
    struct fl_json *spec = fl_json_object();
    set_text(spec, "group", k->group);
    fl_json_set(spec, "names", crd_names(k));
    set_text(spec, "scope", k->namespaced ? "Namespaced" : "Cluster");
    struct fl_json *versions = fl_json_array();
    fl_json_push(versions, crd_version(k));
    fl_json_set(spec, "versions", versions);
    fl_json_set(crd, "spec", spec);
    return crd;
}
