/* SPDX-License-Identifier: Apache-2.0
 * Probing and listing: ping, catalog, tags. registry.md 2, 9. */
#include "api/meta/oci_names.h"
#include "base/map.h"
#include "base/url.h"
#include "oci/oci_priv.h"
#include "wire/httphead.h"
#include "wire/json.h"

#define LIST_ASKED_TEXT "1000"
#define LIST_ASKED 1000 /* entries of a page; registries give fewer or more as they like */
#define LIST_PAGE_MAX ((size_t)16 << 20)
#define LIST_PAGES_MAX 2000
#define LIST_ITEMS_MAX 1000000

/* ---- ping -------------------------------------------------------------------------------------------------------- */

static int oci_ping(struct fl_oci *o, const struct fl_ctx *ctx, struct fl_err *err)
{
    const struct fl_oci_req req = {.method = "GET", .path = "", .max_redirects = 3};
    fl_auto_val(fl_http_resp) r;
    fl_http_resp_init(&r);
    int x = fl_oci_do(o, ctx, &req, &r, err);
    if (x < 0) {
        return x;
    }
    if (r.status == 404) {
        return fl_fail_http(
            err, FL_E_INVALID, r.status, -1, "NotARegistry",
            "%s answers 404 to /v2/: it is no OCI registry, or spec.url lacks a path", o->origin);
    }
    if (r.status != 200) {
        return fl_oci_fail(o, ctx, &r, "ping", err);
    }
    if (fl_str_case_is(fl_media_type(fl_http_header(&r, "content-type", 0)), "text/html")) {
        return fl_fail_http(
            err, FL_E_BAD_DATA, r.status, -1, "NotARegistry",
            "%s answers /v2/ with a web page: a login page or proxy stands before the registry",
            o->origin);
    }
    return 0;
}

int fl_oci_probe(struct fl_oci *o, const struct fl_ctx *ctx, struct fl_registry_probe *ret,
                 struct fl_err *err)
{
    int x = oci_ping(o, ctx, err);
    if (x < 0) {
        return x;
    }
    const struct fl_oci_req req = {.method = "GET",
                                   .path = "_catalog?n=1",
                                   .scope = "registry:catalog:*",
                                   .body_cap = LIST_PAGE_MAX};
    fl_auto_val(fl_http_resp) r;
    fl_http_resp_init(&r);
    struct fl_err ignored =
        FL_ERR_INIT; /* a registry that lists nothing is a registry all the same */
    x = fl_oci_do(o, ctx, &req, &r, &ignored);
    if (x == FL_E_CANCELED) {
        *err = ignored;
        return x;
    }
    ret->catalog = x == 0 && r.status == 200;
    ret->auth = fl_oci_auth(o);
    ret->referrers = false;
    ret->listing_digests = false;
    return 0;
}

/* ---- pages ------------------------------------------------------------------------------------------------------- */

struct oci_listing {
    struct fl_oci *o;
    struct fl_arena *a;
    const char *what;   /* for messages */
    const char *member; /* "tags" */
    const char *scope;
    const char *first; /* path of the first page */
    bool (*valid)(struct fl_str s);
    const char **v;
    size_t n;
    struct fl_map *seen; /* valid or not */
    int refused;         /* status of the page that was none; 0 */
};

struct oci_page {
    size_t n;     /* entries */
    size_t fresh; /* that no page before had */
    const char *last;
};

static int oci_take_page(struct oci_listing *l, const struct fl_http_resp *r, struct oci_page *ret,
                         struct fl_err *err)
{
    fl_auto(fl_json) j = NULL;
    int x = fl_json_parse(fl_buf_slice(&r->body), LIST_PAGE_MAX, &j, err);
    if (x < 0) {
        return fl_fail(err, FL_E_BAD_DATA, "ListInvalid", "%s: %s: the answer is not JSON",
                       l->o->origin, l->what);
    }
    const struct fl_json *list = fl_json_get(j, l->member);
    if (!fl_json_is(list, FL_JSON_ARRAY) && !fl_json_is(list, FL_JSON_NULL)) {
        return fl_fail(err, FL_E_BAD_DATA, "ListInvalid", "%s: %s: the answer has no list of %s",
                       l->o->origin, l->what, l->member);
    }
    ret->n = fl_json_len(list);
    for (size_t i = 0; i < ret->n; i++) {
        struct fl_str s;
        if (!fl_json_as_str(fl_json_at(list, i), &s)) {
            return fl_fail(err, FL_E_BAD_DATA, "ListInvalid", "%s: %s: entry %zu is not a text",
                           l->o->origin, l->what, i);
        }
        ret->last = i + 1 == ret->n ? fl_arena_str(l->a, s) : NULL;
        if (fl_map_get(l->seen, s)) {
            continue;
        }
        fl_map_set(l->seen, s, l);
        ret->fresh++;
        /* What is outside the grammar cannot be asked for either, so it does not spoil the rest. */
        if (!l->valid(s)) {
            continue;
        }
        if (l->n >= LIST_ITEMS_MAX) {
            return fl_fail(err, FL_E_TOO_BIG, "ListTooLong", "%s: %s: more than %d entries",
                           l->o->origin, l->what, LIST_ITEMS_MAX);
        }
        l->v = fl_arena_grow(l->a, l->v, l->n, sizeof(*l->v));
        l->v[l->n++] = fl_arena_str(l->a, s);
    }
    return 0;
}

