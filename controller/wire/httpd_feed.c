/* SPDX-License-Identifier: Apache-2.0
 * Streams: libmicrohttpd asks for bytes; when there are none the connection is suspended until the producer wakes it. */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "base/mem.h"
#include "wire/httpd_priv.h"

enum { GONE_AT_ONCE = 64 };

struct httpd_feed {
    struct MHD_Connection *mhd;
    struct httpd_conn *conn;
    struct fl_clock *clock;
    int64_t end_ms;

    /* MHD's. */
    struct fl_feed *feed;
    struct fl_shared *piece; /* on its way out, from `at` on */
    size_t at;
    bool over;

    /* Under the lock, which is held across suspend and resume, so that a connection is resumed only when it is
     * suspended, and news between "nothing" and the suspension is not lost. */
    struct fl_lock lock;
    bool news;
    bool suspended;
    bool ending;
};

static void feed_resume(struct httpd_feed *f)
{
    fl_lock_assert_held(&f->lock);
    if (f->suspended) {
        f->suspended = false;
        atomic_store(&f->conn->deadline_ms, fl_clock_mono_ms(f->clock) + HTTPD_STALL_MS);
        MHD_resume_connection(f->mhd);
    }
}

static void feed_wake(void *arg)
{
    struct httpd_feed *f = arg;

    fl_lock_scope(&f->lock);
    f->news = true;
    feed_resume(f);
}

void httpd_feed_end(struct httpd_feed *f)
{
    fl_lock_scope(&f->lock);
    f->ending = true;
    feed_resume(f);
}

void httpd_feed_expire(struct httpd_feed *f)
{
    fl_lock_scope(&f->lock);
    if (f->suspended) {
        f->ending = true;
        feed_resume(f);
    } else {
        (void)shutdown(f->conn->fd, SHUT_RDWR);
    }
}

/* False: there is news already. */
static bool feed_sleep(struct httpd_feed *f)
{
    fl_lock_scope(&f->lock);
    if (f->news || f->ending) {
        return false;
    }
    f->suspended = true;
    atomic_store(&f->conn->deadline_ms, f->end_ms);
    MHD_suspend_connection(f->mhd);
    return true;
}

static bool feed_must_end(struct httpd_feed *f)
{
    fl_lock_scope(&f->lock);
    f->news = false;
    return f->ending;
}

static size_t feed_copy(struct httpd_feed *f, char *buf, size_t max)
{
    size_t n = f->piece->n - f->at;

    n = n < max ? n : max;
    memcpy(buf, f->piece->data + f->at, n);
    f->at += n;
    if (f->at == f->piece->n) {
        fl_shared_free(f->piece);
        f->piece = NULL;
        f->at = 0;
    }
    return n;
}

/* Asks the producer for the next piece. EMPTY: the connection sleeps. */
static enum fl_feed_state feed_next(struct httpd_feed *f, bool may_sleep)
{
    for (;;) {
        enum fl_feed_state state = FL_FEED_END;

        if (!feed_must_end(f) && !f->over && fl_clock_mono_ms(f->clock) < f->end_ms) {
            state = f->feed->ops->next(f->feed, &f->piece);
        }
        if (state == FL_FEED_END) {
            f->over = true;
        }
        if (state != FL_FEED_EMPTY || !may_sleep || feed_sleep(f)) {
            return state;
        }
    }
}

/* What the producer has ready goes out together, as far as it fits. */
static ssize_t feed_read(void *cls, uint64_t pos, char *buf, size_t max)
{
    struct httpd_feed *f = cls;
    size_t n = 0;

    (void)pos;
    while (n < max) {
        enum fl_feed_state state = FL_FEED_DATA;

        if (!f->piece) {
            state = feed_next(f, n == 0);
        }
        if (state == FL_FEED_END && n == 0) {
            return MHD_CONTENT_READER_END_OF_STREAM;
        }
        if (state != FL_FEED_DATA) {
            break;
        }
        n += feed_copy(f, buf + n, max - n);
    }
    if (n > 0) {
        atomic_store(&f->conn->deadline_ms, fl_clock_mono_ms(f->clock) + HTTPD_STALL_MS);
    }
    return (ssize_t)n;
}

/* The library does not look at a connection that is suspended, so that its client's end would show with the next bytes only. */
static void feed_enlist(struct fl_httpd *h, struct httpd_feed *f)
{
    struct epoll_event e = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.ptr = f->conn};

    fl_lock_scope(&h->lock);
    f->ending =
        h->stopping; /* either the stop finds it among the connections, or it finds the stop */
    f->conn->feed = f;
    (void)epoll_ctl(h->gone, EPOLL_CTL_ADD, f->conn->fd, &e);
}

void httpd_feed_unlist(struct fl_httpd *h, struct httpd_conn *c)
{
    fl_lock_assert_held(&h->lock);
    if (c->feed) {
        (void)epoll_ctl(h->gone, EPOLL_CTL_DEL, c->fd, NULL);
        c->feed = NULL;
    }
}

void httpd_feed_sweep(struct fl_httpd *h)
{
    struct epoll_event v[GONE_AT_ONCE];
    int n = GONE_AT_ONCE;

    fl_lock_assert_held(&h->lock);
    while (n == GONE_AT_ONCE) {
        n = epoll_wait(h->gone, v, GONE_AT_ONCE, 0);
        for (int i = 0; i < n; i++) {
            struct httpd_conn *c = v[i].data.ptr;

            httpd_feed_expire(c->feed);
        }
    }
}

bool httpd_feed_start(struct httpd_req *r)
{
    struct fl_clock *clock = r->h->clock;
    struct httpd_feed *f = FL_NEW(struct httpd_feed);
    int unsent = HTTPD_FEED_UNSENT;
    struct MHD_Response *m;

    f->mhd = r->mhd;
    f->conn = r->conn;
    f->clock = clock;
    f->end_ms = fl_clock_mono_ms(clock) + HTTPD_FEED_MS;
    f->feed = fl_take(r->res.feed);
    fl_lock_init(&f->lock, "httpd feed", FL_RANK_WIRE + 1);
    r->feed = f;
    feed_enlist(r->h, f);
    f->feed->ops->set_waker(f->feed, feed_wake, f);
    /* The kernel would let a client that does not read hold megabytes. */
    (void)setsockopt(r->conn->fd, SOL_SOCKET, SO_SNDBUF, &unsent, sizeof(unsent));
    m = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 1024, feed_read, f, NULL);
    return m && httpd_queue(r, m);
}

void httpd_feed_free(struct httpd_feed *f)
{
    if (!f) {
        return;
    }
    f->feed->ops->set_waker(f->feed, NULL, NULL);
    f->feed->ops->close(f->feed);
    fl_shared_free(f->piece);
    fl_lock_destroy(&f->lock);
    fl_free(f);
}
