/* SPDX-License-Identifier: Apache-2.0 */
#include "fake/peer.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/num.h"
#include "fake/peer_priv.h"

enum {
    POLL_LEFT = 0x2000, /* POLLRDHUP of Linux, which POSIX does not have */
    PIECE = 64 * 1024,
    SMALL = 16 * 1024,
    THREADS_MAX = 256,
};

void fl_peer_fill(int64_t offset, char *ret, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t at = (uint64_t)offset + i;
        uint64_t v = (at >> 3) * UINT64_C(0x9e3779b97f4a7c15);
        v ^= v >> 29;
        ret[i] = (char)(v >> (8 * (at & 7)));
    }
}

bool peer_write(struct peer_conn *c, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t put;
        if (c->ssl) {
            put = SSL_write(c->ssl, p, n > PIECE ? PIECE : (int)n);
        } else {
            put = send(c->fd, p, n, MSG_NOSIGNAL);
        }
        if (put <= 0) {
            return false;
        }
        p += put;
        n -= (size_t)put;
    }
    return true;
}

static bool token_take(struct fl_peer *p, bool *closing)
{
    fl_lock_scope(&p->lock);
    *closing = p->closing || p->want_down || p->settling > 0;
    if (p->tokens > 0) {
        p->tokens--;
        return true;
    }
    return false;
}

/* Which other threads of the process had their turn: they were seen to wait for something. */
struct turns {
    long long self;
    long long had[THREADS_MAX];
    size_t n;
};

static long long thread_id(const char *text)
{
    int64_t id = -1;
    fl_assert(fl_num_i64(fl_str_of(text), &id));
    return id;
}

static void turns_begin(struct turns *t)
{
    char self[64]; /* "<process>/task/<thread>" (proc(5)) */
    ssize_t n = readlink("/proc/thread-self", self, sizeof(self) - 1);
    fl_assert(n > 0);
    self[n] = '\0';
    t->self = thread_id(strrchr(self, '/') + 1);
    t->n = 0;
}

/* The letter behind the name, which may hold anything, in /proc/self/task/<id>/stat (proc(5)). */
static bool thread_waits(const char *id)
{
    char path[64];
    char text[256];
    (void)snprintf(path, sizeof(path), "/proc/self/task/%.20s/stat", id);
    FILE *f = fopen(path, "r");
    if (!f) {
        return true; /* it has ended */
    }
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    (void)fclose(f);
    text[n] = '\0';
    const char *end = strrchr(text, ')');
    return !end || (end[1] == ' ' && end[2] == 'S');
}

static bool turns_had(struct turns *t, const char *text)
{
    long long id = thread_id(text);
    for (size_t i = 0; i < t->n; i++) {
        if (t->had[i] == id) {
            return true;
        }
    }
    if (id == t->self) {
        return true;
    }
    if (!thread_waits(text)) {
        return false;
    }
    fl_assert(t->n < THREADS_MAX);
    t->had[t->n++] = id;
    return true;
}

/* True once all had their turn; then the next round begins. Not all have to wait at the same moment, which many that look
 * around every now and then hardly ever do. */
static bool turns_over(struct turns *t)
{
    bool over = true;
    DIR *d = opendir("/proc/self/task");
    fl_assert(d != NULL);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        over = (e->d_name[0] == '.' || turns_had(t, e->d_name)) && over;
    }
    (void)closedir(d);
    t->n = over ? 0 : t->n;
    return over;
}

/* However busy the machine is, all threads have a turn between two ticks: bytes that are being moved would otherwise be late
 * by a clock that does not wait for them. */
bool peer_stall(struct peer_conn *c, const struct fl_peer_answer *a)
{
    struct turns turns;
    turns_begin(&turns);
    for (;;) {
        bool closing;
        if (token_take(c->p, &closing)) {
            return true;
        }
        struct pollfd pfd = {.fd = c->fd, .events = POLL_LEFT};
        if (closing || poll(&pfd, 1, 1) > 0) {
            return false;
        }
        if (a->tick && turns_over(&turns)) {
            a->tick(a->tick_arg);
        }
    }
}

static const char *phrase(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 202:
        return "Accepted";
    case 401:
        return "Unauthorized";
    case 404:
        return "Not Found";
    default:
        return "Answer";
    }
}

struct body {
    struct fl_str text;
    int64_t n;
    bool fill;
};

static struct body body_of(const struct fl_peer_answer *a)
{
    if (a->fill > 0) {
        return (struct body){.n = a->fill, .fill = true};
    }
    struct fl_str s = a->shared ? fl_shared_str(a->shared) : a->body;
    return (struct body){.text = s, .n = (int64_t)s.n};
}

static bool bodiless(int status)
{
    return status < 200 || status == 204 || status == 304;
}

