/* SPDX-License-Identifier: Apache-2.0
 * The mirror port: what a git mirror asks of the remote it follows, of its own repository on disk, and of the remotes it is
 * pushed on to. Remote and repository are apart: listing touches no disk, moving refs touches no network. Source of the
 * semantics: reference git-and-pipelines.md 1, 2. Every slot of an offered port is filled. Common failures: AUTH, LIMITED,
 * UNAVAILABLE, TIMEOUT, BAD_DATA, TOO_BIG, CANCELED; messages never hold credentials. */
#ifndef FL_PORT_MIRROR_H
#define FL_PORT_MIRROR_H

#include "base/arena.h"
#include "base/ctx.h"
#include "base/giturl.h"

struct fl_remote;
struct fl_repo; /* one bare repository on disk, opened and locked; one thread at a time */

struct fl_git_ref {
    const char *name; /* full, checked by fl_git_ref_check */
    const char *oid;  /* 40 or 64 lower-case hex digits */
};

/* Sorted by name bytewise, names unique, HEAD is not among them. */
struct fl_git_refs {
    struct fl_git_ref *v;
    size_t n;
    const char *head; /* full name that HEAD points at (it may not exist yet); NULL = not told */
};

enum fl_git_protocol { FL_GIT_V2, FL_GIT_V0, FL_GIT_DUMB, FL_GIT_PROCESS };

struct fl_ref_list {
    struct fl_git_refs refs;
    bool same; /* as the filter's `known`: refs were not read and are empty, sha256 is not told */
    const char *version; /* equal answers have equal versions; NULL = the remote's ways have none */
    enum fl_git_protocol protocol;
    int64_t bytes; /* that the answer had */
    int requests;  /* 1; more where the remote's ways had to be learnt */
    bool sha256;   /* object format */
    const char *
        url; /* where the repository answered; differs from the conf's after a redirect on the same host */
};

/* One ref that is to move. */
struct fl_ref_move {
    const char *name;
    const char *old; /* NULL: it is created */
    const char *new; /* NULL: it is deleted */
    bool forced;     /* an update whose old commit is not an ancestor of the new; set by `forced` */
};

struct fl_fetch_want {
    const struct fl_ref_move *v; /* creates and updates; what they name `new` is brought */
    size_t n;
    const struct fl_ref_filter
        *filter;            /* the list was made with; plain prefixes make wide fetches cheaper */
    const char *url;        /* from the list */
    int64_t max_pack_bytes; /* 0: no limit */
    bool fsck;              /* refuse malformed objects */
};
struct fl_fetch_stats {
    int64_t ms;
    int64_t bytes; /* that the repository grew by */
};

enum fl_push_outcome {
    FL_PUSH_SAME,
    FL_PUSH_CREATED,
    FL_PUSH_UPDATED,
    FL_PUSH_FORCED,
    FL_PUSH_DELETED,
    FL_PUSH_REJECTED
};
struct fl_push_ref {
    const char *name;
    enum fl_push_outcome outcome;
    const char *why; /* the remote's words when REJECTED; else NULL */
};
enum fl_push_divergence { FL_PUSH_OVERWRITE, FL_PUSH_KEEP_DIVERGENT, FL_PUSH_FAST_FORWARD_ONLY };
struct fl_push_want {
    const struct fl_git_refs
        *have;       /* the target's refs, of list_target: leases are taken against them */
    const char *url; /* from list_target: where the target answered */
    const struct fl_ref_move
        *v; /* what shall change at the target; old: the target's, new: the repository's */
    size_t n;
    enum fl_push_divergence divergence;
};

