#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Webhooks and live events of the built program, before real git servers: each type of sender as it delivers, what is refused and how,
# one App for all mirrors, ten thousand deliveries, streams and their caps, proxies, read-only servers, restarts.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/git.sh"
fl_install python3
load="$FL_ROOT/tests/e2e/hook_load.py"

listening() { sed -n "s/.*msg=\"$1 served\".*port=\([0-9]*\).*/\1/p" "$T/fairlead.log" | tail -n 1; }
metric() { curl -s -m 20 "http://127.0.0.1:$metrics/metrics" | sed -n "s/^$1 //p"; }
up() { # OPTION...: starts, and asks where
    start_fairlead --web-listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 "$@"
    web=$(listening "page and webhooks are")
    metrics=$(listening "metrics are")
    (umask 077 && printf 'Authorization: Bearer %s\n' "$(cat "$T/data/admin.token")" >"$T/header")
}
# post PATH FILE [HEADER...]: the code; what was said is in $T/answer.
post() {
    local path=$1 file=$2 h args=()
    shift 2
    for h; do args+=(-H "$h"); done
    curl -s -m 120 -o "$T/answer" -w '%{http_code}' -H 'Expect:' "${args[@]}" --data-binary "@$file" "http://127.0.0.1:$web$path"
}
sign() { openssl dgst -sha256 -hmac "$1" -r "$2" | cut -d' ' -f1; } # SECRET FILE
path_of() { field "gm/$1" '{.status.webhookPath}'; }
path_is_there() { [ -n "$(path_of "$1")" ]; }
trigger_is() { [ "$(field "gm/$1" '{.status.lastFetch.trigger}')" = "$2" ]; }

git_http_start
secret=hook-$(openssl rand -hex 8)
types="github gitlab gitea gogs bitbucket bitbucket-server generic-hmac"
up
printf 'apiVersion: v1\nkind: Secret\nmetadata: {name: hook}\nstringData: {token: %s}\n' "$secret" | k apply -f - >/dev/null
for type in $types; do
    git_new "$type"
    git_commit "$type" main first
    gm "$type" "$http/plain/$type.git" 'interval: "0"' "webhook: {type: $type, secretRef: {name: hook}}"
done
for type in $types; do
    gm_ready "$type"
done

# --- each sender as it delivers: $T/<type>.json is the body, headers_of prints the headers, one a line; sender_id what makes it new
oid=$(git_tip github main)
repo() { echo "$http/plain/$1.git"; }
cat >"$T/github.json" <<END
{"ref":"refs/heads/main","before":"$oid","after":"$oid","created":false,"deleted":false,"forced":false,"base_ref":null,
 "repository":{"id":35129377,"node_id":"R_kgDO","name":"github","full_name":"plain/github","private":true,
  "owner":{"name":"plain","login":"plain","id":1},"html_url":"$http/plain/github","clone_url":"$(repo github)","default_branch":"main"},
 "pusher":{"name":"robot","email":"robot@example.com"},"sender":{"login":"robot","id":2},
 "commits":[{"id":"$oid","message":"first \u00e9 \"quoted\"","timestamp":"2026-01-01T00:00:00Z","added":["text"],"removed":[],"modified":[]}]}
END
cat >"$T/gitlab.json" <<END
{"object_kind":"push","event_name":"push","before":"$oid","after":"$oid","ref":"refs/heads/main","checkout_sha":"$oid","user_id":4,
 "project_id":15,"project":{"id":15,"name":"gitlab","web_url":"$http/plain/gitlab","git_ssh_url":"git@127.0.0.1:plain/gitlab.git",
  "git_http_url":"$(repo gitlab)","path_with_namespace":"plain/gitlab","default_branch":"main"},
 "commits":[{"id":"$oid","message":"first"}],"total_commits_count":1}
END
for type in gitea gogs; do
    cat >"$T/$type.json" <<END
{"ref":"refs/heads/main","before":"$oid","after":"$oid","compare_url":"","commits":[{"id":"$oid","message":"first","verification":null}],
 "repository":{"id":140,"owner":{"id":1,"login":"plain","username":"plain"},"name":"$type","full_name":"plain/$type","private":false,
  "html_url":"$http/plain/$type","ssh_url":"git@127.0.0.1:plain/$type.git","clone_url":"$(repo $type)","default_branch":"main"},
 "pusher":{"id":1,"login":"robot"},"sender":{"id":1,"login":"robot"}}
