/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include "base/mem.h"
#include "base/text.h"

/* The compiler cannot know what stands in a volatile pointer, so it cannot leave the call out. */
static void *(*const volatile wipe_with)(void *, int, size_t) = memset;

void fl_wipe(void *p, size_t n)
{
    if (n > 0) {
        (void)wipe_with(p, 0, n);
    }
}

void fl_secret_set(struct fl_secret *s, struct fl_str value)
{
    struct fl_secret copy = {0};
    if (value.p) {
        copy.p = fl_malloc(value.n + 1);
        copy.n = value.n;
        memcpy(copy.p, value.p, value.n);
        copy.p[value.n] = '\0';
    }
    fl_secret_release(s); /* after the copy: value may be a slice of it */
    *s = copy;
}

void fl_secret_release(struct fl_secret *s)
{
    if (s->p) {
        fl_wipe(s->p, s->n);
        fl_free(s->p);
    }
    *s = (struct fl_secret){0};
}

bool fl_secret_is(const struct fl_secret *s, struct fl_str value)
{
    return s->p && fl_const_eq((struct fl_str){s->p, s->n}, value);
}

void fl_buf_wipe(struct fl_buf *b)
{
    if (b->alloc > 0) {
        fl_wipe(b->data, b->alloc);
    }
    fl_buf_release(b);
}
