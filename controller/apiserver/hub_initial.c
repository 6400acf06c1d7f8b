/* SPDX-License-Identifier: Apache-2.0
 * What a watcher gets before it is live: the state of one moment, page by page, or what the log holds after an RV.
 *
 * Pages are read as the reader asks for them, so the state moves on between two pages. Each still shows the moment of the
 * first: an object that was changed since is left out of the page as it is now, and comes as its first later event says
 * it was before. No object is missing, none comes twice, and what happened since follows live. */
#include "apiserver/hub_priv.h"
#include "apiserver/store_priv.h"
#include "base/map.h"
#include "base/mem.h"
#include "wire/scan.h"

struct page {
    struct hub_feed *f;
    size_t bytes;
    bool full;
    struct fl_buf last_ns, last_name; /* where it ends */
    struct fl_map *seen;              /* "ns\nname" of those that changed since */
    bool whole;                       /* to the end of the list */
};

static bool page_item(void *arg, const struct fl_store_key *key, int64_t rv, struct fl_str text)
{
    struct page *p = arg;
    struct hub_feed *f = p->f;

    if (p->full) {
        return true;
    }
    fl_buf_clear(&p->last_ns);
    fl_buf_str(&p->last_ns, key->ns);
    fl_buf_clear(&p->last_name);
    fl_buf_str(&p->last_name, key->name);
    /* The first page is the moment itself: nothing in it is newer. */
    if ((!f->started || rv <= f->from_rv) && fl_hub_selects(f, text)) {
        fl_hub_queue(f, fl_hub_line_object(f, "ADDED", text));
        p->bytes += text.n;
        p->full = p->bytes >= HUB_PAGE_BYTES;
    }
    return true;
}

static int key_cmp(struct fl_str a_ns, struct fl_str a_name, struct fl_str b_ns,
                   struct fl_str b_name)
{
    int c = fl_str_cmp(a_ns, b_ns);

    return c ? c : fl_str_cmp(a_name, b_name);
}

static bool page_covers(const struct page *p, struct fl_str ns, struct fl_str name)
{
    const struct hub_feed *f = p->f;
    struct fl_str want = fl_selector_name(f->fields);

    if ((*f->ns && !fl_str_is(ns, f->ns)) || (want.n > 0 && !fl_str_eq(want, name))) {
        return false;
    }
    if (f->after_name && key_cmp(ns, name, fl_str_of(f->after_ns), fl_str_of(f->after_name)) <= 0) {
        return false;
    }
    return p->whole ||
           key_cmp(ns, name, fl_buf_slice(&p->last_ns), fl_buf_slice(&p->last_name)) <= 0;
}

static void page_changed(void *arg, const struct fl_event *ev)
{
    struct page *p = arg;
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_str text = fl_shared_str(ev->old ? ev->old : ev->text);
    struct fl_str ns = {NULL, 0};
    struct fl_str name = {NULL, 0};

    (void)fl_scan_plain(fl_scan_path(text, "metadata.namespace"), &ns);
    (void)fl_scan_plain(fl_scan_path(text, "metadata.name"), &name);
    if (!page_covers(p, ns, name)) {
        return;
    }
    fl_buf_str(&key, ns);
    fl_buf_char(&key, '\n');
    fl_buf_str(&key, name);
    if (!p->seen) {
        p->seen = fl_map_new(NULL);
    }
    if (fl_map_get(p->seen, fl_buf_slice(&key))) {
        return;
    }
    fl_map_set(p->seen, fl_buf_slice(&key), p);
    if (ev->old && fl_hub_selects(p->f, text)) {
        fl_hub_queue(p->f, fl_hub_line_object(p->f, "ADDED", text));
    }
}

static void page_next(struct page *p)
{
    struct hub_feed *f = p->f;

    if (!p->whole) {
        fl_free(f->after_ns);
        fl_free(f->after_name);
        f->after_ns = fl_buf_take(&p->last_ns);
        f->after_name = fl_buf_take(&p->last_name);
        return;
    }
    if (f->end_mark) {
        fl_hub_queue(f, fl_hub_line_bookmark(f, f->from_rv, true));
    }
    f->after_rv = f->from_rv;
    f->phase = HUB_LIVE;
}

int fl_hub_initial_page(struct hub_feed *f, struct fl_err *err)
{
    struct page p = {
        .f = f, .last_ns = FL_BUF_INIT(FL_BUF_ANY), .last_name = FL_BUF_INIT(FL_BUF_ANY)};
    struct fl_store_list l = {
        .kind = f->kind,
        .ns = fl_str_of(f->ns),
        .name = fl_selector_name(f->fields),
        .after_ns = fl_str_of(f->after_ns),
        .after_name = fl_str_of(f->after_name),
        .limit = HUB_PAGE_OBJECTS,
        .item = page_item,
        .arg = &p,
    };
    int64_t rv = 0;
    bool more = false;
    int rc = fl_store_list(f->h->store, &l, &rv, &more, NULL, err);

    if (rc == 0) {
        p.whole = !more && !p.full;
        if (!f->started) {
            f->started = true;
            f->from_rv = rv;
        }
        if (rv > f->from_rv) {
            rc = fl_store_replay(f->h->store, f->from_rv, rv, f->kind, page_changed, &p, err);
        }
    }
    if (rc == 0) {
        page_next(&p);
    }
    fl_map_free(p.seen);
    fl_buf_release(&p.last_ns);
    fl_buf_release(&p.last_name);
    return rc;
}

/* ---- the log ---- */

static void replay_event(void *arg, const struct fl_event *ev)
{
    struct hub_feed *f = arg;
    struct fl_str ns = {NULL, 0};

    if (*f->ns) {
        (void)fl_scan_plain(fl_scan_path(fl_shared_str(ev->text), "metadata.namespace"), &ns);
        if (!fl_str_is(ns, f->ns)) {
            return;
        }
    }
    fl_hub_queue(f, fl_hub_line_event(f, ev));
}

int fl_hub_replay_page(struct hub_feed *f, struct fl_err *err)
{
    int64_t upto =
        f->after_rv - f->from_rv > HUB_REPLAY_RVS ? f->from_rv + HUB_REPLAY_RVS : f->after_rv;
    int rc = fl_store_replay(f->h->store, f->from_rv, upto, f->kind, replay_event, f, err);

    if (rc == 0) {
        f->from_rv = upto;
        if (upto >= f->after_rv) {
            f->phase = HUB_LIVE;
        }
    }
    return rc;
}
