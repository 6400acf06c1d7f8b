/* SPDX-License-Identifier: Apache-2.0
 * The sentences are those of apimachinery 0.37, pkg/util/validation and pkg/api/validate/content.
 */
#include "base/names.h"

#define DNS_LABEL_RE "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
#define SUBDOMAIN_SENTENCE                                                                         \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "   \
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "  \
    "for validation is '" DNS_LABEL_RE "(\\." DNS_LABEL_RE ")*')"
#define SUBDOMAIN_LENGTH "must be no more than 253 bytes"
#define LABEL_LENGTH "must be no more than 63 bytes"
#define QUALIFIED_RE "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
#define QUALIFIED_SENTENCE                                                                         \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "    \
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "         \
    "validation is '" QUALIFIED_RE "')"

enum { SUBDOMAIN_MAX = 253, LABEL_MAX = 63 };

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static bool is_dns_label(struct fl_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!is_lower_alnum(s.p[i]) && s.p[i] != '-') {
            return false;
        }
    }
    return s.n > 0 && s.p[0] != '-' && s.p[s.n - 1] != '-';
}

static bool is_subdomain(struct fl_str s)
{
    struct fl_str label = {0};
    bool more = true;
    while (more) {
        more = fl_str_cut(&s, '.', &label);
        if (!is_dns_label(label)) {
            return false;
        }
    }
    return true;
}

/* QUALIFIED_RE */
static bool is_label_text(struct fl_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!is_alnum(c) && c != '-' && c != '_' && c != '.') {
            return false;
        }
    }
    return s.n > 0 && is_alnum(s.p[0]) && is_alnum(s.p[s.n - 1]);
}

const char *fl_name_dns_subdomain(struct fl_str s)
{
    if (s.n > SUBDOMAIN_MAX) {
        return SUBDOMAIN_LENGTH;
    }
    return is_subdomain(s) ? NULL : SUBDOMAIN_SENTENCE;
}

const char *fl_name_dns_label(struct fl_str s)
{
    if (s.n > LABEL_MAX) {
        return LABEL_LENGTH;
    }
    if (is_dns_label(s)) {
        return NULL;
    }
    if (is_subdomain(s)) {
        return "must not contain dots";
    }
    return "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
           "and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', "
           "regex used for validation is '" DNS_LABEL_RE "')";
}

static const char *prefix_problem(struct fl_str prefix)
{
    if (prefix.n == 0) {
        return "prefix part must be non-empty";
    }
    if (prefix.n > SUBDOMAIN_MAX) {
        return "prefix part " SUBDOMAIN_LENGTH;
    }
    return is_subdomain(prefix) ? NULL : "prefix part " SUBDOMAIN_SENTENCE;
}

const char *fl_name_qualified(struct fl_str s)
{
    struct fl_str head = {0};
    struct fl_str name = s;
    if (fl_str_cut(&name, '/', &head)) {
        if (name.n > 0 && memchr(name.p, '/', name.n)) {
            return "a valid label key " QUALIFIED_SENTENCE
                   " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
        }
        const char *problem = prefix_problem(head);
        if (problem) {
            return problem;
        }
    } else {
        name = head;
    }
    if (name.n == 0) {
        return "name part must be non-empty";
    }
    if (name.n > LABEL_MAX) {
        return "name part " LABEL_LENGTH;
    }
    return is_label_text(name) ? NULL : "name part " QUALIFIED_SENTENCE;
}

const char *fl_name_label_value(struct fl_str s)
{
    if (s.n > LABEL_MAX) {
        return LABEL_LENGTH;
    }
    if (s.n == 0 || is_label_text(s)) {
        return NULL;
    }
    return "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' "
           "or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
           "'my_value',  or '12345', regex used for validation is '(" QUALIFIED_RE ")?')";
}

const char *fl_name_config_key(struct fl_str s)
{
    if (s.n > SUBDOMAIN_MAX) {
        return SUBDOMAIN_LENGTH;
    }
    bool plain = s.n > 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        plain = plain && (is_alnum(c) || c == '-' || c == '_' || c == '.');
    }
    if (!plain) {
        return "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
               "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
               "'[-._a-zA-Z0-9]+')";
    }
    if (fl_str_is(s, ".")) {
        return "must not be '.'";
    }
    if (fl_str_is(s, "..")) {
        return "must not be '..'";
    }
    return fl_str_starts(s, "..") ? "must not start with '..'" : NULL;
}
