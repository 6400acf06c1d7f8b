/* SPDX-License-Identifier: Apache-2.0
 * What holds for single built-in kinds beyond their rows. kubernetes.md 3.10. */
#ifndef FL_APISERVER_RULES_H
#define FL_APISERVER_RULES_H

#include "api/meta/kind.h"
#include "wire/json.h"

/* Fills in what the server sets: types, phases, labels, folded fields. obj is in the form of kind k; old is NULL on create.
 * finalize: the request may change a namespace's spec.finalizers. */
void fl_rules_prepare(const struct fl_kind *k, struct fl_json *obj, const struct fl_json *old,
                      bool finalize);
void fl_rules_check(const struct fl_kind *k, const struct fl_json *obj, const struct fl_json *old,
                    struct fl_violations *vs);

#endif
