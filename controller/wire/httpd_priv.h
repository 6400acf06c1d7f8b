/* SPDX-License-Identifier: Apache-2.0
 * What the files of the server share. httpd.c: start, stop, libmicrohttpd's callbacks; httpd_head.c: what a request's head
 * must be; httpd_work.c: the workers; httpd_feed.c: streams.
 * Threads: "MHD" is the one thread of libmicrohttpd, which alone touches connections that are not suspended. */
#ifndef FL_WIRE_HTTPD_PRIV_H
#define FL_WIRE_HTTPD_PRIV_H

#include <stdatomic.h>

#include "base/lock.h"
#include "wire/httpd.h"

struct MHD_Connection;
struct MHD_Daemon;

enum {
    HTTPD_HEADERS_MAX = 64,
    HTTPD_HEAD_MS = 30000,  /* to send a head, TLS handshake included */
    HTTPD_IDLE_MS = 120000, /* between requests of a kept connection */
    HTTPD_STALL_MS = 30000, /* without a byte of a body sent to us, or of a feed taken from us */
    HTTPD_BODY_MS = 300000, /* to send a whole body */
    HTTPD_FEED_MS = 60 * 60000, /* a feed's longest life */
    HTTPD_FEED_UNSENT = 262144, /* socket buffer of a feed: what a client may leave unread */
    HTTPD_BODY_CAP = 3145728,   /* kube-apiserver's limit, kubernetes.md 3.8 */
    HTTPD_BODIES_CAP = 268435456,
    HTTPD_DRAIN_MAX =
        4194304, /* of a too large body, read and dropped so that the client sees the answer */
    HTTPD_QUEUE_PER_WORKER = 64,
    HTTPD_SWEEP_MS = 1000,
};

/* One connection, from accept to close. */
struct httpd_conn {
    int fd;
    char peer[64];
    _Atomic int64_t deadline_ms; /* the sweep ends what is older */
    struct httpd_feed *feed;     /* under fl_httpd.lock; NULL */
    struct httpd_conn *prev, *next;
};

struct httpd_head {
    const char *method;
    const char *version; /* "HTTP/1.1" */
    struct fl_str uri;
    const struct fl_header *headers;
    size_t n_headers;
};

/* What a good head says. */
struct httpd_said {
    struct fl_str path, query;
    int64_t content_length; /* -1: not told */
    bool expects_continue;
};

/* 0, or the status to refuse with and why, in words. */
int httpd_head_check(const struct httpd_head *head, struct httpd_said *ret, const char **why);

enum httpd_phase { HTTPD_HEAD, HTTPD_BODY, HTTPD_WORK, HTTPD_ANSWER };

/* One request. MHD's, except between suspend and resume, where it is a worker's. */
struct httpd_req {
    struct fl_httpd *h;
    struct httpd_conn *conn;
    struct MHD_Connection *mhd;
    enum httpd_phase phase;
    bool close;    /* the connection ends with the answer */
    bool dropping; /* the body is too big, or `crowded`: read and forgotten */
    bool crowded;  /* too many bodies are held */
    size_t dropped;
    size_t body_cap;
    int64_t body_end_ms;
    const char *uri_at; /* where it stood in the connection's buffer */
    struct fl_str uri;
    struct fl_header headers[HTTPD_HEADERS_MAX];
    struct fl_request req; /* its arena is this request's */
    struct fl_response res;
    struct fl_buf body;
    struct httpd_feed *feed;
    struct httpd_req *next; /* in the queue, or among the free ones */
};

/* ---- httpd_work.c ---- */

struct httpd_work {
    struct fl_lock lock;
    struct fl_cond some;
    struct httpd_req *head, **tail;
    int queued, queue_max;
    int idle, started, max;
    bool ending;
    pthread_t *threads;
    char name[16];
    void (*run)(struct httpd_req *r);
};

void httpd_work_init(struct httpd_work *w, const char *name, int workers,
                     void (*run)(struct httpd_req *r));
/* False: full, or ending. Threads are started as they are needed. */
bool httpd_work_add(struct httpd_work *w, struct httpd_req *r);
/* Lets each worker end what it has in hand; returns what was never begun. */
struct httpd_req *httpd_work_end(struct httpd_work *w);
void httpd_work_release(struct httpd_work *w);

/* ---- httpd_feed.c ---- */

/* Takes r->res.feed and queues the answer that streams it. MHD; false: close the connection. */
bool httpd_feed_start(struct httpd_req *r);
/* MHD; the request is over. NULL is fine. */
void httpd_feed_free(struct httpd_feed *f);
/* Any thread, while the feed cannot be freed: it ends when its client has taken what is on the way. */
void httpd_feed_end(struct httpd_feed *f);
/* Under fl_httpd.lock: the connection's request is over; ends the feeds whose clients have gone. */
void httpd_feed_unlist(struct fl_httpd *h, struct httpd_conn *c);
void httpd_feed_sweep(struct fl_httpd *h);
/* Its deadline passed: ends it, or cuts the connection when the client does not read. */
void httpd_feed_expire(struct httpd_feed *f);

/* ---- httpd.c ---- */

struct MHD_Response;
/* Adds the headers of r->res, queues the answer, drops `m`. False: close the connection. */
bool httpd_queue(struct httpd_req *r, struct MHD_Response *m);

struct fl_httpd {
    struct fl_httpd_conf conf;
    char name[16];
    struct fl_clock *clock;
    struct MHD_Daemon *mhd;
    uint16_t port;
    struct httpd_work work;
    struct httpd_req *free_reqs; /* MHD's */
    int n_free;
    size_t bodies; /* MHD's: the length of all httpd_req.body */

    struct fl_lock lock;
    struct httpd_conn *conns;
    int active; /* requests between their first line and their end */
    bool stopping;
    bool sweep_over;
    struct fl_cond changed; /* active fell to 0 while stopping; sweep_over */
    pthread_t sweeper;
    int gone; /* epoll: the connections that have a feed, for their client's end; used under the lock */

    atomic_bool starting; /* libmicrohttpd's complaints are collected */
    char said[256];
};

#endif
