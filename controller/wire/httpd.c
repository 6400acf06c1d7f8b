/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/httpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/mem.h"
#include "wire/crypt.h"
#include "wire/file.h"
#include "wire/httpd_priv.h"

/* Bytes of a connection for its head and what is on its way out. Service account tokens are long; an idle TLS stream costs
 * 29 kB with it (libraries.md). */
#define HTTPD_CONN_MEMORY ((size_t)16384)
enum {
    HTTPD_BACKLOG = 1024,
    HTTPD_TIMEOUT_S = 120, /* of a plain answer that is not taken; libmicrohttpd's own clock */
    HTTPD_FREE_MAX = 64,
};
/* Before 1.0 the strict level does no more than httpd_head.c does, and answers a missing Host twice. */
#if MHD_VERSION < 0x01000000
#define HTTPD_STRICT 0
#else
#define HTTPD_STRICT 1
#endif
/* TLS 1.2 at least; ALPN offers http/1.1 by itself. */
#define HTTPD_TLS "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* ---- requests ---- */

static struct httpd_req *req_new(struct fl_httpd *h)
{
    struct httpd_req *r = h->free_reqs;

    if (r) {
        h->free_reqs = r->next;
        h->n_free--;
        return r;
    }
    r = FL_NEW(struct httpd_req);
    r->h = h;
    r->req.arena = fl_arena_new();
    fl_response_init(&r->res, FL_BUF_ANY);
    fl_buf_init(&r->body, 0);
    return r;
}

/* The only way for a body to go, so that the sum stays right. */
static void body_forget(struct httpd_req *r)
{
    r->h->bodies -= r->body.len;
    fl_buf_release(&r->body);
}

static void req_destroy(struct httpd_req *r)
{
    fl_arena_free(r->req.arena);
    fl_free(r);
}

static void req_release(struct httpd_req *r)
{
    struct fl_httpd *h = r->h;
    struct fl_arena *arena = r->req.arena;

    httpd_feed_free(r->feed);
    fl_response_release(&r->res);
    body_forget(r);
    fl_arena_clear(arena);
    *r = (struct httpd_req){.h = h, .req = {.arena = arena}};
    fl_response_init(&r->res, FL_BUF_ANY);
    fl_buf_init(&r->body, 0);
    if (h->n_free >= HTTPD_FREE_MAX) {
        req_destroy(r);
        return;
    }
    r->next = h->free_reqs;
    h->free_reqs = r;
    h->n_free++;
}

static void req_deadline(struct httpd_req *r, int64_t ms)
{
    int64_t now = ms == FL_NEVER ? 0 : fl_clock_mono_ms(r->h->clock);

    atomic_store(&r->conn->deadline_ms, ms == FL_NEVER ? FL_NEVER : now + ms);
}

static bool req_stopping(struct httpd_req *r)
{
    fl_lock_scope(&r->h->lock);
    return r->h->stopping;
}

/* ---- answers ---- */

bool httpd_queue(struct httpd_req *r, struct MHD_Response *m)
{
    const struct fl_response *res = &r->res;
    enum MHD_Result ok;

    if (res->content_type) {
        (void)MHD_add_response_header(m, "Content-Type", res->content_type);
    }
    /* One that the library refuses (a line break in it) is left out. */
    for (size_t i = 0; i < res->n_headers; i++) {
        (void)MHD_add_response_header(m, res->headers[i].name, res->headers[i].value);
    }
    if (r->close) {
        (void)MHD_add_response_header(m, "Connection", "close");
    }
    ok = MHD_queue_response(r->mhd, (unsigned)res->status, m);
    MHD_destroy_response(m);
    return ok == MHD_YES;
}

/* The bytes stay where they are: r lives until they are sent. */
static bool req_answer(struct httpd_req *r)
{
    struct fl_str body = r->res.shared ? fl_shared_str(r->res.shared) : fl_buf_slice(&r->res.body);
    struct MHD_Response *m;

    req_deadline(r, FL_NEVER);
    r->close = r->close || req_stopping(r);
    if (r->res.feed) {
        return httpd_feed_start(r);
    }
    m = MHD_create_response_from_buffer(body.n, (void *)body.p, MHD_RESPMEM_PERSISTENT);
    return m && httpd_queue(r, m);
}

