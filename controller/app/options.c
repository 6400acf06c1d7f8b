/* SPDX-License-Identifier: Apache-2.0 */
#include "app/options.h"

#include <arpa/inet.h>

#include "base/mem.h"
#include "base/names.h"
#include "base/num.h"
#include "wire/conf.h"

enum option_type {
    OPT_TEXT,
    OPT_FLAG,
    OPT_DURATION,
    OPT_CHOICE,
    OPT_NAMESPACE,
    OPT_PERIOD,
    OPT_LENIENT, /* a duration; garbage is its default, and told (reference R3): never "off" by a slip */
    OPT_LENIENT_PERIOD,
    OPT_ADDRESS
};

enum {
    ON_STANDALONE = 1 << FL_CMD_STANDALONE,
    ON_RUN = 1 << FL_CMD_RUN,
    ON_KEY = 1 << FL_CMD_ROTATE_KEY,
    ON_PURPOSE = 1 << 29, /* not by the environment, which is inherited */
    ON_RARE = 1 << 30     /* --help tells the name alone */
};
#define PERIOD_MIN_MS 1000 /* of OPT_PERIOD and OPT_LENIENT_PERIOD */
#define ON_BOTH (ON_STANDALONE | ON_RUN)

struct option {
    const char *name; /* without dashes; also the key of the configuration file */
    enum option_type type;
    size_t at;
    unsigned on; /* commands that take it */
    const char *arg;
    const char *def;
    const char *const *choices;
    const char *doc; /* with its default within 50 columns, so that --help fits 80 */
};

#define AT(m) offsetof(struct fl_options, m)
static const char *const option_levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const option_formats[] = {"auto", "text", "json", "tty", NULL};
static const char *const option_syncs[] = {"full", "normal", NULL};

static const struct option options[] = {
    {"backoff-max", OPT_PERIOD, AT(backoff_max_ms), ON_BOTH, "TIME", "5m", NULL,
     "longest wait between tries of what fails"},
    {"config", OPT_TEXT, AT(config), ON_BOTH | ON_KEY, "FILE", NULL, NULL,
     "options as `name: value` lines (YAML)"},
    {"context", OPT_TEXT, AT(context), ON_RUN, "NAME", NULL, NULL,
     "context of the kubeconfig; else its current one"},
    {"data-dir", OPT_TEXT, AT(data_dir), ON_STANDALONE | ON_KEY, "DIR", FL_DATA_DIR, NULL,
     "database, keys, certificates"},
    {"grace", OPT_DURATION, AT(grace_ms), ON_BOTH, "TIME", "10s", NULL,
     "time to end in order after SIGTERM"},
    {"github-webhook-secret-file", OPT_TEXT, AT(github_webhook_secret_file), ON_BOTH | ON_RARE,
     "FILE", NULL, NULL, "secret of an App that delivers to /hook/github"},
    {"key-file", OPT_TEXT, AT(key_file), ON_STANDALONE | ON_KEY, "FILE", NULL, NULL,
     "key of Secrets at rest; else DIR/secrets.key"},
    {"kubeconfig", OPT_TEXT, AT(kubeconfig), ON_RUN, "FILE", NULL, NULL,
     "API to work for; else the pod's service account"},
    {"listen", OPT_ADDRESS, AT(listen), ON_STANDALONE, "HOST:PORT", "127.0.0.1:7443", NULL,
     "API address; port 0 picks one"},
    {"listen-public", OPT_FLAG, AT(listen_public), ON_STANDALONE, NULL, NULL, NULL,
     "allow --listen on an address that others reach"},
    {"log-format", OPT_CHOICE, AT(log_format), ON_BOTH, "FORM", "auto", option_formats,
     "auto, text, json or tty"},
    {"log-level", OPT_CHOICE, AT(log_level), ON_BOTH, "LEVEL", "info", option_levels,
     "debug, info, warn or error"},
    {"metrics-listen", OPT_ADDRESS, AT(metrics_listen), ON_BOTH, "HOST:PORT", NULL, NULL,
     "plain HTTP: /metrics, /healthz, /readyz"},
    {"mirror-interval", OPT_LENIENT_PERIOD, AT(mirror_interval_ms), ON_BOTH, "TIME", "5m", NULL,
     "of git mirrors that name none; 0: never"},
    {"mirrors-dir", OPT_TEXT, AT(mirrors_dir), ON_BOTH, "DIR", NULL, NULL,
     "git mirrors; else mirrors/ in the data folder"},
    {"namespace", OPT_NAMESPACE, AT(ns), ON_BOTH, "NAME", NULL, NULL,
     "work for this namespace only; else for all"},
    {"no-controllers", OPT_FLAG, AT(no_controllers), ON_STANDALONE, NULL, NULL, NULL,
     "serve the API alone"},
    {"no-leader-elect", OPT_FLAG, AT(no_leader_elect), ON_RUN, NULL, NULL, NULL,
     "work at once, without the Lease fairlead"},
    {"sync", OPT_CHOICE, AT(sync), ON_STANDALONE | ON_RARE, "MODE", "full", option_syncs,
     "normal: power loss may undo the newest"},
    {"tls-cert", OPT_TEXT, AT(tls_cert), ON_STANDALONE, "FILE", NULL, NULL,
     "certificate of the API (PEM); else made in DIR"},
    {"tls-key", OPT_TEXT, AT(tls_key), ON_STANDALONE, "FILE", NULL, NULL, "its key (PEM)"},
    {"trusted-proxies", OPT_TEXT, AT(trusted_proxies), ON_BOTH | ON_RARE, "LIST", NULL, NULL,
     "addresses whose X-Forwarded-For counts"},
    {"web-anonymous-read", OPT_FLAG, AT(web_anonymous_read), ON_BOTH | ON_RARE | ON_PURPOSE, NULL,
     NULL, NULL, "page and events without a token"},
    {"web-listen", OPT_ADDRESS, AT(web_listen), ON_BOTH, "HOST:PORT", NULL, NULL,
     "page, webhooks, live events, sync"},
    {"web-read-only", OPT_FLAG, AT(web_read_only), ON_BOTH | ON_RARE, NULL, NULL, NULL,
     "no sync by HTTP"},
    {"web-tls-cert", OPT_TEXT, AT(web_tls_cert), ON_BOTH | ON_RARE, "FILE", NULL, NULL,
     "certificate of --web-listen (PEM); else HTTP"},
    {"web-tls-key", OPT_TEXT, AT(web_tls_key), ON_BOTH | ON_RARE, "FILE", NULL, NULL,
     "its key (PEM)"},
    {"webhook-quiet", OPT_LENIENT, AT(webhook_quiet_ms), ON_BOTH | ON_RARE, "TIME", "2s", NULL,
     "silence after deliveries before one look; 0: none"},
    {"write-kubeconfig", OPT_TEXT, AT(write_kubeconfig), ON_STANDALONE, "FILE", NULL, NULL,
     "written when the API answers; else DIR/kubeconfig"},
};

