/* SPDX-License-Identifier: Apache-2.0
 * create, update, patch: what is set, kept apart, refused, and left alone. */
#include "harness.h"

#include "api/scheme.h"
#include "base/text.h"

static void test_writes__create_sets_what_is_the_servers(void **state)
{
    static const struct row rows[] = {
        {"custom", "POST", P_REG,
         REG_HEAD "'metadata':{'name':'a','uid':'mine','generation':7,'creationTimestamp':null,'"
                  "selfLink':'/x',"
                  "'deletionTimestamp':'2020-01-01T00:00:00Z','managedFields':[{'manager':'m'}]},"
                  "'spec':{'url':'https://r.example','interval':null},'status':{'reachable':true}}",
         .status = 201,
         .want = {"{'apiVersion':'fairlead.dev/"
                  "v1alpha1','kind':'Registry','metadata':{'name':'a','namespace':'default',"
                  "'uid':'",
                  "'generation':1,'creationTimestamp':'2023-11-14T22:13:20Z'}", "'interval':'5m'"},
         .not = "status"},
        {"nothing of the client's", "GET", P_REG "/a", .status = 200, .not = "mine"},
        {"built-in", "POST", P_CM, "{'metadata':{'name':'a'},'data':{'k':'v'}}", .status = 201,
         .want = {"{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'a'",
                  "'data':{'k':'v'}"},
         .not = "generation"},
        {"again", "POST", P_CM, "{'metadata':{'name':'a'}}", .status = 409,
         .want = {"'reason':'AlreadyExists'", "configmaps \\'a\\' already exists"}},
        {"with a version", "POST", P_CM, "{'metadata':{'name':'b','resourceVersion':'5'}}",
         .status = 500, .want = {"resourceVersion should not be set on objects to be created"}},
        {"text that looks like the version", "POST", P_CM,
         "{'metadata':{'name':'c','annotations':{'x':'\\'resourceVersion\\':\\'\\''}},"
         "'data':{'resourceVersion':''}}",
         .status = 201, .keep = true},
        {"is stored as it came", "GET", P_CM "/c", .status = 200,
         .want = {"'resourceVersion':'@rv@'", "'data':{'resourceVersion':''}"}},
    };
    API_ROWS(*state, rows);
}

static void test_writes__generated_names_are_new_each_time(void **state)
{
    static const struct row rows[] = {
        {"one", "POST", P_CM, "{'metadata':{'generateName':'gen-'}}", .status = 201,
         .want = {"'name':'gen-", "'generateName':'gen-'"}},
        {"another", "POST", P_CM, "{'metadata':{'generateName':'gen-'}}", .status = 201},
        {"a name wins", "POST", P_CM, "{'metadata':{'name':'n','generateName':'gen-'}}",
         .status = 201, .want = {"'name':'n'"}},
        {"neither", "POST", P_CM, "{'metadata':{}}", .status = 422,
         .want = {"metadata.name: Required value: name or generateName is required"}},
        {"a bad prefix", "POST", P_CM, "{'metadata':{'generateName':'Gen-'}}", .status = 422,
         .want = {"metadata.generateName: Invalid value"}},
        {"three", "GET", P_CM, .status = 200, .want = {"'name':'n'"}},
    };
    API_ROWS(*state, rows);
}

static void test_writes__bodies_are_read_in_three_formats(void **state)
{
    static const struct row rows[] = {
        {"json with a charset", "POST", P_CM, "{'metadata':{'name':'a'}}",
         .type = "application/json; charset=utf-8", .status = 201},
        {"yaml", "POST", P_CM, "metadata:\n  name: b\ndata:\n  k: v\n", .type = "application/yaml",
         .status = 201, .want = {"'data':{'k':'v'}"}},
        {"text", "POST", P_CM, "x", .type = "text/plain", .status = 415,
         .want = {"UnsupportedMediaType", "the body of the request was in an unknown format - "
                                          "accepted media types include: application/json, "
                                          "application/yaml, application/vnd.kubernetes.protobuf"}},
        {"cbor", "POST", P_CM, "x", .type = "application/cbor", .status = 415},
        {"protobuf of a custom kind", "POST", P_REG, "k8s",
         .type = "application/vnd.kubernetes.protobuf", .status = 415,
         .want = {"accepted media types include: application/json, application/yaml'"}},
        {"protobuf that is none", "POST", P_CM, "k8s",
         .type = "application/vnd.kubernetes.protobuf", .status = 400, .want = {"BadRequest"}},
        {"no json", "POST", P_CM, "{", .status = 400,
         .want = {"the object provided is unrecognized (must be of type ConfigMap)"}},
        {"nothing", "POST", P_CM, "", .status = 400},
        {"no object", "POST", P_CM, "[]", .status = 400},
        {"yaml with a tab", "POST", P_CM, "a:\n\tb: c\n", .type = "application/yaml", .status = 400,
         .want = {"line 2"}},
        {"two documents", "POST", P_CM, "metadata: {name: x}\n---\nmetadata: {name: y}\n",
         .type = "application/yaml", .status = 400},
        {"trailing text", "POST", P_CM, "{'metadata':{'name':'x'}} x", .status = 400},
    };
    API_ROWS(*state, rows);
}

/* Secret{metadata{name "p"}, data{k: "v"}, type "Opaque"} in Kubernetes' envelope, made by hand. */
static const char protobuf[] = "k8s\0"
                               "\x0a\x0c\x0a\x02v1\x12\x06Secret"
                               "\x12\x17"
                               "\x0a\x05\x0a\x01p\x42\x00"
                               "\x12\x06\x0a\x01k\x12\x01v"
                               "\x1a\x06Opaque"
                               "\x1a\x00\x22\x00";

static void test_writes__protobuf_of_a_built_in_kind_is_taken(void **state)
{
    struct api *a = *state;
    struct reply r =
        api_ask(a, &(struct ask){.method = "POST",
                                 .path = P_SECRET,
                                 .type = "application/vnd.kubernetes.protobuf",
                                 .accept = "application/vnd.kubernetes.protobuf,application/json",
                                 .body = {protobuf, sizeof(protobuf) - 1}});
    if (r.res.status != 201) {
        fail_msg("%d %.*s", r.res.status, FL_STR_ARG(r.text));
    }
    assert_string_equal(r.res.content_type, "application/json");
    reply_release(&r);
    static const struct row rows[] = {
        {"it is there", "GET", P_SECRET "/p", .status = 200,
         .want = {"'data':{'k':'dg=='}", "'type':'Opaque'"}},
    };
    API_ROWS(a, rows);
    struct reply other = api_ask(a, &(struct ask){.method = "POST",
                                                  .path = P_CM,
                                                  .type = "application/vnd.kubernetes.protobuf",
                                                  .body = {protobuf, sizeof(protobuf) - 1}});
    assert_int_equal(other.res.status, 400);
    reply_release(&other);
}

