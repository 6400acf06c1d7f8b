/* SPDX-License-Identifier: Apache-2.0
 * GitMirror as the API server walks its table: an object as text in, the whole refusal out; what is
 * decoded of the least object; the examples of all reference pages and samples. */
#include "codec_help.h"

#include <glob.h>

#include "api/scheme.h"
#include "api/v1alpha1/git_mirror.h"
#include "wire/file.h"
#include "wire/yaml.h"

static void walk(const struct fl_kind *k, struct fl_json *j, struct fl_arena *a,
                 struct fl_violations *vs)
{
    fl_codec_default(k->rows, j);
    fl_codec_validate(k->rows, j, "", vs);
    if (vs->n == 0 && k->check) {
        void *spec = fl_arena_alloc(a, k->spec_size);
        fl_codec_decode(k->spec_rows, fl_json_get(j, "spec"), a, spec);
        k->check(spec, NULL, vs);
    }
}

#define URL "\"url\":\"https://git.example.com/app\""

static void test_git_mirror__bad_input_and_its_words(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *spec;
        const char *want;
    } rows[] = {
        {"least", "{" URL "}", ""},
        {"no url", "{}", "spec.url: Required value\n"},
        {"interval garbage", "{" URL ",\"interval\":\"often\"}",
         "spec.interval: Invalid value: \"often\": must be a duration such as 30s, 5m or 1h30m, or "
         "0\n"},
        {"interval without unit", "{" URL ",\"interval\":\"60\"}",
         "spec.interval: Invalid value: \"60\": must be a duration such as 30s, 5m or 1h30m, or "
         "0\n"},
        {"negative interval", "{" URL ",\"interval\":\"-5m\"}",
         "spec.interval: Invalid value: \"-5m\": must not be negative\n"},
        {"interval as a number", "{" URL ",\"interval\":0}",
         "spec.interval: Invalid value: \"integer\": spec.interval in body must be of type string: "
         "\"integer\" (a duration is text: \"5m\", or \"0\" in quotes)\n"},
        {"never by the clock", "{" URL ",\"interval\":\"0\"}", ""},
        {"unknown provider", "{" URL ",\"provider\":\"azure\"}",
         "spec.provider: Unsupported value: \"azure\": supported values: \"generic\", "
         "\"github\"\n"},
        {"unknown provider of a target",
         "{" URL ",\"push\":[{\"name\":\"a\",\"url\":\"https://h/app\",\"provider\":\"x\"}]}",
         "spec.push[0].provider: Unsupported value: \"x\": supported values: \"generic\", "
         "\"github\"\n"},
        {"percent", "{" URL ",\"guard\":{\"maxDeletePercent\":101,\"maxDeletes\":-1}}",
         "spec.guard.maxDeletePercent: Invalid value: 101: spec.guard.maxDeletePercent in body "
         "should be less than or equal to 100\nspec.guard.maxDeletes: Invalid value: -1: "
         "spec.guard.maxDeletes in body should be greater than or equal to 0\n"},
        {"force pushes", "{" URL ",\"guard\":{\"onForcePush\":\"keepOld\"}}",
         "spec.guard.onForcePush: Unsupported value: \"keepOld\": supported values: \"Update\", "
         "\"KeepOld\", \"Block\"\n"},
        {"limits", "{" URL ",\"limits\":{\"maxRefs\":0,\"maxPackMiB\":-1}}",
         "spec.limits.maxRefs: Invalid value: 0: spec.limits.maxRefs in body should be greater "
         "than or equal to 1\nspec.limits.maxPackMiB: Invalid value: -1: spec.limits.maxPackMiB in "
         "body should be greater than or equal to 0\n"},
        {"no pattern", "{" URL ",\"refs\":{\"include\":[]}}",
         "spec.refs.include: Invalid value: 0: spec.refs.include in body should have at least 1 "
         "items\n"},
        {"no refname", "{" URL ",\"refs\":{\"include\":[\"refs/heads/main\",\"refs/heads/a b\"]}}",
         "spec.refs.include[1]: Invalid value: \"refs/heads/a b\": can match no ref: it has a "
         "space or a control character\n"},
        {"host", "{" URL ",\"allowedHosts\":[\"169.254.169.254\"]}",
         "spec.allowedHosts[0]: Invalid value: \"169.254.169.254\": must not be link-local: such "
         "addresses are never asked\n"},
        {"nameless target", "{" URL ",\"push\":[{\"url\":\"https://h/app\"}]}",
         "spec.push[0].name: Required value\n"},
        {"targets of one name",
         "{" URL ",\"push\":[{\"name\":\"a\",\"url\":\"https://h/app\"},{\"name\":\"a\",\"url\":"
         "\"https://i/app\"}]}",
         "spec.push[1]: Duplicate value: {\"name\":\"a\"}\n"},
        {"target is the source",
         "{" URL ",\"push\":[{\"name\":\"a\",\"url\":\"https://git.example.com/app.git\"}]}",
         "spec.push[0].url: Invalid value: \"https://git.example.com/app.git\": must be another "
         "repository than spec.url\n"},
        {"webhook without type", "{" URL ",\"webhook\":{\"secretRef\":{\"name\":\"s\"}}}",
         "spec.webhook.type: Required value\n"},
        {"webhook without secret", "{" URL ",\"webhook\":{\"type\":\"github\"}}",
         "spec.webhook.secretRef: Required value\n"},
        {"webhook of an unknown sender",
         "{" URL ",\"webhook\":{\"type\":\"azure\",\"secretRef\":{\"name\":\"s\"}}}",
         "spec.webhook.type: Unsupported value: \"azure\": supported values: \"generic-hmac\", "
         "\"github\", \"gitlab\", \"gitea\", \"gogs\", \"bitbucket\", \"bitbucket-server\"\n"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        fl_auto(fl_json) j = fl_json_object();
        struct fl_violations vs = {.arena = a};
        fl_json_set(j, "spec", tree(rows[i].spec));
        walk(&fl_kind_git_mirror, j, a, &vs);
        row_violations(rows[i].name, &vs, rows[i].want);
    }
}

