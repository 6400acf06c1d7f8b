/* SPDX-License-Identifier: Apache-2.0
 * Listing a remote's refs: one request once its ways are known. Reference 1.2, 1.3, 1.5. */
#include "base/mem.h"
#include "remote/git/client.h"
#include "remote/git/command.h"
#include "wire/digest.h"

#define UPLOAD_PACK "git-upload-pack"
#define RECEIVE_PACK "git-receive-pack"

enum {
    REDIRECTS_MAX = 3,
    LEARNT_FOR_MS = 24 * 3600 * 1000,
    /* Refs that are not asked for come too, where a server has no prefixes: room for 100,000 of them. */
    BODY_FLOOR = 8 * 1024 * 1024,
    BODY_PER_REF = 256, /* a line of a list is 60 to 100 bytes */
    DUMB_KEPT_MAX = 4 * 1024 * 1024,
    HEAD_MAX = 4096,
    LIMIT_WORDS_MAX = 4096,
};

/* One call of the port. */
struct list_call {
    struct fl_remote *r;
    struct fl_ctx ctx;
    struct fl_arena *arena;
    const struct fl_ref_filter *filter;
    const char *service;
    struct git_known known; /* as it was at the start, then as it is learnt */
    struct fl_secret authorization, token;
    bool token_dropped;
    struct fl_http_resp resp;
    int64_t limited_ms; /* resp says: too many requests; -1: it does not */
    struct fl_ref_list list;
};

void git_known_release(struct git_known *k)
{
    fl_free(k->at_url);
    fl_free(k->etag);
    fl_shared_free(k->body);
    fl_shared_free(k->head);
    *k = (struct git_known){0};
}

static void known_copy(const struct git_known *from, struct git_known *ret)
{
    *ret = *from;
    ret->at_url = fl_strdup(from->at_url);
    ret->etag = fl_strdup(from->etag);
    ret->body = from->body ? fl_shared_ref(from->body) : NULL;
    ret->head = from->head ? fl_shared_ref(from->head) : NULL;
}

static void known_recall(struct list_call *c)
{
    struct fl_remote *r = c->r;
    fl_lock_scope(&r->lock);
    bool fresh = r->known.learnt && fl_clock_mono_ms(r->clock) - r->known.learnt_ms < LEARNT_FOR_MS;
    if (fresh) {
        known_copy(&r->known, &c->known);
    }
}

static void known_keep(struct list_call *c)
{
    struct fl_remote *r = c->r;
    fl_lock_scope(&r->lock);
    /* What a target says for pushing is no reason to ask it in v0 when it is read from. */
    bool less = fl_text_eq(c->service, RECEIVE_PACK) && r->known.protocol == FL_GIT_V2;
    if (!r->known.learnt || !less) {
        git_known_release(&r->known);
        known_copy(&c->known, &r->known);
    }
}

static void known_forget(struct list_call *c)
{
    git_known_release(&c->known);
    fl_lock_scope(&c->r->lock);
    git_known_release(&c->r->known);
}

/* The clock of what was learnt starts when it is learnt, so that each day the remote is asked anew. */
static void known_learn(struct list_call *c, enum fl_git_protocol protocol)
{
    if (!c->known.learnt) {
        c->known.learnt_ms = fl_clock_mono_ms(c->r->clock);
    }
    c->known.learnt = true;
    c->known.protocol = protocol;
}

static const char *base_url(const struct list_call *c)
{
    return c->known.at_url ? c->known.at_url : c->r->url_text;
}

/* ---- one request ----------------------------------------------------------------------------------------------- */

static size_t body_cap(const struct fl_ref_filter *f)
{
    size_t refs = f->max_refs > 0 ? (size_t)f->max_refs : 0;
    return BODY_FLOOR + refs * BODY_PER_REF;
}

static int too_big(const struct list_call *c, struct fl_err *err)
{
    return fl_fail(err, FL_E_TOO_BIG, "TooManyRefs",
                   "%s answers with more than %zu MiB of refs, which is too much for "
                   "spec.limits.maxRefs %lld",
                   base_url(c), body_cap(c->filter) >> 20, (long long)c->filter->max_refs);
}

