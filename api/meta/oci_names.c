/* SPDX-License-Identifier: Apache-2.0 */
#include "api/meta/oci_names.h"

static bool lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool lower_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Length of the separator at s[i], between two runs of letters and digits; 0 = none that is allowed. */
static size_t separator(struct fl_str s, size_t i)
{
    size_t n = 0;
    while (i + n < s.n && s.p[i + n] == s.p[i]) {
        n++;
    }
    switch (s.p[i]) {
    case '.':
    case '/':
        return n == 1 ? 1 : 0;
    case '_':
        return n <= 2 ? n : 0;
    case '-':
        return n;
    default:
        return 0;
    }
}

const char *fl_oci_repository_wrong(struct fl_str s)
{
    static const char grammar[] =
        "must be a repository name such as library/nginx: lower-case letters and digits, "
        "separated by one '.', '_', '__', any number of '-', or '/'";
    if (s.n > FL_OCI_REPOSITORY_MAX) {
        return "must be no more than 255 bytes";
    }
    size_t i = 0;
    for (;;) {
        size_t start = i;
        while (i < s.n && lower_alnum(s.p[i])) {
            i++;
        }
        if (i == start) {
            return grammar;
        }
        if (i == s.n) {
            return NULL;
        }
        size_t n = separator(s, i);
        if (n == 0) {
            return grammar;
        }
        i += n;
    }
}

const char *fl_oci_tag_wrong(struct fl_str s)
{
    static const char grammar[] =
        "must be a tag: 1 to 128 letters, digits, '_', '.' or '-', not beginning with '.' or '-'";
    if (s.n == 0 || s.n > FL_OCI_TAG_MAX || s.p[0] == '.' || s.p[0] == '-') {
        return grammar;
    }
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool ok = lower_alnum(c) || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '-';
        if (!ok) {
            return grammar;
        }
    }
    return NULL;
}

const char *fl_oci_digest_wrong(struct fl_str s)
{
    static const char grammar[] =
        "must be a digest: sha256: and 64, or sha512: and 128 digits 0-9a-f";
    size_t hex = fl_str_starts(s, "sha256:") ? 64 : fl_str_starts(s, "sha512:") ? 128 : 0;
    if (hex == 0 || s.n != 7 + hex) {
        return grammar;
    }
    for (size_t i = 7; i < s.n; i++) {
        if (!lower_hex(s.p[i])) {
            return grammar;
        }
    }
    return NULL;
}

static bool tell(const char *wrong, struct fl_err *why)
{
    if (wrong) {
        (void)fl_fail(why, FL_E_INVALID, "Invalid", "%s", wrong);
    }
    return !wrong;
}

bool fl_oci_repository_check(struct fl_str s, struct fl_err *why)
{
    return tell(fl_oci_repository_wrong(s), why);
}

bool fl_oci_tag_check(struct fl_str s, struct fl_err *why)
{
    return tell(fl_oci_tag_wrong(s), why);
}

bool fl_oci_digest_check(struct fl_str s, struct fl_err *why)
{
    return tell(fl_oci_digest_wrong(s), why);
}

int fl_oci_map_repository(struct fl_str repository, struct fl_str ns, int64_t replace,
                          struct fl_buf *ret, struct fl_err *err)
{
    if (ns.n == 0) {
        fl_buf_str(ret, repository);
        return 0;
    }
    int64_t before_last = 0;
    for (size_t i = 0; i < repository.n; i++) {
        before_last += repository.p[i] == '/';
    }
    if (replace > before_last) {
        return fl_fail(
            err, FL_E_INVALID, "NamespaceReplaceCount",
            "cannot replace %lld leading components of '%.*s', which has only %lld before "
            "the last",
            (long long)replace, FL_STR_ARG(repository), (long long)before_last);
    }
    struct fl_str rest = repository, head;
    for (int64_t left = replace < 0 ? before_last : replace; left > 0; left--) {
        (void)fl_str_cut(&rest, '/', &head);
    }
    fl_buf_str(ret, ns);
    fl_buf_char(ret, '/');
    fl_buf_str(ret, rest);
    return 0;
}
