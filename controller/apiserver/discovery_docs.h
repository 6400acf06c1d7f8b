/* SPDX-License-Identifier: Apache-2.0
 * The documents of discovery, written from the scheme. Private to this folder. */
#ifndef FL_APISERVER_DISCOVERY_DOCS_H
#define FL_APISERVER_DISCOVERY_DOCS_H

#include "api/meta/kind.h"
#include "base/buf.h"

enum fl_doc_type {
    DOC_AGGREGATED,
    DOC_LEGACY_CORE,
    DOC_GROUPS,
    DOC_GROUP,
    DOC_RESOURCES,
    DOC_VERSION,
    DOC_ROOT,
    DOC_OPENAPI_V2,
    DOC_OPENAPI_V2_PROTO,
    DOC_OPENAPI_V3,
};

struct fl_doc_want {
    enum fl_doc_type type;
    const struct fl_kind *leader; /* GROUP, RESOURCES, OPENAPI_V3 */
    bool core;                    /* AGGREGATED */
    const char *version;          /* AGGREGATED: "v2", "v2beta1" */
};

void fl_discovery_build(const struct fl_doc_want *w, struct fl_buf *out);
/* True for the first kind of its group and version in the scheme; k points into fl_scheme. */
bool fl_discovery_leads(const struct fl_kind *const *k);

#endif
