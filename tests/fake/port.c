/* SPDX-License-Identifier: Apache-2.0 */
#include "fake/port.h"

#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "wire/digest.h"

#define FAULTS_MAX 16
#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define INDEX_TYPE "application/vnd.oci.image.index.v1+json"
#define BLOB_SIZE 1000

struct image { /* one manifest */
    struct fl_arena *arena;
    struct fl_manifest m;
};

struct repo {
    struct fl_map *tags;      /* tag -> char *digest */
    struct fl_map *manifests; /* digest -> struct image */
    struct fl_map *blobs;     /* digest -> struct repo (any pointer): it is there */
};

struct place {
    char *url;
    struct fl_fake_port_conf conf; /* its texts are copies */
    struct fl_map *repos;
    size_t count[FL_FAKE_CALLS];
};

struct hold {
    const struct place *at; /* NULL: none */
    enum fl_fake_call call;
    size_t after;
};

struct fl_fake_port {
    struct fl_lock lock; /* guards all */
    struct fl_cond changed;
    struct fl_map *registries; /* url -> struct place */
    struct fl_fake_port_fault faults[FAULTS_MAX];
    size_t n_faults;
    struct hold hold;
    size_t held, uploads, opened, open, intents;
};

struct fl_remote {
    struct fl_fake_port *world;
    struct place *g;
    char *user, *password, *ca_pem;
};

struct fl_blob_source {
    struct fl_remote *r;
    char *repo, *digest;
};

static struct fl_fake_port *world; /* adapters are constants: see the header */

/* ---- what is there ---- */

static void image_free(void *any)
{
    struct image *im = any;
    fl_arena_free(im->arena);
    fl_free(im);
}

static void repo_free(void *any)
{
    struct repo *r = any;
    fl_map_free(r->tags);
    fl_map_free(r->manifests);
    fl_map_free(r->blobs);
    fl_free(r);
}

static void conf_clear(struct fl_fake_port_conf *c)
{
    fl_free((char *)c->user);
    fl_free((char *)c->password);
    fl_free((char *)c->ca_pem);
}

static void registry_free(void *any)
{
    struct place *g = any;
    conf_clear(&g->conf);
    fl_map_free(g->repos);
    fl_free(g->url);
    fl_free(g);
}

struct fl_fake_port *fl_fake_port_new(void)
{
    fl_assert(world == NULL);
    struct fl_fake_port *w = FL_NEW(struct fl_fake_port);
    fl_lock_init(&w->lock, "fake port", FL_RANK_REMOTE);
    fl_cond_init(&w->changed);
    w->registries = fl_map_new(registry_free);
    world = w;
    return w;
}

void fl_fake_port_free(struct fl_fake_port *w)
{
    if (!w) {
        return;
    }
    fl_assert(w->open == 0);
    world = NULL;
    fl_map_free(w->registries);
    fl_cond_destroy(&w->changed);
    fl_lock_destroy(&w->lock);
    fl_free(w);
}

static struct place *registry_at(struct fl_fake_port *w, const char *url)
{
    fl_lock_assert_held(&w->lock);
    struct place *g = fl_map_get(w->registries, fl_str_of(url));
    if (!g) {
        g = FL_NEW(struct place);
        g->url = fl_strdup(url);
        g->repos = fl_map_new(repo_free);
        fl_map_set(w->registries, fl_str_of(url), g);
    }
    return g;
}

static struct repo *repo_of(struct place *g, const char *name, bool make)
{
    struct repo *r = fl_map_get(g->repos, fl_str_of(name));
    if (!r && make) {
        r = FL_NEW(struct repo);
        r->tags = fl_map_new(fl_free);
        r->manifests = fl_map_new(image_free);
        r->blobs = fl_map_new(NULL);
        fl_map_set(g->repos, fl_str_of(name), r);
    }
    return r;
}

