/* SPDX-License-Identifier: Apache-2.0
 * The contract of port/registry.h, asked of every adapter that offers it: blobs from one registry to another, and tokens. */
#include "contract/env.h"

static const struct fl_adapter *const adapters[] = {&fl_adapter_oci};

#define LARGE 300000 /* streamed */
#define SMALL 1000   /* by way of memory */

enum there { ABSENT, PRESENT, ELSEWHERE /* in another repository: a candidate for mounting */ };

struct row {
    const char *name;
    struct fl_fake_registry_conf conf;
    struct fl_fake_registry_conf from_conf;
    struct fl_fake_fault faults[2];      /* at the destination */
    struct fl_fake_fault from_faults[2]; /* at the source */
    enum there there;
    bool skip_head;
    bool gone; /* the source has no such blob */
    enum fl_blob_outcome outcome;
    enum fl_code want;
    const char *reason;
    const char *msg;
    int64_t retry_after_ms;
    size_t puts; /* exactly; 0: whatever */
    size_t posts;
    bool large_only;
};

struct pushed {
    struct fl_descriptor d;
    atomic_llong moved;
    enum fl_blob_outcome outcome;
    int x;
};

static void push(struct env *e, const char *mount_from, bool skip_head, struct pushed *p)
{
    struct fl_blob_source *src = NULL;
    p->x = e->ops->open_blob(e->rf, &e->ctx, "src/app", &p->d, &src, &e->err);
    if (p->x == 0) {
        p->x = e->ops->push_blob(e->r, &e->ctx, "dst/app", &p->d, mount_from, skip_head, src,
                                 &p->moved, &p->outcome, &e->err);
    }
    e->ops->close_blob(src);
}

static void row_open(struct env *e, const struct row *t)
{
    e->fake = env_fake(e, &t->conf);
    e->from = env_fake(e, &t->from_conf);
    e->r = env_open(e, e->fake, &t->conf);
    e->rf = env_open(e, e->from, &t->from_conf);
}

static void row_faults(struct env *e, const struct row *t)
{
    for (size_t i = 0; i < FL_LEN(t->faults) && t->faults[i].path; i++) {
        struct fl_fake_fault f = t->faults[i];
        f.tick_arg = e;
        fl_fake_registry_fault(e->fake, &f);
    }
    for (size_t i = 0; i < FL_LEN(t->from_faults) && t->from_faults[i].path; i++) {
        struct fl_fake_fault f = t->from_faults[i];
        f.tick_arg = e;
        fl_fake_registry_fault(e->from, &f);
    }
}

/* Learns the authentication of both, so that what the row counts is the push alone. */
static void row_warm(struct env *e)
{
    struct fl_registry_probe ret = {0};
    if (e->ops->probe(e->r, &e->ctx, &ret, &e->err) < 0 ||
        e->ops->probe(e->rf, &e->ctx, &ret, &e->err) < 0) {
        fail_msg("probe: %s", e->err.msg);
    }
    fl_fake_registry_count_reset(e->fake);
    fl_fake_registry_count_reset(e->from);
}

static void row_verify(struct env *e, const struct row *t, const struct pushed *p)
{
    row_check(t->name, p->x == (int)t->want, e);
    row_check(t->name, t->want == FL_OK || e->err.code == t->want, e);
    row_check(t->name, !t->reason || fl_text_eq(e->err.reason, t->reason), e);
    row_check(t->name, !t->msg || strstr(e->err.msg, t->msg), e);
    row_check(t->name, !t->retry_after_ms || e->err.retry_after_ms == t->retry_after_ms, e);
    bool there = fl_fake_registry_has(e->fake, "dst/app", p->d.digest);
    if (t->want == FL_OK) {
        row_check(t->name, p->outcome == t->outcome, e);
        row_check(t->name, there, e);
        size_t gets = fl_fake_registry_count(e->from, FL_FAKE_BLOB_GET);
        row_check(t->name, (gets > 0) == (t->outcome == FL_BLOB_COPIED), e);
        row_check(t->name, (p->moved >= p->d.size) == (t->outcome == FL_BLOB_COPIED) || !p->d.size,
                  e);
    } else if (t->want == FL_E_BAD_DATA) {
        row_check(t->name, fl_fake_registry_uploaded(e->fake) == 0 || there, e);
    }
    size_t puts = fl_fake_registry_count(e->fake, FL_FAKE_UPLOAD_PUT);
    size_t posts = fl_fake_registry_count(e->fake, FL_FAKE_UPLOAD_POST) +
                   fl_fake_registry_count(e->fake, FL_FAKE_MOUNT);
    row_check(t->name, !t->puts || puts == t->puts, e);
    row_check(t->name, !t->posts || posts == t->posts, e);
    bool heads = fl_fake_registry_count(e->fake, FL_FAKE_BLOB_HEAD) > 0;
    row_check(t->name, heads != t->skip_head, e);
    check_message(t->name, &e->err);
    check_fake(t->name, e->fake);
    check_fake(t->name, e->from);
}

