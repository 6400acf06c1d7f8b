/* SPDX-License-Identifier: Apache-2.0
 * Private to this folder: the server's parts, and what one request carries through the verbs. A function that takes a
 * struct fl_call and returns bool has answered when it returns false. */
#ifndef FL_APISERVER_SERVER_H
#define FL_APISERVER_SERVER_H

#include <stdatomic.h>

#include "apiserver/apiserver.h"
#include "apiserver/discovery.h"
#include "apiserver/form.h"
#include "apiserver/hub.h"
#include "apiserver/namespaces.h"
#include "apiserver/route.h"
#include "apiserver/store.h"
#include "wire/json.h"

#define FL_BODY_MAX ((size_t)3 << 20)
#define FL_ADMIN_USER "fairlead-admin"

enum fl_verb {
    FL_VERB_GET,
    FL_VERB_LIST,
    FL_VERB_WATCH,
    FL_VERB_CREATE,
    FL_VERB_UPDATE,
    FL_VERB_PATCH,
    FL_VERB_DELETE,
    FL_VERB_DELETECOLLECTION,
    FL_VERB_OTHER, /* discovery, health, unknown paths */
    FL_VERBS,
};

#define FL_CODES 24

struct fl_apiserver {
    struct fl_clock *clock;
    struct fl_secret token;
    struct fl_store *store;
    struct fl_hub *hub;
    struct fl_discovery *discovery;
    struct fl_namespaces *namespaces;
    /* one write of a Namespace at a time, until fl_namespaces knows of it */
    struct fl_lock namespace_write;
    atomic_bool stopping;
    /* by place in the table of codes (metrics.c) */
    atomic_uint_fast64_t requests[FL_VERBS][FL_CODES];
    struct fl_lock tick_lock;
    struct fl_cond tick_cond;
    bool tick_stop, tick_now; /* under tick_lock */
    pthread_t tick;
    bool ticking;
    void (*tidy)(void);
    uint64_t served; /* the tick's: requests when it looked last */
    bool untidy;     /* the tick's: requests came since it tidied */
    bool disk_told;  /* the tick's: a fault of the disk was logged, and not yet its end */
};

enum fl_field_validation { FL_VALIDATE_WARN, FL_VALIDATE_IGNORE, FL_VALIDATE_STRICT };

struct fl_call {
    struct fl_apiserver *s;
    const struct fl_request *req;
    struct fl_response *res;
    struct fl_arena *arena; /* the request's */
    const char *user;
    struct fl_route route;
    const struct fl_kind *kind; /* of the route */
    enum fl_verb verb;
    struct fl_form form;
    bool dry_run;
    enum fl_field_validation validation;
    const char **problems; /* what strict decoding complains of, in the real server's words */
    size_t n_problems;
    const char **warnings; /* sent with the answer */
    size_t n_warnings;
};

/* Query parameter in the arena; NULL: absent. */
const char *fl_call_query(const struct fl_call *c, const char *name);
void fl_call_problem(struct fl_call *c, const char *fmt, ...) fl_printf_like(2, 3);
void fl_call_warn(struct fl_call *c, const char *fmt, ...) fl_printf_like(2, 3);
/* Puts the warnings into the answer's Warning header. */
void fl_call_send_warnings(struct fl_call *c);
struct fl_violations fl_call_violations(struct fl_call *c);
struct fl_store_key fl_call_key(const struct fl_call *c, struct fl_str name);
/* The current wall time as metadata shows it, in the arena. */
const char *fl_call_now(const struct fl_call *c);
/* Answers with one object: the stored text is shared where the form is plain JSON. */
void fl_call_answer(struct fl_call *c, int status, struct fl_shared *text);
/* The same for a text that is not stored (dry run, reviews). */
void fl_call_answer_text(struct fl_call *c, int status, struct fl_str text);
/* Gives a new namespace the ServiceAccount default. */
void fl_apiserver_furnish(struct fl_apiserver *s, struct fl_str ns);
/* Wakes the tick thread: a namespace is to be emptied. */
void fl_apiserver_kick(struct fl_apiserver *s);

/* The verbs; each answers. */
void fl_verb_get(struct fl_call *c);
void fl_verb_list(struct fl_call *c);
void fl_verb_watch(struct fl_call *c);
void fl_verb_create(struct fl_call *c);
void fl_verb_update(struct fl_call *c);
void fl_verb_patch(struct fl_call *c);
void fl_verb_delete(struct fl_call *c);
void fl_verb_delete_collection(struct fl_call *c);
void fl_verb_review(struct fl_call *c);

/* False: no page of health. */
bool fl_health_serve(struct fl_apiserver *s, const struct fl_request *req, struct fl_response *res);
/* Once a tick: logs when writes begin to fail and when they succeed again; in between tries one. */
void fl_apiserver_watch_disk(struct fl_apiserver *s);

/* Once a tick: gives memory back when requests came and then none since the last call. */
void fl_apiserver_tidy(struct fl_apiserver *s);
uint64_t fl_apiserver_served(struct fl_apiserver *s);

/* Deletes what is left in namespaces that are being deleted, then them; returns how many are still there. */
int fl_apiserver_reap(struct fl_apiserver *s);

void fl_apiserver_count(struct fl_apiserver *s, enum fl_verb verb, int code);

#endif
