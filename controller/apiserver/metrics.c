/* SPDX-License-Identifier: Apache-2.0
 * Counters of the server. Names: k8s.io/apiserver pkg/endpoints/metrics, where they say the same. */
#include "apiserver/server.h"

static const int codes[FL_CODES] = {200, 201, 301, 304, 400, 401, 403, 404, 405, 406,
                                    409, 410, 413, 415, 422, 429, 500, 503, 504, 0};

static const char *const verbs[FL_VERBS] = {
    [FL_VERB_GET] = "GET",       [FL_VERB_LIST] = "LIST",
    [FL_VERB_WATCH] = "WATCH",   [FL_VERB_CREATE] = "POST",
    [FL_VERB_UPDATE] = "PUT",    [FL_VERB_PATCH] = "PATCH",
    [FL_VERB_DELETE] = "DELETE", [FL_VERB_DELETECOLLECTION] = "DELETECOLLECTION",
    [FL_VERB_OTHER] = "OTHER",
};

void fl_apiserver_count(struct fl_apiserver *s, enum fl_verb verb, int code)
{
    size_t i = 0;
    while (codes[i] != 0 && codes[i] != code) {
        i++;
    }
    atomic_fetch_add_explicit(&s->requests[verb][i], 1, memory_order_relaxed);
}

uint64_t fl_apiserver_served(struct fl_apiserver *s)
{
    uint64_t n = 0;
    for (int v = 0; v < FL_VERBS; v++) {
        for (int i = 0; i < FL_CODES; i++) {
            n += atomic_load_explicit(&s->requests[v][i], memory_order_relaxed);
        }
    }
    return n;
}

static void requests(struct fl_apiserver *s, struct fl_buf *b)
{
    fl_buf_text(b, "# HELP apiserver_request_total Requests by verb and HTTP code.\n"
                   "# TYPE apiserver_request_total counter\n");
    for (int v = 0; v < FL_VERBS; v++) {
        for (int i = 0; i < FL_CODES; i++) {
            uint64_t n = atomic_load_explicit(&s->requests[v][i], memory_order_relaxed);
            if (n > 0) {
                fl_buf_fmt(b, "apiserver_request_total{verb=\"%s\",code=\"%d\"} %llu\n", verbs[v],
                           codes[i], (unsigned long long)n);
            }
        }
    }
}

void fl_apiserver_metrics(struct fl_apiserver *s, struct fl_buf *b)
{
    requests(s, b);
    fl_buf_fmt(b,
               "# HELP apiserver_storage_size_bytes Size of the database file.\n"
               "# TYPE apiserver_storage_size_bytes gauge\n"
               "apiserver_storage_size_bytes %lld\n"
               "# HELP apiserver_longrunning_requests Watches that are open.\n"
               "# TYPE apiserver_longrunning_requests gauge\n"
               "apiserver_longrunning_requests{verb=\"WATCH\"} %d\n",
               (long long)fl_store_size_bytes(s->store), fl_hub_watchers(s->hub));
}
