/* SPDX-License-Identifier: Apache-2.0
 * Conditions (kubernetes.md 2.1) and the one patch by which a pass reports. */
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "engine/engine_priv.h"
#include "wire/codec.h"
#include "wire/patch.h"
#include "wire/scan.h"

#define MESSAGE_MAX 32768 /* metav1.Condition */
#define PUBLISH_TRIES 5

/* ---- conditions ---- */

struct fl_condition *pass_find(const struct fl_pass *p, const char *type)
{
    struct fl_list *l = &pass_common(p)->conditions;
    struct fl_condition *v = l->v;
    for (size_t i = 0; i < l->n; i++) {
        if (fl_text_eq(v[i].type, type)) {
            return &v[i];
        }
    }
    return NULL;
}

static struct fl_condition *condition_add(struct fl_pass *p, const char *type)
{
    struct fl_list *l = &pass_common(p)->conditions;
    struct fl_condition *v = fl_arena_array(p->arena, l->n + 1, sizeof(*v));
    if (l->n > 0) {
        memcpy(v, l->v, l->n * sizeof(*v));
    }
    v[l->n].type = fl_arena_text(p->arena, type);
    l->v = v;
    return &v[l->n++];
}

void pass_set(struct fl_pass *p, const char *type, const char *status, const char *reason,
              struct fl_str text)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_redact(&b, text);
    if (b.len > MESSAGE_MAX) {
        fl_buf_truncate(&b, MESSAGE_MAX);
        while (b.len > 0 && !fl_utf8_valid(fl_buf_slice(&b))) {
            fl_buf_truncate(&b, b.len - 1);
        }
    }
    struct fl_condition *c = pass_find(p, type);
    if (!c) {
        c = condition_add(p, type);
    }
    c->status = status;
    c->reason = fl_arena_text(p->arena, reason);
    c->observed_generation = p->obj->generation;
    if (!c->message || !fl_str_is(fl_buf_slice(&b), c->message)) {
        c->message = fl_arena_str(p->arena, fl_buf_slice(&b));
    }
}

void fl_pass_condition_drop(struct fl_pass *p, const char *type)
{
    struct fl_list *l = &pass_common(p)->conditions;
    struct fl_condition *c = pass_find(p, type);
    if (c) {
        struct fl_condition *v = l->v;
        size_t at = (size_t)(c - v);
        memmove(c, c + 1, (l->n - at - 1) * sizeof(*c));
        l->n--;
    }
}

const struct fl_condition *fl_pass_find_condition(const struct fl_pass *p, const char *type)
{
    return pass_find(p, type);
}

bool fl_pass_is_ready(const struct fl_list *conditions)
{
    const struct fl_condition *v = conditions->v;
    for (size_t i = 0; i < conditions->n; i++) {
        if (fl_text_eq(v[i].type, "Ready")) {
            return fl_text_eq(v[i].status, "True");
        }
    }
    return false;
}

#define PASS_TEXT(b, fmt)                                                                          \
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);                                               \
    do {                                                                                           \
        va_list ap_;                                                                               \
        va_start(ap_, fmt);                                                                        \
        fl_buf_vfmt(&b, fmt, ap_);                                                                 \
        va_end(ap_);                                                                               \
    } while (0)

void fl_pass_ready(struct fl_pass *p, const char *reason, const char *fmt, ...)
{
    PASS_TEXT(b, fmt);
    pass_set(p, "Ready", "True", reason, fl_buf_slice(&b));
    fl_pass_condition_drop(p, "Reconciling");
    fl_pass_condition_drop(p, "Stalled");
}

void fl_pass_not_ready(struct fl_pass *p, const char *reason, const char *fmt, ...)
{
    PASS_TEXT(b, fmt);
    pass_set(p, "Ready", "False", reason, fl_buf_slice(&b));
    fl_pass_condition_drop(p, "Reconciling");
    fl_pass_condition_drop(p, "Stalled");
}

void fl_pass_progress(struct fl_pass *p, const char *reason, const char *fmt, ...)
{
    PASS_TEXT(b, fmt);
    const struct fl_condition *ready = pass_find(p, "Ready");
    if (!ready || !fl_text_eq(ready->status, "False")) {
        pass_set(p, "Ready", "Unknown", reason, fl_buf_slice(&b));
    }
    pass_set(p, "Reconciling", "True", reason, fl_buf_slice(&b));
    fl_pass_condition_drop(p, "Stalled");
}

