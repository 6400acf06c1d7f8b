/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "wire/scan.h"
#include "wire/yaml.h"

#define CAP 1000000

static void assert_parses(const char *name, struct fl_str in, const char *want)
{
    fl_auto(fl_json) j = NULL;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_err err = FL_ERR_INIT;
    if (fl_yaml_parse(in, CAP, "t", &j, &err)) {
        fail_msg("%s: %s", name, err.msg);
    }
    fl_json_write(j, &b);
    if (strcmp(b.data, want) != 0) {
        fail_msg("%s: got %s", name, b.data);
    }
}

/* Each stands behind "v: ". The wanted values are those of sigs.k8s.io/yaml 1.6, but for "! 12", which reaches us from
 * libyaml as "12", and tags that are refused. */
static void test_scalars__mean_what_go_reads(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *want;
    } rows[] = {
        {"abc", "\"abc\""},
        {"", "null"},
        {"~", "null"},
        {"null", "null"},
        {"Null", "null"},
        {"NULL", "null"},
        {"nULL", "\"nULL\""},
        {"true", "true"},
        {"True", "true"},
        {"TRUE", "true"},
        {"tRUE", "\"tRUE\""},
        {"y", "true"},
        {"Y", "true"},
        {"yes", "true"},
        {"on", "true"},
        {"ON", "true"},
        {"n", "false"},
        {"N", "false"},
        {"no", "false"},
        {"No", "false"},
        {"off", "false"},
        {"Off", "false"},
        {"false", "false"},
        {"oN", "\"oN\""},
        {"nope", "\"nope\""},
        {"'yes'", "\"yes\""},
        {"\"no\"", "\"no\""},
        {"0", "0"},
        {"-0", "0"},
        {"+0", "0"},
        {"12", "12"},
        {"-12", "-12"},
        {"+12", "12"},
        {"017", "15"},
        {"-017", "-15"},
        {"0o17", "15"},
        {"0O17", "15"},
        {"08", "8"},
        {"09.5", "9.5"},
        {"00", "0"},
        {"0x1F", "31"},
        {"0X1f", "31"},
        {"-0x1f", "-31"},
        {"0x", "\"0x\""},
        {"0xg", "\"0xg\""},
        {"0b101", "5"},
        {"0B11", "3"},
        {"-0b101", "-5"},
        {"0b2", "\"0b2\""},
        {"0o8", "\"0o8\""},
        {"1_000", "1000"},
        {"1_", "1"},
        {"_1", "\"_1\""},
        {"1__0", "10"},
        {"0x_1_F", "31"},
        {"1_0.5_0", "10.5"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"9223372036854775808", "9223372036854775808"},
        {"18446744073709551615", "18446744073709551615"},
        {"0xFFFFFFFFFFFFFFFF", "18446744073709551615"},
        {"0xFFFFFFFFFFFFFFFFF", "\"0xFFFFFFFFFFFFFFFFF\""},
        {"1.5", "1.5"},
        {"-1.5", "-1.5"},
        {"+1.5", "1.5"},
        {".5", "0.5"},
        {"-.5", "-0.5"},
        {"5.", "5"},
        {".", "\".\""},
        {"1.0", "1"},
        {"1e3", "1000"},
        {"1E-2", "0.01"},
        {"1e", "\"1e\""},
        {"1e400", "\"1e400\""},
        {"1e-400", "0"},
        {"1.2.3", "\"1.2.3\""},
        {"v1", "\"v1\""},
        {"-", "[null]"},
        {"--", "\"--\""},
        {"+", "\"+\""},
        {"1:20", "\"1:20\""},
        {"12:30:45", "\"12:30:45\""},
        {"2001-01-01", "\"2001-01-01\""},
        {"2001-12-14t21:59:43.10-05:00", "\"2001-12-14t21:59:43.10-05:00\""},
        {"2024-01-01T00:00:00Z", "\"2024-01-01T00:00:00Z\""},
        {"=", "\"=\""},
        {".1_8", "0.18"},
        {".1__8", "\".1__8\""},
        {".1_", "\".1_\""},
        {"! '12'", "\"12\""},
        {"-0.0", "0"},
        {"0.1", "0.1"},
        {"1e18", "1000000000000000000"},
        {"!!str 12", "\"12\""},
        {"!!str", "\"\""},
        {"!!str yes", "\"yes\""},
        {"! 12", "12"},
        {"!!int 12", "12"},
        {"!!int '12'", "12"},
        {"!!float 1.5", "1.5"},
        {"!!float 1", "1"},
        {"!!bool yes", "true"},
        {"!!bool 'no'", "false"},
        {"!!null ~", "null"},
        {"!!null ''", "null"},
        {"!!map {a: 1}", "{\"a\":1}"},
        {"!!seq [1]", "[1]"},
        {"!<tag:yaml.org,2002:str> 1", "\"1\""},
        {"\"\\u0041\\x42\\n\\t\\0\"", "\"AB\\n\\t\\u0000\""},
        {"'it''s'", "\"it's\""},
        {"a b  c", "\"a b  c\""},
        {"a # comment", "\"a\""},
        {"a#b", "\"a#b\""},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) in = FL_BUF_INIT(FL_BUF_ANY);
        fl_auto_val(fl_buf) want = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_fmt(&in, strcmp(rows[i].in, "-") == 0 ? "v:\n%s\n" : "v: %s\n", rows[i].in);
        fl_buf_fmt(&want, "{\"v\":%s}", rows[i].want);
        assert_parses(rows[i].in, fl_buf_slice(&in), want.data);
    }
}

