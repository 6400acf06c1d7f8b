/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/conf.h"

#include <stdarg.h>

#include <cyaml/cyaml.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/secret.h"
#include "wire/conf_priv.h"
#include "wire/file.h"

enum {
    CONF_ITEMS_MAX = 10000,
    CONF_KEY_MAX = 128,
};

/* ---- libcyaml ---- */

/* What a load says while it runs. libcyaml tells a failure's place and reason in its log alone (libraries.md, YAML). */
struct conf_log {
    struct fl_arena *a;
    const char **keys; /* as they were read, with repetitions; the last is where a failure is */
    size_t n_keys;
    char said[160];           /* the first complaint */
    char field[CONF_KEY_MAX]; /* innermost of the backtrace */
    int64_t line, column;     /* likewise; 0: not told */
};

/* Remembers each size, since what a kubeconfig holds is wiped when it is freed. */
union conf_block {
    size_t n;
    max_align_t align;
};

static void *conf_mem(void *ctx, void *p, size_t n)
{
    union conf_block *old = p ? (union conf_block *)p - 1 : NULL;
    union conf_block *block = NULL;

    (void)ctx;
    if (n > 0) {
        block = fl_malloc(sizeof(*block) + n);
        block->n = n;
        if (old) {
            memcpy(block + 1, old + 1, old->n < n ? old->n : n);
        }
    }
    if (old) {
        fl_wipe(old, sizeof(*old) + old->n);
        fl_free(old);
    }
    return block ? block + 1 : NULL;
}

/* The number behind `label` in a line of the log. */
static int64_t conf_log_number(const char *line, const char *label)
{
    const char *p = strstr(line, label);
    int64_t v = 0;
    size_t n = 0;

    if (!p) {
        return 0;
    }
    p += strlen(label);
    n = strspn(p, "0123456789");
    return fl_num_i64((struct fl_str){p, n}, &v) ? v : 0;
}

static void conf_log_place(struct conf_log *log, const char *line)
{
    const char *open = strchr(line, '\'');
    const char *close = open ? strchr(open + 1, '\'') : NULL;

    if (close && !log->field[0]) {
        (void)snprintf(log->field, sizeof(log->field), "%.*s", (int)(close - open - 1), open + 1);
    }
    if (log->line == 0) {
        log->line = conf_log_number(line, "(line: ");
        log->column = conf_log_number(line, "column: ");
    }
}

static void conf_log_fn(cyaml_log_t level, void *ctx, const char *fmt, va_list ap)
    fl_printf_like(3, 0);
static void conf_log_fn(cyaml_log_t level, void *ctx, const char *fmt, va_list ap)
{
    static const char complaint[] = "Load: ";
    static const char key[] = "Load: [";
    struct conf_log *log = ctx;
    char line[512];
    size_t n;

    (void)vsnprintf(line, sizeof(line), fmt, ap);
    n = strcspn(line, "\n");
    line[n] = '\0';
    if (level == CYAML_LOG_INFO && fl_text_starts(line, key) && n > strlen(key)) {
        struct fl_str name = {line + strlen(key), n - strlen(key) - 1};

        log->keys = fl_arena_grow(log->a, log->keys, log->n_keys, sizeof(*log->keys));
        log->keys[log->n_keys++] = fl_arena_str(log->a, name);
    } else if (level >= CYAML_LOG_ERROR && fl_text_starts(line, "  in ")) {
        conf_log_place(log, line);
    } else if (level >= CYAML_LOG_ERROR && !log->said[0] && fl_text_starts(line, complaint)) {
        (void)snprintf(log->said, sizeof(log->said), "%.150s", line + strlen(complaint));
    }
}

static cyaml_config_t conf_config(struct conf_log *log, cyaml_cfg_flags_t flags)
{
    return (cyaml_config_t){
        .log_fn = conf_log_fn,
        .log_ctx = log,
        .mem_fn = conf_mem,
        .log_level = CYAML_LOG_INFO,
        .flags = flags | CYAML_CFG_NO_ALIAS,
    };
}

