/* SPDX-License-Identifier: Apache-2.0
 * The patch types of the Kubernetes API on trees. Each changes `target` in place and leaves it usable, perhaps half
 * patched, on failure: patch a copy. */
#ifndef FL_WIRE_PATCH_H
#define FL_WIRE_PATCH_H

#include "api/meta/field.h"
#include "wire/json.h"

/* RFC 7386. *target may be replaced (root). */
void fl_patch_merge(struct fl_json **target, const struct fl_json *patch);
/* RFC 6902: add remove replace move copy test; at most 10,000 operations. BAD_DATA: not an array or malformed
 * (400); INVALID: a failed test or a missing path (422), naming operation and path;
 * TOO_BIG: too many operations, copies of more than 3 MiB in all, or too much shifting about (413). */
int fl_patch_json(struct fl_json **target, const struct fl_json *ops, struct fl_err *err);
/* Strategic merge by the rows of a kind (list keys from FL_LIST_MAP, sets from FL_LIST_SET), with the directives
 * $patch (replace, merge, delete), $deleteFromPrimitiveList/f, $setElementOrder/f, $retainKeys. BAD_DATA: a
 * malformed patch (400). */
int fl_patch_strategic(struct fl_json **target, const struct fl_json *patch,
                       const struct fl_field *rows, struct fl_err *err);
/* The merge patch that turns `from` into `to`; NULL when they are equal. The caller's. */
struct fl_json *fl_patch_diff(const struct fl_json *from, const struct fl_json *to);

#endif