static void run_row(const struct fl_adapter *adapter, const struct row *t, size_t size)
{
    struct env e;
    env_init(&e, adapter);
    row_open(&e, t);
    struct pushed p = {0};
    p.d.digest = fl_fake_registry_fill(e.from, "src/app", 0, size);
    p.d.size = (int64_t)size;
    p.d.media_type = "application/octet-stream";
    if (t->gone) {
        fl_fake_registry_drop(e.from, "src/app", p.d.digest);
    }
    if (t->there != ABSENT) {
        fl_fake_registry_fill(e.fake, t->there == PRESENT ? "dst/app" : "dst/other", 0, size);
    }
    row_warm(&e);
    row_faults(&e, t);
    push(&e, t->there == ELSEWHERE ? "dst/other" : NULL, t->skip_head, &p);
    fl_peer_settle(fl_fake_registry_peer(e.fake));
    row_verify(&e, t, &p);
    env_release(&e);
}

static void run_rows(const struct row *rows, size_t n)
{
    for (size_t k = 0; k < FL_LEN(adapters); k++) {
        for (size_t i = 0; i < n; i++) {
            run_row(adapters[k], &rows[i], LARGE);
            if (!rows[i].large_only) {
                run_row(adapters[k], &rows[i], SMALL);
            }
        }
    }
    rows_verify();
}

/* ---- what ends well ---- */

#define PUT_PATH "/v2/dst/app/blobs/uploads/*"
#define POST_PATH "/v2/dst/app/blobs/uploads/"
#define GET_PATH "/v2/src/app/blobs/*"

static const struct row good_rows[] = {
    {.name = "uploaded", .outcome = FL_BLOB_COPIED, .puts = 1, .posts = 1},
    {.name = "existed", .there = PRESENT, .outcome = FL_BLOB_EXISTED},
    {.name = "known not to be there",
     .skip_head = true,
     .outcome = FL_BLOB_COPIED,
     .puts = 1,
     .posts = 1},
    {.name = "mounted", .there = ELSEWHERE, .outcome = FL_BLOB_MOUNTED, .posts = 1},
    {.name = "mounted, bearer",
     .conf = {.auth = FL_FAKE_BEARER},
     .there = ELSEWHERE,
     .skip_head = true,
     .outcome = FL_BLOB_MOUNTED,
     .posts = 1},
    {.name = "mount answered 202: that session is used",
     .conf = {.no_mount = true},
     .there = ELSEWHERE,
     .outcome = FL_BLOB_COPIED,
     .puts = 1,
     .posts = 1},
    {.name = "mount answered 202, bearer",
     .conf = {.no_mount = true, .auth = FL_FAKE_BEARER},
     .from_conf = {.auth = FL_FAKE_BEARER},
     .there = ELSEWHERE,
     .outcome = FL_BLOB_COPIED,
     .puts = 1},
    {.name = "basic to bearer",
     .conf = {.auth = FL_FAKE_BEARER},
     .from_conf = {.auth = FL_FAKE_BASIC},
     .outcome = FL_BLOB_COPIED},
    {.name = "bearer to basic",
     .conf = {.auth = FL_FAKE_BASIC},
     .from_conf = {.auth = FL_FAKE_BEARER},
     .outcome = FL_BLOB_COPIED},
    {.name = "the source redirects to its storage",
     .from_conf = {.redirect_blobs = true, .auth = FL_FAKE_BEARER},
     .outcome = FL_BLOB_COPIED},
    {.name = "the source redirects, basic",
     .from_conf = {.redirect_blobs = true, .auth = FL_FAKE_BASIC},
     .outcome = FL_BLOB_COPIED},
    {.name = "no Content-Length", .from_conf = {.no_length = true}, .outcome = FL_BLOB_COPIED},
    {.name = "relative Location", .conf = {.relative_location = true}, .outcome = FL_BLOB_COPIED},
    {.name = "the upload goes on elsewhere, without credentials",
     .conf = {.upload_elsewhere = true, .auth = FL_FAKE_BEARER},
     .outcome = FL_BLOB_COPIED},
    {.name = "byte by byte",
     .from_faults = {{"GET", GET_PATH, .kind = FL_FAULT_DRIP}},
     .outcome = FL_BLOB_COPIED},
    {.name = "the destination refuses the token once, before the body",
     .conf = {.auth = FL_FAKE_BEARER},
     .faults = {{"PUT", PUT_PATH, .kind = FL_FAULT_READ_STATUS, .status = 401}},
     .outcome = FL_BLOB_COPIED,
     .puts = 2,
     .posts = 1},
    {.name = "the destination refuses the token once, after the body",
     .conf = {.auth = FL_FAKE_BEARER},
     .faults = {{"PUT", PUT_PATH, .kind = FL_FAULT_STATUS, .status = 401}},
     .outcome = FL_BLOB_COPIED,
     .puts = 2,
     .posts = 1},
    {.name = "the source refuses the token once",
     .from_conf = {.auth = FL_FAKE_BEARER},
     .from_faults = {{"GET", GET_PATH, .kind = FL_FAULT_STATUS, .status = 401}},
     .outcome = FL_BLOB_COPIED,
     .puts = 1,
     .posts = 1},
};

