/* SPDX-License-Identifier: Apache-2.0
 * The embedded Kubernetes API: a function from request to response over a store. Two doors use it: wire/httpd (TLS,
 * bearer token) and our own client in the same process (req->user set). */
#ifndef FL_APISERVER_APISERVER_H
#define FL_APISERVER_APISERVER_H

#include "base/clock.h"
#include "base/secret.h"
#include "wire/serve.h"

struct fl_apiserver;

struct fl_apiserver_conf {
    const char *data_dir;
    const char *key_file; /* NULL: data_dir/secrets.key */
    struct fl_clock *clock;
    const struct fl_secret
        *token; /* bearer token of the admin user; copied. NULL: there is none yet */
    bool sync_normal;
    /* On the tick thread when a burst of requests is over: what was freed can go back to the system. May be NULL. */
    void (*tidy)(void);
};

/* Opens the store, makes the namespaces default, kube-system, kube-public (each with ServiceAccount default), starts the
 * tick thread (sweeps, bookmarks). Failures: those of fl_store_open. */
int fl_apiserver_open(const struct fl_apiserver_conf *conf, struct fl_apiserver **ret,
                      struct fl_err *err);
/* Before the outer door opens. */
void fl_apiserver_set_token(struct fl_apiserver *s, const struct fl_secret *token);
/* New requests get 503, watches end. Requests in flight are answered. */
void fl_apiserver_stop(struct fl_apiserver *s);
/* When the doors are closed: no request is in flight, all feeds are closed. NULL is fine. */
void fl_apiserver_close(struct fl_apiserver *s);
/* fl_serve_fn; self is the struct fl_apiserver. */
void fl_apiserver_serve(void *self, const struct fl_request *req, struct fl_response *res);
/* For wire/httpd: 3 MiB for API bodies; the 413 Status. */
size_t fl_apiserver_body_cap(void *self, const struct fl_request *head);
void fl_apiserver_too_big(void *self, const struct fl_request *head, struct fl_response *res);
/* What /readyz says; false: why is appended. */
bool fl_apiserver_ready(struct fl_apiserver *s, struct fl_buf *why);
/* Prometheus lines: store size, watchers, requests by verb and code. */
void fl_apiserver_metrics(struct fl_apiserver *s, struct fl_buf *b);

#endif
