/* SPDX-License-Identifier: Apache-2.0
 * Pushes on to another remote. Each ref by its full name, never --mirror and never --prune: what
 * a host hides (refs/pull/ and the like) is refused one by one, and must neither be deleted nor
 * hide the rest (reference 2.6). */
#include "base/mem.h"
#include "remote/git/repo_priv.h"

enum {
    PUSH_ARGS = 768 << 10, /* bytes of one command line; Linux takes 2 MiB with the environment */
    PUSH_LINE = 1536, /* bytes that git says of one ref at most: its name twice would be less */
    PUSH_OUT_MIN = 64 << 10
};

static const char DIVERGED[] = "it has commits that the mirror does not have";

struct push {
    struct git_env *env;
    struct fl_repo *repo;
    const struct fl_ctx *ctx;
    const struct fl_push_want *want;
    const char *url;
    const bool *skip; /* of want->v: left as it is */
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

static void args_fixed(struct args *a)
{
    static const char *const rows[] = {"push", "--porcelain", "--no-verify", "--no-follow-tags",
                                       "--recurse-submodules=no"};
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        args_add(a, rows[i]);
    }
}

/* '+' beats a lease, so it stands only where overwriting is asked for. */
static const char *refspec(struct fl_arena *a, const struct fl_ref_move *m,
                           enum fl_push_divergence d)
{
    return fl_arena_fmt(a, "%s%s:%s", d == FL_PUSH_OVERWRITE && m->new ? "+" : "",
                        m->new ? m->new : "", m->name);
}

/* Between the list and the push somebody else may have pushed. Nothing behind the ':' says that
 * it must not be there. */
static const char *lease(struct fl_arena *a, const struct fl_ref_move *m)
{
    return fl_arena_fmt(a, "--force-with-lease=%s:%s", m->name, m->old ? m->old : "");
}

/* Fills one command from want->v[*at] on. */
static void push_args(const struct push *p, struct args *a, size_t *at)
{
    const struct fl_push_want *w = p->want;
    struct args specs = {.arena = a->arena};
    size_t i = *at;

    args_fixed(a);
    for (; i < w->n && a->bytes + specs.bytes < PUSH_ARGS; i++) {
        if (p->skip[i]) {
            continue;
        }
        if (w->divergence == FL_PUSH_KEEP_DIVERGENT) {
            args_add(a, lease(a->arena, &w->v[i]));
        }
        args_add(&specs, refspec(a->arena, &w->v[i], w->divergence));
    }
    args_add(a, "--");
    args_add(a, p->url);
    for (size_t k = 0; k < specs.n; k++) {
        args_add(a, specs.v[k]);
    }
    args_add(a, NULL);
    *at = i;
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
    fl_auto_val(fl_proc_resp) r;

    fl_proc_resp_init(&r);
    push_args(p, &a, at);
    p->env->out_cap = PUSH_OUT_MIN + a.n * PUSH_LINE;
    int rc = git_run_long(p->env, a.v, p->repo->lock_fd, p->ctx, &r, err);
    if (!rc && !told_of_refs(&r)) {
        rc = git_fail_remote(p->env, &r, "git push", err);
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

/* Whether the mirror has what the target has: then the target is behind, or at what was forced
 * away upstream, and may be moved. */
static int find_diverged(struct fl_repo *repo, const struct fl_ctx *ctx,
                         const struct fl_push_want *want, bool *ret, struct fl_err *err)
{
    fl_auto(fl_arena) a = fl_arena_new();
    const char **ids = fl_arena_array(a, want->n, sizeof(*ids));
    bool *has = fl_arena_array(a, want->n, sizeof(*has));

    for (size_t i = 0; i < want->n; i++) {
        ids[i] = want->v[i].old ? want->v[i].old : want->v[i].new;
    }
    int rc = repo_has(repo, ctx, ids, want->n, has, err);
    for (size_t i = 0; i < want->n && !rc; i++) {
        ret[i] = !has[i];
    }
    return rc;
}

int git_push(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
             struct fl_repo *repo, const struct fl_push_want *want, struct fl_push_ref **ret,
             struct fl_err *err)
{
    bool *skip = fl_arena_array(a, want->n, sizeof(*skip));
    fl_auto(fl_arena) env_arena = fl_arena_new();
    struct fl_push_ref *v = NULL;
    fl_auto_val(git_env) e;
    struct push p = {
        .env = &e, .repo = repo, .ctx = ctx, .want = want, .url = r->url_text, .skip = skip};
    int rc = 0;

    git_env_init(&e, env_arena, repo->path);
    fl_buf_init(&p.out, FL_BUF_ANY);
    if (want->divergence == FL_PUSH_KEEP_DIVERGENT && want->n > 0) {
        rc = find_diverged(repo, ctx, want, skip, err);
    }
    if (!rc && left(&p, 0) > 0) {
        rc = git_env_remote(&e, r, p.url, ctx, err);
    }
    for (size_t at = 0; !rc && left(&p, at) > 0;) {
        rc = push_some(&p, &at, err);
    }
    if (!rc) {
        rc = git_push_parse(fl_buf_slice(&p.out), want, a, &v, err);
    }
    fl_buf_release(&p.out);
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
