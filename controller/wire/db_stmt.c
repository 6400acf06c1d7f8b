/* SPDX-License-Identifier: Apache-2.0
 * Statements: prepared once per connection and found by the address of their text; SQLite's failures in our words. */
#include "wire/db_priv.h"

#include "base/mem.h"

struct fl_stmt {
    sqlite3_stmt *st;
    struct fl_db_conn *conn;
    const char *sql;
    int bind_rc;          /* of the first bind that failed; told by the next step */
    bool used;            /* handed out since the callback began */
    struct fl_stmt *next; /* of those */
};

int fl_db_fail_rc(sqlite3 *db, int rc, const char *what, struct fl_err *err)
{
    enum fl_code code = FL_E_BUG;
    const char *reason = "StoreBug";

    switch (rc & 0xff) {
    case SQLITE_FULL:
        code = FL_E_UNAVAILABLE;
        reason = "StoreFull";
        break;
    case SQLITE_READONLY:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL:
    case SQLITE_NOLFS:
        code = FL_E_UNAVAILABLE;
        reason = "StoreUnavailable";
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        code = FL_E_BAD_DATA;
        reason = "StoreDamaged";
        break;
    case SQLITE_CONSTRAINT:
        code = FL_E_INVALID;
        reason = "StoreConstraint";
        if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ||
            rc == SQLITE_CONSTRAINT_ROWID) {
            code = FL_E_EXISTS;
            reason = "AlreadyExists";
        }
        break;
    case SQLITE_TOOBIG:
        code = FL_E_TOO_BIG;
        reason = "TooBig";
        break;
    case SQLITE_INTERRUPT:
        code = FL_E_CANCELED;
        reason = "Canceled";
        break;
    default:
        break;
    }
    return fl_fail(err, code, reason, "%s: %s", what, db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
}

static size_t stmt_slot(const struct fl_db_conn *c, const char *sql)
{
    uintptr_t h = (uintptr_t)sql * (uintptr_t)0x9e3779b97f4a7c15u;
    size_t i = (size_t)(h >> 20) & (c->n_slots - 1);

    while (c->slots[i] && c->slots[i]->sql != sql) {
        i = (i + 1) & (c->n_slots - 1);
    }
    return i;
}

static void stmt_grow(struct fl_db_conn *c)
{
    struct fl_stmt **old = c->slots;
    size_t n = c->n_slots;

    c->n_slots = n ? 2 * n : 64;
    c->slots = fl_calloc(c->n_slots, sizeof(*c->slots));
    for (size_t i = 0; i < n; i++) {
        if (old[i]) {
            c->slots[stmt_slot(c, old[i]->sql)] = old[i];
        }
    }
    fl_free(old);
}

static struct fl_stmt *stmt_prepare(struct fl_db_conn *c, const char *sql, struct fl_err *err)
{
    sqlite3_stmt *st = NULL;
    struct fl_stmt *s;
    int rc = sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL);

    if (rc != SQLITE_OK) {
        (void)fl_db_fail_rc(c->db, rc, "prepare", err);
        return NULL;
    }
    fl_assert(st);
    s = FL_NEW(struct fl_stmt);
    s->st = st;
    s->conn = c;
    s->sql = sql;
    return s;
}

static struct fl_stmt *stmt_find(struct fl_db_conn *c, const char *sql, struct fl_err *err)
{
    size_t i = 0;
    struct fl_stmt *s = NULL;

    if (c->n_slots) {
        i = stmt_slot(c, sql);
        s = c->slots[i];
    }
    if (s) {
        return s;
    }
    s = stmt_prepare(c, sql, err);
    if (!s) {
        return NULL;
    }
    if (2 * (c->n_stmts + 1) > c->n_slots) {
        stmt_grow(c);
        i = stmt_slot(c, sql);
    }
    c->slots[i] = s;
    c->n_stmts++;
    return s;
}

struct fl_stmt *fl_stmt_get(struct fl_db_conn *c, const char *sql, struct fl_err *err)
{
    struct fl_stmt *s = stmt_find(c, sql, err);

    if (!s) {
        return NULL;
    }
    (void)sqlite3_reset(s->st);
    (void)sqlite3_clear_bindings(s->st);
    s->bind_rc = SQLITE_OK;
    if (!s->used) {
        s->used = true;
        s->next = c->used;
        c->used = s;
    }
    return s;
}

