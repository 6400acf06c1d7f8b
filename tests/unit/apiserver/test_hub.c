/* SPDX-License-Identifier: Apache-2.0 */
#include "store_help.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>

#include "apiserver/hub.h"
#include "apiserver/hub_priv.h"
#include "base/map.h"

#define CM (&fl_kind_config_map)
#define SECRET (&fl_kind_secret)
#define LEASE (&fl_kind_lease)

struct hubs {
    struct help h;
    struct fl_hub *hub;
};

static void open_hub(struct hubs *x, const struct fl_store_conf *more)
{
    struct fl_store_conf conf = more ? *more : (struct fl_store_conf){0};
    struct fl_err err = FL_ERR_INIT;

    x->hub = fl_hub_new(x->h.clock);
    conf.sync_normal = true;
    conf.published = fl_hub_publish;
    conf.published_arg = x->hub;
    if (help_open_as(&x->h, &conf, &err) != 0) {
        fail_msg("open: %s", err.msg);
    }
    fl_hub_bind(x->hub, x->h.s);
}

static void close_hub(struct hubs *x)
{
    fl_hub_stop(x->hub);
    help_close(&x->h);
    fl_hub_free(x->hub);
    x->hub = NULL;
}

static int setup(void **state)
{
    void *h = NULL;
    struct hubs *x = FL_NEW(struct hubs);

    if (help_setup(&h) != 0) {
        return -1;
    }
    x->h = *(struct help *)h;
    fl_free(h);
    open_hub(x, NULL);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct hubs *x = *state;
    struct help *h = FL_NEW(struct help);
    void *arg = h;

    close_hub(x);
    *h = x->h;
    fl_free(x);
    return help_teardown(&arg);
}

/* ---- watching ---- */

static struct fl_watch_opts plain(const struct fl_kind *k, int64_t rv)
{
    return (struct fl_watch_opts){.kind = k, .rv = rv};
}

static struct fl_feed *watch(struct hubs *x, const struct fl_watch_opts *o)
{
    struct fl_err err = FL_ERR_INIT;
    struct fl_feed *f = NULL;

    if (fl_hub_watch(x->hub, o, &f, &err) != 0) {
        fail_msg("watch: %s", err.msg);
    }
    return f;
}

/* "ADDED ns/name=value@rv", "BOOKMARK@rv", "BOOKMARK@rv end" */
static void describe(struct fl_str line, struct fl_buf *b)
{
    struct fl_err err = FL_ERR_INIT;
    struct fl_str object = fl_scan_path(line, "object");
    struct fl_str type = {NULL, 0};
    struct fl_str ns = {NULL, 0};
    struct fl_str name = {NULL, 0};

    if (!fl_str_ends(line, "\n") || fl_json_check(line, &err) != 0) {
        fail_msg("line '%.*s': %s", FL_STR_ARG(line), err.msg);
    }
    (void)fl_scan_plain(fl_scan_path(line, "type"), &type);
    (void)fl_scan_plain(fl_scan_path(object, "metadata.namespace"), &ns);
    (void)fl_scan_plain(fl_scan_path(object, "metadata.name"), &name);
    fl_buf_str(b, type);
    if (name.n > 0) {
        fl_buf_fmt(b, " %.*s/%.*s=%.*s", FL_STR_ARG(ns), FL_STR_ARG(name),
                   FL_STR_ARG(help_text_value(object)));
    }
    fl_buf_fmt(b, "@%" PRId64, help_text_rv(object));
    if (fl_scan_get(fl_scan_path(object, "metadata.annotations"),
                    FL_STR("k8s.io/initial-events-end"))
            .n > 0) {
        fl_buf_text(b, " end");
    }
    fl_buf_char(b, '\n');
}

/* All there is now. Returns how it ended. */
static enum fl_feed_state drain(struct fl_feed *f, struct fl_buf *b)
{
    struct fl_shared *line = NULL;
    enum fl_feed_state st;

    while ((st = f->ops->next(f, &line)) == FL_FEED_DATA) {
        describe(fl_shared_str(line), b);
        fl_shared_free(line);
    }
    return st;
}

static void check_now(const char *row, struct fl_feed *f, enum fl_feed_state want_state,
                      const char *want)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    enum fl_feed_state st = drain(f, &b);

    if (st != want_state || strcmp(b.data, want) != 0) {
        fail_msg("row '%s': state %d, got\n%s", row, st, b.data);
    }
}

static void close_feed(struct fl_feed *f)
{
    f->ops->close(f);
}

/* ---- order and places ---- */

static void test_hub__live_events_arrive_in_order(void **state)
{
    struct hubs *x = *state;
    struct fl_watch_opts o = plain(CM, 1);
    struct fl_feed *f = watch(x, &o);

    check_now("nothing yet", f, FL_FEED_EMPTY, "");
    (void)help_create(&x->h, CM, "a", "x", "1");
    (void)help_create(&x->h, SECRET, "a", "x", "other");
    (void)help_update(&x->h, CM, "a", "x", "2");
    (void)help_delete(&x->h, CM, "a", "x", "3");
    check_now("three", f, FL_FEED_EMPTY, "ADDED a/x=1@2\nMODIFIED a/x=2@4\nDELETED a/x=3@5\n");
    check_now("no more", f, FL_FEED_EMPTY, "");
    assert_int_equal(fl_hub_watchers(x->hub), 1);
    close_feed(f);
    assert_int_equal(fl_hub_watchers(x->hub), 0);
}

