/* SPDX-License-Identifier: Apache-2.0
 * What the remotes of this process have in common: clients by trust, back-offs by host. One lock, held for no call that
 * blocks. */
#include <pthread.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/num.h"
#include "remote/git/client.h"
#include "wire/digest.h"

struct trust {
    struct fl_http *http;
    char key[FL_DIGEST_TEXT];
    size_t refs;
};

enum {
    REFUSED_MS = 5000,
    REFUSED_MAX_MS = 300 * 1000,
    PROBE_MS = 10 * 1000, /* the others wait for the answer of the first one after a refusal */
    FORGET_MS = 15 * 60 * 1000,
    RESET_MAX_MS = 3600 * 1000
};

struct host {
    struct fl_clock *clock;
    int64_t until_ms; /* monotonic */
    int refusals;     /* since the last answer */
    bool probed;      /* by one that asked after the hold */
};

static struct {
    struct fl_lock lock;
    struct fl_map *trusts; /* by what is trusted */
    struct fl_map *hosts;  /* "host:port"; only those that hold or refused of late */
} share;

static pthread_once_t share_once = PTHREAD_ONCE_INIT;

static void share_setup(void)
{
    fl_lock_init(&share.lock, "git-share", FL_RANK_REMOTE);
}

static struct fl_lock *share_lock(void)
{
    fl_assert(pthread_once(&share_once, share_setup) == 0);
    return &share.lock;
}

/* ---- clients --------------------------------------------------------------------------------------------------- */

/* A digest, so that no key of a certificate stays here. */
static void trust_key(const struct fl_http_conf *c, char ret[FL_DIGEST_TEXT])
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    const char *const texts[] = {c->ca_pem, c->cert_pem, c->key_pem};
    size_t room = 64;
    for (size_t i = 0; i < FL_LEN(texts); i++) {
        room += texts[i] ? strlen(texts[i]) + 4 : 4;
    }
    fl_buf_reserve(&b, room); /* growing would leave copies behind */
    for (size_t i = 0; i < FL_LEN(texts); i++) {
        fl_buf_fmt(&b, "%d:", texts[i] != NULL);
        fl_buf_text(&b, texts[i]);
        fl_buf_char(&b, '\0');
    }
    fl_buf_fmt(&b, "%d %d", c->insecure, (int)c->reach);
    for (size_t i = 0; c->private_hosts && c->private_hosts[i]; i++) {
        fl_buf_fmt(&b, " %s", c->private_hosts[i]);
    }
    fl_digest_of(FL_SHA256, fl_buf_slice(&b), ret);
    fl_buf_wipe(&b);
}

int git_http_take(const struct fl_http_conf *conf, struct fl_http **ret, struct fl_err *err)
{
    char key[FL_DIGEST_TEXT];
    trust_key(conf, key);
    fl_lock_scope(share_lock());
    struct trust *t = share.trusts ? fl_map_get(share.trusts, fl_str_of(key)) : NULL;
    if (!t) {
        struct fl_http *h = NULL;
        int x = fl_http_new(conf, &h, err);
        if (x < 0) {
            return x;
        }
        t = FL_NEW(struct trust);
        t->http = h;
        memcpy(t->key, key, sizeof(key));
        share.trusts = share.trusts ? share.trusts : fl_map_new(NULL);
        fl_map_set(share.trusts, fl_str_of(key), t);
    }
    t->refs++;
    *ret = t->http;
    return 0;
}

static struct trust *trust_drop(struct fl_http *h)
{
    fl_lock_scope(share_lock());
    size_t it = 0;
    struct fl_str key;
    void *value;
    while (share.trusts && fl_map_next(share.trusts, &it, &key, &value)) {
        struct trust *t = value;
        if (t->http != h) {
            continue;
        }
        if (--t->refs > 0) {
            return NULL;
        }
        (void)fl_map_del(share.trusts, fl_str_of(t->key));
        if (fl_map_len(share.trusts) == 0) {
            fl_map_free(share.trusts);
            share.trusts = NULL;
        }
        return t;
    }
    return NULL;
}

void git_http_give(struct fl_http *h)
{
    struct trust *t = h ? trust_drop(h) : NULL;
    if (t) {
        fl_http_free(t->http);
        fl_free(t);
    }
}

/* ---- hosts ----------------------------------------------------------------------------------------------------- */

static void host_key(const struct fl_url *at, struct fl_buf *b)
{
    for (size_t i = 0; i < at->host.n; i++) {
        char c = at->host.p[i];
        fl_buf_char(b, (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c));
    }
    fl_buf_fmt(b, ":%u", (unsigned)at->port);
}

static void hosts_sweep(struct fl_clock *clock)
{
    size_t it = 0;
    struct fl_str key;
    void *value;
    int64_t now = fl_clock_mono_ms(clock);
    while (share.hosts && fl_map_next(share.hosts, &it, &key, &value)) {
        struct host *h = value;
        int64_t keep = h->refusals > 0 ? FORGET_MS : 0;
        if (h->clock != clock || h->until_ms + keep <= now) {
            (void)fl_map_del(share.hosts, key);
        }
    }
    if (share.hosts && fl_map_len(share.hosts) == 0) {
        fl_map_free(share.hosts);
        share.hosts = NULL;
    }
}

