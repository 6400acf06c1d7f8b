/* SPDX-License-Identifier: Apache-2.0
 * Input: a header value, read as challenges, Link, media type and Accept. What comes out lies within the input and
 * within the caps. */
#include "base/arena.h"
#include "wire/httphead.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool within(struct fl_str part, struct fl_str whole)
{
    return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static bool lower_word(const char *s)
{
    for (const char *c = s; *c; c++) {
        if (*c <= ' ' || *c == ',' || *c == '"' || (*c >= 'A' && *c <= 'Z')) {
            return false;
        }
    }
    return *s != '\0';
}

static void check_params(const struct fl_auth_param *p, size_t n)
{
    fl_assert(n <= 32);
    for (size_t i = 0; i < n; i++) {
        fl_assert(lower_word(p[i].name) && p[i].value);
    }
}

static void check_challenges(struct fl_arena *a, struct fl_str s)
{
    struct fl_challenge *c = NULL;
    size_t n = fl_challenges_parse(a, s, &c);
    fl_assert(n <= 16);
    for (size_t i = 0; i < n; i++) {
        fl_assert(lower_word(c[i].scheme));
        fl_assert(!c[i].token68 || c[i].n_params == 0);
        check_params(c[i].params, c[i].n_params);
        (void)fl_challenge_param(&c[i], "realm");
    }
}

static void check_accept(struct fl_arena *a, struct fl_str s)
{
    struct fl_accept *c = NULL;
    size_t n = fl_accept_parse(a, s, &c);
    fl_assert(n <= 32);
    for (size_t i = 0; i < n; i++) {
        fl_assert(c[i].type.n > 0 && within(c[i].type, s));
        check_params(c[i].params, c[i].n_params);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fl_str s = {(const char *)data, size};
    fl_auto(fl_arena) a = fl_arena_new();
    check_challenges(a, s);
    check_accept(a, s);
    struct fl_str next = fl_link_next(s);
    fl_assert(within(next, s) && (next.n == 0 || !memchr(next.p, '>', next.n)));
    fl_assert(within(fl_media_type(s), s));
    return 0;
}
