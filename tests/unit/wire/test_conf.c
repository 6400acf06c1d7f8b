/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "wire/conf.h"
#include "wire/file.h"

struct place {
    char dir[32];
    char *path, *other;
};

static int make_place(void **state)
{
    struct place *p = FL_NEW(struct place);

    *p = (struct place){.dir = "/tmp/fl-conf-XXXXXX"};
    *state = p;
    if (!mkdtemp(p->dir)) {
        return -1;
    }
    p->path = fl_asprintf("%s/config", p->dir);
    p->other = fl_asprintf("%s/other.pem", p->dir);
    return 0;
}

static int drop_place(void **state)
{
    struct place *p = *state;

    (void)unlink(p->path);
    (void)unlink(p->other);
    (void)rmdir(p->dir);
    fl_free(p->path);
    fl_free(p->other);
    fl_free(p);
    return 0;
}

/* ---- the flat file ---- */

static const char *const known[] = {"listen", "data-dir", "verbose", "allow", "x", NULL};

/* "key=value@line;" for each entry */
static void render(struct fl_buf *b, const struct fl_conf_entry *e, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fl_buf_fmt(b, "%s=%s@%d;", e[i].key, e[i].value, e[i].line);
    }
}

static void test_conf__flat_files_give_their_entries_in_order(void **state)
{
    const struct place *p = *state;
    static const struct {
        const char *name, *text, *want;
    } rows[] = {
        {"one", "listen: 127.0.0.1:6443\n", "listen=127.0.0.1:6443@1;"},
        {"order and comments", "# ours\n\nverbose: true # yes\nlisten: a\n",
         "verbose=true@3;listen=a@4;"},
        {"numbers stay texts", "verbose: 007\nx: 1e3\n", "verbose=007@1;x=1e3@2;"},
        {"quotes", "listen: \"a: b\"\n'data-dir': '/a#b'\n\"x\": \"q\\n\"\n",
         "listen=a: b@1;data-dir=/a#b@2;x=q\n@3;"},
        {"block list", "x: 1\nallow:\n  - a\n  - b c\nlisten: z\n",
         "x=1@1;allow=a@2;allow=b c@2;listen=z@5;"},
        {"list at the key's indent", "allow:\n- a\n- b\n", "allow=a@1;allow=b@1;"},
        {"flow list", "allow: [a, \"b\"]\nx: y\n", "allow=a@1;allow=b@1;x=y@2;"},
        {"two lists", "allow: [a]\nx:\n- b\n", "allow=a@1;x=b@2;"},
        {"empty list", "allow: []\nx: y\n", "x=y@2;"},
        {"empty value", "listen:\nx: ''\n", "listen=@1;x=@2;"},
        {"block scalar", "x: |\n  listen: no\n  more\nlisten: yes\n",
         "x=listen: no\nmore\n@1;listen=yes@4;"},
        {"markers", "---\nlisten: a\n...\n", "listen=a@2;"},
        {"indented", "  listen: a\n  x: b\n", "listen=a@1;x=b@2;"},
        {"byte order mark", "\xef\xbb\xbflisten: a\n", "listen=a@1;"},
        {"line ends of Windows", "listen: a\r\nx: b\r\n", "listen=a@1;x=b@2;"},
        {"empty", "", ""},
        {"only comments", "# nothing\n---\n# more\n", ""},
    };

    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        fl_auto_val(fl_buf) got = FL_BUF_INIT(1000);
        struct fl_conf_entry *entries = NULL;
        struct fl_err err = FL_ERR_INIT;
        size_t n = 0;

        assert_int_equal(fl_file_replace(p->path, fl_str_of(rows[i].text), NULL), 0);
        if (fl_conf_load(p->path, known, a, &entries, &n, &err) != 0) {
            fail_msg("%s: %s", rows[i].name, err.msg);
        }
        render(&got, entries, n);
        if (strcmp(got.data, rows[i].want) != 0) {
            fail_msg("%s: got %s", rows[i].name, got.data);
        }
    }
}

