/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/crypt.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>

#include <openssl/evp.h>

#include "base/mem.h"
#include "base/text.h"
#include "wire/file.h"

enum {
    KEY_BYTES = 32,
    KEY_ID = 8,
    KEYS_MAX = 64,
    KEY_FILE_MAX = 64 * 1024,
    SEAL_NONCE = 12,
    SEAL_TAG = 16,
    SEAL_HEAD = 2 + KEY_ID, /* "v1" and the key's id; authenticated too */
    SEAL_OVER = SEAL_HEAD + SEAL_NONCE + SEAL_TAG,
};

struct crypt_key {
    char id[KEY_ID + 1];
    unsigned char key[KEY_BYTES];
};

struct fl_keyring {
    size_t n;
    struct crypt_key keys[KEYS_MAX];
};

void fl_keyring_free(struct fl_keyring *k)
{
    if (k) {
        fl_wipe(k, sizeof(*k));
        fl_free(k);
    }
}

static const struct crypt_key *keyring_find(const struct fl_keyring *k, struct fl_str id)
{
    for (size_t i = 0; i < k->n; i++) {
        if (fl_str_is(id, k->keys[i].id)) {
            return &k->keys[i];
        }
    }
    return NULL;
}

static bool key_id_valid(struct fl_str id)
{
    for (size_t i = 0; i < id.n; i++) {
        bool digit = id.p[i] >= '0' && id.p[i] <= '9';

        if (!digit && (id.p[i] < 'a' || id.p[i] > 'f')) {
            return false;
        }
    }
    return id.n == KEY_ID;
}

/* NULL, or what is wrong with the line, without a byte of it. */
static const char *keyring_line(struct fl_keyring *k, struct fl_str line)
{
    struct crypt_key *key = &k->keys[k->n];
    fl_auto_val(fl_buf) raw = FL_BUF_INIT(4 * (size_t)KEY_BYTES);
    const char *wrong = NULL;
    struct fl_str id;

    (void)fl_str_cut(&line, ' ', &id);
    line = fl_str_trim(line);
    fl_buf_reserve(&raw, KEY_BYTES);
    if (!key_id_valid(id)) {
        wrong = "the id must be 8 hexadecimal digits, lower case";
    } else if (keyring_find(k, id)) {
        wrong = "the id stands there twice";
    } else if (line.n > 64 || !fl_base64_decode(&raw, line) || raw.len != KEY_BYTES) {
        wrong = "the key must be 32 bytes in base64";
    } else if (k->n == KEYS_MAX - 1) {
        wrong = "too many keys";
    } else {
        memcpy(key->id, id.p, KEY_ID);
        memcpy(key->key, raw.data, KEY_BYTES);
        k->n++;
    }
    fl_buf_wipe(&raw);
    return wrong;
}

static int keyring_parse(struct fl_keyring *k, const char *path, struct fl_str text,
                         struct fl_err *err)
{
    struct fl_str line;
    int number = 0;

    while (text.n > 0) {
        const char *wrong = NULL;

        (void)fl_str_cut(&text, '\n', &line);
        number++;
        line = fl_str_trim(line);
        if (line.n > 0 && line.p[0] != '#') {
            wrong = keyring_line(k, line);
        }
        if (wrong) {
            return fl_fail(err, FL_E_INVALID, "KeyFileInvalid", "%s: line %d: %s", path, number,
                           wrong);
        }
    }
    if (k->n == 0) {
        return fl_fail(err, FL_E_INVALID, "KeyFileInvalid", "%s: there is no key in it", path);
    }
    return 0;
}

static int keyring_check_mode(const char *path, struct fl_err *err)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        return fl_file_fail(errno, "open", path, err);
    }
    if (!S_ISREG(st.st_mode)) {
        return fl_fail(err, FL_E_INVALID, "KeyFileInvalid", "%s is not a file", path);
    }
    if ((st.st_mode & 077) != 0) {
        return fl_fail(err, FL_E_INVALID, "KeyFileReadable",
                       "%s can be read by others (mode %03o): chmod 600 %s", path,
                       (unsigned)(st.st_mode & 0777), path);
    }
    return 0;
}

