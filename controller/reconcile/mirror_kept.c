/* SPDX-License-Identifier: Apache-2.0
 * What is kept of a mirror between its passes: opened remotes, and what was found the last time. */
#include "api/scheme.h"
#include "base/mem.h"
#include "reconcile/mirror_priv.h"

#define CALLS_AT_ONCE 4

/* ---- making ---- */

static void link_clear(const struct fl_adapter *adapter, struct mirror_link *l)
{
    if (l->remote) {
        adapter->close(l->remote);
    }
    fl_free(l->name);
    fl_free(l->version);
    fl_free(l->rejected);
}

static void memo_free(struct fl_mirrors *ms, struct mirror_memo *m)
{
    if (!m) {
        return;
    }
    for (size_t i = 0; i < m->n_links; i++) {
        link_clear(ms->adapter, &m->links[i]);
    }
    fl_free(m->links);
    fl_free(m->uid);
    fl_free(m->hook_version);
    mirror_memo_doubt(m);
    fl_free(m->approved);
    fl_free(m->refused);
    fl_free(m);
}

static const struct fl_adapter *find_adapter(const struct fl_adapter *const *all)
{
    for (const struct fl_adapter *const *a = all; *a; a++) {
        if (strcmp((*a)->name, "git") == 0 && (*a)->mirror && (*a)->repo) {
            return *a;
        }
    }
    return NULL;
}

static void count_outcomes(struct fl_mirrors *ms, struct fl_metric **ret, const char *name,
                           const char *const results[MIRROR_OUTCOMES], const char *help)
{
    for (size_t i = 0; i < MIRROR_OUTCOMES; i++) {
        fl_auto_text labels = fl_asprintf("result=\"%s\"", results[i]);
        ret[i] = fl_metric_counter(ms->conf.metrics, name, labels, help);
    }
}

struct fl_mirrors *fl_mirrors_new(const struct fl_mirrors_conf *conf)
{
    static const char *const polls[MIRROR_OUTCOMES] = {"changed", "unchanged", "failed"};
    static const char *const work[MIRROR_OUTCOMES] = {"succeeded", "nothing", "failed"};
    struct fl_mirrors *ms = FL_NEW(struct fl_mirrors);
    ms->conf = *conf;
    ms->mirrors_dir = fl_strdup(conf->mirrors_dir);
    ms->run_dir = fl_strdup(conf->run_dir);
    ms->adapter = find_adapter(conf->adapters);
    count_outcomes(ms, ms->polls, "fairlead_mirror_polls_total", polls,
                   "Listings of remotes' refs by result.");
    count_outcomes(ms, ms->fetches, "fairlead_mirror_fetches_total", work,
                   "Fetches into mirrors by result.");
    count_outcomes(ms, ms->pushes, "fairlead_mirror_pushes_total", work,
                   "Push targets that were looked at, by result.");
    ms->fetch_seconds = fl_metric_histogram(conf->metrics, "fairlead_mirror_fetch_seconds", "",
                                            "Length of a fetch into a mirror.");
    fl_lock_init(&ms->lock, "mirrors", FL_RANK_CONTROLLER);
    ms->memos = fl_map_new(NULL);
    return ms;
}

void fl_mirrors_free(struct fl_mirrors *ms)
{
    if (!ms) {
        return;
    }
    size_t it = 0;
    struct fl_str key = {0};
    void *value = NULL;
    while (fl_map_next(ms->memos, &it, &key, &value)) {
        memo_free(ms, value);
    }
    fl_map_free(ms->memos);
    fl_lock_destroy(&ms->lock);
    fl_free(ms->mirrors_dir);
    fl_free(ms->run_dir);
    fl_free(ms);
}

/* ---- memos ---- */

static struct mirror_memo *memo_out(struct fl_mirrors *ms, struct fl_str ns, struct fl_str name)
{
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&key, "%.*s/%.*s", FL_STR_ARG(ns), FL_STR_ARG(name));
    fl_lock_scope(&ms->lock);
    return fl_map_take(ms->memos, fl_buf_slice(&key));
}

void mirror_memo_take(struct mirror_pass *x)
{
    const struct fl_obj *o = x->p->obj;
    struct mirror_memo *m = memo_out(x->ms, o->ns, o->name);
    if (m && !fl_str_is(o->uid, m->uid)) {
        memo_free(x->ms, m);
        m = NULL;
    }
    if (!m) {
        m = FL_NEW(struct mirror_memo);
        m->uid = fl_strndup(o->uid.p, o->uid.n);
    }
    x->memo = m;
}

void mirror_memo_give(struct mirror_pass *x)
{
    const struct fl_obj *o = x->p->obj;
    struct mirror_memo *m = fl_take(x->memo);
    if (!fl_pass_spec_now(x->p)) { /* deleted meanwhile: nobody asks again */
        memo_free(x->ms, m);
        return;
    }
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&key, "%.*s/%.*s", FL_STR_ARG(o->ns), FL_STR_ARG(o->name));
    fl_lock_scope(&x->ms->lock);
    fl_map_set(x->ms->memos, fl_buf_slice(&key), m);
}

void mirror_memo_drop(struct fl_mirrors *ms, struct fl_str ns, struct fl_str name)
{
    memo_free(ms, memo_out(ms, ns, name));
}

