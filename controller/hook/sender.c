/* SPDX-License-Identifier: Apache-2.0
 * Sources: reference scm.md 3.2 (table of providers, vectors in 3.3), git-and-pipelines.md 4.3. */
#include "hook/sender.h"

#include "base/giturl.h"
#include "base/num.h"
#include "base/text.h"
#include "base/url.h"
#include "wire/digest.h"
#include "wire/scan.h"

#define SENDER_CLOCK_S 300 /* how old or early a signed time may be */

enum signing {
    SIGN_HMAC,  /* hex of HMAC-SHA256 behind `prefix`, over the raw body */
    SIGN_TOKEN, /* the secret itself; or the newer signature, by the form of the secret */
};

struct sender {
    const char *event; /* header that says what happened; NULL: every delivery is a push */
    const char *id;    /* header of the delivery's id */
    const char *id_or; /* where it stands otherwise; NULL */
    enum signing signing;
    const char *signature; /* header */
    const char *newer;     /* of a fork: when it is there it alone counts; NULL */
    const char *prefix;
    bool signs_json;           /* of a form body the text within payload= is signed, not the form */
    const char *const *pushes; /* events after which a ref may be another, NULL-ended */
    const char *const *pings;
    const char *const *urls; /* paths to an URL of the repository, in order */
    const char *full_name;   /* path; NULL: owner and name below `repository` */
    const char *host;        /* where a full name alone is one; NULL: nowhere */
    const char *host_header; /* of a server of one's own; NULL */
};

static const char *const github_pushes[] = {"push", "create", "delete", NULL};
static const char *const github_pings[] = {"ping", NULL};
static const char *const gitea_pushes[] = {"push", "create", "delete", NULL};
static const char *const gitlab_pushes[] = {"Push Hook", "Tag Push Hook", NULL};
static const char *const bitbucket_pushes[] = {"repo:push", NULL};
static const char *const bitbucket_dc_pushes[] = {"repo:refs_changed", "mirror:repo_synchronized",
                                                  NULL};
static const char *const bitbucket_pings[] = {"diagnostics:ping", NULL};
static const char *const no_events[] = {NULL};
static const char *const github_urls[] = {"repository.clone_url", "repository.html_url", NULL};
static const char *const gitlab_urls[] = {"project.git_http_url", "project.web_url", NULL};
static const char *const bitbucket_urls[] = {"repository.links.html.href", NULL};
static const char *const generic_urls[] = {"repository.url", "url", NULL};

static const struct sender senders[] = {
    [FL_HOOK_GENERIC_HMAC] = {.id = "x-delivery-id",
                              .signature = "x-signature",
                              .prefix = "sha256=",
                              .pushes = no_events,
                              .pings = no_events,
                              .urls = generic_urls},
    [FL_HOOK_GITHUB] = {.event = "x-github-event",
                        .id = "x-github-delivery",
                        .signature = "x-hub-signature-256",
                        .prefix = "sha256=",
                        .pushes = github_pushes,
                        .pings = github_pings,
                        .urls = github_urls,
                        .full_name = "repository.full_name",
                        .host = "github.com",
                        .host_header = "x-github-enterprise-host"},
    [FL_HOOK_GITLAB] = {.event = "x-gitlab-event",
                        .id = "webhook-id", /* with a signing token */
                        .id_or = "idempotency-key",
                        .signing = SIGN_TOKEN,
                        .signature = "x-gitlab-token",
                        .pushes = gitlab_pushes,
                        .pings = no_events,
                        .urls = gitlab_urls,
                        .full_name = "project.path_with_namespace"},
    [FL_HOOK_GITEA] = {.event = "x-gitea-event",
                       .id = "x-gitea-delivery",
                       .signature = "x-gitea-signature",
                       .newer = "x-forgejo-signature",
                       .prefix = "",
                       .signs_json = true,
                       .pushes = gitea_pushes,
                       .pings = no_events,
                       .urls = github_urls,
                       .full_name = "repository.full_name"},
    [FL_HOOK_GOGS] = {.event = "x-gogs-event",
                      .id = "x-gogs-delivery",
                      .signature = "x-gogs-signature",
                      .prefix = "",
                      .signs_json = true,
                      .pushes = gitea_pushes,
                      .pings = no_events,
                      .urls = github_urls,
                      .full_name = "repository.full_name"},
    [FL_HOOK_BITBUCKET] = {.event = "x-event-key",
                           .id = "x-request-uuid",
                           .signature = "x-hub-signature",
                           .prefix = "sha256=",
                           .pushes = bitbucket_pushes,
                           .pings = bitbucket_pings,
                           .urls = bitbucket_urls,
                           .full_name = "repository.full_name"},
    [FL_HOOK_BITBUCKET_SERVER] = {.event = "x-event-key",
                                  .id = "x-request-id",
                                  .signature = "x-hub-signature",
                                  .prefix = "sha256=",
                                  .pushes = bitbucket_dc_pushes,
                                  .pings = bitbucket_pings,
                                  .urls = no_events},
};

/* ---- headers ---- */

