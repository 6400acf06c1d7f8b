/* SPDX-License-Identifier: Apache-2.0
 * A folder with a source repository, a server for it, the adapter's remote and a mirror; and one
 * pass as the reconciler makes it, without guards. */
#ifndef FL_TESTS_CONTRACT_GITBOX_H
#define FL_TESTS_CONTRACT_GITBOX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/mem.h"
#include "fake/githttp.h"
#include "remote/git/mirror.h"
#include "wire/http.h"
#include "wire/proc.h"

struct gitbox {
    char *dir;
    struct fl_fake_githttp *server;
    struct fl_remote *remote;
    struct fl_repo *repo;
    char *url, *mirror;
    const char *const *include; /* NULL: heads and tags */
    int64_t max_pack_bytes;
    bool no_fsck;
    struct fl_cancel cancel;
};

static inline struct fl_ctx box_ctx(struct gitbox *b)
{
    return fl_ctx_root(fl_clock_real(), &b->cancel);
}

/* A script of sh in the box's folder; GIT_DIR is the source. `tip` says what makes a commit: `c
 * MESSAGE [PARENT]` prints its id. What it prints, without the last newline. */
static inline char *box_sh(struct gitbox *b, const char *fmt, ...) fl_printf_like(2, 3);
static inline char *box_sh(struct gitbox *b, const char *fmt, ...)
{
    static const char prelude[] = "set -e; git() { command git \"$@\"; }; "
                                  "c() { t=$(printf '%s\\n' \"$1\" | git hash-object -w --stdin | "
                                  "sed 's/^/100644 blob /;s/$/\tfile/' | git mktree); "
                                  "git commit-tree -m \"$1\" ${2:+-p} ${2:+$2} $t; }; ";
    fl_auto_val(fl_buf) script = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_proc_resp) r;
    fl_auto_text git_dir = fl_asprintf("GIT_DIR=%s/src.git", b->dir);
    const char *const env[] = {"PATH=/usr/bin:/bin",
                               "HOME=/nonexistent",
                               "GIT_CONFIG_NOSYSTEM=1",
                               "GIT_CONFIG_GLOBAL=/dev/null",
                               "GIT_AUTHOR_NAME=a",
                               "GIT_AUTHOR_EMAIL=a@example.org",
                               "GIT_COMMITTER_NAME=a",
                               "GIT_COMMITTER_EMAIL=a@example.org",
                               "GIT_AUTHOR_DATE=1700000000 +0000",
                               "GIT_COMMITTER_DATE=1700000000 +0000",
                               git_dir,
                               NULL};
    struct fl_ctx ctx = fl_ctx_root(fl_clock_real(), NULL);
    struct fl_err err = FL_ERR_INIT;
    va_list ap;

    fl_buf_text(&script, prelude);
    va_start(ap, fmt);
    fl_buf_vfmt(&script, fmt, ap);
    va_end(ap);
    const char *argv[] = {"sh", "-c", script.data, NULL};
    fl_proc_resp_init(&r);
    int rc = fl_proc_run(
        &(struct fl_proc_req){
            .argv = argv, .env = env, .dir = b->dir, .out_cap = 64 << 20, .keep_fd = -1},
        &ctx, &r, &err);
    if (rc || r.exit_code != 0) {
        fail_msg("%s: %d %s, code %d: %s", script.data + sizeof(prelude) - 1, rc, err.msg,
                 r.exit_code, r.err.data);
    }
    if (r.out.len > 0 && r.out.data[r.out.len - 1] == '\n') {
        fl_buf_truncate(&r.out, r.out.len - 1);
    }
    return fl_buf_take(&r.out);
}
#define SH(...)                                                                                    \
    do {                                                                                           \
        fl_auto_text sh_out_ = box_sh(__VA_ARGS__);                                                \
        (void)sh_out_;                                                                             \
    } while (0)

static inline struct fl_remote *box_remote(const char *url, const char *run_dir, const char *user,
                                           const char *password)
{
    static const char *const reach[] = {"127.0.0.1", NULL};
    struct fl_remote_key secret[] = {{"username", fl_str_of(user)},
                                     {"password", fl_str_of(password)}};
    struct fl_remote_conf conf = {.url = url,
                                  .timeout_ms = 60000,
                                  .max_concurrent = 4,
                                  .private_hosts = reach,
                                  .run_dir = run_dir,
                                  .insecure = true,
                                  .secret = user ? secret : NULL,
                                  .n_secret = user ? 2 : 0,
                                  .clock = fl_clock_real()};
    struct fl_remote *r = NULL;
    struct fl_err err = FL_ERR_INIT;

    if (fl_adapter_git.open(&conf, &r, &err)) {
        fail_msg("open %s: %s", url, err.msg);
    }
    return r;
}

