/* SPDX-License-Identifier: Apache-2.0
 * Who may do what: Basic, Bearer, and the token service. Source: distribution, docs/content/spec/auth. */
#include "base/text.h"
#include "base/url.h"
#include "fake/registry_priv.h"

/* ---- scopes ---- */

/* What a request needs: "repository:<name>:pull,push", with a second one for a mount. */
static const char *needs(const struct reg_call *c)
{
    struct fl_arena *a = c->req->arena;
    if (!c->repo && c->kind != FL_FAKE_CATALOG) {
        return "";
    }
    switch (c->kind) {
    case FL_FAKE_PING:
        return "";
    case FL_FAKE_CATALOG:
        return "registry:catalog:*";
    case FL_FAKE_TAGS:
    case FL_FAKE_MANIFEST_HEAD:
    case FL_FAKE_MANIFEST_GET:
    case FL_FAKE_BLOB_HEAD:
    case FL_FAKE_BLOB_GET:
        return fl_arena_fmt(a, "repository:%s:pull", c->repo);
    case FL_FAKE_MOUNT:
        return fl_arena_fmt(a, "repository:%s:pull,push repository:%s:pull", c->repo,
                            c->from ? c->from : c->repo);
    default:
        return fl_arena_fmt(a, "repository:%s:pull,push", c->repo);
    }
}

/* Cuts "type:name:actions"; the name may hold colons no more than the others do. */
static bool scope_cut(struct fl_str s, struct fl_str *name, struct fl_str *actions)
{
    for (size_t i = s.n; i > 0; i--) {
        if (s.p[i - 1] == ':') {
            *name = (struct fl_str){s.p, i - 1};
            *actions = (struct fl_str){s.p + i, s.n - i};
            return true;
        }
    }
    return false;
}

static bool has_word(struct fl_str list, char sep, struct fl_str word)
{
    struct fl_str one;
    while (list.n) {
        (void)fl_str_cut(&list, sep, &one);
        if (fl_str_eq(one, word)) {
            return true;
        }
    }
    return false;
}

static bool one_granted(const char *granted, struct fl_str name, struct fl_str action)
{
    struct fl_str rest = fl_str_of(granted);
    struct fl_str one;
    struct fl_str its_name;
    struct fl_str its_actions;
    while (rest.n) {
        (void)fl_str_cut(&rest, ' ', &one);
        if (scope_cut(one, &its_name, &its_actions) && fl_str_eq(its_name, name) &&
            has_word(its_actions, ',', action)) {
            return true;
        }
    }
    return false;
}

static bool granted(const char *have, const char *need)
{
    struct fl_str rest = fl_str_of(need);
    struct fl_str one;
    struct fl_str name;
    struct fl_str actions;
    struct fl_str action;
    while (rest.n) {
        (void)fl_str_cut(&rest, ' ', &one);
        bool fine = scope_cut(one, &name, &actions);
        while (fine && actions.n) {
            (void)fl_str_cut(&actions, ',', &action);
            fine = one_granted(have, name, action);
        }
        if (!fine) {
            return false;
        }
    }
    return true;
}

/* ---- tokens ---- */

void reg_tokens_free(struct fl_fake_registry *r)
{
    while (r->tokens) {
        struct reg_token *t = r->tokens;
        r->tokens = t->next;
        fl_free(t->value);
        fl_free(t->scopes);
        fl_free(t);
    }
}

void fl_fake_registry_revoke(struct fl_fake_registry *r)
{
    fl_lock_scope(&r->lock);
    reg_tokens_free(r);
}

static const char *token_scopes(struct fl_fake_registry *r, struct fl_str value)
{
    for (const struct reg_token *t = r->tokens; t; t = t->next) {
        if (fl_str_is(value, t->value)) {
            bool over = t->until_ms && fl_clock_mono_ms(r->conf.clock) >= t->until_ms;
            return over ? NULL : t->scopes;
        }
    }
    return NULL;
}

static const char *token_new(struct fl_fake_registry *r, const char *scopes)
{
    struct reg_token *t = FL_NEW(struct reg_token);
    char name[17];
    fl_random_name(name, 16);
    t->value = fl_asprintf("token-%d-%s", ++r->n_tokens, name);
    t->scopes = fl_strdup(scopes);
    if (r->conf.token_life_s && r->conf.clock) {
        t->until_ms = fl_clock_mono_ms(r->conf.clock) + r->conf.token_life_s * 1000;
    }
    t->next = r->tokens;
    r->tokens = t;
    return t->value;
}

static bool basic_is(const struct fl_fake_registry *r, const char *value)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_text plain = fl_asprintf("%s:%s", r->conf.user, r->conf.password);
    fl_buf_text(&b, "Basic ");
    fl_base64_add(&b, plain, strlen(plain));
    return fl_text_eq(value, b.data);
}