void fl_fake_port_setup(struct fl_fake_port *w, const char *url,
                        const struct fl_fake_port_conf *conf)
{
    fl_lock_scope(&w->lock);
    struct place *g = registry_at(w, url);
    conf_clear(&g->conf);
    g->conf = *conf;
    g->conf.user = fl_strdup(conf->user);
    g->conf.password = fl_strdup(conf->password);
    g->conf.ca_pem = fl_strdup(conf->ca_pem);
}

/* ---- making images ---- */

static struct fl_descriptor *copy_descriptors(struct fl_arena *a, const struct fl_descriptor *d,
                                              size_t n)
{
    struct fl_descriptor *v = fl_arena_array(a, n ? n : 1, sizeof(*v));
    for (size_t i = 0; i < n; i++) {
        v[i] = d[i];
        v[i].media_type = fl_arena_text(a, d[i].media_type);
        v[i].digest = fl_arena_text(a, d[i].digest);
    }
    return v;
}

static void copy_manifest(struct fl_arena *a, const struct fl_manifest *m, struct fl_manifest *ret)
{
    *ret = *m;
    ret->media_type = fl_arena_text(a, m->media_type);
    ret->digest = fl_arena_text(a, m->digest);
    ret->bytes = fl_str_of(fl_arena_str(a, m->bytes));
    ret->manifests = copy_descriptors(a, m->manifests, m->n_manifests);
    ret->blobs = copy_descriptors(a, m->blobs, m->n_blobs);
}

static void manifest_keep(struct repo *r, const struct fl_manifest *m)
{
    struct image *im = FL_NEW(struct image);
    im->arena = fl_arena_new();
    copy_manifest(im->arena, m, &im->m);
    fl_map_set(r->manifests, fl_str_of(m->digest), im);
}

static void tag_set(struct repo *r, const char *tag, const char *digest)
{
    fl_map_set(r->tags, fl_str_of(tag), fl_strdup(digest));
}

static const char *digest_of(struct fl_arena *a, const char *text)
{
    char d[FL_DIGEST_TEXT];
    fl_digest_of(FL_SHA256, fl_str_of(text), d);
    return fl_arena_text(a, d);
}

static const char *image_make(struct fl_arena *a, struct repo *r, const char *seed, int layers)
{
    size_t n = (size_t)layers + 1;
    struct fl_descriptor *blobs = fl_arena_array(a, n, sizeof(*blobs));
    for (size_t i = 0; i < n; i++) {
        blobs[i] = (struct fl_descriptor){
            .media_type = "application/octet-stream",
            .digest = digest_of(a, fl_arena_fmt(a, "blob %zu of %s", i, seed)),
            .size = BLOB_SIZE,
        };
        fl_map_set(r->blobs, fl_str_of(blobs[i].digest), r);
    }
    struct fl_manifest m = {.kind = FL_MANIFEST_IMAGE,
                            .media_type = MANIFEST_TYPE,
                            .bytes = fl_str_of(fl_arena_fmt(a, "image %s of %d", seed, layers)),
                            .blobs = blobs,
                            .n_blobs = n};
    m.digest = digest_of(a, m.bytes.p);
    manifest_keep(r, &m);
    return m.digest;
}

void fl_fake_port_image(struct fl_fake_port *w, const char *url, const char *repo, const char *tag,
                        const char *seed, int layers)
{
    fl_auto(fl_arena) a = fl_arena_new();
    fl_lock_scope(&w->lock);
    struct repo *r = repo_of(registry_at(w, url), repo, true);
    tag_set(r, tag, image_make(a, r, seed, layers));
}

void fl_fake_port_index(struct fl_fake_port *w, const char *url, const char *repo, const char *tag,
                        const char *seed, int children)
{
    fl_auto(fl_arena) a = fl_arena_new();
    fl_lock_scope(&w->lock);
    struct repo *r = repo_of(registry_at(w, url), repo, true);
    size_t n = (size_t)children;
    struct fl_descriptor *v = fl_arena_array(a, n, sizeof(*v));
    for (size_t i = 0; i < n; i++) {
        v[i] = (struct fl_descriptor){
            .media_type = MANIFEST_TYPE,
            .digest = image_make(a, r, fl_arena_fmt(a, "%s child %zu", seed, i), 1),
            .size = 100,
        };
    }
    struct fl_manifest m = {.kind = FL_MANIFEST_INDEX,
                            .media_type = INDEX_TYPE,
                            .bytes = fl_str_of(fl_arena_fmt(a, "index %s of %d", seed, children)),
                            .manifests = v,
                            .n_manifests = n};
    m.digest = digest_of(a, m.bytes.p);
    manifest_keep(r, &m);
    tag_set(r, tag, m.digest);
}