static void test_registry_blob__arrives_once(void **state)
{
    (void)state;
    run_rows(good_rows, FL_LEN(good_rows));
}

/* Sizes around the borders of what is streamed and what is not. */
static void test_registry_blob__any_size(void **state)
{
    (void)state;
    static const struct row row = {.name = "size", .outcome = FL_BLOB_COPIED, .puts = 1};
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 262144, 262145, 3000000};
    for (size_t k = 0; k < FL_LEN(adapters); k++) {
        for (size_t i = 0; i < FL_LEN(sizes); i++) {
            run_row(adapters[k], &row, sizes[i]);
        }
    }
    rows_verify();
}

/* ---- what must not arrive ---- */

static void tick_cancel(void *arg)
{
    struct env *e = arg;
    fl_cancel_set(&e->cancel);
}

static void tick_second(void *arg)
{
    struct env *e = arg;
    fl_clock_advance(e->clock, 1000);
}

#define FROM_STATUS(STATUS, CODE)                                                                  \
    {                                                                                              \
        {                                                                                          \
            "GET", GET_PATH, .kind = FL_FAULT_STATUS, .status = STATUS, .code = CODE, .times = -1  \
        }                                                                                          \
    }
#define TO_STATUS(METHOD, PATH, STATUS, CODE)                                                      \
    {                                                                                              \
        {                                                                                          \
            METHOD, PATH, .kind = FL_FAULT_STATUS, .status = STATUS, .code = CODE, .times = -1     \
        }                                                                                          \
    }

