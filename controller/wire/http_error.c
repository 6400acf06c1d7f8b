/* SPDX-License-Identifier: Apache-2.0
 * libcurl's failures as codes and sentences of ours. */
#include "wire/http.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <openssl/x509_vfy.h>

#include "base/url.h"
#include "wire/http_priv.h"

void http_label(const struct http_xfer *x, char ret[HTTP_LABEL])
{
    struct fl_url u;
    if (fl_url_parse(fl_str_of(x->resp.url), &u, NULL)) {
        (void)snprintf(ret, HTTP_LABEL, "%.16s", x->req->method);
        return;
    }
    struct fl_buf origin = FL_BUF_INIT(FL_BUF_ANY);
    fl_url_origin(&origin, &u);
    bool cut = u.path.n > 180;
    (void)snprintf(ret, HTTP_LABEL, "%.16s %.100s%.*s%s", x->req->method, origin.data,
                   cut ? 180 : (int)u.path.n, u.path.n ? u.path.p : "", cut ? "..." : "");
    fl_buf_release(&origin);
}

struct words {
    const char *reason;
    const char *text;
    enum fl_code code;
};

/* Why no connection came about; libcurl keeps the number. */
static const char *os_words(long number)
{
    switch (number) {
    case ECONNREFUSED:
        return "connection refused";
    case ECONNRESET:
        return "connection reset";
    case EHOSTUNREACH:
        return "host unreachable";
    case ENETUNREACH:
        return "network unreachable";
    case ETIMEDOUT:
        return "connection timed out";
    case EMFILE:
    case ENFILE:
        return "no free file descriptor";
    case EADDRNOTAVAIL:
        return "no free local address";
    default:
        return "no connection";
    }
}

static struct words tls_words(const struct http_xfer *x)
{
    switch (x->verify) {
    case X509_V_OK:
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return (struct words){"CertificateName", "is for other names", FL_E_UNAVAILABLE};
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return (struct words){"CertificateExpired", "has expired", FL_E_UNAVAILABLE};
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return (struct words){"CertificateNotYetValid", "is not valid yet: look at the clocks",
                              FL_E_UNAVAILABLE};
    case X509_V_ERR_CERT_REVOKED:
        return (struct words){"CertificateRevoked", "was revoked", FL_E_UNAVAILABLE};
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return (struct words){"CertificateNotTrusted", "is not trusted: set caRef or insecure",
                              FL_E_UNAVAILABLE};
    default:
        return (struct words){"CertificateInvalid", X509_verify_cert_error_string(x->verify),
                              FL_E_UNAVAILABLE};
    }
}

static struct words words_of(const struct http_xfer *x)
{
    switch (x->result) {
    case CURLE_GOT_NOTHING:
        return (struct words){"NoAnswer", "the connection was closed without an answer",
                              FL_E_UNAVAILABLE};
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return (struct words){"ConnectionLost",
                              x->any ? "the connection was lost in the middle of the answer"
                                     : "the connection was lost before an answer came",
                              FL_E_UNAVAILABLE};
    case CURLE_PARTIAL_FILE:
        return (struct words){"AnswerCut", "the answer was cut short", FL_E_UNAVAILABLE};
    case CURLE_SEND_FAIL_REWIND:
        return (struct words){"ConnectionLost",
                              "the connection was lost and the body cannot be sent again",
                              FL_E_UNAVAILABLE};
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9: no status line */
    case CURLE_WEIRD_SERVER_REPLY:
        return (struct words){"NotHTTP", "the answer is not HTTP", FL_E_BAD_DATA};
    case CURLE_BAD_CONTENT_ENCODING:
        return (struct words){"BadEncoding", "the answer's encoding is broken", FL_E_BAD_DATA};
    case CURLE_URL_MALFORMAT:
        return (struct words){"BadURL", "the URL is malformed", FL_E_INVALID};
    case CURLE_COULDNT_RESOLVE_PROXY:
        return (struct words){"ProxyNotFound", "the proxy's name could not be resolved",
                              FL_E_UNAVAILABLE};
    case CURLE_SSL_CERTPROBLEM:
        return (struct words){"ClientCertificate", "the client certificate cannot be used",
                              FL_E_INVALID};
    default:
        return (struct words){"Unavailable", NULL, FL_E_UNAVAILABLE};
    }
}

/* The bytes of "10.0.0.1:443" or "[::1]:443", an IPv4 address in an IPv6 one's clothes as what it is. 4 or 16 of them; 0: it is
 * neither. */
