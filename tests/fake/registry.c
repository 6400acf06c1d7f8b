/* SPDX-License-Identifier: Apache-2.0
 * What the registry holds, and what its owner asks of it. */
#include "fake/registry.h"

#include <stdarg.h>

#include "fake/registry_priv.h"
#include "wire/digest.h"
#include "wire/json.h"

void reg_problem(struct fl_fake_registry *r, const struct fl_peer_request *req, const char *fmt,
                 ...)
{
    va_list ap;
    va_start(ap, fmt);
    fl_buf_fmt(&r->problems, "registry: %s %s: ", req->method, req->target);
    fl_buf_vfmt(&r->problems, fmt, ap);
    fl_buf_char(&r->problems, '\n');
    r->n_problems++;
    va_end(ap);
}

/* ---- repositories ---- */

static void blob_drop(void *any)
{
    fl_shared_free(any);
}

static void manifest_drop(void *any)
{
    struct reg_manifest *m = any;
    fl_shared_free(m->bytes);
    fl_free(m->media_type);
    fl_free(m);
}

static void repo_drop(void *any)
{
    struct reg_repo *p = any;
    fl_map_free(p->blobs);
    fl_map_free(p->manifests);
    fl_map_free(p->tags);
    fl_free(p);
}

struct reg_repo *reg_repo(struct fl_fake_registry *r, const char *name, bool make)
{
    struct reg_repo *p = fl_map_get(r->repos, fl_str_of(name));
    if (!p && make) {
        p = FL_NEW(struct reg_repo);
        p->blobs = fl_map_new(blob_drop);
        p->manifests = fl_map_new(manifest_drop);
        p->tags = fl_map_new(fl_free);
        fl_map_set(r->repos, fl_str_of(name), p);
    }
    return p;
}

static const char *digest_of(struct fl_fake_registry *r, struct fl_str content)
{
    char text[FL_DIGEST_TEXT];
    fl_digest_of(FL_SHA256, content, text);
    return fl_arena_text(r->arena, text);
}

const char *reg_put_blob(struct fl_fake_registry *r, const char *repo, struct fl_str content)
{
    const char *digest = digest_of(r, content);
    fl_map_set(reg_repo(r, repo, true)->blobs, fl_str_of(digest), fl_shared_new(content));
    return digest;
}

const char *reg_put_manifest(struct fl_fake_registry *r, const char *repo, const char *media_type,
                             struct fl_str bytes)
{
    const char *digest = digest_of(r, bytes);
    struct reg_manifest *m = FL_NEW(struct reg_manifest);
    m->media_type = fl_strdup(media_type);
    m->bytes = fl_shared_new(bytes);
    fl_map_set(reg_repo(r, repo, true)->manifests, fl_str_of(digest), m);
    return digest;
}

static bool foreign(const struct fl_json *d)
{
    const char *type = fl_json_get_text(d, "mediaType");
    return type && (strstr(type, ".foreign.") || strstr(type, ".nondistributable."));
}

static const char *missing_of(struct fl_arena *a, struct fl_map *there, const struct fl_json *d)
{
    const char *digest = fl_json_get_text(d, "digest");
    if (digest && !foreign(d) && !fl_map_get(there, fl_str_of(digest))) {
        return fl_arena_text(a, digest);
    }
    return NULL;
}

const char *reg_missing(struct fl_arena *a, const struct reg_repo *repo, struct fl_str manifest)
{
    fl_auto(fl_json) j = NULL;
    if (fl_json_parse(manifest, (size_t)64 << 20, &j, NULL) < 0) {
        return "(not JSON)";
    }
    const struct fl_json *children = fl_json_get(j, "manifests");
    const struct fl_json *layers = fl_json_get(j, "layers");
    const char *digest = missing_of(a, repo->blobs, fl_json_get(j, "config"));
    for (size_t i = 0; !digest && i < fl_json_len(layers); i++) {
        digest = missing_of(a, repo->blobs, fl_json_at(layers, i));
    }
    for (size_t i = 0; !digest && i < fl_json_len(children); i++) {
        digest = missing_of(a, repo->manifests, fl_json_at(children, i));
    }
    return digest;
}

