/* SPDX-License-Identifier: Apache-2.0
 * create, update, patch. kubernetes.md 3.8. */
#include "api/scheme.h"
#include "apiserver/admit.h"
#include "apiserver/body.h"
#include "apiserver/commit.h"
#include "apiserver/object.h"
#include "apiserver/options.h"
#include "apiserver/status.h"
#include "base/text.h"
#include "wire/httphead.h"
#include "wire/patch.h"
#include "wire/scan.h"

#define NAME_TRIES 8     /* of generateName */
#define NAME_BASE_MAX 58 /* bytes of it that are kept */
#define NAME_SUFFIX 5
#define UPDATE_TRIES 10 /* of a write that names no resourceVersion */

/* A dry run answers what would be stored. */
static void answer_dry(struct fl_call *c, int status, const struct fl_json *obj, const char *rv)
{
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    fl_commit_text(c->kind, obj, rv, &text, NULL);
    fl_call_answer_text(c, status, fl_buf_slice(&text));
}

/* create */

static bool enter_namespace(struct fl_call *c, struct fl_str name)
{
    struct fl_str ns = c->route.ns;
    switch (fl_namespaces_enter(c->s->namespaces, ns)) {
    case FL_NAMESPACE_ACTIVE:
        return true;
    case FL_NAMESPACE_ABSENT:
        fl_status_not_found(c->res, &fl_kind_namespace, ns);
        return false;
    case FL_NAMESPACE_TERMINATING:
        break;
    }
    fl_status_forbidden(c->res, c->kind, name, "NamespaceTerminating",
                        "unable to create new content in namespace %.*s because it is being "
                        "terminated",
                        FL_STR_ARG(ns));
    return false;
}

static void generate_name(struct fl_json *obj)
{
    const char *base = fl_object_meta_text(obj, "generateName");
    char suffix[NAME_SUFFIX + 1];
    fl_auto_val(fl_buf) name = FL_BUF_INIT(FL_BUF_ANY);
    size_t n = strlen(base);
    fl_random_name(suffix, NAME_SUFFIX);
    fl_buf_add(&name, base, n < NAME_BASE_MAX ? n : NAME_BASE_MAX);
    fl_buf_text(&name, suffix);
    fl_json_set(fl_object_meta(obj), "name", fl_json_str(fl_buf_slice(&name)));
}

static void answer_exists(struct fl_call *c, struct fl_str name)
{
    fl_auto(fl_shared) text = NULL;
    struct fl_store_key key = fl_call_key(c, name);
    bool deleting = fl_store_get(c->s->store, &key, &text, NULL, NULL) == 0 &&
                    fl_scan_path(fl_shared_str(text), "metadata.deletionTimestamp").n > 0;
    fl_status_exists(c->res, c->kind, name, deleting);
}

static void create_dry(struct fl_call *c, struct fl_json *obj)
{
    struct fl_str name = fl_str_of(fl_object_meta_text(obj, "name"));
    struct fl_store_key key = fl_call_key(c, name);
    fl_auto(fl_shared) there = NULL;
    if (fl_store_get(c->s->store, &key, &there, NULL, NULL) == 0) {
        answer_exists(c, name);
    } else {
        answer_dry(c, 201, obj, NULL);
    }
}

static void create_stored(struct fl_call *c, struct fl_json *obj, bool generated)
{
    fl_auto(fl_shared) text = NULL;
    struct fl_err err = FL_ERR_INIT;
    int rc = fl_commit(c->s, FL_STORE_CREATE, c->kind, obj, 0, &text, &err);
    for (int i = 1; generated && rc == FL_E_EXISTS && i < NAME_TRIES; i++) {
        generate_name(obj);
        rc = fl_commit(c->s, FL_STORE_CREATE, c->kind, obj, 0, &text, &err);
    }
    if (rc == FL_E_EXISTS) {
        answer_exists(c, fl_str_of(fl_object_meta_text(obj, "name")));
    } else if (rc < 0) {
        fl_status_from_err(c->res, &err);
    } else {
        fl_call_answer(c, 201, text);
    }
}

