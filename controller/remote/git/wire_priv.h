/* SPDX-License-Identifier: Apache-2.0
 * Inside of wire*.c: how a list of refs is gathered out of an answer. */
#ifndef FL_REMOTE_GIT_WIRE_PRIV_H
#define FL_REMOTE_GIT_WIRE_PRIV_H

#include "remote/git/wire.h"

struct git_gather {
    const struct fl_ref_filter *filter;
    struct fl_arena *arena;
    struct fl_git_ref *v;
    size_t n;
    size_t room;
    size_t oid_len; /* 0: the first one decides */
    const char *head;
    char *text; /* names and oids, one after the other: less than the answer has */
    size_t text_left;
    struct fl_str simple[4]; /* "refs/heads/" of includes "refs/heads" and all beneath it */
    size_t n_simple;
    bool unsorted;
    bool head_seen;
};
/* For an answer of `bytes`; oid_len 0, 40 or 64. */
void git_gather_init(struct git_gather *g, const struct fl_ref_filter *f, struct fl_arena *a,
                     size_t bytes, size_t oid_len);
/* One ref as the remote said it. BAD_DATA; TOO_BIG. */
int git_gather_add(struct git_gather *g, struct fl_str oid, struct fl_str name, struct fl_err *err);
/* HEAD's target; what is no name of a ref is not told. */
void git_gather_head(struct git_gather *g, struct fl_str target);
int git_gather_end(struct git_gather *g, struct fl_git_refs *ret, struct fl_err *err);

int git_protocol_error(struct fl_err *err, const char *fmt, ...) fl_printf_like(2, 3);
int git_protocol_empty(struct fl_err *err);

#endif