void fl_fake_port_untag(struct fl_fake_port *w, const char *url, const char *repo, const char *tag)
{
    fl_lock_scope(&w->lock);
    struct repo *r = repo_of(registry_at(w, url), repo, false);
    if (r) {
        (void)fl_map_del(r->tags, fl_str_of(tag));
    }
}

bool fl_fake_port_digest(struct fl_fake_port *w, const char *url, const char *repo, const char *tag,
                         char ret[FL_DIGEST_MAX])
{
    fl_lock_scope(&w->lock);
    struct repo *r = repo_of(registry_at(w, url), repo, false);
    const char *d = r ? fl_map_get(r->tags, fl_str_of(tag)) : NULL;
    if (d) {
        memcpy(ret, d, strlen(d) + 1);
    }
    return d != NULL;
}

size_t fl_fake_port_tags(struct fl_fake_port *w, const char *url)
{
    fl_lock_scope(&w->lock);
    size_t it = 0;
    size_t n = 0;
    struct fl_str key = {0};
    void *value = NULL;
    while (fl_map_next(registry_at(w, url)->repos, &it, &key, &value)) {
        n += fl_map_len(((struct repo *)value)->tags);
    }
    return n;
}

/* Blobs and direct children; children were whole when they were taken. */
static const char *missing(const struct repo *r, const struct fl_manifest *m)
{
    for (size_t i = 0; i < m->n_blobs; i++) {
        if (!m->blobs[i].foreign && !fl_map_get(r->blobs, fl_str_of(m->blobs[i].digest))) {
            return m->blobs[i].digest;
        }
    }
    for (size_t i = 0; i < m->n_manifests; i++) {
        if (!fl_map_get(r->manifests, fl_str_of(m->manifests[i].digest))) {
            return m->manifests[i].digest;
        }
    }
    return NULL;
}

static bool repo_whole(const struct repo *r)
{
    size_t it = 0;
    struct fl_str key = {0};
    void *value = NULL;
    while (fl_map_next(r->tags, &it, &key, &value)) {
        if (!fl_map_get(r->manifests, fl_str_of(value))) {
            return false;
        }
    }
    it = 0;
    while (fl_map_next(r->manifests, &it, &key, &value)) {
        if (missing(r, &((struct image *)value)->m)) {
            return false;
        }
    }
    return true;
}

bool fl_fake_port_whole(struct fl_fake_port *w, const char *url)
{
    fl_lock_scope(&w->lock);
    size_t it = 0;
    struct fl_str key = {0};
    void *value = NULL;
    while (fl_map_next(registry_at(w, url)->repos, &it, &key, &value)) {
        if (!repo_whole(value)) {
            return false;
        }
    }
    return true;
}

/* ---- what the test commands and counts ---- */

void fl_fake_port_fail(struct fl_fake_port *w, const struct fl_fake_port_fault *f)
{
    fl_lock_scope(&w->lock);
    fl_assert(w->n_faults < FAULTS_MAX);
    w->faults[w->n_faults++] = *f;
}

void fl_fake_port_heal(struct fl_fake_port *w)
{
    fl_lock_scope(&w->lock);
    w->n_faults = 0;
}

void fl_fake_port_hold(struct fl_fake_port *w, const char *url, enum fl_fake_call call,
                       size_t after)
{
    fl_lock_scope(&w->lock);
    w->hold = (struct hold){registry_at(w, url), call, after};
}

void fl_fake_port_release(struct fl_fake_port *w)
{
    fl_lock_scope(&w->lock);
    w->hold = (struct hold){0};
    fl_cond_broadcast(&w->changed);
}

