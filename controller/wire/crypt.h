/* SPDX-License-Identifier: Apache-2.0
 * AES-256-GCM for secrets at rest, and the self-signed certificate of the embedded API (OpenSSL). */
#ifndef FL_WIRE_CRYPT_H
#define FL_WIRE_CRYPT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"

struct fl_keyring; /* immutable once loaded; any thread */

/* A key file: lines "<id> <base64 of 32 bytes>" (id: 8 hex digits); the first is used to encrypt, the others only decrypt.
 * Lines that begin with '#' are comments. Mode must not let others read (INVALID "... chmod 600"). NOT_FOUND: no file. */
int fl_keyring_load(const char *path, struct fl_keyring **ret, struct fl_err *err);
/* Makes the file (0600, fsync of file and folder) with one fresh key. EXISTS. */
int fl_keyring_create(const char *path, struct fl_err *err);
/* Puts a fresh key before the others, atomically (write, fsync, rename). */
int fl_keyring_rotate(const char *path, struct fl_err *err);
void fl_keyring_free(struct fl_keyring *k);
FL_AUTO(fl_keyring);

/* Layout: "v1" | key id (8) | nonce (12) | ciphertext | tag (16). aad binds the text to its place (uid or resource path). */
void fl_seal(const struct fl_keyring *k, struct fl_str aad, struct fl_str plain,
             struct fl_buf *ret);
/* AUTH, reason "KeyLost": no such key in the ring, names the id; BAD_DATA: altered or moved. */
int fl_unseal(const struct fl_keyring *k, struct fl_str aad, struct fl_str sealed,
              struct fl_buf *ret, struct fl_err *err);
/* false: re-encrypt it when convenient */
bool fl_sealed_by_first(const struct fl_keyring *k, struct fl_str sealed);

/* ECDSA P-256 CA and a server certificate signed by it for the names and addresses given (NULL-ended), valid for 10
 * years and 397 days. All PEM. */
int fl_cert_make(const char *const *sans, int64_t wall_ms, struct fl_buf *ca_pem,
                 struct fl_buf *ca_key_pem, struct fl_buf *cert_pem, struct fl_buf *key_pem,
                 struct fl_err *err);
/* A new server certificate from a kept CA. */
int fl_cert_renew(const char *ca_pem, const char *ca_key_pem, const char *const *sans,
                  int64_t wall_ms, struct fl_buf *cert_pem, struct fl_buf *key_pem,
                  struct fl_err *err);
/* INVALID, in words: one of the two is no PEM, the key has a password, or it is another's. */
int fl_cert_check(const char *cert_pem, const char *key_pem, struct fl_err *err);
/* notAfter of the first certificate. */
int fl_cert_expiry(const char *cert_pem, int64_t *ret_wall_ms, struct fl_err *err);

#endif
