/* SPDX-License-Identifier: Apache-2.0
 * Source: kubernetes/api apidiscovery/v2/types.go, apimachinery pkg/apis/meta/v1/types.go; kubernetes.md 3.1, 3.2. */
#include "apiserver/discovery_docs.h"

#include "api/scheme.h"
#include "apiserver/openapi.h"

/* The version whose behaviour is followed; charts test it. */
#define KUBE_MAJOR "1"
#define KUBE_MINOR "33"
#if defined(__x86_64__)
#define ARCH "amd64"
#elif defined(__aarch64__)
#define ARCH "arm64"
#else
#define ARCH "unknown"
#endif

static void group_version(const struct fl_kind *k, struct fl_buf *out)
{
    fl_buf_fmt(out, "%s%s%s", k->group, k->group[0] ? "/" : "", k->version);
}

static void text_list(const char *const *texts, struct fl_buf *out)
{
    fl_buf_char(out, '[');
    for (size_t i = 0; texts && texts[i]; i++) {
        fl_buf_text(out, i > 0 ? "," : "");
        fl_buf_json_str(out, fl_str_of(texts[i]));
    }
    fl_buf_char(out, ']');
}

static const char *const virtual_verbs[] = {"create", NULL};
static const char *const all_verbs[] = {
    "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch", NULL};
/* A namespace takes its content along: they are deleted one by one. */
static const char *const namespace_verbs[] = {"create", "delete", "get",   "list",
                                              "patch",  "update", "watch", NULL};
static const char *const status_verbs[] = {"get", "patch", "update", NULL};
static const char *const finalize_verbs[] = {"update", NULL};

static const char *const *verbs_of(const struct fl_kind *k)
{
    if (k->flags & FL_KIND_VIRTUAL) {
        return virtual_verbs;
    }
    return k == &fl_kind_namespace ? namespace_verbs : all_verbs;
}

struct sub {
    const char *name;
    const char *const *verbs;
};

/* Subresources of a kind; returns how many. */
static size_t subs_of(const struct fl_kind *k, struct sub ret[2])
{
    size_t n = 0;
    if (k == &fl_kind_namespace) {
        ret[n++] = (struct sub){"finalize", finalize_verbs};
    }
    if (k->flags & FL_KIND_STATUS) {
        ret[n++] = (struct sub){"status", status_verbs};
    }
    return n;
}

/* Aggregated discovery. */

static void response_kind(const struct fl_kind *k, struct fl_buf *out)
{
    fl_buf_fmt(out, "{\"group\":\"%s\",\"version\":\"%s\",\"kind\":\"%s\"}", k->group, k->version,
               k->kind);
}

static void aggregated_resource(const struct fl_kind *k, struct fl_buf *out)
{
    struct sub subs[2];
    size_t n = subs_of(k, subs);
    fl_buf_fmt(out, "{\"resource\":\"%s\",\"responseKind\":", k->plural);
    response_kind(k, out);
    fl_buf_fmt(out, ",\"scope\":\"%s\",\"singularResource\":\"%s\",\"verbs\":",
               k->namespaced ? "Namespaced" : "Cluster", k->singular);
    text_list(verbs_of(k), out);
    if (k->short_names) {
        fl_buf_text(out, ",\"shortNames\":");
        text_list(k->short_names, out);
    }
    if (k->categories) {
        fl_buf_text(out, ",\"categories\":");
        text_list(k->categories, out);
    }
    for (size_t i = 0; i < n; i++) {
        fl_buf_text(out, i == 0 ? ",\"subresources\":[" : ",");
        fl_buf_fmt(out, "{\"subresource\":\"%s\",\"responseKind\":", subs[i].name);
        response_kind(k, out);
        fl_buf_text(out, ",\"verbs\":");
        text_list(subs[i].verbs, out);
        fl_buf_text(out, i + 1 == n ? "}]" : "}");
    }
    fl_buf_char(out, '}');
}

static bool same_group(const struct fl_kind *a, const struct fl_kind *b)
{
    return strcmp(a->group, b->group) == 0;
}

static bool same_version(const struct fl_kind *a, const struct fl_kind *b)
{
    return same_group(a, b) && strcmp(a->version, b->version) == 0;
}

bool fl_discovery_leads(const struct fl_kind *const *k)
{
    for (const struct fl_kind *const *before = fl_scheme; before < k; before++) {
        if (same_version(*before, *k)) {
            return false;
        }
    }
    return true;
}

/* The same for the group. */
static bool leads_group(const struct fl_kind *const *k)
{
    for (const struct fl_kind *const *before = fl_scheme; before < k; before++) {
        if (same_group(*before, *k)) {
            return false;
        }
    }
    return true;
}

static void aggregated_version(const struct fl_kind *leader, struct fl_buf *out)
{
    fl_buf_fmt(out, "{\"version\":\"%s\",\"freshness\":\"Current\",\"resources\":[",
               leader->version);
    bool first = true;
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        if (same_version(*k, leader)) {
            fl_buf_text(out, first ? "" : ",");
            first = false;
            aggregated_resource(*k, out);
        }
    }
    fl_buf_text(out, "]}");
}

static void aggregated_group(const struct fl_kind *leader, struct fl_buf *out)
{
    fl_buf_text(out, "{\"metadata\":{");
    if (leader->group[0]) {
        fl_buf_fmt(out, "\"name\":\"%s\",", leader->group);
    }
    fl_buf_text(out, "\"creationTimestamp\":null},\"versions\":[");
    bool first = true;
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        if (same_group(*k, leader) && fl_discovery_leads(k)) {
            fl_buf_text(out, first ? "" : ",");
            first = false;
            aggregated_version(*k, out);
        }
    }
    fl_buf_text(out, "]}");
}

