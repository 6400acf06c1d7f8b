/* SPDX-License-Identifier: Apache-2.0
 * Label and field selectors: parsed once, matched against raw object texts. kubernetes.md 1.2. */
#ifndef FL_APISERVER_SELECTOR_H
#define FL_APISERVER_SELECTOR_H

#include "api/meta/kind.h"
#include "base/arena.h"
#include "base/err.h"

struct fl_selector;

/* text: percent-decoded, may be empty (matches all). INVALID with the API server's words. The selector is refcounted and
 * independent of the text. */
int fl_selector_labels(struct fl_str text, struct fl_selector **ret, struct fl_err *err);
/* Only metadata.name, metadata.namespace and the kind's `selectable` paths: INVALID "field label not supported: x". */
int fl_selector_fields(struct fl_str text, const struct fl_kind *kind, struct fl_selector **ret,
                       struct fl_err *err);
struct fl_selector *fl_selector_ref(struct fl_selector *s);
void fl_selector_free(struct fl_selector *s);
FL_AUTO(fl_selector);
bool fl_selector_empty(const struct fl_selector *s);                       /* NULL: true */
bool fl_selector_match(const struct fl_selector *s, struct fl_str object); /* NULL: true */
/* The value that metadata.name must equal, when the field selector asks for one; n == 0 otherwise. */
struct fl_str fl_selector_name(const struct fl_selector *s);

#endif
