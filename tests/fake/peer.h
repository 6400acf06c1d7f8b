/* SPDX-License-Identifier: Apache-2.0
 * A scripted HTTP/1.1 server on 127.0.0.1 for tests. It plays a transcript (steps: what must be asked, what is answered) or
 * asks a handler, with faults on demand, and records every request. Keep-alive, one blocking thread for each connection,
 * TLS if a certificate is given. It never sleeps: what must last, lasts until the test says so (fl_peer_release, tick).
 *
 *     static const struct fl_peer_step steps[] = {
 *         {.method = "GET", .target = "/v2/", .answer = {.status = 401, .headers = {"WWW-Authenticate: Basic"}}},
 *         {.method = "GET", .target = "/v2/", .want = {"Authorization: Basic dTpw"}},
 *     };
 *     fl_auto(fl_peer) p = fl_peer_play(steps, FL_LEN(steps));
 *     ... client against fl_peer_url(p) ...
 *     assert_int_equal(fl_peer_verify(p), 0);
 */
#ifndef FL_FAKE_PEER_H
#define FL_FAKE_PEER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/shared.h"

struct fl_peer;

enum fl_peer_fault {
    FL_PEER_FINE,
    FL_PEER_RESET, /* after `at` bytes the connection is reset (RST) */
    FL_PEER_CLOSE, /* after `at` bytes it is closed in order (FIN) */
    FL_PEER_STALL, /* after `at` bytes nothing, until fl_peer_release or the client leaves; then it goes on */
    FL_PEER_DRIP,  /* from byte `at` on, one byte a write */
    FL_PEER_GATED, /* from byte `at` on, one byte for each fl_peer_release */
};

enum fl_peer_frame {
    FL_PEER_LENGTH,  /* Content-Length */
    FL_PEER_CHUNKED, /* in chunks of `chunk` bytes (0: 4096) */
    FL_PEER_UNTIL_CLOSE,
};

#define FL_PEER_HEADERS 12

struct fl_peer_answer {
    int status; /* 0: 200 */
    const char *headers
        [FL_PEER_HEADERS]; /* "Name: value", NULL-ended; Content-Length and framing come from below */
    struct fl_str
        body; /* FL_STR("...") or memory that lives until it is sent (the request's arena) */
    struct fl_shared
        *shared;  /* instead of body, handlers only: one reference, dropped by the peer */
    int64_t fill; /* instead of body: so many bytes of fl_peer_fill's pattern */
    enum fl_peer_frame frame;
    size_t chunk;
    int64_t claim;  /* Content-Length to claim instead of the true one; 0: the true one */
    bool no_length; /* to HEAD: no Content-Length */
    bool close;     /* "Connection: close", and closed */
    bool drop;      /* closed after the answer without having said so */
    const char
        *before;     /* sent as it is before the status line: "HTTP/1.1 103 Early Hints\r\n\r\n" */
    const char *raw; /* sent as it is instead of everything, then closed: what is not HTTP */
    enum fl_peer_fault fault; /* counts bytes of the body; `at` < 0: before the status line */
    int64_t at;
    enum fl_peer_fault read_fault; /* counts bytes of the request's body: RESET, CLOSE, STALL */
    int64_t read_at;
    bool early; /* answers after the request's head; its body is not read and the connection ends */
    /* Called on the peer's thread while the answer is stalled, again and again until it goes on, with a turn for all threads
     * of the process in between: moves a fake clock, cancels, calls fl_peer_release. */
    void (*tick)(void *arg);
    void *tick_arg;
};

struct fl_peer_step {
    const char *method;
    const char *target; /* path and query as sent; a '*' at the end matches any rest */
    const char *want
        [FL_PEER_HEADERS]; /* "Name: value" must be there, "Name: *" with any value, "!Name" must not */
    struct fl_str body;      /* expected; p == NULL: any */
    const char *body_digest; /* expected "sha256:..."; NULL: any */
    int times;               /* 0: once; -1: any number, also none */
    struct fl_peer_answer answer;
};

struct fl_peer_header {
    const char *name; /* as sent */
    const char *value;
};