static const struct row source_rows[] = {
    {.name = "a byte flipped",
     .from_faults = {{"GET", GET_PATH, .kind = FL_FAULT_FLIP, .at = 77}},
     .want = FL_E_BAD_DATA,
     .reason = "DigestMismatch",
     .msg = "the content that came is sha256:"},
    {.name = "the last byte flipped",
     .from_faults = {{"GET", GET_PATH, .kind = FL_FAULT_FLIP, .at = SMALL - 1}},
     .want = FL_E_BAD_DATA,
     .reason = "DigestMismatch"},
    {.name = "a byte flipped, no Content-Length",
     .from_conf = {.no_length = true},
     .from_faults = {{"GET", GET_PATH, .kind = FL_FAULT_FLIP}},
     .want = FL_E_BAD_DATA,
     .reason = "DigestMismatch"},
    {.name = "a byte short",
     .from_faults = {{"GET", GET_PATH, .kind = FL_FAULT_SHORT}},
     .want = FL_E_BAD_DATA,
     .reason = "DigestMismatch"},
    {.name = "a byte short, no Content-Length",
     .from_conf = {.no_length = true},
     .from_faults = {{"GET", GET_PATH, .kind = FL_FAULT_SHORT}},
     .want = FL_E_BAD_DATA,
     .reason = "DigestMismatch"},
    {.name = "a byte long",
     .from_faults = {{"GET", GET_PATH, .kind = FL_FAULT_LONG}},
     .want = FL_E_BAD_DATA,
     .reason = "DigestMismatch"},
    {.name = "a byte long, no Content-Length",
     .from_conf = {.no_length = true},
     .from_faults = {{"GET", GET_PATH, .kind = FL_FAULT_LONG}},
     .want = FL_E_BAD_DATA,
     .reason = "DigestMismatch"},
    {.name = "a longer length told",
     .from_faults = {{"GET", GET_PATH, .kind = FL_FAULT_CLAIM, .at = 5}},
     .want = FL_E_BAD_DATA,
     .reason = "DigestMismatch"},
    {.name = "a login page",
     .from_faults = {{"GET", GET_PATH, .kind = FL_FAULT_HTML}},
     .want = FL_E_BAD_DATA,
     .reason = "DigestMismatch"},
    {.name = "digest of something else in the header: the content counts",
     .from_faults = {{"GET", GET_PATH, .kind = FL_FAULT_DIGEST}},
     .outcome = FL_BLOB_COPIED},
    {.name = "cut",
     .from_faults = {{"GET", GET_PATH, .kind = FL_FAULT_CUT, .at = 500}},
     .want = FL_E_UNAVAILABLE,
     .reason = "AnswerCut",
     .msg = "source"},
    {.name = "cut, no Content-Length",
     .from_conf = {.no_length = true},
     .from_faults = {{"GET", GET_PATH, .kind = FL_FAULT_CUT, .at = 500}},
     .want = FL_E_UNAVAILABLE},
    {.name = "reset",
     .from_faults = {{"GET", GET_PATH, .kind = FL_FAULT_RESET, .times = -1}},
     .want = FL_E_UNAVAILABLE},
    {.name = "not there",
     .gone = true,
     .want = FL_E_NOT_FOUND,
     .reason = "BlobUnknown",
     .msg = "get blob src/app@sha256:"},
    {.name = "403", .from_faults = FROM_STATUS(403, "DENIED"), .want = FL_E_AUTH},
    {.name = "429",
     .from_faults = {{"GET", GET_PATH, .kind = FL_FAULT_STATUS, .status = 429,
                      .header = "Retry-After: 11"}},
     .want = FL_E_LIMITED,
     .retry_after_ms = 11000},
    {.name = "500", .from_faults = FROM_STATUS(500, NULL), .want = FL_E_UNAVAILABLE},
    {.name = "503", .from_faults = FROM_STATUS(503, NULL), .want = FL_E_UNAVAILABLE},
    {.name = "401 and 401",
     .from_conf = {.auth = FL_FAKE_BEARER},
     .from_faults = FROM_STATUS(401, NULL),
     .want = FL_E_AUTH,
     .reason = "Unauthorized"},
    {.name = "the storage asks for a password: nobody gives it one",
     .from_conf = {.redirect_blobs = true, .storage_asks = true, .auth = FL_FAKE_BEARER},
     .want = FL_E_AUTH},
    {.name = "stalled in the body",
     .from_faults = {{"GET", GET_PATH, .kind = FL_FAULT_STALL, .at = 700, .tick = tick_second}},
     .want = FL_E_TIMEOUT,
     .reason = "Stalled"},
    {.name = "stalled before the answer",
     .from_faults = {{"GET", GET_PATH, .kind = FL_FAULT_STALL, .at = -1, .tick = tick_second}},
     .want = FL_E_TIMEOUT},
    {.name = "canceled before the answer",
     .from_faults = {{"GET", GET_PATH, .kind = FL_FAULT_STALL, .at = -1, .tick = tick_cancel}},
     .want = FL_E_CANCELED},
};

static void test_registry_blob__bad_source_uploads_nothing(void **state)
{
    (void)state;
    run_rows(source_rows, FL_LEN(source_rows));
}

