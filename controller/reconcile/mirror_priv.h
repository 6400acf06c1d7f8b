/* SPDX-License-Identifier: Apache-2.0
 * The inner side of GitMirror's controller: what mirror.c, mirror_kept.c and mirror_push.c
 * share. */
#ifndef FL_RECONCILE_MIRROR_PRIV_H
#define FL_RECONCILE_MIRROR_PRIV_H

#include "base/lock.h"
#include "base/map.h"
#include "reconcile/mirror.h"
#include "reconcile/mirror_plan.h"

#define MIRROR_KEPT "refs/fairlead/"
#define MIRROR_LIST_MS 60000 /* one listing, where spec.timeout allows as much */

enum mirror_outcome { MIRROR_CHANGED, MIRROR_SAME, MIRROR_FAILED, MIRROR_OUTCOMES };

struct mirror_link { /* an opened remote */
    char *name;      /* of the push target; "" = the source */
    char *version;   /* what it was opened from: generation, version of the Secret */
    struct fl_remote *remote;
    char *rejected; /* digest of the moves that the target did not take; NULL = none */
    int64_t rejected_ms;
    /* A push target that failed, and may recover by itself: how often in a row, when it is asked
     * again. */
    int failures;
    int64_t not_before_ms;
    struct fl_err wrong; /* what was told of it the last time; FL_OK = nothing */
    bool looked;         /* it was, at: */
    int64_t looked_ms;
};

/* What this process remembers of a mirror. A pass has it for itself. */
struct mirror_memo {
    char *uid;
    struct mirror_link *links;
    size_t n_links;
    char *hook_version; /* what the webhook's route was made from */
    /* The last comparison of remote and disk that ended well; NULL = none since the start. */
    char *digest;  /* of the remote's list */
    char *version; /* of the same; NULL = it had none */
    char *approved;
    char *told; /* what the status said of it */
    int64_t generation;
    bool same;         /* the mirror has exactly what the remote has */
    int64_t expires_s; /* when the next kept tip's time is over */
    int moved, busy;   /* passes in a row that met RemoteMoved, RepositoryBusy */
    int waits;         /* passes in a row that found no place to fetch */
    /* What could not be fetched and will be the same the next time; NULL = none. */
    char *refused; /* digest of the list */
    struct fl_err refusal;
    int64_t refused_generation;
};

struct fl_mirrors {
    struct fl_mirrors_conf conf;
    char *mirrors_dir, *run_dir;
    const struct fl_adapter *adapter; /* NULL: none offers mirrors */
    struct fl_metric *polls[MIRROR_OUTCOMES], *fetches[MIRROR_OUTCOMES], *pushes[MIRROR_OUTCOMES];
    struct fl_metric *fetch_seconds;
    struct fl_lock lock; /* guards what follows */
    int fetching;
    struct fl_map *memos; /* "ns/name" -> struct mirror_memo; not there while a pass has it */
};

struct mirror_pass {
    struct fl_mirrors *ms;
    struct fl_pass *p;
    const struct fl_git_mirror_spec *spec;
    struct fl_git_mirror_status *st;
    struct mirror_memo *memo;
    const struct fl_mirror_guard *guard;
    const struct fl_mirror_limits *limits;
    struct fl_ref_filter filter;
    struct fl_remote *remote; /* the source */
    struct fl_ref_list list;
    char digest[FL_PASS_DIGEST]; /* of the list */
    bool known;                  /* it is as it was when remote and disk were last compared */
    struct fl_repo *repo;        /* NULL: not opened (yet) */
    struct fl_git_refs mine;     /* what the mirror has; valid if `read` */
    bool read, fetched;
    int64_t had;  /* refs that the mirror had by its status; 0 = the disk was compared with it */
    bool lost;    /* the disk had fewer */
    bool away;    /* the source is: targets get what the disk has, and lose nothing */
    size_t moved; /* refs */
    size_t would; /* moves that another mode would make */
    struct fl_mirror_move *plan;
    size_t n_plan;
    struct fl_err also; /* what is wrong beside the mirror itself: webhook, LFS; code 0 = nothing */
    struct fl_err pushed; /* the first target that is not as it should be */
    size_t push_wrong;    /* how many */
    bool push_again;      /* one of them may recover by itself */
};

