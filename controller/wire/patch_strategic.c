/* SPDX-License-Identifier: Apache-2.0
 * Strategic merge patch, guided by the rows of a kind. Source: kubernetes/apimachinery pkg/util/strategicpatch/patch.go
 * (mergeMap, mergeSlice, normalizeElementOrder). Kept from there: the order of list items is that of $setElementOrder, or
 * else of the patch, and items only the target has keep their place relative to them. Different: an object or list that
 * the target lacks never gets directives stored into it. */
#include "wire/patch.h"

#include "base/map.h"
#include "wire/scan.h"

#define ORDER_PREFIX "$setElementOrder/"
#define DELETE_PREFIX "$deleteFromPrimitiveList/"

/* An element of a list on its way to the new list. */
struct item {
    struct fl_json *value; /* lent by the pool of its list */
    const char
        *id; /* JSON text of the merge key's value, or of the element itself in lists of scalars */
    size_t server_at;     /* place in the target's list; NONE = only in the patch */
    size_t wanted_at;     /* place in the wanted order; NONE = not named there */
    struct item *same_id; /* the next one; only a list that was not validated has any */
    bool gone;
};

#define NONE SIZE_MAX

struct items {
    struct item **v;
    size_t n;
};

struct list_merge {
    struct fl_arena *arena;
    struct fl_map *by_id; /* the first item with that id that is not gone */
    struct fl_json *pool; /* keeps the values alive until the new list has them */
    struct items items;
    const char *key; /* NULL: list of scalars */
    const char *name;
    const struct fl_field *rows;
    struct fl_err *err;
};

static int bad_patch(struct fl_err *err, const char *field, const char *why)
{
    return fl_fail(err, FL_E_BAD_DATA, "BadPatch", "strategic merge patch: %.100s: %s", field, why);
}

static const struct fl_field *row_of(const struct fl_field *rows, struct fl_str name)
{
    for (const struct fl_field *row = rows; row && row->type != FL_END; row++) {
        if (fl_str_is(name, row->name)) {
            return row;
        }
    }
    return NULL;
}

static bool is_directive_key(struct fl_str key)
{
    return fl_str_is(key, "$patch") || fl_str_is(key, "$retainKeys") ||
           fl_str_starts(key, ORDER_PREFIX) || fl_str_starts(key, DELETE_PREFIX);
}

/* What a patch value is where the target has nothing to merge it with: without nulls and directives. NULL: nothing.
 * NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX, that of the patch */
static struct fl_json *plain_value(const struct fl_json *patch, bool in_list)
{
    if (fl_json_is(patch, FL_JSON_ARRAY)) {
        struct fl_json *array = fl_json_array();
        for (size_t i = 0; i < fl_json_len(patch); i++) {
            struct fl_json *value = plain_value(fl_json_at(patch, i), true);
            if (value) {
                fl_json_push(array, value);
            }
        }
        return array;
    }
    if (!fl_json_is(patch, FL_JSON_OBJECT)) {
        return fl_json_copy(patch);
    }
    const char *directive = fl_json_get_text(patch, "$patch");
    if (fl_json_get(patch, "$patch") && (in_list || fl_text_eq(directive, "delete"))) {
        return NULL;
    }
    struct fl_json *object = fl_json_object();
    struct fl_json_iter it = fl_json_iter(patch);
    while (fl_json_next(&it)) {
        struct fl_json *value = NULL;
        if (!is_directive_key(it.key) && !fl_json_is(it.value, FL_JSON_NULL)) {
            value = plain_value(it.value, false);
        }
        if (value) {
            fl_json_set(object, it.key.p, value);
        }
    }
    return object;
}

static int merge_object(struct fl_arena *arena, struct fl_json *target, const struct fl_json *patch,
                        const struct fl_field *rows, struct fl_err *err);

/* Lists. */

/* The identity of an element; NULL: it has no merge key. */
static const char *element_id(const struct list_merge *m, const struct fl_json *element)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    const struct fl_json *value = m->key ? fl_json_get(element, m->key) : element;
    if (!value) {
        return NULL;
    }
    fl_json_write(value, &b);
    return fl_arena_text(m->arena, b.data);
}