static const struct row target_rows[] = {
    {.name = "the session has no Location",
     .faults = TO_STATUS("POST", POST_PATH, 202, NULL),
     .want = FL_E_BAD_DATA,
     .reason = "UploadInvalid"},
    {.name = "no such repository",
     .faults = TO_STATUS("POST", POST_PATH, 404, "NAME_UNKNOWN"),
     .want = FL_E_NOT_FOUND,
     .reason = "RepositoryNotFound",
     .msg = "dst/app"},
    {.name = "may not upload",
     .faults = TO_STATUS("POST", POST_PATH, 403, "DENIED"),
     .want = FL_E_AUTH,
     .reason = "Denied"},
    {.name = "POST: 429",
     .faults = {{"POST", POST_PATH, .kind = FL_FAULT_STATUS, .status = 429,
                 .header = "Retry-After: 4"}},
     .want = FL_E_LIMITED,
     .retry_after_ms = 4000},
    {.name = "POST: 500",
     .faults = TO_STATUS("POST", POST_PATH, 500, NULL),
     .want = FL_E_UNAVAILABLE},
    {.name = "POST: a web page",
     .faults = {{"POST", POST_PATH, .kind = FL_FAULT_HTML}},
     .want = FL_E_BAD_DATA},
    {.name = "HEAD: 500",
     .faults = TO_STATUS("HEAD", "/v2/dst/app/blobs/*", 500, NULL),
     .want = FL_E_UNAVAILABLE},
    {.name = "a token that only reads",
     .conf = {.auth = FL_FAKE_BEARER, .read_only = true},
     .want = FL_E_AUTH},
    {.name = "PUT: 401 and 401",
     .conf = {.auth = FL_FAKE_BEARER},
     .faults = TO_STATUS("PUT", PUT_PATH, 401, NULL),
     .want = FL_E_AUTH,
     .reason = "Unauthorized",
     .puts = 2},
    {.name = "PUT: 403",
     .faults = TO_STATUS("PUT", PUT_PATH, 403, "DENIED"),
     .want = FL_E_AUTH,
     .reason = "Denied"},
    {.name = "PUT: the session is gone",
     .faults = TO_STATUS("PUT", PUT_PATH, 404, "BLOB_UPLOAD_UNKNOWN"),
     .want = FL_E_UNAVAILABLE,
     .reason = "UploadLost"},
    {.name = "PUT: the session is gone, without words",
     .faults = TO_STATUS("PUT", PUT_PATH, 404, NULL),
     .want = FL_E_UNAVAILABLE,
     .reason = "UploadLost"},
    {.name = "PUT: the digest is not right",
     .faults = TO_STATUS("PUT", PUT_PATH, 400, "DIGEST_INVALID"),
     .want = FL_E_BAD_DATA,
     .reason = "DigestMismatch"},
    {.name = "PUT: 413", .faults = TO_STATUS("PUT", PUT_PATH, 413, NULL), .want = FL_E_INVALID},
    {.name = "PUT: 429",
     .faults = {{"PUT", PUT_PATH, .kind = FL_FAULT_STATUS, .status = 429,
                 .header = "Retry-After: 2"}},
     .want = FL_E_LIMITED,
     .retry_after_ms = 2000},
    {.name = "PUT: 507 in the middle of the body",
     .faults = {{"PUT", PUT_PATH, .kind = FL_FAULT_READ_STATUS, .status = 507}},
     .want = FL_E_UNAVAILABLE},
    {.name = "PUT: 500", .faults = TO_STATUS("PUT", PUT_PATH, 500, NULL), .want = FL_E_UNAVAILABLE},
    {.name = "PUT: reset in the body",
     .faults = {{"PUT", PUT_PATH, .kind = FL_FAULT_READ_RESET, .at = 300, .times = -1}},
     .want = FL_E_UNAVAILABLE},
    {.name = "PUT: done, but no answer",
     .faults = {{"PUT", PUT_PATH, .kind = FL_FAULT_LOST, .times = -1}},
     .want = FL_E_UNAVAILABLE},
    {.name = "PUT: stored as something else",
     .faults = {{"PUT", PUT_PATH, .kind = FL_FAULT_DIGEST}},
     .want = FL_E_BAD_DATA,
     .reason = "DigestMismatch",
     .msg = "it was stored as"},
    {.name = "PUT: a web page",
     .faults = {{"PUT", PUT_PATH, .kind = FL_FAULT_HTML}},
     .want = FL_E_BAD_DATA},
    {.name = "PUT: no answer",
     .faults = {{"PUT", PUT_PATH, .kind = FL_FAULT_STALL, .at = -1, .tick = tick_second}},
     .want = FL_E_TIMEOUT},
};

static void test_registry_blob__bad_target_leaves_no_session(void **state)
{
    (void)state;
    run_rows(target_rows, FL_LEN(target_rows));
}

/* ---- cancel ---- */

