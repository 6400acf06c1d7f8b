/* SPDX-License-Identifier: Apache-2.0
 * Raw clients and a feed for the tests of the server. */
#ifndef FL_TESTS_UNIT_WIRE_HTTPD_HELP_H
#define FL_TESTS_UNIT_WIRE_HTTPD_HELP_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/num.h"
#include "wire/httpd.h"

/* ---- clients ---- */

/* A test that waits longer than this has failed. */
#define PATIENCE_S 20

static inline int dial_buffered(uint16_t port, int rcvbuf)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (rcvbuf) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
    }
    assert_int_equal(connect(fd, (struct sockaddr *)(void *)&addr, sizeof(addr)), 0);
    return fd;
}

static inline int dial(uint16_t port)
{
    return dial_buffered(port, 0);
}

/* False: the server has closed. */
static inline bool say(int fd, struct fl_str s)
{
    while (s.n > 0) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

        if (n < 0) {
            return false;
        }
        s.p += n;
        s.n -= (size_t)n;
    }
    return true;
}

/* What arrives until the server closes; false: it did not within the test's patience. */
static inline bool hear_all(int fd, struct fl_buf *b)
{
    char piece[4096];

    for (;;) {
        ssize_t n = recv(fd, piece, sizeof(piece), 0);

        if (n == 0 || (n < 0 && errno == ECONNRESET)) {
            return true;
        }
        if (n < 0) {
            return false;
        }
        fl_buf_add(b, piece, (size_t)n);
    }
}

static inline struct fl_str hear_line(int fd, struct fl_buf *b)
{
    size_t at = b->len;
    char c = 0;

    while (c != '\n') {
        if (recv(fd, &c, 1, 0) != 1) {
            break;
        }
        fl_buf_char(b, c);
    }
    return (struct fl_str){b->data + at, b->len - at};
}

struct answer {
    int status; /* 0: none came */
    bool close;
    int64_t length; /* -1: none told */
    bool chunked;
    struct fl_buf head, body;
};

static inline void answer_release(struct answer *a)
{
    fl_buf_release(&a->head);
    fl_buf_release(&a->body);
}

static inline void hear_head(int fd, struct answer *a)
{
    *a = (struct answer){.length = -1};
    fl_buf_init(&a->head, FL_BUF_ANY);
    fl_buf_init(&a->body, FL_BUF_ANY);
    for (;;) {
        struct fl_str line = hear_line(fd, &a->head);
        struct fl_str name;
        int64_t n = 0;

        if (line.n <= 2) {
            return;
        }
        line.n -= 2;
        if (fl_str_starts(line, "HTTP/1.1 ") && line.n >= 12 &&
            fl_num_i64((struct fl_str){line.p + 9, 3}, &n)) {
            a->status = (int)n;
            continue;
        }
        (void)fl_str_cut(&line, ':', &name);
        line = fl_str_trim(line);
        if (fl_str_case_is(name, "content-length")) {
            assert_true(fl_num_i64(line, &a->length));
        } else if (fl_str_case_is(name, "transfer-encoding")) {
            a->chunked = fl_str_is(line, "chunked");
        } else if (fl_str_case_is(name, "connection")) {
            a->close = fl_str_case_is(line, "close");
        }
    }
}

/* One chunk into b; false: the last one, or the end of the connection. */
static inline bool hear_chunk(int fd, struct fl_buf *b)
{
    fl_auto_val(fl_buf) line = FL_BUF_INIT(100);
    struct fl_str s = hear_line(fd, &line);
    size_t n = 0;

    for (size_t i = 0; i + 2 < s.n; i++) {
        const char *digit = strchr("0123456789abcdef", s.p[i] | 0x20);

        assert_non_null(digit);
        n = 16 * n + (size_t)(digit - "0123456789abcdef");
    }
    for (size_t i = 0; i < n + 2; i++) {
        char c;

        if (s.n == 0 || recv(fd, &c, 1, 0) != 1) {
            return false;
        }
        if (i < n) {
            fl_buf_char(b, c);
        }
    }
    return n > 0;
}

