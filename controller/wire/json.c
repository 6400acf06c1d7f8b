/* SPDX-License-Identifier: Apache-2.0
 * A node is a json_object, cast here and nowhere else. Inside json-c a JSON null is a NULL pointer; outside it is the
 * address of `null_node`, so that NULL can mean absent. Text is read and written here and not by json-c 0.16: its parser
 * clamps large integers and loses their text, its writer keeps a copy of the text in the node. */
#include "wire/json.h"

#include <float.h>
#include <limits.h>
#include <math.h>

#include <json-c/arraylist.h>
#include <json-c/json_object.h>
#include <json-c/linkhash.h>

#include "base/mem.h"
#include "base/num.h"
#include "wire/scan.h"
#include "wire/scan_text.h"

/* Trees made here may wrap a parsed one (a List around an object), but not without end. */
#define TREE_DEPTH_MAX (2 * FL_JSON_DEPTH_MAX)

#define SMALL_KEY 128 /* bytes; longer keys take a trip to the heap */

static char null_node;

static struct fl_json *outside(struct json_object *o)
{
    return o ? (struct fl_json *)(void *)o : (struct fl_json *)(void *)&null_node;
}

/* The json-c object of a node that is not absent; NULL for a JSON null. json-c's readers take pointers to non-const. */
static struct json_object *inside(const struct fl_json *j)
{
    union {
        const struct fl_json *node;
        struct json_object *object;
    } u = {.node = j};
    return (const void *)j == (const void *)&null_node ? NULL : u.object;
}

/* json-c reports only a lack of memory this way. */
static struct json_object *made(struct json_object *o)
{
    fl_assert(o != NULL);
    return o;
}

static bool is_container(const struct fl_json *j, enum json_type type)
{
    return j && json_object_is_type(inside(j), type);
}

/* Making. */

struct fl_json *fl_json_null(void)
{
    return outside(NULL);
}

struct fl_json *fl_json_bool(bool v)
{
    return outside(made(json_object_new_boolean(v)));
}

struct fl_json *fl_json_int(int64_t v)
{
    return outside(made(json_object_new_int64(v)));
}

struct fl_json *fl_json_double(double v)
{
    fl_assert(isfinite(v));
    return outside(made(json_object_new_double(v)));
}

struct fl_json *fl_json_str(struct fl_str s)
{
    fl_assert(s.n < INT_MAX);
    return outside(made(json_object_new_string_len(s.n > 0 ? s.p : "", (int)s.n)));
}

struct fl_json *fl_json_text(const char *s)
{
    return s ? fl_json_str(fl_str_of(s)) : fl_json_null();
}

struct fl_json *fl_json_object(void)
{
    return outside(made(json_object_new_object()));
}

struct fl_json *fl_json_array(void)
{
    return outside(made(json_object_new_array_ext(4)));
}

/* A number that is no int64 keeps its text; json-c hands that to every copy it makes. The value of one that no double
 * holds is NaN, which no JSON number can be. */
static struct fl_json *number_with_text(const char *text)
{
    double v = 0;
    if (!fl_num_double(fl_str_of(text), &v) || !isfinite(v)) {
        v = (double)NAN;
    }
    return outside(made(json_object_new_double_s(v, text)));
}

/* The text a parsed double keeps; NULL for one that was made from a value. */
static const char *number_text(struct json_object *o)
{
    return json_object_get_userdata(o);
}

void fl_json_free(struct fl_json *j)
{
    if (j) {
        json_object_put(inside(j));
    }
}

struct fl_json *fl_json_ref(struct fl_json *j)
{
    return j ? outside(json_object_get(inside(j))) : NULL;
}

/* json-c's keys are terminated texts. A NUL, which no JSON key from outside has, becomes U+FFFD rather than cut the key
 * short and make it another one. */
