/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/mem.h"
#include "base/text.h"
#include "fake/keys.h"
#include "wire/sign.h"

static bool verified(const char *public_pem, struct fl_str data, struct fl_str sig)
{
    BIO *b = BIO_new_mem_buf(public_pem, -1);
    EVP_PKEY *key = PEM_read_bio_PUBKEY(b, NULL, NULL, NULL);
    BIO_free(b);
    assert_non_null(key);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestVerify(md, (const unsigned char *)sig.p, sig.n,
                               (const unsigned char *)data.p, data.n) == 1;
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(key);
    return ok;
}

static void test_key_check__says_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *name, *pem, *want;
    } rows[] = {
        {"PKCS#1", KEY_RSA_PKCS1, NULL},
        {"PKCS#8", KEY_RSA_PKCS8, NULL},
        {"small", KEY_RSA_SMALL, "the RSA key has less than 2048 bits"},
        {"EC", KEY_EC, "it is no RSA key"},
        {"with a password", KEY_RSA_ENCRYPTED, "it is no private key in PEM without a password"},
        {"public", KEY_RSA_PUBLIC, "it is no private key in PEM without a password"},
        {"ssh", KEY_SSH, "it is no private key in PEM without a password"},
        {"text", "secret", "it is no private key in PEM without a password"},
        {"empty", "", "it is no private key in PEM without a password"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        const char *got = fl_rsa_key_check(fl_str_of(rows[i].pem));
        if (!fl_text_eq(got, rows[i].want)) {
            fail_msg("%s: %s", rows[i].name, got ? got : "valid");
        }
    }
}

static void test_rs256__signature_verifies_with_the_public_key(void **state)
{
    (void)state;
    static const char *const keys[] = {KEY_RSA_PKCS1, KEY_RSA_PKCS8};
    for (size_t i = 0; i < FL_LEN(keys); i++) {
        fl_auto_val(fl_buf) sig = FL_BUF_INIT(FL_BUF_ANY);
        struct fl_err err = FL_ERR_INIT;
        assert_int_equal(fl_rs256_sign(fl_str_of(keys[i]), FL_STR("words"), &sig, &err), 0);
        assert_int_equal(sig.len, 256);
        assert_true(verified(KEY_RSA_PUBLIC, FL_STR("words"), fl_buf_slice(&sig)));
        assert_false(verified(KEY_RSA_PUBLIC, FL_STR("Words"), fl_buf_slice(&sig)));
    }
    fl_auto_val(fl_buf) sig = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_err err = FL_ERR_INIT;
    assert_int_equal(fl_rs256_sign(fl_str_of(KEY_EC), FL_STR("words"), &sig, &err), FL_E_INVALID);
    assert_string_equal(err.reason, "KeyInvalid");
    assert_int_equal(sig.len, 0);
}

static void test_jwt__has_three_parts_and_verifies(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) jwt = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_err err = FL_ERR_INIT;
    struct fl_str claims = FL_STR("{\"iss\":\"7\"}");
    assert_int_equal(fl_jwt_rs256(fl_str_of(KEY_RSA_PKCS1), claims, &jwt, &err), 0);
    static const char head[] = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiI3In0.";
    assert_true(fl_text_starts(jwt.data, head));
    /* 256 bytes are 342 characters without padding; here back in the standard alphabet. */
    assert_int_equal(jwt.len, strlen(head) + 342);
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    for (size_t i = strlen(head); i < jwt.len; i++) {
        char c = jwt.data[i];
        fl_buf_char(&text, c == '-' ? '+' : c == '_' ? '/' : c);
    }
    fl_buf_text(&text, "==");
    fl_auto_val(fl_buf) sig = FL_BUF_INIT(FL_BUF_ANY);
    assert_true(fl_base64_decode(&sig, fl_buf_slice(&text)));
    struct fl_str signed_part = {jwt.data, strlen(head) - 1};
    assert_true(verified(KEY_RSA_PUBLIC, signed_part, fl_buf_slice(&sig)));
}

static void test_base64url__has_its_own_alphabet_and_no_padding(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *want;
    } rows[] = {{"", 0, ""}, {"\xfb\xff\xfe", 3, "-__-"}, {"a", 1, "YQ"}, {"ab", 2, "YWI"}};
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_text(&b, "+=");
        fl_base64url_add(&b, rows[i].bytes, rows[i].n);
        assert_string_equal(b.data + 2, rows[i].want);
        assert_memory_equal(b.data, "+=", 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_check__says_what_is_wrong),
        cmocka_unit_test(test_rs256__signature_verifies_with_the_public_key),
        cmocka_unit_test(test_jwt__has_three_parts_and_verifies),
        cmocka_unit_test(test_base64url__has_its_own_alphabet_and_no_padding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
