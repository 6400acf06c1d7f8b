/* SPDX-License-Identifier: Apache-2.0
 * The texts of git's smart protocol, pure functions over bytes: pkt-lines, the v2 capability and ls-refs answers, the v0
 * advertisement (upload-pack and receive-pack), dumb info/refs. A body that is not whole fails: an end that was not said is
 * never the end of a list. Sources: git Documentation/gitprotocol-common, -v2, -http, -pack; reference 1.1 to 1.3. */
#ifndef FL_REMOTE_GIT_WIRE_H
#define FL_REMOTE_GIT_WIRE_H

#include "base/arena.h"
#include "base/buf.h"
#include "port/mirror.h"

#define GIT_PKT_MAX 65520

enum git_pkt { GIT_PKT_DATA, GIT_PKT_FLUSH, GIT_PKT_DELIM, GIT_PKT_RESPONSE_END };
/* Cuts one packet off *rest; DATA: *line without its last LF. BAD_DATA "ProtocolError": length that is no hex, 1 to 3 beyond the
 * specials, runs past the end; AUTH/NOT_FOUND/UNAVAILABLE by words, reason "RemoteError": an ERR packet. */
int git_pkt_next(struct fl_str *rest, enum git_pkt *ret, struct fl_str *line, struct fl_err *err);
/* A data packet of exactly this text: with its LF where one is wanted; below GIT_PKT_MAX. */
void git_pkt_add(struct fl_buf *b, const char *fmt, ...) fl_printf_like(2, 3);
void git_pkt_special(struct fl_buf *b, enum git_pkt kind);

struct git_caps {
    bool v2;
    bool ls_refs;
    bool unborn;
    bool agent;
    bool object_format; /* was told: git's server dies of being told what it did not advertise */
    bool sha256;
};
/* The answer to GET info/refs: v2 capabilities, with or without the service preamble. *ret_v0: it is a v0 or v1
 * advertisement, parse that instead. BAD_DATA "ProtocolEmpty", "ProtocolError"; UNSUPPORTED "ObjectFormat". */
int git_caps_parse(struct fl_str body, struct git_caps *ret, bool *ret_v0, struct fl_err *err);
/* The body of an ls-refs request with ref-prefixes of the filter and HEAD. */
void git_ls_refs_request(struct fl_buf *b, const struct git_caps *caps,
                         const struct fl_ref_filter *f);
/* The three answers. Refs are filtered, checked, sorted (BAD_DATA: a name twice, an oid of the wrong length). Names that git would
 * not take are left out, as git leaves them out ("ignoring funny ref"); peeled tags and what receive-pack says of other
 * repositories (.have) too. More than max_refs: TOO_BIG "TooManyRefs". An empty body is BAD_DATA "ProtocolEmpty", the
 * caller falls back. What stands behind the end is BAD_DATA. */
int git_ls_refs_parse(struct fl_str body, const struct git_caps *caps,
                      const struct fl_ref_filter *f, struct fl_arena *a, struct fl_git_refs *ret,
                      struct fl_err *err);
int git_v0_parse(struct fl_str body, const char *service, const struct fl_ref_filter *f,
                 struct fl_arena *a, struct fl_git_refs *ret, bool *ret_sha256, struct fl_err *err);
int git_dumb_parse(struct fl_str body, struct fl_str head, const struct fl_ref_filter *f,
                   struct fl_arena *a, struct fl_git_refs *ret, struct fl_err *err);
/* `git ls-remote --symref` over ssh. */
int git_ls_remote_parse(struct fl_str out, const struct fl_ref_filter *f, struct fl_arena *a,
                        struct fl_git_refs *ret, struct fl_err *err);
/* `git push --porcelain`: results in the order of want->v; a ref that is not told is REJECTED "not answered". */
int git_push_parse(struct fl_str out, const struct fl_push_want *want, struct fl_arena *a,
                   struct fl_push_ref **ret, struct fl_err *err);

#endif
