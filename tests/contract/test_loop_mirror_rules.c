/* SPDX-License-Identifier: Apache-2.0
 * Rules of reference git-and-pipelines.md 4.1 and 4.2 that show in the GitMirror's loop alone: what
 * makes a mirror look, how long it may take, what it takes. The remotes are in memory, time is the
 * test's. The rest of the rules: the table in tests/README.md. */
#include "contract/loop.h"

#include "api/scheme.h"
#include "hook/receiver.h"
#include "wire/file.h"

#define GM LOOP_NS "gitmirrors"
#define M GM "/m"
#define URL "https://git.example/team/app.git"
#define OTHER "https://git.example/team/other.git"
#define DISK "/mirrors/default/m.git"
#define MINUTE_MS INT64_C(60000)

/* ---- short words ---- */

static void mirror(struct loop *l, const char *more)
{
    fl_auto_text spec = fl_asprintf("{'url':'" URL "'%s}", more);
    loop_make(l, GM, "GitMirror", "m", spec);
}

/* A remote with main, next and a tag, and its mirror, Ready. */
static void mirrored(struct loop *l, const char *more)
{
    fl_fake_git_set(l->git, URL, "heads/main", "a");
    fl_fake_git_set(l->git, URL, "heads/next", "a.n");
    fl_fake_git_set(l->git, URL, "tags/v1", "a");
    mirror(l, more);
    loop_wait_ready(l, M, "are mirrored");
    loop_settle(l);
}

static void push(struct loop *l, const char *ref, const char *commit)
{
    fl_fake_git_set(l->git, URL, ref, commit);
}

static void expect_refs(struct loop *l, const char *want)
{
    fl_auto_text text = fl_fake_git_text(l->git, DISK);
    if (strcmp(text, want) != 0) {
        fail_msg("the mirror has '%s', wanted '%s'", text, want);
    }
}

static void wake(struct loop *l)
{
    assert_true(fl_engine_wake(l->engine, &fl_kind_git_mirror, FL_STR("default"), FL_STR("m"),
                               FL_WAKE_HOOK, "delivery", 2000, 30000));
}

static size_t lists(struct loop *l)
{
    return fl_fake_git_count(l->git, URL, FL_FAKE_GIT_LIST);
}

static bool listed(struct loop *l, const void *arg, struct fl_buf *why)
{
    const size_t *want = arg;
    fl_buf_fmt(why, "%zu lists", lists(l));
    return lists(l) >= *want;
}

static void wait_lists(struct loop *l, size_t n)
{
    loop_wait(l, "the remote is listed", listed, &n);
    loop_settle(l);
}

static bool git_holds(struct loop *l, const void *arg, struct fl_buf *why)
{
    (void)arg;
    fl_buf_text(why, "nothing waits");
    return fl_fake_git_held(l->git) > 0;
}

/* What the test has written has arrived in the cache. */
static bool engine_knows(struct loop *l, const void *arg, struct fl_buf *why)
{
    (void)arg;
    fl_auto_text version = loop_field(l, M, "metadata.resourceVersion");
    fl_auto(fl_obj) o =
        fl_cache_get(l->engine->cache, &fl_kind_git_mirror, FL_STR("default"), FL_STR("m"));
    fl_buf_fmt(why, "it has %.*s, the API %s", o ? (int)o->rv.n : 0, o ? o->rv.p : "", version);
    return o && fl_str_is(o->rv, version);
}

static void hold_a_fetch(struct loop *l)
{
    fl_fake_git_hold(l->git, FL_FAKE_GIT_FETCH);
    loop_request(l, M, "held");
    loop_wait(l, "the fetch is held", git_holds, NULL);
}

static int64_t left(struct loop *l)
{
    int64_t next = loop_next_ms(l, "gitmirror");
    return next == FL_NEVER ? FL_NEVER : next - fl_clock_mono_ms(l->clock);
}

/* ---- 4.1: the interval ---- */

static void test_mirror__r2_off_by_the_clock_still_looks_when_told(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'interval':'0'");
    size_t before = lists(l);
    loop_advance(l, 1000 * HOUR_MS);
    loop_settle(l);
    assert_int_equal(lists(l), before);
    push(l, "heads/main", "a.b");
    wake(l);
    loop_advance(l, 2000);
    wait_lists(l, before + 1);
    loop_wait_field(l, M, "status.lastFetch.trigger", "Webhook");
    push(l, "heads/main", "a.b.c");
    loop_run(l, M, "by hand");
    loop_field_is(l, M, "status.lastFetch.trigger", "Manual");
    expect_refs(l, "heads/main=a.b.c heads/next=a.n tags/v1=a");
}

