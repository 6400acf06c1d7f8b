/* SPDX-License-Identifier: Apache-2.0
 * Two halves: when the newer is full the older goes. Nothing is ever taken out of a table, so probing needs no marks. */
#include "hook/seen.h"

#include "base/mem.h"
#include "base/text.h"

#define SEEN_SLOTS (2 * (size_t)HOOK_SEEN_HALF) /* at most half full */

void hook_seen_init(struct hook_seen *s)
{
    *s = (struct hook_seen){.n = 0};
    fl_random(s->key, sizeof(s->key));
}

void hook_seen_release(struct hook_seen *s)
{
    fl_free(s->now);
    fl_free(s->before);
    *s = (struct hook_seen){.n = 0};
}

static uint64_t seen_hash(const struct hook_seen *s, struct fl_str route, struct fl_str id)
{
    uint64_t inner[2] = {s->key[0], fl_hash_keyed(s->key, route.p, route.n)};
    uint64_t h = fl_hash_keyed(inner, id.p, id.n);
    return h ? h : 1;
}

static uint64_t *seen_slot(uint64_t *table, uint64_t h)
{
    size_t i = (size_t)h & (SEEN_SLOTS - 1);
    while (table[i] != 0 && table[i] != h) {
        i = (i + 1) & (SEEN_SLOTS - 1);
    }
    return &table[i];
}

bool hook_seen_has(const struct hook_seen *s, struct fl_str route, struct fl_str id)
{
    uint64_t h = seen_hash(s, route, id);
    return (s->now && *seen_slot(s->now, h) == h) || (s->before && *seen_slot(s->before, h) == h);
}

void hook_seen_add(struct hook_seen *s, struct fl_str route, struct fl_str id)
{
    if (!s->now || s->n == HOOK_SEEN_HALF) {
        fl_free(s->before);
        s->before = s->now;
        s->now = fl_calloc(SEEN_SLOTS, sizeof(*s->now));
        s->n = 0;
    }
    uint64_t h = seen_hash(s, route, id);
    uint64_t *slot = seen_slot(s->now, h);
    s->n += *slot == 0 ? 1 : 0;
    *slot = h;
}
