/* SPDX-License-Identifier: Apache-2.0
 * Memory of one pass or request: allocated piecemeal, freed at once. One thread at a time. */
#ifndef FL_BASE_ARENA_H
#define FL_BASE_ARENA_H

#include "base/err.h"
#include "base/str.h"

struct fl_arena;

struct fl_arena *fl_arena_new(void);
void fl_arena_free(struct fl_arena *a);
void fl_arena_clear(struct fl_arena *a);            /* keeps the first block for the next pass */
void *fl_arena_alloc(struct fl_arena *a, size_t n); /* zeroed, aligned for any type */
void *fl_arena_array(struct fl_arena *a, size_t n,
                     size_t size);                       /* zeroed; overflow ends the process */
char *fl_arena_text(struct fl_arena *a, const char *s);  /* NULL gives NULL */
char *fl_arena_str(struct fl_arena *a, struct fl_str s); /* terminated copy */
char *fl_arena_fmt(struct fl_arena *a, const char *fmt, ...) fl_printf_like(2, 3);
/* Grows an array of `n` elements by doubling so that index n is usable; returns the (moved) array. For arrays that are
 * filled one by one, from n == 0 on (NULL), with a call before each append: the capacity follows from n alone. */
void *fl_arena_grow(struct fl_arena *a, void *array, size_t n, size_t size);
size_t fl_arena_used(const struct fl_arena *a);
FL_AUTO(fl_arena);

#define FL_ARENA_NEW(a, T) ((T *)fl_arena_alloc((a), sizeof(T)))

#endif