/* The client's words name fields of other kinds. */
static int not_trusted(const struct list_call *c, struct fl_err *err)
{
    return fl_fail(err, FL_E_UNAVAILABLE, "CertificateNotTrusted",
                   "%s: the TLS certificate is not trusted: put the CA, in PEM, into the key "
                   "ca.crt of the Secret that secretRef names",
                   base_url(c));
}

static int authorize(struct list_call *c, struct fl_err *err)
{
    return git_authorize(c->r, &c->ctx, &c->authorization, &c->token, err);
}

/* A host that says so tells it in words, where it is not a status of its own (GitHub, GitLab). */
static bool speaks_of_limit(const struct list_call *c)
{
    static const char *const words[] = {"rate limit", "too many requests", "abuse detection"};
    struct fl_str body = fl_buf_slice(&c->resp.body);
    body.n = body.n > LIMIT_WORDS_MAX ? LIMIT_WORDS_MAX : body.n;
    for (; body.n > 0; body.p++, body.n--) {
        for (size_t i = 0; i < FL_LEN(words); i++) {
            struct fl_str head = {body.p, strlen(words[i])};
            if (head.n <= body.n && fl_str_case_is(head, words[i])) {
                return true;
            }
        }
    }
    return false;
}

/* What the host has said holds for all that ask it. */
static void tell_host(struct list_call *c, const struct fl_url *at)
{
    int s = c->resp.status;
    int64_t wait_ms = git_limit_ms(&c->resp, &c->ctx);
    c->limited_ms = -1;
    if (s == 429 || (s == 403 && (wait_ms >= 0 || speaks_of_limit(c)))) {
        c->limited_ms = git_host_refused(c->r->clock, at, wait_ms);
    } else if (s == 503) {
        git_host_hold(c->r->clock, at, wait_ms);
    } else {
        git_host_answered(c->r->clock, at);
    }
}

static int ask_once(struct list_call *c, struct fl_http_req *req, struct fl_err *err)
{
    struct fl_url at;
    int x = fl_url_parse(fl_str_of(req->url), &at, err);
    x = x < 0 ? x : git_host_enter(c->r->clock, &at, err);
    if (x < 0) {
        return x;
    }
    req->authorization = c->authorization.n ? &c->authorization : NULL;
    req->body_cap = body_cap(c->filter);
    c->list.requests++;
    x = fl_http_do(c->r->http, &c->ctx, req, &c->resp, err);
    if (x == FL_E_TOO_BIG) {
        return too_big(c, err);
    }
    if (x < 0) {
        return err && fl_text_eq(err->reason, "CertificateNotTrusted") ? not_trusted(c, err) : x;
    }
    c->list.bytes += (int64_t)c->resp.body.len;
    tell_host(c, &at);
    return 0;
}

/* 0 for any status. An App's token may have been withdrawn before its time: one that is refused is dropped once. */
static int ask(struct list_call *c, struct fl_http_req *req, struct fl_err *err)
{
    int x = ask_once(c, req, err);
    if (x == 0 && c->resp.status == 401 && c->r->app && !c->token_dropped) {
        c->token_dropped = true;
        git_app_drop(c->r->app, &c->token);
        x = authorize(c, err);
        x = x < 0 ? x : ask_once(c, req, err);
    }
    return x;
}

static bool type_is(const struct list_call *c, const char *what, const char *service)
{
    char want[64];
    (void)snprintf(want, sizeof(want), "application/x-%s-%s", service, what);
    struct fl_str type = fl_http_header(&c->resp, "content-type", 0);
    (void)fl_str_cut(&type, ';', &type);
    return fl_str_case_is(fl_str_trim(type), want);
}

static bool is_html(const struct list_call *c)
{
    struct fl_str type = fl_http_header(&c->resp, "content-type", 0);
    (void)fl_str_cut(&type, ';', &type);
    struct fl_str body = fl_buf_slice(&c->resp.body);
    while (body.n && (unsigned char)body.p[0] <= ' ') {
        body.p++;
        body.n--;
    }
    type = fl_str_trim(type);
    return fl_str_case_is(type, "text/html") || fl_str_case_is(type, "application/xhtml+xml") ||
           fl_str_starts(body, "<");
}

