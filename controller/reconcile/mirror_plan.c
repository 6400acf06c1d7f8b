/* SPDX-License-Identifier: Apache-2.0 */
#include "reconcile/mirror_plan.h"

#include "base/num.h"
#include "engine/pass.h"

#define PLAN_KEPT "refs/fairlead/kept/"
#define PLAN_REFS "refs/"
#define PLAN_HEADS "refs/heads/"
#define PLAN_TAGS "refs/tags/"
#define PLAN_KEPT_NAME 800 /* longer names are kept by their digest: a ref has 1,024 at most */

/* ---- lists of moves ---- */

struct moves {
    struct fl_arena *a;
    struct fl_ref_move *v;
    size_t n;
};

static void moves_add(struct moves *m, struct fl_ref_move move)
{
    m->v = fl_arena_grow(m->a, m->v, m->n, sizeof(*m->v));
    m->v[m->n++] = move;
}

static int by_name(const void *x, const void *y)
{
    const struct fl_ref_move *a = x;
    const struct fl_ref_move *b = y;
    return strcmp(a->name, b->name);
}

static void moves_sort(struct moves *m)
{
    if (m->n > 1) {
        qsort(m->v, m->n, sizeof(*m->v), by_name);
    }
}

/* Index of the first that is not before the name. */
static size_t moves_from(const struct fl_ref_move *v, size_t n, struct fl_str name)
{
    size_t low = 0;
    while (low < n) {
        size_t mid = low + (n - low) / 2;
        if (fl_str_cmp(fl_str_of(v[mid].name), name) < 0) {
            low = mid + 1;
        } else {
            n = mid;
        }
    }
    return low;
}

static bool moves_have(const struct fl_ref_move *v, size_t n, struct fl_str name)
{
    size_t at = moves_from(v, n, name);
    return at < n && fl_str_is(name, v[at].name);
}

const struct fl_git_ref *mirror_ref_find(const struct fl_git_refs *refs, const char *name)
{
    size_t low = 0;
    size_t high = refs->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = strcmp(refs->v[mid].name, name);
        if (c == 0) {
            return &refs->v[mid];
        }
        if (c < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

/* ---- comparing ---- */

/* What turns `here` into `there`: creates and updates, deletions; each sorted, as both lists
 * are. */
static void compare(const struct fl_git_refs *here, const struct fl_git_refs *there,
                    struct moves *bring, struct moves *remove)
{
    size_t i = 0;
    size_t k = 0;
    while (i < here->n || k < there->n) {
        int c = i == here->n ? 1 : k == there->n ? -1 : strcmp(here->v[i].name, there->v[k].name);
        if (c < 0) {
            moves_add(remove, (struct fl_ref_move){.name = here->v[i].name, .old = here->v[i].oid});
            i++;
        } else if (c > 0) {
            moves_add(bring,
                      (struct fl_ref_move){.name = there->v[k].name, .new = there->v[k].oid});
            k++;
        } else {
            if (strcmp(here->v[i].oid, there->v[k].oid) != 0) {
                moves_add(bring, (struct fl_ref_move){.name = there->v[k].name,
                                                      .old = here->v[i].oid,
                                                      .new = there->v[k].oid});
            }
            i++;
            k++;
        }
    }
}

/* A name that is a folder of the other cannot stand beside it. */
static bool in_the_way(const struct fl_ref_move *v, size_t n, const char *name)
{
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        if (moves_have(v, n, (struct fl_str){name, (size_t)(slash - name)})) {
            return true;
        }
    }
    fl_auto_val(fl_buf) folder = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&folder, "%s/", name);
    size_t at = moves_from(v, n, fl_buf_slice(&folder));
    return at < n && fl_text_starts(v[at].name, folder.data);
}

/* ---- guards ---- */

