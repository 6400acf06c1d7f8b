/* SPDX-License-Identifier: Apache-2.0
 * delete, finalizers, collections, the end of namespaces. */
#include "harness.h"

#include "api/scheme.h"

static void test_deletes__object_goes_and_is_told(void **state)
{
    static const struct row rows[] = {
        {"make", "POST", P_REG, REG("a", ""), .status = 201, .keep = true},
        {"delete", "DELETE", P_REG "/a", "{'propagationPolicy':'Background'}", .status = 200,
         .want =
             {"'status':'Success'",
              "'details':{'name':'a','group':'fairlead.dev','kind':'registries','uid':'@uid@'}"}},
        {"gone", "GET", P_REG "/a", .status = 404},
        {"again", "DELETE", P_REG "/a", .status = 404,
         .want = {"registries.fairlead.dev \\'a\\' not found"}},
        {"anew", "POST", P_REG, REG("a", ""), .status = 201, .not = "@uid@"},
    };
    API_ROWS(*state, rows);
}

static void test_deletes__options_come_in_body_or_query(void **state)
{
    static const struct row rows[] = {
        {"make", "POST", P_CM, "{'metadata':{'name':'a'}}", .status = 201, .keep = true},
        {"another uid", "DELETE", P_CM "/a", "{'preconditions':{'uid':'zz'}}", .status = 409,
         .want = {"'reason':'Conflict'",
                  "the UID in the precondition (zz) does not match the UID in record (@uid@). The "
                  "object might have been deleted and then recreated"}},
        {"another version", "DELETE", P_CM "/a", "{'preconditions':{'resourceVersion':'1'}}",
         .status = 409,
         .want = {"the ResourceVersion in the precondition (1) does not match the ResourceVersion "
                  "in record (@rv@)"}},
        {"unknown policy", "DELETE", P_CM "/a?propagationPolicy=Foo", .status = 422,
         .want = {"DeleteOptions.meta.k8s.io \\'\\' is invalid: propagationPolicy: Unsupported "
                  "value: \\'Foo\\'"}},
        {"foreground", "DELETE", P_CM "/a", "{'propagationPolicy':'Foreground'}", .status = 422,
         .want = {"propagationPolicy: Forbidden: this server does not delete dependents"}},
        {"both", "DELETE", P_CM "/a", "{'propagationPolicy':'Orphan','orphanDependents':true}",
         .status = 422, .want = {"cannot be both set"}},
        {"dry run in the body", "DELETE", P_CM "/a", "{'dryRun':['All']}", .status = 200,
         .want = {"Success"}},
        {"another dry run", "DELETE", P_CM "/a", "{'dryRun':['Some']}", .status = 422,
         .want = {"dryRun: Unsupported"}},
        {"garbage", "DELETE", P_CM "/a", "{", .status = 400},
        {"another type", "DELETE", P_CM "/a", "x", .type = "text/plain", .status = 415},
        {"still there", "GET", P_CM "/a", .status = 200},
        {"yaml", "DELETE", P_CM "/a", "preconditions: {uid: '@uid@'}", .type = "application/yaml",
         .status = 200},
        {"make again", "POST", P_CM, "{'metadata':{'name':'a'}}", .status = 201, .keep = true},
        {"orphan, right version", "DELETE", P_CM "/a",
         "{'propagationPolicy':'Orphan','preconditions':{'resourceVersion':'@rv@','uid':'@uid@'}}",
         .status = 200},
    };
    API_ROWS(*state, rows);
}

/* DeleteOptions{propagationPolicy "Background"} in Kubernetes' envelope. */
static const char protobuf[] = "k8s\0"
                               "\x0a\x13\x0a\x02v1\x12\x0d"
                               "DeleteOptions"
                               "\x12\x0c\x22\x0a"
                               "Background";

static void test_deletes__options_come_in_protobuf(void **state)
{
    struct api *a = *state;
    static const struct row make[] = {
        {"make", "POST", P_REG, REG("a", ""), .status = 201},
    };
    API_ROWS(a, make);
    struct reply r = api_ask(a, &(struct ask){.method = "DELETE",
                                              .path = P_REG "/a",
                                              .type = "application/vnd.kubernetes.protobuf",
                                              .body = {protobuf, sizeof(protobuf) - 1}});
    if (r.res.status != 200) {
        fail_msg("%d %.*s", r.res.status, FL_STR_ARG(r.text));
    }
    reply_release(&r);
}

