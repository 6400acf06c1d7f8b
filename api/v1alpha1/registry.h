/* SPDX-License-Identifier: Apache-2.0
 * Registry (reg): a container registry and the credentials for it. Reference page: registry.md beside this file. */
#ifndef FL_API_V1ALPHA1_REGISTRY_H
#define FL_API_V1ALPHA1_REGISTRY_H

#include "api/meta/condition.h"

enum fl_registry_type { FL_REGISTRY_OCI };
extern const char *const fl_registry_type_names[]; /* "oci" */

struct fl_registry_spec {
    struct fl_common common; /* interval default 5m, timeout default 30s */
    int type;                /* enum fl_registry_type; default oci */
    const char *url; /* required: http or https, no credentials, query, fragment; may have a path */
    /* keys: username+password | token | .dockerconfigjson | .dockercfg ; NULL = anonymous */
    struct fl_local_ref *secret_ref;
    struct fl_local_ref *ca_ref; /* a Secret with key ca.crt (PEM) */
    bool insecure;               /* do not verify TLS; plain http needs no flag: the URL says so */
    int64_t max_concurrent;      /* requests in flight at this registry, default 8, 1..64 */
};

/* Probed; names of the list are stable words. */
struct fl_registry_status {
    struct fl_status_common common;
    bool reachable;
    bool authenticated; /* false also where the registry asks for nothing; see auth */
    const char *auth;   /* Anonymous, Basic, Bearer */
    const char *host;   /* "registry.example.com:5000" */
    /* const char *: "Catalog", "ListingDigests", "Referrers" */
    struct fl_list capabilities;
    const char *last_probe_time; /* changes only when the outcome does */
};

#endif
