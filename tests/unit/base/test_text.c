/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include "base/text.h"

static void test_base64__rfc_4648_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *plain;
        const char *coded;
    } rows[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff\xbf", "+/+/"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) coded = FL_BUF_INIT(FL_BUF_ANY);
        fl_auto_val(fl_buf) plain = FL_BUF_INIT(FL_BUF_ANY);
        fl_base64_add(&coded, rows[i].plain, strlen(rows[i].plain));
        row_str(rows[i].plain, fl_buf_slice(&coded), rows[i].coded);
        ROW_TRUE(rows[i].coded, fl_base64_decode(&plain, fl_str_of(rows[i].coded)));
        row_str(rows[i].coded, fl_buf_slice(&plain), rows[i].plain);
    }
}

static void test_base64__bad_text_leaves_buffer(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "Zg",    "Zg=",    "Z",        "====",     "Z===",    "Zg==Zg==", "Zm9v=",
        "Zm9vZ", "Zm9\nv", "Zm9v\n",   "Zm 9v=",   "Zm-_",    "=Zg=",     "Zg=a",
        "Zh==",  "Zm9=",   "Zm9vZm9*", "Zm9vZ*9v", "Z\xff==",
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
        fl_buf_text(&b, "before");
        ROW_TRUE(rows[i], !fl_base64_decode(&b, fl_str_of(rows[i])));
        row_str(rows[i], fl_buf_slice(&b), "before");
        ROW_TRUE(rows[i], fl_buf_finish(&b, "x", NULL) == 0);
    }
}

static void test_base64__all_bytes_come_back(void **state)
{
    (void)state;
    unsigned char all[256];
    for (size_t i = 0; i < sizeof(all); i++) {
        all[i] = (unsigned char)i;
    }
    for (size_t n = 0; n <= sizeof(all); n++) {
        fl_auto_val(fl_buf) coded = FL_BUF_INIT(FL_BUF_ANY);
        fl_auto_val(fl_buf) plain = FL_BUF_INIT(FL_BUF_ANY);
        fl_base64_add(&coded, all, n);
        assert_true(fl_base64_decode(&plain, fl_buf_slice(&coded)));
        assert_int_equal(plain.len, n);
        assert_memory_equal(plain.data, all, n);
    }
}

static void test_base64__too_small_buffer_overflows_whole(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) coded = FL_BUF_INIT(7);
    fl_auto_val(fl_buf) plain = FL_BUF_INIT(5);
    fl_base64_add(&coded, "foobar", 6);
    assert_int_equal(coded.len, 0);
    assert_int_equal(fl_buf_finish(&coded, "x", NULL), FL_E_TOO_BIG);
    assert_true(fl_base64_decode(&plain, FL_STR("Zm9vYmFy")));
    assert_int_equal(plain.len, 0);
    assert_int_equal(fl_buf_finish(&plain, "x", NULL), FL_E_TOO_BIG);
}

static void test_hex__there_and_back(void **state)
{
    (void)state;
    unsigned char out[4] = {1, 2, 3, 4};
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_hex_add(&b, "\x00\x7f\xab\xff", 4);
    assert_string_equal(b.data, "007fabff");
    assert_true(fl_hex_decode(FL_STR("007FaBff"), out, 4));
    assert_memory_equal(out, "\x00\x7f\xab\xff", 4);
    static const char *const bad[] = {"",         "007fab",   "007fabff00", "007fabf",
                                      "007fabfg", "0x7fabff", "007fab f"};
    for (size_t i = 0; i < FL_LEN(bad); i++) {
        ROW_TRUE(bad[i], !fl_hex_decode(fl_str_of(bad[i]), out, 4));
        ROW_TRUE(bad[i], memcmp(out, "\x00\x7f\xab\xff", 4) == 0);
    }
}

static void test_random__differs_and_fills(void **state)
{
    (void)state;
    unsigned char a[1000] = {0};
    unsigned char b[1000] = {0};
    fl_random(a, sizeof(a));
    fl_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    int zeros = 0;
    for (size_t i = 0; i < sizeof(a); i++) {
        zeros += a[i] == 0;
    }
    assert_true(zeros < 100); /* 4 are to be expected */
    assert_true(fl_random_u64() != fl_random_u64());
}

