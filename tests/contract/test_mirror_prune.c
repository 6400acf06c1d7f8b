/* SPDX-License-Identifier: Apache-2.0
 * What no ref reaches leaves the disk: not before two weeks after it was first met so, never what
 * a ref reaches, and not where git cannot tell the one from the other. */
#include "contract/gitbox.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <time.h>

#define OPS fl_adapter_git.repo
#define DAY_MS (24LL * 3600 * 1000)

struct prunebox {
    struct gitbox *b;
    struct fl_clock *clock;
    int rounds;
};

/* The pack of the unreached has the real time; by the fourth round, which makes it, so has the
 * clock. */
static struct prunebox prune_new(void)
{
    struct prunebox p = {.b = box_new(NULL),
                         .clock = fl_clock_fake_new((int64_t)time(NULL) * 1000 - 4 * DAY_MS)};
    struct fl_ctx ctx = box_ctx(p.b);
    struct fl_err err = FL_ERR_INIT;

    if (OPS->open(&(struct fl_repo_conf){.path = p.b->mirror, .clock = p.clock}, &ctx, &p.b->repo,
                  &err)) {
        fail_msg("open: %s", err.msg);
    }
    return p;
}

static void prune_free(struct prunebox *p)
{
    box_free(p->b);
    fl_clock_free(p->clock);
}

/* A new history of main, 9 MB that do not compress, is followed; then upkeep, a day later. Whether
 * it had something to do. The old commit stays under refs/x/N at the source, which is not
 * mirrored. */
static bool force_round(struct prunebox *p, int bytes)
{
    struct fl_ctx ctx = box_ctx(p->b);
    struct fl_repo_upkeep done = {0};
    struct fl_err err = FL_ERR_INIT;

    p->rounds++;
    SH(p->b,
       "o=$(head -c %d /dev/urandom | git hash-object -w --stdin); "
       "t=$(printf '100644 blob %%s\\tbig\\n' $o | git mktree); "
       "o=$(git commit-tree -m 'round %d' $t); git update-ref refs/heads/main $o; "
       "git update-ref refs/x/%d $o",
       bytes, p->rounds, p->rounds);
    box_sync(p->b);
    fl_clock_advance(p->clock, DAY_MS);
    if (OPS->upkeep(p->b->repo, &ctx, &done, &err)) {
        fail_msg("upkeep of round %d: %s", p->rounds, err.msg);
    }
    return done.done;
}

/* Which rounds' commits, with all that they reach, the mirror has: "1 3 ". */
static char *rounds_there(struct prunebox *p)
{
    return box_sh(p->b,
                  "for i in $(seq %d); do o=$(git rev-parse refs/x/$i); "
                  "GIT_DIR=%s command git rev-list --objects $o >/dev/null 2>&1 && "
                  "GIT_DIR=%s command git cat-file -e $o^{tree} 2>/dev/null && "
                  "printf '%%s ' $i; done; true",
                  p->rounds, p->b->mirror, p->b->mirror);
}

static void assert_there(struct prunebox *p, const char *want)
{
    fl_auto_text there = rounds_there(p);

    assert_string_equal(there, want);
}

static int64_t size_of(struct prunebox *p)
{
    int64_t bytes = 0;
    struct fl_err err = FL_ERR_INIT;

    assert_int_equal(OPS->size(p->b->repo, &bytes, &err), 0);
    return bytes;
}

static void test_prune__what_was_forced_away_goes_after_two_weeks(void **state)
{
    struct prunebox p = prune_new();
    struct fl_ctx ctx = box_ctx(p.b);
    struct fl_err err = FL_ERR_INIT;
    bool gathered = false;
    (void)state;

    assert_false(force_round(&p, 9000000));
    fl_auto_text first = box_sh(p.b, "git rev-parse refs/x/1");
    const struct fl_ref_move keep = {"refs/fairlead/kept/1700000000/heads/main", NULL, first,
                                     false};
    assert_int_equal(OPS->move(p.b->repo, &ctx, &keep, 1, NULL, &err), 0);
    for (int i = 2; i <= 12 && !gathered; i++) {
        gathered = force_round(&p, 9000000);
    }
    assert_true(gathered);
    /* It stays for two weeks: somebody may just be reading it. */
    int rounds = p.rounds;
    fl_auto_val(fl_buf) all = FL_BUF_INIT(FL_BUF_ANY);
    for (int i = 1; i <= rounds; i++) {
        fl_buf_fmt(&all, "%d ", i);
    }
    assert_there(&p, all.data);
    SH(p.b, "ls %s/objects/pack/*.mtimes", p.b->mirror);
    fl_clock_advance(p.clock, 10 * DAY_MS);
    assert_false(force_round(&p, 1000));
    fl_clock_advance(p.clock, 4 * DAY_MS);
    int64_t before = size_of(&p);
    assert_true(force_round(&p, 1000));
    print_message("%lld bytes before, %lld after\n", (long long)before, (long long)size_of(&p));
    /* Left: what is kept by a ref, what lost its ref since, and what has one. */
    fl_auto_text want = fl_asprintf("1 %d %d %d ", rounds, rounds + 1, rounds + 2);
    assert_there(&p, want);
    assert_true(size_of(&p) < 19000000);
    fl_clock_advance(p.clock, 15 * DAY_MS);
    assert_true(force_round(&p, 1000));
    fl_auto_text last = fl_asprintf("1 %d %d ", p.rounds - 1, p.rounds);
    assert_there(&p, last);
    prune_free(&p);
}

