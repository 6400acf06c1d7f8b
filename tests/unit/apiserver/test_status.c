/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/scheme.h"
#include "apiserver/status.h"

static void not_found(struct fl_response *res)
{
    fl_status_not_found(res, &fl_kind_registry, FL_STR("zz"));
}

static void not_found_core(struct fl_response *res)
{
    fl_status_not_found(res, &fl_kind_secret, FL_STR("a\"b\n"));
}

static void exists(struct fl_response *res)
{
    fl_status_exists(res, &fl_kind_secret, FL_STR("a"), false);
}

static void exists_deleting(struct fl_response *res)
{
    fl_status_exists(res, &fl_kind_registry, FL_STR("a"), true);
}

static void conflict(struct fl_response *res)
{
    fl_status_conflict(res, &fl_kind_registry, FL_STR("a"), NULL);
}

static void conflict_why(struct fl_response *res)
{
    fl_status_conflict(res, &fl_kind_secret, FL_STR("a"), "Precondition failed: x");
}

static void bad_request(struct fl_response *res)
{
    fl_status_bad_request(res, "no %d", 1);
}

static void forbidden(struct fl_response *res)
{
    fl_status_forbidden(res, &fl_kind_namespace, FL_STR("default"), NULL,
                        "this namespace may not be deleted");
}

static void forbidden_cause(struct fl_response *res)
{
    fl_status_forbidden(res, &fl_kind_config_map, FL_STR("a"), "NamespaceTerminating", "gone");
}

static void unauthorized(struct fl_response *res)
{
    fl_status_unauthorized(res);
}

static void method(struct fl_response *res)
{
    fl_status_method(res, &fl_kind_registry, "create");
}

static void invalid(struct fl_response *res, size_t n)
{
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_violations vs = {.arena = a};
    for (size_t i = 0; i < n; i++) {
        fl_violate(&vs, FL_CAUSE_REQUIRED, i == 0 ? "spec.x" : "spec.y", NULL, "%s", "");
    }
    fl_status_invalid(res, &fl_kind_registry, FL_STR("b"), &vs);
}

static void invalid_one(struct fl_response *res)
{
    invalid(res, 1);
}

static void invalid_two(struct fl_response *res)
{
    invalid(res, 2);
}

static void from(struct fl_response *res, enum fl_code code, const char *reason)
{
    struct fl_err err = FL_ERR_INIT;
    (void)fl_fail(&err, code, reason, "why");
    fl_status_from_err(res, &err);
}

static void unavailable(struct fl_response *res)
{
    from(res, FL_E_UNAVAILABLE, "StoreUnavailable");
}

static void timed_out(struct fl_response *res)
{
    from(res, FL_E_TIMEOUT, "Timeout");
}

static void too_big(struct fl_response *res)
{
    from(res, FL_E_TOO_BIG, "TooBig");
}

static void not_acceptable(struct fl_response *res)
{
    from(res, FL_E_INVALID, "NotAcceptable");
}

static void internal(struct fl_response *res)
{
    from(res, FL_E_BAD_DATA, "BadData");
}

#define HEAD                                                                                       \
    "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","           \
    "\"message\":"

