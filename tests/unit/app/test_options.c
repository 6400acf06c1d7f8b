/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "app/options.h"
#include "base/log.h"
#include "base/mem.h"
#include "wire/file.h"

#define ARGS_MAX 8
#define FILE_TEXT_MAX ((size_t)1 << 20)

struct place {
    char dir[32];
    char *config;
};

static int make_place(void **state)
{
    struct place *p = FL_NEW(struct place);

    *p = (struct place){.dir = "/tmp/fl-options-XXXXXX"};
    *state = p;
    if (!mkdtemp(p->dir)) {
        return -1;
    }
    p->config = fl_asprintf("%s/config.yaml", p->dir);
    return 0;
}

static int drop_place(void **state)
{
    struct place *p = *state;

    (void)unlink(p->config);
    (void)rmdir(p->dir);
    fl_free(p->config);
    fl_free(p);
    return 0;
}

/* A row's command line: what stands behind "fairlead"; "CONFIG" is the path of the file with the row's text. */
struct line {
    const char *args[ARGS_MAX];
    const char *env[4];
    const char *file;
};

static int parse(const struct place *p, const struct line *l, struct fl_arena *a,
                 struct fl_options *ret, struct fl_err *err)
{
    char *argv[ARGS_MAX + 2] = {fl_arena_text(a, "fairlead")};
    char *env[FL_LEN(l->env) + 1] = {NULL};
    int argc = 1;

    for (size_t i = 0; i < FL_LEN(l->args) && l->args[i]; i++) {
        bool config = strcmp(l->args[i], "CONFIG") == 0;

        argv[argc++] = fl_arena_text(a, config ? p->config : l->args[i]);
    }
    for (size_t i = 0; i < FL_LEN(l->env) && l->env[i]; i++) {
        bool config = strcmp(l->env[i], "FAIRLEAD_CONFIG=CONFIG") == 0;

        env[i] =
            config ? fl_arena_fmt(a, "FAIRLEAD_CONFIG=%s", p->config) : fl_arena_text(a, l->env[i]);
    }
    if (l->file) {
        assert_int_equal(fl_file_replace(p->config, fl_str_of(l->file), err), 0);
    }
    return fl_options_parse(argc, argv, env, a, ret, err);
}

/* ---- values and their sources ---- */

static void test_options__without_any_the_defaults_stand(void **state)
{
    static const struct line l = {.args = {"standalone"}};
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_options o = {0};
    struct fl_err err = FL_ERR_INIT;

    assert_int_equal(parse(*state, &l, a, &o, &err), 0);
    assert_int_equal(o.command, FL_CMD_STANDALONE);
    assert_false(o.help);
    assert_string_equal(o.data_dir, "/var/lib/fairlead");
    assert_string_equal(o.listen, "127.0.0.1:7443");
    assert_false(o.listen_public);
    assert_false(o.no_controllers);
    assert_string_equal(o.sync, "full");
    assert_string_equal(o.log_level, "info");
    assert_string_equal(o.log_format, "auto");
    assert_int_equal(o.grace_ms, 10000);
    assert_int_equal(o.backoff_max_ms, 300000);
    assert_null(o.key_file);
    assert_null(o.ns);
    assert_null(o.metrics_listen);
    assert_null(o.write_kubeconfig);
}

/* ---- --mirror-interval and --webhook-quiet: R1 to R6, R13 (reference git-and-pipelines.md 4.1, 4.2) ---- */

struct lenient_row {
    const char *name;
    struct line l;
    int64_t want_ms;
};

static void interval_rows(void **state, const struct lenient_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_options o = {0};
        struct fl_err err = FL_ERR_INIT;
        if (parse(*state, &rows[i].l, a, &o, &err) < 0 || o.mirror_interval_ms != rows[i].want_ms) {
            fail_msg("%s: %lld %s", rows[i].name, (long long)o.mirror_interval_ms, err.msg);
        }
    }
}