static inline void hear(int fd, struct answer *a)
{
    hear_head(fd, a);
    while (a->chunked && hear_chunk(fd, &a->body)) {
    }
    while (a->length > 0 && a->body.len < (size_t)a->length) {
        char piece[4096];
        size_t left = (size_t)a->length - a->body.len;
        ssize_t n = recv(fd, piece, left < sizeof(piece) ? left : sizeof(piece), 0);

        if (n <= 0) {
            return;
        }
        fl_buf_add(&a->body, piece, (size_t)n);
    }
}

static inline void ask(int fd, struct fl_str request, struct answer *a)
{
    (void)say(fd, request);
    hear(fd, a);
}

/* ---- a feed ---- */

struct test_feed {
    struct fl_feed feed;
    struct fl_lock lock;
    struct fl_cond changed;
    struct fl_shared *pieces[4096];
    size_t n, at;
    bool ended, closed;
    int slept; /* how often `next` had nothing */
    void (*wake)(void *arg);
    void *wake_arg;
};

static inline enum fl_feed_state test_feed_next(struct fl_feed *f, struct fl_shared **ret)
{
    struct test_feed *t = fl_container_of(f, struct test_feed, feed);

    fl_lock_scope(&t->lock);
    if (t->at < t->n) {
        *ret = t->pieces[t->at];
        t->pieces[t->at++] = NULL;
        return FL_FEED_DATA;
    }
    if (t->ended) {
        return FL_FEED_END;
    }
    t->slept++;
    fl_cond_broadcast(&t->changed);
    return FL_FEED_EMPTY;
}

static inline void test_feed_set_waker(struct fl_feed *f, void (*wake)(void *arg), void *arg)
{
    struct test_feed *t = fl_container_of(f, struct test_feed, feed);

    fl_lock_scope(&t->lock);
    t->wake = wake;
    t->wake_arg = arg;
}

static inline void test_feed_close(struct fl_feed *f)
{
    struct test_feed *t = fl_container_of(f, struct test_feed, feed);

    fl_lock_scope(&t->lock);
    assert_false(t->closed);
    t->closed = true;
    fl_cond_broadcast(&t->changed);
}

static const struct fl_feed_ops test_feed_ops = {
    test_feed_next,
    test_feed_set_waker,
    test_feed_close,
};

static inline struct test_feed *test_feed_new(void)
{
    struct test_feed *t = FL_NEW(struct test_feed);

    t->feed.ops = &test_feed_ops;
    fl_lock_init(&t->lock, "feed", FL_RANK_FEED);
    fl_cond_init(&t->changed);
    return t;
}

static inline void test_feed_free(struct test_feed *t)
{
    for (size_t i = t->at; i < t->n; i++) {
        fl_shared_free(t->pieces[i]);
    }
    fl_cond_destroy(&t->changed);
    fl_lock_destroy(&t->lock);
    fl_free(t);
}

/* Waking under the lock is what keeps set_waker's promise. */
static inline void test_feed_push(struct test_feed *t, struct fl_str s)
{
    fl_lock_scope(&t->lock);
    if (t->n < FL_LEN(t->pieces)) {
        t->pieces[t->n++] = fl_shared_new(s);
    }
    if (t->wake) {
        t->wake(t->wake_arg);
    }
}

static inline void test_feed_end(struct test_feed *t)
{
    fl_lock_scope(&t->lock);
    t->ended = true;
    if (t->wake) {
        t->wake(t->wake_arg);
    }
}

static inline void test_feed_await_sleep(struct test_feed *t, int times)
{
    fl_lock_scope(&t->lock);
    while (t->slept < times) {
        fl_cond_wait(&t->changed, &t->lock);
    }
}

static inline void test_feed_await_close(struct test_feed *t)
{
    fl_lock_scope(&t->lock);
    while (!t->closed) {
        fl_cond_wait(&t->changed, &t->lock);
    }
}

static inline bool test_feed_closed(struct test_feed *t)
{
    fl_lock_scope(&t->lock);
    return t->closed;
}

#endif
