/* SPDX-License-Identifier: Apache-2.0
 * The GitMirror's loop: what it follows, shows, pushes and survives. Guards are in
 * test_loop_mirror_guard.c, the rules of reference 4.1 and 4.2 in test_loop_mirror_rules.c. */
#include "contract/loop_mirror.h"

/* ---- the usual ---- */

static void test_mirror__new_one_is_fetched_and_told(void **state)
{
    struct loop *l = *state;
    mirrored(l, "");
    expect_refs(DISK, MIRRORED);
    loop_wait_ready(l, M, "3 refs of " URL " are mirrored");
    loop_field_is(l, M, "status.path", DISK);
    loop_field_is(l, M, "status.refCount", "3");
    loop_field_is(l, M, "status.head.ref", "refs/heads/main");
    loop_field_is(l, M, "status.protocol", "v2");
    loop_field_is(l, M, "status.lastPollTime", "2023-11-14T22:13:20Z");
    loop_field_is(l, M, "status.lastFetch.trigger", "Spec");
    loop_field_is(l, M, "status.lastFetch.created", "3");
    loop_field_is(l, M, "status.lastFetch.deleted", "0");
    loop_field_is(l, M, "status.held", NULL);
    expect_told("default/m Spec +heads/main=a +heads/next=a.n +tags/v1=a; ");
    fl_auto_text oid = loop_field(l, M, "status.head.oid");
    char want[41];
    fl_fake_git_oid("a", want);
    assert_string_equal(oid, want);
    fl_auto_text conf = fl_fake_git_last_conf(w.git);
    assert_string_equal(conf, "hosts= provider=generic run=/run secret=0");
    fl_auto_text events = loop_get(l, "/api/v1/namespaces/default/events");
    assert_non_null(strstr(events, "3 refs created, 0 updated, 0 forced, 0 deleted"));
}

static void test_mirror__unchanged_is_one_request_no_process_no_write(void **state)
{
    struct loop *l = *state;
    mirrored(l, "");
    struct snapshot was = look(l);
    for (int i = 0; i < 3; i++) {
        interval(l);
        expect_quiet(l, "by the clock", was, 1, 0, false);
        was = look(l);
    }
    size_t lists = fl_fake_git_count(w.git, URL, FL_FAKE_GIT_LIST);
    wake(l, "delivery");
    loop_advance(l, 2000);
    wait_count(l, URL, FL_FAKE_GIT_LIST, lists + 1);
    loop_settle(l);
    expect_quiet(l, "webhook", was, 1, 0, false);
    was = look(l);
    loop_run(l, M, "now");
    expect_quiet(l, "on request the disk is looked at", was, 1, 1, true);
}

static void test_mirror__after_a_start_disk_is_compared_once_without_a_write(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'guard':{'onForcePush':'Update'}");
    struct snapshot was = look(l);
    size_t lists = fl_fake_git_count(w.git, URL, FL_FAKE_GIT_LIST);
    loop_stop(l);
    loop_start(l);
    l->skip = true; /* the first pass after a start is spread (R8) */
    wait_count(l, URL, FL_FAKE_GIT_LIST, lists + 1);
    l->skip = false;
    loop_settle(l);
    expect_quiet(l, "first pass", was, 1, 0, true);
    was = look(l);
    interval(l);
    expect_quiet(l, "second pass", was, 1, 0, false);
    loop_stop(l);
    fl_fake_git_set(w.git, DISK, "heads/main", "a.somebody");
    fl_fake_git_set(w.git, DISK, "heads/extra", "x");
    loop_start(l);
    loop_run(l, M, "r");
    expect_refs(DISK, MIRRORED);
}

static void test_mirror__changes_are_followed_and_counted(void **state)
{
    struct loop *l = *state;
    mirrored(l, "");
    set("heads/main", "a.b");
    set("heads/next", NULL);
    set("heads/new/sub", "a.c");
    fl_fake_git_head(w.git, URL, "heads/new/sub");
    loop_advance(l, 1000);
    interval(l);
    expect_refs(DISK, "HEAD:heads/new/sub heads/main=a.b heads/new/sub=a.c tags/v1=a");
    loop_field_is(l, M, "status.lastFetch.trigger", "Interval");
    loop_field_is(l, M, "status.lastFetch.created", "1");
    loop_field_is(l, M, "status.lastFetch.updated", "1");
    loop_field_is(l, M, "status.lastFetch.forced", "0");
    loop_field_is(l, M, "status.lastFetch.deleted", "1");
    loop_field_is(l, M, "status.head.ref", "refs/heads/new/sub");
    set("heads/new/sub", NULL); /* a folder becomes a file */
    set("heads/new", "a.c");
    fl_fake_git_head(w.git, URL, "heads/new");
    wake(l, "delivery");
    loop_advance(l, 2000);
    loop_wait_field(l, M, "status.head.ref", "refs/heads/new");
    expect_refs(DISK, "HEAD:heads/new heads/main=a.b heads/new=a.c tags/v1=a");
    loop_field_is(l, M, "status.lastFetch.trigger", "Webhook");
    set("heads/main", "a.b.c");
    fl_fake_git_head(w.git, URL, "heads/gone");
    loop_run(l, M, "r");
    loop_field_is(l, M, "status.head.ref", "refs/heads/gone");
    loop_field_is(l, M, "status.head.oid", NULL);
    loop_field_is(l, M, "status.lastFetch.trigger", "Manual");
    set("tags/v2", "a");
    loop_patch(l, M, "{'spec':{'timeout':'5m'}}");
    loop_wait_field(l, M, "status.observedGeneration", "2");
    loop_field_is(l, M, "status.lastFetch.trigger", "Spec");
}

