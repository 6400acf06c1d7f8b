/* SPDX-License-Identifier: Apache-2.0 */
#include "fake/peer.h"

#include <stdarg.h>

#include "base/mem.h"
#include "fake/peer_priv.h"

void peer_problem(struct fl_peer *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fl_lock_take(&p->lock);
    fl_buf_text(&p->problems, "peer: ");
    fl_buf_vfmt(&p->problems, fmt, ap);
    fl_buf_char(&p->problems, '\n');
    p->n_problems++;
    fl_lock_drop(&p->lock);
    va_end(ap);
}

const char *fl_peer_header(const struct fl_peer_request *req, const char *name)
{
    for (size_t i = 0; i < req->n_headers; i++) {
        if (fl_str_case_is(fl_str_of(req->headers[i].name), name)) {
            return req->headers[i].value;
        }
    }
    return NULL;
}

static bool header_match(const struct fl_peer_request *req, const char *want)
{
    struct fl_str value = fl_str_of(want);
    bool absent = fl_str_starts(value, "!");
    struct fl_str name_part;
    (void)fl_str_cut(&value, ':', &name_part);
    value = fl_str_trim(value);
    char name[128];
    (void)snprintf(name, sizeof(name), "%.*s", FL_STR_ARG(name_part));
    const char *got = fl_peer_header(req, absent ? name + 1 : name);
    if (absent) {
        return got == NULL;
    }
    return got && (fl_str_is(value, "*") || fl_str_is(value, got));
}

static bool head_match(const struct fl_peer_step *s, const struct fl_peer_request *req)
{
    struct fl_str want = fl_str_of(s->target);
    struct fl_str got = fl_str_of(req->target);
    bool prefix = fl_str_ends(want, "*");
    if (prefix) {
        want.n--;
        got.n = got.n < want.n ? got.n : want.n;
    }
    if (!fl_text_eq(s->method, req->method) || !fl_str_eq(want, got)) {
        return false;
    }
    for (size_t i = 0; i < FL_PEER_HEADERS && s->want[i]; i++) {
        if (!header_match(req, s->want[i])) {
            return false;
        }
    }
    return true;
}

static int times_of(const struct fl_peer_step *s)
{
    return s->times == 0 ? 1 : s->times;
}

/* Under the lock. */
static int match_locked(struct fl_peer *p, const struct fl_peer_request *req)
{
    size_t n = p->conf.n_steps;
    for (size_t i = p->conf.unordered ? 0 : p->step; i < n; i++) {
        const struct fl_peer_step *s = &p->conf.steps[i];
        int times = times_of(s);
        if ((times < 0 || p->made[i] < times) && head_match(s, req)) {
            p->made[i]++;
            if (!p->conf.unordered) {
                p->step = i;
            }
            return (int)i;
        }
        if (!p->conf.unordered && times >= 0 && p->made[i] < times) {
            return -1; /* this one has to come first */
        }
    }
    return -1;
}

static void step_print(struct fl_buf *b, const struct fl_peer_step *s)
{
    fl_buf_fmt(b, "%s %s", s->method, s->target);
    for (size_t i = 0; i < FL_PEER_HEADERS && s->want[i]; i++) {
        fl_buf_fmt(b, "\n      %s", s->want[i]);
    }
}

int peer_match(struct fl_peer *p, const struct fl_peer_request *req)
{
    fl_lock_take(&p->lock);
    int step = match_locked(p, req);
    size_t next = p->step;
    while (next < p->conf.n_steps && p->made[next] >= times_of(&p->conf.steps[next])) {
        next++;
    }
    fl_lock_drop(&p->lock);
    if (step >= 0) {
        return step;
    }
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&b, "came, not expected: %s %s", req->method, req->target);
    for (size_t i = 0; i < req->n_headers; i++) {
        fl_buf_fmt(&b, "\n      %s: %s", req->headers[i].name, req->headers[i].value);
    }
    if (!p->conf.unordered && next < p->conf.n_steps) {
        fl_buf_fmt(&b, "\n    expected was (step %zu): ", next);
        step_print(&b, &p->conf.steps[next]);
    }
    peer_problem(p, "%s", b.data);
    return -1;
}

