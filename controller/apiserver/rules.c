/* SPDX-License-Identifier: Apache-2.0
 * Source: kubernetes pkg/apis/core/validation/validation.go, pkg/registry/core. */
#include "apiserver/rules.h"

#include "api/scheme.h"
#include "apiserver/object.h"
#include "base/secret.h"
#include "base/text.h"

#define DATA_MAX (1 << 20)
#define NAME_LABEL "kubernetes.io/metadata.name"

/* Secret and ConfigMap. */

static struct fl_json *member_object(struct fl_json *obj, const char *name)
{
    struct fl_json *v = fl_object_get(obj, name);
    if (!fl_json_is(v, FL_JSON_OBJECT)) {
        fl_json_set(obj, name, fl_json_object());
        v = fl_json_get(obj, name);
    }
    return v;
}

static void fold_string_data(struct fl_json *secret)
{
    const struct fl_json *plain = fl_object_get(secret, "stringData");
    if (fl_json_is(plain, FL_JSON_OBJECT) && fl_json_len(plain) > 0) {
        struct fl_json *data = member_object(secret, "data");
        struct fl_json_iter it = fl_json_iter(plain);
        while (fl_json_next(&it)) {
            struct fl_str value = FL_STR("");
            (void)fl_json_as_str(it.value, &value);
            fl_auto_val(fl_buf) coded = FL_BUF_INIT(FL_BUF_ANY);
            fl_base64_add(&coded, value.p, value.n);
            fl_json_set_str(data, it.key, fl_json_str(fl_buf_slice(&coded)));
            fl_buf_wipe(&coded);
        }
    }
    fl_json_del(secret, "stringData");
}

static void secret_prepare(struct fl_json *obj, const struct fl_json *old)
{
    const char *type = fl_json_get_text(obj, "type");
    fold_string_data(obj);
    if (!fl_object_get(obj, "type") || (type && !type[0])) {
        const char *before = old ? fl_json_get_text(old, "type") : NULL;
        fl_json_set(obj, "type", fl_json_text(before ? before : "Opaque"));
    }
}

/* Bytes of all values; base64 is counted decoded. */
static size_t data_size(const struct fl_json *map, bool coded)
{
    size_t n = 0;
    struct fl_json_iter it = fl_json_iter(map);
    while (fl_json_next(&it)) {
        struct fl_str value = FL_STR("");
        (void)fl_json_as_str(it.value, &value);
        size_t pad = fl_str_ends(value, "==") ? 2 : fl_str_ends(value, "=") ? 1 : 0;
        n += coded ? value.n / 4 * 3 - (value.n >= 4 ? pad : 0) : value.n;
    }
    return n;
}

static bool unchanged(const struct fl_json *obj, const struct fl_json *old, const char *name)
{
    const struct fl_json *a = fl_object_get(obj, name), *b = fl_object_get(old, name);
    bool empty_a = !a || (fl_json_is(a, FL_JSON_OBJECT) && fl_json_len(a) == 0);
    bool empty_b = !b || (fl_json_is(b, FL_JSON_OBJECT) && fl_json_len(b) == 0);
    return (empty_a && empty_b) || (a && b && fl_json_equal(a, b));
}

static void check_frozen(const struct fl_json *obj, const struct fl_json *old,
                         const char *const *fields, struct fl_violations *vs)
{
    static const char why[] = "field is immutable when `immutable` is set";
    bool was = false, is = false;
    (void)fl_json_as_bool(fl_json_get(old, "immutable"), &was);
    (void)fl_json_as_bool(fl_json_get(obj, "immutable"), &is);
    if (!was) {
        return;
    }
    if (!is) {
        fl_violate(vs, FL_CAUSE_FORBIDDEN, "immutable", NULL, "%s", why);
    }
    for (; *fields; fields++) {
        if (!unchanged(obj, old, *fields)) {
            fl_violate(vs, FL_CAUSE_FORBIDDEN, *fields, NULL, "%s", why);
        }
    }
}

static const struct {
    const char *type;
    const char *keys[2];
    bool any; /* one of them is enough */
} secret_types[] = {
    {"kubernetes.io/tls", {"tls.crt", "tls.key"}, false},
    {"kubernetes.io/dockerconfigjson", {".dockerconfigjson", NULL}, false},
    {"kubernetes.io/dockercfg", {".dockercfg", NULL}, false},
    {"kubernetes.io/basic-auth", {"username", "password"}, true},
    {"kubernetes.io/ssh-auth", {"ssh-privatekey", NULL}, false},
};

static void require_key(const char *key, struct fl_violations *vs)
{
    fl_violate(vs, FL_CAUSE_REQUIRED, fl_arena_fmt(vs->arena, "data[%s]", key), NULL, "%s", "");
}

static void check_secret_keys(const struct fl_json *obj, struct fl_violations *vs)
{
    const char *type = fl_json_get_text(obj, "type");
    const struct fl_json *data = fl_object_get(obj, "data");
    for (size_t i = 0; i < FL_LEN(secret_types); i++) {
        if (!fl_text_eq(type, secret_types[i].type)) {
            continue;
        }
        size_t missing = 0;
        for (size_t k = 0; k < 2 && secret_types[i].keys[k]; k++) {
            bool there = fl_json_get(data, secret_types[i].keys[k]) != NULL;
            missing += !there;
            if (!there && !secret_types[i].any) {
                require_key(secret_types[i].keys[k], vs);
            }
        }
        if (secret_types[i].any && missing == 2) {
            require_key(secret_types[i].keys[0], vs);
            require_key(secret_types[i].keys[1], vs);
        }
    }
}

