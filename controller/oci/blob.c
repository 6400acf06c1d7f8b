/* SPDX-License-Identifier: Apache-2.0
 * Blobs: HEAD, mount, upload streamed from the source and hashed once on the way. registry.md 7. */
#include "base/mem.h"
#include "base/url.h"
#include "oci/oci_priv.h"
#include "wire/digest.h"

#define BLOB_CANCEL_MS 2000

int fl_oci_open_blob(struct fl_oci *o, const char *repo, const struct fl_descriptor *d,
                     struct fl_blob_source **ret, struct fl_err *err)
{
    (void)err;
    struct fl_blob_source *s = FL_NEW(struct fl_blob_source);
    s->o = o;
    s->repo = fl_strdup(repo);
    s->digest = fl_strdup(d->digest);
    s->size = d->size;
    *ret = s;
    return 0;
}

void fl_oci_close_blob(struct fl_blob_source *s)
{
    if (!s) {
        return;
    }
    fl_free(s->repo);
    fl_free(s->digest);
    fl_free(s);
}

struct blob_push {
    struct fl_oci *o;
    const struct fl_ctx *ctx;
    struct fl_arena *a;
    const char *repo; /* as the registry names it */
    const char *what; /* "blob repo@digest" */
    const char *scope;
    const struct fl_descriptor *d;
    struct fl_blob_source *src;
    struct fl_digest *hash;
    atomic_llong *moved;
    char *location; /* of the open upload session; NULL = none */
};

static int blob_head(struct blob_push *b, bool *ret_there, struct fl_err *err)
{
    const struct fl_oci_req req = {
        .method = "HEAD",
        .path = fl_arena_fmt(b->a, "%s/blobs/%s", b->repo, b->d->digest),
        .scope = b->scope,
        .max_redirects = 5,
    };
    fl_auto_val(fl_http_resp) r;
    fl_http_resp_init(&r);
    int x = fl_oci_do(b->o, b->ctx, &req, &r, err);
    if (x < 0) {
        return x;
    }
    if (r.status != 200 && r.status != 404) {
        return fl_oci_fail(b->o, b->ctx, &r, b->what, err);
    }
    *ret_there = r.status == 200;
    return 0;
}

/* Remembers the session and where it goes on. Location may be absolute, relative to the request, or on another host. */
static int blob_session(struct blob_push *b, const struct fl_http_resp *r, struct fl_err *err)
{
    fl_auto_val(fl_buf) url = FL_BUF_INIT(FL_URL_MAX);
    struct fl_str location = fl_http_header(r, "location", 0);
    if (location.n == 0) {
        return fl_fail(err, FL_E_BAD_DATA, "UploadInvalid",
                       "%s: %s: an upload was opened without a Location", b->o->origin, b->what);
    }
    int x = fl_url_resolve(&url, fl_str_of(r->url), location, err);
    if (x < 0) {
        return fl_wrap(err, "%s: %s: Location", b->o->origin, b->what);
    }
    fl_free(b->location);
    b->location = fl_buf_take(&url);
    return 0;
}

/* Opens an upload, or mounts the blob out of another repository: then *ret_mounted. */
static int blob_open_upload(struct blob_push *b, const char *mount_from, bool *ret_mounted,
                            struct fl_err *err)
{
    const char *path = fl_arena_fmt(b->a, "%s/blobs/uploads/", b->repo);
    const char *scope = b->scope;
    if (mount_from) {
        const char *from = oci_repo(b->o, b->a, mount_from);
        path = fl_arena_fmt(b->a, "%s?mount=%s&from=%s", path, b->d->digest, from);
        scope = fl_arena_fmt(b->a, "%s repository:%s:pull", scope, from);
    }
    const struct fl_oci_req req = {.method = "POST", .path = path, .scope = scope};
    fl_auto_val(fl_http_resp) r;
    fl_http_resp_init(&r);
    int x = fl_oci_do(b->o, b->ctx, &req, &r, err);
    if (x < 0) {
        return x;
    }
    if (r.status == 201 && mount_from) {
        *ret_mounted = true;
        return 0;
    }
    if (r.status != 202) {
        return fl_oci_fail(b->o, b->ctx, &r, b->what, err);
    }
    return blob_session(b, &r, err);
}

