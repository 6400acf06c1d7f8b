/* SPDX-License-Identifier: Apache-2.0
 * Listing in pages: continue tokens, and lists of a past resourceVersion, so that all pages of one listing show one state. */
#ifndef FL_APISERVER_LIST_H
#define FL_APISERVER_LIST_H

#include "apiserver/store.h"
#include "base/arena.h"

/* Where a page begins: behind ns/name, of the state at rv. */
struct fl_token {
    int64_t rv;
    struct fl_str ns, name;
};
const char *fl_token_make(struct fl_arena *a, const struct fl_token *t);
bool fl_token_read(struct fl_arena *a, const char *text, struct fl_token *ret); /* false: garbage */

struct fl_page {
    struct fl_store *store;
    struct fl_arena *arena;
    const struct fl_kind *kind;
    struct fl_str ns;                   /* empty: all */
    struct fl_str name;                 /* empty: all */
    struct fl_str after_ns, after_name; /* empty name: from the start */
    int64_t limit;                      /* 0: all */
    int64_t rv;                         /* 0: the newest state */
    bool (*match)(void *arg, struct fl_str text);
    /* in order of namespace, name; text lives until it returns */
    void (*emit)(void *arg, struct fl_str text);
    void *arg;
    /* Filled: */
    struct fl_token next; /* name empty: that was all */
    int64_t shown_rv;     /* the state that was listed */
    int64_t remaining;    /* -1: not known */
};
/* NOT_FOUND "Expired": the state at rv is no longer kept. */
int fl_page_read(struct fl_page *p, struct fl_err *err);

#endif
