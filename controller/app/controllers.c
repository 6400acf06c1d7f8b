/* SPDX-License-Identifier: Apache-2.0 */
#include "app/controllers.h"

typedef struct fl_controller (*controller_row)(struct fl_remotes *rs);

static const controller_row controllers[] = {
    fl_registry_controller,
    fl_policy_controller,
    fl_execution_controller,
};

void fl_controllers_add(struct fl_engine *e, struct fl_remotes *rs)
{
    for (size_t i = 0; i < FL_LEN(controllers); i++) {
        struct fl_controller c = controllers[i](rs);
        fl_engine_add(e, &c);
    }
}
