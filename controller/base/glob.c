/* SPDX-License-Identifier: Apache-2.0 */
#include "base/glob.h"

/* Braces are expanded first, one alternative at a time, as doublestar does: `{a,b}c` is `ac`, then
 * `bc`, and what comes of it is read again from where the brace stood. What is left has `*`, `**`,
 * `?`, classes and escapes, and is matched without recursion: after a mismatch only the last `**`
 * (and within a component the last `*`) is tried one place further, which is enough, since an
 * earlier one could only reach places that the last one reaches too. */

enum {
    ALTERNATIVES_MAX = 64,
    BRACES_MAX = FL_GLOB_MAX / 2, /* a brace has two characters */
};

/* One alternative. An expansion is never longer than its pattern. */
struct plain {
    char text[FL_GLOB_MAX];
    uint16_t origin[FL_GLOB_MAX]; /* where in the pattern each byte stood */
    bool braced[FL_GLOB_MAX + 1]; /* by position: a component starts here that had a brace in it */
    size_t n;
};

/* Which alternative of each brace, in the order in which the expansion comes to them. */
struct choices {
    uint16_t pick[BRACES_MAX];
    uint16_t count[BRACES_MAX];
    size_t n;
};

struct problem {
    const char *what;
    size_t at; /* byte of the pattern */
};

/* Bytes of the character at the start of s (not empty); what is no UTF-8 counts byte by byte, as in
 * Go. */
static size_t char_size(struct fl_str s)
{
    size_t n = fl_utf8_step(s);
    return n > 0 ? n : 1;
}

/* The position behind the class whose '[' stands at `at`; s.n + 1 when it is not closed. */
static size_t class_end(struct fl_str s, size_t at)
{
    for (at++; at < s.n; at++) {
        if (s.p[at] == '\\') {
            at++;
        } else if (s.p[at] == ']') {
            return at + 1;
        }
    }
    return s.n + 1;
}

/* Behind the element at `at`: an escape, a class or one byte. */
static size_t element_end(struct fl_str s, size_t at)
{
    size_t end = s.p[at] == '[' ? class_end(s, at) : at + (s.p[at] == '\\' ? 2 : 1);
    return end < s.n ? end : s.n;
}

/* The alternative number `pick` of the brace at `open`. */
struct brace {
    size_t start;
    size_t end;
    size_t after; /* behind the closing brace */
    uint16_t count;
};

/* False when the brace is not closed. Classes do not protect commas and braces here: they do not in
 * doublestar. */
static bool brace_read(struct fl_str s, size_t open, uint16_t pick, struct brace *ret)
{
    struct brace b = {.start = open + 1};
    unsigned depth = 1;
    for (size_t at = open + 1; at < s.n; at++) {
        char c = s.p[at];
        if (c == '\\') {
            at++;
            continue;
        }
        depth += c == '{';
        depth -= c == '}';
        if (depth == 0 || (c == ',' && depth == 1)) {
            if (b.count == pick) {
                b.end = at;
            }
            b.count++;
            if (b.count == pick) {
                b.start = at + 1;
            }
        }
        if (depth == 0) {
            b.after = at + 1;
            *ret = b;
            return true;
        }
    }
    return false;
}

static void plain_move(struct plain *p, size_t to, size_t from, size_t end)
{
    memmove(p->text + to, p->text + from, end - from);
    memmove(p->origin + to, p->origin + from, (end - from) * sizeof(p->origin[0]));
}

/* Puts the chosen alternative in the brace's place. */
static void brace_replace(struct plain *p, size_t open, const struct brace *b)
{
    size_t size = b->end - b->start;
    plain_move(p, open, b->start, b->end);
    plain_move(p, open + size, b->after, p->n);
    p->n = open + size + (p->n - b->after);
}

static struct fl_str plain_slice(const struct plain *p)
{
    return (struct fl_str){p->text, p->n};
}

/* Expands by `choices`, adding first choices for the braces it does not name yet. */
static bool expand(struct fl_str pattern, struct choices *choices, struct plain *ret,
                   struct problem *problem)
{
    size_t brace_number = 0;
    size_t component = 0;
    memset(ret->braced, 0, sizeof(ret->braced));
    memcpy(ret->text, pattern.p, pattern.n);
    ret->n = pattern.n;
    for (size_t i = 0; i < pattern.n; i++) {
        ret->origin[i] = (uint16_t)i;
    }
    for (size_t at = 0; at < ret->n;) {
        struct brace b;
        if (ret->text[at] != '{') {
            component = ret->text[at] == '/' ? at + 1 : component;
            at = element_end(plain_slice(ret), at);
            continue;
        }
        ret->braced[component] = true;
        uint16_t pick = brace_number < choices->n ? choices->pick[brace_number] : 0;
        if (!brace_read(plain_slice(ret), at, pick, &b)) {
            *problem = (struct problem){"'{' is not closed", ret->origin[at]};
            return false;
        }
        choices->pick[brace_number] = pick;
        choices->count[brace_number] = b.count;
        brace_number++;
        brace_replace(ret, at, &b);
    }
    choices->n = brace_number;
    return true;
}

