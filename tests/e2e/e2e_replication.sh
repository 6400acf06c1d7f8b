#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The registry loop against two real docker-registries: the source plain, the target behind TLS and a password. Cold copy,
# idempotence, a moved tag, a changed Secret, an outage in mid-run, suspend, Plan, stop; skopeo reads as a third party, and at
# the end the target's storage is hashed again.
. "$(dirname "$0")/lib.sh"

source_port=$(fl_free_port)
target_port=$(fl_free_port)
htpasswd -Bbn robot right >"$T/htpasswd" 2>/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$T/tls.key" -out "$T/tls.crt" 2>/dev/null

start_target() {
    cat >"$T/target.yml" <<EOF
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $T/target}, delete: {enabled: true}}
http: {addr: "127.0.0.1:$target_port", secret: s, tls: {certificate: $T/tls.crt, key: $T/tls.key}}
auth: {htpasswd: {realm: target, path: $T/htpasswd}}
EOF
    setsid docker-registry serve "$T/target.yml" >>"$T/target.log" 2>&1 &
    echo $! >"$T/target.pid"
    fl_wait_start "$T/target.pid" "the target registry" fl_answers "https://127.0.0.1:$target_port/v2/"
}
push() { # LAYOUT NAME
    skopeo copy -q --all --dest-tls-verify=false "oci:$1:it" "docker://127.0.0.1:$source_port/$2"
}
digest_at_source() { skopeo inspect --raw --tls-verify=false "docker://127.0.0.1:$source_port/$1" | sha256sum | cut -c1-64; }
digest_at_target() {
    skopeo inspect --raw --tls-verify=false --creds robot:right "docker://127.0.0.1:$target_port/$1" | sha256sum | cut -c1-64
}
same() { check_eq "$2 at the target is $1 at the source" "$(digest_at_target "$2")" "$(digest_at_source "$1")"; }
request() { # NAME
    local token
    token=$(date +%s%N)
    k annotate --overwrite "rp/$1" "fairlead.dev/requested-at=$token" >/dev/null
    handled() { [ "$(field "rp/$1" '{.status.lastHandledRequest}')" = "$2" ]; }
    fl_wait 60 "the request on $1" handled "$1" "$token"
}
ready() { k wait --for=condition=Ready "--timeout=$((60 * FL_PATIENCE))s" "$@" >/dev/null; }

fl_registry "$T" source "$source_port"
start_target
fl_index_layout "$T/hello" hello
fl_plain_layout "$T/tool" tool
push "$T/hello" team/hello:1.0
push "$T/tool" team/tool:stable
push "$T/tool" team/deep/er/tool:stable
push "$T/hello" other/hello:1.0

start_fairlead

# --- TLS that is not trusted, then trusted; a password that is wrong, then right
k apply -f - >/dev/null <<EOF
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {username: robot, password: wrong}
---
apiVersion: fairlead.dev/v1alpha1
kind: Registry
metadata: {name: source}
spec: {url: "http://127.0.0.1:$source_port"}
---
apiVersion: fairlead.dev/v1alpha1
kind: Registry
metadata: {name: target}
spec: {url: "https://127.0.0.1:$target_port", secretRef: {name: login}}
EOF
not_ready_with() { [[ "$(field "$1" '{.status.conditions[?(@.type=="Ready")].message}')" == *"$2"* ]]; }
fl_wait 30 "the TLS failure to be told" not_ready_with reg/target trusted
k create secret generic ca --from-file=ca.crt="$T/tls.crt" >/dev/null
k patch reg target --type=merge -p '{"spec":{"caRef":{"name":"ca"}}}' >/dev/null
fl_wait 30 "the wrong password to be told" not_ready_with reg/target robot
check_eq "a wrong password is a stall" "$(field reg/target '{.status.conditions[?(@.type=="Stalled")].status}')" True
check_eq "the password is in no status" "$(k get reg,events -o yaml | grep -c wrong)" 0
k patch secret login -p '{"stringData":{"password":"right"}}' >/dev/null
ready reg/source reg/target
check_eq "how it authenticates is told" "$(field reg/target '{.status.auth}')" Basic

# --- cold copy
k apply -f - >/dev/null <<EOF
apiVersion: fairlead.dev/v1alpha1
kind: ReplicationPolicy
metadata: {name: team}
spec:
  source: {registry: source}
  destination: {registry: target, namespace: mirror, namespaceReplaceCount: 1}
  repositories: {include: ["team/**"]}
  interval: "0"
EOF
ready rp/team
same team/hello:1.0 mirror/hello:1.0
same team/tool:stable mirror/tool:stable
same team/deep/er/tool:stable mirror/deep/er/tool:stable
check "what the filter leaves out stays out" bash -c "! skopeo inspect --tls-verify=false --creds robot:right docker://127.0.0.1:$target_port/mirror/other:1.0 2>/dev/null"
check_eq "one run" "$(k get rx -o name | wc -l)" 1

