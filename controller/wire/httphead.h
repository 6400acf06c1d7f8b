/* SPDX-License-Identifier: Apache-2.0
 * Parsers of header values from outside: authentication challenges, Link, media types, Accept, Range. */
#ifndef FL_WIRE_HTTPHEAD_H
#define FL_WIRE_HTTPHEAD_H

#include "base/arena.h"
#include "base/str.h"

struct fl_auth_param {
    const char *name;  /* lower case */
    const char *value; /* unquoted */
};
struct fl_challenge {
    const char *scheme;  /* lower case */
    const char *token68; /* NULL */
    struct fl_auth_param *params;
    size_t n_params;
};
/* WWW-Authenticate (RFC 9110 11.6.1): several challenges in one value. Malformed tails are dropped. At most 16. */
size_t fl_challenges_parse(struct fl_arena *a, struct fl_str value, struct fl_challenge **ret);
const char *fl_challenge_param(const struct fl_challenge *c, const char *name);
/* RFC 8288: the target with rel=next; n == 0 = none. */
struct fl_str fl_link_next(struct fl_str value);
/* "application/json; charset=utf-8" -> "application/json" (slice, not lowered). */
struct fl_str fl_media_type(struct fl_str value);

struct fl_accept {
    struct fl_str type;           /* "application/json" */
    struct fl_auth_param *params; /* "as", "g", "v"; q is dropped, clauses with q=0 are left out */
    size_t n_params;
};
/* Clauses in order of preference (q, then as written). At most 32. */
size_t fl_accept_parse(struct fl_arena *a, struct fl_str value, struct fl_accept **ret);
const char *fl_accept_param(const struct fl_accept *c, const char *name);

#endif
