/* SPDX-License-Identifier: Apache-2.0
 * What a reconciler may do to the Kubernetes API. */
#include "engine/pass.h"

#include "api/scheme.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/engine_priv.h"
#include "wire/codec.h"
#include "wire/digest.h"
#include "wire/scan.h"

struct fl_result fl_done(void)
{
    return (struct fl_result){.then = FL_THEN_DONE, .err = FL_ERR_INIT};
}

struct fl_result fl_again_after(int64_t ms)
{
    return (struct fl_result){.then = FL_THEN_AFTER, .after_ms = ms, .err = FL_ERR_INIT};
}

struct fl_result fl_wait_event(void)
{
    return (struct fl_result){.then = FL_THEN_WAIT, .err = FL_ERR_INIT};
}

struct fl_result fl_failed(const struct fl_err *err)
{
    return (struct fl_result){.then = FL_THEN_FAILED, .err = *err};
}

void fl_pass_event(struct fl_pass *p, const char *type, const char *reason, const char *fmt, ...)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    va_list ap;
    va_start(ap, fmt);
    fl_buf_vfmt(&b, fmt, ap);
    va_end(ap);
    engine_event(p->engine->events, &p->ctx, p->obj, type, reason, fl_buf_slice(&b));
}

void fl_pass_digest(struct fl_str text, char ret[FL_PASS_DIGEST])
{
    char digest[FL_DIGEST_TEXT];
    fl_digest_of(FL_SHA256, text, digest);
    memcpy(ret, digest, strlen(digest) + 1);
}

void pass_borrow(struct fl_pass *p, struct fl_obj *o)
{
    struct pass_state *st = pass_state(p);
    st->borrowed = fl_arena_grow(p->arena, st->borrowed, st->n_borrowed, sizeof(*st->borrowed));
    st->borrowed[st->n_borrowed++] = o;
}

/* ---- reading ---- */

void fl_pass_decode(struct fl_pass *p, const struct fl_obj *o, const void **ret_spec,
                    const void **ret_status)
{
    const void *spec = NULL;
    void *status = NULL;
    const void **want_spec = ret_spec ? &spec : NULL;
    void **want_status = ret_status ? &status : NULL;
    if (engine_decode(o->kind, o->text, p->arena, want_spec, want_status, NULL, NULL) < 0) {
        /* It was checked when it came; what cannot be read all the same reads as empty. */
        (void)engine_decode(o->kind, FL_STR("{}"), p->arena, want_spec, want_status, NULL, NULL);
    }
    if (ret_spec) {
        *ret_spec = spec;
    }
    if (ret_status) {
        *ret_status = status;
    }
}

const void *fl_pass_spec_now(struct fl_pass *p)
{
    fl_auto(fl_obj) o = fl_cache_get(p->engine->cache, p->obj->kind, p->obj->ns, p->obj->name);
    if (!o || o->deleting || !fl_str_eq(o->uid, p->obj->uid)) {
        return NULL;
    }
    struct pass_state *st = pass_state(p);
    if (o->generation == p->obj->generation) {
        return p->spec;
    }
    if (!st->spec_now || st->generation_now != o->generation) {
        fl_pass_decode(p, o, &st->spec_now, NULL);
        st->generation_now = o->generation;
    }
    return st->spec_now;
}

static int not_there(const struct fl_pass *p, const struct fl_kind *kind, const char *name,
                     struct fl_err *err)
{
    fl_auto_text reason = fl_asprintf("%sNotFound", kind->kind);
    return fl_fail(err, FL_E_NOT_FOUND, reason,
                   "there is no %s '%s' in namespace '%.*s': create it, or correct the name",
                   kind->kind, name, FL_STR_ARG(p->obj->ns));
}

/* Takes the reference. */
static struct pass_seen *seen_of(struct fl_pass *p, struct fl_obj *o)
{
    struct pass_state *st = pass_state(p);
    for (size_t i = 0; i < st->n_seen; i++) {
        if (st->seen[i].obj == o) {
            fl_obj_free(o);
            return &st->seen[i];
        }
    }
    pass_borrow(p, o);
    st->seen = fl_arena_grow(p->arena, st->seen, st->n_seen, sizeof(*st->seen));
    st->seen[st->n_seen] = (struct pass_seen){.obj = o};
    return &st->seen[st->n_seen++];
}

int fl_pass_get(struct fl_pass *p, const struct fl_kind *kind, const char *name,
                const void **ret_spec, const void **ret_status, struct fl_obj **ret_obj,
                struct fl_err *err)
{
    struct fl_obj *o = fl_cache_get(p->engine->cache, kind, p->obj->ns, fl_str_of(name));
    if (!o) {
        return not_there(p, kind, name, err);
    }
    struct pass_seen *seen = seen_of(p, o);
    bool spec = ret_spec && !seen->spec;
    bool status = ret_status && !seen->status;
    if (spec || status) {
        fl_pass_decode(p, o, spec ? &seen->spec : NULL, status ? &seen->status : NULL);
    }
    if (ret_spec) {
        *ret_spec = seen->spec;
    }
    if (ret_status) {
        *ret_status = seen->status;
    }
    if (ret_obj) {
        *ret_obj = o;
    }
    return 0;
}