static void test_git_mirror__a_password_in_a_url_is_not_repeated(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "https://user:hunter2@h/app", "https://hunter2@h/app", "ssh://git:hunter2@h/app",
        "http://user:hunter2@h/app",  "user:hunter2@h:app",
    };
    for (size_t i = 0; i < FL_LEN(urls); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        fl_auto(fl_json) j = fl_json_object();
        struct fl_json *spec = fl_json_object();
        struct fl_violations vs = {.arena = a};
        fl_json_set(spec, "url", fl_json_text(urls[i]));
        fl_json_set(j, "spec", spec);
        walk(&fl_kind_git_mirror, j, a, &vs);
        if (vs.n != 1 || strstr(vs.v[0].text, "hunter2")) {
            fail_msg("row '%s': %s", urls[i], vs.n ? vs.v[0].text : "accepted");
        }
    }
}

static void assert_refs_default(const struct fl_mirror_refs *refs)
{
    const struct fl_mirror_refs *want = &fl_mirror_refs_default;
    assert_non_null(refs);
    assert_int_equal(refs->include.n, want->include.n);
    for (size_t i = 0; i < want->include.n; i++) {
        assert_string_equal(((const char *const *)refs->include.v)[i],
                            ((const char *const *)want->include.v)[i]);
    }
    assert_int_equal(refs->exclude.n, want->exclude.n);
}

static void decode(const char *text, struct fl_arena *a, struct fl_git_mirror_spec *ret)
{
    fl_auto(fl_json) j = tree(text);
    fl_codec_default(fl_kind_git_mirror.spec_rows, j);
    fl_codec_decode(fl_kind_git_mirror.spec_rows, j, a, ret);
}

static void test_git_mirror__decodes_with_its_defaults(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_git_mirror_spec s = {0};
    decode("{" URL "}", a, &s);
    assert_int_equal(s.common.interval_ms, -1); /* the server's default holds */
    assert_int_equal(s.common.timeout_ms, 600000);
    assert_int_equal(s.common.mode, FL_MODE_APPLY);
    assert_int_equal(s.provider, FL_GIT_GENERIC);
    assert_null(s.refs);
    assert_true(s.prune);
    assert_null(s.guard);
    assert_null(s.limits);
    assert_true(s.fsck);
    assert_int_equal(s.lfs, FL_LFS_DETECT);
    assert_null(s.webhook);
    assert_int_equal(s.deletion_policy, FL_MIRROR_ORPHAN);
    assert_int_equal(s.push.n, 0);
}

/* An object that is there but empty means the same as one that is absent. */
static void test_git_mirror__empty_parts_have_the_defaults_of_absent_ones(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_git_mirror_spec s = {0};
    decode("{" URL ",\"refs\":{},\"guard\":{},\"limits\":{},\"push\":[{\"name\":\"a\",\"url\":"
           "\"https://h/app\"}]}",
           a, &s);
    assert_refs_default(s.refs);
    assert_int_equal(s.guard->max_delete_percent, fl_mirror_guard_default.max_delete_percent);
    assert_int_equal(s.guard->max_deletes, fl_mirror_guard_default.max_deletes);
    assert_int_equal(s.guard->on_force_push, fl_mirror_guard_default.on_force_push);
    assert_int_equal(s.guard->kept_for_ms, fl_mirror_guard_default.kept_for_ms);
    assert_int_equal(s.limits->max_refs, fl_mirror_limits_default.max_refs);
    assert_int_equal(s.limits->max_pack_mib, fl_mirror_limits_default.max_pack_mib);
    assert_int_equal(s.limits->max_repo_mib, fl_mirror_limits_default.max_repo_mib);
    const struct fl_mirror_push *push = s.push.v;
    assert_null(push->refs);
    assert_int_equal(push->divergence, 0); /* Overwrite */
    assert_true(push->prune);
}

