/* SPDX-License-Identifier: Apache-2.0
 * The copier: images from one registry to another, in the order of registry.md 12: children before index, tag last; each blob
 * uploaded once a run, mounted elsewhere; several images and blobs at a time. Knows ports only. */
#ifndef FL_RECONCILE_COPY_H
#define FL_RECONCILE_COPY_H

#include "api/v1alpha1/replication_execution.h"
#include "reconcile/remotes.h"

enum fl_copy_state {
    FL_COPY_WAITING,
    FL_COPY_RUNNING,
    FL_COPY_DONE,
    FL_COPY_SKIPPED,
    FL_COPY_FAILED,
    FL_COPY_STOPPED
};

struct fl_copy_item {
    const struct fl_execution_item *want;
    enum fl_copy_state state;
    struct fl_err err; /* FAILED */
    int attempts;
};

struct fl_copy_totals { /* written with atomics while the run goes on */
    atomic_llong bytes, blobs_copied, blobs_mounted, blobs_skipped, done, skipped, failed;
};

struct fl_copy {
    const struct fl_ctx *ctx; /* its cancel2 is the stop of the run */
    struct fl_registry_link *from, *to;
    struct fl_copy_item *items; /* states are read by others only after fl_copy_run returned */
    size_t n;
    bool override;
    /* images at a time; blobs in flight: at most 2 x this and each registry's own limit */
    int concurrency;
    int64_t timeout_ms;
    struct fl_copy_totals *totals;
    /* Every second or so, on the caller's thread. */
    void (*tick)(void *arg);
    void *tick_arg;
};

/* Works off every item that is WAITING. Returns when all are settled; item failures stand in the items. A run whose
 * destination is unreachable ends early: the first UNAVAILABLE settles what waits as FAILED with the same error. CANCELED: the ctx
 * was cancelled (items left are WAITING). */
int fl_copy_run(struct fl_copy *c, struct fl_err *err);

#endif
