/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include "base/glob.h"

struct match_row {
    const char *pattern;
    const char *text;
    bool want;
};

static void check_rows(const struct match_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct fl_err err = FL_ERR_INIT;
        if (fl_glob_check(fl_str_of(rows[i].pattern), &err) != 0) {
            fail_msg("row '%s': %s", rows[i].pattern, err.msg);
        }
        if (fl_glob_match(fl_str_of(rows[i].pattern), fl_str_of(rows[i].text)) != rows[i].want) {
            fail_msg("row '%s' with '%s': want %d", rows[i].pattern, rows[i].text, rows[i].want);
        }
    }
}

static void test_glob__matches_as_doublestar(void **state)
{
    (void)state;
    /* What doublestar 1.3.4 answers to each. */
    static const struct match_row rows[] = {
        {"library/*", "library/a", true},
        {"library/*", "library/a/b", false},
        {"library/**", "library/a", true},
        {"library/**", "library/a/b", true},
        {"library/**", "library", false},
        {"**", "a/b/c", true},
        {"**", "", true},
        {"*", "", true},
        {"*", "a", true},
        {"*", "a/b", false},
        {"**/hello", "hello", true},
        {"**/hello", "a/b/hello", true},
        {"**/hello", "a/hello/b", false},
        {"a/**/c", "a/c", true},
        {"a/**/c", "a/b/d/c", true},
        {"a/**/c", "a/b/d", false},
        {"a**", "ab", true},
        {"a**", "a", true},
        {"a**", "a/b", false},
        {"a**/c", "ab/c", true},
        {"a**/c", "a/c", true},
        {"a**/c", "a/b/c", false},
        {"har*/**", "harbor/test", true},
        {"har*/**", "harbor", false},
        {"{a,b}", "a", true},
        {"{a,b}", "b", true},
        {"{a,b}", "c", false},
        {"{a,b/c}", "b/c", true},
        {"{a,{b,c}d}e", "ae", true},
        {"{a,{b,c}d}e", "cde", true},
        {"{a,{b,c}d}e", "ce", false},
        {"{,a}b", "b", true},
        {"{,a}b", "ab", true},
        {"v?", "v1", true},
        {"v?", "v", false},
        {"v?", "v/", false},
        {"a?b", "a/b", false},
        {"?", "\xc3\xa9", true},
        {"v[0-9]", "v5", true},
        {"v[0-9]", "va", false},
        {"v[^0-9]", "va", true},
        {"v[^0-9]", "v5", false},
        {"v[!0-9]", "v!", true},
        {"v[!0-9]", "v5", true},
        {"v[!0-9]", "va", false},
        {"[a-cx-z]", "y", true},
        {"[a-cx-z]", "d", false},
        {"[\\]]", "]", true},
        {"[\\-a]", "-", true},
        {"[\xc3\xa9"
         "-\xc3\xbc"
         "]",
         "\xc3\xb6", true},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"a\\{b", "a{b", true},
        {"a,b", "a,b", true},
        {"a}b", "a}b", true},
        {"]", "]", true},
        {"A", "a", false},
        {"latest", "latest", true},
        {"latest", "latest2", false},
        {"**/", "", true},
        {"**/*", "", true},
        {"*/*", "a/b", true},
        {"*/*", "a", false},
        {"a/", "a/", true},
        {"a/", "a", false},
        {"a//b", "a//b", true},
        {"a/*/b", "a//b", true},
        {"**/**", "a", true},
        {"a/**/**", "a", false},
        {"a/**/**", "a/b", true},
        {"**/a/**/b/**", "x/a/y/b/z", true},
        {"**/a/**/b/**", "x/a/y/b", false},
        {"a*b*c", "aXbYc", true},
        {"a*b*c", "abbcbc", true},
        {"a*b*c", "ab", false},
        {"*.*.*", "1.2.3", true},
        {"*.*.*", "1.2", false},
        {"{v,}[0-9]*", "v1.2", true},
        {"{v,}[0-9]*", "2", true},
        {"{a,b}/{c,d}", "b/c", true},
        {"{a,b}/{c,d}", "b/e", false},
        {"{a,a/b}/c", "a/b/c", true},
        {"{a}", "a", true},
        {"{}", "", true},
        {"{}a", "a", true},
        {"[{]", "{", true},
        {"[^]", "x", true},
        {"\xc3\xa9"
         "*",
         "\xc3\xa9"
         "t\xc3\xa9",
         true},
        {"v*{,-alpine}", "v1-alpine", true},
        {"{a,/b}x", "ax", true},
        {"{a/**,b}", "a/x/y", true},
        {"{a/**,b}/c", "a/x/y/c", true},
        {"{**,a}/b", "x/y/b", false}, /* a brace's `**` is no component of its own */
        {"**{,a}", "a/b", false},
        {"[[]", "[", true},
        {"[^^]", "^", false},
        {"[a/b]", "/", false},
        {"a\\/b", "a/b", false}, /* an escaped '/' is a character, and no name has it */
        {"\\\xc3\xa9", "\xc3\xa9", true},
        {"?", "\xff", true}, /* no UTF-8: one byte is one character */
        {"\xff*",
         "\xff"
         "a",
         true},
        {"[\xc3\xa0-\xc3\xbc]", "\xff", false},
        {"", "anything/at/all", true},
        {"", "", true},
    };
    check_rows(rows, FL_LEN(rows));
}