static void test_mirror__only_head_moved(void **state)
{
    struct loop *l = *state;
    mirrored(l, "");
    size_t fetches = fl_fake_git_count(w.git, NULL, FL_FAKE_GIT_FETCH);
    fl_fake_git_head(w.git, URL, "heads/next");
    loop_run(l, M, "r");
    expect_refs(DISK, "HEAD:heads/next heads/main=a heads/next=a.n tags/v1=a");
    loop_field_is(l, M, "status.head.ref", "refs/heads/next");
    assert_int_equal(fl_fake_git_count(w.git, NULL, FL_FAKE_GIT_FETCH), fetches);
}

static void test_mirror__refs_that_fall_out_of_the_patterns_go(void **state)
{
    struct loop *l = *state;
    mirrored(l, "");
    loop_patch(l, M, "{'spec':{'refs':{'include':['refs/heads/**'],'exclude':['refs/heads/n*']}}}");
    loop_wait_field(l, M, "status.refCount", "1");
    expect_refs(DISK, "HEAD:heads/main heads/main=a");
}

static void test_mirror__empty_remote_is_mirrored(void **state)
{
    struct loop *l = *state;
    fl_fake_git_head(w.git, URL, "heads/main");
    mirror(l, "");
    loop_wait_ready(l, M, "0 refs");
    loop_settle(l);
    assert_true(fl_fake_git_exists(w.git, DISK));
    loop_field_is(l, M, "status.head.ref", "refs/heads/main");
    struct snapshot was = look(l);
    interval(l);
    expect_quiet(l, "still empty", was, 1, 0, false);
    set("heads/main", "a");
    interval(l);
    expect_refs(DISK, "HEAD:heads/main heads/main=a");
}

/* ---- modes ---- */

static void test_mirror__suspended_is_left_alone(void **state)
{
    struct loop *l = *state;
    set("heads/main", "a");
    mirror(l, ",'suspend':true");
    loop_wait_field(l, M, "status.observedGeneration", "1");
    loop_settle(l);
    wake(l, "x");
    loop_advance(l, HOUR_MS);
    loop_settle(l);
    assert_int_equal(fl_fake_git_calls(w.git), 0);
    loop_patch(l, M, "{'spec':{'suspend':false}}");
    loop_wait_ready(l, M, "1 refs");
}

static bool puts_more(struct loop *l, const void *arg, struct fl_buf *why)
{
    const size_t *was = arg;
    (void)l;
    fl_buf_fmt(why, "%zu routes put", fl_fake_git_puts(w.git));
    return fl_fake_git_puts(w.git) > *was;
}

/* Senders give up, or switch the hook off, when they are told that there is no such path. */
static void test_mirror__suspended_still_takes_deliveries(void **state)
{
    struct loop *l = *state;
    set("heads/main", "a");
    loop_secret(l, "hook", "{'token':'first'}");
    mirror(l, ",'suspend':true,'webhook':{'type':'gitea','secretRef':{'name':'hook'}}");
    wait_condition(l, "WebhookConfigured", "Succeeded");
    fl_auto_text path = loop_field(l, M, "status.webhookPath");
    assert_non_null(path);
    fl_auto_text one = fl_fake_git_routes(w.git);
    assert_string_equal(one, "default/m type=3 secret=first place=git.example/team/app; ");
    size_t puts = fl_fake_git_puts(w.git);
    loop_stop(l);
    loop_start(l);
    loop_wait(l, "the route after a start", puts_more, &puts);
    wake(l, "x");
    loop_advance(l, HOUR_MS);
    loop_settle(l);
    assert_int_equal(fl_fake_git_calls(w.git), 0);
    puts = fl_fake_git_puts(w.git);
    loop_patch(l, SECRETS "/hook", "{'stringData':{'token':'second'}}");
    loop_wait(l, "another route", puts_more, &puts);
    loop_settle(l);
    fl_auto_text other = loop_field(l, M, "status.webhookPath");
    assert_string_not_equal(other, path);
    loop_patch(l, M, "{'spec':{'suspend':false}}");
    loop_wait_ready(l, M, "1 refs");
}

static void test_mirror__routes_are_there_before_the_spread_first_pass(void **state)
{
    struct loop *l = *state;
    loop_secret(l, "hook", "{'token':'first'}");
    mirrored(l, ",'interval':'10h','webhook':{'type':'gitea','secretRef':{'name':'hook'}}");
    wait_condition(l, "WebhookConfigured", "Succeeded");
    loop_settle(l);
    size_t puts = fl_fake_git_puts(w.git);
    size_t lists = fl_fake_git_count(w.git, URL, FL_FAKE_GIT_LIST);
    loop_stop(l);
    loop_start(l);
    loop_wait(l, "the route after a start", puts_more, &puts);
    loop_settle(l);
    assert_int_equal(fl_fake_git_count(w.git, URL, FL_FAKE_GIT_LIST), lists);
    int64_t wait = loop_next_ms(l, "gitmirror") - fl_clock_mono_ms(l->clock);
    assert_true(wait > 0 && wait <= HOUR_MS); /* a tenth of the interval */
    wake(l, "x");
    loop_advance(l, 2000);
    wait_count(l, URL, FL_FAKE_GIT_LIST, lists + 1);
}

