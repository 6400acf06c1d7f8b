/* SPDX-License-Identifier: Apache-2.0
 * Repository and fetch of the adapter `git` against a real server. Each scenario ends with: refs
 * and HEAD of the mirror are the source's, and `git fsck` has nothing to say. */
#include "contract/gitbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/num.h"
#include "wire/file.h"

#define OPS fl_adapter_git.repo

/* ---- what a remote may do ---- */

static const struct {
    const char *name;
    const char *before; /* then a pass, then ... */
    const char *after;  /* ... and a pass */
    int forced;         /* moves of the second that are said to be */
} stories[] = {
    {"a branch moves on", "git update-ref refs/heads/main $(c 1)",
     "git update-ref refs/heads/main $(c 2 $(git rev-parse main))", 0},
    {"a branch is forced", "git update-ref refs/heads/main $(c 2 $(c 1))",
     "git update-ref refs/heads/main $(c 3 $(c 1))", 1},
    {"a branch goes back", "git update-ref refs/heads/main $(c 2 $(c 1))",
     "git update-ref refs/heads/main $(c 1)", 1},
    {"unrelated history", "git update-ref refs/heads/main $(c 2 $(c 1))",
     "git update-ref refs/heads/main $(c other)", 1},
    {"a branch comes, one goes",
     "git update-ref refs/heads/main $(c 1); git update-ref refs/heads/old $(c 2)",
     "git update-ref refs/heads/new $(c 3); git update-ref -d refs/heads/old", 0},
    {"tags come, move and go",
     "git update-ref refs/heads/main $(c 1); git tag light main; git tag -m x heavy main; "
     "git tag gone main",
     "git tag -f light $(c 2 $(git rev-parse main)); git tag -f -m y heavy main; git tag -d gone; "
     "git tag -m z more main",
     2},
    {"a name becomes a folder", "git update-ref refs/heads/main $(c 1)",
     "git update-ref -d refs/heads/main; git update-ref refs/heads/main/sub $(c 2); "
     "git symbolic-ref HEAD refs/heads/main/sub",
     0},
    {"a folder becomes a name", "git update-ref refs/heads/a/b/c $(c 1)",
     "git update-ref -d refs/heads/a/b/c; git update-ref refs/heads/a $(c 2)", 0},
    {"the default branch is renamed",
     "git update-ref refs/heads/main $(c 1); git symbolic-ref HEAD refs/heads/main",
     "git update-ref refs/heads/trunk $(git rev-parse main); git update-ref -d refs/heads/main; "
     "git symbolic-ref HEAD refs/heads/trunk",
     0},
    {"the default branch is deleted",
     "git update-ref refs/heads/main $(c 1); git update-ref refs/heads/b $(c 2)",
     "git update-ref -d refs/heads/main", 0},
    {"all is deleted", "git update-ref refs/heads/main $(c 1); git tag t main",
     "git update-ref -d refs/heads/main; git update-ref -d refs/tags/t", 0},
    {"empty, then not", "true", "git update-ref refs/heads/main $(c 1)", 0},
    {"an old commit comes back",
     "git update-ref refs/heads/main $(c 1); git update-ref refs/heads/b $(c 2)",
     "git update-ref -d refs/heads/b; git update-ref refs/heads/d $(c 2)", 0},
    {"a tag of a tree and of a blob", "git update-ref refs/heads/main $(c 1)",
     "git tag tree 'main^{tree}'; git tag blob main:file", 0},
    {"names that are hard to bear", "git update-ref refs/heads/main $(c 1)",
     "for n in '-x' 'a$(touch${IFS}x)' 'a;b' \"it's\" '\"q\"' 'ü' 'a&b' '--upload-pack=x' 'HEAD' "
     "'refs/heads/x' "
     "'x.lockx' '@'; do git update-ref \"refs/heads/$n\" $(c \"$n\"); done",
     0},
};

static void run_story(size_t i, bool v0)
{
    struct gitbox *b = box_new(&(struct fl_fake_githttp_conf){.drop_git_protocol = v0});
    fl_auto(fl_arena) a = fl_arena_new();
    struct box_moves m = {0};
    struct fl_err err = FL_ERR_INIT;
    int forced = 0;

    print_message("%s%s\n", stories[i].name, v0 ? " (v0)" : "");
    SH(b, "%s", stories[i].before);
    box_sync(b);
    SH(b, "%s", stories[i].after);
    if (box_pass(b, a, &m, &err)) {
        fail_msg("%s: %s: %s", stories[i].name, err.reason, err.msg);
    }
    for (size_t k = 0; k < m.n; k++) {
        forced += m.v[k].forced;
    }
    assert_int_equal(forced, stories[i].forced);
    box_assert_equal(b);
    box_free(b);
}

static void test_mirror__follows_whatever_the_remote_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(stories); i++) {
        run_story(i, false);
    }
}

static void test_mirror__follows_a_server_that_knows_v0_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        run_story(i, true);
    }
}

