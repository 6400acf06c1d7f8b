#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of fairlead, with all that it has started, at random moments of fetches, moves of refs, pushes and upkeep. After each:
# the next pass repairs, mirror and push target have the refs of the source, `git fsck` finds nothing, no lock and no leftover of
# a fetch is there. FAIRLEAD_KILLS=200 for the long run.
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
# The whole session: git and its helpers die with fairlead, as when the machine goes away.
kill_all() {
    local pid p
    pid=$(cat "$T/fairlead.pid")
    rm -f "$T/fairlead.pid"
    kill -9 "$pid"
    wait "$pid" 2>/dev/null || true
    if [ $((RANDOM % 2)) -eq 0 ]; then
        grep -laF "$T/data/mirrors" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 | while read -r p; do
            kill -9 "$p" 2>/dev/null || true
        done || true # none is there
    fi
}
mirror=$T/data/mirrors/default/app.git
refs_of() { git ls-remote "$T/git/$1.git" 'refs/*'; }
ready_and_same() { gm_is_same app app && gm_says app Ready Succeeded && [ "$(refs_of target)" = "$(refs_of app)" ]; }
leftovers() {
    find "$mirror" "$T/data/mirrors/.run" \( -name '*.lock' -o -name 'tmp_*' -o -name '.tmp-*' -o -name 'incoming*' -o -name 'git-*' \) \
        -not -name fairlead.lock | sed "s|^$T/||"
}

git_commit app main first
start_fairlead
gm app "$http/plain/app.git" 'interval: 1s' 'guard: {onForcePush: KeepOld, maxDeletePercent: 100, maxDeletes: 100000}' \
    "push: [{name: there, url: \"$http/plain/target.git\"}]"
during=0
for n in $(seq "$kills"); do
    change "$n"
    [ $((RANDOM % 3)) -ne 0 ] || k annotate --overwrite gm/app "fairlead.dev/requested-at=$n" >/dev/null
    sleep "$((RANDOM % 2)).$((RANDOM % 90 + 10))"
    grep -qlaF "$mirror" /proc/[0-9]*/environ 2>/dev/null && during=$((during + 1))
    kill_all
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
echo "$during of $kills kills met a process of git"
if [ "$kills" -gt 6 ]; then # from the fourth round on branches are forced
    check "old commits were kept" test -n "$(git --git-dir "$mirror" for-each-ref refs/fairlead/kept/)"
fi
stop_fairlead
check_eq "the database is whole" "$(sqlite3 "$T/data/fairlead.db" 'pragma integrity_check')" ok