/* The API is stricter than R3 to R5, as R6 allows: what the flag would replace by 5m is refused
 * here, where somebody reads the words. */
static void test_mirror__r6_its_own_interval_before_the_servers(void **state)
{
    static const struct {
        const char *name, *interval; /* NULL: left out */
        int status;
        int64_t low_ms, high_ms; /* the next pass; low FL_NEVER: none */
    } rows[] = {
        {"the server's", NULL, 200, 285000, 315000},
        {"its own", "1h30m", 200, 5130000, 5670000},
        {"a fraction", "1.5h", 200, 5130000, 5670000},
        {"0 passes", "0", 200, FL_NEVER, FL_NEVER},
        {"words", "often", 422, 0, 0},
        {"no unit", "60", 422, 0, 0},
        {"negative", "-5m", 422, 0, 0},
        {"blanks around", " 5m ", 422, 0, 0},
        {"too short", "10ms", 422, 0, 0},
        {"rounded to nothing", "1us", 422, 0, 0},
        {"nothing", "", 422, 0, 0},
    };
    struct loop *l = *state;
    mirrored(l, ",'interval':'7m'");
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_text value = rows[i].interval ? fl_asprintf("'%s'", rows[i].interval) : NULL;
        fl_auto_text body = fl_asprintf("{'spec':{'interval':%s}}", value ? value : "null");
        int status = 0;
        fl_auto_text said = loop_ask(l, "PATCH", M, "application/merge-patch+json", body, &status);
        if (status != rows[i].status) {
            fail_msg("%s: status %d: %s", rows[i].name, status, said);
        }
        if (status != 200) {
            continue;
        }
        fl_auto_text generation = loop_field(l, M, "metadata.generation");
        loop_wait_field(l, M, "status.observedGeneration", generation);
        loop_settle(l);
        int64_t ms = left(l);
        if (rows[i].low_ms == FL_NEVER ? ms != FL_NEVER
                                       : ms < rows[i].low_ms || ms > rows[i].high_ms) {
            fail_msg("%s: the next pass is in %lld ms", rows[i].name, (long long)ms);
        }
    }
}

/* Hosts tell of branches and tags alone, and never a second time. */
static void test_mirror__r7_the_clock_finds_what_no_delivery_told(void **state)
{
    struct loop *l = *state;
    loop_secret(l, "hook", "{'token':'first'}");
    mirrored(l, ",'interval':'10m','refs':{'include':['refs/**']},"
                "'webhook':{'type':'github','secretRef':{'name':'hook'}}");
    size_t before = lists(l);
    push(l, "heads/main", "a.b");  /* its delivery is lost */
    push(l, "notes/commits", "n"); /* there never is one */
    loop_settle(l);
    assert_int_equal(lists(l), before);
    loop_advance(l, 11 * MINUTE_MS);
    wait_lists(l, before + 1);
    loop_field_is(l, M, "status.lastFetch.trigger", "Interval");
    expect_refs(l, "heads/main=a.b heads/next=a.n notes/commits=n tags/v1=a");
    fl_auto_val(fl_buf) page = FL_BUF_INIT((size_t)1 << 20);
    struct fl_err err = FL_ERR_INIT;
    assert_int_equal(
        fl_file_read(FL_SOURCE_DIR "/api/v1alpha1/git_mirror.md", (size_t)1 << 20, &page, &err), 0);
    assert_non_null(strstr(page.data, "Keep the interval too"));
}

static void test_mirror__r8_intervals_vary_by_five_percent(void **state)
{
    struct loop *l = *state;
    int64_t least = INT64_MAX;
    int64_t most = 0;
    mirrored(l, ",'interval':'100m'");
    for (int i = 0; i < 40; i++) {
        int64_t ms = left(l);
        size_t before = lists(l);
        assert_in_range(ms, 95 * MINUTE_MS, 105 * MINUTE_MS);
        least = ms < least ? ms : least;
        most = ms > most ? ms : most;
        loop_advance(l, ms);
        wait_lists(l, before + 1);
    }
    assert_true(most - least > 2 * MINUTE_MS); /* of 10; by chance less: once in 10^26 */
}

/* ---- 4.2: one unit of work ---- */

