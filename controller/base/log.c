/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"

/* Of one value; what is longer is cut. */
enum { VALUE_MAX = 4096 };

static _Atomic int log_min = FL_LOG_INFO;
static _Atomic int log_format = FL_LOG_TEXT;

static struct {
    struct fl_lock mu; /* one line at a time */
    void (*sink)(void *arg, struct fl_str line);
    void *sink_arg;
} out;
static pthread_once_t out_once = PTHREAD_ONCE_INIT;

static void out_init(void)
{
    fl_lock_init(&out.mu, "log", FL_RANK_LOG);
}

struct level_name {
    const char *name;
    const char *tty; /* of one width; what people must see is coloured */
};
static const struct level_name levels[] = {
    [FL_LOG_DEBUG] = {"debug", "DEBUG"},
    [FL_LOG_INFO] = {"info", "INFO "},
    [FL_LOG_WARN] = {"warn", "\x1b[33mWARN \x1b[0m"},
    [FL_LOG_ERROR] = {"error", "\x1b[31mERROR\x1b[0m"},
};
static const char *const formats[] = {
    [FL_LOG_TEXT] = "text",
    [FL_LOG_JSON] = "json",
    [FL_LOG_TTY] = "tty",
    [FL_LOG_AUTO] = "auto",
};

bool fl_log_level_parse(const char *name, enum fl_log_level *ret)
{
    for (size_t i = 0; i < FL_LEN(levels); i++) {
        if (fl_text_eq(name, levels[i].name)) {
            *ret = (enum fl_log_level)i;
            return true;
        }
    }
    return false;
}

bool fl_log_format_parse(const char *name, enum fl_log_format *ret)
{
    for (size_t i = 0; i < FL_LEN(formats); i++) {
        if (fl_text_eq(name, formats[i])) {
            *ret = (enum fl_log_format)i;
            return true;
        }
    }
    return false;
}

void fl_log_setup(enum fl_log_level min, enum fl_log_format format)
{
    if (format == FL_LOG_AUTO) {
        format = isatty(STDERR_FILENO) ? FL_LOG_TTY : FL_LOG_TEXT;
    }
    atomic_store(&log_min, (int)min);
    atomic_store(&log_format, (int)format);
}

void fl_log_sink(void (*fn)(void *arg, struct fl_str line), void *arg)
{
    (void)pthread_once(&out_once, out_init);
    fl_lock_scope(&out.mu);
    out.sink = fn;
    out.sink_arg = arg;
}

/* A text that a reader of key=value lines takes for one word. */
static bool is_bare(struct fl_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f) {
            return false;
        }
    }
    return s.n > 0;
}

static struct fl_str cut_utf8(struct fl_str s, size_t max)
{
    if (s.n > max) {
        s.n = max;
        for (int i = 0; i < 3 && s.n > 0 && ((unsigned char)s.p[s.n] & 0xc0) == 0x80; i++) {
            s.n--;
        }
    }
    return s;
}

/* The value redacted, cut and quoted as the format wants. Cut first, so that a huge value costs no
 * more than what is shown of it. */
static void value_add(struct fl_buf *line, const char *text, bool json)
{
    fl_auto_val(fl_buf) clean = FL_BUF_INIT(FL_BUF_ANY);
    struct fl_str all = fl_str_of(text);
    struct fl_str shown = cut_utf8(all, VALUE_MAX);
    fl_redact(&clean, shown);
    if (shown.n < all.n) {
        fl_buf_text(&clean, "...");
    }
    if (json || !is_bare(fl_buf_slice(&clean))) {
        fl_buf_json_str(line, fl_buf_slice(&clean));
    } else {
        fl_buf_str(line, fl_buf_slice(&clean));
    }
}

static void key_add(struct fl_buf *line, const char *key, bool json)
{
    if (json) {
        fl_buf_char(line, ',');
        fl_buf_json_str(line, fl_str_of(key));
        fl_buf_char(line, ':');
    } else {
        fl_buf_char(line, ' ');
        fl_buf_text(line, key);
        fl_buf_char(line, '=');
    }
}

