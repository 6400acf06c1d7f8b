/* SPDX-License-Identifier: Apache-2.0
 * The texts of git's protocol: every row of what servers answer, and what must never be taken for "no refs". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "remote/git/wire.h"

#define A "1111111111111111111111111111111111111111"
#define B "2222222222222222222222222222222222222222"
#define C "3333333333333333333333333333333333333333"
#define ZERO "0000000000000000000000000000000000000000"
#define A256 A "111111111111111111111111"
#define PRE "# service=git-upload-pack"

static int failures;

#define row_check(name, cond, err)                                                                 \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            failures++;                                                                            \
            print_error("%s:%d: %s: %s (%s %s: %s)\n", __FILE__, __LINE__, (name), #cond,          \
                        fl_code_name((err)->code), (err)->reason, (err)->msg);                     \
        }                                                                                          \
    } while (0)

static void rows_verify(void)
{
    int n = failures;
    failures = 0;
    if (n) {
        fail_msg("%d checks of rows have failed", n);
    }
}

/* Items become packets with an LF; "=..." goes in as it is; '~' stands for a NUL. */
static void body_make(struct fl_buf *b, const char *const *items)
{
    for (size_t i = 0; items[i]; i++) {
        size_t at = b->len;
        if (items[i][0] == '=') {
            fl_buf_text(b, items[i] + 1);
        } else {
            git_pkt_add(b, "%s\n", items[i]);
        }
        for (; at < b->len; at++) {
            b->data[at] = b->data[at] == '~' ? '\0' : b->data[at];
        }
    }
}

/* "refs/heads/main=1 refs/tags/v1=2 HEAD>refs/heads/main": names, the first digit of each oid, HEAD's target. */
static void refs_text(struct fl_buf *b, const struct fl_git_refs *refs)
{
    for (size_t i = 0; i < refs->n; i++) {
        fl_buf_fmt(b, "%s%s=%c", b->len ? " " : "", refs->v[i].name, refs->v[i].oid[0]);
    }
    if (refs->head) {
        fl_buf_fmt(b, "%sHEAD>%s", b->len ? " " : "", refs->head);
    }
}

static const char *const usual[] = {"refs/heads/**", "refs/tags/**"};
static const struct fl_ref_filter heads_tags = {usual, 2, NULL, 0, 1000, NULL};

struct row {
    const char *name;
    const char *items[12];
    const char *want; /* refs_text; NULL: fails */
    enum fl_code code;
    const char *reason;
    bool sha256;
    const char *service;
    int64_t max_refs;
};

static void row_run(const struct row *t,
                    int (*parse)(const struct row *t, struct fl_str body,
                                 const struct fl_ref_filter *f, struct fl_arena *a,
                                 struct fl_git_refs *ret, struct fl_err *err))
{
    fl_auto_val(fl_buf) body = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) got = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_err err = FL_ERR_INIT;
    struct fl_git_refs refs = {0};
    struct fl_ref_filter f = heads_tags;
    f.max_refs = t->max_refs ? t->max_refs : f.max_refs;
    body_make(&body, t->items);
    char *exact = fl_malloc(body.len); /* so that a read behind the end is seen */
    memcpy(exact, body.data, body.len);
    int x = parse(t, (struct fl_str){exact, body.len}, &f, a, &refs, &err);
    row_check(t->name, x == (int)t->code, &err);
    row_check(t->name, !t->reason || fl_text_eq(err.reason, t->reason), &err);
    fl_free(exact);
    refs_text(&got, &refs);
    if (t->want && !fl_text_eq(got.data, t->want)) {
        failures++;
        print_error("%s: got '%s', wanted '%s'\n", t->name, got.data, t->want);
    }
    row_check(t->name, t->want || refs.n == 0, &err);
}

/* ---- packets ---- */

