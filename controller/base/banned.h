/* SPDX-License-Identifier: Apache-2.0
 * Calls that are compile errors everywhere: unbounded, locale- or state-dependent. Included by cc.h
 * and forced into every file by the build. base/num.c may define FL_ALLOW_STRTOL before it. */
#ifndef FL_BASE_BANNED_H
#define FL_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#undef strcpy
#undef strcat
#undef sprintf
#undef vsprintf
#undef strtok
#undef atoi
#undef gmtime
#undef localtime
#define strcpy(...) fl_banned_strcpy_use_fl_buf
#define strcat(...) fl_banned_strcat_use_fl_buf
#define sprintf(...) fl_banned_sprintf_use_fl_buf
#define vsprintf(...) fl_banned_vsprintf_use_fl_buf
#define strtok(...) fl_banned_strtok_use_fl_str_cut
#define atoi(...) fl_banned_atoi_use_fl_num
#define gmtime(...) fl_banned_gmtime_use_fl_timefmt
#define localtime(...) fl_banned_localtime_use_fl_timefmt
#ifndef FL_ALLOW_STRTOL
#define strtol(...) fl_banned_strtol_use_fl_num
#define strtoll(...) fl_banned_strtoll_use_fl_num
#define strtoul(...) fl_banned_strtoul_use_fl_num
#define strtoull(...) fl_banned_strtoull_use_fl_num
#define strtod(...) fl_banned_strtod_use_fl_num
#endif

#endif
