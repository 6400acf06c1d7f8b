/* SPDX-License-Identifier: Apache-2.0
 * What git's words mean. Of git 2.39; each text stands in the source file that is named. Git
 * promises none of them: what is not in the table is told as it is, and tried again. */
#include <signal.h>

#include "base/log.h"
#include "remote/git/command.h"

struct words {
    const char *text; /* stands in a line */
    enum fl_code code;
    const char *reason;
    const char *say; /* for a person; NULL: git's line alone */
};

/* The first row that is met counts, so what is special stands before what is general. */
static const struct words rows[] = {
    /* disk and limits: wrapper.c, csum-file.c, builtin/index-pack.c, run-command.c */
    {"No space left on device", FL_E_UNAVAILABLE, "DiskFull", "the disk is full"},
    {"Disk quota exceeded", FL_E_UNAVAILABLE, "DiskFull", "the disk quota is used up"},
    {"Read-only file system", FL_E_UNAVAILABLE, "DiskReadOnly", "the disk is read-only"},
    {"died of signal 25", FL_E_TOO_BIG, "PackTooBig", "the pack is larger than allowed"},
    {"File too large", FL_E_TOO_BIG, "PackTooBig", "the pack is larger than allowed"},
    {"pack exceeds maximum allowed size", FL_E_TOO_BIG, "PackTooBig",
     "the pack is larger than allowed"},
    /* ssh: OpenSSH sshconnect.c, clientloop.c */
    {"REMOTE HOST IDENTIFICATION HAS CHANGED", FL_E_AUTH, "HostKeyUnknown",
     "the host's key is another one than known_hosts has"},
    {"Host key verification failed", FL_E_AUTH, "HostKeyUnknown",
     "the host's key is not in known_hosts"},
    {"Permission denied (", FL_E_AUTH, "AuthenticationFailed", "the host refused the key"},
    {"Load key ", FL_E_AUTH, "AuthenticationFailed", "the key cannot be read"},
    /* remote-curl.c, http.c, credential.c */
    {"Authentication failed for", FL_E_AUTH, "AuthenticationFailed",
     "the remote refused the credentials"},
    {"could not read Username", FL_E_AUTH, "AuthenticationFailed",
     "the remote asks for credentials"},
    {"could not read Password", FL_E_AUTH, "AuthenticationFailed",
     "the remote refused the credentials"},
    {"returned error: 401", FL_E_AUTH, "AuthenticationFailed",
     "the remote refused the credentials"},
    {"returned error: 403", FL_E_AUTH, "AuthenticationFailed", "the remote denied access"},
    {"returned error: 407", FL_E_AUTH, "ProxyAuthenticationFailed",
     "the proxy asks for credentials"},
    {"returned error: 429", FL_E_LIMITED, "RateLimited", "the remote asks to come later"},
    {"returned error: 404", FL_E_NOT_FOUND, "RepositoryNotFound", "there is no such repository"},
    {"returned error: 30", FL_E_INVALID, "Redirected",
     "the remote sends elsewhere, which is not followed"},
    {"returned error: 5", FL_E_UNAVAILABLE, "RemoteUnavailable", "the remote has a fault"},
    /* connect.c, upload-pack.c, GitHub, GitLab */
    {"couldn't find remote ref", FL_E_CONFLICT, "RemoteMoved", "the remote moved meanwhile"},
    {"remote ref does not exist", FL_E_CONFLICT, "RemoteMoved", "the remote moved meanwhile"},
    {"not our ref", FL_E_CONFLICT, "RemoteMoved", "the remote moved meanwhile"},
    {"Server does not allow request for unadvertised object", FL_E_CONFLICT, "RemoteMoved",
     "the remote moved meanwhile"},
    {"does not appear to be a git repository", FL_E_NOT_FOUND, "RepositoryNotFound",
     "there is no such repository"},
    {"' not found", FL_E_NOT_FOUND, "RepositoryNotFound", "there is no such repository"},
    {"epository not found", FL_E_NOT_FOUND, "RepositoryNotFound", "there is no such repository"},
    {"repository not exported", FL_E_NOT_FOUND, "RepositoryNotFound",
     "there is no such repository"},
    {"is this a git repository", FL_E_BAD_DATA, "ProtocolError", "this is no git server"},
    {"invalid server response", FL_E_BAD_DATA, "ProtocolError", "this is no git server"},
    {"shallow roots are not allowed", FL_E_BAD_DATA, "RemoteShallow",
     "the remote has no whole history itself"},
    {"source repository is shallow", FL_E_BAD_DATA, "RemoteShallow",
     "the remote has no whole history itself"},
    /* fsck.c, builtin/index-pack.c, builtin/unpack-objects.c, connected.c */
    {"fsck error", FL_E_BAD_DATA, "FsckFailed", "an object is malformed"},
    {"Error in object", FL_E_BAD_DATA, "FsckFailed", "an object is malformed"},
    {"did not send all necessary objects", FL_E_BAD_DATA, "PackIncomplete",
     "the remote did not send all objects"},
    {"pack has ", FL_E_BAD_DATA, "PackCorrupt", "the pack is damaged"},
    {"pack is corrupted", FL_E_BAD_DATA, "PackCorrupt", "the pack is damaged"},
    {"bad pack", FL_E_BAD_DATA, "PackCorrupt", "the pack is damaged"},
    {"bad line length", FL_E_BAD_DATA, "ProtocolError", "the remote broke the protocol"},
    /* refs/files-backend.c, refs/packed-backend.c, lockfile.c */
    {".lock': File exists", FL_E_CONFLICT, "RefLocked", "a lock is held"},
    {"but expected", FL_E_CONFLICT, "RefMoved", "a ref was moved by somebody else"},
    {"reference already exists", FL_E_CONFLICT, "RefMoved", "a ref was moved by somebody else"},
    {"unable to resolve reference", FL_E_CONFLICT, "RefMoved", "a ref was moved by somebody else"},
    {"cannot lock ref", FL_E_CONFLICT, "RefMoved", "a ref cannot be moved"},
    {"nonexistent object", FL_E_BAD_DATA, "ObjectMissing", "an object is not in the repository"},
    {"non-commit object", FL_E_BAD_DATA, "RefInvalid", "a branch must name a commit"},
    /* http.c, libcurl, connect.c */
    {"Could not resolve host", FL_E_UNAVAILABLE, "HostNotFound", NULL},
    {"SSL certificate", FL_E_UNAVAILABLE, "TLSFailed", NULL},
    {"certificate verification failed", FL_E_UNAVAILABLE, "TLSFailed", NULL},
    {"onnection refused", FL_E_UNAVAILABLE, "RemoteUnavailable", NULL},
    {"timed out", FL_E_UNAVAILABLE, "RemoteUnavailable", NULL},
    {"Operation too slow", FL_E_UNAVAILABLE, "RemoteUnavailable", "the remote sends too slowly"},
    {"hung up", FL_E_UNAVAILABLE, "RemoteUnavailable", "the remote broke off"},
    {"early EOF", FL_E_UNAVAILABLE, "RemoteUnavailable", "the remote broke off"},
    {"RPC failed", FL_E_UNAVAILABLE, "RemoteUnavailable", NULL},
    {"unable to access", FL_E_UNAVAILABLE, "RemoteUnavailable", NULL},
};