static void aggregated(bool core, const char *version, struct fl_buf *out)
{
    fl_buf_fmt(out,
               "{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/%s\","
               "\"metadata\":{},\"items\":[",
               version);
    bool first = true;
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        if (((*k)->group[0] == '\0') == core && leads_group(k)) {
            fl_buf_text(out, first ? "" : ",");
            first = false;
            aggregated_group(*k, out);
        }
    }
    fl_buf_text(out, "]}");
}

/* Legacy discovery. */

static void version_entry(const struct fl_kind *k, struct fl_buf *out)
{
    fl_buf_text(out, "{\"groupVersion\":\"");
    group_version(k, out);
    fl_buf_fmt(out, "\",\"version\":\"%s\"}", k->version);
}

static void group_body(const struct fl_kind *leader, struct fl_buf *out)
{
    fl_buf_fmt(out, "\"name\":\"%s\",\"versions\":[", leader->group);
    bool first = true;
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        if (same_group(*k, leader) && fl_discovery_leads(k)) {
            fl_buf_text(out, first ? "" : ",");
            first = false;
            version_entry(*k, out);
        }
    }
    fl_buf_text(out, "],\"preferredVersion\":");
    version_entry(leader, out);
}

static void groups(struct fl_buf *out)
{
    fl_buf_text(out, "{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[");
    bool first = true;
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        if ((*k)->group[0] && leads_group(k)) {
            fl_buf_text(out, first ? "{" : ",{");
            first = false;
            group_body(*k, out);
            fl_buf_char(out, '}');
        }
    }
    fl_buf_text(out, "]}");
}

static void resource_entry(const struct fl_kind *k, const struct sub *sub, struct fl_buf *out)
{
    fl_buf_fmt(out,
               "{\"name\":\"%s%s%s\",\"singularName\":\"%s\",\"namespaced\":%s,\"kind\":\"%s\","
               "\"verbs\":",
               k->plural, sub ? "/" : "", sub ? sub->name : "", sub ? "" : k->singular,
               k->namespaced ? "true" : "false", k->kind);
    text_list(sub ? sub->verbs : verbs_of(k), out);
    if (!sub && k->short_names) {
        fl_buf_text(out, ",\"shortNames\":");
        text_list(k->short_names, out);
    }
    if (!sub && k->categories) {
        fl_buf_text(out, ",\"categories\":");
        text_list(k->categories, out);
    }
    fl_buf_char(out, '}');
}

static void resources(const struct fl_kind *leader, struct fl_buf *out)
{
    fl_buf_text(out, "{\"kind\":\"APIResourceList\",\"apiVersion\":\"v1\",\"groupVersion\":\"");
    group_version(leader, out);
    fl_buf_text(out, "\",\"resources\":[");
    bool first = true;
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        if (!same_version(*k, leader)) {
            continue;
        }
        struct sub subs[2];
        size_t n = subs_of(*k, subs);
        fl_buf_text(out, first ? "" : ",");
        first = false;
        resource_entry(*k, NULL, out);
        for (size_t i = 0; i < n; i++) {
            fl_buf_char(out, ',');
            resource_entry(*k, &subs[i], out);
        }
    }
    fl_buf_text(out, "]}");
}

static void version_text(struct fl_buf *out)
{
    fl_buf_text(out, "{\"major\":\"" KUBE_MAJOR "\",\"minor\":\"" KUBE_MINOR
                     "\",\"gitVersion\":\"v" KUBE_MAJOR "." KUBE_MINOR ".0+fairlead-" FL_VERSION
                     "\",\"gitCommit\":\"\",\"gitTreeState\":\"clean\",\"buildDate\":\"1970-01-"
                     "01T00:00:00Z\",\"goVersion\":\"none\",\"compiler\":\"cc\",\"platform\":"
                     "\"linux/" ARCH "\"}");
}

static void root_paths(struct fl_buf *out)
{
    fl_buf_text(out, "{\"paths\":[\"/api\",\"/api/v1\",\"/apis\"");
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        if (!(*k)->group[0]) {
            continue;
        }
        if (leads_group(k)) {
            fl_buf_fmt(out, ",\"/apis/%s\"", (*k)->group);
        }
        if (fl_discovery_leads(k)) {
            fl_buf_fmt(out, ",\"/apis/%s/%s\"", (*k)->group, (*k)->version);
        }
    }
    fl_buf_text(out, ",\"/healthz\",\"/livez\",\"/openapi/v2\",\"/openapi/v3\",\"/readyz\","
                     "\"/version\"]}");
}

void fl_discovery_build(const struct fl_doc_want *w, struct fl_buf *out)
{
    switch (w->type) {
    case DOC_AGGREGATED:
        aggregated(w->core, w->version, out);
        break;
    case DOC_LEGACY_CORE:
        fl_buf_text(out, "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],"
                         "\"serverAddressByClientCIDRs\":[]}");
        break;
    case DOC_GROUPS:
        groups(out);
        break;
    case DOC_GROUP:
        fl_buf_text(out, "{\"kind\":\"APIGroup\",\"apiVersion\":\"v1\",");
        group_body(w->leader, out);
        fl_buf_char(out, '}');
        break;
    case DOC_RESOURCES:
        resources(w->leader, out);
        break;
    case DOC_VERSION:
        version_text(out);
        break;
    case DOC_ROOT:
        root_paths(out);
        break;
    case DOC_OPENAPI_V2:
        fl_openapi_v2_json(out);
        break;
    case DOC_OPENAPI_V2_PROTO:
        fl_openapi_v2_proto(out);
        break;
    case DOC_OPENAPI_V3:
        fl_openapi_v3(w->leader->group, w->leader->version, out);
        break;
    }
}
