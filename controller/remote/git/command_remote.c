/* SPDX-License-Identifier: Apache-2.0
 * What a git command is told of a remote: credentials, trust, address. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "remote/git/command_priv.h"
#include "wire/file.h"

#define KEY_DIR_PREFIX "git-"

/* Files only, one level: all that was ever put there. */
void git_key_dir_remove(const char *dir)
{
    DIR *d = opendir(dir);

    if (!d) {
        return;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) { /* NOLINT(concurrency-mt-unsafe) */
        (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    (void)closedir(d);
    (void)rmdir(dir);
}

void git_key_dirs_sweep(const char *run_dir)
{
    DIR *d = opendir(run_dir);

    if (!d) {
        return;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) { /* NOLINT(concurrency-mt-unsafe) */
        struct stat st;

        if (fl_text_starts(e->d_name, KEY_DIR_PREFIX) &&
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
            fl_auto_text path = fl_asprintf("%s/%s", run_dir, e->d_name);

            git_key_dir_remove(path);
        }
    }
    (void)closedir(d);
}

static int key_dir_make(struct git_env *e, struct fl_err *err)
{
    char name[13];

    if (e->key_dir) {
        return 0;
    }
    fl_assert(e->remote->run_dir);
    if (mkdir(e->remote->run_dir, 0700) != 0 && errno != EEXIST) {
        return fl_file_fail(errno, "create folder", e->remote->run_dir, err);
    }
    fl_random_name(name, sizeof(name) - 1);
    fl_auto_text path = fl_asprintf("%s/" KEY_DIR_PREFIX "%s", e->remote->run_dir, name);
    if (mkdir(path, 0700) != 0) {
        return fl_file_fail(errno, "create folder", path, err);
    }
    e->key_dir = fl_take(path);
    return 0;
}

/* Nothing is synced: the files are gone with the command. */
static int key_file(struct git_env *e, const char *name, struct fl_str content, mode_t mode,
                    const char **ret, struct fl_err *err)
{
    int rc = key_dir_make(e, err);

    if (rc) {
        return rc;
    }
    const char *path = fl_arena_fmt(e->arena, "%s/%s", e->key_dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    int failed = fd < 0 ? errno : 0;

    while (!failed && content.n > 0) {
        ssize_t n = write(fd, content.p, content.n);

        if (n < 0) {
            failed = errno == EINTR ? 0 : errno;
            continue;
        }
        content.p += n;
        content.n -= (size_t)n;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    if (failed) {
        return fl_file_fail(failed, "write", path, err);
    }
    *ret = path;
    return 0;
}

/* ---- address ---- */

/* Resolved here, checked, and given to git as the only answer: a name that answers otherwise the
 * next time does not lead git to another address. */
static int env_resolve(struct fl_remote *r, const struct fl_git_url *u, const char *host,
                       const struct fl_ctx *ctx, char ret[64], struct fl_err *err)
{
    return fl_http_resolve(host, u->port, r->private_hosts ? FL_REACH_PUBLIC : FL_REACH_ANY,
                           r->private_hosts, ctx, ret, err);
}

/* ---- http ---- */

static int env_http_trust(struct git_env *e, struct fl_err *err)
{
    struct git_cred *c = &e->remote->cred;
    const char *path = NULL;
    int rc = 0;

    if (e->remote->insecure) {
        git_env_config(e, "http.sslVerify", "false");
    }
    if (c->ca_pem) {
        rc = key_file(e, "ca.pem", fl_str_of(c->ca_pem), 0600, &path, err);
        if (!rc) {
            git_env_config(e, "http.sslCAInfo", path);
            /* libcurl adds its built-in folder of authorities: those are not to be trusted, and
             * to read some 300 files costs GnuTLS more than a small fetch. */
            git_env_config(e, "http.sslCAPath", "/nonexistent");
        }
    }
    if (!rc && c->cert_pem) {
        rc = key_file(e, "cert.pem", fl_str_of(c->cert_pem), 0600, &path, err);
        if (!rc) {
            git_env_config(e, "http.sslCert", path);
            rc = key_file(e, "cert.key", (struct fl_str){c->cert_key.p, c->cert_key.n}, 0600, &path,
                          err);
        }
        if (!rc) {
            git_env_config(e, "http.sslKey", path);
        }
    }
    return rc;
}

/* Scoped by the repository's URL: whatever else git may be led to ask gets no header. */
static int env_http_auth(struct git_env *e, const char *url, const struct fl_ctx *ctx,
                         struct fl_err *err)
{
    fl_auto_val(fl_secret) auth = {0};
    int rc = git_authorize(e->remote, ctx, &auth, &e->token, err);

    if (rc || auth.n == 0) {
        return rc;
    }
    const char *key = fl_arena_fmt(e->arena, "http.%s.extraHeader", url);
    char *value = fl_arena_fmt(e->arena, "Authorization: %s", auth.p);
    git_env_config(e, key, value);
    fl_wipe(value, strlen(value));
    return 0;
}

static int env_http(struct git_env *e, const struct fl_git_url *u, const char *url,
                    const char *address, const struct fl_ctx *ctx, struct fl_err *err)
{
    /* libcurl: "HOST:PORT:ADDRESS". An address in the URL is pinned by itself, and has no such
     * form for IPv6. */
    if (!u->ipv6) {
        bool v6 = strchr(address, ':') != NULL;

        git_env_config(e, "http.curloptResolve",
                       fl_arena_fmt(e->arena, "%.*s:%u:%s%s%s", FL_STR_ARG(u->host),
                                    (unsigned)u->port, v6 ? "[" : "", address, v6 ? "]" : ""));
    }
    int rc = env_http_trust(e, err);
    return rc ? rc : env_http_auth(e, url, ctx, err);
}

/* ---- ssh ---- */

/* run_dir is the program's own, not the user's text; quoted for the shell that git hands the
 * command to. */
static void shell_quote(struct fl_buf *b, const char *s)
{
    fl_assert(s);
    fl_buf_char(b, '\'');
    for (; *s; s++) {
        if (*s == '\'') {
            fl_buf_text(b, "'\\''");
        } else {
            fl_buf_char(b, *s);
        }
    }
    fl_buf_char(b, '\'');
}

static void ssh_option(struct fl_buf *b, const char *name, const char *value)
{
    fl_auto_text text = fl_asprintf("%s=%s", name, value);

    fl_buf_text(b, " -o ");
    shell_quote(b, text);
}

/* A path as ssh_config takes it: quoted, since it may have spaces. */
static void ssh_path(struct fl_buf *b, const char *name, const char *path)
{
    fl_auto_text text = fl_asprintf("\"%s\"", path);

    ssh_option(b, name, text);
}

/* The passphrase: BatchMode would forbid to ask for it; the asking goes to a script of ours that
 * knows it. */
static int env_ssh_passphrase(struct git_env *e, struct fl_buf *cmd, struct fl_err *err)
{
    struct git_cred *c = &e->remote->cred;
    const char *script = NULL;
    const char *path = NULL;
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);

    if (c->password.n == 0) {
        ssh_option(cmd, "BatchMode", "yes");
        git_env_set(e, "SSH_ASKPASS", "/bin/false");
        return 0;
    }
    int rc =
        key_file(e, "passphrase", (struct fl_str){c->password.p, c->password.n}, 0600, &path, err);
    if (rc) {
        return rc;
    }
    fl_buf_text(&text, "#!/bin/sh\nexec cat ");
    shell_quote(&text, path);
    fl_buf_char(&text, '\n');
    rc = key_file(e, "askpass", fl_buf_slice(&text), 0700, &script, err);
    if (rc) {
        return rc;
    }
    git_env_set(e, "SSH_ASKPASS", script);
    git_env_set(e, "SSH_ASKPASS_REQUIRE", "force");
    ssh_option(cmd, "NumberOfPasswordPrompts", "1");
    return 0;
}

static void env_ssh_fixed(struct fl_buf *cmd)
{
    static const char *const rows[][2] = {
        {"IdentitiesOnly", "yes"},
        {"IdentityAgent", "none"},
        {"PreferredAuthentications", "publickey"},
        {"StrictHostKeyChecking", "yes"},
        {"UpdateHostKeys", "no"},
        {"GlobalKnownHostsFile", "/dev/null"},
        {"CheckHostIP", "no"},
        {"ForwardAgent", "no"},
        {"ForwardX11", "no"},
        {"PermitLocalCommand", "no"},
        {"ControlMaster", "no"},
        {"ControlPath", "none"},
        {"ConnectTimeout", "10"},
        {"ServerAliveInterval", "10"},
        {"ServerAliveCountMax", "3"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        ssh_option(cmd, rows[i][0], rows[i][1]);
    }
}

static int env_ssh(struct git_env *e, const struct fl_git_url *u, const char *address,
                   struct fl_err *err)
{
    struct git_cred *c = &e->remote->cred;
    fl_auto_val(fl_buf) cmd = FL_BUF_INIT(FL_BUF_ANY);
    const char *identity = NULL;
    const char *known = NULL;
    /* As known_hosts has it: brackets only with another port than 22. */
    const char *alias =
        u->port == 22 ? fl_arena_fmt(e->arena, "%.*s", FL_STR_ARG(u->host))
                      : fl_arena_fmt(e->arena, "[%.*s]:%u", FL_STR_ARG(u->host), (unsigned)u->port);
    int rc = key_file(e, "identity", (struct fl_str){c->identity.p, c->identity.n}, 0600, &identity,
                      err);
    if (!rc) {
        rc = key_file(e, "known_hosts", (struct fl_str){c->known_hosts.p, c->known_hosts.n}, 0600,
                      &known, err);
    }
    if (rc) {
        return rc;
    }
    fl_buf_text(&cmd, "ssh -F none -i ");
    shell_quote(&cmd, identity);
    env_ssh_fixed(&cmd);
    ssh_path(&cmd, "UserKnownHostsFile", known);
    ssh_option(&cmd, "HostName", address);
    ssh_option(&cmd, "HostKeyAlias", alias);
    rc = env_ssh_passphrase(e, &cmd, err);
    git_env_set(e, "GIT_SSH_COMMAND", cmd.data);
    git_env_set(e, "GIT_SSH_VARIANT", "ssh");
    return rc;
}

int git_env_remote(struct git_env *e, struct fl_remote *r, const char *url,
                   const struct fl_ctx *ctx, struct fl_err *err)
{
    static const char *const schemes[] = {
        [FL_GIT_HTTPS] = "https", [FL_GIT_HTTP] = "http", [FL_GIT_SSH] = "ssh"};
    struct fl_git_url u;
    char address[64];
    int rc = fl_git_url_parse(fl_str_of(url), &u, err);

    if (rc) {
        return rc;
    }
    e->remote = r;
    git_env_set(e, "GIT_ALLOW_PROTOCOL", schemes[u.scheme]);
    rc = env_resolve(r, &u, fl_arena_str(e->arena, u.host), ctx, address, err);
    if (rc) {
        return rc;
    }
    return u.scheme == FL_GIT_SSH ? env_ssh(e, &u, address, err)
                                  : env_http(e, &u, url, address, ctx, err);
}
