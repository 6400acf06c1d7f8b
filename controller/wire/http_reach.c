/* SPDX-License-Identifier: Apache-2.0
 * Which addresses may be connected to. Looked at when the socket is made, after resolving: a check of the name alone is
 * passed by any name that resolves to something else. */
#include "wire/http.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/glob.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/url.h"
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

/* ---- private hosts -------------------------------------------------------------------------------------------- */

char **http_hosts_copy(const char *const *hosts)
{
    if (!hosts) {
        return NULL;
    }
    size_t n = 0;
    while (hosts[n]) {
        n++;
    }
    char **ret = fl_calloc(n + 1, sizeof(*ret));
    for (size_t i = 0; i < n; i++) {
        ret[i] = fl_strdup(hosts[i]);
    }
    return ret;
}

void http_hosts_free(char **hosts)
{
    for (size_t i = 0; hosts && hosts[i]; i++) {
        fl_free(hosts[i]);
    }
    fl_free(hosts);
}

/* An address in one form for both families: IPv4 as ::ffff:a.b.c.d, also where it stood in other clothes. */
static void unify(const struct sockaddr *sa, unsigned char ret[16])
{
    uint32_t v4 = 0;
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof(in6));
        memcpy(ret, in6.sin6_addr.s6_addr, 16);
        if (!embedded4(ret, &v4)) {
            return;
        }
        v4 = htonl(v4);
    } else {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof(in));
        v4 = in.sin_addr.s_addr;
    }
    memset(ret, 0, 16);
    ret[10] = ret[11] = 0xff;
    memcpy(ret + 12, &v4, sizeof(v4));
}

static bool prefix_same(const unsigned char *a, const unsigned char *b, int bits)
{
    int whole = bits / 8;
    int rest = bits % 8;
    unsigned mask = 0xffU << (8 - rest) & 0xffU;
    return memcmp(a, b, (size_t)whole) == 0 && (rest == 0 || ((a[whole] ^ b[whole]) & mask) == 0);
}

/* The entry is an address or a block: *ret tells whether `a` (unified) is in it. False: it is a name. */
static bool block_holds(const char *entry, const unsigned char a[16], bool *ret)
{
    struct fl_str rest = fl_str_of(entry);
    struct fl_str head;
    char text[INET6_ADDRSTRLEN];
    bool slash = fl_str_cut(&rest, '/', &head);
    if (head.n >= sizeof(text)) {
        return false;
    }
    memcpy(text, head.p, head.n);
    text[head.n] = '\0';
    unsigned char net[16] = {0};
    bool v4 = inet_pton(AF_INET, text, net + 12) == 1;
    if (v4) {
        net[10] = net[11] = 0xff;
    } else if (inet_pton(AF_INET6, text, net) != 1) {
        return false;
    }
    int64_t bits = v4 ? 32 : 128;
    int64_t most = bits;
    bool sound = !slash || (fl_num_i64(rest, &bits) && bits >= 0 && bits <= most);
    *ret = sound && prefix_same(net, a, (int)(v4 ? bits + 96 : bits));
    return true;
}

static void fold(struct fl_buf *b, struct fl_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        fl_buf_char(b, (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c));
    }
}

static bool name_matches(const char *entry, struct fl_str host)
{
    fl_auto_val(fl_buf) pattern = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) name = FL_BUF_INIT(FL_BUF_ANY);
    fold(&pattern, fl_str_of(entry));
    fold(&name, host);
    return pattern.len > 0 && fl_glob_check(fl_buf_slice(&pattern), NULL) == 0 &&
           fl_glob_match(fl_buf_slice(&pattern), fl_buf_slice(&name));
}

static bool excepted(const char *const *hosts, struct fl_str host, const struct sockaddr *sa)
{
    unsigned char a[16];
    unify(sa, a);
    for (size_t i = 0; hosts && hosts[i]; i++) {
        bool in = false;
        if (block_holds(hosts[i], a, &in) ? in : name_matches(hosts[i], host)) {
            return true;
        }
    }
    return false;
}

bool http_address_unify(const char *address, unsigned char ret[16])
{
    struct sockaddr_storage sa = {.ss_family = AF_UNSPEC};
    struct in_addr in;
    struct in6_addr in6;
    if (inet_pton(AF_INET, address, &in) == 1) {
        struct sockaddr_in s4 = {.sin_family = AF_INET, .sin_addr = in};
        memcpy(&sa, &s4, sizeof(s4));
    } else if (inet_pton(AF_INET6, address, &in6) == 1) {
        struct sockaddr_in6 s6 = {.sin6_family = AF_INET6, .sin6_addr = in6};
        memcpy(&sa, &s6, sizeof(s6));
    } else {
        return false;
    }
    unify((const struct sockaddr *)&sa, ret);
    return true;
}

bool fl_address_in(const char *const *blocks, const char *address)
{
    unsigned char a[16];
    if (!http_address_unify(address, a)) {
        return false;
    }
    for (size_t i = 0; blocks && blocks[i]; i++) {
        bool in_block = false;
        if (block_holds(blocks[i], a, &in_block) && in_block) {
            return true;
        }
    }
    return false;
}

/* ---- looking --------------------------------------------------------------------------------------------------- */

struct policy {
    enum fl_http_reach reach;
    const char *const *private_hosts;
    struct fl_str host; /* that was asked for */
};

static bool within(enum fl_http_reach reach, const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof(in));
        return allowed4(reach, ntohl(in.sin_addr.s_addr));
    }
    struct sockaddr_in6 in6;
    memcpy(&in6, sa, sizeof(in6));
    return allowed6(reach, in6.sin6_addr.s6_addr);
}

