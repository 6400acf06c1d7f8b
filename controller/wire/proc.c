/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* NOLINT(bugprone-reserved-identifier): closefrom, prlimit */
#include "wire/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "wire/file.h"

enum {
    PROC_OUT_CAP = 1 << 20,
    PROC_ERR_CAP = 16 << 10,
    PROC_SLICE_MS = 50,   /* how late a cancel is seen at most */
    PROC_GRACE_MS = 2000, /* from SIGTERM to SIGKILL */
    PROC_KEEP_FD = 3,     /* what keep_fd is called in the program */
    PROC_PIECE = 65536
};

struct proc {
    const struct fl_proc_req *req;
    const struct fl_ctx *ctx;
    struct fl_proc_resp *resp;
    struct fl_err *err;
    pid_t pid; /* and process group */
    int in, out, errs;
    int pidfd; /* -1: the kernel has none */
    size_t written;
    int failed;         /* the code it is killed for */
    int64_t started_ms; /* real time, as are the two below */
    int64_t term_ms;    /* SIGTERM was sent; 0: no */
    bool killed;        /* SIGKILL was sent */
    bool ended; /* the program; its zombie keeps the number of the group from being given away */
};

/* SIGXFSZ is ignored by what has a limit for files, and can be ignored there only by being so
 * here: then a write fails with words that tell why, where the signal would end a grandchild
 * that nobody hears of. */
void fl_proc_global_init(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    (void)sigaction(SIGXFSZ, &ignore, NULL);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L);
}

void fl_proc_resp_init(struct fl_proc_resp *r)
{
    *r = (struct fl_proc_resp){.exit_code = -1};
    fl_buf_init(&r->out, PROC_OUT_CAP);
    fl_buf_init(&r->err, PROC_ERR_CAP);
}

void fl_proc_resp_release(struct fl_proc_resp *r)
{
    fl_buf_release(&r->out);
    fl_buf_release(&r->err);
}

static int64_t proc_now_ms(void)
{
    return fl_clock_mono_ms(fl_clock_real());
}

static void proc_close(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
    }
    *fd = -1;
}

/* Both ends above the numbers that the program's own descriptors get, so that no dup2 in the
 * child runs over one that is still needed. pipe2: between pipe() and fcntl() another thread may
 * start a program, which would keep the pipe open. */
static int proc_pipe(int ret[2])
{
    int fd[2];

    if (pipe2(fd, O_CLOEXEC) != 0) {
        return errno;
    }
    for (int i = 0; i < 2; i++) {
        ret[i] = fd[i];
        if (fd[i] <= PROC_KEEP_FD) {
            ret[i] = fcntl(fd[i], F_DUPFD_CLOEXEC, PROC_KEEP_FD + 1);
        }
    }
    for (int i = 0; i < 2; i++) {
        if (ret[i] != fd[i]) {
            (void)close(fd[i]);
        }
    }
    if (ret[0] < 0 || ret[1] < 0) {
        proc_close(&ret[0]);
        proc_close(&ret[1]);
        return EMFILE;
    }
    return 0;
}

static int proc_find(const struct fl_proc_req *req, char **ret, struct fl_err *err)
{
    const char *name = req->argv[0];
    struct fl_str rest = fl_str_of(req->path ? req->path : "/usr/local/bin:/usr/bin:/bin");
    struct fl_str folder;

    if (strchr(name, '/')) {
        *ret = fl_strdup(name);
        return 0;
    }
    while (rest.n > 0) {
        fl_auto_text at = NULL;

        (void)fl_str_cut(&rest, ':', &folder);
        at = fl_asprintf("%.*s/%s", FL_STR_ARG(folder), name);
        if (folder.n > 0 && access(at, X_OK) == 0) {
            *ret = fl_take(at);
            return 0;
        }
    }
    return fl_fail(err, FL_E_NOT_FOUND, "ProgramNotFound", "the program %s is not installed", name);
}

/* In the order in which the child does them: the pipes' ends are above PROC_KEEP_FD, so nothing
 * is run over. Closing all above it does not trust that every descriptor of the process, also of
 * libraries, is marked O_CLOEXEC. */