static void test_hub__start_decides_what_comes_first(void **state)
{
    static const struct {
        const char *name;
        int64_t rv;
        bool initial, bookmarks;
        const char *first, *then;
    } rows[] = {
        {"state, then live", 0, false, false, "ADDED a/x=2@4\nADDED b/y=1@3\n",
         "MODIFIED a/x=3@6\nADDED c/z=1@7\nDELETED b/y=9@8\n"},
        {"state does not end with a mark", 0, false, true, "ADDED a/x=2@4\nADDED b/y=1@3\n",
         "MODIFIED a/x=3@6\nADDED c/z=1@7\nDELETED b/y=9@8\n"},
        {"WatchList", 0, true, true, "ADDED a/x=2@4\nADDED b/y=1@3\nBOOKMARK@5 end\n",
         "MODIFIED a/x=3@6\nADDED c/z=1@7\nDELETED b/y=9@8\n"},
        {"WatchList not older than", 3, true, true,
         "ADDED a/x=2@4\nADDED b/y=1@3\nBOOKMARK@5 end\n",
         "MODIFIED a/x=3@6\nADDED c/z=1@7\nDELETED b/y=9@8\n"},
        {"WatchList without bookmarks", 0, true, false, "ADDED a/x=2@4\nADDED b/y=1@3\n",
         "MODIFIED a/x=3@6\nADDED c/z=1@7\nDELETED b/y=9@8\n"},
        {"from the newest", 5, false, false, "",
         "MODIFIED a/x=3@6\nADDED c/z=1@7\nDELETED b/y=9@8\n"},
        {"from an older", 2, false, false, "ADDED b/y=1@3\nMODIFIED a/x=2@4\n",
         "MODIFIED a/x=3@6\nADDED c/z=1@7\nDELETED b/y=9@8\n"},
        {"from the future", 7, false, true, "", "DELETED b/y=9@8\n"},
        {"from the far future", 1000, false, true, "", ""},
    };
    struct hubs *x = *state;
    struct fl_feed *f[FL_LEN(rows)];

    (void)help_create(&x->h, CM, "a", "x", "1");
    (void)help_create(&x->h, CM, "b", "y", "1");
    (void)help_update(&x->h, CM, "a", "x", "2");
    (void)help_create(&x->h, SECRET, "a", "x", "other");
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_watch_opts o = plain(CM, rows[i].rv);

        o.send_initial = rows[i].initial;
        o.bookmarks = rows[i].bookmarks;
        f[i] = watch(x, &o);
        check_now(rows[i].name, f[i], FL_FEED_EMPTY, rows[i].first);
    }
    (void)help_update(&x->h, CM, "a", "x", "3");
    (void)help_create(&x->h, CM, "c", "z", "1");
    (void)help_delete(&x->h, CM, "b", "y", "9");
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        check_now(rows[i].name, f[i], FL_FEED_EMPTY, rows[i].then);
        close_feed(f[i]);
    }
}

static void test_hub__state_of_an_rv_to_come_is_refused(void **state)
{
    struct hubs *x = *state;
    struct fl_watch_opts o = {.kind = CM, .rv = 100, .send_initial = true};
    struct fl_err err = FL_ERR_INIT;
    struct fl_feed *f = NULL;

    assert_int_equal(fl_hub_watch(x->hub, &o, &f, &err), FL_E_TIMEOUT);
    assert_string_equal(err.reason, "ResourceVersionTooLarge");
    assert_null(f);
    assert_int_equal(fl_hub_watchers(x->hub), 0);
}

static void test_hub__namespaced_watch_sees_its_namespace_alone(void **state)
{
    static const struct {
        const char *name;
        int64_t rv;
        const char *first;
    } rows[] = {{"live", 3, ""}, {"state", 0, "ADDED a/x=1@2\n"}, {"log", 1, "ADDED a/x=1@2\n"}};
    struct hubs *x = *state;
    struct fl_feed *f[FL_LEN(rows)];

    (void)help_create(&x->h, CM, "a", "x", "1");
    (void)help_create(&x->h, CM, "ab", "x", "1");
    close_hub(x);
    open_hub(x, NULL); /* the log is on disk only */
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_watch_opts o = plain(CM, rows[i].rv);

        o.ns = FL_STR("a");
        f[i] = watch(x, &o);
        check_now(rows[i].name, f[i], FL_FEED_EMPTY, rows[i].first);
    }
    (void)help_update(&x->h, CM, "ab", "x", "2");
    (void)help_update(&x->h, CM, "a", "x", "2");
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        check_now(rows[i].name, f[i], FL_FEED_EMPTY, "MODIFIED a/x=2@5\n");
        close_feed(f[i]);
    }
}