static const struct {
    const char *name;
    enum fl_command command;
    const char *doc;
} option_commands[] = {
    {"standalone", FL_CMD_STANDALONE, "serve a Kubernetes API of its own, and reconcile for it"},
    {"run", FL_CMD_RUN, "reconcile for an existing Kubernetes API"},
    {"rotate-key", FL_CMD_ROTATE_KEY,
     "put a new key before the old ones in the key file of the Secrets"},
    {"version", FL_CMD_VERSION, "print the version"},
    {"help", FL_CMD_HELP, "print this, or the options of a command"},
};

/* ---- setting ------------------------------------------------------------------------------------------------------ */

static const struct option *option_find(struct fl_str name)
{
    for (size_t i = 0; i < FL_LEN(options); i++) {
        if (fl_str_is(name, options[i].name)) {
            return &options[i];
        }
    }
    return NULL;
}

static int option_set_choice(const struct option *o, const char *value, const char **at,
                             const char *from, struct fl_err *err)
{
    fl_auto_val(fl_buf) all = FL_BUF_INIT(FL_BUF_ANY);
    for (size_t i = 0; o->choices[i]; i++) {
        if (strcmp(o->choices[i], value) == 0) {
            *at = o->choices[i];
            return 0;
        }
        fl_buf_fmt(&all, "%s%s", i ? ", " : "", o->choices[i]);
    }
    return fl_fail(err, FL_E_INVALID, "Usage", "%s: '%s' is not one of: %s", from, value, all.data);
}

static int option_set_duration(const struct option *o, const char *value, char *at,
                               const char *from, struct fl_err *err)
{
    int64_t ms = 0;
    if (!fl_duration_parse(fl_str_of(value), &ms) || ms < 0) {
        return fl_fail(err, FL_E_INVALID, "Usage",
                       "%s: '%s' is not a duration such as 10s, 5m or 1h30m", from, value);
    }
    if (ms < PERIOD_MIN_MS && o->type == OPT_PERIOD) {
        return fl_fail(err, FL_E_INVALID, "Usage", "%s: '%s' is less than 1s", from, value);
    }
    memcpy(at, &ms, sizeof(ms));
    return 0;
}

