/* SPDX-License-Identifier: Apache-2.0
 * What clients look for: kubectl finds the parameter fieldValidation on PATCH, and then leaves validation to the server;
 * explain finds a kind by x-kubernetes-group-version-kind of an operation and of a schema (kubernetes.md 3.4). */
#include "apiserver/openapi.h"

#include "api/scheme.h"
#include "wire/codec.h"
#include "wire/json.h"

#define META_NAME "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
#define GVK FL_OPENAPI_GVK

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

static void parameter(struct fl_json *list, bool v3, const char *name, const char *doc)
{
    struct fl_json *p = fl_json_object();
    struct fl_json *schema = v3 ? fl_json_object() : p;
    fl_json_set(p, "name", fl_json_text(name));
    fl_json_set(p, "in", fl_json_text("query"));
    fl_json_set(p, "description", fl_json_text(doc));
    fl_json_set(schema, "type", fl_json_text("string"));
    fl_json_set(schema, "uniqueItems", fl_json_bool(true));
    if (v3) {
        fl_json_set(p, "schema", schema);
    }
    fl_json_push(list, p);
}

static struct fl_json *operation(const struct fl_kind *k, bool v3, const char *action, bool writes)
{
    struct fl_json *op = fl_json_object();
    struct fl_json *params = fl_json_array();
    if (writes) {
        parameter(params, v3, "dryRun", "All = go through everything and store nothing.");
        parameter(params, v3, "fieldManager", "Who makes the change; at most 128 characters.");
        parameter(params, v3, "fieldValidation",
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

static void item_paths(struct fl_json *paths, bool v3, const struct fl_kind *k)
{
    struct fl_json *item = fl_json_object();
    fl_json_set(item, "get", operation(k, v3, "get", false));
    fl_json_set(item, "put", operation(k, v3, "put", true));
    fl_json_set(item, "patch", operation(k, v3, "patch", true));
    fl_json_set(item, "delete", operation(k, v3, "delete", true));
    add_path(paths, k, k->namespaced, "/{name}", item);
    if (k->flags & FL_KIND_STATUS) {
        struct fl_json *status = fl_json_object();
        fl_json_set(status, "get", operation(k, v3, "get", false));
        fl_json_set(status, "put", operation(k, v3, "put", true));
        fl_json_set(status, "patch", operation(k, v3, "patch", true));
        add_path(paths, k, k->namespaced, "/{name}/status", status);
    }
}

static void kind_paths(struct fl_json *paths, bool v3, const struct fl_kind *k)
{
    bool is_virtual = (k->flags & FL_KIND_VIRTUAL) != 0;
    struct fl_json *all = fl_json_object();
    if (!is_virtual) {
        fl_json_set(all, "get", operation(k, v3, "list", false));
        item_paths(paths, v3, k);
    }
    fl_json_set(all, "post", operation(k, v3, "post", true));
    add_path(paths, k, k->namespaced, "", all);
    if (k->namespaced && !is_virtual) {
        struct fl_json *everywhere = fl_json_object();
        fl_json_set(everywhere, "get", operation(k, v3, "list", false));
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
            kind_paths(paths, true, *k);
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

struct fl_json *fl_openapi_v2_tree(void)
{
    struct fl_json *doc = fl_json_object();
    struct fl_json *paths = fl_json_object();
    struct fl_json *definitions = fl_json_object();
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        kind_paths(paths, false, *k);
        set_schema(definitions, *k, "#/definitions/" META_NAME);
    }
    fl_json_set(definitions, META_NAME, meta_schema());
    fl_json_set(doc, "swagger", fl_json_text("2.0"));
    fl_json_set(doc, "info", info());
    fl_json_set(doc, "paths", paths);
    fl_json_set(doc, "definitions", definitions);
    return doc;
}

void fl_openapi_v2_json(struct fl_buf *out)
{
    fl_auto(fl_json) doc = fl_openapi_v2_tree();
    fl_json_write(doc, out);
}
