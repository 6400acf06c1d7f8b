/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/digest.h"

#include <pthread.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/mem.h"

struct fl_digest {
    EVP_MD_CTX *ctx;
    enum fl_digest_alg alg;
};

/* Fetched once: an implicit fetch for each computation costs as much again as a small digest. They live as long as
 * the process, which OpenSSL's own exit handler knows. */
static pthread_once_t digest_once = PTHREAD_ONCE_INIT;
static pthread_key_t digest_key;
static EVP_MD *digest_md[2];
static EVP_MAC *digest_hmac;

static const char *const digest_prefix[] = {[FL_SHA256] = "sha256:", [FL_SHA512] = "sha512:"};

static void digest_drop_ctx(void *ctx)
{
    EVP_MD_CTX_free(ctx);
}

static void digest_setup(void)
{
    digest_md[FL_SHA256] = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    digest_md[FL_SHA512] = EVP_MD_fetch(NULL, "SHA2-512", NULL);
    digest_hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    fl_assert(digest_md[FL_SHA256] && digest_md[FL_SHA512] && digest_hmac);
    fl_assert(pthread_key_create(&digest_key, digest_drop_ctx) == 0);
}

static const EVP_MD *digest_get(enum fl_digest_alg alg)
{
    fl_assert(pthread_once(&digest_once, digest_setup) == 0);
    return digest_md[alg];
}

struct fl_digest *fl_digest_new(enum fl_digest_alg alg)
{
    struct fl_digest *d = FL_NEW(struct fl_digest);

    d->alg = alg;
    d->ctx = EVP_MD_CTX_new();
    fl_assert(d->ctx);
    fl_digest_reset(d);
    return d;
}

void fl_digest_free(struct fl_digest *d)
{
    if (!d) {
        return;
    }
    EVP_MD_CTX_free(d->ctx);
    fl_free(d);
}

void fl_digest_reset(struct fl_digest *d)
{
    fl_assert(EVP_DigestInit_ex2(d->ctx, digest_get(d->alg), NULL) == 1);
}

void fl_digest_add(struct fl_digest *d, struct fl_str s)
{
    if (s.n > 0) {
        fl_assert(EVP_DigestUpdate(d->ctx, s.p, s.n) == 1);
    }
}

static void digest_write(enum fl_digest_alg alg, const unsigned char *sum, size_t n,
                         char ret[FL_DIGEST_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    size_t at = strlen(digest_prefix[alg]);

    fl_assert(at + 2 * n < FL_DIGEST_TEXT);
    memcpy(ret, digest_prefix[alg], at);
    for (size_t i = 0; i < n; i++) {
        ret[at++] = digits[sum[i] >> 4];
        ret[at++] = digits[sum[i] & 15];
    }
    ret[at] = '\0';
}

void fl_digest_text(struct fl_digest *d, char ret[FL_DIGEST_TEXT])
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned int n = 0;

    fl_assert(EVP_DigestFinal_ex(d->ctx, sum, &n) == 1);
    digest_write(d->alg, sum, n, ret);
}

/* One-shots share a context for each thread, so that they allocate nothing. */
static size_t digest_once_over(enum fl_digest_alg alg, struct fl_str s,
                               unsigned char ret[EVP_MAX_MD_SIZE])
{
    const EVP_MD *md = digest_get(alg);
    EVP_MD_CTX *ctx = pthread_getspecific(digest_key);
    unsigned int n = 0;

    if (!ctx) {
        ctx = EVP_MD_CTX_new();
        fl_assert(ctx && pthread_setspecific(digest_key, ctx) == 0);
    }
    fl_assert(EVP_DigestInit_ex2(ctx, md, NULL) == 1);
    if (s.n > 0) {
        fl_assert(EVP_DigestUpdate(ctx, s.p, s.n) == 1);
    }
    fl_assert(EVP_DigestFinal_ex(ctx, ret, &n) == 1);
    return n;
}

void fl_sha256(struct fl_str s, unsigned char ret[32])
{
    unsigned char sum[EVP_MAX_MD_SIZE];

    fl_assert(digest_once_over(FL_SHA256, s, sum) == 32);
    memcpy(ret, sum, 32);
}

void fl_digest_of(enum fl_digest_alg alg, struct fl_str s, char ret[FL_DIGEST_TEXT])
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    size_t n = digest_once_over(alg, s, sum);

    digest_write(alg, sum, n, ret);
}

void fl_hmac_sha256(struct fl_str key, struct fl_str s, unsigned char ret[32])
{
    char name[] = "SHA2-256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    /* A NULL key would mean "the key of the call before". */
    const unsigned char *k = (const unsigned char *)(key.n > 0 ? key.p : "");
    const unsigned char *p = (const unsigned char *)(s.n > 0 ? s.p : "");
    EVP_MAC_CTX *ctx;
    size_t n = 0;

    (void)digest_get(FL_SHA256);
    ctx = EVP_MAC_CTX_new(digest_hmac);
    fl_assert(ctx && EVP_MAC_init(ctx, k, key.n, params) == 1);
    fl_assert(EVP_MAC_update(ctx, p, s.n) == 1);
    fl_assert(EVP_MAC_final(ctx, ret, &n, 32) == 1 && n == 32);
    EVP_MAC_CTX_free(ctx);
}
