/* SPDX-License-Identifier: Apache-2.0
 * Whether the disk takes writes. */
#include "apiserver/store_priv.h"

#define PROBE_BYTES 65536

int fl_store_fault(struct fl_store *s, struct fl_err *err)
{
    return fl_db_fault(s->db, err);
}

static int probe_run(struct fl_db_conn *c, const char *sql, struct fl_err *err)
{
    struct fl_stmt *st = fl_stmt_get(c, sql, err);

    return st ? fl_stmt_run(st, err) : (int)err->code;
}

/* The row asks for pages of the file, and what it leaves in the log asks for room there. Its pages are free afterwards and
 * serve the next probe, or objects. */
static int probe_fn(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct fl_stmt *st = fl_stmt_get(c, "INSERT INTO meta VALUES('probe', zeroblob(?1))", err);
    int rc;

    (void)arg;
    if (!st) {
        return (int)err->code;
    }
    fl_stmt_bind_i64(st, 1, PROBE_BYTES);
    rc = fl_stmt_run(st, err);
    return rc ? rc : probe_run(c, "DELETE FROM meta WHERE key='probe'", err);
}

static void probe_committed(void *arg)
{
    struct fl_store *s = arg;

    fl_db_fault_over(s->db);
}

int fl_store_probe(struct fl_store *s, struct fl_err *err)
{
    return fl_db_write(s->db, probe_fn, probe_committed, s, err);
}
