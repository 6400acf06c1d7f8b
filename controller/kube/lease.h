/* SPDX-License-Identifier: Apache-2.0
 * Leader election by one Lease, as client-go does it (kubernetes.md 1.6): only local monotonic time since the record last
 * changed decides; renewTime is never compared with the local clock. One thread at a time. */
#ifndef FL_KUBE_LEASE_H
#define FL_KUBE_LEASE_H

#include "kube/kube.h"

struct fl_lease;
struct fl_lease_conf { /* texts are copied */
    struct fl_kube *kube;
    struct fl_clock *clock;
    const char *ns, *name, *identity;
    int64_t duration_ms, renew_ms, retry_ms; /* 0: 15 s, 10 s, 2 s */
};
struct fl_lease *fl_lease_new(const struct fl_lease_conf *conf);
void fl_lease_free(struct fl_lease *l); /* does not release */
FL_AUTO(fl_lease);
/* One try: acquires or renews. ret_leader, ret_next_ms (the time until the next try) are set on failure too: a leader that
 * fails to renew stays one until renew_ms have passed since it last did; a lease that another one holds is no failure. */
int fl_lease_try(struct fl_lease *l, const struct fl_ctx *ctx, bool *ret_leader,
                 int64_t *ret_next_ms, struct fl_err *err);
/* Gives it up so that another one need not wait. After all work has stopped. No leader: 0, nothing is done. */
int fl_lease_release(struct fl_lease *l, const struct fl_ctx *ctx, struct fl_err *err);

#endif
