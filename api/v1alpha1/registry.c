/* SPDX-License-Identifier: Apache-2.0 */
#include "api/v1alpha1/registry.h"

#include "api/scheme.h"
#include "api/v1alpha1/checks.h"
#include "base/url.h"

#define AT(m) .at = offsetof(struct fl_registry_spec, m)
#define AT_STATUS(m) .at = offsetof(struct fl_registry_status, m)

const char *const fl_registry_type_names[] = {"oci", NULL};

static bool url_check(struct fl_str s, struct fl_err *why)
{
    struct fl_url u;
    if (fl_url_parse(s, &u, why) != 0) {
        return false;
    }
    if (u.query.n > 0) {
        (void)fl_fail(why, FL_E_INVALID, "InvalidURL", "must not have a query");
        return false;
    }
    struct fl_str path = u.path;
    while (path.n > 0 && path.p[path.n - 1] == '/') {
        path.n--;
    }
    if (fl_str_ends(path, "/v2")) {
        (void)fl_fail(why, FL_E_INVALID, "InvalidURL",
                      "must be the registry's address without /v2, which is added to it");
        return false;
    }
    return true;
}

static const struct fl_field spec_rows[] = {
    {.name = "type",
     .type = FL_ENUM,
     AT(type),
     .names = fl_registry_type_names,
     .def = "\"oci\"",
     .doc = "What kind of registry it is. oci: any registry that speaks the OCI distribution API "
            "(docker-registry, Harbor, GitLab, Quay, Docker Hub, zot, the clouds')."},
    {.name = "url",
     .type = FL_STRING,
     AT(url),
     .flags = FL_REQUIRED,
     .min = 1,
     .max = 2048,
     .check = url_check,
     .pattern = "^https?://[^/?#@\\s]+(/[^?#@\\s]*)?$",
     .doc = "Address of the registry: http:// or https://, host, port if it is not the usual one, "
            "and a "
            "path prefix if it has one. No credentials, query or fragment, and no /v2."},
    {.name = "secretRef",
     .type = FL_OBJECT,
     AT(secret_ref),
     .rows = fl_local_ref_rows,
     .size = sizeof(struct fl_local_ref),
     .doc =
         "Secret with the credentials, in the same namespace. Its keys: username and password; or "
         "token (sent as Bearer); or .dockerconfigjson (kubectl create secret docker-registry); or "
         ".dockercfg. Absent = anonymous."},
    {.name = "caRef",
     .type = FL_OBJECT,
     AT(ca_ref),
     .rows = fl_local_ref_rows,
     .size = sizeof(struct fl_local_ref),
     .doc =
         "Secret whose key ca.crt holds the certificate authorities (PEM) to trust instead of the "
         "system's. Not together with insecure."},
    {.name = "insecure",
     .type = FL_BOOL,
     AT(insecure),
     .def = "false",
     .doc =
         "true = do not verify the registry's TLS certificate. Plain HTTP needs no flag: the URL "
         "says it."},
    {.name = "maxConcurrent",
     .type = FL_INT,
     AT(max_concurrent),
     .def = "8",
     .min = 1,
     .max = 64,
     .doc = "Requests in flight at this registry at a time, over all policies (1 to 64)."},
    FL_COMMON_ROWS(struct fl_registry_spec, "\"5m\"", "\"30s\""),
    {.type = FL_END},
};

static const struct fl_field status_rows[] = {
    FL_STATUS_COMMON_ROWS(struct fl_registry_status),
    {.name = "reachable",
     .type = FL_BOOL,
     AT_STATUS(reachable),
     .doc = "Whether the registry answered the last probe as a registry does."},
    {.name = "authenticated",
     .type = FL_BOOL,
     AT_STATUS(authenticated),
     .doc = "Whether it accepted the credentials. false also where it asked for none; see auth."},
    {.name = "auth",
     .type = FL_STRING,
     AT_STATUS(auth),
     .doc = "What it asks for: Anonymous, Basic or Bearer."},
    {.name = "host",
     .type = FL_STRING,
     AT_STATUS(host),
     .doc = "Host and port, as they stand in image references."},
    {.name = "capabilities",
     .type = FL_LIST,
     AT_STATUS(capabilities),
     .item = FL_STRING,
     .flags = FL_LIST_SET,
     .max = 32,
     .doc =
         "What it was found to offer: Catalog (lists its repositories), Referrers (signatures and "
         "attestations by subject), ListingDigests (tags with their digests in one list)."},
    {.name = "lastProbeTime",
     .type = FL_TIME,
     AT_STATUS(last_probe_time),
     .doc = "When the outcome of the probe last changed; a probe with the same outcome does not "
            "move it."},
    {.type = FL_END},
};

static const struct fl_field rows[] = {
    {.name = "spec",
     .type = FL_OBJECT,
     .flags = FL_REQUIRED,
     .rows = spec_rows,
     .doc = "The registry and how to reach it."},
    {.name = "status",
     .type = FL_OBJECT,
     .flags = FL_STATUS_ONLY,
     .rows = status_rows,
     .doc = "What the last probe found; written by Fairlead."},
    {.type = FL_END},
};

static const struct fl_column columns[] = {
    {.name = "URL", .type = "string", .path = ".spec.url", .doc = "Address of the registry."},
    FL_COLUMN_READY,
    FL_COLUMN_STATUS,
    FL_COLUMN_AGE,
    {.name = "Type",
     .type = "string",
     .path = ".spec.type",
     .priority = 1,
     .doc = "What kind of registry it is."},
    {.name = "Auth",
     .type = "string",
     .path = ".status.auth",
     .priority = 1,
     .doc = "What it asks for: Anonymous, Basic or Bearer."},
    {.name = "Interval",
     .type = "string",
     .path = ".spec.interval",
     .priority = 1,
     .doc = "How often it is probed."},
    FL_COLUMN_MESSAGE,
    {.path = NULL},
};

static void check(const void *spec_, const void *old_spec, struct fl_violations *vs)
{
    const struct fl_registry_spec *spec = spec_;
    (void)old_spec;
    fl_check_common(&spec->common, vs);
    if (spec->insecure && spec->ca_ref) {
        fl_violate(vs, FL_CAUSE_FORBIDDEN, "spec.caRef", NULL, "%s",
                   "may not be set when spec.insecure is true: nothing would be verified");
    }
}

static const char *const short_names[] = {"reg", NULL};
static const char *const categories[] = {"fairlead", NULL};

const struct fl_kind fl_kind_registry = {
    .group = FL_GROUP,
    .version = FL_VERSION_V1ALPHA1,
    .kind = "Registry",
    .plural = "registries",
    .singular = "registry",
    .short_names = short_names,
    .categories = categories,
    .namespaced = true,
    .flags = FL_KIND_STATUS | FL_KIND_CUSTOM,
    .doc =
        "Registry is a container registry and the credentials for it. It is probed on its "
        "interval; the "
        "status tells whether it is reachable and authenticated, or why not, and what it can do.",
    .rows = rows,
    .spec_rows = spec_rows,
    .spec_size = sizeof(struct fl_registry_spec),
    .status_rows = status_rows,
    .status_size = sizeof(struct fl_registry_status),
    .columns = columns,
    .check = check,
};
