/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admit.h"

#include "api/scheme.h"
#include "apiserver/object.h"
#include "apiserver/rules.h"
#include "apiserver/status.h"
#include "base/names.h"
#include "base/text.h"
#include "wire/codec.h"

#define ANNOTATIONS_MAX (256 << 10)

/* Shape. */

static const char *expected_version(const struct fl_call *c)
{
    return fl_arena_fmt(c->arena, "%s%s%s", c->kind->group, c->kind->group[0] ? "/" : "",
                        c->kind->version);
}

static bool unrecognized(struct fl_call *c, const char *why)
{
    fl_status_bad_request(c->res, "the object provided is unrecognized (must be of type %s): %s",
                          c->kind->kind, why);
    return false;
}

/* The real server shows the patched object here; it may hold a secret. */
static bool refuse_patch(struct fl_call *c, const char *why)
{
    struct fl_violations vs = fl_call_violations(c);
    fl_violate(&vs, FL_CAUSE_INVALID, "patch", "\"...\"", "%s", why);
    fl_status_invalid_as(c->res, "", "", FL_STR(""), &vs);
    return false;
}

static bool bad_request(struct fl_call *c, bool patched, const char *why)
{
    if (patched) {
        return refuse_patch(c, why);
    }
    fl_status_bad_request(c->res, "%s", why);
    return false;
}

static bool other_kind(struct fl_call *c, const struct fl_json *obj, const char *kind, bool patched)
{
    if (!(c->kind->flags & FL_KIND_CUSTOM)) {
        return bad_request(c, patched,
                           fl_arena_fmt(c->arena, "%s in version \"%s\" cannot be handled as a %s",
                                        kind, c->kind->version, c->kind->kind));
    }
    struct fl_violations vs = fl_call_violations(c);
    fl_auto_val(fl_buf) shown = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_json_str(&shown, fl_str_of(kind));
    fl_violate(&vs, FL_CAUSE_INVALID, "kind", shown.data, "must be %s", c->kind->kind);
    fl_status_invalid_as(c->res, c->kind->group, kind, fl_str_of(fl_object_meta_text(obj, "name")),
                         &vs);
    return false;
}

/* Built-in kinds may leave apiVersion and kind out; the URL tells them. */
static bool type_meta(struct fl_call *c, const struct fl_json *obj, bool patched)
{
    const char *version = fl_json_get_text(obj, "apiVersion");
    const char *kind = fl_json_get_text(obj, "kind");
    const char *want = expected_version(c);
    bool custom = (c->kind->flags & FL_KIND_CUSTOM) != 0;
    if (custom && (!kind || !kind[0])) {
        return unrecognized(c, "Object 'Kind' is missing");
    }
    if (custom && (!version || !version[0])) {
        return unrecognized(c, "Object 'apiVersion' is missing");
    }
    if (version && version[0] && strcmp(version, want) != 0) {
        return bad_request(c, patched,
                           fl_arena_fmt(c->arena,
                                        "the API version in the data (%s) does not match the "
                                        "expected API version (%s)",
                                        version, want));
    }
    if (kind && kind[0] && strcmp(kind, c->kind->kind) != 0) {
        return other_kind(c, obj, kind, patched);
    }
    return true;
}

static bool meta_member(struct fl_call *c, struct fl_json *obj)
{
    struct fl_json *meta = fl_object_meta(obj);
    if (!meta) {
        fl_json_set(obj, "metadata", fl_json_object());
        return true;
    }
    if (!fl_json_is(meta, FL_JSON_OBJECT)) {
        fl_status_bad_request(c->res,
                              "%s in version \"%s\" cannot be handled as a %s: metadata must be an "
                              "object",
                              c->kind->kind, c->kind->version, c->kind->kind);
        return false;
    }
    return true;
}

static bool place(struct fl_call *c, struct fl_json *obj)
{
    struct fl_json *meta = fl_object_meta(obj);
    const char *ns = fl_json_get_text(meta, "namespace");
    const char *name = fl_json_get_text(meta, "name");
    if (!c->kind->namespaced) {
        fl_json_del(meta, "namespace");
    } else if (!ns || !ns[0]) {
        fl_json_set(meta, "namespace", fl_json_str(c->route.ns));
    } else if (!fl_str_is(c->route.ns, ns)) {
        fl_status_bad_request(c->res, "the namespace of the provided object does not match the "
                                      "namespace sent on the request");
        return false;
    }
    if (c->route.name.n == 0) {
        return true;
    }
    if (!name || !name[0]) {
        fl_json_set(meta, "name", fl_json_str(c->route.name));
    } else if (!fl_str_is(c->route.name, name)) {
        fl_status_bad_request(
            c->res, "the name of the object (%s) does not match the name on the URL (%.*s)", name,
            FL_STR_ARG(c->route.name));
        return false;
    }
    return true;
}

