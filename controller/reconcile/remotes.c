/* SPDX-License-Identifier: Apache-2.0 */
#include "reconcile/remotes.h"

#include "api/scheme.h"
#include "base/map.h"
#include "base/mem.h"

struct fl_remotes {
    const struct fl_adapter *const *adapters;
    struct fl_clock *clock;
    struct fl_lock lock;  /* guards links and their map; never held over a call that blocks */
    struct fl_map *links; /* "ns/name" -> one reference */
};

static void remotes_drop_link(void *l)
{
    fl_registry_link_free(l);
}

struct fl_remotes *fl_remotes_new(const struct fl_adapter *const *adapters, struct fl_clock *clock)
{
    struct fl_remotes *rs = FL_NEW(struct fl_remotes);
    rs->adapters = adapters;
    rs->clock = clock;
    fl_lock_init(&rs->lock, "remotes", FL_RANK_REMOTE);
    rs->links = fl_map_new(remotes_drop_link);
    return rs;
}

void fl_remotes_free(struct fl_remotes *rs)
{
    if (!rs) {
        return;
    }
    fl_map_free(rs->links);
    fl_lock_destroy(&rs->lock);
    fl_free(rs);
}

void fl_registry_link_free(struct fl_registry_link *l)
{
    if (!l || atomic_fetch_sub(&l->refs, 1) != 1) {
        return;
    }
    l->adapter->close(l->remote);
    fl_free(l->url);
    fl_free(l->version);
    fl_free(l);
}

static struct fl_registry_link *remotes_find(struct fl_remotes *rs, struct fl_str key,
                                             const char *version)
{
    fl_lock_scope(&rs->lock);
    struct fl_registry_link *l = fl_map_get(rs->links, key);
    if (!l || strcmp(l->version, version) != 0) {
        return NULL;
    }
    atomic_fetch_add(&l->refs, 1);
    return l;
}

static void remotes_keep(struct fl_remotes *rs, struct fl_str key, struct fl_registry_link *l)
{
    atomic_fetch_add(&l->refs, 1);
    struct fl_registry_link *old;
    {
        fl_lock_scope(&rs->lock);
        old = fl_map_take(rs->links, key);
        fl_map_set(rs->links, key, l);
    }
    fl_registry_link_free(old); /* closing may take the lock of a lower floor: not under ours */
}

void fl_remotes_forget(struct fl_remotes *rs, struct fl_str ns, struct fl_str name)
{
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&key, "%.*s/%.*s", FL_STR_ARG(ns), FL_STR_ARG(name));
    struct fl_registry_link *old;
    {
        fl_lock_scope(&rs->lock);
        old = fl_map_take(rs->links, fl_buf_slice(&key));
    }
    fl_registry_link_free(old);
}

static const struct fl_adapter *remotes_adapter(const struct fl_remotes *rs, int type)
{
    for (const struct fl_adapter *const *a = rs->adapters; *a; a++) {
        if (fl_text_eq((*a)->name, fl_registry_type_names[type])) {
            return *a;
        }
    }
    return NULL;
}

static const struct fl_secret *remotes_entry(const struct fl_secret_data *d, const char *key)
{
    for (size_t i = 0; i < d->n; i++) {
        if (strcmp(d->v[i].key, key) == 0) {
            return &d->v[i].value;
        }
    }
    return NULL;
}

static int remotes_read_ca(struct fl_pass *p, const char *name, struct fl_secret_data **ret,
                           const char **ret_pem, struct fl_err *err)
{
    fl_auto(fl_secret_data) ca = NULL;
    int r = fl_pass_secret(p, name, &ca, err);
    if (r < 0) {
        return fl_wrap(err, "spec.caRef");
    }
    const struct fl_secret *pem = remotes_entry(ca, "ca.crt");
    if (!pem || pem->n == 0) {
        return fl_fail(
            err, FL_E_INVALID, "CAInvalid",
            "Secret '%s' (spec.caRef) has no key ca.crt: put the CA certificate there, in PEM",
            name);
    }
    *ret_pem = pem->p;
    *ret = fl_take(ca);
    return 0;
}

/* What a link depends on, as one text. */
static char *remotes_version(const struct fl_obj *o, const char *secret, const char *ca)
{
    return fl_asprintf("%.*s/%lld %s %s", FL_STR_ARG(o->uid), (long long)o->generation, secret, ca);
}

