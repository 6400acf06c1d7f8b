/* SPDX-License-Identifier: Apache-2.0 */
#include "tiny.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"

enum { IN_BYTES = 16384, DROP_BYTES = 1 << 20 };

struct tiny_conn {
    int fd;
    void (*handle)(struct tiny_req *r);
    size_t at, have; /* in[at, have) is not yet used */
    int64_t length;  /* of the body still to read; -1: chunked */
    bool dead;
    char in[IN_BYTES];
};

double tiny_wall_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double tiny_cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

long tiny_rss_kib(void)
{
    /* Not ru_maxrss: that begins with what the process that forked us had. */
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    int64_t kib = 0;
    while (f && fgets(line, sizeof(line), f)) {
        struct fl_str rest = fl_str_of(line);
        struct fl_str key;
        struct fl_str digits;
        if (fl_str_cut(&rest, ':', &key) && fl_str_is(key, "VmHWM")) {
            rest = fl_str_trim(rest);
            (void)fl_str_cut(&rest, ' ', &digits);
            (void)fl_num_i64(digits, &kib);
        }
    }
    if (f) {
        (void)fclose(f);
    }
    return (long)kib;
}

void tiny_die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("error: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    _exit(1);
}

/* ---- reading ---- */

static bool fill(struct tiny_conn *c)
{
    if (c->at > 0) {
        memmove(c->in, c->in + c->at, c->have - c->at);
        c->have -= c->at;
        c->at = 0;
    }
    ssize_t n = c->have < IN_BYTES ? recv(c->fd, c->in + c->have, IN_BYTES - c->have, 0) : 0;
    if (n <= 0) {
        c->dead = true;
        return false;
    }
    c->have += (size_t)n;
    return true;
}

/* One line without its end; valid until the next read. */
static bool read_line(struct tiny_conn *c, struct fl_str *ret)
{
    for (size_t i = c->at;; i++) {
        if (i == c->have) {
            size_t seen = i - c->at;
            if (!fill(c)) {
                return false;
            }
            i = c->at + seen;
        }
        if (c->in[i] == '\n') {
            size_t end = i > c->at && c->in[i - 1] == '\r' ? i - 1 : i;
            *ret = (struct fl_str){c->in + c->at, end - c->at};
            c->at = i + 1;
            return true;
        }
    }
}

static bool read_bytes(struct tiny_conn *c, int64_t n, struct fl_buf *b)
{
    while (n > 0) {
        int64_t have = (int64_t)(c->have - c->at);
        if (have > 0) {
            have = have < n ? have : n;
            if (b) {
                fl_buf_add(b, c->in + c->at, (size_t)have);
            }
            c->at += (size_t)have;
            n -= have;
        } else if (b) {
            if (!fill(c)) {
                return false;
            }
        } else {
            /* MSG_TRUNC on TCP: the bytes are thrown away in the kernel. Source: tcp(7). */
            ssize_t got = recv(c->fd, NULL, (size_t)(n < DROP_BYTES ? n : DROP_BYTES), MSG_TRUNC);
            if (got <= 0) {
                c->dead = true;
                return false;
            }
            n -= got;
        }
    }
    return true;
}

static int64_t hex(struct fl_str s)
{
    int64_t v = 0;
    for (size_t i = 0; i < s.n && s.p[i] != ';'; i++) {
        char ch = s.p[i];
        int digit = ch >= '0' && ch <= '9'   ? ch - '0'
                    : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
                    : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10
                                             : -1;
        if (digit < 0 || v > INT64_MAX / 32) {
            return -1;
        }
        v = v * 16 + digit;
    }
    return v;
}

static bool read_chunks(struct tiny_conn *c, struct fl_buf *b)
{
    struct fl_str line;
    for (;;) {
        if (!read_line(c, &line)) {
            return false;
        }
        int64_t n = hex(line);
        if (n < 0) {
            c->dead = true;
            return false;
        }
        if (n > 0 && !read_bytes(c, n, b)) {
            return false;
        }
        if (!read_line(c, &line)) { /* ends the chunk, or the trailers */
            return false;
        }
        if (n == 0) {
            return true;
        }
    }
}

