/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include "base/url.h"

static void test_url__good_ones_by_rows(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        const char *scheme;
        const char *host;
        int port;
        bool ipv6;
        const char *path;
        const char *query;
        const char *origin;
    } rows[] = {
        {"https://h", "https", "h", 443, false, "", "", "https://h"},
        {"http://h/", "http", "h", 80, false, "/", "", "http://h"},
        {"HTTPS://Registry.Example.com:5000/v2/?n=1&m=a?b", "https", "Registry.Example.com", 5000,
         false, "/v2/", "n=1&m=a?b", "https://Registry.Example.com:5000"},
        {"https://h:443/x", "https", "h", 443, false, "/x", "", "https://h"},
        {"http://h:443", "http", "h", 443, false, "", "", "http://h:443"},
        {"https://h:", "https", "h", 443, false, "", "", "https://h"},
        {"https://h:00080", "https", "h", 80, false, "", "", "https://h:80"},
        {"http://127.0.0.1:65535?q", "http", "127.0.0.1", 65535, false, "", "q",
         "http://127.0.0.1:65535"},
        {"http://[::1]:8080/x", "http", "::1", 8080, true, "/x", "", "http://[::1]:8080"},
        {"https://[2001:DB8::192.0.2.1]", "https", "2001:DB8::192.0.2.1", 443, true, "", "",
         "https://[2001:DB8::192.0.2.1]"},
        {"https://h/a@b:c//d%20e;f='g'", "https", "h", 443, false, "/a@b:c//d%20e;f='g'", "",
         "https://h"},
        {"https://h/?", "https", "h", 443, false, "/", "", "https://h"},
        {"https://a_b.c-d./x", "https", "a_b.c-d.", 443, false, "/x", "", "https://a_b.c-d."},
        {"https://h/\xc3\xa9", "https", "h", 443, false, "/\xc3\xa9", "", "https://h"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_url u;
        struct fl_err err = FL_ERR_INIT;
        const char *row = rows[i].input;
        if (fl_url_parse(fl_str_of(row), &u, &err) != 0) {
            fail_msg("row '%s': %s", row, err.msg);
        }
        row_str(row, u.scheme, rows[i].scheme);
        row_str(row, u.host, rows[i].host);
        row_i64(row, u.port, rows[i].port);
        ROW_TRUE(row, u.ipv6 == rows[i].ipv6);
        row_str(row, u.path, rows[i].path);
        row_str(row, u.query, rows[i].query);
        fl_auto_val(fl_buf) origin = FL_BUF_INIT(FL_BUF_ANY);
        fl_url_origin(&origin, &u);
        row_str(row, fl_buf_slice(&origin), rows[i].origin);
    }
}

static void test_url__bad_ones_are_refused_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        const char *want; /* somewhere in the message */
    } rows[] = {
        {"", "is empty"},
        {"h", "no scheme"},
        {"h/p", "no scheme"},
        {"/p", "no scheme"},
        {"//h/p", "no scheme"},
        {"https:h", "no scheme"},
        {"https:/h", "no scheme"},
        {"://h", "no scheme"},
        {"h:5000/x", "no scheme"},
        {"1https://h", "no scheme"},
        {"ftp://h", "another scheme"},
        {"https+x://h", "another scheme"},
        {"httpss://h", "another scheme"},
        {"https://", "no host"},
        {"https:///p", "no host"},
        {"https://:80", "no host"},
        {"https://?q", "no host"},
        {"https://user:secret@h", "credentials"},
        {"https://user@h", "credentials"},
        {"https://@h", "credentials"},
        {"https://h@", "credentials"},
        {"https://h#f", "fragment"},
        {"https://h/p?q#", "fragment"},
        {"https://h:0", "port"},
        {"https://h:65536", "port"},
        {"https://h:99999999999", "port"},
        {"https://h:80x", "port"},
        {"https://h:-1", "port"},
        {"https://h:80:81", "port"},
        {"https://h /", "space"},
        {" https://h", "space"},
        {"https://h\n", "control"},
        {"https://h/\x7f", "control"},
        {"https://h\\x/", "backslash"},
        {"https://h%41", "other characters"},
        {"https://h,i", "other characters"},
        {"https://\xc3\xa9.example", "xn--"},
        {"https://[::1", "IPv6"},
        {"https://[]", "IPv6"},
        {"https://[127.0.0.1]", "IPv6"},
        {"https://[fe80::1%25eth0]", "IPv6"},
        {"https://[::1]x", "port"},
        {"https://::1/", "no host"},
        {"https://x::1/", "port"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_url u = {.port = 77};
        struct fl_err err = FL_ERR_INIT;
        ROW_TRUE(rows[i].input, fl_url_parse(fl_str_of(rows[i].input), &u, &err) == FL_E_INVALID);
        ROW_TRUE(rows[i].input, u.port == 77);
        if (!strstr(err.msg, rows[i].want)) {
            fail_msg("row '%s': got '%s', want '%s'", rows[i].input, err.msg, rows[i].want);
        }
        ROW_TRUE(rows[i].input, strstr(err.msg, "secret") == NULL);
    }
    struct fl_url u;
    assert_int_equal(fl_url_parse((struct fl_str){"https://h\0", 10}, &u, NULL), FL_E_INVALID);
    assert_int_equal(fl_url_parse((struct fl_str){NULL, 0}, &u, NULL), FL_E_INVALID);
}

