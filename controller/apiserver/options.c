/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/options.h"

#include "apiserver/status.h"
#include "base/num.h"
#include "base/text.h"

#define META_GROUP "meta.k8s.io"
#define FIELD_MANAGER_MAX 128
#define WATCH_MIN_S 1800 /* without timeoutSeconds: random, up to twice this */

static bool refuse(struct fl_call *c, const char *options, struct fl_violations *vs)
{
    if (vs->n == 0) {
        return true;
    }
    fl_status_invalid_as(c->res, META_GROUP, options, FL_STR(""), vs);
    return false;
}

static const char *quoted(struct fl_call *c, const char *text)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_json_str(&b, fl_str_of(text));
    return fl_arena_str(c->arena, fl_buf_slice(&b));
}

static bool printable(const char *s)
{
    return fl_str_printable(fl_str_of(s)) && fl_utf8_valid(fl_str_of(s));
}

bool fl_options_write(struct fl_call *c, const char *options)
{
    struct fl_violations vs = fl_call_violations(c);
    const char *dry_run = fl_call_query(c, "dryRun");
    const char *validation = fl_call_query(c, "fieldValidation");
    const char *manager = fl_call_query(c, "fieldManager");
    if (dry_run && dry_run[0]) {
        c->dry_run = strcmp(dry_run, "All") == 0;
        if (!c->dry_run) {
            fl_violate(&vs, FL_CAUSE_NOT_SUPPORTED, "dryRun", quoted(c, dry_run), "%s", "\"All\"");
        }
    }
    if (!validation || !validation[0] || strcmp(validation, "Warn") == 0) {
        c->validation = FL_VALIDATE_WARN;
    } else if (strcmp(validation, "Ignore") == 0) {
        c->validation = FL_VALIDATE_IGNORE;
    } else if (strcmp(validation, "Strict") == 0) {
        c->validation = FL_VALIDATE_STRICT;
    } else {
        fl_violate(&vs, FL_CAUSE_NOT_SUPPORTED, "fieldValidation", quoted(c, validation), "%s",
                   "\"\", \"Ignore\", \"Strict\", \"Warn\"");
    }
    if (manager && strlen(manager) > FIELD_MANAGER_MAX) {
        fl_violate(&vs, FL_CAUSE_TOO_LONG, "fieldManager", NULL, "may not be more than %d bytes",
                   FIELD_MANAGER_MAX);
    } else if (manager && !printable(manager)) {
        fl_violate(&vs, FL_CAUSE_INVALID, "fieldManager", quoted(c, manager), "%s",
                   "should only contain printable characters");
    }
    return refuse(c, options, &vs);
}

bool fl_options_timeout(struct fl_call *c)
{
    const char *timeout = fl_call_query(c, "timeout");
    int64_t ms;
    if (!timeout || !timeout[0] || fl_duration_parse(fl_str_of(timeout), &ms)) {
        return true;
    }
    fl_status_bad_request(c->res, "invalid timeout specified in the request URL - \"%s\"", timeout);
    return false;
}

/* Lists. */

void fl_list_options_release(struct fl_list_options *o)
{
    fl_selector_free(o->labels);
    fl_selector_free(o->fields);
    o->labels = NULL;
    o->fields = NULL;
}

/* As the real server reads booleans: anything but 0 and false is true. -1: absent. */
static int boolean(struct fl_call *c, const char *name)
{
    const char *v = fl_call_query(c, name);
    if (!v) {
        return -1;
    }
    return v[0] && strcmp(v, "0") != 0 && !fl_str_case_is(fl_str_of(v), "false");
}

static bool number(struct fl_call *c, const char *name, int64_t *ret)
{
    const char *v = fl_call_query(c, name);
    if (!v || !v[0] || fl_num_i64(fl_str_of(v), ret)) {
        return true;
    }
    fl_status_bad_request(c->res, "strconv.ParseInt: parsing %s: invalid syntax", quoted(c, v));
    return false;
}

static bool read_rv(struct fl_call *c, struct fl_list_options *o)
{
    const char *rv = fl_call_query(c, "resourceVersion");
    if (!rv || !rv[0]) {
        return true;
    }
    uint64_t v;
    if (!fl_num_u64(fl_str_of(rv), &v) || v > INT64_MAX) {
        fl_status_bad_request(c->res,
                              "invalid resource version: resourceVersion: Invalid value: %s: "
                              "invalid syntax",
                              quoted(c, rv));
        return false;
    }
    o->rv = (int64_t)v;
    o->rv_given = true;
    return true;
}

static bool read_selectors(struct fl_call *c, struct fl_list_options *o)
{
    const char *labels = fl_call_query(c, "labelSelector");
    const char *fields = fl_call_query(c, "fieldSelector");
    struct fl_err err = FL_ERR_INIT;
    if (labels && fl_selector_labels(fl_str_of(labels), &o->labels, &err) < 0) {
        fl_status_bad_request(c->res, "%s", err.msg);
        return false;
    }
    if (fields && fl_selector_fields(fl_str_of(fields), c->kind, &o->fields, &err) < 0) {
        fl_status_bad_request(c->res, "%s", err.msg);
        return false;
    }
    return true;
}