/* There is no kind for a checkout: a folder that is not a mirror of ours is left as it is. */
static void test_mirror__r10_a_folder_that_is_not_ours_is_not_fetched_into(void **state)
{
    struct loop *l = *state;
    push(l, "heads/main", "a");
    fl_fake_git_fail(l->git, &(struct fl_fake_git_fault){.place = DISK,
                                                         .call = FL_FAKE_GIT_OPEN,
                                                         .times = -1,
                                                         .code = FL_E_INVALID,
                                                         .reason = "RepositoryForeign",
                                                         .message = "somebody's checkout",
                                                         .retry_after_ms = -1});
    mirror(l, "");
    const struct loop_want foreign = {
        .path = M, .ready = "False", .reason = "RepositoryForeign", .stalled = "RepositoryForeign"};
    loop_wait_says(l, &foreign);
    loop_request(l, M, "by hand");
    loop_wait_field(l, M, "status.lastHandledRequest", "by hand");
    loop_settle(l);
    loop_wait_says(l, &foreign);
    assert_int_equal(fl_fake_git_processes(l->git), 0);
    assert_false(fl_fake_git_exists(l->git, DISK));
}

static void test_mirror__r11_public_ones_go_on_without_credentials(void **state)
{
    static const struct fl_fake_git_conf locked = {.user = "robot", .password = "correct-horse"};
    struct loop *l = *state;
    fl_fake_git_setup(l->git, OTHER, &locked);
    loop_make(l, GM, "GitMirror", "p", "{'url':'" OTHER "','secretRef':{'name':'s'}}");
    loop_wait_says(l, &(struct loop_want){.path = GM "/p",
                                          .ready = "False",
                                          .reason = "SecretNotFound",
                                          .stalled = "SecretNotFound"});
    mirrored(l, ",'interval':'1m'");
    size_t before = lists(l);
    push(l, "heads/main", "a.b");
    loop_advance(l, 2 * MINUTE_MS);
    wait_lists(l, before + 1);
    expect_refs(l, "heads/main=a.b heads/next=a.n tags/v1=a");
    assert_int_equal(fl_fake_git_count(l->git, OTHER, FL_FAKE_GIT_LIST), 0);
}

static void test_mirror__r12_clock_webhook_and_request_never_meet(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'interval':'1m','timeout':'1h'");
    push(l, "heads/main", "a.b");
    hold_a_fetch(l);
    size_t before = lists(l);
    size_t fetches = fl_fake_git_count(l->git, URL, FL_FAKE_GIT_FETCH);
    for (int i = 0; i < 5; i++) {
        wake(l);
        loop_advance(l, 2 * MINUTE_MS); /* intervals pass too */
        fl_auto_text token = fl_asprintf("by hand %d", i);
        loop_request(l, M, token);
    }
    loop_wait(l, "the engine knows of all that", engine_knows, NULL);
    assert_int_equal(fl_fake_git_held(l->git), 1);
    assert_int_equal(lists(l), before);
    assert_int_equal(fl_fake_git_count(l->git, URL, FL_FAKE_GIT_FETCH), fetches);
    fl_fake_git_release(l->git);
    wait_lists(l, before + 1);
    loop_wait_field(l, M, "status.lastHandledRequest", "by hand 4");
    loop_settle(l);
    assert_int_equal(lists(l), before + 1);
    assert_int_equal(fl_fake_git_count(l->git, URL, FL_FAKE_GIT_FETCH), fetches);
}

static void test_mirror__r13_pushed_to_without_end_it_looks_each_half_minute(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'interval':'0'");
    size_t before = lists(l);
    for (int second = 0; second < 30; second++) {
        wake(l);
        loop_settle(l);
        assert_int_equal(lists(l), before);
        loop_advance(l, 1000);
    }
    wait_lists(l, before + 1);
    for (int second = 0; second < 10; second++) { /* and then again */
        wake(l);
        loop_advance(l, 1000);
    }
    loop_settle(l);
    assert_int_equal(lists(l), before + 1);
    loop_advance(l, 1000);
    wait_lists(l, before + 2);
}

/* The deadline of what a webhook began is spec.timeout; who delivered was answered long before. */
static void test_mirror__r14_a_fetch_ends_by_its_own_deadline(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'interval':'0','timeout':'3m'");
    push(l, "heads/main", "a.b");
    fl_fake_git_hold(l->git, FL_FAKE_GIT_FETCH);
    wake(l);
    loop_advance(l, 2000);
    loop_wait(l, "the fetch is held", git_holds, NULL);
    loop_advance(l, 3 * MINUTE_MS - 1);
    assert_int_equal(fl_fake_git_held(l->git), 1);
    loop_advance(l, 1);
    loop_wait_says(l, &(struct loop_want){.path = M,
                                          .ready = "False",
                                          .reason = "Timeout",
                                          .reconciling = "ProgressingWithRetry"});
    assert_int_equal(fl_fake_git_held(l->git), 0);
    expect_refs(l, "heads/main=a heads/next=a.n tags/v1=a");
}

