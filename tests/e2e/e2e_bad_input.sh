#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Wrong manifests, wrong Secrets, wrong folders, wrong moments: each is answered with the words that help, nothing is half
# written, nothing crashes, and no secret stands in what anybody can read.
. "$(dirname "$0")/lib.sh"

# What must never be seen: every answer, log, status and event is searched for these at the end.
SECRETS=(hunter2-in-a-url hunter2-of-wrong-shape hunter2-garbage hunter2-right hunter2-sealed)
OUT=$T/answers.log
touch "$OUT"

# said COMMAND...: what it printed, on both streams; kept for the search at the end. $RC is its exit code, 128 and above is
# an end by a signal.
said() {
    RC=0
    TEXT=$(timeout $((60 * FL_PATIENCE)) "$@" 2>&1) || RC=$?
    printf '%s\n' "$TEXT" >>"$OUT"
    check "$* does not crash" test "$RC" -lt 124
}
# refused WHAT PART COMMAND...: fails, with PART in its words.
refused() {
    local what=$1 part=$2
    shift 2
    said "$@"
    check "$what is refused" test "$RC" -ne 0
    check_has "$what is refused with words" "$TEXT" "$part"
}
# refused_spec WHAT PART KIND SPEC: kubectl apply of one object is refused and leaves nothing. What is asked for are the
# server's words: kubectl 1.20 otherwise finds some of it by itself.
refused_spec() {
    printf 'apiVersion: fairlead.dev/v1alpha1\nkind: %s\nmetadata: {name: wrong}\nspec: %s\n' "$3" "$4" >"$T/wrong.yaml"
    refused "$1" "$2" "$KUBECTL" apply --validate=false -f "$T/wrong.yaml"
    check_eq "$1: nothing is stored" "$(k get "$3" wrong --ignore-not-found -o name)" ""
}
# starts_not WHAT PART OPTION...: `fairlead standalone` ends with 1 and PART in its words.
starts_not() {
    local what=$1 part=$2
    shift 2
    said "$FAIRLEAD" standalone --listen 127.0.0.1:0 --write-kubeconfig "$T/never" "$@"
    check_eq "$what: exit code" "$RC" 1
    check_has "$what: words" "$TEXT" "$part"
    check "$what: no kubeconfig is written" test ! -e "$T/never"
}
# api METHOD PATH [CURL OPTION...]: the answer's body, then its code on a line of its own. The token is in no argv.
api() {
    local method=$1 path=$2
    shift 2
    curl -sk -m $((60 * FL_PATIENCE)) -X "$method" -H "@$T/header" -H 'Expect:' -w '\n%{http_code}\n' "$@" "$server$path" | tee -a "$OUT"
}
message() { field "$1" '{.status.conditions[?(@.type=="Ready")].message}'; }
reason() { field "$1" '{.status.conditions[?(@.type=="Ready")].reason}'; }
reason_is() { [ "$(reason "$1")" = "$2" ]; }
stalled() { [ "$(field "$1" '{.status.conditions[?(@.type=="Stalled")].status}')" = True ]; }
in_db() { sqlite3 "$1/fairlead.db" "$2"; }

# --- a folder whose key is rotated; its sweep is looked at in the end, a minute later
rotated=$T/rotated
start_on() { # FOLDER NAME [COMMAND...]: standalone on FOLDER, kubeconfig $T/NAME.kubeconfig, log $T/NAME.log
    local folder=$1 name=$2
    shift 2
    rm -f "$T/$name.kubeconfig"
    setsid "$@" "$FAIRLEAD" standalone --data-dir "$folder" --listen 127.0.0.1:0 --no-controllers \
        --write-kubeconfig "$T/$name.kubeconfig" >>"$T/$name.log" 2>&1 &
    echo $! >"$T/$name.pid"
    fl_wait_start "$T/$name.pid" "the API on $folder" test -f "$T/$name.kubeconfig"
}
kr() { "$KUBECTL" --kubeconfig "$T/rotated.kubeconfig" "$@"; }
sealed_value() { kr get secret sealed -o 'jsonpath={.data.password}' | base64 -d; }
sealed_key() { in_db "$rotated" "SELECT substr(body, 3, 8) FROM objects WHERE sealed <> 0"; }

