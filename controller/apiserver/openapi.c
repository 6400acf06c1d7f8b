/* SPDX-License-Identifier: Apache-2.0
 * What clients look for: kubectl finds the parameter fieldValidation on PATCH, and then leaves validation to the server;
 * explain finds a kind by x-kubernetes-group-version-kind of an operation and of a schema (kubernetes.md 3.4). */
#include "apiserver/openapi.h"

#include "api/scheme.h"
#include "wire/codec.h"
#include "wire/json.h"

#define META_NAME "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
#define GVK "x-kubernetes-group-version-kind"

void fl_openapi_root(const struct fl_kind *k, struct fl_buf *out)
{
    if (k->group[0]) {
        fl_buf_fmt(out, "/apis/%s/%s", k->group, k->version);
    } else {
        fl_buf_fmt(out, "/api/%s", k->version);
    }
}

/* "dev.fairlead.v1alpha1.Registry": the group reversed; kinds of Kubernetes under their Go packages, as everywhere. */
static void schema_name(const struct fl_kind *k, struct fl_buf *out)
{
    struct fl_str group = fl_str_of(k->group);
    if (group.n == 0 || fl_str_ends(group, ".k8s.io")) {
        struct fl_str first = FL_STR("core");
        (void)(group.n > 0 && fl_str_cut(&group, '.', &first));
        fl_buf_fmt(out, "io.k8s.api.%.*s", FL_STR_ARG(first));
    } else {
        size_t end = group.n;
        for (size_t i = group.n; i-- > 0;) {
            if (i == 0 || group.p[i - 1] == '.') {
                fl_buf_fmt(out, "%s%.*s", end == group.n ? "" : ".", (int)(end - i), group.p + i);
                end = i > 0 ? i - 1 : 0;
            }
        }
    }
    fl_buf_fmt(out, ".%s.%s", k->version, k->kind);
}

static struct fl_json *gvk(const struct fl_kind *k)
{
    struct fl_json *j = fl_json_object();
    fl_json_set(j, "group", fl_json_text(k->group));
    fl_json_set(j, "kind", fl_json_text(k->kind));
    fl_json_set(j, "version", fl_json_text(k->version));
    return j;
}

static void set_schema(struct fl_json *schemas, const struct fl_kind *k, const char *meta_ref)
{
    fl_auto_val(fl_buf) name = FL_BUF_INIT(FL_BUF_ANY);
    schema_name(k, &name);
    struct fl_json *schema = fl_schema_kind(k, meta_ref);
    struct fl_json *list = fl_json_array();
    fl_json_push(list, gvk(k));
    fl_json_set(schema, GVK, list);
    fl_json_set_str(schemas, fl_buf_slice(&name), schema);
}

static struct fl_json *meta_schema(void)
{
    return fl_schema_rows(fl_meta_rows, "ObjectMeta is the metadata of every object.");
}

/* Operations. */

static void parameter(struct fl_json *list, const char *name, const char *doc)
{
    struct fl_json *p = fl_json_object();
    struct fl_json *schema = fl_json_object();
    fl_json_set(schema, "type", fl_json_text("string"));
    fl_json_set(schema, "uniqueItems", fl_json_bool(true));
    fl_json_set(p, "name", fl_json_text(name));
    fl_json_set(p, "in", fl_json_text("query"));
    fl_json_set(p, "description", fl_json_text(doc));
    fl_json_set(p, "schema", schema);
    fl_json_push(list, p);
}

static struct fl_json *operation(const struct fl_kind *k, const char *action, bool writes)
{
    struct fl_json *op = fl_json_object();
    struct fl_json *params = fl_json_array();
    if (writes) {
        parameter(params, "dryRun", "All = go through everything and store nothing.");
        parameter(params, "fieldManager", "Who makes the change; at most 128 characters.");
        parameter(params, "fieldValidation",
                  "What becomes of unknown and duplicate fields: Ignore, Warn (the default), "
                  "Strict.");
    }
    fl_json_set(op, "parameters", params);
    fl_json_set(op, "responses", fl_json_literal("{\"200\":{\"description\":\"OK\"}}"));
    fl_json_set(op, "x-kubernetes-action", fl_json_text(action));
    fl_json_set(op, GVK, gvk(k));
    return op;
}

static void add_path(struct fl_json *paths, const struct fl_kind *k, bool namespaced,
                     const char *tail, struct fl_json *item)
{
    fl_auto_val(fl_buf) path = FL_BUF_INIT(FL_BUF_ANY);
    fl_openapi_root(k, &path);
    fl_buf_fmt(&path, "%s/%s%s", namespaced ? "/namespaces/{namespace}" : "", k->plural, tail);
    fl_json_set_str(paths, fl_buf_slice(&path), item);
}

