/* SPDX-License-Identifier: Apache-2.0
 * Large files, by git-lfs where it is installed. Of git-lfs 3.3; sources: its docs/man/git-lfs-config,
 * docs/api/server-discovery, commands/commands.go (LoggedError), lfsapi/endpoint_finder.go. */
#include "remote/git/lfs.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "remote/git/repo_priv.h"

static bool lfs_is_here(void)
{
    static const char *const places[] = {"/usr/local/bin/git-lfs", "/usr/bin/git-lfs",
                                         "/bin/git-lfs"};
    for (size_t i = 0; i < FL_LEN(places); i++) {
        if (access(places[i], X_OK) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- failures ---- */

static bool tells(struct fl_str line)
{
    static const char *const noise[] = {
        "error: ", "fatal: ", "GIT_", "Unable to log panic", "Errors logged to", "Use `git lfs",
    };
    for (size_t i = 0; i < FL_LEN(noise); i++) {
        if (fl_str_starts(line, noise[i])) {
            return false;
        }
    }
    return line.n > 0;
}

static struct fl_str without(struct fl_str line, const char *start)
{
    size_t n = strlen(start);
    return fl_str_starts(line, start) ? (struct fl_str){line.p + n, line.n - n} : line;
}

/* The answer to the batch, else the first line that is about something. */
static struct fl_str telling_line(struct fl_str text)
{
    struct fl_str first = {0};
    struct fl_str last = {0};
    struct fl_str line;

    while (text.n > 0) {
        (void)fl_str_cut(&text, '\n', &line);
        line = fl_str_trim(line);
        if (fl_str_starts(line, "batch response: ")) {
            return without(without(line, "batch response: "), "Fatal error: ");
        }
        if (first.n == 0 && tells(line)) {
            first = line;
        }
        if (fl_str_starts(line, "error: ")) {
            last = without(line, "error: ");
        }
    }
    return first.n > 0 ? first : last;
}

int git_lfs_fail(const struct fl_proc_resp *r, struct fl_err *err)
{
    struct fl_str line = telling_line(fl_buf_slice(&r->err));
    bool auth = fl_str_starts(line, "Authentication required") ||
                fl_str_starts(line, "Git credentials for ");
    fl_auto_val(fl_buf) said = FL_BUF_INIT(FL_BUF_ANY);

    if (line.n > 0 && line.p[line.n - 1] == ':') {
        line.n--;
    }
    fl_redact(&said, line);
    if (said.len > 0) {
        return fl_fail(err, auth ? FL_E_AUTH : FL_E_UNAVAILABLE, "LFSFailed", "git-lfs says: %s",
                       said.data);
    }
    return r->signal ? fl_fail(err, FL_E_UNAVAILABLE, "LFSFailed", "git-lfs was ended by signal %d",
                               r->signal)
                     : fl_fail(err, FL_E_UNAVAILABLE, "LFSFailed", "git-lfs ended with code %d",
                               r->exit_code);
}

/* An App's token may end while large files come: with another one the rest is fetched soon. */
static int lfs_fail(struct git_env *e, const struct fl_proc_resp *r, struct fl_err *err)
{
    int rc = git_lfs_fail(r, err);

    if (rc != FL_E_AUTH || !e->remote->app || e->token.n == 0) {
        return rc;
    }
    git_app_drop(e->remote->app, &e->token);
    if (err) {
        err->code = FL_E_UNAVAILABLE;
    }
    return FL_E_UNAVAILABLE;
}

/* ---- fetch ---- */

const char *git_lfs_url(struct fl_arena *a, const char *url)
{
    bool git = fl_str_ends(fl_str_of(url), ".git");

    return fl_text_starts(url, "ssh://") ? fl_arena_text(a, url)
                                         : fl_arena_fmt(a, "%s%s/info/lfs", url, git ? "" : ".git");
}

/* When it fails git-lfs writes its whole environment, and with it the credentials, into a new file
 * in lfs/logs, beneath what others read. A file in the folder's place keeps it from that. */
static int lfs_no_logs(const struct fl_repo *repo, struct fl_err *err)
{
    fl_auto_text folder = fl_asprintf("%s/lfs", repo->path);
    fl_auto_text logs = fl_asprintf("%s/logs", folder);
    struct stat st;

    if (lstat(logs, &st) == 0 && S_ISREG(st.st_mode)) {
        return 0;
    }
    int rc = repo_remove_tree(logs, err);
    if (!rc && mkdir(folder, 0755) != 0 && errno != EEXIST) {
        rc = repo_fail(errno, "create folder", folder, err);
    }
    return rc ? rc : repo_write(logs, (struct fl_str){0}, err);
}

/* The variables win over the repository's own .lfsconfig, which could name any server or folder to
 * ask, and over what git-lfs has written into the configuration after a refusal. */
static void lfs_config(struct git_env *e, const char *url)
{
    git_env_config(e, "lfs.url", url);
    git_env_config(e, fl_arena_fmt(e->arena, "lfs.%s.access", url), "none");
    git_env_config(e, "lfs.skipDownloadErrors", "false");
}

/* git-lfs resolves names by itself: what is pinned for git is not for it. The header's scope takes in
 * what begins as the repository's URL does, "<url>.git/info/lfs" too. */
int git_fetch_lfs(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_repo *repo,
                  struct fl_err *err)
{
    fl_auto(fl_arena) a = fl_arena_new();
    const char *url = git_remote_place(r, a);
    const char *const argv[] = {"lfs", "fetch", "--all", url, NULL};
    fl_auto_val(fl_proc_resp) res;
    fl_auto_val(git_env) e;

    git_env_init(&e, a, repo->path);
    fl_proc_resp_init(&res);
    if (!lfs_is_here()) {
        return fl_fail(err, FL_E_UNSUPPORTED, "LFSNotInstalled",
                       "the program git-lfs is not installed here");
    }
    int rc = lfs_no_logs(repo, err);
    if (!rc) {
        rc = git_env_remote(&e, r, url, ctx, err);
    }
    if (!rc) {
        lfs_config(&e, git_lfs_url(a, url));
        rc = git_run(&e, argv, (struct fl_str){0}, repo->lock_fd, 0, ctx, &res, err);
    }
    if (!rc && res.exit_code != 0) {
        rc = lfs_fail(&e, &res, err);
    }
    fl_wipe(res.err.data, res.err.len);
    return rc;
}
