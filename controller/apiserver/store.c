/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/store.h"

#include <errno.h>
#include <sys/stat.h>

#include "api/scheme.h"
#include "apiserver/store_priv.h"
#include "base/mem.h"
#include "wire/file.h"

/* Rowid tables: bodies within an index tree (WITHOUT ROWID) were measured to be three times the file and five times
 * slower to read (libraries.md). log.seq counts the rows of the long log, so that how many there are is known from its
 * two ends; log.sealed and objects.sealed tell the key (store_seal.c). */
static const char *const store_migrations[] = {
    "CREATE TABLE objects(id INTEGER PRIMARY KEY, res TEXT NOT NULL, ns TEXT NOT NULL, name TEXT "
    "NOT NULL,"
    " rv INTEGER NOT NULL, sealed INTEGER NOT NULL, wall_ms INTEGER, body BLOB NOT NULL, "
    "UNIQUE(res, ns, name));"
    "CREATE INDEX objects_age ON objects(wall_ms) WHERE wall_ms IS NOT NULL;"
    "CREATE INDEX objects_sealed ON objects(sealed) WHERE sealed <> 0;"
    "CREATE TABLE log(rv INTEGER PRIMARY KEY, type INTEGER NOT NULL, short INTEGER NOT NULL, seq "
    "INTEGER NOT NULL,"
    " res TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL, sealed INTEGER NOT NULL, body BLOB "
    "NOT NULL, old BLOB);"
    "CREATE INDEX log_short ON log(rv) WHERE short = 1;"
    "CREATE INDEX log_sealed ON log(sealed) WHERE sealed <> 0;"
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL);"
    "INSERT INTO meta VALUES('rv', 1), ('floor', 1), ('floor_short', 1);",
    NULL,
};

/* ---- places ---- */

void fl_store_place(const struct fl_kind *k, struct store_place *ret)
{
    /* Both views of an Event are one object (kubernetes.md 1.7). */
    const char *group = strcmp(k->group, "events.k8s.io") == 0 ? "" : k->group;

    (void)snprintf(ret->res, sizeof(ret->res), "%s%s%s", group, *group ? "/" : "", k->plural);
    ret->expires = (k->flags & FL_KIND_TTL_1H) != 0;
    ret->log = k->flags & (FL_KIND_TTL_1H | FL_KIND_CREATE_ON_PUT) ? STORE_SHORT : STORE_LONG;
    ret->sealed = (k->flags & FL_KIND_ENCRYPTED) != 0;
}

const struct fl_kind *fl_store_kind_at(struct fl_str res)
{
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        struct store_place p;

        fl_store_place(*k, &p);
        if (fl_str_is(res, p.res)) {
            return *k;
        }
    }
    return NULL;
}

/* ---- open and close ---- */

static int store_make_dir(const char *path, struct fl_err *err)
{
    fl_auto_text p = fl_strdup(path);

    for (char *at = p + 1; *p; at++) {
        char was = *at;

        if (was != '/' && was != '\0') {
            continue;
        }
        *at = '\0';
        if (mkdir(p, 0700) != 0 && errno != EEXIST) {
            (void)fl_file_fail(errno, "make the data folder", p, err);
            /* Whatever is wrong with the folder: there is no store now and may be one later. */
            err->code = FL_E_UNAVAILABLE;
            return FL_E_UNAVAILABLE;
        }
        if (was == '\0') {
            break;
        }
        *at = was;
    }
    return 0;
}

static int store_load(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    return fl_store_log_load(c, arg, err);
}

static int store_open_db(struct fl_store *s, const struct fl_store_conf *conf, struct fl_err *err)
{
    fl_auto_text own_key = fl_asprintf("%s/secrets.key", conf->data_dir);
    struct fl_db_conf db = {.path = s->path,
                            .migrations = store_migrations,
                            .sync_normal = conf->sync_normal,
                            .hold = conf->hold};
    int rc = store_make_dir(conf->data_dir, err);

    if (rc == 0) {
        rc = fl_db_open(&db, &s->db, err);
    }
    if (rc == 0) {
        rc = fl_db_write(s->db, store_load, NULL, s, err);
    }
    if (rc == 0) {
        rc = fl_store_keys_open(s, conf->key_file ? conf->key_file : own_key, conf->data_dir, err);
    }
    return rc;
}

int fl_store_open(const struct fl_store_conf *conf, struct fl_store **ret, struct fl_err *err)
{
    struct fl_err own = FL_ERR_INIT;
    struct fl_store *s = FL_NEW(struct fl_store);
    int rc;

    fl_assert(conf->data_dir && *conf->data_dir && conf->clock);
    s->path = fl_asprintf("%s/fairlead.db", conf->data_dir);
    s->clock = conf->clock;
    s->keep[STORE_LONG] = conf->log_keep > 0 ? conf->log_keep : STORE_LOG_KEEP;
    s->keep[STORE_SHORT] = s->keep[STORE_LONG] / 10;
    if (s->keep[STORE_SHORT] > STORE_SHORT_KEEP) {
        s->keep[STORE_SHORT] = STORE_SHORT_KEEP;
    }
    if (s->keep[STORE_SHORT] < 1) {
        s->keep[STORE_SHORT] = 1;
    }
    s->event_ttl_ms = conf->event_ttl_ms > 0 ? conf->event_ttl_ms : INT64_C(3600000);
    fl_buf_init(&s->text, FL_BUF_ANY);
    fl_buf_init(&s->sealed, FL_BUF_ANY);
    fl_buf_init(&s->sealed_old, FL_BUF_ANY);
    rc = store_open_db(s, conf, err ? err : &own);
    if (rc) {
        fl_store_close(s);
        return rc;
    }
    /* From here on: opening makes no change that anybody could watch. */
    s->published = conf->published;
    s->published_arg = conf->published_arg;
    *ret = s;
    return 0;
}