/* Goes on to the next alternative; false after the last. */
static bool choices_next(struct choices *c)
{
    while (c->n > 0) {
        if (++c->pick[c->n - 1] < c->count[c->n - 1]) {
            return true;
        }
        c->n--;
    }
    return false;
}

/* One character of a class, perhaps escaped. */
static bool class_member_check(struct fl_str s, size_t *at, size_t end)
{
    if (*at >= end || s.p[*at] == '-') {
        return false;
    }
    *at += s.p[*at] == '\\';
    if (*at >= end) {
        return false;
    }
    *at += char_size((struct fl_str){s.p + *at, s.n - *at});
    return true;
}

static const char *class_problem(struct fl_str s, size_t at)
{
    size_t end = class_end(s, at);
    if (end > s.n) {
        return "'[' is not closed";
    }
    end--; /* the ']' */
    at++;
    if (at == end) {
        return "'[]' is empty";
    }
    at += s.p[at] == '^';
    while (at < end) {
        bool good = class_member_check(s, &at, end);
        if (good && at < end && s.p[at] == '-') {
            at++;
            good = class_member_check(s, &at, end);
        }
        if (!good) {
            return "'-' in '[...]' is no range (write '\\-' for the character)";
        }
    }
    return NULL;
}

static bool plain_check(const struct plain *p, struct problem *problem)
{
    struct fl_str s = plain_slice(p);
    for (size_t at = 0; at < s.n; at = element_end(s, at)) {
        const char *what = NULL;
        if (s.p[at] == '\\' && at + 1 == s.n) {
            what = "'\\' has nothing behind it";
        } else if (s.p[at] == '[') {
            what = class_problem(s, at);
        }
        if (what) {
            *problem = (struct problem){what, p->origin[at]};
            return false;
        }
    }
    return true;
}

static size_t char_number(struct fl_str s, size_t at)
{
    size_t number = 1;
    for (size_t i = 0; i < at; i += char_size((struct fl_str){s.p + i, s.n - i})) {
        number++;
    }
    return number;
}

int fl_glob_check(struct fl_str pattern, struct fl_err *err)
{
    if (pattern.n > FL_GLOB_MAX) {
        return fl_fail(err, FL_E_INVALID, "InvalidPattern", "pattern is longer than %d bytes",
                       FL_GLOB_MAX);
    }
    if (pattern.n == 0) {
        return 0;
    }
    struct choices choices = {.n = 0};
    struct plain plain;
    struct problem problem = {"", 0};
    int alternatives = 0;
    do {
        if (!expand(pattern, &choices, &plain, &problem) || !plain_check(&plain, &problem)) {
            return fl_fail(err, FL_E_INVALID, "InvalidPattern", "%s (character %zu)", problem.what,
                           char_number(pattern, problem.at));
        }
        if (++alternatives > ALTERNATIVES_MAX) {
            return fl_fail(err, FL_E_INVALID, "InvalidPattern",
                           "the braces give more than %d alternatives", ALTERNATIVES_MAX);
        }
    } while (choices_next(&choices));
    return 0;
}

