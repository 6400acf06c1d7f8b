/* SPDX-License-Identifier: Apache-2.0
 * A real git server for tests: `git http-backend` over wire/httpd on 127.0.0.1, for all
 * repositories beneath a folder. Nobody may push unless conf.push says so. fl_proc_global_init
 * in main. Any thread. */
#ifndef FL_FAKE_GITHTTP_H
#define FL_FAKE_GITHTTP_H

#include "base/buf.h"

struct fl_fake_githttp;

struct fl_fake_githttp_conf {
    const char *root;            /* "<root>/a.git" is "<url>/a.git" */
    const char *user, *password; /* basic authentication; NULL: everybody */
    bool drop_git_protocol;      /* as a proxy that does not know the header: always v0 */
    bool push;                   /* git-receive-pack is allowed */
};

struct fl_fake_githttp *fl_fake_githttp_new(const struct fl_fake_githttp_conf *conf);
void fl_fake_githttp_free(struct fl_fake_githttp *s); /* releases what is held */
FL_AUTO(fl_fake_githttp);
const char *fl_fake_githttp_url(const struct fl_fake_githttp *s); /* "http://127.0.0.1:1234" */
int fl_fake_githttp_requests(struct fl_fake_githttp *s);          /* since the last call of this */

/* Holds requests whose path ends with `suffix` ("/git-upload-pack") before they are answered, until
 * released. */
void fl_fake_githttp_hold(struct fl_fake_githttp *s, const char *suffix);
/* Waits until one is held; false after 60 s. */
bool fl_fake_githttp_wait_held(struct fl_fake_githttp *s);
void fl_fake_githttp_release(struct fl_fake_githttp *s);

/* Answers requests whose path ends with `suffix` with this status and nothing else. NULL: no
 * more. */
void fl_fake_githttp_fail(struct fl_fake_githttp *s, const char *suffix, int status);

/* From now on requests beneath the path `from` ("/old.git") are sent on to the same beneath `to`. */
void fl_fake_githttp_moved(struct fl_fake_githttp *s, const char *from, const char *to);

#endif
