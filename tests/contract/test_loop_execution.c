/* SPDX-License-Identifier: Apache-2.0
 * The ReplicationExecution's loop as a whole: progress, stop, failures, and going on after whatever cut a run off. */
#include "contract/loop.h"

#include "api/v1alpha1/replication_execution.h"

#define M POL "/m"
#define X RUN "/m-1"
#define TICK_MS 20 /* a look: slow enough for calls with a deadline on a busy machine */

/* library/app with tags t0, t1, ... of one layer each; two blobs an image, none shared. */
static void images(struct loop *l, int n)
{
    for (int i = 0; i < n; i++) {
        fl_auto_text tag = fl_asprintf("t%d", i);
        fl_fake_port_image(l->port, SRC, "library/app", tag, tag, 1);
    }
}

/* A policy whose run does one image after the other. */
static void policy(struct loop *l)
{
    loop_policy(l, "m", "'library/app'", ",'concurrency':1");
}

/* Held at the tag of image `done` (counted from 0), with all before it at the destination. */
static void held_run(struct loop *l, int n, size_t done)
{
    images(l, n);
    loop_registries(l);
    fl_fake_port_hold(l->port, DST, FL_FAKE_PUT, done);
    policy(l);
    loop_wait_held(l, 1);
    assert_int_equal(fl_fake_port_tags(l->port, DST), done);
}

static void assert_counters(struct loop *l, int64_t succeeded, int64_t skipped, int64_t failed)
{
    static const char *const fields[] = {"status.succeeded", "status.skipped", "status.failed"};
    const int64_t want[] = {succeeded, skipped, failed};
    for (size_t i = 0; i < FL_LEN(fields); i++) {
        fl_auto_text text = fl_asprintf("%lld", (long long)want[i]);
        loop_field_is(l, X, fields[i], text);
    }
    int64_t total = loop_number(l, X, "status.total");
    assert_int_equal(total, succeeded + skipped + failed);
}

static void fail_call(struct loop *l, enum fl_fake_call call, const char *contain, int times,
                      enum fl_code code, const char *reason)
{
    fl_fake_port_fail(l->port, &(struct fl_fake_port_fault){.url = DST,
                                                            .call = call,
                                                            .contain = contain,
                                                            .times = times,
                                                            .code = code,
                                                            .reason = reason,
                                                            .message = "as the test asked",
                                                            .retry_after_ms = -1});
}

static size_t calls_beside_probes(struct loop *l)
{
    return fl_fake_port_calls(l->port) - fl_fake_port_count(l->port, NULL, FL_FAKE_PROBE);
}

/* ---- a run that goes well ---- */

static void test_execution__tells_its_progress(void **state)
{
    struct loop *l = *state;
    held_run(l, 5, 2);
    loop_field_is(l, X, "status.phase", "Running");
    loop_field_is(l, X, "status.total", "5");
    loop_field_is(l, X, "status.succeeded", "0");
    loop_wait_says(l, &(struct loop_want){.path = X,
                                          .ready = "Unknown",
                                          .reason = "Copying",
                                          .words = {"5 tags from src to dst"},
                                          .reconciling = "Copying"});
    l->tick_ms = TICK_MS;
    loop_wait_field(l, X, "status.succeeded", "2");
    l->tick_ms = 0;
    loop_field_is(l, X, "status.phase", "Running");
    loop_field_is(l, X, "status.bytesCopied", "6000"); /* the third has its blobs already */
    fl_fake_port_release(l->port);
    loop_wait_field(l, X, "status.phase", "Succeeded");
    loop_wait_ready(l, X, "5 tags copied, 0 were there already");
    assert_counters(l, 5, 0, 0);
    loop_field_is(l, X, "status.bytesCopied", "10000");
    loop_field_is(l, X, "status.blobsCopied", "10");
    loop_field_is(l, X, "status.attempts", "1");
    loop_field_is(l, X, "status.failures", NULL);
    fl_auto_text end = loop_field(l, X, "status.completionTime");
    assert_non_null(end);
    loop_wait_ready(l, M, "5 tags");
}

