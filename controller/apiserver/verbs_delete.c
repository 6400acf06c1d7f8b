/* SPDX-License-Identifier: Apache-2.0
 * delete, deletecollection. There is no garbage collector yet: dependents stay, which is what Orphan asks for and what
 * Background does not promise at once; Foreground promises an order, and is refused. */
#include "api/scheme.h"
#include "apiserver/body.h"
#include "apiserver/commit.h"
#include "apiserver/list.h"
#include "apiserver/object.h"
#include "apiserver/options.h"
#include "apiserver/status.h"
#include "wire/scan.h"

static bool known_policy(const char *policy)
{
    return strcmp(policy, "Background") == 0 || strcmp(policy, "Orphan") == 0;
}

static void check_policy(struct fl_call *c, const char *policy, struct fl_violations *vs)
{
    if (!policy || !policy[0] || known_policy(policy)) {
        return;
    }
    if (strcmp(policy, "Foreground") == 0) {
        fl_violate(vs, FL_CAUSE_FORBIDDEN, "propagationPolicy", NULL, "%s",
                   "this server does not delete dependents: Foreground cannot be kept; use "
                   "Background or Orphan, which leave them");
        return;
    }
    fl_auto_val(fl_buf) shown = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_json_str(&shown, fl_str_of(policy));
    fl_violate(vs, FL_CAUSE_NOT_SUPPORTED, "propagationPolicy", shown.data, "%s",
               "\"Foreground\", \"Background\", \"Orphan\", \"nil\"");
    (void)c;
}

static void check_dry_run(struct fl_call *c, const struct fl_json *list, struct fl_violations *vs)
{
    for (size_t i = 0; i < fl_json_len(list); i++) {
        const char *value = fl_json_as_text(fl_json_at(list, i));
        if (value && strcmp(value, "All") == 0) {
            c->dry_run = true;
            continue;
        }
        fl_auto_val(fl_buf) shown = FL_BUF_INIT(FL_BUF_ANY);
        fl_json_write(list, &shown);
        fl_violate(vs, FL_CAUSE_NOT_SUPPORTED, "dryRun", shown.data, "%s", "\"All\"");
        return;
    }
}

/* Options from the body, or else from the query. Texts live in the arena. */
static bool delete_options(struct fl_call *c, struct fl_delete_options *ret)
{
    fl_auto(fl_json) body = NULL;
    struct fl_violations vs = fl_call_violations(c);
    if (!fl_options_write(c, "DeleteOptions") || !fl_body_delete_options(c, &body)) {
        return false;
    }
    const struct fl_json *pre = fl_object_get(body, "preconditions");
    const char *policy = fl_json_get_text(body, "propagationPolicy");
    policy = policy ? policy : fl_call_query(c, "propagationPolicy");
    if (policy && policy[0] && fl_object_get(body, "orphanDependents")) {
        fl_violate(&vs, FL_CAUSE_INVALID, "propagationPolicy",
                   fl_arena_fmt(c->arena, "\"%s\"", policy), "%s",
                   "orphanDependents and deletionPropagation cannot be both set");
    }
    check_policy(c, policy, &vs);
    check_dry_run(c, fl_object_get(body, "dryRun"), &vs);
    if (vs.n > 0) {
        fl_status_invalid_as(c->res, "meta.k8s.io", "DeleteOptions", FL_STR(""), &vs);
        return false;
    }
    *ret = (struct fl_delete_options){
        .uid = fl_arena_text(c->arena, fl_json_get_text(pre, "uid")),
        .rv = fl_arena_text(c->arena, fl_json_get_text(pre, "resourceVersion")),
        .dry_run = c->dry_run,
    };
    return true;
}

static void answer_gone(struct fl_call *c, struct fl_str text)
{
    struct fl_str uid = FL_STR("");
    (void)fl_scan_plain(fl_scan_path(text, "metadata.uid"), &uid);
    struct fl_status s = {
        .code = 200,
        .success = true,
        .name = fl_arena_str(c->arena, c->route.name),
        .group = c->kind->group,
        .kind = c->kind->plural,
        .uid = fl_arena_str(c->arena, uid),
    };
    fl_status_answer(&s, c->res);
}

