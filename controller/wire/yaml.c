/* SPDX-License-Identifier: Apache-2.0
 * libyaml's events to trees. Aliases are expanded by copying, under the caps, so that a tree never shares nodes and its
 * text is never larger than what was counted here. */
#include "wire/yaml.h"

#include <inttypes.h>

#include <yaml.h>

#include "base/map.h"
#include "base/mem.h"
#include "wire/scan.h"
#include "wire/scan_text.h"
#include "wire/yaml_scalar.h"

#define NODES_MAX 100000
#define DOCUMENTS_MAX 1000
#define TAG_DIRECTIVES_MAX 100
#define TAG_PREFIX "tag:yaml.org,2002:"

struct event {
    yaml_event_t e;
};

static void event_release(struct event *event)
{
    yaml_event_delete(&event->e); /* one that was never filled is fine */
}
FL_AUTO_VAL(event);

struct reader {
    yaml_parser_t parser;
    struct fl_str text;
    size_t cap;
    const char *where;
    int document;
    size_t nodes;           /* of this document */
    size_t copied;          /* bytes of text that aliases added to it */
    struct fl_map *anchors; /* name to fl_json; without those whose node is not whole yet */
    struct fl_err *err;
};

static void reader_release(struct reader *r)
{
    yaml_parser_delete(&r->parser);
    fl_map_free(r->anchors);
}
FL_AUTO_VAL(reader);

static int fail_at(struct reader *r, yaml_mark_t mark, enum fl_code code, const char *fmt, ...)
    fl_printf_like(4, 5);

static int fail_at(struct reader *r, yaml_mark_t mark, enum fl_code code, const char *fmt, ...)
{
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    va_list ap;
    va_start(ap, fmt);
    fl_buf_vfmt(&text, fmt, ap);
    va_end(ap);
    return fl_fail(r->err, code, code == FL_E_TOO_BIG ? "TooBig" : "InvalidYAML",
                   "%s: document %d: line %zu, column %zu: %s", r->where,
                   r->document > 0 ? r->document : 1, mark.line + 1, mark.column + 1, text.data);
}

/* Whether a tab stands among the blanks that lead to a place in the text. */
static bool tab_before(struct fl_str text, yaml_mark_t mark)
{
    size_t at = 0;
    for (size_t line = 0; line < mark.line; line++) {
        const char *end = at < text.n ? memchr(text.p + at, '\n', text.n - at) : NULL;
        if (!end) {
            return false;
        }
        at = (size_t)(end - text.p) + 1;
    }
    while (at < text.n && text.p[at] == ' ') {
        at++;
    }
    return at < text.n && text.p[at] == '\t';
}

/* The reader of bytes knows only an offset. */
static yaml_mark_t mark_of_offset(struct fl_str text, size_t offset)
{
    yaml_mark_t mark = {.index = offset};
    for (size_t i = 0; i < offset && i < text.n; i++) {
        bool newline = text.p[i] == '\n';
        mark.line += newline;
        mark.column = newline ? 0 : mark.column + 1;
    }
    return mark;
}

static int fail_in_library(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    const char *problem = p->problem ? p->problem : "cannot be read";
    fl_assert(p->error != YAML_MEMORY_ERROR);
    if (p->error == YAML_READER_ERROR) {
        return fail_at(r, mark_of_offset(r->text, p->problem_offset), FL_E_BAD_DATA, "%s", problem);
    }
    const char *context = p->context ? p->context : "";
    const char *tab = tab_before(r->text, p->problem_mark) ? "; indent with spaces, not tabs" : "";
    return fail_at(r, p->problem_mark, FL_E_BAD_DATA, "%s%s%s%s%s", problem, *context ? " (" : "",
                   context, *context ? ")" : "", tab);
}

static int next_event(struct reader *r, struct event *event)
{
    return yaml_parser_parse(&r->parser, &event->e) ? 0 : fail_in_library(r);
}

/* Anchors. */

static void free_anchor(void *value)
{
    fl_json_free(value);
}

static struct fl_str text_of(const yaml_char_t *s)
{
    return fl_str_of((const char *)s);
}

/* Until its node is whole, an anchor leads to nothing: an alias there would contain itself. */
static void open_anchor(struct reader *r, const yaml_char_t *name)
{
    if (name) {
        (void)fl_map_del(r->anchors, text_of(name));
    }
}

