/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/metrics.h"

static void test_metrics__written_as_prometheus_text(void **state)
{
    (void)state;
    struct fl_metrics *m = fl_metrics_new();
    fl_metric_add(fl_metric_counter(m, "passes_total", "controller=\"a\"", "Passes."), 2);
    fl_metric_counter(m, "passes_total", "controller=\"b\"", "Passes.");
    fl_metric_set(fl_metric_gauge(m, "depth", "", "Depth."), -3);
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_metrics_write(m, &b);
    assert_string_equal(b.data,
                        "# HELP passes_total Passes.\n# TYPE passes_total counter\n"
                        "passes_total{controller=\"a\"} 2\npasses_total{controller=\"b\"} 0\n"
                        "# HELP depth Depth.\n# TYPE depth gauge\ndepth -3\n");
    fl_metrics_free(m);
}

static void test_metrics__same_name_and_labels_are_one_series(void **state)
{
    (void)state;
    struct fl_metrics *m = fl_metrics_new();
    struct fl_metric *s = fl_metric_counter(m, "n", "a=\"1\"", "h");
    assert_ptr_equal(fl_metric_counter(m, "n", "a=\"1\"", "h"), s);
    assert_ptr_not_equal(fl_metric_counter(m, "n", "a=\"2\"", "h"), s);
    fl_metrics_free(m);
}

static void test_metrics__histogram_counts_up(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *series;
        const char *want[6];
    } rows[] = {
        {"reconcile time",
         "seconds",
         {"seconds_bucket{c=\"x\",le=\"0.005\"} 1\n", "seconds_bucket{c=\"x\",le=\"0.1\"} 2\n",
          "seconds_bucket{c=\"x\",le=\"60\"} 2\n", "seconds_bucket{c=\"x\",le=\"+Inf\"} 3\n",
          "seconds_sum{c=\"x\"} 61.105\n", "seconds_count{c=\"x\"} 3\n"}},
        {"workqueue",
         "workqueue_q",
         {"workqueue_q_bucket{c=\"x\",le=\"1e-08\"} 0\n",
          "workqueue_q_bucket{c=\"x\",le=\"0.01\"} 1\n",
          "workqueue_q_bucket{c=\"x\",le=\"0.1\"} 2\n",
          "workqueue_q_bucket{c=\"x\",le=\"100\"} 3\n", "workqueue_q_sum{c=\"x\"} 61.105\n",
          "workqueue_q_count{c=\"x\"} 3\n"}},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_metrics *m = fl_metrics_new();
        struct fl_metric *h = fl_metric_histogram(m, rows[i].series, "c=\"x\"", "h");
        fl_metric_observe_ms(h, 5);
        fl_metric_observe_ms(h, 100);
        fl_metric_observe_ms(h, 61000);
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_metrics_write(m, &b);
        for (size_t k = 0; k < FL_LEN(rows[i].want); k++) {
            if (!strstr(b.data, rows[i].want[k])) {
                print_error("%s: no line %sin\n%s", rows[i].name, rows[i].want[k], b.data);
                fail();
            }
        }
        fl_metrics_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics__written_as_prometheus_text),
        cmocka_unit_test(test_metrics__same_name_and_labels_are_one_series),
        cmocka_unit_test(test_metrics__histogram_counts_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