static void test_mirror__takes_basic_credentials_and_tells_when_they_are_wrong(void **state)
{
    struct gitbox *b = box_new(&(struct fl_fake_githttp_conf){.user = "u", .password = "p w"});
    fl_auto_text run_dir = fl_asprintf("%s/run", b->dir);
    struct fl_ctx ctx = box_ctx(b);
    struct fl_ref_filter f = box_filter(b);
    struct fl_fetch_stats stats = {0};
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    SH(b, "git update-ref refs/heads/main $(c 1)");
    box_sync(b);
    struct fl_remote *wrong = box_remote(b->url, run_dir, "u", "sesame");
    const char *oid = box_sh(b, "c 7");
    struct fl_ref_move m = {"refs/heads/x", NULL, oid, false};
    int rc = fl_adapter_git.mirror->fetch(
        wrong, &ctx, b->repo, &(struct fl_fetch_want){.v = &m, .n = 1, .filter = &f, .url = b->url},
        &stats, &err);
    assert_int_equal(rc, FL_E_AUTH);
    assert_string_equal(err.reason, "AuthenticationFailed");
    assert_null(strstr(err.msg, "sesame"));
    fl_free((char *)(uintptr_t)oid);
    fl_adapter_git.close(wrong);
    /* No key files were needed, none are left. */
    SH(b, "test -z \"$(ls -A run 2>/dev/null)\"");
    box_free(b);
}

/* ---- what it costs ---- */

static void test_mirror__an_update_asks_for_no_list_of_refs(void **state)
{
    struct gitbox *b = box_new(NULL);
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    SH(b, "git update-ref refs/heads/main $(c 1)");
    box_sync(b);
    SH(b, "git update-ref refs/heads/main $(c 2 $(git rev-parse main))");
    (void)fl_fake_githttp_requests(b->server);
    assert_int_equal(box_pass(b, a, NULL, &err), 0);
    /* One for our list; git: capabilities, fetch. */
    assert_int_equal(fl_fake_githttp_requests(b->server), 3);
    box_free(b);
}

static void test_mirror__ten_thousand_refs_are_packed_at_once(void **state)
{
    struct gitbox *b = box_new(NULL);
    (void)state;

    SH(b, "o=$(c 1); p=$(c 2 $o); git update-ref refs/heads/main $o; "
          "seq 1 10000 | sed \"s,.*,create refs/heads/b/& $p,\" | git update-ref --stdin; "
          "git tag -m x heavy main; git pack-refs --all");
    box_sync(b);
    SH(b, "test -z \"$(find %s/refs -type f)\"", b->mirror);
    /* Half of them move: loose ones would be as many files. */
    SH(b, "o=$(c 3 $(git rev-parse main)); seq 1 2000 | sed \"s,.*,update refs/heads/b/& $o,\" | "
          "git update-ref --stdin; seq 2001 3000 | sed 's,.*,delete refs/heads/b/&,' | "
          "git update-ref --stdin");
    box_sync(b);
    SH(b, "test -z \"$(find %s/refs -type f)\"", b->mirror);
    box_free(b);
}

static void test_mirror__upkeep_when_enough_has_gathered(void **state)
{
    struct gitbox *b = box_new(NULL);
    struct fl_ctx ctx = box_ctx(b);
    struct fl_repo_upkeep done = {0};
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    SH(b, "git update-ref refs/heads/main $(c 0)");
    box_sync(b);
    for (int i = 0; i < 17; i++) {
        fl_auto(fl_arena) a = fl_arena_new();

        SH(b, "git update-ref refs/heads/main $(c %d $(git rev-parse main))", i);
        assert_int_equal(box_pass(b, a, NULL, &err), 0);
        if (i == 3) {
            assert_int_equal(OPS->upkeep(b->repo, &ctx, &done, &err), 0);
            assert_false(done.done);
        }
    }
    if (OPS->upkeep(b->repo, &ctx, &done, &err)) {
        fail_msg("%s", err.msg);
    }
    assert_true(done.done);
    SH(b, "test $(ls %s/objects/pack/*.pack | wc -l) -lt 8", b->mirror);
    box_assert_equal(b);
    assert_int_equal(OPS->upkeep(b->repo, &ctx, &done, &err), 0);
    assert_false(done.done);
    box_free(b);
}

/* ---- limits ---- */

static void test_mirror__g3_a_pack_above_its_limit_is_refused_and_leaves_nothing(void **state)
{
    static const struct {
        const char *name;
        bool first;
    } rows[] = {{"first fetch", true}, {"update", false}};
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct gitbox *b = box_new(NULL);
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_err err = FL_ERR_INIT;
        int64_t size = 0;

        SH(b, "git update-ref refs/heads/main $(c 1)");
        if (!rows[i].first) {
            box_sync(b);
        }
        SH(b, "o=$(head -c 3000000 /dev/urandom | git hash-object -w --stdin); "
              "t=$(printf '100644 blob %%s\\tbig\\n' $o | git mktree); "
              "git update-ref refs/heads/big $(git commit-tree -m big $t)");
        b->max_pack_bytes = 1 << 20;
        int rc = box_pass(b, a, NULL, &err);
        if (rc != FL_E_TOO_BIG || !fl_text_eq(err.reason, "PackTooBig")) {
            fail_msg("%s: %d %s: %s", rows[i].name, rc, err.reason, err.msg);
        }
        assert_int_equal(OPS->size(b->repo, &size, &err), 0);
        assert_true(size < 100000);
        b->max_pack_bytes = 8 << 20;
        box_sync(b);
        box_free(b);
    }
}

