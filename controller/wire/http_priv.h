/* SPDX-License-Identifier: Apache-2.0
 * What the files of the HTTP client share. Each includes curl/curl.h before this. */
#ifndef FL_WIRE_HTTP_PRIV_H
#define FL_WIRE_HTTP_PRIV_H

#include <openssl/ssl.h>

#include "base/lock.h"
#include "wire/http.h"

enum {
    HTTP_SLICE_MS = 50,            /* a cancel is seen within so long */
    HTTP_HEADERS_CAP = 256 * 1024, /* of one answer */
    HTTP_OTHER_CAP = 64 * 1024,    /* kept of bodies that are not 2xx */
    HTTP_SMALL = 64 * 1024,        /* blobs up to this are piped by way of memory */
    HTTP_BLOB_BUFFER = 128 * 1024, /* libcurl's buffers where blobs pass */
    HTTP_CONNS_KEPT = 8,           /* idle connections in a slot */
};

/* A slot carries one call at a time and keeps its connections for the next: a small multi, the handle of the call, and for
 * pipes a second handle and the ring. */
struct http_ring {
    char *data;
    size_t cap;
    size_t at_in;
    size_t at_out;
    int64_t in;  /* bytes put in since the start */
    int64_t out; /* bytes taken out */
};

struct http_slot {
    struct http_slot *next;
    CURLM *multi;
    CURL *easy[3];  /* calls, blobs in, blobs out: libcurl's buffers keep their size */
    uint64_t guest; /* trust of the client whose connections stand beside ours; 0 = none */
    struct http_ring ring;
};

struct fl_http {
    X509_STORE *store; /* NULL: the system's */
    X509 *cert;
    EVP_PKEY *key;
    STACK_OF(X509) * chain;
    char *user_agent;
    char *tls_server_name;
    bool insecure;
    bool use_proxy_env;
    enum fl_http_reach reach;
    char **private_hosts; /* NULL-ended; NULL = none */
    int64_t connect_timeout_ms;
    int64_t stall_ms;
    int max_conns;
    uint64_t trust; /* equal: connections of one may serve the other */
    struct fl_lock lock;
    struct fl_cond freed;
    struct http_slot *free; /* the one used last stands first */
    int busy;
    int waiting; /* for one of the busy to end */
};

enum http_take { HTTP_TAKEN, HTTP_PAUSE, HTTP_STOP };

/* One transfer: a request on a handle and the answer as it comes in. The upper part is set by who starts it. */
struct http_xfer {
    struct fl_http *h;
    const struct fl_http_req *req;
    struct fl_clock *clock;
    CURLM *multi;
    CURL *easy;
    bool guest;         /* runs in a slot of a client with another trust */
    bool apart;         /* of another reach: shares no plain connection with the slot's client */
    bool alone;         /* of another trust: shares no connection at all */
    bool use_sink;      /* the request's, for 2xx bodies */
    bool blob;          /* large buffers */
    struct fl_str body; /* to send */
    int64_t upload;     /* bytes to send from `more` instead of body; -1: none */
    enum http_take (*take)(struct http_xfer *x,
                           struct fl_str piece); /* of 2xx bodies; NULL: collected in resp */
    size_t (*more)(struct http_xfer *x, char *ret, size_t n); /* as libcurl's read function */
    bool (*rewind)(struct http_xfer *x);
    void (*head)(struct http_xfer *x); /* once, when the answer's head is complete; NULL */
    void *owner;

    struct fl_http_resp resp; /* resp.url: where it goes now */
    bool home;                /* resp.url has the origin of req->url */
    bool started;             /* the handle is in the multi */
    bool head_done;           /* resp.status and resp.headers are those of the answer */
    bool any;                 /* a byte of an answer came */
    bool cut;                 /* stopped by us: enough was kept of a body that is not 2xx */
    bool paused_in;           /* `take` said PAUSE */
    bool paused_out;          /* `more` said PAUSE */
    bool done;
    CURLcode result;
    int64_t came;       /* bytes of the body */
    int64_t sent;       /* bytes of our body that left */
    int64_t last_ms;    /* a byte moved */
    struct fl_err err;  /* code != 0: a callback of ours ended it */
    struct fl_buf text; /* of the headers below; wiped */
    struct curl_slist *headers;
    CURLU *parts; /* of the URL, as long as it is under way */
    struct fl_buf connect_text;
    struct curl_slist connect_node;
    char address[72]; /* last one tried, "10.0.0.1:443" */
    int verify;       /* X509_V_ERR_*: why the certificate was refused */
    bool refused;     /* by the address policy */
    bool opened;      /* a socket was made */
    char detail[CURL_ERROR_SIZE];
};

/* http_pool.c */
int http_slot_take(struct fl_http *h, const struct fl_http *guest, const struct fl_ctx *ctx,
                   struct http_slot **ret, struct fl_err *err);
void http_slot_give(struct fl_http *h, struct http_slot *slot);
int http_permit_take(struct fl_http *h, const struct fl_ctx *ctx, struct fl_err *err);
void http_permit_give(struct fl_http *h);
/* One more for who has one already; false: none is free, or others wait. */
bool http_permit_more(struct fl_http *h);
bool http_permit_wanted(struct fl_http *h);
CURLcode http_ssl_ctx(CURL *easy, void *ssl_ctx, void *arg);

/* http_reach.c */
/* A numeric address, both families in one form: IPv4 as ::ffff:a.b.c.d, also where it stood in other clothes. False: no address. */
bool http_address_unify(const char *address, unsigned char ret[16]);
/* http_error.c: why `address` ("10.0.0.1:443") may not be connected to, and what would let it. */
int http_fail_address(const char *label, const char *address, struct fl_err *err);
char **http_hosts_copy(const char *const *hosts);
void http_hosts_free(char **hosts);
curl_socket_t http_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *addr);

/* http_xfer.c: one transfer on one handle */
int http_req_check(const struct fl_http_req *req, struct fl_err *err);
void http_xfer_init(struct http_xfer *x, struct fl_http *h, const struct fl_http_req *req,
                    struct fl_clock *clock);
void http_xfer_release(struct http_xfer *x);
/* Sets the handle up for resp.url and adds it to the multi. */
int http_xfer_start(struct http_xfer *x, struct fl_err *err);
/* Takes it out of the multi; what it left of an unfinished connection is closed. */
void http_xfer_stop(struct http_xfer *x);
/* Runs the multi once and notes which transfers ended. */
void http_turn(CURLM *multi);
/* 0, or CANCELED, TIMEOUT: the context's, or nothing moved for the client's stall time. */
int http_xfer_check(struct http_xfer *x, const struct fl_ctx *ctx, struct fl_err *err);
/* Waits for traffic, at most a slice; false: there was none. */
bool http_wait(CURLM *multi, const struct fl_ctx *ctx);
/* Lets traffic gather. */
void http_pause(int ms);
/* It failed because a kept connection was dead, before a byte of an answer: worth one more try. */
bool http_stale(struct http_xfer *x);
/* The whole walk over redirects. `at_head`: comes back when the head of a 2xx is there, with the transfer still going. */
int http_walk(struct http_xfer *x, const struct fl_ctx *ctx, bool at_head, struct fl_err *err);

/* http_error.c */
#define HTTP_LABEL 320
/* "GET https://host/path", without query. */
void http_label(const struct http_xfer *x, char ret[HTTP_LABEL]);
/* What went wrong with a transfer that is done; 0 if nothing did. */
int http_xfer_verdict(struct http_xfer *x, struct fl_err *err);

#endif