/* ---- failures in words ----------------------------------------------------------------------------------------- */

static int not_git(const struct list_call *c, struct fl_err *err)
{
    return fl_fail(err, FL_E_BAD_DATA, "NotGit",
                   "%s answered %s, not git: is this the clone URL? does it need a login?",
                   base_url(c), is_html(c) ? "HTML" : "something else");
}

static int refused(const struct list_call *c, struct fl_str said, struct fl_err *err)
{
    int s = c->resp.status;
    const char *lead = said.n ? ": " : "";
    switch (c->r->cred.auth) {
    case GIT_AUTH_BASIC:
        /* Not which user: people put tokens there. */
        return fl_fail_http(err, FL_E_AUTH, s, -1, "AuthenticationFailed",
                            "%s refused the username and password (HTTP %d)%s%.*s: check the "
                            "Secret",
                            base_url(c), s, lead, FL_STR_ARG(said));
    case GIT_AUTH_BEARER:
        return fl_fail_http(err, FL_E_AUTH, s, -1, "AuthenticationFailed",
                            "%s refused the bearer token (HTTP %d)%s%.*s: check the Secret",
                            base_url(c), s, lead, FL_STR_ARG(said));
    case GIT_AUTH_APP:
        return fl_fail_http(err, FL_E_AUTH, s, -1, "AuthenticationFailed",
                            "%s refused the token of GitHub App %s (HTTP %d)%s%.*s: is the App "
                            "installed for this repository?",
                            base_url(c), c->r->cred.app_id, s, lead, FL_STR_ARG(said));
    case GIT_AUTH_SSH:
    case GIT_AUTH_NONE:
        break;
    }
    return fl_fail_http(err, FL_E_AUTH, s, -1, "AuthenticationFailed",
                        "%s asks for a login (HTTP %d)%s%.*s: set spec.secretRef", base_url(c), s,
                        lead, FL_STR_ARG(said));
}

/* The remote's own words, where they are words. */
static struct fl_str said_of(const struct list_call *c)
{
    struct fl_str type = fl_http_header(&c->resp, "content-type", 0);
    struct fl_str body = fl_str_trim(fl_buf_slice(&c->resp.body));
    bool text = fl_str_starts(type, "text/plain") && fl_utf8_valid(body);
    body.n = body.n > 160 ? 160 : body.n;
    while (body.n && (unsigned char)body.p[body.n - 1] <= ' ') {
        body.n--;
    }
    return text ? body : (struct fl_str){NULL, 0};
}

static int fail_status(const struct list_call *c, struct fl_err *err)
{
    int s = c->resp.status;
    struct fl_str said = said_of(c);
    if (c->limited_ms >= 0) {
        return fl_fail_http(err, FL_E_LIMITED, s, c->limited_ms, "TooManyRequests",
                            "%s: too many requests (HTTP %d)", base_url(c), s);
    }
    if (s == 401 || s == 403) {
        return refused(c, said, err);
    }
    if (s == 404 || s == 410) {
        return fl_fail_http(err, FL_E_NOT_FOUND, s, -1, "RepositoryNotFound",
                            "%s does not exist%s (HTTP %d)", base_url(c),
                            c->r->cred.auth == GIT_AUTH_NONE
                                ? ", or needs a login: then set spec.secretRef"
                                : ", or these credentials may not see it",
                            s);
    }
    return fl_http_fail(&c->resp, &c->ctx, base_url(c), said, err);
}

/* ---- redirects ------------------------------------------------------------------------------------------------- */

static bool is_redirect(int s)
{
    return s == 301 || s == 302 || s == 303 || s == 307 || s == 308;
}

/* The same host, and the same port or from http to https. */
static bool same_place(const struct fl_url *from, const struct fl_url *to)
{
    fl_auto_val(fl_buf) host = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_str(&host, to->host);
    bool upgrade = fl_str_is(from->scheme, "http") && fl_str_is(to->scheme, "https");
    return fl_str_case_is(from->host, host.data) &&
           (upgrade || (fl_str_eq(from->scheme, to->scheme) && from->port == to->port));
}

