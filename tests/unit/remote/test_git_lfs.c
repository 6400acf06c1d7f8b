/* SPDX-License-Identifier: Apache-2.0
 * What git-lfs says when it fails, and whom it is told to ask. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "remote/git/lfs.h"

#define LAST "error: failed to fetch some objects from 'https://h.example/a.git/info/lfs'\n"

/* As git-lfs 3.3.0 writes them. */
static const struct {
    const char *name, *said;
    int want;
    const char *msg;
} rows[] = {
    {"fault",
     "batch response: Fatal error: the store is being moved\nUnable to log panic to "
     "'/m/lfs/logs': mkdir /m/lfs/logs: not a directory\n\ngit-lfs/3.3.0 (GitHub; linux)\n$ "
     "git-lfs fetch\nbatch response: Fatal error: the store is being moved\n" LAST,
     FL_E_UNAVAILABLE, "git-lfs says: the store is being moved"},
    {"denied", "batch response: denied\n" LAST, FL_E_UNAVAILABLE, "git-lfs says: denied"},
    {"an object that is not there",
     "[5891b5b5] Object does not exist: [404] Object does not exist\n[6891b5b5] Another\n" LAST,
     FL_E_UNAVAILABLE,
     "git-lfs says: [5891b5b5] Object does not exist: [404] Object does not exist"},
    {"an object that is another", "expected OID 58, got 62 after 6 bytes written\n" LAST,
     FL_E_UNAVAILABLE, "git-lfs says: expected OID 58, got 62 after 6 bytes written"},
    {"away",
     "batch response: Post \"https://h.example/a.git/info/lfs/objects/batch\": dial tcp "
     "127.0.0.1:1: connect: connection refused\n" LAST,
     FL_E_UNAVAILABLE,
     "git-lfs says: Post \"https://h.example/a.git/info/lfs/objects/batch\": dial tcp "
     "127.0.0.1:1: connect: connection refused"},
    {"other credentials", "batch response: Authentication required: no such user\n" LAST, FL_E_AUTH,
     "git-lfs says: Authentication required: no such user"},
    {"credentials",
     "error: unable to read askpass response from '/bin/false'\nfatal: could not read Username "
     "for 'https://h.example': terminal prompts disabled\nbatch response: Git credentials for "
     "https://h.example/a.git not found:\ncredential fill errors:\nexit status 1\n" LAST,
     FL_E_AUTH, "git-lfs says: Git credentials for https://h.example/a.git not found"},
    {"a secret", "batch response: no https://robot:pw@h.example/x\n" LAST, FL_E_UNAVAILABLE,
     "git-lfs says: no https://***@h.example/x"},
    {"the environment alone", "GIT_CONFIG_VALUE_1=Authorization: Basic cm9ib3Q6cHc=\n",
     FL_E_UNAVAILABLE, "git-lfs ended with code 2"},
    {"only that it failed", LAST, FL_E_UNAVAILABLE,
     "git-lfs says: failed to fetch some objects from 'https://h.example/a.git/info/lfs'"},
    {"nothing", "", FL_E_UNAVAILABLE, "git-lfs ended with code 2"},
};

static void test_lfs__words_of_failures(void **state)
{
    (void)state;
    bool bad = false;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_proc_resp) r;
        struct fl_err err = FL_ERR_INIT;
        fl_proc_resp_init(&r);
        r.exit_code = 2;
        fl_buf_text(&r.err, rows[i].said);
        int rc = git_lfs_fail(&r, &err);
        if (rc != rows[i].want || strcmp(err.msg, rows[i].msg) != 0 ||
            strcmp(err.reason, "LFSFailed") != 0) {
            print_error("%s: %d %s %s\n", rows[i].name, rc, err.reason, err.msg);
            bad = true;
        }
    }
    assert_false(bad);
}

static void test_lfs__asks_beneath_the_repository(void **state)
{
    (void)state;
    static const char *const urls[][2] = {
        {"https://h.example/a.git", "https://h.example/a.git/info/lfs"},
        {"https://h.example/a", "https://h.example/a.git/info/lfs"},
        {"http://h.example:8080/x/a.git", "http://h.example:8080/x/a.git/info/lfs"},
        {"ssh://git@h.example/a.git", "ssh://git@h.example/a.git"},
    };
    fl_auto(fl_arena) a = fl_arena_new();
    for (size_t i = 0; i < FL_LEN(urls); i++) {
        assert_string_equal(git_lfs_url(a, urls[i][0]), urls[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lfs__words_of_failures),
        cmocka_unit_test(test_lfs__asks_beneath_the_repository),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
