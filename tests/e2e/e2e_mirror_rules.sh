#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Rules of reference git-and-pipelines.md 4.2 and 4.3 that show at the program's own doors alone: deliveries of a GitHub App, sync,
# what is read without a token, a checkout where a mirror would be. Each check names its rule; tests/README.md has the table.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/git.sh"

said() { sed -n "s/.*page and webhooks are served.*port=\([0-9]*\).*/\1/p" "$T/fairlead.log" | tail -n 1; }
# get METHOD PATH [CURL OPTION...]: the body; what curl says goes to $T/code.
get() {
    local method=$1 path=$2
    shift 2
    curl -s -m 60 -X "$method" -D "$T/head" -w '%{stderr}%{http_code}' "$@" "http://127.0.0.1:$port$path" 2>"$T/code"
}
code() {
    get "$@" >/dev/null || true
    cat "$T/code"
}
# deliver ID EVENT FILE [CURL OPTION...]: the code of a delivery of the App, signed over the file's bytes.
deliver() {
    local id=$1 event=$2 file=$3
    shift 3
    code POST /hook/github -H "Content-Type: ${TYPE:-application/json}" -H "X-GitHub-Event: $event" -H "X-GitHub-Delivery: $id" \
        -H "X-Hub-Signature-256: sha256=$(fl_hmac "$T/app.secret" <"$file")" --data-binary "@$file" "$@"
}
logged() { grep -qE "$1" "$T/fairlead.log"; }

printf 'secret-%s' "$(openssl rand -hex 8)" >"$T/app.secret"
git_http_start
git_new app
git_commit app main "first"
git_new large
git_large large 600000 # 15 s at the speed of /slow/
printf '{"ref":"refs/heads/main","repository":{"full_name":"team/app","clone_url":"%s"}}' "$http/plain/app.git" >"$T/push.json"
printf '{"repository":{"clone_url":"https://git.example.com/team/other.git"}}' >"$T/other.json"
printf '{"zen":"x"}' >"$T/ping.json"

# --- without an App's secret
start_fairlead --web-listen 127.0.0.1:0
port=$(said)
check_eq "R16: no secret, no receiver, even for what is signed" "$(deliver 1 push "$T/push.json")" 404
get POST /hook/github -d '{}' >"$T/here"
get POST /hook/nobody -d '{}' >"$T/nowhere"
check "R16: it cannot be told from what never was" cmp "$T/here" "$T/nowhere"
stop_fairlead

# --- with one
start_fairlead --web-listen 127.0.0.1:0 --github-webhook-secret-file "$T/app.secret" --webhook-quiet 500ms --log-level debug
port=$(said)
(umask 077 && printf 'Authorization: Bearer %s\n' "$(cat "$T/data/admin.token")" >"$T/header")
gm app "$http/plain/app.git" 'interval: "0"'
gm_ready app
check_eq "R17: not signed" "$(code POST /hook/github -H 'X-GitHub-Event: push' --data-binary "@$T/push.json")" 401
check_eq "R17: signed, then changed" "$(deliver 2 push "$T/push.json" -d ' ')" 401
check_eq "R18: ping" "$(deliver 3 ping "$T/ping.json")" 204
check_eq "R18: another event" "$(deliver 4 issues "$T/push.json")" 204
check_eq "R18: no repository" "$(deliver 5 push "$T/ping.json")" 204
check_eq "R18: a repository that is not here" "$(deliver 6 push "$T/other.json")" 202
check "R18: which is logged" logged 'level=info .*git.example.com/team/other'
asked=$(git_asked /plain/app.git)
git_commit app main "second"
check_eq "R18: push" "$(deliver 7 push "$T/push.json")" 202
fl_wait 60 "the pushed commit" gm_is_same app app
check "R22: the delivery's id is logged" logged 'delivery=7'
gm_wait app Ready Succeeded
check "it was the delivery" test "$(git_asked /plain/app.git)" -gt "$asked"
asked=$(git_asked /plain/app.git)
check_eq "R22: the same delivery again" "$(deliver 7 push "$T/push.json")" 202
git_commit app main "third"
jq -rj '"payload=" + (tojson | @uri)' <"$T/push.json" >"$T/push.form"
check_eq "R19: a form, signed as it is" \
    "$(TYPE=application/x-www-form-urlencoded deliver 8 push "$T/push.form")" 202
fl_wait 60 "the commit that the form told of" gm_is_same app app
gm_same app app
jq -c --rawfile pad <(head -c 2000000 /dev/zero | tr '\0' x) '. + {pad: $pad}' <"$T/push.json" >"$T/big.json"
check_eq "R21: a push of 2 MB" "$(deliver 9 push "$T/big.json")" 202
head -c 26300000 /dev/zero >"$T/huge"
check_eq "R21: more than 25 MiB" "$(deliver 10 push "$T/huge")" 413
check_eq "R29: more than 1 MiB where no webhook is" "$(code POST /sync/gitmirrors/default/app -H "@$T/header" --data-binary "@$T/big.json")" 413

