/* SPDX-License-Identifier: Apache-2.0
 * Fairlead's own closed documents by libcyaml (its only user): the configuration file and kubeconfig. */
#ifndef FL_WIRE_CONF_H
#define FL_WIRE_CONF_H

#include "base/arena.h"
#include "base/err.h"

/* A flat configuration file: `key: value` scalars and lists of scalars. Keys are the names of options; an unknown key, a
 * repeated key, a nested value or a second document is INVALID with file, line and column. */
struct fl_conf_entry {
    const char *key;
    const char *value; /* text of the scalar; lists give one entry per item */
    int line;
};
int fl_conf_load(const char *path, const char *const *known, struct fl_arena *a,
                 struct fl_conf_entry **ret, size_t *ret_n, struct fl_err *err);

/* What of a kubeconfig the client uses, for the current context (or the one named). Files are read, data is decoded. */
struct fl_kubeconfig {
    const char *server;
    const char *ca_pem; /* NULL: the system's store */
    bool insecure;
    const char *tls_server_name;
    const char *proxy_url;
    const char *token;
    const char *token_file;
    const char *cert_pem, *key_pem;
    const char *username, *password;
    const char *namespace_;
};
/* INVALID with what is missing or not supported (exec, auth-provider are named). */
int fl_kubeconfig_load(const char *path, const char *context, struct fl_arena *a,
                       struct fl_kubeconfig *ret, struct fl_err *err);

#endif
