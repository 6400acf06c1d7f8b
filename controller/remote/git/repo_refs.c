/* SPDX-License-Identifier: Apache-2.0
 * Refs of a repository, read as files: a poll that finds nothing new starts no process. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "remote/git/repo_priv.h"
#include "wire/file.h"

enum {
    PACKED_MAX = 512 << 20, /* some 7 million refs */
    LOOSE_MAX = 256         /* an oid, or "ref: " and a name that we would not write */
};

static int corrupt(struct fl_err *err, const char *file, const char *why)
{
    return fl_fail(err, FL_E_BAD_DATA, "RefsCorrupt", "%s: %s", file, why);
}

int repo_ref_by_name(const void *a, const void *b)
{
    const struct fl_git_ref *x = a;
    const struct fl_git_ref *y = b;

    return strcmp(x->name, y->name);
}

static int sort_unique(struct fl_git_ref *v, size_t n, const char *file, struct fl_err *err)
{
    bool sorted = true;

    for (size_t i = 1; i < n && sorted; i++) {
        sorted = strcmp(v[i - 1].name, v[i].name) < 0;
    }
    if (!sorted) {
        qsort(v, n, sizeof(*v), repo_ref_by_name);
    }
    for (size_t i = 1; i < n && !sorted; i++) {
        if (fl_text_eq(v[i - 1].name, v[i].name)) {
            return fl_fail(err, FL_E_BAD_DATA, "RefsCorrupt", "%s: %s stands in it twice", file,
                           v[i].name);
        }
    }
    return 0;
}

/* ---- packed-refs ---- */

static bool is_ref_name(struct fl_str name)
{
    return fl_str_starts(name, "refs/") && fl_git_ref_check(name) == NULL;
}

/* "<oid> <name>"; "^<oid>" tells what an annotated tag points at and belongs to the line before. */
static const char *packed_line(struct fl_str line, size_t oid_len, bool first, bool after_ref,
                               bool *ret_is_ref)
{
    *ret_is_ref = false;
    if (line.n > 0 && line.p[0] == '#') {
        return first ? NULL : "a header that is not at the start";
    }
    if (line.n > 0 && line.p[0] == '^') {
        struct fl_str oid = {line.p + 1, line.n - 1};

        return after_ref && oid.n == oid_len && fl_git_oid_valid(oid) ? NULL : "a bad peeled line";
    }
    if (line.n <= oid_len + 1 || line.p[oid_len] != ' ' ||
        !fl_git_oid_valid((struct fl_str){line.p, oid_len})) {
        return "a line that is no ref";
    }
    *ret_is_ref = true;
    return is_ref_name((struct fl_str){line.p + oid_len + 1, line.n - oid_len - 1})
               ? NULL
               : "a name that is none of a ref";
}

int git_packed_refs_parse(char *text, size_t n, size_t oid_len, struct fl_arena *a,
                          struct fl_git_refs *ret, struct fl_err *err)
{
    struct fl_git_ref *v = NULL;
    size_t found = 0;
    size_t at = 0;
    bool is_ref = false;

    while (at < n) {
        char *end = memchr(text + at, '\n', n - at);

        if (!end) {
            return corrupt(err, "packed-refs", "its last line is not whole");
        }
        struct fl_str line = {text + at, (size_t)(end - (text + at))};
        const char *wrong = packed_line(line, oid_len, at == 0, is_ref, &is_ref);
        if (wrong) {
            return corrupt(err, "packed-refs", wrong);
        }
        if (is_ref) {
            text[at + oid_len] = '\0';
            *end = '\0';
            v = fl_arena_grow(a, v, found, sizeof(*v));
            v[found++] = (struct fl_git_ref){.name = text + at + oid_len + 1, .oid = text + at};
        }
        at += line.n + 1;
    }
    int rc = sort_unique(v, found, "packed-refs", err);
    if (!rc) {
        *ret = (struct fl_git_refs){.v = v, .n = found};
    }
    return rc;
}

static int packed_read(const char *repo, size_t oid_len, struct fl_arena *a,
                       struct fl_git_refs *ret, struct fl_err *err)
{
    fl_auto_text path = fl_asprintf("%s/packed-refs", repo);
    fl_auto_val(fl_buf) b = FL_BUF_INIT(PACKED_MAX);
    struct stat st;

    if (stat(path, &st) == 0 && st.st_size > 0) {
        fl_buf_reserve(&b, (size_t)st.st_size);
    }
    int rc = fl_file_read(path, PACKED_MAX, &b, err);
    if (rc == FL_E_NOT_FOUND) {
        fl_err_clear(err);
        *ret = (struct fl_git_refs){0};
        return 0;
    }
    return rc ? rc
              : git_packed_refs_parse(fl_arena_str(a, fl_buf_slice(&b)), b.len, oid_len, a, ret,
                                      err);
}

/* ---- loose refs ---- */

struct loose {
    struct fl_arena *arena;
    size_t oid_len;
    struct fl_git_ref *v;
    size_t n;
};

/* *ret is empty for a file of zeros, which is what a power cut leaves of a ref that was renamed into
 * its place before its content was on disk: it goes, and is a ref that is not there. */
