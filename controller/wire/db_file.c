/* SPDX-License-Identifier: Apache-2.0
 * The database's file: a connection to it, making it whole, copying it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "wire/db_priv.h"
#include "wire/file.h"

#define DB_BUSY_MS 5000

int fl_db_conn_exec(struct fl_db_conn *c, const char *sql, const char *what, struct fl_err *err)
{
    int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : fl_db_fail_rc(c->db, rc, what, err);
}

void fl_db_conn_free(struct fl_db_conn *c)
{
    if (!c) {
        return;
    }
    fl_db_stmts_free(c);
    (void)sqlite3_close(c->db);
    fl_free(c);
}

/* Pages one by one: 20 of them at once for each connection, as is SQLite's habit, cannot be given back. */
static void sqlite_setup(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
}

int fl_db_conn_open(const char *path, struct fl_db_conn **ret, struct fl_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct fl_db_conn *c = FL_NEW(struct fl_db_conn);
    int rc;

    (void)pthread_once(&once, sqlite_setup);
    rc = sqlite3_open_v2(path, &c->db,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                             SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE,
                         NULL);

    if (rc == SQLITE_OK) {
        rc = sqlite3_busy_timeout(c->db, DB_BUSY_MS);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL);
    }
    if (rc != SQLITE_OK) {
        rc = fl_db_fail_rc(c->db, rc, path, err);
        fl_db_conn_free(c);
        return rc;
    }
    *ret = c;
    return 0;
}

static int db_fail_file(int errnum, const char *what, const char *path, struct fl_err *err)
{
    char text[FL_ERRNO_TEXT];

    return fl_fail(err, FL_E_UNAVAILABLE, "StoreUnavailable", "cannot %s %s: %s", what, path,
                   fl_errno_text(errnum, text));
}

static int db_sync_file(const char *path, struct fl_err *err)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    int failed = 0;

    if (fd < 0 || fsync(fd) != 0) {
        failed = errno;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return failed ? db_fail_file(failed, "write", path, err) : 0;
}

/* An empty database with a log. Without a journal and its four syncs: it has another name until it is whole. */
static int db_make_empty(const char *path, struct fl_err *err)
{
    struct fl_db_conn *c = NULL;
    /* SQLite would make it readable by all; its log and index take the mode of the file. */
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int rc;

    if (fd < 0) {
        return db_fail_file(errno, "create", path, err);
    }
    (void)close(fd);
    rc = fl_db_conn_open(path, &c, err);
    if (c) {
        rc = fl_db_conn_exec(
            c,
            "PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY; PRAGMA page_size=8192;"
            "PRAGMA journal_mode=WAL",
            path, err);
    }
    fl_db_conn_free(c);
    return rc ? rc : db_sync_file(path, err);
}

int fl_db_file_make(const char *path, struct fl_err *err)
{
    fl_auto_text fresh = fl_asprintf("%s.new", path);
    struct stat st;
    int rc;

    if (lstat(path, &st) == 0) {
        return 0;
    }
    rc = db_make_empty(fresh, err);
    if (rc == 0 && rename(fresh, path) != 0) {
        rc = db_fail_file(errno, "create", path, err);
    }
    if (rc) {
        (void)unlink(fresh);
        return rc;
    }
    return fl_file_sync_folder(path, err);
}

static int backup_into(struct fl_db_conn *c, const char *path, struct fl_err *err)
{
    struct fl_stmt *s = fl_stmt_get(c, "VACUUM INTO ?1", err);

    if (!s) {
        return err ? (int)err->code : FL_E_BUG;
    }
    fl_stmt_bind_str(s, 1, fl_str_of(path));
    return fl_stmt_run(s, err);
}

/* A connection of its own: those of the readers refuse writes of any kind, and the writer goes on meanwhile. */
int fl_db_file_copy(const char *from, const char *path, struct fl_err *err)
{
    struct fl_err own = FL_ERR_INIT;
    struct fl_err *e = err ? err : &own;
    struct fl_db_conn *c = NULL;
    int rc = fl_file_create(path, (struct fl_str){NULL, 0}, e);

    if (rc) {
        return rc;
    }
    rc = fl_db_conn_open(from, &c, e);
    if (c) {
        rc = backup_into(c, path, e);
    }
    fl_db_conn_free(c);
    if (rc == 0) {
        rc = db_sync_file(path, e); /* VACUUM INTO writes without */
    }
    if (rc == 0) {
        rc = fl_file_sync_folder(path, e);
    }
    if (rc) {
        (void)unlink(path);
    }
    return rc;
}