/* What is rounded to nothing is no "0". */
static bool option_lenient_ms(const struct option *o, struct fl_str text, int64_t *ret)
{
    bool zero = true;
    for (size_t i = 0; i < text.n; i++) {
        zero = zero && !(text.p[i] >= '1' && text.p[i] <= '9');
    }
    if (!fl_duration_parse(text, ret) || *ret < 0) {
        return false;
    }
    return *ret == 0 ? zero : o->type == OPT_LENIENT || *ret >= PERIOD_MIN_MS;
}

static void option_set_lenient(const struct option *o, const char *value, char *at,
                               const char *from)
{
    struct fl_str text = fl_str_of(value);
    int64_t ms = 0;
    while (text.n > 0 && (unsigned char)text.p[0] <= ' ') {
        text.p++;
        text.n--;
    }
    while (text.n > 0 && (unsigned char)text.p[text.n - 1] <= ' ') {
        text.n--;
    }
    if (!option_lenient_ms(o, text, &ms)) {
        (void)fl_duration_parse(fl_str_of(o->def), &ms);
        if (text.n > 0) {
            fl_log(FL_LOG_WARN, "not a duration such as 30s, 5m or 1h30m: its default is used",
                   FL_S("option", from), FL_S("value", value), FL_S("default", o->def));
        }
    }
    memcpy(at, &ms, sizeof(ms));
}

static bool option_is_address(const char *host)
{
    unsigned char any[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, any) == 1 || inet_pton(AF_INET6, host, any) == 1;
}

static int option_address(const char *from, const char *text, struct fl_arena *a,
                          const char **ret_host, uint16_t *ret_port, struct fl_err *err)
{
    const char *colon = strrchr(text, ':');
    int64_t port = -1;
    if (!colon || !fl_num_i64(fl_str_of(colon + 1), &port) || port < 0 || port > 65535) {
        return fl_fail(err, FL_E_INVALID, "Usage",
                       "%s: '%s' is not HOST:PORT, such as 127.0.0.1:7443", from, text);
    }
    struct fl_str host = {text, (size_t)(colon - text)};
    bool brackets = host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    if (brackets) {
        host = (struct fl_str){host.p + 1, host.n - 2};
    } else if (memchr(host.p, ':', host.n)) {
        return fl_fail(err, FL_E_INVALID, "Usage",
                       "%s: '%s' is not HOST:PORT: an IPv6 address stands in brackets, such as "
                       "[::1]:7443",
                       from, text);
    }
    const char *name = fl_str_is(host, "localhost") ? "127.0.0.1" : fl_arena_str(a, host);
    if (!option_is_address(name)) {
        return fl_fail(err, FL_E_INVALID, "Usage",
                       "%s: '%s' names no address of this machine by its number, such as "
                       "127.0.0.1:%lld",
                       from, text, (long long)port);
    }
    *ret_host = name;
    *ret_port = (uint16_t)port;
    return 0;
}

static int option_check_address(const char *value, const char *from, struct fl_err *err)
{
    fl_auto(fl_arena) a = fl_arena_new();
    const char *host = NULL;
    uint16_t port = 0;
    return option_address(from, value, a, &host, &port, err);
}

/* from: how the user wrote it, for the message: "--listen", "FAIRLEAD_LISTEN", "file.yaml line 3: listen". */
static int option_set(const struct option *o, const char *value, const char *from,
                      struct fl_options *ret, struct fl_err *err)
{
    char *base = (char *)ret + o->at;
    switch (o->type) {
    case OPT_TEXT:
        if (value[0] == '\0') {
            return fl_fail(err, FL_E_INVALID, "Usage", "%s needs a value (%s)", from, o->arg);
        }
        memcpy(base, &value, sizeof(value));
        return 0;
    case OPT_ADDRESS: {
        int x = option_check_address(value, from, err);
        if (x == 0) {
            memcpy(base, &value, sizeof(value));
        }
        return x;
    }
    case OPT_CHOICE: {
        const char *choice = NULL;
        int x = option_set_choice(o, value, &choice, from, err);
        if (x == 0) {
            memcpy(base, &choice, sizeof(choice));
        }
        return x;
    }
    case OPT_FLAG: {
        bool on = strcmp(value, "true") == 0;
        if (!on && strcmp(value, "false") != 0) {
            return fl_fail(err, FL_E_INVALID, "Usage", "%s: '%s' is neither true nor false", from,
                           value);
        }
        memcpy(base, &on, sizeof(on));
        return 0;
    }
    case OPT_NAMESPACE: {
        const char *wrong = fl_name_dns_label(fl_str_of(value));
        if (wrong) {
            return fl_fail(err, FL_E_INVALID, "Usage", "%s: '%s' is no namespace: %s", from, value,
                           wrong);
        }
        memcpy(base, &value, sizeof(value));
        return 0;
    }
    case OPT_LENIENT:
    case OPT_LENIENT_PERIOD:
        option_set_lenient(o, value, base, from);
        return 0;
    case OPT_DURATION:
    case OPT_PERIOD:
        return option_set_duration(o, value, base, from, err);
    }
    return 0;
}

