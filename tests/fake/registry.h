/* SPDX-License-Identifier: Apache-2.0
 * A registry in memory behind a scripted peer: the distribution protocol as docker-registry speaks it, with options for what
 * registries do differently and faults on demand. It is strict: what a careful client does not do is noted as a problem (unknown
 * path, a whole upload of the wrong digest, a manifest before what it refers to, credentials where they do not belong) and
 * fl_fake_registry_verify tells them. Beside it stands a second server on another port: token service, storage that blobs are
 * redirected to, uploads that are sent elsewhere.
 *
 *     fl_auto(fl_fake_registry) r = fl_fake_registry_new(&(struct fl_fake_registry_conf){.auth = FL_FAKE_BEARER, ...});
 *     fl_fake_registry_image(r, "app", "v1", (const char *const[]){"layer one", "layer two", NULL});
 *     fl_fake_registry_fault(r, &(struct fl_fake_fault){.path = "/v2/app/manifests/v1", .kind = FL_FAULT_CUT});
 *     ... client against fl_fake_registry_url(r) ...
 *     assert_int_equal(fl_fake_registry_verify(r), 0);
 */
#ifndef FL_FAKE_REGISTRY_H
#define FL_FAKE_REGISTRY_H

#include "base/clock.h"
#include "fake/peer.h"

struct fl_fake_registry;

#define FL_FAKE_OCI_IMAGE "application/vnd.oci.image.manifest.v1+json"
#define FL_FAKE_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define FL_FAKE_FOREIGN "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"

enum fl_fake_auth { FL_FAKE_ANONYMOUS, FL_FAKE_BASIC, FL_FAKE_BEARER };

/* How a listing goes on, when conf.page is set. */
enum fl_fake_links {
    FL_FAKE_LINK_RELATIVE,
    FL_FAKE_LINK_ABSOLUTE,
    FL_FAKE_LINK_NONE,      /* no Link: the client has to ask with last= */
    FL_FAKE_LINK_CIRCLE,    /* the last page points at the first */
    FL_FAKE_LINK_ELSEWHERE, /* at another host */
    FL_FAKE_LINK_EMPTY,     /* an empty page after each */
};

struct fl_fake_registry_conf {
    enum fl_fake_auth auth;
    const char *user, *password; /* BASIC, BEARER */
    const char *identity;        /* BEARER: refresh token that the token service takes */
    const char *bearer;          /* BEARER: a token that is valid as it is */
    int64_t token_life_s;        /* told as expires_in and kept; 0: not told, never ends */
    bool access_token;           /* the token service answers with access_token alone */
    bool read_only;              /* tokens are granted for pull alone */
    struct fl_clock *clock;      /* of the tokens' life */
    bool no_catalog;             /* 404 */
    size_t page; /* entries of a page of a listing; 0: all at once, whatever is asked */
    enum fl_fake_links links;
    bool unsorted;       /* listings come in reverse */
    bool null_tags;      /* {"tags": null} where there is none */
    bool no_head_digest; /* HEAD of a manifest without Docker-Content-Digest */
    bool vague_type;     /* manifests come as application/octet-stream, whatever is accepted */
    const char *realm;   /* of the token service, instead of the true one; NULL */
    /* GET answers 307 to the other server, where Authorization must not come */
    bool redirect_blobs;
    bool storage_asks;      /* that server asks for credentials, with a token service of its own */
    bool relative_location; /* of uploads */
    bool upload_elsewhere;  /* uploads go on at the other server */
    bool no_mount;          /* 202: an upload is opened instead */
    bool no_length;         /* blobs come in chunks, without Content-Length */
    bool tolerant;          /* a manifest before what it refers to is refused, but no problem */
    const char *ping_path;  /* instead of /v2/: this is no registry; NULL */
    const char *cert_pem, *key_pem; /* TLS */
};

struct fl_fake_registry *fl_fake_registry_new(const struct fl_fake_registry_conf *conf);
void fl_fake_registry_free(struct fl_fake_registry *r);
FL_AUTO(fl_fake_registry);
const char *fl_fake_registry_url(const struct fl_fake_registry *r);
struct fl_peer *fl_fake_registry_peer(struct fl_fake_registry *r);
struct fl_peer *fl_fake_registry_side(struct fl_fake_registry *r); /* the other server */

/* ---- content: digests live as long as the registry ---- */
const char *fl_fake_registry_blob(struct fl_fake_registry *r, const char *repo,
                                  struct fl_str content);
/* `n` bytes of fl_peer_fill's pattern from `offset` on. */
const char *fl_fake_registry_fill(struct fl_fake_registry *r, const char *repo, int64_t offset,
                                  size_t n);
/* Bytes as they are, unchecked; tag NULL: by digest only. */
const char *fl_fake_registry_manifest(struct fl_fake_registry *r, const char *repo, const char *tag,
                                      const char *media_type, const char *bytes);
/* An OCI image: a config of its own and layers with these contents (NULL-ended). */
const char *fl_fake_registry_image(struct fl_fake_registry *r, const char *repo, const char *tag,
                                   const char *const *layers);