struct cancel_at {
    struct env *e;
    int64_t at_ms;
};

static void tick_cancel_now(void *arg)
{
    struct cancel_at *c = arg;
    if (!c->at_ms) {
        c->at_ms = fl_clock_mono_ms(fl_clock_real());
        fl_cancel_set(&c->e->cancel);
    }
}

/* Milliseconds from the cancel to the end of the push. */
static int64_t cancel_once(const struct fl_adapter *adapter, bool at_source)
{
    struct env e;
    env_init(&e, adapter);
    row_open(&e, &(struct row){.conf = {.auth = FL_FAKE_BEARER}});
    struct pushed p = {0};
    p.d.digest = fl_fake_registry_fill(e.from, "src/app", 0, 3000000);
    p.d.size = 3000000;
    struct cancel_at c = {.e = &e};
    struct fl_fake_fault f = {
        "GET",         GET_PATH, .kind = FL_FAULT_STALL, .at = 2000000, .tick = tick_cancel_now,
        .tick_arg = &c};
    if (at_source) {
        fl_fake_registry_fault(e.from, &f);
    } else {
        f.method = "PUT";
        f.path = PUT_PATH;
        f.kind = FL_FAULT_READ_STALL;
        fl_fake_registry_fault(e.fake, &f);
    }
    push(&e, NULL, false, &p);
    int64_t took = fl_clock_mono_ms(fl_clock_real()) - c.at_ms;
    row_check("cancel", p.x == FL_E_CANCELED, &e);
    fl_peer_settle(fl_fake_registry_peer(e.fake));
    row_check("cancel", fl_fake_registry_count(e.fake, FL_FAKE_UPLOAD_CANCEL) == 1, &e);
    row_check("cancel", !fl_fake_registry_has(e.fake, "dst/app", p.d.digest), &e);
    check_fake("cancel", e.fake);
    check_fake("cancel", e.from);
    env_release(&e);
    return took;
}

static void test_registry_blob__cancel_ends_within_200_ms(void **state)
{
    (void)state;
    for (size_t k = 0; k < FL_LEN(adapters); k++) {
        for (int at_source = 0; at_source < 2; at_source++) {
            int64_t best = INT64_MAX; /* of a few, because other work may hold this machine up */
            for (int i = 0; i < 5 && best >= 200; i++) {
                int64_t took = cancel_once(adapters[k], at_source != 0);
                best = took < best ? took : best;
            }
            assert_true(best < 200);
        }
    }
    rows_verify();
}

/* ---- tokens ---- */

#define THREADS 8

struct asker {
    struct env *e;
    struct fl_err err;
    int x;
};

static void *ask(void *arg)
{
    struct asker *a = arg;
    struct fl_manifest_head head = {0};
    a->err = (struct fl_err)FL_ERR_INIT;
    a->x = a->e->ops->head_manifest(a->e->r, &a->e->ctx, "app", "v1", false, &head, &a->err);
    return NULL;
}

struct waiter {
    struct fl_peer *side;
    int ticks;
};

/* Holds the token back for a while, so that the others come to need it. */
static void tick_hold(void *arg)
{
    struct waiter *w = arg;
    if (++w->ticks == 20) {
        fl_peer_release(w->side, 1);
    }
}

