/* SPDX-License-Identifier: Apache-2.0
 * Many clients of one stream of live events, in one thread:
 *   bench_live PORT TOKEN-FILE QUERY CLIENTS EVENT
 * Opens CLIENTS times GET /events?QUERY, 32 from each of 127.0.0.2, 127.0.0.3, ..., which is what
 * one address may have. Prints "open" when all have got the event `connected`, and then, each time
 * when all have got EVENT once more, a line of JSON: when the first and the last of them got it, on
 * the clock CLOCK_MONOTONIC. Ends with its standard input. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "tiny.h"

enum { PER_ADDRESS = 32, MOST = 4096, LINE = 512, IN = 65536, EVENTS = 256 };

struct client {
    int fd;
    size_t seen; /* how often EVENT came */
    size_t n;    /* of line */
    char line[LINE];
};

static struct {
    const char *event;
    struct client *v;
    size_t n, connected;
    size_t round;    /* the how many-th EVENT is awaited */
    size_t have;     /* clients that have it */
    double first_at; /* when the first had it */
} job;

static int connect_from(uint16_t port, size_t i)
{
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr =
                                   htonl(INADDR_LOOPBACK + 1 + (uint32_t)(i / PER_ADDRESS))};
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        tiny_die("cannot connect: %s", strerror(errno));
    }
    return fd;
}

static void ask(int fd, const char *query, const char *token)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&b,
               "GET /events?%s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n"
               "Authorization: Bearer %s\r\n\r\n",
               query, token);
    if (send(fd, b.data, b.len, MSG_NOSIGNAL) != (ssize_t)b.len) {
        tiny_die("cannot send a request");
    }
}

/* ---- what comes ---- */

static void got_event(struct client *c, double now)
{
    c->seen++;
    if (c->seen != job.round) {
        return; /* one more before all have the last: counted when its turn comes */
    }
    if (job.have++ == 0) {
        job.first_at = now;
    }
}

static void got_line(struct client *c, double now)
{
    struct fl_str line = {c->line, c->n};
    if (fl_str_starts(line, "HTTP/1.1 ") && !fl_str_starts(line, "HTTP/1.1 200")) {
        tiny_die("refused: %.*s", FL_STR_ARG(line));
    }
    if (!fl_str_starts(line, "event: ")) {
        return;
    }
    line.p += 7;
    line.n -= 7;
    if (fl_str_is(line, "connected")) {
        job.connected++;
    } else if (fl_str_is(line, job.event)) {
        got_event(c, now);
    }
}

static void take(struct client *c)
{
    static char in[IN];
    ssize_t n = recv(c->fd, in, sizeof(in), 0);
    double now = tiny_wall_s();
    if (n <= 0) {
        tiny_die("the server ended a stream");
    }
    for (ssize_t i = 0; i < n; i++) {
        if (in[i] == '\n') {
            got_line(c, now);
            c->n = 0;
        } else if (in[i] != '\r' && c->n < LINE) {
            c->line[c->n++] = in[i];
        }
    }
}

static void next_round(double now)
{
    printf("{\"first\": %.6f, \"last\": %.6f}\n", job.first_at, now);
    fflush(stdout);
    job.round++;
    job.have = 0;
    for (size_t i = 0; i < job.n; i++) {
        if (job.v[i].seen >= job.round) {
            job.have++;
            job.first_at = now;
        }
    }
}

/* ---- the job ---- */

static bool input_ended(void)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;
    return poll(&p, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

static void watch(int epoll)
{
    struct epoll_event got[EVENTS];
    bool open = false;
    while (!input_ended()) {
        int n = epoll_wait(epoll, got, EVENTS, 200);
        for (int i = 0; i < n; i++) {
            take(&job.v[got[i].data.u64]);
        }
        if (!open && job.connected == job.n) {
            open = true;
            printf("open\n");
            fflush(stdout);
        }
        if (job.have == job.n) {
            next_round(tiny_wall_s());
        }
    }
}

static void read_token(const char *file, char *token, size_t size)
{
    FILE *in = fopen(file, "r");
    size_t n = in ? fread(token, 1, size - 1, in) : 0;
    if (n == 0) {
        tiny_die("%s: no token", file);
    }
    fclose(in);
    token[strcspn(token, "\r\n")] = '\0';
}

int main(int argc, char **argv)
{
    uint64_t port;
    uint64_t n;
    char token[1024] = "";
    if (argc != 6 || !fl_num_u64(fl_str_of(argv[1]), &port) || port > UINT16_MAX ||
        !fl_num_u64(fl_str_of(argv[4]), &n) || n == 0 || n > MOST) {
        tiny_die("usage: bench_live PORT TOKEN-FILE QUERY CLIENTS EVENT");
    }
    read_token(argv[2], token, sizeof(token));
    int epoll = epoll_create1(0);
    job.event = argv[5];
    job.n = (size_t)n;
    job.round = 1;
    job.v = fl_calloc(job.n, sizeof(*job.v));
    for (size_t i = 0; i < job.n; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u64 = i};
        job.v[i].fd = connect_from((uint16_t)port, i);
        ask(job.v[i].fd, argv[3], token);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, job.v[i].fd, &e) < 0) {
            tiny_die("epoll: %s", strerror(errno));
        }
    }
    watch(epoll);
    return 0;
}
