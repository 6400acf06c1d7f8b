/* SPDX-License-Identifier: Apache-2.0
 * What many moved refs cost and whether they are told apart rightly, against a real git. */
#include "contract/gitbox.h"

#include <dlfcn.h>
#include <spawn.h>

#define OPS fl_adapter_git.repo

/* ---- processes are counted ---- */

static _Atomic int spawned; /* the server has programs too */

/* Before libc's, and calls it. */
int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *fa,
                const posix_spawnattr_t *at, char *const argv[], char *const env[])
{
    int (*real)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                const posix_spawnattr_t *, char *const[], char *const[]);
    void *found = dlsym(RTLD_NEXT, "posix_spawn");

    assert_non_null(found);
    memcpy(&real, &found, sizeof(real));
    spawned++;
    return real(pid, path, fa, at, argv, env);
}

/* ---- forced ---- */

enum { COMMITS = 160, PAIRS = 300, PROCESSES_MAX = 50 };

/* Commits 1 to COMMITS on refs/heads/n<i>, as git fast-import reads them. Numbers are drawn by a
 * fixed rule, so that each run has the same history. */
struct history {
    const char *name;
    int merges;    /* of ten commits, so many have two parents */
    int roots;     /* so many have none */
    bool line;     /* each has the one before as its parent */
    bool to_tip;   /* every pair's new commit is the last */
    bool forwards; /* the old commit is one of the five before the new */
    int processes; /* at most */
};

static uint32_t drawn(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % below;
}

static void history_text(struct fl_buf *b, const struct history *h, uint32_t *seed)
{
    for (uint32_t i = 1; i <= COMMITS; i++) {
        uint32_t back = i > 1 ? 1 + drawn(seed, i - 1 < 12 ? i - 1 : 12) : 0;
        uint32_t more = i > 1 ? 1 + drawn(seed, i - 1) : 0;

        fl_buf_fmt(b, "commit refs/heads/n%u\nmark :%u\ncommitter a <a@b> %u +0000\ndata 0\n", i, i,
                   1700000000 + drawn(seed, 1000));
        if (i > (uint32_t)h->roots) {
            back = h->line ? 1 : back;
            fl_buf_fmt(b, "from :%u\n", i - back);
            if ((int)drawn(seed, 10) < h->merges && more != back) {
                fl_buf_fmt(b, "merge :%u\n", i - more);
            }
        }
        fl_buf_text(b, "\n");
    }
}

static struct gitbox *history_make(const struct history *h, uint32_t *seed)
{
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    struct gitbox *b = box_new(NULL);

    history_text(&text, h, seed);
    SH(b,
       "git fast-import --quiet <<'END'\n%sEND\n"
       "git tag -m t t n1; git update-ref refs/other/tag $(git rev-parse t); "
       "git update-ref refs/other/tree $(git rev-parse 'n1^{tree}')",
       text.data);
    return b;
}

/* Ids of n1 to nCOMMITS; 0: a tag of n1; COMMITS + 1: a tree. */
static const char **ids_of(struct gitbox *b, struct fl_arena *a)
{
    const char **ids = fl_arena_array(a, COMMITS + 2, sizeof(*ids));
    fl_auto_text all = box_sh(b,
                              "git rev-parse refs/other/tag $(for i in $(seq 1 %d); do echo "
                              "refs/heads/n$i; done) refs/other/tree",
                              COMMITS);
    struct fl_str rest = fl_str_of(all);
    struct fl_str line;

    for (size_t i = 0; i < COMMITS + 2; i++) {
        (void)fl_str_cut(&rest, '\n', &line);
        ids[i] = fl_arena_str(a, line);
        assert_int_equal(strlen(ids[i]), 40);
    }
    return ids;
}

static void pairs_draw(const struct history *h, uint32_t *seed, const char *const *ids,
                       struct fl_arena *a, struct fl_ref_move *v)
{
    for (size_t i = 0; i < PAIRS; i++) {
        uint32_t new = h->to_tip ? COMMITS : 7 + drawn(seed, COMMITS - 7);
        uint32_t old = h->to_tip     ? 1 + (uint32_t)i % (COMMITS - 1)
                       : h->forwards ? new - 1 - drawn(seed, 5)
                                     : drawn(seed, COMMITS + 2);

        v[i] = (struct fl_ref_move){fl_arena_fmt(a, "refs/heads/b%zu", i), ids[old], ids[new],
                                    i % 2 == 0};
    }
}

/* What git says of each alone. */
static char *truth_of(struct gitbox *b, const struct fl_ref_move *v)
{
    fl_auto_val(fl_buf) in = FL_BUF_INIT(FL_BUF_ANY);

    for (size_t i = 0; i < PAIRS; i++) {
        fl_buf_fmt(&in, "%s %s\n", v[i].old, v[i].new);
    }
    return box_sh(b,
                  "while read o n; do if [ $o = $n ] || git merge-base --is-ancestor $o $n "
                  "2>/dev/null; then printf -; else printf F; fi; done <<'END'\n%sEND\n",
                  in.data);
}

static const struct history histories[] = {
    {"a bush", 0, 1, false, false, false, PROCESSES_MAX},
    {"a bush with merges", 4, 3, false, false, false, PROCESSES_MAX},
    {"nothing but merges", 10, 2, false, false, false, PROCESSES_MAX},
    {"many roots", 2, 40, false, false, false, PROCESSES_MAX},
    {"a line", 0, 1, true, false, false, PROCESSES_MAX},
    {"all go on along a line", 0, 1, true, false, true, PROCESSES_MAX},
    {"all go on in a bush", 4, 1, false, false, true, PROCESSES_MAX},
    {"all are set to the end of a line", 0, 1, true, true, false, 3},
    {"all are set to one in a bush", 3, 6, false, true, false, PROCESSES_MAX},
};

static void test_forced__many_are_told_apart_by_few_processes(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(histories); i++) {
        uint32_t seed = 7 + (uint32_t)i;
        fl_auto(fl_arena) a = fl_arena_new();
        struct gitbox *b = history_make(&histories[i], &seed);
        const char **ids = ids_of(b, a);
        struct fl_ref_move v[PAIRS];
        char got[PAIRS + 1] = "";
        struct fl_err err = FL_ERR_INIT;
        static const char *const all[] = {"refs/**", NULL};
        struct fl_ctx ctx = box_ctx(b);

        b->include = all;
        assert_int_equal(box_pass(b, a, NULL, &err), 0);
        pairs_draw(&histories[i], &seed, ids, a, v);
        fl_auto_text want = truth_of(b, v);
        spawned = 0;
        if (OPS->forced(b->repo, &ctx, v, PAIRS, &err)) {
            fail_msg("%s: %s", histories[i].name, err.msg);
        }
        for (size_t k = 0; k < PAIRS; k++) {
            got[k] = v[k].forced ? 'F' : '-';
        }
        if (strcmp(got, want) != 0 || spawned > histories[i].processes) {
            fail_msg("%s: %d processes\ngot  %s\nwant %s", histories[i].name, (int)spawned, got,
                     want);
        }
        box_free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forced__many_are_told_apart_by_few_processes),
    };
    fl_http_global_init();
    fl_proc_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