static void test_execution__what_is_there_is_skipped(void **state)
{
    struct loop *l = *state;
    images(l, 4);
    loop_registries(l);
    loop_policy(l, "m", "'library/app'", ",'suspend':true");
    loop_wait_field(l, M, "status.observedGeneration", "1");
    fl_fake_port_hold(l->port, DST, FL_FAKE_HEAD, 4); /* compared; the run's own look is held */
    loop_patch(l, M, "{'spec':{'suspend':false}}");
    loop_wait_held(l, 1);
    fl_fake_port_image(l->port, DST, "library/app", "t1", "t1", 1);
    fl_fake_port_image(l->port, DST, "library/app", "t3", "t3", 1);
    fl_fake_port_release(l->port);
    loop_wait_ready(l, X, "2 tags copied, 2 were there already");
    assert_counters(l, 2, 2, 0);
    assert_int_equal(fl_fake_port_uploads(l->port), 4);
}

/* ---- stop ---- */

static void test_execution__is_stopped_in_the_middle(void **state)
{
    struct loop *l = *state;
    held_run(l, 5, 2);
    loop_patch(l, X, "{'spec':{'stop':true}}");
    l->tick_ms = TICK_MS;
    loop_wait_says(l, &(struct loop_want){.path = X,
                                          .ready = "False",
                                          .reason = "Stopped",
                                          .words = {"stopped on request with 2 of 5 tags"}});
    l->tick_ms = 0;
    loop_field_is(l, X, "status.phase", "Stopped");
    loop_field_is(l, X, "status.succeeded", "2");
    loop_field_is(l, X, "status.failed", "0");
    assert_int_equal(fl_fake_port_held(l->port), 0);
    assert_int_equal(fl_fake_port_tags(l->port, DST), 2);
    assert_true(fl_fake_port_whole(l->port, DST));
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "ReplicationStopped",
                                          .words = {"m-1: 3 of 5 tags were not copied"}});
    fl_fake_port_release(l->port);
    loop_request(l, M, "r1");
    loop_wait_ready(l, M, "5 tags");
    loop_field_is(l, RUN "/m-2", "status.total", "3");
}

static void test_execution__is_stopped_before_it_begins(void **state)
{
    struct loop *l = *state;
    images(l, 2);
    loop_registries(l);
    loop_policy(l, "m", "'library/app'", ",'suspend':true");
    loop_make(l, RUN, "ReplicationExecution", "m-1",
              "{'policy':'m','source':'src','destination':'dst','stop':true,'items':[{'source':"
              "'library/app','destination':'library/app','tag':'t0','digest':'sha256:"
              "0000000000000000000000000000000000000000000000000000000000000000'}]}");
    loop_wait_field(l, X, "status.phase", "Stopped");
    assert_int_equal(fl_fake_port_writes(l->port), 0);
}

/* ---- failures ---- */

static void test_execution__terminal_failures_end_it_and_not_the_others(void **state)
{
    struct loop *l = *state;
    images(l, 5);
    loop_registries(l);
    fail_call(l, FL_FAKE_PUT, "t1", -1, FL_E_INVALID, "PolicyViolation");
    fail_call(l, FL_FAKE_PUT, "t3", -1, FL_E_AUTH, "Denied");
    policy(l);
    loop_wait_says(l,
                   &(struct loop_want){.path = X,
                                       .ready = "False",
                                       .reason = "Failed",
                                       .words = {"2 of 5 tags were not copied", "status.failures"},
                                       .stalled = "Failed"});
    loop_field_is(l, X, "status.phase", "Failed");
    assert_counters(l, 3, 0, 2);
    loop_field_is(l, X, "status.failures",
                  "[{\"source\":\"library/app:t1\",\"destination\":\"library/app:t1\","
                  "\"reason\":\"PolicyViolation\",\"message\":\"library/app:t1: as the test "
                  "asked\",\"attempts\":1},{\"source\":\"library/app:t3\",\"destination\":"
                  "\"library/app:t3\",\"reason\":\"Denied\",\"message\":\"library/app:t3: as the "
                  "test asked\",\"attempts\":1}]");
    assert_int_equal(fl_fake_port_tags(l->port, DST), 3);
    loop_settle(l);
    fl_auto_text events = loop_get(l, "/api/v1/namespaces/default/events");
    assert_non_null(strstr(events, "2 of 5 tags were not copied"));
}

