/* SPDX-License-Identifier: Apache-2.0
 * G1 to G3 in the GitMirror's loop: what is held, for how long, and what releases it. */
#include "contract/loop_mirror.h"

/* ---- guards ---- */

static void approve(struct loop *l)
{
    fl_auto_text nonce = loop_field(l, M, "status.held.nonce");
    assert_non_null(nonce);
    fl_auto_text body =
        fl_asprintf("{'metadata':{'annotations':{'fairlead.dev/approve':'%s'}}}", nonce);
    loop_patch(l, M, body);
}

static void test_mirror__g1_emptied_remote_is_held_until_approved(void **state)
{
    struct loop *l = *state;
    mirrored(l, "");
    fl_fake_git_clear(w.git, URL);
    interval(l);
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "DeletionBlocked",
                                          .words = {"none of the refs", "3 removals wait",
                                                    "fairlead.dev/approve="}});
    wait_condition(l, "DeletionBlocked", "DeletionBlocked");
    expect_refs(DISK, MIRRORED);
    loop_field_is(l, M, "status.held.deletions", "3");
    loop_field_is(l, M, "status.held.forced", "0");
    loop_field_is(l, M, "status.held.refs",
                  "[\"refs/heads/main\",\"refs/heads/next\",\"refs/tags/v1\"]");
    fl_auto_text nonce = loop_field(l, M, "status.held.nonce");
    fl_auto_text message = loop_field(l, M, "status.conditions");
    assert_non_null(strstr(message, nonce));
    struct snapshot was = look(l);
    interval(l);
    expect_quiet(l, "held", was, 1, 0, false);
    size_t lists = fl_fake_git_count(w.git, URL, FL_FAKE_GIT_LIST);
    was = look(l);
    loop_stop(l);
    loop_start(l);
    wait_count(l, URL, FL_FAKE_GIT_LIST, lists + 1); /* it is not Ready: at once */
    loop_settle(l);
    expect_quiet(l, "held after a start", was, 1, 0, true);
    loop_patch(l, M, "{'metadata':{'annotations':{'fairlead.dev/approve':'another'}}}");
    wait_count(l, URL, FL_FAKE_GIT_LIST, lists + 2);
    loop_settle(l);
    expect_refs(DISK, MIRRORED);
    loop_field_is(l, M, "status.held.nonce", nonce);
    approve(l);
    loop_wait_ready(l, M, "0 refs");
    expect_refs(DISK, "HEAD:heads/main");
    loop_field_is(l, M, "status.held", NULL);
    wait_condition(l, "DeletionBlocked", NULL);
    loop_field_is(l, M, "status.lastFetch.deleted", "3");
    set("heads/main", "a"); /* what comes back and goes again is asked for again */
    set("heads/next", "a.n");
    set("tags/v1", "a");
    loop_run(l, M, "r1");
    fl_fake_git_clear(w.git, URL);
    loop_advance(l, 1000);
    loop_run(l, M, "r2");
    expect_refs(DISK, MIRRORED);
}

static void
test_mirror__g1_held_removals_let_the_rest_through_and_go_when_refs_are_back(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'guard':{'maxDeletes':0}");
    set("heads/next", NULL);
    set("heads/main", "a.b");
    set("heads/new", "a");
    interval(l);
    loop_wait_says(l,
                   &(struct loop_want){.path = M, .ready = "False", .reason = "DeletionBlocked"});
    expect_refs(DISK, "HEAD:heads/main heads/main=a.b heads/new=a heads/next=a.n tags/v1=a");
    set("heads/next", "a.n");
    interval(l);
    loop_wait_ready(l, M, "4 refs");
    loop_field_is(l, M, "status.held", NULL);
}

static void test_mirror__g1_without_prune_nothing_goes(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'prune':false");
    set("heads/next", NULL);
    set("heads/new", "a");
    interval(l);
    loop_wait_ready(l, M, "4 refs");
    fl_fake_git_clear(w.git, URL);
    interval(l);
    loop_settle(l);
    expect_refs(DISK, "HEAD:heads/main heads/main=a heads/new=a heads/next=a.n tags/v1=a");
    struct snapshot was = look(l);
    interval(l);
    expect_quiet(l, "not pruned", was, 1, 0, false);
}

