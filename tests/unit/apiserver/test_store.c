/* SPDX-License-Identifier: Apache-2.0 */
#include "store_help.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "wire/crypt.h"
#include "wire/db.h"
#include "wire/file.h"

#define CM (&fl_kind_config_map)
#define SECRET (&fl_kind_secret)
#define EVENT (&fl_kind_event)
#define LEASE (&fl_kind_lease)

static char *value_of(struct help *h, const struct fl_kind *k, const char *ns, const char *name)
{
    struct fl_store_key key = help_key(k, ns, name);
    struct fl_err err = FL_ERR_INIT;
    fl_auto(fl_shared) text = NULL;
    struct fl_str v;
    int64_t rv = 0;

    if (fl_store_get(h->s, &key, &text, &rv, &err) != 0) {
        fail_msg("get %s/%s: %s", ns, name, err.msg);
    }
    assert_int_equal(help_text_rv(fl_shared_str(text)), rv);
    v = help_text_value(fl_shared_str(text));
    return fl_strndup(v.p, v.n);
}

static void check_value(struct help *h, const struct fl_kind *k, const char *ns, const char *name,
                        const char *want)
{
    fl_auto_text got = value_of(h, k, ns, name);

    assert_string_equal(got, want);
}

/* ---- writing ---- */

static void test_store__new_object_is_read_back_with_its_rv(void **state)
{
    struct help *h = *state;
    struct fl_store_key key = help_key(CM, "default", "a");
    struct fl_store_write w = {.op = FL_STORE_CREATE,
                               .key = key,
                               .before = FL_STR("{\"metadata\":{\"resourceVersion\":\""),
                               .after = FL_STR("\"},\"x\":1}")};
    struct fl_err err = FL_ERR_INIT;
    fl_auto(fl_shared) text = NULL;
    fl_auto(fl_shared) again = NULL;
    int64_t rv = 0;

    help_open(h, NULL);
    assert_int_equal(fl_store_rv(h->s), 1);
    assert_int_equal(fl_store_write(h->s, &w, &text, &rv, &err), 0);
    assert_int_equal(rv, 2);
    assert_int_equal(fl_store_rv(h->s), 2);
    assert_string_equal(text->data, "{\"metadata\":{\"resourceVersion\":\"2\"},\"x\":1}");
    assert_int_equal(fl_store_get(h->s, &key, &again, &rv, &err), 0);
    assert_int_equal(rv, 2);
    assert_string_equal(again->data, text->data);
    assert_true(fl_store_size_bytes(h->s) > 0);
}

static void test_store__write_that_does_not_fit_fails_and_changes_nothing(void **state)
{
    static const struct {
        const char *name;
        enum fl_store_op op;
        const char *object;
        int64_t expect_rv;
        int want;
    } rows[] = {
        {"create what is there", FL_STORE_CREATE, "a", 0, FL_E_EXISTS},
        {"update what is not there", FL_STORE_UPDATE, "b", 2, FL_E_NOT_FOUND},
        {"update with an older RV", FL_STORE_UPDATE, "a", 2, FL_E_CONFLICT},
        {"update with a newer RV", FL_STORE_UPDATE, "a", 4, FL_E_CONFLICT},
        {"update without RV", FL_STORE_UPDATE, "a", 0, FL_E_CONFLICT},
        {"delete what is not there", FL_STORE_DELETE, "b", 2, FL_E_NOT_FOUND},
        {"delete with an older RV", FL_STORE_DELETE, "a", 2, FL_E_CONFLICT},
    };
    struct help *h = *state;

    help_open(h, NULL);
    assert_int_equal(help_create(h, CM, "default", "a", "one"), 2);
    assert_int_equal(help_update(h, CM, "default", "a", "two"), 3);
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_store_key key = help_key(CM, "default", rows[i].object);
        struct fl_err err = FL_ERR_INIT;
        int64_t rv = -7;
        int rc = help_write(h, rows[i].op, &key, "no", rows[i].expect_rv, &rv, &err);

        if (rc != rows[i].want || (int)err.code != rows[i].want || rv != -7) {
            fail_msg("row '%s': %d %s, rv %" PRId64, rows[i].name, rc, err.msg, rv);
        }
    }
    check_value(h, CM, "default", "a", "two");
    assert_int_equal(h->n, 2);
    assert_int_equal(fl_store_rv(h->s), 3);
}

static void test_store__same_name_elsewhere_is_another_object(void **state)
{
    struct help *h = *state;

    help_open(h, NULL);
    (void)help_create(h, CM, "a", "x", "1");
    (void)help_create(h, CM, "b", "x", "2");
    (void)help_create(h, SECRET, "a", "x", "3");
    (void)help_create(h, &fl_kind_namespace, "", "x", "4");
    check_value(h, CM, "a", "x", "1");
    check_value(h, CM, "b", "x", "2");
    check_value(h, SECRET, "a", "x", "3");
    check_value(h, &fl_kind_namespace, "", "x", "4");
}

