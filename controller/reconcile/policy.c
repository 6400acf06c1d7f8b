/* SPDX-License-Identifier: Apache-2.0
 * ReplicationPolicy: compares what the source has with what the destination has, and hands what is missing to a
 * ReplicationExecution. It copies nothing itself and removes nothing, ever. */
#include "api/scheme.h"
#include "api/v1alpha1/replication_execution.h"
#include "base/map.h"
#include "base/url.h"
#include "engine/par.h"
#include "reconcile/controllers.h"
#include "reconcile/mapping.h"
#include "reconcile/policy_runs.h"

#define POLICY_HEAD_THREADS 8
#define POLICY_BATCH_THREADS 3
#define POLICY_BATCH_MIN 8 /* tags of one repository */
#define POLICY_BATCH_MAX 16
#define POLICY_SOON_MS 500
#define POLICY_PLAN_MAX 200

enum policy_verdict {
    VERDICT_UNKNOWN,
    VERDICT_SAME,
    VERDICT_COPY,
    VERDICT_OVERWRITE,
    VERDICT_KEEP,
    VERDICT_GONE
};

struct policy_tag {
    const char *source;
    const char *destination;
    const char *name;
    const char *digest; /* at the source; NULL until known */
    enum policy_verdict verdict;
    char found[FL_DIGEST_MAX];
};

struct policy_view {
    struct fl_pass *p;
    const struct fl_replication_policy_spec *spec;
    struct fl_registry_link *from, *to;
    struct policy_tag *tags;
    size_t n;
    size_t repositories;
    bool same_place;       /* two Registries, one address */
    struct fl_lock lock;   /* guards what follows, while tags are compared in parallel */
    struct fl_err problem; /* first that concerns one repository or tag; the others go on */
    size_t problems;
    struct fl_err systemic; /* ends the comparison: the remote is away or says wait */
};

static bool policy_is_systemic(enum fl_code code)
{
    return code == FL_E_UNAVAILABLE || code == FL_E_TIMEOUT || code == FL_E_LIMITED ||
           code == FL_E_CANCELED;
}

static void policy_problem(struct policy_view *v, const struct fl_err *err)
{
    fl_lock_scope(&v->lock);
    if (policy_is_systemic(err->code)) {
        if (v->systemic.code == FL_OK) {
            v->systemic = *err;
        }
        return;
    }
    if (v->problems++ == 0) {
        v->problem = *err;
    }
}

static bool policy_is_stopped(struct policy_view *v)
{
    fl_lock_scope(&v->lock);
    return v->systemic.code != FL_OK;
}

