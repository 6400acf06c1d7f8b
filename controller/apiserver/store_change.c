/* SPDX-License-Identifier: Apache-2.0
 * Changes: one write of a caller, and the part that all changes share (sweeps make them too). */
#include "apiserver/store_priv.h"
#include "base/mem.h"
#include "base/secret.h"
#include "wire/scan.h"

void fl_store_change_release(struct store_change *ch)
{
    fl_shared_free(ch->text);
    fl_shared_free(ch->old);
    ch->text = NULL;
    ch->old = NULL;
}

void fl_store_row_release(struct store_row *r)
{
    fl_shared_free(r->body);
    r->body = NULL;
}

void fl_store_text_cut(struct fl_str text, struct fl_str *before, struct fl_str *after)
{
    struct fl_str rv = fl_scan_path(text, "metadata.resourceVersion");
    struct fl_str digits = {NULL, 0};

    *before = text;
    *after = (struct fl_str){NULL, 0};
    if (fl_scan_plain(rv, &digits)) {
        before->n = (size_t)(digits.p - text.p);
        after->p = digits.p + digits.n;
        after->n = text.n - before->n - digits.n;
    }
}

/* ---- on the writer thread ---- */

static int change_insert(struct fl_db_conn *c, const struct store_change *ch, int64_t sealed,
                         struct fl_str body, struct fl_err *err)
{
    struct fl_stmt *st = fl_stmt_get(c,
                                     "INSERT INTO objects(res, ns, name, rv, sealed, wall_ms, "
                                     "body) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                                     err);

    if (!st) {
        return (int)err->code;
    }
    fl_stmt_bind_str(st, 1, fl_str_of(ch->place.res));
    fl_stmt_bind_str(st, 2, ch->key.ns);
    fl_stmt_bind_str(st, 3, ch->key.name);
    fl_stmt_bind_i64(st, 4, ch->rv);
    fl_stmt_bind_i64(st, 5, sealed);
    if (ch->place.expires) {
        fl_stmt_bind_i64(st, 6, fl_clock_wall_ms(ch->s->clock));
    }
    fl_stmt_bind_blob(st, 7, body);
    return fl_stmt_run(st, err);
}

static int change_update(struct fl_db_conn *c, const struct store_change *ch, int64_t id,
                         int64_t sealed, struct fl_str body, struct fl_err *err)
{
    struct fl_stmt *st =
        fl_stmt_get(c, "UPDATE objects SET rv=?2, sealed=?3, wall_ms=?4, body=?5 WHERE id=?1", err);

    if (!st) {
        return (int)err->code;
    }
    fl_stmt_bind_i64(st, 1, id);
    fl_stmt_bind_i64(st, 2, ch->rv);
    fl_stmt_bind_i64(st, 3, sealed);
    if (ch->place.expires) {
        fl_stmt_bind_i64(st, 4, fl_clock_wall_ms(ch->s->clock));
    }
    fl_stmt_bind_blob(st, 5, body);
    return fl_stmt_run(st, err);
}

static int change_delete(struct fl_db_conn *c, int64_t id, struct fl_err *err)
{
    struct fl_stmt *st = fl_stmt_get(c, "DELETE FROM objects WHERE id=?1", err);

    if (!st) {
        return (int)err->code;
    }
    fl_stmt_bind_i64(st, 1, id);
    return fl_stmt_run(st, err);
}

/* What stood before, as watchers with selectors need it. */
static int change_take_old(struct store_change *ch, const struct store_row *row, struct fl_err *err)
{
    struct fl_store *s = ch->s;
    int rc;

    if (!row->sealed) {
        ch->old = fl_shared_ref(row->body);
        return 0;
    }
    fl_buf_clear(&s->text);
    rc = fl_store_unseal(s, fl_str_of(ch->place.res), ch->key.ns, ch->key.name,
                         fl_shared_str(row->body), &s->text, err);
    if (rc == 0) {
        ch->old = fl_shared_new(fl_buf_slice(&s->text));
    }
    fl_wipe(s->text.data, s->text.len);
    return rc;
}

static void change_make_text(struct store_change *ch, struct fl_str before, struct fl_str after)
{
    struct fl_buf *b = &ch->s->text;

    fl_buf_clear(b);
    fl_buf_str(b, before);
    if (after.n > 0) {
        fl_buf_i64(b, ch->rv);
        fl_buf_str(b, after);
    }
    ch->text = fl_shared_new(fl_buf_slice(b));
    if (ch->place.sealed) {
        fl_wipe(b->data, b->len);
    }
    fl_buf_clear(b);
}

/* The kind is encrypted since this version of the program, or no longer: both texts of a log row are of one form. */
static void change_encode_old(struct store_change *ch, struct store_log_row *log)
{
    log->old = fl_shared_str(ch->old);
    if (ch->place.sealed) {
        fl_buf_clear(&ch->s->sealed_old);
        fl_store_seal(ch->s, fl_str_of(ch->place.res), ch->key.ns, ch->key.name, log->old,
                      &ch->s->sealed_old);
        log->old = fl_buf_slice(&ch->s->sealed_old);
    }
}

static int change_write(struct fl_db_conn *c, struct store_change *ch, const struct store_row *row,
                        struct fl_err *err)
{
    struct fl_store *s = ch->s;
    struct store_log_row log = {.body = fl_shared_str(ch->text)};
    int64_t sealed = 0;
    int rc;