static void test_options__r1_unset_or_blank_is_five_minutes(void **state)
{
    static const struct lenient_row rows[] = {
        {"unset", {.args = {"run"}}, 300000},
        {"empty", {.args = {"run"}, .env = {"FAIRLEAD_MIRROR_INTERVAL="}}, 300000},
        {"blank", {.args = {"run"}, .env = {"FAIRLEAD_MIRROR_INTERVAL=  "}}, 300000},
        {"blank by flag", {.args = {"run", "--mirror-interval", " \t"}}, 300000},
        {"empty by flag", {.args = {"run", "--mirror-interval="}}, 300000},
    };
    interval_rows(state, rows, FL_LEN(rows));
}

/* That the loop is off then, and webhook and request still work: contract/test_loop_mirror.c. */
static void test_options__r2_zero_is_off(void **state)
{
    static const struct lenient_row rows[] = {
        {"environment", {.args = {"run"}, .env = {"FAIRLEAD_MIRROR_INTERVAL=0"}}, 0},
        {"flag", {.args = {"run", "--mirror-interval=0"}}, 0},
        {"with a unit", {.args = {"run", "--mirror-interval=0s"}}, 0},
    };
    interval_rows(state, rows, FL_LEN(rows));
}

static void keep_lines(void *arg, struct fl_str line)
{
    fl_buf_str(arg, line);
}

static void test_options__r3_garbage_is_five_minutes_and_told(void **state)
{
    static const struct {
        const char *name, *env;
    } rows[] = {
        {"words", "FAIRLEAD_MIRROR_INTERVAL=often"},
        {"off", "FAIRLEAD_MIRROR_INTERVAL=off"},
        {"false", "FAIRLEAD_MIRROR_INTERVAL=false"},
        {"a number", "FAIRLEAD_MIRROR_INTERVAL=60"},
        {"minus nothing", "FAIRLEAD_MIRROR_INTERVAL=-"},
        {"shorter than any clock of ours", "FAIRLEAD_MIRROR_INTERVAL=1ms"},
        {"rounded to nothing", "FAIRLEAD_MIRROR_INTERVAL=-1us"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) told = FL_BUF_INIT(FL_BUF_ANY);
        const struct line l = {.args = {"run"}, .env = {rows[i].env}};
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_options o = {0};
        struct fl_err err = FL_ERR_INIT;

        fl_log_setup(FL_LOG_WARN, FL_LOG_TEXT);
        fl_log_sink(keep_lines, &told);
        int x = parse(*state, &l, a, &o, &err);
        fl_log_sink(NULL, NULL);
        if (x < 0 || o.mirror_interval_ms != 300000 ||
            !strstr(told.data, "FAIRLEAD_MIRROR_INTERVAL") || !strstr(told.data, "default=5m")) {
            fail_msg("%s: %lld, told: %s", rows[i].name, (long long)o.mirror_interval_ms,
                     told.data);
        }
    }
}

static void test_options__r4_blanks_around_are_cut(void **state)
{
    static const struct lenient_row rows[] = {
        {"environment", {.args = {"run"}, .env = {"FAIRLEAD_MIRROR_INTERVAL= 90s "}}, 90000},
        {"flag", {.args = {"run", "--mirror-interval", "\t90s\n"}}, 90000},
        {"off", {.args = {"run"}, .env = {"FAIRLEAD_MIRROR_INTERVAL= 0 "}}, 0},
        {"within", {.args = {"run", "--mirror-interval=1m 30s"}}, 300000},
    };
    interval_rows(state, rows, FL_LEN(rows));
}

/* The grammar's own table is unit/base/test_duration.c. Less than a second is no interval here. */
static void test_options__r5_durations_are_those_of_go(void **state)
{
    static const struct lenient_row rows[] = {
        {"fraction", {.args = {"run", "--mirror-interval=1.5h"}}, 5400000},
        {"two units", {.args = {"run", "--mirror-interval=1h30m"}}, 5400000},
        {"signed", {.args = {"run", "--mirror-interval=+5s"}}, 5000},
        {"ms", {.args = {"run", "--mirror-interval=1500ms"}}, 1500},
        {"us", {.args = {"run", "--mirror-interval=2000000us"}}, 2000},
        {"micro sign", {.args = {"run", "--mirror-interval=2000000\xc2\xb5s"}}, 2000},
        {"ns", {.args = {"run", "--mirror-interval=3000000000ns"}}, 3000},
        {"no unit", {.args = {"run", "--mirror-interval=60"}}, 300000},
        {"unknown unit", {.args = {"run", "--mirror-interval=1d"}}, 300000},
        {"negative", {.args = {"run", "--mirror-interval=-5m"}}, 300000},
    };
    interval_rows(state, rows, FL_LEN(rows));
}