void mirror_memo_doubt(struct mirror_memo *m)
{
    fl_free(m->digest);
    fl_free(m->version);
    fl_free(m->told);
    m->digest = m->version = m->told = NULL;
}

/* ---- remotes ---- */

int mirror_secret(struct fl_pass *p, const char *field, const char *name,
                  struct fl_secret_data **ret, struct fl_err *err)
{
    if (fl_pass_secret(p, name, ret, err) == 0) {
        return 0;
    }
    if (err->code == FL_E_NOT_FOUND) {
        err->code = FL_E_INVALID;
    }
    return fl_wrap(err, "%s", field);
}

static const char *const *private_hosts(struct mirror_pass *x)
{
    const struct fl_list *l = &x->spec->allowed_hosts;
    const char **v = fl_arena_array(x->p->arena, l->n + 1, sizeof(*v));
    for (size_t i = 0; i < l->n; i++) {
        v[i] = ((const char *const *)l->v)[i];
    }
    return v;
}

/* Keys and values are the Secret's. */
static void conf_secret(struct mirror_pass *x, struct fl_remote_conf *conf,
                        const struct fl_secret_data *secret)
{
    struct fl_remote_key *keys = fl_arena_array(x->p->arena, secret->n + 1, sizeof(*keys));
    for (size_t i = 0; i < secret->n; i++) {
        keys[i].key = secret->v[i].key;
        keys[i].value = (struct fl_str){secret->v[i].value.p, secret->v[i].value.n};
    }
    conf->secret = keys;
    conf->n_secret = secret->n;
}

static char *link_version(const struct mirror_pass *x, const char *secret)
{
    return fl_asprintf("%lld %s", (long long)x->p->obj->generation, secret);
}

static int link_open(struct mirror_pass *x, const char *field, const struct fl_mirror_push *to,
                     struct mirror_link *ret, struct fl_err *err)
{
    const struct fl_local_ref *ref = to->secret_ref;
    if (ret->remote) { /* what it was opened from does not hold any more */
        x->ms->adapter->close(ret->remote);
        ret->remote = NULL;
    }
    fl_auto(fl_secret_data) secret = NULL;
    struct fl_remote_conf conf = {
        .url = to->url,
        .timeout_ms = x->spec->common.timeout_ms < MIRROR_LIST_MS ? x->spec->common.timeout_ms
                                                                  : MIRROR_LIST_MS,
        .max_concurrent = CALLS_AT_ONCE,
        .provider = fl_git_provider_names[to->provider],
        .private_hosts = private_hosts(x),
        .run_dir = x->ms->run_dir,
        .clock = x->ms->conf.clock,
    };
    if (ref) {
        int r = mirror_secret(x->p, field, ref->name, &secret, err);
        if (r < 0) {
            return r;
        }
        conf_secret(x, &conf, secret);
    }
    int r = x->ms->adapter->open(&conf, &ret->remote, err);
    if (r < 0) {
        return ref && fl_text_eq(err->reason, "SecretInvalid")
                   ? fl_wrap(err, "Secret '%s' (%s)", ref->name, field)
                   : r;
    }
    fl_free(ret->version);
    ret->version = link_version(x, secret ? secret->version : "");
    return 0;
}

static struct mirror_link *link_of(struct mirror_memo *m, const char *name)
{
    for (size_t i = 0; i < m->n_links; i++) {
        if (strcmp(m->links[i].name, name) == 0) {
            return &m->links[i];
        }
    }
    m->links = fl_reallocarray(m->links, m->n_links + 1, sizeof(*m->links));
    m->links[m->n_links] = (struct mirror_link){.name = fl_strdup(name)};
    return &m->links[m->n_links++];
}

static bool is_target(const struct fl_git_mirror_spec *spec, const char *name)
{
    const struct fl_mirror_push *v = spec->push.v;
    for (size_t i = 0; i < spec->push.n; i++) {
        if (strcmp(v[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

void mirror_link_prune(struct mirror_pass *x)
{
    struct mirror_memo *m = x->memo;
    size_t n = 0;
    for (size_t i = 0; i < m->n_links; i++) {
        if (m->links[i].name[0] == '\0' || is_target(x->spec, m->links[i].name)) {
            m->links[n++] = m->links[i];
        } else {
            link_clear(x->ms->adapter, &m->links[i]);
        }
    }
    m->n_links = n;
}

int mirror_link(struct mirror_pass *x, const struct fl_mirror_push *target,
                struct mirror_link **ret, struct fl_err *err)
{
    const struct fl_mirror_push source = {
        .name = "",
        .url = x->spec->url,
        .provider = x->spec->provider,
        .secret_ref = x->spec->secret_ref,
    };
    const struct fl_mirror_push *to = target ? target : &source;
    char seen[96] = "";
    struct mirror_link *l = link_of(x->memo, to->name);
    if (to->secret_ref) {
        fl_pass_secret_version(x->p, to->secret_ref->name, seen);
    }
    fl_auto_text version = link_version(x, seen);
    *ret = l;
    if (l->remote && strcmp(l->version, version) == 0) {
        return 0;
    }
    fl_auto_text field =
        target ? fl_asprintf("spec.push[%s].secretRef", to->name) : fl_strdup("spec.secretRef");
    fl_free(l->rejected); /* what it did not take before it may take now */
    l->rejected = NULL;
    l->failures = 0;
    l->looked = false;
    return link_open(x, field, to, l, err);
}
