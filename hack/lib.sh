# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034 # its variables are used by those who source it
# Shared by the scripts in hack/: where things are, how what is missing gets installed, free ports, waiting.

FL_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export FL_ROOT

FL_PACKAGES_BUILD="gcc libc6-dev cmake ninja-build pkg-config libcurl4-openssl-dev libjson-c-dev libyaml-dev
    libcyaml-dev libssl-dev libsqlite3-dev libmicrohttpd-dev ccache"
FL_PACKAGES_RUN="sqlite3 docker-registry skopeo apache2-utils curl ca-certificates openssl jq procps git nginx-light fcgiwrap
    perl"
FL_PACKAGES_TEST="openssh-server libcmocka-dev clang clang-format clang-tidy libclang-rt-14-dev cppcheck valgrind shellcheck umoci
    golang-github-bmatcuk-doublestar-dev python3 git-lfs"

fl_say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
fl_die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# fl_install PACKAGE...: installs those that are not there. Needs root only when something is missing.
fl_install() {
    local missing=() p
    for p in "$@"; do
        dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing+=("$p")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    [ "$(id -u)" -eq 0 ] || fl_die "these packages are missing; install them as root: ${missing[*]}"
    fl_say "installing ${#missing[@]} packages: ${missing[*]}"
    mkdir -p "$FL_ROOT/build"
    local log=$FL_ROOT/build/apt.log policy=/usr/sbin/policy-rc.d
    # A service of a package has no business here: the scripts start what they need themselves. 101: "not allowed" (invoke-rc.d).
    if [ -e $policy ]; then
        policy=
    else
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
    fi
    local rc=0
    if ! { apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rc=1
    fi
    [ -z "$policy" ] || rm -f "$policy"
    [ $rc -eq 0 ] || fl_die "apt-get could not install them (whole log: $log)"
}

# The kubectl to use: one that is there, else Debian's. Prints its path.
fl_kubectl() {
    if command -v kubectl >/dev/null; then
        command -v kubectl
        return
    fi
    fl_install kubernetes-client >&2
    command -v kubectl || fl_die "there is no kubectl and kubernetes-client brought none"
}

# A TCP port on 127.0.0.1 that nobody listens on, for servers that cannot be asked which one the system gave them. Below
# those the system gives out. All scripts of a user count on from one number, so that two do not pick the same before either
# listens.
fl_free_port() {
    local book=${TMPDIR:-/tmp}/fairlead-ports.$UID n
    (
        flock 9
        n=$(cat "$book")
        [[ "$n" =~ ^[0-9]+$ ]] || n=$((RANDOM % 12000))
        for _ in $(seq 200); do
            n=$(((10#$n + 1) % 12000))
            if ! (exec 3<>"/dev/tcp/127.0.0.1/$((20000 + n))") 2>/dev/null; then
                echo "$n" >"$book"
                echo $((20000 + n))
                exit
            fi
        done
        fl_die "found no free port"
    ) 9>>"$book"
}

# How many times longer than on a machine that does nothing else things may take: many build on this one, under a sanitizer.
FL_PATIENCE=${FL_PATIENCE:-6}

# fl_wait SECONDS WHAT COMMAND...: until the command succeeds.
fl_wait() {
    local limit=$(($1 * FL_PATIENCE)) what=$2 end
    shift 2
    end=$((SECONDS + limit))
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || fl_die "gave up after $limit s waiting for $what"
        sleep 0.1
    done
}

# fl_wait_start PIDFILE WHAT COMMAND...: until the command succeeds, or the process that was to make it so has ended.
fl_wait_start() {
    local pid what=$2
    pid=$(cat "$1")
    shift 2
    answers_or_ended() { "$@" || ! kill -0 "$pid"; }
    fl_wait 30 "$what" answers_or_ended "$@"
    # Also when somebody else has answered.
    kill -0 "$pid" 2>/dev/null || fl_die "process $pid has ended, which was to be $what"
}

# fl_registry DIR NAME PORT [htpasswd]: starts Debian's docker-registry with its storage in DIR/NAME.
fl_registry() {
    local dir=$1 name=$2 port=$3 auth=${4:-}
    mkdir -p "$dir/$name"
    {
        echo "version: 0.1"
        echo "log: {level: warn}"
        echo "storage: {filesystem: {rootdirectory: $dir/$name}, delete: {enabled: true}}"
        echo "http: {addr: 127.0.0.1:$port, secret: not-a-secret-of-anybody}"
        if [ -n "$auth" ]; then
            echo "auth: {htpasswd: {realm: $name, path: $auth}}"
        fi
    } >"$dir/$name.yml"
    setsid docker-registry serve "$dir/$name.yml" >"$dir/$name.log" 2>&1 &
    echo $! >"$dir/$name.pid"
    fl_wait_start "$dir/$name.pid" "registry $name" fl_answers "http://127.0.0.1:$port/v2/"
}

# True when there is an HTTP answer, whatever it says.
fl_answers() {
    local code
    code=$(curl -sk -o /dev/null -m 10 -w '%{http_code}' "$1") && [ "$code" != 000 ]
}

# fl_end PIDFILE: SIGTERM, then SIGKILL; comes back when the process is gone.
fl_end() {
    local file=$1 pid
    [ -f "$file" ] || return 0
    pid=$(cat "$file")
    rm -f "$file"
    kill "$pid" 2>/dev/null || return 0
    kill -CONT "$pid" 2>/dev/null || return 0
    for _ in $(seq 300); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    echo "process $pid did not end within 30 s of SIGTERM: killed" >&2
    kill -9 "$pid" 2>/dev/null || return 0
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.1
    done
}

# fl_hmac FILE: HMAC-SHA256 of standard input in hex. The key stands in FILE, and in no argv.
fl_hmac() {
    # shellcheck disable=SC2016 # perl's own variables
    perl -MDigest::SHA=hmac_sha256_hex -e '
        open(my $f, "<", shift) or die; local $/; my $key = <$f>; print hmac_sha256_hex(scalar <STDIN>, $key)' "$1"
}

# fl_blob DIR FILE: adds a file to an OCI layout; prints "sha256:<hex> <size>".
fl_blob() {
    local hex
    hex=$(sha256sum "$2" | cut -d' ' -f1)
    mkdir -p "$1/blobs/sha256"
    cp "$2" "$1/blobs/sha256/$hex"
    echo "sha256:$hex $(stat -c %s "$2")"
}

# fl_image DIR ARCH TEXT: adds an image of one layer with a file that says TEXT; prints its "digest size".
fl_image() {
    local dir=$1 arch=$2 text=$3 tmp layer config
    tmp=$(mktemp -d)
    mkdir -p "$tmp/root"
    echo "$text" >"$tmp/root/hello"
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$tmp/root" -cf "$tmp/layer.tar" hello
    local diff
    diff=sha256:$(sha256sum "$tmp/layer.tar" | cut -d' ' -f1)
    gzip -n "$tmp/layer.tar"
    read -r -a layer <<<"$(fl_blob "$dir" "$tmp/layer.tar.gz")"
    printf '{"architecture":"%s","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["%s"]}}' "$arch" "$diff" \
        >"$tmp/config.json"
    read -r -a config <<<"$(fl_blob "$dir" "$tmp/config.json")"
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"%s","size":%s}]}' \
        "${config[0]}" "${config[1]}" "${layer[0]}" "${layer[1]}" >"$tmp/manifest.json"
    fl_blob "$dir" "$tmp/manifest.json"
    rm -rf "$tmp"
}

# fl_layout DIR NAME MEDIATYPE DIGEST SIZE: makes DIR an OCI layout whose one name is NAME.
fl_layout() {
    echo '{"imageLayoutVersion":"1.0.0"}' >"$1/oci-layout"
    printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s","digest":"%s","size":%s,"annotations":{"org.opencontainers.image.ref.name":"%s"}}]}' \
        "$3" "$4" "$5" "$2" >"$1/index.json"
}

# fl_plain_layout DIR TEXT, fl_index_layout DIR TEXT: an image, or an index of two, named "it".
fl_plain_layout() {
    local m
    mkdir -p "$1"
    read -r -a m <<<"$(fl_image "$1" amd64 "$2")"
    fl_layout "$1" it application/vnd.oci.image.manifest.v1+json "${m[0]}" "${m[1]}"
}
fl_index_layout() {
    local a b i tmp
    mkdir -p "$1"
    read -r -a a <<<"$(fl_image "$1" amd64 "$2 on amd64")"
    read -r -a b <<<"$(fl_image "$1" arm64 "$2 on arm64")"
    tmp=$(mktemp)
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":%s,"platform":{"architecture":"amd64","os":"linux"}},{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":%s,"platform":{"architecture":"arm64","os":"linux"}}]}' \
        "${a[0]}" "${a[1]}" "${b[0]}" "${b[1]}" >"$tmp"
    read -r -a i <<<"$(fl_blob "$1" "$tmp")"
    rm -f "$tmp"
    fl_layout "$1" it application/vnd.oci.image.index.v1+json "${i[0]}" "${i[1]}"
}

# fl_build PRESET [TARGET...]: configures once, builds.
fl_build() {
    local preset=$1
    shift
    (cd "$FL_ROOT" && cmake --preset "$preset" >/dev/null && cmake --build --preset "$preset" ${1:+--target "$@"})
}