/* A name that is given twice is one. */
static bool policy_repeated(const char *const *v, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(v[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- observe: repositories and tags ------------------------------------------------------------------------- */

static bool policy_same_place(const char *a, const char *b)
{
    struct fl_url x;
    struct fl_url y;
    if (fl_url_parse(fl_str_of(a), &x, NULL) < 0 || fl_url_parse(fl_str_of(b), &y, NULL) < 0) {
        return false;
    }
    while (fl_str_ends(x.path, "/")) {
        x.path.n--;
    }
    while (fl_str_ends(y.path, "/")) {
        y.path.n--;
    }
    return fl_url_same_origin(&x, &y) && fl_str_eq(x.path, y.path);
}

/* Within one registry what lies under the destination's namespace are copies: copied again, they would be more with each
 * run. */
static bool policy_is_own_copy(const struct policy_view *v, const char *repo)
{
    const char *ns = v->spec->destination->namespace_;
    size_t n = ns ? strlen(ns) : 0;
    return v->same_place && n > 0 && strncmp(repo, ns, n) == 0 && repo[n] == '/';
}

static int policy_list_repositories(struct policy_view *v, const char *const **ret, size_t *ret_n,
                                    struct fl_err *err)
{
    struct fl_pass *p = v->p;
    const struct fl_filter *f = v->spec->repositories;
    const char *const *all;
    size_t n;
    bool literal = fl_filter_literal(f);
    if (literal) {
        all = f->include.v;
        n = f->include.n;
    } else {
        struct fl_ctx ctx = fl_ctx_timeout(&p->ctx, v->spec->common.timeout_ms);
        int r = v->from->ops->list_repositories(v->from->remote, &ctx, p->arena, &all, &n, err);
        if (r < 0) {
            return r;
        }
    }
    const char **out = fl_arena_array(p->arena, n ? n : 1, sizeof(*out));
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (fl_filter_admits(f, fl_str_of(all[i])) && !policy_is_own_copy(v, all[i]) &&
            !(literal && policy_repeated(all, i, all[i]))) {
            out[kept++] = all[i];
        }
    }
    *ret = out;
    *ret_n = kept;
    return 0;
}

static void policy_add_tag(struct policy_view *v, const char *repo, const char *destination,
                           const struct fl_tag *t)
{
    v->tags = fl_arena_grow(v->p->arena, v->tags, v->n, sizeof(*v->tags));
    v->tags[v->n++] = (struct policy_tag){
        .source = repo, .destination = destination, .name = t->name, .digest = t->digest};
}

static int policy_list_tags(struct policy_view *v, const char *repo, const char *destination,
                            struct fl_err *err)
{
    const struct fl_filter *f = v->spec->tags;
    if (fl_filter_literal(f)) {
        const char *const *names = f->include.v;
        for (size_t i = 0; i < f->include.n; i++) {
            if (fl_filter_admits(f, fl_str_of(names[i])) && !policy_repeated(names, i, names[i])) {
                policy_add_tag(v, repo, destination, &(struct fl_tag){.name = names[i]});
            }
        }
        return 0;
    }
    struct fl_tag *tags = NULL;
    size_t n = 0;
    struct fl_ctx ctx = fl_ctx_timeout(&v->p->ctx, v->spec->common.timeout_ms);
    int r = v->from->ops->list_tags(v->from->remote, &ctx, v->p->arena, repo, &tags, &n, err);
    if (r == FL_E_NOT_FOUND) {
        return fl_fail(err, FL_E_NOT_FOUND, "RepositoryNotFound",
                       "repository '%s' is not at the source %s", repo, v->from->url);
    }
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < n; i++) {
        if (fl_filter_admits(f, fl_str_of(tags[i].name))) {
            policy_add_tag(v, repo, destination, &tags[i]);
        }
    }
    return 0;
}

/* Two sources that map to one name would overwrite each other for ever: neither is copied. */
static void policy_map(struct policy_view *v, const char *const *repos, size_t n,
                       const char **destinations)
{
    fl_auto(fl_map) taken = fl_map_new(NULL);
    for (size_t i = 0; i < n; i++) {
        struct fl_err err = FL_ERR_INIT;
        destinations[i] = NULL;
        if (fl_map_repository(v->spec->destination, repos[i], v->p->arena, &destinations[i], &err) <
            0) {
            policy_problem(v, &err);
            continue;
        }
        struct fl_str key = fl_str_of(destinations[i]);
        if (v->same_place && fl_str_is(key, repos[i])) {
            fl_fail(&err, FL_E_INVALID, "SamePlace",
                    "Registries '%s' and '%s' are one place (%s), and '%s' would be copied onto "
                    "itself: set spec.destination.namespace, or another destination",
                    v->spec->source->registry, v->spec->destination->registry, v->to->url,
                    repos[i]);
            policy_problem(v, &err);
            destinations[i] = NULL;
            continue;
        }
        const char **first = fl_map_get(taken, key);
        if (!first) {
            fl_map_set(taken, key, &destinations[i]);
            continue;
        }
        size_t other = (size_t)(first - destinations);
        fl_fail(&err, FL_E_INVALID, "DestinationCollision",
                "'%s' and '%s' both map to '%s' at the destination, so neither is copied: change "
                "spec.destination.namespaceReplaceCount or spec.repositories",
                repos[other], repos[i], destinations[i]);
        policy_problem(v, &err);
        destinations[i] = NULL;
        *first = "";
    }
    for (size_t i = 0; i < n; i++) {
        if (destinations[i] && destinations[i][0] == '\0') {
            destinations[i] = NULL;
        }
    }
}

static int policy_observe_source(struct policy_view *v, struct fl_err *err)
{
    const char *const *repos = NULL;
    size_t n = 0;
    int r = policy_list_repositories(v, &repos, &n, err);
    if (r < 0) {
        return r;
    }
    v->repositories = n;
    const char **destinations = fl_arena_array(v->p->arena, n ? n : 1, sizeof(*destinations));
    policy_map(v, repos, n, destinations);
    for (size_t i = 0; i < n; i++) {
        struct fl_err one = FL_ERR_INIT;
        if (!destinations[i] || policy_list_tags(v, repos[i], destinations[i], &one) == 0) {
            continue;
        }
        policy_problem(v, &one);
        if (policy_is_stopped(v)) {
            *err = v->systemic;
            return err->code;
        }
    }
    return 0;
}

/* ---- observe: each tag against the destination ---------------------------------------------------------------- */

static void policy_judge_by(const struct policy_view *v, struct policy_tag *t, const char *there)
{
    if (strcmp(there, t->digest) == 0) {
        t->verdict = VERDICT_SAME;
    } else {
        t->verdict = v->spec->override ? VERDICT_OVERWRITE : VERDICT_KEEP;
    }
}

static void policy_found(struct policy_tag *t, const char digest[FL_DIGEST_MAX])
{
    memcpy(t->found, digest, sizeof(t->found));
    t->digest = t->found;
}

static int policy_judge(struct policy_view *v, struct policy_tag *t, struct fl_err *err)
{
    struct fl_manifest_head head = {0};
    struct fl_ctx ctx = fl_ctx_timeout(&v->p->ctx, v->spec->common.timeout_ms);
    if (!t->digest) {
        int r = v->from->ops->head_manifest(v->from->remote, &ctx, t->source, t->name, false, &head,
                                            err);
        if (r == FL_E_NOT_FOUND) {
            t->verdict = VERDICT_GONE;
            return 0;
        }
        if (r < 0) {
            return r;
        }
        policy_found(t, head.digest);
    }
    bool writing = v->spec->common.mode == FL_MODE_APPLY;
    int r = v->to->ops->head_manifest(v->to->remote, &ctx, t->destination, t->name, writing, &head,
                                      err);
    if (r == FL_E_NOT_FOUND) {
        t->verdict = VERDICT_COPY;
        return 0;
    }
    if (r < 0) {
        return r;
    }
    policy_judge_by(v, t, head.digest);
    return 0;
}

static void policy_judge_one(void *arg, size_t i)
{
    struct policy_view *v = arg;
    struct fl_err err = FL_ERR_INIT;
    if (v->tags[i].verdict != VERDICT_UNKNOWN || policy_is_stopped(v)) {
        return;
    }
    if (policy_judge(v, &v->tags[i], &err) < 0) {
        policy_problem(v, &err);
    }
}

/* ---- the same for many tags of one repository, by the cheap way that registries have for it ----------------------- */

struct policy_batch {
    struct policy_tag *tags;
    size_t n;
};

struct policy_batches {
    struct policy_view *v;
    struct policy_batch *all;
    size_t n;
    atomic_bool over; /* a registry gave no plain answer: the rest is asked for one by one */
};

static bool policy_batch_source(struct policy_view *v, const struct policy_batch *b,
                                struct fl_tag_head *heads)
{
    struct policy_tag *asked[POLICY_BATCH_MAX];
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (!b->tags[i].digest) {
            heads[n] = (struct fl_tag_head){.name = b->tags[i].name};
            asked[n++] = &b->tags[i];
        }
    }
    struct fl_ctx ctx = fl_ctx_timeout(&v->p->ctx, v->spec->common.timeout_ms);
    bool all =
        n == 0 || v->from->ops->head_tags(v->from->remote, &ctx, b->tags->source, false, heads, n);
    for (size_t i = 0; i < n; i++) {
        if (heads[i].told == FL_TAG_THERE) {
            policy_found(asked[i], heads[i].digest);
        } else if (heads[i].told == FL_TAG_ABSENT) {
            asked[i]->verdict = VERDICT_GONE;
        }
    }
    return all;
}