static void test_execution__lists_at_most_200_failures_and_counts_all(void **state)
{
    struct loop *l = *state;
    const int n = FL_EXECUTION_FAILURES_MAX + 25;
    images(l, n);
    loop_registries(l);
    fail_call(l, FL_FAKE_PUT, NULL, -1, FL_E_INVALID, "PolicyViolation");
    policy(l);
    loop_wait_field(l, X, "status.phase", "Failed");
    assert_counters(l, 0, 0, n);
    fl_auto(fl_json) x = loop_object(l, X);
    assert_int_equal(fl_json_len(fl_json_path(x, "status.failures")), FL_EXECUTION_FAILURES_MAX);
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "ReplicationFailed",
                                          .words = {"m-1: 225 of 225 tags were not copied"}});
}

static void test_execution__passing_failures_are_told_and_tried_until_they_pass(void **state)
{
    struct loop *l = *state;
    static const struct {
        const char *name;
        enum fl_fake_call call;
        enum fl_code code;
        const char *reason;
    } rows[] = {
        {"put", FL_FAKE_PUT, FL_E_UNAVAILABLE, "ServerError"},
        {"blob", FL_FAKE_PUSH, FL_E_TIMEOUT, "Stalled"},
        {"limited", FL_FAKE_PUSH, FL_E_LIMITED, "TooManyRequests"},
        {"conflict", FL_FAKE_PUT, FL_E_CONFLICT, "Conflict"},
    };
    loop_registries(l);
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        print_message("%s\n", rows[i].name);
        fl_auto_text repo = fl_asprintf("library/%s", rows[i].name);
        fl_auto_text list = fl_asprintf("'%s'", repo);
        fl_auto_text path = fl_asprintf(RUN "/%s-1", rows[i].name);
        fl_fake_port_image(l->port, SRC, repo, "t0", rows[i].name, 2);
        fl_fake_port_image(l->port, SRC, repo, "t1", "shared", 2);
        fail_call(l, rows[i].call, NULL, -1, rows[i].code, rows[i].reason);
        loop_policy(l, rows[i].name, list, "");
        loop_wait_says(l, &(struct loop_want){.path = path,
                                              .ready = "False",
                                              .reason = rows[i].reason,
                                              .words = {"as the test asked"},
                                              .reconciling = "ProgressingWithRetry"});
        loop_field_is(l, path, "status.phase", "Running");
        loop_field_is(l, path, "status.failed", "2");
        fl_fake_port_heal(l->port);
        l->skip = true;
        loop_wait_field(l, path, "status.phase", "Succeeded");
        loop_wait_ready(l, path, NULL);
        l->skip = false;
        loop_field_is(l, path, "status.failures", NULL);
        loop_field_is(l, path, "status.failed", "0");
        assert_int_equal(
            loop_number(l, path, "status.succeeded") + loop_number(l, path, "status.skipped"), 2);
        assert_true(loop_number(l, path, "status.attempts") >= 2);
        assert_true(loop_same_digest(l, repo, repo, "t0"));
    }
}

/* One image is refused for good, one may pass: the verdict waits for the latter. */
static void test_execution__verdict_waits_for_what_may_pass(void **state)
{
    struct loop *l = *state;
    images(l, 3);
    loop_registries(l);
    fail_call(l, FL_FAKE_PUT, "t0", -1, FL_E_INVALID, "PolicyViolation");
    fail_call(l, FL_FAKE_PUT, "t1", -1, FL_E_UNAVAILABLE, "ServerError");
    policy(l);
    loop_wait_says(l, &(struct loop_want){.path = X,
                                          .ready = "False",
                                          .reason = "ServerError",
                                          .reconciling = "ProgressingWithRetry"});
    assert_counters(l, 1, 0, 2);
    fl_fake_port_heal(l->port);
    fail_call(l, FL_FAKE_PUT, "t0", -1, FL_E_INVALID, "PolicyViolation");
    l->skip = true;
    loop_wait_field(l, X, "status.phase", "Failed");
    assert_counters(l, 2, 0, 1);
    assert_true(loop_same_digest(l, "library/app", "library/app", "t1"));
}

