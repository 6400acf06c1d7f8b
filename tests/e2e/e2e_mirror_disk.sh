#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Git mirrors on a disk that is in the way: full in the middle of a fetch, of moves, of a push and of upkeep; read-only; a folder of
# another user; something else in a mirror's place. Each time: the old refs stay readable, the words say what is the case, nothing
# that is not ours is touched, no leftovers fill the disk, and the mirror goes on by itself when the cause is gone.
#
# Mounts are made in a namespace of the script's own, and go with it.
if [ -z "${OWN_MOUNTS:-}" ] && unshare -m true 2>/dev/null; then
    OWN_MOUNTS=1 exec unshare -m "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/git.sh"


disk=$T/disk
mirrors=$disk/mirrors
mkdir "$disk"
# The mount has to be out of the way before $T is removed.
trap 'rc=$?; set +e; umount -l "$disk" 2>/dev/null; (exit $rc); e2e_end' EXIT

column() { df --output="$1" -k "$disk" | tail -n 1 | tr -d ' '; } # KiB
# fill KIB: leaves that much free
fill() {
    rm -f "$disk/filler"
    head -c "$(($(column avail) - $1))K" /dev/zero >"$disk/filler" 2>/dev/null || true # a tmpfs gives whole pages
}
room() { rm -f "$disk/filler"; }
leftovers() {
    find "$mirrors" \( -name '*.lock' -o -name 'tmp_*' -o -name '.tmp-*' -o -name 'fairlead-*' -o -name 'git-*' \) \
        -not -name fairlead.lock | sed "s|^$mirrors/||"
}
keep_refs() { git_refs "$(gm_path "$1")" >"$T/refs-$1"; }
# as_before NAME: the refs are those of keep_refs, and all that they reach is there; nothing is left of what failed.
as_before() {
    check_eq "$1 has its old refs" "$(git_refs "$(gm_path "$1")")" "$(cat "$T/refs-$1")"
    check "$1 is whole" git --git-dir "$(gm_path "$1")" fsck --full --no-dangling --no-progress
    none_left
}
# What failed is tried again, and while it is there are leftovers: they go each time.
clean() { [ -z "$(leftovers)" ]; }
none_left() {
    fl_wait 30 "the leftovers to go" clean
    CHECKS=$((CHECKS + 1))
}
# used_at_most KIB
used_at_most() { [ "$(column used)" -le "$1" ]; }
said() { gm_cond "$1" Ready message; }
# many REPO PREFIX N: so many branches
many() {
    local tip
    tip=$(git_tip "$1" main)
    seq "$3" | sed "s|.*|create refs/heads/$2/& $tip|" | git --git-dir "$T/git/$1.git" update-ref --stdin
}
# Reaped children leave their page faults here (proc(5), cminflt): any process at all shows.
reaped() { awk '{print $11}' "/proc/$(cat "$T/fairlead.pid")/stat"; }

git_http_start
mounted=
if [ -n "${OWN_MOUNTS:-}" ] && mount -t tmpfs -o size=16m tmpfs "$disk" 2>/dev/null; then
    mounted=1
else
    echo "LEFT OUT: a full disk and a read-only one: mounts are not permitted here"
fi
for repo in app target big other; do
    git_new $repo
done
git --git-dir "$T/git/target.git" config http.receivepack true
for branch in main dev old; do
    git_commit app $branch "of $branch"
    git_commit other $branch "of $branch"
done
start_fairlead --mirrors-dir "$mirrors"
gm app "$http/plain/app.git" 'interval: 1s'
gm_ready app
gm_same app app

