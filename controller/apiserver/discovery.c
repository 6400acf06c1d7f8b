/* SPDX-License-Identifier: Apache-2.0
 * Sources: client-go discovery/discovery_client.go, api apidiscovery/v2/types.go, kube-openapi pkg/handler3;
 * kubernetes.md 3.1, 3.2, 3.4. */
#include "apiserver/discovery.h"

#include "api/scheme.h"
#include "apiserver/discovery_docs.h"
#include "apiserver/openapi.h"
#include "apiserver/status.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/url.h"
#include "wire/digest.h"
#include "wire/httphead.h"
#include "wire/json.h"

#define PROTO_V2 "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

struct doc {
    struct fl_shared *text;
    char hash[FL_DIGEST_TEXT]; /* hex digits alone */
};

struct fl_discovery {
    struct fl_lock lock;
    struct fl_map *docs; /* by name of the document */
};

static void doc_free(void *p)
{
    struct doc *d = p;
    fl_shared_free(d->text);
    fl_free(d);
}

struct fl_discovery *fl_discovery_new(void)
{
    struct fl_discovery *d = FL_NEW(struct fl_discovery);
    fl_lock_init(&d->lock, "discovery", FL_RANK_ROUTE);
    d->docs = fl_map_new(doc_free);
    return d;
}

void fl_discovery_free(struct fl_discovery *d)
{
    if (!d) {
        return;
    }
    fl_map_free(d->docs);
    fl_lock_destroy(&d->lock);
    fl_free(d);
}

/* Documents, each made once. */

static struct doc *doc_new(const struct fl_doc_want *w)
{
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    struct doc *d = FL_NEW(struct doc);
    char digest[FL_DIGEST_TEXT];
    fl_discovery_build(w, &text);
    d->text = fl_shared_new(fl_buf_slice(&text));
    fl_digest_of(FL_SHA512, fl_buf_slice(&text), digest);
    const char *hex = strchr(digest, ':');
    (void)snprintf(d->hash, sizeof(d->hash), "%s", hex ? hex + 1 : digest);
    return d;
}

/* Lends; a document stays until the end. */
static const struct doc *doc_get(struct fl_discovery *d, const struct fl_doc_want *w)
{
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&key, "%d %d %s ", (int)w->type, w->core, w->version ? w->version : "");
    if (w->leader) {
        fl_buf_fmt(&key, "%s/%s", w->leader->group, w->leader->version);
    }
    fl_lock_scope(&d->lock);
    struct doc *doc = fl_map_get(d->docs, fl_buf_slice(&key));
    if (!doc) {
        doc = doc_new(w);
        fl_map_set(d->docs, fl_buf_slice(&key), doc);
    }
    return doc;
}

/* Answers. */

static bool etag_matches(const struct fl_request *req, const char *hash)
{
    struct fl_str have = fl_str_of(fl_request_header(req, "If-None-Match"));
    struct fl_str one;
    bool more = have.n > 0;
    while (more) {
        more = fl_str_cut(&have, ',', &one);
        one = fl_str_trim(one);
        if (fl_str_starts(one, "W/")) {
            one = (struct fl_str){one.p + 2, one.n - 2};
        }
        size_t n = strlen(hash);
        if (fl_str_is(one, "*") || (one.n == n + 2 && one.p[0] == '"' && one.p[n + 1] == '"' &&
                                    memcmp(one.p + 1, hash, n) == 0)) {
            return true;
        }
    }
    return false;
}

static void answer_as(struct fl_discovery *d, const struct fl_request *req, struct fl_response *res,
                      const struct fl_doc_want *w, const char *content_type)
{
    const struct doc *doc = doc_get(d, w);
    fl_response_header(res, "ETag", fl_arena_fmt(req->arena, "\"%s\"", doc->hash));
    fl_response_header(res, "Vary", "Accept");
    res->content_type = content_type;
    if (etag_matches(req, doc->hash)) {
        res->status = 304;
        return;
    }
    res->status = 200;
    res->shared = fl_shared_ref(doc->text);
}

static bool param_is(const struct fl_request *req, const char *name, const char *value)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(64);
    return fl_query_get(req->query, name, &b) && strcmp(b.data, value) == 0;
}

static void answer_json(struct fl_discovery *d, const struct fl_request *req,
                        struct fl_response *res, const struct fl_doc_want *w)
{
    answer_as(d, req, res, w, "application/json");
    bool pretty = param_is(req, "pretty", "true") || param_is(req, "pretty", "1") ||
                  fl_str_starts(fl_str_of(fl_request_header(req, "User-Agent")), "curl/");
    fl_auto(fl_json) tree = NULL;
    if (res->shared && pretty &&
        fl_json_parse(fl_shared_str(res->shared), FL_BUF_ANY, &tree, NULL) == 0) {
        fl_shared_free(fl_take(res->shared));
        fl_json_write_pretty(tree, &res->body);
        fl_buf_char(&res->body, '\n');
    }
}

