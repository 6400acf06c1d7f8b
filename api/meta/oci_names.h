/* SPDX-License-Identifier: Apache-2.0
 * The grammar of repositories, tags and digests, and Harbor's mapping of a repository into another namespace.
 * Sources: OCI distribution-spec 1.1 (Pull), image-spec descriptor.md (digests); registry.md sections 1 and 14.4. */
#ifndef FL_API_META_OCI_NAMES_H
#define FL_API_META_OCI_NAMES_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define FL_OCI_REPOSITORY_MAX 255 /* bytes; what clients and registries agree on */
#define FL_OCI_TAG_MAX 128

/* The same as regular expressions, for schemas. */
#define FL_OCI_REPOSITORY_PATTERN                                                                  \
    "^[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*$"
#define FL_OCI_TAG_PATTERN "^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$"
#define FL_OCI_DIGEST_PATTERN "^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$"

/* Each: NULL if valid, else what it must be, as a clause. */
const char *fl_oci_repository_wrong(struct fl_str s); /* "library/nginx" */
const char *fl_oci_tag_wrong(struct fl_str s);
const char *fl_oci_digest_wrong(struct fl_str s); /* sha256 and sha512 only: what can be verified */

/* The same as checks of rows. */
bool fl_oci_repository_check(struct fl_str s, struct fl_err *why);
bool fl_oci_tag_check(struct fl_str s, struct fl_err *why);
bool fl_oci_digest_check(struct fl_str s, struct fl_err *why);

/* Appends the repository's name at the destination: its first `replace` components give way to ns (-1: all but the last;
 * 0: none, ns is put before). Empty ns: the same name. INVALID, reason "NamespaceReplaceCount", when there are not that many
 * to replace (the last always stays). The result is not checked for length. */
int fl_oci_map_repository(struct fl_str repository, struct fl_str ns, int64_t replace,
                          struct fl_buf *ret, struct fl_err *err);

#endif
