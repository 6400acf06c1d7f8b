/* SPDX-License-Identifier: Apache-2.0
 * Encryption at rest: which key sealed what, what is done when a key is missing, re-sealing after a rotation. */
#include "apiserver/store_priv.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"

/* Where the key's id stands in a sealed text (wire/crypt.h). */
enum { SEAL_ID_AT = 2, SEAL_ID_BYTES = 8 };

int64_t fl_store_seal_mark(struct fl_str sealed)
{
    if (sealed.n < SEAL_ID_AT + SEAL_ID_BYTES) {
        return 1;
    }
    return (int64_t)(fl_hash_stable(sealed.p + SEAL_ID_AT, SEAL_ID_BYTES) >> 2) + 1;
}

/* Newlines stand in no resource, namespace or name, so no two places have one text. */
static void seal_aad(struct fl_buf *b, struct fl_str res, struct fl_str ns, struct fl_str name)
{
    fl_buf_str(b, res);
    fl_buf_char(b, '\n');
    fl_buf_str(b, ns);
    fl_buf_char(b, '\n');
    fl_buf_str(b, name);
}

void fl_store_seal(const struct fl_store *s, struct fl_str res, struct fl_str ns,
                   struct fl_str name, struct fl_str plain, struct fl_buf *ret)
{
    fl_auto_val(fl_buf) aad = FL_BUF_INIT(FL_BUF_ANY);

    seal_aad(&aad, res, ns, name);
    fl_seal(s->keys, fl_buf_slice(&aad), plain, ret);
}

int fl_store_unseal(const struct fl_store *s, struct fl_str res, struct fl_str ns,
                    struct fl_str name, struct fl_str sealed, struct fl_buf *ret,
                    struct fl_err *err)
{
    fl_auto_val(fl_buf) aad = FL_BUF_INIT(FL_BUF_ANY);
    int rc;

    seal_aad(&aad, res, ns, name);
    rc = fl_unseal(s->keys, fl_buf_slice(&aad), sealed, ret, err);
    return rc ? fl_wrap(err, "%.*s %.*s/%.*s", FL_STR_ARG(res), FL_STR_ARG(ns), FL_STR_ARG(name))
              : 0;
}

/* ---- at start ---- */

struct keys_check {
    struct fl_store *s;
    const char *path;
    const char *data_dir;
    bool fresh; /* the ring was made just now: only the count is of interest */
    int64_t sealed;
};

static int keys_count(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct keys_check *k = arg;
    struct fl_stmt *st = fl_stmt_get(
        c, "SELECT count(*) FROM objects INDEXED BY objects_sealed WHERE sealed<>0", err);
    int rc = st ? fl_stmt_step(st, err) : (int)err->code;

    if (rc <= 0) {
        return rc;
    }
    k->sealed = fl_stmt_i64(st, 0);
    return 0;
}

static int keys_lost(const struct keys_check *k, const char *what, struct fl_err *err)
{
    return fl_fail(
        err, FL_E_AUTH, "KeyLost",
        "%lld encrypted objects (Secrets) are in %s, but %s: put back the key file they were "
        "encrypted with, or name it; to give these Secrets up, start with an empty data folder",
        (long long)k->sealed, k->data_dir, what);
}

/* One object of each key. What is damaged in itself stops nobody from starting. */
static int keys_try(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct keys_check *k = arg;
    struct fl_stmt *st =
        fl_stmt_get(c,
                    "SELECT res, ns, name, body FROM objects INDEXED BY objects_sealed"
                    " WHERE sealed<>0 GROUP BY sealed",
                    err);
    int rc;

    if (!st) {
        return (int)err->code;
    }
    while ((rc = fl_stmt_step(st, err)) > 0) {
        fl_auto_val(fl_buf) plain = FL_BUF_INIT(FL_BUF_ANY);

        rc = fl_store_unseal(k->s, fl_stmt_str(st, 0), fl_stmt_str(st, 1), fl_stmt_str(st, 2),
                             fl_stmt_str(st, 3), &plain, err);
        fl_buf_wipe(&plain);
        if (rc == FL_E_AUTH) {
            struct fl_str body = fl_stmt_str(st, 3);
            fl_auto_text what = fl_asprintf("the key \"%.*s\" is not in %s", SEAL_ID_BYTES,
                                            body.p + SEAL_ID_AT, k->path);

            return keys_lost(k, what, err);
        }
    }
    return rc;
}

