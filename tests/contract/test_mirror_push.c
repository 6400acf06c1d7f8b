/* SPDX-License-Identifier: Apache-2.0
 * Pushes of the adapter `git` to a real server. */
#include "contract/gitbox.h"

struct target {
    struct gitbox *b;
    struct fl_remote *remote;
    struct fl_arena *a;
};

/* A mirror of a source with main (two commits), b and a tag; and an empty target. */
static struct target target_with(const struct fl_fake_githttp_conf *conf)
{
    struct target t = {.b = box_new(conf), .a = fl_arena_new()};

    SH(t.b, "git update-ref refs/heads/main $(c 2 $(c 1)); git update-ref refs/heads/b $(c 3); "
            "git tag -m x v1 main; GIT_DIR=to.git git init -q --bare -b main");
    box_sync(t.b);
    fl_auto_text url = fl_asprintf("%s/to.git", fl_fake_githttp_url(t.b->server));
    fl_auto_text run_dir = fl_asprintf("%s/run", t.b->dir);
    t.remote = box_remote(url, run_dir, conf->user, conf->password);
    return t;
}

static struct target target_new(void)
{
    return target_with(&(struct fl_fake_githttp_conf){.push = true});
}

static void target_free(struct target *t)
{
    fl_adapter_git.close(t->remote);
    fl_arena_free(t->a);
    box_free(t->b);
}

/* Pushes all that differs; deletions too. The results are in the order of the plan. */
static int push_all(struct target *t, enum fl_push_divergence d, struct box_moves *moves,
                    struct fl_push_ref **ret, struct fl_err *err)
{
    struct fl_ctx ctx = box_ctx(t->b);
    struct fl_ref_filter f = box_filter(t->b);
    struct fl_ref_list have = {0};
    struct fl_git_refs refs = {0};
    int rc = fl_adapter_git.mirror->list_target(t->remote, &ctx, t->a, &f, &have, err);

    if (!rc) {
        rc = fl_adapter_git.repo->refs(t->b->repo, t->a, &refs, err);
    }
    if (rc) {
        return rc;
    }
    *moves = box_plan(t->a, &have.refs, &refs);
    struct fl_push_want want = {
        .have = &have.refs, .url = have.url, .v = moves->v, .n = moves->n, .divergence = d};
    return fl_adapter_git.mirror->push(t->remote, &ctx, t->a, t->b->repo, &want, ret, err);
}

/* "refs/heads/b created; ..." */
static char *told(const struct fl_push_ref *v, size_t n)
{
    static const char *const names[] = {"same",   "created", "updated",
                                        "forced", "deleted", "rejected"};
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);

    for (size_t i = 0; i < n; i++) {
        fl_buf_fmt(&b, "%s%s %s", i ? "; " : "", v[i].name + strlen("refs/"), names[v[i].outcome]);
    }
    return fl_buf_take(&b);
}

static const struct {
    const char *name;
    const char *target; /* what is done to the target after a first push */
    const char *source; /* and to the source */
    enum fl_push_divergence d;
    const char *want;
} rows[] = {
    {"nothing new", "true", "true", FL_PUSH_OVERWRITE, ""},
    {"forward", "true", "git update-ref refs/heads/main $(c 4 $(git rev-parse main))",
     FL_PUSH_OVERWRITE, "heads/main updated"},
    {"forced", "true", "git update-ref refs/heads/main $(c 4)", FL_PUSH_OVERWRITE,
     "heads/main forced"},
    {"created and deleted", "true",
     "git update-ref refs/heads/n $(c 4); git update-ref -d refs/heads/b", FL_PUSH_OVERWRITE,
     "heads/n created; heads/b deleted"},
    {"the target has more, overwritten", "git update-ref refs/heads/b $(c x $(git rev-parse b))",
     "true", FL_PUSH_OVERWRITE, "heads/b forced"},
    {"the target has more, left", "git update-ref refs/heads/b $(c x $(git rev-parse b))",
     "git update-ref refs/heads/main $(c 4 $(git rev-parse main))", FL_PUSH_KEEP_DIVERGENT,
     "heads/b rejected; heads/main updated"},
    {"the target has another branch, left", "git update-ref refs/heads/own $(c x)",
     "git update-ref refs/heads/n $(c 4)", FL_PUSH_KEEP_DIVERGENT,
     "heads/n created; heads/own rejected"},
    {"forced upstream goes on", "true", "git update-ref refs/heads/main $(c 4)",
     FL_PUSH_KEEP_DIVERGENT, "heads/main forced"},
    {"forward only", "true",
     "git update-ref refs/heads/main $(c 4 $(git rev-parse main)); git update-ref refs/heads/b $(c "
     "9); "
     "git tag -f -m y v1 main",
     FL_PUSH_FAST_FORWARD_ONLY, "heads/b rejected; heads/main updated; tags/v1 rejected"},
    {"forward only: what the mirror does not have is not deleted",
     "git update-ref refs/heads/own $(c x); git tag own $(c y)", "git update-ref -d refs/heads/b",
     FL_PUSH_FAST_FORWARD_ONLY, "tags/own rejected; heads/own rejected; heads/b deleted"},
    {"hidden refs do not hide the rest", "git config receive.hideRefs refs/heads/hidden",
     "git update-ref refs/heads/hidden/x $(c 4); git update-ref refs/heads/n $(c 5)",
     FL_PUSH_OVERWRITE, "heads/hidden/x rejected; heads/n created"},
    {"the current branch is not deleted",
     "git symbolic-ref HEAD refs/heads/b; git config receive.denyDeleteCurrent true",
     "git update-ref -d refs/heads/b; git update-ref refs/heads/n $(c 5)", FL_PUSH_OVERWRITE,
     "heads/n created; heads/b rejected"},
    {"no forced pushes here", "git config receive.denyNonFastForwards true",
     "git update-ref refs/heads/b $(c 4); git update-ref refs/heads/n $(c 5)", FL_PUSH_OVERWRITE,
     "heads/b rejected; heads/n created"},
    {"a hook declines",
     "printf '#!/bin/sh\\nexit 1\\n' > to.git/hooks/pre-receive; chmod +x "
     "to.git/hooks/pre-receive",
     "git update-ref refs/heads/n $(c 5)", FL_PUSH_OVERWRITE, "heads/n rejected"},
};