static char *key_text(struct fl_str key, char small[SMALL_KEY])
{
    size_t nuls = 0;
    for (size_t i = 0; i < key.n; i++) {
        nuls += key.p[i] == '\0';
    }
    size_t need = key.n + 2 * nuls + 1;
    char *text = need <= SMALL_KEY ? small : fl_malloc(need);
    char *to = text;
    for (size_t i = 0; i < key.n; i++) {
        if (key.p[i] == '\0') {
            memcpy(to, "\xef\xbf\xbd", 3);
            to += 3;
        } else {
            *to++ = key.p[i];
        }
    }
    *to = '\0';
    return text;
}

static void key_text_free(char *text, const char *small)
{
    if (text != small) {
        fl_free(text);
    }
}

/* Parsing. The text was checked: what is expected next is there. */

struct parse {
    struct fl_str text;
    size_t at;
    struct fl_buf scratch;
};

static void parse_space(struct parse *p)
{
    while (fl_scan_is_space_(p->text.p[p->at])) {
        p->at++;
    }
}

/* At the opening quote. The slice lives until the next call. */
static struct fl_str parse_text(struct parse *p)
{
    size_t start = p->at + 1;
    size_t end = fl_scan_string_end_(p->text, start);
    struct fl_str raw = {p->text.p + start, end - start};
    p->at = end + 1;
    if (!fl_scan_has_escape_(raw)) {
        return raw;
    }
    fl_buf_clear(&p->scratch);
    fl_scan_decode_(raw, &p->scratch);
    return fl_buf_slice(&p->scratch);
}

static struct fl_json *parse_number(struct parse *p)
{
    size_t start = p->at;
    int64_t v;
    while (p->at < p->text.n && strchr("+-.0123456789Ee", p->text.p[p->at])) {
        p->at++;
    }
    struct fl_str raw = {p->text.p + start, p->at - start};
    if (fl_num_i64(raw, &v)) {
        return fl_json_int(v);
    }
    fl_buf_clear(&p->scratch);
    fl_buf_str(&p->scratch, raw);
    return number_with_text(p->scratch.data);
}

static struct fl_json *parse_value(struct parse *p);

/* NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX, the text was checked */
static struct fl_json *parse_array(struct parse *p)
{
    fl_auto(fl_json) array = fl_json_array();
    for (;;) {
        p->at++;
        parse_space(p);
        if (p->text.p[p->at] == ']') {
            break; /* only in an empty array: the check refuses a trailing comma */
        }
        fl_json_push(array, parse_value(p));
        parse_space(p);
        if (p->text.p[p->at] == ']') {
            break;
        }
    }
    p->at++;
    return fl_take(array);
}

/* NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX, the text was checked */
static void parse_member(struct parse *p, struct json_object *object)
{
    char small[SMALL_KEY];
    char *key = key_text(parse_text(p), small);
    parse_space(p);
    p->at++; /* ':' */
    parse_space(p);
    struct json_object *value = inside(parse_value(p));
    /* The check found no key twice. */
    int rc = json_object_object_add_ex(object, key, value, JSON_C_OBJECT_ADD_KEY_IS_NEW);
    fl_assert(rc == 0);
    key_text_free(key, small);
}

/* NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX, the text was checked */
static struct fl_json *parse_object(struct parse *p)
{
    fl_auto(fl_json) object = fl_json_object();
    for (;;) {
        p->at++;
        parse_space(p);
        if (p->text.p[p->at] == '}') {
            break;
        }
        parse_member(p, inside(object));
        parse_space(p);
        if (p->text.p[p->at] == '}') {
            break;
        }
    }
    p->at++;
    return fl_take(object);
}

/* NOLINTNEXTLINE(misc-no-recursion): depth <= FL_JSON_DEPTH_MAX, the text was checked */
static struct fl_json *parse_value(struct parse *p)
{
    switch (p->text.p[p->at]) {
    case '{':
        return parse_object(p);
    case '[':
        return parse_array(p);
    case '"':
        return fl_json_str(parse_text(p));
    case 't':
        p->at += 4;
        return fl_json_bool(true);
    case 'f':
        p->at += 5;
        return fl_json_bool(false);
    case 'n':
        p->at += 4;
        return fl_json_null();
    default:
        return parse_number(p);
    }
}

