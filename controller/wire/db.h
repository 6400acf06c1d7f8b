/* SPDX-License-Identifier: Apache-2.0
 * SQLite (its only user): one writer connection owned by one thread with group commit, a pool of readers. WAL,
 * synchronous FULL, page size 8192, cell_size_check, trusted_schema off. See libraries.md, SQLite. */
#ifndef FL_WIRE_DB_H
#define FL_WIRE_DB_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct fl_db;
struct fl_db_conn; /* a connection lent to a callback: use only there */
/* a prepared statement, cached by its connection; borrowed until the callback returns */
struct fl_stmt;

struct fl_db_conf {
    const char *path;
    /* NULL-ended; [i] takes user_version i to i+1. A newer file: INVALID "NewerVersion" */
    const char *const *migrations;
    int readers;   /* 0: 8 */
    int batch_max; /* writes in one commit, 0: 256 */
    /* no fsync per commit: the last commits may vanish on power loss, nothing is corrupted */
    bool sync_normal;
    /* Nothing is fsynced before fl_db_settle: until then a power loss may undo writes, whole ones, newest first. */
    bool hold;
};

/* Opens or makes the file (0600), checks it can be written, takes an exclusive lock file beside it (path + ".lock"): a
 * second process gets EXISTS "in use by process 123". UNAVAILABLE: read-only folder, no space; BAD_DATA: not a database. */
int fl_db_open(const struct fl_db_conf *conf, struct fl_db **ret, struct fl_err *err);
/* Runs what is queued, lets running reads end, checkpoints, closes. No call may begin after it; NULL is fine. */
void fl_db_close(struct fl_db *db);

/* fn runs on the writer's thread within a transaction shared with other writes, in a savepoint of its own: a failure undoes only its
 * own. Returns when the transaction is on disk. `committed` (may be NULL) runs on the writer's thread after the commit, in commit
 * order, and must be quick. A commit that fails (disk full, I/O) fails all in it with UNAVAILABLE; the store stays usable. */
int fl_db_write(struct fl_db *db, int (*fn)(struct fl_db_conn *c, void *arg, struct fl_err *err),
                void (*committed)(void *arg), void *arg, struct fl_err *err);
/* Once, after `hold`: what was written so far is on disk when it returns, what follows as usual. */
int fl_db_settle(struct fl_db *db, struct fl_err *err);
/* 0, or why the disk or the file refused a write (UNAVAILABLE, BAD_DATA; the newest one), until fl_db_fault_over: writes that
 * need no room may succeed between others that fail, so the one who knows what proves the end says so. */
int fl_db_fault(struct fl_db *db, struct fl_err *err);
/* In `committed` alone. The fault stays when another write of the same transaction met one. */
void fl_db_fault_over(struct fl_db *db);
/* fn runs on the caller's thread with a reader connection in one read transaction. */
int fl_db_read(struct fl_db *db, int (*fn)(struct fl_db_conn *c, void *arg, struct fl_err *err),
               void *arg, struct fl_err *err);

/* Statements. Binds start at 1, columns at 0. sql is a literal (its pointer is the cache key). */
/* reset and unbound; NULL on failure */
struct fl_stmt *fl_stmt_get(struct fl_db_conn *c, const char *sql, struct fl_err *err);
void fl_stmt_bind_i64(struct fl_stmt *s, int i, int64_t v);
/* not copied: must live until reset */
void fl_stmt_bind_str(struct fl_stmt *s, int i, struct fl_str v);
void fl_stmt_bind_blob(struct fl_stmt *s, int i, struct fl_str v);
void fl_stmt_bind_null(struct fl_stmt *s, int i);
/* 1: a row; 0: done (and reset); negative: failure. */
int fl_stmt_step(struct fl_stmt *s, struct fl_err *err);
int fl_stmt_run(struct fl_stmt *s, struct fl_err *err); /* steps to the end; 0 or failure */
int64_t fl_stmt_i64(const struct fl_stmt *s, int col);
struct fl_str fl_stmt_str(const struct fl_stmt *s, int col); /* until the next step or reset */
bool fl_stmt_is_null(const struct fl_stmt *s, int col);
void fl_stmt_reset(struct fl_stmt *s);
int fl_db_changes(struct fl_db_conn *c);
/* After a burst: gives memory back. Readers that are idle are closed, but one; those at work are left alone. */
void fl_db_relax(struct fl_db *db);
int64_t fl_db_size_bytes(struct fl_db *db); /* of the main file */
size_t fl_db_queued(struct fl_db *db);      /* writes that wait for the writer, a gauge */
/* A consistent copy of the whole database in a new file. */
int fl_db_backup(struct fl_db *db, const char *path, struct fl_err *err);

#endif
