/* SPDX-License-Identifier: Apache-2.0
 * The GitMirror's loop: what push targets may lose and when they are asked. That they follow:
 * test_loop_mirror.c. */
#include "contract/loop_mirror.h"

#define PUSH_TO "{'name':'to','url':'" TO "'}"
#define PUSH_TOO "{'name':'too','url':'" TOO "'}"
#define TARGET "heads/main=a heads/next=a.n tags/v1=a"

/* ---- short words ---- */

static void ready(struct loop *l, const char *word)
{
    loop_wait_ready(l, M, word);
    loop_settle(l);
}

static void approve(struct loop *l, size_t target)
{
    fl_auto(fl_json) j = loop_object(l, M);
    const struct fl_json *st = fl_json_at(fl_json_path(j, "status.push"), target);
    const char *nonce = fl_json_get_text(fl_json_get(st, "held"), "nonce");
    assert_non_null(nonce);
    fl_auto_text body =
        fl_asprintf("{'metadata':{'annotations':{'fairlead.dev/approve':'%s'}}}", nonce);
    loop_patch(l, M, body);
}

static void held_is(struct loop *l, size_t target, const char *member, const char *want)
{
    fl_auto(fl_json) j = loop_object(l, M);
    const struct fl_json *st = fl_json_at(fl_json_path(j, "status.push"), target);
    const struct fl_json *v = fl_json_get(fl_json_get(st, "held"), member);
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    if (v) {
        fl_json_write(v, &b);
    }
    if (!fl_text_eq(want, v ? b.data : NULL)) {
        fl_auto_text all = loop_get(l, M);
        fail_msg("held.%s is %s, wanted %s in %s", member, v ? b.data : "absent",
                 want ? want : "absent", all);
    }
}

static void wait_held(struct loop *l, const char *word, const char *other)
{
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "PushFailed",
                                          .words = {"push target 'to'", word, other}});
    wait_condition(l, "PushFailed", "DeletionBlocked");
    loop_settle(l);
}

/* So many branches, "b00" and on, each at "a". */
static void branches(const char *place, size_t from, size_t to, const char *commit)
{
    for (size_t i = from; i < to; i++) {
        fl_auto_text name = fl_asprintf("heads/b%02zu", i);
        fl_fake_git_set(w.git, place, name, commit);
    }
}

static size_t refs_at(const char *place)
{
    fl_auto_text text = fl_fake_git_text(w.git, place);
    size_t n = 0;
    for (const char *p = strchr(text, '='); p; p = strchr(p + 1, '=')) {
        n++;
    }
    return n;
}

static void fail_at(const char *place, enum fl_fake_git_call call, int times, enum fl_code code,
                    int64_t retry_after_ms)
{
    fl_fake_git_fail(w.git, &(struct fl_fake_git_fault){.place = place,
                                                        .call = call,
                                                        .times = times,
                                                        .code = code,
                                                        .reason = "ConnectFailed",
                                                        .message = "nobody answers",
                                                        .retry_after_ms = retry_after_ms});
}

static size_t lists(const char *place)
{
    return fl_fake_git_count(w.git, place, FL_FAKE_GIT_LIST) +
           fl_fake_git_count(w.git, place, FL_FAKE_GIT_LIST_TARGET);
}

static int64_t next_in_ms(struct loop *l)
{
    return loop_next_ms(l, "gitmirror") - fl_clock_mono_ms(l->clock);
}

/* The pass that is next by the clock, whenever that is. */
static void next_pass(struct loop *l)
{
    int64_t passes = loop_passes(l, "gitmirror");
    loop_advance(l, next_in_ms(l));
    loop_wait_passes(l, "gitmirror", passes);
    loop_settle(l);
}

/* ---- removals at targets ---- */

