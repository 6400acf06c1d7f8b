#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Git mirrors against real servers: git-http-backend behind nginx and fcgiwrap (passwords, TLS with a CA of its own, redirects, a
# proxy that loses Git-Protocol, a login page), and sshd. After each scenario `git ls-remote` of source and mirror agree, or the
# status says why not, in the words that are checked here.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/git.sh"

listening() { sed -n "s/.*msg=\"$1 served\".*port=\([0-9]*\).*/\1/p" "$T/fairlead.log" | tail -n 1; }
metric() { curl -s -m 20 "http://127.0.0.1:$metrics/metrics" | sed -n "s/^$1 //p"; }
# Command lines of the processes that work for a mirror of this fairlead: its folder stands there, or in their environment.
git_processes() {
    local p line
    grep -laF "$T/data/mirrors" /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3 | sort -u >"$T/pids" || true
    while read -r p; do
        line=$(tr '\0' ' ' 2>/dev/null <"/proc/$p/cmdline") || continue
        [ -z "$line" ] || [ "${line%% *}" = grep ] || echo "$line"
    done <"$T/pids"
}
none_left() { [ -z "$(git_processes)" ]; }

password=pass-$(openssl rand -hex 8)
token=hook-$(openssl rand -hex 8)
printf %s "$token" >"$T/token"
htpasswd -Bbn robot "$password" >"$T/htpasswd" 2>/dev/null
git_http_start
git_ssh_start
for repo in app quiet busy; do
    git_new $repo
    git_commit $repo main "first"
    git_commit $repo refs/tags/v1 "a tag"
    for branch in dev topic old; do
        git_commit $repo $branch "of $branch"
    done
done
git_new large
git_large large 4000000 # 100 s at the speed of /slow/: who waits for it has not ended it

start_fairlead --web-listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0
web=$(listening "page and webhooks are")
metrics=$(listening "metrics are")

# --- the first mirror, in the way of the README
secret hook token="$token"
gm app "$http/plain/app.git" 'interval: "0"' 'webhook: {type: gitea, secretRef: {name: hook}}' 'guard: {onForcePush: KeepOld}'
gm_ready app
gm_same app app
check_eq "the protocol" "$(field gm/app '{.status.protocol}')" v2
check_eq "HEAD" "$(field gm/app '{.status.head.ref}') $(field gm/app '{.status.head.oid}')" "refs/heads/main $(git_tip app main)"
check_eq "the number of refs" "$(field gm/app '{.status.refCount}')" 5
check_eq "what was fetched" "$(field gm/app '{.status.lastFetch.created}')" 5
check_has "Ready says what is the case" "$(gm_cond app Ready message)" "5 refs of $http/plain/app.git are mirrored"
git clone -q "$(gm_path app)" "$T/clone"
check_eq "the folder is for reading" "$(cat "$T/clone/text")" first

# --- a push, told by a webhook; the interval is "0": nothing else tells
deliver() { # ID SIGNATURE: HTTP code
    curl -s -m 30 -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' -H "X-Gitea-Event: push" \
        -H "X-Gitea-Delivery: $1" -H "X-Gitea-Signature: $2" --data-binary "@$T/push.json" "http://127.0.0.1:$web$path"
}
path=$(field gm/app '{.status.webhookPath}')
printf '{"ref":"refs/heads/main","repository":{"full_name":"team/app","clone_url":"%s"}}' "$http/plain/app.git" >"$T/push.json"
git_commit app main "second"
check_eq "a delivery that is not signed rightly" "$(deliver 1 "$(printf '%064d' 0)")" 401
signature=$(fl_hmac "$T/token" <"$T/push.json")
check_eq "a delivery" "$(deliver 1 "$signature")" 202
fl_wait 60 "the pushed commit" gm_is_same app app
gm_wait app Ready Succeeded
gm_same app app
check_eq "what made the mirror look" "$(field gm/app '{.status.lastFetch.trigger}')" Webhook
check_eq "where deliveries are taken is told" "$(gm_cond app WebhookConfigured status)" True
secret hook token="$token-new"
moved() { [ "$(field gm/app '{.status.webhookPath}')" != "$path" ]; }
fl_wait 60 "another path after the token was changed" moved
check_eq "the old path is gone" "$(deliver 2 "$signature")" 404

