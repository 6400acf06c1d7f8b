/* SPDX-License-Identifier: Apache-2.0
 * Walks the rows of api/ over JSON trees: prune, default, validate, decode, encode, schema. Knows no kind. */
#ifndef FL_WIRE_CODEC_H
#define FL_WIRE_CODEC_H

#include "api/meta/field.h"
#include "api/meta/kind.h"
#include "wire/json.h"

/* Removes members that no row names and reports each by path ("spec.bogus", "spec.items[2].x"). Nested FL_ANY and map
 * contents stay. path "" is the whole object: apiVersion, kind and metadata stay, whatever the rows are. */
void fl_codec_prune(const struct fl_field *rows, struct fl_json *obj, const char *path,
                    void (*unknown)(void *arg, const char *path), void *arg);
/* Adds defaults where a field is absent or null and its parent is present. A null without a default is removed: null counts as
 * absent everywhere here, as in Go's decoder. */
void fl_codec_default(const struct fl_field *rows, struct fl_json *obj);
/* Types, required, ranges, enums, checks, duplicate map keys in FL_LIST_MAP and FL_LIST_SET. Texts show values cut to 256 bytes
 * and redacted; of FL_BYTES nothing is shown. */
void fl_codec_validate(const struct fl_field *rows, const struct fl_json *obj, const char *path,
                       struct fl_violations *vs);
/* FL_IMMUTABLE rows: old and new must be equal ("Forbidden: field is immutable ..."). */
void fl_codec_validate_update(const struct fl_field *rows, const struct fl_json *obj,
                              const struct fl_json *old, const char *path,
                              struct fl_violations *vs);
/* Fills *st (zeroed by the caller, arena lifetime) from a tree that was defaulted and validated; wrong types, if there
 * are any, read as absent. obj NULL reads as {}. */
void fl_codec_decode(const struct fl_field *rows, const struct fl_json *obj, struct fl_arena *a,
                     void *st);
/* The tree of *st: absent values are left out (NULL texts, empty lists, NULL objects, -1 enums and durations); ints and
 * bools are always written. */
struct fl_json *fl_codec_encode(const struct fl_field *rows, const void *st);
/* Whether both would be encoded alike. False is no proof of the contrary: maps count in their order. */
bool fl_codec_equal(const struct fl_field *rows, const void *a, const void *b);

/* Structural OpenAPI v3 schema of rows, with descriptions, defaults, enums, ranges, patterns and x-kubernetes-*. */
struct fl_json *fl_schema_rows(const struct fl_field *rows, const char *doc);
/* The whole object of a kind: apiVersion, kind, metadata (type object; $ref to ObjectMeta when meta_ref is given), rows. */
struct fl_json *fl_schema_kind(const struct fl_kind *k, const char *meta_ref);
/* The CustomResourceDefinition of a kind, for manifests/crd/. */
struct fl_json *fl_schema_crd(const struct fl_kind *k);
/* The reference page of a kind (Markdown tables of all fields, columns, conditions), for api/v1alpha1/<kind>.md between
 * the markers "<!-- fields -->" and "<!-- /fields -->". */
void fl_schema_page(const struct fl_kind *k, struct fl_buf *b);

#endif
