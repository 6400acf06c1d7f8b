/* SPDX-License-Identifier: Apache-2.0
 * Event, in both of its views: core/v1 and events.k8s.io/v1 show the same stored objects. */
#include "api/core/core.h"
#include "api/scheme.h"

static const struct fl_field source_rows[] = {
    {FL_ROW("component", FL_STRING, 1, "Program that reported it.")},
    {FL_ROW("host", FL_STRING, 2, "Machine that it ran on.")},
    FL_ROW_END,
};

static const struct fl_field series_rows[] = {
    {FL_ROW("count", FL_INT, 1, "How often it has happened in this series.")},
    {FL_ROW("lastObservedTime", FL_TIME, 2, "When it last happened (microseconds)."),
     .flags = FL_MICRO},
    FL_ROW_END,
};

static const char *const event_short[] = {"ev", NULL};

#define MESSAGE_MAX 1024
#define REASON_MAX 128

/* No bounds here: the real server has them for events.k8s.io/v1 only, and old clients send long messages. */
static const struct fl_field event_rows[] = {
    {FL_ROW_OBJECT("involvedObject", fl_object_reference_rows, 2, "Object that it is about.")},
    {FL_ROW("reason", FL_STRING, 3, "Why, in one CamelCase word, for machines.")},
    {FL_ROW("message", FL_STRING, 4, "What happened, for people.")},
    {FL_ROW_OBJECT("source", source_rows, 5, "Who reported it.")},
    {FL_ROW("firstTimestamp", FL_TIME, 6, "When it first happened.")},
    {FL_ROW("lastTimestamp", FL_TIME, 7, "When it last happened.")},
    {FL_ROW("count", FL_INT, 8, "How often it has happened.")},
    {FL_ROW("type", FL_STRING, 9, "Normal or Warning.")},
    {FL_ROW("eventTime", FL_TIME, 10, "When it first happened (microseconds)."), .flags = FL_MICRO},
    {FL_ROW_OBJECT("series", series_rows, 11,
                   "The series that it is part of; absent = it happened once.")},
    {FL_ROW("action", FL_STRING, 12, "What was done or failed.")},
    {FL_ROW_OBJECT("related", fl_object_reference_rows, 13,
                   "Second object, for what concerns two.")},
    {FL_ROW("reportingComponent", FL_STRING, 14,
            "Controller that reported it, such as fairlead.dev/registry.")},
    {FL_ROW("reportingInstance", FL_STRING, 15, "Which instance of that controller.")},
    FL_ROW_END,
};
static const struct fl_column event_columns[] = {
    {.name = "Last Seen",
     .type = "date",
     .path = ".lastTimestamp",
     .doc = "How long ago it last happened."},
    {.name = "Type", .type = "string", .path = ".type", .doc = "Normal or Warning."},
    {.name = "Reason", .type = "string", .path = ".reason", .doc = "Why, in one word."},
    {.name = "Object",
     .type = "string",
     .path = ".involvedObject.name",
     .doc = "Object that it is about."},
    {.name = "Subobject",
     .type = "string",
     .path = ".involvedObject.fieldPath",
     .priority = 1,
     .doc = "Part of the object that it is about."},
    {.name = "Source",
     .type = "string",
     .path = ".source.component",
     .priority = 1,
     .doc = "Who reported it."},
    {.name = "Message", .type = "string", .path = ".message", .doc = "What happened."},
    {.name = "First Seen",
     .type = "date",
     .path = ".firstTimestamp",
     .priority = 1,
     .doc = "How long ago it first happened."},
    {.name = "Count",
     .type = "integer",
     .path = ".count",
     .priority = 1,
     .doc = "How often it has happened."},
    {.path = NULL},
};
static const char *const event_selectable[] = {
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
    NULL,
};

const struct fl_kind fl_kind_event = {
    .group = "",
    .version = "v1",
    .kind = "Event",
    .plural = "events",
    .singular = "event",
    .short_names = event_short,
    .namespaced = true,
    .flags = FL_KIND_TTL_1H | FL_KIND_NO_RV_ON_PUT,
    .doc = "Event tells of something that happened to an object. It is kept for an hour.",
    .rows = event_rows,
    .columns = event_columns,
    .selectable = event_selectable,
};

static const struct fl_field event_v1_rows[] = {
    {FL_ROW("eventTime", FL_TIME, 2, "When it first happened (microseconds)."), .flags = FL_MICRO},
    {FL_ROW_OBJECT("series", series_rows, 3,
                   "The series that it is part of; absent = it happened once.")},
    {FL_ROW("reportingController", FL_STRING, 4,
            "Controller that reported it, such as fairlead.dev/registry.")},
    {FL_ROW("reportingInstance", FL_STRING, 5, "Which instance of that controller."),
     .max = REASON_MAX},
    {FL_ROW("action", FL_STRING, 6, "What was done or failed."), .max = REASON_MAX},
    {FL_ROW("reason", FL_STRING, 7, "Why, in one CamelCase word, for machines."),
     .max = REASON_MAX},
    {FL_ROW_OBJECT("regarding", fl_object_reference_rows, 8, "Object that it is about.")},
    {FL_ROW_OBJECT("related", fl_object_reference_rows, 9,
                   "Second object, for what concerns two.")},
    {FL_ROW("note", FL_STRING, 10, "What happened, for people."), .max = MESSAGE_MAX},
    {FL_ROW("type", FL_STRING, 11, "Normal or Warning.")},
    {FL_ROW_OBJECT("deprecatedSource", source_rows, 12, "Who reported it, as in core/v1.")},
    {FL_ROW("deprecatedFirstTimestamp", FL_TIME, 13, "When it first happened, as in core/v1.")},
    {FL_ROW("deprecatedLastTimestamp", FL_TIME, 14, "When it last happened, as in core/v1.")},
    {FL_ROW("deprecatedCount", FL_INT, 15, "How often it has happened, as in core/v1.")},
    FL_ROW_END,
};
static const struct fl_column event_v1_columns[] = {
    {.name = "Last Seen",
     .type = "date",
     .path = ".deprecatedLastTimestamp",
     .doc = "How long ago it last happened."},
    {.name = "Type", .type = "string", .path = ".type", .doc = "Normal or Warning."},
    {.name = "Reason", .type = "string", .path = ".reason", .doc = "Why, in one word."},
    {.name = "Object",
     .type = "string",
     .path = ".regarding.name",
     .doc = "Object that it is about."},
    {.name = "Source",
     .type = "string",
     .path = ".reportingController",
     .priority = 1,
     .doc = "Who reported it."},
    {.name = "Message", .type = "string", .path = ".note", .doc = "What happened."},
    {.name = "Count",
     .type = "integer",
     .path = ".deprecatedCount",
     .priority = 1,
     .doc = "How often it has happened."},
    {.path = NULL},
};
static const char *const event_v1_selectable[] = {
    "regarding.kind",
    "regarding.namespace",
    "regarding.name",
    "regarding.uid",
    "regarding.apiVersion",
    "regarding.resourceVersion",
    "regarding.fieldPath",
    "reason",
    "reportingController",
    "type",
    NULL,
};

const struct fl_kind fl_kind_event_v1 = {
    .group = "events.k8s.io",
    .version = "v1",
    .kind = "Event",
    .plural = "events",
    .singular = "event",
    .short_names = event_short,
    .namespaced = true,
    .flags = FL_KIND_TTL_1H | FL_KIND_NO_RV_ON_PUT,
    .doc = "Event tells of something that happened to an object. It is kept for an hour.",
    .rows = event_v1_rows,
    .columns = event_v1_columns,
    .selectable = event_v1_selectable,
};
