/* SPDX-License-Identifier: Apache-2.0
 * The adapter's table. */
#include "remote/git/mirror.h"

#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "remote/git/client.h"
#include "remote/git/command.h"
#include "remote/git/repo_priv.h"

static int fetch_or_tell(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_repo *repo,
                         const struct fl_fetch_want *want, struct fl_fetch_stats *ret,
                         struct fl_err *err)
{
    return repo_tell_disk(repo->path, git_fetch(r, ctx, repo, want, ret, err), err);
}

static int push_or_tell(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
                        struct fl_repo *repo, const struct fl_push_want *want,
                        struct fl_push_ref **ret, struct fl_err *err)
{
    return repo_tell_disk(repo->path, git_push(r, ctx, a, repo, want, ret, err), err);
}

static int fetch_lfs_or_tell(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_repo *repo,
                             struct fl_err *err)
{
    return repo_tell_disk(repo->path, git_fetch_lfs(r, ctx, repo, err), err);
}

static const struct fl_mirror_ops mirror_ops = {
    .list = git_list,
    .fetch = fetch_or_tell,
    .list_target = git_list_target,
    .push = push_or_tell,
    .fetch_lfs = fetch_lfs_or_tell,
};

const struct fl_adapter fl_adapter_git = {
    .name = "git",
    .open = git_remote_open,
    .close = git_remote_close,
    .mirror = &mirror_ops,
    .repo = &git_repo_ops,
};

/* What cannot be made now is told by the first command that needs it. */
void fl_adapter_git_start(const char *run_dir)
{
    fl_auto_text path = fl_strdup(run_dir);

    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0755);
        *slash = '/';
    }
    (void)mkdir(run_dir, 0700);
    git_key_dirs_sweep(run_dir);
}