static size_t address_bytes(const char *address, unsigned char ret[16])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct fl_str s = fl_str_of(address);
    while (s.n > 0 && s.p[s.n - 1] != ':') {
        s.n--;
    }
    bool six = s.n > 3 && s.p[0] == '[';
    char text[INET6_ADDRSTRLEN];
    unsigned char a[16];
    (void)snprintf(text, sizeof(text), "%.*s", s.n == 0 ? 0 : (int)s.n - (six ? 3 : 1), s.p + six);
    if (!http_address_unify(text, a)) {
        return 0;
    }
    size_t at = memcmp(a, mapped, sizeof(mapped)) == 0 ? sizeof(mapped) : 0;
    memcpy(ret, a + at, sizeof(a) - at);
    return sizeof(a) - at;
}

/* What an address is that no client may connect to (http_reach.c); NULL: some may. */
static const char *never_words(const unsigned char *a, size_t n)
{
    static const unsigned char zero[16] = {0};
    static const unsigned char ones[4] = {0xff, 0xff, 0xff, 0xff};
    if ((n == 4 && a[0] == 169 && a[1] == 254) ||
        (n == 16 && a[0] == 0xfe && (a[1] & 0xc0) == 0x80)) {
        return "link-local, where clouds give out credentials";
    }
    if (n == 4 && memcmp(a, ones, n) == 0) {
        return "broadcast";
    }
    if ((n == 4 && (a[0] & 0xf0) == 0xe0) || (n == 16 && a[0] == 0xff)) {
        return "multicast";
    }
    return (n == 4 && a[0] == 0) || memcmp(a, zero, n) == 0 ? "unspecified: no host in particular"
                                                            : NULL;
}

int http_fail_address(const char *label, const char *address, struct fl_err *err)
{
    static const unsigned char loopback6[16] = {[15] = 1};
    unsigned char a[16];
    size_t n = address_bytes(address, a);
    const char *never = n > 0 ? never_words(a, n) : "of no known family";
    if (never) {
        return fl_fail(
            err, FL_E_INVALID, "AddressNotAllowed",
            "%s: address %s is not allowed: it is %s; no option allows it, so use another "
            "address or name",
            label, address, never);
    }
    bool loopback = n == 4 ? a[0] == 127 : memcmp(a, loopback6, n) == 0;
    return fl_fail(err, FL_E_INVALID, "AddressNotAllowed",
                   "%s: address %s is not allowed: it is %s; add it to spec.allowedHosts if it is "
                   "meant",
                   label, address, loopback ? "loopback" : "not public (private or reserved)");
}

static int fail_connect(struct http_xfer *x, const char *label, struct fl_err *err)
{
    if (x->refused && !x->opened) {
        return http_fail_address(label, x->address, err);
    }
    long number = 0;
    (void)curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &number);
    return fl_fail(err, FL_E_UNAVAILABLE, "ConnectFailed", "%s: %s (%s)", label, os_words(number),
                   x->address[0] ? x->address : "no address");
}

static int fail_certificate(struct http_xfer *x, const char *label, const struct fl_url *u,
                            struct fl_err *err)
{
    struct words w = tls_words(x);
    const char *name = x->h->tls_server_name;
    struct fl_str host = name ? fl_str_of(name) : u->host;
    return fl_fail(err, w.code, w.reason, "%s: TLS certificate of %.*s %s", label, FL_STR_ARG(host),
                   w.text);
}

int http_xfer_verdict(struct http_xfer *x, struct fl_err *err)
{
    if (x->err.code) {
        if (err) {
            *err = x->err;
        }
        return x->err.code;
    }
    if (x->result == CURLE_OK || x->cut) {
        return 0;
    }
    char label[HTTP_LABEL];
    http_label(x, label);
    struct fl_url u = {0};
    (void)fl_url_parse(fl_str_of(x->resp.url), &u, NULL);
    switch (x->result) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return fl_fail(err, FL_E_UNAVAILABLE, "HostNotFound",
                       "%s: the name %.*s could not be resolved", label, FL_STR_ARG(u.host));
    case CURLE_COULDNT_CONNECT:
        return fail_connect(x, label, err);
    case CURLE_OPERATION_TIMEDOUT:
        return fl_fail(err, FL_E_TIMEOUT, "ConnectTimeout", "%s: no connection within %lld ms (%s)",
                       label, (long long)x->h->connect_timeout_ms,
                       x->address[0] ? x->address : "resolving the name");
    case CURLE_PEER_FAILED_VERIFICATION:
        return fail_certificate(x, label, &u, err);
    case CURLE_SSL_CONNECT_ERROR:
        if (x->verify) {
            return fail_certificate(x, label, &u, err);
        }
        return fl_fail(err, FL_E_UNAVAILABLE, "TLSFailed", "%s: TLS handshake failed: %s", label,
                       strstr(x->detail, "wrong version number")
                           ? "the server may speak plain HTTP on this port"
                           : x->detail);
    default: {
        struct words w = words_of(x);
        return fl_fail(err, w.code, w.reason, "%s: %s", label,
                       w.text ? w.text : curl_easy_strerror(x->result));
    }
    }
}