/* Unknown fields. */

static void note_unknown(void *arg, const char *path)
{
    fl_call_problem(arg, "unknown field \"%s\"", path);
}

static void refuse_strict(struct fl_call *c, bool patched)
{
    fl_auto_val(fl_buf) all = FL_BUF_INIT(FL_BUF_ANY);
    for (size_t i = 0; i < c->n_problems; i++) {
        fl_buf_text(&all, i > 0 ? ", " : "");
        fl_buf_text(&all, c->problems[i]);
    }
    if (!patched) {
        fl_status_bad_request(c->res,
                              "%s in version \"%s\" cannot be handled as a %s: strict decoding "
                              "error: %s",
                              c->kind->kind, c->kind->version, c->kind->kind, all.data);
        return;
    }
    (void)refuse_patch(c, fl_arena_fmt(c->arena, "strict decoding error: %s", all.data));
}

static bool settle_problems(struct fl_call *c, bool patched)
{
    if (c->n_problems == 0) {
        return true;
    }
    if (c->validation == FL_VALIDATE_STRICT) {
        refuse_strict(c, patched);
        return false;
    }
    for (size_t i = 0; c->validation == FL_VALIDATE_WARN && i < c->n_problems; i++) {
        fl_call_warn(c, "%s", c->problems[i]);
    }
    c->n_problems = 0;
    return true;
}

bool fl_admit_decode(struct fl_call *c, struct fl_json *obj, bool patched)
{
    if (!fl_json_is(obj, FL_JSON_OBJECT)) {
        return unrecognized(c, "it is not an object");
    }
    if (!type_meta(c, obj, patched) || !meta_member(c, obj)) {
        return false;
    }
    fl_codec_prune(fl_meta_rows, fl_object_meta(obj), "metadata", note_unknown, c);
    fl_codec_prune(c->kind->rows, obj, "", note_unknown, c);
    fl_codec_default(fl_meta_rows, fl_object_meta(obj)); /* drops nulls */
    return settle_problems(c, patched) && place(c, obj);
}

/* Metadata. */

static const char *name_wrong(const struct fl_call *c, struct fl_str name)
{
    return c->kind == &fl_kind_namespace ? fl_name_dns_label(name) : fl_name_dns_subdomain(name);
}

static void invalid_text(struct fl_violations *vs, const char *field, const char *value,
                         const char *why)
{
    fl_auto_val(fl_buf) shown = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_json_str(&shown, fl_str_of(value));
    fl_violate(vs, FL_CAUSE_INVALID, field, shown.data, "%s", why);
}

static void check_name(const struct fl_call *c, const struct fl_json *meta,
                       struct fl_violations *vs)
{
    const char *name = fl_json_get_text(meta, "name");
    const char *base = fl_json_get_text(meta, "generateName");
    if (base && base[0]) {
        /* As if something followed: a dash or a dot at the end is fine. */
        struct fl_str whole = fl_str_of(fl_arena_fmt(c->arena, "%sx", base));
        const char *wrong = name_wrong(c, whole);
        if (wrong) {
            invalid_text(vs, "metadata.generateName", base, wrong);
        }
    }
    if (name && name[0]) {
        const char *wrong = name_wrong(c, fl_str_of(name));
        if (wrong) {
            invalid_text(vs, "metadata.name", name, wrong);
        }
    } else if (!base || !base[0]) {
        fl_violate(vs, FL_CAUSE_REQUIRED, "metadata.name", NULL, "%s",
                   "name or generateName is required");
    }
}

static void check_annotations(const struct fl_json *meta, struct fl_violations *vs)
{
    size_t n = 0;
    struct fl_json_iter it = fl_json_iter(fl_json_get(meta, "annotations"));
    while (fl_json_next(&it)) {
        struct fl_str value = FL_STR("");
        (void)fl_json_as_str(it.value, &value);
        n += it.key.n + value.n;
    }
    if (n > ANNOTATIONS_MAX) {
        fl_violate(vs, FL_CAUSE_TOO_LONG, "metadata.annotations", NULL,
                   "may not be more than %d bytes", ANNOTATIONS_MAX);
    }
}