static void test_hub__event_of_one_group_is_seen_in_the_other(void **state)
{
    struct hubs *x = *state;
    struct fl_watch_opts o = plain(&fl_kind_event_v1, 1);
    struct fl_feed *f = watch(x, &o);
    struct fl_shared *line = NULL;

    (void)help_create(&x->h, &fl_kind_event, "a", "e", "1");
    assert_int_equal(f->ops->next(f, &line), FL_FEED_DATA);
    assert_non_null(strstr(line->data, "events.k8s.io/v1"));
    fl_shared_free(line);
    check_now("once", f, FL_FEED_EMPTY, "");
    close_feed(f);
}

/* ---- resuming ---- */

static void test_hub__resumed_watch_gets_each_later_event_once(void **state)
{
    struct hubs *x = *state;
    const int64_t n = 300; /* more than a page of the log */

    for (int round = 0; round < 2; round++) {
        if (round == 0) {
            (void)help_create(&x->h, CM, "a", "x", "v");
            while (fl_store_rv(x->h.s) < n / 2) {
                (void)help_update(&x->h, CM, "a", "x", "v");
            }
        }
        /* The first half is on disk only, in the second round all of it. */
        close_hub(x);
        open_hub(x, NULL);
        while (fl_store_rv(x->h.s) < n) {
            (void)help_update(&x->h, CM, "a", "x", "v");
        }
        for (int64_t rv = 1; rv <= n; rv += 7) {
            struct fl_watch_opts o = plain(CM, rv);
            struct fl_feed *f = watch(x, &o);
            struct fl_shared *line = NULL;

            for (int64_t want = rv + 1; want <= n; want++) {
                assert_int_equal(f->ops->next(f, &line), FL_FEED_DATA);
                assert_int_equal(help_text_rv(fl_scan_path(fl_shared_str(line), "object")), want);
                fl_shared_free(line);
            }
            assert_int_equal(f->ops->next(f, &line), FL_FEED_EMPTY);
            close_feed(f);
        }
    }
}

static void test_hub__rv_older_than_the_log_is_expired(void **state)
{
    struct hubs *x = *state;
    struct fl_store_conf conf = {.log_keep = 20};
    struct fl_watch_opts o = plain(CM, 1);
    struct fl_err err = FL_ERR_INIT;
    struct fl_feed *f = NULL;
    fl_auto_val(fl_buf) want = FL_BUF_INIT(1000);

    close_hub(x);
    open_hub(x, &conf);
    (void)help_create(&x->h, CM, "a", "x", "v");
    for (int i = 0; i < 200; i++) {
        (void)help_update(&x->h, CM, "a", "x", "v");
    }
    close_hub(x);
    open_hub(x, &conf);
    assert_int_equal(fl_hub_watch(x->hub, &o, &f, &err), FL_E_NOT_FOUND);
    assert_string_equal(err.reason, "Expired");
    fl_buf_fmt(&want, "too old resource version: 1 (%" PRId64 ")", fl_store_oldest_rv(x->h.s));
    assert_string_equal(err.msg, want.data);
    assert_null(f);
    assert_int_equal(fl_hub_watchers(x->hub), 0);
    o.rv = fl_store_oldest_rv(x->h.s);
    f = watch(x, &o);
    assert_int_equal(drain(f, &want), FL_FEED_EMPTY);
    close_feed(f);
}

/* ---- selectors ---- */

struct selected {
    const char *name;
    const char *labels, *fields;
    const char *want;
};

static struct fl_feed *watch_selected(struct hubs *x, const struct selected *s, int64_t rv)
{
    fl_auto(fl_selector) labels = NULL;
    fl_auto(fl_selector) fields = NULL;
    struct fl_watch_opts o = plain(CM, rv);
    struct fl_err err = FL_ERR_INIT;

    assert_int_equal(fl_selector_labels(fl_str_of(s->labels), &labels, &err), 0);
    assert_int_equal(fl_selector_fields(fl_str_of(s->fields), CM, &fields, &err), 0);
    o.labels = labels;
    o.fields = fields;
    return watch(x, &o);
}

static void test_hub__selected_objects_come_and_go(void **state)
{
    /* The label `app` is the first word of the value. */
    static const struct selected rows[] = {
        {"none", "", "",
         "ADDED n/x=red one@2\nMODIFIED n/x=red two@3\nMODIFIED n/x=blue one@4\nMODIFIED n/x=red "
         "three@5\nADDED n/y=blue@6\nDELETED n/x=red three@7\nDELETED n/y=blue@8\n"},
        {"ceases to match, and comes again", "app=red", "",
         "ADDED n/x=red one@2\nMODIFIED n/x=red two@3\nDELETED n/x=red two@4\nADDED n/x=red "
         "three@5\nDELETED n/x=red three@7\n"},
        {"begins to match", "app=blue", "",
         "ADDED n/x=blue one@4\nDELETED n/x=blue one@5\nADDED n/y=blue@6\nDELETED n/y=blue@8\n"},
        {"never matches", "app=green", "", ""},
        {"by name", "", "metadata.name=y", "ADDED n/y=blue@6\nDELETED n/y=blue@8\n"},
        {"by both", "app=red", "metadata.name=y", ""},
    };
    struct hubs *x = *state;
    struct fl_feed *f[FL_LEN(rows)];

    for (size_t i = 0; i < FL_LEN(rows); i++) {
        f[i] = watch_selected(x, &rows[i], 1);
    }
    (void)help_create(&x->h, CM, "n", "x", "red one");
    (void)help_update(&x->h, CM, "n", "x", "red two");
    (void)help_update(&x->h, CM, "n", "x", "blue one");
    (void)help_update(&x->h, CM, "n", "x", "red three");
    (void)help_create(&x->h, CM, "n", "y", "blue");
    (void)help_delete(&x->h, CM, "n", "x", "red three");
    (void)help_delete(&x->h, CM, "n", "y", "blue");
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        check_now(rows[i].name, f[i], FL_FEED_EMPTY, rows[i].want);
        close_feed(f[i]);
    }
    close_hub(x);
    open_hub(x, NULL);
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_feed *again = watch_selected(x, &rows[i], 1);

        check_now(rows[i].name, again, FL_FEED_EMPTY, rows[i].want);
        close_feed(again);
    }
}