/* The resource's own value before all of these: contract/test_loop_mirror.c. */
static void test_options__r6_a_flag_beats_the_environment_for_the_interval(void **state)
{
    static const struct lenient_row rows[] = {
        {"both",
         {.args = {"run", "--mirror-interval=10m"}, .env = {"FAIRLEAD_MIRROR_INTERVAL=20m"}},
         600000},
        {"environment", {.args = {"run"}, .env = {"FAIRLEAD_MIRROR_INTERVAL=20m"}}, 1200000},
        {"off by flag",
         {.args = {"run", "--mirror-interval=0"}, .env = {"FAIRLEAD_MIRROR_INTERVAL=20m"}},
         0},
        {"garbage by flag is the default, not the environment",
         {.args = {"run", "--mirror-interval=x"}, .env = {"FAIRLEAD_MIRROR_INTERVAL=20m"}},
         300000},
    };
    interval_rows(state, rows, FL_LEN(rows));
}

static void test_options__r13_quiet_window_is_two_seconds_unless_told(void **state)
{
    static const struct lenient_row rows[] = {
        {"unset", {.args = {"run"}}, 2000},
        {"at once", {.args = {"run", "--webhook-quiet=0"}}, 0},
        {"negative", {.args = {"run", "--webhook-quiet=-1s"}}, 2000},
        {"garbage", {.args = {"run"}, .env = {"FAIRLEAD_WEBHOOK_QUIET=soon"}}, 2000},
        {"its own", {.args = {"run"}, .env = {"FAIRLEAD_WEBHOOK_QUIET=250ms"}}, 250},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_options o = {0};
        struct fl_err err = FL_ERR_INIT;
        if (parse(*state, &rows[i].l, a, &o, &err) < 0 || o.webhook_quiet_ms != rows[i].want_ms) {
            fail_msg("%s: %lld %s", rows[i].name, (long long)o.webhook_quiet_ms, err.msg);
        }
    }
}

/* What opens reading to all is said on purpose: an environment is inherited. On which addresses it
 * is refused: e2e/e2e_web.sh, since the program checks that when it opens its listener. */
static void test_options__r27_anonymous_reading_is_no_matter_of_the_environment(void **state)
{
    static const struct {
        const char *name;
        struct line l;
        bool want;
        const char *words; /* of the refusal */
    } rows[] = {
        {"unset", {.args = {"run"}}, false, NULL},
        {"flag", {.args = {"run", "--web-anonymous-read"}}, true, NULL},
        {"file",
         {.args = {"run", "--config=CONFIG"}, .file = "web-anonymous-read: true\n"},
         true,
         NULL},
        {"environment",
         {.args = {"run"}, .env = {"FAIRLEAD_WEB_ANONYMOUS_READ=true"}},
         false,
         "FAIRLEAD_WEB_ANONYMOUS_READ counts for nothing: say --web-anonymous-read"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_options o = {0};
        struct fl_err err = FL_ERR_INIT;
        struct line l = rows[i].l;
        if (l.file) {
            l.args[1] = fl_arena_fmt(a, "--config=%s", ((struct place *)*state)->config);
        }
        int x = parse(*state, &l, a, &o, &err);
        bool refused = x == FL_E_INVALID && rows[i].words && strstr(err.msg, rows[i].words);
        if (o.web_anonymous_read != rows[i].want || (rows[i].words ? !refused : x < 0)) {
            fail_msg("%s: %d \"%s\", %d", rows[i].name, x, err.msg, o.web_anonymous_read);
        }
    }
}

static void test_options__each_command_is_known(void **state)
{
    static const struct {
        const char *name;
        struct line l;
        enum fl_command command;
        bool help;
    } rows[] = {
        {"nothing", {.args = {NULL}}, FL_CMD_HELP, false},
        {"--help", {.args = {"--help"}}, FL_CMD_HELP, false},
        {"-h", {.args = {"-h"}}, FL_CMD_HELP, false},
        {"help", {.args = {"help"}}, FL_CMD_HELP, false},
        {"help of a command", {.args = {"help", "run"}}, FL_CMD_RUN, true},
        {"help of help", {.args = {"help", "help"}}, FL_CMD_HELP, true},
        {"version", {.args = {"version"}}, FL_CMD_VERSION, false},
        {"--version", {.args = {"--version"}}, FL_CMD_VERSION, false},
        {"version --help", {.args = {"version", "--help"}}, FL_CMD_VERSION, true},
        {"standalone", {.args = {"standalone"}}, FL_CMD_STANDALONE, false},
        {"standalone -h", {.args = {"standalone", "-h"}}, FL_CMD_STANDALONE, true},
        {"run", {.args = {"run"}}, FL_CMD_RUN, false},
        {"run --help", {.args = {"run", "--grace", "1s", "--help"}}, FL_CMD_RUN, true},
        {"rotate-key", {.args = {"rotate-key"}}, FL_CMD_ROTATE_KEY, false},
    };

    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_options o = {0};
        struct fl_err err = FL_ERR_INIT;
        int x = parse(*state, &rows[i].l, a, &o, &err);

        if (x != 0 || o.command != rows[i].command || o.help != rows[i].help) {
            fail_msg("%s: %d \"%s\", command %d, help %d", rows[i].name, x, err.msg, o.command,
                     o.help);
        }
    }
}

