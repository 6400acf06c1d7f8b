/* SPDX-License-Identifier: Apache-2.0
 * Short forms for the tables of this folder, whose objects are not decoded into structs: rows have names, types, protobuf
 * numbers (kubernetes/api <group>/<version>/generated.proto; kubernetes.md 3.5) and texts, and no place in a struct. */
#ifndef FL_API_CORE_CORE_H
#define FL_API_CORE_CORE_H

#include "api/meta/kind.h"

#define FL_ROW(name_, type_, pb_, doc_) .name = name_, .type = type_, .pb = pb_, .doc = doc_
#define FL_ROW_OBJECT(name_, rows_, pb_, doc_)                                                     \
    .name = name_, .type = FL_OBJECT, .rows = rows_, .pb = pb_, .doc = doc_
#define FL_ROW_LIST(name_, item_, pb_, doc_)                                                       \
    .name = name_, .type = FL_LIST, .item = item_, .pb = pb_, .doc = doc_
#define FL_ROW_OBJECTS(name_, rows_, pb_, doc_)                                                    \
    .name = name_, .type = FL_LIST, .item = FL_OBJECT, .rows = rows_, .pb = pb_, .doc = doc_
#define FL_ROW_END                                                                                 \
    {                                                                                              \
        .type = FL_END                                                                             \
    }

/* ObjectReference, shared by ServiceAccount and both Events. */
extern const struct fl_field fl_object_reference_rows[];

#endif