static int remotes_open(struct fl_remotes *rs, struct fl_pass *p, const struct fl_obj *o,
                        const struct fl_registry_spec *spec, struct fl_registry_link **ret,
                        struct fl_err *err)
{
    const struct fl_adapter *adapter = remotes_adapter(rs, spec->type);
    if (!adapter || !adapter->registry) {
        return fl_fail(err, FL_E_UNSUPPORTED, "UnsupportedType",
                       "no adapter offers registries of type '%s'",
                       fl_registry_type_names[spec->type]);
    }
    fl_auto(fl_secret_data) secret = NULL;
    fl_auto(fl_secret_data) ca = NULL;
    struct fl_remote_conf conf = {
        .url = spec->url,
        .insecure = spec->insecure,
        .timeout_ms = spec->common.timeout_ms,
        .max_concurrent = (int)spec->max_concurrent,
        .clock = rs->clock,
    };
    int r;
    if (spec->secret_ref) {
        r = fl_pass_secret(p, spec->secret_ref->name, &secret, err);
        if (r < 0) {
            return fl_wrap(err, "spec.secretRef");
        }
        struct fl_remote_key *keys =
            fl_arena_array(p->arena, secret->n ? secret->n : 1, sizeof(*keys));
        for (size_t i = 0; i < secret->n; i++) {
            keys[i].key = secret->v[i].key;
            keys[i].value = (struct fl_str){secret->v[i].value.p, secret->v[i].value.n};
        }
        conf.secret = keys;
        conf.n_secret = secret->n;
    }
    if (spec->ca_ref) {
        r = remotes_read_ca(p, spec->ca_ref->name, &ca, &conf.ca_pem, err);
        if (r < 0) {
            return r;
        }
    }
    struct fl_remote *remote = NULL;
    r = adapter->open(&conf, &remote, err);
    if (r < 0) {
        return spec->secret_ref && fl_text_eq(err->reason, "SecretInvalid")
                   ? fl_wrap(err, "Secret '%s' (spec.secretRef)", spec->secret_ref->name)
                   : r;
    }
    struct fl_registry_link *l = FL_NEW(struct fl_registry_link);
    atomic_init(&l->refs, 1);
    l->remote = remote;
    l->ops = adapter->registry;
    l->adapter = adapter;
    l->timeout_ms = spec->common.timeout_ms;
    l->max_concurrent = (int)spec->max_concurrent;
    l->url = fl_strdup(spec->url);
    l->version = remotes_version(o, secret ? secret->version : "", ca ? ca->version : "");
    *ret = l;
    return 0;
}

int fl_remotes_get(struct fl_remotes *rs, struct fl_pass *p, const char *registry,
                   struct fl_registry_link **ret, struct fl_err *err)
{
    const void *spec_any = NULL;
    struct fl_obj *o = NULL;
    int r = fl_pass_get(p, &fl_kind_registry, registry, &spec_any, NULL, &o, err);
    if (r < 0) {
        return r;
    }
    const struct fl_registry_spec *spec = spec_any;
    /* A cluster may hold what is not valid, as Ready as it was before. */
    if (!spec->url || spec->type < 0) {
        return fl_fail(err, FL_E_INVALID, "InvalidSpec",
                       "Registry '%s': its spec is not valid; its own condition says why",
                       registry);
    }
    char secret[96] = "";
    char ca[96] = "";
    if (spec->secret_ref) {
        fl_pass_secret_version(p, spec->secret_ref->name, secret);
    }
    if (spec->ca_ref) {
        fl_pass_secret_version(p, spec->ca_ref->name, ca);
    }
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&key, "%.*s/%s", FL_STR_ARG(o->ns), registry);
    fl_auto_text version = remotes_version(o, secret, ca);
    struct fl_registry_link *l = remotes_find(rs, fl_buf_slice(&key), version);
    if (l) {
        *ret = l;
        return 0;
    }
    r = remotes_open(rs, p, o, spec, &l, err);
    if (r < 0) {
        return fl_wrap(err, "Registry '%s'", registry);
    }
    remotes_keep(rs, fl_buf_slice(&key), l);
    *ret = l;
    return 0;
}