static inline struct gitbox *box_new(const struct fl_fake_githttp_conf *conf)
{
    struct gitbox *b = FL_NEW(struct gitbox);
    struct fl_fake_githttp_conf c = conf ? *conf : (struct fl_fake_githttp_conf){0};

    b->dir = fl_strdup("/tmp/fl-git-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    SH(b, "git init -q --bare -b main; git config http.receivepack true");
    c.root = b->dir;
    b->server = fl_fake_githttp_new(&c);
    b->url = fl_asprintf("%s/src.git", fl_fake_githttp_url(b->server));
    b->mirror = fl_asprintf("%s/mirrors/m.git", b->dir);
    fl_auto_text run_dir = fl_asprintf("%s/run", b->dir);
    b->remote = box_remote(b->url, run_dir, c.user, c.password);
    return b;
}

static inline void box_close(struct gitbox *b)
{
    fl_adapter_git.repo->close(b->repo);
    b->repo = NULL;
}

static inline void box_free(struct gitbox *b)
{
    box_close(b);
    fl_adapter_git.close(b->remote);
    fl_fake_githttp_free(b->server);
    SH(b, "rm -rf %s", b->dir);
    fl_free(b->dir);
    fl_free(b->url);
    fl_free(b->mirror);
    fl_free(b);
}

static inline int box_open(struct gitbox *b, struct fl_err *err)
{
    struct fl_ctx ctx = box_ctx(b);

    box_close(b);
    return fl_adapter_git.repo->open(
        &(struct fl_repo_conf){.path = b->mirror, .clock = fl_clock_real()}, &ctx, &b->repo, err);
}

static inline struct fl_ref_filter box_filter(const struct gitbox *b)
{
    static const char *const usual[] = {"refs/heads/**", "refs/tags/**", NULL};
    struct fl_ref_filter f = {.include = b->include ? b->include : usual, .max_refs = 1000000};

    while (f.include[f.n_include]) {
        f.n_include++;
    }
    return f;
}

struct box_moves {
    struct fl_ref_move *v;
    size_t n, bring; /* those that are no deletions stand first */
};

static inline struct box_moves box_plan(struct fl_arena *a, const struct fl_git_refs *here,
                                        const struct fl_git_refs *there)
{
    struct box_moves m = {.v = fl_arena_array(a, here->n + there->n, sizeof(*m.v))};
    size_t gone = here->n + there->n;
    size_t i = 0;
    size_t k = 0;

    while (i < here->n || k < there->n) {
        int order = i >= here->n    ? 1
                    : k >= there->n ? -1
                                    : strcmp(here->v[i].name, there->v[k].name);
        if (order < 0) {
            m.v[--gone] = (struct fl_ref_move){here->v[i].name, here->v[i].oid, NULL, false};
            i++;
            continue;
        }
        if (order > 0) {
            m.v[m.bring++] = (struct fl_ref_move){there->v[k].name, NULL, there->v[k].oid, false};
        } else if (!fl_text_eq(here->v[i].oid, there->v[k].oid)) {
            m.v[m.bring++] =
                (struct fl_ref_move){there->v[k].name, here->v[i].oid, there->v[k].oid, false};
        }
        i += order == 0;
        k++;
    }
    m.n = m.bring;
    for (; gone < here->n + there->n; gone++) {
        m.v[m.n++] = m.v[gone];
    }
    return m;
}

/* One pass; the plan's moves are left in *ret when asked for. */
static inline int box_pass(struct gitbox *b, struct fl_arena *a, struct box_moves *ret,
                           struct fl_err *err)
{
    struct fl_ctx ctx = box_ctx(b);
    struct fl_ref_filter f = box_filter(b);
    struct fl_ref_list list = {0};
    struct fl_git_refs here = {0};
    struct fl_fetch_stats stats = {0};
    int rc = b->repo ? 0 : box_open(b, err);

    if (!rc) {
        rc = fl_adapter_git.mirror->list(b->remote, &ctx, a, &f, &list, err);
    }
    if (!rc) {
        rc = fl_adapter_git.repo->refs(b->repo, a, &here, err);
    }
    if (rc) {
        return rc;
    }
    struct box_moves m = box_plan(a, &here, &list.refs);
    if (m.bring > 0) {
        struct fl_fetch_want want = {.v = m.v,
                                     .n = m.bring,
                                     .filter = &f,
                                     .url = list.url,
                                     .max_pack_bytes = b->max_pack_bytes,
                                     .fsck = !b->no_fsck};
        rc = fl_adapter_git.mirror->fetch(b->remote, &ctx, b->repo, &want, &stats, err);
    }
    if (!rc) {
        rc = fl_adapter_git.repo->forced(b->repo, &ctx, m.v, m.bring, err);
    }
    if (!rc) {
        rc = fl_adapter_git.repo->move(b->repo, &ctx, m.v, m.n, list.refs.head, err);
    }
    if (!rc && ret) {
        *ret = m;
    }
    return rc;
}

/* What a user's git sees of the mirror and of the source: HEAD's target and refs. */
static inline void box_assert_equal(struct gitbox *b)
{
    fl_auto_text there = box_sh(b, "git symbolic-ref HEAD; git for-each-ref "
                                   "--format='%%(objectname) %%(refname)' refs/heads refs/tags");
    fl_auto_text here = box_sh(b,
                               "export GIT_DIR=%s; git symbolic-ref HEAD; git for-each-ref "
                               "--format='%%(objectname) %%(refname)' refs/heads refs/tags; ",
                               b->mirror);
    assert_string_equal(here, there);
    SH(b, "GIT_DIR=%s git fsck --no-dangling 2>&1", b->mirror);
}

static inline void box_sync(struct gitbox *b)
{
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_err err = FL_ERR_INIT;

    if (box_pass(b, a, NULL, &err)) {
        fail_msg("pass: %s: %s", err.reason, err.msg);
    }
    box_assert_equal(b);
}

#endif
