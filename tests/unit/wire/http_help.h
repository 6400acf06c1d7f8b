/* SPDX-License-Identifier: Apache-2.0
 * Shared by the tests of the HTTP client. */
#ifndef FL_TEST_HTTP_HELP_H
#define FL_TEST_HTTP_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fake/peer.h"
#include "wire/http.h"

/* A client and a context on a fake clock; the peer's ticks move the clock. */
struct http_env {
    struct fl_clock *clock;
    struct fl_cancel cancel;
    struct fl_ctx ctx;
    struct fl_http *h;
    struct fl_http_resp resp;
    struct fl_err err;
};

static inline void env_init(struct http_env *e, const struct fl_http_conf *conf)
{
    static const struct fl_http_conf plain = {0};
    struct fl_http_conf patient = conf ? *conf : plain;
    *e = (struct http_env){.err = FL_ERR_INIT};
    e->clock = fl_clock_fake_new(1700000000000);
    e->ctx = fl_ctx_root(e->clock, &e->cancel);
    fl_http_resp_init(&e->resp);
    /* connecting is timed by the real clock, and the machine may be busy */
    patient.connect_timeout_ms = patient.connect_timeout_ms ? patient.connect_timeout_ms : 120000;
    if (fl_http_new(&patient, &e->h, &e->err)) {
        fail_msg("fl_http_new: %s", e->err.msg);
    }
}

static inline void env_release(struct http_env *e)
{
    fl_http_resp_release(&e->resp);
    fl_http_free(e->h);
    fl_clock_free(e->clock);
}

/* "<base><path>"; the text lives until the next call but three. */
static inline const char *url_of(const struct fl_peer *p, const char *path)
{
    static char text[4][512];
    static int turn;
    char *t = text[turn++ % 4];
    (void)snprintf(t, sizeof(text[0]), "%s%s", fl_peer_url(p), path);
    return t;
}

static inline int env_get(struct http_env *e, const struct fl_peer *p, const char *path)
{
    struct fl_http_req req = {.method = "GET", .url = url_of(p, path)};
    return fl_http_do(e->h, &e->ctx, &req, &e->resp, &e->err);
}

static inline void tick_second(void *arg)
{
    fl_clock_advance(arg, 1000);
}

static inline void tick_cancel(void *arg)
{
    fl_cancel_set(arg);
}

/* Fails with the row's name and what was seen. */
#define row_check(name, cond, e)                                                                   \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fail_msg("%s: %s (status %d, code %s, reason %s, msg %s)", (name), #cond,              \
                     (e)->resp.status, fl_code_name((e)->err.code), (e)->err.reason,               \
                     (e)->err.msg);                                                                \
        }                                                                                          \
    } while (0)

#endif
