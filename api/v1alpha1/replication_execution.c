/* SPDX-License-Identifier: Apache-2.0 */
#include "api/v1alpha1/replication_execution.h"

#include "api/meta/checks.h"
#include "api/meta/oci_names.h"
#include "api/scheme.h"

#define AT(m) .at = offsetof(struct fl_replication_execution_spec, m)
#define AT_STATUS(m) .at = offsetof(struct fl_replication_execution_status, m)
#define AT_ITEM(m) .at = offsetof(struct fl_execution_item, m)
#define AT_FAILURE(m) .at = offsetof(struct fl_execution_failure, m)

const char *const fl_trigger_names[] = {"Interval", "Request", "Change", NULL};
const char *const fl_phase_names[] = {"Pending", "Running", "Succeeded", "Failed", "Stopped", NULL};

#define NAME_ROW(yaml, member, text)                                                               \
    {                                                                                              \
        .name = yaml, .type = FL_STRING, AT(member), .flags = FL_REQUIRED | FL_IMMUTABLE,          \
        .min = 1, .max = 253, .check = fl_check_dns_subdomain,                                     \
        .pattern = FL_DNS_SUBDOMAIN_PATTERN, .doc = text                                           \
    }
#define REPOSITORY_ROW(yaml, member, text)                                                         \
    {                                                                                              \
        .name = yaml, .type = FL_STRING, AT_ITEM(member), .flags = FL_REQUIRED, .min = 1,          \
        .max = FL_OCI_REPOSITORY_MAX, .check = fl_oci_repository_check,                            \
        .pattern = FL_OCI_REPOSITORY_PATTERN, .doc = text                                          \
    }

static const struct fl_field item_rows[] = {
    REPOSITORY_ROW("source", source, "Repository at the source."),
    REPOSITORY_ROW("destination", destination, "Repository at the destination."),
    {.name = "tag",
     .type = FL_STRING,
     AT_ITEM(tag),
     .flags = FL_REQUIRED,
     .min = 1,
     .max = FL_OCI_TAG_MAX,
     .check = fl_oci_tag_check,
     .pattern = FL_OCI_TAG_PATTERN,
     .doc = "Tag, the same at source and destination."},
    {.name = "digest",
     .type = FL_STRING,
     AT_ITEM(digest),
     .flags = FL_REQUIRED,
     .min = 1,
     .max = 135,
     .check = fl_oci_digest_check,
     .pattern = FL_OCI_DIGEST_PATTERN,
     .doc = "What the tag pointed at when the run was planned; exactly this is copied."},
    {.type = FL_END},
};

static const struct fl_field spec_rows[] = {
    NAME_ROW("policy", policy,
             "Name of the ReplicationPolicy that planned the run, in the same namespace."),
    NAME_ROW("source", source, "Name of the Registry copied from."),
    NAME_ROW("destination", destination, "Name of the Registry copied to."),
    {.name = "trigger",
     .type = FL_ENUM,
     AT(trigger),
     .flags = FL_IMMUTABLE,
     .names = fl_trigger_names,
     .def = "\"Request\"",
     .doc =
         "Why the run was planned. Interval: by the clock. Request: the annotation "
         "fairlead.dev/requested-at. Change: the policy, a registry or a secret changed, or what "
         "was missing or away is there again."},
    {.name = "override",
     .type = FL_BOOL,
     AT(override),
     .flags = FL_IMMUTABLE,
     .def = "true",
     .doc = "Whether a tag that has another digest at the destination is replaced."},
    {.name = "concurrency",
     .type = FL_INT,
     AT(concurrency),
     .flags = FL_IMMUTABLE,
     .def = "4",
     .min = 1,
     .max = 32,
     .doc = "Images copied at a time (1 to 32)."},
    {.name = "timeout",
     .type = FL_DURATION,
     AT(timeout_ms),
     .flags = FL_IMMUTABLE,
     .def = "\"30s\"",
     .min = 1000,
     .max = 86400000,
     .doc = "How long one call to a registry may take before it is given up (1s to 24h)."},
    {.name = "items",
     .type = FL_LIST,
     AT(items),
     .item = FL_OBJECT,
     .flags = FL_REQUIRED | FL_IMMUTABLE,
     .rows = item_rows,
     .size = sizeof(struct fl_execution_item),
     .min = 1,
     .max = FL_EXECUTION_ITEMS_MAX,
     .doc = "What is to be copied, 1 to 5000 tags. A larger backlog is worked off by several "
            "executions."},
    {.name = "stop",
     .type = FL_BOOL,
     AT(stop),
     .def = "false",
     .doc = "true = end the run as Stopped: blobs in flight are finished, nothing new is begun. "
            "The only field "
            "that may be changed."},
    {.type = FL_END},
};

static const struct fl_field failure_rows[] = {
    {.name = "source",
     .type = FL_STRING,
     AT_FAILURE(source),
     .doc = "Repository and tag at the source."},
    {.name = "destination",
     .type = FL_STRING,
     AT_FAILURE(destination),
     .doc = "Repository and tag at the destination."},
    {.name = "reason", .type = FL_STRING, AT_FAILURE(reason), .doc = "Why, in one CamelCase word."},
    {.name = "message",
     .type = FL_STRING,
     AT_FAILURE(message),
     .doc = "What happened, for people."},
    {.name = "attempts", .type = FL_INT, AT_FAILURE(attempts), .doc = "How often it was tried."},
    {.type = FL_END},
};