static void test_execution__gives_up_on_what_does_not_pass(void **state)
{
    struct loop *l = *state;
    images(l, 1);
    loop_registries(l);
    fail_call(l, FL_FAKE_PUT, NULL, -1, FL_E_UNAVAILABLE, "ServerError");
    policy(l);
    l->skip = true;
    loop_wait_field(l, X, "status.phase", "Failed");
    l->skip = false;
    loop_field_is(l, X, "status.attempts", "20");
    loop_field_is(l, X, "status.failedAttempts", "20");
    fl_auto(fl_json) x = loop_object(l, X);
    int64_t attempts = 0;
    const struct fl_json *first = fl_json_at(fl_json_path(x, "status.failures"), 0);
    assert_true(fl_json_as_i64(fl_json_get(first, "attempts"), &attempts));
    assert_int_equal(attempts, fl_fake_port_count(l->port, DST, FL_FAKE_PUT));
}

/* ---- cut off, and taken up again ---- */

static void test_execution__crash_in_the_middle_sends_nothing_twice(void **state)
{
    struct loop *l = *state;
    held_run(l, 20, 8);
    loop_crash(l);
    loop_field_is(l, X, "status.phase", "Running");
    loop_field_is(l, X, "status.succeeded", "0");
    assert_true(fl_fake_port_whole(l->port, DST));
    fl_fake_port_release(l->port);
    loop_start(l);
    loop_wait_field(l, X, "status.phase", "Succeeded");
    assert_counters(l, 12, 8, 0); /* nothing of the first pass was told */
    loop_field_is(l, X, "status.attempts", "2");
    assert_int_equal(fl_fake_port_uploads(l->port), 40);
    loop_wait_ready(l, M, "20 tags");
    loop_field_is(l, M, "status.runNumber", "1");
}

static void test_execution__crash_after_progress_was_told_counts_truly(void **state)
{
    struct loop *l = *state;
    held_run(l, 6, 3);
    l->tick_ms = TICK_MS;
    loop_wait_field(l, X, "status.succeeded", "3");
    l->tick_ms = 0;
    loop_crash(l);
    fl_fake_port_release(l->port);
    loop_start(l);
    loop_wait_field(l, X, "status.phase", "Succeeded");
    assert_counters(l, 6, 0, 0);
    loop_field_is(l, X, "status.bytesCopied", "12000");
}

static void test_execution__what_was_removed_meanwhile_is_not_counted_twice(void **state)
{
    struct loop *l = *state;
    held_run(l, 6, 3);
    l->tick_ms = TICK_MS;
    loop_wait_field(l, X, "status.succeeded", "3");
    l->tick_ms = 0;
    loop_crash(l);
    fl_fake_port_untag(l->port, DST, "library/app", "t0");
    fl_fake_port_release(l->port);
    loop_start(l);
    loop_wait_field(l, X, "status.phase", "Succeeded");
    assert_int_equal(loop_number(l, X, "status.succeeded") + loop_number(l, X, "status.skipped"),
                     6);
    assert_int_equal(fl_fake_port_tags(l->port, DST), 6);
}

static void test_execution__many_crashes(void **state)
{
    struct loop *l = *state;
    held_run(l, 12, 1);
    for (size_t i = 0; i < 10; i++) {
        loop_crash(l);
        assert_true(fl_fake_port_whole(l->port, DST));
        fl_fake_port_hold(l->port, DST, i % 2 ? FL_FAKE_PUT : FL_FAKE_PUSH, 1);
        loop_start(l);
        loop_wait_held(l, 1);
    }
    fl_fake_port_release(l->port);
    loop_wait_field(l, X, "status.phase", "Succeeded");
    assert_int_equal(loop_number(l, X, "status.succeeded") + loop_number(l, X, "status.skipped"),
                     12);
    assert_int_equal(fl_fake_port_uploads(l->port), 24);
    loop_wait_ready(l, M, "12 tags");
}