static void nonce_of(const struct moves *held, const char *since, char ret[17])
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&b, since);
    fl_buf_char(&b, '\n');
    for (size_t i = 0; i < held->n; i++) {
        const struct fl_ref_move *m = &held->v[i];
        fl_buf_text(&b, m->old ? m->old : "-");
        fl_buf_char(&b, ' ');
        fl_buf_text(&b, m->new ? m->new : "-");
        fl_buf_char(&b, ' ');
        fl_buf_text(&b, m->name);
        fl_buf_char(&b, '\n');
    }
    char digest[FL_PASS_DIGEST];
    fl_pass_digest(fl_buf_slice(&b), digest);
    memcpy(ret, digest + strlen("sha256:"), 16);
    ret[16] = '\0';
}

static bool is_approved(const char *nonce, const struct mirror_consent *c)
{
    return c->approved && strcmp(c->approved, nonce) == 0;
}

static size_t branches(const struct fl_git_refs *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        n += fl_text_starts(r->v[i].name, PLAN_HEADS) ? 1 : 0;
    }
    return n;
}

/* A default branch that goes is one of many when another one has taken its place. */
static bool default_goes(const struct fl_git_refs *here, const struct fl_git_refs *there)
{
    return here->head && mirror_ref_find(here, here->head) && !mirror_ref_find(there, here->head) &&
           (!there->head || !mirror_ref_find(there, there->head));
}

/* Many small steps are as far as one: what counts is how many of the refs that were there lately
 * would be left. */
static const char *why_share(struct fl_arena *a, size_t n, const struct fl_git_refs *here,
                             int64_t limit, size_t peak)
{
    size_t of = peak > here->n ? peak : here->n;
    size_t gone = of - here->n + n;
    if (gone <= FL_MIRROR_FREE_DELETES || limit >= 100 ||
        (int64_t)gone * 100 <= limit * (int64_t)of) {
        return NULL;
    }
    return gone == n ? fl_arena_fmt(a, "%zu of %zu refs would go (limit %lld %%)", n, of,
                                    (long long)limit)
                     : fl_arena_fmt(a,
                                    "%zu refs would go, and with those before them %zu of the %zu "
                                    "refs of the last day (limit %lld %%)",
                                    n, gone, of, (long long)limit);
}

/* NULL: they may go. */
static const char *why_removals(struct fl_arena *a, size_t n, const struct fl_git_refs *here,
                                const struct fl_git_refs *there,
                                const struct fl_mirror_guard *guard,
                                const struct mirror_consent *consent)
{
    if (n == 0) {
        return NULL;
    }
    if (consent->other) {
        return fl_arena_fmt(a, "%s: %zu refs would go", consent->other, n);
    }
    if (there->n == 0) {
        return fl_arena_fmt(a, "the remote has none of the refs any more, and all %zu would go", n);
    }
    if (branches(here) > 0 && branches(there) == 0) {
        return fl_arena_fmt(
            a, "the remote has no branches any more that spec.refs means, and all %zu would go",
            branches(here));
    }
    if (default_goes(here, there)) {
        return fl_arena_fmt(a, "the default branch %s would go, and no other one takes its place",
                            here->head);
    }
    if (guard->max_deletes == 0) {
        return fl_arena_fmt(a, "%zu refs would go (limit 0)", n);
    }
    if ((int64_t)n > guard->max_deletes) {
        return fl_arena_fmt(a, "%zu refs would go (limit %lld)", n, (long long)guard->max_deletes);
    }
    const char *share = why_share(a, n, here, guard->max_delete_percent, consent->peak);
    if (share) {
        return share;
    }
    return consent->sticky ? fl_arena_fmt(a, "%zu refs that were held before would go", n) : NULL;
}

/* Creations that what is held stands in the way of wait with it. */
static void hold_colliding(struct moves *held, const struct moves *bring)
{
    size_t n = held->n;
    for (size_t i = 0; i < bring->n && n > 0; i++) {
        if (!bring->v[i].old && in_the_way(held->v, n, bring->v[i].name)) {
            moves_add(held, bring->v[i]);
        }
    }
    moves_sort(held);
}

