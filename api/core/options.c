/* SPDX-License-Identifier: Apache-2.0
 * DeleteOptions (meta/v1): the body of a DELETE; no resource. */
#include "api/core/core.h"
#include "api/scheme.h"

static const struct fl_field preconditions_rows[] = {
    {FL_ROW("uid", FL_STRING, 1, "Delete only the object with this UID.")},
    {FL_ROW("resourceVersion", FL_STRING, 2, "Delete only this version of the object.")},
    FL_ROW_END,
};

const struct fl_field fl_delete_options_rows[] = {
    {FL_ROW("gracePeriodSeconds", FL_INT, 1, "Seconds allowed for a graceful end; 0 = at once."),
     .flags = FL_ZERO},
    {FL_ROW_OBJECT("preconditions", preconditions_rows, 2, "What must hold, or else 409.")},
    {FL_ROW("orphanDependents", FL_BOOL, 3, "Old form of propagationPolicy: true = Orphan."),
     .flags = FL_ZERO},
    {FL_ROW("propagationPolicy", FL_STRING, 4,
            "What becomes of dependents: Background (the default), Foreground, or Orphan.")},
    {FL_ROW_LIST("dryRun", FL_STRING, 5, "All = go through everything and store nothing.")},
    FL_ROW_END,
};
