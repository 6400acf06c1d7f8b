/* SPDX-License-Identifier: Apache-2.0
 * The v2 document in protobuf. Old clients look there for schemas (explain, validation) and for the parameters of PATCH
 * (dryRun). Field numbers: gnostic-models openapiv2/OpenAPIv2.proto. */
#include "apiserver/openapi.h"
#include "wire/json.h"

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
    PATHS_PATH = 2,
    ITEM_GET = 2,
    ITEM_PUT = 3,
    ITEM_POST = 4,
    ITEM_DELETE = 5,
    ITEM_PATCH = 8,
    OPERATION_PARAMETER = 8,
    OPERATION_EXTENSION = 13,
    PARAMETERS_PARAMETER = 1,
    PARAMETER_NON_BODY = 2,
    NON_BODY_QUERY = 3,
    QUERY_IN = 2,
    QUERY_DESCRIPTION = 3,
    QUERY_NAME = 4,
    QUERY_TYPE = 6,
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
static void put_extension(struct fl_buf *out, int field, const char *name,
                          const struct fl_json *value)
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
    put_bytes(out, field, fl_buf_slice(&named));
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
    put_extension(out, SCHEMA_EXTENSION, FL_OPENAPI_GVK, fl_json_get(schema, FL_OPENAPI_GVK));
}

/* ParametersItem{Parameter{NonBodyParameter{QueryParameterSubSchema}}} */
static void put_parameter(struct fl_buf *out, const struct fl_json *parameter)
{
    static const int wrappers[] = {NON_BODY_QUERY, PARAMETER_NON_BODY, PARAMETERS_PARAMETER};
    fl_auto_val(fl_buf) inner = FL_BUF_INIT(FL_BUF_ANY);
    put_text(&inner, QUERY_IN, fl_json_get_text(parameter, "in"));
    put_text(&inner, QUERY_DESCRIPTION, fl_json_get_text(parameter, "description"));
    put_text(&inner, QUERY_NAME, fl_json_get_text(parameter, "name"));
    put_text(&inner, QUERY_TYPE, fl_json_get_text(parameter, "type"));
    for (size_t i = 0; i < FL_LEN(wrappers); i++) {
        fl_auto_val(fl_buf) outer = FL_BUF_INIT(FL_BUF_ANY);
        put_bytes(&outer, wrappers[i], fl_buf_slice(&inner));
        fl_buf_clear(&inner);
        fl_buf_str(&inner, fl_buf_slice(&outer));
    }
    put_bytes(out, OPERATION_PARAMETER, fl_buf_slice(&inner));
}

static void put_operation(struct fl_buf *out, int field, const struct fl_json *operation)
{
    if (!operation) {
        return;
    }
    const struct fl_json *parameters = fl_json_get(operation, "parameters");
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    for (size_t i = 0; i < fl_json_len(parameters); i++) {
        put_parameter(&text, fl_json_at(parameters, i));
    }
    put_extension(&text, OPERATION_EXTENSION, FL_OPENAPI_GVK,
                  fl_json_get(operation, FL_OPENAPI_GVK));
    put_bytes(out, field, fl_buf_slice(&text));
}

static void put_path(struct fl_buf *out, struct fl_str name, const struct fl_json *item)
{
    fl_auto_val(fl_buf) value = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) named = FL_BUF_INIT(FL_BUF_ANY);
    put_operation(&value, ITEM_GET, fl_json_get(item, "get"));
    put_operation(&value, ITEM_PUT, fl_json_get(item, "put"));
    put_operation(&value, ITEM_POST, fl_json_get(item, "post"));
    put_operation(&value, ITEM_DELETE, fl_json_get(item, "delete"));
    put_operation(&value, ITEM_PATCH, fl_json_get(item, "patch"));
    put_bytes(&named, NAMED_NAME, name);
    put_bytes(&named, NAMED_VALUE, fl_buf_slice(&value));
    put_bytes(out, PATHS_PATH, fl_buf_slice(&named));
}

void fl_openapi_v2_proto(struct fl_buf *out)
{
    fl_auto(fl_json) doc = fl_openapi_v2_tree();
    fl_auto_val(fl_buf) about = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) paths = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) map = FL_BUF_INIT(FL_BUF_ANY);
    const struct fl_json *info = fl_json_get(doc, "info");
    put_text(&about, INFO_TITLE, fl_json_get_text(info, "title"));
    put_text(&about, INFO_VERSION, fl_json_get_text(info, "version"));
    struct fl_json_iter it = fl_json_iter(fl_json_get(doc, "paths"));
    while (fl_json_next(&it)) {
        put_path(&paths, it.key, it.value);
    }
    put_named(&map, MAP_ENTRY, fl_json_get(doc, "definitions"), 0);
    put_text(out, DOC_SWAGGER, fl_json_get_text(doc, "swagger"));
    put_bytes(out, DOC_INFO, fl_buf_slice(&about));
    put_bytes(out, DOC_PATHS, fl_buf_slice(&paths));
    put_bytes(out, DOC_DEFINITIONS, fl_buf_slice(&map));
}
