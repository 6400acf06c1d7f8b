/* SPDX-License-Identifier: Apache-2.0
 * The copier between two registries in memory, which refuse a manifest before what it refers to: what arrives, in how many
 * requests, and what a fault of either side leaves behind. Interleavings: unit/reconcile/test_copy.c. */
#include "contract/env.h"
#include "reconcile/copy.h"

#define ITEMS_MAX 64
#define NO_DIGEST "sha256:1111111111111111111111111111111111111111111111111111111111111111"

struct run {
    struct env e;
    struct fl_registry_link from, to;
    struct fl_execution_item wants[ITEMS_MAX];
    struct fl_copy_item items[ITEMS_MAX];
    size_t n;
    struct fl_copy_totals totals;
    struct fl_cancel stop;
    bool no_override;
    int concurrency;
    int x;
    struct fl_err err;
};

static void run_init(struct run *r, const struct fl_fake_registry_conf *from,
                     const struct fl_fake_registry_conf *to)
{
    static const struct fl_fake_registry_conf plain = {0};
    memset(r, 0, sizeof(*r));
    struct env *e = &r->e;
    env_init(e, &fl_adapter_oci);
    e->from = env_fake(e, from ? from : &plain);
    e->fake = env_fake(e, to ? to : &plain);
    e->rf = env_open(e, e->from, from ? from : &plain);
    e->r = env_open(e, e->fake, to ? to : &plain);
    r->from = (struct fl_registry_link){.remote = e->rf, .ops = e->ops, .adapter = e->adapter};
    r->to = (struct fl_registry_link){.remote = e->r, .ops = e->ops, .adapter = e->adapter};
    r->from.timeout_ms = r->to.timeout_ms = 30000;
    r->from.max_concurrent = r->to.max_concurrent = 8;
    r->concurrency = 4;
}

static void run_release(struct run *r)
{
    env_release(&r->e);
}

/* "src/<repo>:<tag>" to "dst/<repo>:<tag>", as the tag stands now. */
static void run_add(struct run *r, const char *repo, const char *tag)
{
    struct fl_arena *a = r->e.a;
    const char *source = fl_arena_fmt(a, "src/%s", repo);
    const char *digest = fl_fake_registry_digest(r->e.from, source, tag);
    assert_true(r->n < ITEMS_MAX);
    r->wants[r->n++] = (struct fl_execution_item){
        .source = source,
        .destination = fl_arena_fmt(a, "dst/%s", repo),
        .tag = tag,
        .digest = digest ? digest : NO_DIGEST,
    };
}

/* An image of a layer of its own. */
static void run_add_image(struct run *r, const char *repo, const char *tag)
{
    fl_fake_registry_image(
        r->e.from, fl_arena_fmt(r->e.a, "src/%s", repo), tag,
        (const char *const[]){fl_arena_fmt(r->e.a, "layer of %s:%s", repo, tag), NULL});
    run_add(r, repo, tag);
}

static void run_go(struct run *r)
{
    memset(&r->totals, 0, sizeof(r->totals));
    memset(r->items, 0, sizeof(r->items));
    for (size_t i = 0; i < r->n; i++) {
        r->items[i].want = &r->wants[i];
    }
    struct fl_ctx ctx = r->e.ctx;
    ctx.cancel2 = &r->stop;
    struct fl_copy c = {
        .ctx = &ctx,
        .from = &r->from,
        .to = &r->to,
        .items = r->items,
        .n = r->n,
        .override = !r->no_override,
        .concurrency = r->concurrency,
        .timeout_ms = 30000,
        .totals = &r->totals,
    };
    r->err = (struct fl_err)FL_ERR_INIT;
    r->x = fl_copy_run(&c, &r->err);
}

static bool arrived(struct run *r, size_t i)
{
    const struct fl_execution_item *w = &r->wants[i];
    return fl_fake_registry_same(r->e.from, w->source, w->tag, r->e.fake, w->destination);
}