/* obj went through fl_admit_create. */
static void create(struct fl_call *c, struct fl_json *obj)
{
    const char *name = fl_object_meta_text(obj, "name");
    bool generated = !name || !name[0];
    if (generated) {
        generate_name(obj);
        name = fl_object_meta_text(obj, "name");
    }
    if (c->kind->namespaced && !enter_namespace(c, fl_str_of(name))) {
        return;
    }
    if (c->dry_run) {
        create_dry(c, obj);
    } else {
        create_stored(c, obj, generated);
    }
    if (c->kind->namespaced) {
        fl_namespaces_leave(c->s->namespaces, c->route.ns);
    }
    if (c->kind == &fl_kind_namespace && c->res->status == 201 && !c->dry_run) {
        fl_apiserver_furnish(c->s, fl_str_of(fl_object_meta_text(obj, "name")));
    }
}

void fl_verb_create(struct fl_call *c)
{
    fl_auto(fl_json) obj = NULL;
    if (fl_options_write(c, "CreateOptions") && fl_body_object(c, &obj) &&
        fl_admit_decode(c, obj, false) && fl_admit_create(c, obj)) {
        create(c, obj);
    }
}

/* update */

struct update {
    struct fl_json *obj; /* what was sent, or what a patch made */
    struct fl_json *old;
    struct fl_shared *text; /* old, as stored */
    int64_t rv;             /* of old */
};

static void update_release_(struct update *u)
{
    fl_json_free(u->obj);
    fl_json_free(u->old);
    fl_shared_free(u->text);
    *u = (struct update){.rv = 0};
}
#define update_auto __attribute__((cleanup(update_release_))) struct update

/* Reads what is stored. */
static int load(struct fl_call *c, struct update *u, struct fl_err *err)
{
    struct fl_store_key key = fl_call_key(c, c->route.name);
    fl_json_free(fl_take(u->old));
    fl_shared_free(fl_take(u->text));
    int rc = fl_store_get(c->s->store, &key, &u->text, &u->rv, err);
    if (rc == 0) {
        rc = fl_stored_tree(c->kind, fl_shared_str(u->text), &u->old, err);
    }
    return rc;
}

static void answer_load(struct fl_call *c, int rc, const struct fl_err *err)
{
    if (rc == FL_E_NOT_FOUND) {
        fl_status_not_found(c->res, c->kind, c->route.name);
    } else {
        fl_status_from_err(c->res, err);
    }
}

static bool load_or_answer(struct fl_call *c, struct update *u)
{
    struct fl_err err = FL_ERR_INIT;
    int rc = load(c, u, &err);
    if (rc < 0) {
        answer_load(c, rc, &err);
    }
    return rc == 0;
}

static bool rv_missing(struct fl_call *c)
{
    struct fl_violations vs = fl_call_violations(c);
    fl_violate(&vs, FL_CAUSE_INVALID, "metadata.resourceVersion", "0", "%s",
               "must be specified for an update");
    fl_status_invalid_as(c->res, c->kind->group, c->kind->plural, c->route.name, &vs);
    return false;
}

/* A patch must leave the uid alone; an update says with it which object it means. */
static bool other_uid(struct fl_call *c, const char *uid, const char *old_uid)
{
    if (c->verb != FL_VERB_PATCH) {
        const char *why = fl_arena_fmt(
            c->arena, "Precondition failed: UID in precondition: %s, UID in object meta: %s", uid,
            old_uid ? old_uid : "");
        fl_status_conflict(c->res, c->kind, c->route.name, why);
        return false;
    }
    struct fl_violations vs = fl_call_violations(c);
    fl_auto_val(fl_buf) shown = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_json_str(&shown, fl_str_of(uid));
    fl_violate(&vs, FL_CAUSE_INVALID, "metadata.uid", shown.data, "%s", "field is immutable");
    fl_status_invalid(c->res, c->kind, c->route.name, &vs);
    return false;
}

