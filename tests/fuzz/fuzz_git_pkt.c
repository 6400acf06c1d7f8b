/* SPDX-License-Identifier: Apache-2.0
 * Input: packets one after the other, and output of `git push --porcelain`. Each step takes at least four bytes, lines lie
 * within the input, and what was read can be written again. */
#include "base/mem.h"
#include "remote/git/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_packets(struct fl_str all)
{
    struct fl_str rest = all;
    struct fl_err err = FL_ERR_INIT;
    enum git_pkt kind;
    struct fl_str line;
    for (;;) {
        size_t before = rest.n;
        if (git_pkt_next(&rest, &kind, &line, &err) < 0) {
            fl_assert(err.code != 0);
            return;
        }
        fl_assert(before - rest.n >= 4);
        fl_assert(rest.p + rest.n == all.p + all.n);
        fl_assert(kind == GIT_PKT_DATA || line.n == 0);
        fl_assert(line.n == 0 || (line.p >= all.p && line.p + line.n <= rest.p));
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        if (kind != GIT_PKT_DATA) {
            git_pkt_special(&b, kind);
            fl_assert(b.len == 4 && memcmp(b.data, rest.p - 4, 4) == 0);
        }
    }
}

static void check_push(struct fl_str out)
{
    static const struct fl_ref_move moves[] = {
        {.name = "refs/heads/main"}, {.name = "refs/heads/x"}, {.name = "refs/tags/v1"}};
    static const struct fl_push_want want = {.v = moves, .n = FL_LEN(moves)};
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_push_ref *v = NULL;
    struct fl_err err = FL_ERR_INIT;
    if (git_push_parse(out, &want, a, &v, &err) == 0) {
        for (size_t i = 0; i < FL_LEN(moves); i++) {
            fl_assert(fl_text_eq(v[i].name, moves[i].name));
            fl_assert((v[i].outcome == FL_PUSH_REJECTED) == (v[i].why != NULL));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fl_str s = {(const char *)data, size};
    check_packets(s);
    check_push(s);
    return 0;
}
