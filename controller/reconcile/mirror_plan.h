/* SPDX-License-Identifier: Apache-2.0
 * What a mirror's pass would do, as a value: pure functions over two lists of refs, the guards among them. Reference 2.4,
 * 4.4. */
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
        *held; /* deletions that wait for approval; updates join them after mirror_plan_forced */
    size_t n_held;
    const char
        *why_held; /* for a person: "the remote is empty", "40 of 100 refs would go (limit 25 %)" */
    char nonce[17]; /* of the held set, "" = nothing is held */
};

/* here: what the mirror has; there: what the remote has. prune false: nothing is removed, nothing held. approved: value of the
 * annotation; equal to the nonce of what would be held: it is not. */
void mirror_plan_make(struct fl_arena *a, const struct fl_git_refs *here,
                      const struct fl_git_refs *there, bool prune,
                      const struct fl_mirror_guard *guard, const char *approved,
                      struct mirror_plan *ret);
/* After `forced` was asked for plan->bring: Block takes forced updates out of bring into held (unless approved), KeepOld appends the
 * creation of "refs/fairlead/kept/<now_s>/..." for each. ret: the moves that are to be done, deletions among them. */
void mirror_plan_moves(struct fl_arena *a, struct mirror_plan *plan,
                       const struct fl_mirror_guard *guard, int64_t now_s, const char *approved,
                       struct fl_ref_move **ret, size_t *ret_n);
/* Kept tips whose time is over, as deletions. */
size_t mirror_plan_expired(struct fl_arena *a, const struct fl_git_refs *kept, int64_t kept_for_ms,
                           int64_t now_s, struct fl_ref_move **ret);
/* What a push target lacks: `want` is the mirror's refs through the target's filter. */
void mirror_plan_push(struct fl_arena *a, const struct fl_git_refs *want,
                      const struct fl_git_refs *have, bool prune, struct fl_ref_move **ret,
                      size_t *ret_n);
/* The text that the digest is made of: "<oid> <name>\n" each, then "HEAD <target>\n" (reference 1.4). */
void mirror_digest_text(struct fl_buf *b, const struct fl_git_refs *refs);

#endif
