/* SPDX-License-Identifier: Apache-2.0
 * The ReplicationPolicy's loop as a whole, with the executions that it starts. */
#include "contract/loop.h"

#include "api/v1alpha1/replication_execution.h"

#define M POL "/m"

static size_t comparisons(struct loop *l)
{
    return fl_fake_port_count(l->port, SRC, FL_FAKE_LIST_TAGS);
}

/* library/a with tags v1 and v2 (an index), library/b with v1. */
static void three_images(struct loop *l)
{
    fl_fake_port_image(l->port, SRC, "library/a", "v1", "a1", 2);
    fl_fake_port_index(l->port, SRC, "library/a", "v2", "a2", 3);
    fl_fake_port_image(l->port, SRC, "library/b", "v1", "b1", 2);
}

static void assert_writes(struct loop *l, size_t from, size_t want)
{
    size_t n = loop_writes(l) - from;
    if (n != want) {
        loop_print_writes(l, from);
        fail_msg("%zu writes at the API, wanted %zu", n, want);
    }
}

/* ---- copying ---- */

static void test_policy__copies_what_is_missing(void **state)
{
    struct loop *l = *state;
    three_images(l);
    loop_registries(l);
    loop_policy(l, "m", "'library/*'", "");
    loop_wait_ready(l, M, "3 tags of 2 repositories are at the destination");
    assert_true(loop_same_digest(l, "library/a", "library/a", "v1"));
    assert_true(loop_same_digest(l, "library/a", "library/a", "v2"));
    assert_true(loop_same_digest(l, "library/b", "library/b", "v1"));
    assert_true(fl_fake_port_whole(l->port, DST));
    loop_field_is(l, M, "status.tags", "3");
    loop_field_is(l, M, "status.upToDate", "3");
    loop_field_is(l, M, "status.backlog", "0");
    loop_field_is(l, M, "status.runNumber", "1");
    loop_field_is(l, M, "status.lastExecution", "m-1");
    loop_field_is(l, M, "status.lastExecutionPhase", "Succeeded");
    loop_field_is(l, M, "status.inSyncSince", "2023-11-14T22:13:20Z");
    loop_field_is(l, M, "status.lastRunTime", "2023-11-14T22:13:20Z");
    loop_field_is(l, RUN "/m-1", "spec.trigger", "Change");
    loop_field_is(l, RUN "/m-1", "metadata.labels", "{\"fairlead.dev/policy\":\"m\"}");
    loop_field_is(l, RUN "/m-1", "status.succeeded", "3");
    loop_wait_says(l, &(struct loop_want){.path = RUN "/m-1",
                                          .ready = "True",
                                          .reason = "Succeeded",
                                          .words = {"3 tags copied, 0 were there already"}});
}

static void test_policy__in_sync_from_the_beginning_starts_nothing(void **state)
{
    struct loop *l = *state;
    fl_fake_port_image(l->port, SRC, "library/a", "v1", "a1", 2);
    fl_fake_port_image(l->port, DST, "mirror/a", "v1", "a1", 2);
    loop_registries(l);
    loop_make(l, POL, "ReplicationPolicy", "m",
              "{'source':{'registry':'src'},'repositories':{'include':['library/**']},"
              "'destination':{'registry':'dst','namespace':'mirror'}}");
    loop_wait_ready(l, M, "1 tags of 1 repositories are at the destination");
    loop_settle(l);
    assert_int_equal(fl_fake_port_writes(l->port), 0);
    assert_int_equal(loop_len(l, RUN), 0);
    loop_field_is(l, M, "status.inSyncSince", "2023-11-14T22:13:20Z");
}

static void test_policy__second_pass_writes_the_echo_and_nothing_else(void **state)
{
    struct loop *l = *state;
    three_images(l);
    loop_registries(l);
    loop_policy(l, "m", "'library/*'", "");
    loop_wait_ready(l, M, NULL);
    loop_run(l, M, "r1");
    size_t writes = loop_writes(l);
    size_t events = loop_events(l);
    size_t port = fl_fake_port_writes(l->port);
    size_t calls = fl_fake_port_calls(l->port);
    loop_advance(l, 60000);
    loop_run(l, M, "r2");
    assert_writes(l, writes, 1);
    assert_int_equal(loop_events(l), events);
    assert_int_equal(fl_fake_port_writes(l->port), port);
    /* the catalog, two lists of tags, two HEADs a tag */
    assert_int_equal(fl_fake_port_calls(l->port), calls + 1 + 2 + 6);
    loop_field_is(l, M, "status.inSyncSince", "2023-11-14T22:13:20Z");
}

static void test_policy__a_listing_with_digests_saves_the_heads(void **state)
{
    struct loop *l = *state;
    fl_fake_port_setup(l->port, SRC, &(struct fl_fake_port_conf){.listing_digests = true});
    three_images(l);
    loop_registries(l);
    loop_policy(l, "m", "'library/*'", "");
    loop_wait_ready(l, M, NULL);
    loop_settle(l);
    assert_int_equal(fl_fake_port_count(l->port, SRC, FL_FAKE_HEAD), 0);
}