static bool says(const struct fl_accept *c, const char *param, const char *value)
{
    const char *have = fl_accept_param(c, param);
    return have && strcmp(have, value) == 0;
}

static bool accepts(const struct fl_accept *c, const char *type)
{
    return fl_str_case_is(c->type, type) || fl_str_case_is(c->type, "application/*") ||
           fl_str_is(c->type, "*/*");
}

static size_t clauses_of(const struct fl_request *req, struct fl_accept **ret)
{
    struct fl_str accept = fl_str_trim(fl_str_of(fl_request_header(req, "Accept")));
    return accept.n > 0 ? fl_accept_parse(req->arena, accept, ret) : 0;
}

static void not_acceptable(struct fl_response *res, const char *types)
{
    fl_status_simple(res, 406, "NotAcceptable", "only the following media types are accepted: %s",
                     types);
}

/* The aggregated version a clause asks for; NULL: none that is served. */
static const char *aggregated_asked(const struct fl_accept *c)
{
    if (!says(c, "as", "APIGroupDiscoveryList") || !says(c, "g", "apidiscovery.k8s.io")) {
        return NULL;
    }
    return says(c, "v", "v2") ? "v2" : says(c, "v", "v2beta1") ? "v2beta1" : NULL;
}

/* /api and /apis: the first clause of Accept that is served decides between the forms. */
static void answer_groups(struct fl_discovery *d, const struct fl_request *req,
                          struct fl_response *res, bool core)
{
    struct fl_doc_want legacy = {.type = core ? DOC_LEGACY_CORE : DOC_GROUPS};
    struct fl_accept *clauses = NULL;
    size_t n = clauses_of(req, &clauses);
    for (size_t i = 0; i < n; i++) {
        if (!accepts(&clauses[i], "application/json")) {
            continue;
        }
        const char *version = aggregated_asked(&clauses[i]);
        if (version) {
            struct fl_doc_want w = {.type = DOC_AGGREGATED, .core = core, .version = version};
            answer_as(d, req, res, &w,
                      strcmp(version, "v2") == 0
                          ? "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
                          : "application/json;g=apidiscovery.k8s.io;v=v2beta1;as="
                            "APIGroupDiscoveryList");
            return;
        }
        if (!fl_accept_param(&clauses[i], "as")) {
            answer_json(d, req, res, &legacy);
            return;
        }
    }
    if (n > 0) {
        not_acceptable(res, "application/json");
        return;
    }
    answer_json(d, req, res, &legacy);
}

static void answer_openapi_v2(struct fl_discovery *d, const struct fl_request *req,
                              struct fl_response *res)
{
    struct fl_doc_want json = {.type = DOC_OPENAPI_V2};
    struct fl_doc_want proto = {.type = DOC_OPENAPI_V2_PROTO};
    struct fl_accept *clauses = NULL;
    size_t n = clauses_of(req, &clauses);
    for (size_t i = 0; i < n; i++) {
        /* Clients ask with '@', and read the answer's type with '.' (kubernetes.md 3.4). */
        if (fl_str_case_is(clauses[i].type,
                           "application/com.github.proto-openapi.spec.v2@v1.0+protobuf") ||
            fl_str_case_is(clauses[i].type, PROTO_V2)) {
            answer_as(d, req, res, &proto, PROTO_V2);
            return;
        }
        if (accepts(&clauses[i], "application/json")) {
            answer_json(d, req, res, &json);
            return;
        }
    }
    if (n > 0) {
        not_acceptable(res, "application/json, " PROTO_V2);
        return;
    }
    answer_json(d, req, res, &json);
}

static void v3_index(struct fl_discovery *d, struct fl_response *res)
{
    res->status = 200;
    res->content_type = "application/json";
    struct fl_buf *out = &res->body;
    fl_buf_text(out, "{\"paths\":{");
    bool first = true;
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        if (!fl_discovery_leads(k)) {
            continue;
        }
        struct fl_doc_want w = {.type = DOC_OPENAPI_V3, .leader = *k};
        fl_auto_val(fl_buf) root = FL_BUF_INIT(FL_BUF_ANY);
        fl_openapi_root(*k, &root);
        fl_buf_fmt(out, "%s\"%s\":{\"serverRelativeURL\":\"/openapi/v3%s?hash=%s\"}",
                   first ? "" : ",", root.data + 1, root.data, doc_get(d, &w)->hash);
        first = false;
    }
    fl_buf_text(out, "}}");
}

