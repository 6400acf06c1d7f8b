/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "wire/httphead.h"

struct row {
    const char *name;
    const char *input;
    const char *want;
};

static void row_check(const struct row *r, const struct fl_buf *got)
{
    if (!fl_text_eq(got->data, r->want)) {
        fail_msg("%s: [%s] gave [%s], want [%s]", r->name, r->input, got->data, r->want);
    }
}

static void challenges_print(struct fl_buf *b, const struct fl_challenge *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fl_buf_fmt(b, "%s%s", i ? " | " : "", c[i].scheme);
        if (c[i].token68) {
            fl_buf_fmt(b, " <%s>", c[i].token68);
        }
        for (size_t k = 0; k < c[i].n_params; k++) {
            fl_buf_fmt(b, " %s=%s", c[i].params[k].name, c[i].params[k].value);
        }
    }
}

static void test_challenges__values_of_servers_are_split(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"docker hub",
         "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\","
         "scope=\"repository:library/alpine:pull,push\"",
         "bearer realm=https://auth.docker.io/token service=registry.docker.io "
         "scope=repository:library/alpine:pull,push"},
        {"basic", "Basic realm=\"Registry Realm\"", "basic realm=Registry Realm"},
        {"scheme alone", "Negotiate", "negotiate"},
        {"two schemes alone", "Negotiate, NTLM", "negotiate | ntlm"},
        {"token68", "Negotiate YWJj/+8=", "negotiate <YWJj/+8=>"},
        {"token68 with one =", "NTLM TlRMTVNT=", "ntlm <TlRMTVNT=>"},
        {"token68 then another", "Negotiate abc==, Basic realm=\"x\"",
         "negotiate <abc==> | basic realm=x"},
        {"two in one value", "Bearer realm=\"r\", service=\"s\", Basic realm=\"x\"",
         "bearer realm=r service=s | basic realm=x"},
        {"RFC 9110 example",
         "Basic realm=\"simple\", Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\"",
         "basic realm=simple | newauth realm=apps type=1 title=Login to \"apps\""},
        {"names in any case", "BEARER Realm=\"R\"", "bearer realm=R"},
        {"spaces around =", "Bearer realm = \"r\" , service = s", "bearer realm=r service=s"},
        {"empty elements", ", , Basic realm=\"x\", ,", "basic realm=x"},
        {"URL without quotes", "Bearer realm=https://a/token,service=s",
         "bearer realm=https://a/token service=s"},
        {"empty quoted value", "Bearer realm=\"\",service=s", "bearer realm= service=s"},
        {"no value", "", ""},
        {"spaces only", "  \t", ""},
        {"quote without end drops the tail", "Bearer realm=\"r\",service=\"s", "bearer realm=r"},
        {"quote without end at once", "Bearer realm=\"r", "bearer"},
        {"missing comma drops the tail", "Bearer realm=\"r\" service=\"s\"", "bearer realm=r"},
        {"backslash at the end", "Bearer realm=\"r\\", "bearer"},
        {"no scheme", "=x", ""},
        {"parameters without a scheme", "realm=\"x\"", ""},
        {"UTF-8 in quotes", "Basic realm=\"caf\xc3\xa9\"", "basic realm=caf\xc3\xa9"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        struct fl_challenge *c = NULL;
        size_t n = fl_challenges_parse(a, fl_str_of(rows[i].input), &c);
        challenges_print(&b, c, n);
        row_check(&rows[i], &b);
    }
}

static void test_challenges__more_than_the_caps_are_dropped(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&b, "Bearer p=v");
    for (int i = 0; i < 100; i++) {
        fl_buf_fmt(&b, ", p%d=v", i);
    }
    for (int i = 0; i < 100; i++) {
        fl_buf_fmt(&b, ", Basic realm=\"r%d\"", i);
    }
    struct fl_challenge *c = NULL;
    assert_int_equal(fl_challenges_parse(a, fl_buf_slice(&b), &c), 16);
    assert_int_equal(c[0].n_params, 32);
    assert_string_equal(fl_challenge_param(&c[15], "realm"), "r14");
}

static void test_challenge_param__absent_is_null(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_challenge *c = NULL;
    size_t n = fl_challenges_parse(a, FL_STR("Bearer realm=\"a\", realm=\"b\", Basic"), &c);
    assert_int_equal(n, 2);
    assert_string_equal(fl_challenge_param(&c[0], "realm"), "a");
    assert_null(fl_challenge_param(&c[0], "service"));
    assert_null(fl_challenge_param(&c[1], "realm"));
}