END
done
cat >"$T/bitbucket.json" <<END
{"push":{"changes":[{"new":{"type":"branch","name":"main","target":{"hash":"$oid"}},"old":null,"created":true,"closed":false,"forced":false}]},
 "repository":{"type":"repository","uuid":"{673a6070-3421-46c9-9d48-90745f7bfe8e}","full_name":"plain/bitbucket","name":"bitbucket",
  "links":{"html":{"href":"$http/plain/bitbucket"},"self":{"href":"$http/2.0/repositories/plain/bitbucket"}}},
 "actor":{"type":"user","nickname":"robot"}}
END
cat >"$T/bitbucket-server.json" <<END
{"eventKey":"repo:refs_changed","date":"2026-01-01T00:00:00+0000","actor":{"name":"robot","id":1},
 "repository":{"slug":"bitbucket-server","id":84,"name":"bitbucket-server","project":{"key":"PLAIN","id":84,"name":"plain"},
  "links":{"clone":[{"href":"ssh://git@127.0.0.1:7999/plain/bitbucket-server.git","name":"ssh"},{"href":"$(repo bitbucket-server)","name":"http"}]}},
 "changes":[{"ref":{"id":"refs/heads/main","displayId":"main","type":"BRANCH"},"refId":"refs/heads/main","fromHash":"$oid","toHash":"$oid","type":"UPDATE"}]}
END
printf '{"url":"%s"}' "$(repo generic-hmac)" >"$T/generic-hmac.json"
headers_of() { # TYPE SECRET FILE ID: a push
    case "$1" in
    github) printf '%s\n' "X-GitHub-Event: push" "X-GitHub-Delivery: $4" "X-Hub-Signature-256: sha256=$(sign "$2" "$3")" \
        "User-Agent: GitHub-Hookshot/0123456" "X-GitHub-Hook-ID: 1" ;;
    gitlab) printf '%s\n' "X-Gitlab-Event: Push Hook" "X-Gitlab-Token: $2" "X-Gitlab-Event-UUID: $4" "Idempotency-Key: $4" ;;
    gitea) printf '%s\n' "X-Gitea-Event: push" "X-Gitea-Delivery: $4" "X-Gitea-Signature: $(sign "$2" "$3")" \
        "X-Gogs-Event: push" "X-Gogs-Delivery: $4" "X-Gogs-Signature: $(sign "$2" "$3")" "X-GitHub-Event: push" \
        "X-Hub-Signature-256: sha256=$(sign "$2" "$3")" ;;
    gogs) printf '%s\n' "X-Gogs-Event: push" "X-Gogs-Delivery: $4" "X-Gogs-Signature: $(sign "$2" "$3")" "X-GitHub-Event: push" ;;
    bitbucket) printf '%s\n' "X-Event-Key: repo:push" "X-Request-UUID: $4" "X-Hook-UUID: 1" "X-Attempt-Number: 1" \
        "X-Hub-Signature: sha256=$(sign "$2" "$3")" ;;
    bitbucket-server) printf '%s\n' "X-Event-Key: repo:refs_changed" "X-Request-Id: $4" "X-Hub-Signature: sha256=$(sign "$2" "$3")" ;;
    generic-hmac) printf '%s\n' "X-Signature: sha256=$(sign "$2" "$3")" "X-Delivery-Id: $4" ;;
    esac
}
deliver() { # TYPE SECRET FILE ID: the code
    local lines
    mapfile -t lines < <(headers_of "$@")
    post "$(path_of "$1")" "$3" 'Content-Type: application/json' "${lines[@]}"
}
for type in $types; do
    git_commit "$type" main second
    check_eq "$type: a wrong signature" "$(deliver "$type" "$secret-not" "$T/$type.json" "$type-0")" 401
    check_eq "$type: no signature" "$(post "$(path_of "$type")" "$T/$type.json" 'Content-Type: application/json')" 401
    check_eq "$type: a push" "$(deliver "$type" "$secret" "$T/$type.json" "$type-1")" 202
    check_eq "$type: the same once more" "$(deliver "$type" "$secret" "$T/$type.json" "$type-1") $(cat "$T/answer")" "202 seen before"