static const struct fl_field status_rows[] = {
    FL_STATUS_COMMON_ROWS(struct fl_replication_execution_status),
    {.name = "phase",
     .type = FL_ENUM,
     AT_STATUS(phase),
     .names = fl_phase_names,
     .doc = "Pending: not begun. Running. Succeeded: all items are at the destination. Failed: "
            "some are not, see "
            "failures. Stopped: by spec.stop."},
    {.name = "startTime",
     .type = FL_TIME,
     AT_STATUS(start_time),
     .doc = "When the first attempt began."},
    {.name = "completionTime",
     .type = FL_TIME,
     AT_STATUS(completion_time),
     .doc = "When the run reached its last phase."},
    {.name = "total", .type = FL_INT, AT_STATUS(total), .doc = "Items of the run."},
    {.name = "succeeded",
     .type = FL_INT,
     AT_STATUS(succeeded),
     .doc = "Items that were copied and verified."},
    {.name = "failed",
     .type = FL_INT,
     AT_STATUS(failed),
     .doc = "Items that could not be copied so far."},
    {.name = "skipped",
     .type = FL_INT,
     AT_STATUS(skipped),
     .doc = "Items that were there already, or were kept because override is false."},
    {.name = "bytesCopied",
     .type = FL_INT,
     AT_STATUS(bytes_copied),
     .doc = "Bytes of blobs sent to the destination."},
    {.name = "blobsCopied",
     .type = FL_INT,
     AT_STATUS(blobs_copied),
     .doc = "Blobs sent to the destination."},
    {.name = "blobsMounted",
     .type = FL_INT,
     AT_STATUS(blobs_mounted),
     .doc =
         "Blobs that the destination took from another of its repositories, without a transfer."},
    {.name = "blobsSkipped",
     .type = FL_INT,
     AT_STATUS(blobs_skipped),
     .doc = "Blobs that the destination had already; a lower bound: what was found so before and "
            "after a restart is not added up."},
    {.name = "attempts",
     .type = FL_INT,
     AT_STATUS(attempts),
     .doc = "How often the run was begun or taken up again."},
    {.name = "failedAttempts",
     .type = FL_INT,
     AT_STATUS(failed_attempts),
     .doc = "Attempts at whose end something was left that may pass (a registry was away, slow, or "
            "asked to wait); the 20th is the last. One that a restart or a suspension cut off does "
            "not count."},
    {.name = "failures",
     .type = FL_LIST,
     AT_STATUS(failures),
     .item = FL_OBJECT,
     .rows = failure_rows,
     .size = sizeof(struct fl_execution_failure),
     .max = FL_EXECUTION_FAILURES_MAX,
     .doc = "The failed items with the newest reason of each; the first 200."},
    {.type = FL_END},
};

static const struct fl_field rows[] = {
    {.name = "spec",
     .type = FL_OBJECT,
     .flags = FL_REQUIRED,
     .rows = spec_rows,
     .doc = "The work of the run, as it was planned. Cannot be changed, but for stop."},
    {.name = "status",
     .type = FL_OBJECT,
     .flags = FL_STATUS_ONLY,
     .rows = status_rows,
     .doc = "How far the run is; written by Fairlead."},
    {.type = FL_END},
};

static const struct fl_column columns[] = {
    {.name = "Policy",
     .type = "string",
     .path = ".spec.policy",
     .doc = "Policy that planned the run."},
    {.name = "Phase",
     .type = "string",
     .path = ".status.phase",
     .doc = "Pending, Running, Succeeded, Failed or Stopped."},
    {.name = "Total", .type = "integer", .path = ".status.total", .doc = "Items of the run."},
    {.name = "Done",
     .type = "integer",
     .path = ".status.succeeded",
     .doc = "Items copied and verified."},
    {.name = "Failed",
     .type = "integer",
     .path = ".status.failed",
     .doc = "Items that could not be copied so far."},
    {.name = "Bytes",
     .type = "integer",
     .path = ".status.bytesCopied",
     .doc = "Bytes sent to the destination."},
    FL_COLUMN_AGE,
    {.name = "Source",
     .type = "string",
     .path = ".spec.source",
     .priority = 1,
     .doc = "Registry copied from."},
    {.name = "Destination",
     .type = "string",
     .path = ".spec.destination",
     .priority = 1,
     .doc = "Registry copied to."},
    {.name = "Trigger",
     .type = "string",
     .path = ".spec.trigger",
     .priority = 1,
     .doc = "Why it was planned."},
    {.name = "Skipped",
     .type = "integer",
     .path = ".status.skipped",
     .priority = 1,
     .doc = "Items that were there already or were kept."},
    {.name = "Completed",
     .type = "date",
     .path = ".status.completionTime",
     .priority = 1,
     .doc = "How long ago it ended."},
    FL_COLUMN_MESSAGE,
    {.path = NULL},
};

static const char *const short_names[] = {"rx", NULL};
static const char *const categories[] = {"fairlead", NULL};
static const char *const selectable[] = {"spec.policy", NULL};

const struct fl_kind fl_kind_replication_execution = {
    .group = FL_GROUP,
    .version = FL_VERSION_V1ALPHA1,
    .kind = "ReplicationExecution",
    .plural = "replicationexecutions",
    .singular = "replicationexecution",
    .short_names = short_names,
    .categories = categories,
    .namespaced = true,
    .flags = FL_KIND_STATUS | FL_KIND_CUSTOM,
    .doc = "ReplicationExecution is one run of a ReplicationPolicy: the durable list of its work, "
           "and how far it is. "
           "Fairlead makes it; set spec.stop to end it early.",
    .rows = rows,
    .spec_rows = spec_rows,
    .spec_size = sizeof(struct fl_replication_execution_spec),
    .status_rows = status_rows,
    .status_size = sizeof(struct fl_replication_execution_status),
    .columns = columns,
    .selectable = selectable,
};
