/* SPDX-License-Identifier: Apache-2.0
 * Large files, by git-lfs where it is installed. */
#include <unistd.h>

#include "remote/git/command.h"

static bool lfs_is_here(void)
{
    static const char *const places[] = {"/usr/local/bin/git-lfs", "/usr/bin/git-lfs",
                                         "/bin/git-lfs"};
    for (size_t i = 0; i < FL_LEN(places); i++) {
        if (access(places[i], X_OK) == 0) {
            return true;
        }
    }
    return false;
}

/* git-lfs asks beneath "<url>.git/info/lfs" where the URL does not end so (git-lfs
 * docs/api/server-discovery), which the header's scope must then take in. It resolves names by
 * itself: what is pinned for git is not for it. */
int git_fetch_lfs(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_repo *repo,
                  struct fl_err *err)
{
    const char *const argv[] = {"lfs", "fetch", "--all", r->url_text, NULL};
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto_val(fl_proc_resp) res;
    fl_auto_val(git_env) e;

    git_env_init(&e, a, repo->path);
    fl_proc_resp_init(&res);
    if (!lfs_is_here()) {
        return fl_fail(err, FL_E_UNSUPPORTED, "LFSNotInstalled",
                       "the program git-lfs is not installed here");
    }
    int rc = git_env_remote(&e, r, r->url_text, ctx, err);
    if (!rc) {
        rc = git_run(&e, argv, (struct fl_str){0}, repo->lock_fd, 0, ctx, &res, err);
    }
    if (!rc && res.exit_code != 0) {
        rc = git_fail_remote(&e, &res, "git lfs fetch", err);
    }
    return rc;
}