static void close_anchor(struct reader *r, const yaml_char_t *name, struct fl_json *node)
{
    if (name) {
        fl_map_set(r->anchors, text_of(name), fl_json_ref(node));
    }
}

static int count_node(struct reader *r, yaml_mark_t mark)
{
    if (++r->nodes > NODES_MAX) {
        return fail_at(r, mark, FL_E_TOO_BIG, "more than %d nodes in a document", NODES_MAX);
    }
    return 0;
}

/* Counts what a copy of a tree adds. NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX */
static int count_copy(struct reader *r, yaml_mark_t mark, const struct fl_json *node, int depth)
{
    struct fl_str text = {NULL, 0};
    bool container = fl_json_is(node, FL_JSON_ARRAY) || fl_json_is(node, FL_JSON_OBJECT);
    int rc = count_node(r, mark);
    (void)fl_json_as_str(node, &text);
    r->copied += text.n;
    if (rc) {
        return rc;
    }
    if (r->copied > r->cap) {
        return fail_at(r, mark, FL_E_TOO_BIG, "aliases add more than %zu bytes", r->cap);
    }
    if (container && depth >= FL_JSON_DEPTH_MAX) {
        return fail_at(r, mark, FL_E_BAD_DATA, "nested too deeply");
    }
    for (size_t i = 0; !rc && fl_json_is(node, FL_JSON_ARRAY) && i < fl_json_len(node); i++) {
        rc = count_copy(r, mark, fl_json_at(node, i), depth + 1);
    }
    struct fl_json_iter it = fl_json_iter(node);
    while (!rc && fl_json_next(&it)) {
        r->copied += it.key.n;
        rc = count_copy(r, mark, it.value, depth + 1);
    }
    return rc;
}

static int alias_node(struct reader *r, const yaml_event_t *e, int depth, struct fl_json **ret)
{
    const struct fl_json *node = fl_map_get(r->anchors, text_of(e->data.alias.anchor));
    if (!node) {
        return fail_at(r, e->start_mark, FL_E_BAD_DATA, "unknown anchor \"%s\"",
                       (const char *)e->data.alias.anchor);
    }
    int rc = count_copy(r, e->start_mark, node, depth);
    if (!rc) {
        *ret = fl_json_copy(node);
    }
    return rc;
}

/* Scalars. */

static struct fl_str scalar_text(const yaml_event_t *e)
{
    return (struct fl_str){(const char *)e->data.scalar.value, e->data.scalar.length};
}

/* The part of a tag behind "!!"; NULL: no tag, or the "!" that only says "not plain". */
static const char *tag_name(const yaml_char_t *tag)
{
    const char *text = (const char *)tag;
    if (!text || strcmp(text, "!") == 0) {
        return NULL;
    }
    return fl_text_starts(text, TAG_PREFIX) ? text + strlen(TAG_PREFIX) : text;
}

static int bad_tag(struct reader *r, yaml_mark_t mark, const yaml_char_t *tag)
{
    return fail_at(r, mark, FL_E_BAD_DATA, "tag \"%s\" is not supported here", (const char *)tag);
}

/* What a scalar is by its tag, style and text. */
static int scalar_meaning(struct reader *r, const yaml_event_t *e, struct fl_yaml_scalar *ret)
{
    static const struct {
        const char *tag;
        unsigned kinds;
    } tags[] = {
        {"null", 1U << FL_YAML_NULL},
        {"bool", 1U << FL_YAML_BOOL},
        {"int", 1U << FL_YAML_INT | 1U << FL_YAML_UINT},
        {"float",
         1U << FL_YAML_INT | 1U << FL_YAML_UINT | 1U << FL_YAML_FLOAT | 1U << FL_YAML_NOT_FINITE},
    };
    const char *tag = tag_name(e->data.scalar.tag);
    *ret = (struct fl_yaml_scalar){.kind = FL_YAML_STRING};
    if (!tag) {
        /* "! x" arrives like "x", "! 'x'" as implicit though quoted. */
        if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
            *ret = fl_yaml_resolve_(scalar_text(e));
        }
        return 0;
    }
    if (strcmp(tag, "str") == 0) {
        return 0;
    }
    for (size_t i = 0; i < FL_LEN(tags); i++) {
        if (strcmp(tag, tags[i].tag) == 0) {
            *ret = fl_yaml_resolve_(scalar_text(e));
            return tags[i].kinds >> ret->kind & 1
                       ? 0
                       : fail_at(r, e->start_mark, FL_E_BAD_DATA, "not a value of type !!%s", tag);
        }
    }
    return bad_tag(r, e->start_mark, e->data.scalar.tag);
}

