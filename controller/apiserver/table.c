/* SPDX-License-Identifier: Apache-2.0
 * Cells of built-in kinds: kubernetes pkg/printers/internalversion/printers.go; of custom ones:
 * apiextensions-apiserver pkg/registry/customresource/tableconvertor. */
#include "apiserver/table.h"

#include "api/scheme.h"
#include "base/num.h"
#include "wire/scan.h"

static const struct fl_str nothing = {NULL, 0};

/* Paths. */

/* ".name": the member; *path moves behind it. */
static struct fl_str step_member(struct fl_str at, const char **path)
{
    const char *name = *path + 1;
    size_t n = strcspn(name, ".[");
    *path = name + n;
    return fl_scan_get(at, (struct fl_str){name, n});
}

static struct fl_str element(struct fl_str list, size_t index)
{
    struct fl_str key, value;
    size_t at = 0;
    for (size_t i = 0; fl_scan_next(list, &at, &key, &value); i++) {
        if (i == index) {
            return value;
        }
    }
    return nothing;
}

/* The first element whose member `name` is the text `want`. */
static struct fl_str first_where(struct fl_str list, struct fl_str name, struct fl_str want)
{
    struct fl_str key, value, have;
    size_t at = 0;
    while (fl_scan_next(list, &at, &key, &value)) {
        if (fl_scan_kind(value) == FL_SCAN_OBJECT &&
            fl_scan_plain(fl_scan_get(value, name), &have) && fl_str_eq(have, want)) {
            return value;
        }
    }
    return nothing;
}

/* "[3]" or "[?(@.name=="text")]". Other forms give nothing. */
static struct fl_str step_element(struct fl_str at, const char **path)
{
    static const char where[] = "[?(@.";
    struct fl_str body = {*path, strcspn(*path, "]")};
    *path += body.n + ((*path)[body.n] == ']');
    if (fl_scan_kind(at) != FL_SCAN_ARRAY) {
        return nothing;
    }
    uint64_t index;
    if (fl_num_u64((struct fl_str){body.p + 1, body.n - 1}, &index)) {
        return element(at, (size_t)index);
    }
    if (!fl_str_starts(body, where) || !fl_str_ends(body, "\")")) {
        return nothing;
    }
    struct fl_str rest = {body.p + sizeof(where) - 1, body.n - (sizeof(where) - 1) - 2};
    struct fl_str name;
    if (!fl_str_cut(&rest, '=', &name) || !fl_str_starts(rest, "=\"")) {
        return nothing;
    }
    return first_where(at, fl_str_trim(name), (struct fl_str){rest.p + 2, rest.n - 2});
}

struct fl_str fl_table_path(struct fl_str text, const char *path)
{
    struct fl_str at = text;
    while (*path) {
        if (*path == '.' && at.n > 0 && fl_scan_kind(at) == FL_SCAN_OBJECT) {
            at = step_member(at, &path);
        } else if (*path == '[' && at.n > 0) {
            at = step_element(at, &path);
        } else {
            return nothing;
        }
    }
    return at.n > 0 && fl_scan_kind(at) == FL_SCAN_NULL ? nothing : at;
}

/* Cells. */

static int64_t count(struct fl_str container)
{
    struct fl_str key, value;
    size_t at = 0;
    int64_t n = 0;
    while (container.n > 0 && fl_scan_next(container, &at, &key, &value)) {
        n++;
    }
    return n;
}

static bool is_container(struct fl_str value)
{
    enum fl_scan_kind kind = fl_scan_kind(value);
    return kind == FL_SCAN_OBJECT || kind == FL_SCAN_ARRAY;
}

static void age_cell(struct fl_str value, int64_t now_ms, struct fl_buf *out)
{
    struct fl_str plain;
    int64_t then;
    if (!fl_scan_plain(value, &plain) || !fl_time_parse(plain, &then)) {
        fl_buf_text(out, "\"<invalid>\"");
        return;
    }
    fl_buf_char(out, '"');
    fl_duration_human(out, now_ms > then ? now_ms - then : 0);
    fl_buf_char(out, '"');
}

