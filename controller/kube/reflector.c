/* SPDX-License-Identifier: Apache-2.0
 * List and watch for ever. kubernetes.md 1.1 (client-go tools/cache/reflector.go). Everything below fl_reflector_stop runs on
 * the watch thread; the door calls, and this decides what to ask next. */
#include "base/mem.h"
#include "base/text.h"
#include "kube/kube_priv.h"
#include "wire/scan.h"

#define BACKOFF_MIN_MS 800
#define BACKOFF_MAX_MS 30000
#define BACKOFF_RESET_MS 120000 /* of health */
#define SHORT_WATCH_MS 1000     /* a watch that ends sooner, with no event, counts as a failure */
#define EXPIRED_AGAIN_MS 10000  /* two 410 within this: wait before the second listing */
#define WATCH_MIN_S 300
#define WATCH_SPAN_S 300
#define SILENCE_SPARE_MS 30000      /* beyond the time at which the server ends the watch */
#define SILENCE_BOOKMARKS_MS 150000 /* they come every minute */
#define LISTING_SILENCE_MS 60000
#define INITIAL_SILENCE_MS 30000 /* within the initial events of a WatchList */
#define PAGE 500
#define PAGE_BYTES_MAX ((size_t)128 << 20)

#define ACCEPT_PARTIAL "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
#define ACCEPT_PARTIAL_LIST "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

struct fl_reflector *fl_reflector_start(struct fl_kube *k, const struct fl_kind *kind,
                                        struct fl_str ns, bool metadata_only,
                                        const struct fl_reflector_ops *ops, void *arg)
{
    struct fl_reflector *r = FL_NEW(struct fl_reflector);
    r->kube = k;
    r->kind = kind;
    r->ns = fl_strndup(ns.n ? ns.p : "", ns.n);
    r->metadata_only = metadata_only;
    r->ops = ops;
    r->arg = arg;
    r->page = PAGE;
    r->expired_ms = -1;
    fl_buf_init(&r->cont, 64 << 10);
    fl_buf_init(&r->body, PAGE_BYTES_MAX);
    fl_watch_lines_init(&r->lines, FL_WATCH_LINE_MAX);
    fl_auto_val(fl_buf) path = FL_BUF_INIT(FL_BUF_ANY);
    kube_path(&path, kind, fl_str_of(r->ns), (struct fl_str){0}, "");
    r->path = fl_buf_take(&path);
    k->door->start(r);
    return r;
}

void fl_reflector_stop(struct fl_reflector *r)
{
    r->kube->door->stop(r);
    fl_buf_release(&r->cont);
    fl_buf_release(&r->body);
    fl_watch_lines_release(&r->lines);
    fl_free(r->path);
    fl_free(r->ns);
    fl_free(r);
}

/* ---- asking ---- */