/* "All" is written as a pattern: refs/<two stars>. What is ours is never taken. */
static void test_mirror__r15_branches_and_tags_unless_told_otherwise(void **state)
{
    struct loop *l = *state;
    push(l, "pull/1/head", "p");
    push(l, "notes/commits", "n");
    push(l, "fairlead/kept/1/heads/x", "x");
    mirrored(l, "");
    expect_refs(l, "heads/main=a heads/next=a.n tags/v1=a");
    push(l, "heads/next", NULL);
    loop_run(l, M, "prune");
    expect_refs(l, "heads/main=a tags/v1=a");
    loop_patch(l, M, "{'spec':{'refs':{'include':['refs/**']}}}");
    loop_wait_field(l, M, "status.refCount", "4");
    expect_refs(l, "heads/main=a notes/commits=n pull/1/head=p tags/v1=a");
    loop_patch(l, M, "{'spec':{'refs':null}}");
    loop_wait_field(l, M, "status.refCount", "2");
    expect_refs(l, "heads/main=a tags/v1=a");
}

/* ---- 4.3: deliveries ---- */

static void delivered(void *arg, const struct fl_kind *kind, struct fl_str ns, struct fl_str name,
                      const char *delivery)
{
    struct loop *l = arg;
    assert_true(
        fl_engine_wake(l->engine, kind, ns, name, FL_WAKE_HOOK, delivery, 0, 0)); /* at once */
}

/* The receiver and the engine as they are in the program: with a fetch that never ends, deliveries
 * are answered all the same. How fast: e2e/e2e_mirror_rules.sh and hack/bench mirror. */
static void test_mirror__r24_a_delivery_is_answered_while_git_works(void **state)
{
    struct loop *l = *state;
    mirrored(l, ",'interval':'0'");
    push(l, "heads/main", "a.b");
    char path[FL_HOOK_PATH];
    fl_auto_val(fl_secret) secret = {NULL, 0};
    fl_secret_set(&secret, FL_STR("token"));
    struct fl_hooks *hooks = fl_hooks_new(&(struct fl_hooks_conf){
        .clock = l->clock, .metrics = l->metrics, .wake = delivered, .wake_arg = l});
    const struct fl_hook_route route = {.kind = &fl_kind_git_mirror,
                                        .ns = FL_STR("default"),
                                        .name = FL_STR("m"),
                                        .type = FL_HOOK_GITLAB,
                                        .secret = &secret};
    fl_hooks_ops.put(hooks, &route, path);
    static const struct fl_header headers[] = {{"X-Gitlab-Token", "token"},
                                               {"X-Gitlab-Event", "Push Hook"}};
    fl_fake_git_hold(l->git, FL_FAKE_GIT_FETCH);
    for (int i = 0; i < 20; i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_request req = {.method = "POST",
                                 .path = fl_str_of(path),
                                 .headers = headers,
                                 .n_headers = FL_LEN(headers),
                                 .body = FL_STR("{}"),
                                 .peer = "192.0.2.1",
                                 .arena = a};
        struct fl_response res;
        fl_response_init(&res, FL_BUF_ANY);
        fl_hooks_serve(hooks, &req, &res);
        assert_int_equal(res.status, 202);
        fl_response_release(&res);
        if (i == 0) {
            loop_wait(l, "the fetch is held", git_holds, NULL);
        }
    }
    assert_int_equal(fl_fake_git_held(l->git), 1);
    fl_fake_git_release(l->git);
    loop_wait_field(l, M, "status.lastFetch.trigger", "Webhook");
    loop_settle(l);
    expect_refs(l, "heads/main=a.b heads/next=a.n tags/v1=a");
    fl_hooks_free(hooks);
}

#define rule(f) cmocka_unit_test_setup_teardown(f, loop_setup, loop_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        rule(test_mirror__r2_off_by_the_clock_still_looks_when_told),
        rule(test_mirror__r6_its_own_interval_before_the_servers),
        rule(test_mirror__r7_the_clock_finds_what_no_delivery_told),
        rule(test_mirror__r8_intervals_vary_by_five_percent),
        rule(test_mirror__r10_a_folder_that_is_not_ours_is_not_fetched_into),
        rule(test_mirror__r11_public_ones_go_on_without_credentials),
        rule(test_mirror__r12_clock_webhook_and_request_never_meet),
        rule(test_mirror__r13_pushed_to_without_end_it_looks_each_half_minute),
        rule(test_mirror__r14_a_fetch_ends_by_its_own_deadline),
        rule(test_mirror__r15_branches_and_tags_unless_told_otherwise),
        rule(test_mirror__r24_a_delivery_is_answered_while_git_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