static void test_mirror__other_modes_show_and_do_nothing(void **state)
{
    struct loop *l = *state;
    set("heads/main", "a");
    fl_fake_git_set(w.git, TO, "heads/old", "x");
    mirror(l, ",'mode':'Observe'");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "True",
                                          .reason = "Planned",
                                          .words = {"mode Observe: 1 moves"}});
    assert_false(fl_fake_git_exists(w.git, DISK));
    assert_int_equal(fl_fake_git_processes(w.git), 0);
    item_is(l, "plan", 0, "action", "Create");
    item_is(l, "plan", 0, "ref", "refs/heads/main");
    loop_settle(l);
    struct snapshot was = look(l);
    interval(l);
    expect_quiet(l, "observed", was, 1, 0, true);
    loop_patch(l, M, "{'spec':{'mode':'Apply'}}");
    loop_wait_ready(l, M, "1 refs");
    loop_field_is(l, M, "status.plan", NULL);
    loop_patch(l, M, "{'spec':{'mode':'Plan','push':[{'name':'to','url':'" TO "'}]}}");
    loop_wait_field(l, M, "status.observedGeneration", "3");
    loop_wait_says(
        l, &(struct loop_want){
               .path = M, .ready = "True", .reason = "Planned", .words = {"mode Plan: 2 moves"}});
    expect_refs(TO, "heads/old=x");
    item_is(l, "plan", 0, "action", "Push");
}

/* ---- triggers ---- */

static void test_mirror__r13_many_webhooks_are_one_pass(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'interval':'0'");
    size_t before = fl_fake_git_requests(w.git);
    for (int i = 0; i < 50; i++) {
        wake(l, "push");
        loop_advance(l, 100);
    }
    loop_settle(l);
    assert_int_equal(fl_fake_git_requests(w.git), before);
    set("heads/main", "a.b");
    loop_advance(l, 1900);
    loop_wait_field(l, M, "status.lastFetch.trigger", "Webhook");
    loop_settle(l);
    assert_int_equal(fl_fake_git_requests(w.git), before + 1);
}

static void test_mirror__r12_wake_during_a_fetch_leaves_one_more(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'interval':'0'");
    set("heads/main", "a.b");
    fl_fake_git_hold(w.git, FL_FAKE_GIT_FETCH);
    loop_request(l, M, "r1");
    loop_wait(l, "the fetch is held", git_holds, NULL);
    size_t lists = fl_fake_git_count(w.git, URL, FL_FAKE_GIT_LIST);
    for (int i = 0; i < 10; i++) {
        wake(l, "push");
    }
    loop_advance(l, 2000);
    assert_int_equal(fl_fake_git_count(w.git, URL, FL_FAKE_GIT_LIST), lists);
    fl_fake_git_release(w.git);
    wait_count(l, URL, FL_FAKE_GIT_LIST, lists + 1);
    loop_settle(l);
    loop_advance(l, HOUR_MS);
    loop_settle(l);
    assert_int_equal(fl_fake_git_count(w.git, URL, FL_FAKE_GIT_LIST), lists + 1);
    expect_refs(DISK, "HEAD:heads/main heads/main=a.b heads/next=a.n tags/v1=a");
}

static void test_mirror__r2_interval_zero_and_left_out(void **state)
{
    struct loop *l = *state;
    mirrored(l, "");
    int64_t wait = loop_next_ms(l, "gitmirror") - fl_clock_mono_ms(l->clock);
    assert_in_range(wait, 285000, 315000); /* the server's 5m */
    loop_patch(l, M, "{'spec':{'interval':'0'}}");
    loop_wait_field(l, M, "status.observedGeneration", "2");
    loop_settle(l);
    assert_int_equal(loop_next_ms(l, "gitmirror"), FL_NEVER);
}

static void test_mirror__r9_new_and_deleted_ones_need_no_restart(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'deletionPolicy':'Delete'");
    loop_make(l, GM, "GitMirror", "n", "{'url':'" TO "'}");
    loop_wait_ready(l, GM "/n", "0 refs");
    loop_settle(l);
    assert_int_equal(fl_fake_git_open(w.git), 2);
    loop_delete(l, M);
    loop_wait_gone(l, M);
    loop_settle(l);
    assert_int_equal(fl_fake_git_open(w.git), 1);
    assert_false(fl_fake_git_exists(w.git, DISK));
    fl_auto_text routes = fl_fake_git_routes(w.git);
    assert_null(strstr(routes, "default/m"));
}

/* ---- Secrets ---- */

static const struct fl_fake_git_conf locked = {.user = "robot", .password = "correct-horse"};

static void good_secret(struct loop *l)
{
    loop_secret(l, "s", "{'username':'robot','password':'correct-horse'}");
}

static void test_mirror__r11_secret_that_is_missing_or_wrong_stalls_until_it_comes(void **state)
{
    struct loop *l = *state;
    fl_fake_git_setup(w.git, URL, &locked);
    set("heads/main", "a");
    mirror(l, ",'secretRef':{'name':'s'}");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "SecretNotFound",
                                          .words = {"spec.secretRef", "there is no Secret 's'"},
                                          .stalled = "SecretNotFound"});
    assert_int_equal(fl_fake_git_requests(w.git), 0); /* never without */
    loop_secret(l, "s", "{'user':'robot'}");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "SecretInvalid",
                                          .words = {"Secret 's' (spec.secretRef)"},
                                          .stalled = "SecretInvalid"});
    loop_patch(l, SECRETS "/s", "{'stringData':{'username':'robot','password':'guess'}}");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "AuthenticationFailed",
                                          .stalled = "AuthenticationFailed"});
    wait_condition(l, "PollFailed", "AuthenticationFailed");
    loop_patch(l, SECRETS "/s", "{'stringData':{'password':'correct-horse'}}");
    loop_wait_ready(l, M, "1 refs");
    loop_settle(l);
    assert_int_equal(fl_fake_git_open(w.git), 1);
    size_t opened = fl_fake_git_opened(w.git);
    loop_run(l, M, "r");
    assert_int_equal(fl_fake_git_opened(w.git), opened); /* what was opened is kept */
    loop_delete(l, SECRETS "/s");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "SecretNotFound",
                                          .stalled = "SecretNotFound"});
    assert_int_equal(fl_fake_git_open(w.git), 0);
    fl_auto_text events = loop_get(l, "/api/v1/namespaces/default/events");
    fl_auto_text object = loop_get(l, M);
    assert_null(strstr(events, "correct-horse"));
    assert_null(strstr(object, "correct-horse"));
}

