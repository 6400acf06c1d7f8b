/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "wire/crypt.h"
#include "wire/file.h"

#define KEY_A "0000000a AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
#define KEY_B "0000000b AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n"
#define NOW_MS INT64_C(1750000000000)
#define DAY_MS INT64_C(86400000)

struct place {
    char dir[32];
    char *path;
};

static int make_place(void **state)
{
    struct place *p = FL_NEW(struct place);

    *p = (struct place){.dir = "/tmp/fl-crypt-XXXXXX"};
    *state = p;
    if (!mkdtemp(p->dir)) {
        return -1;
    }
    p->path = fl_asprintf("%s/keys", p->dir);
    return 0;
}

static int drop_place(void **state)
{
    struct place *p = *state;

    (void)unlink(p->path);
    (void)rmdir(p->dir);
    fl_free(p->path);
    fl_free(p);
    return 0;
}

static struct fl_keyring *ring_of(const char *path, const char *text)
{
    struct fl_keyring *k = NULL;
    struct fl_err err = FL_ERR_INIT;

    assert_int_equal(fl_file_replace(path, fl_str_of(text), &err), 0);
    if (fl_keyring_load(path, &k, &err) != 0) {
        fail_msg("%s", err.msg);
    }
    return k;
}

/* ---- key files ---- */

static void test_crypt__key_files_are_read_or_refused_in_words(void **state)
{
    const struct place *p = *state;
    static const struct {
        const char *name, *text;
        unsigned mode;
        const char *want; /* NULL: taken */
    } rows[] = {
        {"one key", KEY_A, 0600, NULL},
        {"comments and blank lines", "# made by hand\n\n" KEY_A "  # more\n" KEY_B, 0600, NULL},
        {"no newline at the end", "0000000a AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 0400,
         NULL},
        {"readable by the group", KEY_A, 0640, "(mode 640): chmod 600"},
        {"readable by others", KEY_A, 0604, "(mode 604): chmod 600"},
        {"empty", "", 0600, "there is no key in it"},
        {"only comments", "# nothing\n", 0600, "there is no key in it"},
        {"short key", KEY_A "0000000b AAAA\n", 0600, "line 2: the key must be 32 bytes in base64"},
        {"long key", "0000000b AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", 0600,
         "line 1: the key must be 32 bytes"},
        {"no key", "0000000b\n", 0600, "line 1: the key must be 32 bytes"},
        {"key is no base64", "0000000b !!!!\n", 0600, "line 1: the key must be 32 bytes"},
        {"short id", "0b AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", 0600,
         "line 1: the id must be 8 hexadecimal digits"},
        {"upper case id", "0000000B AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", 0600,
         "line 1: the id must be 8 hexadecimal digits"},
        {"same id twice", KEY_A KEY_A, 0600, "line 2: the id stands there twice"},
    };

    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_keyring) k = NULL;
        struct fl_err err = FL_ERR_INIT;
        int rc;

        assert_int_equal(fl_file_replace(p->path, fl_str_of(rows[i].text), NULL), 0);
        assert_int_equal(chmod(p->path, rows[i].mode), 0);
        rc = fl_keyring_load(p->path, &k, &err);
        if (rows[i].want ? rc != FL_E_INVALID || k || !strstr(err.msg, rows[i].want) ||
                               !strstr(err.msg, p->path) || strstr(err.msg, "AAAA")
                         : rc != 0) {
            fail_msg("%s: got %d: %s", rows[i].name, rc, err.msg);
        }
    }
}

