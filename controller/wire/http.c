/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/http.h"

#include <curl/curl.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "wire/http_priv.h"

enum {
    RETRY_AFTER_MAX_MS = 3600 * 1000,
    SAID_MAX = 200,
};

void fl_http_resp_init(struct fl_http_resp *r)
{
    *r = (struct fl_http_resp){0};
    fl_buf_init(&r->headers, HTTP_HEADERS_CAP);
    fl_buf_init(&r->body, 0);
}

void fl_http_resp_release(struct fl_http_resp *r)
{
    fl_buf_release(&r->headers);
    fl_buf_release(&r->body);
    fl_free(r->url);
    r->url = NULL;
    r->status = 0;
    r->redirects = 0;
}

struct fl_str fl_http_header(const struct fl_http_resp *r, const char *lower_name, int nth)
{
    struct fl_str rest = fl_buf_slice(&r->headers);
    while (rest.n > 0) {
        struct fl_str value;
        struct fl_str name;
        (void)fl_str_cut(&rest, '\n', &value);
        (void)fl_str_cut(&value, ':', &name);
        if (fl_str_is(name, lower_name) && nth-- == 0) {
            return fl_str_trim(value);
        }
    }
    return (struct fl_str){NULL, 0};
}

int64_t fl_http_content_length(const struct fl_http_resp *r)
{
    int64_t n;
    return fl_num_i64(fl_http_header(r, "content-length", 0), &n) && n >= 0 ? n : -1;
}

int fl_http_do(struct fl_http *h, const struct fl_ctx *ctx, const struct fl_http_req *req,
               struct fl_http_resp *ret, struct fl_err *err)
{
    int rc = http_req_check(req, err);
    if (rc) {
        return rc;
    }
    struct http_slot *slot = NULL;
    rc = http_slot_take(h, NULL, ctx, &slot, err);
    if (rc) {
        return rc;
    }
    struct http_xfer x;
    http_xfer_init(&x, h, req, ctx->clock);
    x.multi = slot->multi;
    x.easy = slot->easy[0];
    x.use_sink = true;
    rc = http_walk(&x, ctx, false, err);
    http_xfer_stop(&x);
    http_slot_give(h, slot);
    if (rc == 0) {
        fl_http_resp_release(ret);
        *ret = x.resp;
        fl_http_resp_init(&x.resp);
    }
    http_xfer_release(&x);
    return rc;
}

int64_t fl_http_retry_after_ms(const struct fl_http_resp *r, const struct fl_ctx *ctx)
{
    struct fl_str v = fl_http_header(r, "retry-after", 0);
    bool digits = v.n > 0;
    for (size_t i = 0; i < v.n; i++) {
        digits = digits && v.p[i] >= '0' && v.p[i] <= '9';
    }
    int64_t n;
    if (digits) {
        bool small = fl_num_i64(v, &n) && n < RETRY_AFTER_MAX_MS / 1000;
        return small ? n * 1000 : RETRY_AFTER_MAX_MS;
    }
    if (v.n == 0 || !fl_time_parse_http(v, &n)) {
        return -1;
    }
    int64_t now = fl_clock_wall_ms(ctx->clock);
    if (n <= now) {
        return 0;
    }
    return n - now < RETRY_AFTER_MAX_MS ? n - now : RETRY_AFTER_MAX_MS;
}

struct verdict {
    enum fl_code code;
    const char *reason;
    const char *words; /* when the remote said nothing */
};

static struct verdict verdict_of(int status)
{
    switch (status) {
    case 401:
        return (struct verdict){FL_E_AUTH, "Unauthorized", "not authenticated"};
    case 403:
        return (struct verdict){FL_E_AUTH, "Forbidden", "not allowed"};
    case 404:
        return (struct verdict){FL_E_NOT_FOUND, "NotFound", "not found"};
    case 408:
        return (struct verdict){FL_E_UNAVAILABLE, "RequestTimeout", "request timed out"};
    case 409:
        return (struct verdict){FL_E_CONFLICT, "Conflict", "conflict"};
    case 425:
        return (struct verdict){FL_E_UNAVAILABLE, "TooEarly", "too early"};
    case 429:
        return (struct verdict){FL_E_LIMITED, "TooManyRequests", "too many requests"};
    default:
        break;
    }
    if (status >= 500) {
        return (struct verdict){FL_E_UNAVAILABLE, "ServerError", "server error"};
    }
    if (status >= 400) {
        return (struct verdict){FL_E_INVALID, "RequestRejected", "request rejected"};
    }
    if (status >= 300) {
        return (struct verdict){FL_E_BAD_DATA, "UnexpectedRedirect", "unexpected redirect"};
    }
    return (struct verdict){FL_E_BAD_DATA, "UnexpectedStatus", "unexpected answer"};
}

/* The remote's words, at most 200 bytes, without half a character at the end and without what looks like a secret. */
static void said_add(struct fl_buf *b, struct fl_str said)
{
    said = fl_str_trim(said);
    bool cut = said.n > SAID_MAX;
    if (cut) {
        said.n = SAID_MAX;
        while (said.n > 0 && ((unsigned char)said.p[said.n] & 0xc0) == 0x80) {
            said.n--;
        }
    }
    fl_redact(b, said);
    fl_buf_text(b, cut ? "..." : "");
}

int fl_http_fail(const struct fl_http_resp *r, const struct fl_ctx *ctx, const char *what,
                 struct fl_str said, struct fl_err *err)
{
    struct verdict v = verdict_of(r->status);
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
    said_add(&b, said);
    return fl_fail_http(err, v.code, r->status, fl_http_retry_after_ms(r, ctx), v.reason,
                        "%s: %s (HTTP %d)", what, b.len ? b.data : v.words, r->status);
}