static void test_mirror__malformed_objects_are_refused(void **state)
{
    static const struct {
        const char *name, *make;
    } rows[] = {
        {".gitmodules with an option for a URL",
         "o=$(printf '[submodule \"x\"]\\n\\tpath = x\\n\\turl = --upload-pack=touch\\n' | "
         "git hash-object -w --stdin); t=$(printf '100644 blob %s\\t.gitmodules\\n' $o | git "
         "mktree)"},
        {"a path named .git", "o=$(echo x | git hash-object -w --stdin); t=$(printf '100644 blob "
                              "%s\\t.git\\n' $o | git mktree)"},
        {"a commit without a date", "t=$(git mktree </dev/null); x=$(printf 'tree %s\\nauthor a "
                                    "<a@b>\\ncommitter a <a@b>\\n\\nx\\n' $t | "
                                    "git hash-object -t commit -w --stdin --literally)"},
    };
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows) * 2; i++) {
        struct gitbox *b = box_new(NULL);
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_err err = FL_ERR_INIT;
        bool first = i % 2 == 0;

        if (!first) {
            SH(b, "git update-ref refs/heads/main $(c 1)");
            box_sync(b);
        }
        fl_auto_text script = fl_asprintf(
            "%s; git update-ref refs/heads/bad ${x:-$(git commit-tree -m x $t)}", rows[i / 2].make);
        SH(b, "%s", script);
        int rc = box_pass(b, a, NULL, &err);
        if (rc != FL_E_BAD_DATA || !fl_text_eq(err.reason, "FsckFailed")) {
            fail_msg("%s, %s: %d %s: %s", rows[i / 2].name, first ? "first" : "update", rc,
                     err.reason, err.msg);
        }
        box_free(b);
    }
}

static void test_mirror__a_shallow_remote_is_refused(void **state)
{
    struct gitbox *b = box_new(NULL);
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    SH(b, "git update-ref refs/heads/main $(c 3 $(c 2 $(c 1))); mv src.git full.git; "
          "git clone -q --bare --depth 1 file://$PWD/full.git src.git");
    int rc = box_pass(b, a, NULL, &err);
    assert_int_equal(rc, FL_E_BAD_DATA);
    assert_string_equal(err.reason, "RemoteShallow");
    box_free(b);
}

static void test_mirror__what_is_gone_meanwhile_is_told(void **state)
{
    static const struct {
        const char *name;
        bool v0, first;
    } rows[] = {{"v2", false, false}, {"v0", true, false}, {"first", false, true}};
    static const char gone[] = "1234567890123456789012345678901234567890";
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct gitbox *b = box_new(&(struct fl_fake_githttp_conf){.drop_git_protocol = rows[i].v0});
        struct fl_ctx ctx = box_ctx(b);
        struct fl_ref_filter f = box_filter(b);
        struct fl_ref_move m = {"refs/heads/x", NULL, gone, false};
        struct fl_fetch_stats stats = {0};
        struct fl_err err = FL_ERR_INIT;

        SH(b, "git update-ref refs/heads/main $(c 1)");
        if (rows[i].first) {
            assert_int_equal(box_open(b, &err), 0);
        } else {
            box_sync(b);
        }
        int rc = fl_adapter_git.mirror->fetch(
            b->remote, &ctx, b->repo,
            &(struct fl_fetch_want){.v = &m, .n = 1, .filter = &f, .url = b->url}, &stats, &err);
        if (rc != FL_E_CONFLICT || !fl_text_eq(err.reason, "RemoteMoved")) {
            fail_msg("%s: %d %s: %s", rows[i].name, rc, err.reason, err.msg);
        }
        box_free(b);
    }
}

static void test_mirror__a_fetch_moves_no_ref(void **state)
{
    struct gitbox *b = box_new(NULL);
    struct fl_ctx ctx = box_ctx(b);
    struct fl_ref_filter f = box_filter(b);
    struct fl_fetch_stats stats = {0};
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    SH(b, "git update-ref refs/heads/main $(c 1)");
    for (int i = 0; i < 2; i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        fl_auto_text tip = box_sh(b, "git rev-parse main");
        struct fl_ref_move m = {"refs/heads/main", NULL, tip, false};
        struct fl_git_refs refs = {0};

        assert_int_equal(box_open(b, &err), 0);
        if (fl_adapter_git.mirror->fetch(
                b->remote, &ctx, b->repo,
                &(struct fl_fetch_want){.v = &m, .n = 1, .filter = &f, .url = b->url, .fsck = true},
                &stats, &err)) {
            fail_msg("%s", err.msg);
        }
        assert_int_equal(OPS->refs(b->repo, a, &refs, &err), 0);
        assert_int_equal(refs.n, i);
        SH(b, "! test -e %s/FETCH_HEAD; GIT_DIR=%s git cat-file -e %s", b->mirror, b->mirror, tip);
        assert_true(stats.bytes > 0);
        m.old = i == 0 ? NULL : refs.v[0].oid;
        assert_int_equal(OPS->move(b->repo, &ctx, &m, 1, NULL, &err), 0);
        SH(b, "git update-ref refs/heads/main $(c 2 %s)", tip);
    }
    box_free(b);
}

