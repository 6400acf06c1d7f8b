/* SPDX-License-Identifier: Apache-2.0
 * Bodies are built with a small writer of the encoding; the first one is also given byte by byte. */
#include "codec_help.h"

#include "api/scheme.h"
#include "wire/protobuf.h"

/* ---- a writer ---- */

static void varint(struct fl_buf *b, uint64_t v)
{
    while (v >= 0x80) {
        fl_buf_char(b, (char)(unsigned char)(v | 0x80));
        v >>= 7;
    }
    fl_buf_char(b, (char)(unsigned char)v);
}

static void number(struct fl_buf *b, unsigned field, int64_t v)
{
    varint(b, field << 3);
    varint(b, (uint64_t)v);
}

static void bytes(struct fl_buf *b, unsigned field, struct fl_str s)
{
    varint(b, field << 3 | 2);
    varint(b, s.n);
    fl_buf_str(b, s);
}

static void text(struct fl_buf *b, unsigned field, const char *s)
{
    bytes(b, field, fl_str_of(s));
}

static void message(struct fl_buf *b, unsigned field, const struct fl_buf *inner)
{
    bytes(b, field, fl_buf_slice(inner));
}

static void entry(struct fl_buf *b, unsigned field, const char *key, struct fl_str value)
{
    fl_auto_val(fl_buf) e = FL_BUF_INIT(FL_BUF_ANY);
    text(&e, 1, key);
    bytes(&e, 2, value);
    message(b, field, &e);
}

static void timestamp(struct fl_buf *b, unsigned field, int64_t seconds, int64_t nanos)
{
    fl_auto_val(fl_buf) t = FL_BUF_INIT(FL_BUF_ANY);
    number(&t, 1, seconds);
    number(&t, 2, nanos);
    message(b, field, &t);
}

static void decodes(const char *row, const struct fl_buf *msg, const struct fl_field *rows,
                    const char *want)
{
    fl_auto(fl_json) j = NULL;
    struct fl_err err = FL_ERR_INIT;
    if (fl_protobuf_decode(fl_buf_slice(msg), rows, &j, &err) != 0) {
        fail_msg("row '%s': %s", row, err.msg);
    }
    row_tree(row, j, want);
}

static void refuses(const char *row, struct fl_str msg, const struct fl_field *rows, int code)
{
    struct fl_json *j = NULL;
    struct fl_err err = FL_ERR_INIT;
    int rc = fl_protobuf_decode(msg, rows, &j, &err);
    if (rc != code || j) {
        fail_msg("row '%s': got %d %s", row, rc, err.msg);
    }
}

/* ---- the envelope ---- */

static void test_envelope__is_opened(void **state)
{
    (void)state;
    static const unsigned char body[] = {'k',  '8',  's',  0,   0x0a, 0x0c, 0x0a, 0x02, 'v',
                                         '1',  0x12, 0x06, 'S', 'e',  'c',  'r',  'e',  't',
                                         0x12, 0x03, 1,    2,   3,    0x1a, 0x00, 0x22, 0x00};
    struct fl_str api_version = {0}, kind = {0}, raw = {0};
    struct fl_err err = FL_ERR_INIT;
    struct fl_str in = {(const char *)body, sizeof(body)};
    assert_int_equal(fl_protobuf_envelope(in, &api_version, &kind, &raw, &err), 0);
    assert_true(fl_str_is(api_version, "v1"));
    assert_true(fl_str_is(kind, "Secret"));
    assert_int_equal(raw.n, 3);
    assert_memory_equal(raw.p, "\1\2\3", 3);
}

