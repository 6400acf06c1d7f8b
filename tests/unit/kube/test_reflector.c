/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/scheme.h"
#include "unit/kube/fake_api.h"
#include "unit/kube/record.h"

#define ALL "/apis/fairlead.dev/v1alpha1/namespaces/n/registries"
#define LIST "/v1alpha1/registries?limit"
#define WATCHLIST "sendInitialEvents"
#define REWATCH "&resourceVersion="

struct rig {
    struct fl_clock *clock;
    struct fake_api *api;
    struct fl_kube *kube;
    struct fl_reflector *reflector;
    struct record record;
};

static void put(struct rig *g, const char *name)
{
    fl_auto_text body =
        fl_asprintf("{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"url\":\"x\"}}", name);
    assert_int_equal(fake_api_call(g->api, "POST", ALL, body), 201);
}

static void drop(struct rig *g, const char *name)
{
    fl_auto_text path = fl_asprintf(ALL "/%s", name);
    assert_int_equal(fake_api_call(g->api, "DELETE", path, ""), 200);
}

static void touch(struct rig *g, const char *name, int value)
{
    fl_auto_text path = fl_asprintf(ALL "/%s", name);
    fl_auto_text body = fl_asprintf("{\"metadata\":{\"labels\":{\"v\":\"%d\"}}}", value);
    assert_int_equal(fake_api_call(g->api, "PATCH", path, body), 200);
}

static void rig_up(struct rig *g)
{
    g->clock = fl_clock_fake_new(1767225600000);
    g->api = fake_api_new();
    g->kube = fl_kube_new_local(fake_api_serve, g->api, "tester", g->clock);
    g->reflector = NULL;
    record_init(&g->record);
}

static void rig_start(struct rig *g)
{
    g->reflector = fl_reflector_start(g->kube, &fl_kind_registry, (struct fl_str){0}, false,
                                      &record_ops, &g->record);
}

static void rig_stop(struct rig *g)
{
    if (g->reflector) {
        fl_reflector_stop(fl_take(g->reflector));
    }
}

static void rig_down(struct rig *g)
{
    rig_stop(g);
    fl_kube_free(g->kube);
    fake_api_free(g->api);
    fl_clock_free(g->clock);
    record_release(&g->record);
}

static void check(struct rig *g, const char *want)
{
    rig_stop(g);
    if (!record_is(&g->record, want)) {
        print_error("got:\n%swanted:\n%s", g->record.log.data, want);
        fail();
    }
}

static void test_reflector__watchlist_then_live(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    put(&g, "a");
    rig_start(&g);
    record_wait(&g.record, "synced", 1);
    put(&g, "b");
    touch(&g, "a", 1);
    drop(&g, "b");
    record_wait(&g.record, "del b", 1);
    check(&g, "begin\nset a\nsynced\nset b\nset a\ndel b\n");
    assert_int_equal(fake_api_count(g.api, "GET", WATCHLIST), 1);
    assert_int_equal(fake_api_count(g.api, "GET", "limit="), 0);
    rig_down(&g);
}

static void test_reflector__without_watchlist_lists_pages_and_watches(void **state)
{
    (void)state;
    static const int refusals[] = {422, 400};
    for (size_t i = 0; i < FL_LEN(refusals); i++) {
        struct rig g;
        rig_up(&g);
        g.api->page = 2;
        fake_api_fail(g.api, 0,
                      (struct fake_fail){.contain = WATCHLIST, .status = refusals[i], .times = -1});
        put(&g, "a");
        put(&g, "b");
        put(&g, "c");
        put(&g, "d");
        put(&g, "e");
        rig_start(&g);
        record_wait(&g.record, "synced", 1);
        put(&g, "f");
        record_wait(&g.record, "set f", 1);
        rig_stop(&g);
        assert_int_equal(record_count(&g.record, "begin"), 1);
        assert_int_equal(record_count(&g.record, "set a") + record_count(&g.record, "set b") +
                             record_count(&g.record, "set c") + record_count(&g.record, "set d") +
                             record_count(&g.record, "set e"),
                         5);
        assert_int_equal(fake_api_count(g.api, "GET", LIST), 3);
        assert_int_equal(fake_api_count(g.api, "GET", REWATCH), 1);
        rig_down(&g);
    }
}

static void test_reflector__watch_closed_in_order_goes_on_from_its_version(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    put(&g, "a");
    rig_start(&g);
    record_wait(&g.record, "synced", 1);
    put(&g, "b");
    record_wait(&g.record, "set b", 1);
    fake_api_end_watches(g.api, NULL);
    fake_api_wait_count(g.api, "GET", REWATCH "102", 1);
    put(&g, "c");
    record_wait(&g.record, "set c", 1);
    check(&g, "begin\nset a\nsynced\nset b\nset c\n");
    rig_down(&g);
}

