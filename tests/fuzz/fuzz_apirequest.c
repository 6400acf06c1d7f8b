/* SPDX-License-Identifier: Apache-2.0
 * Requests to the embedded API, with a store in a folder of its own. An input is lines: method, path with query,
 * Content-Type, Accept, and then the body. Every request is answered with a status and, where it says JSON, with JSON. */
#include <dirent.h>
#include <unistd.h>

#include "apiserver/apiserver.h"
#include "base/mem.h"
#include "wire/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fl_apiserver *server;
static struct fl_clock *fake;
static char *folder;

static void end(void)
{
    fl_apiserver_close(server);
    fl_clock_free(fake);
    DIR *d = opendir(folder);
    struct dirent *e;
    while (d && (e = readdir(d)) != NULL) {
        fl_auto_text file = fl_asprintf("%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.') {
            (void)unlink(file);
        }
    }
    if (d) {
        (void)closedir(d);
    }
    (void)rmdir(folder);
    fl_free(folder);
}

static void begin(void)
{
    const char *tmp = getenv("TMPDIR");
    struct fl_err err = FL_ERR_INIT;
    folder = fl_asprintf("%s/fl-fuzz-XXXXXX", tmp ? tmp : "/tmp");
    fl_assert(mkdtemp(folder));
    fake = fl_clock_fake_new(INT64_C(1700000000000));
    struct fl_apiserver_conf conf = {.data_dir = folder, .clock = fake, .sync_normal = true};
    fl_assert(fl_apiserver_open(&conf, &server, &err) == 0);
    (void)atexit(end);
}

static const char *line(struct fl_arena *a, struct fl_str *rest)
{
    struct fl_str l;
    (void)fl_str_cut(rest, '\n', &l);
    return fl_arena_str(a, l);
}

/* As the HTTP server would hand it on: no control characters in the head. */
static bool plausible(const char *s)
{
    return fl_str_printable(fl_str_of(s));
}

static void check(const struct fl_response *res)
{
    struct fl_str text = res->shared ? fl_shared_str(res->shared) : fl_buf_slice(&res->body);
    struct fl_err err = FL_ERR_INIT;
    fl_assert(res->status >= 200 && res->status < 600);
    fl_assert(res->content_type);
    for (size_t i = 0; i < res->n_headers; i++) {
        fl_assert(fl_str_printable(fl_str_of(res->headers[i].value)));
    }
    if (!res->feed && text.n > 0 && fl_text_starts(res->content_type, "application/json") &&
        text.p[text.n - 1] != '\n' && fl_json_check(text, &err) < 0) {
        (void)fprintf(stderr, "%s: %.*s\n", err.msg, FL_STR_ARG(text));
        fl_assert(false);
    }
}

static void drain(struct fl_feed *feed)
{
    struct fl_shared *chunk = NULL;
    while (feed->ops->next(feed, &chunk) == FL_FEED_DATA) {
        fl_assert(fl_json_check(fl_shared_str(chunk), NULL) == 0);
        fl_shared_free(chunk);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!server) {
        begin();
    }
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_str rest = {(const char *)data, size};
    const char *method = line(a, &rest), *path = line(a, &rest);
    const char *type = line(a, &rest), *accept = line(a, &rest);
    if (!plausible(method) || !plausible(path) || !plausible(type) || !plausible(accept)) {
        return 0;
    }
    const struct fl_header headers[] = {{"Content-Type", type}, {"Accept", accept}};
    struct fl_str query = fl_str_of(path), head;
    (void)fl_str_cut(&query, '?', &head);
    struct fl_request req = {
        .method = method,
        .path = head,
        .query = query,
        .headers = headers,
        .n_headers = FL_LEN(headers),
        .body = rest,
        .user = "fuzz",
        .arena = a,
    };
    struct fl_response res;
    fl_response_init(&res, FL_BUF_ANY);
    fl_apiserver_serve(server, &req, &res);
    check(&res);
    if (res.feed) {
        drain(res.feed);
    }
    fl_response_release(&res);
    return 0;
}
