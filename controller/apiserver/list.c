/* SPDX-License-Identifier: Apache-2.0
 * A past state is the newest one with the changes since then undone: for each object changed after rv, the first change
 * tells what was there before. */
#include "apiserver/list.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "wire/scan.h"

#define TOKEN_MAX 2048

/* Tokens: "1/<rv>/<namespace>/<name>" in base64 of URLs. */

const char *fl_token_make(struct fl_arena *a, const struct fl_token *t)
{
    fl_auto_val(fl_buf) plain = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) coded = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&plain, "1/%lld/%.*s/%.*s", (long long)t->rv, FL_STR_ARG(t->ns),
               FL_STR_ARG(t->name));
    fl_base64_add(&coded, plain.data, plain.len);
    char *text = fl_arena_str(a, fl_buf_slice(&coded));
    for (char *p = text; *p; p++) {
        if (*p == '+') {
            *p = '-';
        } else if (*p == '/') {
            *p = '_';
        } else if (*p == '=') {
            *p = '\0';
            break;
        }
    }
    return text;
}

bool fl_token_read(struct fl_arena *a, const char *text, struct fl_token *ret)
{
    fl_auto_val(fl_buf) coded = FL_BUF_INIT(TOKEN_MAX);
    fl_auto_val(fl_buf) plain = FL_BUF_INIT(TOKEN_MAX);
    for (const char *p = text; *p && *p != '='; p++) {
        char c = *p;
        if (c == '-') {
            c = '+';
        } else if (c == '_') {
            c = '/';
        }
        fl_buf_char(&coded, c);
    }
    while (coded.len % 4 != 0) {
        fl_buf_char(&coded, '=');
        if (coded.len >= TOKEN_MAX) {
            return false;
        }
    }
    if (!fl_base64_decode(&plain, fl_buf_slice(&coded))) {
        return false;
    }
    struct fl_str rest = {fl_arena_str(a, fl_buf_slice(&plain)), plain.len};
    struct fl_str version, rv;
    struct fl_token t = {.rv = 0};
    bool ok = fl_str_cut(&rest, '/', &version) && fl_str_is(version, "1") &&
              fl_str_cut(&rest, '/', &rv) && fl_num_i64(rv, &t.rv) && t.rv > 0 &&
              fl_str_cut(&rest, '/', &t.ns);
    t.name = rest;
    if (!ok || t.name.n == 0 || memchr(t.name.p, '/', t.name.n)) {
        return false;
    }
    *ret = t;
    return true;
}

/* What stood before. */

struct item {
    struct fl_str ns, name;
    struct fl_str text; /* n == 0: there was nothing */
};

struct past {
    struct fl_page *page;
    struct fl_map *changed; /* "ns/name" -> struct item in the arena */
    struct item *now;       /* as listed */
    size_t n_now;
};

static struct fl_str keep(struct fl_arena *a, struct fl_str s)
{
    return (struct fl_str){fl_arena_str(a, s), s.n};
}

static void key_of(struct fl_buf *b, struct fl_str ns, struct fl_str name)
{
    fl_buf_str(b, ns);
    fl_buf_char(b, '/');
    fl_buf_str(b, name);
}

static struct item *changed_item(const struct past *p, struct fl_str ns, struct fl_str name)
{
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    key_of(&key, ns, name);
    return fl_map_get(p->changed, fl_buf_slice(&key));
}

static int compare(struct fl_str ns_a, struct fl_str name_a, struct fl_str ns_b,
                   struct fl_str name_b)
{
    int order = fl_str_cmp(ns_a, ns_b);
    return order != 0 ? order : fl_str_cmp(name_a, name_b);
}

static bool concerns(const struct fl_page *q, struct fl_str ns, struct fl_str name)
{
    return (q->ns.n == 0 || fl_str_eq(ns, q->ns)) && (q->name.n == 0 || fl_str_eq(name, q->name)) &&
           (q->after_name.n == 0 || compare(ns, name, q->after_ns, q->after_name) > 0);
}

static struct fl_str meta_text(struct fl_str text, const char *path)
{
    struct fl_str plain;
    return fl_scan_plain(fl_scan_path(text, path), &plain) ? plain : FL_STR("");
}

static void undo(void *arg, const struct fl_event *ev)
{
    struct past *p = arg;
    struct fl_page *q = p->page;
    struct fl_str text = fl_shared_str(ev->text);
    struct fl_str ns = meta_text(text, "metadata.namespace");
    struct fl_str name = meta_text(text, "metadata.name");
    if (!concerns(q, ns, name) || changed_item(p, ns, name)) {
        return;
    }
    struct item *it = FL_ARENA_NEW(q->arena, struct item);
    *it = (struct item){.ns = keep(q->arena, ns), .name = keep(q->arena, name)};
    if (ev->old) {
        it->text = keep(q->arena, fl_shared_str(ev->old));
    }
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    key_of(&key, ns, name);
    fl_map_set(p->changed, fl_buf_slice(&key), it);
}

static bool collect(void *arg, const struct fl_store_key *key, int64_t rv, struct fl_str text)
{
    struct past *p = arg;
    struct fl_page *q = p->page;
    (void)rv;
    if (!q->match(q->arg, text) && !changed_item(p, key->ns, key->name)) {
        return false;
    }
    p->now = fl_arena_grow(q->arena, p->now, p->n_now, sizeof(*p->now));
    p->now[p->n_now++] = (struct item){
        .ns = keep(q->arena, key->ns),
        .name = keep(q->arena, key->name),
        .text = keep(q->arena, text),
    };
    return true;
}