start_on "$rotated" rotated
kr create secret generic sealed --from-literal=password=hunter2-sealed >/dev/null
fl_end "$T/rotated.pid"
old_key=$(cut -c1-8 "$rotated/secrets.key")
check_eq "Secrets are sealed by the key of the file" "$(sealed_key)" "$old_key"

objects="SELECT res, ns, name, sealed, hex(body) FROM objects ORDER BY 1, 2, 3"
before=$(in_db "$rotated" "$objects")
mv "$rotated/secrets.key" "$T/kept.key"
starts_not "a lost key" "there is no key file $rotated/secrets.key: put back the key file" --data-dir "$rotated"
check "no other key is made in its place" test ! -e "$rotated/secrets.key"
echo "00000000 $(head -c 32 /dev/zero | base64)" >"$rotated/secrets.key"
chmod 600 "$rotated/secrets.key"
starts_not "another key" "the key \\\"$old_key\\\" is not in $rotated/secrets.key" --data-dir "$rotated"
echo garbage >"$rotated/secrets.key"
starts_not "a key file that is none" "secrets.key: line 1" --data-dir "$rotated"
cp "$T/kept.key" "$rotated/secrets.key"
chmod 644 "$rotated/secrets.key"
starts_not "a key that others can read" "chmod 600" --data-dir "$rotated"
chmod 600 "$rotated/secrets.key"
check_eq "the objects are as they were" "$(in_db "$rotated" "$objects")" "$before"

said "$FAIRLEAD" rotate-key --data-dir "$rotated"
check_eq "rotate-key" "$RC" 0
new_key=$(head -n 1 "$rotated/secrets.key" | cut -c1-8)
check "a new key stands first" test "$new_key" != "$old_key"
check_has "the old one behind it" "$(tail -n +2 "$rotated/secrets.key")" "$old_key "
check_eq "the key file is its owner's" "$(stat -c %a "$rotated/secrets.key")" 600
cp "$rotated/secrets.key" "$T/both.key"
head -n 1 "$T/both.key" >"$rotated/secrets.key"
starts_not "the new key alone, too early" "the key \\\"$old_key\\\" is not in" --data-dir "$rotated"
cp "$T/both.key" "$rotated/secrets.key"
start_on "$rotated" rotated
check_eq "what the old key sealed is read" "$(sealed_value)" hunter2-sealed
refused "a key file that is not there" "cannot open $T/nowhere/secrets.key" "$FAIRLEAD" rotate-key --data-dir "$T/nowhere"

# --- folders that cannot be used
touch "$T/file"
starts_not "a folder below a file" "cannot make the data folder $T/file/data: Not a directory" --data-dir "$T/file/data"
starts_not "a file for a folder" "$T/file is not a folder" --data-dir "$T/file"
starts_not "a folder in use" "in use by process $(cat "$T/rotated.pid")" --data-dir "$rotated"
start_on "$T/copy" copy
fl_end "$T/copy.pid"
in_db "$T/copy" "PRAGMA user_version=999" >/dev/null
starts_not "a newer version's folder" "written by a newer version of Fairlead (format 999" --data-dir "$T/copy"
check_eq "it stays what it is" "$(in_db "$T/copy" "PRAGMA user_version")" 999
cp -a "$T/copy" "$T/damaged"
head -c 16384 /dev/urandom >"$T/damaged/fairlead.db"
sum=$(sha256sum <"$T/damaged/fairlead.db")
starts_not "a database that is none" "file is not a database" --data-dir "$T/damaged"
check_eq "it is left alone" "$(sha256sum <"$T/damaged/fairlead.db")" "$sum"
in_db "$T/copy" "PRAGMA user_version=1" >/dev/null
refused "half a certificate" "--tls-cert and --tls-key go together" "$FAIRLEAD" standalone --data-dir "$T/copy" --tls-cert x
refused "an address without a port" "is not HOST:PORT" "$FAIRLEAD" standalone --data-dir "$T/copy" --listen 127.0.0.1
starts_not "a certificate that is none" "--tls-cert" --data-dir "$T/copy" --tls-cert "$T/file" --tls-key "$T/file"