static void test_glob__where_doublestar_fails_as_meant(void **state)
{
    (void)state;
    /* 1.3.4 finds no match for the first four (a '*' before what may be empty) and answers the
     * others with an error (a '/' in a brace, reached when the component is used up). A user means
     * what stands here. */
    static const struct match_row rows[] = {
        {"v*{,-alpine}", "v1", true}, {"*{,a}", "", true},      {"*{,a}", "b", true},
        {"a***", "a", true},          {"a{b,/c}", "a/c", true}, {"a{b,/c}", "a", false},
        {"?{a,/b}", "a/b", true},
    };
    check_rows(rows, FL_LEN(rows));
}

static void test_glob__bad_pattern_is_refused_with_place(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *want;
    } rows[] = {
        {"[a", "'[' is not closed (character 1)"},
        {"lib/[a-", "'[' is not closed (character 5)"},
        {"\xc3\xa9[a\\]", "'[' is not closed (character 2)"},
        {"{a", "'{' is not closed (character 1)"},
        {"a{b,{c}", "'{' is not closed (character 2)"},
        {"{a,b}c{", "'{' is not closed (character 7)"},
        {"{a,[b]}c[", "'[' is not closed (character 9)"},
        {"{a,[b}c", "'[' is not closed (character 4)"},
        {"{a\\}", "'{' is not closed (character 1)"},
        {"[]", "'[]' is empty (character 1)"},
        {"a[]b]", "'[]' is empty (character 2)"},
        {"[-a]", "'-' in '[...]' is no range (write '\\-' for the character) (character 1)"},
        {"[a-]", "'-' in '[...]' is no range (write '\\-' for the character) (character 1)"},
        {"[^-]", "'-' in '[...]' is no range (write '\\-' for the character) (character 1)"},
        {"[a--]", "'-' in '[...]' is no range (write '\\-' for the character) (character 1)"},
        {"abc\\", "'\\' has nothing behind it (character 4)"},
        {"{a,b\\,c}\\", "'\\' has nothing behind it (character 9)"},
        {"{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", "the braces give more than 64 alternatives"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_err err = FL_ERR_INIT;
        ROW_TRUE(rows[i].pattern, fl_glob_check(fl_str_of(rows[i].pattern), &err) == FL_E_INVALID);
        row_str(rows[i].pattern, fl_str_of(err.msg), rows[i].want);
    }
}