# --- an unchanged world is left alone
before=$(k get reg,rx -o 'jsonpath={range .items[*]}{.metadata.name}={.metadata.resourceVersion} {end}')
request team
after=$(k get reg,rx -o 'jsonpath={range .items[*]}{.metadata.name}={.metadata.resourceVersion} {end}')
check_eq "no write but the echo of the request" "$after" "$before"

# --- a moved tag, and a tag that goes does not go at the target
fl_plain_layout "$T/tool2" "tool again"
push "$T/tool2" team/tool:stable
request team
ready rp/team
same team/tool:stable mirror/tool:stable

# --- Plan tells and does not do
fl_plain_layout "$T/tool3" "tool three"
push "$T/tool3" team/tool:stable
k patch rp team --type=merge -p '{"spec":{"mode":"Plan"}}' >/dev/null
planned() { [ "$(field rp/team '{.status.plan[0].action}')" = Overwrite ]; }
fl_wait 30 "the plan" planned
check "nothing was copied by mode Plan" test "$(digest_at_target mirror/tool:stable)" != "$(digest_at_source team/tool:stable)"
k patch rp team --type=merge -p '{"spec":{"mode":"Apply"}}' >/dev/null
copied() { [ "$(digest_at_target mirror/tool:stable)" = "$(digest_at_source team/tool:stable)" ]; }
fl_wait 60 "the copy after Plan" copied
ready rp/team

# --- no upload is left open. Looked at before the outage: docker-registry 2.8 does not let go of a session that was cut in
# the middle of a PUT (its state no longer matches), it forgets it after a week.
check_eq "no upload session was left" "$(find "$T/target" -path '*/_uploads/*' -type f | wc -l)" 0

# --- the target is stopped in mid-run and comes back
for i in $(seq 12); do
    dd if=/dev/urandom of="$T/layer" bs=1M count=32 status=none
    mkdir -p "$T/big$i"
    read -r -a layer <<<"$(fl_blob "$T/big$i" "$T/layer")"
    printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["%s"]}}' "${layer[0]}" >"$T/config"
    read -r -a config <<<"$(fl_blob "$T/big$i" "$T/config")"
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"%s","size":%s}]}' \
        "${config[0]}" "${config[1]}" "${layer[0]}" "${layer[1]}" >"$T/manifest"
    read -r -a manifest <<<"$(fl_blob "$T/big$i" "$T/manifest")"
    fl_layout "$T/big$i" it application/vnd.oci.image.manifest.v1+json "${manifest[0]}" "${manifest[1]}"
    push "$T/big$i" "team/big:v$i"
    rm -rf "$T/big$i"
done
# The target stands still as soon as the first bytes are there: however slow kubectl is on this machine, the run does not end
# before the outage.
uploading() { [ -n "$(find "$T/target" -path '*/_uploads/*/data' -size +0 -print -quit)" ]; }
(fl_wait 60 "the first upload" uploading && kill -STOP "$(cat "$T/target.pid")") &
hold=$!
k annotate --overwrite rp/team fairlead.dev/requested-at=outage >/dev/null
running() { [ "$(field "rx/$(field rp/team '{.status.lastExecution}')" '{.status.phase}')" = Running ]; }
check "the run begins to upload" wait "$hold"
fl_wait 30 "the run" running
kill -9 "$(cat "$T/target.pid")"
fl_end "$T/target.pid"
told() { k get rx -o 'jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].message}{end}' | grep -q refused; }
fl_wait 60 "the outage to be told" told
start_target
ready rp/team
for i in $(seq 12); do
    same "team/big:v$i" "mirror/big:v$i"
done
check_eq "the run that met the outage succeeded" \
    "$(k get rx -o 'jsonpath={range .items[*]}{.status.phase}{"\n"}{end}' | sort -u)" Succeeded

# --- suspend leaves alone
k patch rp team --type=merge -p '{"spec":{"suspend":true}}' >/dev/null
suspended() { [ "$(field rp/team '{.status.conditions[?(@.type=="Suspended")].status}')" = True ]; }
fl_wait 30 "the suspension to be told" suspended
runs=$(k get rx -o name | wc -l)
push "$T/tool" team/tool:stable
k annotate --overwrite rp/team fairlead.dev/requested-at=while-suspended >/dev/null
k patch rp team --type=merge -p '{"spec":{"suspend":false}}' >/dev/null
ready rp/team
fl_wait 30 "the copy after the suspension" copied
check "the run came after it" test "$(k get rx -o name | wc -l)" -ge "$runs"

# --- a policy that goes takes its runs with it, and nothing at the target
k delete rp team >/dev/null
gone() { [ -z "$(k get rx -o name)" ]; }
fl_wait 30 "the executions to go with their policy" gone
same team/hello:1.0 mirror/hello:1.0

# --- the target's storage, hashed again
bad=0
while read -r file; do
    [ "$(sha256sum "$file" | cut -d' ' -f1)" = "$(basename "$(dirname "$file")")" ] || bad=$((bad + 1))
done < <(find "$T/target/docker/registry/v2/blobs" -name data)
check_eq "every blob of the target is what its name says" "$bad" 0

# --- SIGTERM ends it in order
stop_fairlead
