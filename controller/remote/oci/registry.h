/* SPDX-License-Identifier: Apache-2.0
 * The adapter "oci". */
#ifndef FL_REMOTE_OCI_REGISTRY_H
#define FL_REMOTE_OCI_REGISTRY_H

#include "port/adapter.h"
#include "port/registry.h"

extern const struct fl_adapter fl_adapter_oci;

#endif
