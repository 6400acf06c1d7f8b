#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Ways to sign in at a git server, and large files, against real servers: nginx and git-http-backend that ask for a GitHub App's
# token (which github_api.py issues), a client certificate or a bearer token; git-lfs and lfs_server.py.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/git.sh"
fl_install git-lfs python3
here=$(cd "$(dirname "$0")" && pwd)

# --- servers

app_port=$(fl_free_port)
tls_port=$(fl_free_port)
api_port=$(fl_free_port)
lfs_port=$(fl_free_port)
git_app=https://127.0.0.1:$app_port
git_tls=https://127.0.0.1:$tls_port
api=https://127.0.0.1:$api_port/api/v3
password=pass-$(openssl rand -hex 8)
bearer=bear-$(openssl rand -hex 8)
htpasswd -Bbn robot "$password" >"$T/htpasswd" 2>/dev/null

mkdir "$T/nginx.d" "$T/lfs"
cat >"$T/nginx.d/auth.conf" <<END
log_format user '\$status \$request_method \$uri \$remote_user';
map \$http_user_agent \$app_users {
    ~^git/[0-9.]+\$ $T/git.htpasswd;
    default $T/app.htpasswd;
}
log_format dn '\$status \$request_method \$uri \$ssl_client_s_dn';
server {
    listen 127.0.0.1:$app_port ssl;
    ssl_certificate $T/tls.crt;
    ssl_certificate_key $T/tls.key;
    access_log $T/app.access user;
    auth_basic git;
    auth_basic_user_file $T/htpasswd;
    location ~ ^/(auth|short)/[^/]+\.git/info/lfs/ { proxy_pass http://127.0.0.1:$lfs_port; }
    location ~ ^/app/[^/]+\.git/info/lfs/ {
        auth_basic_user_file $T/app.htpasswd;
        proxy_pass http://127.0.0.1:$lfs_port;
    }
    location /objects/ {
        auth_basic off;
        proxy_pass http://127.0.0.1:$lfs_port;
    }
    location ~ ^/auth/(?<repo>.+)\$ { include $T/backend.conf; }
    location ~ ^/short/(?<name>[a-z]+)(?<rest>/.+)\$ {
        set \$repo \$name.git\$rest;
        include $T/backend.conf;
    }
    location ~ ^/app/(?<repo>.+)\$ {
        auth_basic_user_file \$app_users;
        include $T/backend.conf;
    }
    location ~ ^/bearer/(?<repo>.+)\$ {
        auth_basic off;
        if (\$http_authorization != "Bearer $bearer") { return 401; }
        include $T/backend.conf;
    }
}
server {
    listen 127.0.0.1:$tls_port ssl;
    ssl_certificate $T/tls.crt;
    ssl_certificate_key $T/tls.key;
    ssl_client_certificate $T/ca.crt;
    ssl_verify_client on;
    access_log $T/tls.access dn;
    location ~ ^/[^/]+\.git/info/lfs/ { proxy_pass http://127.0.0.1:$lfs_port; }
    location ~ ^/(?<repo>.+)\$ { include $T/backend.conf; }
}
END

# A token that nobody has: as after a withdrawal.
revoke() {
    echo "x-access-token:{PLAIN}nobody-has-$RANDOM" >"$T/app.htpasswd.new"
    mv "$T/app.htpasswd.new" "$T/app.htpasswd"
}
# As if that happened between the list and what the git program does.
git_refuses() {
    echo "x-access-token:{PLAIN}nobody-has-it" >"$T/git.htpasswd.new"
    mv "$T/git.htpasswd.new" "$T/git.htpasswd"
}
git_takes() { ln -sf app.htpasswd "$T/git.htpasswd"; }
git_takes
revoke
touch "$T/app.log" "$T/app.tokens" "$T/app.access" "$T/lfs.log"
git_http_start
openssl genrsa -out "$T/app.key" 2048 2>/dev/null
openssl rsa -in "$T/app.key" -pubout -out "$T/app.pub" 2>/dev/null
openssl genrsa -out "$T/other.key" 2048 2>/dev/null
for who in robot stranger; do
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$who" \
        -keyout "$T/$who.key" -out "$T/$who.csr" 2>/dev/null
done
openssl x509 -req -in "$T/robot.csr" -CA "$T/ca.crt" -CAkey "$T/ca.key" -days 2 -out "$T/robot.crt" 2>/dev/null
openssl x509 -req -in "$T/stranger.csr" -signkey "$T/stranger.key" -days 2 -out "$T/stranger.crt" 2>/dev/null

api_start() {
    setsid python3 "$here/github_api.py" "$T" "$api_port" >>"$T/api.log" 2>&1 &
    echo $! >"$T/api.pid"
    fl_wait_start "$T/api.pid" "GitHub's API" fl_answers "$api"
}
lfs_start() { # PORT URL
    setsid python3 "$here/lfs_server.py" "$T" "$1" "$2" >>"$T/lfs-server-$1.log" 2>&1 &
    echo $! >"$T/lfs-server-$1.pid"
    fl_wait_start "$T/lfs-server-$1.pid" "the LFS server" fl_answers "http://127.0.0.1:$1/"
}
lfs_start "$lfs_port" "$git_app"

# --- what is looked at

issued() { grep -cE '/access_tokens 201 ' "$T/app.log" || true; }
asked() { grep -cE -- "$1" "$T/app.access" || true; } # REGEX over "status method path user"
says() { [[ "$(gm_cond "$1" Ready message)" == *"$2"* ]]; }
# told NAME TYPE REASON WORDS: the condition has the reason, and Ready the words.
told() {
    gm_wait "$1" "$2" "$3"
    fl_wait 60 "$1 to say '$4'; it says '$(gm_cond "$1" Ready message)'" says "$1" "$4"
    CHECKS=$((CHECKS + 1))
}
# lfs_file REPO NAME TEXT: a commit on main that has the file as a pointer, whose content the LFS server has; prints its id.
lfs_file() {
    local dir=$T/git/$1.git oid tip tree
    printf '%s\n' "$3" >"$T/content"
    oid=$(sha256sum "$T/content" | cut -d' ' -f1)
    cp "$T/content" "$T/lfs/$oid"
    tip=$(git --git-dir "$dir" rev-parse -q --verify refs/heads/main || true)
    tree=$({
        printf '100644 blob %s\t.gitattributes\n' \
            "$(echo '*.iso filter=lfs diff=lfs merge=lfs -text' | git --git-dir "$dir" hash-object -w --stdin)"
        printf '100644 blob %s\t%s\n' "$(printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %s\n' \
            "$oid" "$(stat -c %s "$T/content")" | git --git-dir "$dir" hash-object -w --stdin)" "$2"
    } | git --git-dir "$dir" mktree)
    git --git-dir "$dir" update-ref refs/heads/main \
        "$(git --git-dir "$dir" commit-tree "$tree" ${tip:+-p "$tip"} -m "$2")"
    echo "$oid"
}
# lfs_has NAME OID: the mirror has the object, and it is what its name says.
lfs_has() {
    local file
    file=$(gm_path "$1")/lfs/objects/${2:0:2}/${2:2:2}/$2
    check_eq "mirror $1 has the large file" "$(sha256sum "$file" 2>&1 | cut -d' ' -f1)" "$2"
}

for repo in one two three four five; do
    git_new $repo
    git_commit $repo main first
    git_commit $repo dev "of dev"
done
git_new lfs
large=$(lfs_file lfs a.iso "the first large file")

# --- large files, where git-lfs is not installed: the server sees a file there that is no program
mkdir "$T/none"
cat >"$T/without-lfs" <<END
#!/bin/sh
for f in /usr/local/bin/git-lfs /usr/bin/git-lfs /bin/git-lfs; do
    [ ! -e "\$f" ] || mount --bind "$T/nothing" "\$f" || exit 1
done
exec "$FAIRLEAD" "\$@"
END
touch "$T/nothing"
chmod +x "$T/without-lfs"
unshare=(unshare -m)
[ "$(id -u)" -eq 0 ] || unshare=(unshare -rm)
with_lfs=$FAIRLEAD
start() { start_fairlead --mirror-interval 1h; }
login() { secret login ca.crt="$(cat "$T/ca.crt")" username=robot password="$password"; }
if "${unshare[@]}" "$T/without-lfs" --version >"$T/unshare.log" 2>&1; then
    printf '#!/bin/sh\nexec %s "%s" "$@"\n' "${unshare[*]}" "$T/without-lfs" >"$T/hidden"
    chmod +x "$T/hidden"
    FAIRLEAD=$T/hidden
    start
    login
    gm late "$git_app/auth/lfs.git" 'secretRef: {name: login}' 'lfs: Fetch'
    told late LFSIncomplete LFSNotInstalled "the program git-lfs is not installed here"
    check_eq "without git-lfs it is not Ready" "$(gm_cond late Ready status) $(gm_cond late Ready reason)" "False LFSNotInstalled"
    gm_same late lfs
    stop_fairlead
    FAIRLEAD=$with_lfs
    start
    gm_ready late
    lfs_has late "$large"
    k delete gm late >/dev/null
else
    echo "LEFT OUT: the server without git-lfs: no mount namespace here: $(tail -n 1 "$T/unshare.log")"
fi
[ -f "$T/fairlead.pid" ] || start
login

# --- large files
lines=$(wc -l <"$T/lfs.log")
gm lfs "$git_app/auth/lfs.git" 'secretRef: {name: login}'
gm_wait lfs LFSIncomplete LFSNotFetched
gm_ready lfs
check_eq "the status tells of them" "$(field gm/lfs '{.status.lfs}')" true
check_eq "Detect fetches none" "$(find "$(gm_path lfs)/lfs" -type f 2>/dev/null | wc -l)" 0
check_eq "nor asks for them" "$(wc -l <"$T/lfs.log")" "$lines"
gm lfs "$git_app/auth/lfs.git" 'secretRef: {name: login}' 'lfs: Fetch'
gm_wait lfs LFSIncomplete ""
gm_ready lfs
lfs_has lfs "$large"
check "who asked was known" grep -qF "POST /auth/lfs.git/info/lfs/objects/batch 200 robot" "$T/lfs.log"
gm_same lfs lfs
more=$(lfs_file lfs b.iso "the second large file")
gm_follow lfs lfs
lfs_has lfs "$more"

# It fails, is told in the server's words, and is tried again without being asked.
echo "503 the store is being moved" >"$T/lfs.status"
more=$(lfs_file lfs c.iso "the third large file")
gm_ask lfs
told lfs LFSIncomplete LFSFailed "the store is being moved"
gm_same lfs lfs
rm "$T/lfs.status"
gm_ready lfs
lfs_has lfs "$more"
more=$(lfs_file lfs d.iso "the fourth large file")
mv "$T/lfs/$more" "$T/lost"
gm_ask lfs
told lfs LFSIncomplete LFSFailed "Object does not exist"
mv "$T/lost" "$T/lfs/$more"
gm_ready lfs
lfs_has lfs "$more"

# A clone URL without .git, which git-lfs puts there.
gm short "$git_app/short/lfs" 'secretRef: {name: login}' 'lfs: Fetch'
gm_ready short
lfs_has short "$more"

# Over ssh, where git-lfs asks the host for whom to ask.
git_ssh_start
plain_port=$(fl_free_port)
lfs_start "$plain_port" "http://127.0.0.1:$plain_port"
mkdir "$T/bin"
cat >"$T/bin/git-lfs-authenticate" <<END
#!/bin/sh
echo "\$*" >>"$T/authenticate.log"
echo '{"href": "http://127.0.0.1:$plain_port/ssh.git/info/lfs", "expires_in": 600,
    "header": {"Authorization": "Basic $(printf 'by-ssh:word' | base64)"}}'
END
cat >"$T/bin/login" <<END
#!/bin/sh
PATH=$T/bin:\$PATH exec sh -c "\$SSH_ORIGINAL_COMMAND"
END
chmod +x "$T/bin/git-lfs-authenticate" "$T/bin/login"
sed -i "s|^|command=\"$T/bin/login\" |" "$T/ssh/authorized_keys"
secret ssh identity="$(cat "$T/ssh/identity")" known_hosts="$(cat "$T/ssh/known_hosts")"
gm ssh "$ssh$T/git/lfs.git" 'secretRef: {name: ssh}' 'lfs: Fetch'
gm_ready ssh
lfs_has ssh "$more"
check_eq "the host was asked" "$(sort -u "$T/authenticate.log")" "$T/git/lfs.git download"
check "and told whom to ask, and as whom" grep -qF "POST /ssh.git/info/lfs/objects/batch 200 by-ssh" "$T/lfs.log"

# A repository's own .lfsconfig sends to nobody else.
git_new sent
sent=$(lfs_file sent a.iso "a large file elsewhere")
tip=$(git_tip sent main)
tree=$({
    git --git-dir "$T/git/sent.git" ls-tree main
    printf '100644 blob %s\t.lfsconfig\n' "$(printf '[lfs]\n\turl = http://127.0.0.1:%s/elsewhere.git/info/lfs\n' "$plain_port" |
        git --git-dir "$T/git/sent.git" hash-object -w --stdin)"
} | git --git-dir "$T/git/sent.git" mktree)
git --git-dir "$T/git/sent.git" update-ref refs/heads/main \
    "$(git --git-dir "$T/git/sent.git" commit-tree "$tree" -p "$tip" -m sent)"
