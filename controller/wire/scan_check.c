/* SPDX-License-Identifier: Apache-2.0
 * The strict grammar of scan.h. Keys of all open objects stand on one stack, eight bytes each; an object's keys are
 * compared when it closes, because then they are the top of that stack. At most a third of a text's bytes can be keys
 * that are open at once, so scratch memory stays within a small multiple of the text. */
#include "wire/scan.h"

#include "base/mem.h"
#include "base/text.h"
#include "wire/scan_text.h"

#define FEW_KEYS 256
#define PAIRWISE_MAX 16
#define TEXT_MAX 0x3fffffffU /* what the fields of struct key hold */
#define DUP_REPORTS_MAX 100
#define DUP_PATH_MAX 4096
#define KEY_SHOWN_MAX 100

enum want {
    WANT_VALUE,
    WANT_VALUE_OR_END,
    WANT_KEY,
    WANT_KEY_OR_END,
    WANT_MORE,
    WANT_NOTHING,
    FAILED,
};

struct level {
    bool object;
    size_t first_key; /* index in keys */
    size_t index;     /* of the current element, in arrays */
};

struct key {
    uint32_t at; /* offset of the content */
    uint32_t n : 30;
    uint32_t escaped : 1;
    uint32_t told : 1;
};

struct slot {
    uint32_t key; /* index + 1; 0 = free */
    uint32_t hash;
};

struct check {
    struct fl_str text;
    size_t at;
    size_t depth;
    struct level levels[FL_JSON_DEPTH_MAX];
    struct key *keys; /* few_keys at first */
    size_t n_keys;
    size_t alloc_keys;
    struct slot *slots; /* few_slots at first */
    size_t alloc_slots;
    struct fl_buf scratch;
    size_t reports;
    void (*dup)(void *arg, struct fl_str path); /* NULL: a duplicate is a failure */
    void *arg;
    size_t why_at;
    const char *why;
    struct fl_str why_key;
    struct key few_keys[FEW_KEYS];
    struct slot few_slots[FEW_KEYS];
};

static enum want failed(struct check *c, size_t at, const char *why)
{
    c->why = why;
    c->why_at = at;
    return FAILED;
}

static void skip_space(struct check *c)
{
    while (c->at < c->text.n && fl_scan_is_space_(c->text.p[c->at])) {
        c->at++;
    }
}

/* Moves over bytes that need no look: printable ASCII but quote and backslash. */
static void skip_plain(struct check *c)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t tops = ones * 0x80;
    const char *p = c->text.p + c->at;
    const char *end = c->text.p + c->text.n;
    while (end - p >= 8) {
        uint64_t v;
        memcpy(&v, p, sizeof(v));
        uint64_t quotes = (v ^ ones * '"') - ones;
        uint64_t slashes = (v ^ ones * '\\') - ones;
        /* The top bit of a byte is set if it is a quote, a backslash, a control or not ASCII. Borrows can set it in a
         * byte after such a one, never without one. */
        if ((quotes | slashes | (v - ones * 0x20) | v) & tops) {
            break;
        }
        p += 8;
    }
    while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' &&
           *p != '\\') {
        p++;
    }
    c->at = (size_t)(p - c->text.p);
}

static bool four_hex(struct check *c, uint32_t *ret)
{
    uint32_t v = 0;
    if (c->text.n - c->at < 4) {
        return false;
    }
    for (size_t i = 0; i < 4; i++) {
        unsigned char d = (unsigned char)c->text.p[c->at + i];
        if (d >= '0' && d <= '9') {
            v = v * 16 + (d - (uint32_t)'0');
        } else if ((d | 0x20) >= 'a' && (d | 0x20) <= 'f') {
            v = v * 16 + ((d | 0x20U) - (uint32_t)'a' + 10);
        } else {
            return false;
        }
    }
    c->at += 4;
    *ret = v;
    return true;
}

static bool check_unicode_escape(struct check *c, bool key)
{
    uint32_t high;
    uint32_t low;
    size_t start = c->at - 2;
    if (!four_hex(c, &high)) {
        failed(c, start, "\\u without four hexadecimal digits");
        return false;
    }
    if (high == 0 && key) {
        failed(c, start, "\\u0000 in a key");
        return false;
    }
    if (high < 0xd800 || high > 0xdfff) {
        return true;
    }
    bool pair = high < 0xdc00 && c->text.n - c->at >= 6 && c->text.p[c->at] == '\\' &&
                c->text.p[c->at + 1] == 'u';
    if (pair) {
        c->at += 2;
        pair = four_hex(c, &low) && low >= 0xdc00 && low <= 0xdfff;
    }
    if (!pair) {
        failed(c, start, "lone surrogate");
    }
    return pair;
}