/* The next page's URL by Link, of the registry itself only; empty = the end. */
static int oci_next_page(struct oci_listing *l, const struct fl_http_resp *r, struct fl_buf *next,
                         struct fl_err *err)
{
    fl_buf_clear(next);
    struct fl_str link = fl_link_next(fl_http_header(r, "link", 0));
    if (link.n == 0) {
        return 0;
    }
    int x = fl_url_resolve(next, fl_str_of(r->url), link, err);
    if (x < 0) {
        return fl_wrap(err, "%s: %s: Link", l->o->origin, l->what);
    }
    struct fl_url a;
    struct fl_url b;
    if (fl_url_parse(fl_buf_slice(next), &a, err) < 0 ||
        fl_url_parse(fl_str_of(l->o->base), &b, err) < 0 || !fl_url_same_origin(&a, &b)) {
        return fl_fail(err, FL_E_BAD_DATA, "ListInvalid",
                       "%s: %s: the next page is on another host", l->o->origin, l->what);
    }
    return 0;
}

static int oci_list_cmp(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int oci_read_pages(struct oci_listing *l, const struct fl_ctx *ctx, struct fl_err *err)
{
    fl_auto_val(fl_buf) next = FL_BUF_INIT(FL_URL_MAX);
    bool guessed = false; /* this page was not named by a Link */
    for (int page = 0; page < LIST_PAGES_MAX; page++) {
        const struct fl_oci_req req = {
            .method = "GET",
            .path = l->first,
            .url = page ? next.data : NULL,
            .scope = l->scope,
            .body_cap = LIST_PAGE_MAX,
            .max_redirects = 3,
        };
        fl_auto_val(fl_http_resp) r;
        fl_http_resp_init(&r);
        int x = fl_oci_do(l->o, ctx, &req, &r, err);
        if (x < 0) {
            return fl_wrap(err, "%s", l->what);
        }
        if (r.status != 200) {
            l->refused = r.status;
            return fl_oci_fail(l->o, ctx, &r, l->what, err);
        }
        struct oci_page got = {0};
        x = oci_take_page(l, &r, &got, err);
        if (x == 0) {
            x = oci_next_page(l, &r, &next, err);
        }
        if (x < 0) {
            return x;
        }
        bool again = got.n > 0 && got.fresh == 0;
        if (again && !guessed) {
            return fl_fail(err, FL_E_BAD_DATA, "ListInvalid", "%s: %s: its pages go in circles",
                           l->o->origin, l->what);
        }
        guessed = next.len == 0;
        /* Some registries page without saying so; those that do not page send all again. registry.md 9 */
        if (guessed && (again || got.n != LIST_ASKED)) {
            if (l->n) {
                qsort(l->v, l->n, sizeof(*l->v), oci_list_cmp);
            }
            return 0;
        }
        if (guessed) {
            fl_buf_fmt(&next, "%s%s&last=", l->o->base, l->first);
            fl_buf_url(&next, fl_str_of(got.last), "/");
        }
    }
    return fl_fail(err, FL_E_TOO_BIG, "ListTooLong", "%s: %s: more than %d pages", l->o->origin,
                   l->what, LIST_PAGES_MAX);
}

static int oci_list(struct oci_listing *l, const struct fl_ctx *ctx, struct fl_err *err)
{
    l->seen = fl_map_new(NULL);
    int x = oci_read_pages(l, ctx, err);
    fl_map_free(l->seen);
    return x;
}

static bool oci_valid_repo(struct fl_str s)
{
    return !fl_oci_repository_wrong(s);
}

static bool oci_valid_tag(struct fl_str s)
{
    return !fl_oci_tag_wrong(s);
}

/* The credentials were good enough for a token: then it is the catalog that is not for us. */
static bool oci_no_catalog(struct fl_oci *o, int status)
{
    return status == 400 || status == 403 || status == 404 || status == 405 ||
           (status == 401 && fl_oci_auth(o) == FL_AUTH_BEARER);
}

int fl_oci_list_repositories(struct fl_oci *o, const struct fl_ctx *ctx, struct fl_arena *a,
                             const char *const **ret, size_t *ret_n, struct fl_err *err)
{
    struct oci_listing l = {
        .o = o,
        .a = a,
        .what = "catalog",
        .member = "repositories",
        .scope = "registry:catalog:*",
        .first = "_catalog?n=" LIST_ASKED_TEXT,
        .valid = oci_valid_repo,
    };
    int x = oci_list(&l, ctx, err);
    if (x < 0 && oci_no_catalog(o, l.refused)) {
        return fl_fail_http(err, FL_E_UNSUPPORTED, err->http_status, -1, "NoCatalog",
                            "%s does not list its repositories (HTTP %d): name them without "
                            "wildcards in spec.repositories",
                            o->origin, err->http_status);
    }
    if (x < 0) {
        return x;
    }
    *ret = l.v;
    *ret_n = l.n;
    return 0;
}

int fl_oci_list_tags(struct fl_oci *o, const struct fl_ctx *ctx, struct fl_arena *a,
                     const char *repo, struct fl_tag **ret, size_t *ret_n, struct fl_err *err)
{
    struct oci_listing l = {
        .o = o,
        .a = a,
        .what = fl_arena_fmt(a, "tags of %s", repo),
        .member = "tags",
        .scope = oci_scope(o, a, repo, false),
        .first = fl_arena_fmt(a, "%s/tags/list?n=" LIST_ASKED_TEXT, oci_repo(o, a, repo)),
        .valid = oci_valid_tag,
    };
    int x = oci_list(&l, ctx, err);
    if (x < 0) {
        return x;
    }
    struct fl_tag *tags = fl_arena_array(a, l.n ? l.n : 1, sizeof(*tags));
    for (size_t i = 0; i < l.n; i++) {
        tags[i].name = l.v[i];
    }
    *ret = tags;
    *ret_n = l.n;
    return 0;
}
