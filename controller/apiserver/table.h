/* SPDX-License-Identifier: Apache-2.0
 * Table cells from raw texts of stored objects, by the columns of a kind. kubernetes.md 3.6. */
#ifndef FL_APISERVER_TABLE_H
#define FL_APISERVER_TABLE_H

#include "api/meta/kind.h"
#include "base/buf.h"

/* columnDefinitions, a JSON array: Name, then the kind's columns. */
void fl_table_columns(const struct fl_kind *k, struct fl_buf *out);
/* One row's cells, a JSON array as long as the columns. now_ms: wall time for ages. */
void fl_table_cells(const struct fl_kind *k, struct fl_str text, int64_t now_ms,
                    struct fl_buf *out);
/* The raw value at a column path (".spec.url", ".a[0].b", ".status.conditions[?(@.type==\"Ready\")].status"); n == 0: absent. */
struct fl_str fl_table_path(struct fl_str text, const char *path);

#endif