# --- a push, asked for; and by the clock
git_commit app dev "by hand"
gm_follow app app
check_eq "what made the mirror look" "$(field gm/app '{.status.lastFetch.trigger}')" Manual
gm busy "$http/plain/busy.git" 'interval: 1s'
gm_ready busy
git_commit busy main "by the clock"
fl_wait 60 "the commit to be found by the clock" gm_is_same busy busy
k delete gm busy >/dev/null

# --- unchanged: one request a poll, no write, no process
gm quiet "$http/plain/quiet.git" 'interval: 1s'
gm_ready quiet
pid=$(cat "$T/fairlead.pid")
# Reaped children leave their page faults here (proc(5), cminflt): any process at all shows.
reaped() { awk '{print $11}' "/proc/$pid/stat"; }
polls() { metric 'fairlead_mirror_polls_total{result="unchanged"}'; }
enough() { [ "$(polls)" -ge $((before + 4)) ]; }
before=$(polls)
fl_wait 30 "polls to be quiet" enough
version=$(field gm/quiet '{.metadata.resourceVersion}')
faults=$(reaped)
touch "$T/mark"
lines=$(wc -l <"$T/access")
before=$(polls)
fl_wait 30 "four polls" enough
after=$(polls)
tail -n +$((lines + 1)) "$T/access" >"$T/quiet.access"
check_eq "an unchanged poll is one POST" "$(sort -u "$T/quiet.access")" "200 POST /plain/quiet.git/git-upload-pack version=2"
asked=$(wc -l <"$T/quiet.access")
# The counter and the access log are read one after the other: the next poll may be in between.
check "one request a poll: $asked for $((after - before))" test $((asked - after + before)) -ge -1 -a $((asked - after + before)) -le 1
check_eq "unchanged polls start no process" "$(reaped)" "$faults"
check_eq "unchanged polls write nothing to the API" "$(field gm/quiet '{.metadata.resourceVersion}')" "$version"
check_eq "unchanged polls write nothing to the mirror" "$(find "$(gm_path quiet)" -newer "$T/mark" | wc -l)" 0

# --- a password: none, wrong, right; and a CA
gm auth "$https/auth/app.git"
gm_wait auth PollFailed CertificateNotTrusted
check_has "a CA that is not trusted: words" "$(gm_cond auth Ready message)" "ca.crt"
secret login ca.crt="$(cat "$T/ca.crt")"
k patch gm auth --type=merge -p '{"spec":{"secretRef":{"name":"login"}}}' >/dev/null
gm_wait auth PollFailed AuthenticationFailed
check_has "no password: words" "$(gm_cond auth Ready message)" "asks for a login (HTTP 401)"
secret login ca.crt="$(cat "$T/ca.crt")" username=robot password="$password-wrong"
says_user() { [[ "$(gm_cond auth Ready message)" == *"refused the username"* ]]; }
fl_wait 60 "the wrong password to be told" says_user
check_has "a wrong password: words" "$(gm_cond auth Ready message)" "refused the username and password (HTTP 401)"
check_eq "a wrong password is a stall" "$(gm_cond auth Stalled status)" True
secret login ca.crt="$(cat "$T/ca.crt")" username=robot password="$password"
gm_ready auth
gm_same auth app
check_eq "PollFailed is gone" "$(gm_cond auth PollFailed status)" ""
gm tls "$https/open/app.git" 'secretRef: {name: ca}'
gm_wait tls Ready SecretNotFound
secret ca ca.crt="$(cat "$T/ca.crt")"
gm_ready tls
gm_same tls app