static void test_pkt__lengths_are_hex_and_within_the_body(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *bytes;
        int kind; /* -1: BAD_DATA */
        const char *line;
        size_t left;
    } rows[] = {
        {"text", "000ahello\nrest", GIT_PKT_DATA, "hello", 4},
        {"without LF", "0009hello", GIT_PKT_DATA, "hello", 0},
        {"at most one LF", "0007x\n\n", GIT_PKT_DATA, "x\n", 0},
        {"LF alone", "0005\n", GIT_PKT_DATA, "", 0},
        {"empty packet", "0004", GIT_PKT_DATA, "", 0},
        {"capital digits", "000Ahello\n", GIT_PKT_DATA, "hello", 0},
        {"flush", "0000x", GIT_PKT_FLUSH, "", 1},
        {"delimiter", "0001", GIT_PKT_DELIM, "", 0},
        {"response end", "0002", GIT_PKT_RESPONSE_END, "", 0},
        {"3 is none", "0003", -1, NULL, 0},
        {"beyond the end", "000ahell\n", -1, NULL, 0},
        {"far beyond the end", "ffff", -1, NULL, 0},
        {"beyond the largest", "fff1", -1, NULL, 0},
        {"cut length", "00", -1, NULL, 0},
        {"no digits", "00g5x", -1, NULL, 0},
        {"sign", "-005x", -1, NULL, 0},
        {"blank", " 005x", -1, NULL, 0},
        {"0x", "0x05x", -1, NULL, 0},
        {"end", "", -1, NULL, 0},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_err err = FL_ERR_INIT;
        struct fl_str rest = fl_str_of(rows[i].bytes);
        enum git_pkt kind = GIT_PKT_DATA;
        struct fl_str line = {NULL, 0};
        int x = git_pkt_next(&rest, &kind, &line, &err);
        if (rows[i].kind < 0) {
            row_check(rows[i].name, x == FL_E_BAD_DATA, &err);
            row_check(rows[i].name, fl_text_eq(err.reason, "ProtocolError"), &err);
        } else {
            row_check(rows[i].name, x == 0 && (int)kind == rows[i].kind, &err);
            row_check(rows[i].name, fl_str_is(line, rows[i].line), &err);
            row_check(rows[i].name, rest.n == rows[i].left, &err);
        }
    }
    rows_verify();
}

static void test_pkt__remote_error_is_told_by_its_words(void **state)
{
    (void)state;
    static const struct {
        const char *said;
        enum fl_code code;
    } rows[] = {
        {"Repository not found.", FL_E_NOT_FOUND},
        {"The project you were looking for could not be found or you don't have permission",
         FL_E_NOT_FOUND},
        {"repository '/x' does not exist", FL_E_NOT_FOUND},
        {"access denied or repository not exported: /x", FL_E_AUTH},
        {"Access Denied", FL_E_AUTH},
        {"upload-pack: internal server trouble", FL_E_UNAVAILABLE},
        {"", FL_E_UNAVAILABLE},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_err err = FL_ERR_INIT;
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        git_pkt_add(&b, "ERR %s\n", rows[i].said);
        struct fl_str rest = fl_buf_slice(&b);
        enum git_pkt kind;
        struct fl_str line;
        row_check(rows[i].said, git_pkt_next(&rest, &kind, &line, &err) == (int)rows[i].code, &err);
        row_check(rows[i].said, fl_text_eq(err.reason, "RemoteError"), &err);
        row_check(rows[i].said, strstr(err.msg, rows[i].said), &err);
    }
    rows_verify();
}

/* ---- v2 capabilities ---- */

