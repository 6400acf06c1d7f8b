/* SPDX-License-Identifier: Apache-2.0
 * What a GitMirror's pass tells of the refs that moved, and of those that wait. */
#include "api/scheme.h"
#include "base/num.h"
#include "reconcile/mirror_priv.h"

#define MIRROR_HELD_MAX 50

static bool mirror_is_ours(const struct fl_ref_move *m)
{
    return fl_text_starts(m->name, MIRROR_KEPT);
}

static void mirror_tell_live(struct mirror_pass *x, const struct fl_ref_move *v, size_t n)
{
    const struct fl_mirrors_conf *conf = &x->ms->conf;
    if (!conf->live_ops) {
        return;
    }
    struct fl_live_change *changes = fl_arena_array(x->p->arena, n + 1, sizeof(*changes));
    size_t told = 0;
    for (size_t i = 0; i < n; i++) {
        if (!mirror_is_ours(&v[i])) {
            changes[told++] = (struct fl_live_change){v[i].name, v[i].old, v[i].new};
        }
    }
    const struct fl_live_event e = {.kind = &fl_kind_git_mirror,
                                    .ns = x->p->obj->ns,
                                    .name = x->p->obj->name,
                                    .trigger = mirror_trigger(x->p),
                                    .v = changes,
                                    .n = told};
    conf->live_ops->refresh(conf->live, &e);
}

static void mirror_tell_kept(struct mirror_pass *x, const struct fl_ref_move *v, size_t n)
{
    const struct fl_ref_move *first = NULL;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (mirror_is_ours(&v[i])) {
            first = first ? first : &v[i];
            kept++;
        }
    }
    if (first) {
        fl_pass_event(
            x->p, "Warning", "ForcePushKept",
            "%zu refs were force-pushed; their old commits are kept, the first (%.12s) as "
            "%s",
            kept, first->new, first->name);
    }
}

void mirror_tell_moves(struct mirror_pass *x, const struct fl_ref_move *v, size_t n,
                       int64_t began_ms)
{
    struct fl_pass *p = x->p;
    struct fl_mirror_fetch *f = FL_ARENA_NEW(p->arena, struct fl_mirror_fetch);
    for (size_t i = 0; i < n; i++) {
        if (mirror_is_ours(&v[i])) {
            continue;
        }
        int64_t *counter = !v[i].new     ? &f->deleted
                           : !v[i].old   ? &f->created
                           : v[i].forced ? &f->forced
                                         : &f->updated;
        ++*counter;
        x->moved++;
    }
    f->time = fl_pass_now(p);
    f->trigger = mirror_trigger(p);
    f->duration_ms = fl_clock_mono_ms(p->ctx.clock) - began_ms;
    x->st->last_fetch = f;
    x->st->last_poll_time = f->time;
    x->st->common.last_run_time = f->time;
    fl_pass_event(
        p, "Normal", "RefsUpdated", "%lld refs created, %lld updated, %lld forced, %lld deleted",
        (long long)f->created, (long long)f->updated, (long long)f->forced, (long long)f->deleted);
    mirror_tell_kept(x, v, n);
    mirror_tell_live(x, v, n);
}

static void mirror_say_held(struct mirror_pass *x, const char *type, int64_t n, const char *what,
                            const char *why, bool anew)
{
    struct fl_pass *p = x->p;
    if (n == 0) {
        fl_pass_condition_drop(p, type);
        return;
    }
    const char *text = fl_arena_fmt(
        p->arena,
        "%s: %lld %s wait. To let just this happen: kubectl annotate gitmirror -n %.*s %.*s "
        "%s=%s --overwrite",
        why, (long long)n, what, FL_STR_ARG(p->obj->ns), FL_STR_ARG(p->obj->name),
        FL_ANNOTATION_APPROVE, x->st->held->nonce);
    fl_pass_condition(p, type, true, type, "%s", text);
    if (anew) {
        fl_pass_event(p, "Warning", type, "%s", text);
    }
}

void mirror_write_held(struct mirror_pass *x, const struct mirror_plan *plan, const char *since)
{
    struct fl_git_mirror_status *st = x->st;
    bool anew = !st->held || !fl_text_eq(st->held->nonce, plan->nonce);
    if (plan->n_held == 0) {
        st->held = NULL;
        fl_pass_condition_drop(x->p, "DeletionBlocked");
        fl_pass_condition_drop(x->p, "ForcePushBlocked");
        return;
    }
    struct fl_mirror_held *h = FL_ARENA_NEW(x->p->arena, struct fl_mirror_held);
    const char **names = fl_arena_array(x->p->arena, MIRROR_HELD_MAX, sizeof(*names));
    for (size_t i = 0; i < plan->n_held; i++) {
        h->deletions += plan->held[i].new ? 0 : 1;
        h->forced += plan->held[i].forced ? 1 : 0;
        if (i < MIRROR_HELD_MAX) {
            names[i] = plan->held[i].name;
            h->refs.n++;
        }
    }
    h->refs.v = names;
    h->nonce = fl_arena_text(x->p->arena, plan->nonce);
    h->since = since;
    st->held = h;
    mirror_say_held(x, "DeletionBlocked", h->deletions, "removals", plan->why_held, anew);
    mirror_say_held(x, "ForcePushBlocked", h->forced, "force pushes", plan->why_held, anew);
}

/* ---- what guards are measured against ---- */

const char *mirror_place(struct mirror_pass *x)
{
    fl_auto_val(fl_buf) place = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_git_url url;
    if (fl_git_url_parse(fl_str_of(x->spec->url), &url, NULL) < 0) {
        return x->spec->url;
    }
    fl_git_url_place(&place, &url);
    return fl_arena_str(x->p->arena, fl_buf_slice(&place));
}

size_t mirror_peak(const struct mirror_pass *x)
{
    const struct fl_mirror_peak *p = x->st->peak;
    int64_t since_ms = 0;
    bool fresh = p && p->time && p->refs > 0 && fl_time_parse(fl_str_of(p->time), &since_ms) &&
                 fl_clock_wall_ms(x->p->ctx.clock) - since_ms < FL_MIRROR_PEAK_MS;
    return fresh ? (size_t)p->refs : 0;
}

void mirror_write_peak(struct mirror_pass *x, size_t before, bool agreed)
{
    const struct fl_mirror_peak *was = x->st->peak;
    size_t now = x->mine.n;
    size_t lately = mirror_peak(x);
    size_t most = now > before ? now : before;
    if (agreed) {
        most = now;
    } else if (was && (lately >= most || (now >= before && was->refs == (int64_t)now))) {
        return; /* of a day that is over nothing is left but the number, until something goes */
    }
    x->st->peak = FL_ARENA_NEW(x->p->arena, struct fl_mirror_peak);
    *x->st->peak = (struct fl_mirror_peak){.time = fl_pass_now(x->p), .refs = (int64_t)most};
}
