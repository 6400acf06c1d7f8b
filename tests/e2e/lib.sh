# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Shared by the end-to-end scripts: a work folder of its own, registries, fairlead, kubectl, and checks that say what was expected.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../hack/lib.sh"

FAIRLEAD=${FAIRLEAD:-$FL_ROOT/build/release/fairlead}
T=$(mktemp -d "${TMPDIR:-/tmp}/fairlead-e2e.XXXXXX")
CHECKS=0

# own_cache NAME KUBECTL: a script that runs it with a cache of its own, and prints the script's path. The user's cache goes
# by host and port, and for hours; ports of this machine come again.
own_cache() {
    printf '#!/bin/sh\nexec "%s" --cache-dir="%s/kube-cache" "$@"\n' "$2" "$T" >"$T/$1"
    chmod +x "$T/$1"
    echo "$T/$1"
}
KUBECTL=$(own_cache kubectl "$(fl_kubectl)")

# What a process left behind says more than that nobody answers any more.
e2e_tell() {
    local f
    for f in "$T"/*.pid; do
        [ -f "$f" ] || continue
        kill -0 "$(cat "$f")" 2>/dev/null || echo "--- $(basename "$f" .pid): process $(cat "$f") has ended"
    done
    for f in "$T"/*.log; do
        [ -f "$f" ] || continue
        if grep -qE 'ERROR: [A-Za-z]*Sanitizer|WARNING: ThreadSanitizer|runtime error:|assertion' "$f"; then
            echo "--- $f (what it died of)"
            grep -E -m 1 -A 60 'ERROR: [A-Za-z]*Sanitizer|WARNING: ThreadSanitizer|runtime error:|assertion' "$f" | cut -c1-300
        fi
        echo "--- $f (last lines)"
        tail -n 12 "$f" | cut -c1-300
    done
}
e2e_end() {
    local rc=$? f
    [ $rc -eq 0 ] || e2e_tell
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
# start_fairlead [OPTION...]: standalone on $T/data, at $LISTEN or where the system says; sets KUBECONFIG.
start_fairlead() {
    rm -f "$T/kubeconfig"
    setsid "$FAIRLEAD" standalone --data-dir "$T/data" --listen "${LISTEN:-127.0.0.1:0}" --write-kubeconfig "$T/kubeconfig" "$@" \
        >>"$T/fairlead.log" 2>&1 &
    echo $! >"$T/fairlead.pid"
    fl_wait_start "$T/fairlead.pid" "the Kubernetes API" test -f "$T/kubeconfig"
    export KUBECONFIG=$T/kubeconfig
}
# stop NAME: SIGTERM to the process of $T/NAME.pid, which has to end in order.
stop() {
    local pid rc=0
    pid=$(cat "$T/$1.pid")
    kill "$pid"
    ended() { ! kill -0 "$pid"; }
    fl_wait 60 "the end of $1" ended
    wait "$pid" || rc=$?
    rm "$T/$1.pid"
    check_eq "$1 ends in order" "$rc" 0
}
stop_fairlead() { stop fairlead; }
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
