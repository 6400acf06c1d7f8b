/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/commit.h"

#include "api/scheme.h"
#include "apiserver/eventview.h"
#include "apiserver/object.h"
#include "base/num.h"
#include "wire/scan.h"

#define TRIES_MAX 100 /* each means that somebody else's write came first */

const struct fl_kind *fl_stored_kind(const struct fl_kind *k)
{
    return k == &fl_kind_event_v1 ? &fl_kind_event : k;
}

static int altered(struct fl_err *err)
{
    return fl_fail(err, FL_E_BAD_DATA, "StoreAltered",
                   "what is stored is no object: the database was altered from outside");
}

int fl_stored_tree(const struct fl_kind *k, struct fl_str text, struct fl_json **ret,
                   struct fl_err *err)
{
    fl_auto_val(fl_buf) view = FL_BUF_INIT(FL_BUF_ANY);
    if (k == &fl_kind_event_v1) {
        fl_event_view(text, &view);
        text = fl_buf_slice(&view);
    }
    return fl_json_parse(text, FL_BUF_ANY, ret, NULL) == 0 ? 0 : altered(err);
}

void fl_commit_text(const struct fl_kind *k, const struct fl_json *obj, const char *rv,
                    struct fl_buf *out, size_t *ret_split)
{
    if (k != &fl_kind_event_v1) {
        fl_object_text(k, obj, rv, out, ret_split);
        return;
    }
    fl_auto(fl_json) core = fl_event_store_form(obj);
    fl_object_text(&fl_kind_event, core, rv, out, ret_split);
}

static struct fl_str raw_text(struct fl_str text, const char *path)
{
    struct fl_str plain;
    return fl_scan_plain(fl_scan_path(text, path), &plain) ? plain : FL_STR("");
}

static enum fl_namespace_state state_of(struct fl_str text)
{
    return raw_text(text, "metadata.deletionTimestamp").n > 0 ? FL_NAMESPACE_TERMINATING
                                                              : FL_NAMESPACE_ACTIVE;
}

static int write_namespace(struct fl_apiserver *s, const struct fl_store_write *w,
                           struct fl_shared **ret, struct fl_err *err)
{
    fl_lock_scope(&s->namespace_write);
    int rc = fl_store_write(s->store, w, ret, NULL, err);
    if (rc == 0) {
        fl_namespaces_set(s->namespaces, w->key.name,
                          w->op == FL_STORE_DELETE ? FL_NAMESPACE_ABSENT
                                                   : state_of(fl_shared_str(*ret)));
    }
    return rc;
}

static int write_text(struct fl_apiserver *s, enum fl_store_op op, const struct fl_kind *k,
                      struct fl_str text, size_t split, size_t skip, int64_t expect_rv,
                      struct fl_shared **ret, struct fl_err *err)
{
    struct fl_store_write w = {
        .op = op,
        .key = {.kind = k,
                .ns = raw_text(text, "metadata.namespace"),
                .name = raw_text(text, "metadata.name")},
        .expect_rv = expect_rv,
        .before = {text.p, split},
        .after = {text.p + split + skip, text.n - split - skip},
    };
    return k == &fl_kind_namespace ? write_namespace(s, &w, ret, err)
                                   : fl_store_write(s->store, &w, ret, NULL, err);
}

int fl_commit(struct fl_apiserver *s, enum fl_store_op op, const struct fl_kind *k,
              const struct fl_json *obj, int64_t expect_rv, struct fl_shared **ret,
              struct fl_err *err)
{
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BODY_MAX);
    size_t split = 0;
    fl_commit_text(k, obj, "", &text, &split);
    int rc = fl_buf_finish(&text, "the object", err);
    if (rc < 0) {
        return rc;
    }
    return write_text(s, op, fl_stored_kind(k), fl_buf_slice(&text), split, 0, expect_rv, ret, err);
}

int fl_commit_delete(struct fl_apiserver *s, const struct fl_kind *k, struct fl_str text,
                     int64_t expect_rv, struct fl_shared **ret, struct fl_err *err)
{
    struct fl_str rv = raw_text(text, "metadata.resourceVersion");
    if (rv.n == 0) {
        return altered(err);
    }
    return write_text(s, FL_STORE_DELETE, fl_stored_kind(k), text, (size_t)(rv.p - text.p), rv.n,
                      expect_rv, ret, err);
}

/* Deleting. */

bool fl_namespace_protected(struct fl_str name)
{
    return fl_str_is(name, "default") || fl_str_is(name, "kube-system") ||
           fl_str_is(name, "kube-public");
}