static void test_push__first_push_removes_nothing_unasked(void **state)
{
    struct loop *l = *state;
    fl_fake_git_set(w.git, TO, "heads/own", "x");
    set("heads/main", "a");
    set("heads/next", "a.n");
    set("tags/v1", "a");
    mirror(l, ",'push':[" PUSH_TO "," PUSH_TOO "]");
    wait_held(l, "1 of 4 refs there would go", "fairlead.dev/approve=");
    expect_refs(TO, "heads/main=a heads/next=a.n heads/own=x tags/v1=a");
    expect_refs(TOO, TARGET);
    held_is(l, 0, "deletions", "1");
    held_is(l, 0, "refs", "[\"refs/heads/own\"]");
    item_is(l, "push", 0, "followsSince", NULL);
    item_is(l, "push", 0, "digest", NULL);
    held_is(l, 1, "nonce", NULL);
    struct snapshot was = look(l);
    interval(l);
    expect_quiet(l, "held", was, 3, 0, false);
    loop_stop(l);
    loop_start(l);
    loop_settle(l);
    loop_run(l, M, "r");
    expect_refs(TO, "heads/main=a heads/next=a.n heads/own=x tags/v1=a");
    approve(l, 0);
    ready(l, "2 targets");
    expect_refs(TO, TARGET);
    held_is(l, 0, "nonce", NULL);
    fl_auto_text since = item_field(l, "push", 0, "followsSince");
    assert_non_null(since);
    wait_condition(l, "PushFailed", NULL);
    set("heads/next", NULL); /* from now on it follows */
    interval(l);
    ready(l, "2 targets");
    expect_refs(TO, "heads/main=a tags/v1=a");
}

static void test_push__target_with_much_of_its_own_keeps_it(void **state)
{
    struct loop *l = *state;
    branches(TO, 0, 99, "x");
    mirrored(l, "");
    loop_patch(l, M, "{'spec':{'push':[" PUSH_TO "]}}");
    wait_held(l, "99 of 102 refs there would go", NULL);
    assert_int_equal(refs_at(TO), 99 + 3);
    set("heads/more", "a");
    interval(l);
    loop_settle(l);
    assert_int_equal(refs_at(TO), 99 + 4);
    held_is(l, 0, "deletions", "99");
}

static void test_push__removals_beyond_the_guard_wait_at_each_target(void **state)
{
    struct loop *l = *state;
    branches(URL, 0, 40, "a");
    mirrored(l, ",'push':[" PUSH_TO "," PUSH_TOO "]");
    ready(l, "2 targets");
    branches(TO, 40, 60, "x"); /* somebody pushes there what the mirror does not have */
    set("heads/main", "a.b");
    interval(l);
    wait_held(l, "20 of 63 refs would go (limit 25 %)", "20 removals wait");
    assert_int_equal(refs_at(TO), 63);
    held_is(l, 0, "deletions", "20");
    fl_auto_text text = fl_fake_git_text(w.git, TO);
    assert_non_null(strstr(text, "heads/main=a.b"));
    branches(TO, 46, 60, NULL); /* fewer are left, and below the limit: still, they were held */
    interval(l);
    wait_held(l, "6 refs that were held before", NULL);
    assert_int_equal(refs_at(TO), 49);
    approve(l, 0);
    ready(l, "2 targets");
    assert_int_equal(refs_at(TO), 43);
}

/* One nonce is for one target and one set. */
static void test_push__approval_is_for_one_target_and_one_set(void **state)
{
    struct loop *l = *state;
    fl_fake_git_set(w.git, TO, "heads/own", "x");
    fl_fake_git_set(w.git, TOO, "heads/own", "x");
    mirror(l, ",'push':[" PUSH_TO "," PUSH_TOO "]");
    set("heads/main", "a");
    loop_run(l, M, "r0");
    wait_condition(l, "PushFailed", "DeletionBlocked");
    loop_settle(l);
    fl_fake_git_set(w.git, TO, "heads/other", "x");
    approve(l, 0);
    loop_settle(l);
    loop_run(l, M, "r1");
    expect_refs(TO, "heads/main=a heads/other=x heads/own=x");
    approve(l, 0);
    loop_settle(l);
    loop_run(l, M, "r2");
    expect_refs(TO, "heads/main=a");
    expect_refs(TOO, "heads/main=a heads/own=x");
    approve(l, 1);
    ready(l, "2 targets");
    expect_refs(TOO, "heads/main=a");
}

/* Until all of it has happened: a push that fails asks for nothing anew, and what the target did
 * not let go of is not taken for the mirror's. */