static const char *owner_text(const struct fl_json *owner, const char *name)
{
    const char *s = fl_json_get_text(owner, name);
    return s ? s : "";
}

static void check_owner(const struct fl_json *owner, struct fl_violations *vs)
{
    static const char *const fields[] = {"apiVersion", "kind", "name", "uid"};
    for (size_t i = 0; i < FL_LEN(fields); i++) {
        if (owner_text(owner, fields[i])[0] == '\0') {
            fl_violate(vs, FL_CAUSE_INVALID,
                       fl_arena_fmt(vs->arena, "metadata.ownerReferences.%s", fields[i]), "\"\"",
                       "%s", i == 0 ? "version must not be empty" : "must not be empty");
        }
    }
}

static void check_owners(const struct fl_json *meta, struct fl_violations *vs)
{
    const struct fl_json *owners = fl_json_get(meta, "ownerReferences");
    const struct fl_json *first = NULL;
    for (size_t i = 0; i < fl_json_len(owners); i++) {
        const struct fl_json *owner = fl_json_at(owners, i);
        bool controls = false;
        check_owner(owner, vs);
        (void)fl_json_as_bool(fl_json_get(owner, "controller"), &controls);
        if (controls && first) {
            fl_auto_val(fl_buf) shown = FL_BUF_INIT(FL_BUF_ANY);
            fl_json_write(owners, &shown);
            fl_violate(vs, FL_CAUSE_INVALID, "metadata.ownerReferences", shown.data,
                       "Only one reference can have Controller set to true. Found \"true\" in "
                       "references for %s/%s and %s/%s",
                       owner_text(first, "kind"), owner_text(first, "name"),
                       owner_text(owner, "kind"), owner_text(owner, "name"));
        } else if (controls) {
            first = owner;
        }
    }
}

static bool has_text(const struct fl_json *list, struct fl_str want)
{
    for (size_t i = 0; i < fl_json_len(list); i++) {
        struct fl_str have;
        if (fl_json_as_str(fl_json_at(list, i), &have) && fl_str_eq(have, want)) {
            return true;
        }
    }
    return false;
}

/* Names without a prefix: built-in kinds refuse them, but for those of Kubernetes itself; custom ones warn. */
static void check_plain_finalizer(struct fl_call *c, struct fl_str name, size_t i,
                                  struct fl_violations *vs)
{
    if (memchr(name.p, '/', name.n) || fl_name_qualified(name) ||
        fl_str_is(name, "foregroundDeletion") || fl_str_is(name, "orphan") ||
        fl_str_is(name, "kubernetes")) {
        return;
    }
    if (c->kind->flags & FL_KIND_CUSTOM) {
        fl_call_warn(c,
                     "metadata.finalizers: \"%.*s\": prefer a domain-qualified finalizer name "
                     "including a path (/) to avoid accidental conflicts with other finalizer "
                     "writers",
                     FL_STR_ARG(name));
        return;
    }
    invalid_text(vs, fl_arena_fmt(c->arena, "metadata.finalizers[%zu]", i),
                 fl_arena_str(c->arena, name),
                 "name is neither a standard finalizer name nor is it fully qualified");
}

static void check_finalizers(struct fl_call *c, const struct fl_json *meta,
                             const struct fl_json *old_meta, struct fl_violations *vs)
{
    const struct fl_json *list = fl_json_get(meta, "finalizers");
    const struct fl_json *before = fl_json_get(old_meta, "finalizers");
    bool deleting = fl_object_get(old_meta, "deletionTimestamp") != NULL;
    fl_auto_val(fl_buf) extra = FL_BUF_INIT(FL_BUF_ANY);
    for (size_t i = 0; i < fl_json_len(list); i++) {
        struct fl_str name;
        if (!fl_json_as_str(fl_json_at(list, i), &name) || has_text(before, name)) {
            continue;
        }
        check_plain_finalizer(c, name, i, vs);
        if (deleting) {
            fl_buf_text(&extra, extra.len > 0 ? ", " : "");
            fl_buf_json_str(&extra, name);
        }
    }
    if (extra.len > 0) {
        fl_violate(vs, FL_CAUSE_FORBIDDEN, "metadata.finalizers", NULL,
                   "no new finalizers can be added if the object is being deleted, found new "
                   "finalizers []string{%s}",
                   extra.data);
    }
}

