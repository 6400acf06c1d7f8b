/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "wire/proc.h"

static const char *const plain_env[] = {"PATH=/usr/bin:/bin", NULL};

static struct fl_ctx forever(void)
{
    return fl_ctx_root(fl_clock_real(), NULL);
}

/* A script of sh. */
static int run_script(const char *script, const struct fl_proc_req *more, const struct fl_ctx *ctx,
                      struct fl_proc_resp *ret, struct fl_err *err)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct fl_proc_req req = more ? *more : (struct fl_proc_req){.keep_fd = -1};
    struct fl_ctx root = forever();

    req.argv = argv;
    req.env = req.env ? req.env : plain_env;
    return fl_proc_run(&req, ctx ? ctx : &root, ret, err);
}

static void test_proc__ends_are_told(void **state)
{
    static const struct {
        const char *name, *script;
        int exit_code, signal;
    } rows[] = {
        {"well", "exit 0", 0, 0},
        {"code", "exit 7", 7, 0},
        {"highest code", "exit 255", 255, 0},
        {"SIGTERM from itself", "kill -TERM $$", -1, SIGTERM},
        {"SIGKILL from itself", "kill -KILL $$", -1, SIGKILL},
        {"SIGPIPE is not ignored in it", "kill -PIPE $$", -1, SIGPIPE},
        {"does not read its input", "exec 0<&-; exit 3", 3, 0},
    };
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_proc_resp) r;
        struct fl_err err = FL_ERR_INIT;

        fl_proc_resp_init(&r);
        int rc = run_script(rows[i].script, NULL, NULL, &r, &err);
        if (rc || r.exit_code != rows[i].exit_code || r.signal != rows[i].signal) {
            fail_msg("%s: %d (%s), code %d, signal %d", rows[i].name, rc, err.msg, r.exit_code,
                     r.signal);
        }
    }
}

/* The threads of the program block these, and ignore SIGPIPE; what it starts must not. */
static void test_proc__blocked_signals_reach_the_program(void **state)
{
    sigset_t all;
    sigset_t before;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction was;
    static const int sigs[] = {SIGTERM, SIGINT, SIGPIPE, SIGHUP};
    (void)state;

    (void)sigfillset(&all);
    (void)sigaction(SIGPIPE, &ignore, &was);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    for (size_t i = 0; i < FL_LEN(sigs); i++) {
        fl_auto_val(fl_proc_resp) r;
        fl_auto_text script = fl_asprintf("kill -%d $$; exit 1", sigs[i]);
        struct fl_err err = FL_ERR_INIT;

        fl_proc_resp_init(&r);
        assert_int_equal(run_script(script, NULL, NULL, &r, &err), 0);
        assert_int_equal(r.signal, sigs[i]);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)sigaction(SIGPIPE, &was, NULL);
}

static void test_proc__output_is_kept_up_to_its_cap(void **state)
{
    static const struct {
        const char *name;
        int bytes;
        size_t cap;
        int want;
    } rows[] = {{"nothing", 0, 5, 0},
                {"at the cap", 70000, 70000, 0},
                {"one above", 70001, 70000, FL_E_TOO_BIG},
                {"far above", 900000, 70000, FL_E_TOO_BIG},
                {"default cap", 1 << 20, 0, 0},
                {"above the default cap", (1 << 20) + 1, 0, FL_E_TOO_BIG}};
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_proc_resp) r;
        fl_auto_text script = fl_asprintf("head -c %d /dev/zero", rows[i].bytes);
        struct fl_err err = FL_ERR_INIT;
        size_t want = rows[i].want ? (rows[i].cap ? rows[i].cap : 1 << 20) : (size_t)rows[i].bytes;

        fl_proc_resp_init(&r);
        int rc = run_script(script, &(struct fl_proc_req){.keep_fd = -1, .out_cap = rows[i].cap},
                            NULL, &r, &err);
        if (rc != rows[i].want || r.out.len != want) {
            fail_msg("%s: %d (%s), %zu bytes", rows[i].name, rc, err.msg, r.out.len);
        }
    }
}