/* ---- crashes ---- */

static void test_mirror__what_a_crash_left_is_removed(void **state)
{
    struct gitbox *b = box_new(NULL);
    (void)state;

    SH(b, "git update-ref refs/heads/main $(c 1); git update-ref refs/heads/a/b $(c 2); git tag t "
          "main");
    box_sync(b);
    box_close(b);
    SH(b,
       "cd %s; touch refs/heads/main.lock refs/heads/a/b.lock packed-refs.lock HEAD.lock "
       "config.lock shallow.lock fairlead.size.lock; echo x > packed-refs.new; mkdir -p objects/12 "
       "objects/tmp_objdir-x/34; "
       "touch objects/12/tmp_obj_abc objects/pack/tmp_pack_x objects/pack/tmp_idx_y "
       "objects/pack/.tmp-1-pack-2.pack objects/tmp_objdir-x/34/5; "
       "echo 'fetch-pack 12 on host' > objects/pack/pack-1.keep; echo mine > "
       "objects/pack/pack-2.keep; "
       "mkdir -p fairlead-incoming/refs fairlead-push/refs; : > refs/heads/lost; "
       "head -c 41 /dev/zero > refs/heads/zeros; echo x > refs/heads/.nfs0001",
       b->mirror);
    SH(b, "git update-ref refs/heads/main $(c 3 $(git rev-parse main)); git update-ref -d "
          "refs/heads/a/b; "
          "git update-ref refs/heads/lost $(c 4); git update-ref refs/heads/zeros $(c 5)");
    box_sync(b);
    fl_auto_text left =
        box_sh(b,
               "cd %s; find . -name '*.lock' -o -name '*tmp*' -o -name '*.keep' -o -name "
               "'fairlead-*' -o -name '*.new' | sort",
               b->mirror);
    assert_string_equal(left, "./fairlead.lock\n./objects/pack/pack-2.keep");
    box_free(b);
}

static void test_mirror__damaged_ref_is_told_with_its_place(void **state)
{
    struct gitbox *b = box_new(NULL);
    (void)state;

    SH(b, "git update-ref refs/heads/main $(c 1)");
    box_sync(b);
    SH(b, "echo nonsense > %s/refs/heads/main", b->mirror);
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_git_refs refs = {0};
    struct fl_err err = FL_ERR_INIT;
    assert_int_equal(OPS->refs(b->repo, a, &refs, &err), FL_E_BAD_DATA);
    assert_string_equal(err.reason, "RefsCorrupt");
    assert_non_null(strstr(err.msg, b->mirror));
    assert_non_null(strstr(err.msg, "refs/heads/main: holds no object id: remove that file"));
    box_free(b);
}

/* The child is killed as kill -9 kills the program: its git goes on, or hangs, and keeps the
 * lock. */
static pid_t crash_start(struct gitbox *b)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_err err = FL_ERR_INIT;

        (void)box_pass(b, a, NULL, &err);
        _exit(0);
    }
    return pid;
}

/* Until the last orphan has ended: they hold the lock. */
static void crash_wait_orphans(struct gitbox *b)
{
    fl_auto_text lock = fl_asprintf("%s/fairlead.lock", b->mirror);
    int fd = open(lock, O_RDWR | O_CLOEXEC);

    if (fd >= 0) {
        assert_int_equal(flock(fd, LOCK_EX), 0);
        (void)close(fd);
    }
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
}

static void test_mirror__a_kill_in_the_middle_of_a_fetch_is_repaired(void **state)
{
    static const bool firsts[] = {true, false};
    (void)state;
    for (size_t i = 0; i < FL_LEN(firsts); i++) {
        struct gitbox *b = box_new(NULL);
        struct fl_err err = FL_ERR_INIT;

        SH(b, "git update-ref refs/heads/main $(c 1)");
        if (!firsts[i]) {
            box_sync(b);
            box_close(b);
        }
        SH(b, "git update-ref refs/heads/main $(c 2 $(git rev-parse main)); git update-ref "
              "refs/heads/x $(c 3)");
        fl_fake_githttp_hold(b->server, "/git-upload-pack");
        /* Our own list goes that way too: let it pass first. */
        pid_t pid = crash_start(b);
        assert_true(fl_fake_githttp_wait_held(b->server));
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        fl_fake_githttp_release(b->server);
        crash_wait_orphans(b);
        if (box_open(b, &err)) {
            fail_msg("open: %s", err.msg);
        }
        box_sync(b);
        box_free(b);
    }
}