/* The real server names the map, not the key; and says what an owner lacks in other words, which check_owners does. */
static void check_meta_rows(const struct fl_json *meta, struct fl_violations *vs)
{
    static const char *const maps[] = {"metadata.labels", "metadata.annotations"};
    size_t keep = vs->n;
    size_t i = vs->n;
    fl_codec_validate(fl_meta_rows, meta, "metadata", vs);
    for (; i < vs->n; i++) {
        struct fl_violation v = vs->v[i];
        for (size_t m = 0; m < FL_LEN(maps); m++) {
            size_t n = strlen(maps[m]);
            if (fl_text_starts(v.field, maps[m]) && v.field[n] == '[') {
                v.field = maps[m];
            }
        }
        bool owner = fl_text_starts(v.field, "metadata.ownerReferences[");
        bool lacks = v.cause == FL_CAUSE_REQUIRED || v.cause == FL_CAUSE_INVALID;
        if (!owner || !lacks) {
            vs->v[keep++] = v;
        }
    }
    vs->n = keep;
}

static void check_meta(struct fl_call *c, const struct fl_json *obj, const struct fl_json *old,
                       struct fl_violations *vs)
{
    const struct fl_json *meta = fl_object_meta(obj), *old_meta = fl_object_meta(old);
    if (old && fl_json_equal(meta, old_meta)) {
        return;
    }
    check_meta_rows(meta, vs);
    if (!old) {
        check_name(c, meta, vs);
    }
    check_annotations(meta, vs);
    check_owners(meta, vs);
    check_finalizers(c, meta, old_meta, vs);
}

/* Validation. */

static bool same(const struct fl_json *a, const struct fl_json *b)
{
    return a == b || (a && b && fl_json_equal(a, b));
}

/* What did not change is not judged again: rules that came later do not block other changes. */
static void check_rows(const struct fl_call *c, const struct fl_json *obj,
                       const struct fl_json *old, struct fl_violations *vs)
{
    for (const struct fl_field *f = c->kind->rows; f->type != FL_END; f++) {
        const struct fl_field one[] = {*f, {.type = FL_END}};
        if (old && same(fl_object_get(obj, f->name), fl_object_get(old, f->name))) {
            continue;
        }
        fl_codec_validate(one, obj, "", vs);
        if (old) {
            fl_codec_validate_update(one, obj, old, "", vs);
        }
    }
}

static void *decode_spec(const struct fl_call *c, const struct fl_json *obj)
{
    void *spec = fl_arena_alloc(c->arena, c->kind->spec_size);
    fl_codec_decode(c->kind->spec_rows, fl_object_get(obj, "spec"), c->arena, spec);
    return spec;
}

static void check_spec(const struct fl_call *c, const struct fl_json *obj,
                       const struct fl_json *old, struct fl_violations *vs)
{
    bool changed = !old || !same(fl_object_get(obj, "spec"), fl_object_get(old, "spec"));
    if (c->kind->check && c->kind->spec_rows && changed) {
        c->kind->check(decode_spec(c, obj), old ? decode_spec(c, old) : NULL, vs);
    }
}

/* Wrong types are told as decoding errors where the real server decodes into Go structs: metadata, built-in kinds. */
static const struct fl_violation *undecodable(const struct fl_call *c,
                                              const struct fl_violations *vs)
{
    bool custom = (c->kind->flags & FL_KIND_CUSTOM) != 0;
    for (size_t i = 0; i < vs->n; i++) {
        if (vs->v[i].cause == FL_CAUSE_TYPE &&
            (!custom || fl_text_starts(vs->v[i].field, "metadata"))) {
            return &vs->v[i];
        }
    }
    return NULL;
}

static bool settle_violations(struct fl_call *c, const struct fl_json *obj,
                              const struct fl_violations *vs)
{
    const struct fl_violation *v = undecodable(c, vs);
    if (v) {
        fl_status_bad_request(c->res, "%s in version \"%s\" cannot be handled as a %s: %s: %s",
                              c->kind->kind, c->kind->version, c->kind->kind, v->field, v->text);
        return false;
    }
    if (vs->n == 0) {
        return true;
    }
    const char *name = fl_object_meta_text(obj, "name");
    fl_status_invalid(c->res, c->kind, fl_str_of(name ? name : ""), vs);
    return false;
}

