/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/route.h"

#include "api/scheme.h"
#include "base/url.h"

#define SEGMENTS_MAX 10

/* The decoded segments of a path; 0: too many, empty ones in between, or a bad escape. */
static size_t split(struct fl_arena *a, struct fl_str path, struct fl_str ret[SEGMENTS_MAX])
{
    struct fl_str head;
    size_t n = 0;
    if (path.n > 0 && path.p[path.n - 1] == '/') {
        path.n--;
    }
    (void)fl_str_cut(&path, '/', &head);
    bool more = path.n > 0;
    while (more) {
        more = fl_str_cut(&path, '/', &head);
        fl_auto_val(fl_buf) text = FL_BUF_INIT(4096);
        if (n == SEGMENTS_MAX || head.n == 0 || !fl_percent_decode(&text, head, false) ||
            text.len == 0) {
            return 0;
        }
        ret[n++] = (struct fl_str){fl_arena_str(a, fl_buf_slice(&text)), text.len};
    }
    return n;
}

static bool sub_of(const struct fl_kind *k, struct fl_str name, enum fl_sub *ret)
{
    if (fl_str_is(name, "status") && (k->flags & FL_KIND_STATUS)) {
        *ret = FL_SUB_STATUS;
        return true;
    }
    if (fl_str_is(name, "finalize") && k == &fl_kind_namespace) {
        *ret = FL_SUB_FINALIZE;
        return true;
    }
    return false;
}

/* <plural>[/<name>[/<sub>]] */
static bool resource(const struct fl_str *seg, size_t n, struct fl_str group, struct fl_str version,
                     struct fl_route *ret)
{
    ret->kind = n >= 1 && n <= 3 ? fl_scheme_by_plural(group, version, seg[0]) : NULL;
    if (!ret->kind) {
        return false;
    }
    ret->name = n > 1 ? seg[1] : FL_STR("");
    return n < 3 || sub_of(ret->kind, seg[2], &ret->sub);
}

/* What follows the version. */
static bool scoped(const struct fl_str *seg, size_t n, struct fl_str group, struct fl_str version,
                   struct fl_route *ret)
{
    enum fl_sub sub;
    bool in_namespace = n >= 3 && fl_str_is(seg[0], "namespaces");
    if (in_namespace && group.n == 0 && n == 3 && sub_of(&fl_kind_namespace, seg[2], &sub)) {
        in_namespace = false; /* the namespace itself */
    }
    if (!in_namespace) {
        /* A namespaced kind outside a namespace is listed across all of them; its objects have no path there. */
        return resource(seg, n, group, version, ret) && (!ret->kind->namespaced || n == 1);
    }
    ret->ns = seg[1];
    return resource(seg + 2, n - 2, group, version, ret) && ret->kind->namespaced;
}

bool fl_route_parse(struct fl_arena *a, struct fl_str path, struct fl_route *ret)
{
    struct fl_str seg[SEGMENTS_MAX];
    size_t n = split(a, path, seg);
    struct fl_str group = FL_STR(""), version;
    size_t at;
    *ret = (struct fl_route){.kind = NULL};
    if (n >= 3 && fl_str_is(seg[0], "api")) {
        version = seg[1];
        at = 2;
    } else if (n >= 4 && fl_str_is(seg[0], "apis")) {
        group = seg[1];
        version = seg[2];
        at = 3;
    } else {
        return false;
    }
    if (fl_str_is(seg[at], "watch") && n > at + 1) {
        ret->watch = true;
        at++;
    }
    return scoped(seg + at, n - at, group, version, ret);
}