static void req_say(struct httpd_req *r, int status, const char *why)
{
    r->res.status = status;
    r->res.content_type = "text/plain; charset=utf-8";
    fl_buf_fmt(&r->res.body, "%s\n", why);
}

static bool req_refuse(struct httpd_req *r, int status, const char *why)
{
    r->close = true;
    req_say(r, status, why);
    return req_answer(r);
}

static bool req_refuse_size(struct httpd_req *r)
{
    if (!r->h->conf.too_big) {
        return req_refuse(r, 413, "the body is too large");
    }
    r->h->conf.too_big(r->h->conf.self, &r->req, &r->res);
    return req_answer(r);
}

static bool req_refuse_crowded(struct httpd_req *r)
{
    fl_response_header(&r->res, "Retry-After", "5");
    return req_refuse(r, 503, "too many request bodies are on their way");
}

/* ---- a request's head ---- */

static enum MHD_Result head_add(void *cls, enum MHD_ValueKind kind, const char *name,
                                const char *value)
{
    struct httpd_req *r = cls;

    (void)kind;
    if (r->req.n_headers == HTTPD_HEADERS_MAX) {
        r->req.n_headers++; /* too many */
        return MHD_NO;
    }
    r->headers[r->req.n_headers++] = (struct fl_header){name, value ? value : ""};
    return MHD_YES;
}

#if MHD_VERSION < 0x01000000
/* Before 1.0 the library hides bytes of the head from us: what follows a NUL in a line, a missing CR, folded lines. Its
 * texts lie in the buffer of the connection in the order they came, ended by NUL, so every byte can be accounted for. */
static bool head_is_whole(struct httpd_req *r, const char *method, const char *version)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    uintptr_t at = (uintptr_t)method + strlen(method) + 1;

    if (at != (uintptr_t)r->uri_at || (uintptr_t)version != at + r->uri.n + 1) {
        return false;
    }
    at = (uintptr_t)version + strlen(version) + 2;
    for (size_t i = 0; i < r->req.n_headers; i++) {
        const char *value = r->headers[i].name + strlen(r->headers[i].name) + 1;

        if ((uintptr_t)r->headers[i].name != at) {
            return false;
        }
        value += strspn(value, " \t");
        if (value != r->headers[i].value) {
            return false;
        }
        at = (uintptr_t)value + strlen(value) + 2;
    }
    return info && at + 2 == (uintptr_t)method + info->header_size;
}
#else
/* From 1.0 on the strict level refuses all of that itself. */
static bool head_is_whole(struct httpd_req *r, const char *method, const char *version)
{
    (void)r;
    (void)method;
    (void)version;
    return true;
}
#endif

/* Optional white space belongs to no value (RFC 9112 5.1). */
static void head_trim(struct httpd_req *r)
{
    for (size_t i = 0; i < r->req.n_headers; i++) {
        struct fl_str all = fl_str_of(r->headers[i].value);
        struct fl_str s = fl_str_trim(all);

        if (s.n != all.n) {
            r->headers[i].value = fl_arena_str(r->req.arena, s);
        }
    }
}

static bool head_start_body(struct httpd_req *r, const struct httpd_said *said)
{
    uint64_t length = said->content_length > 0 ? (uint64_t)said->content_length : 0;

    r->phase = HTTPD_BODY;
    r->body_cap = HTTPD_BODY_CAP;
    if (r->h->conf.body_cap) {
        r->body_cap = r->h->conf.body_cap(r->h->conf.self, &r->req);
    }
    fl_buf_init(&r->body, r->body_cap);
    r->body_end_ms = fl_clock_mono_ms(r->h->clock) + HTTPD_BODY_MS;
    req_deadline(r, HTTPD_STALL_MS);
    if (length <= r->body_cap) {
        return true;
    }
    /* A client that is sending when the connection is closed loses the answer, so a little too much is read first. One
     * that asks before it sends is told at once. */
    if (said->expects_continue || length - r->body_cap > HTTPD_DRAIN_MAX) {
        r->close = true;
        return req_refuse_size(r);
    }
    r->dropping = true;
    return true;
}

