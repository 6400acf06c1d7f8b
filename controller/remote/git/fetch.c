/* SPDX-License-Identifier: Apache-2.0
 * Brings objects, moves no ref.
 *
 * Two ways, both measured beside plain git (README.md):
 * - An update asks for the object ids that were listed, not for names. Refspecs without a
 *   destination write no ref, and a remote that moved meanwhile sends what was looked at and not
 *   something newer, which no guard has seen. With protocol v2 git then asks for no list of
 *   refs, one request less than a plain fetch; with v0 it checks the ids against the list.
 * - The first fetch of everything beneath some prefixes is a `git clone` into a folder inside
 *   the repository, whose packs are then moved to their place: a clone checks while it indexes
 *   the pack that all is there, a fetch walks all objects once more, some 10 % of the whole. Its
 *   refs are thrown away, nobody has seen them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "remote/git/repo_priv.h"
#include "wire/file.h"

#define PACK "objects/pack"

enum { CLONE_PATTERNS = 16, CLONE_ARGS = 2 * CLONE_PATTERNS + 16 };

static int fetched(struct git_env *e, const struct fl_proc_resp *r, struct fl_err *err)
{
    /* Told as a warning: the object has come, its parents have not. */
    bool shallow = strstr(r->err.data, "shallow roots are not allowed") != NULL;

    return r->exit_code == 0 && !shallow ? 0 : git_fail_remote(e, r, "git fetch", err);
}

/* ---- an update ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Each id once. */
static void wanted_ids(const struct fl_fetch_want *want, struct fl_buf *ret)
{
    fl_auto(fl_arena) a = fl_arena_new();
    const char **v = fl_arena_array(a, want->n, sizeof(*v));
    size_t n = 0;

    for (size_t i = 0; i < want->n; i++) {
        if (want->v[i].new) {
            v[n++] = want->v[i].new;
        }
    }
    qsort(v, n, sizeof(*v), by_text);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || !fl_text_eq(v[i - 1], v[i])) {
            fl_buf_fmt(ret, "%s\n", v[i]);
        }
    }
}

static int fetch_ids(struct git_env *e, const struct fl_ctx *ctx, struct fl_repo *repo,
                     const struct fl_fetch_want *want, struct fl_err *err)
{
    const char *const argv[] = {"fetch",
                                "--quiet",
                                "--stdin",
                                "--no-tags",
                                "--refmap=",
                                "--no-write-fetch-head",
                                "--no-auto-maintenance",
                                "--no-recurse-submodules",
                                "--no-show-forced-updates",
                                "--",
                                want->url,
                                NULL};
    fl_auto_val(fl_buf) in = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_proc_resp) r;

    fl_proc_resp_init(&r);
    wanted_ids(want, &in);
    int rc = git_run(e, argv, fl_buf_slice(&in), repo->lock_fd, want->max_pack_bytes, ctx, &r, err);
    return rc ? rc : fetched(e, &r, err);
}

/* ---- the first ---- */

/* What stands before the two stars; empty: the pattern leaves out something of its prefix. */
static struct fl_str whole_prefix(const char *pattern)
{
    struct fl_str prefix = fl_git_pattern_prefix(fl_str_of(pattern));

    return fl_text_eq(pattern + prefix.n, "**") ? prefix : (struct fl_str){0};
}

/* A clone brings all branches, and more where it is told so: only where that is what is wanted. */
static bool clone_fits(const struct fl_repo *repo, const struct fl_ref_filter *f)
{
    bool heads = false;

    if (!repo->fresh || !f || f->n_exclude > 0 || f->n_include > CLONE_PATTERNS) {
        return false;
    }
    for (size_t i = 0; i < f->n_include; i++) {
        struct fl_str prefix = whole_prefix(f->include[i]);

        if (prefix.n == 0) {
            return false;
        }
        heads = heads || fl_str_is(prefix, "refs/heads/") || fl_str_is(prefix, "refs/");
    }
    return heads;
}

/* What another pattern brings already: git refuses to be told twice. */
static bool is_covered(const struct fl_ref_filter *f, size_t i)
{
    struct fl_str p = whole_prefix(f->include[i]);

    for (size_t k = 0; k < f->n_include; k++) {
        struct fl_str q = whole_prefix(f->include[k]);
        bool within = q.n == 0 || (q.n <= p.n && q.p && p.p && memcmp(q.p, p.p, q.n) == 0);

        if (k != i && within && (q.n < p.n || k < i)) {
            return true;
        }
    }
    return false;
}

/* --bare brings the branches by itself, --mirror everything; the rest is told. */
static int clone_into(struct git_env *e, const struct fl_ctx *ctx, struct fl_repo *repo,
                      const struct fl_fetch_want *want, const char *dir, struct fl_err *err)
{
    const struct fl_ref_filter *f = want->filter;
    const char *argv[CLONE_ARGS] = {"clone", "--quiet", "--template=", "--no-tags", "--bare"};
    size_t n = 5;
    fl_auto_val(fl_proc_resp) r;

    fl_proc_resp_init(&r);
    for (size_t i = 0; i < f->n_include; i++) {
        struct fl_str p = whole_prefix(f->include[i]);

        if (fl_str_is(p, "refs/")) {
            argv[n++] = "--mirror";
        } else if (!fl_str_is(p, "refs/heads/") && !is_covered(f, i)) {
            argv[n++] = "-c";
            argv[n++] = fl_arena_fmt(e->arena, "remote.origin.fetch=+%.*s*:%.*s*", FL_STR_ARG(p),
                                     FL_STR_ARG(p));
        }
    }
    argv[n++] = "--";
    argv[n++] = want->url;
    argv[n++] = dir;
    git_env_config(e, "clone.rejectShallow", "true");
    git_env_config(e, "core.fsync", "pack,pack-metadata"); /* its refs are thrown away */
    int rc =
        git_run(e, argv, (struct fl_str){0}, repo->lock_fd, want->max_pack_bytes, ctx, &r, err);
    return rc ? rc : fetched(e, &r, err);
}