void fl_pass_condition(struct fl_pass *p, const char *type, bool value, const char *reason,
                       const char *fmt, ...)
{
    PASS_TEXT(b, fmt);
    pass_set(p, type, value ? "True" : "False", reason, fl_buf_slice(&b));
}

const char *fl_pass_now(struct fl_pass *p)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_time_fmt(&b, fl_clock_wall_ms(p->ctx.clock));
    return fl_arena_str(p->arena, fl_buf_slice(&b));
}

/* ---- writing ---- */

/* lastTransitionTime tells when the status changed from what is stored, whatever it was meanwhile within this pass. */
static void stamp(struct fl_pass *p, const struct fl_status_common *stored)
{
    struct fl_list *l = &pass_common(p)->conditions;
    struct fl_condition *v = l->v;
    const struct fl_condition *was = stored->conditions.v;
    for (size_t i = 0; i < l->n; i++) {
        const char *time = NULL;
        for (size_t k = 0; k < stored->conditions.n; k++) {
            if (fl_text_eq(was[k].type, v[i].type) && fl_text_eq(was[k].status, v[i].status)) {
                time = was[k].last_transition_time;
            }
        }
        if (!time) {
            v[i].last_transition_time = fl_pass_now(p);
        } else if (!fl_text_eq(time, v[i].last_transition_time)) {
            v[i].last_transition_time = fl_arena_text(p->arena, time);
        }
    }
}

/* Members of the stored status that no row of ours names stay. */
static void keep_unknown(struct fl_json *patch, const struct fl_json *known)
{
    fl_auto(fl_arena) a = fl_arena_new();
    const char **gone = NULL;
    size_t n = 0;
    struct fl_json_iter it = fl_json_iter(patch);
    while (fl_json_next(&it)) {
        if (fl_json_is(it.value, FL_JSON_NULL) && !fl_json_get_str(known, it.key)) {
            gone = fl_arena_grow(a, gone, n, sizeof(*gone));
            gone[n++] = fl_arena_str(a, it.key);
        }
    }
    for (size_t i = 0; i < n; i++) {
        fl_json_del(patch, gone[i]);
    }
}

/* The merge patch of the status; NULL when nothing is to be said. What is compared are the forms that both would be
 * written in, so that a zero that was never stored does not make a write of its own; what is written is against the
 * stored text, so that zeros are there once anything is. */
static int status_patch(struct fl_pass *p, struct fl_json **ret, struct fl_err *err)
{
    const struct fl_kind *kind = p->obj->kind;
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto(fl_json) raw = NULL;
    struct fl_str text = fl_scan_get(pass_state(p)->base->text, FL_STR("status"));
    int r = 0;
    if (fl_scan_kind(text) == FL_SCAN_OBJECT) {
        r = fl_json_parse(text, ENGINE_OBJECT_MAX, &raw, err);
    } else {
        raw = fl_json_object();
    }
    if (r < 0) {
        return r;
    }
    void *stored = fl_arena_alloc(a, kind->status_size);
    fl_codec_decode(kind->status_rows, raw, a, stored);
    stamp(p, stored);
    if (fl_codec_equal(kind->status_rows, stored, p->status)) { /* nearly always */
        *ret = NULL;
        return 0;
    }
    fl_auto(fl_json) was = fl_codec_encode(kind->status_rows, stored);
    fl_auto(fl_json) now = fl_codec_encode(kind->status_rows, p->status);
    fl_auto(fl_json) difference = fl_patch_diff(was, now);
    if (!difference) {
        *ret = NULL;
        return 0;
    }
    fl_auto(fl_json) patch = fl_patch_diff(raw, now);
    if (patch) {
        keep_unknown(patch, was);
    }
    *ret = fl_take(patch);
    return 0;
}

static void body_begin(struct fl_pass *p, struct fl_buf *b)
{
    fl_buf_text(b, "{\"metadata\":{\"resourceVersion\":");
    fl_buf_json_str(b, pass_state(p)->base->rv);
}

static int send(struct fl_pass *p, const char *sub, struct fl_str body, struct fl_err *err)
{
    fl_auto(fl_shared) answer = NULL;
    struct fl_ctx ctx = fl_ctx_timeout(&p->ctx, ENGINE_WRITE_TIMEOUT_MS);
    int r = fl_kube_patch(p->engine->conf.kube, &ctx, p->obj->kind, p->obj->ns, p->obj->name, sub,
                          body, &answer, err);
    if (r < 0) {
        return r;
    }
    pass_rebase(p, fl_shared_str(answer));
    return 0;
}

