/* SPDX-License-Identifier: Apache-2.0
 * Container registries in memory behind the registry port, without a socket: for tests of what stands above the port. Each
 * URL is one registry. Calls are counted, can be failed by the program of the test and can be held. A manifest is taken only
 * when all it refers to is in the repository, so that an order that is wrong shows at once.
 *
 * An adapter has no state of its own, so there is one world a process: fl_fake_port_new makes it, fl_fake_port_free ends it.
 * Any thread. */
#ifndef FL_TESTS_FAKE_PORT_H
#define FL_TESTS_FAKE_PORT_H

#include "port/adapter.h"
#include "port/registry.h"

struct fl_fake_port;

enum fl_fake_call {
    FL_FAKE_PROBE,
    FL_FAKE_LIST_REPOSITORIES,
    FL_FAKE_LIST_TAGS,
    FL_FAKE_HEAD,
    FL_FAKE_GET,
    FL_FAKE_PUT,
    FL_FAKE_PUSH,
    FL_FAKE_CALLS
};

extern const struct fl_adapter fl_fake_adapter; /* "oci" */

struct fl_fake_port *fl_fake_port_new(void);
void fl_fake_port_free(struct fl_fake_port *w); /* all remotes were closed */

/* How a registry answers; a URL that was never set up is an empty, anonymous registry with a catalog. */
struct fl_fake_port_conf {
    const char *user, *password; /* NULL: anonymous */
    const char *ca_pem;          /* not NULL: a TLS failure unless exactly this is trusted */
    bool no_catalog;
    bool listing_digests;
};
void fl_fake_port_setup(struct fl_fake_port *w, const char *url,
                        const struct fl_fake_port_conf *conf);

/* An image with a config and `layers` layers whose contents follow from `seed`; images of one seed share all blobs. Replaces
 * the tag. */
void fl_fake_port_image(struct fl_fake_port *w, const char *url, const char *repo, const char *tag,
                        const char *seed, int layers);
/* An index of `children` images. */
void fl_fake_port_index(struct fl_fake_port *w, const char *url, const char *repo, const char *tag,
                        const char *seed, int children);
void fl_fake_port_untag(struct fl_fake_port *w, const char *url, const char *repo, const char *tag);
/* False: no such tag. */
bool fl_fake_port_digest(struct fl_fake_port *w, const char *url, const char *repo, const char *tag,
                         char ret[FL_DIGEST_MAX]);
size_t fl_fake_port_tags(struct fl_fake_port *w, const char *url); /* in all repositories */
/* Every tag has all it refers to, in its repository. */
bool fl_fake_port_whole(struct fl_fake_port *w, const char *url);

/* A failure for calls of one kind; the first that fits is used. */
struct fl_fake_port_fault {
    const char *url; /* NULL: any */
    enum fl_fake_call call;
    const char *contain; /* in "repository:reference", "repository@digest" or ""; NULL: any */
    int times;           /* -1: always */
    enum fl_code code;
    const char *reason;
    const char *message;
    int http_status;
    int64_t retry_after_ms; /* -1: none */
};
void fl_fake_port_fail(struct fl_fake_port *w, const struct fl_fake_port_fault *f);
void fl_fake_port_heal(struct fl_fake_port *w); /* forgets all faults */

/* Calls of one kind wait until released or cancelled. `after`: so many are let through first. */
void fl_fake_port_hold(struct fl_fake_port *w, const char *url, enum fl_fake_call call,
                       size_t after);
void fl_fake_port_release(struct fl_fake_port *w);
size_t fl_fake_port_held(struct fl_fake_port *w); /* calls that wait now */

/* Calls so far, failed ones too; url NULL: at all. */
size_t fl_fake_port_count(struct fl_fake_port *w, const char *url, enum fl_fake_call call);
size_t fl_fake_port_writes(struct fl_fake_port *w); /* PUT and PUSH */
size_t
fl_fake_port_intents(struct fl_fake_port *w); /* HEADs that announce a write (a token to push) */
size_t fl_fake_port_calls(struct fl_fake_port *w);   /* all */
size_t fl_fake_port_uploads(struct fl_fake_port *w); /* blobs whose bytes were sent */
size_t fl_fake_port_opened(struct fl_fake_port *w);  /* remotes opened so far */
size_t fl_fake_port_open(struct fl_fake_port *w);    /* remotes open now */

#endif