static void test_hub__selected_state(void **state)
{
    static const struct selected rows[] = {
        {"by label", "app=red", "", "ADDED a/x=red@2\nADDED b/x=red@4\n"},
        {"by name", "", "metadata.name=x", "ADDED a/x=red@2\nADDED b/x=red@4\n"},
        {"by place", "", "metadata.name=x,metadata.namespace=b", "ADDED b/x=red@4\n"},
        {"by what is not there", "", "metadata.name=z", ""},
    };
    struct hubs *x = *state;

    (void)help_create(&x->h, CM, "a", "x", "red");
    (void)help_create(&x->h, CM, "a", "y", "blue");
    (void)help_create(&x->h, CM, "b", "x", "red");
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_feed *f = watch_selected(x, &rows[i], 0);

        check_now(rows[i].name, f, FL_FEED_EMPTY, rows[i].want);
        close_feed(f);
    }
}

/* ---- state in pages ---- */

static void object_name(char ret[16], int i)
{
    (void)snprintf(ret, 16, "o%04d", i);
}

/* What is there changes between two pages: the pages show one moment all the same, and the changes follow. */
static void test_hub__pages_of_the_state_show_one_moment(void **state)
{
    struct hubs *x = *state;
    struct fl_watch_opts o = {.kind = CM, .send_initial = true, .bookmarks = true};
    fl_auto_val(fl_buf) got = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) want = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_feed *f;
    struct fl_str rest;
    struct fl_str line;
    char name[16];
    int n = 0;

    for (int i = 0; i < 350; i++) {
        object_name(name, i);
        (void)help_create(&x->h, CM, "n", name, "old");
    }
    f = watch(x, &o);
    object_name(name, 5);
    (void)help_update(&x->h, CM, "n", name, "new"); /* on the first page, which was read */
    object_name(name, 150);
    (void)help_update(&x->h, CM, "n", name, "new");
    (void)help_update(&x->h, CM, "n", name, "newer");
    object_name(name, 151);
    (void)help_delete(&x->h, CM, "n", name, "last");
    (void)help_create(&x->h, CM, "n", name, "again");
    object_name(name, 349);
    (void)help_delete(&x->h, CM, "n", name, "last");
    (void)help_create(&x->h, CM, "n", "o0200a", "born");
    (void)help_create(&x->h, CM, "n", "zzz", "born");
    (void)help_delete(&x->h, CM, "n", "zzz", "dead");
    assert_int_equal(drain(f, &got), FL_FEED_EMPTY);

    rest = fl_buf_slice(&got);
    while (fl_str_cut(&rest, '\n', &line) && fl_str_starts(line, "ADDED n/o") &&
           !fl_str_starts(line, "ADDED n/o0151=again") && !fl_str_starts(line, "ADDED n/o0200a")) {
        int64_t i = -1;

        assert_true(fl_scan_i64((struct fl_str){line.p + 9, 4}, &i) || line.p[9] == '0');
        fl_buf_str(&want, line);
        fl_buf_char(&want, '\n');
        n++;
    }
    assert_int_equal(n, 350);
    for (int i = 0; i < 350; i++) {
        fl_auto_text one = fl_asprintf("ADDED n/o%04d=old@%d\n", i, i + 2);

        if (!strstr(want.data, one)) {
            fail_msg("not there: %s", one);
        }
    }
    assert_true(fl_str_is(line, "BOOKMARK@351 end"));
    fl_buf_clear(&want);
    fl_buf_str(&want, rest);
    assert_string_equal(
        want.data,
        "MODIFIED n/o0005=new@352\nMODIFIED n/o0150=new@353\nMODIFIED n/o0150=newer@354\n"
        "DELETED n/o0151=last@355\nADDED n/o0151=again@356\nDELETED n/o0349=last@357\n"
        "ADDED n/o0200a=born@358\nADDED n/zzz=born@359\nDELETED n/zzz=dead@360\n");
    close_feed(f);
}

