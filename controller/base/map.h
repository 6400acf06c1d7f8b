/* SPDX-License-Identifier: Apache-2.0
 * Hash map from text to pointer; keys are copied. Not locked: its owner's lock or thread. */
#ifndef FL_BASE_MAP_H
#define FL_BASE_MAP_H

#include "base/str.h"

struct fl_map;

/* free_value: called for values replaced, deleted or left at the end; NULL = borrowed values. */
struct fl_map *fl_map_new(void (*free_value)(void *));
void fl_map_free(struct fl_map *m);
void *fl_map_get(const struct fl_map *m, struct fl_str key);       /* NULL = absent */
void fl_map_set(struct fl_map *m, struct fl_str key, void *value); /* value not NULL; replaces */
void *fl_map_take(struct fl_map *m,
                  struct fl_str key); /* removes and gives the value; NULL = absent */
bool fl_map_del(struct fl_map *m, struct fl_str key);
size_t fl_map_len(const struct fl_map *m);
/* Iteration, in no order: `size_t it = 0; while (fl_map_next(m, &it, &key, &value))`. Deleting the entry just
 * returned is allowed, adding is not. */
bool fl_map_next(const struct fl_map *m, size_t *it, struct fl_str *key, void **value);
void fl_map_clear(struct fl_map *m);
FL_AUTO(fl_map);

#endif
