/* SPDX-License-Identifier: Apache-2.0
 * Git remotes and bare repositories in memory behind the mirror port, a webhook receiver and a
 * live hub beside them, for tests of what stands above the ports. No file, no process. Calls are
 * counted, can be failed and held.  A commit is a path of words, "a.b": the child of "a". Its
 * object id follows from its text, so a test says what a ref points at by that path. An update
 * is forced where the old path is no ancestor of the new, or the ref is a tag.  A URL is a
 * remote (source or push target), a path a repository; each is made when it is first named. An
 * adapter has no state of its own, so there is one world a process. Any thread. */
#ifndef FL_TESTS_FAKE_MIRROR_PORT_H
#define FL_TESTS_FAKE_MIRROR_PORT_H

#include "base/buf.h"
#include "port/adapter.h"
#include "port/hook.h"
#include "port/live.h"
#include "port/mirror.h"

struct fl_fake_git;

enum fl_fake_git_call {
    FL_FAKE_GIT_LIST,
    FL_FAKE_GIT_FETCH, /* a process, as the next ones */
    FL_FAKE_GIT_FORCED,
    FL_FAKE_GIT_MOVE,
    FL_FAKE_GIT_PUSH,
    FL_FAKE_GIT_FETCH_LFS,
    FL_FAKE_GIT_USES_LFS,
    FL_FAKE_GIT_UPKEEP,
    FL_FAKE_GIT_LIST_TARGET, /* none, as the next ones */
    FL_FAKE_GIT_OPEN,        /* of a repository */
    FL_FAKE_GIT_REFS,
    FL_FAKE_GIT_KEPT,
    FL_FAKE_GIT_SIZE,
    FL_FAKE_GIT_REMOVE,
    FL_FAKE_GIT_CALLS
};

extern const struct fl_adapter fl_fake_git_adapter; /* "git" */
extern const struct fl_hooks_ops fl_fake_hooks_ops; /* self: fl_fake_git_hooks */
extern const struct fl_live_ops fl_fake_live_ops;   /* self: fl_fake_git_live */

struct fl_fake_git *fl_fake_git_new(void);
void fl_fake_git_free(struct fl_fake_git *w); /* all remotes and repositories were closed */

struct fl_fake_git_conf {
    const char *user, *password; /* NULL: anonymous */
    const char *reject;          /* a push target refuses refs that begin so; NULL = none */
    bool v0;
};
void fl_fake_git_setup(struct fl_fake_git *w, const char *url, const struct fl_fake_git_conf *conf);
/* place: URL or path; "heads/main" and "tags/v1" stand for the full names. commit NULL: the ref
 * goes. */
void fl_fake_git_set(struct fl_fake_git *w, const char *place, const char *ref, const char *commit);
void fl_fake_git_head(struct fl_fake_git *w, const char *url, const char *ref);
void fl_fake_git_clear(struct fl_fake_git *w, const char *url); /* all refs go */
void fl_fake_git_lose(struct fl_fake_git *w, const char *path); /* somebody removes the folder */
/* The world's refs beneath refs/, sorted: "HEAD:heads/main heads/main=a.b tags/v1=a". */
char *fl_fake_git_text(struct fl_fake_git *w, const char *place);
bool fl_fake_git_exists(struct fl_fake_git *w, const char *path); /* a repository that was made */
void fl_fake_git_oid(const char *commit, char ret[41]);
void fl_fake_git_lfs(struct fl_fake_git *w, const char *path, bool uses);
void fl_fake_git_grow(struct fl_fake_git *w, const char *path, int64_t bytes); /* its size */
/* The next call of upkeep has something to do. */
void fl_fake_git_upkeep_due(struct fl_fake_git *w);

/* A failure for calls of one kind; the first that fits is used. */
struct fl_fake_git_fault {
    const char *place; /* NULL: any */
    enum fl_fake_git_call call;
    int times; /* -1: always */
    enum fl_code code;
    const char *reason, *message;
    int64_t retry_after_ms; /* -1: none */
};
void fl_fake_git_fail(struct fl_fake_git *w, const struct fl_fake_git_fault *f);
void fl_fake_git_heal(struct fl_fake_git *w);
/* Calls of one kind wait until released or cancelled. */
void fl_fake_git_hold(struct fl_fake_git *w, enum fl_fake_git_call call);
void fl_fake_git_release(struct fl_fake_git *w);
size_t fl_fake_git_held(struct fl_fake_git *w); /* calls that wait now */

/* Calls so far, failed ones too; place NULL: at all. */
size_t fl_fake_git_count(struct fl_fake_git *w, const char *place, enum fl_fake_git_call call);
size_t fl_fake_git_requests(struct fl_fake_git *w);  /* LIST and LIST_TARGET */
size_t fl_fake_git_processes(struct fl_fake_git *w); /* calls that the adapter starts git for */
size_t fl_fake_git_calls(struct fl_fake_git *w);     /* all */
size_t fl_fake_git_opened(struct fl_fake_git *w);    /* remotes opened so far */
size_t fl_fake_git_open(struct fl_fake_git *w);      /* remotes open now */
/* What came of the conf of the last remote opened: "hosts=a,b provider=github run=/x secret=2". */
char *fl_fake_git_last_conf(struct fl_fake_git *w);

struct fl_hooks *fl_fake_git_hooks(struct fl_fake_git *w);
struct fl_live *fl_fake_git_live(struct fl_fake_git *w);
/* The routes, sorted: "default/m type=1 secret=xyz place=h.example/r; ". */
char *fl_fake_git_routes(struct fl_fake_git *w);
size_t fl_fake_git_puts(struct fl_fake_git *w); /* so far */
/* What was told so far: "default/m Webhook heads/main +a; ". */
char *fl_fake_git_told(struct fl_fake_git *w);

#endif
