/* SPDX-License-Identifier: Apache-2.0
 * Which namespaces there are and which are being deleted, in memory, so that a create costs no read of the store. Creates
 * are counted while they run: a namespace goes only when none is under way in it, so that no object is left behind. Any
 * thread. */
#ifndef FL_APISERVER_NAMESPACES_H
#define FL_APISERVER_NAMESPACES_H

#include "base/arena.h"
#include "base/lock.h"

struct fl_namespaces;

enum fl_namespace_state { FL_NAMESPACE_ABSENT, FL_NAMESPACE_ACTIVE, FL_NAMESPACE_TERMINATING };

struct fl_namespaces *fl_namespaces_new(void);
void fl_namespaces_free(struct fl_namespaces *n);
/* Tells what is stored now; ABSENT: it is gone. */
void fl_namespaces_set(struct fl_namespaces *n, struct fl_str name, enum fl_namespace_state state);
/* ACTIVE: the caller may create in it and calls leave afterwards. */
enum fl_namespace_state fl_namespaces_enter(struct fl_namespaces *n, struct fl_str name);
void fl_namespaces_leave(struct fl_namespaces *n, struct fl_str name);
/* The namespaces that are being deleted and in which no create is under way; names in `a`. */
size_t fl_namespaces_terminating(struct fl_namespaces *n, struct fl_arena *a, struct fl_str **ret);

#endif
