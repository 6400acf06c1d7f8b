/* SPDX-License-Identifier: Apache-2.0
 * The inner side of the engine: what engine.c, worker.c, pass.c, status.c and events.c share. */
#ifndef FL_ENGINE_ENGINE_PRIV_H
#define FL_ENGINE_ENGINE_PRIV_H

#include "base/lock.h"
#include "engine/engine.h"
#include "engine/queue.h"
#include "wire/json.h"

#define ENGINE_WRITE_TIMEOUT_MS 30000

struct engine_events;
struct engine_told;

enum engine_outcome {
    OUTCOME_SUCCESS,
    OUTCOME_ERROR,
    OUTCOME_REQUEUE,
    OUTCOME_REQUEUE_AFTER,
    OUTCOME_COUNT
};

struct engine_cut { /* a pass under way that deletion cuts off */
    struct engine_cut *next;
    struct fl_str key;
    struct fl_cancel cancel;
};

struct engine_loop { /* one controller */
    struct fl_engine *engine;
    struct fl_controller ctl;
    struct fl_queue *queue;
    struct engine_told *told;
    pthread_t *threads;
    int n_threads;
    struct fl_metric *total[OUTCOME_COUNT], *errors, *terminal, *seconds, *active;
    struct fl_lock lock; /* guards what follows */
    struct engine_cut *cuts;
};

struct engine_kind { /* one cached kind */
    struct fl_engine *engine;
    const struct fl_kind *kind;
    struct engine_loop *loop; /* whose controller it has; NULL = none */
};

struct fl_engine {
    struct fl_engine_conf conf;
    char *ns, *instance;
    struct fl_cache *cache;
    struct engine_events *events;
    struct fl_cancel cancel; /* of all passes, when the grace is over */
    struct engine_loop **loops;
    size_t n_loops;
    struct engine_kind **kinds;
    size_t n_kinds;
    struct fl_lock lock;    /* guards what follows */
    struct fl_cond changed; /* also when a pass has ended */
    bool started, synced, stopping;
};

/* ---- worker.c ---- */

void engine_worker(struct engine_loop *l); /* a thread's life */
/* A spec's interval, or the controller's where it leaves it out; 0: never by the clock. */
int64_t engine_interval(const struct engine_loop *l, int64_t spec_ms);
/* How long the first pass after a start waits; 0: not at all. */
int64_t engine_spread(const struct engine_loop *l, const struct fl_obj *o);

/* ---- told.c: any thread ---- */

struct engine_told *engine_told_new(void);
void engine_told_free(struct engine_told *t);
/* Remembers that this was logged of the object; false: it was the last thing that was. */
bool engine_told_anew(struct engine_told *t, struct fl_str key, const char *what,
                      const struct fl_err *err);
/* It does not fail any more, or is gone. True: it failed until now. */
bool engine_told_forget(struct engine_told *t, struct fl_str key);

/* ---- decode.c ---- */

#define ENGINE_OBJECT_MAX ((size_t)16 << 20)
/* Structs of the kind in the arena; each ret may be NULL. Spec is defaulted. BAD_DATA. vs (may be NULL) gets what is wrong
 * with the spec: a cluster checks objects by the CRD's schema alone, which does not know what holds between fields. */
int engine_decode(const struct fl_kind *kind, struct fl_str text, struct fl_arena *a,
                  const void **ret_spec, void **ret_status, struct fl_violations *vs,
                  struct fl_err *err);

/* ---- status.c: conditions and the one patch ---- */

struct pass_seen {
    const struct fl_obj *obj;  /* borrowed */
    const void *spec, *status; /* NULL: not asked for yet */
};

struct pass_state { /* fl_pass.priv */
    struct engine_loop *loop;
    struct fl_obj *base; /* newest version known; what the next write is against. One reference */
    struct fl_obj **borrowed; /* one reference each, until the pass ends */
    size_t n_borrowed;
    struct pass_seen *seen; /* what was decoded once is not again: long passes ask often */
    size_t n_seen;
    const void *spec_now; /* of generation_now */
    int64_t generation_now;
    const char
        *ready_was; /* status, reason and message of Ready when the pass began; NULL = none */
    const char *reason_was;
    const char *message_was;
};

static inline struct pass_state *pass_state(const struct fl_pass *p)
{
    return p->priv;
}
static inline struct fl_status_common *pass_common(const struct fl_pass *p)
{
    return p->status;
}

void pass_borrow(struct fl_pass *p, struct fl_obj *o); /* takes the reference */
/* Sets one condition; text is redacted. */
void pass_set(struct fl_pass *p, const char *type, const char *status, const char *reason,
              struct fl_str text);
struct fl_condition *pass_find(const struct fl_pass *p, const char *type);
/* The answer of a write of ours: the cache learns of it, and the next write is against it. */
void pass_rebase(struct fl_pass *p, struct fl_str text);
/* Reads the object anew: NOT_FOUND when it is gone or another one. */
int pass_refresh(struct fl_pass *p, struct fl_err *err);
/* As fl_pass_publish, but goes on after a conflict as long as nobody else wrote the status. */
int pass_publish_last(struct fl_pass *p, struct fl_err *err);
/* Merge patch of metadata.finalizers of the object; ours is put there or taken away. */
int pass_finalizer(struct fl_pass *p, bool add, struct fl_err *err);
bool pass_has_finalizer(const struct fl_obj *o);

/* ---- events.c ---- */

struct engine_events *engine_events_new(struct fl_engine *e);
void engine_events_free(struct engine_events *ev);
void engine_event(struct engine_events *ev, const struct fl_ctx *ctx, const struct fl_obj *o,
                  const char *type, const char *reason, struct fl_str text);

#endif
