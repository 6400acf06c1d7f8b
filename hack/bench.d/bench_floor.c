/* SPDX-License-Identifier: Apache-2.0
 * What copying blobs costs at least with libcurl: GET, SHA-256 once, PUT of the same bytes, and nothing else:
 *   bench_floor memory|stream PARALLEL FROM TO DIGEST=SIZE...
 * FROM and TO are repositories: http://host:port/v2/NAME. memory: a blob comes in whole, then goes out. stream: both at
 * once, in one multi, through a ring. PARALLEL blobs at a time, a thread each. Prints one line of JSON; the CPU is that of
 * the copying, without the start of the process. Buffer sizes: those that were found to be the cheapest. */
#include <curl/curl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "base/url.h"
#include "tiny.h"

#define CURL_BYTES 262144L
#define RING_BYTES ((size_t)512 << 10)
#define BATCH_BYTES ((size_t)192 << 10) /* a paused side goes on when so much is there, or room */

struct blob {
    struct fl_str digest;
    size_t size;
};

static struct {
    bool stream;
    const char *from, *to;
    struct blob *blobs;
    size_t n;
    atomic_size_t next;
} job;

struct worker {
    CURL *get, *put;
    CURLM *multi;
    EVP_MD *sha256;
    EVP_MD_CTX *md;
    char *data; /* memory: a whole blob; stream: the ring */
    size_t cap;
    uint64_t in, out; /* bytes of this blob that came and went; in - out <= cap */
    size_t size;
    bool get_paused, put_paused;
};

/* ---- callbacks ---- */

static size_t take(char *p, size_t size, size_t count, void *arg)
{
    struct worker *w = arg;
    size_t n = size * count;
    if (w->in + n > w->size) {
        return 0;
    }
    if (w->cap - (size_t)(w->in - w->out) < n) {
        w->get_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    EVP_DigestUpdate(w->md, p, n);
    size_t at = (size_t)(w->in % w->cap);
    size_t first = n < w->cap - at ? n : w->cap - at;
    memcpy(w->data + at, p, first);
    memcpy(w->data, p + first, n - first);
    w->in += n;
    return n;
}

static size_t give(char *p, size_t size, size_t count, void *arg)
{
    struct worker *w = arg;
    size_t n = size * count;
    size_t have = (size_t)(w->in - w->out);
    if (w->out == w->size) {
        return 0;
    }
    if (have == 0) {
        w->put_paused = true;
        return CURL_READFUNC_PAUSE;
    }
    n = n < have ? n : have;
    size_t at = (size_t)(w->out % w->cap);
    size_t first = n < w->cap - at ? n : w->cap - at;
    memcpy(p, w->data + at, first);
    memcpy(p + first, w->data, n - first);
    w->out += n;
    return n;
}

static size_t drop(char *p, size_t size, size_t count, void *arg)
{
    (void)p;
    (void)arg;
    return size * count;
}

static size_t keep_location(char *p, size_t size, size_t count, void *arg)
{
    struct fl_str line = {p, size * count};
    struct fl_str name;
    if (fl_str_cut(&line, ':', &name) && fl_str_case_is(name, "location")) {
        while (line.n > 0 && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == '\n')) {
            line.n--;
        }
        fl_buf_clear(arg);
        fl_buf_str(arg, fl_str_trim(line));
    }
    return size * count;
}

/* ---- requests ---- */

static CURL *new_handle(void)
{
    CURL *c = curl_easy_init();
    if (!c) {
        tiny_die("libcurl does not start");
    }
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c, CURLOPT_BUFFERSIZE, CURL_BYTES);
    curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, CURL_BYTES);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, drop);
    return c;
}

static void expect(CURL *c, CURLcode rc, long want, const char *what)
{
    long status = 0;
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    if (rc != CURLE_OK || status != want) {
        tiny_die("%s: %s, status %ld", what, curl_easy_strerror(rc), status);
    }
}

/* Where the upload goes, digest included. */
static void open_upload(struct worker *w, const struct blob *b, struct fl_buf *ret)
{
    fl_auto_val(fl_buf) location = FL_BUF_INIT(8192);
    fl_auto_text url = fl_asprintf("%s/blobs/uploads/", job.to);
    CURL *c = w->put;
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_POST, 1L);
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, 0L);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, "");
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, keep_location);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, &location);
    expect(c, curl_easy_perform(c), 202, "POST of an upload");
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, NULL);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, NULL);
    struct fl_err err = FL_ERR_INIT;
    if (fl_url_resolve(ret, fl_str_of(url), fl_buf_slice(&location), &err) < 0) {
        tiny_die("%s", err.msg);
    }
    fl_buf_fmt(ret, "%sdigest=%.*s", strchr(ret->data, '?') ? "&" : "?", FL_STR_ARG(b->digest));
}

