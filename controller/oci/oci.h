/* SPDX-License-Identifier: Apache-2.0
 * The OCI distribution protocol, shared by every registry vendor: one client per registry with its credentials, tokens and
 * connections. Vendors under remote/ build their registry port from it and replace what they do better (listing, health).
 * Any thread, many calls at once. Sources: OCI distribution-spec 1.1, distribution's token spec; shared/reference/registry.md. */
#ifndef FL_OCI_OCI_H
#define FL_OCI_OCI_H

#include "base/secret.h"
#include "port/adapter.h"
#include "port/registry.h"
#include "wire/http.h"

struct fl_oci;

struct fl_oci_conf {
    const char *url; /* "https://host[:port][/prefix]"; docker.io names the host that serves it */
    struct fl_str username, password; /* both empty: anonymous; copied */
    struct fl_str token;    /* sent as bearer on each request, no token service is asked; copied */
    struct fl_str identity; /* identity (refresh) token for the token service; copied */
    const char *ca_pem;
    bool insecure;
    int64_t timeout_ms;
    int max_concurrent;
    struct fl_clock *clock;
};

/* No network. INVALID "InvalidURL", "CAInvalid". */
int fl_oci_open(const struct fl_oci_conf *conf, struct fl_oci **ret, struct fl_err *err);
void fl_oci_close(struct fl_oci *o);
/* Credentials from a Secret's entries: username+password | token | .dockerconfigjson | .dockercfg. Fills the slices of conf, in
 * `a` where they had to be decoded. INVALID "SecretInvalid" names what is there, what is allowed and, for docker
 * configurations, which hosts are in it. */
int fl_oci_credentials(struct fl_arena *a, const struct fl_remote_conf *rc,
                       struct fl_oci_conf *conf, struct fl_err *err);

struct fl_oci_req {
    const char *method;
    /* below /v2/, already encoded: "library/nginx/manifests/1.25" ; "" = the ping */
    const char *path;
    const char *url; /* instead of path: an absolute URL (next page, upload location) */
    /* "repository:library/nginx:pull"; several separated by a space; NULL = none */
    const char *scope;
    const struct fl_header *headers;
    size_t n_headers;
    struct fl_str body;
    size_t body_cap; /* 0: 64 KiB */
    int max_redirects;
};
/* One request with authentication: learns the challenge on the first 401, asks the token service, tries once more. 0 for
 * any other status, and for the second 401: the caller maps it with fl_oci_fail. */
int fl_oci_do(struct fl_oci *o, const struct fl_ctx *ctx, const struct fl_oci_req *req,
              struct fl_http_resp *ret, struct fl_err *err);
/* The failure for a status that is none of the wanted ones, with the registry's own code and words. */
int fl_oci_fail(struct fl_oci *o, const struct fl_ctx *ctx, const struct fl_http_resp *r,
                const char *what, struct fl_err *err);
/* Which authentication the registry asked for so far. */
enum fl_registry_auth fl_oci_auth(struct fl_oci *o);

/* Blocks of the registry port; the contracts are those of port/registry.h. */
int fl_oci_probe(struct fl_oci *o, const struct fl_ctx *ctx, struct fl_registry_probe *ret,
                 struct fl_err *err);
int fl_oci_list_repositories(struct fl_oci *o, const struct fl_ctx *ctx, struct fl_arena *a,
                             const char *const **ret, size_t *ret_n, struct fl_err *err);
int fl_oci_list_tags(struct fl_oci *o, const struct fl_ctx *ctx, struct fl_arena *a,
                     const char *repo, struct fl_tag **ret, size_t *ret_n, struct fl_err *err);
int fl_oci_head_manifest(struct fl_oci *o, const struct fl_ctx *ctx, const char *repo,
                         const char *ref, bool writing, struct fl_manifest_head *ret,
                         struct fl_err *err);
bool fl_oci_head_tags(struct fl_oci *o, const struct fl_ctx *ctx, const char *repo, bool writing,
                      struct fl_tag_head *tags, size_t n);
int fl_oci_get_manifest(struct fl_oci *o, const struct fl_ctx *ctx, struct fl_arena *a,
                        const char *repo, const char *digest, struct fl_manifest *ret,
                        struct fl_err *err);
int fl_oci_put_manifest(struct fl_oci *o, const struct fl_ctx *ctx, const char *repo,
                        const char *ref, const struct fl_manifest *m, struct fl_err *err);
int fl_oci_open_blob(struct fl_oci *o, const char *repo, const struct fl_descriptor *d,
                     struct fl_blob_source **ret, struct fl_err *err);
int fl_oci_push_blob(struct fl_oci *o, const struct fl_ctx *ctx, const char *repo,
                     const struct fl_descriptor *d, const char *mount_from, bool skip_head,
                     struct fl_blob_source *src, atomic_llong *moved, enum fl_blob_outcome *ret,
                     struct fl_err *err);
void fl_oci_close_blob(struct fl_blob_source *src);

/* A manifest's bytes to its parts, all in `a` (bytes are copied). BAD_DATA: no JSON, media type differs from content_type, bad
 * descriptor; UNSUPPORTED "ManifestType"; TOO_BIG: more than 10,000 entries. */
#define FL_OCI_MANIFEST_MAX ((size_t)8 << 20)
int fl_oci_manifest_parse(struct fl_arena *a, struct fl_str bytes, struct fl_str content_type,
                          const char *digest, struct fl_manifest *ret, struct fl_err *err);

#endif