static void answer_v3(struct fl_discovery *d, const struct fl_request *req, struct fl_response *res,
                      const struct fl_kind *leader)
{
    struct fl_doc_want w = {.type = DOC_OPENAPI_V3, .leader = leader};
    const struct doc *doc = doc_get(d, &w);
    fl_auto_val(fl_buf) hash = FL_BUF_INIT(4096);
    bool given = fl_query_get(req->query, "hash", &hash);
    if (given && strcmp(hash.data, doc->hash) != 0) {
        fl_auto_val(fl_buf) root = FL_BUF_INIT(FL_BUF_ANY);
        fl_openapi_root(leader, &root);
        res->status = 301;
        res->content_type = "text/plain";
        fl_response_header(res, "Location",
                           fl_arena_fmt(req->arena, "/openapi/v3%s?hash=%s", root.data, doc->hash));
        return;
    }
    fl_response_header(res, "Cache-Control", given ? "public, immutable" : "no-cache, private");
    answer_json(d, req, res, &w);
}

/* Paths. */

static const struct fl_kind *leader_of(struct fl_str group, struct fl_str version)
{
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        if (fl_str_is(group, (*k)->group) &&
            (version.n == 0 || fl_str_is(version, (*k)->version))) {
            return *k;
        }
    }
    return NULL;
}

/* What follows a prefix in whole segments; false: another path. */
static bool under(struct fl_str path, const char *prefix, struct fl_str *rest)
{
    size_t n = strlen(prefix);
    if (!fl_str_starts(path, prefix) || (path.n > n && path.p[n] != '/')) {
        return false;
    }
    *rest = path.n > n ? (struct fl_str){path.p + n + 1, path.n - n - 1} : FL_STR("");
    return true;
}

/* "api/v1" or "apis/<group>/<version>": the leader of that version; NULL: no such. */
static const struct fl_kind *version_at(struct fl_str path)
{
    struct fl_str rest, group;
    if (under(path, "api", &rest)) {
        return rest.n > 0 ? leader_of(FL_STR(""), rest) : NULL;
    }
    if (!under(path, "apis", &rest) || !fl_str_cut(&rest, '/', &group) || group.n == 0 ||
        rest.n == 0) {
        return NULL;
    }
    return leader_of(group, rest);
}

static bool groups_serve(struct fl_discovery *d, const struct fl_request *req,
                         struct fl_response *res, struct fl_str path)
{
    struct fl_str rest;
    bool core = fl_str_is(path, "/api");
    if (core || fl_str_is(path, "/apis")) {
        answer_groups(d, req, res, core);
        return true;
    }
    struct fl_doc_want w = {.type = DOC_RESOURCES};
    w.leader = version_at((struct fl_str){path.p + 1, path.n - 1});
    if (!w.leader && under(path, "/apis", &rest) && rest.n > 0) {
        w.type = DOC_GROUP;
        w.leader = leader_of(rest, FL_STR(""));
    }
    if (!w.leader) {
        return false;
    }
    answer_json(d, req, res, &w);
    return true;
}

static bool openapi_serve(struct fl_discovery *d, const struct fl_request *req,
                          struct fl_response *res, struct fl_str path)
{
    struct fl_str rest;
    if (fl_str_is(path, "/openapi/v2")) {
        answer_openapi_v2(d, req, res);
        return true;
    }
    if (fl_str_is(path, "/openapi/v3")) {
        v3_index(d, res);
        return true;
    }
    if (!under(path, "/openapi/v3", &rest)) {
        return false;
    }
    const struct fl_kind *leader = version_at(rest);
    if (leader) {
        answer_v3(d, req, res, leader);
    }
    return leader != NULL;
}

static bool get_serve(struct fl_discovery *d, const struct fl_request *req, struct fl_response *res)
{
    struct fl_str path = req->path;
    if (path.n > 1 && path.p[path.n - 1] == '/') {
        path.n--;
    }
    if (fl_str_is(path, "/") || fl_str_is(path, "/version")) {
        struct fl_doc_want w = {.type = path.n == 1 ? DOC_ROOT : DOC_VERSION};
        answer_json(d, req, res, &w);
        return true;
    }
    return groups_serve(d, req, res, path) || openapi_serve(d, req, res, path);
}

static bool ours(struct fl_str path)
{
    static const char *const roots[] = {"/version", "/openapi", "/api", "/apis"};
    struct fl_str rest;
    if (path.n == 1) {
        return true;
    }
    for (size_t i = 0; i < FL_LEN(roots); i++) {
        if (under(path, roots[i], &rest)) {
            bool api = i >= FL_LEN(roots) - 2;
            return !api || rest.n == 0 ||
                   version_at((struct fl_str){path.p + 1, path.n - 1}) != NULL;
        }
    }
    return false;
}

bool fl_discovery_serve(struct fl_discovery *d, const struct fl_request *req,
                        struct fl_response *res)
{
    if (req->path.n == 0 || req->path.p[0] != '/') {
        return false;
    }
    if (strcmp(req->method, "GET") == 0 || strcmp(req->method, "HEAD") == 0) {
        return get_serve(d, req, res);
    }
    if (!ours(req->path)) {
        return false;
    }
    fl_status_simple(res, 405, "MethodNotAllowed", "%s is not supported on %.*s", req->method,
                     FL_STR_ARG(req->path));
    return true;
}