static void test_mirror__webhook_route_follows_the_secret(void **state)
{
    struct loop *l = *state;
    set("heads/main", "a");
    mirror(l, ",'webhook':{'type':'gitea','secretRef':{'name':'hook'}},"
              "'allowedHosts':['10.0.0.0/8','git.example']");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "SecretNotFound",
                                          .words = {"spec.webhook.secretRef", "no Secret 'hook'"},
                                          .stalled = "SecretNotFound"});
    expect_refs(DISK, "heads/main=a"); /* the mirror itself goes on */
    fl_auto_text conf = fl_fake_git_last_conf(w.git);
    assert_string_equal(conf, "hosts=10.0.0.0/8,git.example provider=generic run=/run secret=0");
    loop_field_is(l, M, "status.webhookPath", NULL);
    wait_condition(l, "WebhookConfigured", NULL);
    fl_auto_text none = fl_fake_git_routes(w.git);
    assert_string_equal(none, "default/m type=3 secret= place=git.example/team/app; ");
    loop_secret(l, "hook", "{'wrong':'x'}");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "SecretInvalid",
                                          .words = {"no key token"},
                                          .stalled = "SecretInvalid"});
    loop_patch(l, SECRETS "/hook", "{'stringData':{'token':'first'}}");
    wait_condition(l, "WebhookConfigured", "Succeeded");
    loop_wait_ready(l, M, "1 refs");
    fl_auto_text path = loop_field(l, M, "status.webhookPath");
    assert_non_null(path);
    fl_auto_text one = fl_fake_git_routes(w.git);
    assert_string_equal(one, "default/m type=3 secret=first place=git.example/team/app; ");
    loop_settle(l);
    size_t puts = fl_fake_git_puts(w.git);
    interval(l);
    assert_int_equal(fl_fake_git_puts(w.git), puts);
    size_t lists = fl_fake_git_count(w.git, URL, FL_FAKE_GIT_LIST);
    loop_patch(l, SECRETS "/hook", "{'stringData':{'token':'second'}}");
    wait_count(l, URL, FL_FAKE_GIT_LIST, lists + 1);
    loop_settle(l);
    fl_auto_text other = loop_field(l, M, "status.webhookPath");
    assert_string_not_equal(other, path);
    loop_patch(l, M, "{'spec':{'webhook':null}}");
    loop_wait_field(l, M, "status.webhookPath", NULL);
    wait_condition(l, "WebhookConfigured", NULL);
    loop_delete(l, M);
    loop_wait_gone(l, M);
    loop_settle(l);
    fl_auto_text gone = fl_fake_git_routes(w.git);
    assert_string_equal(gone, "");
}

/* ---- push targets ---- */

#define PUSH_TO "{'name':'to','url':'" TO "'}"
#define PUSH_TOO "{'name':'too','url':'" TOO "'}"

static void test_mirror__push_targets_follow(void **state)
{
    struct loop *l = *state;
    fl_fake_git_set(w.git, TO, "pull/1", "x"); /* not among what is mirrored */
    mirrored(l, ",'push':[" PUSH_TO "," PUSH_TOO "]");
    loop_wait_ready(l, M, "and pushed to 2 targets");
    expect_refs(TO, "heads/main=a heads/next=a.n pull/1=x tags/v1=a");
    expect_refs(TOO, "heads/main=a heads/next=a.n tags/v1=a");
    item_is(l, "push", 0, "name", "to");
    item_is(l, "push", 0, "updated", "3");
    item_is(l, "push", 0, "deleted", "0");
    fl_auto_text digest = item_field(l, "push", 0, "digest");
    fl_auto_text other = item_field(l, "push", 1, "digest");
    assert_non_null(digest);
    assert_string_equal(digest, other);
    struct snapshot was = look(l);
    interval(l);
    expect_quiet(l, "equal targets", was, 3, 0, false);
    fl_fake_git_set(w.git, TO, "heads/stray", "x"); /* somebody pushed there */
    set("heads/main", "a.b");
    interval(l);
    loop_settle(l);
    expect_refs(TO, "heads/main=a.b heads/next=a.n pull/1=x tags/v1=a");
    expect_refs(TOO, "heads/main=a.b heads/next=a.n tags/v1=a");
    item_is(l, "push", 0, "deleted", "1");
    item_is(l, "push", 1, "deleted", "0");
    loop_patch(l, M, "{'spec':{'push':[" PUSH_TOO "]}}");
    loop_wait(l, "one target", one_target, NULL);
    item_is(l, "push", 0, "name", "too");
    loop_settle(l);
    assert_int_equal(fl_fake_git_open(w.git), 2);
}

/* The source's way to sign in is not the target's. */
static void test_mirror__push_target_has_a_provider_of_its_own(void **state)
{
    struct loop *l = *state;
    good_secret(l);
    mirrored(l,
             ",'push':[{'name':'to','url':'" TO "','provider':'github','secretRef':{'name':'s'}}]");
    loop_wait_ready(l, M, "pushed to 1 target");
    fl_auto_text conf = fl_fake_git_last_conf(w.git);
    assert_string_equal(conf, "hosts= provider=github run=/run secret=2");
    loop_patch(l, M,
               "{'spec':{'provider':'github','secretRef':{'name':'s'},'push':[" PUSH_TO "]}}");
    loop_wait_field(l, M, "status.observedGeneration", "2");
    loop_settle(l);
    fl_auto_text other = fl_fake_git_last_conf(w.git);
    assert_string_equal(other, "hosts= provider=generic run=/run secret=0");
}