static void check_event(const struct fl_event *ev, enum fl_event_type type, int64_t rv,
                        const char *value, const char *old)
{
    assert_int_equal(ev->type, type);
    assert_int_equal(ev->rv, rv);
    assert_int_equal(help_text_rv(fl_shared_str(ev->text)), rv);
    assert_true(fl_str_is(help_text_value(fl_shared_str(ev->text)), value));
    assert_int_equal(ev->old != NULL, old != NULL);
    if (old) {
        assert_true(fl_str_is(help_text_value(fl_shared_str(ev->old)), old));
        assert_true(help_text_rv(fl_shared_str(ev->old)) < rv);
    }
}

static void test_store__changes_are_published_with_what_was_before(void **state)
{
    static const struct {
        const char *name;
        const struct fl_kind *kind;
    } rows[] = {{"plain", CM}, {"sealed", SECRET}, {"short log", LEASE}};
    struct help *h = *state;

    help_open(h, NULL);
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        int64_t rv = fl_store_rv(h->s);

        help_forget(h);
        (void)help_create(h, rows[i].kind, "default", "a", "one");
        (void)help_update(h, rows[i].kind, "default", "a", "two");
        (void)help_delete(h, rows[i].kind, "default", "a", "last");
        assert_int_equal(h->n, 3);
        assert_ptr_equal(h->events[0].kind, rows[i].kind);
        check_event(&h->events[0], FL_EVENT_ADDED, rv + 1, "one", NULL);
        check_event(&h->events[1], FL_EVENT_MODIFIED, rv + 2, "two", "one");
        check_event(&h->events[2], FL_EVENT_DELETED, rv + 3, "last", "two");
    }
}

static void test_store__event_is_one_object_in_both_groups(void **state)
{
    struct help *h = *state;

    help_open(h, NULL);
    (void)help_create(h, &fl_kind_event_v1, "default", "e", "one");
    check_value(h, EVENT, "default", "e", "one");
    (void)help_update(h, EVENT, "default", "e", "two");
    check_value(h, &fl_kind_event_v1, "default", "e", "two");
}

/* ---- lists ---- */

struct listing {
    struct fl_buf out; /* "ns/name=value " */
    const char *skip;  /* this name does not count */
};

static bool list_item(void *arg, const struct fl_store_key *key, int64_t rv, struct fl_str text)
{
    struct listing *l = arg;

    /* Callbacks of the store assert nothing: a jump out of its read would leave it open. */
    if (help_text_rv(text) != rv) {
        fl_buf_text(&l->out, "wrong RV: ");
    }
    if (l->skip && fl_str_is(key->name, l->skip)) {
        return false;
    }
    fl_buf_fmt(&l->out, "%.*s/%.*s=%.*s ", FL_STR_ARG(key->ns), FL_STR_ARG(key->name),
               FL_STR_ARG(help_text_value(text)));
    return true;
}

static void test_store__list_gives_what_was_asked_for_in_order(void **state)
{
    static const struct {
        const char *name;
        const struct fl_kind *kind;
        const char *ns, *only, *after_ns, *after_name;
        int64_t limit;
        const char *skip;
        const char *want;
        bool more;
        int64_t remaining;
    } rows[] = {
        {"all", CM, "", "", "", "", 0, NULL, "a/x=1 a/y=2 a.b/w=6 b/x=3 b/z=4 ", false, 0},
        {"one namespace", CM, "a", "", "", "", 0, NULL, "a/x=1 a/y=2 ", false, 0},
        {"empty namespace", CM, "none", "", "", "", 5, NULL, "", false, 0},
        {"another kind", SECRET, "", "", "", "", 0, NULL, "a/x=5 ", false, 0},
        {"first page", CM, "", "", "", "", 2, NULL, "a/x=1 a/y=2 ", true, 3},
        {"second page", CM, "", "", "a", "y", 2, NULL, "a.b/w=6 b/x=3 ", true, 1},
        {"last page", CM, "", "", "b", "x", 2, NULL, "b/z=4 ", false, 0},
        {"page that is just full", CM, "", "", "", "", 5, NULL, "a/x=1 a/y=2 a.b/w=6 b/x=3 b/z=4 ",
         false, 0},
        {"page of a namespace", CM, "b", "", "", "", 1, NULL, "b/x=3 ", true, 1},
        {"behind in a namespace", CM, "b", "", "b", "x", 1, NULL, "b/z=4 ", false, 0},
        {"behind one that is gone", CM, "", "", "a", "xx", 1, NULL, "a/y=2 ", true, 3},
        {"one name", CM, "b", "z", "", "", 0, NULL, "b/z=4 ", false, 0},
        {"one name everywhere", CM, "", "x", "", "", 0, NULL, "a/x=1 b/x=3 ", false, 0},
        {"one name that is not there", CM, "a", "z", "", "", 0, NULL, "", false, 0},
        {"what does not count is no part of the limit", CM, "", "", "", "", 2, "x",
         "a/y=2 a.b/w=6 ", true, 2},
    };
    struct help *h = *state;

    help_open(h, NULL);
    (void)help_create(h, CM, "b", "z", "4");
    (void)help_create(h, CM, "a", "y", "2");
    (void)help_create(h, CM, "b", "x", "3");
    (void)help_create(h, SECRET, "a", "x", "5");
    (void)help_create(h, CM, "a.b", "w", "6");
    (void)help_create(h, CM, "a", "x", "1");
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct listing got = {FL_BUF_INIT(FL_BUF_ANY), rows[i].skip};
        struct fl_store_list l = {.kind = rows[i].kind,
                                  .ns = fl_str_of(rows[i].ns),
                                  .name = fl_str_of(rows[i].only),
                                  .after_ns = fl_str_of(rows[i].after_ns),
                                  .after_name = fl_str_of(rows[i].after_name),
                                  .limit = rows[i].limit,
                                  .item = list_item,
                                  .arg = &got};
        struct fl_err err = FL_ERR_INIT;
        int64_t rv = 0;
        bool more = !rows[i].more;
        int64_t remaining = -7;

        assert_int_equal(fl_store_list(h->s, &l, &rv, &more, &remaining, &err), 0);
        if (strcmp(got.out.data, rows[i].want) != 0 || rv != 7 || more != rows[i].more ||
            remaining != rows[i].remaining) {
            fail_msg("row '%s': '%s' rv %" PRId64 " more %d remaining %" PRId64, rows[i].name,
                     got.out.data, rv, more, remaining);
        }
        fl_buf_release(&got.out);
    }
}

