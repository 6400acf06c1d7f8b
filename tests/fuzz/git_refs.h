/* SPDX-License-Identifier: Apache-2.0
 * What must hold of every list of refs, whatever it was read from. */
#ifndef FL_FUZZ_GIT_REFS_H
#define FL_FUZZ_GIT_REFS_H

#include "base/mem.h"
#include "remote/git/wire.h"

static const char *const fuzz_include[] = {"refs/heads/**", "refs/tags/*", "refs/x/{a,b}"};
static const char *const fuzz_exclude[] = {"refs/heads/no/**"};
static const struct fl_ref_filter fuzz_filters[] = {
    {.include = fuzz_include, .n_include = 1, .max_refs = 1000},
    {.include = fuzz_include,
     .n_include = 3,
     .exclude = fuzz_exclude,
     .n_exclude = 1,
     .max_refs = 3},
};

static inline void fuzz_check(const struct fl_git_refs *r, const struct fl_ref_filter *f)
{
    fl_assert(r->n <= (size_t)f->max_refs);
    for (size_t i = 0; i < r->n; i++) {
        struct fl_str name = fl_str_of(r->v[i].name);
        fl_assert(!fl_git_ref_check(name) && fl_str_starts(name, "refs/"));
        fl_assert(fl_ref_filter_admits(f, name));
        fl_assert(fl_git_oid_valid(fl_str_of(r->v[i].oid)));
        fl_assert(!fl_git_oid_zero(fl_str_of(r->v[i].oid)));
        fl_assert(i == 0 || strcmp(r->v[i - 1].name, r->v[i].name) < 0);
    }
    fl_assert(!r->head || !fl_git_ref_check(fl_str_of(r->head)));
}

#endif