static void test_glob__alternatives_up_to_64_are_tried(void **state)
{
    (void)state;
    struct fl_str six = FL_STR("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}");
    struct fl_err err = FL_ERR_INIT;
    assert_int_equal(fl_glob_check(six, &err), 0);
    assert_true(fl_glob_match(six, FL_STR("aaaaaa")));
    assert_true(fl_glob_match(six, FL_STR("bbbbbb")));
    assert_true(fl_glob_match(six, FL_STR("abbaba")));
    assert_false(fl_glob_match(six, FL_STR("abbabc")));
    fl_auto_val(fl_buf) wide = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_char(&wide, '{');
    for (int i = 0; i < 64; i++) {
        fl_buf_fmt(&wide, "%s%d", i ? "," : "", i);
    }
    fl_buf_char(&wide, '}');
    assert_int_equal(fl_glob_check(fl_buf_slice(&wide), &err), 0);
    assert_true(fl_glob_match(fl_buf_slice(&wide), FL_STR("63")));
    assert_false(fl_glob_match(fl_buf_slice(&wide), FL_STR("64")));
}

static void test_glob__length_is_capped(void **state)
{
    (void)state;
    char text[FL_GLOB_MAX + 1];
    struct fl_err err = FL_ERR_INIT;
    memset(text, 'a', sizeof(text));
    assert_int_equal(fl_glob_check((struct fl_str){text, FL_GLOB_MAX}, &err), 0);
    assert_int_equal(fl_glob_check((struct fl_str){text, FL_GLOB_MAX + 1}, &err), FL_E_INVALID);
    assert_true(
        fl_glob_match((struct fl_str){text, FL_GLOB_MAX}, (struct fl_str){text, FL_GLOB_MAX}));
    memset(text, '{', FL_GLOB_MAX / 2); /* as many braces as there can be */
    memset(text + FL_GLOB_MAX / 2, '}', FL_GLOB_MAX / 2);
    assert_int_equal(fl_glob_check((struct fl_str){text, FL_GLOB_MAX}, &err), 0);
    assert_true(fl_glob_match((struct fl_str){text, FL_GLOB_MAX}, FL_STR("")));
}

/* Patterns on which a search that goes back to every star would take years. */
static void test_glob__hostile_pattern_ends(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) stars = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) deep = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) name = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) path = FL_BUF_INIT(FL_BUF_ANY);
    for (int i = 0; i < 100; i++) {
        fl_buf_text(&stars, "a*");
        fl_buf_text(&deep, "**/a/");
    }
    fl_buf_text(&stars, "b");
    fl_buf_text(&deep, "b");
    for (int i = 0; i < 1000; i++) {
        fl_buf_text(&name, "a");
        fl_buf_text(&path, "a/");
    }
    struct fl_err err = FL_ERR_INIT;
    assert_int_equal(fl_glob_check(fl_buf_slice(&stars), &err), 0);
    assert_false(fl_glob_match(fl_buf_slice(&stars), fl_buf_slice(&name)));
    assert_false(fl_glob_match(fl_buf_slice(&deep), fl_buf_slice(&path)));
    fl_buf_text(&name, "b");
    fl_buf_text(&path, "b");
    assert_true(fl_glob_match(fl_buf_slice(&stars), fl_buf_slice(&name)));
    assert_true(fl_glob_match(fl_buf_slice(&deep), fl_buf_slice(&path)));
}

static void test_glob__literal_has_no_meta_character(void **state)
{
    (void)state;
    static const char *const literal[] = {"", "library/alpine", "a,b", "a}b]", "v1.2-x_y+z", "^a!"};
    static const char *const meta[] = {"*", "a?", "[a]", "{a,b}", "a\\b"};
    for (size_t i = 0; i < FL_LEN(literal); i++) {
        ROW_TRUE(literal[i], fl_glob_literal(fl_str_of(literal[i])));
    }
    for (size_t i = 0; i < FL_LEN(meta); i++) {
        ROW_TRUE(meta[i], !fl_glob_literal(fl_str_of(meta[i])));
    }
    assert_true(fl_glob_literal((struct fl_str){"a\0b", 3}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_glob__matches_as_doublestar),
        cmocka_unit_test(test_glob__where_doublestar_fails_as_meant),
        cmocka_unit_test(test_glob__bad_pattern_is_refused_with_place),
        cmocka_unit_test(test_glob__alternatives_up_to_64_are_tried),
        cmocka_unit_test(test_glob__length_is_capped),
        cmocka_unit_test(test_glob__hostile_pattern_ends),
        cmocka_unit_test(test_glob__literal_has_no_meta_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