/* ---- the log ---- */

struct replayed {
    const struct fl_event *want; /* what was published */
    size_t n;
    const struct fl_kind *only;
    size_t at;
    size_t count;
};

static bool same_text(const struct fl_shared *a, const struct fl_shared *b)
{
    return a && b ? fl_str_eq(fl_shared_str(a), fl_shared_str(b)) : a == b;
}

/* Counts those that are as they were published. */
static void replay_compare(void *arg, const struct fl_event *ev)
{
    struct replayed *r = arg;
    const struct fl_event *want;

    while (r->at < r->n && r->only && r->want[r->at].kind != r->only) {
        r->at++;
    }
    if (r->at == r->n) {
        r->count = (size_t)-1;
        return;
    }
    want = &r->want[r->at++];
    r->count += ev->rv == want->rv && ev->type == want->type && ev->kind == want->kind &&
                same_text(ev->text, want->text) && same_text(ev->old, want->old);
}

static void test_store__replay_is_what_was_published(void **state)
{
    static const struct fl_kind *const kinds[] = {CM, SECRET, LEASE, EVENT};
    struct help *h = *state;
    struct fl_err err = FL_ERR_INIT;
    struct replayed r;

    help_open(h, NULL);
    for (int i = 0; i < 120; i++) {
        char name[16];
        const struct fl_kind *k = kinds[i % 4];

        (void)snprintf(name, sizeof(name), "o%d", i / 12);
        if (i / 4 % 3 == 0) {
            (void)help_create(h, k, "default", name, "first");
        } else if (i / 4 % 3 == 1) {
            (void)help_update(h, k, "default", name, "second");
        } else {
            (void)help_delete(h, k, "default", name, "third");
        }
    }
    r = (struct replayed){h->events, h->n, NULL, 0, 0};
    assert_int_equal(fl_store_replay(h->s, 1, INT64_MAX, NULL, replay_compare, &r, &err), 0);
    assert_int_equal(r.count, 120);
    for (size_t i = 0; i < FL_LEN(kinds); i++) {
        r = (struct replayed){h->events, h->n, kinds[i], 0, 0};
        assert_int_equal(fl_store_replay(h->s, 1, INT64_MAX, kinds[i], replay_compare, &r, &err),
                         0);
        assert_int_equal(r.count, 30);
    }
    /* Behind the tenth, up to and including the fifteenth. */
    r = (struct replayed){h->events + 10, 5, NULL, 0, 0};
    assert_int_equal(
        fl_store_replay(h->s, h->events[9].rv, h->events[14].rv, NULL, replay_compare, &r, &err),
        0);
    assert_int_equal(r.count, 5);
    /* And after a restart. */
    help_close(h);
    help_open(h, NULL);
    r = (struct replayed){h->events, h->n, NULL, 0, 0};
    assert_int_equal(fl_store_replay(h->s, 1, INT64_MAX, NULL, replay_compare, &r, &err), 0);
    assert_int_equal(r.count, 120);
}

static void count_event(void *arg, const struct fl_event *ev)
{
    int *n = arg;

    (void)ev;
    (*n)++;
}