static void test_policy__moved_tag_is_copied_by_the_next_run(void **state)
{
    struct loop *l = *state;
    three_images(l);
    loop_registries(l);
    loop_policy(l, "m", "'library/*'", "");
    loop_wait_ready(l, M, NULL);
    loop_settle(l);
    fl_fake_port_image(l->port, SRC, "library/a", "v1", "a1-new", 1);
    loop_request(l, M, "r1");
    loop_wait_field(l, M, "status.lastExecution", "m-2");
    loop_wait_ready(l, M, "3 tags of 2 repositories");
    assert_true(loop_same_digest(l, "library/a", "library/a", "v1"));
    loop_field_is(l, RUN "/m-2", "spec.trigger", "Request");
    loop_field_is(l, RUN "/m-2", "status.total", "1");
    loop_field_is(l, M, "status.lastHandledRequest", "r1");
}

/* ---- the clock ---- */

static void test_policy__interval_zero_never_comes_by_the_clock(void **state)
{
    struct loop *l = *state;
    three_images(l);
    loop_registries(l);
    loop_policy(l, "m", "'library/*'", "");
    loop_wait_ready(l, M, NULL);
    loop_settle(l);
    assert_true(loop_next_ms(l, "replicationpolicy") == FL_NEVER);
    size_t before = fl_fake_port_calls(l->port);
    loop_advance(l, 1000 * HOUR_MS);
    loop_settle(l);
    assert_int_equal(fl_fake_port_calls(l->port), before);
}

static void test_policy__interval_compares_and_copies_what_is_new(void **state)
{
    struct loop *l = *state;
    three_images(l);
    loop_registries(l);
    loop_policy(l, "m", "'library/*'", ",'interval':'10m'");
    loop_wait_ready(l, M, NULL);
    loop_settle(l);
    size_t writes = loop_writes(l);
    size_t lists = comparisons(l);
    loop_advance(l, 630000);
    loop_settle(l);
    assert_int_equal(comparisons(l), lists + 2);
    assert_writes(l, writes, 0);
    fl_fake_port_image(l->port, SRC, "library/c", "v1", "c1", 1);
    loop_advance(l, 630000);
    loop_wait_ready(l, M, "4 tags of 3 repositories");
    loop_field_is(l, RUN "/m-2", "spec.trigger", "Interval");
}

/* ---- modes, override, suspend ---- */

static void test_policy__plan_and_observe_show_and_do_nothing(void **state)
{
    struct loop *l = *state;
    three_images(l);
    fl_fake_port_image(l->port, DST, "library/a", "v1", "other", 1);
    fl_fake_port_image(l->port, DST, "library/b", "v1", "b1", 2);
    loop_registries(l);
    loop_policy(l, "m", "'library/*'", ",'mode':'Plan'");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "True",
                                          .reason = "Planned",
                                          .words = {"mode Plan", "2 of 3 tags would be copied"}});
    char d1[FL_DIGEST_MAX];
    char d2[FL_DIGEST_MAX];
    assert_true(fl_fake_port_digest(l->port, SRC, "library/a", "v1", d1));
    assert_true(fl_fake_port_digest(l->port, SRC, "library/a", "v2", d2));
    fl_auto_text plan = fl_asprintf(
        "[{\"action\":\"Overwrite\",\"source\":\"library/a:v1\",\"destination\":\"library/a:v1\","
        "\"digest\":\"%s\"},{\"action\":\"Copy\",\"source\":\"library/a:v2\",\"destination\":"
        "\"library/a:v2\",\"digest\":\"%s\"}]",
        d1, d2);
    loop_field_is(l, M, "status.plan", plan);
    loop_field_is(l, M, "status.backlog", "2");
    size_t writes = loop_writes(l);
    loop_run(l, M, "r1");
    assert_writes(l, writes, 1);
    loop_patch(l, M, "{'spec':{'mode':'Observe'}}");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "True",
                                          .reason = "Planned",
                                          .words = {"mode Observe", "2 of 3"}});
    loop_field_is(l, M, "status.plan", plan);
    loop_settle(l);
    assert_int_equal(loop_len(l, RUN), 0);
    assert_int_equal(fl_fake_port_writes(l->port), 0);
    assert_int_equal(fl_fake_port_intents(l->port), 0);
    loop_patch(l, M, "{'spec':{'mode':'Apply'}}");
    loop_wait_ready(l, M, "3 tags of 2 repositories");
    loop_field_is(l, M, "status.plan", NULL);
    assert_true(loop_same_digest(l, "library/a", "library/a", "v1"));
}

