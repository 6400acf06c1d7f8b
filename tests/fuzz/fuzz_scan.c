/* SPDX-License-Identifier: Apache-2.0
 * Input: any bytes. The readers are run on text that failed the check too: their answers mean nothing then, but they must
 * stay inside it and end. */
#include "wire/json.h"
#include "wire/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count_dup(void *arg, struct fl_str path)
{
    size_t *dups = arg;
    fl_assert(path.p != NULL);
    (*dups)++;
}

static bool inside(struct fl_str outer, struct fl_str inner)
{
    return inner.n == 0 || (inner.p >= outer.p && inner.p + inner.n <= outer.p + outer.n);
}

/* recursion: depth <= FL_JSON_DEPTH_MAX */
static size_t walk(struct fl_str value, int depth)
{
    struct fl_str key;
    struct fl_str member;
    struct fl_str plain = {NULL, 0};
    fl_auto_val(fl_buf) text = FL_BUF_INIT(value.n * 3 + 8);
    int64_t i;
    bool b;
    size_t values = 1;
    bool string = fl_scan_text(value, &text);
    if (fl_scan_plain(value, &plain)) {
        fl_assert(string && inside(value, plain) && fl_str_eq(plain, fl_buf_slice(&text)));
    }
    (void)fl_scan_i64(value, &i);
    (void)fl_scan_bool(value, &b);
    for (size_t at = 0; fl_scan_next(value, &at, &key, &member);) {
        fl_assert(at <= value.n && inside(value, key) && inside(value, member) && member.n > 0);
        if (depth < FL_JSON_DEPTH_MAX) {
            values += walk(member, depth + 1);
        }
    }
    return values;
}

/* recursion: depth <= FL_JSON_DEPTH_MAX */
static size_t count(const struct fl_json *j)
{
    size_t values = 1;
    for (size_t i = 0; i < fl_json_len(j) && fl_json_is(j, FL_JSON_ARRAY); i++) {
        values += count(fl_json_at(j, i));
    }
    struct fl_json_iter it = fl_json_iter(j);
    while (fl_json_next(&it)) {
        values += count(it.value);
    }
    return values;
}

static void check_members(struct fl_str text, const struct fl_json *j)
{
    struct fl_json_iter it = fl_json_iter(j);
    while (fl_json_next(&it)) {
        struct fl_json *value = NULL;
        struct fl_str raw = fl_scan_get(text, it.key);
        int rc = fl_json_parse(raw, raw.n, &value, NULL);
        fl_assert(rc == 0 && fl_json_equal(value, it.value));
        fl_json_free(value);
    }
}

static int ignore_item(void *arg, struct fl_str raw, struct fl_err *err)
{
    (void)err;
    fl_assert(inside(*(struct fl_str *)arg, raw));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fl_str text = {(const char *)data, size};
    struct fl_str meta = {NULL, 0};
    struct fl_err err = FL_ERR_INIT;
    size_t dups = 0;
    int rc = fl_json_check(text, &err);
    fl_assert(rc == 0 || (rc == FL_E_BAD_DATA && err.msg[0] != '\0'));
    int lenient = fl_json_check_dup(text, count_dup, &dups, &err);
    fl_assert((rc == 0) == (lenient == 0 && dups == 0));
    size_t values = walk(text, 0);
    (void)fl_scan_path(text, "metadata.name");
    (void)fl_scan_list(text, &meta, ignore_item, &text, &err);
    if (rc == 0) {
        fl_auto(fl_json) j = NULL;
        fl_assert(fl_json_parse(text, size, &j, &err) == 0);
        fl_assert(count(j) == values);
        check_members(text, j);
    }
    return 0;
}
