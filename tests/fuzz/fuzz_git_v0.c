/* SPDX-License-Identifier: Apache-2.0
 * Input: an advertisement, of v2 or v0. What is a v0 list must not be v2 capabilities, and a list ended as it must. */
#include "fuzz/git_refs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const services[] = {"git-upload-pack", "git-receive-pack"};
    struct fl_str s = {(const char *)data, size};
    struct git_caps caps = {0};
    bool v0 = false;
    bool known = git_caps_parse(s, &caps, &v0, NULL) == 0;
    fl_assert(!known || caps.v2 != v0);
    for (size_t i = 0; i < FL_LEN(fuzz_filters); i++) {
        const struct fl_ref_filter *f = &fuzz_filters[i];
        fl_auto(fl_arena) a = fl_arena_new();
        for (size_t k = 0; k < FL_LEN(services); k++) {
            struct fl_git_refs r = {0};
            bool sha256 = false;
            if (git_v0_parse(s, services[k], f, a, &r, &sha256, NULL) == 0) {
                fl_assert(memcmp(data + size - 4, "0000", 4) == 0);
                fl_assert(!known || v0);
                fuzz_check(&r, f);
                fl_assert(r.n == 0 || strlen(r.v[0].oid) == (sha256 ? 64U : 40U));
            }
        }
    }
    return 0;
}
