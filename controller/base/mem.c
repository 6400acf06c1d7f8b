/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdarg.h>
#include <unistd.h>

static fl_noreturn void out_of_memory(size_t n)
{
    char text[96];
    int len = snprintf(text, sizeof(text), "level=error msg=\"out of memory\" bytes=%zu\n", n);
    ssize_t ignored = write(STDERR_FILENO, text, len > 0 ? (size_t)len : 0);
    (void)ignored;
    abort();
}

static size_t product(size_t n, size_t size)
{
    if (size != 0 && n > (size_t)PTRDIFF_MAX / size) {
        out_of_memory(SIZE_MAX);
    }
    return n * size;
}

void *fl_malloc(size_t n)
{
    void *p = n <= (size_t)PTRDIFF_MAX ? malloc(n ? n : 1) : NULL;
    if (!p) {
        out_of_memory(n);
    }
    return p;
}

void *fl_calloc(size_t n, size_t size)
{
    size_t total = product(n, size);
    void *p = calloc(1, total ? total : 1);
    if (!p) {
        out_of_memory(total);
    }
    return p;
}

void *fl_realloc(void *p, size_t n)
{
    void *moved = n <= (size_t)PTRDIFF_MAX ? realloc(p, n ? n : 1) : NULL;
    if (!moved) {
        out_of_memory(n);
    }
    return moved;
}

void *fl_reallocarray(void *p, size_t n, size_t size)
{
    return fl_realloc(p, product(n, size));
}

char *fl_strdup(const char *s)
{
    return s ? fl_strndup(s, strlen(s)) : NULL;
}

char *fl_strndup(const char *s, size_t n)
{
    if (!s) {
        return NULL;
    }
    size_t len = strnlen(s, n);
    char *copy = fl_malloc(len + 1);
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *fl_asprintf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    fl_assert(n >= 0);
    char *text = fl_malloc((size_t)n + 1);
    va_start(ap, fmt);
    (void)vsnprintf(text, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return text;
}

void fl_free(void *p)
{
    free(p);
}
