/* SPDX-License-Identifier: Apache-2.0
 * What the programs of the bench share: a small HTTP/1.1 server (one thread a connection, trusted local clients only),
 * clocks, and a way to end with a message. */
#ifndef BENCH_TINY_H
#define BENCH_TINY_H

#include "base/buf.h"
#include "base/str.h"

double tiny_wall_s(void); /* monotonic */
double tiny_cpu_s(void);  /* user and system time of this process */
long tiny_rss_kib(void);  /* the largest it was */
void tiny_die(const char *fmt, ...) fl_noreturn fl_printf_like(1, 2);

struct tiny_conn;
struct tiny_req {
    struct fl_str method, path, query; /* as sent; query without '?' */
    struct fl_str type;                /* Content-Type */
    struct tiny_conn *conn;
};

/* Reads the body into b; NULL: takes it from the socket without looking at it. False: the client is gone. */
bool tiny_body(struct tiny_req *r, struct fl_buf *b);
/* headers: whole lines, each with \r\n, or "". HEAD gets no body. */
void tiny_answer(struct tiny_req *r, int status, const char *headers, struct fl_str body);
/* For answers without an end: the caller writes the head too. False: the client is gone. */
bool tiny_write(struct tiny_req *r, const char *p, size_t n);
void tiny_wait_gone(struct tiny_req *r); /* until the client closes */
/* Value of a query parameter, undecoded. */
bool tiny_param(const struct tiny_req *r, const char *name, struct fl_str *ret);

/* Listens on 127.0.0.1, prints the port as one line, serves for ever. handle is called from many threads. */
void tiny_serve(void (*handle)(struct tiny_req *r)) fl_noreturn;

#endif