bool tiny_body(struct tiny_req *r, struct fl_buf *b)
{
    struct tiny_conn *c = r->conn;
    int64_t n = c->length;
    c->length = 0;
    return n < 0 ? read_chunks(c, b) : read_bytes(c, n, b);
}

/* ---- writing ---- */

bool tiny_write(struct tiny_req *r, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(r->conn->fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0) {
            r->conn->dead = true;
            return false;
        }
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

void tiny_answer(struct tiny_req *r, int status, const char *headers, struct fl_str body)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&b, "HTTP/1.1 %d x\r\n%s", status, headers);
    bool head = fl_str_is(r->method, "HEAD");
    if (!head || body.n > 0) {
        fl_buf_fmt(&b, "Content-Length: %zu\r\n", body.n);
    }
    fl_buf_text(&b, "\r\n");
    if (!head) {
        fl_buf_str(&b, body);
    }
    (void)tiny_write(r, b.data, b.len);
}

void tiny_wait_gone(struct tiny_req *r)
{
    char byte;
    while (recv(r->conn->fd, &byte, 1, 0) > 0) {
    }
    r->conn->dead = true;
}

bool tiny_param(const struct tiny_req *r, const char *name, struct fl_str *ret)
{
    struct fl_str rest = r->query;
    while (rest.n > 0) {
        struct fl_str pair;
        struct fl_str key;
        (void)fl_str_cut(&rest, '&', &pair);
        (void)fl_str_cut(&pair, '=', &key);
        if (fl_str_is(key, name)) {
            *ret = pair;
            return true;
        }
    }
    return false;
}

/* ---- serving ---- */

static bool take_header(struct tiny_conn *c, struct fl_str line, struct fl_buf *type)
{
    struct fl_str name;
    if (!fl_str_cut(&line, ':', &name)) {
        return false;
    }
    struct fl_str value = fl_str_trim(line);
    if (fl_str_case_is(name, "content-length")) {
        return fl_num_i64(value, &c->length);
    }
    if (fl_str_case_is(name, "transfer-encoding")) {
        c->length = -1;
    } else if (fl_str_case_is(name, "content-type")) {
        fl_buf_str(type, value);
    } else if (fl_str_case_is(name, "expect")) {
        struct tiny_req r = {.conn = c};
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        return tiny_write(&r, go_on, sizeof(go_on) - 1);
    }
    return true;
}

static bool serve_one(struct tiny_conn *c)
{
    fl_auto_val(fl_buf) first = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) type = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_str line;
    if (!read_line(c, &line)) {
        return false;
    }
    fl_buf_str(&first, line);
    struct fl_str target = fl_buf_slice(&first);
    struct tiny_req r = {.conn = c};
    c->length = 0;
    if (!fl_str_cut(&target, ' ', &r.method) || !fl_str_cut(&target, ' ', &r.query)) {
        return false;
    }
    (void)fl_str_cut(&r.query, '?', &r.path);
    for (;;) {
        if (!read_line(c, &line)) {
            return false;
        }
        if (line.n == 0) {
            break;
        }
        if (!take_header(c, line, &type)) {
            return false;
        }
    }
    r.type = fl_buf_slice(&type);
    c->handle(&r);
    return !c->dead && tiny_body(&r, NULL);
}

static void *serve_conn(void *arg)
{
    struct tiny_conn *c = arg;
    while (serve_one(c)) {
    }
    close(c->fd);
    fl_free(c);
    return NULL;
}

void tiny_serve(void (*handle)(struct tiny_req *r))
{
    signal(SIGPIPE, SIG_IGN);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, n) < 0 || listen(fd, 256) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &n) < 0) {
        tiny_die("cannot listen on 127.0.0.1");
    }
    printf("%u\n", ntohs(at.sin_port));
    fflush(stdout);
    for (;;) {
        int conn = accept(fd, NULL, NULL);
        if (conn < 0) {
            continue;
        }
        int on = 1;
        (void)setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        struct tiny_conn *c = FL_NEW(struct tiny_conn);
        c->fd = conn;
        c->handle = handle;
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve_conn, c) != 0) {
            tiny_die("cannot start a thread");
        }
        pthread_detach(thread);
    }
}
