/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

static const struct fl_str none = {NULL, 0};

static void test_str__empty_slices_are_equal(void **state)
{
    (void)state;
    assert_true(fl_str_eq(none, FL_STR("")));
    assert_true(fl_str_is(none, ""));
    assert_true(fl_str_eq(fl_str_of(NULL), none));
    assert_int_equal(fl_str_cmp(none, FL_STR("")), 0);
    assert_true(fl_str_starts(none, ""));
    assert_true(fl_str_ends(none, ""));
    assert_true(fl_utf8_valid(none));
    assert_true(fl_str_printable(none));
}

static void test_str__comparisons_by_bytes_and_length(void **state)
{
    (void)state;
    assert_true(fl_str_is(FL_STR("abc"), "abc"));
    assert_false(fl_str_is(FL_STR("abc"), "ab"));
    assert_false(fl_str_is(FL_STR("ab"), "abc"));
    assert_false(fl_str_is(FL_STR("abc"), "abC"));
    assert_true(fl_str_case_is(FL_STR("AbC-1"), "aBc-1"));
    assert_false(fl_str_case_is(FL_STR("ab"), "abc"));
    assert_false(fl_str_case_is(FL_STR("@"), "`")); /* differ by the case bit, and are no letters */
    assert_true(fl_str_cmp(FL_STR("a"), FL_STR("b")) < 0);
    assert_true(fl_str_cmp(FL_STR("b"), FL_STR("abc")) > 0);
    assert_true(fl_str_cmp(FL_STR("ab"), FL_STR("abc")) < 0);
    assert_true(fl_str_cmp(FL_STR("abc"), FL_STR("ab")) > 0);
    assert_true(fl_str_cmp(FL_STR("\xff"), FL_STR("a")) > 0);
    assert_int_equal(fl_str_cmp(FL_STR("abc"), FL_STR("abc")), 0);
}

static void test_str__prefix_and_suffix(void **state)
{
    (void)state;
    assert_true(fl_str_starts(FL_STR("sha256:ab"), "sha256:"));
    assert_false(fl_str_starts(FL_STR("sha"), "sha256:"));
    assert_true(fl_str_ends(FL_STR("a.git"), ".git"));
    assert_false(fl_str_ends(FL_STR("git"), ".git"));
    assert_true(fl_text_starts("abc", "ab"));
    assert_false(fl_text_starts("a", "ab"));
    assert_false(fl_text_starts(NULL, "ab"));
}

static void test_str__text_eq_takes_null(void **state)
{
    (void)state;
    assert_true(fl_text_eq(NULL, NULL));
    assert_false(fl_text_eq(NULL, ""));
    assert_false(fl_text_eq("", NULL));
    assert_true(fl_text_eq("a", "a"));
    assert_false(fl_text_eq("a", "b"));
}

static void test_str__trim_takes_blanks_only(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *input;
        const char *want;
    } rows[] = {{"both ends", " \t a b \t", "a b"},
                {"nothing to do", "a", "a"},
                {"all blank", "  \t ", ""},
                {"empty", "", ""},
                {"newline stays", " a\n", "a\n"}};
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        row_str(rows[i].name, fl_str_trim(fl_str_of(rows[i].input)), rows[i].want);
    }
    assert_int_equal(fl_str_trim(none).n, 0);
}

static void test_str__cut_gives_head_and_rest(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *input;
        bool found;
        const char *head;
        const char *rest;
    } rows[] = {{"in the middle", "a,b,c", true, "a", "b,c"},
                {"first", ",b", true, "", "b"},
                {"last", "a,", true, "a", ""},
                {"absent", "abc", false, "abc", ""},
                {"empty", "", false, "", ""}};
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_str rest = fl_str_of(rows[i].input);
        struct fl_str head;
        ROW_TRUE(rows[i].name, fl_str_cut(&rest, ',', &head) == rows[i].found);
        row_str(rows[i].name, head, rows[i].head);
        row_str(rows[i].name, rest, rows[i].rest);
    }
    struct fl_str rest = none;
    struct fl_str head;
    assert_false(fl_str_cut(&rest, ',', &head));
    assert_int_equal(head.n, 0);
}

static void test_str__cut_of_slice_may_be_its_own_head(void **state)
{
    (void)state;
    struct fl_str s = FL_STR("path?query");
    (void)fl_str_cut(&(struct fl_str){s.p, s.n}, '?', &s);
    row_str("in place", s, "path");
}

static void test_str__utf8_by_rows(void **state)
{
    (void)state;
    /* Unicode 15, table 3-7: the bounds of each row. */
    static const struct {
        const char *name;
        const char *input;
        size_t want; /* bytes of the first character */
    } rows[] = {
        {"ascii", "a", 1},
        {"U+0080", "\xc2\x80", 2},
        {"U+07FF", "\xdf\xbf", 2},
        {"U+0800", "\xe0\xa0\x80", 3},
        {"U+D7FF", "\xed\x9f\xbf", 3},
        {"U+E000", "\xee\x80\x80", 3},
        {"U+FFFF", "\xef\xbf\xbf", 3},
        {"U+10000", "\xf0\x90\x80\x80", 4},
        {"U+10FFFF", "\xf4\x8f\xbf\xbf", 4},
        {"overlong of two", "\xc0\xaf", 0},
        {"overlong of two, high", "\xc1\xbf", 0},
        {"overlong of three", "\xe0\x9f\xbf", 0},
        {"overlong of four", "\xf0\x8f\xbf\xbf", 0},
        {"surrogate low end", "\xed\xa0\x80", 0},
        {"surrogate high end", "\xed\xbf\xbf", 0},
        {"above U+10FFFF", "\xf4\x90\x80\x80", 0},
        {"f5", "\xf5\x80\x80\x80", 0},
        {"lone continuation", "\x80", 0},
        {"cut after one", "\xe2", 0},
        {"cut after two", "\xe2\x82", 0},
        {"cut after three", "\xf0\x9f\x9a", 0},
        {"third byte is none", "\xe2\x82(", 0},
        {"fourth byte is none", "\xf0\x9f\x9a(", 0},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_str s = fl_str_of(rows[i].input);
        row_i64(rows[i].name, (int64_t)fl_utf8_step(s), (int64_t)rows[i].want);
        ROW_TRUE(rows[i].name, fl_utf8_valid(s) == (rows[i].want > 0));
    }
    assert_int_equal(fl_utf8_step(none), 0);
    assert_int_equal(fl_utf8_step((struct fl_str){"\0", 1}), 1);
    assert_false(fl_utf8_valid(FL_STR("good \xff bad")));
}

static void test_str__printable_refuses_controls(void **state)
{
    (void)state;
    assert_true(fl_str_printable(FL_STR("a b~\xc3\xa9")));
    assert_false(fl_str_printable(FL_STR("a\nb")));
    assert_false(fl_str_printable(FL_STR("a\x7f")));
    assert_false(fl_str_printable((struct fl_str){"a\0b", 3}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_str__empty_slices_are_equal),
        cmocka_unit_test(test_str__comparisons_by_bytes_and_length),
        cmocka_unit_test(test_str__prefix_and_suffix),
        cmocka_unit_test(test_str__text_eq_takes_null),
        cmocka_unit_test(test_str__trim_takes_blanks_only),
        cmocka_unit_test(test_str__cut_gives_head_and_rest),
        cmocka_unit_test(test_str__cut_of_slice_may_be_its_own_head),
        cmocka_unit_test(test_str__utf8_by_rows),
        cmocka_unit_test(test_str__printable_refuses_controls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
