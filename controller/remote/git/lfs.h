/* SPDX-License-Identifier: Apache-2.0
 * The program git-lfs: whom it may ask, and what its failures mean. */
#ifndef FL_REMOTE_GIT_LFS_H
#define FL_REMOTE_GIT_LFS_H

#include "remote/git/command.h"

/* Where the large files of a repository are asked for; in the arena. */
const char *git_lfs_url(struct fl_arena *a, const char *url);
/* The failure for git-lfs's words: AUTH where the server asks for other credentials, else
 * UNAVAILABLE, with the first line that tells why. */
int git_lfs_fail(const struct fl_proc_resp *r, struct fl_err *err);

#endif
