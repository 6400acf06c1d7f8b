/* SPDX-License-Identifier: Apache-2.0 */
#include "api/v1alpha1/replication_policy.h"

#include "api/meta/checks.h"
#include "api/meta/oci_names.h"
#include "api/scheme.h"
#include "api/v1alpha1/checks.h"
#include "base/glob.h"

#define AT(m) .at = offsetof(struct fl_replication_policy_spec, m)
#define AT_STATUS(m) .at = offsetof(struct fl_replication_policy_status, m)
#define AT_DESTINATION(m) .at = offsetof(struct fl_policy_destination, m)
#define AT_PLAN(m) .at = offsetof(struct fl_plan_item, m)

#define PATTERNS_MAX 256

static bool glob_check(struct fl_str s, struct fl_err *why,
                       bool (*literal)(struct fl_str, struct fl_err *))
{
    if (s.n == 0) {
        (void)fl_fail(why, FL_E_INVALID, "InvalidPattern",
                      "must not be empty; ** matches everything");
        return false;
    }
    if (fl_glob_check(s, why) != 0) {
        return false;
    }
    return !fl_glob_literal(s) || literal(s, why);
}

static bool repository_pattern_check(struct fl_str s, struct fl_err *why)
{
    return glob_check(s, why, fl_oci_repository_check);
}

static bool tag_pattern_check(struct fl_str s, struct fl_err *why)
{
    return glob_check(s, why, fl_oci_tag_check);
}

static const struct fl_field source_rows[] = {
    {.name = "registry",
     .type = FL_STRING,
     .at = offsetof(struct fl_policy_source, registry),
     .flags = FL_REQUIRED,
     .min = 1,
     .max = 253,
     .check = fl_check_dns_subdomain,
     .pattern = FL_DNS_SUBDOMAIN_PATTERN,
     .doc = "Name of the Registry to copy from, in the same namespace."},
    {.type = FL_END},
};

static const struct fl_field destination_rows[] = {
    {.name = "registry",
     .type = FL_STRING,
     AT_DESTINATION(registry),
     .flags = FL_REQUIRED,
     .min = 1,
     .max = 253,
     .check = fl_check_dns_subdomain,
     .pattern = FL_DNS_SUBDOMAIN_PATTERN,
     .doc = "Name of the Registry to copy to, in the same namespace."},
    {.name = "namespace",
     .type = FL_STRING,
     AT_DESTINATION(namespace_),
     .min = 1,
     .max = FL_OCI_REPOSITORY_MAX - 2,
     .check = fl_oci_repository_check,
     .pattern = FL_OCI_REPOSITORY_PATTERN,
     .doc = "Repository path under which the images are put at the destination, such as mirror or "
            "mirror/hub. Absent = the same names as at the source."},
    {.name = "namespaceReplaceCount",
     .type = FL_INT,
     AT_DESTINATION(namespace_replace_count),
     .def = "-1",
     .min = -1,
     .max = 127,
     .doc =
         "How many leading components of a source name give way to namespace; the last one always "
         "stays. With namespace ns, a/b/img becomes ns/img by -1 (the default: all), ns/a/b/img by "
         "0, "
         "ns/b/img by 1. Means nothing without namespace."},
    {.type = FL_END},
};

#define FILTER_ROWS(what, check_fn, include_flags, include_min, include_doc)                       \
    {.name = "include",                                                                            \
     .type = FL_LIST,                                                                              \
     .at = offsetof(struct fl_filter, include),                                                    \
     .item = FL_STRING,                                                                            \
     .flags = (include_flags),                                                                     \
     .min = (include_min),                                                                         \
     .max = PATTERNS_MAX,                                                                          \
     .check = (check_fn),                                                                          \
     .doc = include_doc},                                                                          \
    {                                                                                              \
        .name = "exclude", .type = FL_LIST, .at = offsetof(struct fl_filter, exclude),             \
        .item = FL_STRING, .max = PATTERNS_MAX, .check = (check_fn),                               \
        .doc = "Patterns of " what " to leave out; wins over include. Same syntax."                \
    }

