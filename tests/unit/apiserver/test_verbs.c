/* SPDX-License-Identifier: Apache-2.0
 * Reading: get, list, pages, watch, and what every request goes through. */
#include "harness.h"

#include "api/scheme.h"
#include "base/text.h"

static void test_verbs__requests_need_the_token(void **state)
{
    static const struct {
        const char *name, *path, *auth;
        int status;
    } rows[] = {
        {"no header", "/version", "", 401},
        {"another token", "/version", "Bearer open", 401},
        {"longer token", "/version", "Bearer sesame2", 401},
        {"shorter token", "/version", "Bearer sesam", 401},
        {"empty token", "/version", "Bearer ", 401},
        {"another scheme", "/version", "Basic sesame", 401},
        {"the token", "/version", "Bearer sesame", 200},
        {"scheme in lower case", "/version", "bearer   sesame ", 200},
        {"an unknown path", "/zz", "", 401},
        {"health is open", "/healthz", "", 200},
        {"liveness is open", "/livez", "", 200},
        {"readiness is open", "/readyz", "", 200},
        {"no such check", "/healthz/zz", "", 404},
        {"looks like health", "/healthzz", "", 404},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct reply r = api_ask(
            *state, &(struct ask){.method = "GET", .path = rows[i].path, .auth = rows[i].auth});
        if (r.res.status != rows[i].status) {
            fail_msg("%s: %d", rows[i].name, r.res.status);
        }
        reply_release(&r);
    }
}

static void test_verbs__paths_and_methods_that_are_not_there_are_told_apart(void **state)
{
    static const struct row rows[] = {
        {"unknown path", "GET", "/zz", .status = 404, .want = {"404 page not found\n"}},
        {"unknown resource", "GET", "/api/v1/pods", .status = 404,
         .want = {"404 page not found\n"}},
        {"unknown group", "GET", "/apis/zz.io/v1/foos", .status = 404,
         .want = {"404 page not found\n"}},
        {"unknown object", "GET", P_REG "/zz", .status = 404,
         .want = {"'message':'registries.fairlead.dev \\'zz\\' not found'", "'reason':'NotFound'",
                  "'kind':'registries'", "'code':404"}},
        {"create everywhere", "POST", "/api/v1/secrets", "{}", .status = 405,
         .want = {"create is not supported on resources of kind \\'secrets\\'",
                  "MethodNotAllowed"}},
        {"create by name", "POST", P_REG "/a", "{}", .status = 405,
         .want = {"registries.fairlead.dev"}},
        {"put of a collection", "PUT", P_REG, "{}", .status = 405},
        {"patch of a collection", "PATCH", P_REG, "{}", .type = MERGE, .status = 405},
        {"delete everywhere", "DELETE", "/api/v1/secrets", .status = 405},
        {"delete of all namespaces", "DELETE", P_NS, .status = 405},
        {"delete of a status", "DELETE", P_REG "/a/status", .status = 405},
        {"get of finalize", "GET", P_NS "/default/finalize", .status = 405},
        {"list of reviews", "GET", "/apis/authentication.k8s.io/v1/selfsubjectreviews",
         .status = 405},
        {"another method", "FOO", P_REG, .status = 405},
        {"bad timeout", "GET", P_REG "?timeout=soon", .status = 400,
         .want = {"BadRequest", "timeout"}},
        {"good timeout", "GET", P_REG "?timeout=32s", .status = 200},
        {"not acceptable", "GET", P_REG, .accept = "text/html", .status = 406,
         .want = {"NotAcceptable",
                  "only the following media types are accepted: application/json"}},
        {"watch in yaml", "GET", P_REG "?watch=1", .accept = "application/yaml", .status = 406},
    };
    API_ROWS(*state, rows);
}

