/* SPDX-License-Identifier: Apache-2.0
 * Source: client-go tools/leaderelection/leaderelection.go (tryAcquireOrRenew), by way of kubernetes.md 1.6. */
#include "kube/lease.h"

#include "api/scheme.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "wire/scan.h"

#define DURATION_MS 15000
#define RENEW_MS 10000
#define RETRY_MS 2000

struct fl_lease {
    struct fl_lease_conf conf;
    char *ns, *name, *identity;
    bool leader;
    int64_t renewed_ms; /* when this process last wrote it */
    char *spec;         /* the record as last seen, as text; NULL = never */
    int64_t seen_ms;    /* local time at which it was first seen so */
    char rv[24];
    char *holder; /* of the record; "" = nobody */
    int64_t record_ms;
    int64_t transitions;
};

struct fl_lease *fl_lease_new(const struct fl_lease_conf *conf)
{
    struct fl_lease *l = FL_NEW(struct fl_lease);
    l->conf = *conf;
    l->ns = fl_strdup(conf->ns);
    l->name = fl_strdup(conf->name);
    l->identity = fl_strdup(conf->identity);
    l->holder = fl_strdup("");
    l->conf.duration_ms = conf->duration_ms > 0 ? conf->duration_ms : DURATION_MS;
    l->conf.renew_ms = conf->renew_ms > 0 ? conf->renew_ms : RENEW_MS;
    l->conf.retry_ms = conf->retry_ms > 0 ? conf->retry_ms : RETRY_MS;
    return l;
}

void fl_lease_free(struct fl_lease *l)
{
    if (l) {
        fl_free(l->ns);
        fl_free(l->name);
        fl_free(l->identity);
        fl_free(l->spec);
        fl_free(l->holder);
        fl_free(l);
    }
}

/* ---- the record ---- */

static void lease_observe(struct fl_lease *l, struct fl_str text)
{
    struct fl_str spec = fl_scan_get(text, FL_STR("spec"));
    struct fl_str rv = {0};
    if (fl_scan_plain(fl_scan_path(text, "metadata.resourceVersion"), &rv) &&
        rv.n < sizeof(l->rv)) {
        memcpy(l->rv, rv.p, rv.n);
        l->rv[rv.n] = '\0';
    }
    if (l->spec && fl_str_is(spec, l->spec)) {
        return;
    }
    fl_auto_val(fl_buf) holder = FL_BUF_INIT(FL_BUF_ANY);
    (void)fl_scan_text(fl_scan_path(spec, "holderIdentity"), &holder);
    int64_t seconds = 0;
    (void)fl_scan_i64(fl_scan_path(spec, "leaseDurationSeconds"), &seconds);
    l->transitions = 0;
    (void)fl_scan_i64(fl_scan_path(spec, "leaseTransitions"), &l->transitions);
    fl_free(l->spec);
    fl_free(l->holder);
    l->spec = fl_strndup(spec.n ? spec.p : "", spec.n);
    l->holder = fl_buf_take(&holder);
    l->record_ms = seconds > 0 && seconds < INT32_MAX ? seconds * 1000 : l->conf.duration_ms;
    l->seen_ms = fl_clock_mono_ms(l->conf.clock);
}

static bool lease_is_mine(const struct fl_lease *l)
{
    return strcmp(l->holder, l->identity) == 0;
}

static void member_time(struct fl_lease *l, struct fl_buf *b, const char *key)
{
    fl_buf_fmt(b, ",\"%s\":\"", key);
    fl_time_fmt_micro(b, fl_clock_wall_us(l->conf.clock));
    fl_buf_char(b, '"');
}

/* The record that makes this process the holder; what does not change is left out (the write is a merge patch). */
static void write_spec(struct fl_lease *l, bool fresh, struct fl_buf *b)
{
    bool mine = lease_is_mine(l);
    fl_buf_text(b, "\"spec\":{\"holderIdentity\":");
    fl_buf_json_str(b, fl_str_of(l->identity));
    fl_buf_fmt(b, ",\"leaseDurationSeconds\":%lld",
               (long long)((l->conf.duration_ms + 999) / 1000));
    if (!mine || fresh) {
        member_time(l, b, "acquireTime");
        fl_buf_fmt(b, ",\"leaseTransitions\":%lld", (long long)(fresh ? 0 : l->transitions + 1));
    }
    member_time(l, b, "renewTime");
    fl_buf_char(b, '}');
}

/* ---- writing ---- */

