/* SPDX-License-Identifier: Apache-2.0
 * Private to yaml.c and yaml_write.c: what a plain scalar means. YAML 1.1 as Go's reader takes it; source:
 * kubernetes-sigs/yaml goyaml.v2/resolve.go, and kubernetes.md section 0, fact 10. */
#ifndef FL_WIRE_YAML_SCALAR_H
#define FL_WIRE_YAML_SCALAR_H

#include "base/buf.h"
#include "base/str.h"

enum fl_yaml_kind {
    FL_YAML_STRING,
    FL_YAML_NULL,  /* nothing, ~, null */
    FL_YAML_BOOL,  /* y n yes no on off true false, in the three cases of each */
    FL_YAML_INT,   /* decimal, 0x, 0o, 0b, or octal by a leading 0; '_' anywhere */
    FL_YAML_UINT,  /* beyond int64 */
    FL_YAML_FLOAT, /* no base 60, no hexadecimal */
    FL_YAML_NOT_FINITE,
};

struct fl_yaml_scalar {
    enum fl_yaml_kind kind;
    bool truth;
    int64_t i;
    uint64_t u;
    double d;           /* FLOAT */
    const char *symbol; /* NOT_FINITE: ".inf", "-.inf", ".nan" */
};

struct fl_yaml_scalar fl_yaml_resolve_(struct fl_str text);
/* The text a float becomes as a mapping key: that of the nearest float of 32 bits, as kubernetes-sigs/yaml yaml.go
 * writes it (strconv 'g', shortest, 32). */
void fl_yaml_float_key_(double v, struct fl_buf *b);

#endif
