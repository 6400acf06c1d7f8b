/* SPDX-License-Identifier: Apache-2.0
 * Trees to YAML, in the form kubectl prints: block style, lists not indented under their key. */
#include "wire/scan.h"
#include "wire/yaml.h"
#include "wire/yaml_scalar.h"

#define INDENT 2
/* libyaml and its kin look for ':' at most 1024 characters behind the start of a key; longer ones need '?'. A byte
 * becomes at most six characters. */
#define SIMPLE_KEY_MAX 160
#define TREE_DEPTH_MAX (2 * FL_JSON_DEPTH_MAX) /* as json.c */

/* Code point of the character at p; n bytes from fl_utf8_step. */
static uint32_t code_point(const char *p, size_t n)
{
    const unsigned char *u = (const unsigned char *)p;
    switch (n) {
    case 1:
        return u[0];
    case 2:
        return (u[0] & 0x1fU) << 6 | (u[1] & 0x3fU);
    case 3:
        return (u[0] & 0x0fU) << 12 | (u[1] & 0x3fU) << 6 | (u[2] & 0x3fU);
    default:
        return (u[0] & 0x07U) << 18 | (u[1] & 0x3fU) << 12 | (u[2] & 0x3fU) << 6 | (u[3] & 0x3fU);
    }
}

/* Characters every YAML reader takes as they are, and none as a line break. */
static bool is_printable(uint32_t c)
{
    return (c >= 0x20 && c <= 0x7e) || (c >= 0xa0 && c <= 0xd7ff && c != 0x2028 && c != 0x2029) ||
           (c >= 0xe000 && c <= 0xfffd && c != 0xfeff) || c >= 0x10000;
}

enum form { PLAIN, SINGLE_QUOTED, DOUBLE_QUOTED, LITERAL };

struct content {
    bool printable; /* but for newlines and tabs */
    bool newline;
    bool tab;
};

static struct content look_at(struct fl_str s)
{
    struct content content = {.printable = true};
    for (size_t at = 0; at < s.n;) {
        size_t n = fl_utf8_step((struct fl_str){s.p + at, s.n - at});
        char c = s.p[at];
        if (c == '\n') {
            content.newline = true;
        } else if (c == '\t') {
            content.tab = true;
        } else if (n == 0 || !is_printable(code_point(s.p + at, n))) {
            content.printable = false;
        }
        at += n > 0 ? n : 1;
    }
    return content;
}

/* 1:20 is 80 to readers of all of YAML 1.1, and 2001-01-01 a date. */
static bool looks_like_time(struct fl_str s)
{
    size_t digits = 0;
    if (s.p[0] == '-' || s.p[0] == '+') {
        s.p++;
        s.n--;
    }
    while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9') {
        digits++;
    }
    return digits > 0 && digits < s.n && (s.p[digits] == ':' || s.p[digits] == '-');
}

/* Whether a plain scalar with this text would be one, whole, where a block value or key stands. */
static bool plain_syntax(struct fl_str s)
{
    if (strchr("-?:,[]{}#&*!|>'\"%@` ", s.p[0])) {
        bool dash = s.p[0] == '-' && s.n > 1 && s.p[1] != ' ' && !fl_str_starts(s, "---");
        if (!dash) {
            return false;
        }
    }
    if (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == ':' || fl_str_starts(s, "...")) {
        return false;
    }
    for (size_t i = 0; i + 1 < s.n; i++) {
        if ((s.p[i] == ':' && s.p[i + 1] == ' ') || (s.p[i] == ' ' && s.p[i + 1] == '#')) {
            return false;
        }
    }
    return true;
}

static enum form form_of(struct fl_str s, bool key)
{
    struct content content = look_at(s);
    if (s.n == 0 || !content.printable || content.tab || content.newline) {
        /* A literal's indentation is read off its first line. */
        bool literal = !key && content.printable && content.newline && s.p[0] != ' ' &&
                       s.p[0] != '\t' && s.p[0] != '\n';
        return literal ? LITERAL : DOUBLE_QUOTED;
    }
    if (fl_yaml_resolve_(s).kind != FL_YAML_STRING || fl_str_is(s, "<<") || fl_str_is(s, "=") ||
        looks_like_time(s)) {
        return DOUBLE_QUOTED;
    }
    return plain_syntax(s) ? PLAIN : SINGLE_QUOTED;
}

static void single_quoted(struct fl_str s, struct fl_buf *b)
{
    fl_buf_char(b, '\'');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\'') {
            fl_buf_char(b, '\'');
        }
        fl_buf_char(b, s.p[i]);
    }
    fl_buf_char(b, '\'');
}

static void escaped(uint32_t c, struct fl_buf *b)
{
    switch (c) {
    case '\n':
        fl_buf_text(b, "\\n");
        break;
    case '\t':
        fl_buf_text(b, "\\t");
        break;
    case '\r':
        fl_buf_text(b, "\\r");
        break;
    default:
        fl_buf_fmt(b, c < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)c);
        break;
    }
}