/* ---- the text itself ---- */

static int conf_fail(struct fl_err *err, const char *path, int64_t line, int64_t column,
                     const char *what)
{
    if (line <= 0) {
        return fl_fail(err, FL_E_INVALID, "ConfigInvalid", "%s: %s", path, what);
    }
    if (column <= 0) {
        return fl_fail(err, FL_E_INVALID, "ConfigInvalid", "%s: line %d: %s", path, (int)line,
                       what);
    }
    return fl_fail(err, FL_E_INVALID, "ConfigInvalid", "%s: line %d, column %d: %s", path,
                   (int)line, (int)column, what);
}

static size_t conf_indent(struct fl_str line)
{
    size_t n = 0;

    while (n < line.n && line.p[n] == ' ') {
        n++;
    }
    return n;
}

/* Blank, or a comment. */
static bool conf_is_void(struct fl_str line)
{
    line = fl_str_trim(line);
    return line.n == 0 || line.p[0] == '#' || line.p[0] == '\r';
}

static bool conf_is_marker(struct fl_str line, const char *marker)
{
    return fl_str_starts(line, marker) &&
           (line.n == 3 || line.p[3] == ' ' || line.p[3] == '\t' || line.p[3] == '\r');
}

/* The library would take the first document and forget the rest. A marker at the start of a line ends a document wherever
 * it stands (YAML 1.2, 9.1.2). */
static int conf_check_single(const char *path, struct fl_str text, struct fl_err *err)
{
    bool content = false;
    bool ended = false;
    struct fl_str line;

    for (int number = 1; text.n > 0; number++) {
        (void)fl_str_cut(&text, '\n', &line);
        if (conf_is_marker(line, "...")) {
            ended = true;
        } else if (conf_is_marker(line, "---")) {
            if (content) {
                return conf_fail(err, path, number, 1, "only one document is allowed");
            }
            content = !conf_is_void((struct fl_str){line.p + 3, line.n - 3});
            ended = false;
        } else if (!conf_is_void(line)) {
            if (ended && content) {
                return conf_fail(err, path, number, 1, "only one document is allowed");
            }
            content = content || line.p[0] != '%';
        }
    }
    return 0;
}

/* libyaml would also take UTF-16. */
static int conf_check_text(const char *path, struct fl_str *text, struct fl_err *err)
{
    if (fl_str_starts(*text, "\xef\xbb\xbf")) {
        text->p += 3;
        text->n -= 3;
    }
    if (!fl_utf8_valid(*text) || (text->n > 0 && memchr(text->p, '\0', text->n))) {
        return conf_fail(err, path, 0, 0, "the file is not UTF-8 text");
    }
    return conf_check_single(path, *text, err);
}

/* The key that a line of the root mapping begins with; n == 0: none. */
static struct fl_str conf_line_key(struct fl_str line, size_t indent)
{
    struct fl_str key = {line.p + indent, 0};
    size_t i = indent;

    if (i < line.n && (line.p[i] == '"' || line.p[i] == '\'')) {
        const char *close = memchr(line.p + i + 1, line.p[i], line.n - i - 1);

        return close ? (struct fl_str){line.p + i + 1, (size_t)(close - line.p) - i - 1} : key;
    }
    for (; i < line.n; i++) {
        if (line.p[i] == ':' && (i + 1 == line.n || strchr(" \t\r", line.p[i + 1]))) {
            return fl_str_trim((struct fl_str){line.p + indent, i - indent});
        }
    }
    return key;
}

/* Where a key of the root mapping stands for the nth time (from 1); 0: not found. The library has no places for what it
 * reads well, and for an unknown key the place of the value before. */
static int conf_find_key(struct fl_str text, const char *key, int nth, int *column)
{
    bool first = true;
    size_t indent = 0;
    struct fl_str line;

    for (int number = 1; text.n > 0; number++) {
        (void)fl_str_cut(&text, '\n', &line);
        if (conf_is_void(line) || conf_is_marker(line, "---") || line.p[0] == '%') {
            continue;
        }
        if (first) {
            indent = conf_indent(line);
            first = false;
        }
        if (conf_indent(line) == indent && fl_str_is(conf_line_key(line, indent), key) &&
            --nth == 0) {
            *column = (int)indent + 1;
            return number;
        }
    }
    *column = 0;
    return 0;
}