int fl_store_settle(struct fl_store *s, struct fl_err *err)
{
    return fl_db_settle(s->db, err);
}

void fl_store_close(struct fl_store *s)
{
    if (!s) {
        return;
    }
    fl_db_close(s->db);
    fl_keyring_free(s->keys);
    fl_free(s->path);
    fl_buf_release(&s->text);
    fl_buf_release(&s->sealed);
    fl_buf_release(&s->sealed_old);
    fl_free(s);
}

int64_t fl_store_rv(struct fl_store *s)
{
    return atomic_load(&s->rv);
}

const char *fl_store_path(const struct fl_store *s)
{
    return s->path;
}

void fl_store_relax(struct fl_store *s)
{
    fl_db_relax(s->db);
}

int64_t fl_store_size_bytes(struct fl_store *s)
{
    return fl_db_size_bytes(s->db);
}

/* ---- reading ---- */

struct store_read {
    struct fl_store *s;
    const struct fl_store_key *key;
    const struct fl_store_list *list;
    struct store_place place;
    struct fl_buf plain;   /* of sealed objects */
    struct fl_buf last_ns; /* of the last one delivered, when there may be more */
    struct fl_buf last_name;
    struct fl_shared *text;
    int64_t rv;
    bool more;
    int64_t remaining;
};

static void store_read_init(struct store_read *r, struct fl_store *s, const struct fl_kind *k)
{
    *r = (struct store_read){.s = s};
    fl_store_place(k, &r->place);
    fl_buf_init(&r->plain, FL_BUF_ANY);
    fl_buf_init(&r->last_ns, FL_BUF_ANY);
    fl_buf_init(&r->last_name, FL_BUF_ANY);
}

static void store_read_release(struct store_read *r)
{
    fl_buf_wipe(&r->plain);
    fl_buf_release(&r->last_ns);
    fl_buf_release(&r->last_name);
    fl_shared_free(r->text);
}

/* The text of a row: as stored, or unsealed into r->plain. */
static int store_read_text(struct store_read *r, struct fl_str ns, struct fl_str name,
                           int64_t sealed, struct fl_str body, struct fl_str *ret,
                           struct fl_err *err)
{
    int rc = 0;

    *ret = body;
    if (sealed) {
        fl_buf_clear(&r->plain);
        rc = fl_store_unseal(r->s, fl_str_of(r->place.res), ns, name, body, &r->plain, err);
        *ret = fl_buf_slice(&r->plain);
    }
    return rc;
}

static int store_get_fn(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct store_read *r = arg;
    struct fl_str text;
    struct fl_stmt *st = fl_stmt_get(
        c, "SELECT rv, sealed, body FROM objects WHERE res=?1 AND ns=?2 AND name=?3", err);
    int rc;

    if (!st) {
        return (int)err->code;
    }
    fl_stmt_bind_str(st, 1, fl_str_of(r->place.res));
    fl_stmt_bind_str(st, 2, r->key->ns);
    fl_stmt_bind_str(st, 3, r->key->name);
    rc = fl_stmt_step(st, err);
    if (rc == 0) {
        return fl_fail(err, FL_E_NOT_FOUND, "NotFound", "%s \"%.*s\" not found", r->place.res,
                       FL_STR_ARG(r->key->name));
    }
    if (rc > 0) {
        rc = store_read_text(r, r->key->ns, r->key->name, fl_stmt_i64(st, 1), fl_stmt_str(st, 2),
                             &text, err);
        if (rc == 0) {
            r->rv = fl_stmt_i64(st, 0);
            r->text = fl_shared_new(text);
        }
    }
    return rc;
}

int fl_store_get(struct fl_store *s, const struct fl_store_key *key, struct fl_shared **ret,
                 int64_t *ret_rv, struct fl_err *err)
{
    struct store_read r;
    int rc;

    store_read_init(&r, s, key->kind);
    r.key = key;
    rc = fl_db_read(s->db, store_get_fn, &r, err);
    if (rc == 0) {
        *ret = fl_take(r.text);
        if (ret_rv) {
            *ret_rv = r.rv;
        }
    }
    store_read_release(&r);
    return rc;
}