/* Takes the place of a repository out of where its info/refs went. */
static int redirect_take(struct list_call *c, const char *from, struct fl_buf *to,
                         struct fl_err *err)
{
    struct fl_url a;
    struct fl_url b;
    int x = fl_url_parse(fl_str_of(from), &a, err);
    if (x < 0) {
        return x;
    }
    struct fl_err why = FL_ERR_INIT;
    if (fl_url_parse(fl_buf_slice(to), &b, &why) < 0) {
        return fl_fail(err, FL_E_BAD_DATA, "BadRedirect", "%s redirects to a bad URL: %s",
                       base_url(c), why.msg);
    }
    if (fl_str_is(a.scheme, "https") && !fl_str_is(b.scheme, "https")) {
        return fl_fail(err, FL_E_INVALID, "Redirected", "%s redirects to plain http: not followed",
                       base_url(c));
    }
    struct fl_str path = b.path;
    static const char tail[] = "/info/refs";
    bool known = fl_str_ends(path, tail) && path.n > strlen(tail);
    path.n -= known ? strlen(tail) : 0;
    fl_auto_val(fl_buf) place = FL_BUF_INIT(FL_URL_MAX);
    fl_url_origin(&place, &b);
    if (!same_place(&a, &b)) {
        fl_buf_str(&place, known ? path : (struct fl_str){NULL, 0});
        return fl_fail(err, FL_E_INVALID, "Redirected",
                       "%s redirects to another host, %s: if that is right, set it as the url",
                       base_url(c), place.data);
    }
    if (!known) {
        return fl_fail(err, FL_E_BAD_DATA, "NotGit",
                       "%s redirects to %.*s, which is no repository: is this the clone URL? does "
                       "it need a login?",
                       base_url(c), (int)(path.n < 200 ? path.n : 200), path.n ? path.p : "");
    }
    fl_buf_str(&place, path);
    x = fl_buf_finish(&place, "URL", err);
    if (x == 0) {
        fl_free(c->known.at_url);
        c->known.at_url = fl_buf_take(&place);
    }
    return x;
}

/* GET info/refs, after redirects on the same host; 0 for any other status. */
static int get_info_refs(struct list_call *c, bool v2, struct fl_err *err)
{
    for (int hops = 0;; hops++) {
        fl_auto_text url = fl_asprintf("%s/info/refs?service=%s", base_url(c), c->service);
        struct fl_header headers[2];
        struct fl_http_req req = {.method = "GET", .url = url, .headers = headers};
        if (v2) {
            headers[req.n_headers++] = (struct fl_header){"Git-Protocol", "version=2"};
        } else if (c->known.etag && c->known.body) {
            headers[req.n_headers++] = (struct fl_header){"If-None-Match", c->known.etag};
        }
        int x = ask(c, &req, err);
        if (x < 0 || !is_redirect(c->resp.status)) {
            return x;
        }
        struct fl_str location = fl_http_header(&c->resp, "location", 0);
        if (location.n == 0) {
            return 0;
        }
        if (hops == REDIRECTS_MAX) {
            return fl_fail(err, FL_E_BAD_DATA, "TooManyRedirects", "%s: more than %d redirects",
                           c->r->url_text, REDIRECTS_MAX);
        }
        fl_auto_val(fl_buf) to = FL_BUF_INIT(FL_URL_MAX + 1);
        struct fl_err why = FL_ERR_INIT;
        (void)fl_str_cut(&location, '#', &location);
        if (fl_url_resolve(&to, fl_str_of(url), location, &why) < 0) {
            return fl_fail(err, FL_E_BAD_DATA, "BadRedirect", "%s redirects to a bad URL: %s",
                           base_url(c), why.msg);
        }
        x = redirect_take(c, url, &to, err);
        if (x < 0) {
            return x;
        }
    }
}

/* ---- the three protocols --------------------------------------------------------------------------------------- */