static void test_policy__without_override_what_differs_is_kept(void **state)
{
    struct loop *l = *state;
    three_images(l);
    fl_fake_port_image(l->port, DST, "library/a", "v1", "theirs", 1);
    loop_registries(l);
    loop_policy(l, "m", "'library/*'", ",'override':false");
    loop_wait_ready(l, M, "2 tags are at the destination; 1 differ there and are kept");
    assert_false(loop_same_digest(l, "library/a", "library/a", "v1"));
    assert_true(loop_same_digest(l, "library/b", "library/b", "v1"));
    loop_field_is(l, M, "status.kept", "1");
    loop_field_is(l, M, "status.backlog", "0");
    loop_field_is(l, RUN "/m-1", "status.total", "2");
    loop_patch(l, M, "{'spec':{'mode':'Plan'}}");
    loop_wait_field(l, M, "status.observedGeneration", "2");
    fl_auto_text plan = loop_field(l, M, "status.plan");
    assert_non_null(plan);
    assert_non_null(strstr(plan, "\"action\":\"Keep\""));
}

static void test_policy__suspended_is_left_alone(void **state)
{
    struct loop *l = *state;
    three_images(l);
    loop_registries(l);
    size_t before = fl_fake_port_calls(l->port);
    loop_policy(l, "m", "'library/*'", ",'suspend':true");
    loop_wait_field(l, M, "status.observedGeneration", "1");
    loop_request(l, M, "r1");
    loop_patch(l, M, "{'metadata':{'labels':{'a':'b'}}}");
    loop_settle(l);
    assert_int_equal(fl_fake_port_calls(l->port), before);
    loop_patch(l, M, "{'spec':{'suspend':false}}");
    loop_wait_ready(l, M, "3 tags");
    fl_auto_text all = loop_get(l, M);
    assert_null(strstr(all, "Suspended"));
    loop_field_is(l, M, "status.lastHandledRequest", "r1");
}

/* ---- what cannot be done, beside what can ---- */

static void test_policy__collisions_copy_neither_and_everything_else(void **state)
{
    struct loop *l = *state;
    fl_fake_port_image(l->port, SRC, "red/app", "v1", "red", 1);
    fl_fake_port_image(l->port, SRC, "blue/app", "v1", "blue", 1);
    fl_fake_port_image(l->port, SRC, "green/app", "v1", "green", 1);
    fl_fake_port_image(l->port, SRC, "blue/web", "v1", "web", 1);
    loop_registries(l);
    loop_make(l, POL, "ReplicationPolicy", "m",
              "{'source':{'registry':'src'},'repositories':{'include':['**']},'interval':'0',"
              "'destination':{'registry':'dst','namespace':'mirror'}}");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "DestinationCollision",
                                          .words = {"'mirror/app'", "neither is copied"},
                                          .stalled = "DestinationCollision"});
    assert_int_equal(fl_fake_port_tags(l->port, DST), 1);
    assert_true(loop_same_digest(l, "blue/web", "mirror/web", "v1"));
    loop_field_is(l, M, "status.inSyncSince", NULL);
    loop_patch(l, M, "{'spec':{'repositories':{'exclude':['{red,green}/*']}}}");
    loop_wait_ready(l, M, "2 tags of 2 repositories");
    assert_true(loop_same_digest(l, "blue/app", "mirror/app", "v1"));
}

static void test_policy__impossible_mapping_is_told(void **state)
{
    struct loop *l = *state;
    fl_fake_port_image(l->port, SRC, "one/two/three", "v1", "deep", 1);
    fl_fake_port_image(l->port, SRC, "flat", "v1", "flat", 1);
    loop_registries(l);
    loop_make(l, POL, "ReplicationPolicy", "m",
              "{'source':{'registry':'src'},'repositories':{'include':['**']},'interval':'0',"
              "'destination':{'registry':'dst','namespace':'mirror','namespaceReplaceCount':2}}");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "NamespaceReplaceCount",
                                          .words = {"flat"},
                                          .stalled = "NamespaceReplaceCount"});
    assert_true(loop_same_digest(l, "one/two/three", "mirror/three", "v1"));
}

static void test_policy__literal_repository_that_is_missing_is_told(void **state)
{
    struct loop *l = *state;
    three_images(l);
    loop_registries(l);
    loop_policy(l, "m", "'library/b','library/typo'", "");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "RepositoryNotFound",
                                          .words = {"'library/typo'", SRC},
                                          .reconciling = "ProgressingWithRetry"});
    assert_true(loop_same_digest(l, "library/b", "library/b", "v1"));
    fl_fake_port_image(l->port, SRC, "library/typo", "v1", "typo", 1);
    loop_run(l, M, "r1");
    loop_wait_ready(l, M, "2 tags of 2 repositories");
    assert_int_equal(fl_fake_port_count(l->port, SRC, FL_FAKE_LIST_REPOSITORIES), 0);
}

static void test_policy__literal_tags_that_are_nowhere_are_told(void **state)
{
    struct loop *l = *state;
    three_images(l);
    loop_registries(l);
    loop_policy(l, "m", "'library/a','library/typo'", ",'tags':{'include':['v1','v9']}");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "TagNotFound",
                                          .words = {"'library/typo'", SRC},
                                          .reconciling = "ProgressingWithRetry"});
    assert_true(loop_same_digest(l, "library/a", "library/a", "v1"));
    loop_patch(l, M, "{'spec':{'repositories':{'include':['library/a','library/b']}}}");
    loop_wait_ready(l, M, "2 tags of 2 repositories"); /* v9 is nowhere, but each has v1 */
    assert_int_equal(comparisons(l), 0);
}

