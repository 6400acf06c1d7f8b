/* SPDX-License-Identifier: Apache-2.0
 * Which addresses may be connected to. Looked at when the socket is made, after resolving: a check of the name alone is
 * passed by any name that resolves to something else. */
#include "wire/http.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "wire/http_priv.h"

struct range4 {
    uint32_t net;
    int bits;
    enum fl_http_reach from; /* refused from this reach on */
};

/* Sources: RFC 6890 and the IANA special-purpose registries. */
static const struct range4 refused4[] = {
    {0x00000000, 8, FL_REACH_ANY},     /* "this" network: 0.0.0.0 is the host itself */
    {0xa9fe0000, 16, FL_REACH_ANY},    /* link-local, metadata services */
    {0xe0000000, 4, FL_REACH_ANY},     /* multicast */
    {0xffffffff, 32, FL_REACH_ANY},    /* broadcast */
    {0x7f000000, 8, FL_REACH_PUBLIC},  /* loopback */
    {0x0a000000, 8, FL_REACH_PUBLIC},  /* private */
    {0xac100000, 12, FL_REACH_PUBLIC}, /* private */
    {0xc0a80000, 16, FL_REACH_PUBLIC}, /* private */
    {0x64400000, 10, FL_REACH_PUBLIC}, /* carriers' NAT */
    {0xc0000000, 24, FL_REACH_PUBLIC}, /* protocol assignments */
    {0xc6120000, 15, FL_REACH_PUBLIC}, /* benchmarks */
    {0xf0000000, 4, FL_REACH_PUBLIC},  /* reserved */
};

static bool allowed4(enum fl_http_reach reach, uint32_t a)
{
    for (size_t i = 0; i < FL_LEN(refused4); i++) {
        const struct range4 *r = &refused4[i];
        if (reach >= r->from && (a >> (32 - r->bits)) == (r->net >> (32 - r->bits))) {
            return false;
        }
    }
    return true;
}

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool zeros(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i]) {
            return false;
        }
    }
    return true;
}

/* An IPv4 address in an IPv6 one's clothes: mapped, compatible, NAT64 (RFC 6052), 6to4 (RFC 3056). */
static bool embedded4(const unsigned char a[16], uint32_t *ret)
{
    static const unsigned char nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    bool mapped = zeros(a, 10) && a[10] == 0xff && a[11] == 0xff;
    bool compatible = zeros(a, 12) && be32(a + 12) > 1;
    if (mapped || compatible || memcmp(a, nat64, sizeof(nat64)) == 0) {
        *ret = be32(a + 12);
        return true;
    }
    if (a[0] == 0x20 && a[1] == 0x02) {
        *ret = be32(a + 2);
        return true;
    }
    return false;
}

static bool allowed6(enum fl_http_reach reach, const unsigned char a[16])
{
    uint32_t v4;
    if (embedded4(a, &v4)) {
        return allowed4(reach, v4);
    }
    bool link_local = a[0] == 0xfe && (a[1] & 0xc0) == 0x80;
    if (zeros(a, 16) || link_local || a[0] == 0xff) {
        return false;
    }
    if (reach == FL_REACH_ANY) {
        return true;
    }
    bool loopback = zeros(a, 15);
    bool unique_local = (a[0] & 0xfe) == 0xfc;
    bool site_local = a[0] == 0xfe && (a[1] & 0xc0) == 0xc0;
    return !loopback && !unique_local && !site_local;
}

static bool allowed(enum fl_http_reach reach, const struct sockaddr *sa, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof(in));
        (void)inet_ntop(AF_INET, &in.sin_addr, host, sizeof(host));
        (void)snprintf(text, size, "%s:%u", host, (unsigned)ntohs(in.sin_port));
        return allowed4(reach, ntohl(in.sin_addr.s_addr));
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof(in6));
        (void)inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof(host));
        (void)snprintf(text, size, "[%s]:%u", host, (unsigned)ntohs(in6.sin6_port));
        return allowed6(reach, in6.sin6_addr.s6_addr);
    }
    (void)snprintf(text, size, "family %d", (int)sa->sa_family);
    return false;
}

curl_socket_t http_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
    (void)purpose;
    struct http_xfer *x = arg;
    if (!allowed(x->h->reach, &addr->addr, x->address, sizeof(x->address))) {
        x->refused = true;
        return CURL_SOCKET_BAD;
    }
    curl_socket_t s = socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
    x->opened = x->opened || s != CURL_SOCKET_BAD;
    return s;
}