/* The one value of a header; twice is as good as never. */
static bool sender_header(const struct fl_request *req, const char *name, struct fl_str *ret)
{
    const char *found = NULL;
    for (size_t i = 0; i < req->n_headers; i++) {
        if (!fl_str_case_is(fl_str_of(req->headers[i].name), name)) {
            continue;
        }
        if (found) {
            return false;
        }
        found = req->headers[i].value;
    }
    *ret = fl_str_of(found);
    return found != NULL;
}

static bool sender_is_form(const struct fl_request *req)
{
    struct fl_str type;
    return sender_header(req, "content-type", &type) &&
           fl_str_starts(type, "application/x-www-form-urlencoded");
}

/* The JSON of a delivery: the body, or what stands in payload= of a form (decoded into b). */
static bool sender_json(const struct fl_request *req, struct fl_buf *b, struct fl_str *ret)
{
    *ret = req->body;
    if (sender_is_form(req)) {
        if (!fl_query_get(req->body, "payload", b)) {
            return false;
        }
        *ret = fl_buf_slice(b);
    }
    return true;
}

/* ---- signatures ---- */

static int sender_refused(struct fl_err *err)
{
    return fl_fail(err, FL_E_AUTH, "SignatureInvalid",
                   "the signature is missing or is not that of this receiver's secret");
}

static bool sender_hmac_is(const struct fl_secret *secret, struct fl_str bytes, struct fl_str said,
                           const char *prefix)
{
    unsigned char want[32];
    unsigned char got[32];
    if (!fl_str_starts(said, prefix)) {
        return false;
    }
    said.p += strlen(prefix);
    said.n -= strlen(prefix);
    if (!fl_hex_decode(said, got, sizeof(got))) {
        return false;
    }
    fl_hmac_sha256((struct fl_str){secret->p, secret->n}, bytes, want);
    return fl_const_eq((struct fl_str){(const char *)want, sizeof(want)},
                       (struct fl_str){(const char *)got, sizeof(got)});
}

/* Any of the space-separated "v1,<base64>" is the HMAC over "id.timestamp.body" (Standard Webhooks). */
static bool sender_standard_is(struct fl_str key, const struct fl_request *req, int64_t now_s)
{
    struct fl_str id;
    struct fl_str at;
    struct fl_str said;
    int64_t at_s = 0;
    if (!sender_header(req, "webhook-id", &id) || !sender_header(req, "webhook-timestamp", &at) ||
        !sender_header(req, "webhook-signature", &said) || id.n == 0 || !fl_num_i64(at, &at_s) ||
        at_s < now_s - SENDER_CLOCK_S || at_s > now_s + SENDER_CLOCK_S) {
        return false;
    }
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) want = FL_BUF_INIT(128);
    unsigned char mac[32];
    fl_buf_fmt(&text, "%.*s.%.*s.", FL_STR_ARG(id), FL_STR_ARG(at));
    fl_buf_str(&text, req->body);
    fl_hmac_sha256(key, fl_buf_slice(&text), mac);
    fl_buf_text(&want, "v1,");
    fl_base64_add(&want, mac, sizeof(mac));
    bool same = false;
    for (struct fl_str one; said.n > 0;) {
        (void)fl_str_cut(&said, ' ', &one);
        same |= fl_const_eq(one, fl_buf_slice(&want));
    }
    return same;
}

static int sender_verify_token(const struct fl_secret *secret, const struct sender *s,
                               const struct fl_request *req, int64_t now_s, struct fl_err *err)
{
    struct fl_str text = {secret->p, secret->n};
    struct fl_str said;
    if (!fl_str_starts(text, "whsec_")) {
        bool same = sender_header(req, s->signature, &said) && fl_const_eq(said, text);
        return same ? 0 : sender_refused(err);
    }
    text.p += strlen("whsec_");
    text.n -= strlen("whsec_");
    fl_auto_val(fl_buf) key = FL_BUF_INIT(1024);
    bool same = fl_base64_decode(&key, text) && key.len > 0 &&
                sender_standard_is(fl_buf_slice(&key), req, now_s);
    fl_buf_wipe(&key);
    return same ? 0 : sender_refused(err);
}

bool hook_seems_signed(enum fl_hook_type type, const struct fl_request *head)
{
    const struct sender *row = &senders[type];
    unsigned char mac[32];
    struct fl_str said;
    if (!sender_header(head, row->signature, &said) || !fl_str_starts(said, row->prefix)) {
        return false;
    }
    said.p += strlen(row->prefix);
    said.n -= strlen(row->prefix);
    return fl_hex_decode(said, mac, sizeof(mac));
}

int hook_verify(enum fl_hook_type type, const struct fl_secret *secret,
                const struct fl_request *req, int64_t now_s, struct fl_err *err)
{
    const struct sender *s = &senders[type];
    if (!secret->p || secret->n == 0) {
        return sender_refused(err);
    }
    if (s->signing == SIGN_TOKEN) {
        return sender_verify_token(secret, s, req, now_s, err);
    }
    const char *header = s->newer && fl_request_header(req, s->newer) ? s->newer : s->signature;
    struct fl_str said;
    fl_auto_val(fl_buf) form = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_str bytes = req->body;
    if (!sender_header(req, header, &said) || (s->signs_json && !sender_json(req, &form, &bytes)) ||
        !sender_hmac_is(secret, bytes, said, s->prefix)) {
        return sender_refused(err);
    }
    return 0;
}

