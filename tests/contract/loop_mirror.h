/* SPDX-License-Identifier: Apache-2.0
 * Shared by the suites of the GitMirror's loop as a whole: engine and embedded API as in the
 * program, remotes and repositories in memory behind the ports. Requests, processes and writes are
 * counted. */
#ifndef FL_TEST_LOOP_MIRROR_H
#define FL_TEST_LOOP_MIRROR_H

#include "contract/loop.h"

#include "api/scheme.h"

#define GM LOOP_NS "gitmirrors"
#define M GM "/m"
#define URL "https://git.example/team/app.git"
#define TO "https://copy.example/app.git"
#define TOO "https://other.example/app.git"
#define DISK "/mirrors/default/m.git"
#define MINUTE_MS INT64_C(60000)

static struct { /* the loop's, for short words */
    struct fl_fake_git *git;
} w;

static fl_unused int setup(void **state)
{
    int r = loop_setup(state);
    w.git = r == 0 ? ((struct loop *)*state)->git : NULL;
    return r;
}

/* ---- short words ---- */

static fl_unused void mirror(struct loop *l, const char *more)
{
    fl_auto_text spec = fl_asprintf("{'url':'" URL "'%s}", more);
    loop_make(l, GM, "GitMirror", "m", spec);
}

/* A remote with main, next and a tag, and its mirror, Ready. */
static fl_unused void mirrored(struct loop *l, const char *more)
{
    fl_fake_git_set(w.git, URL, "heads/main", "a");
    fl_fake_git_set(w.git, URL, "heads/next", "a.n");
    fl_fake_git_set(w.git, URL, "tags/v1", "a");
    fl_fake_git_head(w.git, URL, "heads/main");
    mirror(l, more);
    loop_wait_ready(l, M, "are mirrored");
    loop_settle(l);
}

#define MIRRORED "HEAD:heads/main heads/main=a heads/next=a.n tags/v1=a"

static fl_unused void expect_refs(const char *place, const char *want)
{
    fl_auto_text text = fl_fake_git_text(w.git, place);
    if (strcmp(text, want) != 0) {
        fail_msg("%s has '%s', wanted '%s'", place, text, want);
    }
}

static fl_unused void expect_told(const char *want)
{
    fl_auto_text text = fl_fake_git_told(w.git);
    assert_string_equal(text, want);
}

static fl_unused void set(const char *ref, const char *commit)
{
    fl_fake_git_set(w.git, URL, ref, commit);
}

static fl_unused void fail_call(enum fl_fake_git_call call, int times, enum fl_code code,
                                const char *reason)
{
    fl_fake_git_fail(w.git, &(struct fl_fake_git_fault){.call = call,
                                                        .times = times,
                                                        .code = code,
                                                        .reason = reason,
                                                        .message = "as the test asked",
                                                        .retry_after_ms = -1});
}

static fl_unused void wake(struct loop *l, const char *delivery)
{
    assert_true(fl_engine_wake(l->engine, &fl_kind_git_mirror, FL_STR("default"), FL_STR("m"),
                               FL_WAKE_HOOK, delivery, 2000, 30000));
}

/* A pass by the clock. */
static fl_unused void interval(struct loop *l)
{
    int64_t passes = loop_passes(l, "gitmirror");
    int64_t wait = loop_next_ms(l, "gitmirror") - fl_clock_mono_ms(l->clock);
    assert_true(wait > 0 && wait <= 6 * MINUTE_MS);
    loop_advance(l, wait);
    loop_wait_passes(l, "gitmirror", passes);
    loop_settle(l);
}

static fl_unused bool condition_is(struct loop *l, const void *arg, struct fl_buf *why)
{
    const struct loop_field_want *c = arg; /* path, type, reason; NULL = absent */
    fl_auto(fl_json) j = loop_object(l, c->path);
    if (!j) {
        return false;
    }
    fl_json_write(j, why);
    return loop_condition_is(j, c->field, c->want);
}

static fl_unused void wait_condition(struct loop *l, const char *type, const char *reason)
{
    fl_auto_text what = fl_asprintf("%s %s", type, reason ? reason : "absent");
    loop_wait(l, what, condition_is, &(struct loop_field_want){M, type, reason});
}

/* A member of an item of a list in the status; the caller's; NULL = absent. */
static fl_unused char *item_field(struct loop *l, const char *list, size_t i, const char *member)
{
    fl_auto_text path = fl_asprintf("status.%s", list);
    fl_auto(fl_json) j = loop_object(l, M);
    const struct fl_json *all = fl_json_path(j, path);
    const struct fl_json *v = i < fl_json_len(all) ? fl_json_get(fl_json_at(all, i), member) : NULL;
    if (!v) {
        return NULL;
    }
    if (fl_json_is(v, FL_JSON_STRING)) {
        return fl_strdup(fl_json_as_text(v));
    }
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_json_write(v, &b);
    return fl_strdup(b.data);
}

static fl_unused void item_is(struct loop *l, const char *list, size_t i, const char *member,
                              const char *want)
{
    fl_auto_text v = item_field(l, list, i, member);
    if (!fl_text_eq(v, want)) {
        fl_auto_text all = loop_get(l, M);
        fail_msg("%s[%zu].%s is %s, wanted %s in %s", list, i, member, v ? v : "absent",
                 want ? want : "absent", all);
    }
}

static fl_unused bool one_target(struct loop *l, const void *arg, struct fl_buf *why)
{
    (void)arg;
    fl_auto(fl_json) j = loop_object(l, M);
    fl_json_write(j, why);
    return fl_json_len(fl_json_path(j, "status.push")) == 1;
}

static fl_unused bool git_holds(struct loop *l, const void *arg, struct fl_buf *why)
{
    (void)l;
    (void)arg;
    fl_buf_text(why, "nothing waits");
    return fl_fake_git_held(w.git) > 0;
}

struct count_want {
    const char *place;
    enum fl_fake_git_call call;
    size_t want;
};

static fl_unused bool counted(struct loop *l, const void *arg, struct fl_buf *why)
{
    (void)l;
    const struct count_want *c = arg;
    size_t n = fl_fake_git_count(w.git, c->place, c->call);
    fl_buf_fmt(why, "%zu calls", n);
    return n >= c->want;
}

static fl_unused void wait_count(struct loop *l, const char *place, enum fl_fake_git_call call,
                                 size_t n)
{
    loop_wait(l, "calls", counted, &(struct count_want){place, call, n});
}

struct snapshot {
    size_t writes, events, requests, processes, opens;
};

static fl_unused struct snapshot look(struct loop *l)
{
    return (struct snapshot){loop_writes(l), loop_events(l), fl_fake_git_requests(w.git),
                             fl_fake_git_processes(w.git),
                             fl_fake_git_count(w.git, NULL, FL_FAKE_GIT_OPEN)};
}

/* Since then: so many requests, no process, no write to the API but so many, no Event; disk: the
 * repository was opened. */
static fl_unused void expect_quiet(struct loop *l, const char *what, struct snapshot was,
                                   size_t requests, size_t writes, bool disk)
{
    struct snapshot now = look(l);
    if (now.writes != was.writes + writes) {
        loop_print_writes(l, was.writes);
    }
    if (now.writes != was.writes + writes || now.events != was.events ||
        now.requests != was.requests + requests || now.processes != was.processes ||
        (now.opens != was.opens) != disk) {
        fail_msg("%s: %zu writes, %zu events, %zu requests, %zu processes, %zu opens", what,
                 now.writes - was.writes, now.events - was.events, now.requests - was.requests,
                 now.processes - was.processes, now.opens - was.opens);
    }
}

#endif
