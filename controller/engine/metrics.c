/* SPDX-License-Identifier: Apache-2.0
 * Text format 0.0.4: prometheus.io/docs/instrumenting/exposition_formats. */
#include "engine/metrics.h"

#include <stdatomic.h>

#include "base/lock.h"
#include "base/mem.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
static const char *const type_names[] = {"counter", "gauge", "histogram"};

struct buckets {
    const char *const *names; /* le values as printed */
    const double *seconds;
    size_t n;
};

/* controller-runtime pkg/internal/controller/metrics: ReconcileTime. */
static const char *const pass_names[] = {
    "0.005", "0.01", "0.025", "0.05", "0.1", "0.15", "0.2", "0.25", "0.3",  "0.35",
    "0.4",   "0.45", "0.5",   "0.6",  "0.7", "0.8",  "0.9", "1",    "1.25", "1.5",
    "1.75",  "2",    "2.5",   "3",    "3.5", "4",    "4.5", "5",    "6",    "7",
    "8",     "9",    "10",    "15",   "20",  "25",   "30",  "40",   "50",   "60"};
static const double pass_seconds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3,  0.35,
                                      0.4,   0.45, 0.5,   0.6,  0.7, 0.8,  0.9, 1,    1.25, 1.5,
                                      1.75,  2,    2.5,   3,    3.5, 4,    4.5, 5,    6,    7,
                                      8,     9,    10,    15,   20,  25,   30,  40,   50,   60};
/* controller-runtime pkg/internal/metrics/workqueue.go: ExponentialBuckets(10e-9, 10, 12). */
static const char *const queue_names[] = {"1e-08", "1e-07", "1e-06", "1e-05", "0.0001", "0.001",
                                          "0.01",  "0.1",   "1",     "10",    "100",    "1000"};
static const double queue_seconds[] = {1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3,
                                       1e-2, 0.1,  1,    10,   100,  1000};
static const struct buckets pass_buckets = {pass_names, pass_seconds, FL_LEN(pass_seconds)};
static const struct buckets queue_buckets = {queue_names, queue_seconds, FL_LEN(queue_seconds)};

struct fl_metric {
    struct fl_metric *next; /* in its family, in the order they were made */
    char *labels;
    _Atomic int64_t value;    /* counter, gauge; histogram: the sum in milliseconds */
    _Atomic uint64_t *counts; /* histogram: per bucket, the last one is +Inf */
    const struct buckets *buckets;
};

struct family {
    struct family *next;
    char *name, *help;
    enum metric_type type;
    struct fl_metric *first;
};

struct fl_metrics {
    struct fl_lock lock; /* guards the lists; the values are atomic */
    struct family *first;
};

struct fl_metrics *fl_metrics_new(void)
{
    struct fl_metrics *m = FL_NEW(struct fl_metrics);
    fl_lock_init(&m->lock, "metrics", FL_RANK_WIRE);
    return m;
}

static void metric_free(struct fl_metric *s)
{
    fl_free(s->labels);
    fl_free(s->counts);
    fl_free(s);
}

void fl_metrics_free(struct fl_metrics *m)
{
    if (!m) {
        return;
    }
    while (m->first) {
        struct family *f = m->first;
        m->first = f->next;
        while (f->first) {
            struct fl_metric *s = f->first;
            f->first = s->next;
            metric_free(s);
        }
        fl_free(f->name);
        fl_free(f->help);
        fl_free(f);
    }
    fl_lock_destroy(&m->lock);
    fl_free(m);
}

static struct family *family_of(struct fl_metrics *m, const char *name, const char *help,
                                enum metric_type type)
{
    struct family **at = &m->first;
    while (*at && strcmp((*at)->name, name) != 0) {
        at = &(*at)->next;
    }
    if (!*at) {
        *at = FL_NEW(struct family);
        (*at)->name = fl_strdup(name);
        (*at)->help = fl_strdup(help);
        (*at)->type = type;
    }
    fl_assert((*at)->type == type);
    return *at;
}

