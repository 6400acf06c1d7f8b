/* SPDX-License-Identifier: Apache-2.0
 * Input: first byte chooses the sender, second whether it is a form; then up to the first NUL the text of all its headers,
 * then the body. */
#include "hook/sender.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {
    "x-github-event",   "x-github-delivery", "x-hub-signature-256", "x-gitlab-event",
    "x-gitlab-token",   "webhook-id",        "webhook-timestamp",   "webhook-signature",
    "x-gitea-event",    "x-gitea-signature", "x-forgejo-signature", "x-gogs-event",
    "x-gogs-signature", "x-event-key",       "x-hub-signature",     "x-signature",
};

static bool printable_or_null(const char *s)
{
    return !s || fl_str_printable(fl_str_of(s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3) {
        return 0;
    }
    const uint8_t *nul = memchr(data + 2, 0, size - 2);
    if (!nul) {
        return 0;
    }
    struct fl_header headers[FL_LEN(names) + 1];
    for (size_t i = 0; i < FL_LEN(names); i++) {
        headers[i] = (struct fl_header){names[i], (const char *)data + 2};
    }
    headers[FL_LEN(names)] = (struct fl_header){
        "content-type", data[1] & 1 ? "application/x-www-form-urlencoded" : "application/json"};
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_request req = {.method = "POST",
                             .headers = headers,
                             .n_headers = FL_LEN(headers),
                             .body = {(const char *)nul + 1, size - (size_t)(nul + 1 - data)},
                             .arena = a};
    enum fl_hook_type type = (enum fl_hook_type)(data[0] % (FL_HOOK_BITBUCKET_SERVER + 1));
    fl_auto_val(fl_secret) secret = {NULL, 0};
    struct hook_delivery d = {.verdict = HOOK_OTHER};
    struct fl_err err = FL_ERR_INIT;
    fl_secret_set(&secret, data[1] & 2 ? FL_STR("whsec_AAEC") : FL_STR("a secret"));
    (void)hook_verify(type, &secret, &req, 1700000000, &err);
    if (hook_parse(type, &req, a, &d, &err) == 0) {
        fl_assert(d.id && d.event && printable_or_null(d.place) && printable_or_null(d.full_name));
    }
    return 0;
}
