/* SPDX-License-Identifier: Apache-2.0
 * The generated part of a kind's reference page. */
#include "base/num.h"
#include "wire/codec.h"
#include "wire/codec_priv.h"

/* Text for a cell: '|' would end it. */
static void cell(struct fl_buf *b, const char *s)
{
    for (; s && *s; s++) {
        if (*s == '|') {
            fl_buf_char(b, '\\');
        }
        fl_buf_char(b, *s);
    }
}

static const char *type_word(enum fl_type type)
{
    switch (type) {
    case FL_BOOL:
        return "boolean";
    case FL_INT:
        return "integer";
    case FL_DURATION:
        return "duration";
    case FL_TIME:
        return "time";
    case FL_OBJECT:
        return "object";
    case FL_LIST:
        return "list";
    case FL_MAP:
        return "map";
    case FL_BYTES:
        return "base64";
    case FL_ANY:
        return "any";
    default:
        return "string";
    }
}

static void type_cell(struct fl_buf *b, const struct fl_field *f)
{
    if (f->type == FL_ENUM) {
        for (int i = 0; f->names[i]; i++) {
            fl_buf_fmt(b, "%s`%s`", i ? ", " : "", f->names[i]);
        }
    } else if (f->type == FL_LIST || f->type == FL_MAP) {
        fl_buf_fmt(b, "%s of %ss", type_word(f->type), type_word(f->item));
    } else {
        fl_buf_text(b, type_word(f->type));
    }
}

static void number(struct fl_buf *b, const struct fl_field *f, int64_t v)
{
    if (f->type == FL_DURATION) {
        fl_duration_fmt(b, v);
    } else {
        fl_buf_i64(b, v);
    }
}

/* "1 to 64"; strings have their grammar in the text instead. */
static void range(struct fl_buf *b, const struct fl_field *f)
{
    bool counted = f->type == FL_LIST || f->type == FL_MAP;
    if ((f->type != FL_INT && f->type != FL_DURATION && !counted) || f->max == 0) {
        return;
    }
    fl_buf_text(b, ", ");
    number(b, f, f->min);
    fl_buf_text(b, " to ");
    number(b, f, f->max);
}

static void row(struct fl_buf *b, const struct fl_field *f, const char *path)
{
    fl_buf_fmt(b, "| `%s` | ", path);
    type_cell(b, f);
    range(b, f);
    fl_buf_text(b, " | ");
    if (f->def) {
        fl_buf_fmt(b, "`%s`", f->def);
    } else if (f->flags & FL_REQUIRED) {
        fl_buf_text(b, "**required**");
    }
    fl_buf_text(b, " | ");
    cell(b, f->doc);
    if (f->flags & FL_IMMUTABLE) {
        fl_buf_text(b, " Cannot be changed.");
    }
    fl_buf_text(b, " |\n");
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static void rows_table(struct fl_buf *b, const struct fl_field *rows, struct fl_buf *path,
                       int depth)
{
    fl_assert(depth < FL_CODEC_DEPTH_MAX);
    for (const struct fl_field *f = rows; f->type != FL_END; f++) {
        size_t len = fl_path_name(path, f->name);
        row(b, f, path->data);
        if (f->type == FL_LIST && f->item == FL_OBJECT) {
            fl_buf_text(path, "[]");
        }
        if (f->rows) {
            rows_table(b, f->rows, path, depth + 1);
        }
        fl_buf_truncate(path, len);
    }
}

static void section(struct fl_buf *b, const char *title, const char *root,
                    const struct fl_field *rows)
{
    if (!rows) {
        return;
    }
    fl_buf_fmt(b, "### %s\n\n| Field | Type | Default | Meaning |\n|---|---|---|---|\n", title);
    fl_auto_val(fl_buf) path = FL_BUF_INIT(FL_BUF_ANY);
    fl_buf_text(&path, root);
    rows_table(b, rows, &path, 0);
    fl_buf_char(b, '\n');
}

void fl_schema_page(const struct fl_kind *k, struct fl_buf *b)
{
    section(b, "Spec", "spec", k->spec_rows);
    section(b, "Status", "status", k->status_rows);
    if (!k->columns) {
        return;
    }
    fl_buf_text(
        b,
        "### Columns of `kubectl get`\n\n| Column | Shown | Path | Meaning |\n|---|---|---|---|\n");
    for (const struct fl_column *c = k->columns; c->path; c++) {
        fl_buf_fmt(b, "| %s | %s | `", c->name, c->priority ? "`-o wide`" : "always");
        cell(b, c->path);
        fl_buf_text(b, "` | ");
        cell(b, c->doc);
        fl_buf_text(b, " |\n");
    }
    fl_buf_char(b, '\n');
}