static void test_conf__wrong_files_are_refused_with_their_place(void **state)
{
    const struct place *p = *state;
    static const struct {
        const char *name, *text, *want;
    } rows[] = {
        {"unknown key", "listen: a\nlitsen: b\n", "line 2, column 1: unknown key 'litsen'"},
        {"unknown first key", "# x\nbogus: b\n", "line 2, column 1: unknown key 'bogus'"},
        {"unknown key after a list", "allow:\n- a\n- b\n\n  # c\nbogus: b\n",
         "line 6, column 1: unknown key 'bogus'"},
        {"unknown quoted key", "x: 1\n\"no such\": b\n", "line 2, column 1: unknown key 'no such'"},
        {"case counts", "Listen: a\n", "line 1, column 1: unknown key 'Listen'"},
        {"repeated key", "listen: a\nx: b\nlisten: c\n", "line 3, column 1: repeated key 'listen'"},
        {"nested mapping", "x: 1\nlisten:\n  host: a\n",
         "line 2, column 1: a value or a list of values is wanted under 'listen'"},
        {"flow mapping", "listen: {host: a}\n",
         "line 1, column 1: a value or a list of values is wanted under 'listen'"},
        {"list of lists", "x: 1\nallow:\n- [a]\n",
         "line 2, column 1: a value or a list of values is wanted under 'allow'"},
        {"list of mappings", "allow:\n- a: b\n",
         "line 1, column 1: a value or a list of values is wanted under 'allow'"},
        {"null", "x: 1\nlisten: null\n",
         "line 2, column 1: null is no value, leave the line out: key 'listen'"},
        {"tilde", "listen: ~\n", "line 1, column 1: null is no value"},
        {"two documents", "listen: a\n---\nx: b\n", "line 2, column 1: only one document"},
        {"two documents by dots", "listen: a\n...\nx: b\n", "line 3, column 1: only one document"},
        {"second document empty", "listen: a\n---\n", "line 2, column 1: only one document"},
        {"only a scalar", "listen\n", "lines of the form 'key: value' are wanted"},
        {"a list", "- listen\n", "lines of the form 'key: value' are wanted"},
        {"tab", "listen: a\n\tx: b\n", "not YAML: "},
        {"unclosed quote", "listen: \"a\n", "not YAML: "},
        {"unclosed list", "x: 1\nallow: [a\n", "not YAML: "},
        {"alias", "listen: &a b\nx: *a\n", "aliases are not allowed"},
        {"NUL", "listen: a", "the file is not UTF-8 text"},
        {"not UTF-8", "listen: \xff\xfe\n", "the file is not UTF-8 text"},
    };

    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_conf_entry *entries = NULL;
        struct fl_err err = FL_ERR_INIT;
        size_t n = 99;
        struct fl_str text = fl_str_of(rows[i].text);

        if (strcmp(rows[i].name, "NUL") == 0) {
            text.n++; /* its terminator */
        }
        assert_int_equal(fl_file_replace(p->path, text, NULL), 0);
        if (fl_conf_load(p->path, known, a, &entries, &n, &err) != FL_E_INVALID || n != 99 ||
            !strstr(err.msg, rows[i].want) || !fl_text_starts(err.msg, p->path)) {
            fail_msg("%s: got %s", rows[i].name, err.msg);
        }
    }
}

static void test_conf__missing_and_large_files_are_named(void **state)
{
    const struct place *p = *state;
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto_val(fl_buf) large = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_conf_entry *entries = NULL;
    struct fl_err err = FL_ERR_INIT;
    size_t n = 0;

    assert_int_equal(fl_conf_load(p->path, known, a, &entries, &n, &err), FL_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, p->path));
    for (int i = 0; i < 100000; i++) {
        fl_buf_text(&large, "# a long comment\n");
    }
    assert_int_equal(fl_file_replace(p->path, fl_buf_slice(&large), NULL), 0);
    assert_int_equal(fl_conf_load(p->path, known, a, &entries, &n, &err), FL_E_TOO_BIG);
}

static void test_conf__deep_nesting_is_refused_quickly(void **state)
{
    const struct place *p = *state;
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto_val(fl_buf) deep = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_conf_entry *entries = NULL;
    struct fl_kubeconfig k;
    struct fl_err err = FL_ERR_INIT;
    size_t n = 0;

    fl_buf_text(&deep, "x: ");
    for (int i = 0; i < 20000; i++) {
        fl_buf_char(&deep, '[');
    }
    assert_int_equal(fl_file_replace(p->path, fl_buf_slice(&deep), NULL), 0);
    assert_int_equal(fl_conf_load(p->path, known, a, &entries, &n, &err), FL_E_INVALID);
    assert_int_equal(fl_kubeconfig_load(p->path, NULL, a, &k, &err), FL_E_INVALID);
}

/* ---- kubeconfig ---- */

#define HEAD "apiVersion: v1\nkind: Config\npreferences: {}\ncurrent-context: c\n"
#define CONTEXT "contexts:\n- name: c\n  context: {cluster: k, user: u, namespace: n}\n"
#define CLUSTER "clusters:\n- name: k\n  cluster:\n    server: https://h:6443\n"
#define USER "users:\n- name: u\n  user:\n"
#define WITH_USER(lines) HEAD CONTEXT CLUSTER USER lines
#define WITH_CLUSTER(lines) HEAD CONTEXT CLUSTER lines USER "    token: t\n"