static bool validate(struct fl_call *c, const struct fl_json *obj, const struct fl_json *old)
{
    struct fl_violations vs = fl_call_violations(c);
    check_meta(c, obj, old, &vs);
    size_t before = vs.n;
    check_rows(c, obj, old, &vs);
    if (vs.n == before) {
        check_spec(c, obj, old, &vs);
        fl_rules_check(c->kind, obj, old, &vs);
    }
    return settle_violations(c, obj, &vs);
}

/* Create. */

bool fl_admit_create(struct fl_call *c, struct fl_json *obj)
{
    static const char *const servers[] = {"selfLink",          "uid",
                                          "generation",        "creationTimestamp",
                                          "deletionTimestamp", "deletionGracePeriodSeconds",
                                          "managedFields"};
    struct fl_json *meta = fl_object_meta(obj);
    const char *rv = fl_json_get_text(meta, "resourceVersion");
    if (rv && rv[0]) {
        fl_status_simple(c->res, 500, NULL,
                         "resourceVersion should not be set on objects to be created");
        return false;
    }
    for (size_t i = 0; i < FL_LEN(servers); i++) {
        fl_json_del(meta, servers[i]);
    }
    char uid[37];
    fl_uuid4(uid);
    fl_json_set(meta, "uid", fl_json_text(uid));
    fl_json_set(meta, "creationTimestamp", fl_json_text(fl_call_now(c)));
    if (c->kind->flags & FL_KIND_CUSTOM) {
        fl_json_set(meta, "generation", fl_json_int(1));
    }
    if (c->kind->flags & FL_KIND_STATUS) {
        fl_json_del(obj, "status");
    }
    fl_codec_default(c->kind->rows, obj);
    fl_rules_prepare(c->kind, obj, NULL, false);
    fl_object_trim(c->kind, obj);
    return validate(c, obj, NULL);
}

/* Update. */

static void carry(struct fl_json *to, const struct fl_json *from, const char *name)
{
    const struct fl_json *value = fl_object_get(from, name);
    if (value) {
        fl_json_set(to, name, fl_json_copy(value));
    } else {
        fl_json_del(to, name);
    }
}

static void carry_meta(struct fl_json *obj, const struct fl_json *old)
{
    static const char *const servers[] = {
        "uid",        "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
        "generation", "generateName",      "resourceVersion"};
    struct fl_json *meta = fl_object_meta(obj);
    for (size_t i = 0; i < FL_LEN(servers); i++) {
        carry(meta, fl_object_meta(old), servers[i]);
    }
    fl_json_del(meta, "selfLink");
    fl_json_del(meta, "managedFields");
}

/* Old with one part of *obj. */
static void take_part(struct fl_json **obj, const struct fl_json *old, const char *part)
{
    struct fl_json *whole = fl_json_copy(old);
    carry(whole, *obj, part);
    fl_json_free(*obj);
    *obj = whole;
}

static void count_generation(const struct fl_call *c, struct fl_json *obj,
                             const struct fl_json *old)
{
    int64_t generation = 0;
    if (!(c->kind->flags & FL_KIND_CUSTOM) || fl_object_same_spec(c->kind, obj, old)) {
        return;
    }
    (void)fl_json_as_i64(fl_json_get(fl_object_meta(old), "generation"), &generation);
    fl_json_set(fl_object_meta(obj), "generation", fl_json_int(generation + 1));
}

bool fl_admit_update(struct fl_call *c, struct fl_json **obj, const struct fl_json *old)
{
    bool finalize = c->route.sub == FL_SUB_FINALIZE;
    if (c->route.sub == FL_SUB_STATUS) {
        take_part(obj, old, "status");
    } else if (finalize) {
        take_part(obj, old, "spec");
    } else if (c->kind->flags & FL_KIND_STATUS) {
        carry(*obj, old, "status");
    }
    carry_meta(*obj, old);
    fl_codec_default(c->kind->rows, *obj);
    fl_rules_prepare(c->kind, *obj, old, finalize);
    fl_object_trim(c->kind, *obj);
    if (!validate(c, *obj, old)) {
        return false;
    }
    count_generation(c, *obj, old);
    return true;
}