static void test_mirror__g2_force_push_is_followed_and_the_old_tip_kept(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'guard':{'keptFor':'1h'},'interval':'1m'");
    set("heads/main", "z");
    set("tags/v1", "z");
    interval(l);
    loop_wait_ready(l, M, "3 refs");
    fl_auto_text refs = fl_fake_git_text(w.git, DISK);
    assert_non_null(strstr(refs, "heads/main=z heads/next=a.n tags/v1=z"));
    assert_non_null(strstr(refs, "/heads/main=a fairlead/kept/17"));
    assert_non_null(strstr(refs, "/tags/v1=a heads/main"));
    loop_field_is(l, M, "status.lastFetch.forced", "2");
    loop_field_is(l, M, "status.keptTips", "2");
    wait_condition(l, "ForcePushKept", "ForcePushKept");
    fl_auto_text events = loop_get(l, "/api/v1/namespaces/default/events");
    assert_non_null(strstr(events, "force-pushed"));
    struct snapshot was = look(l);
    interval(l);
    expect_quiet(l, "kept", was, 1, 0, false);
    loop_advance(l, 61 * MINUTE_MS);
    loop_wait_field(l, M, "status.keptTips", "0");
    expect_refs(DISK, "HEAD:heads/main heads/main=z heads/next=a.n tags/v1=z");
    wait_condition(l, "ForcePushKept", NULL);
}

static void test_mirror__g2_force_push_just_followed(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'guard':{'onForcePush':'Update'}");
    set("heads/main", "z");
    interval(l);
    loop_field_is(l, M, "status.lastFetch.forced", "1");
    expect_refs(DISK, "HEAD:heads/main heads/main=z heads/next=a.n tags/v1=a");
}

static void test_mirror__g2_blocked_force_push_waits_for_approval(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'guard':{'onForcePush':'Block'}");
    set("heads/main", "z");
    set("heads/next", "a.n.o");
    interval(l);
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "ForcePushBlocked",
                                          .words = {"1 ref was force-pushed", "1 force pushes"}});
    expect_refs(DISK, "HEAD:heads/main heads/main=a heads/next=a.n.o tags/v1=a");
    loop_field_is(l, M, "status.held.forced", "1");
    struct snapshot was = look(l);
    interval(l);
    expect_quiet(l, "blocked", was, 1, 0, false);
    approve(l);
    loop_wait_ready(l, M, "3 refs");
    expect_refs(DISK, "HEAD:heads/main heads/main=z heads/next=a.n.o tags/v1=a");
    wait_condition(l, "ForcePushBlocked", NULL);
}

static void test_mirror__g3_limits_stop_the_fetch(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'limits':{'maxRefs':3,'maxRepoMiB':10}");
    size_t fetches = fl_fake_git_count(w.git, NULL, FL_FAKE_GIT_FETCH);
    set("heads/more", "a");
    interval(l);
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "TooManyRefs",
                                          .reconciling = "ProgressingWithRetry"});
    wait_condition(l, "PollFailed", "TooManyRefs");
    set("heads/more", NULL);
    set("heads/main", "a.b");
    fl_fake_git_grow(w.git, DISK, INT64_C(10) << 20);
    loop_run(l, M, "r");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "RepositoryTooBig",
                                          .words = {"maxRepoMiB", "on request"}});
    wait_condition(l, "FetchFailed", "RepositoryTooBig");
    wait_condition(l, "PollFailed", NULL);
    assert_int_equal(fl_fake_git_count(w.git, NULL, FL_FAKE_GIT_FETCH), fetches);
    expect_refs(DISK, MIRRORED);
}

/* ---- what guards are measured against ---- */

