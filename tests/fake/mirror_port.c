/* SPDX-License-Identifier: Apache-2.0 */
#include "fake/mirror_port.h"

#include "api/meta/kind.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "wire/digest.h"

#define FAULTS_MAX 16
#define KEPT "refs/fairlead/"

struct place {
    struct fl_git_ref *v; /* sorted; the oid holds the commit's path */
    size_t n;
    char *head;
    struct fl_fake_git_conf conf; /* its texts are copies */
    bool made, lfs, locked;
    int64_t size;
    size_t count[FL_FAKE_GIT_CALLS];
};

struct fl_fake_git {
    struct fl_lock lock; /* guards all */
    struct fl_cond changed;
    struct fl_map *places;  /* url or path -> struct place */
    struct fl_map *commits; /* oid -> path of the commit */
    struct fl_map *routes;  /* "ns/name" -> text */
    struct fl_buf told;
    char *last_conf;
    struct fl_fake_git_fault faults[FAULTS_MAX];
    size_t n_faults;
    bool holding, upkeep_due;
    enum fl_fake_git_call hold;
    size_t held, opened, open, puts;
};

struct fl_remote {
    struct fl_fake_git *world;
    char *url, *user, *password;
};

struct fl_repo {
    struct fl_fake_git *world;
    char *path;
};

static struct fl_fake_git *world; /* adapters are constants: see the header */

/* ---- what is there ---- */

static void place_clear(struct place *p)
{
    for (size_t i = 0; i < p->n; i++) {
        fl_free((char *)p->v[i].name);
        fl_free((char *)p->v[i].oid);
    }
    fl_free(p->v);
    p->v = NULL;
    p->n = 0;
}

static void conf_clear(struct fl_fake_git_conf *c)
{
    fl_free((char *)c->user);
    fl_free((char *)c->password);
    fl_free((char *)c->reject);
}

static void place_free(void *any)
{
    struct place *p = any;
    place_clear(p);
    conf_clear(&p->conf);
    fl_free(p->head);
    fl_free(p);
}

struct fl_fake_git *fl_fake_git_new(void)
{
    fl_assert(world == NULL);
    struct fl_fake_git *w = FL_NEW(struct fl_fake_git);
    fl_lock_init(&w->lock, "fake git", FL_RANK_REMOTE);
    fl_cond_init(&w->changed);
    w->places = fl_map_new(place_free);
    w->commits = fl_map_new(fl_free);
    w->routes = fl_map_new(fl_free);
    fl_buf_init(&w->told, FL_BUF_ANY);
    world = w;
    return w;
}

void fl_fake_git_free(struct fl_fake_git *w)
{
    if (!w) {
        return;
    }
    fl_assert(w->open == 0);
    world = NULL;
    fl_map_free(w->places);
    fl_map_free(w->commits);
    fl_map_free(w->routes);
    fl_buf_release(&w->told);
    fl_free(w->last_conf);
    fl_cond_destroy(&w->changed);
    fl_lock_destroy(&w->lock);
    fl_free(w);
}

static struct place *place_at(struct fl_fake_git *w, const char *name)
{
    fl_lock_assert_held(&w->lock);
    struct place *p = fl_map_get(w->places, fl_str_of(name));
    if (!p) {
        p = FL_NEW(struct place);
        fl_map_set(w->places, fl_str_of(name), p);
    }
    return p;
}

void fl_fake_git_setup(struct fl_fake_git *w, const char *url, const struct fl_fake_git_conf *conf)
{
    fl_lock_scope(&w->lock);
    struct place *p = place_at(w, url);
    conf_clear(&p->conf);
    p->conf = *conf;
    p->conf.user = fl_strdup(conf->user);
    p->conf.password = fl_strdup(conf->password);
    p->conf.reject = fl_strdup(conf->reject);
}

void fl_fake_git_oid(const char *commit, char ret[41])
{
    char d[FL_DIGEST_TEXT];
    fl_digest_of(FL_SHA256, fl_str_of(commit), d);
    memcpy(ret, d + strlen("sha256:"), 40);
    ret[40] = '\0';
}