static bool policy_batch_destination(struct policy_view *v, const struct policy_batch *b,
                                     struct fl_tag_head *heads)
{
    struct policy_tag *asked[POLICY_BATCH_MAX];
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (b->tags[i].digest && b->tags[i].verdict == VERDICT_UNKNOWN) {
            heads[n] = (struct fl_tag_head){.name = b->tags[i].name};
            asked[n++] = &b->tags[i];
        }
    }
    struct fl_ctx ctx = fl_ctx_timeout(&v->p->ctx, v->spec->common.timeout_ms);
    bool writing = v->spec->common.mode == FL_MODE_APPLY;
    bool all = n == 0 ||
               v->to->ops->head_tags(v->to->remote, &ctx, b->tags->destination, writing, heads, n);
    for (size_t i = 0; i < n; i++) {
        if (heads[i].told == FL_TAG_THERE) {
            policy_judge_by(v, asked[i], heads[i].digest);
        } else if (heads[i].told == FL_TAG_ABSENT) {
            asked[i]->verdict = VERDICT_COPY;
        }
    }
    return all;
}

static void policy_judge_batch(void *arg, size_t i)
{
    struct policy_batches *bs = arg;
    struct fl_tag_head heads[POLICY_BATCH_MAX];
    if (!atomic_load(&bs->over) && !(policy_batch_source(bs->v, &bs->all[i], heads) &&
                                     policy_batch_destination(bs->v, &bs->all[i], heads))) {
        atomic_store(&bs->over, true);
    }
}