static bool head_done(struct httpd_req *r, const char *method, const char *version)
{
    struct httpd_said said;
    struct httpd_head head = {.method = method, .version = version, .headers = r->headers};
    const char *why = NULL;
    int status;

    (void)MHD_get_connection_values(r->mhd, MHD_HEADER_KIND, head_add, r);
    if (r->req.n_headers > HTTPD_HEADERS_MAX) {
        return req_refuse(r, 431, "too many headers");
    }
    if (!head_is_whole(r, method, version)) {
        return req_refuse(r, 400, "malformed request head");
    }
    head_trim(r);
    head.uri = r->uri;
    head.n_headers = r->req.n_headers;
    status = httpd_head_check(&head, &said, &why);
    if (status) {
        return req_refuse(r, status, why);
    }
    /* HEAD is GET to the handler; the library leaves the body out. */
    r->req.method = strcmp(method, "HEAD") == 0 ? "GET" : method;
    r->req.path = said.path;
    r->req.query = said.query;
    r->req.headers = r->headers;
    r->req.peer = r->conn->peer;
    return head_start_body(r, &said);
}

/* ---- a request's body, and its work ---- */

static bool body_add(struct httpd_req *r, const char *p, size_t n)
{
    struct fl_httpd *h = r->h;
    int64_t left = r->body_end_ms - fl_clock_mono_ms(h->clock);
    bool fits = n <= r->body_cap - r->body.len;

    req_deadline(r, left < HTTPD_STALL_MS ? left : HTTPD_STALL_MS);
    if (!r->dropping && fits && n <= h->conf.bodies_cap - h->bodies) {
        fl_buf_add(&r->body, p, n);
        h->bodies += n;
        return true;
    }
    if (!r->dropping) {
        r->dropping = true;
        r->crowded = fits;
        body_forget(r);
    }
    r->dropped += n;
    return r->dropped <= r->body_cap + HTTPD_DRAIN_MAX;
}

/* A worker's. From resume on, r is MHD's again. */
static void req_work(struct httpd_req *r)
{
    r->h->conf.serve(r->h->conf.self, &r->req, &r->res);
    r->phase = HTTPD_ANSWER;
    MHD_resume_connection(r->mhd);
}

static void req_unavailable(struct httpd_req *r, const char *why)
{
    static const char retry_after[] = "1";

    req_say(r, 503, why);
    fl_response_header(&r->res, "Retry-After", retry_after);
    r->phase = HTTPD_ANSWER;
    MHD_resume_connection(r->mhd);
}

/* Suspended first: once it is queued, a worker may resume it at any moment. */
static bool req_dispatch(struct httpd_req *r)
{
    if (r->dropping) {
        return r->crowded ? req_refuse_crowded(r) : req_refuse_size(r);
    }
    r->req.body = fl_buf_slice(&r->body);
    r->phase = HTTPD_WORK;
    req_deadline(r, FL_NEVER);
    MHD_suspend_connection(r->mhd);
    if (!httpd_work_add(&r->h->work, r)) {
        req_unavailable(r, "too many requests are waiting");
    }
    return true;
}

/* ---- libmicrohttpd's callbacks, all on its thread ---- */

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *n_data, void **context)
{
    struct httpd_req *r = *context;
    bool ok = true;

    (void)cls;
    (void)mhd;
    (void)url;
    if (r->phase == HTTPD_HEAD) {
        ok = head_done(r, method, version);
    } else if (r->phase == HTTPD_BODY && *n_data > 0) {
        ok = body_add(r, data, *n_data);
        *n_data = 0;
    } else if (r->phase == HTTPD_BODY) {
        ok = req_dispatch(r);
    } else if (r->phase == HTTPD_ANSWER) {
        ok = req_answer(r);
    }
    return ok ? MHD_YES : MHD_NO;
}

