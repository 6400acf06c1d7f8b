/* SPDX-License-Identifier: Apache-2.0 */
#include "codec_help.h"

struct inner {
    const char *name;
    int64_t weight;
};

struct outer {
    const char *text;
    bool flag;
    int64_t count;
    int colour;
    int64_t wait_ms;
    const char *when;
    const char *bytes;
    struct inner *inner;
    struct fl_list names;
    struct fl_list numbers;
    struct fl_list inners;
    struct fl_pairs labels;
    struct fl_pairs data;
};

static const char *const colours[] = {"red", "green", NULL};

static bool no_x(struct fl_str s, struct fl_err *why)
{
    if (s.n > 0 && memchr(s.p, 'x', s.n)) {
        (void)fl_fail(why, FL_E_INVALID, "Invalid", "must not contain an x");
        return false;
    }
    return true;
}

#define AT(m) .at = offsetof(struct outer, m)

static const struct fl_field inner_rows[] = {
    {.name = "name", .type = FL_STRING, .at = offsetof(struct inner, name), .flags = FL_REQUIRED},
    {.name = "weight", .type = FL_INT, .at = offsetof(struct inner, weight), .def = "7"},
    {.type = FL_END},
};

static const struct fl_field rows_of[] = {
    {.name = "text", .type = FL_STRING, AT(text), .min = 2, .max = 8, .check = no_x},
    {.name = "flag", .type = FL_BOOL, AT(flag), .def = "true"},
    {.name = "count", .type = FL_INT, AT(count), .min = -1, .max = 9},
    {.name = "colour", .type = FL_ENUM, AT(colour), .names = colours, .flags = FL_IMMUTABLE},
    {.name = "wait",
     .type = FL_DURATION,
     AT(wait_ms),
     .def = "\"5m\"",
     .min = 1000,
     .max = 3600000},
    {.name = "when", .type = FL_TIME, AT(when)},
    {.name = "micro", .type = FL_TIME, .at = offsetof(struct outer, when), .flags = FL_MICRO},
    {.name = "bytes", .type = FL_BYTES, AT(bytes)},
    {.name = "inner",
     .type = FL_OBJECT,
     AT(inner),
     .rows = inner_rows,
     .size = sizeof(struct inner)},
    {.name = "names",
     .type = FL_LIST,
     AT(names),
     .item = FL_STRING,
     .flags = FL_LIST_SET,
     .max = 3,
     .check = no_x},
    {.name = "numbers", .type = FL_LIST, AT(numbers), .item = FL_INT, .min = 1},
    {.name = "inners",
     .type = FL_LIST,
     AT(inners),
     .item = FL_OBJECT,
     .rows = inner_rows,
     .size = sizeof(struct inner),
     .flags = FL_LIST_MAP,
     .key = "name"},
    {.name = "labels",
     .type = FL_MAP,
     AT(labels),
     .item = FL_STRING,
     .check = no_x,
     .value_check = no_x,
     .max = 2},
    {.name = "data", .type = FL_MAP, AT(data), .item = FL_BYTES},
    {.name = "any", .type = FL_ANY},
    {.type = FL_END},
};

/* `when` is there twice, so that both kinds of time are checked; encoding wants each member once. */
static const struct fl_field encode_rows[] = {
    {.name = "text", .type = FL_STRING, AT(text)},
    {.name = "flag", .type = FL_BOOL, AT(flag)},
    {.name = "count", .type = FL_INT, AT(count)},
    {.name = "colour", .type = FL_ENUM, AT(colour), .names = colours},
    {.name = "wait", .type = FL_DURATION, AT(wait_ms)},
    {.name = "when", .type = FL_TIME, AT(when)},
    {.name = "bytes", .type = FL_BYTES, AT(bytes)},
    {.name = "inner",
     .type = FL_OBJECT,
     AT(inner),
     .rows = inner_rows,
     .size = sizeof(struct inner)},
    {.name = "names", .type = FL_LIST, AT(names), .item = FL_STRING},
    {.name = "numbers", .type = FL_LIST, AT(numbers), .item = FL_INT},
    {.name = "inners",
     .type = FL_LIST,
     AT(inners),
     .item = FL_OBJECT,
     .rows = inner_rows,
     .size = sizeof(struct inner)},
    {.name = "labels", .type = FL_MAP, AT(labels), .item = FL_STRING},
    {.name = "data", .type = FL_MAP, AT(data), .item = FL_BYTES},
    {.type = FL_END},
};

