/* SPDX-License-Identifier: Apache-2.0
 * YAML manifests to JSON trees, with Kubernetes' YAML 1.1 scalar rules (kubernetes.md section 0, fact 10). The only user
 * of libyaml. Caps: depth 100, 100,000 nodes a document, aliases expanded within that budget, 1,000 documents. */
#ifndef FL_WIRE_YAML_H
#define FL_WIRE_YAML_H

#include "wire/json.h"

/* Calls back for each document that is not empty, in order. `where` names the file in errors ("-" for standard input).
 * Failures: BAD_DATA "file.yaml: document 2: line 7, column 3: ..."; TOO_BIG. Documents before the broken one were
 * delivered. The callback takes the tree. Duplicate keys are errors. JSON is YAML and passes too, also several values
 * one after another; there the node cap does not apply and 1.0 stays a double, in YAML it is an int, as in Go. */
int fl_yaml_read(struct fl_str text, size_t cap, const char *where,
                 int (*doc)(void *arg, struct fl_json *tree, int number, int line,
                            struct fl_err *err),
                 void *arg, struct fl_err *err);
/* Exactly one document, for API bodies of type application/yaml. */
int fl_yaml_parse(struct fl_str text, size_t cap, const char *where, struct fl_json **ret,
                  struct fl_err *err);
/* Writes a tree as YAML (block style, keys in order, strings quoted where a reader could take them for something else). */
void fl_yaml_write(const struct fl_json *j, struct fl_buf *b);

#endif