/* The request line was read; the library is about to cut the URI to pieces in place. */
static void *on_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    struct fl_httpd *h = cls;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct httpd_req *r = req_new(h);

    r->mhd = mhd;
    r->conn = info->socket_context;
    r->uri_at = uri;
    r->uri = fl_str_of(fl_arena_text(r->req.arena, uri ? uri : ""));
    r->phase = HTTPD_HEAD;
    req_deadline(r, HTTPD_HEAD_MS);
    fl_lock_take(&h->lock);
    h->active++;
    fl_lock_drop(&h->lock);
    return r;
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode why)
{
    struct fl_httpd *h = cls;
    struct httpd_req *r = *context;

    (void)mhd;
    (void)why;
    if (!r) {
        return;
    }
    *context = NULL;
    req_deadline(r, HTTPD_IDLE_MS);
    fl_lock_take(&h->lock);
    httpd_feed_unlist(h, r->conn);
    h->active--;
    if (h->stopping && h->active == 0) {
        fl_cond_broadcast(&h->changed);
    }
    fl_lock_drop(&h->lock);
    req_release(r);
}

/* Paths and queries are decoded by those who know what they mean. */
static size_t on_unescape(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    return strlen(text);
}

static void on_complaint(void *cls, const char *fmt, va_list ap) fl_printf_like(2, 0);
static void on_complaint(void *cls, const char *fmt, va_list ap)
{
    struct fl_httpd *h = cls;

    if (atomic_load(&h->starting)) {
        (void)vsnprintf(h->said, sizeof(h->said), fmt, ap);
    }
}

static enum MHD_Result on_accept(void *cls, const struct sockaddr *addr, socklen_t len)
{
    struct fl_httpd *h = cls;

    (void)addr;
    (void)len;
    fl_lock_scope(&h->lock);
    return h->stopping ? MHD_NO : MHD_YES;
}

static void peer_name(const struct sockaddr *addr, char *ret, size_t n)
{
    if (addr->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)addr;

        (void)inet_ntop(AF_INET, &in->sin_addr, ret, (socklen_t)n);
    } else if (addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)addr;

        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
            (void)inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], ret, (socklen_t)n);
        } else {
            (void)inet_ntop(AF_INET6, &in6->sin6_addr, ret, (socklen_t)n);
        }
    }
}

static void conn_open(struct fl_httpd *h, struct MHD_Connection *mhd, void **context)
{
    struct httpd_conn *c = FL_NEW(struct httpd_conn);
    const union MHD_ConnectionInfo *info;

    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info && info->client_addr) {
        peer_name(info->client_addr, c->peer, sizeof(c->peer));
    }
    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    c->fd = info->connect_fd;
    atomic_init(&c->deadline_ms, fl_clock_mono_ms(h->clock) + HTTPD_HEAD_MS);
    fl_lock_take(&h->lock);
    c->next = h->conns;
    if (c->next) {
        c->next->prev = c;
    }
    h->conns = c;
    fl_lock_drop(&h->lock);
    *context = c;
}

static void conn_close(struct fl_httpd *h, struct httpd_conn *c)
{
    fl_lock_take(&h->lock);
    if (c->prev) {
        c->prev->next = c->next;
    } else {
        h->conns = c->next;
    }
    if (c->next) {
        c->next->prev = c->prev;
    }
    fl_lock_drop(&h->lock);
    fl_free(c);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        conn_open(cls, mhd, context);
    } else if (*context) {
        conn_close(cls, *context);
        *context = NULL;
    }
}

/* ---- time-outs ---- */

static void sweep(struct fl_httpd *h)
{
    int64_t now = fl_clock_mono_ms(h->clock);

    httpd_feed_sweep(h);
    for (struct httpd_conn *c = h->conns; c; c = c->next) {
        if (atomic_load(&c->deadline_ms) > now) {
            continue;
        }
        if (c->feed) {
            httpd_feed_expire(c->feed);
        } else {
            (void)shutdown(c->fd, SHUT_RDWR);
        }
    }
}

static void *sweep_main(void *arg)
{
    struct fl_httpd *h = arg;

    fl_lock_take(&h->lock);
    while (!h->sweep_over) {
        sweep(h);
        fl_clock_wait(h->clock, &h->changed, &h->lock, fl_clock_mono_ms(h->clock) + HTTPD_SWEEP_MS);
    }
    fl_lock_drop(&h->lock);
    return NULL;
}