/* resourceVersion and uid as sent against what is stored. */
static bool agrees(struct fl_call *c, const struct update *u, bool needs_rv)
{
    const char *rv = fl_object_meta_text(u->obj, "resourceVersion");
    const char *uid = fl_object_meta_text(u->obj, "uid");
    const char *old_uid = fl_object_meta_text(u->old, "uid");
    bool given = rv && rv[0];
    if (!given && needs_rv) {
        return rv_missing(c);
    }
    if (uid && uid[0] && !fl_text_eq(uid, old_uid)) {
        return other_uid(c, uid, old_uid);
    }
    if (given && !fl_text_eq(rv, fl_object_meta_text(u->old, "resourceVersion"))) {
        fl_status_conflict(c->res, c->kind, c->route.name, NULL);
        return false;
    }
    return true;
}

/* Stores u->obj in place of what was read, unless nothing changed. CONFLICT: somebody was faster, nothing is answered. */
static int replace(struct fl_call *c, struct update *u)
{
    fl_auto(fl_shared) text = NULL;
    struct fl_err err = FL_ERR_INIT;
    const char *rv = fl_object_meta_text(u->old, "resourceVersion");
    bool due = fl_delete_due(c->kind, u->obj);
    if (!due && fl_object_same(c->kind, u->obj, u->old)) {
        fl_call_answer(c, 200, u->text);
        return 0;
    }
    if (c->dry_run) {
        answer_dry(c, 200, u->obj, rv);
        return 0;
    }
    int rc = fl_commit(c->s, due ? FL_STORE_DELETE : FL_STORE_UPDATE, c->kind, u->obj, u->rv, &text,
                       &err);
    if (rc == FL_E_NOT_FOUND) {
        fl_status_not_found(c->res, c->kind, c->route.name);
    } else if (rc == 0) {
        fl_call_answer(c, 200, text);
    } else if (rc != FL_E_CONFLICT) {
        fl_status_from_err(c->res, &err);
    }
    return rc;
}

static bool names_rv(const struct fl_json *obj)
{
    const char *rv = fl_object_meta_text(obj, "resourceVersion");
    return rv && rv[0];
}

/* Leases: an update of what is not there makes it. */
static void create_by_update(struct fl_call *c, struct fl_json *obj)
{
    fl_json_del(fl_object_meta(obj), "resourceVersion");
    if (fl_admit_create(c, obj)) {
        create(c, obj);
    }
}

static void update_loop(struct fl_call *c, const struct fl_json *sent)
{
    bool conditional = names_rv(sent);
    bool needs_rv =
        (c->kind->flags & FL_KIND_CUSTOM) != 0 && !(c->kind->flags & FL_KIND_NO_RV_ON_PUT);
    size_t warned = c->n_warnings; /* by what decoded the body, once */
    for (int i = 0; i < UPDATE_TRIES; i++) {
        update_auto u = {.obj = fl_json_copy(sent)};
        struct fl_err err = FL_ERR_INIT;
        int rc = load(c, &u, &err);
        if (rc == FL_E_NOT_FOUND && (c->kind->flags & FL_KIND_CREATE_ON_PUT)) {
            create_by_update(c, u.obj);
            return;
        }
        if (rc < 0) {
            answer_load(c, rc, &err);
            return;
        }
        c->n_warnings = warned;
        if (!agrees(c, &u, needs_rv) || !fl_admit_update(c, &u.obj, u.old) ||
            replace(c, &u) != FL_E_CONFLICT) {
            return;
        }
        if (conditional) {
            break;
        }
    }
    fl_status_conflict(c->res, c->kind, c->route.name, NULL);
}

void fl_verb_update(struct fl_call *c)
{
    fl_auto(fl_json) obj = NULL;
    if (fl_options_write(c, "UpdateOptions") && fl_body_object(c, &obj) &&
        fl_admit_decode(c, obj, false)) {
        update_loop(c, obj);
    }
}

/* patch */

enum patch_type { PATCH_JSON, PATCH_MERGE, PATCH_STRATEGIC, PATCH_UNKNOWN };