/* What no run may leave behind. */
static void run_check(struct run *r, const char *name)
{
    fl_peer_settle(fl_fake_registry_peer(r->e.fake));
    check_fake(name, r->e.from);
    check_fake(name, r->e.fake);
    size_t done = 0, skipped = 0, failed = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct fl_copy_item *it = &r->items[i];
        check_message(name, &it->err);
        row_check(name, it->state != FL_COPY_RUNNING, it);
        done += it->state == FL_COPY_DONE;
        skipped += it->state == FL_COPY_SKIPPED;
        failed += it->state == FL_COPY_FAILED;
        if (it->state == FL_COPY_DONE) {
            row_check(name, arrived(r, i), it);
        } else if (it->state == FL_COPY_FAILED) {
            row_check(name, it->err.code && it->err.reason[0] && it->err.msg[0], it);
            const char *there =
                fl_fake_registry_digest(r->e.fake, r->wants[i].destination, r->wants[i].tag);
            row_check(name, !fl_text_eq(there, r->wants[i].digest), it);
        }
    }
    row_check(name,
              (long long)done == r->totals.done && (long long)skipped == r->totals.skipped &&
                  (long long)failed == r->totals.failed,
              r);
}

static size_t asked(struct fl_fake_registry *f, enum fl_fake_kind kind)
{
    return fl_fake_registry_count(f, kind);
}

/* ---- what arrives ---- */

static const char *image_in(struct run *r, const char *repo, const char *tag, const char *layer)
{
    return fl_fake_registry_image(r->e.from, repo, tag, (const char *const[]){layer, "base", NULL});
}

static void test_copy__images_and_indexes_arrive(void **state)
{
    (void)state;
    struct run r;
    const struct fl_fake_registry_conf bearer = {.auth = FL_FAKE_BEARER};
    const struct fl_fake_registry_conf basic = {.auth = FL_FAKE_BASIC, .redirect_blobs = true};
    run_init(&r, &basic, &bearer);
    image_in(&r, "src/plain", "v1", "one");
    const char *a = image_in(&r, "src/multi", NULL, "amd64");
    const char *b = image_in(&r, "src/multi", NULL, "arm64");
    const char *inner =
        fl_fake_registry_index(r.e.from, "src/multi", "inner", (const char *const[]){a, NULL});
    fl_fake_registry_index(r.e.from, "src/multi", "v1", (const char *const[]){a, b, NULL});
    fl_fake_registry_index(r.e.from, "src/multi", "nested",
                           (const char *const[]){inner, b, a, NULL});
    fl_fake_registry_index(r.e.from, "src/multi", "empty", (const char *const[]){NULL});
    run_add(&r, "plain", "v1");
    run_add(&r, "multi", "v1");
    run_add(&r, "multi", "nested");
    run_add(&r, "multi", "empty");
    run_go(&r);
    row_check("arrive", r.x == 0 && r.totals.done == 4, &r);
    row_check("one upload of the shared layer",
              fl_fake_registry_uploaded(r.e.fake) == (size_t)r.totals.blobs_copied, &r);
    run_check(&r, "arrive");
    run_release(&r);
    rows_verify();
}

/* The same layers in 50 repositories: sent once, mounted 49 times, though eight threads are at it. */
static void test_copy__shared_layers_uploaded_once(void **state)
{
    (void)state;
    struct run r;
    run_init(&r, NULL, NULL);
    r.concurrency = 8;
    for (int i = 0; i < 50; i++) {
        const char *repo = fl_arena_fmt(r.e.a, "src/app%d", i);
        const char *config = fl_fake_registry_blob(r.e.from, repo, FL_STR("{\"same\":1}"));
        const char *layer = fl_fake_registry_fill(r.e.from, repo, 0, 100000);
        fl_fake_registry_image_of(r.e.from, repo, "v1", (const char *const[]){config, layer, NULL});
        run_add(&r, repo + 4, "v1");
    }
    run_go(&r);
    row_check("shared", r.x == 0 && r.totals.done == 50, &r);
    row_check("shared", fl_fake_registry_uploaded(r.e.fake) == 2, &r);
    row_check("shared", fl_fake_registry_mounted(r.e.fake) == 98, &r);
    row_check("shared", r.totals.blobs_copied == 2 && r.totals.blobs_mounted == 98, &r);
    row_check("shared", asked(r.e.from, FL_FAKE_BLOB_GET) == 2, &r);
    row_check("shared", r.totals.bytes == 100000 + 10, &r);
    run_check(&r, "shared");
    run_release(&r);
    rows_verify();
}

