/* SPDX-License-Identifier: Apache-2.0
 * The requests that the registry answers. Source: OCI distribution-spec 1.1; answers as docker-registry 2.8.2 gives them. */
#include "base/num.h"
#include "base/text.h"
#include "base/url.h"
#include "fake/registry_priv.h"
#include "wire/digest.h"
#include "wire/json.h"

/* ---- answers ---- */

void reg_header(struct fl_peer_answer *a, const char *text)
{
    for (size_t i = 0; i + 1 < FL_PEER_HEADERS; i++) {
        if (!a->headers[i]) {
            a->headers[i] = text;
            return;
        }
    }
    fl_assert(!"room for a header");
}

static void body_text(const struct fl_peer_request *req, struct fl_peer_answer *a, const char *text)
{
    a->body = fl_str_of(fl_arena_text(req->arena, text));
}

void reg_error(const struct fl_peer_request *req, struct fl_peer_answer *a, int status,
               const char *code, const char *message)
{
    a->status = status;
    reg_header(a, "Content-Type: application/json; charset=utf-8");
    body_text(req, a,
              fl_arena_fmt(req->arena, "{\"errors\":[{\"code\":\"%s\",\"message\":\"%s\"}]}", code,
                           message));
}

static const char *query(const struct fl_peer_request *req, const char *name)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_URL_MAX);
    return fl_query_get(req->query, name, &b) ? fl_arena_text(req->arena, b.data) : NULL;
}

/* ---- listings ---- */

static int up(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **names_of(struct fl_fake_registry *r, struct fl_arena *a, struct fl_map *m,
                             size_t *ret_n)
{
    const char **v = fl_arena_array(a, fl_map_len(m) + 1, sizeof(*v));
    size_t n = 0;
    struct fl_str key;
    void *value;
    for (size_t it = 0; fl_map_next(m, &it, &key, &value);) {
        v[n++] = fl_arena_str(a, key);
    }
    qsort(v, n, sizeof(*v), up);
    for (size_t i = 0; r->conf.unsorted && i < n / 2; i++) {
        const char *t = v[i];
        v[i] = v[n - 1 - i];
        v[n - 1 - i] = t;
    }
    *ret_n = n;
    return v;
}

static size_t page_start(const char *const *v, size_t n, const char *last)
{
    for (size_t i = 0; last && i < n; i++) {
        if (fl_text_eq(v[i], last)) {
            return i + 1;
        }
    }
    return 0;
}

static void link_next(struct fl_fake_registry *r, const struct reg_call *c, const char *last,
                      bool end, struct fl_peer_answer *ret)
{
    const struct fl_peer_request *req = c->req;
    const char *host = "";
    const char *more = fl_arena_fmt(req->arena, "last=%s&", last);
    switch (r->conf.links) {
    case FL_FAKE_LINK_NONE:
        return;
    case FL_FAKE_LINK_CIRCLE:
        more = end ? "" : more;
        end = false;
        break;
    case FL_FAKE_LINK_ABSOLUTE:
        host = fl_peer_url(r->peer);
        break;
    case FL_FAKE_LINK_ELSEWHERE:
        host = fl_peer_url(r->side);
        break;
    case FL_FAKE_LINK_EMPTY:
        more = fl_arena_fmt(req->arena, "%sempty=1&", more);
        break;
    case FL_FAKE_LINK_RELATIVE:
        break;
    }
    if (!end) {
        reg_header(ret, fl_arena_fmt(req->arena, "Link: <%s%.*s?%sn=%zu>; rel=\"next\"", host,
                                     FL_STR_ARG(req->path), more, r->conf.page));
    }
}

static void serve_list(struct fl_fake_registry *r, const struct reg_call *c, struct fl_map *names,
                       const char *member, struct fl_peer_answer *ret)
{
    const struct fl_peer_request *req = c->req;
    size_t n = 0;
    const char **v = names_of(r, req->arena, names, &n);
    const char *last = query(req, "last");
    size_t from = r->conf.page ? page_start(v, n, last) : 0;
    size_t to = n;
    bool empty = query(req, "empty") != NULL;
    int64_t asked = 0;
    const char *asked_text = query(req, "n");
    if (r->conf.page) {
        size_t page = r->conf.page;
        /* Without Link the client has to know that there is more: then a page is as long as it asked. */
        if (r->conf.links == FL_FAKE_LINK_NONE && asked_text &&
            fl_num_i64(fl_str_of(asked_text), &asked)) {
            page = (size_t)asked;
        }
        to = empty ? from : from + page < n ? from + page : n;
    }
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&b, "{\"%s\":", member);
    fl_buf_text(&b, n == 0 && r->conf.null_tags ? "null" : "[");
    for (size_t i = from; i < to; i++) {
        fl_buf_text(&b, i > from ? "," : "");
        fl_buf_json_str(&b, fl_str_of(v[i]));
    }
    fl_buf_text(&b, n == 0 && r->conf.null_tags ? "}" : "]}");
    reg_header(ret, "Content-Type: application/json; charset=utf-8");
    body_text(req, ret, b.data);
    if (empty) {
        reg_header(ret, fl_arena_fmt(req->arena, "Link: <%.*s?last=%s&n=%zu>; rel=\"next\"",
                                     FL_STR_ARG(req->path), last, r->conf.page));
    } else if (r->conf.page) {
        link_next(r, c, to > from ? v[to - 1] : "", to == n, ret);
    }
}