static void test_conf__kubeconfig_gives_all_parts(void **state)
{
    static const char text[] = HEAD "contexts:\n"
                                    "- context: {cluster: other, user: other}\n"
                                    "  name: d\n"
                                    "- name: c\n"
                                    "  context:\n"
                                    "    cluster: k\n"
                                    "    extensions:\n"
                                    "    - extension: {last-update: now, nested: [1, {a: b}]}\n"
                                    "      name: context_info\n"
                                    "    namespace: n\n"
                                    "    user: u\n"
                                    "clusters:\n"
                                    "- cluster: {server: http://other}\n"
                                    "  name: other\n"
                                    "- cluster:\n"
                                    "    certificate-authority-data: Q0E=\n"
                                    "    certificate-authority: not-read.pem\n"
                                    "    server: https://h:6443/base\n"
                                    "    tls-server-name: inner\n"
                                    "    proxy-url: http://proxy:3128\n"
                                    "    disable-compression: true\n"
                                    "    insecure-skip-tls-verify: false\n"
                                    "  name: k\n"
                                    "users:\n"
                                    "- name: u\n"
                                    "  user:\n"
                                    "    client-certificate-data: Q0VSVA==\n"
                                    "    client-key: other.pem\n"
                                    "    token: t0ken\n"
                                    "    username: me\n"
                                    "    password: s3cret\n";
    const struct place *p = *state;
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_kubeconfig k = {.server = NULL};
    struct fl_err err = FL_ERR_INIT;

    assert_int_equal(fl_file_replace(p->path, fl_str_of(text), NULL), 0);
    assert_int_equal(fl_file_replace(p->other, FL_STR("KEY"), NULL), 0);
    if (fl_kubeconfig_load(p->path, NULL, a, &k, &err) != 0) {
        fail_msg("%s", err.msg);
    }
    assert_string_equal(k.server, "https://h:6443/base");
    assert_string_equal(k.ca_pem, "CA");
    assert_false(k.insecure);
    assert_string_equal(k.tls_server_name, "inner");
    assert_string_equal(k.proxy_url, "http://proxy:3128");
    assert_string_equal(k.token, "t0ken");
    assert_null(k.token_file);
    assert_string_equal(k.cert_pem, "CERT");
    assert_string_equal(k.key_pem, "KEY");
    assert_string_equal(k.username, "me");
    assert_string_equal(k.password, "s3cret");
    assert_string_equal(k.namespace_, "n");

    assert_int_equal(fl_kubeconfig_load(p->path, "d", a, &k, &err), FL_E_INVALID);
    assert_non_null(strstr(err.msg, "there is no user 'other'"));
}

static void test_conf__kubeconfig_small_forms_are_taken(void **state)
{
    const struct place *p = *state;
    static const struct {
        const char *name, *text;
        const char *token, *token_file;
        bool insecure;
    } rows[] = {
        {"no user", HEAD "contexts: [{name: c, context: {cluster: k}}]\n" CLUSTER "users: null\n",
         NULL, NULL, false},
        {"user without anything", WITH_USER("    {}\n"), NULL, NULL, false},
        {"user null", HEAD CONTEXT CLUSTER "users:\n- name: u\n  user: null\n", NULL, NULL, false},
        {"token", WITH_USER("    token: \"123\"\n"), "123", NULL, false},
        {"tokenFile beats token", WITH_USER("    token: a\n    tokenFile: /abs/token\n"), NULL,
         "/abs/token", false},
        {"insecure", WITH_CLUSTER("    insecure-skip-tls-verify: true\n"), "t", NULL, true},
        {"exec null", WITH_USER("    token: a\n    exec: null\n"), "a", NULL, false},
        {"JSON",
         "{\"current-context\":\"c\",\"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":\"k\","
         "\"user\":\"u\"}}],\"clusters\":[{\"name\":\"k\",\"cluster\":{\"server\":\"https://h\"}}],"
         "\"users\":[{\"name\":\"u\",\"user\":{\"token\":\"t\"}}]}",
         "t", NULL, false},
    };

    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_kubeconfig k = {.server = NULL};
        struct fl_err err = FL_ERR_INIT;

        assert_int_equal(fl_file_replace(p->path, fl_str_of(rows[i].text), NULL), 0);
        if (fl_kubeconfig_load(p->path, NULL, a, &k, &err) != 0) {
            fail_msg("%s: %s", rows[i].name, err.msg);
        }
        if (!fl_text_eq(k.token, rows[i].token) || !fl_text_eq(k.token_file, rows[i].token_file) ||
            k.insecure != rows[i].insecure || !k.server) {
            fail_msg("%s: token %s, file %s", rows[i].name, k.token ? k.token : "-",
                     k.token_file ? k.token_file : "-");
        }
    }
}

static void test_conf__relative_token_file_starts_at_the_config(void **state)
{
    const struct place *p = *state;
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto_text want = fl_asprintf("%s/sub/token", p->dir);
    struct fl_kubeconfig k;

    assert_int_equal(
        fl_file_replace(p->path, FL_STR(WITH_USER("    tokenFile: sub/token\n")), NULL), 0);
    assert_int_equal(fl_kubeconfig_load(p->path, NULL, a, &k, NULL), 0);
    assert_string_equal(k.token_file, want);
}