static int keyring_read(const char *path, struct fl_buf *text, struct fl_keyring **ret,
                        struct fl_err *err)
{
    fl_auto(fl_keyring) k = FL_NEW(struct fl_keyring);
    int rc = keyring_check_mode(path, err);

    if (rc == 0) {
        fl_buf_reserve(text, KEY_FILE_MAX); /* growing would leave copies behind */
        rc = fl_file_read(path, KEY_FILE_MAX, text, err);
    }
    if (rc == 0) {
        rc = keyring_parse(k, path, fl_buf_slice(text), err);
    }
    if (rc == 0) {
        *ret = fl_take(k);
    }
    return rc;
}

int fl_keyring_load(const char *path, struct fl_keyring **ret, struct fl_err *err)
{
    fl_auto_val(fl_buf) text = FL_BUF_INIT(2 * (size_t)KEY_FILE_MAX);
    int rc = keyring_read(path, &text, ret, err);

    fl_buf_wipe(&text);
    return rc;
}

static void key_line_make(const struct fl_keyring *others, struct fl_buf *text)
{
    unsigned char key[KEY_BYTES];
    unsigned char id[KEY_ID / 2];
    size_t at = text->len;

    fl_buf_reserve(text, 128);
    do {
        fl_buf_truncate(text, at);
        fl_random(id, sizeof(id));
        fl_hex_add(text, id, sizeof(id));
    } while (others && keyring_find(others, (struct fl_str){text->data + at, KEY_ID}));
    fl_random(key, sizeof(key));
    fl_buf_char(text, ' ');
    fl_base64_add(text, key, sizeof(key));
    fl_buf_char(text, '\n');
    fl_wipe(key, sizeof(key));
}

int fl_keyring_create(const char *path, struct fl_err *err)
{
    fl_auto_val(fl_buf) text = FL_BUF_INIT(KEY_FILE_MAX);
    int rc;

    key_line_make(NULL, &text);
    rc = fl_file_create(path, fl_buf_slice(&text), err);
    fl_buf_wipe(&text);
    return rc;
}

int fl_keyring_rotate(const char *path, struct fl_err *err)
{
    fl_auto(fl_keyring) k = NULL;
    fl_auto_val(fl_buf) old = FL_BUF_INIT(2 * (size_t)KEY_FILE_MAX);
    fl_auto_val(fl_buf) text = FL_BUF_INIT(KEY_FILE_MAX);
    int rc = keyring_read(path, &old, &k, err);

    if (rc == 0 && k->n == KEYS_MAX - 1) {
        rc = fl_fail(err, FL_E_INVALID, "KeyFileInvalid", "%s: too many keys: remove old ones",
                     path);
    }
    if (rc == 0) {
        fl_buf_reserve(&text, old.len + 128);
        key_line_make(k, &text);
        fl_buf_str(&text, fl_buf_slice(&old));
        rc = fl_buf_finish(&text, path, err);
    }
    if (rc == 0) {
        rc = fl_file_replace(path, fl_buf_slice(&text), err);
    }
    fl_buf_wipe(&old);
    fl_buf_wipe(&text);
    return rc;
}

/* ---- sealing ---- */

static pthread_once_t crypt_once = PTHREAD_ONCE_INIT;
static EVP_CIPHER *crypt_gcm;

static void crypt_setup(void)
{
    crypt_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    fl_assert(crypt_gcm);
}

static const EVP_CIPHER *crypt_cipher(void)
{
    fl_assert(pthread_once(&crypt_once, crypt_setup) == 0);
    return crypt_gcm;
}

static const unsigned char *crypt_bytes(struct fl_str s)
{
    return (const unsigned char *)(s.n > 0 ? s.p : "");
}

static int crypt_len(struct fl_str s)
{
    fl_assert(s.n <= INT_MAX - SEAL_OVER);
    return (int)s.n;
}

/* The header is authenticated with the caller's words, so that no byte of the layout can be changed. */
static void crypt_aad(EVP_CIPHER_CTX *ctx, const unsigned char *head, struct fl_str aad)
{
    int n = 0;

    fl_assert(EVP_CipherUpdate(ctx, NULL, &n, head, SEAL_HEAD) == 1);
    fl_assert(EVP_CipherUpdate(ctx, NULL, &n, crypt_bytes(aad), crypt_len(aad)) == 1);
}