static int loose_oid(const struct repo_entry *e, size_t oid_len, char *ret, struct fl_err *err)
{
    char text[LOOSE_MAX];
    fl_auto_text file = fl_asprintf("refs/%s", e->path);
    int fd = openat(e->dir, e->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0) {
        return repo_fail(errno, "read", file, err);
    }
    ssize_t n = read(fd, text, sizeof(text));
    (void)close(fd);
    struct fl_str s = {text, n > 0 ? (size_t)n : 0};
    if (s.n > 0 && s.p[0] == '\0') {
        ret[0] = '\0';
        return unlinkat(e->dir, e->name, 0) == 0 || errno == ENOENT
                   ? 0
                   : repo_fail(errno, "remove", file, err);
    }
    if (s.n > 0 && s.p[s.n - 1] == '\n') {
        s.n--;
    }
    if (s.n != oid_len || !fl_git_oid_valid(s)) {
        return corrupt(err, file,
                       fl_str_starts(s, "ref:") ? "is a symbolic ref" : "holds no object id");
    }
    memcpy(ret, s.p, s.n);
    ret[s.n] = '\0';
    return 0;
}

static int loose_entry(void *arg, const struct repo_entry *e, struct fl_err *err)
{
    struct loose *l = arg;
    char oid[FL_GIT_OID_TEXT] = "";

    /* No part of a ref's name begins with a dot; file systems name what they need so (.nfs...). */
    if (S_ISDIR(e->st->st_mode) || fl_str_ends(fl_str_of(e->name), ".lock") || e->name[0] == '.') {
        return 0;
    }
    const char *name = fl_arena_fmt(l->arena, "refs/%s", e->path);
    if (!S_ISREG(e->st->st_mode) || !is_ref_name(fl_str_of(name))) {
        return corrupt(err, name, "is no ref");
    }
    int rc = loose_oid(e, l->oid_len, oid, err);
    if (rc || oid[0] == '\0') {
        return rc;
    }
    l->v = fl_arena_grow(l->arena, l->v, l->n, sizeof(*l->v));
    l->v[l->n++] = (struct fl_git_ref){.name = name, .oid = fl_arena_text(l->arena, oid)};
    return 0;
}

/* A loose ref wins over a packed one of its name. */
static void merge(struct fl_arena *a, const struct fl_git_refs *packed, const struct loose *l,
                  struct fl_git_refs *ret)
{
    size_t i = 0;
    size_t k = 0;
    size_t n = 0;

    if (l->n == 0) {
        *ret = *packed;
        return;
    }
    struct fl_git_ref *v = fl_arena_array(a, packed->n + l->n, sizeof(*v));
    while (i < packed->n || k < l->n) {
        int order = i >= packed->n ? 1 : k >= l->n ? -1 : strcmp(packed->v[i].name, l->v[k].name);

        if (order < 0) {
            v[n++] = packed->v[i++];
        } else {
            v[n++] = l->v[k++];
            i += order == 0;
        }
    }
    *ret = (struct fl_git_refs){.v = v, .n = n};
}

int repo_head_read(const char *repo, struct fl_arena *a, const char **ret, struct fl_err *err)
{
    fl_auto_text path = fl_asprintf("%s/HEAD", repo);
    fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_GIT_REF_MAX + 16);
    int rc = fl_file_read(path, b.cap_max, &b, err);

    if (rc) {
        return rc;
    }
    struct fl_str s = fl_buf_slice(&b);
    if (s.n > 0 && s.p[s.n - 1] == '\n') {
        s.n--;
    }
    if (fl_git_oid_valid(s)) { /* detached: by hand, we never do */
        *ret = NULL;
        return 0;
    }
    struct fl_str name = {s.p + 5, s.n > 5 ? s.n - 5 : 0};
    if (!fl_str_starts(s, "ref: ") || !is_ref_name(name)) {
        return corrupt(err, "HEAD", "names no ref");
    }
    *ret = fl_arena_str(a, name);
    return 0;
}

/* Loose before packed, as git reads them: a ref that is packed meanwhile is seen in one of them. */
int repo_refs_read(const char *path, bool sha256, struct fl_arena *a, struct fl_git_refs *ret,
                   struct fl_err *err)
{
    fl_auto_text dir = fl_asprintf("%s/refs", path);
    struct loose l = {.arena = a, .oid_len = sha256 ? 64 : 40};
    struct fl_git_refs packed = {0};
    struct fl_git_refs all = {0};
    int rc = repo_walk(dir, loose_entry, &l, err);

    if (!rc) {
        rc = sort_unique(l.v, l.n, "refs", err);
    }
    if (!rc) {
        rc = packed_read(path, l.oid_len, a, &packed, err);
    }
    if (!rc) {
        merge(a, &packed, &l, &all);
        rc = repo_head_read(path, a, &all.head, err);
    }
    if (!rc) {
        *ret = all;
    }
    if (rc && err && fl_text_eq(err->reason, "RefsCorrupt")) {
        struct fl_err what = *err;
        return fl_fail(err, rc, what.reason,
                       "in %s, %s: remove that file; what is missing then is brought again", path,
                       what.msg);
    }
    return rc;
}

static int read_those(struct fl_repo *repo, struct fl_arena *a, const char *prefix, bool with,
                      struct fl_git_refs *ret, struct fl_err *err)
{
    struct fl_git_refs all = {0};
    size_t n = 0;
    int rc = repo_refs_read(repo->path, repo->sha256, a, &all, err);

    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < all.n; i++) {
        if (fl_text_starts(all.v[i].name, prefix) == with) {
            all.v[n++] = all.v[i];
        }
    }
    all.n = n;
    *ret = all;
    return 0;
}

int repo_refs(struct fl_repo *repo, struct fl_arena *a, struct fl_git_refs *ret, struct fl_err *err)
{
    return read_those(repo, a, "refs/fairlead/", false, ret, err);
}

int repo_kept(struct fl_repo *repo, struct fl_arena *a, struct fl_git_refs *ret, struct fl_err *err)
{
    return read_those(repo, a, REPO_KEPT, true, ret, err);
}