static void test_mirror__orphans_of_a_crash_keep_the_lock(void **state)
{
    struct gitbox *b = box_new(NULL);
    struct fl_ctx ctx = box_ctx(b);
    struct fl_ref_filter f = box_filter(b);
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    SH(b, "git update-ref refs/heads/main $(c 1)");
    box_sync(b);
    box_close(b);
    fl_auto_text tip = box_sh(b, "o=$(c 2); git update-ref refs/heads/main $o; echo $o");
    fl_fake_githttp_hold(b->server, "/git-upload-pack");
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct fl_ref_move m = {"refs/heads/main", NULL, tip, false};
        struct fl_fetch_stats stats = {0};

        if (box_open(b, &err) == 0) {
            (void)fl_adapter_git.mirror->fetch(
                b->remote, &ctx, b->repo,
                &(struct fl_fetch_want){.v = &m, .n = 1, .filter = &f, .url = b->url}, &stats,
                &err);
        }
        _exit(0);
    }
    assert_true(fl_fake_githttp_wait_held(b->server));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(box_open(b, &err), FL_E_EXISTS);
    assert_string_equal(err.reason, "RepositoryBusy");
    assert_int_equal(OPS->remove(b->mirror, &err), FL_E_EXISTS);
    fl_fake_githttp_release(b->server);
    crash_wait_orphans(b);
    assert_int_equal(box_open(b, &err), 0);
    box_sync(b);
    box_free(b);
}

/* Until the file is seen, or the child has ended before: then there is nothing left to kill. Not for ever: any moment is one to be
 * killed at. */
static bool crash_wait_for(const char *path, pid_t pid)
{
    for (int ms = 0; access(path, F_OK) != 0 && ms < 20000; ms++) {
        if (waitpid(pid, NULL, WNOHANG) == pid) {
            return false;
        }
        (void)poll(NULL, 0, 1);
    }
    return true;
}

/* The orphans are our children now (subreaper): git dies too, as at a power cut. */
static void crash_kill_orphans(void)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(1 << 16);
    fl_auto_text path = fl_asprintf("/proc/self/task/%ld/children", (long)getpid());
    struct fl_err err = FL_ERR_INIT;
    struct fl_str rest;
    struct fl_str pid;

    assert_int_equal(fl_file_read(path, b.cap_max, &b, &err), 0);
    rest = fl_buf_slice(&b);
    while (rest.n > 0) {
        int64_t n = 0;

        (void)fl_str_cut(&rest, ' ', &pid);
        if (fl_num_i64(pid, &n)) {
            (void)kill((pid_t)n, SIGKILL);
        }
    }
}

/* Killed as the ref transaction runs: at the sight of one lock or another, each time at another. */
static void test_mirror__kills_at_any_moment_are_repaired(void **state)
{
    int kills = 0;
    struct gitbox *b = box_new(NULL);
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    SH(b, "o=$(c 0); git update-ref refs/heads/main $o; seq 1 300 | sed \"s,.*,create "
          "refs/heads/b/& $o,\" | "
          "git update-ref --stdin");
    for (int i = 1; i <= 12; i++) {
        SH(b,
           "o=$(c %d $(git rev-parse main)); seq 1 300 | sed \"s,.*,update refs/heads/b/& $o,\" | "
           "git update-ref --stdin; git update-ref refs/heads/main $o; git update-ref "
           "refs/heads/d%d/x $o; "
           "git update-ref -d refs/heads/d%d/x",
           i, i, i - 1);
        pid_t pid = crash_start(b);
        fl_auto_text lock = fl_asprintf("%s/refs/heads/b/%d.lock", b->mirror, i * 25);
        if (crash_wait_for(lock, pid)) {
            assert_int_equal(kill(pid, SIGKILL), 0);
            assert_int_equal(waitpid(pid, NULL, 0), pid);
            kills++;
        }
        if (i % 2 == 0) {
            crash_kill_orphans();
        }
        crash_wait_orphans(b);
        if (box_open(b, &err)) {
            fail_msg("open after kill %d: %s", i, err.msg);
        }
        SH(b, "GIT_DIR=%s git fsck --no-dangling 2>&1", b->mirror);
        if (i % 3 == 0) {
            box_sync(b);
        }
        box_close(b);
    }
    assert_true(kills > 0);
    box_sync(b);
    box_free(b);
}

/* ---- the folder ---- */