static struct fl_metric *series_of(struct fl_metrics *m, const char *name, const char *labels,
                                   const char *help, enum metric_type type)
{
    fl_lock_scope(&m->lock);
    struct fl_metric **at = &family_of(m, name, help, type)->first;
    for (; *at; at = &(*at)->next) {
        if (strcmp((*at)->labels, labels) == 0) {
            return *at;
        }
    }
    struct fl_metric *s = FL_NEW(struct fl_metric);
    s->labels = fl_strdup(labels);
    if (type == METRIC_HISTOGRAM) {
        s->buckets = fl_text_starts(name, "workqueue_") ? &queue_buckets : &pass_buckets;
        s->counts = fl_calloc(s->buckets->n + 1, sizeof(*s->counts));
    }
    *at = s;
    return s;
}

struct fl_metric *fl_metric_counter(struct fl_metrics *m, const char *name, const char *labels,
                                    const char *help)
{
    return series_of(m, name, labels, help, METRIC_COUNTER);
}

struct fl_metric *fl_metric_gauge(struct fl_metrics *m, const char *name, const char *labels,
                                  const char *help)
{
    return series_of(m, name, labels, help, METRIC_GAUGE);
}

struct fl_metric *fl_metric_histogram(struct fl_metrics *m, const char *name, const char *labels,
                                      const char *help)
{
    return series_of(m, name, labels, help, METRIC_HISTOGRAM);
}

void fl_metric_add(struct fl_metric *s, int64_t v)
{
    atomic_fetch_add_explicit(&s->value, v, memory_order_relaxed);
}

void fl_metric_set(struct fl_metric *s, int64_t v)
{
    atomic_store_explicit(&s->value, v, memory_order_relaxed);
}

void fl_metric_observe_ms(struct fl_metric *s, int64_t ms)
{
    size_t i = 0;
    while (i < s->buckets->n && (double)ms / 1000.0 > s->buckets->seconds[i]) {
        i++;
    }
    atomic_fetch_add_explicit(&s->counts[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->value, ms, memory_order_relaxed);
}

int64_t fl_metric_value(const struct fl_metric *s)
{
    return atomic_load_explicit(&s->value, memory_order_relaxed);
}

static void write_labels(struct fl_buf *b, const char *labels, const char *le)
{
    bool some = labels[0] != '\0';
    if (!some && !le) {
        return;
    }
    fl_buf_char(b, '{');
    fl_buf_text(b, labels);
    if (le) {
        fl_buf_fmt(b, "%sle=\"%s\"", some ? "," : "", le);
    }
    fl_buf_char(b, '}');
}

static void write_histogram(const struct family *f, const struct fl_metric *s, struct fl_buf *b)
{
    uint64_t sum = 0;
    for (size_t i = 0; i <= s->buckets->n; i++) {
        sum += atomic_load_explicit(&s->counts[i], memory_order_relaxed);
        fl_buf_fmt(b, "%s_bucket", f->name);
        write_labels(b, s->labels, i < s->buckets->n ? s->buckets->names[i] : "+Inf");
        fl_buf_fmt(b, " %llu\n", (unsigned long long)sum);
    }
    int64_t ms = fl_metric_value(s);
    fl_buf_fmt(b, "%s_sum", f->name);
    write_labels(b, s->labels, NULL);
    fl_buf_fmt(b, " %lld.%03d\n", (long long)(ms / 1000), (int)(ms % 1000));
    fl_buf_fmt(b, "%s_count", f->name);
    write_labels(b, s->labels, NULL);
    fl_buf_fmt(b, " %llu\n", (unsigned long long)sum);
}

void fl_metrics_write(struct fl_metrics *m, struct fl_buf *b)
{
    fl_lock_scope(&m->lock);
    for (const struct family *f = m->first; f; f = f->next) {
        fl_buf_fmt(b, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name,
                   type_names[f->type]);
        for (const struct fl_metric *s = f->first; s; s = s->next) {
            if (f->type == METRIC_HISTOGRAM) {
                write_histogram(f, s, b);
                continue;
            }
            fl_buf_text(b, f->name);
            write_labels(b, s->labels, NULL);
            fl_buf_fmt(b, " %lld\n", (long long)fl_metric_value(s));
        }
    }
}