/* ---- prune ---- */

static void note(void *arg, const char *path)
{
    fl_buf_fmt(arg, "%s\n", path);
}

static void test_prune__removes_and_names_what_no_row_knows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *path;
        const char *in;
        const char *want;
        const char *unknown;
    } rows[] = {
        {"nothing to do", "spec", "{\"text\":\"a\"}", "{\"text\":\"a\"}", ""},
        {"one", "spec", "{\"text\":\"a\",\"bogus\":1}", "{\"text\":\"a\"}", "spec.bogus\n"},
        {"nested", "spec", "{\"inner\":{\"name\":\"a\",\"b\":{}}}", "{\"inner\":{\"name\":\"a\"}}",
         "spec.inner.b\n"},
        {"in a list", "spec", "{\"inners\":[{\"name\":\"a\"},{\"x\":1}]}",
         "{\"inners\":[{\"name\":\"a\"},{}]}", "spec.inners[1].x\n"},
        {"several", "spec", "{\"a\":1,\"text\":\"t\",\"b\":2}", "{\"text\":\"t\"}",
         "spec.a\nspec.b\n"},
        {"any stays", "spec", "{\"any\":{\"a\":[{\"b\":1}]}}", "{\"any\":{\"a\":[{\"b\":1}]}}", ""},
        {"maps stay", "spec", "{\"labels\":{\"a\":\"b\"}}", "{\"labels\":{\"a\":\"b\"}}", ""},
        {"what every object has", "",
         "{\"apiVersion\":\"v1\",\"kind\":\"K\",\"metadata\":{\"x\":1},\"y\":2}",
         "{\"apiVersion\":\"v1\",\"kind\":\"K\",\"metadata\":{\"x\":1}}", "y\n"},
        {"but not below the root", "spec", "{\"metadata\":{}}", "{}", "spec.metadata\n"},
        {"wrong types stay for validation", "spec", "{\"inner\":[{\"x\":1}],\"inners\":{\"x\":1}}",
         "{\"inner\":[{\"x\":1}],\"inners\":{\"x\":1}}", ""},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_json) j = tree(rows[i].in);
        fl_auto_val(fl_buf) seen = FL_BUF_INIT(FL_BUF_ANY);
        fl_codec_prune(rows_of, j, rows[i].path, note, &seen);
        row_tree(rows[i].name, j, rows[i].want);
        if (strcmp(seen.data, rows[i].unknown) != 0) {
            fail_msg("row '%s': reported %s", rows[i].name, seen.data);
        }
        fl_codec_prune(rows_of, j, rows[i].path, NULL, NULL);
        row_tree(rows[i].name, j, rows[i].want);
    }
}

/* ---- default ---- */