int fl_pass_get_live(struct fl_pass *p, const struct fl_kind *kind, const char *name,
                     const void **ret_spec, const void **ret_status, struct fl_err *err)
{
    fl_auto(fl_shared) text = NULL;
    struct fl_err mine = FL_ERR_INIT;
    int r =
        fl_kube_get(p->engine->conf.kube, &p->ctx, kind, p->obj->ns, fl_str_of(name), &text, &mine);
    if (r == FL_E_NOT_FOUND) {
        return not_there(p, kind, name, err);
    }
    struct fl_obj *o = NULL;
    if (r == 0) {
        r = fl_obj_new(kind, fl_shared_str(text), false, &o, &mine);
    }
    if (r < 0) {
        if (err) {
            *err = mine;
        }
        return r;
    }
    fl_assert(o != NULL);
    pass_borrow(p, o);
    fl_pass_decode(p, o, ret_spec, ret_status);
    return 0;
}

struct owned {
    struct fl_pass *p;
    struct fl_obj **v;
    size_t n;
};

static void owned_add(void *arg, struct fl_obj *o)
{
    struct owned *w = arg;
    pass_borrow(w->p, fl_obj_ref(o));
    w->v = fl_arena_grow(w->p->arena, w->v, w->n, sizeof(*w->v));
    w->v[w->n++] = o;
}

/* RFC 3339 in UTC sorts as text. */
static int by_age(const void *a, const void *b)
{
    const struct fl_obj *x = *(struct fl_obj *const *)a;
    const struct fl_obj *y = *(struct fl_obj *const *)b;
    int c = fl_str_cmp(fl_scan_path(x->text, "metadata.creationTimestamp"),
                       fl_scan_path(y->text, "metadata.creationTimestamp"));
    return c != 0 ? c : fl_str_cmp(x->name, y->name);
}

size_t fl_pass_owned(struct fl_pass *p, const struct fl_kind *kind, struct fl_obj ***ret)
{
    struct owned w = {.p = p};
    fl_cache_owned(p->engine->cache, kind, p->obj->uid, owned_add, &w);
    if (w.n > 1) {
        qsort(w.v, w.n, sizeof(struct fl_obj *), by_age);
    }
    *ret = w.v;
    return w.n;
}

/* ---- making and deleting ---- */

static void write_version(struct fl_buf *b, const struct fl_kind *kind)
{
    fl_buf_fmt(b, "\"apiVersion\":\"%s%s%s\",\"kind\":\"%s\"", kind->group,
               kind->group[0] ? "/" : "", kind->version, kind->kind);
}

static void write_new_metadata(struct fl_pass *p, const char *name, const char *const *labels,
                               struct fl_buf *b)
{
    fl_buf_text(b, ",\"metadata\":{\"name\":");
    fl_buf_json_str(b, fl_str_of(name));
    fl_buf_text(b, ",\"namespace\":");
    fl_buf_json_str(b, p->obj->ns);
    const char *comma = ",\"labels\":{";
    for (const char *const *l = labels; l && l[0] && l[1]; l += 2) {
        fl_buf_text(b, comma);
        fl_buf_json_str(b, fl_str_of(l[0]));
        fl_buf_char(b, ':');
        fl_buf_json_str(b, fl_str_of(l[1]));
        comma = ",";
    }
    fl_buf_text(b, comma[1] ? "" : "}");
    fl_buf_text(b, ",\"ownerReferences\":[{");
    write_version(b, p->obj->kind);
    fl_buf_text(b, ",\"name\":");
    fl_buf_json_str(b, p->obj->name);
    fl_buf_text(b, ",\"uid\":");
    fl_buf_json_str(b, p->obj->uid);
    fl_buf_text(b, ",\"controller\":true,\"blockOwnerDeletion\":true}]}");
}

int fl_pass_create(struct fl_pass *p, const struct fl_kind *kind, const char *name,
                   const void *spec, const char *const *labels, struct fl_err *err)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_char(&b, '{');
    write_version(&b, kind);
    write_new_metadata(p, name, labels, &b);
    if (kind->spec_rows && spec) {
        fl_auto(fl_json) j = fl_codec_encode(kind->spec_rows, spec);
        fl_buf_text(&b, ",\"spec\":");
        fl_json_write(j, &b);
    }
    fl_buf_char(&b, '}');
    fl_auto(fl_shared) answer = NULL;
    struct fl_ctx ctx = fl_ctx_timeout(&p->ctx, ENGINE_WRITE_TIMEOUT_MS);
    int r = fl_kube_create(p->engine->conf.kube, &ctx, kind, p->obj->ns, fl_buf_slice(&b), &answer,
                           err);
    if (r < 0) {
        return r == FL_E_EXISTS || !err ? r : fl_wrap(err, "create %s '%s'", kind->kind, name);
    }
    fl_auto(fl_obj) o = NULL;
    if (fl_obj_new(kind, fl_shared_str(answer), false, &o, NULL) == 0) {
        fl_cache_note(p->engine->cache, o);
    }
    return 0;
}

