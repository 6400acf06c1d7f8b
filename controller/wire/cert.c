/* SPDX-License-Identifier: Apache-2.0
 * The self-signed certificates of the embedded API; the contract stands in crypt.h. */
#include "wire/crypt.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "base/text.h"

enum {
    CERT_CA_DAYS = 3650,
    CERT_DAYS = 397, /* the most that clients take: CA/Browser Forum, Baseline Requirements 6.3.2 */
    CERT_BACK_S = 3600, /* valid from an hour ago, for clients whose clock is behind */
    CERT_DAY_S = 86400,
    CERT_PEM_MAX = 65536,
};

/* OpenSSL's own types as owned locals. */
static void evp_pkey_st_free(EVP_PKEY *p)
{
    EVP_PKEY_free(p);
}
FL_AUTO(evp_pkey_st);

static void x509_st_free(X509 *p)
{
    X509_free(p);
}
FL_AUTO(x509_st);

static void bio_st_free(BIO *p)
{
    (void)BIO_free(p);
}
FL_AUTO(bio_st);

static int cert_fail(struct fl_err *err, enum fl_code code, const char *what)
{
    const char *words = ERR_reason_error_string(ERR_peek_last_error());
    int rc = fl_fail(err, code, "CertificateInvalid", "%s: %s", what,
                     words ? words : "unexpected failure");

    ERR_clear_error();
    return rc;
}

/* Never asks on the terminal. NOLINTNEXTLINE(readability-non-const-parameter): OpenSSL's signature */
static int cert_no_password(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return 0;
}

static int cert_read(const char *pem, X509 **ret, struct fl_err *err)
{
    fl_auto(bio_st) in = BIO_new_mem_buf(pem, -1);

    fl_assert(in);
    *ret = PEM_read_bio_X509(in, NULL, cert_no_password, NULL);
    return *ret ? 0 : cert_fail(err, FL_E_INVALID, "cannot read the certificate");
}

static int cert_read_key(const char *pem, EVP_PKEY **ret, struct fl_err *err)
{
    fl_auto(bio_st) in = BIO_new_mem_buf(pem, -1);

    fl_assert(in);
    *ret = PEM_read_bio_PrivateKey(in, NULL, cert_no_password, NULL);
    return *ret ? 0 : cert_fail(err, FL_E_INVALID, "cannot read the private key");
}

static void cert_bio_take(BIO *out, struct fl_buf *ret)
{
    char *p = NULL;
    long n = BIO_get_mem_data(out, &p);

    fl_buf_reserve(ret, (size_t)n);
    fl_buf_add(ret, p, (size_t)n);
}

static int cert_write(X509 *cert, struct fl_buf *ret, struct fl_err *err)
{
    fl_auto(bio_st) out = BIO_new(BIO_s_mem());

    if (!out || PEM_write_bio_X509(out, cert) != 1) {
        return cert_fail(err, FL_E_BUG, "cannot write the certificate");
    }
    cert_bio_take(out, ret);
    return fl_buf_finish(ret, "certificate", err);
}

static int cert_write_key(const EVP_PKEY *key, struct fl_buf *ret, struct fl_err *err)
{
    fl_auto(bio_st) out = BIO_new(BIO_s_mem());

    if (!out || PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) != 1) {
        return cert_fail(err, FL_E_BUG, "cannot write the private key");
    }
    cert_bio_take(out, ret);
    return fl_buf_finish(ret, "private key", err);
}

static bool cert_name_ok(const char *name)
{
    for (const char *p = name; *p; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');

        if (!letter && !(*p >= '0' && *p <= '9') && !strchr("-._*", *p)) {
            return false;
        }
    }
    return *name && strlen(name) <= 253;
}

static int cert_san_add(GENERAL_NAMES *names, const char *san, struct fl_err *err)
{
    ASN1_OCTET_STRING *ip = a2i_IPADDRESS(san);
    GENERAL_NAME *name;

    ERR_clear_error();
    if (!ip && !cert_name_ok(san)) {
        return fl_fail(err, FL_E_INVALID, "CertificateInvalid",
                       "'%s' is neither an address nor a host name", san);
    }
    name = GENERAL_NAME_new();
    fl_assert(name);
    if (ip) {
        GENERAL_NAME_set0_value(name, GEN_IPADD, ip);
    } else {
        ASN1_IA5STRING *text = ASN1_IA5STRING_new();

        fl_assert(text && ASN1_STRING_set(text, san, (int)strlen(san)) == 1);
        GENERAL_NAME_set0_value(name, GEN_DNS, text);
    }
    fl_assert(sk_GENERAL_NAME_push(names, name) > 0);
    return 0;
}

