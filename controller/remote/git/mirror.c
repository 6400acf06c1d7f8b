/* SPDX-License-Identifier: Apache-2.0
 * The adapter's table. */
#include "remote/git/mirror.h"

#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "remote/git/client.h"
#include "remote/git/command.h"

static const struct fl_mirror_ops mirror_ops = {
    .list = git_list,
    .fetch = git_fetch,
    .list_target = git_list_target,
    .push = git_push,
    .fetch_lfs = git_fetch_lfs,
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
