/* SPDX-License-Identifier: Apache-2.0
 * Compiler extensions under names of ours; nothing else uses __attribute__ or __builtin. */
#ifndef FL_BASE_CC_H
#define FL_BASE_CC_H

#include <stddef.h>
#include <stdint.h>

#include "base/banned.h"

#define fl_must_check __attribute__((warn_unused_result))
#define fl_printf_like(fmt, args) __attribute__((format(printf, fmt, args)))
#define fl_noreturn __attribute__((noreturn))
#define fl_unused __attribute__((unused))
#define fl_sentinel __attribute__((sentinel))
#define FL_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define fl_container_of(p, T, m) ((T *)(void *)((char *)(p)-offsetof(T, m)))

/* Where AddressSanitizer watches, memory that an arena has not handed out is marked, so that running over an
 * allocation's end is seen there too. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FL_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define FL_ASAN 1
#endif
#ifdef FL_ASAN
#include <sanitizer/asan_interface.h>
#define FL_POISON(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define FL_UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#define FL_REDZONE 16
#else
#define FL_POISON(p, n) ((void)(p), (void)(n))
#define FL_UNPOISON(p, n) ((void)(p), (void)(n))
#define FL_REDZONE 0
#endif

/* An owned local: `fl_auto(fl_json) j = NULL;` declares `struct fl_json *j`, released by fl_json_free
 * at the end of the block. T_free accepts NULL. FL_AUTO(T) stands in T's header after T_free. */
#define fl_auto(T) __attribute__((cleanup(T##_auto_))) struct T *
#define FL_AUTO(T)                                                                                 \
    static inline void T##_auto_(struct T **p)                                                     \
    {                                                                                              \
        T##_free(*p);                                                                              \
        *p = NULL;                                                                                 \
    }                                                                                              \
    struct T

/* An owned local by value: `fl_auto_val(fl_buf) b = FL_BUF_INIT(cap);`, released by fl_buf_release. */
#define fl_auto_val(T) __attribute__((cleanup(T##_release_))) struct T
#define FL_AUTO_VAL(T)                                                                             \
    static inline void T##_release_(struct T *p)                                                   \
    {                                                                                              \
        T##_release(p);                                                                            \
    }                                                                                              \
    struct T

/* An owned text: `fl_auto_text s = NULL;` declares `char *s`. */
#define fl_auto_text __attribute__((cleanup(fl_text_auto_))) char *

/* Gives ownership away: yields p and leaves NULL behind. */
#define fl_take(p)                                                                                 \
    __extension__({                                                                                \
        __typeof__(p) fl_taken_ = (p);                                                             \
        (p) = NULL;                                                                                \
        fl_taken_;                                                                                 \
    })

/* Kept in release builds: a broken invariant ends the process with file and line. */
#define fl_assert(e) ((e) ? (void)0 : fl_assert_failed(#e, __FILE__, __LINE__))
fl_noreturn void fl_assert_failed(const char *expr, const char *file, int line);

#endif