static void test_hub__large_objects_make_small_pages(void **state)
{
    struct hubs *x = *state;
    struct fl_watch_opts o = plain(CM, 0);
    fl_auto_text big = fl_malloc(200001);
    struct fl_feed *f;
    struct hub_feed *inside;
    struct fl_shared *line = NULL;
    int n = 0;

    memset(big, 'x', 200000);
    big[200000] = '\0';
    for (int i = 0; i < 10; i++) {
        char name[16];

        object_name(name, i);
        (void)help_create(&x->h, CM, "n", name, big);
    }
    f = watch(x, &o);
    inside = fl_container_of(f, struct hub_feed, feed);
    while (f->ops->next(f, &line) == FL_FEED_DATA) {
        assert_true(inside->q_len <= 2);
        fl_shared_free(line);
        n++;
    }
    assert_int_equal(n, 10);
    close_feed(f);
}

/* ---- time ---- */

static void test_hub__bookmarks_and_end_come_by_the_clock(void **state)
{
    static const struct {
        const char *name;
        int64_t step_ms;
        enum fl_feed_state state;
        const char *want, *want_plain;
    } rows[] = {
        {"at once", 0, FL_FEED_EMPTY, "", ""},
        {"59 s", 59999, FL_FEED_EMPTY, "", ""},
        {"60 s", 1, FL_FEED_EMPTY, "BOOKMARK@2\n", ""},
        {"again", 0, FL_FEED_EMPTY, "", ""},
        {"120 s", 60000, FL_FEED_EMPTY, "BOOKMARK@2\n", ""},
        {"before the end", 27999, FL_FEED_EMPTY, "", ""},
        {"2 s before the end", 1, FL_FEED_EMPTY, "BOOKMARK@2\n", ""},
        {"1 s before the end", 1000, FL_FEED_EMPTY, "", ""},
        {"the end", 1000, FL_FEED_END, "", ""},
        {"after it", 60000, FL_FEED_END, "", ""},
    };
    struct hubs *x = *state;
    struct fl_watch_opts o = {.kind = CM, .rv = 1, .bookmarks = true, .timeout_ms = 150000};
    struct fl_watch_opts no = {.kind = CM, .rv = 1, .timeout_ms = 150000};
    struct fl_feed *f = watch(x, &o);
    struct fl_feed *g = watch(x, &no);

    (void)help_create(&x->h, SECRET, "a", "x", "another kind");
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_clock_advance(x->h.clock, rows[i].step_ms);
        fl_hub_tick(x->hub);
        check_now(rows[i].name, f, rows[i].state, rows[i].want);
        check_now(rows[i].name, g, rows[i].state, rows[i].want_plain);
    }
    close_feed(f);
    close_feed(g);
}

static void test_hub__bookmark_waits_for_the_events_before_it(void **state)
{
    struct hubs *x = *state;
    struct fl_watch_opts o = {.kind = CM, .rv = 1, .bookmarks = true};
    struct fl_feed *f = watch(x, &o);

    (void)help_create(&x->h, CM, "a", "x", "1");
    (void)help_create(&x->h, SECRET, "a", "x", "1");
    fl_clock_advance(x->h.clock, 60000);
    fl_hub_tick(x->hub);
    check_now("event, then bookmark", f, FL_FEED_EMPTY, "ADDED a/x=1@2\nBOOKMARK@3\n");
    close_feed(f);
}

/* ---- sharing ---- */

static void test_hub__a_hundred_watchers_share_one_line(void **state)
{
    struct hubs *x = *state;
    struct fl_watch_opts o = plain(CM, 1);
    struct fl_feed *f[100];
    struct fl_shared *line[100];

    for (size_t i = 0; i < FL_LEN(f); i++) {
        f[i] = watch(x, &o);
    }
    (void)help_create(&x->h, CM, "a", "x", "1");
    for (size_t i = 0; i < FL_LEN(f); i++) {
        assert_int_equal(f[i]->ops->next(f[i], &line[i]), FL_FEED_DATA);
        assert_ptr_equal(line[i], line[0]);
    }
    assert_int_equal(atomic_load(&line[0]->refs), 101);
    for (size_t i = 0; i < FL_LEN(f); i++) {
        fl_shared_free(line[i]);
        close_feed(f[i]);
    }
}

static void test_hub__tables_name_their_columns_once(void **state)
{
    struct hubs *x = *state;
    struct fl_watch_opts o = {.kind = CM, .rv = 1, .form = {.type = FL_FORM_TABLE}};
    struct fl_feed *f = watch(x, &o);
    struct fl_shared *line = NULL;

    (void)help_create(&x->h, CM, "a", "x", "1");
    (void)help_create(&x->h, CM, "a", "y", "1");
    for (int i = 0; i < 2; i++) {
        struct fl_str columns;

        assert_int_equal(f->ops->next(f, &line), FL_FEED_DATA);
        columns = fl_scan_path(fl_shared_str(line), "object.columnDefinitions");
        assert_int_equal(fl_scan_kind(columns), i == 0 ? FL_SCAN_ARRAY : FL_SCAN_NULL);
        fl_shared_free(line);
    }
    close_feed(f);
}

/* ---- those who are slow ---- */