static void test_keys__become_strings_as_go_makes_them(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *want;
    } rows[] = {
        {"n", "false"},
        {"on", "true"},
        {"Yes", "true"},
        {"off", "false"},
        {"true", "true"},
        {"1", "1"},
        {"017", "15"},
        {"0x1F", "31"},
        {"1_000", "1000"},
        {"-5", "-5"},
        {"1.5", "1.5"},
        {"1.0", "1"},
        {"1e2", "100"},
        {"1e6", "1e+06"},
        {"0.0001", "0.0001"},
        {"1e-5", "1e-05"},
        {"1e400", "1e400"},
        {"1e51", ".inf"},
        {"0.1234567890", "0.12345679"},
        {"1234567.5", "1.2345675e+06"},
        {".inf", ".inf"},
        {"-.INF", "-.inf"},
        {".nan", ".nan"},
        {"'n'", "n"},
        {"\"1\"", "1"},
        {"2001-01-01", "2001-01-01"},
        {"!!str 1", "1"},
        {"a b", "a b"},
        {"? a", "a"},
        {"''", ""},
        {"! 1", "1"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) in = FL_BUF_INIT(FL_BUF_ANY);
        fl_auto_val(fl_buf) want = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_fmt(&in, rows[i].in[0] == '?' ? "%s\n: x\n" : "%s: x\n", rows[i].in);
        fl_buf_fmt(&want, "{\"%s\":\"x\"}", rows[i].want);
        assert_parses(rows[i].in, fl_buf_slice(&in), want.data);
    }
}

struct text_row {
    const char *name;
    struct fl_str in;
    const char *want;
};

#define ROW(name, in, want)                                                                        \
    {                                                                                              \
        name, {in, sizeof(in) - 1}, want                                                           \
    }