static void test_policy__without_a_catalog_names_are_asked_for(void **state)
{
    struct loop *l = *state;
    fl_fake_port_setup(l->port, SRC, &(struct fl_fake_port_conf){.no_catalog = true});
    three_images(l);
    loop_registries(l);
    loop_policy(l, "m", "'library/*'", "");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "NoCatalog",
                                          .words = {"name them in spec.repositories"},
                                          .stalled = "NoCatalog"});
    loop_patch(l, M, "{'spec':{'repositories':{'include':['library/a']}}}");
    loop_wait_ready(l, M, "2 tags of 1 repositories");
}

static void test_policy__remote_that_is_away_is_told_and_waited_for(void **state)
{
    struct loop *l = *state;
    static const struct {
        const char *name, *url;
        enum fl_fake_call call;
        enum fl_code code;
        const char *reason;
    } rows[] = {
        {"catalog", SRC, FL_FAKE_LIST_REPOSITORIES, FL_E_UNAVAILABLE, "ConnectFailed"},
        {"tags", SRC, FL_FAKE_LIST_TAGS, FL_E_TIMEOUT, "Timeout"},
        {"head at the source", SRC, FL_FAKE_HEAD, FL_E_LIMITED, "TooManyRequests"},
        {"head at the destination", DST, FL_FAKE_HEAD, FL_E_UNAVAILABLE, "ServerError"},
    };
    three_images(l);
    loop_registries(l);
    loop_policy(l, "m", "'library/*'", "");
    loop_wait_ready(l, M, NULL);
    l->skip = true;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        print_message("%s\n", rows[i].name);
        fl_fake_port_fail(l->port, &(struct fl_fake_port_fault){.url = rows[i].url,
                                                                .call = rows[i].call,
                                                                .times = -1,
                                                                .code = rows[i].code,
                                                                .reason = rows[i].reason,
                                                                .message = "as the test asked",
                                                                .retry_after_ms = 5000});
        loop_request(l, M, rows[i].name);
        loop_wait_says(l, &(struct loop_want){.path = M,
                                              .ready = "False",
                                              .reason = rows[i].reason,
                                              .words = {"as the test asked"},
                                              .reconciling = "ProgressingWithRetry"});
        fl_fake_port_heal(l->port);
        loop_wait_ready(l, M, "3 tags of 2 repositories");
    }
    assert_int_equal(loop_len(l, RUN), 1);
}

/* ---- registries ---- */

static void test_policy__waits_for_registries_and_goes_on_by_itself(void **state)
{
    struct loop *l = *state;
    three_images(l);
    loop_policy(l, "m", "'library/*'", "");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "RegistryNotFound",
                                          .words = {"spec.source.registry", "no Registry 'src'"}});
    loop_registry(l, "src", SRC, "");
    loop_wait_says(
        l, &(struct loop_want){.path = M,
                               .ready = "False",
                               .reason = "RegistryNotFound",
                               .words = {"spec.destination.registry", "no Registry 'dst'"}});
    fl_fake_port_setup(l->port, DST, &(struct fl_fake_port_conf){.user = "u", .password = "p"});
    loop_secret(l, "s", "{'username':'u','password':'wrong'}");
    loop_registry(l, "dst", DST, ",'secretRef':{'name':'s'}");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "DependencyNotReady",
                                          .words = {"spec.destination.registry", "Registry 'dst'",
                                                    "goes on by itself"}});
    loop_patch(l, SECRETS "/s", "{'stringData':{'password':'p'}}");
    loop_wait_ready(l, M, "3 tags of 2 repositories");
    loop_field_is(l, RUN "/m-1", "spec.trigger", "Change");
}

/* Events of the policy with this reason, as kept: repeats count up in one. */
static size_t events_of(struct loop *l, const char *reason, const char *type)
{
    fl_auto(fl_json) all = loop_object(l, "/api/v1/namespaces/default/events");
    const struct fl_json *items = fl_json_get(all, "items");
    size_t n = 0;
    for (size_t i = 0; i < fl_json_len(items); i++) {
        const struct fl_json *e = fl_json_at(items, i);
        int64_t count = 0;
        if (fl_text_eq(fl_json_get_text(e, "reason"), reason) &&
            fl_text_eq(fl_json_get_text(e, "type"), type) &&
            fl_text_eq(fl_json_get_text(fl_json_get(e, "involvedObject"), "kind"),
                       "ReplicationPolicy") &&
            fl_json_as_i64(fl_json_get(e, "count"), &count)) {
            n += (size_t)count;
        }
    }
    return n;
}