static void test_options__a_flag_beats_the_environment_beats_the_file(void **state)
{
#define FILE_TEXT "grace: 1s\nlisten: 127.0.0.1:1\n"
    static const struct {
        const char *name;
        struct line l;
        int64_t grace_ms;
        const char *listen;
    } rows[] = {
        {"file", {.args = {"standalone", "--config", "CONFIG"}, .file = FILE_TEXT}, 1000, ":1"},
        {"file named by the environment",
         {.args = {"standalone"}, .env = {"FAIRLEAD_CONFIG=CONFIG"}, .file = FILE_TEXT},
         1000,
         ":1"},
        {"environment over file",
         {.args = {"standalone", "--config=CONFIG", "--config", "CONFIG"},
          .env = {"FAIRLEAD_GRACE=2s"},
          .file = FILE_TEXT},
         2000,
         ":1"},
        {"flag over environment and file",
         {.args = {"standalone", "--grace", "3s", "--config", "CONFIG"},
          .env = {"FAIRLEAD_GRACE=2s", "FAIRLEAD_LISTEN=127.0.0.1:2"},
          .file = FILE_TEXT},
         3000,
         ":2"},
        {"flag with =", {.args = {"standalone", "--grace=4s"}}, 4000, ":7443"},
        {"the last flag", {.args = {"standalone", "--grace=4s", "--grace=5s"}}, 5000, ":7443"},
        {"environment", {.args = {"standalone"}, .env = {"FAIRLEAD_GRACE=6s"}}, 6000, ":7443"},
        {"an empty variable is none",
         {.args = {"standalone"}, .env = {"FAIRLEAD_GRACE="}},
         10000,
         ":7443"},
        {"variables of others are theirs",
         {.args = {"standalone"}, .env = {"FAIRLEAD_SERVICE_HOST=10.0.0.1", "GRACE=1s"}},
         10000,
         ":7443"},
    };

    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_options o = {0};
        struct fl_err err = FL_ERR_INIT;
        struct line l = rows[i].l;
        int x;

        if (i == 2) { /* the form with = takes the path too */
            l.args[1] = fl_arena_fmt(a, "--config=%s", ((struct place *)*state)->config);
        }
        x = parse(*state, &l, a, &o, &err);
        if (x != 0 || o.grace_ms != rows[i].grace_ms ||
            !fl_str_ends(fl_str_of(o.listen), rows[i].listen)) {
            fail_msg("%s: %d \"%s\", grace %lld, listen %s", rows[i].name, x, err.msg,
                     (long long)o.grace_ms, o.listen);
        }
    }
#undef FILE_TEXT
}

