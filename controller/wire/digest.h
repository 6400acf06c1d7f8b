/* SPDX-License-Identifier: Apache-2.0
 * SHA-256/512 and HMAC over OpenSSL; algorithms are fetched once, contexts reused by their owner. */
#ifndef FL_WIRE_DIGEST_H
#define FL_WIRE_DIGEST_H

#include "base/buf.h"
#include "base/str.h"

enum fl_digest_alg { FL_SHA256, FL_SHA512 };
struct fl_digest; /* one thread at a time */

struct fl_digest *fl_digest_new(enum fl_digest_alg alg);
void fl_digest_free(struct fl_digest *d);
void fl_digest_reset(struct fl_digest *d);
void fl_digest_add(struct fl_digest *d, struct fl_str s);
/* "sha256:<hex>", terminated; ends the computation until reset. */
#define FL_DIGEST_TEXT 136
void fl_digest_text(struct fl_digest *d, char ret[FL_DIGEST_TEXT]);
FL_AUTO(fl_digest);

void fl_sha256(struct fl_str s, unsigned char ret[32]);
void fl_digest_of(enum fl_digest_alg alg, struct fl_str s, char ret[FL_DIGEST_TEXT]);
void fl_hmac_sha256(struct fl_str key, struct fl_str s, unsigned char ret[32]);

#endif
