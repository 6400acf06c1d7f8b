/* SPDX-License-Identifier: Apache-2.0
 * Bodies of writes to trees: JSON, YAML, Kubernetes' protobuf for built-in kinds. Duplicate keys become problems of strict
 * decoding; the last one counts, as in the real server. */
#ifndef FL_APISERVER_BODY_H
#define FL_APISERVER_BODY_H

#include "apiserver/server.h"

/* An object of the call's kind, with its apiVersion and kind as sent. *ret: the caller's. */
bool fl_body_object(struct fl_call *c, struct fl_json **ret);
/* DeleteOptions; *ret stays NULL when the body is empty. */
bool fl_body_delete_options(struct fl_call *c, struct fl_json **ret);
/* A patch in JSON, whatever its shape. */
bool fl_body_patch(struct fl_call *c, struct fl_json **ret);
/* Answers 415, naming what is taken. */
void fl_body_refuse(struct fl_call *c, const char *types);

#endif