/* An object in the pack of the unreached that has a ref again is reached. */
static void test_prune__what_comes_back_stays(void **state)
{
    struct prunebox p = prune_new();
    bool gathered = false;
    (void)state;

    while (!gathered && p.rounds < 12) {
        gathered = force_round(&p, 9000000);
    }
    assert_true(gathered);
    SH(p.b, "git update-ref refs/heads/back $(git rev-parse refs/x/2)");
    fl_clock_advance(p.clock, 15 * DAY_MS);
    int rounds = p.rounds;
    assert_true(force_round(&p, 1000));
    fl_auto_text want = fl_asprintf("2 %d %d ", rounds, rounds + 1);
    assert_there(&p, want);
    prune_free(&p);
}

static void test_prune__a_growing_repository_is_looked_at_and_left(void **state)
{
    struct prunebox p = prune_new();
    struct fl_ctx ctx = box_ctx(p.b);
    struct fl_repo_upkeep done = {0};
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    assert_false(force_round(&p, 100000));
    fl_auto_text was = box_sh(p.b, "cat %s/fairlead.size", p.b->mirror);
    SH(p.b, "o=$(head -c 20000000 /dev/urandom | git hash-object -w --stdin); "
            "t=$(printf '100644 blob %%s\\tbig\\n' $o | git mktree); "
            "git update-ref refs/heads/big $(git commit-tree -m big $t)");
    box_sync(p.b);
    assert_int_equal(OPS->upkeep(p.b->repo, &ctx, &done, &err), 0);
    assert_false(done.done);
    fl_auto_text is = box_sh(p.b, "cat %s/fairlead.size", p.b->mirror);
    assert_string_not_equal(is, was);
    SH(p.b, "! ls %s/objects/pack/*.mtimes", p.b->mirror);
    prune_free(&p);
}

/* What git cannot walk through it must not thin out. */
static void test_prune__a_ref_to_nothing_stops_it(void **state)
{
    struct prunebox p = prune_new();
    struct fl_ctx ctx = box_ctx(p.b);
    struct fl_repo_upkeep done = {0};
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    for (int i = 0; i < 3; i++) {
        assert_false(force_round(&p, 9000000));
    }
    SH(p.b, "o=$(head -c 14000000 /dev/urandom | git hash-object -w --stdin); "
            "t=$(printf '100644 blob %%s\\tbig\\n' $o | git mktree); "
            "git update-ref refs/heads/main $(git commit-tree -m big $t)");
    box_sync(p.b);
    fl_clock_advance(p.clock, DAY_MS);
    SH(p.b, "echo 1234567890123456789012345678901234567890 > %s/refs/heads/lost", p.b->mirror);
    int rc = OPS->upkeep(p.b->repo, &ctx, &done, &err);
    print_message("%d %s: %s\n", rc, err.reason, err.msg);
    assert_int_not_equal(rc, 0);
    assert_there(&p, "1 2 3 ");
    /* Not tried again with each pass, and done when the cause is gone. */
    assert_int_equal(OPS->upkeep(p.b->repo, &ctx, &done, &err), 0);
    SH(p.b, "rm %s/refs/heads/lost", p.b->mirror);
    fl_clock_advance(p.clock, 2 * DAY_MS);
    assert_int_equal(OPS->upkeep(p.b->repo, &ctx, &done, &err), 0);
    assert_true(done.done);
    assert_there(&p, "1 2 3 ");
    prune_free(&p);
}

/* A program that has opened the packs, and asks after they were packed anew. */
static void test_prune__a_reader_goes_on_reading(void **state)
{
    struct prunebox p = prune_new();
    bool gathered = false;
    int to[2];
    int from[2];
    char line[256];
    (void)state;

    assert_false(force_round(&p, 9000000));
    assert_false(force_round(&p, 9000000));
    assert_int_equal(pipe(to), 0);
    assert_int_equal(pipe(from), 0);
    (void)fcntl(to[1], F_SETFD, FD_CLOEXEC);
    (void)fcntl(from[0], F_SETFD, FD_CLOEXEC);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(to[0], 0);
        (void)dup2(from[1], 1);
        (void)execlp("git", "git", "--git-dir", p.b->mirror, "cat-file", "--batch-check", NULL);
        _exit(127);
    }
    (void)close(to[0]);
    (void)close(from[1]);
    FILE *answers = fdopen(from[0], "r");
    for (int i = 1; i <= 2; i++) {
        fl_auto_text oid = box_sh(p.b, "git rev-parse refs/x/%d", i);
        assert_true(dprintf(to[1], "%s\n", oid) > 0);
        assert_non_null(fgets(line, sizeof(line), answers));
        assert_non_null(strstr(line, " commit "));
        while (i == 1 && !gathered && p.rounds < 12) {
            gathered = force_round(&p, 9000000);
        }
    }
    assert_true(gathered);
    for (int i = 1; i <= p.rounds; i++) {
        fl_auto_text oid = box_sh(p.b, "git rev-parse refs/x/%d:big", i);
        assert_true(dprintf(to[1], "%s\n", oid) > 0);
        assert_non_null(fgets(line, sizeof(line), answers));
        assert_non_null(strstr(line, " blob 9000000"));
    }
    (void)close(to[1]);
    (void)fclose(answers);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    prune_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prune__what_was_forced_away_goes_after_two_weeks),
        cmocka_unit_test(test_prune__what_comes_back_stays),
        cmocka_unit_test(test_prune__a_growing_repository_is_looked_at_and_left),
        cmocka_unit_test(test_prune__a_ref_to_nothing_stops_it),
        cmocka_unit_test(test_prune__a_reader_goes_on_reading),
    };
    fl_proc_global_init();
    fl_http_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
