/* SPDX-License-Identifier: Apache-2.0 */
#include "fake/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "fake/peer_priv.h"

enum {
    LINE_MAX_BYTES = 64 * 1024,
    HEADERS_MAX = 128,
    LEFTOVER_MAX = 1 << 20,
};

/* ---- bytes ---- */

/* > 0, or 0 when the client has gone. */
static size_t conn_fill(struct peer_conn *c)
{
    if (c->in_at < c->in_n) {
        return c->in_n - c->in_at;
    }
    ssize_t n =
        c->ssl ? SSL_read(c->ssl, c->in, sizeof(c->in)) : recv(c->fd, c->in, sizeof(c->in), 0);
    c->in_at = 0;
    c->in_n = n > 0 ? (size_t)n : 0;
    return c->in_n;
}

/* A line without its end; NULL when the client has gone. */
static char *conn_line(struct peer_conn *c, struct fl_arena *a)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(LINE_MAX_BYTES);
    for (;;) {
        size_t n = conn_fill(c);
        if (n == 0) {
            return NULL;
        }
        const char *p = c->in + c->in_at;
        const char *end = memchr(p, '\n', n);
        size_t take = end ? (size_t)(end - p) + 1 : n;
        fl_buf_add(&b, p, take);
        c->in_at += take;
        if (end) {
            break;
        }
    }
    while (b.len > 0 && (b.data[b.len - 1] == '\n' || b.data[b.len - 1] == '\r')) {
        fl_buf_truncate(&b, b.len - 1);
    }
    return fl_arena_str(a, fl_buf_slice(&b));
}

/* ---- requests ---- */

static bool request_line(struct fl_peer_request *req, char *line)
{
    char *target = strchr(line, ' ');
    char *version = target ? strchr(target + 1, ' ') : NULL;
    if (!version) {
        return false;
    }
    *target++ = '\0';
    *version = '\0';
    req->method = line;
    req->target = target;
    req->query = fl_str_of(target);
    (void)fl_str_cut(&req->query, '?', &req->path);
    return true;
}

static bool head_read(struct peer_conn *c, struct fl_peer_request *req)
{
    char *line = conn_line(c, req->arena);
    if (!line || !request_line(req, line)) {
        return false;
    }
    struct fl_peer_header *h = fl_arena_array(req->arena, HEADERS_MAX, sizeof(*h));
    while ((line = conn_line(c, req->arena)) && *line) {
        char *colon = strchr(line, ':');
        if (!colon || req->n_headers == HEADERS_MAX) {
            return false;
        }
        *colon = '\0';
        struct fl_str v = fl_str_trim(fl_str_of(colon + 1));
        h[req->n_headers++] = (struct fl_peer_header){line, fl_arena_str(req->arena, v)};
    }
    req->headers = h;
    int64_t n;
    const char *length = fl_peer_header(req, "Content-Length");
    req->content_length = length && fl_num_i64(fl_str_of(length), &n) ? n : -1;
    return line != NULL;
}

struct intake {
    struct peer_conn *c;
    struct fl_peer_request *req;
    const struct fl_peer_answer *a;
    struct fl_buf body;
    EVP_MD_CTX *md;
    int64_t came;
    bool keep;
};

enum read_end { READ_WHOLE, READ_GONE, READ_RESET, READ_CLOSE };

/* Takes in `n` bytes of body, with the answer's fault where it is due. */
static enum read_end intake_take(struct intake *in, int64_t n)
{
    struct peer_conn *c = in->c;
    while (n > 0) {
        if (in->a->read_fault != FL_PEER_FINE && in->came == in->a->read_at) {
            if (in->a->read_fault == FL_PEER_RESET) {
                return READ_RESET;
            }
            if (in->a->read_fault == FL_PEER_CLOSE) {
                return READ_CLOSE;
            }
            if (!peer_stall(c, in->a)) {
                return READ_GONE;
            }
        }
        size_t have = conn_fill(c);
        if (have == 0) {
            return READ_GONE;
        }
        int64_t stop = in->a->read_fault != FL_PEER_FINE && in->came < in->a->read_at
                           ? in->a->read_at - in->came
                           : n;
        stop = stop < n ? stop : n;
        size_t take = (int64_t)have < stop ? have : (size_t)stop;
        if (in->keep) {
            fl_buf_add(&in->body, c->in + c->in_at, take);
        }
        (void)EVP_DigestUpdate(in->md, c->in + c->in_at, take);
        c->in_at += take;
        in->came += (int64_t)take;
        n -= (int64_t)take;
    }
    return READ_WHOLE;
}

