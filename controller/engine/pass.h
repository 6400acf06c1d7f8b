/* SPDX-License-Identifier: Apache-2.0
 * One pass over one object, as a reconciler sees it: decoded spec and status, conditions, events, and the few things it may
 * do to the Kubernetes API. A reconciler sees no JSON. One thread at a time (helpers of a pass may read spec and ctx). */
#ifndef FL_ENGINE_PASS_H
#define FL_ENGINE_PASS_H

#include "api/meta/condition.h"
#include "base/ctx.h"
#include "base/map.h"
#include "base/secret.h"
#include "engine/cache.h"

/* The outcome of a pass; made only by the functions below. */
enum fl_then { FL_THEN_DONE, FL_THEN_AFTER, FL_THEN_WAIT, FL_THEN_FAILED };
struct fl_result {
    enum fl_then then;
    int64_t after_ms;
    struct fl_err err;
};
struct fl_result fl_done(void);              /* until the interval (common), a change or an event */
struct fl_result fl_again_after(int64_t ms); /* sooner or later than the interval */
struct fl_result fl_wait_event(void); /* only a change or an event; Ready=Unknown or what was set */
/* By code (base/err.h). The engine sets Ready=False with reason and message, Stalled=True (AUTH, INVALID, UNSUPPORTED) or
 * Reconciling=True ProgressingWithRetry, one Warning event per new text, and the next try. */
struct fl_result fl_failed(const struct fl_err *err);

/* Why a pass is due; the strongest of what has gathered since the last: request, hook, change, clock. */
enum fl_wake_cause { FL_WAKE_CLOCK, FL_WAKE_START, FL_WAKE_CHANGE, FL_WAKE_HOOK, FL_WAKE_REQUEST };
struct fl_wake {
    enum fl_wake_cause
        cause; /* CHANGE: of the object or of what it refers to, and the first pass after a start.
                  START: the engine's own, no reconcile sees it */
    char detail[104]; /* HOOK: the delivery's id; "" = none */
};

struct fl_engine;
struct fl_controller;

struct fl_pass {
    struct fl_engine *engine;
    const struct fl_controller *ctl;
    struct fl_ctx
        ctx; /* cancelled at shutdown, and at deletion where the controller has a finalizer; no
            deadline: take one per remote call from common->timeout_ms */
    struct fl_arena *arena;
    struct fl_obj *obj;
    const void *spec; /* decoded, defaulted */
    void *
        status; /* decoded; change it: what differs afterwards is written as one merge patch, nothing if equal */
    const struct fl_common *common; /* NULL where the kind has none */
    bool deleting;
    /* Token of requested-at that was not handled yet; NULL. Echoed by the engine when the pass ends, whatever its outcome, but
     * for one that was cut off or deferred. */
    const char *requested;
    const char *approved; /* value of the annotation fairlead.dev/approve; NULL */
    struct fl_wake wake;
    bool changed; /* metadata.generation is not status.observedGeneration */
    /* Set by a reconciler that could only wait for what is under way: request and generation count as not seen, and a later
     * pass finds both again. */
    bool deferred;
    void *priv; /* the engine's */
};

/* Conditions. Reasons are CamelCase of the kind's closed list; messages tell a person what to do next. Setting Ready=True
 * drops Reconciling and Stalled. */
void fl_pass_ready(struct fl_pass *p, const char *reason, const char *fmt, ...)
    fl_printf_like(3, 4);
void fl_pass_not_ready(struct fl_pass *p, const char *reason, const char *fmt, ...)
    fl_printf_like(3, 4); /* False, no Stalled */
void fl_pass_progress(struct fl_pass *p, const char *reason, const char *fmt, ...)
    fl_printf_like(3, 4); /* Reconciling=True, Ready=Unknown unless False */
void fl_pass_condition(struct fl_pass *p, const char *type, bool value, const char *reason,
                       const char *fmt, ...) fl_printf_like(5, 6);
void fl_pass_condition_drop(struct fl_pass *p, const char *type);
/* NULL = absent. */
const struct fl_condition *fl_pass_find_condition(const struct fl_pass *p, const char *type);
bool fl_pass_is_ready(
    const struct fl_list *conditions); /* Ready=True in another object's conditions */
/* Now, RFC 3339, in the arena. */
const char *fl_pass_now(struct fl_pass *p);

/* "sha256:<hex>" of a text: for a status that says what was seen without telling it all. */
#define FL_PASS_DIGEST 72
void fl_pass_digest(struct fl_str text, char ret[FL_PASS_DIGEST]);

/* An event on the object; the same text again only counts up. type: "Normal" or "Warning". Never fails the pass. */
void fl_pass_event(struct fl_pass *p, const char *type, const char *reason, const char *fmt, ...)
    fl_printf_like(4, 5);

/* Writes the status as it is now (long passes tell their progress), if it differs. CONFLICT: the object changed; the pass
 * may go on, the next publish is against the new version. */
int fl_pass_publish(struct fl_pass *p, struct fl_err *err);
/* The newest spec of this object in the cache, decoded in the arena once a generation: may be asked often. NULL: it is gone or
 * being deleted. */
const void *fl_pass_spec_now(struct fl_pass *p);

/* Another object of the same namespace, from the cache: decoded spec and status (structs of the kind, in the arena; shared by
 * all who ask in this pass, read only).
 * NOT_FOUND reason "<Kind>NotFound" with words for a person. ret_obj (may be NULL): borrowed for the pass. */
int fl_pass_get(struct fl_pass *p, const struct fl_kind *kind, const char *name,
                const void **ret_spec, const void **ret_status, struct fl_obj **ret_obj,
                struct fl_err *err);
/* The live state instead of the cache's. */
int fl_pass_get_live(struct fl_pass *p, const struct fl_kind *kind, const char *name,
                     const void **ret_spec, const void **ret_status, struct fl_err *err);
/* Objects of a kind that this object owns, oldest first by creation: borrowed for the pass. */
size_t fl_pass_owned(struct fl_pass *p, const struct fl_kind *kind, struct fl_obj ***ret);
/* Decodes any object of the cache in the arena. */
void fl_pass_decode(struct fl_pass *p, const struct fl_obj *o, const void **ret_spec,
                    const void **ret_status);
/* Creates an object owned by this one (controller=true, blockOwnerDeletion), labels: NULL-ended pairs key, value. EXISTS. */
int fl_pass_create(struct fl_pass *p, const struct fl_kind *kind, const char *name,
                   const void *spec, const char *const *labels, struct fl_err *err);
int fl_pass_delete(struct fl_pass *p, const struct fl_obj *o, struct fl_err *err);

/* The data of a Secret, decoded, by key: live from the API, wiped on release. version: changes when the Secret does ("uid/rv").
 * NOT_FOUND "SecretNotFound"; INVALID "SecretInvalid". */
struct fl_secret_entry {
    const char *key;
    struct fl_secret value;
};
struct fl_secret_data {
    struct fl_secret_entry *v;
    size_t n;
    char version[96];
};
int fl_pass_secret(struct fl_pass *p, const char *name, struct fl_secret_data **ret,
                   struct fl_err *err);
void fl_secret_data_free(struct fl_secret_data *s);
FL_AUTO(fl_secret_data);
/* uid/rv of the Secret in the cache without reading its data; "" = not there. For asking "has it changed". */
void fl_pass_secret_version(struct fl_pass *p, const char *name, char ret[96]);

#endif
