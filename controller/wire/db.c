/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/db_priv.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/mem.h"
#include "wire/file.h"

enum {
    DB_READERS = 8,
    DB_BATCH = 256,
    DB_WAL_PAGES = 4000, /* a checkpoint is due; 32 MiB of log */
    DB_WAL_AGAIN = 1000, /* after one, as long as the log does not begin anew */
    DB_WAL_LONG = 32000, /* 256 MiB: readers have kept the log from beginning anew */
};

/* A write that waits; lives on its caller's stack until `done`. */
struct db_write {
    int (*fn)(struct fl_db_conn *c, void *arg, struct fl_err *err);
    void (*committed)(void *arg);
    void *arg;
    struct fl_err *err;
    int rc;
    bool settle;
    bool done;
    struct fl_cond wake;
    struct db_write *next;
};

struct fl_db {
    char *path;
    int lock_fd;
    bool sync_normal;
    int batch_max;
    int readers_max;

    struct fl_lock lock;
    struct db_write *head, **tail; /* what waits for the writer */
    struct fl_cond work;           /* the writer waits here */
    bool idle;                     /* and does so now */
    size_t queued;
    bool stopping;
    int callers; /* within fl_db_write and fl_db_read */
    struct fl_cond callers_gone;
    struct fl_db_conn *free_readers; /* last used first: its cache is warm */
    int n_readers;
    struct fl_cond reader_back;
    struct fl_err fault; /* code 0: none */

    /* The writer's alone. */
    struct fl_db_conn *writer;
    int64_t version; /* of the schema */
    bool held;       /* synchronous is off */
    int wal_pages;
    int wal_due;
    pthread_t thread;
    bool started;
};

/* ---- connections ---- */

static int reader_open(struct fl_db *db, struct fl_db_conn **ret, struct fl_err *err)
{
    struct fl_db_conn *c = NULL;
    int rc = fl_db_conn_open(db->path, &c, err);

    if (!c) {
        return rc;
    }
    rc = fl_db_conn_exec(
        c,
        "PRAGMA cell_size_check=ON; PRAGMA cache_size=-512; PRAGMA temp_store=MEMORY;"
        "PRAGMA query_only=ON",
        db->path, err);
    if (rc) {
        fl_db_conn_free(c);
        return rc;
    }
    *ret = c;
    return 0;
}

static int writer_wal_hook(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct fl_db *w = arg;

    (void)db;
    (void)name;
    if (pages < w->wal_pages) {
        w->wal_due = DB_WAL_PAGES; /* the log began anew */
    }
    w->wal_pages = pages;
    return SQLITE_OK;
}

static int writer_set_wal(struct fl_db *db, struct fl_err *err)
{
    fl_auto_text mode = NULL;
    struct fl_stmt *s = fl_stmt_get(db->writer, "PRAGMA journal_mode=WAL", err);
    int rc;

    if (!s) {
        return err ? (int)err->code : FL_E_BUG;
    }
    rc = fl_stmt_step(s, err);
    if (rc < 0) {
        return rc;
    }
    mode = fl_strndup(fl_stmt_str(s, 0).p, fl_stmt_str(s, 0).n);
    fl_stmt_reset(s);
    if (strcmp(mode, "wal") != 0) {
        return fl_fail(err, FL_E_UNAVAILABLE, "StoreUnavailable",
                       "%s: this file system cannot hold a write-ahead log (shared memory is "
                       "missing; is it a network disk?)",
                       db->path);
    }
    return 0;
}

/* Off, a power loss leaves the log with a tail that its checksums tell from what is whole. That holds as long as nothing is
 * copied from the log into the file, so there is no checkpoint before the log is synced. */
static int writer_sync(struct fl_db *db, struct fl_err *err)
{
    const char *sql = db->held          ? "PRAGMA synchronous=OFF"
                      : db->sync_normal ? "PRAGMA synchronous=NORMAL"
                                        : "PRAGMA synchronous=FULL";

    return fl_db_conn_exec(db->writer, sql, db->path, err);
}

static int writer_open(struct fl_db *db, struct fl_err *err)
{
    int rc = fl_db_conn_open(db->path, &db->writer, err);

    if (!db->writer) {
        return rc;
    }
    /* The page size counts only before the first page is written: in a file that somebody made empty. Our thread checkpoints by itself, after it has
     * answered, so SQLite's own checkpoint within COMMIT is off. */
    rc = fl_db_conn_exec(
        db->writer,
        "PRAGMA page_size=8192; PRAGMA cell_size_check=ON; PRAGMA foreign_keys=ON;"
        "PRAGMA secure_delete=FAST; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-2048",
        db->path, err);
    if (rc == 0) {
        rc = writer_set_wal(db, err);
    }
    if (rc == 0) {
        rc = fl_db_conn_exec(db->writer, "PRAGMA journal_size_limit=67108864", db->path, err);
    }
    if (rc == 0) {
        rc = writer_sync(db, err);
    }
    if (rc == 0) {
        (void)sqlite3_wal_autocheckpoint(db->writer->db, 0);
        (void)sqlite3_wal_hook(db->writer->db, writer_wal_hook, db);
    }
    return rc;
}

