/* SPDX-License-Identifier: Apache-2.0
 * Source: apiserver pkg/endpoints/handlers/negotiation and response.go; kubernetes.md 3.6. */
#include "apiserver/form.h"

#include "api/scheme.h"
#include "apiserver/eventview.h"
#include "apiserver/table.h"
#include "base/url.h"
#include "wire/httphead.h"
#include "wire/json.h"
#include "wire/scan.h"
#include "wire/yaml.h"

static const char meta_group[] = "meta.k8s.io";

/* Picking. */

static bool says(const struct fl_accept *c, const char *param, const char *value)
{
    const char *have = fl_accept_param(c, param);
    return have && strcmp(have, value) == 0;
}

/* What `as=...` of a JSON clause asks for; false: nothing that is served. */
static bool pick_as(const struct fl_accept *c, const char *as, struct fl_form *ret)
{
    const char *group = fl_accept_param(c, "g");
    bool v1 = says(c, "v", "v1");
    bool v1beta1 = says(c, "v", "v1beta1");
    if (!group || strcmp(group, meta_group) != 0 || (!v1 && !v1beta1)) {
        return false;
    }
    if (strcmp(as, "Table") == 0) {
        ret->type = FL_FORM_TABLE;
    } else if (strcmp(as, "PartialObjectMetadata") == 0 ||
               strcmp(as, "PartialObjectMetadataList") == 0) {
        ret->type = FL_FORM_PARTIAL;
    } else {
        return false;
    }
    ret->v1beta1 = v1beta1;
    return true;
}

static bool pick_clause(const struct fl_accept *c, bool watch, struct fl_form *ret)
{
    bool json = fl_str_case_is(c->type, "application/json") ||
                fl_str_case_is(c->type, "application/*") || fl_str_is(c->type, "*/*");
    const char *as = fl_accept_param(c, "as");
    if (json) {
        return as ? pick_as(c, as, ret) : (ret->type = FL_FORM_JSON, true);
    }
    if (fl_str_case_is(c->type, "application/yaml") && !as && !watch) {
        ret->type = FL_FORM_YAML;
        return true;
    }
    return false;
}

static bool param_is(const struct fl_request *req, const char *name, const char *value)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(64);
    return fl_query_get(req->query, name, &b) && strcmp(b.data, value) == 0;
}

static enum fl_form_include pick_include(const struct fl_request *req)
{
    if (param_is(req, "includeObject", "None")) {
        return FL_INCLUDE_NONE;
    }
    return param_is(req, "includeObject", "Object") ? FL_INCLUDE_OBJECT : FL_INCLUDE_METADATA;
}

/* People read what curl and browsers show. */
static bool pick_pretty(const struct fl_request *req)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(64);
    if (fl_query_get(req->query, "pretty", &b)) {
        return strcmp(b.data, "1") == 0 || strcmp(b.data, "true") == 0;
    }
    struct fl_str agent = fl_str_of(fl_request_header(req, "User-Agent"));
    return fl_str_starts(agent, "curl/") || fl_str_starts(agent, "Wget/") ||
           fl_str_starts(agent, "Mozilla/");
}

int fl_form_pick(const struct fl_request *req, bool watch, int64_t now_ms, struct fl_form *ret,
                 struct fl_err *err)
{
    struct fl_form form = {
        .type = FL_FORM_JSON,
        .include = pick_include(req),
        .pretty = !watch && pick_pretty(req),
        .now_ms = now_ms,
    };
    struct fl_str accept = fl_str_trim(fl_str_of(fl_request_header(req, "Accept")));
    if (accept.n > 0) {
        struct fl_accept *clauses = NULL;
        size_t n = fl_accept_parse(req->arena, accept, &clauses);
        size_t i = 0;
        while (i < n && !pick_clause(&clauses[i], watch, &form)) {
            i++;
        }
        if (i == n) {
            return fl_fail(err, FL_E_INVALID, "NotAcceptable",
                           "only the following media types are accepted: application/json%s",
                           watch ? "" : ", application/yaml");
        }
    }
    *ret = form;
    return 0;
}

const char *fl_form_content_type(const struct fl_form *f)
{
    return f->type == FL_FORM_YAML ? "application/yaml" : "application/json";
}

/* Writing. */

static const char *meta_version(const struct fl_form *f)
{
    return f->v1beta1 ? "v1beta1" : "v1";
}

