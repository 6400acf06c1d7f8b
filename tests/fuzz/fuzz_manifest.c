/* SPDX-License-Identifier: Apache-2.0
 * Input: a Content-Type, a newline, a manifest. What comes out can be asked for: every digest is one, no size is below nothing,
 * the bytes are those that came in. */
#include "api/meta/oci_names.h"
#include "oci/oci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DIGEST "sha256:0000000000000000000000000000000000000000000000000000000000000000"

static void check_list(const struct fl_descriptor *v, size_t n)
{
    fl_assert(n <= 10001);
    for (size_t i = 0; i < n; i++) {
        fl_assert(!fl_oci_digest_wrong(fl_str_of(v[i].digest)));
        fl_assert(v[i].size >= 0 && v[i].media_type);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fl_str bytes = {(const char *)data, size};
    struct fl_str type;
    (void)fl_str_cut(&bytes, '\n', &type);
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_manifest m = {0};
    struct fl_err err = FL_ERR_INIT;
    int x = fl_oci_manifest_parse(a, bytes, type, DIGEST, &m, &err);
    if (x < 0) {
        fl_assert(x == (int)err.code && err.reason[0] && err.msg[0]);
        fl_assert(!m.media_type && !m.n_blobs && !m.n_manifests);
        return 0;
    }
    fl_assert(fl_str_eq(m.bytes, bytes) && m.media_type && fl_text_eq(m.digest, DIGEST));
    fl_assert(fl_str_printable(fl_str_of(m.media_type))); /* it goes out as a header */
    check_list(m.manifests, m.n_manifests);
    check_list(m.blobs, m.n_blobs);
    fl_assert(m.kind == FL_MANIFEST_IMAGE ? m.n_blobs > 0 : m.n_blobs == 0);
    return 0;
}
