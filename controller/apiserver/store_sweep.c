/* SPDX-License-Identifier: Apache-2.0
 * What is done from time to time: Events that are too old, a log that is too long, texts of an older key. */
#include "apiserver/store_priv.h"
#include "base/mem.h"

struct sweep_row {
    struct store_row row;
    struct fl_shared *res, *ns, *name;
    struct store_change ch;
};

struct sweep_job {
    struct fl_store *s;
    int64_t from_ms, to_ms;
    struct sweep_row *rows;
    size_t n;
    bool more;
    int64_t floor[STORE_CLASSES];
};

static void sweep_release(struct sweep_job *j)
{
    for (size_t i = 0; i < j->n; i++) {
        struct sweep_row *r = &j->rows[i];

        fl_store_change_release(&r->ch);
        fl_store_row_release(&r->row);
        fl_shared_free(r->res);
        fl_shared_free(r->ns);
        fl_shared_free(r->name);
    }
    fl_free(j->rows);
    j->rows = NULL;
    j->n = 0;
}

static int sweep_collect(struct fl_db_conn *c, struct sweep_job *j, struct fl_err *err)
{
    struct fl_stmt *st =
        fl_stmt_get(c,
                    "SELECT id, rv, sealed, body, res, ns, name FROM objects INDEXED BY"
                    " objects_age WHERE wall_ms>=?1 AND wall_ms<?2 ORDER BY wall_ms LIMIT 101",
                    err);
    int rc;

    if (!st) {
        return (int)err->code;
    }
    fl_stmt_bind_i64(st, 1, j->from_ms);
    fl_stmt_bind_i64(st, 2, j->to_ms);
    while ((rc = fl_stmt_step(st, err)) > 0) {
        struct sweep_row *r;

        if (j->n == STORE_SWEEP_ROWS) {
            j->more = true;
            fl_stmt_reset(st);
            return 0;
        }
        if (!j->rows) {
            j->rows = fl_calloc(STORE_SWEEP_ROWS, sizeof(*j->rows));
        }
        r = &j->rows[j->n++];
        r->row.id = fl_stmt_i64(st, 0);
        r->row.rv = fl_stmt_i64(st, 1);
        r->row.sealed = fl_stmt_i64(st, 2);
        r->row.body = fl_shared_new(fl_stmt_str(st, 3));
        r->res = fl_shared_new(fl_stmt_str(st, 4));
        r->ns = fl_shared_new(fl_stmt_str(st, 5));
        r->name = fl_shared_new(fl_stmt_str(st, 6));
    }
    return rc;
}

static int sweep_delete(struct fl_db_conn *c, struct sweep_job *j, struct sweep_row *r,
                        struct fl_err *err)
{
    const struct fl_kind *kind = fl_store_kind_at(fl_shared_str(r->res));
    struct fl_str before;
    struct fl_str after;

    r->ch = (struct store_change){
        .s = j->s,
        .key = {kind, fl_shared_str(r->ns), fl_shared_str(r->name)},
        .type = FL_EVENT_DELETED,
    };
    if (!kind) {
        return fl_fail(err, FL_E_BUG, "StoreBug", "no kind is kept as %s", r->res->data);
    }
    fl_store_place(kind, &r->ch.place);
    /* Kinds that expire are not sealed; should one be, its text is not known here, and the old one is as good. */
    fl_store_text_cut(r->row.sealed ? (struct fl_str){NULL, 0} : fl_shared_str(r->row.body),
                      &before, &after);
    return fl_store_change_apply(c, &r->ch, &r->row, before, after, err);
}

static int sweep_expire_fn(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct sweep_job *j = arg;
    int rc = sweep_collect(c, j, err);

    for (size_t i = 0; i < j->n && rc == 0; i++) {
        rc = sweep_delete(c, j, &j->rows[i], err);
    }
    return rc;
}

static void sweep_expire_committed(void *arg)
{
    struct sweep_job *j = arg;

    for (size_t i = 0; i < j->n; i++) {
        fl_store_change_publish(&j->rows[i].ch);
    }
}

/* Returns 1 when there is more, 0, or a failure. */
static int sweep_expire(struct fl_store *s, int64_t from_ms, int64_t to_ms, struct fl_err *err)
{
    struct sweep_job j = {.s = s, .from_ms = from_ms, .to_ms = to_ms};
    int rc = fl_db_write(s->db, sweep_expire_fn, sweep_expire_committed, &j, err);

    if (rc) {
        atomic_store(&s->stale, true);
    }
    sweep_release(&j);
    return rc ? rc : j.more;
}

static int sweep_trim_fn(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct sweep_job *j = arg;
    int rc = 0;

    for (int i = 0; i < STORE_CLASSES && rc == 0; i++) {
        rc = fl_store_log_trim(c, j->s, (enum store_class)i, 1, 10L * STORE_SWEEP_ROWS,
                               &j->floor[i], err);
        j->more = j->more || j->s->rows[i] > j->s->keep[i];
    }
    return rc;
}

static void sweep_trim_committed(void *arg)
{
    struct sweep_job *j = arg;

    for (int i = 0; i < STORE_CLASSES; i++) {
        fl_store_floor_raise(j->s, (enum store_class)i, j->floor[i]);
    }
}

static int sweep_trim(struct fl_store *s, struct fl_err *err)
{
    struct sweep_job j = {.s = s};
    int rc = fl_db_write(s->db, sweep_trim_fn, sweep_trim_committed, &j, err);

    if (rc) {
        atomic_store(&s->stale, true);
    }
    return rc ? rc : j.more;
}

int fl_store_sweep(struct fl_store *s, struct fl_err *err)
{
    int64_t now = fl_clock_wall_ms(s->clock);
    int left = 0;
    int rc = sweep_expire(s, INT64_MIN, now - s->event_ttl_ms, err);

    if (rc >= 0) {
        /* Written while the clock was ahead: they would stay for as long as it was wrong. */
        left += rc;
        rc = sweep_expire(s, now + s->event_ttl_ms, INT64_MAX, err);
    }
    if (rc >= 0) {
        left += rc;
        rc = sweep_trim(s, err);
    }
    if (rc >= 0) {
        left += rc;
        rc = fl_store_reseal(s, err);
    }
    return rc < 0 ? rc : left + rc;
}
