/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/status.h"

#include <stdarg.h>

#include "base/mem.h"

#define MESSAGE_MAX 65536
#define DETAIL_MAX 128 /* causes told in the message; all of them stand in details */

static void member(struct fl_buf *b, const char *key, const char *value)
{
    if (!value) {
        return;
    }
    if (b->len > 0 && b->data[b->len - 1] != '{') {
        fl_buf_char(b, ',');
    }
    fl_buf_json_str(b, fl_str_of(key));
    fl_buf_char(b, ':');
    fl_buf_json_str(b, fl_str_of(value));
}

static void causes(const struct fl_status *s, struct fl_buf *b)
{
    bool any = (s->causes && s->causes->n > 0) || s->cause_reason;
    if (!any) {
        return;
    }
    fl_buf_text(b, b->data[b->len - 1] == '{' ? "\"causes\":[" : ",\"causes\":[");
    if (s->cause_reason) {
        fl_buf_char(b, '{');
        member(b, "reason", s->cause_reason);
        member(b, "message", s->cause_message ? s->cause_message : s->message);
        member(b, "field", s->cause_field);
        fl_buf_char(b, '}');
    }
    for (size_t i = 0; s->causes && i < s->causes->n; i++) {
        const struct fl_violation *v = &s->causes->v[i];
        if (i > 0 || s->cause_reason) {
            fl_buf_char(b, ',');
        }
        fl_buf_char(b, '{');
        member(b, "reason", fl_cause_name(v->cause));
        member(b, "message", v->text);
        member(b, "field", v->field);
        fl_buf_char(b, '}');
    }
    fl_buf_char(b, ']');
}

static void details(const struct fl_status *s, struct fl_buf *b)
{
    if (!s->name && !s->group && !s->kind && !s->uid && !s->causes && !s->cause_reason &&
        s->retry_after_s == 0 && !s->empty_details) {
        return;
    }
    fl_buf_text(b, ",\"details\":{");
    member(b, "name", s->name && s->name[0] ? s->name : NULL);
    member(b, "group", s->group && s->group[0] ? s->group : NULL);
    member(b, "kind", s->kind && s->kind[0] ? s->kind : NULL);
    member(b, "uid", s->uid);
    causes(s, b);
    if (s->retry_after_s > 0) {
        fl_buf_text(b, b->data[b->len - 1] == '{' ? "" : ",");
        fl_buf_fmt(b, "\"retryAfterSeconds\":%d", s->retry_after_s);
    }
    fl_buf_char(b, '}');
}

void fl_status_text(const struct fl_status *s, struct fl_buf *b)
{
    fl_buf_fmt(b, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"%s\"",
               s->success ? "Success" : "Failure");
    member(b, "message", s->message);
    member(b, "reason", s->reason);
    details(s, b);
    if (!s->success) {
        fl_buf_fmt(b, ",\"code\":%d", s->code);
    }
    fl_buf_char(b, '}');
}

static const char *small_number(int n)
{
    static const char *const digits[] = {"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"};
    return digits[n > (int)FL_LEN(digits) ? (int)FL_LEN(digits) - 1 : n - 1];
}

void fl_status_answer(const struct fl_status *s, struct fl_response *res)
{
    fl_shared_free(fl_take(res->shared));
    fl_buf_clear(&res->body);
    res->status = s->code;
    res->content_type = "application/json";
    fl_status_text(s, &res->body);
    if (s->retry_after_s > 0) {
        fl_response_header(res, "Retry-After", small_number(s->retry_after_s));
    }
}

/* "registries.fairlead.dev" or "secrets". */
static void resource(struct fl_buf *b, const char *word, const char *group)
{
    fl_buf_text(b, word);
    if (group[0]) {
        fl_buf_char(b, '.');
        fl_buf_text(b, group);
    }
}

/* Answers with a message of the form `<resource> "<name>" <tail>`. */
static void about(struct fl_response *res, const struct fl_kind *k, struct fl_str name,
                  struct fl_status *s, const char *head, const char *tail)
{
    fl_auto_val(fl_buf) msg = FL_BUF_INIT(MESSAGE_MAX);
    fl_auto_text nm = fl_strndup(name.p ? name.p : "", name.n);
    fl_buf_text(&msg, head);
    resource(&msg, k->plural, k->group);
    fl_buf_fmt(&msg, " \"%s\"%s", nm, tail);
    s->message = msg.data;
    s->name = nm;
    s->group = k->group;
    s->kind = k->plural;
    fl_status_answer(s, res);
}

void fl_status_not_found(struct fl_response *res, const struct fl_kind *k, struct fl_str name)
{
    about(res, k, name, &(struct fl_status){.code = 404, .reason = "NotFound"}, "", " not found");
}

void fl_status_exists(struct fl_response *res, const struct fl_kind *k, struct fl_str name,
                      bool being_deleted)
{
    about(res, k, name, &(struct fl_status){.code = 409, .reason = "AlreadyExists"},
          being_deleted ? "object is being deleted: " : "", " already exists");
}

void fl_status_conflict(struct fl_response *res, const struct fl_kind *k, struct fl_str name,
                        const char *why)
{
    fl_auto_text tail =
        fl_asprintf(": %s", why ? why
                                : "the object has been modified; please apply your changes to the "
                                  "latest version and try again");
    about(res, k, name, &(struct fl_status){.code = 409, .reason = "Conflict"},
          "Operation cannot be fulfilled on ", tail);
}