/* ---- the four sources --------------------------------------------------------------------------------------------- */

static int options_defaults(struct fl_options *ret, struct fl_err *err)
{
    for (size_t i = 0; i < FL_LEN(options); i++) {
        if (options[i].def) {
            int x = option_set(&options[i], options[i].def, options[i].name, ret, err);
            if (x < 0) {
                return x;
            }
        }
    }
    return 0;
}

static int options_file(struct fl_arena *a, struct fl_options *ret, struct fl_err *err)
{
    const char *known[FL_LEN(options) + 1];
    size_t n = 0;
    for (size_t i = 0; i < FL_LEN(options); i++) {
        if (strcmp(options[i].name, "config") != 0) {
            known[n++] = options[i].name;
        }
    }
    known[n] = NULL;
    struct fl_conf_entry *entries = NULL;
    size_t n_entries = 0;
    int x = fl_conf_load(ret->config, known, a, &entries, &n_entries, err);
    for (size_t i = 0; x == 0 && i < n_entries; i++) {
        const struct option *o = option_find(fl_str_of(entries[i].key));
        const char *from =
            fl_arena_fmt(a, "%s: line %d: %s", ret->config, entries[i].line, entries[i].key);
        x = option_set(o, entries[i].value, from, ret, err);
    }
    return x;
}

/* "data-dir" <-> "FAIRLEAD_DATA_DIR" */
static const char *option_env_name(const struct option *o, struct fl_arena *a)
{
    char *s = fl_arena_fmt(a, "FAIRLEAD_%s", o->name);
    for (char *c = s + 9; *c; c++) {
        *c = (char)(*c == '-' ? '_' : *c >= 'a' && *c <= 'z' ? *c - 32 : *c);
    }
    return s;
}

static int options_env(char *const *env, struct fl_arena *a, struct fl_options *ret,
                       struct fl_err *err)
{
    for (size_t i = 0; i < FL_LEN(options); i++) {
        const char *name = option_env_name(&options[i], a);
        size_t n = strlen(name);
        for (size_t e = 0; env && env[e]; e++) {
            if (strncmp(env[e], name, n) != 0 || env[e][n] != '=' || env[e][n + 1] == '\0') {
                continue;
            }
            if (options[i].on & ON_PURPOSE) { /* R27 */
                return fl_fail(err, FL_E_INVALID, "Usage",
                               "%s counts for nothing: say --%s, or %s: true in the file of "
                               "--config",
                               name, options[i].name, options[i].name);
            }
            int x = option_set(&options[i], fl_arena_text(a, env[e] + n + 1), name, ret, err);
            if (x < 0) {
                return x;
            }
        }
    }
    return 0;
}

static const char *command_name(enum fl_command command)
{
    for (size_t i = 0; i < FL_LEN(option_commands); i++) {
        if (option_commands[i].command == command) {
            return option_commands[i].name;
        }
    }
    return "";
}

static void option_commands_of(const struct option *o, struct fl_buf *b)
{
    const char *sep = "";
    for (size_t c = 0; c < FL_LEN(option_commands); c++) {
        if (o->on & (1U << option_commands[c].command)) {
            fl_buf_fmt(b, "%s%s", sep, option_commands[c].name);
            sep = ", ";
        }
    }
}

