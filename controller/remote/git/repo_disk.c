/* SPDX-License-Identifier: Apache-2.0
 * The disk that a repository is on: how much room it has, and words for a person when that was
 * what failed. */
#include <errno.h>
#include <sys/statvfs.h>

#include "base/mem.h"
#include "remote/git/repo_priv.h"

/* What failed may have been taken away again: thousands of locks of refs, a block each. */
enum { NEARLY_FULL = 4 << 20, NEARLY_FULL_PART = 100 };

struct room {
    int64_t size, free; /* bytes, for us */
    bool files;         /* more of them can be made */
};

/* Of the folder, or of the nearest one above that is there. */
static bool room_of(const char *path, struct room *ret)
{
    fl_auto_text p = fl_strdup(path);
    struct statvfs s;

    while (statvfs(p, &s) != 0) {
        char *slash = strrchr(p, '/');

        if (errno != ENOENT || !slash || slash == p) {
            return false;
        }
        *slash = '\0';
    }
    *ret = (struct room){.size = (int64_t)(s.f_blocks * s.f_frsize),
                         .free = (int64_t)(s.f_bavail * s.f_frsize),
                         .files = s.f_files == 0 || s.f_favail > 0};
    return true;
}

int64_t repo_disk_free(const char *path)
{
    struct room r;

    return room_of(path, &r) ? r.free : INT64_MAX;
}

/* The topmost folder above `path` that is on the same disk: where it is mounted. */
static char *mounted_at(const char *path)
{
    fl_auto_text p = fl_strdup(path);
    fl_auto_text best = NULL;
    struct stat st;
    dev_t dev = 0;

    for (;;) {
        if (stat(p[0] ? p : "/", &st) == 0) {
            if (best && st.st_dev != dev) {
                break;
            }
            dev = st.st_dev;
            fl_free(best);
            best = fl_strdup(p[0] ? p : "/");
        }
        char *slash = strrchr(p, '/');
        if (!slash) {
            break;
        }
        *slash = '\0';
    }
    return best ? fl_take(best) : fl_strdup(path);
}

/* Whole units: a figure that moves with each look would make each failed pass a write. */
static const char *in_units(int64_t bytes, char ret[32])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    size_t i = 0;

    for (; bytes >= 1024 && i + 1 < FL_LEN(units); i++) {
        bytes /= 1024;
    }
    (void)snprintf(ret, 32, "%lld %s", (long long)bytes, units[i]);
    return ret;
}

/* The words before stay, the code and the pause too. */
static int say(struct fl_err *err, const char *reason, const char *more)
{
    struct fl_err was = *err;

    fl_fail(err, was.code, reason, "%s; %s", was.msg, more);
    err->retry_after_ms = was.retry_after_ms;
    return was.code;
}

static int say_full(const char *path, const struct room *r, struct fl_err *err)
{
    char size[32];
    char left[32];
    fl_auto_text at = mounted_at(path);

    if (!r->files) {
        fl_auto_text text = fl_asprintf("the disk at %s can hold no more files (its inodes are "
                                        "used up): remove some; this goes on by itself then",
                                        at);
        return say(err, "DiskFull", text);
    }
    fl_auto_text text = fl_asprintf("the disk at %s (%s) has %s free, which is too little: make "
                                    "room there, or put --mirrors-dir on a larger disk; this goes "
                                    "on by itself then",
                                    at, in_units(r->size, size), in_units(r->free, left));
    return say(err, "DiskFull", text);
}

/* git does not always say why it could not write (refs/files-backend.c: "couldn't write"). */
static bool is_silent(const struct room *r, const struct fl_err *err)
{
    return (fl_text_eq(err->reason, "GitFailed") || fl_text_eq(err->reason, "FileUnavailable")) &&
           (!r->files || r->free < NEARLY_FULL || r->free < r->size / NEARLY_FULL_PART);
}

int repo_tell_disk(const char *path, int rc, struct fl_err *err)
{
    struct room r;

    if (!err || rc != FL_E_UNAVAILABLE || !room_of(path, &r)) {
        return rc;
    }
    if (fl_text_eq(err->reason, "DiskReadOnly")) {
        fl_auto_text at = mounted_at(path);
        fl_auto_text text = fl_asprintf("the disk at %s was mounted so, or turned so after an "
                                        "error (dmesg tells): mount it for writing; this goes on "
                                        "by itself then",
                                        at);
        return say(err, "DiskReadOnly", text);
    }
    if (fl_text_eq(err->reason, "DiskFull") && strstr(err->msg, "quota")) {
        return rc; /* not a matter of the whole disk */
    }
    return fl_text_eq(err->reason, "DiskFull") || is_silent(&r, err) ? say_full(path, &r, err) : rc;
}
