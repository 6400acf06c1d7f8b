/* SPDX-License-Identifier: Apache-2.0
 * Folders of a repository: walks, removal, whole files, what a crash leaves behind. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "remote/git/repo_priv.h"
#include "wire/file.h"

int repo_fail(int errnum, const char *what, const char *path, struct fl_err *err)
{
    char text[FL_ERRNO_TEXT];

    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        return fl_fail(err, FL_E_UNAVAILABLE, "DiskFull", "cannot %s %s: the disk is full", what,
                       path);
    case EROFS:
        return fl_fail(err, FL_E_UNAVAILABLE, "DiskReadOnly", "cannot %s %s: the disk is read-only",
                       what, path);
    case EACCES:
    case EPERM:
        return fl_fail(err, FL_E_INVALID, "RepositoryForeign",
                       "cannot %s %s: %s: user %ld, as whom fairlead runs, must be able to", what,
                       path, fl_errno_text(errnum, text), (long)geteuid());
    default:
        return fl_file_fail(errnum, what, path, err);
    }
}

struct walk {
    int (*fn)(void *arg, const struct repo_entry *e, struct fl_err *err);
    void *arg;
    const char *root;
    struct fl_buf path;
};

static int walk_folder(struct walk *w, int fd, int depth, struct fl_err *err);

/* NOLINTNEXTLINE(misc-no-recursion): depth is capped in walk_folder */
static int walk_entry(struct walk *w, int dir, const char *name, int depth, struct fl_err *err)
{
    struct stat st;
    int rc = 0;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? 0 : repo_fail(errno, "read", w->root, err);
    }
    if (S_ISDIR(st.st_mode)) {
        int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0) {
            return errno == ENOENT ? 0 : repo_fail(errno, "read", w->root, err);
        }
        rc = walk_folder(w, fd, depth + 1, err);
    }
    struct repo_entry e = {.dir = dir, .name = name, .path = w->path.data, .st = &st};
    return rc ? rc : w->fn(w->arg, &e, err);
}

/* Takes fd. The depth is that of the longest name of a ref; deeper is none of git's. */
/* NOLINTNEXTLINE(misc-no-recursion): REPO_DEPTH bounds it */
static int walk_folder(struct walk *w, int fd, int depth, struct fl_err *err)
{
    size_t before = w->path.len;
    int rc = 0;
    DIR *d = fdopendir(fd);

    if (!d) {
        (void)close(fd);
        return repo_fail(errno, "read", w->root, err);
    }
    if (depth > REPO_DEPTH) {
        (void)closedir(d);
        return fl_fail(err, FL_E_BAD_DATA, "RefsCorrupt", "%s: folders are too deep", w->root);
    }
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of this thread alone */
    for (struct dirent *e = readdir(d); e && !rc; e = readdir(d)) {
        if (fl_text_eq(e->d_name, ".") || fl_text_eq(e->d_name, "..")) {
            continue;
        }
        if (before > 0) {
            fl_buf_char(&w->path, '/');
        }
        fl_buf_text(&w->path, e->d_name);
        rc = walk_entry(w, dirfd(d), e->d_name, depth, err);
        fl_buf_truncate(&w->path, before);
    }
    (void)closedir(d);
    return rc;
}

int repo_walk(const char *root,
              int (*fn)(void *arg, const struct repo_entry *e, struct fl_err *err), void *arg,
              struct fl_err *err)
{
    struct walk w = {.fn = fn, .arg = arg, .root = root};
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0) {
        return errno == ENOENT ? 0 : repo_fail(errno, "read", root, err);
    }
    fl_buf_init(&w.path, FL_BUF_ANY);
    int rc = walk_folder(&w, fd, 0, err);
    fl_buf_release(&w.path);
    return rc;
}

static int remove_entry(void *arg, const struct repo_entry *e, struct fl_err *err)
{
    const char *root = arg;

    if (unlinkat(e->dir, e->name, S_ISDIR(e->st->st_mode) ? AT_REMOVEDIR : 0) != 0 &&
        errno != ENOENT) {
        return repo_fail(errno, "remove", root, err);
    }
    return 0;
}

int repo_remove_tree(const char *path, struct fl_err *err)
{
    fl_auto_text root = fl_strdup(path);
    int rc = repo_walk(path, remove_entry, root, err);

    if (!rc && rmdir(path) != 0 && errno != ENOENT) {
        rc = repo_fail(errno, "remove", path, err);
    }
    return rc;
}

