/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <unistd.h>

#include "base/str.h"

static const char *const code_names[] = {
    "OK",      "NotFound",    "Exists",  "Conflict", "Auth",    "Invalid",  "Unsupported",
    "Limited", "Unavailable", "Timeout", "TooBig",   "BadData", "Canceled", "Bug",
};

const char *fl_code_name(enum fl_code code)
{
    int i = -(int)code;
    return i >= 0 && i < (int)FL_LEN(code_names) ? code_names[i] : "Unknown";
}

/* Copies text into a message field of `size` bytes: one line, valid up to its end. */
static void message_set(char *ret, size_t size, const char *text)
{
    size_t n = strlen(text);
    size_t keep = n;
    if (n >= size) {
        keep = size - sizeof("...");
        /* Steps back over a character that the cut would split: at most three continuation bytes.
         */
        for (int i = 0; i < 3 && keep > 0 && ((unsigned char)text[keep] & 0xc0) == 0x80; i++) {
            keep--;
        }
    }
    for (size_t i = 0; i < keep; i++) {
        unsigned char c = (unsigned char)text[i];
        ret[i] = (char)(c < 0x20 || c == 0x7f ? ' ' : c);
    }
    if (keep < n) {
        memcpy(ret + keep, "...", 3);
        keep += 3;
    }
    ret[keep] = '\0';
}

/* One byte more than the field holds is enough to see that the text is too long, and a few more
 * keep the character at the cut whole. */
struct message {
    char text[sizeof(((struct fl_err *)0)->msg) + 8];
};

static void err_set(struct fl_err *err, enum fl_code code, const char *reason,
                    const struct message *m)
{
    err->code = code;
    err->http_status = 0;
    err->retry_after_ms = -1;
    message_set(err->reason, sizeof(err->reason), reason ? reason : fl_code_name(code));
    message_set(err->msg, sizeof(err->msg), m->text);
}

int fl_fail(struct fl_err *err, enum fl_code code, const char *reason, const char *fmt, ...)
{
    if (err) {
        struct message m; /* apart from err: an argument may be err->msg itself */
        va_list ap;
        va_start(ap, fmt);
        (void)vsnprintf(m.text, sizeof(m.text), fmt, ap);
        va_end(ap);
        err_set(err, code, reason, &m);
    }
    return code;
}

int fl_fail_http(struct fl_err *err, enum fl_code code, int http_status, int64_t retry_after_ms,
                 const char *reason, const char *fmt, ...)
{
    if (err) {
        struct message m;
        va_list ap;
        va_start(ap, fmt);
        (void)vsnprintf(m.text, sizeof(m.text), fmt, ap);
        va_end(ap);
        err_set(err, code, reason, &m);
        err->http_status = http_status;
        err->retry_after_ms = retry_after_ms;
    }
    return code;
}

int fl_wrap(struct fl_err *err, const char *fmt, ...)
{
    fl_assert(err != NULL);
    struct message prefix;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(prefix.text, sizeof(prefix.text), fmt, ap);
    va_end(ap);
    char text[sizeof(prefix.text) + sizeof(err->msg) + 3];
    (void)snprintf(text, sizeof(text), "%s: %s", prefix.text, err->msg);
    message_set(err->msg, sizeof(err->msg), text);
    return err->code;
}

void fl_err_clear(struct fl_err *err)
{
    *err = (struct fl_err)FL_ERR_INIT;
}

/* No allocation and no lock on this way: either may be what broke. */
void fl_assert_failed(const char *expr, const char *file, int line)
{
    char text[512];
    int n =
        snprintf(text, sizeof(text), "level=error msg=\"assertion failed\" at=%s:%d expr=\"%s\"\n",
                 file, line, expr);
    size_t len = n < 0 ? 0 : n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1;
    ssize_t ignored = write(STDERR_FILENO, text, len);
    (void)ignored;
    abort();
}
