/* SPDX-License-Identifier: Apache-2.0
 * Writes down what a reflector tells, one word or two a line, and waits for it. Header only. */
#ifndef FL_TEST_RECORD_H
#define FL_TEST_RECORD_H

#include "base/lock.h"
#include "kube/kube.h"
#include "wire/scan.h"

struct record {
    struct fl_lock lock;
    struct fl_cond changed;
    struct fl_buf log;
};

static fl_unused void record_init(struct record *r)
{
    fl_lock_init(&r->lock, "record", FL_RANK_APP);
    fl_cond_init(&r->changed);
    fl_buf_init(&r->log, FL_BUF_ANY);
}

static fl_unused void record_release(struct record *r)
{
    fl_buf_release(&r->log);
    fl_cond_destroy(&r->changed);
    fl_lock_destroy(&r->lock);
}

static fl_unused void record_add(struct record *r, const char *word, struct fl_str what)
{
    fl_lock_scope(&r->lock);
    fl_buf_fmt(&r->log, "%s%s%.*s\n", word, what.n ? " " : "", FL_STR_ARG(what));
    fl_cond_broadcast(&r->changed);
}

static fl_unused struct fl_str record_name(struct fl_str object)
{
    struct fl_str name = {0};
    (void)fl_scan_plain(fl_scan_path(object, "metadata.name"), &name);
    return name;
}

static fl_unused void record_begin(void *arg)
{
    record_add(arg, "begin", (struct fl_str){0});
}

static fl_unused void record_set(void *arg, struct fl_str object)
{
    record_add(arg, "set", record_name(object));
}

static fl_unused void record_del(void *arg, struct fl_str object)
{
    record_add(arg, "del", record_name(object));
}

static fl_unused void record_synced(void *arg, struct fl_str rv)
{
    (void)rv;
    record_add(arg, "synced", (struct fl_str){0});
}

static fl_unused void record_trouble(void *arg, const struct fl_err *err)
{
    record_add(arg, err ? "trouble" : "well", fl_str_of(err ? fl_code_name(err->code) : ""));
}

static const struct fl_reflector_ops record_ops = {record_begin, record_set, record_del,
                                                   record_synced, record_trouble};

static fl_unused size_t record_count(struct record *r, const char *line)
{
    size_t n = 0;
    const char *at = r->log.data;
    size_t len = strlen(line);
    while ((at = strstr(at, line)) != NULL) {
        n += (at == r->log.data || at[-1] == '\n') && at[len] == '\n';
        at += len;
    }
    return n;
}

/* Waits until `line` was told n times. */
static fl_unused void record_wait(struct record *r, const char *line, size_t n)
{
    fl_lock_scope(&r->lock);
    while (record_count(r, line) < n) {
        fl_cond_wait(&r->changed, &r->lock);
    }
}

/* After a wait, or after the reflector was stopped. */
static fl_unused bool record_is(struct record *r, const char *want)
{
    fl_lock_scope(&r->lock);
    return strcmp(r->log.data, want) == 0;
}

#endif