/* Many small removals are as much as one. */
static void test_mirror__g1_slow_emptying_is_held_too(void **state)
{
    struct loop *l = *state;
    char name[24];
    for (int i = 0; i < 40; i++) {
        (void)snprintf(name, sizeof(name), "heads/b%02d", i);
        set(name, "a");
    }
    mirrored(l, "");
    loop_field_is(l, M, "status.peak.refs", "43");
    for (int i = 0; i < 10; i += 2) { /* 2, 4, 6, 8, 10 of 43: a quarter is 10.75 */
        for (int k = i; k < i + 2; k++) {
            (void)snprintf(name, sizeof(name), "heads/b%02d", k);
            set(name, NULL);
        }
        loop_advance(l, 1000);
        interval(l);
        loop_wait_ready(l, M, "are mirrored");
    }
    loop_field_is(l, M, "status.refCount", "33");
    loop_field_is(l, M, "status.peak.refs", "43");
    set("heads/b10", NULL);
    interval(l);
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "DeletionBlocked",
                                          .words = {"1 refs would go, and with those before them "
                                                    "11 of the 43 refs of the last day"}});
    loop_field_is(l, M, "status.refCount", "33");
    approve(l);
    loop_wait_ready(l, M, "32 refs");
    loop_field_is(l, M, "status.peak.refs", "32"); /* that is agreed to */
}

static void test_mirror__g1_a_day_later_the_count_begins_anew(void **state)
{
    struct loop *l = *state;
    char name[24];
    for (int i = 0; i < 20; i++) {
        (void)snprintf(name, sizeof(name), "heads/b%02d", i);
        set(name, "a");
    }
    mirrored(l, ",'interval':'0'");
    for (int i = 0; i < 10; i++) { /* 5 of 23 and, a day later, 4 of 18 */
        if (i == 5) {
            loop_run(l, M, "r1");
            loop_wait_ready(l, M, "18 refs");
            loop_advance(l, 25 * HOUR_MS);
        }
        (void)snprintf(name, sizeof(name), "heads/b%02d", i);
        set(name, i < 9 ? NULL : "a");
    }
    loop_run(l, M, "r2");
    loop_wait_ready(l, M, "14 refs");
    loop_field_is(l, M, "status.peak.refs", "18"); /* of the day that begins now */
}

static void test_mirror__g1_no_branch_or_no_default_branch_left_is_held(void **state)
{
    struct loop *l = *state;
    char name[24];
    for (int i = 0; i < 40; i++) {
        (void)snprintf(name, sizeof(name), "tags/t%02d", i);
        set(name, "a");
    }
    mirrored(l, "");
    set("heads/main", NULL);
    interval(l);
    loop_wait_says(l,
                   &(struct loop_want){.path = M,
                                       .ready = "False",
                                       .reason = "DeletionBlocked",
                                       .words = {"the default branch refs/heads/main would go"}});
    loop_field_is(l, M, "status.head.ref", "refs/heads/main");
    set("heads/next", NULL);
    interval(l);
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "DeletionBlocked",
                                          .words = {"no branches any more", "2 removals wait"}});
    set("heads/trunk", "a.b");
    fl_fake_git_head(w.git, URL, "heads/trunk");
    interval(l);
    approve(l);
    loop_wait_ready(l, M, "42 refs");
    loop_field_is(l, M, "status.head.ref", "refs/heads/trunk");
}

/* While its branches are held, HEAD does not leave them for one that is not there. */
static void test_mirror__g1_head_stays_with_what_is_held(void **state)
{
    struct loop *l = *state;
    mirrored(l, "");
    fl_fake_git_clear(w.git, URL);
    fl_fake_git_head(w.git, URL, "heads/master");
    interval(l);
    wait_condition(l, "DeletionBlocked", "DeletionBlocked");
    expect_refs(DISK, MIRRORED);
    loop_field_is(l, M, "status.head.ref", "refs/heads/main");
    approve(l);
    loop_wait_ready(l, M, "0 refs");
    expect_refs(DISK, "HEAD:heads/master");
}

static void test_mirror__g1_another_repository_is_asked_for(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'guard':{'onForcePush':'Update'}");
    loop_field_is(l, M, "status.source", "git.example/team/app");
    fl_fake_git_set(w.git, TO, "heads/main", "z");
    fl_fake_git_set(w.git, TO, "heads/new", "z.y");
    fl_fake_git_head(w.git, TO, "heads/main");
    loop_patch(l, M, "{'spec':{'url':'" TO "'}}");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "DeletionBlocked",
                                          .words = {"names another repository than "
                                                    "git.example/team/app",
                                                    "1 ref has another history"}});
    expect_refs(DISK, "HEAD:heads/main heads/main=a heads/new=z.y heads/next=a.n tags/v1=a");
    loop_field_is(l, M, "status.source", "git.example/team/app");
    approve(l);
    loop_wait_ready(l, M, "2 refs");
    expect_refs(DISK, "HEAD:heads/main heads/main=z heads/new=z.y");
    loop_field_is(l, M, "status.source", "copy.example/app");
}