/* A character as a number to compare; bytes that are no UTF-8 lie above all characters. */
static uint32_t rune_at(struct fl_str s, size_t at, size_t *ret_size)
{
    const unsigned char *p = (const unsigned char *)s.p + at;
    *ret_size = fl_utf8_step((struct fl_str){s.p + at, s.n - at});
    switch (*ret_size) {
    case 1:
        return p[0];
    case 2:
        return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
    case 3:
        return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    case 4:
        return (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
    default:
        *ret_size = 1;
        return 0x110000u + p[0];
    }
}

static uint32_t class_member(struct fl_str s, size_t *at)
{
    size_t size;
    *at += s.p[*at] == '\\' && *at + 1 < s.n;
    uint32_t rune = rune_at(s, *at, &size);
    *at += size;
    return rune;
}

/* The class stands in s[at..end), brackets included. */
static bool class_matches(struct fl_str s, size_t at, size_t end, uint32_t rune)
{
    struct fl_str body = {s.p, end > at + 1 ? end - 1 : end};
    bool found = false;
    at++;
    bool negated = at < body.n && body.p[at] == '^';
    at += negated;
    while (at < body.n) {
        uint32_t low = class_member(body, &at);
        uint32_t high = low;
        if (at + 1 < body.n && body.p[at] == '-') {
            at++;
            high = class_member(body, &at);
        }
        found = found || (low <= rune && rune <= high);
    }
    return found != negated;
}

/* Whether the element of the pattern at `at` (no '*') takes the character `rune`; moves `at` behind
 * it. */
static bool element_matches(struct fl_str p, size_t *at, uint32_t rune)
{
    size_t start = *at;
    size_t size;
    if (p.p[start] == '[') {
        *at = element_end(p, start);
        return class_matches(p, start, *at, rune);
    }
    if (p.p[start] == '?') {
        *at = start + 1;
        return true;
    }
    start += p.p[start] == '\\' && start + 1 < p.n;
    uint32_t literal = rune_at(p, start, &size);
    *at = start + size;
    return literal == rune;
}

static bool component_matches(struct fl_str p, struct fl_str t)
{
    size_t at = 0;
    size_t pos = 0;
    size_t star_at = SIZE_MAX;
    size_t star_pos = 0;
    while (pos < t.n) {
        size_t size;
        if (at < p.n && p.p[at] == '*') {
            star_at = ++at;
            star_pos = pos;
            continue;
        }
        uint32_t rune = rune_at(t, pos, &size);
        if (at < p.n && element_matches(p, &at, rune)) {
            pos += size;
        } else if (star_at != SIZE_MAX) {
            (void)rune_at(t, star_pos, &size);
            star_pos += size;
            pos = star_pos;
            at = star_at;
        } else {
            return false;
        }
    }
    while (at < p.n && p.p[at] == '*') {
        at++;
    }
    return at == p.n;
}

/* Where the component that starts at `at` ends: at a '/' or at s.n. */
static size_t pattern_component_end(struct fl_str s, size_t at)
{
    while (at < s.n && s.p[at] != '/') {
        at = element_end(s, at);
    }
    return at;
}

static size_t text_component_end(struct fl_str s, size_t at)
{
    const char *slash = at < s.n ? memchr(s.p + at, '/', s.n - at) : NULL;
    return slash ? (size_t)(slash - s.p) : s.n;
}

static struct fl_str part(struct fl_str s, size_t from, size_t end)
{
    return (struct fl_str){from < end ? s.p + from : "", end - from};
}

/* `braced` may be NULL. A `**` that a brace left alone in its component is none, in doublestar
 * neither: "**{,a}" is "*". Positions behind the end (n + 1) say that no component is left: "a/"
 * has two, the last one empty. A `**` at the end wants at least one component, as in doublestar:
 * `library` is not in `library` + "/" + `**`. */
static bool plain_matches(struct fl_str p, const bool *braced, struct fl_str t)
{
    size_t at = 0;
    size_t pos = 0;
    size_t star_at = SIZE_MAX;
    size_t star_pos = 0;
    while (pos <= t.n) {
        if (at <= p.n) {
            size_t end = pattern_component_end(p, at);
            struct fl_str component = part(p, at, end);
            if (fl_str_is(component, "**") && !(braced && braced[at])) {
                if (end == p.n) {
                    return true;
                }
                star_at = at = end + 1;
                star_pos = pos;
                continue;
            }
            size_t text_end = text_component_end(t, pos);
            if (component_matches(component, part(t, pos, text_end))) {
                at = end + 1;
                pos = text_end + 1;
                continue;
            }
        }
        if (star_at == SIZE_MAX) {
            return false;
        }
        star_pos = text_component_end(t, star_pos) + 1;
        pos = star_pos;
        at = star_at;
    }
    return at > p.n;
}

bool fl_glob_match(struct fl_str pattern, struct fl_str text)
{
    if (pattern.n == 0) {
        return true;
    }
    if (!memchr(pattern.p, '{', pattern.n)) {
        return plain_matches(pattern, NULL, text);
    }
    struct choices choices = {.n = 0};
    struct plain plain;
    struct problem problem = {"", 0};
    int alternatives = 0;
    fl_assert(pattern.n <= FL_GLOB_MAX);
    do {
        if (!expand(pattern, &choices, &plain, &problem)) {
            return false;
        }
        if (plain_matches(plain_slice(&plain), plain.braced, text)) {
            return true;
        }
    } while (++alternatives < ALTERNATIVES_MAX && choices_next(&choices));
    return false;
}

bool fl_glob_literal(struct fl_str pattern)
{
    for (size_t i = 0; i < pattern.n; i++) {
        if (strchr("*?[{\\", pattern.p[i]) && pattern.p[i] != '\0') {
            return false;
        }
    }
    return true;
}
