/* SPDX-License-Identifier: Apache-2.0
 * The registry port: what replication asks of a container registry. Source of the semantics: OCI distribution-spec 1.1;
 * reference registry.md. Every slot of an offered port is filled. Common failures: AUTH, LIMITED, UNAVAILABLE, TIMEOUT,
 * BAD_DATA, TOO_BIG, CANCELED. Messages name repository and reference. */
#ifndef FL_PORT_REGISTRY_H
#define FL_PORT_REGISTRY_H

#include "base/arena.h"
#include "base/ctx.h"

struct fl_remote;

#define FL_DIGEST_MAX 136 /* "sha512:" and 128 hex digits, terminated */

enum fl_registry_auth { FL_AUTH_ANONYMOUS, FL_AUTH_BASIC, FL_AUTH_BEARER };

struct fl_registry_probe {
    enum fl_registry_auth auth;
    bool catalog; /* lists its repositories */
    bool referrers;
    bool listing_digests; /* list_tags tells digests */
};

struct fl_tag {
    const char *name;
    const char *digest; /* NULL: the listing does not tell */
};

struct fl_manifest_head {
    char digest[FL_DIGEST_MAX];
    char media_type[128]; /* "" = not told */
    int64_t size;         /* -1 = not told */
};

enum fl_tag_told { FL_TAG_UNTOLD, FL_TAG_THERE, FL_TAG_ABSENT };
struct fl_tag_head {
    const char *name;
    enum fl_tag_told told;
    char digest[FL_DIGEST_MAX]; /* THERE */
};

struct fl_descriptor {
    const char *media_type;
    const char *digest;
    int64_t size;
    bool foreign; /* a layer that registries do not hold; not copied */
};

enum fl_manifest_kind { FL_MANIFEST_IMAGE, FL_MANIFEST_INDEX, FL_MANIFEST_SCHEMA1 };
struct fl_manifest {
    enum fl_manifest_kind kind;
    const char *media_type;
    const char *digest; /* of exactly `bytes` */
    struct fl_str bytes;
    struct fl_descriptor *manifests; /* INDEX */
    size_t n_manifests;
    struct fl_descriptor *blobs; /* IMAGE: config first, then layers */
    size_t n_blobs;
};

/* A blob that can be read from its registry, once. Defined below the adapters, where transfers are. */
struct fl_blob_source;

enum fl_blob_outcome { FL_BLOB_EXISTED, FL_BLOB_MOUNTED, FL_BLOB_COPIED };

struct fl_registry_ops {
    /* Reaches the registry and proves the credentials. */
    int (*probe)(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_registry_probe *ret,
                 struct fl_err *err);
    /* All repositories, sorted, in `a`. UNSUPPORTED "NoCatalog": name repositories literally instead. Only whole listings
     * succeed: one cut short by an error fails. */
    int (*list_repositories)(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
                             const char *const **ret, size_t *ret_n, struct fl_err *err);
    /* All tags, sorted by name. NOT_FOUND: no such repository. */
    int (*list_tags)(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
                     const char *repo, struct fl_tag **ret, size_t *ret_n, struct fl_err *err);
    /* What a tag or digest points at, by HEAD (GET where the registry does not tell the digest). NOT_FOUND. `writing`: the
     * destination of a copy, so that one token serves the check and the push. */
    int (*head_manifest)(struct fl_remote *r, const struct fl_ctx *ctx, const char *repo,
                         const char *ref, bool writing, struct fl_manifest_head *ret,
                         struct fl_err *err);
    /* Tags of one repository at once, for much less than a head_manifest each. It only saves work: at the first answer that is not
     * plain (a failure of any kind, a digest that HEAD does not tell) it gives up with false, and head_manifest tells about
     * those that are left UNTOLD. ctx: its deadline is that of all. */
    bool (*head_tags)(struct fl_remote *r, const struct fl_ctx *ctx, const char *repo, bool writing,
                      struct fl_tag_head *tags, size_t n);
    /* By digest; the hash was checked (BAD_DATA "DigestMismatch"). UNSUPPORTED "ManifestType" names the type. */
    int (*get_manifest)(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
                        const char *repo, const char *digest, struct fl_manifest *ret,
                        struct fl_err *err);
    /* ref: tag or digest. The registry's digest must be m->digest (BAD_DATA "DigestMismatch"). INVALID carries the registry's words;
     * NOT_FOUND "BlobUnknown": it misses a blob or child. */
    int (*put_manifest)(struct fl_remote *r, const struct fl_ctx *ctx, const char *repo,
                        const char *ref, const struct fl_manifest *m, struct fl_err *err);
    /* Prepares to read a blob; no request yet. `src` lives until it was pushed or closed. */
    int (*open_blob)(struct fl_remote *r, const struct fl_ctx *ctx, const char *repo,
                     const struct fl_descriptor *d, struct fl_blob_source **ret,
                     struct fl_err *err);
    /* Makes sure that the blob is in `repo`: HEAD, mount from `mount_from` (NULL: no candidate), else upload from src, hashed on the
     * way: a digest or length that does not match uploads nothing (BAD_DATA "DigestMismatch"). No session is left behind where the
     * registry allows to cancel. *moved counts bytes as they are sent (atomic, for progress). skip_head: the caller knows that it
     * is not there. ctx: its deadline is the whole transfer's; stalls end it by themselves. */
    int (*push_blob)(struct fl_remote *r, const struct fl_ctx *ctx, const char *repo,
                     const struct fl_descriptor *d, const char *mount_from, bool skip_head,
                     struct fl_blob_source *src, atomic_llong *moved, enum fl_blob_outcome *ret,
                     struct fl_err *err);
    void (*close_blob)(struct fl_blob_source *src); /* NULL is fine */
};

#endif
