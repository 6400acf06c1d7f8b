/* SPDX-License-Identifier: Apache-2.0
 * Strict JSON scanner (RFC 8259): one pass, no allocation, no recursion. Stands in front of json-c for everything from
 * outside, splits lists and watch frames, and reads single members out of large texts without building a tree. */
#ifndef FL_WIRE_SCAN_H
#define FL_WIRE_SCAN_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define FL_JSON_DEPTH_MAX 100

/* Whole text is one value: strict grammar, UTF-8, no duplicate keys within an object, no \u0000 in keys, no lone
 * surrogates, depth <= FL_JSON_DEPTH_MAX. BAD_DATA names the byte offset (and line and column). Duplicates are found
 * exactly (by bytes after unescaping), in bounded memory. */
int fl_json_check(struct fl_str text, struct fl_err *err);
/* As above but lists duplicate keys by path instead of failing; calls back with
 * "spec.x" or "spec.list[2].x", each path once, at most 100, cut at 4096 bytes. For strict field validation. */
int fl_json_check_dup(struct fl_str text, void (*dup)(void *arg, struct fl_str path), void *arg,
                      struct fl_err *err);

enum fl_scan_kind {
    FL_SCAN_NONE,
    FL_SCAN_OBJECT,
    FL_SCAN_ARRAY,
    FL_SCAN_STRING,
    FL_SCAN_NUMBER,
    FL_SCAN_BOOL,
    FL_SCAN_NULL
};

/* The functions below take text that fl_json_check passed, or that this process wrote. They never read outside it. */
enum fl_scan_kind fl_scan_kind(struct fl_str value);
/* Raw text of a member: path "metadata.name" walks objects. Keys with '.' or '/' : use fl_scan_get with one key. */
struct fl_str fl_scan_path(struct fl_str object, const char *path); /* n == 0: absent */
struct fl_str fl_scan_get(struct fl_str object, struct fl_str key);
/* Iteration over members or elements; start with *at = 0. key is raw text between the quotes (escapes not undone);
 * n == 0 in arrays. Returns false at the end. */
bool fl_scan_next(struct fl_str container, size_t *at, struct fl_str *key, struct fl_str *value);
/* Appends the decoded text of a string value (escapes undone); false: not a string. */
bool fl_scan_text(struct fl_str value, struct fl_buf *b);
/* The content between the quotes when it has no escape; false: not a string, or has escapes. */
bool fl_scan_plain(struct fl_str value, struct fl_str *ret);
bool fl_scan_i64(struct fl_str value, int64_t *ret);
bool fl_scan_bool(struct fl_str value, bool *ret);

/* A tolerant splitter for a List that arrives whole: calls back for each element of the top-level "items". The text was
 * checked. meta gets the raw text of "metadata". */
int fl_scan_list(struct fl_str text, struct fl_str *meta,
                 int (*item)(void *arg, struct fl_str raw, struct fl_err *err), void *arg,
                 struct fl_err *err);

#endif