static struct item *item_of(const struct list_merge *m, const char *id)
{
    return fl_map_get(m->by_id, fl_str_of(id));
}

static void add_item(struct list_merge *m, struct fl_json *value, const char *id, size_t server_at)
{
    struct item *item = FL_ARENA_NEW(m->arena, struct item);
    *item = (struct item){.value = value, .id = id, .server_at = server_at, .wanted_at = NONE};
    m->items.v = fl_arena_grow(m->arena, m->items.v, m->items.n, sizeof(struct item *));
    m->items.v[m->items.n++] = item;
    struct item *first = id ? item_of(m, id) : NULL;
    if (first) {
        item->same_id = first->same_id;
        first->same_id = item;
    } else if (id) {
        fl_map_set(m->by_id, fl_str_of(id), item);
    }
}

static void add_server_items(struct list_merge *m, struct fl_json *list)
{
    for (size_t i = 0; i < fl_json_len(list); i++) {
        struct fl_json *value = fl_json_at(list, i);
        const char *id = element_id(m, value);
        fl_json_push(m->pool, fl_json_ref(value));
        if (m->key || !item_of(m, id)) { /* a set holds each scalar once */
            add_item(m, value, id, i);
        }
    }
}

static void add_patch_item(struct list_merge *m, const struct fl_json *patch, const char *id)
{
    struct fl_json *value = plain_value(patch, true);
    if (value) {
        fl_json_push(m->pool, value);
        add_item(m, value, id, NONE);
    }
}

static void drop_items(struct list_merge *m, const char *id)
{
    for (struct item *item = item_of(m, id); item; item = item->same_id) {
        item->gone = true;
    }
    (void)fl_map_del(m->by_id, fl_str_of(id));
}

/* {"$patch": "delete", key: value} and {"$patch": "replace"} among the elements; *replace is set for the latter. */
static int list_directive(struct list_merge *m, const struct fl_json *element, bool *replace)
{
    const char *directive = fl_json_get_text(element, "$patch");
    const char *id = element_id(m, element);
    if (fl_text_eq(directive, "replace")) {
        *replace = true;
        return 0;
    }
    if (!fl_text_eq(directive, "delete")) {
        return bad_patch(m->err, m->name, "unknown $patch directive in a list");
    }
    if (!id) {
        return bad_patch(m->err, m->name, "an element to delete has no merge key");
    }
    drop_items(m, id);
    return 0;
}