bool fl_delete_due(const struct fl_kind *k, const struct fl_json *obj)
{
    if (!fl_object_meta_text(obj, "deletionTimestamp") || fl_object_has_finalizers(obj)) {
        return false;
    }
    return k != &fl_kind_namespace ||
           fl_json_len(fl_json_get(fl_object_get(obj, "spec"), "finalizers")) == 0;
}

static int precondition(const char *what, const char *want, struct fl_str have, const char *might,
                        struct fl_err *err)
{
    if (!want || fl_str_is(have, want)) {
        return 0;
    }
    return fl_fail(err, FL_E_CONFLICT, "Conflict",
                   "the %s in the precondition (%s) does not match the %s in record (%.*s). The "
                   "object might have been %s",
                   what, want, what, FL_STR_ARG(have), might);
}

static bool held(const struct fl_kind *k, struct fl_str text)
{
    static const char *const lists[] = {"metadata.finalizers", "spec.finalizers"};
    for (size_t i = 0; i < (k == &fl_kind_namespace ? 2u : 1u); i++) {
        struct fl_str list = fl_scan_path(text, lists[i]), key, value;
        size_t at = 0;
        if (list.n > 0 && fl_scan_kind(list) == FL_SCAN_ARRAY &&
            fl_scan_next(list, &at, &key, &value)) {
            return true;
        }
    }
    return false;
}

/* Sets deletionTimestamp; a generation, where the kind has one, counts it as a change of what is wanted. */
static int mark(struct fl_apiserver *s, const struct fl_kind *k, struct fl_str text, int64_t rv,
                struct fl_shared **ret, struct fl_err *err)
{
    fl_auto(fl_json) obj = NULL;
    fl_auto_val(fl_buf) now = FL_BUF_INIT(64);
    int64_t generation = 0;
    int rc = fl_stored_tree(k, text, &obj, err);
    struct fl_json *meta = fl_object_meta(obj);
    if (rc < 0 || !meta) {
        return rc < 0 ? rc : altered(err);
    }
    fl_time_fmt(&now, fl_clock_wall_ms(s->clock));
    fl_json_set(meta, "deletionTimestamp", fl_json_str(fl_buf_slice(&now)));
    fl_json_set(meta, "deletionGracePeriodSeconds", fl_json_int(0));
    if (fl_json_as_i64(fl_json_get(meta, "generation"), &generation)) {
        fl_json_set(meta, "generation", fl_json_int(generation + 1));
    }
    if (k == &fl_kind_namespace) {
        fl_json_set(obj, "status", fl_json_literal("{\"phase\":\"Terminating\"}"));
    }
    return fl_commit(s, FL_STORE_UPDATE, k, obj, rv, ret, err);
}

static int delete_try(struct fl_apiserver *s, const struct fl_store_key *key,
                      const struct fl_delete_options *o, struct fl_shared **ret, bool *ret_gone,
                      struct fl_err *err)
{
    const struct fl_kind *k = fl_stored_kind(key->kind);
    fl_auto(fl_shared) old = NULL;
    int64_t rv = 0;
    int rc = fl_store_get(s->store, key, &old, &rv, err);
    if (rc < 0) {
        return rc;
    }
    struct fl_str text = fl_shared_str(old);
    rc = precondition("UID", o->uid, raw_text(text, "metadata.uid"), "deleted and then recreated",
                      err);
    if (rc == 0) {
        rc = precondition("ResourceVersion", o->rv, raw_text(text, "metadata.resourceVersion"),
                          "modified", err);
    }
    if (rc < 0) {
        return rc;
    }
    bool waits = held(k, text);
    bool marked = raw_text(text, "metadata.deletionTimestamp").n > 0;
    *ret_gone = !waits;
    if (o->dry_run || (waits && marked)) {
        *ret = fl_take(old);
        return 0;
    }
    rc = waits ? mark(s, k, text, rv, ret, err) : fl_commit_delete(s, k, text, rv, ret, err);
    if (rc == FL_E_CONFLICT) {
        return 1; /* it was changed meanwhile: look again */
    }
    return rc;
}

int fl_delete_object(struct fl_apiserver *s, const struct fl_store_key *key,
                     const struct fl_delete_options *o, struct fl_shared **ret, bool *ret_gone,
                     struct fl_err *err)
{
    int rc = 1;
    for (int i = 0; rc == 1 && i < TRIES_MAX; i++) {
        rc = delete_try(s, key, o, ret, ret_gone, err);
    }
    return rc == 1 ? fl_fail(err, FL_E_UNAVAILABLE, "Busy", "the object keeps changing") : rc;
}