static void test_store__log_is_trimmed_and_older_rv_is_expired(void **state)
{
    struct help *h = *state;
    struct fl_store_conf conf = {.log_keep = 100};
    struct fl_err err = FL_ERR_INIT;
    int64_t floor;
    int n = 0;

    help_open(h, &conf);
    (void)help_create(h, CM, "default", "a", "0");
    for (int i = 0; i < 500; i++) {
        (void)help_update(h, CM, "default", "a", "v");
    }
    floor = fl_store_oldest_rv(h->s);
    assert_true(floor > 1 && floor >= fl_store_rv(h->s) - 164 && floor <= fl_store_rv(h->s) - 100);
    assert_int_equal(fl_store_floor(h->s, CM), floor);
    assert_int_equal(fl_store_floor(h->s, LEASE), 1);
    assert_int_equal(fl_store_floor(h->s, NULL), floor);
    assert_int_equal(fl_store_replay(h->s, floor - 1, INT64_MAX, CM, count_event, &n, &err),
                     FL_E_NOT_FOUND);
    assert_string_equal(err.reason, "Expired");
    assert_int_equal(n, 0);
    assert_int_equal(fl_store_replay(h->s, floor, INT64_MAX, CM, count_event, &n, &err), 0);
    assert_int_equal(n, fl_store_rv(h->s) - floor);
    /* A sweep makes it exactly as long as it should be; so it is after a restart. */
    assert_int_equal(fl_store_sweep(h->s, &err), 0);
    assert_int_equal(fl_store_oldest_rv(h->s), fl_store_rv(h->s) - 100);
    help_close(h);
    help_open(h, &conf);
    assert_int_equal(fl_store_oldest_rv(h->s), fl_store_rv(h->s) - 100);
    for (int i = 0; i < 64; i++) {
        (void)help_update(h, CM, "default", "a", "v");
    }
    assert_int_equal(fl_store_oldest_rv(h->s), fl_store_rv(h->s) - 100);
}

static void test_store__busy_leases_do_not_push_out_the_history_of_others(void **state)
{
    struct help *h = *state;
    struct fl_store_conf conf = {.log_keep = 200};
    struct fl_err err = FL_ERR_INIT;
    int64_t rv;
    int n = 0;

    help_open(h, &conf);
    rv = help_create(h, CM, "default", "a", "0");
    (void)help_create(h, LEASE, "default", "l", "0");
    for (int i = 0; i < 1000; i++) {
        (void)help_update(h, LEASE, "default", "l", "v");
    }
    (void)help_update(h, CM, "default", "a", "1");
    assert_int_equal(fl_store_floor(h->s, CM), 1);
    assert_true(fl_store_floor(h->s, LEASE) >= fl_store_rv(h->s) - 20 - 64 - 1);
    assert_int_equal(fl_store_replay(h->s, rv, INT64_MAX, CM, count_event, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(fl_store_replay(h->s, rv, INT64_MAX, LEASE, count_event, &n, &err),
                     FL_E_NOT_FOUND);
    assert_int_equal(fl_store_replay(h->s, rv, INT64_MAX, NULL, count_event, &n, &err),
                     FL_E_NOT_FOUND);
}

static void test_store__restart_goes_on_behind_the_last_rv(void **state)
{
    struct help *h = *state;
    int64_t rv;

    help_open(h, NULL);
    (void)help_create(h, CM, "default", "a", "1");
    rv = help_delete(h, CM, "default", "a", "1");
    help_close(h);
    help_open(h, NULL);
    assert_int_equal(fl_store_rv(h->s), rv);
    assert_int_equal(help_create(h, CM, "default", "a", "2"), rv + 1);
}

/* The log is emptied when none of it can be read any more. */
static void test_store__restart_with_an_empty_log_does_not_go_back(void **state)
{
    struct help *h = *state;
    fl_auto_text key = fl_asprintf("%s/secrets.key", h->dir);
    struct fl_err err = FL_ERR_INIT;
    int64_t rv;
    int n = 0;

    help_open(h, NULL);
    (void)help_create(h, SECRET, "default", "s", "1");
    rv = help_delete(h, SECRET, "default", "s", "1");
    help_close(h);
    assert_int_equal(unlink(key), 0);
    help_open(h, NULL);
    assert_int_equal(fl_store_rv(h->s), rv);
    assert_int_equal(fl_store_oldest_rv(h->s), rv);
    assert_int_equal(fl_store_replay(h->s, rv, INT64_MAX, NULL, count_event, &n, &err), 0);
    assert_int_equal(n, 0);
    help_close(h);
    help_open(h, NULL);
    assert_int_equal(fl_store_rv(h->s), rv);
    assert_int_equal(help_create(h, SECRET, "default", "s", "2"), rv + 1);
}

/* ---- secrets ---- */

static bool files_hold(struct help *h, const char *needle)
{
    DIR *d = opendir(h->dir);
    struct dirent *e;
    bool found = false;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_auto_text path = fl_asprintf("%s/%s", h->dir, e->d_name);
        size_t n = strlen(needle);

        if (e->d_name[0] == '.' || fl_file_read(path, (size_t)64 << 20, &b, NULL) != 0) {
            continue;
        }
        for (size_t i = 0; i + n <= b.len && !found; i++) {
            found = memcmp(b.data + i, needle, n) == 0;
        }
    }
    (void)closedir(d);
    return found;
}

static void test_store__plain_text_of_secrets_is_in_no_file(void **state)
{
    struct help *h = *state;

    help_open(h, NULL);
    (void)help_create(h, SECRET, "default", "s", "xyzzy-first-secret");
    (void)help_update(h, SECRET, "default", "s", "xyzzy-second-secret");
    (void)help_create(h, SECRET, "default", "t", "xyzzy-third-secret");
    (void)help_delete(h, SECRET, "default", "t", "xyzzy-third-secret");
    (void)help_create(h, CM, "default", "c", "plugh-no-secret");
    assert_true(files_hold(h, "plugh-no-secret"));
    assert_false(files_hold(h, "xyzzy"));
    help_close(h);
    assert_true(files_hold(h, "plugh-no-secret"));
    assert_false(files_hold(h, "xyzzy"));
    help_open(h, NULL);
    check_value(h, SECRET, "default", "s", "xyzzy-second-secret");
}

static void test_store__lost_key_is_told_with_what_to_do(void **state)
{
    struct help *h = *state;
    fl_auto_text key = fl_asprintf("%s/secrets.key", h->dir);
    fl_auto_text kept = fl_asprintf("%s/kept", h->dir);
    struct fl_store_conf conf = {0};
    struct fl_err err = FL_ERR_INIT;

    help_open(h, NULL);
    (void)help_create(h, SECRET, "default", "s", "v");
    help_close(h);
    assert_int_equal(rename(key, kept), 0);

    assert_int_equal(help_open_as(h, &conf, &err), FL_E_AUTH);
    assert_string_equal(err.reason, "KeyLost");
    assert_non_null(strstr(err.msg, key));
    assert_non_null(strstr(err.msg, "put back the key file"));
    assert_int_equal(access(key, F_OK), -1); /* none is made in its place */

    assert_int_equal(fl_keyring_create(key, &err), 0);
    fl_err_clear(&err);
    assert_int_equal(help_open_as(h, &conf, &err), FL_E_AUTH);
    assert_string_equal(err.reason, "KeyLost");
    assert_non_null(strstr(err.msg, key));

    conf.key_file = kept;
    help_open(h, &conf);
    check_value(h, SECRET, "default", "s", "v");
}

static void test_store__rotated_key_takes_over_by_sweeps(void **state)
{
    struct help *h = *state;
    fl_auto_text key = fl_asprintf("%s/secrets.key", h->dir);
    fl_auto_val(fl_buf) ring = FL_BUF_INIT(65536);
    struct fl_err err = FL_ERR_INIT;
    struct fl_str rest;
    struct fl_str first;
    struct replayed r;
    int sweeps = 0;
    int left;

    help_open(h, NULL);
    for (int i = 0; i < 130; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "s%d", i);
        (void)help_create(h, SECRET, "default", name, "v");
        (void)help_update(h, SECRET, "default", name, "w");
    }
    help_close(h);
    assert_int_equal(fl_keyring_rotate(key, &err), 0);
    help_open(h, NULL);
    (void)help_update(h, SECRET, "default", "s7", "new");
    (void)help_update(h, SECRET, "default", "s8", "new");
    (void)help_delete(h, SECRET, "default", "s8", "gone");
    while ((left = fl_store_sweep(h->s, &err)) > 0) {
        sweeps++;
        assert_true(sweeps < 20);
    }
    assert_int_equal(left, 0);
    assert_true(sweeps > 1);
    help_close(h);

    /* The old key is dropped: only the first line stays. */
    assert_int_equal(fl_file_read(key, 65536, &ring, &err), 0);
    rest = fl_buf_slice(&ring);
    do {
        (void)fl_str_cut(&rest, '\n', &first);
    } while (first.n == 0 || first.p[0] == '#');
    assert_true(rest.n > 30);
    ((char *)(uintptr_t)first.p)[first.n] = '\n';
    assert_int_equal(fl_file_replace(key, (struct fl_str){first.p, first.n + 1}, &err), 0);
    help_open(h, NULL);
    check_value(h, SECRET, "default", "s0", "w");
    check_value(h, SECRET, "default", "s7", "new");
    check_value(h, SECRET, "default", "s129", "w");
    r = (struct replayed){h->events, h->n, NULL, 0, 0};
    assert_int_equal(fl_store_replay(h->s, 1, INT64_MAX, SECRET, replay_compare, &r, &err), 0);
    assert_int_equal(r.count, 263);
}