static void serve_tags(struct fl_fake_registry *r, const struct reg_call *c,
                       struct fl_peer_answer *ret)
{
    struct reg_repo *p = reg_repo(r, c->repo, false);
    if (!p) {
        reg_error(c->req, ret, 404, "NAME_UNKNOWN", "repository name not known to registry");
        return;
    }
    serve_list(r, c, p->tags, "tags", ret);
}

static void serve_catalog(struct fl_fake_registry *r, const struct reg_call *c,
                          struct fl_peer_answer *ret)
{
    if (r->conf.no_catalog) {
        ret->status = 404;
        body_text(c->req, ret, "404 page not found\n");
        return;
    }
    serve_list(r, c, r->repos, "repositories", ret);
}

/* ---- manifests ---- */

static void serve_manifest(struct fl_fake_registry *r, const struct reg_call *c,
                           struct fl_peer_answer *ret)
{
    const struct fl_peer_request *req = c->req;
    struct reg_repo *p = reg_repo(r, c->repo, false);
    const char *digest = c->ref;
    if (p && !strchr(c->ref, ':')) {
        digest = fl_map_get(p->tags, fl_str_of(c->ref));
    }
    const struct reg_manifest *m = p && digest ? fl_map_get(p->manifests, fl_str_of(digest)) : NULL;
    const char *accept = fl_peer_header(req, "Accept");
    bool wanted = m && accept && (r->conf.vague_type || strstr(accept, m->media_type));
    if (!wanted) {
        reg_error(req, ret, 404, "MANIFEST_UNKNOWN", "manifest unknown");
        return;
    }
    reg_header(ret, r->conf.vague_type
                        ? "Content-Type: application/octet-stream"
                        : fl_arena_fmt(req->arena, "Content-Type: %s", m->media_type));
    if (c->kind == FL_FAKE_MANIFEST_GET || !r->conf.no_head_digest) {
        reg_header(ret, fl_arena_fmt(req->arena, "Docker-Content-Digest: %s", digest));
    }
    ret->shared = fl_shared_ref(m->bytes);
}

static bool type_fits(const struct fl_peer_request *req)
{
    fl_auto(fl_json) j = NULL;
    if (fl_json_parse(req->body, (size_t)64 << 20, &j, NULL) < 0) {
        return false;
    }
    const char *own = fl_json_get_text(j, "mediaType");
    const char *told = fl_peer_header(req, "Content-Type");
    return told && (!own || fl_text_eq(own, told));
}