static void test_proc__the_end_of_the_errors_is_kept(void **state)
{
    static const struct {
        const char *name;
        size_t cap;
        size_t want;
    } rows[] = {{"more than all", 10000, 3893}, {"all", 3893, 3893}, {"last", 10, 10}};
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_proc_resp) r;
        struct fl_err err = FL_ERR_INIT;

        fl_proc_resp_init(&r);
        assert_int_equal(run_script("seq 1 1000 >&2", /* 3893 bytes */
                                    &(struct fl_proc_req){.keep_fd = -1, .err_cap = rows[i].cap},
                                    NULL, &r, &err),
                         0);
        if (r.err.len != rows[i].want || !fl_str_ends(fl_buf_slice(&r.err), "\n999\n1000\n")) {
            fail_msg("%s: %zu bytes", rows[i].name, r.err.len);
        }
    }
}

static void test_proc__a_mebibyte_of_input_comes_back(void **state)
{
    fl_auto_val(fl_proc_resp) r;
    fl_auto_val(fl_buf) in = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    for (int i = 0; in.len < 1 << 20; i++) {
        fl_buf_fmt(&in, "%d\n", i);
    }
    fl_proc_resp_init(&r);
    assert_int_equal(run_script("exec cat",
                                &(struct fl_proc_req){
                                    .keep_fd = -1, .input = fl_buf_slice(&in), .out_cap = in.len},
                                NULL, &r, &err),
                     0);
    assert_true(fl_str_eq(fl_buf_slice(&r.out), fl_buf_slice(&in)));
}

static void test_proc__input_that_nobody_reads_is_no_failure(void **state)
{
    fl_auto_val(fl_proc_resp) r;
    fl_auto_text in = fl_calloc(1, 1 << 20);
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    fl_proc_resp_init(&r);
    assert_int_equal(run_script("exit 4",
                                &(struct fl_proc_req){.keep_fd = -1, .input = {in, 1 << 20}}, NULL,
                                &r, &err),
                     0);
    assert_int_equal(r.exit_code, 4);
}

static void test_proc__without_input_it_reads_the_end(void **state)
{
    static const int64_t caps[] = {0, 4096};
    (void)state;
    for (size_t i = 0; i < FL_LEN(caps); i++) {
        fl_auto_val(fl_proc_resp) r;
        struct fl_err err = FL_ERR_INIT;

        fl_proc_resp_init(&r);
        assert_int_equal(run_script("cat; echo done",
                                    &(struct fl_proc_req){.keep_fd = -1, .file_cap_bytes = caps[i]},
                                    NULL, &r, &err),
                         0);
        assert_string_equal(r.out.data, "done\n");
    }
}

struct pieces {
    size_t n;
    size_t fail_at;
    struct fl_cancel *cancel;
};

static int on_piece(void *arg, struct fl_str piece, struct fl_err *err)
{
    struct pieces *s = arg;

    s->n += piece.n;
    if (s->cancel) {
        fl_cancel_set(s->cancel);
    }
    return s->fail_at && s->n >= s->fail_at
               ? fl_fail(err, FL_E_BAD_DATA, "Enough", "%zu bytes", s->n)
               : 0;
}

static void test_proc__a_sink_gets_all_and_may_end_it(void **state)
{
    fl_auto_val(fl_proc_resp) r;
    struct pieces all = {0};
    struct pieces some = {.fail_at = 1};
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    fl_proc_resp_init(&r);
    assert_int_equal(
        run_script(
            "head -c 3000000 /dev/zero",
            &(struct fl_proc_req){.keep_fd = -1, .out_cap = 1, .sink = on_piece, .sink_arg = &all},
            NULL, &r, &err),
        0);
    assert_int_equal(all.n, 3000000);
    assert_int_equal(r.out.len, 0);
    assert_int_equal(
        run_script("yes", &(struct fl_proc_req){.keep_fd = -1, .sink = on_piece, .sink_arg = &some},
                   NULL, &r, &err),
        FL_E_BAD_DATA);
    assert_string_equal(err.reason, "Enough");
    assert_int_equal(r.signal, SIGTERM);
}

