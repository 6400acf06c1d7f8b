/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/scheme.h"
#include "engine/cache.h"
#include "unit/kube/fake_api.h"

#define NS "/apis/fairlead.dev/v1alpha1/namespaces/n/registries"

struct rig {
    struct fl_clock *clock;
    struct fake_api *api;
    struct fl_kube *kube;
    struct fl_cache *cache;
    struct fl_lock lock; /* guards what follows */
    struct fl_cond changed;
    struct fl_buf
        log; /* "+a" new, "~a" changed, "-a" gone, "|" synced; '!' after what is not initial */
    int synced;
};

static void on_changed(void *self, struct fl_obj *old, struct fl_obj *now, bool initial)
{
    struct rig *g = self;
    const struct fl_obj *o = now ? now : old;
    fl_lock_scope(&g->lock);
    fl_buf_fmt(&g->log, "%s%.*s%s ",
               !old  ? "+"
               : now ? "~"
                     : "-",
               FL_STR_ARG(o->name), initial ? "" : "!");
    fl_cond_broadcast(&g->changed);
}

static void on_synced(void *self)
{
    struct rig *g = self;
    fl_lock_scope(&g->lock);
    g->synced++;
    fl_buf_text(&g->log, "| ");
    fl_cond_broadcast(&g->changed);
}

/* Refers to the Secret that its label "secret" names. */
static void refs(void *self, const struct fl_obj *o, void (*add)(void *arg, struct fl_ref r),
                 void *arg)
{
    (void)self;
    const char *at = strstr(o->text.p, "\"secret\":\"");
    if (at) {
        add(arg, (struct fl_ref){&fl_kind_secret, {at + 10, 1}});
    }
}

static void rig_up(struct rig *g)
{
    *g = (struct rig){.synced = 0};
    g->clock = fl_clock_fake_new(1767225600000);
    g->api = fake_api_new();
    g->kube = fl_kube_new_local(fake_api_serve, g->api, "tester", g->clock);
    fl_lock_init(&g->lock, "rig", FL_RANK_APP);
    fl_cond_init(&g->changed);
    fl_buf_init(&g->log, FL_BUF_ANY);
    g->cache = fl_cache_new(g->kube, (struct fl_str){0});
    fl_cache_add(g->cache, &(struct fl_cache_kind){.kind = &fl_kind_registry,
                                                   .refs = refs,
                                                   .changed = on_changed,
                                                   .synced = on_synced,
                                                   .self = g});
}

static void rig_down(struct rig *g)
{
    fl_cache_stop(g->cache);
    fl_cache_free(g->cache);
    fl_kube_free(g->kube);
    fake_api_free(g->api);
    fl_clock_free(g->clock);
    fl_buf_release(&g->log);
    fl_cond_destroy(&g->changed);
    fl_lock_destroy(&g->lock);
}

static void make(struct rig *g, const char *name, const char *secret)
{
    fl_auto_text body =
        fl_asprintf("{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"secret\":\"%s\"}}", name, secret);
    assert_int_equal(fake_api_call(g->api, "POST", NS, body), 201);
}

static void drop(struct rig *g, const char *name)
{
    fl_auto_text path = fl_asprintf(NS "/%s", name);
    assert_int_equal(fake_api_call(g->api, "DELETE", path, ""), 200);
}

static void wait_log(struct rig *g, const char *word)
{
    fl_lock_scope(&g->lock);
    while (!strstr(g->log.data, word)) {
        fl_cond_wait(&g->changed, &g->lock);
    }
}

static void wait_synced(struct rig *g, int n)
{
    fl_lock_scope(&g->lock);
    while (g->synced < n) {
        fl_cond_wait(&g->changed, &g->lock);
    }
}

static void expect(struct rig *g, const char *want)
{
    fl_lock_scope(&g->lock);
    if (strcmp(g->log.data, want) != 0) {
        print_error("got '%s', wanted '%s'\n", g->log.data, want);
        fail();
    }
}

static struct fl_obj *get(struct rig *g, const char *name)
{
    return fl_cache_get(g->cache, &fl_kind_registry, FL_STR("n"), fl_str_of(name));
}

static void test_cache__first_listing_is_initial_and_the_rest_is_not(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    make(&g, "a", "s");
    assert_false(fl_cache_synced(g.cache));
    fl_cache_start(g.cache);
    wait_synced(&g, 1);
    assert_true(fl_cache_synced(g.cache));
    make(&g, "b", "s");
    drop(&g, "a");
    wait_log(&g, "-a!");
    fl_cache_stop(g.cache);
    expect(&g, "+a | +b! -a! ");
    assert_null(get(&g, "a"));
    assert_int_equal(fl_cache_len(g.cache, &fl_kind_registry), 1);
    rig_down(&g);
}