static enum patch_type patch_type(const struct fl_call *c)
{
    struct fl_str type = fl_media_type(fl_str_of(fl_request_header(c->req, "Content-Type")));
    if (fl_str_case_is(type, "application/json-patch+json")) {
        return PATCH_JSON;
    }
    if (fl_str_case_is(type, "application/merge-patch+json")) {
        return PATCH_MERGE;
    }
    if (fl_str_case_is(type, "application/strategic-merge-patch+json") &&
        !(c->kind->flags & FL_KIND_CUSTOM)) {
        return PATCH_STRATEGIC;
    }
    return PATCH_UNKNOWN;
}

static bool patch_failed(struct fl_call *c, const struct fl_err *err)
{
    if (err->code != FL_E_INVALID) {
        fl_status_bad_request(c->res, "%s", err->msg);
        return false;
    }
    struct fl_status s = {
        .code = 422,
        .reason = "Invalid",
        .message = fl_arena_fmt(c->arena,
                                "the server rejected our request due to an error in our request: "
                                "%s",
                                err->msg),
        .empty_details = true,
    };
    fl_status_answer(&s, c->res);
    return false;
}

/* u->obj: a copy of what is stored, patched. */
static bool apply(struct fl_call *c, enum patch_type type, const struct fl_json *patch,
                  struct update *u)
{
    struct fl_err err = FL_ERR_INIT;
    int rc = 0;
    fl_json_free(fl_take(u->obj));
    u->obj = fl_json_copy(u->old);
    if (type == PATCH_JSON) {
        rc = fl_patch_json(&u->obj, patch, &err);
    } else if (!fl_json_is(patch, FL_JSON_OBJECT)) {
        rc = fl_fail(&err, FL_E_BAD_DATA, "BadRequest", "error decoding patch: not an object");
    } else if (type == PATCH_MERGE) {
        fl_patch_merge(&u->obj, patch);
    } else {
        rc = fl_patch_strategic(&u->obj, patch, fl_object_rows(c->arena, c->kind), &err);
    }
    return rc == 0 || patch_failed(c, &err);
}

/* The patch itself names a resourceVersion: then it is for that version alone. */
static bool patch_names_rv(enum patch_type type, const struct fl_json *patch)
{
    if (type != PATCH_JSON) {
        return names_rv(patch);
    }
    for (size_t i = 0; i < fl_json_len(patch); i++) {
        if (fl_text_eq(fl_json_get_text(fl_json_at(patch, i), "path"),
                       "/metadata/resourceVersion")) {
            return true;
        }
    }
    return false;
}

static void patch_loop(struct fl_call *c, enum patch_type type, const struct fl_json *patch)
{
    bool conditional = patch_names_rv(type, patch);
    size_t problems = c->n_problems; /* of the patch's own text */
    for (int i = 0; i < UPDATE_TRIES; i++) {
        update_auto u = {.obj = NULL};
        c->n_warnings = 0;
        c->n_problems = problems;
        if (!load_or_answer(c, &u) || !apply(c, type, patch, &u) ||
            !fl_admit_decode(c, u.obj, true) || !agrees(c, &u, false) ||
            !fl_admit_update(c, &u.obj, u.old) || replace(c, &u) != FL_E_CONFLICT) {
            return;
        }
        if (conditional) {
            break;
        }
    }
    fl_status_conflict(c->res, c->kind, c->route.name, NULL);
}

void fl_verb_patch(struct fl_call *c)
{
    fl_auto(fl_json) patch = NULL;
    enum patch_type type = patch_type(c);
    if (type == PATCH_UNKNOWN) {
        fl_body_refuse(c, (c->kind->flags & FL_KIND_CUSTOM)
                              ? "application/json-patch+json, application/merge-patch+json"
                              : "application/json-patch+json, application/merge-patch+json, "
                                "application/strategic-merge-patch+json");
        return;
    }
    if (fl_options_write(c, "PatchOptions") && fl_body_patch(c, &patch)) {
        patch_loop(c, type, patch);
    }
}