static int write_all(int fd, struct fl_str s)
{
    while (s.n > 0) {
        ssize_t n = write(fd, s.p, s.n);

        if (n < 0 && errno != EINTR) {
            return errno;
        }
        s.p += n > 0 ? n : 0;
        s.n -= n > 0 ? (size_t)n : 0;
    }
    return fsync(fd) == 0 ? 0 : errno;
}

int repo_write(const char *path, struct fl_str content, struct fl_err *err)
{
    fl_auto_text lock = fl_asprintf("%s.lock", path);
    int fd = open(lock, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    if (fd < 0) {
        return errno == EEXIST ? fl_fail(err, FL_E_CONFLICT, "RefLocked", "%s exists", lock)
                               : repo_fail(errno, "create", lock, err);
    }
    int failed = write_all(fd, content);
    if (close(fd) != 0 && !failed) {
        failed = errno;
    }
    if (!failed && rename(lock, path) != 0) {
        failed = errno;
    }
    if (failed) {
        (void)unlink(lock);
        return repo_fail(failed, "write", path, err);
    }
    return fl_file_sync_folder(path, err);
}

/* ---- leftovers ---- */

static int sweep_unlink(const struct repo_entry *e, struct fl_err *err)
{
    if (unlinkat(e->dir, e->name, 0) != 0 && errno != ENOENT) {
        return repo_fail(errno, "remove", e->name, err);
    }
    return 0;
}

/* A ref without content is one that was renamed into its place before its content was on disk.
 * Its folders may be empty: git copes with those. */
static int sweep_ref(void *arg, const struct repo_entry *e, struct fl_err *err)
{
    (void)arg;
    bool lost = S_ISREG(e->st->st_mode) && e->st->st_size == 0;

    if (lost || (S_ISREG(e->st->st_mode) && fl_str_ends(fl_str_of(e->name), ".lock"))) {
        return sweep_unlink(e, err);
    }
    return 0;
}

/* "fetch-pack 123 on host": the pack is kept until the refs stand, builtin/index-pack.c. Packs
 * that users keep say otherwise. */
static bool keep_is_git(const struct repo_entry *e)
{
    char text[16] = {0};
    int fd = openat(e->dir, e->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0) {
        return false;
    }
    ssize_t n = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    return n > 0 && (fl_text_starts(text, "fetch-pack ") || fl_text_starts(text, "receive-pack"));
}

static int sweep_object(void *arg, const struct repo_entry *e, struct fl_err *err)
{
    struct fl_str name = fl_str_of(e->name);

    (void)arg;
    if (S_ISDIR(e->st->st_mode)) {
        if (strstr(e->path, "tmp_objdir-")) {
            (void)unlinkat(e->dir, e->name, AT_REMOVEDIR); /* what was in it went before */
        }
        return 0;
    }
    if (fl_str_starts(name, "tmp_") || fl_str_starts(name, ".tmp-") || fl_str_ends(name, ".lock") ||
        strstr(e->path, "tmp_objdir-") || (fl_str_ends(name, ".keep") && keep_is_git(e))) {
        return sweep_unlink(e, err);
    }
    return 0;
}

int repo_sweep(const struct fl_repo *repo, struct fl_err *err)
{
    static const char *const files[] = {"HEAD.lock",         "packed-refs.lock", "packed-refs.new",
                                        "config.lock",       "shallow.lock",     "FETCH_HEAD.lock",
                                        "gc.pid.lock",       "gc.pid",           "index.lock",
                                        "fairlead.size.lock"};
    fl_auto_text refs = fl_asprintf("%s/refs", repo->path);
    fl_auto_text objects = fl_asprintf("%s/objects", repo->path);
    fl_auto_text incoming = fl_asprintf("%s/" REPO_INCOMING, repo->path);
    fl_auto_text push = fl_asprintf("%s/" REPO_PUSH, repo->path);

    for (size_t i = 0; i < FL_LEN(files); i++) {
        fl_auto_text path = fl_asprintf("%s/%s", repo->path, files[i]);

        if (unlink(path) != 0 && errno != ENOENT) {
            return repo_fail(errno, "remove", path, err);
        }
    }
    int rc = repo_walk(refs, sweep_ref, NULL, err);
    if (!rc) {
        rc = repo_walk(objects, sweep_object, NULL, err);
    }
    if (!rc) {
        rc = repo_remove_tree(incoming, err);
    }
    return rc ? rc : repo_remove_tree(push, err);
}