# --- a fetch that takes its time: who asked need not wait for it
gm slow "$http/slow/large.git" 'interval: "0"' 'timeout: 5m'
sed "s,/plain/app.git,/slow/large.git," "$T/push.json" >"$T/slow.json"
fetching() { [ "$(gm_cond slow Ready reason)" = Fetching ]; }
fl_wait 60 "the slow fetch" fetching
for i in 1 2 3; do
    check_eq "R24: a delivery while git works" "$(deliver "slow-$i" push "$T/slow.json" -m 8)" 202
done
check_eq "R24: which it still does" "$(gm_cond slow Ready reason)" Fetching
check_eq "R14: who asked has gone" "$(code POST '/sync/gitmirrors/default/slow?wait=true' -H "@$T/header" -m 1)" 000
gm_ready slow
gm_same slow large
check_eq "R25: sync, done" "$(code POST '/sync/gitmirrors/default/slow?wait=true' -H "@$T/header")" 200
check_eq "R25: sync, not waited for" "$(code POST '/sync/gitmirrors/default/slow?wait=false' -H "@$T/header")" 202
gm away "$http/plain/nothing.git" 'interval: "0"'
gm_wait away PollFailed RepositoryNotFound
check_eq "R25: sync, failed" "$(code POST '/sync/gitmirrors/default/away?wait=true' -H "@$T/header")" 502

# --- a checkout of somebody's where a mirror would be
mkdir -p "$T/data/mirrors/default"
git clone -q "$T/git/app.git" "$T/data/mirrors/default/checkout.git"
echo "not committed" >"$T/data/mirrors/default/checkout.git/text"
state() { (cd "$T/data/mirrors/default/checkout.git" && git symbolic-ref HEAD && git for-each-ref && git status --porcelain && find . | sort); }
state >"$T/before"
gm checkout "$http/plain/app.git" 'interval: "0"'
gm_wait checkout FetchFailed RepositoryForeign
git_commit app main "fourth"
gm_ask checkout
check_eq "R10: a checkout is as it was" "$(state)" "$(cat "$T/before")"
k delete gm checkout away slow --timeout=60s >/dev/null
check_eq "R10: deletion leaves it" "$(state)" "$(cat "$T/before")"
stop_fairlead

# --- who may read without a token
wrong() { # WORDS OPTION...
    local words=$1 text rc=0
    shift
    text=$(timeout 60 "$FAIRLEAD" standalone --data-dir "$T/data" --listen 127.0.0.1:0 --write-kubeconfig "$T/never" "$@" 2>&1) || rc=$?
    check_eq "R27: $*: exit code" "$rc" 2
    check_has "R27: $*: words" "$text" "$words"
}
wrong "add --web-read-only, or listen on 127.0.0.1" --web-listen 0.0.0.0:0 --web-anonymous-read
FAIRLEAD_WEB_ANONYMOUS_READ=true wrong "FAIRLEAD_WEB_ANONYMOUS_READ counts for nothing" --web-listen 127.0.0.1:0
start_fairlead --web-listen 0.0.0.0:0 --web-anonymous-read --web-read-only --github-webhook-secret-file "$T/app.secret"
port=$(said)
fl_wait 60 "the fourth commit" gm_is_same app app
asked=$(wc -l <"$T/access")
for i in 1 2 3 4 5; do
    get GET /state >"$T/state"
    check_eq "R28: all may read" "$(cat "$T/code")" 200
done
check_has "R28: what there is" "$(jq -r '.kinds[]|select(.kind=="GitMirror").table.rows[].object.metadata.name' "$T/state")" app
jq '.kinds[].table.rows' "$T/state" >"$T/rows"
check_eq "R28: nobody's name stands in it" "$(grep -ciE 'system:|admin|managedFields|bearer|token' "$T/rows" || true)" 0
check_eq "R28: nobody may write" "$(code POST /sync/gitmirrors/default/app -H "@$T/header")" 405
check_eq "R28: readers cost remotes nothing" "$(wc -l <"$T/access")" "$asked"
git_commit app main "fifth"
check_eq "R23: webhooks stay, without a token" "$(deliver 20 push "$T/push.json")" 202
fl_wait 60 "the fifth commit" gm_is_same app app
for header in 'X-Content-Type-Options: nosniff' 'X-Frame-Options: DENY' 'Referrer-Policy: no-referrer' \
    "Content-Security-Policy: default-src 'none'; script-src 'self'"; do
    get GET / >/dev/null
    check_has "R29: $header" "$(cat "$T/head")" "$header"
done
check "R29: an id of its own" grep -qE '^X-Request-ID: [0-9a-f]{32}.?$' "$T/head"
check_eq "R29: a head that is too large" "$(code GET / -H "X-Long: $(head -c 40000 /dev/zero | tr '\0' x)")" 431
stop_fairlead
