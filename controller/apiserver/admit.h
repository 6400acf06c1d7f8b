/* SPDX-License-Identifier: Apache-2.0
 * What a write goes through before it is stored, in this order: shape, unknown fields, server's own fields, status kept
 * apart, defaults, rules of the kind, validation, metadata. kubernetes.md 2.2, 3.8. Functions answer when they return false. */
#ifndef FL_APISERVER_ADMIT_H
#define FL_APISERVER_ADMIT_H

#include "apiserver/server.h"

/* apiVersion, kind, namespace and name against the URL; unknown and duplicate fields as the call's fieldValidation says.
 * patched: obj is the outcome of a patch. */
bool fl_admit_decode(struct fl_call *c, struct fl_json *obj, bool patched);
/* After decode. Leaves metadata.name empty where it is to be generated. */
bool fl_admit_create(struct fl_call *c, struct fl_json *obj);
/* After decode, when resourceVersion and uid were compared. Makes *obj what is to be stored in place of old; with a
 * subresource that is old with one part of *obj. */
bool fl_admit_update(struct fl_call *c, struct fl_json **obj, const struct fl_json *old);

#endif
