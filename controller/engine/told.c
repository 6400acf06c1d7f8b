/* SPDX-License-Identifier: Apache-2.0
 * What was logged last of each object that fails: a failure is one line, not one a try. */
#include "base/map.h"
#include "base/mem.h"
#include "engine/engine_priv.h"

struct engine_told {
    struct fl_lock lock; /* guards what follows */
    struct fl_map *texts;
};

struct engine_told *engine_told_new(void)
{
    struct engine_told *t = FL_NEW(struct engine_told);
    fl_lock_init(&t->lock, "told", FL_RANK_CONTROLLER);
    t->texts = fl_map_new(fl_free);
    return t;
}

void engine_told_free(struct engine_told *t)
{
    if (t) {
        fl_map_free(t->texts);
        fl_lock_destroy(&t->lock);
        fl_free(t);
    }
}

bool engine_told_anew(struct engine_told *t, struct fl_str key, const char *what,
                      const struct fl_err *err)
{
    fl_auto_text text = fl_asprintf("%s %s %s", what, err->reason, err->msg);
    fl_lock_scope(&t->lock);
    if (fl_text_eq(fl_map_get(t->texts, key), text)) {
        return false;
    }
    fl_map_set(t->texts, key, fl_take(text));
    return true;
}

bool engine_told_forget(struct engine_told *t, struct fl_str key)
{
    fl_lock_scope(&t->lock);
    return fl_map_del(t->texts, key);
}