void pass_rebase(struct fl_pass *p, struct fl_str text)
{
    struct pass_state *st = pass_state(p);
    struct fl_obj *o = NULL;
    if (fl_obj_new(p->obj->kind, text, false, &o, NULL) == 0) {
        fl_cache_note(p->engine->cache, o);
        fl_obj_free(st->base);
        st->base = o;
    }
}

int pass_refresh(struct fl_pass *p, struct fl_err *err)
{
    fl_auto(fl_shared) answer = NULL;
    struct fl_ctx ctx = fl_ctx_timeout(&p->ctx, ENGINE_WRITE_TIMEOUT_MS);
    int r = fl_kube_get(p->engine->conf.kube, &ctx, p->obj->kind, p->obj->ns, p->obj->name, &answer,
                        err);
    if (r < 0) {
        return r;
    }
    struct fl_str uid = {0};
    (void)fl_scan_plain(fl_scan_path(fl_shared_str(answer), "metadata.uid"), &uid);
    if (!fl_str_eq(uid, p->obj->uid)) {
        return fl_fail(err, FL_E_NOT_FOUND, "Replaced", "the object was replaced by another one");
    }
    pass_rebase(p, fl_shared_str(answer));
    return 0;
}

int fl_pass_publish(struct fl_pass *p, struct fl_err *err)
{
    fl_auto(fl_json) patch = NULL;
    struct fl_err mine = FL_ERR_INIT;
    int r = status_patch(p, &patch, &mine);
    if (r == 0 && patch) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        body_begin(p, &b);
        fl_buf_text(&b, "},\"status\":");
        fl_json_write(patch, &b);
        fl_buf_char(&b, '}');
        r = send(p, "status", fl_buf_slice(&b), &mine);
    }
    if (r == FL_E_CONFLICT) {
        struct fl_err again = FL_ERR_INIT;
        if (pass_refresh(p, &again) < 0) {
            mine = again;
            r = again.code;
        }
    }
    if (r < 0 && err) {
        *err = mine;
    }
    return r;
}

/* Only this process writes the status. When it is still what it was, the conflict was about something else (an annotation,
 * the spec), and what the pass found out must not be lost for that. */
int pass_publish_last(struct fl_pass *p, struct fl_err *err)
{
    for (int i = 1;; i++) {
        fl_auto(fl_obj) before = fl_obj_ref(pass_state(p)->base);
        int r = fl_pass_publish(p, err);
        if (r != FL_E_CONFLICT || i == PUBLISH_TRIES ||
            !fl_str_eq(fl_scan_get(before->text, FL_STR("status")),
                       fl_scan_get(pass_state(p)->base->text, FL_STR("status")))) {
            return r;
        }
    }
}

/* ---- finalizer ---- */

bool pass_has_finalizer(const struct fl_obj *o)
{
    struct fl_str list = fl_scan_path(o->text, "metadata.finalizers");
    struct fl_str key = {0};
    struct fl_str one = {0};
    struct fl_str name = {0};
    if (fl_scan_kind(list) != FL_SCAN_ARRAY) {
        return false;
    }
    for (size_t at = 0; fl_scan_next(list, &at, &key, &one);) {
        if (fl_scan_plain(one, &name) && fl_str_is(name, FL_FINALIZER)) {
            return true;
        }
    }
    return false;
}

int pass_finalizer(struct fl_pass *p, bool add, struct fl_err *err)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    body_begin(p, &b);
    fl_buf_text(&b, ",\"finalizers\":[");
    struct fl_str list = fl_scan_path(pass_state(p)->base->text, "metadata.finalizers");
    struct fl_str key = {0};
    struct fl_str one = {0};
    const char *comma = "";
    for (size_t at = 0;
         fl_scan_kind(list) == FL_SCAN_ARRAY && fl_scan_next(list, &at, &key, &one);) {
        struct fl_str name = {0};
        if (!fl_scan_plain(one, &name) || !fl_str_is(name, FL_FINALIZER)) {
            fl_buf_text(&b, comma);
            fl_buf_str(&b, one);
            comma = ",";
        }
    }
    if (add) {
        fl_buf_fmt(&b, "%s\"%s\"", comma, FL_FINALIZER);
    }
    fl_buf_text(&b, "]}}");
    return send(p, "", fl_buf_slice(&b), err);
}
