/* SPDX-License-Identifier: Apache-2.0
 * The adapter "oci": any registry that speaks the OCI distribution protocol, without a vendor's API. */
#include "remote/oci/registry.h"

#include "base/mem.h"
#include "oci/oci.h"

struct fl_remote {
    struct fl_oci *oci;
};

static int registry_open(const struct fl_remote_conf *rc, struct fl_remote **ret,
                         struct fl_err *err)
{
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_oci_conf conf = {
        .url = rc->url,
        .ca_pem = rc->ca_pem,
        .insecure = rc->insecure,
        .timeout_ms = rc->timeout_ms,
        .max_concurrent = rc->max_concurrent,
        .clock = rc->clock,
    };
    int x = fl_oci_credentials(a, rc, &conf, err);
    if (x < 0) {
        return x;
    }
    struct fl_oci *oci = NULL;
    x = fl_oci_open(&conf, &oci, err);
    if (x < 0) {
        return x;
    }
    *ret = FL_NEW(struct fl_remote);
    (*ret)->oci = oci;
    return 0;
}

static void registry_close(struct fl_remote *r)
{
    if (r) {
        fl_oci_close(r->oci);
        fl_free(r);
    }
}

static int registry_probe(struct fl_remote *r, const struct fl_ctx *ctx,
                          struct fl_registry_probe *ret, struct fl_err *err)
{
    return fl_oci_probe(r->oci, ctx, ret, err);
}

static int registry_list_repositories(struct fl_remote *r, const struct fl_ctx *ctx,
                                      struct fl_arena *a, const char *const **ret, size_t *ret_n,
                                      struct fl_err *err)
{
    return fl_oci_list_repositories(r->oci, ctx, a, ret, ret_n, err);
}

static int registry_list_tags(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
                              const char *repo, struct fl_tag **ret, size_t *ret_n,
                              struct fl_err *err)
{
    return fl_oci_list_tags(r->oci, ctx, a, repo, ret, ret_n, err);
}

static int registry_head_manifest(struct fl_remote *r, const struct fl_ctx *ctx, const char *repo,
                                  const char *ref, bool writing, struct fl_manifest_head *ret,
                                  struct fl_err *err)
{
    return fl_oci_head_manifest(r->oci, ctx, repo, ref, writing, ret, err);
}

static bool registry_head_tags(struct fl_remote *r, const struct fl_ctx *ctx, const char *repo,
                               bool writing, struct fl_tag_head *tags, size_t n)
{
    return fl_oci_head_tags(r->oci, ctx, repo, writing, tags, n);
}

static int registry_get_manifest(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
                                 const char *repo, const char *digest, struct fl_manifest *ret,
                                 struct fl_err *err)
{
    return fl_oci_get_manifest(r->oci, ctx, a, repo, digest, ret, err);
}

static int registry_put_manifest(struct fl_remote *r, const struct fl_ctx *ctx, const char *repo,
                                 const char *ref, const struct fl_manifest *m, struct fl_err *err)
{
    return fl_oci_put_manifest(r->oci, ctx, repo, ref, m, err);
}

static int registry_open_blob(struct fl_remote *r, const struct fl_ctx *ctx, const char *repo,
                              const struct fl_descriptor *d, struct fl_blob_source **ret,
                              struct fl_err *err)
{
    (void)ctx;
    return fl_oci_open_blob(r->oci, repo, d, ret, err);
}

static int registry_push_blob(struct fl_remote *r, const struct fl_ctx *ctx, const char *repo,
                              const struct fl_descriptor *d, const char *mount_from, bool skip_head,
                              struct fl_blob_source *src, atomic_llong *moved,
                              enum fl_blob_outcome *ret, struct fl_err *err)
{
    return fl_oci_push_blob(r->oci, ctx, repo, d, mount_from, skip_head, src, moved, ret, err);
}

static const struct fl_registry_ops registry_ops = {
    .probe = registry_probe,
    .list_repositories = registry_list_repositories,
    .list_tags = registry_list_tags,
    .head_manifest = registry_head_manifest,
    .head_tags = registry_head_tags,
    .get_manifest = registry_get_manifest,
    .put_manifest = registry_put_manifest,
    .open_blob = registry_open_blob,
    .push_blob = registry_push_blob,
    .close_blob = fl_oci_close_blob,
};

const struct fl_adapter fl_adapter_oci = {
    .name = "oci",
    .open = registry_open,
    .close = registry_close,
    .registry = &registry_ops,
};