int fl_json_parse(struct fl_str text, size_t cap, struct fl_json **ret, struct fl_err *err)
{
    if (text.n > cap || text.n >= INT_MAX) {
        return fl_fail(err, FL_E_TOO_BIG, "TooBig", "JSON: more than %zu bytes",
                       cap < INT_MAX ? cap : (size_t)INT_MAX - 1);
    }
    int rc = fl_json_check(text, err);
    if (rc) {
        return rc;
    }
    struct parse p = {.text = text};
    fl_buf_init(&p.scratch, text.n);
    parse_space(&p);
    struct fl_json *root = parse_value(&p);
    fl_buf_release(&p.scratch);
    *ret = root;
    return 0;
}

struct fl_json *fl_json_literal(const char *text)
{
    struct fl_json *j = NULL;
    int rc = fl_json_parse(fl_str_of(text), INT_MAX, &j, NULL);
    fl_assert(rc == 0);
    return j;
}

/* Types and scalars. */

enum fl_json_type fl_json_type(const struct fl_json *j)
{
    fl_assert(j != NULL);
    switch (json_object_get_type(inside(j))) {
    case json_type_null:
        return FL_JSON_NULL;
    case json_type_boolean:
        return FL_JSON_BOOL;
    case json_type_int:
        return FL_JSON_INT;
    case json_type_double:
        return FL_JSON_DOUBLE;
    case json_type_string:
        return FL_JSON_STRING;
    case json_type_array:
        return FL_JSON_ARRAY;
    case json_type_object:
        break;
    }
    return FL_JSON_OBJECT;
}

bool fl_json_is(const struct fl_json *j, enum fl_json_type t)
{
    return j && fl_json_type(j) == t;
}

bool fl_json_as_str(const struct fl_json *j, struct fl_str *ret)
{
    if (!fl_json_is(j, FL_JSON_STRING)) {
        return false;
    }
    struct json_object *o = inside(j);
    *ret = (struct fl_str){json_object_get_string(o), (size_t)json_object_get_string_len(o)};
    return true;
}

const char *fl_json_as_text(const struct fl_json *j)
{
    struct fl_str s;
    return fl_json_as_str(j, &s) && !memchr(s.p, '\0', s.n) ? s.p : NULL;
}

const char *fl_json_get_text(const struct fl_json *j, const char *key)
{
    return fl_json_as_text(fl_json_get(j, key));
}

bool fl_json_as_i64(const struct fl_json *j, int64_t *ret)
{
    if (!fl_json_is(j, FL_JSON_INT)) {
        return false;
    }
    *ret = json_object_get_int64(inside(j));
    return true;
}

bool fl_json_as_double(const struct fl_json *j, double *ret)
{
    int64_t whole;
    if (fl_json_as_i64(j, &whole)) {
        *ret = (double)whole;
        return true;
    }
    if (!fl_json_is(j, FL_JSON_DOUBLE) || isnan(json_object_get_double(inside(j)))) {
        return false;
    }
    *ret = json_object_get_double(inside(j));
    return true;
}

bool fl_json_as_bool(const struct fl_json *j, bool *ret)
{
    if (!fl_json_is(j, FL_JSON_BOOL)) {
        return false;
    }
    *ret = json_object_get_boolean(inside(j));
    return true;
}

/* Objects. */

struct fl_json *fl_json_get(const struct fl_json *j, const char *key)
{
    struct json_object *value;
    if (!is_container(j, json_type_object) || !json_object_object_get_ex(inside(j), key, &value)) {
        return NULL;
    }
    return outside(value);
}

struct fl_json *fl_json_get_str(const struct fl_json *j, struct fl_str key)
{
    char small[SMALL_KEY];
    char *text = key_text(key, small);
    struct fl_json *value = fl_json_get(j, text);
    key_text_free(text, small);
    return value;
}

