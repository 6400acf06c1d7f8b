/* SPDX-License-Identifier: Apache-2.0
 * What a mirror's pass would do, as a value: pure functions over two lists of refs, the guards
 * among them. Reference 2.4, 4.4. */
#ifndef FL_RECONCILE_MIRROR_PLAN_H
#define FL_RECONCILE_MIRROR_PLAN_H

#include "api/v1alpha1/git_mirror.h"
#include "port/mirror.h"

struct mirror_plan {           /* arrays in the arena, each sorted by name */
    struct fl_ref_move *bring; /* creates and updates: their objects must be fetched */
    size_t n_bring;
    struct fl_ref_move *remove; /* deletions that may be done now */
    size_t n_remove;
    struct fl_ref_move
        *held; /* what waits for approval; forced updates join in mirror_plan_moves */
    size_t n_held;
    const char
        *why_held; /* for a person: "the remote is empty", "40 of 100 refs would go (limit 25 %)" */
    char nonce[17]; /* of the held set, "" = nothing is held */
    bool released;  /* somebody has approved of what would be held */
};

/* What people have said, what they were asked, and what was before. sticky: removals were held
 * before; they stay so until they are approved or none is left, however many refs have come
 * since. */
struct mirror_consent {
    const char *approved; /* value of the annotation; NULL = none */
    const char *since;    /* of what is held, or now; in the nonce: a consent holds once */
    bool sticky;
    size_t peak;       /* the most refs that the mirror had lately; 0 = as many as it has */
    const char *other; /* why the refs that the mirror has may be those of another repository, as a
                        * clause: nothing goes unasked, nothing is forced; NULL = they are not */
};

/* here: what the mirror has; there: what the remote has. prune false: nothing is removed; only
 * what is in the way of a new ref ("main" of "main/sub") is held, with the new ref. Approved as
 * a whole, nothing is held. Held creations stand in `bring` too: their objects do no harm. */
void mirror_plan_make(struct fl_arena *a, const struct fl_git_refs *here,
                      const struct fl_git_refs *there, bool prune,
                      const struct fl_mirror_guard *guard, const struct mirror_consent *consent,
                      struct mirror_plan *ret);
/* After `forced` was asked for plan->bring: Block puts forced updates among what is held
 * (approved as a whole, nothing is), KeepOld appends the creation of
 * "refs/fairlead/kept/<now_s>/..." for each. ret: the moves that are to be done, deletions among
 * them. */
void mirror_plan_moves(struct fl_arena *a, struct mirror_plan *plan,
                       const struct fl_mirror_guard *guard, int64_t now_s,
                       const struct mirror_consent *consent, struct fl_ref_move **ret,
                       size_t *ret_n);
/* Whether the move is among what is held. */
bool mirror_plan_is_held(const struct mirror_plan *plan, const char *name);
/* Kept tips whose time is over, as deletions. ret_next_s: when the next one's is; INT64_MAX =
 * never. */
size_t mirror_plan_expired(struct fl_arena *a, const struct fl_git_refs *kept, int64_t kept_for_ms,
                           int64_t now_s, struct fl_ref_move **ret, int64_t *ret_next_s);
/* What a push target lacks: `want` is the mirror's refs through the target's filter. */
void mirror_plan_push(struct fl_arena *a, const struct fl_git_refs *want,
                      const struct fl_git_refs *have, bool prune, struct fl_ref_move **ret,
                      size_t *ret_n);
/* The text that the digest is made of: "<oid> <name>\n" each, then "HEAD <target>\n" (reference
 * 1.4). */
void mirror_digest_text(struct fl_buf *b, const struct fl_git_refs *refs);
/* By name; NULL = not there. */
const struct fl_git_ref *mirror_ref_find(const struct fl_git_refs *refs, const char *name);

#endif
