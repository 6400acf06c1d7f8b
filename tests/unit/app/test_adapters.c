/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/v1alpha1/registry.h"
#include "app/adapters.h"
#include "base/str.h"
#include "port/registry.h"

static void test_adapters__names_are_sorted_and_unique(void **state)
{
    const char *last = "";

    (void)state;
    assert_non_null(fl_adapters[0]);
    for (size_t i = 0; fl_adapters[i]; i++) {
        const char *name = fl_adapters[i]->name;

        if (!name || strcmp(last, name) >= 0) {
            fail_msg("row %zu: '%s' does not come behind '%s'", i, name ? name : "", last);
        }
        for (const char *c = name; *c; c++) {
            if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-')) {
                fail_msg("'%s' is not lower case", name);
            }
        }
        last = name;
    }
}

/* Spec.type admits what has an adapter, and nothing else. */
static void test_adapters__those_with_registries_are_the_types_of_a_registry(void **state)
{
    size_t types = 0, offered = 0;

    (void)state;
    for (; fl_registry_type_names[types]; types++) {
        bool found = false;

        for (size_t i = 0; fl_adapters[i]; i++) {
            found |= fl_adapters[i]->registry &&
                     strcmp(fl_adapters[i]->name, fl_registry_type_names[types]) == 0;
        }
        if (!found) {
            fail_msg("type %s has no adapter", fl_registry_type_names[types]);
        }
    }
    for (size_t i = 0; fl_adapters[i]; i++) {
        offered += fl_adapters[i]->registry != NULL;
    }
    assert_int_equal(offered, types);
}

#define SLOT(m)                                                                                    \
    {                                                                                              \
#m, offsetof(struct fl_registry_ops, m)                                                    \
    }

static void test_adapters__ports_are_complete(void **state)
{
    static const struct {
        const char *name;
        size_t at;
    } slots[] = {
        SLOT(probe),        SLOT(list_repositories), SLOT(list_tags), SLOT(head_manifest),
        SLOT(get_manifest), SLOT(put_manifest),      SLOT(open_blob), SLOT(push_blob),
        SLOT(close_blob),   SLOT(head_tags),
    };
    void (*slot)(void);

    (void)state;
    /* A slot that the table does not name would go unseen. */
    assert_int_equal(sizeof(struct fl_registry_ops), FL_LEN(slots) * sizeof(slot));
    for (size_t i = 0; fl_adapters[i]; i++) {
        const struct fl_adapter *a = fl_adapters[i];

        if (!a->open || !a->close || !a->registry) {
            fail_msg("%s: open, close or all ports are missing", a->name);
        }
        for (size_t k = 0; k < FL_LEN(slots); k++) {
            memcpy(&slot, (const char *)a->registry + slots[k].at, sizeof(slot));
            if (!slot) {
                fail_msg("%s: registry.%s is missing", a->name, slots[k].name);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adapters__names_are_sorted_and_unique),
        cmocka_unit_test(test_adapters__those_with_registries_are_the_types_of_a_registry),
        cmocka_unit_test(test_adapters__ports_are_complete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
