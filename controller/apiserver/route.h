/* SPDX-License-Identifier: Apache-2.0
 * Paths of resources: /api/v1/... and /apis/<group>/<version>/..., with or without namespaces/<ns>. kubernetes.md 1.2. */
#ifndef FL_APISERVER_ROUTE_H
#define FL_APISERVER_ROUTE_H

#include "api/meta/kind.h"
#include "base/arena.h"

enum fl_sub { FL_SUB_NONE, FL_SUB_STATUS, FL_SUB_FINALIZE };

struct fl_route {
    const struct fl_kind *kind;
    struct fl_str ns;   /* empty: cluster scope, or all namespaces; in the arena */
    struct fl_str name; /* empty: the collection; in the arena */
    enum fl_sub sub;
    bool watch; /* by the old prefix /api/v1/watch/... */
};

/* False: no such path (404 as plain text). */
bool fl_route_parse(struct fl_arena *a, struct fl_str path, struct fl_route *ret);

#endif
