/* SPDX-License-Identifier: Apache-2.0
 * Input: any bytes. Every document that is read is written as YAML, read again and must be the same. */
#include "wire/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CAP ((size_t)1 << 20)

struct input {
    bool json; /* may be read as JSON, where 1.0 stays a double; in YAML it is an int, as in Go */
};

static struct fl_json *read_back(const struct fl_buf *text)
{
    struct fl_json *j = NULL;
    struct fl_err err = FL_ERR_INIT;
    int rc = fl_yaml_parse(fl_buf_slice(text), (size_t)1 << 30, "written", &j, &err);
    fl_assert(rc == 0);
    return j;
}

static int check_document(void *arg, struct fl_json *tree, int number, int line, struct fl_err *err)
{
    const struct input *input = arg;
    fl_auto(fl_json) first = tree;
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) again = FL_BUF_INIT(FL_BUF_ANY);
    (void)err;
    fl_assert(number > 0 && line > 0 && !fl_json_is(first, FL_JSON_NULL));
    fl_yaml_write(first, &text);
    fl_auto(fl_json) second = read_back(&text);
    fl_assert(input->json || fl_json_equal(first, second));
    fl_yaml_write(second, &again);
    fl_assert(input->json || fl_str_eq(fl_buf_slice(&text), fl_buf_slice(&again)));
    fl_auto(fl_json) third = read_back(&again);
    fl_assert(fl_json_equal(second, third));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {.json = size > 0 && (memchr(data, '{', size) || memchr(data, '[', size))};
    struct fl_err err = FL_ERR_INIT;
    int rc = fl_yaml_read((struct fl_str){(const char *)data, size}, CAP, "input", check_document,
                          &input, &err);
    fl_assert(rc == 0 || ((rc == FL_E_BAD_DATA || rc == FL_E_TOO_BIG) && err.msg[0] != '\0'));
    return 0;
}
