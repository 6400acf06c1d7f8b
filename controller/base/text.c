/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <errno.h>
#include <pthread.h>
#include <sys/random.h>

#include "base/secret.h"

static const char base64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* What did not fit whole is not left there in part. */
static void undo_partial(struct fl_buf *b, size_t start)
{
    if (b->overflowed) {
        fl_buf_truncate(b, start);
    }
}

void fl_base64_add(struct fl_buf *b, const void *p, size_t n)
{
    const unsigned char *in = p;
    size_t start = b->len;
    fl_buf_reserve(b, (n / 3 + 1) * 4);
    for (; n >= 3; in += 3, n -= 3) {
        fl_buf_add(b,
                   (const char[]){base64_alphabet[in[0] >> 2],
                                  base64_alphabet[(in[0] & 3) << 4 | in[1] >> 4],
                                  base64_alphabet[(in[1] & 15) << 2 | in[2] >> 6],
                                  base64_alphabet[in[2] & 63]},
                   4);
    }
    if (n > 0) {
        unsigned second = n > 1 ? in[1] : 0;
        char group[] = {base64_alphabet[in[0] >> 2],
                        base64_alphabet[(in[0] & 3u) << 4 | second >> 4],
                        base64_alphabet[(second & 15) << 2], '='};
        if (n == 1) {
            group[2] = '=';
        }
        fl_buf_add(b, group, sizeof(group));
    }
    undo_partial(b, start);
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static size_t base64_padding(struct fl_str s)
{
    return s.n == 0 || s.p[s.n - 1] != '=' ? 0 : s.p[s.n - 2] == '=' ? 2 : 1;
}

/* Four characters to three bytes; the last group may hold fewer. False when bits are left over that
 * no encoder sets: two texts would mean the same bytes. */
static bool base64_group(const char *in, size_t padding, unsigned char ret[3])
{
    unsigned bits = 0;
    for (size_t i = 0; i < 4; i++) {
        int v = i < 4 - padding ? base64_value(in[i]) : 0;
        if (v < 0) {
            return false;
        }
        bits = bits << 6 | (unsigned)v;
    }
    ret[0] = (unsigned char)(bits >> 16);
    ret[1] = (unsigned char)(bits >> 8);
    ret[2] = (unsigned char)bits;
    return (padding < 1 || ret[2] == 0) && (padding < 2 || ret[1] == 0);
}

bool fl_base64_decode(struct fl_buf *b, struct fl_str s)
{
    if (s.n % 4 != 0) {
        return false;
    }
    unsigned char out[3];
    size_t start = b->len;
    size_t padding = base64_padding(s);
    fl_buf_reserve(b, s.n / 4 * 3);
    for (size_t i = 0; i < s.n; i += 4) {
        size_t pad = i + 4 == s.n ? padding : 0;
        if (!base64_group(s.p + i, pad, out)) {
            fl_buf_truncate(b, start);
            return false;
        }
        fl_buf_add(b, out, 3 - pad);
    }
    fl_wipe(out, sizeof(out));
    undo_partial(b, start);
    return true;
}

void fl_hex_add(struct fl_buf *b, const void *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *in = p;
    size_t start = b->len;
    fl_buf_reserve(b, n < SIZE_MAX / 2 ? n * 2 : n);
    for (size_t i = 0; i < n; i++) {
        fl_buf_add(b, (const char[]){digits[in[i] >> 4], digits[in[i] & 15]}, 2);
    }
    undo_partial(b, start);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool fl_hex_decode(struct fl_str s, unsigned char *ret, size_t n)
{
    if (s.n % 2 != 0 || s.n / 2 != n) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (hex_value(s.p[i]) < 0) {
            return false;
        }
    }
    for (size_t i = 0; i < n; i++) {
        ret[i] = (unsigned char)(hex_value(s.p[2 * i]) * 16 + hex_value(s.p[2 * i + 1]));
    }
    return true;
}

void fl_random(void *p, size_t n)
{
    unsigned char *out = p;
    while (n > 0) {
        ssize_t got = getrandom(out, n, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        fl_assert(got > 0);
        out += got;
        n -= (size_t)got;
    }
}

uint64_t fl_random_u64(void)
{
    uint64_t v;
    fl_random(&v, sizeof(v));
    return v;
}

/* RFC 9562, version 4. */
void fl_uuid4(char ret[37])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char raw[16];
    fl_random(raw, sizeof(raw));
    raw[6] = (unsigned char)((raw[6] & 0x0f) | 0x40);
    raw[8] = (unsigned char)((raw[8] & 0x3f) | 0x80);
    size_t at = 0;
    for (size_t i = 0; i < sizeof(raw); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            ret[at++] = '-';
        }
        ret[at++] = digits[raw[i] >> 4];
        ret[at++] = digits[raw[i] & 15];
    }
    ret[at] = '\0';
}

/* Source: apimachinery util/rand: no vowels and no 0, 1, 3, so that no word and no misreading comes
 * out. */
void fl_random_name(char *ret, size_t n)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    const unsigned count = sizeof(alphabet) - 1;
    const unsigned fair = 256 / count * count; /* bytes above would favour the first letters */
    for (size_t i = 0; i < n;) {
        unsigned char raw[32];
        fl_random(raw, sizeof(raw));
        for (size_t j = 0; j < sizeof(raw) && i < n; j++) {
            if (raw[j] < fair) {
                ret[i++] = alphabet[raw[j] % count];
            }
        }
    }
    ret[n] = '\0';
}

static uint64_t rotl(uint64_t v, int by)
{
    return v << by | v >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

static uint64_t load_le64(const unsigned char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

/* SipHash-1-3, the variant that hash tables use: who can choose keys (names of objects, tags of a
 * foreign registry) cannot choose collisions. Source: Aumasson and Bernstein, "SipHash: a fast
 * short-input PRF". */
static uint64_t siphash13(const uint64_t key[2], const unsigned char *p, size_t n)
{
    uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                     key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    size_t whole = n / 8 * 8;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t word = load_le64(p + i, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)n << 56;
    if (n > whole) {
        last |= load_le64(p + whole, n - whole);
    }
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t fl_hash_keyed(const uint64_t key[2], const void *p, size_t n)
{
    return siphash13(key, p, n);
}

static uint64_t process_key[2];
static pthread_once_t process_key_once = PTHREAD_ONCE_INIT;

static void process_key_make(void)
{
    fl_random(process_key, sizeof(process_key));
}

uint64_t fl_hash(const void *p, size_t n)
{
    (void)pthread_once(&process_key_once, process_key_make);
    return siphash13(process_key, p, n);
}

uint64_t fl_hash_stable(const void *p, size_t n)
{
    const unsigned char *in = p;
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++) {
        h = (h ^ in[i]) * UINT64_C(0x100000001b3);
    }
    return h;
}

bool fl_const_eq(struct fl_str a, struct fl_str b)
{
    if (a.n != b.n) {
        return false;
    }
    volatile unsigned char diff = 0; /* volatile: no early end by the optimiser */
    for (size_t i = 0; i < a.n; i++) {
        diff = (unsigned char)(diff | ((unsigned char)a.p[i] ^ (unsigned char)b.p[i]));
    }
    return diff == 0;
}