static void publish(struct hubs *x, const struct fl_kind *k, int64_t rv, size_t size)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_event ev = {.rv = rv, .type = FL_EVENT_ADDED, .kind = k};

    fl_buf_fmt(&b,
               "{\"metadata\":{\"name\":\"n%" PRId64
               "\",\"namespace\":\"a\",\"resourceVersion\":\"%" PRId64 "\"},\"data\":{\"v\":\"",
               rv, rv);
    while (b.len < size) {
        fl_buf_text(&b,
                    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    }
    fl_buf_text(&b, "\"}}");
    ev.text = fl_shared_new(fl_buf_slice(&b));
    fl_hub_publish(x->hub, &ev);
}

static void test_hub__watcher_that_falls_behind_is_ended(void **state)
{
    static const struct {
        const char *name;
        const struct fl_kind *kind; /* what is published */
        int n;
        size_t size;
        bool ended;
    } rows[] = {
        {"10,000 events are borne", CM, 10000, 0, false},
        {"more are not", CM, 10040, 0, true},
        {"3 MiB are borne", CM, 300, 10240, false},
        {"5 MiB are not", CM, 500, 10240, true},
        {"one that is larger is borne", CM, 1, 6 << 20, false},
        {"of another kind any number is", LEASE, 30000, 0, false},
        {"and any size", LEASE, 1200, 10240, false},
    };
    struct hubs *x = *state;

    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_watch_opts o = plain(CM, 1);
        struct fl_feed *f;
        struct fl_shared *line = NULL;
        enum fl_feed_state st;
        int got = 0;
        int want = rows[i].kind == CM ? rows[i].n : 0;

        close_hub(x);
        open_hub(x, NULL);
        f = watch(x, &o);
        assert_int_equal(f->ops->next(f, &line), FL_FEED_EMPTY);
        for (int j = 0; j < rows[i].n; j++) {
            publish(x, rows[i].kind, 10 + j, rows[i].size);
        }
        assert_true(x->hub->events <= 20000);
        assert_true(x->hub->text <= (8u << 20) || x->hub->events == 1);
        while ((st = f->ops->next(f, &line)) == FL_FEED_DATA) {
            fl_shared_free(line);
            got++;
        }
        if (st != (rows[i].ended ? FL_FEED_END : FL_FEED_EMPTY) ||
            got != (rows[i].ended ? 0 : want)) {
            fail_msg("row '%s': state %d after %d", rows[i].name, st, got);
        }
        close_feed(f);
    }
}

static void test_hub__what_all_have_seen_is_not_kept(void **state)
{
    struct hubs *x = *state;
    struct fl_watch_opts o = plain(CM, 1);
    struct fl_feed *f = watch(x, &o);
    struct fl_shared *line = NULL;

    for (int i = 0; i < 1000; i++) {
        publish(x, CM, 10 + i, 4096);
        assert_int_equal(f->ops->next(f, &line), FL_FEED_DATA);
        fl_shared_free(line);
    }
    assert_true(x->hub->bytes <= (1u << 20) + 32 * 10000);
    fl_hub_tick(x->hub);
    assert_true(x->hub->bytes <= 1u << 20);
    assert_true(x->hub->events > 50);
    close_feed(f);
}

static void test_hub__namespaced_watcher_is_not_ended_by_others(void **state)
{
    struct hubs *x = *state;
    struct fl_watch_opts o = {.kind = CM, .rv = 1, .ns = FL_STR("quiet")};
    struct fl_feed *f = watch(x, &o);

    check_now("before", f, FL_FEED_EMPTY, "");
    for (int i = 0; i < 30000; i++) {
        publish(x, CM, 10 + i, 0);
    }
    check_now("after", f, FL_FEED_EMPTY, "");
    close_feed(f);
}

/* ---- wakers ---- */

static void count_wake(void *arg)
{
    (*(int *)arg)++;
}

static void test_hub__waker_is_called_once_for_each_empty(void **state)
{
    struct hubs *x = *state;
    struct fl_watch_opts o = {.kind = CM, .rv = 1, .ns = FL_STR("a"), .timeout_ms = 1000};
    struct fl_feed *f = watch(x, &o);
    int n = 0;

    f->ops->set_waker(f, count_wake, &n);
    (void)help_create(&x->h, CM, "a", "x", "1");
    assert_int_equal(n, 0); /* nobody asked yet */
    check_now("first", f, FL_FEED_EMPTY, "ADDED a/x=1@2\n");
    (void)help_create(&x->h, SECRET, "a", "x", "1");
    (void)help_create(&x->h, CM, "b", "x", "1");
    assert_int_equal(n, 0);
    (void)help_update(&x->h, CM, "a", "x", "2");
    (void)help_update(&x->h, CM, "a", "x", "3");
    assert_int_equal(n, 1);
    check_now("both", f, FL_FEED_EMPTY, "MODIFIED a/x=2@5\nMODIFIED a/x=3@6\n");
    f->ops->set_waker(f, NULL, NULL);
    (void)help_update(&x->h, CM, "a", "x", "4");
    assert_int_equal(n, 1);
    f->ops->set_waker(f, count_wake, &n);
    assert_int_equal(n, 2); /* for what came while there was none */
    check_now("that", f, FL_FEED_EMPTY, "MODIFIED a/x=4@7\n");
    fl_clock_advance(x->h.clock, 1000);
    fl_hub_tick(x->hub);
    assert_int_equal(n, 3);
    check_now("end", f, FL_FEED_END, "");
    close_feed(f);
}