/* An OCI image of blobs that are there (digests, NULL-ended; the first is the config). */
const char *fl_fake_registry_image_of(struct fl_fake_registry *r, const char *repo, const char *tag,
                                      const char *const *blobs);
const char *fl_fake_registry_index(struct fl_fake_registry *r, const char *repo, const char *tag,
                                   const char *const *children);
void fl_fake_registry_tag(struct fl_fake_registry *r, const char *repo, const char *tag,
                          const char *digest);
void fl_fake_registry_untag(struct fl_fake_registry *r, const char *repo, const char *tag);
void fl_fake_registry_drop(struct fl_fake_registry *r, const char *repo,
                           const char *digest); /* blob or manifest */
/* Digest of a tag; NULL: none. */
const char *fl_fake_registry_digest(struct fl_fake_registry *r, const char *repo, const char *tag);
bool fl_fake_registry_has(struct fl_fake_registry *r, const char *repo, const char *digest);
/* The tag points at the same here and there, and everything below it is there. */
bool fl_fake_registry_same(struct fl_fake_registry *r, const char *repo, const char *tag,
                           struct fl_fake_registry *there, const char *repo_there);
/* All tokens are refused from now on, until new ones are asked for. */
void fl_fake_registry_revoke(struct fl_fake_registry *r);

/* ---- faults ---- */

enum fl_fault_kind {
    FL_FAULT_STATUS,   /* `status` and, in the body, `code`; 401 carries the challenge */
    FL_FAULT_HTML,     /* 200 and a login page */
    FL_FAULT_JSON,     /* 200, the right type and JSON that is none */
    FL_FAULT_RESET,    /* the connection, before the answer */
    FL_FAULT_LOST,     /* done as asked, and the connection is reset before the answer */
    FL_FAULT_CUT,      /* closed after `at` bytes of the body */
    FL_FAULT_SHORT,    /* a byte less, and Content-Length says so */
    FL_FAULT_LONG,     /* a byte more */
    FL_FAULT_FLIP,     /* byte `at` is another */
    FL_FAULT_DIGEST,   /* Docker-Content-Digest of something else */
    FL_FAULT_CLAIM,    /* Content-Length says `at` more than there is */
    FL_FAULT_OVERSIZE, /* a body of `at` bytes of spaces */
    FL_FAULT_STALL, /* after `at` bytes of the body (< 0: before the status line); `tick` is called meanwhile */
    FL_FAULT_DRIP,        /* byte by byte */
    FL_FAULT_PRESENT,     /* HEAD says 200 for what is not there */
    FL_FAULT_READ_STALL,  /* the request's body is not read beyond `at` bytes */
    FL_FAULT_READ_RESET,  /* reset after `at` bytes of the request's body */
    FL_FAULT_READ_STATUS, /* answers `status` after the head, without reading the body */
};

struct fl_fake_fault {
    const char *method; /* NULL: any */
    const char *path;   /* glob (base/glob.h) over the path, of either server */
    int nth;            /* from which of those that match on, from 1; 0: the first */
    int times;          /* how many of them; 0: one; -1: all */
    enum fl_fault_kind kind;
    int status;
    const char *code;   /* of the distribution protocol; NULL: no body */
    const char *header; /* one more, "Retry-After: 7" */
    int64_t at;
    void (*tick)(void *arg);
    void *tick_arg;
};
/* Strings are borrowed. A request that is refused for its credentials meets no fault (but those that count the request's body).
 * A rule that is never met is a problem. */
void fl_fake_registry_fault(struct fl_fake_registry *r, const struct fl_fake_fault *f);
void fl_fake_registry_faults_clear(struct fl_fake_registry *r); /* also unmet ones */

/* ---- what was asked ---- */

enum fl_fake_kind {
    FL_FAKE_PING,
    FL_FAKE_TOKEN,
    FL_FAKE_CATALOG,
    FL_FAKE_TAGS,
    FL_FAKE_MANIFEST_HEAD,
    FL_FAKE_MANIFEST_GET,
    FL_FAKE_MANIFEST_PUT,
    FL_FAKE_BLOB_HEAD,
    FL_FAKE_BLOB_GET,
    FL_FAKE_UPLOAD_POST,
    FL_FAKE_MOUNT,
    FL_FAKE_UPLOAD_PUT,
    FL_FAKE_UPLOAD_CANCEL,
    FL_FAKE_STORAGE_GET,
    FL_FAKE_KINDS,
};
/* Requests of a kind since the start or the last reset, refused ones too. KINDS: all. */
size_t fl_fake_registry_count(struct fl_fake_registry *r, enum fl_fake_kind kind);
void fl_fake_registry_count_reset(struct fl_fake_registry *r);
size_t fl_fake_registry_sessions(struct fl_fake_registry *r); /* uploads that were not ended */
size_t fl_fake_registry_mounted(struct fl_fake_registry *r);
size_t fl_fake_registry_uploaded(struct fl_fake_registry *r);
/* Requests, to either server, with this text in target, body or a header. */
size_t fl_fake_registry_grep(struct fl_fake_registry *r, const char *needle);
/* Prints the problems and unmet faults; returns how many. */
int fl_fake_registry_verify(struct fl_fake_registry *r);

#endif
