/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/secret.h"
#include "base/text.h"

const char *fl_errno_text(int errnum, char ret[FL_ERRNO_TEXT])
{
    if (strerror_r(errnum, ret, FL_ERRNO_TEXT) != 0) {
        (void)snprintf(ret, FL_ERRNO_TEXT, "error %d", errnum);
    }
    return ret;
}

int fl_file_fail(int errnum, const char *what, const char *path, struct fl_err *err)
{
    char text[FL_ERRNO_TEXT];
    enum fl_code code = FL_E_UNAVAILABLE;
    const char *reason = "FileUnavailable";

    switch (errnum) {
    case ENOENT:
        code = FL_E_NOT_FOUND;
        reason = "FileNotFound";
        break;
    case EEXIST:
        code = FL_E_EXISTS;
        reason = "FileExists";
        break;
    case EACCES:
    case EPERM:
    case EISDIR:
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
        code = FL_E_INVALID;
        reason = "FileNotUsable";
        break;
    default:
        break;
    }
    return fl_fail(err, code, reason, "cannot %s %s: %s", what, path, fl_errno_text(errnum, text));
}

static int file_open(const char *path, int flags)
{
    int fd;

    do {
        fd = open(path, flags | O_CLOEXEC, 0600);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static int file_read_all(int fd, const char *path, size_t cap, struct fl_buf *ret,
                         struct fl_err *err)
{
    char piece[4096];
    size_t total = 0;
    int rc = 0;

    for (;;) {
        ssize_t n = read(fd, piece, sizeof(piece));

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            rc = fl_file_fail(errno, "read", path, err);
            break;
        }
        if (n == 0) {
            break;
        }
        total += (size_t)n;
        if (total > cap) {
            rc = fl_fail(err, FL_E_TOO_BIG, "FileTooBig", "%s has more than %zu bytes", path, cap);
            break;
        }
        fl_buf_add(ret, piece, (size_t)n);
    }
    fl_wipe(piece, sizeof(piece));
    return rc ? rc : fl_buf_finish(ret, path, err);
}

int fl_file_read(const char *path, size_t cap, struct fl_buf *ret, struct fl_err *err)
{
    size_t before = ret->len;
    int fd = file_open(path, O_RDONLY);
    int rc;

    if (fd < 0) {
        return fl_file_fail(errno, "open", path, err);
    }
    rc = file_read_all(fd, path, cap, ret, err);
    (void)close(fd);
    if (rc) {
        if (ret->len > before) {
            fl_wipe(ret->data + before, ret->len - before);
        }
        fl_buf_truncate(ret, before);
    }
    return rc;
}

static int file_write_all(int fd, struct fl_str s)
{
    while (s.n > 0) {
        ssize_t n = write(fd, s.p, s.n);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno;
        }
        s.p += n;
        s.n -= (size_t)n;
    }
    return fsync(fd) == 0 ? 0 : errno;
}

/* Leaves nothing behind when it fails. */
static int file_write_new(const char *path, struct fl_str content, struct fl_err *err)
{
    int fd = file_open(path, O_WRONLY | O_CREAT | O_EXCL);
    int failed;

    if (fd < 0) {
        return fl_file_fail(errno, "create", path, err);
    }
    failed = file_write_all(fd, content);
    if (close(fd) != 0 && !failed) {
        failed = errno;
    }
    if (failed) {
        (void)unlink(path);
        return fl_file_fail(failed, "write", path, err);
    }
    return 0;
}

int fl_file_sync_folder(const char *path, struct fl_err *err)
{
    const char *slash = strrchr(path, '/');
    fl_auto_text folder = NULL;
    int fd;
    int failed = 0;

    if (!slash) {
        folder = fl_strdup(".");
    } else if (slash == path) {
        folder = fl_strdup("/");
    } else {
        folder = fl_strndup(path, (size_t)(slash - path));
    }
    fd = file_open(folder, O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        return fl_file_fail(errno, "open folder", folder, err);
    }
    /* EINVAL: a file system without it. */
    if (fsync(fd) != 0 && errno != EINVAL) {
        failed = errno;
    }
    (void)close(fd);
    return failed ? fl_file_fail(failed, "sync folder", folder, err) : 0;
}

int fl_file_create(const char *path, struct fl_str content, struct fl_err *err)
{
    int rc = file_write_new(path, content, err);

    return rc ? rc : fl_file_sync_folder(path, err);
}

static int file_replace(const char *path, struct fl_str content, struct fl_err *err)
{
    fl_auto_text tmp = NULL;
    char name[9];
    int rc;

    fl_random_name(name, 8);
    tmp = fl_asprintf("%s.%s", path, name);
    rc = file_write_new(tmp, content, err);
    if (rc) {
        return rc;
    }
    if (rename(tmp, path) != 0) {
        rc = fl_file_fail(errno, "replace", path, err);
        (void)unlink(tmp);
    }
    return rc;
}

int fl_file_replace_all(const struct fl_file_item *items, size_t n, struct fl_err *err)
{
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = file_replace(items[i].path, items[i].content, err);
    }
    return rc || n == 0 ? rc : fl_file_sync_folder(items[0].path, err);
}

int fl_file_replace(const char *path, struct fl_str content, struct fl_err *err)
{
    return fl_file_replace_all(&(struct fl_file_item){path, content}, 1, err);
}

static int file_lock_busy(int fd, const char *path, struct fl_err *err)
{
    struct fl_str name = fl_str_of(path);
    char text[32];
    ssize_t n = pread(fd, text, sizeof(text), 0);
    struct fl_str s = {text, n > 0 ? (size_t)n : 0};
    int64_t pid = 0;

    if (fl_str_ends(name, ".lock")) {
        name.n -= strlen(".lock");
    }
    if (s.n > 0 && s.p[s.n - 1] == '\n') {
        s.n--;
    }
    /* Between taking the lock and writing its id the other process has none there yet. */
    if (!fl_num_i64(s, &pid) || pid <= 0) {
        return fl_fail(err, FL_E_EXISTS, "InUse", "%.*s: in use by another process",
                       FL_STR_ARG(name));
    }
    return fl_fail(err, FL_E_EXISTS, "InUse", "%.*s: in use by process %lld", FL_STR_ARG(name),
                   (long long)pid);
}

static int file_lock_take(int fd, const char *path, struct fl_err *err)
{
    char pid[32];
    int n = snprintf(pid, sizeof(pid), "%lld\n", (long long)getpid());

    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? file_lock_busy(fd, path, err)
                                    : fl_file_fail(errno, "lock", path, err);
    }
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n) {
        return fl_file_fail(errno, "write", path, err);
    }
    return 0;
}

/* flock, not fcntl: a lock of fcntl is lost when any descriptor of the file is closed. Removing the file at the end would
 * race with the next process, so it stays. */
int fl_file_lock(const char *path, int *ret_fd, struct fl_err *err)
{
    int fd = file_open(path, O_RDWR | O_CREAT);
    int rc;

    if (fd < 0) {
        return fl_file_fail(errno, "create", path, err);
    }
    rc = file_lock_take(fd, path, err);
    if (rc) {
        (void)close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}