/* Nothing of the group is left, also no zombie. */
static void assert_no_children(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

struct late {
    struct fl_clock *clock;
    int64_t pid;
};

static int on_pid(void *arg, struct fl_str piece, struct fl_err *err)
{
    struct late *l = arg;
    struct fl_str line;

    (void)err;
    (void)fl_str_cut(&piece, '\n', &line);
    (void)fl_num_i64(line, &l->pid);
    fl_clock_advance(l->clock, 1000);
    return 0;
}

static void test_proc__the_deadline_kills_what_ignores_it(void **state)
{
    fl_auto(fl_clock) clock = fl_clock_fake_new(0);
    fl_auto_val(fl_proc_resp) r;
    struct late late = {.clock = clock};
    struct fl_ctx root = fl_ctx_root(clock, NULL);
    struct fl_ctx soon = fl_ctx_timeout(&root, 1000);
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    fl_proc_resp_init(&r);
    int rc = run_script("(trap '' TERM; sh -c 'echo $$; exec sleep 600') & wait",
                        &(struct fl_proc_req){.keep_fd = -1, .sink = on_pid, .sink_arg = &late},
                        &soon, &r, &err);
    assert_int_equal(rc, FL_E_TIMEOUT);
    assert_int_equal(r.signal, SIGTERM);
    assert_true(late.pid > 0);
    assert_int_equal(kill((pid_t)late.pid, 0), -1);
    assert_int_equal(errno, ESRCH);
    assert_no_children();
}

static void test_proc__a_cancel_ends_it(void **state)
{
    fl_auto_val(fl_proc_resp) r;
    struct fl_cancel cancel = {false};
    struct pieces s = {.cancel = &cancel};
    struct fl_ctx ctx = fl_ctx_root(fl_clock_real(), &cancel);
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    fl_proc_resp_init(&r);
    assert_int_equal(
        run_script("echo ready; exec sleep 600",
                   &(struct fl_proc_req){.keep_fd = -1, .sink = on_piece, .sink_arg = &s}, &ctx, &r,
                   &err),
        FL_E_CANCELED);
    assert_int_equal(r.signal, SIGTERM);
    assert_no_children();
    /* None is begun. */
    assert_int_equal(run_script("exit 0", NULL, &ctx, &r, &err), FL_E_CANCELED);
}

static void test_proc__what_outlives_the_program_is_ended(void **state)
{
    fl_auto_val(fl_proc_resp) r;
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    fl_proc_resp_init(&r);
    assert_int_equal(
        run_script("sleep 600 & (sleep 600 & sleep 600) & echo x", NULL, NULL, &r, &err), 0);
    assert_int_equal(r.exit_code, 0);
    assert_string_equal(r.out.data, "x\n");
    assert_no_children();
}

static void test_proc__programs_that_are_not_there(void **state)
{
    static const struct {
        const char *name, *program, *path, *dir;
        int want;
    } rows[] = {{"by name", "no-such-program", NULL, NULL, FL_E_NOT_FOUND},
                {"by path", "/nowhere/git", NULL, NULL, FL_E_NOT_FOUND},
                {"empty path", "sh", "", NULL, FL_E_NOT_FOUND},
                {"not in this path", "sh", "/nowhere:/proc", NULL, FL_E_NOT_FOUND},
                {"empty part of the path is not here", "sh", ":", "/bin", FL_E_NOT_FOUND},
                {"second part", "true", "/nowhere:/bin", NULL, 0},
                {"no such folder", "true", NULL, "/nowhere", FL_E_UNAVAILABLE}};
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_proc_resp) r;
        const char *argv[] = {rows[i].program, NULL};
        struct fl_ctx ctx = forever();
        struct fl_err err = FL_ERR_INIT;

        fl_proc_resp_init(&r);
        int rc = fl_proc_run(&(struct fl_proc_req){.argv = argv,
                                                   .env = plain_env,
                                                   .path = rows[i].path,
                                                   .dir = rows[i].dir,
                                                   .keep_fd = -1},
                             &ctx, &r, &err);
        if (rc != rows[i].want || (rc == FL_E_NOT_FOUND && !strstr(err.msg, rows[i].program))) {
            fail_msg("%s: %d (%s)", rows[i].name, rc, err.msg);
        }
    }
}