static void test_reflector__bookmarks_move_the_version(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    rig_start(&g);
    record_wait(&g.record, "synced", 1);
    fake_api_end_watches(
        g.api,
        "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"4711\"}}}\n");
    fake_api_wait_count(g.api, "GET", REWATCH "4711", 1);
    rig_down(&g);
}

static void test_reflector__expired_lists_again(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    put(&g, "a");
    put(&g, "b");
    rig_start(&g);
    record_wait(&g.record, "synced", 1);
    drop(&g, "b");
    record_wait(&g.record, "del b", 1);
    fake_api_compact(g.api, 1000);
    fake_api_end_watches(g.api, NULL); /* the next watch gets 200 and one line of ERROR 410 */
    record_wait(&g.record, "synced", 2);
    check(&g, record_count(&g.record, "set a") == 2 &&
                      strncmp(g.record.log.data, "begin\nset a\nset b\n", 18) == 0
                  ? "begin\nset a\nset b\nsynced\ndel b\nbegin\nset a\nsynced\n"
                  : "begin\nset b\nset a\nsynced\ndel b\nbegin\nset a\nsynced\n");
    rig_down(&g);
}

static void test_reflector__expired_as_status_lists_again(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    put(&g, "a");
    rig_start(&g);
    record_wait(&g.record, "synced", 1);
    fake_api_fail(g.api, 0, (struct fake_fail){.contain = REWATCH, .status = 410, .times = 1});
    fake_api_end_watches(g.api, NULL);
    record_wait(&g.record, "synced", 2);
    check(&g, "begin\nset a\nsynced\nbegin\nset a\nsynced\n");
    rig_down(&g);
}

static void test_reflector__expired_again_and_again_backs_off(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    rig_start(&g);
    record_wait(&g.record, "synced", 1);
    fake_api_fail(g.api, 0, (struct fake_fail){.contain = REWATCH, .status = 410, .times = -1});
    fake_api_end_watches(g.api, NULL);
    record_wait(&g.record, "synced", 2);
    fake_api_end_watches(g.api, NULL);
    record_wait(&g.record, "trouble NotFound", 1);
    fl_clock_advance(g.clock, 1600);
    record_wait(&g.record, "synced", 3);
    rig_down(&g);
}

/* Waits for the n-th trouble and lets the longest back-off of that try pass. */
static void pass_trouble(struct rig *g, const char *line, size_t n)
{
    int64_t ms = 1600;
    record_wait(&g->record, line, n);
    for (size_t i = 1; i < n && ms < 30000; i++) {
        ms *= 2;
    }
    fl_clock_advance(g->clock, ms < 30000 ? ms : 30000);
}

static void test_reflector__failing_server_is_asked_with_back_off(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    put(&g, "a");
    fake_api_fail(g.api, 0, (struct fake_fail){.contain = WATCHLIST, .status = 500, .times = 7});
    rig_start(&g);
    for (size_t i = 1; i <= 7; i++) {
        pass_trouble(&g, "trouble Unavailable", i);
    }
    record_wait(&g.record, "synced", 1);
    rig_stop(&g);
    assert_int_equal(record_count(&g.record, "trouble Unavailable"), 7);
    assert_int_equal(record_count(&g.record, "well"), 1);
    assert_int_equal(fake_api_count(g.api, "GET", WATCHLIST), 8);
    rig_down(&g);
}

static void test_reflector__back_off_is_not_shorter_than_asked(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    rig_start(&g);
    record_wait(&g.record, "synced", 1);
    fake_api_fail(
        g.api, 0,
        (struct fake_fail){.contain = REWATCH, .status = 429, .times = 1, .retry_after = "100"});
    fake_api_end_watches(g.api, NULL);
    record_wait(&g.record, "trouble Limited", 1);
    fl_clock_advance(g.clock, 99999);
    assert_int_equal(fake_api_count(g.api, "GET", REWATCH), 1);
    fl_clock_advance(g.clock, 1);
    fake_api_wait_count(g.api, "GET", REWATCH, 2);
    record_wait(&g.record, "well", 1);
    check(&g, "begin\nsynced\ntrouble Limited\nwell\n"); /* no new listing */
    rig_down(&g);
}

static void test_reflector__watch_failing_goes_on_without_listing(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    put(&g, "a");
    rig_start(&g);
    record_wait(&g.record, "synced", 1);
    fake_api_fail(g.api, 0, (struct fake_fail){.contain = REWATCH, .status = 503, .times = 2});
    fake_api_end_watches(g.api, NULL);
    pass_trouble(&g, "trouble Unavailable", 1);
    pass_trouble(&g, "trouble Unavailable", 2);
    record_wait(&g.record, "well", 1);
    put(&g, "b");
    record_wait(&g.record, "set b", 1);
    check(&g, "begin\nset a\nsynced\ntrouble Unavailable\ntrouble Unavailable\nwell\nset b\n");
    rig_down(&g);
}