static void put_manifest(struct fl_fake_registry *r, const struct reg_call *c,
                         struct fl_peer_answer *ret)
{
    const struct fl_peer_request *req = c->req;
    char digest[FL_DIGEST_TEXT];
    fl_digest_of(FL_SHA256, req->body, digest);
    if (strchr(c->ref, ':') && !fl_text_eq(c->ref, digest)) {
        reg_problem(r, req, "a manifest whose digest is %s", digest);
        reg_error(req, ret, 400, "DIGEST_INVALID", "provided digest did not match");
        return;
    }
    if (!type_fits(req)) {
        reg_problem(r, req, "a manifest of another type than Content-Type");
        reg_error(req, ret, 400, "MANIFEST_INVALID", "manifest invalid");
        return;
    }
    const char *missing = reg_missing(req->arena, reg_repo(r, c->repo, true), req->body);
    if (missing) {
        if (!r->conf.tolerant) {
            reg_problem(r, req, "before %s, which it refers to", missing);
        }
        reg_error(req, ret, 404, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry");
        return;
    }
    reg_put_manifest(r, c->repo, fl_peer_header(req, "Content-Type"), req->body);
    if (!strchr(c->ref, ':')) {
        fl_map_set(reg_repo(r, c->repo, true)->tags, fl_str_of(c->ref), fl_strdup(digest));
    }
    ret->status = 201;
    reg_header(ret, fl_arena_fmt(req->arena, "Docker-Content-Digest: %s", digest));
    reg_header(ret, fl_arena_fmt(req->arena, "Location: /v2/%s/manifests/%s", c->repo, digest));
}

/* ---- blobs ---- */

static void blob_headers(struct fl_fake_registry *r, const struct reg_call *c,
                         struct fl_peer_answer *ret)
{
    reg_header(ret, "Content-Type: application/octet-stream");
    reg_header(ret, fl_arena_fmt(c->req->arena, "Docker-Content-Digest: %s", c->ref));
    ret->frame =
        r->conf.no_length && c->kind != FL_FAKE_BLOB_HEAD ? FL_PEER_CHUNKED : FL_PEER_LENGTH;
}

static void serve_blob(struct fl_fake_registry *r, const struct reg_call *c,
                       struct fl_peer_answer *ret)
{
    const struct fl_peer_request *req = c->req;
    struct reg_repo *p = reg_repo(r, c->repo, false);
    struct fl_shared *blob = p ? fl_map_get(p->blobs, fl_str_of(c->ref)) : NULL;
    if (!blob) {
        reg_error(req, ret, 404, "BLOB_UNKNOWN", "blob unknown to registry");
    } else if (r->conf.redirect_blobs && c->kind == FL_FAKE_BLOB_GET) {
        ret->status = 307;
        reg_header(ret, fl_arena_fmt(req->arena, "Location: %s/storage/%s/%s?signature=abc%%3D",
                                     fl_peer_url(r->side), c->repo, c->ref));
    } else {
        blob_headers(r, c, ret);
        ret->shared = fl_shared_ref(blob);
    }
}

/* Opens a session: 202 and its Location. */
static void open_session(struct fl_fake_registry *r, const struct reg_call *c,
                         struct fl_peer_answer *ret)
{
    const struct fl_peer_request *req = c->req;
    const char *id = fl_arena_fmt(req->arena, "session-%d", ++r->n_sessions);
    fl_map_set(r->sessions, fl_str_of(id), fl_strdup(c->repo));
    ret->status = 202;
    const char *path = fl_arena_fmt(req->arena, "/v2/%s/blobs/uploads/%s", c->repo, id);
    const char *host = fl_peer_url(r->peer);
    if (r->conf.upload_elsewhere) {
        path = fl_arena_fmt(req->arena, "/uploads/%s", id);
        host = fl_peer_url(r->side);
    }
    /* A state that has to come back byte for byte. */
    reg_header(ret, fl_arena_fmt(req->arena, "Location: %s%s?_state=a%%2Fb%%3D-%s",
                                 r->conf.relative_location ? "" : host, path, id));
    reg_header(ret, "Range: 0-0");
}

static void open_upload(struct fl_fake_registry *r, const struct reg_call *c,
                        struct fl_peer_answer *ret)
{
    if (c->req->content_length != 0) {
        reg_problem(r, c->req, "Content-Length is not 0");
    }
    if (c->mount && c->from && !r->conf.no_mount) {
        struct reg_repo *from = reg_repo(r, c->from, false);
        struct fl_shared *blob = from ? fl_map_get(from->blobs, fl_str_of(c->mount)) : NULL;
        if (blob) {
            fl_map_set(reg_repo(r, c->repo, true)->blobs, fl_str_of(c->mount), fl_shared_ref(blob));
            r->mounted++;
            ret->status = 201;
            reg_header(ret,
                       fl_arena_fmt(c->req->arena, "Location: /v2/%s/blobs/%s", c->repo, c->mount));
            return;
        }
    }
    open_session(r, c, ret);
}

static bool state_kept(const struct reg_call *c)
{
    const char *want = fl_arena_fmt(c->req->arena, "_state=a%%2Fb%%3D-%s", c->ref);
    return strstr(c->req->target, want) != NULL;
}

static void finish_upload(struct fl_fake_registry *r, const struct reg_call *c,
                          struct fl_peer_answer *ret)
{
    const struct fl_peer_request *req = c->req;
    const char *repo = fl_map_get(r->sessions, fl_str_of(c->ref));
    if (!repo) {
        reg_error(req, ret, 404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
        return;
    }
    if (!state_kept(c) || req->content_length < 0) {
        reg_problem(r, req, "the state of the upload or Content-Length is missing");
    }
    char digest[FL_DIGEST_TEXT];
    fl_digest_of(FL_SHA256, req->body, digest);
    const char *told = query(req, "digest");
    if (!fl_text_eq(told, digest)) {
        reg_problem(r, req, "an upload whose digest is %s", digest);
        reg_error(req, ret, 400, "DIGEST_INVALID", "provided digest did not match");
        return;
    }
    reg_put_blob(r, repo, req->body);
    r->uploaded++;
    ret->status = 201;
    reg_header(ret, fl_arena_fmt(req->arena, "Location: /v2/%s/blobs/%s", repo, digest));
    reg_header(ret, fl_arena_fmt(req->arena, "Docker-Content-Digest: %s", digest));
    fl_map_del(r->sessions, fl_str_of(c->ref));
}

static void cancel_upload(struct fl_fake_registry *r, const struct reg_call *c,
                          struct fl_peer_answer *ret)
{
    if (!fl_map_del(r->sessions, fl_str_of(c->ref))) {
        reg_error(c->req, ret, 404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
        return;
    }
    ret->status = 204;
}

/* ---- reading a request ---- */

static const char *find_last(struct fl_str path, const char *mark)
{
    size_t n = strlen(mark);
    for (size_t i = path.n >= n ? path.n - n + 1 : 0; i > 0; i--) {
        if (memcmp(path.p + i - 1, mark, n) == 0) {
            return path.p + i - 1;
        }
    }
    return NULL;
}

struct route {
    const char *method;
    const char *mark;
    bool bare; /* nothing after the mark */
    enum fl_fake_kind kind;
};

static const struct route routes[] = {
    {"GET", "/tags/list", true, FL_FAKE_TAGS},
    {"HEAD", "/manifests/", false, FL_FAKE_MANIFEST_HEAD},
    {"GET", "/manifests/", false, FL_FAKE_MANIFEST_GET},
    {"PUT", "/manifests/", false, FL_FAKE_MANIFEST_PUT},
    {"POST", "/blobs/uploads/", true, FL_FAKE_UPLOAD_POST},
    {"PUT", "/blobs/uploads/", false, FL_FAKE_UPLOAD_PUT},
    {"DELETE", "/blobs/uploads/", false, FL_FAKE_UPLOAD_CANCEL},
    {"HEAD", "/blobs/", false, FL_FAKE_BLOB_HEAD},
    {"GET", "/blobs/", false, FL_FAKE_BLOB_GET},
};

static bool call_route(struct reg_call *c, struct fl_str path)
{
    struct fl_arena *a = c->req->arena;
    for (size_t i = 0; i < FL_LEN(routes); i++) {
        const struct route *t = &routes[i];
        const char *at = find_last(path, t->mark);
        const char *end = at ? at + strlen(t->mark) : NULL;
        size_t rest = at ? (size_t)(path.p + path.n - end) : 0;
        if (!at || !fl_text_eq(c->req->method, t->method) || t->bare != (rest == 0) ||
            memchr(end, '/', rest)) {
            continue;
        }
        c->kind = t->kind;
        c->repo = fl_arena_str(a, (struct fl_str){path.p + 4, (size_t)(at - path.p) - 4});
        c->ref = fl_arena_str(a, (struct fl_str){end, rest});
        return true;
    }
    return false;
}

static void call_read(const struct fl_fake_registry *r, const struct fl_peer_request *req,
                      struct reg_call *c)
{
    *c = (struct reg_call){.req = req, .kind = FL_FAKE_KINDS};
    bool get = fl_text_eq(req->method, "GET");
    const char *ping = r->conf.ping_path ? r->conf.ping_path : "/v2/";
    if (get && fl_str_is(req->path, ping)) {
        c->kind = FL_FAKE_PING;
    } else if (get && fl_str_is(req->path, "/v2/_catalog")) {
        c->kind = FL_FAKE_CATALOG;
    } else if (fl_str_starts(req->path, "/v2/") && call_route(c, req->path)) {
        c->mount = query(req, "mount");
        c->from = query(req, "from");
        if (c->kind == FL_FAKE_UPLOAD_POST && c->mount) {
            c->kind = FL_FAKE_MOUNT;
        }
    }
}

static void serve(struct fl_fake_registry *r, const struct reg_call *c, struct fl_peer_answer *ret)
{
    switch (c->kind) {
    case FL_FAKE_PING:
        reg_header(ret, "Content-Type: application/json");
        body_text(c->req, ret, "{}");
        break;
    case FL_FAKE_CATALOG:
        serve_catalog(r, c, ret);
        break;
    case FL_FAKE_TAGS:
        serve_tags(r, c, ret);
        break;
    case FL_FAKE_MANIFEST_HEAD:
    case FL_FAKE_MANIFEST_GET:
        serve_manifest(r, c, ret);
        break;
    case FL_FAKE_MANIFEST_PUT:
        put_manifest(r, c, ret);
        break;
    case FL_FAKE_BLOB_HEAD:
    case FL_FAKE_BLOB_GET:
        serve_blob(r, c, ret);
        break;
    case FL_FAKE_UPLOAD_POST:
    case FL_FAKE_MOUNT:
        open_upload(r, c, ret);
        break;
    case FL_FAKE_UPLOAD_PUT:
        finish_upload(r, c, ret);
        break;
    case FL_FAKE_UPLOAD_CANCEL:
        cancel_upload(r, c, ret);
        break;
    default:
        break;
    }
}

void reg_handle(void *arg, const struct fl_peer_request *req, struct fl_peer_answer *ret)
{
    struct fl_fake_registry *r = arg;
    fl_lock_scope(&r->lock);
    struct reg_call c;
    call_read(r, req, &c);
    r->counts[c.kind]++;
    if (c.kind == FL_FAKE_KINDS) {
        if (!r->conf.ping_path) {
            reg_problem(r, req, "not expected");
        }
        reg_error(req, ret, 404, "NOT_FOUND", "page not found");
        return;
    }
    if (!reg_authorized(r, &c, ret)) {
        return;
    }
    const struct fl_fake_fault *f = reg_fault(r, req);
    if (f && reg_fault_instead(r, f, &c, ret)) {
        return;
    }
    serve(r, &c, ret);
    if (f) {
        reg_fault_after(f, req, ret);
    }
}

/* ---- the other server ---- */

static void side_storage(struct fl_fake_registry *r, struct reg_call *c, struct fl_str path,
                         struct fl_peer_answer *ret)
{
    struct fl_arena *a = c->req->arena;
    c->kind = FL_FAKE_STORAGE_GET;
    const char *at = find_last(path, "/");
    c->repo = fl_arena_str(a, (struct fl_str){path.p + 9, (size_t)(at - path.p) - 9});
    c->ref = fl_arena_str(a, (struct fl_str){at + 1, (size_t)(path.p + path.n - at) - 1});
    if (r->conf.storage_asks) {
        ret->status = 401;
        reg_header(ret, fl_arena_fmt(a, "WWW-Authenticate: Bearer realm=\"%s/stolen\"",
                                     fl_peer_url(r->side)));
        return;
    }
    struct reg_repo *p = reg_repo(r, c->repo, false);
    struct fl_shared *blob = p ? fl_map_get(p->blobs, fl_str_of(c->ref)) : NULL;
    if (!blob || !strstr(c->req->target, "?signature=abc%3D")) {
        reg_problem(r, c->req, "no such object, or not the signature of the redirect");
        ret->status = 403;
        return;
    }
    blob_headers(r, c, ret);
    ret->shared = fl_shared_ref(blob);
}

static void side_serve(struct fl_fake_registry *r, struct reg_call *c, struct fl_peer_answer *ret)
{
    const struct fl_peer_request *req = c->req;
    bool get = fl_text_eq(req->method, "GET");
    bool upload = fl_str_starts(req->path, "/uploads/") && r->conf.upload_elsewhere;
    if (fl_str_is(req->path, "/token")) {
        c->kind = FL_FAKE_TOKEN;
        reg_token_service(r, req, ret);
    } else if ((get || fl_text_eq(req->method, "HEAD")) && fl_str_starts(req->path, "/storage/")) {
        side_storage(r, c, req->path, ret);
    } else if (upload && fl_text_eq(req->method, "PUT")) {
        c->kind = FL_FAKE_UPLOAD_PUT;
        finish_upload(r, c, ret);
    } else if (upload && fl_text_eq(req->method, "DELETE")) {
        c->kind = FL_FAKE_UPLOAD_CANCEL;
        cancel_upload(r, c, ret);
    } else {
        reg_problem(r, req, "not expected");
        ret->status = 404;
    }
    if (c->kind != FL_FAKE_TOKEN && fl_peer_header(req, "Authorization")) {
        reg_problem(r, req, "credentials for a host that is not the registry");
    }
}

void reg_handle_side(void *arg, const struct fl_peer_request *req, struct fl_peer_answer *ret)
{
    struct fl_fake_registry *r = arg;
    fl_lock_scope(&r->lock);
    struct reg_call c = {.req = req, .kind = FL_FAKE_KINDS};
    c.ref = fl_str_starts(req->path, "/uploads/")
                ? fl_arena_str(req->arena, (struct fl_str){req->path.p + 9, req->path.n - 9})
                : "";
    const struct fl_fake_fault *f = reg_fault(r, req);
    if (f && fl_str_is(req->path, "/token")) {
        c.kind = FL_FAKE_TOKEN;
    }
    if (!f || !reg_fault_instead(r, f, &c, ret)) {
        side_serve(r, &c, ret);
        if (f) {
            reg_fault_after(f, req, ret);
        }
    }
    r->counts[c.kind]++;
}
