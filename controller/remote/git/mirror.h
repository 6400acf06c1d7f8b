/* SPDX-License-Identifier: Apache-2.0
 * The adapter `git`: any git server over http(s) or ssh, and the repositories on disk. */
#ifndef FL_REMOTE_GIT_MIRROR_H
#define FL_REMOTE_GIT_MIRROR_H

#include "port/adapter.h"
#include "port/mirror.h"

extern const struct fl_adapter fl_adapter_git;

/* Makes run_dir, which is to be private, and removes the key files that a crashed predecessor left there. At start, before any
 * command. */
void fl_adapter_git_start(const char *run_dir);

#endif
