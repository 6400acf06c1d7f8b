/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kube/watchline.h"

static int keep(void *arg, struct fl_str line, struct fl_err *err)
{
    (void)err;
    fl_buf_char(arg, '[');
    fl_buf_str(arg, line);
    fl_buf_char(arg, ']');
    return 0;
}

static int refuse(void *arg, struct fl_str line, struct fl_err *err)
{
    (void)line;
    (*(int *)arg)++;
    return fl_fail(err, FL_E_BAD_DATA, "Refused", "no");
}

static void test_watchline__pieces_of_any_size_give_the_same_lines(void **state)
{
    (void)state;
    static const char text[] = "one\ntwo\r\n\n\r\nthree and more\nhalf";
    for (size_t size = 1; size <= sizeof(text); size++) {
        fl_auto_val(fl_watch_lines) w;
        fl_watch_lines_init(&w, 100);
        fl_auto_val(fl_buf) out = FL_BUF_INIT(1000);
        for (size_t at = 0; at < sizeof(text) - 1; at += size) {
            size_t n = sizeof(text) - 1 - at < size ? sizeof(text) - 1 - at : size;
            assert_int_equal(
                fl_watch_lines_feed(&w, (struct fl_str){text + at, n}, keep, &out, NULL), 0);
        }
        if (strcmp(out.data, "[one][two][three and more]") != 0) {
            print_error("pieces of %zu: %s\n", size, out.data);
            fail();
        }
    }
}

static void test_watchline__line_beyond_the_cap_is_too_big(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *pieces[3];
        int want;
    } rows[] = {
        {"at the cap, whole", {"12345678\n"}, 0},
        {"at the cap, in pieces", {"1234", "5678", "\n"}, 0},
        {"beyond, whole", {"123456789\n"}, FL_E_TOO_BIG},
        {"beyond, in pieces", {"1234", "5678", "9"}, FL_E_TOO_BIG},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_watch_lines) w;
        fl_watch_lines_init(&w, 8);
        fl_auto_val(fl_buf) out = FL_BUF_INIT(1000);
        int r = 0;
        for (size_t k = 0; r == 0 && k < 3 && rows[i].pieces[k]; k++) {
            r = fl_watch_lines_feed(&w, fl_str_of(rows[i].pieces[k]), keep, &out, NULL);
        }
        if (r != rows[i].want) {
            print_error("%s: %d\n", rows[i].name, r);
            fail();
        }
    }
}

static void test_watchline__failure_of_a_line_ends_the_piece(void **state)
{
    (void)state;
    int n = 0;
    fl_auto_val(fl_watch_lines) w;
    fl_watch_lines_init(&w, 100);
    assert_int_equal(fl_watch_lines_feed(&w, FL_STR("a\nb\n"), refuse, &n, NULL), FL_E_BAD_DATA);
    assert_int_equal(n, 1);
}

#define OBJECT "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"7\"}}"

static void test_watchline__events(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *line;
        int rc;
        enum fl_watch_type type;
        const char *rv;
        bool initial_end;
    } rows[] = {
        {"added", "{\"type\":\"ADDED\",\"object\":" OBJECT "}", 0, FL_WATCH_SET, "7", false},
        {"modified", "{\"object\":" OBJECT ",\"type\":\"MODIFIED\"}", 0, FL_WATCH_SET, "7", false},
        {"deleted", "{\"type\":\"DELETED\",\"object\":" OBJECT "}", 0, FL_WATCH_DELETED, "7",
         false},
        {"bookmark", "{\"type\":\"BOOKMARK\",\"object\":" OBJECT "}", 0, FL_WATCH_BOOKMARK, "7",
         false},
        {"end of the initial events",
         "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\","
         "\"annotations\":{"
         "\"k8s.io/initial-events-end\":\"true\"}}}}",
         0, FL_WATCH_BOOKMARK, "9", true},
        {"error", "{\"type\":\"ERROR\",\"object\":{\"code\":410}}", 0, FL_WATCH_ERROR, "", false},
        {"no type", "{\"object\":" OBJECT "}", FL_E_BAD_DATA, 0, 0, 0},
        {"unknown type", "{\"type\":\"NEWS\",\"object\":" OBJECT "}", FL_E_BAD_DATA, 0, 0, 0},
        {"no object", "{\"type\":\"ADDED\"}", FL_E_BAD_DATA, 0, 0, 0},
        {"object is text", "{\"type\":\"ADDED\",\"object\":\"x\"}", FL_E_BAD_DATA, 0, 0, 0},
        {"no version", "{\"type\":\"ADDED\",\"object\":{\"metadata\":{}}}", FL_E_BAD_DATA, 0, 0, 0},
        {"version is a number",
         "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":7}}}", FL_E_BAD_DATA, 0,
         0, 0},
        {"cut", "{\"type\":\"ADDED\",\"object\":{\"meta", FL_E_BAD_DATA, 0, 0, 0},
        {"two values", "{} {}", FL_E_BAD_DATA, 0, 0, 0},
        {"twice the same member", "{\"type\":\"ADDED\",\"type\":\"DELETED\",\"object\":" OBJECT "}",
         FL_E_BAD_DATA, 0, 0, 0},
        {"HTML", "<html>", FL_E_BAD_DATA, 0, 0, 0},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_watch_event ev = {0};
        int rc = fl_watch_event_parse(fl_str_of(rows[i].line), true, &ev, NULL);
        if (rc != rows[i].rc ||
            (rc == 0 && (ev.type != rows[i].type || !fl_str_is(ev.rv, rows[i].rv) ||
                         ev.initial_end != rows[i].initial_end))) {
            print_error("%s: %d\n", rows[i].name, rc);
            fail();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watchline__pieces_of_any_size_give_the_same_lines),
        cmocka_unit_test(test_watchline__line_beyond_the_cap_is_too_big),
        cmocka_unit_test(test_watchline__failure_of_a_line_ends_the_piece),
        cmocka_unit_test(test_watchline__events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