static void test_policy__waiting_for_a_registry_is_one_event(void **state)
{
    struct loop *l = *state;
    three_images(l);
    loop_policy(l, "m", "'library/*'", "");
    loop_wait_field(l, M, "status.observedGeneration", "1");
    loop_settle(l);
    assert_int_equal(events_of(l, "RegistryNotFound", "Warning"), 1);
    loop_run(l, M, "r1"); /* it waits still: nothing new */
    assert_int_equal(events_of(l, "RegistryNotFound", "Warning"), 1);
    fl_fake_port_setup(l->port, DST, &(struct fl_fake_port_conf){.user = "u", .password = "p"});
    loop_secret(l, "s", "{'username':'u','password':'wrong'}");
    loop_registry(l, "dst", DST, ",'secretRef':{'name':'s'}");
    loop_registry(l, "src", SRC, "");
    loop_wait_says(l,
                   &(struct loop_want){.path = M,
                                       .ready = "False",
                                       .reason = "DependencyNotReady",
                                       .words = {"spec.destination.registry", "Registry 'dst'"}});
    loop_settle(l);
    loop_run(l, M, "r2");
    size_t waits = events_of(l, "DependencyNotReady", "Normal");
    assert_true(waits == 1 || waits == 2); /* for src too, where its probe took longer */
    loop_run(l, M, "r3");
    assert_int_equal(events_of(l, "DependencyNotReady", "Normal"), waits);
    loop_patch(l, SECRETS "/s", "{'stringData':{'password':'p'}}");
    loop_wait_ready(l, M, "3 tags of 2 repositories");
}

static void test_policy__registry_deleted_and_made_again(void **state)
{
    struct loop *l = *state;
    three_images(l);
    loop_registries(l);
    loop_policy(l, "m", "'library/*'", "");
    loop_wait_ready(l, M, NULL);
    loop_delete(l, REG "/dst");
    loop_wait_says(
        l, &(struct loop_want){
               .path = M, .ready = "False", .reason = "RegistryNotFound", .words = {"'dst'"}});
    loop_registry(l, "dst", "http://other.example", "");
    loop_wait_ready(l, M, "3 tags of 2 repositories");
    assert_int_equal(fl_fake_port_tags(l->port, "http://other.example"), 3);
}

/* ---- runs: one at a time, requests and changes meanwhile ---- */

static void test_policy__request_during_a_run_is_one_comparison_after_it(void **state)
{
    struct loop *l = *state;
    fl_fake_port_image(l->port, SRC, "library/a", "v1", "a1", 2);
    loop_registries(l);
    fl_fake_port_hold(l->port, DST, FL_FAKE_PUT, 0);
    loop_policy(l, "m", "'library/a'", "");
    loop_wait_held(l, 1);
    assert_int_equal(comparisons(l), 1);
    int64_t passes = loop_passes(l, "replicationpolicy");
    loop_request(l, M, "r1");
    loop_request(l, M, "r2");
    loop_request(l, M, "r3");
    loop_wait_passes(l, "replicationpolicy", passes);
    loop_field_is(l, M, "status.lastHandledRequest", NULL);
    assert_int_equal(comparisons(l), 1);
    fl_fake_port_release(l->port);
    loop_wait_field(l, M, "status.lastHandledRequest", "r3");
    loop_wait_ready(l, M, "1 tags");
    loop_settle(l);
    assert_int_equal(comparisons(l), 2);
    assert_int_equal(loop_len(l, RUN), 1);
}

static const struct fl_fake_port_fault refused = {.url = DST,
                                                  .call = FL_FAKE_PUT,
                                                  .times = -1,
                                                  .code = FL_E_INVALID,
                                                  .reason = "PolicyViolation",
                                                  .message = "as the test asked",
                                                  .http_status = 412,
                                                  .retry_after_ms = -1};

/* One image that the destination refuses; the policy is up to its first failed run. */
static void failed_run(struct loop *l, const char *more)
{
    fl_fake_port_image(l->port, SRC, "library/a", "v1", "a1", 1);
    loop_registries(l);
    fl_fake_port_fail(l->port, &refused);
    loop_policy(l, "m", "'library/a'", more);
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "ReplicationFailed",
                                          .words = {"m-1: 1 of 1 tags were not copied",
                                                    "kubectl describe rx m-1"}});
    loop_settle(l);
    assert_int_equal(comparisons(l), 1);
}

static void test_policy__failed_run_is_not_repeated_before_the_interval(void **state)
{
    struct loop *l = *state;
    failed_run(l, ",'interval':'10m'");
    int64_t passes = loop_passes(l, "replicationpolicy");
    loop_patch(l, M, "{'metadata':{'labels':{'a':'b'}}}");
    loop_wait_passes(l, "replicationpolicy", passes);
    loop_settle(l); /* else the clock jumps between its look at the time and its delay */
    loop_advance(l, 599000);
    loop_settle(l);
    assert_int_equal(comparisons(l), 1);
    loop_advance(l, 1000);
    loop_wait_field(l, M, "status.lastExecution", "m-2");
    loop_wait_field(l, M, "status.lastExecutionPhase", "Failed");
    loop_settle(l);
    assert_int_equal(comparisons(l), 2);
    fl_fake_port_heal(l->port);
    loop_advance(l, 600000);
    loop_wait_ready(l, M, "1 tags");
    loop_field_is(l, M, "status.lastExecution", "m-3");
    loop_field_is(l, RUN "/m-3", "spec.trigger", "Interval");
}