static void test_repo__r10_open_tells_what_is_in_its_place(void **state)
{
    static const struct {
        const char *name, *make;
        int want;
        const char *reason;
    } rows[] = {
        {"nothing", "true", 0, ""},
        {"an empty folder", "mkdir -p mirrors/m.git", 0, ""},
        {"a file", "mkdir -p mirrors; touch mirrors/m.git", FL_E_INVALID, "RepositoryForeign"},
        {"a folder with something in it", "mkdir -p mirrors/m.git; touch mirrors/m.git/x",
         FL_E_INVALID, "RepositoryForeign"},
        {"somebody's repository", "git init -q --bare mirrors/m.git", FL_E_INVALID,
         "RepositoryForeign"},
        {"a working checkout",
         "git init -q --initial-branch=main mirrors/m.git; echo mine > mirrors/m.git/file",
         FL_E_INVALID, "RepositoryForeign"},
        {"a link", "mkdir -p mirrors x; ln -s ../x mirrors/m.git", FL_E_INVALID,
         "RepositoryForeign"},
        {"a lock that is a link",
         "mkdir -p mirrors/m.git; ln -s /dev/null mirrors/m.git/fairlead.lock", FL_E_INVALID,
         "RepositoryForeign"},
    };
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct gitbox *b = box_new(NULL);
        struct fl_err err = FL_ERR_INIT;

        SH(b, "unset GIT_DIR; %s", rows[i].make);
        int rc = box_open(b, &err);
        if (rc != rows[i].want || !fl_text_eq(err.reason, rows[i].reason)) {
            fail_msg("%s: %d %s: %s", rows[i].name, rc, err.reason, err.msg);
        }
        if (rc) {
            /* What is not ours is not removed either. */
            assert_int_equal(OPS->remove(b->mirror, &err), rc);
            SH(b, "test -e %s", b->mirror);
        }
        SH(b, "test -z \"$(ls -A mirrors | grep fairlead)\"");
        box_free(b);
    }
}

static void test_repo__is_made_only_where_that_is_wanted(void **state)
{
    struct gitbox *b = box_new(NULL);
    const struct fl_repo_conf conf = {
        .path = b->mirror, .existing = true, .clock = fl_clock_real()};
    struct fl_ctx ctx = box_ctx(b);
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    SH(b, "git update-ref refs/heads/main $(c 1)");
    assert_int_equal(OPS->open(&conf, &ctx, &b->repo, &err), FL_E_NOT_FOUND);
    SH(b, "test ! -e mirrors");
    SH(b, "mkdir -p %s", b->mirror);
    assert_int_equal(OPS->open(&conf, &ctx, &b->repo, &err), FL_E_NOT_FOUND);
    SH(b, "test -z \"$(ls -A %s)\"", b->mirror);
    box_sync(b);
    box_close(b);
    assert_int_equal(OPS->open(&conf, &ctx, &b->repo, &err), 0);
    box_assert_equal(b);
    box_free(b);
}

/* An empty remote over ssh does not say which hash it has. */
static void test_repo__unused_one_takes_the_hash_of_the_first_commit(void **state)
{
    struct gitbox *b = box_new(NULL);
    struct fl_ctx ctx = box_ctx(b);
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    assert_int_equal(box_open(b, &err), 0);
    box_close(b);
    struct fl_repo_conf conf = {.path = b->mirror, .sha256 = true, .clock = fl_clock_real()};
    assert_int_equal(OPS->open(&conf, &ctx, &b->repo, &err), 0);
    fl_auto_text format = box_sh(b, "git --git-dir %s rev-parse --show-object-format", b->mirror);
    assert_string_equal(format, "sha256");
    box_close(b);
    box_free(b);
}

static void test_repo__is_opened_once(void **state)
{
    struct gitbox *b = box_new(NULL);
    struct fl_ctx ctx = box_ctx(b);
    struct fl_repo *second = NULL;
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    SH(b, "git update-ref refs/heads/main $(c 1)");
    box_sync(b);
    assert_int_equal(OPS->open(&(struct fl_repo_conf){.path = b->mirror, .clock = fl_clock_real()},
                               &ctx, &second, &err),
                     FL_E_EXISTS);
    assert_string_equal(err.reason, "RepositoryBusy");
    box_close(b);
    assert_int_equal(
        OPS->open(
            &(struct fl_repo_conf){.path = b->mirror, .sha256 = true, .clock = fl_clock_real()},
            &ctx, &second, &err),
        FL_E_INVALID);
    assert_string_equal(err.reason, "ObjectFormat");
    box_free(b);
}

static void test_repo__remove_takes_all_and_follows_no_link(void **state)
{
    struct gitbox *b = box_new(NULL);
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    SH(b, "git update-ref refs/heads/main $(c 1)");
    box_sync(b);
    box_close(b);
    SH(b,
       "mkdir keep; touch keep/x; ln -s $PWD/keep %s/objects/link; ln -s $PWD/keep/x %s/y; "
       "mkdir -p mirrors/.fairlead-removed-abc/objects",
       b->mirror, b->mirror);
    assert_int_equal(OPS->remove(b->mirror, &err), 0);
    SH(b, "test -e keep/x; test -z \"$(ls -A mirrors)\"");
    assert_int_equal(OPS->remove(b->mirror, &err), 0);
    box_free(b);
}