static const struct fl_field repository_filter_rows[] = {
    FILTER_ROWS(
        "repositories", repository_pattern_check, FL_REQUIRED, 1,
        "Patterns of repositories to copy; at least one. * within a path component, ** for any "
        "number of components, ?, [a-z], [^a-z], {a,b}. A plain name needs no catalog at the "
        "source, and no permission to read one."),
    {.type = FL_END},
};

static const struct fl_field tag_filter_rows[] = {
    FILTER_ROWS(
        "tags", tag_pattern_check, 0, 0,
        "Patterns of tags to copy: * and ** for any text, ?, [0-9], [^0-9], {a,b}. Absent or empty "
        "= all tags. Where all are plain names, no list of tags is read."),
    {.type = FL_END},
};

static const struct fl_field spec_rows[] = {
    {.name = "source",
     .type = FL_OBJECT,
     AT(source),
     .flags = FL_REQUIRED,
     .rows = source_rows,
     .size = sizeof(struct fl_policy_source),
     .doc = "Where images are copied from."},
    {.name = "destination",
     .type = FL_OBJECT,
     AT(destination),
     .flags = FL_REQUIRED,
     .rows = destination_rows,
     .size = sizeof(struct fl_policy_destination),
     .doc = "Where images are copied to, and under which names."},
    {.name = "repositories",
     .type = FL_OBJECT,
     AT(repositories),
     .flags = FL_REQUIRED,
     .rows = repository_filter_rows,
     .size = sizeof(struct fl_filter),
     .doc = "Which repositories of the source."},
    {.name = "tags",
     .type = FL_OBJECT,
     AT(tags),
     .rows = tag_filter_rows,
     .size = sizeof(struct fl_filter),
     .doc = "Which tags of these repositories. Absent = all."},
    {.name = "override",
     .type = FL_BOOL,
     AT(override),
     .def = "true",
     .doc = "true = a tag that has another digest at the destination is replaced. false = it is "
            "kept, and "
            "counted in status.kept."},
    {.name = "concurrency",
     .type = FL_INT,
     AT(concurrency),
     .def = "4",
     .min = 1,
     .max = 32,
     .doc = "Images copied at a time by one run (1 to 32). Each registry's maxConcurrent bounds "
            "the requests."},
    {.name = "historyLimit",
     .type = FL_INT,
     AT(history_limit),
     .def = "5",
     .min = 0,
     .max = 100,
     .doc = "Finished ReplicationExecutions that are kept (0 to 100); older ones are deleted. One "
            "that "
            "did not succeed stays until the next run, whatever the limit: it says why."},
    FL_COMMON_ROWS(struct fl_replication_policy_spec, "\"5m\"", "\"30s\""),
    {.type = FL_END},
};

static const struct fl_field plan_rows[] = {
    {.name = "action",
     .type = FL_STRING,
     AT_PLAN(action),
     .doc = "What would be done: Copy, Overwrite (other digest there), Keep (other digest there, "
            "and override "
            "is false), Unsupported (an image that cannot be copied)."},
    {.name = "source",
     .type = FL_STRING,
     AT_PLAN(source),
     .doc = "Repository and tag at the source."},
    {.name = "destination",
     .type = FL_STRING,
     AT_PLAN(destination),
     .doc = "Repository and tag at the destination."},
    {.name = "digest",
     .type = FL_STRING,
     AT_PLAN(digest),
     .doc = "What the tag points at, at the source."},
    {.type = FL_END},
};