# --- no secret in any command line, while a fetch runs; deletion ends it
gm slow "$https/slow/large.git" 'secretRef: {name: login}'
running() { [[ "$(git_processes)" == *remote-http* ]]; }
fl_wait 60 "the slow fetch" running
git_processes >"$T/argv"
check_has "the watch sees git" "$(cat "$T/argv")" "$https/slow/large.git"
lines=$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n') || true
basic=$(printf 'robot:%s' "$password" | base64 -w 0)
check "the password is in no command line" test "${lines#*"$password"}" = "$lines"
check "nor is what stands for it" test "${lines#*"$basic"}" = "$lines"
check_eq "who waits sees why" "$(gm_cond slow Ready reason)" Fetching
k delete gm slow --timeout=60s >/dev/null
fl_wait 30 "the fetch to be ended" none_left

# --- redirects, proxies, login pages
gm moved "$http/moved/app.git"
gm_ready moved
gm_same moved app
gm away "$http/away/app.git"
gm_wait away PollFailed Redirected
check_has "a redirect to another host: words" "$(gm_cond away Ready message)" "redirects to another host, $other/plain/app.git"
asked=$(git_asked "/away/")
gm v0 "$http/v0/app.git"
gm_ready v0
gm_same v0 app
check_eq "a proxy that loses Git-Protocol" "$(field gm/v0 '{.status.protocol}')" v0
gm html "$http/html/app.git"
gm_wait html PollFailed NotGit
check_has "a login page: words" "$(gm_cond html Ready message)" "answered HTML, not git: is this the clone URL? does it need a login?"
gm none "$http/plain/nothing.git"
gm_wait none PollFailed RepositoryNotFound
check_has "no repository: words" "$(gm_cond none Ready message)" "does not exist, or needs a login: then set spec.secretRef"
k apply -f - >/dev/null <<END
apiVersion: fairlead.dev/v1alpha1
kind: GitMirror
metadata: {name: inside}
spec: {url: "$http/plain/app.git"}
END
gm_wait inside PollFailed AddressNotAllowed
check_has "an address inside: words" "$(gm_cond inside Ready message)" "allowedHosts"
k delete gm away html none inside >/dev/null

# --- refused when it is applied
refused "git daemon" git://127.0.0.1/app.git "git"
refused "a helper" "ext::sh -c id" "ext"
refused "a file" "file://$T/git/app.git" "file"
refused "the short form" "git@127.0.0.1:app.git" "ssh://"
refused "a password in the URL" "https://robot:word@127.0.0.1/app.git" "has credentials in it: they belong into a Secret"
refused "an option" "ssh://-oProxyCommand=id/app.git" "-"
refused "ssh without a Secret" "$ssh$T/git/app.git" "secretRef"
refused "a Secret over http" "$http/plain/app.git" "secretRef" 'secretRef: {name: login}'
refused "a target that is the source" "$http/plain/app.git" "must be another repository than spec.url" \
    "push: [{name: back, url: \"$http/plain/app\"}]"
refused "a pattern that is no ref" "$http/plain/app.git" "refs/" 'refs: {include: ["heads/*"]}'

