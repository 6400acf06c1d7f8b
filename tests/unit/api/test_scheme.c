/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include "api/meta/condition.h"
#include "base/map.h"

typedef void (*visit_fn)(const struct fl_field *rows, const char *path);

/* Calls back for each table below rows, once per place. */
static void each_table(const struct fl_field *rows, const char *path, int depth, visit_fn visit)
{
    assert_true(depth < 16);
    visit(rows, path);
    for (const struct fl_field *f = rows; f->type != FL_END; f++) {
        if (f->rows) {
            fl_auto_val(fl_buf) b = FL_BUF_INIT(FL_BUF_ANY);
            fl_buf_fmt(&b, "%s.%s", path, f->name);
            each_table(f->rows, b.data, depth + 1, visit);
        }
    }
}

static void each_table_of_all(visit_fn visit)
{
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        each_table((*k)->rows, (*k)->kind, 0, visit);
    }
    each_table(fl_meta_rows, "metadata", 0, visit);
    each_table(fl_delete_options_rows, "DeleteOptions", 0, visit);
}

static void test_scheme__is_sorted_and_unique(void **state)
{
    (void)state;
    for (size_t i = 1; fl_scheme[i]; i++) {
        const struct fl_kind *a = fl_scheme[i - 1], *b = fl_scheme[i];
        int groups = strcmp(a->group, b->group);
        if (groups > 0 || (groups == 0 && strcmp(a->plural, b->plural) >= 0)) {
            fail_msg("%s/%s stands before %s/%s", a->group, a->plural, b->group, b->plural);
        }
    }
}

static void test_scheme__finds_each_kind_by_both_names(void **state)
{
    (void)state;
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        struct fl_str group = fl_str_of((*k)->group), version = fl_str_of((*k)->version);
        assert_ptr_equal(fl_scheme_by_kind(group, version, fl_str_of((*k)->kind)), *k);
        assert_ptr_equal(fl_scheme_by_plural(group, version, fl_str_of((*k)->plural)), *k);
    }
    assert_null(fl_scheme_by_kind(FL_STR("fairlead.dev"), FL_STR("v1"), FL_STR("Registry")));
    assert_null(fl_scheme_by_kind(FL_STR(""), FL_STR("v1"), FL_STR("Registry")));
    assert_null(
        fl_scheme_by_plural(FL_STR("fairlead.dev"), FL_STR("v1alpha1"), FL_STR("registry")));
}

static void test_scheme__kinds_are_whole(void **state)
{
    (void)state;
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        const char *name = (*k)->kind;
        bool ours = strcmp((*k)->group, FL_GROUP) == 0;
        if (!(*k)->doc || !(*k)->doc[0] || !(*k)->rows || !(*k)->plural || !(*k)->singular) {
            fail_msg("%s lacks a name, a text or rows", name);
        }
        if (ours && (!(*k)->short_names || !(*k)->categories || !(*k)->columns ||
                     !((*k)->flags & FL_KIND_CUSTOM) || !((*k)->flags & FL_KIND_STATUS) ||
                     !(*k)->spec_size || !(*k)->status_size || !(*k)->namespaced ||
                     strcmp((*k)->categories[0], "fairlead") != 0)) {
            fail_msg("%s is not a whole kind of ours", name);
        }
        if ((*k)->spec_rows && row_at((*k)->rows, "spec")->rows != (*k)->spec_rows) {
            fail_msg("%s: spec_rows are not those of .spec", name);
        }
        if ((*k)->status_rows && row_at((*k)->rows, "status")->rows != (*k)->status_rows) {
            fail_msg("%s: status_rows are not those of .status", name);
        }
    }
}

static void test_scheme__short_names_are_unique(void **state)
{
    (void)state;
    fl_auto(fl_map) seen = fl_map_new(NULL);
    static char mark;
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        if (*k == &fl_kind_event_v1) {
            continue; /* the other view of the same objects */
        }
        for (const char *const *s = (*k)->short_names; s && *s; s++) {
            if (fl_map_get(seen, fl_str_of(*s))) {
                fail_msg("%s is taken twice", *s);
            }
            fl_map_set(seen, fl_str_of(*s), &mark);
        }
    }
    assert_int_equal(fl_map_len(seen), 8);
}

