/* SPDX-License-Identifier: Apache-2.0
 * Load on a Kubernetes API, the same for every server: bench_api URL CA-FILE TOKEN-FILE WHAT ...
 *   create NS PREFIX CLIENTS SECONDS COUNT   ConfigMaps PREFIX-0, -1, ...; ends after SECONDS, or COUNT of them (0: no end)
 *   get NS PREFIX CLIENTS SECONDS COUNT      reads of PREFIX-0 ... PREFIX-(COUNT-1), in turn
 *   list NS TIMES                            all ConfigMaps of the namespace in one answer, one client
 *   watch NS PREFIX WATCHERS WRITERS UPDATES watchers of the namespace's ConfigMaps, while writers patch PREFIX-<writer>
 * Clients are threads with one kept TLS connection each; watchers share a thread. Prints one line of JSON. */
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/mem.h"
#include "base/num.h"
#include "tiny.h"

#define WATCH_PATIENCE_S 60.0

static struct {
    const char *url, *ca, *what, *ns, *prefix;
    char *authorization;
    int64_t count;
    double until;
    atomic_llong next;
} job;

struct client {
    CURL *curl;
    struct curl_slist *headers;
    struct fl_buf answer; /* kept only while `keep` */
    bool keep;
    int64_t index;
    double *took; /* seconds of each request */
    size_t n, cap;
    int64_t bytes;
};

static size_t take(char *p, size_t size, size_t count, void *arg)
{
    struct client *c = arg;
    c->bytes += (int64_t)(size * count);
    if (c->keep) {
        fl_buf_add(&c->answer, p, size * count);
    }
    return size * count;
}

static CURL *new_handle(struct curl_slist *headers)
{
    CURL *h = curl_easy_init();
    if (!h) {
        tiny_die("libcurl does not start");
    }
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(h, CURLOPT_CAINFO, job.ca);
    curl_easy_setopt(h, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(h, CURLOPT_TIMEOUT, 300L);
    return h;
}

static struct curl_slist *new_headers(const char *type)
{
    struct curl_slist *l = curl_slist_append(NULL, job.authorization);
    l = curl_slist_append(l, "Accept: application/json");
    l = curl_slist_append(l, type);
    return curl_slist_append(l, "Expect:");
}

static void open_client(struct client *c, const char *type)
{
    c->headers = new_headers(type);
    c->curl = new_handle(c->headers);
    fl_buf_init(&c->answer, FL_BUF_ANY);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
}

static void ask(struct client *c, long want)
{
    double began = tiny_wall_s();
    CURLcode rc = curl_easy_perform(c->curl);
    double took = tiny_wall_s() - began;
    long status = 0;
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    if (rc != CURLE_OK || status != want) {
        char *url = NULL;
        curl_easy_getinfo(c->curl, CURLINFO_EFFECTIVE_URL, &url);
        tiny_die("%s: %s, status %ld", url ? url : "?", curl_easy_strerror(rc), status);
    }
    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 1024;
        c->took = fl_reallocarray(c->took, c->cap, sizeof(*c->took));
    }
    c->took[c->n++] = took;
}

/* ---- create, get ---- */

static void *create_work(void *arg)
{
    struct client *c = arg;
    fl_auto_val(fl_buf) body = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_text url = fl_asprintf("%s/api/v1/namespaces/%s/configmaps", job.url, job.ns);
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    while (tiny_wall_s() < job.until) {
        int64_t i = atomic_fetch_add(&job.next, 1);
        if (job.count > 0 && i >= job.count) {
            break;
        }
        fl_buf_clear(&body);
        fl_buf_fmt(
            &body,
            "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s-%lld\"},"
            "\"data\":{\"key\":\"a value of some length, as small objects have\"}}",
            job.prefix, (long long)i);
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE, (long)body.len);
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body.data);
        ask(c, 201);
    }
    return NULL;
}

static void *get_work(void *arg)
{
    struct client *c = arg;
    while (tiny_wall_s() < job.until) {
        int64_t i = atomic_fetch_add(&job.next, 1) % job.count;
        fl_auto_text url = fl_asprintf("%s/api/v1/namespaces/%s/configmaps/%s-%lld", job.url,
                                       job.ns, job.prefix, (long long)i);
        curl_easy_setopt(c->curl, CURLOPT_URL, url);
        ask(c, 200);
    }
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_requests(struct client *clients, size_t n, double wall, double cpu)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        total += clients[i].n;
    }
    if (total == 0) {
        tiny_die("no request was made");
    }
    double *all = fl_calloc(total, sizeof(*all));
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        memcpy(all + at, clients[i].took, clients[i].n * sizeof(*all));
        at += clients[i].n;
    }
    qsort(all, total, sizeof(*all), by_value);
    printf(
        "{\"requests\": %zu, \"wall_s\": %.6f, \"rate\": %.3f, \"p50_ms\": %.4f, \"p99_ms\": %.4f, "
        "\"client_cpu_s\": %.6f}\n",
        total, wall, (double)total / wall, all[total / 2] * 1e3, all[total * 99 / 100] * 1e3, cpu);
    fl_free(all);
}

