/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/v1alpha1/registry.h"
#include "app/adapters.h"
#include "base/str.h"
#include "port/mirror.h"
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

struct slot {
    const char *name;
    size_t at;
};
#define SLOT(T, m)                                                                                 \
    {                                                                                              \
#m, offsetof(struct T, m)                                                                  \
    }
#define REGISTRY(m) SLOT(fl_registry_ops, m)
#define MIRROR(m) SLOT(fl_mirror_ops, m)
#define REPO(m) SLOT(fl_repo_ops, m)

/* size: of the port's struct: a slot that the table does not name would go unseen. */
static void check_port(const char *adapter, const char *port, const void *ops, size_t size,
                       const struct slot *slots, size_t n)
{
    void (*slot)(void);

    assert_int_equal(size, n * sizeof(slot));
    for (size_t k = 0; ops && k < n; k++) {
        memcpy(&slot, (const char *)ops + slots[k].at, sizeof(slot));
        if (!slot) {
            fail_msg("%s: %s.%s is missing", adapter, port, slots[k].name);
        }
    }
}

static void test_adapters__ports_are_complete(void **state)
{
    static const struct slot registry[] = {
        REGISTRY(probe),        REGISTRY(list_repositories), REGISTRY(list_tags),
        REGISTRY(get_manifest), REGISTRY(head_manifest),     REGISTRY(put_manifest),
        REGISTRY(open_blob),    REGISTRY(push_blob),         REGISTRY(close_blob),
        REGISTRY(head_tags),
    };
    static const struct slot mirror[] = {
        MIRROR(list), MIRROR(fetch), MIRROR(list_target), MIRROR(push), MIRROR(fetch_lfs),
    };
    static const struct slot repo[] = {
        REPO(open),   REPO(close), REPO(refs),     REPO(kept),   REPO(forced),   REPO(move),
        REPO(upkeep), REPO(size),  REPO(uses_lfs), REPO(remove), REPO(is_there),
    };

    (void)state;
    for (size_t i = 0; fl_adapters[i]; i++) {
        const struct fl_adapter *a = fl_adapters[i];

        if (!a->open || !a->close || (!a->registry && !a->mirror) || !a->mirror != !a->repo) {
            fail_msg("%s: open, close or all ports are missing, or half of a mirror", a->name);
        }
        check_port(a->name, "registry", a->registry, sizeof(*a->registry), registry,
                   FL_LEN(registry));
        check_port(a->name, "mirror", a->mirror, sizeof(*a->mirror), mirror, FL_LEN(mirror));
        check_port(a->name, "repo", a->repo, sizeof(*a->repo), repo, FL_LEN(repo));
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