static void test_url__length_is_capped(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_url u;
    struct fl_err err = FL_ERR_INIT;
    fl_buf_text(&b, "https://h/");
    while (b.len < FL_URL_MAX) {
        fl_buf_char(&b, 'a');
    }
    assert_int_equal(fl_url_parse(fl_buf_slice(&b), &u, &err), 0);
    fl_buf_char(&b, 'a');
    assert_int_equal(fl_url_parse(fl_buf_slice(&b), &u, &err), FL_E_INVALID);
    assert_non_null(strstr(err.msg, "longer than 8192"));
    fl_buf_clear(&b);
    fl_buf_text(&b, "https://");
    while (b.len < 8 + 254) {
        fl_buf_char(&b, 'h');
    }
    assert_int_equal(fl_url_parse(fl_buf_slice(&b), &u, &err), FL_E_INVALID);
}

static void test_url__same_origin_by_rows(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        bool want;
    } rows[] = {
        {"https://h/a", "https://h/b?c", true},
        {"https://h", "https://H:443", true},
        {"https://h", "http://h", false},
        {"https://h", "https://h:444", false},
        {"https://h", "https://i", false},
        {"https://h", "https://h.", false},
        {"http://h:443", "https://h", false},
        {"http://[::1]", "http://[::1]:80/", true},
        {"http://a-b",
         "http://a\x0d"
         "b",
         false},
        {"http://[AB::1]", "http://[ab::1]", true},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_url a;
        struct fl_url b = {0};
        assert_int_equal(fl_url_parse(fl_str_of(rows[i].a), &a, NULL), 0);
        int rc = fl_url_parse(fl_str_of(rows[i].b), &b, NULL);
        ROW_TRUE(rows[i].b, (rc == 0 && fl_url_same_origin(&a, &b)) == rows[i].want);
    }
}

static void test_url__resolve_by_rows(void **state)
{
    (void)state;
    /* Those with the base of RFC 3986 5.4 are its examples, without the fragments, which are
     * dropped. */
    static const char rfc[] = "http://a/b/c/d;p?q";
    static const struct {
        const char *base;
        const char *ref;
        const char *want;
    } rows[] = {
        {rfc, "g", "http://a/b/c/g"},
        {rfc, "./g", "http://a/b/c/g"},
        {rfc, "g/", "http://a/b/c/g/"},
        {rfc, "/g", "http://a/g"},
        {rfc, "//g", "http://g"},
        {rfc, "?y", "http://a/b/c/d;p?y"},
        {rfc, "g?y", "http://a/b/c/g?y"},
        {rfc, "#s", "http://a/b/c/d;p?q"},
        {rfc, "g#s", "http://a/b/c/g"},
        {rfc, ";x", "http://a/b/c/;x"},
        {rfc, "g;x=1/../y", "http://a/b/c/y"},
        {rfc, "", "http://a/b/c/d;p?q"},
        {rfc, ".", "http://a/b/c/"},
        {rfc, "./", "http://a/b/c/"},
        {rfc, "..", "http://a/b/"},
        {rfc, "../", "http://a/b/"},
        {rfc, "../g", "http://a/b/g"},
        {rfc, "../..", "http://a/"},
        {rfc, "../../g", "http://a/g"},
        {rfc, "../../../g", "http://a/g"},
        {rfc, "g.", "http://a/b/c/g."},
        {rfc, "..g", "http://a/b/c/..g"},
        {rfc, "./g/.", "http://a/b/c/g/"},
        {rfc, "g?y/../x", "http://a/b/c/g?y/../x"},
        {"https://h:5000", "v2/", "https://h:5000/v2/"},
        {"https://h", "?a", "https://h?a"},
        {"https://h/x?old", "/v2/blobs?_state=a%2Fb%3D&x", "https://h/v2/blobs?_state=a%2Fb%3D&x"},
        {"https://h/x", "https://other/y?z", "https://other/y?z"},
        {"https://h/x", "HTTP://other", "HTTP://other"},
        {"https://h/x", "//other:8/y", "https://other:8/y"},
        {"http://[::1]:81/x/y", "z", "http://[::1]:81/x/z"},
        {"https://h/x", "/a/../b", "https://h/a/../b"}, /* the target's bytes stay */
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        struct fl_err err = FL_ERR_INIT;
        if (fl_url_resolve(&b, fl_str_of(rows[i].base), fl_str_of(rows[i].ref), &err) != 0) {
            fail_msg("row '%s': %s", rows[i].ref, err.msg);
        }
        row_str(rows[i].ref, fl_buf_slice(&b), rows[i].want);
    }
}