/* o: NULL, or an option of other commands. */
static int options_unknown(const struct option *o, struct fl_str name, enum fl_command command,
                           struct fl_err *err)
{
    if (!o) {
        return fl_fail(err, FL_E_INVALID, "Usage",
                       "unknown option --%.*s (fairlead %s --help lists them)", FL_STR_ARG(name),
                       command_name(command));
    }
    fl_auto_val(fl_buf) on = FL_BUF_INIT(FL_BUF_ANY);
    option_commands_of(o, &on);
    return fl_fail(err, FL_E_INVALID, "Usage", "--%s is an option of %s, not of %s", o->name,
                   on.data, command_name(command));
}

static bool options_is_help(const char *arg)
{
    return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

static int options_one(int argc, char *const *argv, int *at, struct fl_arena *a,
                       struct fl_options *ret, struct fl_err *err)
{
    const char *arg = argv[*at];
    if (options_is_help(arg)) {
        ret->help = true;
        return 0;
    }
    if (strncmp(arg, "--", 2) != 0) {
        return fl_fail(err, FL_E_INVALID, "Usage", "unexpected argument '%s'", arg);
    }
    struct fl_str value = fl_str_of(arg + 2);
    struct fl_str name;
    bool has_value = fl_str_cut(&value, '=', &name);
    const struct option *o = option_find(name);
    if (!o || !(o->on & (1U << ret->command))) {
        return options_unknown(o, name, ret->command, err);
    }
    const char *from = fl_arena_fmt(a, "--%s", o->name);
    if (o->type == OPT_FLAG) {
        return option_set(o, has_value ? fl_arena_str(a, value) : "true", from, ret, err);
    }
    /* A forgotten value would otherwise swallow the next option. */
    if (!has_value && (*at + 1 >= argc || strncmp(argv[*at + 1], "--", 2) == 0)) {
        return fl_fail(err, FL_E_INVALID, "Usage", "%s needs a value (%s)", from, o->arg);
    }
    return option_set(o, has_value ? fl_arena_str(a, value) : argv[++*at], from, ret, err);
}

static int options_flags(int argc, char *const *argv, int first, struct fl_arena *a,
                         struct fl_options *ret, struct fl_err *err)
{
    for (int i = first; i < argc; i++) {
        int x = options_one(argc, argv, &i, a, ret, err);
        if (x < 0) {
            return x;
        }
    }
    return 0;
}

static int options_command(const char *name, enum fl_command *ret, struct fl_err *err)
{
    fl_auto_val(fl_buf) all = FL_BUF_INIT(FL_BUF_ANY);
    for (size_t i = 0; i < FL_LEN(option_commands); i++) {
        if (strcmp(name, option_commands[i].name) == 0) {
            *ret = option_commands[i].command;
            return 0;
        }
        fl_buf_fmt(&all, "%s%s", i ? ", " : "", option_commands[i].name);
    }
    return fl_fail(err, FL_E_INVALID, "Usage", "unknown command '%s' (%s)", name, all.data);
}

/* fairlead | fairlead --help | fairlead help [COMMAND] | fairlead version | fairlead --version */
static int options_plain(int argc, char *const *argv, struct fl_options *ret, struct fl_err *err)
{
    int most = ret->command == FL_CMD_HELP ? 3 : 2;
    if (argc > 2 && options_is_help(argv[2])) {
        ret->help = true;
        return 0;
    }
    if (argc > most) {
        return fl_fail(err, FL_E_INVALID, "Usage", "unexpected argument '%s'", argv[most]);
    }
    if (argc == 3) {
        ret->help = true;
        return options_command(argv[2], &ret->command, err);
    }
    return 0;
}

int fl_options_parse(int argc, char *const *argv, char *const *env, struct fl_arena *a,
                     struct fl_options *ret, struct fl_err *err)
{
    struct fl_options o = {.command = FL_CMD_HELP};
    int x = 0;
    if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
        o.command = FL_CMD_VERSION;
    } else if (argc >= 2 && !options_is_help(argv[1])) {
        x = options_command(argv[1], &o.command, err);
    }
    if (x == 0 && (o.command == FL_CMD_HELP || o.command == FL_CMD_VERSION)) {
        x = options_plain(argc, argv, &o, err);
        if (x == 0) {
            *ret = o;
        }
        return x;
    }
    x = x < 0 ? x : options_defaults(&o, err);
    /* The file is named by a flag or the environment, but both beat it: so they are read twice. */
    x = x < 0 ? x : options_env(env, a, &o, err);
    x = x < 0 ? x : options_flags(argc, argv, 2, a, &o, err);
    if (x == 0 && o.config && !o.help) {
        x = options_file(a, &o, err);
        x = x < 0 ? x : options_env(env, a, &o, err);
        x = x < 0 ? x : options_flags(argc, argv, 2, a, &o, err);
    }
    if (x == 0 && !o.tls_cert != !o.tls_key) {
        x = fl_fail(err, FL_E_INVALID, "Usage", "--tls-cert and --tls-key go together");
    }
    if (x == 0) {
        *ret = o;
    }
    return x;
}

