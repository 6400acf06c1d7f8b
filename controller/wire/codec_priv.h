/* SPDX-License-Identifier: Apache-2.0
 * What the files of the codec share: paths of fields that grow and shrink in one buffer, rows by name. */
#ifndef FL_WIRE_CODEC_PRIV_H
#define FL_WIRE_CODEC_PRIV_H

#include "wire/codec.h"

/* Tables nest far less; a table that refers to itself would be the bug that this finds. */
#define FL_CODEC_DEPTH_MAX 32

/* NULL: no row of that name. */
const struct fl_field *fl_codec_row(const struct fl_field *rows, struct fl_str name);
/* Whether the value counts as there: null is taken as absent, as Go's decoder does. */
bool fl_codec_present(const struct fl_json *v);

/* Each appends to the path and returns its length before, for fl_buf_truncate. */
size_t fl_path_name(struct fl_buf *path,
                    const char *name);               /* ".name", or "name" on an empty path */
size_t fl_path_index(struct fl_buf *path, size_t i); /* "[3]" */
size_t fl_path_key(struct fl_buf *path, struct fl_str key); /* "[key]" */

#endif
