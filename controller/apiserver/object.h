/* SPDX-License-Identifier: Apache-2.0
 * Objects as trees and as stored texts: order of members, metadata, sameness. */
#ifndef FL_APISERVER_OBJECT_H
#define FL_APISERVER_OBJECT_H

#include "api/meta/kind.h"
#include "base/buf.h"
#include "wire/json.h"

struct fl_json *fl_object_meta(const struct fl_json *obj); /* lends; NULL: none */
const char *fl_object_meta_text(const struct fl_json *obj, const char *name); /* lends; NULL */
/* A member that is there and not null. */
struct fl_json *fl_object_get(const struct fl_json *obj, const char *name);
/* Not empty metadata.finalizers. */
bool fl_object_has_finalizers(const struct fl_json *obj);

/* Appends the text in the order apiVersion, kind, metadata, then as the rows of the kind. rv: what stands between the
 * quotes of metadata.resourceVersion; NULL leaves the member out. *ret_split (may be NULL): the offset, from the text's
 * begin, behind its opening quote. */
void fl_object_text(const struct fl_kind *k, const struct fl_json *obj, const char *rv,
                    struct fl_buf *out, size_t *ret_split);
/* Leaves out of metadata, and of built-in kinds' own members, what Go's omitempty leaves out: empty lists, maps, texts. */
void fl_object_trim(const struct fl_kind *k, struct fl_json *obj);
/* Same in everything but metadata.resourceVersion. */
bool fl_object_same(const struct fl_kind *k, const struct fl_json *a, const struct fl_json *b);
/* Same in what counts for metadata.generation: all but metadata and, where it is a subresource, status. */
bool fl_object_same_spec(const struct fl_kind *k, const struct fl_json *a, const struct fl_json *b);
/* All rows of an object: apiVersion, kind, metadata, then the kind's; in the arena. */
const struct fl_field *fl_object_rows(struct fl_arena *a, const struct fl_kind *k);

#endif