void fl_verb_delete(struct fl_call *c)
{
    struct fl_delete_options o;
    if (!delete_options(c, &o)) {
        return;
    }
    if (c->kind == &fl_kind_namespace && fl_namespace_protected(c->route.name)) {
        fl_status_forbidden(c->res, c->kind, c->route.name, NULL,
                            "this namespace may not be deleted");
        return;
    }
    fl_auto(fl_shared) text = NULL;
    struct fl_err err = FL_ERR_INIT;
    struct fl_store_key key = fl_call_key(c, c->route.name);
    bool gone = false;
    int rc = fl_delete_object(c->s, &key, &o, &text, &gone, &err);
    if (rc == FL_E_NOT_FOUND) {
        fl_status_not_found(c->res, c->kind, c->route.name);
    } else if (rc == FL_E_CONFLICT) {
        fl_status_conflict(c->res, c->kind, c->route.name, err.msg);
    } else if (rc < 0) {
        fl_status_from_err(c->res, &err);
    } else if (gone) {
        answer_gone(c, fl_shared_str(text));
    } else {
        fl_call_answer(c, 200, text);
    }
    if (rc == 0 && c->kind == &fl_kind_namespace) {
        fl_apiserver_kick(c->s);
    }
}

/* deletecollection */

struct collection {
    struct fl_call *c;
    const struct fl_list_options *o;
    struct fl_store_key *keys;
    size_t n;
};

static bool collection_match(void *arg, struct fl_str text)
{
    const struct collection *d = arg;
    return fl_selector_match(d->o->labels, text) && fl_selector_match(d->o->fields, text);
}

static struct fl_str text_at(struct fl_arena *a, struct fl_str text, const char *path)
{
    struct fl_str plain;
    return fl_scan_plain(fl_scan_path(text, path), &plain)
               ? (struct fl_str){fl_arena_str(a, plain), plain.n}
               : FL_STR("");
}

static void collection_emit(void *arg, struct fl_str text)
{
    struct collection *d = arg;
    struct fl_arena *a = d->c->arena;
    d->keys = fl_arena_grow(a, d->keys, d->n, sizeof(*d->keys));
    d->keys[d->n++] = (struct fl_store_key){
        .kind = d->c->kind,
        .ns = text_at(a, text, "metadata.namespace"),
        .name = text_at(a, text, "metadata.name"),
    };
}

/* Deletes the objects found; what went meanwhile is left out. */
static bool delete_each(struct collection *d, const struct fl_delete_options *o)
{
    struct fl_form_list list;
    struct fl_call *c = d->c;
    fl_form_list_begin(&list, &c->form, c->kind, &c->res->body);
    for (size_t i = 0; i < d->n; i++) {
        fl_auto(fl_shared) text = NULL;
        struct fl_err err = FL_ERR_INIT;
        bool gone = false;
        int rc = fl_delete_object(c->s, &d->keys[i], o, &text, &gone, &err);
        if (rc == 0) {
            fl_form_list_item(&list, fl_shared_str(text));
        } else if (rc == FL_E_CONFLICT) {
            fl_status_conflict(c->res, c->kind, d->keys[i].name, err.msg);
            return false;
        } else if (rc != FL_E_NOT_FOUND) {
            fl_status_from_err(c->res, &err);
            return false;
        }
    }
    fl_form_list_end(&list, fl_store_rv(c->s->store), FL_STR(""), -1);
    return true;
}

void fl_verb_delete_collection(struct fl_call *c)
{
    struct fl_delete_options o;
    fl_auto_val(fl_list_options) l = {.send_initial = -1};
    struct fl_err err = FL_ERR_INIT;
    if (!delete_options(c, &o) || !fl_options_list(c, &l)) {
        return;
    }
    struct collection d = {.c = c, .o = &l};
    struct fl_page page = {
        .store = c->s->store,
        .arena = c->arena,
        .kind = c->kind,
        .ns = c->route.ns,
        .name = fl_selector_name(l.fields),
        .limit = l.limit,
        .match = collection_match,
        .emit = collection_emit,
        .arg = &d,
    };
    if (fl_page_read(&page, &err) < 0) {
        fl_status_from_err(c->res, &err);
    } else if (delete_each(&d, &o)) {
        c->res->status = 200;
        c->res->content_type = fl_form_content_type(&c->form);
    }
}