/* ---- what it says ---- */

static bool sender_listed(const char *const *list, struct fl_str event)
{
    for (; *list; list++) {
        if (fl_str_is(event, *list)) {
            return true;
        }
    }
    return false;
}

static const char *sender_text(struct fl_arena *a, struct fl_str json, const char *path)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_GIT_URL_MAX);
    struct fl_str raw = fl_scan_path(json, path);
    if (raw.n == 0 || !fl_scan_text(raw, &b) || fl_buf_finish(&b, "text", NULL) < 0 || b.len == 0 ||
        !fl_str_printable(fl_buf_slice(&b))) {
        return NULL;
    }
    return fl_arena_text(a, b.data);
}

static const char *sender_place_of(struct fl_arena *a, const char *url)
{
    struct fl_git_url u;
    if (!url || fl_git_url_parse(fl_str_of(url), &u, NULL) < 0) {
        return NULL;
    }
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_GIT_URL_MAX);
    fl_git_url_place(&b, &u);
    return fl_arena_text(a, b.data);
}

/* Data Center has no plain URL: the first of repository.links.clone that is one. */
static const char *sender_clone_link(struct fl_arena *a, struct fl_str json)
{
    struct fl_str links = fl_scan_path(json, "repository.links.clone");
    struct fl_str key;
    struct fl_str link;
    for (size_t at = 0; fl_scan_next(links, &at, &key, &link);) {
        const char *place = sender_place_of(a, sender_text(a, link, "href"));
        if (place) {
            return place;
        }
    }
    return NULL;
}

/* R20: owner.login, or owner.name, and name; where there is no full name, or it is none. */
static const char *sender_full_name(const struct sender *s, struct fl_arena *a, struct fl_str json)
{
    const char *owner = sender_text(a, json, "repository.owner.login");
    owner = owner ? owner : sender_text(a, json, "repository.owner.name");
    const char *name = sender_text(a, json, "repository.name");
    if (owner && name) {
        return fl_arena_fmt(a, "%s/%s", owner, name);
    }
    return s->full_name ? sender_text(a, json, s->full_name) : NULL;
}

/* A body without URLs: "owner/name" at the sender's host. */
static const char *sender_named_place(const struct sender *s, const struct fl_request *req,
                                      struct fl_arena *a, const char *full_name)
{
    struct fl_str host = {NULL, 0};
    struct fl_str owner;
    struct fl_str name = fl_str_of(full_name);
    if (!s->host || !fl_str_cut(&name, '/', &owner) || owner.n == 0 || name.n == 0) {
        return NULL;
    }
    if (!sender_header(req, s->host_header, &host) || host.n == 0) {
        host = fl_str_of(s->host);
    }
    return sender_place_of(a, fl_arena_fmt(a, "https://%.*s/%s", FL_STR_ARG(host), full_name));
}

static void sender_repository(const struct sender *s, const struct fl_request *req,
                              struct fl_arena *a, struct fl_str json, struct hook_delivery *d)
{
    for (const char *const *path = s->urls; *path && !d->place; path++) {
        d->place = sender_place_of(a, sender_text(a, json, *path));
    }
    if (!d->place) {
        d->place = sender_clone_link(a, json);
    }
    d->full_name = sender_full_name(s, a, json);
    if (!d->place) {
        d->place = sender_named_place(s, req, a, d->full_name);
    }
}

int hook_parse(enum fl_hook_type type, const struct fl_request *req, struct fl_arena *a,
               struct hook_delivery *ret, struct fl_err *err)
{
    const struct sender *s = &senders[type];
    struct fl_str id = {NULL, 0};
    struct fl_str event = {NULL, 0};
    struct fl_str json;
    struct hook_delivery d = {.verdict = HOOK_OTHER};
    if (!sender_header(req, s->id, &id) && s->id_or) {
        (void)sender_header(req, s->id_or, &id);
    }
    if (s->event) {
        (void)sender_header(req, s->event, &event);
    }
    d.id = fl_arena_str(a, id);
    d.event = fl_arena_str(a, event);
    if (!s->event || sender_listed(s->pushes, event)) {
        d.verdict = HOOK_PUSH;
    } else if (sender_listed(s->pings, event)) {
        d.verdict = HOOK_PING;
    }
    fl_auto_val(fl_buf) form = FL_BUF_INIT(FL_BUF_ANY);
    if (!sender_json(req, &form, &json)) {
        return fl_fail(err, FL_E_BAD_DATA, "BodyInvalid", "the form has no payload=");
    }
    /* a generic sender may say nothing but "look" */
    if (json.n > 0 || s->event) {
        if (fl_json_check(json, err) < 0) {
            return fl_wrap(err, "the body is no JSON");
        }
        sender_repository(s, req, a, json, &d);
    }
    *ret = d;
    return 0;
}