/* At a backslash. */
static bool check_escape(struct check *c, bool key)
{
    static const char escapes[] = {'"', '\\', '/', 'b', 'f', 'n', 'r', 't'};
    c->at++;
    if (c->at == c->text.n) {
        failed(c, c->at, "unexpected end in a string");
        return false;
    }
    char escape = c->text.p[c->at];
    c->at++;
    if (escape == 'u') {
        return check_unicode_escape(c, key);
    }
    if (!memchr(escapes, escape, sizeof(escapes))) {
        failed(c, c->at - 2, "unknown escape");
        return false;
    }
    return true;
}

/* After the opening quote; moves past the closing one. */
static bool check_string(struct check *c, bool key, bool *escaped)
{
    for (;;) {
        skip_plain(c);
        if (c->at == c->text.n) {
            failed(c, c->at, "unexpected end in a string");
            return false;
        }
        unsigned char byte = (unsigned char)c->text.p[c->at];
        if (byte == '"') {
            c->at++;
            return true;
        }
        if (byte == '\\') {
            *escaped = true;
            if (!check_escape(c, key)) {
                return false;
            }
            continue;
        }
        size_t step =
            byte < 0x20 ? 0 : fl_utf8_step((struct fl_str){c->text.p + c->at, c->text.n - c->at});
        if (step == 0) {
            failed(c, c->at, byte < 0x20 ? "control character in a string" : "invalid UTF-8");
            return false;
        }
        c->at += step;
    }
}

static bool skip_digits(struct check *c)
{
    size_t start = c->at;
    while (c->at < c->text.n && c->text.p[c->at] >= '0' && c->text.p[c->at] <= '9') {
        c->at++;
    }
    return c->at > start;
}

static bool skip_char(struct check *c, char a, char b)
{
    if (c->at < c->text.n && (c->text.p[c->at] == a || c->text.p[c->at] == b)) {
        c->at++;
        return true;
    }
    return false;
}

static bool check_number(struct check *c)
{
    size_t start = c->at;
    (void)skip_char(c, '-', '-');
    bool good = skip_char(c, '0', '0') || skip_digits(c);
    if (good && skip_char(c, '.', '.')) {
        good = skip_digits(c);
    }
    if (good && skip_char(c, 'e', 'E')) {
        (void)skip_char(c, '+', '-');
        good = skip_digits(c);
    }
    if (!good) {
        failed(c, start, "malformed number");
    }
    return good;
}

static bool check_word(struct check *c, const char *word, size_t n)
{
    if (c->text.n - c->at < n || memcmp(c->text.p + c->at, word, n) != 0) {
        failed(c, c->at, "expected a value");
        return false;
    }
    c->at += n;
    return true;
}

static enum want after_value(struct check *c)
{
    return c->depth > 0 ? WANT_MORE : WANT_NOTHING;
}

static enum want open_container(struct check *c, bool object)
{
    if (c->depth == FL_JSON_DEPTH_MAX) {
        return failed(c, c->at, "nested too deeply");
    }
    c->levels[c->depth++] = (struct level){.object = object, .first_key = c->n_keys};
    c->at++;
    return object ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
}

static struct fl_str key_content(const struct check *c, size_t i)
{
    return (struct fl_str){c->text.p + c->keys[i].at, c->keys[i].n};
}

static bool same_key(const struct check *c, size_t i, size_t j)
{
    const struct key *a = &c->keys[i];
    const struct key *b = &c->keys[j];
    if (a->escaped || b->escaped) {
        return fl_scan_same_(key_content(c, i), key_content(c, j));
    }
    /* The first byte (of an empty key: its quote) settles most, without a call. */
    return a->n == b->n && c->text.p[a->at] == c->text.p[b->at] &&
           memcmp(c->text.p + a->at, c->text.p + b->at, a->n) == 0;
}

/* Adds `spec.list[2].name` for key i of the object on top. */
static void add_path(const struct check *c, size_t i, struct fl_buf *b)
{
    for (size_t depth = 0; depth < c->depth; depth++) {
        if (!c->levels[depth].object) {
            fl_buf_fmt(b, "[%zu]", c->levels[depth].index);
            continue;
        }
        /* The key that leads to the next level was the last one read before that level opened. */
        size_t at = depth + 1 < c->depth ? c->levels[depth + 1].first_key - 1 : i;
        if (b->len > 0) {
            fl_buf_char(b, '.');
        }
        fl_scan_decode_(key_content(c, at), b);
    }
}

