/* SPDX-License-Identifier: Apache-2.0
 * What verbs share: parameters, problems of strict decoding, answers. */
#include <stdarg.h>

#include "apiserver/server.h"
#include "apiserver/status.h"
#include "base/num.h"
#include "base/url.h"

#define PARAMETER_MAX 65536
#define WARNINGS_MAX 4096 /* bytes, as in the real server */

const char *fl_call_query(const struct fl_call *c, const char *name)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(PARAMETER_MAX);
    if (c->req->query.n == 0 || !fl_query_get(c->req->query, name, &b)) {
        return NULL;
    }
    return fl_arena_str(c->arena, fl_buf_slice(&b));
}

static void note(struct fl_call *c, const char ***list, size_t *n, const char *fmt, va_list ap)
    fl_printf_like(4, 0);
static void note(struct fl_call *c, const char ***list, size_t *n, const char *fmt, va_list ap)
{
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_vfmt(&text, fmt, ap);
    *list = fl_arena_grow(c->arena, *list, *n, sizeof(**list));
    (*list)[(*n)++] = fl_arena_str(c->arena, fl_buf_slice(&text));
}

void fl_call_problem(struct fl_call *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    note(c, &c->problems, &c->n_problems, fmt, ap);
    va_end(ap);
}

void fl_call_warn(struct fl_call *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    note(c, &c->warnings, &c->n_warnings, fmt, ap);
    va_end(ap);
}

/* A quoted-string of RFC 9110; what may not stand in a header becomes a question mark. */
static void quoted_string(struct fl_buf *b, const char *s)
{
    fl_buf_char(b, '"');
    for (; *s; s++) {
        unsigned char ch = (unsigned char)*s;
        if (ch == '"' || ch == '\\') {
            fl_buf_char(b, '\\');
        }
        if (ch < 0x20 || ch == 0x7f) {
            ch = '?';
        }
        fl_buf_char(b, (char)ch);
    }
    fl_buf_char(b, '"');
}

void fl_call_send_warnings(struct fl_call *c)
{
    fl_auto_val(fl_buf) all = FL_BUF_INIT(FL_BUF_ANY);
    for (size_t i = 0; i < c->n_warnings; i++) {
        fl_auto_val(fl_buf) one = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_text(&one, i > 0 ? ", 299 - " : "299 - ");
        quoted_string(&one, c->warnings[i]);
        if (all.len + one.len > WARNINGS_MAX) {
            break;
        }
        fl_buf_str(&all, fl_buf_slice(&one));
    }
    if (all.len > 0) {
        fl_response_header(c->res, "Warning", fl_arena_str(c->arena, fl_buf_slice(&all)));
    }
}

struct fl_violations fl_call_violations(struct fl_call *c)
{
    return (struct fl_violations){.arena = c->arena};
}

struct fl_store_key fl_call_key(const struct fl_call *c, struct fl_str name)
{
    return (struct fl_store_key){.kind = c->kind, .ns = c->route.ns, .name = name};
}

const char *fl_call_now(const struct fl_call *c)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(64);
    fl_time_fmt(&b, fl_clock_wall_ms(c->s->clock));
    return fl_arena_str(c->arena, fl_buf_slice(&b));
}

void fl_call_answer_text(struct fl_call *c, int status, struct fl_str text)
{
    c->res->status = status;
    c->res->content_type = fl_form_content_type(&c->form);
    fl_form_object(&c->form, c->kind, text, &c->res->body);
}

void fl_call_answer(struct fl_call *c, int status, struct fl_shared *text)
{
    bool raw = c->form.type == FL_FORM_JSON && !c->form.pretty &&
               strcmp(c->kind->group, "events.k8s.io") != 0;
    if (!raw) {
        fl_call_answer_text(c, status, fl_shared_str(text));
        return;
    }
    c->res->status = status;
    c->res->content_type = "application/json";
    c->res->shared = fl_shared_ref(text);
}