# --- ssh: key and host key; a key with a passphrase
secret ssh identity="$(cat "$T/ssh/identity")
" known_hosts="other.example.com $(cut -d' ' -f1,2 "$T/ssh/host.pub")"
gm ssh "$ssh$T/git/app.git" 'secretRef: {name: ssh}'
gm_wait ssh PollFailed HostKeyUnknown
check_has "an unknown host key: the line to add" "$(gm_cond ssh Ready message)" "$(cat "$T/ssh/known_hosts")"
secret ssh identity="$(cat "$T/ssh/identity")
" known_hosts="$(cut -d' ' -f1 "$T/ssh/known_hosts") $(cut -d' ' -f1,2 "$T/ssh/locked.pub")"
another() { [[ "$(gm_cond ssh Ready message)" == *"another one than known_hosts has"*"$(cat "$T/ssh/known_hosts")"* ]]; }
fl_wait 60 "the changed host key to be told" another
secret ssh identity="$(cat "$T/ssh/identity")
" known_hosts="$(cat "$T/ssh/known_hosts")"
gm_ready ssh
gm_same ssh app
check_eq "the protocol" "$(field gm/ssh '{.status.protocol}')" ssh
secret locked identity="$(cat "$T/ssh/locked")
" known_hosts="$(cat "$T/ssh/known_hosts")"
gm locked "$ssh$T/git/app.git" 'secretRef: {name: locked}'
not_ready() { [ "$(gm_cond locked Ready status)" = False ]; }
fl_wait 60 "the locked key to be told" not_ready
check_has "a key with a passphrase that is missing: words" "$(gm_cond locked Ready message)" "password"
secret locked identity="$(cat "$T/ssh/locked")
" known_hosts="$(cat "$T/ssh/known_hosts")" password="open sesame"
gm_ready locked
gm_same locked app
git_commit app topic "over ssh"
gm_follow ssh app
gm_follow locked app

# --- what remotes do to their refs
git_delete app old
gm_follow app app
check_eq "a branch that was deleted" "$(field gm/app '{.status.lastFetch.deleted}')" 1
tip=$(git_tip app dev)
git_force app dev "another history"
gm_follow app app
kept() { git --git-dir "$(gm_path app)" for-each-ref --format='%(objectname) %(refname)' refs/fairlead/kept/; }
check_eq "a force push is counted" "$(field gm/app '{.status.lastFetch.forced}')" 1
check "the old tip is kept" grep -qE "^$tip refs/fairlead/kept/[0-9]+/heads/dev$" <<<"$(kept)"
check_eq "the status tells of it" "$(field gm/app '{.status.keptTips}') $(gm_cond app ForcePushKept status)" "1 True"
tip=$(git_tip app refs/tags/v1)
git_force app refs/tags/v1 "the tag elsewhere"
gm_follow app app
check "a tag's old place is kept" grep -qE "^$tip refs/fairlead/kept/[0-9]+/tags/v1$" <<<"$(kept)"
git_commit app trunk "of trunk"
git --git-dir "$T/git/app.git" symbolic-ref HEAD refs/heads/trunk
gm_follow app app
check_eq "HEAD follows" "$(field gm/app '{.status.head.ref}')" refs/heads/trunk
git_delete app main
git_commit app main/sub "below what was a branch"
gm_follow app app
git_delete app main/sub
git_commit app main "a branch again"
git --git-dir "$T/git/app.git" symbolic-ref HEAD refs/heads/main
gm_follow app app
git --git-dir "$T/git/app.git" tag -a -m "with a message" v2 main
gm_follow app app
gm app "$http/plain/app.git" 'interval: "0"' 'guard: {onForcePush: Block}'
gm_ready app
tip=$(git_tip app topic)
git_force app topic "blocked"
git_commit app main "not blocked"
gm_ask app
gm_wait app ForcePushBlocked ForcePushBlocked
check_eq "a blocked branch stays" "$(git --git-dir "$(gm_path app)" rev-parse refs/heads/topic)" "$tip"
check_eq "others go on" "$(git --git-dir "$(gm_path app)" rev-parse refs/heads/main)" "$(git_tip app main)"
k annotate --overwrite gm/app "fairlead.dev/approve=$(field gm/app '{.status.held.nonce}')" >/dev/null
gm_ready app
gm_same app app

