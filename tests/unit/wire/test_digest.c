/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/lock.h"
#include "base/mem.h"
#include "base/text.h"
#include "wire/digest.h"

/* Sources: FIPS 180-2 appendices B and C. */
static const struct {
    const char *name;
    enum fl_digest_alg alg;
    const char *input;
    const char *want;
} rows[] = {
    {"sha256 of nothing", FL_SHA256, "",
     "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"sha256 of abc", FL_SHA256, "abc",
     "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"sha256 of two blocks", FL_SHA256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "sha256:248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"sha512 of abc", FL_SHA512, "abc",
     "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
     "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
};

static void check(const char *name, const char *got, const char *want)
{
    if (strcmp(got, want) != 0) {
        fail_msg("%s: got %s, want %s", name, got, want);
    }
}

static void test_digest__known_inputs_give_published_sums(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        char text[FL_DIGEST_TEXT];

        fl_digest_of(rows[i].alg, fl_str_of(rows[i].input), text);
        check(rows[i].name, text, rows[i].want);
    }
}

static void test_digest__pieces_equal_the_whole_after_reset(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_digest) d = fl_digest_new(rows[i].alg);

        for (int round = 0; round < 2; round++) {
            char text[FL_DIGEST_TEXT];

            for (const char *p = rows[i].input; *p; p++) {
                fl_digest_add(d, (struct fl_str){p, 1});
            }
            fl_digest_add(d, (struct fl_str){NULL, 0});
            fl_digest_text(d, text);
            check(rows[i].name, text, rows[i].want);
            fl_digest_reset(d);
        }
    }
}

/* Source: RFC 4231, cases 1, 2 and 6; the last from Python's hmac. */
static void test_digest__hmac_gives_published_macs(void **state)
{
    char key20[20], key131[131];
    const struct {
        const char *name;
        struct fl_str key, input;
        const char *want;
    } macs[] = {
        {"case 1",
         {key20, sizeof(key20)},
         FL_STR("Hi There"),
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"case 2", FL_STR("Jefe"), FL_STR("what do ya want for nothing?"),
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {"case 6",
         {key131, sizeof(key131)},
         FL_STR("Test Using Larger Than Block-Size Key - Hash Key First"),
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {"nothing under nothing",
         {NULL, 0},
         {NULL, 0},
         "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
    };

    (void)state;
    memset(key20, 0x0b, sizeof(key20));
    memset(key131, 0xaa, sizeof(key131));
    for (size_t i = 0; i < FL_LEN(macs); i++) {
        fl_auto_val(fl_buf) hex = FL_BUF_INIT(FL_BUF_ANY);
        unsigned char mac[32];

        fl_hmac_sha256(macs[i].key, macs[i].input, mac);
        fl_hex_add(&hex, mac, sizeof(mac));
        check(macs[i].name, hex.data, macs[i].want);
    }
}

static void *digest_many(void *arg)
{
    unsigned char sum[32];

    for (int i = 0; i < 200; i++) {
        fl_sha256(FL_STR("abc"), sum);
        if (sum[0] != 0xba || sum[31] != 0xad) {
            *(bool *)arg = true;
        }
    }
    return NULL;
}

static void test_digest__threads_at_once_do_not_disturb_each_other(void **state)
{
    pthread_t threads[4];
    bool wrong[4] = {false};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        fl_thread_start(&threads[i], "digest", digest_many, &wrong[i]);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_false(wrong[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digest__known_inputs_give_published_sums),
        cmocka_unit_test(test_digest__pieces_equal_the_whole_after_reset),
        cmocka_unit_test(test_digest__hmac_gives_published_macs),
        cmocka_unit_test(test_digest__threads_at_once_do_not_disturb_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