static void test_default__fills_where_the_parent_is(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *in;
        const char *want;
    } rows[] = {
        {"empty", "{}", "{\"flag\":true,\"wait\":\"5m\"}"},
        {"set values stay", "{\"flag\":false,\"wait\":\"1s\"}", "{\"flag\":false,\"wait\":\"1s\"}"},
        {"null takes the default", "{\"flag\":null,\"wait\":\"1s\"}",
         "{\"flag\":true,\"wait\":\"1s\"}"},
        {"null without default goes", "{\"flag\":true,\"wait\":\"1s\",\"text\":null}",
         "{\"flag\":true,\"wait\":\"1s\"}"},
        {"nested", "{\"flag\":true,\"wait\":\"1s\",\"inner\":{}}",
         "{\"flag\":true,\"wait\":\"1s\",\"inner\":{\"weight\":7}}"},
        {"in lists", "{\"flag\":true,\"wait\":\"1s\",\"inners\":[{},{\"weight\":1}]}",
         "{\"flag\":true,\"wait\":\"1s\",\"inners\":[{\"weight\":7},{\"weight\":1}]}"},
        {"wrong types stay", "{\"flag\":true,\"wait\":\"1s\",\"inner\":3}",
         "{\"flag\":true,\"wait\":\"1s\",\"inner\":3}"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_json) j = tree(rows[i].in);
        fl_codec_default(rows_of, j);
        row_tree(rows[i].name, j, rows[i].want);
        fl_codec_default(rows_of, j);
        row_tree(rows[i].name, j, rows[i].want);
    }
}

/* ---- validate ---- */

static void validate(const char *name, const char *in, const char *want)
{
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto(fl_json) j = tree(in);
    struct fl_violations vs = {.arena = a};
    fl_codec_validate(rows_of, j, "spec", &vs);
    row_violations(name, &vs, want);
}

