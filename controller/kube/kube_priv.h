/* SPDX-License-Identifier: Apache-2.0
 * The inner side of kube/: one client, two doors. A door makes single exchanges and carries the streams of the reflectors;
 * what an answer means is decided once, above both. */
#ifndef FL_KUBE_KUBE_PRIV_H
#define FL_KUBE_KUBE_PRIV_H

#include "base/lock.h"
#include "kube/kube.h"
#include "kube/watchline.h"

struct kube_call {
    const char *method;
    struct fl_str path;
    struct fl_str query;
    const char *accept;       /* NULL: application/json */
    const char *content_type; /* NULL: no body */
    struct fl_str body;
    const char *authorization; /* another's, instead of the client's own; NULL */
    bool secret;               /* the answer holds a secret: every copy is wiped */
};

struct kube_answer {
    int status;
    int64_t retry_after_ms;
    struct fl_buf body;       /* either ... */
    struct fl_shared *shared; /* ... or; one reference */
    bool secret;
};
struct fl_str kube_answer_text(const struct kube_answer *a);
void kube_answer_release(struct kube_answer *a);
FL_AUTO_VAL(kube_answer);

struct kube_door {
    bool trusted; /* its texts were made by this process and need no check */
    int (*exchange)(struct fl_kube *k, const struct fl_ctx *ctx, const struct kube_call *call,
                    struct kube_answer *ret, struct fl_err *err);
    void (*free)(struct fl_kube *k);
    /* Any thread. start: kube_reflector_begin is called on the watch thread. stop: ends its stream and timer; returns when the
     * watch thread will not touch it again. */
    void (*start)(struct fl_reflector *r);
    void (*stop)(struct fl_reflector *r);
    /* On the watch thread. open: a GET of r's path; kube_reflector_head, _data, _end follow later, never within the call.
     * abort: the stream is not wanted any more; _end still comes. later: kube_reflector_due after so long, instead of an earlier
     * call that is still to come. */
    void (*open)(struct fl_reflector *r, struct fl_str query, const char *accept,
                 int64_t silence_ms);
    void (*abort)(struct fl_reflector *r);
    void (*later)(struct fl_reflector *r, int64_t delay_ms);
};

struct fl_kube {
    const struct kube_door *door;
    struct fl_clock *clock;
    char *host;
    void (*answered)(void *arg, const char *method, int code);
    void *answered_arg;
};

void kube_path(struct fl_buf *b, const struct fl_kind *kind, struct fl_str ns, struct fl_str name,
               const char *sub);
/* The failure that an answer outside 2xx stands for; checks the text. Returns the code. */
int kube_fail(int status, int64_t retry_after_ms, struct fl_str body, struct fl_err *err);

/* ---- reflectors (reflector.c); all on the watch thread ---- */

enum kube_phase { KUBE_WATCHLIST, KUBE_LIST, KUBE_WATCH };

struct fl_reflector {
    struct fl_kube *kube;
    const struct fl_kind *kind;
    char *ns;
    bool metadata_only;
    const struct fl_reflector_ops *ops;
    void *arg;
    char *path;

    enum kube_phase phase;
    bool no_watchlist; /* the server does not offer it */
    bool begun;        /* `begin` was called, `synced` not yet */
    bool bookmarks;    /* the server sends them: silence means trouble */
    bool troubled;
    bool stream;    /* one is open */
    bool got_event; /* on this stream */
    bool failed;    /* `failure` tells why the stream was aborted */
    struct fl_err failure;
    int64_t opened_ms, data_ms;
    int64_t expired_ms; /* when the last 410 came; -1 = never */
    int64_t backoff_ms, backed_off_ms;
    int page;           /* objects a page; 0: all at once */
    char rv[24];        /* newest version seen */
    struct fl_buf cont; /* of the next page */
    struct fl_buf body; /* of a page */
    struct fl_watch_lines lines;

    void *door; /* the door's part */
};

void kube_reflector_begin(struct fl_reflector *r);
void kube_reflector_due(struct fl_reflector *r);
void kube_reflector_head(struct fl_reflector *r, int status);
void kube_reflector_data(struct fl_reflector *r, struct fl_str piece);
/* status 0: no answer, err tells why. err NULL: ended in order. */
void kube_reflector_end(struct fl_reflector *r, int status, int64_t retry_after_ms,
                        struct fl_str body, const struct fl_err *err);

#endif
