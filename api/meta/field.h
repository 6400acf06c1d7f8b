/* SPDX-License-Identifier: Apache-2.0
 * The row type of all tables. From the rows of a kind come decoding, defaulting, validation, pruning, the CRD schema,
 * OpenAPI, `kubectl explain`, protobuf decoding of built-in kinds, strategic merge and the reference pages. */
#ifndef FL_API_META_FIELD_H
#define FL_API_META_FIELD_H

#include "base/arena.h"
#include "base/str.h"

/* C shape at `at` after decoding; everything lives in the pass's arena. */
enum fl_type {
    FL_END = 0,
    FL_STRING, /* const char *; NULL = absent */
    FL_BOOL,   /* bool; absent = false unless defaulted */
    FL_INT,    /* int64_t; absent = 0 unless defaulted */
    FL_ENUM,   /* int: index in `names`; absent = -1 unless defaulted. JSON string */
    FL_DURATION, /* int64_t milliseconds; absent = -1 unless defaulted. JSON string as Go writes it ("5m", "0") */
    FL_TIME,   /* const char *, RFC 3339, JSON string; micro seconds allowed */
    FL_OBJECT, /* struct T *; NULL = absent; `rows`, `size` */
    FL_LIST,   /* struct fl_list; items of `item`; `rows`, `size` when they are objects */
    FL_MAP,    /* struct fl_pairs; values: strings (item FL_STRING) or base64 (item FL_BYTES) */
    FL_BYTES,  /* const char *, base64 text as on the wire; protobuf: raw bytes */
    FL_ANY,    /* not decoded, any JSON, unknown fields preserved (at is ignored) */
};

struct fl_list {
    void *v; /* n elements: const char * for strings, struct T by value for objects */
    size_t n;
};

struct fl_pair {
    const char *key;
    const char *value;
};

struct fl_pairs {
    struct fl_pair *v; /* in the order of the document */
    size_t n;
};

enum {
    FL_REQUIRED = 1 << 0,
    FL_IMMUTABLE = 1 << 1, /* may not change once set; may not be set or unset later */
    FL_LIST_SET = 1 << 2,  /* x-kubernetes-list-type: set */
    FL_LIST_MAP = 1 << 3,  /* x-kubernetes-list-type: map, by `key`; also the strategic merge key */
    FL_WRITE_ONLY = 1 << 4,  /* folded into another field, never stored (Secret.stringData) */
    FL_STATUS_ONLY = 1 << 5, /* the status of a kind: only its subresource writes it */
    FL_MICRO = 1 << 6, /* FL_TIME: always with six digits; Go clients refuse any other number */
    FL_ZERO = 1 << 7,  /* protobuf: a zero that was sent is a value (a pointer in Go's type) */
};

/* Checks a string beyond type and length. Returns false and writes why (one clause, no trailing dot) to `why`. */
typedef bool (*fl_check_fn)(struct fl_str value, struct fl_err *why);

struct fl_field {
    const char *name;
    enum fl_type type;
    size_t at;
    unsigned flags;
    const char *doc; /* for people: what it means, unit, default; shown by kubectl explain */
    const char *def; /* JSON text, applied when the parent object is present; NULL = none */
    const char *const *names; /* FL_ENUM: NULL-ended, as written in YAML */
    /* STRING: bytes; INT: value; DURATION: ms; LIST, MAP: count. max 0 = the caps below (INT and DURATION: no upper bound;
     * INT with min 0 too: no bound at all). */
    int64_t min, max;
    fl_check_fn check;   /* STRING, and strings in LIST and MAP keys */
    const char *pattern; /* regular expression that tells the same, for the schema; NULL = none */
    const struct fl_field *rows;
    size_t size;
    enum fl_type item;
    const char *key;         /* FL_LIST_MAP */
    int pb;                  /* protobuf field number of a built-in kind; 0 = none */
    fl_check_fn value_check; /* MAP: values */
};

#define FL_CAP_STRING 32768 /* bytes, where a row gives no max */
#define FL_CAP_ITEMS 10000  /* list items and map entries, likewise */

/* What is wrong with an object, in the API's words; grows in an arena. */
enum fl_cause {
    FL_CAUSE_REQUIRED, /* FieldValueRequired      "Required value" */
    FL_CAUSE_INVALID,  /* FieldValueInvalid       "Invalid value: <json>: why" */
    FL_CAUSE_NOT_SUPPORTED, /* FieldValueNotSupported  "Unsupported value: <json>: supported values: ..." */
    FL_CAUSE_DUPLICATE, /* FieldValueDuplicate */
    FL_CAUSE_FORBIDDEN, /* FieldValueForbidden     "Forbidden: why" */
    FL_CAUSE_TOO_LONG,  /* FieldValueTooLong       "Too long: may not be more than N bytes" */
    FL_CAUSE_TOO_MANY,  /* FieldValueTooMany       "Too many: N: must have at most M items" */
    FL_CAUSE_TYPE, /* FieldValueTypeInvalid   "Invalid value: \"string\": x in body must be ..." */
};

struct fl_violation {
    enum fl_cause cause;
    const char *field; /* "spec.source.url" */
    const char *text;  /* whole sentence after "field: " */
};

struct fl_violations {
    struct fl_arena *arena;
    struct fl_violation *v;
    size_t n; /* at most 100 are kept */
};

/* Adds one; value_json may be NULL (REQUIRED, FORBIDDEN). The texts are built as above; why is what stands after the last
 * fixed part (NOT_SUPPORTED: the list of values; TOO_LONG: "may not be ..."), "%s", "" = nothing. */
void fl_violate(struct fl_violations *vs, enum fl_cause cause, const char *field,
                const char *value_json, const char *why_fmt, ...) fl_printf_like(5, 6);
const char *fl_cause_name(enum fl_cause cause); /* "FieldValueRequired" */

#endif