static void test_validate__says_what_the_real_server_says(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *in;
        const char *want;
    } rows[] = {
        {"empty", "{}", ""},
        {"nulls are absent", "{\"text\":null,\"inners\":null,\"any\":null}", ""},
        {"not an object", "[]",
         "spec: Invalid value: \"array\": spec in body must be of type object: \"array\"\n"},
        {"string", "{\"text\":\"ab\"}", ""},
        {"string type", "{\"text\":3}",
         "spec.text: Invalid value: \"integer\": spec.text in body must be of type string: "
         "\"integer\"\n"},
        {"string too short", "{\"text\":\"a\"}",
         "spec.text: Invalid value: \"a\": spec.text in body should be at least 2 chars long\n"},
        {"string too long", "{\"text\":\"123456789\"}",
         "spec.text: Too long: may not be more than 8 bytes\n"},
        {"string check", "{\"text\":\"axb\"}",
         "spec.text: Invalid value: \"axb\": must not contain an x\n"},
        {"NUL", "{\"text\":\"a\\u0000b\"}",
         "spec.text: Invalid value: \"a\\u0000b\": must not contain a NUL character\n"},
        {"bool type", "{\"flag\":\"true\"}",
         "spec.flag: Invalid value: \"string\": spec.flag in body must be of type boolean: "
         "\"string\"\n"},
        {"int type", "{\"count\":\"3\"}",
         "spec.count: Invalid value: \"string\": spec.count in body must be of type integer: "
         "\"string\"\n"},
        {"int fraction", "{\"count\":3.5}",
         "spec.count: Invalid value: \"number\": spec.count in body must be of type integer: "
         "\"number\"\n"},
        {"int too small", "{\"count\":-2}",
         "spec.count: Invalid value: -2: spec.count in body should be greater than or equal to "
         "-1\n"},
        {"int too large", "{\"count\":10}",
         "spec.count: Invalid value: 10: spec.count in body should be less than or equal to 9\n"},
        {"int bounds", "{\"count\":-1}", ""},
        {"enum", "{\"colour\":\"green\"}", ""},
        {"enum value", "{\"colour\":\"blue\"}",
         "spec.colour: Unsupported value: \"blue\": supported values: \"red\", \"green\"\n"},
        {"enum case", "{\"colour\":\"Red\"}",
         "spec.colour: Unsupported value: \"Red\": supported values: \"red\", \"green\"\n"},
        {"enum type", "{\"colour\":1}",
         "spec.colour: Invalid value: \"integer\": spec.colour in body must be of type string: "
         "\"integer\"\n"},
        {"duration", "{\"wait\":\"1m30s\"}", ""},
        {"duration garbage", "{\"wait\":\"5 minutes\"}",
         "spec.wait: Invalid value: \"5 minutes\": must be a duration such as 30s, 5m or 1h30m, or "
         "0\n"},
        {"duration without unit", "{\"wait\":\"5\"}",
         "spec.wait: Invalid value: \"5\": must be a duration such as 30s, 5m or 1h30m, or 0\n"},
        {"duration negative", "{\"wait\":\"-5m\"}",
         "spec.wait: Invalid value: \"-5m\": must not be negative\n"},
        {"duration rounded down to nothing", "{\"wait\":\"1us\"}",
         "spec.wait: Invalid value: \"1us\": must be 0 or at least 1ms\n"},
        {"duration too short", "{\"wait\":\"999ms\"}",
         "spec.wait: Invalid value: \"999ms\": must be at least 1s\n"},
        {"duration too long", "{\"wait\":\"2h\"}",
         "spec.wait: Invalid value: \"2h\": must be no more than 1h0m0s\n"},
        {"duration as a number", "{\"wait\":0}",
         "spec.wait: Invalid value: \"integer\": spec.wait in body must be of type string: "
         "\"integer\" (a duration is text: \"5m\", or \"0\" in quotes)\n"},
        {"time", "{\"when\":\"2024-02-29T23:59:59Z\"}", ""},
        {"time of day only", "{\"when\":\"23:59\"}",
         "spec.when: Invalid value: \"23:59\": must be a time of RFC 3339, such as "
         "2006-01-02T15:04:05Z\n"},
        {"micro time", "{\"micro\":\"2024-02-29T23:59:59.123456Z\"}", ""},
        {"micro time without digits", "{\"micro\":\"2024-02-29T23:59:59Z\"}",
         "spec.micro: Invalid value: \"2024-02-29T23:59:59Z\": must be a time with microseconds, "
         "such as 2006-01-02T15:04:05.000000Z\n"},
        {"micro time with three digits", "{\"micro\":\"2024-02-29T23:59:59.123Z\"}",
         "spec.micro: Invalid value: \"2024-02-29T23:59:59.123Z\": must be a time with "
         "microseconds, such as 2006-01-02T15:04:05.000000Z\n"},
        {"bytes", "{\"bytes\":\"aGk=\"}", ""},
        {"bytes are not shown", "{\"bytes\":\"hunter2!\"}",
         "spec.bytes: Invalid value: \"***\": must be base64 (standard alphabet, padded)\n"},
        {"required", "{\"inner\":{}}", "spec.inner.name: Required value\n"},
        {"required but null", "{\"inner\":{\"name\":null}}", "spec.inner.name: Required value\n"},
        {"object type", "{\"inner\":\"a\"}",
         "spec.inner: Invalid value: \"string\": spec.inner in body must be of type object: "
         "\"string\"\n"},
        {"list type", "{\"names\":\"a\"}",
         "spec.names: Invalid value: \"string\": spec.names in body must be of type array: "
         "\"string\"\n"},
        {"list too long", "{\"names\":[\"a\",\"b\",\"c\",\"d\"]}",
         "spec.names: Too many: 4: must have at most 3 items\n"},
        {"list too short", "{\"numbers\":[]}",
         "spec.numbers: Invalid value: 0: spec.numbers in body should have at least 1 items\n"},
        {"list item type", "{\"numbers\":[1,\"2\",null]}",
         "spec.numbers[1]: Invalid value: \"string\": spec.numbers[1] in body must be of type "
         "integer: \"string\"\nspec.numbers[2]: Invalid value: \"null\": spec.numbers[2] in body "
         "must be of type integer: \"null\"\n"},
        {"list item check", "{\"names\":[\"a\",\"x\"]}",
         "spec.names[1]: Invalid value: \"x\": must not contain an x\n"},
        {"set with a duplicate", "{\"names\":[\"a\",\"b\",\"a\"]}",
         "spec.names[2]: Duplicate value: \"a\"\n"},
        {"list-map with a duplicate",
         "{\"inners\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"a\",\"weight\":1}]}",
         "spec.inners[2]: Duplicate value: {\"name\":\"a\"}\n"},
        {"list-map without keys", "{\"inners\":[{},{}]}",
         "spec.inners[0].name: Required value\nspec.inners[1].name: Required value\n"},
        {"list of objects, one none", "{\"inners\":[3]}",
         "spec.inners[0]: Invalid value: \"integer\": spec.inners[0] in body must be of type "
         "object: \"integer\"\n"},
        {"map type", "{\"labels\":[]}",
         "spec.labels: Invalid value: \"array\": spec.labels in body must be of type object: "
         "\"array\"\n"},
        {"map too long", "{\"labels\":{\"a\":\"\",\"b\":\"\",\"c\":\"\"}}",
         "spec.labels: Too many: 3: must have at most 2 entries\n"},
        {"map key", "{\"labels\":{\"x\":\"\"}}",
         "spec.labels[x]: Invalid value: \"x\": must not contain an x\n"},
        {"map value", "{\"labels\":{\"a\":\"x\"}}",
         "spec.labels[a]: Invalid value: \"x\": must not contain an x\n"},
        {"map value type", "{\"labels\":{\"a\":1}}",
         "spec.labels[a]: Invalid value: \"integer\": spec.labels[a] in body must be of type "
         "string: \"integer\"\n"},
        {"map of bytes", "{\"data\":{\"a\":\"aGk=\",\"b\":\"?\"}}",
         "spec.data[b]: Invalid value: \"***\": must be base64 (standard alphabet, padded)\n"},
        {"any", "{\"any\":[1,{\"a\":null}]}", ""},
        {"several", "{\"text\":1,\"flag\":1}",
         "spec.text: Invalid value: \"integer\": spec.text in body must be of type string: "
         "\"integer\"\nspec.flag: Invalid value: \"integer\": spec.flag in body must be of type "
         "boolean: \"integer\"\n"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        validate(rows[i].name, rows[i].in, rows[i].want);
    }
}