/* Log rows that no key can read any more, with all that is older: watchers list again. */
static int keys_drop_log(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct keys_check *k = arg;
    struct fl_stmt *st =
        fl_stmt_get(c, "SELECT max(rv) FROM log INDEXED BY log_sealed WHERE sealed<>0", err);
    int rc = st ? fl_stmt_step(st, err) : (int)err->code;
    int64_t rv;

    if (rc <= 0) {
        return rc;
    }
    rv = fl_stmt_i64(st, 0);
    fl_stmt_reset(st);
    rc = fl_store_log_drop(c, k->s, rv, err);
    return rc ? rc : fl_store_log_load(c, k->s, err);
}

static int keys_make(struct keys_check *k, struct fl_err *err)
{
    int rc = fl_keyring_create(k->path, err);

    if (rc == 0) {
        rc = fl_keyring_load(k->path, &k->s->keys, err);
    }
    return rc ? rc : fl_db_write(k->s->db, keys_drop_log, NULL, k, err);
}

int fl_store_keys_open(struct fl_store *s, const char *path, const char *data_dir,
                       struct fl_err *err)
{
    struct keys_check k = {.s = s, .path = path, .data_dir = data_dir};
    fl_auto_val(fl_buf) probe = FL_BUF_INIT(FL_BUF_ANY);
    int rc = fl_db_read(s->db, keys_count, &k, err);

    if (rc == 0) {
        rc = fl_keyring_load(path, &s->keys, err);
        if (rc == FL_E_NOT_FOUND && k.sealed > 0) {
            fl_auto_text what = fl_asprintf("there is no key file %s", path);

            rc = keys_lost(&k, what, err);
        } else if (rc == FL_E_NOT_FOUND) {
            fl_err_clear(err);
            rc = keys_make(&k, err);
        } else if (rc == 0) {
            rc = fl_db_read(s->db, keys_try, &k, err);
        }
    }
    if (rc == 0) {
        fl_seal(s->keys, FL_STR(""), FL_STR(""), &probe);
        s->key_mark = fl_store_seal_mark(fl_buf_slice(&probe));
    }
    return rc;
}

/* ---- re-sealing ---- */

struct reseal_row {
    int64_t id; /* of objects, or the RV of a log row */
    struct fl_shared *res, *ns, *name, *body, *old;
};

struct reseal_job {
    struct fl_store *s;
    struct reseal_row rows[STORE_SWEEP_ROWS];
    size_t n;
    int64_t last_id; /* of objects; -1: the end was reached */
    int64_t log_left;
};

static void reseal_clear(struct reseal_job *j)
{
    for (size_t i = 0; i < j->n; i++) {
        struct reseal_row *r = &j->rows[i];

        fl_shared_free(r->res);
        fl_shared_free(r->ns);
        fl_shared_free(r->name);
        fl_shared_free(r->body);
        fl_shared_free(r->old);
    }
    j->n = 0;
}

/* Columns: id, res, ns, name, body, old. Collected before anything is written: a read goes badly with writes to what it
 * reads. */
static int reseal_collect(struct reseal_job *j, struct fl_stmt *st, struct fl_err *err)
{
    int rc;

    while (j->n < FL_LEN(j->rows) && (rc = fl_stmt_step(st, err)) != 0) {
        struct reseal_row *r = &j->rows[j->n];

        if (rc < 0) {
            return rc;
        }
        r->id = fl_stmt_i64(st, 0);
        r->res = fl_shared_new(fl_stmt_str(st, 1));
        r->ns = fl_shared_new(fl_stmt_str(st, 2));
        r->name = fl_shared_new(fl_stmt_str(st, 3));
        r->body = fl_shared_new(fl_stmt_str(st, 4));
        r->old = fl_stmt_is_null(st, 5) ? NULL : fl_shared_new(fl_stmt_str(st, 5));
        j->n++;
    }
    fl_stmt_reset(st);
    return 0;
}

static int reseal_text(const struct reseal_job *j, const struct reseal_row *r,
                       const struct fl_shared *text, struct fl_buf *ret, struct fl_err *err)
{
    fl_auto_val(fl_buf) plain = FL_BUF_INIT(FL_BUF_ANY);
    int rc = fl_store_unseal(j->s, fl_shared_str(r->res), fl_shared_str(r->ns),
                             fl_shared_str(r->name), fl_shared_str(text), &plain, err);

    if (rc == 0) {
        fl_store_seal(j->s, fl_shared_str(r->res), fl_shared_str(r->ns), fl_shared_str(r->name),
                      fl_buf_slice(&plain), ret);
    }
    fl_buf_wipe(&plain);
    return rc;
}