static void test_copy__second_run_asks_once_per_item(void **state)
{
    (void)state;
    struct run r;
    const struct fl_fake_registry_conf bearer = {.auth = FL_FAKE_BEARER};
    run_init(&r, &bearer, &bearer);
    for (int i = 0; i < 20; i++) {
        run_add_image(&r, i % 2 ? "one" : "two", fl_arena_fmt(r.e.a, "v%d", i));
    }
    run_go(&r);
    row_check("first", r.x == 0 && r.totals.done == 20, &r);
    run_check(&r, "first");
    fl_fake_registry_count_reset(r.e.from);
    fl_fake_registry_count_reset(r.e.fake);
    run_go(&r);
    row_check("second", r.x == 0 && r.totals.skipped == 20, &r);
    row_check("second", asked(r.e.fake, FL_FAKE_MANIFEST_HEAD) == 20, &r);
    row_check("second", asked(r.e.fake, FL_FAKE_KINDS) == 20, &r);
    row_check("second", asked(r.e.from, FL_FAKE_KINDS) == 0, &r);
    run_check(&r, "second");
    run_release(&r);
    rows_verify();
}

/* A new tag of what is there costs no blob, and a moved tag only what is new. */
static void test_copy__moves_only_what_is_new(void **state)
{
    (void)state;
    struct run r;
    run_init(&r, NULL, NULL);
    run_add_image(&r, "app", "v1");
    run_go(&r);
    row_check("first", r.totals.done == 1, &r);
    fl_fake_registry_tag(r.e.from, "src/app", "latest",
                         fl_fake_registry_digest(r.e.from, "src/app", "v1"));
    run_add(&r, "app", "latest");
    fl_fake_registry_count_reset(r.e.fake);
    run_go(&r);
    row_check("new tag", r.totals.done == 1 && r.totals.skipped == 1, &r);
    row_check("new tag", asked(r.e.fake, FL_FAKE_UPLOAD_POST) == 0, &r);
    row_check("new tag", r.totals.blobs_skipped == 2, &r);
    run_check(&r, "new tag");
    run_release(&r);
    rows_verify();
}

static void test_copy__override_false_keeps(void **state)
{
    (void)state;
    struct run r;
    run_init(&r, NULL, NULL);
    r.no_override = true;
    run_add_image(&r, "app", "v1");
    run_add_image(&r, "app", "v2");
    const char *other =
        fl_fake_registry_image(r.e.fake, "dst/app", "v1", (const char *const[]){"other", NULL});
    run_go(&r);
    row_check("keep", r.items[0].state == FL_COPY_SKIPPED, &r.items[0]);
    row_check("keep", fl_text_eq(fl_fake_registry_digest(r.e.fake, "dst/app", "v1"), other), &r);
    row_check("keep", r.items[1].state == FL_COPY_DONE, &r.items[1]);
    run_check(&r, "keep");
    r.no_override = false;
    run_go(&r);
    row_check("override", r.items[0].state == FL_COPY_DONE, &r.items[0]);
    run_check(&r, "override");
    run_release(&r);
    rows_verify();
}

/* ---- what is not copied ---- */

static void test_copy__foreign_layers_stay(void **state)
{
    (void)state;
    struct run r;
    run_init(&r, NULL, NULL);
    const char *config = fl_fake_registry_blob(r.e.from, "src/win", FL_STR("{}"));
    fl_auto_text text = fl_asprintf(
        "{\"schemaVersion\":2,\"mediaType\":\"" FL_FAKE_OCI_IMAGE "\",\"config\":{\"mediaType\":"
        "\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":2},\"layers\":["
        "{\"mediaType\":\"" FL_FAKE_FOREIGN "\",\"digest\":\"" NO_DIGEST
        "\",\"size\":9,\"urls\":[\"https://example.com/x\"]}]}",
        config);
    fl_fake_registry_manifest(r.e.from, "src/win", "v1", FL_FAKE_OCI_IMAGE, text);
    run_add(&r, "win", "v1");
    run_go(&r);
    row_check("foreign", r.items[0].state == FL_COPY_DONE, &r.items[0]);
    row_check("foreign", asked(r.e.from, FL_FAKE_BLOB_GET) == 1, &r);
    run_check(&r, "foreign");
    run_release(&r);
    rows_verify();
}

