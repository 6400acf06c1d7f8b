/* SPDX-License-Identifier: Apache-2.0
 * The git program: an environment from nothing (reference 2.1, 2.2), secrets in neither argv nor
 * configuration files, the address pinned to what was resolved and allowed, words of git without
 * credentials, its failures mapped. */
#ifndef FL_REMOTE_GIT_COMMAND_H
#define FL_REMOTE_GIT_COMMAND_H

#include "port/mirror.h"
#include "remote/git/client.h"
#include "wire/proc.h"

/* What a command is told; grown in an arena. Key files live in a folder of their own beneath
 * run_dir until release. */
struct git_env {
    struct fl_arena *arena;
    char **vars; /* "NAME=value" */
    size_t n;
    int n_config;   /* GIT_CONFIG_COUNT */
    size_t out_cap; /* bytes of standard output that are taken; 0: 1 MiB */
    int (*sink)(void *arg, struct fl_str piece, struct fl_err *err); /* as in fl_proc_req */
    void *sink_arg;
    char *key_dir;            /* NULL: none was made */
    struct fl_remote *remote; /* of git_env_remote; NULL */
    struct fl_secret token;   /* the App's, which is in the variables */
};
/* For a command on a repository alone; git_dir NULL: none. */
void git_env_init(struct git_env *e, struct fl_arena *a, const char *git_dir);
void git_env_set(struct git_env *e, const char *name, const char *value);
void git_env_config(struct git_env *e, const char *key, const char *value);
/* With a remote: protocol allowed, credentials, CA, client certificate, ssh command, pinned
 * address. Failures: of resolving (UNAVAILABLE), "AddressNotAllowed", of the App's token, of
 * writing key files. */
int git_env_remote(struct git_env *e, struct fl_remote *r, const char *url,
                   const struct fl_ctx *ctx, struct fl_err *err);
void git_env_release(struct git_env *e); /* removes the key files; wipes variables with secrets */
FL_AUTO_VAL(git_env);
/* What a crash left in run_dir. At start, before any command. */
void git_key_dirs_sweep(const char *run_dir);

/* argv without "git"; adds it and what every call gets. keep_fd: the repository's lock, or -1. */
int git_run(struct git_env *e, const char *const *argv, struct fl_str input, int keep_fd,
            int64_t file_cap_bytes, const struct fl_ctx *ctx, struct fl_proc_resp *ret,
            struct fl_err *err);
/* git_fail for a command that spoke with the remote: an App's token that was refused is not used
 * again, a host that says "too many requests" is left alone (git_host_refused). */
int git_fail_remote(struct git_env *e, const struct fl_proc_resp *r, const char *what,
                    struct fl_err *err);
/* The failure for an exit code and git's words: AUTH, NOT_FOUND, UNAVAILABLE (network, disk),
 * BAD_DATA (fsck), CONFLICT (couldn't find remote ref, lock held, stale old value); `what`
 * begins the message, the last telling line of git ends it. */
int git_fail(const struct fl_proc_resp *r, const char *what, struct fl_err *err);
/* After "HostKeyUnknown": asks the host for its key and puts the line to add into the message; err
 * as it was where it is another failure or the host does not tell. Returns its code. */
int git_host_key_say(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_err *err);

/* Slots of the ports (fetch.c, push.c, repo*.c). */
int git_fetch(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_repo *repo,
              const struct fl_fetch_want *want, struct fl_fetch_stats *ret, struct fl_err *err);
int git_push(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
             struct fl_repo *repo, const struct fl_push_want *want, struct fl_push_ref **ret,
             struct fl_err *err);
int git_fetch_lfs(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_repo *repo,
                  struct fl_err *err);
extern const struct fl_repo_ops git_repo_ops; /* repo.c */

struct fl_repo {
    char *path;
    int lock_fd;
    bool sha256;
    bool fresh; /* no ref was ever there: nothing reads it yet */
    struct fl_clock *clock;
};

#endif