static void raw_metadata(struct fl_str text, struct fl_buf *out)
{
    struct fl_str meta = fl_scan_get(text, FL_STR("metadata"));
    fl_buf_str(out, meta.n > 0 ? meta : FL_STR("{}"));
}

static void partial(const struct fl_form *f, struct fl_str text, struct fl_buf *out)
{
    fl_buf_fmt(out, "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"%s/%s\",\"metadata\":",
               meta_group, meta_version(f));
    raw_metadata(text, out);
    fl_buf_char(out, '}');
}

/* The object in the words of its kind: events are stored in one form and shown in two. */
static void whole(const struct fl_kind *k, struct fl_str text, struct fl_buf *out)
{
    if (k == &fl_kind_event_v1) {
        fl_event_view(text, out);
    } else {
        fl_buf_str(out, text);
    }
}

static void table_row(const struct fl_form *f, const struct fl_kind *k, struct fl_str text,
                      struct fl_buf *out)
{
    fl_buf_text(out, "{\"cells\":");
    fl_table_cells(k, text, f->now_ms, out);
    fl_buf_text(out, ",\"object\":");
    switch (f->include) {
    case FL_INCLUDE_METADATA:
        partial(f, text, out);
        break;
    case FL_INCLUDE_OBJECT:
        whole(k, text, out);
        break;
    case FL_INCLUDE_NONE:
        fl_buf_text(out, "null");
        break;
    }
    fl_buf_char(out, '}');
}

static void table_head(const struct fl_form *f, struct fl_buf *out)
{
    fl_buf_fmt(out, "{\"kind\":\"Table\",\"apiVersion\":\"%s/%s\",\"metadata\":", meta_group,
               meta_version(f));
}

/* A Table of one object: an answer to get, or one event of a watch. */
static void table_of_one(const struct fl_form *f, const struct fl_kind *k, struct fl_str text,
                         bool columns, struct fl_buf *out)
{
    struct fl_str rv = fl_scan_path(text, "metadata.resourceVersion");
    table_head(f, out);
    fl_buf_text(out, "{\"resourceVersion\":");
    fl_buf_str(out, rv.n > 0 ? rv : FL_STR("\"\""));
    fl_buf_text(out, "},\"columnDefinitions\":");
    if (columns) {
        fl_table_columns(k, out);
    } else {
        fl_buf_text(out, "null");
    }
    fl_buf_text(out, ",\"rows\":[");
    table_row(f, k, text, out);
    fl_buf_text(out, "]}");
}

static void raw_form(const struct fl_form *f, const struct fl_kind *k, struct fl_str text,
                     bool columns, struct fl_buf *out)
{
    switch (f->type) {
    case FL_FORM_TABLE:
        table_of_one(f, k, text, columns, out);
        break;
    case FL_FORM_PARTIAL:
        partial(f, text, out);
        break;
    case FL_FORM_JSON:
    case FL_FORM_YAML:
        whole(k, text, out);
        break;
    }
}

/* Writes again, as YAML or indented, what stands in out from `start` on as compact JSON. */
static void restyle(const struct fl_form *f, size_t start, struct fl_buf *out)
{
    bool yaml = f->type == FL_FORM_YAML;
    if (!yaml && !f->pretty) {
        return;
    }
    fl_auto(fl_json) tree = NULL;
    struct fl_str text = {out->data + start, out->len - start};
    if (fl_json_parse(text, FL_BUF_ANY, &tree, NULL) < 0) {
        return; /* the buffer's cap cut it: its owner finds out by fl_buf_finish */
    }
    fl_buf_truncate(out, start);
    if (yaml) {
        fl_yaml_write(tree, out);
    } else {
        fl_json_write_pretty(tree, out);
        fl_buf_char(out, '\n');
    }
}

void fl_form_object(const struct fl_form *f, const struct fl_kind *k, struct fl_str text,
                    struct fl_buf *ret)
{
    size_t start = ret->len;
    raw_form(f, k, text, true, ret);
    restyle(f, start, ret);
}

static void api_version(const struct fl_kind *k, struct fl_buf *out)
{
    fl_buf_fmt(out, "%s%s%s", k->group, k->group[0] ? "/" : "", k->version);
}

