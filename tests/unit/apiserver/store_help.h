/* SPDX-License-Identifier: Apache-2.0
 * What the tests of store and hub share: a store in a folder of its own under a fake clock, objects as short texts. */
#ifndef FL_TESTS_UNIT_APISERVER_STORE_HELP_H
#define FL_TESTS_UNIT_APISERVER_STORE_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <unistd.h>

#include "api/scheme.h"
#include "apiserver/store.h"
#include "base/buf.h"
#include "base/mem.h"
#include "wire/scan.h"

#define HELP_WALL_MS INT64_C(1700000000000)

struct help {
    char *dir;
    struct fl_clock *clock;
    struct fl_store *s;
    /* What was published, if `record`. */
    bool record;
    struct fl_event *events;
    size_t n;
    size_t cap;
};

static inline void help_forget(struct help *h)
{
    for (size_t i = 0; i < h->n; i++) {
        fl_shared_free(h->events[i].text);
        fl_shared_free(h->events[i].old);
    }
    h->n = 0;
}

static inline void help_published(void *arg, const struct fl_event *ev)
{
    struct help *h = arg;

    if (!h->record) {
        fl_shared_free(ev->text);
        fl_shared_free(ev->old);
        return;
    }
    if (h->n == h->cap) {
        h->cap = h->cap ? 2 * h->cap : 64;
        h->events = fl_reallocarray(h->events, h->cap, sizeof(*h->events));
    }
    h->events[h->n++] = *ev;
}

static inline int help_setup(void **state)
{
    struct help *h = FL_NEW(struct help);

    h->dir = fl_strdup("/tmp/fl-store-XXXXXX");
    h->clock = fl_clock_fake_new(HELP_WALL_MS);
    h->record = true;
    *state = h;
    return mkdtemp(h->dir) ? 0 : -1;
}

static inline int help_open_as(struct help *h, const struct fl_store_conf *more, struct fl_err *err)
{
    struct fl_store_conf conf = *more;

    if (!conf.data_dir) {
        conf.data_dir = h->dir;
    }
    conf.clock = h->clock;
    if (!conf.published) {
        conf.published = help_published;
        conf.published_arg = h;
    }
    return fl_store_open(&conf, &h->s, err);
}

static inline void help_open(struct help *h, const struct fl_store_conf *more)
{
    static const struct fl_store_conf plain;
    struct fl_err err = FL_ERR_INIT;

    if (help_open_as(h, more ? more : &plain, &err) != 0) {
        fail_msg("open: %s", err.msg);
    }
}

static inline void help_close(struct help *h)
{
    fl_store_close(h->s);
    h->s = NULL;
}

static inline int help_teardown(void **state)
{
    struct help *h = *state;
    DIR *d;
    struct dirent *e;

    help_close(h);
    help_forget(h);
    d = opendir(h->dir);
    while (d && (e = readdir(d)) != NULL) {
        fl_auto_text path = fl_asprintf("%s/%s", h->dir, e->d_name);

        (void)unlink(path);
    }
    if (d) {
        (void)closedir(d);
    }
    (void)rmdir(h->dir);
    fl_clock_free(h->clock);
    fl_free(h->events);
    fl_free(h->dir);
    fl_free(h);
    return 0;
}

/* ---- objects: {"metadata":{"name","namespace","labels":{"app":value},"resourceVersion"},"data":{"v":value}} ---- */

static inline struct fl_store_key help_key(const struct fl_kind *k, const char *ns,
                                           const char *name)
{
    return (struct fl_store_key){k, fl_str_of(ns), fl_str_of(name)};
}

static inline int help_write(struct help *h, enum fl_store_op op, const struct fl_store_key *key,
                             const char *value, int64_t expect_rv, int64_t *ret_rv,
                             struct fl_err *err)
{
    fl_auto_val(fl_buf) before = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) after = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_store_write w = {.op = op, .key = *key, .expect_rv = expect_rv};

    fl_buf_fmt(&before, "{\"apiVersion\":\"v1\",\"kind\":\"%s\",\"metadata\":{\"name\":\"%.*s\",",
               key->kind->kind, FL_STR_ARG(key->name));
    if (key->ns.n > 0) {
        fl_buf_fmt(&before, "\"namespace\":\"%.*s\",", FL_STR_ARG(key->ns));
    }
    fl_buf_fmt(&before, "\"labels\":{\"app\":\"%.*s\"},\"resourceVersion\":\"",
               (int)strcspn(value, " "), value);
    fl_buf_fmt(&after, "\"},\"data\":{\"v\":\"%s\"}}", value);
    w.before = fl_buf_slice(&before);
    w.after = fl_buf_slice(&after);
    return fl_store_write(h->s, &w, NULL, ret_rv, err);
}

static inline int64_t help_do(struct help *h, enum fl_store_op op, const struct fl_kind *k,
                              const char *ns, const char *name, const char *value,
                              int64_t expect_rv)
{
    struct fl_store_key key = help_key(k, ns, name);
    struct fl_err err = FL_ERR_INIT;
    int64_t rv = 0;

    if (help_write(h, op, &key, value, expect_rv, &rv, &err) != 0) {
        fail_msg("write %s/%s: %s", ns, name, err.msg);
    }
    return rv;
}

static inline int64_t help_create(struct help *h, const struct fl_kind *k, const char *ns,
                                  const char *name, const char *value)
{
    return help_do(h, FL_STORE_CREATE, k, ns, name, value, 0);
}

/* Of the object as it stands. */
static inline int64_t help_rv(struct help *h, const struct fl_kind *k, const char *ns,
                              const char *name)
{
    struct fl_store_key key = help_key(k, ns, name);
    struct fl_err err = FL_ERR_INIT;
    fl_auto(fl_shared) text = NULL;
    int64_t rv = 0;

    if (fl_store_get(h->s, &key, &text, &rv, &err) != 0) {
        fail_msg("get %s/%s: %s", ns, name, err.msg);
    }
    return rv;
}

static inline int64_t help_update(struct help *h, const struct fl_kind *k, const char *ns,
                                  const char *name, const char *value)
{
    return help_do(h, FL_STORE_UPDATE, k, ns, name, value, help_rv(h, k, ns, name));
}

static inline int64_t help_delete(struct help *h, const struct fl_kind *k, const char *ns,
                                  const char *name, const char *value)
{
    return help_do(h, FL_STORE_DELETE, k, ns, name, value, help_rv(h, k, ns, name));
}

static inline int64_t help_text_rv(struct fl_str text)
{
    struct fl_str digits = {NULL, 0};
    int64_t rv = -1;

    (void)fl_scan_plain(fl_scan_path(text, "metadata.resourceVersion"), &digits);
    (void)fl_scan_i64(digits, &rv);
    return rv;
}

static inline struct fl_str help_text_value(struct fl_str text)
{
    struct fl_str v = {NULL, 0};

    (void)fl_scan_plain(fl_scan_path(text, "data.v"), &v);
    return v;
}

#endif