/* What disappeared while the watch was away is told when the next listing does not name it. */
static void test_cache__relisting_finds_what_went_and_what_changed(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    make(&g, "a", "s");
    make(&g, "b", "s");
    make(&g, "c", "s");
    fl_cache_start(g.cache);
    wait_synced(&g, 1);
    {
        fl_lock_scope(&g.lock);
        fl_buf_clear(&g.log);
    }
    /* The next watch is refused until the changes are made, and then its history is gone. */
    fake_api_fail(g.api, 0,
                  (struct fake_fail){.contain = "&resourceVersion=", .status = 503, .times = 1});
    fake_api_end_watches(g.api, NULL);
    fake_api_wait_count(g.api, "GET", "&resourceVersion=", 1);
    drop(&g, "a");
    assert_int_equal(
        fake_api_call(g.api, "PATCH", NS "/b", "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}"), 200);
    make(&g, "d", "s");
    fake_api_compact(g.api, 100000);
    struct fl_err err = FL_ERR_INIT;
    int64_t since = -1;
    while (!fl_cache_trouble(g.cache, &err, &since)) {
        fl_clock_advance(g.clock, 0);
    }
    assert_int_equal(err.code, FL_E_UNAVAILABLE);
    assert_int_equal(since, 0);
    fl_clock_advance(g.clock, 1600);
    wait_synced(&g, 2);
    fl_cache_stop(g.cache);
    assert_false(fl_cache_trouble(g.cache, &err, NULL));
    assert_null(get(&g, "a"));
    fl_auto(fl_obj) b = get(&g, "b");
    assert_non_null(strstr(b->text.p, "\"x\":\"y\""));
    assert_int_equal(fl_cache_len(g.cache, &fl_kind_registry), 3);
    assert_non_null(strstr(g.log.data, "-a! "));
    assert_non_null(strstr(g.log.data, "~b! "));
    assert_non_null(strstr(g.log.data, "+d! "));
    assert_null(strstr(g.log.data, "c"));
    rig_down(&g);
}

static struct fl_obj *object(const char *name, const char *rv, const char *more)
{
    struct fl_obj *o = NULL;
    fl_auto_text text =
        fl_asprintf("{\"metadata\":{\"name\":\"%s\",\"namespace\":\"n\",\"uid\":\"u-%s\","
                    "\"resourceVersion\":\"%s\",\"generation\":1%s}}",
                    name, name, rv, more);
    assert_int_equal(fl_obj_new(&fl_kind_registry, fl_str_of(text), false, &o, NULL), 0);
    return o;
}

static void test_cache__only_newer_notes_count(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *first, *second;
        const char *want;
    } rows[] = {
        {"newer", "200", "201", "201"},
        {"older", "201", "200", "201"},
        {"the same", "200", "200", "200"},
        {"compared as numbers", "999", "1000", "1000"},
        {"beyond 63 bits", "18446744073709551614", "18446744073709551615", "18446744073709551615"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct rig g;
        rig_up(&g);
        fl_auto(fl_obj) first = object("a", rows[i].first, "");
        fl_auto(fl_obj) second = object("a", rows[i].second, "");
        fl_cache_note(g.cache, first);
        fl_cache_note(g.cache, second);
        fl_auto(fl_obj) kept = get(&g, "a");
        if (!fl_str_is(kept->rv, rows[i].want)) {
            print_error("%s: %.*s\n", rows[i].name, FL_STR_ARG(kept->rv));
            fail();
        }
        rig_down(&g);
    }
}

static void test_cache__note_of_what_the_watch_saw_deleted_is_no_news(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    make(&g, "a", "s"); /* version 101 */
    fl_cache_start(g.cache);
    wait_synced(&g, 1);
    drop(&g, "a"); /* version 102 */
    wait_log(&g, "-a!");
    fl_auto(fl_obj) late = object("a", "101", "");
    fl_cache_note(g.cache, late);
    assert_null(get(&g, "a"));
    fl_auto(fl_obj) anew = object("a", "200", "");
    fl_cache_note(g.cache, anew);
    fl_auto(fl_obj) kept = get(&g, "a");
    assert_non_null(kept);
    rig_down(&g);
}

