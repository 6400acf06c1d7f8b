/* SPDX-License-Identifier: Apache-2.0 */
#include "reconcile/mapping.h"

#include "api/meta/oci_names.h"
#include "base/glob.h"
#include "base/text.h"

#define MAPPING_NAME_MAX 253u /* of an object: RFC 1123 subdomain, base/names.h */
#define MAPPING_NUMBER 20u    /* "-" and the digits of an int64 */
#define MAPPING_HASH 17u      /* "-" and 64 bits */

static bool mapping_any(const struct fl_list *globs, struct fl_str name)
{
    const char *const *v = globs->v;
    for (size_t i = 0; i < globs->n; i++) {
        if (fl_glob_match(fl_str_of(v[i]), name)) {
            return true;
        }
    }
    return false;
}

bool fl_filter_admits(const struct fl_filter *f, struct fl_str name)
{
    if (!f) {
        return true;
    }
    if (f->include.n && !mapping_any(&f->include, name)) {
        return false;
    }
    return !mapping_any(&f->exclude, name);
}

bool fl_filter_literal(const struct fl_filter *f)
{
    if (!f || f->include.n == 0) {
        return false;
    }
    const char *const *v = f->include.v;
    for (size_t i = 0; i < f->include.n; i++) {
        if (v[i][0] == '\0' || !fl_glob_literal(fl_str_of(v[i]))) {
            return false;
        }
    }
    return true;
}

int fl_map_repository(const struct fl_policy_destination *d, const char *source, struct fl_arena *a,
                      const char **ret, struct fl_err *err)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    int x = fl_oci_map_repository(fl_str_of(source), fl_str_of(d->namespace_),
                                  d->namespace_replace_count, &b, err);
    if (x < 0) {
        return x;
    }
    const char *wrong = fl_oci_repository_wrong(fl_buf_slice(&b));
    if (wrong) {
        return fl_fail(err, FL_E_INVALID, "MappingImpossible", "'%s' maps to '%s', which %s",
                       source, b.data, wrong);
    }
    *ret = fl_arena_str(a, fl_buf_slice(&b));
    return 0;
}

const char *fl_map_run_stem(struct fl_str policy, struct fl_arena *a)
{
    size_t n = MAPPING_NAME_MAX - MAPPING_NUMBER;
    if (policy.n <= n) {
        return fl_arena_str(a, policy);
    }
    n -= MAPPING_HASH;
    while (n > 0 && (policy.p[n - 1] == '.' || policy.p[n - 1] == '-')) {
        n--; /* a label ends in a letter or digit: "a.-b" is no name */
    }
    return fl_arena_fmt(a, "%.*s-%016llx", (int)n, policy.p,
                        (unsigned long long)fl_hash_stable(policy.p, policy.n));
}