static void test_link_next__target_or_nothing(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"registry", "</v2/a/tags/list?last=x&n=100>; rel=\"next\"",
         "/v2/a/tags/list?last=x&n=100"},
        {"no quotes", "</p?2>; rel=next", "/p?2"},
        {"upper case", "</p>; REL=\"NEXT\"", "/p"},
        {"among others", "</1>; rel=\"prev\", </2>; rel=\"next\", </9>; rel=\"last\"", "/2"},
        {"two relations", "</p>; rel=\"last next\"", "/p"},
        {"comma in the target", "</p?a=1,2>; rel=\"next\"", "/p?a=1,2"},
        {"other parameters", "</p>; title=\"a, b; rel=x\"; rel=\"next\"; x", "/p"},
        {"first rel counts", "</p>; rel=\"prev\"; rel=\"next\"", ""},
        {"spaces", "  <  /p >  ;  rel = \"next\"", "/p"},
        {"no rel", "</p>", ""},
        {"another rel", "</p>; rel=\"nextish\"", ""},
        {"no end of target", "</p; rel=next", ""},
        {"no end of quote", "</p>; rel=\"next", ""},
        {"no brackets", "/p; rel=\"next\"", ""},
        {"garbage after the target", "</p> rel=\"next\"", ""},
        {"empty", "", ""},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_str(&b, fl_link_next(fl_str_of(rows[i].input)));
        row_check(&rows[i], &b);
    }
}

static void test_media_type__parameters_are_cut(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"with charset", "application/json; charset=utf-8", "application/json"},
        {"alone", "application/vnd.oci.image.index.v1+json",
         "application/vnd.oci.image.index.v1+json"},
        {"spaces", " text/html ;x", "text/html"},
        {"case stays", "Text/HTML", "Text/HTML"},
        {"empty", "", ""},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_str(&b, fl_media_type(fl_str_of(rows[i].input)));
        row_check(&rows[i], &b);
    }
}

static void test_accept__clauses_in_order_of_preference(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"kubectl table",
         "application/json;as=Table;v=v1;g=meta.k8s.io,"
         "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
         "application/json as=Table v=v1 g=meta.k8s.io | "
         "application/json as=Table v=v1beta1 g=meta.k8s.io | application/json"},
        {"weights", "a/a;q=0.5, b/b, c/c;q=0.75, d/d;q=0.5", "b/b | c/c | a/a | d/d"},
        {"refused", "a/a;q=0, b/b;q=0.000, */*", "*/*"},
        {"weights of three digits", "a/a;q=0.101, b/b;q=0.102", "b/b | a/a"},
        {"bad weights count as 1", "a/a;q=0.5, b/b;q=x, c/c;q=2, d/d;q=0.1234, e/e;q=1.5",
         "b/b | c/c | d/d | e/e | a/a"},
        {"quoted value", "a/a;v=\"x,y\";w=z", "a/a v=x,y w=z"},
        {"names in any case", "a/a;AS=Table;Q=0.1, b/b", "b/b | a/a as=Table"},
        {"empty elements", ",, a/a ,,", "a/a"},
        {"parameters without a type", ";as=Table, a/a", "a/a"},
        {"broken parameter", "a/a;=;as=x, b/b", "a/a | b/b"},
        {"empty", "", ""},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        struct fl_accept *c = NULL;
        size_t n = fl_accept_parse(a, fl_str_of(rows[i].input), &c);
        for (size_t k = 0; k < n; k++) {
            fl_buf_fmt(&b, "%s%.*s", k ? " | " : "", FL_STR_ARG(c[k].type));
            for (size_t m = 0; m < c[k].n_params; m++) {
                fl_buf_fmt(&b, " %s=%s", c[k].params[m].name, c[k].params[m].value);
            }
        }
        row_check(&rows[i], &b);
    }
}

static void test_accept__more_than_the_cap_are_dropped(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    for (int i = 0; i < 100; i++) {
        fl_buf_fmt(&b, "a/%d,", i);
    }
    struct fl_accept *c = NULL;
    assert_int_equal(fl_accept_parse(a, fl_buf_slice(&b), &c), 32);
    assert_null(fl_accept_param(&c[0], "as"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_challenges__values_of_servers_are_split),
        cmocka_unit_test(test_challenges__more_than_the_caps_are_dropped),
        cmocka_unit_test(test_challenge_param__absent_is_null),
        cmocka_unit_test(test_link_next__target_or_nothing),
        cmocka_unit_test(test_media_type__parameters_are_cut),
        cmocka_unit_test(test_accept__clauses_in_order_of_preference),
        cmocka_unit_test(test_accept__more_than_the_cap_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