# --- an emptied remote
before=$(git_refs "$(gm_path app)")
git --git-dir "$T/git/app.git" for-each-ref --format='delete %(refname)' | git --git-dir "$T/git/app.git" update-ref --stdin
gm_ask app
gm_wait app DeletionBlocked DeletionBlocked
check_eq "the refs stay" "$(git_refs "$(gm_path app)")" "$before"
check_eq "the mirror is not Ready" "$(gm_cond app Ready status) $(gm_cond app Ready reason)" "False DeletionBlocked"
nonce=$(field gm/app '{.status.held.nonce}')
check_has "words: what" "$(gm_cond app Ready message)" "the remote has none of the refs any more"
check_has "words: how to release" "$(gm_cond app Ready message)" \
    "kubectl annotate gitmirror -n default app fairlead.dev/approve=$nonce --overwrite"
k annotate --overwrite gm/app fairlead.dev/approve=anything-else >/dev/null
gm_ask app
check_eq "another nonce releases nothing" "$(git_refs "$(gm_path app)")" "$before"
k annotate --overwrite gm/app "fairlead.dev/approve=$nonce" >/dev/null
gm_wait app DeletionBlocked ""
gm_ready app
gm_same app app
check_eq "released" "$(git_refs "$(gm_path app)" | grep -c refs/heads/ || true)" 0
check_eq "nothing is held any more" "$(field gm/app '{.status.held}')" ""
git_commit app main "alive again"
gm_follow app app

# --- push targets: refs arrive, one that is rejected is told and stops no other
git_new target
git --git-dir "$T/git/target.git" config http.receivepack true
mkdir "$T/git/target.git/hooks"
# shellcheck disable=SC2016 # the hook's own $1
printf '#!/bin/sh\ncase $1 in refs/heads/no*) echo "no such names here" >&2; exit 1 ;; esac\n' >"$T/git/target.git/hooks/update"
chmod +x "$T/git/target.git/hooks/update"
gm quiet "$http/plain/quiet.git" 'interval: "0"' "push: [{name: there, url: \"$http/plain/target.git\"}]"
gm_ready quiet
check_eq "the target has the refs" "$(git ls-remote "$T/git/target.git")" "$(git ls-remote "$T/git/quiet.git")"
lines=$(wc -l <"$T/access")
gm_ask quiet
check_eq "an equal target costs one request" "$(tail -n +$((lines + 1)) "$T/access" | grep -F target)" "200 GET /plain/target.git/info/refs -"
git_commit quiet nono "not for them"
git_commit quiet main "for them"
git_delete quiet old
gm_ask quiet
gm_wait quiet PushFailed PushRejected
gm_same quiet quiet
check_eq "the others arrive" "$(git_tip target main)" "$(git_tip quiet main)"
check_eq "what went is gone there too" "$(git --git-dir "$T/git/target.git" rev-parse -q --verify refs/heads/old || true)" ""
check_eq "the rejected ref" "$(field gm/quiet '{.status.push[0].rejected} {.status.push[0].rejections[0].ref}')" "1 refs/heads/nono"
check_has "words of a rejection" "$(gm_cond quiet Ready message)" "push target 'there' did not take 1 refs, the first refs/heads/nono: hook declined"
git_delete quiet nono
gm_ask quiet
gm_ready quiet
check_eq "the target has the refs again" "$(git ls-remote "$T/git/target.git")" "$(git ls-remote "$T/git/quiet.git")"

# --- a target with a password of its own; one that diverges
git_new private
git --git-dir "$T/git/private.git" config http.receivepack true
git_commit private main "theirs"
git_commit private dev "theirs too"
gm quiet "$http/plain/quiet.git" 'interval: "0"' \
    "push: [{name: private, url: \"$https/auth/private.git\", secretRef: {name: login}, divergence: KeepDivergent, prune: false}]"
gm_wait quiet PushFailed PushRejected
check_eq "what diverges is left alone" "$(git --git-dir "$T/git/private.git" log -1 --format=%s main)" theirs
check_eq "the rest arrives" "$(git_tip private topic)" "$(git_tip quiet topic)"
gm quiet "$http/plain/quiet.git" 'interval: "0"' \
    "push: [{name: private, url: \"$https/auth/private.git\", secretRef: {name: login}}]"
