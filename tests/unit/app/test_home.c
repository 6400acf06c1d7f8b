/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/home.h"
#include "base/mem.h"
#include "wire/conf.h"
#include "wire/crypt.h"
#include "wire/file.h"

#define NOW_MS 1767225600000 /* 2026-01-01T00:00:00Z */
#define DAY_MS ((int64_t)86400 * 1000)
#define PATH_ROOM 64
#define TEXT_MAX ((size_t)1 << 20)

/* The data folder is dir/data: fl_home_open makes it. */
struct place {
    char dir[32];
    char data[PATH_ROOM];
    char path[2 * PATH_ROOM];
    struct fl_options o;
};

static int make_place(void **state)
{
    struct place *p = FL_NEW(struct place);

    *p = (struct place){.dir = "/tmp/fl-home-XXXXXX"};
    *state = p;
    if (!mkdtemp(p->dir)) {
        return -1;
    }
    (void)snprintf(p->data, sizeof(p->data), "%s/data", p->dir);
    p->o.data_dir = p->data;
    return 0;
}

static void drop_folder(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        fl_auto_text file = fl_asprintf("%s/%s", path, e->d_name);

        (void)unlink(file);
    }
    if (d) {
        (void)closedir(d);
    }
    (void)rmdir(path);
}

static int drop_place(void **state)
{
    struct place *p = *state;

    drop_folder(p->data);
    drop_folder(p->dir);
    fl_free(p);
    return 0;
}

static const char *in_data(struct place *p, const char *name)
{
    (void)snprintf(p->path, sizeof(p->path), "%s/%s", p->data, name);
    return p->path;
}

static void read_file(const char *path, struct fl_buf *ret)
{
    struct fl_err err = FL_ERR_INIT;

    fl_buf_clear(ret);
    if (fl_file_read(path, TEXT_MAX, ret, &err) != 0) {
        fail_msg("%s", err.msg);
    }
}

static void open_at(struct place *p, const char *host, int64_t wall_ms, struct fl_home *ret)
{
    struct fl_err err = FL_ERR_INIT;

    if (fl_home_open(&p->o, host, wall_ms, ret, &err) != 0) {
        fail_msg("%s", err.msg);
    }
}

static bool same(const struct fl_buf *a, const struct fl_buf *b)
{
    return fl_str_eq(fl_buf_slice(a), fl_buf_slice(b));
}

/* ---- files ---- */

