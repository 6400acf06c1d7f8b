/* SPDX-License-Identifier: Apache-2.0
 * A kubeconfig as libcyaml reads it (conf.c), before it is understood (kubeconfig.c). Absent and null members are NULL. */
#ifndef FL_WIRE_CONF_PRIV_H
#define FL_WIRE_CONF_PRIV_H

#include "wire/conf.h"

enum { CONF_FILE_MAX = 1024 * 1024 };

struct kube_cluster {
    char *server, *ca, *ca_data, *tls_server_name, *proxy_url;
    int *insecure;
};

struct kube_plugin {
    char *command, *name;
};

struct kube_user {
    char *cert, *cert_data, *key, *key_data, *token, *token_file, *username, *password, *as;
    struct kube_plugin *exec, *auth_provider;
};

struct kube_context {
    char *cluster, *user, *namespace_;
};

struct kube_named_cluster {
    char *name;
    struct kube_cluster *cluster;
};

struct kube_named_user {
    char *name;
    struct kube_user *user;
};

struct kube_named_context {
    char *name;
    struct kube_context *context;
};

struct kube_file {
    struct kube_named_cluster *clusters;
    struct kube_named_user *users;
    struct kube_named_context *contexts;
    unsigned clusters_count, users_count, contexts_count;
    char *current_context;
};

/* Messages never hold a value of the file. a: for what the load notes on its way. */
int conf_kube_read(const char *path, struct fl_str text, struct fl_arena *a, struct kube_file **ret,
                   struct fl_err *err);
void conf_kube_free(struct kube_file *f);

#endif
