/* SPDX-License-Identifier: Apache-2.0
 * Objects of all kinds in SQLite: one table of what is, one bounded log of what happened. The log's row id is the
 * resourceVersion, assigned inside the write transaction; events are handed to `published` in commit order. Kinds with
 * FL_KIND_ENCRYPTED are sealed on disk (AAD: resource, namespace, name). Any thread. */
#ifndef FL_APISERVER_STORE_H
#define FL_APISERVER_STORE_H

#include "api/meta/kind.h"
#include "base/clock.h"
#include "base/shared.h"

struct fl_store;

struct fl_store_key {
    const struct fl_kind *kind; /* events.k8s.io events are stored as core events */
    struct fl_str ns;           /* empty: cluster scope */
    struct fl_str name;
};

enum fl_event_type { FL_EVENT_ADDED, FL_EVENT_MODIFIED, FL_EVENT_DELETED };

/* One committed change. Texts are whole objects with their resourceVersion; DELETED carries the last state with the RV of
 * the deletion in `text`, and old == what stood before. Owned by the hub's ring once published. */
struct fl_event {
    int64_t rv;
    enum fl_event_type type;
    const struct fl_kind *kind;
    struct fl_shared *text;
    struct fl_shared *old; /* NULL for ADDED */
};

struct fl_store_conf {
    const char *data_dir; /* made 0700 if absent; fairlead.db and secrets.key live here */
    const char *key_file; /* NULL: data_dir/secrets.key, made at first start */
    struct fl_clock *clock;
    int64_t log_keep;     /* events kept on disk, 0: 20,000 */
    int64_t event_ttl_ms; /* FL_KIND_TTL_1H, 0: 1 h */
    bool sync_normal;
    bool hold; /* as in wire/db.h: nothing is on disk before fl_store_settle */
    /* On the writer's thread, in commit order; must be quick. Takes the references in ev. */
    void (*published)(void *arg, const struct fl_event *ev);
    void *published_arg;
};

/* AUTH "KeyLost": there are sealed objects and the key is not there: says which file and what to do. Others as fl_db_open. */
int fl_store_open(const struct fl_store_conf *conf, struct fl_store **ret, struct fl_err *err);
int fl_store_settle(struct fl_store *s, struct fl_err *err);
void fl_store_close(struct fl_store *s);

int64_t fl_store_rv(struct fl_store *s);        /* newest committed; at least 1 */
int64_t fl_store_oldest_rv(struct fl_store *s); /* a watch from an older one is answered 410 */
/* The same for one kind: Events and Leases, which change most, have a shorter log of their own. NULL: all kinds. */
int64_t fl_store_floor(struct fl_store *s, const struct fl_kind *kind);

/* NOT_FOUND. *ret: one reference. */
int fl_store_get(struct fl_store *s, const struct fl_store_key *key, struct fl_shared **ret,
                 int64_t *ret_rv, struct fl_err *err);

struct fl_store_list {
    const struct fl_kind *kind;
    struct fl_str ns;   /* empty: all */
    struct fl_str name; /* not empty: only objects of this name (with ns: at most one) */
    struct fl_str after_ns, after_name; /* continue behind this one; empty name: from the start */
    int64_t limit;                      /* delivered at most; 0: all */
    /* Called in order of namespace, name, inside the read transaction; text lives until it returns. Return false to not
     * count the object towards limit (it did not match a selector). */
    bool (*item)(void *arg, const struct fl_store_key *key, int64_t rv, struct fl_str text);
    void *arg;
};
/* *ret_rv: the RV the list stands for. *ret_more: objects are left behind the last one delivered; *ret_remaining: how many
 * (exact, of the kind and namespace, without selectors; -1 when not known). */
int fl_store_list(struct fl_store *s, const struct fl_store_list *l, int64_t *ret_rv,
                  bool *ret_more, int64_t *ret_remaining, struct fl_err *err);

enum fl_store_op { FL_STORE_CREATE, FL_STORE_UPDATE, FL_STORE_DELETE };
struct fl_store_write {
    enum fl_store_op op;
    struct fl_store_key key;
    int64_t expect_rv; /* UPDATE, DELETE: the stored one must have this RV */
    /* The new text in two parts: between them the store writes the digits of the new RV (inside its quotes). DELETE: the
     * last state, likewise. */
    struct fl_str before, after;
};
/* EXISTS (create on existing), NOT_FOUND, CONFLICT (RV differs), UNAVAILABLE (disk). On success *ret_text (may be NULL) is
 * one reference to the stored text with its RV. Returns when it is on disk. */
int fl_store_write(struct fl_store *s, const struct fl_store_write *w, struct fl_shared **ret_text,
                   int64_t *ret_rv, struct fl_err *err);

/* Events after `rv` up to and including `upto`, oldest first, from the log; kind NULL: of all kinds. Inside the read
 * transaction; the event and its texts are borrowed: fl_shared_ref what is kept. NOT_FOUND "Expired": rv is older than the
 * oldest kept. */
int fl_store_replay(struct fl_store *s, int64_t rv, int64_t upto, const struct fl_kind *kind,
                    void (*event)(void *arg, const struct fl_event *ev), void *arg,
                    struct fl_err *err);

/* Sweeps: deletes up to 100 expired Events (published like any delete), trims the log, re-seals up to 100 objects that an
 * older key sealed. Called every minute or so by the API server, by one thread at a time; returns how much is known to be
 * left to do (0 = nothing, else call again soon), or a failure. */
int fl_store_sweep(struct fl_store *s, struct fl_err *err);
/* 0, or why the disk refused a write (UNAVAILABLE, BAD_DATA), until fl_store_probe succeeded. */
int fl_store_fault(struct fl_store *s, struct fl_err *err);
/* Tries a write that needs as much room as large objects do, and leaves nothing behind. */
int fl_store_probe(struct fl_store *s, struct fl_err *err);
const char *fl_store_path(const struct fl_store *s); /* of the database */
void fl_store_relax(struct fl_store *s);             /* fl_db_relax */
int64_t fl_store_size_bytes(struct fl_store *s);

#endif