static void test_copy__what_cannot_be_copied_is_told(void **state)
{
    (void)state;
    struct run r;
    run_init(&r, NULL, NULL);
    fl_fake_registry_manifest(r.e.from, "src/old", "v1",
                              "application/vnd.docker.distribution.manifest.v1+prettyjws",
                              "{\"schemaVersion\":1,\"fsLayers\":[]}");
    run_add(&r, "old", "v1");
    run_add_image(&r, "new", "v1");
    run_go(&r);
    row_check("schema 1", r.items[0].state == FL_COPY_FAILED, &r.items[0]);
    row_check("schema 1", fl_text_eq(r.items[0].err.reason, "ManifestSchema1"), &r.items[0]);
    row_check("schema 1", r.items[0].attempts == 1, &r.items[0]);
    row_check("the other", r.items[1].state == FL_COPY_DONE, &r.items[1]);
    run_check(&r, "schema 1");
    run_release(&r);
    rows_verify();
}

/* The tag was moved or removed after the plan was made, and what it pointed at is gone. */
static void test_copy__superseded_tag_skipped(void **state)
{
    (void)state;
    struct run r;
    run_init(&r, NULL, NULL);
    run_add_image(&r, "app", "moved");
    run_add_image(&r, "app", "removed");
    run_add_image(&r, "app", "broken");
    run_add_image(&r, "app", "fine");
    const char *gone = image_in(&r, "src/multi", NULL, "arm64");
    fl_fake_registry_index(r.e.from, "src/multi", "v1", (const char *const[]){gone, NULL});
    run_add(&r, "multi", "v1");
    fl_fake_registry_drop(r.e.from, "src/app", r.wants[0].digest);
    fl_fake_registry_tag(r.e.from, "src/app", "moved", r.wants[3].digest);
    fl_fake_registry_drop(r.e.from, "src/app", r.wants[1].digest);
    fl_fake_registry_untag(r.e.from, "src/app", "removed");
    fl_fake_registry_drop(r.e.from, "src/app", r.wants[2].digest);
    fl_fake_registry_drop(r.e.from, "src/multi", gone);
    fl_fake_registry_tag(r.e.from, "src/multi", "v1", NO_DIGEST);
    fl_fake_registry_fault(r.e.from,
                           &(struct fl_fake_fault){"HEAD", "/v2/src/app/manifests/broken",
                                                   .kind = FL_FAULT_STATUS, .status = 500});
    fl_fake_registry_fault(r.e.from,
                           &(struct fl_fake_fault){"HEAD", "/v2/src/multi/manifests/v1",
                                                   .kind = FL_FAULT_STATUS, .status = 404});
    run_go(&r);
    row_check("moved", r.items[0].state == FL_COPY_SKIPPED, &r.items[0]);
    row_check("removed", r.items[1].state == FL_COPY_SKIPPED, &r.items[1]);
    row_check("not known whether moved", r.items[2].state == FL_COPY_FAILED, &r.items[2]);
    row_check("not known whether moved", r.items[2].err.code == FL_E_NOT_FOUND, &r.items[2]);
    row_check("fine", r.items[3].state == FL_COPY_DONE, &r.items[3]);
    row_check("a child is gone", r.items[4].state == FL_COPY_SKIPPED, &r.items[4]);
    run_check(&r, "superseded");
    run_release(&r);
    rows_verify();
}

/* ---- faults ---- */

#define BLOBS "/v2/src/bad/blobs/*"
#define DST "/v2/dst/bad/"

struct fault_row {
    const char *name;
    struct fl_fake_fault from[2], to[2];
    enum fl_copy_state state; /* of the image with the fault */
    enum fl_code code;
    const char *reason;
    int attempts;
    bool tolerant;
};

