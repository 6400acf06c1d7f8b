/* SPDX-License-Identifier: Apache-2.0
 * Faults: which request meets one, and what becomes of its answer. */
#include "base/glob.h"
#include "fake/registry_priv.h"

#define LOGIN_PAGE                                                                                 \
    "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form>Password: "               \
    "<input type=password></form></body></html>\n"

void fl_fake_registry_fault(struct fl_fake_registry *r, const struct fl_fake_fault *f)
{
    fl_lock_scope(&r->lock);
    fl_assert(r->n_rules < REG_FAULTS_MAX);
    fl_assert(fl_glob_check(fl_str_of(f->path), NULL) == 0);
    r->rules[r->n_rules++] = (struct reg_rule){.f = *f};
}

void fl_fake_registry_faults_clear(struct fl_fake_registry *r)
{
    fl_lock_scope(&r->lock);
    r->n_rules = 0;
}

static bool at_head(const struct fl_fake_fault *f)
{
    return f->kind == FL_FAULT_READ_STALL || f->kind == FL_FAULT_READ_RESET ||
           f->kind == FL_FAULT_READ_STATUS;
}

static const struct fl_fake_fault *fault_match(struct fl_fake_registry *r,
                                               const struct fl_peer_request *req, bool head)
{
    const struct fl_fake_fault *found = NULL;
    for (size_t i = 0; i < r->n_rules; i++) {
        struct reg_rule *rule = &r->rules[i];
        const struct fl_fake_fault *f = &rule->f;
        if (at_head(f) != head || (f->method && !fl_text_eq(f->method, req->method)) ||
            !fl_glob_match(fl_str_of(f->path), req->path)) {
            continue;
        }
        rule->seen++;
        int first = f->nth ? f->nth : 1;
        int times = f->times ? f->times : 1;
        if (!found && rule->seen >= first && (times < 0 || rule->seen < first + times)) {
            rule->hits++;
            found = f;
        }
    }
    return found;
}

const struct fl_fake_fault *reg_fault(struct fl_fake_registry *r, const struct fl_peer_request *req)
{
    return fault_match(r, req, false);
}

bool reg_early(void *arg, const struct fl_peer_request *req, struct fl_peer_answer *ret)
{
    struct fl_fake_registry *r = arg;
    fl_lock_scope(&r->lock);
    const struct fl_fake_fault *f = fault_match(r, req, true);
    if (!f) {
        return false;
    }
    r->counts[fl_text_eq(req->method, "PUT") ? FL_FAKE_UPLOAD_PUT : FL_FAKE_KINDS]++;
    if (f->kind == FL_FAULT_READ_STATUS) {
        struct reg_call c = {.req = req, .kind = FL_FAKE_UPLOAD_PUT, .repo = ""};
        (void)reg_fault_instead(r, f, &c, ret);
        ret->early = true;
        return true;
    }
    ret->read_fault = f->kind == FL_FAULT_READ_STALL ? FL_PEER_STALL : FL_PEER_RESET;
    ret->read_at = f->at;
    ret->tick = f->tick;
    ret->tick_arg = f->tick_arg;
    return true;
}

static void other_digest(struct fl_peer_answer *ret)
{
    static const char other[] = "Docker-Content-Digest: sha256:"
                                "00000000000000000000000000000000"
                                "00000000000000000000000000000000";
    for (size_t i = 0; i < FL_PEER_HEADERS && ret->headers[i]; i++) {
        if (fl_text_starts(ret->headers[i], "Docker-Content-Digest:")) {
            ret->headers[i] = other;
            return;
        }
    }
    reg_header(ret, other);
}

static void fault_status(struct fl_fake_registry *r, const struct fl_fake_fault *f,
                         const struct reg_call *c, struct fl_peer_answer *ret)
{
    if (f->status == 401) {
        reg_challenge(r, c, ret);
    } else if (f->code) {
        reg_error(c->req, ret, f->status, f->code, "as the test wants it");
    }
    ret->status = f->status;
}

bool reg_fault_instead(struct fl_fake_registry *r, const struct fl_fake_fault *f,
                       const struct reg_call *c, struct fl_peer_answer *ret)
{
    if (f->header) {
        reg_header(ret, f->header);
    }
    switch (f->kind) {
    case FL_FAULT_STATUS:
    case FL_FAULT_READ_STATUS:
        fault_status(r, f, c, ret);
        return true;
    case FL_FAULT_HTML:
        reg_header(ret, "Content-Type: text/html; charset=utf-8");
        ret->body = FL_STR(LOGIN_PAGE);
        return true;
    case FL_FAULT_JSON:
        reg_header(ret, "Content-Type: application/json");
        ret->body = FL_STR("{\"tags\": [tru");
        return true;
    case FL_FAULT_RESET:
        ret->fault = FL_PEER_RESET;
        ret->at = -1;
        return true;
    case FL_FAULT_PRESENT:
        reg_header(ret, fl_arena_fmt(c->req->arena, "Docker-Content-Digest: %s", c->ref));
        return true;
    case FL_FAULT_DIGEST:
        if (!fl_text_eq(c->req->method, "PUT")) {
            return false;
        }
        ret->status = 201;
        other_digest(ret);
        return true;
    default:
        return false;
    }
}

/* The body as text that can be changed, with room for one byte more. */
static char *own_body(const struct fl_peer_request *req, struct fl_peer_answer *ret)
{
    struct fl_str s = ret->shared ? fl_shared_str(ret->shared) : ret->body;
    char *text = fl_arena_alloc(req->arena, s.n + 2);
    if (s.n) {
        memcpy(text, s.p, s.n);
    }
    fl_shared_free(ret->shared);
    ret->shared = NULL;
    ret->body = (struct fl_str){text, s.n};
    return text;
}

void reg_fault_after(const struct fl_fake_fault *f, const struct fl_peer_request *req,
                     struct fl_peer_answer *ret)
{
    char *text = NULL;
    ret->tick = f->tick;
    ret->tick_arg = f->tick_arg;
    switch (f->kind) {
    case FL_FAULT_LOST:
        ret->fault = FL_PEER_RESET;
        ret->at = -1;
        break;
    case FL_FAULT_CUT:
        ret->fault = FL_PEER_CLOSE;
        ret->at = f->at;
        break;
    case FL_FAULT_SHORT:
        (void)own_body(req, ret);
        ret->body.n -= ret->body.n > 0;
        break;
    case FL_FAULT_LONG:
        (void)own_body(req, ret);
        ret->body.n++;
        break;
    case FL_FAULT_FLIP:
        text = own_body(req, ret);
        fl_assert((size_t)f->at < ret->body.n);
        text[f->at] ^= 1;
        break;
    case FL_FAULT_DIGEST:
        other_digest(ret);
        break;
    case FL_FAULT_CLAIM:
        (void)own_body(req, ret);
        ret->claim = (int64_t)ret->body.n + f->at;
        break;
    case FL_FAULT_OVERSIZE:
        (void)own_body(req, ret);
        text = fl_arena_alloc(req->arena, (size_t)f->at);
        memset(text, ' ', (size_t)f->at);
        ret->body = (struct fl_str){text, (size_t)f->at};
        break;
    case FL_FAULT_STALL:
        ret->fault = FL_PEER_STALL;
        ret->at = f->at;
        break;
    case FL_FAULT_DRIP:
        ret->fault = FL_PEER_DRIP;
        break;
    default:
        break;
    }
}
