/* SPDX-License-Identifier: Apache-2.0
 * The one list of adapters, NULL-ended, sorted by name. A new vendor is one folder under remote/ and one row in
 * adapters.c. */
#ifndef FL_APP_ADAPTERS_H
#define FL_APP_ADAPTERS_H

#include "port/adapter.h"

extern const struct fl_adapter *const fl_adapters[];

#endif
