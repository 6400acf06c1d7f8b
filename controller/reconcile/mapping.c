/* SPDX-License-Identifier: Apache-2.0 */
#include "reconcile/mapping.h"

#include "base/glob.h"

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
    if (!d->namespace_ || d->namespace_[0] == '\0') {
        *ret = fl_arena_text(a, source);
        return 0;
    }
    if (d->namespace_replace_count < 0) {
        const char *last = strrchr(source, '/');
        *ret = fl_arena_fmt(a, "%s/%s", d->namespace_, last ? last + 1 : source);
        return 0;
    }
    const char *rest = source;
    for (int64_t i = 0; i < d->namespace_replace_count; i++) {
        const char *slash = strchr(rest, '/');
        if (!slash) {
            return fl_fail(err, FL_E_INVALID, "MappingImpossible",
                           "repository '%s' has %lld components before its last one, but "
                           "spec.destination.namespaceReplaceCount is %lld: lower it or narrow "
                           "spec.repositories",
                           source, (long long)i, (long long)d->namespace_replace_count);
        }
        rest = slash + 1;
    }
    *ret = fl_arena_fmt(a, "%s/%s", d->namespace_, rest);
    return 0;
}