static void prepare_get(struct worker *w, const char *url)
{
    curl_easy_setopt(w->get, CURLOPT_URL, url);
    curl_easy_setopt(w->get, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(w->get, CURLOPT_WRITEDATA, w);
}

static void prepare_put(struct worker *w, const char *url, struct curl_slist *headers)
{
    curl_easy_setopt(w->put, CURLOPT_URL, url);
    curl_easy_setopt(w->put, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(w->put, CURLOPT_INFILESIZE_LARGE, (curl_off_t)w->size);
    curl_easy_setopt(w->put, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(w->put, CURLOPT_READDATA, w);
    curl_easy_setopt(w->put, CURLOPT_HTTPHEADER, headers);
}

static bool put_can_go(const struct worker *w)
{
    return w->put_paused && (w->in - w->out >= BATCH_BYTES || w->in == w->size);
}

static bool get_can_go(const struct worker *w)
{
    return w->get_paused && w->cap - (size_t)(w->in - w->out) >= BATCH_BYTES;
}

static void run_both(struct worker *w)
{
    CURLcode result[2] = {CURLE_OK, CURLE_OK};
    int running = 2;
    curl_multi_add_handle(w->multi, w->get);
    curl_multi_add_handle(w->multi, w->put);
    while (running > 0) {
        if (put_can_go(w)) {
            w->put_paused = false;
            curl_easy_pause(w->put, CURLPAUSE_CONT);
        }
        if (get_can_go(w)) {
            w->get_paused = false;
            curl_easy_pause(w->get, CURLPAUSE_CONT);
        }
        curl_multi_perform(w->multi, &running);
        if (running > 0 && !put_can_go(w) && !get_can_go(w)) {
            curl_multi_poll(w->multi, NULL, 0, 1000, NULL);
        }
    }
    CURLMsg *msg;
    int left;
    while ((msg = curl_multi_info_read(w->multi, &left))) {
        result[msg->easy_handle == w->put] = msg->data.result;
    }
    expect(w->get, result[0], 200, "GET of a blob");
    expect(w->put, result[1], 201, "PUT of a blob");
    curl_multi_remove_handle(w->multi, w->get);
    curl_multi_remove_handle(w->multi, w->put);
}

static void check(struct worker *w, const struct blob *b)
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    EVP_DigestFinal_ex(w->md, md, &n);
    fl_buf_text(&text, "sha256:");
    fl_hex_add(&text, md, n);
    if (w->in != w->size || !fl_str_eq(fl_buf_slice(&text), b->digest)) {
        tiny_die("a blob is not what it should be");
    }
}

static void copy_blob(struct worker *w, const struct blob *b, struct curl_slist *headers)
{
    fl_auto_val(fl_buf) target = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_text source = fl_asprintf("%s/blobs/%.*s", job.from, FL_STR_ARG(b->digest));
    w->in = 0;
    w->out = 0;
    w->size = b->size;
    w->get_paused = false;
    w->put_paused = false;
    EVP_DigestInit_ex(w->md, w->sha256, NULL);
    open_upload(w, b, &target);
    prepare_get(w, source);
    prepare_put(w, target.data, headers);
    if (job.stream) {
        run_both(w);
        check(w, b);
    } else {
        expect(w->get, curl_easy_perform(w->get), 200, "GET of a blob");
        check(w, b);
        expect(w->put, curl_easy_perform(w->put), 201, "PUT of a blob");
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;
    /* Without it libcurl waits for a 100 before each upload. */
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    for (;;) {
        size_t i = atomic_fetch_add(&job.next, 1);
        if (i >= job.n) {
            break;
        }
        copy_blob(w, &job.blobs[i], headers);
    }
    curl_slist_free_all(headers);
    return NULL;
}

static void open_worker(struct worker *w, size_t largest)
{
    w->get = new_handle();
    w->put = new_handle();
    w->multi = curl_multi_init();
    w->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    w->md = EVP_MD_CTX_new();
    w->cap = job.stream ? RING_BYTES : largest;
    w->data = fl_malloc(w->cap);
    memset(w->data, 1, w->cap); /* its pages are there before the clock starts */
}

int main(int argc, char **argv)
{
    int64_t parallel = 0;
    size_t largest = 1;
    int64_t total = 0;
    if (argc < 6 || !fl_num_i64(fl_str_of(argv[2]), &parallel) || parallel < 1 || parallel > 64) {
        tiny_die("usage: bench_floor memory|stream PARALLEL FROM TO DIGEST=SIZE...");
    }
    job.stream = strcmp(argv[1], "stream") == 0;
    job.from = argv[3];
    job.to = argv[4];
    job.n = (size_t)argc - 5;
    job.blobs = fl_calloc(job.n, sizeof(*job.blobs));
    for (size_t i = 0; i < job.n; i++) {
        struct fl_str rest = fl_str_of(argv[5 + i]);
        int64_t size = 0;
        if (!fl_str_cut(&rest, '=', &job.blobs[i].digest) || !fl_num_i64(rest, &size) || size < 1) {
            tiny_die("'%s' is not DIGEST=SIZE", argv[5 + i]);
        }
        job.blobs[i].size = (size_t)size;
        largest = job.blobs[i].size > largest ? job.blobs[i].size : largest;
        total += size;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct worker *workers = fl_calloc((size_t)parallel, sizeof(*workers));
    pthread_t *threads = fl_calloc((size_t)parallel, sizeof(*threads));
    for (int64_t i = 0; i < parallel; i++) {
        open_worker(&workers[i], largest);
    }
    double cpu = tiny_cpu_s();
    double wall = tiny_wall_s();
    for (int64_t i = 0; i < parallel; i++) {
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0) {
            tiny_die("cannot start a thread");
        }
    }
    for (int64_t i = 0; i < parallel; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("{\"wall_s\": %.6f, \"cpu_s\": %.6f, \"rss_kib\": %ld, \"bytes\": %lld}\n",
           tiny_wall_s() - wall, tiny_cpu_s() - cpu, tiny_rss_kib(), (long long)total);
    return 0;
}
