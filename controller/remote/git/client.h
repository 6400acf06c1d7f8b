/* SPDX-License-Identifier: Apache-2.0
 * One git remote: its URL, credentials, trust, and what was learnt of it; GitHub App tokens; the environment that git's
 * commands get for it. */
#ifndef FL_REMOTE_GIT_CLIENT_H
#define FL_REMOTE_GIT_CLIENT_H

#include "base/lock.h"
#include "base/secret.h"
#include "base/shared.h"
#include "base/url.h"
#include "port/adapter.h"
#include "remote/git/wire.h"
#include "wire/http.h"

enum git_auth { GIT_AUTH_NONE, GIT_AUTH_BASIC, GIT_AUTH_BEARER, GIT_AUTH_SSH, GIT_AUTH_APP };

/* From the Secret's entries: username+password | bearerToken | identity+known_hosts(+password) |
 * githubAppID + (githubAppInstallationID | githubAppInstallationOwner) + githubAppPrivateKey (+ githubAppBaseURL);
 * beside any of them ca.crt, tls.crt+tls.key. */
struct git_cred {
    enum git_auth auth;
    struct fl_secret username, password; /* BASIC; password: of the identity too */
    struct fl_secret token;              /* BEARER */
    struct fl_secret identity, known_hosts;
    struct fl_secret app_key;
    char *app_id, *app_installation, *app_owner, *app_base; /* base without its last '/' */
    char *ca_pem;                                           /* NULL: the conf's or the system's */
    char *cert_pem;
    struct fl_secret cert_key;
};
/* INVALID "SecretInvalid": names the keys that are missing, unknown together or of the wrong shape, and what is allowed; known_hosts
 * absent: says which line to add and how to get it (ssh-keyscan); a key with a passphrase and no password; App data without
 * provider GitHub and the reverse; credentials over plain http, unless the conf is insecure (no kind lets a user say so). */
int git_cred_parse(const struct fl_remote_conf *conf, const struct fl_git_url *url,
                   struct git_cred *ret, struct fl_err *err);
void git_cred_release(struct git_cred *c);
FL_AUTO_VAL(git_cred);

/* What remotes of this process have in common (share.c). Clients by trust: all remotes that trust alike, and may reach the same
 * addresses, share one with its connections. Counted. */
int git_http_take(const struct fl_http_conf *conf, struct fl_http **ret, struct fl_err *err);
void git_http_give(struct fl_http *h); /* NULL is fine */
/* One back-off per host and port: LIMITED "HostBackOff" with what is left while it holds. */
int git_host_check(struct fl_clock *clock, const struct fl_url *at, struct fl_err *err);
/* As above, and now it is asked: after refusals one goes first, and the others wait for what git_host_refused or _answered tells
 * of it. */
int git_host_enter(struct fl_clock *clock, const struct fl_url *at, struct fl_err *err);
void git_host_hold(struct fl_clock *clock, const struct fl_url *at, int64_t ms);
/* Too many requests, it said: it is left alone for wait_ms, or where it told none (-1) for 5 s, at each further refusal for twice
 * as long, up to 5 min. Returns how long. */
int64_t git_host_refused(struct fl_clock *clock, const struct fl_url *at, int64_t wait_ms);
void git_host_answered(struct fl_clock *clock, const struct fl_url *at); /* it bears requests */
/* What an answer says of the time to wait: Retry-After, else x-ratelimit-reset where x-ratelimit-remaining is 0 (GitHub; an hour
 * at most); -1: nothing. */
int64_t git_limit_ms(const struct fl_http_resp *r, const struct fl_ctx *ctx);

struct git_app; /* tokens of one installation; any thread */
/* Shared by all remotes with the same App, key, installation and client; counted. */
struct git_app *git_app_new(const struct git_cred *cred, struct fl_http *http,
                            struct fl_clock *clock);
void git_app_free(struct git_app *a); /* NULL is fine */
/* A token with at least 5 min left, kept. AUTH "AppRejected" with GitHub's words; INVALID "AppKeyInvalid"; LIMITED. */
int git_app_token(struct git_app *a, const struct fl_ctx *ctx, struct fl_secret *ret,
                  struct fl_err *err);
void git_app_drop(struct git_app *a, const struct fl_secret *token); /* it was refused */

struct git_known { /* what was learnt of a remote's ways */
    bool learnt;
    enum fl_git_protocol protocol;
    struct git_caps caps;
    char *at_url;           /* where it answers: the URL, or after redirects on the same host */
    char *etag;             /* dumb: of ... */
    struct fl_shared *body; /* ... this list, and ... */
    struct fl_shared *head; /* ... HEAD */
    int64_t learnt_ms;      /* monotonic */
};

void git_known_release(struct git_known *k);
FL_AUTO_VAL(git_known);

struct fl_remote {
    struct fl_git_url url; /* slices of url_text */
    char *url_text;        /* without '/' at its end */
    struct git_cred cred;
    struct git_app *app;  /* NULL */
    struct fl_http *http; /* NULL: ssh */
    struct fl_clock *clock;
    char *run_dir;                    /* private folder for key files of running commands; NULL */
    const char *const *private_hosts; /* owned; NULL: every address but link-local is fine */
    bool insecure;
    int64_t timeout_ms;
    struct fl_lock lock; /* below */
    struct git_known known;
};
/* The adapter's open and close. */
int git_remote_open(const struct fl_remote_conf *conf, struct fl_remote **ret, struct fl_err *err);
void git_remote_close(struct fl_remote *r);
/* Where it answered when it was last listed, after redirects on the same host; in the arena. */
const char *git_remote_place(struct fl_remote *r, struct fl_arena *a);

/* The value of Authorization for now: basic, bearer, or an App's token as basic "x-access-token". Empty without credentials.
 * Fails when a token cannot be had: nothing is tried without it. */
int git_authorization(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_secret *ret,
                      struct fl_err *err);
/* As above; ret_token: the App's token that is in it, for git_app_drop when it is refused. */
int git_authorize(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_secret *ret,
                  struct fl_secret *ret_token, struct fl_err *err);
/* Slots of the port. */
int git_list(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
             const struct fl_ref_filter *filter, struct fl_ref_list *ret, struct fl_err *err);
int git_list_target(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
                    const struct fl_ref_filter *filter, struct fl_ref_list *ret,
                    struct fl_err *err);

#endif