bool peer_body_match(struct fl_peer *p, int step, const struct peer_record *rec)
{
    const struct fl_peer_step *s = &p->conf.steps[step];
    if (s->body.p && !fl_str_eq(s->body, rec->r.body)) {
        peer_problem(
            p, "%s %s (step %d): body of %lld bytes, not the expected one of %zu:\n      %.*s",
            rec->r.method, rec->r.target, step, (long long)rec->r.body_bytes, s->body.n,
            FL_STR_ARG(
                ((struct fl_str){rec->r.body.p, rec->r.body.n < 500 ? rec->r.body.n : 500})));
        return false;
    }
    if (s->body_digest && !fl_text_eq(s->body_digest, rec->r.body_digest)) {
        peer_problem(p, "%s %s (step %d): body of %lld bytes is %s, expected %s", rec->r.method,
                     rec->r.target, step, (long long)rec->r.body_bytes, rec->r.body_digest,
                     s->body_digest);
        return false;
    }
    return true;
}

struct peer_record *peer_record_add(struct fl_peer *p, const struct fl_peer_request *req)
{
    struct peer_record *r = FL_NEW(struct peer_record);
    r->arena = fl_arena_new();
    r->r.method = fl_arena_text(r->arena, req->method);
    r->r.target = fl_arena_text(r->arena, req->target);
    r->r.conn = req->conn;
    r->r.step = -1;
    struct fl_peer_header *h = fl_arena_array(r->arena, req->n_headers + 1, sizeof(*h));
    for (size_t i = 0; i < req->n_headers; i++) {
        h[i].name = fl_arena_text(r->arena, req->headers[i].name);
        h[i].value = fl_arena_text(r->arena, req->headers[i].value);
    }
    r->r.headers = h;
    r->r.n_headers = req->n_headers;
    fl_lock_scope(&p->lock);
    if (p->n_records == p->records_alloc) {
        p->records_alloc = p->records_alloc ? p->records_alloc * 2 : 64;
        p->records = fl_reallocarray(p->records, p->records_alloc, sizeof(*p->records));
    }
    p->records[p->n_records++] = r;
    return r;
}

void peer_record_free(struct peer_record *r)
{
    if (r) {
        fl_arena_free(r->arena);
        fl_free(r);
    }
}

size_t fl_peer_count(struct fl_peer *p)
{
    fl_lock_scope(&p->lock);
    return p->n_records;
}

const struct fl_peer_record *fl_peer_at(struct fl_peer *p, size_t i)
{
    fl_lock_scope(&p->lock);
    fl_assert(i < p->n_records);
    return &p->records[i]->r;
}

size_t fl_peer_count_of(struct fl_peer *p, const char *method, const char *prefix)
{
    fl_lock_scope(&p->lock);
    size_t n = 0;
    for (size_t i = 0; i < p->n_records; i++) {
        const struct fl_peer_record *r = &p->records[i]->r;
        n += (!method || fl_text_eq(r->method, method)) &&
             (!prefix || fl_text_starts(r->target, prefix));
    }
    return n;
}

int fl_peer_verify(struct fl_peer *p)
{
    fl_lock_scope(&p->lock);
    int n = p->n_problems;
    (void)fputs(p->problems.data, stderr);
    for (size_t i = 0; i < p->conf.n_steps; i++) {
        const struct fl_peer_step *s = &p->conf.steps[i];
        int times = times_of(s);
        if (times >= 0 && p->made[i] < times) {
            fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
            step_print(&b, s);
            (void)fprintf(stderr, "peer: expected, came %d of %d times (step %zu): %s\n",
                          p->made[i], times, i, b.data);
            n++;
        }
    }
    return n;
}