/* Key `again` repeats key `first`. True: go on. */
static bool tell_duplicate(struct check *c, size_t first, size_t again)
{
    if (!c->dup) {
        c->why_key = key_content(c, again);
        failed(c, c->keys[again].at - 1, "duplicate key");
        return false;
    }
    if (!c->keys[first].told && c->reports < DUP_REPORTS_MAX) {
        fl_auto_val(fl_buf) path = FL_BUF_INIT(DUP_PATH_MAX);
        add_path(c, again, &path);
        c->keys[first].told = 1;
        c->reports++;
        c->dup(c->arg, fl_buf_slice(&path));
    }
    return true;
}

static bool compare_pairwise(struct check *c, size_t first)
{
    for (size_t i = first + 1; i < c->n_keys; i++) {
        for (size_t j = first; j < i; j++) {
            if (same_key(c, i, j)) {
                if (!tell_duplicate(c, j, i)) {
                    return false;
                }
                break;
            }
        }
    }
    return true;
}

static size_t clear_slots(struct check *c, size_t keys)
{
    size_t size = FEW_KEYS;
    while (size < keys * 2) {
        size *= 2;
    }
    if (size > c->alloc_slots) {
        if (c->slots != c->few_slots) {
            fl_free(c->slots);
        }
        c->slots = fl_reallocarray(NULL, size, sizeof(c->slots[0]));
        c->alloc_slots = size;
    }
    memset(c->slots, 0, size * sizeof(c->slots[0]));
    return size;
}

/* Seeded, so that nobody can prepare keys that collide. */
static uint32_t key_hash(struct check *c, size_t i)
{
    struct fl_str content = key_content(c, i);
    if (c->keys[i].escaped) {
        fl_buf_clear(&c->scratch);
        fl_scan_decode_(content, &c->scratch);
        content = fl_buf_slice(&c->scratch);
    }
    return (uint32_t)fl_hash(content.p, content.n);
}

static bool compare_hashed(struct check *c, size_t first)
{
    size_t mask = clear_slots(c, c->n_keys - first) - 1;
    for (size_t i = first; i < c->n_keys; i++) {
        uint32_t hash = key_hash(c, i);
        struct slot *slot = &c->slots[hash & mask];
        while (slot->key != 0 && !(slot->hash == hash && same_key(c, slot->key - 1, i))) {
            slot = slot == &c->slots[mask] ? c->slots : slot + 1;
        }
        if (slot->key == 0) {
            *slot = (struct slot){.key = (uint32_t)i + 1, .hash = hash};
        } else if (!tell_duplicate(c, slot->key - 1, i)) {
            return false;
        }
    }
    return true;
}

static enum want close_container(struct check *c)
{
    const struct level *top = &c->levels[c->depth - 1];
    if (top->object) {
        size_t n = c->n_keys - top->first_key;
        bool go_on = n <= PAIRWISE_MAX ? compare_pairwise(c, top->first_key)
                                       : compare_hashed(c, top->first_key);
        if (!go_on) {
            return FAILED;
        }
        c->n_keys = top->first_key;
    }
    c->depth--;
    c->at++;
    return after_value(c);
}

static enum want check_value(struct check *c, bool may_end)
{
    bool escaped;
    bool good;
    switch (c->text.p[c->at]) {
    case '{':
        return open_container(c, true);
    case '[':
        return open_container(c, false);
    case ']':
        return may_end ? close_container(c) : failed(c, c->at, "expected a value");
    case '"':
        c->at++;
        good = check_string(c, false, &escaped);
        break;
    case 't':
        good = check_word(c, "true", 4);
        break;
    case 'f':
        good = check_word(c, "false", 5);
        break;
    case 'n':
        good = check_word(c, "null", 4);
        break;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        good = check_number(c);
        break;
    default:
        return failed(c, c->at, "expected a value");
    }
    return good ? after_value(c) : FAILED;
}

static void push_key(struct check *c, size_t start, bool escaped)
{
    if (c->n_keys == c->alloc_keys) {
        struct key *few = c->keys == c->few_keys ? c->few_keys : NULL;
        c->alloc_keys *= 2;
        c->keys = fl_reallocarray(few ? NULL : c->keys, c->alloc_keys, sizeof(c->keys[0]));
        if (few) {
            memcpy(c->keys, few, sizeof(c->few_keys));
        }
    }
    c->keys[c->n_keys++] = (struct key){
        .at = (uint32_t)start,
        .n = (uint32_t)(c->at - 1 - start) & TEXT_MAX,
        .escaped = escaped,
    };
}