# Mounts of a namespace of its own go with the process.
mkdir "$T/full"
# shellcheck disable=SC2016 # expanded by the inner shell
if unshare -m mount -t tmpfs -o size=64k tmpfs "$T/full" 2>/dev/null; then
    said unshare -m bash -c 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" &&
        exec "$2" standalone --data-dir "$1" --listen 127.0.0.1:0' - "$T/copy" "$FAIRLEAD"
    check_eq "a read-only folder: exit code" "$RC" 1
    check_has "a read-only folder: words" "$TEXT" "Read-only file system"

    said unshare -m bash -c 'mount -t tmpfs -o size=16k tmpfs "$1" &&
        exec "$2" standalone --data-dir "$1" --listen 127.0.0.1:0' - "$T/full" "$FAIRLEAD"
    check_eq "a full disk at start: exit code" "$RC" 1
    check_has "a full disk at start: words" "$TEXT" "No space left on device"

    start_on "$T/full" full unshare -m bash -c 'mount -t tmpfs -o size=3m tmpfs "$1" && shift && exec "$@"' - "$T/full"
    kf() { timeout $((60 * FL_PATIENCE)) "$KUBECTL" --kubeconfig "$T/full.kubeconfig" "$@"; }
    inside=/proc/$(cat "$T/full.pid")/root$T/full
    check "before it is full" kf create configmap before --from-literal=a=1 >/dev/null
    dd if=/dev/zero of="$inside/filler" bs=4k status=none 2>/dev/null || true
    head -c 400000 /dev/zero | tr '\0' x >"$T/fill"
    for i in $(seq 8); do # what the database's files still have room for
        said "$KUBECTL" --kubeconfig "$T/full.kubeconfig" create configmap "big$i" --from-file=a="$T/fill"
        [ "$RC" -eq 0 ] || break
    done
    check "a full disk refuses writes" test "$RC" -ne 0
    check_has "with words" "$TEXT" "full"
    check_eq "reads go on" "$(kf get configmap before -o 'jsonpath={.data.a}')" 1
    check_eq "what was refused is not there" "$(kf get configmap "big$i" --ignore-not-found -o name)" ""
    rm "$inside/filler"
    check "with room again it is written" kf create configmap after --from-literal=a=1 >/dev/null
    for ((j = 1; j < i; j++)); do
        check_eq "what was taken is whole" "$(kf get configmap "big$j" -o 'jsonpath={.data.a}' | wc -c)" 400000
    done
    fl_end "$T/full.pid"
else
    echo "LEFT OUT: a read-only folder and a full disk: mounts are not permitted here"
fi

# --- kill -9, and the end in order
start_fairlead --log-level debug
k create configmap kept --from-literal=a=1 >/dev/null
kill_fairlead
start_fairlead --log-level debug --grace 10m
check_eq "after kill -9 the lock is free and nothing is lost" "$(field cm/kept '{.data.a}')" 1
kill "$(cat "$T/fairlead.pid")"
rc=0
began=$(date +%s%N)
wait "$(cat "$T/fairlead.pid")" || rc=$?
took=$((($(date +%s%N) - began) / 1000000))
rm "$T/fairlead.pid"
check_eq "SIGTERM while idle ends with 0" "$rc" 0
check "without using up its grace (it took $took ms)" test "$took" -lt 60000

# A remote that answers nothing holds a pass until its time-out; the second signal does not wait for it.
python3 -c '
import signal, socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(16)
print(s.getsockname()[1], flush=True)
c = s.accept()[0]
print(c.recv(100), flush=True)
signal.pause()' >"$T/silent.said" &
echo $! >"$T/silent.pid"
fl_wait 60 "the silent registry" test -s "$T/silent.said"
silent_port=$(head -n 1 "$T/silent.said")
start_fairlead --log-level debug --grace 10m
k apply -f - >/dev/null <<EOF
apiVersion: fairlead.dev/v1alpha1
kind: Registry
metadata: {name: silent}
spec: {url: "http://127.0.0.1:$silent_port", timeout: 1h}
EOF
asked() { [ "$(wc -l <"$T/silent.said")" -gt 1 ]; }
fl_wait 10 "the silent registry to be asked" asked
pid=$(cat "$T/fairlead.pid")
rm "$T/fairlead.pid"
kill -STOP "$pid" # both signals are there when it goes on
kill -TERM "$pid"
kill -INT "$pid"
began=$(date +%s%N)
kill -CONT "$pid"
rc=0
wait "$pid" || rc=$?
took=$((($(date +%s%N) - began) / 1000000))
check_eq "a second signal ends it with 1" "$rc" 1
check "at once (it took $took ms)" test "$took" -lt 60000
check_has "and says so" "$(tail -n 3 "$T/fairlead.log")" "second signal"
fl_end "$T/silent.pid"

