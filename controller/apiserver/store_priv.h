/* SPDX-License-Identifier: Apache-2.0
 * Inside of the store, shared by store*.c and (fl_store_place only) the hub. Changes are made by the database's writer
 * thread alone; what readers need beside the file is atomic. */
#ifndef FL_APISERVER_STORE_PRIV_H
#define FL_APISERVER_STORE_PRIV_H

#include <stdatomic.h>

#include "apiserver/store.h"
#include "base/buf.h"
#include "wire/crypt.h"
#include "wire/db.h"

/* Two logs in one table: Events and Leases change most, so theirs is short and does not push out the others'. */
enum store_class { STORE_LONG, STORE_SHORT, STORE_CLASSES };

enum {
    STORE_LOG_KEEP = 20000,
    STORE_SHORT_KEEP = 1000, /* at most, and at most a tenth of log_keep */
    STORE_TRIM_ROWS = 64,    /* rows trimmed at once, so that not every write touches an old page */
    STORE_SWEEP_ROWS = 100,
};

/* Where a kind's objects are kept. */
struct store_place {
    char res[192]; /* "secrets", "fairlead.dev/registries" */
    enum store_class log;
    bool sealed;
    bool expires;
};
void fl_store_place(const struct fl_kind *k, struct store_place *ret);
/* The kind of the scheme that is kept there; NULL: none. */
const struct fl_kind *fl_store_kind_at(struct fl_str res);

struct fl_store {
    char *path;
    struct fl_db *db;
    struct fl_clock *clock;
    struct fl_keyring *keys;
    int64_t key_mark; /* of texts sealed with the first key */
    int64_t keep[STORE_CLASSES];
    int64_t event_ttl_ms;
    void (*published)(void *arg, const struct fl_event *ev);
    void *published_arg;

    _Atomic int64_t rv; /* committed */
    _Atomic int64_t floor[STORE_CLASSES];
    atomic_bool stale; /* a write was undone: the counts below are read again */
    int64_t
        reseal_after; /* the sweeping thread's: id of the last object looked at; -1: all are done */

    /* The writer thread's alone. */
    int64_t next_rv; /* the last given; never given again, even if its transaction fails */
    int64_t rows[STORE_CLASSES];
    int64_t seq; /* of the newest row of the long log */
    struct fl_buf text;
    struct fl_buf sealed;
    struct fl_buf sealed_old;
};

/* One change on its way: made by the writer, published once it is on disk. */
struct store_change {
    struct fl_store *s;
    struct fl_store_key key;
    struct store_place place;
    enum fl_event_type type;
    int64_t rv;
    struct fl_shared *text;
    struct fl_shared *old;
    int64_t floor[STORE_CLASSES]; /* raised by trimming; 0: not */
    bool applied; /* the callback came to its end: a failure after that is one of the commit */
};
void fl_store_change_release(struct store_change *ch);

/* A row of objects as it stands. */
struct store_row {
    int64_t id;
    int64_t rv;
    int64_t sealed;         /* 0: plain; else the mark of the key */
    struct fl_shared *body; /* as stored */
};
void fl_store_row_release(struct store_row *r);

/* store_change.c: on the writer thread. */
/* Takes the next RV, makes the text, writes object and log row, trims. row: what stood before, NULL for ADDED. */
int fl_store_change_apply(struct fl_db_conn *c, struct store_change *ch,
                          const struct store_row *row, struct fl_str before, struct fl_str after,
                          struct fl_err *err);
void fl_store_change_publish(struct store_change *ch);
/* Cuts a text around the digits of its resourceVersion; without one all stands in *before. */
void fl_store_text_cut(struct fl_str text, struct fl_str *before, struct fl_str *after);

/* store_log.c */
/* Reads RV, floors and counts from the file. */
int fl_store_log_load(struct fl_db_conn *c, struct fl_store *s, struct fl_err *err);
struct store_log_row {
    int64_t sealed;
    struct fl_str body;
    struct fl_str old; /* n == 0: none */
};
int fl_store_log_append(struct fl_db_conn *c, struct store_change *ch,
                        const struct store_log_row *row, struct fl_err *err);
/* Trims at most `max` rows of one log when it is longer than it should be by `slack`. Returns the rows trimmed. */
int fl_store_log_trim(struct fl_db_conn *c, struct fl_store *s, enum store_class log, int64_t slack,
                      int64_t max, int64_t *ret_floor, struct fl_err *err);
/* Drops the long log up to and including rv. */
int fl_store_log_drop(struct fl_db_conn *c, struct fl_store *s, int64_t rv, struct fl_err *err);
void fl_store_floor_raise(struct fl_store *s, enum store_class log,
                          int64_t floor); /* after the commit */

/* store_seal.c */
/* Loads the ring, or makes one when nothing is sealed yet; proves that all sealed objects can be read. */
int fl_store_keys_open(struct fl_store *s, const char *path, const char *data_dir,
                       struct fl_err *err);
int64_t fl_store_seal_mark(struct fl_str sealed);
void fl_store_seal(const struct fl_store *s, struct fl_str res, struct fl_str ns,
                   struct fl_str name, struct fl_str plain, struct fl_buf *ret);
int fl_store_unseal(const struct fl_store *s, struct fl_str res, struct fl_str ns,
                    struct fl_str name, struct fl_str sealed, struct fl_buf *ret,
                    struct fl_err *err);
/* Re-seals some objects and log rows of older keys; returns how many are left (an estimate), or a failure. */
int fl_store_reseal(struct fl_store *s, struct fl_err *err);

#endif
