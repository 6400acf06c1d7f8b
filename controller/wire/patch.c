/* SPDX-License-Identifier: Apache-2.0
 * Merge patch (RFC 7386), its generator, and JSON patch (RFC 6902). */
#include "wire/patch.h"

#include "base/num.h"
#include "wire/scan.h"

#define OPS_MAX 10000
/* Copies can double a document with every operation. Source: kubernetes/apiserver pkg/server/config.go,
 * JSONPatchMaxCopyBytes. */
#define COPY_BYTES_MAX ((size_t)3 * 1024 * 1024)
#define PATH_SHOWN_MAX 200
/* Moves and inserts copy nothing, yet each may walk or shift what the target already has. Counted in visited nodes. */
#define WORK_MAX ((size_t)16 * 1000 * 1000)
#define SHIFTED_PER_VISIT 64 /* array slots moved in the time of a visit */

/* Merge patch. */

/* NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX, that of the patch */
static void merge_into(struct fl_json *target, const struct fl_json *patch)
{
    struct fl_json_iter it = fl_json_iter(patch);
    while (fl_json_next(&it)) {
        if (fl_json_is(it.value, FL_JSON_NULL)) {
            fl_json_del(target, it.key.p);
            continue;
        }
        if (!fl_json_is(it.value, FL_JSON_OBJECT)) {
            fl_json_set(target, it.key.p, fl_json_copy(it.value));
            continue;
        }
        if (!fl_json_is(fl_json_get(target, it.key.p), FL_JSON_OBJECT)) {
            /* Merged into nothing rather than copied: nulls inside it name members to leave out. */
            fl_json_set(target, it.key.p, fl_json_object());
        }
        merge_into(fl_json_get(target, it.key.p), it.value);
    }
}

void fl_patch_merge(struct fl_json **target, const struct fl_json *patch)
{
    if (!fl_json_is(patch, FL_JSON_OBJECT)) {
        fl_json_free(*target);
        *target = fl_json_copy(patch);
        return;
    }
    if (!fl_json_is(*target, FL_JSON_OBJECT)) {
        fl_json_free(*target);
        *target = fl_json_object();
    }
    merge_into(*target, patch);
}

static void set_diff(struct fl_json **diff, struct fl_str key, struct fl_json *value)
{
    if (!*diff) {
        *diff = fl_json_object();
    }
    fl_json_set_str(*diff, key, value);
}

/* NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX, that of the trees */
struct fl_json *fl_patch_diff(const struct fl_json *from, const struct fl_json *to)
{
    fl_auto(fl_json) diff = NULL;
    if (!fl_json_is(from, FL_JSON_OBJECT) || !fl_json_is(to, FL_JSON_OBJECT)) {
        return fl_json_equal(from, to) ? NULL : fl_json_copy(to);
    }
    struct fl_json_iter it = fl_json_iter(from);
    while (fl_json_next(&it)) {
        if (!fl_json_get(to, it.key.p)) {
            set_diff(&diff, it.key, fl_json_null());
        }
    }
    it = fl_json_iter(to);
    while (fl_json_next(&it)) {
        const struct fl_json *old = fl_json_get(from, it.key.p);
        /* A merge patch cannot put a null: one that is new stays out, or there would be a difference for ever. */
        if (!old && fl_json_is(it.value, FL_JSON_NULL)) {
            continue;
        }
        struct fl_json *inner = old ? fl_patch_diff(old, it.value) : fl_json_copy(it.value);
        if (inner) {
            set_diff(&diff, it.key, inner);
        }
    }
    return fl_take(diff);
}

/* JSON patch. */

struct op {
    size_t number; /* from 0, as in the array */
    const char *name;
    struct fl_str path;
    struct fl_str from;          /* move, copy */
    const struct fl_json *value; /* add, replace, test */
};

struct patching {
    struct fl_json **root;
    struct op op; /* the one that is run */
    size_t copied;
    size_t work;
    struct fl_err *err;
};

static int op_failed(struct patching *p, enum fl_code code, const char *why)
{
    struct fl_str path = p->op.path;
    path.n = path.n < PATH_SHOWN_MAX ? path.n : PATH_SHOWN_MAX;
    return fl_fail(p->err, code, code == FL_E_INVALID ? "Invalid" : "BadPatch",
                   "JSON patch: operation %zu (%s \"%.*s\"): %s", p->op.number, p->op.name,
                   FL_STR_ARG(path), why);
}