static void test_validate__shown_values_are_cut_at_a_character_and_redacted(void **state)
{
    (void)state;
    static const struct fl_field rows[] = {
        {.name = "url", .type = FL_STRING, .check = no_x},
        {.type = FL_END},
    };
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&text, "x");
    for (int i = 0; i < 200; i++) {
        fl_buf_text(&text, "\xc3\xa9"); /* byte 256 is the middle of one */
    }
    fl_auto(fl_json) j = fl_json_object();
    fl_json_set(j, "url", fl_json_str(fl_buf_slice(&text)));
    struct fl_violations vs = {.arena = a};
    fl_codec_validate(rows, j, "spec", &vs);
    assert_int_equal(vs.n, 1);
    assert_true(strlen(vs.v[0].text) < 300);
    assert_true(fl_utf8_valid(fl_str_of(vs.v[0].text)));
    assert_non_null(strstr(vs.v[0].text, "...\""));

    fl_json_set(j, "url", fl_json_text("https://user:hunter2@x.example.com/?token=hunter2"));
    fl_codec_validate(rows, j, "spec", &vs);
    assert_int_equal(vs.n, 2);
    assert_null(strstr(vs.v[1].text, "hunter2"));
    assert_non_null(strstr(vs.v[1].text, "x.example.com"));
}

