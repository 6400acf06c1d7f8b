/* SPDX-License-Identifier: Apache-2.0
 * Shared by the contract suites: two registries in memory, opened by an adapter, on a fake clock. */
#ifndef FL_TEST_CONTRACT_ENV_H
#define FL_TEST_CONTRACT_ENV_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"
#include "fake/registry.h"
#include "port/adapter.h"
#include "port/registry.h"
#include "remote/oci/registry.h"
#include "wire/digest.h"
#include "wire/http.h"

#define USER "robot"
#define PASSWORD "s3cr3t-pass-w0rd"

struct env {
    const struct fl_adapter *adapter;
    const struct fl_registry_ops *ops;
    struct fl_clock *clock;
    struct fl_cancel cancel;
    struct fl_ctx ctx;
    struct fl_arena *a;
    struct fl_err err;
    struct fl_fake_registry *fake; /* the registry under test; the destination of copies */
    struct fl_remote *r;
    struct fl_fake_registry *from; /* the source */
    struct fl_remote *rf;
};

static inline void env_init(struct env *e, const struct fl_adapter *adapter)
{
    *e = (struct env){.adapter = adapter, .ops = adapter->registry, .err = FL_ERR_INIT};
    e->clock = fl_clock_fake_new(1700000000000);
    e->ctx = fl_ctx_root(e->clock, &e->cancel);
    e->a = fl_arena_new();
}

static inline void env_release(struct env *e)
{
    e->adapter->close(e->r);
    e->adapter->close(e->rf);
    fl_fake_registry_free(e->fake);
    fl_fake_registry_free(e->from);
    fl_arena_free(e->a);
    fl_clock_free(e->clock);
}

static inline struct fl_fake_registry *env_fake(struct env *e,
                                                const struct fl_fake_registry_conf *conf)
{
    struct fl_fake_registry_conf c = *conf;
    c.clock = e->clock;
    if (c.auth != FL_FAKE_ANONYMOUS && !c.user) {
        c.user = USER;
        c.password = PASSWORD;
    }
    return fl_fake_registry_new(&c);
}

/* Opens with username and password (NULL: anonymous). */
static inline struct fl_remote *env_open_with(struct env *e, struct fl_fake_registry *f,
                                              const struct fl_remote_conf *more,
                                              const char *password)
{
    const struct fl_remote_key keys[] = {{"username", FL_STR(USER)},
                                         {"password", fl_str_of(password)}};
    struct fl_remote_conf rc = more ? *more : (struct fl_remote_conf){0};
    rc.url = rc.url ? rc.url : fl_fake_registry_url(f);
    rc.timeout_ms = 30000;
    rc.max_concurrent = rc.max_concurrent ? rc.max_concurrent : 8;
    rc.clock = e->clock;
    if (password && !rc.secret) {
        rc.secret = keys;
        rc.n_secret = FL_LEN(keys);
    }
    struct fl_remote *r = NULL;
    if (e->adapter->open(&rc, &r, &e->err) < 0) {
        return NULL;
    }
    return r;
}

static inline struct fl_remote *env_open(struct env *e, struct fl_fake_registry *f,
                                         const struct fl_fake_registry_conf *conf)
{
    struct fl_remote *r =
        env_open_with(e, f, NULL, conf->auth == FL_FAKE_ANONYMOUS ? NULL : PASSWORD);
    if (!r) {
        fail_msg("open: %s", e->err.msg);
    }
    return r;
}

/* Rows go on after a failure, so that one run tells all that is wrong; the test ends with rows_verify. */
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

/* No password and no token in what people read. */
static inline void check_message(const char *row, const struct fl_err *err)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_base64_add(&b, USER ":" PASSWORD, strlen(USER ":" PASSWORD));
    const char *const secrets[] = {PASSWORD, b.data, "token-1", "identity-", "fixed-token"};
    for (size_t i = 0; i < FL_LEN(secrets); i++) {
        if (strstr(err->msg, secrets[i])) {
            row_failures++;
            print_error("%s: secret in the message: %s\n", row, err->msg);
        }
    }
}

static inline void check_fake(const char *row, struct fl_fake_registry *f)
{
    if (!f) {
        return;
    }
    int problems = fl_fake_registry_verify(f);
    size_t open = fl_fake_registry_sessions(f);
    size_t told = fl_fake_registry_grep(f, PASSWORD);
    if (problems || open || told) {
        row_failures++;
        print_error("%s: %d problems, %zu uploads left open, the password in %zu requests\n", row,
                    problems, open, told);
    }
}

#endif