done
for type in $types; do
    follows() { gm_is_same "$type" "$type"; }
    fl_wait 60 "$type to follow its push" follows
    check_eq "$type: what made it look" "$(field "gm/$type" '{.status.lastFetch.trigger}')" Webhook
done
check_eq "replays were counted" "$(metric 'fairlead_webhook_deliveries_total{result="duplicate"}')" 7

# --- a replay is not acted on: nothing reaches the server
sleep 5 # the time in which a wake would have come
before=$(git_asked gitea.git)
check_eq "a replay" "$(deliver gitea "$secret" "$T/gitea.json" gitea-1)" 202
sleep 5
check_eq "a replay asks nobody" "$(git_asked gitea.git)" "$before"

# --- what moves no ref
printf '{"zen":"Keep it logically awesome.","hook_id":1}' >"$T/ping.json"
check_eq "github ping" "$(post "$(path_of github)" "$T/ping.json" 'Content-Type: application/json' 'X-GitHub-Event: ping' \
    'X-GitHub-Delivery: p' "X-Hub-Signature-256: sha256=$(sign "$secret" "$T/ping.json")")" 204
printf '{"test":true}' >"$T/test.json"
check_eq "bitbucket-server ping" "$(post "$(path_of bitbucket-server)" "$T/test.json" 'Content-Type: application/json' \
    'X-Event-Key: diagnostics:ping' "X-Hub-Signature: sha256=$(sign "$secret" "$T/test.json")")" 204
check_eq "another event" "$(post "$(path_of github)" "$T/ping.json" 'Content-Type: application/json' 'X-GitHub-Event: star' \
    "X-Hub-Signature-256: sha256=$(sign "$secret" "$T/ping.json")")" 204
printf 'not JSON' >"$T/bad.json"
check_eq "no JSON" "$(deliver github "$secret" "$T/bad.json" bad)" 400
check_eq "by GET" "$(curl -s -m 20 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$web$(path_of github)")" 405

# --- forms: GitHub signs the form, Gitea and Gogs what is in it
jq -rj '"payload=" + (tojson | @uri)' "$T/github.json" >"$T/github.form"
check_eq "github, a form" "$(post "$(path_of github)" "$T/github.form" 'Content-Type: application/x-www-form-urlencoded' \
    'X-GitHub-Event: push' 'X-GitHub-Delivery: f1' "X-Hub-Signature-256: sha256=$(sign "$secret" "$T/github.form")")" 202
for type in gitea gogs; do
    jq -cj . "$T/$type.json" >"$T/within"
    jq -rj '"payload=" + (tojson | @uri)' "$T/$type.json" >"$T/$type.form"
    name=$([ $type = gitea ] && echo Gitea || echo Gogs)
    check_eq "$type, a form" "$(post "$(path_of $type)" "$T/$type.form" 'Content-Type: application/x-www-form-urlencoded' \
        "X-$name-Event: push" "X-$name-Delivery: f1" "X-$name-Signature: $(sign "$secret" "$T/within")")" 202
done

