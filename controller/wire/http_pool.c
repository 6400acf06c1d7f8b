/* SPDX-License-Identifier: Apache-2.0
 * Clients, their trust, and the slots that keep connections. */
#include "wire/http.h"

#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "wire/http_priv.h"

/* The system's certificates, parsed once for the process: libcurl would parse the whole bundle for each connection
 * (26 ms). */
static struct {
    struct fl_lock lock;
    char *path;
    X509_STORE *store;
    struct timespec mtime;
    off_t size;
    int xfer_index; /* of the transfer in an SSL_CTX */
} system_ca;

static bool store_readable(const char *path)
{
    struct stat st;
    return path && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static const char *system_ca_path(const curl_version_info_data *v)
{
    const char *const tried[] = {
        getenv("SSL_CERT_FILE"), /* NOLINT(concurrency-mt-unsafe): before any thread */
        v->cainfo,
        X509_get_default_cert_file(),
        "/etc/ssl/certs/ca-certificates.crt",
    };
    for (size_t i = 0; i < FL_LEN(tried); i++) {
        if (store_readable(tried[i])) {
            return tried[i];
        }
    }
    return "/etc/ssl/certs/ca-certificates.crt";
}

void fl_http_global_init(void)
{
    CURLcode rc = curl_global_init(CURL_GLOBAL_ALL);
    fl_assert(rc == CURLE_OK);
    const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);
    /* Our trust goes in by SSL_CTX, which only this TLS library has. */
    fl_assert(v->ssl_version && strstr(v->ssl_version, "OpenSSL"));
    if (!system_ca.path) {
        fl_lock_init(&system_ca.lock, "system-ca", FL_RANK_WIRE);
        system_ca.xfer_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
        fl_assert(system_ca.xfer_index >= 0);
        system_ca.path = fl_strdup(system_ca_path(v));
    }
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL); /* OpenSSL writes without MSG_NOSIGNAL */
}

/* A CA of the user's may be an intermediate one: the chain may end there. */
static X509_STORE *store_new(void)
{
    X509_STORE *s = X509_STORE_new();
    fl_assert(s != NULL);
    (void)X509_STORE_set_flags(s, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
    return s;
}

/* One reference for the caller. */
static X509_STORE *system_store(void)
{
    fl_lock_scope(&system_ca.lock);
    struct stat st = {0};
    (void)stat(system_ca.path, &st);
    if (!system_ca.store || st.st_mtim.tv_sec != system_ca.mtime.tv_sec ||
        st.st_mtim.tv_nsec != system_ca.mtime.tv_nsec || st.st_size != system_ca.size) {
        X509_STORE_free(system_ca.store);
        system_ca.store = store_new();
        if (!X509_STORE_load_file(system_ca.store, system_ca.path)) {
            fl_log(FL_LOG_DEBUG, "no CA certificates", FL_S("path", system_ca.path));
        }
        ERR_clear_error();
        system_ca.mtime = st.st_mtim;
        system_ca.size = st.st_size;
    }
    (void)X509_STORE_up_ref(system_ca.store);
    return system_ca.store;
}

/* Notes why a certificate was refused: libcurl passes it on only if no other error stands before it in OpenSSL's queue, as
 * it does when a CA of the same name has another key. */
static int on_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct http_xfer *x = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), system_ca.xfer_index);
    if (!ok && x && !x->verify) {
        x->verify = X509_STORE_CTX_get_error(store);
    }
    return ok;
}

CURLcode http_ssl_ctx(CURL *easy, void *ssl_ctx, void *arg)
{
    (void)easy;
    struct http_xfer *x = arg;
    struct fl_http *h = x->h;
    SSL_CTX *ctx = ssl_ctx;
    if (!h->insecure) {
        X509_STORE *s = h->store;
        if (s) {
            (void)X509_STORE_up_ref(s);
        } else {
            s = system_store();
        }
        SSL_CTX_set_cert_store(ctx, s);
        /* Looked at during the handshake only, which is over before x is. */
        (void)SSL_CTX_set_ex_data(ctx, system_ca.xfer_index, x);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, on_verify);
    }
    if (h->cert && SSL_CTX_use_cert_and_key(ctx, h->cert, h->key, h->chain, 1) != 1) {
        return CURLE_SSL_CERTPROBLEM;
    }
    return CURLE_OK;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): OpenSSL's signature */
static int no_password(char *buf, int size, int writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)arg;
    return 0; /* or OpenSSL asks on the terminal */
}

static BIO *bio_of(const char *text)
{
    BIO *b = BIO_new_mem_buf(text, -1);
    fl_assert(b != NULL);
    return b;
}