/* Best effort: the registry may not allow it, and forgets the session by itself in days. Not stopped by the cancel that
 * brought us here. */
static void blob_cancel_upload(struct blob_push *b)
{
    if (!b->location) {
        return;
    }
    struct fl_ctx root = fl_ctx_root(b->ctx->clock, NULL);
    struct fl_ctx ctx = fl_ctx_timeout(&root, BLOB_CANCEL_MS);
    const struct fl_oci_req req = {.method = "DELETE", .url = b->location, .scope = b->scope};
    fl_auto_val(fl_http_resp) r;
    fl_http_resp_init(&r);
    struct fl_err ignored = FL_ERR_INIT;
    (void)fl_oci_do(b->o, &ctx, &req, &r, &ignored);
    fl_free(b->location);
    b->location = NULL;
}

static void blob_tap(void *arg, struct fl_str piece)
{
    struct blob_push *b = arg;
    fl_digest_add(b->hash, piece);
    atomic_fetch_add(b->moved, (long long)piece.n);
}

static int blob_verify(void *arg, struct fl_err *err)
{
    struct blob_push *b = arg;
    char found[FL_DIGEST_TEXT];
    fl_digest_text(b->hash, found);
    if (strcmp(found, b->d->digest) != 0) {
        return fl_fail(err, FL_E_BAD_DATA, "DigestMismatch",
                       "%s: blob %s@%s: the content that came is %s", b->src->o->origin,
                       b->src->repo, b->d->digest, found);
    }
    return 0;
}

static const char *blob_put_url(struct blob_push *b)
{
    fl_assert(b->location != NULL);
    return fl_arena_fmt(b->a, "%s%cdigest=%s", b->location, strchr(b->location, '?') ? '&' : '?',
                        b->d->digest);
}

/* One GET into one PUT. 0 with both answers filled, whatever their statuses. *ret_again: a token was refused and another can be
 * had. */
static int blob_pipe(struct blob_push *b, struct fl_http_resp *from, struct fl_http_resp *to,
                     bool *ret_again, struct fl_err *err)
{
    struct fl_blob_source *s = b->src;
    const char *scope = oci_scope(s->o, b->a, s->repo, false);
    fl_auto_val(fl_secret) read = {0};
    fl_auto_val(fl_secret) write = {0};
    int x = oci_authorize(s->o, b->ctx, scope, &read, err);
    if (x == 0 && oci_own_url(b->o, b->location)) {
        x = oci_authorize(b->o, b->ctx, b->scope, &write, err);
    }
    if (x < 0) {
        return x;
    }
    const struct fl_header identity = {"Accept-Encoding", "identity"};
    const struct fl_header type = {"Content-Type", "application/octet-stream"};
    const struct fl_http_req get = {
        .method = "GET",
        .url = fl_arena_fmt(b->a, "%s%s/blobs/%s", s->o->base, oci_repo(s->o, b->a, s->repo),
                            s->digest),
        .headers = &identity,
        .n_headers = 1,
        .authorization = read.n ? &read : NULL,
        .max_redirects = 10,
    };
    const struct fl_http_req put = {
        .method = "PUT",
        .url = blob_put_url(b),
        .headers = &type,
        .n_headers = 1,
        .authorization = write.n ? &write : NULL,
    };
    fl_digest_reset(b->hash);
    const struct fl_http_pipe pipe = {
        .from = s->o->http,
        .get = &get,
        .to = b->o->http,
        .put = &put,
        .size = b->d->size,
        .tap = blob_tap,
        .tap_arg = b,
        .verify = blob_verify,
    };
    x = fl_http_pipe(&pipe, b->ctx, from, to, err);
    if (x < 0) {
        if (x == FL_E_BAD_DATA && fl_text_eq(err->reason, "BadLength")) {
            (void)snprintf(err->reason, sizeof(err->reason),
                           "DigestMismatch"); /* of another content */
        }
        return x;
    }
    /* Only of the registries themselves: a storage that answers 401 does not say where the password goes. */
    if (from->status == 401 && oci_own_url(s->o, from->url)) {
        *ret_again = true;
        return oci_challenged(s->o, from, scope, &read, err);
    }
    if (to->status == 401 && oci_own_url(b->o, b->location)) {
        *ret_again = true;
        return oci_challenged(b->o, to, b->scope, &write, err);
    }
    return 0;
}