static void ask(struct fl_reflector *r)
{
    static const char *const accept[2][3] = {
        {[KUBE_WATCHLIST] = NULL, [KUBE_LIST] = NULL, [KUBE_WATCH] = NULL},
        {[KUBE_WATCHLIST] = ACCEPT_PARTIAL,
         [KUBE_LIST] = ACCEPT_PARTIAL_LIST,
         [KUBE_WATCH] = ACCEPT_PARTIAL},
    };
    fl_auto_val(fl_buf) q = FL_BUF_INIT(FL_BUF_ANY);
    int64_t seconds = WATCH_MIN_S + (int64_t)(fl_random_u64() % WATCH_SPAN_S);
    int64_t silence_ms = r->bookmarks ? SILENCE_BOOKMARKS_MS : seconds * 1000 + SILENCE_SPARE_MS;
    if (r->phase == KUBE_LIST) {
        silence_ms = LISTING_SILENCE_MS;
        fl_buf_fmt(&q, "limit=%d", r->page);
        if (r->cont.len > 0) {
            fl_buf_text(&q, "&continue=");
            fl_buf_url(&q, fl_buf_slice(&r->cont), "");
        }
    } else {
        fl_buf_fmt(&q, "watch=true&allowWatchBookmarks=true&timeoutSeconds=%d", (int)seconds);
        if (r->phase == KUBE_WATCHLIST) {
            fl_buf_text(&q, "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
        } else {
            fl_buf_fmt(&q, "&resourceVersion=%s", r->rv);
        }
    }
    r->stream = true;
    r->got_event = false;
    r->failed = false;
    r->opened_ms = fl_clock_mono_ms(r->kube->clock);
    r->data_ms = r->opened_ms;
    fl_buf_release(&r->body);
    fl_watch_lines_clear(&r->lines);
    r->kube->door->open(r, fl_buf_slice(&q), accept[r->metadata_only][r->phase], silence_ms);
    if (r->phase == KUBE_WATCHLIST) {
        r->kube->door->later(r, INITIAL_SILENCE_MS);
    }
}

static void to_listing(struct fl_reflector *r)
{
    r->phase = r->no_watchlist ? KUBE_LIST : KUBE_WATCHLIST;
    r->begun = false;
    fl_buf_clear(&r->cont);
}

void kube_reflector_begin(struct fl_reflector *r)
{
    to_listing(r);
    ask(r);
}

static void abort_stream(struct fl_reflector *r, const struct fl_err *err)
{
    r->failed = true;
    r->failure = *err;
    r->kube->door->abort(r);
}

/* A server that takes the parameters of a WatchList without knowing them sends what it has and then nothing, for ever
 * (kubernetes.md fact 2). */
static void check_initial(struct fl_reflector *r)
{
    if (r->phase != KUBE_WATCHLIST || r->failed) {
        return;
    }
    int64_t left = r->data_ms + INITIAL_SILENCE_MS - fl_clock_mono_ms(r->kube->clock);
    if (left > 0) {
        r->kube->door->later(r, left);
        return;
    }
    struct fl_err err = FL_ERR_INIT;
    r->no_watchlist = true;
    (void)fl_fail(&err, FL_E_TIMEOUT, "WatchSilent",
                  "the listing by watch does not come to its end");
    abort_stream(r, &err);
}

void kube_reflector_due(struct fl_reflector *r)
{
    if (r->stream) {
        check_initial(r);
    } else {
        ask(r);
    }
}

/* ---- trouble ---- */

static void healthy(struct fl_reflector *r)
{
    if (r->troubled) {
        r->troubled = false;
        r->ops->trouble(r->arg, NULL);
    }
}

/* client-go: exponential, jitter factor 1.0 (up to twice), reset after two minutes without a failure. */
static void back_off(struct fl_reflector *r, const struct fl_err *err)
{
    int64_t now = fl_clock_mono_ms(r->kube->clock);
    if (r->backoff_ms == 0 || now - r->backed_off_ms > BACKOFF_RESET_MS + BACKOFF_MAX_MS) {
        r->backoff_ms = BACKOFF_MIN_MS;
    }
    int64_t wait = r->backoff_ms + (int64_t)(fl_random_u64() % (uint64_t)r->backoff_ms);
    wait = wait < BACKOFF_MAX_MS ? wait : BACKOFF_MAX_MS;
    wait = err->retry_after_ms > wait ? err->retry_after_ms : wait;
    r->backoff_ms = 2 * r->backoff_ms < BACKOFF_MAX_MS ? 2 * r->backoff_ms : BACKOFF_MAX_MS;
    r->backed_off_ms = now;
    r->kube->door->later(r, wait);
    r->troubled = true;
    r->ops->trouble(r->arg, err);
}

/* The history that the watch would go on from is gone: a new listing, at once unless that was just done. */
static void expired(struct fl_reflector *r, const struct fl_err *err)
{
    int64_t now = fl_clock_mono_ms(r->kube->clock);
    bool again = r->expired_ms >= 0 && now - r->expired_ms < EXPIRED_AGAIN_MS;
    r->expired_ms = now;
    if (r->phase == KUBE_LIST && r->cont.len > 0) {
        r->page =
            0; /* as client-go's pager: one full list instead of pages that outlive the history */
    }
    to_listing(r);
    if (again) {
        back_off(r, err);
    } else {
        ask(r);
    }
}

static void recover(struct fl_reflector *r, const struct fl_err *err)
{
    if (err->code == FL_E_NOT_FOUND && strcmp(err->reason, "Expired") == 0) {
        expired(r, err);
        return;
    }
    if (r->phase == KUBE_WATCHLIST && (err->http_status == 400 || err->http_status == 422)) {
        r->no_watchlist = true; /* not offered: kubernetes.md fact 2 */
        to_listing(r);
        ask(r);
        return;
    }
    if (err->code == FL_E_TOO_BIG && r->phase == KUBE_LIST && r->page > 1) {
        r->page /= 2;
    }
    /* A watch goes on from where it was when only the way to the server failed, or when it asks for time. */
    bool keeps =
        r->phase == KUBE_WATCH &&
        (err->code == FL_E_UNAVAILABLE || err->code == FL_E_TIMEOUT || err->code == FL_E_LIMITED ||
         err->code == FL_E_AUTH || err->code == FL_E_CANCELED);
    if (!keeps) {
        to_listing(r);
    }
    back_off(r, err);
}

/* ---- what comes ---- */

static void begin_once(struct fl_reflector *r)
{
    if (!r->begun) {
        r->begun = true;
        r->ops->begin(r->arg);
    }
}

static void remember_rv(struct fl_reflector *r, struct fl_str rv)
{
    if (rv.n > 0 && rv.n < sizeof(r->rv) && fl_str_printable(rv)) {
        memcpy(r->rv, rv.p, rv.n);
        r->rv[rv.n] = '\0';
    }
}

static void listing_done(struct fl_reflector *r)
{
    begin_once(r);
    r->begun = false;
    r->phase = KUBE_WATCH;
    healthy(r);
    r->ops->synced(r->arg, fl_str_of(r->rv));
}

void kube_reflector_head(struct fl_reflector *r, int status)
{
    if (status < 200 || status > 299) {
        return;
    }
    if (r->phase == KUBE_WATCH) {
        healthy(r);
    } else {
        begin_once(r);
    }
}

static int watch_failed(struct fl_str object, struct fl_err *err)
{
    int64_t code = 0;
    (void)fl_scan_i64(fl_scan_get(object, FL_STR("code")), &code);
    return kube_fail(code >= 400 && code < 600 ? (int)code : 500, -1, object, err);
}

static int on_line(void *arg, struct fl_str line, struct fl_err *err)
{
    struct fl_reflector *r = arg;
    struct fl_watch_event ev = {0};
    int rc = fl_watch_event_parse(line, !r->kube->door->trusted, &ev, err);
    if (rc < 0) {
        return rc;
    }
    r->got_event = true;
    switch (ev.type) {
    case FL_WATCH_SET:
        r->ops->set(r->arg, ev.object);
        break;
    case FL_WATCH_DELETED:
        r->ops->del(r->arg, ev.object);
        break;
    case FL_WATCH_BOOKMARK:
        r->bookmarks = true;
        break;
    case FL_WATCH_ERROR:
        return watch_failed(ev.object, err);
    }
    /* Initial events come in no order: only the bookmark at their end is a place to go on from. */
    if (r->phase == KUBE_WATCH || ev.initial_end) {
        remember_rv(r, ev.rv);
    }
    if (r->phase == KUBE_WATCHLIST && ev.initial_end) {
        listing_done(r);
    }
    return 0;
}

void kube_reflector_data(struct fl_reflector *r, struct fl_str piece)
{
    if (r->failed) {
        return;
    }
    struct fl_err err = FL_ERR_INIT;
    int rc;
    r->data_ms = fl_clock_mono_ms(r->kube->clock);
    if (r->phase == KUBE_LIST) {
        fl_buf_str(&r->body, piece);
        rc = fl_buf_finish(&r->body, "list", &err);
    } else {
        rc = fl_watch_lines_feed(&r->lines, piece, on_line, r, &err);
    }
    if (rc < 0) {
        abort_stream(r, &err);
    }
}

static int on_item(void *arg, struct fl_str raw, struct fl_err *err)
{
    struct fl_reflector *r = arg;
    (void)err;
    r->ops->set(r->arg, raw);
    return 0;
}

static int read_page(struct fl_reflector *r, struct fl_err *err)
{
    struct fl_str text = fl_buf_slice(&r->body);
    int rc = r->kube->door->trusted ? 0 : fl_json_check(text, err);
    if (rc < 0) {
        return fl_wrap(err, "list of %s", r->kind->plural);
    }
    struct fl_str meta = {0};
    struct fl_str rv = {0};
    rc = fl_scan_list(text, &meta, on_item, r, err);
    if (rc < 0) {
        return rc;
    }
    if (!fl_scan_plain(fl_scan_get(meta, FL_STR("resourceVersion")), &rv) || rv.n == 0) {
        return fl_fail(err, FL_E_BAD_DATA, "BadList", "a list without resourceVersion");
    }
    remember_rv(r, rv);
    fl_buf_clear(&r->cont);
    (void)fl_scan_text(fl_scan_get(meta, FL_STR("continue")), &r->cont);
    return fl_buf_finish(&r->cont, "continue", err);
}

static void page_ended(struct fl_reflector *r)
{
    struct fl_err err = FL_ERR_INIT;
    begin_once(r);
    int rc = read_page(r, &err);
    fl_buf_release(&r->body);
    if (rc < 0) {
        recover(r, &err);
        return;
    }
    if (r->cont.len == 0) {
        listing_done(r);
    }
    ask(r);
}

static void ended_in_order(struct fl_reflector *r)
{
    struct fl_err err = FL_ERR_INIT;
    if (r->phase == KUBE_LIST) {
        page_ended(r);
        return;
    }
    if (r->phase == KUBE_WATCHLIST) {
        /* Perhaps the server takes the parameters without knowing them: lists are understood by all. */
        r->no_watchlist = true;
        (void)fl_fail(&err, FL_E_BAD_DATA, "WatchEnded",
                      "the watch ended before its listing was whole");
        recover(r, &err);
        return;
    }
    if (!r->got_event && fl_clock_mono_ms(r->kube->clock) - r->opened_ms < SHORT_WATCH_MS) {
        (void)fl_fail(&err, FL_E_UNAVAILABLE, "WatchEnded", "the watch ended as soon as it began");
        recover(r, &err);
        return;
    }
    ask(r);
}

void kube_reflector_end(struct fl_reflector *r, int status, int64_t retry_after_ms,
                        struct fl_str body, const struct fl_err *err)
{
    struct fl_err why = FL_ERR_INIT;
    r->stream = false;
    if (r->failed) {
        why = r->failure;
    } else if (err) {
        why = *err;
    } else if (status < 200 || status > 299) {
        (void)kube_fail(status, retry_after_ms, body, &why);
    } else {
        ended_in_order(r);
        return;
    }
    r->failed = false;
    recover(r, &why);
}