/* The index last: with it the pack is there. */
static int move_packs(const char *from, const char *to, bool index, struct fl_err *err)
{
    DIR *d = opendir(from);
    int rc = 0;

    if (!d) {
        return errno == ENOENT ? 0 : repo_fail(errno, "read", from, err);
    }
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of this thread alone */
    for (struct dirent *e = readdir(d); e && !rc; e = readdir(d)) {
        if (!fl_text_starts(e->d_name, "pack-") ||
            fl_str_ends(fl_str_of(e->d_name), ".idx") != index) {
            continue;
        }
        fl_auto_text a = fl_asprintf("%s/%s", from, e->d_name);
        fl_auto_text b = fl_asprintf("%s/%s", to, e->d_name);
        if (rename(a, b) != 0) {
            rc = repo_fail(errno, "move", a, err);
        }
    }
    (void)closedir(d);
    return rc;
}

/* Whether the clone says so of each: a process less than to look for the objects. */
static bool cloned_all(const struct fl_repo *repo, const char *dir,
                       const struct fl_fetch_want *want)
{
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_git_refs got = {0};

    if (repo_refs_read(dir, repo->sha256, a, &got, NULL) < 0) {
        return false;
    }
    for (size_t i = 0; i < want->n; i++) {
        const struct fl_git_ref key = {.name = want->v[i].name};
        const struct fl_git_ref *r =
            got.n > 0 ? bsearch(&key, got.v, got.n, sizeof(key), repo_ref_by_name) : NULL;

        if (want->v[i].new && (!r || !fl_text_eq(r->oid, want->v[i].new))) {
            return false;
        }
    }
    return true;
}

static int fetch_first(struct git_env *e, const struct fl_ctx *ctx, struct fl_repo *repo,
                       const struct fl_fetch_want *want, struct fl_err *err)
{
    fl_auto_text dir = fl_asprintf("%s/" REPO_INCOMING, repo->path);
    fl_auto_text from = fl_asprintf("%s/" PACK, dir);
    fl_auto_text to = fl_asprintf("%s/" PACK, repo->path);
    fl_auto_text any = fl_asprintf("%s/any", to);
    int rc = clone_into(e, ctx, repo, want, dir, err);
    bool all = !rc && cloned_all(repo, dir, want);

    if (!rc) {
        rc = move_packs(from, to, false, err);
    }
    if (!rc) {
        rc = move_packs(from, to, true, err);
    }
    if (!rc) {
        rc = fl_file_sync_folder(any, err);
    }
    if (!rc) {
        rc = repo_remove_tree(dir, err);
    }
    return rc || all ? rc : repo_has_all(repo, ctx, want->v, want->n, err);
}

/* ---- both ---- */

static int add_size(void *arg, const struct repo_entry *e, struct fl_err *err)
{
    int64_t *sum = arg;

    (void)err;
    *sum += S_ISREG(e->st->st_mode) ? (int64_t)e->st->st_size : 0;
    return 0;
}

static int64_t packs_size(const struct fl_repo *repo)
{
    fl_auto_text path = fl_asprintf("%s/" PACK, repo->path);
    int64_t sum = 0;

    (void)repo_walk(path, add_size, &sum, NULL);
    return sum;
}

int git_fetch(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_repo *repo,
              const struct fl_fetch_want *want, struct fl_fetch_stats *ret, struct fl_err *err)
{
    fl_auto(fl_arena) a = fl_arena_new();
    int64_t from = fl_clock_mono_ms(ctx->clock);
    int64_t size = packs_size(repo);
    bool first = clone_fits(repo, want->filter);
    fl_auto_val(git_env) e;

    git_env_init(&e, a, first ? NULL : repo->path);
    git_env_config(&e, "fetch.fsckObjects", want->fsck ? "true" : "false");
    int rc = git_env_remote(&e, r, want->url, ctx, err);
    if (!rc) {
        rc = first ? fetch_first(&e, ctx, repo, want, err) : fetch_ids(&e, ctx, repo, want, err);
    }
    if (rc) {
        /* Half a pack may be large. Whoever asks again finds the repository as it was. */
        (void)repo_sweep(repo, NULL);
        if (rc == FL_E_TIMEOUT && err && fl_text_eq(err->reason, "Timeout")) {
            return fl_fail(err, FL_E_TIMEOUT, "Timeout",
                           "fetching from %s took longer than spec.timeout, and begins anew the "
                           "next time: raise it, or see what makes the remote slow",
                           want->url);
        }
        return rc;
    }
    *ret = (struct fl_fetch_stats){.ms = fl_clock_mono_ms(ctx->clock) - from,
                                   .bytes = packs_size(repo) - size};
    return 0;
}