static void test_cache__noted_object_is_told_once(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    fl_cache_start(g.cache);
    wait_synced(&g, 1);
    make(&g, "a", "s");
    wait_log(&g, "+a!");
    fl_auto(fl_obj) kept = get(&g, "a");
    fl_cache_note(g.cache, kept); /* the answer of the write comes after the watch */
    make(&g, "b", "s");
    wait_log(&g, "+b!");
    fl_cache_stop(g.cache);
    expect(&g, "| +a! +b! ");
    rig_down(&g);
}

struct names {
    char v[256];
    size_t n;
};

static void add_name(void *arg, struct fl_obj *o)
{
    struct names *names = arg;
    memcpy(names->v + names->n, o->name.p, o->name.n);
    names->n += o->name.n;
    names->v[names->n] = '\0';
}

static size_t referrers(struct rig *g, const char *secret, struct names *ret)
{
    *ret = (struct names){.n = 0};
    fl_cache_referrers(g->cache, &fl_kind_registry, FL_STR("n"),
                       (struct fl_ref){&fl_kind_secret, fl_str_of(secret)}, add_name, ret);
    return ret->n;
}

static void test_cache__index_follows_the_objects(void **state)
{
    (void)state;
    struct rig g;
    struct names names;
    rig_up(&g);
    make(&g, "a", "s");
    make(&g, "b", "s");
    make(&g, "c", "t");
    fl_cache_start(g.cache);
    wait_synced(&g, 1);
    assert_int_equal(referrers(&g, "s", &names), 2);
    assert_int_equal(referrers(&g, "t", &names), 1);
    assert_string_equal(names.v, "c");
    assert_int_equal(fake_api_call(g.api, "PATCH", NS "/a", "{\"spec\":{\"secret\":\"t\"}}"), 200);
    wait_log(&g, "~a!");
    assert_int_equal(referrers(&g, "s", &names), 1);
    assert_string_equal(names.v, "b");
    assert_int_equal(referrers(&g, "t", &names), 2);
    drop(&g, "b");
    wait_log(&g, "-b!");
    assert_int_equal(referrers(&g, "s", &names), 0);
    drop(&g, "c");
    wait_log(&g, "-c!");
    assert_int_equal(referrers(&g, "t", &names), 1);
    assert_string_equal(names.v, "a");
    rig_down(&g);
}

static void test_cache__owned_are_found_by_the_uid_of_their_controller(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
#define OWNER(is)                                                                                  \
    ",\"ownerReferences\":[{\"kind\":\"K\",\"name\":\"o\",\"uid\":\"o1\",\"controller\":" is "}]"
    fl_auto(fl_obj) a = object("a", "1", OWNER("true"));
    fl_auto(fl_obj) b = object("b", "2", OWNER("false"));
#undef OWNER
    fl_cache_note(g.cache, a);
    fl_cache_note(g.cache, b);
    struct names names = {.n = 0};
    fl_cache_owned(g.cache, &fl_kind_registry, FL_STR("o1"), add_name, &names);
    assert_string_equal(names.v, "a");
    names.n = 0;
    fl_cache_each(g.cache, &fl_kind_registry, add_name, &names);
    assert_int_equal(names.n, 2);
    rig_down(&g);
}

static void test_cache__bytes_are_those_of_what_is_kept(void **state)
{
    (void)state;
    struct rig g;
    rig_up(&g);
    assert_int_equal(fl_cache_bytes(g.cache), 0);
    fl_auto(fl_obj) a = object("a", "1", "");
    fl_cache_note(g.cache, a);
    size_t one = fl_cache_bytes(g.cache);
    assert_in_range(one, a->text.n, a->text.n + 256);
    fl_auto(fl_obj) a2 = object("a", "2", "");
    fl_cache_note(g.cache, a2);
    assert_int_equal(fl_cache_bytes(g.cache), one);
    rig_down(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache__first_listing_is_initial_and_the_rest_is_not),
        cmocka_unit_test(test_cache__relisting_finds_what_went_and_what_changed),
        cmocka_unit_test(test_cache__only_newer_notes_count),
        cmocka_unit_test(test_cache__note_of_what_the_watch_saw_deleted_is_no_news),
        cmocka_unit_test(test_cache__noted_object_is_told_once),
        cmocka_unit_test(test_cache__index_follows_the_objects),
        cmocka_unit_test(test_cache__owned_are_found_by_the_uid_of_their_controller),
        cmocka_unit_test(test_cache__bytes_are_those_of_what_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