static void test_mirror__push_target_that_rejects_stops_nothing_else(void **state)
{
    struct loop *l = *state;
    fl_fake_git_setup(w.git, TO, &(struct fl_fake_git_conf){.reject = "refs/heads/ne"});
    set("heads/main", "a");
    set("heads/next", "a.n");
    mirror(l, ",'push':[" PUSH_TO "," PUSH_TOO "]");
    loop_wait_says(l, &(struct loop_want){
                          .path = M,
                          .ready = "False",
                          .reason = "PushFailed",
                          .words = {"target 'to'", "1 refs", "refs/heads/next: protected branch"}});
    expect_refs(TO, "heads/main=a");
    expect_refs(TOO, "heads/main=a heads/next=a.n");
    item_is(l, "push", 0, "rejected", "1");
    fl_auto_text rejections = item_field(l, "push", 0, "rejections");
    assert_non_null(strstr(rejections, "\"ref\":\"refs/heads/next\""));
    item_is(l, "push", 0, "digest", NULL);
    item_is(l, "push", 1, "rejected", "0");
    wait_condition(l, "PushFailed", "PushRejected");
    loop_settle(l);
    struct snapshot was = look(l);
    interval(l);
    expect_quiet(l, "the same again is not tried with every poll", was, 3, 0, false);
    fl_fake_git_setup(w.git, TO, &(struct fl_fake_git_conf){0});
    loop_run(l, M, "r");
    loop_wait_ready(l, M, "2 targets");
    expect_refs(TO, "heads/main=a heads/next=a.n");
    item_is(l, "push", 0, "rejected", "0");
    wait_condition(l, "PushFailed", NULL);
}

static void test_mirror__push_target_that_is_away_or_locked_stops_nothing_else(void **state)
{
    struct loop *l = *state;
    set("heads/main", "a");
    fl_fake_git_setup(w.git, TO, &locked);
    mirror(l, ",'push':[{'name':'to','url':'" TO "','secretRef':{'name':'s'}}," PUSH_TOO "]");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "PushFailed",
                                          .words = {"target 'to'", "no Secret 's'"}});
    expect_refs(TOO, "heads/main=a");
    expect_refs(DISK, "heads/main=a");
    wait_condition(l, "PushFailed", "SecretNotFound");
    good_secret(l);
    loop_wait_ready(l, M, "2 targets");
    expect_refs(TO, "heads/main=a");
    size_t targets = fl_fake_git_count(w.git, TO, FL_FAKE_GIT_LIST_TARGET);
    fl_fake_git_fail(w.git, &(struct fl_fake_git_fault){.place = TO,
                                                        .call = FL_FAKE_GIT_LIST_TARGET,
                                                        .times = 2,
                                                        .code = FL_E_UNAVAILABLE,
                                                        .reason = "ConnectFailed",
                                                        .message = "nobody answers",
                                                        .retry_after_ms = -1});
    set("heads/main", "a.b");
    l->skip = true;
    loop_request(l, M, "r");
    wait_count(l, TO, FL_FAKE_GIT_LIST_TARGET, targets + 3);
    loop_wait_ready(l, M, "2 targets");
    l->skip = false;
    expect_refs(TO, "heads/main=a.b");
    expect_refs(TOO, "heads/main=a.b");
}

/* A conflict at a target is none over the object, which would be repeated at once. */
static void test_mirror__push_target_that_conflicts_is_tried_with_pauses(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'interval':'0','push':[" PUSH_TO "]");
    set("heads/main", "a.b");
    fail_call(FL_FAKE_GIT_PUSH, -1, FL_E_CONFLICT, "RefLocked");
    loop_request(l, M, "r");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "PushFailed",
                                          .words = {"as the test asked"},
                                          .reconciling = "ProgressingWithRetry"});
    loop_settle(l);
    size_t pushes = fl_fake_git_count(w.git, TO, FL_FAKE_GIT_PUSH);
    assert_int_equal(pushes, 2);
    assert_true(loop_next_ms(l, "gitmirror") > fl_clock_mono_ms(l->clock));
    fl_fake_git_heal(w.git);
    l->skip = true;
    loop_wait_ready(l, M, "1 targets");
}

static void test_mirror__empty_mirror_empties_no_target(void **state)
{
    struct loop *l = *state;
    fl_fake_git_set(w.git, TO, "heads/main", "a");
    mirror(l, ",'push':[" PUSH_TO "]");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "PushFailed",
                                          .words = {"all 1 at the target would go"}});
    expect_refs(TO, "heads/main=a");
    loop_settle(l);
    struct snapshot was = look(l);
    interval(l);
    expect_quiet(l, "still", was, 2, 0, false);
    set("heads/other", "b");
    interval(l);
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "PushFailed",
                                          .words = {"1 of 2 refs there would go"}});
    expect_refs(TO, "heads/main=a heads/other=b");
}

static void test_mirror__kept_tips_and_held_refs_are_as_they_are_at_targets(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'push':[" PUSH_TO "],'guard':{'maxDeletes':0}");
    set("heads/main", "z");
    set("heads/next", NULL);
    interval(l);
    loop_wait_says(l,
                   &(struct loop_want){.path = M, .ready = "False", .reason = "DeletionBlocked"});
    loop_field_is(l, M, "status.keptTips", "1");
    expect_refs(TO, "heads/main=z heads/next=a.n tags/v1=a");
}

/* ---- trouble ---- */