/* ---- life ---- */

struct fl_fake_registry *fl_fake_registry_new(const struct fl_fake_registry_conf *conf)
{
    struct fl_fake_registry *r = FL_NEW(struct fl_fake_registry);
    r->conf = *conf;
    fl_lock_init(&r->lock, "fake-registry", FL_RANK_STORE);
    r->arena = fl_arena_new();
    r->repos = fl_map_new(repo_drop);
    r->sessions = fl_map_new(fl_free);
    fl_buf_init(&r->problems, FL_BUF_ANY);
    struct fl_peer_conf pc = {
        .handle = reg_handle,
        .early = reg_early,
        .arg = r,
        .body_cap = (size_t)256 << 20,
        .cert_pem = conf->cert_pem,
        .key_pem = conf->key_pem,
    };
    /* Nobody asks before both stand: their first answers name each other. */
    fl_lock_take(&r->lock);
    r->peer = fl_peer_new(&pc);
    pc.handle = reg_handle_side;
    r->side = fl_peer_new(&pc);
    fl_lock_drop(&r->lock);
    return r;
}

void fl_fake_registry_free(struct fl_fake_registry *r)
{
    if (!r) {
        return;
    }
    fl_peer_free(r->peer);
    fl_peer_free(r->side);
    reg_tokens_free(r);
    fl_map_free(r->sessions);
    fl_map_free(r->repos);
    fl_buf_release(&r->problems);
    fl_arena_free(r->arena);
    fl_lock_destroy(&r->lock);
    fl_free(r);
}

const char *fl_fake_registry_url(const struct fl_fake_registry *r)
{
    return fl_peer_url(r->peer);
}

struct fl_peer *fl_fake_registry_peer(struct fl_fake_registry *r)
{
    return r->peer;
}

struct fl_peer *fl_fake_registry_side(struct fl_fake_registry *r)
{
    return r->side;
}

/* ---- content ---- */

const char *fl_fake_registry_blob(struct fl_fake_registry *r, const char *repo,
                                  struct fl_str content)
{
    fl_lock_scope(&r->lock);
    return reg_put_blob(r, repo, content);
}

const char *fl_fake_registry_fill(struct fl_fake_registry *r, const char *repo, int64_t offset,
                                  size_t n)
{
    char *text = fl_malloc(n);
    fl_peer_fill(offset, text, n);
    const char *digest = fl_fake_registry_blob(r, repo, (struct fl_str){text, n});
    fl_free(text);
    return digest;
}

const char *fl_fake_registry_manifest(struct fl_fake_registry *r, const char *repo, const char *tag,
                                      const char *media_type, const char *bytes)
{
    fl_lock_scope(&r->lock);
    const char *digest = reg_put_manifest(r, repo, media_type, fl_str_of(bytes));
    if (tag) {
        fl_map_set(reg_repo(r, repo, true)->tags, fl_str_of(tag), fl_strdup(digest));
    }
    return digest;
}

static size_t blob_size(struct fl_fake_registry *r, const char *repo, const char *digest)
{
    fl_lock_scope(&r->lock);
    struct reg_repo *p = reg_repo(r, repo, true);
    const struct fl_shared *b = fl_map_get(p->blobs, fl_str_of(digest));
    const struct reg_manifest *m = fl_map_get(p->manifests, fl_str_of(digest));
    fl_assert(b || m);
    return b ? b->n : m->bytes->n;
}

static void descriptor(struct fl_fake_registry *r, struct fl_buf *b, const char *repo,
                       const char *type, const char *digest)
{
    fl_buf_fmt(b, "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}", type, digest,
               blob_size(r, repo, digest));
}