static void test_policy__failed_run_is_repeated_on_request(void **state)
{
    struct loop *l = *state;
    failed_run(l, "");
    loop_advance(l, 100 * HOUR_MS);
    loop_settle(l);
    assert_int_equal(comparisons(l), 1);
    fl_fake_port_heal(l->port);
    loop_request(l, M, "r1");
    loop_wait_ready(l, M, "1 tags");
    loop_field_is(l, M, "status.lastExecution", "m-2");
}

static void test_policy__failed_run_is_repeated_on_change(void **state)
{
    struct loop *l = *state;
    failed_run(l, "");
    fl_fake_port_heal(l->port);
    loop_patch(l, M, "{'spec':{'concurrency':2}}");
    loop_wait_ready(l, M, "1 tags");
    loop_field_is(l, M, "status.lastExecution", "m-2");
    loop_field_is(l, RUN "/m-2", "spec.trigger", "Change");
}

static void test_policy__change_during_a_run_that_fails_is_not_lost(void **state)
{
    struct loop *l = *state;
    fl_fake_port_image(l->port, SRC, "library/a", "v1", "a1", 1);
    fl_fake_port_image(l->port, SRC, "library/b", "v1", "b1", 1);
    loop_registries(l);
    fl_fake_port_fail(l->port, &refused);
    fl_fake_port_hold(l->port, DST, FL_FAKE_PUT, 0);
    loop_policy(l, "m", "'library/a'", "");
    loop_wait_held(l, 1);
    int64_t passes = loop_passes(l, "replicationpolicy");
    loop_patch(l, M, "{'spec':{'repositories':{'include':['library/b']}}}");
    loop_wait_passes(l, "replicationpolicy", passes);
    fl_fake_port_release(l->port);
    loop_wait_field(l, RUN "/m-1", "status.phase", "Failed");
    loop_wait_field(l, M, "status.lastExecution", "m-2");
    loop_wait_field(l, RUN "/m-2", "status.phase", "Failed");
    fl_auto_text items = loop_field(l, RUN "/m-2", "spec.items");
    assert_non_null(strstr(items, "library/b"));
}

/* What failed may have been the registry: it is told by the Registry, and its recovery is what was waited for. */
static void test_policy__failed_run_is_repeated_when_its_registry_recovers(void **state)
{
    struct loop *l = *state;
    failed_run(l, "");
    fl_fake_port_heal(l->port);
    fl_fake_port_fail(l->port, &(struct fl_fake_port_fault){.url = DST,
                                                            .call = FL_FAKE_PROBE,
                                                            .times = 1,
                                                            .code = FL_E_AUTH,
                                                            .reason = "Denied",
                                                            .message = "locked out",
                                                            .http_status = 403,
                                                            .retry_after_ms = -1});
    loop_advance(l, 60000);
    loop_run(l, REG "/dst", "r1");
    loop_field_is(l, M, "status.lastExecution", "m-1");
    loop_run(l, REG "/dst", "r2");
    loop_wait_ready(l, M, "1 tags");
    loop_field_is(l, M, "status.lastExecution", "m-2");
    loop_field_is(l, RUN "/m-2", "spec.trigger", "Change");
}

/* The request is acted on, even when the first comparison after it does not come to an end. */
static void test_policy__request_after_a_failed_run_survives_an_outage(void **state)
{
    struct loop *l = *state;
    failed_run(l, "");
    fl_fake_port_heal(l->port);
    fl_fake_port_fail(l->port, &(struct fl_fake_port_fault){.url = SRC,
                                                            .call = FL_FAKE_LIST_TAGS,
                                                            .times = 2,
                                                            .code = FL_E_UNAVAILABLE,
                                                            .reason = "ConnectFailed",
                                                            .message = "away",
                                                            .retry_after_ms = -1});
    l->skip = true;
    loop_request(l, M, "r1");
    loop_wait_ready(l, M, "1 tags");
    loop_field_is(l, M, "status.lastExecution", "m-2");
}

/* ---- history ---- */

static void test_policy__history_keeps_the_newest_by_number(void **state)
{
    struct loop *l = *state;
    fl_fake_port_image(l->port, SRC, "library/a", "v1", "run 1", 1);
    loop_registries(l);
    loop_policy(l, "m", "'library/a'", ",'historyLimit':2");
    loop_wait_ready(l, M, NULL);
    for (int i = 2; i <= 11; i++) { /* all within one second of the clock */
        fl_auto_text seed = fl_asprintf("run %d", i);
        fl_auto_text name = fl_asprintf("m-%d", i);
        fl_fake_port_image(l->port, SRC, "library/a", "v1", seed, 1);
        loop_request(l, M, name);
        loop_wait_field(l, M, "status.lastExecution", name);
        loop_wait_ready(l, M, "1 tags");
        loop_settle(l);
    }
    assert_int_equal(loop_len(l, RUN), 2);
    assert_true(loop_is_there(l, RUN "/m-10"));
    assert_true(loop_is_there(l, RUN "/m-11"));
}