int fl_pass_delete(struct fl_pass *p, const struct fl_obj *o, struct fl_err *err)
{
    struct fl_ctx ctx = fl_ctx_timeout(&p->ctx, ENGINE_WRITE_TIMEOUT_MS);
    int r = fl_kube_delete(p->engine->conf.kube, &ctx, o->kind, o->ns, o->name, o->uid, err);
    return r < 0 && err ? fl_wrap(err, "delete %s '%.*s'", o->kind->kind, FL_STR_ARG(o->name)) : r;
}

/* ---- Secrets ---- */

void fl_secret_data_free(struct fl_secret_data *s)
{
    if (!s) {
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        fl_secret_release(&s->v[i].value);
        fl_free((char *)s->v[i].key);
    }
    fl_free(s->v);
    fl_free(s);
}

static void secret_version(struct fl_str uid, struct fl_str rv, char ret[96])
{
    if (uid.n + rv.n + 2 > 96) {
        ret[0] = '\0';
        return;
    }
    memcpy(ret, uid.p, uid.n);
    ret[uid.n] = '/';
    memcpy(ret + uid.n + 1, rv.p, rv.n);
    ret[uid.n + 1 + rv.n] = '\0';
}

static char *secret_key(struct fl_str raw)
{
    /* Keys of a Secret need no escapes ([-._a-zA-Z0-9]+). */
    return fl_strndup(raw.p, raw.n);
}

static int secret_entries(struct fl_str data, const char *name, struct fl_secret_data *ret,
                          struct fl_err *err)
{
    struct fl_str key = {0};
    struct fl_str value = {0};
    for (size_t at = 0; fl_scan_next(data, &at, &key, &value);) {
        fl_auto_val(fl_buf) base64 = FL_BUF_INIT(FL_BUF_ANY);
        fl_auto_val(fl_buf) plain = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_reserve(&base64, value.n);
        fl_buf_reserve(&plain, value.n); /* in one piece: growing leaves copies behind */
        bool ok = fl_scan_text(value, &base64) && fl_base64_decode(&plain, fl_buf_slice(&base64));
        if (ok) {
            ret->v = fl_reallocarray(ret->v, ret->n + 1, sizeof(*ret->v));
            ret->v[ret->n] = (struct fl_secret_entry){.key = secret_key(key)};
            fl_secret_set(&ret->v[ret->n].value, fl_buf_slice(&plain));
            ret->n++;
        }
        fl_buf_wipe(&base64);
        fl_buf_wipe(&plain);
        if (!ok) {
            return fl_fail(err, FL_E_INVALID, "SecretInvalid",
                           "Secret '%s': the value of '%.*s' is not base64", name, FL_STR_ARG(key));
        }
    }
    return 0;
}

static int secret_read(struct fl_str text, const char *name, struct fl_secret_data *ret,
                       struct fl_err *err)
{
    struct fl_str uid = {0};
    struct fl_str rv = {0};
    (void)fl_scan_plain(fl_scan_path(text, "metadata.uid"), &uid);
    (void)fl_scan_plain(fl_scan_path(text, "metadata.resourceVersion"), &rv);
    secret_version(uid, rv, ret->version);
    return secret_entries(fl_scan_get(text, FL_STR("data")), name, ret, err);
}

int fl_pass_secret(struct fl_pass *p, const char *name, struct fl_secret_data **ret,
                   struct fl_err *err)
{
    struct fl_shared *text = NULL;
    struct fl_err mine = FL_ERR_INIT;
    struct fl_ctx ctx = fl_ctx_timeout(&p->ctx, ENGINE_WRITE_TIMEOUT_MS);
    int r = fl_kube_get(p->engine->conf.kube, &ctx, &fl_kind_secret, p->obj->ns, fl_str_of(name),
                        &text, &mine);
    if (r == FL_E_NOT_FOUND) {
        return not_there(p, &fl_kind_secret, name, err);
    }
    fl_auto(fl_secret_data) s = FL_NEW(struct fl_secret_data);
    if (r == 0) {
        r = secret_read(fl_shared_str(text), name, s, &mine);
        if (atomic_load(&text->refs) == 1) {
            fl_wipe(text->data, text->n);
        }
        fl_shared_free(text);
    }
    if (r < 0) {
        if (err) {
            *err = mine;
        }
        return r;
    }
    *ret = fl_take(s);
    return 0;
}

void fl_pass_secret_version(struct fl_pass *p, const char *name, char ret[96])
{
    fl_auto(fl_obj) o =
        fl_cache_get(p->engine->cache, &fl_kind_secret, p->obj->ns, fl_str_of(name));
    ret[0] = '\0';
    if (o) {
        secret_version(o->uid, o->rv, ret);
    }
}