static int cert_sans(X509 *cert, const char *const *sans, struct fl_err *err)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    int rc = 0;

    fl_assert(names);
    for (size_t i = 0; sans[i] && rc == 0; i++) {
        rc = cert_san_add(names, sans[i], err);
    }
    if (rc == 0 && sk_GENERAL_NAME_num(names) == 0) {
        rc = fl_fail(err, FL_E_INVALID, "CertificateInvalid", "a certificate needs a name");
    }
    if (rc == 0 && X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) != 1) {
        rc = cert_fail(err, FL_E_BUG, "cannot add the names");
    }
    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
    return rc;
}

static bool cert_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;
    bool ok;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ok = ext && X509_add_ext(cert, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok;
}

/* 127 random bits: unique, positive and hard to guess (RFC 5280 4.1.2.2). */
static bool cert_serial(X509 *cert)
{
    unsigned char bytes[16];
    BIGNUM *n;
    bool ok;

    fl_random(bytes, sizeof(bytes));
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40);
    n = BN_bin2bn(bytes, sizeof(bytes), NULL);
    ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
    BN_free(n);
    return ok;
}

static bool cert_name(X509_NAME *name, const char *cn)
{
    return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"Fairlead",
                                      -1, -1, 0) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1,
                                      0) == 1;
}

/* A certificate without its extensions and signature; NULL on failure. */
static X509 *cert_begin(const char *cn, EVP_PKEY *key, int64_t wall_ms, int days)
{
    fl_auto(x509_st) cert = X509_new();
    time_t from = (time_t)(wall_ms / 1000 - CERT_BACK_S);
    time_t to = (time_t)(wall_ms / 1000 + (int64_t)days * CERT_DAY_S);

    if (!cert || X509_set_version(cert, 2) != 1 || !cert_serial(cert) ||
        X509_set_pubkey(cert, key) != 1 || !cert_name(X509_get_subject_name(cert), cn) ||
        !ASN1_TIME_set(X509_getm_notBefore(cert), from) ||
        !ASN1_TIME_set(X509_getm_notAfter(cert), to)) {
        return NULL;
    }
    return fl_take(cert);
}

