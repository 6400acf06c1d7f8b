/* SPDX-License-Identifier: Apache-2.0
 * Inside of controller/oci: the client's parts. Nobody else includes this. */
#ifndef FL_OCI_OCI_PRIV_H
#define FL_OCI_OCI_PRIV_H

#include "base/lock.h"
#include "base/map.h"
#include "oci/oci.h"

struct fl_oci {
    char *base;   /* "https://host:port/prefix/v2/" */
    char *origin; /* for messages */
    bool docker_hub;
    int64_t timeout_ms;
    struct fl_clock *clock;
    struct fl_http *http;
    struct fl_secret username, password, token, identity;
    struct fl_secret basic; /* "Basic ..."; empty when there is no password */

    struct fl_lock lock; /* guards what follows; never held over a call that blocks */
    struct fl_cond token_ready;
    enum fl_registry_auth auth;
    char *realm, *service;
    struct fl_map *tokens; /* scope -> struct oci_token */
};

/* The value for Authorization of a request with this scope; empty when none is known to be needed. Asks the token service
 * if there is no fresh token; one request at a time per scope. */
int oci_authorize(struct fl_oci *o, const struct fl_ctx *ctx, const char *scope,
                  struct fl_secret *ret, struct fl_err *err);
/* After a 401: learns the challenge and drops the token that was used. AUTH when nothing more can be tried. */
int oci_challenged(struct fl_oci *o, const struct fl_http_resp *r, const char *scope,
                   const struct fl_secret *used, struct fl_err *err);
/* The URL is of the registry itself: only there do its credentials go. */
bool oci_own_url(const struct fl_oci *o, const char *url);
void oci_tokens_free(struct fl_oci *o);
/* Repository as the registry names it ("library/nginx" on Docker Hub). */
const char *oci_repo(const struct fl_oci *o, struct fl_arena *a, const char *repo);
/* "repository:<name>:pull" or ":pull,push". */
const char *oci_scope(const struct fl_oci *o, struct fl_arena *a, const char *repo, bool push);

struct fl_blob_source {
    struct fl_oci *o;
    char *repo;
    char *digest;
    int64_t size;
};

#endif