    fl_assert((row == NULL) == (ch->type == FL_EVENT_ADDED));
    if (ch->place.sealed) {
        fl_buf_clear(&s->sealed);
        fl_store_seal(s, fl_str_of(ch->place.res), ch->key.ns, ch->key.name,
                      fl_shared_str(ch->text), &s->sealed);
        log.body = fl_buf_slice(&s->sealed);
        sealed = s->key_mark;
    }
    log.sealed = sealed;
    if (row && (row->sealed != 0) == ch->place.sealed) {
        log.old = fl_shared_str(row->body);
        /* The mark of a log row is that of the older key, if two are in it: re-sealing looks for that. */
        log.sealed = row->sealed;
    } else if (row) {
        change_encode_old(ch, &log);
    }
    if (!row) {
        rc = change_insert(c, ch, sealed, log.body, err);
    } else if (ch->type == FL_EVENT_MODIFIED) {
        rc = change_update(c, ch, row->id, sealed, log.body, err);
    } else {
        rc = change_delete(c, row->id, err);
    }
    return rc ? rc : fl_store_log_append(c, ch, &log, err);
}

int fl_store_change_apply(struct fl_db_conn *c, struct store_change *ch,
                          const struct store_row *row, struct fl_str before, struct fl_str after,
                          struct fl_err *err)
{
    struct fl_store *s = ch->s;
    int rc = 0;

