/* SPDX-License-Identifier: Apache-2.0
 * doublestar globs over '/'-separated names, as Harbor's filters: `*` within a component, `**` alone in a component for
 * any number of them (as the last one: at least one), `?`, `[a-z]`, `[^a-z]` ("[!...]" is no negation), `{a,b}` nested,
 * `\` escapes. Case sensitive. An empty pattern matches all. Source: doublestar 1.3.4, which Harbor uses; README.md says
 * where we match what it fails to. */
#ifndef FL_BASE_GLOB_H
#define FL_BASE_GLOB_H

#include "base/err.h"
#include "base/str.h"

#define FL_GLOB_MAX 512 /* bytes of a pattern */

/* 0, or INVALID with what is wrong and at which character (unclosed [ or {, dangling \, too long, more than
 * 64 alternatives in all once expanded). */
int fl_glob_check(struct fl_str pattern, struct fl_err *err);
/* The pattern was checked. Time is bounded by |pattern| * |text| for each alternative. */
bool fl_glob_match(struct fl_str pattern, struct fl_str text);
/* True when the pattern is plain text: no meta character (`{a,b}` counts as one). */
bool fl_glob_literal(struct fl_str pattern);

#endif
