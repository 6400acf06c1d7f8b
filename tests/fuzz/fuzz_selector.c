/* SPDX-License-Identifier: Apache-2.0
 * Label and field selectors: any text parses or is refused, and what parses matches without reading outside. The first
 * byte picks the kind of selector. */
#include "api/scheme.h"
#include "apiserver/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fl_kind *const kinds[] = {NULL, &fl_kind_event, &fl_kind_event_v1,
                                                  &fl_kind_secret};
    static const char object[] =
        "{\"metadata\":{\"name\":\"n\",\"namespace\":\"d\",\"labels\":{\"a\":\"1\",\"b\":\"\","
        "\"c/d\":\"x\\u0041\"}},\"type\":\"Opaque\",\"source\":{\"component\":\"c\"},\"reason\":7}";
    if (size == 0) {
        return 0;
    }
    struct fl_str text = {(const char *)data + 1, size - 1};
    const struct fl_kind *kind = kinds[data[0] % FL_LEN(kinds)];
    fl_auto(fl_selector) s = NULL;
    struct fl_err err = FL_ERR_INIT;
    int rc = kind ? fl_selector_fields(text, kind, &s, &err) : fl_selector_labels(text, &s, &err);
    fl_assert((rc == 0) == (s != NULL));
    fl_assert(rc == 0 || (rc == FL_E_INVALID && err.msg[0]));
    if (rc == 0) {
        bool match = fl_selector_match(s, fl_str_of(object));
        fl_assert(match || !fl_selector_empty(s));
        fl_assert(fl_selector_name(s).n <= text.n);
    }
    return 0;
}
