/* SPDX-License-Identifier: Apache-2.0
 * The shape of a served request: a function from request to response. One shape for both doors of the embedded API
 * (HTTPS by wire/httpd, in-process by kube/), for metrics, health and later the receiver. */
#ifndef FL_WIRE_SERVE_H
#define FL_WIRE_SERVE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/shared.h"

struct fl_header {
    const char *name; /* any case */
    const char *value;
};

struct fl_request {
    const char *method;  /* "GET" */
    struct fl_str path;  /* raw, begins with '/', no query */
    struct fl_str query; /* raw, without '?' */
    const struct fl_header *headers;
    size_t n_headers;
    struct fl_str body;
    const char *peer;       /* numeric address of the client; NULL = in-process */
    const char *user;       /* set only by the in-process door: already authenticated */
    struct fl_arena *arena; /* lives until the response was sent */
};

/* A stream of byte chunks that ends or not. One reader. Thread-safe against its producer. */
struct fl_feed {
    const struct fl_feed_ops *ops;
};
enum fl_feed_state { FL_FEED_DATA, FL_FEED_EMPTY, FL_FEED_END };
struct fl_feed_ops {
    /* Never blocks. DATA: *ret is one reference for the caller. EMPTY: wait for the waker. END: close it. */
    enum fl_feed_state (*next)(struct fl_feed *f, struct fl_shared **ret);
    /* wake is called, from any thread and with at most FL_RANK_FEED locks held, when next may have news; NULL unsets, and
     * on return no call of the old one is running. */
    void (*set_waker)(struct fl_feed *f, void (*wake)(void *arg), void *arg);
    void (*close)(struct fl_feed *f); /* ends and frees; the reader calls it exactly once */
};

#define FL_RESPONSE_HEADERS 8
struct fl_response {
    int status;
    const char *content_type;                      /* literal or in the request's arena */
    struct fl_header headers[FL_RESPONSE_HEADERS]; /* likewise */
    size_t n_headers;
    struct fl_buf body;       /* released by the door */
    struct fl_shared *shared; /* instead of body; one reference, dropped by the door */
    struct fl_feed *feed;     /* instead of both: chunked until END; closed by the door */
};

/* Any thread; may block (never on the network). Fills *res (initialised by the door) and always answers. */
typedef void (*fl_serve_fn)(void *self, const struct fl_request *req, struct fl_response *res);

/* Whether a numeric address is one of the addresses and CIDR blocks (NULL-ended; NULL = none); no name is. */
bool fl_address_in(const char *const *blocks, const char *address);
/* case-blind; NULL = absent */
const char *fl_request_header(const struct fl_request *req, const char *name);
void fl_response_init(struct fl_response *res, size_t body_cap);
void fl_response_release(struct fl_response *res);
/* asserts on the 9th */
void fl_response_header(struct fl_response *res, const char *name, const char *value);

#endif
