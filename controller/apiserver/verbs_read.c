/* SPDX-License-Identifier: Apache-2.0
 * get, list, watch. kubernetes.md 1.1. */
#include "apiserver/list.h"
#include "apiserver/options.h"
#include "apiserver/status.h"

/* Objects of other kinds may be in the answer of one path only by mistake: the store's key decides. */

void fl_verb_get(struct fl_call *c)
{
    fl_auto(fl_shared) text = NULL;
    struct fl_err err = FL_ERR_INIT;
    struct fl_store_key key = fl_call_key(c, c->route.name);
    if (!fl_options_get(c)) {
        return;
    }
    int rc = fl_store_get(c->s->store, &key, &text, NULL, &err);
    if (rc == FL_E_NOT_FOUND) {
        fl_status_not_found(c->res, c->kind, c->route.name);
    } else if (rc < 0) {
        fl_status_from_err(c->res, &err);
    } else {
        fl_call_answer(c, 200, text);
    }
}

/* list */

struct listing {
    struct fl_form_list form;
    const struct fl_list_options *o;
};

static bool list_match(void *arg, struct fl_str text)
{
    const struct listing *l = arg;
    return fl_selector_match(l->o->labels, text) && fl_selector_match(l->o->fields, text);
}

static void list_emit(void *arg, struct fl_str text)
{
    struct listing *l = arg;
    fl_form_list_item(&l->form, text);
}

/* Where the page begins and which state it shows. */
static bool list_place(struct fl_call *c, const struct fl_list_options *o, struct fl_page *p)
{
    int64_t current = fl_store_rv(c->s->store);
    if (o->cont) {
        struct fl_token t;
        if (!fl_token_read(c->arena, o->cont, &t) || t.rv > current) {
            fl_status_bad_request(c->res, "invalid continue token: continue key is not valid: %s",
                                  "it is not one that this server made");
            return false;
        }
        p->after_ns = t.ns;
        p->after_name = t.name;
        p->rv = t.rv;
        return true;
    }
    if (o->rv > current) {
        fl_answer_too_large(c, o->rv, current);
        return false;
    }
    /* From the cache, says resourceVersion=0, and caches do not page. */
    p->limit = o->rv_given && o->rv == 0 ? 0 : o->limit;
    p->rv = o->exact ? o->rv : 0;
    return true;
}

static void list_expired(struct fl_call *c, const struct fl_list_options *o)
{
    fl_status_simple(c->res, 410, "Expired", "%s",
                     o->cont ? "The provided continue parameter is too old to display a consistent "
                               "list result. You must start a new list without the continue "
                               "parameter."
                             : "The resourceVersion for the provided list is too old.");
}

static void list(struct fl_call *c, const struct fl_list_options *o)
{
    struct listing l = {.o = o};
    struct fl_err err = FL_ERR_INIT;
    struct fl_page p = {
        .store = c->s->store,
        .arena = c->arena,
        .kind = c->kind,
        .ns = c->route.ns,
        .name = fl_selector_name(o->fields),
        .limit = o->limit,
        .match = list_match,
        .emit = list_emit,
        .arg = &l,
    };
    if (!list_place(c, o, &p)) {
        return;
    }
    fl_form_list_begin(&l.form, &c->form, c->kind, &c->res->body);
    int rc = fl_page_read(&p, &err);
    if (rc == FL_E_NOT_FOUND) {
        list_expired(c, o);
        return;
    }
    if (rc < 0) {
        fl_status_from_err(c->res, &err);
        return;
    }
    bool selects = !fl_selector_empty(o->labels) || !fl_selector_empty(o->fields);
    bool more = p.next.name.n > 0;
    const char *token = more ? fl_token_make(c->arena, &p.next) : "";
    fl_form_list_end(&l.form, p.shown_rv, fl_str_of(token), more && !selects ? p.remaining : -1);
    if (fl_buf_finish(&c->res->body, "the list", &err) < 0) {
        fl_status_simple(c->res, 413, "RequestEntityTooLarge", "%s: ask for it in pages (limit)",
                         err.msg);
        return;
    }
    c->res->status = 200;
    c->res->content_type = fl_form_content_type(&c->form);
}

void fl_verb_list(struct fl_call *c)
{
    fl_auto_val(fl_list_options) o = {.send_initial = -1};
    if (fl_options_list(c, &o)) {
        list(c, &o);
    }
}

/* watch */

static void watch_refused(struct fl_call *c, const struct fl_err *err)
{
    c->res->content_type = "application/json";
    if (err->code == FL_E_NOT_FOUND) {
        c->res->status = 200;
        fl_status_watch_error(&c->res->body, 410, "Expired", err->msg);
    } else {
        fl_status_from_err(c->res, err);
    }
}

void fl_verb_watch(struct fl_call *c)
{
    fl_auto_val(fl_list_options) o = {.send_initial = -1};
    struct fl_err err = FL_ERR_INIT;
    if (!fl_options_list(c, &o)) {
        return;
    }
    struct fl_watch_opts w = {
        .kind = c->kind,
        .ns = c->route.ns,
        .labels = o.labels,
        .fields = o.fields,
        .rv = o.rv,
        .send_initial = o.send_initial == 1,
        .bookmarks = o.bookmarks,
        .timeout_ms = o.timeout_ms,
        .form = c->form,
    };
    if (o.send_initial == 0 && o.rv == 0) {
        w.rv = fl_store_rv(c->s->store); /* from now on, without what is */
    }
    if (fl_hub_watch(c->s->hub, &w, &c->res->feed, &err) < 0) {
        watch_refused(c, &err);
        return;
    }
    c->res->status = 200;
    c->res->content_type = "application/json";
}