static enum read_end intake_chunks(struct intake *in)
{
    for (;;) {
        char *line = conn_line(in->c, in->req->arena);
        if (!line) {
            return READ_GONE;
        }
        int64_t n = 0;
        for (; *line && *line != ';'; line++) {
            const char *digits = "0123456789abcdef";
            const char *at = strchr(digits, *line | 0x20);
            if (!at) {
                return READ_CLOSE;
            }
            n = n * 16 + (at - digits);
        }
        enum read_end end = n ? intake_take(in, n) : READ_WHOLE;
        if (end != READ_WHOLE) {
            return end;
        }
        line = conn_line(in->c, in->req->arena);
        if (!line || n == 0) {
            return line ? READ_WHOLE : READ_GONE;
        }
    }
}

static enum read_end body_read(struct peer_conn *c, struct fl_peer_request *req,
                               const struct fl_peer_answer *a, struct peer_record *rec)
{
    size_t cap = c->p->conf.body_cap ? c->p->conf.body_cap : (size_t)64 << 20;
    const char *expect = fl_peer_header(req, "Expect");
    if (expect && fl_str_case_is(fl_str_of(expect), "100-continue")) {
        (void)peer_write(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    }
    struct intake in = {.c = c, .req = req, .a = a, .keep = !c->p->conf.discard};
    fl_buf_init(&in.body, cap);
    in.md = EVP_MD_CTX_new();
    fl_assert(in.md && EVP_DigestInit_ex(in.md, EVP_sha256(), NULL));
    const char *coding = fl_peer_header(req, "Transfer-Encoding");
    enum read_end end = READ_WHOLE;
    if (coding) {
        end = intake_chunks(&in);
    } else if (req->content_length > 0) {
        end = intake_take(&in, req->content_length);
    }
    unsigned char sum[32];
    (void)EVP_DigestFinal_ex(in.md, sum, NULL);
    EVP_MD_CTX_free(in.md);
    if (in.body.overflowed) {
        peer_problem(c->p, "%s %s: body of more than %zu bytes", req->method, req->target, cap);
    }
    fl_auto_val(fl_buf) hex = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&hex, "sha256:");
    fl_hex_add(&hex, sum, sizeof(sum));
    fl_lock_scope(&c->p->lock);
    rec->r.body = (struct fl_str){fl_arena_str(rec->arena, fl_buf_slice(&in.body)), in.body.len};
    fl_buf_release(&in.body);
    rec->r.body_bytes = in.came;
    (void)snprintf(rec->r.body_digest, sizeof(rec->r.body_digest), "%s", hex.data);
    rec->r.whole = end == READ_WHOLE;
    req->body = rec->r.body;
    return end;
}

static const struct fl_peer_answer answer_unexpected = {
    .status = 500,
    .body = {"unexpected request\n", 19},
    .early = true,
};

/* What is answered; `early` and `read_fault` of it count from here. The body is not yet there. */
static struct fl_peer_answer choose(struct peer_conn *c, const struct fl_peer_request *req,
                                    int *step, bool *settled)
{
    const struct fl_peer_conf *conf = &c->p->conf;
    *step = -1;
    *settled = true;
    if (!conf->handle) {
        *step = peer_match(c->p, req);
        return *step < 0 ? answer_unexpected : conf->steps[*step].answer;
    }
    struct fl_peer_answer a = {0};
    if (conf->early && conf->early(conf->arg, req, &a)) {
        return a;
    }
    *settled = false;
    return (struct fl_peer_answer){0};
}

static enum peer_next exchange(struct peer_conn *c, struct fl_peer_request *req)
{
    struct peer_record *rec = peer_record_add(c->p, req);
    int step;
    bool settled;
    struct fl_peer_answer a = choose(c, req, &step, &settled);
    fl_lock_take(&c->p->lock);
    rec->r.step = step;
    rec->r.status = a.status ? a.status : 200;
    fl_lock_drop(&c->p->lock);
    if (!a.early) {
        enum read_end end = body_read(c, req, &a, rec);
        if (end != READ_WHOLE) {
            fl_shared_free(a.shared);
            return end == READ_RESET ? PEER_RESET : PEER_CLOSE;
        }
        if (step >= 0 && !peer_body_match(c->p, step, rec)) {
            a = answer_unexpected;
        }
    }
    if (!settled) {
        c->p->conf.handle(c->p->conf.arg, req, &a);
        fl_lock_take(&c->p->lock);
        rec->r.status = a.status ? a.status : 200;
        fl_lock_drop(&c->p->lock);
    }
    enum peer_next next = peer_answer(c, req, &a);
    fl_shared_free(a.shared);
    return next;
}

