/* SPDX-License-Identifier: Apache-2.0
 * packed-refs, as another program or a broken disk may have left it: what is read is sorted,
 * unique, names and ids are valid, and written again it reads the same. The first byte says
 * which hash. */
#include "remote/git/repo_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct fl_git_refs *refs, size_t oid_len)
{
    for (size_t i = 0; i < refs->n; i++) {
        fl_assert(fl_git_ref_check(fl_str_of(refs->v[i].name)) == NULL);
        fl_assert(fl_git_oid_valid(fl_str_of(refs->v[i].oid)));
        fl_assert(strlen(refs->v[i].oid) == oid_len);
        fl_assert(i == 0 || strcmp(refs->v[i - 1].name, refs->v[i].name) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    size_t oid_len = data[0] & 1 ? 64 : 40;
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_git_refs refs = {0};
    char *text = fl_arena_str(a, (struct fl_str){(const char *)data + 1, size - 1});
    if (git_packed_refs_parse(text, size - 1, oid_len, a, &refs, NULL)) {
        return 0;
    }
    check(&refs, oid_len);
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    for (size_t i = 0; i < refs.n; i++) {
        fl_buf_fmt(&b, "%s %s\n", refs.v[i].oid, refs.v[i].name);
    }
    struct fl_git_refs again = {0};
    fl_assert(git_packed_refs_parse(fl_arena_str(a, fl_buf_slice(&b)), b.len, oid_len, a, &again,
                                    NULL) == 0);
    fl_assert(again.n == refs.n);
    return 0;
}
