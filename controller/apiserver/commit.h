/* SPDX-License-Identifier: Apache-2.0
 * Objects into the store: serialised once, split where the resourceVersion goes; what namespaces there are is kept in step. */
#ifndef FL_APISERVER_COMMIT_H
#define FL_APISERVER_COMMIT_H

#include "apiserver/server.h"

/* events.k8s.io events are stored as core events. */
const struct fl_kind *fl_stored_kind(const struct fl_kind *k);
/* The tree of a stored text in the words of kind k; *ret is the caller's. BAD_DATA: the store was altered. */
int fl_stored_tree(const struct fl_kind *k, struct fl_str text, struct fl_json **ret,
                   struct fl_err *err);
/* The text that would be stored, with this resourceVersion (NULL: none). */
void fl_commit_text(const struct fl_kind *k, const struct fl_json *obj, const char *rv,
                    struct fl_buf *out, size_t *ret_split);

/* Writes obj, in the words of kind k, by the name in its metadata. expect_rv as fl_store_write. Failures: those of
 * fl_store_write, TOO_BIG. *ret: one reference to the stored text. */
int fl_commit(struct fl_apiserver *s, enum fl_store_op op, const struct fl_kind *k,
              const struct fl_json *obj, int64_t expect_rv, struct fl_shared **ret,
              struct fl_err *err);
/* Deletes by the stored text itself, which becomes the last state. */
int fl_commit_delete(struct fl_apiserver *s, const struct fl_kind *k, struct fl_str text,
                     int64_t expect_rv, struct fl_shared **ret, struct fl_err *err);

struct fl_delete_options {
    const char *uid; /* preconditions; NULL */
    const char *rv;
    bool dry_run;
};
/* One object: gone, or marked where finalizers (or a namespace's content) hold it. CONFLICT: a precondition does not hold.
 * *ret: the last or the new state. *ret_gone: it is no longer stored (would be, in a dry run). */
int fl_delete_object(struct fl_apiserver *s, const struct fl_store_key *key,
                     const struct fl_delete_options *o, struct fl_shared **ret, bool *ret_gone,
                     struct fl_err *err);
bool fl_namespace_protected(struct fl_str name);
/* Nothing holds an object that is being deleted any more. */
bool fl_delete_due(const struct fl_kind *k, const struct fl_json *obj);

#endif
