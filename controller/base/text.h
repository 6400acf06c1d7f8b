/* SPDX-License-Identifier: Apache-2.0
 * Base64, hex, random names, hashes of names. */
#ifndef FL_BASE_TEXT_H
#define FL_BASE_TEXT_H

#include "base/buf.h"
#include "base/str.h"

void fl_base64_add(struct fl_buf *b, const void *p, size_t n); /* standard alphabet, padded */
/* Strict, padded standard alphabet; false leaves b as it was. */
bool fl_base64_decode(struct fl_buf *b, struct fl_str s);
void fl_hex_add(struct fl_buf *b, const void *p, size_t n); /* lower case */
bool fl_hex_decode(struct fl_str s, unsigned char *ret,
                   size_t n);      /* exactly n bytes, either case */
void fl_random(void *p, size_t n); /* getrandom; a failure ends the process */
uint64_t fl_random_u64(void);
void fl_uuid4(char ret[37]);
/* n characters of Kubernetes' alphabet for generated names, terminated. */
void fl_random_name(char *ret, size_t n);
uint64_t fl_hash(const void *p, size_t n); /* 64-bit, seeded once a process: not for disk */
uint64_t fl_hash_keyed(const uint64_t key[2], const void *p,
                       size_t n); /* SipHash-1-3 under a key of the caller's */
uint64_t fl_hash_stable(const void *p,
                        size_t n); /* FNV-1a 64: same everywhere, for file names and shards */
bool fl_const_eq(struct fl_str a, struct fl_str b); /* constant time in the contents; for secrets */

#endif