static void text_pair_add(struct fl_buf *line, const char *key, const char *value, bool json)
{
    key_add(line, key, json);
    if (fl_text_eq(key, "token") || fl_text_eq(key, "password")) {
        value = "***"; /* such a key promises a secret, whatever the value looks like */
    }
    value_add(line, value, json);
}

static void int_pair_add(struct fl_buf *line, const char *key, int64_t value, bool json)
{
    key_add(line, key, json);
    fl_buf_i64(line, value);
}

static void pair_add(struct fl_buf *line, const struct fl_kv *kv, bool json)
{
    if (kv->type == FL_KV_STR) {
        text_pair_add(line, kv->key, kv->s, json);
    } else if (kv->type == FL_KV_INT) {
        int_pair_add(line, kv->key, kv->i, json);
    } else if (kv->s) {
        const struct fl_err *err = (const struct fl_err *)(const void *)kv->s;
        text_pair_add(line, kv->key, err->msg, json);
        text_pair_add(line, "reason", err->reason, json);
        if (err->http_status != 0) {
            int_pair_add(line, "status", err->http_status, json);
        }
    }
}

static void time_add(struct fl_buf *line)
{
    int64_t us = fl_clock_wall_us(fl_clock_real());
    fl_time_fmt_micro(line, us);
    fl_buf_truncate(line, line->len - sizeof("000Z") + 1); /* milliseconds will do */
    fl_buf_char(line, 'Z');
}

/* Not quoted, so what could steer the terminal becomes a space. */
static void tty_text_add(struct fl_buf *line, const char *text)
{
    fl_auto_val(fl_buf) clean = FL_BUF_INIT(FL_BUF_ANY);
    fl_redact(&clean, cut_utf8(fl_str_of(text), VALUE_MAX));
    for (size_t i = 0; i < clean.len; i++) {
        struct fl_str one = {clean.data + i, 1};
        fl_buf_str(line, fl_str_printable(one) ? one : FL_STR(" "));
    }
}

static void head_add(struct fl_buf *line, enum fl_log_format format, enum fl_log_level level,
                     const char *msg)
{
    bool json = format == FL_LOG_JSON;
    fl_buf_text(line, json ? "{\"time\":\"" : format == FL_LOG_TEXT ? "time=" : "");
    time_add(line);
    if (format == FL_LOG_TTY) {
        fl_buf_fmt(line, " %s ", levels[level].tty);
        tty_text_add(line, msg);
        return;
    }
    if (json) {
        fl_buf_char(line, '"');
    }
    text_pair_add(line, "level", levels[level].name, json);
    text_pair_add(line, "msg", msg, json);
}

static void line_write(struct fl_str line)
{
    while (line.n > 0) {
        ssize_t n = write(STDERR_FILENO, line.p, line.n);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return; /* nobody is left to tell */
        }
        line.p += n;
        line.n -= (size_t)n;
    }
}

void fl_log_kv(enum fl_log_level level, const char *msg, const struct fl_kv *kv)
{
    if ((int)level < atomic_load_explicit(&log_min, memory_order_relaxed)) {
        return;
    }
    enum fl_log_format format = (enum fl_log_format)atomic_load(&log_format);
    bool json = format == FL_LOG_JSON;
    fl_auto_val(fl_buf) line = FL_BUF_INIT(FL_BUF_ANY);
    head_add(&line, format, level, msg);
    for (; kv && kv->type != FL_KV_END; kv++) {
        pair_add(&line, kv, json);
    }
    fl_buf_text(&line, json ? "}\n" : "\n");
    (void)pthread_once(&out_once, out_init);
    fl_lock_scope(&out.mu);
    if (out.sink) {
        out.sink(out.sink_arg, fl_buf_slice(&line));
    } else {
        line_write(fl_buf_slice(&line));
    }
}