    if (atomic_exchange(&s->stale, false)) {
        rc = fl_store_log_load(c, s, err);
    }
    if (rc == 0 && row) {
        rc = change_take_old(ch, row, err);
    }
    if (rc == 0) {
        ch->rv = ++s->next_rv;
        change_make_text(ch, before, after);
        rc = change_write(c, ch, row, err);
    }
    if (rc == 0) {
        rc = fl_store_log_trim(c, s, ch->place.log, STORE_TRIM_ROWS, STORE_TRIM_ROWS,
                               &ch->floor[ch->place.log], err);
    }
    if (rc) {
        atomic_store(&s->stale, true);
    }
    ch->applied = rc == 0;
    return rc < 0 ? rc : 0;
}

void fl_store_change_publish(struct store_change *ch)
{
    struct fl_store *s = ch->s;
    struct fl_event ev = {.rv = ch->rv, .type = ch->type, .kind = ch->key.kind};

    for (int i = 0; i < STORE_CLASSES; i++) {
        fl_store_floor_raise(s, (enum store_class)i, ch->floor[i]);
    }
    atomic_store(&s->rv, ch->rv);
    if (s->published && ev.kind) {
        ev.text = fl_shared_ref(ch->text);
        ev.old = fl_take(ch->old);
        s->published(s->published_arg, &ev);
    }
}

/* ---- one write ---- */

struct store_write_job {
    struct store_change ch;
    const struct fl_store_write *w;
};

/* *ret_found; the body only when it will be needed. */
static int write_find(struct fl_db_conn *c, const struct store_write_job *j, struct store_row *ret,
                      bool *ret_found, struct fl_err *err)
{
    struct fl_stmt *st = fl_stmt_get(
        c, "SELECT id, rv, sealed, body FROM objects WHERE res=?1 AND ns=?2 AND name=?3", err);
    int rc;

    if (!st) {
        return (int)err->code;
    }
    fl_stmt_bind_str(st, 1, fl_str_of(j->ch.place.res));
    fl_stmt_bind_str(st, 2, j->w->key.ns);
    fl_stmt_bind_str(st, 3, j->w->key.name);
    rc = fl_stmt_step(st, err);
    if (rc < 0) {
        return rc;
    }
    *ret_found = rc > 0;
    if (rc > 0) {
        ret->id = fl_stmt_i64(st, 0);
        ret->rv = fl_stmt_i64(st, 1);
        ret->sealed = fl_stmt_i64(st, 2);
        if (j->w->op != FL_STORE_CREATE && ret->rv == j->w->expect_rv) {
            ret->body = fl_shared_new(fl_stmt_str(st, 3));
        }
        fl_stmt_reset(st);
    }
    return 0;
}

static int write_check(const struct store_write_job *j, const struct store_row *row, bool found,
                       struct fl_err *err)
{
    const struct fl_store_write *w = j->w;

    if (w->op == FL_STORE_CREATE) {
        return found ? fl_fail(err, FL_E_EXISTS, "AlreadyExists", "%s \"%.*s\" already exists",
                               j->ch.place.res, FL_STR_ARG(w->key.name))
                     : 0;
    }
    if (!found) {
        return fl_fail(err, FL_E_NOT_FOUND, "NotFound", "%s \"%.*s\" not found", j->ch.place.res,
                       FL_STR_ARG(w->key.name));
    }
    if (row->rv != w->expect_rv) {
        return fl_fail(err, FL_E_CONFLICT, "Conflict",
                       "%s \"%.*s\" was changed: its resourceVersion is %lld, not %lld",
                       j->ch.place.res, FL_STR_ARG(w->key.name), (long long)row->rv,
                       (long long)w->expect_rv);
    }
    return 0;
}

static int write_fn(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct store_write_job *j = arg;
    struct store_row row = {0};
    bool found = false;
    int rc = write_find(c, j, &row, &found, err);

    if (rc == 0) {
        rc = write_check(j, &row, found, err);
    }
    if (rc == 0) {
        fl_assert(!found || row.body);
        rc = fl_store_change_apply(c, &j->ch, found ? &row : NULL, j->w->before, j->w->after, err);
    }
    fl_store_row_release(&row);
    return rc;
}

static void write_committed(void *arg)
{
    struct store_write_job *j = arg;

    fl_store_change_publish(&j->ch);
}

int fl_store_write(struct fl_store *s, const struct fl_store_write *w, struct fl_shared **ret_text,
                   int64_t *ret_rv, struct fl_err *err)
{
    static const enum fl_event_type types[] = {[FL_STORE_CREATE] = FL_EVENT_ADDED,
                                               [FL_STORE_UPDATE] = FL_EVENT_MODIFIED,
                                               [FL_STORE_DELETE] = FL_EVENT_DELETED};
    struct store_write_job j = {.ch = {.s = s, .key = w->key, .type = types[w->op]}, .w = w};
    int rc;

    fl_assert(w->key.name.n > 0);
    fl_store_place(w->key.kind, &j.ch.place);
    rc = fl_db_write(s->db, write_fn, write_committed, &j, err);
    if (rc == 0) {
        if (ret_text) {
            *ret_text = fl_take(j.ch.text);
        }
        if (ret_rv) {
            *ret_rv = j.ch.rv;
        }
    } else if (j.ch.applied) {
        atomic_store(&s->stale, true);
    }
    fl_store_change_release(&j.ch);
    return rc;
}
