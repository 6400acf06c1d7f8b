/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine_priv.h"
#include "wire/codec.h"
#include "wire/scan.h"

static void *decode_rows(const struct fl_field *rows, size_t size, const struct fl_json *j,
                         struct fl_arena *a)
{
    if (!rows || size == 0) {
        return NULL;
    }
    void *st = fl_arena_alloc(a, size);
    fl_codec_decode(rows, j, a, st);
    return st;
}

/* The same rules as at admission: rows first, then what holds between fields, which may rely on the rows. */
static void check_spec(const struct fl_kind *kind, const struct fl_json *j, const void *spec,
                       struct fl_violations *vs)
{
    fl_codec_validate(kind->spec_rows, j, "spec", vs);
    if (vs->n == 0 && kind->check) {
        kind->check(spec, NULL, vs);
    }
}

/* Lists of work are long, and who asks how far they are need not read them. */
static int decode_status(const struct fl_kind *kind, struct fl_str text, struct fl_arena *a,
                         void **ret_status, struct fl_err *err)
{
    fl_auto(fl_json) j = NULL;
    struct fl_str status = fl_scan_get(text, FL_STR("status"));
    if (fl_scan_kind(status) == FL_SCAN_OBJECT) {
        int r = fl_json_parse(status, ENGINE_OBJECT_MAX, &j, err);
        if (r < 0) {
            return err ? fl_wrap(err, "%s", kind->kind) : r;
        }
    }
    *ret_status = decode_rows(kind->status_rows, kind->status_size, j, a);
    return 0;
}

int engine_decode(const struct fl_kind *kind, struct fl_str text, struct fl_arena *a,
                  const void **ret_spec, void **ret_status, struct fl_violations *vs,
                  struct fl_err *err)
{
    if (!ret_spec) {
        return ret_status ? decode_status(kind, text, a, ret_status, err) : 0;
    }
    fl_auto(fl_json) j = NULL;
    int r = fl_json_parse(text, ENGINE_OBJECT_MAX, &j, err);
    if (r < 0) {
        return err ? fl_wrap(err, "%s", kind->kind) : r;
    }
    struct fl_json *spec = fl_json_get(j, "spec");
    if (!fl_json_is(spec, FL_JSON_OBJECT)) {
        spec = fl_json_object();
        fl_json_set(j, "spec", spec);
    }
    if (kind->spec_rows) {
        fl_codec_default(kind->spec_rows, spec);
    }
    *ret_spec = decode_rows(kind->spec_rows, kind->spec_size, spec, a);
    if (vs && kind->spec_rows) {
        check_spec(kind, spec, *ret_spec, vs);
    }
    if (ret_status) {
        *ret_status =
            decode_rows(kind->status_rows, kind->status_size, fl_json_get(j, "status"), a);
    }
    return 0;
}
