/* SPDX-License-Identifier: Apache-2.0
 * Upkeep, and what a look into the objects tells. */
#include "base/mem.h"
#include "remote/git/repo_priv.h"

enum {
    LOOSE_REFS_MAX = 512, /* a thousand cost an unchanged fetch half as much again, reference 2.5 */
    PACKS_MAX = 16,       /* each fetch leaves one; a lookup asks them one after the other */
    LOOSE_OBJECTS_MAX = 2000 /* fetches leave none: of others, or of an unpacked push */
};

struct counts {
    size_t loose_refs, packs, loose_objects;
};

static int count_ref(void *arg, const struct repo_entry *e, struct fl_err *err)
{
    struct counts *c = arg;

    (void)err;
    c->loose_refs += S_ISREG(e->st->st_mode);
    return 0;
}

/* "12/3456...": a loose object. A kept pack stays as it is and does not count. */
static int count_object(void *arg, const struct repo_entry *e, struct fl_err *err)
{
    struct counts *c = arg;

    (void)err;
    if (S_ISREG(e->st->st_mode)) {
        c->packs += fl_str_ends(fl_str_of(e->name), ".pack");
        c->packs -= fl_str_ends(fl_str_of(e->name), ".keep");
        c->loose_objects += e->path[2] == '/';
    }
    return 0;
}

static int count(struct fl_repo *repo, struct counts *ret, struct fl_err *err)
{
    fl_auto_text refs = fl_asprintf("%s/refs", repo->path);
    fl_auto_text objects = fl_asprintf("%s/objects", repo->path);
    int rc = repo_walk(refs, count_ref, ret, err);

    return rc ? rc : repo_walk(objects, count_object, ret, err);
}

static int run_task(struct git_env *e, struct fl_repo *repo, const struct fl_ctx *ctx,
                    const char *const *argv, struct fl_err *err)
{
    fl_auto_val(fl_proc_resp) r;
    fl_auto_text what = fl_asprintf("git %s", argv[0]);

    fl_proc_resp_init(&r);
    int rc = git_run(e, argv, (struct fl_str){0}, repo->lock_fd, 0, ctx, &r, err);
    return rc || r.exit_code == 0 ? rc : git_fail(&r, what, err);
}

/* Geometric, not `git maintenance --task=incremental-repack`: that packs together no more than
 * the second largest pack is large, so beside one large pack and many small ones it takes off
 * one at a time, and would be due at each pass. Objects that no ref reaches any more are carried
 * along: they are repo_prune's. Readers that meet a pack which is gone look again (packfile.c). */
static int repack(struct git_env *e, struct fl_repo *repo, const struct fl_ctx *ctx,
                  struct fl_err *err)
{
    static const char *const geometric[] = {
        "repack", "--quiet", "--geometric=2", "-d", "-l", "--no-write-bitmap-index", NULL};
    static const char *const graph[] = {"commit-graph", "write",         "--reachable",
                                        "--split",      "--no-progress", NULL};
    int rc = run_task(e, repo, ctx, geometric, err);

    return rc ? rc : run_task(e, repo, ctx, graph, err);
}

static int tend(struct git_env *e, struct fl_repo *repo, const struct fl_ctx *ctx, bool *ret_done,
                struct fl_err *err)
{
    static const char *const pack_refs[] = {"pack-refs", "--all", "--prune", NULL};
    struct counts c = {0};
    bool pruned = false;
    int rc = count(repo, &c, err);
    bool refs_due = c.loose_refs > LOOSE_REFS_MAX;
    bool objects_due = c.packs > PACKS_MAX || c.loose_objects > LOOSE_OBJECTS_MAX;

    if (!rc && refs_due) {
        rc = run_task(e, repo, ctx, pack_refs, err);
    }
    if (!rc && objects_due) {
        rc = repack(e, repo, ctx, err);
    }
    if (!rc) {
        rc = repo_prune(e, repo, ctx, &pruned, err);
    }
    *ret_done = refs_due || objects_due || pruned;
    return rc;
}

int repo_upkeep(struct fl_repo *repo, const struct fl_ctx *ctx, struct fl_repo_upkeep *ret,
                struct fl_err *err)
{
    fl_auto(fl_arena) a = fl_arena_new();
    int64_t from = fl_clock_mono_ms(repo->clock);
    bool done = false;
    fl_auto_val(git_env) e;

    git_env_init(&e, a, repo->path);
    int rc = tend(&e, repo, ctx, &done, err);
    if (rc) {
        (void)repo_sweep(repo, NULL); /* half a pack, as after a fetch */
        return repo_tell_disk(repo->path, rc, err);
    }
    *ret = (struct fl_repo_upkeep){.done = done, .ms = fl_clock_mono_ms(repo->clock) - from};
    return 0;
}

/* git grep reads the trees alone to find the files of this name, in all folders. */
int repo_uses_lfs(struct fl_repo *repo, const struct fl_ctx *ctx, bool *ret, struct fl_err *err)
{
    static const char *const argv[] = {
        "grep", "-q", "-F", "-e", "filter=lfs", "HEAD", "--", ":(glob)**/.gitattributes", NULL};
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_git_refs refs = {0};
    fl_auto_val(fl_proc_resp) r;
    fl_auto_val(git_env) e;

    git_env_init(&e, a, repo->path);
    fl_proc_resp_init(&r);
    int rc = repo_refs_read(repo->path, repo->sha256, a, &refs, err);
    if (rc) {
        return rc;
    }
    if (!refs.head || refs.n == 0 ||
        !bsearch(&(struct fl_git_ref){.name = refs.head}, refs.v, refs.n, sizeof(*refs.v),
                 repo_ref_by_name)) {
        *ret = false; /* a branch that is not there (yet) */
        return 0;
    }
    git_env_config(&e, "grep.threads", "1");
    rc = git_run(&e, argv, (struct fl_str){0}, repo->lock_fd, 0, ctx, &r, err);
    if (rc) {
        return rc;
    }
    if (r.exit_code != 0 && r.exit_code != 1) {
        return git_fail(&r, "git grep", err);
    }
    *ret = r.exit_code == 0;
    return 0;
}
