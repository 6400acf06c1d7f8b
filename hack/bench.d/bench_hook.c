/* SPDX-License-Identifier: Apache-2.0
 * Signed webhooks as Gitea sends them, at a fixed rate:
 *   bench_hook PORT RATE SECONDS CLIENTS kept|new FILE
 * FILE has lines "PATH SECRET URL", which are used in turn. Every delivery has an id and a commit
 * of its own. Each one is due at a moment that is fixed before the start, and its time counts from
 * then: what a slow answer keeps waiting is counted too. overslept_p99_ms is how late the clients
 * themselves woke up, which tells how much of it is the machine's. Clients are threads with a kept
 * connection each, or with a new one for each delivery. Prints one line of JSON. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "tiny.h"

enum { FILLER = 6000, ANSWER = 4096, START_NS = 100 * 1000 * 1000 };

struct hook {
    char *path, *secret, *url;
};

static struct {
    uint16_t port;
    bool kept;
    double rate, began;
    size_t total, clients;
    struct hook *hooks;
    size_t n_hooks;
    double *took; /* seconds, of each delivery */
    double
        *overslept; /* seconds of it before it was begun, where nothing but sleep was in the way */
    struct fl_buf pad; /* what makes a delivery as long as real ones are */
} job;

struct client {
    size_t first;
    int fd; /* -1: none */
    size_t refused, broken, connections;
};

/* ---- what is sent ---- */

static void make_body(struct fl_buf *b, const struct hook *h, size_t i)
{
    fl_buf_clear(b);
    fl_buf_fmt(b,
               "{\"ref\":\"refs/heads/main\",\"before\":\"%040zx\",\"after\":\"%040zx\","
               "\"repository\":{\"id\":1,\"full_name\":\"bench/it\",\"clone_url\":\"%s\"},"
               "\"commits\":[{\"id\":\"%040zx\",\"message\":\"",
               i, i + 1, h->url, i + 1);
    fl_buf_str(b, fl_buf_slice(&job.pad));
    fl_buf_text(b, "\"}]}");
}

static void add_signature(struct fl_buf *b, const struct hook *h, struct fl_str body)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (!HMAC(EVP_sha256(), h->secret, (int)strlen(h->secret), (const unsigned char *)body.p,
              body.n, mac, &n)) {
        tiny_die("no HMAC-SHA256");
    }
    for (unsigned i = 0; i < n; i++) {
        fl_buf_fmt(b, "%02x", mac[i]);
    }
}

static void make_request(struct fl_buf *ret, struct fl_buf *body, size_t i)
{
    const struct hook *h = &job.hooks[i % job.n_hooks];
    make_body(body, h, i);
    fl_buf_clear(ret);
    fl_buf_fmt(ret,
               "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
               "Content-Length: %zu\r\nX-Gitea-Event: push\r\nX-Gitea-Delivery: %d-%zu\r\n%s"
               "X-Gitea-Signature: ",
               h->path, body->len, (int)getpid(), i, job.kept ? "" : "Connection: close\r\n");
    add_signature(ret, h, fl_buf_slice(body));
    fl_buf_text(ret, "\r\n\r\n");
    fl_buf_str(ret, fl_buf_slice(body));
}

/* ---- sending ---- */

static bool connected(struct client *c)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(job.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    if (c->fd >= 0) {
        return true;
    }
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
        return false;
    }
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c->connections++;
    return true;
}

static void hang_up(struct client *c)
{
    if (c->fd >= 0) {
        close(c->fd);
    }
    c->fd = -1;
}

static bool sent(struct client *c, struct fl_str text)
{
    while (text.n > 0) {
        ssize_t n = send(c->fd, text.p, text.n, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        text.p += n;
        text.n -= (size_t)n;
    }
    return true;
}

/* Whether this is an answer to its end. */
static bool is_whole(struct fl_str rest, int64_t *status)
{
    struct fl_str line;
    struct fl_str name;
    int64_t length = 0;
    bool first = true;
    while (fl_str_cut(&rest, '\n', &line)) {
        line.n -= fl_str_ends(line, "\r") ? 1 : 0;
        if (line.n == 0) {
            return (int64_t)rest.n >= length;
        }
        if (first && line.n >= 12 && !fl_num_i64((struct fl_str){line.p + 9, 3}, status)) {
            return false;
        }
        first = false;
        if (fl_str_cut(&line, ':', &name) && fl_str_case_is(name, "content-length") &&
            !fl_num_i64(fl_str_trim(line), &length)) {
            return false;
        }
    }
    return false;
}

/* The status; 0: broken. */
static int64_t answer(struct client *c)
{
    char in[ANSWER];
    size_t have = 0;
    int64_t status = 0;
    while (have < sizeof(in)) {
        ssize_t n = recv(c->fd, in + have, sizeof(in) - have, 0);
        if (n <= 0) {
            return 0;
        }
        have += (size_t)n;
        if (is_whole((struct fl_str){in, have}, &status)) {
            return status;
        }
    }
    return 0;
}

/* Returns how late it is after a sleep; 0 without one. */
static double wait_until(double when)
{
    double left = when - tiny_wall_s();
    if (left <= 0) {
        return 0;
    }
    const struct timespec pause = {.tv_sec = (time_t)left,
                                   .tv_nsec = (long)((left - (double)(time_t)left) * 1e9)};
    nanosleep(&pause, NULL);
    return tiny_wall_s() - when;
}

static void *deliver(void *arg)
{
    struct client *c = arg;
    fl_auto_val(fl_buf) body = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) request = FL_BUF_INIT(FL_BUF_ANY);
    for (size_t i = c->first; i < job.total; i += job.clients) {
        double due = job.began + (double)i / job.rate;
        make_request(&request, &body, i);
        job.overslept[i] = wait_until(due);
        int64_t status = connected(c) && sent(c, fl_buf_slice(&request)) ? answer(c) : 0;
        job.took[i] = tiny_wall_s() - due;
        c->broken += status == 0;
        c->refused += status != 0 && status != 202;
        if (!job.kept || status == 0) {
            hang_up(c);
        }
    }
    hang_up(c);
    return NULL;
}

