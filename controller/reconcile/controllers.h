/* SPDX-License-Identifier: Apache-2.0
 * The reconcilers, each as one row for the engine. app/controllers.c lists them. */
#ifndef FL_RECONCILE_CONTROLLERS_H
#define FL_RECONCILE_CONTROLLERS_H

#include "engine/engine.h"
#include "reconcile/remotes.h"

/* self is the struct fl_remotes. */
struct fl_controller fl_registry_controller(struct fl_remotes *rs);
struct fl_controller fl_policy_controller(struct fl_remotes *rs);
struct fl_controller fl_execution_controller(struct fl_remotes *rs);

#endif
