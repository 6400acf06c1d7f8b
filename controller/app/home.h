/* SPDX-License-Identifier: Apache-2.0
 * What `fairlead standalone` keeps in its data folder beside the database: the token of the administrator, the CA and the
 * certificate of the API, the kubeconfig. All 0600. */
#ifndef FL_APP_HOME_H
#define FL_APP_HOME_H

#include "app/options.h"
#include "base/secret.h"

struct fl_home {
    struct fl_secret token;
    struct fl_buf cert_pem, key_pem;
    /* what clients must trust; empty: --tls-cert stands under somebody's CA */
    struct fl_buf ca_pem;
};

/* Makes the data folder, 0700, where it is missing. */
int fl_home_folder(const char *dir, struct fl_err *err);
/* Makes what is missing, the folder too. The certificate is made for `host`, localhost and the host's name, and renewed when fewer than 30
 * days are left or the address changed. */
int fl_home_open(const struct fl_options *o, const char *host, int64_t wall_ms, struct fl_home *ret,
                 struct fl_err *err);
void fl_home_release(struct fl_home *h);
FL_AUTO_VAL(fl_home);
/* Whole and 0600, or not at all. */
int fl_home_write_kubeconfig(const struct fl_home *h, const char *path, const char *host,
                             uint16_t port, struct fl_err *err);

#endif
