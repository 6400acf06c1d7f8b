/* SPDX-License-Identifier: Apache-2.0
 * Inside of the database, shared by db*.c: a connection with its statements, and failures of SQLite. */
#ifndef FL_WIRE_DB_PRIV_H
#define FL_WIRE_DB_PRIV_H

#include <sqlite3.h>

#include "wire/db.h"

struct fl_db_conn {
    sqlite3 *db;
    struct fl_stmt **slots; /* open addressing by the literal's address; a power of two */
    size_t n_slots;
    size_t n_stmts;
    struct fl_stmt *used;
    struct fl_err fault;     /* of the disk or the file, met since it was cleared */
    struct fl_db_conn *next; /* of the idle ones */
};

/* db_file.c */
int fl_db_conn_open(const char *path, struct fl_db_conn **ret, struct fl_err *err);
int fl_db_conn_exec(struct fl_db_conn *c, const char *sql, const char *what, struct fl_err *err);
void fl_db_conn_free(struct fl_db_conn *c); /* NULL is fine */
/* An empty database with a log, where there is no file; under another name until it is whole. */
int fl_db_file_make(const char *path, struct fl_err *err);
/* A consistent copy in a new file, on disk. EXISTS. */
int fl_db_file_copy(const char *from, const char *path, struct fl_err *err);

/* A failure for a result code of SQLite: "<what>: <its words>". Returns the code. db may be NULL. */
int fl_db_fail_rc(sqlite3 *db, int rc, const char *what, struct fl_err *err);
/* Transaction control, many times a second: prepared, and never among the used ones. */
int fl_db_conn_run(struct fl_db_conn *c, const char *sql, struct fl_err *err);
/* Resets what was handed out: a statement that is left in mid-read pins the log and keeps a savepoint from closing. */
void fl_db_conn_reset(struct fl_db_conn *c);
/* Before the connection is closed. */
void fl_db_stmts_free(struct fl_db_conn *c);

#endif