static const struct fl_field status_rows[] = {
    FL_STATUS_COMMON_ROWS(struct fl_replication_policy_status),
    {.name = "inSyncSince",
     .type = FL_TIME,
     AT_STATUS(in_sync_since),
     .doc = "Since when the destination has held all that it should. Absent while something is "
            "missing."},
    {.name = "repositories",
     .type = FL_INT,
     AT_STATUS(repositories),
     .doc = "Repositories of the source that the filters admit."},
    {.name = "tags",
     .type = FL_INT,
     AT_STATUS(tags),
     .doc = "Tags in them that the filters admit."},
    {.name = "upToDate",
     .type = FL_INT,
     AT_STATUS(up_to_date),
     .doc = "Tags that have the same digest at the destination."},
    {.name = "backlog", .type = FL_INT, AT_STATUS(backlog), .doc = "Tags still to copy."},
    {.name = "kept",
     .type = FL_INT,
     AT_STATUS(kept),
     .doc = "Tags that differ at the destination and are left so, because override is false."},
    {.name = "runNumber",
     .type = FL_INT,
     AT_STATUS(run_number),
     .doc = "Number of the newest run; ends the name of its ReplicationExecution."},
    {.name = "lastExecution",
     .type = FL_STRING,
     AT_STATUS(last_execution),
     .doc = "Name of the newest ReplicationExecution."},
    {.name = "lastExecutionPhase",
     .type = FL_STRING,
     AT_STATUS(last_execution_phase),
     .doc = "Its phase: Pending, Running, Succeeded, Failed or Stopped."},
    {.name = "plan",
     .type = FL_LIST,
     AT_STATUS(plan),
     .item = FL_OBJECT,
     .rows = plan_rows,
     .size = sizeof(struct fl_plan_item),
     .max = 200,
     .doc = "What would be done, under the modes Plan and Observe; the first 200."},
    {.type = FL_END},
};

static const struct fl_field rows[] = {
    {.name = "spec",
     .type = FL_OBJECT,
     .flags = FL_REQUIRED,
     .rows = spec_rows,
     .doc = "Which images must be where."},
    {.name = "status",
     .type = FL_OBJECT,
     .flags = FL_STATUS_ONLY,
     .rows = status_rows,
     .doc = "How far that is the case; written by Fairlead."},
    {.type = FL_END},
};

static const struct fl_column columns[] = {
    {.name = "Source",
     .type = "string",
     .path = ".spec.source.registry",
     .doc = "Registry copied from."},
    {.name = "Destination",
     .type = "string",
     .path = ".spec.destination.registry",
     .doc = "Registry copied to."},
    {.name = "Tags",
     .type = "integer",
     .path = ".status.tags",
     .doc = "Tags that the filters admit."},
    {.name = "Backlog", .type = "integer", .path = ".status.backlog", .doc = "Tags still to copy."},
    FL_COLUMN_READY,
    FL_COLUMN_STATUS,
    FL_COLUMN_AGE,
    {.name = "Namespace To",
     .type = "string",
     .path = ".spec.destination.namespace",
     .priority = 1,
     .doc = "Path under which the images are put at the destination."},
    {.name = "Mode",
     .type = "string",
     .path = ".spec.mode",
     .priority = 1,
     .doc = "Observe, Plan or Apply."},
    {.name = "Suspended",
     .type = "boolean",
     .path = ".spec.suspend",
     .priority = 1,
     .doc = "Whether it is suspended."},
    {.name = "Last Run",
     .type = "string",
     .path = ".status.lastExecution",
     .priority = 1,
     .doc = "Name of the newest ReplicationExecution."},
    {.name = "In Sync",
     .type = "date",
     .path = ".status.inSyncSince",
     .priority = 1,
     .doc = "For how long the destination has held all that it should."},
    FL_COLUMN_MESSAGE,
    {.path = NULL},
};

static struct fl_str item(const struct fl_list *l, size_t i)
{
    return fl_str_of(((const char *const *)l->v)[i]);
}

static bool excluded(const struct fl_filter *f, struct fl_str name)
{
    for (size_t i = 0; i < f->exclude.n; i++) {
        struct fl_str pattern = item(&f->exclude, i);
        if (fl_glob_check(pattern, NULL) == 0 && fl_glob_match(pattern, name)) {
            return true;
        }
    }
    return false;
}

static void violate_item(struct fl_violations *vs, size_t i, struct fl_str value, const char *why)
{
    fl_auto_val(fl_buf) field = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&field, "spec.repositories.include[%zu]", i);
    fl_buf_str(&text, value);
    fl_violate_text(vs, field.data, text.data, why);
}

/* Whether every name that the pattern can match has its components where the pattern has them, so that the mapping of
 * names can be done on the pattern: nothing that may hold a '/' where components are replaced. */
