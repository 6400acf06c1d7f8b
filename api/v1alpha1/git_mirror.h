/* SPDX-License-Identifier: Apache-2.0
 * GitMirror (gm): a bare mirror on local disk of a remote git repository, kept current, guarded, and pushed on where asked.
 * Reference page: git_mirror.md beside this file; it holds the closed list of conditions and their reasons. */
#ifndef FL_API_V1ALPHA1_GIT_MIRROR_H
#define FL_API_V1ALPHA1_GIT_MIRROR_H

#include "api/meta/condition.h"

enum fl_git_provider { FL_GIT_GENERIC, FL_GIT_GITHUB };
extern const char *const fl_git_provider_names[]; /* "generic", "github" */
enum fl_force_push { FL_FORCE_UPDATE, FL_FORCE_KEEP_OLD, FL_FORCE_BLOCK };
extern const char *const fl_force_push_names[]; /* "Update", "KeepOld", "Block" */
enum fl_lfs_mode { FL_LFS_DETECT, FL_LFS_FETCH, FL_LFS_IGNORE };
extern const char *const fl_lfs_mode_names[]; /* "Detect", "Fetch", "Ignore" */
extern const char *const
    fl_divergence_names[]; /* "Overwrite", "KeepDivergent", "FastForwardOnly": port/mirror.h */
extern const char *const fl_webhook_type_names
    []; /* in the order of enum fl_hook_type: "generic-hmac", "github", "gitlab",
    "gitea", "gogs", "bitbucket", "bitbucket-server" */
enum fl_mirror_deletion { FL_MIRROR_ORPHAN, FL_MIRROR_DELETE };
extern const char *const fl_mirror_deletion_names[]; /* "Orphan", "Delete" */

struct fl_mirror_refs {     /* doublestar patterns over full names: base/giturl.h */
    struct fl_list include; /* const char *; default: all heads and all tags */
    struct fl_list exclude;
};

/* Removals are held when there are more than max_deletes of them at once, or more than FL_MIRROR_FREE_DELETES and more than
 * max_delete_percent of the refs that the mirror had within a day, or when no ref, no branch or no default branch would be left. */
#define FL_MIRROR_FREE_DELETES 5
struct fl_mirror_guard {
    int64_t max_delete_percent; /* default 25, 0..100; 100 = the share is no reason */
    int64_t max_deletes;        /* default 100; 0 = hold every removal */
    int on_force_push;          /* enum fl_force_push, default KeepOld */
    int64_t kept_for_ms;        /* KeepOld: default 720h; 0 = for ever */
};

struct fl_mirror_limits {
    int64_t max_refs;     /* default 100000, 1..1000000 */
    int64_t max_pack_mib; /* of one fetch; default 10240; 0 = none */
    int64_t max_repo_mib; /* nothing is fetched beyond it; default 0 = none */
};

struct fl_mirror_push {
    const char *name; /* required, unique, a DNS label */
    const char *url;  /* required */
    int provider;     /* enum fl_git_provider, default generic; of this target alone */
    struct fl_local_ref *secret_ref;
    struct fl_mirror_refs *refs; /* NULL = what the mirror has */
    int divergence;              /* default Overwrite */
    bool prune; /* default true: what the mirror lost goes at the target too, within refs */
};

struct fl_mirror_webhook {
    int type;                        /* required */
    struct fl_local_ref *secret_ref; /* required: a Secret with key token */
};

struct fl_git_mirror_spec {
    struct fl_common
        common; /* interval: -1 = the server's default; timeout default 10m (one fetch or push) */
    const char *url; /* required: https, http, ssh */
    int provider;    /* enum fl_git_provider, default generic */
    struct fl_local_ref *secret_ref;
    struct fl_mirror_refs *refs; /* NULL = defaults */
    bool prune; /* default true: refs gone at the remote go here, within the guard */
    struct fl_mirror_guard *guard;   /* NULL = defaults: fl_mirror_guard_defaults */
    struct fl_mirror_limits *limits; /* NULL = defaults */
    bool fsck;                       /* default true: refuse malformed objects */
    struct fl_list
        allowed_hosts; /* const char *: host names (globs), addresses or CIDR blocks that may be private or
        loopback; link-local never */
    struct fl_list push; /* struct fl_mirror_push, at most 16, by name */
    int lfs;             /* enum fl_lfs_mode, default Detect */
    struct fl_mirror_webhook *webhook;
    int deletion_policy; /* of the repository on disk; default Orphan */
};
/* What holds where spec.refs, spec.guard or spec.limits is absent. */
extern const struct fl_mirror_refs fl_mirror_refs_default;
extern const struct fl_mirror_guard fl_mirror_guard_default;
extern const struct fl_mirror_limits fl_mirror_limits_default;

struct fl_mirror_head {
    const char *ref; /* "refs/heads/main" */
    const char *oid; /* NULL: it does not exist (yet) */
};
struct fl_mirror_fetch { /* the last one that changed something */
    const char *time;
    const char *trigger; /* Interval, Webhook, Manual, Spec */
    int64_t created, updated, forced, deleted;
    int64_t duration_ms;
};
struct fl_mirror_held { /* moves that wait for approval */
    const char *nonce;  /* value for fairlead.dev/approve; another set of moves has another one */
    const char *since;
    int64_t deletions, forced;
    struct fl_list refs; /* const char *, the first 50 */
};
struct fl_mirror_peak { /* removals are measured against it: FL_MIRROR_PEAK_MS */
    const char *time;   /* when the mirror came to have so many */
    int64_t refs;
};
#define FL_MIRROR_PEAK_MS (INT64_C(24) * 3600 * 1000)
struct fl_mirror_rejected {
    const char *ref, *message;
};
struct fl_mirror_pushed { /* by name of the push target */
    const char *name;
    const char *url; /* the target that this speaks of; for another one all begins anew */
    const char
        *follows_since; /* something was removed there, or nothing was to be; NULL: not yet */
    const char *time;   /* when something last changed there */
    const char *digest; /* of the refs it has, where it was found equal to what is wanted */
    int64_t updated, deleted, rejected;
    struct fl_list rejections;   /* struct fl_mirror_rejected, the first 20 */
    struct fl_mirror_held *held; /* removals that wait; nonce NULL: for what the mirror holds */
    const char *message;         /* why the target as a whole failed; NULL */
};
struct fl_mirror_move { /* mode Plan */
    const char *action; /* Create, Update, Delete, Hold, Push */
    const char *ref;
    const char *old, *new; /* NULL = none */
};

struct fl_git_mirror_status {
    struct fl_status_common common;
    const char *path; /* of the bare repository */
    const char *
        refs_digest; /* "sha256:..." over the refs that the mirror has and the remote was seen to have */
    int64_t ref_count;
    struct fl_mirror_peak *peak;
    const char *source; /* "host/path" of the repository whose refs these are */
    struct fl_mirror_head *head;
    const char *protocol;       /* v2, v0, dumb, ssh */
    const char *last_poll_time; /* changes only when the outcome does */
    struct fl_mirror_fetch *last_fetch;
    struct fl_mirror_held *held; /* NULL = nothing */
    int64_t kept_tips;
    struct fl_list push;      /* struct fl_mirror_pushed */
    const char *webhook_path; /* on the receiver; "/hook/..." */
    bool lfs;                 /* HEAD's .gitattributes speaks of LFS */
    struct fl_list plan;      /* struct fl_mirror_move, at most 200 */
};

#endif