static void test_reflector__stream_cut_within_a_line_loses_nothing(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    put(&g, "a");
    rig_start(&g);
    record_wait(&g.record, "synced", 1);
    fake_api_end_watches(g.api, "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"half");
    fake_api_wait_count(g.api, "GET", REWATCH "101", 1);
    put(&g, "b");
    record_wait(&g.record, "set b", 1);
    check(&g, "begin\nset a\nsynced\nset b\n");
    rig_down(&g);
}

static void test_reflector__line_that_is_no_event_lists_again(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    put(&g, "a");
    rig_start(&g);
    record_wait(&g.record, "synced", 1);
    fake_api_end_watches(g.api, "{\"type\":\"SURPRISE\",\"object\":{}}\n");
    pass_trouble(&g, "trouble BadData", 1);
    record_wait(&g.record, "synced", 2);
    check(&g, "begin\nset a\nsynced\ntrouble BadData\nbegin\nset a\nwell\nsynced\n");
    rig_down(&g);
}

static void test_reflector__watch_that_ends_at_once_backs_off(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    rig_start(&g);
    record_wait(&g.record, "synced", 1);
    fake_api_end_watches(g.api, NULL); /* had its bookmark: goes on at once */
    fake_api_wait_count(g.api, "GET", REWATCH, 1);
    fake_api_end_watches(g.api, NULL); /* no event within a second */
    pass_trouble(&g, "trouble Unavailable", 1);
    fake_api_wait_count(g.api, "GET", REWATCH, 2);
    record_wait(&g.record, "well", 1);
    check(&g, "begin\nsynced\ntrouble Unavailable\nwell\n");
    rig_down(&g);
}

static void test_reflector__initial_events_that_never_end_are_listed_instead(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    put(&g, "a");
    /* A watch that is answered like an old server answers: what there is, then silence. */
    g.api->ignore_initial = true;
    rig_start(&g);
    record_wait(&g.record, "set a", 1);
    fl_clock_advance(g.clock, 30000);
    pass_trouble(&g, "trouble Timeout", 1);
    record_wait(&g.record, "synced", 1);
    rig_stop(&g);
    assert_int_equal(fake_api_count(g.api, "GET", LIST), 1);
    rig_down(&g);
}

static void test_reflector__two_kinds_share_the_thread(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    struct record other;
    record_init(&other);
    put(&g, "a");
    assert_int_equal(fake_api_call(g.api, "POST", "/api/v1/namespaces/n/secrets",
                                   "{\"metadata\":{\"name\":\"s\"},\"data\":{\"k\":\"dg==\"}}"),
                     201);
    rig_start(&g);
    struct fl_reflector *second =
        fl_reflector_start(g.kube, &fl_kind_secret, FL_STR("n"), true, &record_ops, &other);
    record_wait(&g.record, "set a", 1);
    record_wait(&other, "set s", 1);
    fl_reflector_stop(second);
    put(&g, "b");
    record_wait(&g.record, "set b", 1);
    assert_int_equal(fake_api_count(g.api, "GET", "/api/v1/namespaces/n/secrets?watch"), 1);
    record_release(&other);
    rig_down(&g);
}

static void test_reflector__stopped_while_it_backs_off(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    fake_api_fail(g.api, 0, (struct fake_fail){.contain = WATCHLIST, .status = 500, .times = -1});
    rig_start(&g);
    record_wait(&g.record, "trouble Unavailable", 1);
    check(&g, "trouble Unavailable\n");
    rig_down(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reflector__watchlist_then_live),
        cmocka_unit_test(test_reflector__without_watchlist_lists_pages_and_watches),
        cmocka_unit_test(test_reflector__watch_closed_in_order_goes_on_from_its_version),
        cmocka_unit_test(test_reflector__bookmarks_move_the_version),
        cmocka_unit_test(test_reflector__expired_lists_again),
        cmocka_unit_test(test_reflector__expired_as_status_lists_again),
        cmocka_unit_test(test_reflector__expired_again_and_again_backs_off),
        cmocka_unit_test(test_reflector__failing_server_is_asked_with_back_off),
        cmocka_unit_test(test_reflector__back_off_is_not_shorter_than_asked),
        cmocka_unit_test(test_reflector__watch_failing_goes_on_without_listing),
        cmocka_unit_test(test_reflector__stream_cut_within_a_line_loses_nothing),
        cmocka_unit_test(test_reflector__line_that_is_no_event_lists_again),
        cmocka_unit_test(test_reflector__watch_that_ends_at_once_backs_off),
        cmocka_unit_test(test_reflector__initial_events_that_never_end_are_listed_instead),
        cmocka_unit_test(test_reflector__two_kinds_share_the_thread),
        cmocka_unit_test(test_reflector__stopped_while_it_backs_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
