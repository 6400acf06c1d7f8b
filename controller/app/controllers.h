/* SPDX-License-Identifier: Apache-2.0
 * The one list of controllers. A new kind is one file under reconcile/ and one row in controllers.c. */
#ifndef FL_APP_CONTROLLERS_H
#define FL_APP_CONTROLLERS_H

#include "reconcile/controllers.h"
#include "reconcile/mirror.h"

struct fl_selves { /* what the domains keep between passes */
    struct fl_remotes *remotes;
    struct fl_mirrors *mirrors;
};

void fl_controllers_add(struct fl_engine *e, const struct fl_selves *s);

#endif
