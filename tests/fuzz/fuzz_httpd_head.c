/* SPDX-License-Identifier: Apache-2.0
 * The checks of a request's head: lines are method, target, version, then "name:value". What passes keeps the promises
 * that handlers rely on. */
#include "base/arena.h"
#include "wire/httpd_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char *next_line(struct fl_str *text, struct fl_arena *a)
{
    struct fl_str line;

    (void)fl_str_cut(text, '\n', &line);
    return fl_arena_str(a, line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_str text = {(const char *)data, n};
    struct fl_header headers[HTTPD_HEADERS_MAX];
    struct httpd_head head = {.headers = headers};
    struct httpd_said said;
    const char *why = NULL;
    int status;

    head.method = next_line(&text, a);
    head.uri = fl_str_of(next_line(&text, a));
    head.version = next_line(&text, a);
    while (text.n > 0 && head.n_headers < HTTPD_HEADERS_MAX) {
        struct fl_str value = fl_str_of(next_line(&text, a));
        struct fl_str name;

        (void)fl_str_cut(&value, ':', &name);
        headers[head.n_headers++] =
            (struct fl_header){fl_arena_str(a, name), fl_arena_str(a, value)};
    }
    status = httpd_head_check(&head, &said, &why);
    if (status) {
        fl_assert(status >= 400 && status < 600 && why);
        return 0;
    }
    fl_assert(said.path.n > 0 && said.path.p[0] == '/' && said.content_length >= -1);
    fl_assert(fl_str_printable(said.path) && fl_str_printable(said.query));
    return 0;
}