static void test_validate__caps_hold_where_a_row_gives_none(void **state)
{
    (void)state;
    static const struct fl_field rows[] = {
        {.name = "text", .type = FL_STRING},
        {.name = "list", .type = FL_LIST, .item = FL_INT},
        {.name = "map", .type = FL_MAP, .item = FL_STRING},
        {.type = FL_END},
    };
    fl_auto(fl_arena) a = fl_arena_new();
    fl_auto(fl_json) j = fl_json_object();
    fl_auto_val(fl_buf) text = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_json *list = fl_json_array(), *map = fl_json_object();
    for (int i = 0; i <= FL_CAP_STRING; i++) {
        fl_buf_char(&text, 'a');
    }
    for (int i = 0; i <= FL_CAP_ITEMS; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "%d", i);
        fl_json_push(list, fl_json_int(i));
        fl_json_set(map, key, fl_json_text(""));
    }
    fl_json_set(j, "text", fl_json_str(fl_buf_slice(&text)));
    fl_json_set(j, "list", list);
    fl_json_set(j, "map", map);
    struct fl_violations vs = {.arena = a};
    fl_codec_validate(rows, j, "", &vs);
    row_violations("caps", &vs,
                   "text: Too long: may not be more than 32768 bytes\n"
                   "list: Too many: 10001: must have at most 10000 items\n"
                   "map: Too many: 10001: must have at most 10000 entries\n");
}

static void test_validate_update__immutable_rows_stay(void **state)
{
    (void)state;
#define NO(field) field ": Forbidden: field is immutable: it may not be changed after creation\n"
    static const struct fl_field nested[] = {
        {.name = "inner", .type = FL_OBJECT, .rows = rows_of},
        {.name = "free", .type = FL_INT},
        {.type = FL_END},
    };
    static const struct {
        const char *name;
        const char *old;
        const char *new;
        const char *want;
    } rows[] = {
        {"same", "{\"inner\":{\"colour\":\"red\"}}", "{\"inner\":{\"colour\":\"red\"}}", ""},
        {"changed", "{\"inner\":{\"colour\":\"red\"}}", "{\"inner\":{\"colour\":\"green\"}}",
         NO("spec.inner.colour")},
        {"set later", "{\"inner\":{}}", "{\"inner\":{\"colour\":\"green\"}}",
         NO("spec.inner.colour")},
        {"unset later", "{\"inner\":{\"colour\":\"red\"}}", "{\"inner\":{}}",
         NO("spec.inner.colour")},
        {"unset with its parent", "{\"inner\":{\"colour\":\"red\"}}", "{}",
         NO("spec.inner.colour")},
        {"set with its parent", "{}", "{\"inner\":{\"colour\":\"red\"}}", NO("spec.inner.colour")},
        {"null is absent", "{\"inner\":{\"colour\":null}}", "{\"inner\":{}}", ""},
        {"others change", "{\"inner\":{\"count\":1},\"free\":1}",
         "{\"inner\":{\"count\":2},\"free\":2}", ""},
        {"both absent", "{}", "{}", ""},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        fl_auto(fl_json) old = tree(rows[i].old);
        fl_auto(fl_json) new = tree(rows[i].new);
        struct fl_violations vs = {.arena = a};
        fl_codec_validate_update(nested, new, old, "spec", &vs);
        row_violations(rows[i].name, &vs, rows[i].want);
    }
}

/* ---- decode and encode ---- */

