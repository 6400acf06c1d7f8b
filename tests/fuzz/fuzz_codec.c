/* SPDX-License-Identifier: Apache-2.0
 * Input: one byte that chooses a kind, then an object as JSON, walked as the API server walks it. What is valid stays so: defaulting
 * twice is defaulting once, and a spec that was decoded and encoded is valid again and decodes to the same. */
#include "api/scheme.h"
#include "wire/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct fl_kind *choose(uint8_t byte)
{
    size_t n = 0;
    while (fl_scheme[n]) {
        n++;
    }
    return fl_scheme[byte % n];
}

static void check_defaults(const struct fl_field *rows, struct fl_json *j)
{
    fl_codec_default(rows, j);
    fl_auto(fl_json) once = fl_json_copy(j);
    fl_codec_default(rows, j);
    fl_assert(fl_json_equal(once, j));
}

static struct fl_json *round_trip(const struct fl_kind *k, const struct fl_json *spec,
                                  struct fl_arena *a, struct fl_violations *vs)
{
    void *st = fl_arena_alloc(a, k->spec_size);
    fl_codec_decode(k->spec_rows, spec, a, st);
    if (k->check) {
        k->check(st, NULL, vs);
    }
    return fl_codec_encode(k->spec_rows, st);
}

static void check_spec(const struct fl_kind *k, const struct fl_json *spec, struct fl_arena *a)
{
    struct fl_violations across = {.arena = a}, vs = {.arena = a};
    fl_auto(fl_json) once = round_trip(k, spec, a, &across);
    fl_codec_default(k->spec_rows, once);
    fl_codec_validate(k->spec_rows, once, "spec", &vs);
    fl_assert(vs.n == 0);
    fl_auto(fl_json) twice = round_trip(k, once, a, &vs);
    fl_codec_default(k->spec_rows, twice);
    fl_assert(fl_json_equal(once, twice));
    fl_assert(across.n == vs.n);
    fl_codec_validate_update(k->spec_rows, twice, once, "spec", &vs);
    fl_assert(across.n == vs.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const struct fl_kind *k = choose(data[0]);
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto(fl_json) j = NULL;
    struct fl_err err = FL_ERR_INIT;
    struct fl_violations vs = {.arena = a};
    if (fl_json_parse((struct fl_str){(const char *)data + 1, size - 1}, 1 << 20, &j, &err) != 0) {
        return 0;
    }
    fl_codec_prune(k->rows, j, "", NULL, NULL);
    check_defaults(k->rows, j);
    fl_codec_validate(k->rows, j, "", &vs);
    for (size_t i = 0; i < vs.n; i++) {
        fl_assert(fl_utf8_valid(fl_str_of(vs.v[i].text)) && vs.v[i].text[0]);
    }
    if (vs.n == 0 && k->spec_size) {
        check_spec(k, fl_json_get(j, "spec"), a);
    }
    return 0;
}
