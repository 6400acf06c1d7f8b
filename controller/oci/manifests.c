/* SPDX-License-Identifier: Apache-2.0
 * Manifests over the wire: head, get, put. registry.md 6, 8. */
#include "api/meta/oci_names.h"
#include "base/num.h"
#include "oci/oci_priv.h"
#include "wire/digest.h"
#include "wire/httphead.h"
#include "wire/json.h"

/* Without it docker-registry answers 404 for an OCI manifest that exists. One header, no q-values. registry.md 3. */
static const struct fl_header oci_accept = {
    "Accept", "application/vnd.oci.image.index.v1+json,application/"
              "vnd.docker.distribution.manifest.list.v2+json,"
              "application/vnd.oci.image.manifest.v1+json,application/"
              "vnd.docker.distribution.manifest.v2+json,"
              "application/vnd.docker.distribution.manifest.v1+prettyjws"};

static const char *oci_manifest_path(const struct fl_oci *o, struct fl_arena *a, const char *repo,
                                     const char *ref)
{
    return fl_arena_fmt(a, "%s/manifests/%s", oci_repo(o, a, repo), ref);
}

static bool oci_copy_digest(struct fl_str s, char ret[FL_DIGEST_MAX])
{
    if (s.n >= FL_DIGEST_MAX || fl_oci_digest_wrong(s)) {
        return false;
    }
    memcpy(ret, s.p, s.n);
    ret[s.n] = '\0';
    return true;
}

static enum fl_digest_alg oci_alg(const char *digest)
{
    return fl_text_starts(digest, "sha512:") ? FL_SHA512 : FL_SHA256;
}

static void oci_copy_media_type(const struct fl_http_resp *r, struct fl_manifest_head *ret)
{
    struct fl_str t = fl_media_type(fl_http_header(r, "content-type", 0));
    size_t n = t.n < sizeof(ret->media_type) ? t.n : 0;
    if (n) {
        memcpy(ret->media_type, t.p, n);
    }
    ret->media_type[n] = '\0';
}

/* Its digest is about to be believed, so it is looked at: a page that says "sign in" has a digest too. */
static bool oci_is_manifest(const struct fl_http_resp *r)
{
    fl_auto(fl_json) j = NULL;
    struct fl_err ignored = FL_ERR_INIT;
    return fl_json_parse(fl_buf_slice(&r->body), FL_OCI_MANIFEST_MAX, &j, &ignored) == 0 &&
           fl_json_is(j, FL_JSON_OBJECT);
}

/* Where HEAD does not tell the digest: the body tells it. */
static int oci_head_by_get(struct fl_oci *o, const struct fl_ctx *ctx,
                           const struct fl_oci_req *head, const char *what,
                           struct fl_manifest_head *ret, struct fl_err *err)
{
    struct fl_oci_req req = *head;
    req.method = "GET";
    req.body_cap = FL_OCI_MANIFEST_MAX;
    fl_auto_val(fl_http_resp) r;
    fl_http_resp_init(&r);
    int x = fl_oci_do(o, ctx, &req, &r, err);
    if (x < 0) {
        return x;
    }
    if (r.status != 200) {
        return fl_oci_fail(o, ctx, &r, what, err);
    }
    if (!oci_is_manifest(&r)) {
        return fl_fail_http(err, FL_E_BAD_DATA, r.status, -1, "ManifestInvalid",
                            "%s: %s: the answer is no manifest: a login page or proxy may stand "
                            "before the registry",
                            o->origin, what);
    }
    fl_digest_of(FL_SHA256, fl_buf_slice(&r.body), ret->digest);
    ret->size = (int64_t)r.body.len;
    oci_copy_media_type(&r, ret);
    return 0;
}

int fl_oci_head_manifest(struct fl_oci *o, const struct fl_ctx *ctx, const char *repo,
                         const char *ref, bool writing, struct fl_manifest_head *ret,
                         struct fl_err *err)
{
    fl_auto(fl_arena) a = fl_arena_new();
    const struct fl_oci_req req = {
        .method = "HEAD",
        .path = oci_manifest_path(o, a, repo, ref),
        .scope = oci_scope(o, a, repo, writing),
        .headers = &oci_accept,
        .n_headers = 1,
        .max_redirects = 5,
    };
    const char *what = fl_arena_fmt(a, "manifest %s:%s", repo, ref);
    fl_auto_val(fl_http_resp) r;
    fl_http_resp_init(&r);
    int x = fl_oci_do(o, ctx, &req, &r, err);
    if (x < 0) {
        return fl_wrap(err, "%s", what);
    }
    if (r.status != 200 && r.status != 405) {
        return fl_oci_fail(o, ctx, &r, what, err);
    }
    if (r.status == 405 ||
        !oci_copy_digest(fl_http_header(&r, "docker-content-digest", 0), ret->digest)) {
        return oci_head_by_get(o, ctx, &req, what, ret, err);
    }
    ret->size = fl_http_content_length(&r);
    oci_copy_media_type(&r, ret);
    return 0;
}

struct oci_tags {
    const struct fl_oci *o;
    const char *repo; /* as the registry names it */
    struct fl_tag_head *tags;
    struct fl_buf url;
};

static const char *oci_tag_url(void *arg, size_t i)
{
    struct oci_tags *t = arg;
    fl_buf_clear(&t->url);
    fl_buf_text(&t->url, t->o->base);
    fl_buf_text(&t->url, t->repo);
    fl_buf_text(&t->url, "/manifests/");
    fl_buf_text(&t->url, t->tags[i].name);
    return t->url.data;
}

