/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/eventview.h"

#include "wire/scan.h"

static const struct {
    const char *core, *view;
} names[] = {
    {"involvedObject", "regarding"},
    {"message", "note"},
    {"source", "deprecatedSource"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
    {"count", "deprecatedCount"},
    {"reportingComponent", "reportingController"},
};

void fl_event_view(struct fl_str stored, struct fl_buf *out)
{
    struct fl_str key, value;
    size_t at = 0;
    char before = '{';
    while (fl_scan_next(stored, &at, &key, &value)) {
        const char *renamed = NULL;
        for (size_t i = 0; i < FL_LEN(names); i++) {
            if (fl_str_is(key, names[i].core)) {
                renamed = names[i].view;
            }
        }
        fl_buf_char(out, before);
        before = ',';
        fl_buf_char(out, '"');
        fl_buf_str(out, renamed ? fl_str_of(renamed) : key);
        fl_buf_text(out, "\":");
        fl_buf_str(out, fl_str_is(key, "apiVersion") ? FL_STR("\"events.k8s.io/v1\"") : value);
    }
    fl_buf_text(out, before == '{' ? "{}" : "}");
}

struct fl_json *fl_event_store_form(const struct fl_json *view)
{
    struct fl_json *core = fl_json_object();
    struct fl_json_iter it = fl_json_iter(view);
    while (fl_json_next(&it)) {
        struct fl_str key = it.key;
        for (size_t i = 0; i < FL_LEN(names); i++) {
            if (fl_str_is(key, names[i].view)) {
                key = fl_str_of(names[i].core);
                break;
            }
        }
        fl_json_set_str(core, key, fl_json_ref(it.value));
    }
    if (fl_json_get(core, "apiVersion")) {
        fl_json_set(core, "apiVersion", fl_json_text("v1"));
    }
    return core;
}