/* The status knew whose refs these are, and it is gone: with an object that was made anew, say. */
static void test_mirror__g1_repository_that_was_here_before_is_asked_for(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'guard':{'onForcePush':'Update'}");
    loop_delete(l, M);
    loop_wait_gone(l, M);
    loop_settle(l);
    set("heads/main", "z");
    set("heads/next", NULL);
    mirror(l, ",'guard':{'onForcePush':'Update'}");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "DeletionBlocked",
                                          .words = {"was here before the object", "1 refs would go",
                                                    "1 ref has another history"}});
    expect_refs(DISK, MIRRORED);
    loop_run(l, M, "again");
    expect_refs(DISK, MIRRORED);
    approve(l);
    loop_wait_ready(l, M, "2 refs");
    expect_refs(DISK, "HEAD:heads/main heads/main=z tags/v1=a");
}

/* A host that was renamed, and nothing else. */
static void test_mirror__g1_same_refs_elsewhere_are_not_asked_for(void **state)
{
    struct loop *l = *state;
    mirrored(l, "");
    fl_fake_git_set(w.git, TO, "heads/main", "a.b");
    fl_fake_git_set(w.git, TO, "heads/next", "a.n");
    fl_fake_git_set(w.git, TO, "tags/v1", "a");
    fl_fake_git_head(w.git, TO, "heads/main");
    loop_patch(l, M, "{'spec':{'url':'" TO "'}}");
    loop_wait_field(l, M, "status.source", "copy.example/app");
    loop_wait_ready(l, M, "3 refs of " TO);
}

/* What was written before is in the engine's cache when it has met an object that came later. */
static void see_patches(struct loop *l)
{
    loop_make(l, GM, "GitMirror", "n", "{'url':'" TOO "','suspend':true}");
    loop_wait_field(l, GM "/n", "status.observedGeneration", "1");
}

/* ---- what comes between ---- */

static void test_mirror__g1_spec_changed_during_a_fetch_is_heard_before_refs_move(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'push':[{'name':'to','url':'" TO "'}]");
    set("heads/main", "a.b");
    set("heads/next", NULL);
    fl_fake_git_hold(w.git, FL_FAKE_GIT_FETCH);
    loop_request(l, M, "r1");
    loop_wait(l, "the fetch is held", git_holds, NULL);
    loop_patch(l, M, "{'spec':{'suspend':true}}");
    see_patches(l);
    fl_fake_git_release(w.git);
    loop_wait_field(l, M, "status.observedGeneration", "2");
    expect_refs(DISK, MIRRORED);
    expect_refs(TO, "heads/main=a heads/next=a.n tags/v1=a");
    loop_patch(l, M, "{'spec':{'suspend':false,'prune':false}}");
    loop_wait_ready(l, M, "are mirrored");
    loop_settle(l);
    expect_refs(DISK, "HEAD:heads/main heads/main=a.b heads/next=a.n tags/v1=a");
}

/* What is held is said again when the write that said so was lost. */
static void test_mirror__g1_status_that_was_lost_is_written_again(void **state)
{
    struct loop *l = *state;
    mirrored(l, "");
    fl_fake_git_clear(w.git, URL);
    interval(l);
    wait_condition(l, "DeletionBlocked", "DeletionBlocked");
    loop_patch(l, M "/status", "{'status':{'held':null,'refsDigest':null,'conditions':[]}}");
    see_patches(l);
    interval(l);
    fl_auto_text nonce = loop_field(l, M, "status.held.nonce");
    assert_non_null(nonce);
    wait_condition(l, "DeletionBlocked", "DeletionBlocked");
}