static void test_options__switches_take_true_and_false(void **state)
{
    static const struct {
        const char *name;
        struct line l;
        bool want;
    } rows[] = {
        {"bare", {.args = {"standalone", "--no-controllers"}}, true},
        {"=true", {.args = {"standalone", "--no-controllers=true"}}, true},
        {"=false", {.args = {"standalone", "--no-controllers=false"}}, false},
        {"environment", {.args = {"standalone"}, .env = {"FAIRLEAD_NO_CONTROLLERS=true"}}, true},
        {"taken back",
         {.args = {"standalone", "--no-controllers=false"},
          .env = {"FAIRLEAD_NO_CONTROLLERS=true"}},
         false},
        {"file",
         {.args = {"standalone", "--config", "CONFIG"}, .file = "no-controllers: true\n"},
         true},
    };

    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_options o = {0};
        struct fl_err err = FL_ERR_INIT;
        int x = parse(*state, &rows[i].l, a, &o, &err);

        if (x != 0 || o.no_controllers != rows[i].want) {
            fail_msg("%s: %d \"%s\"", rows[i].name, x, err.msg);
        }
    }
}

/* ---- what is refused, and its words ---- */

static const struct wrong {
    const char *name;
    struct line l;
    const char *words;
} wrongs[] = {
    {"command",
     {.args = {"standalon"}},
     "unknown command 'standalon' (standalone, run, rotate-key, version, help)"},
    {"help of no command", {.args = {"help", "me"}}, "unknown command 'me' (standalone, run,"},
    {"more than help takes", {.args = {"help", "run", "now"}}, "unexpected argument 'now'"},
    {"version takes nothing", {.args = {"version", "2"}}, "unexpected argument '2'"},
    {"option",
     {.args = {"standalone", "--data-folder", "x"}},
     "unknown option --data-folder (fairlead standalone --help lists them)"},
    {"option with a value",
     {.args = {"run", "--token=abc"}},
     "unknown option --token (fairlead run"},
    {"of another command",
     {.args = {"run", "--listen", "x"}},
     "--listen is an option of standalone, not of run"},
    {"of other commands",
     {.args = {"run", "--data-dir=x"}},
     "--data-dir is an option of standalone, rotate-key, not of run"},
    {"no option", {.args = {"standalone", "x"}}, "unexpected argument 'x'"},
    {"one dash", {.args = {"standalone", "-v"}}, "unexpected argument '-v'"},
    {"no value", {.args = {"standalone", "--data-dir"}}, "--data-dir needs a value (DIR)"},
    {"empty value", {.args = {"standalone", "--data-dir="}}, "--data-dir needs a value (DIR)"},
    {"an option for a value",
     {.args = {"standalone", "--data-dir", "--no-controllers"}},
     "--data-dir needs a value (DIR)"},
    {"switch",
     {.args = {"standalone", "--no-controllers=yes"}},
     "--no-controllers: 'yes' is neither true nor false"},
    {"duration without a unit",
     {.args = {"run", "--grace", "10"}},
     "--grace: '10' is not a duration such as 10s, 5m or 1h30m"},
    {"negative duration", {.args = {"run", "--grace=-1s"}}, "--grace: '-1s' is not a duration"},
    {"duration of days", {.args = {"run", "--grace=1d"}}, "--grace: '1d' is not a duration"},
    {"duration in the environment",
     {.args = {"run"}, .env = {"FAIRLEAD_GRACE=soon"}},
     "FAIRLEAD_GRACE: 'soon' is not a duration"},
    {"too short", {.args = {"run", "--backoff-max=10ms"}}, "--backoff-max: '10ms' is less than 1s"},
    {"choice",
     {.args = {"run", "--log-level=loud"}},
     "--log-level: 'loud' is not one of: debug, info, warn, error"},
    {"choice by case",
     {.args = {"run", "--log-format=JSON"}},
     "is not one of: auto, text, json, tty"},
    {"choice of standalone",
     {.args = {"standalone", "--sync=off"}},
     "--sync: 'off' is not one of: full, normal"},
    {"address",
     {.args = {"standalone", "--listen=7443"}},
     "--listen: '7443' is not HOST:PORT, such as 127.0.0.1:7443"},
    {"address in the environment",
     {.args = {"run"}, .env = {"FAIRLEAD_METRICS_LISTEN=:80"}},
     "FAIRLEAD_METRICS_LISTEN: ':80' names no address"},
    {"half a certificate",
     {.args = {"standalone", "--tls-key", "x"}},
     "--tls-cert and --tls-key go together"},
    {"namespace",
     {.args = {"run", "--namespace=a/b"}},
     "--namespace: 'a/b' is no namespace: a lowercase RFC 1123 label must consist of"},
    {"unknown key",
     {.args = {"run", "--config", "CONFIG"}, .file = "grace: 1s\nlisten_on: x\n"},
     "config.yaml: line 2, column 1: unknown key 'listen_on'"},
    {"value of a key",
     {.args = {"run", "--config", "CONFIG"}, .file = "\ngrace: soon\n"},
     "config.yaml: line 2: grace: 'soon' is not a duration"},
    {"a file that names a file",
     {.args = {"run", "--config", "CONFIG"}, .file = "config: other\n"},
     "config.yaml: line 1, column 1: unknown key 'config'"},
    {"no such file",
     {.args = {"run", "--config", "/nonexistent/config.yaml"}},
     "/nonexistent/config.yaml: No such file or directory"},
};