static void test_store__log_of_a_key_dropped_too_early_is_expired(void **state)
{
    struct help *h = *state;
    fl_auto_text key = fl_asprintf("%s/secrets.key", h->dir);
    struct fl_err err = FL_ERR_INIT;
    int64_t rv;
    int n = 0;

    help_open(h, NULL);
    (void)help_create(h, SECRET, "default", "s", "1");
    (void)help_delete(h, SECRET, "default", "s", "1");
    help_close(h);
    assert_int_equal(unlink(key), 0);
    assert_int_equal(fl_keyring_create(key, &err), 0);
    help_open(h, NULL);
    rv = help_create(h, SECRET, "default", "t", "2");
    assert_int_equal(fl_store_replay(h->s, 1, INT64_MAX, SECRET, count_event, &n, &err),
                     FL_E_NOT_FOUND);
    assert_string_equal(err.reason, "Expired");
    assert_int_equal(fl_store_sweep(h->s, &err), 0);
    assert_int_equal(fl_store_oldest_rv(h->s), rv - 1);
    assert_int_equal(fl_store_replay(h->s, rv - 1, INT64_MAX, SECRET, count_event, &n, &err), 0);
    assert_int_equal(n, 1);
}

/* ---- the file, changed from outside ---- */

static int run_sql(struct fl_db_conn *c, void *arg, struct fl_err *err)
{
    struct fl_stmt *st = fl_stmt_get(c, arg, err);

    return st ? fl_stmt_run(st, err) : (int)err->code;
}

