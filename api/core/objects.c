/* SPDX-License-Identifier: Apache-2.0
 * Secret, ConfigMap, Namespace, ServiceAccount (core/v1) and Lease (coordination.k8s.io/v1). */
#include "api/core/core.h"
#include "api/meta/checks.h"
#include "api/scheme.h"

#define DATA_KEYS_MAX 10000 /* the API server bounds the bytes (1 MiB) */

const struct fl_field fl_object_reference_rows[] = {
    {FL_ROW("kind", FL_STRING, 1, "Kind of the object.")},
    {FL_ROW("namespace", FL_STRING, 2, "Namespace of the object.")},
    {FL_ROW("name", FL_STRING, 3, "Name of the object.")},
    {FL_ROW("uid", FL_STRING, 4, "UID of the object.")},
    {FL_ROW("apiVersion", FL_STRING, 5, "Group and version of the object.")},
    {FL_ROW("resourceVersion", FL_STRING, 6, "Version of the object that is meant.")},
    {FL_ROW("fieldPath", FL_STRING, 7, "Part of the object that is meant, such as spec.items[2].")},
    FL_ROW_END,
};

/* ---- Secret ---- */

static const struct fl_field secret_rows[] = {
    {FL_ROW("data", FL_MAP, 2, "Keys and values; the values in base64. At most 1 MiB in all."),
     .item = FL_BYTES, .check = fl_check_config_key, .max = DATA_KEYS_MAX},
    {FL_ROW("type", FL_STRING, 3,
            "What the secret is for. Opaque (the default), or a type that requires keys, such as "
            "kubernetes.io/tls, kubernetes.io/basic-auth, kubernetes.io/ssh-auth, "
            "kubernetes.io/dockerconfigjson. Cannot be changed.")},
    {FL_ROW("stringData", FL_MAP, 4,
            "Keys and values as plain text, to write only: they are put into data in base64, over "
            "what is there "
            "under the same key, and are never shown."),
     .item = FL_STRING, .flags = FL_WRITE_ONLY, .check = fl_check_config_key, .max = DATA_KEYS_MAX},
    {FL_ROW("immutable", FL_BOOL, 5, "true = data can no longer be changed, nor this field."),
     .flags = FL_ZERO},
    FL_ROW_END,
};
static const struct fl_column secret_columns[] = {
    {.name = "Type", .type = "string", .path = ".type", .doc = "What the secret is for."},
    {.name = "Data", .type = "integer", .path = ".data", .doc = "Number of keys."},
    FL_COLUMN_AGE,
    {.path = NULL},
};
static const char *const secret_selectable[] = {"type", NULL};

const struct fl_kind fl_kind_secret = {
    .group = "",
    .version = "v1",
    .kind = "Secret",
    .plural = "secrets",
    .singular = "secret",
    .namespaced = true,
    .flags = FL_KIND_ENCRYPTED | FL_KIND_NO_RV_ON_PUT,
    .doc =
        "Secret holds confidential data: credentials, keys, certificates. It is encrypted at rest.",
    .rows = secret_rows,
    .columns = secret_columns,
    .selectable = secret_selectable,
};

/* ---- ConfigMap ---- */

static const struct fl_field config_map_rows[] = {
    {FL_ROW("data", FL_MAP, 2, "Keys and values as text. At most 1 MiB in all, with binaryData."),
     .item = FL_STRING, .check = fl_check_config_key, .max = DATA_KEYS_MAX},
    {FL_ROW("binaryData", FL_MAP, 3,
            "Keys and values in base64, for what is no UTF-8 text. No key may be in data too."),
     .item = FL_BYTES, .check = fl_check_config_key, .max = DATA_KEYS_MAX},
    {FL_ROW("immutable", FL_BOOL, 4, "true = data can no longer be changed, nor this field."),
     .flags = FL_ZERO},
    FL_ROW_END,
};
static const struct fl_column config_map_columns[] = {
    {.name = "Data", .type = "integer", .path = ".data", .doc = "Number of keys in data."},
    FL_COLUMN_AGE,
    {.path = NULL},
};
static const char *const config_map_short[] = {"cm", NULL};

const struct fl_kind fl_kind_config_map = {
    .group = "",
    .version = "v1",
    .kind = "ConfigMap",
    .plural = "configmaps",
    .singular = "configmap",
    .short_names = config_map_short,
    .namespaced = true,
    .flags = FL_KIND_NO_RV_ON_PUT,
    .doc = "ConfigMap holds configuration that others read, in keys and values.",
    .rows = config_map_rows,
    .columns = config_map_columns,
};

/* ---- Namespace ---- */