/* Leaves VERDICT_UNKNOWN where there are few, and where an answer was not plain. Three at a time, so that both registries have
 * something to do. */
static void policy_judge_batches(struct policy_view *v)
{
    struct policy_batches bs = {.v = v};
    bs.all = fl_arena_array(v->p->arena, v->n / POLICY_BATCH_MIN + 1, sizeof(*bs.all));
    for (size_t i = 0, end = 0; i < v->n; i = end) {
        for (end = i; end < v->n && v->tags[end].source == v->tags[i].source; end++) {
        }
        size_t left = end - i;
        size_t parts = (left + POLICY_BATCH_MAX - 1) / POLICY_BATCH_MAX;
        for (struct policy_tag *t = &v->tags[i]; left >= POLICY_BATCH_MIN; parts--) {
            size_t n = (left + parts - 1) / parts;
            bs.all[bs.n++] = (struct policy_batch){t, n};
            t += n;
            left -= n;
        }
    }
    fl_par_for(bs.n, POLICY_BATCH_THREADS, policy_judge_batch, &bs);
}

/* Somebody has named both, and nothing is there: more likely a slip than a wish. Where one of several tags exists, or the
 * repositories are found by pattern, a tag that is missing is as good as one that was removed. */
static void policy_find_absent(struct policy_view *v)
{
    if (!fl_filter_literal(v->spec->repositories) || !fl_filter_literal(v->spec->tags)) {
        return;
    }
    for (size_t i = 0, end = 0; i < v->n; i = end) {
        size_t gone = 0;
        for (end = i; end < v->n && v->tags[end].source == v->tags[i].source; end++) {
            gone += v->tags[end].verdict == VERDICT_GONE ? 1 : 0;
        }
        if (gone == end - i) {
            struct fl_err err = FL_ERR_INIT;
            fl_fail(&err, FL_E_NOT_FOUND, "TagNotFound",
                    "none of the tags that spec.tags names is in repository '%s' at the source %s",
                    v->tags[i].source, v->from->url);
            policy_problem(v, &err);
        }
    }
}

/* ---- report ------------------------------------------------------------------------------------------------ */

static size_t policy_count(const struct policy_view *v, enum policy_verdict verdict)
{
    size_t n = 0;
    for (size_t i = 0; i < v->n; i++) {
        n += v->tags[i].verdict == verdict;
    }
    return n;
}

