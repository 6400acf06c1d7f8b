/* SPDX-License-Identifier: Apache-2.0
 * The log of what happened: appended in the transaction of the change, trimmed in small steps, replayed to watchers. */
#include "apiserver/store_priv.h"
#include "base/mem.h"
#include "base/secret.h"

static const char *const log_floor_key[STORE_CLASSES] = {
    [STORE_LONG] = "floor", [STORE_SHORT] = "floor_short"};

/* ---- small reads ---- */

/* The first column of the first row; *ret stays when there is none or it is NULL. */
static int log_read_i64(struct fl_stmt *st, int64_t *ret, struct fl_err *err)
{
    int rc = fl_stmt_step(st, err);

    if (rc <= 0) {
        return rc;
    }
    if (!fl_stmt_is_null(st, 0)) {
        *ret = fl_stmt_i64(st, 0);
    }
    fl_stmt_reset(st);
    return 0;
}

static int log_query(struct fl_db_conn *c, const char *sql, int64_t *ret, struct fl_err *err)
{
    struct fl_stmt *st = fl_stmt_get(c, sql, err);

    return st ? log_read_i64(st, ret, err) : (int)err->code;
}

static int log_meta_get(struct fl_db_conn *c, const char *key, int64_t *ret, struct fl_err *err)
{
    struct fl_stmt *st = fl_stmt_get(c, "SELECT value FROM meta WHERE key=?1", err);

    if (!st) {
        return (int)err->code;
    }
    fl_stmt_bind_str(st, 1, fl_str_of(key));
    return log_read_i64(st, ret, err);
}

static int log_meta_set(struct fl_db_conn *c, const char *key, int64_t value, struct fl_err *err)
{
    struct fl_stmt *st = fl_stmt_get(c, "UPDATE meta SET value=?2 WHERE key=?1", err);

    if (!st) {
        return (int)err->code;
    }
    fl_stmt_bind_str(st, 1, fl_str_of(key));
    fl_stmt_bind_i64(st, 2, value);
    return fl_stmt_run(st, err);
}

/* ---- floors ---- */

void fl_store_floor_raise(struct fl_store *s, enum store_class log, int64_t floor)
{
    if (floor > atomic_load(&s->floor[log])) {
        atomic_store(&s->floor[log], floor);
    }
}

int64_t fl_store_floor(struct fl_store *s, const struct fl_kind *kind)
{
    int64_t a = atomic_load(&s->floor[STORE_LONG]);
    int64_t b = atomic_load(&s->floor[STORE_SHORT]);
    struct store_place p;

    if (!kind) {
        return a > b ? a : b;
    }
    fl_store_place(kind, &p);
    return p.log == STORE_SHORT ? b : a;
}

int64_t fl_store_oldest_rv(struct fl_store *s)
{
    return atomic_load(&s->floor[STORE_LONG]);
}

/* ---- load ---- */

static int log_load_rows(struct fl_db_conn *c, struct fl_store *s, struct fl_err *err)
{
    int64_t oldest = 0;
    int64_t newest = 0;
    int rc = log_query(c, "SELECT count(*) FROM log INDEXED BY log_short WHERE short=1",
                       &s->rows[STORE_SHORT], err);

    if (rc == 0) {
        rc = log_query(c, "SELECT seq FROM log NOT INDEXED WHERE short=0 ORDER BY rv LIMIT 1",
                       &oldest, err);
    }
    if (rc == 0) {
        rc = log_query(c, "SELECT seq FROM log NOT INDEXED WHERE short=0 ORDER BY rv DESC LIMIT 1",
                       &newest, err);
    }
    if (rc == 0) {
        s->rows[STORE_LONG] = oldest > 0 ? newest - oldest + 1 : 0;
        s->seq = newest;
    }
    return rc;
}

int fl_store_log_load(struct fl_db_conn *c, struct fl_store *s, struct fl_err *err)
{
    int64_t rv = 1;
    int64_t newest = 0;
    int rc = log_meta_get(c, "rv", &rv, err);

    if (rc == 0) {
        rc = log_query(c, "SELECT max(rv) FROM log", &newest, err);
    }
    for (int i = 0; i < STORE_CLASSES && rc == 0; i++) {
        int64_t floor = 1;

        rc = log_meta_get(c, log_floor_key[i], &floor, err);
        if (rc == 0) {
            fl_store_floor_raise(s, (enum store_class)i, floor);
        }
    }
    if (rc == 0) {
        rc = log_load_rows(c, s, err);
    }
    if (rc == 0) {
        rv = rv > newest ? rv : newest;
        if (rv > s->next_rv) {
            s->next_rv = rv;
        }
        /* Only at open: later it is what was published. */
        if (atomic_load(&s->rv) == 0) {
            atomic_store(&s->rv, rv);
        }
    }
    return rc;
}

