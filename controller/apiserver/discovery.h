/* SPDX-License-Identifier: Apache-2.0
 * What clients ask before they work: /version, /, /api, /apis (aggregated v2, v2beta1, legacy), group
 * and resource lists, /openapi/v2 (protobuf stub and JSON), /openapi/v3. Documents are made once from the scheme and kept. */
#ifndef FL_APISERVER_DISCOVERY_H
#define FL_APISERVER_DISCOVERY_H

#include "wire/serve.h"

struct fl_discovery;
struct fl_discovery *fl_discovery_new(void); /* documents are built when first asked for */
void fl_discovery_free(struct fl_discovery *d);
/* True when the path is one of these (then res is filled, also with 405, 304, 404); false: not ours. */
bool fl_discovery_serve(struct fl_discovery *d, const struct fl_request *req,
                        struct fl_response *res);

#endif
