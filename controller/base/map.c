/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include "base/mem.h"
#include "base/text.h"

/* Entries stand in one dense array, in the order they came; `slots` finds them by hash. A cache of
 * 100,000 keys pays 24 bytes an entry and 4 a slot. A deleted entry leaves a hole (key NULL) and a
 * dead slot; both go when the table is rebuilt, which only fl_map_set does: so deleting during an
 * iteration moves nothing. */
struct entry {
    char *key;
    void *value;
    uint32_t hash;
    uint32_t key_len;
};

struct fl_map {
    void (*free_value)(void *);
    struct entry *entries;
    uint32_t *slots; /* index of the entry + 1 */
    size_t slot_count;
    size_t used; /* entries, holes included */
    size_t live;
};

enum { SLOT_EMPTY = 0, SLOTS_MIN = 8 };
#define SLOT_DEAD UINT32_MAX

struct fl_map *fl_map_new(void (*free_value)(void *))
{
    struct fl_map *m = FL_NEW(struct fl_map);
    m->free_value = free_value;
    return m;
}

static void value_drop(const struct fl_map *m, void *value)
{
    if (m->free_value) {
        m->free_value(value);
    }
}

void fl_map_clear(struct fl_map *m)
{
    struct entry *entries = m->entries;
    size_t used = m->used;
    fl_free(m->slots);
    m->entries = NULL;
    m->slots = NULL;
    m->slot_count = m->used = m->live = 0;
    for (size_t i = 0; i < used; i++) {
        if (entries[i].key) {
            fl_free(entries[i].key);
            value_drop(m, entries[i].value);
        }
    }
    fl_free(entries);
}

void fl_map_free(struct fl_map *m)
{
    if (m) {
        fl_map_clear(m);
        fl_free(m);
    }
}

static size_t entry_room(size_t slot_count)
{
    return slot_count / 4 * 3;
}

static uint32_t key_hash(struct fl_str key)
{
    return (uint32_t)fl_hash(key.p, key.n);
}

/* The slot of `key`, or the empty slot where the search for it ends. */
static size_t slot_find(const struct fl_map *m, struct fl_str key, uint32_t hash)
{
    size_t mask = m->slot_count - 1;
    size_t at = hash & mask;
    while (m->slots[at] != SLOT_EMPTY) {
        if (m->slots[at] != SLOT_DEAD) {
            const struct entry *e = &m->entries[m->slots[at] - 1];
            if (e->hash == hash && fl_str_eq((struct fl_str){e->key, e->key_len}, key)) {
                break;
            }
        }
        at = (at + 1) & mask;
    }
    return at;
}

static struct entry *entry_find(const struct fl_map *m, struct fl_str key, size_t *ret_slot)
{
    if (m->live == 0) {
        return NULL;
    }
    *ret_slot = slot_find(m, key, key_hash(key));
    uint32_t slot = m->slots[*ret_slot];
    return slot == SLOT_EMPTY ? NULL : &m->entries[slot - 1];
}

/* Drops holes and dead slots, and leaves room for half as many entries again. */
static void rebuild(struct fl_map *m)
{
    size_t slot_count = SLOTS_MIN;
    while (entry_room(slot_count) < m->live + m->live / 2 + 1) {
        slot_count *= 2;
    }
    fl_assert(slot_count < SLOT_DEAD);
    fl_assert(m->entries || m->used == 0);
    struct entry *entries = fl_reallocarray(NULL, entry_room(slot_count), sizeof(*entries));
    uint32_t *slots = fl_calloc(slot_count, sizeof(*slots));
    size_t n = 0;
    for (size_t i = 0; i < m->used; i++) {
        if (!m->entries[i].key) {
            continue;
        }
        size_t at = m->entries[i].hash & (slot_count - 1);
        while (slots[at] != SLOT_EMPTY) {
            at = (at + 1) & (slot_count - 1);
        }
        entries[n++] = m->entries[i];
        slots[at] = (uint32_t)n;
    }
    fl_free(m->entries);
    fl_free(m->slots);
    m->entries = entries;
    m->slots = slots;
    m->slot_count = slot_count;
    m->used = n;
}

void *fl_map_get(const struct fl_map *m, struct fl_str key)
{
    size_t slot;
    const struct entry *e = entry_find(m, key, &slot);
    return e ? e->value : NULL;
}

void fl_map_set(struct fl_map *m, struct fl_str key, void *value)
{
    fl_assert(value != NULL);
    fl_assert(key.n < UINT32_MAX);
    size_t slot;
    struct entry *e = entry_find(m, key, &slot);
    if (e) {
        void *old = e->value;
        e->value = value;
        if (old != value) {
            value_drop(m, old);
        }
        return;
    }
    if (m->used == entry_room(m->slot_count)) {
        rebuild(m);
    }
    uint32_t hash = key_hash(key);
    slot = slot_find(m, key, hash);
    char *copy = fl_malloc(key.n + 1);
    if (key.n > 0) {
        memcpy(copy, key.p, key.n);
    }
    copy[key.n] = '\0';
    m->entries[m->used++] = (struct entry){copy, value, hash, (uint32_t)key.n};
    m->slots[slot] = (uint32_t)m->used;
    m->live++;
}

void *fl_map_take(struct fl_map *m, struct fl_str key)
{
    size_t slot;
    struct entry *e = entry_find(m, key, &slot);
    if (!e) {
        return NULL;
    }
    void *value = e->value;
    char *owned_key = e->key; /* `key` may be a slice of it */
    *e = (struct entry){0};
    m->slots[slot] = SLOT_DEAD;
    m->live--;
    fl_free(owned_key);
    return value;
}

bool fl_map_del(struct fl_map *m, struct fl_str key)
{
    void *value = fl_map_take(m, key);
    if (value) {
        value_drop(m, value);
    }
    return value != NULL;
}

size_t fl_map_len(const struct fl_map *m)
{
    return m->live;
}

bool fl_map_next(const struct fl_map *m, size_t *it, struct fl_str *key, void **value)
{
    while (*it < m->used) {
        const struct entry *e = &m->entries[(*it)++];
        if (e->key) {
            *key = (struct fl_str){e->key, e->key_len};
            *value = e->value;
            return true;
        }
    }
    return false;
}
