/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/scheme.h"
#include "apiserver/route.h"

static const struct {
    const char *path;
    const struct fl_kind *kind; /* NULL: no such path */
    const char *ns, *name;
    enum fl_sub sub;
    bool watch;
} rows[] = {
    {"/api/v1/secrets", &fl_kind_secret, "", "", FL_SUB_NONE, false},
    {"/api/v1/namespaces/d/secrets", &fl_kind_secret, "d", "", FL_SUB_NONE, false},
    {"/api/v1/namespaces/d/secrets/", &fl_kind_secret, "d", "", FL_SUB_NONE, false},
    {"/api/v1/namespaces/d/secrets/a", &fl_kind_secret, "d", "a", FL_SUB_NONE, false},
    {"/api/v1/namespaces/d/secrets/a%2fb%0a", &fl_kind_secret, "d", "a/b\n", FL_SUB_NONE, false},
    {"/api/v1/namespaces", &fl_kind_namespace, "", "", FL_SUB_NONE, false},
    {"/api/v1/namespaces/d", &fl_kind_namespace, "", "d", FL_SUB_NONE, false},
    {"/api/v1/namespaces/d/status", &fl_kind_namespace, "", "d", FL_SUB_STATUS, false},
    {"/api/v1/namespaces/d/finalize", &fl_kind_namespace, "", "d", FL_SUB_FINALIZE, false},
    {"/api/v1/watch/secrets", &fl_kind_secret, "", "", FL_SUB_NONE, true},
    {"/api/v1/watch/namespaces/d/secrets", &fl_kind_secret, "d", "", FL_SUB_NONE, true},
    {"/apis/fairlead.dev/v1alpha1/registries", &fl_kind_registry, "", "", FL_SUB_NONE, false},
    {"/apis/fairlead.dev/v1alpha1/namespaces/d/registries/a", &fl_kind_registry, "d", "a",
     FL_SUB_NONE, false},
    {"/apis/fairlead.dev/v1alpha1/namespaces/d/registries/a/status", &fl_kind_registry, "d", "a",
     FL_SUB_STATUS, false},
    {"/apis/events.k8s.io/v1/namespaces/d/events", &fl_kind_event_v1, "d", "", FL_SUB_NONE, false},
    {"/apis/authentication.k8s.io/v1/selfsubjectreviews", &fl_kind_self_subject_review, "", "",
     FL_SUB_NONE, false},
    {"", NULL, NULL, NULL, FL_SUB_NONE, false},
    {"/", NULL, NULL, NULL, FL_SUB_NONE, false},
    {"/api/v1", NULL, NULL, NULL, FL_SUB_NONE, false},
    {"/api/v2/secrets", NULL, NULL, NULL, FL_SUB_NONE, false},
    {"/api/v1/pods", NULL, NULL, NULL, FL_SUB_NONE, false},
    {"/api/v1//secrets", NULL, NULL, NULL, FL_SUB_NONE, false},
    {"/api/v1/namespaces//secrets", NULL, NULL, NULL, FL_SUB_NONE, false},
    {"/api/v1/secrets/a", NULL, NULL, NULL, FL_SUB_NONE, false},
    {"/api/v1/namespaces/d/namespaces", NULL, NULL, NULL, FL_SUB_NONE, false},
    {"/api/v1/namespaces/d/secrets/a/status", NULL, NULL, NULL, FL_SUB_NONE, false},
    {"/api/v1/namespaces/d/secrets/a/b/c/d/e/f/g/h", NULL, NULL, NULL, FL_SUB_NONE, false},
    {"/api/v1/namespaces/d/secrets/%zz", NULL, NULL, NULL, FL_SUB_NONE, false},
    {"/apis/fairlead.dev/v1/registries", NULL, NULL, NULL, FL_SUB_NONE, false},
    {"/apis/fairlead.dev/v1alpha1/namespaces/d/registries/a/scale", NULL, NULL, NULL, FL_SUB_NONE,
     false},
    {"/apis/fairlead.dev/v1alpha1/namespaces/d/registries/a/finalize", NULL, NULL, NULL,
     FL_SUB_NONE, false},
    {"/api/v1/watch", NULL, NULL, NULL, FL_SUB_NONE, false},
};

static void test_route__path_gives_kind_place_and_subresource(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_route r;
        bool ok = fl_route_parse(a, fl_str_of(rows[i].path), &r);
        if (ok != (rows[i].kind != NULL)) {
            fail_msg("%s: %s", rows[i].path, ok ? "must not be a path" : "must be a path");
        }
        if (ok && (r.kind != rows[i].kind || !fl_str_is(r.ns, rows[i].ns) ||
                   !fl_str_is(r.name, rows[i].name) || r.sub != rows[i].sub ||
                   r.watch != rows[i].watch)) {
            fail_msg("%s: kind %s, ns '%.*s', name '%.*s', sub %d", rows[i].path, r.kind->kind,
                     FL_STR_ARG(r.ns), FL_STR_ARG(r.name), (int)r.sub);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_route__path_gives_kind_place_and_subresource),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
