/* SPDX-License-Identifier: Apache-2.0
 * Refs are moved. */
#include "base/mem.h"
#include "remote/git/repo_priv.h"

enum {
    PACK_AT_ONCE = 64,  /* creates of a first fetch that go into packed-refs directly */
    SYNC_EACH_MAX = 256 /* loose refs that are put on disk one by one */
};

/* ---- objects ---- */

/* One answer for each id, in their order: the id again, or "<id> missing". */
static int has_answers(struct fl_str out, size_t n, bool *ret, struct fl_err *err)
{
    struct fl_str line;

    for (size_t i = 0; i < n; i++) {
        if (!fl_str_cut(&out, '\n', &line)) {
            return fl_fail(err, FL_E_BAD_DATA, "GitFailed", "git cat-file has not answered all");
        }
        ret[i] = !fl_str_ends(line, " missing");
    }
    return 0;
}

int repo_has(struct fl_repo *repo, const struct fl_ctx *ctx, const char *const *ids, size_t n,
             bool *ret, struct fl_err *err)
{
    static const char *const argv[] = {"cat-file", "--batch-check=%(objectname)", NULL};
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto_val(fl_buf) in = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_proc_resp) r;
    fl_auto_val(git_env) e;

    git_env_init(&e, a, repo->path);
    fl_proc_resp_init(&r);
    for (size_t i = 0; i < n; i++) {
        fl_buf_fmt(&in, "%s\n", ids[i]);
    }
    e.out_cap = in.len + n * sizeof(" missing") + 1;
    int rc = git_run(&e, argv, fl_buf_slice(&in), repo->lock_fd, 0, ctx, &r, err);
    if (rc) {
        return rc;
    }
    return r.exit_code == 0 ? has_answers(fl_buf_slice(&r.out), n, ret, err)
                            : git_fail(&r, "git cat-file", err);
}

int repo_has_all(struct fl_repo *repo, const struct fl_ctx *ctx, const struct fl_ref_move *v,
                 size_t n, struct fl_err *err)
{
    fl_auto(fl_arena) a = fl_arena_new();
    const char **ids = fl_arena_array(a, n, sizeof(*ids));
    bool *has = fl_arena_array(a, n, sizeof(*has));
    size_t k = 0;

    for (size_t i = 0; i < n; i++) {
        if (v[i].new) {
            ids[k++] = v[i].new;
        }
    }
    int rc = repo_has(repo, ctx, ids, k, has, err);
    for (size_t i = 0; i < k && !rc; i++) {
        if (!has[i]) {
            rc = fl_fail(err, FL_E_CONFLICT, "RemoteMoved",
                         "the remote moved since it was listed: %s is not there any more", ids[i]);
        }
    }
    return rc;
}

/* ---- moves ---- */

static int check_moves(const struct fl_ref_move *v, size_t n, struct fl_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *wrong = fl_git_ref_check(fl_str_of(v[i].name));

        if (wrong || !fl_text_starts(v[i].name, "refs/")) {
            return fl_fail(err, FL_E_INVALID, "RefInvalid", "%s: %s", v[i].name,
                           wrong ? wrong : "is not beneath refs/");
        }
        if ((v[i].old && !fl_git_oid_valid(fl_str_of(v[i].old))) ||
            (v[i].new && !fl_git_oid_valid(fl_str_of(v[i].new))) || (!v[i].old && !v[i].new)) {
            return fl_fail(err, FL_E_INVALID, "RefInvalid", "%s: no object id", v[i].name);
        }
    }
    return 0;
}

/* The input of update-ref; a name has neither spaces nor quotes at its start, so no -z is
 * needed. Two transactions, in this order: within one, "main" and "main/sub" are in each other's
 * way (reference 2.3). */
static size_t move_text(struct fl_buf *b, const struct fl_ref_move *v, size_t n, bool deletions)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        if ((v[i].new == NULL) != deletions) {
            continue;
        }
        if (count++ == 0) {
            fl_buf_text(b, "start\n");
        }
        if (deletions) {
            fl_buf_fmt(b, "delete %s %s\n", v[i].name, v[i].old);
        } else if (v[i].old) {
            fl_buf_fmt(b, "update %s %s %s\n", v[i].name, v[i].new, v[i].old);
        } else {
            fl_buf_fmt(b, "create %s %s\n", v[i].name, v[i].new);
        }
    }
    if (count > 0) {
        fl_buf_text(b, "prepare\ncommit\n");
    }
    return count;
}

static int pack_refs(struct git_env *e, struct fl_repo *repo, const struct fl_ctx *ctx,
                     struct fl_err *err)
{
    static const char *const argv[] = {"pack-refs", "--all", "--prune", NULL};
    fl_auto_val(fl_proc_resp) r;

    fl_proc_resp_init(&r);
    int rc = git_run(e, argv, (struct fl_str){0}, repo->lock_fd, 0, ctx, &r, err);
    return rc || r.exit_code == 0 ? rc : git_fail(&r, "git pack-refs", err);
}