static void test_git_mirror__status_encoded_is_valid(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_mirror_head head = {.ref = "refs/heads/main"};
    struct fl_mirror_fetch fetch = {.time = "2024-02-29T23:59:59Z", .trigger = "Webhook"};
    const char *refs[] = {"refs/heads/a"};
    struct fl_mirror_held held = {.nonce = "n", .since = fetch.time, .refs = {refs, 1}};
    struct fl_mirror_rejected rejected = {.ref = "refs/pull/1/head", .message = "hidden"};
    struct fl_mirror_pushed push = {.name = "a", .rejected = 1, .rejections = {&rejected, 1}};
    struct fl_mirror_move move = {.action = "Delete", .ref = "refs/heads/a", .old = "1"};
    struct fl_git_mirror_status st = {.path = "/x",
                                      .ref_count = 1,
                                      .head = &head,
                                      .last_fetch = &fetch,
                                      .held = &held,
                                      .push = {&push, 1},
                                      .plan = {&move, 1}};
    fl_auto(fl_json) j = fl_codec_encode(fl_kind_git_mirror.status_rows, &st);
    struct fl_violations vs = {.arena = a};
    fl_codec_validate(fl_kind_git_mirror.status_rows, j, "status", &vs);
    row_violations("status", &vs, "");
    row_tree("head", fl_json_get(j, "head"), "{\"ref\":\"refs/heads/main\"}");
    row_tree("plan", fl_json_get(j, "plan"),
             "[{\"action\":\"Delete\",\"ref\":\"refs/heads/a\",\"old\":\"1\"}]");
    row_tree("rejections", fl_json_get(fl_json_at(fl_json_get(j, "push"), 0), "rejections"),
             "[{\"ref\":\"refs/pull/1/head\",\"message\":\"hidden\"}]");
}

/* ---- what the pages and samples show ---- */

struct shown {
    const char *file;
    int documents;
};

static void unknown_field(void *arg, const char *path)
{
    const struct shown *s = arg;
    fail_msg("%s: there is no field %s", s->file, path);
}

static int document(void *arg, struct fl_json *read, int number, int line, struct fl_err *err)
{
    struct shown *s = arg;
    fl_auto(fl_json) j = read;
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_violations vs = {.arena = a};
    struct fl_str version = fl_str_of(fl_json_get_text(j, "apiVersion"));
    struct fl_str group = {0};
    struct fl_str head;
    (void)number;
    (void)line;
    (void)err;
    if (memchr(version.p, '/', version.n)) {
        (void)fl_str_cut(&version, '/', &head);
        group = head;
    }
    const struct fl_kind *k =
        fl_scheme_by_kind(group, version, fl_str_of(fl_json_get_text(j, "kind")));
    if (!k) {
        fail_msg("%s: no such kind", s->file);
    }
    fl_codec_prune(k->rows, j, "", unknown_field, s);
    walk(k, j, a, &vs);
    row_violations(s->file, &vs, "");
    s->documents++;
    return 0;
}

static void read_yaml(const char *file, struct fl_str text, int *documents)
{
    struct shown s = {.file = file};
    struct fl_err err = FL_ERR_INIT;
    if (fl_yaml_read(text, 1 << 20, file, document, &s, &err) != 0) {
        fail_msg("%s: %s", file, err.msg);
    }
    *documents += s.documents;
}

/* The first block of YAML on a page, empty without one. */
static struct fl_str first_block(const char *page)
{
    const char *start = strstr(page, "```yaml\n");
    start = start ? start + 8 : "";
    const char *end = strstr(start, "```");
    return (struct fl_str){start, end ? (size_t)(end - start) : 0};
}

static void each_file(const char *pattern, bool page)
{
    glob_t files;
    int documents = 0;
    assert_int_equal(glob(pattern, 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(1 << 20);
        struct fl_err err = FL_ERR_INIT;
        if (fl_file_read(files.gl_pathv[i], 1 << 20, &b, &err) != 0) {
            fail_msg("%s", err.msg);
        }
        read_yaml(files.gl_pathv[i], page ? first_block(b.data) : fl_buf_slice(&b), &documents);
    }
    globfree(&files);
    assert_true(documents >= 4);
}

static void test_kinds__examples_of_pages_and_samples_are_valid(void **state)
{
    (void)state;
    each_file(FL_SOURCE_DIR "/api/v1alpha1/*.md", true);
    each_file(FL_SOURCE_DIR "/manifests/samples/*.yaml", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_git_mirror__bad_input_and_its_words),
        cmocka_unit_test(test_git_mirror__a_password_in_a_url_is_not_repeated),
        cmocka_unit_test(test_git_mirror__decodes_with_its_defaults),
        cmocka_unit_test(test_git_mirror__empty_parts_have_the_defaults_of_absent_ones),
        cmocka_unit_test(test_git_mirror__status_encoded_is_valid),
        cmocka_unit_test(test_kinds__examples_of_pages_and_samples_are_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