/* Without pruning a ref goes only if a new one needs its place. */
static struct moves removals_needed(struct fl_arena *a, const struct moves *bring,
                                    const struct moves *remove)
{
    struct moves created = {.a = a};
    struct moves needed = {.a = a};
    for (size_t i = 0; i < bring->n; i++) {
        if (!bring->v[i].old) {
            moves_add(&created, bring->v[i]);
        }
    }
    for (size_t i = 0; i < remove->n; i++) {
        if (in_the_way(created.v, created.n, remove->v[i].name)) {
            moves_add(&needed, remove->v[i]);
        }
    }
    return needed;
}

void mirror_plan_make(struct fl_arena *a, const struct fl_git_refs *here,
                      const struct fl_git_refs *there, bool prune,
                      const struct fl_mirror_guard *guard, const struct mirror_consent *consent,
                      struct mirror_plan *ret)
{
    struct moves bring = {.a = a};
    struct moves remove = {.a = a};
    compare(here, there, &bring, &remove);
    const char *why;
    if (prune) {
        why = why_removals(a, remove.n, here, there, guard, consent);
    } else {
        remove = removals_needed(a, &bring, &remove);
        why = remove.n > 0 ? fl_arena_fmt(a,
                                          "%s is in the way of a new ref of the remote's, and "
                                          "spec.prune is false",
                                          remove.v[0].name)
                           : NULL;
    }
    *ret = (struct mirror_plan){.bring = bring.v, .n_bring = bring.n};
    if (why) {
        struct moves held = {.a = a};
        for (size_t i = 0; i < remove.n; i++) {
            moves_add(&held, remove.v[i]);
        }
        hold_colliding(&held, &bring);
        nonce_of(&held, consent->since, ret->nonce);
        if (!is_approved(ret->nonce, consent)) {
            ret->held = held.v;
            ret->n_held = held.n;
            ret->why_held = why;
            return;
        }
        ret->nonce[0] = '\0';
        ret->released = true;
    }
    ret->remove = remove.v;
    ret->n_remove = remove.n;
}

/* ---- after the objects are there ---- */

bool mirror_plan_is_held(const struct mirror_plan *plan, const char *name)
{
    return moves_have(plan->held, plan->n_held, fl_str_of(name));
}

static const char *forced_words(const struct mirror_consent *consent, bool one)
{
    if (consent->other) {
        return one ? "ref has another history there" : "refs have other histories there";
    }
    return one ? "ref was force-pushed" : "refs were force-pushed";
}

/* Forced updates join what is held; all of it is released when just that was approved. */
static void block_forced(struct fl_arena *a, struct mirror_plan *plan,
                         const struct mirror_consent *consent)
{
    struct moves held = {.a = a};
    for (size_t i = 0; i < plan->n_held; i++) {
        moves_add(&held, plan->held[i]);
    }
    size_t before = held.n;
    for (size_t i = 0; i < plan->n_bring; i++) {
        if (plan->bring[i].forced) {
            moves_add(&held, plan->bring[i]);
        }
    }
    size_t forced = held.n - before;
    if (forced > 0) {
        moves_sort(&held);
        nonce_of(&held, consent->since, plan->nonce);
        const char *first = before ? plan->why_held : consent->other ? consent->other : "";
        plan->why_held = fl_arena_fmt(a, "%s%s%zu %s", first, first[0] ? "; " : "", forced,
                                      forced_words(consent, forced == 1));
    }
    plan->held = held.v;
    plan->n_held = held.n;
    if (held.n > 0 && is_approved(plan->nonce, consent)) {
        struct moves remove = {.a = a};
        for (size_t i = 0; i < plan->n_remove; i++) {
            moves_add(&remove, plan->remove[i]);
        }
        for (size_t i = 0; i < held.n; i++) {
            if (!held.v[i].new) {
                moves_add(&remove, held.v[i]);
            }
        }
        moves_sort(&remove);
        plan->remove = remove.v;
        plan->n_remove = remove.n;
        plan->held = NULL;
        plan->n_held = 0;
        plan->why_held = NULL;
        plan->nonce[0] = '\0';
        plan->released = true;
    }
}