static void test_repo__is_readable_for_others(void **state)
{
    struct gitbox *b = box_new(NULL);
    mode_t before = umask(022);
    (void)state;

    SH(b, "git update-ref refs/heads/main $(c 1)");
    box_sync(b);
    SH(b, "test -z \"$(find %s ! -perm -o+r)\"", b->mirror);
    (void)umask(before);
    box_free(b);
}

static void test_repo__refs_that_are_damaged_are_named(void **state)
{
    static const struct {
        const char *name, *damage, *file;
    } rows[] = {
        {"text for an id", "echo hello > refs/heads/x", "refs/heads/x"},
        {"short id", "echo 123456 > refs/heads/x", "refs/heads/x"},
        {"symbolic ref", "echo 'ref: refs/heads/main' > refs/heads/x", "refs/heads/x"},
        {"link", "ln -s /etc/passwd refs/heads/x", "refs/heads/x"},
        {"name with a space", "cp refs/heads/main 'refs/heads/x y'", "refs/heads/x y"},
        {"packed without an end", "printf '%s refs/heads/y' $(cat refs/heads/main) > packed-refs",
         "packed-refs"},
        {"packed twice",
         "o=$(cat refs/heads/main); printf '%s refs/heads/y\\n%s refs/heads/y\\n' $o $o > "
         "packed-refs",
         "packed-refs"},
        {"HEAD", "echo x > HEAD", "HEAD"},
    };
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct gitbox *b = box_new(NULL);
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_git_refs refs = {0};
        struct fl_err err = FL_ERR_INIT;

        SH(b, "git update-ref refs/heads/main $(c 1)");
        box_sync(b);
        SH(b, "cd %s; %s", b->mirror, rows[i].damage);
        int rc = OPS->refs(b->repo, a, &refs, &err);
        if (rc != FL_E_BAD_DATA || !strstr(err.msg, rows[i].file)) {
            fail_msg("%s: %d %s", rows[i].name, rc, err.msg);
        }
        box_free(b);
    }
}

/* ---- moves ---- */

static void test_repo__moves_are_whole_or_nothing(void **state)
{
    struct gitbox *b = box_new(NULL);
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_ctx ctx = box_ctx(b);
    struct fl_git_refs refs = {0};
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    SH(b, "git update-ref refs/heads/main $(c 1); git update-ref refs/heads/b $(c 2)");
    box_sync(b);
    fl_auto_text one = box_sh(b, "c 1");
    fl_auto_text two = box_sh(b, "c 2");
    const struct {
        const char *name;
        struct fl_ref_move v[2];
        int want;
        const char *reason, *names;
    } rows[] = {
        {"stale old",
         {{"refs/heads/n", NULL, one, false}, {"refs/heads/main", two, two, false}},
         FL_E_CONFLICT,
         "RefMoved",
         "refs/heads/main"},
        {"is there",
         {{"refs/heads/n", NULL, one, false}, {"refs/heads/b", NULL, one, false}},
         FL_E_CONFLICT,
         "RefMoved",
         "refs/heads/b"},
        {"deletion of another",
         {{"refs/heads/main", one, NULL, false}, {"refs/heads/b", one, NULL, false}},
         FL_E_CONFLICT,
         "RefMoved",
         "refs/heads/b"},
        {"no such object",
         {{"refs/heads/n", NULL, one, false},
          {"refs/heads/m", NULL, "1234567890123456789012345678901234567890", false}},
         FL_E_BAD_DATA,
         "ObjectMissing",
         "refs/heads/m"},
        {"no name",
         {{"refs/heads/n", NULL, one, false}, {"refs/heads/../x", NULL, one, false}},
         FL_E_INVALID,
         "RefInvalid",
         "refs/heads/../x"},
        {"a line of its own",
         {{"refs/heads/n", NULL, one, false}, {"refs/heads/x\ndelete y", NULL, one, false}},
         FL_E_INVALID,
         "RefInvalid",
         "refs/heads/x"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        int rc = OPS->move(b->repo, &ctx, rows[i].v, 2, NULL, &err);
        if (rc != rows[i].want || !fl_text_eq(err.reason, rows[i].reason) ||
            !strstr(err.msg, rows[i].names)) {
            fail_msg("%s: %d %s: %s", rows[i].name, rc, err.reason, err.msg);
        }
        assert_int_equal(OPS->refs(b->repo, a, &refs, &err), 0);
        assert_int_equal(refs.n, 2);
        box_assert_equal(b);
    }
    box_free(b);
}

static void test_repo__g2_kept_tips_are_apart(void **state)
{
    struct gitbox *b = box_new(NULL);
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_ctx ctx = box_ctx(b);
    struct fl_git_refs refs = {0};
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    SH(b, "git update-ref refs/heads/main $(c 1)");
    box_sync(b);
    fl_auto_text one = box_sh(b, "c 1");
    struct fl_ref_move m = {"refs/fairlead/kept/1700000000/heads/main", NULL, one, false};
    assert_int_equal(OPS->move(b->repo, &ctx, &m, 1, NULL, &err), 0);
    assert_int_equal(OPS->refs(b->repo, a, &refs, &err), 0);
    assert_int_equal(refs.n, 1);
    assert_string_equal(refs.head, "refs/heads/main");
    assert_int_equal(OPS->kept(b->repo, a, &refs, &err), 0);
    assert_int_equal(refs.n, 1);
    assert_string_equal(refs.v[0].name, m.name);
    assert_string_equal(refs.v[0].oid, one);
    box_free(b);
}

static void test_repo__large_files_are_seen(void **state)
{
    static const struct {
        const char *name, *make;
        bool want;
    } rows[] = {
        {"no branch yet", "true", false},
        {"none", "git update-ref refs/heads/main $(c 1)", false},
        {"at the top",
         "o=$(echo '*.bin filter=lfs diff=lfs' | git hash-object -w --stdin); "
         "git update-ref refs/heads/main $(git commit-tree -m x $(printf '100644 blob "
         "%s\\t.gitattributes\\n' $o | git mktree))",
         true},
        {"in a folder",
         "o=$(echo '*.bin filter=lfs' | git hash-object -w --stdin); "
         "t=$(printf '100644 blob %s\\t.gitattributes\\n' $o | git mktree); "
         "git update-ref refs/heads/main $(git commit-tree -m x $(printf '040000 tree %s\\td\\n' "
         "$t | git mktree))",
         true},
        {"other attributes",
         "o=$(echo '*.sh text' | git hash-object -w --stdin); "
         "git update-ref refs/heads/main $(git commit-tree -m x $(printf '100644 blob "
         "%s\\t.gitattributes\\n' $o | git mktree))",
         false},
    };
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct gitbox *b = box_new(NULL);
        struct fl_ctx ctx = box_ctx(b);
        struct fl_err err = FL_ERR_INIT;
        bool uses = !rows[i].want;

        SH(b, "%s", rows[i].make);
        box_sync(b);
        int rc = OPS->uses_lfs(b->repo, &ctx, &uses, &err);
        if (rc || uses != rows[i].want) {
            fail_msg("%s: %d %s", rows[i].name, rc, err.msg);
        }
        box_free(b);
    }
}

