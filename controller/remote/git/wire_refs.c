/* SPDX-License-Identifier: Apache-2.0
 * The answers that list refs. */
#include "remote/git/wire_priv.h"

/* The end of a message, and nothing behind it. */
static int message_end(struct fl_str rest, struct fl_err *err)
{
    return rest.n ? git_protocol_error(err, "%zu bytes behind the answer's end", rest.n) : 0;
}

/* A packet that must be text or the end of the message. */
static int next_line(struct fl_str *rest, bool *ret_end, struct fl_str *line, struct fl_err *err)
{
    enum git_pkt kind;
    int x = git_pkt_next(rest, &kind, line, err);
    if (x == 0 && kind != GIT_PKT_DATA && kind != GIT_PKT_FLUSH) {
        x = git_protocol_error(err, "a delimiter where none belongs");
    }
    if (x == 0) {
        *ret_end = kind == GIT_PKT_FLUSH;
    }
    return x;
}

/* "# service=..." and what else stands before the first flush. *ret false: there is none, *rest is as it was. */
static int preamble(struct fl_str *rest, const char *service, bool *ret, struct fl_err *err)
{
    struct fl_str at = *rest;
    struct fl_str line = {NULL, 0};
    bool end = false;
    int x = next_line(&at, &end, &line, err);
    *ret = x == 0 && !end && fl_str_starts(line, "# service=");
    if (x < 0 || !*ret) {
        return x;
    }
    line.p += strlen("# service=");
    line.n -= strlen("# service=");
    if (!fl_str_is(line, service)) {
        return git_protocol_error(err, "the answer is for the service %.*s", FL_STR_ARG(line));
    }
    while (x == 0 && !end) {
        x = next_line(&at, &end, &line, err);
    }
    *rest = at;
    return x;
}

static int object_format(struct fl_str name, bool *ret_sha256, struct fl_err *err)
{
    *ret_sha256 = fl_str_is(name, "sha256");
    if (*ret_sha256 || fl_str_is(name, "sha1")) {
        return 0;
    }
    return fl_fail(err, FL_E_UNSUPPORTED, "ObjectFormat",
                   "the repository's object format is %.*s; sha1 and sha256 are known",
                   FL_STR_ARG(name));
}

/* ---- v2 -------------------------------------------------------------------------------------------------------- */

static int caps_line(struct fl_str line, struct git_caps *c, struct fl_err *err)
{
    struct fl_str value = line;
    struct fl_str name;
    (void)fl_str_cut(&value, '=', &name);
    if (fl_str_is(name, "agent")) {
        c->agent = true;
    } else if (fl_str_is(name, "object-format")) {
        c->object_format = true;
        return object_format(value, &c->sha256, err);
    } else if (fl_str_is(name, "ls-refs")) {
        c->ls_refs = true;
        struct fl_str word;
        while (value.n) {
            (void)fl_str_cut(&value, ' ', &word);
            c->unborn = c->unborn || fl_str_is(word, "unborn");
        }
    }
    return 0;
}

int git_caps_parse(struct fl_str body, struct git_caps *ret, bool *ret_v0, struct fl_err *err)
{
    if (body.n == 0) {
        return git_protocol_empty(err);
    }
    bool announced;
    bool end = false;
    struct fl_str line = {NULL, 0};
    int x = preamble(&body, "git-upload-pack", &announced, err);
    if (x == 0) {
        x = next_line(&body, &end, &line, err);
    }
    if (x < 0) {
        return x;
    }
    struct git_caps c = {.v2 = !end && fl_str_is(line, "version 2")};
    if (!c.v2) {
        *ret_v0 = true;
        return 0;
    }
    while (x == 0 && !end) {
        x = next_line(&body, &end, &line, err);
        if (x == 0 && !end) {
            x = caps_line(line, &c, err);
        }
    }
    if (x == 0) {
        x = message_end(body, err);
    }
    if (x == 0 && !c.ls_refs) {
        x = git_protocol_error(err, "the server speaks version 2 but cannot list refs");
    }
    if (x == 0) {
        *ret = c;
        *ret_v0 = false;
    }
    return x;
}

