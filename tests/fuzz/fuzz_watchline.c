/* SPDX-License-Identifier: Apache-2.0
 * A watch stream as it comes from outside: cut into pieces (of the size that the first byte says), put together to lines,
 * checked, read as events, kept as objects. Pieces must not matter, and slices must not point outside. */
#include "api/scheme.h"
#include "engine/cache.h"
#include "kube/watchline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    struct fl_buf lines;
};

static void inside(struct fl_str part, struct fl_str whole)
{
    fl_assert(part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n));
}

static void keep(struct fl_str object, bool metadata_only)
{
    fl_auto(fl_obj) o = NULL;
    struct fl_err err = FL_ERR_INIT;
    if (fl_obj_new(&fl_kind_registry, object, metadata_only, &o, &err) < 0) {
        fl_assert(err.code == FL_E_BAD_DATA);
        return;
    }
    inside(o->name, o->text);
    inside(o->ns, o->text);
    inside(o->uid, o->text);
    inside(o->rv, o->text);
    fl_auto(fl_arena) a = fl_arena_new();
    (void)fl_obj_annotation(o, "fairlead.dev/requested-at", a);
    struct fl_str kind = {0};
    struct fl_str name = {0};
    inside(fl_obj_owner_uid(o, &kind, &name), o->text);
    /* What was cut out leaves an object that reads the same. */
    fl_auto(fl_obj) again = NULL;
    fl_assert(fl_obj_new(&fl_kind_registry, o->text, metadata_only, &again, NULL) == 0);
    fl_assert(again->trigger == o->trigger && again->ready == o->ready);
}

static int on_line(void *arg, struct fl_str line, struct fl_err *err)
{
    struct seen *s = arg;
    (void)err;
    fl_assert(memchr(line.p, '\n', line.n) == NULL);
    fl_buf_str(&s->lines, line);
    fl_buf_char(&s->lines, '\n');
    return 0;
}

static int on_event(void *arg, struct fl_str line, struct fl_err *err)
{
    struct fl_watch_event ev = {0};
    (void)arg;
    int r = fl_watch_event_parse(line, true, &ev, err);
    if (r == 0) {
        inside(ev.object, line);
        inside(ev.rv, line);
        keep(ev.object, false);
        keep(ev.object, true);
    }
    return r;
}

static void feed(struct seen *s, const uint8_t *data, size_t size, size_t piece)
{
    fl_auto_val(fl_watch_lines) w;
    fl_watch_lines_init(&w, FL_WATCH_LINE_MAX);
    for (size_t at = 0; at < size; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        fl_assert(fl_watch_lines_feed(&w, (struct fl_str){(const char *)data + at, n}, on_line, s,
                                      NULL) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct seen one = {.lines = FL_BUF_INIT(FL_BUF_ANY)};
    struct seen many = {.lines = FL_BUF_INIT(FL_BUF_ANY)};
    feed(&one, data + 1, size - 1, size);
    feed(&many, data + 1, size - 1, (size_t)data[0] + 1);
    fl_assert(one.lines.len == many.lines.len &&
              memcmp(one.lines.data, many.lines.data, one.lines.len) == 0);
    fl_buf_release(&one.lines);
    fl_buf_release(&many.lines);
    fl_auto_val(fl_watch_lines) w;
    fl_watch_lines_init(&w, 64 << 10);
    struct fl_err err = FL_ERR_INIT;
    (void)!fl_watch_lines_feed(&w, (struct fl_str){(const char *)data + 1, size - 1}, on_event,
                               NULL, &err);
    return 0;
}