static void check_size(size_t n, const char *field, struct fl_violations *vs)
{
    if (n > DATA_MAX) {
        fl_violate(vs, FL_CAUSE_TOO_LONG, field, NULL, "may not be more than %d bytes", DATA_MAX);
    }
}

static void secret_check(const struct fl_json *obj, const struct fl_json *old,
                         struct fl_violations *vs)
{
    static const char *const frozen[] = {"data", NULL};
    check_size(data_size(fl_object_get(obj, "data"), true), "data", vs);
    check_secret_keys(obj, vs);
    if (!old) {
        return;
    }
    const char *before = fl_json_get_text(old, "type");
    const char *type = fl_json_get_text(obj, "type");
    if (before && type && strcmp(before, type) != 0) {
        fl_auto_val(fl_buf) shown = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_json_str(&shown, fl_str_of(type));
        fl_violate(vs, FL_CAUSE_INVALID, "type", shown.data, "%s", "field is immutable");
    }
    check_frozen(obj, old, frozen, vs);
}

static void config_map_check(const struct fl_json *obj, const struct fl_json *old,
                             struct fl_violations *vs)
{
    static const char *const frozen[] = {"data", "binaryData", NULL};
    const struct fl_json *data = fl_object_get(obj, "data");
    const struct fl_json *binary = fl_object_get(obj, "binaryData");
    struct fl_json_iter it = fl_json_iter(binary);
    while (fl_json_next(&it)) {
        if (fl_json_get_str(data, it.key)) {
            fl_auto_val(fl_buf) shown = FL_BUF_INIT(FL_BUF_ANY);
            fl_buf_json_str(&shown, it.key);
            fl_violate(vs, FL_CAUSE_INVALID,
                       fl_arena_fmt(vs->arena, "data[%.*s]", FL_STR_ARG(it.key)), shown.data, "%s",
                       "duplicate of key present in binaryData");
        }
    }
    check_size(data_size(data, false) + data_size(binary, true), "", vs);
    if (old) {
        check_frozen(obj, old, frozen, vs);
    }
}

/* Namespace. */

static void namespace_prepare(struct fl_json *obj, const struct fl_json *old, bool finalize)
{
    const char *name = fl_object_meta_text(obj, "name");
    struct fl_json *meta = fl_object_meta(obj);
    if (name && meta) {
        fl_json_set(member_object(meta, "labels"), NAME_LABEL, fl_json_text(name));
    }
    if (!old) {
        struct fl_json *spec = member_object(obj, "spec");
        if (fl_json_len(fl_object_get(spec, "finalizers")) == 0) {
            fl_json_set(spec, "finalizers", fl_json_literal("[\"kubernetes\"]"));
        }
        fl_json_set(obj, "status", fl_json_literal("{\"phase\":\"Active\"}"));
        return;
    }
    if (!finalize) {
        const struct fl_json *spec = fl_object_get(old, "spec");
        fl_json_set(obj, "spec", spec ? fl_json_copy(spec) : fl_json_object());
    }
    if (fl_object_meta_text(obj, "deletionTimestamp")) {
        fl_json_set(member_object(obj, "status"), "phase", fl_json_text("Terminating"));
    }
}

/* Event. */

static void event_check(const struct fl_kind *k, const struct fl_json *obj,
                        struct fl_violations *vs)
{
    const char *field = k == &fl_kind_event ? "involvedObject" : "regarding";
    const char *about = fl_json_get_text(fl_object_get(obj, field), "namespace");
    const char *ns = fl_object_meta_text(obj, "namespace");
    if (about && about[0] && !fl_text_eq(about, ns)) {
        fl_auto_val(fl_buf) shown = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_json_str(&shown, fl_str_of(about));
        fl_violate(vs, FL_CAUSE_INVALID, fl_arena_fmt(vs->arena, "%s.namespace", field), shown.data,
                   "%s", "does not match event.namespace");
    }
}

/* Lease. */

static void lease_check(const struct fl_json *obj, struct fl_violations *vs)
{
    const struct fl_json *spec = fl_object_get(obj, "spec");
    const char *preferred = fl_json_get_text(spec, "preferredHolder");
    const char *strategy = fl_json_get_text(spec, "strategy");
    if (preferred && preferred[0] && !(strategy && strategy[0])) {
        fl_violate(vs, FL_CAUSE_FORBIDDEN, "spec.preferredHolder", NULL, "%s",
                   "may only be specified if `strategy` is defined");
    }
}

void fl_rules_prepare(const struct fl_kind *k, struct fl_json *obj, const struct fl_json *old,
                      bool finalize)
{
    if (k == &fl_kind_secret) {
        secret_prepare(obj, old);
    } else if (k == &fl_kind_namespace) {
        namespace_prepare(obj, old, finalize);
    }
}

void fl_rules_check(const struct fl_kind *k, const struct fl_json *obj, const struct fl_json *old,
                    struct fl_violations *vs)
{
    if (k == &fl_kind_secret) {
        secret_check(obj, old, vs);
    } else if (k == &fl_kind_config_map) {
        config_map_check(obj, old, vs);
    } else if (k == &fl_kind_event || k == &fl_kind_event_v1) {
        event_check(k, obj, vs);
    } else if (k == &fl_kind_lease) {
        lease_check(obj, vs);
    }
}