# --- specs that are refused when they are applied
start_fairlead --log-level debug
k delete reg silent >/dev/null
server=$(sed -n 's/^ *server: //p' "$T/kubeconfig")
(umask 077 && echo "Authorization: Bearer $(cat "$T/data/admin.token")" >"$T/header")
all='repositories: {include: ["team/**"]}'
refused_spec "a URL without a scheme" "has no scheme: it must start with https:// or http://" Registry '{url: "registry.example.com"}'
refused_spec "another scheme" "spec.url" Registry '{url: "ftp://registry.example.com"}'
refused_spec "a URL with credentials" "has credentials in it: they belong into a Secret" Registry \
    '{url: "https://bob:hunter2-in-a-url@registry.example.com"}'
refused_spec "a newline in a URL" "spec.url" Registry '{url: "https://registry.example.com\n"}'
refused_spec "an unknown type" 'spec.type: Unsupported value: "harbour": supported values: "oci"' Registry \
    '{url: "https://r.example.com", type: harbour}'
refused_spec "a duration that is none" 'must be a duration such as 30s, 5m or 1h30m' Registry \
    '{url: "https://r.example.com", interval: often}'
refused_spec "too short an interval" "spec.interval" Registry '{url: "https://r.example.com", interval: 10ms}'
refused_spec "too long a time-out" "must be no more than 24h" Registry '{url: "https://r.example.com", timeout: 100h}'
refused_spec "a newline in a reference" "spec.secretRef.name" Registry '{url: "https://r.example.com", secretRef: {name: "a\nb"}}'
refused_spec "no URL" "spec.url: Required value" Registry '{}'
refused_spec "the same registry twice" "this is the same place as the source" ReplicationPolicy \
    "{source: {registry: a}, destination: {registry: a}, $all}"
refused_spec "an open glob" "'[' is not closed" ReplicationPolicy \
    '{source: {registry: a}, destination: {registry: b}, repositories: {include: ["team/[a"]}}'
refused_spec "a glob of tags" "spec.tags.exclude[0]" ReplicationPolicy \
    "{source: {registry: a}, destination: {registry: b}, $all, tags: {exclude: [\"{a\"]}}"
refused_spec "a tag that is none" "must be a tag" ReplicationPolicy \
    "{source: {registry: a}, destination: {registry: b}, $all, tags: {include: [\"a/b\"]}}"
refused_spec "a namespace that is none" "must be a repository name such as library/nginx" ReplicationPolicy \
    "{source: {registry: a}, destination: {registry: b, namespace: \"Mirror/\"}, $all}"
refused_spec "too large a replace count" "cannot replace 3 leading components of 'team/tool'" ReplicationPolicy \
    '{source: {registry: a}, destination: {registry: b, namespace: m, namespaceReplaceCount: 3}, repositories: {include: ["team/tool"]}}'
refused_spec "a replace count out of bounds" "less than or equal to 127" ReplicationPolicy \
    "{source: {registry: a}, destination: {registry: b, namespace: m, namespaceReplaceCount: 128}, $all}"
refused_spec "no repositories" "spec.repositories" ReplicationPolicy '{source: {registry: a}, destination: {registry: b}}'

# --- the same by patch; the object stays what it was
k apply -f - >/dev/null <<EOF
apiVersion: fairlead.dev/v1alpha1
kind: Registry
metadata: {name: good}
spec: {url: "http://127.0.0.1:1", interval: "0"}
EOF
generation=$(field reg/good '{.metadata.generation}')
refused "credentials by merge patch" "has credentials in it" "$KUBECTL" patch reg good --type=merge \
    -p '{"spec":{"url":"https://bob:hunter2-in-a-url@registry.example.com"}}'