static void string_cell(struct fl_str value, struct fl_buf *out)
{
    if (fl_scan_kind(value) == FL_SCAN_STRING) {
        fl_buf_str(out, value);
    } else {
        fl_buf_json_str(out, value);
    }
}

static void cell(const struct fl_kind *k, const struct fl_column *c, struct fl_str value,
                 int64_t now_ms, struct fl_buf *out)
{
    bool integer = strcmp(c->type, "integer") == 0;
    if (value.n == 0) {
        fl_buf_text(out, integer && !(k->flags & FL_KIND_CUSTOM) ? "0" : "null");
    } else if (integer && is_container(value)) {
        fl_buf_i64(out, count(value));
    } else if (strcmp(c->type, "date") == 0) {
        age_cell(value, now_ms, out);
    } else if (strcmp(c->type, "string") == 0) {
        string_cell(value, out);
    } else {
        fl_buf_str(out, value);
    }
}

static void value_cell(struct fl_str text, const char *path, struct fl_buf *out)
{
    struct fl_str value = fl_table_path(text, path);
    if (value.n > 0) {
        string_cell(value, out);
    } else {
        fl_buf_text(out, "\"\"");
    }
}

/* Events are shown in the way of kubectl's own printer: kind and name of the object in one cell, the newest of three
 * times, the name last. The text is the stored one, in core form, for both groups. */

static struct fl_str first_of(struct fl_str text, const char *a, const char *b, const char *c)
{
    const char *const paths[] = {a, b, c};
    for (size_t i = 0; i < FL_LEN(paths); i++) {
        struct fl_str value = paths[i] ? fl_table_path(text, paths[i]) : nothing;
        if (value.n > 0) {
            return value;
        }
    }
    return nothing;
}

static void event_age(struct fl_str value, int64_t now_ms, struct fl_buf *out)
{
    if (value.n == 0) {
        fl_buf_text(out, "\"<unknown>\"");
    } else {
        age_cell(value, now_ms, out);
    }
}

static void lower_add(struct fl_buf *b, struct fl_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c >= 'A' && c <= 'Z') {
            c = (char)(c - 'A' + 'a');
        }
        fl_buf_char(b, c);
    }
}

static void event_object(struct fl_str text, struct fl_buf *out)
{
    fl_auto_val(fl_buf) kind = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) whole = FL_BUF_INIT(FL_BUF_ANY);
    (void)fl_scan_text(fl_scan_path(text, "involvedObject.kind"), &kind);
    lower_add(&whole, fl_buf_slice(&kind));
    fl_buf_char(&whole, '/');
    (void)fl_scan_text(fl_scan_path(text, "involvedObject.name"), &whole);
    fl_buf_json_str(out, fl_buf_slice(&whole));
}

static void event_source(struct fl_str text, struct fl_buf *out)
{
    struct fl_str who = first_of(text, ".source.component", ".reportingComponent", NULL);
    fl_auto_val(fl_buf) whole = FL_BUF_INIT(FL_BUF_ANY);
    (void)fl_scan_text(who, &whole);
    fl_buf_json_str(out, fl_buf_slice(&whole));
}

static void event_cells(struct fl_str text, int64_t now_ms, struct fl_buf *out)
{
    struct fl_str n = first_of(text, ".series.count", ".count", NULL);
    fl_buf_char(out, '[');
    event_age(first_of(text, ".series.lastObservedTime", ".lastTimestamp", ".eventTime"), now_ms,
              out);
    fl_buf_char(out, ',');
    value_cell(text, ".type", out);
    fl_buf_char(out, ',');
    value_cell(text, ".reason", out);
    fl_buf_char(out, ',');
    event_object(text, out);
    fl_buf_char(out, ',');
    value_cell(text, ".involvedObject.fieldPath", out);
    fl_buf_char(out, ',');
    event_source(text, out);
    fl_buf_char(out, ',');
    value_cell(text, ".message", out);
    fl_buf_char(out, ',');
    event_age(first_of(text, ".firstTimestamp", ".eventTime", NULL), now_ms, out);
    fl_buf_char(out, ',');
    fl_buf_str(out, n.n > 0 ? n : FL_STR("1"));
    fl_buf_char(out, ',');
    value_cell(text, ".metadata.name", out);
    fl_buf_char(out, ']');
}

