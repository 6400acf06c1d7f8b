/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kube/lease.h"
#include "unit/kube/fake_api.h"

#define LEASE "/apis/coordination.k8s.io/v1/namespaces/n/leases/l"

struct rig {
    struct fl_clock *clock;
    struct fake_api *api;
    struct fl_kube *kube;
    struct fl_ctx ctx;
    struct fl_lease *a, *b;
};

static struct fl_lease *candidate(struct rig *g, const char *identity)
{
    return fl_lease_new(&(struct fl_lease_conf){
        .kube = g->kube, .clock = g->clock, .ns = "n", .name = "l", .identity = identity});
}

static void rig_up(struct rig *g)
{
    g->clock = fl_clock_fake_new(1767225600000);
    g->api = fake_api_new();
    g->kube = fl_kube_new_local(fake_api_serve, g->api, "tester", g->clock);
    g->ctx = fl_ctx_root(g->clock, NULL);
    g->a = candidate(g, "a");
    g->b = candidate(g, "b");
}

static void rig_down(struct rig *g)
{
    fl_lease_free(g->a);
    fl_lease_free(g->b);
    fl_kube_free(g->kube);
    fake_api_free(g->api);
    fl_clock_free(g->clock);
}

static bool leads(struct rig *g, struct fl_lease *l)
{
    bool leader = false;
    int64_t next = 0;
    struct fl_err err = FL_ERR_INIT;
    assert_int_equal(fl_lease_try(l, &g->ctx, &leader, &next, &err), 0);
    if (leader) {
        assert_int_equal(next, 2000);
    } else {
        assert_in_range(next, 2000, 4400);
    }
    return leader;
}

static void expect(struct rig *g, const char *want)
{
    fl_auto_text text = fake_api_text(g->api, LEASE);
    if (!text || !strstr(text, want)) {
        print_error("no %s in %s\n", want, text ? text : "(absent)");
        fail();
    }
}

static void test_lease__first_one_acquires(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    assert_true(leads(&g, g.a));
    expect(&g, "\"holderIdentity\":\"a\",\"leaseDurationSeconds\":15,"
               "\"acquireTime\":\"2026-01-01T00:00:00.000000Z\",\"leaseTransitions\":0,"
               "\"renewTime\":\"2026-01-01T00:00:00.000000Z\"");
    assert_false(leads(&g, g.b));
    rig_down(&g);
}

static void test_lease__renewing_is_one_request_and_keeps_acquire_time(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    assert_true(leads(&g, g.a));
    size_t before = fake_api_get(g.api, &g.api->n_log);
    fl_clock_advance(g.clock, 2000);
    assert_true(leads(&g, g.a));
    assert_int_equal(fake_api_get(g.api, &g.api->n_log), before + 1);
    expect(&g, "\"acquireTime\":\"2026-01-01T00:00:00.000000Z\"");
    expect(&g, "\"renewTime\":\"2026-01-01T00:00:02.000000Z\"");
    rig_down(&g);
}

static void test_lease__is_taken_only_after_it_stood_still_for_its_duration(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    assert_true(leads(&g, g.a));
    fl_clock_advance(g.clock,
                     3600000); /* long expired by its renewTime, but b sees it for the first time */
    assert_false(leads(&g, g.b));
    fl_clock_advance(g.clock, 14999);
    assert_false(leads(&g, g.b));
    fl_clock_advance(g.clock, 1);
    assert_true(leads(&g, g.b));
    expect(&g, "\"holderIdentity\":\"b\"");
    expect(&g, "\"leaseTransitions\":1");
    rig_down(&g);
}

static void test_lease__renewals_keep_others_waiting(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    for (int i = 0; i < 20; i++) {
        assert_true(leads(&g, g.a));
        assert_false(leads(&g, g.b));
        fl_clock_advance(g.clock, 2000);
    }
    rig_down(&g);
}

static void test_lease__holder_that_comes_back_late_has_lost(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    assert_true(leads(&g, g.a));
    assert_false(leads(&g, g.b));
    fl_clock_advance(g.clock, 15000);
    assert_true(leads(&g, g.b));
    assert_false(leads(&g, g.a));
    expect(&g, "\"holderIdentity\":\"b\"");
    rig_down(&g);
}

static void test_lease__conflict_on_renewal_looks_again(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    assert_true(leads(&g, g.a));
    assert_int_equal(
        fake_api_call(g.api, "PATCH", LEASE, "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}"), 200);
    fl_clock_advance(g.clock, 2000);
    assert_true(leads(&g, g.a)); /* conflict, then by what is there */
    rig_down(&g);
}

static void test_lease__failing_renewals_end_it_at_the_deadline(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    assert_true(leads(&g, g.a));
    fake_api_fail(g.api, 0, (struct fake_fail){.contain = "leases", .status = 500, .times = -1});
    for (int64_t at = 2000; at <= 12000; at += 2000) {
        bool leader = true;
        int64_t next = 0;
        struct fl_err err = FL_ERR_INIT;
        fl_clock_advance(g.clock, 2000);
        assert_int_equal(fl_lease_try(g.a, &g.ctx, &leader, &next, &err), FL_E_UNAVAILABLE);
        if (leader != (at < 10000)) {
            print_error("at %lld ms: %d\n", (long long)at, leader);
            fail();
        }
    }
    rig_down(&g);
}

static void test_lease__released_is_taken_at_once(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    struct fl_err err = FL_ERR_INIT;
    assert_true(leads(&g, g.a));
    assert_false(leads(&g, g.b));
    assert_int_equal(fl_lease_release(g.b, &g.ctx, &err), 0); /* not his to release */
    expect(&g, "\"holderIdentity\":\"a\"");
    assert_int_equal(fl_lease_release(g.a, &g.ctx, &err), 0);
    expect(&g, "\"leaseDurationSeconds\":1");
    assert_true(leads(&g, g.b));
    rig_down(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lease__first_one_acquires),
        cmocka_unit_test(test_lease__renewing_is_one_request_and_keeps_acquire_time),
        cmocka_unit_test(test_lease__is_taken_only_after_it_stood_still_for_its_duration),
        cmocka_unit_test(test_lease__renewals_keep_others_waiting),
        cmocka_unit_test(test_lease__holder_that_comes_back_late_has_lost),
        cmocka_unit_test(test_lease__conflict_on_renewal_looks_again),
        cmocka_unit_test(test_lease__failing_renewals_end_it_at_the_deadline),
        cmocka_unit_test(test_lease__released_is_taken_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
