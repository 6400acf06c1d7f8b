/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/scheme.h"
#include "base/mem.h"
#include "hook/live.h"

struct house {
    struct fl_clock *clock;
    struct fl_metrics *metrics;
    struct fl_live *live;
};

static void house_open(struct house *h)
{
    h->clock = fl_clock_fake_new(1700000000000);
    h->metrics = fl_metrics_new();
    const struct fl_live_conf conf = {.clock = h->clock, .metrics = h->metrics};
    h->live = fl_live_new(&conf);
}

static void house_close(struct house *h)
{
    fl_live_free(h->live);
    fl_metrics_free(h->metrics);
    fl_clock_free(h->clock);
}

static int join(struct house *h, const char *query, const char *ns, const char *address,
                const char *last_id, struct fl_feed **ret)
{
    struct fl_header header = {"Last-Event-ID", last_id};
    struct fl_request req = {.method = "GET",
                             .path = FL_STR("/events"),
                             .query = fl_str_of(query),
                             .headers = &header,
                             .n_headers = last_id ? 1 : 0};
    struct fl_response res;
    fl_response_init(&res, FL_BUF_ANY);
    fl_live_serve(h->live, &req, fl_str_of(ns), address, &res);
    *ret = res.feed;
    int status = res.status;
    res.feed = NULL;
    fl_response_release(&res);
    return status;
}

/* All that waits on a stream, as one text; "<end>" behind the last. */
static void drain(struct fl_feed *f, struct fl_buf *b)
{
    fl_buf_clear(b);
    for (;;) {
        struct fl_shared *m = NULL;
        enum fl_feed_state s = f->ops->next(f, &m);
        if (s != FL_FEED_DATA) {
            fl_buf_text(b, s == FL_FEED_END ? "<end>" : "");
            return;
        }
        fl_buf_str(b, fl_shared_str(m));
        fl_shared_free(m);
    }
}

static void refresh(struct house *h, const char *ns, const char *name)
{
    const struct fl_live_change changes[] = {{"refs/heads/main", "aa", "bb"},
                                             {"refs/heads/\"new\"", NULL, "cc"},
                                             {"refs/tags/v1", "dd", NULL}};
    const struct fl_live_event e = {.kind = &fl_kind_registry,
                                    .ns = fl_str_of(ns),
                                    .name = fl_str_of(name),
                                    .trigger = "Webhook",
                                    .v = changes,
                                    .n = FL_LEN(changes)};
    fl_live_ops.refresh(h->live, &e);
}

static void test_live__r26_connected_then_refresh_with_ids(void **state)
{
    (void)state;
    struct house h;
    house_open(&h);
    struct fl_feed *f = NULL;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    assert_int_equal(join(&h, "", "", "192.0.2.1", NULL, &f), 200);
    refresh(&h, "team", "one");
    drain(f, &b);
    assert_string_equal(
        b.data,
        "retry: 3000\nid: 1700000000000\nevent: connected\n"
        "data: {\"time\":\"2023-11-14T22:13:20Z\"}\n\n"
        "id: 1700000000001\nevent: refresh\ndata: "
        "{\"kind\":\"Registry\",\"namespace\":\"team\",\"name\":\"one\",\"trigger\":\"Webhook\","
        "\"total\":3,\"changes\":[{\"name\":\"refs/heads/main\",\"old\":\"aa\",\"new\":\"bb\"},"
        "{\"name\":\"refs/heads/\\\"new\\\"\",\"old\":null,\"new\":\"cc\"},"
        "{\"name\":\"refs/tags/v1\",\"old\":\"dd\",\"new\":null}]}\n\n");
    fl_live_condition(h.live, &fl_kind_registry, FL_STR("team"), FL_STR("one"), "False", "Down",
                      "line\nbreak");
    drain(f, &b);
    assert_string_equal(
        b.data,
        "id: 1700000000002\nevent: condition\ndata: "
        "{\"kind\":\"Registry\",\"namespace\":\"team\",\"name\":\"one\",\"ready\":\"False\","
        "\"reason\":\"Down\",\"message\":\"line\\nbreak\"}\n\n");
    f->ops->close(f);
    house_close(&h);
}

static void test_live__r26_last_event_id_gives_one_catch_up(void **state)
{
    (void)state;
    static const struct {
        const char *name, *last;
        bool catch_up;
    } rows[] = {
        {"first time", NULL, false},
        {"nothing happened since", "1700000000001", false},
        {"something happened since", "1700000000000", true},
        {"of an earlier process", "12", true},
        {"garbage", "x\n", true},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct house h;
        house_open(&h);
        refresh(&h, "team", "one");
        struct fl_feed *f = NULL;
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        assert_int_equal(join(&h, "", "", "192.0.2.1", rows[i].last, &f), 200);
        drain(f, &b);
        if ((strstr(b.data, "event: refresh\ndata: {\"catchUp\":true}\n\n") != NULL) !=
            rows[i].catch_up) {
            fail_msg("%s: %s", rows[i].name, b.data);
        }
        f->ops->close(f);
        house_close(&h);
    }
}

static void test_live__only_what_was_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *name, *query, *ns;
        bool seen;
    } rows[] = {
        {"all", "", "", true},
        {"its namespace", "", "team", true},
        {"another namespace", "", "other", false},
        {"its kind", "kind=Registry", "", true},
        {"its plural", "kind=registries", "", true},
        {"another kind", "kind=Secret", "", false},
        {"its name", "kind=Registry&name=one", "team", true},
        {"another name", "name=two", "team", false},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct house h;
        house_open(&h);
        struct fl_feed *f = NULL;
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        assert_int_equal(join(&h, rows[i].query, rows[i].ns, "192.0.2.1", NULL, &f), 200);
        refresh(&h, "team", "one");
        drain(f, &b);
        if ((strstr(b.data, "event: refresh") != NULL) != rows[i].seen) {
            fail_msg("%s: %s", rows[i].name, b.data);
        }
        f->ops->close(f);
        house_close(&h);
    }
}