/* The oid of a commit, from now on known to the world. */
static const char *oid_of(struct fl_fake_git *w, struct fl_arena *a, const char *commit)
{
    char oid[41];
    fl_fake_git_oid(commit, oid);
    fl_map_set(w->commits, fl_str_of(oid), fl_strdup(commit));
    return fl_arena_text(a, oid);
}

static const char *commit_of(struct fl_fake_git *w, const char *oid)
{
    const char *c = fl_map_get(w->commits, fl_str_of(oid));
    fl_assert(c != NULL);
    return c;
}

static size_t ref_at(const struct place *p, const char *name)
{
    size_t i = 0;
    while (i < p->n && strcmp(p->v[i].name, name) < 0) {
        i++;
    }
    return i;
}

static const char *commit_at(const struct place *p, const char *name)
{
    size_t i = ref_at(p, name);
    return i < p->n && strcmp(p->v[i].name, name) == 0 ? p->v[i].oid : NULL;
}

static void ref_set(struct place *p, const char *name, const char *commit)
{
    size_t i = ref_at(p, name);
    bool there = i < p->n && strcmp(p->v[i].name, name) == 0;
    if (there) {
        fl_free((char *)p->v[i].oid);
        p->v[i].oid = fl_strdup(commit);
        if (!commit) {
            fl_free((char *)p->v[i].name);
            memmove(&p->v[i], &p->v[i + 1], (p->n - i - 1) * sizeof(*p->v));
            p->n--;
        }
        return;
    }
    if (commit) {
        p->v = fl_reallocarray(p->v, p->n + 1, sizeof(*p->v));
        memmove(&p->v[i + 1], &p->v[i], (p->n - i) * sizeof(*p->v));
        p->v[i] = (struct fl_git_ref){fl_strdup(name), fl_strdup(commit)};
        p->n++;
    }
}

void fl_fake_git_set(struct fl_fake_git *w, const char *place, const char *ref, const char *commit)
{
    fl_auto_text name = fl_asprintf("refs/%s", ref);
    fl_lock_scope(&w->lock);
    ref_set(place_at(w, place), name, commit);
}

void fl_fake_git_head(struct fl_fake_git *w, const char *url, const char *ref)
{
    fl_lock_scope(&w->lock);
    struct place *p = place_at(w, url);
    fl_free(p->head);
    p->head = ref ? fl_asprintf("refs/%s", ref) : NULL;
}

void fl_fake_git_clear(struct fl_fake_git *w, const char *url)
{
    fl_lock_scope(&w->lock);
    place_clear(place_at(w, url));
}

void fl_fake_git_lose(struct fl_fake_git *w, const char *path)
{
    fl_lock_scope(&w->lock);
    struct place *p = place_at(w, path);
    place_clear(p);
    p->made = false;
}

char *fl_fake_git_text(struct fl_fake_git *w, const char *place)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_lock_scope(&w->lock);
    const struct place *p = place_at(w, place);
    if (p->head) {
        fl_buf_fmt(&b, "HEAD:%s", p->head + strlen("refs/"));
    }
    for (size_t i = 0; i < p->n; i++) {
        fl_buf_fmt(&b, "%s%s=%s", b.len > 0 ? " " : "", p->v[i].name + strlen("refs/"),
                   p->v[i].oid);
    }
    return fl_strdup(b.data);
}

bool fl_fake_git_exists(struct fl_fake_git *w, const char *path)
{
    fl_lock_scope(&w->lock);
    return place_at(w, path)->made;
}

void fl_fake_git_lfs(struct fl_fake_git *w, const char *path, bool uses)
{
    fl_lock_scope(&w->lock);
    place_at(w, path)->lfs = uses;
}

void fl_fake_git_grow(struct fl_fake_git *w, const char *path, int64_t bytes)
{
    fl_lock_scope(&w->lock);
    place_at(w, path)->size = bytes;
}