static void test_writes__type_name_and_namespace_agree_with_the_url(void **state)
{
    static const struct row rows[] = {
        {"another version", "POST", P_REG, "{'apiVersion':'fairlead.dev/v9','kind':'Registry'}",
         .status = 400,
         .want = {"the API version in the data (fairlead.dev/v9) does not match the expected API "
                  "version "
                  "(fairlead.dev/v1alpha1)"}},
        {"another kind", "POST", P_REG, "{'apiVersion':'fairlead.dev/v1alpha1','kind':'Foo'}",
         .status = 422,
         .want = {"Foo.fairlead.dev \\'\\' is invalid: kind: Invalid value: \\'Foo\\': must be "
                  "Registry"}},
        {"no kind", "POST", P_REG, "{'apiVersion':'fairlead.dev/v1alpha1'}", .status = 400,
         .want = {"must be of type Registry): Object ", " is missing"}},
        {"metadata is no object", "POST", P_CM, "{'metadata':[]}", .status = 400},
        {"another namespace", "POST", P_CM, "{'metadata':{'name':'a','namespace':'x'}}",
         .status = 400,
         .want = {"the namespace of the provided object does not match the namespace sent on the "
                  "request"}},
        {"a namespace that is not there", "POST", "/api/v1/namespaces/zz/configmaps",
         "{'metadata':{'name':'a'}}", .status = 404,
         .want = {"namespaces \\'zz\\' not found", "'kind':'namespaces'"}},
        {"another name", "PUT", P_CM "/a", "{'metadata':{'name':'b'}}", .status = 400,
         .want = {"the name of the object (b) does not match the name on the URL (a)"}},
        {"a namespace's namespace", "POST", P_NS, "{'metadata':{'name':'n','namespace':'x'}}",
         .status = 201, .not = "'namespace':'x'"},
    };
    API_ROWS(*state, rows);
}

static void test_writes__metadata_is_checked(void **state)
{
    static const struct row rows[] = {
        {"name", "POST", P_CM, "{'metadata':{'name':'A_b'}}", .status = 422,
         .want = {"ConfigMap \\'A_b\\' is invalid: metadata.name: Invalid value: \\'A_b\\': a "
                  "lowercase RFC 1123 subdomain",
                  "'reason':'Invalid'", "FieldValueInvalid", "'field':'metadata.name'",
                  "'kind':'ConfigMap'"}},
        {"name with a newline", "POST", P_CM, "{'metadata':{'name':'a\\nb'}}", .status = 422},
        {"namespaces are labels", "POST", P_NS, "{'metadata':{'name':'a.b'}}", .status = 422,
         .want = {"metadata.name: Invalid value: \\'a.b\\': must not contain dots"}},
        {"label key", "POST", P_CM, "{'metadata':{'name':'a','labels':{'-x':'1'}}}", .status = 422,
         .want = {"metadata.labels"}},
        {"label value", "POST", P_CM, "{'metadata':{'name':'a','labels':{'x':'a b'}}}",
         .status = 422, .want = {"metadata.labels", "a valid label must be"}},
        {"label that is a number", "POST", P_CM, "{'metadata':{'name':'a','labels':{'x':1}}}",
         .status = 400,
         .want = {"ConfigMap in version \\'v1\\' cannot be handled as a ConfigMap",
                  "metadata.labels"}},
        {"annotation key", "POST", P_CM, "{'metadata':{'name':'a','annotations':{'a/b/c':'1'}}}",
         .status = 422, .want = {"metadata.annotations"}},
        {"finalizer", "POST", P_CM, "{'metadata':{'name':'a','finalizers':['a b']}}", .status = 422,
         .want = {"metadata.finalizers"}},
        {"plain finalizer", "POST", P_CM, "{'metadata':{'name':'f','finalizers':['plain']}}",
         .status = 422,
         .want = {"metadata.finalizers[0]: Invalid value: \\'plain\\': name is neither a standard "
                  "finalizer name nor is it fully qualified"}},
        {"plain finalizer of a custom kind", "POST", P_REG,
         REG_HEAD "'metadata':{'name':'f','finalizers':['plain']},'spec':{'url':'https://r'}}",
         .status = 201,
         .want = {"metadata.finalizers: \\'plain\\': prefer a domain-qualified finalizer name"}},
        {"owner without uid", "POST", P_CM,
         "{'metadata':{'name':'a','ownerReferences':[{'apiVersion':'v1','kind':'X','name':'y'}]}}",
         .status = 422,
         .want = {"metadata.ownerReferences.uid: Invalid value: \\'\\': must not be empty"}},
        {"two controllers", "POST", P_CM,
         "{'metadata':{'name':'a','ownerReferences':["
         "{'apiVersion':'v1','kind':'X','name':'y','uid':'1','controller':true},"
         "{'apiVersion':'v1','kind':'X','name':'z','uid':'2','controller':true}]}}",
         .status = 422,
         .want = {"Only one reference can have Controller set to true. Found \\'true\\' in "
                  "references for X/y and X/z"}},
        {"one controller", "POST", P_CM,
         "{'metadata':{'name':'o','ownerReferences':["
         "{'apiVersion':'v1','kind':'X','name':'y','uid':'1','controller':true},"
         "{'apiVersion':'v1','kind':'X','name':'z','uid':'2'}]}}",
         .status = 201},
    };
    API_ROWS(*state, rows);
}

static void ask_big(struct api *a, const char *name, const char *path, const char *head, size_t n,
                    const char *tail, int status, const char *want)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&b, head);
    for (size_t i = 0; i < n; i++) {
        fl_buf_char(&b, 'A');
    }
    fl_buf_text(&b, tail);
    struct row row = {name, "POST", path, b.data, .status = status, .want = {want}};
    api_row(a, &row);
}

