/* SPDX-License-Identifier: Apache-2.0 */
#include "fake/peer.h"

#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "base/text.h"
#include "fake/peer_priv.h"

static char *bio_text(BIO *b)
{
    char *p = NULL;
    long n = BIO_get_mem_data(b, &p);
    char *text = fl_strndup(p, (size_t)n);
    BIO_free(b);
    return text;
}

static char *cert_text(X509 *x)
{
    BIO *b = BIO_new(BIO_s_mem());
    fl_assert(b && PEM_write_bio_X509(b, x));
    return bio_text(b);
}

static char *key_text(EVP_PKEY *k)
{
    BIO *b = BIO_new(BIO_s_mem());
    fl_assert(b && PEM_write_bio_PrivateKey(b, k, NULL, NULL, 0, NULL, NULL));
    return bio_text(b);
}

static void extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    fl_assert(e && X509_add_ext(x, e, -1));
    X509_EXTENSION_free(e);
}

static X509 *cert_new(const char *cn, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
                      int64_t from_s, int64_t to_s, const char *sans)
{
    X509 *x = X509_new();
    fl_assert(x && X509_set_version(x, 2));
    X509_NAME *name = X509_get_subject_name(x);
    fl_assert(
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0));
    (void)ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), fl_random_u64() >> 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(x), (long)from_s);
    (void)X509_gmtime_adj(X509_getm_notAfter(x), (long)to_s);
    fl_assert(X509_set_pubkey(x, key));
    X509 *by = issuer ? issuer : x;
    fl_assert(X509_set_issuer_name(x, X509_get_subject_name(by)));
    extension(x, by, NID_basic_constraints, issuer ? "critical,CA:FALSE" : "critical,CA:TRUE");
    extension(x, by, NID_subject_key_identifier, "hash");
    if (sans) {
        extension(x, by, NID_subject_alt_name, sans);
    }
    fl_assert(X509_sign(x, issuer_key ? issuer_key : key, EVP_sha256()));
    return x;
}

static void sans_text(struct fl_buf *b, const char *const *sans)
{
    for (size_t i = 0; sans[i]; i++) {
        unsigned char ip[16];
        bool is_ip = inet_pton(AF_INET, sans[i], ip) == 1 || inet_pton(AF_INET6, sans[i], ip) == 1;
        fl_buf_fmt(b, "%s%s:%s", i ? "," : "", is_ip ? "IP" : "DNS", sans[i]);
    }
}

void fl_peer_certs_make(const char *const *sans, int64_t from_s, int64_t to_s,
                        struct fl_peer_certs *ret)
{
    const int64_t day = 86400;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    sans_text(&b, sans);
    EVP_PKEY *ca_key = EVP_EC_gen("P-256");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_PKEY *client_key = EVP_EC_gen("P-256");
    fl_assert(ca_key && key && client_key);
    X509 *ca = cert_new("test CA", ca_key, NULL, NULL, -400 * day, 400 * day, NULL);
    X509 *cert = cert_new("test server", key, ca, ca_key, from_s, to_s, b.data);
    X509 *client = cert_new("test client", client_key, ca, ca_key, -day, day, NULL);
    *ret = (struct fl_peer_certs){cert_text(ca), cert_text(cert), key_text(key), cert_text(client),
                                  key_text(client_key)};
    X509_free(ca);
    X509_free(cert);
    X509_free(client);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
    EVP_PKEY_free(client_key);
}

void fl_peer_certs_release(struct fl_peer_certs *c)
{
    fl_free(c->ca_pem);
    fl_free(c->cert_pem);
    fl_free(c->key_pem);
    fl_free(c->client_cert_pem);
    fl_free(c->client_key_pem);
    *c = (struct fl_peer_certs){0};
}

static X509 *cert_of(const char *pem)
{
    BIO *b = BIO_new_mem_buf(pem, -1);
    X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
    BIO_free(b);
    fl_assert(x != NULL);
    return x;
}

SSL_CTX *peer_tls_new(const struct fl_peer_conf *conf)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    BIO *b = BIO_new_mem_buf(conf->key_pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
    BIO_free(b);
    X509 *cert = cert_of(conf->cert_pem);
    fl_assert(ctx && key && SSL_CTX_use_certificate(ctx, cert) == 1);
    fl_assert(SSL_CTX_use_PrivateKey(ctx, key) == 1);
    X509_free(cert);
    EVP_PKEY_free(key);
    if (conf->client_ca_pem) {
        X509 *ca = cert_of(conf->client_ca_pem);
        fl_assert(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca));
        X509_free(ca);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return ctx;
}