void fl_fake_git_upkeep_due(struct fl_fake_git *w)
{
    fl_lock_scope(&w->lock);
    w->upkeep_due = true;
}

/* ---- faults, holds, counters ---- */

void fl_fake_git_fail(struct fl_fake_git *w, const struct fl_fake_git_fault *f)
{
    fl_lock_scope(&w->lock);
    fl_assert(w->n_faults < FAULTS_MAX);
    w->faults[w->n_faults++] = *f;
}

void fl_fake_git_heal(struct fl_fake_git *w)
{
    fl_lock_scope(&w->lock);
    w->n_faults = 0;
}

void fl_fake_git_hold(struct fl_fake_git *w, enum fl_fake_git_call call)
{
    fl_lock_scope(&w->lock);
    w->holding = true;
    w->hold = call;
}

void fl_fake_git_release(struct fl_fake_git *w)
{
    fl_lock_scope(&w->lock);
    w->holding = false;
    fl_cond_broadcast(&w->changed);
}

size_t fl_fake_git_held(struct fl_fake_git *w)
{
    fl_lock_scope(&w->lock);
    return w->held;
}

static size_t count_all(struct fl_fake_git *w, enum fl_fake_git_call from, enum fl_fake_git_call to)
{
    fl_lock_scope(&w->lock);
    size_t it = 0;
    size_t n = 0;
    struct fl_str key = {0};
    void *value = NULL;
    while (fl_map_next(w->places, &it, &key, &value)) {
        for (size_t c = from; c <= to; c++) {
            n += ((struct place *)value)->count[c];
        }
    }
    return n;
}

size_t fl_fake_git_count(struct fl_fake_git *w, const char *place, enum fl_fake_git_call call)
{
    if (!place) {
        return count_all(w, call, call);
    }
    fl_lock_scope(&w->lock);
    return place_at(w, place)->count[call];
}

size_t fl_fake_git_requests(struct fl_fake_git *w)
{
    return count_all(w, FL_FAKE_GIT_LIST, FL_FAKE_GIT_LIST) +
           count_all(w, FL_FAKE_GIT_LIST_TARGET, FL_FAKE_GIT_LIST_TARGET);
}

size_t fl_fake_git_processes(struct fl_fake_git *w)
{
    return count_all(w, FL_FAKE_GIT_FETCH, FL_FAKE_GIT_UPKEEP);
}

size_t fl_fake_git_calls(struct fl_fake_git *w)
{
    return count_all(w, FL_FAKE_GIT_LIST, FL_FAKE_GIT_CALLS - 1);
}

size_t fl_fake_git_opened(struct fl_fake_git *w)
{
    fl_lock_scope(&w->lock);
    return w->opened;
}

size_t fl_fake_git_open(struct fl_fake_git *w)
{
    fl_lock_scope(&w->lock);
    return w->open;
}

char *fl_fake_git_last_conf(struct fl_fake_git *w)
{
    fl_lock_scope(&w->lock);
    return fl_strdup(w->last_conf ? w->last_conf : "");
}

static int wait_held(struct fl_fake_git *w, const struct fl_ctx *ctx, enum fl_fake_git_call call,
                     struct fl_err *err)
{
    int x = 0;
    w->held++;
    fl_cond_broadcast(&w->changed);
    while (w->holding && w->hold == call && x == 0) {
        /* A cancel is an atomic flag that wakes nobody: look now and then. */
        (void)fl_cond_wait_until(&w->changed, &w->lock, fl_clock_mono_ms(fl_clock_real()) + 5);
        x = ctx ? fl_ctx_check(ctx, "fake git", err) : 0;
    }
    w->held--;
    return x;
}