/* ---- the flat file ---- */

struct conf_slot {
    char *text;
    char **items;
    unsigned n_items;
};

struct conf_flat {
    const char *path;
    struct fl_str text;
    const char *const *known;
    size_t n_known;
    bool *is_list; /* of each known key */
    cyaml_schema_field_t *fields;
    struct conf_slot *slots;
    struct conf_log log;
};

static const cyaml_schema_value_t conf_item = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CONF_FILE_MAX),
};

/* libcyaml has no "scalar or list": each key begins as a scalar, and becomes a list when a list was found. */
static void conf_flat_schema(struct conf_flat *f)
{
    for (size_t i = 0; i < f->n_known; i++) {
        uint32_t at = (uint32_t)(i * sizeof(struct conf_slot));
        cyaml_schema_field_t *field = &f->fields[i];

        *field = (cyaml_schema_field_t){.key = f->known[i]};
        if (f->is_list[i]) {
            field->data_offset = at + (uint32_t)offsetof(struct conf_slot, items);
            field->count_offset = at + (uint32_t)offsetof(struct conf_slot, n_items);
            field->count_size = sizeof(unsigned);
            field->value = (cyaml_schema_value_t){CYAML_VALUE_SEQUENCE(
                CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, char *, &conf_item, 0, CONF_ITEMS_MAX)};
        } else {
            field->data_offset = at + (uint32_t)offsetof(struct conf_slot, text);
            field->value = (cyaml_schema_value_t){CYAML_VALUE_STRING(
                CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, char, 0, CONF_FILE_MAX)};
        }
    }
    f->fields[f->n_known] = (cyaml_schema_field_t)CYAML_FIELD_END;
}

static int64_t conf_index(const struct conf_flat *f, const char *key)
{
    for (size_t i = 0; i < f->n_known; i++) {
        if (strcmp(f->known[i], key) == 0) {
            return (int64_t)i;
        }
    }
    return -1;
}

static int conf_fail_key(const struct conf_flat *f, const char *key, int nth, const char *what,
                         struct fl_err *err)
{
    int column = 0;
    int line = conf_find_key(f->text, key, nth, &column);
    fl_auto_text words = fl_asprintf("%s '%s'", what, key);

    return conf_fail(err, f->path, line ? line : f->log.line, line ? column : f->log.column, words);
}

/* A load failed: what is wrong, where. */
static int conf_flat_fail(const struct conf_flat *f, cyaml_err_t cy, struct fl_err *err)
{
    const struct conf_log *log = &f->log;
    const char *key = log->n_keys ? log->keys[log->n_keys - 1] : NULL;

    if (cy == CYAML_ERR_LIBYAML_PARSER) {
        fl_auto_text words =
            fl_asprintf("not YAML: %s (at or after this place)",
                        fl_text_starts(log->said, "libyaml: ") ? log->said + 9 : "malformed");

        return conf_fail(err, f->path, log->line, log->column, words);
    }
    if (cy == CYAML_ERR_ALIAS) {
        return conf_fail(err, f->path, log->line, log->column,
                         "aliases are not allowed (at or after this place)");
    }
    if (cy == CYAML_ERR_INVALID_KEY && key) {
        return conf_fail_key(f, key, 1, "unknown key", err);
    }
    if (fl_text_starts(log->said, "Mapping field already seen") && key) {
        return conf_fail_key(f, key, 2, "repeated key", err);
    }
    if (cy == CYAML_ERR_SEQUENCE_ENTRIES_MAX && key) {
        return conf_fail_key(f, key, 1, "too many items under", err);
    }
    if (key) {
        return conf_fail_key(f, key, 1, "a value or a list of values is wanted under", err);
    }
    return conf_fail(err, f->path, log->line, log->column,
                     "lines of the form 'key: value' are wanted");
}