void fl_form_list_begin(struct fl_form_list *l, const struct fl_form *f, const struct fl_kind *k,
                        struct fl_buf *out)
{
    *l = (struct fl_form_list){.form = *f, .kind = k, .out = out, .start = out->len};
    switch (f->type) {
    case FL_FORM_TABLE:
        fl_buf_fmt(out, "{\"kind\":\"Table\",\"apiVersion\":\"%s/%s\",\"columnDefinitions\":",
                   meta_group, meta_version(f));
        fl_table_columns(k, out);
        fl_buf_text(out, ",\"rows\":[");
        break;
    case FL_FORM_PARTIAL:
        fl_buf_fmt(out,
                   "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"%s/%s\",\"items\":[",
                   meta_group, meta_version(f));
        break;
    case FL_FORM_JSON:
    case FL_FORM_YAML:
        fl_buf_fmt(out, "{\"kind\":\"%sList\",\"apiVersion\":\"", k->kind);
        api_version(k, out);
        fl_buf_text(out, "\",\"items\":[");
        break;
    }
}

void fl_form_list_item(struct fl_form_list *l, struct fl_str text)
{
    if (l->n++ > 0) {
        fl_buf_char(l->out, ',');
    }
    if (l->form.type == FL_FORM_TABLE) {
        table_row(&l->form, l->kind, text, l->out);
    } else {
        raw_form(&l->form, l->kind, text, false, l->out);
    }
}

void fl_form_list_end(struct fl_form_list *l, int64_t rv, struct fl_str cont, int64_t remaining)
{
    fl_buf_fmt(l->out, "],\"metadata\":{\"resourceVersion\":\"%lld\"", (long long)rv);
    if (cont.n > 0) {
        fl_buf_text(l->out, ",\"continue\":");
        fl_buf_json_str(l->out, cont);
    }
    if (remaining >= 0) {
        fl_buf_text(l->out, ",\"remainingItemCount\":");
        fl_buf_i64(l->out, remaining);
    }
    fl_buf_text(l->out, "}}");
    restyle(&l->form, l->start, l->out);
}

void fl_form_event(const struct fl_form *f, const struct fl_kind *k, const char *type,
                   struct fl_str text, bool columns, struct fl_buf *ret)
{
    fl_buf_fmt(ret, "{\"type\":\"%s\",\"object\":", type);
    raw_form(f, k, text, columns, ret);
    fl_buf_text(ret, "}\n");
}

static void bookmark_meta(int64_t rv, bool initial_end, struct fl_buf *out)
{
    fl_buf_fmt(out, "{\"resourceVersion\":\"%lld\",\"creationTimestamp\":null%s}", (long long)rv,
               initial_end ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "");
}

void fl_form_bookmark(const struct fl_form *f, const struct fl_kind *k, int64_t rv,
                      bool initial_end, struct fl_buf *ret)
{
    fl_buf_text(ret, "{\"type\":\"BOOKMARK\",\"object\":");
    switch (f->type) {
    case FL_FORM_TABLE: {
        /* One row without cells: clients find the annotation in its object. */
        fl_auto_val(fl_buf) meta = FL_BUF_INIT(FL_BUF_ANY);
        bookmark_meta(rv, initial_end, &meta);
        table_head(f, ret);
        fl_buf_fmt(ret,
                   "{\"resourceVersion\":\"%lld\"},\"columnDefinitions\":null,\"rows\":[{\"cells\":"
                   "[],\"object\":{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"%s/%s\","
                   "\"metadata\":%s}}]}",
                   (long long)rv, meta_group, meta_version(f), meta.data);
        break;
    }
    case FL_FORM_PARTIAL:
        fl_buf_fmt(ret,
                   "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"%s/%s\",\"metadata\":",
                   meta_group, meta_version(f));
        bookmark_meta(rv, initial_end, ret);
        fl_buf_char(ret, '}');
        break;
    case FL_FORM_JSON:
    case FL_FORM_YAML:
        fl_buf_fmt(ret, "{\"kind\":\"%s\",\"apiVersion\":\"", k->kind);
        api_version(k, ret);
        fl_buf_text(ret, "\",\"metadata\":");
        bookmark_meta(rv, initial_end, ret);
        fl_buf_char(ret, '}');
        break;
    }
    fl_buf_text(ret, "}\n");
}

bool fl_form_same(const struct fl_form *a, const struct fl_form *b)
{
    return a->type == b->type && a->type != FL_FORM_TABLE && a->v1beta1 == b->v1beta1;
}
