/* SPDX-License-Identifier: Apache-2.0
 * Log lines to stderr: key=value, JSON, or a readable form on a terminal. A line is one write(2). Values are
 * redacted: what stands after "Bearer ", "Basic ", "token=", "password=", in a URL's userinfo and in its query, or
 * under the keys token and password is printed as ***. Values over 4 KiB are cut. Any thread. Who may log: style.md, Errors. */
#ifndef FL_BASE_LOG_H
#define FL_BASE_LOG_H

#include "base/buf.h"
#include "base/err.h"

enum fl_log_level { FL_LOG_DEBUG, FL_LOG_INFO, FL_LOG_WARN, FL_LOG_ERROR };
enum fl_log_format {
    FL_LOG_TEXT,
    FL_LOG_JSON,
    FL_LOG_TTY,
    FL_LOG_AUTO /* TTY on a terminal, else TEXT */
};

enum fl_kv_type { FL_KV_END, FL_KV_STR, FL_KV_INT, FL_KV_ERR };
struct fl_kv {
    const char *key;
    enum fl_kv_type type;
    const char *s;
    int64_t i;
};
#define FL_S(k, v) ((struct fl_kv){(k), FL_KV_STR, (v), 0})
#define FL_I(k, v) ((struct fl_kv){(k), FL_KV_INT, NULL, (int64_t)(v)})
/* Adds error=<msg> reason=<reason> [status=<http>]. */
#define FL_ERR(e) ((struct fl_kv){"error", FL_KV_ERR, (const char *)(const void *)(e), 0})

/* fl_log(FL_LOG_INFO, "listening", FL_S("address", a), FL_I("port", p)); at least one value */
#define fl_log(level, msg, ...)                                                                    \
    fl_log_kv((level), (msg), (const struct fl_kv[]){__VA_ARGS__, {NULL, FL_KV_END, NULL, 0}})
#define fl_log_msg(level, msg) fl_log_kv((level), (msg), NULL)
void fl_log_kv(enum fl_log_level level, const char *msg, const struct fl_kv *kv);

void fl_log_setup(enum fl_log_level min, enum fl_log_format format);
bool fl_log_level_parse(const char *name, enum fl_log_level *ret);   /* debug info warn error */
bool fl_log_format_parse(const char *name, enum fl_log_format *ret); /* text json tty auto */
/* For tests: lines go to this function instead, one at a time; it must not log. NULL = stderr. */
void fl_log_sink(void (*fn)(void *arg, struct fl_str line), void *arg);
/* The redaction, for other texts that people see (conditions, events). */
void fl_redact(struct fl_buf *b, struct fl_str s);

#endif