struct fl_peer_request {
    const char *method;
    const char *target;
    struct fl_str path;
    struct fl_str query;
    const struct fl_peer_header *headers;
    size_t n_headers;
    struct fl_str body;     /* empty while `early` is asked */
    int64_t content_length; /* -1: none */
    int conn;               /* number of the connection, from 0 */
    struct fl_arena *arena; /* lives until the answer was sent */
};
const char *fl_peer_header(const struct fl_peer_request *req,
                           const char *name); /* case-blind; NULL = absent */

struct fl_peer_conf {
    /* Either steps ... */
    const struct fl_peer_step *steps; /* live as long as the peer */
    size_t n_steps;
    bool unordered; /* any order; each step as often as it says */
    /* ... or a handler; called from the connections' threads, several at once. *ret is zeroed. */
    void (*handle)(void *arg, const struct fl_peer_request *req, struct fl_peer_answer *ret);
    /* Optional, with handle: asked after each head. True: *ret is complete and the body is not read (answer.early), or,
     * with ret->read_fault set, what befalls the reading of it; `handle` is not asked then. */
    bool (*early)(void *arg, const struct fl_peer_request *req, struct fl_peer_answer *ret);
    void *arg;
    size_t body_cap; /* of a request; 0: 64 MiB; more is answered 413 and counted as a problem */
    const char *cert_pem, *key_pem; /* TLS */
    const char *client_ca_pem;      /* a client certificate signed by this is required */
    bool discard; /* bodies of requests are counted and hashed, not kept (record.body is empty) */
};

struct fl_peer *fl_peer_new(const struct fl_peer_conf *conf); /* asserts when it cannot listen */
struct fl_peer *fl_peer_play(const struct fl_peer_step *steps, size_t n); /* ordered, plain */
void fl_peer_free(struct fl_peer *p); /* ends all connections, also stalled ones, and joins */
FL_AUTO(fl_peer);

const char *fl_peer_url(const struct fl_peer *p); /* "http://127.0.0.1:41234", no '/' at the end */
int fl_peer_port(const struct fl_peer *p);
/* Lets `n` stalls or gated bytes go, those that wait now or those that come. Any thread. */
void fl_peer_release(struct fl_peer *p, int n);
/* Refuses new connections and ends the present ones; fl_peer_up listens again on the same port. */
void fl_peer_down(struct fl_peer *p);
void fl_peer_up(struct fl_peer *p);
/* Ends the kept connections that wait for a request, in order (FIN), as servers do with idle ones. */
void fl_peer_drop_idle(struct fl_peer *p);

struct fl_peer_record {
    const char *method;
    const char *target;
    const struct fl_peer_header *headers;
    size_t n_headers;
    struct fl_str body;
    int64_t body_bytes;   /* that came */
    char body_digest[80]; /* "sha256:<hex>" of what came */
    int conn;
    int step;   /* -1: not expected, or a handler answered */
    int status; /* answered */
    bool whole; /* the request's body came whole */
};
/* Requests so far, oldest first; a record stays valid until the peer is freed. */
size_t fl_peer_count(struct fl_peer *p);
const struct fl_peer_record *fl_peer_at(struct fl_peer *p, size_t i);
/* Requests with this method (NULL: any) whose target begins with `prefix` (NULL: any). */
size_t fl_peer_count_of(struct fl_peer *p, const char *method, const char *prefix);
size_t fl_peer_connections(struct fl_peer *p); /* accepted so far */
/* After a client broke off: waits until no request is being read or answered, so that its record is complete. What is
 * stalled ends: a client that left with bytes still on the way cannot be seen to have left. */
void fl_peer_settle(struct fl_peer *p);
/* Prints each request that was not expected and each step that was not asked for, with what came instead; returns how many. */
int fl_peer_verify(struct fl_peer *p);

/* Pattern of generated bodies: byte i depends on i alone. */
void fl_peer_fill(int64_t offset, char *ret, size_t n);

/* A CA and a server certificate for the names and addresses (NULL-ended), valid from now + from_s to now + to_s; also a
 * client certificate by the same CA. */
struct fl_peer_certs {
    char *ca_pem, *cert_pem, *key_pem, *client_cert_pem, *client_key_pem;
};
void fl_peer_certs_make(const char *const *sans, int64_t from_s, int64_t to_s,
                        struct fl_peer_certs *ret);
void fl_peer_certs_release(struct fl_peer_certs *c);
FL_AUTO_VAL(fl_peer_certs);

#endif
