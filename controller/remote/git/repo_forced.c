/* SPDX-License-Identifier: Apache-2.0
 * Which updates are forced: their old commit is no ancestor of the new one. Few are asked for one
 * by one; many cost a number of processes that does not grow with them:
 * 1. Tags become what they point at; what is no commit has no ancestors.
 * 2. From all new commits down to what some old one reaches: who meets its own old one there is
 *    not forced. Nearly all end here.
 * 3. The others, forced or with an old commit that another old one reaches: few are asked for one
 *    by one, many by a walk through all history.
 * That git leaves a commit out says nothing: where clocks went wrong, rev-list errs about what is
 * reached (revision.c, SLOP). Only ways from a commit to its parent are believed. */
#include "base/map.h"
#include "base/mem.h"
#include "remote/git/repo_priv.h"

enum {
    FEW = 4,            /* from here on three processes are less */
    FEW_LEFT = 48,      /* a walk through all history may take seconds */
    LINE_MAX = 16 << 20 /* a commit with 250,000 parents */
};

struct pair {
    struct fl_ref_move *move;
    const char *old, *new; /* commits */
};

/* What a walk with children before parents knows of a commit: which new ones reach it. */
struct node {
    bool is_old; /* stays until the end */
    bool seen;
    uint64_t from[]; /* bit i: pairs[i].new reaches it */
};

struct walk {
    struct fl_map *nodes; /* by id: the new ones, the old ones, and what is ahead */
    size_t words;         /* of node.from */
    size_t olds_left;
    struct fl_buf line;
};

struct asking {
    struct fl_repo *repo;
    const struct fl_ctx *ctx;
    struct git_env env;
    struct pair *pairs; /* that are not decided */
    size_t n;
};

/* ---- one by one ---- */

/* Exit code 1: no. 128: one of them is no commit (or tag of one), which has no ancestors. */
static int is_ancestor(struct asking *q, const char *old, const char *new, bool *ret,
                       struct fl_err *err)
{
    const char *const argv[] = {"merge-base", "--is-ancestor", old, new, NULL};
    fl_auto_val(fl_proc_resp) r;

    fl_proc_resp_init(&r);
    int rc = git_run(&q->env, argv, (struct fl_str){0}, q->repo->lock_fd, 0, q->ctx, &r, err);
    if (rc) {
        return rc;
    }
    if (r.exit_code != 0 && r.exit_code != 1 && r.exit_code != 128) {
        return git_fail(&r, "git merge-base", err);
    }
    *ret = r.exit_code == 0;
    return 0;
}

static int ask_each(struct asking *q, struct fl_err *err)
{
    int rc = 0;

    for (size_t i = 0; i < q->n && !rc; i++) {
        bool ancestor = false;

        rc = is_ancestor(q, q->pairs[i].old, q->pairs[i].new, &ancestor, err);
        q->pairs[i].move->forced = !ancestor;
    }
    q->n = rc ? q->n : 0;
    return rc;
}

/* ---- all at once ---- */

static int run_listed(struct asking *q, const char *const *argv, const struct fl_buf *in,
                      struct fl_proc_resp *r, struct fl_err *err)
{
    int rc = git_run(&q->env, argv, fl_buf_slice(in), q->repo->lock_fd, 0, q->ctx, r, err);
    fl_auto_text what = fl_asprintf("git %s", argv[0]);

    return rc || r->exit_code == 0 ? rc : git_fail(r, what, err);
}

/* "<commit> commit", or "<what was asked> missing". */
static const char *peeled(struct asking *q, struct fl_str *out)
{
    struct fl_str line = {0};
    struct fl_str id;

    (void)fl_str_cut(out, '\n', &line);
    bool found = fl_str_ends(line, " commit") && fl_str_cut(&line, ' ', &id);
    return found && fl_git_oid_valid(id) ? fl_arena_str(q->env.arena, id) : NULL;
}

static int peel(struct asking *q, struct fl_err *err)
{
    static const char *const argv[] = {"cat-file", "--batch-check=%(objectname) %(objecttype)",
                                       NULL};
    fl_auto_val(fl_buf) in = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_proc_resp) r;
    size_t left = 0;

    fl_proc_resp_init(&r);
    for (size_t i = 0; i < q->n; i++) {
        fl_buf_fmt(&in, "%s^{commit}\n%s^{commit}\n", q->pairs[i].old, q->pairs[i].new);
    }
    q->env.out_cap = 2 * in.len + 1;
    int rc = run_listed(q, argv, &in, &r, err);
    struct fl_str out = fl_buf_slice(&r.out);
    for (size_t i = 0; i < q->n && !rc; i++) {
        struct pair p = q->pairs[i];

        p.old = peeled(q, &out);
        p.new = peeled(q, &out);
        p.move->forced = !p.old || !p.new;
        if (!p.move->forced && !fl_text_eq(p.old, p.new)) {
            q->pairs[left++] = p;
        }
    }
    q->n = rc ? q->n : left;
    return rc;
}

/* ---- walks ---- */

static struct node *node_at(struct walk *w, struct fl_str id)
{
    struct node *n = fl_map_get(w->nodes, id);

    if (!n) {
        n = fl_calloc(1, sizeof(*n) + w->words * sizeof(n->from[0]));
        fl_map_set(w->nodes, id, n);
    }
    return n;
}

