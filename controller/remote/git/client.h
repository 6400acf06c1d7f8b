/* SPDX-License-Identifier: Apache-2.0
 * One git remote: its URL, credentials, trust, and what was learnt of it; GitHub App tokens; the environment that git's
 * commands get for it. */
#ifndef FL_REMOTE_GIT_CLIENT_H
#define FL_REMOTE_GIT_CLIENT_H

#include "base/map.h"
#include "base/secret.h"
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
 * provider GitHub and the reverse; credentials over plain http. */
int git_cred_parse(const struct fl_remote_conf *conf, const struct fl_git_url *url,
                   struct git_cred *ret, struct fl_err *err);
void git_cred_release(struct git_cred *c);

struct git_app; /* tokens of one installation; any thread */
struct git_app *git_app_new(const struct git_cred *cred, struct fl_http *http,
                            struct fl_clock *clock);
void git_app_free(struct git_app *a);
/* A token with at least 5 min left, kept. AUTH "AppRejected" with GitHub's words; INVALID "AppKeyInvalid". */
int git_app_token(struct git_app *a, const struct fl_ctx *ctx, struct fl_secret *ret,
                  struct fl_err *err);
void git_app_drop(struct git_app *a, const struct fl_secret *token); /* it was refused */

struct fl_remote {
    struct fl_git_url url;
    char *url_text;
    struct git_cred cred;
    struct git_app *app; /* NULL */
    struct fl_http *http;
    struct fl_clock *clock;
    char *run_dir; /* private folder for key files of running commands */
    const char *const *private_hosts;
    int64_t timeout_ms;
    struct fl_lock lock; /* below: what was learnt */
    bool learnt;
    struct git_caps caps;
    enum fl_git_protocol protocol;
    char *at_url; /* after a redirect on the same host; NULL */
    char *etag;   /* dumb */
    int64_t learnt_ms;
};

/* The value of Authorization for now: basic, bearer, or an App's token as basic "x-access-token". Empty without credentials. */
int git_authorization(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_secret *ret,
                      struct fl_err *err);
/* Slots of the port. */
int git_list(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
             const struct fl_ref_filter *filter, struct fl_ref_list *ret, struct fl_err *err);
int git_list_target(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
                    const struct fl_ref_filter *filter, struct fl_ref_list *ret,
                    struct fl_err *err);

#endif
