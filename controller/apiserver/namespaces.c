/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/namespaces.h"

#include "base/map.h"
#include "base/mem.h"

struct entry {
    enum fl_namespace_state state;
    size_t creating;
};

struct fl_namespaces {
    struct fl_lock lock;
    struct fl_map *map; /* name -> struct entry */
};

struct fl_namespaces *fl_namespaces_new(void)
{
    struct fl_namespaces *n = FL_NEW(struct fl_namespaces);
    fl_lock_init(&n->lock, "namespaces", FL_RANK_ROUTE + 1);
    n->map = fl_map_new(fl_free);
    return n;
}

void fl_namespaces_free(struct fl_namespaces *n)
{
    if (!n) {
        return;
    }
    fl_map_free(n->map);
    fl_lock_destroy(&n->lock);
    fl_free(n);
}

void fl_namespaces_set(struct fl_namespaces *n, struct fl_str name, enum fl_namespace_state state)
{
    fl_lock_scope(&n->lock);
    struct entry *e = fl_map_get(n->map, name);
    if (state == FL_NAMESPACE_ABSENT && (!e || e->creating == 0)) {
        (void)fl_map_del(n->map, name);
        return;
    }
    if (!e) {
        e = FL_NEW(struct entry);
        fl_map_set(n->map, name, e);
    }
    e->state = state;
}

enum fl_namespace_state fl_namespaces_enter(struct fl_namespaces *n, struct fl_str name)
{
    fl_lock_scope(&n->lock);
    struct entry *e = fl_map_get(n->map, name);
    if (!e) {
        return FL_NAMESPACE_ABSENT;
    }
    if (e->state == FL_NAMESPACE_ACTIVE) {
        e->creating++;
    }
    return e->state;
}

void fl_namespaces_leave(struct fl_namespaces *n, struct fl_str name)
{
    fl_lock_scope(&n->lock);
    struct entry *e = fl_map_get(n->map, name);
    fl_assert(e && e->creating > 0);
    e->creating--;
    if (e->creating == 0 && e->state == FL_NAMESPACE_ABSENT) {
        (void)fl_map_del(n->map, name);
    }
}

size_t fl_namespaces_terminating(struct fl_namespaces *n, struct fl_arena *a, struct fl_str **ret)
{
    struct fl_str *list = NULL;
    size_t len = 0;
    fl_lock_scope(&n->lock);
    struct fl_str key;
    void *value;
    size_t it = 0;
    while (fl_map_next(n->map, &it, &key, &value)) {
        const struct entry *e = value;
        if (e->state == FL_NAMESPACE_TERMINATING && e->creating == 0) {
            list = fl_arena_grow(a, list, len, sizeof(*list));
            list[len++] = (struct fl_str){fl_arena_str(a, key), key.n};
        }
    }
    *ret = list;
    return len;
}