static void test_home__what_is_missing_is_made_for_its_owner_only(void **state)
{
    static const char *const names[] = {"admin.token", "ca.key",  "ca.crt",
                                        "tls.key",     "tls.crt", "kubeconfig"};
    struct place *p = *state;
    fl_auto_val(fl_home) h = {0};
    struct fl_err err = FL_ERR_INIT;
    struct stat st;

    open_at(p, "127.0.0.1", NOW_MS, &h);
    assert_int_equal(
        fl_home_write_kubeconfig(&h, in_data(p, "kubeconfig"), "127.0.0.1", 7443, &err), 0);
    assert_int_equal(stat(p->data, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    for (size_t i = 0; i < FL_LEN(names); i++) {
        if (stat(in_data(p, names[i]), &st) != 0 || (st.st_mode & 0777) != 0600 || !st.st_size) {
            fail_msg("%s is absent, empty, or not 0600", names[i]);
        }
    }
    assert_int_equal(h.token.n, 64);
    assert_int_equal(fl_cert_check(h.cert_pem.data, h.key_pem.data, &err), 0);
}

static void test_home__what_is_there_is_kept(void **state)
{
    struct place *p = *state;
    fl_auto_val(fl_home) first = {0};
    fl_auto_val(fl_home) second = {0};

    open_at(p, "127.0.0.1", NOW_MS, &first);
    open_at(p, "127.0.0.1", NOW_MS + DAY_MS, &second);
    assert_string_equal(first.token.p, second.token.p);
    assert_true(same(&first.ca_pem, &second.ca_pem));
    assert_true(same(&first.cert_pem, &second.cert_pem));
    assert_true(same(&first.key_pem, &second.key_pem));
}

static void test_home__a_certificate_is_renewed_under_the_same_ca(void **state)
{
    static const struct {
        const char *name;
        const char *host;
        int64_t after_ms;
        const char *remove; /* in between */
        bool renewed, ca_kept;
    } rows[] = {
        {"366 days later it lasts", "127.0.0.1", 366 * DAY_MS, NULL, false, true},
        {"368 days later it is near its end", "127.0.0.1", 368 * DAY_MS, NULL, true, true},
        {"after its end", "127.0.0.1", 500 * DAY_MS, NULL, true, true},
        {"for another address", "192.0.2.1", 0, NULL, true, true},
        {"its file is gone", "127.0.0.1", 0, "tls.crt", true, true},
        {"its key is gone", "127.0.0.1", 0, "tls.key", true, true},
        {"the CA's key is gone, the certificate lasts", "127.0.0.1", 0, "ca.key", false, true},
        {"the CA's key is gone, the certificate does not", "127.0.0.1", 400 * DAY_MS, "ca.key",
         true, false},
        {"the CA is gone", "127.0.0.1", 0, "ca.crt", true, false},
        {"an end in between", "127.0.0.1", 0, "tls.names", true, true},
    };

    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct place *p = *state;
        fl_auto_val(fl_home) before = {0};
        fl_auto_val(fl_home) after = {0};
        struct fl_err err = FL_ERR_INIT;
        int64_t until = 0;

        drop_folder(p->data);
        open_at(p, "127.0.0.1", NOW_MS, &before);
        if (rows[i].remove) {
            assert_int_equal(unlink(in_data(p, rows[i].remove)), 0);
        }
        open_at(p, rows[i].host, NOW_MS + rows[i].after_ms, &after);
        if (same(&before.cert_pem, &after.cert_pem) == rows[i].renewed ||
            same(&before.ca_pem, &after.ca_pem) != rows[i].ca_kept) {
            fail_msg("%s: renewed %d, CA kept %d", rows[i].name,
                     !same(&before.cert_pem, &after.cert_pem), same(&before.ca_pem, &after.ca_pem));
        }
        if (fl_cert_check(after.cert_pem.data, after.key_pem.data, &err) != 0 ||
            fl_cert_expiry(after.cert_pem.data, &until, &err) != 0 ||
            until - (NOW_MS + rows[i].after_ms) <= 30 * DAY_MS) {
            fail_msg("%s: what is served is not good: %s", rows[i].name, err.msg);
        }
    }
}

/* ---- what is wrong in the folder ---- */

static void test_home__a_token_that_is_none_is_refused(void **state)
{
    static const struct {
        const char *name, *text;
        const char *want; /* the token; NULL: refused */
    } rows[] = {
        {"a token of one's own", "0123456789abcdef", "0123456789abcdef"},
        {"with newlines behind it", "0123456789abcdef\n\n", "0123456789abcdef"},
        {"empty", "", NULL},
        {"short", "0123456789abcde\n", NULL},
        {"two lines", "0123456789\nabcdef0123", NULL},
        {"control characters", "0123456789abcdef\r\n", NULL},
    };

    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct place *p = *state;
        fl_auto_val(fl_home) h = {0};
        struct fl_err err = FL_ERR_INIT;
        int x;

        (void)mkdir(p->data, 0700);
        assert_int_equal(fl_file_replace(in_data(p, "admin.token"), fl_str_of(rows[i].text), &err),
                         0);
        x = fl_home_open(&p->o, "127.0.0.1", NOW_MS, &h, &err);
        if (rows[i].want) {
            if (x != 0 || !fl_text_eq(h.token.p, rows[i].want)) {
                fail_msg("%s: %d \"%s\"", rows[i].name, x, err.msg);
            }
        } else if (x != FL_E_INVALID || !strstr(err.msg, "admin.token holds no token") ||
                   strstr(err.msg, "0123456789")) {
            fail_msg("%s: %d \"%s\"", rows[i].name, x, err.msg);
        }
    }
}

static void test_home__a_folder_that_cannot_be_made_is_named(void **state)
{
    struct place *p = *state;
    fl_auto_val(fl_home) h = {0};
    struct fl_err err = FL_ERR_INIT;

    assert_int_equal(fl_file_replace(p->data, FL_STR("a file"), &err), 0);
    assert_int_equal(fl_home_open(&p->o, "127.0.0.1", NOW_MS, &h, &err), FL_E_INVALID);
    assert_non_null(strstr(err.msg, "--data-dir"));
    assert_non_null(strstr(err.msg, p->data));
    p->o.data_dir = in_data(p, "be/low");
    assert_true(fl_home_open(&p->o, "127.0.0.1", NOW_MS, &h, &err) < 0);
    assert_non_null(strstr(err.msg, "--data-dir"));
    assert_non_null(strstr(err.msg, "Not a directory"));
    assert_int_equal(unlink(p->data), 0);
}

/* ---- a certificate of one's own ---- */

static void test_home__a_given_certificate_is_served_and_trusted(void **state)
{
    static const char *const sans[] = {"api.example.com", NULL};
    struct place *p = *state;
    fl_auto_val(fl_buf) ca = FL_BUF_INIT(TEXT_MAX);
    fl_auto_val(fl_buf) ca_key = FL_BUF_INIT(TEXT_MAX);
    fl_auto_val(fl_buf) cert = FL_BUF_INIT(TEXT_MAX);
    fl_auto_val(fl_buf) key = FL_BUF_INIT(TEXT_MAX);
    fl_auto_text cert_path = fl_asprintf("%s/given.crt", p->dir);
    fl_auto_text key_path = fl_asprintf("%s/given.key", p->dir);
    fl_auto_val(fl_home) h = {0};
    fl_auto_val(fl_home) wrong = {0};
    struct fl_err err = FL_ERR_INIT;
    struct stat st;

    assert_int_equal(fl_cert_make(sans, NOW_MS, &ca, &ca_key, &cert, &key, &err), 0);
    assert_int_equal(fl_file_replace(cert_path, fl_buf_slice(&cert), &err), 0);
    assert_int_equal(fl_file_replace(key_path, fl_buf_slice(&key), &err), 0);

    p->o.tls_cert = cert_path;
    p->o.tls_key = key_path;
    open_at(p, "127.0.0.1", NOW_MS, &h);
    assert_true(same(&h.cert_pem, &cert));
    assert_true(same(&h.key_pem, &key));
    assert_true(same(&h.ca_pem, &cert));
    assert_int_not_equal(stat(in_data(p, "ca.key"), &st), 0);

    /* The key of another certificate is found now, not in the first handshake. */
    assert_int_equal(fl_file_replace(key_path, fl_buf_slice(&ca_key), &err), 0);
    assert_int_equal(fl_home_open(&p->o, "127.0.0.1", NOW_MS, &wrong, &err), FL_E_INVALID);
    assert_non_null(strstr(err.msg, "--tls-cert"));
}