static const char *policy_action(enum policy_verdict verdict)
{
    switch (verdict) {
    case VERDICT_COPY:
        return "Copy";
    case VERDICT_OVERWRITE:
        return "Overwrite";
    case VERDICT_KEEP:
        return "Keep";
    default:
        return NULL;
    }
}

static void policy_write_plan(struct policy_view *v, struct fl_replication_policy_status *st)
{
    struct fl_plan_item *plan = fl_arena_array(v->p->arena, POLICY_PLAN_MAX, sizeof(*plan));
    size_t n = 0;
    for (size_t i = 0; i < v->n && n < POLICY_PLAN_MAX; i++) {
        const struct policy_tag *t = &v->tags[i];
        const char *action = policy_action(t->verdict);
        if (action) {
            plan[n++] = (struct fl_plan_item){
                .action = action,
                .source = fl_arena_fmt(v->p->arena, "%s:%s", t->source, t->name),
                .destination = fl_arena_fmt(v->p->arena, "%s:%s", t->destination, t->name),
                .digest = t->digest,
            };
        }
    }
    st->plan = (struct fl_list){plan, n};
}

static void policy_write_counts(struct policy_view *v, struct fl_replication_policy_status *st)
{
    size_t same = policy_count(v, VERDICT_SAME);
    size_t kept = policy_count(v, VERDICT_KEEP);
    size_t todo = policy_count(v, VERDICT_COPY) + policy_count(v, VERDICT_OVERWRITE);
    st->repositories = (int64_t)v->repositories;
    st->tags = (int64_t)(v->n - policy_count(v, VERDICT_GONE));
    st->up_to_date = (int64_t)same;
    st->kept = (int64_t)kept;
    st->backlog = (int64_t)todo;
    st->plan = (struct fl_list){0};
    if (v->spec->common.mode != FL_MODE_APPLY) {
        policy_write_plan(v, st);
    }
    if (todo > 0 || v->problems > 0) {
        st->in_sync_since = NULL;
    } else if (!st->in_sync_since) {
        st->in_sync_since = fl_pass_now(v->p);
    }
}

/* ---- executions ---------------------------------------------------------------------------------------------- */

static struct fl_list policy_items(const struct policy_view *v)
{
    size_t max = v->n < FL_EXECUTION_ITEMS_MAX ? v->n : FL_EXECUTION_ITEMS_MAX;
    struct fl_execution_item *items = fl_arena_array(v->p->arena, max ? max : 1, sizeof(*items));
    size_t n = 0;
    for (size_t i = 0; i < v->n && n < max; i++) {
        const struct policy_tag *t = &v->tags[i];
        if (t->verdict == VERDICT_COPY || t->verdict == VERDICT_OVERWRITE) {
            items[n++] = (struct fl_execution_item){.source = t->source,
                                                    .destination = t->destination,
                                                    .tag = t->name,
                                                    .digest = t->digest};
        }
    }
    return (struct fl_list){items, n};
}

static int policy_start_run(struct policy_view *v, struct fl_err *err)
{
    struct fl_replication_execution_spec run = {
        .policy = fl_arena_str(v->p->arena, v->p->obj->name),
        .source = v->spec->source->registry,
        .destination = v->spec->destination->registry,
        .override = v->spec->override,
        .concurrency = v->spec->concurrency,
        .timeout_ms = v->spec->common.timeout_ms,
        .items = policy_items(v),
    };
    return fl_policy_runs_start(v->p, &run, err);
}

/* ---- the pass ------------------------------------------------------------------------------------------------ */

/* A Registry that is not ready is waited for: its change wakes this policy. */
static bool policy_registry_ready(struct fl_pass *p, const char *field, const char *name,
                                  struct fl_err *err)
{
    const void *status = NULL;
    if (fl_pass_get(p, &fl_kind_registry, name, NULL, &status, NULL, err) < 0) {
        fl_wrap(err, "%s", field);
        return false;
    }
    const struct fl_registry_status *st = status;
    if (fl_pass_is_ready(&st->common.conditions)) {
        return true;
    }
    fl_fail(err, FL_E_UNAVAILABLE, "DependencyNotReady",
            "%s: Registry '%s' is not Ready; its own condition says why, and the policy goes on by "
            "itself when it is",
            field, name);
    return false;
}

