/* SPDX-License-Identifier: Apache-2.0
 * Input: any bytes. What parses is written, read again and must be the same. */
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* `text` reads back as j, and that writes `compact`. */
static void same_again(const struct fl_json *j, const struct fl_buf *text,
                       const struct fl_buf *compact)
{
    fl_auto(fl_json) back = NULL;
    fl_auto_val(fl_buf) again = FL_BUF_INIT(FL_BUF_ANY);
    int rc = fl_json_parse(fl_buf_slice(text), text->len, &back, NULL);
    fl_assert(rc == 0);
    fl_assert(fl_json_equal(j, back) && fl_json_equal(back, j));
    fl_json_write(back, &again);
    fl_assert(fl_str_eq(fl_buf_slice(compact), fl_buf_slice(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fl_auto(fl_json) j = NULL;
    fl_auto(fl_json) copy = NULL;
    fl_auto_val(fl_buf) first = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) second = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) pretty = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_err err = FL_ERR_INIT;
    if (fl_json_parse((struct fl_str){(const char *)data, size}, size, &j, &err) != 0) {
        return 0;
    }
    fl_json_write(j, &first);
    same_again(j, &first, &first);
    fl_json_write_pretty(j, &pretty);
    same_again(j, &pretty, &first);
    copy = fl_json_copy(j);
    fl_assert(fl_json_equal(j, copy));
    fl_json_write(copy, &second);
    fl_assert(fl_str_eq(fl_buf_slice(&first), fl_buf_slice(&second)));
    return 0;
}