static void visit_docs(const struct fl_field *rows, const char *path)
{
    for (const struct fl_field *f = rows; f->type != FL_END; f++) {
        size_t n = f->doc ? strlen(f->doc) : 0;
        if (n < 4 || (f->doc[n - 1] != '.' && f->doc[n - 1] != ')')) {
            fail_msg("%s.%s has no sentence to explain it", path, f->name);
        }
    }
}

static void test_scheme__every_row_is_explained(void **state)
{
    (void)state;
    each_table_of_all(visit_docs);
}

static void visit_shape(const struct fl_field *rows, const char *path)
{
    for (const struct fl_field *f = rows; f->type != FL_END; f++) {
        bool objects = f->type == FL_OBJECT || (f->type == FL_LIST && f->item == FL_OBJECT);
        const char *wrong = NULL;
        if (objects != (f->rows != NULL)) {
            wrong = "rows exactly where there are objects";
        } else if ((f->type == FL_ENUM) != (f->names != NULL)) {
            wrong = "names exactly where there is an enum";
        } else if ((f->type == FL_LIST || f->type == FL_MAP) != (f->item != FL_END)) {
            wrong = "an item type exactly where there are items";
        } else if (f->type == FL_MAP && f->item != FL_STRING && f->item != FL_BYTES) {
            wrong = "a map of strings or bytes";
        } else if ((f->flags & (FL_LIST_MAP | FL_LIST_SET)) && f->type != FL_LIST) {
            wrong = "list flags on lists only";
        } else if (((f->flags & FL_LIST_MAP) != 0) != (f->key != NULL)) {
            wrong = "a key exactly where there is a list-map";
        } else if (f->key && !row_at(f->rows, f->key)) {
            wrong = "a key that is a row";
        } else if (f->pattern && !f->check) {
            wrong = "a check beside the pattern";
        } else if (f->max != 0 && f->min > f->max) {
            wrong = "min not above max";
        } else if ((f->flags & FL_REQUIRED) && f->def) {
            wrong = "no default where a value is required";
        }
        for (const struct fl_field *g = rows; g < f; g++) {
            if (strcmp(f->name, g->name) == 0) {
                wrong = "a name of its own";
            }
            if (f->pb != 0 && f->pb == g->pb) {
                wrong = "a protobuf number of its own";
            }
        }
        if (wrong) {
            fail_msg("%s.%s must have %s", path, f->name, wrong);
        }
    }
}

static void test_scheme__rows_fit_their_types(void **state)
{
    (void)state;
    each_table_of_all(visit_shape);
}

/* What decode writes at a row, in bytes. */
static size_t width(const struct fl_field *f)
{
    switch (f->type) {
    case FL_BOOL:
        return sizeof(bool);
    case FL_ENUM:
        return sizeof(int);
    case FL_INT:
    case FL_DURATION:
        return sizeof(int64_t);
    case FL_LIST:
    case FL_MAP:
        return sizeof(struct fl_list);
    default:
        return sizeof(void *);
    }
}

static void assert_struct(const struct fl_field *rows, size_t size, const char *path)
{
    for (const struct fl_field *f = rows; f->type != FL_END; f++) {
        if (f->at + width(f) > size) {
            fail_msg("%s.%s lies outside its struct", path, f->name);
        }
        for (const struct fl_field *g = rows; g < f; g++) {
            if (f->at < g->at + width(g) && g->at < f->at + width(f)) {
                fail_msg("%s.%s and %s overlap", path, f->name, g->name);
            }
        }
        if (f->rows) {
            if (f->size == 0) {
                fail_msg("%s.%s has no size to decode into", path, f->name);
            }
            assert_struct(f->rows, f->size, f->name);
        }
    }
}

static void test_scheme__structs_of_ours_hold_their_rows(void **state)
{
    (void)state;
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        if ((*k)->spec_size) {
            assert_struct((*k)->spec_rows, (*k)->spec_size, (*k)->kind);
            assert_struct((*k)->status_rows, (*k)->status_size, (*k)->kind);
        }
    }
}

/* Whether ".spec.a.b" or '.status.conditions[?(@.type=="Ready")].status' leads to a row. */
static bool path_exists(const struct fl_kind *k, const char *path)
{
    const struct fl_field *rows = k->rows;
    while (*path == '.') {
        size_t n = strcspn(path + 1, ".[");
        struct fl_str name = {path + 1, n};
        if (rows == k->rows && fl_str_is(name, "metadata")) {
            rows = fl_meta_rows;
        } else {
            const struct fl_field *f = rows;
            while (f && f->type != FL_END && !fl_str_is(name, f->name)) {
                f++;
            }
            if (!f || f->type == FL_END) {
                return false;
            }
            rows = f->rows;
        }
        path += 1 + n;
        if (*path == '[') {
            path = strchr(path, ']') + 1;
        }
    }
    return *path == '\0';
}