static void test_url__resolve_refuses_and_leaves_buffer(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "ftp://h/x", "javascript:alert(1)", "https://u:p@h/", "//u@h/", "a b", "/x\r\nSet-C: x",
        "http:",     "https:///x",          "//[::1",         "/a\\b",  "g:h", "///x",
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_text(&b, "before");
        ROW_TRUE(rows[i], fl_url_resolve(&b, FL_STR("https://h/a/b"), fl_str_of(rows[i]), NULL) ==
                              FL_E_INVALID);
        row_str(rows[i], fl_buf_slice(&b), "before");
    }
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    assert_int_equal(fl_url_resolve(&b, FL_STR("no url"), FL_STR("/x"), NULL), FL_E_INVALID);
    fl_auto_val(fl_buf) huge = FL_BUF_INIT(FL_BUF_ANY);
    while (huge.len < 20000) {
        fl_buf_text(&huge, "../a");
    }
    assert_int_equal(fl_url_resolve(&b, FL_STR("https://h/"), fl_buf_slice(&huge), NULL),
                     FL_E_INVALID);
    assert_int_equal(b.len, 0);
}

static void test_url__query_get_by_rows(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        const char *name;
        const char *want; /* NULL = absent */
    } rows[] = {
        {"n=1", "n", "1"},
        {"a=b&n=1&n=2", "n", "1"},
        {"nn=1&n=2", "n", "2"},
        {"n", "n", ""},
        {"n=", "n", ""},
        {"n=a=b", "n", "a=b"},
        {"n=a%20b+c%2B", "n", "a b c+"},
        {"%6e=1", "n", "1"},
        {"a+b=1", "a b", "1"},
        {"&&n=1", "n", "1"},
        {"n=%zz&n=2", "n", "2"},
        {"n=%zz", "n", NULL},
        {"", "n", NULL},
        {"m=1", "n", NULL},
        {"N=1", "n", NULL},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        bool found = fl_query_get(fl_str_of(rows[i].query), rows[i].name, &b);
        ROW_TRUE(rows[i].query, found == (rows[i].want != NULL));
        row_str(rows[i].query, fl_buf_slice(&b), rows[i].want ? rows[i].want : "");
    }
}

static void test_url__percent_decode_by_rows(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        bool plus;
        const char *want; /* NULL = bad */
    } rows[] = {
        {"", false, ""},        {"abc", false, "abc"}, {"a%2Fb%2f", false, "a/b/"},
        {"a+b", false, "a+b"},  {"a+b", true, "a b"},  {"%C3%A9", false, "\xc3\xa9"},
        {"%25%41", true, "%A"}, {"%", false, NULL},    {"%4", false, NULL},
        {"ab%4", false, NULL},  {"%4g", false, NULL},  {"%G4", false, NULL},
        {"%%41", false, NULL},  {"% 1", false, NULL},  {"%`1", false, NULL},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_char(&b, '>');
        bool good = fl_percent_decode(&b, fl_str_of(rows[i].input), rows[i].plus);
        ROW_TRUE(rows[i].input, good == (rows[i].want != NULL));
        row_str(rows[i].input, (struct fl_str){b.data + 1, b.len - 1},
                rows[i].want ? rows[i].want : "");
    }
    fl_auto_val(fl_buf) zero = FL_BUF_INIT(FL_BUF_ANY);
    assert_true(fl_percent_decode(&zero, FL_STR("a%00b"), false));
    assert_int_equal(zero.len, 3);
    assert_memory_equal(zero.data, "a\0b", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url__good_ones_by_rows),
        cmocka_unit_test(test_url__bad_ones_are_refused_in_words),
        cmocka_unit_test(test_url__length_is_capped),
        cmocka_unit_test(test_url__same_origin_by_rows),
        cmocka_unit_test(test_url__resolve_by_rows),
        cmocka_unit_test(test_url__resolve_refuses_and_leaves_buffer),
        cmocka_unit_test(test_url__query_get_by_rows),
        cmocka_unit_test(test_url__percent_decode_by_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
