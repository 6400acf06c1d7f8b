/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/watchline.h"

#include "wire/scan.h"

#define KEEP_MAX ((size_t)64 << 10)

void fl_watch_lines_init(struct fl_watch_lines *w, size_t line_max)
{
    fl_buf_init(&w->pending, line_max);
}

void fl_watch_lines_release(struct fl_watch_lines *w)
{
    fl_buf_release(&w->pending);
}

/* Memory of one large line is not kept for the small ones after it. */
void fl_watch_lines_clear(struct fl_watch_lines *w)
{
    if (w->pending.len > KEEP_MAX || w->pending.cap_max < KEEP_MAX) {
        fl_buf_release(&w->pending);
    }
    fl_buf_clear(&w->pending);
}

static int lines_give(struct fl_str line,
                      int (*each)(void *arg, struct fl_str line, struct fl_err *err), void *arg,
                      struct fl_err *err)
{
    if (line.n > 0 && line.p[line.n - 1] == '\r') {
        line.n--;
    }
    return line.n > 0 ? each(arg, line, err) : 0;
}

int fl_watch_lines_feed(struct fl_watch_lines *w, struct fl_str piece,
                        int (*line)(void *arg, struct fl_str line, struct fl_err *err), void *arg,
                        struct fl_err *err)
{
    while (piece.n > 0) {
        const char *end = memchr(piece.p, '\n', piece.n);
        struct fl_str part = {piece.p, end ? (size_t)(end - piece.p) : piece.n};
        size_t used = part.n + (end ? 1 : 0);
        piece.p += used;
        piece.n -= used;
        /* A whole line in one piece is not copied. */
        if (end && w->pending.len == 0 && part.n <= w->pending.cap_max) {
            int r = lines_give(part, line, arg, err);
            if (r < 0) {
                return r;
            }
            continue;
        }
        fl_buf_str(&w->pending, part);
        int r = fl_buf_finish(&w->pending, "watch line", err);
        if (r == 0 && end) {
            r = lines_give(fl_buf_slice(&w->pending), line, arg, err);
        }
        if (r < 0 || end) {
            fl_watch_lines_clear(w);
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static bool event_type(struct fl_str name, enum fl_watch_type *ret)
{
    static const struct {
        const char *name;
        enum fl_watch_type type;
    } types[] = {
        {"ADDED", FL_WATCH_SET},         {"MODIFIED", FL_WATCH_SET}, {"DELETED", FL_WATCH_DELETED},
        {"BOOKMARK", FL_WATCH_BOOKMARK}, {"ERROR", FL_WATCH_ERROR},
    };
    for (size_t i = 0; i < FL_LEN(types); i++) {
        if (fl_str_is(name, types[i].name)) {
            *ret = types[i].type;
            return true;
        }
    }
    return false;
}

static bool event_is_initial_end(struct fl_str object)
{
    struct fl_str v = {0};
    struct fl_str all = fl_scan_path(object, "metadata.annotations");
    return fl_scan_kind(all) == FL_SCAN_OBJECT &&
           fl_scan_plain(fl_scan_get(all, FL_STR("k8s.io/initial-events-end")), &v) &&
           fl_str_is(v, "true");
}

int fl_watch_event_parse(struct fl_str line, bool check, struct fl_watch_event *ret,
                         struct fl_err *err)
{
    if (check) {
        int r = fl_json_check(line, err);
        if (r < 0) {
            return err ? fl_wrap(err, "watch line") : r;
        }
    }
    struct fl_watch_event ev = {0};
    struct fl_str name = {0};
    ev.object = fl_scan_get(line, FL_STR("object"));
    if (!fl_scan_plain(fl_scan_get(line, FL_STR("type")), &name) || !event_type(name, &ev.type) ||
        fl_scan_kind(ev.object) != FL_SCAN_OBJECT) {
        return fl_fail(err, FL_E_BAD_DATA, "BadWatchEvent", "a line of the watch is no event");
    }
    if (ev.type != FL_WATCH_ERROR &&
        (!fl_scan_plain(fl_scan_path(ev.object, "metadata.resourceVersion"), &ev.rv) ||
         ev.rv.n == 0)) {
        return fl_fail(err, FL_E_BAD_DATA, "BadWatchEvent",
                       "an event of the watch has no resourceVersion");
    }
    ev.initial_end = ev.type == FL_WATCH_BOOKMARK && event_is_initial_end(ev.object);
    *ret = ev;
    return 0;
}