/* ---- connections ---- */

static void conn_busy(struct peer_conn *c, bool busy)
{
    fl_lock_scope(&c->p->lock);
    c->busy = busy;
    fl_cond_broadcast(&c->p->changed);
}

/* Closes in order: an RST because of unread bytes would take the answer away from the client, so what it still sends is read
 * to its end first. */
static void linger(struct peer_conn *c)
{
    if (c->ssl) {
        (void)SSL_shutdown(c->ssl);
    }
    (void)shutdown(c->fd, SHUT_WR);
    char sink[4096];
    for (size_t n = 0; n < LEFTOVER_MAX;) {
        ssize_t got = recv(c->fd, sink, sizeof(sink), 0);
        if (got <= 0) {
            break;
        }
        n += (size_t)got;
    }
}

static void conn_close(struct peer_conn *c, enum peer_next how)
{
    conn_busy(c, false);
    if (how == PEER_RESET) {
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    } else {
        linger(c);
    }
    fl_lock_scope(&c->p->lock);
    SSL_free(c->ssl);
    c->ssl = NULL;
    (void)close(c->fd);
    c->fd = -1;
    fl_cond_broadcast(&c->p->changed);
}

static bool handshake(struct peer_conn *c)
{
    if (!c->p->tls) {
        return true;
    }
    c->ssl = SSL_new(c->p->tls);
    fl_assert(c->ssl && SSL_set_fd(c->ssl, c->fd));
    return SSL_accept(c->ssl) == 1;
}

static void *conn_run(void *arg)
{
    struct peer_conn *c = arg;
    enum peer_next next = handshake(c) ? PEER_KEEP : PEER_CLOSE;
    fl_auto(fl_arena) arena = fl_arena_new();
    while (next == PEER_KEEP && conn_fill(c) > 0) {
        conn_busy(c, true);
        fl_arena_clear(arena);
        struct fl_peer_request req = {.arena = arena, .conn = c->no};
        if (!head_read(c, &req)) {
            break;
        }
        next = exchange(c, &req);
        if (next == PEER_KEEP) {
            conn_busy(c, false);
        }
    }
    conn_close(c, next);
    return NULL;
}

static void conn_new(struct fl_peer *p, int fd)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct peer_conn *c = FL_NEW(struct peer_conn);
    c->p = p;
    c->fd = fd;
    fl_lock_scope(&p->lock);
    c->no = p->n_conns++;
    c->next = p->conns;
    p->conns = c;
    fl_thread_start(&c->thread, "peer-conn", conn_run, c);
}

/* Under the lock. */
static void conns_shut(struct fl_peer *p, bool idle_only)
{
    for (struct peer_conn *c = p->conns; c; c = c->next) {
        if (c->fd >= 0 && !(idle_only && c->busy)) {
            (void)shutdown(c->fd, SHUT_RDWR);
        }
    }
}

/* ---- the listener ---- */