static void test_envelope__what_is_none_is_refused(void **state)
{
    (void)state;
    const struct {
        const char *name;
        struct fl_str in;
    } rows[] = {
        {"empty", {NULL, 0}},
        {"JSON", FL_STR("{\"kind\":\"Secret\"}")},
        {"short magic", FL_STR("k8s")},
        {"other magic", FL_STR("k9s\0")},
        {"cut length", FL_STR("k8s\0\x0a")},
        {"length beyond the end", FL_STR("k8s\0\x12\x7f"
                                         "a")},
        {"cut type", FL_STR("k8s\0\x0a\x02\x0a\x05")},
        {"encoded", FL_STR("k8s\0\x12\x01"
                           "a\x1a\x04gzip")},
        {"kind not UTF-8", FL_STR("k8s\0\x0a\x03\x12\x01\xff")},
        {"field number 0", FL_STR("k8s\0\x02\x01"
                                  "a")},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct fl_str a = {0}, b = {0}, c = {0};
        struct fl_err err = FL_ERR_INIT;
        if (fl_protobuf_envelope(rows[i].in, &a, &b, &c, &err) != FL_E_BAD_DATA || a.p || b.p ||
            c.p) {
            fail_msg("row '%s' was taken", rows[i].name);
        }
    }
}

/* ---- messages ---- */

static void test_decode__secret_as_kubectl_sends_it(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) meta = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) msg = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) none = FL_BUF_INIT(FL_BUF_ANY);
    text(&meta, 1, "login");
    text(&meta, 2, "");
    text(&meta, 3, "default");
    text(&meta, 4, "");
    text(&meta, 5, "");
    text(&meta, 6, "");
    number(&meta, 7, 0);
    message(&meta, 8, &none);
    entry(&meta, 11, "app", FL_STR("x"));
    message(&msg, 1, &meta);
    entry(&msg, 2, "password", FL_STR("hunter2"));
    entry(&msg, 2, "empty", FL_STR(""));
    entry(&msg, 2, "binary", FL_STR("\0\xff"));
    text(&msg, 3, "Opaque");
    entry(&msg, 4, "plain", FL_STR("text"));
    decodes(
        "secret", &msg, fl_kind_secret.rows,
        "{\"metadata\":{\"name\":\"login\",\"namespace\":\"default\",\"labels\":{\"app\":\"x\"}},"
        "\"data\":{\"password\":\"aHVudGVyMg==\",\"empty\":\"\",\"binary\":\"AP8=\"},"
        "\"type\":\"Opaque\",\"stringData\":{\"plain\":\"text\"}}");
}

static void test_decode__metadata_in_full(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) owner = FL_BUF_INIT(FL_BUF_ANY);
    text(&owner, 1, "ReplicationPolicy");
    text(&owner, 3, "p");
    text(&owner, 4, "uid-1");
    text(&owner, 5, "fairlead.dev/v1alpha1");
    number(&owner, 6, 1);
    number(&owner, 7, 0);
    fl_auto_val(fl_buf) fields = FL_BUF_INIT(FL_BUF_ANY);
    text(&fields, 1, "{\"f:data\":{}}");
    fl_auto_val(fl_buf) managed = FL_BUF_INIT(FL_BUF_ANY);
    text(&managed, 1, "kubectl");
    text(&managed, 2, "Update");
    timestamp(&managed, 4, 1709251199, 0);
    text(&managed, 6, "FieldsV1");
    message(&managed, 7, &fields);
    fl_auto_val(fl_buf) meta = FL_BUF_INIT(FL_BUF_ANY);
    text(&meta, 1, "a");
    number(&meta, 7, 3);
    timestamp(&meta, 8, 1709251199, 5);
    number(&meta, 10, 0);
    entry(&meta, 12, "note", FL_STR("n"));
    message(&meta, 13, &owner);
    text(&meta, 14, "fairlead.dev/finalizer");
    text(&meta, 14, "other.dev/x");
    message(&meta, 17, &managed);
    fl_auto_val(fl_buf) msg = FL_BUF_INIT(FL_BUF_ANY);
    message(&msg, 1, &meta);
    decodes("metadata", &msg, fl_kind_config_map.rows,
            "{\"metadata\":{\"name\":\"a\",\"generation\":3,\"creationTimestamp\":\"2024-02-29T23:"
            "59:59Z\","
            "\"deletionGracePeriodSeconds\":0,\"annotations\":{\"note\":\"n\"},"
            "\"ownerReferences\":[{\"kind\":\"ReplicationPolicy\",\"name\":\"p\",\"uid\":\"uid-1\","
            "\"apiVersion\":\"fairlead.dev/"
            "v1alpha1\",\"controller\":true,\"blockOwnerDeletion\":false}],"
            "\"finalizers\":[\"fairlead.dev/finalizer\",\"other.dev/x\"],"
            "\"managedFields\":[{\"manager\":\"kubectl\",\"operation\":\"Update\","
            "\"time\":\"2024-02-29T23:59:59Z\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"f:"
            "data\":{}}}]}}");
}

