/* SPDX-License-Identifier: Apache-2.0
 * What a request's head must be: RFC 9112 (HTTP/1.1) and RFC 9110, read strictly, since proxies in front may read a
 * malformed head in another way. Knows no library. */
#include "base/num.h"
#include "wire/httpd_priv.h"

enum { HEAD_URI_MAX = 8192 };

static const char *const head_methods[] = {"GET",   "HEAD",   "POST",   "PUT",
                                           "PATCH", "DELETE", "OPTIONS"};

/* RFC 9110 5.6.2 */
static bool head_token(const char *s)
{
    const char *p = s;

    for (; *p; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');
        bool digit = *p >= '0' && *p <= '9';

        if (!letter && !digit && !strchr("!#$%&'*+-.^_`|~", *p)) {
            return false;
        }
    }
    return p > s;
}

/* RFC 9110 5.5: visible characters, space, tab, and bytes above 0x7f. */
static bool head_value(const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;

        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool head_host(const char *s)
{
    for (; *s; s++) {
        bool letter = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z');
        bool digit = *s >= '0' && *s <= '9';

        if (!letter && !digit && !strchr("-._~:[]%", *s)) {
            return false;
        }
    }
    return true;
}

static int head_check_method(const struct httpd_head *head, const char **why)
{
    if (!head_token(head->method)) {
        *why = "malformed method";
        return 400;
    }
    for (size_t i = 0; i < FL_LEN(head_methods); i++) {
        if (strcmp(head->method, head_methods[i]) == 0) {
            return 0;
        }
    }
    *why = "unknown method";
    return 501;
}

/* Origin form, or absolute form (RFC 9112 3.2), of which the path counts. */
static int head_check_uri(struct fl_str uri, struct httpd_said *ret, const char **why)
{
    *why = "malformed request target";
    if (uri.n > HEAD_URI_MAX) {
        *why = "the request target is too long";
        return 414;
    }
    for (size_t i = 0; i < uri.n; i++) {
        unsigned char c = (unsigned char)uri.p[i];

        if (c <= 0x20 || c >= 0x7f || c == '#') {
            return 400;
        }
    }
    if (fl_str_starts(uri, "http://") || fl_str_starts(uri, "https://")) {
        size_t skip = uri.p[4] == 's' ? strlen("https://") : strlen("http://");
        const char *slash = memchr(uri.p + skip, '/', uri.n - skip);

        if (!slash) {
            return 400;
        }
        uri = (struct fl_str){slash, (size_t)(uri.p + uri.n - slash)};
    }
    if (!fl_str_starts(uri, "/")) {
        return 400;
    }
    ret->query = uri;
    (void)fl_str_cut(&ret->query, '?', &ret->path);
    *why = NULL;
    return 0;
}

struct head_counts {
    int host, length, encoding;
    const char *encoding_value;
};

static int head_check_header(const struct fl_header *h, struct head_counts *n,
                             struct httpd_said *ret, const char **why)
{
    struct fl_str name = fl_str_of(h->name);

    if (!head_token(h->name)) {
        *why = "malformed header name";
        return 400;
    }
    if (!head_value(h->value)) {
        *why = "control character in a header value";
        return 400;
    }
    if (fl_str_case_is(name, "host")) {
        n->host++;
        if (!head_host(h->value)) {
            *why = "malformed Host";
            return 400;
        }
    } else if (fl_str_case_is(name, "content-length")) {
        n->length++;
        if (!fl_num_i64(fl_str_of(h->value), &ret->content_length) || ret->content_length < 0 ||
            h->value[0] == '-') {
            *why = "malformed Content-Length";
            return 400;
        }
    } else if (fl_str_case_is(name, "transfer-encoding")) {
        n->encoding++;
        n->encoding_value = h->value;
    } else if (fl_str_case_is(name, "expect")) {
        ret->expects_continue = true;
        if (!fl_str_case_is(fl_str_of(h->value), "100-continue")) {
            *why = "unknown expectation";
            return 417;
        }
    }
    return 0;
}

/* How long the body is must be told in one way only, or two readers see two requests. */
static int head_check_body(const struct head_counts *n, bool http_1_0, const char **why)
{
    if (n->length > 1) {
        *why = "more than one Content-Length";
        return 400;
    }
    if (n->encoding == 0) {
        return 0;
    }
    if (n->length > 0) {
        *why = "both Content-Length and Transfer-Encoding";
        return 400;
    }
    if (n->encoding > 1 || http_1_0) {
        *why = "malformed Transfer-Encoding";
        return 400;
    }
    if (!fl_str_case_is(fl_str_of(n->encoding_value), "chunked")) {
        *why = "unknown Transfer-Encoding";
        return 501;
    }
    return 0;
}

int httpd_head_check(const struct httpd_head *head, struct httpd_said *ret, const char **why)
{
    bool http_1_0 = strcmp(head->version, "HTTP/1.0") == 0;
    struct head_counts n = {.host = 0};
    int status = head_check_method(head, why);

    *ret = (struct httpd_said){.content_length = -1};
    if (status == 0) {
        status = head_check_uri(head->uri, ret, why);
    }
    for (size_t i = 0; i < head->n_headers && status == 0; i++) {
        status = head_check_header(&head->headers[i], &n, ret, why);
    }
    if (status) {
        return status;
    }
    if (n.host > 1 || (n.host == 0 && !http_1_0)) {
        *why = n.host ? "more than one Host" : "no Host";
        return 400;
    }
    return head_check_body(&n, http_1_0, why);
}
