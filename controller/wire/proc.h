/* SPDX-License-Identifier: Apache-2.0
 * Runs a program and waits for it: a process group of its own, an environment from nothing,
 * output under caps, killed as a group at the deadline or on cancel (SIGTERM, SIGKILL 2 s later)
 * and reaped whole. Any thread, any number at once. fl_proc_global_init in main, before any
 * thread. Linux: grandchildren that lose their parent come to us (PR_SET_CHILD_SUBREAPER) and
 * are reaped with their group. */
#ifndef FL_WIRE_PROC_H
#define FL_WIRE_PROC_H

#include "base/buf.h"
#include "base/ctx.h"

void fl_proc_global_init(void);

struct fl_proc_req {
    const char *const *
        argv; /* argv[0]: absolute path, or a name that is looked up in `path`; NULL-ended. No secret */
    const char *const *env; /* "NAME=value", NULL-ended; all the program gets */
    const char *path;       /* "/usr/local/bin:/usr/bin:/bin" when NULL */
    const char *dir;        /* working directory; NULL: "/" */
    struct fl_str input;    /* its standard input, then end of file; empty: /dev/null */
    size_t out_cap;         /* bytes of standard output kept; more: killed, TOO_BIG. 0: 1 MiB */
    size_t err_cap;         /* the last bytes of standard error kept; 0: 16 KiB */
    int64_t
        file_cap_bytes; /* RLIMIT_FSIZE of the group: beyond it writes fail with EFBIG; 0: none */
    int keep_fd;        /* stays open in the program and all it starts (a lock); -1: none */
    /* Pieces of standard output instead of collecting; a failure kills the group. NULL: collect. */
    int (*sink)(void *arg, struct fl_str piece, struct fl_err *err);
    void *sink_arg;
};
struct fl_proc_resp {
    int exit_code; /* -1: ended by `signal` */
    int signal;
    struct fl_buf out, err; /* err: one text, control characters as they came */
    int64_t ms;
    int64_t cpu_ms; /* user and system, with its children */
};
void fl_proc_resp_init(struct fl_proc_resp *r);
void fl_proc_resp_release(struct fl_proc_resp *r);
FL_AUTO_VAL(fl_proc_resp);

/* 0 for any exit code and signal: the caller maps it. NOT_FOUND "ProgramNotFound" (names it);
 * TIMEOUT, CANCELED: it was killed; TOO_BIG; UNAVAILABLE: no process could be made. ret is
 * filled on TIMEOUT, CANCELED and TOO_BIG too. */
int fl_proc_run(const struct fl_proc_req *req, const struct fl_ctx *ctx, struct fl_proc_resp *ret,
                struct fl_err *err);

#endif