static bool oci_tag_answer(void *arg, size_t i, const struct fl_http_resp *r)
{
    struct oci_tags *t = arg;
    struct fl_tag_head *tag = &t->tags[i];
    if (r->status == 404) {
        tag->told = FL_TAG_ABSENT;
    } else if (r->status == 200 &&
               oci_copy_digest(fl_http_header(r, "docker-content-digest", 0), tag->digest)) {
        tag->told = FL_TAG_THERE;
    }
    return tag->told != FL_TAG_UNTOLD;
}

bool fl_oci_head_tags(struct fl_oci *o, const struct fl_ctx *ctx, const char *repo, bool writing,
                      struct fl_tag_head *tags, size_t n)
{
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto_val(fl_secret) authorization = {0};
    struct fl_err ignored = FL_ERR_INIT;
    struct fl_ctx call = fl_ctx_timeout(ctx, o->timeout_ms);
    if (oci_authorize(o, &call, oci_scope(o, a, repo, writing), &authorization, &ignored) < 0) {
        return false;
    }
    struct oci_tags t = {o, oci_repo(o, a, repo), tags, FL_BUF_INIT(FL_BUF_ANY)};
    const struct fl_http_req req = {
        .method = "HEAD",
        .headers = &oci_accept,
        .n_headers = 1,
        .authorization = authorization.n ? &authorization : NULL,
        .body_cap = 4096,
    };
    const struct fl_http_many many = {
        .req = &req,
        .n = n,
        .timeout_ms = o->timeout_ms,
        .url = oci_tag_url,
        .answer = oci_tag_answer,
        .arg = &t,
    };
    for (size_t i = 0; i < n; i++) {
        tags[i].told = FL_TAG_UNTOLD;
    }
    (void)fl_http_do_many(o->http, ctx, &many, &ignored);
    fl_buf_release(&t.url);
    bool all = true;
    for (size_t i = 0; i < n; i++) {
        all = all && tags[i].told != FL_TAG_UNTOLD;
    }
    return all;
}

int fl_oci_get_manifest(struct fl_oci *o, const struct fl_ctx *ctx, struct fl_arena *a,
                        const char *repo, const char *digest, struct fl_manifest *ret,
                        struct fl_err *err)
{
    const struct fl_oci_req req = {
        .method = "GET",
        .path = oci_manifest_path(o, a, repo, digest),
        .scope = oci_scope(o, a, repo, false),
        .headers = &oci_accept,
        .n_headers = 1,
        .body_cap = FL_OCI_MANIFEST_MAX,
        .max_redirects = 5,
    };
    const char *what = fl_arena_fmt(a, "manifest %s@%s", repo, digest);
    fl_auto_val(fl_http_resp) r;
    fl_http_resp_init(&r);
    int x = fl_oci_do(o, ctx, &req, &r, err);
    if (x < 0) {
        return fl_wrap(err, "%s", what);
    }
    if (r.status != 200) {
        return fl_oci_fail(o, ctx, &r, what, err);
    }
    char found[FL_DIGEST_TEXT];
    fl_digest_of(oci_alg(digest), fl_buf_slice(&r.body), found);
    if (strcmp(found, digest) != 0) {
        return fl_fail(err, FL_E_BAD_DATA, "DigestMismatch", "%s: %s: the content that came is %s",
                       o->origin, what, found);
    }
    x = fl_oci_manifest_parse(a, fl_buf_slice(&r.body), fl_http_header(&r, "content-type", 0),
                              digest, ret, err);
    return x < 0 ? fl_wrap(err, "%s: %s", o->origin, what) : 0;
}

int fl_oci_put_manifest(struct fl_oci *o, const struct fl_ctx *ctx, const char *repo,
                        const char *ref, const struct fl_manifest *m, struct fl_err *err)
{
    fl_auto(fl_arena) a = fl_arena_new();
    const struct fl_header type = {"Content-Type", m->media_type};
    const struct fl_oci_req req = {
        .method = "PUT",
        .path = oci_manifest_path(o, a, repo, ref),
        .scope = oci_scope(o, a, repo, true),
        .headers = &type,
        .n_headers = 1,
        .body = m->bytes,
    };
    const char *what = fl_arena_fmt(a, "put manifest %s:%s", repo, ref);
    fl_auto_val(fl_http_resp) r;
    fl_http_resp_init(&r);
    int x = fl_oci_do(o, ctx, &req, &r, err);
    if (x < 0) {
        return fl_wrap(err, "%s", what);
    }
    if (r.status != 201 && r.status != 202) { /* Quay: 202; 200 would be somebody's web page */
        fl_oci_fail(o, ctx, &r, what, err);
        /* A manifest cannot be unknown to the one who is being given it: what is missing is a blob or child. */
        if (err->code == FL_E_NOT_FOUND && !fl_text_eq(err->reason, "RepositoryNotFound")) {
            (void)snprintf(err->reason, sizeof(err->reason), "BlobUnknown");
        }
        return err->code;
    }
    struct fl_str said = fl_http_header(&r, "docker-content-digest", 0);
    if (said.n && !fl_str_is(said, m->digest) && oci_alg(m->digest) == FL_SHA256) {
        return fl_fail(err, FL_E_BAD_DATA, "DigestMismatch",
                       "%s: %s: it was stored as %.*s instead of %s", o->origin, what,
                       FL_STR_ARG(said), m->digest);
    }
    return 0;
}