enum surprise {
    NO_SURPRISE, /* or a failure that says nothing about the remote's ways */
    TRY_V0,      /* the answer of a server that did not hear of v2 */
    LEARN_ANEW,
};

/* Reference 1.3, the table: what a bare POST may come back with. */
static enum surprise v2_surprise(const struct list_call *c)
{
    int s = c->resp.status;
    struct fl_str body = fl_buf_slice(&c->resp.body);
    if (s == 200) {
        bool v0 = body.n == 0 || fl_str_starts(body, "001e# service=");
        return v0 ? TRY_V0 : NO_SURPRISE;
    }
    bool gone =
        is_redirect(s) || s == 400 || s == 404 || s == 405 || s == 410 || s == 411 || s == 415;
    return gone ? LEARN_ANEW : NO_SURPRISE;
}

/* An answer whose bytes are those of one that was whole and well-formed is so too. */
static bool is_known(struct list_call *c)
{
    char digest[FL_DIGEST_TEXT];
    fl_digest_of(FL_SHA256, fl_buf_slice(&c->resp.body), digest);
    c->list.version = fl_arena_text(c->arena, digest);
    c->list.same = c->filter->known && strcmp(c->filter->known, digest) == 0;
    return c->list.same;
}

static int ask_v2(struct list_call *c, enum surprise *ret_surprise, struct fl_err *err)
{
    static const struct fl_header headers[] = {
        {"Git-Protocol", "version=2"},
        {"Content-Type", "application/x-git-upload-pack-request"},
        {"Accept", "application/x-git-upload-pack-result"},
    };
    *ret_surprise = NO_SURPRISE;
    fl_auto_val(fl_buf) body = FL_BUF_INIT(FL_BUF_ANY);
    git_ls_refs_request(&body, &c->known.caps, c->filter);
    fl_auto_text url = fl_asprintf("%s/" UPLOAD_PACK, base_url(c));
    struct fl_http_req req = {
        .method = "POST",
        .url = url,
        .headers = headers,
        .n_headers = FL_LEN(headers),
        .body = fl_buf_slice(&body),
    };
    int x = ask(c, &req, err);
    if (x < 0) {
        return x;
    }
    *ret_surprise = v2_surprise(c);
    if (c->resp.status != 200) {
        return fail_status(c, err);
    }
    if (*ret_surprise == NO_SURPRISE && !type_is(c, "result", UPLOAD_PACK)) {
        return not_git(c, err);
    }
    if (x == 0 && !is_known(c)) {
        x = git_ls_refs_parse(fl_buf_slice(&c->resp.body), &c->known.caps, c->filter, c->arena,
                              &c->list.refs, err);
    }
    c->list.sha256 = c->known.caps.sha256;
    c->list.protocol = FL_GIT_V2;
    return x;
}

static int take_v0(struct list_call *c, struct fl_err *err)
{
    int x = 0;
    if (!is_known(c)) {
        x = git_v0_parse(fl_buf_slice(&c->resp.body), c->service, c->filter, c->arena,
                         &c->list.refs, &c->list.sha256, err);
    }
    if (x == 0) {
        known_learn(c, FL_GIT_V0);
        c->list.protocol = FL_GIT_V0;
    }
    return x;
}

static struct fl_shared *shared_body(const struct list_call *c)
{
    return fl_shared_new(fl_buf_slice(&c->resp.body));
}

/* A dumb server's list does not say where HEAD points; a HEAD that cannot be had is one that was not told. */
static int dumb_head(struct list_call *c, struct fl_err *err)
{
    fl_auto_text url = fl_asprintf("%s/HEAD", base_url(c));
    struct fl_http_req req = {.method = "GET", .url = url};
    int x = ask(c, &req, err);
    if (x == 0) {
        fl_shared_free(c->known.head);
        bool good = c->resp.status == 200 && c->resp.body.len <= HEAD_MAX;
        c->known.head = good ? shared_body(c) : NULL;
    }
    return x;
}

