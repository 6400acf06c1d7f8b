/* SPDX-License-Identifier: Apache-2.0
 * The page's files, from hook/page/, as bytes of the program (CMakeLists.txt makes page_files.c of them). */
#ifndef FL_HOOK_PAGE_H
#define FL_HOOK_PAGE_H

#include "base/cc.h"

struct web_file {
    const char *path; /* "/app.js" */
    const char *type;
    const unsigned char *data;
    const size_t *size;
};
extern const struct web_file web_files[]; /* ended by path NULL */

#endif
