/* SPDX-License-Identifier: Apache-2.0
 * Inside of command*.c. */
#ifndef FL_REMOTE_GIT_COMMAND_PRIV_H
#define FL_REMOTE_GIT_COMMAND_PRIV_H

#include "remote/git/command.h"

void git_key_dir_remove(const char *dir);
/* git_run for a command with any number of arguments. */
int git_run_long(struct git_env *e, const char *const *argv, int keep_fd, const struct fl_ctx *ctx,
                 struct fl_proc_resp *ret, struct fl_err *err);

#endif