static void test_writes__sizes_are_bounded(void **state)
{
    struct api *a = *state;
    ask_big(a, "annotations that fit", P_CM, "{'metadata':{'name':'a','annotations':{'x':'", 262143,
            "'}}}", 201, NULL);
    ask_big(a, "annotations", P_CM, "{'metadata':{'name':'b','annotations':{'x':'", 262144, "'}}}",
            422, "metadata.annotations: Too long: may not be more than 262144 bytes");
    ask_big(a, "config map that fits", P_CM, "{'metadata':{'name':'c'},'data':{'x':'", 1048576,
            "'}}", 201, NULL);
    ask_big(a, "config map", P_CM, "{'metadata':{'name':'d'},'data':{'x':'", 1048577, "'}}", 422,
            "Too long: may not be more than 1048576 bytes");
    ask_big(a, "secret that fits", P_SECRET, "{'metadata':{'name':'c'},'data':{'x':'", 1398100,
            "AA=='}}", 201, NULL);
    ask_big(a, "secret", P_SECRET, "{'metadata':{'name':'d'},'data':{'x':'", 1398104, "'}}", 422,
            "data: Too long: may not be more than 1048576 bytes");
    ask_big(a, "a body over 3 MiB", P_CM, "{'metadata':{'name':'e'},'data':{'x':'", (size_t)3 << 20,
            "'}}", 413, "Request entity too large: limit is 3145728");
}

static void test_writes__too_big_is_told_to_those_who_may_ask(void **state)
{
    struct api *a = *state;
    static const struct {
        const char *auth;
        int status;
    } rows[] = {{"Bearer sesame", 413}, {"Bearer zz", 401}};
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_header h = {"Authorization", rows[i].auth};
        struct fl_request head = {
            .method = "POST", .path = FL_STR(P_CM), .headers = &h, .n_headers = 1};
        struct fl_response res;
        fl_response_init(&res, FL_BUF_ANY);
        assert_int_equal(fl_apiserver_body_cap(a->s, &head), 3 << 20);
        fl_apiserver_too_big(a->s, &head, &res);
        assert_int_equal(res.status, rows[i].status);
        fl_response_release(&res);
    }
}

static void test_writes__unknown_and_duplicate_fields_are_told_as_asked(void **state)
{
    static const struct row rows[] = {
        {"warned by default", "POST", P_REG, REG("a", ",'bogus':1,'x':{'y':2}"), .status = 201,
         .want = {"299 - 'unknown field \\'spec.bogus\\'', 299 - '", "unknown field \\'spec.x\\'"}},
        {"and dropped", "GET", P_REG "/a", .status = 200, .not = "bogus"},
        {"ignored", "POST", P_REG "?fieldValidation=Ignore", REG("b", ",'bogus':1"), .status = 201,
         .not = "unknown"},
        {"strict", "POST", P_REG "?fieldValidation=Strict", REG("c", ",'bogus':1"), .status = 400,
         .want = {"Registry in version \\'v1alpha1\\' cannot be handled as a Registry: strict "
                  "decoding error: unknown "
                  "field \\'spec.bogus\\'",
                  "BadRequest"}},
        {"not stored", "GET", P_REG "/c", .status = 404},
        {"duplicate, strict", "POST", P_REG "?fieldValidation=Strict",
         REG_HEAD "'metadata':{'name':'c'},'spec':{'url':'https://r','url':'https://s','zz':1}}",
         .status = 400,
         .want = {"strict decoding error: duplicate field \\'spec.url\\', unknown field "
                  "\\'spec.zz\\'"}},
        {"duplicate: the last counts", "POST", P_REG,
         REG_HEAD
         "'metadata':{'name':'d','name':'e'},'spec':{'url':'https://r','url':'https://s'}}",
         .status = 201,
         .want = {"'url':'https://s'", "'name':'e'", "duplicate field \\'spec.url\\'",
                  "duplicate field \\'metadata.name\\'"}},
        {"metadata too", "POST", P_CM "?fieldValidation=Strict",
         "{'metadata':{'name':'a','bogus':1}}", .status = 400,
         .want = {"unknown field \\'metadata.bogus\\'"}},
        {"and the root", "POST", P_CM "?fieldValidation=Strict",
         "{'metadata':{'name':'a'},'spec':{}}", .status = 400,
         .want = {"unknown field \\'spec\\'"}},
        {"a patch, strict", "PATCH", P_REG "/a?fieldValidation=Strict", "{'spec':{'bogus':1}}",
         .type = MERGE, .status = 422,
         .want = {"strict decoding error: unknown field \\'spec.bogus\\'", "patch: Invalid value"}},
        {"a patch, warned", "PATCH", P_REG "/a", "{'spec':{'bogus':1}}", .type = MERGE,
         .status = 200, .want = {"unknown field \\'spec.bogus\\'"}, .not = "'bogus'"},
        {"a put, warned", "PUT", P_CM "/w", "{'metadata':{'name':'w'},'bogus':1}", .status = 404},
        {"made for it", "POST", P_CM, "{'metadata':{'name':'w'}}", .status = 201},
        {"now warned", "PUT", P_CM "/w", "{'metadata':{'name':'w'},'bogus':1,'data':{'k':'v'}}",
         .status = 200, .want = {"unknown field \\'bogus\\'", "'k':'v'"}},
        {"and refused", "PUT", P_CM "/w?fieldValidation=Strict",
         "{'metadata':{'name':'w'},'bogus':1}", .status = 400,
         .want = {"strict decoding error: unknown field \\'bogus\\'"}},
        {"no such way", "POST", P_REG "?fieldValidation=Maybe", REG("z", ""), .status = 422,
         .want = {"CreateOptions.meta.k8s.io \\'\\' is invalid: fieldValidation: Unsupported "
                  "value: \\'Maybe\\'"}},
        {"a long field manager", "POST",
         P_REG
         "?fieldManager="
         "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
         "89012345678901234567890123456789012345678",
         REG("z", ""), .status = 422,
         .want = {"fieldManager: Too long: may not be more than 128 bytes"}},
        {"a field manager with a bell", "POST", P_REG "?fieldManager=a%07", REG("z", ""),
         .status = 422, .want = {"should only contain printable characters"}},
    };
    API_ROWS(*state, rows);
}

