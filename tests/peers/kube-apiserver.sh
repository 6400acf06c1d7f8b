#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A real kube-apiserver with its etcd, both built by hack/peers, for tests and benches.
#
#   kube-apiserver.sh start DIR    on free loopback ports; returns when /readyz answers
#   kube-apiserver.sh stop DIR     ends both; DIR and its data stay, `start` takes them up again
#
# DIR/kubeconfig (0600, whole when it appears, gone after stop) has a token of system:masters and
# the server's own CA. DIR/{etcd,kube-apiserver}.{pid,log} are for whoever measures or looks.
# No controllers run: nothing is garbage collected, a deleted namespace stays Terminating.
set -euo pipefail

readonly ready_s=120 # a busy machine; 3 s on an idle one
readonly term_s=5    # kube-apiserver takes up to a minute on SIGTERM, which no test waits for
readonly tries=5     # when somebody takes a port between the look and the bind

die() {
    printf 'kube-apiserver.sh: %s\n' "$*" >&2
    exit 1
}

# Succeeds while the process of DIR/NAME.pid runs: alive NAME. A number that the system has since
# given to another program does not count, so nothing foreign is ever signalled.
alive() {
    [[ -s $dir/$1.pid ]] || return 1
    pid=$(<"$dir/$1.pid")
    grep -zqF -- "=$dir/" "/proc/$pid/cmdline" 2>/dev/null
}

# end NAME
end() {
    local i
    if alive "$1"; then
        kill -TERM "$pid" 2>/dev/null || true
        for ((i = 0; i < term_s * 10; i++)); do
            alive "$1" || break
            sleep 0.1
        done
        if alive "$1"; then
            kill -KILL "$pid" 2>/dev/null || true
            while alive "$1"; do
                sleep 0.05
            done
        fi
    fi
    rm -f -- "$dir/$1.pid"
}

# Sets port to one that nobody listens on: below the range that outgoing connections are given.
free_port() {
    local i
    for ((i = 0; i < 100; i++)); do
        port=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            return 0
        fi
    done
    die "no free port on 127.0.0.1"
}

# launch NAME PROGRAM ARG...: detached, no descriptor of the caller kept open.
launch() {
    local name=$1
    shift
    setsid "$@" </dev/null >"$dir/$name.log" 2>&1 &
    echo $! >"$dir/$name.pid"
    # Until the program is the one named on the command line, alive cannot tell.
    until alive "$name" || ! kill -0 $! 2>/dev/null; do
        sleep 0.01
    done
}

# await NAME CURL_ARG...: 0 when the URL answers 2xx, 1 when the port was taken; otherwise the end.
await() {
    local name=$1 until=$((SECONDS + ready_s))
    shift
    until curl -sf -o /dev/null --noproxy '*' --max-time 5 "$@" 2>/dev/null; do
        if ! alive "$name"; then
            if grep -q 'address already in use' "$dir/$name.log"; then
                return 1
            fi
            tail -n 5 -- "$dir/$name.log" >&2
            die "$name ended at once, see $dir/$name.log"
        fi
        if ((SECONDS >= until)); then
            tail -n 5 -- "$dir/$name.log" >&2
            die "$name is not ready after $ready_s s, see $dir/$name.log"
        fi
        sleep 0.1
    done
    alive "$name" || return 1
}

start_etcd() {
    local i peer
    for ((i = 0; i < tries; i++)); do
        free_port
        peer=http://127.0.0.1:$port
        free_port
        etcd_url=http://127.0.0.1:$port
        launch etcd "$etcd" --data-dir="$dir/etcd" \
            --listen-client-urls="$etcd_url" --advertise-client-urls="$etcd_url" \
            --listen-peer-urls="$peer" --initial-advertise-peer-urls="$peer" \
            --initial-cluster="default=$peer"
        if await etcd "$etcd_url/health"; then
            return 0
        fi
        end etcd
    done
    die "etcd found no free port in $tries tries"
}

# Keys, token and certificates are made once for a DIR.
make_secrets() {
    if [[ ! -s $dir/sa.key ]]; then
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$dir/sa.key" 2>/dev/null
    fi
    openssl pkey -in "$dir/sa.key" -pubout -out "$dir/sa.pub"
    if [[ ! -s $dir/tokens.csv ]]; then
        printf '%s,admin,1,"system:masters"\n' "$(openssl rand -hex 16)" >"$dir/tokens.csv"
    fi
    token=$(cut -d , -f 1 "$dir/tokens.csv")
    printf 'Authorization: Bearer %s\n' "$token" >"$dir/token.header"
}

start_apiserver() {
    local i
    for ((i = 0; i < tries; i++)); do
        free_port
        url=https://127.0.0.1:$port
        # The reconciler of endpoints wants a routable address, which a test machine may not have.
        launch kube-apiserver "$apiserver" --etcd-servers="$etcd_url" --cert-dir="$dir/certs" \
            --secure-port="$port" --bind-address=127.0.0.1 --advertise-address=127.0.0.1 \
            --endpoint-reconciler-type=none --service-account-issuer=https://kubernetes.default.svc \
            --service-account-key-file="$dir/sa.pub" \
            --service-account-signing-key-file="$dir/sa.key" \
            --token-auth-file="$dir/tokens.csv" --authorization-mode=RBAC \
            --service-cluster-ip-range=10.0.0.0/24 --disable-admission-plugins=ServiceAccount
        if await kube-apiserver --cacert "$dir/certs/apiserver.crt" -H "@$dir/token.header" \
            "$url/readyz"; then
            return 0
        fi
        end kube-apiserver
    done
    die "kube-apiserver found no free port in $tries tries"
}

write_kubeconfig() {
    # apiserver.crt is the serving certificate followed by the CA that signed it.
    awk '/BEGIN CERTIFICATE/ { ca = "" } { ca = ca $0 "\n" } END { printf "%s", ca }' \
        "$dir/certs/apiserver.crt" >"$dir/ca.crt"
    cat >"$dir/kubeconfig.new" <<EOF
apiVersion: v1
kind: Config
current-context: peer
clusters:
- name: peer
  cluster:
    server: $url
    certificate-authority-data: $(base64 <"$dir/ca.crt" | tr -d '\n')
users:
- name: admin
  user:
    token: $token
contexts:
- name: peer
  context:
    cluster: peer
    user: admin
EOF
    mv -f -- "$dir/kubeconfig.new" "$dir/kubeconfig"
}

start() {
    local tool peers
    for tool in curl openssl setsid; do
        command -v "$tool" >/dev/null || die "needs $tool"
    done
    peers=$(dirname -- "${BASH_SOURCE[0]}")/../../hack/peers
    etcd=$("$peers" path etcd) || exit 1
    apiserver=$("$peers" path kube-apiserver) || exit 1
    umask 077
    mkdir -p -- "$dir"
    dir=$(cd -- "$dir" && pwd -P)
    if alive etcd || alive kube-apiserver; then
        die "already runs from $dir"
    fi
    trap 'end kube-apiserver; end etcd' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    start_etcd
    make_secrets
    start_apiserver
    write_kubeconfig
    trap - EXIT
}

stop() {
    [[ -d $dir ]] || return 0
    dir=$(cd -- "$dir" && pwd -P)
    rm -f -- "$dir/kubeconfig"
    end kube-apiserver
    end etcd
}

if (($# != 2)) || [[ $1 != start && $1 != stop || -z $2 ]]; then
    echo "usage: tests/peers/kube-apiserver.sh start DIR | stop DIR" >&2
    exit 2
fi
dir=$2
"$1"
