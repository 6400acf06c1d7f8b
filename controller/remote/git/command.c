/* SPDX-License-Identifier: Apache-2.0 */
#include "remote/git/command.h"

#include "base/mem.h"
#include "base/text.h"
#include "remote/git/command_priv.h"

enum { GIT_ARGS_MAX = 64 };

/* Reference 2.1. HOME names no folder: there is no ~/.gitconfig, no credential store and no
 * .netrc in it. */
static const struct {
    const char *name, *value;
} env_rows[] = {
    {"PATH", "/usr/local/bin:/usr/bin:/bin"},
    {"LANG", "C"},
    {"LC_ALL", "C"},
    {"TZ", "UTC"},
    {"HOME", "/nonexistent"},
    {"XDG_CONFIG_HOME", "/nonexistent"},
    {"GIT_CONFIG_NOSYSTEM", "1"},
    {"GIT_CONFIG_GLOBAL", "/dev/null"},
    {"GIT_TERMINAL_PROMPT", "0"},
    {"GIT_ASKPASS", "/bin/false"},
    {"GIT_PROTOCOL_FROM_USER", "0"},
    {"GIT_NO_REPLACE_OBJECTS", "1"},
    {"GIT_NO_LAZY_FETCH", "1"},
    {"GIT_OPTIONAL_LOCKS", "0"},
    {"GIT_ADVICE", "0"},
    /* A server that is at work on a pack says so with 5 bytes each 5 s (upload-pack, keepalive);
     * less than that for so long is nothing. */
    {"GIT_HTTP_LOW_SPEED_LIMIT", "1"},
    {"GIT_HTTP_LOW_SPEED_TIME", "120"},
};

/* Reference 2.2. Packs and what belongs to them are on disk before a ref names them, and refs
 * before the command ends: a power cut leaves no ref to nothing (git's own default leaves refs
 * to the file system). */
static const struct {
    const char *key, *value;
} config_rows[] = {
    {"credential.helper", ""},
    {"core.hooksPath", "/dev/null"},
    {"core.fsmonitor", "false"},
    {"core.attributesFile", "/dev/null"},
    {"core.logAllRefUpdates", "false"},
    {"core.filesRefLockTimeout", "1000"},
    {"core.packedRefsTimeout", "5000"},
    {"core.fsync", "pack,pack-metadata,commit-graph,reference"},
    {"transfer.credentialsInUrl", "die"},
    {"fetch.unpackLimit", "1"},
    {"fetch.writeCommitGraph", "false"},
    {"gc.auto", "0"},
    {"maintenance.auto", "false"},
    {"protocol.version", "2"},
    {"http.followRedirects", "false"},
};

static void env_add(struct git_env *e, char *var)
{
    e->vars = fl_arena_grow(e->arena, e->vars, e->n, sizeof(*e->vars));
    e->vars[e->n++] = var;
}

void git_env_set(struct git_env *e, const char *name, const char *value)
{
    env_add(e, fl_arena_fmt(e->arena, "%s=%s", name, value));
}

void git_env_config(struct git_env *e, const char *key, const char *value)
{
    env_add(e, fl_arena_fmt(e->arena, "GIT_CONFIG_KEY_%d=%s", e->n_config, key));
    env_add(e, fl_arena_fmt(e->arena, "GIT_CONFIG_VALUE_%d=%s", e->n_config, value));
    e->n_config++;
}

void git_env_init(struct git_env *e, struct fl_arena *a, const char *git_dir)
{
    *e = (struct git_env){.arena = a};
    for (size_t i = 0; i < FL_LEN(env_rows); i++) {
        git_env_set(e, env_rows[i].name, env_rows[i].value);
    }
    if (git_dir) {
        git_env_set(e, "GIT_DIR", git_dir);
        git_env_set(e, "GIT_CEILING_DIRECTORIES", git_dir);
    }
    for (size_t i = 0; i < FL_LEN(config_rows); i++) {
        git_env_config(e, config_rows[i].key, config_rows[i].value);
    }
}

void git_env_release(struct git_env *e)
{
    for (size_t i = 0; i < e->n; i++) {
        fl_wipe(e->vars[i], strlen(e->vars[i]));
    }
    fl_secret_release(&e->token);
    if (e->key_dir) {
        git_key_dir_remove(e->key_dir);
        fl_free(e->key_dir);
    }
    *e = (struct git_env){.arena = e->arena};
}

static int run(struct git_env *e, const char *const *args, struct fl_str input, int keep_fd,
               int64_t file_cap_bytes, const struct fl_ctx *ctx, struct fl_proc_resp *ret,
               struct fl_err *err)
{
    size_t vars = e->n;

    env_add(e, fl_arena_fmt(e->arena, "GIT_CONFIG_COUNT=%d", e->n_config));
    env_add(e, NULL);
    e->n = vars; /* a following command may have more of them */
    struct fl_proc_req req = {.argv = args,
                              .env = (const char *const *)e->vars,
                              .input = input,
                              .out_cap = e->out_cap,
                              .sink = e->sink,
                              .sink_arg = e->sink_arg,
                              .file_cap_bytes = file_cap_bytes,
                              .keep_fd = keep_fd};
    int rc = fl_proc_run(&req, ctx, ret, err);
    return rc == FL_E_NOT_FOUND ? fl_fail(err, FL_E_UNSUPPORTED, "GitNotInstalled",
                                          "the program git is not installed here")
                                : rc;
}

int git_run(struct git_env *e, const char *const *argv, struct fl_str input, int keep_fd,
            int64_t file_cap_bytes, const struct fl_ctx *ctx, struct fl_proc_resp *ret,
            struct fl_err *err)
{
    const char *args[GIT_ARGS_MAX + 2] = {"git"};
    size_t n = 1;

    for (; *argv; argv++) {
        fl_assert(n <= GIT_ARGS_MAX);
        args[n++] = *argv;
    }
    return run(e, args, input, keep_fd, file_cap_bytes, ctx, ret, err);
}

int git_run_long(struct git_env *e, const char *const *argv, int keep_fd, const struct fl_ctx *ctx,
                 struct fl_proc_resp *ret, struct fl_err *err)
{
    size_t n = 0;

    while (argv[n]) {
        n++;
    }
    const char **args = fl_arena_array(e->arena, n + 2, sizeof(*args));
    args[0] = "git";
    memcpy(args + 1, argv, n * sizeof(*args));
    return run(e, args, (struct fl_str){0}, keep_fd, 0, ctx, ret, err);
}
