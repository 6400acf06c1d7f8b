/* SPDX-License-Identifier: Apache-2.0
 * Webhooks, as a reconciler sees them: it says which of its objects may be woken by whom; the receiver (hook/) does the rest
 * and puts the key in the queue. Any thread. Source: reference scm.md 3.2, git-and-pipelines.md 4.3. */
#ifndef FL_PORT_HOOK_H
#define FL_PORT_HOOK_H

#include "base/secret.h"

struct fl_kind;

enum fl_hook_type {
    FL_HOOK_GENERIC_HMAC, /* X-Signature: sha256=<hex> */
    FL_HOOK_GITHUB,
    FL_HOOK_GITLAB,
    FL_HOOK_GITEA, /* and Forgejo */
    FL_HOOK_GOGS,
    FL_HOOK_BITBUCKET,
    FL_HOOK_BITBUCKET_SERVER,
};

#define FL_HOOK_PATH 80 /* "/hook/" and 64 hex digits, terminated */

struct fl_hook_route {
    const struct fl_kind *kind;
    struct fl_str ns, name;
    enum fl_hook_type type;
    const struct fl_secret *secret; /* copied; empty: no path of its own, only by `place` */
    /* fl_git_url_place of the repository, for deliveries that one sender makes for all (/hook/github); empty: none */
    struct fl_str place;
};

struct fl_hooks; /* the receiver */
struct fl_hooks_ops {
    /* Adds or replaces the route of an object; ret gets its path, "" without a secret: hex SHA-256 over secret, kind,
     * namespace and name, so it cannot be guessed and changes with the secret. */
    void (*put)(struct fl_hooks *h, const struct fl_hook_route *route, char ret_path[FL_HOOK_PATH]);
    void (*drop)(struct fl_hooks *h, const struct fl_kind *kind, struct fl_str ns,
                 struct fl_str name);
};

#endif
