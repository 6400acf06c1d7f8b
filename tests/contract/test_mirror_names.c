/* SPDX-License-Identifier: Apache-2.0
 * Names of refs that are hard for a disk, and repositories whose objects are named by SHA-256. */
#include "contract/gitbox.h"

#define OPS fl_adapter_git.repo

/* At the source they stand in packed-refs, which takes any. */
#define PACKED                                                                                     \
    "packed() { printf '# pack-refs with: sorted \\n%%s\\n' \"$(printf \"$(c 1) %%s\\n\" \"$@\" "  \
    "| "                                                                                           \
    "LC_ALL=C sort -k 2)\" >src.git/packed-refs; }; letters() { head -c $1 /dev/zero | tr '\\0' "  \
    "x; }; "

static void test_names__all_that_the_disk_takes_are_mirrored(void **state)
{
    static const struct {
        const char *name, *before, *after;
    } rows[] = {
        {"differ by case", "packed refs/heads/Main refs/heads/main refs/tags/V1 refs/tags/v1",
         "packed refs/heads/MAIN refs/heads/main refs/tags/V1 refs/tags/v1"},
        {"a folder and a name that differ by case", "packed refs/heads/main refs/heads/Main/sub",
         "packed refs/heads/Main refs/heads/main/sub"},
        {"a dash in front", "packed refs/heads/-x refs/heads/--all refs/tags/-d",
         "packed refs/heads/-x refs/tags/--delete"},
        {"letters of the world", "packed refs/heads/ünïcode refs/heads/日本語 refs/tags/🚀",
         "packed refs/heads/u refs/heads/日本語/ü"},
        {"as long as a name may be", "packed refs/heads/main refs/heads/$(letters 250)",
         "packed refs/heads/main refs/heads/$(letters 250)/$(letters 250)/$(letters 250)"},
        {"seventy, one of them long",
         "packed $(seq -f 'refs/heads/b%g' 70) refs/heads/$(letters 250)",
         "packed $(seq -f 'refs/heads/c%g' 70) refs/heads/$(letters 249)"},
    };
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct gitbox *b = box_new(NULL);
        fl_auto_text before = fl_asprintf(PACKED "%s", rows[i].before);
        fl_auto_text after = fl_asprintf(PACKED "%s", rows[i].after);

        print_message("%s\n", rows[i].name);
        SH(b, "%s", before);
        box_sync(b);
        SH(b, "%s", after);
        box_sync(b);
        SH(b, "rm src.git/packed-refs");
        box_sync(b);
        box_free(b);
    }
}

static void test_names__one_that_is_too_long_stops_all_and_says_so(void **state)
{
    static const struct {
        const char *name, *long_one;
        bool first;
        int others;
    } rows[] = {
        {"first fetch", "refs/heads/$(letters 251)", true, 3},
        {"first fetch of many", "refs/heads/$(letters 251)", true, 70},
        {"update", "refs/heads/$(letters 251)", false, 3},
        {"a folder", "refs/heads/$(letters 300)/x", false, 3},
    };
    static const char *const without[] = {"refs/heads/b*", NULL};
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct gitbox *b = box_new(NULL);
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_err err = FL_ERR_INIT;

        SH(b, PACKED "packed refs/heads/b1");
        if (!rows[i].first) {
            box_sync(b);
        }
        SH(b, PACKED "packed $(seq -f 'refs/heads/b%%g' %d) %s", rows[i].others, rows[i].long_one);
        int rc = box_pass(b, a, NULL, &err);
        if (rc != FL_E_INVALID || !fl_text_eq(err.reason, "RefInvalid") ||
            !strstr(err.msg, "the disk takes 250") || !strstr(err.msg, "spec.refs.exclude")) {
            fail_msg("%s: %d %s: %s", rows[i].name, rc, err.reason, err.msg);
        }
        /* What was there is there, whole; nothing is half moved. */
        SH(b,
           "test \"$(GIT_DIR=%s command git for-each-ref | wc -l)\" = %d; "
           "GIT_DIR=%s command git fsck --no-dangling",
           b->mirror, !rows[i].first, b->mirror);
        b->include = without;
        if (box_pass(b, a, NULL, &err)) {
            fail_msg("%s, left out: %s: %s", rows[i].name, err.reason, err.msg);
        }
        SH(b, "test \"$(GIT_DIR=%s command git for-each-ref | wc -l)\" = %d", b->mirror,
           rows[i].others);
        box_free(b);
    }
}

static void test_names__sha256_is_mirrored_from_begin_to_end(void **state)
{
    struct gitbox *b = box_new(NULL);
    struct fl_ctx ctx = box_ctx(b);
    struct fl_repo_upkeep done = {0};
    struct fl_err err = FL_ERR_INIT;
    (void)state;

    SH(b, "rm -rf src.git; git init -q --bare -b main --object-format=sha256; "
          "git update-ref refs/heads/main $(c 1); git tag -m x heavy main");
    const struct fl_repo_conf conf = {.path = b->mirror, .sha256 = true, .clock = fl_clock_real()};
    assert_int_equal(OPS->open(&conf, &ctx, &b->repo, &err), 0);
    box_sync(b);
    SH(b,
       "test \"$(GIT_DIR=%s command git rev-parse --show-object-format main | "
       "head -n 1)\" = sha256",
       b->mirror);
    for (int i = 0; i < 18; i++) {
        SH(b,
           "git update-ref refs/heads/main $(c %d $(git rev-parse main)); "
           "git update-ref refs/heads/forced $(c forced%d)",
           i + 2, i);
        box_sync(b);
    }
    assert_int_equal(OPS->upkeep(b->repo, &ctx, &done, &err), 0);
    assert_true(done.done);
    box_sync(b);
    SH(b, "git update-ref -d refs/heads/forced; git tag -d heavy");
    box_sync(b);
    box_close(b);
    /* The remote was made anew with the other hash. */
    const struct fl_repo_conf other = {.path = b->mirror, .clock = fl_clock_real()};
    assert_int_equal(OPS->open(&other, &ctx, &b->repo, &err), FL_E_INVALID);
    assert_string_equal(err.reason, "ObjectFormat");
    box_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names__all_that_the_disk_takes_are_mirrored),
        cmocka_unit_test(test_names__one_that_is_too_long_stops_all_and_says_so),
        cmocka_unit_test(test_names__sha256_is_mirrored_from_begin_to_end),
    };
    fl_proc_global_init();
    fl_http_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