/* Every call begins here. */
static int enter(struct fl_fake_git *w, const char *place, const struct fl_ctx *ctx,
                 enum fl_fake_git_call call, struct fl_err *err)
{
    fl_lock_assert_held(&w->lock);
    place_at(w, place)->count[call]++;
    int x = ctx ? fl_ctx_check(ctx, "fake git", err) : 0;
    if (x == 0 && w->holding && w->hold == call) {
        x = wait_held(w, ctx, call, err);
    }
    for (size_t i = 0; i < w->n_faults && x == 0; i++) {
        struct fl_fake_git_fault *f = &w->faults[i];
        if (f->call == call && f->times != 0 && (!f->place || strcmp(f->place, place) == 0)) {
            f->times -= f->times > 0 ? 1 : 0;
            x = fl_fail_http(err, f->code, 0, f->retry_after_ms, f->reason, "%s", f->message);
        }
    }
    return x;
}

static int enter_remote(struct fl_remote *r, const struct fl_ctx *ctx, enum fl_fake_git_call call,
                        struct fl_err *err)
{
    int x = enter(r->world, r->url, ctx, call, err);
    const struct place *p = place_at(r->world, r->url);
    if (x == 0 && p->conf.user &&
        (!fl_text_eq(p->conf.user, r->user) || !fl_text_eq(p->conf.password, r->password))) {
        x = fl_fail_http(err, FL_E_AUTH, 401, -1, "AuthenticationFailed",
                         "%s refused the credentials", r->url);
    }
    return x;
}

/* ---- the remote ---- */

static void note_conf(struct fl_fake_git *w, const struct fl_remote_conf *conf)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&b, "hosts=");
    for (const char *const *h = conf->private_hosts; h && *h; h++) {
        fl_buf_fmt(&b, "%s%s", h > conf->private_hosts ? "," : "", *h);
    }
    fl_buf_fmt(&b, "%s provider=%s run=%s secret=%zu", conf->private_hosts ? "" : "any",
               conf->provider ? conf->provider : "-", conf->run_dir ? conf->run_dir : "-",
               conf->n_secret);
    fl_free(w->last_conf);
    w->last_conf = fl_strdup(b.data);
}

static int git_open(const struct fl_remote_conf *conf, struct fl_remote **ret, struct fl_err *err)
{
    const char *user = NULL;
    const char *password = NULL;
    for (size_t i = 0; i < conf->n_secret; i++) {
        user = strcmp(conf->secret[i].key, "username") == 0 ? conf->secret[i].value.p : user;
        password =
            strcmp(conf->secret[i].key, "password") == 0 ? conf->secret[i].value.p : password;
    }
    if (conf->n_secret > 0 && (!user || !password)) {
        return fl_fail(err, FL_E_INVALID, "SecretInvalid", "it needs the keys username, password");
    }
    struct fl_remote *r = FL_NEW(struct fl_remote);
    fl_lock_scope(&world->lock);
    r->world = world;
    r->url = fl_strdup(conf->url);
    r->user = fl_strdup(user);
    r->password = fl_strdup(password);
    note_conf(world, conf);
    world->opened++;
    world->open++;
    *ret = r;
    return 0;
}

static void git_close(struct fl_remote *r)
{
    if (!r) {
        return;
    }
    {
        fl_lock_scope(&r->world->lock);
        r->world->open--;
    }
    fl_free(r->url);
    fl_free(r->user);
    fl_free(r->password);
    fl_free(r);
}

static struct fl_git_refs refs_where(struct fl_fake_git *w, struct fl_arena *a,
                                     const struct place *p, const struct fl_ref_filter *filter,
                                     bool ours)
{
    struct fl_git_refs r = {.v = fl_arena_array(a, p->n + 1, sizeof(*r.v)),
                            .head = fl_arena_text(a, p->head)};
    for (size_t i = 0; i < p->n; i++) {
        bool in = filter ? fl_ref_filter_admits(filter, fl_str_of(p->v[i].name))
                         : fl_text_starts(p->v[i].name, KEPT) == ours;
        if (in) {
            r.v[r.n++] =
                (struct fl_git_ref){fl_arena_text(a, p->v[i].name), oid_of(w, a, p->v[i].oid)};
        }
    }
    return r;
}