static void test_caps__answers_of_servers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *items[10];
        enum fl_code code;
        const char *reason;
        bool v0;
        const char *caps; /* u unborn, a agent, o object format told, 2 sha256 */
    } rows[] = {
        {"git 2.39",
         {"version 2", "agent=git/2.39.5", "ls-refs=unborn", "fetch=shallow wait-for-done",
          "server-option", "object-format=sha1", "object-info", "=0000", NULL},
         .caps = "uao"},
        {"with the preamble",
         {PRE, "=0000", "version 2", "agent=x", "ls-refs", "=0000", NULL},
         .caps = "a"},
        {"old, without object format", {"version 2", "ls-refs", "=0000", NULL}, .caps = ""},
        {"sha256",
         {"version 2", "ls-refs=a unborn b", "object-format=sha256", "=0000", NULL},
         .caps = "uo2"},
        {"another hash",
         {"version 2", "ls-refs", "object-format=md5", "=0000", NULL},
         .code = FL_E_UNSUPPORTED,
         .reason = "ObjectFormat"},
        {"v0", {PRE, "=0000", A " HEAD~agent=x", "=0000", NULL}, .v0 = true},
        {"v1", {PRE, "=0000", "version 1", A " HEAD~agent=x", "=0000", NULL}, .v0 = true},
        {"v0, empty repository", {PRE, "=0000", "=0000", NULL}, .v0 = true},
        {"empty", {NULL}, .code = FL_E_BAD_DATA, .reason = "ProtocolEmpty"},
        {"cut after the version",
         {"version 2", NULL},
         .code = FL_E_BAD_DATA,
         .reason = "ProtocolError"},
        {"no flush",
         {"version 2", "ls-refs", NULL},
         .code = FL_E_BAD_DATA,
         .reason = "ProtocolError"},
        {"cut within a line",
         {"version 2", "=0030ls-refs", NULL},
         .code = FL_E_BAD_DATA,
         .reason = "ProtocolError"},
        {"bytes behind",
         {"version 2", "ls-refs", "=0000x", NULL},
         .code = FL_E_BAD_DATA,
         .reason = "ProtocolError"},
        {"cannot list",
         {"version 2", "fetch", "=0000", NULL},
         .code = FL_E_BAD_DATA,
         .reason = "ProtocolError"},
        {"another service",
         {"# service=git-receive-pack", "=0000", NULL},
         .code = FL_E_BAD_DATA,
         .reason = "ProtocolError"},
        {"preamble alone", {PRE, "=0000", NULL}, .code = FL_E_BAD_DATA, .reason = "ProtocolError"},
        {"HTML",
         {"=<!DOCTYPE html><html>", NULL},
         .code = FL_E_BAD_DATA,
         .reason = "ProtocolError"},
        {"delimiter",
         {"version 2", "=0001", "=0000", NULL},
         .code = FL_E_BAD_DATA,
         .reason = "ProtocolError"},
        {"error",
         {PRE, "=0000", "ERR Repository not found.", NULL},
         .code = FL_E_NOT_FOUND,
         .reason = "RemoteError"},
        {"error alone",
         {"ERR upload-pack: no", NULL},
         .code = FL_E_UNAVAILABLE,
         .reason = "RemoteError"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_err err = FL_ERR_INIT;
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        struct git_caps caps = {0};
        bool v0 = false;
        body_make(&b, rows[i].items);
        int x = git_caps_parse(fl_buf_slice(&b), &caps, &v0, &err);
        char got[8];
        (void)snprintf(got, sizeof(got), "%s%s%s%s", caps.unborn ? "u" : "", caps.agent ? "a" : "",
                       caps.object_format ? "o" : "", caps.sha256 ? "2" : "");
        row_check(rows[i].name, x == (int)rows[i].code, &err);
        row_check(rows[i].name, !rows[i].reason || fl_text_eq(err.reason, rows[i].reason), &err);
        row_check(rows[i].name, v0 == rows[i].v0, &err);
        row_check(rows[i].name, caps.v2 == (rows[i].caps != NULL), &err);
        row_check(rows[i].name, !rows[i].caps || fl_text_eq(got, rows[i].caps), &err);
    }
    rows_verify();
}