if [ -n "$mounted" ]; then
    # --- full in the middle of a fetch: more comes than the disk has
    keep_refs app
    before=$(column used)
    git_large app 20000000
    git_commit app dev "comes with it"
    gm_wait app FetchFailed DiskFull
    check_has "words: what" "$(said app)" "the disk is full"
    check_has "words: which disk, how full" "$(said app)" "the disk at $disk (16 MiB) has 15 MiB free, which is too little"
    check_has "words: what to do" "$(said app)" "make room there, or put --mirrors-dir on a larger disk; this goes on by itself"
    check_eq "it is tried again" "$(gm_cond app Reconciling status)" True
    as_before app
    fl_wait 30 "the disk to be left as it was" used_at_most $((before + 64))
    git clone -q "$(gm_path app)" "$T/clone"
    check_eq "it can be cloned" "$(git -C "$T/clone" rev-parse HEAD)" "$(git --git-dir "$(gm_path app)" rev-parse HEAD)"
    mount -o remount,size=64m "$disk"
    gm_wait app Ready Succeeded
    gm_wait app FetchFailed ""
    gm_same app app

    # --- full in the middle of moves: the objects are here already
    keep_refs app
    fill 100
    many app much 200
    gm_wait app FetchFailed DiskFull
    check_has "moves: words" "$(said app)" "the disk at $disk (64 MiB) has"
    as_before app
    room
    gm_wait app Ready Succeeded
    gm_same app app

    # --- no room at all, and something is removed at the source: packed-refs has to be written anew
    gm other "$http/plain/other.git" 'interval: 1s' 'guard: {maxDeletes: 10000, maxDeletePercent: 100}'
    many other packed 300
    gm_ready other
    fl_wait 60 "all branches" gm_is_same other other
    keep_refs other
    fill 0
    git_delete other packed/7
    gm_wait other FetchFailed DiskFull
    as_before other
    room
    gm_wait other Ready Succeeded
    gm_same other other

    # --- no room for what a push starts from
    fill 0
    gm app "$http/plain/app.git" 'interval: 1s' "push: [{name: there, url: \"$http/plain/target.git\"}]"
    gm_wait app PushFailed DiskFull
    check_has "push: words" "$(gm_cond app PushFailed message)" "the disk at $disk"
    keep_refs app
    as_before app
    room
    gm_wait app Ready Succeeded
    check_eq "then it is pushed" "$(git_tip target main)" "$(git_tip app main)"

    # --- upkeep on a full disk: nothing is half packed, and the mirror stays Ready
    dir=$(gm_path other)
    for _ in $(seq 20); do # packs of 200 kB each: they do not fit in once more
        head -c 200000 /dev/urandom | git --git-dir "$T/git/other.git" hash-object -w --stdin |
            git --git-dir "$T/git/other.git" pack-objects -q --stdout | git --git-dir "$dir" index-pack --stdin >/dev/null
    done
    fill 300
    git_commit other dev "makes upkeep due"
    upkeep_failed() { k get events -o jsonpath='{.items[*].reason} ' | grep -q UpkeepFailed; }
    fl_wait 60 "the Event of upkeep" upkeep_failed
    check_has "upkeep: words" "$(k get events -o jsonpath='{.items[?(@.reason=="UpkeepFailed")].message}')" "the disk at $disk"
    gm_wait other Ready Succeeded
    gm_same other other
    none_left
    room
    git_commit other dev "and again"
    fl_wait 60 "the commit" gm_is_same other other
    packed() { [ "$(find "$dir/objects/pack" -name '*.pack' | wc -l)" -lt 8 ]; }
    fl_wait 60 "the packs to be packed together" packed
    gm_same other other

    # --- a first fetch that does not fit: an empty mirror, no half a clone; a mirror can go from a full disk
    git_large big 70000000
    before=$(column used)
    gm big "$http/plain/big.git" 'interval: 1s' 'deletionPolicy: Delete'
    gm_wait big FetchFailed DiskFull
    none_left
    fl_wait 30 "the disk to be left as it was" used_at_most $((before + 128))
    fill 0
    dir=$(gm_path big)
    k delete gm big --timeout=60s >/dev/null
    check "it is removed" test ! -e "$dir"
    # Not even an empty one can be made.
    fill 0
    gm big "$http/plain/big.git" 'interval: 1s'
    gm_wait big FetchFailed DiskFull
    check "nothing is half made" test ! -e "$dir"
    check_eq "nor beside it" "$(find "$mirrors/default" -mindepth 1 -maxdepth 1 -name '.*')" ""
    k delete gm big --timeout=60s >/dev/null
    room

    # --- read-only: no process is started for a fetch
    gm_ask app
    keep_refs app
    mount -o remount,ro "$disk"
    git_commit app dev "while it is read-only"
    faults=$(reaped)
    gm_wait app FetchFailed DiskReadOnly
    check_has "read-only: words" "$(said app)" "the disk at $disk was mounted so, or turned so after an error (dmesg tells)"
    as_before app
    gm fresh "$http/plain/app.git" 'interval: 1s'
    gm_wait fresh FetchFailed DiskReadOnly
    check_eq "no process was started" "$(reaped)" "$faults"
    stop_fairlead
    start_fairlead --mirrors-dir "$mirrors" # as after a reboot with a broken disk
    gm_wait app FetchFailed DiskReadOnly
    mount -o remount,rw "$disk"
    gm_wait app Ready Succeeded
    gm_same app app
    gm_wait fresh Ready Succeeded
    gm_same fresh app
    k delete gm fresh >/dev/null
    mount -o remount,size=256m "$disk" # what follows is not about room
fi