static void double_quoted(struct fl_str s, struct fl_buf *b)
{
    fl_buf_char(b, '"');
    for (size_t at = 0; at < s.n;) {
        size_t n = fl_utf8_step((struct fl_str){s.p + at, s.n - at});
        uint32_t c = n > 0 ? code_point(s.p + at, n) : 0xfffd;
        if (c == '"' || c == '\\') {
            fl_buf_char(b, '\\');
            fl_buf_char(b, (char)c);
        } else if (!is_printable(c)) {
            escaped(c, b);
        } else if (n == 0) {
            fl_buf_text(b, "\xef\xbf\xbd");
        } else {
            fl_buf_add(b, s.p + at, n);
        }
        at += n > 0 ? n : 1;
    }
    fl_buf_char(b, '"');
}

static void spaces(struct fl_buf *b, int n)
{
    for (int i = 0; i < n; i++) {
        fl_buf_char(b, ' ');
    }
}

/* From the '|' to the last newline. */
static void literal(struct fl_str s, struct fl_buf *b, int indent)
{
    bool ends = s.p[s.n - 1] == '\n';
    bool more = ends && s.n > 1 && s.p[s.n - 2] == '\n';
    fl_buf_text(b, !ends ? "|-\n" : more ? "|+\n" : "|\n");
    if (ends) {
        s.n--;
    }
    struct fl_str line;
    for (bool again = true; again;) {
        again = fl_str_cut(&s, '\n', &line);
        if (line.n > 0) {
            spaces(b, indent);
            fl_buf_str(b, line);
        }
        fl_buf_char(b, '\n');
    }
}

static void quoted_as(enum form form, struct fl_str s, struct fl_buf *b)
{
    if (form == PLAIN) {
        fl_buf_str(b, s);
    } else if (form == SINGLE_QUOTED) {
        single_quoted(s, b);
    } else {
        double_quoted(s, b);
    }
}

static bool is_block(const struct fl_json *j)
{
    return fl_json_len(j) > 0;
}

/* A scalar or an empty container, with its newline. indent: of the lines of a literal; 0 = none allowed. */
static void write_inline(const struct fl_json *j, struct fl_buf *b, int indent)
{
    struct fl_str s;
    if (!fl_json_as_str(j, &s)) {
        fl_json_write(j, b); /* {} and [] too */
        fl_buf_char(b, '\n');
        return;
    }
    enum form form = form_of(s, indent == 0);
    if (form == LITERAL) {
        literal(s, b, indent);
        return;
    }
    quoted_as(form, s, b);
    fl_buf_char(b, '\n');
}

static void write_block(const struct fl_json *j, struct fl_buf *b, int indent, bool first_inline,
                        int depth);

static void write_key(struct fl_str key, struct fl_buf *b, int indent)
{
    enum form form = form_of(key, true);
    bool simple = key.n <= SIMPLE_KEY_MAX;
    if (!simple) {
        fl_buf_text(b, "? ");
    }
    quoted_as(form, key, b);
    if (!simple) {
        fl_buf_char(b, '\n');
        spaces(b, indent);
    }
    fl_buf_char(b, ':');
}

/* NOLINTNEXTLINE(misc-no-recursion): depth <= TREE_DEPTH_MAX */
static void write_members(const struct fl_json *j, struct fl_buf *b, int indent, bool first_inline,
                          int depth)
{
    struct fl_json_iter it = fl_json_iter(j);
    while (fl_json_next(&it) && !b->overflowed) {
        spaces(b, first_inline ? 0 : indent);
        first_inline = false;
        write_key(it.key, b, indent);
        if (!is_block(it.value)) {
            fl_buf_char(b, ' ');
            write_inline(it.value, b, indent + INDENT);
            continue;
        }
        fl_buf_char(b, '\n');
        bool list = fl_json_is(it.value, FL_JSON_ARRAY);
        write_block(it.value, b, list ? indent : indent + INDENT, false, depth + 1);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): depth <= TREE_DEPTH_MAX */
static void write_elements(const struct fl_json *j, struct fl_buf *b, int indent, bool first_inline,
                           int depth)
{
    for (size_t i = 0; i < fl_json_len(j) && !b->overflowed; i++) {
        const struct fl_json *value = fl_json_at(j, i);
        spaces(b, i == 0 && first_inline ? 0 : indent);
        fl_buf_text(b, "- ");
        if (is_block(value)) {
            write_block(value, b, indent + INDENT, true, depth + 1);
        } else {
            write_inline(value, b, indent + INDENT);
        }
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): depth <= TREE_DEPTH_MAX */
static void write_block(const struct fl_json *j, struct fl_buf *b, int indent, bool first_inline,
                        int depth)
{
    fl_assert(depth <= TREE_DEPTH_MAX);
    if (fl_json_is(j, FL_JSON_ARRAY)) {
        write_elements(j, b, indent, first_inline, depth);
    } else {
        write_members(j, b, indent, first_inline, depth);
    }
}

void fl_yaml_write(const struct fl_json *j, struct fl_buf *b)
{
    if (is_block(j)) {
        write_block(j, b, 0, false, 0);
    } else {
        write_inline(j, b, 0);
    }
}
