/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/scheme.h"
#include "apiserver/selector.h"

static const char labeled[] =
    "{\"metadata\":{\"name\":\"n\",\"labels\":{\"app\":\"web\",\"tier\":\"\",\"num\":\"5\","
    "\"example.com/x.y\":\"1\",\"in\":\"a\"}}}";
static const char bare[] = "{\"metadata\":{\"name\":\"n\"}}";

static const struct {
    const char *text;
    bool labeled, bare;
} label_rows[] = {
    {"", true, true},
    {"  ", true, true},
    {"app=web", true, false},
    {"app==web", true, false},
    {" app = web ", true, false},
    {"app=db", false, false},
    {"app!=web", false, true},
    {"app!=db", true, true},
    {"app", true, false},
    {"!app", false, true},
    {"! app", false, true},
    {"app in (web,db)", true, false},
    {"app in ( db , web )", true, false},
    {"app in (db)", false, false},
    {"app notin (web)", false, true},
    {"app notin (db,x)", true, true},
    {"app notin ()", true, true},
    {"tier=", true, false},
    {"tier in (,x)", true, false},
    {"tier!=", false, true},
    {"example.com/x.y=1", true, false},
    {"app=web,num>4", true, false},
    {"num>5", false, false},
    {"num<6", true, false},
    {"app<6", false, false},
    {"app=web,app!=db,tier,!zone", true, false},
    {"app=web,zone", false, false},
    {"in=a", true, false},
    {"in in (a)", true, false},
    {"notin", false, false},
};

static void test_selector__labels_match_as_in_kubernetes(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(label_rows); i++) {
        fl_auto(fl_selector) s = NULL;
        struct fl_err err = FL_ERR_INIT;
        if (fl_selector_labels(fl_str_of(label_rows[i].text), &s, &err) < 0) {
            fail_msg("'%s': %s", label_rows[i].text, err.msg);
        }
        if (fl_selector_match(s, fl_str_of(labeled)) != label_rows[i].labeled) {
            fail_msg("'%s' on the labeled one", label_rows[i].text);
        }
        if (fl_selector_match(s, fl_str_of(bare)) != label_rows[i].bare) {
            fail_msg("'%s' on the bare one", label_rows[i].text);
        }
    }
}

static const struct {
    const char *text, *want;
} label_errors[] = {
    {"=", "found '=', expected: identifier"},
    {"app web", "found 'web', expected: in, notin, =, ==, !=, gt, lt"},
    {"app=web,", "found '', expected: identifier after ','"},
    {",app", "found ',', expected: identifier"},
    {"app=web db", "found 'db', expected: ',' or 'end of string'"},
    {"app in web", "found 'web', expected: '('"},
    {"app in (a", "expected: ',' or ')'"},
    {"app in (a b)", "found 'b', expected: ',' or ')'"},
    {"app=(a)", "found '(', expected: identifier"},
    {"!app=web", "found '=', expected: ',' or 'end of string'"},
    {"a b/c=1", "expected: in, notin"},
    {"-app", "key: Invalid value: \"-app\": name part must consist of"},
    {"app=a b", "expected: ',' or 'end of string'"},
    {"app=-a", "values[0][app]: Invalid value: \"-a\": a valid label must be"},
    {"num>x", "for 'Gt', 'Lt' operators, the value must be an integer"},
};

static void test_selector__bad_labels_are_refused_with_what_was_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(label_errors); i++) {
        struct fl_selector *s = NULL;
        struct fl_err err = FL_ERR_INIT;
        int rc = fl_selector_labels(fl_str_of(label_errors[i].text), &s, &err);
        if (rc != FL_E_INVALID || s || !strstr(err.msg, label_errors[i].want)) {
            fail_msg("'%s': %d %s", label_errors[i].text, rc, err.msg);
        }
    }
}

static const char event[] =
    "{\"metadata\":{\"name\":\"e\",\"namespace\":\"d\"},\"involvedObject\":{\"kind\":\"Registry\","
    "\"name\":\"a,b\"},\"reason\":\"R\",\"source\":{\"component\":\"c\"},"
    "\"reportingComponent\":\"\\u0063\"}";