static void test_mirror__outcomes_of_the_poll_and_their_conditions(void **state)
{
    static const struct {
        const char *reason;
        enum fl_code code;
        bool stalled;
    } rows[] = {
        {"ConnectFailed", FL_E_UNAVAILABLE, false}, {"ConnectTimeout", FL_E_TIMEOUT, false},
        {"RateLimited", FL_E_LIMITED, false},       {"ProtocolEmpty", FL_E_BAD_DATA, false},
        {"TooManyRefs", FL_E_TOO_BIG, false},       {"RepositoryNotFound", FL_E_NOT_FOUND, false},
        {"AuthenticationFailed", FL_E_AUTH, true},  {"AddressNotAllowed", FL_E_INVALID, true},
        {"Redirected", FL_E_INVALID, true},         {"HostKeyUnknown", FL_E_AUTH, true},
    };
    struct loop *l = *state;
    mirrored(l, "");
    l->skip = true;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        const char *reason = rows[i].reason;
        print_message("%s\n", reason);
        fail_call(FL_FAKE_GIT_LIST, -1, rows[i].code, reason);
        loop_request(l, M, reason);
        loop_wait_says(
            l, &(struct loop_want){.path = M,
                                   .ready = "False",
                                   .reason = reason,
                                   .words = {"as the test asked"},
                                   .stalled = rows[i].stalled ? reason : NULL,
                                   .reconciling = rows[i].stalled ? NULL : "ProgressingWithRetry"});
        wait_condition(l, "PollFailed", reason);
        expect_refs(DISK, MIRRORED);
        fl_fake_git_heal(w.git);
        loop_wait_ready(l, M, "3 refs");
        wait_condition(l, "PollFailed", NULL);
    }
}

static void test_mirror__failures_of_the_fetch_keep_the_refs_and_recover(void **state)
{
    static const struct {
        enum fl_fake_git_call call;
        const char *reason;
        enum fl_code code;
    } rows[] = {
        {FL_FAKE_GIT_FETCH, "DiskFull", FL_E_UNAVAILABLE},
        {FL_FAKE_GIT_FETCH, "PackIncomplete", FL_E_BAD_DATA},
        {FL_FAKE_GIT_FETCH, "Timeout", FL_E_TIMEOUT},
        {FL_FAKE_GIT_OPEN, "DiskReadOnly", FL_E_UNAVAILABLE},
        {FL_FAKE_GIT_REFS, "RefsUnreadable", FL_E_BAD_DATA},
        {FL_FAKE_GIT_FORCED, "Timeout", FL_E_TIMEOUT},
        {FL_FAKE_GIT_MOVE, "DiskFull", FL_E_UNAVAILABLE},
    };
    struct loop *l = *state;
    mirrored(l, "");
    fl_auto_text digest = loop_field(l, M, "status.refsDigest");
    l->skip = true;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_text token = fl_asprintf("%zu", i);
        print_message("%s\n", rows[i].reason);
        set("heads/main", "a.b");
        fail_call(rows[i].call, -1, rows[i].code, rows[i].reason);
        loop_request(l, M, token);
        loop_wait_says(l, &(struct loop_want){.path = M,
                                              .ready = "False",
                                              .reason = rows[i].reason,
                                              .reconciling = "ProgressingWithRetry"});
        wait_condition(l, "FetchFailed", rows[i].reason);
        expect_refs(DISK, MIRRORED);
        loop_field_is(l, M, "status.refsDigest", digest);
        fl_fake_git_heal(w.git);
        loop_wait_ready(l, M, "3 refs");
        wait_condition(l, "FetchFailed", NULL);
        expect_refs(DISK, "HEAD:heads/main heads/main=a.b heads/next=a.n tags/v1=a");
        fl_fake_git_set(w.git, DISK, "heads/main", "a");
        set("heads/main", "a");
        l->skip = false;
        loop_settle(l);
        loop_run(l, M, rows[i].reason);
        l->skip = true;
    }
}

static void test_mirror__remote_that_moves_meanwhile_is_listed_again(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'interval':'0'");
    set("heads/main", "a.b");
    fail_call(FL_FAKE_GIT_FETCH, 2, FL_E_CONFLICT, "RemoteMoved");
    size_t writes = loop_writes(l);
    size_t lists = fl_fake_git_count(w.git, URL, FL_FAKE_GIT_LIST);
    loop_request(l, M, "r");
    wait_count(l, URL, FL_FAKE_GIT_LIST, lists + 1);
    loop_settle(l);
    assert_int_equal(loop_writes(l), writes); /* no alarm, and not answered yet */
    l->skip = true;
    loop_wait_field(l, M, "status.lastHandledRequest", "r");
    l->skip = false;
    loop_wait_ready(l, M, "3 refs");
    loop_field_is(l, M, "status.lastFetch.trigger", "Manual");
    assert_int_equal(fl_clock_mono_ms(l->clock), 4000);
    expect_refs(DISK, "HEAD:heads/main heads/main=a.b heads/next=a.n tags/v1=a");
    set("heads/main", "a.b.c");
    fail_call(FL_FAKE_GIT_FETCH, -1, FL_E_CONFLICT, "RemoteMoved");
    l->skip = true;
    loop_request(l, M, "again");
    wait_condition(l, "FetchFailed", "RemoteMoved"); /* for ever: then it is told */
    l->skip = false;
    loop_settle(l);
    int64_t from = fl_clock_mono_ms(l->clock);
    for (int i = 0; i < 12; i++) { /* and tried with growing pauses */
        int64_t passes = loop_passes(l, "gitmirror");
        loop_advance(l, loop_next_ms(l, "gitmirror") - fl_clock_mono_ms(l->clock));
        loop_wait_passes(l, "gitmirror", passes);
        loop_settle(l);
    }
    assert_true(fl_clock_mono_ms(l->clock) - from > 10 * MINUTE_MS);
    l->skip = true;
    fl_fake_git_heal(w.git);
    loop_wait_ready(l, M, "3 refs");
}

static bool eight_hold(struct loop *l, const void *arg, struct fl_buf *why)
{
    (void)l;
    (void)arg;
    fl_buf_fmt(why, "%zu fetches wait", fl_fake_git_held(w.git));
    return fl_fake_git_held(w.git) == 8;
}