static void test_push__each_ref_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct target t = target_new();
        struct box_moves m = {0};
        struct fl_push_ref *v = NULL;
        struct fl_err err = FL_ERR_INIT;

        assert_int_equal(push_all(&t, FL_PUSH_OVERWRITE, &m, &v, &err), 0);
        fl_auto_text first = told(v, m.n);
        assert_string_equal(first, "heads/b created; heads/main created; tags/v1 created");
        SH(t.b, "export GIT_DIR=to.git; %s", rows[i].target);
        SH(t.b, "%s", rows[i].source);
        box_sync(t.b);
        int rc = push_all(&t, rows[i].d, &m, &v, &err);
        if (rc) {
            fail_msg("%s: %s: %s", rows[i].name, err.reason, err.msg);
        }
        fl_auto_text said = told(v, m.n);
        if (!fl_text_eq(said, rows[i].want)) {
            fail_msg("%s: \"%s\", not \"%s\"", rows[i].name, said, rows[i].want);
        }
        for (size_t k = 0; k < m.n; k++) {
            assert_true((v[k].why != NULL) == (v[k].outcome == FL_PUSH_REJECTED));
        }
        target_free(&t);
    }
}

/* The list is old: somebody pushed to the target since. */
static void test_push__what_moved_since_it_was_listed_is_left(void **state)
{
    struct target t = target_new();
    struct fl_ctx ctx = box_ctx(t.b);
    struct box_moves m = {0};
    struct fl_push_ref *v = NULL;
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    assert_int_equal(push_all(&t, FL_PUSH_OVERWRITE, &m, &v, &err), 0);
    fl_auto_text before = box_sh(t.b, "git rev-parse main");
    fl_auto_text now =
        box_sh(t.b, "o=$(c 4 $(git rev-parse main)); git update-ref refs/heads/main $o; echo $o");
    box_sync(t.b);
    fl_auto_text theirs =
        box_sh(t.b, "export GIT_DIR=to.git; o=$(c x); git update-ref refs/heads/main $o; echo $o");
    struct fl_ref_move one = {"refs/heads/main", before, now, false};
    fl_auto_text url = fl_asprintf("%s/to.git", fl_fake_githttp_url(t.b->server));
    struct fl_push_want want = {
        .url = url, .v = &one, .n = 1, .divergence = FL_PUSH_KEEP_DIVERGENT};
    assert_int_equal(fl_adapter_git.mirror->push(t.remote, &ctx, t.a, t.b->repo, &want, &v, &err),
                     0);
    assert_int_equal(v[0].outcome, FL_PUSH_REJECTED);
    fl_auto_text left = box_sh(t.b, "GIT_DIR=to.git git rev-parse main");
    assert_string_equal(left, theirs);
    target_free(&t);
}

/* So is what is to be deleted, whoever may be overwritten. */
static void test_push__what_moved_since_it_was_listed_is_not_deleted(void **state)
{
    static const enum fl_push_divergence ways[] = {FL_PUSH_OVERWRITE, FL_PUSH_KEEP_DIVERGENT,
                                                   FL_PUSH_FAST_FORWARD_ONLY};
    (void)state;
    for (size_t i = 0; i < FL_LEN(ways); i++) {
        struct target t = target_new();
        struct fl_ctx ctx = box_ctx(t.b);
        struct box_moves m = {0};
        struct fl_push_ref *v = NULL;
        struct fl_err err = FL_ERR_INIT;

        assert_int_equal(push_all(&t, FL_PUSH_OVERWRITE, &m, &v, &err), 0);
        fl_auto_text before = box_sh(t.b, "git rev-parse b");
        fl_auto_text theirs = box_sh(
            t.b, "export GIT_DIR=to.git; o=$(c x $(git rev-parse b)); git update-ref refs/heads/b "
                 "$o; echo $o");
        fl_auto_text url = fl_asprintf("%s/to.git", fl_fake_githttp_url(t.b->server));
        struct fl_ref_move one = {"refs/heads/b", before, NULL, false};
        struct fl_push_want want = {.url = url, .v = &one, .n = 1, .divergence = ways[i]};
        assert_int_equal(
            fl_adapter_git.mirror->push(t.remote, &ctx, t.a, t.b->repo, &want, &v, &err), 0);
        assert_int_equal(v[0].outcome, FL_PUSH_REJECTED);
        fl_auto_text left = box_sh(t.b, "GIT_DIR=to.git git rev-parse b");
        assert_string_equal(left, theirs);
        target_free(&t);
    }
}

