/* SPDX-License-Identifier: Apache-2.0
 * The failure value. Functions return 0 or a negative enum fl_code and fill `err`, which lives on the
 * caller's stack and never allocates. On failure the other outputs are untouched. */
#ifndef FL_BASE_ERR_H
#define FL_BASE_ERR_H

#include "base/cc.h"

/* Cut by what the engine does next, not by where it broke. */
enum fl_code {
    FL_OK = 0,
    FL_E_NOT_FOUND = -1,   /* 404; the caller decides */
    FL_E_EXISTS = -2,      /* create on existing; the caller decides */
    FL_E_CONFLICT = -3,    /* stale resourceVersion: requeue at once */
    FL_E_AUTH = -4,        /* 401, 403: Stalled until spec or secret changes, slow recheck */
    FL_E_INVALID = -5,     /* 422, bad spec: Stalled */
    FL_E_UNSUPPORTED = -6, /* port or feature not offered: Stalled */
    FL_E_LIMITED = -7,     /* 429, quota: requeue after retry_after_ms */
    FL_E_UNAVAILABLE = -8, /* 5xx, DNS, TLS, connection: back-off */
    FL_E_TIMEOUT = -9,     /* deadline: back-off */
    FL_E_TOO_BIG = -10,    /* a cap was reached: back-off, counted apart */
    FL_E_BAD_DATA = -11,   /* the answer is not as documented: back-off, counted apart */
    FL_E_CANCELED = -12,   /* shutdown: drop */
    FL_E_BUG = -13,        /* broken invariant: drop, log with location */
};

struct fl_err {
    enum fl_code code;
    int http_status;        /* what the remote said; 0 = no answer */
    int64_t retry_after_ms; /* from Retry-After or rate headers; -1 = none */
    char reason[48];        /* CamelCase, becomes condition.reason */
    char msg[512];          /* one line, no secret, no trailing dot */
};

#define FL_ERR_INIT                                                                                \
    {                                                                                              \
        .retry_after_ms = -1                                                                       \
    }

/* Sets err (NULL is fine) and returns code. Control characters in the text become spaces (also newlines
 * inside names), overlong text is cut at a UTF-8 boundary with "...". */
int fl_fail(struct fl_err *err, enum fl_code code, const char *reason, const char *fmt, ...)
    fl_printf_like(4, 5);
/* As fl_fail, with the remote's HTTP status and Retry-After in milliseconds (-1 = none). */
int fl_fail_http(struct fl_err *err, enum fl_code code, int http_status, int64_t retry_after_ms,
                 const char *reason, const char *fmt, ...) fl_printf_like(6, 7);
/* Puts "prefix: " before the message; keeps code and reason; returns err->code. */
int fl_wrap(struct fl_err *err, const char *fmt, ...) fl_printf_like(2, 3);
void fl_err_clear(struct fl_err *err);
const char *fl_code_name(enum fl_code code); /* "NotFound", ... */

#endif