static void item_paths(struct fl_json *paths, const struct fl_kind *k)
{
    struct fl_json *item = fl_json_object();
    fl_json_set(item, "get", operation(k, "get", false));
    fl_json_set(item, "put", operation(k, "put", true));
    fl_json_set(item, "patch", operation(k, "patch", true));
    fl_json_set(item, "delete", operation(k, "delete", true));
    add_path(paths, k, k->namespaced, "/{name}", item);
    if (k->flags & FL_KIND_STATUS) {
        struct fl_json *status = fl_json_object();
        fl_json_set(status, "get", operation(k, "get", false));
        fl_json_set(status, "put", operation(k, "put", true));
        fl_json_set(status, "patch", operation(k, "patch", true));
        add_path(paths, k, k->namespaced, "/{name}/status", status);
    }
}

static void kind_paths(struct fl_json *paths, const struct fl_kind *k)
{
    bool is_virtual = (k->flags & FL_KIND_VIRTUAL) != 0;
    struct fl_json *all = fl_json_object();
    if (!is_virtual) {
        fl_json_set(all, "get", operation(k, "list", false));
        item_paths(paths, k);
    }
    fl_json_set(all, "post", operation(k, "post", true));
    add_path(paths, k, k->namespaced, "", all);
    if (k->namespaced && !is_virtual) {
        struct fl_json *everywhere = fl_json_object();
        fl_json_set(everywhere, "get", operation(k, "list", false));
        add_path(paths, k, false, "", everywhere);
    }
}

static struct fl_json *info(void)
{
    struct fl_json *j = fl_json_object();
    fl_json_set(j, "title", fl_json_text("Fairlead"));
    fl_json_set(j, "version", fl_json_text("v" FL_VERSION));
    return j;
}

static bool of(const struct fl_kind *k, const char *group, const char *version)
{
    return strcmp(k->group, group) == 0 && strcmp(k->version, version) == 0;
}

void fl_openapi_v3(const char *group, const char *version, struct fl_buf *out)
{
    fl_auto(fl_json) doc = fl_json_object();
    struct fl_json *paths = fl_json_object();
    struct fl_json *schemas = fl_json_object();
    struct fl_json *components = fl_json_object();
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        if (of(*k, group, version)) {
            kind_paths(paths, *k);
            set_schema(schemas, *k, "#/components/schemas/" META_NAME);
        }
    }
    fl_json_set(schemas, META_NAME, meta_schema());
    fl_json_set(components, "schemas", schemas);
    fl_json_set(doc, "openapi", fl_json_text("3.0.0"));
    fl_json_set(doc, "info", info());
    fl_json_set(doc, "paths", paths);
    fl_json_set(doc, "components", components);
    fl_json_write(doc, out);
}

static struct fl_json *definitions(void)
{
    struct fl_json *j = fl_json_object();
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        set_schema(j, *k, "#/definitions/" META_NAME);
    }
    fl_json_set(j, META_NAME, meta_schema());
    return j;
}

void fl_openapi_v2_json(struct fl_buf *out)
{
    fl_auto(fl_json) doc = fl_json_object();
    fl_json_set(doc, "swagger", fl_json_text("2.0"));
    fl_json_set(doc, "info", info());
    fl_json_set(doc, "paths", fl_json_object());
    fl_json_set(doc, "definitions", definitions());
    fl_json_write(doc, out);
}

/* Protobuf. Field numbers: gnostic-models openapiv2/OpenAPIv2.proto. */

enum {
    DOC_SWAGGER = 1,
    DOC_INFO = 2,
    DOC_PATHS = 8,
    DOC_DEFINITIONS = 9,
    INFO_TITLE = 1,
    INFO_VERSION = 2,
    MAP_ENTRY = 1, /* Definitions and Properties: repeated NamedSchema */
    NAMED_NAME = 1,
    NAMED_VALUE = 2,
    SCHEMA_REF = 1,
    SCHEMA_FORMAT = 2,
    SCHEMA_DESCRIPTION = 4,
    SCHEMA_REQUIRED = 19,
    SCHEMA_ADDITIONAL = 21,
    SCHEMA_TYPE = 22,
    SCHEMA_ITEMS = 23,
    SCHEMA_PROPERTIES = 25,
    SCHEMA_EXTENSION = 31,
    ADDITIONAL_SCHEMA = 1,
    TYPE_VALUE = 1,
    ITEMS_SCHEMA = 1,
    ANY_YAML = 2,
};

#define SCHEMA_DEPTH_MAX 32

static void put_varint(struct fl_buf *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) {
        fl_buf_char(out, (char)(unsigned char)((v & 0x7f) | 0x80));
    }
    fl_buf_char(out, (char)(unsigned char)v);
}

static void put_bytes(struct fl_buf *out, int field, struct fl_str s)
{
    put_varint(out, ((uint64_t)field << 3) | 2);
    put_varint(out, s.n);
    fl_buf_str(out, s);
}

static void put_text(struct fl_buf *out, int field, const char *s)
{
    if (s) {
        put_bytes(out, field, fl_str_of(s));
    }
}