static void test_push__approval_holds_until_it_was_followed(void **state)
{
    struct loop *l = *state;
    fl_fake_git_set(w.git, TO, "heads/own", "x");
    set("heads/main", "a");
    mirror(l, ",'push':[" PUSH_TO "]");
    wait_held(l, "1 of 2 refs there would go", NULL);
    fail_at(TO, FL_FAKE_GIT_PUSH, 1, FL_E_UNAVAILABLE, -1);
    approve(l, 0);
    wait_condition(l, "PushFailed", "ConnectFailed");
    loop_settle(l);
    expect_refs(TO, "heads/main=a heads/own=x");
    fl_fake_git_setup(w.git, TO, &(struct fl_fake_git_conf){.reject = "refs/heads/own"});
    next_pass(l);
    wait_condition(l, "PushFailed", "PushRejected");
    loop_settle(l);
    item_is(l, "push", 0, "followsSince", NULL);
    next_pass(l); /* what the target refuses is not asked for again */
    wait_condition(l, "PushFailed", "PushRejected");
    fl_fake_git_set(w.git, TO, "heads/own", "x.y"); /* somebody works there */
    fl_fake_git_setup(w.git, TO, &(struct fl_fake_git_conf){0});
    next_pass(l);
    wait_held(l, "1 of 2 refs there would go", NULL);
    expect_refs(TO, "heads/main=a heads/own=x.y");
    approve(l, 0);
    ready(l, "1 targets");
    expect_refs(TO, "heads/main=a");
}

static void test_push__another_url_is_another_target(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'push':[" PUSH_TO "]");
    ready(l, "1 targets");
    item_is(l, "push", 0, "url", TO);
    fl_fake_git_set(w.git, TOO, "heads/own", "x");
    loop_patch(l, M, "{'spec':{'push':[{'name':'to','url':'" TOO "'}]}}");
    wait_held(l, "1 of 4 refs there would go", NULL);
    expect_refs(TOO, "heads/main=a heads/next=a.n heads/own=x tags/v1=a");
    item_is(l, "push", 0, "url", TOO);
}

/* What a target was not asked about before is its own. */
static void test_push__wider_patterns_remove_nothing_unasked(void **state)
{
    struct loop *l = *state;
    fl_fake_git_set(w.git, TO, "heads/own", "x");
    mirrored(l, ",'push':[{'name':'to','url':'" TO "','refs':{'include':['refs/heads/main']}}]");
    ready(l, "1 targets");
    expect_refs(TO, "heads/main=a heads/own=x");
    fail_at(TO, FL_FAKE_GIT_LIST_TARGET, 1, FL_E_UNAVAILABLE, -1);
    loop_patch(l, M, "{'spec':{'push':[" PUSH_TO "]}}");
    wait_condition(l, "PushFailed", "ConnectFailed");
    loop_settle(l);
    next_pass(l);
    wait_held(l, "1 of 4 refs there would go", "not by this spec");
    expect_refs(TO, "heads/main=a heads/next=a.n heads/own=x tags/v1=a");
}

/* What the source has lost the mirror holds; then the mirror's folder is lost, and cloned anew
 * from the source: what only the targets have now stays. */
static void test_push__targets_keep_what_a_lost_mirror_held(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'push':[" PUSH_TO "," PUSH_TOO "],'guard':{'maxDeletes':0}");
    ready(l, "2 targets");
    set("heads/next", NULL);
    interval(l);
    loop_wait_says(l,
                   &(struct loop_want){.path = M, .ready = "False", .reason = "DeletionBlocked"});
    loop_patch(l, M, "{'spec':{'guard':null}}");
    loop_settle(l);
    fail_at(TOO, FL_FAKE_GIT_LIST_TARGET, -1, FL_E_UNAVAILABLE, -1); /* not seen meanwhile */
    fl_fake_git_clear(w.git, DISK);
    loop_run(l, M, "r");
    wait_condition(l, "DeletionBlocked", NULL);
    expect_refs(DISK, "HEAD:heads/main heads/main=a tags/v1=a");
    expect_refs(TO, TARGET);
    held_is(l, 0, "deletions", "1");
    fl_fake_git_heal(w.git);
    loop_stop(l);
    loop_start(l);
    loop_settle(l);
    loop_run(l, M, "r2");
    expect_refs(TO, TARGET);
    expect_refs(TOO, TARGET);
    held_is(l, 1, "deletions", "1");
    approve(l, 0);
    loop_settle(l);
    loop_run(l, M, "r3");
    expect_refs(TO, "heads/main=a tags/v1=a");
    expect_refs(TOO, TARGET);
}

