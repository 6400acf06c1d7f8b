/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/serve.h"

static void test_serve__request_header_is_case_blind_and_first_wins(void **state)
{
    static const struct fl_header headers[] = {
        {"Host", "a"}, {"ACCEPT", "b"}, {"accept", "c"}, {"X-Empty", ""}};
    static const struct {
        const char *name, *want;
    } rows[] = {
        {"host", "a"},    {"Accept", "b"}, {"x-empty", ""},
        {"X-None", NULL}, {"Hos", NULL},   {"", NULL},
    };
    const struct fl_request req = {.headers = headers, .n_headers = FL_LEN(headers)};

    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        const char *got = fl_request_header(&req, rows[i].name);

        if (!fl_text_eq(got, rows[i].want)) {
            fail_msg("%s: got %s", rows[i].name, got ? got : "nothing");
        }
    }
}

struct counted_feed {
    struct fl_feed feed;
    int closed;
};

static void counted_close(struct fl_feed *f)
{
    fl_container_of(f, struct counted_feed, feed)->closed++;
}

static void test_serve__release_drops_each_kind_of_body_once(void **state)
{
    static const struct fl_feed_ops ops = {.close = counted_close};
    struct counted_feed feed = {.feed = {.ops = &ops}};
    fl_auto(fl_shared) shared = fl_shared_new(FL_STR("shared"));
    struct fl_response res;

    (void)state;
    fl_response_init(&res, 10);
    assert_int_equal(res.status, 500);
    fl_buf_text(&res.body, "ten bytes.");
    fl_buf_text(&res.body, "more");
    assert_int_equal(res.body.len, 10);
    fl_response_header(&res, "A", "1");
    assert_int_equal(res.n_headers, 1);
    res.shared = fl_shared_ref(shared);
    res.feed = &feed.feed;
    fl_response_release(&res);
    fl_response_release(&res);
    assert_int_equal(feed.closed, 1);
    assert_int_equal(atomic_load(&shared->refs), 1);
    assert_null(res.feed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_serve__request_header_is_case_blind_and_first_wins),
        cmocka_unit_test(test_serve__release_drops_each_kind_of_body_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
