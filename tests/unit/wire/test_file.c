/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "wire/file.h"

static int make_folder(void **state)
{
    char *dir = fl_strdup("/tmp/fl-file-XXXXXX");

    *state = dir;
    return mkdtemp(dir) ? 0 : -1;
}

static int drop_folder(void **state)
{
    char *dir = *state;
    fl_auto_text a = fl_asprintf("%s/a", dir);
    fl_auto_text lock = fl_asprintf("%s/a.lock", dir);

    (void)unlink(a);
    (void)unlink(lock);
    (void)rmdir(dir);
    fl_free(dir);
    return 0;
}

static int count_entries(const char *dir)
{
    DIR *d = opendir(dir);
    int n = 0;

    assert_non_null(d);
    while (readdir(d)) {
        n++;
    }
    (void)closedir(d);
    return n - 2;
}

static void test_file__create_then_replace_then_read(void **state)
{
    fl_auto_text path = fl_asprintf("%s/a", (char *)*state);
    fl_auto_val(fl_buf) b = FL_BUF_INIT(100);
    struct fl_err err = FL_ERR_INIT;
    struct stat st;

    assert_int_equal(fl_file_create(path, FL_STR("one"), &err), 0);
    assert_int_equal(fl_file_create(path, FL_STR("two"), &err), FL_E_EXISTS);
    assert_int_equal(fl_file_read(path, 100, &b, &err), 0);
    assert_string_equal(b.data, "one");
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(fl_file_replace(path, FL_STR("three"), &err), 0);
    assert_int_equal(fl_file_read(path, 100, &b, &err), 0);
    assert_string_equal(b.data, "onethree");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(count_entries(*state), 1);
}

static void test_file__several_are_replaced_up_to_the_first_that_fails(void **state)
{
    fl_auto_text a = fl_asprintf("%s/a", (char *)*state);
    fl_auto_text none = fl_asprintf("%s/none/b", (char *)*state);
    fl_auto_text c = fl_asprintf("%s/c", (char *)*state);
    const struct fl_file_item whole[] = {{a, FL_STR("1")}, {c, FL_STR("3")}};
    const struct fl_file_item broken[] = {{a, FL_STR("4")}, {none, FL_STR("5")}, {c, FL_STR("6")}};
    fl_auto_val(fl_buf) b = FL_BUF_INIT(100);
    struct fl_err err = FL_ERR_INIT;

    assert_int_equal(fl_file_replace_all(whole, 0, &err), 0);
    assert_int_equal(count_entries(*state), 0);
    assert_int_equal(fl_file_replace_all(whole, FL_LEN(whole), &err), 0);
    assert_int_equal(fl_file_replace_all(broken, FL_LEN(broken), &err), FL_E_NOT_FOUND);
    assert_int_equal(fl_file_read(a, 100, &b, &err), 0);
    assert_int_equal(fl_file_read(c, 100, &b, &err), 0);
    assert_string_equal(b.data, "43");
    assert_int_equal(count_entries(*state), 2);
}

static void test_file__failures_leave_nothing_behind(void **state)
{
    fl_auto_text path = fl_asprintf("%s/a", (char *)*state);
    fl_auto_text below = fl_asprintf("%s/a/b", (char *)*state);
    fl_auto_text none = fl_asprintf("%s/none/b", (char *)*state);
    fl_auto_val(fl_buf) b = FL_BUF_INIT(100);
    struct fl_err err = FL_ERR_INIT;

    assert_int_equal(fl_file_read(path, 100, &b, &err), FL_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "cannot open "));
    assert_int_equal(fl_file_create(path, FL_STR("12345"), &err), 0);
    fl_buf_text(&b, "before");
    assert_int_equal(fl_file_read(path, 4, &b, &err), FL_E_TOO_BIG);
    assert_string_equal(b.data, "before");
    assert_int_equal(fl_file_read(path, 5, &b, &err), 0);
    assert_int_equal(fl_file_read(*state, 5, &b, &err), FL_E_INVALID);
    assert_int_equal(fl_file_create(below, FL_STR("x"), &err), FL_E_INVALID);
    assert_int_equal(fl_file_replace(none, FL_STR("x"), &err), FL_E_NOT_FOUND);
    assert_int_equal(fl_file_replace(*state, FL_STR("x"), &err), FL_E_INVALID);
    assert_int_equal(count_entries(*state), 1);
}

static void test_file__lock_is_held_until_it_is_closed(void **state)
{
    fl_auto_text path = fl_asprintf("%s/a.lock", (char *)*state);
    fl_auto_text want =
        fl_asprintf("%s/a: in use by process %lld", (char *)*state, (long long)getpid());
    struct fl_err err = FL_ERR_INIT;
    int first = -1;
    int second = -1;

    assert_int_equal(fl_file_lock(path, &first, &err), 0);
    assert_int_equal(fl_file_lock(path, &second, &err), FL_E_EXISTS);
    assert_int_equal(second, -1);
    assert_string_equal(err.msg, want);
    assert_int_equal(ftruncate(first, 0), 0);
    assert_int_equal(fl_file_lock(path, &second, &err), FL_E_EXISTS);
    assert_non_null(strstr(err.msg, "in use by another process"));
    assert_int_equal(close(first), 0);
    assert_int_equal(fl_file_lock(path, &second, &err), 0);
    assert_int_equal(close(second), 0);
}

static void test_file__errno_becomes_a_code(void **state)
{
    static const struct {
        const char *name;
        int errnum;
        enum fl_code want;
    } rows[] = {
        {"absent", ENOENT, FL_E_NOT_FOUND},         {"there", EEXIST, FL_E_EXISTS},
        {"permission", EACCES, FL_E_INVALID},       {"no space", ENOSPC, FL_E_UNAVAILABLE},
        {"read-only", EROFS, FL_E_UNAVAILABLE},     {"I/O", EIO, FL_E_UNAVAILABLE},
        {"no such number", 9999, FL_E_UNAVAILABLE},
    };

    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_err err = FL_ERR_INIT;

        if (fl_file_fail(rows[i].errnum, "open", "/x", &err) != rows[i].want ||
            !fl_text_starts(err.msg, "cannot open /x: ")) {
            fail_msg("%s: got %s", rows[i].name, err.msg);
        }
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_file__create_then_replace_then_read),
        TEST(test_file__several_are_replaced_up_to_the_first_that_fails),
        TEST(test_file__failures_leave_nothing_behind),
        TEST(test_file__lock_is_held_until_it_is_closed),
        cmocka_unit_test(test_file__errno_becomes_a_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