static void test_verbs__first_start_makes_namespaces_and_accounts(void **state)
{
    static const struct row rows[] = {
        {"namespaces", "GET", P_NS, .status = 200,
         .want = {"'kind':'NamespaceList'", "'name':'default'", "'name':'kube-public'",
                  "'name':'kube-system'"}},
        {"one of them", "GET", P_NS "/default", .status = 200,
         .want = {"'labels':{'kubernetes.io/metadata.name':'default'}",
                  "'spec':{'finalizers':['kubernetes']}", "'status':{'phase':'Active'}"}},
        {"its account", "GET", "/api/v1/namespaces/kube-public/serviceaccounts/default",
         .status = 200, .want = {"'kind':'ServiceAccount'"}},
    };
    API_ROWS(*state, rows);
}

static void test_verbs__restart_keeps_what_was_there(void **state)
{
    struct api *a = *state;
    static const struct row before[] = {
        {"make", "POST", P_NS, "{'metadata':{'name':'x'}}", .status = 201},
        {"make in it", "POST", "/api/v1/namespaces/x/configmaps", "{'metadata':{'name':'c'}}",
         .status = 201, .keep = true},
    };
    static const struct row after[] = {
        {"the same", "GET", "/api/v1/namespaces/x/configmaps/c", .status = 200,
         .want = {"'resourceVersion':'@rv@'", "'uid':'@uid@'"}},
        {"a second", "POST", "/api/v1/namespaces/x/configmaps", "{'metadata':{'name':'d'}}",
         .status = 201},
    };
    API_ROWS(a, before);
    fl_apiserver_close(a->s);
    api_open(a);
    API_ROWS(a, after);
}

static void test_verbs__objects_are_read_in_each_form(void **state)
{
    static const struct row rows[] = {
        {"make", "POST", P_REG, REG("a", ""), .status = 201},
        {"json", "GET", P_REG "/a", .accept = "application/json", .status = 200,
         .want =
             {"{'apiVersion':'fairlead.dev/v1alpha1','kind':'Registry','metadata':{'name':'a'"}},
        {"yaml", "GET", P_REG "/a", .accept = "application/yaml", .status = 200,
         .want = {"kind: Registry\n", "\n  url: https://r.example"}},
        {"table", "GET", P_REG "/a", .accept = "application/json;as=Table;v=v1;g=meta.k8s.io",
         .status = 200,
         .want = {"'kind':'Table'", "'cells':['a','https://r.example',null,null,'0s'"}},
        {"metadata", "GET", P_REG "/a",
         .accept = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", .status = 200,
         .want = {"'kind':'PartialObjectMetadata'"}, .not = "https://r.example"},
        {"metadata of all", "GET", P_REG,
         .accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
         .status = 200, .want = {"'kind':'PartialObjectMetadataList'"}, .not = "https://r.example"},
        {"list as table", "GET", P_REG, .accept = "application/json;as=Table;v=v1;g=meta.k8s.io",
         .status = 200, .want = {"'kind':'Table'", "'rows':[{'cells':['a'"}},
        {"list in yaml", "GET", P_REG, .accept = "application/yaml", .status = 200,
         .want = {"kind: RegistryList\n"}},
        {"watch of an item is a get", "GET", P_REG "/a?watch=1", .status = 200,
         .want = {"'kind':'Registry'"}},
        {"in another namespace", "GET",
         "/apis/fairlead.dev/v1alpha1/namespaces/kube-public/registries/a", .status = 404},
        {"versions of the past are there", "GET", P_REG "/a?resourceVersion=1", .status = 200},
        {"versions of the future are not", "GET", P_REG "/a?resourceVersion=99999", .status = 504,
         .want = {"ResourceVersionTooLarge", "'retryAfterSeconds':1"}},
        {"what is no version", "GET", P_REG "/a?resourceVersion=abc", .status = 400},
    };
    API_ROWS(*state, rows);
}