static void invalid_text(struct fl_buf *msg, const struct fl_violations *vs)
{
    if (vs->n != 1) {
        fl_buf_char(msg, '[');
    }
    for (size_t i = 0; i < vs->n && i < DETAIL_MAX; i++) {
        fl_buf_text(msg, i > 0 ? ", " : "");
        if (vs->v[i].field && vs->v[i].field[0]) {
            fl_buf_text(msg, vs->v[i].field);
            fl_buf_text(msg, ": ");
        }
        fl_buf_text(msg, vs->v[i].text);
    }
    if (vs->n != 1) {
        fl_buf_char(msg, ']');
    }
}

void fl_status_invalid_as(struct fl_response *res, const char *group, const char *kind,
                          struct fl_str name, const struct fl_violations *vs)
{
    fl_auto_val(fl_buf) msg = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_text nm = fl_strndup(name.p ? name.p : "", name.n);
    resource(&msg, kind, group);
    fl_buf_fmt(&msg, " \"%s\" is invalid: ", nm);
    invalid_text(&msg, vs);
    struct fl_status s = {
        .code = 422,
        .reason = "Invalid",
        .message = msg.data,
        .name = nm,
        .group = group,
        .kind = kind,
        .causes = vs,
    };
    fl_status_answer(&s, res);
}

void fl_status_invalid(struct fl_response *res, const struct fl_kind *k, struct fl_str name,
                       const struct fl_violations *vs)
{
    fl_status_invalid_as(res, k->group, k->kind, name, vs);
}

static void simple(struct fl_response *res, struct fl_status *s, const char *fmt, va_list ap)
    fl_printf_like(3, 0);
static void simple(struct fl_response *res, struct fl_status *s, const char *fmt, va_list ap)
{
    fl_auto_val(fl_buf) msg = FL_BUF_INIT(MESSAGE_MAX);
    fl_buf_vfmt(&msg, fmt, ap);
    s->message = msg.data;
    fl_status_answer(s, res);
}

void fl_status_simple(struct fl_response *res, int code, const char *reason, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    simple(res, &(struct fl_status){.code = code, .reason = reason}, fmt, ap);
    va_end(ap);
}

void fl_status_bad_request(struct fl_response *res, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    simple(res, &(struct fl_status){.code = 400, .reason = "BadRequest"}, fmt, ap);
    va_end(ap);
}

void fl_status_forbidden(struct fl_response *res, const struct fl_kind *k, struct fl_str name,
                         const char *cause_reason, const char *fmt, ...)
{
    fl_auto_val(fl_buf) why = FL_BUF_INIT(MESSAGE_MAX);
    va_list ap;
    va_start(ap, fmt);
    fl_buf_vfmt(&why, fmt, ap);
    va_end(ap);
    fl_auto_text tail = fl_asprintf(" is forbidden: %s", why.data);
    struct fl_status s = {.code = 403, .reason = "Forbidden", .cause_reason = cause_reason};
    s.cause_message = why.data;
    s.cause_field = cause_reason ? "metadata.namespace" : NULL;
    about(res, k, name, &s, "", tail);
    fl_response_header(res, "X-Content-Type-Options", "nosniff");
}

void fl_status_unauthorized(struct fl_response *res)
{
    fl_status_simple(res, 401, "Unauthorized", "Unauthorized");
}

void fl_status_method(struct fl_response *res, const struct fl_kind *k, const char *verb)
{
    fl_auto_val(fl_buf) what = FL_BUF_INIT(MESSAGE_MAX);
    resource(&what, k->plural, k->group);
    fl_auto_text msg =
        fl_asprintf("%s is not supported on resources of kind \"%s\"", verb, what.data);
    struct fl_status s = {
        .code = 405,
        .reason = "MethodNotAllowed",
        .message = msg,
        .group = k->group,
        .kind = k->plural,
    };
    fl_status_answer(&s, res);
}

void fl_status_from_err(struct fl_response *res, const struct fl_err *err)
{
    switch (err->code) {
    case FL_E_UNAVAILABLE:
    case FL_E_CANCELED: {
        struct fl_status s = {
            .code = 503, .reason = "ServiceUnavailable", .message = err->msg, .retry_after_s = 1};
        fl_status_answer(&s, res);
        return;
    }
    case FL_E_TIMEOUT: {
        struct fl_status s = {
            .code = 504, .reason = "Timeout", .message = err->msg, .retry_after_s = 1};
        fl_status_answer(&s, res);
        return;
    }
    case FL_E_TOO_BIG:
        fl_status_simple(res, 413, "RequestEntityTooLarge", "Request entity too large: %s",
                         err->msg);
        return;
    case FL_E_INVALID:
        if (strcmp(err->reason, "NotAcceptable") == 0) {
            fl_status_simple(res, 406, "NotAcceptable", "%s", err->msg);
            return;
        }
        break;
    default:
        break;
    }
    fl_status_simple(res, 500, "InternalError", "Internal error occurred: %s", err->msg);
}

void fl_status_watch_error(struct fl_buf *b, int code, const char *reason, const char *message)
{
    struct fl_status s = {.code = code, .reason = reason, .message = message};
    fl_buf_text(b, "{\"type\":\"ERROR\",\"object\":");
    fl_status_text(&s, b);
    fl_buf_text(b, "}\n");
}
