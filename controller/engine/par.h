/* SPDX-License-Identifier: Apache-2.0
 * A bounded fan-out: fn(arg, i) for i in 0..n-1 on at most `threads` threads (the caller's is one of them). Returns when all
 * are done. Small stacks (256 KiB). */
#ifndef FL_ENGINE_PAR_H
#define FL_ENGINE_PAR_H

#include "base/cc.h"

void fl_par_for(size_t n, int threads, void (*fn)(void *arg, size_t i), void *arg);

#endif