static void forbid(struct fl_violations *vs, const char *field, const char *why)
{
    fl_violate(vs, FL_CAUSE_FORBIDDEN, field, NULL, "%s", why);
}

static void check_list_match(struct fl_call *c, const struct fl_list_options *o, const char *match,
                             struct fl_violations *vs)
{
    static const char field[] = "resourceVersionMatch";
    if (o->send_initial >= 0) {
        forbid(vs, "sendInitialEvents", "sendInitialEvents is forbidden for list");
    }
    if (!match[0]) {
        return;
    }
    bool exact = strcmp(match, "Exact") == 0;
    if (!o->rv_given) {
        forbid(vs, field, "resourceVersionMatch is forbidden unless resourceVersion is provided");
    }
    if (o->cont) {
        forbid(vs, field, "resourceVersionMatch is forbidden when continue is provided");
    }
    if (!exact && strcmp(match, "NotOlderThan") != 0) {
        fl_violate(vs, FL_CAUSE_NOT_SUPPORTED, field, quoted(c, match), "%s",
                   "\"Exact\", \"NotOlderThan\", \"\"");
    }
    if (exact && o->rv_given && o->rv == 0) {
        forbid(vs, field, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
    }
}

static void check_watch_match(struct fl_call *c, const struct fl_list_options *o, const char *match,
                              struct fl_violations *vs)
{
    static const char field[] = "resourceVersionMatch";
    bool not_older = strcmp(match, "NotOlderThan") == 0;
    if (o->send_initial >= 0 && !not_older) {
        forbid(vs, field,
               "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    }
    if (!match[0]) {
        return;
    }
    if (o->send_initial < 0) {
        forbid(vs, field,
               "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
    }
    if (!not_older) {
        fl_violate(vs, FL_CAUSE_NOT_SUPPORTED, field, quoted(c, match), "%s", "\"NotOlderThan\"");
    }
    if (o->cont) {
        forbid(vs, field, "resourceVersionMatch is forbidden when continue is provided");
    }
}

static bool check_match(struct fl_call *c, struct fl_list_options *o)
{
    const char *match = fl_call_query(c, "resourceVersionMatch");
    struct fl_violations vs = fl_call_violations(c);
    match = match ? match : "";
    if (o->watch) {
        check_watch_match(c, o, match, &vs);
    } else {
        check_list_match(c, o, match, &vs);
    }
    o->exact = strcmp(match, "Exact") == 0;
    return refuse(c, "ListOptions", &vs);
}

bool fl_options_list(struct fl_call *c, struct fl_list_options *ret)
{
    struct fl_list_options *o = ret;
    int64_t seconds = 0;
    *o = (struct fl_list_options){.send_initial = -1};
    o->watch = boolean(c, "watch") == 1 || c->route.watch;
    o->bookmarks = boolean(c, "allowWatchBookmarks") == 1;
    o->send_initial = boolean(c, "sendInitialEvents");
    const char *cont = fl_call_query(c, "continue");
    o->cont = cont && cont[0] ? cont : NULL;
    if (!number(c, "limit", &o->limit) || !number(c, "timeoutSeconds", &seconds) ||
        !read_rv(c, o) || !read_selectors(c, o) || !check_match(c, o)) {
        return false;
    }
    if (!o->watch && o->cont && o->rv_given && o->rv != 0) {
        fl_status_bad_request(c->res, "%s",
                              "specifying resource version is not allowed when using continue");
        return false;
    }
    o->limit = o->limit > 0 ? o->limit : 0;
    if (seconds <= 0) {
        seconds = WATCH_MIN_S + (int64_t)(fl_random_u64() % WATCH_MIN_S);
    }
    o->timeout_ms = seconds < 86400 ? seconds * 1000 : 86400000;
    return true;
}

void fl_answer_too_large(struct fl_call *c, int64_t rv, int64_t current)
{
    const char *why = fl_arena_fmt(c->arena, "Too large resource version: %lld, current: %lld",
                                   (long long)rv, (long long)current);
    struct fl_status s = {
        .code = 504,
        .reason = "Timeout",
        .message = fl_arena_fmt(c->arena, "Timeout: %s", why),
        .cause_reason = "ResourceVersionTooLarge",
        .cause_message = "Too large resource version",
        .retry_after_s = 1,
    };
    fl_status_answer(&s, c->res);
}

bool fl_options_get(struct fl_call *c)
{
    struct fl_list_options o = {.rv = 0};
    if (!read_rv(c, &o)) {
        return false;
    }
    int64_t current = o.rv > 0 ? fl_store_rv(c->s->store) : 0;
    if (o.rv > current) {
        fl_answer_too_large(c, o.rv, current);
        return false;
    }
    return true;
}