static void test_policy__without_history_a_failed_run_is_no_storm(void **state)
{
    struct loop *l = *state;
    failed_run(l, ",'historyLimit':0");
    assert_int_equal(loop_len(l, RUN), 1); /* it tells why, until the next one */
    loop_patch(l, M, "{'metadata':{'labels':{'a':'b'}}}");
    loop_run(l, REG "/src", "r0");
    assert_int_equal(comparisons(l), 1);
    fl_fake_port_heal(l->port);
    loop_request(l, M, "r1");
    loop_wait_ready(l, M, "1 tags");
    loop_wait_gone(l, RUN "/m-1");
    loop_wait_gone(l, RUN "/m-2");
    loop_field_is(l, M, "status.lastExecution", "m-2");
    loop_field_is(l, M, "status.lastExecutionPhase", "Succeeded");
}

static void test_policy__made_again_under_its_name_starts_anew(void **state)
{
    struct loop *l = *state;
    fl_fake_port_image(l->port, SRC, "library/a", "v1", "a1", 1);
    loop_registries(l);
    loop_policy(l, "m", "'library/a'", "");
    loop_wait_ready(l, M, NULL);
    loop_settle(l);
    fl_auto_text old = loop_field(l, RUN "/m-1", "metadata.uid");
    fl_fake_port_image(l->port, SRC, "library/a", "v1", "a2", 1);
    loop_delete(l, M);
    loop_policy(l, "m", "'library/a'", "");
    loop_wait_ready(l, M, "1 tags of 1 repositories");
    assert_true(loop_same_digest(l, "library/a", "library/a", "v1"));
    loop_settle(l);
    fl_auto_text now = loop_field(l, RUN "/m-1", "metadata.uid");
    assert_false(fl_text_eq(old, now)); /* those of the old one are collected */
}

static void test_policy__name_of_a_run_that_is_taken_is_passed_over(void **state)
{
    struct loop *l = *state;
    fl_fake_port_image(l->port, SRC, "library/a", "v1", "a1", 1);
    loop_registries(l);
    loop_policy(l, "other", "'library/a'", ",'suspend':true");
    loop_make(l, RUN, "ReplicationExecution", "m-1",
              "{'policy':'other','source':'src','destination':'dst','items':[{'source':'a',"
              "'destination':'a','tag':'v1','digest':'sha256:"
              "0000000000000000000000000000000000000000000000000000000000000000'}]}");
    loop_policy(l, "m", "'library/a'", "");
    loop_wait_ready(l, M, "1 tags of 1 repositories");
    loop_field_is(l, M, "status.lastExecution", "m-2");
    loop_field_is(l, RUN "/m-1", "spec.policy", "other");
}

/* ---- one registry as source and destination ---- */

/* 253 bytes are what a name may have, and the run's has a number more. */
static void test_policy__longest_name_has_runs_and_finds_them_again(void **state)
{
    struct loop *l = *state;
    char name[254];
    memset(name, 'p', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    fl_auto_text path = fl_asprintf(POL "/%s", name);
    fl_fake_port_image(l->port, SRC, "library/a", "v1", "a1", 1);
    loop_registries(l);
    loop_policy(l, name, "'library/a'", ",'historyLimit':1");
    loop_wait_ready(l, path, "1 tags of 1 repositories");
    fl_auto_text first = loop_field(l, path, "status.lastExecution");
    size_t stem = strlen(first) - 2;
    assert_true(strlen(first) <= 253);
    assert_string_equal(first + stem, "-1");
    fl_fake_port_image(l->port, SRC, "library/a", "v1", "a2", 1);
    loop_crash(l);
    loop_start(l);
    loop_request(l, path, "r1");
    loop_wait_field(l, path, "status.runNumber", "2");
    loop_wait_ready(l, path, "1 tags of 1 repositories");
    fl_auto_text second = loop_field(l, path, "status.lastExecution");
    assert_string_equal(second + stem, "-2");
    assert_memory_equal(first, second, stem);
    fl_auto_text gone = fl_asprintf(RUN "/%s", first);
    loop_wait_gone(l, gone); /* the history knows their order */
    assert_int_equal(loop_len(l, RUN), 1);
}

static void test_policy__two_registries_of_one_place_are_told(void **state)
{
    struct loop *l = *state;
    three_images(l);
    loop_registries(l);
    loop_registry(l, "alias", "http://SRC.example:80/", "");
    loop_wait_ready(l, REG "/alias", NULL);
    loop_make(l, POL, "ReplicationPolicy", "m",
              "{'source':{'registry':'src'},'destination':{'registry':'alias'},"
              "'repositories':{'include':['library/b']},'interval':'0'}");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "SamePlace",
                                          .words = {"'src'", "'alias'", "spec.destination"},
                                          .stalled = "SamePlace"});
}

static void test_policy__copies_within_a_registry_are_not_copied_again(void **state)
{
    struct loop *l = *state;
    three_images(l);
    loop_registries(l);
    loop_make(l, POL, "ReplicationPolicy", "m",
              "{'source':{'registry':'src'},'repositories':{'include':['**']},'interval':'0',"
              "'destination':{'registry':'src','namespace':'mirror','namespaceReplaceCount':0}}");
    loop_wait_ready(l, M, "3 tags of 2 repositories");
    loop_run(l, M, "r1");
    loop_field_is(l, M, "status.lastExecution", "m-1");
    assert_int_equal(fl_fake_port_tags(l->port, SRC), 6);
}