gm_ready quiet
check_eq "Overwrite makes it equal" "$(git ls-remote "$T/git/private.git")" "$(git ls-remote "$T/git/quiet.git")"
secret login ca.crt="$(cat "$T/ca.crt")" username=robot password=wrong
git_commit quiet main "while the target's password is wrong"
gm_ask quiet
gm_wait quiet PushFailed AuthenticationFailed
gm_same quiet quiet
secret login ca.crt="$(cat "$T/ca.crt")" username=robot password="$password"
gm_ready quiet
check_eq "the target follows again" "$(git_tip private main)" "$(git_tip quiet main)"
k delete gm auth slow --ignore-not-found >/dev/null

# --- what a remote may hold: limits, many refs, malformed objects, large files, a folder that is somebody else's
gm large "$http/plain/large.git" 'interval: "0"' 'limits: {maxPackMiB: 1}'
gm_wait large FetchFailed PackTooBig
check_eq "nothing of it is kept" "$(find "$(gm_path large)/objects" -type f | wc -l)" 0
gm large "$http/plain/large.git" 'interval: "0"'
gm_ready large
gm_same large large
git_commit app second "one ref too many"
gm app "$http/plain/app.git" 'interval: "0"' 'limits: {maxRefs: 1}'
gm_wait app PollFailed TooManyRefs
check_has "too many refs: words" "$(gm_cond app Ready message)" "raise spec.limits.maxRefs"
gm app "$http/plain/app.git" 'interval: "0"'
gm_ready app
gm_same app app
git_new many
git_commit many main first
seq -f "create refs/heads/many/%05g $(git_tip many main)" 10000 | git --git-dir "$T/git/many.git" update-ref --stdin
gm many "$http/plain/many.git" 'interval: "0"'
gm_ready many
gm_same many many
check_eq "10,001 refs" "$(field gm/many '{.status.refCount}')" 10001
git_commit many many/00500 "one of them moves"
git_delete many many/00501
gm_follow many many
git_new bad
git_commit bad main "good"
tree=$(printf '100644 blob %s\t.gitmodules\n' "$(printf '[submodule "x"]\n\tpath = x\n\turl = -uexec\n' |
    git --git-dir "$T/git/bad.git" hash-object -w --stdin)" | git --git-dir "$T/git/bad.git" mktree)
git --git-dir "$T/git/bad.git" update-ref refs/heads/evil "$(git --git-dir "$T/git/bad.git" commit-tree "$tree" -m evil)"
gm bad "$http/plain/bad.git" 'interval: "0"'
gm_wait bad FetchFailed FsckFailed
check_eq "nothing of it is shown" "$(git_refs "$(gm_path bad)")" ""
gm bad "$http/plain/bad.git" 'interval: "0"' 'fsck: false'
gm_ready bad
gm_same bad bad
git_new lfs
tree=$(printf '100644 blob %s\t.gitattributes\n' "$(echo '*.iso filter=lfs diff=lfs merge=lfs -text' |
    git --git-dir "$T/git/lfs.git" hash-object -w --stdin)" | git --git-dir "$T/git/lfs.git" mktree)
git --git-dir "$T/git/lfs.git" update-ref refs/heads/main "$(git --git-dir "$T/git/lfs.git" commit-tree "$tree" -m lfs)"
gm lfs "$http/plain/lfs.git" 'interval: "0"'
gm_wait lfs LFSIncomplete LFSNotFetched
gm_same lfs lfs
mkdir -p "$T/data/mirrors/default/foreign.git"
echo "mine" >"$T/data/mirrors/default/foreign.git/note"
gm foreign "$http/plain/app.git" 'interval: "0"'
gm_wait foreign FetchFailed RepositoryForeign
check_eq "what is somebody else's stays" "$(find "$T/data/mirrors/default/foreign.git" -type f)" "$T/data/mirrors/default/foreign.git/note"
gm late "$http/slow/large.git" 'interval: "0"' 'timeout: 2s'
gm_wait late FetchFailed Timeout
fl_wait 30 "the late fetch to be ended" none_left
k delete gm large many bad lfs foreign late >/dev/null

