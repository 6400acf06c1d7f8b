/* SPDX-License-Identifier: Apache-2.0
 * Input: an answer to ls-refs, read as each of the formats that lists take beside v0. */
#include "fuzz/git_refs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fl_str s = {(const char *)data, size};
    for (size_t i = 0; i < FL_LEN(fuzz_filters); i++) {
        const struct fl_ref_filter *f = &fuzz_filters[i];
        fl_auto(fl_arena) a = fl_arena_new();
        struct git_caps caps = {.v2 = true, .ls_refs = true};
        struct fl_git_refs r = {0};
        if (git_ls_refs_parse(s, &caps, f, a, &r, NULL) == 0) {
            fl_assert(size >= 4 && memcmp(data + size - 4, "0000", 4) == 0);
            fuzz_check(&r, f);
        }
        caps.sha256 = true;
        if (git_ls_refs_parse(s, &caps, f, a, &r, NULL) == 0) {
            fuzz_check(&r, f);
        }
        if (git_dumb_parse(s, s, f, a, &r, NULL) == 0) {
            fl_assert(size > 0 && data[size - 1] == '\n');
            fuzz_check(&r, f);
        }
        if (git_ls_remote_parse(s, f, a, &r, NULL) == 0) {
            fuzz_check(&r, f);
        }
    }
    return 0;
}