static void test_parse__structures(void **state)
{
    (void)state;
    static const struct text_row rows[] = {
        ROW("block", "a:\n  b: 1\n  c:\n  - x\n  - p: 2\n    q: 3\n",
            "{\"a\":{\"b\":1,\"c\":[\"x\",{\"p\":2,\"q\":3}]}}"),
        ROW("flow", "{a: [1, {b: c}], 'd': \"e\"}", "{\"a\":[1,{\"b\":\"c\"}],\"d\":\"e\"}"),
        ROW("literal", "a: |\n  x\n   y\n\nb: >-\n  p\n  q\n",
            "{\"a\":\"x\\n y\\n\",\"b\":\"p q\"}"),
        ROW("comments and markers", "# c\n---\na: 1 # d\n...\n# e\n", "{\"a\":1}"),
        ROW("directive", "%YAML 1.1\n---\na: 1\n", "{\"a\":1}"),
        ROW("root scalar", "abc\n", "\"abc\""),
        ROW("root list", "- 1\n- 2\n", "[1,2]"),
        ROW("byte order mark",
            "\xef\xbb\xbf"
            "a: 1\n",
            "{\"a\":1}"),
        ROW("byte order mark before JSON", "\xef\xbb\xbf{\"a\": 1}", "{\"a\":1}"),
        ROW("CR LF", "a: 1\r\nb: 2\r\n", "{\"a\":1,\"b\":2}"),
        ROW("utf-8", "a: \xc3\xa9\xf0\x9f\x98\x80\n", "{\"a\":\"\xc3\xa9\xf0\x9f\x98\x80\"}"),
        ROW("tab after a value", "a: 1\t\nb: \t2\n", "{\"a\":1,\"b\":2}"),
        ROW("no newline at the end", "a: 1", "{\"a\":1}"),

        ROW("alias", "a: &x {p: [1]}\nb: *x\n", "{\"a\":{\"p\":[1]},\"b\":{\"p\":[1]}}"),
        ROW("alias of a scalar", "a: &x yes\nb: [*x, *x]\n", "{\"a\":true,\"b\":[true,true]}"),
        ROW("alias of a null", "a: &x\nb: *x\n", "{\"a\":null,\"b\":null}"),
        ROW("anchor set anew", "a: &x 1\nb: *x\nc: &x 2\nd: *x\n",
            "{\"a\":1,\"b\":1,\"c\":2,\"d\":2}"),
        ROW("alias as key", "a: &x k\n*x : 1\n", "{\"a\":\"k\",\"k\":1}"),
        ROW("anchor on a key", "&x k: *x\n", "{\"k\":\"k\"}"),
        ROW("alias of a number as key", "a: &x 12\n*x : 1\n", "{\"a\":12,\"12\":1}"),
        ROW("merge", "a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3\n",
            "{\"a\":{\"p\":1,\"q\":2},\"b\":{\"q\":3,\"p\":1}}"),
        ROW("own keys win though they stand first", "a: &x {p: 1}\nb:\n  p: 2\n  <<: *x\n",
            "{\"a\":{\"p\":1},\"b\":{\"p\":2}}"),
        ROW("merge of a list, first wins", "- &x {p: 1}\n- &y {p: 2, q: 2}\n- <<: [*x, *y]\n",
            "[{\"p\":1},{\"p\":2,\"q\":2},{\"p\":1,\"q\":2}]"),
        ROW("merge of what stands there", "<<: {p: 1}\nq: 2\n", "{\"q\":2,\"p\":1}"),
        ROW("quoted merge key is a key", "\"<<\": {p: 1}\n", "{\"<<\":{\"p\":1}}"),
        ROW("<< as a value", "a: <<\n", "{\"a\":\"<<\"}"),

        ROW("JSON", "{\"a\": [1, 1.50, null, true], \"b\": {\"yes\": \"on\"}}",
            "{\"a\":[1,1.50,null,true],\"b\":{\"yes\":\"on\"}}"),
        ROW("JSON with surrogates", "{\"a\": \"\\ud83d\\ude00\\/\"}",
            "{\"a\":\"\xf0\x9f\x98\x80/\"}"),
        ROW("JSON with tabs", "{\n\t\"a\":\t1\n}\n", "{\"a\":1}"),
        ROW("JSON with a comment is YAML", "{\"a\": 1} # x", "{\"a\":1}"),
        ROW("JSON with a trailing comma is YAML", "{\"a\": [1,],}", "{\"a\":[1]}"),
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        char *copy = fl_malloc(rows[i].in.n);
        memcpy(copy, rows[i].in.p, rows[i].in.n);
        assert_parses(rows[i].name, (struct fl_str){copy, rows[i].in.n}, rows[i].want);
        fl_free(copy);
    }
}