/* ---- help ---------------------------------------------------------------------------------------------------------- */

#define HELP_COLUMN 30
#define HELP_SCREEN 78
#define HELP_WIDTH 70 /* leaves room for the last words */

static void options_help_rows(enum fl_command command, struct fl_buf *b)
{
    for (size_t i = 0; i < FL_LEN(options); i++) {
        const struct option *o = &options[i];
        if (!(o->on & (1U << command)) || (o->on & ON_RARE)) {
            continue;
        }
        size_t start = b->len;
        fl_buf_fmt(b, "  --%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
        size_t used = b->len - start;
        fl_buf_fmt(b, "%*s%s", used < HELP_COLUMN ? (int)(HELP_COLUMN - used) : 1, "", o->doc);
        if (o->def) {
            fl_buf_fmt(b, " (%s)", o->def);
        }
        fl_buf_char(b, '\n');
    }
}

static void options_help_rare(enum fl_command command, struct fl_buf *b)
{
    size_t line = b->len;
    fl_buf_text(b, "Also");
    for (size_t i = 0; i < FL_LEN(options); i++) {
        const struct option *o = &options[i];
        if (!(o->on & (1U << command)) || !(o->on & ON_RARE)) {
            continue;
        }
        if (b->len - line + strlen(o->name) > HELP_WIDTH) {
            line = b->len + 1;
            fl_buf_text(b, "\n    ");
        }
        fl_buf_fmt(b, " --%s", o->name);
    }
    static const char where[] = "controller/app/README.md\n";
    fl_buf_text(b, b->len - line + strlen(where) > HELP_SCREEN ? ":\n     " : ": ");
    fl_buf_text(b, where);
}

void fl_options_help(enum fl_command command, struct fl_buf *b)
{
    if (command == FL_CMD_HELP || command == FL_CMD_VERSION) {
        fl_buf_text(b,
                    "fairlead keeps registries and git mirrors as Kubernetes resources declare.\n\n"
                    "Usage: fairlead COMMAND [OPTIONS]\n\n");
        for (size_t i = 0; i < FL_LEN(option_commands); i++) {
            fl_buf_fmt(b, "  %-12s %s\n", option_commands[i].name, option_commands[i].doc);
        }
        fl_buf_text(b, "\n`fairlead COMMAND --help` lists a command's options. Each is also an\n"
                       "environment variable (FAIRLEAD_DATA_DIR) and a key of the file named by\n"
                       "--config (data-dir: ...). Flags beat the environment, that beats the "
                       "file.\n\nExit codes: 0 done, 1 failure, 2 usage.\n");
        return;
    }
    for (size_t i = 0; i < FL_LEN(option_commands); i++) {
        if (option_commands[i].command == command) {
            fl_buf_fmt(b, "Usage: fairlead %s [OPTIONS]\n  %s\n\n", option_commands[i].name,
                       option_commands[i].doc);
        }
    }
    options_help_rows(command, b);
    if (command != FL_CMD_ROTATE_KEY) {
        options_help_rare(command, b);
    }
}

void fl_options_page(struct fl_buf *b)
{
    fl_auto(fl_arena) a = fl_arena_new();
    fl_buf_text(b,
                "| option | environment | commands | default | meaning |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < FL_LEN(options); i++) {
        const struct option *o = &options[i];
        fl_buf_fmt(b, "| `--%s%s%s` | ", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
        if (o->on & ON_PURPOSE) {
            fl_buf_text(b, "none | ");
        } else {
            fl_buf_fmt(b, "`%s` | ", option_env_name(o, a));
        }
        option_commands_of(o, b);
        fl_buf_fmt(b, " | %s | %s |\n", o->def ? o->def : "", o->doc);
    }
}

bool fl_options_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        return (ntohl(v4.s_addr) >> 24) == 127;
    }
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

int fl_options_address(const char *option, const char *text, struct fl_arena *a,
                       const char **ret_host, uint16_t *ret_port, struct fl_err *err)
{
    fl_auto_text from = fl_asprintf("--%s", option);
    return option_address(from, text, a, ret_host, ret_port, err);
}
