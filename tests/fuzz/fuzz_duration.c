/* SPDX-License-Identifier: Apache-2.0
 * Numbers, durations and times: what is read and printed again must be read as the same. */
#include "base/num.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_numbers(struct fl_str s)
{
    int64_t i = 0;
    uint64_t u = 0;
    double d = 0;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    if (fl_num_i64(s, &i)) {
        int64_t again = 0;
        fl_buf_i64(&b, i);
        fl_assert(fl_num_i64(fl_buf_slice(&b), &again) && again == i);
        fl_assert(fl_num_double(s, &d) || s.n >= 300);
    }
    if (fl_num_u64(s, &u)) {
        fl_buf_clear(&b);
        fl_bytes_human(&b, u);
        fl_assert(b.len >= 3 && b.len <= 10);
    }
    (void)fl_num_double(s, &d);
}

static void check_duration(struct fl_str s)
{
    int64_t ms = 0;
    int64_t again = 0;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    if (fl_duration_parse(s, &ms)) {
        fl_duration_fmt(&b, ms);
        fl_assert(fl_duration_parse(fl_buf_slice(&b), &again) && again == ms);
        fl_buf_clear(&b);
        fl_duration_human(&b, ms);
        fl_assert(b.len >= 2);
    }
}

static void check_time(struct fl_str s)
{
    int64_t ms = 0;
    int64_t again = 0;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    /* An offset may reach beyond the years that can be printed. */
    if (fl_time_parse(s, &ms) && ms >= INT64_C(-62167219200000) && ms <= INT64_C(253402300799999)) {
        fl_time_fmt_micro(&b, ms * 1000);
        fl_assert(fl_time_parse(fl_buf_slice(&b), &again) && again == ms);
    }
    (void)fl_time_parse_http(s, &ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fl_str s = {(const char *)data, size};
    check_numbers(s);
    check_duration(s);
    check_time(s);
    return 0;
}
