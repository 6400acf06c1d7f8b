/* SPDX-License-Identifier: Apache-2.0
 * What `git push --porcelain` says of each ref. Source: git Documentation/git-push, "OUTPUT". */
#include "base/map.h"
#include "remote/git/wire_priv.h"

enum { WHY_MAX = 200 };

static bool outcome_of(char flag, enum fl_push_outcome *ret)
{
    static const struct {
        char flag;
        enum fl_push_outcome outcome;
    } rows[] = {
        {' ', FL_PUSH_UPDATED}, {'+', FL_PUSH_FORCED}, {'-', FL_PUSH_DELETED},
        {'*', FL_PUSH_CREATED}, {'=', FL_PUSH_SAME},   {'!', FL_PUSH_REJECTED},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        if (rows[i].flag == flag) {
            *ret = rows[i].outcome;
            return true;
        }
    }
    return false;
}

/* "[remote rejected] (hook declined)": what stands in the parentheses, else all of it. */
static const char *why_of(struct fl_str summary, struct fl_arena *a)
{
    struct fl_str rest = summary;
    struct fl_str head;
    bool said = fl_str_cut(&rest, '(', &head) && rest.n > 1 && rest.p[rest.n - 1] == ')';
    struct fl_str why = said ? (struct fl_str){rest.p, rest.n - 1} : summary;
    if (why.n > WHY_MAX) {
        why.n = WHY_MAX;
    }
    char *text = fl_arena_str(a, why);
    for (char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            *p = ' ';
        }
    }
    return text;
}

static int push_line(struct fl_str line, const struct fl_map *at, struct fl_arena *a,
                     struct fl_err *err)
{
    /* "To <url>", "Done": not about a ref. */
    if (line.n < 2 || line.p[1] != '\t') {
        return 0;
    }
    struct fl_str summary = {line.p + 2, line.n - 2};
    struct fl_str from_to;
    enum fl_push_outcome outcome;
    if (!outcome_of(line.p[0], &outcome) || !fl_str_cut(&summary, '\t', &from_to)) {
        return git_protocol_error(err, "git push says something unknown of a ref");
    }
    struct fl_str to = from_to;
    struct fl_str from;
    if (!fl_str_cut(&to, ':', &from)) {
        return git_protocol_error(err, "git push does not say where a ref went");
    }
    struct fl_push_ref *r = fl_map_get(at, to);
    if (r) { /* else a ref that was not asked for, or one that moved along */
        r->outcome = outcome;
        r->why = outcome == FL_PUSH_REJECTED ? why_of(summary, a) : NULL;
    }
    return 0;
}

int git_push_parse(struct fl_str out, const struct fl_push_want *want, struct fl_arena *a,
                   struct fl_push_ref **ret, struct fl_err *err)
{
    struct fl_push_ref *v = fl_arena_array(a, want->n, sizeof(*v));
    fl_auto(fl_map) at = fl_map_new(NULL);
    for (size_t i = 0; i < want->n; i++) {
        v[i] = (struct fl_push_ref){want->v[i].name, FL_PUSH_REJECTED, "not answered"};
        fl_map_set(at, fl_str_of(want->v[i].name), &v[i]);
    }
    while (out.n) {
        struct fl_str line;
        (void)fl_str_cut(&out, '\n', &line);
        int x = push_line(line, at, a, err);
        if (x < 0) {
            return x;
        }
    }
    *ret = v;
    return 0;
}