static const char *version_of(struct fl_arena *a, const struct fl_git_refs *refs)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&b, "HEAD %s", refs->head ? refs->head : "-");
    for (size_t i = 0; i < refs->n; i++) {
        fl_buf_fmt(&b, " %s %s", refs->v[i].oid, refs->v[i].name);
    }
    return fl_arena_str(a, fl_buf_slice(&b));
}

static int list_of(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
                   enum fl_fake_git_call call, const struct fl_ref_filter *filter,
                   struct fl_ref_list *ret, struct fl_err *err)
{
    fl_lock_scope(&r->world->lock);
    int x = enter_remote(r, ctx, call, err);
    if (x < 0) {
        return x;
    }
    const struct place *p = place_at(r->world, r->url);
    struct fl_git_refs refs = refs_where(r->world, a, p, filter, false);
    if ((int64_t)refs.n > filter->max_refs) {
        return fl_fail(err, FL_E_TOO_BIG, "TooManyRefs", "%s has more than %lld refs", r->url,
                       (long long)filter->max_refs);
    }
    const char *version = version_of(a, &refs);
    bool same = filter->known && strcmp(filter->known, version) == 0;
    fl_assert(!same || call == FL_FAKE_GIT_LIST);
    *ret = (struct fl_ref_list){.refs = same ? (struct fl_git_refs){0} : refs,
                                .same = same,
                                .version = version,
                                .protocol = p->conf.v0 ? FL_GIT_V0 : FL_GIT_V2,
                                .requests = 1,
                                .url = fl_arena_text(a, r->url)};
    return 0;
}

static int git_list(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
                    const struct fl_ref_filter *filter, struct fl_ref_list *ret, struct fl_err *err)
{
    return list_of(r, ctx, a, FL_FAKE_GIT_LIST, filter, ret, err);
}

static int git_list_target(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
                           const struct fl_ref_filter *filter, struct fl_ref_list *ret,
                           struct fl_err *err)
{
    return list_of(r, ctx, a, FL_FAKE_GIT_LIST_TARGET, filter, ret, err);
}

static int git_fetch(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_repo *repo,
                     const struct fl_fetch_want *want, struct fl_fetch_stats *ret,
                     struct fl_err *err)
{
    struct fl_fake_git *w = r->world;
    fl_lock_scope(&w->lock);
    int x = enter_remote(r, ctx, FL_FAKE_GIT_FETCH, err);
    if (x < 0) {
        return x;
    }
    fl_assert(want->n > 0 && place_at(w, repo->path)->locked);
    const struct place *p = place_at(w, r->url);
    for (size_t i = 0; i < want->n; i++) {
        const char *there = commit_at(p, want->v[i].name);
        if (!there || strcmp(there, commit_of(w, want->v[i].new)) != 0) {
            return fl_fail(err, FL_E_CONFLICT, "RemoteMoved", "%s moved since it was listed",
                           want->v[i].name);
        }
    }
    *ret = (struct fl_fetch_stats){.ms = 7, .bytes = (int64_t)want->n * 100};
    return 0;
}

/* Whether the path of a commit leads on from that of the other. */
static bool is_ancestor(const char *old, const char *new)
{
    size_t n = strlen(old);
    return strncmp(old, new, n) == 0 && (new[n] == '\0' || new[n] == '.');
}

