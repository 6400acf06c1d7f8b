/* SPDX-License-Identifier: Apache-2.0
 * Opened remotes, shared by the passes that refer to the same Registry: kept while the Registry's spec and its Secrets are
 * the same, so that connections, tokens and limits are too. Any thread. */
#ifndef FL_RECONCILE_REMOTES_H
#define FL_RECONCILE_REMOTES_H

#include "api/v1alpha1/registry.h"
#include "engine/pass.h"
#include "port/adapter.h"
#include "port/registry.h"

struct fl_remotes;

/* One opened registry, counted. */
struct fl_registry_link {
    atomic_size_t refs;
    struct fl_remote *remote;
    const struct fl_registry_ops *ops;
    const struct fl_adapter *adapter;
    int64_t timeout_ms;
    int max_concurrent;
    char *url;
    char *version; /* what it was opened from: registry uid, generation, secret versions */
};

/* adapters: NULL-ended, lives as long as the remotes. */
struct fl_remotes *fl_remotes_new(const struct fl_adapter *const *adapters, struct fl_clock *clock);
void fl_remotes_free(struct fl_remotes *rs);
/* The link of a Registry by name; opened if new or changed (older passes keep theirs). Failures: NOT_FOUND
 * "RegistryNotFound", "SecretNotFound"; INVALID "SecretInvalid", "CAInvalid"; each names the object and what to do. */
int fl_remotes_get(struct fl_remotes *rs, struct fl_pass *p, const char *registry,
                   struct fl_registry_link **ret, struct fl_err *err);
void fl_registry_link_free(struct fl_registry_link *l); /* drops one reference */
FL_AUTO(fl_registry_link);
void fl_remotes_forget(struct fl_remotes *rs, struct fl_str ns, struct fl_str name);

#endif
