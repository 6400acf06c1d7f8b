/* SPDX-License-Identifier: Apache-2.0
 * The remote half of port/mirror.h over http: what a poll costs, what every fault becomes. The server is a script; real
 * ones are in tests/e2e. */
#include "contract/mirror_env.h"

#define ADVERT "Content-Type: application/x-git-upload-pack-advertisement"
#define RESULT "Content-Type: application/x-git-upload-pack-result"
#define HTML "Content-Type: text/html; charset=utf-8"
#define PLAIN "Content-Type: text/plain"

#define PRE "# service=git-upload-pack", "=0000"
#define CAPS "version 2", "agent=git/2.39.5", "ls-refs=unborn", "object-format=sha1", "=0000"
#define REFS OID_A " HEAD symref-target:refs/heads/main", OID_A " refs/heads/main", "=0000"
#define V0 PRE, OID_A " HEAD~symref=HEAD:refs/heads/main", OID_A " refs/heads/main", "=0000"
#define GOT "refs/heads/main=1 HEAD>refs/heads/main"
#define DUMB "=" OID_A "\trefs/heads/main\n"

#define INFO "/x.git/info/refs?service=git-upload-pack"
#define POST "/x.git/git-upload-pack"

/* What may be asked, and what is answered. */
#define ASK_V2                                                                                     \
    .method = "GET", .target = INFO,                                                               \
    .want = {"Git-Protocol: version=2", "User-Agent: git/2.39 (fairlead/0.1.0)"}
#define ASK_V0 .method = "GET", .target = INFO, .want = {"!Git-Protocol"}
#define ASK_REFS                                                                                   \
    .method = "POST", .target = POST,                                                              \
    .want = {"Git-Protocol: version=2", "Content-Type: application/x-git-upload-pack-request"}
#define DO_CAPS                                                                                    \
    {                                                                                              \
        ASK_V2, .headers = {ADVERT}, .items = { CAPS }                                             \
    }
#define DO_REFS                                                                                    \
    {                                                                                              \
        ASK_REFS, .headers = {RESULT}, .items = { REFS }                                           \
    }

struct reply {
    const char *method, *target;
    const char *want[3];
    int status;
    const char *headers[3];
    const char *items[8];
    struct fl_peer_answer more; /* faults and framing */
};

struct row {
    const char *name;
    struct reply replies[6];
    int calls;          /* 0: 1; all but the last succeed */
    int64_t advance_ms; /* before the last */
    int64_t max_refs;
    const char *refs; /* NULL: fails */
    int requests;     /* of the last call */
    enum fl_git_protocol protocol;
    const char *url; /* "/y.git" when it is not where it was asked */
    enum fl_code code;
    const char *reason, *said;
    int64_t retry_after_ms;
};

static void tick_second(void *arg)
{
    struct menv *e = arg;
    fl_clock_advance(e->clock, 1000);
}

static void tick_byte(void *arg)
{
    struct menv *e = arg;
    fl_clock_advance(e->clock, 1000);
    fl_peer_release(e->peer, 1);
}

static void tick_cancel(void *arg)
{
    struct menv *e = arg;
    fl_cancel_set(&e->cancel);
}

static size_t script_make(struct menv *e, struct fl_arena *a, const struct reply *replies,
                          size_t max, struct fl_peer_step **ret)
{
    struct fl_peer_step *steps = fl_arena_array(a, max, sizeof(*steps));
    size_t n = 0;
    for (; n < max && replies[n].method; n++) {
        const struct reply *r = &replies[n];
        fl_auto_val(fl_buf) body = FL_BUF_INIT(FL_BUF_ANY);
        body_make(&body, r->items);
        steps[n] = (struct fl_peer_step){.method = r->method, .target = r->target};
        steps[n].answer = r->more;
        steps[n].answer.tick_arg = e;
        steps[n].answer.status = r->status;
        steps[n].answer.body =
            (struct fl_str){fl_arena_str(a, fl_buf_slice(&body)), r->more.fill ? 0 : body.len};
        for (size_t i = 0; i < FL_LEN(r->want); i++) {
            steps[n].want[i] = r->want[i];
            steps[n].answer.headers[i] = r->headers[i];
        }
    }
    *ret = steps;
    return n;
}

