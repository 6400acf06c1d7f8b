/* SPDX-License-Identifier: Apache-2.0
 * RSA signatures over OpenSSL: RS256 (PKCS#1 v1.5 with SHA-256) and the JSON Web Tokens made with it. Any thread. Sources: RFC
 * 7515, RFC 7518 3.3. */
#ifndef FL_WIRE_SIGN_H
#define FL_WIRE_SIGN_H

#include "base/buf.h"
#include "base/secret.h"

/* NULL if the text is an RSA private key in PEM (PKCS#1 or PKCS#8) without a password, of at least 2048 bits; else what is
 * wrong, without a byte of it. */
const char *fl_rsa_key_check(struct fl_str pem);
/* Appends the signature, as bytes. INVALID "KeyInvalid". */
int fl_rs256_sign(struct fl_str pem, struct fl_str data, struct fl_buf *ret, struct fl_err *err);
/* Appends "header.claims.signature" for claims in JSON. INVALID "KeyInvalid". */
int fl_jwt_rs256(struct fl_str pem, struct fl_str claims, struct fl_buf *ret, struct fl_err *err);
void fl_base64url_add(struct fl_buf *b, const void *p, size_t n); /* without padding */

#endif