/* Of twelve workers eight may fetch: who only asks is not kept waiting. */
static void test_mirror__slow_fetches_leave_workers_for_the_others(void **state)
{
    enum { SLOW = 11 };
    struct loop *l = *state;
    mirrored(l, "");
    fl_fake_git_hold(w.git, FL_FAKE_GIT_FETCH);
    for (int i = 0; i < SLOW; i++) {
        fl_auto_text name = fl_asprintf("slow%d", i);
        fl_auto_text url = fl_asprintf("https://slow.example/%d.git", i);
        fl_auto_text spec = fl_asprintf("{'url':'%s'}", url);
        fl_fake_git_set(w.git, url, "heads/main", "a");
        loop_make(l, GM, "GitMirror", name, spec);
    }
    loop_wait(l, "eight fetches", eight_hold, NULL);
    size_t lists = fl_fake_git_count(w.git, URL, FL_FAKE_GIT_LIST);
    loop_request(l, M, "r1");
    wait_count(l, URL, FL_FAKE_GIT_LIST, lists + 1);
    assert_int_equal(fl_fake_git_held(w.git), 8);
    fl_fake_git_release(w.git);
    l->skip = true;
    for (int i = 0; i < SLOW; i++) {
        fl_auto_text path = fl_asprintf(GM "/slow%d", i);
        loop_wait_ready(l, path, "1 refs");
    }
}

static void test_mirror__busy_repository_is_tried_again_without_alarm(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'interval':'0'");
    set("heads/main", "a.b");
    fail_call(FL_FAKE_GIT_OPEN, 3, FL_E_EXISTS, "RepositoryBusy");
    size_t events = loop_events(l);
    size_t writes = loop_writes(l);
    size_t lists = fl_fake_git_count(w.git, URL, FL_FAKE_GIT_LIST);
    loop_request(l, M, "r");
    wait_count(l, URL, FL_FAKE_GIT_LIST, lists + 1);
    loop_settle(l);
    assert_int_equal(loop_writes(l), writes);
    assert_int_equal(loop_events(l), events);
    l->skip = true;
    loop_wait_field(l, M, "status.lastHandledRequest", "r");
    assert_int_equal(fl_clock_mono_ms(l->clock), 15000);
    loop_wait_ready(l, M, "3 refs");
}

static void test_mirror__crash_after_the_refs_moved_is_found_by_the_next_process(void **state)
{
    struct loop *l = *state;
    mirrored(l, "");
    set("heads/main", "a.b");
    l->die_after[0] = "PATCH";
    l->die_after[1] = "gitmirrors/m/status";
    loop_request(l, M, "r");
    loop_wait(l, "death", loop_is_dead, NULL);
    loop_crash(l);
    l->die_after[0] = NULL;
    fl_fake_git_set(w.git, DISK, "heads/next", "a"); /* and one ref had not moved yet */
    size_t lists = fl_fake_git_count(w.git, URL, FL_FAKE_GIT_LIST);
    loop_start(l);
    l->skip = true;
    wait_count(l, URL, FL_FAKE_GIT_LIST, lists + 1);
    l->skip = false;
    loop_settle(l);
    expect_refs(DISK, "HEAD:heads/main heads/main=a.b heads/next=a.n tags/v1=a");
    loop_wait_ready(l, M, "3 refs");
}

/* ---- large files, upkeep ---- */

static void test_mirror__lfs_is_detected_fetched_or_ignored(void **state)
{
    struct loop *l = *state;
    fl_fake_git_lfs(w.git, DISK, true);
    mirrored(l, "");
    wait_condition(l, "LFSIncomplete", "LFSNotFetched");
    loop_field_is(l, M, "status.lfs", "true");
    struct snapshot was = look(l);
    interval(l);
    expect_quiet(l, "detected", was, 1, 0, false);
    fail_call(FL_FAKE_GIT_FETCH_LFS, 1, FL_E_UNSUPPORTED, "LFSNotInstalled");
    loop_patch(l, M, "{'spec':{'lfs':'Fetch'}}");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "LFSNotInstalled",
                                          .stalled = "LFSNotInstalled"});
    wait_condition(l, "LFSIncomplete", "LFSNotInstalled");
    loop_run(l, M, "r");
    loop_wait_ready(l, M, "3 refs");
    wait_condition(l, "LFSIncomplete", NULL);
    was = look(l);
    interval(l);
    expect_quiet(l, "fetched", was, 1, 0, false);
    loop_patch(l, M, "{'spec':{'lfs':'Ignore'}}");
    loop_wait_field(l, M, "status.observedGeneration", "3");
    loop_field_is(l, M, "status.lfs", "false");
}

static void test_mirror__upkeep_follows_a_fetch_and_fails_nothing(void **state)
{
    struct loop *l = *state;
    mirrored(l, "");
    assert_int_equal(fl_fake_git_count(w.git, DISK, FL_FAKE_GIT_UPKEEP), 1);
    interval(l);
    assert_int_equal(fl_fake_git_count(w.git, DISK, FL_FAKE_GIT_UPKEEP), 1);
    fail_call(FL_FAKE_GIT_UPKEEP, 1, FL_E_UNAVAILABLE, "DiskFull");
    set("heads/main", "a.b");
    interval(l);
    loop_wait_ready(l, M, "3 refs");
    fl_auto_text events = loop_get(l, "/api/v1/namespaces/default/events");
    assert_non_null(strstr(events, "UpkeepFailed"));
}

/* ---- deletion ---- */