static int ca_read(struct fl_http *h, const char *pem, struct fl_err *err)
{
    h->store = store_new();
    BIO *b = bio_of(pem);
    int n = 0;
    for (X509 *x; (x = PEM_read_bio_X509(b, NULL, no_password, NULL)); n++) {
        int ok = X509_STORE_add_cert(h->store, x);
        X509_free(x);
        if (!ok) {
            break;
        }
    }
    BIO_free(b);
    unsigned long why = ERR_peek_last_error();
    ERR_clear_error();
    /* The end of the text is told as "no start line"; anything else is a certificate that could not be read. */
    bool ended = ERR_GET_LIB(why) == ERR_LIB_PEM && ERR_GET_REASON(why) == PEM_R_NO_START_LINE;
    if (n == 0 || !ended) {
        return fl_fail(
            err, FL_E_INVALID, "InvalidCA",
            n == 0 ? "CA: no PEM certificate in it" : "CA: certificate %d cannot be read", n + 1);
    }
    return 0;
}

static int cert_read(struct fl_http *h, const char *pem, const char *key_pem, struct fl_err *err)
{
    BIO *b = bio_of(pem);
    h->cert = PEM_read_bio_X509(b, NULL, no_password, NULL);
    h->chain = sk_X509_new_null();
    fl_assert(h->chain != NULL);
    for (X509 *x; h->cert && (x = PEM_read_bio_X509(b, NULL, no_password, NULL));) {
        fl_assert(sk_X509_push(h->chain, x) > 0);
    }
    BIO_free(b);
    if (key_pem) {
        b = bio_of(key_pem);
        h->key = PEM_read_bio_PrivateKey(b, NULL, no_password, NULL);
        BIO_free(b);
    }
    bool match = h->cert && h->key && X509_check_private_key(h->cert, h->key) == 1;
    ERR_clear_error();
    if (!h->cert) {
        return fl_fail(err, FL_E_INVALID, "InvalidClientCertificate",
                       "client certificate: no PEM certificate in it");
    }
    if (!h->key) {
        return fl_fail(err, FL_E_INVALID, "InvalidClientCertificate",
                       "client key: no PEM private key without a password in it");
    }
    if (!match) {
        return fl_fail(err, FL_E_INVALID, "InvalidClientCertificate",
                       "client key does not belong to the client certificate");
    }
    return 0;
}

static uint64_t trust_of(const struct fl_http_conf *c)
{
    struct fl_buf b = FL_BUF_INIT(FL_BUF_ANY);
    const char *const texts[] = {c->ca_pem, c->cert_pem, c->key_pem, c->tls_server_name};
    for (size_t i = 0; i < FL_LEN(texts); i++) {
        fl_buf_fmt(&b, "%d:", texts[i] != NULL);
        fl_buf_text(&b, texts[i]);
        fl_buf_char(&b, '\0');
    }
    fl_buf_fmt(&b, "%d %d %d", c->insecure, (int)c->reach, c->use_proxy_env);
    for (size_t i = 0; c->private_hosts && c->private_hosts[i]; i++) {
        fl_buf_fmt(&b, " %s", c->private_hosts[i]);
    }
    uint64_t trust = fl_hash(b.data, b.len);
    fl_buf_wipe(&b);
    return trust ? trust : 1;
}

int fl_http_new(const struct fl_http_conf *conf, struct fl_http **ret, struct fl_err *err)
{
    fl_assert(system_ca.path != NULL); /* fl_http_global_init was called */
    fl_auto(fl_http) h = FL_NEW(struct fl_http);
    fl_lock_init(&h->lock, "http", FL_RANK_WIRE);
    fl_cond_init(&h->freed);
    int rc = conf->ca_pem ? ca_read(h, conf->ca_pem, err) : 0;
    if (rc == 0 && conf->cert_pem) {
        rc = cert_read(h, conf->cert_pem, conf->key_pem, err);
    }
    if (rc) {
        return rc;
    }
    h->user_agent = fl_strdup(conf->user_agent ? conf->user_agent : "fairlead/" FL_VERSION);
    h->tls_server_name = fl_strdup(conf->tls_server_name);
    h->insecure = conf->insecure;
    h->use_proxy_env = conf->use_proxy_env;
    h->reach = conf->reach;
    h->private_hosts = http_hosts_copy(conf->private_hosts);
    h->connect_timeout_ms = conf->connect_timeout_ms > 0 ? conf->connect_timeout_ms : 10000;
    h->stall_ms = conf->stall_ms > 0 ? conf->stall_ms : 30000;
    h->max_conns = conf->max_conns > 0 ? conf->max_conns : 64;
    h->trust = trust_of(conf);
    *ret = fl_take(h);
    return 0;
}