static void test_verbs__lists_select_by_labels_fields_and_namespace(void **state)
{
    static const struct row rows[] = {
        {"a", "POST", P_CM, "{'metadata':{'name':'a','labels':{'app':'web','n':'1'}}}",
         .status = 201},
        {"b", "POST", P_CM, "{'metadata':{'name':'b','labels':{'app':'db'}}}", .status = 201},
        {"c elsewhere", "POST", "/api/v1/namespaces/kube-public/configmaps",
         "{'metadata':{'name':'c','labels':{'app':'web'}}}", .status = 201},
        {"all here", "GET", P_CM, .status = 200, .want = {"'name':'a'", "'name':'b'"},
         .not = "'name':'c'"},
        {"all everywhere", "GET", "/api/v1/configmaps", .status = 200,
         .want = {"'kind':'ConfigMapList','apiVersion':'v1'", "'name':'a'", "'name':'b'",
                  "'name':'c'"}},
        {"by label", "GET", "/api/v1/configmaps?labelSelector=app%3Dweb", .status = 200,
         .want = {"'name':'a'", "'name':'c'"}, .not = "'name':'b'"},
        {"by two", "GET", "/api/v1/configmaps?labelSelector=app+in+%28web%2Cdb%29%2C%21n",
         .status = 200, .want = {"'name':'b'", "'name':'c'"}, .not = "'name':'a'"},
        {"by name", "GET", P_CM "?fieldSelector=metadata.name%3Db", .status = 200,
         .want = {"'name':'b'"}, .not = "'name':'a'"},
        {"by a name that is not there", "GET", P_CM "?fieldSelector=metadata.name%3Dz",
         .status = 200, .want = {"'items':[]"}},
        {"by namespace", "GET", "/api/v1/configmaps?fieldSelector=metadata.namespace%21%3Ddefault",
         .status = 200, .want = {"'name':'c'"}, .not = "'name':'a'"},
        {"bad label", "GET", P_CM "?labelSelector=app+web", .status = 400,
         .want = {"unable to parse requirement: found ", "expected: in, notin, =, ==, !=, gt, lt"}},
        {"bad field", "GET", P_REG "?fieldSelector=spec.url%3Dx", .status = 400,
         .want = {"'message':'field label not supported: spec.url'"}},
        {"no namespace, no objects", "GET", "/api/v1/namespaces/zz/configmaps", .status = 200,
         .want = {"'items':[]"}},
    };
    API_ROWS(*state, rows);
}

static void make_config_maps(struct api *a, int n)
{
    for (int i = 0; i < n; i++) {
        fl_auto_text body =
            fl_asprintf("{'metadata':{'name':'m%d','labels':{'odd':'%d'}}}", i, i % 2);
        struct row row = {"make", "POST", P_CM, body, .status = 201};
        api_row(a, &row);
    }
}

static void test_verbs__pages_follow_each_other(void **state)
{
    struct api *a = *state;
    static const struct row rows[] = {
        {"first", "GET", P_CM "?limit=2", .status = 200,
         .want = {"'name':'m0'", "'name':'m1'", "'continue':'", "'remainingItemCount':3"},
         .not = "'name':'m2'", .keep = true},
        {"second", "GET", P_CM "?limit=2&continue=@cont@", .status = 200,
         .want = {"'name':'m2'", "'name':'m3'", "'resourceVersion':'@rv@'",
                  "'remainingItemCount':1"},
         .not = "'name':'m1'", .keep = true},
        {"third", "GET", P_CM "?limit=2&continue=@cont@", .status = 200,
         .want = {"'name':'m4'", "'resourceVersion':'@rv@'"}, .not = "'continue'"},
        {"with a selector", "GET", P_CM "?limit=2&labelSelector=odd%3D0", .status = 200,
         .want = {"'name':'m0'", "'name':'m2'", "'continue':'"}, .not = "remainingItemCount",
         .keep = true},
        {"its rest", "GET", P_CM "?limit=2&labelSelector=odd%3D0&continue=@cont@", .status = 200,
         .want = {"'name':'m4'"}, .not = "'continue'"},
        {"the cache does not page", "GET", P_CM "?limit=2&resourceVersion=0", .status = 200,
         .want = {"'name':'m4'"}, .not = "'continue'"},
        {"exactly the last", "GET", P_CM "?limit=5", .status = 200, .want = {"'name':'m4'"},
         .not = "'continue'"},
        {"garbage", "GET", P_CM "?continue=zz", .status = 400,
         .want = {"continue key is not valid", "BadRequest"}},
        {"another kind of garbage", "GET", P_CM "?continue=MS8xLw", .status = 400},
        {"a token and a version", "GET", P_CM "?continue=@cont@&resourceVersion=5", .status = 400,
         .want = {"specifying resource version is not allowed when using continue"}},
        {"no number", "GET", P_CM "?limit=two", .status = 400},
    };
    make_config_maps(a, 5);
    API_ROWS(a, rows);
}

