/* SPDX-License-Identifier: Apache-2.0 */
#include "app/controllers.h"

void fl_controllers_add(struct fl_engine *e, const struct fl_selves *s)
{
    const struct fl_controller controllers[] = {
        fl_mirror_controller(s->mirrors),
        fl_registry_controller(s->remotes),
        fl_policy_controller(s->remotes),
        fl_execution_controller(s->remotes),
    };
    for (size_t i = 0; i < FL_LEN(controllers); i++) {
        fl_engine_add(e, &controllers[i]);
    }
}
