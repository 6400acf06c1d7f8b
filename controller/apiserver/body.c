/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/body.h"

#include "api/scheme.h"
#include "apiserver/status.h"
#include "base/map.h"
#include "wire/httphead.h"
#include "wire/protobuf.h"
#include "wire/scan.h"
#include "wire/yaml.h"

#define PROTOBUF "application/vnd.kubernetes.protobuf"

enum body_type { BODY_JSON, BODY_YAML, BODY_PROTOBUF, BODY_OTHER };

static enum body_type body_type(const struct fl_call *c)
{
    struct fl_str type = fl_media_type(fl_str_of(fl_request_header(c->req, "Content-Type")));
    if (type.n == 0 || fl_str_case_is(type, "application/json")) {
        return BODY_JSON;
    }
    if (fl_str_case_is(type, "application/yaml")) {
        return BODY_YAML;
    }
    return fl_str_case_is(type, PROTOBUF) ? BODY_PROTOBUF : BODY_OTHER;
}

void fl_body_refuse(struct fl_call *c, const char *types)
{
    fl_status_simple(c->res, 415, "UnsupportedMediaType",
                     "the body of the request was in an unknown format - accepted media types "
                     "include: %s",
                     types);
}

/* JSON. Duplicates are rare: the text is looked at for them only after the strict parser refused it. */

struct dedupe {
    struct fl_arena *arena;
    struct fl_buf *out;
};

static void dedupe_value(struct dedupe *d, struct fl_str value, int depth);

/* The place of the last member of each name, by its decoded text. */
static struct fl_map *last_places(struct fl_arena *a, struct fl_str object)
{
    struct fl_map *last = fl_map_new(NULL);
    struct fl_str key, value;
    size_t at = 0;
    for (size_t i = 0; fl_scan_next(object, &at, &key, &value); i++) {
        fl_auto_val(fl_buf) name = FL_BUF_INIT(FL_BUF_ANY);
        size_t *place = FL_ARENA_NEW(a, size_t);
        *place = i;
        (void)fl_scan_text((struct fl_str){key.p - 1, key.n + 2}, &name);
        fl_map_set(last, fl_buf_slice(&name), place);
    }
    return last;
}

/* NOLINTNEXTLINE(misc-no-recursion): the text was checked, its depth is capped */
static void dedupe_object(struct dedupe *d, struct fl_str object, int depth)
{
    fl_auto(fl_map) last = last_places(d->arena, object);
    struct fl_str key, value;
    size_t at = 0;
    bool first = true;
    fl_buf_char(d->out, '{');
    for (size_t i = 0; fl_scan_next(object, &at, &key, &value); i++) {
        fl_auto_val(fl_buf) name = FL_BUF_INIT(FL_BUF_ANY);
        struct fl_str quoted = {key.p - 1, key.n + 2};
        (void)fl_scan_text(quoted, &name);
        const size_t *place = fl_map_get(last, fl_buf_slice(&name));
        if (!place || *place != i) {
            continue;
        }
        fl_buf_text(d->out, first ? "" : ",");
        first = false;
        fl_buf_str(d->out, quoted);
        fl_buf_char(d->out, ':');
        dedupe_value(d, value, depth + 1);
    }
    fl_buf_char(d->out, '}');
}

/* NOLINTNEXTLINE(misc-no-recursion): the text was checked, its depth is capped */
static void dedupe_array(struct dedupe *d, struct fl_str array, int depth)
{
    struct fl_str key, value;
    size_t at = 0;
    fl_buf_char(d->out, '[');
    for (size_t i = 0; fl_scan_next(array, &at, &key, &value); i++) {
        fl_buf_text(d->out, i == 0 ? "" : ",");
        dedupe_value(d, value, depth + 1);
    }
    fl_buf_char(d->out, ']');
}

/* NOLINTNEXTLINE(misc-no-recursion): the text was checked, its depth is capped */
static void dedupe_value(struct dedupe *d, struct fl_str value, int depth)
{
    enum fl_scan_kind kind = fl_scan_kind(value);
    fl_assert(depth <= FL_JSON_DEPTH_MAX + 1);
    if (kind == FL_SCAN_OBJECT) {
        dedupe_object(d, value, depth);
    } else if (kind == FL_SCAN_ARRAY) {
        dedupe_array(d, value, depth);
    } else {
        fl_buf_str(d->out, value);
    }
}

