#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of fairlead, mostly with all that it has started, in the middle of fetches, moves of refs, pushes, upkeep and pruning, each met
# on purpose, and at random moments. After each: the next pass repairs, mirror and push target have the refs of the source,
# `git fsck` finds nothing, no lock and no leftover of a fetch is there. FAIRLEAD_KILLS=200 for the long run.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/git.sh"

kills=${FAIRLEAD_KILLS:-15}
RANDOM=${SEED:-$$}
echo "seed ${SEED:-$$}, $kills kills"
git_http_start
for repo in app target; do
    git_new $repo
done
git --git-dir "$T/git/target.git" config http.receivepack true
git --git-dir "$T/git/target.git" config receive.denyDeleteCurrent ignore

# Many refs that move, go and come, directory against file among them, and a pack that takes a moment.
change() { # N
    local n=$1 i j dir=$T/git/app.git tip
    for i in 1 2 3; do
        tip=$(git_object app "round $n, $i" "$(git --git-dir "$dir" rev-parse -q --verify refs/heads/main || true)")
        {
            echo "update refs/heads/main $tip"
            for j in $(seq $((20 + RANDOM % 60))); do
                echo "update refs/heads/r$n/b$i-$j $tip"
            done
            echo "update refs/tags/t$((n % 7)) $tip"
        } | git --git-dir "$dir" update-ref --stdin
    done
    git_force app "force$((n % 3))" "forced in round $n"
    git_large app $((1000 * (RANDOM % 2000)))
    git --git-dir "$dir" for-each-ref --format='delete %(refname)' "refs/heads/r$((n - 2))/" "refs/heads/x/" refs/heads/x |
        git --git-dir "$dir" update-ref --stdin
    if [ $((n % 2)) -eq 0 ]; then
        git_commit app x "a file"
    else
        git_commit app x/y "a folder"
    fi
}
# Packs enough that upkeep is due after the next fetch: one small object each.
scatter() {
    local i
    for i in $(seq 17); do
        echo "$n $i $RANDOM" | git --git-dir "$T/git/app.git" hash-object -w --stdin |
            git --git-dir "$T/git/app.git" pack-objects -q "$mirror/objects/pack/pack" >/dev/null
    done
}

# Prune is due after the next fetch: one large object that no ref reaches, from then on the time since the last look is forgotten.
rot() {
    if [ "$rotten" -eq 0 ]; then
        head -c 40000000 /dev/urandom | git --git-dir "$mirror" hash-object -w --stdin >/dev/null
        git --git-dir "$mirror" repack -q --cruft --cruft-expiration=never -d
        rotten=1
    fi
    echo "1 0" >"$mirror/fairlead.size"
}
rotten=0

# --- what fairlead runs, without a process of our own: what is to be met lasts milliseconds

