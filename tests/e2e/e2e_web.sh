#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The listener of --web-listen as people and scripts use it: state, live events, sync, webhooks' doors, and the page in a real
# browser, in light and dark, on a telephone and on a desk. The screenshots are kept in build/screenshots.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/git.sh"
fl_install chromium fonts-dejavu-core

web_port() { sed -n 's/.*page and webhooks are served.*port=\([0-9]*\).*/\1/p' "$T/fairlead.log" | tail -n 1; }
# get METHOD PATH [CURL OPTION...]: body, then the code on a line of its own.
get() {
    local method=$1 path=$2
    shift 2
    curl -s -m 60 -X "$method" -w '\n%{http_code}\n' "$@" "http://127.0.0.1:$port$path"
}
code() { tail -n 1 <<<"$1"; }
body() { sed '$d' <<<"$1"; }
# with token: the header is in a file, in no argv
as_admin() { get "$@" -H "@$T/header"; }

git_http_start
registry=$(fl_free_port)
fl_registry "$T" registry "$registry"
start_fairlead --web-listen 127.0.0.1:0
port=$(web_port)
(umask 077 && printf 'Authorization: Bearer %s\n' "$(cat "$T/data/admin.token")" >"$T/header")
k apply -f - >/dev/null <<E2
apiVersion: fairlead.dev/v1alpha1
kind: Registry
metadata: {name: here}
spec: {url: "http://127.0.0.1:$registry"}
---
apiVersion: fairlead.dev/v1alpha1
kind: Registry
metadata: {name: away}
spec: {url: "http://127.0.0.1:1"}
E2
k wait --for=condition=Ready registry/here --timeout=60s >/dev/null
for repo in app site; do
    git_new $repo
    git_commit $repo main one
    git_commit $repo topic two
    gm $repo "$http/plain/$repo.git"
    gm_ready $repo
done
gm login "$http/html/app.git"
gm_wait login PollFailed NotGit
git_delete site main topic
gm_ask site
check_eq "a mirror whose remote was emptied is held" "$(gm_cond site Ready reason)" DeletionBlocked

# --- who may
check_eq "state without a token" "$(code "$(get GET /state)")" 401
check_eq "state with a wrong token" "$(code "$(get GET /state -H 'Authorization: Bearer nobody')")" 401
check_eq "events without a token" "$(code "$(get GET /events)")" 401
check_eq "R25: sync without a token" "$(code "$(get POST /sync/registries/default/here)")" 401
check_eq "the page needs none" "$(code "$(get GET /)")" 200
check_eq "a webhook's path is not guessed" "$(code "$(get POST "/hook/$(printf '%064d' 0)" -d '{}')")" 404
check_eq "R16: no App, no /hook/github" "$(code "$(get POST /hook/github -d '{}')")" 404

# --- state
state=$(as_admin GET /state)
check_eq "state" "$(code "$state")" 200
check_eq "state shows what kubectl shows" \
    "$(body "$state" | jq -r '.kinds[]|select(.kind=="Registry").table.rows|map(.object.metadata.name)|sort|join(" ")')" "away here"

# --- live events: the stream tells of a change that is made after it began
curl -sN -m 120 -H "@$T/header" "http://127.0.0.1:$port/events?kind=Registry" >"$T/events" &
stream=$!
fl_wait 30 "the stream" grep -q '^event: connected' "$T/events"
k patch registry here --type=merge -p '{"spec":{"url":"http://127.0.0.1:1"}}' >/dev/null
fl_wait 60 "the event of the change" grep -q '"name":"here","ready":"False"' "$T/events"
k patch registry here --type=merge -p "{\"spec\":{\"url\":\"http://127.0.0.1:$registry\"}}" >/dev/null
fl_wait 60 "the event of the recovery" grep -q '"name":"here","ready":"True"' "$T/events"
check_eq "R26: ids grow" "$(sed -n 's/^id: //p' "$T/events" | sort -nc 2>&1)" ""
last=$(sed -n 's/^id: //p' "$T/events" | tail -n 1)
kill "$stream"
wait "$stream" 2>/dev/null || true
timeout 3 curl -sN -H "@$T/header" -H "Last-Event-ID: 1" "http://127.0.0.1:$port/events" >"$T/again" || true
check_has "R26: who was away is told to look" "$(cat "$T/again")" '{"catchUp":true}'
check "R26: ids go on" test "$(sed -n 's/^id: //p' "$T/again" | head -n 1)" -ge "$last"