# --- suspend, Plan
k patch gm quiet --type=merge -p '{"spec":{"suspend":true}}' >/dev/null
gm_wait quiet Suspended Suspended
git_commit quiet main "while suspended"
lines=$(git_asked /plain/quiet.git)
k annotate --overwrite gm/quiet fairlead.dev/requested-at=suspended >/dev/null
gm_follow moved app # asked for later, done: so the other was looked at
check_eq "a suspended mirror does not ask" "$(git_asked /plain/quiet.git)" "$lines"
check "and does not follow" bash -c "! git --git-dir '$(gm_path quiet)' cat-file -e '$(git_tip quiet main)' 2>/dev/null"
k patch gm quiet --type=merge -p '{"spec":{"suspend":false,"mode":"Plan"}}' >/dev/null
gm_wait quiet Ready Planned
check_eq "the plan" "$(field gm/quiet '{.status.plan[0].action} {.status.plan[0].ref} {.status.plan[0].new}')" \
    "Update refs/heads/main $(git_tip quiet main)"
check "Plan brings nothing" bash -c "! git --git-dir '$(gm_path quiet)' cat-file -e '$(git_tip quiet main)' 2>/dev/null"
k patch gm quiet --type=merge -p '{"spec":{"mode":"Apply"}}' >/dev/null
gm_wait quiet Ready Succeeded
gm_same quiet quiet

# --- deletion: Orphan leaves the repository, and it is taken up again; Delete removes it
dir=$(gm_path quiet)
k delete gm quiet --timeout=60s >/dev/null
check_eq "Orphan leaves the refs" "$(git_refs "$dir")" "$(git_refs "$T/git/quiet.git")"
lines=$(wc -l <"$T/access")
gm quiet "$http/plain/quiet.git" 'deletionPolicy: Delete'
gm_ready quiet
gm_same quiet quiet
check_eq "what was left is taken up: nothing is fetched again" \
    "$(tail -n +$((lines + 1)) "$T/access" | grep -cF 'POST /plain/quiet.git/git-upload-pack')" 1
k delete gm quiet --timeout=60s >/dev/null
check "Delete removes the repository" test ! -e "$dir"

# --- after a restart the disk is looked at again, and what somebody did to it is mended
stop_fairlead
git --git-dir "$T/data/mirrors/default/app.git" update-ref refs/heads/main "$(git_object app stray)" 2>/dev/null ||
    git --git-dir "$T/data/mirrors/default/app.git" update-ref -d refs/heads/main
touch "$T/data/mirrors/default/app.git/packed-refs.lock"
start_fairlead --web-listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0
fl_wait 90 "the mirror to be mended" gm_is_same app app
gm_follow app app

# --- no secret anywhere; key files are there only while a command runs, and none does
k get gm,events -A -o yaml >"$T/said"
k delete gm --all --timeout=120s >/dev/null
for word in "$password" "$token" "$basic" "open sesame" "PRIVATE KEY"; do
    check_eq "statuses and events know no secret" "$(grep -cF "$word" "$T/said" || true)" 0
    check_eq "the log knows no secret" "$(grep -cF "$word" "$T/fairlead.log" || true)" 0
    check_eq "no mirror knows a secret" "$(grep -rlF "$word" "$T/data/mirrors" || true)" ""
done
check_eq "no file of a key is left" "$(find "$T/data/mirrors/.run" -type f | wc -l)" 0
check_eq "no process is left" "$(git_processes)" ""
stop_fairlead
check_eq "the database is whole" "$(sqlite3 "$T/data/fairlead.db" 'pragma integrity_check')" ok