static int listen_on(int port, int *ret_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    struct sockaddr_in in = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct sockaddr sa;
    memcpy(&sa, &in, sizeof(sa));
    socklen_t len = sizeof(sa);
    fl_assert(fd >= 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    fl_assert(bind(fd, &sa, sizeof(sa)) == 0);
    fl_assert(listen(fd, 256) == 0);
    fl_assert(getsockname(fd, &sa, &len) == 0);
    memcpy(&in, &sa, sizeof(in));
    *ret_port = ntohs(in.sin_port);
    return fd;
}

static void *accept_run(void *arg)
{
    struct fl_peer *p = arg;
    for (;;) {
        fl_lock_take(&p->lock);
        if (p->listener >= 0 && (p->want_down || p->closing)) {
            (void)close(p->listener);
            p->listener = -1;
            conns_shut(p, false);
            fl_cond_broadcast(&p->changed);
        }
        bool closing = p->closing;
        int listener = p->listener;
        fl_lock_drop(&p->lock);
        if (closing) {
            return NULL;
        }
        struct pollfd fds[2] = {{.fd = p->wake[0], .events = POLLIN},
                                {.fd = listener, .events = POLLIN}};
        (void)poll(fds, 2, -1);
        char c;
        if (fds[0].revents && read(p->wake[0], &c, 1) != 1) {
            return NULL;
        }
        int fd = fds[1].revents ? accept(listener, NULL, NULL) : -1;
        if (fd >= 0) {
            (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
            conn_new(p, fd);
        }
    }
}

static void acceptor_wake(struct fl_peer *p)
{
    fl_assert(write(p->wake[1], "", 1) == 1);
}

struct fl_peer *fl_peer_new(const struct fl_peer_conf *conf)
{
    struct fl_peer *p = FL_NEW(struct fl_peer);
    p->conf = *conf;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    fl_lock_init(&p->lock, "peer", FL_RANK_WIRE);
    fl_cond_init(&p->changed);
    fl_buf_init(&p->problems, FL_BUF_ANY);
    p->made = fl_calloc(conf->n_steps + 1, sizeof(*p->made));
    if (conf->cert_pem) {
        p->tls = peer_tls_new(conf);
    }
    p->listener = listen_on(0, &p->port);
    (void)snprintf(p->url, sizeof(p->url), "http%s://127.0.0.1:%d", p->tls ? "s" : "", p->port);
    fl_assert(pipe(p->wake) == 0);
    fl_thread_start(&p->acceptor, "peer-accept", accept_run, p);
    return p;
}

struct fl_peer *fl_peer_play(const struct fl_peer_step *steps, size_t n)
{
    return fl_peer_new(&(struct fl_peer_conf){.steps = steps, .n_steps = n});
}

void fl_peer_free(struct fl_peer *p)
{
    if (!p) {
        return;
    }
    fl_lock_take(&p->lock);
    p->closing = true;
    fl_lock_drop(&p->lock);
    acceptor_wake(p);
    (void)pthread_join(p->acceptor, NULL);
    fl_lock_take(&p->lock);
    conns_shut(p, false);
    fl_lock_drop(&p->lock);
    while (p->conns) {
        struct peer_conn *c = p->conns;
        p->conns = c->next;
        (void)pthread_join(c->thread, NULL);
        fl_free(c);
    }
    for (size_t i = 0; i < p->n_records; i++) {
        peer_record_free(p->records[i]);
    }
    fl_free(p->records);
    fl_free(p->made);
    fl_buf_release(&p->problems);
    SSL_CTX_free(p->tls);
    (void)close(p->wake[0]);
    (void)close(p->wake[1]);
    fl_cond_destroy(&p->changed);
    fl_lock_destroy(&p->lock);
    fl_free(p);
}

const char *fl_peer_url(const struct fl_peer *p)
{
    return p->url;
}

int fl_peer_port(const struct fl_peer *p)
{
    return p->port;
}

void fl_peer_release(struct fl_peer *p, int n)
{
    fl_lock_scope(&p->lock);
    p->tokens += n;
}

static bool conns_open(const struct fl_peer *p)
{
    for (const struct peer_conn *c = p->conns; c; c = c->next) {
        if (c->fd >= 0) {
            return true;
        }
    }
    return false;
}

void fl_peer_down(struct fl_peer *p)
{
    fl_lock_take(&p->lock);
    p->want_down = true;
    fl_lock_drop(&p->lock);
    acceptor_wake(p);
    fl_lock_take(&p->lock);
    while (p->listener >= 0 || conns_open(p)) {
        fl_cond_wait(&p->changed, &p->lock);
    }
    fl_lock_drop(&p->lock);
}

void fl_peer_up(struct fl_peer *p)
{
    int port;
    int fd = listen_on(p->port, &port);
    fl_lock_take(&p->lock);
    fl_assert(p->listener < 0);
    p->want_down = false;
    p->listener = fd;
    fl_lock_drop(&p->lock);
    acceptor_wake(p);
}

void fl_peer_drop_idle(struct fl_peer *p)
{
    fl_lock_scope(&p->lock);
    conns_shut(p, true);
}

size_t fl_peer_connections(struct fl_peer *p)
{
    fl_lock_scope(&p->lock);
    return (size_t)p->n_conns;
}

static bool any_busy(const struct fl_peer *p)
{
    for (const struct peer_conn *c = p->conns; c; c = c->next) {
        if (c->busy) {
            return true;
        }
    }
    return false;
}

void fl_peer_settle(struct fl_peer *p)
{
    fl_lock_scope(&p->lock);
    p->settling++;
    while (any_busy(p)) {
        fl_cond_wait(&p->changed, &p->lock);
    }
    p->settling--;
}