static bool maps_like_a_name(struct fl_str pattern, int64_t replace)
{
    for (size_t i = 0; i < pattern.n; i++) {
        char c = pattern.p[i];
        if (c == '{' || c == '[' || c == '\\') {
            return false;
        }
    }
    struct fl_str rest = pattern, component;
    bool more = true;
    for (int64_t i = 0; more && (replace < 0 || i < replace); i++) {
        more = fl_str_cut(&rest, '/', &component);
        if (fl_str_is(component, "**")) {
            return false;
        }
    }
    return true;
}

/* One include pattern: a plain name that has too few components, is too long when mapped, or any pattern whose images
 * would be copied onto themselves. */
static void check_mapping(const struct fl_replication_policy_spec *spec, size_t i,
                          bool same_registry, struct fl_violations *vs)
{
    const struct fl_policy_destination *d = spec->destination;
    struct fl_str pattern = item(&spec->repositories->include, i);
    bool literal = fl_glob_literal(pattern);
    if ((literal && excluded(spec->repositories, pattern)) ||
        !maps_like_a_name(pattern, d->namespace_replace_count)) {
        return;
    }
    struct fl_err err = FL_ERR_INIT;
    fl_auto_val(fl_buf) mapped = FL_BUF_INIT(FL_BUF_ANY);
    int rc = fl_oci_map_repository(pattern, fl_str_of(d->namespace_), d->namespace_replace_count,
                                   &mapped, &err);
    if (rc != 0 && literal) {
        fl_auto_val(fl_buf) count = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_i64(&count, d->namespace_replace_count);
        fl_violate(vs, FL_CAUSE_INVALID, "spec.destination.namespaceReplaceCount", count.data, "%s",
                   err.msg);
    } else if (rc == 0 && literal && mapped.len > FL_OCI_REPOSITORY_MAX) {
        violate_item(vs, i, pattern, "its name at the destination would be longer than 255 bytes");
    } else if (rc == 0 && same_registry && fl_str_eq(fl_buf_slice(&mapped), pattern)) {
        violate_item(
            vs, i, pattern,
            "would be copied onto itself: source and destination are the same registry and "
            "spec.destination.namespace leaves the name as it is");
    }
}

static void check(const void *spec_, const void *old_spec, struct fl_violations *vs)
{
    const struct fl_replication_policy_spec *spec = spec_;
    (void)old_spec;
    fl_check_common(&spec->common, vs);
    if (!spec->source || !spec->destination || !spec->repositories) {
        return;
    }
    const struct fl_policy_destination *d = spec->destination;
    bool same = d->registry && fl_text_eq(spec->source->registry, d->registry);
    if (!d->namespace_ || !d->namespace_[0]) {
        if (same) {
            fl_violate_text(
                vs, "spec.destination.registry", d->registry,
                "must differ from spec.source.registry, or spec.destination.namespace must put the "
                "images elsewhere: this is the same place as the source");
        }
        return;
    }
    for (size_t i = 0; i < spec->repositories->include.n; i++) {
        check_mapping(spec, i, same, vs);
    }
}

static const char *const short_names[] = {"rp", NULL};
static const char *const categories[] = {"fairlead", NULL};

const struct fl_kind fl_kind_replication_policy = {
    .group = FL_GROUP,
    .version = FL_VERSION_V1ALPHA1,
    .kind = "ReplicationPolicy",
    .plural = "replicationpolicies",
    .singular = "replicationpolicy",
    .short_names = short_names,
    .categories = categories,
    .namespaced = true,
    .flags = FL_KIND_STATUS | FL_KIND_CUSTOM,
    .doc = "ReplicationPolicy declares which images of one registry must be in another, and under "
           "which names. "
           "Source and destination are compared on the interval, on request and on change; each "
           "run that has "
           "something to do is a ReplicationExecution.",
    .rows = rows,
    .spec_rows = spec_rows,
    .spec_size = sizeof(struct fl_replication_policy_spec),
    .status_rows = status_rows,
    .status_size = sizeof(struct fl_replication_policy_status),
    .columns = columns,
    .check = check,
};