/* ---- append and trim ---- */

int fl_store_log_append(struct fl_db_conn *c, struct store_change *ch,
                        const struct store_log_row *row, struct fl_err *err)
{
    struct fl_store *s = ch->s;
    struct fl_stmt *st =
        fl_stmt_get(c,
                    "INSERT INTO log(rv, type, short, seq, res, ns, name, sealed, body, old)"
                    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                    err);
    int rc;

    if (!st) {
        return (int)err->code;
    }
    fl_stmt_bind_i64(st, 1, ch->rv);
    fl_stmt_bind_i64(st, 2, ch->type);
    fl_stmt_bind_i64(st, 3, ch->place.log == STORE_SHORT);
    fl_stmt_bind_i64(st, 4, ch->place.log == STORE_SHORT ? 0 : s->seq + 1);
    fl_stmt_bind_str(st, 5, fl_str_of(ch->place.res));
    fl_stmt_bind_str(st, 6, ch->key.ns);
    fl_stmt_bind_str(st, 7, ch->key.name);
    fl_stmt_bind_i64(st, 8, row->sealed);
    fl_stmt_bind_blob(st, 9, row->body);
    if (row->old.n > 0) {
        fl_stmt_bind_blob(st, 10, row->old);
    }
    rc = fl_stmt_run(st, err);
    if (rc == 0) {
        s->rows[ch->place.log]++;
        s->seq += ch->place.log == STORE_LONG;
    }
    return rc;
}

/* Rows of one log up to and including rv. The RV is written down with it: the log may be empty afterwards. */
static int log_delete(struct fl_db_conn *c, struct fl_store *s, enum store_class log, int64_t floor,
                      int64_t rv, struct fl_err *err)
{
    struct fl_stmt *st =
        fl_stmt_get(c,
                    log == STORE_SHORT
                        ? "DELETE FROM log INDEXED BY log_short WHERE short=1 AND rv>?1 AND rv<=?2"
                        : "DELETE FROM log NOT INDEXED WHERE short=0 AND rv>?1 AND rv<=?2",
                    err);
    int rc;

    if (!st) {
        return (int)err->code;
    }
    fl_stmt_bind_i64(st, 1, floor);
    fl_stmt_bind_i64(st, 2, rv);
    rc = fl_stmt_run(st, err);
    if (rc == 0) {
        s->rows[log] -= fl_db_changes(c);
        rc = log_meta_set(c, log_floor_key[log], rv, err);
    }
    return rc ? rc : log_meta_set(c, "rv", s->next_rv, err);
}

/* The RV of the nth oldest row of one log. */
static int log_nth(struct fl_db_conn *c, enum store_class log, int64_t floor, int64_t n,
                   int64_t *ret, struct fl_err *err)
{
    struct fl_stmt *st =
        fl_stmt_get(c,
                    log == STORE_SHORT ? "SELECT rv FROM log INDEXED BY log_short WHERE short=1 "
                                         "AND rv>?1 ORDER BY rv LIMIT 1 OFFSET ?2"
                                       : "SELECT rv FROM log NOT INDEXED WHERE short=0 AND rv>?1 "
                                         "ORDER BY rv LIMIT 1 OFFSET ?2",
                    err);

    if (!st) {
        return (int)err->code;
    }
    fl_stmt_bind_i64(st, 1, floor);
    fl_stmt_bind_i64(st, 2, n - 1);
    return log_read_i64(st, ret, err);
}

int fl_store_log_trim(struct fl_db_conn *c, struct fl_store *s, enum store_class log, int64_t slack,
                      int64_t max, int64_t *ret_floor, struct fl_err *err)
{
    int64_t over = s->rows[log] - s->keep[log];
    int64_t floor = 0;
    int64_t cut = 0;
    int rc;

    if (over <= 0 || over < slack) {
        return 0;
    }
    if (over > max) {
        over = max;
    }
    /* From the file, not from memory: what is published there comes after the commit. */
    rc = log_meta_get(c, log_floor_key[log], &floor, err);
    if (rc == 0) {
        rc = log_nth(c, log, floor, over, &cut, err);
    }
    if (rc == 0 && cut > 0) {
        rc = log_delete(c, s, log, floor, cut, err);
        if (rc == 0) {
            *ret_floor = cut;
        }
    }
    return rc;
}

int fl_store_log_drop(struct fl_db_conn *c, struct fl_store *s, int64_t rv, struct fl_err *err)
{
    int64_t floor = 0;
    int rc = log_meta_get(c, log_floor_key[STORE_LONG], &floor, err);

    if (rc || rv <= floor) {
        return rc;
    }
    return log_delete(c, s, STORE_LONG, floor, rv, err);
}