struct fl_mirror_ops {
    /* The remote's refs that the filter admits (more than max_refs: TOO_BIG "TooManyRefs"), HEAD's target. http(s): in process, one request once the remote's ways are
     * known, kept connection; ssh: one process. An answer that is not whole and well-formed fails (BAD_DATA): an empty list
     * was proved empty. NOT_FOUND "RepositoryNotFound"; AUTH "AuthenticationFailed", "HostKeyUnknown"; INVALID
     * "AddressNotAllowed", "Redirected" (names the other host). */
    int (*list)(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
                const struct fl_ref_filter *filter, struct fl_ref_list *ret, struct fl_err *err);
    /* Brings the objects; moves no ref, removes nothing. 0: all of v[].new and what they reach are in the repository, checked.
     * CONFLICT "RemoteMoved": the remote moved since it was listed, list again. TOO_BIG "PackTooBig"; UNAVAILABLE "DiskFull";
     * BAD_DATA "FsckFailed" with git's words. */
    int (*fetch)(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_repo *repo,
                 const struct fl_fetch_want *want, struct fl_fetch_stats *ret, struct fl_err *err);
    /* The refs of a push target, with its hidden ones left out as it leaves them out. Common failures as list. */
    int (*list_target)(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
                       const struct fl_ref_filter *filter, struct fl_ref_list *ret,
                       struct fl_err *err);
    /* ret: want->n results in the order of want->v, in `a`. 0 also when single refs were rejected. */
    int (*push)(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
                struct fl_repo *repo, const struct fl_push_want *want, struct fl_push_ref **ret,
                struct fl_err *err);
    /* Large files (LFS objects) of the refs; UNSUPPORTED "LFSNotInstalled": there is no git-lfs here. */
    int (*fetch_lfs)(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_repo *repo,
                     struct fl_err *err);
};

struct fl_repo_conf {
    const char *path; /* absolute, of the bare repository; its parent is made (0755) */
    bool sha256;      /* object format when it is made */
    bool existing; /* none is made (NOT_FOUND "RepositoryNotFound"), and the format is what it is */
    struct fl_clock *clock;
};
struct fl_repo_upkeep {
    bool done; /* something was due */
    int64_t ms;
};

/* All but `open` want the repository that open gave. No other process of ours or of a crashed predecessor is at work on it: the
 * lock is held by git's processes too and ends with the last of them. */
struct fl_repo_ops {
    /* Opens, or makes it when nothing is there; takes the lock; removes what a crash left behind (lock files, temporary packs).
     * EXISTS "RepositoryBusy": try again soon. INVALID "RepositoryForeign": the folder is no bare repository of ours or another
     * user's; "ObjectFormat": it is of the other hash. UNAVAILABLE "DiskReadOnly", "DiskFull". */
    int (*open)(const struct fl_repo_conf *conf, const struct fl_ctx *ctx, struct fl_repo **ret,
                struct fl_err *err);
    void (*close)(struct fl_repo *repo); /* NULL is fine */
    /* Whether a repository of ours lies there; one look, nothing is opened. */
    bool (*is_there)(const char *path);
    /* All refs but refs/fairlead/, and HEAD; in process. BAD_DATA names the file. */
    int (*refs)(struct fl_repo *repo, struct fl_arena *a, struct fl_git_refs *ret,
                struct fl_err *err);
    /* The tips kept of force-pushed refs: names "refs/fairlead/kept/<unix seconds>/<rest of the ref>", sorted. */
    int (*kept)(struct fl_repo *repo, struct fl_arena *a, struct fl_git_refs *ret,
                struct fl_err *err);
    /* Sets v[].forced of updates; the objects are there. Tags that move are forced. */
    int (*forced)(struct fl_repo *repo, const struct fl_ctx *ctx, struct fl_ref_move *v, size_t n,
                  struct fl_err *err);
    /* Moves refs, deletions first (a new "main/sub" may need the place of "main"), each against its old value; sets HEAD (NULL: as it
     * is). Either transaction is whole or nothing. CONFLICT "RefMoved": somebody else moved one, names it. */
    int (*move)(struct fl_repo *repo, const struct fl_ctx *ctx, const struct fl_ref_move *v,
                size_t n, const char *head, struct fl_err *err);
    /* Packs refs and objects when enough has gathered; safe beside readers. */
    int (*upkeep)(struct fl_repo *repo, const struct fl_ctx *ctx, struct fl_repo_upkeep *ret,
                  struct fl_err *err);
    int (*size)(struct fl_repo *repo, int64_t *ret_bytes, struct fl_err *err);
    /* Whether .gitattributes at HEAD's tip speaks of LFS. */
    int (*uses_lfs)(struct fl_repo *repo, const struct fl_ctx *ctx, bool *ret, struct fl_err *err);
    /* Removes the repository, by way of a rename: never half. Already gone = 0. */
    int (*remove)(const char *path, struct fl_err *err);
};

#endif
