/* SPDX-License-Identifier: Apache-2.0
 * A registry that takes every upload and hashes none: what a copier costs without the target's own work. Blobs are
 * dropped, manifests kept, so that a copier may look at what it pushed. /bench tells how many blobs came at a time at most.
 * Prints its port. Source of the answers: OCI
 * distribution-spec, pushing blobs and manifests. */
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/mem.h"
#include "base/text.h"
#include "tiny.h"

struct kept {
    struct kept *next;
    char *path; /* /v2/REPO/manifests/REF or /v2/REPO/blobs/DIGEST */
    char *type;
    struct fl_buf body;
    char digest[80];
};

static atomic_int coming, coming_peak;
static struct kept *all;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void digest_of(struct fl_str s, char ret[80])
{
    unsigned char md[32];
    fl_auto_val(fl_buf) text = FL_BUF_INIT(80);
    EVP_Digest(s.p, s.n, md, NULL, EVP_sha256(), NULL);
    fl_buf_text(&text, "sha256:");
    fl_hex_add(&text, md, sizeof(md));
    memcpy(ret, text.data, text.len + 1);
}

static const struct kept *find(struct fl_str path)
{
    pthread_mutex_lock(&lock);
    const struct kept *k = all;
    while (k && !fl_str_is(path, k->path)) {
        k = k->next;
    }
    pthread_mutex_unlock(&lock);
    return k;
}

/* What is kept is never changed or freed, only hidden by what comes later. */
static void keep(char *path, struct fl_str type, struct fl_buf body, const char *digest)
{
    struct kept *k = FL_NEW(struct kept);
    k->path = path;
    k->type = fl_strndup(type.p ? type.p : "", type.n);
    k->body = body;
    (void)snprintf(k->digest, sizeof(k->digest), "%s", digest);
    pthread_mutex_lock(&lock);
    k->next = all;
    all = k;
    pthread_mutex_unlock(&lock);
}

static void answer_not_found(struct tiny_req *r)
{
    tiny_answer(r, 404, "Content-Type: application/json\r\n", FL_STR("{\"errors\":[]}"));
}

static void answer_kept(struct tiny_req *r)
{
    const struct kept *k = find(r->path);
    if (!k) {
        answer_not_found(r);
        return;
    }
    char headers[400];
    (void)snprintf(headers, sizeof(headers),
                   "Content-Type: %.200s\r\nDocker-Content-Digest: %s\r\n", k->type, k->digest);
    tiny_answer(r, 200, headers, fl_buf_slice(&k->body));
}

/* The repository's part of a path: "/v2/a/b/blobs/x" gives "/v2/a/b". */
static struct fl_str repo_of(struct fl_str path, const char *part)
{
    size_t n = strlen(part);
    for (size_t i = path.n; i-- > 0;) {
        if (path.n - i >= n && memcmp(path.p + i, part, n) == 0) {
            return (struct fl_str){path.p, i};
        }
    }
    return path;
}

static bool drop_blob(struct tiny_req *r)
{
    int now = atomic_fetch_add(&coming, 1) + 1;
    int peak = atomic_load(&coming_peak);
    while (now > peak && !atomic_compare_exchange_weak(&coming_peak, &peak, now)) {
    }
    bool whole = tiny_body(r, NULL);
    atomic_fetch_sub(&coming, 1);
    return whole;
}

static void serve_peak(struct tiny_req *r)
{
    char body[40];
    int n = snprintf(body, sizeof(body), "{\"streams\": %d}", atomic_load(&coming_peak));
    tiny_answer(r, 200, "Content-Type: application/json\r\n", (struct fl_str){body, (size_t)n});
}

static void put_blob(struct tiny_req *r)
{
    struct fl_str digest = FL_STR("");
    (void)tiny_param(r, "digest", &digest);
    char plain[80];
    /* The colon may come as %3A. */
    struct fl_str hex = digest.n > 64 ? (struct fl_str){digest.p + digest.n - 64, 64} : digest;
    (void)snprintf(plain, sizeof(plain), "sha256:%.*s", FL_STR_ARG(hex));
    if (!drop_blob(r)) {
        return;
    }
    struct fl_str repo = repo_of(r->path, "/blobs/uploads/");
    char *path = fl_asprintf("%.*s/blobs/%s", FL_STR_ARG(repo), plain);
    struct fl_buf none = FL_BUF_INIT(1);
    char headers[400];
    (void)snprintf(headers, sizeof(headers), "Location: %.200s\r\nDocker-Content-Digest: %s\r\n",
                   path, plain);
    keep(path, FL_STR("application/octet-stream"), none, plain);
    tiny_answer(r, 201, headers, FL_STR(""));
}

static void upload(struct tiny_req *r)
{
    struct fl_str repo = repo_of(r->path, "/blobs/uploads/");
    char headers[400];
    (void)snprintf(headers, sizeof(headers),
                   "Location: %.*s/blobs/uploads/one\r\nDocker-Upload-UUID: one\r\n",
                   FL_STR_ARG(repo));
    if (fl_str_is(r->method, "PUT")) {
        put_blob(r);
    } else if (fl_str_is(r->method, "GET") || fl_str_is(r->method, "DELETE")) {
        tiny_answer(r, 204, headers, FL_STR(""));
    } else if (tiny_body(r, NULL)) { /* POST, PATCH */
        tiny_answer(r, 202, headers, FL_STR(""));
    }
}

static void put_manifest(struct tiny_req *r)
{
    struct fl_buf body = FL_BUF_INIT((size_t)8 << 20);
    if (!tiny_body(r, &body)) {
        return;
    }
    char digest[80];
    char headers[160];
    digest_of(fl_buf_slice(&body), digest);
    (void)snprintf(headers, sizeof(headers), "Docker-Content-Digest: %s\r\n", digest);
    struct fl_str repo = repo_of(r->path, "/manifests/");
    struct fl_buf copy = FL_BUF_INIT((size_t)8 << 20);
    fl_buf_str(&copy, fl_buf_slice(&body));
    keep(fl_strndup(r->path.p, r->path.n), r->type, body, digest);
    keep(fl_asprintf("%.*s/manifests/%s", FL_STR_ARG(repo), digest), r->type, copy, digest);
    tiny_answer(r, 201, headers, FL_STR(""));
}

static bool has(struct fl_str path, const char *part)
{
    return repo_of(path, part).n < path.n;
}

static void handle(struct tiny_req *r)
{
    if (has(r->path, "/blobs/uploads/")) {
        upload(r);
    } else if (has(r->path, "/manifests/") && fl_str_is(r->method, "PUT")) {
        put_manifest(r);
    } else if (has(r->path, "/manifests/") || has(r->path, "/blobs/")) {
        answer_kept(r);
    } else if (fl_str_is(r->path, "/bench")) {
        serve_peak(r);
    } else if (fl_str_is(r->path, "/v2/")) {
        tiny_answer(r, 200, "Docker-Distribution-Api-Version: registry/2.0\r\n", FL_STR("{}"));
    } else if (fl_str_is(r->path, "/v2/_catalog")) {
        tiny_answer(r, 200, "Content-Type: application/json\r\n", FL_STR("{\"repositories\":[]}"));
    } else {
        answer_not_found(r);
    }
}

int main(void)
{
    tiny_serve(handle);
}