/* ---- kubeconfig ---- */

/* An end between the two files of a new CA, and whatever else leaves a CA that does not serve. */
static void test_home__a_ca_of_two_minds_is_made_anew(void **state)
{
    static const struct {
        const char *name, *file, *text;
    } rows[] = {
        {"key is garbage", "ca.key", "garbage"},
        {"certificate is garbage", "ca.crt", "garbage"},
    };

    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct place *p = *state;
        fl_auto_val(fl_home) before = {0};
        fl_auto_val(fl_home) after = {0};
        struct fl_err err = FL_ERR_INIT;

        drop_folder(p->data);
        open_at(p, "127.0.0.1", NOW_MS, &before);
        assert_int_equal(fl_file_replace(in_data(p, rows[i].file), fl_str_of(rows[i].text), &err),
                         0);
        open_at(p, "127.0.0.1", NOW_MS + 400 * DAY_MS, &after);
        if (same(&before.ca_pem, &after.ca_pem) ||
            fl_cert_check(after.cert_pem.data, after.key_pem.data, &err) != 0) {
            fail_msg("%s: %s", rows[i].name, err.msg);
        }
    }
}

static void test_home__the_kubeconfig_is_whole(void **state)
{
    static const struct {
        const char *host;
        uint16_t port;
        const char *server;
    } rows[] = {
        {"127.0.0.1", 7443, "https://127.0.0.1:7443"}, {"::1", 1, "https://[::1]:1"},
        {"0.0.0.0", 65535, "https://127.0.0.1:65535"}, {"::", 7443, "https://[::1]:7443"},
        {"192.0.2.7", 7443, "https://192.0.2.7:7443"},
    };
    struct place *p = *state;
    fl_auto_val(fl_home) h = {0};

    open_at(p, "127.0.0.1", NOW_MS, &h);
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_kubeconfig conf = {0};
        struct fl_err err = FL_ERR_INIT;
        const char *path = in_data(p, "kubeconfig");
        int x = fl_home_write_kubeconfig(&h, path, rows[i].host, rows[i].port, &err);

        x = x < 0 ? x : fl_kubeconfig_load(path, NULL, a, &conf, &err);
        if (x != 0 || !fl_text_eq(conf.server, rows[i].server) ||
            !fl_text_eq(conf.token, h.token.p) || !fl_text_eq(conf.ca_pem, h.ca_pem.data)) {
            fail_msg("%s: %d \"%s\": %s", rows[i].host, x, err.msg, conf.server);
        }
    }
}

static void test_home__a_kubeconfig_that_cannot_be_written_leaves_nothing(void **state)
{
    struct place *p = *state;
    fl_auto_text path = fl_asprintf("%s/absent/kubeconfig", p->dir);
    fl_auto_val(fl_home) h = {0};
    fl_auto_val(fl_buf) kept = FL_BUF_INIT(TEXT_MAX);
    struct fl_err err = FL_ERR_INIT;
    struct stat st;

    open_at(p, "127.0.0.1", NOW_MS, &h);
    assert_true(fl_home_write_kubeconfig(&h, path, "127.0.0.1", 7443, &err) < 0);
    assert_non_null(strstr(err.msg, path));
    assert_null(strstr(err.msg, h.token.p));
    assert_int_not_equal(stat(path, &st), 0);
    read_file(in_data(p, "admin.token"), &kept);
    assert_string_equal(kept.data, h.token.p);
}

int main(void)
{
#define HOME_TEST(f) cmocka_unit_test_setup_teardown(f, make_place, drop_place)
    const struct CMUnitTest tests[] = {
        HOME_TEST(test_home__what_is_missing_is_made_for_its_owner_only),
        HOME_TEST(test_home__what_is_there_is_kept),
        HOME_TEST(test_home__a_certificate_is_renewed_under_the_same_ca),
        HOME_TEST(test_home__a_ca_of_two_minds_is_made_anew),
        HOME_TEST(test_home__a_token_that_is_none_is_refused),
        HOME_TEST(test_home__a_folder_that_cannot_be_made_is_named),
        HOME_TEST(test_home__a_given_certificate_is_served_and_trusted),
        HOME_TEST(test_home__the_kubeconfig_is_whole),
        HOME_TEST(test_home__a_kubeconfig_that_cannot_be_written_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