static void test_parse__failures_tell_where_and_what(void **state)
{
    (void)state;
    static const struct text_row rows[] = {
        ROW("nothing", "", "t: no document"),
        ROW("comment only", "# x\n", "t: no document"),
        ROW("null document", "---\n~\n", "t: no document"),
        ROW("two documents", "a: 1\n---\nb: 1\n", "t: document 2: line 3, column 1: only one"),
        ROW("duplicate key", "a: 1\nb: 2\na: 3\n",
            "t: document 1: line 3, column 1: duplicate key \"a\""),
        ROW("duplicate by meaning", "on: 1\nyes: 2\n", "line 2, column 1: duplicate key \"true\""),
        ROW("duplicate in JSON", "{\"a\": 1,\n \"a\": 2}", "line 2, column 2: duplicate key \"a\""),
        ROW("duplicate in the second document", "a: 1\n---\n\nx:\n  b: 1\n  b: 2\n",
            "t: document 2: line 6, column 3: duplicate key \"b\""),
        ROW("tab for indentation", "a:\n\tb: 1\n",
            "line 2, column 1: found character that cannot start any token (while scanning for "
            "the next token); indent with spaces, not tabs"),
        ROW("tab behind spaces", "a:\n  \tb: 1\n  c: 2\n", "not tabs"),
        ROW("no mapping here", "a: b: c\n",
            "line 1, column 5: mapping values are not allowed in this context"),
        ROW("open flow", "a: [1, 2\n", "line 2, column 1: did not find expected ',' or ']'"),
        ROW("open quote", "a: \"x\n", "found unexpected end of stream"),
        ROW("bad escape", "a: \"\\q\"\n", "line 1, column 5: found unknown escape character"),
        ROW("surrogate escape in YAML", "a: \"\\ud83d\"\n", "invalid Unicode character escape"),
        ROW("invalid utf-8", "a: 1\nb: \xff\n", "line 2, column 4: invalid leading UTF-8 octet"),
        ROW("control character", "a: 1\nb: x\x01\n",
            "line 2, column 5: control characters are not allowed"),
        ROW("NUL", "a: 1\n\0", "control characters are not allowed"),
        ROW("UTF-16",
            "\xff\xfe"
            "a\0",
            "t: UTF-16 text; save it as UTF-8"),
        ROW("UTF-16, other order", "\xfe\xff\0a", "t: UTF-16 text; save it as UTF-8"),
        ROW("null key", "~: 1\n", "line 1, column 1: a key is null"),
        ROW("empty key", "?\n: 1\n", "a key is null"),
        ROW("huge key", "18446744073709551615: 1\n", "a key is beyond 64 bits"),
        ROW("list as key", "? [a]\n: 1\n", "line 1, column 3: a key is not a scalar"),
        ROW("flow mapping as key", "{a: 1}: 2\n", "a key is not a scalar"),
        ROW("alias of a list as key", "a: &x [1]\n*x : 1\n", "line 2, column 1: an alias to this"),
        ROW("NUL in a key", "\"a\\0\": 1\n", "a key holds a NUL character"),
        ROW("unknown tag", "a: !foo 1\n", "line 1, column 4: tag \"!foo\" is not supported here"),
        ROW("binary", "a: !!binary aGk=\n", "tag \"tag:yaml.org,2002:binary\" is not supported"),
        ROW("timestamp", "a: !!timestamp 2001-01-01\n", "is not supported here"),
        ROW("set", "a: !!set {x}\n", "is not supported here"),
        ROW("list tagged as mapping", "a: !!map [1]\n", "is not supported here"),
        ROW("scalar tag on a list", "a: !!str [1]\n", "is not supported here"),
        ROW("not an int", "a: !!int 1.5\n", "line 1, column 4: not a value of type !!int"),
        ROW("not a bool", "a: !!bool 1\n", "not a value of type !!bool"),
        ROW("not a float", "a: !!float x\n", "not a value of type !!float"),
        ROW("not null", "a: !!null x\n", "not a value of type !!null"),
        ROW("infinity", "a: .inf\n", "line 1, column 4: .inf cannot be written in JSON"),
        ROW("not a number", "a: .NaN\n", ".nan cannot be written in JSON"),
        ROW("unknown alias", "a: *x\n", "line 1, column 4: unknown anchor \"x\""),
        ROW("anchor of the document before", "a: &x 1\n---\nb: *x\n",
            "document 2: line 3, column 4: unknown anchor \"x\""),
        ROW("alias inside its anchor", "a: &x [1, *x]\n", "line 1, column 11: unknown anchor"),
        ROW("merge of a scalar", "<<: 1\n", "line 1, column 1: a merge key needs a mapping"),
        ROW("merge of a list of scalars", "<<: [1]\n", "a merge key needs a mapping"),
        ROW("text behind JSON", "{\"a\": 1} x", "did not find expected <document start>"),
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_json *j = NULL;
        struct fl_err err = FL_ERR_INIT;
        char *copy = fl_malloc(rows[i].in.n);
        memcpy(copy, rows[i].in.p, rows[i].in.n);
        int rc = fl_yaml_parse((struct fl_str){copy, rows[i].in.n}, CAP, "t", &j, &err);
        fl_free(copy);
        if (rc != FL_E_BAD_DATA || j || !strstr(err.msg, rows[i].want)) {
            fail_msg("%s: got %d \"%s\"", rows[i].name, rc, err.msg);
        }
    }
}