exec {never}<> <(:) # a pipe that nobody writes to: waiting on it is a sleep
nap() { read -r -t "$1" -u "$never" || true; }
# phase_of COMMAND [OPTION...]: which part of a pass this command of git is
phase_of() {
    case "$1" in
    fetch | clone) phase=fetch ;;
    update-ref) phase=move ;;
    push) phase=push ;;
    repack | rev-list)
        phase=upkeep
        [[ "$1 $*" != *rev-list* && "$*" != *--cruft* ]] || phase=prune
        ;;
    commit-graph | pack-refs) phase=upkeep ;;
    *) phase=other ;;
    esac
}
# children PID: sets kids (they lead groups of their own) and phase, that of the last of them; none: phase is "none"
children() {
    local file more argv kid
    kids=() phase=none
    for file in /proc/"$1"/task/*/children; do
        # shellcheck disable=SC2162 # numbers
        { read -a more || true; } 2>/dev/null <"$file" || continue
        for kid in "${more[@]}"; do
            mapfile -d '' -t argv 2>/dev/null <"/proc/$kid/cmdline" || continue
            [ "${argv[0]:-}" = git ] || continue
            kids+=("$kid")
            phase_of "${argv[@]:1}"
        done
    done
}
# kill_at PHASE: waits until it is under way, 5 s at most, or a random time (any), and a moment more; kills. Sets phase to what
# was met. Every third time what git is doing goes on without fairlead, else all dies, as when the machine goes away.
kill_at() {
    local pid kid i
    pid=$(cat "$T/fairlead.pid")
    if [ "$1" = any ]; then
        nap "$((RANDOM % 2)).$((RANDOM % 90 + 10))"
    else
        for i in $(seq 5000); do
            children "$pid"
            [ "$phase" != "$1" ] || break
            nap 0.001
        done
        nap "0.0$((RANDOM % 3))$((RANDOM % 10))"
    fi
    kill -STOP "$pid"
    children "$pid"
    rm -f "$T/fairlead.pid"
    for kid in "${kids[@]}"; do
        [ $((RANDOM % 3)) -eq 0 ] || kill -9 -- "-$kid" 2>/dev/null || true
    done
    kill -9 "$pid"
    wait "$pid" 2>/dev/null || true
}
mirror=$T/data/mirrors/default/app.git
refs_of() { git ls-remote "$T/git/$1.git" 'refs/*'; }
# A push that was cut off before it was written down makes a target that did not follow yet: what goes there then is asked for.
approved=0
release() {
    local nonce
    nonce=$(field gm/app '{.status.push[0].held.nonce}')
    [ -n "$nonce" ] && [ "$nonce" != "$(field gm/app '{.metadata.annotations.fairlead\.dev/approve}')" ] || return 0
    approved=$((approved + 1))
    k annotate --overwrite gm/app "fairlead.dev/approve=$nonce" >/dev/null
}
ready_and_same() {
    gm_is_same app app && gm_says app Ready Succeeded && [ "$(refs_of target)" = "$(refs_of app)" ] && return 0
    release
    return 1
}
leftovers() {
    find "$mirror" "$T/data/mirrors/.run" \( -name '*.lock' -o -name 'tmp_*' -o -name '.tmp-*' -o -name 'incoming*' -o -name 'git-*' \) \
        -not -name fairlead.lock | sed "s|^$T/||"
}

git_commit app main first
start_fairlead
gm app "$http/plain/app.git" 'interval: 1s' 'guard: {onForcePush: KeepOld, maxDeletePercent: 100, maxDeletes: 100000}' \
    "push: [{name: there, url: \"$http/plain/target.git\"}]"
declare -A met=()
phases=(fetch move push upkeep prune any)
for n in $(seq "$kills"); do
    wanted=${phases[$((n % ${#phases[@]}))]}
    if gm_is_same app app; then # it is there
        [ "$wanted" != upkeep ] || scatter
        [ "$wanted" != prune ] || rot
    fi
    change "$n"
    [ $((RANDOM % 3)) -ne 0 ] || k annotate --overwrite gm/app "fairlead.dev/requested-at=$n" >/dev/null
    kill_at "$wanted"
    met[$phase]=$((${met[$phase]:-0} + 1))
    if [ -d "$mirror" ]; then # readable at any moment
        git ls-remote "$mirror" >/dev/null || { echo "FAILED: kill $n left a mirror that cannot be read" >&2; exit 1; }
    fi
    start_fairlead
    fl_wait 120 "mirror and target to follow after kill $n" ready_and_same
    gm_follow app app # a pass is over, upkeep too: what it left is left
    git --git-dir "$mirror" fsck --full --strict --no-dangling --no-progress >"$T/fsck.log" 2>&1 ||
        { echo "FAILED: git fsck after kill $n" >&2; exit 1; }
    check_eq "leftovers after kill $n" "$(leftovers)" ""
done
for phase in "${phases[@]:0:5}" other none; do
    echo "kills during $phase: ${met[$phase]:-0}"
    case $phase in
    other | none) continue ;;
    esac
    [ "$kills" -lt 15 ] || check "kills met a $phase" test "${met[$phase]:-0}" -gt 0
done
echo "removals at the target that were approved: $approved"
if [ "$kills" -gt 6 ]; then # from the fourth round on branches are forced
    check "old commits were kept" test -n "$(git --git-dir "$mirror" for-each-ref refs/fairlead/kept/)"
fi
stop_fairlead
check_eq "the database is whole" "$(sqlite3 "$T/data/fairlead.db" 'pragma integrity_check')" ok