gm sent "$git_app/auth/sent.git" 'secretRef: {name: login}' 'lfs: Fetch'
gm_ready sent
lfs_has sent "$sent"
check_eq "who else is named is not asked" "$(grep -cF elsewhere "$T/lfs.log" || true)" 0
k delete gm ssh sent >/dev/null

# --- a GitHub App, while its API is away: the git server is not asked
app=(githubAppID=4711 githubAppPrivateKey="$(cat "$T/app.key")" githubAppBaseURL="$api" ca.crt="$(cat "$T/ca.crt")")
secret app "${app[@]}" githubAppInstallationID=77
gm one "$git_app/app/one.git" 'provider: github' 'secretRef: {name: app}'
told one PollFailed ConnectFailed "GitHub App's token"
check_eq "without a token git is not asked" "$(asked ' /app/')" 0
api_start
gm_ready one
gm_same one one
check_eq "the token came by itself" "$(issued)" 1
gm two "$git_app/app/two.git" 'provider: github' 'secretRef: {name: app}'
gm_ready two
gm_same two two
check_eq "two mirrors of an installation cost one token" "$(issued)" 1
check_eq "the JWT was never refused" "$(grep -c "^POST.* 40" "$T/app.log" || true)" 0
check_eq "each request had the token" "$(asked ' /app/')" "$(asked '^200 .* /app/.* x-access-token$')"