static int add_document(void *arg, struct fl_json *tree, int number, int line, struct fl_err *err)
{
    fl_auto(fl_json) owned = tree;
    if (fl_json_get(tree, "stop")) {
        return fl_fail(err, FL_E_CANCELED, "Stopped", "stopped");
    }
    fl_buf_fmt(arg, "%d@%d ", number, line);
    fl_json_write(owned, arg);
    fl_buf_char(arg, ';');
    return 0;
}

static void test_read__documents_come_in_order_with_number_and_line(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *in;
        const char *want;
        int rc;
    } rows[] = {
        {"one", "a: 1\n", "1@1 {\"a\":1};", 0},
        {"two", "a: 1\n---\nb: 2\n", "1@1 {\"a\":1};2@3 {\"b\":2};", 0},
        {"empty ones are counted, not delivered", "---\n# x\n---\na: 1\n---\n---\nb: 2\n",
         "2@4 {\"a\":1};4@7 {\"b\":2};", 0},
        {"none", "\n# x\n", "", 0},
        {"documents before a broken one", "a: 1\n---\nb: [\n", "1@1 {\"a\":1};", FL_E_BAD_DATA},
        {"the callback stops", "a: 1\n---\nstop: 1\n---\nb: 2\n", "1@1 {\"a\":1};", FL_E_CANCELED},
        {"JSON values", "{\"a\":1}\n{\"b\":2}\n\n[3]", "1@1 {\"a\":1};2@2 {\"b\":2};3@4 [3];", 0},
        {"JSON callback stops", "{\"a\":1}\n{\"stop\":2}{}", "1@1 {\"a\":1};", FL_E_CANCELED},
        {"JSON documents between markers", "{\"a\":1}\n---\n{\"b\":2}\n",
         "1@1 {\"a\":1};2@3 {\"b\":2};", 0},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) got = FL_BUF_INIT(FL_BUF_ANY);
        struct fl_err err = FL_ERR_INIT;
        int rc = fl_yaml_read(fl_str_of(rows[i].in), CAP, "t", add_document, &got, &err);
        if (rc != rows[i].rc || strcmp(got.data, rows[i].want) != 0) {
            fail_msg("%s: got %d \"%s\" %s", rows[i].name, rc, got.data, err.msg);
        }
    }
}

static void assert_too_big(const char *name, struct fl_str in, size_t cap, int code,
                           const char *want)
{
    fl_auto_val(fl_buf) got = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_err err = FL_ERR_INIT;
    int rc = fl_yaml_read(in, cap, "t", add_document, &got, &err);
    if (rc != code || !strstr(err.msg, want)) {
        fail_msg("%s: got %d %s", name, rc, err.msg);
    }
}

static void test_read__caps_hold(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    assert_too_big("text", FL_STR("a: 12345"), 7, FL_E_TOO_BIG, "t: more than 7 bytes");

    /* Nine levels of nine: a billion if it were expanded. */
    fl_buf_text(&b, "a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 10; i++) {
        fl_buf_fmt(&b, "a%d: &a%d [", i, i);
        for (int k = 0; k < 9; k++) {
            fl_buf_fmt(&b, "%s*a%d", k ? ", " : "", i - 1);
        }
        fl_buf_text(&b, "]\n");
    }
    assert_too_big("laughs", fl_buf_slice(&b), CAP, FL_E_TOO_BIG,
                   "more than 100000 nodes in a document");

    fl_buf_clear(&b);
    fl_buf_text(&b, "a: &a ");
    for (int i = 0; i < 1000; i++) {
        fl_buf_text(&b, "xxxxxxxxxx");
    }
    fl_buf_text(&b, "\nb:\n");
    for (int i = 0; i < 200; i++) {
        fl_buf_text(&b, "- *a\n");
    }
    assert_too_big("bytes by aliases", fl_buf_slice(&b), CAP, FL_E_TOO_BIG,
                   "aliases add more than 1000000 bytes");

    fl_buf_clear(&b);
    for (int i = 0; i < 100001; i++) {
        fl_buf_text(&b, "- 1\n");
    }
    assert_too_big("nodes", fl_buf_slice(&b), CAP, FL_E_TOO_BIG, "more than 100000 nodes");

    fl_buf_clear(&b);
    for (int i = 0; i < 1001; i++) {
        fl_buf_text(&b, "---\nx\n");
    }
    assert_too_big("documents", fl_buf_slice(&b), CAP, FL_E_TOO_BIG, "more than 1000 documents");

    fl_buf_clear(&b);
    for (int i = 0; i < 1001; i++) {
        fl_buf_text(&b, "{}");
    }
    assert_too_big("JSON documents", fl_buf_slice(&b), CAP, FL_E_TOO_BIG,
                   "more than 1000 documents");
}