static void close_in_wake(void *arg)
{
    close_feed(arg);
}

static void test_hub__waker_may_close_its_feed(void **state)
{
    struct hubs *x = *state;
    struct fl_watch_opts o = plain(CM, 1);
    struct fl_feed *f = watch(x, &o);
    struct fl_feed *g = watch(x, &o);

    check_now("f", f, FL_FEED_EMPTY, "");
    check_now("g", g, FL_FEED_EMPTY, "");
    f->ops->set_waker(f, close_in_wake, f);
    g->ops->set_waker(g, close_in_wake, g);
    (void)help_create(&x->h, CM, "a", "x", "1");
    assert_int_equal(fl_hub_watchers(x->hub), 0);
}

static void test_hub__stop_ends_all_and_refuses_new_ones(void **state)
{
    struct hubs *x = *state;
    struct fl_watch_opts o = plain(CM, 1);
    struct fl_watch_opts all = {.kind = SECRET, .send_initial = true};
    struct fl_feed *f = watch(x, &o);
    struct fl_feed *g = watch(x, &all);
    struct fl_feed *no = NULL;
    struct fl_err err = FL_ERR_INIT;
    int n = 0;

    check_now("f", f, FL_FEED_EMPTY, "");
    f->ops->set_waker(f, count_wake, &n);
    fl_hub_stop(x->hub);
    assert_int_equal(n, 1);
    check_now("live", f, FL_FEED_END, "");
    check_now("at its state", g, FL_FEED_END, "");
    assert_int_equal(fl_hub_watch(x->hub, &o, &no, &err), FL_E_UNAVAILABLE);
    assert_null(no);
    close_feed(f);
    close_feed(g);
}

/* ---- many threads ---- */

enum { WRITERS = 3, WATCHERS = 4, ROUNDS = 300, NAMES = 150 };

struct writer {
    struct hubs *x;
    int id;
    unsigned seed;
};

static unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16;
}

static void *writer_run(void *arg)
{
    struct writer *w = arg;
    int64_t rv[NAMES] = {0};

    for (int i = 0; i < ROUNDS; i++) {
        unsigned n = next_random(&w->seed) % NAMES;
        char name[32];
        struct fl_store_key key;

        (void)snprintf(name, sizeof(name), "w%d-%03u", w->id, n);
        key = help_key(CM, "n", name);
        if (rv[n] == 0) {
            assert_int_equal(help_write(&w->x->h, FL_STORE_CREATE, &key, "v", 0, &rv[n], NULL), 0);
        } else if (next_random(&w->seed) % 3 > 0) {
            assert_int_equal(help_write(&w->x->h, FL_STORE_UPDATE, &key, "u", rv[n], &rv[n], NULL),
                             0);
        } else {
            assert_int_equal(help_write(&w->x->h, FL_STORE_DELETE, &key, "d", rv[n], &rv[n], NULL),
                             0);
            rv[n] = 0;
        }
    }
    return NULL;
}

/* A client's cache, fed by watches that begin anew now and then, as informers do. */
struct watcher {
    struct hubs *x;
    unsigned seed;
    struct fl_map *cache; /* name -> RV */
    int64_t rv;
    bool complete; /* the initial state has come */
    bool last;     /* the last object of all was seen */
    int streams;
    struct fl_lock lock;
    struct fl_cond cond;
    bool woken;
};

static void watcher_wake(void *arg)
{
    struct watcher *w = arg;

    fl_lock_scope(&w->lock);
    w->woken = true;
    fl_cond_signal(&w->cond);
}

static void watcher_line(struct watcher *w, struct fl_str line)
{
    struct fl_str object = fl_scan_path(line, "object");
    struct fl_str type = {NULL, 0};
    struct fl_str name = {NULL, 0};
    int64_t rv = help_text_rv(object);
    bool there;

    (void)fl_scan_plain(fl_scan_path(line, "type"), &type);
    (void)fl_scan_plain(fl_scan_path(object, "metadata.name"), &name);
    if (fl_str_is(type, "BOOKMARK")) {
        assert_false(w->complete);
        w->complete = true;
        w->rv = rv;
        return;
    }
    if (w->complete) {
        assert_true(rv > w->rv);
        w->rv = rv;
    }
    there = fl_map_get(w->cache, name) != NULL;
    if (there != !fl_str_is(type, "ADDED")) {
        fail_msg("%.*s of %.*s at %" PRId64, FL_STR_ARG(type), FL_STR_ARG(name), rv);
    }
    if (fl_str_is(type, "DELETED")) {
        (void)fl_map_del(w->cache, name);
    } else {
        fl_map_set(w->cache, name, (void *)(intptr_t)rv);
    }
    w->last = w->last || fl_str_is(name, "the-end");
}

static struct fl_feed *watcher_begin(struct watcher *w)
{
    struct fl_watch_opts o = {.kind = CM, .rv = w->rv};

