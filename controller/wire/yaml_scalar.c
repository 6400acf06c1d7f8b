/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/yaml_scalar.h"

#include <float.h>
#include <math.h>

#include "base/num.h"

#define FLOAT_KEY_EXPONENT 6 /* from here on strconv writes an exponent */

static const struct {
    const char *text;
    struct fl_yaml_scalar scalar;
} words[] = {
#define WORD(text, truth)                                                                          \
    {                                                                                              \
        text,                                                                                      \
        {                                                                                          \
            FL_YAML_BOOL, truth, 0, 0, 0, NULL                                                     \
        }                                                                                          \
    }
    WORD("y", true),
    WORD("Y", true),
    WORD("yes", true),
    WORD("Yes", true),
    WORD("YES", true),
    WORD("true", true),
    WORD("True", true),
    WORD("TRUE", true),
    WORD("on", true),
    WORD("On", true),
    WORD("ON", true),
    WORD("n", false),
    WORD("N", false),
    WORD("no", false),
    WORD("No", false),
    WORD("NO", false),
    WORD("false", false),
    WORD("False", false),
    WORD("FALSE", false),
    WORD("off", false),
    WORD("Off", false),
    WORD("OFF", false),
#undef WORD
#define WORD(text, kind, symbol)                                                                   \
    {                                                                                              \
        text,                                                                                      \
        {                                                                                          \
            kind, false, 0, 0, 0, symbol                                                           \
        }                                                                                          \
    }
    WORD("", FL_YAML_NULL, NULL),
    WORD("~", FL_YAML_NULL, NULL),
    WORD("null", FL_YAML_NULL, NULL),
    WORD("Null", FL_YAML_NULL, NULL),
    WORD("NULL", FL_YAML_NULL, NULL),
    WORD(".nan", FL_YAML_NOT_FINITE, ".nan"),
    WORD(".NaN", FL_YAML_NOT_FINITE, ".nan"),
    WORD(".NAN", FL_YAML_NOT_FINITE, ".nan"),
    WORD(".inf", FL_YAML_NOT_FINITE, ".inf"),
    WORD(".Inf", FL_YAML_NOT_FINITE, ".inf"),
    WORD(".INF", FL_YAML_NOT_FINITE, ".inf"),
    WORD("+.inf", FL_YAML_NOT_FINITE, ".inf"),
    WORD("+.Inf", FL_YAML_NOT_FINITE, ".inf"),
    WORD("+.INF", FL_YAML_NOT_FINITE, ".inf"),
    WORD("-.inf", FL_YAML_NOT_FINITE, "-.inf"),
    WORD("-.Inf", FL_YAML_NOT_FINITE, "-.inf"),
    WORD("-.INF", FL_YAML_NOT_FINITE, "-.inf"),
#undef WORD
};

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
}

/* The value of digits of a base; none are 0. */
static bool digits_value(struct fl_str s, unsigned base, uint64_t *ret)
{
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned digit = (unsigned)digit_of(s.p[i]);
        if (digit >= base || v > (UINT64_MAX - digit) / base) {
            return false;
        }
        v = v * base + digit;
    }
    *ret = v;
    return true;
}

/* Go's strconv.ParseUint with base 0: 0x, 0o and 0b need a digit after them, a lone 0 is octal without digits. */
static bool magnitude(struct fl_str s, uint64_t *ret)
{
    if (s.n == 0) {
        return false;
    }
    if (s.p[0] != '0') {
        return digits_value(s, 10, ret);
    }
    unsigned base = 8;
    size_t prefix = 1;
    if (s.n >= 3) {
        char letter = (char)(s.p[1] | 0x20);
        base = letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
        prefix = letter == 'x' || letter == 'b' || letter == 'o' ? 2 : 1;
    }
    return digits_value((struct fl_str){s.p + prefix, s.n - prefix}, base, ret);
}

static bool resolve_int(struct fl_str s, struct fl_yaml_scalar *ret)
{
    if (s.n == 0) {
        return false;
    }
    bool negative = s.p[0] == '-';
    bool sign = negative || s.p[0] == '+';
    uint64_t v;
    if (!magnitude((struct fl_str){s.p + sign, s.n - sign}, &v)) {
        return false;
    }
    if (v > (uint64_t)INT64_MAX + negative) {
        *ret = (struct fl_yaml_scalar){.kind = FL_YAML_UINT, .u = v};
        return !sign; /* the wider type is read without sign only */
    }
    int64_t value = !negative ? (int64_t)v : v == 0 ? 0 : -(int64_t)(v - 1) - 1;
    *ret = (struct fl_yaml_scalar){.kind = FL_YAML_INT, .i = value};
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* '_' may stand anywhere, but in a number that starts with '.' only between digits (Go's ParseFloat decides there). */
static bool drops_underscore(struct fl_str text, size_t i)
{
    if (text.p[0] != '.') {
        return true;
    }
    return i > 0 && i + 1 < text.n && is_digit(text.p[i - 1]) && is_digit(text.p[i + 1]);
}

static struct fl_yaml_scalar resolve_number(struct fl_str text)
{
    struct fl_yaml_scalar scalar = {.kind = FL_YAML_STRING};
    char plain[512];
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '_' && drops_underscore(text, i)) {
            continue;
        }
        if (n == sizeof(plain)) {
            return scalar; /* no number anybody means is that long */
        }
        plain[n++] = text.p[i];
    }
    struct fl_str s = {plain, n};
    if (resolve_int(s, &scalar)) {
        return scalar;
    }
    double v;
    scalar = (struct fl_yaml_scalar){.kind = FL_YAML_STRING};
    if (fl_num_double(s, &v)) {
        scalar.kind = FL_YAML_FLOAT;
        scalar.d = v;
    }
    return scalar;
}

struct fl_yaml_scalar fl_yaml_resolve_(struct fl_str text)
{
    struct fl_yaml_scalar string = {.kind = FL_YAML_STRING};
    if (text.n <= 5) {
        for (size_t i = 0; i < FL_LEN(words); i++) {
            if (fl_str_is(text, words[i].text)) {
                return words[i].scalar;
            }
        }
    }
    bool numeric = text.n > 0 && ((text.p[0] >= '0' && text.p[0] <= '9') || text.p[0] == '.' ||
                                  text.p[0] == '-' || text.p[0] == '+');
    return numeric ? resolve_number(text) : string;
}

void fl_yaml_float_key_(double v, struct fl_buf *b)
{
    char text[48];
    int digits = 1;
    float value = (float)v;
    if (isinf(value)) {
        fl_buf_text(b, v > 0 ? ".inf" : "-.inf");
        return;
    }
    for (; digits <= FLT_DECIMAL_DIG; digits++) {
        double back;
        (void)snprintf(text, sizeof(text), "%.*e", digits - 1, (double)value);
        if (fl_num_double(fl_str_of(text), &back) && !((float)back < value) &&
            !((float)back > value)) {
            break;
        }
    }
    const char *mark = strchr(text, 'e');
    bool negative = mark && mark[1] == '-';
    int64_t power = 0;
    (void)fl_num_i64(fl_str_of(mark ? mark + 2 : "0"), &power);
    power = negative ? -power : power;
    if (power < -4 || power >= FLOAT_KEY_EXPONENT) {
        fl_buf_text(b, text);
        return;
    }
    int decimals = digits - 1 - (int)power;
    fl_buf_fmt(b, "%.*f", decimals > 0 ? decimals : 0, (double)value);
}