/* NULL: it neither holds nor refused; the usual case, in which nothing is looked for. */
static struct host *host_find(struct fl_clock *clock, const struct fl_url *at)
{
    if (!share.hosts) {
        return NULL;
    }
    hosts_sweep(clock);
    fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
    host_key(at, &key);
    return share.hosts ? fl_map_get(share.hosts, fl_buf_slice(&key)) : NULL;
}

static struct host *host_make(struct fl_clock *clock, const struct fl_url *at)
{
    struct host *h = host_find(clock, at);
    if (!h) {
        fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
        host_key(at, &key);
        h = FL_NEW(struct host);
        *h = (struct host){.clock = clock, .until_ms = fl_clock_mono_ms(clock)};
        share.hosts = share.hosts ? share.hosts : fl_map_new(fl_free);
        fl_map_set(share.hosts, fl_buf_slice(&key), h);
    }
    return h;
}

static int host_look(struct fl_clock *clock, const struct fl_url *at, bool enter,
                     struct fl_err *err)
{
    fl_lock_scope(share_lock());
    struct host *h = host_find(clock, at);
    int64_t now = fl_clock_mono_ms(clock);
    if (!h) {
        return 0;
    }
    if (h->until_ms <= now) {
        if (enter && h->refusals > 0) {
            h->probed = true;
            h->until_ms = now + PROBE_MS;
        }
        return 0;
    }
    int64_t left = h->until_ms - now;
    return fl_fail_http(err, FL_E_LIMITED, 0, left, "HostBackOff",
                        h->probed ? "%.*s had asked to be left alone: another one asks it first, "
                                    "%lld s more at most"
                                  : "%.*s asked to be left alone for %lld s more",
                        FL_STR_ARG(at->host), (long long)(left + 999) / 1000);
}

int git_host_check(struct fl_clock *clock, const struct fl_url *at, struct fl_err *err)
{
    return host_look(clock, at, false, err);
}

int git_host_enter(struct fl_clock *clock, const struct fl_url *at, struct fl_err *err)
{
    return host_look(clock, at, true, err);
}

void git_host_hold(struct fl_clock *clock, const struct fl_url *at, int64_t ms)
{
    if (ms <= 0) {
        return;
    }
    fl_lock_scope(share_lock());
    struct host *h = host_make(clock, at);
    int64_t until = fl_clock_mono_ms(clock) + ms;
    h->probed = false;
    h->until_ms = until > h->until_ms ? until : h->until_ms;
}

/* Those that were under way when it refused the first are refused too: they do not make it longer. */
int64_t git_host_refused(struct fl_clock *clock, const struct fl_url *at, int64_t wait_ms)
{
    fl_lock_scope(share_lock());
    struct host *h = host_make(clock, at);
    int64_t now = fl_clock_mono_ms(clock);
    bool holds = h->until_ms > now && !h->probed;
    int64_t ms = wait_ms;
    if (!holds) {
        h->probed = false;
        h->until_ms = now;
        h->refusals++;
    }
    if (wait_ms <= 0) {
        int doublings = h->refusals < 8 ? h->refusals - 1 : 7;
        ms = holds ? 0 : (int64_t)REFUSED_MS << doublings;
        ms = ms > REFUSED_MAX_MS ? REFUSED_MAX_MS : ms;
    }
    h->until_ms = now + ms > h->until_ms ? now + ms : h->until_ms;
    return h->until_ms - now;
}

void git_host_answered(struct fl_clock *clock, const struct fl_url *at)
{
    fl_lock_scope(share_lock());
    struct host *h = host_find(clock, at);
    if (h && (h->probed || h->until_ms <= fl_clock_mono_ms(clock))) {
        fl_auto_val(fl_buf) key = FL_BUF_INIT(FL_BUF_ANY);
        host_key(at, &key);
        (void)fl_map_del(share.hosts, fl_buf_slice(&key));
    }
}

/* x-ratelimit-reset is in seconds since 1970. */
int64_t git_limit_ms(const struct fl_http_resp *r, const struct fl_ctx *ctx)
{
    int64_t wait_ms = fl_http_retry_after_ms(r, ctx);
    int64_t reset_s = 0;
    if (wait_ms >= 0 || !fl_str_is(fl_http_header(r, "x-ratelimit-remaining", 0), "0") ||
        !fl_num_i64(fl_http_header(r, "x-ratelimit-reset", 0), &reset_s) || reset_s < 0 ||
        reset_s > INT64_MAX / 2000) {
        return wait_ms;
    }
    int64_t left = reset_s * 1000 - fl_clock_wall_ms(ctx->clock);
    return left < 1000 ? 1000 : left > RESET_MAX_MS ? RESET_MAX_MS : left;
}