static void row_run(const struct row *t)
{
    struct menv e;
    menv_init(&e);
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_peer_step *steps;
    size_t n = script_make(&e, a, t->replies, FL_LEN(t->replies), &steps);
    e.peer = fl_peer_play(steps, n);
    e.filter.max_refs = t->max_refs ? t->max_refs : e.filter.max_refs;
    const char *url = fl_arena_fmt(a, "%s/x.git/", fl_peer_url(e.peer));
    row_check(t->name, menv_open_at(&e, url, NULL, &e.r) == 0, &e);
    int calls = t->calls ? t->calls : 1;
    for (int i = 1; i < calls; i++) {
        row_check(t->name, menv_list_of(&e, e.r) == 0, &e);
    }
    fl_clock_advance(e.clock, t->advance_ms);
    int x = menv_list_of(&e, e.r);
    row_check(t->name, x == (int)t->code, &e);
    if (t->refs) {
        fl_auto_val(fl_buf) got = FL_BUF_INIT(FL_BUF_ANY);
        refs_text(&got, &e.list.refs);
        row_check(t->name, fl_text_eq(got.data, t->refs), &e);
        row_check(t->name, e.list.requests == t->requests, &e);
        row_check(t->name, e.list.protocol == t->protocol, &e);
        const char *at = fl_arena_fmt(a, "%s%s", fl_peer_url(e.peer), t->url ? t->url : "/x.git");
        row_check(t->name, fl_text_eq(e.list.url, at), &e);
        row_check(t->name, e.list.bytes > 0 || e.list.protocol == FL_GIT_DUMB, &e);
    } else {
        row_check(t->name, e.list.refs.v == NULL, &e);
        row_check(t->name, e.err.code == t->code, &e);
        row_check(t->name, !t->reason || fl_text_eq(e.err.reason, t->reason), &e);
        row_check(t->name, !t->said || strstr(e.err.msg, t->said), &e);
        row_check(t->name, !t->retry_after_ms || e.err.retry_after_ms == t->retry_after_ms, &e);
    }
    fl_peer_settle(e.peer);
    int problems = fl_peer_verify(e.peer);
    row_check(t->name, problems == 0, &e);
    menv_release(&e);
}

static void rows_run(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        row_run(&rows[i]);
    }
    rows_verify();
}

/* ---- what a poll costs ----------------------------------------------------------------------------------------- */