static void test_verbs__later_pages_show_the_state_of_the_first(void **state)
{
    struct api *a = *state;
    static const struct row rows[] = {
        {"first page", "GET", P_CM "?limit=2", .status = 200,
         .want = {"'name':'m0'", "'name':'m1'"}, .keep = true},
        {"one goes", "DELETE", P_CM "/m3", .status = 200},
        {"one changes", "PATCH", P_CM "/m4", "{'data':{'k':'new'}}", .type = MERGE, .status = 200},
        {"one comes", "POST", P_CM, "{'metadata':{'name':'m2b'}}", .status = 201},
        {"second page", "GET", P_CM "?limit=2&continue=@cont@", .status = 200,
         .want = {"'name':'m2'", "'name':'m3'", "'resourceVersion':'@rv@','continue'"},
         .not = "'name':'m2b'", .keep = true},
        {"third page", "GET", P_CM "?limit=2&continue=@cont@", .status = 200,
         .want = {"'name':'m4'", "],'metadata':{'resourceVersion':'@rv@'"}, .not = "'k':'new'"},
        {"exactly that state", "GET", P_CM "?resourceVersion=@rv@&resourceVersionMatch=Exact",
         .status = 200,
         .want = {"'name':'m0'", "'name':'m3'", "'name':'m4'",
                  "],'metadata':{'resourceVersion':'@rv@'"},
         .not = "m2b"},
        {"in pages", "GET", P_CM "?resourceVersion=@rv@&resourceVersionMatch=Exact&limit=4",
         .status = 200, .want = {"'name':'m0'", "'name':'m3'", "'continue'"}, .not = "'name':'m4'",
         .keep = true},
        {"and on", "GET", P_CM "?continue=@cont@", .status = 200, .want = {"'name':'m4'"},
         .not = "'k':'new'"},
        {"now", "GET", P_CM, .status = 200, .want = {"'name':'m2b'", "'k':'new'"},
         .not = "'name':'m3'"},
    };
    make_config_maps(a, 5);
    API_ROWS(a, rows);
}

static void test_verbs__versions_of_lists_are_checked(void **state)
{
    static const struct row rows[] = {
        {"make", "POST", P_CM, "{'metadata':{'name':'a'}}", .status = 201, .keep = true},
        {"not older", "GET", P_CM "?resourceVersion=@rv@&resourceVersionMatch=NotOlderThan",
         .status = 200, .want = {"'name':'a'"}},
        {"at least", "GET", P_CM "?resourceVersion=@rv@", .status = 200, .want = {"'name':'a'"}},
        {"too large", "GET", P_CM "?resourceVersion=99999", .status = 504,
         .want = {"'reason':'Timeout'", "Too large resource version: 99999, current: ",
                  "ResourceVersionTooLarge", "'retryAfterSeconds':1"}},
        {"garbage", "GET", P_CM "?resourceVersion=abc", .status = 400,
         .want = {"'reason':'BadRequest'"}},
        {"negative", "GET", P_CM "?resourceVersion=-1", .status = 400},
        {"match without version", "GET", P_CM "?resourceVersionMatch=Exact", .status = 422,
         .want = {"ListOptions.meta.k8s.io \\'\\' is invalid",
                  "resourceVersionMatch is forbidden unless resourceVersion is provided"}},
        {"unknown match", "GET", P_CM "?resourceVersion=1&resourceVersionMatch=Foo", .status = 422,
         .want = {"Unsupported value: \\'Foo\\': supported values: \\'Exact\\', "
                  "\\'NotOlderThan\\', \\'\\'"}},
        {"exactly zero", "GET", P_CM "?resourceVersion=0&resourceVersionMatch=Exact", .status = 422,
         .want = {"forbidden for resourceVersion \\'0\\'"}},
        {"initial events of a list", "GET", P_CM "?sendInitialEvents=true", .status = 422,
         .want = {"sendInitialEvents is forbidden for list"}},
        {"match of a watch", "GET",
         P_CM "?watch=1&resourceVersion=1&resourceVersionMatch=NotOlderThan", .status = 422,
         .want =
             {"resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"}},
        {"initial events without match", "GET", P_CM "?watch=1&sendInitialEvents=true",
         .status = 422,
         .want = {"sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"}},
        {"initial events, exactly", "GET",
         P_CM "?watch=1&sendInitialEvents=true&resourceVersionMatch=Exact", .status = 422,
         .want = {"FieldValueNotSupported"}},
        {"watch of garbage", "GET", P_CM "?watch=1&resourceVersion=abc", .status = 400},
    };
    API_ROWS(*state, rows);
}

