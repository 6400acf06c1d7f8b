/* SPDX-License-Identifier: Apache-2.0
 * Immutable bytes with an atomic count: published once, then read by any thread (event lines, cached texts). */
#ifndef FL_BASE_SHARED_H
#define FL_BASE_SHARED_H

#include <stdatomic.h>

#include "base/str.h"

struct fl_shared {
    atomic_size_t refs;
    size_t n;
    char data[]; /* n bytes and a terminator */
};

struct fl_shared *fl_shared_new(struct fl_str s); /* copies; one reference */
struct fl_shared *fl_shared_ref(struct fl_shared *s);
void fl_shared_free(struct fl_shared *s); /* drops one reference; NULL is fine */
static inline struct fl_str fl_shared_str(const struct fl_shared *s)
{
    return (struct fl_str){s->data, s->n};
}
FL_AUTO(fl_shared);

#endif