struct fl_json *fl_json_path(const struct fl_json *j, const char *path)
{
    struct fl_str rest = fl_str_of(path);
    struct fl_str head;
    struct fl_json *node = NULL;
    bool more = true;
    for (const struct fl_json *at = j; more && at; at = node) {
        more = fl_str_cut(&rest, '.', &head);
        node = fl_json_get_str(at, head);
    }
    return node;
}

void fl_json_set(struct fl_json *j, const char *key, struct fl_json *value)
{
    fl_assert(is_container(j, json_type_object) && value);
    int rc = json_object_object_add(inside(j), key, inside(value));
    fl_assert(rc == 0);
}

void fl_json_set_str(struct fl_json *j, struct fl_str key, struct fl_json *value)
{
    char small[SMALL_KEY];
    char *text = key_text(key, small);
    fl_json_set(j, text, value);
    key_text_free(text, small);
}

void fl_json_del(struct fl_json *j, const char *key)
{
    if (is_container(j, json_type_object)) {
        json_object_object_del(inside(j), key);
    }
}

void fl_json_del_str(struct fl_json *j, struct fl_str key)
{
    char small[SMALL_KEY];
    char *text = key_text(key, small);
    fl_json_del(j, text);
    key_text_free(text, small);
}

size_t fl_json_len(const struct fl_json *j)
{
    if (is_container(j, json_type_object)) {
        return (size_t)json_object_object_length(inside(j));
    }
    return is_container(j, json_type_array) ? json_object_array_length(inside(j)) : 0;
}

struct fl_json_iter fl_json_iter(const struct fl_json *j)
{
    struct fl_json_iter it = {.entry = NULL};
    if (is_container(j, json_type_object)) {
        it.entry = lh_table_head(json_object_get_object(inside(j)));
    }
    return it;
}

bool fl_json_next(struct fl_json_iter *it)
{
    const struct lh_entry *entry = it->entry;
    if (!entry) {
        return false;
    }
    it->key = fl_str_of(lh_entry_k(entry));
    it->value = outside(lh_entry_v(entry));
    it->entry = lh_entry_next(entry);
    return true;
}

/* Arrays. */

struct fl_json *fl_json_at(const struct fl_json *j, size_t i)
{
    if (!is_container(j, json_type_array) || i >= json_object_array_length(inside(j))) {
        return NULL;
    }
    return outside(json_object_array_get_idx(inside(j), i));
}

void fl_json_push(struct fl_json *j, struct fl_json *value)
{
    fl_assert(is_container(j, json_type_array) && value);
    int rc = json_object_array_add(inside(j), inside(value));
    fl_assert(rc == 0);
}

void fl_json_insert(struct fl_json *j, size_t i, struct fl_json *value)
{
    size_t n = fl_json_len(j);
    fl_assert(i <= n);
    fl_json_push(j, value);
    /* json_object_array_insert_idx came with 0.18: rotate the new last element to its place. */
    void **v = json_object_get_array(inside(j))->array;
    memmove(v + i + 1, v + i, (n - i) * sizeof(v[0]));
    v[i] = inside(value);
}

void fl_json_remove(struct fl_json *j, size_t i)
{
    fl_assert(is_container(j, json_type_array) && i < fl_json_len(j));
    int rc = json_object_array_del_idx(inside(j), i, 1);
    fl_assert(rc == 0);
}

void fl_json_put(struct fl_json *j, size_t i, struct fl_json *value)
{
    fl_assert(is_container(j, json_type_array) && value && i < fl_json_len(j));
    int rc = json_object_array_put_idx(inside(j), i, inside(value));
    fl_assert(rc == 0);
}

/* Whole trees. */

static bool double_equal(struct json_object *a, struct json_object *b)
{
    const char *text_a = number_text(a);
    const char *text_b = number_text(b);
    if (text_a && text_b && strcmp(text_a, text_b) == 0) {
        return true;
    }
    /* Integers beyond int64 that round to the same double are still different. */
    bool exact = text_a && text_b && !strpbrk(text_a, ".eE") && !strpbrk(text_b, ".eE");
    double v = json_object_get_double(a);
    return !exact && !(v < json_object_get_double(b)) && !(v > json_object_get_double(b)) &&
           !isnan(v) && !isnan(json_object_get_double(b));
}