static int take_dumb(struct list_call *c, struct fl_err *err)
{
    bool kept = c->resp.status == 304;
    int x = 0;
    if (!kept) {
        struct fl_str etag = fl_http_header(&c->resp, "etag", 0);
        fl_shared_free(c->known.body);
        fl_free(c->known.etag);
        c->known.body = shared_body(c);
        c->known.etag =
            etag.n && c->resp.body.len <= DUMB_KEPT_MAX ? fl_strndup(etag.p, etag.n) : NULL;
        x = dumb_head(c, err);
    }
    if (x < 0) {
        return x;
    }
    struct fl_str head = c->known.head ? fl_shared_str(c->known.head) : (struct fl_str){NULL, 0};
    x = git_dumb_parse(fl_shared_str(c->known.body), head, c->filter, c->arena, &c->list.refs, err);
    if (!c->known.etag) {
        fl_shared_free(c->known.body);
        c->known.body = NULL;
    }
    if (x == 0) {
        known_learn(c, FL_GIT_DUMB);
        c->list.protocol = FL_GIT_DUMB;
        c->list.sha256 = c->list.refs.n > 0 && strlen(c->list.refs.v[0].oid) == 64;
    }
    return x;
}

/* Asks for the advertisement and reads whatever it is. *ret_v2: capabilities, refs have to be asked for. */
static int ask_advert(struct list_call *c, bool v2, bool *ret_v2, struct fl_err *err)
{
    *ret_v2 = false;
    int x = get_info_refs(c, v2, err);
    if (x < 0) {
        return x;
    }
    if (c->resp.status == 304 && c->known.body) {
        return take_dumb(c, err);
    }
    if (c->resp.status != 200) {
        return fail_status(c, err);
    }
    if (type_is(c, "advertisement", c->service)) {
        bool v0 = true;
        x = v2 ? git_caps_parse(fl_buf_slice(&c->resp.body), &c->known.caps, &v0, err) : 0;
        *ret_v2 = x == 0 && !v0;
        return x < 0 || !v0 ? x : take_v0(c, err);
    }
    bool dumb = fl_text_eq(c->service, UPLOAD_PACK) && !is_html(c);
    x = dumb ? take_dumb(c, err) : not_git(c, err);
    /* Lines that are none were never meant to be git. */
    return x == FL_E_BAD_DATA && err && fl_text_eq(err->reason, "ProtocolError") ? not_git(c, err)
                                                                                 : x;
}

static int learn(struct list_call *c, struct fl_err *err)
{
    bool v2 = false;
    enum surprise surprise = NO_SURPRISE;
    int x = ask_advert(c, true, &v2, err);
    if (x < 0 || !v2) {
        return x;
    }
    x = ask_v2(c, &surprise, err);
    if (x == 0) {
        known_learn(c, FL_GIT_V2);
    } else if (surprise == TRY_V0) {
        x = ask_advert(c, false, &v2, err);
    }
    return x;
}

static int list_upload_pack(struct list_call *c, struct fl_err *err)
{
    bool v2 = false;
    enum surprise surprise = NO_SURPRISE;
    if (!c->known.learnt) {
        return learn(c, err);
    }
    if (c->known.protocol != FL_GIT_V2) {
        return ask_advert(c, false, &v2, err);
    }
    int x = ask_v2(c, &surprise, err);
    if (x == 0 || surprise == NO_SURPRISE) {
        return x;
    }
    known_forget(c);
    return surprise == TRY_V0 ? ask_advert(c, false, &v2, err) : learn(c, err);
}

/* The parsers do not know whose answer they read. */
static void words_add(const struct list_call *c, struct fl_err *err)
{
    static const char *const parsed[] = {"ProtocolError", "ProtocolEmpty", "RemoteError",
                                         "ObjectFormat"};
    struct fl_err was = err ? *err : (struct fl_err)FL_ERR_INIT;
    for (size_t i = 0; i < FL_LEN(parsed); i++) {
        if (!fl_text_eq(was.reason, parsed[i])) {
            continue;
        }
        const char *reason = was.code == FL_E_NOT_FOUND ? "RepositoryNotFound"
                             : was.code == FL_E_AUTH    ? "AuthenticationFailed"
                                                        : was.reason;
        (void)fl_fail_http(err, was.code, was.http_status, was.retry_after_ms, reason, "%s: %s",
                           base_url(c), was.msg);
    }
}

