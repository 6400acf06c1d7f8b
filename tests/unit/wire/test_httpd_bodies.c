/* SPDX-License-Identifier: Apache-2.0
 * What all bodies together may take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <signal.h>

#include "httpd_help.h"

enum {
    ONE_CAP = 900,
    ALL_CAP = 1000,
    TRIES =
        100000, /* of what the server does in its own time; a test that needs them all has failed */
};

#define HEAD "POST /x HTTP/1.1\r\nHost: x\r\n"

static void serve(void *self, const struct fl_request *req, struct fl_response *res)
{
    (void)self;
    res->status = 200;
    fl_buf_fmt(&res->body, "%zu", req->body.n);
}

static size_t body_cap(void *self, const struct fl_request *head)
{
    (void)self;
    (void)head;
    return ONE_CAP;
}

static struct fl_httpd *start(void)
{
    const struct fl_httpd_conf conf = {.host = "127.0.0.1",
                                       .serve = serve,
                                       .body_cap = body_cap,
                                       .bodies_cap = ALL_CAP,
                                       .server_name = "test"};
    struct fl_httpd *h = NULL;
    struct fl_err err = FL_ERR_INIT;

    if (fl_httpd_start(&conf, &h, &err) != 0) {
        fail_msg("%s", err.msg);
    }
    return h;
}

/* A request of `length` bytes of which `sent` are sent. */
static int post_part(struct fl_httpd *h, int length, int sent)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    int fd = dial(fl_httpd_port(h));

    fl_buf_fmt(&b, HEAD "Content-Length: %d\r\n\r\n%*s", length, sent, "");
    assert_true(say(fd, fl_buf_slice(&b)));
    return fd;
}

/* A whole one; checks what belongs to a refusal. */
static int post(struct fl_httpd *h, int length)
{
    int fd = post_part(h, length, length);
    struct answer a;
    int status;

    hear(fd, &a);
    status = a.status;
    if (status == 503) {
        assert_non_null(strstr(a.head.data, "\r\nRetry-After: 5\r\n"));
        assert_true(a.close);
    } else {
        assert_false(a.close);
    }
    answer_release(&a);
    (void)close(fd);
    return status;
}

static void post_until(struct fl_httpd *h, int length, int want)
{
    for (int i = 0; i < TRIES; i++) {
        if (post(h, length) == want) {
            return;
        }
        (void)sched_yield();
    }
    fail_msg("%d bytes never got %d", length, want);
}

static void test_httpd_bodies__above_the_sum_503_until_one_ends(void **state)
{
    fl_auto_val(fl_buf) rest = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_httpd *h = start();
    struct answer a;
    int fd = post_part(h, 800, 600);

    (void)state;
    post_until(h, 500, 503);
    assert_int_equal(post(h, 400), 200);
    assert_int_equal(post(h, 0), 200);
    assert_int_equal(post(h, 401), 503);
    fl_buf_fmt(&rest, "%200s", "");
    ask(fd, fl_buf_slice(&rest), &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body.data, "800");
    answer_release(&a);
    post_until(h, ONE_CAP, 200);
    (void)close(fd);
    fl_httpd_stop(h, PATIENCE_S * 1000);
}

static void test_httpd_bodies__who_vanishes_gives_back(void **state)
{
    struct fl_httpd *h = start();

    (void)state;
    for (int i = 0; i < 3; i++) {
        int fd = post_part(h, 800, 600);

        post_until(h, 500, 503);
        (void)close(fd);
        post_until(h, ONE_CAP, 200);
    }
    fl_httpd_stop(h, PATIENCE_S * 1000);
}

static void test_httpd_bodies__what_is_only_announced_counts_for_nothing(void **state)
{
    struct fl_httpd *h = start();
    int fds[5];

    (void)state;
    for (size_t i = 0; i < FL_LEN(fds); i++) {
        fds[i] = post_part(h, ONE_CAP, 10);
    }
    for (int i = 0; i < 10; i++) {
        post_until(h, ONE_CAP, 200);
    }
    for (size_t i = 0; i < FL_LEN(fds); i++) {
        (void)close(fds[i]);
    }
    fl_httpd_stop(h, 0);
}

/* By chunks, so that it is held before it is known to be too large. */
static void test_httpd_bodies__what_was_refused_gives_back(void **state)
{
    fl_auto_val(fl_buf) large = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_httpd *h = start();

    (void)state;
    fl_buf_text(&large, HEAD "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 3; i++) {
        fl_buf_fmt(&large, "190\r\n%400s\r\n", "");
    }
    fl_buf_text(&large, "0\r\n\r\n");
    for (int i = 0; i < 5; i++) {
        int fd = dial(fl_httpd_port(h));
        struct answer a;

        ask(fd, fl_buf_slice(&large), &a);
        assert_int_equal(a.status, 413);
        answer_release(&a);
        (void)close(fd);
        post_until(h, ONE_CAP, 200);
    }
    fl_httpd_stop(h, PATIENCE_S * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_httpd_bodies__above_the_sum_503_until_one_ends),
        cmocka_unit_test(test_httpd_bodies__who_vanishes_gives_back),
        cmocka_unit_test(test_httpd_bodies__what_is_only_announced_counts_for_nothing),
        cmocka_unit_test(test_httpd_bodies__what_was_refused_gives_back),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
