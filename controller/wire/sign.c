/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/sign.h"

#include <limits.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/mem.h"
#include "base/text.h"

enum { KEY_BITS_MIN = 2048 };

/* NOLINTNEXTLINE(readability-non-const-parameter): OpenSSL's signature */
static int no_password(char *buf, int size, int writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)arg;
    return 0; /* or OpenSSL asks on the terminal */
}

/* NULL, and *ret_why, when it is no key that can sign. */
static EVP_PKEY *key_read(struct fl_str pem, const char **ret_why)
{
    EVP_PKEY *key = NULL;
    if (pem.n > 0 && pem.n < INT_MAX) {
        BIO *b = BIO_new_mem_buf(pem.p, (int)pem.n);
        fl_assert(b);
        key = PEM_read_bio_PrivateKey(b, NULL, no_password, NULL);
        BIO_free(b);
        ERR_clear_error();
    }
    if (!key) {
        *ret_why = "it is no private key in PEM without a password";
        return NULL;
    }
    bool rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
    if (rsa && EVP_PKEY_get_bits(key) >= KEY_BITS_MIN) {
        *ret_why = NULL;
        return key;
    }
    EVP_PKEY_free(key);
    *ret_why = rsa ? "the RSA key has less than 2048 bits" : "it is no RSA key";
    return NULL;
}

const char *fl_rsa_key_check(struct fl_str pem)
{
    const char *why = NULL;
    EVP_PKEY_free(key_read(pem, &why));
    return why;
}

int fl_rs256_sign(struct fl_str pem, struct fl_str data, struct fl_buf *ret, struct fl_err *err)
{
    const char *why = NULL;
    EVP_PKEY *key = key_read(pem, &why);
    if (!key) {
        return fl_fail(err, FL_E_INVALID, "KeyInvalid", "the key cannot sign: %s", why);
    }
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    fl_assert(md);
    size_t n = (size_t)EVP_PKEY_get_size(key);
    unsigned char *sig = fl_malloc(n);
    bool ok = EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestSign(md, sig, &n, (const unsigned char *)data.p, data.n) == 1;
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(key);
    ERR_clear_error();
    if (ok) {
        fl_buf_add(ret, sig, n);
    }
    fl_free(sig);
    return ok ? 0 : fl_fail(err, FL_E_INVALID, "KeyInvalid", "the key cannot sign");
}

void fl_base64url_add(struct fl_buf *b, const void *p, size_t n)
{
    size_t at = b->len;
    fl_base64_add(b, p, n);
    while (b->len > at && b->data[b->len - 1] == '=') {
        fl_buf_truncate(b, b->len - 1);
    }
    for (; at < b->len; at++) {
        char c = b->data[at];
        b->data[at] = (char)(c == '+' ? '-' : c == '/' ? '_' : c);
    }
}

int fl_jwt_rs256(struct fl_str pem, struct fl_str claims, struct fl_buf *ret, struct fl_err *err)
{
    static const struct fl_str header = {"{\"alg\":\"RS256\",\"typ\":\"JWT\"}", 27};
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) sig = FL_BUF_INIT(FL_BUF_ANY);
    fl_base64url_add(&text, header.p, header.n);
    fl_buf_char(&text, '.');
    fl_base64url_add(&text, claims.p, claims.n);
    int x = fl_rs256_sign(pem, fl_buf_slice(&text), &sig, err);
    if (x < 0) {
        return x;
    }
    fl_buf_char(&text, '.');
    fl_base64url_add(&text, sig.data, sig.len);
    fl_buf_str(ret, fl_buf_slice(&text));
    fl_buf_wipe(&text);
    return 0;
}
