/* SPDX-License-Identifier: Apache-2.0
 * A secret: wiped when released, printed as ***, never in a URL, an argv, a label or a log line. */
#ifndef FL_BASE_SECRET_H
#define FL_BASE_SECRET_H

#include "base/buf.h"

struct fl_secret {
    char *p; /* terminated; NULL = absent */
    size_t n;
};

void fl_secret_set(struct fl_secret *s, struct fl_str value); /* copies; wipes what was there */
void fl_secret_release(struct fl_secret *s);
bool fl_secret_is(const struct fl_secret *s, struct fl_str value); /* constant time */
void fl_wipe(void *p, size_t n);                                   /* is not optimised away */
void fl_buf_wipe(struct fl_buf *b);                                /* wipes and releases */
FL_AUTO_VAL(fl_secret);

#endif
