/* SPDX-License-Identifier: Apache-2.0
 * OpenAPI documents made from the scheme: v3 per group and version (JSON), v2 for all (JSON, and protobuf for kubectl below
 * 1.29 and for explain below 1.27). kubernetes.md 3.4. */
#ifndef FL_APISERVER_OPENAPI_H
#define FL_APISERVER_OPENAPI_H

#include "api/meta/kind.h"
#include "base/buf.h"
#include "wire/json.h"

#define FL_OPENAPI_GVK "x-kubernetes-group-version-kind"

/* The v3 document of one group and version. */
void fl_openapi_v3(const char *group, const char *version, struct fl_buf *out);
/* Swagger 2.0: paths and definitions of all kinds. The caller's. */
struct fl_json *fl_openapi_v2_tree(void);
void fl_openapi_v2_json(struct fl_buf *out);
/* openapi.v2.Document of gnostic-models' OpenAPIv2.proto of the same. */
void fl_openapi_v2_proto(struct fl_buf *out);
/* "/api/v1" or "/apis/<group>/<version>". */
void fl_openapi_root(const struct fl_kind *k, struct fl_buf *out);

#endif