static void test_crypt__key_file_is_made_once_and_rotated(void **state)
{
    const struct place *p = *state;
    fl_auto(fl_keyring) first = NULL;
    fl_auto(fl_keyring) second = NULL;
    fl_auto_val(fl_buf) sealed = FL_BUF_INIT(1000);
    fl_auto_val(fl_buf) newer = FL_BUF_INIT(1000);
    fl_auto_val(fl_buf) plain = FL_BUF_INIT(1000);
    struct fl_err err = FL_ERR_INIT;
    struct stat st;

    assert_int_equal(fl_keyring_load(p->path, &first, &err), FL_E_NOT_FOUND);
    assert_int_equal(fl_keyring_load(p->dir, &first, &err), FL_E_INVALID);
    assert_int_equal(fl_keyring_create("/proc/fl-none/keys", &err), FL_E_NOT_FOUND);
    assert_int_equal(fl_keyring_create(p->path, &err), 0);
    assert_int_equal(fl_keyring_create(p->path, &err), FL_E_EXISTS);
    assert_int_equal(stat(p->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(fl_keyring_load(p->path, &first, &err), 0);
    fl_seal(first, FL_STR("place"), FL_STR("words"), &sealed);
    assert_true(fl_sealed_by_first(first, fl_buf_slice(&sealed)));

    assert_int_equal(fl_keyring_rotate(p->path, &err), 0);
    assert_int_equal(stat(p->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(fl_keyring_load(p->path, &second, &err), 0);
    assert_false(fl_sealed_by_first(second, fl_buf_slice(&sealed)));
    assert_int_equal(fl_unseal(second, FL_STR("place"), fl_buf_slice(&sealed), &plain, &err), 0);
    assert_string_equal(plain.data, "words");
    fl_seal(second, FL_STR("place"), FL_STR("words"), &newer);
    assert_true(fl_sealed_by_first(second, fl_buf_slice(&newer)));
    assert_int_equal(fl_unseal(first, FL_STR("place"), fl_buf_slice(&newer), &plain, &err),
                     FL_E_AUTH);
    assert_string_equal(err.reason, "KeyLost");
}

/* ---- sealing ---- */

static void test_crypt__sealed_text_opens_only_whole_and_in_its_place(void **state)
{
    const struct place *p = *state;
    fl_auto(fl_keyring) k = ring_of(p->path, KEY_A KEY_B);
    fl_auto_val(fl_buf) sealed = FL_BUF_INIT(1000);
    struct fl_err err = FL_ERR_INIT;

    fl_seal(k, FL_STR("uid-1"), FL_STR("secret"), &sealed);
    assert_int_equal(sealed.len, 2 + 8 + 12 + 6 + 16);
    assert_memory_equal(sealed.data, "v10000000a", 10);
    for (size_t i = 0; i < sealed.len; i++) {
        fl_auto_val(fl_buf) plain = FL_BUF_INIT(1000);

        sealed.data[i] = (char)(sealed.data[i] ^ 1);
        if (fl_unseal(k, FL_STR("uid-1"), fl_buf_slice(&sealed), &plain, &err) == 0 ||
            plain.len > 0) {
            fail_msg("byte %zu altered: still opens", i);
        }
        sealed.data[i] = (char)(sealed.data[i] ^ 1);
    }
    for (size_t n = 0; n < sealed.len; n++) {
        fl_auto_val(fl_buf) plain = FL_BUF_INIT(1000);
        struct fl_str cut = {sealed.data, n};

        assert_int_equal(fl_unseal(k, FL_STR("uid-1"), cut, &plain, &err), FL_E_BAD_DATA);
        assert_int_equal(plain.len, 0);
    }
    {
        fl_auto_val(fl_buf) plain = FL_BUF_INIT(1000);

        assert_int_equal(fl_unseal(k, FL_STR("uid-2"), fl_buf_slice(&sealed), &plain, &err),
                         FL_E_BAD_DATA);
        assert_int_equal(fl_unseal(k, FL_STR("uid-1"), fl_buf_slice(&sealed), &plain, &err), 0);
        assert_string_equal(plain.data, "secret");
    }
}

static void test_crypt__sealing_handles_sizes_and_never_repeats(void **state)
{
    static const size_t sizes[] = {0, 1, 15, 16, 17, 4096, 1000003};
    const struct place *p = *state;
    fl_auto(fl_keyring) k = ring_of(p->path, KEY_A);
    fl_auto_text text = fl_calloc(1, 1000003);

    for (size_t i = 0; i < FL_LEN(sizes); i++) {
        fl_auto_val(fl_buf) a = FL_BUF_INIT(FL_BUF_ANY);
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_auto_val(fl_buf) plain = FL_BUF_INIT(FL_BUF_ANY);
        struct fl_str s = {text, sizes[i]};

        fl_seal(k, (struct fl_str){NULL, 0}, s, &a);
        fl_seal(k, (struct fl_str){NULL, 0}, s, &b);
        assert_false(fl_str_eq(fl_buf_slice(&a), fl_buf_slice(&b)));
        assert_int_equal(fl_unseal(k, (struct fl_str){NULL, 0}, fl_buf_slice(&a), &plain, NULL), 0);
        assert_true(fl_str_eq(fl_buf_slice(&plain), s));
    }
}

static void test_crypt__lost_key_and_small_buffer_are_named(void **state)
{
    const struct place *p = *state;
    fl_auto(fl_keyring) a = ring_of(p->path, KEY_A);
    fl_auto(fl_keyring) b = ring_of(p->path, KEY_B);
    fl_auto_val(fl_buf) sealed = FL_BUF_INIT(1000);
    fl_auto_val(fl_buf) plain = FL_BUF_INIT(5);
    struct fl_err err = FL_ERR_INIT;

    fl_seal(a, FL_STR("x"), FL_STR("secret"), &sealed);
    assert_int_equal(fl_unseal(b, FL_STR("x"), fl_buf_slice(&sealed), &plain, &err), FL_E_AUTH);
    assert_string_equal(err.reason, "KeyLost");
    assert_non_null(strstr(err.msg, "0000000a"));
    assert_int_equal(fl_unseal(a, FL_STR("x"), fl_buf_slice(&sealed), &plain, &err), FL_E_TOO_BIG);
    assert_false(fl_sealed_by_first(a, FL_STR("v1")));
}

/* ---- certificates ---- */

static X509 *parse_cert(const char *pem)
{
    BIO *in = BIO_new_mem_buf(pem, -1);
    X509 *cert = PEM_read_bio_X509(in, NULL, NULL, NULL);

    (void)BIO_free(in);
    assert_non_null(cert);
    return cert;
}

static int verify_at(X509 *ca, X509 *cert, const char *host, const char *ip, int64_t wall_ms)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_VERIFY_PARAM *param;
    int ok;

    assert_int_equal(X509_STORE_add_cert(store, ca), 1);
    assert_int_equal(X509_STORE_CTX_init(ctx, store, cert, NULL), 1);
    param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_time(param, (time_t)(wall_ms / 1000));
    (void)X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
    (void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
    if (host) {
        (void)X509_VERIFY_PARAM_set1_host(param, host, 0);
    }
    if (ip) {
        (void)X509_VERIFY_PARAM_set1_ip_asc(param, ip);
    }
    ok = X509_verify_cert(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return ok;
}

static const char *const sans[] = {"localhost", "127.0.0.1", "::1", "api.example.org", NULL};

static void check_names(X509 *ca, X509 *cert, int64_t at)
{
    static const struct {
        const char *name, *host, *ip;
        int days;
        int want;
    } rows[] = {
        {"host", "localhost", NULL, 0, 1},         {"second host", "api.example.org", NULL, 0, 1},
        {"IPv4", NULL, "127.0.0.1", 0, 1},         {"IPv6", NULL, "::1", 0, 1},
        {"other host", "example.org", NULL, 0, 0}, {"other address", NULL, "127.0.0.2", 0, 0},
        {"last day", "localhost", NULL, 396, 1},   {"after the end", "localhost", NULL, 398, 0},
        {"day before", "localhost", NULL, -1, 0},
    };

    for (size_t i = 0; i < FL_LEN(rows); i++) {
        int64_t when = at + rows[i].days * DAY_MS;

        if (verify_at(ca, cert, rows[i].host, rows[i].ip, when) != rows[i].want) {
            fail_msg("%s: want %d", rows[i].name, rows[i].want);
        }
    }
}

static void test_crypt__certificates_verify_for_their_names_and_days(void **state)
{
    fl_auto_val(fl_buf) ca = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) ca_key = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) cert = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) cert2 = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) key2 = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_err err = FL_ERR_INIT;
    int64_t end = 0;
    X509 *x_ca, *x_cert, *x_cert2;

    (void)state;
    assert_int_equal(fl_cert_make(sans, NOW_MS, &ca, &ca_key, &cert, &key, &err), 0);
    assert_int_equal(fl_cert_expiry(cert.data, &end, &err), 0);
    assert_true(end == NOW_MS + 397 * DAY_MS);
    assert_int_equal(fl_cert_expiry(ca.data, &end, &err), 0);
    assert_true(end == NOW_MS + 3650 * DAY_MS);
    assert_int_equal(
        fl_cert_renew(ca.data, ca_key.data, sans, NOW_MS + 300 * DAY_MS, &cert2, &key2, &err), 0);
    x_ca = parse_cert(ca.data);
    x_cert = parse_cert(cert.data);
    x_cert2 = parse_cert(cert2.data);
    check_names(x_ca, x_cert, NOW_MS);
    check_names(x_ca, x_cert2, NOW_MS + 300 * DAY_MS);
    X509_free(x_ca);
    X509_free(x_cert);
    X509_free(x_cert2);

    fl_buf_clear(&cert2);
    fl_buf_clear(&key2);
    assert_int_equal(
        fl_cert_renew(ca.data, ca_key.data, sans, NOW_MS + 3600 * DAY_MS, &cert2, &key2, &err), 0);
    assert_int_equal(fl_cert_expiry(cert2.data, &end, &err), 0);
    assert_true(end == NOW_MS + 3650 * DAY_MS);
}

static void test_crypt__bad_certificate_inputs_are_refused(void **state)
{
    static const char *const none[] = {NULL};
    static const char *const space[] = {"localhost", "two words", NULL};
    static const char *const inject[] = {"a,IP:1.2.3.4", NULL};
    fl_auto_val(fl_buf) ca = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) ca_key = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) cert = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) x = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) y = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_err err = FL_ERR_INIT;
    int64_t end = 0;

    (void)state;
    assert_int_equal(fl_cert_make(sans, NOW_MS, &ca, &ca_key, &cert, &key, &err), 0);
    const struct {
        const char *name;
        const char *ca, *key;
        const char *const *sans;
        int days;
        const char *want;
    } rows[] = {
        {"no name", ca.data, ca_key.data, none, 0, "a certificate needs a name"},
        {"space in a name", ca.data, ca_key.data, space, 0, "'two words' is neither"},
        {"comma in a name", ca.data, ca_key.data, inject, 0, "is neither"},
        {"no PEM", "garbage", ca_key.data, sans, 0, "CA: cannot read the certificate"},
        {"no key", ca.data, "garbage", sans, 0, "CA: cannot read the private key"},
        {"CA expired", ca.data, ca_key.data, sans, 3651, "the CA has expired"},
        {"key of another", ca.data, key.data, sans, 0, "does not belong"},
    };

    for (size_t i = 0; i < FL_LEN(rows); i++) {
        if (fl_cert_renew(rows[i].ca, rows[i].key, rows[i].sans, NOW_MS + rows[i].days * DAY_MS, &x,
                          &y, &err) != FL_E_INVALID ||
            !strstr(err.msg, rows[i].want) || x.len > 0) {
            fail_msg("%s: got %s", rows[i].name, err.msg);
        }
        fl_buf_clear(&y);
    }
    assert_int_equal(fl_cert_expiry("", &end, &err), FL_E_INVALID);
    assert_int_equal(fl_cert_check(cert.data, key.data, &err), 0);
    assert_int_equal(fl_cert_check(cert.data, ca_key.data, &err), FL_E_INVALID);
    assert_int_equal(fl_cert_check("", key.data, &err), FL_E_INVALID);
    assert_int_equal(fl_cert_check(cert.data, NULL, &err), FL_E_INVALID);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_place, drop_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_crypt__key_files_are_read_or_refused_in_words),
        TEST(test_crypt__key_file_is_made_once_and_rotated),
        TEST(test_crypt__sealed_text_opens_only_whole_and_in_its_place),
        TEST(test_crypt__sealing_handles_sizes_and_never_repeats),
        TEST(test_crypt__lost_key_and_small_buffer_are_named),
        cmocka_unit_test(test_crypt__certificates_verify_for_their_names_and_days),
        cmocka_unit_test(test_crypt__bad_certificate_inputs_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