static const struct {
    const char *name;
    void (*answer)(struct fl_response *res);
    int status;
    const char *body;
    const char *header; /* that must be there */
} rows[] = {
    {"not found", not_found, 404,
     HEAD "\"registries.fairlead.dev \\\"zz\\\" not found\",\"reason\":\"NotFound\",\"details\":{"
          "\"name\":\"zz\",\"group\":\"fairlead.dev\",\"kind\":\"registries\"},\"code\":404}",
     NULL},
    {"a name with a quote and a newline", not_found_core, 404,
     HEAD "\"secrets \\\"a\\\"b\\n\\\" not found\",\"reason\":\"NotFound\",\"details\":{\"name\":"
          "\"a\\\"b\\n\",\"kind\":\"secrets\"},\"code\":404}",
     NULL},
    {"exists", exists, 409,
     HEAD "\"secrets \\\"a\\\" already exists\",\"reason\":\"AlreadyExists\",\"details\":{\"name\":"
          "\"a\",\"kind\":\"secrets\"},\"code\":409}",
     NULL},
    {"exists, being deleted", exists_deleting, 409,
     HEAD
     "\"object is being deleted: registries.fairlead.dev \\\"a\\\" already exists\",\"reason\":"
     "\"AlreadyExists\",\"details\":{\"name\":\"a\",\"group\":\"fairlead.dev\",\"kind\":"
     "\"registries\"},\"code\":409}",
     NULL},
    {"conflict", conflict, 409,
     HEAD
     "\"Operation cannot be fulfilled on registries.fairlead.dev \\\"a\\\": the object has been "
     "modified; please apply your changes to the latest version and try again\",\"reason\":"
     "\"Conflict\",\"details\":{\"name\":\"a\",\"group\":\"fairlead.dev\",\"kind\":"
     "\"registries\"},\"code\":409}",
     NULL},
    {"conflict with a reason", conflict_why, 409,
     HEAD
     "\"Operation cannot be fulfilled on secrets \\\"a\\\": Precondition failed: x\",\"reason\":"
     "\"Conflict\",\"details\":{\"name\":\"a\",\"kind\":\"secrets\"},\"code\":409}",
     NULL},
    {"bad request", bad_request, 400, HEAD "\"no 1\",\"reason\":\"BadRequest\",\"code\":400}",
     NULL},
    {"forbidden", forbidden, 403,
     HEAD
     "\"namespaces \\\"default\\\" is forbidden: this namespace may not be deleted\",\"reason\":"
     "\"Forbidden\",\"details\":{\"name\":\"default\",\"kind\":\"namespaces\"},\"code\":403}",
     "X-Content-Type-Options"},
    {"forbidden with a cause", forbidden_cause, 403,
     HEAD
     "\"configmaps \\\"a\\\" is forbidden: gone\",\"reason\":\"Forbidden\",\"details\":{\"name\":"
     "\"a\",\"kind\":\"configmaps\",\"causes\":[{\"reason\":\"NamespaceTerminating\","
     "\"message\":\"gone\",\"field\":\"metadata.namespace\"}]},\"code\":403}",
     NULL},
    {"unauthorized", unauthorized, 401,
     HEAD "\"Unauthorized\",\"reason\":\"Unauthorized\",\"code\":401}", NULL},
    {"method", method, 405,
     HEAD "\"create is not supported on resources of kind \\\"registries.fairlead.dev\\\"\","
          "\"reason\":\"MethodNotAllowed\",\"details\":{\"group\":\"fairlead.dev\",\"kind\":"
          "\"registries\"},\"code\":405}",
     NULL},
    {"one violation", invalid_one, 422,
     HEAD
     "\"Registry.fairlead.dev \\\"b\\\" is invalid: spec.x: Required value\",\"reason\":"
     "\"Invalid\",\"details\":{\"name\":\"b\",\"group\":\"fairlead.dev\",\"kind\":\"Registry\","
     "\"causes\":[{\"reason\":\"FieldValueRequired\",\"message\":\"Required value\",\"field\":"
     "\"spec.x\"}]},\"code\":422}",
     NULL},
    {"two violations", invalid_two, 422,
     HEAD "\"Registry.fairlead.dev \\\"b\\\" is invalid: [spec.x: Required value, spec.y: Required "
          "value]\",\"reason\":\"Invalid\",\"details\":{\"name\":\"b\",\"group\":\"fairlead.dev\","
          "\"kind\":\"Registry\",\"causes\":[{\"reason\":\"FieldValueRequired\",\"message\":"
          "\"Required value\",\"field\":\"spec.x\"},{\"reason\":\"FieldValueRequired\",\"message\":"
          "\"Required value\",\"field\":\"spec.y\"}]},\"code\":422}",
     NULL},
    {"unavailable", unavailable, 503,
     HEAD
     "\"why\",\"reason\":\"ServiceUnavailable\",\"details\":{\"retryAfterSeconds\":1},\"code\":"
     "503}",
     "Retry-After"},
    {"timeout", timed_out, 504,
     HEAD "\"why\",\"reason\":\"Timeout\",\"details\":{\"retryAfterSeconds\":1},\"code\":504}",
     "Retry-After"},
    {"too big", too_big, 413,
     HEAD "\"Request entity too large: why\",\"reason\":\"RequestEntityTooLarge\",\"code\":413}",
     NULL},
    {"not acceptable", not_acceptable, 406,
     HEAD "\"why\",\"reason\":\"NotAcceptable\",\"code\":406}", NULL},
    {"anything else", internal, 500,
     HEAD "\"Internal error occurred: why\",\"reason\":\"InternalError\",\"code\":500}", NULL},
};

static void test_status__each_failure_is_told_in_the_words_of_the_real_server(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_response res;
        fl_response_init(&res, FL_BUF_ANY);
        fl_buf_text(&res.body, "half of another answer");
        rows[i].answer(&res);
        if (res.status != rows[i].status || strcmp(res.body.data, rows[i].body) != 0) {
            fail_msg("%s: %d %s", rows[i].name, res.status, res.body.data);
        }
        if (rows[i].header &&
            (res.n_headers != 1 || strcmp(res.headers[0].name, rows[i].header) != 0)) {
            fail_msg("%s: no header %s", rows[i].name, rows[i].header);
        }
        assert_string_equal(res.content_type, "application/json");
        fl_response_release(&res);
    }
}

static void test_status__success_has_details_and_no_code(void **state)
{
    (void)state;
    struct fl_response res;
    fl_response_init(&res, FL_BUF_ANY);
    fl_status_answer(
        &(struct fl_status){
            .code = 200, .success = true, .name = "a", .group = "", .kind = "secrets", .uid = "u"},
        &res);
    assert_string_equal(
        res.body.data,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":"
        "\"Success\",\"details\":{\"name\":\"a\",\"kind\":\"secrets\",\"uid\":\"u\"}}");
    fl_response_release(&res);
}

static void test_status__error_of_a_watch_is_one_line(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_status_watch_error(&b, 410, "Expired", "too old resource version: 1 (2)");
    assert_string_equal(
        b.data,
        "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"
        "\"status\":\"Failure\",\"message\":\"too old resource version: 1 (2)\",\"reason\":"
        "\"Expired\",\"code\":410}}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status__each_failure_is_told_in_the_words_of_the_real_server),
        cmocka_unit_test(test_status__success_has_details_and_no_code),
        cmocka_unit_test(test_status__error_of_a_watch_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