# --- GitLab's newer signature: a token that begins with whsec_
key=$(openssl rand -base64 32)
printf 'apiVersion: v1\nkind: Secret\nmetadata: {name: newer}\nstringData: {token: "whsec_%s"}\n' "$key" | k apply -f - >/dev/null
old=$(path_of gitlab)
k patch gm/gitlab --type=merge -p '{"spec":{"webhook":{"secretRef":{"name":"newer"}}}}' >/dev/null
moved() { path_is_there gitlab && [ "$(path_of gitlab)" != "$old" ]; }
fl_wait 60 "another path for another token" moved
check_eq "the old path is gone" "$(post "$old" "$T/gitlab.json" "X-Gitlab-Token: $secret" 'X-Gitlab-Event: Push Hook')" 404
now=$(date +%s)
standard() { { printf 'msg_1.%s.' "$1" && cat "$T/gitlab.json"; } | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(base64 -d <<<"$key" | od -An -v -tx1 | tr -d ' \n')" -binary | base64; }
for row in "$now 202" "$((now - 900)) 401"; do
    check_eq "gitlab's signature of ${row% *}" "$(post "$(path_of gitlab)" "$T/gitlab.json" 'Content-Type: application/json' \
        'X-Gitlab-Event: Push Hook' 'webhook-id: msg_1' \
        "webhook-timestamp: ${row% *}" "webhook-signature: v1,$(standard "${row% *}")")" "${row#* }"
done

# --- size: 25 MiB are taken, one byte more is not; a stranger may not send that much at all
python3 - "$T" <<'END'
import sys
for name, size in (("cap", 25 << 20), ("above", (25 << 20) + 1)):
    with open(f"{sys.argv[1]}/{name}.json", "w") as f:
        head, tail = '{"ref":"refs/heads/main","pad":"', '"}'
        f.write(head + "x" * (size - len(head) - len(tail)) + tail)
END
check_eq "a body of 25 MiB" "$(deliver gitea "$secret" "$T/cap.json" cap)" 202
check_eq "one byte more" "$(deliver gitea "$secret" "$T/above.json" above)" 413
check_eq "a stranger's body" "$(post "/hook/$(printf '%064d' 0)" "$T/cap.json")" 413
check_eq "a stranger's small body" "$(post "/hook/$(printf '%064d' 0)" "$T/github.json")" 404
rm "$T/cap.json" "$T/above.json"

# --- no secret, no path
old=$(path_of gitea)
k delete secret hook >/dev/null
check_eq "R16 no App, no /hook/github, however it is signed" "$(post /hook/github "$T/github.json" 'X-GitHub-Event: push' \
    "X-Hub-Signature-256: sha256=$(sign '' "$T/github.json" 2>/dev/null || true)")" 404
gone() { ! path_is_there gitea; }
fl_wait 60 "the path to go with its Secret" gone
check_eq "a path whose Secret is gone" "$(post "$old" "$T/gitea.json" 'X-Gitea-Event: push' \
    "X-Gitea-Signature: $(sign "$secret" "$T/gitea.json")")" 404
printf 'apiVersion: v1\nkind: Secret\nmetadata: {name: hook}\nstringData: {token: %s}\n' "$secret" | k apply -f - >/dev/null
fl_wait 60 "the path to come back" path_is_there gitea
for type in gitea github gogs; do
    gm_ready $type
done

# --- suspended and restarted mirrors take deliveries at once
k patch gm/gogs --type=merge -p '{"spec":{"suspend":true}}' >/dev/null
k patch gm/github --type=merge -p '{"spec":{"interval":"10h"}}' >/dev/null # its first pass after a start comes within an hour
fl_wait 60 "gogs to be suspended" gm_says gogs Suspended Suspended
gm_ready github
stop_fairlead
printf %s "$secret-app" >"$T/app-secret"
up --github-webhook-secret-file "$T/app-secret" --trusted-proxies 127.0.0.1 --web-read-only --webhook-quiet 100ms
taken() { [ "$(deliver "$1" "$secret" "$T/$1.json" "again-$RANDOM$RANDOM")" = 202 ]; }
fl_wait 5 "the route of a mirror that waits for its first pass" taken github
fl_wait 5 "the route of a suspended mirror" taken gogs
CHECKS=$((CHECKS + 2))
git_commit gogs main third
taken gogs
sleep 2
check_eq "a suspended mirror does not follow" "$(gm_is_same gogs gogs && echo follows || echo stays)" stays
check_eq "R23 R25 read-only: no sync" "$(curl -s -m 20 -o /dev/null -w '%{http_code}' -X POST -H "@$T/header" \
    "http://127.0.0.1:$web/sync/gitmirrors/default/github")" 405
check_eq "read-only alone lets nobody read" "$(curl -s -m 20 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$web/state")" 401

# --- one App for all mirrors
for name in one two; do
    git_new "app-$name"
    git_commit "app-$name" main first
done
gm app-one "$http/plain/app-one.git" 'interval: "0"'
gm app-copy "$http/plain/app-one.git" 'interval: "0"'
gm app-two "$http/plain/app-two.git" 'interval: "0"'
for name in app-one app-copy app-two; do
    gm_ready $name