static bool line_has(struct fl_str line, const char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; i + n <= line.n; i++) {
        if (memcmp(line.p + i, text, n) == 0) {
            return true;
        }
    }
    return false;
}

/* Progress is written over itself with CR. */
static struct fl_str last_of_line(struct fl_str line)
{
    for (size_t i = line.n; i > 0; i--) {
        if (line.p[i - 1] == '\r' && i < line.n) {
            return fl_str_trim((struct fl_str){line.p + i, line.n - i});
        }
    }
    return fl_str_trim(line);
}

static const struct words *find_words(struct fl_str text, struct fl_str *ret_line)
{
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_str rest = text;
        struct fl_str line;

        while (rest.n > 0) {
            (void)fl_str_cut(&rest, '\n', &line);
            if (line_has(line, rows[i].text)) {
                *ret_line = last_of_line(line);
                return &rows[i];
            }
        }
    }
    return NULL;
}

/* The last "fatal:" or "error:", else the last that is not empty. */
static struct fl_str last_words(struct fl_str text)
{
    struct fl_str told = {0};
    struct fl_str any = {0};
    struct fl_str line;

    while (text.n > 0) {
        (void)fl_str_cut(&text, '\n', &line);
        line = last_of_line(line);
        if (fl_str_starts(line, "fatal: ") || fl_str_starts(line, "error: ")) {
            told = line;
        }
        if (line.n > 0) {
            any = line;
        }
    }
    return told.n > 0 ? told : any;
}

static struct fl_str without_mark(struct fl_str line)
{
    static const char *const marks[] = {"fatal: ", "error: ", "remote: "};

    for (size_t i = 0; i < FL_LEN(marks); i++) {
        if (fl_str_starts(line, marks[i])) {
            line.p += strlen(marks[i]);
            line.n -= strlen(marks[i]);
        }
    }
    return line;
}

int git_fail(const struct fl_proc_resp *r, const char *what, struct fl_err *err)
{
    struct fl_str text = fl_buf_slice(&r->err);
    struct fl_str line = {0};
    const struct words *w = find_words(text, &line);
    fl_auto_val(fl_buf) said = FL_BUF_INIT(FL_BUF_ANY);

    if (r->signal == SIGXFSZ) {
        return fl_fail(err, FL_E_TOO_BIG, "PackTooBig", "%s: the pack is larger than allowed",
                       what);
    }
    if (!w) {
        line = last_words(text);
    }
    fl_redact(&said, without_mark(line));
    if (w && w->say) {
        return fl_fail(err, w->code, w->reason, "%s: %s: git says: %s", what, w->say, said.data);
    }
    if (said.len > 0) {
        return fl_fail(err, w ? w->code : FL_E_UNAVAILABLE, w ? w->reason : "GitFailed",
                       "%s: git says: %s", what, said.data);
    }
    return r->signal ? fl_fail(err, FL_E_UNAVAILABLE, "GitFailed", "%s: git was ended by signal %d",
                               what, r->signal)
                     : fl_fail(err, FL_E_UNAVAILABLE, "GitFailed", "%s: git ended with code %d",
                               what, r->exit_code);
}

int git_fail_remote(struct git_env *e, const struct fl_proc_resp *r, const char *what,
                    struct fl_err *err)
{
    int rc = git_fail(r, what, err);
    struct fl_url at;

    if (rc == FL_E_LIMITED && e->remote && e->remote->http &&
        fl_url_parse(fl_str_of(e->remote->url_text), &at, NULL) == 0) {
        int64_t wait_ms = git_host_refused(e->remote->clock, &at, -1);

        if (err) {
            err->retry_after_ms = wait_ms;
        }
    }
    if (rc == FL_E_AUTH && e->token.n > 0 && e->remote && e->remote->app) {
        git_app_drop(e->remote->app, &e->token);
    }
    return rc;
}
