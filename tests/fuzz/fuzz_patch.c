/* SPDX-License-Identifier: Apache-2.0
 * Input: two JSON texts with a newline between. The first is patched with the second in all three ways; what comes out
 * must be a tree that can be stored and read back. */
#include "wire/patch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Short names, so that the fuzzer finds them. */
static const struct fl_field inner_rows[] = {
    {.name = "s", .type = FL_LIST, .item = FL_STRING, .flags = FL_LIST_SET},
    {.name = "m", .type = FL_LIST, .item = FL_OBJECT, .flags = FL_LIST_MAP, .key = "k"},
    {.type = FL_END},
};

static const struct fl_field rows[] = {
    {.name = "s", .type = FL_LIST, .item = FL_STRING, .flags = FL_LIST_SET},
    {.name = "m",
     .type = FL_LIST,
     .item = FL_OBJECT,
     .flags = FL_LIST_MAP,
     .key = "k",
     .rows = inner_rows},
    {.name = "o", .type = FL_OBJECT, .rows = inner_rows},
    {.name = "a", .type = FL_LIST, .item = FL_STRING},
    {.type = FL_END},
};

static void check_tree(const struct fl_json *j)
{
    fl_auto(fl_json) back = NULL;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_err err = FL_ERR_INIT;
    fl_json_write(j, &b);
    int rc = fl_json_parse(fl_buf_slice(&b), b.len, &back, &err);
    fl_assert(rc == 0 && fl_json_equal(j, back));
}

static void check_code(int rc, const struct fl_err *err)
{
    fl_assert(rc == 0 || ((rc == FL_E_BAD_DATA || rc == FL_E_INVALID || rc == FL_E_TOO_BIG) &&
                          err->msg[0] != '\0'));
}

static void run_merge(const struct fl_json *target, const struct fl_json *patch)
{
    fl_auto(fl_json) once = fl_json_copy(target);
    fl_patch_merge(&once, patch);
    check_tree(once);
    fl_auto(fl_json) twice = fl_json_copy(once);
    fl_patch_merge(&twice, patch);
    fl_assert(fl_json_equal(once, twice));
}

static void run_diff(const struct fl_json *from, const struct fl_json *to, bool nulls)
{
    fl_auto(fl_json) diff = fl_patch_diff(from, to);
    fl_auto(fl_json) reached = fl_json_copy(from);
    if (diff) {
        check_tree(diff);
        fl_patch_merge(&reached, diff);
    }
    fl_assert(nulls || fl_json_equal(reached, to));
    /* Once there, there is nothing left to do, nulls or not. */
    fl_auto(fl_json) again = fl_patch_diff(reached, reached);
    fl_assert(!again);
}

static void run_json(const struct fl_json *target, const struct fl_json *patch)
{
    fl_auto(fl_json) tree = fl_json_copy(target);
    struct fl_err err = FL_ERR_INIT;
    check_code(fl_patch_json(&tree, patch, &err), &err);
    check_tree(tree);
}

static void run_strategic(const struct fl_json *target, const struct fl_json *patch)
{
    fl_auto(fl_json) tree = fl_json_copy(target);
    struct fl_err err = FL_ERR_INIT;
    check_code(fl_patch_strategic(&tree, patch, rows, &err), &err);
    check_tree(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fl_str second = {(const char *)data, size};
    struct fl_str first;
    fl_auto(fl_json) target = NULL;
    fl_auto(fl_json) patch = NULL;
    (void)fl_str_cut(&second, '\n', &first);
    if (fl_json_parse(first, size, &target, NULL) != 0 ||
        fl_json_parse(second, size, &patch, NULL) != 0) {
        return 0;
    }
    run_merge(target, patch);
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    fl_json_write(patch, &text);
    run_diff(target, patch, strstr(text.data, "null") != NULL);
    run_json(target, patch);
    run_strategic(target, patch);
    return 0;
}