static void run_clients(size_t n, void *(*work)(void *))
{
    struct client *clients = fl_calloc(n, sizeof(*clients));
    pthread_t *threads = fl_calloc(n, sizeof(*threads));
    for (size_t i = 0; i < n; i++) {
        open_client(&clients[i], "Content-Type: application/json");
    }
    double wall = tiny_wall_s();
    double cpu = tiny_cpu_s();
    for (size_t i = 0; i < n; i++) {
        if (pthread_create(&threads[i], NULL, work, &clients[i]) != 0) {
            tiny_die("cannot start a thread");
        }
    }
    for (size_t i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
    }
    print_requests(clients, n, tiny_wall_s() - wall, tiny_cpu_s() - cpu);
}

/* ---- list ---- */

static void run_list(int64_t times)
{
    struct client c = {0};
    fl_auto_text url = fl_asprintf("%s/api/v1/namespaces/%s/configmaps", job.url, job.ns);
    open_client(&c, "Content-Type: application/json");
    curl_easy_setopt(c.curl, CURLOPT_URL, url);
    ask(&c, 200); /* the connection, and what the server reads the first time */
    c.n = 0;
    c.bytes = 0;
    for (int64_t i = 0; i < times; i++) {
        ask(&c, 200);
    }
    qsort(c.took, c.n, sizeof(*c.took), by_value);
    printf("{\"requests\": %zu, \"ms\": %.4f, \"bytes\": %lld}\n", c.n, c.took[c.n / 2] * 1e3,
           (long long)(c.bytes / times));
}

/* ---- watch ---- */

struct watcher {
    CURL *curl;
    bool open; /* its head has come */
    int64_t events;
};

static struct {
    struct watcher *all;
    size_t n, open;
    int64_t seen, want;
    double last;
} fan;

static atomic_bool writers_go;
static atomic_llong updates_left;
static double first_write;
static pthread_mutex_t first_lock = PTHREAD_MUTEX_INITIALIZER;

static size_t watch_head(char *p, size_t size, size_t count, void *arg)
{
    struct watcher *w = arg;
    struct fl_str line = {p, size * count};
    if (fl_str_starts(line, "HTTP/1.1 ")) {
        if (!fl_str_starts(line, "HTTP/1.1 200")) {
            tiny_die("watch: %.*s", FL_STR_ARG(line));
        }
    } else if (line.n <= 2 && !w->open) {
        w->open = true;
        fan.open++;
    }
    return size * count;
}

static size_t watch_body(char *p, size_t size, size_t count, void *arg)
{
    struct watcher *w = arg;
    size_t n = size * count;
    int64_t lines = 0;
    for (const char *at = p; (at = memchr(at, '\n', n - (size_t)(at - p))); at++) {
        lines++;
    }
    w->events += lines;
    fan.seen += lines;
    fan.last = tiny_wall_s();
    return n;
}

static void *write_work(void *arg)
{
    struct client *c = arg;
    fl_auto_val(fl_buf) body = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_text url = fl_asprintf("%s/api/v1/namespaces/%s/configmaps/%s-%lld", job.url, job.ns,
                                   job.prefix, (long long)c->index);
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, "PATCH");
    while (!atomic_load(&writers_go)) {
        const struct timespec pause = {.tv_nsec = 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    pthread_mutex_lock(&first_lock);
    if (first_write <= 0) {
        first_write = tiny_wall_s();
    }
    pthread_mutex_unlock(&first_lock);
    for (;;) {
        int64_t left = atomic_fetch_sub(&updates_left, 1);
        if (left <= 0) {
            return NULL;
        }
        fl_buf_clear(&body);
        fl_buf_fmt(&body, "{\"data\":{\"key\":\"update %lld\"}}", (long long)left);
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE, (long)body.len);
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body.data);
        ask(c, 200);
    }
}

/* The resourceVersion of the newest state: what the last of the answers to the first writes says. */
static int64_t newest_version(struct client *c, size_t writers)
{
    int64_t newest = 0;
    c->keep = true;
    for (size_t i = 0; i < writers; i++) {
        fl_auto_text url = fl_asprintf("%s/api/v1/namespaces/%s/configmaps/%s-%zu", job.url, job.ns,
                                       job.prefix, i);
        static const char key[] = "\"resourceVersion\":\"";
        fl_buf_clear(&c->answer);
        curl_easy_setopt(c->curl, CURLOPT_URL, url);
        ask(c, 200);
        const char *at = strstr(c->answer.data, key);
        struct fl_str rest = fl_str_of(at ? at + sizeof(key) - 1 : "");
        struct fl_str digits;
        int64_t v = 0;
        (void)fl_str_cut(&rest, '"', &digits);
        if (!fl_num_i64(digits, &v)) {
            tiny_die("no resourceVersion in %s", c->answer.data);
        }
        newest = v > newest ? v : newest;
    }
    return newest;
}

