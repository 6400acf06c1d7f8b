#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The embedded API as kubectl sees it: every verb that people use, with this machine's kubectl, with Debian's 1.20 when it can
# be had, and with the newest one of the peers when FAIRLEAD_TEST_PEERS is set.
. "$(dirname "$0")/lib.sh"

start_fairlead --no-controllers

verbs() { # KUBECTL
    KUBECTL=$1
    local version
    version=$(k version -o json 2>/dev/null | jq -r '.clientVersion.gitVersion')
    echo "kubectl $version"
    local ns=n$RANDOM
    check "create namespace" k create namespace "$ns" >/dev/null
    kn() { "$KUBECTL" -n "$ns" "$@"; }

    # --- create by verb (protobuf bodies from 1.32 on), get in every form
    check "create secret" kn create secret generic s --from-literal=password=hunter2 >/dev/null
    check "create configmap" kn create configmap c --from-literal=a=1 >/dev/null
    check "create serviceaccount" kn create serviceaccount sa >/dev/null
    check_eq "the secret's data" "$(kn get secret s -o 'jsonpath={.data.password}' | base64 -d)" hunter2
    check_has "a table" "$(kn get secret s)" "Opaque"
    check_has "wide" "$(kn get cm c -o wide)" "AGE"
    check_has "yaml" "$(kn get cm c -o yaml)" "a: \"1\""
    check_has "json" "$(kn get cm c -o json)" '"a": "1"'
    check_eq "name" "$(kn get cm c -o name)" configmap/c
    check_has "all namespaces" "$(k get cm -A)" "$ns"
    check_has "describe" "$(kn describe secret s)" "7 bytes"

    # --- apply: new, unchanged, changed; labels, annotations, selectors
    cat >"$T/reg.yaml" <<EOF
apiVersion: fairlead.dev/v1alpha1
kind: Registry
metadata: {name: r, labels: {tier: a}}
spec: {url: "https://registry.example.com", interval: 10m}
EOF
    check_has "apply makes it" "$(kn apply -f "$T/reg.yaml")" created
    local rv
    rv=$(kn get reg r -o 'jsonpath={.metadata.resourceVersion}')
    check_has "apply again" "$(kn apply -f "$T/reg.yaml")" unchanged
    check_eq "nothing was written" "$(kn get reg r -o 'jsonpath={.metadata.resourceVersion}')" "$rv"
    sed -i s/10m/20m/ "$T/reg.yaml"
    check_has "apply a change" "$(kn apply -f "$T/reg.yaml")" configured
    check_eq "generation counts the spec" "$(kn get reg r -o 'jsonpath={.metadata.generation}')" 2
    check "label" kn label reg r tier=b --overwrite >/dev/null
    check "annotate" kn annotate reg r note=x >/dev/null
    check_eq "labels do not count" "$(kn get reg r -o 'jsonpath={.metadata.generation}')" 2
    check_eq "by label" "$(kn get reg -l tier=b -o name)" registry.fairlead.dev/r
    check_eq "by label, set" "$(kn get reg -l 'tier notin (b)' -o name)" ""
    check_eq "by field" "$(kn get reg --field-selector metadata.name=r -o name)" registry.fairlead.dev/r
    check_eq "default" "$(kn get reg r -o 'jsonpath={.spec.timeout}')" 30s

    # --- patch in three forms, replace, edit
    check "merge patch" kn patch reg r --type=merge -p '{"spec":{"suspend":true}}' >/dev/null
    check "JSON patch" kn patch reg r --type=json -p '[{"op":"test","path":"/spec/suspend","value":true},{"op":"remove","path":"/spec/suspend"}]' >/dev/null
    check "strategic merge patch of a built-in" kn patch cm c -p '{"data":{"b":"2"}}' >/dev/null
    check_eq "both keys" "$(kn get cm c -o 'jsonpath={.data.a}{.data.b}')" 12
    kn get cm c -o yaml | sed 's/a: "1"/a: "9"/' >"$T/cm.yaml"
    check "replace" kn replace -f "$T/cm.yaml" >/dev/null
    check_eq "replaced" "$(kn get cm c -o 'jsonpath={.data.a}')" 9
    if kn replace -f "$T/cm.yaml" >"$T/out" 2>&1; then
        kn replace -f <(sed 's/resourceVersion: .*/resourceVersion: "1"/' "$T/cm.yaml") >"$T/out" 2>&1 && false
    fi
    check_has "a stale resourceVersion conflicts" "$(cat "$T/out")" "the object has been modified"
    check "edit" env KUBE_EDITOR="sed -i s/20m/25m/" "$KUBECTL" -n "$ns" edit reg r >/dev/null
    check_eq "edited" "$(kn get reg r -o 'jsonpath={.spec.interval}')" 25m

    # --- dry run, wrong objects
    check_has "dry run" "$(kn create cm dry --from-literal=x=y --dry-run=server -o name)" configmap/dry
    check_eq "stored nothing" "$(kn get cm dry --ignore-not-found)" ""
    out=$(kn apply -f - 2>&1 <<EOF || true
apiVersion: fairlead.dev/v1alpha1
kind: Registry
metadata: {name: wrong}
spec: {url: "ftp://x", mode: Maybe}
EOF
    )
    check_has "a wrong value names the field" "$out" "spec.url"
    check_has "and what is allowed" "$out" '"Observe", "Plan", "Apply"'

    # --- status is a subresource, finalizers hold
    check "a status of the main door is ignored" kn patch reg r --type=merge -p '{"status":{"host":"x"}}' >/dev/null
    check_eq "no status" "$(kn get reg r -o 'jsonpath={.status.host}')" ""
    check "a finalizer" kn patch reg r --type=merge -p '{"metadata":{"finalizers":["example.com/hold"]}}' >/dev/null
    check "delete" kn delete reg r --wait=false >/dev/null
    check "it is being deleted" test -n "$(kn get reg r -o 'jsonpath={.metadata.deletionTimestamp}')"
    check "let go" kn patch reg r --type=merge -p '{"metadata":{"finalizers":null}}' >/dev/null
    check_eq "gone" "$(kn get reg r --ignore-not-found)" ""

    # --- wait, watch, events, explain, discovery
    kn create cm later --from-literal=x=y >/dev/null
    check "wait for a deletion" kn delete cm later --wait=true >/dev/null
    "$KUBECTL" -n "$ns" get cm -w >"$T/watch" 2>/dev/null &
    local watch=$!
    echo "$watch" >"$T/watch.pid"
    fl_wait 10 "the watch to begin" grep -q NAME "$T/watch"
    kn create cm watched --from-literal=x=y >/dev/null
    fl_wait 10 "a watch to show what comes" grep -q watched "$T/watch"
    fl_end "$T/watch.pid"
    check_has "explain" "$(k explain replicationpolicy.spec.destination.namespace)" "Repository path"
    check_has "api-resources" "$(k api-resources)" replicationexecutions
    check_has "version" "$(k version 2>/dev/null)" "fairlead"
    check_has "can-i" "$(k auth can-i delete secrets)" yes
    check "events" kn get events >/dev/null

    # --- a namespace goes with all that is in it
    check "delete namespace" k delete namespace "$ns" >/dev/null
    check_eq "nothing is left" "$(k get cm,secret -A -o name 2>/dev/null | grep -c "$ns" || true)" 0
    check_has "the default namespace stays" "$(k delete namespace default 2>&1 || true)" forbidden
}

