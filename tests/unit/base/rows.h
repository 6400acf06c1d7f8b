/* SPDX-License-Identifier: Apache-2.0
 * What the tests of base share: checks that name the row which failed, and functions that must end
 * the process. */
#ifndef FL_TESTS_UNIT_BASE_ROWS_H
#define FL_TESTS_UNIT_BASE_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define ROW_TRUE(row, e)                                                                           \
    do {                                                                                           \
        if (!(e)) {                                                                                \
            fail_msg("row '%s': %s", (row), #e);                                                   \
        }                                                                                          \
    } while (0)

static inline void row_str(const char *row, struct fl_str got, const char *want)
{
    if (!fl_str_is(got, want)) {
        fail_msg("row '%s': got '%.*s', want '%s'", row, FL_STR_ARG(got), want);
    }
}

static inline void row_i64(const char *row, int64_t got, int64_t want)
{
    if (got != want) {
        fail_msg("row '%s': got %" PRId64 ", want %" PRId64, row, got, want);
    }
}

/* Whether fn ends the process by abort, as a broken invariant does; its message goes nowhere. */
static inline bool aborts(void (*fn)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)signal(SIGABRT, SIG_DFL);
        (void)close(STDERR_FILENO);
        fn();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

#endif