/* ---- ssh ------------------------------------------------------------------------------------------------------- */

static int list_ssh(struct list_call *c, struct fl_err *err)
{
    const char *const argv[] = {"ls-remote", "--symref", "--", c->r->url_text, NULL};
    fl_auto(fl_arena) scratch = fl_arena_new();
    fl_auto_val(git_env) e;
    git_env_init(&e, scratch, NULL);
    e.out_cap = body_cap(c->filter);
    int x = git_env_remote(&e, c->r, c->r->url_text, &c->ctx, err);
    if (x < 0) {
        return x;
    }
    fl_auto_val(fl_proc_resp) r;
    fl_proc_resp_init(&r);
    c->list.requests++;
    x = git_run(&e, argv, (struct fl_str){NULL, 0}, -1, 0, &c->ctx, &r, err);
    if (x == 0 && (r.exit_code != 0 || r.signal != 0)) {
        x = git_fail_remote(&e, &r, c->r->url_text, err);
        x = err ? git_host_key_say(c->r, &c->ctx, err) : x;
    }
    x = x < 0 ? x
              : git_ls_remote_parse(fl_buf_slice(&r.out), c->filter, c->arena, &c->list.refs, err);
    c->list.bytes = (int64_t)r.out.len;
    c->list.protocol = FL_GIT_PROCESS;
    c->list.sha256 = c->list.refs.n > 0 && strlen(c->list.refs.v[0].oid) == 64;
    return x;
}

/* ---- the slots ------------------------------------------------------------------------------------------------- */

/* Not the network and not the hour: the remote is no longer as it was. */
static bool forgets(int x)
{
    return x < 0 && x != FL_E_UNAVAILABLE && x != FL_E_TIMEOUT && x != FL_E_CANCELED &&
           x != FL_E_LIMITED;
}

static int list_http(struct list_call *c, struct fl_err *err)
{
    struct fl_url at;
    int x = fl_url_parse(fl_str_of(c->r->url_text), &at, err);
    /* Before a token is asked for. */
    x = x < 0 ? x : git_host_check(c->r->clock, &at, err);
    x = x < 0 ? x : authorize(c, err);
    if (x < 0) {
        return x;
    }
    known_recall(c);
    bool v2 = false;
    x = fl_text_eq(c->service, UPLOAD_PACK) ? list_upload_pack(c, err)
                                            : ask_advert(c, false, &v2, err);
    if (x == 0) {
        known_keep(c);
        return 0;
    }
    words_add(c, err);
    if (forgets(x)) {
        known_forget(c);
    }
    return x;
}

static int list_of(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
                   const struct fl_ref_filter *filter, const char *service, struct fl_ref_list *ret,
                   struct fl_err *err)
{
    struct list_call c = {
        .r = r,
        .ctx = fl_ctx_timeout(ctx, r->timeout_ms),
        .arena = a,
        .filter = filter,
        .service = service,
    };
    fl_http_resp_init(&c.resp);
    int x = r->url.scheme == FL_GIT_SSH ? list_ssh(&c, err) : list_http(&c, err);
    if (x == 0) {
        c.list.url = fl_arena_text(a, base_url(&c));
        *ret = c.list;
    }
    git_known_release(&c.known);
    fl_secret_release(&c.authorization);
    fl_secret_release(&c.token);
    fl_http_resp_release(&c.resp);
    return x;
}

int git_list(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
             const struct fl_ref_filter *filter, struct fl_ref_list *ret, struct fl_err *err)
{
    return list_of(r, ctx, a, filter, UPLOAD_PACK, ret, err);
}

/* A push still speaks v0, and its advertisement is what the target lets be changed. */
int git_list_target(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
                    const struct fl_ref_filter *filter, struct fl_ref_list *ret, struct fl_err *err)
{
    return list_of(r, ctx, a, filter, RECEIVE_PACK, ret, err);
}
