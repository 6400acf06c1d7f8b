# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Shared by the end-to-end scripts: a work folder of its own, registries, fairlead, kubectl, and checks that say what was expected.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../hack/lib.sh"

FAIRLEAD=${FAIRLEAD:-$FL_ROOT/build/release/fairlead}
KUBECTL=$(fl_kubectl)
T=$(mktemp -d "${TMPDIR:-/tmp}/fairlead-e2e.XXXXXX")
CHECKS=0

e2e_end() {
    local rc=$? f
    if [ $rc -ne 0 ]; then
        for f in "$T"/*.log; do
            [ -f "$f" ] || continue
            echo "--- $f (last lines)"
            tail -n 12 "$f" | cut -c1-300
        done
    fi
    for f in "$T"/*.pid; do
        [ -f "$f" ] && fl_end "$f"
    done
    [ -n "${KEEP:-}" ] || rm -rf "$T"
    [ $rc -ne 0 ] || echo "$CHECKS checks held"
}
trap e2e_end EXIT

# check WHAT COMMAND...: the command must succeed.
check() {
    local what=$1
    shift
    CHECKS=$((CHECKS + 1))
    if ! "$@"; then
        echo "FAILED: $what: $*" >&2
        exit 1
    fi
}
# check_eq WHAT GOT WANT
check_eq() {
    CHECKS=$((CHECKS + 1))
    if [ "$2" != "$3" ]; then
        printf 'FAILED: %s\n  got:  %s\n  want: %s\n' "$1" "$2" "$3" >&2
        exit 1
    fi
}
# check_has WHAT TEXT PART
check_has() {
    CHECKS=$((CHECKS + 1))
    if [[ "$2" != *"$3"* ]]; then
        printf 'FAILED: %s\n  got:  %s\n  want it to hold: %s\n' "$1" "$2" "$3" >&2
        exit 1
    fi
}

# shellcheck disable=SC2120 # options are optional
# start_fairlead [OPTION...]: standalone on $T/data; sets KUBECONFIG.
start_fairlead() {
    rm -f "$T/kubeconfig"
    setsid "$FAIRLEAD" standalone --data-dir "$T/data" --listen 127.0.0.1:0 --write-kubeconfig "$T/kubeconfig" "$@" \
        >>"$T/fairlead.log" 2>&1 &
    echo $! >"$T/fairlead.pid"
    fl_wait 30 "the Kubernetes API" test -f "$T/kubeconfig"
    export KUBECONFIG=$T/kubeconfig
}
stop_fairlead() { fl_end "$T/fairlead.pid"; }
kill_fairlead() {
    local pid
    pid=$(cat "$T/fairlead.pid")
    rm -f "$T/fairlead.pid"
    kill -9 "$pid"
    wait "$pid" 2>/dev/null || true
}
k() { "$KUBECTL" "$@"; }
# field KIND/NAME JSONPATH
field() { k get "$1" -o "jsonpath=$2"; }