    w->streams++;
    if (next_random(&w->seed) % 2 == 0 || w->rv == 0) {
        fl_map_clear(w->cache);
        w->complete = false;
        w->last = false;
        o.rv = 0;
        o.send_initial = true;
        o.bookmarks = true;
    }
    return watch(w->x, &o);
}

static bool watcher_done(const struct watcher *w)
{
    return w->last && w->complete;
}

static void *watcher_run(void *arg)
{
    struct watcher *w = arg;

    while (!watcher_done(w)) {
        struct fl_feed *f = watcher_begin(w);
        unsigned lines = 20 + next_random(&w->seed) % 400;
        struct fl_shared *line = NULL;
        enum fl_feed_state st;

        f->ops->set_waker(f, watcher_wake, w);
        while (!watcher_done(w) && (lines > 0 || !w->complete) &&
               (st = f->ops->next(f, &line)) != FL_FEED_END) {
            if (st == FL_FEED_DATA) {
                watcher_line(w, fl_shared_str(line));
                fl_shared_free(line);
                lines -= lines > 0;
                continue;
            }
            fl_lock_take(&w->lock);
            while (!w->woken) {
                fl_cond_wait(&w->cond, &w->lock);
            }
            w->woken = false;
            fl_lock_drop(&w->lock);
        }
        if (next_random(&w->seed) % 2 == 0) {
            f->ops->set_waker(f, NULL, NULL);
        }
        close_feed(f);
    }
    return NULL;
}

struct compare {
    struct watcher *w;
    size_t n;
    size_t same;
};

static bool compare_item(void *arg, const struct fl_store_key *key, int64_t rv, struct fl_str text)
{
    struct compare *c = arg;

    (void)text;
    /* Not asserted here: a jump out of the store's read would leave it open. */
    c->same += (intptr_t)fl_map_get(c->w->cache, key->name) == rv;
    c->n++;
    return true;
}

static void test_hub__caches_fed_in_parallel_equal_the_store(void **state)
{
    struct hubs *x = *state;
    struct writer w[WRITERS];
    struct watcher v[WATCHERS];
    pthread_t wt[WRITERS];
    pthread_t vt[WATCHERS];

    for (unsigned i = 0; i < WATCHERS; i++) {
        v[i] = (struct watcher){.x = x, .seed = 77 + i, .cache = fl_map_new(NULL)};
        fl_lock_init(&v[i].lock, "watcher", FL_RANK_FEED + 1);
        fl_cond_init(&v[i].cond);
        fl_thread_start(&vt[i], "watcher", watcher_run, &v[i]);
    }
    for (int i = 0; i < WRITERS; i++) {
        w[i] = (struct writer){x, i, 5u + (unsigned)i};
        fl_thread_start(&wt[i], "writer", writer_run, &w[i]);
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(wt[i], NULL), 0);
        fl_hub_tick(x->hub);
    }
    (void)help_create(&x->h, CM, "n", "the-end", "v");
    for (int i = 0; i < WATCHERS; i++) {
        struct compare c = {&v[i], 0, 0};
        struct fl_store_list l = {.kind = CM, .item = compare_item, .arg = &c};

        assert_int_equal(pthread_join(vt[i], NULL), 0);
        assert_int_equal(fl_store_list(x->h.s, &l, NULL, NULL, NULL, NULL), 0);
        assert_int_equal(c.same, c.n);
        assert_int_equal(c.n, fl_map_len(v[i].cache));
        assert_true(v[i].streams > 1);
        fl_map_free(v[i].cache);
        fl_cond_destroy(&v[i].cond);
        fl_lock_destroy(&v[i].lock);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_hub__live_events_arrive_in_order),
        TEST(test_hub__start_decides_what_comes_first),
        TEST(test_hub__state_of_an_rv_to_come_is_refused),
        TEST(test_hub__namespaced_watch_sees_its_namespace_alone),
        TEST(test_hub__event_of_one_group_is_seen_in_the_other),
        TEST(test_hub__resumed_watch_gets_each_later_event_once),
        TEST(test_hub__rv_older_than_the_log_is_expired),
        TEST(test_hub__selected_objects_come_and_go),
        TEST(test_hub__selected_state),
        TEST(test_hub__pages_of_the_state_show_one_moment),
        TEST(test_hub__large_objects_make_small_pages),
        TEST(test_hub__bookmarks_and_end_come_by_the_clock),
        TEST(test_hub__bookmark_waits_for_the_events_before_it),
        TEST(test_hub__a_hundred_watchers_share_one_line),
        TEST(test_hub__tables_name_their_columns_once),
        TEST(test_hub__watcher_that_falls_behind_is_ended),
        TEST(test_hub__what_all_have_seen_is_not_kept),
        TEST(test_hub__namespaced_watcher_is_not_ended_by_others),
        TEST(test_hub__waker_is_called_once_for_each_empty),
        TEST(test_hub__waker_may_close_its_feed),
        TEST(test_hub__stop_ends_all_and_refuses_new_ones),
        TEST(test_hub__caches_fed_in_parallel_equal_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