static void test_decode__lease_has_microseconds(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) spec = FL_BUF_INIT(FL_BUF_ANY);
    text(&spec, 1, "host_1");
    number(&spec, 2, 15);
    timestamp(&spec, 3, 1709251199, 0);
    timestamp(&spec, 4, 1709251199, 123456789);
    number(&spec, 5, 0);
    fl_auto_val(fl_buf) msg = FL_BUF_INIT(FL_BUF_ANY);
    message(&msg, 2, &spec);
    decodes("lease", &msg, fl_kind_lease.rows,
            "{\"spec\":{\"holderIdentity\":\"host_1\",\"leaseDurationSeconds\":15,"
            "\"acquireTime\":\"2024-02-29T23:59:59.000000Z\","
            "\"renewTime\":\"2024-02-29T23:59:59.123456Z\",\"leaseTransitions\":0}}");
}

static void test_decode__options_keep_zeros_that_were_sent(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) msg = FL_BUF_INIT(FL_BUF_ANY);
    decodes("nothing", &msg, fl_delete_options_rows, "{}");
    fl_auto_val(fl_buf) pre = FL_BUF_INIT(FL_BUF_ANY);
    text(&pre, 1, "uid-1");
    number(&msg, 1, 0);
    message(&msg, 2, &pre);
    number(&msg, 3, 0);
    text(&msg, 4, "Background");
    text(&msg, 5, "All");
    decodes("all", &msg, fl_delete_options_rows,
            "{\"gracePeriodSeconds\":0,\"preconditions\":{\"uid\":\"uid-1\"},\"orphanDependents\":"
            "false,"
            "\"propagationPolicy\":\"Background\",\"dryRun\":[\"All\"]}");
}

static void test_decode__kinds_without_data(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) none = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) msg = FL_BUF_INIT(FL_BUF_ANY);
    message(&msg, 1, &none);
    message(&msg, 2, &none);
    message(&msg, 3, &none);
    decodes("namespace", &msg, fl_kind_namespace.rows, "{}");
    decodes("self review", &msg, fl_kind_self_subject_review.rows, "{}");
    decodes("the question must be there", &msg, fl_kind_self_subject_rules_review.rows,
            "{\"spec\":{}}");
}

static void test_decode__access_review(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) attributes = FL_BUF_INIT(FL_BUF_ANY);
    text(&attributes, 1, "default");
    text(&attributes, 2, "create");
    text(&attributes, 3, "fairlead.dev");
    text(&attributes, 4, "*");
    text(&attributes, 5, "registries");
    text(&attributes, 6, "");
    fl_auto_val(fl_buf) spec = FL_BUF_INIT(FL_BUF_ANY);
    message(&spec, 1, &attributes);
    fl_auto_val(fl_buf) msg = FL_BUF_INIT(FL_BUF_ANY);
    message(&msg, 2, &spec);
    decodes("review", &msg, fl_kind_self_subject_access_review.rows,
            "{\"spec\":{\"resourceAttributes\":{\"namespace\":\"default\",\"verb\":\"create\","
            "\"group\":\"fairlead.dev\",\"version\":\"*\",\"resource\":\"registries\"}}}");
}

static void test_decode__unknown_fields_and_types_are_skipped(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) msg = FL_BUF_INIT(FL_BUF_ANY);
    number(&msg, 99, -1);
    text(&msg, 536870911, "largest number");
    fl_buf_add(&msg,
               "\xf9\x06"
               "12345678",
               10); /* 111: 64 bits */
    fl_buf_add(&msg,
               "\xf5\x06"
               "1234",
               6);      /* 110: 32 bits */
    number(&msg, 3, 7); /* type is a text */
    text(&msg, 5, "x"); /* immutable is a number */
    text(&msg, 3, "Opaque");
    decodes("unknown", &msg, fl_kind_secret.rows, "{\"type\":\"Opaque\"}");
}

