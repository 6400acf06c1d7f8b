/* SPDX-License-Identifier: Apache-2.0
 * Small files that must be whole: read under a cap, made or replaced with mode 0600 and on disk before the call returns.
 * Failures: NOT_FOUND, EXISTS, TOO_BIG, INVALID (permission, is a folder), UNAVAILABLE (no space, read-only, I/O); messages
 * name the path. */
#ifndef FL_WIRE_FILE_H
#define FL_WIRE_FILE_H

#include "base/buf.h"
#include "base/err.h"

/* Appends the whole file to ret; on failure what was appended is wiped and taken back. */
int fl_file_read(const char *path, size_t cap, struct fl_buf *ret, struct fl_err *err);
/* Makes a new file. EXISTS: there is one. */
int fl_file_create(const char *path, struct fl_str content, struct fl_err *err);
/* Makes or replaces atomically: readers see the old content or the new, never a part. */
int fl_file_replace(const char *path, struct fl_str content, struct fl_err *err);
struct fl_file_item {
    const char *path;
    struct fl_str content;
};
/* The same for several files of one folder, which is put on disk once. On failure some may be replaced. */
int fl_file_replace_all(const struct fl_file_item *items, size_t n, struct fl_err *err);
/* Puts the entries of the folder that holds `path` on disk. */
int fl_file_sync_folder(const char *path, struct fl_err *err);
/* Takes an exclusive lock on a file made for it, with the process id in it, until *ret_fd is closed. EXISTS: "<path without
 * .lock>: in use by process 123". The file stays. */
int fl_file_lock(const char *path, int *ret_fd, struct fl_err *err);
/* The failure for an errno of a call on `path`: "cannot <what> <path>: <words of errno>". Returns the code. */
int fl_file_fail(int errnum, const char *what, const char *path, struct fl_err *err);
/* strerror into the caller's buffer; returns it. */
#define FL_ERRNO_TEXT 128
const char *fl_errno_text(int errnum, char ret[FL_ERRNO_TEXT]);

#endif