static void test_writes__specs_are_checked_by_their_rows(void **state)
{
    static const struct row rows[] = {
        {"required", "POST", P_REG, REG_HEAD "'metadata':{'name':'a'},'spec':{}}", .status = 422,
         .want = {"Registry.fairlead.dev \\'a\\' is invalid: spec.url: Required value",
                  "FieldValueRequired", "'field':'spec.url'"}},
        {"no spec", "POST", P_REG, REG_HEAD "'metadata':{'name':'a'}}", .status = 422,
         .want = {"spec: Required value"}},
        {"enum", "POST", P_REG, REG("a", ",'mode':'Foo'"), .status = 422,
         .want = {"spec.mode: Unsupported value: \\'Foo\\': supported values: \\'Observe\\', "
                  "\\'Plan\\', \\'Apply\\'",
                  "FieldValueNotSupported"}},
        {"type", "POST", P_REG, REG("a", ",'suspend':'yes'"), .status = 422,
         .want = {"spec.suspend in body must be of type boolean", "FieldValueTypeInvalid"}},
        {"two at once", "POST", P_REG, REG("a", ",'mode':'Foo','suspend':1"), .status = 422,
         .want = {"is invalid: [spec.", "FieldValueNotSupported", "FieldValueTypeInvalid"}},
        {"checks across fields", "POST", P_REG, REG("a", ",'insecure':true,'caRef':{'name':'x'}"),
         .status = 422, .want = {"spec.caRef: Forbidden"}},
        {"wrong type of a built-in", "POST", P_CM, "{'metadata':{'name':'a'},'data':{'k':1}}",
         .status = 400, .want = {"cannot be handled as a ConfigMap: data"}},
        {"good", "POST", P_REG, REG("a", ""), .status = 201},
        {"made bad", "PATCH", P_REG "/a", "{'spec':{'mode':'Foo'}}", .type = MERGE, .status = 422,
         .want = {"spec.mode: Unsupported value"}},
    };
    API_ROWS(*state, rows);
}

static void test_writes__what_changes_nothing_changes_nothing(void **state)
{
    struct api *a = *state;
    static const struct row rows[] = {
        {"make", "POST", P_REG,
         REG_HEAD "'metadata':{'name':'a','labels':{'x':'1'}},'spec':{'url':'https://r'}}",
         .status = 201, .keep = true},
        {"same merge patch", "PATCH", P_REG "/a", "{'spec':{'url':'https://r'}}", .type = MERGE,
         .status = 200, .want = {"'resourceVersion':'@rv@'", "'generation':1"}},
        {"empty merge patch", "PATCH", P_REG "/a", "{}", .type = MERGE, .status = 200,
         .want = {"'resourceVersion':'@rv@'"}},
        {"empty json patch", "PATCH", P_REG "/a", "[]", .type = JSON_PATCH, .status = 200,
         .want = {"'resourceVersion':'@rv@'"}},
        {"removing what is absent", "PATCH", P_REG "/a", "{'metadata':{'annotations':null}}",
         .type = MERGE, .status = 200, .want = {"'resourceVersion':'@rv@'"}},
        {"empty maps", "PATCH", P_REG "/a", "{'metadata':{'annotations':{},'finalizers':[]}}",
         .type = MERGE, .status = 200, .want = {"'resourceVersion':'@rv@'"}},
        {"put of the same, without defaults", "PUT", P_REG "/a",
         REG_HEAD "'metadata':{'name':'a','labels':{'x':'1'},'resourceVersion':'@rv@'},'spec':{'"
                  "url':'https://r'}}",
         .status = 200, .want = {"'resourceVersion':'@rv@'", "'generation':1"}},
        {"what is the server's", "PATCH", P_REG "/a",
         "{'metadata':{'generation':9,'creationTimestamp':'2001-01-01T00:00:00Z','"
         "deletionTimestamp':"
         "'2001-01-01T00:00:00Z','managedFields':[{}]}}",
         .type = MERGE, .status = 200, .want = {"'resourceVersion':'@rv@'"}},
        {"status through the main door", "PATCH", P_REG "/a", "{'status':{'reachable':true}}",
         .type = MERGE, .status = 200, .want = {"'resourceVersion':'@rv@'"}, .not = "reachable"},
        {"spec through the status door", "PATCH", P_REG "/a/status",
         "{'spec':{'url':'https://z'},'metadata':{'labels':"
         "{'y':'2'}}}",
         .type = MERGE, .status = 200, .want = {"'resourceVersion':'@rv@'", "'url':'https://r'"},
         .not = "'y'"},
        {"a secret", "POST", P_SECRET, "{'metadata':{'name':'s'},'stringData':{'a':'b'}}",
         .status = 201, .keep = true},
        {"the same by stringData", "PATCH", P_SECRET "/s", "{'stringData':{'a':'b'}}",
         .type = STRATEGIC, .status = 200, .want = {"'resourceVersion':'@rv@'"},
         .not = "stringData"},
        {"put without a version", "PUT", P_SECRET "/s",
         "{'metadata':{'name':'s'},'data':{'a':'Yg=='}}", .status = 200,
         .want = {"'resourceVersion':'@rv@'", "'type':'Opaque'"}},
        {"dry run", "PATCH", P_SECRET "/s?dryRun=All", "{'stringData':{'a':'c'}}", .type = MERGE,
         .status = 200, .want = {"'resourceVersion':'@rv@'", "'data':{'a':'Yw=='}"}},
        {"dry create", "POST", P_SECRET "?dryRun=All", "{'metadata':{'name':'t'}}", .status = 201,
         .want = {"'name':'t'", "'uid':'"}, .not = "resourceVersion"},
        {"not made", "GET", P_SECRET "/t", .status = 404},
        {"dry create of what is there", "POST", P_SECRET "?dryRun=All", "{'metadata':{'name':'s'}}",
         .status = 409},
        {"dry delete", "DELETE", P_SECRET "/s?dryRun=All", .status = 200,
         .want = {"'status':'Success'"}},
        {"another dry run", "POST", P_SECRET "?dryRun=Some", "{'metadata':{'name':'t'}}",
         .status = 422,
         .want = {"dryRun: Unsupported value: \\'Some\\': supported values: \\'All\\'"}},
        {"still the same", "GET", P_SECRET "/s", .status = 200,
         .want = {"'resourceVersion':'@rv@'", "'Yg=='"}},
    };
    struct reply w = api_ask(a, &(struct ask){.method = "GET", .path = P_REG "?watch=1"});
    API_ROWS(a, rows);
    fl_auto_val(fl_buf) lines = FL_BUF_INIT(FL_BUF_ANY);
    api_drain(&w, &lines);
    size_t n = 0;
    for (size_t i = 0; i < lines.len; i++) {
        n += lines.data[i] == '\n';
    }
    if (n != 1 || !strstr(lines.data, "ADDED")) {
        fail_msg("the watch saw %zu lines: %s", n, lines.data);
    }
    reply_release(&w);
}

