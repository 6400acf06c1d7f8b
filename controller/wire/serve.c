/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/serve.h"

const char *fl_request_header(const struct fl_request *req, const char *name)
{
    for (size_t i = 0; i < req->n_headers; i++) {
        if (fl_str_case_is(fl_str_of(req->headers[i].name), name)) {
            return req->headers[i].value;
        }
    }
    return NULL;
}

void fl_response_init(struct fl_response *res, size_t body_cap)
{
    *res = (struct fl_response){.status = 500};
    fl_buf_init(&res->body, body_cap);
}

void fl_response_release(struct fl_response *res)
{
    fl_buf_release(&res->body);
    fl_shared_free(res->shared);
    res->shared = NULL;
    if (res->feed) {
        res->feed->ops->close(res->feed);
        res->feed = NULL;
    }
}

void fl_response_header(struct fl_response *res, const char *name, const char *value)
{
    fl_assert(res->n_headers < FL_RESPONSE_HEADERS);
    res->headers[res->n_headers++] = (struct fl_header){name, value};
}
