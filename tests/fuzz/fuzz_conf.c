/* SPDX-License-Identifier: Apache-2.0
 * The configuration file (first byte even) and kubeconfig (odd) from any bytes: no crash, no leak, a reason for each refusal. */
#include <fcntl.h>
#include <unistd.h>

#include "wire/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char *const known[] = {"listen", "data-dir", "verbose", "allow", "x", NULL};

static void check_flat(const char *path)
{
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_conf_entry *entries = NULL;
    struct fl_err err = FL_ERR_INIT;
    size_t count = 0;
    int rc = fl_conf_load(path, known, a, &entries, &count, &err);

    fl_assert(rc == 0 || err.msg[0]);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        fl_assert(entries[i].key && entries[i].value);
    }
}

static void check_kube(const char *path)
{
    fl_auto(fl_arena) a = fl_arena_new();
    struct fl_kubeconfig k = {.server = NULL};
    struct fl_err err = FL_ERR_INIT;
    int rc = fl_kubeconfig_load(path, NULL, a, &k, &err);

    fl_assert(rc == 0 ? k.server != NULL : err.msg[0] != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char path[64];
    int fd;

    if (n == 0) {
        return 0;
    }
    (void)snprintf(path, sizeof(path), "/tmp/fl-fuzz-conf-%ld", (long)getpid());
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    fl_assert(fd >= 0 && write(fd, data + 1, n - 1) == (ssize_t)(n - 1));
    (void)close(fd);
    if (data[0] % 2 == 0) {
        check_flat(path);
    } else {
        check_kube(path);
    }
    (void)unlink(path);
    return 0;
}