static void test_writes__generation_counts_changes_of_the_spec(void **state)
{
    static const struct row rows[] = {
        {"make", "POST", P_REG, REG("a", ""), .status = 201, .want = {"'generation':1"}},
        {"spec", "PATCH", P_REG "/a", "{'spec':{'suspend':true}}", .type = MERGE, .status = 200,
         .want = {"'generation':2"}},
        {"labels", "PATCH", P_REG "/a", "{'metadata':{'labels':{'x':'1'}}}", .type = MERGE,
         .status = 200, .want = {"'generation':2", "'x':'1'"}},
        {"annotations", "PATCH", P_REG "/a", "{'metadata':{'annotations':{'x':'1'}}}",
         .type = MERGE, .status = 200, .want = {"'generation':2"}},
        {"status", "PATCH", P_REG "/a/status", "{'status':{'reachable':true}}", .type = MERGE,
         .status = 200, .want = {"'generation':2", "'reachable':true"}},
        {"spec and labels", "PATCH", P_REG "/a",
         "{'spec':{'suspend':false},'metadata':{'labels':{'x':'2'}}}", .type = MERGE, .status = 200,
         .want = {"'generation':3", "'reachable':true"}},
        {"deletion", "PATCH", P_REG "/a", "{'metadata':{'finalizers':['a.b/c']}}", .type = MERGE,
         .status = 200, .want = {"'generation':3"}},
        {"counts too", "DELETE", P_REG "/a", .status = 200,
         .want = {"'generation':4", "deletionTimestamp"}},
        {"secrets have none", "POST", P_SECRET, "{'metadata':{'name':'s'}}", .status = 201,
         .not = "generation"},
    };
    API_ROWS(*state, rows);
}

static void test_writes__status_is_kept_apart_both_ways(void **state)
{
    static const struct row rows[] = {
        {"make", "POST", P_REG,
         REG_HEAD "'metadata':{'name':'a'},'spec':{'url':'https://r'},'status':{'reachable':true}}",
         .status = 201, .not = "reachable", .keep = true},
        {"status by patch", "PATCH", P_REG "/a/status",
         "{'status':{'reachable':true,'auth':'Basic'}}", .type = MERGE, .status = 200,
         .want = {"'status':{'reachable':true,'auth':'Basic'}"}, .keep = true},
        {"read at its own path", "GET", P_REG "/a/status", .status = 200,
         .want = {"'kind':'Registry'", "'auth':'Basic'"}},
        {"status by put", "PUT", P_REG "/a/status",
         REG_HEAD "'metadata':{'name':'a','resourceVersion':'@rv@','labels':{'x':'1'},'finalizers':"
                  "['a.b/c']},"
                  "'spec':{'url':'https://zz'},'status':{'auth':'Bearer'}}",
         .status = 200, .want = {"'url':'https://r'", "'status':{'auth':'Bearer'}"},
         .not = "'x':'1'", .keep = true},
        {"an old version", "PUT", P_REG "/a/status",
         REG_HEAD
         "'metadata':{'name':'a','resourceVersion':'1'},'spec':{'url':'https://r'},'status':{}}",
         .status = 409},
        {"spec by put", "PUT", P_REG "/a",
         REG_HEAD "'metadata':{'name':'a','resourceVersion':'@rv@'},'spec':{'url':'https://"
                  "s'},'status':{'auth':'zz'}}",
         .status = 200, .want = {"'url':'https://s'", "'status':{'auth':'Bearer'}"}},
        {"status of wrong type", "PATCH", P_REG "/a/status", "{'status':{'reachable':'x'}}",
         .type = MERGE, .status = 422, .want = {"status.reachable"}},
        {"status of nothing", "PATCH", P_REG "/zz/status", "{}", .type = MERGE, .status = 404},
        {"secrets have none", "GET", P_SECRET "/a/status", .status = 404,
         .want = {"404 page not found"}},
    };
    API_ROWS(*state, rows);
}

static void test_writes__updates_are_locked_by_version_and_uid(void **state)
{
    static const struct row rows[] = {
        {"make", "POST", P_REG, REG("a", ""), .status = 201, .keep = true},
        {"change", "PATCH", P_REG "/a", "{'spec':{'suspend':true}}", .type = MERGE, .status = 200},
        {"stale put", "PUT", P_REG "/a",
         REG_HEAD "'metadata':{'name':'a','resourceVersion':'@rv@'},'spec':{'url':'https://s'}}",
         .status = 409,
         .want = {"'reason':'Conflict'", "Operation cannot be fulfilled on registries.fairlead.dev "
                                         "\\'a\\': the object has been modified; please "
                                         "apply your changes to the latest version and try again"}},
        {"stale patch", "PATCH", P_REG "/a",
         "{'metadata':{'resourceVersion':'@rv@'},'spec':{'suspend':false}}", .type = MERGE,
         .status = 409},
        {"stale json patch", "PATCH", P_REG "/a",
         "[{'op':'replace','path':'/metadata/resourceVersion','value':'@rv@'},"
         "{'op':'replace','path':'/spec/suspend','value':false}]",
         .type = JSON_PATCH, .status = 409},
        {"put without a version", "PUT", P_REG "/a", REG("a", ""), .status = 422,
         .want = {"metadata.resourceVersion: Invalid value: 0: must be specified for an update"}},
        {"now", "GET", P_REG "/a", .status = 200, .keep = true},
        {"put", "PUT", P_REG "/a",
         REG_HEAD "'metadata':{'name':'a','resourceVersion':'@rv@'},'spec':{'url':'https://s'}}",
         .status = 200, .want = {"'url':'https://s'", "'uid':'@uid@'"}, .keep = true},
        {"patch of this version", "PATCH", P_REG "/a",
         "{'metadata':{'resourceVersion':'@rv@'},'spec':{'suspend':true}}", .type = MERGE,
         .status = 200},
        {"another uid", "PATCH", P_REG "/a", "{'metadata':{'uid':'zz'}}", .type = MERGE,
         .status = 422, .want = {"metadata.uid: Invalid value: \\'zz\\': field is immutable"}},
        {"put of another uid", "PUT", P_REG "/a",
         REG_HEAD "'metadata':{'name':'a','uid':'zz','resourceVersion':'1'},'spec':{}}",
         .status = 409,
         .want = {"Precondition failed: UID in precondition: zz, UID in object meta: @uid@"}},
        {"the right uid", "PATCH", P_REG "/a",
         "{'metadata':{'uid':'@uid@'},'spec':{'suspend':false}}", .type = MERGE, .status = 200},
        {"put of what is not there", "PUT", P_REG "/zz",
         REG_HEAD "'metadata':{'name':'zz','resourceVersion':'1'},'spec':{'url':'https://s'}}",
         .status = 404},
        {"patch of what is not there", "PATCH", P_REG "/zz", "{}", .type = MERGE, .status = 404},
        {"a config map", "POST", P_CM, "{'metadata':{'name':'c'},'data':{'a':'1'}}", .status = 201,
         .keep = true},
        {"put without a version, built-in", "PUT", P_CM "/c",
         "{'metadata':{'name':'c'},'data':{'a':'2'}}", .status = 200, .want = {"'data':{'a':'2'}"}},
        {"put without name and namespace", "PUT", P_CM "/c", "{'data':{'a':'3'}}", .status = 200,
         .want = {"'name':'c','namespace':'default'"}},
        {"stale put, built-in", "PUT", P_CM "/c", "{'metadata':{'resourceVersion':'@rv@'}}",
         .status = 409},
    };
    API_ROWS(*state, rows);
}

