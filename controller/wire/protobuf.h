/* SPDX-License-Identifier: Apache-2.0
 * Decodes Kubernetes' protobuf bodies of built-in kinds to JSON by the rows' field numbers. kubernetes.md 3.5. */
#ifndef FL_WIRE_PROTOBUF_H
#define FL_WIRE_PROTOBUF_H

#include "api/meta/field.h"
#include "wire/json.h"

/* The envelope "k8s\0" + Unknown{typeMeta, raw}: apiVersion and kind are slices of body, *raw the message. BAD_DATA. */
int fl_protobuf_envelope(struct fl_str body, struct fl_str *api_version, struct fl_str *kind,
                         struct fl_str *raw, struct fl_err *err);
/* A message to an object tree. Unset, empty and zero values are left out; unknown numbers are skipped; Time becomes RFC
 * 3339; depth and size are capped. meta_rows decodes field 1 "metadata" of a kind. */
int fl_protobuf_decode(struct fl_str msg, const struct fl_field *rows, struct fl_json **ret,
                       struct fl_err *err);

#endif