/* ---- start ---- */

static int listen_fail(const struct fl_httpd *h, int errnum, struct fl_err *err)
{
    char text[FL_ERRNO_TEXT];
    bool v6 = strchr(h->conf.host, ':') != NULL;

    return fl_fail(err, FL_E_UNAVAILABLE, "CannotListen", "cannot listen on %s%s%s:%u: %s",
                   v6 ? "[" : "", h->conf.host, v6 ? "]" : "", h->conf.port,
                   fl_errno_text(errnum, text));
}

static int listen_bind(int fd, const struct addrinfo *a)
{
    int one = 1;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || bind(fd, a->ai_addr, a->ai_addrlen) != 0 ||
        listen(fd, HTTPD_BACKLOG) != 0) {
        return errno;
    }
    return 0;
}

static uint16_t listen_port(int fd)
{
    struct sockaddr_storage addr;
    socklen_t n = sizeof(addr);

    memset(&addr, 0, sizeof(addr));
    fl_assert(getsockname(fd, (struct sockaddr *)(void *)&addr, &n) == 0);
    if (addr.ss_family == AF_INET6) {
        return ntohs(((struct sockaddr_in6 *)(void *)&addr)->sin6_port);
    }
    return ntohs(((struct sockaddr_in *)(void *)&addr)->sin_port);
}

static int listen_open(struct fl_httpd *h, int *ret_fd, bool *ret_v6, struct fl_err *err)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *a = NULL;
    char port[8];
    int failed = 0;
    int fd;

    (void)snprintf(port, sizeof(port), "%u", h->conf.port);
    if (getaddrinfo(h->conf.host, port, &hints, &a) != 0) {
        return fl_fail(err, FL_E_INVALID, "AddressInvalid", "'%s' is not a numeric address",
                       h->conf.host);
    }
    fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
    failed = fd < 0 ? errno : listen_bind(fd, a);
    *ret_v6 = a->ai_family == AF_INET6;
    freeaddrinfo(a);
    if (failed) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return listen_fail(h, failed, err);
    }
    *ret_fd = fd;
    return 0;
}

static struct MHD_Daemon *start_daemon(struct fl_httpd *h, int fd, bool v6)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
                     MHD_USE_ERROR_LOG | (v6 ? MHD_USE_IPv6 : 0U);
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)h->conf.cert_pem},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)h->conf.key_pem},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)HTTPD_TLS},
        {MHD_OPTION_END, 0, NULL},
    };

    if (h->conf.cert_pem) {
        flags |= MHD_USE_TLS;
    } else {
        tls[0].option = MHD_OPTION_END;
    }
    /* The logger comes first, so that it hears of the options behind it. */
    return MHD_start_daemon(
        flags, h->conf.port, on_accept, h, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, on_complaint,
        h, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd, MHD_OPTION_STRICT_FOR_CLIENT, HTTPD_STRICT,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, HTTPD_CONN_MEMORY, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)h->conf.max_conns, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)h->conf.max_conns_per_addr, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)HTTPD_TIMEOUT_S, MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_URI_LOG_CALLBACK, on_uri, h,
        MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, h, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

/* Its thread inherits the signal mask: signals are for the main thread. */
static int start_mhd(struct fl_httpd *h, struct fl_err *err)
{
    sigset_t all;
    sigset_t before;
    int fd = -1;
    bool v6 = false;
    int rc = listen_open(h, &fd, &v6, err);

    if (rc) {
        return rc;
    }
    h->port = listen_port(fd);
    h->gone = epoll_create1(EPOLL_CLOEXEC);
    if (h->gone < 0) {
        rc = listen_fail(h, errno, err);
        (void)close(fd);
        return rc;
    }
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    atomic_store(&h->starting, true);
    h->mhd = start_daemon(h, fd, v6);
    atomic_store(&h->starting, false);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!h->mhd) {
        /* The library closes the socket when it fails with it. */
        return fl_fail(err, FL_E_UNAVAILABLE, "CannotServe", "cannot start the %s server: %s",
                       h->name, h->said[0] ? h->said : "no reason given");
    }
    return 0;
}

