/* SPDX-License-Identifier: Apache-2.0
 * The commands of the program, each a function from options to an exit code. */
#ifndef FL_APP_PROGRAM_H
#define FL_APP_PROGRAM_H

#include "app/options.h"

int fl_program_standalone(const struct fl_options *o);
int fl_program_run(const struct fl_options *o);
int fl_program_rotate_key(const struct fl_options *o);

/* Waits for SIGTERM or SIGINT; after it a second one ends the process at once. The signals must be blocked in all threads
 * (fl_program_block_signals, before any thread). */
void fl_program_block_signals(void);
void fl_program_wait_signal(void);
/* Logs the failure once; returns the exit code: 2 for reason "Usage", else 1. */
int fl_program_fail(const char *what, const struct fl_err *err);

#endif
