/* SPDX-License-Identifier: Apache-2.0
 * One transfer on one handle: the request laid out for libcurl, the answer taken in under caps, redirects walked. */
#include "wire/http.h"

#include <curl/curl.h>
#include <poll.h>

#include "base/mem.h"
#include "base/url.h"
#include "wire/http_priv.h"

/* RFC 9110 5.6.2 */
static bool token_ok(const char *s)
{
    if (!s || !*s) {
        return false;
    }
    for (; *s; s++) {
        bool alnum =
            (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z');
        if (!alnum && !strchr("!#$%&'*+-.^_`|~", *s)) {
            return false;
        }
    }
    return true;
}

static bool value_ok(struct fl_str v)
{
    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

int http_req_check(const struct fl_http_req *req, struct fl_err *err)
{
    if (!token_ok(req->method)) {
        return fl_fail(err, FL_E_INVALID, "BadMethod", "HTTP method is not a word");
    }
    for (size_t i = 0; i < req->n_headers; i++) {
        const struct fl_header *h = &req->headers[i];
        if (!token_ok(h->name)) {
            return fl_fail(err, FL_E_INVALID, "BadHeader", "header %zu: name is not a word", i + 1);
        }
        struct fl_str name = fl_str_of(h->name);
        if (fl_str_case_is(name, "content-length") || fl_str_case_is(name, "transfer-encoding")) {
            return fl_fail(err, FL_E_INVALID, "BadHeader", "header %s is not the caller's to set",
                           h->name);
        }
        if (!value_ok(fl_str_of(h->value))) {
            return fl_fail(err, FL_E_INVALID, "BadHeader",
                           "header %s: control characters in the value", h->name);
        }
    }
    const struct fl_secret *a = req->authorization;
    if (a && a->p && !value_ok((struct fl_str){a->p, a->n})) {
        return fl_fail(err, FL_E_INVALID, "BadHeader",
                       "authorization: control characters in the value");
    }
    struct fl_url u;
    return fl_url_parse(fl_str_of(req->url), &u, err);
}

void http_xfer_init(struct http_xfer *x, struct fl_http *h, const struct fl_http_req *req,
                    struct fl_clock *clock)
{
    *x = (struct http_xfer){
        .h = h,
        .req = req,
        .clock = clock,
        .body = req->body,
        .upload = -1,
        .home = true,
    };
    fl_http_resp_init(&x->resp);
    fl_buf_init(&x->resp.body, req->body_cap ? req->body_cap : (size_t)1 << 20);
    x->resp.url = fl_strdup(req->url);
    fl_buf_init(&x->text, FL_BUF_ANY);
    fl_buf_init(&x->connect_text, FL_BUF_ANY);
    fl_err_clear(&x->err);
}

static void headers_drop(struct http_xfer *x)
{
    fl_buf_wipe(&x->text);
    fl_free(x->headers);
    x->headers = NULL;
}

void http_xfer_release(struct http_xfer *x)
{
    http_xfer_stop(x);
    headers_drop(x);
    curl_url_cleanup(x->parts);
    fl_buf_release(&x->connect_text);
    fl_http_resp_release(&x->resp);
}

static void touched(struct http_xfer *x)
{
    x->any = true;
    x->last_ms = fl_clock_mono_ms(x->clock);
}

/* A status line begins another head: what was collected belonged to a 1xx or to a proxy. */
static void head_begin(struct http_xfer *x, struct fl_str line)
{
    x->head_done = false;
    fl_buf_clear(&x->resp.headers);
    x->resp.status = 0;
    struct fl_str rest = line;
    struct fl_str version;
    if (!fl_str_cut(&rest, ' ', &version)) {
        return;
    }
    for (size_t i = 0; i < 3 && i < rest.n && rest.p[i] >= '0' && rest.p[i] <= '9'; i++) {
        x->resp.status = x->resp.status * 10 + (rest.p[i] - '0');
    }
}

static void head_line(struct fl_buf *b, struct fl_str line)
{
    bool folded = line.p[0] == ' ' || line.p[0] == '\t'; /* RFC 9112 5.2: goes on in this line */
    struct fl_str value = line;
    struct fl_str name = {NULL, 0};
    if (folded) {
        if (b->len == 0) {
            return;
        }
        fl_buf_truncate(b, b->len - 1);
        fl_buf_char(b, ' ');
    } else {
        if (!fl_str_cut(&value, ':', &name) || name.n == 0) {
            return;
        }
        for (size_t i = 0; i < name.n; i++) {
            char c = name.p[i];
            if (c <= ' ' || c == 0x7f) {
                return;
            }
        }
        size_t at = b->len;
        fl_buf_str(b, name);
        for (size_t i = at; i < b->len; i++) {
            char c = b->data[i];
            b->data[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
        }
        fl_buf_add(b, ": ", 2);
    }
    value = fl_str_trim(value);
    size_t from = b->len;
    fl_buf_str(b, value);
    for (size_t i = from; i < b->len; i++) {
        unsigned char c = (unsigned char)b->data[i];
        if (c < 0x20 || c == 0x7f) {
            b->data[i] = ' ';
        }
    }
    fl_buf_char(b, '\n');
}

/* NOLINTNEXTLINE(readability-non-const-parameter): libcurl's signature */
static size_t on_header(char *p, size_t size, size_t count, void *arg)
{
    struct http_xfer *x = arg;
    size_t n = size * count;
    touched(x);
    struct fl_str line = {p, n};
    while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r')) {
        line.n--;
    }
    if (fl_str_starts(line, "HTTP/")) {
        head_begin(x, line);
    } else if (x->head_done) {
        /* A trailer: comes after the body and is nobody's business. */
    } else if (line.n > 0) {
        head_line(&x->resp.headers, line);
    } else if (x->resp.status >= 200) {
        x->head_done = true;
        if (x->head) {
            x->head(x);
        }
    }
    if (x->resp.headers.overflowed) {
        char label[HTTP_LABEL];
        http_label(x, label);
        (void)fl_fail(&x->err, FL_E_TOO_BIG, "HeadersTooBig", "%s: headers of more than %d bytes",
                      label, HTTP_HEADERS_CAP);
    }
    return x->err.code ? 0 : n;
}

/* Bodies that are not 2xx are words about a failure: their beginning is enough. */
static bool collect_other(struct http_xfer *x, struct fl_str piece)
{
    struct fl_buf *b = &x->resp.body;
    size_t cap = b->cap_max < HTTP_OTHER_CAP ? b->cap_max : HTTP_OTHER_CAP;
    size_t room = cap > b->len ? cap - b->len : 0;
    x->cut = piece.n > room;
    fl_buf_str(b, (struct fl_str){piece.p, x->cut ? room : piece.n});
    return !x->cut;
}

static bool collect(struct http_xfer *x, struct fl_str piece)
{
    struct fl_buf *b = &x->resp.body;
    if (x->req->sink && x->use_sink) {
        return x->req->sink(x->req->sink_arg, piece, &x->err) == 0;
    }
    if (b->len == 0) {
        int64_t all = fl_http_content_length(&x->resp);
        if (all > 0 && (uint64_t)all <= b->cap_max) {
            fl_buf_reserve(b, (size_t)all);
        }
    }
    fl_buf_str(b, piece);
    if (b->overflowed) {
        char label[HTTP_LABEL];
        http_label(x, label);
        (void)fl_fail(&x->err, FL_E_TOO_BIG, "AnswerTooBig", "%s: answer of more than %zu bytes",
                      label, b->cap_max);
        return false;
    }
    return true;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): libcurl's signature */
static size_t on_body(char *p, size_t size, size_t count, void *arg)
{
    struct http_xfer *x = arg;
    struct fl_str piece = {p, size * count};
    touched(x);
    bool good = x->resp.status >= 200 && x->resp.status < 300;
    if (good && x->take) {
        switch (x->take(x, piece)) {
        case HTTP_PAUSE:
            x->paused_in = true;
            return CURL_WRITEFUNC_PAUSE;
        case HTTP_STOP:
            return 0;
        case HTTP_TAKEN:
            break;
        }
    } else if (good ? !collect(x, piece) : !collect_other(x, piece)) {
        return 0;
    }
    x->came += (int64_t)piece.n;
    return piece.n;
}

static size_t on_more(char *p, size_t size, size_t count, void *arg)
{
    struct http_xfer *x = arg;
    size_t n = x->more(x, p, size * count);
    x->paused_out = n == CURL_READFUNC_PAUSE;
    return n;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct http_xfer *x = arg;
    bool ok = offset == 0 && origin == SEEK_SET && x->rewind && x->rewind(x);
    return ok ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

/* What must not follow a redirect to another origin. */
static bool header_private(const char *name)
{
    struct fl_str s = fl_str_of(name);
    return fl_str_case_is(s, "authorization") || fl_str_case_is(s, "cookie") ||
           fl_str_case_is(s, "proxy-authorization");
}

struct head_text {
    struct fl_buf *text;
    struct curl_slist *nodes;
    size_t n;
};

static void head_add(struct head_text *t, const char *name, struct fl_str value)
{
    t->nodes[t->n++].data = t->text->data + t->text->len;
    fl_buf_text(t->text, name);
    if (value.n > 0) {
        fl_buf_add(t->text, ": ", 2);
        fl_buf_str(t->text, value);
    } else {
        fl_buf_char(t->text, ';'); /* libcurl's way to say an empty value */
    }
    fl_buf_char(t->text, '\0');
}

static void head_without(struct head_text *t, const char *name)
{
    t->nodes[t->n++].data = t->text->data + t->text->len;
    fl_buf_text(t->text, name);
    fl_buf_add(t->text, ":", 2);
}

static void headers_set(struct http_xfer *x, bool with_body, const char *host)
{
    const struct fl_http_req *req = x->req;
    size_t room = 96;
    for (size_t i = 0; i < req->n_headers; i++) {
        room += strlen(req->headers[i].name) + strlen(req->headers[i].value) + 4;
    }
    const struct fl_secret *a = x->home ? req->authorization : NULL;
    room += (a && a->p ? a->n : 0) + (host ? strlen(host) : 0);
    headers_drop(x);
    fl_buf_reserve(&x->text, room); /* at once: growing would leave copies of secrets behind */
    x->headers = fl_calloc(req->n_headers + 4, sizeof(*x->headers));
    struct head_text t = {&x->text, x->headers, 0};
    bool typed = false;
    for (size_t i = 0; i < req->n_headers; i++) {
        const struct fl_header *h = &req->headers[i];
        if (x->home || !header_private(h->name)) {
            head_add(&t, h->name, fl_str_trim(fl_str_of(h->value)));
        }
        typed = typed || fl_str_case_is(fl_str_of(h->name), "content-type");
    }
    if (a && a->p) {
        head_add(&t, "Authorization", (struct fl_str){a->p, a->n});
    }
    if (host) {
        head_add(&t, "Host", fl_str_of(host));
    }
    if (with_body) {
        head_without(&t, "Expect"); /* libcurl would wait up to a second before bodies of 1 MB */
        if (!typed) {
            head_without(&t, "Content-Type");
        }
    }
    fl_assert(x->text.len <= room); /* it did not move */
    for (size_t i = 0; i < t.n; i++) {
        x->headers[i].next = i + 1 < t.n ? &x->headers[i + 1] : NULL;
    }
    if (t.n == 0) {
        headers_drop(x);
    }
}

#define SET(opt, value) (void)curl_easy_setopt(x->easy, CURLOPT_##opt, value)

static void set_common(struct http_xfer *x)
{
    struct fl_http *h = x->h;
    SET(NOSIGNAL, 1L);
    SET(PROTOCOLS_STR, "http,https");
    SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(PATH_AS_IS, 1L);
    SET(DISALLOW_USERNAME_IN_URL, 1L);
    SET(USERAGENT, h->user_agent);
    SET(CONNECTTIMEOUT_MS, (long)h->connect_timeout_ms);
    SET(QUICK_EXIT, 1L); /* a cancel does not wait for a name server */
    SET(TCP_NODELAY, 1L);
    SET(TCP_KEEPALIVE, 1L);
    SET(TCP_KEEPIDLE, 30L);
    SET(TCP_KEEPINTVL, 15L);
    SET(SUPPRESS_CONNECT_HEADERS, 1L);
    SET(ERRORBUFFER, x->detail);
    SET(PRIVATE, x);
    SET(HEADERFUNCTION, on_header);
    SET(HEADERDATA, x);
    SET(WRITEFUNCTION, on_body);
    SET(WRITEDATA, x);
    SET(OPENSOCKETFUNCTION, http_open_socket);
    SET(OPENSOCKETDATA, x);
    if (!h->use_proxy_env) {
        SET(PROXY, "");
    }
    if (x->blob && x->upload >= 0) {
        SET(UPLOAD_BUFFERSIZE, (long)HTTP_BLOB_BUFFER);
        SET(MAXAGE_CONN, 5L); /* it cannot be sent twice: no connection that may be dead */
    } else if (x->blob) {
        SET(BUFFERSIZE, (long)HTTP_BLOB_BUFFER);
    }
}

static void set_tls(struct http_xfer *x)
{
    /* Two ways to say the same, "1.2 or newer": libcurl compares them when it looks for a connection to take again, and so
     * keeps those of another trust apart, which it knows nothing of. */
    SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2 | (x->guest ? (long)CURL_SSLVERSION_MAX_TLSv1_3
                                                              : (long)CURL_SSLVERSION_MAX_DEFAULT));
    SET(CAINFO, NULL);
    SET(CAPATH, NULL);
    SET(SSL_VERIFYPEER, x->h->insecure ? 0L : 1L);
    SET(SSL_VERIFYHOST, x->h->insecure ? 0L : 2L);
    /* 7.88 would keep the store of a multi's first connection and put it over ours in all later ones: Curl_ssl_setup_x509_store
     * runs at the first read, after the callback. */
    SET(CA_CACHE_TIMEOUT, 0L);
    SET(SSL_CTX_FUNCTION, http_ssl_ctx);
    SET(SSL_CTX_DATA, x);
}

static bool method_is(const struct http_xfer *x, const char *m)
{
    return fl_text_eq(x->req->method, m);
}

/* Returns whether a body (maybe an empty one) is sent. */
static bool set_method(struct http_xfer *x)
{
    if (x->upload >= 0) {
        SET(UPLOAD, 1L);
        SET(INFILESIZE_LARGE, (curl_off_t)x->upload);
        SET(READFUNCTION, on_more);
        SET(READDATA, x);
        SET(SEEKFUNCTION, on_seek);
        SET(SEEKDATA, x);
        SET(CUSTOMREQUEST, x->req->method);
        return true;
    }
    if (x->body.n > 0 || method_is(x, "POST") || method_is(x, "PUT") || method_is(x, "PATCH")) {
        SET(POST, 1L);
        SET(POSTFIELDSIZE_LARGE, (curl_off_t)x->body.n);
        SET(POSTFIELDS, x->body.n ? x->body.p : "");
        SET(CUSTOMREQUEST, x->req->method);
        return true;
    }
    if (method_is(x, "HEAD")) {
        SET(NOBODY, 1L);
    } else if (!method_is(x, "GET")) {
        SET(CUSTOMREQUEST, x->req->method);
    }
    return false;
}

/* Verifying another name than the URL's: libcurl is told the URL with that name (which also becomes SNI) and to connect to
 * the real place; the Host header stays the real one. Returns the URL to use and sets *host. */
static void set_server_name(struct http_xfer *x, const struct fl_url *u, struct fl_buf *url,
                            struct fl_buf *host)
{
    const char *open = u->ipv6 ? "[" : "";
    const char *close = u->ipv6 ? "]" : "";
    fl_buf_fmt(url, "https://%s:%u%.*s", x->h->tls_server_name, (unsigned)u->port,
               FL_STR_ARG(u->path));
    if (u->query.n) {
        fl_buf_fmt(url, "?%.*s", FL_STR_ARG(u->query));
    }
    fl_buf_fmt(host, "%s%.*s%s", open, FL_STR_ARG(u->host), close);
    if (u->port != 443) {
        fl_buf_fmt(host, ":%u", (unsigned)u->port);
    }
    fl_buf_clear(&x->connect_text);
    fl_buf_fmt(&x->connect_text, "::%s%.*s%s:%u", open, FL_STR_ARG(u->host), close,
               (unsigned)u->port);
    x->connect_node = (struct curl_slist){x->connect_text.data, NULL};
    SET(CONNECT_TO, &x->connect_node);
}

/* libcurl parses a text and prints the whole of it again, a byte at a time: a quarter of what a request with a long URL costs. It
 * does not where it is given the URL in parts, too, which then count (CURLOPT_CURLU). What it cannot parse fails by the text. */
static void set_url(struct http_xfer *x, const char *text)
{
    SET(URL, text);
    curl_url_cleanup(x->parts);
    x->parts = curl_url();
    fl_assert(x->parts != NULL);
    if (curl_url_set(x->parts, CURLUPART_URL, text, CURLU_PATH_AS_IS | CURLU_DISALLOW_USER) ==
        CURLUE_OK) {
        SET(CURLU, x->parts);
    }
}

int http_xfer_start(struct http_xfer *x, struct fl_err *err)
{
    struct fl_url u;
    int rc = fl_url_parse(fl_str_of(x->resp.url), &u, err);
    if (rc) {
        return rc;
    }
    fl_buf_clear(&x->resp.headers);
    fl_buf_clear(&x->resp.body);
    x->resp.status = 0;
    x->head_done = x->any = x->cut = x->done = x->refused = x->opened = false;
    x->paused_in = x->paused_out = false;
    x->came = x->sent = 0;
    x->verify = 0;
    x->detail[0] = x->address[0] = '\0';
    x->last_ms = fl_clock_mono_ms(x->clock);

    set_common(x); /* the handle is new, or was reset when the one before was stopped */
    if (fl_str_is(u.scheme, "https")) {
        set_tls(x);
    }
    if (x->alone || (x->apart && fl_str_is(u.scheme, "http"))) {
        SET(FRESH_CONNECT, 1L);
        SET(FORBID_REUSE, 1L);
    }
    fl_auto_val(fl_buf) url = FL_BUF_INIT(FL_BUF_ANY);
    fl_auto_val(fl_buf) host = FL_BUF_INIT(FL_BUF_ANY);
    if (x->h->tls_server_name && fl_str_is(u.scheme, "https") && x->home) {
        set_server_name(x, &u, &url, &host);
    }
    set_url(x, url.len ? url.data : x->resp.url);
    bool with_body = set_method(x);
    headers_set(x, with_body, host.len ? host.data : NULL);
    SET(HTTPHEADER, x->headers);
    CURLMcode mc = curl_multi_add_handle(x->multi, x->easy);
    fl_assert(mc == CURLM_OK);
    x->started = true;
    return 0;
}

void http_xfer_stop(struct http_xfer *x)
{
    if (x->started) {
        x->started = false;
        (void)curl_multi_remove_handle(x->multi, x->easy);
        curl_easy_reset(x->easy); /* forgets pointers into x */
    }
}

void http_turn(CURLM *multi)
{
    int running = 0;
    CURLMcode mc = curl_multi_perform(multi, &running);
    fl_assert(mc == CURLM_OK);
    int left = 0;
    for (CURLMsg *m; (m = curl_multi_info_read(multi, &left));) {
        void *p = NULL;
        if (m->msg == CURLMSG_DONE &&
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&p) == CURLE_OK && p) {
            struct http_xfer *x = p;
            x->done = true;
            x->result = m->data.result;
        }
    }
}

static bool due(const struct fl_ctx *ctx)
{
    return fl_ctx_canceled(ctx) || fl_ctx_left_ms(ctx) <= 0;
}

int http_xfer_check(struct http_xfer *x, const struct fl_ctx *ctx, struct fl_err *err)
{
    char label[HTTP_LABEL];
    if (due(ctx)) {
        http_label(x, label);
        return fl_ctx_check(ctx, label, err);
    }
    int64_t now = fl_clock_mono_ms(x->clock);
    if (x->upload >= 0 || x->body.n > 0) {
        curl_off_t sent = 0;
        (void)curl_easy_getinfo(x->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
        if (sent != x->sent) {
            x->sent = sent;
            x->last_ms = now;
        }
    }
    /* Who waits for the other side is not stalled; his time begins again when he may go on. */
    if (x->paused_in || x->paused_out) {
        x->last_ms = now;
    }
    if (now - x->last_ms < x->h->stall_ms) {
        return 0;
    }
    http_label(x, label);
    return fl_fail(err, FL_E_TIMEOUT, "Stalled", "%s: nothing moved for %lld s", label,
                   (long long)(x->h->stall_ms / 1000));
}

bool http_wait(CURLM *multi, const struct fl_ctx *ctx)
{
    int64_t left = fl_ctx_left_ms(ctx);
    int ms = left < HTTP_SLICE_MS ? (int)left : HTTP_SLICE_MS;
    int ready = 0;
    (void)curl_multi_poll(multi, NULL, 0, ms, &ready);
    return ready > 0;
}

void http_pause(int ms)
{
    if (ms > 0) {
        (void)poll(NULL, 0, ms);
    }
}

static bool head_good(const struct http_xfer *x)
{
    return x->head_done && x->resp.status >= 200 && x->resp.status < 300;
}

/* One hop, to its end or (at_head) to the head of a good answer. */
static int hop(struct http_xfer *x, const struct fl_ctx *ctx, bool at_head, struct fl_err *err)
{
    int rc = http_xfer_start(x, err);
    while (rc == 0) {
        http_turn(x->multi);
        if (x->done || x->err.code) {
            break;
        }
        if (at_head && head_good(x)) {
            return 0;
        }
        rc = http_xfer_check(x, ctx, err);
        if (rc == 0) {
            http_wait(x->multi, ctx);
        }
    }
    return rc;
}

/* A kept connection that the server had given up: libcurl tries again by itself if that shows before anything was sent, and
 * not if it shows while sending. */
bool http_stale(struct http_xfer *x)
{
    long made = 1;
    (void)curl_easy_getinfo(x->easy, CURLINFO_NUM_CONNECTS, &made);
    return x->done && !x->any && !x->err.code && made == 0 &&
           (x->result == CURLE_SEND_ERROR || x->result == CURLE_RECV_ERROR ||
            x->result == CURLE_GOT_NOTHING);
}

static bool redirected(const struct http_xfer *x)
{
    int s = x->resp.status;
    return x->head_done && (s == 301 || s == 302 || s == 303 || s == 307 || s == 308) &&
           x->req->max_redirects > 0 && (method_is(x, "GET") || method_is(x, "HEAD"));
}

/* Sets x->resp.url to where the answer points. */
static int redirect(struct http_xfer *x, struct fl_str location, struct fl_err *err)
{
    char label[HTTP_LABEL];
    http_label(x, label);
    if (x->resp.redirects >= x->req->max_redirects) {
        return fl_fail(err, FL_E_BAD_DATA, "TooManyRedirects", "%s: more than %d redirects", label,
                       x->req->max_redirects);
    }
    struct fl_str target;
    (void)fl_str_cut(&location, '#', &target);
    fl_auto_val(fl_buf) next = FL_BUF_INIT(FL_URL_MAX + 1);
    struct fl_url from;
    struct fl_url to;
    struct fl_url first;
    struct fl_err why = FL_ERR_INIT;
    if (fl_url_resolve(&next, fl_str_of(x->resp.url), target, &why) ||
        fl_url_parse(fl_buf_slice(&next), &to, &why)) {
        return fl_fail(err, FL_E_BAD_DATA, "BadRedirect", "%s: redirect to a bad URL: %s", label,
                       why.msg);
    }
    if (fl_url_parse(fl_str_of(x->resp.url), &from, err) ||
        fl_url_parse(fl_str_of(x->req->url), &first, err)) {
        return FL_E_INVALID;
    }
    if (fl_str_is(from.scheme, "https") && !fl_str_is(to.scheme, "https")) {
        return fl_fail(err, FL_E_BAD_DATA, "RedirectRefused",
                       "%s: redirect from https to http refused", label);
    }
    x->home = fl_url_same_origin(&first, &to);
    x->resp.redirects++;
    fl_free(x->resp.url);
    x->resp.url = fl_buf_take(&next);
    return 0;
}

int http_walk(struct http_xfer *x, const struct fl_ctx *ctx, bool at_head, struct fl_err *err)
{
    bool again = false;
    for (;;) {
        int rc = hop(x, ctx, at_head, err);
        if (rc == 0 && !again && http_stale(x)) {
            again = true;
            http_xfer_stop(x);
            continue;
        }
        if (rc == 0 && (x->done || x->err.code)) {
            rc = http_xfer_verdict(x, err);
        }
        if (rc || !x->done) {
            return rc; /* with at_head the transfer goes on */
        }
        struct fl_str location = fl_http_header(&x->resp, "location", 0);
        http_xfer_stop(x);
        if (!redirected(x) || location.n == 0) {
            return 0;
        }
        rc = redirect(x, location, err);
        if (rc) {
            return rc;
        }
    }
}
