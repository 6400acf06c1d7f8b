/* SPDX-License-Identifier: Apache-2.0
 * URLs of git remotes and names of refs, as users write them in specs. Sources: git-scm.com git-fetch "GIT URLS",
 * git-check-ref-format; reference git-and-pipelines.md 2.1. */
#ifndef FL_BASE_GITURL_H
#define FL_BASE_GITURL_H

#include "base/buf.h"
#include "base/err.h"

#define FL_GIT_URL_MAX 2048
#define FL_GIT_REF_MAX 1024 /* bytes of a ref's name */
#define FL_GIT_OID_TEXT 65  /* SHA-256 in hex, terminated */

enum fl_git_scheme { FL_GIT_HTTPS, FL_GIT_HTTP, FL_GIT_SSH };

struct fl_git_url { /* slices of the text that was parsed */
    enum fl_git_scheme scheme;
    struct fl_str user; /* ssh only; empty = none */
    struct fl_str host; /* without brackets */
    uint16_t port;      /* the scheme's default if not written */
    bool ipv6;
    struct fl_str path; /* with its '/'; longer than "/" */
};

/* INVALID "InvalidURL", in words for a user: other scheme (git, file, ext:: and helpers are named as refused), scp form
 * ("git@host:path": says how to write it), a password, a user for http, query, fragment, control character or space, host
 * or path that begins with '-', ".." in the path, no path, bad port, too long. */
int fl_git_url_parse(struct fl_str text, struct fl_git_url *ret, struct fl_err *err);
/* Appends what two URLs of one repository have in common: "host[:port]/path", host folded, default port, user, trailing
 * '/' and ".git" left out. For comparing, not for asking. */
void fl_git_url_place(struct fl_buf *b, const struct fl_git_url *u);

/* A full name: git's rules (check-ref-format), "HEAD" or beneath "refs/", at most FL_GIT_REF_MAX bytes. NULL if valid, else
 * what is wrong. */
const char *fl_git_ref_check(struct fl_str name);
/* A pattern over full names: doublestar (base/glob.h), begins with "refs/", and its plain text keeps git's rules. */
int fl_git_pattern_check(struct fl_str pattern, struct fl_err *err);
/* The text of a pattern before its first meta character, cut back to a whole component ("refs/heads/"); all of it when it is
 * plain. A slice of the pattern. */
struct fl_str fl_git_pattern_prefix(struct fl_str pattern);
/* 40 or 64 lower-case hex digits. */
bool fl_git_oid_valid(struct fl_str s);
/* All digits are 0 (either length): "no such ref". */
bool fl_git_oid_zero(struct fl_str s);

/* Which refs are meant: patterns over full names, exclude wins. refs/fairlead/ is never meant: it is ours. */
struct fl_ref_filter {
    const char *const *include; /* at least one */
    size_t n_include;
    const char *const *exclude;
    size_t n_exclude;
    int64_t max_refs; /* for those who list */
    /* For those who list: the version of a list that the caller remembers, made by the same
     * remote with this filter; NULL = none. */
    const char *known;
};
bool fl_ref_filter_admits(const struct fl_ref_filter *f, struct fl_str name);

#endif