static void test_deletes__finalizers_hold_until_the_last_is_gone(void **state)
{
    struct api *a = *state;
    static const struct row rows[] = {
        {"make", "POST", P_REG,
         REG_HEAD
         "'metadata':{'name':'a','finalizers':['a.b/x','a.b/y']},'spec':{'url':'https://r'}}",
         .status = 201},
        {"delete", "DELETE", P_REG "/a", .status = 200,
         .want = {"'kind':'Registry'", "'generation':2",
                  "'deletionTimestamp':'2023-11-14T22:13:20Z'", "'deletionGracePeriodSeconds':0"},
         .keep = true},
        {"again", "DELETE", P_REG "/a", .status = 200,
         .want = {"'resourceVersion':'@rv@'", "'generation':2"}},
        {"make again", "POST", P_REG, REG("a", ""), .status = 409,
         .want = {"'reason':'AlreadyExists'",
                  "object is being deleted: registries.fairlead.dev \\'a\\' already exists"}},
        {"a new finalizer", "PATCH", P_REG "/a",
         "{'metadata':{'finalizers':['a.b/x','a.b/y','a.b/z']}}", .type = MERGE, .status = 422,
         .want = {"metadata.finalizers: Forbidden: no new finalizers can be added if the object is "
                  "being deleted, found "
                  "new finalizers []string{\\'a.b/z\\'}"}},
        {"spec may change", "PATCH", P_REG "/a", "{'spec':{'suspend':true}}", .type = MERGE,
         .status = 200, .want = {"'generation':3"}},
        {"the mark may not go", "PATCH", P_REG "/a", "{'metadata':{'deletionTimestamp':null}}",
         .type = MERGE, .status = 200, .want = {"deletionTimestamp"}},
        {"one finalizer", "PATCH", P_REG "/a", "[{'op':'remove','path':'/metadata/finalizers/0'}]",
         .type = JSON_PATCH, .status = 200, .want = {"'finalizers':['a.b/y']"}, .keep = true},
        {"still there", "GET", P_REG "/a", .status = 200},
        {"the last, in a dry run", "PATCH", P_REG "/a?dryRun=All",
         "{'metadata':{'finalizers':null}}", .type = MERGE, .status = 200},
        {"still there after it", "GET", P_REG "/a", .status = 200,
         .want = {"'resourceVersion':'@rv@'"}},
        {"the last", "PATCH", P_REG "/a", "{'metadata':{'finalizers':null}}", .type = MERGE,
         .status = 200, .want = {"'kind':'Registry'"}, .not = "finalizers"},
        {"gone", "GET", P_REG "/a", .status = 404},
        {"make anew", "POST", P_REG, REG("a", ""), .status = 201},
    };
    struct reply w = api_ask(a, &(struct ask){.method = "GET", .path = P_REG "?watch=1"});
    API_ROWS(a, rows);
    fl_auto_val(fl_buf) lines = FL_BUF_INIT(FL_BUF_ANY);
    api_drain(&w, &lines);
    const char *deleted = strstr(lines.data, "{\"type\":\"DELETED\"");
    assert_non_null(deleted);
    assert_null(strstr(deleted + 1, "{\"type\":\"DELETED\""));
    assert_non_null(strstr(deleted, "{\"type\":\"ADDED\""));
    reply_release(&w);
}