static void test_ls_refs_request__says_only_what_was_advertised(void **state)
{
    (void)state;
    static const char *const deep[] = {"refs/heads/**", "refs/heads/release/*", "refs/heads/**",
                                       "refs/tags/v1"};
    static const char *const all[] = {"refs/**", "refs/heads/**"};
    static const struct {
        const char *name;
        struct git_caps caps;
        struct fl_ref_filter f;
        const char *want;
    } rows[] = {
        {"bare",
         {.v2 = true},
         {usual, 2, NULL, 0, 9, NULL},
         "0014command=ls-refs\n0001000csymrefs\n0014ref-prefix HEAD\n001bref-prefix refs/heads/\n"
         "001aref-prefix refs/tags/\n0000"},
        {"all",
         {.v2 = true, .unborn = true, .object_format = true},
         {all, 2, NULL, 0, 9, NULL},
         "0014command=ls-refs\n0017object-format=sha1\n0001000csymrefs\n000bunborn\n"
         "0014ref-prefix HEAD\n0015ref-prefix refs/\n0000"},
        {"covered",
         {.v2 = true, .object_format = true, .sha256 = true},
         {deep, 4, NULL, 0, 9, NULL},
         "0014command=ls-refs\n0019object-format=sha256\n0001000csymrefs\n0014ref-prefix HEAD\n"
         "001bref-prefix refs/heads/\n001cref-prefix refs/tags/v1\n0000"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        git_ls_refs_request(&b, &rows[i].caps, &rows[i].f);
        if (!fl_text_eq(b.data, rows[i].want)) {
            fail_msg("%s: %s", rows[i].name, b.data);
        }
    }
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    git_ls_refs_request(&b, &(struct git_caps){.v2 = true, .agent = true}, &heads_tags);
    assert_non_null(strstr(b.data, "agent=fairlead/"));
}

/* ---- ls-refs ---- */

static int parse_ls_refs(const struct row *t, struct fl_str body, const struct fl_ref_filter *f,
                         struct fl_arena *a, struct fl_git_refs *ret, struct fl_err *err)
{
    struct git_caps caps = {.v2 = true, .ls_refs = true, .sha256 = t->sha256};
    return git_ls_refs_parse(body, &caps, f, a, ret, err);
}

static const struct row ls_refs_rows[] = {
    {"usual",
     {A " HEAD symref-target:refs/heads/main", A " refs/heads/main", B " refs/tags/v1 peeled:" C,
      "=0000", NULL},
     .want = "refs/heads/main=1 refs/tags/v1=2 HEAD>refs/heads/main"},
    {"without LF", {"=003c" A " refs/heads/main", "=0000", NULL}, .want = "refs/heads/main=1"},
    {"unsorted is sorted",
     {B " refs/tags/a", A " refs/heads/b", C " refs/heads/a", "=0000", NULL},
     .want = "refs/heads/a=3 refs/heads/b=1 refs/tags/a=2"},
    {"bytewise order",
     {A " refs/heads/a-b", B " refs/heads/a/b", "=0000", NULL},
     .want = "refs/heads/a-b=1 refs/heads/a/b=2"},
    {"empty repository with unborn HEAD",
     {"unborn HEAD symref-target:refs/heads/main", "=0000", NULL},
     .want = "HEAD>refs/heads/main"},
    {"empty repository", {"=0000", NULL}, .want = ""},
    {"detached HEAD",
     {A " HEAD", A " refs/heads/main", "=0000", NULL},
     .want = "refs/heads/main=1"},
    {"filtered again",
     {A " refs/pull/1/head", B " refs/heads/x", C " refs/fairlead/kept/1/heads/x", "=0000", NULL},
     .want = "refs/heads/x=2"},
    {"symref that is no HEAD",
     {A " refs/heads/alias symref-target:refs/heads/main", "=0000", NULL},
     .want = "refs/heads/alias=1"},
    {"HEAD aims outside", {A " HEAD symref-target:../../etc/passwd", "=0000", NULL}, .want = ""},
    {"HEAD aims at nothing", {A " HEAD symref-target:", "=0000", NULL}, .want = ""},
    {"sha256",
     {A256 " refs/heads/main", "=0000", NULL},
     .want = "refs/heads/main=1",
     .sha256 = true},
    {"hostile names are left out",
     {A " refs/heads/../../config", A " refs/heads/x.lock", A " refs/heads/a..b",
      A " refs/heads/-x\x01", A " refs/heads/a^b", A " refs/heads//b", A " refs/heads/@{u}",
      A " refs/heads/", A " ../refs/heads/x", B " refs/heads/good", "=0000", NULL},
     .want = "refs/heads/good=2"},
    {"as many as allowed",
     {A " refs/heads/a", A " refs/heads/b", "=0000", NULL},
     .want = "refs/heads/a=1 refs/heads/b=1",
     .max_refs = 2},
    {"more than allowed",
     {A " refs/heads/a", A " refs/heads/b", A " refs/heads/c", "=0000", NULL},
     .code = FL_E_TOO_BIG,
     .reason = "TooManyRefs",
     .max_refs = 2},
    {"what is not asked for does not count",
     {A " refs/heads/a", A " refs/pull/1", A " refs/pull/2", A " refs/pull/3", "=0000", NULL},
     .want = "refs/heads/a=1",
     .max_refs = 1},
    {"empty 200", {NULL}, .code = FL_E_BAD_DATA, .reason = "ProtocolEmpty"},
    {"no flush", {A " refs/heads/main", NULL}, .code = FL_E_BAD_DATA, .reason = "ProtocolError"},
    {"cut within a packet",
     {A " refs/heads/main", "=0040" B " refs/h", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"cut within a length",
     {A " refs/heads/main", "=00", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"length without digits", {"=zzzz", NULL}, .code = FL_E_BAD_DATA, .reason = "ProtocolError"},
    {"length 3", {"=0003", NULL}, .code = FL_E_BAD_DATA, .reason = "ProtocolError"},
    {"delimiter",
     {A " refs/heads/main", "=0001", "=0000", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"response end instead of flush",
     {A " refs/heads/main", "=0002", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"bytes behind",
     {A " refs/heads/main", "=0000", "=0000", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"v0 answer",
     {PRE, "=0000", A " HEAD~symref=HEAD:refs/heads/main", "=0000", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"error",
     {A " refs/heads/main", "ERR gone wrong", "=0000", NULL},
     .code = FL_E_UNAVAILABLE,
     .reason = "RemoteError"},
    {"name twice",
     {A " refs/heads/main", B " refs/heads/main", "=0000", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"name twice, apart",
     {A " refs/heads/b", B " refs/heads/a", A " refs/heads/b", "=0000", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"HEAD twice",
     {A " HEAD", A " HEAD", "=0000", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"short oid",
     {"1111 refs/heads/main", "=0000", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"oid of the other hash",
     {A256 " refs/heads/main", "=0000", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"oid of the other hash, too short",
     {A " refs/heads/main", "=0000", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError",
     .sha256 = true},
    {"oid without digits",
     {"x111111111111111111111111111111111111111 refs/heads/main", "=0000", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"oid 0",
     {ZERO " refs/heads/main", "=0000", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"oid 0 of a ref that is not asked for",
     {ZERO " refs/pull/1", "=0000", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"one word",
     {"refs/heads/main", "=0000", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"empty packet", {"=0004", "=0000", NULL}, .code = FL_E_BAD_DATA, .reason = "ProtocolError"},
    {"HTML",
     {"=<html><body>please log in</body></html>", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
};

static void test_ls_refs__answers_of_servers(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(ls_refs_rows); i++) {
        row_run(&ls_refs_rows[i], parse_ls_refs);
    }
    rows_verify();
}

/* ---- v0 ---- */

static int parse_v0(const struct row *t, struct fl_str body, const struct fl_ref_filter *f,
                    struct fl_arena *a, struct fl_git_refs *ret, struct fl_err *err)
{
    bool sha256 = false;
    int x =
        git_v0_parse(body, t->service ? t->service : "git-upload-pack", f, a, ret, &sha256, err);
    row_check(t->name, sha256 == t->sha256, err);
    return x;
}

static const struct row v0_rows[] = {
    {"usual",
     {PRE, "=0000", A " HEAD~multi_ack symref=HEAD:refs/heads/main object-format=sha1 agent=git/2",
      A " refs/heads/main", B " refs/tags/v1", C " refs/tags/v1^{}", "=0000", NULL},
     .want = "refs/heads/main=1 refs/tags/v1=2 HEAD>refs/heads/main"},
    {"capabilities on the first ref",
     {PRE, "=0000", A " refs/heads/main~agent=x", "=0000", NULL},
     .want = "refs/heads/main=1"},
    {"no capabilities",
     {PRE, "=0000", A " refs/heads/main", "=0000", NULL},
     .want = "refs/heads/main=1"},
    {"version 1",
     {PRE, "=0000", "version 1", A " refs/heads/main~x", "=0000", NULL},
     .want = "refs/heads/main=1"},
    {"empty repository",
     {PRE, "=0000", ZERO " capabilities^{}~agent=x", "=0000", NULL},
     .want = ""},
    {"empty repository of git 2.39", {PRE, "=0000", "=0000", NULL}, .want = ""},
    {"shallow lines",
     {PRE, "=0000", A " refs/heads/main~x", "shallow " B, "=0000", NULL},
     .want = "refs/heads/main=1"},
    {"sha256",
     {PRE, "=0000", A256 " refs/heads/main~object-format=sha256", "=0000", NULL},
     .want = "refs/heads/main=1",
     .sha256 = true},
    {"second symref of HEAD is not taken",
     {PRE, "=0000", A " HEAD~symref=HEAD:refs/heads/a symref=HEAD:refs/heads/b", "=0000", NULL},
     .want = "HEAD>refs/heads/a"},
    {"receive-pack",
     {"# service=git-receive-pack", "=0000", A " refs/heads/main~report-status", B " .have",
      "=0000", NULL},
     .want = "refs/heads/main=1",
     .service = "git-receive-pack"},
    {"receive-pack, others' objects first",
     {"# service=git-receive-pack", "=0000", B " .have~report-status", A " refs/heads/main",
      "=0000", NULL},
     .want = "refs/heads/main=1",
     .service = "git-receive-pack"},
    {"receive-pack, empty",
     {"# service=git-receive-pack", "=0000", ZERO " capabilities^{}~report-status", "=0000", NULL},
     .want = "",
     .service = "git-receive-pack"},
    {"peeled without its tag", {PRE, "=0000", C " refs/tags/v1^{}~x", "=0000", NULL}, .want = ""},
    {"empty 200", {NULL}, .code = FL_E_BAD_DATA, .reason = "ProtocolEmpty"},
    {"flush alone", {"=0000", NULL}, .code = FL_E_BAD_DATA, .reason = "ProtocolError"},
    {"preamble alone", {PRE, "=0000", NULL}, .code = FL_E_BAD_DATA, .reason = "ProtocolError"},
    {"preamble without flush",
     {PRE, A " refs/heads/main~x", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"no preamble",
     {A " refs/heads/main~x", "=0000", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"no flush",
     {PRE, "=0000", A " refs/heads/main~x", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"another service",
     {PRE, "=0000", A " refs/heads/main~x", "=0000", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError",
     .service = "git-receive-pack"},
    {"NUL in a later line",
     {PRE, "=0000", A " HEAD~x", A " refs/heads/a~b", "=0000", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"capabilities line among refs",
     {PRE, "=0000", A " refs/heads/a~x", ZERO " capabilities^{}", "=0000", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"capabilities line with an oid",
     {PRE, "=0000", A " capabilities^{}~x", "=0000", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"version after refs",
     {PRE, "=0000", A " refs/heads/a~x", "version 1", "=0000", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"another hash",
     {PRE, "=0000", A " refs/heads/a~object-format=md5", "=0000", NULL},
     .code = FL_E_UNSUPPORTED,
     .reason = "ObjectFormat"},
    {"oid of the other hash",
     {PRE, "=0000", A " refs/heads/a~object-format=sha256", "=0000", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"name twice",
     {PRE, "=0000", A " refs/heads/a~x", B " refs/heads/a", "=0000", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"bytes behind",
     {PRE, "=0000", A " refs/heads/a~x", "=0000junk", NULL},
     .code = FL_E_BAD_DATA,
     .reason = "ProtocolError"},
    {"error",
     {PRE, "=0000", "ERR access denied", NULL},
     .code = FL_E_AUTH,
     .reason = "RemoteError"},
    {"too many",
     {PRE, "=0000", A " refs/heads/a~x", A " refs/heads/b", "=0000", NULL},
     .code = FL_E_TOO_BIG,
     .reason = "TooManyRefs",
     .max_refs = 1},
};

static void test_v0__answers_of_servers(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(v0_rows); i++) {
        row_run(&v0_rows[i], parse_v0);
    }
    rows_verify();
}

/* ---- dumb servers, ls-remote ---- */

static int parse_dumb(const struct row *t, struct fl_str body, const struct fl_ref_filter *f,
                      struct fl_arena *a, struct fl_git_refs *ret, struct fl_err *err)
{
    return git_dumb_parse(body, fl_str_of(t->service), f, a, ret, err);
}

static int parse_ls_remote(const struct row *t, struct fl_str body, const struct fl_ref_filter *f,
                           struct fl_arena *a, struct fl_git_refs *ret, struct fl_err *err)
{
    (void)t;
    return git_ls_remote_parse(body, f, a, ret, err);
}

static void test_dumb__lines_of_info_refs(void **state)
{
    (void)state;
    static const struct row rows[] = {
        /* service: the file HEAD */
        {"usual",
         {"=" A "\trefs/heads/main\n" B "\trefs/tags/v1\n" C "\trefs/tags/v1^{}\n", NULL},
         .want = "refs/heads/main=1 refs/tags/v1=2 HEAD>refs/heads/main",
         .service = "ref: refs/heads/main\n"},
        {"detached",
         {"=" A "\trefs/heads/main\n", NULL},
         .want = "refs/heads/main=1",
         .service = A "\n"},
        {"HEAD is HTML",
         {"=" A "\trefs/heads/main\n", NULL},
         .want = "refs/heads/main=1",
         .service = "<html>"},
        {"sha256", {"=" A256 "\trefs/heads/main\n", NULL}, .want = "refs/heads/main=1"},
        {"empty", {NULL}, .code = FL_E_BAD_DATA, .reason = "ProtocolEmpty"},
        {"cut",
         {"=" A "\trefs/heads/main\n" B "\trefs/ta", NULL},
         .code = FL_E_BAD_DATA,
         .reason = "ProtocolError"},
        {"two hashes",
         {"=" A "\trefs/heads/a\n" A256 "\trefs/heads/b\n", NULL},
         .code = FL_E_BAD_DATA,
         .reason = "ProtocolError"},
        {"HTML", {"=<html>\n</html>\n", NULL}, .code = FL_E_BAD_DATA, .reason = "ProtocolError"},
        {"blank instead of tab",
         {"=" A " refs/heads/a\n", NULL},
         .code = FL_E_BAD_DATA,
         .reason = "ProtocolError"},
        {"a symref's line",
         {"=ref: refs/heads/main\tHEAD\n", NULL},
         .code = FL_E_BAD_DATA,
         .reason = "ProtocolError"},
        {"twice",
         {"=" A "\trefs/heads/a\n" B "\trefs/heads/a\n", NULL},
         .code = FL_E_BAD_DATA,
         .reason = "ProtocolError"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        row_run(&rows[i], parse_dumb);
    }
    rows_verify();
}

static void test_ls_remote__lines_of_the_program(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"usual",
         {"=ref: refs/heads/main\tHEAD\n" A "\tHEAD\n" A "\trefs/heads/main\n" B
          "\trefs/tags/v1\n" C "\trefs/tags/v1^{}\n",
          NULL},
         .want = "refs/heads/main=1 refs/tags/v1=2 HEAD>refs/heads/main"},
        {"empty repository", {NULL}, .want = ""},
        {"another symref",
         {"=ref: refs/heads/b\trefs/heads/a\n" A "\trefs/heads/a\n", NULL},
         .want = "refs/heads/a=1"},
        {"cut",
         {"=" A "\trefs/heads/main", NULL},
         .code = FL_E_BAD_DATA,
         .reason = "ProtocolError"},
        {"words",
         {"=Welcome to this host\n", NULL},
         .code = FL_E_BAD_DATA,
         .reason = "ProtocolError"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        row_run(&rows[i], parse_ls_remote);
    }
    rows_verify();
}

/* ---- push ---- */

static void test_push__each_ref_gets_its_outcome(void **state)
{
    (void)state;
    static const struct fl_ref_move moves[] = {
        {"refs/heads/a", A, B, false}, {"refs/heads/b", NULL, B, false},
        {"refs/heads/c", A, B, true},  {"refs/heads/d", A, NULL, false},
        {"refs/heads/e", A, A, false}, {"refs/heads/f", A, B, false},
        {"refs/heads/g", A, B, false}, {"refs/heads/h", A, B, false},
    };
    static const struct fl_push_want want = {.v = moves, .n = FL_LEN(moves)};
    static const char out[] =
        "To https://example.org/x.git\n"
        "!\trefs/heads/f:refs/heads/f\t[remote rejected] (hook (pre) said no)\n"
        " \trefs/heads/a:refs/heads/a\t1111111..2222222\n"
        "*\trefs/heads/b:refs/heads/b\t[new branch]\n"
        "+\trefs/heads/c:refs/heads/c\t1111111...2222222 (forced update)\n"
        "-\t:refs/heads/d\t[deleted]\n"
        "=\trefs/heads/e:refs/heads/e\t[up to date]\n"
        "!\t(delete):refs/heads/g\t[no match]\n"
        "*\trefs/heads/x:refs/heads/x\t[new branch]\n"
        "Done\n";
    static const struct {
        enum fl_push_outcome outcome;
        const char *why;
    } wants[] = {
        {FL_PUSH_UPDATED, NULL},
        {FL_PUSH_CREATED, NULL},
        {FL_PUSH_FORCED, NULL},
        {FL_PUSH_DELETED, NULL},
        {FL_PUSH_SAME, NULL},
        {FL_PUSH_REJECTED, "hook (pre) said no"},
        {FL_PUSH_REJECTED, "[no match]"},
        {FL_PUSH_REJECTED, "not answered"},
    };
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_err err = FL_ERR_INIT;
    struct fl_push_ref *v = NULL;
    assert_int_equal(git_push_parse(fl_str_of(out), &want, a, &v, &err), 0);
    for (size_t i = 0; i < FL_LEN(wants); i++) {
        row_check(moves[i].name, fl_text_eq(v[i].name, moves[i].name), &err);
        row_check(moves[i].name, v[i].outcome == wants[i].outcome, &err);
        row_check(moves[i].name, fl_text_eq(v[i].why, wants[i].why), &err);
    }
    static const char *const broken[] = {"?\ta:b\tc\n", "*\tno-tab\n", "*\tno-colon\tx\n"};
    for (size_t i = 0; i < FL_LEN(broken); i++) {
        row_check(broken[i],
                  git_push_parse(fl_str_of(broken[i]), &want, a, &v, &err) == FL_E_BAD_DATA, &err);
    }
    rows_verify();
}

/* One ref goes in: it comes out when git's rules say so, whatever way it was looked at. */
static size_t taken(struct fl_str oid, struct fl_str name, int *ret_x)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto(fl_arena) a = fl_arena_new();
    struct git_caps caps = {.v2 = true, .ls_refs = true};
    struct fl_git_refs refs = {0};
    fl_buf_fmt(&b, "%04zx", oid.n + name.n + 5);
    fl_buf_str(&b, oid);
    fl_buf_char(&b, ' ');
    fl_buf_str(&b, name);
    fl_buf_text(&b, "0000");
    *ret_x = git_ls_refs_parse(fl_buf_slice(&b), &caps, &heads_tags, a, &refs, NULL);
    return refs.n;
}

static void test_names__the_short_way_agrees_with_the_rules(void **state)
{
    (void)state;
    static const char alphabet[] = "a./l-@{~Z9_";
    static const char *const more[] = {"a.lock",   "a.lock/b", "a.locks", "lock",    "a.l",
                                       "a/b.lock", "x.y.z",    "a.b/c.d", "\xc3\xa9"};
    char name[64] = "refs/heads/";
    size_t base = strlen(name);
    size_t n = sizeof(alphabet) - 1;
    for (size_t code = 0; code < n * n * n * n + FL_LEN(more); code++) {
        size_t len = 4;
        for (size_t i = 0, rest = code; i < 4; i++, rest /= n) {
            name[base + i] = alphabet[rest % n];
        }
        if (code >= n * n * n * n) {
            const char *text = more[code - n * n * n * n];
            len = strlen(text);
            memcpy(name + base, text, len);
        }
        for (size_t cut = 1; cut <= len; cut += len > 4 ? len - 1 : 1) {
            struct fl_str s = {name, base + (len > 4 && cut > 1 ? len : cut)};
            int x = 0;
            size_t got = taken(FL_STR(A), s, &x);
            if (x < 0 || got != (fl_git_ref_check(s) ? 0U : 1U)) {
                fail_msg("%.*s: %zu, %s", FL_STR_ARG(s), got, fl_git_ref_check(s));
            }
        }
    }
}

static void test_oids__the_short_way_agrees_with_the_rules(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        for (size_t at = 0; at < 40; at += 13) {
            char oid[] = A;
            oid[at] = (char)c;
            struct fl_str s = {oid, 40};
            int x = 0;
            size_t got = taken(s, FL_STR("refs/heads/a"), &x);
            if ((got == 1) != fl_git_oid_valid(s)) {
                fail_msg("byte %d at %zu: %d, %zu", c, at, x, got);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pkt__lengths_are_hex_and_within_the_body),
        cmocka_unit_test(test_pkt__remote_error_is_told_by_its_words),
        cmocka_unit_test(test_caps__answers_of_servers),
        cmocka_unit_test(test_ls_refs_request__says_only_what_was_advertised),
        cmocka_unit_test(test_ls_refs__answers_of_servers),
        cmocka_unit_test(test_names__the_short_way_agrees_with_the_rules),
        cmocka_unit_test(test_oids__the_short_way_agrees_with_the_rules),
        cmocka_unit_test(test_v0__answers_of_servers),
        cmocka_unit_test(test_dumb__lines_of_info_refs),
        cmocka_unit_test(test_ls_remote__lines_of_the_program),
        cmocka_unit_test(test_push__each_ref_gets_its_outcome),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