# A token that was withdrawn is dropped once.
revoke
git_commit one main "after the withdrawal"
gm_follow one one
check_eq "the withdrawn token was tried once" "$(asked '^401 .* /app/')" 1
check_eq "and another was asked for" "$(issued)" 2
git_commit two main "by the other's token"
gm_follow two two
check_eq "which is the other mirror's too" "$(issued) $(asked '^401 .* /app/')" "2 1"

git_refuses
git_commit two main "withdrawn between list and fetch"
gm_ask two
told two FetchFailed AuthenticationFailed credentials
git_takes
gm_ask two
gm_ready two
gm_same two two
check_eq "git's word drops a token too" "$(issued)" 3

# Withdrawn while the API is away, answers with a fault, or refuses: words, and no request without a token.
stop_api() { fl_end "$T/api.pid"; }
stop_api
revoke
refused=$(($(asked '^401 .* /app/') + 1))
git_commit one main "while the API is away"
gm_ask one
told one PollFailed ConnectFailed "GitHub App's token"
tries=$(asked ' /app/')
check_eq "the withdrawn token was tried once" "$(asked '^401 .* /app/')" "$refused"
echo "503 We are having a problem" >"$T/app.status"
api_start
gm_ask one
told one PollFailed ServerError "We are having a problem"
echo "403 This installation has been suspended" >"$T/app.status"
gm_ask one
told one PollFailed AppRejected "GitHub App 4711, installation of 77: This installation has been suspended (HTTP 403)"
check_eq "which is a stall" "$(gm_cond one Stalled status)" True
gm three "$git_app/app/three.git" 'provider: github' 'secretRef: {name: app}'
told three PollFailed AppRejected "has been suspended"
check_eq "git was not asked" "$(asked ' /app/')" "$tries"
check "what was there is readable" gm_is_whole one
rm "$T/app.status"
gm_ask one
gm_ready one
gm_same one one
gm_ask three
gm_ready three
gm_same three three
check_eq "one more token for both" "$(issued)" 4
check_eq "never without a token" "$(asked ' /app/.* -$')" 0

