/* SPDX-License-Identifier: Apache-2.0
 * JSON trees over json-c; the only user of that library. A tree belongs to one thread (reading is writing: json-c caches
 * text in nodes and its counts are not atomic). Trees cost about 20 times their text: make them late, free them early. */
#ifndef FL_WIRE_JSON_H
#define FL_WIRE_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* A node: a value inside a tree, or a root. The JSON value null is a node too (FL_JSON_NULL), distinct from absent (NULL). */
struct fl_json;

enum fl_json_type {
    FL_JSON_NULL,
    FL_JSON_BOOL,
    FL_JSON_INT,
    FL_JSON_DOUBLE,
    FL_JSON_STRING,
    FL_JSON_ARRAY,
    FL_JSON_OBJECT
};

/* Checks with fl_json_check first. The root is the caller's. BAD_DATA, TOO_BIG (text above `cap`). */
int fl_json_parse(struct fl_str text, size_t cap, struct fl_json **ret, struct fl_err *err);
/* Text of ours that cannot be wrong; asserts. */
struct fl_json *fl_json_literal(const char *text);
void fl_json_free(struct fl_json *j); /* drops one reference on a root */
FL_AUTO(fl_json);
struct fl_json *fl_json_ref(struct fl_json *j); /* to put one node in two places of one thread */
struct fl_json *fl_json_copy(const struct fl_json *j); /* deep */
bool fl_json_equal(
    const struct fl_json *a,
    const struct fl_json *b); /* types first: 1 and 1.0 differ; key order does not matter */
/* Compact, '/' not escaped, keys in insertion order. */
void fl_json_write(const struct fl_json *j, struct fl_buf *b);
void fl_json_write_pretty(const struct fl_json *j,
                          struct fl_buf *b); /* two spaces, as kube-apiserver */

enum fl_json_type fl_json_type(const struct fl_json *j);       /* j not NULL */
bool fl_json_is(const struct fl_json *j, enum fl_json_type t); /* NULL: false */

/* Making. Each returns a new root. */
struct fl_json *fl_json_null(void);
struct fl_json *fl_json_bool(bool v);
struct fl_json *fl_json_int(int64_t v);
struct fl_json *fl_json_double(double v); /* finite */
struct fl_json *fl_json_str(struct fl_str s);
struct fl_json *fl_json_text(const char *s); /* NULL gives a JSON null */
struct fl_json *fl_json_object(void);
struct fl_json *fl_json_array(void);

/* Objects. Lookups lend; NULL = absent or not an object. */
struct fl_json *fl_json_get(const struct fl_json *j, const char *key);
struct fl_json *fl_json_get_str(const struct fl_json *j, struct fl_str key);
struct fl_json *fl_json_path(const struct fl_json *j,
                             const char *path); /* "metadata.annotations"; plain keys only */
void fl_json_set(struct fl_json *j, const char *key,
                 struct fl_json *value); /* takes value; replaces in place */
void fl_json_set_str(struct fl_json *j, struct fl_str key,
                     struct fl_json *value); /* a NUL in key becomes U+FFFD */
void fl_json_del(struct fl_json *j, const char *key);
void fl_json_del_str(struct fl_json *j, struct fl_str key);
size_t fl_json_len(const struct fl_json *j); /* members or elements; 0 for others and NULL */
/* Iteration in insertion order: `struct fl_json_iter it = fl_json_iter(j); while (fl_json_next(&it)) it.key, it.value`.
 * No changes to j meanwhile. */
struct fl_json_iter {
    struct fl_str key;
    struct fl_json *value;
    void *entry; /* private */
};
struct fl_json_iter fl_json_iter(const struct fl_json *j);
bool fl_json_next(struct fl_json_iter *it);

/* Arrays. */
struct fl_json *fl_json_at(const struct fl_json *j, size_t i); /* lends; NULL = out of range */
void fl_json_push(struct fl_json *j, struct fl_json *value);   /* takes value */
void fl_json_insert(struct fl_json *j, size_t i, struct fl_json *value); /* takes; i <= len */
void fl_json_remove(struct fl_json *j, size_t i);
void fl_json_put(struct fl_json *j, size_t i, struct fl_json *value); /* replaces element i */

/* Scalars. The text lives as long as the node is unchanged. */
bool fl_json_as_str(const struct fl_json *j, struct fl_str *ret); /* false: NULL or not a string */
const char *
fl_json_as_text(const struct fl_json *j); /* NULL: absent, not a string, or it has a NUL inside */
const char *fl_json_get_text(const struct fl_json *j, const char *key);
bool fl_json_as_i64(const struct fl_json *j,
                    int64_t *ret); /* false also for doubles and beyond int64 */
bool fl_json_as_double(const struct fl_json *j,
                       double *ret); /* ints too; false beyond what a double holds */
bool fl_json_as_bool(const struct fl_json *j, bool *ret);

#endif