static void test_decode__fills_every_shape(void **state)
{
    (void)state;
    fl_auto(fl_arena) a = fl_arena_new();
    struct outer o = {0};
    {
        fl_auto(fl_json) j = tree(
            "{\"text\":\"t\",\"flag\":true,\"count\":-5,\"colour\":\"green\",\"wait\":\"1m30s\","
            "\"when\":\"2024-02-29T23:59:59Z\",\"bytes\":\"aGk=\",\"inner\":{\"name\":\"n\","
            "\"weight\":2},"
            "\"names\":[\"a\",\"b\"],\"numbers\":[1,2,3],"
            "\"inners\":[{\"name\":\"p\",\"weight\":1},{\"name\":\"q\"}],"
            "\"labels\":{\"k\":\"v\",\"l\":\"\"},\"data\":{\"d\":\"AA==\"}}");
        fl_codec_decode(encode_rows, j, a, &o);
    } /* what was decoded outlives the tree */
    assert_string_equal(o.text, "t");
    assert_true(o.flag);
    assert_int_equal(o.count, -5);
    assert_int_equal(o.colour, 1);
    assert_int_equal(o.wait_ms, 90000);
    assert_string_equal(o.when, "2024-02-29T23:59:59Z");
    assert_string_equal(o.bytes, "aGk=");
    assert_string_equal(o.inner->name, "n");
    assert_int_equal(o.inner->weight, 2);
    assert_int_equal(o.names.n, 2);
    assert_string_equal(((const char *const *)o.names.v)[1], "b");
    assert_int_equal(o.numbers.n, 3);
    assert_int_equal(((const int64_t *)o.numbers.v)[2], 3);
    assert_int_equal(o.inners.n, 2);
    assert_string_equal(((const struct inner *)o.inners.v)[1].name, "q");
    assert_int_equal(((const struct inner *)o.inners.v)[0].weight, 1);
    assert_int_equal(o.labels.n, 2);
    assert_string_equal(o.labels.v[0].key, "k");
    assert_string_equal(o.labels.v[1].value, "");
    assert_string_equal(o.data.v[0].value, "AA==");
}

static void assert_absent(const struct outer *o)
{
    assert_null(o->text);
    assert_false(o->flag);
    assert_int_equal(o->count, 0);
    assert_int_equal(o->colour, -1);
    assert_int_equal(o->wait_ms, -1);
    assert_null(o->when);
    assert_null(o->inner);
    assert_int_equal(o->names.n, 0);
    assert_int_equal(o->inners.n, 0);
    assert_int_equal(o->labels.n, 0);
}

static void test_decode__absent_and_wrong_read_as_absent(void **state)
{
    (void)state;
    static const char *const in[] = {
        NULL,
        "{}",
        "null",
        "[]",
        "{\"text\":null,\"flag\":null,\"count\":null,\"colour\":null,\"wait\":null,\"inner\":null,"
        "\"names\":null,\"labels\":null}",
        "{\"text\":1,\"flag\":\"true\",\"count\":\"1\",\"colour\":\"blue\",\"wait\":\"soon\","
        "\"when\":{},\"inner\":[],"
        "\"names\":{},\"inners\":\"x\",\"labels\":[]}",
    };
    for (size_t i = 0; i < FL_LEN(in); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        fl_auto(fl_json) j = in[i] ? tree(in[i]) : NULL;
        struct outer o = {0};
        fl_codec_decode(encode_rows, j, a, &o);
        assert_absent(&o);
    }
}

static void test_encode__is_the_inverse_of_decode(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *in;
        const char *want;
    } rows[] = {
        {"nothing", "{}", "{\"flag\":false,\"count\":0}"},
        {"scalars",
         "{\"text\":\"t\",\"flag\":true,\"count\":-1,\"colour\":\"red\",\"wait\":\"90s\",\"when\":"
         "\"2024-02-29T23:59:59Z\",\"bytes\":\"aGk=\"}",
         "{\"text\":\"t\",\"flag\":true,\"count\":-1,\"colour\":\"red\",\"wait\":\"1m30s\","
         "\"when\":\"2024-02-29T23:59:59Z\",\"bytes\":\"aGk=\"}"},
        {"zero duration", "{\"wait\":\"0\"}", "{\"flag\":false,\"count\":0,\"wait\":\"0s\"}"},
        {"empty text is a text", "{\"text\":\"\"}", "{\"text\":\"\",\"flag\":false,\"count\":0}"},
        {"empty lists and maps are left out", "{\"names\":[],\"labels\":{},\"inners\":[]}",
         "{\"flag\":false,\"count\":0}"},
        {"empty object is an object", "{\"inner\":{}}",
         "{\"flag\":false,\"count\":0,\"inner\":{\"weight\":0}}"},
        {"lists and maps",
         "{\"names\":[\"a\"],\"numbers\":[0,1],\"inners\":[{\"name\":\"p\"}],\"labels\":{\"k\":"
         "\"v\"},\"data\":{\"d\":\"\"}}",
         "{\"flag\":false,\"count\":0,\"names\":[\"a\"],\"numbers\":[0,1],\"inners\":[{\"name\":"
         "\"p\",\"weight\":0}],\"labels\":{\"k\":\"v\"},\"data\":{\"d\":\"\"}}"},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        fl_auto(fl_arena) a = fl_arena_new();
        fl_auto(fl_json) j = tree(rows[i].in);
        struct outer o = {0};
        fl_codec_decode(encode_rows, j, a, &o);
        fl_auto(fl_json) got = fl_codec_encode(encode_rows, &o);
        row_tree(rows[i].name, got, rows[i].want);
    }
}

