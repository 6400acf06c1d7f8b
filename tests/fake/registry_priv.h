/* SPDX-License-Identifier: Apache-2.0
 * What the files of the registry in memory share. */
#ifndef FL_FAKE_REGISTRY_PRIV_H
#define FL_FAKE_REGISTRY_PRIV_H

#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "fake/registry.h"

#define REG_FAULTS_MAX 32

struct reg_manifest {
    char *media_type;
    struct fl_shared *bytes;
};

struct reg_repo {
    struct fl_map *blobs;     /* digest -> struct fl_shared */
    struct fl_map *manifests; /* digest -> struct reg_manifest */
    struct fl_map *tags;      /* tag -> char * */
};

struct reg_token {
    struct reg_token *next;
    char *value;
    char *scopes; /* granted, separated by a space */
    int64_t until_ms;
};

struct reg_rule {
    struct fl_fake_fault f;
    int seen;
    int hits;
};

/* A request, read. */
struct reg_call {
    const struct fl_peer_request *req;
    enum fl_fake_kind kind;
    const char *repo;
    const char *ref; /* tag, digest, or the id of an upload */
    const char *mount, *from;
};

struct fl_fake_registry {
    struct fl_fake_registry_conf conf;
    struct fl_peer *peer;
    struct fl_peer *side;
    struct fl_lock lock;    /* guards what follows */
    struct fl_arena *arena; /* digests that were handed out */
    struct fl_map *repos;
    struct fl_map *sessions; /* id -> char * repository */
    int n_sessions;          /* that ever were */
    struct reg_token *tokens;
    int n_tokens;
    struct reg_rule rules[REG_FAULTS_MAX];
    size_t n_rules;
    size_t counts[FL_FAKE_KINDS + 1];
    size_t mounted, uploaded;
    struct fl_buf problems;
    int n_problems;
};

/* registry.c; all under the lock */
void reg_problem(struct fl_fake_registry *r, const struct fl_peer_request *req, const char *fmt,
                 ...) fl_printf_like(3, 4);
struct reg_repo *reg_repo(struct fl_fake_registry *r, const char *name, bool make);
const char *reg_put_blob(struct fl_fake_registry *r, const char *repo, struct fl_str content);
const char *reg_put_manifest(struct fl_fake_registry *r, const char *repo, const char *media_type,
                             struct fl_str bytes);
/* The first digest that the manifest refers to and the repository lacks, in `a`; NULL: none. Foreign layers do not count. */
const char *reg_missing(struct fl_arena *a, const struct reg_repo *repo, struct fl_str manifest);

/* registry_serve.c */
void reg_handle(void *arg, const struct fl_peer_request *req, struct fl_peer_answer *ret);
void reg_handle_side(void *arg, const struct fl_peer_request *req, struct fl_peer_answer *ret);
void reg_header(struct fl_peer_answer *a, const char *text);
void reg_error(const struct fl_peer_request *req, struct fl_peer_answer *a, int status,
               const char *code, const char *message);

/* registry_auth.c */
/* False: *ret is the refusal. */
bool reg_authorized(struct fl_fake_registry *r, const struct reg_call *c,
                    struct fl_peer_answer *ret);
void reg_challenge(struct fl_fake_registry *r, const struct reg_call *c,
                   struct fl_peer_answer *ret);
void reg_token_service(struct fl_fake_registry *r, const struct fl_peer_request *req,
                       struct fl_peer_answer *ret);
void reg_tokens_free(struct fl_fake_registry *r);

/* registry_fault.c */
bool reg_early(void *arg, const struct fl_peer_request *req, struct fl_peer_answer *ret);
/* The rule that this request meets, counted; NULL: none. */
const struct fl_fake_fault *reg_fault(struct fl_fake_registry *r,
                                      const struct fl_peer_request *req);
/* True: the fault is the whole answer, the request is not served. */
bool reg_fault_instead(struct fl_fake_registry *r, const struct fl_fake_fault *f,
                       const struct reg_call *c, struct fl_peer_answer *ret);
/* Spoils an answer. */
void reg_fault_after(const struct fl_fake_fault *f, const struct fl_peer_request *req,
                     struct fl_peer_answer *ret);

#endif
