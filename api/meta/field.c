/* SPDX-License-Identifier: Apache-2.0 */
#include "api/meta/field.h"

#include <stdarg.h>

#include "base/buf.h"

#define VIOLATIONS_MAX 100
#define SENTENCE_MAX 4096

static const struct {
    const char *name;
    const char *words;
} causes[] = {
    [FL_CAUSE_REQUIRED] = {"FieldValueRequired", "Required value"},
    [FL_CAUSE_INVALID] = {"FieldValueInvalid", "Invalid value"},
    [FL_CAUSE_NOT_SUPPORTED] = {"FieldValueNotSupported", "Unsupported value"},
    [FL_CAUSE_DUPLICATE] = {"FieldValueDuplicate", "Duplicate value"},
    [FL_CAUSE_FORBIDDEN] = {"FieldValueForbidden", "Forbidden"},
    [FL_CAUSE_TOO_LONG] = {"FieldValueTooLong", "Too long"},
    [FL_CAUSE_TOO_MANY] = {"FieldValueTooMany", "Too many"},
    [FL_CAUSE_TYPE] = {"FieldValueTypeInvalid", "Invalid value"},
};

const char *fl_cause_name(enum fl_cause cause)
{
    return causes[cause].name;
}

void fl_violate(struct fl_violations *vs, enum fl_cause cause, const char *field,
                const char *value_json, const char *why_fmt, ...)
{
    if (vs->n >= VIOLATIONS_MAX) {
        return;
    }
    fl_auto_val(fl_buf) why = FL_BUF_INIT(SENTENCE_MAX);
    va_list ap;
    va_start(ap, why_fmt);
    fl_buf_vfmt(&why, why_fmt, ap);
    va_end(ap);
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&text, causes[cause].words);
    if (value_json) {
        fl_buf_text(&text, ": ");
        fl_buf_text(&text, value_json);
    }
    if (why.len > 0) {
        fl_buf_text(&text, cause == FL_CAUSE_NOT_SUPPORTED ? ": supported values: " : ": ");
        fl_buf_str(&text, fl_buf_slice(&why));
    }
    vs->v = fl_arena_grow(vs->arena, vs->v, vs->n, sizeof(*vs->v));
    vs->v[vs->n++] = (struct fl_violation){
        .cause = cause,
        .field = fl_arena_text(vs->arena, field),
        .text = fl_arena_str(vs->arena, fl_buf_slice(&text)),
    };
}