const char *fl_fake_registry_image_of(struct fl_fake_registry *r, const char *repo, const char *tag,
                                      const char *const *blobs)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&b, "{\"schemaVersion\":2,\"mediaType\":\"" FL_FAKE_OCI_IMAGE "\",\"config\":");
    descriptor(r, &b, repo, "application/vnd.oci.image.config.v1+json", blobs[0]);
    fl_buf_text(&b, ",\"layers\":[");
    for (size_t i = 1; blobs[i]; i++) {
        fl_buf_text(&b, i > 1 ? "," : "");
        descriptor(r, &b, repo, "application/vnd.oci.image.layer.v1.tar+gzip", blobs[i]);
    }
    fl_buf_text(&b, "]}");
    return fl_fake_registry_manifest(r, repo, tag, FL_FAKE_OCI_IMAGE, b.data);
}

const char *fl_fake_registry_image(struct fl_fake_registry *r, const char *repo, const char *tag,
                                   const char *const *layers)
{
    fl_auto_val(fl_buf) config = FL_BUF_INIT(FL_BUF_ANY);
    const char *blobs[64] = {0};
    fl_buf_fmt(&config, "{\"of\":\"%s:%s\"", repo, tag ? tag : "");
    size_t n = 0;
    for (; layers[n] && n + 2 < FL_LEN(blobs); n++) {
        blobs[n + 1] = fl_fake_registry_blob(r, repo, fl_str_of(layers[n]));
        fl_buf_fmt(&config, ",\"%zu\":\"%s\"", n, blobs[n + 1]);
    }
    fl_buf_char(&config, '}');
    blobs[0] = fl_fake_registry_blob(r, repo, fl_buf_slice(&config));
    return fl_fake_registry_image_of(r, repo, tag, blobs);
}

static bool is_index(struct fl_fake_registry *r, const char *repo, const char *digest)
{
    fl_lock_scope(&r->lock);
    const struct reg_manifest *m =
        fl_map_get(reg_repo(r, repo, true)->manifests, fl_str_of(digest));
    return m && fl_text_eq(m->media_type, FL_FAKE_OCI_INDEX);
}

const char *fl_fake_registry_index(struct fl_fake_registry *r, const char *repo, const char *tag,
                                   const char *const *children)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&b, "{\"schemaVersion\":2,\"mediaType\":\"" FL_FAKE_OCI_INDEX "\",\"manifests\":[");
    for (size_t i = 0; children[i]; i++) {
        fl_buf_text(&b, i ? "," : "");
        const char *type = is_index(r, repo, children[i]) ? FL_FAKE_OCI_INDEX : FL_FAKE_OCI_IMAGE;
        descriptor(r, &b, repo, type, children[i]);
    }
    fl_buf_text(&b, "]}");
    return fl_fake_registry_manifest(r, repo, tag, FL_FAKE_OCI_INDEX, b.data);
}

void fl_fake_registry_tag(struct fl_fake_registry *r, const char *repo, const char *tag,
                          const char *digest)
{
    fl_lock_scope(&r->lock);
    fl_map_set(reg_repo(r, repo, true)->tags, fl_str_of(tag), fl_strdup(digest));
}

void fl_fake_registry_untag(struct fl_fake_registry *r, const char *repo, const char *tag)
{
    fl_lock_scope(&r->lock);
    fl_map_del(reg_repo(r, repo, true)->tags, fl_str_of(tag));
}

void fl_fake_registry_drop(struct fl_fake_registry *r, const char *repo, const char *digest)
{
    fl_lock_scope(&r->lock);
    struct reg_repo *p = reg_repo(r, repo, true);
    fl_map_del(p->blobs, fl_str_of(digest));
    fl_map_del(p->manifests, fl_str_of(digest));
}

const char *fl_fake_registry_digest(struct fl_fake_registry *r, const char *repo, const char *tag)
{
    fl_lock_scope(&r->lock);
    struct reg_repo *p = reg_repo(r, repo, false);
    return p ? fl_arena_text(r->arena, fl_map_get(p->tags, fl_str_of(tag))) : NULL;
}

bool fl_fake_registry_has(struct fl_fake_registry *r, const char *repo, const char *digest)
{
    fl_lock_scope(&r->lock);
    struct reg_repo *p = reg_repo(r, repo, false);
    return p &&
           (fl_map_get(p->blobs, fl_str_of(digest)) || fl_map_get(p->manifests, fl_str_of(digest)));
}

