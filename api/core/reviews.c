/* SPDX-License-Identifier: Apache-2.0
 * Questions that are answered and not stored: SelfSubjectReview (authentication.k8s.io/v1), SelfSubjectAccessReview and
 * SelfSubjectRulesReview (authorization.k8s.io/v1). Protobuf numbers: kubernetes/api authentication/v1 and
 * authorization/v1 generated.proto; statuses are only ever written by the server, as JSON. */
#include "api/core/core.h"
#include "api/scheme.h"

/* ---- who am I ---- */

static const struct fl_field user_rows[] = {
    {FL_ROW("username", FL_STRING, 1, "Name of the user.")},
    {FL_ROW("uid", FL_STRING, 2, "Identity of the user in time.")},
    {FL_ROW_LIST("groups", FL_STRING, 3, "Groups that the user is in.")},
    {FL_ROW("extra", FL_ANY, 0, "What else the authenticator knows: keys and lists of values.")},
    FL_ROW_END,
};
static const struct fl_field self_status_rows[] = {
    {FL_ROW_OBJECT("userInfo", user_rows, 1, "Who asks.")},
    FL_ROW_END,
};
static const struct fl_field self_rows[] = {
    {FL_ROW_OBJECT("status", self_status_rows, 2, "The answer."), .flags = FL_STATUS_ONLY},
    FL_ROW_END,
};

const struct fl_kind fl_kind_self_subject_review = {
    .group = "authentication.k8s.io",
    .version = "v1",
    .kind = "SelfSubjectReview",
    .plural = "selfsubjectreviews",
    .singular = "selfsubjectreview",
    .namespaced = false,
    .flags = FL_KIND_VIRTUAL,
    .doc = "SelfSubjectReview asks: who does the server take me for?",
    .rows = self_rows,
    .status_rows = self_status_rows,
};

/* ---- may I ---- */

static const struct fl_field resource_rows[] = {
    {FL_ROW("namespace", FL_STRING, 1,
            "Namespace of the objects; empty = all, or cluster-scoped.")},
    {FL_ROW("verb", FL_STRING, 2,
            "get, list, watch, create, update, patch, delete, or * for all.")},
    {FL_ROW("group", FL_STRING, 3, "API group, or *.")},
    {FL_ROW("version", FL_STRING, 4, "API version, or *.")},
    {FL_ROW("resource", FL_STRING, 5, "Plural name of the resource, or *.")},
    {FL_ROW("subresource", FL_STRING, 6, "Subresource, such as status.")},
    {FL_ROW("name", FL_STRING, 7, "Name of the object; empty = all.")},
    {FL_ROW("fieldSelector", FL_ANY, 0, "Narrows the question by fields.")},
    {FL_ROW("labelSelector", FL_ANY, 0, "Narrows the question by labels.")},
    FL_ROW_END,
};
static const struct fl_field path_rows[] = {
    {FL_ROW("path", FL_STRING, 1, "URL path, such as /healthz.")},
    {FL_ROW("verb", FL_STRING, 2, "HTTP verb in lower case.")},
    FL_ROW_END,
};
static const struct fl_field access_spec_rows[] = {
    {FL_ROW_OBJECT("resourceAttributes", resource_rows, 1, "Objects that the question is about.")},
    {FL_ROW_OBJECT("nonResourceAttributes", path_rows, 2, "Path that the question is about.")},
    FL_ROW_END,
};
static const struct fl_field access_status_rows[] = {
    {FL_ROW("allowed", FL_BOOL, 1, "true = it is allowed.")},
    {FL_ROW("denied", FL_BOOL, 4, "true = it is expressly denied.")},
    {FL_ROW("reason", FL_STRING, 2, "Why.")},
    {FL_ROW("evaluationError", FL_STRING, 3, "What went wrong while finding out.")},
    FL_ROW_END,
};
static const struct fl_field access_rows[] = {
    {FL_ROW_OBJECT("spec", access_spec_rows, 2, "The question."), .flags = FL_REQUIRED},
    {FL_ROW_OBJECT("status", access_status_rows, 3, "The answer."), .flags = FL_STATUS_ONLY},
    FL_ROW_END,
};

const struct fl_kind fl_kind_self_subject_access_review = {
    .group = "authorization.k8s.io",
    .version = "v1",
    .kind = "SelfSubjectAccessReview",
    .plural = "selfsubjectaccessreviews",
    .singular = "selfsubjectaccessreview",
    .namespaced = false,
    .flags = FL_KIND_VIRTUAL,
    .doc = "SelfSubjectAccessReview asks: may I do this?",
    .rows = access_rows,
    .spec_rows = access_spec_rows,
    .status_rows = access_status_rows,
};

/* ---- what may I ---- */

static const struct fl_field rules_spec_rows[] = {
    {FL_ROW("namespace", FL_STRING, 1, "Namespace that the question is about.")},
    FL_ROW_END,
};
static const struct fl_field resource_rule_rows[] = {
    {FL_ROW_LIST("verbs", FL_STRING, 1, "Verbs that are allowed; * = all.")},
    {FL_ROW_LIST("apiGroups", FL_STRING, 2, "API groups; * = all.")},
    {FL_ROW_LIST("resources", FL_STRING, 3, "Plural names of resources; * = all.")},
    {FL_ROW_LIST("resourceNames", FL_STRING, 4, "Names of objects; none = all.")},
    FL_ROW_END,
};
static const struct fl_field path_rule_rows[] = {
    {FL_ROW_LIST("verbs", FL_STRING, 1, "HTTP verbs that are allowed; * = all.")},
    {FL_ROW_LIST("nonResourceURLs", FL_STRING, 2, "Paths; a * at the end stands for the rest.")},
    FL_ROW_END,
};
static const struct fl_field rules_status_rows[] = {
    {FL_ROW_OBJECTS("resourceRules", resource_rule_rows, 1, "What is allowed on objects.")},
    {FL_ROW_OBJECTS("nonResourceRules", path_rule_rows, 2, "What is allowed on paths.")},
    {FL_ROW("incomplete", FL_BOOL, 3, "true = there may be more than is listed.")},
    {FL_ROW("evaluationError", FL_STRING, 4, "What went wrong while finding out.")},
    FL_ROW_END,
};
static const struct fl_field rules_rows[] = {
    {FL_ROW_OBJECT("spec", rules_spec_rows, 2, "The question."), .flags = FL_REQUIRED},
    {FL_ROW_OBJECT("status", rules_status_rows, 3, "The answer."), .flags = FL_STATUS_ONLY},
    FL_ROW_END,
};

const struct fl_kind fl_kind_self_subject_rules_review = {
    .group = "authorization.k8s.io",
    .version = "v1",
    .kind = "SelfSubjectRulesReview",
    .plural = "selfsubjectrulesreviews",
    .singular = "selfsubjectrulesreview",
    .namespaced = false,
    .flags = FL_KIND_VIRTUAL,
    .doc = "SelfSubjectRulesReview asks: what may I do in this namespace?",
    .rows = rules_rows,
    .spec_rows = rules_spec_rows,
    .status_rows = rules_status_rows,
};
