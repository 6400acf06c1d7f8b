/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/wire/http_help.h"

#define DAY 86400

static const struct fl_peer_step hello[] = {
    {.method = "GET", .target = "/v2/", .times = -1, .answer = {.body = {"hello", 5}}},
    {.method = "PUT", .target = "/up", .times = -1, .answer = {.status = 201}},
    {.method = "GET", .target = "/blob", .times = -1, .answer = {.fill = 100}},
    {.method = "GET", .target = "/large", .times = -1, .answer = {.fill = 300000}},
};

static struct fl_peer *serve(const struct fl_peer_certs *c, const char *client_ca)
{
    return fl_peer_new(&(struct fl_peer_conf){.steps = hello,
                                              .n_steps = FL_LEN(hello),
                                              .unordered = true,
                                              .cert_pem = c->cert_pem,
                                              .key_pem = c->key_pem,
                                              .client_ca_pem = client_ca});
}

enum trust { TRUST_CA, TRUST_OTHER, TRUST_SYSTEM, TRUST_NONE };

struct row {
    const char *name;
    const char *san;
    int64_t from_s, to_s;
    enum trust trust;
    const char *server_name;
    enum fl_code want;
    const char *reason;
    const char *msg;
};

static const struct row rows[] = {
    {"good", "127.0.0.1", -DAY, DAY, TRUST_CA, NULL, 0, NULL, NULL},
    {"not verified", "other.test", -9 * DAY, -DAY, TRUST_NONE, NULL, 0, NULL, NULL},
    {"another CA", "127.0.0.1", -DAY, DAY, TRUST_OTHER, NULL, FL_E_UNAVAILABLE,
     "CertificateNotTrusted", "TLS certificate of 127.0.0.1 is not trusted: set caRef or insecure"},
    {"the system's CAs", "127.0.0.1", -DAY, DAY, TRUST_SYSTEM, NULL, FL_E_UNAVAILABLE,
     "CertificateNotTrusted", "set caRef or insecure"},
    {"expired", "127.0.0.1", -9 * DAY, -DAY, TRUST_CA, NULL, FL_E_UNAVAILABLE, "CertificateExpired",
     "TLS certificate of 127.0.0.1 has expired"},
    {"of tomorrow", "127.0.0.1", DAY, 9 * DAY, TRUST_CA, NULL, FL_E_UNAVAILABLE,
     "CertificateNotYetValid", "is not valid yet"},
    {"another name", "other.test", -DAY, DAY, TRUST_CA, NULL, FL_E_UNAVAILABLE, "CertificateName",
     "TLS certificate of 127.0.0.1 is for other names"},
    {"another name, asked for", "other.test", -DAY, DAY, TRUST_CA, "other.test", 0, NULL, NULL},
    {"not the name asked for", "127.0.0.1", -DAY, DAY, TRUST_CA, "other.test", FL_E_UNAVAILABLE,
     "CertificateName", "TLS certificate of other.test is for other names"},
};

static void test_tls__certificate_has_its_outcome(void **state)
{
    (void)state;
    const char *any[] = {"127.0.0.1", NULL};
    fl_auto_val(fl_peer_certs) other = {0};
    fl_peer_certs_make(any, -DAY, DAY, &other);
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        const struct row *r = &rows[i];
        const char *sans[] = {r->san, NULL};
        fl_auto_val(fl_peer_certs) certs = {0};
        fl_peer_certs_make(sans, r->from_s, r->to_s, &certs);
        fl_auto(fl_peer) p = serve(&certs, NULL);
        const char *const cas[] = {certs.ca_pem, other.ca_pem, NULL, NULL};
        struct http_env e;
        env_init(&e, &(struct fl_http_conf){.ca_pem = cas[r->trust],
                                            .insecure = r->trust == TRUST_NONE,
                                            .tls_server_name = r->server_name});
        for (int k = 0; k < 2; k++) {
            row_check(r->name, env_get(&e, p, "/v2/") == (int)r->want, &e);
        }
        if (r->want) {
            row_check(r->name, fl_text_eq(e.err.reason, r->reason), &e);
            row_check(r->name, strstr(e.err.msg, r->msg), &e);
            row_check(r->name, fl_peer_count(p) == 0, &e);
        } else {
            row_check(r->name, fl_text_eq(e.resp.body.data, "hello"), &e);
            row_check(r->name, fl_peer_connections(p) == 1, &e);
            row_check(r->name, fl_text_eq(e.resp.url, url_of(p, "/v2/")), &e);
            char host[64];
            (void)snprintf(host, sizeof(host), "127.0.0.1:%d", fl_peer_port(p));
            const struct fl_peer_record *rec = fl_peer_at(p, 0);
            const char *sent = NULL;
            for (size_t k = 0; k < rec->n_headers; k++) {
                sent = fl_text_eq(rec->headers[k].name, "Host") ? rec->headers[k].value : sent;
            }
            row_check(r->name, fl_text_eq(sent, host), &e);
        }
        env_release(&e);
    }
}

