/* SPDX-License-Identifier: Apache-2.0
 * Inside of repo*.c, fetch.c: a bare repository as files. Sources: git
 * Documentation/gitrepository-layout, refs/packed-backend.c, refs/files-backend.c. */
#ifndef FL_REMOTE_GIT_REPO_PRIV_H
#define FL_REMOTE_GIT_REPO_PRIV_H

#include <sys/stat.h>

#include "remote/git/command_priv.h"

#define REPO_LOCK "fairlead.lock"         /* the lock, and the mark that the repository is ours */
#define REPO_INCOMING "fairlead-incoming" /* a first fetch, until its packs are moved */
#define REPO_PUSH "fairlead-push"         /* what a push starts from */
#define REPO_SIZE "fairlead.size"         /* what repo_prune remembers */
#define REPO_KEPT "refs/fairlead/kept/"

enum { REPO_DEPTH = 600 }; /* a ref's name has at most FL_GIT_REF_MAX / 2 parts */

/* One entry beneath where the walk began, folders after what they hold. `path` is from there on
 * ("heads/main"). */
struct repo_entry {
    int dir; /* open folder that holds it */
    const char *name;
    const char *path;
    const struct stat *st; /* of itself, a symbolic link is not followed */
};
/* Whatever vanishes meanwhile is passed over; a start that is not there is empty. Ends at the
 * first failure of fn. */
int repo_walk(const char *root,
              int (*fn)(void *arg, const struct repo_entry *e, struct fl_err *err), void *arg,
              struct fl_err *err);
/* Removes a folder with all in it; not there = 0. */
int repo_remove_tree(const char *path, struct fl_err *err);
/* As fl_file_fail, with the reasons of the port: "DiskFull", "DiskReadOnly", "RepositoryForeign"
 * (permission). */
int repo_fail(int errnum, const char *what, const char *path, struct fl_err *err);
/* Makes `path` by way of "<path>.lock", as git does, readable for others: whole or not at all,
 * and on disk. */
int repo_write(const char *path, struct fl_str content, struct fl_err *err);
/* Lock files, temporary packs and objects, half a first fetch, refs without content (a power
 * cut). The lock is held, and no git is at work: git's processes hold it too. */
int repo_sweep(const struct fl_repo *repo, struct fl_err *err);

/* All refs, also refs/fairlead/; sorted; head as in the port. */
int repo_refs_read(const char *path, bool sha256, struct fl_arena *a, struct fl_git_refs *ret,
                   struct fl_err *err);
int repo_ref_by_name(const void *a, const void *b); /* of struct fl_git_ref */
int repo_head_read(const char *repo, struct fl_arena *a, const char **ret, struct fl_err *err);
/* Text of packed-refs, changed in place and pointed into. Sorted, unique. BAD_DATA
 * "RefsCorrupt". */
int git_packed_refs_parse(char *text, size_t n, size_t oid_len, struct fl_arena *a,
                          struct fl_git_refs *ret, struct fl_err *err);

int repo_refs(struct fl_repo *repo, struct fl_arena *a, struct fl_git_refs *ret,
              struct fl_err *err);
int repo_kept(struct fl_repo *repo, struct fl_arena *a, struct fl_git_refs *ret,
              struct fl_err *err);
int repo_forced(struct fl_repo *repo, const struct fl_ctx *ctx, struct fl_ref_move *v, size_t n,
                struct fl_err *err);
int repo_move(struct fl_repo *repo, const struct fl_ctx *ctx, const struct fl_ref_move *v, size_t n,
              const char *head, struct fl_err *err);
/* Where an UNAVAILABLE failure is the disk's: reason "DiskFull" or "DiskReadOnly", and words that
 * say which disk, how full, what to do. Any other failure stays as it is. Returns its code. */
int repo_tell_disk(const char *path, int rc, struct fl_err *err);
int64_t repo_disk_free(const char *path); /* bytes; not known: INT64_MAX */

/* Objects that no ref has reached for two weeks are removed, when enough has gathered. */
int repo_prune(struct git_env *e, struct fl_repo *repo, const struct fl_ctx *ctx, bool *ret_done,
               struct fl_err *err);
int repo_upkeep(struct fl_repo *repo, const struct fl_ctx *ctx, struct fl_repo_upkeep *ret,
                struct fl_err *err);
int repo_uses_lfs(struct fl_repo *repo, const struct fl_ctx *ctx, bool *ret, struct fl_err *err);
/* Whether each of n objects is in the repository. */
int repo_has(struct fl_repo *repo, const struct fl_ctx *ctx, const char *const *ids, size_t n,
             bool *ret, struct fl_err *err);
/* One of v[].new is not there: CONFLICT "RemoteMoved". */
int repo_has_all(struct fl_repo *repo, const struct fl_ctx *ctx, const struct fl_ref_move *v,
                 size_t n, struct fl_err *err);

#endif