static void slot_close(struct http_slot *s)
{
    for (size_t i = 0; i < FL_LEN(s->easy); i++) {
        curl_easy_cleanup(s->easy[i]);
        s->easy[i] = NULL;
    }
    if (s->multi) {
        (void)curl_multi_cleanup(s->multi);
        s->multi = NULL;
    }
}

static void slot_free(struct http_slot *s)
{
    slot_close(s);
    fl_free(s->ring.data);
    fl_free(s);
}

void fl_http_free(struct fl_http *h)
{
    if (!h) {
        return;
    }
    fl_assert(h->busy == 0);
    while (h->free) {
        struct http_slot *s = h->free;
        h->free = s->next;
        slot_free(s);
    }
    fl_cond_destroy(&h->freed);
    fl_lock_destroy(&h->lock);
    X509_STORE_free(h->store);
    X509_free(h->cert);
    EVP_PKEY_free(h->key);
    sk_X509_pop_free(h->chain, X509_free);
    fl_free(h->user_agent);
    fl_free(h->tls_server_name);
    http_hosts_free(h->private_hosts);
    fl_free(h);
}

int http_permit_take(struct fl_http *h, const struct fl_ctx *ctx, struct fl_err *err)
{
    fl_lock_scope(&h->lock);
    for (;;) {
        int rc = fl_ctx_check(ctx, "waiting for a free connection", err);
        if (rc) {
            return rc;
        }
        if (h->busy < h->max_conns) {
            h->busy++;
            return 0;
        }
        int64_t slice = fl_clock_mono_ms(ctx->clock) + HTTP_SLICE_MS;
        h->waiting++;
        fl_clock_wait(ctx->clock, &h->freed, &h->lock,
                      slice < ctx->deadline_ms ? slice : ctx->deadline_ms);
        h->waiting--;
    }
}

bool http_permit_more(struct fl_http *h)
{
    fl_lock_scope(&h->lock);
    bool ok = h->busy + h->waiting < h->max_conns;
    h->busy += ok ? 1 : 0;
    return ok;
}

bool http_permit_wanted(struct fl_http *h)
{
    fl_lock_scope(&h->lock);
    return h->waiting > 0;
}

void http_permit_give(struct fl_http *h)
{
    fl_lock_scope(&h->lock);
    fl_assert(h->busy > 0);
    h->busy--;
    fl_cond_signal(&h->freed);
}

static void slot_open(struct http_slot *s)
{
    s->multi = curl_multi_init();
    s->easy[0] = curl_easy_init();
    fl_assert(s->multi && s->easy[0]);
    (void)curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, (long)HTTP_CONNS_KEPT);
}

/* Takes the slot used last that suits: its connections are the warmest. */
static struct http_slot *slot_pick(struct fl_http *h, uint64_t guest)
{
    fl_lock_scope(&h->lock);
    struct http_slot **best = NULL;
    for (struct http_slot **at = &h->free; *at; at = &(*at)->next) {
        uint64_t g = (*at)->guest;
        if (!guest || g == guest) {
            best = at;
            break;
        }
        if (!best || (g == 0 && (*best)->guest)) {
            best = at;
        }
    }
    struct http_slot *s = NULL;
    if (best) {
        s = *best;
        *best = s->next;
        s->next = NULL;
    }
    return s;
}

int http_slot_take(struct fl_http *h, const struct fl_http *guest, const struct fl_ctx *ctx,
                   struct http_slot **ret, struct fl_err *err)
{
    int rc = http_permit_take(h, ctx, err);
    if (rc) {
        return rc;
    }
    uint64_t g = guest && guest->trust != h->trust ? guest->trust : 0;
    struct http_slot *s = slot_pick(h, g);
    if (!s) {
        s = FL_NEW(struct http_slot);
        slot_open(s);
    } else if (g && s->guest && s->guest != g) {
        /* libcurl does not know our trust: it would hand the connections and TLS sessions of the one guest to the other. */
        slot_close(s);
        slot_open(s);
    }
    if (g) {
        s->guest = g;
    }
    *ret = s;
    return 0;
}

void http_slot_give(struct fl_http *h, struct http_slot *slot)
{
    fl_lock_take(&h->lock);
    slot->next = h->free;
    h->free = slot;
    fl_assert(h->busy > 0);
    h->busy--;
    fl_cond_signal(&h->freed);
    fl_lock_drop(&h->lock);
}