static void test_tls__intermediate_may_be_the_anchor(void **state)
{
    (void)state;
    const char *sans[] = {"127.0.0.1", NULL};
    fl_auto_val(fl_peer_certs) certs = {0};
    fl_peer_certs_make(sans, -DAY, DAY, &certs);
    fl_auto(fl_peer) p = serve(&certs, NULL);
    struct http_env e;
    env_init(&e, &(struct fl_http_conf){.ca_pem = certs.cert_pem}); /* the leaf itself */
    row_check("leaf", env_get(&e, p, "/v2/") == 0, &e);
    env_release(&e);
}

static void test_tls__client_certificate_is_sent(void **state)
{
    (void)state;
    const char *sans[] = {"127.0.0.1", NULL};
    fl_auto_val(fl_peer_certs) certs = {0};
    fl_peer_certs_make(sans, -DAY, DAY, &certs);
    fl_auto(fl_peer) p = serve(&certs, certs.ca_pem);
    struct http_env e;
    env_init(&e, &(struct fl_http_conf){.ca_pem = certs.ca_pem,
                                        .cert_pem = certs.client_cert_pem,
                                        .key_pem = certs.client_key_pem});
    row_check("with", env_get(&e, p, "/v2/") == 0, &e);
    env_release(&e);
    env_init(&e, &(struct fl_http_conf){.ca_pem = certs.ca_pem});
    row_check("without", env_get(&e, p, "/v2/") == FL_E_UNAVAILABLE, &e);
    env_release(&e);
}

static void test_tls__plain_port_is_said(void **state)
{
    (void)state;
    fl_auto(fl_peer) p = fl_peer_play(hello, FL_LEN(hello));
    struct http_env e;
    env_init(&e, NULL);
    char url[64];
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%d/v2/", fl_peer_port(p));
    struct fl_http_req req = {.method = "GET", .url = url};
    assert_int_equal(fl_http_do(e.h, &e.ctx, &req, &e.resp, &e.err), FL_E_UNAVAILABLE);
    assert_string_equal(e.err.reason, "TLSFailed");
    env_release(&e);
}

static void test_redirect__https_to_http_is_refused(void **state)
{
    (void)state;
    const char *sans[] = {"127.0.0.1", NULL};
    fl_auto_val(fl_peer_certs) certs = {0};
    fl_peer_certs_make(sans, -DAY, DAY, &certs);
    fl_auto(fl_peer) plain = fl_peer_play(NULL, 0);
    char location[128];
    (void)snprintf(location, sizeof(location), "Location: %s/x", fl_peer_url(plain));
    const struct fl_peer_step step = {
        .method = "GET", .target = "/", .answer = {.status = 302, .headers = {location}}};
    fl_auto(fl_peer) p = fl_peer_new(&(struct fl_peer_conf){
        .steps = &step, .n_steps = 1, .cert_pem = certs.cert_pem, .key_pem = certs.key_pem});
    struct http_env e;
    env_init(&e, &(struct fl_http_conf){.ca_pem = certs.ca_pem});
    struct fl_http_req req = {.method = "GET", .url = url_of(p, "/"), .max_redirects = 5};
    assert_int_equal(fl_http_do(e.h, &e.ctx, &req, &e.resp, &e.err), FL_E_BAD_DATA);
    assert_string_equal(e.err.reason, "RedirectRefused");
    assert_int_equal(fl_peer_connections(plain), 0);
    env_release(&e);
}