static void test_options__wrong_ones_are_refused_with_words(void **state)
{
    for (size_t i = 0; i < FL_LEN(wrongs); i++) {
        const struct wrong *row = &wrongs[i];
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_options o = {.grace_ms = 7};
        struct fl_err err = FL_ERR_INIT;
        int x = parse(*state, &row->l, a, &o, &err);

        if (x >= 0 || !strstr(err.msg, row->words)) {
            fail_msg("%s: %d \"%s\", want \"%s\"", row->name, x, err.msg, row->words);
        }
        if (o.grace_ms != 7) {
            fail_msg("%s: the options were touched", row->name);
        }
    }
}

static void test_options__with_help_the_file_is_not_read(void **state)
{
    static const struct line l = {
        .args = {"run", "--config", "/nonexistent/config.yaml", "--help"}};
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_options o = {0};
    struct fl_err err = FL_ERR_INIT;

    assert_int_equal(parse(*state, &l, a, &o, &err), 0);
    assert_true(o.help);
}

/* ---- addresses ---- */

static void test_options__addresses_are_host_and_port(void **state)
{
    static const struct {
        const char *text;
        const char *host; /* NULL: refused */
        int port;
        const char *words;
    } rows[] = {
        {"127.0.0.1:7443", "127.0.0.1", 7443, NULL},
        {"localhost:0", "127.0.0.1", 0, NULL},
        {"[::1]:65535", "::1", 65535, NULL},
        {"0.0.0.0:80", "0.0.0.0", 80, NULL},
        {"7443", NULL, 0, "--listen: '7443' is not HOST:PORT, such as 127.0.0.1:7443"},
        {"127.0.0.1", NULL, 0, "is not HOST:PORT"},
        {"127.0.0.1:", NULL, 0, "is not HOST:PORT"},
        {"127.0.0.1:http", NULL, 0, "is not HOST:PORT"},
        {"127.0.0.1:65536", NULL, 0, "is not HOST:PORT"},
        {"127.0.0.1:-1", NULL, 0, "is not HOST:PORT"},
        {"::1", NULL, 0, "stands in brackets, such as [::1]:7443"},
        {"::1:80", NULL, 0, "stands in brackets"},
        {"[::1]", NULL, 0, "is not HOST:PORT"},
        {":7443", NULL, 0,
         "--listen: ':7443' names no address of this machine by its number, such as "
         "127.0.0.1:7443"},
        {"example.com:80", NULL, 0, "such as 127.0.0.1:80"},
        {"[]:7443", NULL, 0, "names no address"},
        {"", NULL, 0, "is not HOST:PORT"},
    };

    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_err err = FL_ERR_INIT;
        const char *host = NULL;
        uint16_t port = 0;
        int x = fl_options_address("listen", rows[i].text, a, &host, &port, &err);

        if (!rows[i].host) {
            if (x != FL_E_INVALID || !strstr(err.msg, rows[i].words) || host) {
                fail_msg("'%s': %d \"%s\"", rows[i].text, x, err.msg);
            }
        } else if (x != 0 || !fl_text_eq(host, rows[i].host) || port != rows[i].port) {
            fail_msg("'%s': %d \"%s\", %s port %d", rows[i].text, x, err.msg, host ? host : "",
                     port);
        }
    }
}

