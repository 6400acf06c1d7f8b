/* SPDX-License-Identifier: Apache-2.0
 * What the files of the scripted peer share. */
#ifndef FL_FAKE_PEER_PRIV_H
#define FL_FAKE_PEER_PRIV_H

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <pthread.h>

#include "base/lock.h"
#include "fake/peer.h"

struct peer_record {
    struct fl_peer_record r;
    struct fl_arena *arena;
};

struct peer_conn {
    struct peer_conn *next;
    struct fl_peer *p;
    pthread_t thread;
    int no;
    int fd; /* -1: closed; under the peer's lock */
    SSL *ssl;
    bool busy; /* a request is being read or answered; under the peer's lock */
    char in[16 * 1024];
    size_t in_at;
    size_t in_n;
};

struct fl_peer {
    struct fl_peer_conf conf;
    char url[64];
    int port;
    SSL_CTX *tls;
    struct fl_lock lock;
    struct fl_cond changed;
    pthread_t acceptor;
    int listener; /* -1: down */
    int wake[2];
    bool closing;
    bool want_down;
    int settling;
    struct peer_conn *conns; /* all that ever were */
    int n_conns;
    int tokens; /* releases not yet used */
    struct peer_record **records;
    size_t n_records;
    size_t records_alloc;
    int *made;   /* per step */
    size_t step; /* ordered: the first that may still match */
    struct fl_buf problems;
    int n_problems;
};

/* peer_script.c: all under the peer's lock, taken by them */
/* The step for this head, counted as made; -1: none, a problem was noted. */
int peer_match(struct fl_peer *p, const struct fl_peer_request *req);
/* Whether the body is the step's; notes a problem if not. */
bool peer_body_match(struct fl_peer *p, int step, const struct peer_record *rec);
struct peer_record *peer_record_add(struct fl_peer *p, const struct fl_peer_request *req);
void peer_record_free(struct peer_record *r);
void peer_problem(struct fl_peer *p, const char *fmt, ...) fl_printf_like(2, 3);

/* peer_cert.c */
SSL_CTX *peer_tls_new(const struct fl_peer_conf *conf);

/* peer_answer.c */
enum peer_next { PEER_KEEP, PEER_CLOSE, PEER_RESET };
enum peer_next peer_answer(struct peer_conn *c, const struct fl_peer_request *req,
                           const struct fl_peer_answer *a);
/* Waits for a release. False: the client left or the peer is being freed. */
bool peer_stall(struct peer_conn *c, const struct fl_peer_answer *a);
bool peer_write(struct peer_conn *c, const char *p, size_t n);

#endif
