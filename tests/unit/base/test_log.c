/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include "base/lock.h"
#include "base/log.h"

static struct fl_buf lines = FL_BUF_INIT(FL_BUF_ANY);
static int line_count;

static void keep_line(void *arg, struct fl_str line)
{
    (void)arg;
    fl_buf_str(&lines, line);
    line_count++;
}

static int setup(void **state)
{
    (void)state;
    fl_buf_clear(&lines);
    line_count = 0;
    fl_log_sink(keep_line, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fl_log_sink(NULL, NULL);
    fl_log_setup(FL_LOG_INFO, FL_LOG_TEXT);
    fl_buf_release(&lines);
    return 0;
}

/* What stands behind the time, which is of a fixed shape. */
static const char *after_time(const char *line, const char *before)
{
    assert_true(fl_text_starts(line, before));
    line += strlen(before);
    static const char shape[] = "0000-00-00T00:00:00.000Z";
    for (size_t i = 0; i + 1 < sizeof(shape); i++) {
        assert_true(shape[i] == '0' ? line[i] >= '0' && line[i] <= '9' : line[i] == shape[i]);
    }
    return line + sizeof(shape) - 1;
}

static void test_log__text_line(void **state)
{
    (void)state;
    fl_log_setup(FL_LOG_INFO, FL_LOG_TEXT);
    fl_log(FL_LOG_INFO, "listening", FL_S("address", "127.0.0.1:8443"), FL_I("port", -5),
           FL_S("quoted", "two words"), FL_S("eq", "a=b"), FL_S("empty", ""), FL_S("null", NULL),
           FL_S("evil", "x\ntime=1"));
    assert_string_equal(after_time(lines.data, "time="),
                        " level=info msg=listening address=127.0.0.1:8443 port=-5 "
                        "quoted=\"two words\" eq=\"a=b\" empty=\"\" null=\"\" "
                        "evil=\"x\\ntime=1\"\n");
    assert_int_equal(line_count, 1);
}

static void test_log__json_line(void **state)
{
    (void)state;
    fl_log_setup(FL_LOG_INFO, FL_LOG_JSON);
    fl_log(FL_LOG_WARN, "a \"b\"", FL_S("k", "v\n\xff"), FL_I("n", INT64_MIN));
    assert_string_equal(after_time(lines.data, "{\"time\":\""),
                        "\",\"level\":\"warn\",\"msg\":\"a \\\"b\\\"\",\"k\":\"v\\n\xef\xbf\xbd\","
                        "\"n\":-9223372036854775808}\n");
}

static void test_log__tty_line(void **state)
{
    (void)state;
    fl_log_setup(FL_LOG_DEBUG, FL_LOG_TTY);
    fl_log(FL_LOG_DEBUG, "it is so", FL_S("k", "v"));
    assert_string_equal(after_time(lines.data, ""), " DEBUG it is so k=v\n");
    fl_buf_clear(&lines);
    fl_log_msg(FL_LOG_INFO, "evil \x1b[2J\nline"); /* no escape reaches the terminal */
    assert_null(strchr(lines.data, '\x1b'));
    assert_ptr_equal(strchr(lines.data, '\n'), lines.data + lines.len - 1);
}

static void test_log__error_value_adds_reason_and_status(void **state)
{
    (void)state;
    struct fl_err err = FL_ERR_INIT;
    fl_log_setup(FL_LOG_INFO, FL_LOG_TEXT);
    (void)fl_fail_http(&err, FL_E_AUTH, 401, -1, "TokenRejected", "project 'x': refused");
    fl_log(FL_LOG_ERROR, "pass failed", FL_ERR(&err), FL_S("key", "ns/name"));
    assert_string_equal(after_time(lines.data, "time="),
                        " level=error msg=\"pass failed\" error=\"project 'x': refused\" "
                        "reason=TokenRejected status=401 key=ns/name\n");
    fl_buf_clear(&lines);
    (void)fl_fail(&err, FL_E_TIMEOUT, "Timeout", "slow");
    fl_log(FL_LOG_ERROR, "x", FL_ERR(&err));
    assert_string_equal(after_time(lines.data, "time="),
                        " level=error msg=x error=slow reason=Timeout\n");
}

static void test_log__below_minimum_is_silent(void **state)
{
    (void)state;
    fl_log_setup(FL_LOG_WARN, FL_LOG_TEXT);
    fl_log_msg(FL_LOG_DEBUG, "a");
    fl_log_msg(FL_LOG_INFO, "b");
    assert_int_equal(line_count, 0);
    fl_log_msg(FL_LOG_WARN, "c");
    fl_log_msg(FL_LOG_ERROR, "d");
    assert_int_equal(line_count, 2);
}

static void test_log__long_value_is_cut(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    while (text.len < 1000000) {
        fl_buf_text(&text, "\xe2\x82\xac");
    }
    fl_log_setup(FL_LOG_INFO, FL_LOG_JSON);
    fl_log(FL_LOG_INFO, "x", FL_S("k", text.data));
    assert_true(lines.len < 5000);
    assert_true(fl_str_ends(fl_buf_slice(&lines), "\xe2\x82\xac...\"}\n"));
    assert_true(fl_utf8_valid(fl_buf_slice(&lines)));
    assert_null(strstr(lines.data, "\xef\xbf\xbd"));
}

static void test_log__secrets_do_not_show(void **state)
{
    (void)state;
    static const enum fl_log_format formats[] = {FL_LOG_TEXT, FL_LOG_JSON, FL_LOG_TTY};
    for (size_t i = 0; i < FL_LEN(formats); i++) {
        struct fl_err err = FL_ERR_INIT;
        fl_log_setup(FL_LOG_INFO, formats[i]);
        (void)fl_fail(&err, FL_E_AUTH, "A", "GET https://u:hunter2@h/p?sig=hunter2 failed");
        fl_log(FL_LOG_INFO, "Bearer hunter2", FL_S("a", "token=hunter2"), FL_S("token", "hunter2"),
               FL_S("password", "hunter2"), FL_ERR(&err));
        ROW_TRUE(lines.data, strstr(lines.data, "hunter2") == NULL);
    }
    assert_int_equal(line_count, 3);
}

static void test_log__names_are_parsed(void **state)
{
    (void)state;
    enum fl_log_level level = FL_LOG_DEBUG;
    enum fl_log_format format = FL_LOG_TEXT;
    assert_true(fl_log_level_parse("error", &level));
    assert_int_equal(level, FL_LOG_ERROR);
    assert_true(fl_log_level_parse("debug", &level));
    assert_int_equal(level, FL_LOG_DEBUG);
    assert_false(fl_log_level_parse("Info", &level));
    assert_false(fl_log_level_parse("", &level));
    assert_false(fl_log_level_parse(NULL, &level));
    assert_true(fl_log_format_parse("json", &format));
    assert_int_equal(format, FL_LOG_JSON);
    assert_true(fl_log_format_parse("auto", &format));
    assert_int_equal(format, FL_LOG_AUTO);
    assert_false(fl_log_format_parse("xml", &format));
}

static void *log_many(void *p)
{
    for (int i = 0; i < 200; i++) {
        fl_log(FL_LOG_INFO, "x", FL_S("who", p), FL_I("i", i));
    }
    return NULL;
}

static void test_log__lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    pthread_t threads[3];
    static char who[3][2] = {"a", "b", "c"};
    fl_log_setup(FL_LOG_INFO, FL_LOG_TEXT);
    for (size_t i = 0; i < FL_LEN(threads); i++) {
        fl_thread_start(&threads[i], "log", log_many, who[i]);
    }
    for (size_t i = 0; i < FL_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(line_count, 600);
    struct fl_str rest = fl_buf_slice(&lines);
    struct fl_str line;
    for (int i = 0; i < 600; i++) {
        assert_true(fl_str_cut(&rest, '\n', &line));
        assert_true(fl_str_starts(line, "time="));
    }
    assert_int_equal(rest.n, 0);
}

static void test_log__without_sink_one_line_goes_to_stderr(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fl_log_sink(NULL, NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        fl_log_setup(FL_LOG_INFO, FL_LOG_AUTO); /* a pipe is no terminal */
        fl_log_msg(FL_LOG_INFO, "hello");
        _exit(0);
    }
    char got[200] = "";
    assert_int_equal(close(ends[1]), 0);
    ssize_t n = read(ends[0], got, sizeof(got) - 1); /* one write, one read */
    assert_true(n > 0);
    assert_string_equal(after_time(got, "time="), " level=info msg=hello\n");
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void test_redact__by_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *input;
        const char *want;
    } rows[] = {
        {"nothing to hide", "copied library/alpine:3.20 (2 of 4)",
         "copied library/alpine:3.20 (2 of 4)"},
        {"empty", "", ""},
        {"bearer", "Authorization: Bearer eyJ.abc.def", "Authorization: Bearer ***"},
        {"bearer then text", "sent Bearer abc, got 401", "sent Bearer ***, got 401"},
        {"basic", "Basic dXNlcjpwYXNz", "Basic ***"},
        {"lower case scheme", "authorization: bearer eyJhbGciOi", "authorization: bearer ***"},
        {"upper case scheme", "BEARER abc1", "BEARER ***"},
        {"sentence about a bearer", "the bearer token was refused", "the bearer token was refused"},
        {"word that ends so", "forbearer abc", "forbearer abc"},
        {"scheme at the end", "Bearer ", "Bearer "},
        {"token", "token=abc&x=1", "token=***&x=1"},
        {"other token", "access_token=abc x", "access_token=*** x"},
        {"password", "PASSWORD=a-b.c!d rest", "PASSWORD=*** rest"},
        {"quoted", "password=\"two words\" rest", "password=*** rest"},
        {"quote not closed", "password='two words", "password=***"},
        {"empty token", "token= x", "token= x"},
        {"userinfo", "clone https://user:p%40ss@host/a.git failed",
         "clone https://***@host/a.git failed"},
        {"user only", "https://ghp_abc@host/a", "https://***@host/a"},
        {"two ats", "https://user:p@ss@host/a", "https://***@host/a"},
        {"at in the path", "https://host/a@sha256:ab", "https://host/a@sha256:ab"},
        {"query", "GET https://host/p?sig=abc&x=1: 403", "GET https://host/p?***: 403"},
        {"query then text", "GET https://host/p?sig=abc failed", "GET https://host/p?*** failed"},
        {"query in quotes", "GET 'https://h/p?q={'a'}&s=x' failed", "GET 'https://h/p?***' failed"},
        {"query in brackets", "(see https://h/p?a=(b)c).", "(see https://h/p?***)."},
        {"query in json", "{\"u\":\"https://h/p?s=x\",\"k\":1}",
         "{\"u\":\"https://h/p?***\",\"k\":1}"},
        {"empty query", "https://h/p? x", "https://h/p?*** x"},
        {"userinfo and query", "https://t@h?x=1", "https://***@h?***"},
        {"two urls", "https://a:b@c/ https://d:e@f/", "https://***@c/ https://***@f/"},
        {"other scheme", "ssh://git:pw@host:22/x", "ssh://***@host:22/x"},
        {"user of ssh", "from ssh://git@host:22/x failed", "from ssh://git@host:22/x failed"},
        {"user of ssh with something before", "git+ssh://some.user_1@host/x",
         "git+ssh://some.user_1@host/x"},
        {"user of ssh in capitals", "SSH://git@host/x", "SSH://git@host/x"},
        {"user of ssh with two ats", "ssh://git@b@host/x", "ssh://***@host/x"},
        {"user of ssh with what no user has", "ssh://gi%74@host/x", "ssh://***@host/x"},
        {"scheme that ends so", "sssh://git@host/x", "sssh://***@host/x"},
        {"no scheme", "clone robot:pw@host:x.git failed", "clone ***@host:x.git failed"},
        {"no scheme, in quotes", "'robot:p:w@host/x' \"a:b@c\"", "'***@host/x' \"***@c\""},
        {"no scheme, in brackets", "(robot:pw@host) <a:b@c>", "(***@host) <***@c>"},
        {"no scheme, behind a name", "remote=robot:pw@host", "remote=***@host"},
        {"no scheme, address as user", "robot@a.example:pw@host", "***@host"},
        {"no scheme, at in the password", "robot:p@w,d@host", "***@host"},
        {"no scheme, cut off", "robot:pw@", "***@"},
        {"no scheme, many", "a:b@c d:e@f g:h", "***@c ***@f g:h"},
        {"no scheme, behind a path", "x/robot:pw@host/y", "x/***@host/y"},
        {"user only, no scheme", "git@host:team/app.git", "git@host:team/app.git"},
        {"nobody", "see :x@host", "see :x@host"},
        {"an address after a colon", "Author: robot@a.example", "Author: robot@a.example"},
        {"json", "{\"mail\":\"robot@a.example\"}", "{\"mail\":\"robot@a.example\"}"},
        {"tag and digest", "alpine:3.20@sha256:ab01 a/b:1@sha512:cd",
         "alpine:3.20@sha256:ab01 a/b:1@sha512:cd"},
        {"no scheme, and a digest", "robot:pw@host:1@sha256:ab", "***@host:1@sha256:ab"},
        {"port and digest", "127.0.0.1:5000/a@sha256:ab", "127.0.0.1:5000/a@sha256:ab"},
        {"colons", "a:b:c:d::e 12:30:05 main:refs/x@y", "a:b:c:d::e 12:30:05 main:refs/x@y"},
        {"no url", "a:/b c: //d", "a:/b c: //d"},
        {"url ends", "https://", "https://"},
        {"port", "http://127.0.0.1:5000/v2/", "http://127.0.0.1:5000/v2/"},
        {"userinfo at the very end", "https://user:pw@", "https://***@"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_redact(&b, fl_str_of(rows[i].input));
        row_str(rows[i].name, fl_buf_slice(&b), rows[i].want);
    }
}

static void test_redact__takes_any_bytes(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_redact(&b, (struct fl_str){"a\0b Bearer x\0y", 14});
    assert_int_equal(b.len, 16);
    assert_memory_equal(b.data, "a\0b Bearer ***\0y", 16);
}

#define logged(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        logged(test_log__text_line),
        logged(test_log__json_line),
        logged(test_log__tty_line),
        logged(test_log__error_value_adds_reason_and_status),
        logged(test_log__below_minimum_is_silent),
        logged(test_log__long_value_is_cut),
        logged(test_log__secrets_do_not_show),
        logged(test_log__names_are_parsed),
        logged(test_log__lines_of_threads_do_not_mix),
        logged(test_log__without_sink_one_line_goes_to_stderr),
        cmocka_unit_test(test_redact__by_rows),
        cmocka_unit_test(test_redact__takes_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