static void open_watchers(CURLM *multi, int64_t version)
{
    struct curl_slist *headers = new_headers("Content-Type: application/json");
    fl_auto_text url = fl_asprintf(
        "%s/api/v1/namespaces/%s/configmaps?watch=true&timeoutSeconds=300&resourceVersion=%lld",
        job.url, job.ns, (long long)version);
    for (size_t i = 0; i < fan.n; i++) {
        struct watcher *w = &fan.all[i];
        w->curl = new_handle(headers);
        curl_easy_setopt(w->curl, CURLOPT_URL, url);
        curl_easy_setopt(w->curl, CURLOPT_HEADERFUNCTION, watch_head);
        curl_easy_setopt(w->curl, CURLOPT_HEADERDATA, w);
        curl_easy_setopt(w->curl, CURLOPT_WRITEFUNCTION, watch_body);
        curl_easy_setopt(w->curl, CURLOPT_WRITEDATA, w);
        curl_multi_add_handle(multi, w->curl);
    }
}

/* Until all have come, or patience ends. */
static void follow(CURLM *multi, const size_t *count, size_t want, const int64_t *seen, int64_t all)
{
    double end = tiny_wall_s() + WATCH_PATIENCE_S;
    int running = 0;
    while ((count && *count < want) || (seen && *seen < all)) {
        curl_multi_perform(multi, &running);
        if (running < (int)fan.n) {
            tiny_die("a watch ended by itself");
        }
        if (tiny_wall_s() > end) {
            tiny_die("%zu of %zu watches open, %lld of %lld events came in %.0f s", fan.open, fan.n,
                     (long long)fan.seen, (long long)fan.want, WATCH_PATIENCE_S);
        }
        curl_multi_poll(multi, NULL, 0, 100, NULL);
    }
}

static void run_watch(size_t watchers, size_t writers, int64_t updates)
{
    struct client *clients = fl_calloc(writers, sizeof(*clients));
    pthread_t *threads = fl_calloc(writers, sizeof(*threads));
    struct client first = {0};
    CURLM *multi = curl_multi_init();
    fan.all = fl_calloc(watchers, sizeof(*fan.all));
    fan.n = watchers;
    fan.want = updates * (int64_t)watchers;
    open_client(&first, "Content-Type: application/json");
    open_watchers(multi, newest_version(&first, writers));
    follow(multi, &fan.open, fan.n, NULL, 0);
    atomic_store(&updates_left, updates);
    for (size_t i = 0; i < writers; i++) {
        open_client(&clients[i], "Content-Type: application/merge-patch+json");
        clients[i].index = (int64_t)i;
        if (pthread_create(&threads[i], NULL, write_work, &clients[i]) != 0) {
            tiny_die("cannot start a thread");
        }
    }
    double cpu = tiny_cpu_s();
    atomic_store(&writers_go, true);
    follow(multi, NULL, 0, &fan.seen, fan.want);
    cpu = tiny_cpu_s() - cpu;
    for (size_t i = 0; i < writers; i++) {
        pthread_join(threads[i], NULL);
    }
    double wall = fan.last - first_write;
    printf("{\"events\": %lld, \"wall_s\": %.6f, \"rate\": %.3f, \"writes_per_s\": %.3f, "
           "\"client_cpu_s\": %.6f}\n",
           (long long)fan.seen, wall, (double)fan.seen / wall, (double)updates / wall, cpu);
}

/* ---- the command line ---- */

static int64_t number(const char *text, int64_t least)
{
    int64_t v = 0;
    if (!fl_num_i64(fl_str_of(text), &v) || v < least || v > 100000000) {
        tiny_die("'%s' is not a number from %lld", text, (long long)least);
    }
    return v;
}

static void read_token(const char *path)
{
    char token[8192];
    FILE *f = fopen(path, "r");
    if (!f || !fgets(token, sizeof(token), f)) {
        tiny_die("%s: %s", path, strerror(errno));
    }
    (void)fclose(f);
    token[strcspn(token, "\r\n")] = '\0';
    job.authorization = fl_asprintf("Authorization: Bearer %s", token);
}

int main(int argc, char **argv)
{
    if (argc < 7) {
        tiny_die("usage: bench_api URL CA-FILE TOKEN-FILE create|get|list|watch NS ...");
    }
    job.url = argv[1];
    job.ca = argv[2];
    read_token(argv[3]);
    job.what = argv[4];
    job.ns = argv[5];
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (strcmp(job.what, "list") == 0) {
        run_list(number(argv[6], 1));
        return 0;
    }
    if (argc != 10) {
        tiny_die("%s wants five arguments", job.what);
    }
    job.prefix = argv[6];
    if (strcmp(job.what, "watch") == 0) {
        run_watch((size_t)number(argv[7], 1), (size_t)number(argv[8], 1), number(argv[9], 1));
        return 0;
    }
    size_t clients = (size_t)number(argv[7], 1);
    job.until = tiny_wall_s() + (double)number(argv[8], 1);
    bool create = strcmp(job.what, "create") == 0;
    job.count = number(argv[9], create ? 0 : 1);
    run_clients(clients, create ? create_work : get_work);
    return 0;
}
