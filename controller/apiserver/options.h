/* SPDX-License-Identifier: Apache-2.0
 * Query parameters of writes and lists, checked as the real server checks them (apimachinery
 * pkg/apis/meta/v1/validation, pkg/apis/meta/internalversion/validation). */
#ifndef FL_APISERVER_OPTIONS_H
#define FL_APISERVER_OPTIONS_H

#include "apiserver/selector.h"
#include "apiserver/server.h"

/* dryRun, fieldValidation, fieldManager into the call; `options`: "CreateOptions", "UpdateOptions", "PatchOptions". */
bool fl_options_write(struct fl_call *c, const char *options);
/* timeout of any request: a Go duration. */
bool fl_options_timeout(struct fl_call *c);

struct fl_list_options {
    struct fl_selector *labels, *fields; /* the caller's; see release */
    int64_t limit;                       /* 0: none */
    int64_t rv;                          /* 0: unset or "0"; see rv_given */
    bool rv_given;
    bool exact;       /* resourceVersionMatch=Exact */
    const char *cont; /* NULL: none */
    bool watch;
    bool bookmarks;
    int send_initial; /* -1: not given */
    int64_t timeout_ms;
};
void fl_list_options_release(struct fl_list_options *o);
FL_AUTO_VAL(fl_list_options);
/* For list, watch and deletecollection. */
bool fl_options_list(struct fl_call *c, struct fl_list_options *ret);
/* resourceVersion of a GET: nothing newer than what is stored can be asked for. */
bool fl_options_get(struct fl_call *c);
/* 504 "Too large resource version". */
void fl_answer_too_large(struct fl_call *c, int64_t rv, int64_t current);

#endif