static const struct fl_field namespace_spec_rows[] = {
    {FL_ROW_LIST(
        "finalizers", FL_STRING, 1,
        "What must be done before the namespace goes; kubernetes stands for deleting all in it.")},
    FL_ROW_END,
};
static const struct fl_field namespace_condition_rows[] = {
    {FL_ROW("type", FL_STRING, 1, "What it speaks of.")},
    {FL_ROW("status", FL_STRING, 2, "Whether it holds: True, False or Unknown.")},
    {FL_ROW("lastTransitionTime", FL_TIME, 4, "When the status last changed.")},
    {FL_ROW("reason", FL_STRING, 5, "Why, in one CamelCase word.")},
    {FL_ROW("message", FL_STRING, 6, "What is the case, for people.")},
    FL_ROW_END,
};
static const struct fl_field namespace_status_rows[] = {
    {FL_ROW("phase", FL_STRING, 1, "Active, or Terminating while it is being emptied.")},
    {FL_ROW_OBJECTS("conditions", namespace_condition_rows, 2,
                    "What keeps a terminating namespace from going."),
     .flags = FL_LIST_MAP, .key = "type"},
    FL_ROW_END,
};
static const struct fl_field namespace_rows[] = {
    {FL_ROW_OBJECT("spec", namespace_spec_rows, 2, "How the namespace behaves.")},
    {FL_ROW_OBJECT("status", namespace_status_rows, 3,
                   "What state the namespace is in; written by the server."),
     .flags = FL_STATUS_ONLY},
    FL_ROW_END,
};
static const struct fl_column namespace_columns[] = {
    {.name = "Status", .type = "string", .path = ".status.phase", .doc = "Active or Terminating."},
    FL_COLUMN_AGE,
    {.path = NULL},
};
static const char *const namespace_short[] = {"ns", NULL};
static const char *const namespace_selectable[] = {"status.phase", NULL};

const struct fl_kind fl_kind_namespace = {
    .group = "",
    .version = "v1",
    .kind = "Namespace",
    .plural = "namespaces",
    .singular = "namespace",
    .short_names = namespace_short,
    .namespaced = false,
    .flags = FL_KIND_STATUS | FL_KIND_NO_RV_ON_PUT,
    .doc = "Namespace is a scope for the names of objects. Deleting it deletes all in it.",
    .rows = namespace_rows,
    .spec_rows = namespace_spec_rows,
    .status_rows = namespace_status_rows,
    .columns = namespace_columns,
    .selectable = namespace_selectable,
};

/* ---- ServiceAccount ---- */

static const struct fl_field pull_secret_rows[] = {
    {FL_ROW("name", FL_STRING, 1, "Name of the Secret, in the same namespace.")},
    FL_ROW_END,
};
static const struct fl_field service_account_rows[] = {
    {FL_ROW_OBJECTS("secrets", fl_object_reference_rows, 2,
                    "Secrets that may be used under this account."),
     .flags = FL_LIST_MAP, .key = "name"},
    {FL_ROW_OBJECTS("imagePullSecrets", pull_secret_rows, 3, "Secrets to pull images with."),
     .flags = FL_LIST_MAP, .key = "name"},
    {FL_ROW("automountServiceAccountToken", FL_BOOL, 4,
            "Whether pods of this account get its token by themselves."),
     .flags = FL_ZERO},
    FL_ROW_END,
};
static const struct fl_column service_account_columns[] = {
    {.name = "Secrets", .type = "integer", .path = ".secrets", .doc = "Number of secrets."},
    FL_COLUMN_AGE,
    {.path = NULL},
};
static const char *const service_account_short[] = {"sa", NULL};

const struct fl_kind fl_kind_service_account = {
    .group = "",
    .version = "v1",
    .kind = "ServiceAccount",
    .plural = "serviceaccounts",
    .singular = "serviceaccount",
    .short_names = service_account_short,
    .namespaced = true,
    .flags = FL_KIND_NO_RV_ON_PUT,
    .doc = "ServiceAccount is an identity for programs.",
    .rows = service_account_rows,
    .columns = service_account_columns,
};

/* ---- Lease ---- */

static const struct fl_field lease_spec_rows[] = {
    {FL_ROW("holderIdentity", FL_STRING, 1, "Who holds the lease; empty = nobody.")},
    {FL_ROW("leaseDurationSeconds", FL_INT, 2,
            "Seconds that others wait, after they last saw it renewed, before they take it."),
     .flags = FL_ZERO, .min = 1, .max = INT32_MAX},
    {FL_ROW("acquireTime", FL_TIME, 3, "When the holder took it (microseconds)."),
     .flags = FL_MICRO},
    {FL_ROW("renewTime", FL_TIME, 4, "When the holder last renewed it (microseconds)."),
     .flags = FL_MICRO},
    {FL_ROW("leaseTransitions", FL_INT, 5, "How often the holder has changed."), .flags = FL_ZERO,
     .min = 0, .max = INT32_MAX},
    {FL_ROW("strategy", FL_STRING, 6,
            "How holders are chosen among candidates, for coordinated election.")},
    {FL_ROW("preferredHolder", FL_STRING, 7, "Who should get it next; needs strategy.")},
    FL_ROW_END,
};
static const struct fl_field lease_rows[] = {
    {FL_ROW_OBJECT("spec", lease_spec_rows, 2, "Who holds it, and since when.")},
    FL_ROW_END,
};
static const struct fl_column lease_columns[] = {
    {.name = "Holder", .type = "string", .path = ".spec.holderIdentity", .doc = "Who holds it."},
    FL_COLUMN_AGE,
    {.path = NULL},
};

const struct fl_kind fl_kind_lease = {
    .group = "coordination.k8s.io",
    .version = "v1",
    .kind = "Lease",
    .plural = "leases",
    .singular = "lease",
    .namespaced = true,
    .flags = FL_KIND_CREATE_ON_PUT | FL_KIND_NO_RV_ON_PUT,
    .doc = "Lease is a lock with a time limit; replicas use it to agree on who works.",
    .rows = lease_rows,
    .spec_rows = lease_spec_rows,
    .columns = lease_columns,
};