void fl_seal(const struct fl_keyring *k, struct fl_str aad, struct fl_str plain, struct fl_buf *ret)
{
    size_t total = plain.n + SEAL_OVER;
    unsigned char *out = fl_malloc(total);
    unsigned char *text = out + SEAL_HEAD + SEAL_NONCE;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;

    out[0] = 'v';
    out[1] = '1';
    memcpy(out + 2, k->keys[0].id, KEY_ID);
    fl_random(out + SEAL_HEAD, SEAL_NONCE);
    fl_assert(ctx &&
              EVP_EncryptInit_ex2(ctx, crypt_cipher(), k->keys[0].key, out + SEAL_HEAD, NULL) == 1);
    crypt_aad(ctx, out, aad);
    fl_assert(EVP_EncryptUpdate(ctx, text, &n, crypt_bytes(plain), crypt_len(plain)) == 1);
    fl_assert((size_t)n == plain.n);
    fl_assert(EVP_EncryptFinal_ex(ctx, text + n, &n) == 1 && n == 0);
    fl_assert(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG, text + plain.n) == 1);
    EVP_CIPHER_CTX_free(ctx);
    fl_buf_add(ret, out, total);
    fl_free(out);
}

/* False: altered, or sealed for another place. plain has room for n bytes. */
static bool crypt_open(const struct crypt_key *key, struct fl_str aad, struct fl_str sealed,
                       unsigned char *plain)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const unsigned char *head = crypt_bytes(sealed);
    unsigned char tag[SEAL_TAG];
    struct fl_str body = {sealed.p + SEAL_HEAD + SEAL_NONCE, sealed.n - SEAL_OVER};
    int n = 0;
    bool ok;

    memcpy(tag, sealed.p + sealed.n - SEAL_TAG, SEAL_TAG);
    fl_assert(ctx &&
              EVP_DecryptInit_ex2(ctx, crypt_cipher(), key->key, head + SEAL_HEAD, NULL) == 1);
    crypt_aad(ctx, head, aad);
    ok = EVP_DecryptUpdate(ctx, plain, &n, crypt_bytes(body), crypt_len(body)) == 1 &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG, tag) == 1 &&
         EVP_DecryptFinal_ex(ctx, plain + n, &n) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

int fl_unseal(const struct fl_keyring *k, struct fl_str aad, struct fl_str sealed,
              struct fl_buf *ret, struct fl_err *err)
{
    struct fl_str id;
    const struct crypt_key *key;
    unsigned char *plain;
    size_t n;
    bool ok;

    if (sealed.n < SEAL_OVER || !fl_str_starts(sealed, "v1")) {
        return fl_fail(err, FL_E_BAD_DATA, "SealBroken", "the encrypted value is damaged");
    }
    id = (struct fl_str){sealed.p + 2, KEY_ID};
    key = keyring_find(k, id);
    if (!key) {
        return fl_fail(err, FL_E_AUTH, "KeyLost",
                       "the key %.*s, which encrypted this value, is not in the key file",
                       FL_STR_ARG(id));
    }
    n = sealed.n - SEAL_OVER;
    plain = fl_malloc(n + 1);
    ok = crypt_open(key, aad, sealed, plain);
    if (ok) {
        fl_buf_reserve(ret, n); /* growing would leave copies behind */
        fl_buf_add(ret, plain, n);
    }
    fl_wipe(plain, n);
    fl_free(plain);
    if (!ok) {
        return fl_fail(err, FL_E_BAD_DATA, "SealBroken",
                       "the encrypted value was altered, or moved from another object");
    }
    return fl_buf_finish(ret, "decrypted value", err);
}

bool fl_sealed_by_first(const struct fl_keyring *k, struct fl_str sealed)
{
    return sealed.n >= SEAL_OVER && fl_str_starts(sealed, "v1") &&
           memcmp(sealed.p + 2, k->keys[0].id, KEY_ID) == 0;
}