static void test_encode__index_outside_the_names_is_left_out(void **state)
{
    (void)state;
    struct outer o = {.colour = 2, .wait_ms = -1};
    fl_auto(fl_json) got = fl_codec_encode(encode_rows, &o);
    row_tree("out of range", got, "{\"flag\":false,\"count\":0}");
}

/* Every document is equal to itself alone. */
static void test_equal__is_so_for_what_encodes_alike(void **state)
{
    (void)state;
    static const char *const docs[] = {
        "{}",
        "{\"text\":\"\"}",
        "{\"text\":\"t\"}",
        "{\"flag\":true}",
        "{\"count\":1}",
        "{\"colour\":\"red\"}",
        "{\"colour\":\"green\"}",
        "{\"wait\":\"0\"}",
        "{\"wait\":\"1s\"}",
        "{\"when\":\"2024-02-29T23:59:59Z\"}",
        "{\"bytes\":\"aGk=\"}",
        "{\"inner\":{}}",
        "{\"inner\":{\"name\":\"p\"}}",
        "{\"inner\":{\"weight\":1}}",
        "{\"names\":[\"a\"]}",
        "{\"names\":[\"b\"]}",
        "{\"names\":[\"a\",\"b\"]}",
        "{\"numbers\":[0]}",
        "{\"numbers\":[1]}",
        "{\"inners\":[{\"name\":\"p\"}]}",
        "{\"inners\":[{\"name\":\"q\"}]}",
        "{\"labels\":{\"k\":\"v\"}}",
        "{\"labels\":{\"k\":\"w\"}}",
        "{\"labels\":{\"l\":\"v\"}}",
        "{\"data\":{\"k\":\"v\"}}",
    };
    fl_auto(fl_arena) a = fl_arena_new();
    for (size_t i = 0; i < FL_LEN(docs); i++) {
        for (size_t k = 0; k < FL_LEN(docs); k++) {
            fl_auto(fl_json) x = tree(docs[i]);
            fl_auto(fl_json) y = tree(docs[k]);
            struct outer o = {0};
            struct outer p = {0};
            fl_codec_decode(encode_rows, x, a, &o);
            fl_codec_decode(encode_rows, y, a, &p);
            if (fl_codec_equal(encode_rows, &o, &p) != (i == k)) {
                fail_msg("%s and %s", docs[i], docs[k]);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prune__removes_and_names_what_no_row_knows),
        cmocka_unit_test(test_default__fills_where_the_parent_is),
        cmocka_unit_test(test_validate__says_what_the_real_server_says),
        cmocka_unit_test(test_validate__shown_values_are_cut_at_a_character_and_redacted),
        cmocka_unit_test(test_validate__caps_hold_where_a_row_gives_none),
        cmocka_unit_test(test_validate_update__immutable_rows_stay),
        cmocka_unit_test(test_decode__fills_every_shape),
        cmocka_unit_test(test_decode__absent_and_wrong_read_as_absent),
        cmocka_unit_test(test_encode__is_the_inverse_of_decode),
        cmocka_unit_test(test_encode__index_outside_the_names_is_left_out),
        cmocka_unit_test(test_equal__is_so_for_what_encodes_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