static size_t get(struct fl_fake_port *w, const size_t *counter)
{
    fl_lock_scope(&w->lock);
    return *counter;
}

size_t fl_fake_port_held(struct fl_fake_port *w)
{
    return get(w, &w->held);
}

size_t fl_fake_port_intents(struct fl_fake_port *w)
{
    return get(w, &w->intents);
}

size_t fl_fake_port_uploads(struct fl_fake_port *w)
{
    return get(w, &w->uploads);
}

size_t fl_fake_port_opened(struct fl_fake_port *w)
{
    return get(w, &w->opened);
}

size_t fl_fake_port_open(struct fl_fake_port *w)
{
    return get(w, &w->open);
}

size_t fl_fake_port_count(struct fl_fake_port *w, const char *url, enum fl_fake_call call)
{
    fl_lock_scope(&w->lock);
    size_t it = 0;
    size_t n = 0;
    struct fl_str key = {0};
    void *value = NULL;
    while (fl_map_next(w->registries, &it, &key, &value)) {
        const struct place *g = value;
        n += !url || strcmp(g->url, url) == 0 ? g->count[call] : 0;
    }
    return n;
}

size_t fl_fake_port_writes(struct fl_fake_port *w)
{
    return fl_fake_port_count(w, NULL, FL_FAKE_PUT) + fl_fake_port_count(w, NULL, FL_FAKE_PUSH);
}

size_t fl_fake_port_calls(struct fl_fake_port *w)
{
    size_t n = 0;
    for (int i = 0; i < FL_FAKE_CALLS; i++) {
        n += fl_fake_port_count(w, NULL, (enum fl_fake_call)i);
    }
    return n;
}

/* ---- each call ---- */

static bool hold_lets_through(struct fl_fake_port *w, const struct fl_remote *r,
                              enum fl_fake_call call)
{
    struct hold *h = &w->hold;
    if (h->at != r->g || h->call != call) {
        return true;
    }
    if (h->after > 0) {
        h->after--;
        return true;
    }
    return false;
}

/* A cancel wakes nobody, so it is looked for. */
static int wait_held(struct fl_remote *r, const struct fl_ctx *ctx, enum fl_fake_call call,
                     struct fl_err *err)
{
    struct fl_fake_port *w = r->world;
    int x = 0;
    while (x == 0 && !hold_lets_through(w, r, call)) {
        w->held++;
        fl_clock_wait(fl_clock_real(), &w->changed, &w->lock,
                      fl_clock_mono_ms(fl_clock_real()) + 2);
        w->held--;
        if (fl_ctx_canceled(ctx)) {
            x = fl_fail(err, FL_E_CANCELED, "Canceled", "the call was cut off");
        }
    }
    return x;
}

static int fault_of(struct fl_remote *r, enum fl_fake_call call, const char *what,
                    struct fl_err *err)
{
    struct fl_fake_port *w = r->world;
    for (size_t i = 0; i < w->n_faults; i++) {
        struct fl_fake_port_fault *f = &w->faults[i];
        if (f->times == 0 || f->call != call || (f->url && strcmp(f->url, r->g->url) != 0) ||
            (f->contain && !strstr(what, f->contain))) {
            continue;
        }
        f->times -= f->times > 0 ? 1 : 0;
        return fl_fail_http(err, f->code, f->http_status, f->retry_after_ms, f->reason, "%s: %s",
                            what, f->message);
    }
    return 0;
}

static int refuse(struct fl_remote *r, struct fl_err *err)
{
    const struct fl_fake_port_conf *c = &r->g->conf;
    if (c->ca_pem && !fl_text_eq(c->ca_pem, r->ca_pem)) {
        return fl_fail(err, FL_E_UNAVAILABLE, "CertificateNotTrusted",
                       "%s: its certificate is of an authority that is not trusted", r->g->url);
    }
    if (c->user && (!fl_text_eq(c->user, r->user) || !fl_text_eq(c->password, r->password))) {
        return fl_fail_http(err, FL_E_AUTH, 401, -1, "Unauthorized", "%s answered 401%s", r->g->url,
                            r->user ? ": it refused the credentials" : "");
    }
    return 0;
}