/* ---- mirror_kept.c: what lives longer than a pass ---- */

void mirror_memo_take(struct mirror_pass *x);
void mirror_memo_give(struct mirror_pass *x);
void mirror_memo_drop(struct fl_mirrors *ms, struct fl_str ns, struct fl_str name);
/* Nothing is taken for granted any more. */
void mirror_memo_doubt(struct mirror_memo *m);
/* The remote of a push target, or of the source (NULL), opened if it is new or something about it
 * changed. Failures: INVALID "SecretNotFound", those of fl_pass_secret and of the adapter's
 * open. The link stays until the pass's end. */
int mirror_link(struct mirror_pass *x, const struct fl_mirror_push *target,
                struct mirror_link **ret, struct fl_err *err);
/* Closes what spec.push does not name any more. */
void mirror_link_prune(struct mirror_pass *x);
/* A Secret that is named; not being there is INVALID: its arrival wakes the mirror. */
int mirror_secret(struct fl_pass *p, const char *field, const char *name,
                  struct fl_secret_data **ret, struct fl_err *err);

/* ---- mirror.c ---- */

/* Opens the repository, once a pass. */
int mirror_open(struct mirror_pass *x, struct fl_err *err);
/* What the mirror has, read once a pass. */
int mirror_read(struct mirror_pass *x, struct fl_err *err);
struct fl_ref_filter mirror_filter(const struct fl_mirror_refs *refs, int64_t max_refs);
void mirror_plan_row(struct mirror_pass *x, const char *action, const struct fl_ref_move *m);
const char *mirror_digest(struct mirror_pass *x, const struct fl_git_refs *refs);
bool mirror_transient(const struct fl_err *err);
const char *mirror_trigger(const struct fl_pass *p);
struct fl_ctx mirror_long(const struct mirror_pass *x); /* for one fetch or push */
int64_t mirror_now_s(const struct mirror_pass *x);

/* ---- mirror_report.c ---- */

/* After the refs moved: status, Events, live. Tips that were kept are among the moves. */
void mirror_tell_moves(struct mirror_pass *x, const struct fl_ref_move *v, size_t n,
                       int64_t began_ms);
void mirror_write_held(struct mirror_pass *x, const struct mirror_plan *plan, const char *since);
/* The most refs that the mirror had within the last day; 0: none is remembered. */
size_t mirror_peak(const struct mirror_pass *x);
/* before: how many refs there were before this pass moved any. agreed: somebody approved of
 * removals, and so agreed to what is left. */
void mirror_write_peak(struct mirror_pass *x, size_t before, bool agreed);
/* What status.source says of spec.url. */
const char *mirror_place(struct mirror_pass *x);

/* ---- mirror_side.c ---- */

/* Puts the route where it is not what it should be. What is wrong with the Secret: x->also. */
void mirror_webhook(struct mirror_pass *x);
/* Removes kept tips whose time is over. */
int mirror_tend_kept(struct mirror_pass *x, struct fl_err *err);
/* What is wrong: x->also. Looking costs a process: only when something may be another. */
void mirror_lfs(struct mirror_pass *x);
bool mirror_lfs_owed(const struct mirror_pass *x); /* they were to be fetched, and were not */
void mirror_upkeep(struct mirror_pass *x);

/* ---- mirror_push.c ---- */

/* Each target on its own; what is wrong is in the status, x->pushed and x->push_wrong. */
void mirror_push_all(struct mirror_pass *x);
/* The source could not be listed, or fetched: what the disk has is pushed, nothing is removed. */
void mirror_push_away(struct mirror_pass *x);
/* When the next target that failed is to be asked again; from x->push_again. */
int64_t mirror_push_wait_ms(const struct mirror_pass *x);
/* The refs were read; the first time in a pass they are what the last pass left. */
void mirror_note_loss(struct mirror_pass *x);
#define MIRROR_LFS_NOT_PUSHED "LFSNotPushed" /* nothing that a fetch would mend */

#endif