static void change_file(struct help *h, const char *sql)
{
    static const char *const migrations[] = {"", NULL};
    fl_auto_text path = fl_asprintf("%s/fairlead.db", h->dir);
    struct fl_db_conf conf = {.path = path, .migrations = migrations};
    struct fl_err err = FL_ERR_INIT;
    struct fl_db *db = NULL;

    assert_int_equal(fl_db_open(&conf, &db, &err), 0);
    if (fl_db_write(db, run_sql, NULL, (char *)(uintptr_t)sql, &err) != 0) {
        fail_msg("%s: %s", sql, err.msg);
    }
    fl_db_close(db);
}

static void test_store__secret_moved_to_another_name_is_refused(void **state)
{
    struct help *h = *state;
    struct fl_store_key key = help_key(SECRET, "default", "b");
    fl_auto(fl_shared) text = NULL;
    struct fl_err err = FL_ERR_INIT;
    int64_t rv = 0;

    help_open(h, NULL);
    (void)help_create(h, SECRET, "default", "a", "for a");
    (void)help_create(h, SECRET, "default", "b", "for b");
    help_close(h);
    change_file(h,
                "UPDATE objects SET body=(SELECT body FROM objects WHERE name='a') WHERE name='b'");
    help_open(h, NULL);
    assert_int_equal(fl_store_get(h->s, &key, &text, &rv, &err), FL_E_BAD_DATA);
    assert_null(text);
    check_value(h, SECRET, "default", "a", "for a");
}

