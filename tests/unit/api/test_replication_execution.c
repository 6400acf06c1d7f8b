/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include "api/v1alpha1/replication_execution.h"

static void test_execution__only_stop_may_be_changed(void **state)
{
    (void)state;
    int mutable_rows = 0;
    for (const struct fl_field *f = fl_kind_replication_execution.spec_rows; f->type != FL_END;
         f++) {
        bool immutable = (f->flags & FL_IMMUTABLE) != 0;
        if (immutable == (strcmp(f->name, "stop") == 0)) {
            fail_msg("%s is %s", f->name, immutable ? "immutable" : "mutable");
        }
        mutable_rows += !immutable;
    }
    assert_int_equal(mutable_rows, 1);
}

static void test_execution__items(void **state)
{
    (void)state;
    const struct fl_field *items = row_at(fl_kind_replication_execution.spec_rows, "items");
    assert_int_equal(items->min, 1);
    assert_int_equal(items->max, 5000);
    const struct {
        const char *name;
        const char *path;
        struct fl_str in;
        const char *want;
    } rows[] = {
        {"repository", "source", FL_STR("library/nginx"), NULL},
        {"no repository", "source", FL_STR("library//nginx"), "must be a repository name"},
        {"glob", "destination", FL_STR("library/*"), "must be a repository name"},
        {"tag", "tag", FL_STR("1.27"), NULL},
        {"no tag", "tag", FL_STR("-1"), "must be a tag"},
        {"digest", "digest",
         FL_STR("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), NULL},
        {"no digest", "digest", FL_STR("sha256:e3b0"), "must be a digest"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        row_check(rows[i].name, row_at(items->rows, rows[i].path), rows[i].in, rows[i].want);
    }
}

static void test_execution__names_of_enums_are_in_step(void **state)
{
    (void)state;
    assert_string_equal(fl_phase_names[FL_PHASE_PENDING], "Pending");
    assert_string_equal(fl_phase_names[FL_PHASE_STOPPED], "Stopped");
    assert_null(fl_phase_names[FL_PHASE_STOPPED + 1]);
    assert_string_equal(fl_trigger_names[FL_TRIGGER_INTERVAL], "Interval");
    assert_string_equal(fl_trigger_names[FL_TRIGGER_CHANGE], "Change");
    assert_null(fl_trigger_names[FL_TRIGGER_CHANGE + 1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_execution__only_stop_may_be_changed),
        cmocka_unit_test(test_execution__items),
        cmocka_unit_test(test_execution__names_of_enums_are_in_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