/* Many loose refs are not put on disk one by one, but packed at once. A power cut before that
 * leaves some empty; open removes those, and the next pass makes them anew. */
static int move_by_git(struct fl_repo *repo, const struct fl_ctx *ctx, const struct fl_ref_move *v,
                       size_t n, struct fl_err *err)
{
    static const char *const argv[] = {"update-ref", "--no-deref", "--stdin", NULL};
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto_val(fl_buf) in = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_proc_resp) r;
    fl_auto_val(git_env) e;

    git_env_init(&e, a, repo->path);
    fl_proc_resp_init(&r);
    (void)move_text(&in, v, n, true);
    bool many = move_text(&in, v, n, false) > SYNC_EACH_MAX;
    if (many) {
        git_env_config(&e, "core.fsync", "none");
    }
    int rc = git_run(&e, argv, fl_buf_slice(&in), repo->lock_fd, 0, ctx, &r, err);
    if (!rc && r.exit_code != 0) {
        rc = git_fail(&r, "moving refs", err);
    }
    if (!rc && many) {
        git_env_config(&e, "core.fsync", "reference");
        rc = pack_refs(&e, repo, ctx, err);
    }
    return rc;
}

static int by_name(const void *a, const void *b)
{
    const struct fl_ref_move *x = a;
    const struct fl_ref_move *y = b;

    return strcmp(x->name, y->name);
}

/* Names are unique, and none is the folder of another ("main", "main/sub"): files could not have
 * it, so readers must not see it. A name's own folder sorts before it, though not right before
 * it ("a", "a-b", "a/b"). */
static int check_folders(const struct fl_ref_move *v, size_t n, struct fl_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && fl_text_eq(v[i - 1].name, v[i].name)) {
            return fl_fail(err, FL_E_INVALID, "RefInvalid", "%s is to move twice", v[i].name);
        }
        for (const char *p = strchr(v[i].name + 5, '/'); p; p = strchr(p + 1, '/')) {
            fl_auto_text folder = fl_strndup(v[i].name, (size_t)(p - v[i].name));
            struct fl_ref_move key = {.name = folder};

            if (bsearch(&key, v, n, sizeof(*v), by_name)) {
                return fl_fail(err, FL_E_CONFLICT, "RefMoved", "%s: there is %s too", v[i].name,
                               folder);
            }
        }
    }
    return 0;
}

/* As `git clone` writes the refs of a first fetch: into packed-refs at once (refs/packed-
 * backend.c). It does not say "peeled", which git then finds out by itself, until it packs refs
 * the next time. */
static int move_packed(struct fl_repo *repo, const struct fl_ctx *ctx, const struct fl_ref_move *v,
                       size_t n, struct fl_err *err)
{
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_text path = fl_asprintf("%s/packed-refs", repo->path);
    struct fl_ref_move *sorted = fl_arena_array(a, n, sizeof(*sorted));
    int rc = repo_has_all(repo, ctx, v, n, err);

    if (rc) {
        return rc;
    }
    memcpy(sorted, v, n * sizeof(*v));
    qsort(sorted, n, sizeof(*sorted), by_name);
    rc = check_folders(sorted, n, err);
    if (rc) {
        return rc;
    }
    fl_buf_text(&b, "# pack-refs with: sorted \n");
    for (size_t i = 0; i < n; i++) {
        fl_buf_fmt(&b, "%s %s\n", sorted[i].new, sorted[i].name);
    }
    return repo_write(path, fl_buf_slice(&b), err);
}

static bool creates_only(const struct fl_ref_move *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (v[i].old || !v[i].new) {
            return false;
        }
    }
    return true;
}

/* `git symbolic-ref HEAD`, as a file: a lock of git's own name, renamed over it. */
static int set_head(struct fl_repo *repo, const char *head, struct fl_err *err)
{
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto_text path = fl_asprintf("%s/HEAD", repo->path);
    fl_auto_text text = fl_asprintf("ref: %s\n", head);
    struct fl_git_refs now = {0};
    const char *wrong = fl_git_ref_check(fl_str_of(head));

    if (wrong || !fl_text_starts(head, "refs/")) {
        return fl_fail(err, FL_E_INVALID, "RefInvalid", "HEAD: %s: %s", head,
                       wrong ? wrong : "is not beneath refs/");
    }
    int rc = repo_head_read(repo->path, a, &now.head, err);
    if (rc || fl_text_eq(now.head, head)) {
        return rc;
    }
    return repo_write(path, fl_str_of(text), err);
}

int repo_move(struct fl_repo *repo, const struct fl_ctx *ctx, const struct fl_ref_move *v, size_t n,
              const char *head, struct fl_err *err)
{
    int rc = check_moves(v, n, err);

    if (!rc && n > 0) {
        bool packed = repo->fresh && n >= PACK_AT_ONCE && creates_only(v, n);

        rc = packed ? move_packed(repo, ctx, v, n, err) : move_by_git(repo, ctx, v, n, err);
        repo->fresh = repo->fresh && rc != 0;
    }
    return rc || !head ? rc : set_head(repo, head, err);
}