static void test_store__open_fails_with_reason(void **state)
{
    struct help *h = *state;
    fl_auto_text file = fl_asprintf("%s/file", h->dir);
    fl_auto_text below = fl_asprintf("%s/file/data", h->dir);
    fl_auto_text deep = fl_asprintf("%s/x/y", h->dir);
    struct fl_store_conf conf = {.data_dir = below};
    struct help other = {.dir = h->dir, .clock = h->clock};
    struct fl_err err = FL_ERR_INIT;
    struct stat st;

    assert_int_equal(fl_file_create(file, FL_STR("x"), &err), 0);
    assert_int_equal(help_open_as(h, &conf, &err), FL_E_UNAVAILABLE);
    assert_int_equal(err.code, FL_E_UNAVAILABLE);

    conf.data_dir = deep;
    assert_int_equal(help_open_as(h, &conf, &err), 0);
    assert_int_equal(stat(deep, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(help_open_as(&other, &conf, &err), FL_E_EXISTS);
    assert_non_null(strstr(err.msg, "in use by process"));
    help_close(h);
    {
        static const char *const names[] = {"fairlead.db", "fairlead.db.lock", "secrets.key"};

        for (size_t i = 0; i < FL_LEN(names); i++) {
            fl_auto_text path = fl_asprintf("%s/%s", deep, names[i]);

            assert_int_equal(stat(path, &st), 0);
            assert_int_equal(st.st_mode & 0077, 0);
            assert_int_equal(unlink(path), 0);
        }
    }
    assert_int_equal(rmdir(deep), 0);
    deep[strlen(deep) - 2] = '\0';
    assert_int_equal(rmdir(deep), 0);
}

/* ---- sweeps ---- */

static void test_store__old_events_are_swept_and_nothing_else(void **state)
{
    struct help *h = *state;
    struct fl_store_key gone = help_key(EVENT, "default", "e0");
    struct fl_err err = FL_ERR_INIT;
    fl_auto(fl_shared) text = NULL;
    int64_t rv;

    help_open(h, NULL);
    (void)help_create(h, CM, "default", "c", "stays");
    for (int i = 0; i < 150; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "e%d", i);
        (void)help_create(h, EVENT, "default", name, "v");
    }
    fl_clock_advance(h->clock, 1800000);
    (void)help_update(h, EVENT, "default", "e7", "again");
    assert_int_equal(fl_store_sweep(h->s, &err), 0);
    fl_clock_advance(h->clock, 1799999);
    help_forget(h);
    assert_int_equal(fl_store_sweep(h->s, &err), 0);
    assert_int_equal(h->n, 0);
    fl_clock_advance(h->clock, 2);
    rv = fl_store_rv(h->s);
    assert_true(fl_store_sweep(h->s, &err) > 0);
    assert_int_equal(h->n, 100);
    assert_int_equal(fl_store_sweep(h->s, &err), 0);
    assert_int_equal(h->n, 149);
    for (size_t i = 0; i < h->n; i++) {
        rv++;
        assert_ptr_equal(h->events[i].kind, EVENT);
        check_event(&h->events[i], FL_EVENT_DELETED, rv, "v", "v");
    }
    assert_int_equal(fl_store_get(h->s, &gone, &text, &rv, &err), FL_E_NOT_FOUND);
    check_value(h, EVENT, "default", "e7", "again");
    check_value(h, CM, "default", "c", "stays");
    fl_clock_advance(h->clock, 1800001);
    assert_int_equal(fl_store_sweep(h->s, &err), 0);
    assert_int_equal(h->n, 150);
}

static void test_store__events_written_by_a_clock_that_was_ahead_are_swept(void **state)
{
    struct help *h = *state;
    struct fl_store_key key = help_key(EVENT, "default", "e");
    struct fl_err err = FL_ERR_INIT;
    fl_auto(fl_shared) text = NULL;
    int64_t rv = 0;

    fl_clock_free(h->clock);
    h->clock = fl_clock_fake_new(HELP_WALL_MS + INT64_C(86400000));
    help_open(h, NULL);
    (void)help_create(h, EVENT, "default", "e", "v");
    help_close(h);
    fl_clock_free(h->clock);
    h->clock = fl_clock_fake_new(HELP_WALL_MS);
    help_open(h, NULL);
    assert_int_equal(fl_store_sweep(h->s, &err), 0);
    assert_int_equal(fl_store_get(h->s, &key, &text, &rv, &err), FL_E_NOT_FOUND);
}

/* ---- faults ---- */

/* A file that may not grow stands for a full disk. */
static void test_store__full_disk_fails_writes_and_recovers(void **state)
{
    struct help *h = *state;
    struct rlimit was;
    struct rlimit small;
    struct fl_store_key key = help_key(CM, "default", "big");
    fl_auto_text big = fl_malloc(400001);
    struct fl_err err = FL_ERR_INIT;
    int64_t before;
    int64_t rv;
    struct replayed r;

    memset(big, 'x', 400000);
    big[400000] = '\0';
    help_open(h, NULL);
    rv = help_create(h, CM, "default", "a", "1");
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    small = was;
    small.rlim_cur = 200000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    before = fl_store_rv(h->s);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(help_write(h, FL_STORE_CREATE, &key, big, 0, &rv, &err), FL_E_UNAVAILABLE);
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(fl_store_rv(h->s), before);
    assert_int_equal(h->n, 1);
    rv = help_create(h, CM, "default", "big", "2");
    assert_true(rv > before + 3); /* an RV that may have reached the disk is not given again */
    check_value(h, CM, "default", "a", "1");
    check_value(h, CM, "default", "big", "2");
    r = (struct replayed){h->events, h->n, NULL, 0, 0};
    assert_int_equal(fl_store_replay(h->s, 1, INT64_MAX, NULL, replay_compare, &r, &err), 0);
    assert_int_equal(r.count, 2);
}

enum { WRITERS = 4, WRITES = 150 };

struct writer {
    struct help *h;
    int id;
    int fd; /* acknowledged writes are told here; -1: nobody listens */
};

static void *writer_run(void *arg)
{
    struct writer *w = arg;

    for (int i = 0; w->fd >= 0 || i < WRITES; i++) {
        char name[32];
        struct fl_store_key key;
        int64_t rv = 0;
        fl_auto_text line = NULL;

        (void)snprintf(name, sizeof(name), "w%d-%d", w->id, i);
        key = help_key(i % 3 ? CM : SECRET, "default", name);
        if (help_write(w->h, FL_STORE_CREATE, &key, "v", 0, &rv, NULL) != 0) {
            break;
        }
        line = fl_asprintf("%s %lld\n", name, (long long)rv);
        if (w->fd >= 0 && write(w->fd, line, strlen(line)) < 0) {
            break;
        }
        if (i % 5 == 0) {
            (void)help_write(w->h, FL_STORE_UPDATE, &key, "u", rv, &rv, NULL);
        }
    }
    return NULL;
}

static void test_store__parallel_writes_are_published_in_order_of_rv(void **state)
{
    struct help *h = *state;
    struct writer w[WRITERS];
    pthread_t t[WRITERS];
    struct fl_err err = FL_ERR_INIT;
    struct replayed r;

    help_open(h, NULL);
    for (int i = 0; i < WRITERS; i++) {
        w[i] = (struct writer){h, i, -1};
        fl_thread_start(&t[i], "writer", writer_run, &w[i]);
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(t[i], NULL), 0);
    }
    assert_int_equal(h->n, WRITERS * (WRITES + WRITES / 5));
    for (size_t i = 0; i < h->n; i++) {
        assert_int_equal(h->events[i].rv, (int64_t)i + 2);
    }
    r = (struct replayed){h->events, h->n, NULL, 0, 0};
    assert_int_equal(fl_store_replay(h->s, 1, INT64_MAX, NULL, replay_compare, &r, &err), 0);
    assert_int_equal(r.count, h->n);
}

static void crash_child(struct help *h, int fd)
{
    struct writer w[WRITERS];
    pthread_t t[WRITERS];
    struct fl_store_conf conf = {.log_keep = 100000};
    struct fl_err err = FL_ERR_INIT;

    h->record = false;
    if (help_open_as(h, &conf, &err) != 0) {
        _exit(1);
    }
    for (int i = 0; i < WRITERS; i++) {
        w[i] = (struct writer){h, i + 10 * (int)getpid(), fd};
        fl_thread_start(&t[i], "writer", writer_run, &w[i]);
    }
    (void)pause();
    _exit(1);
}

