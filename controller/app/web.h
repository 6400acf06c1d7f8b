/* SPDX-License-Identifier: Apache-2.0
 * The listener of --web-listen: webhooks, page, live events, sync, wired to engine and Kubernetes API. */
#ifndef FL_APP_WEB_H
#define FL_APP_WEB_H

#include "app/options.h"
#include "engine/engine.h"
#include "hook/live.h"
#include "hook/receiver.h"

struct fl_webapp;

/* Without --web-listen *ret is NULL. INVALID: options that do not go together, files that cannot be read; UNAVAILABLE: the
 * address is taken. Nothing is answered before fl_webapp_serve. */
int fl_webapp_open(const struct fl_options *o, struct fl_kube *kube, struct fl_clock *clock,
                   struct fl_metrics *metrics, struct fl_webapp **ret, struct fl_err *err);
struct fl_hooks *fl_webapp_hooks(struct fl_webapp *w); /* NULL for NULL, like the next */
struct fl_live *fl_webapp_live(struct fl_webapp *w);
/* For fl_engine_conf. */
void fl_webapp_changed(void *arg, const struct fl_obj *old, const struct fl_obj *now);
/* Begins to answer; e: what webhooks wake. */
int fl_webapp_serve(struct fl_webapp *w, struct fl_engine *e, struct fl_err *err);
void fl_webapp_stop(struct fl_webapp *w,
                    int64_t grace_ms);    /* nothing is answered and nobody woken afterwards */
void fl_webapp_free(struct fl_webapp *w); /* the engine has stopped */

#endif