static void put_schema(struct fl_buf *out, const struct fl_json *schema, int depth);

/* NamedSchema of each member, under `field`. NOLINTNEXTLINE(misc-no-recursion): depth is capped */
static void put_named(struct fl_buf *out, int field, const struct fl_json *map, int depth)
{
    struct fl_json_iter it = fl_json_iter(map);
    fl_auto_val(fl_buf) entry = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) schema = FL_BUF_INIT(FL_BUF_ANY);
    while (fl_json_next(&it)) {
        fl_buf_clear(&entry);
        fl_buf_clear(&schema);
        put_schema(&schema, it.value, depth);
        put_bytes(&entry, NAMED_NAME, it.key);
        put_bytes(&entry, NAMED_VALUE, fl_buf_slice(&schema));
        put_bytes(out, field, fl_buf_slice(&entry));
    }
}

/* A schema wrapped in a message of one field. NOLINTNEXTLINE(misc-no-recursion): depth is capped */
static void put_wrapped(struct fl_buf *out, int field, int inner, const struct fl_json *schema,
                        int depth)
{
    if (!fl_json_is(schema, FL_JSON_OBJECT)) {
        return;
    }
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) wrapped = FL_BUF_INIT(FL_BUF_ANY);
    put_schema(&text, schema, depth);
    put_bytes(&wrapped, inner, fl_buf_slice(&text));
    put_bytes(out, field, fl_buf_slice(&wrapped));
}

/* Extensions are told in YAML, of which JSON is a part. */
static void put_extension(struct fl_buf *out, const char *name, const struct fl_json *value)
{
    if (!value) {
        return;
    }
    fl_auto_val(fl_buf) json = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) any = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) named = FL_BUF_INIT(FL_BUF_ANY);
    fl_json_write(value, &json);
    put_bytes(&any, ANY_YAML, fl_buf_slice(&json));
    put_text(&named, NAMED_NAME, name);
    put_bytes(&named, NAMED_VALUE, fl_buf_slice(&any));
    put_bytes(out, SCHEMA_EXTENSION, fl_buf_slice(&named));
}

/* NOLINTNEXTLINE(misc-no-recursion): depth is capped */
static void put_schema(struct fl_buf *out, const struct fl_json *schema, int depth)
{
    if (depth > SCHEMA_DEPTH_MAX) {
        return;
    }
    const struct fl_json *all_of = fl_json_at(fl_json_get(schema, "allOf"), 0);
    const char *ref = fl_json_get_text(schema, "$ref");
    put_text(out, SCHEMA_REF, ref ? ref : fl_json_get_text(all_of, "$ref"));
    put_text(out, SCHEMA_FORMAT, fl_json_get_text(schema, "format"));
    put_text(out, SCHEMA_DESCRIPTION, fl_json_get_text(schema, "description"));
    const struct fl_json *required = fl_json_get(schema, "required");
    for (size_t i = 0; i < fl_json_len(required); i++) {
        put_text(out, SCHEMA_REQUIRED, fl_json_as_text(fl_json_at(required, i)));
    }
    put_wrapped(out, SCHEMA_ADDITIONAL, ADDITIONAL_SCHEMA,
                fl_json_get(schema, "additionalProperties"), depth + 1);
    const char *type = fl_json_get_text(schema, "type");
    if (type) {
        fl_auto_val(fl_buf) item = FL_BUF_INIT(FL_BUF_ANY);
        put_text(&item, TYPE_VALUE, type);
        put_bytes(out, SCHEMA_TYPE, fl_buf_slice(&item));
    }
    put_wrapped(out, SCHEMA_ITEMS, ITEMS_SCHEMA, fl_json_get(schema, "items"), depth + 1);
    const struct fl_json *properties = fl_json_get(schema, "properties");
    if (properties) {
        fl_auto_val(fl_buf) map = FL_BUF_INIT(FL_BUF_ANY);
        put_named(&map, MAP_ENTRY, properties, depth + 1);
        put_bytes(out, SCHEMA_PROPERTIES, fl_buf_slice(&map));
    }
    put_extension(out, GVK, fl_json_get(schema, GVK));
}

void fl_openapi_v2_proto(struct fl_buf *out)
{
    fl_auto(fl_json) defs = definitions();
    fl_auto_val(fl_buf) about = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) map = FL_BUF_INIT(FL_BUF_ANY);
    put_text(&about, INFO_TITLE, "Fairlead");
    put_text(&about, INFO_VERSION, "v" FL_VERSION);
    put_named(&map, MAP_ENTRY, defs, 0);
    put_text(out, DOC_SWAGGER, "2.0");
    put_bytes(out, DOC_INFO, fl_buf_slice(&about));
    put_bytes(out, DOC_PATHS, FL_STR(""));
    put_bytes(out, DOC_DEFINITIONS, fl_buf_slice(&map));
}