static int proc_actions(posix_spawn_file_actions_t *fa, const struct fl_proc_req *req, int in,
                        int out, int errs)
{
    int rc = posix_spawn_file_actions_addchdir_np(fa, req->dir ? req->dir : "/");

    if (!rc && in >= 0) {
        rc = posix_spawn_file_actions_adddup2(fa, in, 0);
    } else if (!rc) {
        rc = posix_spawn_file_actions_addopen(fa, 0, "/dev/null", O_RDONLY, 0);
    }
    if (!rc) {
        rc = posix_spawn_file_actions_adddup2(fa, out, 1);
    }
    if (!rc) {
        rc = posix_spawn_file_actions_adddup2(fa, errs, 2);
    }
    if (!rc && req->keep_fd >= 0) {
        rc = posix_spawn_file_actions_adddup2(fa, req->keep_fd, PROC_KEEP_FD);
    }
    if (!rc) {
        rc = posix_spawn_file_actions_addclosefrom_np(fa, req->keep_fd >= 0 ? PROC_KEEP_FD + 1
                                                                            : PROC_KEEP_FD);
    }
    return rc;
}

/* The threads of the program block signals and ignore SIGPIPE; both would be inherited. */
static int proc_attr(posix_spawnattr_t *at, bool limited)
{
    sigset_t none;
    sigset_t all;
    int rc;

    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    if (limited) {
        (void)sigdelset(&all, SIGXFSZ);
    }
    rc = posix_spawnattr_setpgroup(at, 0);
    if (!rc) {
        rc = posix_spawnattr_setsigmask(at, &none);
    }
    if (!rc) {
        rc = posix_spawnattr_setsigdefault(at, &all);
    }
    if (!rc) {
        rc = posix_spawnattr_setflags(at, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    }
    return rc;
}

/* Looked at before: not every place tells the failure of a child that was never executed (valgrind
 * does not), and an exit code 127 may be the program's own. */
static int proc_missing(const struct proc *p, const char *path)
{
    const char *dir = p->req->dir;

    if (dir && access(dir, X_OK) != 0) {
        return errno;
    }
    return path && access(path, X_OK) == 0 ? 0 : errno;
}

/* posix_spawn asks for arrays of char *, and changes none of them. */
static int proc_exec(struct proc *p, const char *path, int in, int out, int errs)
{
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t at;
    static const char *const no_env[] = {NULL};
    int rc = proc_missing(p, path);

    if (!rc) {
        rc = posix_spawn_file_actions_init(&fa);
    }
    if (rc) {
        return rc;
    }
    rc = posix_spawnattr_init(&at);
    if (rc) {
        (void)posix_spawn_file_actions_destroy(&fa);
        return rc;
    }
    rc = proc_actions(&fa, p->req, in, out, errs);
    if (!rc) {
        rc = proc_attr(&at, p->req->file_cap_bytes > 0);
    }
    if (!rc && path) {
        /* NOLINTBEGIN(performance-no-int-to-ptr): const is cast away, see above */
        rc = posix_spawn(&p->pid, path, &fa, &at, (char *const *)(uintptr_t)p->req->argv,
                         (char *const *)(uintptr_t)(p->req->env ? p->req->env : no_env));
        /* NOLINTEND(performance-no-int-to-ptr) */
    }
    (void)posix_spawnattr_destroy(&at);
    (void)posix_spawn_file_actions_destroy(&fa);
    return rc;
}

static int proc_start_fail(const struct proc *p, int errnum)
{
    char text[FL_ERRNO_TEXT];
    const char *dir = p->req->dir ? p->req->dir : "/";

    /* The child tells neither which file was missing. */
    if ((errnum == ENOENT || errnum == ENOTDIR) && access(dir, X_OK) == 0) {
        return fl_fail(p->err, FL_E_NOT_FOUND, "ProgramNotFound", "the program %s is not there",
                       p->req->argv[0]);
    }
    return fl_fail(p->err, FL_E_UNAVAILABLE, "ProgramNotStarted", "cannot start %s in %s: %s",
                   p->req->argv[0], dir, fl_errno_text(errnum, text));
}

static void proc_limit(const struct proc *p)
{
    struct rlimit no_core = {0, 0};
    struct rlimit size = {(rlim_t)p->req->file_cap_bytes, (rlim_t)p->req->file_cap_bytes};

    /* SIGXFSZ and SIGKILL's kin would write the program's memory, with its secrets, to disk. */
    (void)prlimit(p->pid, RLIMIT_CORE, &no_core, NULL);
    if (p->req->file_cap_bytes > 0) {
        (void)prlimit(p->pid, RLIMIT_FSIZE, &size, NULL);
    }
}

/* With a limit for files the standard input is a pipe also when there is nothing to say: the
 * limit is set from outside, after the start, and a program that waits for the end of its input
 * has it before it does anything. */
static int proc_start(struct proc *p)
{
    fl_auto_text path = NULL;
    int in[2] = {-1, -1};
    int out[2] = {-1, -1};
    int errs[2] = {-1, -1};
    int rc = proc_find(p->req, &path, p->err);

    if (rc) {
        return rc;
    }
    if (p->req->input.n > 0 || p->req->file_cap_bytes > 0) {
        rc = proc_pipe(in);
    }
    if (!rc) {
        rc = proc_pipe(out);
    }
    if (!rc) {
        rc = proc_pipe(errs);
    }
    p->started_ms = proc_now_ms();
    if (!rc) {
        rc = proc_exec(p, path, in[0], out[1], errs[1]);
    }
    proc_close(&in[0]);
    proc_close(&out[1]);
    proc_close(&errs[1]);
    p->in = in[1];
    p->out = out[0];
    p->errs = errs[0];
    if (rc) {
        return proc_start_fail(p, rc);
    }
    proc_limit(p);
    p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0); /* close-on-exec by itself */
    (void)fcntl(p->out, F_SETFL, O_NONBLOCK);
    (void)fcntl(p->errs, F_SETFL, O_NONBLOCK);
    if (p->in >= 0) {
        (void)fcntl(p->in, F_SETFL, O_NONBLOCK);
        if (p->req->input.n == 0) {
            proc_close(&p->in);
        }
    }
    return 0;
}