static void test_mirror__a_cancel_ends_a_fetch(void **state)
{
    struct gitbox *b = box_new(NULL);
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    assert_int_equal(box_open(b, &err), 0);
    fl_cancel_set(&b->cancel);
    assert_int_equal(box_pass(b, a, NULL, &err), FL_E_CANCELED);
    atomic_store(&b->cancel.set, false);
    SH(b, "git update-ref refs/heads/main $(c 1)");
    box_sync(b);
    box_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mirror__follows_whatever_the_remote_does),
        cmocka_unit_test(test_mirror__follows_a_server_that_knows_v0_alone),
        cmocka_unit_test(test_mirror__takes_basic_credentials_and_tells_when_they_are_wrong),
        cmocka_unit_test(test_mirror__an_update_asks_for_no_list_of_refs),
        cmocka_unit_test(test_mirror__ten_thousand_refs_are_packed_at_once),
        cmocka_unit_test(test_mirror__upkeep_when_enough_has_gathered),
        cmocka_unit_test(test_mirror__g3_a_pack_above_its_limit_is_refused_and_leaves_nothing),
        cmocka_unit_test(test_mirror__malformed_objects_are_refused),
        cmocka_unit_test(test_mirror__a_shallow_remote_is_refused),
        cmocka_unit_test(test_mirror__what_is_gone_meanwhile_is_told),
        cmocka_unit_test(test_mirror__a_fetch_moves_no_ref),
        cmocka_unit_test(test_mirror__a_cancel_ends_a_fetch),
        cmocka_unit_test(test_mirror__what_a_crash_left_is_removed),
        cmocka_unit_test(test_mirror__damaged_ref_is_told_with_its_place),
        cmocka_unit_test(test_mirror__a_kill_in_the_middle_of_a_fetch_is_repaired),
        cmocka_unit_test(test_mirror__orphans_of_a_crash_keep_the_lock),
        cmocka_unit_test(test_mirror__kills_at_any_moment_are_repaired),
        cmocka_unit_test(test_repo__r10_open_tells_what_is_in_its_place),
        cmocka_unit_test(test_repo__is_made_only_where_that_is_wanted),
        cmocka_unit_test(test_repo__unused_one_takes_the_hash_of_the_first_commit),
        cmocka_unit_test(test_repo__is_opened_once),
        cmocka_unit_test(test_repo__remove_takes_all_and_follows_no_link),
        cmocka_unit_test(test_repo__is_readable_for_others),
        cmocka_unit_test(test_repo__refs_that_are_damaged_are_named),
        cmocka_unit_test(test_repo__moves_are_whole_or_nothing),
        cmocka_unit_test(test_repo__g2_kept_tips_are_apart),
        cmocka_unit_test(test_repo__large_files_are_seen),
    };
    fl_proc_global_init();
    fl_http_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
