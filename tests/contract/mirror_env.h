/* SPDX-License-Identifier: Apache-2.0
 * Shared by the suites of the mirror port's remote half: a scripted git server, an opened remote, a fake clock. */
#ifndef FL_TEST_MIRROR_ENV_H
#define FL_TEST_MIRROR_ENV_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"
#include "fake/peer.h"
#include "port/adapter.h"
#include "port/mirror.h"
#include "remote/git/mirror.h"
#include "remote/git/wire.h"
#include "wire/http.h"

#define OID_A "1111111111111111111111111111111111111111"
#define OID_B "2222222222222222222222222222222222222222"
#define OID_C "3333333333333333333333333333333333333333"
#define OID_0 "0000000000000000000000000000000000000000"

static const char *const usual[] = {"refs/heads/**", "refs/tags/**"};

struct menv {
    struct fl_clock *clock;
    struct fl_cancel cancel;
    struct fl_ctx ctx;
    struct fl_arena *a;
    struct fl_err err;
    struct fl_peer *peer;
    struct fl_remote *r;
    struct fl_ref_filter filter;
    struct fl_ref_list list;
};

static inline void menv_init(struct menv *e)
{
    *e = (struct menv){.err = FL_ERR_INIT, .filter = {usual, 2, NULL, 0, 1000, NULL}};
    e->clock = fl_clock_fake_new(1700000000000);
    e->ctx = fl_ctx_root(e->clock, &e->cancel);
    e->a = fl_arena_new();
}

static inline void menv_release(struct menv *e)
{
    fl_adapter_git.close(e->r);
    fl_peer_free(e->peer);
    fl_arena_free(e->a);
    fl_clock_free(e->clock);
}

static inline int menv_open_at(struct menv *e, const char *url, const struct fl_remote_conf *more,
                               struct fl_remote **ret)
{
    struct fl_remote_conf conf = more ? *more : (struct fl_remote_conf){0};
    conf.url = url;
    conf.clock = e->clock;
    conf.timeout_ms = 60000;
    return fl_adapter_git.open(&conf, ret, &e->err);
}

static inline int menv_list_of(struct menv *e, struct fl_remote *r)
{
    fl_err_clear(&e->err);
    fl_arena_clear(e->a);
    e->list = (struct fl_ref_list){0};
    return fl_adapter_git.mirror->list(r, &e->ctx, e->a, &e->filter, &e->list, &e->err);
}

/* Items become packets with an LF; "=..." goes in as it is; '~' stands for a NUL. */
static inline void body_make(struct fl_buf *b, const char *const *items)
{
    for (size_t i = 0; items[i]; i++) {
        size_t at = b->len;
        if (items[i][0] == '=') {
            fl_buf_text(b, items[i] + 1);
        } else {
            git_pkt_add(b, "%s\n", items[i]);
        }
        for (; at < b->len; at++) {
            b->data[at] = b->data[at] == '~' ? '\0' : b->data[at];
        }
    }
}

/* "refs/heads/main=1 refs/tags/v1=2 HEAD>refs/heads/main" */
static inline void refs_text(struct fl_buf *b, const struct fl_git_refs *refs)
{
    for (size_t i = 0; i < refs->n; i++) {
        fl_buf_fmt(b, "%s%s=%c", b->len ? " " : "", refs->v[i].name, refs->v[i].oid[0]);
    }
    if (refs->head) {
        fl_buf_fmt(b, "%sHEAD>%s", b->len ? " " : "", refs->head);
    }
}

static int row_failures;

#define row_check(name, cond, e)                                                                   \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            row_failures++;                                                                        \
            print_error("%s:%d: %s: %s (code %s, reason %s, HTTP %d, msg %s)\n", __FILE__,         \
                        __LINE__, (name), #cond, fl_code_name((e)->err.code), (e)->err.reason,     \
                        (e)->err.http_status, (e)->err.msg);                                       \
        }                                                                                          \
    } while (0)

static inline void rows_verify(void)
{
    int n = row_failures;
    row_failures = 0;
    if (n) {
        fail_msg("%d checks of rows have failed", n);
    }
}

#endif