/* Only while something of the group is not reaped: else the number may be somebody else's. */
static void proc_signal(struct proc *p, int sig)
{
    (void)kill(-p->pid, sig);
    if (sig == SIGTERM) {
        (void)kill(-p->pid, SIGCONT); /* a stopped process does not hear */
    }
}

static void proc_end(struct proc *p)
{
    int64_t now = proc_now_ms();

    if (p->term_ms == 0) {
        p->term_ms = now;
        proc_signal(p, SIGTERM);
    } else if (!p->killed && now - p->term_ms >= PROC_GRACE_MS) {
        p->killed = true;
        proc_signal(p, SIGKILL);
    }
}

static void proc_fail(struct proc *p, int code)
{
    p->failed = code;
    proc_close(&p->in);
    proc_end(p);
}

static void proc_write(struct proc *p)
{
    struct fl_str s = p->req->input;
    ssize_t n = write(p->in, s.p + p->written, s.n - p->written);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    /* EPIPE: it does not want to know more, which is its business. */
    p->written += n > 0 ? (size_t)n : 0;
    if (n < 0 || p->written == s.n) {
        proc_close(&p->in);
    }
}

static void proc_take_out(struct proc *p, struct fl_str piece)
{
    int rc;

    if (p->failed) {
        return; /* read on so that it does not hang in a write, keep nothing */
    }
    if (p->req->sink) {
        rc = p->req->sink(p->req->sink_arg, piece, p->err);
    } else {
        size_t fits = p->resp->out.cap_max - p->resp->out.len;

        fl_buf_add(&p->resp->out, piece.p, piece.n < fits ? piece.n : fits);
        rc = piece.n <= fits
                 ? 0
                 : fl_fail(p->err, FL_E_TOO_BIG, "OutputTooBig", "%s wrote more than %zu bytes",
                           p->req->argv[0], p->resp->out.cap_max);
    }
    if (rc) {
        proc_fail(p, rc);
    }
}

/* Keeps the end: what a program says last is why it failed. resp->err has room for twice the
 * cap. */
static void proc_take_err(struct proc *p, struct fl_str piece)
{
    struct fl_buf *b = &p->resp->err;
    size_t cap = b->cap_max / 2;

    if (piece.n > cap) {
        piece.p += piece.n - cap;
        piece.n = cap;
    }
    if (b->len + piece.n > b->cap_max) {
        memmove(b->data, b->data + (b->len - cap), cap);
        fl_buf_truncate(b, cap);
    }
    fl_buf_add(b, piece.p, piece.n);
}

/* One read; false: there is nothing more now. */
static bool proc_read(struct proc *p, int *fd)
{
    char piece[PROC_PIECE];
    ssize_t n = *fd < 0 ? 0 : read(*fd, piece, sizeof(piece));

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return errno == EINTR;
    }
    if (n <= 0) {
        proc_close(fd);
        return false;
    }
    if (fd == &p->out) {
        proc_take_out(p, (struct fl_str){piece, (size_t)n});
    } else {
        proc_take_err(p, (struct fl_str){piece, (size_t)n});
    }
    return true;
}