static void test_writes__patches_of_each_type(void **state)
{
    static const struct row rows[] = {
        {"make", "POST", P_CM,
         "{'metadata':{'name':'c','finalizers':['a.b/x']},'data':{'a':'1','b':'2'}}",
         .status = 201},
        {"merge", "PATCH", P_CM "/c", "{'data':{'a':null,'d':'4'}}", .type = MERGE, .status = 200,
         .want = {"'data':{'b':'2','d':'4'}"}},
        {"json", "PATCH", P_CM "/c",
         "[{'op':'test','path':'/data/b','value':'2'},{'op':'remove','path':'/data/b'},"
         "{'op':'add','path':'/data/e','value':'5'}]",
         .type = JSON_PATCH, .status = 200, .want = {"'data':{'d':'4','e':'5'}"}},
        {"strategic", "PATCH", P_CM "/c", "{'data':{'f':'6'},'metadata':{'finalizers':['a.b/y']}}",
         .type = STRATEGIC, .status = 200, .want = {"'f':'6'", "'a.b/x'", "'a.b/y'"}},
        {"strategic removal", "PATCH", P_CM "/c",
         "{'metadata':{'$deleteFromPrimitiveList/finalizers':['a.b/x']}}", .type = STRATEGIC,
         .status = 200, .want = {"'finalizers':['a.b/y']"}},
        {"failed test", "PATCH", P_CM "/c", "[{'op':'test','path':'/data/e','value':'9'}]",
         .type = JSON_PATCH, .status = 422,
         .want = {"'reason':'Invalid'",
                  "the server rejected our request due to an error in our request",
                  "'details':{}"}},
        {"missing path", "PATCH", P_CM "/c", "[{'op':'remove','path':'/data/zz'}]",
         .type = JSON_PATCH, .status = 422},
        {"no array", "PATCH", P_CM "/c", "{}", .type = JSON_PATCH, .status = 400},
        {"no object", "PATCH", P_CM "/c", "[]", .type = MERGE, .status = 400},
        {"no json", "PATCH", P_CM "/c", "{", .type = MERGE, .status = 400,
         .want = {"error decoding patch"}},
        {"another kind", "PATCH", P_CM "/c", "{'kind':'Secret'}", .type = MERGE, .status = 422,
         .want = {"patch: Invalid value",
                  "Secret in version \\'v1\\' cannot be handled as a ConfigMap"}},
        {"another name", "PATCH", P_CM "/c", "{'metadata':{'name':'z'}}", .type = MERGE,
         .status = 400,
         .want = {"the name of the object (z) does not match the name on the URL (c)"}},
        {"another namespace", "PATCH", P_CM "/c", "{'metadata':{'namespace':'z'}}", .type = MERGE,
         .status = 400},
        {"into nothing", "PATCH", P_CM "/c", "[{'op':'replace','path':'','value':3}]",
         .type = JSON_PATCH, .status = 400},
        {"custom", "POST", P_REG, REG("a", ""), .status = 201},
        {"strategic on custom", "PATCH", P_REG "/a", "{}", .type = STRATEGIC, .status = 415,
         .want = {"accepted media types include: application/json-patch+json, "
                  "application/merge-patch+json'"}},
        {"apply", "PATCH", P_CM "/c?fieldManager=m", "{}", .type = "application/apply-patch+yaml",
         .status = 415, .want = {"application/strategic-merge-patch+json"}, .not = "apply-patch"},
        {"no type", "PATCH", P_CM "/c", "{}", .type = "application/json", .status = 415},
    };
    API_ROWS(*state, rows);
}

static void test_writes__secrets_follow_their_rules(void **state)
{
    static const struct row rows[] = {
        {"text goes into data", "POST", P_SECRET,
         "{'metadata':{'name':'s'},'data':{'a':'eA==','b':'eQ=='},'stringData':{'b':'z','c':''}}",
         .status = 201, .want = {"'type':'Opaque'", "'data':{'a':'eA==','b':'eg==','c':''}"},
         .not = "stringData"},
        {"type is fixed", "PATCH", P_SECRET "/s", "{'type':'other'}", .type = MERGE, .status = 422,
         .want = {"type: Invalid value: \\'other\\': field is immutable"}},
        {"no base64", "POST", P_SECRET, "{'metadata':{'name':'t'},'data':{'a':'!'}}", .status = 422,
         .want = {"data[a]"}, .not = "'!'"},
        {"bad key", "POST", P_SECRET, "{'metadata':{'name':'t'},'data':{'a b':''}}", .status = 422,
         .want = {"data[a b]"}},
        {"tls without key", "POST", P_SECRET,
         "{'metadata':{'name':'t'},'type':'kubernetes.io/tls','data':{'tls.crt':''}}",
         .status = 422, .want = {"data[tls.key]: Required value"}, .not = "data[tls.crt]"},
        {"tls", "POST", P_SECRET,
         "{'metadata':{'name':'t'},'type':'kubernetes.io/tls','data':{'tls.crt':'','tls.key':''}}",
         .status = 201},
        {"docker", "POST", P_SECRET,
         "{'metadata':{'name':'d'},'type':'kubernetes.io/dockerconfigjson'}", .status = 422,
         .want = {"data[.dockerconfigjson]: Required value"}},
        {"basic without both", "POST", P_SECRET,
         "{'metadata':{'name':'d'},'type':'kubernetes.io/basic-auth'}", .status = 422,
         .want = {"data[username]: Required value", "data[password]: Required value"}},
        {"basic with one", "POST", P_SECRET,
         "{'metadata':{'name':'d'},'type':'kubernetes.io/"
         "basic-auth','stringData':{'password':'x'}}",
         .status = 201},
        {"frozen", "PATCH", P_SECRET "/s", "{'immutable':true}", .type = MERGE, .status = 200},
        {"data", "PATCH", P_SECRET "/s", "{'stringData':{'a':'new'}}", .type = MERGE, .status = 422,
         .want = {"data: Forbidden: field is immutable when `immutable` is set"}},
        {"thawed", "PATCH", P_SECRET "/s", "{'immutable':false}", .type = MERGE, .status = 422,
         .want = {"immutable: Forbidden"}},
        {"labels are free", "PATCH", P_SECRET "/s", "{'metadata':{'labels':{'x':'1'}}}",
         .type = MERGE, .status = 200},
        {"by type", "GET", P_SECRET "?fieldSelector=type%3Dkubernetes.io%2Ftls", .status = 200,
         .want = {"'name':'t'"}, .not = "'name':'s'"},
    };
    API_ROWS(*state, rows);
}