static void test_read__tag_directives_do_not_take_quadratic_time(void **state)
{
    (void)state;
    static const char *const breaks[] = {"\n", "\r", "\xc2\x85", "\xe2\x80\xa8"};
    for (size_t i = 0; i < FL_LEN(breaks); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        for (int k = 0; k < 100; k++) {
            fl_buf_fmt(&b, "%%TAG !t%d! x%s", k, breaks[i]);
        }
        size_t allowed = b.len;
        fl_buf_fmt(&b, "---%sv: '%%TAG%%TAG'\n", breaks[i]);
        assert_parses(breaks[i], fl_buf_slice(&b), "{\"v\":\"%TAG%TAG\"}");
        fl_buf_truncate(&b, allowed);
        fl_buf_fmt(&b, "%%TAG !more! x%s---\nv\n", breaks[i]);
        assert_too_big(breaks[i], fl_buf_slice(&b), CAP, FL_E_TOO_BIG,
                       "more than 100 %TAG directives");
    }
}

static void test_read__depth_stops_at_the_cap(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) got = FL_BUF_INIT(FL_BUF_ANY);
    for (int i = 0; i < 20000; i++) {
        fl_buf_char(&b, '[');
    }
    assert_too_big("brackets", fl_buf_slice(&b), CAP, FL_E_BAD_DATA, "nested too deeply");

    for (int depth = FL_JSON_DEPTH_MAX; depth <= FL_JSON_DEPTH_MAX + 1; depth++) {
        fl_buf_clear(&b);
        for (int i = 0; i < depth; i++) {
            fl_buf_text(&b, "- ");
        }
        fl_buf_text(&b, "x\n");
        int want = depth <= FL_JSON_DEPTH_MAX ? 0 : FL_E_BAD_DATA;
        assert_int_equal(fl_yaml_read(fl_buf_slice(&b), CAP, "t", add_document, &got, NULL), want);
    }

    /* 60 levels by an alias inside 60 others. */
    fl_buf_clear(&b);
    fl_buf_text(&b, "- &a ");
    for (int i = 0; i < 60; i++) {
        fl_buf_char(&b, '[');
    }
    for (int i = 0; i < 60; i++) {
        fl_buf_char(&b, ']');
    }
    fl_buf_text(&b, "\n- ");
    for (int i = 0; i < 60; i++) {
        fl_buf_char(&b, '[');
    }
    fl_buf_text(&b, "*a");
    for (int i = 0; i < 60; i++) {
        fl_buf_char(&b, ']');
    }
    assert_too_big("by alias", fl_buf_slice(&b), CAP, FL_E_BAD_DATA, "nested too deeply");
}

static void test_write__looks_as_kubectl_prints(void **state)
{
    (void)state;
    fl_auto(fl_json) j = fl_json_literal(
        "{\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a-b.c\",\"labels\":{},\"finalizers\":[\"x/"
        "y\"],"
        "\"annotations\":{\"fairlead.dev/when\":\"2024-01-01T00:00:00Z\",\"multi\":\"a\\nb\\n\"}},"
        "\"spec\":{\"i\":1,\"on\":true,\"off\":null,\"list\":[{\"a\":1,\"b\":[[1,2],[]]},\"--"
        "flag\"]}}");
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_yaml_write(j, &b);
    assert_string_equal(b.data, "apiVersion: v1\n"
                                "metadata:\n"
                                "  name: a-b.c\n"
                                "  labels: {}\n"
                                "  finalizers:\n"
                                "  - x/y\n"
                                "  annotations:\n"
                                "    fairlead.dev/when: \"2024-01-01T00:00:00Z\"\n"
                                "    multi: |\n"
                                "      a\n"
                                "      b\n"
                                "spec:\n"
                                "  i: 1\n"
                                "  \"on\": true\n"
                                "  \"off\": null\n"
                                "  list:\n"
                                "  - a: 1\n"
                                "    b:\n"
                                "    - - 1\n"
                                "      - 2\n"
                                "    - []\n"
                                "  - --flag\n");
}