/* ---- replay ---- */

struct log_replay {
    struct fl_store *s;
    const struct fl_kind *kind;
    struct store_place place;
    int64_t rv;
    int64_t upto;
    void (*event)(void *arg, const struct fl_event *ev);
    void *arg;
    struct fl_buf plain;
};

static int replay_expired(const struct log_replay *r, int64_t floor, struct fl_err *err)
{
    return fl_fail(err, FL_E_NOT_FOUND, "Expired", "too old resource version: %lld (%lld)",
                   (long long)r->rv, (long long)floor);
}

static int replay_check_floor(struct fl_db_conn *c, const struct log_replay *r, struct fl_err *err)
{
    int64_t floor = 0;
    int rc = 0;

    for (int i = 0; i < STORE_CLASSES && rc == 0; i++) {
        int64_t f = 0;

        if (!r->kind || r->place.log == (enum store_class)i) {
            rc = log_meta_get(c, log_floor_key[i], &f, err);
            floor = f > floor ? f : floor;
        }
    }
    if (rc == 0 && r->rv < floor) {
        return replay_expired(r, floor, err);
    }
    return rc;
}

/* Columns: 3 ns, 4 name, 5 sealed. */
static int replay_text(struct log_replay *r, const struct fl_stmt *st, int col,
                       struct fl_shared **ret, struct fl_err *err)
{
    struct fl_str raw = fl_stmt_str(st, col);
    int rc;

    if (!fl_stmt_i64(st, 5)) {
        *ret = fl_shared_new(raw);
        return 0;
    }
    fl_buf_clear(&r->plain);
    rc = fl_store_unseal(r->s, fl_stmt_str(st, 2), fl_stmt_str(st, 3), fl_stmt_str(st, 4), raw,
                         &r->plain, err);
    if (rc == 0) {
        *ret = fl_shared_new(fl_buf_slice(&r->plain));
    } else if (rc == FL_E_AUTH) {
        /* The key went before the log was sealed anew. That is history one can do without: list again. */
        rc = replay_expired(r, fl_stmt_i64(st, 0), err);
    }
    fl_wipe(r->plain.data, r->plain.len);
    return rc;
}

static int replay_row(struct log_replay *r, const struct fl_stmt *st, struct fl_err *err)
{
    fl_auto(fl_shared) text = NULL;
    fl_auto(fl_shared) old = NULL;
    struct fl_event ev = {.rv = fl_stmt_i64(st, 0), .type = (enum fl_event_type)fl_stmt_i64(st, 1)};
    int rc;

    ev.kind = r->kind ? r->kind : fl_store_kind_at(fl_stmt_str(st, 2));
    if (!ev.kind) {
        return 0;
    }
    rc = replay_text(r, st, 6, &text, err);
    if (rc == 0 && !fl_stmt_is_null(st, 7)) {
        rc = replay_text(r, st, 7, &old, err);
    }
    if (rc == 0) {
        ev.text = text;
        ev.old = old;
        r->event(r->arg, &ev);
    }
    return rc;
}

static int replay_fn(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct log_replay *r = arg;
    struct fl_stmt *st;
    int rc = replay_check_floor(c, r, err);

    if (rc) {
        return rc;
    }
    st = fl_stmt_get(c,
                     r->kind
                         ? "SELECT rv, type, res, ns, name, sealed, body, old FROM log NOT INDEXED"
                           " WHERE rv>?1 AND rv<=?2 AND res=?3 ORDER BY rv"
                         : "SELECT rv, type, res, ns, name, sealed, body, old FROM log NOT INDEXED"
                           " WHERE rv>?1 AND rv<=?2 ORDER BY rv",
                     err);
    if (!st) {
        return (int)err->code;
    }
    fl_stmt_bind_i64(st, 1, r->rv);
    fl_stmt_bind_i64(st, 2, r->upto);
    if (r->kind) {
        fl_stmt_bind_str(st, 3, fl_str_of(r->place.res));
    }
    while ((rc = fl_stmt_step(st, err)) > 0) {
        rc = replay_row(r, st, err);
        if (rc) {
            return rc;
        }
    }
    return rc;
}

int fl_store_replay(struct fl_store *s, int64_t rv, int64_t upto, const struct fl_kind *kind,
                    void (*event)(void *arg, const struct fl_event *ev), void *arg,
                    struct fl_err *err)
{
    struct log_replay r = {
        .s = s, .kind = kind, .rv = rv, .upto = upto, .event = event, .arg = arg};
    int rc;

    fl_buf_init(&r.plain, FL_BUF_ANY);
    if (kind) {
        fl_store_place(kind, &r.place);
    }
    rc = fl_db_read(s->db, replay_fn, &r, err);
    fl_buf_release(&r.plain);
    return rc;
}
