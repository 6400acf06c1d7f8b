/* SPDX-License-Identifier: Apache-2.0
 * HTTP/1.1 server over libmicrohttpd (its only user), TLS by certificate and key in PEM. Bodies are collected under a cap,
 * then the handler runs on a worker thread; feeds are suspended while empty and never hold a worker. Refuses malformed
 * requests (libraries.md: unequal or two Content-Length, Content-Length with Transfer-Encoding, no or two Host, control
 * bytes, unknown methods). A feed whose client stops reading is closed when its unsent bytes pass a cap or their age 30 s,
 * one whose client has gone (or said that it will send no more) within a second or so;
 * every feed ends by itself after 60 min at most (the producer may end it earlier). */
#ifndef FL_WIRE_HTTPD_H
#define FL_WIRE_HTTPD_H

#include "base/clock.h"
#include "wire/serve.h"

struct fl_httpd;

struct fl_httpd_conf {
    const char *host;               /* numeric address: "127.0.0.1", "::1", "0.0.0.0" */
    uint16_t port;                  /* 0 picks one */
    const char *cert_pem, *key_pem; /* NULL: plain HTTP */
    fl_serve_fn serve;
    void *self;
    /* Largest body taken for this request head (body is empty then); NULL: 3 MiB. More gets 413 from `too_big`, or a
     * plain text answer when that is NULL. */
    size_t (*body_cap)(void *self, const struct fl_request *head);
    void (*too_big)(void *self, const struct fl_request *head, struct fl_response *res);
    size_t bodies_cap; /* bytes of all bodies that are held at a time; 0: 256 MiB. More gets 503 */
    int workers;       /* 0: 16 */
    int max_conns;     /* 0: 4096 */
    int max_conns_per_addr;  /* 0: 1024 */
    struct fl_clock *clock;  /* for time-outs; NULL: the real one */
    const char *server_name; /* for threads' names and messages: "api", "metrics" */
};

/* UNAVAILABLE "cannot listen on 127.0.0.1:80: Address already in use"; INVALID: bad address or certificate. */
int fl_httpd_start(const struct fl_httpd_conf *conf, struct fl_httpd **ret, struct fl_err *err);
uint16_t fl_httpd_port(const struct fl_httpd *h);
/* Stops listening, ends feeds, lets requests in flight finish for at most grace_ms, closes all, frees. */
void fl_httpd_stop(struct fl_httpd *h, int64_t grace_ms);

#endif