static int cert_make_ca(int64_t wall_ms, EVP_PKEY **ret_key, X509 **ret, struct fl_err *err)
{
    fl_auto(evp_pkey_st) key = EVP_EC_gen("P-256");
    fl_auto(x509_st) cert = key ? cert_begin("fairlead-ca", key, wall_ms, CERT_CA_DAYS) : NULL;

    if (!cert || X509_set_issuer_name(cert, X509_get_subject_name(cert)) != 1 ||
        !cert_ext(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !cert_ext(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") ||
        !cert_ext(cert, cert, NID_subject_key_identifier, "hash") ||
        X509_sign(cert, key, EVP_sha256()) == 0) {
        return cert_fail(err, FL_E_BUG, "cannot make the CA");
    }
    *ret_key = fl_take(key);
    *ret = fl_take(cert);
    return 0;
}

/* A server's certificate that outlives its CA would only break later than it must. */
static bool cert_limit(X509 *cert, const X509 *ca)
{
    const ASN1_TIME *end = X509_get0_notAfter(ca);

    return ASN1_TIME_compare(X509_get0_notAfter(cert), end) <= 0 ||
           X509_set1_notAfter(cert, end) == 1;
}

static int cert_make_server(X509 *ca, EVP_PKEY *ca_key, const char *const *sans, int64_t wall_ms,
                            struct fl_buf *cert_pem, struct fl_buf *key_pem, struct fl_err *err)
{
    fl_auto(evp_pkey_st) key = EVP_EC_gen("P-256");
    fl_auto(x509_st) cert = key ? cert_begin("fairlead", key, wall_ms, CERT_DAYS) : NULL;
    int rc;

    if (!cert || !cert_limit(cert, ca) ||
        X509_set_issuer_name(cert, X509_get_subject_name(ca)) != 1 ||
        !cert_ext(cert, ca, NID_basic_constraints, "critical,CA:FALSE") ||
        !cert_ext(cert, ca, NID_key_usage, "critical,digitalSignature") ||
        !cert_ext(cert, ca, NID_ext_key_usage, "serverAuth") ||
        !cert_ext(cert, ca, NID_subject_key_identifier, "hash") ||
        !cert_ext(cert, ca, NID_authority_key_identifier, "keyid:always")) {
        return cert_fail(err, FL_E_BUG, "cannot make the certificate");
    }
    rc = cert_sans(cert, sans, err);
    if (rc == 0 && X509_sign(cert, ca_key, EVP_sha256()) == 0) {
        rc = cert_fail(err, FL_E_BUG, "cannot sign the certificate");
    }
    if (rc == 0) {
        rc = cert_write_key(key, key_pem, err);
    }
    return rc ? rc : cert_write(cert, cert_pem, err);
}

int fl_cert_make(const char *const *sans, int64_t wall_ms, struct fl_buf *ca_pem,
                 struct fl_buf *ca_key_pem, struct fl_buf *cert_pem, struct fl_buf *key_pem,
                 struct fl_err *err)
{
    fl_auto(evp_pkey_st) key = NULL;
    fl_auto(x509_st) ca = NULL;
    fl_auto_val(fl_buf) made_cert = FL_BUF_INIT(CERT_PEM_MAX);
    fl_auto_val(fl_buf) made_key = FL_BUF_INIT(CERT_PEM_MAX);
    int rc = cert_make_ca(wall_ms, &key, &ca, err);

    if (rc == 0) {
        rc = cert_make_server(ca, key, sans, wall_ms, &made_cert, &made_key, err);
    }
    if (rc == 0) {
        rc = cert_write(ca, ca_pem, err);
    }
    if (rc == 0) {
        rc = cert_write_key(key, ca_key_pem, err);
    }
    if (rc == 0) {
        fl_buf_str(cert_pem, fl_buf_slice(&made_cert));
        fl_buf_reserve(key_pem, made_key.len);
        fl_buf_str(key_pem, fl_buf_slice(&made_key));
    }
    fl_buf_wipe(&made_key);
    return rc;
}

int fl_cert_renew(const char *ca_pem, const char *ca_key_pem, const char *const *sans,
                  int64_t wall_ms, struct fl_buf *cert_pem, struct fl_buf *key_pem,
                  struct fl_err *err)
{
    fl_auto(evp_pkey_st) key = NULL;
    fl_auto(x509_st) ca = NULL;
    time_t now = (time_t)(wall_ms / 1000);
    int rc = cert_read(ca_pem, &ca, err);

    if (rc == 0) {
        rc = cert_read_key(ca_key_pem, &key, err);
    }
    if (rc) {
        return fl_wrap(err, "CA");
    }
    if (X509_check_private_key(ca, key) != 1) {
        return cert_fail(err, FL_E_INVALID, "the CA's key does not belong to its certificate");
    }
    if (X509_cmp_time(X509_get0_notAfter(ca), &now) <= 0) {
        return fl_fail(err, FL_E_INVALID, "CertificateInvalid", "the CA has expired");
    }
    return cert_make_server(ca, key, sans, wall_ms, cert_pem, key_pem, err);
}

int fl_cert_check(const char *cert_pem, const char *key_pem, struct fl_err *err)
{
    fl_auto(evp_pkey_st) key = NULL;
    fl_auto(x509_st) cert = NULL;

    if (cert_read(cert_pem, &cert, err) != 0) {
        return fl_fail(err, FL_E_INVALID, "CertificateInvalid",
                       "the certificate cannot be read (PEM is wanted)");
    }
    if (!key_pem || cert_read_key(key_pem, &key, err) != 0) {
        return fl_fail(err, FL_E_INVALID, "CertificateInvalid",
                       "the private key cannot be read (PEM without a password is wanted)");
    }
    if (X509_check_private_key(cert, key) != 1) {
        ERR_clear_error();
        return fl_fail(err, FL_E_INVALID, "CertificateInvalid",
                       "the private key does not belong to the certificate");
    }
    return 0;
}

int fl_cert_expiry(const char *cert_pem, int64_t *ret_wall_ms, struct fl_err *err)
{
    fl_auto(x509_st) cert = NULL;
    ASN1_TIME *epoch = NULL;
    int days = 0;
    int seconds = 0;
    int rc = cert_read(cert_pem, &cert, err);

    if (rc) {
        return rc;
    }
    epoch = ASN1_TIME_set(NULL, 0);
    fl_assert(epoch);
    rc = ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(cert));
    ASN1_TIME_free(epoch);
    if (rc != 1) {
        return cert_fail(err, FL_E_INVALID, "cannot read the certificate's dates");
    }
    *ret_wall_ms = ((int64_t)days * CERT_DAY_S + seconds) * 1000;
    return 0;
}