static bool prefix_covered(const struct fl_ref_filter *f, size_t k, struct fl_str prefix)
{
    for (size_t i = 0; i < f->n_include; i++) {
        struct fl_str other = fl_git_pattern_prefix(fl_str_of(f->include[i]));
        bool shorter = other.n < prefix.n || (other.n == prefix.n && i < k);
        if (i != k && shorter && memcmp(other.p, prefix.p, other.n) == 0) {
            return true;
        }
    }
    return false;
}

void git_ls_refs_request(struct fl_buf *b, const struct git_caps *caps,
                         const struct fl_ref_filter *f)
{
    git_pkt_add(b, "command=ls-refs\n");
    if (caps->agent) {
        git_pkt_add(b, "agent=fairlead/%s\n", FL_VERSION);
    }
    if (caps->object_format) {
        git_pkt_add(b, "object-format=%s\n", caps->sha256 ? "sha256" : "sha1");
    }
    git_pkt_special(b, GIT_PKT_DELIM);
    git_pkt_add(b, "symrefs\n");
    if (caps->unborn) {
        git_pkt_add(b, "unborn\n");
    }
    git_pkt_add(b, "ref-prefix HEAD\n");
    for (size_t i = 0; i < f->n_include; i++) {
        struct fl_str prefix = fl_git_pattern_prefix(fl_str_of(f->include[i]));
        if (!prefix_covered(f, i, prefix)) {
            git_pkt_add(b, "ref-prefix %.*s\n", FL_STR_ARG(prefix));
        }
    }
    git_pkt_special(b, GIT_PKT_FLUSH);
}

static int ls_refs_line(struct git_gather *g, struct fl_str line, struct fl_err *err)
{
    struct fl_str attributes = line;
    struct fl_str oid;
    struct fl_str name;
    if (line.n > g->oid_len && line.p[g->oid_len] == ' ') { /* the usual line */
        oid = (struct fl_str){line.p, g->oid_len};
        attributes = (struct fl_str){line.p + oid.n + 1, line.n - oid.n - 1};
    } else if (!fl_str_cut(&attributes, ' ', &oid)) {
        return git_protocol_error(err, "a line that is no ref");
    }
    (void)fl_str_cut(&attributes, ' ', &name);
    bool head = name.n == 4 && fl_str_is(name, "HEAD");
    while (head && attributes.n) {
        static const char key[] = "symref-target:";
        struct fl_str one;
        (void)fl_str_cut(&attributes, ' ', &one);
        if (fl_str_starts(one, key)) {
            git_gather_head(g, (struct fl_str){one.p + strlen(key), one.n - strlen(key)});
        }
    }
    return oid.n == 6 && fl_str_is(oid, "unborn") ? 0 : git_gather_add(g, oid, name, err);
}

int git_ls_refs_parse(struct fl_str body, const struct git_caps *caps,
                      const struct fl_ref_filter *f, struct fl_arena *a, struct fl_git_refs *ret,
                      struct fl_err *err)
{
    if (body.n == 0) {
        return git_protocol_empty(err);
    }
    struct git_gather g;
    git_gather_init(&g, f, a, body.n, caps->sha256 ? 64 : 40);
    for (;;) {
        struct fl_str line = {NULL, 0};
        bool end = false;
        int x = next_line(&body, &end, &line, err);
        if (x == 0 && end) {
            x = message_end(body, err);
            return x < 0 ? x : git_gather_end(&g, ret, err);
        }
        if (x == 0) {
            x = ls_refs_line(&g, line, err);
        }
        if (x < 0) {
            return x;
        }
    }
}

/* ---- v0 and v1 ------------------------------------------------------------------------------------------------- */

static int v0_caps(struct git_gather *g, struct fl_str caps, bool *ret_sha256, struct fl_err *err)
{
    static const char format[] = "object-format=";
    static const char symref[] = "symref=HEAD:";
    while (caps.n) {
        struct fl_str one;
        (void)fl_str_cut(&caps, ' ', &one);
        if (fl_str_starts(one, symref)) {
            git_gather_head(g, (struct fl_str){one.p + strlen(symref), one.n - strlen(symref)});
        } else if (fl_str_starts(one, format)) {
            struct fl_str name = {one.p + strlen(format), one.n - strlen(format)};
            int x = object_format(name, ret_sha256, err);
            if (x < 0) {
                return x;
            }
        }
    }
    return 0;
}