static void test_random__uuid_has_version_and_variant(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++) {
        char text[37];
        fl_uuid4(text);
        assert_int_equal(strlen(text), 36);
        for (size_t i = 0; i < 36; i++) {
            bool dash = i == 8 || i == 13 || i == 18 || i == 23;
            assert_true(dash ? text[i] == '-' : strchr("0123456789abcdef", text[i]) != NULL);
        }
        assert_int_equal(text[14], '4');
        assert_non_null(strchr("89ab", text[19]));
    }
}

static void test_random__name_uses_alphabet_of_kubernetes(void **state)
{
    (void)state;
    char text[2001];
    fl_random_name(text, 2000);
    assert_int_equal(strlen(text), 2000);
    assert_int_equal(strspn(text, "bcdfghjklmnpqrstvwxz2456789"), 2000);
    for (const char *c = "bcdfghjklmnpqrstvwxz2456789"; *c; c++) {
        assert_non_null(strchr(text, *c)); /* absent by chance: once in 10^31 */
    }
    fl_random_name(text, 0);
    assert_string_equal(text, "");
}

static void test_hash__siphash_13_vectors(void **state)
{
    (void)state;
    /* Source: CPython 3.11, hash() of bytes with PYTHONHASHSEED=0, which is SipHash-1-3 under the
     * key 0. */
    static const struct {
        const char *input;
        uint64_t want;
    } rows[] = {
        {"a", 0x407448d2b89b1813u},
        {"fairlead", 0x7caf65db31c2cd73u},
        {"fairlead/controller", 0x7fef377eaa0b47f8u},
    };
    const uint64_t zero[2] = {0, 0};
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        ROW_TRUE(rows[i].input,
                 fl_hash_keyed(zero, rows[i].input, strlen(rows[i].input)) == rows[i].want);
    }
    char counting[63];
    for (size_t i = 0; i < sizeof(counting); i++) {
        counting[i] = (char)i;
    }
    assert_true(fl_hash_keyed(zero, counting, sizeof(counting)) == 0x385d3e39e5f37359u);
    /* Key 00..0f, no input. Source: the Rust library's tests of SipHasher13. */
    const uint64_t key[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    assert_true(fl_hash_keyed(key, "", 0) == 0xabac0158050fc4dcu);
}

static void test_hash__every_byte_and_the_length_count(void **state)
{
    (void)state;
    unsigned char input[40] = {0};
    for (size_t n = 0; n < sizeof(input); n++) {
        uint64_t before = fl_hash(input, n);
        assert_int_equal(before, fl_hash(input, n));
        assert_true(before != fl_hash(input, n + 1));
        for (size_t i = 0; i < n; i++) {
            input[i] ^= 0x80;
            assert_true(before != fl_hash(input, n));
            input[i] ^= 0x80;
        }
    }
}

static void test_hash__stable_is_fnv_1a(void **state)
{
    (void)state;
    /* Source: the FNV authors' test vectors. */
    assert_int_equal(fl_hash_stable("", 0), 0xcbf29ce484222325u);
    assert_int_equal(fl_hash_stable("a", 1), 0xaf63dc4c8601ec8cu);
    assert_int_equal(fl_hash_stable("foobar", 6), 0x85944171f73967e8u);
}

static void test_text__const_eq_compares_all(void **state)
{
    (void)state;
    assert_true(fl_const_eq(FL_STR("secret"), FL_STR("secret")));
    assert_true(fl_const_eq(FL_STR(""), (struct fl_str){NULL, 0}));
    assert_false(fl_const_eq(FL_STR("secret"), FL_STR("secreT")));
    assert_false(fl_const_eq(FL_STR("secret"), FL_STR("Secret")));
    assert_false(fl_const_eq(FL_STR("secret"), FL_STR("secre")));
    assert_false(fl_const_eq(FL_STR("\x80"), FL_STR("\x00")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64__rfc_4648_vectors),
        cmocka_unit_test(test_base64__bad_text_leaves_buffer),
        cmocka_unit_test(test_base64__all_bytes_come_back),
        cmocka_unit_test(test_base64__too_small_buffer_overflows_whole),
        cmocka_unit_test(test_hex__there_and_back),
        cmocka_unit_test(test_random__differs_and_fills),
        cmocka_unit_test(test_random__uuid_has_version_and_variant),
        cmocka_unit_test(test_random__name_uses_alphabet_of_kubernetes),
        cmocka_unit_test(test_hash__siphash_13_vectors),
        cmocka_unit_test(test_hash__every_byte_and_the_length_count),
        cmocka_unit_test(test_hash__stable_is_fnv_1a),
        cmocka_unit_test(test_text__const_eq_compares_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