static void test_deletes__collection_goes_by_selectors(void **state)
{
    static const struct row rows[] = {
        {"a", "POST", P_CM, "{'metadata':{'name':'a','labels':{'x':'1'}}}", .status = 201},
        {"b", "POST", P_CM, "{'metadata':{'name':'b','labels':{'x':'1'}}}", .status = 201},
        {"c", "POST", P_CM, "{'metadata':{'name':'c'}}", .status = 201},
        {"d", "POST", P_CM, "{'metadata':{'name':'d','labels':{'x':'1'},'finalizers':['a.b/c']}}",
         .status = 201},
        {"dry run", "DELETE", P_CM "?labelSelector=x%3D1&dryRun=All", .status = 200,
         .want = {"'kind':'ConfigMapList'", "'name':'a'", "'name':'b'", "'name':'d'"}},
        {"by label", "DELETE", P_CM "?labelSelector=x%3D1", .status = 200,
         .want = {"'kind':'ConfigMapList'", "'name':'a'", "'name':'b'", "'name':'d'",
                  "deletionTimestamp"},
         .not = "'name':'c'"},
        {"the rest", "GET", P_CM, .status = 200, .want = {"'name':'c'", "'name':'d'"},
         .not = "'name':'a'"},
        {"by a field", "DELETE", P_CM "?fieldSelector=metadata.name%3Dzz", .status = 200,
         .want = {"'items':[]"}},
        {"bad selector", "DELETE", P_CM "?labelSelector=a+b", .status = 400},
        {"all", "DELETE", P_CM, "{'propagationPolicy':'Background'}", .status = 200,
         .want = {"'name':'c'"}},
        {"d is held", "GET", P_CM, .status = 200, .want = {"'name':'d'"}, .not = "'name':'c'"},
    };
    API_ROWS(*state, rows);
}

static bool is_gone(const struct reply *r)
{
    return r->res.status == 404;
}

static bool is_marked(const struct reply *r)
{
    return fl_scan_path(r->text, "metadata.deletionTimestamp").n > 0;
}

static bool is_emptied(const struct reply *r)
{
    return fl_scan_path(r->text, "spec.finalizers").n <= strlen("[]");
}

/* The server's tick is at the same work since the delete has kicked it, and whoever comes second to an object gives way: one
 * reap by hand may leave what the tick has in its hands. */
static void reap_until(struct api *a, const char *path, bool (*done)(const struct reply *r))
{
    for (int i = 0; i < 1000000; i++) {
        (void)fl_apiserver_reap(a->s);
        struct reply r = api_ask(a, &(struct ask){.method = "GET", .path = path});
        bool is = done(&r);
        reply_release(&r);
        if (is) {
            return;
        }
    }
    fail_msg("%s does not come to its end", path);
}

static void test_deletes__namespace_goes_with_its_content(void **state)
{
    struct api *a = *state;
    static const struct row before[] = {
        {"make", "POST", P_NS, "{'metadata':{'name':'n'}}", .status = 201},
        {"config map", "POST", "/api/v1/namespaces/n/configmaps", "{'metadata':{'name':'c'}}",
         .status = 201},
        {"held", "POST", "/api/v1/namespaces/n/secrets",
         "{'metadata':{'name':'s','finalizers':['a.b/c']}}", .status = 201},
        {"delete", "DELETE", P_NS "/n", .status = 200,
         .want = {"'kind':'Namespace'", "'phase':'Terminating'", "deletionTimestamp",
                  "'finalizers':['kubernetes']"}},
        {"nothing new in it", "POST", "/api/v1/namespaces/n/configmaps",
         "{'metadata':{'name':'d'}}", .status = 403,
         .want = {"configmaps \\'d\\' is forbidden: unable to create new content in namespace n "
                  "because it is being "
                  "terminated",
                  "NamespaceTerminating", "'reason':'Forbidden'"}},
        {"make again", "POST", P_NS, "{'metadata':{'name':'n'}}", .status = 409,
         .want = {"object is being deleted"}},
        {"protected", "DELETE", P_NS "/default", .status = 403,
         .want = {"namespaces \\'default\\' is forbidden: this namespace may not be deleted"}},
        {"protected too", "DELETE", P_NS "/kube-system", .status = 403},
    };
    static const struct row held[] = {
        {"config map is gone", "GET", "/api/v1/namespaces/n/configmaps/c", .status = 404},
        {"account is gone", "GET", "/api/v1/namespaces/n/serviceaccounts/default", .status = 404},
        {"secret is marked", "GET", "/api/v1/namespaces/n/secrets/s", .status = 200,
         .want = {"deletionTimestamp"}},
        {"namespace waits", "GET", P_NS "/n", .status = 200, .want = {"'phase':'Terminating'"}},
        {"and says so once", "DELETE", P_NS "/n", .status = 200},
        {"let go", "PATCH", "/api/v1/namespaces/n/secrets/s", "{'metadata':{'finalizers':null}}",
         .type = MERGE, .status = 200},
    };
    static const struct row after[] = {
        {"gone", "GET", P_NS "/n", .status = 404},
        {"and not to be filled", "POST", "/api/v1/namespaces/n/configmaps",
         "{'metadata':{'name':'d'}}", .status = 404},
        {"made anew", "POST", P_NS, "{'metadata':{'name':'n'}}", .status = 201, .want = {"Active"}},
        {"empty", "GET", "/api/v1/namespaces/n/configmaps", .status = 200, .want = {"'items':[]"}},
    };
    API_ROWS(a, before);
    reap_until(a, "/api/v1/namespaces/n/configmaps/c", is_gone);
    reap_until(a, "/api/v1/namespaces/n/serviceaccounts/default", is_gone);
    reap_until(a, "/api/v1/namespaces/n/secrets/s", is_marked);
    assert_int_equal(fl_apiserver_reap(a->s), 1);
    API_ROWS(a, held);
    for (int i = 0; i < 1000000 && fl_apiserver_reap(a->s) > 0; i++) {
    }
    assert_int_equal(fl_apiserver_reap(a->s), 0);
    API_ROWS(a, after);
}