/* An event where the waiting begins, and where it becomes one for something else. */
static struct fl_result policy_waiting(struct fl_pass *p, const struct fl_err *err)
{
    const struct fl_condition *was = fl_pass_find_condition(p, "Ready");
    if (!was || !fl_text_eq(was->reason, err->reason) || !fl_text_eq(was->message, err->msg)) {
        /* What is away for now comes back by itself; what was never made does not. */
        fl_pass_event(p, err->code == FL_E_NOT_FOUND ? "Warning" : "Normal", err->reason, "%s",
                      err->msg);
    }
    fl_pass_not_ready(p, err->reason, "%s", err->msg);
    return fl_wait_event();
}

static struct fl_result policy_cooling(struct fl_pass *p, const struct fl_policy_run *run,
                                       int64_t left)
{
    const struct fl_replication_execution_status *st = run->status;
    fl_pass_not_ready(
        p, st->phase == FL_PHASE_STOPPED ? "ReplicationStopped" : "ReplicationFailed",
        "%.*s: %lld of %lld tags were not copied (kubectl describe rx %.*s says why); the next run "
        "starts on the interval, on a change, or at once with the "
        "annotation " FL_ANNOTATION_REQUESTED,
        FL_STR_ARG(run->obj->name), (long long)(st->total - st->succeeded - st->skipped),
        (long long)st->total, FL_STR_ARG(run->obj->name));
    return left == FL_NEVER ? fl_wait_event() : fl_again_after(left);
}

static struct fl_result policy_conclude(struct policy_view *v)
{
    struct fl_pass *p = v->p;
    struct fl_replication_policy_status *st = p->status;
    if (st->backlog > 0 && v->spec->common.mode == FL_MODE_APPLY) {
        struct fl_err err = FL_ERR_INIT;
        int r = policy_start_run(v, &err);
        if (r == FL_E_EXISTS) {
            p->deferred = true;
            return fl_again_after(POLICY_SOON_MS);
        }
        if (r < 0) {
            return fl_failed(&err);
        }
        fl_pass_progress(p, "Replicating", "%s copies %lld tags", st->last_execution,
                         (long long)st->backlog);
        return fl_wait_event();
    }
    if (v->problems > 0) {
        if (v->problems > 1) {
            fl_wrap(&v->problem, "%zu repositories or tags could not be compared, the first",
                    v->problems);
        }
        return fl_failed(&v->problem);
    }
    if (st->backlog > 0) {
        fl_pass_ready(
            p, "Planned", "mode %s: %lld of %lld tags would be copied; status.plan lists them",
            fl_mode_names[v->spec->common.mode], (long long)st->backlog, (long long)st->tags);
    } else if (st->kept > 0) {
        fl_pass_ready(
            p, "Succeeded",
            "%lld tags are at the destination; %lld differ there and are kept (override is false)",
            (long long)st->up_to_date, (long long)st->kept);
    } else if (st->tags == 0) {
        fl_pass_ready(
            p, "Succeeded",
            "nothing to copy: the filters admit no tag of %lld repositories at the source",
            (long long)st->repositories);
    } else {
        fl_pass_ready(p, "Succeeded", "%lld tags of %lld repositories are at the destination",
                      (long long)st->up_to_date, (long long)st->repositories);
    }
    return fl_done();
}

static struct fl_result policy_compare(struct policy_view *v)
{
    struct fl_err err = FL_ERR_INIT;
    if (policy_observe_source(v, &err) < 0) {
        return fl_failed(&err);
    }
    policy_judge_batches(v);
    int threads = v->from->max_concurrent < v->to->max_concurrent ? v->from->max_concurrent
                                                                  : v->to->max_concurrent;
    fl_par_for(v->n, threads < POLICY_HEAD_THREADS ? threads : POLICY_HEAD_THREADS,
               policy_judge_one, v);
    if (v->systemic.code != FL_OK) {
        return fl_failed(&v->systemic);
    }
    policy_find_absent(v);
    policy_write_counts(v, v->p->status);
    return policy_conclude(v);
}

