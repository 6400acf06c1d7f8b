/* SPDX-License-Identifier: Apache-2.0
 * Negotiated forms of an answer: JSON, YAML, Table, PartialObjectMetadata. kubernetes.md 3.6. Works on raw texts; an object
 * is parsed only for Tables. */
#ifndef FL_APISERVER_FORM_H
#define FL_APISERVER_FORM_H

#include "api/meta/kind.h"
#include "base/buf.h"
#include "wire/serve.h"

enum fl_form_type { FL_FORM_JSON, FL_FORM_YAML, FL_FORM_TABLE, FL_FORM_PARTIAL };
enum fl_form_include { FL_INCLUDE_METADATA, FL_INCLUDE_NONE, FL_INCLUDE_OBJECT };

struct fl_form {
    enum fl_form_type type;
    enum fl_form_include include; /* TABLE */
    bool v1beta1;                 /* TABLE asked as meta.k8s.io/v1beta1 only */
    bool pretty;                  /* JSON for curl and browsers or pretty=true */
    int64_t now_ms;               /* wall time for ages */
};

/* By Accept, query (includeObject, pretty) and User-Agent. INVALID reason "NotAcceptable" (406) naming what can be had. watch:
 * YAML is not acceptable. */
int fl_form_pick(const struct fl_request *req, bool watch, int64_t now_ms, struct fl_form *ret,
                 struct fl_err *err);
const char *fl_form_content_type(const struct fl_form *f);

/* One object (whole text of a stored object of kind k, with apiVersion and kind inside). */
void fl_form_object(const struct fl_form *f, const struct fl_kind *k, struct fl_str text,
                    struct fl_buf *ret);
/* A list: begin, items, end. meta: resourceVersion, continue (may be empty), remaining (-1 = left out). */
struct fl_form_list {
    struct fl_form form;
    const struct fl_kind *kind;
    struct fl_buf *out;
    size_t n;     /* items so far */
    size_t start; /* private: where this list begins in out */
};
void fl_form_list_begin(struct fl_form_list *l, const struct fl_form *f, const struct fl_kind *k,
                        struct fl_buf *out);
void fl_form_list_item(struct fl_form_list *l, struct fl_str text);
void fl_form_list_end(struct fl_form_list *l, int64_t rv, struct fl_str cont, int64_t remaining);
/* One line of a watch: type "ADDED"...; columns: Table definitions are sent (first line of a watch) or null. */
void fl_form_event(const struct fl_form *f, const struct fl_kind *k, const char *type,
                   struct fl_str text, bool columns, struct fl_buf *ret);
/* BOOKMARK line of a kind at rv; initial_end adds the annotation k8s.io/initial-events-end. */
void fl_form_bookmark(const struct fl_form *f, const struct fl_kind *k, int64_t rv,
                      bool initial_end, struct fl_buf *ret);
/* True when two forms make the same lines, so that they can be shared (not TABLE with ages). */
bool fl_form_same(const struct fl_form *a, const struct fl_form *b);

#endif