/* One try. *again: a key turned out to be a list. */
static int conf_flat_try(struct conf_flat *f, bool *again, struct fl_err *err)
{
    const cyaml_schema_value_t root = {
        .type = CYAML_MAPPING,
        .flags = CYAML_FLAG_POINTER,
        .data_size = (uint32_t)((f->n_known + 1) * sizeof(struct conf_slot)),
        .mapping = {.fields = f->fields},
    };
    cyaml_config_t config = conf_config(&f->log, CYAML_CFG_DEFAULT);
    struct fl_arena *a = f->log.a;
    cyaml_data_t *data = NULL;
    cyaml_err_t cy;
    int64_t at;

    f->log = (struct conf_log){.a = a};
    conf_flat_schema(f);
    cy = cyaml_load_data((const uint8_t *)f->text.p, f->text.n, &config, &root, &data, NULL);
    if (cy == CYAML_OK) {
        f->slots = (struct conf_slot *)data;
        *again = false;
        return 0;
    }
    at = f->log.n_keys ? conf_index(f, f->log.keys[f->log.n_keys - 1]) : -1;
    if (at >= 0 && !f->is_list[at] && cy == CYAML_ERR_INVALID_VALUE && strstr(f->log.said, "SEQ")) {
        f->is_list[at] = true;
        *again = true;
        return 0;
    }
    return conf_flat_fail(f, cy, err);
}

static int conf_flat_add(struct conf_flat *f, const char *key, const char *value,
                         struct fl_conf_entry **entries, size_t *n, struct fl_err *err)
{
    struct fl_arena *a = f->log.a;
    int column = 0;

    /* libcyaml gives these as texts. */
    if (strcmp(value, "~") == 0 || strcmp(value, "null") == 0) {
        return conf_fail_key(f, key, 1, "null is no value, leave the line out: key", err);
    }
    *entries = fl_arena_grow(a, *entries, *n, sizeof(**entries));
    (*entries)[(*n)++] = (struct fl_conf_entry){
        .key = f->known[conf_index(f, key)],
        .value = fl_arena_text(a, value),
        .line = conf_find_key(f->text, key, 1, &column),
    };
    return 0;
}

/* In the order of the file. */
static int conf_flat_collect(struct conf_flat *f, struct fl_conf_entry **ret, size_t *ret_n,
                             struct fl_err *err)
{
    struct fl_conf_entry *entries = NULL;
    size_t n = 0;
    int rc = 0;

    for (size_t k = 0; k < f->log.n_keys && rc == 0; k++) {
        const char *key = f->log.keys[k];
        const struct conf_slot *slot = &f->slots[conf_index(f, key)];

        if (slot->text) {
            rc = conf_flat_add(f, key, slot->text, &entries, &n, err);
        }
        for (unsigned i = 0; i < slot->n_items && rc == 0; i++) {
            rc = conf_flat_add(f, key, slot->items[i], &entries, &n, err);
        }
    }
    if (rc == 0) {
        *ret = entries;
        *ret_n = n;
    }
    return rc;
}

static void conf_flat_free(struct conf_flat *f)
{
    const cyaml_schema_value_t root = {
        .type = CYAML_MAPPING,
        .flags = CYAML_FLAG_POINTER,
        .data_size = (uint32_t)((f->n_known + 1) * sizeof(struct conf_slot)),
        .mapping = {.fields = f->fields},
    };
    struct conf_log quiet = {.a = f->log.a};
    cyaml_config_t config = conf_config(&quiet, CYAML_CFG_DEFAULT);

    config.log_level = CYAML_LOG_ERROR;
    if (f->slots) {
        (void)cyaml_free(&config, &root, f->slots, 0);
    }
}

static bool conf_is_empty(struct fl_str text)
{
    struct fl_str line;

    while (text.n > 0) {
        (void)fl_str_cut(&text, '\n', &line);
        if (!conf_is_void(line) && !conf_is_marker(line, "---")) {
            return false;
        }
    }
    return true;
}