done
app() { # FILE EVENT ID [SECRET]
    post /hook/github "$1" 'Content-Type: application/json' "X-GitHub-Event: $2" "X-GitHub-Delivery: $3" \
        "X-Hub-Signature-256: sha256=$(sign "${4:-$secret-app}" "$1")"
}
git_commit app-one main second
git_commit app-two main second
sed 's/"plain\/github"/"plain\/app-one"/; s/"name":"github"/"name":"app-one"/; s/plain\/github/plain\/app-one/g' "$T/github.json" >"$T/app-one.json"
check_eq "R17 App, another secret" "$(app "$T/app-one.json" push a0 "$secret")" 401
check_eq "R18 App, ping" "$(app "$T/ping.json" ping a1)" 204
check_eq "R18 App, a push that names no repository" "$(app "$T/ping.json" push a2)" 204
sed 's/plain\/github/plain\/nobody/g' "$T/github.json" >"$T/nobody.json"
check_eq "R18 App, a repository that is not mirrored" "$(app "$T/nobody.json" push a3)" 202
check_eq "R18 App, a push" "$(app "$T/app-one.json" push a4)" 202
check_eq "R22 App, the same once more" "$(app "$T/app-one.json" push a4) $(cat "$T/answer")" "202 seen before"
both() { gm_is_same app-one app-one && gm_is_same app-copy app-one; }
fl_wait 60 "both mirrors of the repository to follow" both
sleep 1
check_eq "no other mirror was woken" "$(gm_is_same app-two app-two && echo follows || echo stays)" stays
jq -rj '"payload=" + (tojson | @uri)' <(sed 's/app-one/app-two/g' "$T/app-one.json") >"$T/app-two.form"
check_eq "R19 App, a form" "$(post /hook/github "$T/app-two.form" 'Content-Type: application/x-www-form-urlencoded' 'X-GitHub-Event: push' \
    'X-GitHub-Delivery: a5' "X-Hub-Signature-256: sha256=$(sign "$secret-app" "$T/app-two.form")")" 202
two() { gm_is_same app-two app-two; }
fl_wait 60 "the other to follow" two

# --- live events of one mirror and of all
curl -sN -m 300 -H "@$T/header" "http://127.0.0.1:$web/events?kind=GitMirror&namespace=default&name=app-one" >"$T/one.events" &
one=$!
curl -sN -m 300 -H "@$T/header" "http://127.0.0.1:$web/events" >"$T/all.events" &
all=$!
fl_wait 30 "the streams" grep -q '^event: connected' "$T/one.events" "$T/all.events"
old=$(git_tip app-one main)
git_commit app-one main third
git_commit app-one topic new
git_commit app-two main third
app "$T/app-one.json" push b1 >/dev/null
jq -c '.repository.clone_url |= sub("app-one"; "app-two") | .repository.html_url |= sub("app-one"; "app-two")' "$T/app-one.json" >"$T/app-two.json"
app "$T/app-two.json" push b2 >/dev/null
told() { # NAME FILE: its first refresh, in $T/told
    sed -n '/^event: refresh/{n;s/^data: //p}' "$2" | jq -c --arg n "$1" 'select(.name == $n)' | head -n 1 >"$T/told"
    [ -s "$T/told" ]
}
fl_wait 60 "the refresh of one" told app-one "$T/one.events"
check_eq "a refresh tells what changed" "$(jq -cS '[.kind, .namespace, .trigger, .total, (.changes | sort_by(.name))]' "$T/told")" \
    "[\"GitMirror\",\"default\",\"Webhook\",2,[{\"name\":\"refs/heads/main\",\"new\":\"$(git_tip app-one main)\",\"old\":\"$old\"},{\"name\":\"refs/heads/topic\",\"new\":\"$(git_tip app-one topic)\",\"old\":null}]]"
fl_wait 60 "the refreshes of all" told app-two "$T/all.events"
check "who listens to all hears of one too" told app-one "$T/all.events"
check "who listens to one hears of no other" bash -c "! grep -q app-two '$T/one.events'"
check_eq "ids grow" "$(sed -n 's/^id: //p' "$T/all.events" | sort -nc 2>&1)" ""
last=$(sed -n 's/^id: //p' "$T/one.events" | tail -n 1)
kill "$one" "$all"
wait "$one" "$all" 2>/dev/null || true
catch_up() { # ID: what comes within two seconds
    timeout 2 curl -sN -H "@$T/header" -H "Last-Event-ID: $1" "http://127.0.0.1:$web/events?kind=GitMirror&namespace=default&name=app-one" || true
}
check_has "who was away is told to look" "$(catch_up 1)" '{"catchUp":true}'
check "ids go on after a reconnect" test "$(catch_up "$last" | sed -n 's/^id: //p' | head -n 1)" -ge "$last"