# --- something else lies in the place: words, nothing is tried, nothing is lost, nothing is removed with the mirror
sums() {
    (cd "$mirrors/default" && find "$1" -print0 | sort -z | xargs -0 ls -ldn --time-style=full-iso &&
        find "$1" -type f -exec sha256sum {} +)
}
git init -q --bare "$T/somebody.git"
git --git-dir "$T/somebody.git" fetch -q "$T/git/other.git" 'refs/*:refs/*'
place=$mirrors/default/place.git
in_place() { # WHAT WORDS
    local was faults
    faults=$(reaped)
    was=$(sums place.git)
    gm place "$http/plain/app.git" 'interval: "0"' 'deletionPolicy: Delete'
    gm_wait place FetchFailed RepositoryForeign
    check_eq "$1: trying again soon is pointless" "$(gm_cond place Stalled status)" True
    check_has "$1: words" "$(said place)" "$2"
    check_has "$1: what to do" "$(said place)" "move it away"
    check_eq "$1: no process was started" "$(reaped)" "$faults"
    check_eq "$1: is as it was" "$(sums place.git)" "$was"
    k delete gm place --wait=false >/dev/null
    stays() { k get events -o jsonpath='{.items[*].message}' | grep -qF "could not be removed"; }
    fl_wait 60 "$1: the mirror to say that it does not remove it" stays
    check_eq "$1: is as it was after the mirror was deleted" "$(sums place.git)" "$was"
    k patch gm place --type=merge -p '{"spec":{"deletionPolicy":"Orphan"}}' >/dev/null # as the words say
    fl_wait 60 "$1: the mirror to go" gone
    check_eq "$1: is as it was after the mirror has gone" "$(sums place.git)" "$was"
    k delete events --all >/dev/null
    rm -rf "$place"
}
gone() { ! k get gm place; }
k delete gm app other >/dev/null
echo "somebody's notes" >"$place"
in_place "a file" "is no folder"
cp -r "$T/somebody.git" "$place"
in_place "somebody's repository" "is no repository of ours"
mkdir "$place"
echo x >"$place/x"
in_place "a folder with something in it" "is no repository of ours"
ln -s "$T/somebody.git" "$place"
in_place "a link to somebody's repository" "is no folder"
if [ "$(id -u)" -eq 0 ]; then
    cp -r "$T/somebody.git" "$place"
    touch "$place/fairlead.lock"
    chown -R 65534:65534 "$place"
    in_place "a repository of another user" "belongs to user 65534, not to 0"
fi
check_eq "somebody's repository was not touched" "$(git --git-dir "$T/somebody.git" for-each-ref | wc -l)" \
    "$(git --git-dir "$T/git/other.git" for-each-ref | wc -l)"
# Out of the way, it goes on when asked.
echo x >"$place"
gm place "$http/plain/app.git" 'interval: "0"'
gm_wait place FetchFailed RepositoryForeign
rm "$place"
gm_ask place
gm_wait place Ready Succeeded
gm_same place app
stop_fairlead

# --- as a user who may not write there
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null && [ -n "$mounted" ]; then
    chmod 755 "$T"
    mkdir -p "$T/data"
    chown -R 65534:65534 "$T/data"
    install -d -o 65534 -g 65534 "$T/kube"
    unprivileged() { # OPTION...
        rm -f "$T/kube/config"
        setsid setpriv --reuid 65534 --regid 65534 --clear-groups "$FAIRLEAD" standalone --data-dir "$T/data" \
            --listen 127.0.0.1:0 --write-kubeconfig "$T/kube/config" "$@" >>"$T/fairlead.log" 2>&1 &
        echo $! >"$T/fairlead.pid"
        fl_wait_start "$T/fairlead.pid" "the Kubernetes API" test -f "$T/kube/config"
        export KUBECONFIG=$T/kube/config
    }
    unprivileged --mirrors-dir "$mirrors"
    keep_refs place
    git_commit app dev "for somebody else's mirror"
    gm_ask place
    gm_wait place FetchFailed RepositoryForeign
    check_has "root's repository: words" "$(said place)" "belongs to user 0, not to 65534"
    as_before place
    gm another "$http/plain/app.git" 'interval: "0"'
    gm_wait another FetchFailed RepositoryForeign
    check_has "root's folder: words" "$(said another)" "Permission denied"
    check_has "root's folder: what to do" "$(said another)" "user 65534"
    chown -R 65534:65534 "$mirrors"
    printf '[safe]\n\tdirectory = *\n' >"$T/gitconfig" # of this script's git, which is root's
    export GIT_CONFIG_GLOBAL=$T/gitconfig
    gm_ask another
    gm_wait another Ready Succeeded
    gm_ask place
    gm_same place app
    stop_fairlead
else
    echo "LEFT OUT: a user who may not write: this is not root"
fi