static int lease_done(struct fl_lease *l, struct fl_shared *answer)
{
    lease_observe(l, fl_shared_str(answer));
    fl_shared_free(answer);
    l->leader = true;
    l->renewed_ms = fl_clock_mono_ms(l->conf.clock);
    return 0;
}

static int lease_create(struct fl_lease *l, const struct fl_ctx *ctx, struct fl_err *err)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&b, "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{"
                    "\"name\":");
    fl_buf_json_str(&b, fl_str_of(l->name));
    fl_buf_text(&b, ",\"namespace\":");
    fl_buf_json_str(&b, fl_str_of(l->ns));
    fl_buf_text(&b, "},");
    write_spec(l, true, &b);
    fl_buf_char(&b, '}');
    struct fl_shared *answer = NULL;
    int r = fl_kube_create(l->conf.kube, ctx, &fl_kind_lease, fl_str_of(l->ns), fl_buf_slice(&b),
                           &answer, err);
    return r < 0 ? r : lease_done(l, answer);
}

static int lease_patch(struct fl_lease *l, const struct fl_ctx *ctx, struct fl_str spec,
                       struct fl_shared **ret, struct fl_err *err)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_fmt(&b, "{\"metadata\":{\"resourceVersion\":\"%s\"},", l->rv);
    fl_buf_str(&b, spec);
    fl_buf_char(&b, '}');
    return fl_kube_patch(l->conf.kube, ctx, &fl_kind_lease, fl_str_of(l->ns), fl_str_of(l->name),
                         "", fl_buf_slice(&b), ret, err);
}

static int lease_update(struct fl_lease *l, const struct fl_ctx *ctx, struct fl_err *err)
{
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    write_spec(l, false, &b);
    struct fl_shared *answer = NULL;
    int r = lease_patch(l, ctx, fl_buf_slice(&b), &answer, err);
    return r < 0 ? r : lease_done(l, answer);
}

static int lease_step(struct fl_lease *l, const struct fl_ctx *ctx, struct fl_err *err)
{
    int64_t now = fl_clock_mono_ms(l->conf.clock);
    /* The holder knows the record: one request. */
    if (l->leader && l->seen_ms + l->record_ms > now) {
        int r = lease_update(l, ctx, err);
        if (r != FL_E_CONFLICT) {
            return r;
        }
    }
    fl_auto(fl_shared) text = NULL;
    int r = fl_kube_get(l->conf.kube, ctx, &fl_kind_lease, fl_str_of(l->ns), fl_str_of(l->name),
                        &text, err);
    if (r == FL_E_NOT_FOUND) {
        return lease_create(l, ctx, err);
    }
    if (r < 0) {
        return r;
    }
    lease_observe(l, fl_shared_str(text));
    if (!lease_is_mine(l) && l->holder[0] && l->seen_ms + l->record_ms > now) {
        l->leader = false;
        return 0;
    }
    return lease_update(l, ctx, err);
}

int fl_lease_try(struct fl_lease *l, const struct fl_ctx *ctx, bool *ret_leader,
                 int64_t *ret_next_ms, struct fl_err *err)
{
    struct fl_err mine = FL_ERR_INIT;
    struct fl_ctx bounded = fl_ctx_timeout(ctx, l->conf.renew_ms / 2);
    int r = lease_step(l, &bounded, &mine);
    int64_t now = fl_clock_mono_ms(l->conf.clock);
    if (r == FL_E_CONFLICT || r == FL_E_EXISTS) {
        r = 0; /* another one was quicker: the next try shows who */
    }
    if (l->leader && now - l->renewed_ms >= l->conf.renew_ms) {
        l->leader = false;
    }
    /* client-go: candidates spread their tries by 1 + 1.2 * rand. */
    int64_t spread = l->conf.retry_ms * 6 / 5;
    *ret_next_ms =
        l->conf.retry_ms + (l->leader ? 0 : (int64_t)(fl_random_u64() % (uint64_t)(spread + 1)));
    *ret_leader = l->leader;
    if (r < 0 && err) {
        *err = mine;
    }
    return r;
}

int fl_lease_release(struct fl_lease *l, const struct fl_ctx *ctx, struct fl_err *err)
{
    if (!l->leader) {
        return 0;
    }
    l->leader = false;
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&b, "\"spec\":{\"holderIdentity\":null,\"leaseDurationSeconds\":1");
    member_time(l, &b, "acquireTime");
    member_time(l, &b, "renewTime");
    fl_buf_char(&b, '}');
    fl_auto(fl_shared) answer = NULL;
    int r = lease_patch(l, ctx, fl_buf_slice(&b), &answer, err);
    if (r == 0) {
        lease_observe(l, fl_shared_str(answer));
    }
    return r;
}