/* Reads "name rv" lines until `kill_at` have come, kills the child, reads the rest. Each must be in the store. */
static void crash_read(pid_t child, int fd, int kill_at, struct fl_buf *acks)
{
    char part[4096];
    ssize_t n;
    int lines = 0;

    while ((n = read(fd, part, sizeof(part))) > 0) {
        fl_buf_add(acks, part, (size_t)n);
        for (ssize_t i = 0; i < n; i++) {
            lines += part[i] == '\n';
        }
        if (kill_at > 0 && lines >= kill_at) {
            assert_int_equal(kill(child, SIGKILL), 0);
            kill_at = 0;
        }
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(kill_at, 0);
}

struct state_of_log {
    struct help *h;
    int64_t last_rv;
    int added;
    int wrong;
};

static void log_to_state(void *arg, const struct fl_event *ev)
{
    struct state_of_log *st = arg;

    st->wrong += ev->rv <= st->last_rv || help_text_rv(fl_shared_str(ev->text)) != ev->rv;
    st->last_rv = ev->rv;
    st->added += ev->type == FL_EVENT_ADDED;
}

static bool count_item(void *arg, const struct fl_store_key *key, int64_t rv, struct fl_str text)
{
    (void)key;
    (void)rv;
    (void)text;
    (*(int *)arg)++;
    return true;
}

static void crash_check(struct help *h, const struct fl_buf *acks)
{
    struct fl_store_conf conf = {.log_keep = 100000};
    struct fl_str rest = fl_buf_slice(acks);
    struct fl_str line;
    struct state_of_log st = {.h = h, .last_rv = 1};
    struct fl_err err = FL_ERR_INIT;
    int objects = 0;
    int64_t newest = 0;

    help_open(h, &conf);
    while (fl_str_cut(&rest, '\n', &line)) {
        struct fl_str name;
        struct fl_store_key key = {.ns = FL_STR("default")};
        fl_auto(fl_shared) text = NULL;
        int64_t rv = 0;
        int64_t now = 0;

        (void)fl_str_cut(&line, ' ', &name);
        assert_true(fl_scan_i64(line, &rv));
        newest = rv > newest ? rv : newest;
        key.name = name;
        key.kind = CM;
        if (fl_store_get(h->s, &key, &text, &now, &err) != 0) {
            key.kind = SECRET;
            if (fl_store_get(h->s, &key, &text, &now, &err) != 0) {
                fail_msg("acknowledged %.*s is not there: %s", FL_STR_ARG(name), err.msg);
            }
        }
        assert_true(now >= rv);
    }
    assert_true(fl_store_rv(h->s) >= newest);
    assert_int_equal(fl_store_replay(h->s, 1, INT64_MAX, NULL, log_to_state, &st, &err), 0);
    for (int i = 0; i < 2; i++) {
        struct fl_store_list l = {.kind = i ? CM : SECRET, .item = count_item, .arg = &objects};

        assert_int_equal(fl_store_list(h->s, &l, NULL, NULL, NULL, &err), 0);
    }
    assert_int_equal(st.wrong, 0);
    /* Nothing is deleted here: what is there is what the log says came. */
    assert_int_equal(objects, st.added);
    assert_int_equal(st.last_rv, fl_store_rv(h->s));
    help_close(h);
}

static void test_store__kill_loses_no_acknowledged_write(void **state)
{
    static const int kill_at[] = {1, 300, 1500};
    struct help *h = *state;
    fl_auto_val(fl_buf) acks = FL_BUF_INIT(FL_BUF_ANY);

    for (size_t i = 0; i < FL_LEN(kill_at); i++) {
        int fd[2];
        pid_t child;

        assert_int_equal(pipe(fd), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            (void)close(fd[0]);
            crash_child(h, fd[1]);
        }
        (void)close(fd[1]);
        crash_read(child, fd[0], kill_at[i], &acks);
        (void)close(fd[0]);
        crash_check(h, &acks);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, help_setup, help_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* First: it forks, which is to be done before there are threads. */
        TEST(test_store__kill_loses_no_acknowledged_write),
        TEST(test_store__new_object_is_read_back_with_its_rv),
        TEST(test_store__write_that_does_not_fit_fails_and_changes_nothing),
        TEST(test_store__same_name_elsewhere_is_another_object),
        TEST(test_store__changes_are_published_with_what_was_before),
        TEST(test_store__event_is_one_object_in_both_groups),
        TEST(test_store__list_gives_what_was_asked_for_in_order),
        TEST(test_store__replay_is_what_was_published),
        TEST(test_store__log_is_trimmed_and_older_rv_is_expired),
        TEST(test_store__busy_leases_do_not_push_out_the_history_of_others),
        TEST(test_store__restart_goes_on_behind_the_last_rv),
        TEST(test_store__restart_with_an_empty_log_does_not_go_back),
        TEST(test_store__plain_text_of_secrets_is_in_no_file),
        TEST(test_store__lost_key_is_told_with_what_to_do),
        TEST(test_store__rotated_key_takes_over_by_sweeps),
        TEST(test_store__log_of_a_key_dropped_too_early_is_expired),
        TEST(test_store__secret_moved_to_another_name_is_refused),
        TEST(test_store__open_fails_with_reason),
        TEST(test_store__old_events_are_swept_and_nothing_else),
        TEST(test_store__events_written_by_a_clock_that_was_ahead_are_swept),
        TEST(test_store__full_disk_fails_writes_and_recovers),
        TEST(test_store__parallel_writes_are_published_in_order_of_rv),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
