/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "engine/cache_priv.h"

void fl_posting_free(void *posting)
{
    struct fl_posting *p = posting;
    fl_free(p->key);
    fl_free(p->v);
    fl_free(p);
}

void fl_index_ref_key(struct fl_buf *b, const struct fl_kind *kind, struct fl_str ns,
                      struct fl_str name)
{
    fl_buf_fmt(b, "ref %s %s %.*s/%.*s", kind->group, kind->kind, FL_STR_ARG(ns), FL_STR_ARG(name));
}

void fl_index_owner_key(struct fl_buf *b, struct fl_str uid)
{
    fl_buf_fmt(b, "owner %.*s", FL_STR_ARG(uid));
}

void fl_index_drop(struct fl_cache_shelf *s, struct fl_cache_entry *e)
{
    for (uint32_t i = 0; i < e->n_refs; i++) {
        struct fl_posting *p = e->refs[i].posting;
        uint32_t at = e->refs[i].at;
        uint32_t last = --p->n;
        if (at != last) {
            p->v[at] = p->v[last];
            p->v[at].entry->refs[p->v[at].slot].at = at;
        }
        if (p->n == 0) {
            fl_map_del(s->index, fl_str_of(p->key));
        }
    }
    fl_free(e->refs);
    e->refs = NULL;
    e->n_refs = 0;
}

static struct fl_posting *posting_of(struct fl_cache_shelf *s, const char *key)
{
    struct fl_posting *p = fl_map_get(s->index, fl_str_of(key));
    if (!p) {
        p = FL_NEW(struct fl_posting);
        p->key = fl_strdup(key);
        fl_map_set(s->index, fl_str_of(key), p);
    }
    return p;
}

void fl_index_put(struct fl_cache_shelf *s, struct fl_cache_entry *e, char *const *keys, size_t n)
{
    if (n == 0) {
        return;
    }
    e->refs = fl_calloc(n, sizeof(*e->refs));
    for (size_t i = 0; i < n; i++) {
        struct fl_posting *p = posting_of(s, keys[i]);
        if (p->n == p->room) {
            p->room = p->room ? 2 * p->room : 1;
            p->v = fl_reallocarray(p->v, p->room, sizeof(*p->v));
        }
        p->v[p->n].entry = e;
        p->v[p->n].slot = (uint32_t)i;
        e->refs[i] = (struct fl_posting_ref){p, p->n};
        p->n++;
    }
    e->n_refs = (uint32_t)n;
}
