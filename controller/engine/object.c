/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>

#include "api/meta/condition.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/cache.h"
#include "wire/scan.h"

/* What is kept of metadata where only metadata is. */
static const char *const kept[] = {"name",
                                   "namespace",
                                   "uid",
                                   "resourceVersion",
                                   "generation",
                                   "creationTimestamp",
                                   "deletionTimestamp",
                                   "labels",
                                   "ownerReferences",
                                   "finalizers"};

static void write_metadata(struct fl_str text, struct fl_buf *b)
{
    struct fl_str meta = fl_scan_get(text, FL_STR("metadata"));
    fl_buf_text(b, "{\"metadata\":{");
    bool first = true;
    for (size_t i = 0; i < FL_LEN(kept); i++) {
        struct fl_str v = fl_scan_get(meta, fl_str_of(kept[i]));
        if (v.n > 0) {
            fl_buf_fmt(b, "%s\"%s\":", first ? "" : ",", kept[i]);
            fl_buf_str(b, v);
            first = false;
        }
    }
    fl_buf_text(b, "}}");
}

/* The part of `text` from the comma (or brace) before metadata.managedFields to its end; n == 0: there is none, or it is
 * written in a way that is not worth cutting. */
static struct fl_str managed_part(struct fl_str text)
{
    static const char key[] = "\"managedFields\":";
    const size_t key_n = sizeof(key) - 1;
    struct fl_str v = fl_scan_path(text, "metadata.managedFields");
    if (v.n == 0 || (size_t)(v.p - text.p) < key_n + 1 || memcmp(v.p - key_n, key, key_n) != 0) {
        return (struct fl_str){0};
    }
    const char *from = v.p - key_n;
    const char *end = v.p + v.n;
    if (from[-1] == ',') {
        from--;
    } else if (end < text.p + text.n && *end == ',') {
        end++;
    } else {
        return (struct fl_str){0};
    }
    return (struct fl_str){from, (size_t)(end - from)};
}

static struct fl_obj *obj_alloc(const struct fl_kind *kind, struct fl_str head, struct fl_str tail)
{
    size_t n = head.n + tail.n;
    struct fl_obj *o = fl_malloc(sizeof(*o) + n + 1);
    *o = (struct fl_obj){.kind = kind, .ready = -1};
    atomic_init(&o->refs, 1);
    char *p = (char *)(o + 1);
    memcpy(p, head.p, head.n);
    if (tail.n > 0) {
        memcpy(p + head.n, tail.p, tail.n);
    }
    p[n] = '\0';
    o->text = (struct fl_str){p, n};
    return o;
}

static struct fl_obj *obj_copy(const struct fl_kind *kind, struct fl_str text, bool metadata_only)
{
    if (metadata_only) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        write_metadata(text, &b);
        return obj_alloc(kind, fl_buf_slice(&b), (struct fl_str){0});
    }
    struct fl_str cut = managed_part(text);
    if (cut.n == 0) {
        return obj_alloc(kind, text, (struct fl_str){0});
    }
    struct fl_str head = {text.p, (size_t)(cut.p - text.p)};
    struct fl_str tail = {cut.p + cut.n, text.n - head.n - cut.n};
    return obj_alloc(kind, head, tail);
}

/* One walk over metadata: the slices, and the raw texts that the trigger is made of. */
struct meta {
    struct fl_str annotations, labels, finalizers, deletion;
};

static void meta_read(struct fl_obj *o, struct meta *m)
{
    struct fl_str meta = fl_scan_get(o->text, FL_STR("metadata"));
    struct fl_str key = {0};
    struct fl_str v = {0};
    const struct {
        const char *key;
        struct fl_str *plain;
        struct fl_str *raw;
    } rows[] = {
        {"name", &o->name, NULL},
        {"namespace", &o->ns, NULL},
        {"uid", &o->uid, NULL},
        {"resourceVersion", &o->rv, NULL},
        {"annotations", NULL, &m->annotations},
        {"labels", NULL, &m->labels},
        {"finalizers", NULL, &m->finalizers},
        {"deletionTimestamp", NULL, &m->deletion},
    };
    for (size_t at = 0; fl_scan_next(meta, &at, &key, &v);) {
        if (fl_str_is(key, "generation")) {
            (void)fl_scan_i64(v, &o->generation);
        }
        for (size_t i = 0; i < FL_LEN(rows); i++) {
            if (!fl_str_is(key, rows[i].key)) {
                continue;
            }
            if (rows[i].raw) {
                *rows[i].raw = v;
            } else if (!fl_scan_plain(v, rows[i].plain)) {
                *rows[i].plain = (struct fl_str){0};
            }
        }
    }
}

