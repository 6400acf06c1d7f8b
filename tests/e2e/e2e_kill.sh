#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 at random moments of runs, 50 times: afterwards the target equals the source, no blob was sent twice to a place that
# had it, every tag has its closure, and the store lost nothing that was acknowledged.
. "$(dirname "$0")/lib.sh"

kills=${KILLS:-50}
RANDOM=${SEED:-$$}
echo "seed ${SEED:-$$}, $kills kills"
source_port=$(fl_free_port)
target_port=$(fl_free_port)
fl_registry "$T" source "$source_port"
fl_registry "$T" target "$target_port"

# An image of three layers of 200 kB that nobody else has.
make_image() { # NAME
    local dir=$T/image layers=() l config manifest i
    rm -rf "$dir"
    mkdir -p "$dir"
    for i in 1 2 3; do
        dd if=/dev/urandom of="$T/layer" bs=100k count=2 status=none
        read -r -a l <<<"$(fl_blob "$dir" "$T/layer")"
        layers+=("{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"${l[0]}\",\"size\":${l[1]}}")
    done
    printf '{"architecture":"amd64","os":"linux","made":"%s"}' "$1" >"$T/config"
    read -r -a config <<<"$(fl_blob "$dir" "$T/config")"
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":%s},"layers":[%s]}' \
        "${config[0]}" "${config[1]}" "$(IFS=,; echo "${layers[*]}")" >"$T/manifest"
    read -r -a manifest <<<"$(fl_blob "$dir" "$T/manifest")"
    fl_layout "$dir" it application/vnd.oci.image.manifest.v1+json "${manifest[0]}" "${manifest[1]}"
    skopeo copy -q --dest-tls-verify=false "oci:$dir:it" "docker://127.0.0.1:$source_port/$1"
}

start_fairlead
k apply -f - >/dev/null <<EOF
apiVersion: fairlead.dev/v1alpha1
kind: Registry
metadata: {name: source}
spec: {url: "http://127.0.0.1:$source_port"}
---
apiVersion: fairlead.dev/v1alpha1
kind: Registry
metadata: {name: target}
spec: {url: "http://127.0.0.1:$target_port"}
---
apiVersion: fairlead.dev/v1alpha1
kind: ReplicationPolicy
metadata: {name: all}
spec:
  source: {registry: source}
  destination: {registry: target}
  repositories: {include: ["app/**"]}
  interval: 1s
  historyLimit: 100
EOF

acknowledged=0
for n in $(seq "$kills"); do
    make_image "app/r$((n % 5)):t$((n % 17))"
    # Acknowledged writes must be there after the kill.
    k create configmap "mark-$n" --from-literal=n="$n" >/dev/null && acknowledged=$n
    sleep "0.$((RANDOM % 60 + 10))"
    kill_fairlead
    start_fairlead
    [ "$(k get configmap "mark-$acknowledged" -o 'jsonpath={.data.n}')" = "$acknowledged" ] ||
        { echo "FAILED: the ConfigMap acknowledged before kill $n is gone" >&2; exit 1; }
done
check_eq "all acknowledged ConfigMaps are there" "$(k get configmap -o name | grep -c mark-)" "$kills"

in_sync() {
    [ "$(k get rp all -o 'jsonpath={.status.backlog} {.status.conditions[?(@.type=="Ready")].status}')" = "0 True" ] &&
        ! k get rx -o 'jsonpath={range .items[*]}{.status.phase}{"\n"}{end}' | grep -qv Succeeded
}
k annotate --overwrite rp/all fairlead.dev/requested-at=last >/dev/null
last_handled() { [ "$(field rp/all '{.status.lastHandledRequest}')" = last ]; }
fl_wait 60 "the last request" last_handled
fl_wait 60 "all to be in sync" in_sync

tags() { # PORT: repo:tag digest
    local repo tag
    for repo in $(curl -s "http://127.0.0.1:$1/v2/_catalog?n=100" | jq -r '.repositories[]'); do
        for tag in $(curl -s "http://127.0.0.1:$1/v2/$repo/tags/list" | jq -r '.tags[]?' | sort); do
            echo "$repo:$tag $(curl -sI -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
                "http://127.0.0.1:$1/v2/$repo/manifests/$tag" | tr -d '\r' | awk 'tolower($1)=="docker-content-digest:"{print $2}')"
        done
    done | sort
}
check_eq "the target equals the source" "$(tags "$target_port")" "$(tags "$source_port")"

# Every blob that a tag needs is there: skopeo reads each image whole.
for image in $(tags "$target_port" | cut -d' ' -f1); do
    skopeo copy -q --src-tls-verify=false "docker://127.0.0.1:$target_port/$image" "dir:$T/read" ||
        { echo "FAILED: $image cannot be read whole from the target" >&2; exit 1; }
    rm -rf "$T/read"
done
CHECKS=$((CHECKS + 1))

# An upload that was answered 201 is never made again for the same blob and repository.
uploads=$(grep -c '"PUT /v2/[^ ]*digest=[^ "&]* HTTP/1.1" 201' "$T/target.log")
check "the log shows the uploads" test "$uploads" -gt 20
twice=$(grep -o '"PUT /v2/[^ ]*digest=[^ "&]* HTTP/1.1" 201' "$T/target.log" | sed -E 's|/uploads/[^?]*\?.*digest=| |' | sort | uniq -d)
check_eq "no blob was uploaded again" "$twice" ""

stop_fairlead
check_eq "the database is whole" "$(sqlite3 "$T/data/fairlead.db" 'pragma integrity_check')" ok