/* The next token of a pointer, escapes undone, to b; false: bad escape. rest starts with '/'. */
static bool next_token(struct fl_str *rest, struct fl_buf *b)
{
    struct fl_str raw;
    rest->p++;
    rest->n--;
    fl_buf_clear(b);
    const char *slash = rest->n > 0 ? memchr(rest->p, '/', rest->n) : NULL;
    raw = (struct fl_str){rest->p, slash ? (size_t)(slash - rest->p) : rest->n};
    rest->p += raw.n;
    rest->n -= raw.n;
    for (size_t i = 0; i < raw.n; i++) {
        char c = raw.p[i];
        if (c == '~') {
            i++;
            if (i == raw.n || (raw.p[i] != '0' && raw.p[i] != '1')) {
                return false;
            }
            c = raw.p[i] == '0' ? '~' : '/';
        }
        fl_buf_char(b, c);
    }
    return true;
}

/* Digits only, no leading zero. RFC 6901 section 4. */
static bool token_index(struct fl_str token, size_t *ret)
{
    uint64_t v;
    if (token.n == 0 || token.n > 9 || token.p[0] < '0' || token.p[0] > '9' ||
        (token.p[0] == '0' && token.n > 1) || !fl_num_u64(token, &v)) {
        return false;
    }
    *ret = (size_t)v;
    return true;
}

static struct fl_json *child(const struct fl_json *node, struct fl_str token)
{
    size_t i;
    if (fl_json_is(node, FL_JSON_ARRAY)) {
        return token_index(token, &i) ? fl_json_at(node, i) : NULL;
    }
    return fl_json_get_str(node, token);
}

/* Where a pointer that is not empty leads: the node that holds the last token, which goes to `token`. */
static int find_parent(struct patching *p, struct fl_str path, struct fl_json **ret,
                       struct fl_buf *token)
{
    struct fl_json *node = *p->root;
    if (path.n == 0 || path.p[0] != '/') {
        return op_failed(p, FL_E_BAD_DATA, "not a JSON pointer");
    }
    for (;;) {
        if (!next_token(&path, token)) {
            return op_failed(p, FL_E_BAD_DATA, "bad escape in the JSON pointer");
        }
        if (path.n == 0) {
            break;
        }
        node = child(node, fl_buf_slice(token));
        if (!node) {
            return op_failed(p, FL_E_INVALID, "the path does not exist");
        }
    }
    *ret = node;
    return 0;
}

/* Lends. */
static int find(struct patching *p, struct fl_str path, struct fl_json **ret)
{
    fl_auto_val(fl_buf) token = FL_BUF_INIT(path.n);
    struct fl_json *parent = NULL;
    if (path.n == 0) {
        *ret = *p->root;
        return 0;
    }
    int rc = find_parent(p, path, &parent, &token);
    if (rc) {
        return rc;
    }
    struct fl_json *node = child(parent, fl_buf_slice(&token));
    if (!node) {
        return op_failed(p, FL_E_INVALID, "the path does not exist");
    }
    *ret = node;
    return 0;
}

