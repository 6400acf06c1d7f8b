/* SPDX-License-Identifier: Apache-2.0
 * Which deliveries were taken already: the last 32,768 to 65,536 of them, as keyed hashes, in at most 2 MiB. Its owner's lock. */
#ifndef FL_HOOK_SEEN_H
#define FL_HOOK_SEEN_H

#include "base/str.h"

#define HOOK_SEEN_HALF 32768

struct hook_seen {
    uint64_t key[2];
    uint64_t *now, *before; /* open addressing, 0 = free; NULL until needed */
    size_t n;               /* in now */
};
void hook_seen_init(struct hook_seen *s);
void hook_seen_release(struct hook_seen *s);
bool hook_seen_has(const struct hook_seen *s, struct fl_str route, struct fl_str id);
void hook_seen_add(struct hook_seen *s, struct fl_str route, struct fl_str id);

#endif