static bool equal_at(const struct fl_json *a, const struct fl_json *b, int depth);

/* NOLINTNEXTLINE(misc-no-recursion): depth <= TREE_DEPTH_MAX */
static bool members_equal(const struct fl_json *a, const struct fl_json *b, int depth)
{
    struct fl_json_iter it = fl_json_iter(a);
    while (fl_json_next(&it)) {
        const struct fl_json *other = fl_json_get(b, it.key.p);
        if (!other || !equal_at(it.value, other, depth + 1)) {
            return false;
        }
    }
    return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): depth <= TREE_DEPTH_MAX */
static bool equal_at(const struct fl_json *a, const struct fl_json *b, int depth)
{
    struct fl_str text_a;
    struct fl_str text_b;
    fl_assert(depth <= TREE_DEPTH_MAX);
    if (a == b) {
        return true;
    }
    if (fl_json_type(a) != fl_json_type(b) || fl_json_len(a) != fl_json_len(b)) {
        return false;
    }
    switch (fl_json_type(a)) {
    case FL_JSON_NULL:
        return true;
    case FL_JSON_BOOL:
        return json_object_get_boolean(inside(a)) == json_object_get_boolean(inside(b));
    case FL_JSON_INT:
        return json_object_get_int64(inside(a)) == json_object_get_int64(inside(b));
    case FL_JSON_DOUBLE:
        return double_equal(inside(a), inside(b));
    case FL_JSON_STRING:
        return fl_json_as_str(a, &text_a) && fl_json_as_str(b, &text_b) &&
               fl_str_eq(text_a, text_b);
    case FL_JSON_ARRAY:
        for (size_t i = 0; i < fl_json_len(a); i++) {
            if (!equal_at(fl_json_at(a, i), fl_json_at(b, i), depth + 1)) {
                return false;
            }
        }
        return true;
    case FL_JSON_OBJECT:
        break;
    }
    return members_equal(a, b, depth);
}

bool fl_json_equal(const struct fl_json *a, const struct fl_json *b)
{
    return a && b ? equal_at(a, b, 0) : a == b;
}

/* NOLINTNEXTLINE(misc-no-recursion): depth <= TREE_DEPTH_MAX */
static struct fl_json *copy_at(const struct fl_json *j, int depth)
{
    struct fl_str text = {NULL, 0};
    fl_assert(depth <= TREE_DEPTH_MAX);
    switch (fl_json_type(j)) {
    case FL_JSON_NULL:
        return fl_json_null();
    case FL_JSON_BOOL:
        return fl_json_bool(json_object_get_boolean(inside(j)));
    case FL_JSON_INT:
        return fl_json_int(json_object_get_int64(inside(j)));
    case FL_JSON_DOUBLE:
        return number_text(inside(j)) ? number_with_text(number_text(inside(j)))
                                      : fl_json_double(json_object_get_double(inside(j)));
    case FL_JSON_STRING:
        (void)fl_json_as_str(j, &text);
        return fl_json_str(text);
    case FL_JSON_ARRAY:
    case FL_JSON_OBJECT:
        break;
    }
    bool array = fl_json_type(j) == FL_JSON_ARRAY;
    struct fl_json *copy = array ? fl_json_array() : fl_json_object();
    for (size_t i = 0; array && i < fl_json_len(j); i++) {
        fl_json_push(copy, copy_at(fl_json_at(j, i), depth + 1));
    }
    struct fl_json_iter it = fl_json_iter(j);
    while (fl_json_next(&it)) {
        int rc =
            json_object_object_add_ex(inside(copy), it.key.p, inside(copy_at(it.value, depth + 1)),
                                      JSON_C_OBJECT_ADD_KEY_IS_NEW);
        fl_assert(rc == 0);
    }
    return copy;
}

