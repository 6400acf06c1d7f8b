/* SPDX-License-Identifier: Apache-2.0
 * Counters, gauges and histograms with fixed labels; Prometheus text 0.0.4. The names are those of controller-runtime
 * (kubernetes.md 2.5) and ours. Values are atomics; series are made at start, never from users' input. Any thread. */
#ifndef FL_ENGINE_METRICS_H
#define FL_ENGINE_METRICS_H

#include "base/buf.h"

struct fl_metrics;
struct fl_metric; /* one series */

struct fl_metrics *fl_metrics_new(void);
void fl_metrics_free(struct fl_metrics *m);
/* labels: `controller="registry",result="success"` or "". The same name and labels give the same series. */
struct fl_metric *fl_metric_counter(struct fl_metrics *m, const char *name, const char *labels,
                                    const char *help);
struct fl_metric *fl_metric_gauge(struct fl_metrics *m, const char *name, const char *labels,
                                  const char *help);
struct fl_metric *fl_metric_histogram(struct fl_metrics *m, const char *name, const char *labels,
                                      const char *help); /* seconds,
    controller-runtime's buckets: those of reconcile time, or of workqueues for names that begin with workqueue_ */
void fl_metric_add(struct fl_metric *s, int64_t v);
void fl_metric_set(struct fl_metric *s, int64_t v);
void fl_metric_observe_ms(struct fl_metric *s, int64_t ms);
int64_t fl_metric_value(const struct fl_metric *s);
void fl_metrics_write(struct fl_metrics *m, struct fl_buf *b);

#endif