static void test_decode__later_values_win(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) msg = FL_BUF_INIT(FL_BUF_ANY);
    text(&msg, 3, "a");
    text(&msg, 3, "b");
    entry(&msg, 2, "k", FL_STR("a"));
    entry(&msg, 2, "k", FL_STR("b"));
    decodes("later", &msg, fl_kind_secret.rows, "{\"type\":\"b\",\"data\":{\"k\":\"Yg==\"}}");
}

static void test_decode__malformed_is_refused(void **state)
{
    (void)state;
    const struct {
        const char *name;
        struct fl_str in;
    } rows[] = {
        {"cut number", FL_STR("\x80")},
        {"number of eleven bytes", FL_STR("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")},
        {"number beyond 64 bits", FL_STR("\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02")},
        {"field number 0", FL_STR("\x00\x01")},
        {"no value", FL_STR("\x1a")},
        {"length beyond the end", FL_STR("\x1a\x05"
                                         "abc")},
        {"huge length", FL_STR("\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
        {"group", FL_STR("\x1b\x1c")},
        {"wire type 6", FL_STR("\x1e\x01")},
        {"cut 64 bits", FL_STR("\x19"
                               "1234567")},
        {"cut 32 bits", FL_STR("\x1d"
                               "123")},
        {"text not UTF-8", FL_STR("\x1a\x01\xff")},
        {"key not UTF-8", FL_STR("\x12\x03\x0a\x01\xff")},
        {"key with NUL", FL_STR("\x12\x03\x0a\x01\x00")},
        {"cut entry", FL_STR("\x12\x02\x0a\x05")},
        {"cut metadata", FL_STR("\x0a\x02\x0a\x05")},
        {"time out of range", FL_STR("\x0a\x0a\x42\x08\x08\xff\xff\xff\xff\xff\xff\x7f")},
        {"time with too many nanoseconds", FL_STR("\x0a\x08\x42\x06\x10\xff\xff\xff\xff\x7f")},
        {"fields not JSON", FL_STR("\x0a\x09\x8a\x01\x06\x3a\x04\x0a\x02{]")},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        refuses(rows[i].name, rows[i].in, fl_kind_secret.rows, FL_E_BAD_DATA);
    }
}

static void test_decode__caps(void **state)
{
    (void)state;
    fl_auto_val(fl_buf) many = FL_BUF_INIT(FL_BUF_ANY);
    for (int i = 0; i <= 200000; i++) {
        fl_buf_add(&many, "\x2a\x00", 2); /* dryRun: "" */
    }
    refuses("too many values", fl_buf_slice(&many), fl_delete_options_rows, FL_E_TOO_BIG);
    fl_auto_val(fl_buf) large = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_reserve(&large, (size_t)9 << 20);
    for (int i = 0; i < 9 << 10; i++) {
        static const char block[1024];
        fl_buf_add(&large, block, sizeof(block));
    }
    refuses("too many bytes", fl_buf_slice(&large), fl_delete_options_rows, FL_E_TOO_BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope__is_opened),
        cmocka_unit_test(test_envelope__what_is_none_is_refused),
        cmocka_unit_test(test_decode__secret_as_kubectl_sends_it),
        cmocka_unit_test(test_decode__metadata_in_full),
        cmocka_unit_test(test_decode__lease_has_microseconds),
        cmocka_unit_test(test_decode__options_keep_zeros_that_were_sent),
        cmocka_unit_test(test_decode__kinds_without_data),
        cmocka_unit_test(test_decode__access_review),
        cmocka_unit_test(test_decode__unknown_fields_and_types_are_skipped),
        cmocka_unit_test(test_decode__later_values_win),
        cmocka_unit_test(test_decode__malformed_is_refused),
        cmocka_unit_test(test_decode__caps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
