/* SPDX-License-Identifier: Apache-2.0
 * The program's options: one table gives flags, environment (FAIRLEAD_<NAME>), configuration file keys and --help. A flag
 * beats the environment, that beats the file, that beats the default. */
#ifndef FL_APP_OPTIONS_H
#define FL_APP_OPTIONS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"

#define FL_DATA_DIR "/var/lib/fairlead"

enum fl_command { FL_CMD_HELP, FL_CMD_VERSION, FL_CMD_STANDALONE, FL_CMD_RUN, FL_CMD_ROTATE_KEY };

struct fl_options {
    enum fl_command command;
    bool help; /* --help behind a command */
    const char *config;
    const char *data_dir;
    const char *listen;
    bool listen_public;
    const char *write_kubeconfig;
    bool no_controllers;
    const char *key_file;
    const char *tls_cert, *tls_key;
    const char *sync;
    const char *kubeconfig, *context;
    const char *ns;
    bool no_leader_elect;
    const char *metrics_listen;
    const char *web_listen;
    const char *web_tls_cert, *web_tls_key;
    bool web_read_only, web_anonymous_read;
    const char *trusted_proxies;
    const char *github_webhook_secret_file;
    const char *mirrors_dir;
    int64_t mirror_interval_ms, webhook_quiet_ms;
    const char *log_level, *log_format;
    int64_t grace_ms;
    int64_t backoff_max_ms;
};

/* argv[0] is skipped; env is NULL-ended "NAME=value". Texts live in `a` or argv. INVALID: what is wrong and what is allowed;
 * the caller ends with exit code 2. */
int fl_options_parse(int argc, char *const *argv, char *const *env, struct fl_arena *a,
                     struct fl_options *ret, struct fl_err *err);
/* The screen of --help; of one command when there is one. */
void fl_options_help(enum fl_command command, struct fl_buf *b);
/* Reference of all options as Markdown. */
void fl_options_page(struct fl_buf *b);
/* A numeric address that only this machine reaches. */
bool fl_options_is_loopback(const char *host);
/* "127.0.0.1:8443", "[::1]:0" -> host in `a`, port. INVALID names the option. */
int fl_options_address(const char *option, const char *text, struct fl_arena *a,
                       const char **ret_host, uint16_t *ret_port, struct fl_err *err);

#endif