static const struct fault_row fault_rows[] = {
    /* A passing failure: tried again in the same run. */
    {.name = "500 once at the source",
     .from = {{"GET", BLOBS, .kind = FL_FAULT_STATUS, .status = 500}},
     .state = FL_COPY_DONE,
     .attempts = 2},
    {.name = "503 twice at the destination",
     .to = {{"PUT", DST "manifests/v1", .kind = FL_FAULT_STATUS, .status = 503, .times = 2}},
     .state = FL_COPY_DONE,
     .attempts = 3},
    {.name = "503 three times at the destination",
     .to = {{"PUT", DST "manifests/v1", .kind = FL_FAULT_STATUS, .status = 503, .times = -1}},
     .state = FL_COPY_FAILED,
     .code = FL_E_UNAVAILABLE,
     .attempts = 3},
    {.name = "502 always at HEAD",
     .to = {{"HEAD", DST "manifests/v1", .kind = FL_FAULT_STATUS, .status = 502, .times = -1}},
     .state = FL_COPY_FAILED,
     .code = FL_E_UNAVAILABLE,
     .attempts = 3},
    {.name = "cut once",
     .from = {{"GET", BLOBS, .kind = FL_FAULT_CUT, .at = 5}},
     .state = FL_COPY_DONE,
     .attempts = 2},
    {.name = "reset once at the manifest",
     .from = {{"GET", "/v2/src/bad/manifests/*", .kind = FL_FAULT_RESET, .times = 2}},
     .state = FL_COPY_DONE},
    {.name = "the session is lost once",
     .to = {{"PUT", DST "blobs/uploads/*", .kind = FL_FAULT_STATUS, .status = 404,
             .code = "BLOB_UPLOAD_UNKNOWN"}},
     .state = FL_COPY_DONE,
     .attempts = 2},
    {.name = "the tag is put, but no answer comes",
     .to = {{"PUT", DST "manifests/v1", .kind = FL_FAULT_LOST, .times = 2}},
     .state = FL_COPY_SKIPPED},
    /* Wrong content: once more, then it is the source's failure. */
    {.name = "a byte flipped once",
     .from = {{"GET", BLOBS, .kind = FL_FAULT_FLIP}},
     .state = FL_COPY_DONE,
     .attempts = 1},
    {.name = "a byte flipped always",
     .from = {{"GET", BLOBS, .kind = FL_FAULT_FLIP, .times = -1}},
     .state = FL_COPY_FAILED,
     .code = FL_E_BAD_DATA,
     .reason = "DigestMismatch",
     .attempts = 1},
    {.name = "a byte short always",
     .from = {{"GET", BLOBS, .kind = FL_FAULT_SHORT, .times = -1}},
     .state = FL_COPY_FAILED,
     .code = FL_E_BAD_DATA,
     .reason = "DigestMismatch",
     .attempts = 1},
    {.name = "a byte long always",
     .from = {{"GET", BLOBS, .kind = FL_FAULT_LONG, .times = -1}},
     .state = FL_COPY_FAILED,
     .code = FL_E_BAD_DATA,
     .reason = "DigestMismatch",
     .attempts = 1},
    {.name = "the manifest flipped once",
     .from = {{"GET", "/v2/src/bad/manifests/*", .kind = FL_FAULT_FLIP}},
     .state = FL_COPY_DONE,
     .attempts = 1},
    {.name = "the manifest flipped always",
     .from = {{"GET", "/v2/src/bad/manifests/*", .kind = FL_FAULT_FLIP, .times = -1}},
     .state = FL_COPY_FAILED,
     .code = FL_E_BAD_DATA,
     .reason = "DigestMismatch",
     .attempts = 1},
    {.name = "a login page instead of the manifest",
     .from = {{"GET", "/v2/src/bad/manifests/*", .kind = FL_FAULT_HTML, .times = -1}},
     .state = FL_COPY_FAILED,
     .code = FL_E_BAD_DATA},
    {.name = "an endless manifest",
     .from = {{"GET", "/v2/src/bad/manifests/*", .kind = FL_FAULT_OVERSIZE, .at = 9 << 20}},
     .state = FL_COPY_FAILED,
     .code = FL_E_TOO_BIG},
    {.name = "the manifest is stored as something else",
     .to = {{"PUT", DST "manifests/v1", .kind = FL_FAULT_DIGEST}},
     .state = FL_COPY_FAILED,
     .code = FL_E_BAD_DATA,
     .reason = "DigestMismatch"},
    /* Not for us. */
    {.name = "403 at the source",
     .from = {{"GET", BLOBS, .kind = FL_FAULT_STATUS, .status = 403, .times = -1}},
     .state = FL_COPY_FAILED,
     .code = FL_E_AUTH,
     .attempts = 1},
    {.name = "404 at the source",
     .from = {{"GET", BLOBS, .kind = FL_FAULT_STATUS, .status = 404, .times = -1}},
     .state = FL_COPY_FAILED,
     .code = FL_E_NOT_FOUND,
     .attempts = 1},
    {.name = "409 at the destination",
     .to = {{"PUT", DST "manifests/v1", .kind = FL_FAULT_STATUS, .status = 409}},
     .state = FL_COPY_FAILED,
     .code = FL_E_INVALID,
     .attempts = 1},
    {.name = "422 at the destination",
     .to = {{"PUT", DST "manifests/v1", .kind = FL_FAULT_STATUS, .status = 422}},
     .state = FL_COPY_FAILED,
     .code = FL_E_INVALID,
     .attempts = 1},
    {.name = "the repository cannot be made",
     .to = {{"POST", DST "blobs/uploads/", .kind = FL_FAULT_STATUS, .status = 404,
             .code = "NAME_UNKNOWN", .times = -1}},
     .state = FL_COPY_FAILED,
     .code = FL_E_NOT_FOUND,
     .reason = "RepositoryNotFound",
     .attempts = 1},
    {.name = "a web page at the destination",
     .to = {{NULL, DST "manifests/v1", .kind = FL_FAULT_HTML, .times = -1}},
     .state = FL_COPY_FAILED,
     .code = FL_E_BAD_DATA},
    /* The destination said that it has a blob which it has not. */
    {.name = "a blob that was said to be there",
     .to = {{"HEAD", DST "blobs/*", .kind = FL_FAULT_PRESENT}},
     .state = FL_COPY_DONE,
     .attempts = 1,
     .tolerant = true},
    {.name = "a blob that is said to be there always",
     .to = {{"HEAD", DST "blobs/*", .kind = FL_FAULT_PRESENT, .times = -1}},
     .state = FL_COPY_FAILED,
     .code = FL_E_NOT_FOUND,
     .reason = "BlobUnknown",
     .attempts = 1,
     .tolerant = true},
    {.name = "byte by byte",
     .from = {{"GET", "/v2/src/bad/**", .kind = FL_FAULT_DRIP, .times = -1}},
     .state = FL_COPY_DONE,
     .attempts = 1},
    {.name = "a token refused in mid-run at the destination",
     .to = {{"PUT", DST "manifests/v1", .kind = FL_FAULT_STATUS, .status = 401}},
     .state = FL_COPY_DONE,
     .attempts = 1},
    {.name = "a token refused in mid-run at the source",
     .from = {{"GET", BLOBS, .kind = FL_FAULT_STATUS, .status = 401}},
     .state = FL_COPY_DONE,
     .attempts = 1},
};