static int writer_version(struct fl_db *db, int64_t *ret, struct fl_err *err)
{
    struct fl_stmt *s = fl_stmt_get(db->writer, "PRAGMA user_version", err);
    int rc = s ? fl_stmt_step(s, err) : err ? (int)err->code : FL_E_BUG;

    if (rc == 1) {
        *ret = fl_stmt_i64(s, 0);
        fl_stmt_reset(s);
        return 0;
    }
    return rc ? rc : fl_fail(err, FL_E_BAD_DATA, "StoreDamaged", "%s: no user_version", db->path);
}

static int writer_apply(struct fl_db *db, const char *const *migrations, int64_t from, int64_t to,
                        struct fl_err *err)
{
    char version[64];
    int rc = 0;

    for (int64_t i = from; i < to && rc == 0; i++) {
        rc = fl_db_conn_exec(db->writer, migrations[i], "migration", err);
    }
    if (rc == 0) {
        (void)snprintf(version, sizeof(version), "PRAGMA user_version=%lld", (long long)to);
        rc = fl_db_conn_exec(db->writer, version, db->path, err);
    }
    return rc;
}

/* Writes the version even when it stays: that is the proof that the file can be written. */
static int writer_migrate(struct fl_db *db, const char *const *migrations, struct fl_err *err)
{
    int64_t have = 0;
    int64_t want = 0;
    int rc = writer_version(db, &have, err);

    while (migrations && migrations[want]) {
        want++;
    }
    if (rc) {
        return rc;
    }
    db->version = want;
    if (have > want || have < 0) {
        return fl_fail(err, FL_E_INVALID, "NewerVersion",
                       "%s was written by a newer version of Fairlead (format %lld, this program "
                       "knows up to %lld)",
                       db->path, (long long)have, (long long)want);
    }
    rc = fl_db_conn_exec(db->writer, "BEGIN IMMEDIATE", db->path, err);
    if (rc) {
        return rc;
    }
    rc = writer_apply(db, migrations, have, want, err);
    if (rc == 0) {
        rc = fl_db_conn_exec(db->writer, "COMMIT", db->path, err);
    }
    if (rc && !sqlite3_get_autocommit(db->writer->db)) {
        (void)sqlite3_exec(db->writer->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return rc;
}

/* ---- the writer ---- */

static void writer_rollback(struct fl_db_conn *c)
{
    fl_db_conn_reset(c);
    if (!sqlite3_get_autocommit(c->db)) {
        (void)fl_db_conn_run(c, "ROLLBACK", NULL);
    }
}

/* SQLite rolls the whole transaction back by itself on some failures (disk full, I/O, memory). */
static int writer_lost(const struct db_write *w, struct fl_err *err)
{
    if (w->rc && w->err->msg[0]) {
        return fl_fail(err, FL_E_UNAVAILABLE, w->err->reason, "%s", w->err->msg);
    }
    return fl_fail(err, FL_E_UNAVAILABLE, "StoreUnavailable",
                   "store: the transaction was rolled back");
}

/* One write of several: only its own changes are undone when it fails. Negative: the transaction is lost. */
static int writer_run_shared(struct fl_db_conn *c, struct db_write *w, struct fl_err *err)
{
    int rc = fl_db_conn_run(c, "SAVEPOINT w", err);

    if (rc) {
        return rc;
    }
    w->rc = w->fn(c, w->arg, w->err);
    fl_db_conn_reset(c);
    if (sqlite3_get_autocommit(c->db)) {
        return writer_lost(w, err);
    }
    if (w->rc) {
        rc = fl_db_conn_run(c, "ROLLBACK TO w", err);
    }
    return rc ? rc : fl_db_conn_run(c, "RELEASE w", err);
}

static int writer_run_alone(struct fl_db_conn *c, struct db_write *w, struct fl_err *err)
{
    w->rc = w->fn(c, w->arg, w->err);
    fl_db_conn_reset(c);
    if (w->rc) {
        writer_rollback(c);
        return 0;
    }
    if (sqlite3_get_autocommit(c->db)) {
        return writer_lost(w, err);
    }
    return fl_db_conn_run(c, "COMMIT", err);
}

static bool writer_settles(const struct db_write *batch) /* at least one write */
{
    while (batch->next && !batch->settle) {
        batch = batch->next;
    }
    return batch->settle;
}

static int writer_run_batch(struct fl_db *db, struct db_write *batch, struct fl_err *err)
{
    struct fl_db_conn *c = db->writer;
    int ok = 0;
    int rc = 0;

    if (db->held && writer_settles(batch)) {
        db->held = false; /* the level cannot change within a transaction */
        rc = writer_sync(db, err);
    }
    if (rc == 0) {
        rc = fl_db_conn_run(c, "BEGIN IMMEDIATE", err);
    }

    if (rc) {
        return rc;
    }
    if (!batch->next) {
        return writer_run_alone(c, batch, err);
    }
    for (struct db_write *w = batch; w && rc == 0; w = w->next) {
        rc = writer_run_shared(c, w, err);
        ok += rc == 0 && w->rc == 0;
    }
    if (rc == 0 && ok == 0) {
        writer_rollback(c);
        return 0;
    }
    return rc ? rc : fl_db_conn_run(c, "COMMIT", err);
}

/* A commit that failed fails all that were to be in it; a write with a failure of its own keeps that. */
static void writer_fail_batch(struct db_write *batch, const struct fl_err *why)
{
    for (struct db_write *w = batch; w; w = w->next) {
        if (w->rc == 0) {
            w->rc = fl_fail(w->err, FL_E_UNAVAILABLE, why->reason, "%s", why->msg);
        }
    }
}

/* After the answers, so that no caller waits for it. PASSIVE waits for nobody; a log that grew far because readers never
 * all left it is worth a wait. */
static void writer_checkpoint(struct fl_db *db)
{
    int mode = SQLITE_CHECKPOINT_PASSIVE;

    if (db->held || db->wal_pages < db->wal_due) {
        return;
    }
    if (db->wal_pages > DB_WAL_LONG) {
        mode = SQLITE_CHECKPOINT_RESTART;
    }
    (void)sqlite3_wal_checkpoint_v2(db->writer->db, NULL, mode, NULL, NULL);
    db->wal_due = db->wal_pages + DB_WAL_AGAIN;
}

static void writer_answer(struct fl_db *db, struct db_write *batch)
{
    for (struct db_write *w = batch; w; w = w->next) {
        if (w->rc == 0 && w->committed) {
            w->committed(w->arg);
        }
    }
    fl_lock_take(&db->lock);
    while (batch) {
        struct db_write *w = batch;

        /* Once done is seen, w is gone with its caller's stack. */
        batch = w->next;
        w->done = true;
        fl_cond_signal(&w->wake);
    }
    fl_lock_drop(&db->lock);
}

/* What waits now, at most a batch; NULL: nothing is left and the end was asked for. */
static struct db_write *writer_take(struct fl_db *db)
{
    struct db_write *batch;
    struct db_write *last;

    fl_lock_scope(&db->lock);
    while (!db->head && !db->stopping) {
        db->idle = true;
        fl_cond_wait(&db->work, &db->lock);
    }
    db->idle = false;
    batch = db->head;
    last = batch;
    db->queued -= last != NULL;
    for (int i = 1; last && last->next && i < db->batch_max; i++) {
        last = last->next;
        db->queued--;
    }
    if (last) {
        db->head = last->next;
        last->next = NULL;
        if (!db->head) {
            db->tail = &db->head;
        }
    }
    return batch;
}

/* Before the answers: whoever saw a write fail sees the fault too. */
static void writer_note_fault(struct fl_db *db)
{
    if (!db->writer->fault.code) {
        return;
    }
    fl_lock_scope(&db->lock);
    db->fault = db->writer->fault;
}

static void *writer_main(void *arg)
{
    struct fl_db *db = arg;
    struct db_write *batch;

    while ((batch = writer_take(db)) != NULL) {
        struct fl_err err = FL_ERR_INIT;
        int rc = writer_run_batch(db, batch, &err);

        if (rc) {
            writer_rollback(db->writer);
            writer_fail_batch(batch, &err);
        }
        fl_db_conn_reset(db->writer);
        writer_note_fault(db);
        writer_answer(db, batch);
        fl_err_clear(&db->writer->fault);
        writer_checkpoint(db);
    }
    return NULL;
}

/* Under the lock. */
static void db_caller_leaves(struct fl_db *db)
{
    db->callers--;
    if (db->stopping && db->callers == 0) {
        fl_cond_signal(&db->callers_gone);
    }
}

int fl_db_fault(struct fl_db *db, struct fl_err *err)
{
    fl_lock_scope(&db->lock);
    if (db->fault.code && err) {
        *err = db->fault;
    }
    return (int)db->fault.code;
}

void fl_db_fault_over(struct fl_db *db)
{
    fl_lock_scope(&db->lock);
    if (!db->writer->fault.code) {
        fl_err_clear(&db->fault);
    }
}

size_t fl_db_queued(struct fl_db *db)
{
    fl_lock_scope(&db->lock);
    return db->queued;
}

/* Returns what the write came to. */
static int write_wait(struct fl_db *db, struct db_write *w)
{
    fl_cond_init(&w->wake);
    fl_lock_take(&db->lock);
    fl_assert(!db->stopping);
    db->callers++;
    /* cppcheck-suppress autoVariables ; w is waited for below */
    *db->tail = w;
    /* cppcheck-suppress autoVariables ; as above */
    db->tail = &w->next;
    db->queued++;
    if (db->idle) {
        db->idle = false;
        fl_cond_signal(&db->work);
    }
    while (!w->done) {
        fl_cond_wait(&w->wake, &db->lock);
    }
    db_caller_leaves(db);
    fl_lock_drop(&db->lock);
    fl_cond_destroy(&w->wake);
    return w->rc;
}

int fl_db_write(struct fl_db *db, int (*fn)(struct fl_db_conn *c, void *arg, struct fl_err *err),
                void (*committed)(void *arg), void *arg, struct fl_err *err)
{
    struct fl_err own = FL_ERR_INIT;
    struct db_write w = {.fn = fn, .committed = committed, .arg = arg, .err = err ? err : &own};

    return write_wait(db, &w);
}

/* Writes the first page, though it stays as it is: a transaction without changes would sync nothing. */
static int settle_fn(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct fl_db *db = arg;
    char sql[64];

    (void)snprintf(sql, sizeof(sql), "PRAGMA user_version=%lld", (long long)db->version);
    return fl_db_conn_exec(c, sql, db->path, err);
}

int fl_db_settle(struct fl_db *db, struct fl_err *err)
{
    struct fl_err own = FL_ERR_INIT;
    struct db_write w = {.fn = settle_fn, .arg = db, .err = err ? err : &own, .settle = true};

    return write_wait(db, &w);
}

/* ---- readers ---- */

static struct fl_db_conn *reader_take(struct fl_db *db, struct fl_err *err)
{
    struct fl_db_conn *c;

    fl_lock_take(&db->lock);
    fl_assert(!db->stopping);
    db->callers++;
    while (!db->free_readers && db->n_readers >= db->readers_max) {
        fl_cond_wait(&db->reader_back, &db->lock);
    }
    c = db->free_readers;
    if (c) {
        db->free_readers = c->next;
    } else {
        db->n_readers++; /* the place is ours while the connection is opened without the lock */
    }
    fl_lock_drop(&db->lock);
    if (!c && reader_open(db, &c, err) != 0) {
        fl_lock_take(&db->lock);
        db->n_readers--;
        fl_cond_signal(&db->reader_back);
        db_caller_leaves(db);
        fl_lock_drop(&db->lock);
        return NULL;
    }
    return c;
}

static void reader_give(struct fl_db *db, struct fl_db_conn *c)
{
    fl_lock_scope(&db->lock);
    c->next = db->free_readers;
    db->free_readers = c;
    fl_cond_signal(&db->reader_back);
    db_caller_leaves(db);
}

int fl_db_read(struct fl_db *db, int (*fn)(struct fl_db_conn *c, void *arg, struct fl_err *err),
               void *arg, struct fl_err *err)
{
    struct fl_err own = FL_ERR_INIT;
    struct fl_err *e = err ? err : &own;
    struct fl_db_conn *c = reader_take(db, e);
    int rc;

    if (!c) {
        return (int)e->code;
    }
    rc = fl_db_conn_run(c, "BEGIN", e);
    if (rc == 0) {
        rc = fn(c, arg, e);
    }
    fl_db_conn_reset(c);
    if (!sqlite3_get_autocommit(c->db)) {
        /* Nothing was written, so its failure loses nothing. */
        (void)fl_db_conn_run(c, "ROLLBACK", NULL);
        fl_db_conn_reset(c);
    }
    reader_give(db, c);
    return rc;
}

/* ---- memory ---- */

static int relax_writer(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    (void)arg;
    (void)err;
    (void)sqlite3_db_release_memory(c->db);
    return 0;
}

void fl_db_relax(struct fl_db *db)
{
    struct fl_db_conn *spare = NULL;

    (void)fl_db_write(db, relax_writer, NULL, NULL, NULL);
    fl_lock_take(&db->lock);
    if (db->free_readers) {
        spare = db->free_readers->next;
        db->free_readers->next = NULL;
    }
    for (struct fl_db_conn *c = spare; c; c = c->next) {
        db->n_readers--;
        fl_cond_signal(&db->reader_back);
    }
    fl_lock_drop(&db->lock);
    while (spare) {
        struct fl_db_conn *c = spare;

        spare = c->next;
        fl_db_conn_free(c);
    }
}

/* ---- open, close, the whole file ---- */

static int db_take_lock(struct fl_db *db, struct fl_err *err)
{
    fl_auto_text path = fl_asprintf("%s.lock", db->path);
    int rc = fl_file_lock(path, &db->lock_fd, err);

    if (rc == FL_E_NOT_FOUND || rc == FL_E_INVALID) {
        /* A folder that is not there or cannot be written: no store can be here now. */
        err->code = FL_E_UNAVAILABLE;
        rc = FL_E_UNAVAILABLE;
    }
    return rc;
}

static void db_free(struct fl_db *db)
{
    while (db->free_readers) {
        struct fl_db_conn *c = db->free_readers;

        db->free_readers = c->next;
        db->n_readers--;
        fl_db_conn_free(c);
    }
    fl_assert(db->n_readers == 0);
    fl_db_conn_free(db->writer);
    if (db->lock_fd >= 0) {
        (void)close(db->lock_fd);
    }
    fl_cond_destroy(&db->callers_gone);
    fl_cond_destroy(&db->reader_back);
    fl_cond_destroy(&db->work);
    fl_lock_destroy(&db->lock);
    fl_free(db->path);
    fl_free(db);
}

static int db_prepare(struct fl_db *db, const struct fl_db_conf *conf, struct fl_err *err)
{
    struct fl_db_conn *reader = NULL;
    int rc = db_take_lock(db, err);

    if (rc == 0) {
        rc = fl_db_file_make(db->path, err);
    }
    if (rc == 0) {
        rc = writer_open(db, err);
    }
    if (rc == 0) {
        rc = writer_migrate(db, conf->migrations, err);
    }
    if (db->writer) {
        fl_db_conn_reset(db->writer);
    }
    if (rc == 0) {
        rc = reader_open(db, &reader, err);
    }
    if (rc == 0) {
        db->n_readers = 1;
        db->free_readers = reader;
    }
    return rc;
}

int fl_db_open(const struct fl_db_conf *conf, struct fl_db **ret, struct fl_err *err)
{
    struct fl_err own = FL_ERR_INIT;
    struct fl_db *db = FL_NEW(struct fl_db);
    int rc;

    db->path = fl_strdup(conf->path);
    db->lock_fd = -1;
    db->sync_normal = conf->sync_normal;
    db->held = conf->hold;
    db->batch_max = conf->batch_max > 0 ? conf->batch_max : DB_BATCH;
    db->readers_max = conf->readers > 0 ? conf->readers : DB_READERS;
    db->tail = &db->head;
    db->wal_due = DB_WAL_PAGES;
    fl_lock_init(&db->lock, "db", FL_RANK_WIRE);
    fl_cond_init(&db->work);
    fl_cond_init(&db->reader_back);
    fl_cond_init(&db->callers_gone);
    rc = db_prepare(db, conf, err ? err : &own);
    if (rc) {
        db_free(db);
        return rc;
    }
    fl_thread_start(&db->thread, "db-writer", writer_main, db);
    db->started = true;
    *ret = db;
    return 0;
}

void fl_db_close(struct fl_db *db)
{
    if (!db) {
        return;
    }
    if (db->started) {
        fl_lock_take(&db->lock);
        db->stopping = true;
        fl_cond_signal(&db->work);
        while (db->callers > 0) {
            fl_cond_wait(&db->callers_gone, &db->lock);
        }
        fl_lock_drop(&db->lock);
        pthread_join(db->thread, NULL);
        if (db->held) {
            db->held = false;
            (void)writer_sync(db, NULL);
        }
        /* Closing the last connection checkpoints and removes the log. */
    }
    db_free(db);
}

int64_t fl_db_size_bytes(struct fl_db *db)
{
    struct stat st;

    return stat(db->path, &st) == 0 ? (int64_t)st.st_size : 0;
}

int fl_db_backup(struct fl_db *db, const char *path, struct fl_err *err)
{
    return fl_db_file_copy(db->path, path, err);
}