/* Taking it up again is no attempt that failed: none of the 20 is used up. */
static void test_execution__restarts_use_up_no_attempts(void **state)
{
    struct loop *l = *state;
    const int restarts = 25;
    held_run(l, 2, 1);
    for (int i = 0; i < restarts; i++) {
        loop_crash(l);
        fl_fake_port_hold(l->port, DST, FL_FAKE_PUT, 0);
        loop_start(l);
        loop_wait_held(l, 1);
    }
    loop_field_is(l, X, "status.attempts", "26");
    loop_field_is(l, X, "status.failedAttempts", "0");
    fail_call(l, FL_FAKE_PUT, NULL, 1, FL_E_UNAVAILABLE, "ServerError");
    fl_fake_port_release(l->port);
    l->skip = true;
    loop_wait_field(l, X, "status.phase", "Succeeded");
    loop_field_is(l, X, "status.failures", NULL);
    loop_wait_ready(l, M, "2 tags");
}

/* A registry that is away for a while: told in between, and the run ends well without help. */
static void test_execution__outage_in_the_middle(void **state)
{
    struct loop *l = *state;
    held_run(l, 10, 4);
    static const enum fl_fake_call calls[] = {FL_FAKE_HEAD, FL_FAKE_PUT, FL_FAKE_PUSH,
                                              FL_FAKE_PROBE};
    for (size_t i = 0; i < FL_LEN(calls); i++) {
        fail_call(l, calls[i], NULL, -1, FL_E_UNAVAILABLE, "ConnectFailed");
    }
    fl_fake_port_release(l->port);
    loop_wait_says(l, &(struct loop_want){.path = X,
                                          .ready = "False",
                                          .reason = "ConnectFailed",
                                          .reconciling = "ProgressingWithRetry"});
    assert_counters(l, 4, 0, 6);
    loop_run(l, REG "/dst", "r1");
    loop_field_is(l, REG "/dst", "status.reachable", "false");
    fl_fake_port_heal(l->port);
    l->skip = true;
    loop_wait_field(l, X, "status.phase", "Succeeded");
    assert_counters(l, 10, 0, 0);
    assert_int_equal(fl_fake_port_uploads(l->port), 20);
    loop_wait_ready(l, M, "10 tags");
}

static void test_execution__goes_on_when_its_registry_is_there_again(void **state)
{
    struct loop *l = *state;
    held_run(l, 4, 2);
    loop_crash(l);
    fl_fake_port_release(l->port);
    loop_delete(l, REG "/dst");
    loop_start(l);
    loop_wait_says(l, &(struct loop_want){.path = X,
                                          .ready = "False",
                                          .reason = "RegistryNotFound",
                                          .words = {"there is no Registry 'dst'"},
                                          .reconciling = "ProgressingWithRetry"});
    loop_registry(l, "dst", DST, "");
    loop_wait_field(l, X, "status.phase", "Succeeded");
    assert_counters(l, 2, 2, 0);
}

/* ---- its policy ---- */

static void test_execution__pauses_while_its_policy_is_suspended(void **state)
{
    struct loop *l = *state;
    held_run(l, 5, 2);
    loop_patch(l, M, "{'spec':{'suspend':true}}");
    l->tick_ms = TICK_MS;
    loop_wait_says(l, &(struct loop_want){.path = X,
                                          .ready = "False",
                                          .reason = "Suspended",
                                          .words = {"policy 'm' is suspended", "goes on"}});
    l->tick_ms = 0;
    loop_settle(l);
    fl_fake_port_release(l->port);
    loop_field_is(l, X, "status.phase", "Running");
    assert_int_equal(fl_fake_port_tags(l->port, DST), 2);
    size_t calls = calls_beside_probes(l);
    loop_crash(l); /* it is remembered */
    loop_start(l);
    loop_run(l, REG "/src", "r1");
    loop_run(l, REG "/dst", "r1");
    assert_int_equal(calls_beside_probes(l), calls);
    loop_patch(l, M, "{'spec':{'suspend':false}}");
    loop_wait_field(l, X, "status.phase", "Succeeded");
    assert_counters(l, 5, 0, 0);
    loop_wait_ready(l, M, "5 tags");
}