static void keep_tip(struct moves *m, const struct fl_ref_move *forced, int64_t now_s)
{
    const char *rest = forced->name;
    if (!fl_text_starts(rest, PLAN_HEADS) && !fl_text_starts(rest, PLAN_TAGS)) {
        return; /* what hosts make for themselves (refs/pull/) moves with every push */
    }
    rest += strlen(PLAN_REFS);
    if (strlen(rest) > PLAN_KEPT_NAME) {
        char digest[FL_PASS_DIGEST];
        fl_pass_digest(fl_str_of(rest), digest);
        rest = fl_arena_fmt(m->a, "long/%s", digest + strlen("sha256:"));
    }
    moves_add(m, (struct fl_ref_move){
                     .name = fl_arena_fmt(m->a, PLAN_KEPT "%lld/%s", (long long)now_s, rest),
                     .new = forced->old});
}

void mirror_plan_moves(struct fl_arena *a, struct mirror_plan *plan,
                       const struct fl_mirror_guard *guard, int64_t now_s,
                       const struct mirror_consent *consent, struct fl_ref_move **ret,
                       size_t *ret_n)
{
    if (guard->on_force_push == FL_FORCE_BLOCK || consent->other) {
        block_forced(a, plan, consent);
    }
    struct moves all = {.a = a};
    for (size_t i = 0; i < plan->n_remove; i++) {
        moves_add(&all, plan->remove[i]);
    }
    for (size_t i = 0; i < plan->n_bring; i++) {
        const struct fl_ref_move *m = &plan->bring[i];
        if (mirror_plan_is_held(plan, m->name)) {
            continue;
        }
        moves_add(&all, *m);
        if (m->forced && guard->on_force_push == FL_FORCE_KEEP_OLD) {
            keep_tip(&all, m, now_s);
        }
    }
    *ret = all.v;
    *ret_n = all.n;
}

/* ---- kept tips, push targets, digest ---- */

static bool kept_since(const char *name, int64_t *ret_s)
{
    if (!fl_text_starts(name, PLAN_KEPT)) {
        return false;
    }
    struct fl_str rest = fl_str_of(name + strlen(PLAN_KEPT));
    struct fl_str seconds = {0};
    return fl_str_cut(&rest, '/', &seconds) && fl_num_i64(seconds, ret_s) && *ret_s >= 0;
}

size_t mirror_plan_expired(struct fl_arena *a, const struct fl_git_refs *kept, int64_t kept_for_ms,
                           int64_t now_s, struct fl_ref_move **ret, int64_t *ret_next_s)
{
    struct moves m = {.a = a};
    *ret_next_s = INT64_MAX;
    for (size_t i = 0; i < kept->n && kept_for_ms > 0; i++) {
        int64_t since = 0;
        if (!kept_since(kept->v[i].name, &since) || since > INT64_MAX / 2) {
            continue;
        }
        int64_t until = since + (kept_for_ms + 999) / 1000;
        if (until <= now_s) {
            moves_add(&m, (struct fl_ref_move){.name = kept->v[i].name, .old = kept->v[i].oid});
        } else if (until < *ret_next_s) {
            *ret_next_s = until;
        }
    }
    *ret = m.v;
    return m.n;
}

void mirror_plan_push(struct fl_arena *a, const struct fl_git_refs *want,
                      const struct fl_git_refs *have, bool prune, struct fl_ref_move **ret,
                      size_t *ret_n)
{
    struct moves bring = {.a = a};
    struct moves remove = {.a = a};
    compare(have, want, &bring, &remove);
    for (size_t i = 0; i < remove.n && prune; i++) {
        moves_add(&bring, remove.v[i]);
    }
    moves_sort(&bring);
    *ret = bring.v;
    *ret_n = bring.n;
}

void mirror_digest_text(struct fl_buf *b, const struct fl_git_refs *refs)
{
    for (size_t i = 0; i < refs->n; i++) {
        fl_buf_text(b, refs->v[i].oid);
        fl_buf_char(b, ' ');
        fl_buf_text(b, refs->v[i].name);
        fl_buf_char(b, '\n');
    }
    if (refs->head) {
        fl_buf_text(b, "HEAD ");
        fl_buf_text(b, refs->head);
        fl_buf_char(b, '\n');
    }
}