static const struct row polls[] = {
    {.name = "v2: learnt with two requests",
     .replies = {DO_CAPS, DO_REFS},
     .refs = GOT,
     .requests = 2,
     .protocol = FL_GIT_V2},
    {.name = "v2: one request from then on",
     .replies = {DO_CAPS, DO_REFS, DO_REFS, DO_REFS},
     .calls = 3,
     .refs = GOT,
     .requests = 1,
     .protocol = FL_GIT_V2},
    {.name = "v2: with the preamble of some servers",
     .replies = {{ASK_V2, .headers = {ADVERT}, .items = {PRE, CAPS}}, DO_REFS},
     .refs = GOT,
     .requests = 2,
     .protocol = FL_GIT_V2},
    {.name = "v2: learnt anew after a day",
     .replies = {DO_CAPS, DO_REFS, DO_CAPS, DO_REFS},
     .calls = 2,
     .advance_ms = 24 * 3600 * 1000,
     .refs = GOT,
     .requests = 2,
     .protocol = FL_GIT_V2},
    {.name = "v2: empty repository, with its HEAD",
     .replies = {DO_CAPS,
                 {ASK_REFS, .headers = {RESULT},
                  .items = {"unborn HEAD symref-target:refs/heads/main", "=0000"}}},
     .refs = "HEAD>refs/heads/main",
     .requests = 2,
     .protocol = FL_GIT_V2},
    {.name = "v2: empty repository",
     .replies = {DO_CAPS, {ASK_REFS, .headers = {RESULT}, .items = {"=0000"}}},
     .refs = "",
     .requests = 2,
     .protocol = FL_GIT_V2},
    {.name = "v0: the advertisement is the list",
     .replies = {{ASK_V2, .headers = {ADVERT}, .items = {V0}}},
     .refs = GOT,
     .requests = 1,
     .protocol = FL_GIT_V0},
    {.name = "v0: plain request from then on",
     .replies = {{ASK_V2, .headers = {ADVERT}, .items = {V0}},
                 {ASK_V0, .headers = {ADVERT}, .items = {V0}}},
     .calls = 2,
     .refs = GOT,
     .requests = 1,
     .protocol = FL_GIT_V0},
    {.name = "v0: empty repository",
     .replies = {{ASK_V2, .headers = {ADVERT}, .items = {PRE, "=0000"}}},
     .refs = "",
     .requests = 1,
     .protocol = FL_GIT_V0},
    {.name = "header dropped on POST: empty 200 is v0",
     .replies = {DO_CAPS,
                 {ASK_REFS, .headers = {RESULT}},
                 {ASK_V0, .headers = {ADVERT}, .items = {V0}}},
     .refs = GOT,
     .requests = 3,
     .protocol = FL_GIT_V0},
    {.name = "header dropped on POST: remembered",
     .replies = {DO_CAPS,
                 {ASK_REFS, .headers = {RESULT}},
                 {ASK_V0, .headers = {ADVERT}, .items = {V0}},
                 {ASK_V0, .headers = {ADVERT}, .items = {V0}}},
     .calls = 2,
     .refs = GOT,
     .requests = 1,
     .protocol = FL_GIT_V0},
    {.name = "learnt v2, then an empty 200",
     .replies = {DO_CAPS,
                 DO_REFS,
                 {ASK_REFS, .headers = {RESULT}},
                 {ASK_V0, .headers = {ADVERT}, .items = {V0}}},
     .calls = 2,
     .refs = GOT,
     .requests = 2,
     .protocol = FL_GIT_V0},
    {.name = "learnt v2, then a v0 answer",
     .replies = {DO_CAPS,
                 DO_REFS,
                 {ASK_REFS, .headers = {RESULT}, .items = {V0}},
                 {ASK_V0, .headers = {ADVERT}, .items = {V0}}},
     .calls = 2,
     .refs = GOT,
     .requests = 2,
     .protocol = FL_GIT_V0},
    {.name = "learnt v2, then 415",
     .replies = {DO_CAPS, DO_REFS, {ASK_REFS, .status = 415}, DO_CAPS, DO_REFS},
     .calls = 2,
     .refs = GOT,
     .requests = 3,
     .protocol = FL_GIT_V2},
    {.name = "learnt v2, then POST is redirected: the repository moved",
     .replies = {DO_CAPS,
                 DO_REFS,
                 {ASK_REFS, .status = 301, .headers = {"Location: /y.git/git-upload-pack"}},
                 {ASK_V2, .status = 301,
                  .headers = {"Location: /y.git/info/refs?service=git-upload-pack"}},
                 {.method = "GET",
                  .target = "/y.git/info/refs?service=git-upload-pack",
                  .headers = {ADVERT},
                  .items = {CAPS}},
                 {.method = "POST",
                  .target = "/y.git/git-upload-pack",
                  .headers = {RESULT},
                  .items = {REFS}}},
     .calls = 2,
     .refs = GOT,
     .requests = 4,
     .protocol = FL_GIT_V2,
     .url = "/y.git"},
    {.name = "redirect on the same host is remembered",
     .replies = {{ASK_V2, .status = 302,
                  .headers = {"Location: ../../y.git/info/refs?service=git-upload-pack"}},
                 {.method = "GET",
                  .target = "/y.git/info/refs?service=git-upload-pack",
                  .headers = {ADVERT},
                  .items = {CAPS}},
                 {.method = "POST",
                  .target = "/y.git/git-upload-pack",
                  .headers = {RESULT},
                  .items = {REFS}},
                 {.method = "POST",
                  .target = "/y.git/git-upload-pack",
                  .headers = {RESULT},
                  .items = {REFS}}},
     .calls = 2,
     .refs = GOT,
     .requests = 1,
     .protocol = FL_GIT_V2,
     .url = "/y.git"},
    {.name = "dumb server",
     .replies = {{ASK_V2, .headers = {PLAIN}, .items = {DUMB}},
                 {.method = "GET", .target = "/x.git/HEAD", .items = {"=ref: refs/heads/main\n"}}},
     .refs = GOT,
     .requests = 2,
     .protocol = FL_GIT_DUMB},
    {.name = "dumb server without HEAD",
     .replies = {{ASK_V2, .headers = {PLAIN}, .items = {DUMB}},
                 {.method = "GET", .target = "/x.git/HEAD", .status = 404}},
     .refs = "refs/heads/main=1",
     .requests = 2,
     .protocol = FL_GIT_DUMB},
    {.name = "dumb server with ETag, unchanged",
     .replies =
         {{ASK_V2, .headers = {PLAIN, "ETag: \"e1\""}, .items = {DUMB}},
          {.method = "GET", .target = "/x.git/HEAD", .items = {"=ref: refs/heads/main\n"}},
          {.method = "GET", .target = INFO, .want = {"If-None-Match: \"e1\""}, .status = 304}},
     .calls = 2,
     .refs = GOT,
     .requests = 1,
     .protocol = FL_GIT_DUMB},
    {.name = "dumb server with ETag, changed",
     .replies = {{ASK_V2, .headers = {PLAIN, "ETag: \"e1\""}, .items = {DUMB}},
                 {.method = "GET", .target = "/x.git/HEAD", .items = {"=ref: refs/heads/main\n"}},
                 {.method = "GET",
                  .target = INFO,
                  .want = {"If-None-Match: \"e1\""},
                  .headers = {PLAIN, "ETag: \"e2\""},
                  .items = {"=" OID_B "\trefs/heads/x\n"}},
                 {.method = "GET", .target = "/x.git/HEAD", .items = {"=ref: refs/heads/x\n"}}},
     .calls = 2,
     .refs = "refs/heads/x=2 HEAD>refs/heads/x",
     .requests = 2,
     .protocol = FL_GIT_DUMB},
    {.name = "an answer that drips",
     .replies = {DO_CAPS,
                 {ASK_REFS, .headers = {RESULT}, .items = {REFS}, .more = {.fault = FL_PEER_DRIP}}},
     .refs = GOT,
     .requests = 2,
     .protocol = FL_GIT_V2},
    {.name = "in chunks",
     .replies = {DO_CAPS,
                 {ASK_REFS, .headers = {RESULT}, .items = {REFS},
                  .more = {.frame = FL_PEER_CHUNKED, .chunk = 7}}},
     .refs = GOT,
     .requests = 2,
     .protocol = FL_GIT_V2},
};

