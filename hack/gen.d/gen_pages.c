/* SPDX-License-Identifier: Apache-2.0
 * Rewrites the tables of fields in the reference pages, between their markers: gen_pages FOLDER. The page of a kind is
 * FOLDER/<kind in snake case>.md and must be there with both markers. */
#include <stdio.h>

#include "api/scheme.h"
#include "base/mem.h"
#include "wire/codec.h"

#define PAGE_MAX ((size_t)1 << 20)
#define BEGIN "<!-- fields -->\n"
#define END "<!-- /fields -->"

/* "ReplicationPolicy" -> "replication_policy" */
static void snake(struct fl_buf *b, const char *kind)
{
    for (const char *c = kind; *c; c++) {
        bool upper = *c >= 'A' && *c <= 'Z';
        if (upper && c != kind) {
            fl_buf_char(b, '_');
        }
        fl_buf_char(b, upper ? (char)(*c - 'A' + 'a') : *c);
    }
}

static int read_page(const char *path, struct fl_buf *page)
{
    FILE *f = fopen(path, "r");
    if (!f) {
        perror(path);
        return 1;
    }
    char block[4096];
    size_t n;
    while ((n = fread(block, 1, sizeof(block), f)) > 0) {
        fl_buf_add(page, block, n);
    }
    bool ok = !ferror(f) && fl_buf_finish(page, path, NULL) == 0;
    if (fclose(f) != 0 || !ok) {
        perror(path);
        return 1;
    }
    return 0;
}

static int write_page(const char *path, const struct fl_buf *page)
{
    FILE *f = fopen(path, "w");
    bool ok = f && fwrite(page->data, 1, page->len, f) == page->len;
    if ((f && fclose(f) != 0) || !ok) {
        perror(path);
        return 1;
    }
    return 0;
}

static int rewrite(const struct fl_kind *k, const char *folder)
{
    fl_auto_val(fl_buf) name = FL_BUF_INIT(FL_BUF_ANY);
    snake(&name, k->kind);
    fl_auto_text path = fl_asprintf("%s/%s.md", folder, name.data);
    fl_auto_val(fl_buf) page = FL_BUF_INIT(PAGE_MAX);
    if (read_page(path, &page) != 0) {
        return 1;
    }
    const char *begin = strstr(page.data, BEGIN);
    const char *end = begin ? strstr(begin, END) : NULL;
    if (!end) {
        (void)fprintf(stderr, "%s: the markers <!-- fields --> and <!-- /fields --> are missing\n",
                      path);
        return 1;
    }
    fl_auto_val(fl_buf) out = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_add(&out, page.data, (size_t)(begin - page.data));
    fl_buf_text(&out, BEGIN "\n");
    fl_schema_page(k, &out);
    fl_buf_text(&out, end);
    return write_page(path, &out);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: gen_pages FOLDER\n");
        return 2;
    }
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        if (strcmp((*k)->group, FL_GROUP) == 0 && rewrite(*k, argv[1]) != 0) {
            return 1;
        }
    }
    return 0;
}