# By its owner: an organisation; a user.
secret org "${app[@]}" githubAppInstallationOwner=acme
gm four "$git_app/app/four.git" 'provider: github' 'secretRef: {name: org}'
gm_ready four
gm_same four four
check_eq "an organisation is found at once" "$(grep -F /installation\  "$T/app.log")" "GET /api/v3/orgs/acme/installation 200 -"
secret user "${app[@]}" githubAppInstallationOwner=robot
gm five "$git_app/app/five.git" 'provider: github' 'secretRef: {name: user}'
gm_ready five
gm_same five five
check_eq "a user after that" "$(grep -F /robot/installation "$T/app.log" | cut -d' ' -f1-3 | tr '\n' ';')" \
    "GET /api/v3/orgs/robot/installation 404;GET /api/v3/users/robot/installation 200;"
k delete gm four five >/dev/null

# --- App data that is wrong, each in words, and git not asked
tries=$(asked ' /app/')
secret none "${app[@]}" githubAppInstallationID=1234
gm none "$git_app/app/one.git" 'provider: github' 'secretRef: {name: none}'
told none PollFailed AppRejected "installation of 1234: Not Found (HTTP 404): check the App's id, its key and where it is installed"
secret nobody "${app[@]}" githubAppInstallationOwner=nobody
gm nobody "$git_app/app/one.git" 'provider: github' 'secretRef: {name: nobody}'
told nobody PollFailed AppRejected "installation of nobody: Not Found (HTTP 404)"
secret key "${app[@]}" githubAppPrivateKey="$(cat "$T/other.key")" githubAppInstallationID=77
gm key "$git_app/app/one.git" 'provider: github' 'secretRef: {name: key}'
told key PollFailed AppRejected "A JSON web token could not be decoded (HTTP 401)"
secret nonumber "${app[@]}" githubAppID=my-app githubAppInstallationID=77
gm nonumber "$git_app/app/one.git" 'provider: github' 'secretRef: {name: nonumber}'
told nonumber Ready SecretInvalid "Secret 'nonumber' (spec.secretRef): key githubAppID is not a number"
gm generic "$git_app/app/one.git" 'secretRef: {name: app}'
told generic Ready SecretInvalid "Secret 'app' (spec.secretRef): it has the keys of a GitHub App, but provider is not github"
gm noapp "$git_app/auth/one.git" 'provider: github' 'secretRef: {name: login}'
told noapp Ready SecretInvalid "Secret 'login' (spec.secretRef): provider is github: the Secret must have githubAppID"
refused "an App without a Secret" "$git_app/app/one.git" "provider github needs a Secret with githubAppID" 'provider: github'
refused "an App over http" "$http/plain/one.git" "over https:// only" 'provider: github'
check_eq "git was not asked" "$(asked ' /app/')" "$tries"
k delete gm none nobody key nonumber generic noapp >/dev/null

