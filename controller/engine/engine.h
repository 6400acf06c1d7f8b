/* SPDX-License-Identifier: Apache-2.0
 * The generic control loop: kinds' controllers over one cache, one queue and a bounded pool of
 * workers per controller. What is the same for every kind exists once, here and in pass.h:
 * conditions, observedGeneration, events, requested-at, suspend, mode, interval, back-off,
 * finalizer. */
#ifndef FL_ENGINE_ENGINE_H
#define FL_ENGINE_ENGINE_H

#include "base/ctx.h"
#include "engine/cache.h"
#include "engine/metrics.h"
#include "engine/pass.h"

struct fl_engine;

struct fl_controller {
    const char *name; /* label of metrics and logs: "replicationpolicy" */
    const struct fl_kind *kind;
    int workers; /* passes at once; 0: 4 */
    void *self;
    bool
        common; /* spec begins with struct fl_common: interval, suspend, mode are handled by the engine */
    int64_t
        interval_ms; /* for specs that leave interval out (its row has no default); 0: never by the clock */
    /* After a start, objects that were Ready and have not changed since come one by one over a
     * tenth of their interval, instead of all at once. */
    bool spread;
    /* One pass. Set conditions through pass.h; the outcome is one value. Called on a worker, one
     * per key at a time. */
    struct fl_result (*reconcile)(void *self, struct fl_pass *p);
    /* Sees an object before its first pass after a start where `spread` puts that off, and in the
     * passes that only say that it is suspended. May set status and conditions, asks no remote.
     * NULL: nothing is to be seen. */
    void (*meet)(void *self, struct fl_pass *p);
    /* Not NULL: a finalizer is kept on objects of this kind, and this runs when they are being
     * deleted; a pass that is under way then is cancelled. It must not block on a remote that is
     * gone. */
    struct fl_result (*finalize)(void *self, struct fl_pass *p);
    /* What the decoded spec refers to, in its own namespace: a change there (trigger, Ready,
     * deletion) wakes this object. NULL: nothing. */
    void (*refs)(const void *spec, void (*add)(void *arg, struct fl_ref r), void *arg);
    /* A kind whose objects, when they change, wake the object that owns them; NULL-ended; NULL =
     * none. */
    const struct fl_kind *const *owns;
    /* The object is gone (or this process gives it up): drop what is kept for it. May be NULL. */
    void (*forget)(void *self, struct fl_str ns, struct fl_str name, struct fl_str uid);
};

struct fl_engine_conf {
    struct fl_kube *kube;
    struct fl_clock *clock;
    struct fl_metrics *metrics;
    const char *ns;                         /* NULL: all namespaces */
    const char *instance;                   /* reportingInstance of events: host name */
    int64_t backoff_min_ms, backoff_max_ms; /* 0: 1 s, 5 min */
    int jitter_percent;                     /* of intervals; -1: none; 0: 5 */
    /* Told of each change of an object that has a controller, after its first listing; old or now may be NULL. From any thread,
     * no lock is held, must be quick. NULL: nobody asks. */
    void (*changed)(void *arg, const struct fl_obj *old, const struct fl_obj *now);
    void *changed_arg;
};

struct fl_engine *fl_engine_new(const struct fl_engine_conf *conf);
void fl_engine_add(struct fl_engine *e, const struct fl_controller *c); /* before start; copied */
void fl_engine_start(struct fl_engine *e);
/* Stops handing out keys, cancels what runs after grace_ms, joins. */
void fl_engine_stop(struct fl_engine *e, int64_t grace_ms);
void fl_engine_free(struct fl_engine *e);
/* Ready: caches synced and the API reachable within the last minute; else why not (one line). */
bool fl_engine_ready(struct fl_engine *e, struct fl_buf *why);
struct fl_cache *fl_engine_cache(struct fl_engine *e);
/* Makes a pass due from outside (webhook), as a person's request does. quiet_ms: only when no
 * further wake has come for so long (debounce), but at most max_ms after the first; 0: at once.
 * A wake during a pass leaves exactly one more. detail (may be NULL, cut at 100 bytes) reaches
 * p->wake. False: no controller of ours has such a kind. Objects that are not there are nothing.
 * Any thread. */
bool fl_engine_wake(struct fl_engine *e, const struct fl_kind *kind, struct fl_str ns,
                    struct fl_str name, enum fl_wake_cause cause, const char *detail,
                    int64_t quiet_ms, int64_t max_ms);

#endif
