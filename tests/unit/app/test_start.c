/* SPDX-License-Identifier: Apache-2.0
 * How often a start waits for the disk. fsync and fdatasync of this program count instead of syncing, SQLite's calls too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdatomic.h>
#include <unistd.h>

#include "apiserver/apiserver.h"
#include "app/home.h"
#include "base/mem.h"

static atomic_int syncs;

__attribute__((visibility("default"))) int fsync(int fd)
{
    (void)fd;
    atomic_fetch_add(&syncs, 1);
    return 0;
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
    return fsync(fd);
}

struct start {
    char dir[32];
    struct fl_options o;
    struct fl_clock *clock;
    struct fl_apiserver *s;
};

static int make_start(void **state)
{
    struct start *t = FL_NEW(struct start);
    (void)snprintf(t->dir, sizeof(t->dir), "/tmp/fl-start-XXXXXX");
    *state = t;
    t->o.data_dir = t->dir;
    t->clock = fl_clock_fake_new(INT64_C(1700000000000));
    return mkdtemp(t->dir) ? 0 : -1;
}

static int drop_start(void **state)
{
    struct start *t = *state;
    DIR *d = opendir(t->dir);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        fl_auto_text file = fl_asprintf("%s/%s", t->dir, e->d_name);
        (void)unlink(file);
    }
    if (d) {
        (void)closedir(d);
    }
    (void)rmdir(t->dir);
    fl_clock_free(t->clock);
    fl_free(t);
    return 0;
}

static void open_home(struct start *t)
{
    fl_auto_val(fl_home) h = {0};
    struct fl_err err = FL_ERR_INIT;
    if (fl_home_open(&t->o, "127.0.0.1", fl_clock_wall_ms(t->clock), &h, &err) != 0) {
        fail_msg("%s", err.msg);
    }
}

static void open_api(struct start *t)
{
    struct fl_err err = FL_ERR_INIT;
    const struct fl_apiserver_conf conf = {.data_dir = t->dir, .clock = t->clock};
    if (fl_apiserver_open(&conf, &t->s, &err) != 0) {
        fail_msg("%s", err.msg);
    }
}

static void close_api(struct start *t)
{
    fl_apiserver_close(t->s);
    t->s = NULL;
}

static int create(struct start *t)
{
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_response res;
    const struct fl_header type = {"Content-Type", "application/json"};
    struct fl_request req = {
        .method = "POST",
        .path = FL_STR("/api/v1/namespaces/default/configmaps"),
        .headers = &type,
        .n_headers = 1,
        .body = FL_STR("{\"metadata\":{\"generateName\":\"a-\"}}"),
        .user = "admin",
        .arena = a,
    };
    fl_response_init(&res, FL_BUF_ANY);
    fl_apiserver_serve(t->s, &req, &res);
    int status = res.status;
    fl_response_release(&res);
    return status;
}

static void at_most(const char *what, int most)
{
    int n = atomic_exchange(&syncs, 0);
    if (n > most) {
        fail_msg("%s: %d syncs, at most %d are needed", what, n, most);
    }
}

static void test_start__disk_is_waited_for_a_few_times(void **state)
{
    struct start *t = *state;
    atomic_store(&syncs, 0);
    open_home(t);
    at_most("token, CA, certificate", 10);
    open_api(t);
    at_most("a new database with its first objects", 7);
    close_api(t);
    atomic_store(&syncs, 0);
    open_home(t);
    at_most("a folder that is there", 0);
    open_api(t);
    at_most("a database that is there", 2);
    close_api(t);
}

/* The first objects may wait for one another's commit, later ones not. */
static void test_start__writes_after_it_are_on_disk(void **state)
{
    struct start *t = *state;
    open_api(t);
    for (int i = 0; i < 3; i++) {
        atomic_store(&syncs, 0);
        assert_int_equal(create(t), 201);
        assert_true(atomic_load(&syncs) >= 1);
    }
    close_api(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_start__disk_is_waited_for_a_few_times, make_start,
                                        drop_start),
        cmocka_unit_test_setup_teardown(test_start__writes_after_it_are_on_disk, make_start,
                                        drop_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