static void test_new__bad_pem_is_invalid(void **state)
{
    (void)state;
    const char *sans[] = {"127.0.0.1", NULL};
    fl_auto_val(fl_peer_certs) a = {0};
    fl_auto_val(fl_peer_certs) b = {0};
    fl_peer_certs_make(sans, -DAY, DAY, &a);
    fl_peer_certs_make(sans, -DAY, DAY, &b);
    fl_auto_text broken = fl_asprintf("%s-----BEGIN CERTIFICATE-----\nAAAA\n", a.ca_pem);
    const struct {
        const char *name;
        struct fl_http_conf conf;
        const char *reason;
    } bad[] = {
        {"CA is no PEM", {.ca_pem = "hello"}, "InvalidCA"},
        {"CA is empty", {.ca_pem = ""}, "InvalidCA"},
        {"CA is a key", {.ca_pem = a.key_pem}, "InvalidCA"},
        {"second CA is broken", {.ca_pem = broken}, "InvalidCA"},
        {"certificate is no PEM",
         {.cert_pem = "x", .key_pem = a.key_pem},
         "InvalidClientCertificate"},
        {"key is no PEM", {.cert_pem = a.cert_pem, .key_pem = "x"}, "InvalidClientCertificate"},
        {"no key", {.cert_pem = a.cert_pem}, "InvalidClientCertificate"},
        {"key of another",
         {.cert_pem = a.cert_pem, .key_pem = b.key_pem},
         "InvalidClientCertificate"},
    };
    for (size_t i = 0; i < FL_LEN(bad); i++) {
        struct fl_http *h = NULL;
        struct fl_err err = FL_ERR_INIT;
        int rc = fl_http_new(&bad[i].conf, &h, &err);
        if (rc != FL_E_INVALID || h || !fl_text_eq(err.reason, bad[i].reason)) {
            fail_msg("%s: %d %s %s", bad[i].name, rc, err.reason, err.msg);
        }
    }
}

/* ---- two trusts in one slot ---- */

static int pipe_of(struct http_env *from, struct http_env *to, const struct fl_peer *p,
                   const char *what, int64_t size)
{
    struct fl_http_req get = {.method = "GET", .url = url_of(p, what)};
    struct fl_http_req put = {.method = "PUT", .url = url_of(p, "/up")};
    struct fl_http_pipe pipe = {
        .from = from->h, .get = &get, .to = to->h, .put = &put, .size = size};
    return fl_http_pipe(&pipe, &from->ctx, &from->resp, &to->resp, &from->err);
}

static void test_pipe__source_does_not_borrow_the_trust_of_others(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int64_t size;
    } blobs[] = {{"/blob", 100}, {"/large", 300000}};
    const char *sans[] = {"127.0.0.1", NULL};
    fl_auto_val(fl_peer_certs) certs = {0};
    fl_auto_val(fl_peer_certs) other = {0};
    fl_peer_certs_make(sans, -DAY, DAY, &certs);
    fl_peer_certs_make(sans, -DAY, DAY, &other);
    fl_auto_text both = fl_asprintf("%s%s", certs.ca_pem, other.ca_pem);
    for (size_t i = 0; i < FL_LEN(blobs); i++) {
        fl_auto(fl_peer) p = serve(&certs, NULL);
        struct http_env good;
        struct http_env good2;
        struct http_env bad;
        env_init(&good, &(struct fl_http_conf){.ca_pem = certs.ca_pem});
        env_init(&good2, &(struct fl_http_conf){.ca_pem = both});
        env_init(&bad, &(struct fl_http_conf){.ca_pem = other.ca_pem});
        const char *what = blobs[i].what;
        int64_t n = blobs[i].size;
        /* Connections of the target's own, then of a guest with a good trust, lie in the slot when the bad one comes. */
        row_check("own", pipe_of(&good, &good, p, what, n) == 0, &good);
        row_check("guest", pipe_of(&good2, &good, p, what, n) == 0, &good2);
        row_check("bad", pipe_of(&bad, &good, p, what, n) == FL_E_UNAVAILABLE, &bad);
        assert_string_equal(bad.err.reason, "CertificateNotTrusted");
        row_check("guest again", pipe_of(&good2, &good, p, what, n) == 0, &good2);
        row_check("target", pipe_of(&good, &bad, p, what, n) == FL_E_UNAVAILABLE, &good);
        assert_string_equal(good.err.reason, "CertificateNotTrusted");
        env_release(&good);
        env_release(&good2);
        env_release(&bad);
    }
}

static int setup(void **state)
{
    (void)state;
    fl_http_global_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls__certificate_has_its_outcome),
        cmocka_unit_test(test_tls__intermediate_may_be_the_anchor),
        cmocka_unit_test(test_tls__client_certificate_is_sent),
        cmocka_unit_test(test_tls__plain_port_is_said),
        cmocka_unit_test(test_redirect__https_to_http_is_refused),
        cmocka_unit_test(test_new__bad_pem_is_invalid),
        cmocka_unit_test(test_pipe__source_does_not_borrow_the_trust_of_others),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