static void add_faults(struct fl_fake_registry *f, const struct fl_fake_fault faults[2])
{
    for (size_t i = 0; i < 2 && faults[i].path; i++) {
        fl_fake_registry_fault(f, &faults[i]);
    }
}

/* Five images, the third of which meets a fault: the others arrive, whatever becomes of it. */
static void run_fault(const struct fault_row *t, int concurrency)
{
    struct run r;
    const struct fl_fake_registry_conf bearer = {.auth = FL_FAKE_BEARER, .tolerant = t->tolerant};
    run_init(&r, &bearer, &bearer);
    r.concurrency = concurrency;
    for (int i = 0; i < 5; i++) {
        run_add_image(&r, i == 2 ? "bad" : fl_arena_fmt(r.e.a, "good%d", i), "v1");
    }
    add_faults(r.e.from, t->from);
    add_faults(r.e.fake, t->to);
    run_go(&r);
    row_check(t->name, r.x == 0, &r);
    for (size_t i = 0; i < r.n; i++) {
        const struct fl_copy_item *it = &r.items[i];
        if (i != 2) {
            row_check(t->name, it->state == FL_COPY_DONE && it->attempts == 1, it);
            continue;
        }
        row_check(t->name, it->state == t->state, it);
        row_check(t->name, t->state != FL_COPY_FAILED || it->err.code == t->code, it);
        row_check(t->name, !t->reason || fl_text_eq(it->err.reason, t->reason), it);
        row_check(t->name, !t->attempts || it->attempts == t->attempts, it);
    }
    run_check(&r, t->name);
    run_release(&r);
}