/* Watches. */

struct line {
    const char *type, *name;
};

static void assert_lines(struct reply *r, const char *what, const struct line *want, size_t n)
{
    fl_auto_val(fl_buf) all = FL_BUF_INIT(FL_BUF_ANY);
    api_drain(r, &all);
    struct fl_str rest = fl_buf_slice(&all), line;
    size_t i = 0;
    while (rest.n > 0 && fl_str_cut(&rest, '\n', &line)) {
        struct fl_str type, name = FL_STR("");
        assert_int_equal(fl_json_check(line, NULL), 0);
        assert_true(fl_scan_plain(fl_scan_path(line, "type"), &type));
        (void)fl_scan_plain(fl_scan_path(line, "object.metadata.name"), &name);
        if (i >= n || !fl_str_is(type, want[i].type) || !fl_str_is(name, want[i].name)) {
            fail_msg("%s: line %zu is %.*s", what, i, FL_STR_ARG(line));
        }
        i++;
    }
    if (i != n) {
        fail_msg("%s: %zu lines, wanted %zu", what, i, n);
    }
}

static struct reply watch(struct api *a, const char *path)
{
    struct reply r = api_ask(a, &(struct ask){.method = "GET", .path = path});
    if (r.res.status != 200 || !r.res.feed) {
        fail_msg("%s: %d %.*s", path, r.res.status, FL_STR_ARG(r.text));
    }
    assert_string_equal(r.res.content_type, "application/json");
    return r;
}

static void test_verbs__watch_from_a_list_tells_what_came_after(void **state)
{
    struct api *a = *state;
    static const struct row before[] = {
        {"a", "POST", P_CM, "{'metadata':{'name':'a','labels':{'x':'1'}}}", .status = 201},
        {"list", "GET", P_CM, .status = 200, .keep = true},
    };
    static const struct row after[] = {
        {"b", "POST", P_CM, "{'metadata':{'name':'b','labels':{'x':'1'}}}", .status = 201},
        {"nothing", "PATCH", P_CM "/a", "{'metadata':{'labels':{'x':'1'}}}", .type = MERGE,
         .status = 200},
        {"a leaves", "PATCH", P_CM "/a", "{'metadata':{'labels':{'x':'2'}}}", .type = MERGE,
         .status = 200},
        {"a comes back", "PATCH", P_CM "/a", "{'metadata':{'labels':{'x':'1'}}}", .type = MERGE,
         .status = 200},
        {"b goes", "DELETE", P_CM "/b", .status = 200},
        {"elsewhere", "POST", "/api/v1/namespaces/kube-public/configmaps",
         "{'metadata':{'name':'z'}}", .status = 201},
    };
    static const struct line all[] = {
        {"ADDED", "b"}, {"MODIFIED", "a"}, {"MODIFIED", "a"}, {"DELETED", "b"}};
    static const struct line selected[] = {
        {"ADDED", "b"}, {"DELETED", "a"}, {"ADDED", "a"}, {"DELETED", "b"}};
    static const struct line one[] = {{"MODIFIED", "a"}, {"MODIFIED", "a"}};
    API_ROWS(a, before);
    struct reply r = watch(a, P_CM "?watch=1&resourceVersion=@rv@");
    struct reply s = watch(a, P_CM "?watch=true&resourceVersion=@rv@&labelSelector=x%3D1");
    struct reply n = watch(a, P_CM "?watch=1&resourceVersion=@rv@&fieldSelector=metadata.name%3Da");
    struct reply old = watch(a, "/api/v1/watch/namespaces/default/configmaps?resourceVersion=@rv@");
    assert_lines(&r, "nothing yet", NULL, 0);
    API_ROWS(a, after);
    assert_lines(&r, "all", all, FL_LEN(all));
    assert_lines(&s, "selected", selected, FL_LEN(selected));
    assert_lines(&n, "by name", one, FL_LEN(one));
    assert_lines(&old, "by the old path", all, FL_LEN(all));
    reply_release(&r);
    reply_release(&s);
    reply_release(&n);
    reply_release(&old);
}

