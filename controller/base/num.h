/* SPDX-License-Identifier: Apache-2.0
 * Numbers, durations and times from text: whole input or failure, no locale, no saturation. */
#ifndef FL_BASE_NUM_H
#define FL_BASE_NUM_H

#include "base/buf.h"
#include "base/str.h"

bool fl_num_i64(struct fl_str s, int64_t *ret); /* decimal, optional '-' */
bool fl_num_u64(struct fl_str s, uint64_t *ret);
/* Digits with at most one point, optional sign and exponent ("-1.5e3", ".5"); finite; below 512 bytes. */
bool fl_num_double(struct fl_str s, double *ret);

/* Go durations: "0", "5m", "1h30m", "1.5s", "300ms"; units ns us ms s m h. The value is in milliseconds,
 * rounded down; negative only if `s` is. Source: Go time.ParseDuration. */
bool fl_duration_parse(struct fl_str s, int64_t *ret_ms);
/* "1h30m0s", "5m0s", "1.5s", "0s", as Go prints it. */
void fl_duration_fmt(struct fl_buf *b, int64_t ms);
/* The age kubectl prints: "5s", "3m12s", "5h", "2d3h", "10d". Source: apimachinery duration.HumanDuration. */
void fl_duration_human(struct fl_buf *b, int64_t ms);

/* RFC 3339 UTC. fmt: "2006-01-02T15:04:05Z"; micro: "...05.000000Z"; both stop at the years 0000 and 9999. parse takes
 * either, fractions (cut to ms) and offsets; 'T' and 'Z' are capital, as for Go. */
void fl_time_fmt(struct fl_buf *b, int64_t wall_ms);
void fl_time_fmt_micro(struct fl_buf *b, int64_t wall_us);
bool fl_time_parse(struct fl_str s, int64_t *ret_wall_ms);
/* HTTP dates (RFC 9110: IMF-fixdate, RFC 850, asctime). */
bool fl_time_parse_http(struct fl_str s, int64_t *ret_wall_ms);
/* Byte counts for people: "512 B", "49.9 MiB". */
void fl_bytes_human(struct fl_buf *b, uint64_t bytes);

#endif