# --- a push target that an App signs in at
git_new target
git --git-dir "$T/git/target.git" config http.receivepack true
to="{name: there, url: \"$git_app/app/target.git\", secretRef: {name: app}"
gm pushed "$http/plain/one.git" "push: [$to}]"
gm_wait pushed PushFailed SecretInvalid
check_has "App data without provider: words" "$(gm_cond pushed PushFailed message)" \
    "push target 'there': Secret 'app' (spec.push[there].secretRef): it has the keys of a GitHub App, but provider is not github"
gm_ask one # the tokens for others have withdrawn this one's
gm_ready one
before=$(issued)
gm pushed "$http/plain/one.git" "push: [$to, provider: github}]"
gm_ready pushed
there() { check_eq "the target has the refs" "$(git ls-remote "$T/git/target.git")" "$(git ls-remote "$T/git/one.git")"; }
there
check_eq "with the token that was there" "$(issued)" "$before"
revoke
git_commit one main "to be pushed"
gm_ask pushed
gm_ready pushed
there
check_eq "a withdrawn token is dropped at a target too" "$(issued)" $((before + 1))
git_refuses
git_commit one main "withdrawn between list and push"
gm_ask pushed
gm_wait pushed PushFailed AuthenticationFailed
git_takes
gm_ask pushed
gm_ready pushed
there
check_eq "git's word drops a target's token too" "$(issued)" $((before + 2))