static int git_push(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
                    struct fl_repo *repo, const struct fl_push_want *want, struct fl_push_ref **ret,
                    struct fl_err *err)
{
    struct fl_fake_git *w = r->world;
    fl_lock_scope(&w->lock);
    int x = enter_remote(r, ctx, FL_FAKE_GIT_PUSH, err);
    if (x < 0) {
        return x;
    }
    fl_assert(want->n > 0 && place_at(w, repo->path)->locked);
    struct place *p = place_at(w, r->url);
    struct fl_push_ref *v = fl_arena_array(a, want->n, sizeof(*v));
    for (size_t i = 0; i < want->n; i++) {
        const struct fl_ref_move *m = &want->v[i];
        const char *have = commit_at(p, m->name);
        const char *new = m->new ? commit_of(w, m->new) : NULL;
        bool forced = have && new && !is_ancestor(have, new);
        v[i].name = m->name;
        if (p->conf.reject && fl_text_starts(m->name, p->conf.reject)) {
            v[i].outcome = FL_PUSH_REJECTED;
            v[i].why = "protected branch hook declined";
            continue;
        }
        if (forced && want->divergence != FL_PUSH_OVERWRITE) {
            v[i].outcome = FL_PUSH_REJECTED;
            v[i].why = "diverged";
            continue;
        }
        v[i].outcome = !new     ? FL_PUSH_DELETED
                       : !have  ? FL_PUSH_CREATED
                       : forced ? FL_PUSH_FORCED
                                : FL_PUSH_UPDATED;
        ref_set(p, m->name, new);
    }
    *ret = v;
    return 0;
}

static int git_fetch_lfs(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_repo *repo,
                         struct fl_err *err)
{
    (void)repo;
    fl_lock_scope(&r->world->lock);
    return enter_remote(r, ctx, FL_FAKE_GIT_FETCH_LFS, err);
}

/* ---- the repository ---- */

static int repo_open(const struct fl_repo_conf *conf, const struct fl_ctx *ctx,
                     struct fl_repo **ret, struct fl_err *err)
{
    fl_lock_scope(&world->lock);
    int x = enter(world, conf->path, ctx, FL_FAKE_GIT_OPEN, err);
    if (x < 0) {
        return x;
    }
    struct place *p = place_at(world, conf->path);
    fl_assert(!p->locked);
    if (conf->existing && !p->made) {
        return fl_fail(err, FL_E_NOT_FOUND, "RepositoryNotFound", "%s is not there", conf->path);
    }
    p->made = p->locked = true;
    struct fl_repo *repo = FL_NEW(struct fl_repo);
    repo->world = world;
    repo->path = fl_strdup(conf->path);
    *ret = repo;
    return 0;
}

static bool repo_is_there(const char *path)
{
    fl_lock_scope(&world->lock);
    return place_at(world, path)->made;
}

static void repo_close(struct fl_repo *repo)
{
    if (!repo) {
        return;
    }
    {
        fl_lock_scope(&repo->world->lock);
        place_at(repo->world, repo->path)->locked = false;
    }
    fl_free(repo->path);
    fl_free(repo);
}

static int repo_refs(struct fl_repo *repo, struct fl_arena *a, struct fl_git_refs *ret,
                     struct fl_err *err)
{
    struct fl_fake_git *w = repo->world;
    fl_lock_scope(&w->lock);
    int x = enter(w, repo->path, NULL, FL_FAKE_GIT_REFS, err);
    if (x == 0) {
        *ret = refs_where(w, a, place_at(w, repo->path), NULL, false);
    }
    return x;
}

static int repo_kept(struct fl_repo *repo, struct fl_arena *a, struct fl_git_refs *ret,
                     struct fl_err *err)
{
    struct fl_fake_git *w = repo->world;
    fl_lock_scope(&w->lock);
    int x = enter(w, repo->path, NULL, FL_FAKE_GIT_KEPT, err);
    if (x == 0) {
        *ret = refs_where(w, a, place_at(w, repo->path), NULL, true);
    }
    return x;
}

static int repo_forced(struct fl_repo *repo, const struct fl_ctx *ctx, struct fl_ref_move *v,
                       size_t n, struct fl_err *err)
{
    struct fl_fake_git *w = repo->world;
    fl_lock_scope(&w->lock);
    int x = enter(w, repo->path, ctx, FL_FAKE_GIT_FORCED, err);
    for (size_t i = 0; i < n && x == 0; i++) {
        v[i].forced = v[i].old && v[i].new &&
                      (fl_text_starts(v[i].name, "refs/tags/") ||
                       !is_ancestor(commit_of(w, v[i].old), commit_of(w, v[i].new)));
    }
    return x;
}

