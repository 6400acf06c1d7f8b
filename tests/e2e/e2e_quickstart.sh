#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The first command of the README, as a newcomer runs it; its last table must have every object Ready.
. "$(dirname "$0")/lib.sh"

export FAIRLEAD_QUICKSTART_DIR=$T/quickstart
out=$("$FL_ROOT/hack/quickstart" --once 2>&1) || {
    echo "$out"
    exit 1
}
echo "$out"
table=${out##*kubectl get fairlead}
check_has "the table lists the registries" "$table" "registry.fairlead.dev/target"
check_has "the table lists the policy" "$table" "replicationpolicy.fairlead.dev/team"
check_has "the table lists the mirror" "$table" "gitmirror.fairlead.dev/app"
check_has "the mirror has the pushed commit" "$out" "second commit"
check_has "the runs succeeded" "$table" "Succeeded"
check_eq "nothing in the table is not ready" "$(grep -cE ' (False|Unknown) ' <<<"$table")" 0
check_has "the last line says how to go on" "$out" "All is Ready"
check_eq "nothing was left running" "$(find "$T/quickstart" -name '*.pid' | wc -l)" 0
