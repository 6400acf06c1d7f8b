/* SPDX-License-Identifier: Apache-2.0
 * http and https URLs, as users write them in specs and servers in Location headers (RFC 3986, the part we accept). */
#ifndef FL_BASE_URL_H
#define FL_BASE_URL_H

#include "base/buf.h"
#include "base/err.h"

#define FL_URL_MAX 8192

struct fl_url {           /* slices of the text that was parsed */
    struct fl_str scheme; /* "http" or "https", lower case */
    struct fl_str host;   /* without brackets; never empty */
    uint16_t port;        /* the scheme's default if not written */
    bool ipv6;
    struct fl_str path;  /* with its '/', may be empty */
    struct fl_str query; /* without '?'; may be empty */
};

/* INVALID with the reason in words for a user: no scheme, other scheme, credentials, fragment, control character or
 * space, bad port, empty host, too long. */
int fl_url_parse(struct fl_str text, struct fl_url *ret, struct fl_err *err);
/* Same scheme, host (ASCII case folded) and port. */
bool fl_url_same_origin(const struct fl_url *a, const struct fl_url *b);
/* "https://host[:port]", default port left out, IPv6 in brackets. */
void fl_url_origin(struct fl_buf *b, const struct fl_url *u);
/* Resolves a Location or Link target: absolute, protocol-relative, absolute path, relative path or query only.
 * Keeps the target's bytes. */
int fl_url_resolve(struct fl_buf *ret, struct fl_str base, struct fl_str ref, struct fl_err *err);
/* Value of a query parameter, percent-decoded (and '+' as space) into b; false = absent. */
bool fl_query_get(struct fl_str query, const char *name, struct fl_buf *b);
bool fl_percent_decode(struct fl_buf *b, struct fl_str s,
                       bool plus_is_space); /* false: bad escape */

#endif