static const struct {
    const struct fl_kind *kind;
    const char *text;
    bool match;
    const char *name; /* fl_selector_name */
} field_rows[] = {
    {&fl_kind_event, "", true, ""},
    {&fl_kind_event, "metadata.name=e", true, "e"},
    {&fl_kind_event, "metadata.name==e", true, "e"},
    {&fl_kind_event, "metadata.name!=e", false, ""},
    {&fl_kind_event, "metadata.namespace=d,metadata.name=e", true, "e"},
    {&fl_kind_event, "involvedObject.kind=Registry", true, ""},
    {&fl_kind_event, "involvedObject.name=a\\,b", true, ""},
    {&fl_kind_event, "involvedObject.uid=", true, ""},
    {&fl_kind_event, "involvedObject.uid!=", false, ""},
    {&fl_kind_event, "reason!=X,type=", true, ""},
    {&fl_kind_event, "source=c", true, ""},
    {&fl_kind_event, "reportingComponent=c", true, ""},
    {&fl_kind_event_v1, "regarding.kind=Registry", true, ""},
    {&fl_kind_event_v1, "regarding.kind=Secret", false, ""},
    {&fl_kind_event_v1, "reportingController=c", true, ""},
};

static void test_selector__fields_match_what_is_stored(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(field_rows); i++) {
        fl_auto(fl_selector) s = NULL;
        struct fl_err err = FL_ERR_INIT;
        if (fl_selector_fields(fl_str_of(field_rows[i].text), field_rows[i].kind, &s, &err) < 0) {
            fail_msg("'%s': %s", field_rows[i].text, err.msg);
        }
        if (fl_selector_match(s, fl_str_of(event)) != field_rows[i].match) {
            fail_msg("'%s' must %smatch", field_rows[i].text, field_rows[i].match ? "" : "not ");
        }
        if (!fl_str_is(fl_selector_name(s), field_rows[i].name)) {
            fail_msg("'%s': name '%.*s'", field_rows[i].text, FL_STR_ARG(fl_selector_name(s)));
        }
    }
}

static const struct {
    const struct fl_kind *kind;
    const char *text, *want;
} field_errors[] = {
    {&fl_kind_registry, "spec.url=x", "field label not supported: spec.url"},
    {&fl_kind_namespace, "metadata.namespace=x", "field label not supported: metadata.namespace"},
    {&fl_kind_secret, "metadata.name",
     "invalid selector: 'metadata.name'; can't understand 'metadata.name'"},
    {&fl_kind_secret, "metadata.name=a=b", "can't understand 'metadata.name=a=b'"},
    {&fl_kind_secret, "metadata.name=a\\x", "can't understand"},
    {&fl_kind_secret, "metadata.name=a\\", "can't understand"},
    {&fl_kind_secret, "=a", "field label not supported: "},
};

static void test_selector__bad_fields_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(field_errors); i++) {
        struct fl_selector *s = NULL;
        struct fl_err err = FL_ERR_INIT;
        int rc =
            fl_selector_fields(fl_str_of(field_errors[i].text), field_errors[i].kind, &s, &err);
        if (rc != FL_E_INVALID || s || !strstr(err.msg, field_errors[i].want)) {
            fail_msg("'%s': %d %s", field_errors[i].text, rc, err.msg);
        }
    }
}

static void test_selector__null_matches_all(void **state)
{
    (void)state;
    assert_true(fl_selector_match(NULL, fl_str_of(bare)));
    assert_true(fl_selector_empty(NULL));
    fl_selector_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_selector__labels_match_as_in_kubernetes),
        cmocka_unit_test(test_selector__bad_labels_are_refused_with_what_was_found),
        cmocka_unit_test(test_selector__fields_match_what_is_stored),
        cmocka_unit_test(test_selector__bad_fields_are_refused),
        cmocka_unit_test(test_selector__null_matches_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