refused "credentials by JSON patch" "has credentials in it" "$KUBECTL" patch reg good --type=json \
    -p '[{"op":"replace","path":"/spec/url","value":"https://bob:hunter2-in-a-url@registry.example.com"}]'
check_eq "the object is unchanged" "$(field reg/good '{.metadata.generation} {.spec.url}')" "$generation http://127.0.0.1:1"

# --- names
for name in 'a\nb' 'A' 'a b' '../a' 'a%2fb' ''; do
    printf '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"%s"}}' "${name//%/%%}" >"$T/name.json"
    answer=$(api POST /api/v1/namespaces/default/configmaps -H 'Content-Type: application/json' --data-binary "@$T/name.json")
    check_eq "the name '$name' is refused" "$(tail -n 1 <<<"$answer")" 422
done
cat >"$T/lines.yaml" <<EOF
apiVersion: fairlead.dev/v1alpha1
kind: Registry
metadata: {name: lines, annotations: {fairlead.dev/requested-at: "one\ntwo level=error msg=forged"}}
spec: {url: "http://127.0.0.1:1"}
EOF
check "an annotation may have lines" k apply -f "$T/lines.yaml" >/dev/null
fl_wait 20 "the probe" reason_is reg/lines ConnectFailed
said "$KUBECTL" describe reg lines
k delete reg lines >/dev/null

# --- an unknown field: warned of, refused where that is asked for
unknown() { # NAME QUERY
    printf '{"apiVersion":"fairlead.dev/v1alpha1","kind":"Registry","metadata":{"name":"%s"},"spec":{"url":"http://127.0.0.1:1","interval":"0","passwort":"x"}}' "$1" >"$T/unknown.json"
    api POST "/apis/fairlead.dev/v1alpha1/namespaces/default/registries$2" -H 'Content-Type: application/json' -D "$T/headers" \
        --data-binary "@$T/unknown.json"
}
check_eq "an unknown field is taken" "$(unknown field '' | tail -n 1)" 201
check_has "with a warning" "$(cat "$T/headers")" 'unknown field \"spec.passwort\"'
check_eq "and not stored" "$(field reg/field '{.spec.passwort}')" ""
check_eq "not under strict" "$(unknown strict '?fieldValidation=Strict' | tail -n 1)" 400
check_has "with words" "$(unknown strict '?fieldValidation=Strict')" 'strict decoding error: unknown field \"spec.passwort\"'
check_eq "nothing is stored" "$(k get reg strict --ignore-not-found -o name)" ""
k delete reg field >/dev/null
if k apply --help | grep -q 'warn'; then # since 1.25
    refused "an unknown field by kubectl --validate=strict" 'unknown field "spec.passwort"' \
        "$KUBECTL" apply --validate=strict -f "$T/unknown.json"
    said "$KUBECTL" apply --validate=warn -f "$T/unknown.json"
    check_eq "--validate=warn takes it" "$RC" 0
    check_has "and warns" "$TEXT" 'Warning: unknown field "spec.passwort"'
    k delete reg strict >/dev/null
fi