# --- caps: 32 streams of an address, whom a trusted proxy names; 512 in all. Those of clients that have gone are free soon.
open_streams() { # COUNT [ADDRESS]: what became of them, in $T/counts; held until close_streams
    rm -f "$T/hold"
    mkfifo "$T/hold"
    python3 "$load" streams "$web" "$T/header" "$@" <"$T/hold" >"$T/counts" &
    holder=$!
    exec 7>"$T/hold"
    fl_wait 120 "$1 streams" grep -q '^open' "$T/counts"
}
close_streams() {
    exec 7>&-
    wait "$holder"
    fl_wait 15 "the places of clients that have gone" no_clients
}
no_clients() { [ "$(metric fairlead_live_clients)" = 0 ]; }
counts() { grep -v open "$T/counts" | tr '\n' ' '; }
open_streams 34 203.0.113.9
check_eq "R26 streams of one address, told by a trusted proxy" "$(counts)" "200 32 429 2 "
close_streams
open_streams 514
check_eq "R26 streams in all, of many addresses behind a trusted proxy" "$(counts)" "200 512 429 2 "
close_streams
check_eq "a page that is reloaded 100 times is not locked out" "$(python3 "$load" reload "$web" "$T/header" 100 20)" "200 100"

# --- the end of the server ends streams in order
curl -sN -m 300 -H "@$T/header" "http://127.0.0.1:$web/events" >"$T/last.events" &
stream=$!
fl_wait 30 "the last stream" grep -q '^event: connected' "$T/last.events"
stop_fairlead
check "a stream ends with the server, in order" wait "$stream"

# --- ten thousand within a minute: one fetch for each mirror that changed, at most a look each half minute for one that did not
up --web-anonymous-read --web-read-only
check_eq "R27 R28 anyone may read where that was allowed" "$(curl -s -m 20 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$web/state")" 200
open_streams 34
check_eq "without trusted proxies nobody is believed" "$(counts)" "200 32 429 2 "
close_streams
: >"$T/rows"
for i in 1 2 3 4 5 6 7 8; do
    git_new "many-$i"
    git_commit "many-$i" main first
    gm "many-$i" "$http/plain/many-$i.git" 'interval: "0"' 'webhook: {type: gitea, secretRef: {name: hook}}'
done
for i in 1 2 3 4 5 6 7 8; do
    gm_ready "many-$i"
    echo "$(path_of "many-$i") $secret $http/plain/many-$i.git" >>"$T/rows"
done
sleep 5 # what their creation woke
fetched=$(metric 'fairlead_mirror_fetches_total{result="succeeded"}')
accepted=$(metric 'fairlead_webhook_deliveries_total{result="accepted"}')
began=$(wc -l <"$T/access")
for i in 1 2 3; do
    git_commit "many-$i" main second
done
check_eq "ten thousand deliveries" "$(python3 "$load" burst "$web" 10000 45 "$T/rows" | grep -v seconds | tr '\n' ' ')" "202 10000 "
all_follow() { gm_is_same many-1 many-1 && gm_is_same many-2 many-2 && gm_is_same many-3 many-3; }
fl_wait 60 "the changed ones to follow" all_follow
sleep 4 # the look after the last delivery
check_eq "all were taken" "$(($(metric 'fairlead_webhook_deliveries_total{result="accepted"}') - accepted))" 10000
check_eq "each changed mirror was fetched once" "$(($(metric 'fairlead_mirror_fetches_total{result="succeeded"}') - fetched))" 3
tail -n +$((began + 1)) "$T/access" >"$T/burst.access"
for i in 1 2 3 4 5 6 7 8; do
    n=$(grep -c "many-$i.git" "$T/burst.access" || true)
    echo "many-$i: $n requests at the git server for 1250 deliveries"
    # A look, mostly one request, each half minute and after the last delivery; a fetch is a few more.
    most=$([ "$i" -le 3 ] && echo 8 || echo 4)
    check "many-$i: a handful of requests" test "$n" -ge 1 -a "$n" -le "$most"
done
stop_fairlead