/* ---- the job ---- */

static void read_hooks(const char *file)
{
    FILE *in = fopen(file, "r");
    char path[512];
    char secret[256];
    char url[512];
    if (!in) {
        tiny_die("%s: %s", file, strerror(errno));
    }
    while (fscanf(in, "%511s %255s %511s", path, secret, url) == 3) {
        job.hooks = fl_reallocarray(job.hooks, job.n_hooks + 1, sizeof(*job.hooks));
        job.hooks[job.n_hooks++] =
            (struct hook){fl_strdup(path), fl_strdup(secret), fl_strdup(url)};
    }
    fclose(in);
    if (job.n_hooks == 0) {
        tiny_die("%s has no hooks", file);
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_result(const struct client *clients, double wall)
{
    struct client sum = {0};
    for (size_t i = 0; i < job.clients; i++) {
        sum.refused += clients[i].refused;
        sum.broken += clients[i].broken;
        sum.connections += clients[i].connections;
    }
    qsort(job.took, job.total, sizeof(*job.took), by_value);
    qsort(job.overslept, job.total, sizeof(*job.overslept), by_value);
    printf("{\"sent\": %zu, \"rate\": %.3f, \"p50_ms\": %.4f, \"p99_ms\": %.4f, \"max_ms\": %.4f, "
           "\"overslept_p99_ms\": %.4f, \"refused\": %zu, \"broken\": %zu, \"connections\": %zu, "
           "\"client_cpu_s\": %.6f}\n",
           job.total, (double)job.total / wall, job.took[job.total / 2] * 1e3,
           job.took[job.total * 99 / 100] * 1e3, job.took[job.total - 1] * 1e3,
           job.overslept[job.total * 99 / 100] * 1e3, sum.refused, sum.broken, sum.connections,
           tiny_cpu_s());
}

static size_t whole(const char *text, const char *what)
{
    uint64_t v;
    if (!fl_num_u64(fl_str_of(text), &v) || v == 0 || v > UINT16_MAX) {
        tiny_die("%s is no %s", text, what);
    }
    return (size_t)v;
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        tiny_die("usage: bench_hook PORT RATE SECONDS CLIENTS kept|new FILE");
    }
    job.port = (uint16_t)whole(argv[1], "port");
    job.rate = (double)whole(argv[2], "rate");
    job.total = whole(argv[2], "rate") * whole(argv[3], "time");
    job.clients = whole(argv[4], "number of clients");
    job.kept = strcmp(argv[5], "kept") == 0;
    read_hooks(argv[6]);
    fl_buf_init(&job.pad, FL_BUF_ANY);
    for (size_t i = 0; i < FILLER; i++) {
        fl_buf_char(&job.pad, (char)('a' + i % 26));
    }
    job.took = fl_calloc(job.total, sizeof(*job.took));
    job.overslept = fl_calloc(job.total, sizeof(*job.overslept));
    struct client *clients = fl_calloc(job.clients, sizeof(*clients));
    pthread_t *threads = fl_calloc(job.clients, sizeof(*threads));
    job.began = tiny_wall_s() + START_NS / 1e9;
    for (size_t i = 0; i < job.clients; i++) {
        clients[i] = (struct client){.first = i, .fd = -1};
        if (pthread_create(&threads[i], NULL, deliver, &clients[i]) != 0) {
            tiny_die("cannot start a thread");
        }
    }
    for (size_t i = 0; i < job.clients; i++) {
        pthread_join(threads[i], NULL);
    }
    print_result(clients, tiny_wall_s() - job.began);
    return 0;
}