static int conf_flat_load(struct conf_flat *f, struct fl_conf_entry **ret, size_t *ret_n,
                          struct fl_err *err)
{
    bool again = true;
    int rc = conf_check_text(f->path, &f->text, err);

    if (rc || conf_is_empty(f->text)) {
        if (rc == 0) {
            *ret = NULL;
            *ret_n = 0;
        }
        return rc;
    }
    while (again && rc == 0) {
        rc = conf_flat_try(f, &again, err);
    }
    if (rc == 0) {
        rc = conf_flat_collect(f, ret, ret_n, err);
    }
    conf_flat_free(f);
    return rc;
}

int fl_conf_load(const char *path, const char *const *known, struct fl_arena *a,
                 struct fl_conf_entry **ret, size_t *ret_n, struct fl_err *err)
{
    fl_auto_val(fl_buf) text = FL_BUF_INIT(2 * (size_t)CONF_FILE_MAX);
    struct conf_flat f = {.path = path, .known = known, .log = {.a = a}};
    int rc = fl_file_read(path, CONF_FILE_MAX, &text, err);

    if (rc) {
        return rc;
    }
    while (known[f.n_known]) {
        f.n_known++;
    }
    f.text = fl_buf_slice(&text);
    f.is_list = fl_arena_array(a, f.n_known + 1, sizeof(*f.is_list));
    f.fields = fl_arena_array(a, f.n_known + 1, sizeof(*f.fields));
    return conf_flat_load(&f, ret, ret_n, err);
}

/* ---- kubeconfig ---- */

/* Optional, and null is absent; kubectl writes "users: null". */
#define KUBE_OPT (CYAML_FLAG_POINTER_NULL_STR | CYAML_FLAG_OPTIONAL)
#define KUBE_TEXT(key, T, member)                                                                  \
    CYAML_FIELD_STRING_PTR(key, KUBE_OPT, struct T, member, 0, CONF_FILE_MAX)

static const cyaml_strval_t kube_bool[] = {{"false", 0}, {"true", 1}};