/* They wait for the mirror, and then go by themselves. */
static void test_push__nothing_is_removed_while_the_mirror_holds_something(void **state)
{
    struct loop *l = *state;
    branches(URL, 0, 10, "a");
    mirrored(l, ",'push':[" PUSH_TO "]");
    ready(l, "1 targets");
    branches(URL, 0, 10, NULL);
    fl_fake_git_set(w.git, TO, "heads/stray", "x");
    interval(l);
    loop_wait_says(l,
                   &(struct loop_want){.path = M, .ready = "False", .reason = "DeletionBlocked"});
    loop_settle(l);
    assert_int_equal(refs_at(TO), 14);
    held_is(l, 0, "deletions", "1");
    held_is(l, 0, "nonce", NULL);
    branches(URL, 0, 10, "a");
    interval(l);
    ready(l, "1 targets");
    assert_int_equal(refs_at(TO), 13);
}

/* A new ref whose place a held one has waits with it. */
static void test_push__held_ref_keeps_its_place(void **state)
{
    struct loop *l = *state;
    fl_fake_git_set(w.git, TO, "heads/main/own", "x");
    mirrored(l, "");
    loop_patch(l, M, "{'spec':{'push':[" PUSH_TO "]}}");
    wait_held(l, "1 removals wait", NULL);
    expect_refs(TO, "heads/main/own=x heads/next=a.n tags/v1=a");
    held_is(l, 0, "refs", "[\"refs/heads/main\",\"refs/heads/main/own\"]");
}

/* ---- the source is away ---- */

static void test_push__what_the_disk_has_is_pushed_while_the_source_is_away(void **state)
{
    static const struct {
        const char *name;
        enum fl_fake_git_call call;
        enum fl_code code;
    } rows[] = {
        {"not listed", FL_FAKE_GIT_LIST, FL_E_UNAVAILABLE},
        {"refused", FL_FAKE_GIT_LIST, FL_E_AUTH},
        {"not fetched", FL_FAKE_GIT_FETCH, FL_E_UNAVAILABLE},
    };
    struct loop *l = *state;
    mirrored(l, "");
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        print_message("%s\n", rows[i].name);
        fl_fake_git_clear(w.git, TO);
        fl_fake_git_set(w.git, TO, "heads/own", "x");
        set("heads/main", "a.b");
        fail_at(URL, rows[i].call, -1, rows[i].code, -1);
        loop_patch(l, M, "{'spec':{'push':[" PUSH_TO "]}}");
        wait_condition(l, rows[i].call == FL_FAKE_GIT_LIST ? "PollFailed" : "FetchFailed",
                       "ConnectFailed");
        wait_count(l, TO, FL_FAKE_GIT_PUSH, i + 1);
        loop_settle(l);
        expect_refs(TO, "heads/main=a heads/next=a.n heads/own=x tags/v1=a");
        item_is(l, "push", 0, "updated", "3");
        item_is(l, "push", 0, "followsSince", NULL);
        fl_fake_git_heal(w.git);
        set("heads/main", "a");
        loop_patch(l, M, "{'spec':{'push':null}}");
        loop_run(l, M, rows[i].name);
        ready(l, "are mirrored");
    }
}

/* What is not fetched again is no reason to wait for a target that comes back. */
static void test_push__target_is_reached_while_the_sources_refs_are_refused(void **state)
{
    struct loop *l = *state;
    mirrored(l, "");
    set("heads/main", "a.b");
    fail_call(FL_FAKE_GIT_FETCH, -1, FL_E_BAD_DATA, "FsckFailed");
    fail_at(TO, FL_FAKE_GIT_LIST_TARGET, 1, FL_E_UNAVAILABLE, -1);
    loop_patch(l, M, "{'spec':{'push':[" PUSH_TO "]}}");
    wait_condition(l, "FetchFailed", "FsckFailed");
    loop_settle(l);
    expect_refs(TO, "");
    size_t fetches = fl_fake_git_count(w.git, URL, FL_FAKE_GIT_FETCH);
    interval(l);
    expect_refs(TO, TARGET);
    assert_int_equal(fl_fake_git_count(w.git, URL, FL_FAKE_GIT_FETCH), fetches);
    wait_condition(l, "PushFailed", NULL);
}

