/* SPDX-License-Identifier: Apache-2.0
 * HTTP client over libcurl (its only user). A `fl_http` is a client for the remotes of one trust: one CA set, one TLS
 * policy, one pool of kept connections. Any thread, any number of calls at once; handles and their connections are kept in
 * the pool between calls. HTTP/1.1. Redirects are never followed by libcurl: fl_http_do does it by hand where the request allows
 * it. fl_http_global_init in main, before any thread. */
#ifndef FL_WIRE_HTTP_H
#define FL_WIRE_HTTP_H

#include "base/ctx.h"
#include "base/secret.h"
#include "wire/serve.h"

struct fl_http;

/* which resolved addresses may be connected to; checked in the open-socket callback */
enum fl_http_reach {
    FL_REACH_ANY,    /* all but link-local (169.254/16, fe80::/10), unspecified and multicast */
    FL_REACH_PUBLIC, /* no private, loopback, CGNAT, ULA either */
};

struct fl_http_conf {
    const char *ca_pem;             /* NULL: the system's store (one X509_STORE for the process) */
    bool insecure;                  /* do not verify the peer */
    const char *cert_pem, *key_pem; /* client certificate; NULL = none */
    const char *tls_server_name;    /* verify this name instead of the URL's host; NULL */
    const char *user_agent;         /* NULL: "fairlead/<version>" */
    int64_t connect_timeout_ms;     /* 0: 10 s */
    int64_t stall_ms;               /* no byte for so long fails with TIMEOUT; 0: 30 s */
    int max_conns;                  /* calls at once; more wait (ctx counts); 0: 64 */
    enum fl_http_reach reach;       /* with a proxy: of the proxy's address */
    /* With FL_REACH_PUBLIC: NULL-ended names (globs, against the URL's host), addresses and CIDR blocks that may be private
     * or loopback all the same; never link-local. Copied; NULL = none. */
    const char *const *private_hosts;
    bool use_proxy_env; /* HTTPS_PROXY and friends */
};

void fl_http_global_init(void);
/* Resolves a name as the client would and gives the first address that may be connected to, as text without brackets: to pin
 * what another program connects to. UNAVAILABLE "HostNotFound"; INVALID "AddressNotAllowed"; CANCELED, TIMEOUT. */
int fl_http_resolve(const char *host, uint16_t port, enum fl_http_reach reach,
                    const char *const *private_hosts, const struct fl_ctx *ctx, char ret[64],
                    struct fl_err *err);
/* INVALID: CA, certificate or key is no PEM. */
int fl_http_new(const struct fl_http_conf *conf, struct fl_http **ret, struct fl_err *err);
void fl_http_free(struct fl_http *h); /* no call may be running */
FL_AUTO(fl_http);

struct fl_http_req {
    const char *method; /* "GET", "HEAD", "PUT", ... */
    const char *url;
    const struct fl_header *headers; /* without Authorization */
    size_t n_headers;
    /* whole value "Bearer ..."; sent only to the origin of `url`; NULL = none */
    const struct fl_secret *authorization;
    struct fl_str body; /* sent with Content-Length, also when empty for POST, PUT, PATCH */
    /* largest 2xx answer taken; more: TOO_BIG. 0: 1 MiB. Other bodies are cut to 64 KiB */
    size_t body_cap;
    /* 0: a 3xx is the answer. Followed for GET and HEAD only, never https to http; headers of ours stay, authorization
     * does not cross origins */
    int max_redirects;
    /* Called with pieces of a 2xx body instead of collecting it; a failure ends the call with its err. NULL: collect. */
    int (*sink)(void *arg, struct fl_str piece, struct fl_err *err);
    void *sink_arg;
};

struct fl_http_resp {
    int status;
    struct fl_buf headers; /* "name: value\n" lines of the last answer, names lower case */
    struct fl_buf body;
    char *url; /* the URL that answered, after redirects; fl_free by release */
    int redirects;
};

void fl_http_resp_init(struct fl_http_resp *r);
void fl_http_resp_release(struct fl_http_resp *r);
FL_AUTO_VAL(fl_http_resp);
/* First value of a header (slice of r->headers), n == 0: absent. `nth` walks repeated ones from 0. */
struct fl_str fl_http_header(const struct fl_http_resp *r, const char *lower_name, int nth);
int64_t fl_http_content_length(const struct fl_http_resp *r); /* -1 = absent */

/* One exchange. 0 for any HTTP status: the caller maps it (fl_http_fail). Failures: UNAVAILABLE (DNS, connect, TLS,
 * reset, cut body), TIMEOUT, TOO_BIG, CANCELED, INVALID (URL, address not allowed: reason "AddressNotAllowed"),
 * BAD_DATA (not HTTP, page of redirects). Messages name method, host and path, never query or userinfo. */