static void test_list__a_poll_is_one_request_once_learnt(void **state)
{
    (void)state;
    rows_run(polls, FL_LEN(polls));
}

/* ---- faults ---------------------------------------------------------------------------------------------------- */

#define BAD_REFS(NAME, ...)                                                                        \
    {                                                                                              \
        .name = NAME,                                                                              \
        .replies = {DO_CAPS, {ASK_REFS, .headers = {RESULT}, .items = {__VA_ARGS__}}},             \
        .code = FL_E_BAD_DATA, .reason = "ProtocolError", .said = "/x.git: git protocol: "         \
    }

static const struct row wrong_answers[] = {
    BAD_REFS("missing flush", OID_A " refs/heads/main"),
    BAD_REFS("cut within a packet", OID_A " refs/heads/main", "=0040" OID_B),
    BAD_REFS("cut within a length", OID_A " refs/heads/main", "=00"),
    BAD_REFS("length that is no number", "=zzzz"),
    BAD_REFS("length 3", "=0003"),
    BAD_REFS("length beyond the end", "=fff0" OID_A),
    BAD_REFS("name twice", OID_A " refs/heads/a", OID_B " refs/heads/a", "=0000"),
    BAD_REFS("oid of the wrong length", "1234 refs/heads/a", "=0000"),
    BAD_REFS("bytes behind the end", OID_A " refs/heads/a", "=0000tail"),
    {.name = "empty 200 for everything",
     .replies = {{ASK_V2, .headers = {ADVERT}}},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolEmpty"},
    {.name = "empty 200 for the list, and for v0",
     .replies = {DO_CAPS, {ASK_REFS, .headers = {RESULT}}, {ASK_V0, .headers = {ADVERT}}},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolEmpty"},
    {.name = "empty 200 without a type",
     .replies = {{ASK_V2}, {.method = "GET", .target = "/x.git/HEAD", .status = 404}},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolEmpty"},
    {.name = "login page with 200",
     .replies = {{ASK_V2, .headers = {HTML}, .items = {"=<!DOCTYPE html><title>Sign in</title>"}}},
     .code = FL_E_BAD_DATA,
     .reason = "NotGit",
     .said = "/x.git answered HTML, not git: is this the clone URL? does it need a login?"},
    {.name = "login page without a type",
     .replies = {{ASK_V2, .items = {"=\n <html>"}}},
     .code = FL_E_BAD_DATA,
     .reason = "NotGit",
     .said = "HTML"},
    {.name = "login page instead of the list",
     .replies = {DO_CAPS, DO_REFS, {ASK_REFS, .headers = {HTML}, .items = {"=<html>"}}},
     .calls = 2,
     .code = FL_E_BAD_DATA,
     .reason = "NotGit",
     .said = "HTML"},
    {.name = "words",
     .replies = {{ASK_V2, .headers = {PLAIN}, .items = {"=It works!\n"}},
                 {.method = "GET", .target = "/x.git/HEAD", .status = 404}},
     .code = FL_E_BAD_DATA,
     .reason = "NotGit",
     .said = "answered something else, not git"},
    {.name = "error packet",
     .replies = {DO_CAPS, {ASK_REFS, .headers = {RESULT}, .items = {"ERR upload-pack: no memory"}}},
     .code = FL_E_UNAVAILABLE,
     .reason = "RemoteError",
     .said = "the remote says: upload-pack"},
    {.name = "error packet: no such repository",
     .replies = {{ASK_V2, .headers = {ADVERT}, .items = {PRE, "ERR Repository not found."}}},
     .code = FL_E_NOT_FOUND,
     .reason = "RepositoryNotFound",
     .said = "Repository not found."},
    {.name = "more refs than allowed",
     .replies = {DO_CAPS,
                 {ASK_REFS, .headers = {RESULT},
                  .items = {OID_A " refs/heads/a", OID_A " refs/heads/b", "=0000"}}},
     .max_refs = 1,
     .code = FL_E_TOO_BIG,
     .reason = "TooManyRefs"},
    {.name = "an advertisement without end",
     .replies = {{ASK_V2, .headers = {ADVERT},
                  .more = {.fill = (int64_t)1 << 40, .frame = FL_PEER_CHUNKED, .chunk = 1 << 16}}},
     .max_refs = 1,
     .code = FL_E_TOO_BIG,
     .reason = "TooManyRefs",
     .said = "too much for spec.limits.maxRefs 1"},
    {.name = "a list without end",
     .replies = {DO_CAPS,
                 {ASK_REFS, .headers = {RESULT},
                  .more = {.fill = (int64_t)1 << 40, .frame = FL_PEER_CHUNKED, .chunk = 1 << 16}}},
     .max_refs = 1,
     .code = FL_E_TOO_BIG,
     .reason = "TooManyRefs"},
    {.name = "another hash",
     .replies = {{ASK_V2, .headers = {ADVERT},
                  .items = {"version 2", "ls-refs", "object-format=md5", "=0000"}}},
     .code = FL_E_UNSUPPORTED,
     .reason = "ObjectFormat"},
};

static void test_list__an_answer_that_is_not_whole_fails(void **state)
{
    (void)state;
    rows_run(wrong_answers, FL_LEN(wrong_answers));
}

static const struct row statuses[] = {
    {.name = "401",
     .replies = {{ASK_V2, .status = 401, .headers = {"WWW-Authenticate: Basic realm=\"x\""}}},
     .code = FL_E_AUTH,
     .reason = "AuthenticationFailed",
     .said = "set spec.secretRef"},
    {.name = "403, with words",
     .replies = {{ASK_V2, .status = 403, .headers = {PLAIN}, .items = {"=Not for you.\n"}}},
     .code = FL_E_AUTH,
     .reason = "AuthenticationFailed",
     .said = "Not for you."},
    {.name = "404",
     .replies = {{ASK_V2, .status = 404, .headers = {HTML}, .items = {"=<html>404"}}},
     .code = FL_E_NOT_FOUND,
     .reason = "RepositoryNotFound",
     .said = "does not exist, or needs a login"},
    {.name = "410",
     .replies = {{ASK_V2, .status = 410}},
     .code = FL_E_NOT_FOUND,
     .reason = "RepositoryNotFound"},
    {.name = "learnt, then 404 for good",
     .replies = {DO_CAPS, DO_REFS, {ASK_REFS, .status = 404}, {ASK_V2, .status = 404}},
     .calls = 2,
     .code = FL_E_NOT_FOUND,
     .reason = "RepositoryNotFound"},
    {.name = "learnt, then 401",
     .replies = {DO_CAPS, DO_REFS, {ASK_REFS, .status = 401}},
     .calls = 2,
     .code = FL_E_AUTH,
     .reason = "AuthenticationFailed"},
    {.name = "500", .replies = {{ASK_V2, .status = 500}}, .code = FL_E_UNAVAILABLE},
    {.name = "learnt, then 502",
     .replies = {DO_CAPS, DO_REFS, {ASK_REFS, .status = 502}},
     .calls = 2,
     .code = FL_E_UNAVAILABLE},
    {.name = "429",
     .replies = {{ASK_V2, .status = 429, .headers = {"Retry-After: 7"}}},
     .code = FL_E_LIMITED,
     .retry_after_ms = 7000},
    {.name = "429 that tells no time",
     .replies = {{ASK_V2, .status = 429}},
     .code = FL_E_LIMITED,
     .reason = "TooManyRequests",
     .retry_after_ms = 5000},
    {.name = "403 with words of a limit",
     .replies = {{ASK_V2, .status = 403, .items = {"=You have exceeded a secondary Rate Limit."}}},
     .code = FL_E_LIMITED,
     .reason = "TooManyRequests",
     .retry_after_ms = 5000},
    {.name = "403 of who has nothing left",
     .replies = {{ASK_V2, .status = 403,
                  .headers = {"X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 1700000030"}}},
     .code = FL_E_LIMITED,
     .reason = "TooManyRequests",
     .retry_after_ms = 30000},
    {.name = "403 of who has some left",
     .replies = {{ASK_V2, .status = 403,
                  .headers = {"X-RateLimit-Remaining: 9", "X-RateLimit-Reset: 1700000030"}}},
     .code = FL_E_AUTH,
     .reason = "AuthenticationFailed"},
    {.name = "403 that means 429",
     .replies = {{ASK_V2, .status = 403, .headers = {"Retry-After: 9"}}},
     .code = FL_E_LIMITED,
     .retry_after_ms = 9000},
    {.name = "503",
     .replies = {{ASK_V2, .status = 503, .headers = {"Retry-After: 8"}}},
     .code = FL_E_UNAVAILABLE,
     .retry_after_ms = 8000},
    {.name = "redirect to link-local",
     .replies = {{ASK_V2, .status = 302,
                  .headers = {"Location: http://169.254.169.254/x.git/info/refs"}}},
     .code = FL_E_INVALID,
     .reason = "Redirected",
     .said = "http://169.254.169.254/x.git"},
    {.name = "redirect to another host",
     .replies =
         {{ASK_V2, .status = 301,
           .headers = {"Location: http://other.example/y.git/info/refs?service=git-upload-pack"}}},
     .code = FL_E_INVALID,
     .reason = "Redirected",
     .said = "redirects to another host, http://other.example/y.git: if that is right, set it"},
    {.name = "redirect to another port",
     .replies = {{ASK_V2, .status = 301,
                  .headers = {"Location: http://127.0.0.1:1/x.git/info/refs"}}},
     .code = FL_E_INVALID,
     .reason = "Redirected"},
    {.name = "redirect to the login page",
     .replies = {{ASK_V2, .status = 302, .headers = {"Location: /users/sign_in"}}},
     .code = FL_E_BAD_DATA,
     .reason = "NotGit",
     .said = "redirects to /users/sign_in"},
    {.name = "redirect to another scheme",
     .replies = {{ASK_V2, .status = 302, .headers = {"Location: file:///etc/passwd"}}},
     .code = FL_E_BAD_DATA,
     .reason = "BadRedirect"},
    {.name = "redirect to nowhere", .replies = {{ASK_V2, .status = 302}}, .code = FL_E_BAD_DATA},
    {.name = "redirects without end",
     .replies = {{ASK_V2, .status = 302, .headers = {"Location: " INFO}},
                 {ASK_V2, .status = 302, .headers = {"Location: " INFO}},
                 {ASK_V2, .status = 302, .headers = {"Location: " INFO}},
                 {ASK_V2, .status = 302, .headers = {"Location: " INFO}}},
     .code = FL_E_BAD_DATA,
     .reason = "TooManyRedirects"},
    {.name = "reset before the answer",
     .replies = {{ASK_V2, .more = {.fault = FL_PEER_RESET, .at = -1}}},
     .code = FL_E_UNAVAILABLE},
    {.name = "cut within the list",
     .replies = {DO_CAPS,
                 {ASK_REFS, .headers = {RESULT}, .items = {REFS},
                  .more = {.fault = FL_PEER_CLOSE, .at = 20}}},
     .code = FL_E_UNAVAILABLE},
    {.name = "cut within the list, length not told",
     .replies = {DO_CAPS,
                 {ASK_REFS, .headers = {RESULT}, .items = {REFS},
                  .more = {.fault = FL_PEER_CLOSE, .at = 70, .frame = FL_PEER_UNTIL_CLOSE}}},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {.name = "no answer",
     .replies = {{ASK_V2, .more = {.fault = FL_PEER_STALL, .at = -1, .tick = tick_second}}},
     .code = FL_E_TIMEOUT},
    {.name = "a byte a second",
     .replies = {DO_CAPS,
                 {ASK_REFS, .headers = {RESULT}, .items = {REFS},
                  .more = {.fault = FL_PEER_GATED, .tick = tick_byte}}},
     .code = FL_E_TIMEOUT},
    {.name = "canceled",
     .replies = {{ASK_V2, .more = {.fault = FL_PEER_STALL, .at = -1, .tick = tick_cancel}}},
     .code = FL_E_CANCELED},
    {.name = "not HTTP",
     .replies = {{ASK_V2, .more = {.raw = "SSH-2.0-OpenSSH_9.2\r\n"}}},
     .code = FL_E_BAD_DATA},
};

static void test_list__statuses_and_faults_are_told_apart(void **state)
{
    (void)state;
    rows_run(statuses, FL_LEN(statuses));
}

/* ---- what is shared -------------------------------------------------------------------------------------------- */

static int open_text(struct menv *e, const char *path, const struct fl_remote_conf *more,
                     struct fl_remote **ret)
{
    return menv_open_at(e, fl_arena_fmt(e->a, "%s%s", fl_peer_url(e->peer), path), more, ret);
}

static void script(struct menv *e, struct fl_arena *a, const struct reply *replies, size_t n)
{
    struct fl_peer_step *steps;
    n = script_make(e, a, replies, n, &steps);
    e->peer = fl_peer_play(steps, n);
}

/* The version that is known, the answer that comes, what is told. */
static void test_list__answer_that_is_known_is_not_read_again(void **state)
{
    (void)state;
    static const struct reply replies[] = {
        DO_CAPS,
        DO_REFS,
        DO_REFS,
        {ASK_REFS, .headers = {RESULT}, .items = {OID_B " refs/heads/main", "=0000"}},
        {ASK_REFS, .headers = {RESULT}, .items = {OID_B " refs/heads/main"}}, /* cut */
    };
    struct menv e;
    menv_init(&e);
    fl_auto(fl_arena) a = fl_arena_new();
    script(&e, a, replies, FL_LEN(replies));
    row_check("open", open_text(&e, "/x.git", NULL, &e.r) == 0, &e);
    row_check("first", menv_list_of(&e, e.r) == 0, &e);
    row_check("first", !e.list.same && e.list.version && e.list.refs.n == 1, &e);
    fl_auto_text version = fl_strdup(e.list.version);
    e.filter.known = version;
    row_check("same", menv_list_of(&e, e.r) == 0, &e);
    row_check("same", e.list.same && e.list.refs.n == 0, &e);
    row_check("same", fl_text_eq(e.list.version, version), &e);
    row_check("another", menv_list_of(&e, e.r) == 0, &e);
    row_check("another", !e.list.same && e.list.refs.n == 1, &e);
    row_check("another", !fl_text_eq(e.list.version, version), &e);
    row_check("cut", menv_list_of(&e, e.r) == FL_E_BAD_DATA, &e);
    assert_int_equal(fl_peer_verify(e.peer), 0);
    menv_release(&e);
    rows_verify();
}

static void test_list__remotes_of_one_trust_share_connections(void **state)
{
    (void)state;
    static const struct reply replies[] = {DO_CAPS, DO_REFS, DO_CAPS, DO_REFS, DO_REFS};
    struct menv e;
    menv_init(&e);
    fl_auto(fl_arena) a = fl_arena_new();
    script(&e, a, replies, FL_LEN(replies));
    struct fl_remote *second = NULL;
    row_check("open", open_text(&e, "/x.git", NULL, &e.r) == 0, &e);
    row_check("open", open_text(&e, "/x.git", NULL, &second) == 0, &e);
    row_check("first", menv_list_of(&e, e.r) == 0, &e);
    row_check("second", menv_list_of(&e, second) == 0, &e);
    fl_adapter_git.close(second);
    row_check("first again", menv_list_of(&e, e.r) == 0, &e);
    assert_int_equal(fl_peer_connections(e.peer), 1);
    assert_int_equal(fl_peer_verify(e.peer), 0);
    menv_release(&e);
    rows_verify();
}

static void test_list__retry_after_holds_for_the_whole_host(void **state)
{
    (void)state;
    static const struct reply replies[] = {
        {ASK_V2, .status = 429, .headers = {"Retry-After: 60"}}, DO_CAPS, DO_REFS};
    struct menv e;
    menv_init(&e);
    fl_auto(fl_arena) a = fl_arena_new();
    script(&e, a, replies, FL_LEN(replies));
    struct fl_remote *second = NULL;
    row_check("open", open_text(&e, "/other.git", NULL, &second) == 0, &e);
    row_check("open", open_text(&e, "/x.git", NULL, &e.r) == 0, &e);
    row_check("limited", menv_list_of(&e, e.r) == FL_E_LIMITED, &e);
    row_check("limited", e.err.retry_after_ms == 60000, &e);
    fl_clock_advance(e.clock, 20000);
    row_check("another repository", menv_list_of(&e, second) == FL_E_LIMITED, &e);
    row_check("another repository", fl_text_eq(e.err.reason, "HostBackOff"), &e);
    row_check("another repository", e.err.retry_after_ms == 40000, &e);
    assert_int_equal(fl_peer_count(e.peer), 1);
    fl_clock_advance(e.clock, 40000);
    row_check("over", menv_list_of(&e, e.r) == 0, &e);
    assert_int_equal(fl_peer_verify(e.peer), 0);
    fl_adapter_git.close(second);
    menv_release(&e);
    rows_verify();
}

/* The host tells no time: it is left alone for longer and longer, by all. */
static void test_list__limit_without_a_time_grows_for_the_whole_host(void **state)
{
    (void)state;
    static const struct reply replies[] = {{ASK_V2, .status = 429},
                                           {ASK_V2, .status = 429},
                                           {ASK_V2, .status = 429},
                                           DO_CAPS,
                                           DO_REFS,
                                           {ASK_REFS, .status = 429}};
    struct menv e;
    menv_init(&e);
    fl_auto(fl_arena) a = fl_arena_new();
    script(&e, a, replies, FL_LEN(replies));
    struct fl_remote *second = NULL;
    row_check("open", open_text(&e, "/other.git", NULL, &second) == 0, &e);
    row_check("open", open_text(&e, "/x.git", NULL, &e.r) == 0, &e);
    for (int64_t ms = 5000; ms <= 20000; ms *= 2) {
        row_check("limited", menv_list_of(&e, e.r) == FL_E_LIMITED, &e);
        row_check("limited", e.err.retry_after_ms == ms, &e);
        row_check("another repository", menv_list_of(&e, second) == FL_E_LIMITED, &e);
        row_check("another repository", fl_text_eq(e.err.reason, "HostBackOff"), &e);
        fl_clock_advance(e.clock, ms);
    }
    assert_int_equal(fl_peer_count(e.peer), 3);
    row_check("over", menv_list_of(&e, e.r) == 0, &e);
    row_check("again", menv_list_of(&e, e.r) == FL_E_LIMITED, &e);
    row_check("again", e.err.retry_after_ms == 5000, &e);
    assert_int_equal(fl_peer_verify(e.peer), 0);
    fl_adapter_git.close(second);
    menv_release(&e);
    rows_verify();
}

static void test_list__g4_private_address_is_refused_unless_named(void **state)
{
    (void)state;
    static const struct reply replies[] = {DO_CAPS, DO_REFS};
    static const char *const none[] = {NULL};
    static const char *const loopback[] = {"10.0.0.0/8", "127.0.0.0/8", NULL};
    struct menv e;
    menv_init(&e);
    fl_auto(fl_arena) a = fl_arena_new();
    script(&e, a, replies, FL_LEN(replies));
    struct fl_remote *strict = NULL;
    row_check(
        "open",
        open_text(&e, "/x.git", &(struct fl_remote_conf){.private_hosts = none}, &strict) == 0, &e);
    row_check("open",
              open_text(&e, "/x.git", &(struct fl_remote_conf){.private_hosts = loopback}, &e.r) ==
                  0,
              &e);
    row_check("refused", menv_list_of(&e, strict) == FL_E_INVALID, &e);
    row_check("refused", fl_text_eq(e.err.reason, "AddressNotAllowed"), &e);
    row_check("refused", strstr(e.err.msg, "add it to spec.allowedHosts"), &e);
    row_check("named", menv_list_of(&e, e.r) == 0, &e);
    fl_adapter_git.close(strict);
    assert_int_equal(fl_peer_verify(e.peer), 0);
    menv_release(&e);
    rows_verify();
}

static void test_list_target__asks_what_receive_pack_shows(void **state)
{
    (void)state;
    static const struct reply replies[] = {
        {.method = "GET",
         .target = "/x.git/info/refs?service=git-receive-pack",
         .headers = {"Content-Type: application/x-git-receive-pack-advertisement"},
         .items = {"# service=git-receive-pack", "=0000", OID_A " refs/heads/main~report-status",
                   OID_B " .have", "=0000"}},
        {.method = "GET",
         .target = "/x.git/info/refs?service=git-receive-pack",
         .status = 403,
         .headers = {PLAIN},
         .items = {"=read only"}},
        {.method = "GET",
         .target = "/x.git/info/refs?service=git-receive-pack",
         .headers = {PLAIN},
         .items = {DUMB}},
    };
    struct menv e;
    menv_init(&e);
    fl_auto(fl_arena) a = fl_arena_new();
    script(&e, a, replies, FL_LEN(replies));
    row_check("open", open_text(&e, "/x.git", NULL, &e.r) == 0, &e);
    const struct fl_mirror_ops *ops = fl_adapter_git.mirror;
    int x = ops->list_target(e.r, &e.ctx, e.a, &e.filter, &e.list, &e.err);
    row_check("list", x == 0 && e.list.refs.n == 1 && e.list.requests == 1, &e);
    x = ops->list_target(e.r, &e.ctx, e.a, &e.filter, &e.list, &e.err);
    row_check("refused", x == FL_E_AUTH && strstr(e.err.msg, "read only"), &e);
    x = ops->list_target(e.r, &e.ctx, e.a, &e.filter, &e.list, &e.err);
    row_check("dumb servers take no push", x == FL_E_BAD_DATA, &e);
    assert_int_equal(fl_peer_verify(e.peer), 0);
    menv_release(&e);
    rows_verify();
}

static void test_open__bad_conf_is_refused_without_network(void **state)
{
    (void)state;
    static const struct {
        const char *name, *url, *key, *value, *reason;
    } rows[] = {
        {"scheme", "git://git.example/x", NULL, NULL, "InvalidURL"},
        {"credentials", "https://u:p@git.example/x", NULL, NULL, "InvalidURL"},
        {"helper", "ext::sh -c x", NULL, NULL, "InvalidURL"},
        {"CA", "https://git.example/x", "ca.crt", "no PEM", "CAInvalid"},
        {"ssh without keys", "ssh://git@git.example/x", NULL, NULL, "SecretInvalid"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct menv e;
        menv_init(&e);
        struct fl_remote_key key = {rows[i].key, fl_str_of(rows[i].value)};
        struct fl_remote_conf conf = {.secret = rows[i].key ? &key : NULL,
                                      .n_secret = rows[i].key ? 1 : 0};
        row_check(rows[i].name, menv_open_at(&e, rows[i].url, &conf, &e.r) == FL_E_INVALID, &e);
        row_check(rows[i].name, fl_text_eq(e.err.reason, rows[i].reason), &e);
        menv_release(&e);
    }
    rows_verify();
}

int main(void)
{
    fl_http_global_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list__a_poll_is_one_request_once_learnt),
        cmocka_unit_test(test_list__an_answer_that_is_not_whole_fails),
        cmocka_unit_test(test_list__statuses_and_faults_are_told_apart),
        cmocka_unit_test(test_list__answer_that_is_known_is_not_read_again),
        cmocka_unit_test(test_list__remotes_of_one_trust_share_connections),
        cmocka_unit_test(test_list__retry_after_holds_for_the_whole_host),
        cmocka_unit_test(test_list__limit_without_a_time_grows_for_the_whole_host),
        cmocka_unit_test(test_list__g4_private_address_is_refused_unless_named),
        cmocka_unit_test(test_list_target__asks_what_receive_pack_shows),
        cmocka_unit_test(test_open__bad_conf_is_refused_without_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