/* Nor is a mirror made that was never fetched, or is lost. */
static void test_push__there_is_nothing_to_push_before_the_first_fetch(void **state)
{
    struct loop *l = *state;
    fail_at(URL, FL_FAKE_GIT_LIST, -1, FL_E_UNAVAILABLE, -1);
    mirror(l, ",'push':[" PUSH_TO "]");
    wait_condition(l, "PollFailed", "ConnectFailed");
    loop_settle(l);
    assert_false(fl_fake_git_exists(w.git, DISK));
    assert_int_equal(lists(TO), 0);
}

/* Not what a target has of its own either, though it followed; what was said of it is. */
/* A disk from a backup: what targets have and the mirror lacks is perhaps the newest there is. */
static void test_push__nothing_is_rewound_while_the_source_is_away(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'push':[" PUSH_TO "]");
    ready(l, "1 targets");
    fl_fake_git_set(w.git, TO, "heads/main", "a.newer");
    fl_fake_git_set(w.git, TO, "heads/next", NULL);
    fail_at(URL, FL_FAKE_GIT_LIST, -1, FL_E_UNAVAILABLE, -1);
    loop_run(l, M, "r");
    wait_condition(l, "PollFailed", "ConnectFailed");
    expect_refs(TO, "heads/main=a.newer heads/next=a.n tags/v1=a");
    fl_fake_git_heal(w.git);
    loop_run(l, M, "r2");
    ready(l, "1 targets");
    expect_refs(TO, TARGET);
}

static void test_push__nothing_is_removed_while_the_source_is_away(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'push':[" PUSH_TO "],'guard':{'maxDeletes':0}");
    ready(l, "1 targets");
    fail_at(URL, FL_FAKE_GIT_LIST, -1, FL_E_UNAVAILABLE, -1);
    fl_fake_git_set(w.git, TO, "heads/stray", "x");
    loop_run(l, M, "r");
    expect_refs(TO, "heads/main=a heads/next=a.n heads/stray=x tags/v1=a");
    held_is(l, 0, "deletions", NULL);
    wait_condition(l, "PushFailed", NULL);
    fl_fake_git_heal(w.git);
    loop_run(l, M, "r2");
    wait_held(l, "1 refs would go (limit 0)", NULL);
    fail_at(URL, FL_FAKE_GIT_LIST, -1, FL_E_UNAVAILABLE, -1);
    next_pass(l);
    wait_condition(l, "PollFailed", "ConnectFailed");
    loop_settle(l);
    wait_condition(l, "PushFailed", "DeletionBlocked");
    struct snapshot was = look(l);
    approve(l, 0); /* heard when the source is back */
    loop_run(l, M, "r3");
    assert_int_equal(look(l).events, was.events);
    wait_condition(l, "PushFailed", "DeletionBlocked");
    expect_refs(TO, "heads/main=a heads/next=a.n heads/stray=x tags/v1=a");
    fl_fake_git_heal(w.git);
    loop_run(l, M, "r4");
    ready(l, "1 targets");
    expect_refs(TO, TARGET);
}

/* The source is tried with short pauses; a target that has all is not listed each time. */
static void test_push__targets_are_left_alone_while_the_source_is_tried(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'push':[" PUSH_TO "]");
    ready(l, "1 targets");
    fail_at(URL, FL_FAKE_GIT_LIST, -1, FL_E_UNAVAILABLE, -1);
    size_t before = lists(TO);
    for (int i = 0; i < 6; i++) {
        next_pass(l);
    }
    assert_true(lists(TO) <= before + 1); /* five minutes after it was looked at */
}

/* ---- a target's trouble ---- */