static void test_proc__gets_our_environment_folder_and_nothing_else(void **state)
{
    static const char *const env[] = {"A=1", "B=two words", NULL};
    fl_auto_val(fl_proc_resp) r;
    const char *argv[] = {"/usr/bin/env", NULL};
    const char *none[] = {"env", NULL};
    const char *where[] = {"/bin/pwd", NULL};
    struct fl_ctx ctx = forever();
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    fl_proc_resp_init(&r);
    assert_int_equal(
        fl_proc_run(&(struct fl_proc_req){.argv = argv, .env = env, .keep_fd = -1}, &ctx, &r, &err),
        0);
    assert_string_equal(r.out.data, "A=1\nB=two words\n");
    assert_int_equal(
        fl_proc_run(&(struct fl_proc_req){.argv = none, .keep_fd = -1}, &ctx, &r, &err), 0);
    assert_int_equal(r.out.len, 0);
    assert_int_equal(
        fl_proc_run(&(struct fl_proc_req){.argv = where, .keep_fd = -1}, &ctx, &r, &err), 0);
    assert_string_equal(r.out.data, "/\n");
}

static void test_proc__only_what_is_kept_stays_open(void **state)
{
    fl_auto_val(fl_proc_resp) r;
    struct fl_err err = FL_ERR_INIT;
    int leak = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, as a library might */
    int keep = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    static const struct {
        bool keep;
        const char *want;
    } rows[] = {{false, "/dev/null\n"}, {true, "/dev/null\n/dev/zero\n"}};
    (void)state;

    fl_proc_resp_init(&r);
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        /* The shell itself holds no more; what `ls` opens goes away with it. */
        const char *script = "for f in 0 3 4 5 6 7 8 9 10 11 12; do "
                             "[ -e /proc/$$/fd/$f ] && readlink /proc/$$/fd/$f; done; exit 0";
        assert_int_equal(run_script(script,
                                    &(struct fl_proc_req){.keep_fd = rows[i].keep ? keep : -1},
                                    NULL, &r, &err),
                         0);
        assert_string_equal(r.out.data, rows[i].want);
    }
    (void)close(leak);
    (void)close(keep);
}

static size_t open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    size_t n = 0;

    assert_non_null(d);
    while (readdir(d)) {
        n++;
    }
    (void)closedir(d);
    return n;
}

static void test_proc__leaves_no_descriptor_behind(void **state)
{
    fl_auto_val(fl_proc_resp) r;
    const char *missing[] = {"/nowhere/git", NULL};
    struct fl_ctx ctx = forever();
    struct fl_err err = FL_ERR_INIT;
    size_t before = open_files();
    (void)state;

    fl_proc_resp_init(&r);
    (void)run_script("cat", &(struct fl_proc_req){.keep_fd = -1, .input = FL_STR("x")}, NULL, &r,
                     &err);
    (void)run_script("yes", &(struct fl_proc_req){.keep_fd = -1, .out_cap = 1}, NULL, &r, &err);
    (void)fl_proc_run(&(struct fl_proc_req){.argv = missing, .keep_fd = -1, .input = FL_STR("x")},
                      &ctx, &r, &err);
    assert_int_equal(open_files(), before);
}

static void test_proc__files_have_their_limit(void **state)
{
    static const struct {
        const char *name;
        int bytes;
        int exit_code;
    } rows[] = {{"at the limit", 8192, 0}, {"one above", 8193, 1}};
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_proc_resp) r;
        char path[] = "/tmp/fl-proc-XXXXXX";
        int fd = mkstemp(path);
        /* The input's end is what the program waits for before it writes. */
        fl_auto_text script =
            fl_asprintf("cat; exec head -c %d /dev/zero > %s", rows[i].bytes, path);
        struct fl_err err = FL_ERR_INIT;

        assert_true(fd >= 0);
        fl_proc_resp_init(&r);
        int rc = run_script(
            script,
            &(struct fl_proc_req){.keep_fd = -1, .input = FL_STR("x"), .file_cap_bytes = 8192},
            NULL, &r, &err);
        (void)close(fd);
        (void)unlink(path);
        if (rc || r.exit_code != rows[i].exit_code ||
            (r.exit_code && !strstr(r.err.data, "File too large"))) {
            fail_msg("%s: %d, signal %d, code %d: %s", rows[i].name, rc, r.signal, r.exit_code,
                     r.err.data);
        }
    }
}

static int tell_and_stay(void *arg, struct fl_str piece, struct fl_err *err)
{
    const int *fd = arg;

    (void)err;
    return write(*fd, piece.p, piece.n) == (ssize_t)piece.n ? 0 : -1;
}

/* A process like ours: takes the lock, runs a program that starts another, and is killed in the
 * middle. */