static int reseal_object(struct fl_db_conn *c, const struct reseal_job *j,
                         const struct reseal_row *r, struct fl_err *err)
{
    fl_auto_val(fl_buf) body = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_stmt *st;

    if (reseal_text(j, r, r->body, &body, err) != 0) {
        return 0; /* damaged: it says so to whom it concerns, when it is read */
    }
    st = fl_stmt_get(c, "UPDATE objects SET sealed=?2, body=?3 WHERE id=?1", err);
    if (!st) {
        return (int)err->code;
    }
    fl_stmt_bind_i64(st, 1, r->id);
    fl_stmt_bind_i64(st, 2, j->s->key_mark);
    fl_stmt_bind_blob(st, 3, fl_buf_slice(&body));
    return fl_stmt_run(st, err);
}

static int reseal_objects_fn(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct reseal_job *j = arg;
    struct fl_stmt *st = fl_stmt_get(c,
                                     "SELECT id, res, ns, name, body, NULL FROM objects INDEXED BY"
                                     " objects_sealed WHERE sealed<>0 AND sealed<>?1 AND id>?2"
                                     " ORDER BY id LIMIT 100",
                                     err);
    int rc;

    if (!st) {
        return (int)err->code;
    }
    fl_stmt_bind_i64(st, 1, j->s->key_mark);
    fl_stmt_bind_i64(st, 2, j->s->reseal_after);
    rc = reseal_collect(j, st, err);
    for (size_t i = 0; i < j->n && rc == 0; i++) {
        rc = reseal_object(c, j, &j->rows[i], err);
    }
    j->last_id = j->n == FL_LEN(j->rows) ? j->rows[j->n - 1].id : -1;
    return rc;
}

static int reseal_log_row(struct fl_db_conn *c, const struct reseal_job *j,
                          const struct reseal_row *r, struct fl_err *err)
{
    fl_auto_val(fl_buf) body = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) old = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_stmt *st;

    if (reseal_text(j, r, r->body, &body, err) != 0 ||
        (r->old && reseal_text(j, r, r->old, &old, err) != 0)) {
        int rc = fl_store_log_drop(c, j->s, r->id, err);

        return rc ? rc : fl_store_log_load(c, j->s, err);
    }
    st = fl_stmt_get(c, "UPDATE log SET sealed=?2, body=?3, old=?4 WHERE rv=?1", err);
    if (!st) {
        return (int)err->code;
    }
    fl_stmt_bind_i64(st, 1, r->id);
    fl_stmt_bind_i64(st, 2, j->s->key_mark);
    fl_stmt_bind_blob(st, 3, fl_buf_slice(&body));
    if (r->old) {
        fl_stmt_bind_blob(st, 4, fl_buf_slice(&old));
    }
    return fl_stmt_run(st, err);
}

static int reseal_log_fn(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct reseal_job *j = arg;
    struct fl_stmt *st =
        fl_stmt_get(c,
                    "SELECT rv, res, ns, name, body, old FROM log INDEXED BY log_sealed"
                    " WHERE sealed<>0 AND sealed<>?1 LIMIT 100",
                    err);
    int rc;

    if (!st) {
        return (int)err->code;
    }
    fl_stmt_bind_i64(st, 1, j->s->key_mark);
    rc = reseal_collect(j, st, err);
    for (size_t i = 0; i < j->n && rc == 0; i++) {
        rc = reseal_log_row(c, j, &j->rows[i], err);
    }
    j->log_left = j->n == FL_LEN(j->rows);
    return rc;
}

int fl_store_reseal(struct fl_store *s, struct fl_err *err)
{
    struct reseal_job j = {.s = s};
    int rc;

    if (s->reseal_after < 0) {
        return 0;
    }
    rc = fl_db_write(s->db, reseal_objects_fn, NULL, &j, err);
    reseal_clear(&j);
    if (rc == 0 && j.last_id >= 0) {
        s->reseal_after = j.last_id;
        return 1;
    }
    if (rc == 0) {
        rc = fl_db_write(s->db, reseal_log_fn, NULL, &j, err);
        reseal_clear(&j);
    }
    if (rc) {
        atomic_store(&s->stale, true);
        return rc;
    }
    s->reseal_after = j.log_left ? s->reseal_after : -1;
    return j.log_left ? 1 : 0;
}
