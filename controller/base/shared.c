/* SPDX-License-Identifier: Apache-2.0 */
#include "base/shared.h"

#include "base/mem.h"

struct fl_shared *fl_shared_new(struct fl_str s)
{
    struct fl_shared *x = fl_malloc(sizeof(*x) + s.n + 1);
    atomic_init(&x->refs, 1);
    x->n = s.n;
    if (s.n) {
        memcpy(x->data, s.p, s.n);
    }
    x->data[s.n] = '\0';
    return x;
}

struct fl_shared *fl_shared_ref(struct fl_shared *s)
{
    if (s) {
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    }
    return s;
}

void fl_shared_free(struct fl_shared *s)
{
    if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) {
        fl_free(s);
    }
}
