/* SPDX-License-Identifier: Apache-2.0
 * One kind of the API: names, rows, columns, checks. Constant tables; all are listed in api/scheme.c. */
#ifndef FL_API_META_KIND_H
#define FL_API_META_KIND_H

#include "api/meta/field.h"

/* A path that ends at a list or map, with type integer, prints how many it holds (Secret, ConfigMap, ServiceAccount). */
struct fl_column {
    const char *name;
    const char *type; /* string integer number boolean date */
    /* ".spec.url", ".status.conditions[?(@.type==\"Ready\")].status"; NULL ends the list */
    const char *path;
    int priority; /* 0 = default view, 1 = -o wide */
    const char *doc;
};

/* Facts of the embedded API for one kind. */
enum fl_kind_flags {
    FL_KIND_STATUS = 1 << 0, /* status is a subresource */
    /* behaves as a custom resource: no strategic merge, no protobuf, RV needed on PUT */
    FL_KIND_CUSTOM = 1 << 1,
    FL_KIND_VIRTUAL = 1 << 2,       /* answered, never stored (self reviews): create only */
    FL_KIND_ENCRYPTED = 1 << 3,     /* encrypted at rest */
    FL_KIND_TTL_1H = 1 << 4,        /* swept an hour after its last write (Event) */
    FL_KIND_CREATE_ON_PUT = 1 << 5, /* Lease */
    FL_KIND_NO_RV_ON_PUT = 1 << 6,  /* updates without resourceVersion are taken */
};

/* Checks across fields, on the decoded spec (struct of the kind), defaulted; old_spec is NULL on create. */
typedef void (*fl_kind_check_fn)(const void *spec, const void *old_spec, struct fl_violations *vs);

struct fl_kind {
    const char *group; /* "" = core */
    const char *version;
    const char *kind;
    const char *plural;
    const char *singular;
    const char *const *short_names; /* NULL-ended; may be NULL */
    const char *const *categories;  /* likewise */
    bool namespaced;
    unsigned flags;
    const char *doc;
    const struct fl_field *rows;      /* all fields beside apiVersion, kind, metadata */
    const struct fl_field *spec_rows; /* rows of .spec, NULL when there is none */
    size_t spec_size;
    const struct fl_field *status_rows;
    size_t status_size;
    const struct fl_column *columns; /* NULL: Name and Age */
    fl_kind_check_fn check;
    /* field selectors beside metadata.name and metadata.namespace: paths without the dot */
    const char *const *selectable;
};

/* Columns that every kind has. */
#define FL_COLUMN_AGE                                                                              \
    {                                                                                              \
        .name = "Age", .type = "date", .path = ".metadata.creationTimestamp",                      \
        .doc = "How long ago the object was made."                                                 \
    }
#define FL_COLUMN_READY                                                                            \
    {                                                                                              \
        .name = "Ready", .type = "string",                                                         \
        .path = ".status.conditions[?(@.type==\"Ready\")].status",                                 \
        .doc = "Whether all is as declared: True, False, or Unknown while it is being found out."  \
    }
#define FL_COLUMN_STATUS                                                                           \
    {                                                                                              \
        .name = "Status", .type = "string",                                                        \
        .path = ".status.conditions[?(@.type==\"Ready\")].reason",                                 \
        .doc = "Why, in one word; the message tells more."                                         \
    }
#define FL_COLUMN_MESSAGE                                                                          \
    {                                                                                              \
        .name = "Message", .type = "string",                                                       \
        .path = ".status.conditions[?(@.type==\"Ready\")].message", .priority = 1,                 \
        .doc = "What is the case, and what to do next."                                            \
    }

/* Rows of ObjectMeta (with protobuf numbers), shared by all kinds. */
extern const struct fl_field fl_meta_rows[];

#endif