static int by_key(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return compare(x->ns, x->name, y->ns, y->name);
}

/* What was there at rv among the listed and the changed, in order; in the arena. */
static size_t merge(const struct past *p, struct item **ret)
{
    struct fl_arena *a = p->page->arena;
    struct item *all = fl_arena_array(a, p->n_now + fl_map_len(p->changed) + 1, sizeof(*all));
    size_t n = 0;
    for (size_t i = 0; i < p->n_now; i++) {
        if (!changed_item(p, p->now[i].ns, p->now[i].name)) {
            all[n++] = p->now[i];
        }
    }
    size_t it = 0;
    struct fl_str key;
    void *value;
    while (fl_map_next(p->changed, &it, &key, &value)) {
        const struct item *old = value;
        if (old->text.n > 0) {
            all[n++] = *old;
        }
    }
    if (n > 1) {
        qsort(all, n, sizeof(*all), by_key);
    }
    *ret = all;
    return n;
}

static void emit_past(struct past *p, bool more)
{
    struct fl_page *q = p->page;
    const struct item *last = p->n_now > 0 ? &p->now[p->n_now - 1] : NULL;
    struct item *all = NULL;
    size_t n = merge(p, &all);
    int64_t emitted = 0;
    for (size_t i = 0; i < n; i++) {
        bool beyond = more && last && by_key(&all[i], last) > 0;
        if (beyond) {
            break;
        }
        if (!q->match(q->arg, all[i].text)) {
            continue;
        }
        if (q->limit > 0 && emitted == q->limit) {
            return; /* next was set by the last one emitted */
        }
        q->emit(q->arg, all[i].text);
        emitted++;
        q->next = (struct fl_token){q->shown_rv, all[i].ns, all[i].name};
    }
    if (more && last) {
        q->next = (struct fl_token){q->shown_rv, last->ns, last->name};
    } else {
        q->next = (struct fl_token){.rv = 0};
    }
}

static int replay(struct past *p, int64_t from, int64_t to, struct fl_err *err)
{
    return from < to ? fl_store_replay(p->page->store, from, to, p->page->kind, undo, p, err) : 0;
}

static struct fl_store_list query(const struct fl_page *q)
{
    return (struct fl_store_list){
        .kind = q->kind,
        .ns = q->ns,
        .name = q->name,
        .after_ns = q->after_ns,
        .after_name = q->after_name,
        .limit = q->limit,
    };
}

static int read_past(struct fl_page *q, struct fl_err *err)
{
    fl_auto(fl_map) changed = fl_map_new(NULL);
    struct past p = {.page = q, .changed = changed};
    struct fl_store_list l = query(q);
    l.item = collect;
    l.arg = &p;
    int64_t before = fl_store_rv(q->store), listed = 0, remaining = -1;
    bool more = false;
    int rc = replay(&p, q->rv, before, err);
    if (l.limit > 0) {
        l.limit += (int64_t)fl_map_len(changed); /* so many of them may not have been there */
    }
    if (rc == 0) {
        rc = fl_store_list(q->store, &l, &listed, &more, &remaining, err);
    }
    if (rc == 0) {
        rc = replay(&p, before > q->rv ? before : q->rv, listed, err);
    }
    if (rc < 0) {
        return rc;
    }
    q->shown_rv = q->rv;
    q->remaining = fl_map_len(changed) == 0 ? remaining : -1;
    emit_past(&p, more);
    return 0;
}

/* The newest state, which needs no copy. */

struct present {
    struct fl_page *page;
    struct fl_buf ns, name; /* of the last one emitted */
};

static bool deliver(void *arg, const struct fl_store_key *key, int64_t rv, struct fl_str text)
{
    struct present *p = arg;
    struct fl_page *q = p->page;
    (void)rv;
    if (!q->match(q->arg, text)) {
        return false;
    }
    q->emit(q->arg, text);
    if (q->limit > 0) {
        fl_buf_clear(&p->ns);
        fl_buf_str(&p->ns, key->ns);
        fl_buf_clear(&p->name);
        fl_buf_str(&p->name, key->name);
    }
    return true;
}

static int read_present(struct fl_page *q, struct fl_err *err)
{
    struct present p = {.page = q, .ns = FL_BUF_INIT(FL_BUF_ANY), .name = FL_BUF_INIT(FL_BUF_ANY)};
    struct fl_store_list l = query(q);
    l.item = deliver;
    l.arg = &p;
    bool more = false;
    int rc = fl_store_list(q->store, &l, &q->shown_rv, &more, &q->remaining, err);
    if (rc == 0 && more) {
        q->next = (struct fl_token){q->shown_rv, keep(q->arena, fl_buf_slice(&p.ns)),
                                    keep(q->arena, fl_buf_slice(&p.name))};
    }
    fl_buf_release(&p.ns);
    fl_buf_release(&p.name);
    return rc;
}

int fl_page_read(struct fl_page *p, struct fl_err *err)
{
    p->next = (struct fl_token){.rv = 0};
    p->remaining = -1;
    return p->rv > 0 ? read_past(p, err) : read_present(p, err);
}
