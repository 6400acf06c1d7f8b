/* SPDX-License-Identifier: Apache-2.0
 * Kubernetes Status objects as answers. kubernetes.md 3.11. */
#ifndef FL_APISERVER_STATUS_H
#define FL_APISERVER_STATUS_H

#include "api/meta/kind.h"
#include "wire/serve.h"

struct fl_status {
    int code;           /* HTTP */
    const char *reason; /* "NotFound" */
    const char *message;
    const char *name; /* details.*; NULL = left out */
    const char *group;
    const char *kind; /* plural resource for storage errors, Kind for validation */
    const char *uid;
    const struct fl_violations *causes; /* NULL */
    /* one cause without field, e.g. "NamespaceTerminating", "ResourceVersionTooLarge"; NULL */
    const char *cause_reason;
    const char *cause_message; /* of that cause; NULL: the message */
    const char *cause_field;   /* NULL */
    /* "details":{} although nothing is in it, as the real server answers failed patches */
    bool empty_details;
    int retry_after_s; /* 0 = none; also sent as header (at most 10) */
    bool success;
};
void fl_status_text(const struct fl_status *s, struct fl_buf *b); /* the JSON */
/* body, code, content type, Retry-After */
void fl_status_answer(const struct fl_status *s, struct fl_response *res);

/* The usual ones, in the API server's words. name may be empty. */
void fl_status_not_found(struct fl_response *res, const struct fl_kind *k, struct fl_str name);
void fl_status_exists(struct fl_response *res, const struct fl_kind *k, struct fl_str name,
                      bool being_deleted);
void fl_status_conflict(struct fl_response *res, const struct fl_kind *k, struct fl_str name,
                        const char *why /* NULL: modified */);
void fl_status_invalid(struct fl_response *res, const struct fl_kind *k, struct fl_str name,
                       const struct fl_violations *vs);
/* As above for what is no resource: ListOptions, DeleteOptions of group meta.k8s.io. */
void fl_status_invalid_as(struct fl_response *res, const char *group, const char *kind,
                          struct fl_str name, const struct fl_violations *vs);
void fl_status_bad_request(struct fl_response *res, const char *fmt, ...) fl_printf_like(2, 3);
void fl_status_forbidden(struct fl_response *res, const struct fl_kind *k, struct fl_str name,
                         const char *cause_reason, const char *fmt, ...) fl_printf_like(5, 6);
void fl_status_unauthorized(struct fl_response *res);
void fl_status_method(struct fl_response *res, const struct fl_kind *k, const char *verb);
void fl_status_simple(struct fl_response *res, int code, const char *reason, const char *fmt, ...)
    fl_printf_like(4, 5);
/* From a failure of a lower floor: UNAVAILABLE 503, TOO_BIG 413, TIMEOUT 504, INVALID "NotAcceptable" 406, else 500. */
void fl_status_from_err(struct fl_response *res, const struct fl_err *err);
/* "Expired" as ERROR line of a watch. */
void fl_status_watch_error(struct fl_buf *b, int code, const char *reason, const char *message);

#endif