/* ---- the registry's side ---- */

void reg_challenge(struct fl_fake_registry *r, const struct reg_call *c, struct fl_peer_answer *ret)
{
    struct fl_arena *a = c->req->arena;
    reg_error(c->req, ret, 401, "UNAUTHORIZED", "authentication required");
    if (r->conf.auth == FL_FAKE_BASIC) {
        reg_header(ret, "WWW-Authenticate: Basic realm=\"fake\"");
    } else if (r->conf.auth == FL_FAKE_BEARER) {
        const char *scope = needs(c);
        const char *realm =
            r->conf.realm ? r->conf.realm : fl_arena_fmt(a, "%s/token", fl_peer_url(r->side));
        reg_header(ret,
                   fl_arena_fmt(a,
                                "WWW-Authenticate: Bearer realm=\"%s\",service=\"fake "
                                "registry\"%s%s%s",
                                realm, scope[0] ? ",scope=\"" : "", scope, scope[0] ? "\"" : ""));
    }
}

static bool bearer_may(struct fl_fake_registry *r, const struct reg_call *c, const char *value)
{
    if (!fl_text_starts(value, "Bearer ")) {
        reg_problem(r, c->req, "other credentials than a token");
        return false;
    }
    struct fl_str token = fl_str_of(value + 7);
    if (r->conf.bearer && fl_str_is(token, r->conf.bearer)) {
        return true;
    }
    const char *scopes = token_scopes(r, token);
    return scopes && granted(scopes, needs(c));
}

bool reg_authorized(struct fl_fake_registry *r, const struct reg_call *c,
                    struct fl_peer_answer *ret)
{
    const char *value = fl_peer_header(c->req, "Authorization");
    bool fine = false;
    switch (r->conf.auth) {
    case FL_FAKE_ANONYMOUS:
        fine = true;
        if (value) {
            reg_problem(r, c->req, "credentials that nobody asked for");
        }
        break;
    case FL_FAKE_BASIC:
        fine = value && basic_is(r, value);
        break;
    case FL_FAKE_BEARER:
        fine = value && bearer_may(r, c, value);
        break;
    }
    if (!fine) {
        reg_challenge(r, c, ret);
    }
    return fine;
}

/* ---- the token service ---- */

/* All values of `scope`, separated by spaces. */
static void scopes_asked(struct fl_str form, struct fl_buf *ret)
{
    struct fl_str one;
    while (form.n) {
        (void)fl_str_cut(&form, '&', &one);
        if (fl_str_starts(one, "scope=")) {
            fl_buf_text(ret, ret->len ? " " : "");
            (void)fl_percent_decode(ret, (struct fl_str){one.p + 6, one.n - 6}, true);
        }
    }
}

static void scopes_cut_push(struct fl_buf *b)
{
    for (char *at = b->data; (at = strstr(at, "pull,push"));) {
        memmove(at + 4, at + 9, strlen(at + 9) + 1);
        b->len -= 5;
    }
}

static void token_answer(struct fl_fake_registry *r, const struct fl_peer_request *req,
                         struct fl_str form, struct fl_peer_answer *ret)
{
    fl_auto_val(fl_buf) scopes = FL_BUF_INIT(FL_URL_MAX);
    scopes_asked(form, &scopes);
    if (r->conf.read_only) {
        scopes_cut_push(&scopes);
    }
    const char *life = r->conf.token_life_s ? fl_arena_fmt(req->arena, ",\"expires_in\":%lld",
                                                           (long long)r->conf.token_life_s)
                                            : "";
    ret->body = fl_str_of(fl_arena_fmt(req->arena, "{\"%s\":\"%s\"%s}",
                                       r->conf.access_token ? "access_token" : "token",
                                       token_new(r, scopes.data), life));
    reg_header(ret, "Content-Type: application/json");
}

static bool form_is(struct fl_str form, const char *name, const char *want)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_URL_MAX);
    return fl_query_get(form, name, &b) && fl_text_eq(b.data, want);
}

void reg_token_service(struct fl_fake_registry *r, const struct fl_peer_request *req,
                       struct fl_peer_answer *ret)
{
    const char *value = fl_peer_header(req, "Authorization");
    bool post = fl_text_eq(req->method, "POST");
    struct fl_str form = post ? req->body : req->query;
    if (!form_is(form, "service", "fake registry")) {
        reg_problem(r, req, "the service of the challenge is not named");
    }
    bool fine = false;
    if (post) {
        fine = r->conf.identity && form_is(form, "refresh_token", r->conf.identity) &&
               form_is(form, "grant_type", "refresh_token") && !value;
    } else {
        fine = r->conf.user ? value && basic_is(r, value) : !value;
    }
    if (!fine) {
        reg_error(req, ret, 401, "UNAUTHORIZED", "incorrect username or password");
        return;
    }
    token_answer(r, req, form, ret);
}
