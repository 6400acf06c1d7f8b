/* SPDX-License-Identifier: Apache-2.0
 * Pushes on to another remote. Each ref by its full name, never --mirror and never --prune: what a
 * host hides (refs/pull/ and the like) is refused one by one, and must neither be deleted nor hide
 * the rest (reference 2.6).
 *
 * Git compares each refspec that is written out with each ref of the repository, and of the remote
 * (remote.c, count_refspec_match): minutes for 10,000. A pattern it looks up. So the push starts
 * from a folder that has no refs but those that are to go, and the mirror's objects, with one
 * pattern for all of them. */
#include <errno.h>

#include "base/mem.h"
#include "remote/git/repo_priv.h"

enum {
    PUSH_ARGS = 768 << 10, /* bytes of one command line; Linux takes 2 MiB with the environment */
    PUSH_LINE = 2 * FL_GIT_REF_MAX + 512, /* bytes that git says of one ref at most */
    PUSH_OUT_MIN = 64 << 10
};

static const char DIVERGED[] = "it has commits that the mirror does not have";

struct push {
    struct fl_repo *repo;
    struct fl_remote *remote;
    const struct fl_ctx *ctx;
    const struct fl_push_want *want;
    const bool *skip; /* of want->v: left as it is */
    char *view;       /* the folder */
    struct fl_buf out;
};

struct args {
    struct fl_arena *arena;
    const char **v;
    size_t n;
    size_t bytes;
};

static void args_add(struct args *a, const char *text)
{
    a->v = fl_arena_grow(a->arena, a->v, a->n, sizeof(*a->v));
    a->v[a->n++] = text;
    a->bytes += text ? strlen(text) + 1 + sizeof(text) : 0;
}

/* Between the list and the push somebody else may have pushed. Nothing behind the ':' says that it
 * must not be there. A '+' beats a lease, so it stands only where overwriting is asked for, and
 * never before a deletion: git looks at nothing else there. */
static const char *lease(struct fl_arena *a, const struct fl_ref_move *m)
{
    return fl_arena_fmt(a, "--force-with-lease=%s:%s", m->name, m->old ? m->old : "");
}

static int by_name(const void *a, const void *b)
{
    const struct fl_ref_move *x = *(const struct fl_ref_move *const *)a;
    const struct fl_ref_move *y = *(const struct fl_ref_move *const *)b;

    return strcmp(x->name, y->name);
}

/* A repository without objects of its own; what is in packed-refs goes. */
static int view_make(const struct push *p, const struct fl_ref_move **v, size_t n,
                     struct fl_err *err)
{
    fl_auto_val(fl_buf) refs = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_text folder = fl_asprintf("%s/refs", p->view);
    const struct {
        const char *name;
        struct fl_str content;
    } files[] = {{"config", p->repo->sha256
                                ? FL_STR("[core]\n\trepositoryformatversion = 1\n\tbare = "
                                         "true\n[extensions]\n\tobjectformat = sha256\n")
                                : FL_STR("[core]\n\trepositoryformatversion = 0\n"
                                         "\tbare = true\n")},
                 {"HEAD", FL_STR("ref: refs/none\n")},
                 {"packed-refs", {0}}};
    int rc = repo_remove_tree(p->view, err);

    if (!rc && (mkdir(p->view, 0700) != 0 || mkdir(folder, 0700) != 0)) {
        rc = repo_fail(errno, "create folder", p->view, err);
    }
    qsort(v, n, sizeof(*v), by_name);
    fl_buf_text(&refs, "# pack-refs with: sorted \n");
    for (size_t i = 0; i < n; i++) {
        fl_buf_fmt(&refs, "%s %s\n", v[i]->new, v[i]->name);
    }
    for (size_t i = 0; i < FL_LEN(files) && !rc; i++) {
        fl_auto_text path = fl_asprintf("%s/%s", p->view, files[i].name);

        rc = repo_write(path, files[i].content.n ? files[i].content : fl_buf_slice(&refs), err);
    }
    return rc;
}

/* Fills one command from want->v[*at] on, and what is to be in its view. */
static size_t push_args(const struct push *p, struct args *a, size_t *at,
                        const struct fl_ref_move **go)
{
    static const char *const fixed[] = {"push", "--porcelain", "--no-verify", "--no-follow-tags",
                                        "--recurse-submodules=no"};
    const struct fl_push_want *w = p->want;
    struct args gone = {.arena = a->arena};
    size_t n = 0;
    size_t i = *at;

    for (size_t k = 0; k < FL_LEN(fixed); k++) {
        args_add(a, fixed[k]);
    }
    for (; i < w->n && a->bytes + gone.bytes < PUSH_ARGS; i++) {
        if (p->skip[i]) {
            continue;
        }
        if (!w->v[i].new || w->divergence == FL_PUSH_KEEP_DIVERGENT) {
            args_add(a, lease(a->arena, &w->v[i]));
        }
        if (w->v[i].new) {
            go[n++] = &w->v[i];
        } else {
            args_add(&gone, fl_arena_fmt(a->arena, ":%s", w->v[i].name));
        }
    }
    args_add(a, "--");
    args_add(a, w->url);
    if (n > 0) {
        args_add(a, w->divergence == FL_PUSH_OVERWRITE ? "+refs/*:refs/*" : "refs/*:refs/*");
    }
    for (size_t k = 0; k < gone.n; k++) {
        args_add(a, gone.v[k]);
    }
    args_add(a, NULL);
    *at = i;
    return n;
}

