/* SPDX-License-Identifier: Apache-2.0
 * A repository's life: made, opened, locked, measured, removed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "remote/git/repo_priv.h"
#include "wire/file.h"

#define REMOVED_PREFIX ".fairlead-removed-"
#define NEW_PREFIX ".fairlead-new-"

enum { CONFIG_MAX = 64 << 10 };

static int foreign(struct fl_err *err, const char *path, const char *why)
{
    return fl_fail(err, FL_E_INVALID, "RepositoryForeign",
                   "%s %s: it is left as it is; move it away, or give the mirror another name",
                   path, why);
}

/* The folder that holds `path`, with its '/'. */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return fl_strndup(path, slash ? (size_t)(slash - path) + 1 : 0);
}

static int make_parents(const char *path, struct fl_err *err)
{
    fl_auto_text p = fl_strdup(path);

    for (char *at = strchr(p + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        if (mkdir(p, 0755) != 0 && errno != EEXIST) {
            return repo_fail(errno, "create folder", p, err);
        }
        *at = '/';
    }
    return 0;
}

/* ---- making ---- */

static struct fl_str config_text(bool sha256)
{
    return sha256 ? FL_STR("[core]\n\trepositoryformatversion = 1\n\tfilemode = true\n"
                           "\tbare = true\n[extensions]\n\tobjectformat = sha256\n")
                  : FL_STR("[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n"
                           "\tbare = true\n");
}

/* The few files that make a folder a repository (gitrepository-layout); `git init` would cost a
 * process. */
static int make_files(const char *dir, bool sha256, struct fl_err *err)
{
    static const char *const folders[] = {"",      "/objects",    "/objects/info", "/objects/pack",
                                          "/refs", "/refs/heads", "/refs/tags"};
    const struct {
        const char *name;
        struct fl_str content;
    } files[] = {
        {"config", config_text(sha256)},
        {REPO_LOCK, FL_STR("")},
        {"HEAD", FL_STR("ref: refs/heads/main\n")},
    };
    int rc = 0;

    for (size_t i = 0; i < FL_LEN(folders); i++) {
        fl_auto_text path = fl_asprintf("%s%s", dir, folders[i]);

        if (mkdir(path, 0755) != 0) {
            return repo_fail(errno, "create folder", path, err);
        }
    }
    for (size_t i = 0; i < FL_LEN(files) && !rc; i++) {
        fl_auto_text path = fl_asprintf("%s/%s", dir, files[i].name);

        rc = repo_write(path, files[i].content, err);
    }
    return rc;
}

/* Whole or not there: made beside its place and renamed, over an empty folder too. */
static int make_repo(const char *path, bool sha256, struct fl_err *err)
{
    char name[13];
    int rc = make_parents(path, err);

    if (rc) {
        return rc;
    }
    fl_random_name(name, sizeof(name) - 1);
    fl_auto_text parent = parent_of(path);
    fl_auto_text dir = fl_asprintf("%s" NEW_PREFIX "%s", parent, name);
    rc = make_files(dir, sha256, err);
    if (!rc && rename(dir, path) != 0) {
        rc = errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR
                 ? foreign(err, path, "is there, and is no repository of ours")
                 : repo_fail(errno, "create", path, err);
    }
    if (rc) {
        (void)repo_remove_tree(dir, NULL);
        return rc;
    }
    return fl_file_sync_folder(path, err);
}

/* ---- opening ---- */

static bool is_empty_folder(const char *path)
{
    DIR *d = opendir(path);
    int n = 0;

    if (!d) {
        return false;
    }
    while (n < 3 && readdir(d)) { /* NOLINT(concurrency-mt-unsafe) */
        n++;
    }
    (void)closedir(d);
    return n == 2;
}

/* 0 with *ret_there false: nothing is there, or an empty folder. */
static int look(const char *path, bool *ret_there, struct fl_err *err)
{
    struct stat st;

    *ret_there = false;
    if (lstat(path, &st) != 0) {
        return errno == ENOENT ? 0 : repo_fail(errno, "read", path, err);
    }
    if (!S_ISDIR(st.st_mode)) {
        return foreign(err, path, "is no folder");
    }
    if (st.st_uid != geteuid()) {
        return fl_fail(err, FL_E_INVALID, "RepositoryForeign",
                       "%s belongs to user %ld, not to %ld, as whom fairlead runs: it is left as "
                       "it is; move it away, or change its owner (chown -R)",
                       path, (long)st.st_uid, (long)geteuid());
    }
    *ret_there = !is_empty_folder(path);
    return 0;
}

static bool is_ours(const char *path)
{
    fl_auto_text lock = fl_asprintf("%s/" REPO_LOCK, path);
    struct stat st;
    return lstat(lock, &st) == 0 && S_ISREG(st.st_mode);
}

static int lock_take(const char *path, int *ret, struct fl_err *err)
{
    fl_auto_text lock = fl_asprintf("%s/" REPO_LOCK, path);
    int fd = open(lock, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0) {
        return errno == ENOENT || errno == ELOOP
                   ? foreign(err, path, "is there, and is no repository of ours")
                   : repo_fail(errno, "open", lock, err);
    }
    /* Above the numbers that a program's own descriptors get. */
    if (fd < 4) {
        int moved = fcntl(fd, F_DUPFD_CLOEXEC, 4);

        (void)close(fd);
        if (moved < 0) {
            return repo_fail(errno, "open", lock, err);
        }
        fd = moved;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int failed = errno;

        (void)close(fd);
        return failed == EWOULDBLOCK ? fl_fail(err, FL_E_EXISTS, "RepositoryBusy",
                                               "%s: git is still at work on it", path)
                                     : repo_fail(failed, "lock", lock, err);
    }
    *ret = fd;
    return 0;
}

/* Our own config, or one that somebody has edited: only the hash matters. */
static int read_format(struct fl_repo *repo, struct fl_err *err)
{
    fl_auto_text path = fl_asprintf("%s/config", repo->path);
    fl_auto_val(fl_buf) b = FL_BUF_INIT(CONFIG_MAX);
    int rc = fl_file_read(path, CONFIG_MAX, &b, err);
    struct fl_str rest = fl_buf_slice(&b);
    struct fl_str line;

    repo->sha256 = false;
    while (!rc && rest.n > 0) {
        (void)fl_str_cut(&rest, '\n', &line);
        struct fl_str value = fl_str_trim(line);
        struct fl_str key;
        bool has = fl_str_cut(&value, '=', &key);
        if (has && fl_str_case_is(fl_str_trim(key), "objectformat")) {
            repo->sha256 = fl_str_case_is(fl_str_trim(value), "sha256");
        }
    }
    return rc == FL_E_NOT_FOUND ? foreign(err, repo->path, "is there, and is no repository of ours")
                                : rc;
}

/* Some empty remotes do not say which hash they have: the first commit does. */
static int change_format(struct fl_repo *repo, bool sha256, struct fl_err *err)
{
    fl_auto_text packs = fl_asprintf("%s/objects/pack", repo->path);
    fl_auto_text config = fl_asprintf("%s/config", repo->path);

    if (!repo->fresh || !is_empty_folder(packs)) {
        return fl_fail(err, FL_E_INVALID, "ObjectFormat",
                       "%s has objects named by %s, the remote by %s", repo->path,
                       repo->sha256 ? "SHA-256" : "SHA-1", sha256 ? "SHA-256" : "SHA-1");
    }
    repo->sha256 = sha256;
    return repo_write(config, config_text(sha256), err);
}

static int open_locked(struct fl_repo *repo, const struct fl_repo_conf *conf, struct fl_err *err)
{
    struct fl_git_refs refs = {0};
    fl_auto(fl_arena) a = fl_arena_new();
    int rc = read_format(repo, err);

    if (!rc) {
        rc = repo_sweep(repo, err);
    }
    if (!rc) {
        rc = repo_refs_read(repo->path, repo->sha256, a, &refs, err);
    }
    repo->fresh = refs.n == 0;
    if (!rc && !conf->existing && repo->sha256 != conf->sha256) {
        rc = change_format(repo, conf->sha256, err);
    }
    return rc;
}

static void repo_close(struct fl_repo *repo)
{
    if (!repo) {
        return;
    }
    if (repo->lock_fd >= 0) {
        (void)close(repo->lock_fd);
    }
    fl_free(repo->path);
    fl_free(repo);
}

static int repo_open(const struct fl_repo_conf *conf, const struct fl_ctx *ctx,
                     struct fl_repo **ret, struct fl_err *err)
{
    bool there = false;
    int rc = fl_ctx_check(ctx, "open repository", err);

    fl_assert(conf->path[0] == '/');
    if (!rc) {
        rc = look(conf->path, &there, err);
    }
    if (!rc && !there) {
        rc = conf->existing
                 ? fl_fail(err, FL_E_NOT_FOUND, "RepositoryNotFound", "%s is not there", conf->path)
                 : make_repo(conf->path, conf->sha256, err);
    }
    if (rc) {
        return rc;
    }
    struct fl_repo *repo = FL_NEW(struct fl_repo);
    repo->path = fl_strdup(conf->path);
    repo->clock = conf->clock;
    repo->lock_fd = -1;
    rc = lock_take(repo->path, &repo->lock_fd, err);
    if (!rc) {
        rc = open_locked(repo, conf, err);
    }
    if (rc) {
        repo_close(repo);
        return rc;
    }
    *ret = repo;
    return 0;
}

/* ---- size, removal ---- */

static int add_size(void *arg, const struct repo_entry *e, struct fl_err *err)
{
    int64_t *sum = arg;

    (void)err;
    *sum += S_ISREG(e->st->st_mode) ? (int64_t)e->st->st_size : 0;
    return 0;
}

static int repo_size(struct fl_repo *repo, int64_t *ret_bytes, struct fl_err *err)
{
    int64_t sum = 0;
    int rc = repo_walk(repo->path, add_size, &sum, err);

    if (!rc) {
        *ret_bytes = sum;
    }
    return rc;
}

/* What a crash between the rename and the end of a removal, or of a making, left beside. Another
 * thread may be removing the same. */
static void sweep_parent(const char *parent)
{
    DIR *d = opendir(parent);

    if (!d) {
        return;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) { /* NOLINT(concurrency-mt-unsafe) */
        if (fl_text_starts(e->d_name, REMOVED_PREFIX)) {
            fl_auto_text path = fl_asprintf("%s%s", parent, e->d_name);

            (void)repo_remove_tree(path, NULL);
        }
    }
    (void)closedir(d);
}

/* Under the lock, so that no orphan of git goes on writing into it. */
static int repo_remove(const char *path, struct fl_err *err)
{
    bool there = false;
    int lock = -1;
    char name[13];
    int rc = look(path, &there, err);

    if (rc) {
        return rc;
    }
    fl_auto_text parent = parent_of(path);
    sweep_parent(parent);
    if (!there) {
        (void)rmdir(path); /* an empty folder is nothing of ours to keep */
        return 0;
    }
    rc = lock_take(path, &lock, err);
    if (rc) {
        return rc;
    }
    fl_random_name(name, sizeof(name) - 1);
    fl_auto_text aside = fl_asprintf("%s" REMOVED_PREFIX "%s", parent, name);
    rc = rename(path, aside) == 0 ? repo_remove_tree(aside, err)
                                  : repo_fail(errno, "remove", path, err);
    (void)close(lock);
    return rc;
}

/* ---- the port ---- */

static int open_or_tell(const struct fl_repo_conf *conf, const struct fl_ctx *ctx,
                        struct fl_repo **ret, struct fl_err *err)
{
    return repo_tell_disk(conf->path, repo_open(conf, ctx, ret, err), err);
}

/* A ref is a file, and while it moves one with ".lock" behind its name. git's words for this are
 * those of a lock that somebody holds. */
static int check_lengths(const struct fl_repo *repo, const struct fl_ref_move *v, size_t n,
                         struct fl_err *err)
{
    long max = pathconf(repo->path, _PC_NAME_MAX);
    size_t part_max = max > 5 ? (size_t)max - 5 : 250;

    for (size_t i = 0; i < n; i++) {
        struct fl_str rest = fl_str_of(v[i].name);
        struct fl_str part;

        while (v[i].new &&rest.n > 0) {
            (void)fl_str_cut(&rest, '/', &part);
            if (part.n > part_max) {
                return fl_fail(err, FL_E_INVALID, "RefInvalid",
                               "%.80s...: a part of this name has %zu bytes, and the disk takes "
                               "%zu: nothing is moved while it is mirrored; leave it out with "
                               "spec.refs.exclude",
                               v[i].name, part.n, part_max);
            }
        }
    }
    return 0;
}

static int move_or_tell(struct fl_repo *repo, const struct fl_ctx *ctx, const struct fl_ref_move *v,
                        size_t n, const char *head, struct fl_err *err)
{
    int rc = check_lengths(repo, v, n, err);

    return rc ? rc : repo_tell_disk(repo->path, repo_move(repo, ctx, v, n, head, err), err);
}

const struct fl_repo_ops git_repo_ops = {
    .open = open_or_tell,
    .close = repo_close,
    .is_there = is_ours,
    .refs = repo_refs,
    .kept = repo_kept,
    .forced = repo_forced,
    .move = move_or_tell,
    .upkeep = repo_upkeep,
    .size = repo_size,
    .uses_lfs = repo_uses_lfs,
    .remove = repo_remove,
};
