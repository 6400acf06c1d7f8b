/* SPDX-License-Identifier: Apache-2.0
 * Input: a URL, a newline, a reference to resolve against it. What is accepted must stay what it
 * is: its origin is a URL of the same origin, and what was resolved can be parsed. The texts are
 * also redacted and decoded. */
#include "base/log.h"
#include "base/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_origin(const struct fl_url *u)
{
    fl_auto_val(fl_buf) origin = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_url again;
    fl_url_origin(&origin, u);
    fl_assert(fl_url_parse(fl_buf_slice(&origin), &again, NULL) == 0);
    fl_assert(fl_url_same_origin(u, &again));
    fl_assert(again.path.n == 0 && again.query.n == 0);
}

static void check_resolve(struct fl_str base, struct fl_str ref)
{
    fl_auto_val(fl_buf) target = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_err err = FL_ERR_INIT;
    struct fl_url u;
    if (fl_url_resolve(&target, base, ref, &err) == 0) {
        fl_assert(fl_url_parse(fl_buf_slice(&target), &u, NULL) == 0);
    } else {
        fl_assert(target.len == 0 && err.code == FL_E_INVALID);
    }
}

static void check_encoding(struct fl_str text)
{
    fl_auto_val(fl_buf) coded = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) plain = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_url(&coded, text, "/");
    fl_assert(fl_percent_decode(&plain, fl_buf_slice(&coded), true));
    fl_assert(fl_str_eq(fl_buf_slice(&plain), text));
    fl_buf_clear(&plain);
    (void)fl_percent_decode(&plain, text, false);
    (void)fl_query_get(text, "n", &plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fl_str ref = {(const char *)data, size};
    struct fl_str base;
    struct fl_url u;
    fl_auto_val(fl_buf) redacted = FL_BUF_INIT(FL_BUF_ANY);
    fl_redact(&redacted, ref);
    (void)fl_str_cut(&ref, '\n', &base);
    if (fl_url_parse(base, &u, NULL) == 0) {
        check_origin(&u);
    }
    check_resolve(base, ref);
    check_encoding(ref);
    return 0;
}