static void test_live__r26_caps_in_all_and_per_address(void **state)
{
    (void)state;
    struct house h;
    house_open(&h);
    struct fl_feed *feeds[FL_LIVE_CLIENTS];
    struct fl_feed *more = NULL;
    for (int i = 0; i < FL_LIVE_CLIENTS; i++) {
        char address[32];
        (void)snprintf(address, sizeof(address), "192.0.2.%d", i / FL_LIVE_PER_ADDRESS);
        assert_int_equal(join(&h, "", "", address, NULL, &feeds[i]), 200);
        if (i == FL_LIVE_PER_ADDRESS - 1) {
            assert_int_equal(join(&h, "", "", address, NULL, &more), 429);
        }
    }
    assert_int_equal(join(&h, "", "", "198.51.100.1", NULL, &more), 429);
    assert_null(more);
    feeds[0]->ops->close(feeds[0]);
    assert_int_equal(join(&h, "", "", "198.51.100.1", NULL, &feeds[0]), 200);
    for (int i = 0; i < FL_LIVE_CLIENTS; i++) {
        feeds[i]->ops->close(feeds[i]);
    }
    house_close(&h);
}

static void test_live__r26_a_slow_reader_loses_messages_and_is_told(void **state)
{
    (void)state;
    struct house h;
    house_open(&h);
    struct fl_feed *f = NULL;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    assert_int_equal(join(&h, "", "", "192.0.2.1", NULL, &f), 200);
    drain(f, &b);
    for (int i = 0; i < FL_LIVE_BUFFER + 3; i++) {
        refresh(&h, "team", "one");
    }
    drain(f, &b);
    assert_non_null(strstr(b.data, "id: 1700000000064\n"));
    assert_null(strstr(b.data, "id: 1700000000065\n"));
    assert_non_null(strstr(b.data, "event: missed\ndata: {\"count\":3}\n\n"));
    refresh(&h, "team", "one");
    drain(f, &b);
    assert_non_null(strstr(b.data, "id: 1700000000068\n"));
    assert_null(strstr(b.data, "missed"));
    f->ops->close(f);
    house_close(&h);
}

static void test_live__r26_a_comment_that_finds_no_place_is_no_event_missed(void **state)
{
    (void)state;
    struct house h;
    house_open(&h);
    struct fl_feed *f = NULL;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    assert_int_equal(join(&h, "", "", "192.0.2.1", NULL, &f), 200);
    drain(f, &b);
    for (int i = 0; i < FL_LIVE_BUFFER; i++) {
        refresh(&h, "team", "one");
    }
    fl_clock_advance(h.clock, 25000);
    fl_live_tick(h.live);
    drain(f, &b);
    assert_non_null(strstr(b.data, "id: 1700000000064\n"));
    assert_null(strstr(b.data, "missed"));
    fl_live_tick(h.live);
    drain(f, &b);
    assert_string_equal(b.data, ": keep-alive\n\n");
    f->ops->close(f);
    house_close(&h);
}

static void count(void *arg)
{
    (*(int *)arg)++;
}

static void test_live__r26_keeps_alive_and_ends_by_itself(void **state)
{
    (void)state;
    struct house h;
    house_open(&h);
    struct fl_feed *f = NULL;
    int woken = 0;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    assert_int_equal(join(&h, "", "", "192.0.2.1", NULL, &f), 200);
    f->ops->set_waker(f, count, &woken);
    drain(f, &b);
    fl_clock_advance(h.clock, 24999);
    fl_live_tick(h.live);
    assert_int_equal(woken, 0);
    fl_clock_advance(h.clock, 1);
    fl_live_tick(h.live);
    assert_int_equal(woken, 1);
    drain(f, &b);
    assert_string_equal(b.data, ": keep-alive\n\n");
    fl_clock_advance(h.clock, 30 * 60 * 1000 - 25000);
    fl_live_tick(h.live);
    assert_int_equal(woken, 2);
    drain(f, &b);
    assert_string_equal(b.data, "<end>");
    f->ops->set_waker(f, NULL, NULL);
    f->ops->close(f);
    house_close(&h);
}

static void test_live__r26_stopping_ends_streams_and_refuses_more(void **state)
{
    (void)state;
    struct house h;
    house_open(&h);
    struct fl_feed *f = NULL;
    struct fl_feed *more = NULL;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    assert_int_equal(join(&h, "", "", "192.0.2.1", NULL, &f), 200);
    fl_live_stop(h.live);
    drain(f, &b);
    assert_true(fl_str_ends(fl_buf_slice(&b), "<end>"));
    assert_int_equal(join(&h, "", "", "192.0.2.1", NULL, &more), 503);
    f->ops->close(f);
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live__r26_connected_then_refresh_with_ids),
        cmocka_unit_test(test_live__r26_last_event_id_gives_one_catch_up),
        cmocka_unit_test(test_live__only_what_was_asked_for),
        cmocka_unit_test(test_live__r26_caps_in_all_and_per_address),
        cmocka_unit_test(test_live__r26_a_slow_reader_loses_messages_and_is_told),
        cmocka_unit_test(test_live__r26_a_comment_that_finds_no_place_is_no_event_missed),
        cmocka_unit_test(test_live__r26_keeps_alive_and_ends_by_itself),
        cmocka_unit_test(test_live__r26_stopping_ends_streams_and_refuses_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