static void hold_and_run(const char *path, int tell)
{
    fl_auto_val(fl_proc_resp) r;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct fl_err err = FL_ERR_INIT;

    fl_proc_resp_init(&r);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0) {
        _exit(1);
    }
    /* Outer and inner: the lock ends with the last of them. */
    (void)run_script("sh -c 'echo $$; exec sleep 600' & exec sleep 600",
                     &(struct fl_proc_req){.keep_fd = fd, .sink = tell_and_stay, .sink_arg = &tell},
                     NULL, &r, &err);
    _exit(1);
}

static void test_proc__a_kept_lock_ends_with_the_last_orphan(void **state)
{
    char path[] = "/tmp/fl-proc-XXXXXX";
    int fd = mkstemp(path);
    int told[2];
    char text[32] = {0};
    int64_t pid = 0;
    (void)state;

    assert_true(fd >= 0);
    assert_int_equal(pipe(told), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        hold_and_run(path, told[1]);
    }
    (void)close(told[1]);
    ssize_t n = read(told[0], text, sizeof(text) - 1);
    assert_true(n > 1);
    assert_true(fl_num_i64((struct fl_str){text, (size_t)n - 1}, &pid));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
    assert_int_equal(errno, EWOULDBLOCK);
    /* We are the subreaper: both orphans are our children now. One of them holds it as well as
     * two. */
    pid_t group = getpgid((pid_t)pid);
    assert_int_equal(kill(group, SIGKILL), 0);
    assert_int_equal(waitpid(group, NULL, 0), group);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
    assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
    assert_int_equal(waitpid((pid_t)pid, NULL, 0), (pid_t)pid);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    (void)close(told[0]);
    (void)close(fd);
    (void)unlink(path);
}

static void *run_many(void *arg)
{
    atomic_int *bad = arg;

    for (int i = 0; i < 10; i++) {
        fl_auto_val(fl_proc_resp) r;
        fl_auto_text in = fl_asprintf("%d-%p", i, (void *)&r);
        struct fl_err err = FL_ERR_INIT;

        fl_proc_resp_init(&r);
        if (run_script("exec cat", &(struct fl_proc_req){.keep_fd = -1, .input = fl_str_of(in)},
                       NULL, &r, &err) ||
            !fl_text_eq(r.out.data, in)) {
            atomic_fetch_add(bad, 1);
        }
    }
    return NULL;
}

static void test_proc__many_threads_each_get_their_own(void **state)
{
    pthread_t t[4];
    atomic_int bad = 0;
    (void)state;

    for (size_t i = 0; i < FL_LEN(t); i++) {
        fl_thread_start(&t[i], "run", run_many, &bad);
    }
    for (size_t i = 0; i < FL_LEN(t); i++) {
        (void)pthread_join(t[i], NULL);
    }
    assert_int_equal(bad, 0);
    assert_no_children();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proc__ends_are_told),
        cmocka_unit_test(test_proc__blocked_signals_reach_the_program),
        cmocka_unit_test(test_proc__output_is_kept_up_to_its_cap),
        cmocka_unit_test(test_proc__the_end_of_the_errors_is_kept),
        cmocka_unit_test(test_proc__a_mebibyte_of_input_comes_back),
        cmocka_unit_test(test_proc__input_that_nobody_reads_is_no_failure),
        cmocka_unit_test(test_proc__without_input_it_reads_the_end),
        cmocka_unit_test(test_proc__a_sink_gets_all_and_may_end_it),
        cmocka_unit_test(test_proc__the_deadline_kills_what_ignores_it),
        cmocka_unit_test(test_proc__a_cancel_ends_it),
        cmocka_unit_test(test_proc__what_outlives_the_program_is_ended),
        cmocka_unit_test(test_proc__programs_that_are_not_there),
        cmocka_unit_test(test_proc__gets_our_environment_folder_and_nothing_else),
        cmocka_unit_test(test_proc__only_what_is_kept_stays_open),
        cmocka_unit_test(test_proc__leaves_no_descriptor_behind),
        cmocka_unit_test(test_proc__files_have_their_limit),
        cmocka_unit_test(test_proc__a_kept_lock_ends_with_the_last_orphan),
        cmocka_unit_test(test_proc__many_threads_each_get_their_own),
    };
    fl_proc_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
