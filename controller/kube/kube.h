/* SPDX-License-Identifier: Apache-2.0
 * Client of any Kubernetes API, by either door: in-process (a fl_serve_fn) or HTTPS. Any thread. Bodies are texts; callers
 * parse what they need. */
#ifndef FL_KUBE_KUBE_H
#define FL_KUBE_KUBE_H

#include "api/meta/kind.h"
#include "base/ctx.h"
#include "base/shared.h"
#include "wire/conf.h"
#include "wire/serve.h"

struct fl_kube;

/* The in-process door; `user` becomes req->user. */
struct fl_kube *fl_kube_new_local(fl_serve_fn serve, void *self, const char *user,
                                  struct fl_clock *clock);
/* By kubeconfig. Watches run on a pump of its own. INVALID: bad URL, CA. */
int fl_kube_new_remote(const struct fl_kubeconfig *conf, struct fl_clock *clock,
                       struct fl_kube **ret, struct fl_err *err);
/* In-cluster files (token re-read every minute and on 401). NOT_FOUND: not in a cluster. */
int fl_kube_new_in_cluster(struct fl_clock *clock, struct fl_kube **ret, struct fl_err *err);
void fl_kube_free(struct fl_kube *k); /* all watches were stopped */
FL_AUTO(fl_kube);
struct fl_clock *fl_kube_clock(const struct fl_kube *k);
const char *
fl_kube_host(const struct fl_kube
                 *k); /* "host:port" of the API; "local" in-process. For labels of metrics */
/* Told of each answer of a call (not of watches); code 0: there was none. From any thread; before the first call. */
void fl_kube_observe(struct fl_kube *k, void (*answered)(void *arg, const char *method, int code),
                     void *arg);

/* Failures of all calls: by Status: 404 NOT_FOUND, 409 EXISTS or CONFLICT by reason, 410 NOT_FOUND "Expired", 422 and 400
 * INVALID, 401/403 AUTH, 429 LIMITED, 5xx UNAVAILABLE, 504 TIMEOUT. err.msg is the Status message. 429 and 5xx with Retry-After
 * are tried again up to 5 times within ctx. */
int fl_kube_get(struct fl_kube *k, const struct fl_ctx *ctx, const struct fl_kind *kind,
                struct fl_str ns, struct fl_str name, struct fl_shared **ret, struct fl_err *err);
int fl_kube_create(struct fl_kube *k, const struct fl_ctx *ctx, const struct fl_kind *kind,
                   struct fl_str ns, struct fl_str body, struct fl_shared **ret /* may be NULL */,
                   struct fl_err *err);
/* JSON merge patch; sub: "" or "status". A patch with metadata.resourceVersion fails with CONFLICT when it is stale. */
int fl_kube_patch(struct fl_kube *k, const struct fl_ctx *ctx, const struct fl_kind *kind,
                  struct fl_str ns, struct fl_str name, const char *sub, struct fl_str body,
                  struct fl_shared **ret /* may be NULL */, struct fl_err *err);
/* Already gone = 0. uid: precondition, may be empty. */
int fl_kube_delete(struct fl_kube *k, const struct fl_ctx *ctx, const struct fl_kind *kind,
                   struct fl_str ns, struct fl_str name, struct fl_str uid, struct fl_err *err);
/* Pages of 500. item gets each object's text (lives until it returns); apiVersion and kind may be absent in list items.
 * ns empty: all. labels: selector text or NULL. */
int fl_kube_list(struct fl_kube *k, const struct fl_ctx *ctx, const struct fl_kind *kind,
                 struct fl_str ns, const char *labels,
                 int (*item)(void *arg, struct fl_str text, struct fl_err *err), void *arg,
                 char ret_rv[24], struct fl_err *err);
/* One request in another's name: `authorization` is his whole header value, sent as it is and instead of all that this client is
 * known by (also a client certificate); NULL: as this client. path with its query. *ret (initialised) gets status and body as
 * the API answered; nothing is tried again. Fails only when there was no answer. */
int fl_kube_forward(struct fl_kube *k, const struct fl_ctx *ctx, const char *method,
                    const char *path, const char *accept, const char *content_type,
                    const char *authorization, struct fl_str body, struct fl_response *ret,
                    struct fl_err *err);
/* Is the API there: GET /readyz (or /version). */
int fl_kube_ping(struct fl_kube *k, const struct fl_ctx *ctx, struct fl_err *err);

/* List and watch for ever: the reflector. WatchList where the server offers it, else list + watch; resumes by
 * resourceVersion, relists on 410, backs off 0.8 s x2 to 30 s with jitter. Callbacks come one at a time from one thread
 * (the watch thread of this client) and must be quick. */
struct fl_reflector;
struct fl_reflector_ops {
    /* A new listing begins: what is not named by `set` until `synced` is gone. */
    void (*begin)(void *arg);
    void (*set)(void *arg, struct fl_str object); /* ADDED, MODIFIED, listed; text was checked */
    void (*del)(void *arg, struct fl_str object); /* DELETED: last state */
    /* The listing is whole: the state at resourceVersion rv. */
    void (*synced)(void *arg, struct fl_str rv);
    /* For log and health; recovery goes on by itself. err NULL: it has recovered. May be called again with the same. */
    void (*trouble)(void *arg, const struct fl_err *err);
};
/* metadata_only: objects are asked for as PartialObjectMetadata (Secrets: their data stays where it is). */
struct fl_reflector *fl_reflector_start(struct fl_kube *k, const struct fl_kind *kind,
                                        struct fl_str ns /* empty: all */, bool metadata_only,
                                        const struct fl_reflector_ops *ops, void *arg);
void fl_reflector_stop(
    struct fl_reflector *r); /* frees; no callback runs after it returns. Not from a callback */

#endif