static void test_copy__one_item_failing_stops_no_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < FL_LEN(fault_rows); i++) {
        run_fault(&fault_rows[i], 4);
        run_fault(&fault_rows[i], 1);
    }
    rows_verify();
}

/* After the fault is gone, a second run brings everything. */
static void test_copy__second_run_repairs(void **state)
{
    (void)state;
    struct run r;
    run_init(&r, NULL, NULL);
    for (int i = 0; i < 5; i++) {
        run_add_image(&r, "app", fl_arena_fmt(r.e.a, "v%d", i));
    }
    fl_fake_registry_fault(r.e.from,
                           &(struct fl_fake_fault){"GET", "/v2/src/app/blobs/*",
                                                   .kind = FL_FAULT_FLIP, .nth = 3, .times = -1});
    run_go(&r);
    row_check("broken", r.x == 0 && r.totals.failed > 0, &r);
    run_check(&r, "broken");
    fl_fake_registry_faults_clear(r.e.from);
    run_go(&r);
    row_check("repaired", r.x == 0 && r.totals.failed == 0, &r);
    for (size_t i = 0; i < r.n; i++) {
        row_check("repaired", arrived(&r, i), &r.items[i]);
    }
    run_check(&r, "repaired");
    run_release(&r);
    rows_verify();
}

/* ---- a remote that is away ---- */

static void test_copy__remote_away_stops_early(void **state)
{
    (void)state;
    for (int source = 0; source < 2; source++) {
        const char *name = source ? "source away" : "destination away";
        struct run r;
        run_init(&r, NULL, NULL);
        for (int i = 0; i < 40; i++) {
            run_add_image(&r, "app", fl_arena_fmt(r.e.a, "v%d", i));
        }
        struct fl_fake_registry *away = source ? r.e.from : r.e.fake;
        fl_peer_down(fl_fake_registry_peer(away));
        run_go(&r);
        row_check(name, r.x == 0 && r.totals.failed == 40, &r);
        int tried = 0;
        for (size_t i = 0; i < r.n; i++) {
            row_check(name, r.items[i].state == FL_COPY_FAILED, &r.items[i]);
            row_check(name, r.items[i].err.code == FL_E_UNAVAILABLE, &r.items[i]);
            tried += r.items[i].attempts;
        }
        row_check(name, tried <= 3 + r.concurrency, &r);
        fl_peer_up(fl_fake_registry_peer(away));
        run_go(&r);
        row_check(name, r.x == 0 && r.totals.done == 40, &r);
        run_check(&r, name);
        run_release(&r);
    }
    rows_verify();
}

static void test_copy__too_many_requests_stop_with_retry_after(void **state)
{
    (void)state;
    for (int source = 0; source < 2; source++) {
        const char *name = source ? "429 of the source" : "429 of the destination";
        struct run r;
        run_init(&r, NULL, NULL);
        r.concurrency = 2;
        for (int i = 0; i < 20; i++) {
            run_add_image(&r, "app", fl_arena_fmt(r.e.a, "v%d", i));
        }
        fl_fake_registry_fault(source ? r.e.from : r.e.fake,
                               &(struct fl_fake_fault){source ? "GET" : "PUT", "/v2/**",
                                                       .kind = FL_FAULT_STATUS, .status = 429,
                                                       .header = "Retry-After: 33", .nth = 8,
                                                       .times = -1});
        run_go(&r);
        row_check(name, r.x == 0 && r.totals.failed > 0 && r.totals.done > 0, &r);
        int tried = 0;
        for (size_t i = 0; i < r.n; i++) {
            const struct fl_copy_item *it = &r.items[i];
            row_check(name, it->state == FL_COPY_DONE || it->err.code == FL_E_LIMITED, it);
            row_check(name, it->state == FL_COPY_DONE || it->err.retry_after_ms == 33000, it);
            tried += it->attempts;
        }
        row_check(name, tried < 20, &r);
        run_check(&r, name);
        run_release(&r);
    }
    rows_verify();
}

/* ---- stop ---- */

static void tick_stop(void *arg)
{
    struct run *r = arg;
    fl_cancel_set(&r->stop);
}

