/* SPDX-License-Identifier: Apache-2.0
 * The two views of an event: stored as core/v1, shown as events.k8s.io/v1 where that is asked for. kubernetes.md 1.7. */
#ifndef FL_APISERVER_EVENTVIEW_H
#define FL_APISERVER_EVENTVIEW_H

#include "base/buf.h"
#include "wire/json.h"

/* Appends the events.k8s.io/v1 form of a stored event. */
void fl_event_view(struct fl_str stored, struct fl_buf *out);
/* The core/v1 tree of an events.k8s.io/v1 tree; shares its members. The caller's. */
struct fl_json *fl_event_store_form(const struct fl_json *view);

#endif