static const struct fl_column event_columns[] = {
    {"Last Seen", "string", "", 0, "How long ago it last happened."},
    {"Type", "string", "", 0, "Normal or Warning."},
    {"Reason", "string", "", 0, "Why, in one word."},
    {"Object", "string", "", 0, "Object that it is about."},
    {"Subobject", "string", "", 1, "Part of the object that it is about."},
    {"Source", "string", "", 1, "Who reported it."},
    {"Message", "string", "", 0, "What happened."},
    {"First Seen", "string", "", 1, "How long ago it first happened."},
    {"Count", "integer", "", 1, "How often it has happened."},
    {"Name", "string", "", 1, "Name of the event."},
    {NULL, NULL, NULL, 0, NULL},
};

static const struct fl_column age_only[] = {
    FL_COLUMN_AGE,
    {NULL, NULL, NULL, 0, NULL},
};

static bool is_event(const struct fl_kind *k)
{
    return k == &fl_kind_event || k == &fl_kind_event_v1;
}

static const struct fl_column *columns_of(const struct fl_kind *k)
{
    if (is_event(k)) {
        return event_columns;
    }
    return k->columns ? k->columns : age_only;
}

static void definition(const struct fl_column *c, bool custom, struct fl_buf *out)
{
    bool name = strcmp(c->name, "Name") == 0;
    /* The real server of built-in kinds calls ages strings; that of custom ones calls them dates. */
    const char *type = !custom && strcmp(c->type, "date") == 0 ? "string" : c->type;
    fl_buf_text(out, "{\"name\":");
    fl_buf_json_str(out, fl_str_of(c->name));
    fl_buf_fmt(out, ",\"type\":\"%s\",\"format\":\"%s\",\"description\":", type,
               name ? "name" : "");
    fl_buf_json_str(out, fl_str_of(c->doc));
    fl_buf_fmt(out, ",\"priority\":%d}", c->priority);
}

void fl_table_columns(const struct fl_kind *k, struct fl_buf *out)
{
    static const struct fl_column name = {"Name", "string", ".metadata.name", 0,
                                          "Name of the object, unique within kind and namespace."};
    bool custom = (k->flags & FL_KIND_CUSTOM) != 0;
    bool first = true;
    fl_buf_char(out, '[');
    if (!is_event(k)) {
        definition(&name, custom, out);
        first = false;
    }
    for (const struct fl_column *c = columns_of(k); c->path; c++) {
        if (!first) {
            fl_buf_char(out, ',');
        }
        definition(c, custom, out);
        first = false;
    }
    fl_buf_char(out, ']');
}

void fl_table_cells(const struct fl_kind *k, struct fl_str text, int64_t now_ms, struct fl_buf *out)
{
    if (is_event(k)) {
        event_cells(text, now_ms, out);
        return;
    }
    fl_buf_char(out, '[');
    value_cell(text, ".metadata.name", out);
    for (const struct fl_column *c = columns_of(k); c->path; c++) {
        fl_buf_char(out, ',');
        struct fl_str value = fl_table_path(text, c->path);
        if (k == &fl_kind_config_map && strcmp(c->path, ".data") == 0) {
            fl_buf_i64(out, count(value) + count(fl_table_path(text, ".binaryData")));
        } else {
            cell(k, c, value, now_ms, out);
        }
    }
    fl_buf_char(out, ']');
}