static void test_verbs__watch_begins_as_asked(void **state)
{
    struct api *a = *state;
    static const struct row before[] = {
        {"a", "POST", P_REG, REG("a", ""), .status = 201},
    };
    static const struct row after[] = {
        {"b", "POST", P_REG, REG("b", ""), .status = 201},
    };
    static const struct line with_a[] = {{"ADDED", "a"}};
    static const struct line list[] = {{"ADDED", "a"}, {"BOOKMARK", ""}};
    static const struct line with_b[] = {{"ADDED", "b"}};
    API_ROWS(a, before);
    struct reply zero = watch(a, P_REG "?watch=1");
    struct reply initial = watch(a, P_REG "?watch=1&sendInitialEvents=true&resourceVersionMatch="
                                          "NotOlderThan&allowWatchBookmarks=true");
    struct reply unmarked =
        watch(a, P_REG "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
    struct reply now =
        watch(a, P_REG "?watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan");
    assert_lines(&zero, "from nothing", with_a, 1);
    assert_lines(&initial, "a watch list", list, 2);
    assert_lines(&unmarked, "a watch list without bookmarks", with_a, 1);
    assert_lines(&now, "from now on", NULL, 0);
    API_ROWS(a, after);
    assert_lines(&zero, "from nothing, live", with_b, 1);
    assert_lines(&initial, "a watch list, live", with_b, 1);
    assert_lines(&unmarked, "without bookmarks, live", with_b, 1);
    assert_lines(&now, "from now on, live", with_b, 1);
    reply_release(&zero);
    reply_release(&initial);
    reply_release(&unmarked);
    reply_release(&now);
}

static void test_verbs__watch_of_both_groups_sees_one_event(void **state)
{
    struct api *a = *state;
    static const struct row make[] = {
        {"core", "POST", P_EVENT,
         "{'metadata':{'name':'e'},'involvedObject':{'namespace':'default','name':'x'},'message':'"
         "m','reason':'R'}",
         .status = 201},
    };
    struct reply core = watch(a, P_EVENT "?watch=1");
    struct reply view = watch(a, "/apis/events.k8s.io/v1/namespaces/default/events?watch=1");
    API_ROWS(a, make);
    fl_auto_val(fl_buf) c = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) v = FL_BUF_INIT(FL_BUF_ANY);
    api_drain(&core, &c);
    api_drain(&view, &v);
    assert_non_null(
        strstr(c.data, "{\"type\":\"ADDED\",\"object\":{\"apiVersion\":\"v1\",\"kind\":\"Event\""));
    assert_non_null(strstr(c.data, "\"message\":\"m\""));
    assert_non_null(
        strstr(v.data, "{\"type\":\"ADDED\",\"object\":{\"apiVersion\":\"events.k8s.io/v1\""));
    assert_non_null(strstr(v.data, "\"note\":\"m\""));
    reply_release(&core);
    reply_release(&view);
}