static void httpd_free(struct fl_httpd *h)
{
    while (h->free_reqs) {
        struct httpd_req *r = h->free_reqs;

        h->free_reqs = r->next;
        req_destroy(r);
    }
    httpd_work_release(&h->work);
    if (h->gone >= 0) {
        (void)close(h->gone);
    }
    fl_cond_destroy(&h->changed);
    fl_lock_destroy(&h->lock);
    fl_free(h);
}

static void httpd_fill(struct fl_httpd *h, const struct fl_httpd_conf *conf)
{
    h->conf = *conf;
    h->conf.workers = conf->workers > 0 ? conf->workers : 16;
    h->conf.bodies_cap = conf->bodies_cap > 0 ? conf->bodies_cap : HTTPD_BODIES_CAP;
    h->conf.max_conns = conf->max_conns > 0 ? conf->max_conns : 4096;
    h->conf.max_conns_per_addr = conf->max_conns_per_addr > 0 ? conf->max_conns_per_addr : 1024;
    h->clock = conf->clock ? conf->clock : fl_clock_real();
    (void)snprintf(h->name, sizeof(h->name), "%.15s",
                   conf->server_name ? conf->server_name : "http");
    h->gone = -1;
    fl_lock_init(&h->lock, "httpd", FL_RANK_WIRE);
    fl_cond_init(&h->changed);
    httpd_work_init(&h->work, h->name, h->conf.workers, req_work);
}

int fl_httpd_start(const struct fl_httpd_conf *conf, struct fl_httpd **ret, struct fl_err *err)
{
    struct fl_httpd *h;
    char name[16];
    int rc = 0;

    /* GnuTLS' words for a wrong pair are few. */
    if (conf->cert_pem) {
        rc = fl_cert_check(conf->cert_pem, conf->key_pem, err);
    }
    if (rc) {
        return rc;
    }
    h = FL_NEW(struct fl_httpd);
    httpd_fill(h, conf);
    rc = start_mhd(h, err);
    if (rc) {
        httpd_free(h);
        return rc;
    }
    /* Only the start needed them. */
    h->conf.host = NULL;
    h->conf.cert_pem = NULL;
    h->conf.key_pem = NULL;
    h->conf.server_name = NULL;
    (void)snprintf(name, sizeof(name), "%.9s-sweep", h->name);
    fl_thread_start(&h->sweeper, name, sweep_main, h);
    *ret = h;
    return 0;
}

uint16_t fl_httpd_port(const struct fl_httpd *h)
{
    return h->port;
}

/* ---- stop ---- */

/* Feeds end, connections of idle clients too; what is being answered has its time. */
static void stop_begin(struct fl_httpd *h, int64_t grace_ms)
{
    int64_t end = fl_clock_mono_ms(h->clock) + grace_ms;

    fl_lock_scope(&h->lock);
    h->stopping = true;
    for (struct httpd_conn *c = h->conns; c; c = c->next) {
        if (c->feed) {
            httpd_feed_end(c->feed);
        }
    }
    while (h->active > 0 && fl_clock_mono_ms(h->clock) < end) {
        fl_clock_wait(h->clock, &h->changed, &h->lock, end);
    }
}

/* From here on nothing is suspended any more, which the library demands before its end. */
static void stop_work(struct fl_httpd *h)
{
    struct httpd_req *left = httpd_work_end(&h->work);

    while (left) {
        struct httpd_req *r = left;

        left = r->next;
        req_unavailable(r, "the server is stopping");
    }
}

void fl_httpd_stop(struct fl_httpd *h, int64_t grace_ms)
{
    if (!h) {
        return;
    }
    stop_begin(h, grace_ms);
    stop_work(h);
    fl_lock_take(&h->lock);
    h->sweep_over = true;
    fl_cond_broadcast(&h->changed);
    fl_lock_drop(&h->lock);
    pthread_join(h->sweeper, NULL);
    MHD_stop_daemon(h->mhd);
    httpd_free(h);
}
