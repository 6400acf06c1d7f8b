/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>

#include "base/mem.h"

enum {
    BLOCK_FIRST = 4096,
    BLOCK_MAX = 256 * 1024,
};

struct block {
    struct block *next;
    size_t size; /* of the data */
    size_t used;
    max_align_t data[];
};

/* `last` is where small allocations go on. Large ones get a block of their own, put behind `first`,
 * so that what is free in `last` is not lost. */
struct fl_arena {
    struct block *first;
    struct block *last;
    size_t next_size;
    size_t used;
};

static struct block *block_new(size_t size)
{
    struct block *b = fl_malloc(sizeof(*b) + size);
    b->next = NULL;
    b->size = size;
    b->used = 0;
    FL_POISON(b->data, size);
    return b;
}

static void block_free(struct block *b)
{
    FL_UNPOISON(b->data, b->size);
    fl_free(b);
}

struct fl_arena *fl_arena_new(void)
{
    return FL_NEW(struct fl_arena);
}

void fl_arena_free(struct fl_arena *a)
{
    if (!a) {
        return;
    }
    fl_arena_clear(a);
    if (a->first) {
        block_free(a->first);
    }
    fl_free(a);
}

void fl_arena_clear(struct fl_arena *a)
{
    if (a->first) {
        struct block *b = a->first->next;
        while (b) {
            struct block *next = b->next;
            block_free(b);
            b = next;
        }
        a->first->next = NULL;
        a->first->used = 0;
        FL_POISON(a->first->data, a->first->size);
    }
    a->last = a->first;
    a->next_size = (size_t)BLOCK_FIRST * 2;
    a->used = 0;
}

/* Bytes that an allocation of n takes; with a poisoned gap behind it where the sanitizer watches.
 */
static size_t footprint(size_t n)
{
    size_t align = alignof(max_align_t);
    fl_assert(n <= (size_t)PTRDIFF_MAX - 4 * align);
    return ((n ? n : 1) + FL_REDZONE + align - 1) / align * align;
}

static struct block *block_for(struct fl_arena *a, size_t size)
{
    if (!a->first) {
        /* The first block stays for the next pass, so it is of the usual size whatever is asked
         * first. */
        a->first = a->last = block_new(BLOCK_FIRST);
        a->next_size = (size_t)BLOCK_FIRST * 2;
    }
    if (a->last->size - a->last->used >= size) {
        return a->last;
    }
    struct block *b;
    if (size > a->next_size / 4) {
        b = block_new(size);
        b->next = a->first->next;
        a->first->next = b;
        return b;
    }
    b = block_new(a->next_size);
    b->next = a->last->next; /* large ones, when the last block is the first */
    a->last->next = b;
    a->last = b;
    if (a->next_size < BLOCK_MAX) {
        a->next_size *= 2;
    }
    return b;
}

void *fl_arena_alloc(struct fl_arena *a, size_t n)
{
    size_t size = footprint(n);
    struct block *b = block_for(a, size);
    void *p = (char *)b->data + b->used;
    b->used += size;
    a->used += size;
    FL_UNPOISON(p, n);
    return memset(p, 0, n);
}

void *fl_arena_array(struct fl_arena *a, size_t n, size_t size)
{
    fl_assert(size == 0 || n <= (size_t)PTRDIFF_MAX / size);
    return fl_arena_alloc(a, n * size);
}

char *fl_arena_text(struct fl_arena *a, const char *s)
{
    return s ? fl_arena_str(a, fl_str_of(s)) : NULL;
}

char *fl_arena_str(struct fl_arena *a, struct fl_str s)
{
    fl_assert(s.n < (size_t)PTRDIFF_MAX);
    char *copy = fl_arena_alloc(a, s.n + 1);
    if (s.n > 0) {
        memcpy(copy, s.p, s.n);
    }
    return copy;
}

char *fl_arena_fmt(struct fl_arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    fl_assert(n >= 0);
    char *text = fl_arena_alloc(a, (size_t)n + 1);
    va_start(ap, fmt);
    (void)vsnprintf(text, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return text;
}

/* The capacity is not stored: it is 4, then the next power of two, which n alone tells. */
void *fl_arena_grow(struct fl_arena *a, void *array, size_t n, size_t size)
{
    enum { GROW_FIRST = 4 };
    if (n == 0) {
        return fl_arena_array(a, GROW_FIRST, size);
    }
    fl_assert(array != NULL);
    if (n < GROW_FIRST || (n & (n - 1)) != 0) {
        return array;
    }
    fl_assert(n <= SIZE_MAX / 2);
    void *moved = fl_arena_array(a, n * 2, size);
    memcpy(moved, array, n * size);
    return moved;
}

size_t fl_arena_used(const struct fl_arena *a)
{
    return a->used;
}
