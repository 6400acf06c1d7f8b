/* SPDX-License-Identifier: Apache-2.0
 * Registry: probed on its interval; the status says reachable and authenticated, or why not. */
#include "api/scheme.h"
#include "base/url.h"
#include "reconcile/controllers.h"

#define REGISTRY_SUCCEEDED "Succeeded"

static const char *const registry_auth_names[] = {"Anonymous", "Basic", "Bearer"};

static void registry_capability(struct fl_pass *p, struct fl_list *l, bool has, const char *word)
{
    if (!has) {
        return;
    }
    const char **v = fl_arena_array(p->arena, l->n + 1, sizeof(*v));
    if (l->n) {
        memcpy(v, l->v, l->n * sizeof(*v));
    }
    v[l->n] = word;
    l->v = v;
    l->n++;
}

/* The time stands for the outcome, so that a probe that finds the same again writes nothing. */
static void registry_outcome(struct fl_pass *p, bool reachable, bool authenticated,
                             const char *reason)
{
    struct fl_registry_status *st = p->status;
    const struct fl_condition *was = fl_pass_find_condition(p, "Ready");
    if (!st->last_probe_time || st->reachable != reachable || st->authenticated != authenticated ||
        p->changed || !was || !fl_text_eq(was->reason, reason)) {
        st->last_probe_time = fl_pass_now(p);
    }
    st->reachable = reachable;
    st->authenticated = authenticated;
}

static struct fl_result registry_failed(struct fl_pass *p, bool reachable, const struct fl_err *err)
{
    if (err->code != FL_E_CANCELED) {
        registry_outcome(p, reachable, false,
                         err->reason[0] ? err->reason : fl_code_name(err->code));
    }
    return fl_failed(err);
}

static struct fl_result registry_probed(struct fl_pass *p, const struct fl_registry_link *l,
                                        const struct fl_registry_probe *probe)
{
    const struct fl_registry_spec *spec = p->spec;
    struct fl_registry_status *st = p->status;
    registry_outcome(p, true, spec->secret_ref != NULL && probe->auth != FL_AUTH_ANONYMOUS,
                     REGISTRY_SUCCEEDED);
    st->auth = registry_auth_names[probe->auth];
    st->capabilities = (struct fl_list){0};
    registry_capability(p, &st->capabilities, probe->catalog, "Catalog");
    registry_capability(p, &st->capabilities, probe->listing_digests, "ListingDigests");
    registry_capability(p, &st->capabilities, probe->referrers, "Referrers");
    if (spec->secret_ref && probe->auth == FL_AUTH_ANONYMOUS) {
        fl_pass_ready(
            p, REGISTRY_SUCCEEDED,
            "%s is reachable; it asks for no credentials, so those of Secret '%s' are not used",
            l->url, spec->secret_ref->name);
    } else if (st->authenticated) {
        fl_pass_ready(p, REGISTRY_SUCCEEDED,
                      "%s is reachable and takes the credentials of Secret '%s'", l->url,
                      spec->secret_ref->name);
    } else {
        fl_pass_ready(p, REGISTRY_SUCCEEDED, "%s is reachable without credentials", l->url);
    }
    return fl_done();
}

static struct fl_result registry_reconcile(void *self, struct fl_pass *p)
{
    const struct fl_registry_spec *spec = p->spec;
    struct fl_registry_status *st = p->status;
    struct fl_err err = FL_ERR_INIT;
    struct fl_url url;
    if (fl_url_parse(fl_str_of(spec->url), &url, &err) == 0) {
        fl_auto_val(fl_buf) origin = FL_BUF_INIT(FL_BUF_ANY);
        fl_url_origin(&origin, &url); /* as image references write it: without the default port */
        st->host = fl_arena_text(p->arena, origin.data + url.scheme.n + strlen("://"));
    }
    fl_auto(fl_registry_link) link = NULL;
    if (fl_remotes_get(self, p, fl_arena_str(p->arena, p->obj->name), &link, &err) < 0) {
        /* Trying again does not make a Secret: its arrival wakes the Registry. Who only refers to the Registry is not woken by
         * the Secret, and has the code as it is. */
        if (err.code == FL_E_NOT_FOUND && fl_text_eq(err.reason, "SecretNotFound")) {
            err.code = FL_E_INVALID;
        }
        return registry_failed(p, false, &err);
    }
    struct fl_ctx ctx = fl_ctx_timeout(&p->ctx, spec->common.timeout_ms);
    struct fl_registry_probe probe = {0};
    if (link->ops->probe(link->remote, &ctx, &probe, &err) < 0) {
        return registry_failed(p, err.http_status != 0, &err);
    }
    return registry_probed(p, link, &probe);
}

static void registry_refs(const void *any, void (*add)(void *arg, struct fl_ref r), void *arg)
{
    const struct fl_registry_spec *spec = any;
    if (spec->secret_ref) {
        add(arg, (struct fl_ref){&fl_kind_secret, fl_str_of(spec->secret_ref->name)});
    }
    if (spec->ca_ref) {
        add(arg, (struct fl_ref){&fl_kind_secret, fl_str_of(spec->ca_ref->name)});
    }
}

static void registry_forget(void *self, struct fl_str ns, struct fl_str name, struct fl_str uid)
{
    (void)uid;
    fl_remotes_forget(self, ns, name);
}

struct fl_controller fl_registry_controller(struct fl_remotes *rs)
{
    return (struct fl_controller){
        .name = "registry",
        .kind = &fl_kind_registry,
        .workers = 4,
        .self = rs,
        .common = true,
        .reconcile = registry_reconcile,
        .refs = registry_refs,
        .forget = registry_forget,
    };
}