static void policy_note_run(struct fl_replication_policy_status *st,
                            const struct fl_policy_run *run, struct fl_pass *p)
{
    st->last_execution = fl_arena_str(p->arena, run->obj->name);
    st->last_execution_phase =
        fl_phase_names[run->status->phase < 0 ? FL_PHASE_PENDING : run->status->phase];
    st->run_number = run->number > st->run_number ? run->number : st->run_number;
    if (run->status->completion_time) {
        st->common.last_run_time = run->status->completion_time;
    }
}

/* A request or a change meanwhile is handled after it, by a comparison of its own. */
static struct fl_result policy_running(struct fl_pass *p, const struct fl_policy_run *run)
{
    const void *any = NULL;
    fl_pass_decode(p, run->obj, &any, NULL);
    const struct fl_replication_execution_spec *spec = any;
    p->deferred = true;
    fl_pass_progress(p, "Replicating", "%.*s copies %zu tags", FL_STR_ARG(run->obj->name),
                     spec->items.n);
    return fl_wait_event();
}

static struct fl_result policy_reconcile(void *self, struct fl_pass *p)
{
    const struct fl_replication_policy_spec *spec = p->spec;
    struct fl_replication_policy_status *st = p->status;
    struct fl_policy_runs runs = fl_policy_runs_list(p);
    const struct fl_policy_run *run = runs.newest;
    if (run) {
        policy_note_run(st, run, p);
    }
    fl_policy_runs_prune(p, &runs);
    if (run && !fl_policy_run_final(run)) {
        return policy_running(p, run);
    }
    int64_t left = fl_policy_runs_wait(p, run);
    if (run && left > 0) {
        return policy_cooling(p, run, left);
    }
    struct fl_err err = FL_ERR_INIT;
    if (!policy_registry_ready(p, "spec.source.registry", spec->source->registry, &err) ||
        !policy_registry_ready(p, "spec.destination.registry", spec->destination->registry, &err)) {
        return policy_waiting(p, &err);
    }
    fl_auto(fl_registry_link) from = NULL;
    fl_auto(fl_registry_link) to = NULL;
    if (fl_remotes_get(self, p, spec->source->registry, &from, &err) < 0 ||
        fl_remotes_get(self, p, spec->destination->registry, &to, &err) < 0) {
        return fl_failed(&err);
    }
    struct policy_view v = {.p = p,
                            .spec = spec,
                            .from = from,
                            .to = to,
                            .same_place = policy_same_place(from->url, to->url),
                            .problem = FL_ERR_INIT,
                            .systemic = FL_ERR_INIT};
    fl_lock_init(&v.lock, "policy", FL_RANK_CONTROLLER);
    struct fl_result res = policy_compare(&v);
    fl_lock_destroy(&v.lock);
    return res;
}

static void policy_refs(const void *any, void (*add)(void *arg, struct fl_ref r), void *arg)
{
    const struct fl_replication_policy_spec *spec = any;
    if (spec->source && spec->source->registry) {
        add(arg, (struct fl_ref){&fl_kind_registry, fl_str_of(spec->source->registry)});
    }
    if (spec->destination && spec->destination->registry) {
        add(arg, (struct fl_ref){&fl_kind_registry, fl_str_of(spec->destination->registry)});
    }
}

struct fl_controller fl_policy_controller(struct fl_remotes *rs)
{
    static const struct fl_kind *const owns[] = {&fl_kind_replication_execution, NULL};
    return (struct fl_controller){
        .name = "replicationpolicy",
        .kind = &fl_kind_replication_policy,
        .workers = 4,
        .self = rs,
        .common = true,
        .reconcile = policy_reconcile,
        .refs = policy_refs,
        .owns = owns,
    };
}
