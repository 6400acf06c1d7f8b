/* SPDX-License-Identifier: Apache-2.0
 * The one list of controllers. A new kind is one file under reconcile/ and one row in controllers.c. */
#ifndef FL_APP_CONTROLLERS_H
#define FL_APP_CONTROLLERS_H

#include "reconcile/controllers.h"

void fl_controllers_add(struct fl_engine *e, struct fl_remotes *rs);

#endif