static void test_policy__names_given_twice_are_one(void **state)
{
    struct loop *l = *state;
    three_images(l);
    loop_registries(l);
    loop_policy(l, "m", "'library/b','library/b'", ",'tags':{'include':['v1','v1']}");
    loop_wait_ready(l, M, "1 tags of 1 repositories");
    loop_field_is(l, RUN "/m-1", "status.total", "1");
}

/* ---- size and crashes ---- */

static void test_policy__large_backlog_takes_several_executions(void **state)
{
    struct loop *l = *state;
    const int n = FL_EXECUTION_ITEMS_MAX + 3;
    fl_fake_port_setup(l->port, SRC, &(struct fl_fake_port_conf){.listing_digests = true});
    for (int i = 0; i < n; i++) {
        fl_auto_text tag = fl_asprintf("t%d", i);
        fl_fake_port_image(l->port, SRC, "library/big", tag, "same", 1);
    }
    loop_registries(l);
    loop_policy(l, "m", "'library/big'", "");
    loop_wait_ready(l, M, "5003 tags of 1 repositories");
    assert_int_equal(fl_fake_port_tags(l->port, DST), n);
    loop_field_is(l, RUN "/m-1", "status.total", "5000");
    loop_field_is(l, RUN "/m-2", "status.total", "3");
    loop_field_is(l, M, "status.runNumber", "2");
}

static void test_policy__crash_after_the_create_makes_no_second_run(void **state)
{
    struct loop *l = *state;
    three_images(l);
    loop_registries(l);
    loop_crash(l);
    l->die_after[0] = "POST";
    l->die_after[1] = "replicationexecutions";
    loop_start(l);
    loop_policy(l, "m", "'library/*'", "");
    loop_wait(l, "a run was made", loop_is_dead, NULL);
    loop_crash(l);
    l->die_after[0] = NULL;
    loop_field_is(l, M, "status.runNumber", "0");
    assert_int_equal(loop_len(l, RUN), 1);
    loop_start(l);
    loop_wait_ready(l, M, "3 tags of 2 repositories");
    loop_settle(l);
    assert_int_equal(loop_len(l, RUN), 1);
    loop_field_is(l, M, "status.lastExecution", "m-1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(test_policy__copies_what_is_missing),
        loop_test(test_policy__in_sync_from_the_beginning_starts_nothing),
        loop_test(test_policy__second_pass_writes_the_echo_and_nothing_else),
        loop_test(test_policy__a_listing_with_digests_saves_the_heads),
        loop_test(test_policy__moved_tag_is_copied_by_the_next_run),
        loop_test(test_policy__interval_zero_never_comes_by_the_clock),
        loop_test(test_policy__interval_compares_and_copies_what_is_new),
        loop_test(test_policy__plan_and_observe_show_and_do_nothing),
        loop_test(test_policy__without_override_what_differs_is_kept),
        loop_test(test_policy__suspended_is_left_alone),
        loop_test(test_policy__collisions_copy_neither_and_everything_else),
        loop_test(test_policy__impossible_mapping_is_told),
        loop_test(test_policy__literal_repository_that_is_missing_is_told),
        loop_test(test_policy__literal_tags_that_are_nowhere_are_told),
        loop_test(test_policy__without_a_catalog_names_are_asked_for),
        loop_test(test_policy__remote_that_is_away_is_told_and_waited_for),
        loop_test(test_policy__waits_for_registries_and_goes_on_by_itself),
        loop_test(test_policy__waiting_for_a_registry_is_one_event),
        loop_test(test_policy__registry_deleted_and_made_again),
        loop_test(test_policy__request_during_a_run_is_one_comparison_after_it),
        loop_test(test_policy__failed_run_is_not_repeated_before_the_interval),
        loop_test(test_policy__failed_run_is_repeated_on_request),
        loop_test(test_policy__failed_run_is_repeated_on_change),
        loop_test(test_policy__change_during_a_run_that_fails_is_not_lost),
        loop_test(test_policy__failed_run_is_repeated_when_its_registry_recovers),
        loop_test(test_policy__request_after_a_failed_run_survives_an_outage),
        loop_test(test_policy__history_keeps_the_newest_by_number),
        loop_test(test_policy__without_history_a_failed_run_is_no_storm),
        loop_test(test_policy__made_again_under_its_name_starts_anew),
        loop_test(test_policy__name_of_a_run_that_is_taken_is_passed_over),
        loop_test(test_policy__longest_name_has_runs_and_finds_them_again),
        loop_test(test_policy__two_registries_of_one_place_are_told),
        loop_test(test_policy__copies_within_a_registry_are_not_copied_again),
        loop_test(test_policy__names_given_twice_are_one),
        loop_test(test_policy__large_backlog_takes_several_executions),
        loop_test(test_policy__crash_after_the_create_makes_no_second_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