/* Stops above FL_JSON_DEPTH_MAX. NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX + 1 */
static size_t depth_of(struct patching *p, const struct fl_json *j, size_t above)
{
    size_t deepest = above;
    p->work++;
    if (above > FL_JSON_DEPTH_MAX ||
        (!fl_json_is(j, FL_JSON_ARRAY) && !fl_json_is(j, FL_JSON_OBJECT))) {
        return above;
    }
    deepest++;
    for (size_t i = 0; fl_json_is(j, FL_JSON_ARRAY) && i < fl_json_len(j); i++) {
        size_t depth = depth_of(p, fl_json_at(j, i), above + 1);
        deepest = depth > deepest ? depth : deepest;
    }
    struct fl_json_iter it = fl_json_iter(j);
    while (fl_json_next(&it)) {
        size_t depth = depth_of(p, it.value, above + 1);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

/* Whether `value` at the operation's path keeps the tree within what can be stored and read back. */
static int check_depth(struct patching *p, const struct fl_json *value)
{
    size_t above = 0;
    for (size_t i = 0; i < p->op.path.n && above <= FL_JSON_DEPTH_MAX; i++) {
        above += p->op.path.p[i] == '/';
    }
    if (depth_of(p, value, above) > FL_JSON_DEPTH_MAX) {
        return op_failed(p, FL_E_INVALID, "the result would be nested too deeply");
    }
    return 0;
}

static int put_in_array(struct patching *p, struct fl_json *array, struct fl_str token,
                        bool replace, struct fl_json *value)
{
    size_t n = fl_json_len(array);
    size_t i = n;
    bool append = !replace && fl_str_is(token, "-");
    if ((!append && !token_index(token, &i)) || i > n || (replace && i == n)) {
        fl_json_free(value);
        return op_failed(p, FL_E_INVALID, "no such index");
    }
    if (replace) {
        fl_json_put(array, i, value);
    } else {
        fl_json_insert(array, i, value);
        p->work += (n - i) / SHIFTED_PER_VISIT;
    }
    return 0;
}

/* Takes value in any case. replace: the place must exist. */
static int put(struct patching *p, bool replace, struct fl_json *value)
{
    fl_auto(fl_json) owned = value;
    fl_auto_val(fl_buf) token = FL_BUF_INIT(p->op.path.n);
    struct fl_json *parent = NULL;
    int rc = check_depth(p, value);
    if (rc) {
        return rc;
    }
    if (p->op.path.n == 0) {
        fl_json_free(*p->root);
        *p->root = fl_take(owned);
        return 0;
    }
    rc = find_parent(p, p->op.path, &parent, &token);
    if (rc) {
        return rc;
    }
    struct fl_str last = fl_buf_slice(&token);
    if (fl_json_is(parent, FL_JSON_ARRAY)) {
        return put_in_array(p, parent, last, replace, fl_take(owned));
    }
    if (!fl_json_is(parent, FL_JSON_OBJECT) || (replace && !fl_json_get_str(parent, last))) {
        return op_failed(p, FL_E_INVALID, "the path does not exist");
    }
    fl_json_set_str(parent, last, fl_take(owned));
    return 0;
}

/* Takes a node out of the tree; *ret is the caller's. */
static int cut(struct patching *p, struct fl_str path, struct fl_json **ret)
{
    fl_auto_val(fl_buf) token = FL_BUF_INIT(path.n);
    struct fl_json *parent = NULL;
    struct fl_json *node = NULL;
    size_t i = 0;
    if (path.n == 0) {
        return op_failed(p, FL_E_INVALID, "the whole document cannot be removed");
    }
    int rc = find(p, path, &node);
    if (rc || (rc = find_parent(p, path, &parent, &token))) {
        return rc;
    }
    *ret = fl_json_ref(node);
    if (fl_json_is(parent, FL_JSON_ARRAY)) {
        (void)token_index(fl_buf_slice(&token), &i);
        p->work += (fl_json_len(parent) - i) / SHIFTED_PER_VISIT;
        fl_json_remove(parent, i);
    } else {
        fl_json_del_str(parent, fl_buf_slice(&token));
    }
    return 0;
}

/* Whether `path` leads below `from`. */
static bool is_inside(struct fl_str path, struct fl_str from)
{
    return path.n > from.n && memcmp(path.p, from.n > 0 ? from.p : "", from.n) == 0 &&
           path.p[from.n] == '/';
}

static int op_move(struct patching *p)
{
    fl_auto(fl_json) node = NULL;
    struct fl_json *there = NULL;
    if (is_inside(p->op.path, p->op.from)) {
        return op_failed(p, FL_E_INVALID, "a value cannot be moved into itself");
    }
    if (fl_str_eq(p->op.path, p->op.from)) {
        return find(p, p->op.from, &there);
    }
    int rc = cut(p, p->op.from, &node);
    return rc ? rc : put(p, false, fl_take(node));
}

/* Bytes of the text, roughly. NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX */
static size_t weight(const struct fl_json *j)
{
    struct fl_str text = {NULL, 0};
    size_t sum = 4;
    if (fl_json_as_str(j, &text)) {
        return sum + text.n;
    }
    for (size_t i = 0; fl_json_is(j, FL_JSON_ARRAY) && i < fl_json_len(j); i++) {
        sum += weight(fl_json_at(j, i));
    }
    struct fl_json_iter it = fl_json_iter(j);
    while (fl_json_next(&it)) {
        sum += it.key.n + weight(it.value);
    }
    return sum;
}

static int op_copy(struct patching *p)
{
    struct fl_json *node = NULL;
    int rc = find(p, p->op.from, &node);
    if (rc) {
        return rc;
    }
    p->copied += weight(node);
    if (p->copied > COPY_BYTES_MAX) {
        return op_failed(p, FL_E_TOO_BIG, "the copies of this patch are too large");
    }
    return put(p, false, fl_json_copy(node));
}

/* Numbers by value, unlike fl_json_equal. RFC 6902 section 4.6. NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX */
static bool test_equal(const struct fl_json *a, const struct fl_json *b)
{
    double left;
    double right;
    if (fl_json_equal(a, b)) {
        return true;
    }
    if (fl_json_type(a) != fl_json_type(b)) {
        return fl_json_as_double(a, &left) && fl_json_as_double(b, &right) && !(left < right) &&
               !(left > right);
    }
    if (fl_json_len(a) != fl_json_len(b) || fl_json_len(a) == 0) {
        return false;
    }
    for (size_t i = 0; fl_json_is(a, FL_JSON_ARRAY) && i < fl_json_len(a); i++) {
        if (!test_equal(fl_json_at(a, i), fl_json_at(b, i))) {
            return false;
        }
    }
    struct fl_json_iter it = fl_json_iter(a);
    while (fl_json_next(&it)) {
        const struct fl_json *other = fl_json_get(b, it.key.p);
        if (!other || !test_equal(it.value, other)) {
            return false;
        }
    }
    return true;
}

static int op_test(struct patching *p)
{
    struct fl_json *node = NULL;
    int rc = find(p, p->op.path, &node);
    if (rc) {
        return rc;
    }
    return test_equal(node, p->op.value) ? 0 : op_failed(p, FL_E_INVALID, "the test failed");
}

static int op_add(struct patching *p)
{
    return put(p, false, fl_json_copy(p->op.value));
}

static int op_replace(struct patching *p)
{
    return put(p, true, fl_json_copy(p->op.value));
}

static int op_remove(struct patching *p)
{
    fl_auto(fl_json) node = NULL;
    return cut(p, p->op.path, &node);
}

static const struct {
    const char *name;
    bool value;
    bool from;
    int (*run)(struct patching *p);
} op_table[] = {
    {"add", true, false, op_add},         {"remove", false, false, op_remove},
    {"replace", true, false, op_replace}, {"move", false, true, op_move},
    {"copy", false, true, op_copy},       {"test", true, false, op_test},
};

static int run_op(struct patching *p, const struct fl_json *item, size_t number)
{
    struct op *op = &p->op;
    const char *name = fl_json_get_text(item, "op");
    *op = (struct op){.number = number, .name = "?"};
    if (!name) {
        return op_failed(p, FL_E_BAD_DATA, "no \"op\"");
    }
    if (!fl_json_as_str(fl_json_get(item, "path"), &op->path)) {
        return op_failed(p, FL_E_BAD_DATA, "no \"path\"");
    }
    op->value = fl_json_get(item, "value");
    bool has_from = fl_json_as_str(fl_json_get(item, "from"), &op->from);
    for (size_t i = 0; i < FL_LEN(op_table); i++) {
        if (strcmp(name, op_table[i].name) != 0) {
            continue;
        }
        op->name = op_table[i].name;
        if (op_table[i].value && !op->value) {
            return op_failed(p, FL_E_BAD_DATA, "no \"value\"");
        }
        if (op_table[i].from && !has_from) {
            return op_failed(p, FL_E_BAD_DATA, "no \"from\"");
        }
        return op_table[i].run(p);
    }
    return op_failed(p, FL_E_BAD_DATA, "unknown operation");
}

int fl_patch_json(struct fl_json **target, const struct fl_json *ops, struct fl_err *err)
{
    struct patching p = {.root = target, .err = err};
    if (!fl_json_is(ops, FL_JSON_ARRAY)) {
        return fl_fail(err, FL_E_BAD_DATA, "BadPatch", "JSON patch: not an array");
    }
    if (fl_json_len(ops) > OPS_MAX) {
        return fl_fail(err, FL_E_TOO_BIG, "TooBig", "JSON patch: more than %d operations", OPS_MAX);
    }
    for (size_t i = 0; i < fl_json_len(ops); i++) {
        int rc = run_op(&p, fl_json_at(ops, i), i);
        if (rc) {
            return rc;
        }
        if (p.work > WORK_MAX) {
            return fl_fail(err, FL_E_TOO_BIG, "TooBig",
                           "JSON patch: too much work at operation %zu", i);
        }
    }
    return 0;
}