/* A float without fraction is an int in the JSON that Go's reader makes of it. */
static struct fl_json *float_node(double v)
{
    if (v > -9.2e18 && v < 9.2e18) {
        int64_t whole = (int64_t)v;
        if (!((double)whole < v) && !((double)whole > v)) {
            return fl_json_int(whole);
        }
    }
    return fl_json_double(v);
}

static struct fl_json *uint_node(uint64_t v)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRIu64, v);
    return fl_json_literal(text);
}

static int scalar_node(struct reader *r, const yaml_event_t *e, struct fl_json **ret)
{
    struct fl_yaml_scalar scalar;
    int rc = scalar_meaning(r, e, &scalar);
    if (rc) {
        return rc;
    }
    switch (scalar.kind) {
    case FL_YAML_STRING:
        *ret = fl_json_str(scalar_text(e));
        break;
    case FL_YAML_NULL:
        *ret = fl_json_null();
        break;
    case FL_YAML_BOOL:
        *ret = fl_json_bool(scalar.truth);
        break;
    case FL_YAML_INT:
        *ret = fl_json_int(scalar.i);
        break;
    case FL_YAML_UINT:
        *ret = uint_node(scalar.u);
        break;
    case FL_YAML_FLOAT:
        *ret = float_node(scalar.d);
        break;
    case FL_YAML_NOT_FINITE:
        return fail_at(r, e->start_mark, FL_E_BAD_DATA, "%s cannot be written in JSON",
                       scalar.symbol);
    }
    return 0;
}

/* Mappings. */

static int scalar_key(struct reader *r, const yaml_event_t *e, struct fl_buf *key)
{
    struct fl_yaml_scalar scalar;
    int rc = scalar_meaning(r, e, &scalar);
    if (rc) {
        return rc;
    }
    switch (scalar.kind) {
    case FL_YAML_STRING:
        fl_buf_str(key, scalar_text(e));
        break;
    case FL_YAML_BOOL:
        fl_buf_text(key, scalar.truth ? "true" : "false");
        break;
    case FL_YAML_INT:
        fl_buf_i64(key, scalar.i);
        break;
    case FL_YAML_FLOAT:
        fl_yaml_float_key_(scalar.d, key);
        break;
    case FL_YAML_NOT_FINITE:
        fl_buf_text(key, scalar.symbol);
        break;
    case FL_YAML_NULL:
        return fail_at(r, e->start_mark, FL_E_BAD_DATA, "a key is null");
    case FL_YAML_UINT:
        return fail_at(r, e->start_mark, FL_E_BAD_DATA, "a key is beyond 64 bits");
    }
    return 0;
}

static int alias_key(struct reader *r, const yaml_event_t *e, struct fl_buf *key)
{
    fl_auto(fl_json) node = NULL;
    struct fl_str text;
    int rc = alias_node(r, e, 0, &node);
    if (rc) {
        return rc;
    }
    if (fl_json_as_str(node, &text)) {
        fl_buf_str(key, text);
        return 0;
    }
    if (fl_json_is(node, FL_JSON_INT) || fl_json_is(node, FL_JSON_BOOL)) {
        fl_json_write(node, key);
        return 0;
    }
    return fail_at(r, e->start_mark, FL_E_BAD_DATA,
                   "an alias to this kind of value cannot be a key");
}

static int read_key(struct reader *r, const yaml_event_t *e, struct fl_buf *key)
{
    fl_auto(fl_json) node = NULL;
    int rc = 0;
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        rc = scalar_key(r, e, key);
        if (!rc && e->data.scalar.anchor) {
            rc = scalar_node(r, e, &node);
            if (!rc) {
                close_anchor(r, e->data.scalar.anchor, node);
            }
        }
        break;
    case YAML_ALIAS_EVENT:
        rc = alias_key(r, e, key);
        break;
    default:
        return fail_at(r, e->start_mark, FL_E_BAD_DATA, "a key is not a scalar");
    }
    if (!rc && memchr(key->data, '\0', key->len)) {
        return fail_at(r, e->start_mark, FL_E_BAD_DATA, "a key holds a NUL character");
    }
    return rc;
}