/* Each text as value, key, list element, root and in a list inside a list. */
static void test_write__every_text_reads_back(void **state)
{
    (void)state;
    static const struct fl_str rows[] = {
#define T(s) {s, sizeof(s) - 1}
        T(""),
        T(" "),
        T("a"),
        T(" a"),
        T("a "),
        T("a b"),
        T("~"),
        T("null"),
        T("true"),
        T("y"),
        T("No"),
        T("on"),
        T("1"),
        T("-1"),
        T("0x1F"),
        T("0b1"),
        T("0o7"),
        T("017"),
        T("08"),
        T("1_0"),
        T("1.5"),
        T(".5"),
        T("1e3"),
        T("1e400"),
        T(".inf"),
        T("-.inf"),
        T(".nan"),
        T("1:20"),
        T("2001-01-01"),
        T("2001-01-01T00:00:00Z"),
        T("<<"),
        T("="),
        T("-"),
        T("--"),
        T("---"),
        T("--- a"),
        T("..."),
        T("-a"),
        T("- a"),
        T("--flag"),
        T("?"),
        T("? a"),
        T("?a"),
        T(":"),
        T(": a"),
        T(":a"),
        T("a:"),
        T("a: b"),
        T("a:b"),
        T("a #b"),
        T("a#b"),
        T("#a"),
        T("{"),
        T("}"),
        T("[a]"),
        T("{a: b}"),
        T("a, b"),
        T(","),
        T("&a"),
        T("*a"),
        T("!a"),
        T("!!str a"),
        T("|"),
        T(">"),
        T("|-"),
        T("'"),
        T("\""),
        T("'a'"),
        T("\"a\""),
        T("it's"),
        T("a\"b"),
        T("a\\b"),
        T("\\"),
        T("%"),
        T("%a"),
        T("@a"),
        T("`a`"),
        T("a\nb"),
        T("a\nb\n"),
        T("a\n\nb\n\n"),
        T("a\n\n\n"),
        T("\n"),
        T("\na"),
        T("\n\n"),
        T(" a\nb"),
        T("a\n b"),
        T("a\n  \nb"),
        T("a\n  "),
        T("a\n \n"),
        T("\ta\nb"),
        T("a\n\tb"),
        T("a\tb"),
        T("\t"),
        T("a\t"),
        T("a\rb"),
        T("a\r\nb\r\n"),
        T("a\n# b\n"),
        T("a\n--- b\n"),
        T("a\n---\n"),
        T("a\n...\nb"),
        T("a: b\n- c\n"),
        T("- a\n- b\n"),
        T("# a\nb"),
        T("{\n"),
        T("|\n"),
        T("a\0b"),
        T("\x01"),
        T("\x1b[0m"),
        T("\x7f"),
        T("\xc2\x85"),
        T("a\xc2\x85\x62"),
        T("\xc2\xa0"),
        T("\xe2\x80\xa8"),
        T("a\xe2\x80\xa9\nb"),
        T("\xef\xbb\xbf"),
        T("\xef\xbb\xbf\nb"),
        T("\xef\xbf\xbe"),
        T("\xef\xbf\xbf"),
        T("\xc3\xa9"),
        T("\xe2\x82\xac a: \xe2\x82\xac"),
        T("\xf0\x9f\x98\x80"),
        T("\xf0\x9f\x98\x80\n\xf0\x9f\x98\x80"),
        T("\xf4\x8f\xbf\xbf"),
        T("kind: ConfigMap\ndata:\n  x: |\n    y\n"),
        T("a  b"),
        T("key with spaces"),
        T("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
          "8901234567890123456789012345678901234567890123456789012345678901234567890123456789 "
          "012345678901234567890123456789"),
#undef T
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_json) j = fl_json_literal("{\"m\":{},\"l\":[{},[[]]],\"v\":0}");
        bool key = !memchr(rows[i].n ? rows[i].p : "", '\0', rows[i].n);
        if (key) {
            fl_json_set_str(fl_json_get(j, "m"), rows[i], fl_json_str(rows[i]));
            fl_json_set_str(fl_json_at(fl_json_get(j, "l"), 0), rows[i], fl_json_array());
            fl_json_push(fl_json_get_str(fl_json_at(fl_json_get(j, "l"), 0), rows[i]),
                         fl_json_str(rows[i]));
        }
        fl_json_push(fl_json_get(j, "l"), fl_json_str(rows[i]));
        fl_json_push(fl_json_at(fl_json_at(fl_json_get(j, "l"), 1), 0), fl_json_str(rows[i]));
        fl_json_set(j, "v", fl_json_str(rows[i]));
        fl_json_set(j, "after", fl_json_str(FL_STR("x")));
        fl_auto(fl_json) root = fl_json_str(rows[i]);
        const struct fl_json *trees[] = {j, root};
        for (size_t t = 0; t < FL_LEN(trees); t++) {
            fl_auto(fl_json) back = NULL;
            fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
            struct fl_err err = FL_ERR_INIT;
            fl_yaml_write(trees[t], &b);
            int rc = fl_yaml_parse(fl_buf_slice(&b), CAP, "t", &back, &err);
            if (rc || !fl_json_equal(trees[t], back)) {
                fail_msg("row %zu, tree %zu: %s\n%s", i, t, err.msg, b.data);
            }
        }
    }
}