static int blob_settle(struct blob_push *b, const struct fl_http_resp *from,
                       const struct fl_http_resp *to, struct fl_err *err)
{
    if (from->status != 200) {
        int x =
            fl_oci_fail(b->src->o, b->ctx, from,
                        fl_arena_fmt(b->a, "get blob %s@%s", b->src->repo, b->src->digest), err);
        return x;
    }
    if (to->status != 201 && to->status != 204) {
        fl_oci_fail(b->o, b->ctx, to, b->what, err);
        if (err->code == FL_E_NOT_FOUND) { /* the session is gone: another try opens a new one */
            err->code = FL_E_UNAVAILABLE;
            (void)snprintf(err->reason, sizeof(err->reason), "UploadLost");
        }
        return err->code;
    }
    struct fl_str said = fl_http_header(to, "docker-content-digest", 0);
    if (said.n && !fl_str_is(said, b->d->digest) && fl_text_starts(b->d->digest, "sha256:")) {
        return fl_fail(err, FL_E_BAD_DATA, "DigestMismatch", "%s: %s: it was stored as %.*s",
                       b->o->origin, b->what, FL_STR_ARG(said));
    }
    fl_free(b->location); /* the session ended with the blob */
    b->location = NULL;
    return 0;
}

static int blob_upload(struct blob_push *b, struct fl_err *err)
{
    for (int attempt = 0;; attempt++) {
        fl_auto_val(fl_http_resp) from;
        fl_auto_val(fl_http_resp) to;
        fl_http_resp_init(&from);
        fl_http_resp_init(&to);
        bool again = false;
        int x = blob_pipe(b, &from, &to, &again, err);
        if (x < 0) {
            return fl_wrap(err, "%s", b->what);
        }
        if (!again || attempt > 0) {
            return blob_settle(b, &from, &to, err);
        }
    }
}

static int blob_push(struct blob_push *b, const char *mount_from, bool skip_head,
                     enum fl_blob_outcome *ret, struct fl_err *err)
{
    bool there = false;
    bool mounted = false;
    int x = skip_head ? 0 : blob_head(b, &there, err);
    if (x < 0) {
        return x;
    }
    if (there) {
        *ret = FL_BLOB_EXISTED;
        return 0;
    }
    x = blob_open_upload(b, mount_from, &mounted, err);
    if (x < 0) {
        return x;
    }
    if (mounted) {
        *ret = FL_BLOB_MOUNTED;
        return 0;
    }
    x = blob_upload(b, err);
    if (x == 0) {
        *ret = FL_BLOB_COPIED;
    }
    return x;
}

int fl_oci_push_blob(struct fl_oci *o, const struct fl_ctx *ctx, const char *repo,
                     const struct fl_descriptor *d, const char *mount_from, bool skip_head,
                     struct fl_blob_source *src, atomic_llong *moved, enum fl_blob_outcome *ret,
                     struct fl_err *err)
{
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto(fl_digest) hash =
        fl_digest_new(fl_text_starts(d->digest, "sha512:") ? FL_SHA512 : FL_SHA256);
    struct blob_push b = {
        .o = o,
        .ctx = ctx,
        .a = a,
        .repo = oci_repo(o, a, repo),
        .what = fl_arena_fmt(a, "push blob %s@%s", repo, d->digest),
        .scope = oci_scope(o, a, repo, true),
        .d = d,
        .src = src,
        .hash = hash,
        .moved = moved,
    };
    int x = blob_push(&b, mount_from, skip_head, ret, err);
    blob_cancel_upload(&b);
    return x;
}