static void proc_peek(struct proc *p)
{
    siginfo_t si = {0};

    if (waitid(P_PID, (id_t)p->pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid == p->pid) {
        p->ended = true;
    }
}

/* How long to wait: without a pidfd the end shows only by looking. */
static int proc_wait_ms(const struct proc *p)
{
    bool silent = p->out < 0 && p->errs < 0;
    int64_t left = fl_ctx_left_ms(p->ctx);
    int ms = p->pidfd < 0 && silent ? 2 : PROC_SLICE_MS;

    return !p->failed && left < ms ? (int)left : ms;
}

static void proc_turn(struct proc *p)
{
    struct pollfd f[4] = {{.fd = p->pidfd, .events = POLLIN},
                          {.fd = p->in, .events = POLLOUT},
                          {.fd = p->out, .events = POLLIN},
                          {.fd = p->errs, .events = POLLIN}};

    /* ppoll with a negative fd passes it over. */
    (void)poll(f, 4, proc_wait_ms(p));
    if (p->in >= 0 && f[1].revents) {
        proc_write(p);
    }
    if (p->out >= 0 && f[2].revents) {
        (void)proc_read(p, &p->out);
    }
    if (p->errs >= 0 && f[3].revents) {
        (void)proc_read(p, &p->errs);
    }
    proc_peek(p);
    if (p->failed) {
        proc_end(p);
    } else if (!p->ended) {
        int rc = fl_ctx_check(p->ctx, p->req->argv[0], p->err);

        if (rc) {
            proc_fail(p, rc);
        }
    }
}

static void proc_reap_program(struct proc *p)
{
    struct rusage use = {0};
    int status = 0;
    pid_t r;

    do {
        r = wait4(p->pid, &status, 0, &use);
    } while (r < 0 && errno == EINTR);
    p->resp->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    p->resp->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    p->resp->cpu_ms = (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000 +
                      (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1000;
}

/* What the program left running in its group: orphans, which came to us. They have no reader and
 * no task any more. A child that is there and not reaped keeps the group's number taken, so the
 * signals meet nobody else. */
static void proc_reap_group(struct proc *p)
{
    for (;;) {
        pid_t r = waitpid(-p->pid, NULL, WNOHANG);

        if (r > 0 || (r < 0 && errno == EINTR)) {
            continue;
        }
        if (r < 0) {
            return; /* ECHILD: none is left */
        }
        proc_end(p);
        (void)poll(NULL, 0, 5);
        /* A full pipe must not keep one from ending. */
        (void)proc_read(p, &p->out);
        (void)proc_read(p, &p->errs);
    }
}

static void proc_run(struct proc *p)
{
    while (!p->ended) {
        proc_turn(p);
    }
    /* Bounded: an orphan may go on writing. */
    for (int i = 0; i < 256 && proc_read(p, &p->out); i++) {
    }
    for (int i = 0; i < 256 && proc_read(p, &p->errs); i++) {
    }
    proc_reap_program(p);
    proc_reap_group(p);
    p->resp->ms = proc_now_ms() - p->started_ms;
}

/* write() to a program that has ended raises SIGPIPE, in this thread. */
static void proc_run_quiet(struct proc *p)
{
    const struct timespec now = {0};
    sigset_t pipe_only;
    sigset_t before;
    sigset_t pending;

    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    (void)sigpending(&pending);
    (void)pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    proc_run(p);
    if (sigismember(&pending, SIGPIPE) == 0) {
        (void)sigtimedwait(&pipe_only, NULL, &now);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void proc_trim_err(struct fl_buf *b, size_t cap)
{
    if (b->len > cap) {
        memmove(b->data, b->data + (b->len - cap), cap);
        fl_buf_truncate(b, cap);
    }
}

int fl_proc_run(const struct fl_proc_req *req, const struct fl_ctx *ctx, struct fl_proc_resp *ret,
                struct fl_err *err)
{
    struct proc p = {.req = req,
                     .ctx = ctx,
                     .resp = ret,
                     .err = err,
                     .in = -1,
                     .out = -1,
                     .errs = -1,
                     .pidfd = -1};
    size_t err_cap = req->err_cap ? req->err_cap : PROC_ERR_CAP;
    int rc = fl_ctx_check(ctx, req->argv[0], err);

    fl_assert(req->keep_fd < 0 || req->keep_fd > 2);
    fl_proc_resp_release(ret);
    fl_proc_resp_init(ret);
    fl_buf_init(&ret->out, req->out_cap ? req->out_cap : PROC_OUT_CAP);
    fl_buf_init(&ret->err, 2 * err_cap);
    if (!rc) {
        rc = proc_start(&p);
    }
    if (!rc) {
        proc_run_quiet(&p);
        rc = p.failed;
    }
    proc_trim_err(&ret->err, err_cap);
    proc_close(&p.in);
    proc_close(&p.out);
    proc_close(&p.errs);
    proc_close(&p.pidfd);
    return rc;
}