static void test_writes__other_built_in_kinds_follow_their_rules(void **state)
{
    static const struct row rows[] = {
        {"shared key", "POST", P_CM,
         "{'metadata':{'name':'c'},'data':{'k':'1'},'binaryData':{'k':'eA=='}}", .status = 422,
         .want = {"data[k]: Invalid value: \\'k\\': duplicate of key present in binaryData"}},
        {"frozen from the start", "POST", P_CM,
         "{'metadata':{'name':'c'},'data':{'k':'1'},'immutable':true}", .status = 201},
        {"binaryData", "PATCH", P_CM "/c", "{'binaryData':{'b':'eA=='}}", .type = MERGE,
         .status = 422, .want = {"binaryData: Forbidden"}},
        {"namespace", "POST", P_NS,
         "{'metadata':{'name':'n','labels':{'kubernetes.io/metadata.name':'zz'}},'spec':{},"
         "'status':{}}",
         .status = 201,
         .want = {"'kubernetes.io/metadata.name':'n'", "'spec':{'finalizers':['kubernetes']}",
                  "'phase':'Active'"}},
        {"its label stays", "PATCH", P_NS "/n",
         "{'metadata':{'labels':null},'spec':{'finalizers':[]}}", .type = MERGE, .status = 200,
         .want = {"'kubernetes.io/metadata.name':'n'", "'finalizers':['kubernetes']"}},
        {"its account", "GET", "/api/v1/namespaces/n/serviceaccounts/default", .status = 200},
        {"by phase", "GET", P_NS "?fieldSelector=status.phase%3DActive", .status = 200,
         .want = {"'name':'n'"}},
        {"event", "POST", P_EVENT,
         "{'metadata':{'name':'e'},'involvedObject':{'kind':'X','namespace':'default','name':'x'},'"
         "reason':'R',"
         "'eventTime':null,'source':{'component':'c'}}",
         .status = 201, .keep = true},
        {"event about another namespace", "POST", P_EVENT,
         "{'metadata':{'name':'f'},'involvedObject':{'namespace':'zz'}}", .status = 422,
         .want =
             {"involvedObject.namespace: Invalid value: \\'zz\\': does not match event.namespace"}},
        {"the other view", "GET", "/apis/events.k8s.io/v1/namespaces/default/events/e",
         .status = 200,
         .want = {"'apiVersion':'events.k8s.io/v1'", "'regarding':{'kind':'X'",
                  "'deprecatedSource'", "'resourceVersion':'@rv@'"},
         .not = "involvedObject"},
        {"patched there", "PATCH", "/apis/events.k8s.io/v1/namespaces/default/events/e",
         "{'note':'n'}", .type = MERGE, .status = 200, .want = {"'note':'n'"}},
        {"seen here", "GET", P_EVENT "/e", .status = 200,
         .want = {"'apiVersion':'v1','kind':'Event'", "'message':'n'"}, .not = "note"},
        {"made there", "POST", "/apis/events.k8s.io/v1/namespaces/default/events",
         "{'apiVersion':'events.k8s.io/"
         "v1','kind':'Event','metadata':{'name':'g'},'note':'m','regarding':{'namespace':"
         "'default','name':'x'},'eventTime':'2023-11-14T22:13:20.000000Z'}",
         .status = 201, .want = {"'note':'m'"}},
        {"read here", "GET", P_EVENT "/g", .status = 200,
         .want = {"'message':'m'", "'involvedObject':{"}},
        {"lease by put", "PUT", P_LEASE "/l",
         "{'apiVersion':'coordination.k8s.io/"
         "v1','kind':'Lease','metadata':{'name':'l'},'spec':{'holderIdentity':'me',"
         "'leaseDurationSeconds':15,'renewTime':'2023-11-14T22:13:20.000000Z'}}",
         .status = 201, .keep = true},
        {"renewed", "PUT", P_LEASE "/l",
         "{'metadata':{'name':'l','resourceVersion':'@rv@'},'spec':{'holderIdentity':'me','"
         "leaseDurationSeconds':15,"
         "'renewTime':'2023-11-14T22:13:25.000000Z'}}",
         .status = 200},
        {"renewed by another", "PUT", P_LEASE "/l",
         "{'metadata':{'name':'l','resourceVersion':'@rv@'},'spec':{'holderIdentity':'you'}}",
         .status = 409},
        {"put with a version of nothing", "PUT", P_LEASE "/z",
         "{'metadata':{'name':'z','resourceVersion':'3'}}", .status = 201},
        {"no duration", "PUT", P_LEASE "/l", "{'spec':{'leaseDurationSeconds':0}}", .status = 422,
         .want = {"spec.leaseDurationSeconds"}},
        {"released", "PUT", P_LEASE "/l", "{'spec':{'holderIdentity':'','leaseDurationSeconds':1}}",
         .status = 200},
        {"preferred without strategy", "PUT", P_LEASE "/l", "{'spec':{'preferredHolder':'x'}}",
         .status = 422, .want = {"may only be specified if `strategy` is defined"}},
    };
    API_ROWS(*state, rows);
}