static int ref_moved(const struct fl_ref_move *m, struct fl_err *err)
{
    return fl_fail(err, FL_E_CONFLICT, "RefMoved", "somebody else moved %s", m->name);
}

/* A name that is a folder of another one's. */
static bool has_place(const struct place *p, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < p->n; i++) {
        size_t k = strlen(p->v[i].name);
        bool below = k > n && strncmp(p->v[i].name, name, n) == 0 && p->v[i].name[n] == '/';
        bool above = n > k && strncmp(p->v[i].name, name, k) == 0 && name[k] == '/';
        if (below || above) {
            return false;
        }
    }
    return true;
}

static int repo_move(struct fl_repo *repo, const struct fl_ctx *ctx, const struct fl_ref_move *v,
                     size_t n, const char *head, struct fl_err *err)
{
    struct fl_fake_git *w = repo->world;
    fl_lock_scope(&w->lock);
    int x = enter(w, repo->path, ctx, FL_FAKE_GIT_MOVE, err);
    if (x < 0) {
        return x;
    }
    struct place *p = place_at(w, repo->path);
    for (size_t i = 0; i < n; i++) {
        const char *have = commit_at(p, v[i].name);
        const char *old = v[i].old ? commit_of(w, v[i].old) : NULL;
        if (!fl_text_eq(have, old)) {
            return ref_moved(&v[i], err);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (!v[i].new) {
            ref_set(p, v[i].name, NULL);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (v[i].new) {
            fl_assert(has_place(p, v[i].name));
            ref_set(p, v[i].name, commit_of(w, v[i].new));
        }
    }
    if (head) {
        fl_free(p->head);
        p->head = fl_strdup(head);
    }
    return 0;
}

static int repo_upkeep(struct fl_repo *repo, const struct fl_ctx *ctx, struct fl_repo_upkeep *ret,
                       struct fl_err *err)
{
    struct fl_fake_git *w = repo->world;
    fl_lock_scope(&w->lock);
    int x = enter(w, repo->path, ctx, FL_FAKE_GIT_UPKEEP, err);
    if (x == 0) {
        *ret = (struct fl_repo_upkeep){.done = w->upkeep_due};
        w->upkeep_due = false;
    }
    return x;
}

static int repo_size(struct fl_repo *repo, int64_t *ret_bytes, struct fl_err *err)
{
    fl_lock_scope(&repo->world->lock);
    int x = enter(repo->world, repo->path, NULL, FL_FAKE_GIT_SIZE, err);
    if (x == 0) {
        *ret_bytes = place_at(repo->world, repo->path)->size;
    }
    return x;
}

static int repo_uses_lfs(struct fl_repo *repo, const struct fl_ctx *ctx, bool *ret,
                         struct fl_err *err)
{
    fl_lock_scope(&repo->world->lock);
    int x = enter(repo->world, repo->path, ctx, FL_FAKE_GIT_USES_LFS, err);
    if (x == 0) {
        *ret = place_at(repo->world, repo->path)->lfs;
    }
    return x;
}

static int repo_remove(const char *path, struct fl_err *err)
{
    fl_lock_scope(&world->lock);
    int x = enter(world, path, NULL, FL_FAKE_GIT_REMOVE, err);
    if (x == 0) {
        struct place *p = place_at(world, path);
        fl_assert(!p->locked);
        place_clear(p);
        fl_free(p->head);
        p->head = NULL;
        p->made = false;
    }
    return x;
}

static const struct fl_mirror_ops mirror_ops = {
    .list = git_list,
    .fetch = git_fetch,
    .list_target = git_list_target,
    .push = git_push,
    .fetch_lfs = git_fetch_lfs,
};

static const struct fl_repo_ops repo_ops = {
    .open = repo_open,
    .close = repo_close,
    .is_there = repo_is_there,
    .refs = repo_refs,
    .kept = repo_kept,
    .forced = repo_forced,
    .move = repo_move,
    .upkeep = repo_upkeep,
    .size = repo_size,
    .uses_lfs = repo_uses_lfs,
    .remove = repo_remove,
};

const struct fl_adapter fl_fake_git_adapter = {
    .name = "git",
    .open = git_open,
    .close = git_close,
    .mirror = &mirror_ops,
    .repo = &repo_ops,
};

/* ---- receiver and hub: their handles are the world ---- */

struct fl_hooks {
    struct fl_fake_git world;
};
struct fl_live {
    struct fl_fake_git world;
};

struct fl_hooks *fl_fake_git_hooks(struct fl_fake_git *w)
{
    return (struct fl_hooks *)w;
}

struct fl_live *fl_fake_git_live(struct fl_fake_git *w)
{
    return (struct fl_live *)w;
}

static void hooks_put(struct fl_hooks *h, const struct fl_hook_route *route,
                      char ret_path[FL_HOOK_PATH])
{
    struct fl_fake_git *w = &h->world;
    const char *secret = route->secret && route->secret->n > 0 ? route->secret->p : "";
    fl_auto_text key = fl_asprintf("%.*s/%.*s", FL_STR_ARG(route->ns), FL_STR_ARG(route->name));
    ret_path[0] = '\0';
    if (secret[0]) {
        (void)snprintf(ret_path, FL_HOOK_PATH, "/hook/%.*s-%016llx", FL_STR_ARG(route->name),
                       (unsigned long long)fl_hash_stable(secret, strlen(secret)));
    }
    fl_lock_scope(&w->lock);
    w->puts++;
    fl_map_set(w->routes, fl_str_of(key),
               fl_asprintf("%s type=%d secret=%s place=%.*s; ", key, (int)route->type, secret,
                           FL_STR_ARG(route->place)));
}

static void hooks_drop(struct fl_hooks *h, const struct fl_kind *kind, struct fl_str ns,
                       struct fl_str name)
{
    (void)kind;
    fl_auto_text key = fl_asprintf("%.*s/%.*s", FL_STR_ARG(ns), FL_STR_ARG(name));
    fl_lock_scope(&h->world.lock);
    (void)fl_map_del(h->world.routes, fl_str_of(key));
}

const struct fl_hooks_ops fl_fake_hooks_ops = {.put = hooks_put, .drop = hooks_drop};

static int text_cmp(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char *fl_fake_git_routes(struct fl_fake_git *w)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto(fl_arena) a = fl_arena_new();
    fl_lock_scope(&w->lock);
    const char **v = NULL;
    size_t n = 0;
    size_t it = 0;
    struct fl_str key = {0};
    void *value = NULL;
    while (fl_map_next(w->routes, &it, &key, &value)) {
        v = fl_arena_grow(a, v, n, sizeof(*v));
        v[n++] = value;
    }
    if (n > 1) {
        qsort(v, n, sizeof(*v), text_cmp);
    }
    for (size_t i = 0; i < n; i++) {
        fl_buf_text(&b, v[i]);
    }
    return fl_strdup(b.data);
}

size_t fl_fake_git_puts(struct fl_fake_git *w)
{
    fl_lock_scope(&w->lock);
    return w->puts;
}

static void live_refresh(struct fl_live *l, const struct fl_live_event *e)
{
    struct fl_fake_git *w = &l->world;
    fl_lock_scope(&w->lock);
    fl_buf_fmt(&w->told, "%.*s/%.*s %s", FL_STR_ARG(e->ns), FL_STR_ARG(e->name), e->trigger);
    for (size_t i = 0; i < e->n; i++) {
        const struct fl_live_change *c = &e->v[i];
        fl_buf_fmt(&w->told, " %s%s=%s", c->old ? (c->new ? "" : "-") : "+",
                   c->name + strlen("refs/"), commit_of(w, c->new ? c->new : c->old));
    }
    fl_buf_text(&w->told, "; ");
}

const struct fl_live_ops fl_fake_live_ops = {.refresh = live_refresh};

char *fl_fake_git_told(struct fl_fake_git *w)
{
    fl_lock_scope(&w->lock);
    return fl_strdup(w->told.data);
}