/* Every manifest that the repository holds has all that it refers to: put in order, nothing is ever missing below a tag. */
static bool whole(struct fl_fake_registry *r, const char *repo)
{
    fl_lock_scope(&r->lock);
    fl_auto(fl_arena) a = fl_arena_new();
    const struct reg_repo *p = reg_repo(r, repo, false);
    struct fl_str digest;
    void *any;
    for (size_t it = 0; p && fl_map_next(p->manifests, &it, &digest, &any);) {
        const struct reg_manifest *m = any;
        if (reg_missing(a, p, fl_shared_str(m->bytes))) {
            return false;
        }
    }
    return p != NULL;
}

bool fl_fake_registry_same(struct fl_fake_registry *r, const char *repo, const char *tag,
                           struct fl_fake_registry *there, const char *repo_there)
{
    const char *a = fl_fake_registry_digest(r, repo, tag);
    const char *b = fl_fake_registry_digest(there, repo_there, tag);
    return a && b && fl_text_eq(a, b) && fl_fake_registry_has(there, repo_there, b) &&
           whole(there, repo_there);
}

/* ---- what was asked ---- */

size_t fl_fake_registry_count(struct fl_fake_registry *r, enum fl_fake_kind kind)
{
    fl_lock_scope(&r->lock);
    size_t n = 0;
    for (int i = 0; i < FL_FAKE_KINDS; i++) {
        n += kind == FL_FAKE_KINDS || (int)kind == i ? r->counts[i] : 0;
    }
    return n;
}

void fl_fake_registry_count_reset(struct fl_fake_registry *r)
{
    fl_lock_scope(&r->lock);
    memset(r->counts, 0, sizeof(r->counts));
    r->mounted = 0;
    r->uploaded = 0;
}

size_t fl_fake_registry_sessions(struct fl_fake_registry *r)
{
    fl_lock_scope(&r->lock);
    return fl_map_len(r->sessions);
}

size_t fl_fake_registry_mounted(struct fl_fake_registry *r)
{
    fl_lock_scope(&r->lock);
    return r->mounted;
}

size_t fl_fake_registry_uploaded(struct fl_fake_registry *r)
{
    fl_lock_scope(&r->lock);
    return r->uploaded;
}

static bool holds(struct fl_str s, const char *needle)
{
    size_t n = strlen(needle);
    for (size_t i = 0; i + n <= s.n; i++) {
        if (memcmp(s.p + i, needle, n) == 0) {
            return true;
        }
    }
    return false;
}

static size_t grep_peer(struct fl_peer *p, const char *needle)
{
    size_t found = 0;
    for (size_t i = 0; i < fl_peer_count(p); i++) {
        const struct fl_peer_record *rec = fl_peer_at(p, i);
        bool hit = strstr(rec->target, needle) || holds(rec->body, needle);
        for (size_t k = 0; k < rec->n_headers; k++) {
            hit = hit || strstr(rec->headers[k].value, needle);
        }
        found += hit;
    }
    return found;
}

size_t fl_fake_registry_grep(struct fl_fake_registry *r, const char *needle)
{
    return grep_peer(r->peer, needle) + grep_peer(r->side, needle);
}

int fl_fake_registry_verify(struct fl_fake_registry *r)
{
    int n = fl_peer_verify(r->peer) + fl_peer_verify(r->side);
    fl_lock_scope(&r->lock);
    (void)fputs(r->problems.data, stderr);
    n += r->n_problems;
    for (size_t i = 0; i < r->n_rules; i++) {
        const struct fl_fake_fault *f = &r->rules[i].f;
        if (r->rules[i].hits == 0) {
            (void)fprintf(stderr, "registry: fault %d at %s %s was never met (%d matched)\n",
                          (int)f->kind, f->method ? f->method : "*", f->path, r->rules[i].seen);
            n++;
        }
    }
    return n;
}