void fl_db_conn_reset(struct fl_db_conn *c)
{
    while (c->used) {
        struct fl_stmt *s = c->used;

        c->used = s->next;
        s->next = NULL;
        s->used = false;
        (void)sqlite3_reset(s->st);
    }
}

static void stmt_bound(struct fl_stmt *s, int rc)
{
    if (rc != SQLITE_OK && s->bind_rc == SQLITE_OK) {
        s->bind_rc = rc;
    }
}

void fl_stmt_bind_i64(struct fl_stmt *s, int i, int64_t v)
{
    stmt_bound(s, sqlite3_bind_int64(s->st, i, v));
}

/* A NULL pointer would bind NULL instead of the empty text. */
void fl_stmt_bind_str(struct fl_stmt *s, int i, struct fl_str v)
{
    const char *p = v.n > 0 ? v.p : "";

    stmt_bound(s, sqlite3_bind_text64(s->st, i, p, v.n, SQLITE_STATIC, SQLITE_UTF8));
}

void fl_stmt_bind_blob(struct fl_stmt *s, int i, struct fl_str v)
{
    stmt_bound(s, sqlite3_bind_blob64(s->st, i, v.n > 0 ? v.p : "", v.n, SQLITE_STATIC));
}

void fl_stmt_bind_null(struct fl_stmt *s, int i)
{
    stmt_bound(s, sqlite3_bind_null(s->st, i));
}

static void conn_note_fault(struct fl_db_conn *c, const struct fl_err *err)
{
    if (!c->fault.code && (err->code == FL_E_UNAVAILABLE || err->code == FL_E_BAD_DATA)) {
        c->fault = *err;
    }
}

int fl_stmt_step(struct fl_stmt *s, struct fl_err *err)
{
    struct fl_err own = FL_ERR_INIT;
    struct fl_err *e = err ? err : &own;
    int rc;

    if (s->bind_rc != SQLITE_OK) {
        return fl_db_fail_rc(NULL, s->bind_rc, "bind", e);
    }
    rc = sqlite3_step(s->st);
    if (rc == SQLITE_ROW) {
        return 1;
    }
    if (rc == SQLITE_DONE) {
        (void)sqlite3_reset(s->st);
        return 0;
    }
    rc = fl_db_fail_rc(s->conn->db, rc, "store", e);
    conn_note_fault(s->conn, e);
    (void)sqlite3_reset(s->st);
    return rc;
}

int fl_stmt_run(struct fl_stmt *s, struct fl_err *err)
{
    int rc;

    do {
        rc = fl_stmt_step(s, err);
    } while (rc > 0);
    return rc;
}

int64_t fl_stmt_i64(const struct fl_stmt *s, int col)
{
    return sqlite3_column_int64(s->st, col);
}

struct fl_str fl_stmt_str(const struct fl_stmt *s, int col)
{
    const void *p;
    int n;

    if (sqlite3_column_type(s->st, col) == SQLITE_BLOB) {
        p = sqlite3_column_blob(s->st, col);
    } else {
        p = sqlite3_column_text(s->st, col);
    }
    n = sqlite3_column_bytes(s->st, col);
    return (struct fl_str){p, p && n > 0 ? (size_t)n : 0};
}

bool fl_stmt_is_null(const struct fl_stmt *s, int col)
{
    return sqlite3_column_type(s->st, col) == SQLITE_NULL;
}

void fl_stmt_reset(struct fl_stmt *s)
{
    (void)sqlite3_reset(s->st);
}

int fl_db_changes(struct fl_db_conn *c)
{
    return sqlite3_changes(c->db);
}

int fl_db_conn_run(struct fl_db_conn *c, const char *sql, struct fl_err *err)
{
    struct fl_err own = FL_ERR_INIT;
    struct fl_err *e = err ? err : &own;
    struct fl_stmt *s = stmt_find(c, sql, e);

    return s ? fl_stmt_run(s, e) : (int)e->code;
}

void fl_db_stmts_free(struct fl_db_conn *c)
{
    for (size_t i = 0; i < c->n_slots; i++) {
        if (c->slots[i]) {
            (void)sqlite3_finalize(c->slots[i]->st);
            fl_free(c->slots[i]);
        }
    }
    fl_free(c->slots);
}