static void walk_init(struct walk *w, const struct asking *q)
{
    *w = (struct walk){
        .nodes = fl_map_new(fl_free), .words = (q->n + 63) / 64, .line = FL_BUF_INIT(LINE_MAX)};
    for (size_t i = 0; i < q->n; i++) {
        struct node *old = node_at(w, fl_str_of(q->pairs[i].old));
        struct node *new = node_at(w, fl_str_of(q->pairs[i].new));

        w->olds_left += !old->is_old;
        old->is_old = true;
        new->from[i / 64] |= (uint64_t)1 << i % 64;
    }
}

static void walk_release(struct walk *w)
{
    fl_map_free(w->nodes);
    fl_buf_release(&w->line);
}

/* "<commit> <parent>...": its children came before it, so all is known of it. */
static void reach_parents(struct walk *w, struct fl_str line)
{
    struct fl_str id;
    struct fl_str parent;

    (void)fl_str_cut(&line, ' ', &id);
    struct node *n = fl_map_get(w->nodes, id);
    while (n && line.n > 0) {
        (void)fl_str_cut(&line, ' ', &parent);
        struct node *to = node_at(w, parent);

        for (size_t i = 0; i < w->words; i++) {
            to->from[i] |= n->from[i];
        }
    }
    if (n && n->is_old) {
        w->olds_left -= !n->seen;
        n->seen = true;
    } else if (n) {
        (void)fl_map_del(w->nodes, id);
    }
}

static int walk_piece(void *arg, struct fl_str piece, struct fl_err *err)
{
    struct walk *w = arg;
    struct fl_str line;

    while (piece.n > 0) {
        bool whole = fl_str_cut(&piece, '\n', &line);

        fl_buf_str(&w->line, line);
        int rc = fl_buf_finish(&w->line, "a commit's line", err);
        if (rc) {
            return rc;
        }
        if (whole) {
            reach_parents(w, fl_buf_slice(&w->line));
            fl_buf_clear(&w->line);
        }
        if (w->olds_left == 0) { /* what is left of history tells nothing more */
            return fl_fail(err, FL_E_CANCELED, "Seen", "all are seen");
        }
    }
    return 0;
}

static int walk_run(struct asking *q, const char *const *argv, const struct fl_buf *in,
                    struct walk *w, struct fl_err *err)
{
    fl_auto_val(fl_proc_resp) r;

    fl_proc_resp_init(&r);
    q->env.sink = walk_piece;
    q->env.sink_arg = w;
    int rc = run_listed(q, argv, in, &r, err);
    q->env.sink = NULL;
    if (rc && w->olds_left == 0) {
        fl_err_clear(err);
        rc = 0;
    }
    return rc;
}

/* Not whole: down to what an old one reaches; who is not reached there is not decided. */
static int ask_reached(struct asking *q, bool whole, struct fl_err *err)
{
    static const char *const argv[] = {"rev-list", "--topo-order", "--parents", "--stdin", NULL};
    fl_auto_val(fl_buf) in = FL_BUF_INIT(FL_BUF_ANY);
    struct walk w;
    size_t left = 0;

    walk_init(&w, q);
    for (size_t i = 0; i < q->n; i++) {
        fl_buf_fmt(&in, "%s\n", q->pairs[i].new);
        if (!whole) {
            fl_buf_fmt(&in, "^%s\n", q->pairs[i].old);
        }
    }
    int rc = walk_run(q, argv, &in, &w, err);
    for (size_t i = 0; i < q->n && !rc; i++) {
        const struct node *n = fl_map_get(w.nodes, fl_str_of(q->pairs[i].old));
        bool reached = n->from[i / 64] >> i % 64 & 1;

        q->pairs[i].move->forced = !reached;
        if (!reached && !whole) {
            q->pairs[left++] = q->pairs[i];
        }
    }
    q->n = rc ? q->n : left;
    walk_release(&w);
    return rc;
}

/* ---- all ---- */

static int ask_many(struct asking *q, struct fl_err *err)
{
    int rc = peel(q, err);

    if (!rc && q->n > 0) {
        rc = ask_reached(q, false, err);
    }
    if (!rc && q->n > FEW_LEFT) {
        rc = ask_reached(q, true, err);
    }
    return rc;
}

int repo_forced(struct fl_repo *repo, const struct fl_ctx *ctx, struct fl_ref_move *v, size_t n,
                struct fl_err *err)
{
    fl_auto(fl_arena) a = fl_arena_new();
    struct asking q = {.repo = repo, .ctx = ctx, .pairs = fl_arena_array(a, n, sizeof(*q.pairs))};
    int rc = 0;

    for (size_t i = 0; i < n; i++) {
        bool moves = v[i].old && v[i].new && !fl_text_eq(v[i].old, v[i].new);

        v[i].forced = moves && fl_text_starts(v[i].name, "refs/tags/");
        if (moves && !v[i].forced) {
            q.pairs[q.n++] = (struct pair){&v[i], v[i].old, v[i].new};
        }
    }
    git_env_init(&q.env, a, repo->path);
    if (q.n > FEW) {
        rc = ask_many(&q, err);
    }
    if (!rc) {
        rc = ask_each(&q, err);
    }
    git_env_release(&q.env);
    return rc;
}
