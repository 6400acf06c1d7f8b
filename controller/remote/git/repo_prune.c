/* SPDX-License-Identifier: Apache-2.0
 * What no ref reaches any more leaves the disk, in two steps that are two weeks apart: it is
 * gathered in a pack of its own (a cruft pack, gitformat-pack "cruft packs"; since git 2.37), and
 * what is still in it when its time is over is left out of the next one.
 *
 * git itself goes by the age of an object's file, and would remove at once what was fetched long
 * ago and lost its ref a moment ago, under the feet of a reader who has just read that ref. So
 * the packs are given the time of now before they are looked through: an object's time is when
 * it was first met without a ref. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "remote/git/repo_priv.h"
#include "wire/file.h"

enum {
    PRUNE_AFTER_S = 14 * 24 * 3600, /* as git's gc.pruneExpire */
    PRUNE_PAUSE_S = 24 * 3600,      /* between two looks, whatever came of the first */
    GROWN_MIN = 16 << 20,           /* and a quarter: looking walks all objects */
};

/* "<bytes> <unix seconds>" in the file REPO_SIZE: how large after, and when the last look was. */
struct last {
    int64_t bytes, looked_s;
};

static int64_t now_s(const struct fl_repo *repo)
{
    return fl_clock_wall_ms(repo->clock) / 1000;
}

/* Not there or not ours: zeros. */
static void last_read(const struct fl_repo *repo, struct last *ret)
{
    fl_auto_text path = fl_asprintf("%s/" REPO_SIZE, repo->path);
    fl_auto_val(fl_buf) b = FL_BUF_INIT(64);
    struct fl_str bytes;
    struct last l = {0};

    *ret = l;
    if (fl_file_read(path, b.cap_max, &b, NULL) != 0) {
        return;
    }
    struct fl_str text = fl_buf_slice(&b);
    struct fl_str rest;
    if (fl_str_cut(&text, '\n', &rest) && fl_str_cut(&rest, ' ', &bytes) &&
        fl_num_i64(bytes, &l.bytes) && fl_num_i64(rest, &l.looked_s)) {
        *ret = l;
    }
}

static int last_write(const struct fl_repo *repo, int64_t bytes, int64_t looked_s,
                      struct fl_err *err)
{
    fl_auto_text path = fl_asprintf("%s/" REPO_SIZE, repo->path);
    fl_auto_text text = fl_asprintf("%lld %lld\n", (long long)bytes, (long long)looked_s);

    return repo_write(path, fl_str_of(text), err);
}

/* ---- whether ---- */

struct packs {
    int64_t bytes;
    int64_t cruft_s; /* when the oldest cruft pack was made; 0: there is none */
    int64_t touch_s; /* not 0: the others are given this time */
};

static int look_at(void *arg, const struct repo_entry *e, struct fl_err *err)
{
    struct packs *p = arg;

    (void)err;
    if (!S_ISREG(e->st->st_mode)) {
        return 0;
    }
    p->bytes += (int64_t)e->st->st_size;
    if (fl_str_ends(fl_str_of(e->name), ".mtimes")) {
        int64_t made_s = (int64_t)e->st->st_mtime;

        p->cruft_s = p->cruft_s == 0 || made_s < p->cruft_s ? made_s : p->cruft_s;
    }
    return 0;
}