static void ask_all(struct env *e, struct asker *askers)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        askers[i].e = e;
        fl_thread_start(&threads[i], "asker", ask, &askers[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void test_registry_blob__eight_threads_ask_for_one_token(void **state)
{
    (void)state;
    for (size_t k = 0; k < FL_LEN(adapters); k++) {
        struct env e;
        env_init(&e, adapters[k]);
        const struct fl_fake_registry_conf conf = {.auth = FL_FAKE_BEARER, .token_life_s = 300};
        e.fake = env_fake(&e, &conf);
        e.r = env_open(&e, e.fake, &conf);
        fl_fake_registry_image(e.fake, "app", "v1", (const char *const[]){"layer", NULL});
        struct waiter w = {.side = fl_fake_registry_side(e.fake)};
        fl_fake_registry_fault(e.fake, &(struct fl_fake_fault){.path = "/token",
                                                               .kind = FL_FAULT_STALL,
                                                               .at = -1,
                                                               .tick = tick_hold,
                                                               .tick_arg = &w});
        struct asker askers[THREADS];
        ask_all(&e, askers);
        for (int i = 0; i < THREADS; i++) {
            row_check("asker", askers[i].x == 0, &askers[i]);
        }
        row_check("tokens", fl_fake_registry_count(e.fake, FL_FAKE_TOKEN) == 1, &e);
        ask_all(&e, askers);
        row_check("tokens", fl_fake_registry_count(e.fake, FL_FAKE_TOKEN) == 1, &e);
        fl_fake_registry_revoke(e.fake);
        ask_all(&e, askers);
        for (int i = 0; i < THREADS; i++) {
            row_check("asker after the revoke", askers[i].x == 0, &askers[i]);
        }
        row_check("tokens after the revoke", fl_fake_registry_count(e.fake, FL_FAKE_TOKEN) == 2,
                  &e);
        check_fake("single flight", e.fake);
        env_release(&e);
    }
    rows_verify();
}

/* A token is asked for again before it ends; nobody sees a 401 because of it. */
static void test_registry_blob__token_renewed_before_it_ends(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t life_s, pass_ms;
        size_t tokens;
    } rows[] = {
        {"fresh", 300, 100000, 1},       {"in the margin", 300, 290000, 2},
        {"over", 300, 400000, 2},        {"told less than 60 s: 60 count", 0, 49000, 1},
        {"not told: 60 s", 0, 50000, 2},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        struct env e;
        env_init(&e, adapters[0]);
        const struct fl_fake_registry_conf conf = {.auth = FL_FAKE_BEARER,
                                                   .token_life_s = rows[i].life_s};
        e.fake = env_fake(&e, &conf);
        e.r = env_open(&e, e.fake, &conf);
        fl_fake_registry_image(e.fake, "app", "v1", (const char *const[]){"layer", NULL});
        struct asker a = {.e = &e};
        ask(&a);
        row_check(rows[i].name, a.x == 0, &a);
        fl_clock_advance(e.clock, rows[i].pass_ms);
        size_t before = fl_fake_registry_count(e.fake, FL_FAKE_MANIFEST_HEAD);
        ask(&a);
        row_check(rows[i].name, a.x == 0, &a);
        row_check(rows[i].name, fl_fake_registry_count(e.fake, FL_FAKE_MANIFEST_HEAD) == before + 1,
                  &e);
        row_check(rows[i].name, fl_fake_registry_count(e.fake, FL_FAKE_TOKEN) == rows[i].tokens,
                  &e);
        check_fake(rows[i].name, e.fake);
        env_release(&e);
    }
    rows_verify();
}

/* The source's token ends between two blobs. */
static void test_registry_blob__token_ends_between_blobs(void **state)
{
    (void)state;
    struct env e;
    env_init(&e, adapters[0]);
    const struct row t = {.conf = {.auth = FL_FAKE_BEARER, .token_life_s = 60},
                          .from_conf = {.auth = FL_FAKE_BEARER, .token_life_s = 60}};
    row_open(&e, &t);
    for (int i = 0; i < 3; i++) {
        struct pushed p = {0};
        p.d.digest = fl_fake_registry_fill(e.from, "src/app", i * 8, LARGE);
        p.d.size = LARGE;
        push(&e, NULL, false, &p);
        row_check("push", p.x == 0 && p.outcome == FL_BLOB_COPIED, &e);
        if (i == 0) {
            fl_clock_advance(e.clock, 61000);
        } else {
            fl_fake_registry_revoke(e.from);
            fl_fake_registry_revoke(e.fake);
        }
    }
    row_check("tokens", fl_fake_registry_count(e.from, FL_FAKE_TOKEN) == 3, &e);
    row_check("tokens", fl_fake_registry_count(e.fake, FL_FAKE_TOKEN) == 3, &e);
    check_fake("between", e.fake);
    check_fake("between", e.from);
    env_release(&e);
    rows_verify();
}

int main(void)
{
    fl_http_global_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registry_blob__arrives_once),
        cmocka_unit_test(test_registry_blob__any_size),
        cmocka_unit_test(test_registry_blob__bad_source_uploads_nothing),
        cmocka_unit_test(test_registry_blob__bad_target_leaves_no_session),
        cmocka_unit_test(test_registry_blob__cancel_ends_within_200_ms),
        cmocka_unit_test(test_registry_blob__eight_threads_ask_for_one_token),
        cmocka_unit_test(test_registry_blob__token_renewed_before_it_ends),
        cmocka_unit_test(test_registry_blob__token_ends_between_blobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