static uint64_t mix(uint64_t h, struct fl_str s)
{
    uint64_t pair[2] = {h, fl_hash(s.p ? s.p : "", s.n)};
    return fl_hash(pair, sizeof(pair));
}

/* That a pass of ours has put its finalizer there is no reason for another one. */
static uint64_t mix_finalizers(uint64_t h, struct fl_str list)
{
    struct fl_str key = {0};
    struct fl_str one = {0};
    struct fl_str name = {0};
    if (fl_scan_kind(list) != FL_SCAN_ARRAY) {
        return h;
    }
    for (size_t at = 0; fl_scan_next(list, &at, &key, &one);) {
        if (!fl_scan_plain(one, &name) || !fl_str_is(name, FL_FINALIZER)) {
            h = mix(h, one);
        }
    }
    return h;
}

static uint64_t trigger_of(const struct fl_obj *o, const struct meta *m)
{
    if (o->generation == 0) {
        return mix(0, o->rv);
    }
    uint64_t h = mix((uint64_t)o->generation, m->annotations);
    h = mix(h, m->labels);
    return mix_finalizers(mix(h, m->deletion), m->finalizers);
}

static signed char ready_of(struct fl_str text)
{
    struct fl_str list = fl_scan_path(text, "status.conditions");
    struct fl_str key = {0};
    struct fl_str one = {0};
    if (fl_scan_kind(list) != FL_SCAN_ARRAY) {
        return -1;
    }
    for (size_t at = 0; fl_scan_next(list, &at, &key, &one);) {
        struct fl_str type = {0};
        struct fl_str status = {0};
        if (fl_scan_kind(one) == FL_SCAN_OBJECT &&
            fl_scan_plain(fl_scan_get(one, FL_STR("type")), &type) && fl_str_is(type, "Ready")) {
            return (signed char)(fl_scan_plain(fl_scan_get(one, FL_STR("status")), &status) &&
                                 fl_str_is(status, "True"));
        }
    }
    return -1;
}

int fl_obj_new(const struct fl_kind *kind, struct fl_str text, bool metadata_only,
               struct fl_obj **ret, struct fl_err *err)
{
    if (fl_scan_kind(text) != FL_SCAN_OBJECT ||
        fl_scan_kind(fl_scan_get(text, FL_STR("metadata"))) != FL_SCAN_OBJECT) {
        return fl_fail(err, FL_E_BAD_DATA, "BadObject", "a %s without metadata", kind->kind);
    }
    fl_auto(fl_obj) o = obj_copy(kind, text, metadata_only);
    struct meta m = {{0}, {0}, {0}, {0}};
    meta_read(o, &m);
    if (o->name.n == 0 || o->uid.n == 0 || o->rv.n == 0) {
        return fl_fail(err, FL_E_BAD_DATA, "BadObject", "a %s without name, uid or resourceVersion",
                       kind->kind);
    }
    o->deleting = fl_scan_kind(m.deletion) == FL_SCAN_STRING;
    o->trigger = trigger_of(o, &m);
    o->ready = ready_of(o->text);
    *ret = fl_take(o);
    return 0;
}

struct fl_obj *fl_obj_ref(struct fl_obj *o)
{
    atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
    return o;
}

void fl_obj_free(struct fl_obj *o)
{
    if (o && atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) == 1) {
        fl_free(o);
    }
}

const char *fl_obj_annotation(const struct fl_obj *o, const char *key, struct fl_arena *a)
{
    struct fl_str all = fl_scan_path(o->text, "metadata.annotations");
    if (fl_scan_kind(all) != FL_SCAN_OBJECT) {
        return NULL;
    }
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    return fl_scan_text(fl_scan_get(all, fl_str_of(key)), &b) ? fl_arena_str(a, fl_buf_slice(&b))
                                                              : NULL;
}

struct fl_str fl_obj_owner_uid(const struct fl_obj *o, struct fl_str *kind, struct fl_str *name)
{
    struct fl_str list = fl_scan_path(o->text, "metadata.ownerReferences");
    struct fl_str key = {0};
    struct fl_str one = {0};
    struct fl_str uid = {0};
    if (fl_scan_kind(list) != FL_SCAN_ARRAY) {
        return uid;
    }
    for (size_t at = 0; fl_scan_next(list, &at, &key, &one);) {
        bool controller = false;
        if (fl_scan_kind(one) == FL_SCAN_OBJECT &&
            fl_scan_bool(fl_scan_get(one, FL_STR("controller")), &controller) && controller &&
            fl_scan_plain(fl_scan_get(one, FL_STR("uid")), &uid) &&
            fl_scan_plain(fl_scan_get(one, FL_STR("kind")), kind) &&
            fl_scan_plain(fl_scan_get(one, FL_STR("name")), name)) {
            return uid;
        }
    }
    return (struct fl_str){0};
}
