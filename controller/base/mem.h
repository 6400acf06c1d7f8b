/* SPDX-License-Identifier: Apache-2.0
 * Allocation. Out of memory ends the process with a log line: the controller is level-triggered and is
 * restarted. Sizes that come from outside never reach here unchecked; they go through a capped fl_buf. */
#ifndef FL_BASE_MEM_H
#define FL_BASE_MEM_H

#include "base/cc.h"

void *fl_malloc(size_t n);              /* n == 0 gives a valid pointer */
void *fl_calloc(size_t n, size_t size); /* zeroed; overflow of the product ends the process */
void *fl_realloc(void *p, size_t n);
void *fl_reallocarray(void *p, size_t n, size_t size);
char *fl_strdup(const char *s); /* NULL gives NULL */
char *fl_strndup(const char *s, size_t n);
char *fl_asprintf(const char *fmt, ...) fl_printf_like(1, 2);
void fl_free(void *p); /* NULL is fine */

static inline void fl_text_auto_(char **p)
{
    fl_free(*p);
    *p = NULL;
}

#define FL_NEW(T) ((T *)fl_calloc(1, sizeof(T)))

#endif
