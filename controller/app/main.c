/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <sys/resource.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "app/program.h"
#include "wire/http.h"
#include "wire/proc.h"

extern char **environ;

/* Idle watches and streams each hold a descriptor. */
static void main_raise_files(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
        l.rlim_cur = l.rlim_max > 65536 ? 65536 : l.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &l);
    }
}

static int main_usage(const struct fl_err *err)
{
    (void)fprintf(stderr, "fairlead: %s\n", err->msg);
    return 2;
}

static int main_print_help(enum fl_command command)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_options_help(command, &b);
    return fputs(b.data, stdout) < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
#ifdef __GLIBC__
    /* Freed trees otherwise stay resident in an arena per thread. libraries.md, json-c. */
    mallopt(M_ARENA_MAX, 2); /* NOLINT(concurrency-mt-unsafe): before any thread */
#endif
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_options o = {0};
    struct fl_err err = FL_ERR_INIT;
    if (fl_options_parse(argc, argv, environ, a, &o, &err) < 0) {
        return main_usage(&err);
    }
    if (o.command == FL_CMD_HELP || o.help) {
        return main_print_help(o.command);
    }
    if (o.command == FL_CMD_VERSION) {
        return puts("fairlead " FL_VERSION) < 0 ? 1 : 0;
    }
    enum fl_log_level level = FL_LOG_INFO;
    enum fl_log_format format = FL_LOG_AUTO;
    (void)fl_log_level_parse(o.log_level ? o.log_level : "info", &level);
    (void)fl_log_format_parse(o.log_format ? o.log_format : "auto", &format);
    fl_log_setup(level, format);
    main_raise_files();
    fl_program_block_signals();
    fl_http_global_init();
    fl_proc_global_init();
    switch (o.command) {
    case FL_CMD_STANDALONE:
        return fl_program_standalone(&o);
    case FL_CMD_RUN:
        return fl_program_run(&o);
    case FL_CMD_ROTATE_KEY:
        return fl_program_rotate_key(&o);
    default:
        return 2;
    }
}