static void test_deletes__namespace_waits_for_its_own_finalizers(void **state)
{
    struct api *a = *state;
    static const struct row before[] = {
        {"make", "POST", P_NS, "{'metadata':{'name':'n','finalizers':['a.b/c']}}", .status = 201},
        {"delete", "DELETE", P_NS "/n", .status = 200},
    };
    static const struct row after[] = {
        {"emptied", "GET", P_NS "/n", .status = 200, .want = {"'phase':'Terminating'"},
         .not = "kubernetes']"},
        {"let go", "PATCH", P_NS "/n", "{'metadata':{'finalizers':[]}}", .type = MERGE,
         .status = 200},
        {"gone", "GET", P_NS "/n", .status = 404},
    };
    API_ROWS(a, before);
    reap_until(a, P_NS "/n", is_emptied);
    API_ROWS(a, after);
}

static void test_deletes__finalize_takes_the_content_finalizer_away(void **state)
{
    static const struct row rows[] = {
        {"make", "POST", P_NS, "{'metadata':{'name':'n','finalizers':['a.b/c']}}", .status = 201},
        {"finalize", "PUT", P_NS "/n/finalize",
         "{'kind':'Namespace','apiVersion':'v1','metadata':{'name':'n','labels':{'x':'1'}},'spec':{"
         "'finalizers':[]}}",
         .status = 200, .not = "'x':'1'"},
        {"taken", "GET", P_NS "/n", .status = 200, .want = {"'phase':'Active'"},
         .not = "['kubernetes']"},
    };
    API_ROWS(*state, rows);
}

/* The tick thread does what the tests above do by hand. */
static void test_deletes__namespace_goes_without_being_asked_twice(void **state)
{
    struct api *a = *state;
    static const struct row rows[] = {
        {"make", "POST", P_NS, "{'metadata':{'name':'n'}}", .status = 201},
        {"delete", "DELETE", P_NS "/n", .status = 200},
    };
    API_ROWS(a, rows);
    for (int i = 0; i < 10000000; i++) {
        struct reply r = api_ask(a, &(struct ask){.method = "GET", .path = P_NS "/n"});
        int status = r.res.status;
        reply_release(&r);
        if (status == 404) {
            return;
        }
    }
    fail_msg("the namespace is still there");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(test_deletes__object_goes_and_is_told),
        API_TEST(test_deletes__options_come_in_body_or_query),
        API_TEST(test_deletes__options_come_in_protobuf),
        API_TEST(test_deletes__finalizers_hold_until_the_last_is_gone),
        API_TEST(test_deletes__collection_goes_by_selectors),
        API_TEST(test_deletes__namespace_goes_with_its_content),
        API_TEST(test_deletes__namespace_waits_for_its_own_finalizers),
        API_TEST(test_deletes__finalize_takes_the_content_finalizer_away),
        API_TEST(test_deletes__namespace_goes_without_being_asked_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