/* A rule that came after an object was stored does not keep it from other changes. */
static void test_writes__unchanged_parts_are_not_judged_again(void **state)
{
    struct api *a = *state;
    fl_auto(fl_shared) text = NULL;
    struct fl_err err = FL_ERR_INIT;
    struct fl_store_write w = {
        .op = FL_STORE_CREATE,
        .key = {&fl_kind_registry, FL_STR("default"), FL_STR("old")},
        .before = FL_STR("{\"apiVersion\":\"fairlead.dev/"
                         "v1alpha1\",\"kind\":\"Registry\",\"metadata\":{\"name\":\"old\","
                         "\"namespace\":\"default\",\"uid\":\"u\",\"resourceVersion\":\""),
        .after = FL_STR("\",\"generation\":1},\"spec\":{\"url\":\"ftp://"
                        "r\",\"suspend\":false,\"insecure\":false,"
                        "\"interval\":\"5m\",\"timeout\":\"30s\",\"mode\":\"Apply\",\"type\":"
                        "\"oci\",\"maxConcurrent\":8}}"),
    };
    assert_int_equal(fl_store_write(a->s->store, &w, &text, NULL, &err), 0);
    static const struct row rows[] = {
        {"label", "PATCH", P_REG "/old", "{'metadata':{'labels':{'x':'1'}}}", .type = MERGE,
         .status = 200},
        {"status", "PATCH", P_REG "/old/status", "{'status':{'reachable':false}}", .type = MERGE,
         .status = 200},
        {"spec", "PATCH", P_REG "/old", "{'spec':{'suspend':true}}", .type = MERGE, .status = 422,
         .want = {"spec.url"}},
    };
    API_ROWS(a, rows);
}

/* A row that somebody changed by hand is told, and does not end the server. */
static void test_writes__altered_store_is_an_error(void **state)
{
    struct api *a = *state;
    fl_auto(fl_shared) text = NULL;
    struct fl_err err = FL_ERR_INIT;
    struct fl_store_write w = {
        .op = FL_STORE_CREATE,
        .key = {&fl_kind_config_map, FL_STR("default"), FL_STR("broken")},
        .before = FL_STR("{\"metadata\":{\"finalizers\":[\"a.b/c\""),
        .after = FL_STR(""),
    };
    static const struct row rows[] = {
        {"patch", "PATCH", P_CM "/broken", "{}", .type = MERGE, .status = 500,
         .want = {"InternalError", "altered"}},
        {"put", "PUT", P_CM "/broken", "{}", .status = 500},
        {"delete", "DELETE", P_CM "/broken", .status = 500},
        {"others work", "POST", P_CM, "{'metadata':{'name':'fine'}}", .status = 201},
    };
    assert_int_equal(fl_store_write(a->s->store, &w, &text, NULL, &err), 0);
    API_ROWS(a, rows);
}

/* Threads that change one object without naming versions: none of their changes is lost. */

#define WRITERS 4
#define WRITES 10

struct writer {
    struct api *a;
    int number, failed;
};

static void *writer_run(void *arg)
{
    struct writer *w = arg;
    for (int i = 0; i < WRITES; i++) {
        fl_auto_text body =
            fl_asprintf("{\"metadata\":{\"labels\":{\"w%d-%d\":\"x\"}}}", w->number, i);
        int status = 409;
        while (status == 409) { /* the server gives up after ten tries; clients come again */
            struct reply r = api_ask(w->a, &(struct ask){.method = "PATCH",
                                                         .path = P_CM "/shared",
                                                         .type = MERGE,
                                                         .body = fl_str_of(body)});
            status = r.res.status;
            reply_release(&r);
        }
        w->failed += status != 200;
        fl_auto_text own =
            fl_asprintf("{\"metadata\":{\"name\":\"own%d-%d\"},\"data\":{}}", w->number, i);
        struct reply r = api_ask(w->a, &(struct ask){.method = "POST",
                                                     .path = P_CM,
                                                     .type = "application/json",
                                                     .body = fl_str_of(own)});
        w->failed += r.res.status != 201;
        reply_release(&r);
    }
    return NULL;
}

static void test_writes__parallel_changes_are_all_kept(void **state)
{
    struct api *a = *state;
    static const struct row make[] = {
        {"make", "POST", P_CM, "{'metadata':{'name':'shared'}}", .status = 201},
    };
    struct writer w[WRITERS];
    pthread_t threads[WRITERS];
    API_ROWS(a, make);
    for (int i = 0; i < WRITERS; i++) {
        w[i] = (struct writer){.a = a, .number = i};
        fl_thread_start(&threads[i], "writer", writer_run, &w[i]);
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(w[i].failed, 0);
    }
    struct reply r = api_ask(a, &(struct ask){.method = "GET", .path = P_CM "/shared"});
    struct fl_str labels = fl_scan_path(r.text, "metadata.labels"), key, value;
    size_t at = 0, n = 0;
    while (fl_scan_next(labels, &at, &key, &value)) {
        n++;
    }
    assert_int_equal(n, WRITERS * WRITES);
    reply_release(&r);
    struct reply all = api_ask(a, &(struct ask){.method = "GET", .path = P_CM});
    struct fl_str items = fl_scan_path(all.text, "items");
    at = 0;
    n = 0;
    while (fl_scan_next(items, &at, &key, &value)) {
        n++;
    }
    assert_int_equal(n, WRITERS * WRITES + 1);
    reply_release(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(test_writes__create_sets_what_is_the_servers),
        API_TEST(test_writes__generated_names_are_new_each_time),
        API_TEST(test_writes__bodies_are_read_in_three_formats),
        API_TEST(test_writes__protobuf_of_a_built_in_kind_is_taken),
        API_TEST(test_writes__type_name_and_namespace_agree_with_the_url),
        API_TEST(test_writes__metadata_is_checked),
        API_TEST(test_writes__sizes_are_bounded),
        API_TEST(test_writes__too_big_is_told_to_those_who_may_ask),
        API_TEST(test_writes__unknown_and_duplicate_fields_are_told_as_asked),
        API_TEST(test_writes__specs_are_checked_by_their_rows),
        API_TEST(test_writes__what_changes_nothing_changes_nothing),
        API_TEST(test_writes__generation_counts_changes_of_the_spec),
        API_TEST(test_writes__status_is_kept_apart_both_ways),
        API_TEST(test_writes__updates_are_locked_by_version_and_uid),
        API_TEST(test_writes__patches_of_each_type),
        API_TEST(test_writes__secrets_follow_their_rules),
        API_TEST(test_writes__other_built_in_kinds_follow_their_rules),
        API_TEST(test_writes__unchanged_parts_are_not_judged_again),
        API_TEST(test_writes__altered_store_is_an_error),
        API_TEST(test_writes__parallel_changes_are_all_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