# --- large files with an App's token
gm applfs "$git_app/app/lfs.git" 'provider: github' 'secretRef: {name: app}' 'lfs: Fetch'
gm_ready applfs
lfs_has applfs "$more"
check "the token goes to the LFS server" grep -qF "POST /app/lfs.git/info/lfs/objects/batch 200 x-access-token" "$T/lfs.log"

# --- a client certificate
ca="$(cat "$T/ca.crt")"
secret ca ca.crt="$ca"
gm tls "$git_tls/one.git" 'secretRef: {name: ca}'
told tls PollFailed RequestRejected "(HTTP 400)" # all that nginx says is a page of HTML
secret cert ca.crt="$ca" tls.crt="$(cat "$T/stranger.crt")" tls.key="$(cat "$T/stranger.key")"
k patch gm tls --type=merge -p '{"spec":{"secretRef":{"name":"cert"}}}' >/dev/null
gm_ask tls
told tls PollFailed RequestRejected "(HTTP 400)"
check "a stranger's certificate was looked at" grep -qF "400 GET /one.git/info/refs CN=stranger" "$T/tls.access"
secret cert ca.crt="$ca" tls.crt="$(cat "$T/robot.crt")" tls.key="$(cat "$T/stranger.key")"
told tls Ready SecretInvalid "Secret 'cert' (spec.secretRef)"
secret cert ca.crt="$ca" tls.crt="$(cat "$T/robot.crt")" tls.key="$(cat "$T/robot.key")"
gm_ready tls
gm_same tls one
git_commit one main "for the certificate"
gm_follow tls one
check_eq "git's own request had the certificate" "$(grep -cE '^200 POST /one.git/git-upload-pack CN=robot' "$T/tls.access")" \
    "$(grep -cE '^200 POST /one.git/git-upload-pack' "$T/tls.access")"
gm tlslfs "$git_tls/lfs.git" 'secretRef: {name: cert}' 'lfs: Fetch'
gm_ready tlslfs
lfs_has tlslfs "$more"

# --- a bearer token
secret bearer ca.crt="$ca" bearerToken="not-$bearer"
gm bearer "$git_app/bearer/two.git" 'secretRef: {name: bearer}'
told bearer PollFailed AuthenticationFailed "refused the bearer token (HTTP 401): check the Secret"
secret bearer ca.crt="$ca" bearerToken="$bearer"
gm_ready bearer
gm_same bearer two
git_commit two main "for the bearer"
gm_follow bearer two

# --- no secret anywhere
k get gm,events -A -o yaml >"$T/said"
k delete gm --all --timeout=120s >/dev/null
stop_fairlead
{
    printf '%s\n' "$password" "$bearer" "PRIVATE KEY"
    cat "$T/app.tokens"
} >"$T/words"
check "there are tokens to look for" test "$(wc -l <"$T/words")" -ge 9
check_eq "statuses and events know no secret" "$(grep -cFf "$T/words" "$T/said" || true)" 0
check_eq "the log knows no secret" "$(grep -cFf "$T/words" "$T/fairlead.log" || true)" 0
check_eq "no mirror knows a secret" "$(grep -rlFf "$T/words" "$T/data/mirrors" || true)" ""
check_eq "no file of a key is left" "$(find "$T/data/mirrors/.run" -type f | wc -l)" 0