static void head_make(struct fl_buf *b, const struct fl_peer_answer *a, int64_t n, bool head_only)
{
    int status = a->status ? a->status : 200;
    fl_buf_text(b, a->before);
    fl_buf_fmt(b, "HTTP/1.1 %d %s\r\n", status, phrase(status));
    for (size_t i = 0; i < FL_PEER_HEADERS && a->headers[i]; i++) {
        fl_buf_fmt(b, "%s\r\n", a->headers[i]);
    }
    if (bodiless(status) || (head_only && a->no_length)) {
        /* no framing */
    } else if (a->frame == FL_PEER_CHUNKED) {
        fl_buf_text(b, "Transfer-Encoding: chunked\r\n");
    } else if (a->frame == FL_PEER_LENGTH) {
        fl_buf_fmt(b, "Content-Length: %lld\r\n", (long long)(a->claim ? a->claim : n));
    }
    if (a->close || a->early || a->frame == FL_PEER_UNTIL_CLOSE) {
        fl_buf_text(b, "Connection: close\r\n");
    }
    fl_buf_text(b, "\r\n");
}

static bool piece_write(struct peer_conn *c, const struct fl_peer_answer *a,
                        const struct body *body, int64_t at, size_t n)
{
    char made[PIECE];
    const char *p = body->text.p + at;
    if (body->fill) {
        fl_peer_fill(at, made, n);
        p = made;
    }
    if (a->frame != FL_PEER_CHUNKED) {
        return peer_write(c, p, n);
    }
    char size[24];
    int len = snprintf(size, sizeof(size), "%zx\r\n", n);
    return peer_write(c, size, (size_t)len) && peer_write(c, p, n) && peer_write(c, "\r\n", 2);
}

static size_t piece_size(const struct fl_peer_answer *a, int64_t at, int64_t n)
{
    int64_t max = a->frame == FL_PEER_CHUNKED ? (a->chunk ? (int64_t)a->chunk : 4096) : PIECE;
    int64_t left = n - at;
    if (a->fault != FL_PEER_FINE && at < a->at && a->at - at < left) {
        left = a->at - at;
    }
    if ((a->fault == FL_PEER_DRIP || a->fault == FL_PEER_GATED) && at >= a->at) {
        left = 1;
    }
    return (size_t)(left < max ? (left < PIECE ? left : PIECE) : max);
}

static enum peer_next body_write(struct peer_conn *c, const struct fl_peer_answer *a,
                                 const struct body *body)
{
    bool stalled = false;
    for (int64_t at = 0;;) {
        bool here = at == a->at;
        if (here && a->fault == FL_PEER_RESET) {
            return PEER_RESET;
        }
        if (here && a->fault == FL_PEER_CLOSE) {
            return PEER_CLOSE;
        }
        if (here && a->fault == FL_PEER_STALL && !stalled) {
            stalled = true;
            if (!peer_stall(c, a)) {
                return PEER_CLOSE;
            }
        }
        if (at == body->n) {
            break;
        }
        if (a->fault == FL_PEER_GATED && at >= a->at && !peer_stall(c, a)) {
            return PEER_CLOSE;
        }
        size_t n = piece_size(a, at, body->n);
        if (!piece_write(c, a, body, at, n)) {
            return PEER_CLOSE;
        }
        at += (int64_t)n;
    }
    if (a->frame == FL_PEER_CHUNKED && !peer_write(c, "0\r\n\r\n", 5)) {
        return PEER_CLOSE;
    }
    return PEER_KEEP;
}

enum peer_next peer_answer(struct peer_conn *c, const struct fl_peer_request *req,
                           const struct fl_peer_answer *a)
{
    if (a->at < 0 && a->fault == FL_PEER_STALL && !peer_stall(c, a)) {
        return PEER_CLOSE;
    }
    if (a->at < 0 && (a->fault == FL_PEER_RESET || a->fault == FL_PEER_CLOSE)) {
        return a->fault == FL_PEER_RESET ? PEER_RESET : PEER_CLOSE;
    }
    if (a->raw) {
        (void)peer_write(c, a->raw, strlen(a->raw));
        return PEER_CLOSE;
    }
    struct body body = body_of(a);
    bool head_only = fl_text_eq(req->method, "HEAD");
    fl_auto_val(fl_buf) head = FL_BUF_INIT(FL_BUF_ANY);
    head_make(&head, a, body.n, head_only);
    bool with_body = !head_only && !bodiless(a->status ? a->status : 200);
    if (with_body && a->frame == FL_PEER_LENGTH && a->fault == FL_PEER_FINE && !body.fill &&
        body.n <= SMALL) {
        fl_buf_str(&head, body.text); /* one packet, as servers do it */
        with_body = false;
    }
    if (!peer_write(c, head.data, head.len)) {
        return PEER_CLOSE;
    }
    enum peer_next next = PEER_KEEP;
    if (with_body) {
        next = body_write(c, a, &body);
    }
    bool off = a->close || a->drop || a->early || a->frame == FL_PEER_UNTIL_CLOSE ||
               (a->claim && !head_only);
    return next == PEER_KEEP && off ? PEER_CLOSE : next;
}
