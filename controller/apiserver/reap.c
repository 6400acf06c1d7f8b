/* SPDX-License-Identifier: Apache-2.0
 * The end of namespaces: what is in them is deleted, then they go. Objects that finalizers hold are waited for.
 * Source: kubernetes pkg/controller/namespace/deletion. */
#include "api/scheme.h"
#include "apiserver/commit.h"
#include "apiserver/list.h"
#include "apiserver/object.h"
#include "base/log.h"
#include "wire/scan.h"

#define PAGE 500

struct names {
    struct fl_arena *arena;
    struct fl_str *v;
    size_t n;
};

static bool any(void *arg, struct fl_str text)
{
    (void)arg;
    (void)text;
    return true;
}

static void note_name(void *arg, struct fl_str text)
{
    struct names *l = arg;
    struct fl_str name;
    if (fl_scan_plain(fl_scan_path(text, "metadata.name"), &name)) {
        l->v = fl_arena_grow(l->arena, l->v, l->n, sizeof(*l->v));
        l->v[l->n++] = (struct fl_str){fl_arena_str(l->arena, name), name.n};
    }
}

static int delete_names(struct fl_apiserver *s, const struct fl_kind *k, struct fl_str ns,
                        const struct names *names, size_t *ret_left, struct fl_err *err)
{
    struct fl_delete_options o = {.uid = NULL};
    for (size_t i = 0; i < names->n; i++) {
        fl_auto(fl_shared) text = NULL;
        struct fl_store_key key = {.kind = k, .ns = ns, .name = names->v[i]};
        bool gone = false;
        int rc = fl_delete_object(s, &key, &o, &text, &gone, err);
        if (rc < 0 && rc != FL_E_NOT_FOUND) {
            return rc;
        }
        *ret_left += rc == 0 && !gone;
    }
    return 0;
}

/* All objects of one kind in the namespace. *ret_left grows by those that finalizers hold. */
static int empty_kind(struct fl_apiserver *s, const struct fl_kind *k, struct fl_str ns,
                      size_t *ret_left, struct fl_err *err)
{
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_page p = {.store = s->store, .arena = a, .kind = k, .ns = ns, .limit = PAGE};
    int rc = 0;
    do {
        struct names names = {.arena = a};
        p.match = any;
        p.emit = note_name;
        p.arg = &names;
        rc = fl_page_read(&p, err);
        if (rc == 0) {
            rc = delete_names(s, k, ns, &names, ret_left, err);
        }
        p.after_ns = p.next.ns;
        p.after_name = p.next.name;
    } while (rc == 0 && p.after_name.n > 0);
    return rc;
}

static int empty(struct fl_apiserver *s, struct fl_str ns, size_t *ret_left, struct fl_err *err)
{
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        bool stored = !((*k)->flags & FL_KIND_VIRTUAL) && fl_stored_kind(*k) == *k;
        int rc = (*k)->namespaced && stored ? empty_kind(s, *k, ns, ret_left, err) : 0;
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* Nothing is in it any more: drops the finalizer that stood for its content. */
static int finalize(struct fl_apiserver *s, struct fl_str ns, struct fl_err *err)
{
    struct fl_store_key key = {.kind = &fl_kind_namespace, .name = ns};
    fl_auto(fl_shared) text = NULL;
    fl_auto(fl_shared) stored = NULL;
    fl_auto(fl_json) obj = NULL;
    int64_t rv = 0;
    int rc = fl_store_get(s->store, &key, &text, &rv, err);
    if (rc < 0) {
        return rc == FL_E_NOT_FOUND ? 0 : rc;
    }
    rc = fl_stored_tree(key.kind, fl_shared_str(text), &obj, err);
    if (rc < 0) {
        return rc;
    }
    bool had = fl_json_len(fl_json_get(fl_object_get(obj, "spec"), "finalizers")) > 0;
    fl_json_del(obj, "spec");
    bool due = fl_delete_due(key.kind, obj);
    if (!due && !had) {
        return 0; /* finalizers of others hold it */
    }
    return fl_commit(s, due ? FL_STORE_DELETE : FL_STORE_UPDATE, key.kind, obj, rv, &stored, err);
}

int fl_apiserver_reap(struct fl_apiserver *s)
{
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_str *names = NULL;
    size_t n = fl_namespaces_terminating(s->namespaces, a, &names);
    for (size_t i = 0; i < n && !atomic_load(&s->stopping); i++) {
        struct fl_err err = FL_ERR_INIT;
        size_t left = 0;
        int rc = empty(s, names[i], &left, &err);
        if (rc == 0 && left == 0) {
            rc = finalize(s, names[i], &err);
        }
        if (rc < 0 && rc != FL_E_CONFLICT) {
            fl_log(FL_LOG_WARN, "a namespace cannot be emptied yet",
                   FL_S("namespace", fl_arena_str(a, names[i])), FL_ERR(&err));
        }
    }
    struct fl_str *still = NULL;
    return (int)fl_namespaces_terminating(s->namespaces, a, &still);
}
