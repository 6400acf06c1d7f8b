/* SPDX-License-Identifier: Apache-2.0
 * Time as an argument. The real clock in the program, a fake one in tests, which moves only when told. */
#ifndef FL_BASE_CLOCK_H
#define FL_BASE_CLOCK_H

#include "base/lock.h"

struct fl_clock;

#define FL_NEVER INT64_MAX

struct fl_clock *fl_clock_real(void);                /* shared, never freed */
struct fl_clock *fl_clock_fake_new(int64_t wall_ms); /* monotonic time starts at 0 */
void fl_clock_free(struct fl_clock *c); /* fake only; NULL and the real one are ignored */
/* Moves a fake clock (ms >= 0) and wakes all who wait on it: each has seen the new time or will see it. Any thread that
 * holds no lock: it takes the locks of those who wait. */
void fl_clock_advance(struct fl_clock *c, int64_t ms);
int64_t fl_clock_mono_ms(struct fl_clock *c);
int64_t fl_clock_wall_ms(struct fl_clock *c);
int64_t fl_clock_wall_us(struct fl_clock *c);
/* Waits until `cond` is signalled or the monotonic time reaches deadline_ms (FL_NEVER: no limit). Spurious
 * wake-ups happen: the caller loops over its own condition. `l` is held on entry and on return, and is the last lock
 * taken; its rank is below FL_RANK_CLOCK. */
void fl_clock_wait(struct fl_clock *c, struct fl_cond *cond, struct fl_lock *l,
                   int64_t deadline_ms);
FL_AUTO(fl_clock);

#endif
