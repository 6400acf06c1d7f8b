/* SPDX-License-Identifier: Apache-2.0
 * What stands beside a GitMirror's refs: its webhook, kept tips, large files, upkeep. */
#include "api/scheme.h"
#include "base/mem.h"
#include "reconcile/mirror_priv.h"

/* ---- webhook --------------------------------------------------------------------------------- */

static const struct fl_secret *hook_token(const struct fl_secret_data *s, const char *name,
                                          struct fl_err *err)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->v[i].key, "token") == 0 && s->v[i].value.n > 0) {
            return &s->v[i].value;
        }
    }
    fl_fail(err, FL_E_INVALID, "SecretInvalid",
            "Secret '%s' (spec.webhook.secretRef) has no key token: put there what the sender "
            "signs with",
            name);
    return NULL;
}

/* Without a token the mirror has no path of its own, and is woken only by who delivers for all. */
static void hook_put(struct mirror_pass *x, const struct fl_secret *token)
{
    const struct fl_mirror_webhook *hook = x->spec->webhook;
    const struct fl_mirrors_conf *conf = &x->ms->conf;
    fl_auto_val(fl_buf) place = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_git_url url;
    char path[FL_HOOK_PATH] = "";
    if (fl_git_url_parse(fl_str_of(x->spec->url), &url, NULL) == 0) {
        fl_git_url_place(&place, &url);
    }
    const struct fl_secret none = {0};
    const struct fl_hook_route route = {
        .kind = &fl_kind_git_mirror,
        .ns = x->p->obj->ns,
        .name = x->p->obj->name,
        .type = hook ? (enum fl_hook_type)hook->type : FL_HOOK_GENERIC_HMAC,
        .secret = token ? token : &none,
        .place = fl_buf_slice(&place),
    };
    conf->hooks_ops->put(conf->hooks, &route, path);
    x->st->webhook_path = path[0] ? fl_arena_text(x->p->arena, path) : NULL;
    if (path[0] && hook) {
        fl_pass_condition(x->p, "WebhookConfigured", true, "Succeeded",
                          "deliveries of type %s are taken at %s",
                          fl_webhook_type_names[hook->type], path);
    } else {
        fl_pass_condition_drop(x->p, "WebhookConfigured");
    }
}

void mirror_webhook(struct mirror_pass *x)
{
    const struct fl_mirror_webhook *hook = x->spec->webhook;
    const char *name = hook && hook->secret_ref ? hook->secret_ref->name : NULL;
    char seen[96] = "";
    if (!x->ms->conf.hooks_ops) {
        x->st->webhook_path = NULL;
        fl_pass_condition_drop(x->p, "WebhookConfigured");
        return;
    }
    if (name) {
        fl_pass_secret_version(x->p, name, seen);
    }
    fl_auto_text version = fl_asprintf("%lld %s", (long long)x->p->obj->generation, seen);
    if (fl_text_eq(version, x->memo->hook_version)) {
        return;
    }
    fl_auto(fl_secret_data) secret = NULL;
    const struct fl_secret *token = NULL;
    if (name && mirror_secret(x->p, "spec.webhook.secretRef", name, &secret, &x->also) == 0) {
        token = hook_token(secret, name, &x->also);
    } else if (name && mirror_transient(&x->also)) {
        return; /* the API is away: what is there stays, senders give up on a 404 */
    }
    hook_put(x, token);
    fl_free(x->memo->hook_version); /* what failed is tried again by each pass */
    x->memo->hook_version = x->also.code == FL_OK ? fl_take(version) : NULL;
}

/* ---- kept tips, LFS, upkeep ---- */

int mirror_tend_kept(struct mirror_pass *x, struct fl_err *err)
{
    struct fl_pass *p = x->p;
    const struct fl_repo_ops *ops = x->ms->adapter->repo;
    struct fl_git_refs kept = {0};
    struct fl_ref_move *gone = NULL;
    int r = ops->kept(x->repo, p->arena, &kept, err);
    if (r < 0) {
        return r;
    }
    size_t n = mirror_plan_expired(p->arena, &kept, x->guard->kept_for_ms, mirror_now_s(x), &gone,
                                   &x->memo->expires_s);
    struct fl_ctx ctx = mirror_long(x);
    r = n > 0 ? ops->move(x->repo, &ctx, gone, n, NULL, err) : 0;
    if (r < 0) {
        return r;
    }
    x->st->kept_tips = (int64_t)(kept.n - n);
    if (x->st->kept_tips > 0) {
        fl_pass_condition(p, "ForcePushKept", true, "ForcePushKept",
                          "%lld old commits of force-pushed refs are kept under " MIRROR_KEPT
                          "kept/",
                          (long long)x->st->kept_tips);
    } else {
        fl_pass_condition_drop(p, "ForcePushKept");
    }
    return 0;
}

static void lfs_failed(struct mirror_pass *x, struct fl_err *err)
{
    bool none = fl_text_eq(err->reason, "LFSNotInstalled");
    struct fl_err shown = FL_ERR_INIT;
    fl_fail(&shown, err->code, none ? "LFSNotInstalled" : "LFSFailed", "large files (LFS): %s",
            err->msg);
    shown.retry_after_ms = err->retry_after_ms;
    fl_pass_condition(x->p, "LFSIncomplete", true, shown.reason, "%s", shown.msg);
    if (x->also.code == FL_OK) {
        x->also = shown;
    }
}

/* Looking costs a process: only when something may be another. */
void mirror_lfs(struct mirror_pass *x)
{
    struct fl_pass *p = x->p;
    struct fl_ctx ctx = mirror_long(x);
    struct fl_err err = FL_ERR_INIT;
    bool news = x->moved > 0 || p->changed;
    if (x->spec->lfs == FL_LFS_IGNORE) {
        x->st->lfs = false;
    } else if (news && x->mine.n > 0 &&
               x->ms->adapter->repo->uses_lfs(x->repo, &ctx, &x->st->lfs, &err) < 0) {
        lfs_failed(x, &err);
        return;
    }
    if (!x->st->lfs) {
        fl_pass_condition_drop(p, "LFSIncomplete");
        return;
    }
    if (x->spec->lfs == FL_LFS_DETECT) {
        fl_pass_condition(p, "LFSIncomplete", true, "LFSNotFetched",
                          "the default branch has large files (Git LFS), which are not here: "
                          "spec.lfs: Fetch fetches them too, Ignore drops this condition");
        return;
    }
    if (!news && !mirror_lfs_owed(x)) {
        return;
    }
    if (x->ms->adapter->mirror->fetch_lfs(x->remote, &ctx, x->repo, &err) < 0) {
        lfs_failed(x, &err);
    } else {
        fl_pass_condition_drop(p, "LFSIncomplete");
    }
}

bool mirror_lfs_owed(const struct mirror_pass *x)
{
    const struct fl_condition *c = fl_pass_find_condition(x->p, "LFSIncomplete");
    return x->spec->lfs == FL_LFS_FETCH && c && !fl_text_eq(c->reason, MIRROR_LFS_NOT_PUSHED);
}

void mirror_upkeep(struct mirror_pass *x)
{
    struct fl_repo_upkeep done = {0};
    struct fl_err err = FL_ERR_INIT;
    struct fl_ctx ctx = mirror_long(x);
    if (x->fetched && x->ms->adapter->repo->upkeep(x->repo, &ctx, &done, &err) < 0 &&
        err.code != FL_E_CANCELED) {
        fl_pass_event(x->p, "Warning", "UpkeepFailed", "the repository was not packed: %s",
                      err.msg);
    }
}
