/* SPDX-License-Identifier: Apache-2.0
 * What the domain asks of remotes: an adapter is one vendor, a port is what it offers. Adapters read no Kubernetes object
 * and no environment. All adapters are listed in app/adapters.c. */
#ifndef FL_PORT_ADAPTER_H
#define FL_PORT_ADAPTER_H

#include "base/ctx.h"
#include "base/secret.h"

struct fl_registry_ops; /* port/registry.h */
struct fl_mirror_ops;   /* port/mirror.h */
struct fl_repo_ops;

/* an opened connection to one remote; any thread, many calls at once. Each vendor defines its own */
struct fl_remote;

struct fl_remote_key { /* one entry of the Secret */
    const char *key;
    struct fl_str value;
};

struct fl_remote_conf {
    const char *url; /* checked by its kind, no credentials */
    /* the Secret's entries; copied (as fl_secret) where they are kept */
    const struct fl_remote_key *secret;
    size_t n_secret;    /* 0: anonymous */
    const char *ca_pem; /* NULL: the system's store */
    bool insecure;
    int64_t timeout_ms; /* one small call */
    int max_concurrent; /* calls in flight */
    const char *
        provider; /* spec.provider, where a kind has one: which keys of the Secret have a meaning; NULL */
    /* NULL: private addresses are fine, as the registry port has it. Else NULL-ended: names (globs), addresses and CIDR blocks
     * that may be private or loopback; all others must be public. Copied. */
    const char *const *private_hosts;
    const char
        *run_dir; /* a private folder for key files of running commands; NULL where none are run */
    struct fl_clock *clock;
};

struct fl_adapter {
    const char *name; /* spec.type, lower case */
    /* No network. INVALID "SecretInvalid" names the keys that are allowed; "CAInvalid"; "InvalidURL". */
    int (*open)(const struct fl_remote_conf *conf, struct fl_remote **ret, struct fl_err *err);
    void (*close)(struct fl_remote *r);     /* NULL is fine; no call is running */
    const struct fl_registry_ops *registry; /* NULL = not offered */
    const struct fl_mirror_ops *mirror;
    const struct fl_repo_ops *repo;
};

#endif