static bool is_merge_key(const yaml_event_t *e)
{
    return e->type == YAML_SCALAR_EVENT && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           !tag_name(e->data.scalar.tag) && fl_str_is(scalar_text(e), "<<");
}

/* Members of `from` that `into` has not: of several merged mappings the first wins. */
static void merge_members(struct fl_json *into, const struct fl_json *from)
{
    struct fl_json_iter it = fl_json_iter(from);
    while (fl_json_next(&it)) {
        if (!fl_json_get(into, it.key.p)) {
            fl_json_set(into, it.key.p, fl_json_ref(it.value));
        }
    }
}

/* The value of a merge key: a mapping or a list of mappings. */
static int merge_value(struct reader *r, yaml_mark_t mark, const struct fl_json *value,
                       struct fl_json *merged)
{
    bool good = fl_json_is(value, FL_JSON_OBJECT) || fl_json_is(value, FL_JSON_ARRAY);
    for (size_t i = 0; fl_json_is(value, FL_JSON_ARRAY) && i < fl_json_len(value); i++) {
        good = good && fl_json_is(fl_json_at(value, i), FL_JSON_OBJECT);
    }
    if (!good) {
        return fail_at(r, mark, FL_E_BAD_DATA,
                       "a merge key needs a mapping or a list of mappings as its value");
    }
    if (fl_json_is(value, FL_JSON_OBJECT)) {
        merge_members(merged, value);
    }
    for (size_t i = 0; fl_json_is(value, FL_JSON_ARRAY) && i < fl_json_len(value); i++) {
        merge_members(merged, fl_json_at(value, i));
    }
    return 0;
}

static int read_node(struct reader *r, const yaml_event_t *e, int depth, struct fl_json **ret);

/* NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX */
static int read_next(struct reader *r, int depth, struct fl_json **ret)
{
    fl_auto_val(event) event = {.e = {.type = YAML_NO_EVENT}};
    int rc = next_event(r, &event);
    return rc ? rc : read_node(r, &event.e, depth, ret);
}

/* NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX */
static int read_member(struct reader *r, const yaml_event_t *key_event, int depth,
                       struct fl_json *object, struct fl_json *merged)
{
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto(fl_json) value = NULL;
    int rc = 0;
    if (is_merge_key(key_event)) {
        rc = read_next(r, depth, &value);
        return rc ? rc : merge_value(r, key_event->start_mark, value, merged);
    }
    rc = read_key(r, key_event, &key);
    if (rc) {
        return rc;
    }
    if (fl_json_get(object, key.data)) {
        return fail_at(r, key_event->start_mark, FL_E_BAD_DATA, "duplicate key \"%.100s\"",
                       key.data);
    }
    rc = read_next(r, depth, &value);
    if (!rc) {
        fl_json_set(object, key.data, fl_take(value));
    }
    return rc;
}

/* NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX */
static int read_mapping(struct reader *r, int depth, struct fl_json **ret)
{
    fl_auto(fl_json) object = fl_json_object();
    fl_auto(fl_json) merged = fl_json_object();
    for (;;) {
        fl_auto_val(event) key = {.e = {.type = YAML_NO_EVENT}};
        int rc = next_event(r, &key);
        if (rc) {
            return rc;
        }
        if (key.e.type == YAML_MAPPING_END_EVENT) {
            break;
        }
        rc = read_member(r, &key.e, depth, object, merged);
        if (rc) {
            return rc;
        }
    }
    merge_members(object, merged); /* the mapping's own keys win, wherever they stand */
    *ret = fl_take(object);
    return 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX */
static int read_sequence(struct reader *r, int depth, struct fl_json **ret)
{
    fl_auto(fl_json) array = fl_json_array();
    for (;;) {
        fl_auto_val(event) event = {.e = {.type = YAML_NO_EVENT}};
        fl_auto(fl_json) value = NULL;
        int rc = next_event(r, &event);
        if (rc) {
            return rc;
        }
        if (event.e.type == YAML_SEQUENCE_END_EVENT) {
            break;
        }
        rc = read_node(r, &event.e, depth, &value);
        if (rc) {
            return rc;
        }
        fl_json_push(array, fl_take(value));
    }
    *ret = fl_take(array);
    return 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX */
static int read_container(struct reader *r, const yaml_event_t *e, int depth, struct fl_json **ret)
{
    bool mapping = e->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *anchor =
        mapping ? e->data.mapping_start.anchor : e->data.sequence_start.anchor;
    const yaml_char_t *tag = mapping ? e->data.mapping_start.tag : e->data.sequence_start.tag;
    const char *name = tag_name(tag);
    if (name && strcmp(name, mapping ? "map" : "seq") != 0) {
        return bad_tag(r, e->start_mark, tag);
    }
    if (depth >= FL_JSON_DEPTH_MAX) {
        return fail_at(r, e->start_mark, FL_E_BAD_DATA, "nested too deeply");
    }
    open_anchor(r, anchor);
    int rc = mapping ? read_mapping(r, depth + 1, ret) : read_sequence(r, depth + 1, ret);
    if (!rc) {
        close_anchor(r, anchor, *ret);
    }
    return rc;
}

/* depth: of the containers around the node. NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX */
static int read_node(struct reader *r, const yaml_event_t *e, int depth, struct fl_json **ret)
{
    int rc = count_node(r, e->start_mark);
    if (rc) {
        return rc;
    }
    switch (e->type) {
    case YAML_ALIAS_EVENT:
        return alias_node(r, e, depth, ret);
    case YAML_SCALAR_EVENT:
        rc = scalar_node(r, e, ret);
        if (!rc) {
            close_anchor(r, e->data.scalar.anchor, *ret);
        }
        return rc;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return read_container(r, e, depth, ret);
    default:
        return fail_at(r, e->start_mark, FL_E_BUG, "unexpected event %d", (int)e->type);
    }
}

/* Documents. */

struct sink {
    int (*doc)(void *arg, struct fl_json *tree, int number, int line, struct fl_err *err);
    void *arg;
};

static int count_document(struct reader *r, yaml_mark_t mark)
{
    r->nodes = 0;
    r->copied = 0;
    if (++r->document > DOCUMENTS_MAX) {
        return fail_at(r, mark, FL_E_TOO_BIG, "more than %d documents", DOCUMENTS_MAX);
    }
    return 0;
}

/* After the start of a document, up to its end. */
static int read_document(struct reader *r, const struct sink *sink)
{
    fl_auto_val(event) first = {.e = {.type = YAML_NO_EVENT}};
    fl_auto_val(event) end = {.e = {.type = YAML_NO_EVENT}};
    fl_auto(fl_json) tree = NULL;
    int rc = next_event(r, &first);
    if (!rc) {
        rc = read_node(r, &first.e, 0, &tree);
    }
    if (!rc) {
        rc = next_event(r, &end);
    }
    /* The anchors hold on to nodes of the tree, which now may go anywhere. */
    fl_map_clear(r->anchors);
    if (rc || fl_json_is(tree, FL_JSON_NULL)) {
        return rc;
    }
    return sink->doc(sink->arg, fl_take(tree), r->document, (int)first.e.start_mark.line + 1,
                     r->err);
}

static int read_stream(struct reader *r, const struct sink *sink)
{
    for (;;) {
        fl_auto_val(event) event = {.e = {.type = YAML_NO_EVENT}};
        int rc = next_event(r, &event);
        if (rc || event.e.type == YAML_STREAM_END_EVENT) {
            return rc;
        }
        if (event.e.type != YAML_DOCUMENT_START_EVENT) {
            continue;
        }
        rc = count_document(r, event.e.start_mark);
        if (!rc) {
            rc = read_document(r, sink);
        }
        if (rc) {
            return rc;
        }
    }
}

/* JSON. */

/* The JSON object or array at *at, which moves behind it; n == 0: none, or only white space. */
static struct fl_str next_json(struct fl_str text, size_t *at)
{
    while (*at < text.n && fl_scan_is_space_(text.p[*at])) {
        (*at)++;
    }
    if (*at == text.n || (text.p[*at] != '{' && text.p[*at] != '[')) {
        return (struct fl_str){NULL, 0};
    }
    size_t end = fl_scan_value_end_(text, *at);
    struct fl_str value = {text.p + *at, end - *at};
    *at = end;
    return value;
}

/* JSON that libyaml would not take: pairs of surrogate escapes, keys above 1024 characters, values one after another. */
static bool is_json(struct fl_str text)
{
    size_t at = 0;
    struct fl_str value = next_json(text, &at);
    if (value.n == 0) {
        return false;
    }
    while (value.n > 0) {
        if (fl_json_check(value, NULL) != 0) {
            return false;
        }
        value = next_json(text, &at);
    }
    return at == text.n;
}

static int read_json(struct reader *r, const struct sink *sink)
{
    size_t at = 0;
    size_t line = 1;
    const char *counted = r->text.p;
    for (;;) {
        fl_auto(fl_json) tree = NULL;
        struct fl_str value = next_json(r->text, &at);
        if (value.n == 0) {
            return 0;
        }
        for (; counted < value.p; counted++) {
            line += *counted == '\n';
        }
        int rc = count_document(r, (yaml_mark_t){.line = line - 1});
        if (!rc) {
            rc = fl_json_parse(value, r->cap, &tree, r->err);
        }
        if (!rc) {
            rc = sink->doc(sink->arg, fl_take(tree), r->document, (int)line, r->err);
        }
        if (rc) {
            return rc;
        }
    }
}

/* libyaml compares each %TAG directive with all before it: 100,000 of them take half a minute. They count where a line may
 * start: behind LF, CR, or the last byte of NEL, LS, PS or a byte order mark. */
static bool too_many_tags(struct fl_str text)
{
    size_t tags = 0;
    size_t at = 0;
    while (at < text.n) {
        const char *found = memchr(text.p + at, '%', text.n - at);
        if (!found) {
            break;
        }
        at = (size_t)(found - text.p);
        unsigned char before = at > 0 ? (unsigned char)text.p[at - 1] : '\n';
        struct fl_str rest = {found, text.n - at};
        tags += fl_str_starts(rest, "%TAG") && (before == '\n' || before == '\r' || before >= 0x80);
        at++;
    }
    return tags > TAG_DIRECTIVES_MAX;
}

static bool is_utf16(struct fl_str text)
{
    return text.n >= 2 &&
           (memcmp(text.p, "\xff\xfe", 2) == 0 || memcmp(text.p, "\xfe\xff", 2) == 0);
}

int fl_yaml_read(struct fl_str text, size_t cap, const char *where,
                 int (*doc)(void *arg, struct fl_json *tree, int number, int line,
                            struct fl_err *err),
                 void *arg, struct fl_err *err)
{
    struct sink sink = {doc, arg};
    if (text.n > cap) {
        return fl_fail(err, FL_E_TOO_BIG, "TooBig", "%s: more than %zu bytes", where, cap);
    }
    if (is_utf16(text)) {
        return fl_fail(err, FL_E_BAD_DATA, "InvalidYAML", "%s: UTF-16 text; save it as UTF-8",
                       where);
    }
    if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0) {
        text.p += 3;
        text.n -= 3;
    }
    fl_auto_val(reader) r = {.text = text, .cap = cap, .where = where, .err = err};
    int made = yaml_parser_initialize(&r.parser);
    fl_assert(made);
    r.anchors = fl_map_new(free_anchor);
    if (is_json(text)) {
        return read_json(&r, &sink);
    }
    if (too_many_tags(text)) {
        return fl_fail(err, FL_E_TOO_BIG, "TooBig", "%s: more than %d %%TAG directives", where,
                       TAG_DIRECTIVES_MAX);
    }
    /* Told the encoding, the library does not guess one. */
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.n > 0 ? text.p : ""),
                                 text.n);
    return read_stream(&r, &sink);
}

struct single {
    struct fl_json *tree;
    const char *where;
};

static int keep_single(void *arg, struct fl_json *tree, int number, int line, struct fl_err *err)
{
    struct single *single = arg;
    if (single->tree) {
        fl_json_free(tree);
        return fl_fail(err, FL_E_BAD_DATA, "InvalidYAML",
                       "%s: document %d: line %d, column 1: only one document is allowed here",
                       single->where, number, line);
    }
    single->tree = tree;
    return 0;
}

int fl_yaml_parse(struct fl_str text, size_t cap, const char *where, struct fl_json **ret,
                  struct fl_err *err)
{
    struct single single = {.where = where};
    int rc = fl_yaml_read(text, cap, where, keep_single, &single, err);
    if (!rc && !single.tree) {
        rc = fl_fail(err, FL_E_BAD_DATA, "InvalidYAML", "%s: no document", where);
    }
    if (rc) {
        fl_json_free(single.tree);
        return rc;
    }
    *ret = single.tree;
    return 0;
}