/* Exit code 1 with a '!' line: single refs were refused, and git has told of each. */
static bool told_of_refs(const struct fl_proc_resp *r)
{
    return r->exit_code == 0 || (r->exit_code == 1 && (fl_text_starts(r->out.data, "!\t") ||
                                                       strstr(r->out.data, "\n!\t")));
}

static int push_some(struct push *p, size_t *at, struct fl_err *err)
{
    fl_auto(fl_arena) arena = fl_arena_new();
    struct args a = {.arena = arena};
    const struct fl_ref_move **go = fl_arena_array(arena, p->want->n, sizeof(*go));
    fl_auto_val(fl_proc_resp) r;
    fl_auto_val(git_env) e;

    fl_proc_resp_init(&r);
    git_env_init(&e, arena, p->view);
    git_env_set(&e, "GIT_OBJECT_DIRECTORY", fl_arena_fmt(arena, "%s/objects", p->repo->path));
    size_t n = push_args(p, &a, at, go);
    e.out_cap = PUSH_OUT_MIN + (n + a.n) * PUSH_LINE;
    int rc = view_make(p, go, n, err);
    if (!rc) {
        rc = git_env_remote(&e, p->remote, p->want->url, p->ctx, err);
    }
    if (!rc) {
        rc = git_run_long(&e, a.v, p->repo->lock_fd, p->ctx, &r, err);
    }
    if (!rc && !told_of_refs(&r)) {
        rc = git_fail_remote(&e, &r, "git push", err);
    }
    fl_buf_str(&p->out, fl_buf_slice(&r.out));
    return rc;
}

static size_t left(const struct push *p, size_t at)
{
    size_t n = 0;

    for (; at < p->want->n; at++) {
        n += !p->skip[at];
    }
    return n;
}

/* Whether the target has its own word on it. Of what moves forward git sees to it itself. */
static bool may_diverge(const struct fl_push_want *want, const struct fl_ref_move *m)
{
    return want->divergence == FL_PUSH_KEEP_DIVERGENT ||
           (want->divergence == FL_PUSH_FAST_FORWARD_ONLY && !m->new);
}

/* Whether the mirror has what the target has: then the target is behind, or at what was forced
 * away upstream, and may be moved. */
static int find_diverged(struct fl_repo *repo, const struct fl_ctx *ctx,
                         const struct fl_push_want *want, bool *ret, struct fl_err *err)
{
    fl_auto(fl_arena) a = fl_arena_new();
    const char **ids = fl_arena_array(a, want->n, sizeof(*ids));
    bool *has = fl_arena_array(a, want->n, sizeof(*has));

    size_t n = 0;
    for (size_t i = 0; i < want->n; i++) {
        if (want->v[i].old && may_diverge(want, &want->v[i])) {
            ids[n++] = want->v[i].old;
        }
    }
    int rc = n > 0 ? repo_has(repo, ctx, ids, n, has, err) : 0;
    n = 0;
    for (size_t i = 0; i < want->n && !rc; i++) {
        if (want->v[i].old && may_diverge(want, &want->v[i])) {
            ret[i] = !has[n++];
        }
    }
    return rc;
}

int git_push(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
             struct fl_repo *repo, const struct fl_push_want *want, struct fl_push_ref **ret,
             struct fl_err *err)
{
    bool *skip = fl_arena_array(a, want->n, sizeof(*skip));
    fl_auto_text view = fl_asprintf("%s/" REPO_PUSH, repo->path);
    struct fl_push_ref *v = NULL;
    struct push p = {
        .repo = repo, .remote = r, .ctx = ctx, .want = want, .skip = skip, .view = view};
    int rc = 0;

    fl_buf_init(&p.out, FL_BUF_ANY);
    if (want->divergence != FL_PUSH_OVERWRITE) {
        rc = find_diverged(repo, ctx, want, skip, err);
    }
    for (size_t at = 0; !rc && left(&p, at) > 0;) {
        rc = push_some(&p, &at, err);
    }
    if (!rc) {
        rc = git_push_parse(fl_buf_slice(&p.out), want, a, &v, err);
    }
    fl_buf_release(&p.out);
    (void)repo_remove_tree(view, NULL);
    for (size_t i = 0; !rc && i < want->n; i++) {
        if (skip[i]) {
            v[i] = (struct fl_push_ref){want->v[i].name, FL_PUSH_REJECTED, DIVERGED};
        }
    }
    if (!rc) {
        *ret = v;
    }
    return rc;
}