/* What the transaction sees is the state at this RV: the newest in the log, or what was left when it was trimmed. */
static int store_snapshot_rv(struct fl_db_conn *c, int64_t *ret, struct fl_err *err)
{
    struct fl_stmt *st = fl_stmt_get(c,
                                     "SELECT max(coalesce((SELECT max(rv) FROM log), 0), (SELECT "
                                     "value FROM meta WHERE key='rv'))",
                                     err);
    int rc = st ? fl_stmt_step(st, err) : (int)err->code;

    if (rc <= 0) {
        return rc;
    }
    *ret = fl_stmt_i64(st, 0);
    fl_stmt_reset(st);
    return 0;
}

static struct fl_stmt *store_list_stmt(struct fl_db_conn *c, const struct store_read *r,
                                       struct fl_err *err)
{
    const struct fl_store_list *l = r->list;
    struct fl_stmt *st;

    if (l->ns.n > 0) {
        st = fl_stmt_get(c,
                         l->name.n > 0
                             ? "SELECT ns, name, rv, sealed, body FROM objects WHERE res=?1"
                               " AND ns=?2 AND name>?3 AND name=?4 ORDER BY name"
                             : "SELECT ns, name, rv, sealed, body FROM objects WHERE res=?1"
                               " AND ns=?2 AND name>?3 ORDER BY name",
                         err);
    } else {
        st = fl_stmt_get(c,
                         l->name.n > 0
                             ? "SELECT ns, name, rv, sealed, body FROM objects WHERE res=?1"
                               " AND (ns, name)>(?2, ?3) AND name=?4 ORDER BY ns, name"
                             : "SELECT ns, name, rv, sealed, body FROM objects WHERE res=?1"
                               " AND (ns, name)>(?2, ?3) ORDER BY ns, name",
                         err);
    }
    if (st) {
        fl_stmt_bind_str(st, 1, fl_str_of(r->place.res));
        fl_stmt_bind_str(st, 2, l->ns.n > 0 ? l->ns : l->after_ns);
        fl_stmt_bind_str(st, 3, l->after_name);
        if (l->name.n > 0) {
            fl_stmt_bind_str(st, 4, l->name);
        }
    }
    return st;
}

/* By the index alone: no body is read. */
static int store_list_remaining(struct fl_db_conn *c, struct store_read *r, struct fl_err *err)
{
    const struct fl_store_list *l = r->list;
    struct fl_stmt *st =
        l->ns.n > 0
            ? fl_stmt_get(c, "SELECT count(*) FROM objects WHERE res=?1 AND ns=?2 AND name>?3", err)
            : fl_stmt_get(c, "SELECT count(*) FROM objects WHERE res=?1 AND (ns, name)>(?2, ?3)",
                          err);
    int rc;

    if (!st) {
        return (int)err->code;
    }
    fl_stmt_bind_str(st, 1, fl_str_of(r->place.res));
    fl_stmt_bind_str(st, 2, fl_buf_slice(&r->last_ns));
    fl_stmt_bind_str(st, 3, fl_buf_slice(&r->last_name));
    rc = fl_stmt_step(st, err);
    if (rc <= 0) {
        return rc;
    }
    r->remaining = fl_stmt_i64(st, 0);
    fl_stmt_reset(st);
    return 0;
}

/* 1: counts towards the limit. */
static int store_list_item(struct store_read *r, const struct fl_stmt *st, struct fl_err *err)
{
    struct fl_store_key key = {r->list->kind, fl_stmt_str(st, 0), fl_stmt_str(st, 1)};
    struct fl_str text;
    int rc =
        store_read_text(r, key.ns, key.name, fl_stmt_i64(st, 3), fl_stmt_str(st, 4), &text, err);

    if (rc) {
        return rc;
    }
    return r->list->item(r->list->arg, &key, fl_stmt_i64(st, 2), text) ? 1 : 0;
}

static int store_list_fn(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct store_read *r = arg;
    struct fl_stmt *st;
    int64_t n = 0;
    int rc = store_snapshot_rv(c, &r->rv, err);

    if (rc) {
        return rc;
    }
    st = store_list_stmt(c, r, err);
    if (!st) {
        return (int)err->code;
    }
    while ((rc = fl_stmt_step(st, err)) > 0) {
        if (r->list->limit > 0 && n == r->list->limit) {
            r->more = true;
            return store_list_remaining(c, r, err);
        }
        rc = store_list_item(r, st, err);
        if (rc < 0) {
            return rc;
        }
        n += rc;
        if (rc > 0 && n == r->list->limit) {
            fl_buf_str(&r->last_ns, fl_stmt_str(st, 0));
            fl_buf_str(&r->last_name, fl_stmt_str(st, 1));
        }
    }
    return rc;
}

int fl_store_list(struct fl_store *s, const struct fl_store_list *l, int64_t *ret_rv,
                  bool *ret_more, int64_t *ret_remaining, struct fl_err *err)
{
    struct store_read r;
    int rc;

    store_read_init(&r, s, l->kind);
    r.list = l;
    rc = fl_db_read(s->db, store_list_fn, &r, err);
    if (rc == 0) {
        if (ret_rv) {
            *ret_rv = r.rv;
        }
        if (ret_more) {
            *ret_more = r.more;
        }
        if (ret_remaining) {
            *ret_remaining = r.remaining;
        }
    }
    store_read_release(&r);
    return rc;
}