static void test_scheme__columns_lead_to_rows(void **state)
{
    (void)state;
    assert_false(path_exists(&fl_kind_registry, ".spec.bogus"));
    assert_false(path_exists(&fl_kind_registry, ".status.conditions[?(@.type==\"Ready\")].bogus"));
    for (const struct fl_kind *const *k = fl_scheme; *k; k++) {
        for (const struct fl_column *c = (*k)->columns; c && c->path; c++) {
            if (!c->name || !c->doc || !c->type || !path_exists(*k, c->path)) {
                fail_msg("%s: column %s, %s", (*k)->kind, c->name, c->path);
            }
        }
        for (const char *const *s = (*k)->selectable; s && *s; s++) {
            fl_auto_val(fl_buf) path = FL_BUF_INIT(FL_BUF_ANY);
            fl_buf_fmt(&path, ".%s", *s);
            if (!path_exists(*k, path.data)) {
                fail_msg("%s: selectable %s", (*k)->kind, *s);
            }
        }
    }
}

/* Numbers of kubernetes/api generated.proto, each kind's telling ones. */
static void test_scheme__protobuf_numbers_are_those_of_kubernetes(void **state)
{
    (void)state;
    static const struct {
        const struct fl_field *rows;
        const char *path;
        int want;
    } rows[] = {
        {fl_meta_rows, "name", 1},
        {fl_meta_rows, "creationTimestamp", 8},
        {fl_meta_rows, "labels", 11},
        {fl_meta_rows, "ownerReferences", 13},
        {fl_meta_rows, "ownerReferences.apiVersion", 5},
        {fl_meta_rows, "finalizers", 14},
        {fl_meta_rows, "managedFields", 17},
        {fl_meta_rows, "managedFields.fieldsV1", 7},
        {fl_delete_options_rows, "gracePeriodSeconds", 1},
        {fl_delete_options_rows, "preconditions.resourceVersion", 2},
        {fl_delete_options_rows, "propagationPolicy", 4},
    };
    static const struct {
        const struct fl_kind *kind;
        const char *path;
        int want;
    } kinds[] = {
        {&fl_kind_secret, "data", 2},
        {&fl_kind_secret, "type", 3},
        {&fl_kind_secret, "stringData", 4},
        {&fl_kind_config_map, "binaryData", 3},
        {&fl_kind_namespace, "spec.finalizers", 1},
        {&fl_kind_service_account, "automountServiceAccountToken", 4},
        {&fl_kind_event, "involvedObject.uid", 4},
        {&fl_kind_event, "eventTime", 10},
        {&fl_kind_event, "reportingInstance", 15},
        {&fl_kind_event_v1, "regarding", 8},
        {&fl_kind_event_v1, "note", 10},
        {&fl_kind_lease, "spec.renewTime", 4},
        {&fl_kind_self_subject_access_review, "spec.resourceAttributes.resource", 5},
        {&fl_kind_self_subject_rules_review, "spec.namespace", 1},
    };
    for (size_t i = 0; i < FL_LEN(rows); i++) {
        assert_int_equal(row_at(rows[i].rows, rows[i].path)->pb, rows[i].want);
    }
    for (size_t i = 0; i < FL_LEN(kinds); i++) {
        int got = row_at(kinds[i].kind->rows, kinds[i].path)->pb;
        if (got != kinds[i].want) {
            fail_msg("%s.%s is %d, not %d", kinds[i].kind->kind, kinds[i].path, got, kinds[i].want);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scheme__is_sorted_and_unique),
        cmocka_unit_test(test_scheme__finds_each_kind_by_both_names),
        cmocka_unit_test(test_scheme__kinds_are_whole),
        cmocka_unit_test(test_scheme__short_names_are_unique),
        cmocka_unit_test(test_scheme__every_row_is_explained),
        cmocka_unit_test(test_scheme__rows_fit_their_types),
        cmocka_unit_test(test_scheme__structs_of_ours_hold_their_rows),
        cmocka_unit_test(test_scheme__columns_lead_to_rows),
        cmocka_unit_test(test_scheme__protobuf_numbers_are_those_of_kubernetes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