static enum want check_key(struct check *c, bool may_end)
{
    bool escaped = false;
    if (may_end && c->text.p[c->at] == '}') {
        return close_container(c);
    }
    if (c->text.p[c->at] != '"') {
        return failed(c, c->at, "expected a key in double quotes");
    }
    size_t start = ++c->at;
    if (!check_string(c, true, &escaped)) {
        return FAILED;
    }
    push_key(c, start, escaped);
    skip_space(c);
    if (c->at == c->text.n || c->text.p[c->at] != ':') {
        return failed(c, c->at, "expected ':' after the key");
    }
    c->at++;
    return WANT_VALUE;
}

static enum want check_more(struct check *c)
{
    struct level *top = &c->levels[c->depth - 1];
    char byte = c->text.p[c->at];
    if (byte == ',') {
        c->at++;
        top->index++;
        return top->object ? WANT_KEY : WANT_VALUE;
    }
    if (byte == (top->object ? '}' : ']')) {
        return close_container(c);
    }
    return failed(c, c->at, top->object ? "expected ',' or '}'" : "expected ',' or ']'");
}

static enum want check_step(struct check *c, enum want want)
{
    skip_space(c);
    if (c->at == c->text.n) {
        return failed(c, c->at, "unexpected end of the text");
    }
    switch (want) {
    case WANT_VALUE:
    case WANT_VALUE_OR_END:
        return check_value(c, want == WANT_VALUE_OR_END);
    case WANT_KEY:
    case WANT_KEY_OR_END:
        return check_key(c, want == WANT_KEY_OR_END);
    case WANT_MORE:
        return check_more(c);
    case WANT_NOTHING:
    case FAILED:
        break;
    }
    return want;
}

static bool check_text(struct check *c)
{
    enum want want = WANT_VALUE;
    while (want < WANT_NOTHING) {
        want = check_step(c, want);
    }
    if (want == WANT_NOTHING) {
        skip_space(c);
        if (c->at < c->text.n) {
            want = failed(c, c->at, "more text after the value");
        }
    }
    return want == WANT_NOTHING;
}

static int report(const struct check *c, struct fl_err *err)
{
    size_t line = 1;
    size_t line_start = 0;
    for (size_t i = 0; i < c->why_at; i++) {
        if (c->text.p[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    struct fl_str key = c->why_key;
    if (key.n > KEY_SHOWN_MAX) {
        key.n = KEY_SHOWN_MAX;
        while (key.n > 0 && ((unsigned char)key.p[key.n] & 0xc0) == 0x80) {
            key.n--;
        }
    }
    return fl_fail(err, FL_E_BAD_DATA, "InvalidJSON",
                   "JSON: offset %zu (line %zu, column %zu): %s%s%.*s%s", c->why_at, line,
                   c->why_at - line_start + 1, c->why, key.p ? " \"" : "", FL_STR_ARG(key),
                   key.p ? "\"" : "");
}

int fl_json_check_dup(struct fl_str text, void (*dup)(void *arg, struct fl_str path), void *arg,
                      struct fl_err *err)
{
    if (text.n > TEXT_MAX) {
        return fl_fail(err, FL_E_TOO_BIG, "TooBig", "JSON: more than %u bytes", TEXT_MAX);
    }
    struct check c;
    /* Not zeroed: the key arrays are large and need no initial value. */
    c.text = text;
    c.at = 0;
    c.depth = 0;
    c.keys = c.few_keys;
    c.n_keys = 0;
    c.alloc_keys = FEW_KEYS;
    c.slots = c.few_slots;
    c.alloc_slots = FEW_KEYS;
    c.reports = 0;
    c.dup = dup;
    c.arg = arg;
    c.why = NULL;
    c.why_at = 0;
    c.why_key = (struct fl_str){NULL, 0};
    fl_buf_init(&c.scratch, text.n);
    int rc = check_text(&c) ? 0 : report(&c, err);
    if (c.keys != c.few_keys) {
        fl_free(c.keys);
    }
    if (c.slots != c.few_slots) {
        fl_free(c.slots);
    }
    fl_buf_release(&c.scratch);
    return rc;
}

int fl_json_check(struct fl_str text, struct fl_err *err)
{
    return fl_json_check_dup(text, NULL, NULL, err);
}
