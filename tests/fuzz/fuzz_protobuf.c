/* SPDX-License-Identifier: Apache-2.0
 * Input: one byte that chooses the rows (a kind of the scheme, or DeleteOptions), then a message. Where it is taken, the tree holds
 * nothing that no row names, and is text that reads back the same. The whole input is also tried as an envelope. */
#include "api/scheme.h"
#include "wire/codec.h"
#include "wire/protobuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct fl_field *choose(uint8_t byte)
{
    size_t n = 0;
    while (fl_scheme[n]) {
        n++;
    }
    size_t i = byte % (n + 1);
    return i < n ? fl_scheme[i]->rows : fl_delete_options_rows;
}

static void no_unknown(void *arg, const char *path)
{
    (void)arg;
    (void)path;
    fl_assert(!"a field that no row names");
}

static void check_tree(const struct fl_field *rows, struct fl_json *j)
{
    fl_codec_prune(rows, j, "", no_unknown, NULL);
    struct fl_json *meta = fl_json_get(j, "metadata");
    if (meta) {
        fl_codec_prune(fl_meta_rows, meta, "metadata", no_unknown, NULL);
    }
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto(fl_json) again = NULL;
    struct fl_err err = FL_ERR_INIT;
    fl_json_write(j, &text);
    fl_assert(fl_json_parse(fl_buf_slice(&text), FL_BUF_ANY, &again, &err) == 0);
    fl_assert(fl_json_equal(j, again));
}

static void check_envelope(struct fl_str in)
{
    struct fl_str api_version, kind, raw;
    struct fl_err err = FL_ERR_INIT;
    if (fl_protobuf_envelope(in, &api_version, &kind, &raw, &err) == 0) {
        fl_assert(raw.n == 0 || (raw.p >= in.p && raw.p + raw.n <= in.p + in.n));
    } else {
        fl_assert(err.code == FL_E_BAD_DATA && err.msg[0]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fl_str in = {(const char *)data, size};
    check_envelope(in);
    if (size == 0) {
        return 0;
    }
    const struct fl_field *rows = choose(data[0]);
    fl_auto(fl_json) j = NULL;
    struct fl_err err = FL_ERR_INIT;
    if (fl_protobuf_decode((struct fl_str){in.p + 1, in.n - 1}, rows, &j, &err) == 0) {
        check_tree(rows, j);
    } else {
        fl_assert(!j && err.msg[0]);
    }
    return 0;
}