static void test_execution__is_deleted_with_its_policy(void **state)
{
    struct loop *l = *state;
    images(l, 2);
    loop_registries(l);
    policy(l);
    loop_wait_ready(l, M, NULL);
    assert_int_equal(loop_len(l, RUN), 1);
    loop_delete(l, M);
    loop_wait_gone(l, X);
}

static void test_execution__ends_at_once_when_its_policy_is_deleted(void **state)
{
    struct loop *l = *state;
    held_run(l, 5, 2);
    loop_delete(l, M);
    l->tick_ms = TICK_MS;
    loop_wait_gone(l, X);
    loop_settle(l); /* the call that is held was cut off */
    l->tick_ms = 0;
    assert_int_equal(fl_fake_port_held(l->port), 0);
    assert_int_equal(fl_fake_port_tags(l->port, DST), 2);
    assert_true(fl_fake_port_whole(l->port, DST));
}

static void test_execution__of_an_earlier_policy_is_deleted(void **state)
{
    struct loop *l = *state;
    held_run(l, 5, 2);
    loop_crash(l); /* nobody sees the one go and the other come */
    fl_fake_port_release(l->port);
    loop_delete(l, M);
    loop_policy(l, "m", "'library/app'", ",'suspend':true");
    assert_int_equal(loop_len(l, RUN), 1);
    loop_start(l);
    loop_wait_gone(l, X);
    assert_int_equal(fl_fake_port_tags(l->port, DST), 2);
    loop_patch(l, M, "{'spec':{'suspend':false}}");
    loop_wait_ready(l, M, "5 tags");
    loop_field_is(l, X, "status.total", "3");
}

/* Where nobody collects what a policy leaves behind (an API without a garbage collector, or one that is slow). */
static void test_execution__left_behind_by_its_policy_is_deleted(void **state)
{
    struct loop *l = *state;
    images(l, 1);
    loop_registries(l);
    loop_make(l, RUN, "ReplicationExecution", "m-1",
              "{'policy':'m','source':'src','destination':'dst','items':[{'source':"
              "'library/app','destination':'library/app','tag':'t0','digest':'sha256:"
              "0000000000000000000000000000000000000000000000000000000000000000'}]}");
    loop_wait_gone(l, X);
    assert_int_equal(fl_fake_port_writes(l->port), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(test_execution__tells_its_progress),
        loop_test(test_execution__what_is_there_is_skipped),
        loop_test(test_execution__is_stopped_in_the_middle),
        loop_test(test_execution__is_stopped_before_it_begins),
        loop_test(test_execution__terminal_failures_end_it_and_not_the_others),
        loop_test(test_execution__lists_at_most_200_failures_and_counts_all),
        loop_test(test_execution__passing_failures_are_told_and_tried_until_they_pass),
        loop_test(test_execution__verdict_waits_for_what_may_pass),
        loop_test(test_execution__gives_up_on_what_does_not_pass),
        loop_test(test_execution__crash_in_the_middle_sends_nothing_twice),
        loop_test(test_execution__crash_after_progress_was_told_counts_truly),
        loop_test(test_execution__what_was_removed_meanwhile_is_not_counted_twice),
        loop_test(test_execution__many_crashes),
        loop_test(test_execution__restarts_use_up_no_attempts),
        loop_test(test_execution__outage_in_the_middle),
        loop_test(test_execution__goes_on_when_its_registry_is_there_again),
        loop_test(test_execution__pauses_while_its_policy_is_suspended),
        loop_test(test_execution__is_deleted_with_its_policy),
        loop_test(test_execution__ends_at_once_when_its_policy_is_deleted),
        loop_test(test_execution__of_an_earlier_policy_is_deleted),
        loop_test(test_execution__left_behind_by_its_policy_is_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
