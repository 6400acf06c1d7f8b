/* SPDX-License-Identifier: Apache-2.0
 * Reading members out of checked text. Nothing here trusts the text for memory safety: on text that was not checked the
 * answers are arbitrary, but every read stays inside and every loop ends. */
#include "wire/scan.h"

#include "base/num.h"
#include "wire/scan_text.h"

static const struct fl_str absent = {NULL, 0};

size_t fl_scan_string_end_(struct fl_str text, size_t at)
{
    const char *from = text.p + at;
    const char *end = text.p + text.n;
    while (from < end) {
        const char *quote = memchr(from, '"', (size_t)(end - from));
        if (!quote) {
            break;
        }
        const char *p = quote;
        while (p > from && p[-1] == '\\') {
            p--;
        }
        if ((quote - p) % 2 == 0) {
            return (size_t)(quote - text.p);
        }
        from = quote + 1;
    }
    return text.n;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The four digits of "\uXXXX" at the start of raw; false: not one. */
static bool unicode_escape(struct fl_str raw, uint32_t *ret)
{
    if (raw.n < 6 || raw.p[0] != '\\' || raw.p[1] != 'u') {
        return false;
    }
    uint32_t v = 0;
    for (size_t i = 2; i < 6; i++) {
        int digit = hex_digit(raw.p[i]);
        if (digit < 0) {
            return false;
        }
        v = v * 16 + (uint32_t)digit;
    }
    *ret = v;
    return true;
}

static size_t utf8_put(uint32_t c, char ret[4])
{
    if (c < 0x80) {
        ret[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        ret[0] = (char)(0xc0 | c >> 6);
        ret[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        ret[0] = (char)(0xe0 | c >> 12);
        ret[1] = (char)(0x80 | (c >> 6 & 0x3f));
        ret[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    ret[0] = (char)(0xf0 | c >> 18);
    ret[1] = (char)(0x80 | (c >> 12 & 0x3f));
    ret[2] = (char)(0x80 | (c >> 6 & 0x3f));
    ret[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

static void advance(struct fl_str *s, size_t n)
{
    n = n < s->n ? n : s->n;
    if (n > 0) { /* an empty slice may have no pointer to add to */
        s->p += n;
        s->n -= n;
    }
}

static size_t unescape_unicode(struct fl_str *raw, char ret[4])
{
    uint32_t high = 0xfffd;
    uint32_t low = 0;
    bool whole = unicode_escape(*raw, &high);
    advance(raw, whole ? 6 : 2);
    if (high >= 0xdc00 && high <= 0xdfff) {
        return utf8_put(0xfffd, ret);
    }
    if (high >= 0xd800 && high <= 0xdbff) {
        if (!unicode_escape(*raw, &low) || low < 0xdc00 || low > 0xdfff) {
            return utf8_put(0xfffd, ret);
        }
        advance(raw, 6);
        high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    }
    return utf8_put(high, ret);
}

size_t fl_scan_unescape_(struct fl_str *raw, char ret[4])
{
    if (raw->p[0] != '\\' || raw->n < 2) {
        ret[0] = raw->p[0];
        advance(raw, 1);
        return 1;
    }
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    if (raw->p[1] == 'u') {
        return unescape_unicode(raw, ret);
    }
    const char *found = memchr(from, raw->p[1], sizeof(from) - 1);
    size_t n = 1;
    if (found) {
        ret[0] = to[found - from];
    } else {
        n = utf8_put(0xfffd, ret);
    }
    advance(raw, 2);
    return n;
}

void fl_scan_decode_(struct fl_str raw, struct fl_buf *b)
{
    while (raw.n > 0) {
        const char *escape = memchr(raw.p, '\\', raw.n);
        size_t plain = escape ? (size_t)(escape - raw.p) : raw.n;
        fl_buf_add(b, raw.p, plain);
        advance(&raw, plain);
        if (raw.n > 0) {
            char bytes[4];
            size_t n = fl_scan_unescape_(&raw, bytes);
            fl_buf_add(b, bytes, n);
        }
    }
}

bool fl_scan_same_(struct fl_str a, struct fl_str b)
{
    if (!fl_scan_has_escape_(a) && !fl_scan_has_escape_(b)) {
        return fl_str_eq(a, b);
    }
    char left[4];
    char right[4];
    size_t n_left = 0;
    size_t n_right = 0;
    size_t at_left = 0;
    size_t at_right = 0;
    /* Byte by byte: an escape on one side is several plain bytes on the other. */
    for (;;) {
        if (at_left == n_left && a.n > 0) {
            n_left = fl_scan_unescape_(&a, left);
            at_left = 0;
        }
        if (at_right == n_right && b.n > 0) {
            n_right = fl_scan_unescape_(&b, right);
            at_right = 0;
        }
        if (at_left == n_left || at_right == n_right) {
            return at_left == n_left && at_right == n_right;
        }
        if (left[at_left++] != right[at_right++]) {
            return false;
        }
    }
}

static size_t skip_space(struct fl_str text, size_t at)
{
    while (at < text.n && fl_scan_is_space_(text.p[at])) {
        at++;
    }
    return at;
}

static size_t skip_string(struct fl_str text, size_t at)
{
    size_t end = fl_scan_string_end_(text, at + 1);
    return end < text.n ? end + 1 : text.n;
}

static size_t skip_container(struct fl_str text, size_t at)
{
    size_t depth = 0;
    while (at < text.n) {
        switch (text.p[at]) {
        case '"':
            at = skip_string(text, at);
            continue;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (--depth == 0) {
                return at + 1;
            }
            break;
        default:
            break;
        }
        at++;
    }
    return text.n;
}

size_t fl_scan_value_end_(struct fl_str text, size_t at)
{
    if (at >= text.n) {
        return at;
    }
    if (text.p[at] == '"') {
        return skip_string(text, at);
    }
    if (text.p[at] == '{' || text.p[at] == '[') {
        return skip_container(text, at);
    }
    while (at < text.n && !fl_scan_is_space_(text.p[at]) && text.p[at] != ',' &&
           text.p[at] != ':' && text.p[at] != ']' && text.p[at] != '}') {
        at++;
    }
    return at;
}

static struct fl_str trimmed(struct fl_str value)
{
    size_t at = skip_space(value, 0);
    advance(&value, at);
    while (value.n > 0 && fl_scan_is_space_(value.p[value.n - 1])) {
        value.n--;
    }
    return value;
}

enum fl_scan_kind fl_scan_kind(struct fl_str value)
{
    size_t at = skip_space(value, 0);
    if (at == value.n) {
        return FL_SCAN_NONE;
    }
    switch (value.p[at]) {
    case '{':
        return FL_SCAN_OBJECT;
    case '[':
        return FL_SCAN_ARRAY;
    case '"':
        return FL_SCAN_STRING;
    case 't':
    case 'f':
        return FL_SCAN_BOOL;
    case 'n':
        return FL_SCAN_NULL;
    default:
        break;
    }
    bool number = value.p[at] == '-' || (value.p[at] >= '0' && value.p[at] <= '9');
    return number ? FL_SCAN_NUMBER : FL_SCAN_NONE;
}

bool fl_scan_next(struct fl_str container, size_t *at, struct fl_str *key, struct fl_str *value)
{
    size_t open = skip_space(container, 0);
    if (open == container.n || (container.p[open] != '{' && container.p[open] != '[')) {
        return false;
    }
    size_t pos = skip_space(container, *at > open ? *at : open + 1);
    if (pos < container.n && container.p[pos] == ',') {
        pos = skip_space(container, pos + 1);
    }
    struct fl_str name = absent;
    if (container.p[open] == '{') {
        if (pos >= container.n || container.p[pos] != '"') {
            return false;
        }
        size_t end = skip_string(container, pos);
        name = (struct fl_str){container.p + pos + 1, end > pos + 1 ? end - pos - 2 : 0};
        pos = skip_space(container, end);
        if (pos >= container.n || container.p[pos] != ':') {
            return false;
        }
        pos = skip_space(container, pos + 1);
    }
    size_t end = fl_scan_value_end_(container, pos);
    if (end == pos) {
        return false;
    }
    *key = name;
    *value = (struct fl_str){container.p + pos, end - pos};
    *at = end;
    return true;
}

struct fl_str fl_scan_get(struct fl_str object, struct fl_str key)
{
    struct fl_str name;
    struct fl_str value;
    if (fl_scan_kind(object) != FL_SCAN_OBJECT) {
        return absent;
    }
    for (size_t at = 0; fl_scan_next(object, &at, &name, &value);) {
        if (!fl_scan_has_escape_(name)) {
            if (fl_str_eq(name, key)) {
                return value;
            }
            continue;
        }
        /* `key` is plain text: a backslash in it means itself, so it cannot go through fl_scan_same_. */
        size_t matched = 0;
        char bytes[4];
        bool same = true;
        while (same && name.n > 0) {
            size_t n = fl_scan_unescape_(&name, bytes);
            same = n <= key.n - matched && memcmp(key.p + matched, bytes, n) == 0;
            matched += n;
        }
        if (same && matched == key.n) {
            return value;
        }
    }
    return absent;
}

struct fl_str fl_scan_path(struct fl_str object, const char *path)
{
    struct fl_str rest = fl_str_of(path);
    struct fl_str head;
    struct fl_str value = object;
    bool more = true;
    while (more && value.n > 0) {
        more = fl_str_cut(&rest, '.', &head);
        value = fl_scan_get(value, head);
    }
    return value;
}

/* The raw content between the quotes; false: not a string. */
static bool string_content(struct fl_str value, struct fl_str *ret)
{
    value = trimmed(value);
    if (value.n < 2 || value.p[0] != '"' || fl_scan_string_end_(value, 1) != value.n - 1) {
        return false;
    }
    *ret = (struct fl_str){value.p + 1, value.n - 2};
    return true;
}

bool fl_scan_text(struct fl_str value, struct fl_buf *b)
{
    struct fl_str raw;
    if (!string_content(value, &raw)) {
        return false;
    }
    fl_scan_decode_(raw, b);
    return true;
}

bool fl_scan_plain(struct fl_str value, struct fl_str *ret)
{
    struct fl_str raw;
    if (!string_content(value, &raw) || fl_scan_has_escape_(raw)) {
        return false;
    }
    *ret = raw;
    return true;
}

bool fl_scan_i64(struct fl_str value, int64_t *ret)
{
    return fl_scan_kind(value) == FL_SCAN_NUMBER && fl_num_i64(trimmed(value), ret);
}

bool fl_scan_bool(struct fl_str value, bool *ret)
{
    value = trimmed(value);
    if (!fl_str_is(value, "true") && !fl_str_is(value, "false")) {
        return false;
    }
    *ret = value.p[0] == 't';
    return true;
}

static int list_items(struct fl_str items,
                      int (*item)(void *arg, struct fl_str raw, struct fl_err *err), void *arg,
                      struct fl_err *err)
{
    struct fl_str key;
    struct fl_str value;
    for (size_t at = 0; fl_scan_next(items, &at, &key, &value);) {
        int rc = item(arg, value, err);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

int fl_scan_list(struct fl_str text, struct fl_str *meta,
                 int (*item)(void *arg, struct fl_str raw, struct fl_err *err), void *arg,
                 struct fl_err *err)
{
    struct fl_str key;
    struct fl_str value;
    struct fl_str metadata = absent;
    bool found = false;
    if (fl_scan_kind(text) != FL_SCAN_OBJECT) {
        return fl_fail(err, FL_E_BAD_DATA, "InvalidList", "list: not a JSON object");
    }
    for (size_t at = 0; fl_scan_next(text, &at, &key, &value);) {
        if (fl_str_is(key, "metadata")) {
            metadata = value;
            continue;
        }
        if (!fl_str_is(key, "items")) {
            continue;
        }
        /* A Go server writes an empty list that was never allocated as null. */
        if (fl_scan_kind(value) != FL_SCAN_ARRAY && fl_scan_kind(value) != FL_SCAN_NULL) {
            return fl_fail(err, FL_E_BAD_DATA, "InvalidList", "list: items is not an array");
        }
        found = true;
        int rc = list_items(value, item, arg, err);
        if (rc) {
            return rc;
        }
    }
    if (!found) {
        /* Taking this for an empty list would make everything look deleted. */
        return fl_fail(err, FL_E_BAD_DATA, "InvalidList", "list: no items");
    }
    *meta = metadata;
    return 0;
}
