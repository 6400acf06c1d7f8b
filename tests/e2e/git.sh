# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Shared by the scripts about git mirrors, after lib.sh: real servers of repositories in $T/git, commits made without a work tree,
# and what a mirror says and has. Debian's nginx, fcgiwrap, git and openssh-server, all as the current user, none as a service.
fl_install git nginx-light fcgiwrap openssh-server
unset GIT_SSL_CAINFO GIT_SSL_CAPATH # of this script's git; fairlead lets none of the environment through

export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_NAME=Robot GIT_AUTHOR_EMAIL=robot@example.com GIT_COMMITTER_NAME=Robot GIT_COMMITTER_EMAIL=robot@example.com
mkdir -p "$T/git" "$T/web"

# --- commits. A ref's name is short for branches: "main" is refs/heads/main.

git_full() {
    case "$1" in
    refs/*) echo "$1" ;;
    *) echo "refs/heads/$1" ;;
    esac
}
git_new() { # REPO: an empty one, whose default branch will be main
    git init -q --bare --template= --initial-branch=main "$T/git/$1.git"
}
# git_object REPO TEXT [PARENT]: a commit with one file that says TEXT; prints its id.
git_object() {
    local dir=$T/git/$1.git blob tree
    blob=$(printf '%s\n' "$2" | git --git-dir "$dir" hash-object -w --stdin)
    tree=$(printf '100644 blob %s\ttext\n' "$blob" | git --git-dir "$dir" mktree)
    git --git-dir "$dir" commit-tree "$tree" ${3:+-p "$3"} -m "$2"
}
# git_commit REPO REF TEXT: on top of what REF has.
git_commit() {
    local dir=$T/git/$1.git ref tip
    ref=$(git_full "$2")
    tip=$(git --git-dir "$dir" rev-parse -q --verify "$ref" || true)
    git --git-dir "$dir" update-ref "$ref" "$(git_object "$1" "$3" "$tip")"
}
# git_force REPO REF TEXT: a history that has nothing in common with the old one.
git_force() { git --git-dir "$T/git/$1.git" update-ref "$(git_full "$2")" "$(git_object "$1" "$3")"; }
git_delete() { # REPO REF...
    local dir=$T/git/$1.git ref
    shift
    for ref; do
        git --git-dir "$dir" update-ref -d "$(git_full "$ref")"
    done
}
git_tip() { git --git-dir "$T/git/$1.git" rev-parse "$(git_full "$2")"; } # REPO REF
# git_large REPO BYTES: on main, a commit with a file that does not compress.
git_large() {
    local dir=$T/git/$1.git blob tree tip
    tip=$(git --git-dir "$dir" rev-parse -q --verify refs/heads/main || true)
    blob=$(head -c "$2" /dev/urandom | git --git-dir "$dir" hash-object -w --stdin)
    tree=$(printf '100644 blob %s\tlarge\n' "$blob" | git --git-dir "$dir" mktree)
    git --git-dir "$dir" update-ref refs/heads/main \
        "$(git --git-dir "$dir" commit-tree "$tree" ${tip:+-p "$tip"} -m large)"
}

# --- git over HTTP: nginx before fcgiwrap before git-http-backend

# Sets http, https (origins), other (an origin whose host is another name). A repository NAME is at
#   $http/plain/NAME.git    for all, pushes too where the repository allows them
#   $http/v0/NAME.git       Git-Protocol gets lost on the way
#   $http/moved/NAME.git    301 to /plain/ of the same host;  $http/away/NAME.git 302 to another host
#   $http/html/...          a login page, with 200
#   $http/slow/NAME.git     packs come slowly (and $https/slow/, with a password)
#   $https/auth/NAME.git    for robot, with the password in $T/htpasswd
#   $https/open/NAME.git    for all
# Each request is a line in $T/access: status, method, path, Git-Protocol. Servers of a script's own go into $T/nginx.d/*.conf,
# before this is called; the names tls.crt, tls.key, ca.crt and backend.conf in $T are good there.
git_http_start() {
    local http_port https_port other_port user='' i
    http_port=$(fl_free_port)
    https_port=$(fl_free_port)
    other_port=$(fl_free_port)
    # shellcheck disable=SC2034 # for those who source this
    https=https://127.0.0.1:$https_port
    http=http://127.0.0.1:$http_port
    other=http://localhost:$other_port
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=CA of a test" \
        -keyout "$T/ca.key" -out "$T/ca.crt" 2>/dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=127.0.0.1 \
        -keyout "$T/tls.key" -out "$T/tls.csr" 2>/dev/null
    openssl x509 -req -in "$T/tls.csr" -CA "$T/ca.crt" -CAkey "$T/ca.key" -days 2 -out "$T/tls.crt" \
        -extfile <(echo subjectAltName=IP:127.0.0.1,DNS:localhost) 2>/dev/null
    [ "$(id -u)" -ne 0 ] || user="user $(id -un);"
    mkdir -m 700 "$T/fcgi"
    # Each serves one request at a time and has no children that would outlive it (-c forks them).
    for i in 1 2 3 4 5 6; do
        setsid fcgiwrap -s "unix:$T/fcgi/$i" >>"$T/fcgiwrap.log" 2>&1 &
        echo $! >"$T/fcgiwrap-$i.pid"
    done
    cat >"$T/backend.conf" <<END
fastcgi_pass git;
fastcgi_param SCRIPT_FILENAME $(git --exec-path)/git-http-backend;
fastcgi_param GIT_PROJECT_ROOT $T/git;
fastcgi_param GIT_HTTP_EXPORT_ALL "";
fastcgi_param GIT_CONFIG_GLOBAL /dev/null;
fastcgi_param PATH_INFO /\$repo;
fastcgi_param QUERY_STRING \$query_string;
fastcgi_param REQUEST_METHOD \$request_method;
fastcgi_param CONTENT_TYPE \$content_type;
fastcgi_param CONTENT_LENGTH \$content_length;
fastcgi_param REMOTE_USER \$remote_user;
fastcgi_param REMOTE_ADDR \$remote_addr;
END
    cat >"$T/nginx.conf" <<END
$user
worker_processes 1;
daemon off;
pid $T/web/pid;
error_log stderr warn;
events { worker_connections 512; }
http {
    log_format short '\$status \$request_method \$uri \$http_git_protocol';
    access_log $T/access short;
    client_body_temp_path $T/web/body;
    fastcgi_temp_path $T/web/fastcgi;
    proxy_temp_path $T/web/proxy;
    uwsgi_temp_path $T/web/uwsgi;
    scgi_temp_path $T/web/scgi;
    client_max_body_size 0;
    upstream git {
        least_conn;
$(for i in 1 2 3 4 5 6; do echo "        server unix:$T/fcgi/$i max_fails=0;"; done)
    }
    default_type text/plain;
    include $T/nginx.d/*.conf;
    server {
        listen 127.0.0.1:$http_port;
        location ~ ^/plain/(?<repo>.+)\$ { include $T/backend.conf; }
        location ~ ^/slow/(?<repo>.+)\$ { limit_rate 40k; include $T/backend.conf; }
        location ~ ^/v0/(?<repo>.+)\$ { include $T/backend.conf; fastcgi_param HTTP_GIT_PROTOCOL ""; }
        location ~ ^/moved/(?<repo>.+)\$ { return 301 $http/plain/\$repo\$is_args\$args; }
        location ~ ^/away/(?<repo>.+)\$ { return 302 $other/plain/\$repo\$is_args\$args; }
        location /html/ {
            default_type text/html;
            return 200 '<!DOCTYPE html><title>Sign in</title><form><input name="password"></form>';
        }
    }
    server {
        listen 127.0.0.1:$other_port;
        location ~ ^/plain/(?<repo>.+)\$ { include $T/backend.conf; }
    }
    server {
        listen 127.0.0.1:$https_port ssl;
        ssl_certificate $T/tls.crt;
        ssl_certificate_key $T/tls.key;
        location ~ ^/open/(?<repo>.+)\$ { include $T/backend.conf; }
        location ~ ^/auth/(?<repo>.+)\$ {
            auth_basic git;
            auth_basic_user_file $T/htpasswd;
            include $T/backend.conf;
        }
        location ~ ^/slow/(?<repo>.+)\$ {
            auth_basic git;
            auth_basic_user_file $T/htpasswd;
            limit_rate 40k;
            include $T/backend.conf;
        }
    }
}
END
    for i in 1 2 3 4 5 6; do
        fl_wait 20 fcgiwrap test -S "$T/fcgi/$i"
    done
    setsid nginx -e stderr -c "$T/nginx.conf" >>"$T/nginx.log" 2>&1 &
    echo $! >"$T/nginx.pid"
    fl_wait 20 nginx fl_answers "$http/html/"
}
# git_asked PART: how many requests had PART in their line.
git_asked() { grep -cF -- "$1" "$T/access" || true; }

# --- git over ssh: a daemon of our own, with the current user's account and keys of the test

# Sets ssh (ssh://USER@127.0.0.1:PORT); a repository NAME is at $ssh$T/git/NAME.git. Keys: $T/ssh/identity, $T/ssh/known_hosts.
git_ssh_start() {
    local port
    port=$(fl_free_port)
    # shellcheck disable=SC2034 # for those who source this
    ssh=ssh://$(id -un)@127.0.0.1:$port
    mkdir -m 700 "$T/ssh"
    ssh-keygen -q -t ed25519 -N '' -C host -f "$T/ssh/host"
    ssh-keygen -q -t ed25519 -N '' -C robot -f "$T/ssh/identity"
    ssh-keygen -q -t ed25519 -N 'open sesame' -C robot -f "$T/ssh/locked"
    cat "$T/ssh/identity.pub" "$T/ssh/locked.pub" >"$T/ssh/authorized_keys"
    echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$T/ssh/host.pub")" >"$T/ssh/known_hosts"
    cat >"$T/ssh/config" <<END
ListenAddress 127.0.0.1
Port $port
HostKey $T/ssh/host
AuthorizedKeysFile $T/ssh/authorized_keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin prohibit-password
AcceptEnv GIT_PROTOCOL
LogLevel VERBOSE
END
    # Where root's sshd puts its child that talks before the login; a service would have made it.
    [ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
    setsid "$(command -v sshd || echo /usr/sbin/sshd)" -D -e -f "$T/ssh/config" >"$T/sshd.log" 2>&1 &
    echo $! >"$T/sshd.pid"
    fl_wait 20 sshd grep -q 'Server listening' "$T/sshd.log"
}

# --- mirrors

secret() { # NAME KEY=VALUE...: made or changed; the values stand in no argv but this shell's own
    local name=$1 kv
    shift
    # shellcheck disable=SC2001 # each line
    {
        printf 'apiVersion: v1\nkind: Secret\nmetadata: {name: %s}\nstringData:\n' "$name"
        for kv; do
            printf '  %s: |-\n%s\n' "${kv%%=*}" "$(sed 's/^/    /' <<<"${kv#*=}")"
        done
    } | k apply -f - >/dev/null
}
# gm NAME URL [LINE...]: applies a GitMirror; each LINE is a line of spec.
gm() {
    local name=$1 url=$2 line
    shift 2
    {
        printf 'apiVersion: fairlead.dev/v1alpha1\nkind: GitMirror\nmetadata: {name: %s}\nspec:\n  url: %s\n' "$name" "$url"
        printf '  allowedHosts: [127.0.0.1, localhost]\n'
        for line; do
            printf '  %s\n' "$line"
        done
    } | k apply -f - >/dev/null
}
# refused WHAT URL WORDS [LINE...]: kubectl apply of it fails with these words.
refused() {
    local what=$1 url=$2 words=$3 said
    shift 3
    said=$(gm refused "$url" "$@" 2>&1) && check_eq "$what is refused" applied refused
    check_has "$what: words" "$said" "$words"
}
gm_path() { field "gm/$1" '{.status.path}'; }
gm_cond() { field "gm/$1" "{.status.conditions[?(@.type==\"$2\")].$3}"; } # NAME TYPE status|reason|message
gm_says() { [ "$(gm_cond "$1" "$2" reason)" = "$3" ]; }               # NAME TYPE REASON
gm_ready() { k wait --for=condition=Ready --timeout=120s "gm/$1" >/dev/null; }
# gm_wait NAME TYPE REASON: until the condition has this reason; "" is until it is gone.
gm_wait() {
    fl_wait 90 "$1 to say $2 ${3:-no more}" gm_says "$1" "$2" "$3"
    CHECKS=$((CHECKS + 1))
}
gm_handled() { [ "$(field "gm/$1" '{.status.lastHandledRequest}')" = "$2" ]; }
# gm_ask NAME: has the remote asked, and waits until that is done.
gm_ask() {
    local token
    token=$(date +%s%N)
    k annotate --overwrite "gm/$1" "fairlead.dev/requested-at=$token" >/dev/null
    fl_wait 90 "the request on $1" gm_handled "$1" "$token"
}
# git_refs DIR: what git says of a repository's refs, but for ours.
git_refs() { git ls-remote --symref "$1" | grep -v 'refs/fairlead/' || true; }
gm_is_same() { [ "$(git_refs "$(gm_path "$1")")" = "$(git_refs "$T/git/$2.git")" ]; }
gm_is_whole() { git --git-dir "$(gm_path "$1")" fsck --connectivity-only --no-dangling --no-progress >"$T/fsck.log" 2>&1; }
# gm_same NAME REPO: `git ls-remote` of source and mirror agree, and the mirror is whole.
gm_same() {
    check_eq "mirror $1 has the refs of $2" "$(git_refs "$(gm_path "$1")")" "$(git_refs "$T/git/$2.git")"
    check "mirror $1 is whole" gm_is_whole "$1"
}
# gm_follow NAME REPO WHAT: asks, then as gm_same.
gm_follow() {
    gm_ask "$1"
    gm_same "$1" "$2"
}