static void test_mirror__g1_what_is_held_is_no_fault_where_nothing_would_be_done(void **state)
{
    struct loop *l = *state;
    mirrored(l, "");
    fl_fake_git_clear(w.git, URL);
    interval(l);
    wait_condition(l, "DeletionBlocked", "DeletionBlocked");
    loop_patch(l, M, "{'spec':{'mode':'Observe'}}");
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "True",
                                          .reason = "Planned",
                                          .words = {"3 moves would be made"}});
    wait_condition(l, "DeletionBlocked", NULL);
    set("heads/main", "a");
    set("heads/next", "a.n");
    set("tags/v1", "a");
    loop_run(l, M, "r1");
    loop_wait_ready(l, M, "nothing would be moved");
    loop_field_is(l, M, "status.held", NULL);
}

/* ---- what would only be refused again ---- */

static void test_mirror__g3_refused_fetch_is_not_repeated_for_the_same_refs(void **state)
{
    static const struct {
        const char *reason;
        enum fl_code code;
        const char *token; /* how it is asked for again; NULL: news at the remote */
    } rows[] = {
        {"FsckFailed", FL_E_BAD_DATA, NULL},
        {"PackTooBig", FL_E_TOO_BIG, "again"},
    };
    struct loop *l = *state;
    mirrored(l, "");
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_text held = fl_fake_git_text(w.git, DISK);
        set("heads/main", i == 0 ? "a.b" : "a.b.c.d");
        fail_call(FL_FAKE_GIT_FETCH, 1, rows[i].code, rows[i].reason);
        loop_run(l, M, rows[i].reason);
        loop_wait_says(l, &(struct loop_want){.path = M,
                                              .ready = "False",
                                              .reason = rows[i].reason,
                                              .words = {"as the test asked", "on request"}});
        size_t fetches = fl_fake_git_count(w.git, NULL, FL_FAKE_GIT_FETCH);
        for (int k = 0; k < 3; k++) {
            struct snapshot was = look(l);
            interval(l); /* by the interval, not by back-off */
            expect_quiet(l, "refused", was, 1, 0, false);
        }
        assert_int_equal(fl_fake_git_count(w.git, NULL, FL_FAKE_GIT_FETCH), fetches);
        expect_refs(DISK, held);
        if (rows[i].token) {
            loop_run(l, M, rows[i].token);
        } else {
            set("heads/main", "a.b.c");
            interval(l);
        }
        loop_wait_ready(l, M, "3 refs");
        wait_condition(l, "FetchFailed", NULL);
    }
}

#define mirror_test(f) cmocka_unit_test_setup_teardown(f, setup, loop_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        mirror_test(test_mirror__g1_emptied_remote_is_held_until_approved),
        mirror_test(test_mirror__g1_held_removals_let_the_rest_through_and_go_when_refs_are_back),
        mirror_test(test_mirror__g1_without_prune_nothing_goes),
        mirror_test(test_mirror__g2_force_push_is_followed_and_the_old_tip_kept),
        mirror_test(test_mirror__g2_force_push_just_followed),
        mirror_test(test_mirror__g2_blocked_force_push_waits_for_approval),
        mirror_test(test_mirror__g3_limits_stop_the_fetch),
        mirror_test(test_mirror__g1_slow_emptying_is_held_too),
        mirror_test(test_mirror__g1_a_day_later_the_count_begins_anew),
        mirror_test(test_mirror__g1_no_branch_or_no_default_branch_left_is_held),
        mirror_test(test_mirror__g1_head_stays_with_what_is_held),
        mirror_test(test_mirror__g1_another_repository_is_asked_for),
        mirror_test(test_mirror__g1_repository_that_was_here_before_is_asked_for),
        mirror_test(test_mirror__g1_same_refs_elsewhere_are_not_asked_for),
        mirror_test(test_mirror__g1_spec_changed_during_a_fetch_is_heard_before_refs_move),
        mirror_test(test_mirror__g1_status_that_was_lost_is_written_again),
        mirror_test(test_mirror__g1_what_is_held_is_no_fault_where_nothing_would_be_done),
        mirror_test(test_mirror__g3_refused_fetch_is_not_repeated_for_the_same_refs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