static void test_push__target_that_is_down_does_not_delay_the_source(void **state)
{
    static const struct {
        const char *name;
        enum fl_code code;
        int64_t retry_after_ms;
        size_t asked; /* within half an hour, at least .. at most */
        size_t most;
    } rows[] = {
        {"down", FL_E_UNAVAILABLE, -1, 5, 16},
        {"come back in an hour", FL_E_LIMITED, 3600000, 1, 1},
    };
    struct loop *l = *state;
    mirrored(l, ",'push':[" PUSH_TO "," PUSH_TOO "]");
    ready(l, "2 targets");
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        size_t asked = lists(TO);
        int64_t from = fl_clock_mono_ms(l->clock);
        int64_t seen = from;
        fail_at(TO, FL_FAKE_GIT_LIST_TARGET, -1, rows[i].code, rows[i].retry_after_ms);
        while (fl_clock_mono_ms(l->clock) - from < 30 * MINUTE_MS) {
            size_t sources = lists(URL);
            next_pass(l);
            assert_true(lists(URL) > sources);
            assert_true(fl_clock_mono_ms(l->clock) - seen <= 6 * MINUTE_MS);
            seen = fl_clock_mono_ms(l->clock);
        }
        loop_wait_says(l, &(struct loop_want){.path = M,
                                              .ready = "False",
                                              .reason = "PushFailed",
                                              .words = {"push target 'to'", "nobody answers"},
                                              .reconciling = "ProgressingWithRetry"});
        asked = lists(TO) - asked;
        if (asked < rows[i].asked || asked > rows[i].most) {
            fail_msg("%s: asked %zu times", rows[i].name, asked);
        }
        fl_auto_text commit = fl_asprintf("a.%zu", i);
        set("heads/main", commit); /* the other one goes on */
        fl_auto_text want = fl_asprintf("heads/main=%s heads/next=a.n tags/v1=a", commit);
        interval(l);
        expect_refs(TOO, want);
        struct snapshot was = look(l);
        fl_fake_git_heal(w.git);
        if (rows[i].retry_after_ms > 0) {
            interval(l);
            expect_quiet(l, "nothing is said anew while it is waited for", was, 2, 0, false);
            l->skip = true;
            ready(l, "2 targets");
            assert_true(fl_clock_mono_ms(l->clock) - from >= rows[i].retry_after_ms);
            l->skip = false;
        } else {
            loop_run(l, M, "now"); /* who asks does not wait */
            ready(l, "2 targets");
        }
        expect_refs(TO, want);
    }
}

/* ---- large files ---- */

static void test_push__large_files_are_said_not_to_be_pushed(void **state)
{
    struct loop *l = *state;
    fl_fake_git_lfs(w.git, DISK, true);
    mirrored(l, ",'lfs':'Fetch'");
    wait_condition(l, "LFSIncomplete", NULL);
    loop_patch(l, M, "{'spec':{'push':[" PUSH_TO "]}}");
    ready(l, "1 targets");
    wait_condition(l, "LFSIncomplete", "LFSNotPushed");
    loop_settle(l);
    struct snapshot was = look(l);
    interval(l);
    expect_quiet(l, "said once", was, 2, 0, false);
    size_t fetches = fl_fake_git_count(w.git, NULL, FL_FAKE_GIT_FETCH_LFS);
    loop_run(l, M, "r");
    assert_int_equal(fl_fake_git_count(w.git, NULL, FL_FAKE_GIT_FETCH_LFS), fetches);
    loop_patch(l, M, "{'spec':{'push':null}}");
    wait_condition(l, "LFSIncomplete", NULL);
}

#define push_test(f) cmocka_unit_test_setup_teardown(f, setup, loop_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        push_test(test_push__first_push_removes_nothing_unasked),
        push_test(test_push__target_with_much_of_its_own_keeps_it),
        push_test(test_push__removals_beyond_the_guard_wait_at_each_target),
        push_test(test_push__approval_is_for_one_target_and_one_set),
        push_test(test_push__approval_holds_until_it_was_followed),
        push_test(test_push__another_url_is_another_target),
        push_test(test_push__wider_patterns_remove_nothing_unasked),
        push_test(test_push__targets_keep_what_a_lost_mirror_held),
        push_test(test_push__nothing_is_removed_while_the_mirror_holds_something),
        push_test(test_push__held_ref_keeps_its_place),
        push_test(test_push__what_the_disk_has_is_pushed_while_the_source_is_away),
        push_test(test_push__target_is_reached_while_the_sources_refs_are_refused),
        push_test(test_push__there_is_nothing_to_push_before_the_first_fetch),
        push_test(test_push__nothing_is_rewound_while_the_source_is_away),
        push_test(test_push__nothing_is_removed_while_the_source_is_away),
        push_test(test_push__targets_are_left_alone_while_the_source_is_tried),
        push_test(test_push__target_that_is_down_does_not_delay_the_source),
        push_test(test_push__large_files_are_said_not_to_be_pushed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