static void test_mirror__orphaned_repository_stays_and_is_taken_up_again(void **state)
{
    struct loop *l = *state;
    mirrored(l, "");
    fail_call(FL_FAKE_GIT_LIST, -1, FL_E_UNAVAILABLE, "ConnectFailed"); /* the remote is gone */
    loop_delete(l, M);
    loop_wait_gone(l, M);
    loop_settle(l);
    fl_fake_git_heal(w.git);
    expect_refs(DISK, MIRRORED);
    assert_int_equal(fl_fake_git_open(w.git), 0);
    size_t fetches = fl_fake_git_count(w.git, NULL, FL_FAKE_GIT_FETCH);
    mirror(l, "");
    loop_wait_ready(l, M, "3 refs");
    assert_int_equal(fl_fake_git_count(w.git, NULL, FL_FAKE_GIT_FETCH), fetches);
}

/* A plan is made beside what lies there, not beside nothing. */
static void test_mirror__orphaned_repository_is_seen_by_other_modes(void **state)
{
    struct loop *l = *state;
    mirrored(l, "");
    loop_delete(l, M);
    loop_wait_gone(l, M);
    loop_settle(l);
    mirror(l, ",'mode':'Observe'");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "True",
                                          .reason = "Succeeded",
                                          .words = {"mode Observe: nothing would be moved"}});
    loop_settle(l);
    set("heads/main", "a.b");
    interval(l);
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "True",
                                          .reason = "Planned",
                                          .words = {"mode Observe: 1 moves"}});
    item_is(l, "plan", 0, "action", "Update");
    expect_refs(DISK, MIRRORED);
}

/* Somebody has removed the folder while the remote stood still. */
static void test_mirror__lost_repository_is_made_anew(void **state)
{
    struct loop *l = *state;
    mirrored(l, "");
    fl_fake_git_lose(w.git, DISK);
    interval(l);
    expect_refs(DISK, MIRRORED);
    loop_wait_ready(l, M, "3 refs");
}

static void test_mirror__deleted_repository_goes_or_says_why_not(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'deletionPolicy':'Delete'");
    fail_call(FL_FAKE_GIT_REMOVE, 1, FL_E_UNAVAILABLE, "DiskReadOnly");
    loop_delete(l, M);
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "DiskReadOnly",
                                          .words = {"deletionPolicy: Orphan leaves it"},
                                          .reconciling = "ProgressingWithRetry"});
    l->skip = true;
    loop_wait_gone(l, M);
    assert_false(fl_fake_git_exists(w.git, DISK));
}

static void test_mirror__r9_deletion_cuts_off_a_fetch(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'deletionPolicy':'Delete'");
    set("heads/main", "a.b");
    fl_fake_git_hold(w.git, FL_FAKE_GIT_FETCH);
    loop_request(l, M, "r");
    loop_wait(l, "the fetch is held", git_holds, NULL);
    loop_delete(l, M);
    loop_wait_gone(l, M);
    assert_false(fl_fake_git_exists(w.git, DISK));
    loop_settle(l);
    assert_int_equal(fl_fake_git_open(w.git), 0);
}

#define mirror_test(f) cmocka_unit_test_setup_teardown(f, setup, loop_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        mirror_test(test_mirror__new_one_is_fetched_and_told),
        mirror_test(test_mirror__unchanged_is_one_request_no_process_no_write),
        mirror_test(test_mirror__after_a_start_disk_is_compared_once_without_a_write),
        mirror_test(test_mirror__changes_are_followed_and_counted),
        mirror_test(test_mirror__only_head_moved),
        mirror_test(test_mirror__refs_that_fall_out_of_the_patterns_go),
        mirror_test(test_mirror__empty_remote_is_mirrored),
        mirror_test(test_mirror__suspended_is_left_alone),
        mirror_test(test_mirror__suspended_still_takes_deliveries),
        mirror_test(test_mirror__routes_are_there_before_the_spread_first_pass),
        mirror_test(test_mirror__other_modes_show_and_do_nothing),
        mirror_test(test_mirror__r13_many_webhooks_are_one_pass),
        mirror_test(test_mirror__r12_wake_during_a_fetch_leaves_one_more),
        mirror_test(test_mirror__r2_interval_zero_and_left_out),
        mirror_test(test_mirror__r9_new_and_deleted_ones_need_no_restart),
        mirror_test(test_mirror__r11_secret_that_is_missing_or_wrong_stalls_until_it_comes),
        mirror_test(test_mirror__webhook_route_follows_the_secret),
        mirror_test(test_mirror__push_targets_follow),
        mirror_test(test_mirror__push_target_has_a_provider_of_its_own),
        mirror_test(test_mirror__push_target_that_rejects_stops_nothing_else),
        mirror_test(test_mirror__push_target_that_is_away_or_locked_stops_nothing_else),
        mirror_test(test_mirror__push_target_that_conflicts_is_tried_with_pauses),
        mirror_test(test_mirror__empty_mirror_empties_no_target),
        mirror_test(test_mirror__kept_tips_and_held_refs_are_as_they_are_at_targets),
        mirror_test(test_mirror__outcomes_of_the_poll_and_their_conditions),
        mirror_test(test_mirror__failures_of_the_fetch_keep_the_refs_and_recover),
        mirror_test(test_mirror__remote_that_moves_meanwhile_is_listed_again),
        mirror_test(test_mirror__slow_fetches_leave_workers_for_the_others),
        mirror_test(test_mirror__busy_repository_is_tried_again_without_alarm),
        mirror_test(test_mirror__crash_after_the_refs_moved_is_found_by_the_next_process),
        mirror_test(test_mirror__lfs_is_detected_fetched_or_ignored),
        mirror_test(test_mirror__upkeep_follows_a_fetch_and_fails_nothing),
        mirror_test(test_mirror__orphaned_repository_stays_and_is_taken_up_again),
        mirror_test(test_mirror__orphaned_repository_is_seen_by_other_modes),
        mirror_test(test_mirror__lost_repository_is_made_anew),
        mirror_test(test_mirror__deleted_repository_goes_or_says_why_not),
        mirror_test(test_mirror__r9_deletion_cuts_off_a_fetch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
