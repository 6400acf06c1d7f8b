/* SPDX-License-Identifier: Apache-2.0
 * `fairlead run`: the same loops for an existing Kubernetes API. One replica works at a time: the holder of a Lease. */
#include <unistd.h>

#include "app/program.h"
#include "app/work.h"
#include "base/text.h"
#include "kube/lease.h"

#define RUN_LEASE "fairlead"

struct run {
    const struct fl_options *o;
    struct fl_clock *clock;
    struct fl_kube *kube;
    const char *ns; /* of the Lease */
    struct fl_lease *lease;
    struct fl_cancel cancel;
    pthread_t thread;
};

static int run_connect(struct run *r, struct fl_arena *a, struct fl_err *err)
{
    if (!r->o->kubeconfig) {
        int in = fl_kube_new_in_cluster(r->clock, &r->kube, err);
        return in < 0 ? fl_wrap(err, "without --kubeconfig") : 0;
    }
    struct fl_kubeconfig conf = {0};
    if (fl_kubeconfig_load(r->o->kubeconfig, r->o->context, a, &conf, err) < 0) {
        return fl_wrap(err, "--kubeconfig");
    }
    if (conf.namespace_) {
        r->ns = conf.namespace_;
    }
    return fl_kube_new_remote(&conf, r->clock, &r->kube, err);
}

static struct fl_lease *run_new_lease(struct run *r, struct fl_arena *a)
{
    char host[256] = "unknown";
    char uuid[37];
    (void)gethostname(host, sizeof(host) - 1);
    fl_uuid4(uuid);
    const struct fl_lease_conf conf = {
        .kube = r->kube,
        .clock = r->clock,
        .ns = r->ns,
        .name = RUN_LEASE,
        .identity = fl_arena_fmt(a, "%s_%s", host, uuid),
    };
    return fl_lease_new(&conf);
}

/* Works while it leads; a lost Lease ends the process, as is the norm: whoever restarts it starts clean. */
static int run_lead(struct run *r, struct fl_err *err)
{
    struct fl_ctx ctx = fl_ctx_root(r->clock, &r->cancel);
    struct fl_work *work = NULL;
    const struct fl_work_conf conf = {
        .options = r->o, .kube = r->kube, .clock = r->clock, .controllers = true};
    int x = fl_work_open(&conf, &work, err);
    struct fl_err told = FL_ERR_INIT;
    bool waiting = false;
    bool working = false;
    while (x == 0 && !fl_ctx_canceled(&ctx)) {
        bool leader = r->lease == NULL;
        int64_t next_ms = 1000;
        struct fl_err e = FL_ERR_INIT;
        int tried = r->lease ? fl_lease_try(r->lease, &ctx, &leader, &next_ms, &e) : 0;
        if (tried < 0 && strcmp(e.msg, told.msg) != 0) {
            told = e;
            fl_log(FL_LOG_WARN, "Lease " RUN_LEASE, FL_ERR(&e));
        }
        if (tried == 0 && !leader && !working && !waiting) {
            waiting = true;
            fl_log_msg(FL_LOG_INFO, "waiting: another process holds the Lease " RUN_LEASE);
        }
        if (leader && !working) {
            fl_log_msg(FL_LOG_INFO,
                       r->lease ? "leading: the controllers start" : "the controllers start");
            x = fl_work_begin(work, err);
            working = x == 0;
        } else if (!leader && working) {
            x = fl_fail(err, FL_E_UNAVAILABLE, "LeaseLost", "the Lease " RUN_LEASE " was lost");
        }
        struct fl_err ignored = FL_ERR_INIT;
        (void)fl_ctx_sleep(&ctx, next_ms, &ignored);
    }
    fl_work_stop(work, x < 0 ? 0 : r->o->grace_ms);
    if (r->lease && x == 0) {
        struct fl_ctx root = fl_ctx_root(r->clock, NULL);
        struct fl_ctx release = fl_ctx_timeout(&root, 2000);
        struct fl_err ignored = FL_ERR_INIT;
        (void)fl_lease_release(r->lease, &release, &ignored);
    }
    return x;
}

static void *run_signals(void *arg)
{
    struct run *r = arg;
    fl_program_wait_signal();
    fl_cancel_set(&r->cancel);
    return NULL;
}

int fl_program_run(const struct fl_options *o)
{
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_err err = FL_ERR_INIT;
    struct run r = {.o = o, .clock = fl_clock_real(), .ns = o->ns ? o->ns : "default"};
    if (run_connect(&r, a, &err) < 0) {
        return fl_program_fail("fairlead run cannot start", &err);
    }
    r.lease = o->no_leader_elect ? NULL : run_new_lease(&r, a);
    fl_thread_start(&r.thread, "signals", run_signals, &r);
    int x = run_lead(&r, &err);
    fl_lease_free(r.lease);
    if (x < 0) { /* the signal thread still waits: it ends with the process */
        return fl_program_fail("fairlead run ends", &err);
    }
    pthread_join(r.thread, NULL);
    fl_kube_free(r.kube);
    fl_log_msg(FL_LOG_INFO, "ended");
    return 0;
}