static int v0_line(struct git_gather *g, struct fl_str line, bool first, bool *ret_sha256,
                   struct fl_err *err)
{
    struct fl_str caps = line;
    if (fl_str_cut(&caps, '\0', &line) && !first) {
        return git_protocol_error(err, "capabilities where none belong");
    }
    if (first) {
        int x = v0_caps(g, caps, ret_sha256, err);
        if (x < 0) {
            return x;
        }
        g->oid_len = *ret_sha256 ? 64 : 40;
    }
    if (!first && fl_str_starts(line, "shallow ")) {
        return 0;
    }
    struct fl_str name = line;
    struct fl_str oid;
    if (!fl_str_cut(&name, ' ', &oid)) {
        return git_protocol_error(err, "a line that is no ref");
    }
    if (fl_str_is(name, "capabilities^{}")) {
        bool alone = first && oid.n == g->oid_len && fl_git_oid_zero(oid);
        return alone ? 0 : git_protocol_error(err, "capabilities where none belong");
    }
    return git_gather_add(g, oid, name, err);
}

int git_v0_parse(struct fl_str body, const char *service, const struct fl_ref_filter *f,
                 struct fl_arena *a, struct fl_git_refs *ret, bool *ret_sha256, struct fl_err *err)
{
    if (body.n == 0) {
        return git_protocol_empty(err);
    }
    struct git_gather g;
    git_gather_init(&g, f, a, body.n, 40);
    bool announced = false;
    int x = preamble(&body, service, &announced, err);
    if (x == 0 && !announced) {
        x = git_protocol_error(err, "the answer does not begin with the name of its service");
    }
    bool sha256 = false;
    bool first = true;
    bool version = true; /* may still come */
    while (x == 0) {
        struct fl_str line = {NULL, 0};
        bool end = false;
        x = next_line(&body, &end, &line, err);
        if (x == 0 && end) {
            x = message_end(body, err);
            break;
        }
        if (x == 0 && version && fl_str_is(line, "version 1")) {
            version = false;
        } else if (x == 0) {
            x = v0_line(&g, line, first, &sha256, err);
            first = version = false;
        }
    }
    if (x == 0) {
        x = git_gather_end(&g, ret, err);
    }
    if (x == 0) {
        *ret_sha256 = sha256;
    }
    return x;
}

/* ---- dumb servers and the program ------------------------------------------------------------------------------ */

/* Lines "<oid> TAB <name> LF"; *ref: "ref: <target> TAB HEAD", as ls-remote says it. */
static int tab_lines(struct git_gather *g, struct fl_str body, bool symrefs, struct fl_err *err)
{
    int x = 0;
    while (x == 0 && body.n) {
        struct fl_str name;
        struct fl_str oid;
        if (!fl_str_cut(&body, '\n', &name)) {
            return git_protocol_error(err, "the answer ends within a line");
        }
        if (!fl_str_cut(&name, '\t', &oid)) {
            return git_protocol_error(err, "a line that is no ref");
        }
        if (!symrefs || !fl_str_starts(oid, "ref: ")) {
            x = git_gather_add(g, oid, name, err);
        } else if (fl_str_is(name, "HEAD")) {
            git_gather_head(g, (struct fl_str){oid.p + 5, oid.n - 5});
        }
    }
    return x;
}

int git_dumb_parse(struct fl_str body, struct fl_str head, const struct fl_ref_filter *f,
                   struct fl_arena *a, struct fl_git_refs *ret, struct fl_err *err)
{
    if (body.n == 0) {
        return git_protocol_empty(err);
    }
    struct git_gather g;
    git_gather_init(&g, f, a, body.n, 0);
    int x = tab_lines(&g, body, false, err);
    if (x < 0) {
        return x;
    }
    if (fl_str_starts(head, "ref: ")) {
        struct fl_str target = {head.p + 5, head.n - 5};
        while (target.n && (target.p[target.n - 1] == '\n' || target.p[target.n - 1] == '\r')) {
            target.n--;
        }
        git_gather_head(&g, target);
    }
    return git_gather_end(&g, ret, err);
}

int git_ls_remote_parse(struct fl_str out, const struct fl_ref_filter *f, struct fl_arena *a,
                        struct fl_git_refs *ret, struct fl_err *err)
{
    struct git_gather g;
    git_gather_init(&g, f, a, out.n, 0);
    int x = tab_lines(&g, out, true, err);
    return x < 0 ? x : git_gather_end(&g, ret, err);
}