# --- sync
answer=$(as_admin POST /sync/registries/default/here)
check_eq "R25: sync is taken" "$(code "$answer")" 202
check_has "sync tells its token" "$(body "$answer")" '"requested":'
handled() { [ "$(field registry/here '{.status.lastHandledRequest}')" = "$(body "$answer" | jq -r .requested)" ]; }
fl_wait 30 "the request to be handled" handled
check_eq "R25: sync and wait, good" "$(code "$(as_admin POST '/sync/registries/default/here?wait=true')")" 200
answer=$(as_admin POST '/sync/registries/default/away?wait=true')
check_eq "R25: sync and wait, failing" "$(code "$answer")" 502
check_eq "sync and wait tells why" "$(body "$answer" | jq -r .ready.status)" False
check_eq "sync of what is not there" "$(code "$(as_admin POST /sync/registries/default/nobody)")" 404
check_eq "R25: sync by GET" "$(code "$(as_admin GET /sync/registries/default/here)")" 405
stop_fairlead

# --- options that do not go together
wrong() { # CODE WORDS OPTION...
    local want=$1 words=$2 text rc=0
    shift 2
    text=$("$FAIRLEAD" standalone --data-dir "$T/data" --listen 127.0.0.1:0 --write-kubeconfig "$T/never" "$@" 2>&1) || rc=$?
    check_eq "$*: exit code" "$rc" "$want"
    check_has "$*: words" "$text" "$words"
}
wrong 2 "add --web-read-only, or listen on 127.0.0.1" --web-listen 0.0.0.0:0 --web-anonymous-read
wrong 2 "belong together" --web-listen 127.0.0.1:0 --web-tls-cert "$T/header"
wrong 2 "cannot go with --no-controllers" --web-listen 127.0.0.1:0 --no-controllers
wrong 1 "--github-webhook-secret-file" --web-listen 127.0.0.1:0 --github-webhook-secret-file "$T/nothing"

# --- read-only, open to all: what a screen on a wall shows
start_fairlead --web-listen 127.0.0.1:0 --web-anonymous-read --web-read-only
port=$(web_port)
check_eq "R28: state without a token, where that was allowed" "$(code "$(get GET /state)")" 200
check_eq "R28: nobody may sync" "$(code "$(as_admin POST /sync/registries/default/here)")" 405
k wait --for=condition=Ready registry/here --timeout=60s >/dev/null
browse() { # CHROMIUM OPTION...
    timeout 120 chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --no-first-run \
        --user-data-dir="$T/chromium" --enable-logging=stderr --virtual-time-budget=8000 "$@" "http://127.0.0.1:$port/" 2>>"$T/chromium.log"
}
page() { browse --dump-dom >"$T/page.html" && grep -q 'data-key="registries/default/here"' "$T/page.html"; }
fl_wait 120 "the page in a browser" page
check_has "the page shows what is Ready" "$(cat "$T/page.html")" '<span class="badge True">Ready</span>'
check_has "the page shows what is not, and why" "$(cat "$T/page.html")" 'class="badge False"'
check_has "the page has the command that releases what is held" "$(cat "$T/page.html")" \
    '<code class="command">kubectl annotate gitmirror -n default site fairlead.dev/approve='
check_has "the page is live" "$(cat "$T/page.html")" '<span id="live-text">live</span>'
check_has "kinds of which there is nothing take one line" "$(cat "$T/page.html")" "None yet: "
check "a read-only page has no buttons to sync" bash -c "! grep -q 'aria-label=\"Sync' '$T/page.html'"
shots=$FL_ROOT/build/screenshots
mkdir -p "$shots"
size() { python3 -c 'import struct, sys; print(*struct.unpack(">II", open(sys.argv[1], "rb").read(24)[16:]))' "$1"; }
for scheme in light dark; do
    for width in 375 1440; do
        shot=$shots/page-$scheme-$width.png
        rm -f "$shot"
        browse --window-size="$width,900" --blink-settings=preferredColorScheme="$([ $scheme = dark ] && echo 0 || echo 1)" \
            --screenshot="$shot" >/dev/null
        check_eq "screenshot $scheme, $width px" "$(size "$shot" | cut -d' ' -f1)" "$width"
    done
done
check "light and dark differ" bash -c "! cmp -s '$shots/page-light-1440.png' '$shots/page-dark-1440.png'"
check "the page says nothing in the console" bash -c "! grep CONSOLE '$T/chromium.log'"
stop_fairlead
echo "screenshots: ${shots#"$FL_ROOT"/}/page-{light,dark}-{375,1440}.png"