# --- manifests that are broken
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n\tname: tabs\n' >"$T/tabs.yaml"
refused "tabs" "line 4" "$KUBECTL" apply -f "$T/tabs.yaml"
yaml() { api POST /api/v1/namespaces/default/configmaps -H 'Content-Type: application/yaml' --data-binary "@$1"; }
answer=$(yaml "$T/tabs.yaml")
check_eq "tabs at the API" "$(tail -n 1 <<<"$answer")" 400
check_has "say where" "$answer" "line 4, column 1"
check_has "and what to do" "$answer" "indent with spaces, not tabs"
cat >"$T/two.yaml" <<EOF
apiVersion: v1
kind: ConfigMap
metadata: {name: first}
data: {a: "1"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: second}
EOF
check_eq "kubectl applies two documents" "$(k apply -f "$T/two.yaml" | grep -c created)" 2
k delete -f "$T/two.yaml" >/dev/null
answer=$(yaml "$T/two.yaml")
check_eq "one request takes one" "$(tail -n 1 <<<"$answer")" 400
check_has "and says so" "$answer" "only one document is allowed here"
check_eq "it stores neither" "$(k get cm first second --ignore-not-found -o name)" ""
{
    sed '/^---$/,$d' "$T/two.yaml"
    printf -- '---\napiVersion: v1\nkind: [\n---\n'
    sed '1,/^---$/d' "$T/two.yaml"
} >"$T/broken.yaml"
refused "a document broken in the middle" "did not find expected node content" "$KUBECTL" apply -f "$T/broken.yaml"
check "what stands before it is whole or not there" grep -qx '1\|' <<<"$(k get cm first --ignore-not-found -o 'jsonpath={.data.a}')"
check_eq "what stands behind it is not there" "$(k get cm second --ignore-not-found -o name)" ""
printf '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cut"},"data":{"a":"1' >"$T/cut.json"
answer=$(api POST /api/v1/namespaces/default/configmaps -H 'Content-Type: application/json' --data-binary "@$T/cut.json")
check_eq "JSON that is cut" "$(tail -n 1 <<<"$answer")" 400
check_has "says where" "$answer" "line 1, column"
check_eq "and stores nothing" "$(k get cm cut --ignore-not-found -o name)" ""