static void test_write__long_keys_and_numbers_read_back(void **state)
{
    (void)state;
    fl_auto(fl_json) j = fl_json_literal("{\"n\":[0,-1,1.5,1e-7,9223372036854775807,"
                                         "18446744073709551615,true,false,null,1e+20],\"l\":[]}");
    fl_auto(fl_json) back = NULL;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    char key[2000];
    static const size_t sizes[] = {100, 160, 161, 1000, 1024, 1025, 2000};
    static const char fills[] = {'k', '"', '\x01'};
    for (size_t f = 0; f < sizeof(fills); f++) {
        memset(key, fills[f], sizeof(key));
        for (size_t i = 0; i < FL_LEN(sizes); i++) {
            fl_json_set_str(j, (struct fl_str){key, sizes[i]},
                            fl_json_literal("{\"a\":[1,{\"b\":[]}]}"));
        }
    }
    fl_json_push(fl_json_get(j, "l"), fl_json_object());
    fl_json_set_str(fl_json_at(fl_json_get(j, "l"), 0), (struct fl_str){key, sizeof(key)},
                    fl_json_text("x\ny"));
    fl_yaml_write(j, &b);
    struct fl_err err = FL_ERR_INIT;
    if (fl_yaml_parse(fl_buf_slice(&b), CAP, "t", &back, &err)) {
        fail_msg("%s\n%s", err.msg, b.data);
    }
    assert_true(fl_json_equal(j, back));
}

static void test_write__stops_at_the_cap_of_the_buffer(void **state)
{
    (void)state;
    fl_auto(fl_json) j = fl_json_literal("{\"a\":[\"aaaa\",{\"b\":\"c\\nd\"}]}");
    for (size_t cap = 0; cap < 20; cap++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(cap);
        struct fl_err err = FL_ERR_INIT;
        fl_yaml_write(j, &b);
        assert_int_equal(fl_buf_finish(&b, "answer", &err), FL_E_TOO_BIG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars__mean_what_go_reads),
        cmocka_unit_test(test_keys__become_strings_as_go_makes_them),
        cmocka_unit_test(test_parse__structures),
        cmocka_unit_test(test_parse__failures_tell_where_and_what),
        cmocka_unit_test(test_read__documents_come_in_order_with_number_and_line),
        cmocka_unit_test(test_read__caps_hold),
        cmocka_unit_test(test_read__tag_directives_do_not_take_quadratic_time),
        cmocka_unit_test(test_read__depth_stops_at_the_cap),
        cmocka_unit_test(test_write__looks_as_kubectl_prints),
        cmocka_unit_test(test_write__every_text_reads_back),
        cmocka_unit_test(test_write__long_keys_and_numbers_read_back),
        cmocka_unit_test(test_write__stops_at_the_cap_of_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