static bool allowed(const struct policy *p, const struct sockaddr *sa, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof(in));
        (void)inet_ntop(AF_INET, &in.sin_addr, host, sizeof(host));
        (void)snprintf(text, size, "%s:%u", host, (unsigned)ntohs(in.sin_port));
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof(in6));
        (void)inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof(host));
        (void)snprintf(text, size, "[%s]:%u", host, (unsigned)ntohs(in6.sin6_port));
    } else {
        (void)snprintf(text, size, "family %d", (int)sa->sa_family);
        return false;
    }
    return within(p->reach, sa) ||
           (within(FL_REACH_ANY, sa) && excepted(p->private_hosts, p->host, sa));
}

curl_socket_t http_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
    (void)purpose;
    struct http_xfer *x = arg;
    struct policy p = {.reach = x->h->reach,
                       .private_hosts = (const char *const *)x->h->private_hosts};
    struct fl_url u;
    if (p.private_hosts && fl_url_parse(fl_str_of(x->resp.url), &u, NULL) == 0) {
        p.host = u.host;
    }
    if (!allowed(&p, &addr->addr, x->address, sizeof(x->address))) {
        x->refused = true;
        return CURL_SOCKET_BAD;
    }
    curl_socket_t s = socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
    x->opened = x->opened || s != CURL_SOCKET_BAD;
    return s;
}

/* ---- resolving without connecting ------------------------------------------------------------------------------ */

/* getaddrinfo cannot be told to stop: it runs on a thread of its own, which may outlive the call. */
struct lookup {
    struct fl_lock lock;
    struct fl_cond done_cond;
    bool done;
    bool left; /* the caller did not wait */
    int rc;
    struct addrinfo *found;
    char port[8];
    char host[];
};

static int lookup_run(const char *host, const char *port, int flags, struct addrinfo **ret)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    return getaddrinfo(host, port, &hints, ret);
}

static void lookup_free(struct lookup *l)
{
    if (l->found) {
        freeaddrinfo(l->found);
    }
    fl_cond_destroy(&l->done_cond);
    fl_lock_destroy(&l->lock);
    fl_free(l);
}

static void *lookup_main(void *arg)
{
    struct lookup *l = arg;
    struct addrinfo *found = NULL;
    int rc = lookup_run(l->host, l->port, 0, &found);
    fl_lock_take(&l->lock);
    l->rc = rc;
    l->found = rc == 0 ? found : NULL;
    l->done = true;
    bool left = l->left;
    fl_cond_signal(&l->done_cond);
    fl_lock_drop(&l->lock);
    if (left) {
        lookup_free(l);
    }
    return NULL;
}

static int resolve_fail(const char *host, struct fl_err *err)
{
    return fl_fail(err, FL_E_UNAVAILABLE, "HostNotFound", "the name %s could not be resolved",
                   host);
}

static int lookup_wait(const char *host, const char *port, const struct fl_ctx *ctx,
                       struct addrinfo **ret, struct fl_err *err)
{
    size_t n = strlen(host) + 1;
    struct lookup *l = fl_calloc(1, sizeof(*l) + n);
    memcpy(l->host, host, n);
    (void)snprintf(l->port, sizeof(l->port), "%s", port);
    fl_lock_init(&l->lock, "lookup", FL_RANK_WIRE);
    fl_cond_init(&l->done_cond);
    pthread_t t;
    fl_thread_start(&t, "fl-resolve", lookup_main, l);
    (void)pthread_detach(t);
    fl_lock_take(&l->lock);
    int x = 0;
    while (!l->done && x == 0) {
        int64_t slice = fl_clock_mono_ms(ctx->clock) + HTTP_SLICE_MS;
        fl_clock_wait(ctx->clock, &l->done_cond, &l->lock,
                      slice < ctx->deadline_ms ? slice : ctx->deadline_ms);
        x = l->done ? 0 : fl_ctx_check(ctx, host, err);
    }
    bool done = l->done;
    l->left = !done;
    if (done) {
        *ret = l->found;
        l->found = NULL;
        x = l->rc == 0 ? 0 : resolve_fail(host, err);
    }
    fl_lock_drop(&l->lock);
    if (done) {
        lookup_free(l);
    }
    return x;
}

int fl_http_resolve(const char *host, uint16_t port, enum fl_http_reach reach,
                    const char *const *private_hosts, const struct fl_ctx *ctx, char ret[64],
                    struct fl_err *err)
{
    const struct policy p = {reach, private_hosts, fl_str_of(host)};
    char service[8];
    (void)snprintf(service, sizeof(service), "%u", (unsigned)port);
    struct addrinfo *found = NULL;
    int x = fl_ctx_check(ctx, host, err);
    if (x == 0 && lookup_run(host, service, AI_NUMERICHOST, &found) != 0) {
        found = NULL;
        x = lookup_wait(host, service, ctx, &found, err);
    }
    if (x < 0) {
        return x;
    }
    char text[72] = "";
    x = FL_E_INVALID;
    for (const struct addrinfo *i = found; i && x < 0; i = i->ai_next) {
        if (allowed(&p, i->ai_addr, text, sizeof(text))) {
            x = getnameinfo(i->ai_addr, i->ai_addrlen, ret, 64, NULL, 0, NI_NUMERICHOST) == 0
                    ? 0
                    : FL_E_INVALID;
        }
    }
    if (found) {
        freeaddrinfo(found);
    }
    return x == 0 ? 0 : http_fail_address(host, text, err);
}