verbs "$KUBECTL"

# Debian's own, however another package may hold /usr/bin/kubectl.
debian=$T/kubectl-debian
if command -v dpkg-deb >/dev/null && (cd "$T" && apt-get download -qq kubernetes-client >/dev/null 2>&1); then
    dpkg-deb -x "$T"/kubernetes-client_*.deb "$debian"
    verbs "$(own_cache kubectl-1.20 "$debian/usr/bin/kubectl")"
else
    echo "LEFT OUT: Debian's kubectl: the package kubernetes-client could not be downloaded"
fi
if [ -n "${FAIRLEAD_TEST_PEERS:-}" ]; then
    verbs "$(own_cache kubectl-new "$("$FL_ROOT/hack/peers" path kubectl)")"
else
    echo "LEFT OUT: the newest kubectl: only with hack/test --peers"
fi

# --- what the samples promise: they apply to an empty server, twice, and the second time nothing changes
KUBECTL=$T/kubectl
check "samples" k apply -f "$FL_ROOT/manifests/samples/" >/dev/null
list='jsonpath={range .items[*]}{.kind}/{.metadata.name}={.metadata.resourceVersion} {end}'
before=$(k get gm,reg,rp,secret -o "$list")
second=$(k apply -f "$FL_ROOT/manifests/samples/")
check_eq "the second apply creates nothing" "$(grep -c created <<<"$second")" 0
check_eq "and changes nothing" "$(k get gm,reg,rp,secret -o "$list")" "$before"

# --- a second process on the same folder, a public address, an unknown option
out=$("$FAIRLEAD" standalone --data-dir "$T/data" --listen 127.0.0.1:0 2>&1) && rc=0 || rc=$?
check_eq "a second process is refused" "$rc" 1
check_has "with words" "$out" "in use by process"
out=$("$FAIRLEAD" standalone --data-dir "$T/other" --listen 0.0.0.0:0 2>&1) && rc=0 || rc=$?
check_eq "a public address is refused" "$rc" 2
check_has "with the flag that allows it" "$out" "--listen-public"
out=$("$FAIRLEAD" standalone --bogus 2>&1) && rc=0 || rc=$?
check_eq "an unknown option is a usage error" "$rc" 2
check_has "that names it" "$out" "--bogus"
check_eq "no token in the log" "$(grep -c "$(cat "$T/data/admin.token")" "$T/fairlead.log")" 0
