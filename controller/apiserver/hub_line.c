/* SPDX-License-Identifier: Apache-2.0
 * What one watcher sees of an object or an event, as a line. Kinds that share storage (Event in its two groups) get the
 * stored text under the kind that was asked for: form.c shows it in that form. */
#include "apiserver/hub_priv.h"
#include "apiserver/store_priv.h"
#include "base/mem.h"

static const char *const line_types[] = {
    [FL_EVENT_ADDED] = "ADDED", [FL_EVENT_MODIFIED] = "MODIFIED", [FL_EVENT_DELETED] = "DELETED"};

void fl_hub_queue(struct hub_feed *f, struct fl_shared *line)
{
    if (!line) {
        return;
    }
    if (f->q_len == f->q_cap) {
        f->q_cap = f->q_cap ? 2 * f->q_cap : 32;
        f->queue = fl_reallocarray(f->queue, f->q_cap, sizeof(struct fl_shared *));
    }
    f->queue[f->q_len++] = line;
}

bool fl_hub_selects(const struct hub_feed *f, struct fl_str text)
{
    return fl_selector_match(f->fields, text) && fl_selector_match(f->labels, text);
}

static struct fl_shared *line_finish(struct fl_buf *b)
{
    if (b->len == 0 || b->data[b->len - 1] != '\n') {
        fl_buf_char(b, '\n');
    }
    return fl_shared_new(fl_buf_slice(b));
}

struct fl_shared *fl_hub_line_object(struct hub_feed *f, const char *type, struct fl_str text)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_form form = f->form;

    form.now_ms = fl_clock_wall_ms(f->h->clock);
    fl_form_event(&form, f->kind, type, text, !f->columns_sent, &b);
    f->columns_sent = true;
    return line_finish(&b);
}

struct fl_shared *fl_hub_line_bookmark(struct hub_feed *f, int64_t rv, bool initial_end)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);

    fl_form_bookmark(&f->form, f->kind, rv, initial_end, &b);
    return line_finish(&b);
}

/* Which of the texts it sees, as what: an object that begins to match arrives, one that ceases to match goes
 * (kubernetes.md 1.1). */
static bool line_view(const struct hub_feed *f, const struct fl_event *ev, enum fl_event_type *type)
{
    bool is;
    bool was;

    *type = ev->type;
    if (fl_selector_empty(f->labels) && fl_selector_empty(f->fields)) {
        return true;
    }
    is = ev->type != FL_EVENT_DELETED && fl_hub_selects(f, fl_shared_str(ev->text));
    was = ev->old && fl_hub_selects(f, fl_shared_str(ev->old));
    if (is) {
        *type = was ? FL_EVENT_MODIFIED : FL_EVENT_ADDED;
    } else {
        *type = FL_EVENT_DELETED;
    }
    return is || was;
}

static struct fl_shared *line_make(struct hub_feed *f, const struct fl_event *ev,
                                   enum fl_event_type type)
{
    fl_auto_val(fl_buf) last = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_str before;
    struct fl_str after;

    if (type != FL_EVENT_DELETED || ev->type == FL_EVENT_DELETED) {
        return fl_hub_line_object(f, line_types[type], fl_shared_str(ev->text));
    }
    /* It matches no longer: its last state that did, with the RV of the change. */
    fl_store_text_cut(fl_shared_str(ev->old), &before, &after);
    fl_buf_str(&last, before);
    if (after.n > 0) {
        fl_buf_i64(&last, ev->rv);
        fl_buf_str(&last, after);
    }
    return fl_hub_line_object(f, line_types[type], fl_buf_slice(&last));
}

struct fl_shared *fl_hub_line_event(struct hub_feed *f, const struct fl_event *ev)
{
    enum fl_event_type type;

    return line_view(f, ev, &type) ? line_make(f, ev, type) : NULL;
}

static struct fl_shared *line_find(const struct hub_feed *f, const struct hub_event *e,
                                   enum fl_event_type type)
{
    for (const struct hub_line *l = e->lines; l; l = l->next) {
        if (l->type == type && l->kind == f->kind && fl_form_same(&l->form, &f->form)) {
            return fl_shared_ref(l->line);
        }
    }
    return NULL;
}

static void line_keep(struct hub_feed *f, struct hub_event *e, enum fl_event_type type,
                      struct fl_shared *line)
{
    struct hub_line *l = FL_NEW(struct hub_line);

    l->form = f->form;
    l->kind = f->kind;
    l->type = type;
    l->line = fl_shared_ref(line);
    l->next = e->lines;
    e->lines = l;
    e->bytes += sizeof(*l) + line->n;
    f->h->bytes += sizeof(*l) + line->n;
}

struct fl_shared *fl_hub_line_shared(struct hub_feed *f, struct hub_event *e)
{
    struct fl_hub *h = f->h;
    struct fl_shared *line;
    struct fl_shared *first;
    enum fl_event_type type;

    if (!line_view(f, &e->ev, &type)) {
        return NULL;
    }
    if (!fl_form_same(&f->form, &f->form)) {
        return line_make(f, &e->ev, type);
    }
    fl_lock_take(&h->lock);
    line = line_find(f, e, type);
    fl_lock_drop(&h->lock);
    if (line) {
        return line;
    }
    line = line_make(f, &e->ev, type);
    fl_lock_take(&h->lock);
    first = line_find(f, e, type);
    if (!first && e->kept) {
        line_keep(f, e, type, line);
    }
    fl_lock_drop(&h->lock);
    if (first) {
        fl_shared_free(line);
        return first;
    }
    return line;
}