/* ---- help and reference ---- */

static void test_options__help_fits_a_screen(void **state)
{
    static const enum fl_command commands[] = {FL_CMD_HELP, FL_CMD_VERSION, FL_CMD_STANDALONE,
                                               FL_CMD_RUN, FL_CMD_ROTATE_KEY};

    (void)state;
    for (size_t i = 0; i < FL_LEN(commands); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        struct fl_str rest, line;
        int lines = 0;

        fl_options_help(commands[i], &b);
        rest = fl_buf_slice(&b);
        assert_true(fl_str_starts(rest, "Usage: fairlead ") ||
                    strstr(b.data, "\nUsage: fairlead "));
        assert_true(fl_str_ends(rest, "\n"));
        while (fl_str_cut(&rest, '\n', &line)) {
            lines++;
            if (line.n > 80) {
                fail_msg("command %d: %zu columns: %.*s", commands[i], line.n, FL_STR_ARG(line));
            }
        }
        if (lines > 24) {
            fail_msg("command %d: %d lines", commands[i], lines);
        }
    }
}

static void test_options__help_names_the_options_of_its_command_only(void **state)
{
    fl_auto_val(fl_buf) run = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) all = FL_BUF_INIT(FL_BUF_ANY);

    (void)state;
    fl_options_help(FL_CMD_RUN, &run);
    assert_non_null(strstr(run.data, "  --kubeconfig FILE"));
    assert_non_null(strstr(run.data, "(10s)"));
    assert_null(strstr(run.data, "--data-dir"));
    fl_options_help(FL_CMD_HELP, &all);
    assert_non_null(strstr(all.data, "  standalone "));
    assert_non_null(strstr(all.data, "  rotate-key "));
    assert_non_null(strstr(all.data, "Exit codes: 0 done, 1 failure, 2 usage."));
}

static void test_options__the_page_in_the_readme_is_in_step(void **state)
{
    fl_auto_val(fl_buf) page = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) readme = FL_BUF_INIT(FILE_TEXT_MAX);
    struct fl_err err = FL_ERR_INIT;

    (void)state;
    fl_options_page(&page);
    assert_non_null(strstr(page.data, "| `--data-dir DIR` | `FAIRLEAD_DATA_DIR` | standalone, "
                                      "rotate-key | /var/lib/fairlead | "));
    assert_int_equal(
        fl_file_read(FL_SOURCE_DIR "/controller/app/README.md", FILE_TEXT_MAX, &readme, &err), 0);
    if (!strstr(readme.data, page.data)) {
        fail_msg("controller/app/README.md must hold this table:\n%s", page.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options__without_any_the_defaults_stand),
        cmocka_unit_test(test_options__r1_unset_or_blank_is_five_minutes),
        cmocka_unit_test(test_options__r2_zero_is_off),
        cmocka_unit_test(test_options__r3_garbage_is_five_minutes_and_told),
        cmocka_unit_test(test_options__r4_blanks_around_are_cut),
        cmocka_unit_test(test_options__r5_durations_are_those_of_go),
        cmocka_unit_test(test_options__r6_a_flag_beats_the_environment_for_the_interval),
        cmocka_unit_test(test_options__r13_quiet_window_is_two_seconds_unless_told),
        cmocka_unit_test(test_options__r27_anonymous_reading_is_no_matter_of_the_environment),
        cmocka_unit_test(test_options__each_command_is_known),
        cmocka_unit_test(test_options__a_flag_beats_the_environment_beats_the_file),
        cmocka_unit_test(test_options__switches_take_true_and_false),
        cmocka_unit_test(test_options__wrong_ones_are_refused_with_words),
        cmocka_unit_test(test_options__with_help_the_file_is_not_read),
        cmocka_unit_test(test_options__addresses_are_host_and_port),
        cmocka_unit_test(test_options__help_fits_a_screen),
        cmocka_unit_test(test_options__help_names_the_options_of_its_command_only),
        cmocka_unit_test(test_options__the_page_in_the_readme_is_in_step),
    };

    return cmocka_run_group_tests(tests, make_place, drop_place);
}