/* With the lock held. Counts, waits where the test holds, fails where it says so. */
static int enter(struct fl_remote *r, const struct fl_ctx *ctx, enum fl_fake_call call,
                 const char *what, struct fl_err *err)
{
    fl_lock_assert_held(&r->world->lock);
    r->g->count[call]++;
    int x = wait_held(r, ctx, call, err);
    if (x == 0) {
        x = fault_of(r, call, what, err);
    }
    return x < 0 ? x : refuse(r, err);
}

static int fake_open(const struct fl_remote_conf *conf, struct fl_remote **ret, struct fl_err *err)
{
    const char *user = NULL;
    const char *password = NULL;
    for (size_t i = 0; i < conf->n_secret; i++) {
        user = strcmp(conf->secret[i].key, "username") == 0 ? conf->secret[i].value.p : user;
        password =
            strcmp(conf->secret[i].key, "password") == 0 ? conf->secret[i].value.p : password;
    }
    if (conf->secret && (!user || !password)) {
        return fl_fail(err, FL_E_INVALID, "SecretInvalid", "it needs the keys username, password");
    }
    struct fl_remote *r = FL_NEW(struct fl_remote);
    fl_lock_scope(&world->lock);
    r->world = world;
    r->g = registry_at(world, conf->url);
    r->user = fl_strdup(user);
    r->password = fl_strdup(password);
    r->ca_pem = fl_strdup(conf->ca_pem);
    world->opened++;
    world->open++;
    *ret = r;
    return 0;
}

static void fake_close(struct fl_remote *r)
{
    if (!r) {
        return;
    }
    {
        fl_lock_scope(&r->world->lock);
        r->world->open--;
    }
    fl_free(r->user);
    fl_free(r->password);
    fl_free(r->ca_pem);
    fl_free(r);
}