static void test_copy__stop_leaves_items_waiting(void **state)
{
    (void)state;
    for (int source = 0; source < 2; source++) {
        const char *name = source ? "stop at the source" : "stop at the destination";
        struct run r;
        run_init(&r, NULL, NULL);
        for (int i = 0; i < 20; i++) {
            const char *repo = fl_arena_fmt(r.e.a, "src/app%d", i);
            const char *config = fl_fake_registry_fill(r.e.from, repo, i * 8, 100);
            const char *layer = fl_fake_registry_fill(r.e.from, repo, i * 800, 400000);
            fl_fake_registry_image_of(r.e.from, repo, "v1",
                                      (const char *const[]){config, layer, NULL});
            run_add(&r, repo + 4, "v1");
        }
        struct fl_fake_fault f = {
            "GET",     "/v2/*/*/blobs/*", .kind = FL_FAULT_STALL, .at = 50,
            .nth = 10, .times = -1,       .tick = tick_stop,      .tick_arg = &r};
        if (!source) {
            f.method = "PUT";
            f.path = "/v2/*/*/blobs/uploads/*";
            f.kind = FL_FAULT_READ_STALL;
        }
        fl_fake_registry_fault(source ? r.e.from : r.e.fake, &f);
        run_go(&r);
        row_check(name, r.x == FL_E_CANCELED && r.err.code == FL_E_CANCELED, &r);
        size_t waiting = 0;
        for (size_t i = 0; i < r.n; i++) {
            row_check(name, r.items[i].state == FL_COPY_WAITING || r.items[i].state == FL_COPY_DONE,
                      &r.items[i]);
            waiting += r.items[i].state == FL_COPY_WAITING;
        }
        row_check(name, waiting > 0, &r);
        run_check(&r, name);
        /* And it goes on where it was. */
        fl_fake_registry_faults_clear(r.e.from);
        fl_fake_registry_faults_clear(r.e.fake);
        atomic_store(&r.stop.set, false);
        run_go(&r);
        row_check(name, r.x == 0 && r.totals.done + r.totals.skipped == 20, &r);
        run_check(&r, name);
        run_release(&r);
    }
    rows_verify();
}

/* ---- all at once ---- */

static void test_copy__shared_content_arrives_whatever_the_order(void **state)
{
    (void)state;
    for (int turn = 0; turn < 5; turn++) {
        struct run r;
        const struct fl_fake_registry_conf to = {.no_mount = turn % 2 != 0};
        run_init(&r, NULL, &to);
        r.concurrency = 1 + turn * 3;
        for (int i = 0; i < ITEMS_MAX; i++) {
            const char *repo = fl_arena_fmt(r.e.a, "src/app%d", i % 7);
            const char *a = image_in(&r, repo, NULL, fl_arena_fmt(r.e.a, "l%d", i % 5));
            const char *b = image_in(&r, repo, NULL, fl_arena_fmt(r.e.a, "l%d", i % 3));
            const char *tag = fl_arena_fmt(r.e.a, "v%d", i);
            fl_fake_registry_index(r.e.from, repo, tag, (const char *const[]){a, b, a, NULL});
            run_add(&r, repo + 4, tag);
        }
        run_go(&r);
        row_check("shared content", r.x == 0 && r.totals.done == ITEMS_MAX, &r);
        run_check(&r, "shared content");
        run_release(&r);
    }
    rows_verify();
}

int main(void)
{
    fl_http_global_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy__images_and_indexes_arrive),
        cmocka_unit_test(test_copy__shared_layers_uploaded_once),
        cmocka_unit_test(test_copy__second_run_asks_once_per_item),
        cmocka_unit_test(test_copy__moves_only_what_is_new),
        cmocka_unit_test(test_copy__override_false_keeps),
        cmocka_unit_test(test_copy__foreign_layers_stay),
        cmocka_unit_test(test_copy__what_cannot_be_copied_is_told),
        cmocka_unit_test(test_copy__superseded_tag_skipped),
        cmocka_unit_test(test_copy__one_item_failing_stops_no_other),
        cmocka_unit_test(test_copy__second_run_repairs),
        cmocka_unit_test(test_copy__remote_away_stops_early),
        cmocka_unit_test(test_copy__too_many_requests_stop_with_retry_after),
        cmocka_unit_test(test_copy__stop_leaves_items_waiting),
        cmocka_unit_test(test_copy__shared_content_arrives_whatever_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