static void test_verbs__watch_ends_when_the_server_stops(void **state)
{
    struct api *a = *state;
    struct fl_shared *chunk = NULL;
    struct reply r = watch(a, P_CM "?watch=1");
    fl_apiserver_stop(a->s);
    assert_int_equal(r.res.feed->ops->next(r.res.feed, &chunk), FL_FEED_END);
    reply_release(&r);
    struct reply late = api_ask(a, &(struct ask){.method = "GET", .path = P_CM});
    assert_int_equal(late.res.status, 503);
    assert_string_equal(reply_header(&late, "Retry-After"), "1");
    reply_release(&late);
}

static void test_verbs__reviews_answer_who_and_whether(void **state)
{
    static const struct row rows[] = {
        {"who am I", "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews",
         "{'apiVersion':'authentication.k8s.io/v1','kind':'SelfSubjectReview'}", .status = 201,
         .want = {"'userInfo':{'username':'fairlead-admin','groups':['system:masters','system:"
                  "authenticated']}"}},
        {"may I", "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
         "{'spec':{'resourceAttributes':{'verb':'create','resource':'pods'}}}", .status = 201,
         .want = {"'spec':{'resourceAttributes':{'verb':'create'", "'status':{'allowed':true}"}},
        {"what may I", "POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
         "{'spec':{'namespace':'default'}}", .status = 201,
         .want = {"'resourceRules':[{'verbs':['*']"}},
        {"they are not kept", "GET", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews/x",
         .status = 405},
    };
    API_ROWS(*state, rows);
}

static void test_verbs__metrics_count_requests(void **state)
{
    struct api *a = *state;
    static const struct row rows[] = {
        {"one", "GET", P_CM "/zz", .status = 404},
        {"two", "GET", P_CM "/zz", .status = 404},
        {"list", "GET", P_CM, .status = 200},
    };
    API_ROWS(a, rows);
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_apiserver_metrics(a->s, &b);
    assert_non_null(strstr(b.data, "apiserver_request_total{verb=\"GET\",code=\"404\"} 2\n"));
    assert_non_null(strstr(b.data, "apiserver_request_total{verb=\"LIST\",code=\"200\"} 1\n"));
    assert_non_null(strstr(b.data, "apiserver_longrunning_requests{verb=\"WATCH\"} 0\n"));
    assert_non_null(strstr(b.data, "apiserver_storage_size_bytes "));
}

static void test_verbs__folder_that_cannot_be_used_is_told(void **state)
{
    struct api *a = *state;
    fl_auto_text file = fl_asprintf("%s/fairlead.db", a->dir);
    struct {
        const char *name, *dir;
        enum fl_code code;
    } rows[] = {
        {"in use", a->dir, FL_E_EXISTS},
        {"a file", file, FL_E_UNAVAILABLE},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_apiserver *s = NULL;
        struct fl_err err = FL_ERR_INIT;
        struct fl_apiserver_conf conf = {.data_dir = rows[i].dir, .clock = a->clock};
        int rc = fl_apiserver_open(&conf, &s, &err);
        if (rc != (int)rows[i].code || s || !err.msg[0]) {
            fail_msg("%s: %d %s", rows[i].name, rc, err.msg);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(test_verbs__requests_need_the_token),
        API_TEST(test_verbs__paths_and_methods_that_are_not_there_are_told_apart),
        API_TEST(test_verbs__first_start_makes_namespaces_and_accounts),
        API_TEST(test_verbs__restart_keeps_what_was_there),
        API_TEST(test_verbs__objects_are_read_in_each_form),
        API_TEST(test_verbs__lists_select_by_labels_fields_and_namespace),
        API_TEST(test_verbs__pages_follow_each_other),
        API_TEST(test_verbs__later_pages_show_the_state_of_the_first),
        API_TEST(test_verbs__versions_of_lists_are_checked),
        API_TEST(test_verbs__watch_from_a_list_tells_what_came_after),
        API_TEST(test_verbs__watch_begins_as_asked),
        API_TEST(test_verbs__watch_of_both_groups_sees_one_event),
        API_TEST(test_verbs__watch_ends_when_the_server_stops),
        API_TEST(test_verbs__reviews_answer_who_and_whether),
        API_TEST(test_verbs__metrics_count_requests),
        API_TEST(test_verbs__folder_that_cannot_be_used_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