# --- over 3 MiB
sized() { # NAME BYTES: an object, filled up with spaces
    local text="{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"$1\"}}"
    printf '%s%*s' "$text" $(($2 - ${#text})) '' >"$T/sized.json"
    api POST /api/v1/namespaces/default/configmaps -H 'Content-Type: application/json' --data-binary "@$T/sized.json"
}
check_eq "3 MiB pass" "$(sized at-the-cap 3145728 | tail -n 1)" 201
answer=$(sized over-the-cap 3145729)
check_eq "a byte more does not" "$(tail -n 1 <<<"$answer")" 413
check_has "with words" "$answer" "Request entity too large: limit is 3145728"
check_eq "and is not there" "$(k get cm over-the-cap --ignore-not-found -o name)" ""
head -c 1100000 /dev/zero | tr '\0' x >"$T/large"
refused "more than 1 MiB of data" "may not be more than 1048576 bytes" "$KUBECTL" create configmap large --from-file=a="$T/large"

# --- Secrets that are absent, of the wrong shape, garbage
htpasswd -Bbn robot hunter2-right >"$T/htpasswd" 2>/dev/null
port=$(fl_free_port)
fl_registry "$T" locked "$port" "$T/htpasswd"
k apply -f - >/dev/null <<EOF
apiVersion: fairlead.dev/v1alpha1
kind: Registry
metadata: {name: locked}
spec: {url: "http://127.0.0.1:$port", secretRef: {name: login}, interval: 1h}
---
apiVersion: fairlead.dev/v1alpha1
kind: ReplicationPolicy
metadata: {name: waits}
spec:
  source: {registry: absent}
  destination: {registry: locked, namespace: copy}
  repositories: {include: ["team/tool"]}
  interval: 1h
EOF
fl_wait 20 "the absent Secret to be told" reason_is reg/locked SecretNotFound
check_has "an absent Secret" "$(message reg/locked)" "there is no Secret 'login' in namespace 'default'"
fl_wait 20 "the absent Registry to be told" reason_is rp/waits RegistryNotFound
check_has "an absent Registry" "$(message rp/waits)" "there is no Registry 'absent' in namespace 'default'"
secret() { # the whole content, as JSON
    k delete secret login --ignore-not-found >/dev/null
    printf '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"login"},"stringData":%s}' "$1" >"$T/secret.json"
    k create -f "$T/secret.json" >/dev/null
}
garbage() { # CONTENT REASON PART
    secret "$1"
    fl_wait 20 "$1 to be told as $2" reason_is reg/locked "$2"
    told() { [[ "$(message reg/locked)" == *"$1"* ]]; }
    fl_wait 20 "$1 to be told with the words $3" told "$3"
    check "$1: waits for a change, not for the clock" stalled reg/locked
}
garbage '{"user":"robot","pass":"hunter2-of-wrong-shape"}' SecretInvalid "it has the keys pass, user; allowed are: username and password"
secret '{"username":"robot","password":"hunter2-right"}'
fl_wait 20 "the right Secret to be used" reason_is reg/locked Succeeded
garbage '{".dockerconfigjson":"{\"auths\": hunter2-garbage"}' SecretInvalid ".dockerconfigjson"
garbage '{"username":"robot\nX-Forged: 1","password":"hunter2-garbage"}' SecretInvalid "username"
garbage '{"token":"hunter2-garbage\r\nX-Forged: 1"}' SecretInvalid "token"
garbage '{}' SecretInvalid "allowed are"
garbage '{"username":"robot","password":"hunter2-garbage"}' Unauthorized "robot"
said "$KUBECTL" describe reg locked
secret '{"username":"robot","password":"hunter2-right"}'
fl_wait 20 "the right Secret after garbage" reason_is reg/locked Succeeded

# --- policies between registries that are not ready, and that are one
k apply -f - >/dev/null <<EOF
apiVersion: fairlead.dev/v1alpha1
kind: Registry
metadata: {name: absent}
spec: {url: "http://127.0.0.1:1", interval: 1h}
EOF
fl_wait 20 "the Registry that is not ready to be told" reason_is rp/waits DependencyNotReady
check_has "a Registry that is not ready" "$(message rp/waits)" "Registry 'absent' is not Ready"
k patch reg absent --type=merge -p "{\"spec\":{\"url\":\"http://127.0.0.1:$port\",\"secretRef\":{\"name\":\"login\"}}}" >/dev/null
goes_on() { [ "$(reason rp/waits)" != DependencyNotReady ]; }
fl_wait 20 "the policy to go on by itself" goes_on
k apply -f - >/dev/null <<EOF
apiVersion: fairlead.dev/v1alpha1
kind: ReplicationPolicy
metadata: {name: circle}
spec:
  source: {registry: locked}
  destination: {registry: absent}
  repositories: {include: ["team/tool"]}
EOF
fl_wait 20 "two names of one place to be told" reason_is rp/circle SamePlace
check_has "two names of one place" "$(message rp/circle)" "set spec.destination.namespace, or another destination"
check_eq "nothing is copied in a circle" "$(k get rx -o name)" ""
said "$KUBECTL" describe rp waits circle
said "$KUBECTL" get registries,replicationpolicies,replicationexecutions,events -A -o yaml
said "$KUBECTL" get fairlead -o wide

# --- the rotated folder after its sweep, which comes every minute
resealed() { [ "$(sealed_key)" = "$new_key" ]; }
fl_wait 60 "the sweep after the rotation" resealed
left() { [ "$(in_db "$rotated" "SELECT count(*) FROM log WHERE sealed <> 0 AND CAST(substr(body, 3, 8) AS TEXT) <> '$new_key'")" = 0 ]; }
fl_wait 10 "the log to be sealed again too" left
fl_end "$T/rotated.pid"
head -n 1 "$T/both.key" >"$rotated/secrets.key"
start_on "$rotated" rotated
check_eq "the new key alone is enough then" "$(sealed_value)" hunter2-sealed
fl_end "$T/rotated.pid"

# --- it is as well as at the beginning
check "the program has not ended" kill -0 "$(cat "$T/fairlead.pid")"
kill "$(cat "$T/fairlead.pid")"
rc=0
wait "$(cat "$T/fairlead.pid")" || rc=$?
rm "$T/fairlead.pid"
check_eq "it ends in order" "$rc" 0
check_eq "every line of the log is one" "$(grep -vc '^time=' "$T/fairlead.log")" 0
check_eq "the database is sound" "$(in_db "$T/data" "PRAGMA integrity_check")" ok
printed() { cat "$T"/*.log | grep -cF -- "$1"; }
on_disk() { cat "$T/data/fairlead.db"* "$rotated/fairlead.db"* | grep -cF -- "$1"; }
check "the search finds what is there" test "$(printed '***@registry.example.com')" -gt 0
for secret in "${SECRETS[@]}" "$(cat "$T/data/admin.token")" "$(cat "$rotated/admin.token")"; do
    for text in "$secret" "$(printf %s "$secret" | base64 -w0 | cut -c1-16)"; do
        check_eq "no secret ($text) in what is printed" "$(printed "$text")" 0
        check_eq "nor in the clear on disk" "$(on_disk "$text")" 0
    done
done