static int list_directives(struct list_merge *m, const struct fl_json *patch)
{
    bool replace = false;
    for (size_t i = 0; i < fl_json_len(patch); i++) {
        const struct fl_json *element = fl_json_at(patch, i);
        if (!fl_json_is(element, FL_JSON_OBJECT)) {
            return bad_patch(m->err, m->name, "an element is not an object");
        }
        int rc = fl_json_get(element, "$patch") ? list_directive(m, element, &replace) : 0;
        if (rc) {
            return rc;
        }
    }
    if (replace) {
        m->items.n = 0;
        fl_map_clear(m->by_id);
    }
    return 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX, that of the patch */
static int merge_elements(struct list_merge *m, const struct fl_json *patch)
{
    int rc = m->key ? list_directives(m, patch) : 0;
    for (size_t i = 0; !rc && i < fl_json_len(patch); i++) {
        const struct fl_json *element = fl_json_at(patch, i);
        if (m->key && fl_json_get(element, "$patch")) {
            continue;
        }
        const char *id = element_id(m, element);
        if (!id) {
            return bad_patch(m->err, m->name, "an element has no merge key");
        }
        struct item *there = item_of(m, id);
        if (!there) {
            add_patch_item(m, element, id);
        } else if (m->key) {
            rc = merge_object(m->arena, there->value, element, m->rows, m->err);
        }
    }
    return rc;
}

/* Numbers the items by their first place in `order`; elements of `order` that are directives do not count. */
static int number_items(struct list_merge *m, const struct fl_json *order)
{
    for (size_t i = 0; i < fl_json_len(order); i++) {
        const struct fl_json *element = fl_json_at(order, i);
        if (fl_json_get(element, "$patch")) {
            continue;
        }
        const char *id = element_id(m, element);
        if (!id) {
            return bad_patch(m->err, m->name, "an element has no merge key");
        }
        struct item *item = item_of(m, id);
        if (item && item->wanted_at == NONE) {
            item->wanted_at = i;
        }
    }
    return 0;
}

/* Elements of the patch must stand in $setElementOrder, in the same order. */
static int check_order(const struct list_merge *m, const struct fl_json *patch,
                       const struct fl_json *order)
{
    size_t at = 0;
    for (size_t i = 0; fl_json_len(order) > 0 && i < fl_json_len(patch); i++) {
        const struct fl_json *element = fl_json_at(patch, i);
        if (fl_json_get(element, "$patch")) {
            continue;
        }
        const char *id = element_id(m, element);
        bool found = false;
        while (id && !found && at < fl_json_len(order)) {
            found = fl_text_eq(element_id(m, fl_json_at(order, at)), id);
            at++;
        }
        if (!found) {
            return bad_patch(m->err, m->name, "the list does not match its $setElementOrder");
        }
    }
    return 0;
}

static int by_wanted_place(const void *a, const void *b)
{
    const struct item *left = *(struct item *const *)a;
    const struct item *right = *(struct item *const *)b;
    return (left->wanted_at > right->wanted_at) - (left->wanted_at < right->wanted_at);
}

/* The new list: named items in the wanted order; each of the others before the first named one that stood behind it. */
static struct fl_json *ordered_list(struct list_merge *m)
{
    struct item **named = fl_arena_array(m->arena, m->items.n + 1, sizeof(struct item *));
    struct item **others = fl_arena_array(m->arena, m->items.n + 1, sizeof(struct item *));
    size_t n_named = 0;
    size_t n_others = 0;
    struct fl_json *list = fl_json_array();
    for (size_t i = 0; i < m->items.n; i++) {
        struct item *item = m->items.v[i];
        if (item->gone) {
            continue;
        }
        if (item->wanted_at != NONE) {
            named[n_named++] = item;
        } else {
            others[n_others++] = item;
        }
    }
    qsort(named, n_named, sizeof(struct item *), by_wanted_place);
    size_t i = 0;
    size_t j = 0;
    while (i < n_others || j < n_named) {
        bool other = j == n_named ||
                     (i < n_others && others[i]->server_at != NONE && named[j]->server_at != NONE &&
                      others[i]->server_at < named[j]->server_at);
        fl_json_push(list, fl_json_ref(other ? others[i++]->value : named[j++]->value));
    }
    return list;
}

static bool only_scalars(const struct fl_json *list)
{
    for (size_t i = 0; i < fl_json_len(list); i++) {
        const struct fl_json *element = fl_json_at(list, i);
        if (fl_json_is(element, FL_JSON_OBJECT) || fl_json_is(element, FL_JSON_ARRAY)) {
            return false;
        }
    }
    return true;
}

struct list_patch {
    const struct fl_json *values;  /* NULL, as the others: not in the patch */
    const struct fl_json *order;   /* $setElementOrder/f */
    const struct fl_json *deletes; /* $deleteFromPrimitiveList/f */
};

/* NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX, that of the patch */
static int merge_items(struct list_merge *m, struct fl_json *server, bool merged,
                       const struct list_patch *patch)
{
    int rc = 0;
    if (patch->values && !merged) {
        server = NULL; /* replaced as a whole */
    }
    add_server_items(m, server);
    if (patch->values && patch->order && (m->key || only_scalars(patch->values))) {
        rc = check_order(m, patch->values, patch->order);
    }
    if (!rc && patch->values) {
        rc = merge_elements(m, patch->values);
    }
    for (size_t i = 0; !rc && i < fl_json_len(patch->deletes); i++) {
        const char *id = element_id(m, fl_json_at(patch->deletes, i));
        if (!id) {
            return bad_patch(m->err, m->name, "not a list of scalars");
        }
        drop_items(m, id);
    }
    const struct fl_json *order = patch->order ? patch->order : patch->values;
    return rc || !order ? rc : number_items(m, order);
}

/* NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX, that of the patch */
static int merge_list(struct fl_arena *arena, struct fl_json *target, struct fl_str name,
                      const struct fl_field *row, const struct list_patch *patch,
                      struct fl_err *err)
{
    struct fl_json *server = fl_json_get_str(target, name);
    bool keyed = row && (row->flags & FL_LIST_MAP) && row->key;
    bool set = row && (row->flags & FL_LIST_SET);
    if (!fl_json_is(server, FL_JSON_ARRAY)) {
        server = NULL;
    }
    if (!server && !patch->values) {
        return 0;
    }
    /* Directives for scalars work in every list of scalars; other lists without a key are replaced as they come. */
    bool scalars = only_scalars(server) && only_scalars(patch->values);
    if (!keyed && (!scalars || (!set && !patch->order && !patch->deletes))) {
        if (patch->values) {
            fl_json_set_str(target, name, plain_value(patch->values, false));
        }
        return 0;
    }
    fl_auto(fl_json) pool = fl_json_array();
    fl_auto(fl_map) by_id = fl_map_new(NULL);
    struct list_merge m = {
        .arena = arena,
        .by_id = by_id,
        .pool = pool,
        .key = keyed ? row->key : NULL,
        .name = fl_arena_str(arena, name),
        .rows = row ? row->rows : NULL,
        .err = err,
    };
    int rc = merge_items(&m, server, keyed || set, patch);
    if (rc) {
        return rc;
    }
    fl_json_set_str(target, name, ordered_list(&m));
    return 0;
}

/* Objects. */

/* $retainKeys: members of the target that it does not name go. */
static int retain_keys(struct fl_json *target, const struct fl_json *patch, struct fl_err *err)
{
    const struct fl_json *list = fl_json_get(patch, "$retainKeys");
    if (!list) {
        return 0;
    }
    fl_auto(fl_map) named = fl_map_new(NULL);
    fl_auto(fl_json) gone = fl_json_object();
    if (!fl_json_is(list, FL_JSON_ARRAY)) {
        return bad_patch(err, "$retainKeys", "not a list");
    }
    for (size_t i = 0; i < fl_json_len(list); i++) {
        struct fl_str key;
        if (!fl_json_as_str(fl_json_at(list, i), &key)) {
            return bad_patch(err, "$retainKeys", "not a list of strings");
        }
        fl_map_set(named, key, named);
    }
    struct fl_json_iter it = fl_json_iter(patch);
    while (fl_json_next(&it)) {
        if (!is_directive_key(it.key) && !fl_json_is(it.value, FL_JSON_NULL) &&
            !fl_map_get(named, it.key)) {
            return bad_patch(err, it.key.p, "not in $retainKeys");
        }
    }
    it = fl_json_iter(target);
    while (fl_json_next(&it)) {
        if (!fl_map_get(named, it.key)) {
            fl_json_set(gone, it.key.p, fl_json_null());
        }
    }
    fl_patch_merge(&target, gone); /* an object into an object: stays the same node */
    return 0;
}

static void clear_object(struct fl_json *target)
{
    struct fl_json_iter it = fl_json_iter(target);
    while (fl_json_next(&it)) {
        fl_json_del(target, it.key.p);
        it = fl_json_iter(target);
    }
}

/* $patch in an object. *done: nothing is left to merge. */
static int object_directive(struct fl_json *target, const struct fl_json *patch, bool *done,
                            struct fl_err *err)
{
    const struct fl_json *node = fl_json_get(patch, "$patch");
    const char *directive = fl_json_as_text(node);
    if (!node || fl_text_eq(directive, "merge")) {
        return 0;
    }
    if (!fl_text_eq(directive, "replace") && !fl_text_eq(directive, "delete")) {
        return bad_patch(err, "$patch", "must be replace, merge or delete");
    }
    clear_object(target);
    if (fl_text_eq(directive, "replace")) {
        fl_auto(fl_json) content = plain_value(patch, false);
        fl_patch_merge(&target, content);
    }
    *done = true;
    return 0;
}

/* The list a directive member is about; false: not such a member. */
static bool directive_list(struct fl_str key, struct fl_str *ret)
{
    bool order = fl_str_starts(key, ORDER_PREFIX);
    if (!order && !fl_str_starts(key, DELETE_PREFIX)) {
        return false;
    }
    size_t prefix = order ? sizeof(ORDER_PREFIX) - 1 : sizeof(DELETE_PREFIX) - 1;
    *ret = (struct fl_str){key.p + prefix, key.n - prefix};
    return true;
}

static int directive_of(const struct fl_json *patch, const char *prefix, struct fl_str name,
                        const struct fl_json **ret, struct fl_err *err)
{
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&key, prefix);
    fl_buf_str(&key, name);
    *ret = fl_json_get(patch, key.data);
    if (*ret && !fl_json_is(*ret, FL_JSON_ARRAY)) {
        return bad_patch(err, key.data, "not a list");
    }
    return 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX, that of the patch */
static int merge_list_member(struct fl_arena *arena, struct fl_json *target,
                             const struct fl_json *patch, struct fl_str name,
                             const struct fl_field *rows, struct fl_err *err)
{
    struct list_patch lists = {.values = fl_json_get_str(patch, name)};
    int rc = directive_of(patch, ORDER_PREFIX, name, &lists.order, err);
    if (!rc) {
        rc = directive_of(patch, DELETE_PREFIX, name, &lists.deletes, err);
    }
    return rc ? rc : merge_list(arena, target, name, row_of(rows, name), &lists, err);
}

/* NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX, that of the patch */
static int merge_member(struct fl_arena *arena, struct fl_json *target, const struct fl_json *patch,
                        const struct fl_json_iter *member, const struct fl_field *rows,
                        struct fl_err *err)
{
    struct fl_str list;
    if (directive_list(member->key, &list)) {
        /* With its list, if that is in the patch. Both directives without it: twice the same, which does no harm. */
        return fl_json_get_str(patch, list)
                   ? 0
                   : merge_list_member(arena, target, patch, list, rows, err);
    }
    if (is_directive_key(member->key)) {
        return 0;
    }
    if (fl_json_is(member->value, FL_JSON_NULL)) {
        fl_json_del(target, member->key.p);
        return 0;
    }
    if (fl_json_is(member->value, FL_JSON_ARRAY)) {
        return merge_list_member(arena, target, patch, member->key, rows, err);
    }
    struct fl_json *there = fl_json_get(target, member->key.p);
    if (fl_json_is(member->value, FL_JSON_OBJECT) && fl_json_is(there, FL_JSON_OBJECT)) {
        const struct fl_field *row = row_of(rows, member->key);
        return merge_object(arena, there, member->value,
                            row && row->type == FL_OBJECT ? row->rows : NULL, err);
    }
    struct fl_json *value = plain_value(member->value, false);
    if (value) {
        fl_json_set(target, member->key.p, value);
    } else {
        fl_json_del(target, member->key.p);
    }
    return 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX, that of the patch */
static int merge_object(struct fl_arena *arena, struct fl_json *target, const struct fl_json *patch,
                        const struct fl_field *rows, struct fl_err *err)
{
    bool done = false;
    int rc = object_directive(target, patch, &done, err);
    if (rc || done) {
        return rc;
    }
    rc = retain_keys(target, patch, err);
    struct fl_json_iter it = fl_json_iter(patch);
    while (!rc && fl_json_next(&it)) {
        rc = merge_member(arena, target, patch, &it, rows, err);
    }
    return rc;
}

int fl_patch_strategic(struct fl_json **target, const struct fl_json *patch,
                       const struct fl_field *rows, struct fl_err *err)
{
    fl_auto(fl_arena) arena = fl_arena_new();
    if (!fl_json_is(patch, FL_JSON_OBJECT)) {
        return fl_fail(err, FL_E_BAD_DATA, "BadPatch", "strategic merge patch: not an object");
    }
    if (!fl_json_is(*target, FL_JSON_OBJECT)) {
        fl_json_free(*target);
        *target = fl_json_object();
    }
    return merge_object(arena, *target, patch, rows, err);
}