static void test_conf__kubeconfig_faults_are_refused_in_words(void **state)
{
    const struct place *p = *state;
    static const struct {
        const char *name, *text, *context, *want;
    } rows[] = {
        {"empty", "", NULL, "the file is empty"},
        {"a scalar", "hello\n", NULL, "this is not a kubeconfig"},
        {"no current-context", "clusters: []\n", NULL, "there is no current-context; name one"},
        {"context not there", HEAD CONTEXT CLUSTER, "other", "there is no context 'other'"},
        {"contexts null", HEAD "contexts: null\n", NULL, "there is no context 'c'"},
        {"context without cluster", HEAD "contexts: [{name: c, context: {user: u}}]\n", NULL,
         "context 'c' names no cluster"},
        {"cluster not there", HEAD CONTEXT, NULL, "there is no cluster 'k'"},
        {"user not there", HEAD CONTEXT CLUSTER, NULL, "there is no user 'u'"},
        {"no server", HEAD CONTEXT "clusters: [{name: k, cluster: {proxy-url: x}}]\n", NULL,
         "cluster 'k' has no server"},
        {"bad server", HEAD CONTEXT "clusters: [{name: k, cluster: {server: 'ftp://x'}}]\n", NULL,
         "cluster 'k': server: "},
        {"CA and insecure",
         WITH_CLUSTER("    insecure-skip-tls-verify: true\n"
                      "    certificate-authority-data: Q0E=\n"),
         NULL, "together with insecure-skip-tls-verify is not allowed"},
        {"CA is not base64", WITH_CLUSTER("    certificate-authority-data: '***'\n"), NULL,
         "'certificate-authority-data' is not base64"},
        {"CA file missing", WITH_CLUSTER("    certificate-authority: gone.pem\n"), NULL,
         "certificate-authority: cannot open "},
        {"insecure is no boolean", WITH_CLUSTER("    insecure-skip-tls-verify: perhaps\n"), NULL,
         "'insecure-skip-tls-verify' has a wrong value"},
        {"certificate without key", WITH_USER("    client-certificate-data: Q0E=\n"), NULL,
         "a client-certificate and a client-key belong together"},
        {"key without certificate", WITH_USER("    client-key-data: Q0E=\n"), NULL,
         "a client-certificate and a client-key belong together"},
        {"exec",
         WITH_USER("    exec:\n      apiVersion: v1\n      command: aws\n      args: [a]\n"), NULL,
         "user 'u': credentials by exec (aws) are not supported"},
        {"auth-provider", WITH_USER("    auth-provider: {name: gcp, config: {a: b}}\n"), NULL,
         "user 'u': auth-provider (gcp) is not supported"},
        {"impersonation", WITH_USER("    as: admin\n"), NULL,
         "user 'u': impersonation (as) is not supported"},
        {"token is a list", WITH_USER("    token: [s3cret]\n"), NULL, "'token' has a wrong value"},
        {"token twice", WITH_USER("    token: s3cret\n    token: s3cret\n"), NULL,
         "'token' stands there twice"},
        {"clusters are no list", HEAD "clusters: {a: b}\n", NULL, "'clusters' has a wrong value"},
        {"not YAML", HEAD "clusters: [\n", NULL, "not YAML"},
        {"alias", HEAD "clusters: &a []\nusers: *a\n", NULL, "aliases are not supported"},
        {"two documents", HEAD "---\n" CONTEXT, NULL, "only one document is allowed"},
    };

    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        struct fl_kubeconfig k = {.server = "untouched"};
        struct fl_err err = FL_ERR_INIT;

        assert_int_equal(fl_file_replace(p->path, fl_str_of(rows[i].text), NULL), 0);
        if (fl_kubeconfig_load(p->path, rows[i].context, a, &k, &err) != FL_E_INVALID ||
            !strstr(err.msg, rows[i].want) || !fl_text_starts(err.msg, p->path) ||
            strstr(err.msg, "s3cret") || strcmp(k.server, "untouched") != 0) {
            fail_msg("%s: got %s", rows[i].name, err.msg);
        }
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_place, drop_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_conf__flat_files_give_their_entries_in_order),
        TEST(test_conf__wrong_files_are_refused_with_their_place),
        TEST(test_conf__missing_and_large_files_are_named),
        TEST(test_conf__deep_nesting_is_refused_quickly),
        TEST(test_conf__kubeconfig_gives_all_parts),
        TEST(test_conf__kubeconfig_small_forms_are_taken),
        TEST(test_conf__relative_token_file_starts_at_the_config),
        TEST(test_conf__kubeconfig_faults_are_refused_in_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
