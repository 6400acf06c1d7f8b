/* SPDX-License-Identifier: Apache-2.0
 * The senders of webhooks, one row each: where signature, event and delivery id stand, what is signed, which events change a ref,
 * where the body names the repository. Pure functions over a request. */
#ifndef FL_HOOK_SENDER_H
#define FL_HOOK_SENDER_H

#include "port/hook.h"
#include "wire/serve.h"

enum hook_verdict { HOOK_PUSH, HOOK_PING, HOOK_OTHER };
struct hook_delivery {
    enum hook_verdict verdict;
    const char *id;        /* in the arena; "" = the sender gives none */
    const char *event;     /* as the sender says it */
    const char *place;     /* fl_git_url_place of the repository; NULL = the body names none */
    const char *full_name; /* "owner/name"; NULL */
};
/* The signature alone: 0, or AUTH without telling which part was wrong. Before anything is parsed. An empty secret is AUTH. */
int hook_verify(enum fl_hook_type type, const struct fl_secret *secret,
                const struct fl_request *req, int64_t now_s, struct fl_err *err);
/* Whether a signature of the right form is there, by the head alone (senders that sign with an HMAC). */
bool hook_seems_signed(enum fl_hook_type type, const struct fl_request *head);
/* After it: JSON or form body ("payload="). BAD_DATA: neither. */
int hook_parse(enum fl_hook_type type, const struct fl_request *req, struct fl_arena *a,
               struct hook_delivery *ret, struct fl_err *err);

#endif