/* The target was renamed at its host, which sends on from the old name; with a password, which
 * goes with it on the same host. */
static void test_push__renamed_target_is_pushed_to_where_it_is(void **state)
{
    struct target t = target_with(&(struct fl_fake_githttp_conf){
        .push = true, .user = "robot", .password = "not-a-real-password"});
    struct box_moves m = {0};
    struct fl_push_ref *v = NULL;
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    SH(t.b, "mv to.git renamed.git");
    fl_fake_githttp_moved(t.b->server, "/to.git", "/renamed.git");
    for (int i = 0; i < 2; i++) {
        if (push_all(&t, FL_PUSH_OVERWRITE, &m, &v, &err)) {
            fail_msg("%s: %s", err.reason, err.msg);
        }
        fl_auto_text said = told(v, m.n);
        assert_string_equal(said, i == 0 ? "heads/b created; heads/main created; tags/v1 created"
                                         : "heads/main forced");
        SH(t.b, "git update-ref refs/heads/main $(c 9)");
        box_sync(t.b);
    }
    target_free(&t);
}

/* So is a source for its large files: the server has none, and its answer has the place. */
static void test_push__renamed_source_is_asked_for_large_files_where_it_is(void **state)
{
    struct target t = target_new();
    struct fl_ctx ctx = box_ctx(t.b);
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    SH(t.b, "p=$(printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%%064d\nsize "
            "5\n' 7 | git hash-object -w --stdin); t=$(printf '100644 blob %%s\tbig\n' $p | git "
            "mktree); git update-ref refs/heads/main $(git commit-tree -m l $t)");
    SH(t.b, "mv src.git renamed.git; ln -s renamed.git src.git");
    fl_fake_githttp_moved(t.b->server, "/src.git", "/renamed.git");
    box_sync(t.b);
    int rc = fl_adapter_git.mirror->fetch_lfs(t.b->remote, &ctx, t.b->repo, &err);
    if (rc == FL_E_UNSUPPORTED) {
        skip();
    }
    if (rc == 0 || !strstr(err.msg, "/renamed.git/info/lfs")) {
        fail_msg("%d %s: %s", rc, err.reason, err.msg);
    }
    target_free(&t);
}

static void test_push__many_refs_go_at_once(void **state)
{
    struct target t = target_new();
    struct box_moves m = {0};
    struct fl_push_ref *v = NULL;
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    SH(t.b,
       "o=$(c 5); seq 1 3000 | sed \"s,.*,create refs/heads/a-name-that-is-not-short/& $o,\" | "
       "git update-ref --stdin");
    box_sync(t.b);
    if (push_all(&t, FL_PUSH_OVERWRITE, &m, &v, &err)) {
        fail_msg("%s: %s", err.reason, err.msg);
    }
    assert_int_equal(m.n, 3003);
    for (size_t i = 0; i < m.n; i++) {
        assert_int_equal(v[i].outcome, FL_PUSH_CREATED);
    }
    assert_int_equal(push_all(&t, FL_PUSH_OVERWRITE, &m, &v, &err), 0);
    assert_int_equal(m.n, 0);
    target_free(&t);
}

static void test_push__a_target_that_is_not_there_is_told(void **state)
{
    struct target t = target_new();
    struct fl_ctx ctx = box_ctx(t.b);
    struct fl_push_ref *v = NULL;
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    fl_auto_text tip = box_sh(t.b, "git rev-parse main");
    SH(t.b, "rm -rf to.git");
    struct fl_ref_move one = {"refs/heads/main", NULL, tip, false};
    fl_auto_text url = fl_asprintf("%s/to.git", fl_fake_githttp_url(t.b->server));
    struct fl_push_want want = {.url = url, .v = &one, .n = 1};
    assert_int_equal(fl_adapter_git.mirror->push(t.remote, &ctx, t.a, t.b->repo, &want, &v, &err),
                     FL_E_NOT_FOUND);
    assert_string_equal(err.reason, "RepositoryNotFound");
    target_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_push__each_ref_is_told),
        cmocka_unit_test(test_push__what_moved_since_it_was_listed_is_left),
        cmocka_unit_test(test_push__what_moved_since_it_was_listed_is_not_deleted),
        cmocka_unit_test(test_push__renamed_target_is_pushed_to_where_it_is),
        cmocka_unit_test(test_push__renamed_source_is_asked_for_large_files_where_it_is),
        cmocka_unit_test(test_push__many_refs_go_at_once),
        cmocka_unit_test(test_push__a_target_that_is_not_there_is_told),
    };
    fl_proc_global_init();
    fl_http_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
