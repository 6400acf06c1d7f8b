/* SPDX-License-Identifier: Apache-2.0 */
#include "app/adapters.h"

#include "remote/git/mirror.h"
#include "remote/oci/registry.h"

const struct fl_adapter *const fl_adapters[] = {
    &fl_adapter_git,
    &fl_adapter_oci,
    NULL,
};