static void note_duplicate(void *arg, struct fl_str path)
{
    fl_call_problem(arg, "duplicate field \"%.*s\"", FL_STR_ARG(path));
}

static int parse_json(struct fl_call *c, struct fl_str text, struct fl_json **ret,
                      struct fl_err *err)
{
    int rc = fl_json_parse(text, FL_BODY_MAX, ret, err);
    if (rc != FL_E_BAD_DATA) {
        return rc;
    }
    size_t before = c->n_problems;
    rc = fl_json_check_dup(text, note_duplicate, c, err);
    if (rc < 0) {
        return rc;
    }
    fl_assert(c->n_problems > before);
    fl_auto_val(fl_buf) once = FL_BUF_INIT(FL_BUF_ANY);
    dedupe_value(&(struct dedupe){c->arena, &once}, text, 0);
    return fl_json_parse(fl_buf_slice(&once), FL_BODY_MAX, ret, err);
}

/* Protobuf. */

static bool parse_protobuf(struct fl_call *c, const struct fl_field *rows, struct fl_json **ret)
{
    struct fl_str version, kind, raw;
    struct fl_err err = FL_ERR_INIT;
    if (fl_protobuf_envelope(c->req->body, &version, &kind, &raw, &err) < 0 ||
        fl_protobuf_decode(raw, rows, ret, &err) < 0) {
        fl_status_bad_request(c->res, "couldn't decode the body: %s", err.msg);
        return false;
    }
    if (version.n > 0) {
        fl_json_set(*ret, "apiVersion", fl_json_str(version));
    }
    if (kind.n > 0) {
        fl_json_set(*ret, "kind", fl_json_str(kind));
    }
    return true;
}

static bool parse_failed(struct fl_call *c, const struct fl_err *err, const char *what)
{
    if (err->code == FL_E_TOO_BIG) {
        fl_status_from_err(c->res, err);
    } else {
        fl_status_bad_request(c->res, "%s: %s", what, err->msg);
    }
    return false;
}

static bool parse_text(struct fl_call *c, enum body_type type, const char *what,
                       struct fl_json **ret)
{
    struct fl_err err = FL_ERR_INIT;
    int rc = type == BODY_YAML ? fl_yaml_parse(c->req->body, FL_BODY_MAX, "body", ret, &err)
                               : parse_json(c, c->req->body, ret, &err);
    return rc == 0 || parse_failed(c, &err, what);
}

bool fl_body_object(struct fl_call *c, struct fl_json **ret)
{
    enum body_type type = body_type(c);
    bool custom = (c->kind->flags & FL_KIND_CUSTOM) != 0;
    if (type == BODY_OTHER || (type == BODY_PROTOBUF && custom)) {
        fl_body_refuse(c, custom ? "application/json, application/yaml"
                                 : "application/json, application/yaml, " PROTOBUF);
        return false;
    }
    if (type == BODY_PROTOBUF) {
        return parse_protobuf(c, c->kind->rows, ret);
    }
    const char *what =
        fl_arena_fmt(c->arena,
                     "the object provided is unrecognized (must be of type %s): couldn't get "
                     "version/kind; parse error",
                     c->kind->kind);
    return parse_text(c, type, what, ret);
}

bool fl_body_delete_options(struct fl_call *c, struct fl_json **ret)
{
    enum body_type type = body_type(c);
    if (fl_str_trim(c->req->body).n == 0) {
        return true;
    }
    if (type == BODY_OTHER) {
        fl_body_refuse(c, "application/json, application/yaml, " PROTOBUF);
        return false;
    }
    if (type == BODY_PROTOBUF) {
        return parse_protobuf(c, fl_delete_options_rows, ret);
    }
    return parse_text(c, type, "couldn't decode DeleteOptions", ret);
}

bool fl_body_patch(struct fl_call *c, struct fl_json **ret)
{
    return parse_text(c, BODY_JSON, "error decoding patch", ret);
}
