/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "app/program.h"
#include "base/lock.h"

static void signals_set(sigset_t *s)
{
    sigemptyset(s);
    sigaddset(s, SIGTERM);
    sigaddset(s, SIGINT);
}

void fl_program_block_signals(void)
{
    sigset_t s;
    signals_set(&s);
    pthread_sigmask(SIG_BLOCK, &s, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
}

static void *signals_second(void *arg)
{
    (void)arg;
    sigset_t s;
    int sig = 0;
    signals_set(&s);
    sigwait(&s, &sig);
    fl_log_msg(FL_LOG_WARN, "a second signal: ended at once");
    _exit(1);
}

/* What a burst (a first listing, a large run) left free in the heap goes back to the system. */
static void signals_trim(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

void fl_program_wait_signal(void)
{
    const struct timespec half_minute = {.tv_sec = 30};
    sigset_t s;
    signals_set(&s);
    int sig;
    while ((sig = sigtimedwait(&s, NULL, &half_minute)) < 0) {
        signals_trim();
    }
    fl_log(FL_LOG_INFO, "ending", FL_S("signal", sig == SIGTERM ? "SIGTERM" : "SIGINT"));
    pthread_t t;
    fl_thread_start(&t, "signal", signals_second, NULL);
    pthread_detach(t);
}

int fl_program_fail(const char *what, const struct fl_err *err)
{
    fl_log(FL_LOG_ERROR, what, FL_ERR(err));
    return fl_text_eq(err->reason, "Usage") ? 2 : 1;
}