struct fl_json *fl_json_copy(const struct fl_json *j)
{
    return j ? copy_at(j, 0) : NULL;
}

/* Writing. */

/* The shortest of 15 to 17 digits that reads back as the same value; always with a mark of a double. */
static void write_double(struct json_object *o, struct fl_buf *b)
{
    if (number_text(o)) {
        fl_buf_text(b, number_text(o));
        return;
    }
    double v = json_object_get_double(o);
    char text[40];
    for (int digits = DBL_DIG; digits <= DBL_DECIMAL_DIG; digits++) {
        double back;
        (void)snprintf(text, sizeof(text), "%.*g", digits, v);
        if (fl_num_double(fl_str_of(text), &back) && !(back < v) && !(back > v)) {
            break;
        }
    }
    fl_buf_text(b, text);
    if (!strpbrk(text, ".eE")) {
        fl_buf_text(b, ".0");
    }
}

static void line(struct fl_buf *b, int indent)
{
    if (indent < 0) {
        return;
    }
    fl_buf_char(b, '\n');
    for (int i = 0; i < indent; i++) {
        fl_buf_text(b, "  ");
    }
}

static void write_at(const struct fl_json *j, struct fl_buf *b, int depth, bool pretty);

/* NOLINTNEXTLINE(misc-no-recursion): depth <= TREE_DEPTH_MAX */
static void write_array(const struct fl_json *j, struct fl_buf *b, int depth, bool pretty)
{
    size_t n = fl_json_len(j);
    fl_buf_char(b, '[');
    for (size_t i = 0; i < n && !b->overflowed; i++) {
        if (i > 0) {
            fl_buf_char(b, ',');
        }
        line(b, pretty ? depth + 1 : -1);
        write_at(fl_json_at(j, i), b, depth + 1, pretty);
    }
    line(b, pretty && n > 0 ? depth : -1);
    fl_buf_char(b, ']');
}

/* NOLINTNEXTLINE(misc-no-recursion): depth <= TREE_DEPTH_MAX */
static void write_object(const struct fl_json *j, struct fl_buf *b, int depth, bool pretty)
{
    struct fl_json_iter it = fl_json_iter(j);
    bool some = false;
    fl_buf_char(b, '{');
    while (fl_json_next(&it)) {
        if (some) {
            fl_buf_char(b, ',');
        }
        some = true;
        line(b, pretty ? depth + 1 : -1);
        fl_buf_json_str(b, it.key);
        fl_buf_add(b, ": ", pretty ? 2 : 1);
        write_at(it.value, b, depth + 1, pretty);
    }
    line(b, pretty && some ? depth : -1);
    fl_buf_char(b, '}');
}

/* NOLINTNEXTLINE(misc-no-recursion): depth <= TREE_DEPTH_MAX */
static void write_at(const struct fl_json *j, struct fl_buf *b, int depth, bool pretty)
{
    struct fl_str text = {NULL, 0};
    fl_assert(depth <= TREE_DEPTH_MAX);
    switch (fl_json_type(j)) {
    case FL_JSON_NULL:
        fl_buf_text(b, "null");
        break;
    case FL_JSON_BOOL:
        fl_buf_text(b, json_object_get_boolean(inside(j)) ? "true" : "false");
        break;
    case FL_JSON_INT:
        fl_buf_i64(b, json_object_get_int64(inside(j)));
        break;
    case FL_JSON_DOUBLE:
        write_double(inside(j), b);
        break;
    case FL_JSON_STRING:
        (void)fl_json_as_str(j, &text);
        fl_buf_json_str(b, text);
        break;
    case FL_JSON_ARRAY:
        write_array(j, b, depth, pretty);
        break;
    case FL_JSON_OBJECT:
        write_object(j, b, depth, pretty);
        break;
    }
}

void fl_json_write(const struct fl_json *j, struct fl_buf *b)
{
    write_at(j, b, 0, false);
}

void fl_json_write_pretty(const struct fl_json *j, struct fl_buf *b)
{
    write_at(j, b, 0, true);
}