static int fake_probe(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_registry_probe *ret,
                      struct fl_err *err)
{
    fl_lock_scope(&r->world->lock);
    int x = enter(r, ctx, FL_FAKE_PROBE, "probe", err);
    if (x < 0) {
        return x;
    }
    *ret = (struct fl_registry_probe){
        .auth = r->g->conf.user ? FL_AUTH_BASIC : FL_AUTH_ANONYMOUS,
        .catalog = !r->g->conf.no_catalog,
        .listing_digests = r->g->conf.listing_digests,
    };
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **keys_of(struct fl_arena *a, const struct fl_map *m, size_t *ret_n)
{
    const char **v = fl_arena_array(a, fl_map_len(m) + 1, sizeof(*v));
    size_t it = 0;
    size_t n = 0;
    struct fl_str key = {0};
    void *value = NULL;
    while (fl_map_next(m, &it, &key, &value)) {
        v[n++] = fl_arena_str(a, key);
    }
    if (n > 1) {
        qsort(v, n, sizeof(*v), by_text);
    }
    *ret_n = n;
    return v;
}

static int fake_list_repositories(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
                                  const char *const **ret, size_t *ret_n, struct fl_err *err)
{
    fl_lock_scope(&r->world->lock);
    int x = enter(r, ctx, FL_FAKE_LIST_REPOSITORIES, "catalog", err);
    if (x < 0) {
        return x;
    }
    if (r->g->conf.no_catalog) {
        return fl_fail_http(err, FL_E_UNSUPPORTED, 404, -1, "NoCatalog",
                            "%s does not list its repositories: name them in spec.repositories",
                            r->g->url);
    }
    *ret = keys_of(a, r->g->repos, ret_n);
    return 0;
}

static int fake_list_tags(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
                          const char *repo, struct fl_tag **ret, size_t *ret_n, struct fl_err *err)
{
    fl_lock_scope(&r->world->lock);
    int x = enter(r, ctx, FL_FAKE_LIST_TAGS, repo, err);
    if (x < 0) {
        return x;
    }
    const struct repo *p = repo_of(r->g, repo, false);
    if (!p) {
        return fl_fail_http(err, FL_E_NOT_FOUND, 404, -1, "NameUnknown", "%s: no such repository",
                            repo);
    }
    size_t n = 0;
    const char **names = keys_of(a, p->tags, &n);
    struct fl_tag *tags = fl_arena_array(a, n + 1, sizeof(*tags));
    for (size_t i = 0; i < n; i++) {
        tags[i].name = names[i];
        if (r->g->conf.listing_digests) {
            tags[i].digest = fl_arena_text(a, fl_map_get(p->tags, fl_str_of(names[i])));
        }
    }
    *ret = tags;
    *ret_n = n;
    return 0;
}

/* ref: tag or digest. NULL: not there. */
static const struct image *find(struct fl_remote *r, const char *repo, const char *ref)
{
    const struct repo *p = repo_of(r->g, repo, false);
    if (!p) {
        return NULL;
    }
    const char *digest = strchr(ref, ':') ? ref : fl_map_get(p->tags, fl_str_of(ref));
    return digest ? fl_map_get(p->manifests, fl_str_of(digest)) : NULL;
}

static int not_found(const char *what, struct fl_err *err)
{
    return fl_fail_http(err, FL_E_NOT_FOUND, 404, -1, "ManifestUnknown", "%s is not there", what);
}

static int fake_head(struct fl_remote *r, const struct fl_ctx *ctx, const char *repo,
                     const char *ref, bool writing, struct fl_manifest_head *ret,
                     struct fl_err *err)
{
    fl_auto_text what = fl_asprintf("%s:%s", repo, ref);
    fl_lock_scope(&r->world->lock);
    r->world->intents += writing ? 1 : 0;
    int x = enter(r, ctx, FL_FAKE_HEAD, what, err);
    if (x < 0) {
        return x;
    }
    const struct image *im = find(r, repo, ref);
    if (!im) {
        return not_found(what, err);
    }
    *ret = (struct fl_manifest_head){.size = (int64_t)im->m.bytes.n};
    memcpy(ret->digest, im->m.digest, strlen(im->m.digest) + 1);
    memcpy(ret->media_type, im->m.media_type, strlen(im->m.media_type) + 1);
    return 0;
}

/* Where a test has arranged something, head_manifest meets it. */
static bool plain_heads(struct fl_remote *r)
{
    const struct fl_fake_port *w = r->world;
    struct fl_err ignored = FL_ERR_INIT;
    for (size_t i = 0; i < w->n_faults; i++) {
        if (w->faults[i].call == FL_FAKE_HEAD && w->faults[i].times != 0) {
            return false;
        }
    }
    return !(w->hold.at == r->g && w->hold.call == FL_FAKE_HEAD) && refuse(r, &ignored) == 0;
}

static bool fake_head_tags(struct fl_remote *r, const struct fl_ctx *ctx, const char *repo,
                           bool writing, struct fl_tag_head *tags, size_t n)
{
    fl_lock_scope(&r->world->lock);
    bool plain = plain_heads(r) && !fl_ctx_canceled(ctx);
    for (size_t i = 0; i < n; i++) {
        tags[i].told = FL_TAG_UNTOLD;
        if (!plain) {
            continue;
        }
        r->world->intents += writing ? 1 : 0;
        r->g->count[FL_FAKE_HEAD]++;
        const struct image *im = find(r, repo, tags[i].name);
        tags[i].told = im ? FL_TAG_THERE : FL_TAG_ABSENT;
        if (im) {
            memcpy(tags[i].digest, im->m.digest, strlen(im->m.digest) + 1);
        }
    }
    return plain;
}

static int fake_get(struct fl_remote *r, const struct fl_ctx *ctx, struct fl_arena *a,
                    const char *repo, const char *digest, struct fl_manifest *ret,
                    struct fl_err *err)
{
    fl_auto_text what = fl_asprintf("%s@%s", repo, digest);
    fl_lock_scope(&r->world->lock);
    int x = enter(r, ctx, FL_FAKE_GET, what, err);
    if (x < 0) {
        return x;
    }
    const struct image *im = find(r, repo, digest);
    if (!im) {
        return not_found(what, err);
    }
    copy_manifest(a, &im->m, ret);
    return 0;
}

static int fake_put(struct fl_remote *r, const struct fl_ctx *ctx, const char *repo,
                    const char *ref, const struct fl_manifest *m, struct fl_err *err)
{
    fl_auto_text what = fl_asprintf("%s:%s", repo, ref);
    char digest[FL_DIGEST_TEXT];
    fl_digest_of(FL_SHA256, m->bytes, digest);
    fl_lock_scope(&r->world->lock);
    int x = enter(r, ctx, FL_FAKE_PUT, what, err);
    if (x < 0) {
        return x;
    }
    if (strcmp(digest, m->digest) != 0) {
        return fl_fail_http(err, FL_E_BAD_DATA, 400, -1, "DigestMismatch", "%s: not its digest",
                            what);
    }
    struct repo *p = repo_of(r->g, repo, true);
    const char *gap = missing(p, m);
    if (gap) {
        return fl_fail_http(err, FL_E_NOT_FOUND, 404, -1, "BlobUnknown", "%s: no %s", what, gap);
    }
    manifest_keep(p, m);
    if (!strchr(ref, ':')) {
        tag_set(p, ref, m->digest);
    }
    return 0;
}

static int fake_open_blob(struct fl_remote *r, const struct fl_ctx *ctx, const char *repo,
                          const struct fl_descriptor *d, struct fl_blob_source **ret,
                          struct fl_err *err)
{
    (void)ctx;
    (void)err;
    struct fl_blob_source *s = FL_NEW(struct fl_blob_source);
    s->r = r;
    s->repo = fl_strdup(repo);
    s->digest = fl_strdup(d->digest);
    *ret = s;
    return 0;
}

static void fake_close_blob(struct fl_blob_source *s)
{
    if (s) {
        fl_free(s->repo);
        fl_free(s->digest);
        fl_free(s);
    }
}

static bool has_blob(struct fl_remote *r, const char *repo, const char *digest)
{
    const struct repo *p = repo ? repo_of(r->g, repo, false) : NULL;
    return p && fl_map_get(p->blobs, fl_str_of(digest));
}

static int fake_push(struct fl_remote *r, const struct fl_ctx *ctx, const char *repo,
                     const struct fl_descriptor *d, const char *mount_from, bool skip_head,
                     struct fl_blob_source *src, atomic_llong *moved, enum fl_blob_outcome *ret,
                     struct fl_err *err)
{
    fl_auto_text what = fl_asprintf("%s@%s", repo, d->digest);
    fl_lock_scope(&r->world->lock);
    int x = enter(r, ctx, FL_FAKE_PUSH, what, err);
    if (x < 0) {
        return x;
    }
    if (!skip_head && has_blob(r, repo, d->digest)) {
        *ret = FL_BLOB_EXISTED;
        return 0;
    }
    if (has_blob(r, mount_from, d->digest)) {
        *ret = FL_BLOB_MOUNTED;
    } else if (has_blob(src->r, src->repo, src->digest)) {
        *ret = FL_BLOB_COPIED;
        r->world->uploads++;
        atomic_fetch_add(moved, d->size);
    } else {
        return fl_fail_http(err, FL_E_NOT_FOUND, 404, -1, "BlobUnknown", "%s: not at the source",
                            what);
    }
    struct repo *p = repo_of(r->g, repo, true);
    fl_map_set(p->blobs, fl_str_of(d->digest), p);
    return 0;
}

static const struct fl_registry_ops fake_ops = {
    .probe = fake_probe,
    .list_repositories = fake_list_repositories,
    .list_tags = fake_list_tags,
    .head_manifest = fake_head,
    .head_tags = fake_head_tags,
    .get_manifest = fake_get,
    .put_manifest = fake_put,
    .open_blob = fake_open_blob,
    .push_blob = fake_push,
    .close_blob = fake_close_blob,
};

const struct fl_adapter fl_fake_adapter = {
    .name = "oci",
    .open = fake_open,
    .close = fake_close,
    .registry = &fake_ops,
};