static int touch(void *arg, const struct repo_entry *e, struct fl_err *err)
{
    const struct packs *p = arg;
    struct fl_str stem = fl_str_of(e->name);
    struct stat st;

    if (!fl_str_ends(stem, ".pack")) {
        return 0;
    }
    fl_auto_text times = fl_asprintf("%.*s.mtimes", (int)(stem.n - 5), stem.p);
    if (fstatat(e->dir, times, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        return 0;
    }
    const struct timespec now[2] = {{.tv_sec = (time_t)p->touch_s}, {.tv_sec = (time_t)p->touch_s}};
    return utimensat(e->dir, e->name, now, AT_SYMLINK_NOFOLLOW) == 0 || errno == ENOENT
               ? 0
               : repo_fail(errno, "touch", e->name, err);
}

static int walk_packs(const struct fl_repo *repo,
                      int (*fn)(void *arg, const struct repo_entry *e, struct fl_err *err),
                      struct packs *p, struct fl_err *err)
{
    fl_auto_text path = fl_asprintf("%s/objects/pack", repo->path);

    return repo_walk(path, fn, p, err);
}

/* Bytes of the objects that a ref reaches. */
static int reached(struct git_env *e, struct fl_repo *repo, const struct fl_ctx *ctx, int64_t *ret,
                   struct fl_err *err)
{
    static const char *const argv[] = {"rev-list", "--objects", "--all", "--disk-usage", NULL};
    fl_auto_val(fl_proc_resp) r;

    fl_proc_resp_init(&r);
    int rc = git_run(e, argv, (struct fl_str){0}, repo->lock_fd, 0, ctx, &r, err);
    if (rc || r.exit_code != 0) {
        return rc ? rc : git_fail(&r, "git rev-list", err);
    }
    struct fl_str text = fl_buf_slice(&r.out);
    struct fl_str line;
    return fl_str_cut(&text, '\n', &line) && fl_num_i64(line, ret)
               ? 0
               : fl_fail(err, FL_E_BAD_DATA, "GitFailed", "git rev-list did not tell the size");
}

/* ---- doing ---- */

static int run(struct git_env *e, struct fl_repo *repo, const struct fl_ctx *ctx,
               const char *const *argv, struct fl_err *err)
{
    fl_auto_val(fl_proc_resp) r;
    fl_auto_text what = fl_asprintf("git %s", argv[0]);

    fl_proc_resp_init(&r);
    int rc = git_run(e, argv, (struct fl_str){0}, repo->lock_fd, 0, ctx, &r, err);
    return rc || r.exit_code == 0 ? rc : git_fail(&r, what, err);
}

/* git refuses to go on where an object that a ref reaches is missing or a ref is broken: then
 * nothing is removed. The commit-graph is written anew, it may know commits that are gone. */
static int gather(struct git_env *e, struct fl_repo *repo, const struct fl_ctx *ctx,
                  struct packs *p, struct fl_err *err)
{
    const char *expire =
        fl_arena_fmt(e->arena, "--cruft-expiration=@%lld", (long long)(p->touch_s - PRUNE_AFTER_S));
    const char *const repack[] = {
        "repack", "--quiet", "--cruft", expire, "-d", "-l", "--no-write-bitmap-index", NULL};
    static const char *const graph[] = {"commit-graph",    "write",         "--reachable",
                                        "--split=replace", "--no-progress", NULL};
    int rc = walk_packs(repo, touch, p, err);

    if (!rc) {
        rc = run(e, repo, ctx, repack, err);
    }
    return rc ? rc : run(e, repo, ctx, graph, err);
}

/* Not worth it yet: less than a fifth of all would be set apart. */
static bool is_little(const struct packs *p, int64_t reached_bytes)
{
    return p->bytes - reached_bytes < GROWN_MIN + p->bytes / 5;
}

int repo_prune(struct git_env *e, struct fl_repo *repo, const struct fl_ctx *ctx, bool *ret_done,
               struct fl_err *err)
{
    struct packs p = {0};
    struct last last;
    int64_t bytes = 0;
    int64_t now = now_s(repo);
    int rc = walk_packs(repo, look_at, &p, err);

    *ret_done = false;
    last_read(repo, &last);
    if (rc || last.bytes == 0) {
        return rc ? rc : last_write(repo, p.bytes, 0, err);
    }
    bool old = p.cruft_s > 0 && p.cruft_s + PRUNE_AFTER_S < now;
    bool grown = p.bytes > last.bytes + last.bytes / 4 + GROWN_MIN;
    if ((!old && !grown) || (last.looked_s > now - PRUNE_PAUSE_S && last.looked_s <= now)) {
        return 0;
    }
    /* Everything that is reached is written once more beside what is there. */
    if (repo_disk_free(repo->path) < p.bytes + GROWN_MIN) {
        return 0;
    }
    rc = last_write(repo, last.bytes, now, err); /* what fails is not begun again at once */
    if (!rc && !old) {
        rc = reached(e, repo, ctx, &bytes, err);
        if (!rc && is_little(&p, bytes)) {
            return last_write(repo, p.bytes, now, err);
        }
    }
    p.touch_s = now;
    rc = rc ? rc : gather(e, repo, ctx, &p, err);
    if (!rc) {
        p = (struct packs){0};
        rc = walk_packs(repo, look_at, &p, err);
    }
    *ret_done = rc == 0;
    return rc ? rc : last_write(repo, p.bytes, now, err);
}