static const cyaml_schema_field_t kube_cluster_fields[] = {
    KUBE_TEXT("server", kube_cluster, server),
    KUBE_TEXT("certificate-authority", kube_cluster, ca),
    KUBE_TEXT("certificate-authority-data", kube_cluster, ca_data),
    KUBE_TEXT("tls-server-name", kube_cluster, tls_server_name),
    KUBE_TEXT("proxy-url", kube_cluster, proxy_url),
    CYAML_FIELD_ENUM_PTR("insecure-skip-tls-verify", KUBE_OPT | CYAML_FLAG_STRICT,
                         struct kube_cluster, insecure, kube_bool, 2),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t kube_plugin_fields[] = {
    KUBE_TEXT("command", kube_plugin, command),
    KUBE_TEXT("name", kube_plugin, name),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t kube_user_fields[] = {
    KUBE_TEXT("client-certificate", kube_user, cert),
    KUBE_TEXT("client-certificate-data", kube_user, cert_data),
    KUBE_TEXT("client-key", kube_user, key),
    KUBE_TEXT("client-key-data", kube_user, key_data),
    KUBE_TEXT("token", kube_user, token),
    KUBE_TEXT("tokenFile", kube_user, token_file),
    KUBE_TEXT("username", kube_user, username),
    KUBE_TEXT("password", kube_user, password),
    KUBE_TEXT("as", kube_user, as),
    CYAML_FIELD_MAPPING_PTR("exec", KUBE_OPT, struct kube_user, exec, kube_plugin_fields),
    CYAML_FIELD_MAPPING_PTR("auth-provider", KUBE_OPT, struct kube_user, auth_provider,
                            kube_plugin_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t kube_context_fields[] = {
    KUBE_TEXT("cluster", kube_context, cluster),
    KUBE_TEXT("user", kube_context, user),
    KUBE_TEXT("namespace", kube_context, namespace_),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t kube_named_cluster_fields[] = {
    KUBE_TEXT("name", kube_named_cluster, name),
    CYAML_FIELD_MAPPING_PTR("cluster", KUBE_OPT, struct kube_named_cluster, cluster,
                            kube_cluster_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t kube_named_user_fields[] = {
    KUBE_TEXT("name", kube_named_user, name),
    CYAML_FIELD_MAPPING_PTR("user", KUBE_OPT, struct kube_named_user, user, kube_user_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t kube_named_context_fields[] = {
    KUBE_TEXT("name", kube_named_context, name),
    CYAML_FIELD_MAPPING_PTR("context", KUBE_OPT, struct kube_named_context, context,
                            kube_context_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t kube_cluster_item = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct kube_named_cluster, kube_named_cluster_fields)};
static const cyaml_schema_value_t kube_user_item = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct kube_named_user, kube_named_user_fields)};
static const cyaml_schema_value_t kube_context_item = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct kube_named_context, kube_named_context_fields)};

static const cyaml_schema_field_t kube_file_fields[] = {
    CYAML_FIELD_SEQUENCE("clusters", KUBE_OPT, struct kube_file, clusters, &kube_cluster_item, 0,
                         CONF_ITEMS_MAX),
    CYAML_FIELD_SEQUENCE("users", KUBE_OPT, struct kube_file, users, &kube_user_item, 0,
                         CONF_ITEMS_MAX),
    CYAML_FIELD_SEQUENCE("contexts", KUBE_OPT, struct kube_file, contexts, &kube_context_item, 0,
                         CONF_ITEMS_MAX),
    KUBE_TEXT("current-context", kube_file, current_context),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t kube_root = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct kube_file, kube_file_fields)};

/* The log's own words may hold what the file holds, so only its places are told. */
static int kube_fail_load(const char *path, const struct conf_log *log, cyaml_err_t cy,
                          struct fl_err *err)
{
    if (cy == CYAML_ERR_LIBYAML_PARSER) {
        return conf_fail(err, path, log->line, log->column, "not YAML (at or after this place)");
    }
    if (cy == CYAML_ERR_ALIAS) {
        return conf_fail(err, path, log->line, log->column,
                         "aliases are not supported (at or after this place)");
    }
    if (log->field[0]) {
        fl_auto_text words = fl_asprintf(
            fl_text_starts(log->said, "Mapping field already seen") ? "'%s' stands there twice"
            : cy == CYAML_ERR_INVALID_VALUE                         ? "'%s' has a wrong value"
                                            : "'%s' is not as a kubeconfig has it",
            log->field);

        return conf_fail(err, path, log->line, log->column, words);
    }
    return conf_fail(err, path, 0, 0, "this is not a kubeconfig");
}

int conf_kube_read(const char *path, struct fl_str text, struct fl_arena *a, struct kube_file **ret,
                   struct fl_err *err)
{
    struct conf_log log = {.a = a};
    cyaml_config_t config = conf_config(&log, CYAML_CFG_IGNORE_UNKNOWN_KEYS);
    struct kube_file *f = NULL;
    cyaml_err_t cy;
    int rc = conf_check_text(path, &text, err);

    if (rc) {
        return rc;
    }
    if (conf_is_empty(text)) {
        return conf_fail(err, path, 0, 0, "the file is empty");
    }
    config.log_level = CYAML_LOG_ERROR;
    cy = cyaml_load_data((const uint8_t *)text.p, text.n, &config, &kube_root, (cyaml_data_t **)&f,
                         NULL);
    if (cy != CYAML_OK) {
        return kube_fail_load(path, &log, cy, err);
    }
    if (!f) {
        return conf_fail(err, path, 0, 0, "this is not a kubeconfig");
    }
    *ret = f;
    return 0;
}

void conf_kube_free(struct kube_file *f)
{
    struct conf_log quiet = {.n_keys = 0};
    cyaml_config_t config = conf_config(&quiet, CYAML_CFG_IGNORE_UNKNOWN_KEYS);

    config.log_level = CYAML_LOG_ERROR;
    if (f) {
        (void)cyaml_free(&config, &kube_root, f, 0);
    }
}
