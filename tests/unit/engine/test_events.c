/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/scheme.h"
#include "base/log.h"
#include "engine/engine_priv.h"
#include "unit/kube/fake_api.h"

struct rig {
    struct fl_clock *clock;
    struct fake_api *api;
    struct fl_kube *kube;
    struct fl_metrics *metrics;
    struct fl_engine *engine;
    struct fl_obj *o;
    struct fl_ctx ctx;
};

static struct fl_obj *object(const char *name, const char *uid)
{
    struct fl_obj *o = NULL;
    fl_auto_text text =
        fl_asprintf("{\"metadata\":{\"name\":\"%s\",\"namespace\":\"n\",\"uid\":\"%s\","
                    "\"resourceVersion\":\"7\"}}",
                    name, uid);
    assert_int_equal(fl_obj_new(&fl_kind_registry, fl_str_of(text), false, &o, NULL), 0);
    return o;
}

static void rig_up(struct rig *g)
{
    g->clock = fl_clock_fake_new(1767225600000);
    g->api = fake_api_new();
    g->kube = fl_kube_new_local(fake_api_serve, g->api, "tester", g->clock);
    g->metrics = fl_metrics_new();
    g->engine = fl_engine_new(&(struct fl_engine_conf){
        .kube = g->kube, .clock = g->clock, .metrics = g->metrics, .instance = "host"});
    g->o = object("a", "u");
    g->ctx = fl_ctx_root(g->clock, NULL);
}

static void rig_down(struct rig *g)
{
    fl_obj_free(g->o);
    fl_engine_free(g->engine);
    fl_kube_free(g->kube);
    fake_api_free(g->api);
    fl_metrics_free(g->metrics);
    fl_clock_free(g->clock);
}

static void say(struct rig *g, const struct fl_obj *o, const char *text)
{
    engine_event(g->engine->events, &g->ctx, o, "Warning", "Why", fl_str_of(text));
}

/* The only Event there is. */
static char *only_event(struct rig *g)
{
    size_t it = 0;
    struct fl_str key = {0};
    void *value = NULL;
    fl_lock_scope(&g->api->lock);
    assert_int_equal(fl_map_len(g->api->objects), 1);
    assert_true(fl_map_next(g->api->objects, &it, &key, &value));
    assert_true(fl_str_starts(key, "/api/v1/events|n/a."));
    return fl_strdup(value);
}

static void test_events__tell_about_the_object(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    say(&g, g.o, "it is away, token=hunter2");
    static const char *const want[] = {
        ("\"involvedObject\":{\"apiVersion\":\"fairlead.dev/v1alpha1\",\"kind\":\"Registry\","
         "\"namespace\":\"n\",\"name\":\"a\",\"uid\":\"u\",\"resourceVersion\":\"7\"}"),
        "\"type\":\"Warning\",\"reason\":\"Why\",\"message\":\"it is away, token=***\"",
        "\"firstTimestamp\":\"2026-01-01T00:00:00Z\",\"lastTimestamp\":\"2026-01-01T00:00:00Z\"",
        "\"count\":1,\"source\":{\"component\":\"fairlead\",\"host\":\"host\"}",
        "\"reportingComponent\":\"fairlead\",\"reportingInstance\":\"host\"",
    };
    fl_auto_text text = only_event(&g);
    for (size_t i = 0; i < FL_LEN(want); i++) {
        if (!strstr(text, want[i])) {
            print_error("no %s in %s\n", want[i], text);
            fail();
        }
    }
    rig_down(&g);
}

static void test_events__repeats_count_up(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    say(&g, g.o, "it is away");
    fl_clock_advance(g.clock, 60000);
    say(&g, g.o, "it is away");
    say(&g, g.o, "it is away");
    fl_auto_text text = only_event(&g);
    assert_non_null(strstr(text, "\"count\":3"));
    assert_non_null(strstr(text, "\"firstTimestamp\":\"2026-01-01T00:00:00Z\""));
    assert_non_null(strstr(text, "\"lastTimestamp\":\"2026-01-01T00:01:00Z\""));
    assert_int_equal(g.api->events, 1);
    assert_int_equal(g.api->event_repeats, 2);
    say(&g, g.o, "it is away for another reason");
    assert_int_equal(g.api->events, 2);
    rig_down(&g);
}

static void test_events__swept_one_is_made_again(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    say(&g, g.o, "it is away");
    {
        fl_lock_scope(&g.api->lock);
        fl_map_clear(g.api->objects);
    }
    say(&g, g.o, "it is away");
    fl_auto_text text = only_event(&g);
    assert_non_null(strstr(text, "\"count\":1"));
    rig_down(&g);
}

static void test_events__flood_is_cut_off_per_object(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    for (int i = 0; i < 40; i++) {
        fl_auto_text text = fl_asprintf("thing %d", i);
        say(&g, g.o, text);
    }
    assert_int_equal(g.api->events, 25);
    fl_auto(fl_obj) other = object("b", "v");
    say(&g, other, "thing");
    assert_int_equal(g.api->events, 26);
    fl_clock_advance(g.clock, 299999);
    say(&g, g.o, "late");
    assert_int_equal(g.api->events, 26);
    fl_clock_advance(g.clock, 1);
    say(&g, g.o, "late");
    say(&g, g.o, "later");
    assert_int_equal(g.api->events, 27);
    rig_down(&g);
}

static void test_events__memory_is_bounded(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    for (int i = 0; i < 1200; i++) {
        fl_auto_text uid = fl_asprintf("u%d", i);
        fl_auto(fl_obj) o = object("a", uid);
        say(&g, o, "it is away");
    }
    assert_int_equal(g.api->events, 1200);
    fl_auto(fl_obj) last = object("a", "u1199");
    say(&g, last, "it is away"); /* remembered */
    assert_int_equal(g.api->events, 1200);
    fl_auto(fl_obj) first = object("a", "u0");
    say(&g, first, "it is away"); /* forgotten: told as new */
    assert_int_equal(g.api->events, 1201);
    rig_down(&g);
}

static void test_events__failing_api_fails_nothing(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    fake_api_fail(g.api, 0, (struct fake_fail){.contain = "events", .status = 500, .times = 1});
    say(&g, g.o, "it is away");
    say(&g, g.o, "it is away"); /* the first one was not recorded */
    fl_auto_text text = only_event(&g);
    assert_non_null(strstr(text, "\"count\":1"));
    rig_down(&g);
}

static void test_events__long_message_is_cut_at_a_character(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_char(&b, 'x');
    for (int i = 0; i < 1000; i++) {
        fl_buf_text(&b, "\xc3\xa9");
    }
    say(&g, g.o, b.data);
    fl_auto_text text = only_event(&g);
    const char *at = strstr(text, "\"message\":\"");
    assert_non_null(at);
    at += 11;
    assert_int_equal(strchr(at, '"') - at, 1023);
    rig_down(&g);
}

int main(void)
{
    fl_log_setup(FL_LOG_ERROR, FL_LOG_TEXT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events__tell_about_the_object),
        cmocka_unit_test(test_events__repeats_count_up),
        cmocka_unit_test(test_events__swept_one_is_made_again),
        cmocka_unit_test(test_events__flood_is_cut_off_per_object),
        cmocka_unit_test(test_events__memory_is_bounded),
        cmocka_unit_test(test_events__failing_api_fails_nothing),
        cmocka_unit_test(test_events__long_message_is_cut_at_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