int fl_http_do(struct fl_http *h, const struct fl_ctx *ctx, const struct fl_http_req *req,
               struct fl_http_resp *ret, struct fl_err *err);
/* Many small exchanges at once, in one multi of the calling thread, for a fraction of what a thread for each would cost: answers
 * that come close together are taken in together. As many are in flight as the client has calls free, at most 8, one at least;
 * other callers go first. Nothing is tried again and no redirect followed. */
struct fl_http_many {
    const struct fl_http_req
        *req; /* of all, without a body; url, sink and max_redirects are ignored */
    size_t n;
    int64_t timeout_ms;                      /* of each; <= 0: ctx alone counts */
    const char *(*url)(void *arg, size_t i); /* copied */
    /* in the order of the answers, whatever their status; false: begin no more */
    bool (*answer)(void *arg, size_t i, const struct fl_http_resp *r);
    void *arg;
};
/* Returns when all that was begun was answered. The first that fails (as fl_http_do) breaks off those in flight. */
int fl_http_do_many(struct fl_http *h, const struct fl_ctx *ctx, const struct fl_http_many *m,
                    struct fl_err *err);
/* The failure for a status that is none of the wanted ones: 401/403 AUTH, 404 NOT_FOUND, 409 CONFLICT, 408/425/5xx
 * UNAVAILABLE, 429 LIMITED (Retry-After: seconds or date, capped at 1 h), 3xx BAD_DATA, other 4xx INVALID. `said` is the remote's
 * own words (may be empty; cut to 200 bytes). Returns the code. */
int fl_http_fail(const struct fl_http_resp *r, const struct fl_ctx *ctx, const char *what,
                 struct fl_str said, struct fl_err *err);
/* -1 = none */
int64_t fl_http_retry_after_ms(const struct fl_http_resp *r, const struct fl_ctx *ctx);

/* GET streamed into PUT (or PATCH), in one thread and one multi, through a ring of 192 KiB: no disk, no whole body in
 * memory (up to 64 KiB: by way of memory, one after the other). `get` is followed through redirects as above; the upload starts when the source has answered 200. */
struct fl_http_pipe {
    struct fl_http *from;
    const struct fl_http_req *get; /* sink and body_cap are ignored */
    struct fl_http *to;
    const struct fl_http_req *put; /* body is ignored */
    /* bytes expected; sent as Content-Length; more or fewer from the source: BAD_DATA */
    int64_t size;
    /* sees every byte once, in order, before it is sent: hash, count */
    void (*tap)(void *arg, struct fl_str piece);
    void *tap_arg;
    /* after the last byte came in, before it is sent on; a failure breaks the upload */
    int (*verify)(void *arg, struct fl_err *err);
};
/* from_status / to_status tell who failed: a status outside 2xx comes back as 0 with the response filled, and the other
 * side aborted. err.msg says which side failed for transport failures. */
int fl_http_pipe(const struct fl_http_pipe *p, const struct fl_ctx *ctx, struct fl_http_resp *from,
                 struct fl_http_resp *to, struct fl_err *err);

/* Long streaming GETs (watches): all on one thread of the pump, callbacks run there and must not block. */
struct fl_http_pump;
struct fl_http_stream;
struct fl_http_stream_ops {
    void (*status)(void *arg, const struct fl_http_resp *head); /* once, when the head came */
    /* 2xx bodies; other bodies are collected (64 KiB) */
    void (*data)(void *arg, struct fl_str piece);
    /* Last call. err NULL: the server ended the stream in order. body: of an answer that is not 2xx. */
    void (*end)(void *arg, int status, struct fl_str body, const struct fl_err *err);
};
struct fl_http_pump *fl_http_pump_new(struct fl_clock *clock);
/* ends all streams (end is called with CANCELED) and joins the thread */
void fl_http_pump_free(struct fl_http_pump *p);
FL_AUTO(fl_http_pump);
/* The request's texts are copied; sink, body_cap and max_redirects are ignored. `h` outlives the stream and lends its trust and
 * time-outs, not its connections. silence_ms: no byte for so long ends it with TIMEOUT; 0: never. Any thread. */
struct fl_http_stream *fl_http_pump_add(struct fl_http_pump *p, struct fl_http *h,
                                        const struct fl_http_req *req, int64_t silence_ms,
                                        const struct fl_http_stream_ops *ops, void *arg);
/* Asks for the end; `end` still comes (CANCELED), after which s is gone. Any thread; not after `end`. */
void fl_http_stream_cancel(struct fl_http_stream *s);
/* Runs fn(arg) on the pump's thread after delay_ms. Any thread. What is not due when the pump is freed is not run. */
void fl_http_pump_call(struct fl_http_pump *p, int64_t delay_ms, void (*fn)(void *arg), void *arg);

#endif
